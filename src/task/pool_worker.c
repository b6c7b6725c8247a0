/* pool_worker.c - the life of a worker, and how many there are
 * SPDX-License-Identifier: MIT
 *
 * Idea        A worker runs plain tasks of the ring one after the other without the lock; else it
 *             ends its last task and takes the next in one step under mu. With nothing to take it
 *             is idle, as a waiter like any other. Where there are more workers than wanted, or
 *             somebody wants a lent place back, it leaves instead. One whose task ends the thread
 *             ends what it ran in its place, and starts another.
 * Picture     grow -> (made) -> takes -> runs -> takes -> ... -> idle -> takes -> ... -> leaves
 *                                 |        |  pthread_exit                                 |
 *                                 |        +---------> torn: ends its tasks, grows --------+
 *                                 +--> more than wanted: leaves                            v
 *                                                  joined by the next one that leaves, or shutdown
 * Invariants  I1 active <= target, unless target was lowered: then until the tasks that run end.
 *             I2 Every thread that was made is joined once.
 *             I3 on_start and on_stop are called in pairs, by the thread itself.
 *             I4 Whenever mu is free, active >= target or nobody wants a lent place back: each
 *                section that changes one of them serves.
 * Locks       The pool's mu. Tasks and hooks run, threads start and are joined, with no lock held.
 * Ordering    [pool.2], mu's, and [claim.1] for the call of an idle worker.
 * Lifetime    Records of workers stay until the pool's memory goes: a rendezvous may have put a
 *             task into one whose thread then left. Runs lie in the record, not on the stack: a
 *             task that ends its thread takes the stack with it.
 * Rejected    A thread that ends is joined by a service of its own: one more thread to join. */
#include "task/pool.h"

#include "core/must.h"
#include "core/spin.h"
#include "plat/alloc.h"
#include "plat/text.h"

#include <errno.h>
#include <string.h>

/* The code of the innermost run is known: tell whoever asked for it. Called twice if the first time
 * ends the thread, and then does nothing. */
static void worker_report(pool_worker *w, int code)
{
    cconc_pool *p = w->pool;
    pool_run *run = &w->runs[w->depth - 1];
    pool_task *task = run->task;
    cconc_task_fn fn = run->fn;
    if (task && task->ended) {
        run->task = NULL;
        run->fn = NULL;
        task->ended((cconc_pool_task *)(void *)task, code, false);
    } else if (!task && fn && code != 0 && p->opts.on_error) {
        run->fn = NULL;
        p->opts.on_error(p->opts.user, fn, run->arg, code);
    }
}

/* The innermost run is over. */
static void worker_count(pool_worker *w, int code)
{
    w->depth--;
    if (code) {
        pool_count_one(&w->failed);
    }
    /* rlx: only w writes it. [pool.2] rel: the end of the task */
    atom_store_rel(&w->ended, atom_load_rlx(&w->ended) + 1);
}

/* Run and count the plain task that w has taken, and those that it can take without a lock after
 * it, until one fails, in one frame: to let a thread be cancelled, and no longer, costs as much as
 * to take a task. */
static void worker_execute_loose(pool_worker *w)
{
    cconc_pool *p = w->pool;
    pool_run *run = &w->runs[0];
    int code;
    cconc__self_enter(&run->frame, p);
    do {
        code = run->fn(p->ctx, run->arg);
        cconc__self_again();
        if (code == 0) {
            worker_count(w, 0);
        }
    } while (code == 0 && cconc__pool_take_loose(w));
    cconc__self_exit();
    if (code) {
        worker_report(w, code);
        worker_count(w, code);
    }
}

/* Run the innermost task. */
static int worker_execute(pool_worker *w)
{
    pool_run *run = &w->runs[w->depth - 1];
    bool is_future = run->task && run->task->kind == TASK_FUTURE;
    cconc_ctx *ctx = is_future ? cconc__pool_future_ctx(run->task) : w->pool->ctx;
    int code;
    cconc__self_enter(&run->frame, w->pool);
    code = run->fn(ctx, run->arg);
    cconc__self_exit();
    worker_report(w, code);
    return code;
}

/* Returns the task if it was a future's, which wants to hear of it after the lock. */
static pool_task *worker_end_locked(pool_worker *w, int code, wake_batch *batch)
{
    cconc_pool *p = w->pool;
    pool_task *task = w->runs[w->depth - 1].task;
    pool_task *future = NULL;
    cconc__lock_assert_held(&p->mu);
    worker_count(w, code);
    if (task) {
        future = task->kind == TASK_FUTURE ? task : NULL;
        cconc__pool_finish_locked(p, task, code, batch);
    }
    return future;
}

static void worker_end(pool_worker *w, int code)
{
    wake_batch batch = WAKE_BATCH_INIT;
    pool_task *task = w->runs[w->depth - 1].task;
    pool_task *future;
    if (w->depth > 1 && task && cconc__pool_finish_kept(task, code)) {
        worker_count(w, code); /* the one below it runs: nobody waits for what has changed */
        return;
    }
    lock_take(&w->pool->mu);
    future = worker_end_locked(w, code, &batch);
    cconc__pool_serve_locked(w->pool, &batch);
    lock_leave(&w->pool->mu);
    batch_wake(&batch);
    if (future) {
        cconc__pool_future_ended(future);
    }
}

