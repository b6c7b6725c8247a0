/* x_time_rate.c - the behaviours of Go's golang.org/x/time/rate: Limit, Allow, Tokens
 * SPDX-License-Identifier: MIT
 *
 * Risk      A program carried over from Go that behaves differently without being told.
 * Method    One case a behaviour that the Go package documents; tables of calls for what happens
 *           over time. Where a clock is read it is the virtual one. Deliberate differences are
 *           cases too, and say so.
 * Catches   ported programs that change their meaning; rules lim-1 to lim-5, lim-9 to lim-12.
 */
#include "x_time_rate_help.h"

/* ---- Limit, Every, NewLimiter --------------------------------------------------------------- */

static void every_is_one_event_an_interval(void **state)
{
    static const struct {
        int64_t interval_ns;
        double limit;
    } table[] = {
        {1, 1e9},
        {7, 1e9 / 7},
        {CCONC_US, 1e6},
        {CCONC_MS, 1e3},
        {D, 10},
        {CCONC_SECOND, 1},
        {60 * CCONC_SECOND, 1.0 / 60},
        {86400 * CCONC_SECOND, 1.0 / 86400},
        {INT64_MAX, 1e9 / 9223372036854775807.0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        double limit = cconc_limiter_every(table[i].interval_ns);
        assert_true(fabs(limit / table[i].limit - 1) <= 1e-9);
        cconc_limiter *limiter = new_limiter(limit, 1);
        assert_true(cconc_limiter_rate(limiter) == limit);
        cconc_limiter_free(limiter);
    }
}

static void every_of_no_or_negative_interval_is_inf(void **state)
{
    (void)state;
    assert_true(cconc_limiter_every(0) == CCONC_RATE_INF);
    assert_true(cconc_limiter_every(-1) == CCONC_RATE_INF);
    assert_true(cconc_limiter_every(INT64_MIN) == CCONC_RATE_INF);
}

static void limit_and_burst_are_what_was_given_or_set_last(void **state)
{
    (void)state;
    cconc_limiter *limiter = new_limiter(2.5, 7);
    assert_true(cconc_limiter_rate(limiter) == 2.5);
    assert_int_equal(cconc_limiter_burst(limiter), 7);
    assert_int_equal(cconc_limiter_set_rate(limiter, 1.25), 0);
    assert_int_equal(cconc_limiter_set_burst(limiter, 9), 0);
    assert_true(cconc_limiter_rate(limiter) == 1.25);
    assert_int_equal(cconc_limiter_burst(limiter), 9);
    assert_int_equal(cconc_limiter_set_rate_at(limiter, T(0), CCONC_RATE_INF), 0);
    assert_int_equal(cconc_limiter_set_burst_at(limiter, T(0), 0), 0);
    assert_true(cconc_limiter_rate(limiter) == CCONC_RATE_INF);
    assert_int_equal(cconc_limiter_burst(limiter), 0);
    cconc_limiter_free(limiter);
}

static void new_limiter_starts_full(void **state)
{
    static const double limits[] = {0, 1e-10, 1, 1e9};
    (void)state;
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        cconc_limiter *limiter = new_limiter(limits[i], 5);
        assert_true(cconc_limiter_tokens(limiter) == 5);
        assert_int_equal(cconc_limiter_allow(limiter, 5), 0);
        assert_int_equal(cconc_limiter_allow(limiter, 1), EAGAIN);
        cconc_limiter_free(limiter);
    }
}

/* The zero value of Go's Limiter. */
static void limiter_of_no_limit_and_no_burst_rejects_all_events(void **state)
{
    (void)state;
    cconc_limiter *limiter = new_limiter(0, 0);
    assert_int_equal(cconc_limiter_allow(limiter, 1), EINVAL);
    assert_int_equal(cconc_limiter_allow_at(limiter, INT64_MAX, 1), EINVAL);
    assert_int_equal(cconc_limiter_wait(limiter, NULL, 1), EINVAL);
    assert_true(cconc_limiter_tokens(limiter) == 0);
    cconc_limiter_free(limiter);
}

