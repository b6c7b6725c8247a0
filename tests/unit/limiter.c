/* limiter.c - a token bucket, by explicit times and where it does not matter how long things take
 * SPDX-License-Identifier: MIT
 *
 * Risk      Tokens minted by an order of calls, a refusal that changes something, a cancellation
 *           that gives back too much or too little, a refusal that takes turns with others.
 * Method    Tables of calls at times t0, t0 + 100 ms, ...; a week of them; the lock held by the
 *           test where nobody should want it.
 * Catches   lim-1 to lim-6, lim-8 to lim-11; R1 to R7; all-1; the tables of the specification.
 */
#include "limiter_help.h"

#include "prim/limiter.h"

#define D (100 * CCONC_MS)
#define T0 (1000 * CCONC_SECOND)
#define T(k) (T0 + (k) * D)

struct row {
    int k;          /* at T(k) */
    double tokens;  /* before */
    int32_t n;
    int expected;
};

static void run_rows(double rate, int32_t burst, const struct row *rows, size_t count)
{
    cconc_limiter *limiter = make(rate, burst);
    for (size_t i = 0; i < count; i++) {
        assert_true(cconc_limiter_tokens_at(limiter, T(rows[i].k)) == rows[i].tokens);
        assert_int_equal(cconc_limiter_allow_at(limiter, T(rows[i].k), rows[i].n),
                         rows[i].expected);
    }
    cconc_limiter_free(limiter);
}

#define RUN_ROWS(rate, burst, rows) run_rows(rate, burst, rows, sizeof(rows) / sizeof((rows)[0]))

static void limiter_table_burst_1(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {0, 1, 1, 0},      {0, 0, 1, EAGAIN}, {0, 0, 1, EAGAIN}, {1, 1, 1, 0},
        {1, 0, 1, EAGAIN}, {1, 0, 1, EAGAIN}, {2, 1, 2, EINVAL}, {2, 1, 1, 0},
        {2, 0, 1, EAGAIN},
    };
    RUN_ROWS(10, 1, rows);
}

static void limiter_table_burst_3(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {0, 3, 2, 0},      {0, 1, 2, EAGAIN}, {0, 1, 1, 0},      {0, 0, 1, EAGAIN},
        {1, 1, 4, EINVAL}, {2, 2, 1, 0},      {3, 2, 1, 0},      {4, 2, 1, 0},
        {4, 1, 1, 0},      {4, 0, 1, EAGAIN}, {4, 0, 1, EAGAIN}, {9, 3, 3, 0},
        {9, 0, 0, 0},
    };
    RUN_ROWS(10, 3, rows);
}

/* Reserve n at T(k) and check the time to act. */
static cconc_reservation reserve(cconc_limiter *limiter, int k, int32_t n, int act)
{
    cconc_reservation taken;
    assert_int_equal(cconc_limiter_reserve_at(limiter, T(k), n, CCONC_NEVER, &taken), 0);
    assert_int_equal(cconc_reservation_time(&taken), T(act));
    assert_int_equal(cconc_reservation_delay_from(&taken, T(k)), (act - k) * D);
    return taken;
}

/* Cancel at T(k) and check how many tokens that gives. */
static void cancel(cconc_limiter *limiter, int k, cconc_reservation *taken, double gives)
{
    double before = cconc_limiter_tokens_at(limiter, T(k));
    cconc_limiter_cancel_at(limiter, T(k), taken);
    assert_true(cconc_limiter_tokens_at(limiter, T(k)) == before + gives);
}

static void limiter_table_simple_reserve(void **state)
{
    (void)state;
    cconc_limiter *limiter = make(10, 2);
    reserve(limiter, 0, 2, 0);
    reserve(limiter, 0, 2, 2);
    reserve(limiter, 3, 2, 4);
    cconc_limiter_free(limiter);
}

