/* sometimes.c - a call that does not run
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

static void run(void *arg)
{
    (void)arg;
    bench_sink++;
}

static uint64_t sometimes_skip_1t(uint64_t ops)
{
    cconc_sometimes *once;
    BENCH(cconc_sometimes_new(NULL, &once));
    for (uint64_t i = 0; i < ops; i++) {
        BENCH(cconc_sometimes_do(once, NULL, run, NULL, NULL));
    }
    cconc_sometimes_free(once);
    return ops;
}

const struct bench_cell bench_sometimes[] = {
    {"sometimes_skip_1t", 5000000, sometimes_skip_1t},
    {NULL, 0, NULL},
};
