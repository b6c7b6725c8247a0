/* executor.c - the elastic set of threads that runs tasks
 * SPDX-License-Identifier: MIT
 *
 * Idea        As many threads run as there are CPUs. One that sleeps in a wait of the library does
 *             not count (blocking compensation). Tasks that block in the system are noticed because
 *             no task ends: a watch looks every millisecond, as long as something is queued behind
 *             busy threads, and lets one more thread in. The first two come at once; for more the
 *             queue has to stand still for EXEC_PATIENCE looks, because runners that other programs
 *             keep from the CPU look the same for some milliseconds.
 * Picture               submit, or a runner blocks             its first look at the queue
 *             (none) --------- start -----------> STARTING ---------------------> RUNNING
 *                                                    ^                             |   |
 *              idle for 10 s: ends <--- IDLE --------+ wake                        |   +-> ASLEEP
 *                                         ^                                        |          |
 *                                         +---- nothing queued, or more than CPUs -+ <--------+
 * Invariants  I1 threads = starting + running + idle + asleep.
 *             I2 While something is queued, somebody is starting, or the watch is armed.
 *             I3 At most one thread is starting: nobody is woken while somebody is waking who can
 *                take the work.
 * Locks       mu, rank EXECUTOR: all state here. Tasks run, threads start and wake, with no lock
 *             held.
 * Ordering    None but mu's, and [park.1] for the wake of an idle thread.
 * Lifetime    A thread that ends leaves its record to the next one that ends, or to stop(), to
 *             join.
 * Rejected    A thread a task: 90 us each. A fixed pool: tasks that wait for each other
 *             deadlock. */
#include "core/executor.h"

#include "core/list.h"
#include "core/lock.h"
#include "core/must.h"
#include "core/quiet.h"
#include "core/spin.h"
#include "core/timer.h"
#include "plat/alloc.h"
#include "plat/atomic.h"
#include "plat/clock.h"
#include "plat/cpu.h"
#include "plat/thread.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define EXEC_WATCH_NS INT64_C(1000000)
#define EXEC_READY 2     /* threads beyond the CPUs that a queue that stands still gets at once */
#define EXEC_PATIENCE 100 /* looks at a queue that stands still until it gets more, one a look */
#define EXEC_IDLE_NS (10 * PLAT_SECOND)

/* Key  (i) immutable after start  (m) under mu  (o) only the thread itself */
typedef struct exec_thread {
    plat_thread         thread;  /* (i) */
    list_link           link;    /* (m) among idle, while idle */
    self               *me;      /* (m) its record, while idle */
    exec_task          *current; /* (o) */
    struct exec_thread *dead;    /* (m) the next one that waits to be joined */
    bool                is_idle; /* (m) */
    bool                stop;    /* (m) end at the next look, to be joined by stop() */
} exec_thread;

/* What a look at the queue asks for, to be done when the lock is free. */
typedef struct exec_move {
    exec_thread *wake;
    bool         start;
    bool         kick; /* the timer service */
} exec_move;

static void exec_watch(timer *due);

static lock mu = LOCK_INIT(RANK_EXECUTOR);
static exec_task *first;  /* (m) the queue */
static exec_task *last;   /* (m) */
static list_link idle = {&idle, &idle}; /* (m) most recently parked first */
static exec_thread *dead;  /* (m) ended, not joined */
static exec_thread *spare; /* (m) memory for one more, so that a torn thread can be replaced */
static struct {
    uint32_t threads;  /* (m) */
    uint32_t idle;     /* (m) */
    uint32_t running;  /* (m) neither starting, idle nor asleep in a wait */
    uint32_t starting; /* (m) woken or made, not yet running */
    uint32_t making;   /* (m) of these, in pthread_create now */
    uint32_t queued;   /* (m) */
    uint32_t peak;     /* (m) */
    uint32_t number;   /* (m) of the next thread's name */
    uint64_t ended;    /* (m) tasks that have ended */
    uint64_t watched;  /* (m) ended, when the watch looked last */
    uint32_t stuck;    /* (m) looks in a row at which nothing had ended */
} now;
static atom_u32 inside; /* (a) of the running, those inside a task's own function */
static timer watch = {0, exec_watch, NULL};
static bool watch_room;    /* (m) the timer service has room for it */
static bool watch_armed;   /* (m) */
static size_t stack_size;  /* (m) */
static int64_t idle_ns = EXEC_IDLE_NS; /* (m) */

static bool exec_perform(exec_move move);

/* Have the queue looked at in a millisecond. Returns true if the timer service wants a kick. */
static bool exec_arm_watch_locked(void)
{
    cconc__lock_assert_held(&mu);
    if (watch_armed) {
        return false;
    }
    watch_armed = true;
    return cconc__timer_arm(&watch, plat_clock_add(plat_clock_now(), EXEC_WATCH_NS));
}

