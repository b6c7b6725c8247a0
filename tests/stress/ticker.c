/* ticker.c - tickers under load: many readers of one grid, and one that is moved all the time
 * SPDX-License-Identifier: MIT
 *
 * Risk      A tick for two, or early, or off the grid; a reader that is forgotten; a tick from
 *           before a reset or stop.
 * Method    Readers mark each point of the grid that they received: none is marked twice. Others
 *           read a ticker that is stopped and reset: what they get is due after the last reset
 *           before their wait.
 * Catches   T2 T3 T4; I9 I23; rules time-1 time-3 time-4 time-5.
 */
#include "support.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

#include <cconc/cconc.h>

#define READERS 4
#define FOLLOWERS 3
#define PERIOD_NS (20 * CCONC_US)
#define POINTS 4000000 /* of the grid: more than fit into the longest box that is usual */

static cconc_ticker *steady;
static cconc_ticker *moved;
static atomic_uchar marks[POINTS];
static atomic_int_fast64_t first_ns; /* a point of the steady grid */
static atomic_int_fast64_t floor_ns; /* the moved ticker has been reset after this */
static atomic_uint_fast64_t ticks;
static atomic_uint_fast64_t followed;
static atomic_uint_fast64_t moves;
static uint64_t seed;

/* Take one tick in one of three ways. */
static int take(struct support_random *random, cconc_ticker *ticker, int64_t *out_due_ns)
{
    cconc_ctx_mem mem;
    int64_t deadline_ns = cconc_clock_after(support_random_below(random, 100000));
    cconc_select_case cases[2] = {cconc_select_ticker(ticker, out_due_ns),
                                  cconc_select_until(deadline_ns)};
    switch (support_random_below(random, 4)) {
    case 0:
        return cconc_ticker_try_wait(ticker, out_due_ns);
    case 1:
        return cconc_select(cases, 2, 0, NULL);
    default:
        return cconc_ticker_wait(ticker, cconc_ctx_until(&mem, NULL, deadline_ns), out_due_ns);
    }
}

static void reader(void *arg, size_t index)
{
    struct support_random random = support_random_make(seed, index);
    int64_t last_ns = 0;
    (void)arg;
    while (support_stress_open()) {
        int64_t due_ns = 0;
        int err = take(&random, steady, &due_ns);
        SUPPORT_CHECK(err == 0 || err == ETIMEDOUT || err == EAGAIN);
        if (err == 0) {
            int64_t past_ns = due_ns - atomic_load(&first_ns);
            SUPPORT_CHECK(support_now_ns() >= due_ns);
            SUPPORT_CHECK(due_ns > last_ns);
            SUPPORT_CHECK(past_ns % PERIOD_NS == 0);
            if (past_ns / PERIOD_NS < POINTS) {
                SUPPORT_CHECK(atomic_fetch_add(&marks[past_ns / PERIOD_NS], 1) == 0);
            }
            atomic_fetch_add(&ticks, 1);
            last_ns = due_ns;
        }
    }
}

static void follower(void *arg, size_t index)
{
    struct support_random random = support_random_make(seed, 100 + index);
    (void)arg;
    while (support_stress_open()) {
        int64_t due_ns = 0;
        int64_t least_ns = atomic_load(&floor_ns);
        int err = take(&random, moved, &due_ns);
        SUPPORT_CHECK(err == 0 || err == ETIMEDOUT || err == EAGAIN || err == EPIPE);
        if (err == 0) {
            SUPPORT_CHECK(support_now_ns() >= due_ns && due_ns > least_ns);
            atomic_fetch_add(&followed, 1);
        }
    }
}

static void mover(void *arg, size_t index)
{
    struct support_random random = support_random_make(seed, 200 + index);
    (void)arg;
    while (support_stress_open()) {
        int64_t period_ns = 1 + (int64_t)support_random_below(&random, 50000);
        int64_t before_ns = cconc_clock_now();
        if (support_random_below(&random, 3) == 0) {
            (void)cconc_ticker_stop(moved);
        }
        SUPPORT_CHECK(cconc_ticker_reset(moved, period_ns, NULL) == 0);
        atomic_store(&floor_ns, before_ns); /* the next period may be shorter */
        atomic_fetch_add(&moves, 1);
        SUPPORT_CHECK(cconc_ctx_sleep(NULL, support_random_below(&random, 100000)) == 0);
    }
}

int main(int argc, char **argv)
{
    int64_t due_ns = 0;
    support_start(argc, argv, NULL);
    seed = support_stress_begin("stress ticker");
    SUPPORT_CHECK(cconc_ticker_new(PERIOD_NS, NULL, &steady) == 0);
    SUPPORT_CHECK(cconc_ticker_new(PERIOD_NS, NULL, &moved) == 0);
    SUPPORT_CHECK(cconc_ticker_wait(steady, NULL, &due_ns) == 0);
    atomic_store(&first_ns, due_ns);
    struct support_threads *readers = support_threads_start(READERS, reader, NULL);
    struct support_threads *followers = support_threads_start(FOLLOWERS, follower, NULL);
    struct support_threads *movers = support_threads_start(1, mover, NULL);
    SUPPORT_CHECK(support_threads_join(movers) == 0);
    SUPPORT_CHECK(support_threads_join(followers) == 0);
    SUPPORT_CHECK(support_threads_join(readers) == 0);
    SUPPORT_CHECK(cconc_ticker_waiters(steady) == 0);
    cconc_ticker_free(steady);
    cconc_ticker_free(moved);
    printf("ticks %" PRIu64 ", of the moved one %" PRIu64 " over %" PRIu64 " moves\n",
           (uint64_t)ticks, (uint64_t)followed, (uint64_t)moves);
    support_leak_check();
    return 0;
}