void cconc__pool_run_nested(pool_worker *w)
{
    worker_end(w, worker_execute(w));
}

/* Is it time for w to leave, having no task now? */
static bool worker_is_surplus_locked(cconc_pool *p)
{
    cconc__lock_assert_held(&p->mu);
    return p->active > p->target || p->returners.count > 0;
}

typedef enum worker_next { WORKER_RUNS, WORKER_IDLES, WORKER_LEAVES } worker_next;

/* Take a task, or find that it is time to leave, or nothing to do. A task that has met w at a
 * rendezvous is begun first: it was accepted because w was there. */
static worker_next worker_look_locked(pool_worker *w, wake_batch *batch)
{
    cconc_pool *p = w->pool;
    worker_next next = WORKER_IDLES;
    bool has_met = p->cap == 0 && w->is_called && p->listed > 0;
    cconc__lock_assert_held(&p->mu);
    cconc__pool_arrive_locked(p, w);
    if (worker_is_surplus_locked(p) && !has_met) {
        next = WORKER_LEAVES;
    } else if (cconc__pool_take_locked(p, w, false, batch)) {
        next = WORKER_RUNS;
    } else if (p->closed) {
        next = WORKER_LEAVES;
    }
    if (next == WORKER_LEAVES) {
        p->active--;
        w->has_left = true;
    }
    cconc__pool_serve_locked(p, batch);
    return next;
}

/* Look for a moment: what comes is had without a lock, and without a wake-up. Returns true for a
 * task in the ring; else *out_calls tells that something else is the matter. */
static bool worker_watch(pool_worker *w, bool *out_calls)
{
    cconc_pool *p = w->pool;
    spinner s;
    bool comes = false;
    cconc__spin_begin(&s, self_get());
    do {
        *out_calls = atom_load_rlx(&p->awaited) != 0 || /* rlx: a hint */
                     ring_has_flag(&p->ring, RING_OUT, RING_DIRECT) ||
                     ring_has_flag(&p->ring, RING_IN, RING_DIRECT);
        comes = !*out_calls && cconc__ring_is_ready(&p->ring, RING_OUT);
    } while (!comes && !*out_calls && cconc__spin_again(&s));
    cconc__spin_end(&s, comes || *out_calls);
    return comes;
}

/* Wait until called or roused; with a last look once it can be called. */
static void worker_idle(pool_worker *w, bool may_spin)
{
    cconc_pool *p = w->pool;
    waiter wait;
    wait_node node;
    bool parks;
    cconc__waiter_arm(&wait, NULL);
    wait_node_init(&node, &wait, w, 0);
    lock_take(&p->mu);
    waitq_push_front(&p->idle, &node);
    cconc__pool_mark_locked(p);
    parks = !cconc__pool_has_task_locked(p) && !p->closed && !worker_is_surplus_locked(p);
    if (!parks) {
        waitq_remove(&p->idle, &node);
        cconc__pool_mark_locked(p);
    }
    lock_leave(&p->mu);
    if (parks) {
        cconc__waiter_park(&wait, may_spin);
    }
    waiter_disarm(&wait);
}

/* End the task that runs, if one does, and look at the pool under its lock. */
static worker_next worker_come(pool_worker *w, int code)
{
    cconc_pool *p = w->pool;
    wake_batch batch = WAKE_BATCH_INIT;
    pool_task *future = NULL;
    worker_next next;
    lock_take(&p->mu);
    if (w->depth > 0) {
        future = worker_end_locked(w, code, &batch);
    }
    cconc__pool_recall_locked(p, w);
    next = worker_look_locked(w, &batch);
    lock_leave(&p->mu);
    batch_wake(&batch);
    if (future) {
        cconc__pool_future_ended(future);
    }
    return next;
}

/* End the task that runs, if one does, and wait for the next. Returns false to leave. */
static bool worker_continue(pool_worker *w, int code)
{
    worker_next next;
    bool calls = w->is_called;
    do {
        if (w->depth == 0 &&
            (cconc__pool_take_loose(w) ||
             (!calls && worker_watch(w, &calls) && cconc__pool_take_loose(w)))) {
            return true;
        }
        next = worker_come(w, code);
        if (next == WORKER_IDLES) {
            worker_idle(w, calls);
            calls = w->is_called;
        }
    } while (next == WORKER_IDLES);
    return next == WORKER_RUNS;
}

void cconc__pool_join_threads(cconc_pool *p, pool_worker *left)
{
    while (left) {
        pool_worker *next = left->next;
        cconc__thread_join(&left->thread);
        lock_take(&p->mu);
        left->next = p->spare;
        p->spare = left;
        lock_leave(&p->mu);
        left = next;
    }
}

