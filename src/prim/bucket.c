/* bucket.c - how a bucket fills, and what is taken from it
 * SPDX-License-Identifier: MIT
 *
 * Idea        The virtual scheduling of GCRA (ITU-T I.371): one number says when the bucket would
 *             be full. n tokens are there if, with them taken, that is no more than burst tokens'
 *             time away; otherwise the rest is how long to wait.
 * Picture     latest                                            full
 *             |---- lack: (burst - tokens) * period ------------->|
 *             |<----- burst * period ------>|<- debt: time to act |
 * Invariants  I1 lack <= BUCKET_MOST, so that sums of it do not wrap.
 *             I2 latest_ns never falls.
 *             I3 lack is rounded up where it is rounded: a bucket never gains.
 * Locks       None of its own.
 * Ordering    None.
 * Lifetime    The limiter's.
 * Rejected    Tokens as a double, as Go has them: rounding takes tokens from a full bucket, and
 *             a thousand cancellations leave it a little short (golang/go#56924). */
#include "prim/bucket.h"

#include "plat/clock.h"

#include <errno.h>

#define BUCKET_MOST ((uint64_t)INT64_MAX)
#define BUCKET_FINE (UINT64_C(1) << 20)   /* units a token at least ... */
#define BUCKET_COARSE (UINT64_C(1) << 31) /* ... and at most */
#define BUCKET_SHIFT_MOST 62
#define BUCKET_RATE_LEAST 1e-290 /* so that its period is a finite number */

/* Choose period and shift for a rate above 0 that is not CCONC_RATE_INF. */
static void bucket_pace(bucket *b, double rate)
{
    double period = 1e9 / (rate > BUCKET_RATE_LEAST ? rate : BUCKET_RATE_LEAST);
    int shift = 0;
    while (period < (double)BUCKET_FINE && shift < BUCKET_SHIFT_MOST) {
        period *= 2;
        shift++;
    }
    while (period >= (double)BUCKET_COARSE) {
        period /= 2;
        shift--;
    }
    b->period = (uint64_t)period;
    if (rate > 1e9 || rate < 1e-10 || period - (double)b->period >= 0.5) {
        b->period++; /* beyond these limits never to more, within them to the nearest */
    }
    b->shift = shift;
}

static bool bucket_rate_is_right(double rate)
{
    return rate >= 0; /* not so for NaN */
}

int cconc__bucket_init(bucket *b, double rate, int32_t burst)
{
    if (!bucket_rate_is_right(rate) || burst < 0) {
        return EINVAL;
    }
    *b = (bucket){.period = BUCKET_FINE, .burst = burst, .latest_ns = INT64_MIN};
    return cconc__bucket_set_rate(b, INT64_MIN, rate);
}

/* Nanoseconds in units; *carry_ns, if units are longer, goes in and comes out. */
static uint64_t bucket_units(const bucket *b, uint64_t ns, uint64_t *carry_ns)
{
    uint64_t units;
    if (b->shift >= 0) {
        return ns > (UINT64_MAX >> b->shift) ? UINT64_MAX : ns << b->shift;
    }
    ns += *carry_ns; /* both have passed since INT64_MIN: no more than UINT64_MAX */
    units = -b->shift < 64 ? ns >> -b->shift : 0;
    *carry_ns = -b->shift < 64 ? ns - (units << -b->shift) : ns;
    return units;
}

/* Units in nanoseconds, rounded up; UINT64_MAX if there are too many. */
static uint64_t bucket_ns(const bucket *b, uint64_t units)
{
    if (b->shift >= 0) {
        uint64_t whole = units >> b->shift;
        return whole + (whole << b->shift != units ? 1 : 0);
    }
    return -b->shift >= 64 || units > (UINT64_MAX >> -b->shift) ? UINT64_MAX : units << -b->shift;
}

void cconc__bucket_settle(bucket *b, int64_t time_ns)
{
    uint64_t passed;
    if (time_ns <= b->latest_ns) {
        return;
    }
    passed = (uint64_t)time_ns - (uint64_t)b->latest_ns;
    b->latest_ns = time_ns;
    if (b->is_inf) {
        b->lack = 0;
    } else if (!b->is_stopped && b->lack > 0) {
        uint64_t units = bucket_units(b, passed, &b->carry_ns);
        b->lack -= units < b->lack ? units : b->lack;
        b->carry_ns = b->lack > 0 ? b->carry_ns : 0;
    }
}

