/* helper.h - what a thread can do for somebody instead of sleeping
 * SPDX-License-Identifier: MIT
 *
 * Key  (i) immutable
 *
 * A worker that would have to wait for its own pool runs the pool's tasks meanwhile. Whoever waits
 * for something that such a task may bring about asks for the helper of that pool:
 *
 *     while (not yet) {
 *         if (h && h->run_one(h)) {
 *             continue;
 *         }
 *         arm a waiter, enqueue its node for what is waited for;
 *         cconc__helper_park;
 *         leave the queue; settle;
 *     }
 *
 * so that no wait of the thread's is armed while a task runs on top of it.
 */
#ifndef CORE_HELPER_H
#define CORE_HELPER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/lock.h"
#include "core/self.h"
#include "core/waiter.h"
#include "core/waitq.h"

/* The index of the node that helpers queue, and of that at a second context. */
#define HELPER_INDEX 1u
#define HELPER_ALSO 2u

typedef struct helper {
    const void *owner; /* (i) the pool */
    /* Run a queued task. Returns false if there is none, or the thread is in too many already. */
    bool (*run_one)(struct helper *h);
    /* Queue node, to be claimed READY when there is a task, or give the thread's place away until
     * delist. Returns 0; EAGAIN: there is a task; EDEADLK: nobody can take its place. */
    int (*enlist)(struct helper *h, wait_node *node);
    /* Undo enlist, which had returned 0. */
    void (*delist)(struct helper *h, wait_node *node);
} helper;

/* Give the calling thread's helper if owner is its pool. */
static inline helper *helper_of(const void *owner)
{
    const self *me = self_peek();
    helper *h = me ? me->helper : NULL;
    return h && h->owner == owner ? h : NULL;
}

/* Sleep until the claim on w is decided, or h, which may be NULL, is called for a task, or also, a
 * second context or NULL, ends. Returns 0 having slept, or why enlist failed: w has then withdrawn,
 * unless somebody else was faster. */
int cconc__helper_park(helper *h, waiter *w, cconc_ctx *also);

/* After a park that returned 0 and was neither granted nor closed: the code of ctx or also. */
int cconc__helper_error(const waiter *w, cconc_ctx *ctx, cconc_ctx *also);

/* The same for a wait that observes: node is queued in q, which mu guards. Leaves q. Returns 0 if
 * it was granted, EAGAIN if there is a task for h, EINPROGRESS if ctx ended first, EDEADLK. */
int cconc__helper_await(helper *h, waiter *w, cconc_ctx *ctx, lock *mu, waitq *q, wait_node *node);

#endif
