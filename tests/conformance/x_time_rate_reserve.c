/* x_time_rate_reserve.c - the behaviours of x/time/rate: Reserve, Cancel, SetLimit, SetBurst
 * SPDX-License-Identifier: MIT
 *
 * Risk      A program carried over from Go that behaves differently without being told.
 * Method    As in x_time_rate.c: tables of calls, and what each reservation is worth.
 * Catches   ported programs that change their meaning; rules lim-2, lim-5, lim-6, lim-8.
 */
#include "x_time_rate_help.h"

/* ---- Reserve -------------------------------------------------------------------------------- */

static void reserve_tells_when_to_act(void **state)
{
    static const struct row rows[] = {
        A_RESERVE(0, A, 2, 0),
        A_RESERVE(0, A, 2, 2),
        A_RESERVE(3, A, 2, 4),
    };
    (void)state;
    RUN_ROWS(10, 2, rows);
}

static void reserve_and_allow_share_the_tokens(void **state)
{
    static const struct row rows[] = {
        A_REFUSAL(0, 3),           A_RESERVE(0, A, 2, 0),      AN_ALLOW(1, 1, 2, EAGAIN),
        A_RESERVE(1, A, 2, 2),     AN_ALLOW(1, -1, 1, EAGAIN), AN_ALLOW(3, 1, 1, 0),
        AN_ALLOW(3, 0, 1, EAGAIN),
    };
    (void)state;
    RUN_ROWS(10, 2, rows);
}

/* Each waits for all before it, however long the queue. */
static void reservations_queue_one_behind_the_other(void **state)
{
    (void)state;
    cconc_limiter *limiter = new_limiter(10, 3);
    for (int i = 1; i <= 1000; i++) {
        cconc_reservation taken;
        assert_int_equal(cconc_limiter_reserve_at(limiter, T0, 3, CCONC_NEVER, &taken), 0);
        assert_int_equal(cconc_reservation_time(&taken), T(3 * (i - 1)));
    }
    assert_true(cconc_limiter_tokens_at(limiter, T0) == -2997);
    cconc_limiter_free(limiter);
}

/* Reservation.OK is false in Go. */
static void reserve_of_more_than_burst_is_refused(void **state)
{
    cconc_reservation taken = {.act_ns = -1};
    (void)state;
    cconc_limiter *limiter = new_limiter(10, 2);
    assert_int_equal(cconc_limiter_reserve(limiter, 3, CCONC_NEVER, &taken), EINVAL);
    assert_int_equal(cconc_limiter_reserve(limiter, INT32_MAX, CCONC_NEVER, &taken), EINVAL);
    assert_int_equal(taken.act_ns, -1);
    assert_true(cconc_limiter_tokens(limiter) == 2);
    cconc_limiter_free(limiter);
}

static void delay_is_how_long_the_holder_has_to_wait(void **state)
{
    cconc_reservation taken;
    (void)state;
    cconc_limiter *limiter = new_limiter(10, 2);
    assert_int_equal(cconc_limiter_reserve(limiter, 2, CCONC_NEVER, &taken), 0);
    assert_int_equal(cconc_reservation_delay(&taken), 0); /* act at once */
    assert_int_equal(cconc_limiter_reserve(limiter, 2, CCONC_NEVER, &taken), 0);
    int64_t act_ns = cconc_clock_now() + 2 * D;
    assert_int_equal(cconc_reservation_time(&taken), act_ns);
    assert_int_equal(cconc_reservation_delay(&taken), 2 * D);
    assert_int_equal(cconc_reservation_delay_from(&taken, act_ns - 3 * D), 3 * D);
    assert_int_equal(cconc_reservation_delay_from(&taken, act_ns - 1), 1);
    assert_int_equal(cconc_reservation_delay_from(&taken, act_ns), 0);
    assert_int_equal(cconc_reservation_delay_from(&taken, INT64_MAX), 0);
    pass(D);
    assert_int_equal(cconc_reservation_delay(&taken), D);
    pass(9 * D);
    assert_int_equal(cconc_reservation_delay(&taken), 0);
    cconc_limiter_free(limiter);
}

/* InfDuration in Go. */
static void delay_of_what_never_comes_is_never(void **state)
{
    cconc_reservation taken;
    (void)state;
    cconc_limiter *limiter = new_limiter(0, 1);
    assert_int_equal(cconc_limiter_reserve(limiter, 1, CCONC_NEVER, &taken), 0);
    assert_int_equal(cconc_reservation_delay(&taken), 0);
    assert_int_equal(cconc_limiter_reserve(limiter, 1, CCONC_NEVER, &taken), 0);
    assert_int_equal(cconc_reservation_delay(&taken), CCONC_NEVER);
    assert_int_equal(cconc_reservation_delay_from(&taken, INT64_MIN), CCONC_NEVER);
    assert_int_equal(cconc_reservation_delay_from(&taken, INT64_MAX), CCONC_NEVER);
    cconc_limiter_free(limiter);
}

