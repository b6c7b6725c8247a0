/* clock_change.c - the virtual clock: who changes and moves it, and what stays real
 * SPDX-License-Identifier: MIT
 *
 * Risk      A clock that changes under a blocked wait; two that move it at once; one that stands
 *           still and with it a task, a spinner or the executor; a timer missed among many.
 * Method    Waits are seen to be blocked before the clock changes; everything notes its reading.
 * Catches   T1 T4; I1 I4; rules env-2 time-6; all-12.
 */
#include "time_help.h"

#include <errno.h>

#include "core/spin.h"

/* ---- what stays real ------------------------------------------------------------------------ */

struct crowd {
    atomic_uint begun;
    unsigned    count;
};

/* A task that is busy, as seen by the executor, until all are there. */
static int meet(cconc_ctx *ctx, void *arg)
{
    struct crowd *crowd = arg;
    (void)ctx;
    atomic_fetch_add(&crowd->begun, 1);
    until(atomic_load(&crowd->begun) == crowd->count);
    return 0;
}

static void clock_that_stands_still_lets_tasks_and_spinners_go_on(void **state)
{
    cconc_group *group = NULL;
    struct crowd crowd = {.count = cconc__spin_cpus() + 2};
    cconc_chan *ch = chan_make(sizeof(int), 0);
    (void)state;
    go_virtual();
    assert_int_equal(cconc_group_new(NULL, NULL, &group), 0);
    for (unsigned i = 0; i < crowd.count; i++) {
        assert_int_equal(cconc_group_go(group, NULL, meet, &crowd), 0);
    }
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    for (int i = 0; i < 100; i++) {
        struct call call;
        call_send(&call, ch, NULL, i);
        int value = -1;
        assert_int_equal(cconc_chan_recv(ch, NULL, &value), 0);
        assert_int_equal(value, i);
        assert_int_equal(call_end(&call), 0);
    }
    cconc_group_free(group);
    cconc_chan_free(ch);
    go_real();
}

/* ---- change, and who may move it ------------------------------------------------------------ */

static void sleep_shortly(void *arg, size_t index)
{
    (void)index;
    int64_t end_ns = support_now_ns() + 100 * CCONC_MS;
    SUPPORT_CHECK(cconc_ctx_sleep(NULL, 100 * CCONC_MS) == 0);
    SUPPORT_CHECK(support_now_ns() >= end_ns);
    atomic_store((atomic_bool *)arg, true);
}

static void clock_does_not_change_under_a_blocked_wait(void **state)
{
    atomic_bool is_over = false;
    atomic_int woken = 0;
    (void)state;
    struct support_threads *thread = support_threads_start(1, sleep_shortly, &is_over);
    until(cconc_clock_waiters() == 1 || atomic_load(&is_over));
    int err = cconc_clock_virtual();
    if (err == 0) { /* on a slow machine it is over by now */
        until(atomic_load(&is_over));
        go_real();
    } else {
        assert_int_equal(err, EBUSY);
    }
    assert_int_equal(cconc_clock_advance(1), EBUSY);
    support_threads_join(thread); /* it ends by the real clock */
    go_virtual();
    struct support_threads *threads = support_threads_start(1, sleep_for_ms, &woken);
    until(cconc_clock_waiters() == 1);
    int64_t now_ns = cconc_clock_now();
    assert_int_equal(cconc_clock_real(), EBUSY);
    assert_int_equal(cconc_clock_now(), now_ns);
    assert_int_equal(cconc_clock_waiters(), 1);
    clock_move(CCONC_MS); /* it ends by the virtual one */
    support_threads_join(threads);
    cconc_timer *timer = timer_make_func(CCONC_SECOND, counter_count, &woken);
    assert_int_equal(cconc_clock_real(), EBUSY);
    cconc_timer_stop(timer);
    go_real();
    cconc_timer_free(timer);
}

