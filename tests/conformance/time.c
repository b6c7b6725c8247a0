/* time.c - the behaviours of Go's time.Timer, Ticker, AfterFunc and Sleep, as since Go 1.23
 * SPDX-License-Identifier: MIT
 *
 * Risk      A program carried over from Go that behaves differently without being told.
 * Method    One case a behaviour that Go documents, or that its tests rely on. By the virtual
 *           clock, so each happens at a known reading. Deliberate differences are cases too.
 * Catches   ported programs that change their meaning; rules time-1 to time-6, env-2.
 */
#include "virtual.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include <cconc/cconc.h>

static cconc_timer *new_timer(int64_t delay_ns)
{
    cconc_timer *timer = NULL;
    SUPPORT_CHECK(cconc_timer_new(delay_ns, &timer) == 0);
    return timer;
}

static cconc_timer *after_func(int64_t delay_ns, cconc_timer_fn fn, void *arg)
{
    cconc_timer *timer = NULL;
    SUPPORT_CHECK(cconc_timer_new_func(delay_ns, fn, arg, &timer) == 0);
    return timer;
}

static cconc_ticker *new_ticker(int64_t period_ns)
{
    cconc_ticker *ticker = NULL;
    SUPPORT_CHECK(cconc_ticker_new(period_ns, NULL, &ticker) == 0);
    return ticker;
}

static void count_run(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

/* A receive from a timer or ticker, blocked in a thread of its own. */
struct receive {
    cconc_timer            *timer;
    cconc_ticker           *ticker; /* if there is no timer */
    int64_t                 due_ns;
    int                     err;
    struct support_threads *thread;
};

static void receive_run(void *arg, size_t index)
{
    struct receive *r = arg;
    (void)index;
    r->err = r->timer ? cconc_timer_wait(r->timer, NULL, &r->due_ns)
                      : cconc_ticker_wait(r->ticker, NULL, &r->due_ns);
}

static size_t receive_count(const struct receive *r)
{
    return r->timer ? cconc_timer_waiters(r->timer) : cconc_ticker_waiters(r->ticker);
}

static void receive_start(struct receive *r, cconc_timer *timer, cconc_ticker *ticker)
{
    *r = (struct receive){.timer = timer, .ticker = ticker, .due_ns = -1, .err = -1};
    size_t before = receive_count(r);
    r->thread = support_threads_start(1, receive_run, r);
    until(receive_count(r) == before + 1);
}

static int receive_end(struct receive *r)
{
    support_threads_join(r->thread);
    return r->err;
}

/* ---- Timer ---------------------------------------------------------------------------------- */

static void new_timer_sends_the_time_after_at_least_its_duration(void **state)
{
    struct receive r;
    int64_t start_ns = cconc_clock_now();
    cconc_timer *timer = new_timer(CCONC_SECOND);
    (void)state;
    receive_start(&r, timer, NULL);
    pass(CCONC_SECOND - 1);
    assert_int_equal(cconc_timer_waiters(timer), 1);
    pass(1);
    assert_int_equal(receive_end(&r), 0);
    assert_int_equal(r.due_ns, start_ns + CCONC_SECOND);
    cconc_timer_free(timer);
}

static void timer_that_nobody_has_received_from_keeps_its_value(void **state)
{
    int64_t due_ns = -1;
    int64_t start_ns = cconc_clock_now();
    cconc_timer *timer = new_timer(CCONC_MS);
    (void)state;
    pass(CCONC_SECOND);
    assert_int_equal(cconc_timer_wait(timer, NULL, &due_ns), 0);
    assert_int_equal(due_ns, start_ns + CCONC_MS); /* Go: the time of sending; here the due time */
    assert_int_equal(cconc_timer_try_wait(timer, NULL), EAGAIN); /* one value, once */
    cconc_timer_free(timer);
}

static void timer_of_no_or_negative_duration_fires_at_once(void **state)
{
    static const int64_t durations[] = {0, -1, INT64_MIN};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        cconc_timer *timer = new_timer(durations[i]);
        assert_int_equal(cconc_timer_wait(timer, NULL, NULL), 0);
        cconc_timer_free(timer);
    }
}

