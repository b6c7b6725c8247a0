/* bucket.h - the arithmetic of one token bucket, in whole numbers; no lock, no clock
 * SPDX-License-Identifier: MIT
 *
 * Key  (o) whoever calls: the limiter's lock
 *
 * What the bucket lacks is counted as the time in which it would fill up, in units of 2^-shift ns,
 * so chosen that a token is 2^20 to 2^31 of them. Taking adds to it and giving back subtracts the
 * same whole number, so nothing drifts.
 */
#ifndef PRIM_BUCKET_H
#define PRIM_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

#include <cconc/limiter.h>

typedef struct bucket {
    double   rate;       /* (o) */
    int32_t  burst;      /* (o) */
    bool     is_inf;     /* (o) rate is CCONC_RATE_INF */
    bool     is_stopped; /* (o) rate is 0 */
    uint64_t period;     /* (o) units a token */
    int      shift;      /* (o) a unit is 2^-shift ns */
    int64_t  latest_ns;  /* (o) the latest time used; nothing yet: CCONC's smallest */
    uint64_t lack;       /* (o) units until full, at latest_ns */
    uint64_t carry_ns;   /* (o) since latest_ns and less than a unit, if those are above 1 ns */
    uint64_t net;        /* (o) tokens taken less those given back */
} bucket;

/* Make b, full. Returns 0 or EINVAL. */
int cconc__bucket_init(bucket *b, double rate, int32_t burst);

/* Units in which the whole of burst fills up. */
static inline uint64_t bucket_full(const bucket *b)
{
    return b->is_inf ? UINT64_MAX : (uint64_t)b->burst * b->period;
}

/* As what time_ns counts. */
static inline int64_t bucket_counted(const bucket *b, int64_t time_ns)
{
    return time_ns > b->latest_ns ? time_ns : b->latest_ns;
}

/* Count time_ns, or the latest time used if that is later, as now. */
void cconc__bucket_settle(bucket *b, int64_t time_ns);

/* Give the time from which on there is a token, or latest_ns. */
int64_t cconc__bucket_next(const bucket *b);

/* Take n at time_ns if the time to act is not more than max_wait_ns after it, or never if that is
 * PLAT_NEVER. Returns 0 with *out_taken filled in, ETIMEDOUT, EINVAL; nothing changes then. */
int cconc__bucket_take(bucket *b, int64_t time_ns, int32_t n, int64_t max_wait_ns,
                       cconc_reservation *out_taken);

/* Give back at time_ns what taken is still worth. */
void cconc__bucket_give_back(bucket *b, int64_t time_ns, const cconc_reservation *taken);

/* Change the rate, or the burst, from time_ns on. Returns 0 or EINVAL; nothing changes then. */
int cconc__bucket_set_rate(bucket *b, int64_t time_ns, double rate);
int cconc__bucket_set_burst(bucket *b, int64_t time_ns, int32_t burst);

/* Give the tokens at time_ns. */
double cconc__bucket_tokens(const bucket *b, int64_t time_ns);

#endif
