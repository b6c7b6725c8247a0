/* parker.h - how one thread sleeps, and how another wakes it
 * SPDX-License-Identifier: MIT
 *
 * One parker a thread: one mutex, one condition variable, one state word. A wake is kept until it
 * is taken; there is at most one. Only the owner parks and polls, anybody unparks.
 *
 * Key  (m) under mu  (a) atomic  (o) only the owner  (e park.1) published by that edge
 */
#ifndef PARKER_H
#define PARKER_H

#include <stdbool.h>
#include <stdint.h>

#include "plat/atomic.h"
#include "plat/mutex.h"

typedef struct parker {
    atom_u32   state;      /* (a) EMPTY, PARKED or WOKEN [park.1] */
    atom_u32   wakers;     /* (a) threads inside unpark [park.2] */
    int64_t    posted_ns;  /* (e park.1) when the waker of a waiter saw it asleep */
    plat_mutex mu;         /* a leaf: nothing is called under it but the condition variable, and
                            * the clock is read */
    int64_t    until_ns;   /* (m) of a park by the clock: when it ends; PLAT_NEVER = not by it */
    bool       is_due;     /* (m) the virtual clock has reached until_ns; (o) once that is NEVER */
    plat_cond  cond;       /* (o) only the owner waits on it */
} parker;

enum {
    PARKER_EMPTY = 0,
    PARKER_PARKED = 1,
    PARKER_WOKEN = 2,
};

int  cconc__parker_init(parker *p);
void cconc__parker_destroy(parker *p);

/* Sleep until a wake, or until deadline_ns by the library's clock. Returns true if a wake was
 * taken. */
bool cconc__parker_park(parker *p, int64_t deadline_ns);

/* The same by the real clock: for threads of the library with nothing to do. */
bool cconc__parker_rest(parker *p, int64_t deadline_ns);

/* Leave a wake. Returns true if the owner was asleep. */
bool cconc__parker_unpark(parker *p);

/* On the owner's thread, which will park: it counts as parked until deadline_ns from now on. */
void cconc__parker_aim(parker *p, int64_t deadline_ns);

/* Tell until when the owner is parked by the clock; PLAT_NEVER = it is not. */
int64_t cconc__parker_until(parker *p);

/* The clock has been set to now_ns: does the owner have to look at it? Then ring, holding no lock.
 * is_due: if its time has come, let its next parker_take_due() say so. */
bool cconc__parker_call(parker *p, int64_t now_ns, bool is_due);
void cconc__parker_ring(parker *p);

/* Has the last park been called as due? The owner asks once. */
static inline bool parker_take_due(parker *p)
{
    bool is_due = p->is_due;
    p->is_due = false;
    return is_due;
}

/* Tell whether the owner sleeps: a hint, for what a waker does besides. */
static inline bool parker_is_parked(const parker *p)
{
    return atom_load_rlx(&p->state) == PARKER_PARKED; /* rlx: a hint */
}

/* Tell whether a waker is still at work, though the owner may have taken its wake. */
static inline bool parker_is_in_use(const parker *p)
{
    return atom_load_acq(&p->wakers) > 0; /* [park.2] acq: their last touch */
}

/* Take the wake if it is there. */
static inline bool parker_poll(parker *p)
{
    if (atom_load_acq(&p->state) != PARKER_WOKEN) { /* [park.1] acq: the waker's writes */
        return false;
    }
    atom_store_rlx(&p->state, PARKER_EMPTY); /* rlx: the next wake follows a later claim */
    return true;
}

#endif