/* Go takes them, and counts with them. */
static void limit_and_burst_that_are_none_are_refused_unlike_go(void **state)
{
    cconc_limiter *none = NULL;
    (void)state;
    assert_int_equal(cconc_limiter_new(-1, 1, &none), EINVAL);
    assert_int_equal(cconc_limiter_new((double)NAN, 1, &none), EINVAL);
    assert_int_equal(cconc_limiter_new(1, -1, &none), EINVAL);
    assert_null(none);
    cconc_limiter *limiter = new_limiter(10, 2);
    assert_int_equal(cconc_limiter_set_rate(limiter, -1), EINVAL);
    assert_int_equal(cconc_limiter_set_rate_at(limiter, T0, (double)NAN), EINVAL);
    assert_int_equal(cconc_limiter_set_burst(limiter, -1), EINVAL);
    assert_int_equal(cconc_limiter_set_burst_at(limiter, T0, INT32_MIN), EINVAL);
    assert_true(cconc_limiter_rate(limiter) == 10 && cconc_limiter_burst(limiter) == 2);
    cconc_limiter_free(limiter);
}

/* Go grants less than nothing. */
static void n_below_zero_is_refused_unlike_go(void **state)
{
    cconc_reservation taken = {.act_ns = -1};
    (void)state;
    cconc_limiter *limiter = new_limiter(10, 2);
    assert_int_equal(cconc_limiter_allow(limiter, -1), EINVAL);
    assert_int_equal(cconc_limiter_allow_at(limiter, T0, INT32_MIN), EINVAL);
    assert_int_equal(cconc_limiter_reserve_at(limiter, T0, -1, CCONC_NEVER, &taken), EINVAL);
    assert_int_equal(cconc_limiter_wait(limiter, NULL, -1), EINVAL);
    assert_int_equal(taken.act_ns, -1);
    assert_true(cconc_limiter_tokens_at(limiter, T0) == 2);
    assert_int_equal(cconc_limiter_set_rate(limiter, CCONC_RATE_INF), 0);
    assert_int_equal(cconc_limiter_allow(limiter, -1), EINVAL);
    cconc_limiter_free(limiter);
}

/* ---- Allow, Tokens -------------------------------------------------------------------------- */

static void allow_of_burst_1_is_one_event_an_interval(void **state)
{
    static const struct row rows[] = {
        AN_ALLOW(0, 1, 1, 0),      AN_ALLOW(0, 0, 1, EAGAIN), AN_ALLOW(0, 0, 1, EAGAIN),
        AN_ALLOW(1, 1, 1, 0),      AN_ALLOW(1, 0, 1, EAGAIN), AN_ALLOW(1, 0, 1, EAGAIN),
        AN_ALLOW(2, 1, 2, EINVAL), AN_ALLOW(2, 1, 1, 0),      AN_ALLOW(2, 0, 1, EAGAIN),
    };
    (void)state;
    RUN_ROWS(10, 1, rows);
}

static void allow_of_burst_3_saves_up_to_three(void **state)
{
    static const struct row rows[] = {
        AN_ALLOW(0, 3, 2, 0),      AN_ALLOW(0, 1, 2, EAGAIN), AN_ALLOW(0, 1, 1, 0),
        AN_ALLOW(0, 0, 1, EAGAIN), AN_ALLOW(1, 1, 4, EINVAL), AN_ALLOW(2, 2, 1, 0),
        AN_ALLOW(3, 2, 1, 0),      AN_ALLOW(4, 2, 1, 0),      AN_ALLOW(4, 1, 1, 0),
        AN_ALLOW(4, 0, 1, EAGAIN), AN_ALLOW(4, 0, 1, EAGAIN), AN_ALLOW(9, 3, 3, 0),
        AN_ALLOW(9, 0, 0, 0),
    };
    (void)state;
    RUN_ROWS(10, 3, rows);
}