/* The last of a worker: join who left before, and wait to be joined. */
static void worker_leave(pool_worker *w)
{
    cconc_pool *p = w->pool;
    wake_batch batch = WAKE_BATCH_INIT;
    pool_worker *before;
    lock_take(&p->mu);
    before = p->dead;
    p->dead = NULL;
    lock_leave(&p->mu);
    cconc__pool_join_threads(p, before);
    lock_take(&p->mu);
    w->next = p->dead;
    p->dead = w;
    p->alive--;
    cconc__pool_serve_locked(p, &batch);
    lock_leave(&p->mu);
    batch_wake(&batch);
}

static void worker_stop_hook(pool_worker *w)
{
    bool due = w->is_hooked;
    w->is_hooked = false;
    if (due && w->pool->opts.on_stop) {
        w->pool->opts.on_stop(w->pool->opts.user);
    }
}

static void worker_run(void *arg)
{
    pool_worker *w = arg;
    self *me = self_get();
    int code = 0;
    me->helper = &w->help;
    w->is_hooked = true;
    w->has_left = false;
    if (w->pool->opts.on_start) {
        w->pool->opts.on_start(w->pool->opts.user);
    }
    while (worker_continue(w, code)) {
        if (w->runs[0].task) {
            code = worker_execute(w);
        } else {
            worker_execute_loose(w);
        }
    }
    worker_stop_hook(w);
    me->helper = NULL;
    worker_leave(w);
}

void cconc__pool_tear(pool_worker *w, uint32_t depth)
{
    while (w->depth > depth) {
        worker_report(w, ECANCELED);
        worker_end(w, ECANCELED);
    }
}

/* A task or a hook has ended the thread, and with it all that ran on it. */
static bool worker_torn(void *arg)
{
    pool_worker *w = arg;
    cconc_pool *p = w->pool;
    self *me = self_get();
    wake_batch batch = WAKE_BATCH_INIT;
    me->task = NULL;
    me->helper = NULL;
    cconc__pool_tear(w, 0);
    worker_stop_hook(w); /* if that ends the thread this comes again, without it */
    if (!w->has_left) {
        w->has_left = true;
        lock_take(&p->mu);
        p->active--;
        cconc__pool_serve_locked(p, &batch);
        lock_leave(&p->mu);
        batch_wake(&batch);
        (void)cconc__pool_grow(p); /* if not now, then at the next submit */
    }
    worker_leave(w);
    return false;
}

/* A record for a thread, or NULL. */
static pool_worker *worker_get_record(cconc_pool *p)
{
    pool_worker *w;
    lock_take(&p->mu);
    w = p->spare;
    if (w) {
        p->spare = w->next;
    }
    lock_leave(&p->mu);
    if (w) {
        return w;
    }
    w = cconc__alloc(sizeof(*w));
    if (!w) {
        return NULL;
    }
    w->pool = p;
    w->thread.run = worker_run;
    w->thread.torn = worker_torn;
    w->thread.arg = w;
    list_init(&w->own);
    cconc__pool_task_init(&w->handed, TASK_LOOSE);
    cconc__pool_hand_init(w);
    cconc__pool_help_init(w);
    lock_take(&p->mu);
    w->made = p->all;
    p->all = w;
    lock_leave(&p->mu);
    return w;
}

/* Start the thread for a place that is counted already. Returns false if none is to be had. */
static bool worker_start(cconc_pool *p)
{
    pool_worker *w = worker_get_record(p);
    uint32_t number;
    if (!w) {
        return false;
    }
    lock_take(&p->mu);
    number = p->number++;
    lock_leave(&p->mu);
    w->thread.is_over = false;
    cconc__text_print(w->thread.name, sizeof(w->thread.name), "%.10s/%u", p->name,
                   (unsigned)(number % 10000));
    if (cconc__thread_start(&w->thread, p->opts.stack_size) == 0) {
        return true;
    }
    lock_take(&p->mu);
    w->next = p->spare;
    p->spare = w;
    lock_leave(&p->mu);
    return false;
}

uint32_t cconc__pool_reserve_locked(cconc_pool *p, uint32_t most)
{
    uint32_t count = 0;
    cconc__lock_assert_held(&p->mu);
    CHECK(p->active >= p->target || p->returners.count == 0); /* I4 */
    if (p->active < p->target && (!p->closed || cconc__pool_has_task_locked(p))) {
        count = p->target - p->active;
        count = count < most ? count : most;
        p->active += count;
        p->alive += count;
        cconc__pool_mark_locked(p);
    }
    return count;
}

int cconc__pool_start(cconc_pool *p, uint32_t count)
{
    wake_batch batch = WAKE_BATCH_INIT;
    while (count > 0 && worker_start(p)) {
        count--;
    }
    if (count == 0) {
        return 0;
    }
    lock_take(&p->mu);
    p->active -= count;
    p->alive -= count;
    cconc__pool_serve_locked(p, &batch);
    lock_leave(&p->mu);
    batch_wake(&batch);
    return ENOMEM;
}

/* One at a time: a pool that ends wants no more once nothing is queued. */
int cconc__pool_grow(cconc_pool *p)
{
    uint32_t count;
    int err;
    do {
        lock_take(&p->mu);
        count = cconc__pool_reserve_locked(p, 1);
        lock_leave(&p->mu);
        err = cconc__pool_start(p, count);
    } while (count > 0 && !err);
    return err;
}
