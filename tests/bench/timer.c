/* timer.c - the cells of timers: starting and stopping, alone and among many
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

#include <stdlib.h>

#define LIVE 100000
#define HOUR (3600 * CCONC_SECOND)

static void nothing(void *arg)
{
    (void)arg;
}

static cconc_timer *start(int64_t delay_ns)
{
    cconc_timer *timer = NULL;
    BENCH(cconc_timer_new_func(delay_ns, nothing, NULL, &timer));
    return timer;
}

static void stop(cconc_timer *timer)
{
    bench_sink += cconc_timer_stop(timer);
    cconc_timer_free(timer);
}

static uint64_t start_stop(uint64_t ops)
{
    for (uint64_t i = 0; i < ops; i++) {
        stop(start(HOUR));
    }
    return ops;
}

static uint64_t start_stop_among_many(uint64_t ops)
{
    cconc_timer **live = calloc(LIVE, sizeof(cconc_timer *));
    bench_check(live ? 0 : 12, "calloc");
    for (uint64_t i = 0; i < LIVE; i++) {
        live[i] = start(HOUR + (int64_t)(i * 7919 % LIVE) * CCONC_US);
    }
    for (uint64_t i = 0; i < ops; i++) {
        uint64_t k = i * 7919 % LIVE;
        stop(live[k]);
        live[k] = start(HOUR + (int64_t)i * CCONC_US);
    }
    for (uint64_t i = 0; i < LIVE; i++) {
        stop(live[i]);
    }
    free(live);
    return ops;
}

const struct bench_cell bench_timer[] = {
    {"timer_start_stop_1t", 1000000, start_stop},
    {"timer_start_stop_100k_live", 500000, start_stop_among_many},
    {NULL, 0, NULL},
};
