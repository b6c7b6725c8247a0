/* counter.c - the cells of the counter: one thread, and two at once
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

static void add(void *arg, uint64_t share)
{
    for (uint64_t i = 0; i < share; i++) {
        cconc_counter_add(arg, 1);
    }
}

static uint64_t count(size_t tasks, uint64_t ops)
{
    cconc_counter *counter;
    BENCH(cconc_counter_new(NULL, &counter));
    uint64_t done = bench_parallel(tasks, ops, add, counter);
    bench_sink += (uint64_t)cconc_counter_get(counter);
    cconc_counter_free(counter);
    return done;
}

static uint64_t counter_1t(uint64_t ops)
{
    return count(1, ops);
}

static uint64_t counter_2t(uint64_t ops)
{
    return count(2, ops);
}

const struct bench_cell bench_counter[] = {
    {"counter_1t", 20000000, counter_1t},
    {"counter_2t", 50000000, counter_2t},
    {NULL, 0, NULL},
};
