/* timer_service.c - interleavings of the thread that all timers share.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A timer that comes while the thread computes its sleep, and is seen only when that ends;
 *          one that fires after it was taken back; a thread that nobody starts, or two of them.
 * Method   Scenarios of the deterministic tester, on the internal header.
 * Catches  Kicks that are left out or come under the lock, a due time that is read before the lock,
 *          a heap that loses its order, a stop that overtakes a start.
 */
#include "model.h"

#include "core/quiet.h"
#include "core/timer.h"

enum { MOST = 6 };

typedef struct alarm_clock {
    timer timer; /* first */
    struct env *e;
    int64_t fired_ns;
    uint32_t place; /* in the order of firing, from 1 */
    model_word fired;
} alarm_clock;

typedef struct env {
    alarm_clock clocks[MOST];
    int err;
    int stop_err;
    bool taken_back;
    model_word fired;
} env;

static void fires(timer *due)
{
    alarm_clock *c = (alarm_clock *)(void *)due;
    c->fired_ns = model_now();
    c->place = model_add(&c->e->fired, 1) + 1;
    model_set(&c->fired, 1);
}

static const timer_ops fires_ops = {.fire = fires};

static env *env_new(int count)
{
    env *e = model_zalloc(sizeof(*e));
    for (int i = 0; i < MOST; i++) {
        e->clocks[i].e = e;
        e->clocks[i].timer.ops = &fires_ops;
    }
    for (int i = 0; i < count; i++) {
        MODEL_EQ(cconc__timer_reserve(&e->clocks[i].timer), 0);
    }
    return e;
}

static void env_end(env *e, int count)
{
    model_join_all();
    for (int i = 0; i < count; i++) {
        (void)cconc__timer_release(&e->clocks[i].timer);
    }
}

static void arm(env *e, int i, int64_t delay_ns)
{
    if (cconc__timer_arm(&e->clocks[i].timer, MODEL_START + delay_ns)) {
        cconc__timer_kick();
    }
}

static void arms_second(void *arg)
{
    arm(arg, 1, 10);
}

/* The thread is about to sleep for ever when the timer comes. */
MODEL_SCENARIO(timer_service_is_woken, .exhaustive = true, .covers = "T4")
{
    env *e = env_new(1);
    arm(e, 0, 10);
    model_await(&e->clocks[0].fired, 1);
    MODEL_CHECK(e->clocks[0].fired_ns >= MODEL_START + 10);
    env_end(e, 1);
}

/* It is about to sleep until a late one when an earlier one comes. */
MODEL_SCENARIO(timer_service_earlier_one_comes, .faults = MODEL_LATE_TIME, .covers = "T4 T3")
{
    env *e = env_new(2);
    model_spawn(arms_second, e);
    arm(e, 0, 1000);
    model_await(&e->fired, 2);
    MODEL_EQ(e->clocks[1].fired_ns, MODEL_START + 10);
    MODEL_EQ(e->clocks[0].fired_ns, MODEL_START + 1000);
    env_end(e, 2);
}

/* Two come at once, each earlier than the one before. */
MODEL_SCENARIO(timer_service_two_earlier_ones_come, .faults = MODEL_LATE_TIME, .covers = "T4")
{
    env *e = env_new(3);
    arm(e, 0, 1000);
    model_spawn(arms_second, e);
    arm(e, 2, 5);
    model_await(&e->fired, 3);
    MODEL_EQ(e->clocks[2].fired_ns, MODEL_START + 5);
    MODEL_EQ(e->clocks[1].fired_ns, MODEL_START + 10);
    MODEL_EQ(e->clocks[0].fired_ns, MODEL_START + 1000);
    env_end(e, 3);
}

/* Taken back, or fired; never both, never neither. */
MODEL_SCENARIO(timer_service_disarm_meets_fire, .exhaustive = true, .covers = "T1 T6",
               .goals = "taken fired")
{
    env *e = env_new(1);
    arm(e, 0, 10);
    e->taken_back = cconc__timer_disarm(&e->clocks[0].timer);
    if (!e->taken_back) {
        model_await(&e->clocks[0].fired, 1);
    }
    MODEL_EQ(cconc__timer_armed() == 0 || !e->taken_back, true);
    model_cover(e->taken_back ? "taken" : "fired");
    MODEL_EQ(model_get(&e->fired), e->taken_back ? 0 : 1);
    env_end(e, 1);
}

