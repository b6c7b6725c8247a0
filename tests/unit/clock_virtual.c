/* clock_virtual.c - the virtual clock: who sees it, and how it moves
 * SPDX-License-Identifier: MIT
 *
 * Risk      A wait that goes by the system's time all the same, or hangs; something that is due and
 *           not released when advance returns, or released out of turn; a chained timer that is
 *           late.
 * Method    Everything notes the reading at which it happened: the readings are exact. Waits are
 *           seen to be blocked before the clock moves.
 * Catches   T1 T4 T5 T8 T9 T11; I1 I12; rules env-2 time-1 time-2 time-3 time-5 time-6 all-5 all-7.
 */
#include "time_help.h"

#include <errno.h>

#define ERRNO_MARK 7777

/* ---- smoke ---------------------------------------------------------------------------------- */

static void clock_that_is_virtual_stands_still_and_moves_by_advance_alone(void **state)
{
    static const int64_t steps[] = {0, 1, CCONC_US, 3600 * CCONC_SECOND};
    (void)state;
    errno = ERRNO_MARK;
    int64_t before_ns = support_now_ns();
    go_virtual();
    int64_t now_ns = cconc_clock_now();
    assert_true(now_ns >= before_ns && now_ns <= support_now_ns());
    until(support_now_ns() > now_ns + CCONC_MS);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        assert_int_equal(cconc_clock_now(), now_ns);
        assert_int_equal(cconc_clock_after(steps[i]), now_ns + steps[i]);
        assert_int_equal(cconc_clock_virtual(), 0); /* nothing happens */
        clock_move(steps[i]);
        now_ns += steps[i];
    }
    go_real();
    before_ns = support_now_ns();
    now_ns = cconc_clock_now();
    assert_true(now_ns >= before_ns && now_ns <= support_now_ns());
    assert_int_equal(errno, ERRNO_MARK);
}

static void clock_refuses_what_cannot_be(void **state)
{
    (void)state;
    assert_int_equal(cconc_clock_advance(1), EBUSY); /* it is real */
    assert_int_equal(cconc_clock_advance(-1), EINVAL);
    assert_int_equal(cconc_clock_real(), 0);
    go_virtual();
    int64_t now_ns = cconc_clock_now();
    assert_int_equal(cconc_clock_advance(-1), EINVAL);
    assert_int_equal(cconc_clock_advance(INT64_MIN), EINVAL);
    assert_int_equal(cconc_clock_now(), now_ns);
    go_real();
}

static void clock_stops_just_before_never(void **state)
{
    atomic_int soon = 0;
    atomic_int never = 0;
    (void)state;
    go_virtual();
    cconc_timer *far = timer_make_func(INT64_MAX / 2, counter_count, &soon);
    cconc_timer *farther = timer_make_func(CCONC_NEVER, counter_count, &never);
    cconc_timer *waited = timer_make(CCONC_NEVER);
    clock_move(INT64_MAX);
    assert_int_equal(cconc_clock_now(), CCONC_NEVER - 1);
    clock_move(INT64_MAX);
    assert_int_equal(cconc_clock_now(), CCONC_NEVER - 1);
    assert_int_equal(atomic_load(&soon), 1);
    assert_int_equal(atomic_load(&never), 0);
    assert_int_equal(cconc_timer_try_wait(waited, NULL), EAGAIN);
    cconc_timer_free(far);
    cconc_timer_free(farther);
    cconc_timer_free(waited);
    go_real();
}

/* ---- waits ---------------------------------------------------------------------------------- */

/* One bounded wait of each kind; it ends at its deadline. */
struct bounded {
    int         kind;
    cconc_ctx  *ctx;
    cconc_chan *empty;
    cconc_chan *full;
    cconc_timer *timer;
    cconc_ticker *ticker;
    cconc_waitgroup *wg;
    cconc_group *group;
    int64_t     deadline_ns;
    int64_t     ended_ns;
    int         err;
    struct support_threads *thread;
};

enum { BOUNDED_KINDS = 11, BOUNDED_SHUTDOWN = 11 };

