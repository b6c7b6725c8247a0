/* pool_for.c - a loop cut into chunks, on the workers and in the caller
 * SPDX-License-Identifier: MIT
 *
 * Idea        Runners, tasks of the pool and the caller, take chunks from one counter until none
 *             are left. The caller takes back the runners that nobody has begun, and waits for the
 *             others. So it never waits for the queue, and alone it gets everything done.
 * Invariants  I1 Each chunk is taken once; after a failure none is.
 *             I2 live is the caller and the runners submitted that have not ended; whole is done
 *                when it is 0.
 * Locks       The pool's mu: live and error.
 * Ordering    None but mu's: a runner's end is under it, and the caller's look. The counter only
 *             hands out numbers.
 * Lifetime    One reference the caller's, one each runner's: a runner gives up its own after whole
 *             is done. A chunk that ends the caller's thread is waited for like any other: what is
 *             left of the thread finishes the loop, so nothing of it outlives the caller's frame.
 * Rejected    Splitting in halves, as work stealing does it: with one counter a chunk costs one
 *             compare-and-swap, and the last chunks are spread evenly. */
#include "task/pool.h"

#include "core/must.h"
#include "core/node.h"
#include "plat/alloc.h"

#include <errno.h>

#define FOR_SHARES 8 /* chunks for each thread where the caller does not choose */

/* Key  (i) immutable  (a) atomic  (m) under the pool's mu */
typedef struct for_loop {
    pool_task      whole;   /* (m) done once live is 0 */
    ref            refs;    /* (a) the caller's and each runner's */
    atom_size      next;    /* (a) where the next chunk begins */
    atom_u32       stops;   /* (a) no chunk is begun any more */
    uint32_t       live;    /* (m) */
    int            error;   /* (m) the first failure */
    size_t         end;     /* (i) */
    size_t         grain;   /* (i) */
    cconc_ctx     *ctx;     /* (i) the caller's, or NULL */
    cconc_pool    *pool;    /* (i) */
    cconc_range_fn fn;      /* (i) */
    void          *arg;     /* (i) */
    size_t         runner_count; /* (i) */
    pool_task      runners[];    /* (m) */
} for_loop;

static void for_unref(for_loop *loop)
{
    if (ref_put(&loop->refs)) {
        cconc__alloc_free(loop);
    }
}

static void for_fail(for_loop *loop, int code)
{
    atom_store_rlx(&loop->stops, 1); /* rlx: a hint to begin nothing; the error is under mu */
    lock_take(&loop->pool->mu);
    loop->error = loop->error ? loop->error : code;
    lock_leave(&loop->pool->mu);
}

/* Take the next chunk. Returns false if there is none, or none is to be begun. */
static bool for_take(for_loop *loop, size_t *out_begin, size_t *out_end)
{
    size_t begin = atom_load_rlx(&loop->next); /* rlx: hands out numbers, nothing behind them */
    size_t end;
    int err;
    if (atom_load_rlx(&loop->stops) || begin >= loop->end) { /* rlx: a hint */
        return false;
    }
    err = cconc__node_err(loop->ctx);
    err = err ? err : cconc__node_err(loop->pool->ctx);
    if (err) {
        for_fail(loop, err);
        return false;
    }
    do {
        if (begin >= loop->end) {
            return false;
        }
        end = loop->end - begin > loop->grain ? begin + loop->grain : loop->end;
        /* rlx: hands out numbers */
    } while (!atom_cas_weak_rlx_rlx(&loop->next, &begin, end));
    *out_begin = begin;
    *out_end = end;
    return true;
}

static int for_run(cconc_ctx *ctx, void *arg)
{
    for_loop *loop = arg;
    size_t begin;
    size_t end;
    while (for_take(loop, &begin, &end)) {
        int code = loop->fn(loop->ctx ? loop->ctx : ctx, begin, end, loop->arg);
        if (code) {
            for_fail(loop, code);
        }
    }
    return 0;
}

/* A runner, or the caller, is through. */
static void for_leave_locked(for_loop *loop, wake_batch *batch)
{
    cconc__lock_assert_held(&loop->pool->mu);
    loop->live--;
    if (loop->live == 0) {
        cconc__pool_finish_locked(loop->pool, &loop->whole, 0, batch);
    }
}

static void for_ended(cconc_pool_task *task, int code, bool dropped)
{
    for_loop *loop = task->arg;
    wake_batch batch = WAKE_BATCH_INIT;
    if (code && !dropped) { /* a chunk has ended its thread */
        for_fail(loop, code);
    }
    lock_take(&loop->pool->mu);
    for_leave_locked(loop, &batch);
    lock_leave(&loop->pool->mu);
    batch_wake(&batch);
    for_unref(loop);
}

/* Submit runners, as many as the queue has room for. */
static void for_start(for_loop *loop)
{
    cconc_pool *p = loop->pool;
    for (size_t i = 0; i < loop->runner_count; i++) {
        pool_task *runner = &loop->runners[i];
        runner->fn = for_run;
        runner->arg = loop;
        runner->ended = for_ended;
        cconc__pool_task_init(runner, TASK_GIVEN);
        ref_get(&loop->refs);
        lock_take(&p->mu);
        loop->live++;
        lock_leave(&p->mu);
        if (cconc__pool_submit(p, &(pool_bounds){NULL, NULL}, runner, CCONC_POOL_FAIL) != 0) {
            lock_take(&p->mu);
            loop->live--;
            lock_leave(&p->mu);
            for_unref(loop);
            return;
        }
    }
}

