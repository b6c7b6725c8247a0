/* virtual.h - unit tests by the virtual clock: each thing happens at a known reading.
 * SPDX-License-Identifier: MIT
 */
#ifndef CCONC_TESTS_VIRTUAL_H
#define CCONC_TESTS_VIRTUAL_H

#include "unit.h"

#include <cconc/clock.h>

static inline int support_virtual_setup(void **state)
{
    int err = support_unit_setup(state);
    return err ? err : cconc_clock_virtual();
}

static inline int support_virtual_teardown(void **state)
{
    int err = cconc_clock_real();
    return err ? err : support_unit_teardown(state);
}

#define TIME_TEST(fn)                                                                              \
    cmocka_unit_test_setup_teardown(fn, support_virtual_setup, support_virtual_teardown)

/* Let time pass; what it makes due has been released when this returns. */
static inline void pass(int64_t duration_ns)
{
    SUPPORT_CHECK(cconc_clock_advance(duration_ns) == 0);
}

#endif
