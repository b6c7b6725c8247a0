/* timer_func.c - timers that run a function
 * SPDX-License-Identifier: MIT
 *
 * Idea        Whether a function timer is armed is known to the timer service alone: start and stop
 *             are one step there, with no lock of the timer's own. In the step in which the service
 *             takes it to fire it, it counts as running. The task goes to the executor. A timer
 *             that fires again while its task is still queued owes one more run, which the first to
 *             start passes on at once: one task in the timer serves any number of overlapping runs.
 * Picture     start --> armed --due--> owed --a thread begins--> running --> ended
 *                         | stop, reset: true                (stop, reset: false)
 * Invariants  I1 An arming is either taken back, and nothing runs, or taken, and one function runs.
 *             I2 running = armings that were taken and have not ended; each has a reference.
 *             I3 While owed > 0 the task is about to be queued, queued, or taken and not begun.
 * Locks       The timer service's, rank TIMER: new holds it from the room to the arming, and
 *             func_taken() is called under it.
 * Ordering    func.1  func_fire(): add rel -> func_begin(): sub acq    what came before the start
 *                     of each run that is owed, and that the virtual clock waits for it: a firing
 *                     that finds the task queued goes through no lock to the thread that passes it
 *                     on
 *             All else by the timer service's lock, by the executor's, and by [wg.1], the end of a
 *             run before whoever waited for it.
 * Lifetime    A run keeps the timer, so that the function may free it.
 * Rejected    A task a firing: it would allocate when it fires. Running the function on the
 *             service's thread: all others would wait for it. A lock: it was half of the time that
 *             start and stop took (0024). */
#include "prim/timer.h"

#include <cconc/waitgroup.h>

#include "core/clock.h"
#include "core/executor.h"
#include "core/expiry.h"
#include "core/must.h"
#include "core/quiet.h"
#include "core/ref.h"
#include "core/self.h"
#include "core/timer.h"
#include "plat/alloc.h"
#include "plat/atomic.h"
#include "plat/clock.h"
#include "plat/fork.h"

#include <errno.h>

/* Key  (i) immutable after new  (a) atomic  (m) under the lock of the timer service, or of the
 * executor for task */
typedef struct func_timer {
    expiry_head     head;    /* (i) tells it from a waited timer */
    ref             refs;    /* (a) the user's, and one a run */
    timer           due;     /* (m) */
    cconc_waitgroup running; /* (a) */
    uint32_t        process; /* (i) the number of the process that made it */
    atom_u32        owed;    /* (a) firings whose function no thread has begun */
    atom_u32        owed_by_clock; /* (a) of these, those that the virtual clock waits for */
    cconc_timer_fn  fn;      /* (i) */
    void           *arg;     /* (i) */
    exec_task       task;    /* (m) */
} func_timer;

_Static_assert(offsetof(func_timer, head) == 0 && offsetof(expiry, head) == 0,
               "a timer's first member tells its kind");

static func_timer *func_of(cconc_timer *t)
{
    return (func_timer *)(void *)t;
}

static void func_unref(func_timer *f)
{
    if (ref_put(&f->refs)) {
        cconc__alloc_free(f);
    }
}

/* ---- a run ----------------------------------------------------------------------------------- */

static void func_taken(timer *due)
{
    func_timer *f = LIST_OF(due, func_timer, due);
    cconc_waitgroup_add(&f->running, 1);
    ref_get(&f->refs);
}

/* One that begins: did the virtual clock wait for it? */
static bool func_pay_clock(func_timer *f)
{
    uint32_t owed = atom_load_rlx(&f->owed_by_clock); /* rlx: [func.1] has it there */
    while (owed > 0) {
        /* rlx: a count; what it stands for is the clock's */
        if (atom_cas_weak_rlx_rlx(&f->owed_by_clock, &owed, owed - 1)) {
            return true;
        }
    }
    return false;
}

/* The next of the owed begins, on this thread; pass on the one after it. That cannot fail: this is
 * a thread of the executor, or the service's, and then nothing else is owed. */
