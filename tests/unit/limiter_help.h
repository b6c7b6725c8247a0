/* limiter_help.h - what the unit tests of limiters share.
 * SPDX-License-Identifier: MIT
 *
 * A maker that cannot fail.
 */
#ifndef CCONC_TESTS_LIMITER_HELP_H
#define CCONC_TESTS_LIMITER_HELP_H

#include "unit.h"

#include <errno.h>

#include <cconc/cconc.h>

static inline cconc_limiter *make(double rate, int32_t burst)
{
    cconc_limiter *limiter = NULL;
    SUPPORT_CHECK(cconc_limiter_new(rate, burst, &limiter) == 0 && limiter);
    return limiter;
}

#endif