static int bounded_call(struct bounded *b)
{
    cconc_ctx_mem mem;
    cconc_ctx *ctx = cconc_ctx_until(&mem, NULL, b->deadline_ns);
    cconc_select_case cases[] = {cconc_select_until(b->deadline_ns), cconc_select_done(ctx),
                                 cconc_select_recv(b->empty, NULL),
                                 cconc_select_timer(b->timer, NULL)};
    int value = 0;
    switch (b->kind) {
    case 0:
        return cconc_ctx_sleep(NULL, b->deadline_ns - cconc_clock_now()) ? -1 : ETIMEDOUT;
    case 1:
        return cconc_chan_recv(b->empty, ctx, &value);
    case 2:
        return cconc_chan_send(b->full, ctx, &value);
    case 3:
        return cconc_timer_wait(b->timer, ctx, NULL);
    case 4:
        return cconc_ticker_wait(b->ticker, ctx, NULL);
    case 5:
        return cconc_waitgroup_wait(b->wg, ctx);
    case 6:
        return cconc_group_wait(b->group, ctx, NULL) == EINPROGRESS ? cconc_ctx_err(ctx) : -1;
    case 7:
        return cconc_ctx_wait(b->ctx, ctx);
    case 8:
        return cconc_select(cases, 1, 0, NULL);
    case 9:
        return cconc_select(cases + 1, 3, 0, NULL);
    case 10:
        return cconc_ctx_wait(ctx, NULL) ? -1 : cconc_ctx_err(ctx);
    default:
        return cconc_shutdown(ctx); /* the group's task runs */
    }
}

static void bounded_run(void *arg, size_t index)
{
    struct bounded *b = arg;
    (void)index;
    b->err = bounded_call(b);
    b->ended_ns = cconc_clock_now();
}

static int run_until_released(cconc_ctx *ctx, void *arg)
{
    return cconc_chan_recv(arg, ctx, NULL);
}

static void clock_releases_each_kind_of_wait_at_its_deadline(void **state)
{
    struct bounded waits[BOUNDED_KINDS];
    cconc_waitgroup wg = CCONC_WAITGROUP_INIT;
    cconc_group *group = NULL;
    struct bounded shape = {.empty = chan_make(sizeof(int), 0), .full = chan_make(sizeof(int), 0)};
    (void)state;
    shape.ctx = ctx_make();
    shape.timer = timer_make(CCONC_NEVER);
    shape.ticker = ticker_make(INT64_MAX);
    shape.wg = &wg;
    cconc_waitgroup_add(&wg, 1);
    assert_int_equal(cconc_group_new(NULL, NULL, &group), 0);
    assert_int_equal(cconc_group_go(group, NULL, run_until_released, shape.empty), 0);
    shape.group = group;
    go_virtual();
    int64_t begin_ns = cconc_clock_now();
    for (int i = 0; i < BOUNDED_KINDS; i++) {
        waits[i] = shape;
        waits[i].kind = i;
        waits[i].deadline_ns = begin_ns + (1 + i) * CCONC_SECOND;
        waits[i].thread = support_threads_start(1, bounded_run, &waits[i]);
        until(cconc_clock_waiters() == (size_t)i + 1);
    }
    clock_move(CCONC_SECOND - 1);
    assert_int_equal(cconc_clock_waiters(), BOUNDED_KINDS);
    clock_move(1);
    for (int i = 0; i < BOUNDED_KINDS; i++) {
        support_threads_join(waits[i].thread);
        assert_int_equal(waits[i].err, ETIMEDOUT);
        assert_int_equal(waits[i].ended_ns, waits[i].deadline_ns);
        assert_int_equal(cconc_clock_waiters(), BOUNDED_KINDS - 1 - i);
        clock_move(CCONC_SECOND);
    }
    go_real();
    assert_int_equal(cconc_group_stop(group, NULL), 0);
    cconc_group_free(group);
    cconc_waitgroup_done(&wg);
    cconc_timer_free(shape.timer);
    cconc_ticker_free(shape.ticker);
    cconc_chan_free(shape.empty);
    cconc_chan_free(shape.full);
    cconc_ctx_free(shape.ctx);
}