static void func_begin(func_timer *f)
{
    uint32_t owed = atom_sub_acq(&f->owed, 1); /* [func.1] acq: each start, owed_by_clock */
    cconc__clock_begin(func_pay_clock(f));
    if (owed > 1) {
        int err = cconc__executor_submit(&f->task);
        CHECK(err == 0);
        (void)err;
    }
}

static void func_end(func_timer *f)
{
    cconc_waitgroup_done(&f->running);
    func_unref(f);
    cconc__clock_end();
}

static void func_run(exec_task *task)
{
    func_timer *f = LIST_OF(task, func_timer, task);
    self_task frame;
    func_begin(f);
    cconc__self_enter(&frame, f);
    f->fn(f->arg);
    cconc__self_exit();
    func_end(f);
}

/* The function has ended its thread. */
static void func_torn(exec_task *task)
{
    func_end(LIST_OF(task, func_timer, task));
}

/* On the timer service's thread. */
static void func_fire(timer *due)
{
    func_timer *f = LIST_OF(due, func_timer, due);
    if (cconc__clock_owe_function()) {
        (void)atom_add_rlx(&f->owed_by_clock, 1); /* rlx: as in func_pay_clock() */
    }
    /* [func.1] rel: the start, owed_by_clock. That the task is free is the executor's to order */
    if (atom_add_rel(&f->owed, 1) == 0 && cconc__executor_submit(&f->task) != 0) {
        func_run(&f->task);
    }
}

/* The function has ended the service's thread. */
static void func_fire_torn(timer *due)
{
    self_get()->task = NULL;
    func_torn(&LIST_OF(due, func_timer, due)->task);
}

static const timer_ops func_ops = {func_fire, func_fire_torn, func_taken};

/* ---- start and stop -------------------------------------------------------------------------- */

int cconc__timer_func_new(int64_t delay_ns, cconc_timer_fn fn, void *arg, cconc_timer **out_timer)
{
    int64_t due_ns = plat_clock_add(plat_clock_now(), delay_ns);
    func_timer *f = cconc__alloc(sizeof(*f));
    int err;
    if (!f) {
        return ENOMEM;
    }
    f->due.ops = &func_ops;
    ref_init(&f->refs, 1);
    cconc_waitgroup_init(&f->running);
    atom_init(&f->owed, 0);
    atom_init(&f->owed_by_clock, 0);
    f->process = cconc__fork_number();
    f->fn = fn;
    f->arg = arg;
    f->task.run = func_run;
    f->task.torn = func_torn;
    err = cconc__timer_reserve_held(&f->due);
    if (err) {
        cconc__alloc_free(f);
        return err;
    }
    *out_timer = (cconc_timer *)(void *)f; /* before fn can run: it may use it, or free it */
    if (cconc__timer_arm_held(&f->due, due_ns)) {
        cconc__timer_kick();
    }
    return 0;
}

bool cconc__timer_func_stop(cconc_timer *t)
{
    func_timer *f = func_of(t);
    bool prevented = cconc__timer_disarm(&f->due);
    if (prevented) {
        cconc__quiet_tell();
    }
    return prevented;
}

bool cconc__timer_func_reset(cconc_timer *t, int64_t due_ns)
{
    func_timer *f = func_of(t);
    bool kick;
    bool prevented = cconc__timer_rearm(&f->due, due_ns, &kick);
    if (kick) {
        cconc__timer_kick();
    }
    if (prevented) { /* due_ns may be never */
        cconc__quiet_tell();
    }
    return prevented;
}

/* In a forked child nothing of the parent's runs. */
void cconc__timer_func_wait(cconc_timer *t)
{
    func_timer *f = func_of(t);
    if (plat_fork_is_ours() && f->process == cconc__fork_number() && !self_runs(f)) {
        int err = cconc_waitgroup_wait(&f->running, NULL); /* no context: nothing else ends it */
        CHECK(err == 0);
        (void)err;
    }
}

void cconc__timer_func_free(cconc_timer *t)
{
    func_timer *f = func_of(t);
    if (cconc__timer_release(&f->due)) { /* one that runs meanwhile does not start it again */
        cconc__quiet_tell();
    }
    cconc__timer_func_wait(t);
    func_unref(f);
}
