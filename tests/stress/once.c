/* once.c - many short-lived onces, each run by a crowd, some of whose members leave
 * SPDX-License-Identifier: MIT
 *
 * Risk      A function that runs twice, a waiter that is forgotten, a result that is seen before
 *           what came before it.
 * Method    Threads go through one list of onces; some are retried after failures, some waits have
 *           deadlines. At the end each has run as often as it had to.
 * Catches   once-1, once-2, once-3.
 */
#include "support.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include <cconc/cconc.h>

#define THREADS 6
#define ROUND 64
#define FAILURES 2 /* of a retried one before it succeeds */

struct deed {
    cconc_once once;
    int plain; /* written by the function alone */
    atomic_int runs;
};

static struct deed deeds[ROUND];
static cconc_waitgroup start_line[2] = {CCONC_WAITGROUP_INIT, CCONC_WAITGROUP_INIT};
static cconc_waitgroup end_line[2] = {CCONC_WAITGROUP_INIT, CCONC_WAITGROUP_INIT};
static bool stop;
static uint64_t seed;
static uint64_t rounds;

static int act(cconc_ctx *ctx, void *arg)
{
    struct deed *deed = arg;
    (void)ctx;
    if (atomic_load(&deed->runs) % 2 == 0) {
        sched_yield();
    }
    deed->plain++;
    atomic_fetch_add(&deed->runs, 1);
    return 0;
}

static int act_late(cconc_ctx *ctx, void *arg)
{
    struct deed *deed = arg;
    (void)ctx;
    deed->plain++;
    return atomic_fetch_add(&deed->runs, 1) < FAILURES ? EIO : 0;
}

/* Run one until it has succeeded, now and then with a deadline that may pass. */
static void run_to_success(struct support_random *random, struct deed *deed, bool retried)
{
    int err;
    do {
        cconc_ctx_mem mem;
        cconc_ctx *ctx = support_random_deadline(random, &mem, 4, 20000);
        err = retried ? cconc_once_run_retry(&deed->once, ctx, act_late, deed)
                      : cconc_once_run(&deed->once, ctx, act, deed);
        SUPPORT_CHECK(err == 0 || (ctx && (err == EINPROGRESS || err == ETIMEDOUT)) ||
                      (retried && err == EIO));
    } while (err);
    SUPPORT_CHECK(deed->plain == (retried ? FAILURES + 1 : 1));
}

static void crowd(void *arg, size_t index)
{
    struct support_random random = support_random_make(seed, index);
    (void)arg;
    for (uint64_t n = 0;; n++) {
        if (index == 0) {
            stop = !support_stress_open();
            for (size_t i = 0; i < ROUND; i++) {
                deeds[i] = (struct deed){.once = CCONC_ONCE_INIT};
            }
            cconc_waitgroup_add(&start_line[(n + 1) % 2], THREADS);
            cconc_waitgroup_add(&end_line[n % 2], THREADS);
        }
        cconc_waitgroup_done(&start_line[n % 2]);
        SUPPORT_CHECK(cconc_waitgroup_wait(&start_line[n % 2], NULL) == 0);
        if (stop) {
            return;
        }
        for (size_t i = 0; i < ROUND; i++) {
            run_to_success(&random, &deeds[i], i % 2);
        }
        cconc_waitgroup_done(&end_line[n % 2]);
        SUPPORT_CHECK(cconc_waitgroup_wait(&end_line[n % 2], NULL) == 0);
        if (index == 0) {
            rounds++;
        }
    }
}

int main(int argc, char **argv)
{
    support_start(argc, argv, NULL);
    seed = support_stress_begin("stress once");
    cconc_waitgroup_add(&start_line[0], THREADS);
    struct support_threads *threads = support_threads_start(THREADS, crowd, NULL);
    SUPPORT_CHECK(support_threads_join(threads) == 0);
    printf("once: %llu rounds of %d\n", (unsigned long long)rounds, ROUND);
    support_leak_check();
    return 0;
}
