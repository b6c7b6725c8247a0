/* lock.h - the locks of the library, and their order
 * SPDX-License-Identifier: MIT
 *
 * A thread takes only a lock of a rank above all it holds, so two of one rank never meet. Checked
 * builds abort with both names where that is broken. Parker mutexes lie below all of this: nothing
 * is called under them. While a lock is held nothing is woken, allocated or called back.
 */
#ifndef CORE_LOCK_H
#define CORE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "plat/mutex.h"

typedef enum lock_rank {
    RANK_GROUP = 20,    /* one group: below CTX, to take its verdict and context in one step */
    RANK_POOL = 22,     /* one pool: below CTX, to cancel a future's context while it runs */
    RANK_FLIGHT = 24,   /* one shard of flights: a context ends in one step with its key */
    RANK_RING = 26,     /* which functions of flights wait for which */
    RANK_CTX = 30,      /* one cancellation tree: its nodes, watchers and registrations */
    RANK_CHAN = 50,     /* one channel, its queues */
    RANK_SEM = 52,      /* one semaphore, its queue */
    RANK_LOCAL = 53,    /* what objects keep for each thread: below OBJPOOL, to end either */
    RANK_LIMITER = 54,  /* one limiter, its bucket; one part of a keyed limiter */
    RANK_EXPIRY = 55,   /* one waited timer or ticker, its queue */
    RANK_OBJPOOL = 56,  /* one object pool: what it retains, its threads */
    RANK_COUNTER = 58,  /* one counter, where words have less than 64 bits */
    RANK_LOT = 60,      /* one bucket of the lot: the waiters of word-sized objects */
    RANK_CLOCK = 65,    /* what the virtual clock has released and waits for */
    RANK_SIGNAL = 70,   /* which contexts hear which signal */
    RANK_QUIET = 75,    /* who waits for the library to have nothing to do */
    RANK_EXECUTOR = 80, /* queue and threads of the executor */
    RANK_TIMER = 90,    /* the heap: contexts disarm under their tree's lock */
    RANK_SELF = 100,    /* the records of threads */
} lock_rank;

typedef struct lock {
    plat_mutex mu;
#if defined(CCONC_CHECKED)
    lock_rank rank;
#endif
} lock;

#if defined(CCONC_CHECKED)
#define LOCK_INIT(rank) {PLAT_MUTEX_INIT, rank}
void cconc__lock_note_taken(lock *l);
void cconc__lock_note_left(lock *l);
void cconc__lock_assert_held(lock *l);
void cconc__lock_assert_none(void);
#else
#define LOCK_INIT(rank) {PLAT_MUTEX_INIT}
static inline void cconc__lock_note_taken(lock *l)
{
    (void)l;
}
static inline void cconc__lock_note_left(lock *l)
{
    (void)l;
}
static inline void cconc__lock_assert_held(lock *l)
{
    (void)l;
}
static inline void cconc__lock_assert_none(void)
{
}
#endif

/* Returns 0 or ENOMEM. */
int  cconc__lock_init(lock *l, lock_rank rank);
void cconc__lock_destroy(lock *l);

/* In a forked child: l is free, whoever had it in the parent. */
void cconc__lock_forked(lock *l);

static inline void lock_take(lock *l)
{
    cconc__lock_note_taken(l); /* before: a wrong order is told, not hung in */
    plat_mutex_lock(&l->mu);
}

static inline void lock_leave(lock *l)
{
    cconc__lock_note_left(l);
    plat_mutex_unlock(&l->mu);
}

#endif