/* What is blocked by something that goes on until the channel is closed. */
struct busy {
    cconc_chan        *empty;
    cconc_sem         *sem;
    cconc_limiter     *limiter;
    cconc_sometimes   *sometimes;
    cconc_pool        *pool;
    cconc_future      *future;
    cconc_flight      *set;
    cconc_flight_call *call;
    cconc_once         once;
    atomic_int         held;
};

enum { BUSY_KINDS = 8 };

/* One bounded wait for a busy object. */
struct busy_wait {
    struct busy            *busy;
    int                     kind;
    int64_t                 deadline_ns;
    int64_t                 ended_ns;
    int                     err;
    struct support_threads *thread;
};

static int busy_task(cconc_ctx *ctx, void *arg)
{
    struct busy *busy = arg;
    (void)ctx;
    atomic_fetch_add(&busy->held, 1);
    return cconc_chan_recv(busy->empty, NULL, NULL);
}

static void busy_fn(void *arg)
{
    SUPPORT_CHECK(busy_task(NULL, arg) == EPIPE);
}

static int busy_flight(cconc_ctx *ctx, void *arg, void **out_value)
{
    (void)out_value;
    return busy_task(ctx, arg);
}

static int busy_call(struct busy *busy, int kind, cconc_ctx *ctx)
{
    switch (kind) {
    case 0:
        return cconc_sem_acquire(busy->sem, ctx, 1);
    case 1:
        return cconc_limiter_wait(busy->limiter, ctx, 1);
    case 2:
        return cconc_sometimes_do(busy->sometimes, ctx, busy_fn, busy, NULL);
    case 3:
        return cconc_pool_submit(busy->pool, ctx, busy_task, busy);
    case 4:
        return cconc_pool_wait(busy->pool, ctx);
    case 5:
        return cconc_future_wait(busy->future, ctx) == EINPROGRESS ? ETIMEDOUT : -1;
    case 6:
        return cconc_flight_wait(busy->call, ctx, NULL) == EINPROGRESS ? ETIMEDOUT : -1;
    default:
        return cconc_once_run(&busy->once, ctx, busy_task, busy) == EINPROGRESS ? ETIMEDOUT : -1;
    }
}

static void busy_wait_run(void *arg, size_t index)
{
    struct busy_wait *w = arg;
    cconc_ctx_mem mem;
    (void)index;
    w->err = busy_call(w->busy, w->kind, cconc_ctx_until(&mem, NULL, w->deadline_ns));
    w->ended_ns = cconc_clock_now();
}

static void busy_hold(void *arg, size_t index)
{
    struct busy *busy = arg;
    if (index == 0) {
        SUPPORT_CHECK(cconc_once_run(&busy->once, NULL, busy_task, busy) == EPIPE);
    } else {
        SUPPORT_CHECK(cconc_sometimes_do(busy->sometimes, NULL, busy_fn, busy, NULL) == 0);
    }
}

static struct support_threads *busy_start(struct busy *busy)
{
    cconc_pool_opts opts = {.workers = 1, .queue_len = 1};
    *busy = (struct busy){.empty = chan_make(0, 0)};
    SUPPORT_CHECK(cconc_sem_new(0, &busy->sem) == 0 && cconc_sem_resize(busy->sem, 0) == 0);
    SUPPORT_CHECK(cconc_limiter_new(0, 1, &busy->limiter) == 0);
    SUPPORT_CHECK(cconc_limiter_allow(busy->limiter, 1) == 0);
    SUPPORT_CHECK(cconc_sometimes_new(NULL, &busy->sometimes) == 0);
    SUPPORT_CHECK(cconc_pool_new(NULL, &opts, &busy->pool) == 0);
    SUPPORT_CHECK(cconc_pool_submit_future(busy->pool, NULL, busy_task, busy, &busy->future) == 0);
    until(atomic_load(&busy->held) == 1);
    SUPPORT_CHECK(cconc_pool_submit(busy->pool, NULL, busy_task, busy) == 0); /* it is full now */
    SUPPORT_CHECK(cconc_flight_new(NULL, &busy->set) == 0);
    SUPPORT_CHECK(cconc_flight_do_async(busy->set, NULL, "k", 1, busy_flight, busy, NULL,
                                        &busy->call) == 0);
    struct support_threads *holders = support_threads_start(2, busy_hold, busy);
    until(atomic_load(&busy->held) == 4);
    return holders;
}