static void exec_unidle_locked(exec_thread *t)
{
    cconc__lock_assert_held(&mu);
    list_remove(&t->link);
    t->is_idle = false;
    now.idle--;
}

/* Does the queue want one more thread? stuck: it has not moved for a while, count nobody. */
static exec_move exec_look_locked(bool stuck)
{
    exec_move move = {NULL, false, false};
    cconc__lock_assert_held(&mu);
    if (now.queued == 0 || now.starting > 0) {
        return move;
    }
    if (now.running < cconc__spin_cpus() || stuck) {
        now.starting++;
        if (list_is_empty(&idle)) {
            now.threads++;
            now.making++;
            now.peak = now.threads > now.peak ? now.threads : now.peak;
            move.start = true;
        } else {
            move.wake = LIST_OF(idle.next, exec_thread, link);
            exec_unidle_locked(move.wake);
        }
    } else if (!watch_armed) {
        now.watched = now.ended;
        now.stuck = 0;
        move.kick = exec_arm_watch_locked();
    }
    return move;
}

/* Nothing has ended since the last look, on the watch's own thread: is it time for one more thread?
 * A runner that waits for mu is none that blocks in its task. One that is merely kept from the CPU
 * by other programs looks like one for a while. */
static bool exec_is_stuck_locked(void)
{
    uint32_t cpus = cconc__spin_cpus();
    bool all_inside = atom_load_rlx(&inside) >= now.running; /* rlx: a hint, looked at again */
    cconc__lock_assert_held(&mu);
    now.stuck = all_inside && now.ended == now.watched ? now.stuck + 1 : 0;
    now.watched = now.ended;
    return now.stuck >= (now.running < cpus + EXEC_READY ? 1 : EXEC_PATIENCE);
}

/* Every millisecond while something is queued, on the timer service's thread. */
static void exec_watch(timer *due)
{
    exec_move move = {NULL, false, false};
    (void)due;
    lock_take(&mu);
    if (now.queued > 0) {
        move = exec_look_locked(exec_is_stuck_locked());
    }
    watch_armed = false;
    if (now.queued > 0) {
        (void)exec_arm_watch_locked(); /* no kick: this is the service's own thread */
    }
    lock_leave(&mu);
    (void)exec_perform(move);
}

/* Take a task; only if it is wanted or there are no more runners than CPUs. */
static exec_task *exec_take_locked(bool wanted)
{
    exec_task *task = first;
    cconc__lock_assert_held(&mu);
    if (!task || (!wanted && now.running > cconc__spin_cpus())) {
        return NULL;
    }
    first = task->next;
    if (!first) {
        last = NULL;
    }
    now.queued--;
    return task;
}

static bool exec_is_busy_locked(void)
{
    cconc__lock_assert_held(&mu);
    return now.queued > 0 || now.threads > now.idle;
}

/* Keep the memory for the next thread, or give it back; NULL is none. */
static void exec_put_spare(exec_thread *t)
{
    exec_thread *extra = t;
    lock_take(&mu);
    if (!spare) {
        spare = t;
        extra = NULL;
    }
    lock_leave(&mu);
    cconc__alloc_free(extra);
}

/* Memory for a thread, zeroed: the spare one if no other is to be had. */
static exec_thread *exec_get_record(void)
{
    exec_thread *t = cconc__alloc(sizeof(*t));
    if (!t) {
        lock_take(&mu);
        t = spare;
        spare = NULL;
        lock_leave(&mu);
        if (t) {
            memset(t, 0, sizeof(*t));
        }
    }
    return t;
}

/* Join threads that have ended or were told to, chained by dead. */
static void exec_join_all(exec_thread *ended)
{
    while (ended) {
        exec_thread *next = ended->dead;
        cconc__thread_join(&ended->thread);
        exec_put_spare(ended);
        ended = next;
    }
}

/* Join who ended before, and wait to be joined. */
static void exec_bury(exec_thread *t)
{
    exec_thread *before;
    lock_take(&mu);
    now.threads--;
    before = dead;
    dead = t;
    t->dead = NULL;
    lock_leave(&mu);
    exec_join_all(before);
    cconc__quiet_tell();
}

/* Wait for work, looking for a moment before sleeping. Returns false if none came until until_ns. */
static bool exec_await_work(self *me, int64_t until_ns)
{
    spinner s;
    bool woken;
    cconc__spin_begin(&s, me);
    do {
        woken = parker_poll(&me->parker);
    } while (!woken && cconc__spin_again(&s));
    cconc__spin_end(&s, woken);
    return woken || cconc__parker_park(&me->parker, until_ns);
}

