/* node.c - the cancellation tree under contexts
 * SPDX-License-Identifier: MIT
 *
 * Idea        All nodes below one root share one lock, so that ending a subtree, adding a child and
 *             queueing a wait are each one step to everybody else. Readers need no lock: state goes
 *             from 0 to its final value once.
 * Picture     parent --children--> [child] <-> [child] <-> (ring closed by the list itself)
 *                ^                    |
 *                +------ parent ------+
 * Invariants  I1 A node that has ended has only descendants that have ended, outside of mu.
 *             I2 state is stored after the cause, the claims of the waits and the hooks: whoever
 *                sees it finds all of that done. The descriptor is raised between its two stores,
 *                by whoever reads the first one too.
 *             I3 A child keeps its parent's memory; the parent does not keep the child's.
 *             I4 A live node has only live children: one that ends alone leaves the list.
 * Locks       tree->mu, rank CTX: every (m) field of every node of the tree. Timers are disarmed,
 *             and descriptors raised (0004), under it; waits are woken and functions called after
 *             it.
 * Ordering    node.1  node_end_one_locked(): store rel, cconc__node_ask(): cas acqrel ->
 *                     cconc__node_err(), node_ended(): load acq   cause, and all that came before
 *                     the cancel
 *             ref.1   ref_put(): sub acqrel -> ref_put(): sub acqrel, ref_is(): load acq   (lock)
 *                     every use before the last put
 * Lifetime    The lock lies in the root, which every node keeps through its parents. The last put
 *             of a node walks upwards in a loop: a chain of any length needs no stack.
 * Rejected    A lock a node: 40 bytes each, and two locks of one rank held to cancel (0003). */
#include "core/node.h"

#include "core/must.h"
#include "core/quiet.h"
#include "core/waiter.h"
#include "plat/alloc.h"
#include "plat/clock.h"
#include "plat/text.h"
#include "plat/thread.h"

#include <errno.h>

cconc_ctx cconc__node_background = {
    .head = {.kind = NODE_BACKGROUND, .deadline_ns = PLAT_NEVER},
};

node_cause *cconc__cause_new(int code, const char *message)
{
    node_cause *cause = cconc__alloc(sizeof(*cause));
    if (cause) {
        ref_init(&cause->refs, 1);
        cause->code = code;
        if (message) {
            cconc__text_copy(cause->message, sizeof(cause->message), message);
        }
    }
    return cause;
}

void cconc__cause_unref(node_cause *cause)
{
    if (cause && ref_put(&cause->refs)) {
        cconc__alloc_free(cause);
    }
}

static node_cause *cause_ref(node_cause *cause)
{
    if (cause) {
        ref_get(&cause->refs);
    }
    return cause;
}

static node_deadline *node_as_deadline(cconc_ctx *ctx)
{
    return ctx->head.kind == NODE_DEADLINE ? LIST_OF(ctx, node_deadline, ctx) : NULL;
}

int cconc__node_init(cconc_ctx *ctx, cconc_ctx *parent, node_kind kind, node_tree *own_tree)
{
    if (own_tree && cconc__lock_init(&own_tree->mu, RANK_CTX) != 0) {
        return ENOMEM;
    }
    if (parent == &cconc__node_background) {
        parent = NULL;
    }
    atom_init(&ctx->head.state, 0);
    ctx->head.kind = (uint32_t)kind;
    ctx->head.parent = parent;
    ctx->head.deadline_ns = kind == NODE_DETACHED ? PLAT_NEVER : cconc__node_deadline(parent);
    ctx->values = parent ? parent->values : NULL;
    if (kind == NODE_VALUE) {
        ctx->values = ctx;
    }
    if (own_tree) {
        ctx->tree = own_tree;
    } else if (parent && kind != NODE_DETACHED) {
        ctx->tree = parent->tree;
    }
    list_init(&ctx->sibling);
    list_init(&ctx->children);
    list_init(&ctx->watchers);
    ref_init(&ctx->handles, 1);
    ref_init(&ctx->refs, 1);
    if (parent) {
        ref_get(&parent->refs);
    }
    return 0;
}

