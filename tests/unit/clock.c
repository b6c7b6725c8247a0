/* clock.c - the library clock
 * SPDX-License-Identifier: MIT
 *
 * Risk      A clock that goes back or is not the monotonic one; deadlines whose arithmetic wraps.
 * Method    Readings between two readings of the system's clock; a table of durations up to the
 *           ends of the range.
 * Catches   H3, T9, T10, T11; I11, I12.
 */
#include "unit.h"

#include <errno.h>

#include <cconc/cconc.h>

#define ERRNO_MARK 7777

static void clock_reads_the_systems_monotonic_clock(void **state)
{
    (void)state;
    int64_t last_ns = 0;
    errno = ERRNO_MARK;
    for (size_t i = 0; i < 100000; i++) {
        int64_t before_ns = support_now_ns();
        int64_t now_ns = cconc_clock_now();
        int64_t after_ns = support_now_ns();
        assert_true(before_ns <= now_ns && now_ns <= after_ns);
        assert_true(now_ns > 0 && now_ns >= last_ns);
        last_ns = now_ns;
    }
    assert_int_equal(errno, ERRNO_MARK);
}

static void clock_moves_on_by_itself(void **state)
{
    (void)state;
    int64_t begin_ns = cconc_clock_now();
    until(cconc_clock_now() > begin_ns);
}

static void clock_after_adds_the_duration_to_now(void **state)
{
    (void)state;
    static const int64_t durations[] = {
        1, CCONC_US, CCONC_MS, CCONC_SECOND, 3600 * CCONC_SECOND, INT64_MAX / 2};
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        int64_t before_ns = cconc_clock_now();
        int64_t deadline_ns = cconc_clock_after(durations[i]);
        int64_t after_ns = cconc_clock_now();
        assert_true(before_ns + durations[i] <= deadline_ns);
        assert_true(deadline_ns <= after_ns + durations[i]);
    }
}

static void clock_after_nothing_or_less_is_now(void **state)
{
    (void)state;
    static const int64_t durations[] = {0, -1, -CCONC_SECOND, INT64_MIN + 1, INT64_MIN};
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        int64_t before_ns = cconc_clock_now();
        int64_t deadline_ns = cconc_clock_after(durations[i]);
        assert_true(before_ns <= deadline_ns && deadline_ns <= cconc_clock_now());
    }
}

static void clock_after_saturates_at_never(void **state)
{
    (void)state;
    assert_int_equal(CCONC_NEVER, INT64_MAX);
    assert_int_equal(cconc_clock_after(INT64_MAX), CCONC_NEVER);
    assert_int_equal(cconc_clock_after(INT64_MAX - 1), CCONC_NEVER);
    assert_int_equal(cconc_clock_after(INT64_MAX - cconc_clock_now() + 1), CCONC_NEVER);
    assert_true(cconc_clock_after(INT64_MAX - cconc_clock_now() - 60 * CCONC_SECOND) < CCONC_NEVER);
}

static void clock_units_are_nanoseconds(void **state)
{
    (void)state;
    assert_int_equal(CCONC_US, 1000);
    assert_int_equal(CCONC_MS, 1000 * CCONC_US);
    assert_int_equal(CCONC_SECOND, 1000 * CCONC_MS);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(clock_reads_the_systems_monotonic_clock),
        UNIT_TEST(clock_moves_on_by_itself),
        UNIT_TEST(clock_after_adds_the_duration_to_now),
        UNIT_TEST(clock_after_nothing_or_less_is_now),
        UNIT_TEST(clock_after_saturates_at_never),
        UNIT_TEST(clock_units_are_nanoseconds),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
