/* expiry.c - how threads wait for a due time
 * SPDX-License-Identifier: MIT
 *
 * Risk      A value for which nobody watches the clock, an alarm that nobody needs, a waiter that
 *           loses its place, a value for two.
 * Method    The armed alarms are counted in every state of the queue; due times are moved under
 *           waiters that are seen to be blocked.
 * Catches   T2 T3 T4; I1; invariants I1 to I4 of core/expiry.c; rules time-1 time-3 all-13 sel-6
 *           sel-7.
 */
#include "time_help.h"

#include <errno.h>

#include "core/expiry.h"
#include "core/waitable.h"
#include "plat/alloc.h"

/* The value goes, and nothing comes after it. */
static void received_locked(expiry *e, int64_t now_ns)
{
    SUPPORT_CHECK(e->due_ns <= now_ns);
    e->is_running = false;
}

static expiry *expiry_make(int64_t due_ns)
{
    expiry_work work = EXPIRY_WORK_INIT;
    expiry *e = cconc__alloc(sizeof(*e));
    SUPPORT_CHECK(e && cconc__expiry_init(e) == 0);
    e->received_locked = received_locked;
    cconc__expiry_take(e);
    SUPPORT_CHECK(!cconc__expiry_start_locked(e, due_ns, &work));
    cconc__expiry_leave(e, &work);
    return e;
}

static bool expiry_move(expiry *e, int64_t due_ns)
{
    expiry_work work = EXPIRY_WORK_INIT;
    cconc__expiry_take(e);
    bool was_running = cconc__expiry_start_locked(e, due_ns, &work);
    cconc__expiry_leave(e, &work);
    return was_running;
}

static bool expiry_stop(expiry *e)
{
    expiry_work work = EXPIRY_WORK_INIT;
    cconc__expiry_take(e);
    bool was_running = cconc__expiry_stop_locked(e, &work);
    cconc__expiry_leave(e, &work);
    return was_running;
}

static bool expiry_has_keeper(expiry *e)
{
    expiry_work work = EXPIRY_WORK_INIT;
    cconc__expiry_take(e);
    bool has = e->keeper;
    cconc__expiry_leave(e, &work);
    return has;
}

struct wait {
    expiry *e;
    cconc_ctx *ctx;
    int err;
    int64_t due_ns;
    struct support_threads *thread;
};

static void wait_run(void *arg, size_t index)
{
    struct wait *wait = arg;
    (void)index;
    wait->err = cconc__expiry_wait(wait->e, wait->ctx, &wait->due_ns);
}

/* Wait in a thread of its own, seen to be blocked as the count-th. */
static void wait_start(struct wait *wait, expiry *e, cconc_ctx *ctx, size_t count)
{
    *wait = (struct wait){.e = e, .ctx = ctx, .err = -1, .due_ns = -1};
    wait->thread = support_threads_start(1, wait_run, wait);
    until(cconc__expiry_waiters(e) == count);
}

static int wait_end(struct wait *wait)
{
    support_threads_join(wait->thread);
    return wait->err;
}

static void expiry_needs_no_alarm_for_one_waiter_or_none(void **state)
{
    struct wait wait;
    expiry *e = expiry_make(cconc_clock_after(60 * CCONC_SECOND));
    (void)state;
    assert_int_equal(cconc__timer_armed(), 0);
    wait_start(&wait, e, NULL, 1);
    assert_int_equal(cconc__timer_armed(), 0);
    assert_true(expiry_move(e, cconc_clock_after(61 * CCONC_SECOND))); /* later: it looks again */
    assert_int_equal(cconc__timer_armed(), 0);
    assert_true(expiry_move(e, cconc_clock_after(30 * CCONC_SECOND))); /* sooner than it wakes */
    assert_int_equal(cconc__timer_armed(), 1);
    assert_true(expiry_stop(e));
    assert_int_equal(wait_end(&wait), EPIPE);
    assert_int_equal(cconc__timer_armed(), 0);
    cconc__expiry_unref(e);
}

static void expiry_alarm_takes_over_when_the_keeper_leaves(void **state)
{
    struct wait keeper;
    struct wait other;
    struct wait last;
    cconc_ctx *ctx = ctx_make();
    expiry *e = expiry_make(cconc_clock_after(60 * CCONC_SECOND));
    (void)state;
    wait_start(&keeper, e, ctx, 1);
    assert_true(expiry_has_keeper(e));
    wait_start(&other, e, NULL, 2);
    assert_int_equal(cconc__timer_armed(), 0);
    cconc_ctx_cancel(ctx);
    assert_int_equal(wait_end(&keeper), ECANCELED);
    assert_int_equal(cconc__timer_armed(), 1);
    wait_start(&last, e, NULL, 2);
    assert_false(expiry_has_keeper(e)); /* the alarm has the watch, for the first of them */
    assert_true(expiry_move(e, cconc_clock_after(CCONC_MS))); /* the alarm moves with the time */
    assert_int_equal(wait_end(&other), 0);
    until(cconc__timer_armed() == 0);
    assert_false(expiry_move(e, cconc_clock_after(0)));
    assert_int_equal(wait_end(&last), 0);
    cconc__expiry_unref(e);
    cconc_ctx_free(ctx);
}

