/* node.h - the cancellation tree under contexts
 * SPDX-License-Identifier: MIT
 *
 * Key  (i) immutable after new  (a) atomic  (m) under the tree's lock  (e node.1) published by that
 *      edge  (o) only the thread named
 */
#ifndef CORE_NODE_H
#define CORE_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cconc/base.h>

#include "core/list.h"
#include "core/lock.h"
#include "core/ref.h"
#include "core/timer.h"
#include "core/waitq.h"
#include "plat/atomic.h"
#include "plat/clock.h"

/* With this bit in state the code alone does not tell all, see cconc__node_ask(). NODE_SLOW | code
 * of a node that has ended says that its descriptor may not be raised yet; of a stack context, that
 * its own deadline has ended it and not its source; NODE_ASK that a stack context has not been seen
 * to end: only the clock and the source know. */
#define NODE_SLOW 0x80000000u
#define NODE_ASK 0xFFFFFFFFu

typedef enum node_kind {
    NODE_BACKGROUND, /* never ends */
    NODE_STACK,      /* a node_head in the caller's memory, linked to nothing */
    NODE_VALUE,      /* ends with its parent */
    NODE_DETACHED,   /* without_cancel: never ends */
    NODE_CANCEL,     /* can be cancelled */
    NODE_DEADLINE,   /* a node_deadline: can be cancelled, and has a timer */
    NODE_SIGNAL,     /* a node_signal: can be cancelled, also by signals */
} node_kind;

/* Why a context ended, with words; shared by all of the subtree that it ended. */
typedef struct node_cause {
    ref     refs;
    int32_t code;
    char    message[256];
} node_cause;

/* The lock of all nodes below one root; it lies in the root's memory, which its children keep. */
typedef struct node_tree {
    lock mu; /* rank CTX; guards (m) of every node of the tree */
} node_tree;

/* What every context has; all that a stack context has. */
typedef struct node_head {
    atom_u32   state;       /* (a) 0 live, else errno for good, NODE_SLOW [node.1]; ctx.h has it */
    uint32_t   kind;        /* (i) node_kind */
    int64_t    deadline_ns; /* (i) the earliest on the way up, PLAT_NEVER for none */
    cconc_ctx *parent;      /* (i) kept by a reference, but for NODE_STACK; NULL = background */
} node_head;

struct cconc_ctx {
    node_head   head;
    node_tree  *tree;     /* (i) NULL = can never end */
    list_link   sibling;  /* (m) in the parent's children, or alone */
    list_link   children; /* (m) live or done, as long as they have memory */
    list_link   watchers; /* (m) wait_nodes: blocked waits, and hooks */
    ref         handles;  /* the users' */
    ref         refs;     /* of the memory: one for all handles, one a child, wait, hook, timer */
    node_cause *cause;    /* (e node.1) one reference; NULL = no message */
    int32_t     code;     /* (e node.1) the cause's code, 0 = the same as err */
    cconc_ctx  *values;   /* (i) the nearest value node, this one included */
    struct node_descriptor *descriptor; /* (m) or NULL; (e node.1) once state is not 0 */
};

typedef struct node_root {
    cconc_ctx ctx;
    node_tree tree;
} node_root;

/* A deadline is a node with a timer, which keeps a reference while it is armed. The timer service
 * has room for it until it fires, or the node ends. */
typedef struct node_deadline {
    cconc_ctx   ctx;
    timer       due;
    node_cause *on_time; /* (i) what to record if the deadline ends it; one reference, or NULL */
} node_deadline;

/* A context that signals end; the signal service writes the message. */
typedef struct node_signal {
    cconc_ctx   ctx;
    node_cause *on_signal; /* (i) one reference */
} node_signal;

/* A binding. */
typedef struct node_value {
    cconc_ctx   ctx;
    const void *key;                /* (i) */
    void       *value;              /* (i) */
    void (*destroy)(void *value);   /* (i) or NULL */
    struct node_value *released;    /* (o) of the thread that releases it: the next one */
} node_value;

/* Something else than a wait that follows the end of a context. */
typedef struct node_hook {
    wait_node node;                           /* w is NULL: that is how it is told from a wait */
    void (*ended_locked)(struct node_hook *hook); /* (i) under the tree's lock, before err shows */
    void (*ended)(struct node_hook *hook);        /* (i) after it */
} node_hook;

