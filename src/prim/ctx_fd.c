/* ctx_fd.c - a descriptor that follows a context
 * SPDX-License-Identifier: MIT
 *
 * Idea        The end of a context raises its descriptor as soon as err is stored; who reads err
 *             before that raises it too. So whoever sees one sees both, and nobody waits for
 *             anybody: a signal handler may ask.
 * Invariants  I1 ctx->descriptor is set once, under the tree's lock, and lives as long as ctx's
 *                memory.
 * Locks       The tree's; the descriptor is raised under it (0004), opened and closed without it.
 * Ordering    None but the lock's, and [node.1].
 * Lifetime    Closed with the context's memory: the last handle is gone, nobody may poll it any
 *             more.
 * Rejected    Raising it after the lock: it may be closed by then. Letting who reads err wait for
 *             the lock: a signal handler may have interrupted the thread that holds it. */
#include <cconc/ctx.h>

#include "core/must.h"
#include "core/node.h"
#include "plat/alloc.h"
#include "plat/fd.h"

#include <errno.h>

typedef struct ctx_descriptor {
    node_descriptor node;
    plat_fd         fd; /* (i) */
} ctx_descriptor;

static void descriptor_raise(node_descriptor *node)
{
    cconc__fd_raise(LIST_OF(node, ctx_descriptor, node)->fd.write_end);
}

static void descriptor_release(node_descriptor *node)
{
    ctx_descriptor *descriptor = LIST_OF(node, ctx_descriptor, node);
    cconc__fd_close(&descriptor->fd);
    cconc__alloc_free(descriptor);
}

static ctx_descriptor *descriptor_get_locked(cconc_ctx *ctx)
{
    cconc__lock_assert_held(&ctx->tree->mu);
    return ctx->descriptor ? LIST_OF(ctx->descriptor, ctx_descriptor, node) : NULL;
}

/* Make fresh ctx's own unless it has one by now. Returns the one it has. */
static ctx_descriptor *descriptor_install(cconc_ctx *ctx, ctx_descriptor *fresh)
{
    ctx_descriptor *found;
    lock_take(&ctx->tree->mu);
    found = descriptor_get_locked(ctx);
    if (!found) {
        found = fresh;
        ctx->descriptor = &fresh->node;
        if (atom_load_rlx(&ctx->head.state) != 0) { /* rlx: stored under the same lock */
            descriptor_raise(&fresh->node);
        }
    }
    lock_leave(&ctx->tree->mu);
    return found;
}

static int descriptor_new(ctx_descriptor **out_fresh)
{
    ctx_descriptor *fresh = cconc__alloc(sizeof(*fresh));
    int err;
    if (!fresh) {
        return ENOMEM;
    }
    err = cconc__fd_open(&fresh->fd);
    if (err) {
        cconc__alloc_free(fresh);
        return err;
    }
    fresh->node.raise = descriptor_raise;
    fresh->node.release = descriptor_release;
    *out_fresh = fresh;
    return 0;
}

int cconc_ctx_fd(cconc_ctx *ctx, int *out_fd)
{
    MUST_ALIGN(ctx, cconc_ctx);
    MUST_ALIGN(out_fd, int);
    ctx_descriptor *found;
    ctx_descriptor *fresh;
    int err;
    if (!out_fd || !ctx || ctx->head.kind == NODE_STACK || !ctx->tree) {
        return EINVAL;
    }
    lock_take(&ctx->tree->mu);
    found = descriptor_get_locked(ctx);
    lock_leave(&ctx->tree->mu);
    if (!found) {
        err = descriptor_new(&fresh);
        if (err) {
            return err;
        }
        found = descriptor_install(ctx, fresh);
        if (found != fresh) {
            descriptor_release(&fresh->node);
        }
    }
    *out_fd = found->fd.read_end;
    return 0;
}