/* How long until the lack of settled b will have fallen to most units; PLAT_NEVER for never. */
static int64_t bucket_wait(const bucket *b, uint64_t most)
{
    uint64_t ns;
    if (b->lack <= most) {
        return 0;
    }
    ns = b->is_stopped ? UINT64_MAX : bucket_ns(b, b->lack - most);
    ns -= ns > b->carry_ns ? b->carry_ns : ns - 1;
    return ns >= (uint64_t)INT64_MAX ? PLAT_NEVER : (int64_t)ns;
}

int64_t cconc__bucket_next(const bucket *b)
{
    if (b->is_inf || b->burst == 0) {
        return b->latest_ns;
    }
    return plat_clock_add(b->latest_ns, bucket_wait(b, bucket_full(b) - b->period));
}

int cconc__bucket_take(bucket *b, int64_t time_ns, int32_t n, int64_t max_wait_ns,
                       cconc_reservation *out_taken)
{
    bucket next = *b;
    uint64_t want;
    int64_t wait_ns;
    if (n < 0 || (n > b->burst && !b->is_inf)) {
        return EINVAL;
    }
    cconc__bucket_settle(&next, time_ns);
    if (b->is_inf) {
        *b = next;
        *out_taken = (cconc_reservation){.act_ns = time_ns};
        return 0;
    }
    want = (uint64_t)n * b->period;
    if (want > BUCKET_MOST - next.lack) { /* beyond all times: it holds nothing */
        if (max_wait_ns < PLAT_NEVER) {
            return ETIMEDOUT;
        }
        *out_taken = (cconc_reservation){.act_ns = PLAT_NEVER};
        return 0;
    }
    next.lack += want;
    wait_ns = bucket_wait(&next, bucket_full(b));
    if (wait_ns > max_wait_ns) {
        return ETIMEDOUT;
    }
    next.net += (uint64_t)n;
    *b = next;
    *out_taken = (cconc_reservation){.act_ns = plat_clock_add(next.latest_ns, wait_ns),
                                     .mark = next.net,
                                     .n = n,
                                     .is_held = n > 0};
    return 0;
}

void cconc__bucket_give_back(bucket *b, int64_t time_ns, const cconc_reservation *taken)
{
    int64_t now_ns = bucket_counted(b, time_ns);
    uint64_t later = b->net > taken->mark ? b->net - taken->mark : 0;
    uint64_t worth = (uint64_t)taken->n * b->period;
    uint64_t debt;
    bucket then;
    if (!taken->is_held || now_ns > taken->act_ns) {
        return;
    }
    cconc__bucket_settle(b, now_ns);
    then = *b;
    cconc__bucket_settle(&then, taken->act_ns);
    debt = then.lack > bucket_full(b) ? then.lack - bucket_full(b) : 0;
    if (later <= debt / b->period) {
        debt = later * b->period;
    }
    worth = worth > debt ? worth - debt : 0;
    worth = worth < b->lack ? worth : b->lack;
    b->lack -= worth;
    b->net -= worth / b->period;
}

int cconc__bucket_set_rate(bucket *b, int64_t time_ns, double rate)
{
    uint64_t before = b->period;
    if (!bucket_rate_is_right(rate)) {
        return EINVAL;
    }
    cconc__bucket_settle(b, time_ns);
    if (b->is_inf) {
        b->lack = 0;
    }
    b->rate = rate < CCONC_RATE_INF ? rate : CCONC_RATE_INF;
    b->is_inf = rate >= CCONC_RATE_INF;
    b->is_stopped = rate == 0;
    b->carry_ns = 0;
    if (!b->is_inf && !b->is_stopped) {
        uint64_t tokens = b->lack / before;
        uint64_t part = b->lack % before;
        bucket_pace(b, rate);
        b->lack = tokens > BUCKET_MOST / b->period ? BUCKET_MOST : tokens * b->period;
        part = (part * b->period + before - 1) / before;
        b->lack += part < BUCKET_MOST - b->lack ? part : BUCKET_MOST - b->lack;
    }
    return 0;
}

int cconc__bucket_set_burst(bucket *b, int64_t time_ns, int32_t burst)
{
    uint64_t change;
    if (burst < 0) {
        return EINVAL;
    }
    cconc__bucket_settle(b, time_ns);
    if (burst >= b->burst) {
        change = (uint64_t)(burst - b->burst) * b->period;
        b->lack = change > BUCKET_MOST - b->lack ? BUCKET_MOST : b->lack + change;
    } else {
        change = (uint64_t)(b->burst - burst) * b->period;
        b->lack -= change < b->lack ? change : b->lack;
    }
    b->burst = burst;
    return 0;
}

double cconc__bucket_tokens(const bucket *b, int64_t time_ns)
{
    bucket then = *b;
    cconc__bucket_settle(&then, time_ns);
    return b->is_inf ? CCONC_RATE_INF : b->burst - (double)then.lack / (double)b->period;
}
