/* ctx_signal.c - contexts that signals end
 * SPDX-License-Identifier: MIT
 *
 * Idea        A cancellable context with a watch at the signal service. The cause's memory is taken
 *             when the context is made: a signal must not need any.
 * Invariants  I1 The watch is added exactly while the context has a handle and was not cancelled by
 *                its user; ended by a signal it stays, to swallow the next ones.
 * Locks       None taken here.
 * Ordering    [heard.1] (sigwatch.c): the number, before the context is seen to have ended.
 * Lifetime    The watch lies in the context; the service keeps what it is about to end.
 * Rejected    A handler of the user's choice: it runs where nothing is allowed. */
#include <cconc/ctx.h>

#include "core/must.h"
#include "core/node.h"
#include "core/sigwatch.h"
#include "plat/alloc.h"
#include "plat/signal.h"
#include "prim/ctx.h"

#include <errno.h>

typedef struct ctx_signals {
    node_signal node;
    sig_watch   watch;
    node_tree   tree; /* used if the context is a root */
} ctx_signals;

static int signals_collect(const int *signals, size_t count, uint64_t *out_numbers)
{
    uint64_t numbers = 0;
    if (count == 0) {
        signals = cconc__signal_defaults;
        count = PLAT_SIGNAL_DEFAULTS;
    }
    for (size_t i = 0; i < count; i++) {
        if (!cconc__signal_may_hook(signals[i])) {
            return EINVAL;
        }
        numbers |= UINT64_C(1) << (signals[i] - 1);
    }
    *out_numbers = numbers;
    return 0;
}

/* Allocate, not yet linked or watching. */
static ctx_signals *signals_alloc(cconc_ctx *parent)
{
    ctx_signals *made = cconc__alloc(sizeof(*made));
    bool is_root = !(parent && parent->tree);
    if (!made) {
        return NULL;
    }
    cconc__node_expire(parent); /* its deadline may have passed unseen: born done, then */
    made->node.on_signal = cconc__cause_new(ECANCELED, NULL);
    made->watch.node = &made->node;
    if (made->node.on_signal &&
        cconc__node_init(&made->node.ctx, parent, NODE_SIGNAL, is_root ? &made->tree : NULL) ==
            0) {
        return made;
    }
    cconc__cause_unref(made->node.on_signal);
    cconc__alloc_free(made);
    return NULL;
}

int cconc_ctx_with_signals(cconc_ctx *parent, const int *signals, size_t count, uint32_t flags,
                           cconc_ctx **out_ctx)
{
    MUST_ALIGN(parent, cconc_ctx);
    MUST_ALIGN(signals, int);
    MUST_ALIGN(out_ctx, cconc_ctx *);
    ctx_signals *made;
    uint64_t numbers;
    int err;
    if (!out_ctx || (count > 0 && !signals) || (flags & ~CCONC_CTX_SECOND_SIGNAL_EXITS) != 0 ||
        (parent && parent->head.kind == NODE_STACK)) {
        return EINVAL;
    }
    err = signals_collect(signals, count, &numbers);
    if (err) {
        return err;
    }
    made = signals_alloc(parent);
    if (!made) {
        return ENOMEM;
    }
    made->watch.exit.numbers = numbers;
    made->watch.exits = (flags & CCONC_CTX_SECOND_SIGNAL_EXITS) != 0;
    cconc__node_link(&made->node.ctx);
    if (!cconc__node_err(&made->node.ctx)) {
        err = cconc__sigwatch_add(&made->watch);
    }
    if (err) {
        cconc_ctx_free(&made->node.ctx);
        return err;
    }
    *out_ctx = &made->node.ctx;
    return 0;
}

void cconc__ctx_signal_leave(cconc_ctx *ctx)
{
    if (ctx->head.kind == NODE_SIGNAL) {
        ctx_signals *made = (ctx_signals *)(void *)ctx;
        if (cconc__sigwatch_remove(&made->watch)) {
            cconc__node_end(ctx, ECANCELED, 0, made->node.on_signal);
        }
    }
}

int cconc_ctx_signal(const cconc_ctx *ctx)
{
    MUST_ALIGN(ctx, cconc_ctx);
    const ctx_signals *made;
    if (!ctx || ctx->head.kind != NODE_SIGNAL) {
        return 0;
    }
    made = (const ctx_signals *)(const void *)ctx;
    if (!cconc_ctx_err(ctx) || ctx->cause != made->node.on_signal) {
        return 0; /* it lives, or something else was first */
    }
    return (int)atom_load_acq(&made->watch.heard); /* [heard.1] acq: the number goes with the end */
}