static void timer_of_a_huge_duration_does_not_overflow_into_firing(void **state)
{
    atomic_int runs = 0;
    cconc_timer *timer = new_timer(INT64_MAX);
    cconc_timer *func = after_func(INT64_MAX, count_run, &runs);
    (void)state;
    pass(100LL * 365 * 86400 * CCONC_SECOND);
    assert_int_equal(cconc_timer_try_wait(timer, NULL), EAGAIN);
    assert_int_equal(atomic_load(&runs), 0);
    assert_true(cconc_timer_stop(timer));
    assert_true(cconc_timer_stop(func));
    cconc_timer_free(timer);
    cconc_timer_free(func);
}

static void timer_stop_is_true_for_a_running_one_and_silences_it(void **state)
{
    cconc_timer *timer = new_timer(CCONC_MS);
    (void)state;
    assert_true(cconc_timer_stop(timer));
    assert_false(cconc_timer_stop(timer));
    pass(CCONC_SECOND);
    cconc_select_case one = cconc_select_timer(timer, NULL);
    assert_int_equal(cconc_select(&one, 1, CCONC_SELECT_TRY, NULL), EAGAIN);
    cconc_timer_free(timer);
}

static void timer_stop_after_expiry_leaves_no_stale_value(void **state)
{
    cconc_timer *timer = new_timer(CCONC_MS);
    (void)state;
    pass(CCONC_SECOND);
    assert_true(cconc_timer_stop(timer)); /* 1.23: expired, not received: it was stopped */
    cconc_select_case one = cconc_select_timer(timer, NULL);
    assert_int_equal(cconc_select(&one, 1, CCONC_SELECT_TRY, NULL), EAGAIN); /* no drain needed */
    cconc_timer_free(timer);
}

static void timer_stop_and_reset_are_false_once_the_value_has_been_received(void **state)
{
    cconc_timer *timer = new_timer(CCONC_MS);
    (void)state;
    pass(CCONC_MS);
    assert_int_equal(cconc_timer_wait(timer, NULL, NULL), 0);
    assert_false(cconc_timer_stop(timer));
    assert_false(cconc_timer_reset(timer, CCONC_MS));
    assert_true(cconc_timer_reset(timer, CCONC_MS));
    cconc_timer_free(timer);
}

static void timer_reset_after_expiry_leaves_no_stale_value(void **state)
{
    int64_t due_ns = -1;
    cconc_timer *timer = new_timer(CCONC_MS);
    (void)state;
    pass(CCONC_SECOND);
    int64_t reset_ns = cconc_clock_now();
    assert_true(cconc_timer_reset(timer, CCONC_SECOND));
    assert_int_equal(cconc_timer_try_wait(timer, NULL), EAGAIN);
    pass(CCONC_SECOND);
    assert_int_equal(cconc_timer_wait(timer, NULL, &due_ns), 0);
    assert_int_equal(due_ns, reset_ns + CCONC_SECOND);
    cconc_timer_free(timer);
}

static void timer_reset_to_earlier_wakes_a_blocked_receive_then(void **state)
{
    struct receive r;
    cconc_timer *timer = new_timer(3600 * CCONC_SECOND);
    (void)state;
    receive_start(&r, timer, NULL);
    int64_t reset_ns = cconc_clock_now();
    assert_true(cconc_timer_reset(timer, CCONC_MS));
    pass(CCONC_MS);
    assert_int_equal(receive_end(&r), 0);
    assert_int_equal(r.due_ns, reset_ns + CCONC_MS);
    cconc_timer_free(timer);
}

static void timer_reset_to_nothing_again_and_again_fires_each_time(void **state)
{
    cconc_timer *timer = new_timer(0);
    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(cconc_timer_wait(timer, NULL, NULL), 0);
        assert_false(cconc_timer_reset(timer, 0));
    }
    cconc_timer_free(timer);
}

static void timers_fire_in_order_of_their_due_times(void **state)
{
    static const int64_t delays[] = {300, 100, 500, 200, 400, 100};
    struct receive r[6];
    cconc_timer *timers[6];
    int64_t start_ns = cconc_clock_now();
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        timers[i] = new_timer(delays[i]);
        receive_start(&r[i], timers[i], NULL);
    }
    for (int64_t passed = 100; passed <= 500; passed += 100) {
        pass(100);
        for (size_t i = 0; i < 6; i++) {
            if (delays[i] == passed) {
                assert_int_equal(receive_end(&r[i]), 0);
                assert_int_equal(r[i].due_ns, start_ns + delays[i]);
            } else if (delays[i] > passed) {
                assert_int_equal(cconc_timer_waiters(timers[i]), 1);
            }
        }
    }
    for (size_t i = 0; i < 6; i++) {
        cconc_timer_free(timers[i]);
    }
}

