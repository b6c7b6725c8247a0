/* waitq.h - the waiters of one object, oldest first
 * SPDX-License-Identifier: MIT
 *
 * Key  (i) immutable while queued  (q) under the lock of the queue's object
 *
 * A node lies on the stack of the thread that waits. It leaves its queue by the claimer's hand or
 * by its owner's, both under the lock.
 */
#ifndef CORE_WAITQ_H
#define CORE_WAITQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/list.h"

struct waiter;

typedef struct wait_node {
    union {
        list_link     link;                     /* (q) */
        unsigned char value[sizeof(list_link)]; /* rendezvous: a small element, while unqueued */
    };
    struct waiter *w;        /* (i) whose; NULL = a hook on a context, see node.h */
    void          *elem;     /* (i) where an element comes from or goes to; what a grant carries */
    union {
        const void *key;      /* (i) lot: the object waited for; group: of whose task; expiry:
                               * itself if stop ends the wait */
        int64_t     since_ns; /* (i) buffered channel: when the wait began */
    };
    uint32_t       index;    /* (i) case of a select, 0 elsewhere */
    bool           queued;   /* (q) */
} wait_node;

/* Nodes out of their queues to be seen to when no lock is held, chained through their own links. */
typedef struct wake_batch {
    wait_node *first;
    wait_node *last;
} wake_batch;

#define WAKE_BATCH_INIT {NULL, NULL}

static inline void batch_add(wake_batch *batch, wait_node *node)
{
    node->link.next = NULL;
    if (batch->last) {
        batch->last->link.next = &node->link;
    } else {
        batch->first = node;
    }
    batch->last = node;
}

typedef struct waitq {
    list_link list;  /* (q) */
    size_t    count; /* (q) */
} waitq;

static inline void waitq_init(waitq *q)
{
    list_init(&q->list);
    q->count = 0;
}

static inline wait_node *waitq_first(const waitq *q)
{
    return q->count > 0 ? LIST_OF(q->list.next, wait_node, link) : NULL;
}

static inline void waitq_push_back(waitq *q, wait_node *node)
{
    list_push_back(&q->list, &node->link);
    node->queued = true;
    q->count++;
}

static inline void waitq_push_front(waitq *q, wait_node *node)
{
    list_push_front(&q->list, &node->link);
    node->queued = true;
    q->count++;
}

static inline void waitq_remove(waitq *q, wait_node *node)
{
    list_remove(&node->link);
    node->queued = false;
    q->count--;
}

#endif
