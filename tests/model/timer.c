/* timer.c - interleavings of waited timers.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A value that two waits get, or none; one that comes early, or after stop or reset have
 *          said that it would not; a waiter who sleeps on when the one that kept the time leaves.
 * Method   Scenarios of the deterministic tester, two to three threads and the timer service.
 * Catches  A reset that leaves the sleeper to the old time, a keeper that leaves nobody behind, a
 *          value that is handed over twice, alarms that are armed for the wrong time.
 */
#include "model.h"

typedef struct env {
    cconc_timer *timer;
    cconc_ctx *ctx;
    cconc_ctx *until;   /* in mem */
    cconc_ctx_mem mem;
    int err[3];
    int64_t due_ns[3];
    int64_t woke_ns[3];
    bool stopped;
    model_word received;
} env;

static env *env_new(int64_t delay_ns)
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_timer_new(delay_ns, &e->timer), 0);
    return e;
}

static void env_end(env *e)
{
    model_join_all();
    MODEL_EQ(cconc_timer_waiters(e->timer), 0);
    cconc_ctx_free(e->ctx);
    cconc_timer_free(e->timer);
}

static void waits_by(env *e, cconc_ctx *ctx, int me)
{
    e->err[me] = cconc_timer_wait(e->timer, ctx, &e->due_ns[me]);
    e->woke_ns[me] = model_now();
    if (e->err[me] == 0) {
        MODEL_CHECK(e->woke_ns[me] >= e->due_ns[me]);
        (void)model_add(&e->received, 1);
    }
}

static void waits(void *arg)
{
    waits_by(arg, NULL, 1);
}

static void waits_second(void *arg)
{
    waits_by(arg, NULL, 2);
}

static void waits_until(void *arg)
{
    env *e = arg;
    waits_by(e, e->until, 1);
}

/* Waits as well as its context lets it; if it gets the value, it starts the timer for the next. */
static void waits_in_ctx_and_resets(void *arg)
{
    env *e = arg;
    waits_by(e, e->ctx, 1);
    if (e->err[1] == 0) {
        MODEL_CHECK(!cconc_timer_reset(e->timer, 10));
    }
}

static void sleeps(void *arg)
{
    (void)arg;
    MODEL_EQ(cconc_ctx_sleep(NULL, 10), 0);
}

MODEL_SCENARIO(timer_is_due_once, .covers = "T5", .goals = "late at_once")
{
    env *e = env_new(10);
    model_spawn(sleeps, e);
    model_cover(cconc_timer_try_wait(e->timer, &e->due_ns[0]) == EAGAIN ? "late" : "at_once");
    if (e->due_ns[0] == 0) {
        waits_by(e, NULL, 0);
        MODEL_EQ(e->err[0], 0);
    }
    MODEL_EQ(e->due_ns[0], MODEL_START + 10);
    MODEL_EQ(cconc_timer_try_wait(e->timer, NULL), EAGAIN);
    MODEL_CHECK(!cconc_timer_stop(e->timer));
    env_end(e);
}

/* Either stop prevents the value or the wait has it. */
MODEL_SCENARIO(timer_stop_meets_wait, .exhaustive = true, .covers = "T1 T2 H16",
               .goals = "stopped received")
{
    env *e = env_new(10);
    model_spawn(waits, e);
    e->stopped = cconc_timer_stop(e->timer);
    model_join_all();
    MODEL_EQ(e->err[1], e->stopped ? EPIPE : 0);
    model_cover(e->stopped ? "stopped" : "received");
    env_end(e);
}

/* One value, three who want it: stop is one of them. */
MODEL_SCENARIO(timer_two_waits_one_value, .bound = 2, .covers = "S3 T1",
               .goals = "first second stopped")
{
    env *e = env_new(10);
    model_spawn(waits, e);
    model_spawn(waits_second, e);
    MODEL_EQ(cconc_ctx_sleep(NULL, 10), 0);
    e->stopped = cconc_timer_stop(e->timer);
    model_join_all();
    MODEL_EQ((e->err[1] == 0) + (e->err[2] == 0) + e->stopped, 1);
    MODEL_CHECK(e->err[1] == 0 || e->err[1] == EPIPE);
    MODEL_CHECK(e->err[2] == 0 || e->err[2] == EPIPE);
    model_cover(e->stopped ? "stopped" : e->err[1] == 0 ? "first" : "second");
    env_end(e);
}

/* A sleeper without a time is given one. */
MODEL_SCENARIO(timer_reset_wakes_sleeper, .exhaustive = true, .covers = "T4 T3")
{
    env *e = env_new(CCONC_NEVER);
    model_spawn(waits, e);
    MODEL_CHECK(cconc_timer_reset(e->timer, 10));
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    MODEL_EQ(e->due_ns[1], MODEL_START + 10);
    MODEL_EQ(e->woke_ns[1], MODEL_START + 10);
    env_end(e);
}

