/* executor.c - the elastic set of threads that runs tasks
 * SPDX-License-Identifier: MIT
 *
 * Idea        As many threads run as there are CPUs. One that sleeps in a wait of the library does
 *             not count (blocking compensation). Tasks that block in the system are noticed because
 *             no task ends: a watch looks every millisecond, as long as something is queued behind
 *             busy threads, and lets one more thread in. The first two come at once; for more the
 *             queue has to stand still for some looks, because runners that compute for long, or
 *             that other programs keep from the CPU, look the same for some milliseconds: a few if
 *             a thread is idle, EXEC_PATIENCE to make one (0025).
 * Picture               submit, or a runner blocks             its first look at the queue
 *             (none) --------- start -----------> STARTING ---------------------> RUNNING
 *                                                    ^                             |   |
 *              idle for 10 s: ends <--- IDLE --------+ wake                        |   +-> ASLEEP
 *                                         ^                                        |          |
 *                                         +---- nothing queued, or more than CPUs -+ <--------+
 *             The life of one thread is in executor_thread.c.
 *             What is queued, and how threads get it, is in executor_queue.c.
 * Invariants  I1 threads = starting + running + idle + asleep.
 *             I2 While something is queued, somebody is starting, or the watch is armed.
 *             I3 At most one thread is starting: nobody is woken while somebody is waking who can
 *                take the work.
 *             I4 What was queued for the very first thread is taken back in the step in which it is
 *                known that there is none. Nobody else queues anything before.
 * Locks       mu, rank EXECUTOR: all state here. Tasks run, threads start and wake, with no lock
 *             held.
 * Ordering    None but mu's, and [park.1] for the wake of an idle thread.
 * Lifetime    A thread that ends leaves its record to the next one that ends, or to stop(), to
 *             join.
 * Rejected    A thread a task: 90 us each. A fixed pool: tasks that wait for each other
 *             deadlock. */
#include "core/executor.h"

#include "core/clock.h"
#include "core/executor_thread.h"
#include "core/quiet.h"
#include "core/spin.h"
#include "core/timer.h"
#include "plat/alloc.h"
#include "plat/atomic.h"
#include "plat/clock.h"
#include "plat/cpu.h"
#include "plat/fork.h"

#include <errno.h>
#include <string.h>

#define EXEC_WATCH_NS INT64_C(1000000)
#define EXEC_READY 2          /* threads beyond the CPUs that a stuck queue gets at once */
#define EXEC_PATIENCE 100     /* looks at one that stands still until it gets more, one a look */
#define EXEC_PATIENCE_IDLE 10 /* the same, if there is an idle one to be had */
#define EXEC_IDLE_NS (10 * PLAT_SECOND)

static void exec_watch(timer *due);

exec_state cconc__executor = {
    .mu = LOCK_INIT(RANK_EXECUTOR),
    .idle = {&cconc__executor.idle, &cconc__executor.idle},
    .takers = {&cconc__executor.takers, &cconc__executor.takers},
    .idle_ns = EXEC_IDLE_NS,
};

static const timer_ops watch_ops = {.fire = exec_watch};
static timer watch;      /* (m) */
static bool watch_room;  /* (m) the timer service has room for it */
static bool watch_armed; /* (m) */
static uint64_t watched; /* (m) tasks that had ended when the watch looked last */
static uint32_t stuck;   /* (m) looks in a row at which nothing had ended */

bool cconc__executor_watch_locked(void)
{
    cconc__lock_assert_held(&ex->mu);
    if (watch_armed) {
        return false;
    }
    watch_armed = true;
    return cconc__timer_arm_pulse(&watch, plat_clock_add(plat_clock_real(), EXEC_WATCH_NS));
}

/* Has a task ended since the last look? Then nobody is stuck. */
static bool exec_has_moved_locked(void)
{
    uint64_t ended = cconc__executor_ended_locked();
    bool has_moved = ended != watched;
    cconc__lock_assert_held(&ex->mu);
    watched = ended;
    stuck = has_moved ? 0 : stuck;
    return has_moved;
}

