/* limiter.h - a token bucket: things may happen at a rate, with bursts.
 * SPDX-License-Identifier: MIT
 *
 * Model     A bucket starts full, with burst tokens, and refills at rate tokens a second, up to
 *           burst. allow takes tokens that are there; reserve takes them in advance and tells when
 *           to act; wait reserves and sleeps until then. The behaviour is that of Go's
 *           golang.org/x/time/rate where this header says nothing else, the arithmetic that of GCRA
 *           (ITU-T I.371) in whole numbers.
 * Example   int err = cconc_limiter_wait(limiter, ctx, 1);   (examples/limiter_api_client.c)
 * Lifetime  new allocates, free releases. No wait may be blocked when free starts. A reservation is
 *           the caller's memory, and may be forgotten.
 * Threads   Every function, any thread, any time; only free must be alone. A reservation belongs to
 *           one thread at a time.
 * Blocking  wait, until its time to act, or the context ends.
 * Orders    none
 * Progress  Waits act in the order in which they reserved. k callers at one instant get exactly the
 *           tokens there are. Time never goes back: a time before the latest one used counts as
 *           that. Explicit times on a limiter that the clock has driven count as not before the
 *           first call that gives one. allow takes no lock while the clock alone drives the limiter
 *           and no reservation is ahead of its time, at rates of one token in two seconds and more
 *           with bursts up to 2^20, where a word has 64 bits; a refusal for want of any token
 *           writes nothing that threads share.
 * Errors    EAGAIN  allow: too few tokens; nothing changed     ENOMEM  new only
 *           EINVAL  n < 0, n > burst (it can never succeed; not so at CCONC_RATE_INF), a rate that
 *           is negative or no number, a negative burst
 *           ETIMEDOUT  reserve: the time to act is more than max_wait_ns away; wait: it is after
 *           the context's deadline, told at once; nothing was taken
 *           ECANCELED, ETIMEDOUT  wait: the context ended; what was reserved has been given back
 * Limits    Rates from 1e-10 to 1e9 a second hold to 1e-6; others are accepted, and never admit
 *           more than that. burst and n up to 2^31 - 1. All arithmetic saturates. */
#ifndef CCONC_LIMITER_H
#define CCONC_LIMITER_H

#include <cconc/base.h>

/* A rate without limit: everything is allowed, burst is ignored, no account is kept. Cast, since a
 * constant may be more exact than a double, and so unequal to the rate that was set. */
#ifdef __cplusplus
#define CCONC_RATE_INF static_cast<double>(1e300)
#else
#define CCONC_RATE_INF ((double)1e300)
#endif

CCONC_BEGIN_DECLS

/* The fields are the library's. */
typedef struct cconc_reservation {
    int64_t  act_ns;
    uint64_t mark;
    int32_t  n;
    uint32_t is_held;
} cconc_reservation;

/* Make a limiter of rate tokens a second and the given burst.
 * Returns:  0, EINVAL (also if out_limiter is NULL), ENOMEM. */
CCONC_API CCONC_NODISCARD int cconc_limiter_new(double rate, int32_t burst,
                                                cconc_limiter **out_limiter);

/* Give the rate of one token every interval_ns; CCONC_RATE_INF if that is not above zero. */
CCONC_API double cconc_limiter_every(int64_t interval_ns);

/* Take n tokens if they are there, now or at time_ns.
 * Returns:  0, EAGAIN, EINVAL. n = 0 succeeds unless there is debt. */
CCONC_API CCONC_NODISCARD int cconc_limiter_allow(cconc_limiter *limiter, int32_t n);
CCONC_API CCONC_NODISCARD int cconc_limiter_allow_at(cconc_limiter *limiter, int64_t time_ns,
                                                     int32_t n);

/* Take n tokens, in advance if they are not there, and tell in *out_reservation when to act. The
 * longest wait is max_wait_ns; CCONC_NEVER for any.
 * Returns:  0 (also if the time to act is never), ETIMEDOUT, EINVAL (also if out_reservation is
 *           NULL). */
CCONC_API CCONC_NODISCARD int cconc_limiter_reserve(cconc_limiter *limiter, int32_t n,
                                                    int64_t max_wait_ns,
                                                    cconc_reservation *out_reservation);
CCONC_API CCONC_NODISCARD int cconc_limiter_reserve_at(cconc_limiter *limiter, int64_t time_ns,
                                                       int32_t n, int64_t max_wait_ns,
                                                       cconc_reservation *out_reservation);

/* Give the time to act, a reading of the clock; CCONC_NEVER if no time is in reach. */
CCONC_API int64_t cconc_reservation_time(const cconc_reservation *reservation);

/* Give how long it is until then, now or from time_ns; 0 if it has come, CCONC_NEVER for never. */
CCONC_API int64_t cconc_reservation_delay(const cconc_reservation *reservation);
CCONC_API int64_t cconc_reservation_delay_from(const cconc_reservation *reservation,
                                               int64_t time_ns);

/* Give back what reservation took, now or at time_ns, less the tokens that were taken later and
 * count on it; nothing after its time to act, or a second time. A run of reservations that is
 * cancelled in reverse order leaves the bucket exactly as it was. After a change of the rate up to
 * as many tokens more may come back as earlier reservations have given back since. */
CCONC_API void cconc_limiter_cancel(cconc_limiter *limiter, cconc_reservation *reservation);
CCONC_API void cconc_limiter_cancel_at(cconc_limiter *limiter, int64_t time_ns,
                                       cconc_reservation *reservation);

/* Take n tokens and sleep until it is time to act. At rate 0 it sleeps, holding nothing, until rate
 * or burst change or a reservation is given back, and then tries again.
 * Returns:  0, EINVAL, ECANCELED, ETIMEDOUT. */
CCONC_API CCONC_NODISCARD int cconc_limiter_wait(cconc_limiter *limiter, cconc_ctx *ctx, int32_t n);

/* Change rate or burst, now or from time_ns on; the bucket settles at the old ones first.
 * Reservations keep their times. A higher burst adds no tokens.
 * Returns:  0, EINVAL. */
CCONC_API CCONC_NODISCARD int cconc_limiter_set_rate(cconc_limiter *limiter, double rate);
CCONC_API CCONC_NODISCARD int cconc_limiter_set_rate_at(cconc_limiter *limiter, int64_t time_ns,
                                                        double rate);
CCONC_API CCONC_NODISCARD int cconc_limiter_set_burst(cconc_limiter *limiter, int32_t burst);
CCONC_API CCONC_NODISCARD int cconc_limiter_set_burst_at(cconc_limiter *limiter, int64_t time_ns,
                                                         int32_t burst);

/* Give the rate, and the burst. */
CCONC_API double  cconc_limiter_rate(const cconc_limiter *limiter);
CCONC_API int32_t cconc_limiter_burst(const cconc_limiter *limiter);

/* Give the tokens there are now, or at time_ns, parts included; negative is debt. Changes nothing.
 * CCONC_RATE_INF at that rate. */
CCONC_API double cconc_limiter_tokens(const cconc_limiter *limiter);
CCONC_API double cconc_limiter_tokens_at(const cconc_limiter *limiter, int64_t time_ns);

/* Give the number of waits that sleep because their time does not come at this rate. */
CCONC_API size_t cconc_limiter_waiters(const cconc_limiter *limiter);

/* Release limiter; NULL is nothing. Waits that sleep until a change abort, with their number. */
CCONC_API void cconc_limiter_free(cconc_limiter *limiter);

CCONC_END_DECLS

#endif
