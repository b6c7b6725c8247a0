/* bucket.c - the arithmetic of a token bucket
 * SPDX-License-Identifier: MIT
 *
 * Risk      Tokens minted by rounding, drift over a long time, an overflow at the ends of the
 *           ranges, a cancellation that does not restore the bucket.
 * Method    Whole lifetimes of a bucket in made-up time, at rates over twenty powers of ten.
 * Catches   lim-1, lim-6, lim-8, lim-11, lim-12.
 */
#include "unit.h"

#include <errno.h>

#include "prim/bucket.h"

static bucket make(double rate, int32_t burst)
{
    bucket b;
    SUPPORT_CHECK(cconc__bucket_init(&b, rate, burst) == 0);
    return b;
}

static bool take(bucket *b, int64_t time_ns, int32_t n)
{
    cconc_reservation taken;
    return cconc__bucket_take(b, time_ns, n, 0, &taken) == 0;
}

static void bucket_starts_full_and_grants_its_burst_at_any_rate(void **state)
{
    (void)state;
    for (double rate = 1e-12; rate < 1e13; rate *= 10) {
        bucket b = make(rate, INT32_MAX);
        assert_true(take(&b, 0, INT32_MAX));
        b = make(rate, 7);
        assert_false(take(&b, 0, 8));
        assert_true(take(&b, 0, 7));
        assert_int_equal(b.lack, bucket_full(&b));
    }
}

/* Polled ten times a token, it admits burst + rate * time within one token. */
static void bucket_admits_its_rate_over_ten_thousand_tokens(void **state)
{
    (void)state;
    for (double rate = 1e-10; rate < 2e9; rate *= 7.3) {
        bucket b = make(rate, 3);
        double token_ns = 1e9 / rate;
        double span = 10000;
        double step = 0.1;
        int64_t admitted = 0;
        if (span * token_ns > 9e18) { /* the clock ends before */
            span = 9e18 / token_ns;
        }
        if (step * token_ns < 1) {
            step = 1 / token_ns;
        }
        for (double at = 0; at < span; at += step) {
            while (take(&b, (int64_t)(at * token_ns), 1)) {
                admitted++;
            }
        }
        assert_true((double)admitted <= 3 + span + 1.01);
        assert_true((double)admitted >= 3 + span - 1.02);
    }
}

/* lim-11: beyond the limits it may be less, but not more. */
static void bucket_of_any_other_rate_admits_no_more(void **state)
{
    static const double rates[] = {1e-300, 1e-15, 1e-12, 3.3e-11, 9.9e-11, 1.1e9,
                                   1.5e9,  7e9,   3e12,  1e15,    1e100};
    (void)state;
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        bucket b = make(rates[i], INT32_MAX);
        int64_t step_ns = rates[i] < 1 ? INT64_MAX / 100 : 1;
        double admitted = 0;
        for (int64_t step = 0; step < 100; step++) {
            for (int32_t n = INT32_MAX; n > 0; n /= 2) {
                admitted += take(&b, step * step_ns, n) ? n : 0;
            }
        }
        double most = INT32_MAX + rates[i] * (99 * (double)step_ns / 1e9);
        assert_true(admitted <= most && admitted >= INT32_MAX);
    }
}

/* Whatever rounding did meanwhile. */
static void bucket_that_is_full_again_grants_its_burst(void **state)
{
    (void)state;
    for (double rate = 1e-3; rate < 2e9; rate *= 3.7) {
        bucket b = make(rate, 1000);
        double full_ns = 1e12 / rate;
        for (int64_t i = 0; i < 100; i++) {
            assert_true(take(&b, i * ((int64_t)(full_ns * (1 + 1e-6)) + 2), 1000));
        }
        assert_false(take(&b, 99 * ((int64_t)(full_ns * (1 + 1e-6)) + 2), 1));
    }
}

static void bucket_admits_a_week_at_a_hundred_a_second(void **state)
{
    (void)state;
    bucket b = make(100, 10);
    const int64_t days = support_is_sanitized() ? 1 : 7;
    const int64_t week_ns = days * 24 * 3600 * 1000000000;
    int64_t admitted = 0;
    for (int64_t at = 0; at <= week_ns; at += 9999991) { /* just below a token's time */
        admitted += take(&b, at, 1);
    }
    int64_t most = 10 + week_ns / 9999991 * 9999991 / 10000000;
    assert_in_range(admitted, most - 1, most);
}

static void bucket_runs_of_reservations_cancelled_in_reverse_leave_it_as_it_was(void **state)
{
    (void)state;
    for (double rate = 1e-9; rate < 2e9; rate *= 3.7) {
        bucket b = make(rate, 100);
        cconc_reservation taken[100];
        assert_true(take(&b, 12345, 37));
        bucket before = b;
        for (int round = 0; round < 10; round++) {
            for (int i = 0; i < 100; i++) {
                assert_int_equal(cconc__bucket_take(&b, 12345, i % 5, INT64_MAX, &taken[i]), 0);
            }
            for (int i = 99; i >= 0; i--) {
                cconc__bucket_give_back(&b, 12345, &taken[i]);
            }
            assert_int_equal(b.lack, before.lack);
            assert_int_equal(b.net, before.net);
        }
    }
}