/* Nobody watches the clock for a time that is not set, whoever waits first. */
static void expiry_without_a_time_keeps_its_waiters_until_there_is_one(void **state)
{
    int64_t past_ns = cconc_clock_after(-CCONC_MS);
    int64_t due_ns = 0;
    struct wait waits[2];
    expiry *e = expiry_make(past_ns);
    (void)state;
    assert_int_equal(cconc__expiry_try(e, &due_ns), 0);
    assert_true(due_ns == past_ns);
    for (size_t i = 0; i < 2; i++) {
        wait_start(&waits[i], e, NULL, i + 1);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_false(expiry_has_keeper(e));
        assert_false(expiry_move(e, past_ns));
        assert_int_equal(wait_end(&waits[i]), 0);
        assert_true(waits[i].due_ns == past_ns);
    }
    cconc__expiry_unref(e);
}

static void expiry_alarm_goes_with_the_last_waiter(void **state)
{
    struct wait waits[2];
    cconc_ctx *ctxs[2] = {ctx_make(), ctx_make()};
    expiry *e = expiry_make(cconc_clock_after(60 * CCONC_SECOND));
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        wait_start(&waits[i], e, ctxs[i], i + 1);
    }
    for (size_t i = 0; i < 2; i++) {
        cconc_ctx_cancel(ctxs[i]);
        assert_int_equal(wait_end(&waits[i]), ECANCELED);
        assert_int_equal(cconc__timer_armed(), 1 - i);
        cconc_ctx_free(ctxs[i]);
    }
    assert_int_equal(cconc__expiry_try(e, NULL), EAGAIN);
    assert_true(expiry_stop(e));
    cconc__expiry_unref(e);
}

/* A select case that stays queued, as one of a thread whose own time has passed but that has not
 * run yet. */
static void expiry_value_waits_for_one_whose_time_has_passed(void **state)
{
    waiter w;
    wait_case c = {.ops = &cconc__expiry_ops};
    wait_case rival = {.ops = &cconc__expiry_ops};
    int64_t due_ns = -1;
    size_t version;
    struct wait second;
    expiry *e = expiry_make(cconc_clock_after(60 * CCONC_SECOND));
    (void)state;
    c.object = e;
    rival.object = e;
    cconc__waiter_arm(&w, NULL);
    wait_node_init(&c.node, &w, &due_ns, 0);
    assert_int_equal(c.ops->enqueue(&c, &w), WAIT_QUEUED);
    wait_start(&second, e, NULL, 2);
    assert_true(waiter_claim(&w, CLAIM_TIMEOUT, 0)); /* it woke on time, and is about to look */
    assert_true(expiry_move(e, 5));
    assert_int_equal(cconc__expiry_waiters(e), 2);
    assert_int_equal(cconc__expiry_try(e, NULL), EAGAIN); /* nobody takes the value from it */
    assert_false(rival.ops->is_ready(&rival, &version));
    assert_int_equal(cconc__timer_armed(), 0);
    assert_int_equal(c.ops->on_time(&c), 0);
    assert_int_equal(due_ns, 5);
    assert_int_equal(cconc__expiry_waiters(e), 1);
    assert_false(expiry_move(e, 6));
    assert_int_equal(wait_end(&second), 0);
    assert_int_equal(second.due_ns, 6);
    cconc__expiry_unref(e);
}

static void expiry_value_passes_over_one_that_another_case_has_claimed(void **state)
{
    waiter w;
    wait_case c = {.ops = &cconc__expiry_ops};
    int64_t due_ns = -1;
    struct wait second;
    expiry *e = expiry_make(cconc_clock_after(60 * CCONC_SECOND));
    (void)state;
    c.object = e;
    cconc__waiter_arm(&w, NULL);
    wait_node_init(&c.node, &w, &due_ns, 0);
    assert_int_equal(c.ops->enqueue(&c, &w), WAIT_QUEUED);
    wait_start(&second, e, NULL, 2);
    assert_true(waiter_claim(&w, CLAIM_SELF, 0));
    assert_true(expiry_move(e, 5));
    assert_int_equal(wait_end(&second), 0);
    assert_int_equal(second.due_ns, 5);
    c.ops->dequeue(&c);
    assert_int_equal(due_ns, -1);
    cconc__expiry_unref(e);
}

static void make_and_release(void *arg)
{
    expiry *e = cconc__alloc(sizeof(*e));
    (void)arg;
    if (e && cconc__expiry_init(e) == 0) {
        cconc__expiry_unref(e);
    } else {
        cconc__alloc_free(e);
    }
}

static void expiry_init_survives_every_fault(void **state)
{
    (void)state;
    assert_true(support_sweep_alloc(make_and_release, NULL) >= 2);
    assert_true(support_sweep_thread(make_and_release, NULL) >= 1);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(expiry_needs_no_alarm_for_one_waiter_or_none),
        UNIT_TEST(expiry_alarm_takes_over_when_the_keeper_leaves),
        UNIT_TEST(expiry_without_a_time_keeps_its_waiters_until_there_is_one),
        UNIT_TEST(expiry_alarm_goes_with_the_last_waiter),
        UNIT_TEST(expiry_value_waits_for_one_whose_time_has_passed),
        UNIT_TEST(expiry_value_passes_over_one_that_another_case_has_claimed),
        UNIT_TEST(expiry_init_survives_every_fault),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