static void timer_serves_as_the_timeout_of_a_select(void **state)
{
    cconc_chan *ch = NULL;
    size_t fired = 99;
    cconc_timer *timer = new_timer(CCONC_MS);
    (void)state;
    SUPPORT_CHECK(cconc_chan_new(sizeof(int), 0, &ch) == 0);
    pass(CCONC_MS);
    cconc_select_case cases[] = {cconc_select_recv(ch, NULL), cconc_select_timer(timer, NULL)};
    assert_int_equal(cconc_select(cases, 2, 0, &fired), 0);
    assert_int_equal(fired, 1);
    cconc_timer_free(timer);
    cconc_chan_free(ch);
}

/* ---- AfterFunc ------------------------------------------------------------------------------ */

struct func {
    cconc_timer *timer;
    pthread_t    thread;
    atomic_int   begun;
    atomic_int   ended;
    atomic_bool  gate;
    int          left; /* runs that it starts anew */
    int64_t      ended_ns;
};

static void func_note_thread(void *arg)
{
    struct func *f = arg;
    f->thread = pthread_self();
    atomic_fetch_add(&f->ended, 1);
}

static void after_func_runs_its_function_on_another_thread(void **state)
{
    struct func f = {.left = 0};
    f.timer = after_func(CCONC_MS, func_note_thread, &f);
    (void)state;
    pass(CCONC_MS - 1);
    assert_int_equal(atomic_load(&f.ended), 0);
    pass(1);
    assert_int_equal(atomic_load(&f.ended), 1);
    assert_false(pthread_equal(f.thread, pthread_self()));
    cconc_timer_free(f.timer);
}

static void after_func_stop_prevents_the_run(void **state)
{
    atomic_int runs = 0;
    cconc_timer *timer = after_func(CCONC_MS, count_run, &runs);
    (void)state;
    assert_true(cconc_timer_stop(timer));
    pass(CCONC_SECOND);
    assert_int_equal(atomic_load(&runs), 0);
    assert_false(cconc_timer_stop(timer));
    cconc_timer_free(timer);
}

static void func_hold(void *arg)
{
    struct func *f = arg;
    atomic_fetch_add(&f->begun, 1);
    until(atomic_load(&f->gate));
    atomic_fetch_add(&f->ended, 1);
}

static void after_func_stop_is_false_once_it_has_begun_and_does_not_wait(void **state)
{
    struct func f = {.left = 0};
    (void)state;
    f.timer = after_func(0, func_hold, &f);
    until(atomic_load(&f.begun) == 1);
    assert_false(cconc_timer_stop(f.timer));
    assert_int_equal(atomic_load(&f.ended), 0);
    assert_false(cconc_timer_reset(f.timer, 0)); /* runs again, beside the first */
    until(atomic_load(&f.begun) == 2);
    atomic_store(&f.gate, true);
    cconc_timer_free(f.timer); /* difference: Go's timers need no free; this waits */
    assert_int_equal(atomic_load(&f.ended), 2);
}

static void after_func_reset_runs_it_again(void **state)
{
    atomic_int runs = 0;
    cconc_timer *timer = after_func(CCONC_MS, count_run, &runs);
    (void)state;
    pass(CCONC_MS);
    assert_int_equal(atomic_load(&runs), 1);
    assert_false(cconc_timer_reset(timer, CCONC_MS));
    assert_true(cconc_timer_reset(timer, 2 * CCONC_MS)); /* put off */
    pass(CCONC_MS);
    assert_int_equal(atomic_load(&runs), 1);
    pass(CCONC_MS);
    assert_int_equal(atomic_load(&runs), 2);
    cconc_timer_free(timer);
}

static void func_again(void *arg)
{
    struct func *f = arg;
    atomic_fetch_add(&f->ended, 1);
    f->ended_ns = cconc_clock_now();
    if (f->left > 0) {
        f->left--;
        (void)cconc_timer_reset(f->timer, CCONC_MS);
    }
}