/* The service may not be through with what called the function, or have to call it yet. */
static void clock_goes_back_though_the_service_is_about_to_call_a_function(void **state)
{
    atomic_int ran = 0;
    (void)state;
    for (int round = 0; round < 200; round++) {
        cconc_ctx *ctx = NULL;
        cconc_after *after = NULL;
        go_virtual();
        assert_int_equal(cconc_ctx_with_cancel(NULL, &ctx), 0);
        assert_int_equal(cconc_ctx_after_func(ctx, counter_count, &ran, &after), 0);
        cconc_ctx_cancel(ctx);
        if (round % 2 == 0) {
            assert_false(cconc_after_stop_wait(after));
        }
        go_real();
        cconc_after_free(after);
        cconc_ctx_free(ctx);
    }
    assert_int_equal(atomic_load(&ran), 200);
}

static void advance_inside(void *arg)
{
    struct notes *notes = arg;
    notes->err = cconc_clock_advance(CCONC_SECOND);
    note(notes);
}

static void clock_is_moved_by_one_at_a_time(void **state)
{
    struct notes notes = {.err = -1};
    (void)state;
    go_virtual();
    int64_t begin_ns = cconc_clock_now();
    cconc_timer *timer = timer_make_func(CCONC_MS, advance_inside, &notes);
    clock_move(CCONC_MS);
    assert_int_equal(atomic_load(&notes.count), 1);
    assert_int_equal(notes.err, EBUSY); /* it is being moved */
    cconc_timer_reset(timer, 0); /* due at once: nobody moves it */
    until(atomic_load(&notes.count) == 2);
    assert_false(cconc_timer_stop_wait(timer));
    assert_int_equal(notes.err, 0);
    assert_int_equal(cconc_clock_now(), begin_ns + CCONC_MS + CCONC_SECOND);
    cconc_timer_free(timer);
    go_real();
}

static void advance_often(void *arg, size_t index)
{
    atomic_int *moved = arg;
    (void)index;
    for (int i = 0; i < 200; i++) {
        int err = cconc_clock_advance(CCONC_US);
        SUPPORT_CHECK(err == 0 || err == EBUSY);
        atomic_fetch_add(moved, err == 0);
    }
}

static void clock_moves_by_the_sum_of_all_advances(void **state)
{
    atomic_int moved = 0;
    atomic_int runs = 0;
    (void)state;
    go_virtual();
    int64_t begin_ns = cconc_clock_now();
    cconc_timer *timer = timer_make_func(10 * CCONC_US, counter_count, &runs);
    support_threads_join(support_threads_start(3, advance_often, &moved));
    assert_int_equal(cconc_clock_now(), begin_ns + atomic_load(&moved) * CCONC_US);
    assert_int_equal(atomic_load(&runs), 1);
    cconc_timer_free(timer);
    go_real();
}

static void wait_on_channel(void *arg)
{
    struct notes *notes = arg;
    notes->err = cconc_timer_wait(notes->timer, NULL, NULL);
    note(notes);
}

static void clock_does_not_wait_for_a_function_that_waits_in_the_library(void **state)
{
    struct notes notes = {.err = -1};
    (void)state;
    go_virtual();
    notes.timer = timer_make(CCONC_NEVER);
    cconc_timer *timer = timer_make_func(CCONC_MS, wait_on_channel, &notes);
    clock_move(CCONC_SECOND);
    assert_int_equal(cconc_timer_waiters(notes.timer), 1);
    cconc_timer_reset(notes.timer, CCONC_MS);
    clock_move(CCONC_MS);
    until(atomic_load(&notes.count) == 1);
    assert_int_equal(notes.err, 0);
    cconc_timer_free(timer);
    cconc_timer_free(notes.timer);
    go_real();
}

/* ---- many ----------------------------------------------------------------------------------- */

#define MANY_TIMERS 500

struct exact {
    cconc_timer *timer;
    int64_t      due_ns;
    atomic_int   runs;
};

static void run_exactly(void *arg)
{
    struct exact *exact = arg;
    SUPPORT_CHECK(cconc_clock_now() == exact->due_ns);
    atomic_fetch_add(&exact->runs, 1);
}

