/* limiter.c - the cells of the limiter: a token that is there, one that is not, two threads, wait
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

#include <errno.h>

static cconc_limiter *make(double rate, int32_t burst)
{
    cconc_limiter *limiter;
    BENCH(cconc_limiter_new(rate, burst, &limiter));
    return limiter;
}

static void allow(void *arg, uint64_t share)
{
    for (uint64_t i = 0; i < share; i++) {
        int err = cconc_limiter_allow(arg, 1);
        BENCH(err == EAGAIN ? 0 : err);
    }
}

static uint64_t limiter_allow_1t(uint64_t ops)
{
    cconc_limiter *limiter = make(1e9, 1000000);
    allow(limiter, ops);
    cconc_limiter_free(limiter);
    return ops;
}

static uint64_t limiter_deny_1t(uint64_t ops)
{
    cconc_limiter *limiter = make(1, 1);
    allow(limiter, ops);
    cconc_limiter_free(limiter);
    return ops;
}

static uint64_t limiter_allow_2t(uint64_t ops)
{
    cconc_limiter *limiter = make(1e9, 1000000);
    uint64_t done = bench_parallel(2, ops, allow, limiter);
    cconc_limiter_free(limiter);
    return done;
}

static uint64_t limiter_wait_ready(uint64_t ops)
{
    cconc_limiter *limiter = make(1e9, 1000000000);
    cconc_ctx *ctx;
    BENCH(cconc_ctx_with_cancel(NULL, &ctx));
    for (uint64_t i = 0; i < ops; i++) {
        BENCH(cconc_limiter_wait(limiter, ctx, 1));
    }
    cconc_ctx_free(ctx);
    cconc_limiter_free(limiter);
    return ops;
}

const struct bench_cell bench_limiter[] = {
    {"limiter_allow_1t", 5000000, limiter_allow_1t},
    {"limiter_deny_1t", 5000000, limiter_deny_1t},
    {"limiter_allow_2t", 5000000, limiter_allow_2t},
    {"limiter_wait_ready", 2000000, limiter_wait_ready},
    {NULL, 0, NULL},
};