static void limiter_table_mix(void **state)
{
    cconc_reservation taken = {.act_ns = -1};
    (void)state;
    cconc_limiter *limiter = make(10, 2);
    assert_int_equal(cconc_limiter_reserve_at(limiter, T(0), 3, CCONC_NEVER, &taken), EINVAL);
    assert_int_equal(taken.act_ns, -1);
    reserve(limiter, 0, 2, 0);
    assert_true(cconc_limiter_tokens_at(limiter, T(1)) == 1);
    assert_int_equal(cconc_limiter_allow_at(limiter, T(1), 2), EAGAIN);
    reserve(limiter, 1, 2, 2);
    assert_true(cconc_limiter_tokens_at(limiter, T(1)) == -1);
    assert_int_equal(cconc_limiter_allow_at(limiter, T(1), 1), EAGAIN);
    assert_true(cconc_limiter_tokens_at(limiter, T(3)) == 1);
    assert_int_equal(cconc_limiter_allow_at(limiter, T(3), 1), 0);
    cconc_limiter_free(limiter);
}

static void limiter_table_cancel_last(void **state)
{
    (void)state;
    cconc_limiter *limiter = make(10, 2);
    reserve(limiter, 0, 2, 0);
    cconc_reservation r = reserve(limiter, 0, 2, 2);
    cancel(limiter, 1, &r, 2);
    reserve(limiter, 1, 2, 2);
    cconc_limiter_free(limiter);
}

static void limiter_table_cancel_multi(void **state)
{
    (void)state;
    cconc_limiter *limiter = make(10, 4);
    reserve(limiter, 0, 4, 0);
    cconc_reservation a = reserve(limiter, 0, 3, 3);
    reserve(limiter, 0, 1, 4);
    cconc_reservation c = reserve(limiter, 0, 1, 5);
    cancel(limiter, 1, &c, 1);
    cancel(limiter, 1, &a, 2);
    reserve(limiter, 1, 3, 5);
    cconc_limiter_free(limiter);
}

/* lim-1 */
static void limiter_starts_full_whatever_its_rate(void **state)
{
    (void)state;
    static const double rates[] = {0, 1e-10, 1, 1e9};
    for (size_t i = 0; i < 4; i++) {
        cconc_limiter *limiter = make(rates[i], 5);
        assert_true(cconc_limiter_tokens(limiter) == 5);
        assert_int_equal(cconc_limiter_allow_at(limiter, T0, 5), 0);
        assert_int_equal(cconc_limiter_allow_at(limiter, T0, 1), EAGAIN);
        cconc_limiter_free(limiter);
    }
}

/* lim-2 */
static void limiter_time_before_the_latest_counts_as_the_latest_everywhere(void **state)
{
    (void)state;
    cconc_limiter *limiter = make(10, 2);
    assert_int_equal(cconc_limiter_allow_at(limiter, T(10), 2), 0);
    assert_true(cconc_limiter_tokens_at(limiter, T(5)) == 0);
    reserve(limiter, 10, 1, 11);
    cconc_reservation early;
    assert_int_equal(cconc_limiter_reserve_at(limiter, T(2), 1, CCONC_NEVER, &early), 0);
    assert_int_equal(cconc_reservation_time(&early), T(12));
    assert_int_equal(cconc_limiter_set_burst_at(limiter, T(1), 3), 0);
    assert_true(cconc_limiter_tokens_at(limiter, T(0)) == -2);
    cconc_limiter_cancel_at(limiter, T(0), &early);
    assert_true(cconc_limiter_tokens_at(limiter, T(10)) == -1);
    assert_int_equal(cconc_limiter_set_rate_at(limiter, T(3), 20), 0);
    assert_true(cconc_limiter_tokens_at(limiter, T(11)) == 1);
    cconc_limiter_free(limiter);
}

/* lim-3 */
static void limiter_refusal_changes_nothing_not_even_the_latest_time(void **state)
{
    cconc_reservation taken;
    (void)state;
    cconc_limiter *limiter = make(10, 2);
    assert_int_equal(cconc_limiter_allow_at(limiter, T(0), 2), 0);
    assert_int_equal(cconc_limiter_allow_at(limiter, T(1), 2), EAGAIN);
    assert_int_equal(cconc_limiter_allow_at(limiter, T(9), 3), EINVAL);
    assert_int_equal(cconc_limiter_reserve_at(limiter, T(1), 2, D / 2, &taken), ETIMEDOUT);
    (void)cconc_limiter_tokens_at(limiter, T(50));
    assert_true(cconc_limiter_tokens_at(limiter, T(0)) == 0);
    assert_int_equal(cconc_limiter_allow_at(limiter, T(1), 1), 0);
    cconc_limiter_free(limiter);
}

