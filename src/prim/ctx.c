/* ctx.c - how contexts are made, ended and read
 * SPDX-License-Identifier: MIT
 *
 * Idea        The tree is core/node.c; here are its users' calls. A context that hangs below
 *             nothing that can end is the root of a tree of its own.
 * Invariants  I1 Only cancel, deadline and signal contexts are ended by their users.
 *             I2 A context with a handle is in its tree, or was born done, or can never end.
 * Locks       None taken here; see node.c.
 * Ordering    [node.1] (node.c): the cancelling call before every return that shows err or cause.
 * Lifetime    All handles together hold one reference on the memory.
 * Rejected    Message memory reserved in every context: it would triple their size (0007). */
#include <cconc/ctx.h>
#include <cconc/process.h>

#include "core/must.h"
#include "core/node.h"
#include "plat/alloc.h"
#include "plat/clock.h"
#include "plat/text.h"
#include "prim/ctx.h"

#include <errno.h>
#include <stdarg.h>

_Static_assert(sizeof(node_head) <= sizeof(cconc_ctx_mem), "a stack context fits its memory");

cconc_ctx *cconc_ctx_background(void)
{
    return &cconc__node_background;
}

static bool ctx_may_have_children(const cconc_ctx *parent)
{
    return !parent || parent->head.kind != NODE_STACK;
}

/* Allocate size bytes that begin with a context, plus a tree if parent has none to share. */
static cconc_ctx *ctx_alloc(size_t size, cconc_ctx *parent, node_kind kind)
{
    bool is_root = kind != NODE_VALUE && kind != NODE_DETACHED && !(parent && parent->tree);
    size_t tree_at = (size + sizeof(void *) - 1) / sizeof(void *) * sizeof(void *);
    char *memory = cconc__alloc(is_root ? tree_at + sizeof(node_tree) : size);
    cconc_ctx *ctx = (cconc_ctx *)(void *)memory;
    if (!memory) {
        return NULL;
    }
    if (kind != NODE_DETACHED) {
        cconc__node_expire(parent); /* its deadline may have passed unseen: born done, then */
    }
    if (cconc__node_init(ctx, parent, kind,
                         is_root ? (node_tree *)(void *)(memory + tree_at) : NULL) != 0) {
        cconc__alloc_free(memory);
        return NULL;
    }
    return ctx;
}

int cconc_ctx_with_cancel(cconc_ctx *parent, cconc_ctx **out_ctx)
{
    MUST_ALIGN(parent, cconc_ctx);
    MUST_ALIGN(out_ctx, cconc_ctx *);
    cconc_ctx *ctx;
    if (!out_ctx || !ctx_may_have_children(parent)) {
        return EINVAL;
    }
    ctx = ctx_alloc(sizeof(*ctx), parent, NODE_CANCEL);
    if (!ctx) {
        return ENOMEM;
    }
    cconc__node_link(ctx);
    *out_ctx = ctx;
    return 0;
}

/* On the timer service's thread: the reference that the armed timer held comes back. */
static void ctx_on_time(timer *due)
{
    node_deadline *deadline = LIST_OF(due, node_deadline, due);
    (void)cconc__timer_release(due);
    cconc__node_end_on_time(&deadline->ctx);
    cconc__node_unref(&deadline->ctx);
}

/* A deadline of its own; cause, which may be NULL, becomes the context's on success. */
static int ctx_new_deadline(cconc_ctx *parent, int64_t deadline_ns, node_cause *cause,
                            cconc_ctx **out_ctx)
{
    static const timer_ops ops = {.fire = ctx_on_time};
    timer due = {.ops = &ops};
    node_deadline *deadline;
    int err = cconc__timer_reserve(&due);
    if (err) {
        return err;
    }
    deadline = (node_deadline *)(void *)ctx_alloc(sizeof(*deadline), parent, NODE_DEADLINE);
    if (!deadline) {
        (void)cconc__timer_release(&due);
        return ENOMEM;
    }
    deadline->due = due;
    deadline->ctx.head.deadline_ns = deadline_ns;
    deadline->on_time = cause;
    cconc__node_link(&deadline->ctx);
    *out_ctx = &deadline->ctx;
    return 0;
}

/* A deadline that has passed: born done, unless the parent was done before. */
static int ctx_new_expired(cconc_ctx *parent, int64_t deadline_ns, node_cause *cause,
                           cconc_ctx **out_ctx)
{
    int err = cconc_ctx_with_cancel(parent, out_ctx);
    if (err) {
        return err;
    }
    (*out_ctx)->head.deadline_ns = deadline_ns;
    cconc__node_end(*out_ctx, ETIMEDOUT, cause ? cause->code : 0, cause);
    cconc__cause_unref(cause);
    return 0;
}

