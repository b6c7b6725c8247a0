/* waiter.h - how a thread blocks: one waiter, whatever it waits for
 * SPDX-License-Identifier: MIT
 *
 * Key  (i) immutable while armed  (a) atomic  (o) only the owner  (q) under the context's lock
 *
 * A blocking call tries, arms a waiter, enqueues it, parks, settles (STYLE: the one shape). A waker
 * claims under the lock of its object, adds the node to a batch, and wakes the batch after the
 * lock.
 */
#ifndef CORE_WAITER_H
#define CORE_WAITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/clock.h"
#include "core/node.h"
#include "core/self.h"
#include "core/waitq.h"
#include "plat/atomic.h"
#include "plat/clock.h"

/* What the claim word says in its low bits; the rest is the index of the node that was claimed. */
typedef enum claim_kind {
    CLAIM_WAITING = 0, /* nobody has decided */
    CLAIM_GRANT = 1,   /* a peer handed over what was waited for */
    CLAIM_READY = 2,   /* a peer says: try again now; the owner must report back to the object */
    CLAIM_CLOSE = 3,   /* the object was closed */
    CLAIM_CANCEL = 4,  /* a context ended */
    CLAIM_TIMEOUT = 5, /* the owner saw its deadline pass */
    CLAIM_SELF = 6,    /* the owner took itself out */
    CLAIM_FORKED = 7,  /* the wait is in a forked child: nobody is there to end it */
} claim_kind;

typedef struct waiter {
    atom_u32   claim;       /* (a) index << CLAIM_BITS | flags | claim_kind [claim.1] */
    bool       watching;    /* (o) done is queued at ctx */
    bool       is_due;      /* (o) the virtual clock released the wait, and waits for its end */
    self      *owner;       /* (i) */
    cconc_ctx *ctx;         /* (i) the node whose end ends the wait, or NULL */
    int64_t    deadline_ns; /* (i) the earliest of all deadlines */
    wait_node  done;        /* (q) our place among ctx's watchers */
} waiter;

/* A waiter with its only node, so placed that a hand-over touches one cache line of its owner's. */
typedef struct lone_waiter {
    _Alignas(ATOM_LINE) wait_node node;
    waiter w;
} lone_waiter;

_Static_assert(sizeof(void *) != 8 || ATOM_LINE < 64 ||
                   offsetof(lone_waiter, w) + offsetof(waiter, ctx) <= ATOM_LINE,
               "node, claim and owner lie in one line");

#define CLAIM_KIND 7u    /* the bits of claim_kind */
#define CLAIM_PARKED 8u  /* the owner sleeps, or is about to: the post must unpark it */
#define CLAIM_POSTED 16u /* the winner has done all it had to do */
#define CLAIM_BITS 5u

/* Begin a wait that ends with ctx at the latest; ctx's memory is kept until it is over. In a forked
 * child it has ended before it begins. */
void cconc__waiter_arm(waiter *w, cconc_ctx *ctx);

/* The wait is over, its outcome settled, and ctx is not looked at any more. */
static inline void waiter_disarm(waiter *w)
{
    if (w->ctx) {
        cconc__node_unref(w->ctx);
    }
    if (w->is_due) {
        cconc__clock_settle();
    }
}

/* Let w's wait end at deadline_ns at the latest. */
static inline void waiter_limit(waiter *w, int64_t deadline_ns)
{
    if (deadline_ns < w->deadline_ns) {
        w->deadline_ns = deadline_ns;
    }
}

/* Prepare node, the index-th of w, for a queue. */
static inline void wait_node_init(wait_node *node, waiter *w, void *elem, uint32_t index)
{
    node->w = w;
    node->elem = elem;
    node->since_ns = 0;
    node->index = index;
    node->queued = false;
}

static inline claim_kind waiter_kind(const waiter *w)
{
    return (claim_kind)(atom_load_rlx(&w->claim) & CLAIM_KIND); /* rlx: see waiter.c */
}

static inline uint32_t waiter_index(const waiter *w)
{
    return atom_load_rlx(&w->claim) >> CLAIM_BITS; /* rlx: see waiter.c */
}

/* Decide how w's wait ends. Returns false if that is decided already. A winner that is not the
 * owner then posts, exactly once; until then the waiter's memory stays. */
static inline bool waiter_claim(waiter *w, claim_kind kind, uint32_t index)
{
    uint32_t claim = atom_load_rlx(&w->claim); /* rlx: the swap below decides */
    uint32_t outcome = (index << CLAIM_BITS) | (uint32_t)kind;
    while ((claim & CLAIM_KIND) == CLAIM_WAITING) {
        /* rlx: only picks a winner; [claim.1] and [park.1] carry */
        if (atom_cas_weak_rlx_rlx(&w->claim, &claim, outcome | claim)) {
            return true;
        }
    }
    return false;
}

/* Claim the oldest of q's waiters that is not decided yet, for batch, and take those before it out.
 * Returns its node, or NULL if there is none. Under the lock of q. */
static inline wait_node *waiter_claim_first(waitq *q, claim_kind kind, wake_batch *batch)
{
    wait_node *node;
    while ((node = waitq_first(q)) != NULL) {
        waitq_remove(q, node);
        if (waiter_claim(node->w, kind, node->index)) {
            batch_add(batch, node);
            return node;
        }
    }
    return NULL;
}

static inline void waiter_claim_all(waitq *q, claim_kind kind, wake_batch *batch)
{
    while (waiter_claim_first(q, kind, batch)) {
    }
}

/* Claim and post in one step for a waiter that nobody else can claim: it is in no queue. index is
 * for the owner to read. */
void cconc__waiter_grant(waiter *w, uint32_t index);

/* Spin for a moment, looking for the post and at the context. Returns true if it was posted. */
bool cconc__waiter_spin(waiter *w);

/* Sleep until the claim is decided: by a peer, by the context, or by the deadline. Spin first if
 * may_spin. Afterwards waiter_kind tells who won; the node at the context is out of its queue. */
void cconc__waiter_park(waiter *w, bool may_spin);

/* Sleep until until_ns, at once if that has come. Returns 0, or the code of ctx if it ended before.
 */
int cconc__waiter_sleep(cconc_ctx *ctx, int64_t until_ns);

/* Take w out of the wait by the owner's own decision. Returns false if somebody else had decided;
 * that one has then posted, and waiter_kind tells. */
bool cconc__waiter_withdraw(waiter *w);

/* The owner has found that somebody else decided: wait for the post. */
void cconc__waiter_take_post(waiter *w);

/* Give the code of a wait that a context, the deadline or a fork ended, having marked the context;
 * before disarming. */
int cconc__waiter_error(const waiter *w, cconc_ctx *ctx);

/* The same where the code of a user's function was waited for: EINPROGRESS for a context. */
int cconc__waiter_gave_up(const waiter *w, cconc_ctx *ctx);

/* Wake the claimed waiters of batch, holding no lock; their memory is theirs again. */
void cconc__waiter_wake_batch(wake_batch *batch);

static inline void batch_wake(wake_batch *batch)
{
    if (batch->first) {
        cconc__waiter_wake_batch(batch);
    }
}

#endif
