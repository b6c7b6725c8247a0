/* lock.h - a lock
 * SPDX-License-Identifier: MIT
 */
#include "plat/atomic.h"

#define LOCK_INIT(rank) {rank}
enum { RANK_ALL = 10 };

typedef struct lock {
    int rank;
} lock;

/* lint: allow L2, this line is here to show that a comment above opts out */
typedef _Atomic int lock_word;
typedef volatile int lock_flag; /* lint: allow L3, and on the line itself */

static inline void cconc__lock_take(lock *mu)
{
    mu->rank = 0;
}

static inline void cconc__lock_assert_held(lock *mu)
{
    mu->rank = 1;
}