/* All or nothing, and a refusal takes nothing: not a token, not the time. */
static void allow_that_is_refused_takes_nothing(void **state)
{
    static const struct row rows[] = {
        AN_ALLOW(0, 5, 3, 0),      AN_ALLOW(0, 2, 3, EAGAIN), AN_ALLOW(0, 2, 6, EINVAL),
        AN_ALLOW(9, 5, 6, EINVAL), AN_ALLOW(1, 3, 4, EAGAIN), TOKENS_ARE(0, 2),
        AN_ALLOW(1, 3, 3, 0),      TOKENS_ARE(50, 5),         AN_ALLOW(2, 1, 1, 0),
    };
    (void)state;
    RUN_ROWS(10, 5, rows);
}

static void tokens_count_parts_and_debt(void **state)
{
    static const struct row rows[] = {
        TOKENS_ARE(0, 2),     AN_ALLOW(0, 2, 2, 0),
        TOKENS_ARE(1, 0.25),  TOKENS_ARE(2, 0.5),
        TOKENS_ARE(3, 0.75),  A_RESERVE(4, A, 2, 8),
        TOKENS_ARE(4, -1),    TOKENS_ARE(7, -0.25),
        TOKENS_ARE(8, 0),     AN_ALLOW(7, -0.25, 0, EAGAIN),
        AN_ALLOW(8, 0, 0, 0), TOKENS_ARE(1000, 2),
    };
    (void)state;
    RUN_ROWS(2.5, 2, rows);
}

