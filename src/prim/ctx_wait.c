/* ctx_wait.c - waiting for a context, and sleeping under one
 * SPDX-License-Identifier: MIT
 *
 * Idea        Waiting for a context is being one of its watchers; the context that bounds the wait
 *             is another. Sleeping is waiting for nothing but the end of a context or the time.
 * Invariants  I1 Node 0 of the waiter is the bounding context's, node 1 the target's.
 * Locks       None taken here.
 * Ordering    [node.1] (node.c) for what the end of a context publishes.
 * Lifetime    A watcher keeps its context's memory.
 * Rejected    A condition variable in the context: cancelling would wake a herd. */
#include <cconc/ctx.h>

#include "core/must.h"
#include "core/node.h"
#include "core/waitable.h"
#include "core/waiter.h"
#include "plat/clock.h"

#include <errno.h>

/* Has target ended, also by a deadline that only we have seen pass? */
static bool ctx_has_ended(cconc_ctx *target)
{
    cconc__node_expire(target);
    return cconc__node_err(target) != 0;
}

/* Wait once. Returns the code of ctx if that ended first. */
static int ctx_wait_once(cconc_ctx *target, cconc_ctx *source, cconc_ctx *ctx)
{
    waiter w;
    wait_node node;
    int err = 0;
    cconc__waiter_arm(&w, ctx);
    waiter_limit(&w, cconc__node_deadline(target));
    wait_node_init(&node, &w, NULL, 1);
    if (!source || cconc__node_watch(source, &node)) { /* else it has ended meanwhile */
        cconc__waiter_park(&w, true);
        if (source) {
            (void)cconc__node_unwatch(source, &node);
        }
        cconc__node_expire(ctx);
        err = ctx_has_ended(target) ? 0 : cconc__waiter_error(&w, ctx);
    }
    waiter_disarm(&w);
    return err;
}

int cconc_ctx_wait(cconc_ctx *target, cconc_ctx *ctx)
{
    MUST_ALIGN(target, cconc_ctx);
    MUST_ALIGN(ctx, cconc_ctx);
    cconc_ctx *source = cconc__node_source(target);
    int err = 0;
    if (!cconc__node_can_end(target) && !cconc__node_can_end(ctx)) {
        return EDEADLK;
    }
    if (ctx_has_ended(target)) {
        return 0;
    }
    if (source) {
        ref_get(&source->refs); /* the last handle may go while the wait lasts */
    }
    err = cconc__node_err(ctx);
    while (!err && !ctx_has_ended(target)) {
        err = ctx_wait_once(target, source, ctx);
    }
    if (source) {
        cconc__node_unref(source);
    }
    return err;
}

int cconc_ctx_sleep(cconc_ctx *ctx, int64_t duration_ns)
{
    MUST_ALIGN(ctx, cconc_ctx);
    int64_t until_ns = plat_clock_add(plat_clock_now(), duration_ns);
    int err = cconc__node_err(ctx);
    if (until_ns == PLAT_NEVER && !cconc__node_can_end(ctx)) {
        return EDEADLK;
    }
    return err ? err : cconc__waiter_sleep(ctx, until_ns);
}

/* The waitable of a select's done case. */

static bool done_is_right(const wait_case *c)
{
    (void)c;
    return true;
}

static bool done_is_ready(const wait_case *c, size_t *out_version)
{
    *out_version = 0; /* once ended, for good: "not ready" twice is not ready in between */
    return cconc__node_err(c->object) != 0;
}

/* Called once the context has been seen to end, which is for good. */
static int done_try(wait_case *c)
{
    int err = cconc__node_err(c->object);
    CHECK(err != 0);
    return err;
}

static wait_queued done_enqueue(wait_case *c, waiter *w)
{
    cconc_ctx *source = cconc__node_source(c->object);
    waiter_limit(w, cconc__node_deadline(c->object));
    c->node.queued = false;
    if (!source || cconc__node_watch(source, &c->node)) {
        return WAIT_QUEUED;
    }
    return cconc__waiter_withdraw(w) ? WAIT_AGAIN : WAIT_LOST;
}

static void done_dequeue(wait_case *c)
{
    cconc_ctx *source = cconc__node_source(c->object);
    if (source) {
        (void)cconc__node_unwatch(source, &c->node);
    }
    cconc__node_expire(c->object);
}

static void done_keep(const wait_case *c, bool on)
{
    cconc_ctx *source = cconc__node_source(c->object);
    if (source && on) {
        ref_get(&source->refs);
    } else if (source) {
        cconc__node_unref(source);
    }
}

const wait_ops cconc__ctx_done_ops = {done_is_right, done_is_ready, done_try, done_enqueue,
                                      done_dequeue,  done_keep,     NULL};