static bool node_has_ended_locked(cconc_ctx *ctx)
{
    cconc__lock_assert_held(&ctx->tree->mu);
    return atom_load_rlx(&ctx->head.state) != 0; /* rlx: stored under the same lock */
}

/* Is ctx a node of its parent's tree, rather than the root of one or a node that never ends? */
static bool node_is_inner(const cconc_ctx *ctx)
{
    return ctx->tree && ctx->head.parent && ctx->head.parent->tree == ctx->tree;
}

void cconc__node_link(cconc_ctx *ctx)
{
    node_deadline *deadline = node_as_deadline(ctx);
    bool kick = false;
    if (!ctx->tree) {
        return;
    }
    lock_take(&ctx->tree->mu);
    if (node_is_inner(ctx) && node_has_ended_locked(ctx->head.parent)) {
        cconc_ctx *parent = ctx->head.parent;
        uint32_t state = atom_load_rlx(&parent->head.state); /* rlx: stored under the same lock */
        ctx->cause = cause_ref(parent->cause);
        ctx->code = parent->code;
        atom_store_rel(&ctx->head.state, state); /* [node.1] rel: the cause */
        if (deadline) {
            (void)cconc__timer_release(&deadline->due);
        }
    } else {
        if (node_is_inner(ctx)) {
            list_push_back(&ctx->head.parent->children, &ctx->sibling);
        }
        if (deadline) {
            ref_get(&ctx->refs); /* the timer's */
            kick = cconc__timer_arm(&deadline->due, ctx->head.deadline_ns);
        }
    }
    lock_leave(&ctx->tree->mu);
    if (kick) {
        cconc__timer_kick();
    }
}

cconc_ctx *cconc__node_source(cconc_ctx *ctx)
{
    while (ctx && ctx->head.kind == NODE_STACK) {
        ctx = ctx->head.parent;
    }
    return ctx && ctx->head.kind != NODE_BACKGROUND && ctx->tree ? ctx : NULL;
}

cconc_ctx *cconc__node_keep(cconc_ctx *ctx)
{
    cconc_ctx *source = cconc__node_source(ctx);
    if (source) {
        ref_get(&source->refs);
    }
    return source;
}

void cconc__node_drop(cconc_ctx *source)
{
    if (source) {
        cconc__node_unref(source);
    }
}

bool cconc__node_can_end(cconc_ctx *ctx)
{
    return cconc__node_deadline(ctx) != PLAT_NEVER || cconc__node_source(ctx) != NULL;
}

/* The code of a node of a tree. Whoever sees that it has ended finds the descriptor readable: one
 * that may not be raised yet is raised here. */
static int node_ended(cconc_ctx *ctx)
{
    uint32_t state = atom_load_acq(&ctx->head.state); /* [node.1] acq: as cconc__node_err() */
    if (state & NODE_SLOW) {
        ctx->descriptor->raise(ctx->descriptor);
    }
    return (int)(state & ~NODE_SLOW);
}

int cconc__node_ask(cconc_ctx *ctx)
{
    uint32_t found = atom_load_acq(&ctx->head.state); /* [node.1] acq: as cconc__node_err() */
    uint32_t state;
    cconc_ctx *source = cconc__node_source(ctx);
    if (source == ctx) {
        return node_ended(ctx);
    }
    if (found != NODE_ASK) { /* once seen to end it has ended, whatever the clock says by now */
        return (int)(found & ~NODE_SLOW);
    }
    state = source ? (uint32_t)node_ended(source) : 0;
    if (!state && plat_clock_now() >= ctx->head.deadline_ns) {
        state = NODE_SLOW | ETIMEDOUT;
    }
    /* [node.1] rel: what the source published goes on to whoever reads it here; acq: if another
     * thread was first, that it does */
    if (state && !atom_cas_acqrel_acq(&ctx->head.state, &found, state)) {
        state = found;
    }
    return (int)(state & ~NODE_SLOW);
}

bool cconc__node_ended_alone(const cconc_ctx *ctx)
{
    uint32_t state = atom_load_rlx(&ctx->head.state); /* rlx: the caller has seen it end */
    return ctx->head.kind == NODE_STACK && (state & NODE_SLOW);
}

