/* objpool.c - the cells of the object pool: one at a time, and 32 at a time
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

#define BURST 32

static cconc_objpool *new_pool(void)
{
    cconc_objpool_opts opts = {.size = 1024};
    cconc_objpool *pool;
    BENCH(cconc_objpool_new(&opts, &pool));
    return pool;
}

static void get_put(void *arg, uint64_t share)
{
    void *object;
    for (uint64_t i = 0; i < share; i++) {
        BENCH(cconc_objpool_get(arg, &object));
        *(char *)object = 1;
        cconc_objpool_put(arg, object);
    }
}

static void burst(void *arg, uint64_t share)
{
    void *objects[BURST];
    for (uint64_t i = 0; i < share; i++) {
        for (size_t k = 0; k < BURST; k++) {
            BENCH(cconc_objpool_get(arg, &objects[k]));
        }
        for (size_t k = 0; k < BURST; k++) {
            cconc_objpool_put(arg, objects[k]);
        }
    }
}

static uint64_t objpool_1t(uint64_t ops)
{
    cconc_objpool *pool = new_pool();
    get_put(pool, ops);
    cconc_objpool_free(pool);
    return ops;
}

static uint64_t objpool_2t(uint64_t ops)
{
    cconc_objpool *pool = new_pool();
    uint64_t done = bench_parallel(2, ops, get_put, pool);
    cconc_objpool_free(pool);
    return done;
}

static uint64_t objpool_burst32_2t(uint64_t ops)
{
    cconc_objpool *pool = new_pool();
    uint64_t bursts = bench_parallel(2, bench_share(ops, BURST), burst, pool);
    cconc_objpool_free(pool);
    return bursts * BURST;
}

const struct bench_cell bench_objpool[] = {
    {"objpool_1t", 5000000, objpool_1t},
    {"objpool_2t", 5000000, objpool_2t},
    {"objpool_burst32_2t", 5000000, objpool_burst32_2t},
    {NULL, 0, NULL},
};
