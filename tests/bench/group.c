/* group.c - the cells of tasks: empty tasks by the million, under a limit, in small groups
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

static int nothing(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return 0;
}

static void group_of(int32_t limit, uint64_t tasks)
{
    cconc_group_opts opts = {.limit = limit};
    cconc_group *group;
    BENCH(cconc_group_new(NULL, &opts, &group));
    for (uint64_t i = 0; i < tasks; i++) {
        BENCH(cconc_group_go(group, NULL, nothing, NULL));
    }
    BENCH(cconc_group_wait(group, NULL, NULL));
    cconc_group_free(group);
}

static uint64_t unlimited(uint64_t ops)
{
    group_of(0, ops);
    return ops;
}

static uint64_t limit2(uint64_t ops)
{
    group_of(2, ops);
    return ops;
}

static uint64_t limit8(uint64_t ops)
{
    group_of(8, ops);
    return ops;
}

static uint64_t latency10(uint64_t ops)
{
    for (uint64_t i = 0; i < ops; i++) {
        group_of(0, 10);
    }
    return ops;
}

const struct bench_cell bench_group[] = {
    {"errgroup_nolimit", 1000000, unlimited},
    {"errgroup_limit2", 1000000, limit2},
    {"errgroup_limit8", 1000000, limit8},
    {"errgroup_10_latency", 50000, latency10},
    {NULL, 0, NULL},
};