/* The time is moved forward under the sleeper: it must not sleep until the old one. */
MODEL_SCENARIO(timer_reset_to_earlier, .faults = MODEL_LATE_TIME, .covers = "T4")
{
    env *e = env_new(1000);
    model_spawn(waits, e);
    MODEL_CHECK(cconc_timer_reset(e->timer, 10));
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    MODEL_EQ(e->due_ns[1], MODEL_START + 10);
    MODEL_EQ(e->woke_ns[1], MODEL_START + 10);
    env_end(e);
}

/* After a reset that was in time nobody gets the old value; after another one somebody had it. */
MODEL_SCENARIO(timer_reset_to_later, .exhaustive = true, .covers = "T2", .goals = "moved received")
{
    env *e = env_new(10);
    int64_t now_ns;
    model_spawn(waits, e);
    now_ns = model_now();
    e->stopped = cconc_timer_reset(e->timer, 30);
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    if (e->stopped) {
        MODEL_CHECK(e->due_ns[1] >= now_ns + 30);
        MODEL_EQ(cconc_timer_try_wait(e->timer, NULL), EAGAIN);
        model_cover("moved");
    } else {
        MODEL_EQ(e->due_ns[1], MODEL_START + 10);
        waits_by(e, NULL, 0);
        MODEL_CHECK(e->due_ns[0] >= now_ns + 30);
        model_cover("received");
    }
    env_end(e);
}

/* Who keeps the time is cancelled: the other one is served all the same. */
MODEL_SCENARIO(timer_keeper_is_cancelled, .bound = 2, .covers = "S1 H20 T4",
               .goals = "received cancelled")
{
    env *e = env_new(10);
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(waits_in_ctx_and_resets, e);
    model_spawn(waits_second, e);
    cconc_ctx_cancel(e->ctx);
    model_join_all();
    MODEL_CHECK(e->err[1] == 0 || e->err[1] == ECANCELED);
    MODEL_EQ(e->err[2], 0);
    model_cover(e->err[1] == 0 ? "received" : "cancelled");
    (void)cconc_timer_stop(e->timer);
    env_end(e);
}

/* The same by time; the value then comes from the timer service, which may still be at work when
 * the timer is freed. */
MODEL_SCENARIO(timer_keeper_times_out, .faults = MODEL_LATE_TIME, .covers = "S1 S8 S5")
{
    env *e = env_new(10);
    e->until = cconc_ctx_until(&e->mem, NULL, MODEL_START + 5);
    model_spawn(waits_until, e);
    waits_by(e, NULL, 0);
    MODEL_EQ(e->err[0], 0);
    MODEL_EQ(e->woke_ns[0], MODEL_START + 10);
    model_join_all();
    MODEL_EQ(e->err[1], ETIMEDOUT);
    env_end(e);
}

/* The context ends at the very time: value or code, and the value is not lost. */
MODEL_SCENARIO(timer_due_meets_deadline, .covers = "H20 S12",
               .goals = "received late")
{
    env *e = env_new(10);
    e->until = cconc_ctx_until(&e->mem, NULL, MODEL_START + 10);
    model_spawn(waits_until, e);
    sleeps(e);
    model_join_all();
    if (e->err[1]) {
        MODEL_EQ(e->err[1], ETIMEDOUT);
        MODEL_EQ(cconc_timer_try_wait(e->timer, &e->due_ns[0]), 0);
        MODEL_EQ(e->due_ns[0], MODEL_START + 10);
    } else {
        MODEL_EQ(cconc_timer_try_wait(e->timer, &e->due_ns[0]), EAGAIN);
    }
    model_cover(e->err[1] ? "late" : "received");
    env_end(e);
}

/* A look without waiting takes the value only if nobody waits for it. */
MODEL_SCENARIO(timer_try_meets_wait, .exhaustive = true, .covers = "H13 S4",
               .goals = "tried waited")
{
    env *e = env_new(0);
    model_spawn(waits, e);
    e->err[0] = cconc_timer_try_wait(e->timer, NULL);
    if (e->err[0] == 0) {
        e->stopped = cconc_timer_reset(e->timer, 0);
        MODEL_CHECK(!e->stopped);
    }
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    model_cover(e->err[0] == 0 ? "tried" : "waited");
    env_end(e);
}