/* lim-4 */
static void limiter_refuses_what_can_never_be(void **state)
{
    cconc_reservation taken;
    cconc_limiter *none = NULL;
    (void)state;
    assert_int_equal(cconc_limiter_new(-1, 1, &none), EINVAL);
    assert_int_equal(cconc_limiter_new(0.0 / 0.0, 1, &none), EINVAL);
    assert_int_equal(cconc_limiter_new(1, -1, &none), EINVAL);
    assert_int_equal(cconc_limiter_new(1, 1, NULL), EINVAL);
    assert_null(none);
    cconc_limiter *limiter = make(10, 3);
    assert_int_equal(cconc_limiter_allow(limiter, -1), EINVAL);
    assert_int_equal(cconc_limiter_allow(limiter, INT32_MIN), EINVAL);
    assert_int_equal(cconc_limiter_allow(limiter, 4), EINVAL);
    assert_int_equal(cconc_limiter_allow(limiter, INT32_MAX), EINVAL);
    assert_int_equal(cconc_limiter_wait(limiter, NULL, -1), EINVAL);
    assert_int_equal(cconc_limiter_reserve(limiter, 4, CCONC_NEVER, &taken), EINVAL);
    assert_int_equal(cconc_limiter_reserve(limiter, 1, CCONC_NEVER, NULL), EINVAL);
    assert_int_equal(cconc_limiter_reserve_at(limiter, T0, 1, CCONC_NEVER, NULL), EINVAL);
    assert_int_equal(cconc_limiter_set_rate(limiter, -1), EINVAL);
    assert_int_equal(cconc_limiter_set_burst(limiter, -1), EINVAL);
    assert_true(cconc_limiter_rate(limiter) == 10 && cconc_limiter_burst(limiter) == 3);
    assert_int_equal(cconc_limiter_allow(limiter, 0), 0);
    assert_int_equal(cconc_limiter_allow(limiter, 3), 0);
    cconc_limiter_free(limiter);
}

static void limiter_nothing_is_granted_unless_there_is_debt(void **state)
{
    (void)state;
    cconc_limiter *limiter = make(10, 1);
    assert_int_equal(cconc_limiter_allow_at(limiter, T(0), 1), 0);
    assert_int_equal(cconc_limiter_allow_at(limiter, T(0), 0), 0);
    reserve(limiter, 0, 1, 1);
    assert_int_equal(cconc_limiter_allow_at(limiter, T(0), 0), EAGAIN);
    reserve(limiter, 0, 0, 1);
    assert_int_equal(cconc_limiter_allow_at(limiter, T(1), 0), 0);
    cconc_limiter_free(limiter);
}

/* lim-5 */
static void limiter_reserve_waits_no_longer_than_told(void **state)
{
    cconc_reservation taken = {.act_ns = -1};
    (void)state;
    cconc_limiter *limiter = make(10, 1);
    assert_int_equal(cconc_limiter_reserve_at(limiter, T(0), 1, 0, &taken), 0);
    taken.act_ns = -1;
    assert_int_equal(cconc_limiter_reserve_at(limiter, T(0), 1, D - 1, &taken), ETIMEDOUT);
    assert_int_equal(cconc_limiter_reserve_at(limiter, T(0), 1, -1, &taken), ETIMEDOUT);
    assert_int_equal(taken.act_ns, -1);
    assert_int_equal(cconc_limiter_reserve_at(limiter, T(0), 1, D, &taken), 0);
    assert_int_equal(taken.act_ns, T(1));
    cconc_limiter_free(limiter);
}

/* lim-6 */
static void limiter_cancel_gives_nothing_after_its_time_or_twice(void **state)
{
    (void)state;
    cconc_limiter *limiter = make(10, 2);
    cconc_reservation now = reserve(limiter, 0, 2, 0);
    cancel(limiter, 0, &now, 2); /* the same instant is in time */
    cancel(limiter, 0, &now, 0);
    now = reserve(limiter, 0, 2, 0);
    cancel(limiter, 1, &now, 0);
    cconc_reservation nothing = reserve(limiter, 1, 0, 1);
    cancel(limiter, 1, &nothing, 0);
    assert_int_equal(cconc_limiter_set_rate_at(limiter, T(1), CCONC_RATE_INF), 0);
    cconc_reservation inf = reserve(limiter, 1, 2, 1);
    assert_int_equal(cconc_limiter_set_rate_at(limiter, T(1), 10), 0);
    cancel(limiter, 1, &inf, 0);
    cconc_limiter_free(limiter);
}