/* In Go only Wait has a longest wait, that of its context. */
static void reserve_with_a_longest_wait_takes_nothing_beyond_it_unlike_go(void **state)
{
    static const struct {
        int64_t max_wait_ns;
        int expected;
    } table[] = {
        {-1, ETIMEDOUT},    {0, ETIMEDOUT}, {2 * D - 1, ETIMEDOUT}, {2 * D, 0},
        {2 * D, ETIMEDOUT}, {4 * D, 0},     {CCONC_NEVER, 0},
    };
    cconc_reservation taken;
    int64_t granted = 0;
    (void)state;
    cconc_limiter *limiter = new_limiter(10, 2);
    assert_int_equal(cconc_limiter_reserve_at(limiter, T0, 2, 0, &taken), 0);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        int err = cconc_limiter_reserve_at(limiter, T0, 2, table[i].max_wait_ns, &taken);
        assert_int_equal(err, table[i].expected);
        granted += err ? 0 : 2;
        assert_true(cconc_limiter_tokens_at(limiter, T0) == (double)-granted);
    }
    cconc_limiter_free(limiter);
}

/* ---- Cancel --------------------------------------------------------------------------------- */

static void cancel_of_the_last_reservation_gives_all_back(void **state)
{
    static const struct row rows[] = {
        A_RESERVE(0, A, 2, 0),
        A_RESERVE(0, B, 2, 2),
        A_CANCEL(1, B, 2),
        A_RESERVE(1, B, 2, 2),
    };
    (void)state;
    RUN_ROWS(10, 2, rows);
}

static void cancel_keeps_what_later_reservations_count_on(void **state)
{
    static const struct row rows[] = {
        A_RESERVE(0, C, 4, 0), A_RESERVE(0, A, 3, 3), A_RESERVE(0, B, 1, 4), A_RESERVE(0, C, 1, 5),
        A_CANCEL(1, C, 1),     A_CANCEL(1, A, 2),     A_RESERVE(1, A, 3, 5),
    };
    (void)state;
    RUN_ROWS(10, 4, rows);
}

static void cancel_of_a_run_in_reverse_restores_the_bucket(void **state)
{
    static const struct row rows[] = {
        AN_ALLOW(0, 5, 4, 0),  A_RESERVE(0, A, 3, 2), A_RESERVE(0, B, 5, 7),
        A_RESERVE(0, C, 1, 8), TOKENS_ARE(1, -7),     A_CANCEL(1, C, 1),
        A_CANCEL(1, B, 5),     A_CANCEL(1, A, 3),     AN_ALLOW(1, 2, 2, 0),
    };
    (void)state;
    RUN_ROWS(10, 5, rows);
}

/* Tokens that came back meanwhile count: the bucket holds no more than its burst. */
static void cancel_fills_no_further_than_burst(void **state)
{
    static const struct row rows[] = {
        A_RESERVE(0, A, 3, 0), A_CANCEL(0, A, 3), TOKENS_ARE(0, 3),  A_RESERVE(0, A, 3, 0),
        A_RESERVE(0, B, 3, 3), A_BURST(0, 1),     A_CANCEL(2, B, 2), TOKENS_ARE(2, 1),
    };
    (void)state;
    RUN_ROWS(10, 3, rows);
}

static void cancel_after_the_time_to_act_does_nothing(void **state)
{
    static const struct row rows[] = {
        A_RESERVE(0, A, 2, 0), A_RESERVE(0, B, 2, 2), A_CANCEL(3, B, 0),
        A_RESERVE(3, B, 2, 4), A_CANCEL(4, B, 2), /* the same instant is in time */
        A_RESERVE(4, C, 0, 4), A_CANCEL(4, C, 0),
    };
    (void)state;
    RUN_ROWS(10, 2, rows);
}

/* Go gives the tokens back each time. */
static void cancel_for_the_second_time_does_nothing_unlike_go(void **state)
{
    static const struct row rows[] = {
        A_RESERVE(0, A, 4, 0), A_RESERVE(0, A, 2, 2), A_RESERVE(0, B, 2, 4), A_CANCEL(0, B, 2),
        A_CANCEL(0, B, 0),     A_CANCEL(0, A, 2),     A_CANCEL(0, A, 0),     TOKENS_ARE(0, 0),
    };
    (void)state;
    RUN_ROWS(10, 4, rows);
}