exec_move cconc__executor_look_locked(bool is_stuck)
{
    exec_move move = {NULL, false, false};
    bool is_enough = ex->running >= cconc__spin_cpus() && !is_stuck;
    cconc__lock_assert_held(&ex->mu);
    if (ex->starting > 0 || (is_enough && watch_armed) || !cconc__executor_has_task_locked()) {
        return move;
    }
    if (!is_enough) {
        ex->starting++;
        if (list_is_empty(&ex->idle)) {
            ex->threads++;
            ex->making++;
            ex->peak = ex->threads > ex->peak ? ex->threads : ex->peak;
            move.start = true;
        } else {
            move.wake = LIST_OF(ex->idle.next, exec_thread, link);
            cconc__executor_thread_unidle_locked(move.wake);
        }
    } else {
        (void)exec_has_moved_locked(); /* who was stuck when something was queued before still is */
        move.kick = cconc__executor_watch_locked();
    }
    return move;
}

/* Nothing has ended since the last look, on the watch's own thread: is it time for one more thread?
 * A runner that waits for mu is none that blocks in its task. One that is merely kept from the CPU
 * by other programs looks like one for a while. */
static bool exec_is_stuck_locked(void)
{
    uint32_t patience = list_is_empty(&ex->idle) ? EXEC_PATIENCE : EXEC_PATIENCE_IDLE;
    bool all_inside;
    cconc__lock_assert_held(&ex->mu);
    all_inside = atom_load_rlx(&ex->inside) >= ex->running; /* rlx: a hint, looked at again */
    stuck = !exec_has_moved_locked() && all_inside ? stuck + 1 : 0;
    return stuck >= (ex->running < cconc__spin_cpus() + EXEC_READY ? 1 : patience);
}

/* Every millisecond while something is queued, on the timer service's thread. */
static void exec_watch(timer *due)
{
    exec_move move = {NULL, false, false};
    bool has_task;
    (void)due;
    lock_take(&ex->mu);
    has_task = cconc__executor_has_task_locked();
    if (has_task) {
        move = cconc__executor_look_locked(exec_is_stuck_locked());
    }
    watch_armed = false;
    if (has_task) {
        (void)cconc__executor_watch_locked(); /* no kick: this is the service's own thread */
    }
    lock_leave(&ex->mu);
    (void)cconc__executor_perform(move);
}

static bool exec_is_busy_locked(void)
{
    cconc__lock_assert_held(&ex->mu);
    return cconc__executor_has_task_locked() || ex->threads > ex->idle_count;
}

bool cconc__executor_perform(exec_move move)
{
    if (move.wake) {
        (void)cconc__parker_unpark(&move.wake->me->parker);
    }
    if (move.kick) {
        cconc__timer_kick();
    }
    return !move.start || cconc__executor_thread_start();
}

/* Make room for the watch, and the spare, once. Returns 0, ENOMEM or ENOTRECOVERABLE. */
static int exec_prepare(void)
{
    exec_thread *first_spare = cconc__alloc(sizeof(*first_spare));
    timer with_room = {.ops = &watch_ops};
    bool extra;
    int err = first_spare ? cconc__timer_reserve(&with_room) : ENOMEM;
    if (err) {
        cconc__alloc_free(first_spare);
        return err;
    }
    cconc__executor_thread_put_spare(first_spare);
    lock_take(&ex->mu);
    extra = watch_room;
    if (!extra) {
        watch = with_room;
        watch_room = true;
    }
    lock_leave(&ex->mu);
    if (extra) {
        (void)cconc__timer_release(&with_room);
    }
    return 0;
}

/* Take mu to queue something: a thread exists, or the caller is the one that will make it. Returns
 * 0, or why nothing can be queued, and mu is free. */
static int exec_enter(void)
{
    uint32_t turn = 0;
    if (!plat_fork_is_ours()) {
        return ENOTRECOVERABLE;
    }
    lock_take(&ex->mu);
    while (!watch_room || (ex->making > 0 && ex->threads == ex->making)) {
        bool prepared = watch_room;
        lock_leave(&ex->mu);
        if (!prepared) {
            int err = exec_prepare();
            if (err) {
                return err;
            }
        } else { /* the very first thread is being made by another submit */
            plat_cpu_await(turn++);
        }
        lock_take(&ex->mu);
    }
    return 0;
}