static void busy_end(struct busy *busy, struct support_threads *holders)
{
    SUPPORT_CHECK(cconc_chan_close(busy->empty) == 0);
    support_threads_join(holders);
    SUPPORT_CHECK(cconc_flight_wait(busy->call, NULL, NULL) == EPIPE);
    cconc_flight_leave(busy->call);
    cconc_flight_free(busy->set);
    cconc_pool_free(busy->pool);
    cconc_future_free(busy->future);
    cconc_sometimes_free(busy->sometimes);
    cconc_limiter_free(busy->limiter);
    cconc_sem_free(busy->sem);
    cconc_once_destroy(&busy->once);
    cconc_chan_free(busy->empty);
}

static void clock_releases_the_waits_for_busy_objects_at_their_deadlines(void **state)
{
    struct busy_wait waits[BUSY_KINDS];
    struct busy busy;
    struct support_threads *holders = busy_start(&busy);
    (void)state;
    go_virtual();
    int64_t begin_ns = cconc_clock_now();
    for (int i = 0; i < BUSY_KINDS; i++) {
        waits[i] = (struct busy_wait){
            .busy = &busy, .kind = i, .deadline_ns = begin_ns + (1 + i) * CCONC_SECOND};
        waits[i].thread = support_threads_start(1, busy_wait_run, &waits[i]);
        until(cconc_clock_waiters() == (size_t)i + 1);
    }
    for (int i = 0; i < BUSY_KINDS; i++) {
        clock_move(CCONC_SECOND - 1);
        assert_int_equal(cconc_clock_waiters(), BUSY_KINDS - i);
        clock_move(1);
        support_threads_join(waits[i].thread);
        assert_int_equal(waits[i].err, ETIMEDOUT);
        assert_int_equal(waits[i].ended_ns, waits[i].deadline_ns);
        assert_int_equal(cconc_clock_waiters(), BUSY_KINDS - 1 - i);
    }
    go_real();
    busy_end(&busy, holders);
}

static void clock_bounds_a_shutdown(void **state)
{
    cconc_group *group = NULL;
    cconc_chan *empty = chan_make(sizeof(int), 0);
    (void)state;
    assert_int_equal(cconc_group_new(NULL, NULL, &group), 0);
    assert_int_equal(cconc_group_go(group, NULL, run_until_released, empty), 0);
    go_virtual();
    struct bounded b = {.kind = BOUNDED_SHUTDOWN, .deadline_ns = cconc_clock_after(CCONC_SECOND)};
    b.thread = support_threads_start(1, bounded_run, &b);
    until(cconc_clock_waiters() == 1); /* it looks again whenever something may have ended */
    clock_move(CCONC_SECOND);
    support_threads_join(b.thread);
    assert_int_equal(b.err, ETIMEDOUT);
    assert_int_equal(b.ended_ns, b.deadline_ns);
    go_real();
    assert_int_equal(cconc_group_stop(group, NULL), 0);
    cconc_group_free(group);
    cconc_chan_free(empty);
}

static void clock_releases_all_that_a_long_step_makes_due(void **state)
{
    atomic_int woken = 0;
    (void)state;
    go_virtual();
    struct support_threads *threads = support_threads_start(40, sleep_for_ms, &woken);
    until(cconc_clock_waiters() == 40);
    clock_move(5 * CCONC_MS);
    until(atomic_load(&woken) == 20);
    assert_int_equal(cconc_clock_waiters(), 20);
    clock_move(3600 * CCONC_SECOND);
    assert_int_equal(cconc_clock_waiters(), 0);
    assert_int_equal(support_threads_join(threads), 0);
    go_real();
}

