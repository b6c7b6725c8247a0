/* ticker.c - points in time at equal distances
 * SPDX-License-Identifier: MIT
 *
 * Risk      Ticks that come early, drift, pile up or come from before a stop or reset; a loop that
 *           stop does not end; arithmetic that overflows; jitter beyond its bound.
 * Method    Each tick's value is compared with the grid that its start lies on; readers that are
 *           late on purpose.
 * Catches   T2 T4 T9 T11; I1 I4 I12 I14 I19; rules time-1 time-3 time-4 time-5 time-7 all-3 all-7
 *           all-10 all-13.
 */
#include "time_help.h"

#include <errno.h>

#define ERRNO_MARK 7777

static int64_t take_tick(cconc_ticker *ticker)
{
    int64_t due_ns = -1;
    SUPPORT_CHECK(cconc_ticker_wait(ticker, NULL, &due_ns) == 0);
    SUPPORT_CHECK(cconc_clock_now() >= due_ns);
    return due_ns;
}

/* ---- smoke ---------------------------------------------------------------------------------- */

static void ticker_ticks_on_its_grid_from_one_period_after_the_start(void **state)
{
    int64_t before_ns = cconc_clock_now();
    cconc_ticker *ticker = ticker_make(CCONC_MS);
    int64_t after_ns = cconc_clock_now();
    int64_t first_ns = take_tick(ticker);
    int64_t last_ns = first_ns;
    (void)state;
    assert_true(first_ns >= before_ns + CCONC_MS && first_ns <= after_ns + CCONC_MS);
    for (int i = 0; i < 20; i++) {
        int64_t due_ns = take_tick(ticker);
        assert_true(due_ns > last_ns);
        assert_int_equal((due_ns - first_ns) % CCONC_MS, 0);
        last_ns = due_ns;
    }
    cconc_ticker_free(ticker);
    cconc_ticker_free(NULL);
}

static void ticker_may_tick_at_once(void **state)
{
    cconc_ticker_opts opts = {.first_now = true};
    cconc_ticker *ticker = NULL;
    int64_t due_ns = -1;
    int64_t before_ns = cconc_clock_now();
    (void)state;
    assert_int_equal(cconc_ticker_new(60 * CCONC_SECOND, &opts, &ticker), 0);
    assert_int_equal(cconc_ticker_try_wait(ticker, &due_ns), 0);
    assert_true(due_ns >= before_ns && due_ns <= cconc_clock_now());
    assert_int_equal(cconc_ticker_try_wait(ticker, NULL), EAGAIN);
    cconc_ticker_free(ticker);
}

/* ---- limits --------------------------------------------------------------------------------- */

static void ticker_refuses_what_cannot_be(void **state)
{
    static const int64_t wrong[] = {0, -1, INT64_MIN};
    cconc_ticker_opts early = {.jitter_ns = -1};
    cconc_ticker_opts wide = {.jitter_ns = 11};
    cconc_ticker_opts widest = {.jitter_ns = 10};
    cconc_ticker *ticker = NULL;
    bool was_running = false;
    (void)state;
    errno = ERRNO_MARK;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(cconc_ticker_new(wrong[i], NULL, &ticker), EINVAL);
    }
    assert_int_equal(cconc_ticker_new(10, &early, &ticker), EINVAL);
    assert_int_equal(cconc_ticker_new(10, &wide, &ticker), EINVAL);
    assert_int_equal(cconc_ticker_new(10, NULL, NULL), EINVAL);
    assert_null(ticker);
    assert_int_equal(cconc_ticker_new(10, &widest, &ticker), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(cconc_ticker_reset(ticker, wrong[i], &was_running), EINVAL);
    }
    assert_int_equal(cconc_ticker_reset(ticker, 9, &was_running), EINVAL); /* below the jitter */
    assert_false(was_running);
    assert_int_equal(cconc_ticker_reset(ticker, 10, &was_running), 0);
    assert_true(was_running);
    cconc_ticker_free(ticker);
    assert_int_equal(errno, ERRNO_MARK);
}

static void ticker_saturates_at_the_end_of_the_clock(void **state)
{
    static const int64_t periods[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX / 2 + 1};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        cconc_ticker_opts opts = {.first_now = true, .jitter_ns = periods[i]};
        cconc_ticker *ticker = NULL;
        assert_int_equal(cconc_ticker_new(periods[i], &opts, &ticker), 0);
        (void)take_tick(ticker); /* the next one is beyond the range */
        assert_int_equal(cconc_ticker_try_wait(ticker, NULL), EAGAIN);
        assert_true(cconc_ticker_stop(ticker));
        cconc_ticker_free(ticker);
    }
}