static void node_end_watchers_locked(cconc_ctx *ctx, node_ending *ending)
{
    cconc__lock_assert_held(&ctx->tree->mu);
    while (!list_is_empty(&ctx->watchers)) {
        wait_node *node = LIST_OF(ctx->watchers.next, wait_node, link);
        list_remove(&node->link);
        node->queued = false;
        if (!node->w) {
            node_hook *hook = LIST_OF(node, node_hook, node);
            hook->ended_locked(hook);
            batch_add(&ending->hooks, node);
        } else if (waiter_claim(node->w, CLAIM_CANCEL, node->index)) {
            batch_add(&ending->wakes, node);
        }
    }
}

/* How a subtree ends. */
typedef struct node_verdict {
    int         err;
    int         code;
    node_cause *cause;
} node_verdict;

static void node_end_one_locked(cconc_ctx *ctx, const node_verdict *verdict, node_ending *ending)
{
    node_deadline *deadline = node_as_deadline(ctx);
    cconc__lock_assert_held(&ctx->tree->mu);
    if (deadline && cconc__timer_release(&deadline->due)) {
        bool last = ref_put(&ctx->refs); /* the timer's */
        CHECK(!last);
        (void)last;
    }
    ctx->cause = cause_ref(verdict->cause);
    ctx->code = verdict->code;
    node_end_watchers_locked(ctx, ending);
    if (ctx->descriptor) { /* who is woken by the descriptor must not be told that ctx is live */
        /* [node.1] rel: all of the above, and descriptor */
        atom_store_rel(&ctx->head.state, NODE_SLOW | (uint32_t)verdict->err);
        ctx->descriptor->raise(ctx->descriptor);
    }
    atom_store_rel(&ctx->head.state, (uint32_t)verdict->err); /* [node.1] rel: all of the above */
}

/* The node after ctx in the walk below top. */
static cconc_ctx *node_next_locked(cconc_ctx *top, cconc_ctx *ctx)
{
    cconc__lock_assert_held(&top->tree->mu);
    if (!list_is_empty(&ctx->children)) {
        return LIST_OF(ctx->children.next, cconc_ctx, sibling);
    }
    while (ctx != top) {
        cconc_ctx *parent = ctx->head.parent;
        if (ctx->sibling.next != &parent->children) {
            return LIST_OF(ctx->sibling.next, cconc_ctx, sibling);
        }
        ctx = parent;
    }
    return NULL;
}

static void node_run_hooks(node_ending *ending)
{
    wait_node *node = ending->hooks.first;
    while (node) {
        list_link *next = node->link.next;
        node_hook *hook = LIST_OF(node, node_hook, node);
        node = next ? LIST_OF(next, wait_node, link) : NULL;
        hook->ended(hook);
    }
}

void cconc__node_end_begin(cconc_ctx *ctx, int err, int code, node_cause *cause,
                           node_ending *out_ending)
{
    node_verdict verdict = {err, code, cause};
    cconc_ctx *at = ctx;
    *out_ending = (node_ending){WAKE_BATCH_INIT, WAKE_BATCH_INIT};
    lock_take(&ctx->tree->mu);
    if (!node_has_ended_locked(ctx)) {
        while (at) {
            CHECK(!node_has_ended_locked(at)); /* I4 */
            node_end_one_locked(at, &verdict, out_ending);
            at = node_next_locked(ctx, at);
        }
        list_remove(&ctx->sibling);
    }
    lock_leave(&ctx->tree->mu);
}

void cconc__node_end_finish(node_ending *ending)
{
    batch_wake(&ending->wakes);
    node_run_hooks(ending);
    cconc__quiet_tell(); /* the last armed timer may have been disarmed */
}

void cconc__node_end(cconc_ctx *ctx, int err, int code, node_cause *cause)
{
    node_ending ending;
    cconc__node_end_begin(ctx, err, code, cause, &ending);
    cconc__node_end_finish(&ending);
}

void cconc__node_end_on_time(cconc_ctx *ctx)
{
    node_deadline *deadline = node_as_deadline(ctx);
    node_cause *cause = deadline ? deadline->on_time : NULL;
    cconc__node_end(ctx, ETIMEDOUT, cause ? cause->code : 0, cause);
}