/* Go looks at the limit of the moment of the cancel; here no account was kept to give back to. */
static void cancel_of_what_was_reserved_at_inf_does_nothing_unlike_go(void **state)
{
    static const struct row rows[] = {
        AN_ALLOW(0, CCONC_RATE_INF, 2, 0),
        A_RESERVE(0, A, 2, 0),
        A_LIMIT(0, 10),
        AN_ALLOW(0, 4, 4, 0),
        A_CANCEL(0, A, 0),
        TOKENS_ARE(0, 0),
    };
    (void)state;
    RUN_ROWS(CCONC_RATE_INF, 4, rows);
}

static void cancel_counts_debt_at_the_limit_of_its_moment(void **state)
{
    static const struct row faster[] = {
        A_RESERVE(0, A, 2, 0), A_RESERVE(0, A, 2, 2), A_RESERVE(0, B, 1, 3),
        A_LIMIT(0, 20),        A_CANCEL(0, A, 2), /* at t2 nothing will be owed */
    };
    static const struct row slower[] = {
        A_RESERVE(0, A, 2, 0), A_RESERVE(0, A, 2, 2), A_LIMIT(0, 1),
        A_CANCEL(0, A, 2), /* much will be owed, but to nobody who came later */
    };
    static const struct row as_it_was[] = {
        A_RESERVE(0, A, 2, 0), A_RESERVE(0, A, 2, 2), A_RESERVE(0, B, 1, 3),
        A_CANCEL(1, A, 1),     A_CANCEL(1, B, 1),
    };
    (void)state;
    RUN_ROWS(10, 2, faster);
    RUN_ROWS(10, 2, slower);
    RUN_ROWS(10, 2, as_it_was);
}

static void cancel_by_the_clock_is_that_of_now(void **state)
{
    cconc_reservation taken;
    (void)state;
    cconc_limiter *limiter = new_limiter(10, 2);
    assert_int_equal(cconc_limiter_allow(limiter, 2), 0);
    assert_int_equal(cconc_limiter_reserve(limiter, 2, CCONC_NEVER, &taken), 0);
    pass(D);
    cconc_limiter_cancel(limiter, &taken);
    assert_true(cconc_limiter_tokens(limiter) == 1);
    assert_int_equal(cconc_limiter_reserve(limiter, 2, CCONC_NEVER, &taken), 0);
    pass(D + 1);
    cconc_limiter_cancel(limiter, &taken); /* too late */
    assert_int_equal(cconc_limiter_allow(limiter, 1), EAGAIN);
    cconc_limiter_free(limiter);
}

/* ---- SetLimit, SetBurst --------------------------------------------------------------------- */

static void set_limit_counts_from_its_time_on(void **state)
{
    static const struct row rows[] = {
        AN_ALLOW(0, 10, 10, 0), A_LIMIT(5, 40),       TOKENS_ARE(5, 5),        AN_ALLOW(6, 9, 9, 0),
        A_LIMIT(6, 0),          TOKENS_ARE(60, 0),    A_LIMIT(60, 2.5),        TOKENS_ARE(61, 0.25),
        A_LIMIT(61, 10),        TOKENS_ARE(61, 0.25), TOKENS_ARE(62, 1.25),    A_LIMIT(62, 1e9),
        TOKENS_ARE(63, 10),     A_LIMIT(63, 1e-9),    AN_ALLOW(63, 10, 10, 0), TOKENS_ARE(99, 0),
    };
    (void)state;
    RUN_ROWS(10, 10, rows);
}

/* "May be violated or underutilized" by those who have reserved: their times stay. */
static void set_limit_leaves_reservations_their_times(void **state)
{
    static const struct row rows[] = {
        A_RESERVE(0, A, 2, 0), A_RESERVE(0, B, 2, 2),   A_LIMIT(0, 1),   A_RESERVE(0, C, 1, 30),
        TOKENS_ARE(2, -2.8),   A_RESERVE(30, A, 1, 40), A_LIMIT(30, 10), A_RESERVE(30, A, 1, 32),
    };
    (void)state;
    RUN_ROWS(10, 2, rows);
}

static void set_burst_adds_no_tokens_and_takes_those_above_it(void **state)
{
    static const struct row rows[] = {
        AN_ALLOW(0, 2, 1, 0), A_BURST(0, 5),    AN_ALLOW(0, 1, 5, EAGAIN), TOKENS_ARE(4, 5),
        A_BURST(4, 3),        TOKENS_ARE(4, 3), AN_ALLOW(4, 3, 4, EINVAL), A_BURST(4, 0),
        TOKENS_ARE(9, 0),     A_BURST(9, 2),    TOKENS_ARE(9, 0),          AN_ALLOW(10, 1, 1, 0),
    };
    (void)state;
    RUN_ROWS(10, 2, rows);
}

