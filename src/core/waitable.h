/* waitable.h - the seam of select: what a thread can wait for together with other things
 * SPDX-License-Identifier: MIT
 *
 * Key  (i) immutable during the call  (o) only the thread that selects  (q) under the object's lock
 *
 * One table of functions a direction of an object. select knows nothing else of channels, contexts
 * and timers.
 */
#ifndef CORE_WAITABLE_H
#define CORE_WAITABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/waiter.h"
#include "core/waitq.h"

struct wait_ops;

/* One case of one select, while it runs. */
typedef struct wait_case {
    const struct wait_ops *ops;     /* (i) NULL = off */
    void                  *object;  /* (i) */
    wait_node              node;    /* (q) its elem is what is sent, or where to receive */
    union {
        size_t  version; /* (o) from the first look */
        int64_t due_ns;  /* (i) of a point in time, where ops is NULL */
    };
    bool                   is_queued; /* (o) dequeue is owed */
} wait_case;

/* How enqueueing went. */
typedef enum wait_queued {
    WAIT_QUEUED, /* the node waits */
    WAIT_AGAIN,  /* ready now: the waiter withdrew itself, the node does not wait */
    WAIT_FIRED,  /* done at once with a waiting peer: the waiter withdrew itself, c has happened */
    WAIT_LOST,   /* ready now, but another case has been claimed first; the wake has been taken */
} wait_queued;

typedef struct wait_ops {
    /* Does it have all it needs, an element to send among it? */
    bool (*is_right)(const wait_case *c);

    /* Would it fire now? If not, *out_version changes before it can: two looks that say no with
     * equal versions mean no at every moment in between. */
    bool (*is_ready)(const wait_case *c, size_t *out_version);

    /* Fire without waiting. Returns the code, or EAGAIN. */
    int (*try_fire)(wait_case *c);

    /* Queue c->node for w, after a second look under the object's lock. */
    wait_queued (*enqueue)(wait_case *c, waiter *w);

    /* Leave the queue after the wait; if c was told READY, it has been tried by now. */
    void (*dequeue)(wait_case *c);

    /* Keep the object's memory, or no longer; NULL where the user must. */
    void (*keep)(const wait_case *c, bool on);

    /* The wait has ended on time: leave the queue, and fire if that was c's time and c's turn.
     * Returns the code, or EAGAIN. NULL = c has no time. */
    int (*on_time)(wait_case *c);
} wait_ops;

extern const wait_ops cconc__chan_send_ops;
extern const wait_ops cconc__chan_recv_ops;
extern const wait_ops cconc__ctx_done_ops;
extern const wait_ops cconc__expiry_ops;

#endif