static void bucket_keeps_its_tokens_at_changes_of_rate_and_burst(void **state)
{
    (void)state;
    bucket b = make(10, 10);
    assert_true(take(&b, 0, 6));
    for (double rate = 1e-10; rate < 2e9; rate *= 11) {
        assert_int_equal(cconc__bucket_set_rate(&b, 0, rate), 0);
        double tokens = cconc__bucket_tokens(&b, 0);
        assert_true(tokens <= 4.0 && tokens > 3.9999);
    }
    assert_int_equal(cconc__bucket_set_burst(&b, 0, 100), 0);
    assert_true(cconc__bucket_tokens(&b, 0) <= 4.0);
    assert_int_equal(cconc__bucket_set_burst(&b, 0, 2), 0);
    assert_true(cconc__bucket_tokens(&b, 0) == 2.0);
    assert_int_equal(cconc__bucket_set_rate(&b, 0, 0), 0);
    assert_true(cconc__bucket_tokens(&b, INT64_MAX) == 2.0);
    assert_int_equal(cconc__bucket_set_rate(&b, 0, CCONC_RATE_INF), 0);
    assert_int_equal(cconc__bucket_set_rate(&b, 0, 5), 0); /* it was full all the time */
    assert_true(cconc__bucket_tokens(&b, 0) == 2.0);
}

static void bucket_saturates_at_the_ends_of_all_ranges(void **state)
{
    cconc_reservation taken;
    (void)state;
    static const double rates[] = {1e-300, 1e-30, 1e-10, 1, 1e9, 1e30, 1e299};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        bucket b = make(rates[i], INT32_MAX);
        int64_t last_ns = INT64_MIN;
        for (int n = 0; n < 100; n++) {
            assert_int_equal(cconc__bucket_take(&b, 0, INT32_MAX, INT64_MAX, &taken), 0);
            assert_true(taken.act_ns >= last_ns);
            last_ns = taken.act_ns;
        }
        cconc__bucket_settle(&b, INT64_MAX);
        assert_true(cconc__bucket_tokens(&b, INT64_MAX) <= INT32_MAX);
        assert_int_equal(cconc__bucket_set_rate(&b, 0, 1e-10), 0);
        assert_int_equal(cconc__bucket_set_burst(&b, 0, 0), 0);
        assert_int_equal(cconc__bucket_set_burst(&b, 0, INT32_MAX), 0);
        assert_true(b.lack <= (uint64_t)INT64_MAX);
    }
}

/* The end of time is also what a time to act out of reach is: they are told apart. */
static void bucket_at_the_end_of_time_grants_what_is_there_and_no_more(void **state)
{
    static const double rates[] = {0, 1e-10, 1, 1e9};
    cconc_reservation taken = {.act_ns = -1};
    (void)state;
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        bucket b = make(rates[i], 3);
        assert_true(take(&b, INT64_MAX, 2));
        assert_false(take(&b, INT64_MAX, 2));
        assert_true(take(&b, INT64_MAX, 1));
        assert_false(take(&b, INT64_MAX, 1));
        assert_int_equal(cconc__bucket_take(&b, INT64_MAX, 1, 0, &taken), ETIMEDOUT);
        assert_int_equal(taken.act_ns, -1);
        assert_true(cconc__bucket_tokens(&b, INT64_MAX) == 0);
    }
    bucket b = make(1, 100);
    assert_true(take(&b, INT64_MAX - 5, 100));
    assert_int_equal(cconc__bucket_take(&b, INT64_MAX - 5, 10, 9999999999, &taken), ETIMEDOUT);
    assert_int_equal(cconc__bucket_take(&b, INT64_MAX - 5, 10, 10000000000, &taken), 0);
    assert_int_equal(taken.act_ns, INT64_MAX);
}

static void bucket_time_before_the_latest_counts_as_the_latest(void **state)
{
    (void)state;
    bucket b = make(10, 2);
    assert_true(take(&b, 1000000000, 1));
    assert_true(take(&b, 500000000, 1));
    assert_false(take(&b, 500000000, 1));
    assert_int_equal(b.latest_ns, 1000000000);
    assert_false(take(&b, 1099999999, 1));
    assert_true(take(&b, 1100000000, 1));
}