/* Who sleeps until the due time comes for its value: a look meanwhile must leave it there. */
MODEL_SCENARIO(timer_try_does_not_overtake, .covers = "S7 H13", .goals = "asleep gone")
{
    env *e = env_new(10);
    size_t waiters;
    model_spawn(waits, e);
    sleeps(e);
    waiters = cconc_timer_waiters(e->timer);
    e->err[0] = cconc_timer_try_wait(e->timer, NULL);
    if (waiters) {
        MODEL_EQ(e->err[0], EAGAIN);
        model_cover("asleep");
    } else if (e->err[0] == 0) {
        (void)cconc_timer_reset(e->timer, 10);
    } else {
        model_cover("gone");
    }
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    env_end(e);
}

/* Stopped and started again: whoever slept at the stop is told, who comes later waits anew. */
MODEL_SCENARIO(timer_stop_and_reset_meet_wait, .exhaustive = true, .covers = "T2 H16",
               .goals = "told waited")
{
    env *e = env_new(CCONC_NEVER);
    model_spawn(waits, e);
    MODEL_CHECK(cconc_timer_stop(e->timer));
    MODEL_CHECK(!cconc_timer_reset(e->timer, 10));
    model_join_all();
    if (e->err[1]) {
        MODEL_EQ(e->err[1], EPIPE);
    } else {
        MODEL_EQ(e->due_ns[1], MODEL_START + 10);
    }
    model_cover(e->err[1] ? "told" : "waited");
    env_end(e);
}

MODEL_SCENARIO(timer_two_stops, .exhaustive = true, .covers = "C9 T1")
{
    env *e = env_new(CCONC_NEVER);
    model_spawn(waits, e);
    e->stopped = cconc_timer_stop(e->timer);
    MODEL_CHECK(e->stopped);
    MODEL_CHECK(!cconc_timer_stop(e->timer));
    model_join_all();
    MODEL_EQ(e->err[1], EPIPE);
    env_end(e);
}

static void selects(void *arg)
{
    env *e = arg;
    cconc_select_case cases[2] = {cconc_select_timer(e->timer, &e->due_ns[1]),
                                  cconc_select_done(e->ctx)};
    size_t index = 9;
    e->err[1] = cconc_select(cases, 2, 0, &index);
    if (index == 0) {
        MODEL_EQ(e->err[1], 0);
        (void)model_add(&e->received, 1);
    }
}

/* A select and a wait want the one value; the select then goes by its context. */
MODEL_SCENARIO(timer_select_meets_wait, .covers = "H5 H8", .goals = "select wait")
{
    env *e = env_new(10);
    e->until = cconc_ctx_until(&e->mem, NULL, MODEL_START + 20);
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(selects, e);
    waits_by(e, e->until, 0);
    cconc_ctx_cancel(e->ctx);
    model_join_all();
    if (model_get(&e->received) == 0) {
        MODEL_EQ(cconc_timer_try_wait(e->timer, NULL), 0);
    } else {
        MODEL_EQ(model_get(&e->received), 1);
        model_cover(e->err[0] == 0 ? "wait" : "select");
        MODEL_EQ(cconc_timer_try_wait(e->timer, NULL), EAGAIN);
    }
    env_end(e);
}

MODEL_SCENARIO(timer_new_fails, .faults = MODEL_NO_MEMORY | MODEL_NO_THREAD, .covers = "X4 W15",
               .goals = "failed made")
{
    env *e = model_zalloc(sizeof(*e));
    e->err[0] = cconc_timer_new(10, &e->timer);
    MODEL_EQ(e->err[0], model_had_fault(MODEL_NO_MEMORY | MODEL_NO_THREAD) ? ENOMEM : 0);
    model_cover(e->err[0] ? "failed" : "made");
    if (e->err[0] && cconc_timer_new(10, &e->timer) != 0) {
        return; /* the other fault */
    }
    waits_by(e, NULL, 0);
    MODEL_EQ(e->err[0], 0);
    env_end(e);
}

/* In a forked child no wait sleeps, and no timer is made; what is due can be had. */
MODEL_SCENARIO(timer_in_a_child, .covers = "X3", .goals = "told")
{
    env *e = env_new(CCONC_NEVER);
    cconc_timer *other;
    model_spawn(waits, e);
    model_may_fail(MODEL_MISUSE);
    model_fork();
    MODEL_EQ(cconc_timer_wait(e->timer, NULL, NULL), ENOTRECOVERABLE);
    MODEL_EQ(cconc_timer_new(10, &other), ENOTRECOVERABLE);
    model_cover("told");
}

/* The real parker, woken for no reason: the wait ends at its time all the same. */
MODEL_SCENARIO(timer_woken_for_nothing, .low = true, .faults = MODEL_SPURIOUS, .covers = "S6 T2")
{
    env *e = env_new(10);
    waits_by(e, NULL, 0);
    MODEL_EQ(e->err[0], 0);
    MODEL_EQ(e->due_ns[0], MODEL_START + 10);
    MODEL_EQ(e->woke_ns[0], MODEL_START + 10);
    env_end(e);
}
