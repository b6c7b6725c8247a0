/* after.c - functions that run when a context is done
 * SPDX-License-Identifier: MIT
 *
 * Idea        A hook among the context's watchers. The end of the context hands it to the timer
 *             service as a timer that is due now, which needs no memory; the service passes it to
 *             the executor, or runs it itself if there is no thread to be had.
 * Picture     QUEUED --stop--> STOPPED
 *                |
 *                +--the context ends--> FIRED --fn has returned--> DONE
 * Invariants  I1 QUEUED is left once, under the tree's lock: by one stop, or by the end.
 *             I2 While FIRED the registration has a reference of its own.
 *             I3 The timer service has room for it until it is stopped or handed on.
 * Locks       The tree's: leaving QUEUED. The lot's: DONE and those who wait for it.
 * Ordering    after.1  after_finish(): store rel -> cconc_after_stop_wait(): load acq   fn's
 *                      effects
 * Lifetime    One reference for the user's handle, one while FIRED. The context is kept throughout.
 * Rejected    Running fn inside cancel: it would run under whatever the canceller holds. */
#include <cconc/ctx.h>

#include "core/clock.h"
#include "core/executor.h"
#include "core/lot.h"
#include "core/must.h"
#include "core/node.h"
#include "core/ref.h"
#include "core/self.h"
#include "core/timer.h"
#include "plat/alloc.h"
#include "plat/clock.h"
#include "plat/fork.h"

#include <errno.h>

enum { AFTER_QUEUED, AFTER_STOPPED, AFTER_FIRED, AFTER_DONE };

/* Key  (i) immutable after new  (a) atomic  (m) under the tree's lock */
struct cconc_after {
    node_hook      hook;  /* (m) */
    exec_task      task;  /* (m) */
    timer          due;   /* (m) carries it to the service */
    cconc_ctx     *ctx;   /* (i) one reference */
    cconc_after_fn fn;    /* (i) */
    void          *arg;   /* (i) */
    atom_u32       state; /* (a) [after.1] */
    ref            refs;  /* (a) */
    bool           owes;  /* (i) from due time to fn: the virtual clock waits for it */
};

static void after_unref(cconc_after *after)
{
    if (ref_put(&after->refs)) {
        cconc__node_unref(after->ctx);
        cconc__alloc_free(after);
    }
}

static void after_finish(cconc_after *after)
{
    wake_batch batch = WAKE_BATCH_INIT;
    lot_bucket *bucket = cconc__lot_take(after);
    atom_store_rel(&after->state, AFTER_DONE); /* [after.1] rel: what fn did */
    cconc__lot_claim_locked(bucket, after, CLAIM_READY, &batch);
    cconc__lot_leave(bucket);
    batch_wake(&batch);
    after_unref(after);
    cconc__clock_end();
}

static void after_torn(exec_task *task)
{
    after_finish(LIST_OF(task, cconc_after, task));
}

static void after_run(exec_task *task)
{
    cconc_after *after = LIST_OF(task, cconc_after, task);
    self_task frame;
    cconc__clock_begin(after->owes);
    cconc__self_enter(&frame, after);
    after->fn(after->arg);
    cconc__self_exit();
    after_finish(after);
}

/* On the timer service's thread. */
static void after_due(timer *due)
{
    cconc_after *after = LIST_OF(due, cconc_after, due);
    (void)cconc__timer_release(due);
    after->owes = cconc__clock_owe_function();
    if (cconc__executor_submit(&after->task) != 0) {
        after_run(&after->task);
    }
}

/* The function has ended the service's thread. */
static void after_due_torn(timer *due)
{
    self_get()->task = NULL;
    after_finish(LIST_OF(due, cconc_after, due));
}

static const timer_ops after_due_ops = {.fire = after_due, .torn = after_due_torn};

static void after_ended_locked(node_hook *hook)
{
    cconc_after *after = LIST_OF(hook, cconc_after, hook);
    cconc__lock_assert_held(&after->ctx->tree->mu);
    atom_store_rlx(&after->state, AFTER_FIRED); /* rlx: read by others for DONE alone */
    ref_get(&after->refs);
}