static void clock_of_a_ticker_loop_gives_every_tick_at_its_time(void **state)
{
    struct sleeper sleeper = {.plain = NULL};
    cconc_ticker_opts opts = {.first_now = true};
    cconc_ticker *ticker = NULL;
    (void)state;
    go_virtual();
    assert_int_equal(cconc_ticker_new(CCONC_SECOND, &opts, &ticker), 0);
    int64_t due_ns = cconc_clock_now();
    for (int i = 0; i < 10; i++) {
        sleeper_start_ticker(&sleeper, ticker, NULL);
        until(cconc_clock_waiters() == 1 || atomic_load(&sleeper.is_over));
        clock_move(i == 0 ? 0 : CCONC_SECOND);
        assert_int_equal(sleeper_end(&sleeper), 0);
        assert_int_equal(sleeper.due_ns, due_ns);
        assert_int_equal(sleeper.ended_ns, due_ns);
        due_ns += CCONC_SECOND;
    }
    clock_move(3 * CCONC_SECOND + CCONC_MS); /* three are missed but for one */
    int64_t late_ns = -1;
    assert_int_equal(cconc_ticker_try_wait(ticker, &late_ns), 0);
    assert_int_equal(late_ns, due_ns);
    assert_int_equal(cconc_ticker_try_wait(ticker, NULL), EAGAIN);
    clock_move(CCONC_SECOND - CCONC_MS);
    assert_int_equal(cconc_ticker_try_wait(ticker, &late_ns), 0);
    assert_int_equal(late_ns, due_ns + 3 * CCONC_SECOND);
    cconc_ticker_free(ticker);
    go_real();
}

/* ---- timers and contexts -------------------------------------------------------------------- */

static void clock_fires_chained_timers_at_their_exact_times(void **state)
{
    static const int64_t periods[] = {7, 10, 10, 13, CCONC_MS};
    struct notes notes[5] = {{.err = 0}};
    (void)state;
    go_virtual();
    int64_t begin_ns = cconc_clock_now();
    for (size_t i = 0; i < 5; i++) {
        notes[i].period_ns = periods[i];
        notes[i].most = 20;
        notes[i].timer = timer_make_func(CCONC_NEVER, note_and_go_on, &notes[i]);
        assert_true(cconc_timer_reset(notes[i].timer, periods[i]));
    }
    clock_move(3600 * CCONC_SECOND);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(atomic_load(&notes[i].count), 20);
        for (int k = 0; k < 20; k++) {
            assert_int_equal(notes[i].at_ns[k], begin_ns + (k + 1) * periods[i]);
        }
        cconc_timer_free(notes[i].timer);
    }
    assert_int_equal(cconc_clock_now(), begin_ns + 3600 * CCONC_SECOND);
    go_real();
}

static void clock_lets_what_is_due_now_happen_with_an_advance_of_nothing(void **state)
{
    struct notes notes = {.most = 5, .period_ns = 0};
    (void)state;
    go_virtual();
    notes.timer = timer_make_func(CCONC_NEVER, note_and_go_on, &notes);
    cconc_timer_reset(notes.timer, -5);
    clock_move(0);
    assert_int_equal(atomic_load(&notes.count), 5);
    cconc_timer_free(notes.timer);
    go_real();
}

static void note_and_sleep(void *arg)
{
    struct notes *notes = arg;
    note(notes);
    while (atomic_load(&notes->count) < notes->most) {
        SUPPORT_CHECK(cconc_ctx_sleep(NULL, notes->period_ns) == 0);
        note(notes);
    }
}

static void clock_goes_on_while_a_function_sleeps_by_it(void **state)
{
    struct notes notes = {.period_ns = 5 * CCONC_MS, .most = NOTES};
    (void)state;
    go_virtual();
    notes.timer = timer_make_func(CCONC_NEVER, note_and_sleep, &notes);
    for (int round = 0; round < 10; round++) {
        int64_t begin_ns = cconc_clock_now();
        atomic_store(&notes.count, 0);
        cconc_timer_reset(notes.timer, CCONC_MS);
        clock_move(CCONC_SECOND);
        SUPPORT_CHECK(atomic_load(&notes.count) == NOTES); /* else it still uses what is here */
        for (int k = 0; k < NOTES; k++) {
            assert_int_equal(notes.at_ns[k], begin_ns + CCONC_MS + k * 5 * CCONC_MS);
        }
    }
    cconc_timer_free(notes.timer);
    go_real();
}

static void note_after(void *arg)
{
    struct notes *notes = arg;
    note(notes);
    cconc_timer_reset(notes->timer, notes->period_ns);
}

