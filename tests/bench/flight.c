/* flight.c - the cells of flights: one thread, two on one key, two over a thousand keys
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

#include <stdio.h>

#define KEYS 1000

struct keys {
    cconc_flight *set;
    size_t        count;
    struct {
        char   text[16];
        size_t len;
    } key[KEYS];
};

static int nothing(cconc_ctx *ctx, void *arg, void **out_value)
{
    (void)ctx;
    (void)arg;
    (void)out_value;
    return 0;
}

static void fly(void *arg, uint64_t ops)
{
    const struct keys *keys = arg;
    size_t at = 0;
    for (uint64_t i = 0; i < ops; i++) {
        cconc_flight_result *result;
        BENCH(cconc_flight_do(keys->set, NULL, keys->key[at].text, keys->key[at].len, nothing, NULL,
                              NULL, &result));
        cconc_flight_result_unref(result);
        at = at + 1 < keys->count ? at + 1 : 0;
    }
}

static uint64_t run(uint64_t ops, size_t threads, size_t count)
{
    static struct keys keys;
    keys.count = count;
    for (size_t i = 0; i < count; i++) {
        int len = snprintf(keys.key[i].text, sizeof(keys.key[i].text), "user:%zu",
                           count == 1 ? (size_t)42 : i);
        keys.key[i].len = (size_t)len;
    }
    BENCH(cconc_flight_new(NULL, &keys.set));
    if (threads == 1) {
        fly(&keys, ops);
    } else {
        ops = bench_parallel(threads, ops, fly, &keys);
    }
    cconc_flight_free(keys.set);
    return ops;
}

static uint64_t one_thread(uint64_t ops)
{
    return run(ops, 1, 1);
}

static uint64_t two_threads_same_key(uint64_t ops)
{
    return run(ops, 2, 1);
}

static uint64_t two_threads_1000_keys(uint64_t ops)
{
    return run(ops, 2, KEYS);
}

const struct bench_cell bench_flight[] = {
    {"singleflight_1t", 2000000, one_thread},
    {"singleflight_2t_samekey", 2000000, two_threads_same_key},
    {"singleflight_2t_1000keys", 2000000, two_threads_1000_keys},
    {NULL, 0, NULL},
};
