/* sometimes.h - do something only now and then: a log line, a look at the clock.
 * SPDX-License-Identifier: MIT
 *
 * Model     Of the calls of do the first runs its function; of the others those that any filter
 *           lets through: the first so many, every so manieth, those at least an interval after the
 *           last run. All filters zero: the first call alone. Runs follow each other, two never
 *           overlap. The behaviour is that of Go's rate.Sometimes.
 * Example   int err = cconc_sometimes_do(log, ctx, tell, line, NULL);   (examples/sometimes_log.c)
 * Lifetime  new allocates, free releases. No call may be running when free starts.
 * Threads   Every function, any thread, any time; only free must be alone.
 * Blocking  do, while another thread's function runs, or until the context ends.
 * Orders    O1 The end of a function happens before the next one, and before the return of every
 *           later do.
 * Progress  Callers are served in order of arrival.
 * Errors    ECANCELED, ETIMEDOUT  the context ended: the call does not count     ENOMEM  new only
 *           EDEADLK  called by its own function                EINVAL  no function
 * Limits    none; a function that ends its thread has run. */
#ifndef CCONC_SOMETIMES_H
#define CCONC_SOMETIMES_H

#include <cconc/base.h>

CCONC_BEGIN_DECLS

/* The filters; a call that one of them lets through runs. */
typedef struct cconc_sometimes_opts {
    uint64_t first;       /* the first so many calls */
    uint64_t every;       /* the first call, and every so manieth after it */
    int64_t  interval_ns; /* a call so long after the end of the last run */
    uint64_t reserved[4]; /* must be zero */
} cconc_sometimes_opts;

/* Make one; opts may be NULL: all zero.
 * Returns:  0, EINVAL (a negative interval, reserved words, out_sometimes is NULL), ENOMEM. */
CCONC_API CCONC_NODISCARD int cconc_sometimes_new(const cconc_sometimes_opts *opts,
                                                  cconc_sometimes **out_sometimes);

/* Run fn(arg) if it is time to; *out_ran (or NULL) tells.
 * Returns:  0, EINVAL, EDEADLK, ECANCELED, ETIMEDOUT. */
CCONC_API CCONC_NODISCARD int cconc_sometimes_do(cconc_sometimes *sometimes, cconc_ctx *ctx,
                                                 void (*fn)(void *arg), void *arg, bool *out_ran);

/* Release sometimes; NULL is nothing. A function that runs, or blocked callers, abort. */
CCONC_API void cconc_sometimes_free(cconc_sometimes *sometimes);

CCONC_END_DECLS

#endif