void cconc__node_expire_at(cconc_ctx *ctx, int64_t passed_ns)
{
    cconc_ctx *source = cconc__node_source(ctx);
    uint32_t found = NODE_ASK;
    if (cconc__node_deadline(ctx) > passed_ns) {
        return;
    }
    if (cconc__node_deadline(source) <= passed_ns) {
        while (node_is_inner(source) &&
               source->head.parent->head.deadline_ns == source->head.deadline_ns) {
            source = source->head.parent;
        }
        cconc__node_end_on_time(source);
    }
    if (ctx->head.kind == NODE_STACK && !cconc__node_err(ctx)) {
        /* [node.1] as cconc__node_ask() */
        (void)atom_cas_acqrel_acq(&ctx->head.state, &found, NODE_SLOW | ETIMEDOUT);
    }
}

void cconc__node_expire(cconc_ctx *ctx)
{
    if (cconc__node_deadline(ctx) != PLAT_NEVER) {
        cconc__node_expire_at(ctx, plat_clock_now());
    }
}

bool cconc__node_watch(cconc_ctx *ctx, wait_node *node)
{
    bool live;
    lock_take(&ctx->tree->mu);
    live = !node_has_ended_locked(ctx);
    if (live) {
        ref_get(&ctx->refs);
        list_push_back(&ctx->watchers, &node->link);
        node->queued = true;
    }
    lock_leave(&ctx->tree->mu);
    return live;
}

bool cconc__node_unwatch(cconc_ctx *ctx, wait_node *node)
{
    bool queued;
    lock_take(&ctx->tree->mu);
    queued = node->queued;
    if (queued) {
        list_remove(&node->link);
        node->queued = false;
    }
    lock_leave(&ctx->tree->mu);
    cconc__node_unref(ctx);
    return queued;
}

size_t cconc__node_watchers(cconc_ctx *ctx)
{
    size_t count = 0;
    ctx = cconc__node_source(ctx);
    if (ctx) {
        lock_take(&ctx->tree->mu);
        for (list_link *at = ctx->watchers.next; at != &ctx->watchers; at = at->next) {
            count++;
        }
        lock_leave(&ctx->tree->mu);
    }
    return count;
}

/* Give back what the kind owns, and the memory. Returns a binding whose value is to be destroyed
 * yet: last of all, it is the user's function. */
static node_value *node_release(cconc_ctx *ctx)
{
    node_deadline *deadline = node_as_deadline(ctx);
    if (ctx->descriptor) {
        ctx->descriptor->release(ctx->descriptor);
    }
    CHECK(list_is_empty(&ctx->children) && list_is_empty(&ctx->watchers));
    if (deadline) {
        cconc__cause_unref(deadline->on_time);
    }
    if (ctx->head.kind == NODE_SIGNAL) {
        cconc__cause_unref(LIST_OF(ctx, node_signal, ctx)->on_signal);
    }
    cconc__cause_unref(ctx->cause);
    if (ctx->head.kind != NODE_VALUE || !LIST_OF(ctx, node_value, ctx)->destroy) {
        cconc__alloc_free(ctx);
        return NULL;
    }
    return LIST_OF(ctx, node_value, ctx);
}

/* Hand released bindings to their destroy functions, each out of the way first: one may end the
 * thread, and then this comes again for the others. */
static void node_destroy_values(void *arg)
{
    node_value **first = arg;
    while (*first) {
        node_value *released = *first;
        void (*destroy)(void *value) = released->destroy;
        void *value = released->value;
        *first = released->released;
        cconc__alloc_free(released);
        destroy(value);
    }
}

void cconc__node_unref(cconc_ctx *ctx)
{
    node_value *first = NULL;
    node_value **last = &first;
    while (ctx && ref_put(&ctx->refs)) {
        cconc_ctx *parent = ctx->head.parent;
        node_value *released;
        if (node_is_inner(ctx)) {
            lock_take(&ctx->tree->mu);
            list_remove(&ctx->sibling);
            lock_leave(&ctx->tree->mu);
        } else if (ctx->tree) {
            cconc__lock_destroy(&ctx->tree->mu);
        }
        released = node_release(ctx);
        if (released) {
            *last = released;
            last = &released->released;
        }
        ctx = parent;
    }
    if (first) {
        cconc__thread_insist(node_destroy_values, &first);
    }
}
