/* ctx_fd.c - a descriptor that follows a context
 * SPDX-License-Identifier: MIT
 *
 * Idea        A hook among the context's watchers raises the descriptor as part of the end, before
 *             err can be seen: whoever sees err finds it readable.
 * Invariants  I1 ctx->own is set once, under the tree's lock, and lives as long as ctx's memory.
 * Locks       The tree's; the descriptor is raised under it (0004), opened and closed without it.
 * Ordering    None but the lock's, and [node.1].
 * Lifetime    Closed with the context's memory: the last handle is gone, nobody may poll it any
 *             more.
 * Rejected    Raising it after the lock: err would be visible while the descriptor is not
 *             readable. */
#include <cconc/ctx.h>

#include "core/node.h"
#include "plat/alloc.h"
#include "plat/fd.h"

#include <errno.h>

typedef struct ctx_descriptor {
    node_hook  hook;
    cconc_ctx *ctx; /* (i) whose memory it shares */
    plat_fd    fd;  /* (i) */
} ctx_descriptor;

static void descriptor_ended_locked(node_hook *hook)
{
    ctx_descriptor *descriptor = LIST_OF(hook, ctx_descriptor, hook);
    cconc__lock_assert_held(&descriptor->ctx->tree->mu);
    cconc__fd_raise(descriptor->fd.write_end);
}

static void descriptor_release(node_hook *hook)
{
    ctx_descriptor *descriptor = LIST_OF(hook, ctx_descriptor, hook);
    cconc__fd_close(&descriptor->fd);
    cconc__alloc_free(descriptor);
}

static ctx_descriptor *descriptor_get_locked(cconc_ctx *ctx)
{
    cconc__lock_assert_held(&ctx->tree->mu);
    return ctx->own ? LIST_OF(ctx->own, ctx_descriptor, hook) : NULL;
}

/* Make fresh ctx's own unless it has one by now. Returns the one it has. */
static ctx_descriptor *descriptor_install(cconc_ctx *ctx, ctx_descriptor *fresh)
{
    ctx_descriptor *found;
    lock_take(&ctx->tree->mu);
    found = descriptor_get_locked(ctx);
    if (!found) {
        found = fresh;
        ctx->own = &fresh->hook;
        fresh->ctx = ctx;
        list_init(&fresh->hook.node.link);
        if (atom_load_rlx(&ctx->head.state) != 0) { /* rlx: stored under the same lock */
            descriptor_ended_locked(&fresh->hook);
        } else {
            list_push_back(&ctx->watchers, &fresh->hook.node.link);
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
    fresh->hook.ended_locked = descriptor_ended_locked;
    fresh->hook.release = descriptor_release;
    *out_fresh = fresh;
    return 0;
}

int cconc_ctx_fd(cconc_ctx *ctx, int *out_fd)
{
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
            descriptor_release(&fresh->hook);
        }
    }
    *out_fd = found->fd.read_end;
    return 0;
}
