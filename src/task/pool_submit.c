/* pool_submit.c - how a task gets into a pool
 * SPDX-License-Identifier: MIT
 *
 * Idea        A plain task from outside goes into the ring, a task's record into its worker's hand,
 *             without the lock if that may be; else try under it. If the queue is full do what the
 *             policy says. A worker of the pool never waits for room: it runs queued tasks until
 *             there is some, or, at a rendezvous, the very task it submits.
 * Picture     try -> 0
 *              +-> full -> BLOCK        outside: a doze or a look, then in line until granted
 *                       |               a worker: run one, try again
 *                       +-> FAIL        EAGAIN
 *                       +-> DROP_OLDEST the oldest is lost, in the same step
 *                       +-> CALLER_RUNS run it here
 * Invariants  I1 On an error the task is nowhere in the pool.
 * Locks       The pool's mu; tasks run and hooks are called with no lock held.
 * Ordering    None of its own: [ring.1], [pool.4], mu's, and [claim.1] for a grant.
 * Lifetime    A plain task is a record on the submitter's stack until it is accepted, which copies
 *             it.
 * Rejected    Counting what callers run among running: wait in such a task would wait for
 *             itself. */
#include "task/pool.h"

#include "core/must.h"
#include "core/node.h"
#include "core/spin.h"
#include "plat/alloc.h"
#include "plat/clock.h"
#include "plat/cpu.h"
#include "plat/fork.h"
#include "task/submit.h"

#include <errno.h>

#define POOL_TICK 1024u      /* ns, for what small machines need not divide */
#define POOL_FULL_OLD 20000u /* ticks; that the ring was full so long ago tells nothing */

/* Get records for an unbounded queue. Returns false if there is no memory. */
static bool pool_add_chunk(cconc_pool *p)
{
    pool_chunk *chunk = cconc__alloc(sizeof(*chunk));
    if (!chunk) {
        return false;
    }
    lock_take(&p->mu);
    for (size_t i = 0; i < sizeof(chunk->tasks) / sizeof(chunk->tasks[0]); i++) {
        cconc__pool_task_init(&chunk->tasks[i], TASK_RESERVE);
        list_push_back(&p->free_tasks, &chunk->tasks[i].link);
    }
    chunk->next = p->chunks;
    p->chunks = chunk;
    lock_leave(&p->mu);
    return true;
}

/* Accept task if there is room; drops says to make some. */
static int pool_try_once(cconc_pool *p, pool_task *task, bool drops, bool *out_short)
{
    pool_worker *w = cconc__pool_worker_here(p);
    wake_batch batch = WAKE_BATCH_INIT;
    pool_lost lost;
    bool has_lost;
    int err;
    lock_take(&p->mu);
    err = cconc__pool_accept_locked(p, task, w, &batch);
    has_lost = false;
    if (err == EAGAIN && drops) {
        has_lost = cconc__pool_lose_locked(p, NULL, &lost);
        err = cconc__pool_accept_locked(p, task, w, &batch);
    }
    *out_short = p->active < p->target && !p->closed;
    lock_leave(&p->mu);
    batch_wake(&batch);
    if (has_lost) {
        cconc__pool_drop(p, &lost);
    }
    return err;
}

/* The same, with what can be had where a worker or a record is missing. */
static int pool_try(cconc_pool *p, pool_task *task, bool drops)
{
    bool is_short;
    int err = pool_try_once(p, task, drops, &is_short);
    while (err == ENOMEM) {
        bool has_workers;
        if (is_short && cconc__pool_grow(p) != 0) {
            lock_take(&p->mu);
            has_workers = p->alive > 0;
            lock_leave(&p->mu);
            if (!has_workers) {
                return ENOMEM;
            }
        }
        if (p->cap == POOL_NO_BOUND && task->kind == TASK_LOOSE && !pool_add_chunk(p)) {
            return ENOMEM;
        }
        err = pool_try_once(p, task, drops, &is_short);
    }
    if (is_short) {
        (void)cconc__pool_grow(p); /* a worker that was lost, and could not be replaced then */
    }
    return err;
}

/* A task that its submitter runs. */
typedef struct submit_run {
    cconc_pool *pool;
    pool_task *task; /* one with an ended is not to be touched once that is called */
    task_kind kind;
    self_task *outer; /* what the thread runs without it */
    int code;
    bool is_begun; /* when it comes again fn has ended the thread */
    bool is_told;  /* whoever gets the code has been, or is just being, told */
    bool has_ended;
} submit_run;

