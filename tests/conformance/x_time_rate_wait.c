/* x_time_rate_wait.c - the behaviours of x/time/rate: Wait, Sometimes
 * SPDX-License-Identifier: MIT
 *
 * Risk      A program carried over from Go that behaves differently without being told.
 * Method    The virtual clock, which stands still between the calls: who waits and should not
 *           would never return. Deliberate differences are cases too, and say so.
 * Catches   ported programs that change their meaning; rules lim-7, lim-9; sometimes.
 */
#include "x_time_rate_help.h"

/* ---- Wait ----------------------------------------------------------------------------------- */

/* A wait that blocks, in a thread of its own. */
struct wait {
    cconc_limiter *limiter;
    cconc_ctx *ctx;
    int32_t n;
    atomic_int err;
    int64_t ended_ns;
    struct support_threads *thread;
};

static void wait_run(void *arg, size_t index)
{
    struct wait *w = arg;
    (void)index;
    int err = cconc_limiter_wait(w->limiter, w->ctx, w->n);
    w->ended_ns = cconc_clock_now();
    atomic_store(&w->err, err);
}

static void wait_start(struct wait *w, cconc_limiter *limiter, cconc_ctx *ctx, int32_t n)
{
    size_t before = cconc_clock_waiters();
    *w = (struct wait){.limiter = limiter, .ctx = ctx, .n = n, .err = -1};
    w->thread = support_threads_start(1, wait_run, w);
    until(cconc_clock_waiters() == before + 1);
}

static int wait_end(struct wait *w)
{
    support_threads_join(w->thread);
    return atomic_load(&w->err);
}

static cconc_ctx *new_cancelled(void)
{
    cconc_ctx *ctx = NULL;
    SUPPORT_CHECK(cconc_ctx_with_cancel(NULL, &ctx) == 0);
    cconc_ctx_cancel(ctx);
    return ctx;
}

/* Go: errors for the second and third. The clock stands still, so who waits would never return. */
static void wait_blocks_until_the_events_may_happen(void **state)
{
    struct wait w;
    cconc_limiter *limiter = new_limiter(10, 3);
    cconc_ctx *done = new_cancelled();
    int64_t start_ns = cconc_clock_now();
    (void)state;
    assert_int_equal(cconc_limiter_wait(limiter, done, 1), ECANCELED);
    assert_int_equal(cconc_limiter_wait(limiter, NULL, 4), EINVAL);
    assert_int_equal(cconc_limiter_wait(limiter, NULL, 2), 0);
    wait_start(&w, limiter, NULL, 3);
    pass(2 * D - 1);
    assert_int_equal(atomic_load(&w.err), -1);
    assert_int_equal(cconc_clock_waiters(), 1);
    pass(1);
    assert_int_equal(wait_end(&w), 0);
    assert_int_equal(w.ended_ns, start_ns + 2 * D);
    cconc_ctx_free(done);
    cconc_limiter_free(limiter);
}

static void wait_that_would_exceed_the_deadline_fails_at_once_and_takes_nothing(void **state)
{
    static const struct {
        int32_t n;
        int expected;
    } table[] = {{2, 0}, {3, ETIMEDOUT}, {2, ETIMEDOUT}, {1, 0}, {1, ETIMEDOUT}, {0, 0}};
    cconc_limiter *limiter = new_limiter(10, 3);
    cconc_ctx *near = NULL;
    double left = 3;
    (void)state;
    SUPPORT_CHECK(cconc_ctx_with_timeout(NULL, D - 1, &near) == 0);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(cconc_limiter_wait(limiter, near, table[i].n), table[i].expected);
        left -= table[i].expected ? 0 : table[i].n;
        assert_true(cconc_limiter_tokens(limiter) == left);
        assert_int_equal(cconc_ctx_err(near), 0);
    }
    cconc_ctx_free(near);
    cconc_limiter_free(limiter);
}

static void wait_that_can_be_met_before_the_deadline_is(void **state)
{
    struct wait w;
    cconc_limiter *limiter = new_limiter(10, 3);
    cconc_ctx *ctx = NULL;
    (void)state;
    SUPPORT_CHECK(cconc_ctx_with_timeout(NULL, 3 * D, &ctx) == 0);
    assert_int_equal(cconc_limiter_wait(limiter, ctx, 3), 0);
    wait_start(&w, limiter, ctx, 2);
    assert_int_equal(cconc_limiter_wait(limiter, ctx, 2), ETIMEDOUT);
    pass(2 * D);
    assert_int_equal(wait_end(&w), 0);
    cconc_ctx_free(ctx);
    cconc_limiter_free(limiter);
}

