/* quiet.c - waiting until the library itself has nothing to do
 * SPDX-License-Identifier: MIT
 *
 * Idea        Executor, timer service and signal service tell when they may have become idle. That
 *             costs them one load unless somebody waits.
 * Invariants  I1 waiting is the length of the queue.
 *             I2 The services are ended by one thread at a time: the one that has claimed it.
 * Locks       quiet_mu, rank QUIET: queue, is_claimed. is_busy() is asked with no lock held.
 * Ordering    waiting is relaxed. The waiter counts itself, then asks is_busy(), which takes the
 *             lock of each service; a service changes under that lock, then looks at waiting.
 *             Whoever has the lock second sees what the first did.
 * Lifetime    Waiters leave the queue under quiet_mu.
 * Rejected    Polling: a shutdown that sleeps and looks is late or busy. */
#include "core/quiet.h"

#include "core/lock.h"
#include "core/waiter.h"
#include "plat/atomic.h"
#include "plat/fork.h"

static lock quiet_mu = LOCK_INIT(RANK_QUIET);
static waitq queue = {{&queue.list, &queue.list}, 0}; /* (m) */
static bool is_claimed;                               /* (m) */
static atom_u32 waiting;                              /* (a) */

void cconc__quiet_tell(void)
{
    wake_batch batch = WAKE_BATCH_INIT;
    /* rlx: ordered by the service's lock, see above */
    if (atom_load_rlx(&waiting) == 0 || !plat_fork_is_ours()) {
        return;
    }
    lock_take(&quiet_mu);
    while (waitq_first(&queue)) {
        wait_node *node = waitq_first(&queue);
        waitq_remove(&queue, node);
        (void)atom_sub_rlx(&waiting, 1); /* rlx: as above */
        if (waiter_claim(node->w, CLAIM_READY, 0)) {
            batch_add(&batch, node);
        }
    }
    lock_leave(&quiet_mu);
    batch_wake(&batch);
}

static void quiet_leave(wait_node *node)
{
    lock_take(&quiet_mu);
    if (node->queued) {
        waitq_remove(&queue, node);
        (void)atom_sub_rlx(&waiting, 1); /* rlx: as above */
    }
    lock_leave(&quiet_mu);
}

void cconc__quiet_forked(void)
{
    cconc__lock_forked(&quiet_mu);
    waitq_init(&queue);
    is_claimed = false;
    atom_init(&waiting, 0);
}

bool cconc__quiet_claim(void)
{
    bool is_ours;
    lock_take(&quiet_mu);
    is_ours = !is_claimed;
    is_claimed = true;
    lock_leave(&quiet_mu);
    return is_ours;
}

void cconc__quiet_release(void)
{
    lock_take(&quiet_mu);
    is_claimed = false;
    lock_leave(&quiet_mu);
    cconc__quiet_tell();
}

bool cconc__quiet_is_claimed(void)
{
    bool claimed;
    lock_take(&quiet_mu);
    claimed = is_claimed;
    lock_leave(&quiet_mu);
    return claimed;
}

int cconc__quiet_wait(cconc_ctx *ctx, bool (*is_busy)(void))
{
    cconc_ctx *source = cconc__node_keep(ctx); /* from round to round */
    int err = 0;
    while (!err && is_busy()) {
        waiter w;
        wait_node node;
        cconc__waiter_arm(&w, ctx);
        wait_node_init(&node, &w, NULL, 0);
        lock_take(&quiet_mu);
        waitq_push_back(&queue, &node);
        (void)atom_add_rlx(&waiting, 1); /* rlx: ordered by the lock that is_busy() takes */
        lock_leave(&quiet_mu);
        if (is_busy()) {
            cconc__waiter_park(&w, false);
        } else {
            (void)cconc__waiter_withdraw(&w);
        }
        quiet_leave(&node);
        if (waiter_kind(&w) != CLAIM_READY && waiter_kind(&w) != CLAIM_SELF) {
            err = cconc__waiter_error(&w, ctx);
        }
        waiter_disarm(&w);
    }
    cconc__node_drop(source);
    return err;
}
