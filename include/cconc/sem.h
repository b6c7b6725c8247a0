/* sem.h - a weighted semaphore: a number of permits, taken n at a time, first come, first served.
 * SPDX-License-Identifier: MIT
 *
 * Model     Permits; acquire takes n or waits in line. Nobody overtakes: while somebody queues
 *           whose wish can be met some day, a later one queues behind, even if it would fit. The
 *           behaviour is that of golang.org/x/sync/semaphore where this header says nothing else.
 * Example   int err = cconc_sem_acquire(sem, ctx, weight);   (examples/sem_bounded_tasks.c)
 * Lifetime  new allocates, free releases. No acquire may be blocked when free starts.
 * Threads   Every function, any thread, any time; only free must be alone. The thread that releases
 *           need not be the one that acquired.
 * Blocking  acquire, until the permits are its own or the context ends.
 * Orders    O1 Each release happens before the return of every acquire that it makes possible.
 * Progress  Strictly in order of arrival: release serves from the head as long as the head fits,
 *           and stops at the first that does not. So a large request is not starved, and small ones
 *           wait behind it.
 * Errors    ECANCELED, ETIMEDOUT  the context ended, on entry, meanwhile, or at the moment of the
 *           grant: nothing is held            EAGAIN  try_acquire: would have to wait
 *           EINVAL  n < 0, or n above the capacity unless the semaphore was ever resized
 *           ENOMEM  new only
 * Limits    Capacity and n up to 2^63 - 1. Releasing more than is held aborts with both numbers. */
#ifndef CCONC_SEM_H
#define CCONC_SEM_H

#include <cconc/base.h>

CCONC_BEGIN_DECLS

/* Make a semaphore with capacity permits, all of them available.
 * Returns:  0, EINVAL (capacity < 0, out_sem is NULL), ENOMEM. */
CCONC_API CCONC_NODISCARD int cconc_sem_new(int64_t capacity, cconc_sem **out_sem);

/* Take n permits, all or none. n = 0 waits for those before it and takes nothing.
 * Returns:  0, EINVAL, ECANCELED, ETIMEDOUT. */
CCONC_API CCONC_NODISCARD int cconc_sem_acquire(cconc_sem *sem, cconc_ctx *ctx, int64_t n);

/* Do the same without waiting.
 * Returns:  0, EAGAIN (too few, or somebody queues), EINVAL. */
CCONC_API CCONC_NODISCARD int cconc_sem_try_acquire(cconc_sem *sem, int64_t n);

/* Give n permits back. Never blocks and never needs memory. */
CCONC_API void cconc_sem_release(cconc_sem *sem, int64_t n);

/* Change the number of permits. Raised, waiters are served at once; lowered, held permits stay
 * held, and available is negative until enough have come back. From now on an acquire of more than
 * the capacity queues; it keeps its place there and blocks nobody.
 * Returns:  0, EINVAL (capacity < 0). */
CCONC_API CCONC_NODISCARD int cconc_sem_resize(cconc_sem *sem, int64_t capacity);

/* Give the number of permits that nobody holds; a hint as soon as it is read. */
CCONC_API int64_t cconc_sem_available(const cconc_sem *sem);

/* Give the number of permits in all. */
CCONC_API int64_t cconc_sem_capacity(const cconc_sem *sem);

/* Give the number of callers blocked in acquire; a hint as soon as it is read. */
CCONC_API size_t cconc_sem_waiters(const cconc_sem *sem);

/* Release sem; NULL is nothing. Blocked waiters abort, with their number. */
CCONC_API void cconc_sem_free(cconc_sem *sem);

CCONC_END_DECLS

#endif
