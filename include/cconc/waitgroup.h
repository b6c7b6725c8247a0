/* waitgroup.h - wait until a number of things have been done.
 * SPDX-License-Identifier: MIT
 *
 * Model     A count of things under way; wait returns when it is zero. Rounds follow each other:
 *           each zero ends exactly the waits that began before it. The behaviour is that of Go's
 *           sync.WaitGroup where this header says nothing else.
 * Example   cconc_waitgroup wg = CCONC_WAITGROUP_INIT;   (examples/waitgroup_race_fixed.c)
 * Lifetime  The caller's memory; all zeros is a valid waitgroup. Once every wait has returned 0 it
 *           may be freed or reused, though the last done may still be returning in its thread.
 * Threads   Every function, any thread, any time. The first add of a round must come before its
 *           wait, else wait may return early.
 * Blocking  wait, until the count is zero or the context ends.
 * Orders    O1 Each done happens before the return of the wait that it releases.
 * Progress  All waiters of a round are released together.
 * Errors    ECANCELED, ETIMEDOUT  the context ended; the count is unchanged, the memory still in
 *           use
 *           ENOMEM  go only: no memory, or no thread could be had    EINVAL  go only: fn is NULL
 * Limits    A count below zero or above 2^31 - 1 aborts with the number. */
#ifndef CCONC_WAITGROUP_H
#define CCONC_WAITGROUP_H

#include <cconc/base.h>

#define CCONC_WAITGROUP_INIT {0}

CCONC_BEGIN_DECLS

/* The field is the library's. */
struct cconc_waitgroup {
    uint32_t state;
};

/* Make wg a waitgroup with count 0. */
CCONC_API void cconc_waitgroup_init(cconc_waitgroup *wg);

/* Add delta, which may be negative, to the count. */
CCONC_API void cconc_waitgroup_add(cconc_waitgroup *wg, int32_t delta);

/* Take one from the count; at zero the round's waiters are released. */
CCONC_API void cconc_waitgroup_done(cconc_waitgroup *wg);

/* Give the count; a hint as soon as it is read. */
CCONC_API uint32_t cconc_waitgroup_count(const cconc_waitgroup *wg);

/* Give the number of callers blocked in wait; a hint as soon as it is read. */
CCONC_API size_t cconc_waitgroup_waiters(const cconc_waitgroup *wg);

/* Wait until the count is zero, at once if it is.
 * Returns:  0 (also if ctx is done but the count is zero), ECANCELED, ETIMEDOUT. */
CCONC_API CCONC_NODISCARD int cconc_waitgroup_wait(cconc_waitgroup *wg, cconc_ctx *ctx);

/* Add one, run fn(arg) on the executor, and take one when it ends, by return or by pthread_exit.
 * Returns:  0, EINVAL, ENOMEM; otherwise than 0 the count is unchanged and fn never runs. */
CCONC_API CCONC_NODISCARD int cconc_waitgroup_go(cconc_waitgroup *wg, void (*fn)(void *arg),
                                                 void *arg);

/* End the use of wg. Blocked waiters abort, with their number. */
CCONC_API void cconc_waitgroup_destroy(cconc_waitgroup *wg);

CCONC_END_DECLS

#endif