/* A token is there at its time, and not before, to 1e-6 of it. */
static void allow_holds_to_limits_from_the_tiniest_to_the_largest(void **state)
{
    static const struct {
        double limit;
        int64_t token_ns;
    } table[] = {
        {1e-9, 1000000000000000000},
        {1e-6, 1000000000000000},
        {1e-3, 1000000000000},
        {1.0 / 60, 60000000000},
        {0.25, 4000000000},
        {1, 1000000000},
        {8, 125000000},
        {10, 100000000},
        {1000, 1000000},
        {1e6, 1000},
        {1e8, 10},
        {1e9, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        int64_t off_ns = 1 + table[i].token_ns / 1000000; /* 1e-6 of it */
        int64_t token_ns = table[i].token_ns;
        cconc_limiter *limiter = new_limiter(table[i].limit, 2);
        cconc_reservation taken;
        assert_int_equal(cconc_limiter_allow_at(limiter, T0, 2), 0);
        assert_int_equal(cconc_limiter_allow_at(limiter, T0, 1), EAGAIN);
        assert_int_equal(cconc_limiter_allow_at(limiter, T0 + token_ns - off_ns, 1), EAGAIN);
        assert_int_equal(cconc_limiter_allow_at(limiter, T0 + token_ns + off_ns - 1, 1), 0);
        assert_int_equal(cconc_limiter_reserve_at(limiter, T0, 1, CCONC_NEVER, &taken), 0);
        int64_t act_ns = cconc_reservation_time(&taken);
        assert_in_range(act_ns, T0 + 2 * (token_ns - off_ns), T0 + 2 * (token_ns + off_ns));
        cconc_limiter_free(limiter);
    }
}

/* At 1e-10 a second a token takes 317 years, and the clock ends before. */
static void limit_whose_token_the_clock_does_not_reach_gives_its_burst_once(void **state)
{
    cconc_reservation taken;
    (void)state;
    cconc_limiter *limiter = new_limiter(1e-10, 2);
    assert_int_equal(cconc_limiter_allow_at(limiter, T0, 2), 0);
    assert_int_equal(cconc_limiter_reserve_at(limiter, T0, 1, CCONC_NEVER, &taken), 0);
    assert_int_equal(cconc_reservation_time(&taken), CCONC_NEVER);
    cconc_limiter_cancel_at(limiter, T0, &taken);
    assert_int_equal(cconc_limiter_allow_at(limiter, INT64_MAX, 1), EAGAIN);
    assert_true(fabs(cconc_limiter_tokens_at(limiter, INT64_MAX) - 0.9223372) < 1e-5);
    cconc_limiter_free(limiter);
}

static void limit_of_zero_gives_its_burst_once(void **state)
{
    static const struct row rows[] = {
        AN_ALLOW(0, 2, 1, 0),       AN_ALLOW(1000, 1, 1, 0), AN_ALLOW(1000000, 0, 1, EAGAIN),
        AN_ALLOW(1000000, 0, 0, 0), A_LIMIT(1000000, 10),    TOKENS_ARE(1000000, 0),
        AN_ALLOW(1000001, 1, 1, 0), A_LIMIT(1000001, 0),     AN_ALLOW(2000000, 0, 1, EAGAIN),
    };
    (void)state;
    RUN_ROWS(0, 2, rows);
}

static void inf_allows_all_events_even_with_no_burst(void **state)
{
    cconc_reservation taken;
    (void)state;
    cconc_limiter *limiter = new_limiter(CCONC_RATE_INF, 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(cconc_limiter_allow(limiter, INT32_MAX), 0);
        assert_int_equal(cconc_limiter_reserve(limiter, INT32_MAX, 0, &taken), 0);
        assert_int_equal(cconc_reservation_delay(&taken), 0);
        assert_int_equal(cconc_limiter_wait(limiter, NULL, INT32_MAX), 0); /* the clock stands */
    }
    assert_true(cconc_limiter_tokens(limiter) == CCONC_RATE_INF);
    cconc_limiter_free(limiter);
    limiter = new_limiter(CCONC_RATE_INF, 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(cconc_limiter_allow_at(limiter, T(i), INT32_MAX), 0);
        assert_int_equal(cconc_limiter_reserve_at(limiter, T(i), INT32_MAX, 0, &taken), 0);
        assert_int_equal(cconc_reservation_time(&taken), T(i));
    }
    cconc_limiter_free(limiter);
}

static void inf_that_comes_to_an_end_leaves_a_full_bucket(void **state)
{
    static const struct row rows[] = {
        AN_ALLOW(0, 3, 3, 0),
        AN_ALLOW(0, 0, 1, EAGAIN),
        A_LIMIT(0, CCONC_RATE_INF),
        AN_ALLOW(0, CCONC_RATE_INF, 1000000, 0),
        A_LIMIT(1, 10),
        AN_ALLOW(1, 3, 3, 0),
        AN_ALLOW(1, 0, 1, EAGAIN),
        AN_ALLOW(2, 1, 1, 0),
    };
    (void)state;
    RUN_ROWS(10, 3, rows);
}

static void no_burst_allows_no_events_unless_the_limit_is_inf(void **state)
{
    static const struct row rows[] = {
        AN_ALLOW(0, 0, 1, EINVAL),
        AN_ALLOW(0, 0, 0, 0),
        A_REFUSAL(0, 1),
        AN_ALLOW(9, 0, 1, EINVAL),
        A_LIMIT(9, CCONC_RATE_INF),
        AN_ALLOW(9, CCONC_RATE_INF, 5, 0),
        A_LIMIT(9, 10),
        AN_ALLOW(9, 0, 1, EINVAL),
        A_BURST(9, 1),
        AN_ALLOW(9, 0, 1, EAGAIN),
        AN_ALLOW(10, 1, 1, 0),
    };
    (void)state;
    RUN_ROWS(10, 0, rows);
}

/* ---- time that goes back -------------------------------------------------------------------- */

/* Go sets its clock back, and refills the same time again. */
static void allow_at_an_earlier_time_mints_no_tokens_unlike_go(void **state)
{
    static const struct row rows[] = {
        AN_ALLOW(5, 1, 1, 0),      AN_ALLOW(0, 0, 1, EAGAIN), AN_ALLOW(5, 0, 1, EAGAIN),
        AN_ALLOW(4, 0, 1, EAGAIN), AN_ALLOW(6, 1, 1, 0),      AN_ALLOW(-9, 0, 1, EAGAIN),
        AN_ALLOW(6, 0, 1, EAGAIN), AN_ALLOW(7, 1, 1, 0),
    };
    (void)state;
    RUN_ROWS(10, 1, rows);
}

static void calls_at_times_in_any_order_mint_no_tokens_unlike_go(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct support_random random = support_random_make(seed, 0);
        cconc_limiter *limiter = new_limiter(1000, 20);
        int64_t latest_ns = T0;
        int64_t admitted = 0;
        for (int i = 0; i < 500; i++) {
            int64_t at_ns = T0 + support_random_below(&random, 1000000000);
            cconc_reservation taken;
            int32_t n = 1 + (int32_t)support_random_below(&random, 3);
            if (i % 2 ? cconc_limiter_allow_at(limiter, at_ns, n) == 0
                      : cconc_limiter_reserve_at(limiter, at_ns, n, 0, &taken) == 0) {
                latest_ns = at_ns > latest_ns ? at_ns : latest_ns;
                admitted += n;
            }
        }
        assert_in_range(admitted, 20, 20 + (latest_ns - T0) / CCONC_MS);
        cconc_limiter_free(limiter);
    }
}