/* Take back the runners that nobody has begun. The caller is through. */
static void for_withdraw(for_loop *loop)
{
    cconc_pool *p = loop->pool;
    wake_batch batch = WAKE_BATCH_INIT;
    size_t back = 0;
    lock_take(&p->mu);
    for (size_t i = 0; i < loop->runner_count; i++) {
        if (atom_load_rlx(&loop->runners[i].state) == TASK_QUEUED) { /* rlx: stored under mu */
            cconc__pool_unqueue_locked(p, &loop->runners[i]);
            atom_store_rlx(&loop->runners[i].state, TASK_DONE); /* rlx: nobody looks any more */
            p->counts.submitted--;
            loop->live--;
            back++;
        }
    }
    for_leave_locked(loop, &batch);
    cconc__pool_serve_locked(p, &batch);
    lock_leave(&p->mu);
    batch_wake(&batch);
    for (; back > 0; back--) {
        for_unref(loop);
    }
}

/* The caller's part, and what its thread ran before. */
typedef struct for_caller {
    for_loop *loop;
    pool_worker *worker; /* of the loop's pool, or NULL */
    uint32_t depth;      /* the worker's */
    self_task *task;     /* the thread's innermost */
    bool is_begun;
    bool is_through;
    int err; /* of the wait */
} for_caller;

/* A chunk, or a task run during the wait, has ended the thread: undo what lies above the loop. */
static void for_tear(for_caller *caller)
{
    self_get()->task = caller->task;
    if (caller->worker) {
        cconc__pool_tear(caller->worker, caller->depth);
    }
    if (!caller->is_through) {
        for_fail(caller->loop, ECANCELED);
    }
}

/* Comes again, in what is left of the thread, if something ends that. */
static void for_caller_go(void *arg)
{
    for_caller *caller = arg;
    for_loop *loop = caller->loop;
    int code = 0;
    if (caller->is_begun) {
        for_tear(caller);
    } else {
        caller->is_begun = true;
        (void)for_run(loop->pool->ctx, loop);
    }
    if (!caller->is_through) {
        caller->is_through = true;
        for_withdraw(loop);
    }
    caller->err = cconc__pool_await(loop->pool, NULL, &loop->whole, &code);
    caller->err = caller->err ? caller->err : loop->error;
    for_unref(loop);
}

/* How many runners a loop over count items gets, and its grain if that is 0. */
static size_t for_plan(cconc_pool *p, size_t count, size_t *grain)
{
    pool_worker *w = cconc__pool_worker_here(p);
    size_t threads;
    size_t chunks;
    lock_take(&p->mu);
    threads = p->target;
    lock_leave(&p->mu);
    if (*grain == 0) {
        *grain = count / ((threads + 1) * FOR_SHARES);
        *grain = *grain ? *grain : 1;
    }
    if (w && w->depth > CCONC_POOL_MAX_DEPTH) {
        return 0; /* it could not wait for them */
    }
    threads -= w ? 1 : 0;
    chunks = (count - 1) / *grain;
    return chunks < threads ? chunks : threads;
}

/* Run the loop in the caller and in the runners. Returns the loop's code. */
static int for_call(for_loop *loop)
{
    for_caller caller = {.loop = loop, .worker = cconc__pool_worker_here(loop->pool)};
    caller.depth = caller.worker ? caller.worker->depth : 0;
    caller.task = self_get()->task;
    for_start(loop);
    cconc__thread_insist(for_caller_go, &caller);
    return caller.err;
}

static bool for_is_refused(cconc_pool *p)
{
    bool closed;
    lock_take(&p->mu);
    closed = p->closed;
    lock_leave(&p->mu);
    return closed && !cconc__pool_worker_here(p);
}

int cconc_pool_parallel_for(cconc_pool *pool, cconc_ctx *ctx, size_t begin, size_t end,
                            size_t grain, cconc_range_fn fn, void *arg)
{
    MUST_POINT(pool, cconc_pool);
    MUST_ALIGN(ctx, cconc_ctx);
    for_loop *loop;
    size_t runners;
    int err;
    if (!fn || begin > end) {
        return EINVAL;
    }
    err = cconc__node_err(ctx);
    if (err) {
        return err;
    }
    if (for_is_refused(pool)) {
        return EPIPE;
    }
    if (begin == end) {
        return 0;
    }
    runners = for_plan(pool, end - begin, &grain);
    loop = cconc__alloc(sizeof(*loop) + runners * sizeof(loop->runners[0]));
    if (!loop) {
        return ENOMEM;
    }
    loop->pool = pool;
    loop->ctx = ctx;
    loop->end = end;
    loop->grain = grain;
    loop->fn = fn;
    loop->arg = arg;
    loop->live = 1;
    loop->runner_count = runners;
    atom_init(&loop->next, begin);
    atom_init(&loop->stops, 0);
    ref_init(&loop->refs, 1);
    cconc__pool_task_init(&loop->whole, TASK_GIVEN);
    return for_call(loop);
}