static void wait_that_is_cancelled_gives_its_tokens_back(void **state)
{
    struct wait w;
    cconc_limiter *limiter = new_limiter(10, 3);
    cconc_ctx *ctx = NULL;
    (void)state;
    SUPPORT_CHECK(cconc_ctx_with_cancel(NULL, &ctx) == 0);
    assert_int_equal(cconc_limiter_wait(limiter, NULL, 3), 0);
    wait_start(&w, limiter, ctx, 3);
    pass(D);
    assert_true(cconc_limiter_tokens(limiter) == -2);
    cconc_ctx_cancel(ctx);
    assert_int_equal(wait_end(&w), ECANCELED);
    assert_true(cconc_limiter_tokens(limiter) == 1);
    cconc_ctx_free(ctx);
    cconc_limiter_free(limiter);
}

static void waits_are_served_in_the_order_in_which_they_came(void **state)
{
    enum { WAITS = 5 };
    struct wait w[WAITS];
    cconc_limiter *limiter = new_limiter(10, 1);
    int64_t start_ns = cconc_clock_now();
    (void)state;
    assert_int_equal(cconc_limiter_allow(limiter, 1), 0);
    for (size_t i = 0; i < WAITS; i++) {
        wait_start(&w[i], limiter, NULL, 1);
    }
    assert_int_equal(cconc_limiter_allow(limiter, 1), EAGAIN);
    for (int i = 0; i < WAITS; i++) {
        pass(D);
        assert_int_equal(cconc_limiter_allow(limiter, 1), EAGAIN); /* does not overtake */
        assert_int_equal(wait_end(&w[i]), 0);
        assert_int_equal(w[i].ended_ns, start_ns + (i + 1) * D);
        assert_int_equal(cconc_clock_waiters(), WAITS - 1 - i);
    }
    cconc_limiter_free(limiter);
}

/* In Go what waits keeps the time that it was given. Here it had none to be given. */
static void wait_at_a_limit_of_zero_notices_a_new_one_unlike_go(void **state)
{
    struct wait w = {.limiter = new_limiter(0, 2), .n = 2, .err = -1};
    (void)state;
    assert_int_equal(cconc_limiter_allow(w.limiter, 2), 0);
    w.thread = support_threads_start(1, wait_run, &w);
    until(cconc_limiter_waiters(w.limiter) == 1);
    assert_true(cconc_limiter_tokens(w.limiter) == 0); /* it holds nothing */
    int64_t start_ns = cconc_clock_now();
    assert_int_equal(cconc_limiter_set_rate(w.limiter, 10), 0);
    until(cconc_clock_waiters() == 1);
    pass(2 * D);
    assert_int_equal(wait_end(&w), 0);
    assert_int_equal(w.ended_ns, start_ns + 2 * D);
    cconc_limiter_free(w.limiter);
}

/* ---- Sometimes ------------------------------------------------------------------------------ */

static cconc_sometimes *new_sometimes(uint64_t first, uint64_t every, int64_t interval_ns)
{
    const cconc_sometimes_opts opts = {.first = first, .every = every, .interval_ns = interval_ns};
    cconc_sometimes *sometimes = NULL;
    SUPPORT_CHECK(cconc_sometimes_new(&opts, &sometimes) == 0);
    return sometimes;
}

static void count_run(void *arg)
{
    ++*(int *)arg;
}

/* Calls so far apart, and which of them run: x. */
static void sometimes_runs_the_union_of_its_filters(void **state)
{
    static const struct {
        uint64_t first;
        uint64_t every;
        int64_t interval_ms;
        int64_t apart_ms;
        const char *runs;
    } table[] = {
        {0, 0, 0, 1, "x..........."},          {1, 0, 0, 1, "x..........."},
        {4, 0, 0, 1, "xxxx........"},          {0, 1, 0, 1, "xxxxxxxxxxxx"},
        {0, 2, 0, 1, "x.x.x.x.x.x."},          {0, 5, 0, 1, "x....x....x."},
        {3, 5, 0, 1, "xxx..x....x."},          {0, 0, 10, 1, "x.........x."},
        {0, 0, 10, 5, "x.x.x.x.x.x."},         {0, 0, 10, 10, "xxxxxxxxxxxx"},
        {0, 0, 10, 4, "x..x..x..x.."},         {2, 0, 10, 4, "xx..x..x..x."},
        {0, 3, 10, 6, "x.xx.xx.xx.x"},         {2, 7, 10, 4, "xx..x..x..x."},
        {5, 4, 0, 0, "xxxxx...x..."},          {0, 0, INT64_MAX / CCONC_MS, 1, "x..........."},
        {UINT64_MAX, 0, 0, 0, "xxxxxxxxxxxx"}, {0, UINT64_MAX, 0, 0, "x..........."},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        cconc_sometimes *sometimes =
            new_sometimes(table[i].first, table[i].every, table[i].interval_ms * CCONC_MS);
        char seen[13] = "............";
        for (size_t call = 0; call < 12; call++) {
            int runs = 0;
            bool ran = false;
            assert_int_equal(cconc_sometimes_do(sometimes, NULL, count_run, &runs, &ran), 0);
            assert_int_equal(runs, ran);
            seen[call] = ran ? 'x' : '.';
            pass(table[i].apart_ms * CCONC_MS);
        }
        assert_string_equal(seen, table[i].runs);
        cconc_sometimes_free(sometimes);
    }
}

