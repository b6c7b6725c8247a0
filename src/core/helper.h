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
 *         arm a waiter, enqueue its first node for what is waited for;
 *         if (!h || h->enlist(h, second node) == 0) {
 *             park;
 *         }
 *         leave the queue; delist if enlisted; settle;
 *     }
 *
 * so that no wait of the thread's is armed while a task runs on top of it.
 */
#ifndef CORE_HELPER_H
#define CORE_HELPER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/self.h"
#include "core/waitq.h"

/* The index of the node that helpers queue. */
#define HELPER_INDEX 1u

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

#endif