static void ticker_of_one_nanosecond_goes_on(void **state)
{
    cconc_ticker *ticker = ticker_make(1);
    int64_t last_ns = 0;
    (void)state;
    for (int i = 0; i < 1000; i++) {
        int64_t due_ns = take_tick(ticker);
        assert_true(due_ns > last_ns);
        last_ns = due_ns;
    }
    cconc_ticker_free(ticker);
}

/* ---- the grid ------------------------------------------------------------------------------- */

static void ticker_slow_reader_misses_ticks_and_finds_the_grid_again(void **state)
{
    cconc_ticker *ticker = ticker_make(CCONC_MS);
    int64_t first_ns = take_tick(ticker);
    (void)state;
    for (int i = 0; i < 5; i++) {
        pass_time(3 * CCONC_MS + CCONC_MS / 2);
        int64_t late_ns = take_tick(ticker); /* one is pending: the first of those missed */
        int64_t taken_ns = cconc_clock_now();
        int64_t next_ns = take_tick(ticker);
        assert_true(next_ns - late_ns >= 3 * CCONC_MS);
        assert_true(next_ns <= taken_ns + CCONC_MS);
        assert_int_equal((next_ns - first_ns) % CCONC_MS, 0);
    }
    cconc_ticker_free(ticker);
}

static void ticker_jitter_delays_each_tick_by_less_than_its_bound(void **state)
{
    enum { PERIOD = 400000, JITTER = 200000 };
    cconc_ticker_opts opts = {.jitter_ns = JITTER};
    cconc_ticker *ticker = NULL;
    int64_t before_ns = cconc_clock_now();
    bool differs = false;
    (void)state;
    assert_int_equal(cconc_ticker_new(PERIOD, &opts, &ticker), 0);
    int64_t start_ns = cconc_clock_now(); /* the grid began between before_ns and now */
    int64_t lag_ns = -1;
    for (int i = 0; i < 40; i++) {
        int64_t due_ns = take_tick(ticker);
        int64_t most_ns = (due_ns - before_ns) % PERIOD;
        assert_true(due_ns >= before_ns + PERIOD);
        assert_true(most_ns < JITTER + (start_ns - before_ns));
        differs = differs || (lag_ns >= 0 && lag_ns != most_ns);
        lag_ns = most_ns;
    }
    assert_true(differs);
    cconc_ticker_free(ticker);
}

static void ticker_as_late_as_its_whole_period_keeps_its_order(void **state)
{
    cconc_ticker_opts opts = {.jitter_ns = 100000};
    cconc_ticker *ticker = NULL;
    int64_t last_ns = 0;
    (void)state;
    assert_int_equal(cconc_ticker_new(100000, &opts, &ticker), 0);
    for (int i = 0; i < 100; i++) {
        int64_t due_ns = take_tick(ticker);
        assert_true(due_ns > last_ns);
        last_ns = due_ns;
    }
    cconc_ticker_free(ticker);
}

/* ---- stop and reset ------------------------------------------------------------------------- */

static void ticker_stop_drops_a_pending_tick_and_ends_the_loop(void **state)
{
    cconc_ticker *ticker = ticker_make(CCONC_US);
    (void)state;
    (void)take_tick(ticker);
    pass_time(10 * CCONC_US);
    assert_true(cconc_ticker_stop(ticker));
    assert_false(cconc_ticker_stop(ticker));
    assert_int_equal(cconc_ticker_try_wait(ticker, NULL), EPIPE);
    assert_int_equal(cconc_ticker_wait(ticker, NULL, NULL), EPIPE);
    cconc_ticker_free(ticker);
}

static void ticker_reset_starts_the_new_period_now_and_drops_a_pending_tick(void **state)
{
    bool was_running = false;
    int64_t due_ns = -1;
    cconc_ticker *ticker = ticker_make(CCONC_US);
    (void)state;
    pass_time(10 * CCONC_US);
    assert_int_equal(cconc_ticker_reset(ticker, 60 * CCONC_SECOND, &was_running), 0);
    assert_true(was_running);
    assert_int_equal(cconc_ticker_try_wait(ticker, &due_ns), EAGAIN);
    assert_true(cconc_ticker_stop(ticker));
    int64_t before_ns = cconc_clock_now();
    assert_int_equal(cconc_ticker_reset(ticker, CCONC_MS, &was_running), 0);
    assert_false(was_running);
    due_ns = take_tick(ticker);
    assert_true(due_ns >= before_ns + CCONC_MS);
    assert_int_equal((take_tick(ticker) - due_ns) % CCONC_MS, 0);
    assert_int_equal(cconc_ticker_reset(ticker, CCONC_MS, NULL), 0);
    cconc_ticker_free(ticker);
}