static void after_ended(node_hook *hook)
{
    cconc_after *after = LIST_OF(hook, cconc_after, hook);
    if (cconc__timer_arm(&after->due, plat_clock_now())) {
        cconc__timer_kick();
    }
}

static int after_new(cconc_ctx *ctx, cconc_after_fn fn, void *arg, cconc_after **out_after)
{
    cconc_after *after = cconc__alloc(sizeof(*after));
    int err = after ? cconc__timer_reserve(&after->due) : ENOMEM;
    if (err) {
        cconc__alloc_free(after);
        return err;
    }
    after->hook.ended_locked = after_ended_locked;
    after->hook.ended = after_ended;
    after->task.run = after_run;
    after->task.torn = after_torn;
    after->due.ops = &after_due_ops;
    after->ctx = ctx;
    after->fn = fn;
    after->arg = arg;
    atom_init(&after->state, AFTER_QUEUED);
    ref_init(&after->refs, 1);
    ref_get(&ctx->refs);
    *out_after = after;
    return 0;
}

int cconc_ctx_after_func(cconc_ctx *ctx, cconc_after_fn fn, void *arg, cconc_after **out_after)
{
    MUST_ALIGN(ctx, cconc_ctx);
    MUST_ALIGN(out_after, cconc_after *);
    cconc_after *after;
    bool ended;
    int err;
    if (!fn || !out_after || !ctx || ctx->head.kind == NODE_STACK || !ctx->tree) {
        return EINVAL;
    }
    err = after_new(ctx, fn, arg, &after);
    if (err) {
        return err;
    }
    *out_after = after; /* before fn can run: it may use it */
    lock_take(&ctx->tree->mu);
    ended = atom_load_rlx(&ctx->head.state) != 0; /* rlx: stored under the same lock */
    if (ended) {
        after_ended_locked(&after->hook);
    } else {
        list_push_back(&ctx->watchers, &after->hook.node.link);
        after->hook.node.queued = true;
    }
    lock_leave(&ctx->tree->mu);
    if (ended) {
        after_ended(&after->hook);
    }
    return 0;
}

bool cconc_after_stop(cconc_after *after)
{
    MUST_POINT(after, cconc_after);
    bool stopped;
    lock_take(&after->ctx->tree->mu);
    stopped = after->hook.node.queued;
    if (stopped) {
        list_remove(&after->hook.node.link);
        after->hook.node.queued = false;
        atom_store_rlx(&after->state, AFTER_STOPPED); /* rlx: read by others for FIRED alone */
    }
    lock_leave(&after->ctx->tree->mu);
    if (stopped) {
        (void)cconc__timer_release(&after->due);
    }
    return stopped;
}

/* Is it still to be waited for? Not from inside itself. */
static bool after_is_pending(cconc_after *after)
{
    uint32_t state = atom_load_acq(&after->state); /* [after.1] acq: what fn did */
    return state == AFTER_FIRED && !self_runs(after);
}

bool cconc_after_stop_wait(cconc_after *after)
{
    MUST_POINT(after, cconc_after);
    if (cconc_after_stop(after)) {
        return true;
    }
    while (after_is_pending(after) && plat_fork_is_ours()) { /* else it runs in the parent */
        waiter w;
        wait_node node;
        lot_bucket *bucket;
        cconc__waiter_arm(&w, NULL);
        wait_node_init(&node, &w, NULL, 0);
        bucket = cconc__lot_take(after);
        if (!after_is_pending(after)) {
            cconc__lot_leave(bucket);
            break;
        }
        cconc__lot_push_locked(bucket, &node, after);
        cconc__lot_leave(bucket);
        cconc__waiter_park(&w, true);
    }
    return false;
}

void cconc_after_free(cconc_after *after)
{
    MUST_ALIGN(after, cconc_after);
    if (after) {
        (void)cconc_after_stop_wait(after);
        after_unref(after);
    }
}
