/* lock.c - the locks of the library, and their order
 * SPDX-License-Identifier: MIT
 *
 * Idea        Checked builds keep, for each thread, the locks it holds; taking one compares ranks.
 * Invariants  I1 The ranks a thread holds rise strictly.
 * Locks       These are the locks.
 * Ordering    None but the mutexes'.
 * Lifetime    The caller's.
 * Rejected    A graph of observed orders: a fixed rank needs no run that shows the cycle. */
#include "core/lock.h"

#include <errno.h>

#include "core/must.h"
#include "plat/tls.h"

int cconc__lock_init(lock *l, lock_rank rank)
{
    int err = cconc__mutex_init(&l->mu);
#if defined(CCONC_CHECKED)
    l->rank = rank;
#else
    (void)rank;
#endif
    return err ? ENOMEM : 0;
}

void cconc__lock_destroy(lock *l)
{
    cconc__mutex_destroy(&l->mu);
}

void cconc__lock_forked(lock *l)
{
    l->mu = (plat_mutex)PLAT_MUTEX_INIT;
}

#if defined(CCONC_CHECKED)
#define LOCK_MOST_HELD 8

static PLAT_THREAD_LOCAL struct {
    lock *held[LOCK_MOST_HELD]; /* (o) in the order taken */
    int   count;                /* (o) */
} mine;

void cconc__lock_note_taken(lock *l)
{
    if (mine.count > 0) {
        lock *last = mine.held[mine.count - 1];
        MUST(last->rank < l->rank, "lock of rank %d taken while one of rank %d is held",
             (int)l->rank, (int)last->rank);
    }
    CHECK(mine.count < LOCK_MOST_HELD);
    mine.held[mine.count] = l;
    mine.count++;
}

void cconc__lock_note_left(lock *l)
{
    CHECK(mine.count > 0 && mine.held[mine.count - 1] == l);
    mine.count--;
}

void cconc__lock_assert_held(lock *l)
{
    for (int i = 0; i < mine.count; i++) {
        if (mine.held[i] == l) {
            return;
        }
    }
    cconc__misuse_broken("the lock is held here", __FILE__, __LINE__);
}

void cconc__lock_assert_none(void)
{
    CHECK(mine.count == 0);
}
#endif