static void after_func_may_start_itself_anew(void **state)
{
    struct func f = {.left = 9};
    int64_t start_ns = cconc_clock_now();
    (void)state;
    f.timer = after_func(CCONC_NEVER, func_again, &f);
    cconc_timer_reset(f.timer, CCONC_MS);
    pass(CCONC_SECOND);
    assert_int_equal(atomic_load(&f.ended), 10);
    assert_int_equal(f.ended_ns, start_ns + 10 * CCONC_MS);
    cconc_timer_free(f.timer);
}

static void after_func_of_no_function_or_a_wait_for_one_is_refused(void **state)
{
    atomic_int runs = 0;
    cconc_timer *timer = NULL;
    (void)state;
    assert_int_equal(cconc_timer_new_func(0, NULL, NULL, &timer), EINVAL); /* Go: a panic, later */
    timer = after_func(CCONC_NEVER, count_run, &runs);
    assert_int_equal(cconc_timer_wait(timer, NULL, NULL), EINVAL); /* Go: C is nil, for ever */
    cconc_timer_free(timer);
}

/* ---- Ticker --------------------------------------------------------------------------------- */

static void new_ticker_ticks_first_after_one_period_and_then_at_each(void **state)
{
    struct receive r;
    int64_t start_ns = cconc_clock_now();
    cconc_ticker *ticker = new_ticker(CCONC_MS);
    (void)state;
    assert_int_equal(cconc_ticker_try_wait(ticker, NULL), EAGAIN);
    for (int i = 1; i <= 10; i++) {
        receive_start(&r, NULL, ticker);
        pass(CCONC_MS);
        assert_int_equal(receive_end(&r), 0);
        assert_int_equal(r.due_ns, start_ns + i * CCONC_MS);
    }
    cconc_ticker_free(ticker);
}

static void ticker_drops_ticks_for_a_slow_receiver(void **state)
{
    int64_t due_ns = -1;
    int64_t start_ns = cconc_clock_now();
    cconc_ticker *ticker = new_ticker(CCONC_MS);
    (void)state;
    pass(10 * CCONC_MS + 1);
    assert_int_equal(cconc_ticker_wait(ticker, NULL, &due_ns), 0);
    assert_int_equal(due_ns, start_ns + CCONC_MS); /* the first is kept, the others are not */
    assert_int_equal(cconc_ticker_try_wait(ticker, NULL), EAGAIN);
    pass(CCONC_MS - 1);
    assert_int_equal(cconc_ticker_wait(ticker, NULL, &due_ns), 0);
    assert_int_equal(due_ns, start_ns + 11 * CCONC_MS); /* and the beat is as it was */
    cconc_ticker_free(ticker);
}

static void ticker_stop_sends_no_more_ticks(void **state)
{
    size_t fired = 99;
    cconc_ticker *ticker = new_ticker(CCONC_MS);
    (void)state;
    pass(CCONC_MS); /* one is pending: 1.23 drops it */
    assert_true(cconc_ticker_stop(ticker));
    pass(CCONC_SECOND);
    cconc_select_case one = cconc_select_ticker(ticker, NULL);
    assert_int_equal(cconc_select(&one, 1, CCONC_SELECT_TRY, &fired), EAGAIN);
    assert_int_equal(fired, 99);
    cconc_ticker_free(ticker);
}

static void ticker_stop_ends_a_plain_receive_which_go_leaves_blocked(void **state)
{
    struct receive r;
    cconc_ticker *ticker = new_ticker(CCONC_MS);
    (void)state;
    receive_start(&r, NULL, ticker);
    cconc_ticker_stop(ticker);
    assert_int_equal(receive_end(&r), EPIPE); /* difference: a loop over the ticker ends */
    assert_int_equal(cconc_ticker_wait(ticker, NULL, NULL), EPIPE);
    cconc_ticker_free(ticker);
}

static void ticker_reset_changes_the_period_and_restarts_a_stopped_one(void **state)
{
    int64_t due_ns = -1;
    bool was_running = false;
    cconc_ticker *ticker = new_ticker(CCONC_MS);
    (void)state;
    pass(CCONC_MS + 1); /* one is pending: it is dropped */
    int64_t reset_ns = cconc_clock_now();
    assert_int_equal(cconc_ticker_reset(ticker, 3 * CCONC_MS, &was_running), 0);
    assert_true(was_running);
    assert_int_equal(cconc_ticker_try_wait(ticker, NULL), EAGAIN);
    pass(3 * CCONC_MS);
    assert_int_equal(cconc_ticker_wait(ticker, NULL, &due_ns), 0);
    assert_int_equal(due_ns, reset_ns + 3 * CCONC_MS);
    cconc_ticker_stop(ticker);
    assert_int_equal(cconc_ticker_reset(ticker, CCONC_MS, &was_running), 0);
    assert_false(was_running);
    pass(CCONC_MS);
    assert_int_equal(cconc_ticker_wait(ticker, NULL, NULL), 0);
    cconc_ticker_free(ticker);
}

