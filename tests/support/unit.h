/* unit.h - cmocka with what it needs, and the frame of a unit test program.
 * SPDX-License-Identifier: MIT
 *
 *     int main(int argc, char **argv)
 *     {
 *         static const struct CMUnitTest tests[] = {UNIT_TEST(waitgroup_wait_returns_at_zero)};
 *         support_start(argc, argv, NULL);
 *         return UNIT_RUN(tests);
 *     }
 */
#ifndef CCONC_TESTS_UNIT_H
#define CCONC_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support.h"

/* A test after which the library, shut down, must hold no more memory than before. */
#define UNIT_TEST(fn) cmocka_unit_test_setup_teardown(fn, support_unit_setup, support_unit_teardown)

#define UNIT_RUN(tests) support_run_tests((tests), sizeof(tests) / sizeof((tests)[0]))

#endif