/* ---- many at a time, and for a long time ---------------------------------------------------- */

struct race {
    cconc_limiter *limiter;
    atomic_int admitted;
};

static void race_run(void *arg, size_t index)
{
    struct race *race = arg;
    (void)index;
    if (cconc_limiter_allow(race->limiter, 1) == 0) {
        atomic_fetch_add(&race->admitted, 1);
    }
}

static void simultaneous_requests_get_the_tokens_there_are_and_no_more(void **state)
{
    struct race race = {.limiter = new_limiter(1, 5)};
    (void)state;
    struct support_threads *threads = support_threads_start(15, race_run, &race);
    support_threads_join(threads);
    assert_int_equal(atomic_load(&race.admitted), 5);
    cconc_limiter_free(race.limiter);
}

static void events_over_a_long_run_come_at_the_limit(void **state)
{
    cconc_limiter *limiter = new_limiter(100, 100);
    int admitted = 0;
    (void)state;
    for (int ms = 0; ms < 5000; ms++) {
        admitted += cconc_limiter_allow(limiter, 1) == 0;
        pass(CCONC_MS);
    }
    assert_int_equal(admitted, 100 + 4999 / 10);
    cconc_limiter_free(limiter);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        TIME_TEST(every_is_one_event_an_interval),
        TIME_TEST(every_of_no_or_negative_interval_is_inf),
        TIME_TEST(limit_and_burst_are_what_was_given_or_set_last),
        TIME_TEST(new_limiter_starts_full),
        TIME_TEST(limiter_of_no_limit_and_no_burst_rejects_all_events),
        TIME_TEST(limit_and_burst_that_are_none_are_refused_unlike_go),
        TIME_TEST(n_below_zero_is_refused_unlike_go),
        TIME_TEST(allow_of_burst_1_is_one_event_an_interval),
        TIME_TEST(allow_of_burst_3_saves_up_to_three),
        TIME_TEST(allow_that_is_refused_takes_nothing),
        TIME_TEST(tokens_count_parts_and_debt),
        TIME_TEST(allow_holds_to_limits_from_the_tiniest_to_the_largest),
        TIME_TEST(limit_whose_token_the_clock_does_not_reach_gives_its_burst_once),
        TIME_TEST(limit_of_zero_gives_its_burst_once),
        TIME_TEST(inf_allows_all_events_even_with_no_burst),
        TIME_TEST(inf_that_comes_to_an_end_leaves_a_full_bucket),
        TIME_TEST(no_burst_allows_no_events_unless_the_limit_is_inf),
        TIME_TEST(allow_at_an_earlier_time_mints_no_tokens_unlike_go),
        TIME_TEST(calls_at_times_in_any_order_mint_no_tokens_unlike_go),
        TIME_TEST(simultaneous_requests_get_the_tokens_there_are_and_no_more),
        TIME_TEST(events_over_a_long_run_come_at_the_limit),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
