/* waiter.c - how a thread blocks
 * SPDX-License-Identifier: MIT
 *
 * Idea        A blocked thread is one waiter on its own stack, whether it waits for one object or
 *             for ten. The first compare-and-swap that moves the claim word off WAITING decides the
 *             outcome; all others lose, and a loser that had something to give passes it on. The
 *             winner hands over what it has, then posts in the same word; only an owner that has
 *             said PARKED there is unparked, so a hand-over to a spinning owner touches one cache
 *             line.
 * Picture             arm()                 claim(kind, index): one CAS wins         post
 *             (new) --------> WAITING ------------------------------> CLAIMED ------> POSTED
 *                              |   |                                     |
 *                              |   +--- the owner may add PARKED here ---+
 *                              +--- the owner's own claim: TIMEOUT, SELF, CANCEL ---> it leaves
 *             GRANT, READY, CLOSE by a peer, under the lock of the object; CANCEL by the thread
 *             that ends the context, under its tree's lock. In a forked child arm() itself leads to
 *             POSTED, as FORKED: the wait ends like any other, and never sleeps.
 * Invariants  I1 The claim word leaves WAITING once between arm and the next arm.
 *             I2 Each claim that the owner did not win itself is posted exactly once, and the owner
 *                does not leave before. If PARKED came before POSTED there is exactly one unpark,
 *                and the owner takes it: a parker never holds an old one.
 *             I3 A wait is among its context's watchers only while it sleeps, not while it spins: a
 *                spinning owner looks at the context itself.
 * Locks       None of its own; links belong to the lock of the object whose queue it is.
 * Ordering    claim.1  waiter_post(): or rel -> waiter_is_posted(), waiter_say_parked(): load acq,
 *                      cas acq    all that the winner wrote; for an owner that sleeps [park.1]
 *             The claim itself is relaxed: it only picks a winner. The owner's own claims are its
 *             own stores.
 * Lifetime    The winner touches the waiter and its nodes until it posts, and nothing of them
 *             afterwards: the parker it unparks is type-stable (self.c). Losers look only under a
 *             lock that the owner takes to leave the queue.
 *             An armed waiter keeps its context: the last handle may go while the wait lasts. Each
 *             one that parked with a deadline is disarmed: the virtual clock waits for it.
 * Rejected    One condition variable per object: herds, and lost signals in old glibc (0002).
 *             Posting through the parker alone: one more line moves between the cores on every
 *             hand-over. Registering with the context before spinning: two lock round trips on
 *             every wait. */
#include "core/waiter.h"

#include "core/executor.h"
#include "core/lock.h"
#include "core/must.h"
#include "core/spin.h"
#include "plat/fork.h"

#include <errno.h>

void cconc__waiter_arm(waiter *w, cconc_ctx *ctx)
{
    cconc__lock_assert_none();
    atom_init(&w->claim, plat_fork_is_ours() ? CLAIM_WAITING : CLAIM_FORKED | CLAIM_POSTED);
    w->owner = self_get();
    w->watching = false;
    w->is_due = false;
    w->ctx = cconc__node_source(ctx);
    w->deadline_ns = cconc__node_deadline(ctx);
    if (w->ctx) {
        ref_get(&w->ctx->refs);
        wait_node_init(&w->done, w, NULL, 0);
    }
}

static bool waiter_is_posted(const waiter *w)
{
    return (atom_load_acq(&w->claim) & CLAIM_POSTED) != 0; /* [claim.1] acq: the winner's writes */
}

bool cconc__waiter_spin(waiter *w)
{
    spinner s;
    bool posted;
    cconc__spin_begin(&s, w->owner);
    do {
        posted = waiter_is_posted(w);
    } while (!posted && !(w->ctx && cconc__node_err(w->ctx)) && cconc__spin_again(&s));
    cconc__spin_end(&s, posted);
    return posted;
}

/* Tell the winner to unpark us. Returns false if it has posted. */
static bool waiter_say_parked(waiter *w)
{
    uint32_t claim = atom_load_acq(&w->claim); /* [claim.1] acq: as waiter_is_posted() */
    while (!(claim & CLAIM_POSTED)) {
        /* [claim.1] acq: as waiter_is_posted() */
        if (atom_cas_weak_acq_acq(&w->claim, &claim, claim | CLAIM_PARKED)) {
            return true;
        }
    }
    return false;
}