/* Park until woken with work. Returns false if the thread shall end. */
static bool exec_go_idle(exec_thread *t)
{
    int64_t until;
    exec_move move;
    bool woken;
    lock_take(&mu);
    now.running--;
    t->me = self_get();
    t->is_idle = true;
    list_push_front(&idle, &t->link);
    now.idle++;
    until = plat_clock_add(plat_clock_now(), idle_ns);
    move = exec_look_locked(false);
    lock_leave(&mu);
    (void)exec_perform(move);
    cconc__quiet_tell();
    woken = exec_await_work(t->me, until);
    lock_take(&mu);
    if (!woken && t->is_idle) {
        exec_unidle_locked(t);
        lock_leave(&mu);
        return false;
    }
    lock_leave(&mu);
    if (!woken) { /* chosen in the same moment: the wake is on its way */
        while (!cconc__parker_park(&t->me->parker, PLAT_NEVER)) {
        }
    }
    return true;
}

/* Run tasks until there are none for us. */
static void exec_run_tasks(exec_thread *t)
{
    exec_task *task;
    lock_take(&mu);
    now.starting--;
    now.running++;
    task = exec_take_locked(true); /* we were called for: the others may all be stuck */
    while (task) {
        exec_move move = exec_look_locked(false);
        lock_leave(&mu);
        (void)exec_perform(move);
        t->current = task;
        (void)atom_add_rlx(&inside, 1); /* rlx: a hint for the watch */
        task->run(task);
        (void)atom_sub_rlx(&inside, 1); /* rlx: as above */
        t->current = NULL;
        lock_take(&mu); /* looked at anew: the queue, the counts */
        now.ended++;
        task = exec_take_locked(false);
    }
    lock_leave(&mu);
}

static bool exec_shall_stop(exec_thread *t)
{
    bool stop;
    lock_take(&mu);
    stop = t->stop;
    lock_leave(&mu);
    return stop;
}

static void exec_run(void *arg)
{
    exec_thread *t = arg;
    self *me = self_get();
    me->executor = t;
    do {
        exec_run_tasks(t);
        if (!exec_go_idle(t)) {
            exec_bury(t);
            break;
        }
    } while (!exec_shall_stop(t));
    me->executor = NULL;
}

/* A task has ended its thread: finish for both of them. */
static bool exec_torn(void *arg)
{
    exec_thread *t = arg;
    exec_task *task = t->current;
    exec_move move;
    self *me = self_get();
    me->executor = NULL;
    me->task = NULL;
    if (task) {
        (void)atom_sub_rlx(&inside, 1); /* rlx: a hint for the watch */
        task->torn(task);
    }
    lock_take(&mu);
    now.running--;
    now.ended++;
    lock_leave(&mu);
    exec_bury(t); /* first: it makes memory for the replacement free */
    lock_take(&mu);
    move = exec_look_locked(false);
    lock_leave(&mu);
    (void)exec_perform(move);
    return false;
}

/* Start a thread that is counted already. Where that fails the watch tries again as long as
 * something is queued. Returns false if it failed and there is no other thread either. */
static bool exec_start(void)
{
    exec_thread *t = exec_get_record();
    size_t stack;
    bool started;
    bool alone;
    bool kick = false;
    lock_take(&mu);
    stack = stack_size;
    if (t) {
        (void)snprintf(t->thread.name, sizeof(t->thread.name), "cconc-exec/%u",
                       (unsigned)(now.number++ % 10000));
    }
    lock_leave(&mu);
    if (t) {
        t->thread.run = exec_run;
        t->thread.torn = exec_torn;
        t->thread.arg = t;
    }
    started = t && cconc__thread_start(&t->thread, stack) == 0;
    lock_take(&mu);
    now.making--;
    if (!started) {
        now.starting--;
        now.threads--;
    }
    alone = !started && now.threads == 0;
    if (!started && now.queued > 0) {
        kick = exec_arm_watch_locked();
    }
    lock_leave(&mu);
    if (kick) {
        cconc__timer_kick();
    }
    if (!started) {
        exec_put_spare(t);
        cconc__quiet_tell();
    }
    return !alone;
}

static bool exec_perform(exec_move move)
{
    if (move.wake) {
        (void)cconc__parker_unpark(&move.wake->me->parker);
    }
    if (move.kick) {
        cconc__timer_kick();
    }
    return !move.start || exec_start();
}

/* Make room for the watch, and the spare, once. Returns 0 or ENOMEM. */
static int exec_prepare(void)
{
    exec_thread *first_spare = cconc__alloc(sizeof(*first_spare));
    bool extra;
    int err = first_spare ? cconc__timer_reserve() : ENOMEM;
    if (err) {
        cconc__alloc_free(first_spare);
        return err;
    }
    exec_put_spare(first_spare);
    lock_take(&mu);
    extra = watch_room;
    watch_room = true;
    lock_leave(&mu);
    if (extra) {
        cconc__timer_unreserve();
    }
    return 0;
}

