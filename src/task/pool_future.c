/* pool_future.c - futures, and records that are waited for
 * SPDX-License-Identifier: MIT
 *
 * Idea        A future is a task record with a context and two references: the holder's and the
 *             task's. Its queue of waiters is the record's, under the pool's lock, so a future
 *             keeps the memory of its pool.
 * Invariants  I1 The task's reference goes when the record is done and nobody touches it any more.
 *             I2 ctx is not NULL while the task is queued or runs.
 * Locks       The pool's mu; the context is ended under it (rank CTX follows), its waits are woken
 *             after it.
 * Ordering    [pool.1] for a result that is read without the lock, ref.1 for the last reference.
 * Lifetime    The last of holder and task releases it, and with it one reference of the pool.
 * Rejected    A lock a future: cancelling one that is queued needs the pool's as well. */
#include "task/pool.h"

#include <cconc/ctx.h>

#include "core/must.h"
#include "core/node.h"
#include "plat/alloc.h"

#include <errno.h>

/* Key  (i) immutable  (m) under the pool's mu */
struct cconc_future {
    pool_task   task;
    ref         refs; /* (a) the holder's and the task's */
    cconc_pool *pool; /* (i) one reference of its memory */
    cconc_ctx  *ctx;  /* (m) one handle; NULL once the task has ended */
};

static cconc_future *future_of(pool_task *task)
{
    return LIST_OF(task, cconc_future, task);
}

cconc_ctx *cconc__pool_future_ctx(pool_task *task)
{
    return future_of(task)->ctx;
}

static void future_unref(cconc_future *future)
{
    cconc_pool *p = future->pool;
    if (ref_put(&future->refs)) {
        cconc__alloc_free(future);
        cconc__pool_unref(p);
    }
}

void cconc__pool_future_ended(pool_task *task)
{
    cconc_future *future = future_of(task);
    cconc_pool *p = future->pool;
    cconc_ctx *ctx;
    lock_take(&p->mu);
    ctx = future->ctx;
    future->ctx = NULL;
    lock_leave(&p->mu);
    cconc_ctx_free(ctx);
    future_unref(future);
}

typedef struct future_submit {
    cconc_future *future;
    cconc_ctx *ctx; /* bounds the wait */
    int err;
    bool is_begun; /* when it comes again the thread has ended, and nobody gets the future */
} future_submit;

static void future_submit_go(void *arg)
{
    future_submit *submit = arg;
    cconc_future *future = submit->future;
    cconc_pool *p = future->pool;
    if (!submit->is_begun) {
        submit->is_begun = true;
        submit->err = cconc__pool_submit(p, &(pool_bounds){submit->ctx, NULL}, &future->task,
                                         p->opts.full_policy);
        return;
    }
    if (atom_load_rlx(&future->task.state) == TASK_FREE) { /* rlx: this thread submits it */
        cconc__pool_future_ended(&future->task);
    }
    future_unref(future);
}

int cconc_pool_submit_future(cconc_pool *pool, cconc_ctx *ctx, cconc_task_fn fn, void *arg,
                             cconc_future **out_future)
{
    MUST_POINT(pool, cconc_pool);
    MUST_ALIGN(ctx, cconc_ctx);
    MUST_ALIGN(out_future, cconc_future *);
    future_submit submit = {.ctx = ctx};
    cconc_future *future;
    int err;
    if (!fn || !out_future) {
        return EINVAL;
    }
    err = cconc__node_err(ctx);
    if (err) {
        return err;
    }
    future = cconc__alloc(sizeof(*future));
    if (!future) {
        return ENOMEM;
    }
    err = cconc_ctx_with_cancel(pool->ctx, &future->ctx);
    if (err) {
        goto undo_future;
    }
    future->task.fn = fn;
    future->task.arg = arg;
    cconc__pool_task_init(&future->task, TASK_FUTURE);
    ref_init(&future->refs, 2);
    future->pool = pool;
    ref_get(&pool->refs);
    submit.future = future;
    cconc__thread_insist(future_submit_go, &submit);
    err = submit.err;
    if (err) {
        goto undo_ctx;
    }
    *out_future = future;
    return 0;
undo_ctx:
    cconc_ctx_free(future->ctx);
    cconc__pool_unref(pool);
undo_future:
    cconc__alloc_free(future);
    return err;
}

int cconc_future_wait(cconc_future *future, cconc_ctx *ctx)
{
    MUST_POINT(future, cconc_future);
    MUST_ALIGN(ctx, cconc_ctx);
    int code = 0;
    int err = cconc__pool_await(future->pool, ctx, &future->task, &code);
    return err ? err : code;
}

int cconc_future_try_wait(cconc_future *future, int *out_code)
{
    MUST_POINT(future, cconc_future);
    MUST_POINT(out_code, int);
    if (atom_load_acq(&future->task.state) != TASK_DONE) { /* [pool.1] acq: the end of the task */
        return EAGAIN;
    }
    *out_code = future->task.code;
    return 0;
}

bool cconc_future_cancel(cconc_future *future)
{
    MUST_POINT(future, cconc_future);
    node_ending ending = {WAKE_BATCH_INIT, WAKE_BATCH_INIT};
    cconc_pool *p = future->pool;
    wake_batch batch = WAKE_BATCH_INIT;
    pool_lost lost;
    bool never;
    lock_take(&p->mu);
    never = atom_load_rlx(&future->task.state) == TASK_QUEUED; /* rlx: stored under mu */
    if (never) {
        (void)cconc__pool_lose_locked(p, &future->task, &lost);
        cconc__pool_serve_locked(p, &batch);
    } else if (future->ctx) {
        cconc__node_end_begin(future->ctx, ECANCELED, 0, NULL, &ending);
    }
    lock_leave(&p->mu);
    batch_wake(&batch);
    cconc__node_end_finish(&ending);
    if (never) {
        cconc__pool_drop(p, &lost);
    }
    return never;
}

void cconc_future_free(cconc_future *future)
{
    MUST_ALIGN(future, cconc_future);
    if (future) {
        future_unref(future);
    }
}

int cconc_pool_join(cconc_pool *pool, cconc_ctx *ctx, cconc_pool_task *task)
{
    MUST_POINT(pool, cconc_pool);
    MUST_ALIGN(ctx, cconc_ctx);
    MUST_POINT(task, cconc_pool_task);
    int code = 0;
    pool_task *record = (pool_task *)(void *)task;
    int err;
    MUST(!record->ended, "pool join of a record that has an ended");
    err = cconc__pool_await(pool, ctx, record, &code);
    return err ? err : code;
}