static int ctx_with_deadline(cconc_ctx *parent, int64_t deadline_ns, node_cause *cause,
                             cconc_ctx **out_ctx)
{
    int err;
    if (deadline_ns == PLAT_NEVER || cconc__node_deadline(parent) <= deadline_ns) {
        err = cconc_ctx_with_cancel(parent, out_ctx);
        if (!err) {
            cconc__cause_unref(cause); /* that very deadline will not be what ends it */
        }
        return err;
    }
    if (deadline_ns <= plat_clock_now()) {
        return ctx_new_expired(parent, deadline_ns, cause, out_ctx);
    }
    return ctx_new_deadline(parent, deadline_ns, cause, out_ctx);
}

int cconc_ctx_with_deadline(cconc_ctx *parent, int64_t deadline_ns, cconc_ctx **out_ctx)
{
    MUST_ALIGN(parent, cconc_ctx);
    MUST_ALIGN(out_ctx, cconc_ctx *);
    if (!out_ctx || !ctx_may_have_children(parent)) {
        return EINVAL;
    }
    return ctx_with_deadline(parent, deadline_ns, NULL, out_ctx);
}

int cconc_ctx_with_timeout(cconc_ctx *parent, int64_t timeout_ns, cconc_ctx **out_ctx)
{
    MUST_ALIGN(parent, cconc_ctx);
    MUST_ALIGN(out_ctx, cconc_ctx *);
    return cconc_ctx_with_deadline(parent, plat_clock_add(plat_clock_now(), timeout_ns), out_ctx);
}

int cconc_ctx_with_deadline_cause(cconc_ctx *parent, int64_t deadline_ns, int code,
                                  const char *message, cconc_ctx **out_ctx)
{
    MUST_ALIGN(parent, cconc_ctx);
    MUST_ALIGN(out_ctx, cconc_ctx *);
    node_cause *cause;
    int err;
    if (!out_ctx || code == 0 || !ctx_may_have_children(parent)) {
        return EINVAL;
    }
    cause = cconc__cause_new(code, message);
    if (!cause) {
        return ENOMEM;
    }
    err = ctx_with_deadline(parent, deadline_ns, cause, out_ctx);
    if (err) {
        cconc__cause_unref(cause);
    }
    return err;
}

int cconc_ctx_with_timeout_cause(cconc_ctx *parent, int64_t timeout_ns, int code,
                                 const char *message, cconc_ctx **out_ctx)
{
    MUST_ALIGN(parent, cconc_ctx);
    MUST_ALIGN(out_ctx, cconc_ctx *);
    return cconc_ctx_with_deadline_cause(parent, plat_clock_add(plat_clock_now(), timeout_ns), code,
                                         message, out_ctx);
}

int cconc_ctx_with_value(cconc_ctx *parent, const void *key, void *value,
                         cconc_value_destroy_fn destroy, cconc_ctx **out_ctx)
{
    MUST_ALIGN(parent, cconc_ctx);
    MUST_ALIGN(out_ctx, cconc_ctx *);
    node_value *binding;
    if (!out_ctx || !key || !ctx_may_have_children(parent)) {
        return EINVAL;
    }
    binding = (node_value *)(void *)ctx_alloc(sizeof(*binding), parent, NODE_VALUE);
    if (!binding) {
        return ENOMEM;
    }
    binding->key = key;
    binding->value = value;
    binding->destroy = destroy;
    cconc__node_link(&binding->ctx);
    *out_ctx = &binding->ctx;
    return 0;
}

int cconc_ctx_without_cancel(cconc_ctx *parent, cconc_ctx **out_ctx)
{
    MUST_ALIGN(parent, cconc_ctx);
    MUST_ALIGN(out_ctx, cconc_ctx *);
    cconc_ctx *ctx;
    if (!out_ctx || !ctx_may_have_children(parent)) {
        return EINVAL;
    }
    ctx = ctx_alloc(sizeof(*ctx), parent, NODE_DETACHED);
    if (!ctx) {
        return ENOMEM;
    }
    *out_ctx = ctx;
    return 0;
}

cconc_ctx *cconc_ctx_until(cconc_ctx_mem *mem, cconc_ctx *parent, int64_t deadline_ns)
{
    MUST_POINT(mem, cconc_ctx_mem);
    MUST_ALIGN(parent, cconc_ctx);
    node_head *head = (node_head *)(void *)mem;
    int64_t outer_ns = cconc__node_deadline(parent);
    atom_init(&head->state, NODE_ASK);
    head->kind = NODE_STACK;
    head->deadline_ns = outer_ns < deadline_ns ? outer_ns : deadline_ns;
    head->parent = parent;
    return (cconc_ctx *)(void *)mem;
}