static void disarms_first(void *arg)
{
    env *e = arg;
    e->taken_back = cconc__timer_disarm(&e->clocks[0].timer);
}

/* The earliest goes while the thread sleeps until it: the next one is on time. */
MODEL_SCENARIO(timer_service_earliest_goes, .exhaustive = true, .covers = "T6",
               .goals = "taken fired")
{
    env *e = env_new(2);
    arm(e, 0, 10);
    arm(e, 1, 20);
    model_spawn(disarms_first, e);
    model_await(&e->clocks[1].fired, 1);
    MODEL_EQ(e->clocks[1].fired_ns, MODEL_START + 20);
    model_join_all();
    MODEL_CHECK(e->taken_back != (e->clocks[0].fired_ns != 0));
    model_cover(e->taken_back ? "taken" : "fired");
    env_end(e, 2);
}

/* Equal times fire in the order of arming. */
MODEL_SCENARIO(timer_service_keeps_the_order, .exhaustive = true, .covers = "T8")
{
    env *e = env_new(3);
    arm(e, 2, 10);
    arm(e, 0, 10);
    arm(e, 1, 10);
    for (int i = 0; i < 3; i++) {
        model_await(&e->clocks[i].fired, 1);
    }
    MODEL_EQ(e->clocks[2].place * 100 + e->clocks[0].place * 10 + e->clocks[1].place, 123);
    env_end(e, 3);
}

/* Six in the heap, one taken out of the middle: the others fire in order of their times. */
MODEL_SCENARIO(timer_service_heap_of_six, .faults = MODEL_LATE_TIME, .covers = "T6 T8")
{
    static const int64_t delays[MOST] = {10, 40, 20, 60, 50, 30};
    env *e = env_new(MOST);
    for (int i = 0; i < MOST; i++) {
        arm(e, i, delays[i]);
    }
    MODEL_CHECK(cconc__timer_disarm(&e->clocks[2].timer));
    model_await(&e->fired, MOST - 1);
    for (int i = 0; i < MOST; i++) {
        MODEL_EQ(e->clocks[i].fired_ns, i == 2 ? 0 : MODEL_START + delays[i]);
    }
    env_end(e, MOST);
}

static void fires_and_arms_next(timer *due)
{
    alarm_clock *c = (alarm_clock *)(void *)due;
    fires(due);
    arm(c->e, 1, 15);
}

/* A timer that arms another one as it fires, earlier than what the heap has. */
MODEL_SCENARIO(timer_service_armed_while_firing, .faults = MODEL_LATE_TIME, .covers = "T7 C10 T13")
{
    static const timer_ops ops = {.fire = fires_and_arms_next};
    env *e = env_new(3);
    e->clocks[0].timer.ops = &ops;
    arm(e, 2, 20);
    arm(e, 0, 10);
    model_await(&e->fired, 3);
    MODEL_EQ(e->clocks[0].fired_ns, MODEL_START + 10);
    MODEL_EQ(e->clocks[1].fired_ns, MODEL_START + 15);
    MODEL_EQ(e->clocks[2].fired_ns, MODEL_START + 20);
    env_end(e, 3);
}

static void fires_and_ends_thread(timer *due)
{
    fires(due);
    model_exit_thread();
}

/* The thread ends from inside: the service goes on with what is left, and then it is idle. */
MODEL_SCENARIO(timer_service_thread_ends, .faults = MODEL_LATE_TIME, .covers = "O1 F1")
{
    static const timer_ops ops = {.fire = fires_and_ends_thread};
    env *e = env_new(2);
    e->clocks[0].timer.ops = &ops;
    e->clocks[1].timer.ops = &ops;
    arm(e, 0, 10);
    arm(e, 1, 20);
    model_await(&e->fired, 2);
    MODEL_EQ(e->clocks[1].fired_ns, MODEL_START + 20);
    env_end(e, 2);
}