static void limiter_cancel_keeps_what_others_count_on(void **state)
{
    (void)state;
    cconc_limiter *limiter = make(10, 2);
    reserve(limiter, 0, 2, 0);
    cconc_reservation a = reserve(limiter, 0, 2, 2);
    cconc_reservation b = reserve(limiter, 0, 1, 3);
    cancel(limiter, 1, &a, 1); /* at t2 there will be a debt of 1, that of b */
    cancel(limiter, 1, &b, 1);
    cconc_limiter_free(limiter);

    limiter = make(10, 2);
    reserve(limiter, 0, 2, 0);
    a = reserve(limiter, 0, 2, 2);
    reserve(limiter, 0, 1, 3);
    assert_int_equal(cconc_limiter_set_rate_at(limiter, T(0), 20), 0);
    cancel(limiter, 0, &a, 2); /* at the present rate there will be none */
    cconc_limiter_free(limiter);

    limiter = make(10, 2);
    reserve(limiter, 0, 2, 0);
    a = reserve(limiter, 0, 2, 2);
    assert_int_equal(cconc_limiter_set_rate_at(limiter, T(0), 1), 0);
    cancel(limiter, 0, &a, 2); /* whatever debt there will be, nobody came later */
    cconc_limiter_free(limiter);
}

static void limiter_reservations_cancelled_in_reverse_leave_it_exactly_as_it_was(void **state)
{
    (void)state;
    static const double rates[] = {1e-10, 0.3, 1, 7, 333.3, 1e6 / 7, 1e9};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        enum { RUN = 200 };
        cconc_limiter *limiter = make(rates[i], 10);
        cconc_reservation taken[RUN];
        assert_int_equal(cconc_limiter_allow_at(limiter, T(0), 7), 0);
        double before = cconc_limiter_tokens_at(limiter, T(0));
        for (int k = 0; k < RUN; k++) {
            assert_int_equal(
                cconc_limiter_reserve_at(limiter, T(0), k % 7, CCONC_NEVER, &taken[k]), 0);
        }
        for (int k = RUN; k-- > 0;) {
            cconc_limiter_cancel_at(limiter, T(0), &taken[k]);
        }
        assert_true(cconc_limiter_tokens_at(limiter, T(0)) == before);
        cconc_limiter_free(limiter);
    }
}

static void limiter_cancel_by_the_clock_gives_all_of_it_back(void **state)
{
    cconc_reservation taken[3];
    (void)state;
    cconc_limiter *limiter = make(0.001, 3);
    assert_int_equal(cconc_limiter_allow(limiter, 3), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cconc_limiter_reserve(limiter, 2, CCONC_NEVER, &taken[i]), 0);
        assert_true(cconc_reservation_delay(&taken[i]) > CCONC_SECOND);
    }
    assert_int_equal(cconc_limiter_allow(limiter, 0), EAGAIN);
    for (int i = 2; i >= 0; i--) {
        cconc_limiter_cancel(limiter, &taken[i]);
    }
    assert_int_equal(cconc_limiter_allow(limiter, 0), 0);
    assert_true(cconc_limiter_tokens(limiter) >= 0 && cconc_limiter_tokens(limiter) < 1);
    cconc_limiter_free(limiter);
}

/* lim-8 */
static void limiter_changes_settle_first_and_leave_reservations_alone(void **state)
{
    (void)state;
    cconc_limiter *limiter = make(10, 4);
    assert_int_equal(cconc_limiter_allow_at(limiter, T(0), 4), 0);
    cconc_reservation r = reserve(limiter, 0, 1, 1);
    assert_int_equal(cconc_limiter_set_rate_at(limiter, T(3), 20), 0); /* 2 tokens until then */
    assert_true(cconc_limiter_tokens_at(limiter, T(3)) == 2);
    assert_true(cconc_limiter_tokens_at(limiter, T(4)) == 4);
    assert_int_equal(cconc_reservation_time(&r), T(1));
    assert_int_equal(cconc_limiter_set_burst_at(limiter, T(4), 10), 0); /* adds no tokens */
    assert_true(cconc_limiter_tokens_at(limiter, T(4)) == 4);
    assert_true(cconc_limiter_tokens_at(limiter, T(5)) == 6);
    assert_int_equal(cconc_limiter_set_burst_at(limiter, T(5), 1), 0);
    assert_true(cconc_limiter_tokens_at(limiter, T(5)) == 1);
    cconc_limiter_free(limiter);
}

