/* sometimes.c - many threads call one that runs every third time
 * SPDX-License-Identifier: MIT
 *
 * Risk      A call that is counted twice or not at all, two functions at once.
 * Method    What ran is counted plainly, by the functions alone; it is a third of the calls.
 * Catches   The row of sometimes.
 */
#include "support.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

#include <cconc/cconc.h>

#define THREADS 6

static cconc_sometimes *third;
static uint64_t ran; /* plain: functions follow each other */
static atomic_uint_fast64_t calls;
static uint64_t seed;

static void run(void *arg)
{
    (void)arg;
    ran++;
}

static void call(void *arg, size_t index)
{
    struct support_random random = support_random_make(seed, index);
    uint64_t mine = 0;
    (void)arg;
    while (support_stress_open()) {
        cconc_ctx_mem mem;
        cconc_ctx *ctx = support_random_deadline(&random, &mem, 4, 5000);
        int err = cconc_sometimes_do(third, ctx, run, NULL, NULL);
        SUPPORT_CHECK(err == 0 || (ctx && err == ETIMEDOUT));
        mine += err == 0;
    }
    atomic_fetch_add(&calls, mine);
}

int main(int argc, char **argv)
{
    const cconc_sometimes_opts opts = {.every = 3};
    support_start(argc, argv, NULL);
    seed = support_stress_begin("stress sometimes");
    SUPPORT_CHECK(cconc_sometimes_new(&opts, &third) == 0);
    struct support_threads *threads = support_threads_start(THREADS, call, NULL);
    SUPPORT_CHECK(support_threads_join(threads) == 0);
    printf("sometimes: %" PRIu64 " of %" PRIu64 " calls ran\n", ran,
           (uint64_t)atomic_load(&calls));
    SUPPORT_CHECK(ran == (atomic_load(&calls) + 2) / 3);
    cconc_sometimes_free(third);
    support_leak_check();
    return 0;
}