static void submit_tell(submit_run *run)
{
    cconc_pool *p = run->pool;
    pool_task *task = run->task;
    run->is_told = true;
    if (run->has_ended) {
        task->ended((cconc_pool_task *)(void *)task, run->code, false);
    } else if (run->kind == TASK_LOOSE && run->code != 0 && p->opts.on_error) {
        p->opts.on_error(p->opts.user, task->fn, task->arg, run->code);
    }
}

/* Comes again if fn, or whoever gets its code, ends the thread. */
static void submit_run_go(void *arg)
{
    submit_run *run = arg;
    cconc_pool *p = run->pool;
    pool_task *task = run->task;
    wake_batch batch = WAKE_BATCH_INIT;
    bool is_future = run->kind == TASK_FUTURE;
    if (run->is_begun) {
        self_get()->task = run->outer; /* fn may have left its own frames there */
    } else {
        run->is_begun = true;
        run->code = task->fn(is_future ? cconc__pool_future_ctx(task) : p->ctx, task->arg);
    }
    if (!run->is_told) {
        submit_tell(run);
    }
    lock_take(&p->mu);
    p->counts.caller_ran++;
    if (!run->has_ended && run->kind != TASK_LOOSE) {
        cconc__pool_finish_locked(p, task, run->code, &batch);
    }
    lock_leave(&p->mu);
    batch_wake(&batch);
    if (is_future) {
        cconc__pool_future_ended(task);
    }
}

/* Run task in the calling thread. */
static void pool_run_here(cconc_pool *p, pool_task *task)
{
    submit_run run = {.pool = p,
                      .task = task,
                      .kind = (task_kind)task->kind,
                      .outer = self_get()->task,
                      .code = ECANCELED,
                      .has_ended = task->ended != NULL};
    cconc__thread_insist(submit_run_go, &run);
}

/* A rendezvous in a worker that would block: it takes the task itself. Returns false if it is in
 * too many already. */
static bool pool_run_direct(cconc_pool *p, pool_worker *w, pool_task *task, int *out_err)
{
    if (w->depth > CCONC_POOL_MAX_DEPTH) {
        return false;
    }
    lock_take(&p->mu);
    *out_err = p->closed ? EPIPE : 0;
    if (!p->closed) {
        cconc__pool_begin_locked(p, task, w);
        p->counts.submitted++;
        p->counts.helped++;
    }
    lock_leave(&p->mu);
    if (*out_err == 0) {
        cconc__pool_run_nested(w);
    }
    return true;
}

/* Wait in the queue of submitters. Returns EAGAIN to look again: there is no worker any more. */
static int pool_queue_up(cconc_pool *p, const pool_bounds *until, pool_task *task, helper *h)
{
    waiter w;
    wait_node node;
    wake_batch batch = WAKE_BATCH_INIT;
    int err;
    cconc__waiter_arm(&w, until->ctx);
    wait_node_init(&node, &w, task, 0);
    lock_take(&p->mu);
    err = cconc__pool_accept_locked(p, task, NULL, &batch);
    if (err == EAGAIN) {
        waitq_push_back(&p->submitters, &node);
        cconc__pool_serve_locked(p, &batch); /* what was taken before that was to be seen */
    }
    lock_leave(&p->mu);
    batch_wake(&batch);
    if (err == EAGAIN) {
        err = cconc__pool_sleep(p, until, h, &p->submitters, &w, &node);
    }
    waiter_disarm(&w);
    return err;
}

/* A task with an ended that its submitter, a worker, has no room for yet. */
typedef struct submit_help {
    helper *helper;
    pool_task *task;
    self_task *outer; /* what the thread runs without what it helps with */
    bool is_begun; /* when it comes again the thread has ended */
    bool is_told;  /* as in submit_run */
} submit_help;

/* Comes again if the task that it runs, or the ended, ends the thread. */
static void submit_help_go(void *arg)
{
    submit_help *help = arg;
    if (!help->is_begun) {
        help->is_begun = true;
        (void)help->helper->run_one(help->helper);
    } else if (!help->is_told) { /* nobody is left to submit it */
        help->is_told = true;
        self_get()->task = help->outer;
        help->task->ended((cconc_pool_task *)(void *)help->task, ECANCELED, true);
    }
}

