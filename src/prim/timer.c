/* timer.c - timers: waited ones, and those that run a function
 * SPDX-License-Identifier: MIT
 *
 * Idea        A waited timer is an expiry (core/expiry.c): nothing runs for it while nobody waits.
 *             A function timer uses the expiry's lock, memory and alarm, and keeps the alarm armed
 *             from start to due time. When it fires the task goes to the executor. A timer that
 *             fires again while its task is still queued owes one more run, which the first to
 *             start passes on at once: one task in the timer serves any number of overlapping runs.
 * Picture     start --> armed --due--> owed --a thread begins--> running --> ended
 *                         | stop, reset: true                (stop, reset: false)
 * Invariants  I1 outstanding = armings that have neither been stopped nor ended: it counts armed,
 *                firing, owed and running ones, and each has a reference.
 *             I2 The task is queued, or being passed on, exactly while is_queued; owed > 0 then.
 *             I3 An arming is either disarmed, and nothing runs, or fires, and one function runs.
 * Locks       The expiry's, rank EXPIRY: all (m) fields.
 * Ordering    None but the lock's, the timer service's and the executor's.
 * Lifetime    A run keeps the timer, so that the function may free it.
 * Rejected    A task a firing: it would allocate when it fires. Running the function on the
 *             service's thread: all others would wait for it. */
#include <cconc/timer.h>

#include "core/clock.h"
#include "core/executor.h"
#include "core/expiry.h"
#include "core/must.h"
#include "core/quiet.h"
#include "core/self.h"
#include "core/waiter.h"
#include "plat/alloc.h"
#include "plat/clock.h"
#include "plat/fork.h"

#include <errno.h>

/* Key  (i) immutable after new  (m) under the expiry's lock */
struct cconc_timer {
    expiry         e;           /* first: its memory is the timer's */
    cconc_timer_fn fn;          /* (i) NULL = a waited timer; the rest is for functions */
    void          *arg;         /* (i) */
    exec_task      task;        /* (m) */
    uint32_t       owed;        /* (m) firings whose function no thread has begun */
    uint32_t       owed_by_clock; /* (m) of these, those that the virtual clock waits for */
    uint32_t       outstanding; /* (m) */
    bool           is_queued;   /* (m) the task is */
    waitq          stoppers;    /* (m) who waits in stop_wait */
};

_Static_assert(offsetof(cconc_timer, e) == 0, "a select case finds the expiry");

static void timer_received_locked(expiry *e, int64_t now_ns)
{
    cconc__lock_assert_held(&e->mu);
    (void)now_ns;
    e->is_running = false;
}

/* Function timers. */

/* The next of the owed begins, on this thread; pass on the one after it. That cannot fail: this is
 * a thread of the executor, or the service's, and then nothing else is owed. */
static void func_begin(cconc_timer *t)
{
    bool more;
    bool owes;
    cconc__expiry_take(&t->e);
    t->owed--;
    more = t->owed > 0;
    t->is_queued = more;
    owes = t->owed_by_clock > 0;
    t->owed_by_clock -= owes ? 1 : 0;
    lock_leave(&t->e.mu);
    cconc__clock_begin(owes);
    if (more) {
        int err = cconc__executor_submit(&t->task);
        CHECK(err == 0);
        (void)err;
    }
}

/* Is a function firing, owed or running? */
static bool func_is_busy_locked(cconc_timer *t)
{
    cconc__lock_assert_held(&t->e.mu);
    return t->outstanding > 1 || (t->outstanding == 1 && !cconc__timer_is_armed(&t->e.alarm));
}

static void func_end(cconc_timer *t)
{
    expiry_work work = EXPIRY_WORK_INIT;
    cconc__expiry_take(&t->e);
    t->outstanding--;
    if (!func_is_busy_locked(t)) {
        waiter_claim_all(&t->stoppers, CLAIM_READY, &work.wakes);
    }
    cconc__expiry_leave(&t->e, &work);
    cconc__expiry_unref(&t->e); /* the run's */
    cconc__clock_end();
}

static void func_run(exec_task *task)
{
    cconc_timer *t = LIST_OF(task, cconc_timer, task);
    self_task frame;
    func_begin(t);
    cconc__self_enter(&frame, t);
    t->fn(t->arg);
    cconc__self_exit();
    func_end(t);
}

/* The function has ended its thread. */
static void func_torn(exec_task *task)
{
    func_end(LIST_OF(task, cconc_timer, task));
}

/* On the timer service's thread: the alarm's reference becomes the run's. */
static void func_fire(timer *due)
{
    cconc_timer *t = LIST_OF(due, cconc_timer, e.alarm);
    bool owes = cconc__clock_owe_function();
    bool was_queued;
    cconc__expiry_take(&t->e);
    t->owed++;
    t->owed_by_clock += owes ? 1 : 0;
    was_queued = t->is_queued;
    t->is_queued = true;
    lock_leave(&t->e.mu);
    if (!was_queued && cconc__executor_submit(&t->task) != 0) {
        func_run(&t->task);
    }
}

/* The function has ended the service's thread. */
static void func_fire_torn(timer *due)
{
    self_get()->task = NULL;
    func_torn(&LIST_OF(due, cconc_timer, e.alarm)->task);
}

static void func_start_locked(cconc_timer *t, int64_t due_ns, expiry_work *work)
{
    cconc__lock_assert_held(&t->e.mu);
    t->outstanding++;
    ref_get(&t->e.refs); /* the arming's */
    work->kick = cconc__timer_arm(&t->e.alarm, due_ns);
}

