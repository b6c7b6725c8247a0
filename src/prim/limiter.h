/* limiter.h - what the files of the limiter share
 * SPDX-License-Identifier: MIT
 *
 * Key  (i) immutable after new  (a) atomic  (m) under mu
 */
#ifndef PRIM_LIMITER_H
#define PRIM_LIMITER_H

#include <cconc/limiter.h>
#include <cconc/static.h>

#include "core/lock.h"
#include "core/waitq.h"
#include "plat/atomic.h"
#include "prim/bucket.h"

struct cconc_limiter {
    atom_size word;       /* (a) when full | generation | frozen [lim.1] */
    atom_size base_ns;    /* (a) the time from which the word counts [lim.2] */
    atom_size period;     /* (a) units a token, 0 for CCONC_RATE_INF [lim.2] */
    atom_size full;       /* (a) units in which a bucket without tokens fills up [lim.2] */
    atom_u32  shift;      /* (a) a unit is 2^-shift ns [lim.2] */
    atom_u32  burst;      /* (a) the bucket's, for refusals of a frozen one */
    atom_size none_until; /* (a) while frozen: no token before this time; 0 if that is not known */
    lock      mu;         /* rank LIMITER; no wake, allocation or callback under it */
    bucket    bucket;     /* (m) while the word is not frozen: as of base_ns, without its lack */
    size_t    generation; /* (m) */
    bool      has_pace;   /* (m) base_ns, period, full and shift are the bucket's */
    bool      is_explicit;   /* (m) a caller has given a time: the clock does not tell all */
    bool      in_storage;    /* (i) the caller's */
    int64_t   reserved_ns;   /* (m) until then a reservation may be cancelled */
    waitq     sleepers;      /* (m) waits whose time does not come at this rate */
};

/* What a quick look came to. */
typedef enum lim_look {
    LOOK_TAKEN,   /* the tokens are the caller's */
    LOOK_TOO_FEW, /* there are fewer than that */
    LOOK_SLOW,    /* ask under the lock */
} lim_look;

/* Take n without the lock, if the word tells whether they are there. */
lim_look cconc__limiter_quick(cconc_limiter *limiter, size_t n);

/* Take the lock and bring the bucket under it; leave it as the word can stand for it again. */
void cconc__limiter_take(cconc_limiter *limiter);
void cconc__limiter_leave(cconc_limiter *limiter);

/* Keep the bucket from the word until taken cannot be cancelled any more. */
void cconc__limiter_keep_locked(cconc_limiter *limiter, const cconc_reservation *taken);

/* As cconc__limiter_leave() after a change of rate or burst, or when tokens came back: those whose
 * time did not come look again. */
void cconc__limiter_leave_changed(cconc_limiter *limiter);

#endif
