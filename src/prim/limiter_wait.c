/* limiter_wait.c - how a wait for tokens sleeps, and what ends it
 * SPDX-License-Identifier: MIT
 *
 * Idea        A wait reserves and sleeps until its time to act: nobody has to wake it, so waits act
 *             in the order in which they reserved. Only one whose time does not come at this rate
 *             reserves nothing: it queues, and each change of rate or burst, and each cancellation,
 *             sends all of those to look again.
 * Invariants  I1 A wait that has queued holds no tokens.
 *             I2 A wait that returns a code has given back what it had reserved.
 * Locks       The limiter's mu, rank LIMITER: the queue. Sleepers are claimed under it, woken
 *             after it.
 * Ordering    None of its own: a limiter orders no memory.
 * Lifetime    Nodes lie on their owners' stacks, who leave under mu.
 * Rejected    A queue of all waits with the first one keeping the time: each of them would be woken
 *             by another thread, which costs more than the sleep it saves. */
#include "core/must.h"
#include "core/waiter.h"
#include "plat/clock.h"
#include "prim/limiter.h"

#include <errno.h>

void cconc__limiter_leave_changed(cconc_limiter *l)
{
    wake_batch batch = WAKE_BATCH_INIT;
    waiter_claim_all(&l->sleepers, CLAIM_READY, &batch);
    cconc__limiter_leave(l);
    batch_wake(&batch);
}

/* Sleep, queued, until a change or the end of ctx. Returns EAGAIN: look again, or the code. */
static int limiter_sleep(cconc_limiter *l, cconc_ctx *ctx, waiter *w, wait_node *node)
{
    cconc__waiter_park(w, false);
    if (waiter_kind(w) == CLAIM_READY) {
        return EAGAIN;
    }
    lock_take(&l->mu);
    if (node->queued) {
        waitq_remove(&l->sleepers, node);
    }
    lock_leave(&l->mu);
    return cconc__waiter_error(w, ctx);
}

/* Reserve n in time for the deadline of ctx. Returns 0, EINVAL, ETIMEDOUT, and ENOENT if no time to
 * act is in reach: node is queued then. */
static int limiter_book(cconc_limiter *l, int32_t n, wait_node *node, cconc_reservation *out_taken)
{
    bucket next;
    int err;
    cconc__limiter_take(l);
    next = l->bucket;
    err = cconc__bucket_take(&next, plat_clock_now(), n, PLAT_NEVER, out_taken);
    if (!err && out_taken->act_ns == PLAT_NEVER) {
        waitq_push_back(&l->sleepers, node);
        err = ENOENT;
    } else if (!err && out_taken->act_ns > node->w->deadline_ns) {
        err = ETIMEDOUT;
    } else if (!err) {
        l->bucket = next;
        cconc__limiter_keep_locked(l, out_taken);
    }
    cconc__limiter_leave(l);
    return err;
}

/* Tell whether n can never be had. */
static bool limiter_is_vain(cconc_limiter *l, int32_t n)
{
    bool vain;
    lock_take(&l->mu);
    vain = n < 0 || (n > l->bucket.burst && !l->bucket.is_inf);
    lock_leave(&l->mu);
    return vain;
}

int cconc_limiter_wait(cconc_limiter *limiter, cconc_ctx *ctx, int32_t n)
{
    MUST_POINT(limiter, cconc_limiter);
    MUST_ALIGN(ctx, cconc_ctx);
    cconc_reservation taken;
    int err = cconc__node_err(ctx);
    if (n < 0 || err) {
        return limiter_is_vain(limiter, n) ? EINVAL : err;
    }
    if (cconc__limiter_quick(limiter, (size_t)n) == LOOK_TAKEN) {
        return 0;
    }
    do {
        waiter w;
        wait_node node;
        cconc__waiter_arm(&w, ctx);
        wait_node_init(&node, &w, NULL, 0);
        err = limiter_book(limiter, n, &node, &taken);
        if (err == ENOENT) {
            err = limiter_sleep(limiter, ctx, &w, &node);
        } else if (err == ETIMEDOUT) {
            cconc__node_expire(ctx); /* if its deadline has passed already */
        }
        waiter_disarm(&w);
    } while (err == EAGAIN);
    if (!err) {
        err = cconc__waiter_sleep(ctx, taken.act_ns);
        if (err) {
            cconc_limiter_cancel(limiter, &taken);
        }
    }
    return err;
}

size_t cconc_limiter_waiters(const cconc_limiter *limiter)
{
    MUST_POINT(limiter, cconc_limiter);
    cconc_limiter *l = (cconc_limiter *)(uintptr_t)limiter;
    size_t count;
    lock_take(&l->mu);
    count = l->sleepers.count;
    lock_leave(&l->mu);
    return count;
}