/* Run a queued task instead of waiting for room for task. */
static void submit_help_one(helper *h, pool_task *task)
{
    submit_help help = {.helper = h, .task = task, .outer = self_get()->task};
    if (task->ended) {
        cconc__thread_insist(submit_help_go, &help);
    } else {
        (void)h->run_one(h);
    }
}

/* Submit a plain task from outside without the lock. Returns 0, EAGAIN if the queue is full, EBUSY
 * if the lock must be taken to know. */
static int pool_submit_loose(cconc_pool *p, cconc_task_fn fn, void *arg)
{
    pool_loose loose = {fn, arg};
    bool wake;
    int err;
    if (p->cap == 0) {
        return EBUSY;
    }
    err = cconc__ring_try(&p->ring, RING_IN, &loose, &wake);
    if (err == 0 && wake) {
        cconc__pool_serve(p);
    }
    return err;
}

static uint32_t pool_ticks(void)
{
    return (uint32_t)((uint64_t)plat_clock_real() / POOL_TICK);
}

/* The ring is full: leave the workers the CPU for a doze, if a quarter of the tasks would keep them
 * busy for longer. What is remembered for that are hints, which submitters may overwrite for each
 * other: when and where the ring was full before, and how long dozes took, which some systems round
 * up to a tick; that is forgotten slowly, so that one that was late by chance is not held against
 * them for ever. Returns whether it has. */
static bool pool_doze(cconc_pool *p)
{
    uint32_t now = pool_ticks();
    uint32_t took = now - atom_load_rlx(&p->full); /* rlx: a hint */
    uint32_t doze_ns = atom_load_rlx(&p->doze_ns); /* rlx: a hint */
    size_t full_at = atom_load_rlx(&p->full_at);   /* rlx: a hint */
    size_t came = cconc__ring_count(&p->ring, RING_IN, &full_at);
    bool is_long = took < POOL_FULL_OLD &&
                   (uint64_t)took * POOL_TICK * (p->ring.cap / 4) > (uint64_t)came * doze_ns;
    if (is_long) {
        cconc__cpu_doze();
        took = pool_ticks() - now;
        doze_ns = (uint32_t)(((uint64_t)doze_ns * 7 + (uint64_t)took * POOL_TICK) / 8);
    } else {
        doze_ns -= doze_ns / 1024;
    }
    atom_store_rlx(&p->full, now);        /* rlx: a hint */
    atom_store_rlx(&p->doze_ns, doze_ns); /* rlx: a hint */
    atom_store_rlx(&p->full_at, full_at); /* rlx: a hint */
    return is_long;
}

/* The ring is full. Look for a moment: a worker takes a task sooner than it wakes anybody. Only a
 * quarter of the ring is worth going on for, so that submitter and workers do not write to the same
 * lines in turn; but in the end one place is, too. */
static int pool_look(cconc_pool *p, cconc_ctx *ctx, cconc_task_fn fn, void *arg)
{
    spinner s;
    bool has_room;
    if (pool_doze(p)) {
        return pool_submit_loose(p, fn, arg);
    }
    cconc__spin_begin(&s, self_get());
    do {
        has_room = cconc__ring_is_ready_ahead(&p->ring, RING_IN, p->ring.cap / 4);
    } while (!has_room && cconc__node_err(ctx) == 0 && cconc__spin_again(&s));
    cconc__spin_end(&s, has_room);
    return pool_submit_loose(p, fn, arg);
}

/* Submit task to a full queue, waiting for room. */
static int pool_block(cconc_pool *p, const pool_bounds *until, pool_task *task)
{
    pool_worker *w = cconc__pool_worker_here(p);
    int err = EAGAIN;
    if (!w) {
        return pool_queue_up(p, until, task, NULL);
    }
    if (p->cap == 0 && pool_run_direct(p, w, task, &err)) {
        return err;
    }
    while (err == EAGAIN) {
        if (w->depth > CCONC_POOL_MAX_DEPTH) {
            return pool_queue_up(p, until, task, &w->help);
        }
        submit_help_one(&w->help, task);
        err = cconc__node_err(until->ctx);
        err = err ? err : cconc__node_err(until->also);
        err = err ? err : pool_try(p, task, false);
    }
    return err;
}

