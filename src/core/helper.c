/* helper.c - how a thread sleeps that can be called for a task
 * SPDX-License-Identifier: MIT
 *
 * Idea        One waiter with two nodes: the caller's, in the queue of what is waited for, and one
 *             that helpers queue, to be claimed READY when there is a task.
 * Invariants  I1 Back from park, the helper's node is in no queue, and the claim is decided.
 * Locks       Those of the two queues, one after the other. Nothing sleeps under them.
 * Ordering    None but the waiter's.
 * Lifetime    Both nodes lie on the stack of the thread that sleeps.
 * Rejected    The same by each who waits: three copies of one order of steps. */
#include "core/helper.h"

#include <errno.h>

int cconc__helper_park(helper *h, waiter *w)
{
    wait_node call;
    int err;
    if (!h) {
        cconc__waiter_park(w, true);
        return 0;
    }
    wait_node_init(&call, w, NULL, HELPER_INDEX);
    err = h->enlist(h, &call);
    if (err) {
        (void)cconc__waiter_withdraw(w);
    } else {
        cconc__waiter_park(w, true);
        h->delist(h, &call);
    }
    return err;
}

int cconc__helper_await(helper *h, waiter *w, cconc_ctx *ctx, lock *mu, waitq *q, wait_node *node)
{
    int err = cconc__helper_park(h, w);
    if (waiter_kind(w) == CLAIM_GRANT) {
        return 0;
    }
    lock_take(mu);
    if (node->queued) {
        waitq_remove(q, node);
    }
    lock_leave(mu);
    if (waiter_kind(w) == CLAIM_READY) {
        return EAGAIN;
    }
    if (err) {
        return err;
    }
    return cconc__waiter_gave_up(w, ctx);
}
