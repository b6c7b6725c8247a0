/* storage.c - whose memory an object lies in: the library's, or storage of the caller's
 * SPDX-License-Identifier: MIT
 *
 * Idea        An object in storage differs from another in what its last moments are: no memory
 *             goes to the allocator, and the call that ends its use comes back only when nobody of
 *             the library can touch the storage any more. That wait goes by the lot: the address
 *             of the count of references is all that who drops one still needs.
 * Picture     the timer service        free
 *             put: lot taken           await: lot taken, 2 references: queued, lot left, parked
 *                  2 -> 1
 *                  claims, lot left
 *             wakes                    await: lot taken, 1 reference: lot left, the storage is free
 * Invariants  I1 Of an object in storage, references are dropped under the lot's lock: who has seen
 *                the last of others gone under it knows that they are out of the memory.
 * Locks       The lot's bucket, rank LOT.
 * Ordering    [ref.1] (node.c): every use before the last put.
 * Lifetime    Whoever drops a reference touches the memory for the last time in that step.
 * Rejected    free that says EBUSY while the library still uses the memory: the caller would have
 *             to poll. A header before each object that says whose it is: 8 to 16 bytes each. */
#include "core/storage.h"

#include "core/lot.h"
#include "core/waiter.h"
#include "plat/alloc.h"
#include "plat/fork.h"

void cconc__storage_leave(void *object, bool in_storage)
{
    if (!in_storage) {
        cconc__alloc_free(object);
    }
}

bool cconc__storage_put(ref *refs, bool in_storage)
{
    wake_batch batch = WAKE_BATCH_INIT;
    lot_bucket *bucket;
    bool last;
    if (!in_storage) {
        return ref_put(refs);
    }
    bucket = cconc__lot_take(refs);
    last = ref_put(refs); /* I1 */
    cconc__lot_claim_locked(bucket, refs, CLAIM_READY, &batch);
    cconc__lot_leave(bucket);
    batch_wake(&batch);
    return last;
}

/* Queue node unless the caller's reference is the only one. */
static bool storage_enqueue(ref *refs, wait_node *node)
{
    lot_bucket *bucket = cconc__lot_take(refs);
    bool queued = !ref_is(refs, 1);
    if (queued) {
        cconc__lot_push_locked(bucket, node, refs);
    }
    cconc__lot_leave(bucket);
    return queued;
}

void cconc__storage_await(ref *refs)
{
    bool waits = plat_fork_is_ours();
    while (waits) {
        waiter w;
        wait_node node;
        cconc__waiter_arm(&w, NULL);
        wait_node_init(&node, &w, NULL, 0);
        waits = storage_enqueue(refs, &node);
        if (waits) {
            cconc__waiter_park(&w, true);
        }
        waiter_disarm(&w);
    }
}