static void clock_runs_hundreds_of_timers_each_at_its_time(void **state)
{
    static struct exact exact[MANY_TIMERS];
    struct support_random random = support_random_make(20250903, 0);
    (void)state;
    go_virtual();
    int64_t begin_ns = cconc_clock_now();
    for (size_t i = 0; i < MANY_TIMERS; i++) {
        int64_t delay_ns = support_random_below(&random, 200) * CCONC_MS;
        exact[i].due_ns = begin_ns + delay_ns;
        exact[i].timer = timer_make_func(delay_ns, run_exactly, &exact[i]);
    }
    for (int i = 0; i < 10; i++) {
        clock_move(20 * CCONC_MS);
        for (size_t k = 0; k < MANY_TIMERS; k++) {
            assert_int_equal(atomic_load(&exact[k].runs), exact[k].due_ns <= cconc_clock_now());
        }
    }
    for (size_t i = 0; i < MANY_TIMERS; i++) {
        assert_false(cconc_timer_stop(exact[i].timer));
        cconc_timer_free(exact[i].timer);
    }
    go_real();
}

static void run_and_advance(void *arg)
{
    struct notes notes = {.most = 3, .period_ns = 5};
    (void)arg;
    go_virtual();
    int err = cconc_timer_new_func(CCONC_NEVER, note_and_go_on, &notes, &notes.timer);
    if (!err) {
        cconc_timer_reset(notes.timer, 5);
        clock_move(CCONC_SECOND);
        SUPPORT_CHECK(atomic_load(&notes.count) == 3);
        cconc_timer_free(notes.timer);
    }
    go_real();
}

static void clock_moves_on_through_every_failed_allocation_and_thread(void **state)
{
    (void)state;
    assert_true(support_sweep_alloc(run_and_advance, NULL) >= 2);
    assert_true(support_sweep_thread(run_and_advance, NULL) >= 2);
}

/* A process of its own: the timer is the first there, and brings the service. */
struct toggle {
    atomic_uint changes;
    atomic_bool stop;
};

static void toggle_clock(void *arg, size_t index)
{
    struct toggle *toggle = arg;
    (void)index;
    while (!atomic_load(&toggle->stop)) {
        int err = cconc_clock_virtual();
        SUPPORT_CHECK(err == 0 || err == EBUSY);
        err = cconc_clock_real();
        SUPPORT_CHECK(err == 0 || err == EBUSY);
        atomic_fetch_add(&toggle->changes, 1);
    }
}

static int change_beside_the_first_timer(void)
{
    struct toggle toggle = {0};
    struct support_threads *thread = support_threads_start(1, toggle_clock, &toggle);
    until(atomic_load(&toggle.changes) > 0);
    cconc_timer *timer = timer_make(CCONC_NEVER);
    unsigned before = atomic_load(&toggle.changes);
    until(atomic_load(&toggle.changes) > before + 10);
    atomic_store(&toggle.stop, true);
    SUPPORT_CHECK(support_threads_join(thread) == 0);
    cconc_timer_free(timer);
    timer = timer_make(0);
    SUPPORT_CHECK(cconc_timer_wait(timer, NULL, NULL) == 0);
    cconc_timer_free(timer);
    return 0;
}

/* Found by ThreadSanitizer: the service's bell rang before the change had seen it made. */
static void clock_changes_while_the_timer_service_starts(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(support_run_child("first_timer", NULL, 0), 0);
    }
}

int main(int argc, char **argv)
{
    static const struct support_child children[] = {
        {"first_timer", change_beside_the_first_timer}, {NULL, NULL}};
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(clock_changes_while_the_timer_service_starts),
        UNIT_TEST(clock_that_stands_still_lets_tasks_and_spinners_go_on),
        UNIT_TEST(clock_does_not_change_under_a_blocked_wait),
        UNIT_TEST(clock_goes_back_though_the_service_is_about_to_call_a_function),
        UNIT_TEST(clock_is_moved_by_one_at_a_time),
        UNIT_TEST(clock_moves_by_the_sum_of_all_advances),
        UNIT_TEST(clock_does_not_wait_for_a_function_that_waits_in_the_library),
        UNIT_TEST(clock_runs_hundreds_of_timers_each_at_its_time),
        UNIT_TEST(clock_moves_on_through_every_failed_allocation_and_thread),
    };
    support_start(argc, argv, children);
    return UNIT_RUN(tests);
}