static void bucket_refuses_what_is_no_rate_or_burst(void **state)
{
    bucket b;
    (void)state;
    assert_int_equal(cconc__bucket_init(&b, -1, 1), EINVAL);
    assert_int_equal(cconc__bucket_init(&b, -1e-300, 1), EINVAL);
    assert_int_equal(cconc__bucket_init(&b, 0.0 / 0.0, 1), EINVAL);
    assert_int_equal(cconc__bucket_init(&b, 1, -1), EINVAL);
    b = make(1, 1);
    assert_int_equal(cconc__bucket_set_rate(&b, 0, -5), EINVAL);
    assert_int_equal(cconc__bucket_set_burst(&b, 0, INT32_MIN), EINVAL);
    assert_true(b.rate == 1 && b.burst == 1);
}

static void bucket_without_a_limit_has_more_than_any_sum(void **state)
{
    cconc_reservation taken;
    bucket b = make(CCONC_RATE_INF, 3);
    (void)state;
    assert_true(bucket_full(&b) == UINT64_MAX);
    assert_true(take(&b, 0, INT32_MAX));
    b = make(1e-12, INT32_MAX);
    assert_int_equal(cconc__bucket_take(&b, 0, INT32_MAX, INT64_MAX, &taken), 0);
    taken.n = 5;
    assert_int_equal(cconc__bucket_take(&b, 0, INT32_MAX, INT64_MAX - 1, &taken), ETIMEDOUT);
    assert_int_equal(taken.n, 5); /* untouched */
}

/* A token of debt that others wait for is not there to be given back. */
static void bucket_gives_back_nothing_that_later_takers_wait_for(void **state)
{
    cconc_reservation first;
    cconc_reservation later;
    bucket b = make(10, 2);
    (void)state;
    assert_true(take(&b, 0, 2));
    assert_int_equal(cconc__bucket_take(&b, 0, 1, INT64_MAX, &first), 0);
    assert_int_equal(cconc__bucket_take(&b, 0, 2, INT64_MAX, &later), 0);
    cconc__bucket_give_back(&b, 0, &first);
    assert_int_equal(b.lack, 5 * b.period);
    cconc__bucket_give_back(&b, 0, &later);
    assert_int_equal(b.lack, 3 * b.period);
}

/* At 10^9 a second a token is the fewest units, at 10^-10 nearly the most. */
static void bucket_whose_debt_grows_beyond_all_times_stays_at_the_end(void **state)
{
    cconc_reservation taken;
    bucket b = make(1e9, INT32_MAX);
    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(cconc__bucket_take(&b, 0, INT32_MAX, INT64_MAX, &taken), 0);
    }
    assert_int_equal(cconc__bucket_set_burst(&b, 0, 0), 0);
    assert_int_equal(cconc__bucket_set_rate(&b, 0, 1e-10), 0);
    assert_true(b.lack == (uint64_t)INT64_MAX);
    assert_int_equal(cconc__bucket_set_burst(&b, 0, INT32_MAX), 0);
    assert_true(b.lack == (uint64_t)INT64_MAX);
    assert_int_equal(cconc__bucket_take(&b, 0, 1, INT64_MAX - 1, &taken), ETIMEDOUT);
    assert_int_equal(cconc__bucket_take(&b, 0, 1, INT64_MAX, &taken), 0);
    assert_true(taken.act_ns == INT64_MAX && !taken.is_held);
}

/* All of time is less than a token's: what has passed of it must not round to all of it. */
static void bucket_that_waited_from_the_first_time_to_the_last_has_no_token(void **state)
{
    (void)state;
    for (double rate = 1e-20; rate > 1e-60; rate /= 1e10) {
        bucket b = make(rate, 2);
        assert_true(take(&b, INT64_MIN, 2));
        assert_false(take(&b, 0, 1));
        assert_false(take(&b, INT64_MAX, 1));
        assert_int_equal(b.lack, bucket_full(&b));
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(bucket_starts_full_and_grants_its_burst_at_any_rate),
        UNIT_TEST(bucket_admits_its_rate_over_ten_thousand_tokens),
        UNIT_TEST(bucket_of_any_other_rate_admits_no_more),
        UNIT_TEST(bucket_that_is_full_again_grants_its_burst),
        UNIT_TEST(bucket_admits_a_week_at_a_hundred_a_second),
        UNIT_TEST(bucket_runs_of_reservations_cancelled_in_reverse_leave_it_as_it_was),
        UNIT_TEST(bucket_keeps_its_tokens_at_changes_of_rate_and_burst),
        UNIT_TEST(bucket_saturates_at_the_ends_of_all_ranges),
        UNIT_TEST(bucket_at_the_end_of_time_grants_what_is_there_and_no_more),
        UNIT_TEST(bucket_time_before_the_latest_counts_as_the_latest),
        UNIT_TEST(bucket_refuses_what_is_no_rate_or_burst),
        UNIT_TEST(bucket_without_a_limit_has_more_than_any_sum),
        UNIT_TEST(bucket_gives_back_nothing_that_later_takers_wait_for),
        UNIT_TEST(bucket_whose_debt_grows_beyond_all_times_stays_at_the_end),
        UNIT_TEST(bucket_that_waited_from_the_first_time_to_the_last_has_no_token),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
