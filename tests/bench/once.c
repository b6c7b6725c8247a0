/* once.c - the cell of once: the code is there
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

static int make(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return 0;
}

static uint64_t once_fast(uint64_t ops)
{
    static cconc_once once = CCONC_ONCE_INIT;
    uint64_t failed = 0;
    for (uint64_t i = 0; i < ops; i++) {
        failed += cconc_once_run(&once, NULL, make, NULL) != 0;
    }
    bench_sink += failed;
    return ops;
}

const struct bench_cell bench_once[] = {
    {"once_fast", 200000000, once_fast},
    {NULL, 0, NULL},
};