/* Take task back if there still is no thread for it. Returns false if one has it, or will. */
static bool exec_retract(exec_task *task)
{
    exec_task **at = &first;
    exec_task *before = NULL;
    bool found = false;
    lock_take(&mu);
    while (now.threads == 0 && *at && *at != task) {
        before = *at;
        at = &before->next;
    }
    if (now.threads == 0 && *at) {
        *at = task->next;
        if (last == task) {
            last = before;
        }
        now.queued--;
        found = true;
    }
    lock_leave(&mu);
    if (found) {
        cconc__quiet_tell();
    }
    return found;
}

/* May a task be queued now? Only if a thread exists, or the caller is the one that will make it. */
static bool exec_may_queue_locked(void)
{
    cconc__lock_assert_held(&mu);
    return watch_room && (now.making == 0 || now.threads > now.making);
}

int cconc__executor_submit(exec_task *task)
{
    exec_move move;
    task->next = NULL;
    lock_take(&mu);
    while (!exec_may_queue_locked()) {
        bool prepared = watch_room;
        lock_leave(&mu);
        if (!prepared && exec_prepare() != 0) {
            return ENOMEM;
        }
        if (prepared) { /* the very first thread is being made by another submit */
            plat_cpu_yield();
        }
        lock_take(&mu);
    }
    if (last) {
        last->next = task;
    } else {
        first = task;
    }
    last = task;
    now.queued++;
    move = exec_look_locked(false);
    lock_leave(&mu);
    if (!exec_perform(move) && exec_retract(task)) {
        return ENOMEM;
    }
    return 0;
}

bool cconc__executor_block_begin_slow(self *me)
{
    exec_move move;
    (void)me;
    (void)atom_sub_rlx(&inside, 1); /* rlx: a hint for the watch */
    lock_take(&mu);
    now.running--;
    move = exec_look_locked(false);
    lock_leave(&mu);
    (void)exec_perform(move);
    return true;
}

void cconc__executor_block_end(self *me)
{
    (void)me;
    lock_take(&mu);
    now.running++;
    lock_leave(&mu);
    (void)atom_add_rlx(&inside, 1); /* rlx: a hint for the watch */
}

int cconc__executor_set(const cconc_executor_opts *opts)
{
    int err = 0;
    lock_take(&mu);
    if (now.number > 0 || now.threads > 0) {
        err = EBUSY;
    } else {
        stack_size = opts->stack_size;
        idle_ns = opts->idle_ns ? opts->idle_ns : EXEC_IDLE_NS;
    }
    lock_leave(&mu);
    return err;
}

void cconc__executor_read(cconc_executor_stats *out_stats)
{
    *out_stats = (cconc_executor_stats){0};
    lock_take(&mu);
    out_stats->threads = now.threads;
    out_stats->idle = now.idle;
    out_stats->queued = now.queued;
    out_stats->threads_peak = now.peak;
    lock_leave(&mu);
}

bool cconc__executor_is_busy(void)
{
    bool busy;
    lock_take(&mu);
    busy = exec_is_busy_locked();
    lock_leave(&mu);
    return busy;
}

/* All idle threads, chained by dead, told to stop; they count no longer. */
static exec_thread *exec_dismiss_locked(void)
{
    exec_thread *all = dead;
    cconc__lock_assert_held(&mu);
    dead = NULL;
    while (!list_is_empty(&idle)) {
        exec_thread *t = LIST_OF(idle.next, exec_thread, link);
        exec_unidle_locked(t);
        t->stop = true;
        t->dead = all;
        all = t;
        now.threads--;
    }
    now.number = 0;
    now.peak = 0;
    return all;
}

int cconc__executor_stop(void)
{
    exec_thread *all;
    bool had_room;
    lock_take(&mu);
    if (exec_is_busy_locked()) {
        lock_leave(&mu);
        return EBUSY;
    }
    all = exec_dismiss_locked();
    had_room = watch_room;
    watch_room = false;
    if (watch_armed && cconc__timer_disarm(&watch)) {
        watch_armed = false;
    }
    lock_leave(&mu);
    for (exec_thread *t = all; t; t = t->dead) {
        if (t->stop) {
            (void)cconc__parker_unpark(&t->me->parker);
        }
    }
    exec_join_all(all);
    lock_take(&mu);
    all = spare;
    spare = NULL;
    lock_leave(&mu);
    cconc__alloc_free(all);
    if (had_room) {
        cconc__timer_unreserve();
    }
    return 0;
}
