/* limiter_keyed.c - the cells of the keyed limiter: one key, many keys, more than are kept
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

#include <errno.h>

static cconc_limiter_keyed *make(size_t max_keys)
{
    cconc_limiter_keyed *limiter;
    BENCH(cconc_limiter_keyed_new(1e6, 1000, max_keys, &limiter));
    return limiter;
}

/* Ask for the keys from 0 to count - 1 in turn. */
static void allow(cconc_limiter_keyed *limiter, uint64_t ops, uint64_t count)
{
    for (uint64_t i = 0; i < ops; i++) {
        uint64_t key = i % count;
        int err = cconc_limiter_keyed_allow(limiter, &key, sizeof(key), 1);
        BENCH(err == EAGAIN ? 0 : err);
    }
}

static void allow_1000_keys(void *limiter, uint64_t share)
{
    allow(limiter, share, 1000);
}

static uint64_t limiter_keyed_1key_1t(uint64_t ops)
{
    cconc_limiter_keyed *limiter = make(10000);
    allow(limiter, ops, 1);
    cconc_limiter_keyed_free(limiter);
    return ops;
}

static uint64_t limiter_keyed_1000keys_2t(uint64_t ops)
{
    cconc_limiter_keyed *limiter = make(10000);
    uint64_t done = bench_parallel(2, ops, allow_1000_keys, limiter);
    cconc_limiter_keyed_free(limiter);
    return done;
}

static uint64_t limiter_keyed_evict_1t(uint64_t ops)
{
    cconc_limiter_keyed *limiter = make(1000);
    allow(limiter, ops, 2000);
    cconc_limiter_keyed_free(limiter);
    return ops;
}

const struct bench_cell bench_limiter_keyed[] = {
    {"limiter_keyed_1key_1t", 2000000, limiter_keyed_1key_1t},
    {"limiter_keyed_1000keys_2t", 2000000, limiter_keyed_1000keys_2t},
    {"limiter_keyed_evict_1t", 1000000, limiter_keyed_evict_1t},
    {NULL, 0, NULL},
};