/* What can be polled for the end of a context. */
typedef struct node_descriptor {
    /* (i) Under the tree's lock, just after err shows, and by anybody who reads err at that moment:
     * async-signal-safe, and as good twice as once. */
    void (*raise)(struct node_descriptor *descriptor);
    void (*release)(struct node_descriptor *descriptor); /* (i) with the context's memory */
} node_descriptor;

extern cconc_ctx cconc__node_background;

/* Make ctx, zeroed memory, a node of kind below parent: in own_tree, whose lock it makes, else in
 * parent's tree. It takes a reference on parent, and has one handle and one reference. Returns 0 or
 * ENOMEM with nothing done. */
int cconc__node_init(cconc_ctx *ctx, cconc_ctx *parent, node_kind kind, node_tree *own_tree);

/* Put ctx into the tree and arm its timer, or let it be born done with its parent's cause. */
void cconc__node_link(cconc_ctx *ctx);

/* Give what really ends: ctx, or what is below it if it is a stack context; NULL if nothing
 * ever. */
cconc_ctx *cconc__node_source(cconc_ctx *ctx);

/* Keep the memory of ctx's source, so that the last handle may go meanwhile; no longer. */
cconc_ctx *cconc__node_keep(cconc_ctx *ctx);
void       cconc__node_drop(cconc_ctx *source);

/* Give the earliest deadline of ctx. */
static inline int64_t cconc__node_deadline(const cconc_ctx *ctx)
{
    return ctx ? ctx->head.deadline_ns : PLAT_NEVER;
}

/* Tell whether anything can ever end ctx. */
bool cconc__node_can_end(cconc_ctx *ctx);

/* Give what cconc__node_err() gives where state has NODE_SLOW. Async-signal-safe. */
int cconc__node_ask(cconc_ctx *ctx);

/* Tell whether ctx, which has ended, did so by its own deadline and not with its source. */
bool cconc__node_ended_alone(const cconc_ctx *ctx);

/* Give 0, or the code with which ctx ended. */
static inline int cconc__node_err(cconc_ctx *ctx)
{
    uint32_t state;
    if (!ctx) {
        return 0;
    }
    state = atom_load_acq(&ctx->head.state); /* [node.1] acq: cause, and all before the end */
    return state & NODE_SLOW ? cconc__node_ask(ctx) : (int)state;
}

/* End ctx and its subtree with err. code is the cause's, 0 = err; cause, with its message, may be
 * NULL and stays the caller's. */
void cconc__node_end(cconc_ctx *ctx, int err, int code, node_cause *cause);

/* The same in two steps: the end itself, which may be taken under a lock of lower rank, then the
 * waking and calling, under none. */
typedef struct node_ending {
    wake_batch wakes;
    wake_batch hooks;
} node_ending;

void cconc__node_end_begin(cconc_ctx *ctx, int err, int code, node_cause *cause,
                           node_ending *out_ending);
void cconc__node_end_finish(node_ending *ending);

/* End ctx because its own deadline has passed, with the cause given for that. */
void cconc__node_end_on_time(cconc_ctx *ctx);

/* If the deadline of ctx has passed mark it, and whichever above it that deadline belongs to. */
void cconc__node_expire(cconc_ctx *ctx);

/* The same where the clock was seen to have come to passed_ns. It may say less now: a virtual one
 * may have taken the real one's place. */
void cconc__node_expire_at(cconc_ctx *ctx, int64_t passed_ns);

/* Queue a wait or hook at ctx, with a reference. Returns false, nothing done, if ctx has ended. */
bool cconc__node_watch(cconc_ctx *ctx, wait_node *node);

/* Take it out and drop the reference. Returns false if the end of ctx had taken it out before. */
bool cconc__node_unwatch(cconc_ctx *ctx, wait_node *node);

/* Give the number of waits and hooks queued at ctx. */
size_t cconc__node_watchers(cconc_ctx *ctx);

/* Drop one reference; the last one releases ctx, and so on upwards. */
void cconc__node_unref(cconc_ctx *ctx);

/* Make a cause with room for a message; NULL if there is no memory. */
node_cause *cconc__cause_new(int code, const char *message);
void        cconc__cause_unref(node_cause *cause);

#endif