static void reserves_and_arms(void *arg)
{
    env *e = arg;
    e->err = cconc__timer_reserve(&e->clocks[1].timer);
    if (e->err == 0) {
        arm(e, 1, 10);
        model_await(&e->clocks[1].fired, 1);
        (void)cconc__timer_release(&e->clocks[1].timer);
    }
}

/* Two bring the first timer at once: one thread is made, and serves both. */
MODEL_SCENARIO(timer_service_two_start_it, .faults = MODEL_LATE_TIME, .covers = "W6")
{
    env *e = env_new(0);
    model_spawn(reserves_and_arms, e);
    MODEL_EQ(cconc__timer_reserve(&e->clocks[0].timer), 0);
    arm(e, 0, 10);
    model_await(&e->fired, 2);
    MODEL_EQ(e->err, 0);
    env_end(e, 1);
}

/* The same where one thread cannot be made: who could not has no room, the other one is served. */
MODEL_SCENARIO(timer_service_start_fails, .faults = MODEL_LATE_TIME | MODEL_NO_THREAD,
               .covers = "W15 X4", .goals = "failed made")
{
    env *e = env_new(0);
    int err;
    model_spawn(reserves_and_arms, e);
    err = cconc__timer_reserve(&e->clocks[0].timer);
    if (err == 0) {
        arm(e, 0, 10);
        model_await(&e->clocks[0].fired, 1);
        (void)cconc__timer_release(&e->clocks[0].timer);
    }
    model_join_all();
    MODEL_CHECK((err == 0 || e->err == 0) && (err == 0 || err == ENOMEM));
    model_cover(err || e->err ? "failed" : "made");
}

/* The service is ended while another timer comes: that is served, if need be by a new thread. */
MODEL_SCENARIO(timer_service_stop_meets_arm, .faults = MODEL_LATE_TIME,
               .covers = "W3 W16", .goals = "stopped busy")
{
    env *e = env_new(1);
    env_end(e, 1);
    model_spawn(reserves_and_arms, e);
    e->stop_err = cconc__timer_stop();
    MODEL_CHECK(e->stop_err == 0 || e->stop_err == EBUSY);
    model_join_all();
    MODEL_EQ(e->err, 0);
    MODEL_EQ(model_get(&e->fired), 1);
    model_cover(e->stop_err ? "busy" : "stopped");
}

static void disarms_first_and_tells(void *arg)
{
    env *e = arg;
    disarms_first(e);
    cconc__quiet_tell();
}

/* The end of the library waits for what is armed, until it has fired or was taken back. */
MODEL_SCENARIO(timer_service_shutdown_waits, .covers = "W3 W16", .goals = "taken fired")
{
    env *e = env_new(1);
    arm(e, 0, 10);
    model_spawn(disarms_first_and_tells, e);
    MODEL_EQ(cconc_shutdown(NULL), 0);
    model_join_all();
    model_cover(e->taken_back ? "taken" : "fired");
    MODEL_EQ(model_get(&e->fired), e->taken_back ? 0 : 1);
    env_end(e, 1);
}

/* The real parker, woken for no reason: the thread looks, and nothing fires early. */
MODEL_SCENARIO(timer_service_woken_for_nothing, .low = true,
               .faults = MODEL_SPURIOUS | MODEL_LATE_TIME, .covers = "S6 T4")
{
    env *e = env_new(2);
    arm(e, 0, 20);
    arm(e, 1, 10);
    model_await(&e->fired, 2);
    MODEL_EQ(e->clocks[1].fired_ns, MODEL_START + 10);
    MODEL_EQ(e->clocks[0].fired_ns, MODEL_START + 20);
    env_end(e, 2);
}

/* A forked child has no such thread: there is no room in it, and nothing of the parent's is taken
 * back or armed. */
MODEL_SCENARIO(timer_service_in_a_child, .covers = "X3")
{
    env *e = env_new(1);
    arm(e, 0, 10);
    model_may_fail(MODEL_MISUSE);
    model_fork();
    MODEL_EQ(cconc__timer_reserve(&e->clocks[1].timer), ENOTRECOVERABLE);
    MODEL_CHECK(!cconc__timer_disarm(&e->clocks[0].timer));
    (void)cconc__timer_release(&e->clocks[0].timer);
}