static void loop_until_it_ends(void *arg, size_t index)
{
    int ticks = 0;
    (void)index;
    while (cconc_ticker_wait(arg, NULL, NULL) == 0) {
        ticks++;
    }
    SUPPORT_CHECK(ticks >= 0);
}

static void ticker_stop_ends_every_loop_that_waits(void **state)
{
    cconc_ticker *ticker = ticker_make(100 * CCONC_US);
    struct support_threads *threads = support_threads_start(3, loop_until_it_ends, ticker);
    (void)state;
    (void)take_tick(ticker);
    assert_true(cconc_ticker_stop(ticker));
    assert_int_equal(support_threads_join(threads), 0);
    assert_int_equal(cconc_ticker_waiters(ticker), 0);
    cconc_ticker_free(ticker);
}

/* ---- blocking ------------------------------------------------------------------------------- */

static void ticker_serves_its_waiters_in_order_one_a_tick(void **state)
{
    struct sleeper sleepers[4] = {{.plain = NULL}};
    cconc_ticker *ticker = ticker_make(60 * CCONC_SECOND);
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        sleeper_start_ticker(&sleepers[i], ticker, NULL);
        until(cconc_ticker_waiters(ticker) == i + 1);
    }
    assert_int_equal(cconc_ticker_reset(ticker, 2 * CCONC_MS, NULL), 0); /* wakes them in time */
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(sleeper_end(&sleepers[i]), 0);
        assert_true(sleepers[i].ended_ns >= sleepers[i].due_ns);
        assert_true(i == 0 || sleepers[i].due_ns > sleepers[i - 1].due_ns);
    }
    cconc_ticker_free(ticker);
}

static void ticker_wait_ends_with_its_context_and_a_done_one_takes_nothing(void **state)
{
    cconc_ticker_opts opts = {.first_now = true};
    struct sleeper sleeper = {.plain = NULL};
    cconc_ctx *ctx = ctx_make();
    cconc_ctx_mem mem;
    cconc_ticker *ticker = NULL;
    (void)state;
    assert_int_equal(cconc_ticker_new(60 * CCONC_SECOND, &opts, &ticker), 0);
    cconc_ctx *done = ctx_make_cancelled();
    assert_int_equal(cconc_ticker_wait(ticker, done, NULL), ECANCELED);
    (void)take_tick(ticker);
    sleeper_start_ticker(&sleeper, ticker, ctx);
    until(cconc_ticker_waiters(ticker) == 1);
    cconc_ctx_cancel(ctx);
    assert_int_equal(sleeper_end(&sleeper), ECANCELED);
    assert_int_equal(cconc_ticker_wait(ticker, ctx_for(&mem, CCONC_US), NULL), ETIMEDOUT);
    cconc_ticker_free(ticker);
    cconc_ctx_free(ctx);
    cconc_ctx_free(done);
}

/* ---- select --------------------------------------------------------------------------------- */

static void ticker_case_fires_on_the_grid_and_never_when_stopped(void **state)
{
    int64_t due_ns = -1;
    int64_t last_ns = 0;
    size_t fired = 99;
    cconc_ticker *ticker = ticker_make(CCONC_MS);
    cconc_select_case cases[] = {cconc_select_ticker(ticker, &due_ns),
                                 cconc_select_until(CCONC_NEVER), cconc_select_ticker(NULL, NULL)};
    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(cconc_select(cases, 3, 0, &fired), 0);
        assert_int_equal(fired, 0);
        assert_true(due_ns > last_ns && due_ns <= cconc_clock_now());
        assert_true(i == 0 || (due_ns - last_ns) % CCONC_MS == 0);
        last_ns = due_ns;
    }
    cconc_ticker_stop(ticker);
    assert_int_equal(cconc_select(cases, 3, CCONC_SELECT_TRY, &fired), EAGAIN);
    cases[1] = cconc_select_until(cconc_clock_after(2 * CCONC_MS));
    assert_int_equal(cconc_select(cases, 3, 0, &fired), ETIMEDOUT);
    assert_int_equal(fired, 1);
    cconc_ticker_free(ticker);
}

