/* helper.c - how a thread sleeps that can be called for a task
 * SPDX-License-Identifier: MIT
 *
 * Idea        One waiter with up to three nodes: the caller's, in the queue of what is waited for;
 *             one that helpers queue, to be claimed READY when there is a task; and one among the
 *             watchers of a second context.
 * Invariants  I1 Back from park, the last two nodes are in no queue, and the claim is decided.
 * Locks       Those of the two queues, one after the other. Nothing sleeps under them.
 * Ordering    None but the waiter's.
 * Lifetime    All nodes lie on the stack of the thread that sleeps.
 * Rejected    The same by each who waits: three copies of one order of steps. */
#include "core/helper.h"

#include <errno.h>

static int helper_sleep(helper *h, waiter *w)
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

int cconc__helper_park(helper *h, waiter *w, cconc_ctx *also)
{
    wait_node end;
    int err;
    if (!also) {
        return helper_sleep(h, w);
    }
    wait_node_init(&end, w, NULL, HELPER_ALSO);
    if (!cconc__node_watch(also, &end)) {
        (void)cconc__waiter_withdraw(w);
        return 0;
    }
    err = helper_sleep(h, w);
    (void)cconc__node_unwatch(also, &end);
    return err;
}

int cconc__helper_error(const waiter *w, cconc_ctx *ctx, cconc_ctx *also)
{
    claim_kind kind = waiter_kind(w);
    if (also && (kind == CLAIM_SELF ||
                 (kind == CLAIM_CANCEL && waiter_index(w) == HELPER_ALSO))) {
        return cconc__node_err(also);
    }
    return cconc__waiter_error(w, ctx);
}

int cconc__helper_await(helper *h, waiter *w, cconc_ctx *ctx, lock *mu, waitq *q, wait_node *node)
{
    int err = cconc__helper_park(h, w, NULL);
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