int cconc__pool_submit(cconc_pool *p, const pool_bounds *until, pool_task *task, uint32_t policy)
{
    int err;
    if (!plat_fork_is_ours()) {
        return ENOTRECOVERABLE;
    }
    do {
        err = pool_try(p, task, policy == CCONC_POOL_DROP_OLDEST);
        if (err == EAGAIN && policy == CCONC_POOL_BLOCK) {
            err = pool_block(p, until, task);
        }
    } while (err == EAGAIN && policy == CCONC_POOL_BLOCK);
    if (err == EAGAIN && policy == CCONC_POOL_CALLER_RUNS) {
        pool_run_here(p, task);
        err = 0;
    }
    return err;
}

/* ---- the public forms ----------------------------------------------------------------------- */

static int pool_submit_plain(cconc_pool *p, cconc_ctx *ctx, cconc_task_fn fn, void *arg,
                             uint32_t policy)
{
    pool_bounds until = {ctx, NULL};
    pool_task task;
    int err;
    if (!fn) {
        return EINVAL;
    }
    err = cconc__node_err(ctx);
    if (err) {
        return err;
    }
    if (!helper_of(p) && plat_fork_is_ours()) {
        err = pool_submit_loose(p, fn, arg);
        if (err == EAGAIN && policy == CCONC_POOL_BLOCK) {
            err = pool_look(p, ctx, fn, arg);
        }
        if (err == 0) {
            return 0;
        }
    }
    task.fn = fn;
    task.arg = arg;
    task.ended = NULL;
    task.kind = TASK_LOOSE;
    return cconc__pool_submit(p, &until, &task, policy);
}

int cconc_pool_submit(cconc_pool *pool, cconc_ctx *ctx, cconc_task_fn fn, void *arg)
{
    MUST_POINT(pool, cconc_pool);
    MUST_ALIGN(ctx, cconc_ctx);
    return pool_submit_plain(pool, ctx, fn, arg, pool->opts.full_policy);
}

int cconc_pool_try_submit(cconc_pool *pool, cconc_task_fn fn, void *arg)
{
    MUST_POINT(pool, cconc_pool);
    return pool_submit_plain(pool, NULL, fn, arg, CCONC_POOL_FAIL);
}

/* Take task in hand, in a task of p's. Returns false if it is to be submitted to the queue. */
static bool pool_keep(cconc_pool *p, pool_task *task)
{
    pool_worker *w = cconc__pool_worker_here(p);
    return w && w->depth > 0 && plat_fork_is_ours() &&
           (cconc__pool_hand_push(w, task) ||
            (cconc__pool_hand_open(w) && cconc__pool_hand_push(w, task)));
}

static int pool_submit_record(cconc_pool *p, const pool_bounds *until, cconc_pool_task *task,
                              uint32_t policy)
{
    int err;
    if (!task || !task->fn) {
        return EINVAL;
    }
    err = cconc__node_err(until->ctx);
    if (err) {
        return err;
    }
    cconc__pool_task_init((pool_task *)(void *)task, TASK_GIVEN);
    if (pool_keep(p, (pool_task *)(void *)task)) {
        return 0;
    }
    return cconc__pool_submit(p, until, (pool_task *)(void *)task, policy);
}

int cconc__pool_submit_also(cconc_pool *p, cconc_ctx *ctx, cconc_ctx *also, cconc_pool_task *task)
{
    return pool_submit_record(p, &(pool_bounds){ctx, also}, task, p->opts.full_policy);
}

int cconc_pool_submit_task(cconc_pool *pool, cconc_ctx *ctx, cconc_pool_task *task)
{
    MUST_POINT(pool, cconc_pool);
    MUST_ALIGN(ctx, cconc_ctx);
    MUST_ALIGN(task, cconc_pool_task);
    return cconc__pool_submit_also(pool, ctx, NULL, task);
}

int cconc_pool_try_submit_task(cconc_pool *pool, cconc_pool_task *task)
{
    MUST_POINT(pool, cconc_pool);
    MUST_ALIGN(task, cconc_pool_task);
    return pool_submit_record(pool, &(pool_bounds){NULL, NULL}, task, CCONC_POOL_FAIL);
}
