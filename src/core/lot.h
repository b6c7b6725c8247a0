/* lot.h - waiters of objects too small to hold a queue, found by the object's address
 * SPDX-License-Identifier: MIT
 *
 * The object's own word says whether anybody waits. Its memory is never touched here: the address
 * is only compared.
 */
#ifndef CORE_LOT_H
#define CORE_LOT_H

#include <stddef.h>

#include "core/lock.h"
#include "core/waiter.h"
#include "core/waitq.h"

typedef struct lot_bucket {
    lock  mu;    /* rank LOT */
    waitq nodes; /* (m) of all objects that share the bucket, oldest first */
} lot_bucket;

/* Take the lock under which object's waiters come and go. */
lot_bucket *cconc__lot_take(const void *object);
void        cconc__lot_leave(lot_bucket *bucket);

/* Queue node for object. */
void cconc__lot_push_locked(lot_bucket *bucket, wait_node *node, const void *object);

/* Claim all waiters of object and add them to batch. */
void cconc__lot_claim_locked(lot_bucket *bucket, const void *object, claim_kind kind,
                             wake_batch *batch);

/* The same as a grant that hands code over: each node's elem points to the int that gets it. batch
 * has nobody yet. */
void cconc__lot_hand_locked(lot_bucket *bucket, const void *object, int code, wake_batch *batch);

/* Give the number of waiters of object. */
size_t cconc__lot_count(const void *object);

/* Take node out if it is still queued for object. */
void cconc__lot_remove(wait_node *node, const void *object);

/* In a forked child: nobody waits. */
void cconc__lot_forked(void);

#endif