static void ticker_case_has_its_chance_beside_a_busy_channel(void **state)
{
    int ticks = 0;
    int value = 0;
    size_t fired = 99;
    cconc_ticker *ticker = ticker_make(1);
    cconc_chan *ch = chan_make(sizeof(int), 1);
    cconc_select_case cases[] = {cconc_select_recv(ch, &value), cconc_select_ticker(ticker, NULL)};
    (void)state;
    for (int i = 0; i < 2000; i++) {
        if (cconc_chan_len(ch) == 0) {
            chan_fill(ch, i);
        }
        assert_int_equal(cconc_select(cases, 2, 0, &fired), 0);
        ticks += fired == 1;
    }
    assert_in_range(ticks, 800, 1200);
    cconc_ticker_free(ticker);
    cconc_chan_free(ch);
}

static void ticker_wait_sees_what_came_before_reset(void **state)
{
    struct sleeper sleeper = {.plain = NULL};
    int plain = 0;
    cconc_ticker *ticker = ticker_make(60 * CCONC_SECOND);
    (void)state;
    sleeper.plain = &plain;
    for (int i = 1; i <= 50; i++) {
        sleeper_start_ticker(&sleeper, ticker, NULL);
        until(cconc_ticker_waiters(ticker) == 1);
        plain = i;
        assert_int_equal(cconc_ticker_reset(ticker, 20 * CCONC_US, NULL), 0);
        assert_int_equal(sleeper_end(&sleeper), 0);
        assert_int_equal(sleeper.saw, i);
        assert_int_equal(cconc_ticker_reset(ticker, 60 * CCONC_SECOND, NULL), 0);
    }
    cconc_ticker_free(ticker);
}

/* ---- faults and misuse ---------------------------------------------------------------------- */

static void make_tick_and_free(void *arg)
{
    cconc_ticker *ticker = NULL;
    (void)arg;
    int err = cconc_ticker_new(20 * CCONC_US, NULL, &ticker);
    SUPPORT_CHECK(err == 0 || (err == ENOMEM && !ticker));
    if (!err) {
        (void)take_tick(ticker);
        uint64_t allocations = support_alloc_count();
        (void)take_tick(ticker);
        cconc_ticker_stop(ticker);
        SUPPORT_CHECK(cconc_ticker_reset(ticker, CCONC_US, NULL) == 0);
        cconc_ticker_free(ticker);
        SUPPORT_CHECK(support_alloc_count() == allocations);
    }
}

static void ticker_survives_every_failed_allocation_and_thread(void **state)
{
    (void)state;
    assert_true(support_sweep_alloc(make_tick_and_free, NULL) >= 2);
    assert_true(support_sweep_thread(make_tick_and_free, NULL) >= 1);
}

static void ticker_free_with_blocked_waiters_is_misuse(void **state)
{
    struct sleeper sleeper = {.plain = NULL};
    cconc_ticker *ticker = ticker_make(60 * CCONC_SECOND);
    (void)state;
    sleeper_start_ticker(&sleeper, ticker, NULL);
    until(cconc_ticker_waiters(ticker) == 1);
    expect_misuse("ticker free with 1 waiters", cconc_ticker_free(ticker));
    cconc_ticker_stop(ticker);
    assert_int_equal(sleeper_end(&sleeper), EPIPE);
    cconc_ticker_free(ticker);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(ticker_ticks_on_its_grid_from_one_period_after_the_start),
        UNIT_TEST(ticker_may_tick_at_once),
        UNIT_TEST(ticker_refuses_what_cannot_be),
        UNIT_TEST(ticker_saturates_at_the_end_of_the_clock),
        UNIT_TEST(ticker_of_one_nanosecond_goes_on),
        UNIT_TEST(ticker_slow_reader_misses_ticks_and_finds_the_grid_again),
        UNIT_TEST(ticker_jitter_delays_each_tick_by_less_than_its_bound),
        UNIT_TEST(ticker_as_late_as_its_whole_period_keeps_its_order),
        UNIT_TEST(ticker_stop_drops_a_pending_tick_and_ends_the_loop),
        UNIT_TEST(ticker_reset_starts_the_new_period_now_and_drops_a_pending_tick),
        UNIT_TEST(ticker_stop_ends_every_loop_that_waits),
        UNIT_TEST(ticker_serves_its_waiters_in_order_one_a_tick),
        UNIT_TEST(ticker_wait_ends_with_its_context_and_a_done_one_takes_nothing),
        UNIT_TEST(ticker_case_fires_on_the_grid_and_never_when_stopped),
        UNIT_TEST(ticker_case_has_its_chance_beside_a_busy_channel),
        UNIT_TEST(ticker_wait_sees_what_came_before_reset),
        UNIT_TEST(ticker_survives_every_failed_allocation_and_thread),
        UNIT_TEST(ticker_free_with_blocked_waiters_is_misuse),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