/* lim-9 */
static void limiter_of_rate_0_gives_what_is_there_once(void **state)
{
    cconc_reservation taken;
    (void)state;
    cconc_limiter *limiter = make(0, 2);
    assert_int_equal(cconc_limiter_allow_at(limiter, T(0), 2), 0);
    assert_int_equal(cconc_limiter_allow_at(limiter, T(1000000), 1), EAGAIN);
    assert_int_equal(cconc_limiter_reserve_at(limiter, T(0), 1, CCONC_NEVER, &taken), 0);
    assert_int_equal(cconc_reservation_time(&taken), CCONC_NEVER);
    assert_int_equal(cconc_reservation_delay(&taken), CCONC_NEVER);
    cconc_limiter_cancel_at(limiter, T(5), &taken);
    assert_true(cconc_limiter_tokens_at(limiter, T(5)) == 0);
    cconc_limiter_free(limiter);
    limiter = make(0, 0);
    assert_int_equal(cconc_limiter_allow(limiter, 0), 0);
    assert_int_equal(cconc_limiter_allow(limiter, 1), EINVAL);
    cconc_limiter_free(limiter);
}

/* lim-10 */
static void limiter_without_limit_ignores_burst(void **state)
{
    cconc_reservation taken;
    (void)state;
    cconc_limiter *limiter = make(CCONC_RATE_INF, 0);
    int64_t later_ns = cconc_clock_after(3600 * CCONC_SECOND);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(cconc_limiter_allow(limiter, INT32_MAX), 0);
        assert_int_equal(cconc_limiter_allow_at(limiter, later_ns, INT32_MAX), 0);
    }
    /* no account is kept: what was asked for later holds nobody up now */
    assert_int_equal(cconc_limiter_wait(limiter, NULL, INT32_MAX), 0);
    assert_int_equal(cconc_limiter_reserve(limiter, INT32_MAX, 0, &taken), 0);
    assert_true(cconc_limiter_tokens(limiter) >= CCONC_RATE_INF);
    assert_true(cconc_limiter_every(0) >= CCONC_RATE_INF);
    assert_true(cconc_limiter_every(-5) >= CCONC_RATE_INF);
    assert_true(cconc_limiter_every(CCONC_MS) == 1000);
    assert_true(cconc_limiter_every(INT64_MAX) > 1e-10);
    cconc_limiter_free(limiter);
}

/* lim-11: by the word, by the lock, and from one to the other and back */
static void limiter_by_the_clock_never_admits_more_than_its_rate(void **state)
{
    (void)state;
    int64_t start_ns = cconc_clock_now();
    cconc_limiter *limiter = make(1e6, 10);
    int64_t admitted = 0;
    for (int i = 0; i < 20000; i++) {
        cconc_reservation taken;
        admitted += cconc_limiter_allow(limiter, 1) == 0;
        if (i % 100 == 0 && cconc_limiter_reserve(limiter, 3, 0, &taken) == 0) {
            admitted += 3;
        }
        double most = 10 + 1e-3 * (double)(cconc_clock_now() - start_ns) + 1;
        assert_true((double)admitted <= most);
    }
    assert_true(admitted > 10);
    cconc_limiter_free(limiter);
}

static void limiter_admits_what_a_week_allows_within_one(void **state)
{
    const int64_t week_ns = INT64_C(7) * 24 * 3600 * CCONC_SECOND;
    const int64_t step_ns = 499999993;
    int64_t admitted = 0;
    int64_t last_ns = 0;
    (void)state;
    cconc_limiter *limiter = make(100, 100);
    for (int64_t at_ns = 0; at_ns <= week_ns; at_ns += step_ns) {
        while (cconc_limiter_allow_at(limiter, T0 + at_ns, 50) == 0) {
            admitted += 50;
        }
        last_ns = at_ns;
    }
    while (cconc_limiter_allow_at(limiter, T0 + last_ns, 1) == 0) {
        admitted++;
    }
    int64_t most = 100 + last_ns / (CCONC_SECOND / 100);
    assert_in_range(admitted, most - 1, most);
    cconc_limiter_free(limiter);
}