/* Having said so: sleep until unparked. */
static void waiter_sleep_on(waiter *w)
{
    bool woken = cconc__parker_park(&w->owner->parker, PLAT_NEVER);
    CHECK(woken);
    (void)woken;
}

void cconc__waiter_take_post(waiter *w)
{
    cconc__lock_assert_none();
    if (!waiter_is_posted(w) && waiter_say_parked(w)) {
        waiter_sleep_on(w);
    }
}

/* Sleep until posted, or until the deadline claim is ours. */
static void waiter_sleep(waiter *w)
{
    bool counts = w->owner->executor != NULL;
    if (!waiter_say_parked(w)) {
        return;
    }
    if (w->owner->is_due) { /* before the clock is told to go on */
        cconc__parker_aim(&w->owner->parker, w->deadline_ns);
    }
    if (counts) {
        cconc__executor_block_begin(w->owner);
    }
    if (cconc__parker_park(&w->owner->parker, w->deadline_ns)) {
        cconc__spin_learn(plat_clock_real() - w->owner->parker.posted_ns);
    } else if (!waiter_claim(w, CLAIM_TIMEOUT, 0)) {
        waiter_sleep_on(w);
    }
    w->is_due = parker_take_due(&w->owner->parker);
    if (counts) {
        cconc__executor_block_end(w->owner);
    }
}

void cconc__waiter_park(waiter *w, bool may_spin)
{
    if (waiter_kind(w) == CLAIM_FORKED || (may_spin && cconc__waiter_spin(w))) {
        return;
    }
    if (w->ctx && !cconc__node_watch(w->ctx, &w->done)) {
        if (!waiter_claim(w, CLAIM_CANCEL, 0)) {
            cconc__waiter_take_post(w);
        }
        return;
    }
    w->watching = w->ctx != NULL;
    waiter_sleep(w);
    if (w->watching) {
        cconc__node_unwatch(w->ctx, &w->done);
        w->watching = false;
    }
}

bool cconc__waiter_withdraw(waiter *w)
{
    if (waiter_claim(w, CLAIM_SELF, 0) || waiter_kind(w) == CLAIM_FORKED) {
        return true;
    }
    cconc__waiter_take_post(w);
    return false;
}

int cconc__waiter_error(const waiter *w, cconc_ctx *ctx)
{
    int err;
    if (waiter_kind(w) == CLAIM_TIMEOUT) {
        cconc__node_expire_at(ctx, w->deadline_ns);
    }
    err = cconc__node_err(ctx);
    return !err && waiter_kind(w) == CLAIM_FORKED ? ENOTRECOVERABLE : err;
}

int cconc__waiter_gave_up(const waiter *w, cconc_ctx *ctx)
{
    int err = cconc__waiter_error(w, ctx);
    return err == ENOTRECOVERABLE ? err : EINPROGRESS;
}

int cconc__waiter_sleep(cconc_ctx *ctx, int64_t until_ns)
{
    int err = 0;
    /* Again if the real clock ended the wait, and a virtual one that is behind is there since. */
    while (!err && plat_clock_now() < until_ns) {
        waiter w;
        cconc__waiter_arm(&w, ctx);
        waiter_limit(&w, until_ns);
        cconc__waiter_park(&w, false);
        if (plat_clock_now() < until_ns) {
            err = cconc__waiter_error(&w, ctx);
        }
        waiter_disarm(&w);
    }
    return err;
}

/* Add bits, POSTED among them: the last touch of w. The owner's record stays. */
static void waiter_post(waiter *w, uint32_t bits)
{
    self *owner = w->owner;
    uint32_t claim = atom_or_rel(&w->claim, bits); /* [claim.1] rel: what was handed over */
    if (claim & CLAIM_PARKED) {
        owner->parker.posted_ns = plat_clock_real();
        (void)cconc__parker_unpark(&owner->parker);
    }
}

void cconc__waiter_grant(waiter *w, uint32_t index)
{
    cconc__lock_assert_none();
    waiter_post(w, (index << CLAIM_BITS) | CLAIM_GRANT | CLAIM_POSTED);
}

void cconc__waiter_wake_batch(wake_batch *batch)
{
    wait_node *node = batch->first;
    cconc__lock_assert_none();
    while (node) {
        list_link *next = node->link.next;
        waiter *w = node->w;
        node = next ? LIST_OF(next, wait_node, link) : NULL;
        waiter_post(w, CLAIM_POSTED);
    }
    batch->first = NULL;
    batch->last = NULL;
}