static void clock_ends_contexts_in_time_and_runs_their_functions(void **state)
{
    struct notes notes = {.period_ns = 3, .most = 2};
    cconc_ctx *ctx = NULL;
    cconc_ctx *later = NULL;
    cconc_after *after = NULL;
    (void)state;
    go_virtual();
    int64_t begin_ns = cconc_clock_now();
    assert_int_equal(cconc_ctx_with_timeout(NULL, 10, &ctx), 0);
    assert_int_equal(cconc_ctx_with_timeout(NULL, 20, &later), 0);
    notes.timer = timer_make_func(CCONC_NEVER, note_and_go_on, &notes);
    assert_int_equal(cconc_ctx_after_func(ctx, note_after, &notes, &after), 0);
    clock_move(9);
    assert_int_equal(cconc_ctx_err(ctx), 0);
    clock_move(10);
    assert_int_equal(cconc_ctx_err(ctx), ETIMEDOUT);
    assert_int_equal(cconc_ctx_err(later), 0);
    assert_int_equal(atomic_load(&notes.count), 2);
    assert_int_equal(notes.at_ns[0], begin_ns + 10);
    assert_int_equal(notes.at_ns[1], begin_ns + 13);
    cconc_after_free(after);
    cconc_timer_free(notes.timer);
    cconc_ctx_free(ctx);
    cconc_ctx_free(later);
    go_real();
}

static void write_plain(void *arg)
{
    *(int *)arg += 1;
}

static void clock_advance_sees_what_the_released_functions_did(void **state)
{
    int plain = 0;
    (void)state;
    go_virtual();
    cconc_timer *timer = timer_make_func(CCONC_NEVER, write_plain, &plain);
    for (int i = 1; i <= 200; i++) {
        cconc_timer_reset(timer, CCONC_MS);
        clock_move(CCONC_MS);
        assert_int_equal(plain, i);
    }
    cconc_timer_free(timer);
    go_real();
}

static void clock_keeps_what_was_armed_by_the_real_one(void **state)
{
    struct notes notes = {.most = 1};
    struct sleeper sleeper = {.plain = NULL};
    cconc_ctx *ctx = NULL;
    (void)state;
    notes.timer = timer_make_func(3600 * CCONC_SECOND, note_and_go_on, &notes);
    cconc_timer *waited = timer_make(3600 * CCONC_SECOND);
    assert_int_equal(cconc_ctx_with_timeout(NULL, 3600 * CCONC_SECOND, &ctx), 0);
    go_virtual();
    sleeper_start_timer(&sleeper, waited, NULL);
    until(cconc_clock_waiters() == 1);
    clock_move(3599 * CCONC_SECOND);
    assert_int_equal(atomic_load(&notes.count), 0);
    clock_move(CCONC_SECOND);
    assert_int_equal(atomic_load(&notes.count), 1);
    assert_int_equal(cconc_ctx_err(ctx), ETIMEDOUT);
    assert_int_equal(sleeper_end(&sleeper), 0);
    cconc_timer_free(notes.timer);
    cconc_timer_free(waited);
    cconc_ctx_free(ctx);
    go_real();
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(clock_that_is_virtual_stands_still_and_moves_by_advance_alone),
        UNIT_TEST(clock_refuses_what_cannot_be),
        UNIT_TEST(clock_stops_just_before_never),
        UNIT_TEST(clock_releases_each_kind_of_wait_at_its_deadline),
        UNIT_TEST(clock_releases_the_waits_for_busy_objects_at_their_deadlines),
        UNIT_TEST(clock_bounds_a_shutdown),
        UNIT_TEST(clock_releases_all_that_a_long_step_makes_due),
        UNIT_TEST(clock_of_a_ticker_loop_gives_every_tick_at_its_time),
        UNIT_TEST(clock_fires_chained_timers_at_their_exact_times),
        UNIT_TEST(clock_lets_what_is_due_now_happen_with_an_advance_of_nothing),
        UNIT_TEST(clock_goes_on_while_a_function_sleeps_by_it),
        UNIT_TEST(clock_ends_contexts_in_time_and_runs_their_functions),
        UNIT_TEST(clock_advance_sees_what_the_released_functions_did),
        UNIT_TEST(clock_keeps_what_was_armed_by_the_real_one),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
