/* waiter.c - how a thread blocks
 * SPDX-License-Identifier: MIT
 *
 * Idea        A blocked thread is one waiter on its own stack, whether it waits for one object or
 *             for ten. The first compare-and-swap that moves the claim word off WAITING decides the
 *             outcome; all others lose, and a loser that had something to give passes it on.
 * Picture             arm()                  claim(kind, index): one CAS wins
 *             (new) --------> WAITING --------------------------------> CLAIMED(kind, index)
 *                              |   ^                                        |
 *                              |   +-- spurious wake: park again            |
 *                              |                                            v
 *                              +-- the owner's own claim ----------> the owner leaves all queues
 *             GRANT, READY, CLOSE by a peer, under the lock of the object; CANCEL by the thread
 *             that ends the context, under its tree's lock; TIMEOUT and SELF by the owner.
 * Invariants  I1 The claim word leaves WAITING once between arm and the next arm.
 *             I2 Each claim that the owner did not win itself posts exactly one wake, and the owner
 *                takes that wake before it leaves: a parker never holds an old one.
 *             I3 A wait is among its context's watchers only while it sleeps, not while it spins:
 *                a spinning owner looks at the context itself.
 * Locks       None of its own; links belong to the lock of the object whose queue it is.
 * Ordering    claim is relaxed: it only picks a winner. [park.1] (parker.c) carries the claim and
 *             all that the winner wrote to the owner; the owner's own claims are its own stores.
 * Lifetime    The winner touches the waiter and its nodes until it posts, and nothing of them
 *             afterwards: the parker it posts to is type-stable (self.c). Losers look only under a
 *             lock that the owner takes to leave the queue.
 * Rejected    One condition variable per object: herds, and lost signals in old glibc (0002).
 *             Registering with the context before spinning: two lock round trips on every wait. */
#include "core/waiter.h"

#include "core/executor.h"
#include "core/lock.h"
#include "core/must.h"
#include "core/spin.h"

#include <errno.h>

void cconc__waiter_arm(waiter *w, cconc_ctx *ctx)
{
    cconc__lock_assert_none();
    atom_init(&w->claim, CLAIM_WAITING);
    w->owner = self_get();
    w->watching = false;
    w->ctx = cconc__node_source(ctx);
    w->deadline_ns = cconc__node_deadline(ctx);
    if (w->ctx) {
        wait_node_init(&w->done, w, NULL, 0);
    }
}

/* Spin, looking for the wake and at the context. Returns true if the wake was taken. */
static bool waiter_spin(waiter *w)
{
    spinner s;
    bool woken = false;
    cconc__spin_begin(&s, w->owner);
    do {
        woken = parker_poll(&w->owner->parker);
    } while (!woken && !(w->ctx && cconc__node_err(w->ctx)) && cconc__spin_again(&s));
    cconc__spin_end(&s, woken);
    return woken;
}

void cconc__waiter_take_wake(waiter *w)
{
    cconc__lock_assert_none();
    while (!cconc__parker_park(&w->owner->parker, PLAT_NEVER)) {
    }
}

static void waiter_learn(waiter *w)
{
    parker *p = &w->owner->parker;
    if (p->posted_ns != 0) {
        cconc__spin_learn(plat_clock_now() - p->posted_ns);
        p->posted_ns = 0;
    }
}

/* Sleep until the wake has been taken, or the deadline claim is ours. */
static void waiter_sleep(waiter *w)
{
    bool counted = cconc__executor_block_begin(w->owner);
    if (cconc__parker_park(&w->owner->parker, w->deadline_ns)) {
        waiter_learn(w);
    } else if (!waiter_claim(w, CLAIM_TIMEOUT, 0)) {
        cconc__waiter_take_wake(w);
    }
    if (counted) {
        cconc__executor_block_end(w->owner);
    }
}

void cconc__waiter_park(waiter *w, bool may_spin)
{
    if (may_spin && waiter_spin(w)) {
        return;
    }
    if (w->ctx && !cconc__node_watch(w->ctx, &w->done)) {
        if (!waiter_claim(w, CLAIM_CANCEL, 0)) {
            cconc__waiter_take_wake(w);
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
    if (waiter_claim(w, CLAIM_SELF, 0)) {
        return true;
    }
    cconc__waiter_take_wake(w);
    return false;
}

int cconc__waiter_error(const waiter *w, cconc_ctx *ctx)
{
    if (waiter_kind(w) == CLAIM_TIMEOUT) {
        cconc__node_expire(ctx);
    }
    return cconc__node_err(ctx);
}

static void waiter_post(self *owner)
{
    if (parker_is_parked(&owner->parker)) {
        owner->parker.posted_ns = plat_clock_now();
    }
    (void)cconc__parker_unpark(&owner->parker);
}

void cconc__waiter_wake_batch(wake_batch *batch)
{
    wait_node *node = batch->first;
    cconc__lock_assert_none();
    while (node) {
        list_link *next = node->link.next;
        self *owner = node->w->owner;
        node = next ? LIST_OF(next, wait_node, link) : NULL;
        waiter_post(owner); /* the last touch of that waiter */
    }
    batch->first = NULL;
    batch->last = NULL;
}