/* Returns true if the arming was taken back. */
static bool func_stop_locked(cconc_timer *t, expiry_work *work)
{
    cconc__lock_assert_held(&t->e.mu);
    if (t->outstanding == 0 || !cconc__timer_disarm(&t->e.alarm)) {
        return false;
    }
    t->outstanding--;
    (void)ref_put(&t->e.refs); /* the arming's; the caller's handle remains */
    work->tell = true;
    return true;
}

/* Wait until no function runs. In a forked child none does. */
static void func_wait(cconc_timer *t)
{
    bool busy = plat_fork_is_ours();
    while (busy) {
        waiter w;
        wait_node node;
        cconc__waiter_arm(&w, NULL);
        wait_node_init(&node, &w, NULL, 0);
        cconc__expiry_take(&t->e);
        busy = func_is_busy_locked(t);
        if (busy) {
            waitq_push_back(&t->stoppers, &node);
        }
        lock_leave(&t->e.mu);
        if (busy) {
            cconc__waiter_park(&w, true);
        }
        waiter_disarm(&w);
    }
}

/* Both kinds. */

/* No lock: nobody has it yet, and the timer service's is enough for fn. */
static int timer_new(int64_t delay_ns, cconc_timer_fn fn, void *arg, cconc_timer **out_timer)
{
    int64_t due_ns = plat_clock_add(plat_clock_now(), delay_ns);
    cconc_timer *t = cconc__alloc(sizeof(*t));
    int err;
    if (!t) {
        return ENOMEM;
    }
    err = cconc__expiry_init(&t->e);
    if (err) {
        cconc__alloc_free(t);
        return err;
    }
    t->e.is_waitable = fn == NULL;
    t->e.received_locked = timer_received_locked;
    t->fn = fn;
    t->arg = arg;
    t->task.run = func_run;
    t->task.torn = func_torn;
    waitq_init(&t->stoppers);
    if (fn) {
        t->e.alarm.fire = func_fire;
        t->e.alarm.torn = func_fire_torn;
    }
    *out_timer = t; /* before fn can run: it may use it, or free it */
    if (!fn) {
        t->e.due_ns = due_ns;
        t->e.is_running = true;
        return 0;
    }
    t->outstanding = 1;
    ref_get(&t->e.refs); /* the arming's */
    if (cconc__timer_arm(&t->e.alarm, due_ns)) {
        cconc__timer_kick();
    }
    return 0;
}

int cconc_timer_new(int64_t delay_ns, cconc_timer **out_timer)
{
    MUST_ALIGN(out_timer, cconc_timer *);
    return out_timer ? timer_new(delay_ns, NULL, NULL, out_timer) : EINVAL;
}

int cconc_timer_new_func(int64_t delay_ns, cconc_timer_fn fn, void *arg, cconc_timer **out_timer)
{
    MUST_ALIGN(out_timer, cconc_timer *);
    return out_timer && fn ? timer_new(delay_ns, fn, arg, out_timer) : EINVAL;
}

int cconc_timer_wait(cconc_timer *t, cconc_ctx *ctx, int64_t *out_due_ns)
{
    MUST_POINT(t, cconc_timer);
    MUST_ALIGN(ctx, cconc_ctx);
    MUST_ALIGN(out_due_ns, int64_t);
    return t->fn ? EINVAL : cconc__expiry_wait(&t->e, ctx, out_due_ns);
}

int cconc_timer_try_wait(cconc_timer *t, int64_t *out_due_ns)
{
    MUST_POINT(t, cconc_timer);
    MUST_ALIGN(out_due_ns, int64_t);
    return t->fn ? EINVAL : cconc__expiry_try(&t->e, out_due_ns);
}

/* Stop; *out_is_busy tells whether a function fires or runs all the same. */
static bool timer_stop(cconc_timer *t, bool *out_is_busy)
{
    expiry_work work = EXPIRY_WORK_INIT;
    bool prevented;
    cconc__expiry_take(&t->e);
    prevented = t->fn ? func_stop_locked(t, &work) : cconc__expiry_stop_locked(&t->e, &work);
    *out_is_busy = func_is_busy_locked(t);
    cconc__expiry_leave(&t->e, &work);
    return prevented;
}

bool cconc_timer_stop(cconc_timer *t)
{
    MUST_POINT(t, cconc_timer);
    bool is_busy;
    return timer_stop(t, &is_busy);
}

bool cconc_timer_stop_wait(cconc_timer *t)
{
    MUST_POINT(t, cconc_timer);
    bool is_busy;
    bool prevented = timer_stop(t, &is_busy);
    if (is_busy && !self_runs(t)) {
        func_wait(t);
    }
    return prevented;
}

bool cconc_timer_reset(cconc_timer *t, int64_t delay_ns)
{
    MUST_POINT(t, cconc_timer);
    expiry_work work = EXPIRY_WORK_INIT;
    int64_t due_ns = plat_clock_add(plat_clock_now(), delay_ns);
    bool prevented;
    cconc__expiry_take(&t->e);
    if (t->fn) {
        prevented = func_stop_locked(t, &work);
        func_start_locked(t, due_ns, &work);
    } else {
        prevented = cconc__expiry_start_locked(&t->e, due_ns, &work);
    }
    cconc__expiry_leave(&t->e, &work);
    return prevented;
}

size_t cconc_timer_waiters(const cconc_timer *t)
{
    MUST_POINT(t, cconc_timer);
    return cconc__expiry_waiters((expiry *)(uintptr_t)&t->e);
}

void cconc_timer_free(cconc_timer *t)
{
    MUST_ALIGN(t, cconc_timer);
    if (t) {
        size_t waiters = t->fn ? 0 : cconc_timer_waiters(t);
        MUST(waiters == 0, "timer free with %zu waiters", waiters);
        (void)cconc_timer_stop_wait(t);
        cconc__expiry_unref(&t->e);
    }
}