/* Something has been queued: leave mu, and see that it is run. Returns 0 or ENOMEM. */
static int exec_leave(exec_pledge what)
{
    exec_move move = cconc__executor_look_locked(false);
    if (move.start && ex->threads == 1) {
        ex->pledge = what;
    }
    lock_leave(&ex->mu);
    return cconc__executor_perform(move) ? 0 : ENOMEM;
}

int cconc__executor_submit(exec_task *task)
{
    int err = exec_enter();
    if (err) {
        return err;
    }
    cconc__executor_push_locked(task);
    return exec_leave(PLEDGE_TASK);
}

int cconc__executor_spawn(const exec_job *job)
{
    int err = exec_enter();
    while (!err && !cconc__executor_push_job_locked(job)) {
        lock_leave(&ex->mu);
        err = cconc__executor_make_room();
        err = err ? err : exec_enter();
    }
    return err ? err : exec_leave(PLEDGE_JOB);
}

void cconc__executor_block_begin(self *me)
{
    exec_move move;
    (void)atom_sub_rlx(&ex->inside, 1); /* rlx: a hint for the watch */
    lock_take(&ex->mu);
    ex->running--;
    move = cconc__executor_look_locked(false);
    lock_leave(&ex->mu);
    (void)cconc__executor_perform(move);
    if (me->is_due) {
        cconc__clock_settle();
    }
}

void cconc__executor_block_end(self *me)
{
    if (me->is_due) {
        cconc__clock_owe(1);
    }
    lock_take(&ex->mu);
    ex->running++;
    lock_leave(&ex->mu);
    (void)atom_add_rlx(&ex->inside, 1); /* rlx: a hint for the watch */
}

int cconc__executor_set(const cconc_executor_opts *opts)
{
    int err = 0;
    lock_take(&ex->mu);
    if (ex->number > 0 || ex->threads > 0) {
        err = EBUSY;
    } else {
        ex->stack_size = opts->stack_size;
        ex->idle_ns = opts->idle_ns ? opts->idle_ns : EXEC_IDLE_NS;
    }
    lock_leave(&ex->mu);
    return err;
}

void cconc__executor_read(cconc_executor_stats *out_stats)
{
    *out_stats = (cconc_executor_stats){0};
    lock_take(&ex->mu);
    out_stats->threads = ex->threads;
    out_stats->idle = ex->idle_count;
    out_stats->queued = cconc__executor_queued_locked();
    out_stats->threads_peak = ex->peak;
    lock_leave(&ex->mu);
}

bool cconc__executor_is_busy(void)
{
    bool busy;
    lock_take(&ex->mu);
    busy = exec_is_busy_locked();
    lock_leave(&ex->mu);
    return busy;
}

int cconc__executor_stop(void)
{
    exec_thread *all;
    exec_segment *segments;
    timer room;
    bool had_room;
    lock_take(&ex->mu);
    if (exec_is_busy_locked()) {
        lock_leave(&ex->mu);
        return EBUSY;
    }
    all = cconc__executor_thread_dismiss_locked();
    segments = cconc__executor_empty_locked();
    had_room = watch_room;
    watch_room = false;
    if (watch_armed && cconc__timer_disarm(&watch)) {
        watch_armed = false;
    }
    room = watch;
    lock_leave(&ex->mu);
    cconc__executor_give_back(segments);
    for (exec_thread *t = all; t; t = t->dead) {
        if (t->stop) {
            (void)cconc__parker_unpark(&t->me->parker);
        }
    }
    cconc__executor_thread_join(all);
    lock_take(&ex->mu);
    all = ex->spare;
    ex->spare = NULL;
    lock_leave(&ex->mu);
    cconc__alloc_free(all);
    if (had_room) {
        (void)cconc__timer_release(&room);
    }
    cconc__quiet_tell(); /* the watch is no longer armed */
    return 0;
}

void cconc__executor_forked(void)
{
    size_t stack_size = ex->stack_size;
    int64_t idle_ns = ex->idle_ns;
    memset(ex, 0, sizeof(*ex));
    ex->mu = (lock)LOCK_INIT(RANK_EXECUTOR);
    list_init(&ex->idle);
    list_init(&ex->takers);
    ex->stack_size = stack_size;
    ex->idle_ns = idle_ns;
    watch = (timer){.place = 0};
    watch_room = false;
    watch_armed = false;
}