static void take_5_ms(void *arg)
{
    ++*(int *)arg;
    pass(5 * CCONC_MS);
}

static void sometimes_interval_is_counted_from_the_end_of_the_last_run(void **state)
{
    int runs = 0;
    cconc_sometimes *sometimes = new_sometimes(0, 0, 10 * CCONC_MS);
    (void)state;
    assert_int_equal(cconc_sometimes_do(sometimes, NULL, take_5_ms, &runs, NULL), 0);
    pass(10 * CCONC_MS - 1);
    assert_int_equal(cconc_sometimes_do(sometimes, NULL, take_5_ms, &runs, NULL), 0);
    assert_int_equal(runs, 1);
    pass(1);
    assert_int_equal(cconc_sometimes_do(sometimes, NULL, take_5_ms, &runs, NULL), 0);
    assert_int_equal(runs, 2);
    cconc_sometimes_free(sometimes);
}

struct visit {
    cconc_sometimes *sometimes;
    atomic_int inside;
    atomic_int begun;
    atomic_int ended;
    atomic_bool gate;
};

static void visit_stay(void *arg)
{
    struct visit *v = arg;
    SUPPORT_CHECK(atomic_fetch_add(&v->inside, 1) == 0);
    atomic_fetch_add(&v->ended, 1);
    until(atomic_load(&v->gate));
    atomic_fetch_sub(&v->inside, 1);
}

static void visit_run(void *arg, size_t index)
{
    struct visit *v = arg;
    (void)index;
    atomic_fetch_add(&v->begun, 1);
    SUPPORT_CHECK(cconc_sometimes_do(v->sometimes, NULL, visit_stay, v, NULL) == 0);
}

static void sometimes_calls_at_the_same_time_run_one_after_the_other(void **state)
{
    struct visit v = {.sometimes = new_sometimes(0, 1, 0)};
    (void)state;
    struct support_threads *threads = support_threads_start(6, visit_run, &v);
    until(atomic_load(&v.begun) == 6 && atomic_load(&v.inside) == 1);
    atomic_store(&v.gate, true);
    support_threads_join(threads);
    assert_int_equal(atomic_load(&v.ended), 6);
    cconc_sometimes_free(v.sometimes);
}

static void do_inside(void *arg)
{
    int runs = 0;
    SUPPORT_CHECK(cconc_sometimes_do(arg, NULL, count_run, &runs, NULL) == EDEADLK);
    SUPPORT_CHECK(runs == 0);
}

static void sometimes_inside_its_own_function_is_refused_where_go_deadlocks(void **state)
{
    cconc_sometimes *sometimes = new_sometimes(0, 1, 0);
    (void)state;
    assert_int_equal(cconc_sometimes_do(sometimes, NULL, do_inside, sometimes, NULL), 0);
    cconc_sometimes_free(sometimes);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        TIME_TEST(wait_blocks_until_the_events_may_happen),
        TIME_TEST(wait_that_would_exceed_the_deadline_fails_at_once_and_takes_nothing),
        TIME_TEST(wait_that_can_be_met_before_the_deadline_is),
        TIME_TEST(wait_that_is_cancelled_gives_its_tokens_back),
        TIME_TEST(waits_are_served_in_the_order_in_which_they_came),
        TIME_TEST(wait_at_a_limit_of_zero_notices_a_new_one_unlike_go),
        TIME_TEST(sometimes_runs_the_union_of_its_filters),
        TIME_TEST(sometimes_interval_is_counted_from_the_end_of_the_last_run),
        TIME_TEST(sometimes_calls_at_the_same_time_run_one_after_the_other),
        TIME_TEST(sometimes_inside_its_own_function_is_refused_where_go_deadlocks),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
