/* limiter_keyed.h - a token bucket for each key: clients, addresses, accounts.
 * SPDX-License-Identifier: MIT
 *
 * Model     As many buckets as there are keys, all of one rate and burst; each starts full when its
 *           key first comes. A full bucket says nothing, so it is dropped when room is made. Of
 *           more than max_keys keys the least recently used goes, and starts full when it comes
 *           again: make max_keys larger than the number of keys that are active within burst / rate
 *           seconds. A refusal counts as a use, so nobody gains by being refused.
 * Example   int err = cconc_limiter_keyed_allow(clients, name, strlen(name), 1);
 *           (examples/limiter_keyed_clients.c)
 * Lifetime  new allocates, free releases. Keys are copied.
 * Threads   Every function, any thread, any time; only free must be alone.
 * Blocking  wait, until its time to act, or the context ends.
 * Orders    none
 * Progress  Waits of one key act in the order in which they reserved. Time never goes back within a
 *           key: a time before the latest one used counts as that. No thread is kept: a call that
 *           brings a new key drops up to two that have expired.
 * Errors    EAGAIN  allow: too few tokens; nothing changed      ENOMEM  no memory for a new key
 *           EINVAL  n < 0, n > burst (not so at CCONC_RATE_INF), a key too long or NULL; new: as
 *           cconc_limiter_new, or max_keys is 0
 *           ETIMEDOUT  wait: the time to act is after the context's deadline, told at once
 *           ECANCELED, ETIMEDOUT  wait: the context ended; what was reserved has been given back
 *           EDEADLK  wait: at rate 0, with a context that cannot end
 * Limits    Keys of any bytes, up to CCONC_LIMITER_KEYED_MAX_KEY of them. From 1024 keys on they
 *           lie in 16 parts, and each part drops its own least recently used. new takes 8 to 16
 *           bytes for each of max_keys, a key that is kept some 100 and its length. */
#ifndef CCONC_LIMITER_KEYED_H
#define CCONC_LIMITER_KEYED_H

#include <cconc/base.h>
#include <cconc/limiter.h>

#define CCONC_LIMITER_KEYED_MAX_KEY 65536u

CCONC_BEGIN_DECLS

/* Make a limiter of rate tokens a second and the given burst for each of up to max_keys keys.
 * Returns:  0, EINVAL (also if out_limiter is NULL), ENOMEM. */
CCONC_API CCONC_NODISCARD int cconc_limiter_keyed_new(double rate, int32_t burst, size_t max_keys,
                                                      cconc_limiter_keyed **out_limiter);

/* Take n of the key's tokens if they are there, now or at time_ns. What has expired at that time,
 * if the key is new, is told by the same clock: use one for all keys.
 * Returns:  0, EAGAIN, EINVAL, ENOMEM. */
CCONC_API CCONC_NODISCARD int cconc_limiter_keyed_allow(cconc_limiter_keyed *limiter,
                                                        const void *key, size_t key_len,
                                                        int32_t n);
CCONC_API CCONC_NODISCARD int cconc_limiter_keyed_allow_at(cconc_limiter_keyed *limiter,
                                                           int64_t time_ns, const void *key,
                                                           size_t key_len, int32_t n);

/* Take n of the key's tokens and sleep until it is time to act. Rate and burst never change here:
 * a wait whose time never comes, as at rate 0, has nothing to hope for. Unlike cconc_limiter_wait()
 * it returns ETIMEDOUT at once if ctx has a deadline, and EDEADLK if ctx cannot end; otherwise it
 * sleeps until ctx is cancelled, holding nothing.
 * Returns:  0, EINVAL, ECANCELED, ETIMEDOUT, EDEADLK, ENOMEM. */
CCONC_API CCONC_NODISCARD int cconc_limiter_keyed_wait(cconc_limiter_keyed *limiter, cconc_ctx *ctx,
                                                       const void *key, size_t key_len, int32_t n);

/* Give how long it is until the key has n tokens, if nobody takes any: what goes into a Retry-After
 * header. 0 if they are there, CCONC_NEVER if they never are. Takes nothing, and is no use. */
CCONC_API int64_t cconc_limiter_keyed_delay(cconc_limiter_keyed *limiter, const void *key,
                                            size_t key_len, int32_t n);

/* Give the key's tokens now, parts included; burst for a key that is not kept, negative for debt,
 * CCONC_RATE_INF at that rate. Changes nothing, and is no use. */
CCONC_API double cconc_limiter_keyed_tokens(cconc_limiter_keyed *limiter, const void *key,
                                            size_t key_len);

/* Drop the key: its bucket is full when it comes again. */
CCONC_API void cconc_limiter_keyed_forget(cconc_limiter_keyed *limiter, const void *key,
                                          size_t key_len);

/* Give the number of keys that are kept; a hint as soon as it is read. */
CCONC_API size_t cconc_limiter_keyed_len(cconc_limiter_keyed *limiter);

/* Release limiter; NULL is nothing. */
CCONC_API void cconc_limiter_keyed_free(cconc_limiter_keyed *limiter);

CCONC_END_DECLS

#endif
