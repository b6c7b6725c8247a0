/* lot.c - waiters of objects too small to hold a queue
 * SPDX-License-Identifier: MIT
 *
 * Idea        A table of queues, chosen by a hash of the object's address (the parking lot of
 *             WebKit). An object is then one word, static memory of zeros is a valid one, and it
 *             may vanish while its last waker is still at work.
 * Invariants  I1 A node is queued in the bucket of its key.
 * Locks       bucket->mu, rank LOT: its nodes. Wakes come after it.
 * Ordering    None but mu's.
 * Lifetime    The table is static. Nodes are their waiters'.
 * Rejected    A lock and a queue in each object: 56 bytes, an init call, and a last touch. */
#include "core/lot.h"

#include "core/must.h"

#include <stdint.h>

#define LOT_BUCKETS 64 /* a power of two */

#define LOT_ONE {LOCK_INIT(RANK_LOT), {{NULL, NULL}, 0}}
#define LOT_FOUR LOT_ONE, LOT_ONE, LOT_ONE, LOT_ONE
#define LOT_SIXTEEN LOT_FOUR, LOT_FOUR, LOT_FOUR, LOT_FOUR

static lot_bucket buckets[LOT_BUCKETS] = {LOT_SIXTEEN, LOT_SIXTEEN, LOT_SIXTEEN, LOT_SIXTEEN};

lot_bucket *cconc__lot_take(const void *object)
{
    uint64_t hash = ((uint64_t)(uintptr_t)object >> 2) * UINT64_C(0x9E3779B97F4A7C15);
    lot_bucket *bucket = &buckets[hash >> 58];
    lock_take(&bucket->mu);
    if (!bucket->nodes.list.next) { /* the first use of this bucket */
        waitq_init(&bucket->nodes);
    }
    return bucket;
}

void cconc__lot_leave(lot_bucket *bucket)
{
    lock_leave(&bucket->mu);
}

void cconc__lot_push_locked(lot_bucket *bucket, wait_node *node, const void *object)
{
    cconc__lock_assert_held(&bucket->mu);
    node->key = object;
    waitq_push_back(&bucket->nodes, node);
}

void cconc__lot_claim_locked(lot_bucket *bucket, const void *object, claim_kind kind,
                             wake_batch *batch)
{
    list_link *at;
    cconc__lock_assert_held(&bucket->mu);
    at = bucket->nodes.list.next;
    while (at != &bucket->nodes.list) {
        wait_node *node = LIST_OF(at, wait_node, link);
        at = at->next;
        if (node->key == object) {
            waitq_remove(&bucket->nodes, node);
            if (waiter_claim(node->w, kind, node->index)) {
                batch_add(batch, node);
            }
        }
    }
}

void cconc__lot_hand_locked(lot_bucket *bucket, const void *object, int code, wake_batch *batch)
{
    list_link *at;
    cconc__lock_assert_held(&bucket->mu);
    CHECK(!batch->first);
    cconc__lot_claim_locked(bucket, object, CLAIM_GRANT, batch);
    at = batch->first ? &batch->first->link : NULL;
    for (; at; at = at->next) { /* claimed, and not woken: their frames are ours to write */
        *(int *)LIST_OF(at, wait_node, link)->elem = code;
    }
}

size_t cconc__lot_count(const void *object)
{
    lot_bucket *bucket = cconc__lot_take(object);
    size_t count = 0;
    for (list_link *at = bucket->nodes.list.next; at != &bucket->nodes.list; at = at->next) {
        count += LIST_OF(at, wait_node, link)->key == object ? 1 : 0;
    }
    cconc__lot_leave(bucket);
    return count;
}

void cconc__lot_remove(wait_node *node, const void *object)
{
    lot_bucket *bucket = cconc__lot_take(object);
    if (node->queued) {
        waitq_remove(&bucket->nodes, node);
    }
    cconc__lot_leave(bucket);
}

void cconc__lot_forked(void)
{
    for (size_t i = 0; i < LOT_BUCKETS; i++) {
        cconc__lock_forked(&buckets[i].mu);
        waitq_init(&buckets[i].nodes);
    }
}