static void set_burst_leaves_debt_as_it_is(void **state)
{
    static const struct row rows[] = {
        A_RESERVE(0, A, 3, 0), A_RESERVE(0, B, 3, 3), A_BURST(0, 1),      TOKENS_ARE(0, -3),
        A_REFUSAL(0, 2),       A_RESERVE(0, C, 1, 4), A_BURST(0, 100),    TOKENS_ARE(0, -4),
        A_CANCEL(0, C, 1),     A_CANCEL(0, B, 3),     TOKENS_ARE(99, 99),
    };
    (void)state;
    RUN_ROWS(10, 3, rows);
}

/* ---- time that goes back -------------------------------------------------------------------- */

/* An earlier time may still use what there is. */
static void reserve_at_an_earlier_time_counts_as_the_latest_unlike_go(void **state)
{
    static const struct row rows[] = {
        A_RESERVE(1, A, 1, 1), A_RESERVE(0, A, 1, 1),  A_RESERVE(0, A, 2, 3),
        A_RESERVE(2, A, 2, 5), A_RESERVE(-5, A, 1, 6), A_RESERVE(6, A, 2, 8),
    };
    (void)state;
    RUN_ROWS(10, 2, rows);
}

static void cancel_at_an_earlier_time_counts_as_the_latest_unlike_go(void **state)
{
    static const struct row rows[] = {
        A_RESERVE(0, A, 2, 0), A_RESERVE(0, B, 2, 2), AN_ALLOW(3, 1, 1, 0),
        A_CANCEL(1, B, 0), /* its time to act is past */
        A_RESERVE(3, C, 2, 5), A_CANCEL(0, C, 2),     TOKENS_ARE(3, 0),
    };
    (void)state;
    RUN_ROWS(10, 2, rows);
}

static void limit_and_burst_set_at_an_earlier_time_hold_from_the_latest_unlike_go(void **state)
{
    static const struct row rows[] = {
        AN_ALLOW(5, 5, 5, 0), A_LIMIT(0, 20),   TOKENS_ARE(5, 0),  TOKENS_ARE(6, 2),
        A_BURST(1, 9),        TOKENS_ARE(5, 0), TOKENS_ARE(9, 8),  AN_ALLOW(7, 4, 4, 0),
        A_BURST(0, 1),        TOKENS_ARE(7, 0), TOKENS_ARE(99, 1), TOKENS_ARE(0, 0),
    };
    (void)state;
    RUN_ROWS(10, 5, rows);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        TIME_TEST(reserve_tells_when_to_act),
        TIME_TEST(reserve_and_allow_share_the_tokens),
        TIME_TEST(reservations_queue_one_behind_the_other),
        TIME_TEST(reserve_of_more_than_burst_is_refused),
        TIME_TEST(delay_is_how_long_the_holder_has_to_wait),
        TIME_TEST(delay_of_what_never_comes_is_never),
        TIME_TEST(reserve_with_a_longest_wait_takes_nothing_beyond_it_unlike_go),
        TIME_TEST(cancel_of_the_last_reservation_gives_all_back),
        TIME_TEST(cancel_keeps_what_later_reservations_count_on),
        TIME_TEST(cancel_of_a_run_in_reverse_restores_the_bucket),
        TIME_TEST(cancel_fills_no_further_than_burst),
        TIME_TEST(cancel_after_the_time_to_act_does_nothing),
        TIME_TEST(cancel_for_the_second_time_does_nothing_unlike_go),
        TIME_TEST(cancel_of_what_was_reserved_at_inf_does_nothing_unlike_go),
        TIME_TEST(cancel_counts_debt_at_the_limit_of_its_moment),
        TIME_TEST(cancel_by_the_clock_is_that_of_now),
        TIME_TEST(set_limit_counts_from_its_time_on),
        TIME_TEST(set_limit_leaves_reservations_their_times),
        TIME_TEST(set_burst_adds_no_tokens_and_takes_those_above_it),
        TIME_TEST(set_burst_leaves_debt_as_it_is),
        TIME_TEST(reserve_at_an_earlier_time_counts_as_the_latest_unlike_go),
        TIME_TEST(cancel_at_an_earlier_time_counts_as_the_latest_unlike_go),
        TIME_TEST(limit_and_burst_set_at_an_earlier_time_hold_from_the_latest_unlike_go),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