static bool ctx_is_cancellable(const cconc_ctx *ctx)
{
    return ctx && ctx->head.kind >= NODE_CANCEL;
}

void cconc_ctx_cancel(cconc_ctx *ctx)
{
    MUST_ALIGN(ctx, cconc_ctx);
    MUST(ctx_is_cancellable(ctx), "ctx cancel of a context that cannot be cancelled");
    cconc__ctx_signal_leave(ctx);
    cconc__node_end(ctx, ECANCELED, 0, NULL);
}

void cconc_ctx_cancel_cause(cconc_ctx *ctx, int code, const char *format, ...)
{
    MUST_ALIGN(ctx, cconc_ctx);
    char message[CCONC_CTX_MAX_MESSAGE + 1] = "";
    node_cause *cause = NULL;
    MUST(ctx_is_cancellable(ctx), "ctx cancel of a context that cannot be cancelled");
    code = code ? code : ECANCELED;
    if (format && !cconc__node_err(ctx)) {
        va_list args;
        va_start(args, format);
        cconc__text_format(message, sizeof(message), format, args);
        va_end(args);
        cause = cconc__cause_new(code, message);
    }
    cconc__ctx_signal_leave(ctx);
    cconc__node_end(ctx, ECANCELED, code, cause);
    cconc__cause_unref(cause);
}

int(cconc_ctx_err)(const cconc_ctx *ctx)
{
    MUST_ALIGN(ctx, cconc_ctx);
    return cconc__node_err((cconc_ctx *)(uintptr_t)ctx);
}

/* The context that tells the cause of ctx's end: a stack context has its source's, or none. One
 * that was seen to end on time before its source, whose deadline it has, ended for that. */
static const cconc_ctx *ctx_cause_teller(const cconc_ctx *ctx)
{
    cconc_ctx *source = cconc__node_source((cconc_ctx *)(uintptr_t)ctx);
    if (!cconc__node_ended_alone(ctx)) {
        return source;
    }
    if (cconc__node_deadline(source) == cconc__node_deadline(ctx)) {
        cconc__node_expire(source);
        if (cconc__node_err(source) == ETIMEDOUT) {
            return source;
        }
    }
    return NULL;
}

int cconc_ctx_cause(const cconc_ctx *ctx, const char **out_message)
{
    MUST_ALIGN(ctx, cconc_ctx);
    MUST_ALIGN(out_message, char *);
    int code = (cconc_ctx_err)(ctx);
    const cconc_ctx *teller;
    const char *message = NULL;
    if (code == 0) {
        return 0;
    }
    teller = ctx_cause_teller(ctx);
    if (teller && teller->code) {
        code = teller->code;
    }
    if (teller && teller->cause && teller->cause->message[0]) {
        message = teller->cause->message;
    }
    if (out_message) {
        *out_message = message ? message : cconc_strerror(code);
    }
    return code;
}

int64_t cconc_ctx_deadline(const cconc_ctx *ctx)
{
    MUST_ALIGN(ctx, cconc_ctx);
    return cconc__node_deadline(ctx);
}

void *cconc_ctx_value(const cconc_ctx *ctx, const void *key)
{
    MUST_ALIGN(ctx, cconc_ctx);
    while (ctx && ctx->head.kind == NODE_STACK) {
        ctx = ctx->head.parent;
    }
    ctx = ctx ? ctx->values : NULL;
    while (ctx) {
        const node_value *binding = (const node_value *)(const void *)ctx;
        if (binding->key == key) {
            return binding->value;
        }
        ctx = ctx->head.parent ? ctx->head.parent->values : NULL;
    }
    return NULL;
}

cconc_ctx *cconc_ctx_ref(cconc_ctx *ctx)
{
    MUST_ALIGN(ctx, cconc_ctx);
    if (ctx && ctx->head.kind != NODE_BACKGROUND && ctx->head.kind != NODE_STACK) {
        ref_get(&ctx->handles);
    }
    return ctx;
}

void cconc_ctx_free(cconc_ctx *ctx)
{
    MUST_ALIGN(ctx, cconc_ctx);
    if (!ctx || ctx->head.kind == NODE_BACKGROUND || ctx->head.kind == NODE_STACK) {
        return;
    }
    MUST(ref_count(&ctx->handles) > 0, "ctx free with no handle left");
    if (!ref_put(&ctx->handles)) {
        return;
    }
    if (ctx_is_cancellable(ctx)) {
        cconc__ctx_signal_leave(ctx);
        cconc__node_end(ctx, ECANCELED, 0, NULL);
    }
    cconc__node_unref(ctx);
}