static void ticker_of_no_period_is_refused_where_go_panics(void **state)
{
    cconc_ticker *ticker = NULL;
    (void)state;
    assert_int_equal(cconc_ticker_new(0, NULL, &ticker), EINVAL);
    assert_int_equal(cconc_ticker_new(-1, NULL, &ticker), EINVAL);
    ticker = new_ticker(CCONC_MS);
    assert_int_equal(cconc_ticker_reset(ticker, 0, NULL), EINVAL);
    assert_int_equal(cconc_ticker_reset(ticker, -1, NULL), EINVAL);
    pass(CCONC_MS); /* and it goes on as it was */
    assert_int_equal(cconc_ticker_wait(ticker, NULL, NULL), 0);
    cconc_ticker_free(ticker);
}

/* ---- Sleep ---------------------------------------------------------------------------------- */

static void sleep_a_second(void *arg, size_t index)
{
    (void)index;
    SUPPORT_CHECK(cconc_ctx_sleep(NULL, CCONC_SECOND) == 0);
    *(int64_t *)arg = cconc_clock_now();
}

static void sleep_pauses_at_least_its_duration_and_none_at_once(void **state)
{
    static const int64_t none[] = {0, -1, INT64_MIN};
    int64_t woke_ns = 0;
    int64_t start_ns = cconc_clock_now();
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(cconc_ctx_sleep(NULL, none[i]), 0);
    }
    struct support_threads *thread = support_threads_start(1, sleep_a_second, &woke_ns);
    until(cconc_clock_waiters() == 1);
    pass(CCONC_SECOND);
    support_threads_join(thread);
    assert_int_equal(woke_ns, start_ns + CCONC_SECOND);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        TIME_TEST(new_timer_sends_the_time_after_at_least_its_duration),
        TIME_TEST(timer_that_nobody_has_received_from_keeps_its_value),
        TIME_TEST(timer_of_no_or_negative_duration_fires_at_once),
        TIME_TEST(timer_of_a_huge_duration_does_not_overflow_into_firing),
        TIME_TEST(timer_stop_is_true_for_a_running_one_and_silences_it),
        TIME_TEST(timer_stop_after_expiry_leaves_no_stale_value),
        TIME_TEST(timer_stop_and_reset_are_false_once_the_value_has_been_received),
        TIME_TEST(timer_reset_after_expiry_leaves_no_stale_value),
        TIME_TEST(timer_reset_to_earlier_wakes_a_blocked_receive_then),
        TIME_TEST(timer_reset_to_nothing_again_and_again_fires_each_time),
        TIME_TEST(timers_fire_in_order_of_their_due_times),
        TIME_TEST(timer_serves_as_the_timeout_of_a_select),
        TIME_TEST(after_func_runs_its_function_on_another_thread),
        TIME_TEST(after_func_stop_prevents_the_run),
        TIME_TEST(after_func_stop_is_false_once_it_has_begun_and_does_not_wait),
        TIME_TEST(after_func_reset_runs_it_again),
        TIME_TEST(after_func_may_start_itself_anew),
        TIME_TEST(after_func_of_no_function_or_a_wait_for_one_is_refused),
        TIME_TEST(new_ticker_ticks_first_after_one_period_and_then_at_each),
        TIME_TEST(ticker_drops_ticks_for_a_slow_receiver),
        TIME_TEST(ticker_stop_sends_no_more_ticks),
        TIME_TEST(ticker_stop_ends_a_plain_receive_which_go_leaves_blocked),
        TIME_TEST(ticker_reset_changes_the_period_and_restarts_a_stopped_one),
        TIME_TEST(ticker_of_no_period_is_refused_where_go_panics),
        TIME_TEST(sleep_pauses_at_least_its_duration_and_none_at_once),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
