/* pool.c - the cells of pools: empty tasks, short tasks, tasks that wait for tasks, a loop
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

#include <stdatomic.h>

static int nothing(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return 0;
}

static atomic_int seen;

/* About a microsecond. */
static int one_us(cconc_ctx *ctx, void *arg)
{
    uint64_t x = (uint64_t)(uintptr_t)arg | 1;
    (void)ctx;
    for (int k = 0; k < 400; k++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    if (x == 0) {
        atomic_fetch_add(&seen, 1);
    }
    return 0;
}

static void pool_of(cconc_task_fn fn, uint64_t tasks)
{
    cconc_pool_opts opts = {.queue_len = 1024};
    cconc_pool *pool;
    BENCH(cconc_pool_new(NULL, &opts, &pool));
    for (uint64_t i = 0; i < tasks; i++) {
        BENCH(cconc_pool_submit(pool, NULL, fn, (void *)(uintptr_t)(i * 2654435761u)));
    }
    BENCH(cconc_pool_shutdown(pool, NULL, CCONC_POOL_DRAIN));
    cconc_pool_free(pool);
}

static uint64_t empty(uint64_t ops)
{
    pool_of(nothing, ops);
    return ops;
}

static uint64_t short_tasks(uint64_t ops)
{
    pool_of(one_us, ops);
    return ops;
}

struct fib {
    cconc_pool *pool;
    uint32_t    n;
    uint64_t    sum;
};

static int fib_run(cconc_ctx *ctx, void *arg)
{
    struct fib *fib = arg;
    if (fib->n < 2) {
        fib->sum = fib->n;
        return 0;
    }
    struct fib left = {fib->pool, fib->n - 1, 0};
    struct fib right = {fib->pool, fib->n - 2, 0};
    cconc_pool_task task = {.fn = fib_run, .arg = &left};
    BENCH(cconc_pool_submit_task(fib->pool, NULL, &task));
    BENCH(fib_run(ctx, &right));
    BENCH(cconc_pool_join(fib->pool, NULL, &task));
    fib->sum = left.sum + right.sum;
    return 0;
}

#define FIB22_JOINS 28656

static uint64_t forkjoin(uint64_t ops)
{
    cconc_pool_opts opts = {.queue_len = 1024};
    uint64_t rounds = bench_share(ops, FIB22_JOINS);
    struct fib fib = {.n = 22};
    cconc_pool_task task = {.fn = fib_run, .arg = &fib};
    BENCH(cconc_pool_new(NULL, &opts, &fib.pool));
    for (uint64_t i = 0; i < rounds; i++) {
        BENCH(cconc_pool_submit_task(fib.pool, NULL, &task));
        BENCH(cconc_pool_join(fib.pool, NULL, &task));
        bench_sink += fib.sum;
    }
    cconc_pool_free(fib.pool);
    return rounds * FIB22_JOINS;
}

static int sum_range(cconc_ctx *ctx, size_t begin, size_t end, void *arg)
{
    uint64_t sum = 0;
    (void)ctx;
    for (size_t i = begin; i < end; i++) {
        sum += i;
    }
    atomic_fetch_add((_Atomic uint64_t *)arg, sum);
    return 0;
}

static uint64_t loop(uint64_t ops)
{
    cconc_pool *pool;
    _Atomic uint64_t sum = 0;
    BENCH(cconc_pool_new(NULL, NULL, &pool));
    BENCH(cconc_pool_parallel_for(pool, NULL, 0, (size_t)ops, 0, sum_range, &sum));
    bench_sink += sum;
    cconc_pool_free(pool);
    return ops;
}

const struct bench_cell bench_pool[] = {
    {"pool_empty", 2000000, empty},
    {"pool_1us", 500000, short_tasks},
    {"forkjoin_fib22", UINT64_C(20) * FIB22_JOINS, forkjoin},
    {"parallel_for_sum", 10000000, loop},
    {NULL, 0, NULL},
};