/* Whether the word or the lock has the bucket: the lock is held, so who took it would hang. */
static void limiter_refusals_take_no_lock(void **state)
{
    (void)state;
    static const double rates[] = {0, 1e-9, 0.3, 1e-3, 1}; /* 1: the word has it */
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        for (int is_ahead = 0; is_ahead < 2; is_ahead++) {
            cconc_limiter *limiter = make(rates[i], 3);
            cconc_reservation taken;
            assert_int_equal(cconc_limiter_allow(limiter, 3), 0);
            if (is_ahead) {
                assert_int_equal(cconc_limiter_reserve(limiter, 3, CCONC_NEVER, &taken), 0);
            }
            lock_take(&limiter->mu);
            assert_int_equal(cconc_limiter_allow(limiter, 1), EAGAIN);
            assert_int_equal(cconc_limiter_allow(limiter, 3), EAGAIN);
            lock_leave(&limiter->mu);
            assert_int_equal(cconc_limiter_allow(limiter, 4), EINVAL);
            assert_int_equal(cconc_limiter_set_rate(limiter, CCONC_RATE_INF), 0);
            assert_int_equal(cconc_limiter_allow(limiter, 1), 0);
            cconc_limiter_free(limiter);
        }
    }
}

static void limiter_reading_is_no_use(void **state)
{
    (void)state;
    cconc_limiter *limiter = make(10, 2);
    assert_true(cconc_limiter_tokens(limiter) == 2);
    assert_int_equal(cconc_limiter_allow(limiter, 3), EINVAL);
    assert_int_equal(cconc_limiter_allow_at(limiter, 5, 2), 0); /* its clock begins here */
    assert_true(cconc_limiter_tokens_at(limiter, 5 + D) == 1);
    assert_int_equal(cconc_limiter_allow_at(limiter, 5 + D, 2), EAGAIN);
    cconc_limiter_free(limiter);
}

/* What refuses early knows no time below zero. */
static void limiter_that_was_used_before_time_zero_has_a_token_now(void **state)
{
    (void)state;
    cconc_limiter *limiter = make(10, 1);
    assert_int_equal(cconc_limiter_allow_at(limiter, -T0, 1), 0);
    assert_int_equal(cconc_limiter_allow_at(limiter, -T0 + D - 1, 1), EAGAIN);
    assert_int_equal(cconc_limiter_allow(limiter, 1), 0);
    cconc_limiter_free(limiter);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(limiter_table_burst_1),
        UNIT_TEST(limiter_table_burst_3),
        UNIT_TEST(limiter_table_simple_reserve),
        UNIT_TEST(limiter_table_mix),
        UNIT_TEST(limiter_table_cancel_last),
        UNIT_TEST(limiter_table_cancel_multi),
        UNIT_TEST(limiter_starts_full_whatever_its_rate),
        UNIT_TEST(limiter_time_before_the_latest_counts_as_the_latest_everywhere),
        UNIT_TEST(limiter_refusal_changes_nothing_not_even_the_latest_time),
        UNIT_TEST(limiter_reading_is_no_use),
        UNIT_TEST(limiter_refuses_what_can_never_be),
        UNIT_TEST(limiter_nothing_is_granted_unless_there_is_debt),
        UNIT_TEST(limiter_reserve_waits_no_longer_than_told),
        UNIT_TEST(limiter_cancel_gives_nothing_after_its_time_or_twice),
        UNIT_TEST(limiter_cancel_keeps_what_others_count_on),
        UNIT_TEST(limiter_reservations_cancelled_in_reverse_leave_it_exactly_as_it_was),
        UNIT_TEST(limiter_cancel_by_the_clock_gives_all_of_it_back),
        UNIT_TEST(limiter_changes_settle_first_and_leave_reservations_alone),
        UNIT_TEST(limiter_of_rate_0_gives_what_is_there_once),
        UNIT_TEST(limiter_without_limit_ignores_burst),
        UNIT_TEST(limiter_by_the_clock_never_admits_more_than_its_rate),
        UNIT_TEST(limiter_admits_what_a_week_allows_within_one),
        UNIT_TEST(limiter_refusals_take_no_lock),
        UNIT_TEST(limiter_that_was_used_before_time_zero_has_a_token_now),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
