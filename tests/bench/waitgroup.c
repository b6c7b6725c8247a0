/* waitgroup.c - the cell of the waitgroup: a million empty tasks
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

static void done(void *arg)
{
    (void)arg;
}

static uint64_t spawn_wait(uint64_t ops)
{
    cconc_waitgroup wg = CCONC_WAITGROUP_INIT;
    for (uint64_t i = 0; i < ops; i++) {
        BENCH(cconc_waitgroup_go(&wg, done, NULL));
    }
    BENCH(cconc_waitgroup_wait(&wg, NULL));
    cconc_waitgroup_destroy(&wg);
    return ops;
}

const struct bench_cell bench_waitgroup[] = {
    {"spawn_wait", 1000000, spawn_wait},
    {NULL, 0, NULL},
};
