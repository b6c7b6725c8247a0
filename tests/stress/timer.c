/* timer.c - timers under load: started, stopped, reset and waited for by many at once
 * SPDX-License-Identifier: MIT
 *
 * Risk      A start that is neither prevented nor ends in one value or one run, or in two; a waiter
 *           that misses its value; a value that comes early; memory used after free.
 * Method    Everybody resets, stops, waits for and selects over the same timers. Each start counts:
 *           prevented + received + run, over all threads, is the number of starts.
 * Catches   T1 T2 T3 T4 T6; I9 I23; rules time-1 time-2 time-3 time-6.
 */
#include "support.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

#include <cconc/cconc.h>

#define SHARED 3
#define MOVERS 2
#define WAITERS 4

static cconc_timer *waited[SHARED];
static cconc_timer *runs_one[SHARED];
static atomic_uint_fast64_t starts;
static atomic_uint_fast64_t prevented;
static atomic_uint_fast64_t received;
static atomic_uint_fast64_t ran;
static atomic_uint_fast64_t short_lived;
static atomic_bool over;
static uint64_t seed;

static void run(void *arg)
{
    (void)arg;
    atomic_fetch_add(&ran, 1);
}

static void start(cconc_timer *timer, int64_t delay_ns)
{
    atomic_fetch_add(&starts, 1);
    atomic_fetch_add(&prevented, cconc_timer_reset(timer, delay_ns));
}

static int64_t some_delay(struct support_random *random)
{
    return (int64_t)support_random_below(random, 200000) - 20000;
}

/* A timer of one's own: made, used, freed. */
static void live_short(struct support_random *random)
{
    cconc_timer *timer = NULL;
    bool is_func = support_random_below(random, 2) == 0;
    int err = is_func ? cconc_timer_new_func(some_delay(random), run, NULL, &timer)
                      : cconc_timer_new(some_delay(random), &timer);
    SUPPORT_CHECK(err == 0);
    atomic_fetch_add(&short_lived, 1);
    atomic_fetch_add(&starts, 1);
    if (!is_func && support_random_below(random, 2) == 0) {
        SUPPORT_CHECK(cconc_timer_wait(timer, NULL, NULL) == 0);
        atomic_fetch_add(&received, 1);
    }
    atomic_fetch_add(&prevented, cconc_timer_stop_wait(timer));
    cconc_timer_free(timer);
}

static void mover(void *arg, size_t index)
{
    struct support_random random = support_random_make(seed, index);
    (void)arg;
    while (support_stress_open()) {
        cconc_timer **set = support_random_below(&random, 2) ? waited : runs_one;
        cconc_timer *timer = set[support_random_below(&random, SHARED)];
        switch (support_random_below(&random, 8)) {
        case 0:
            atomic_fetch_add(&prevented, cconc_timer_stop(timer));
            break;
        case 1:
            live_short(&random);
            break;
        default:
            start(timer, some_delay(&random));
        }
    }
}

/* Take one value in one of three ways. Returns 0, ETIMEDOUT, EPIPE, EAGAIN. */
static int take(struct support_random *random, int64_t *out_due_ns)
{
    cconc_ctx_mem mem;
    int64_t deadline_ns = cconc_clock_after(support_random_below(random, 300000));
    cconc_timer *timer = waited[support_random_below(random, SHARED)];
    cconc_select_case cases[SHARED + 1];
    switch (support_random_below(random, 4)) {
    case 0:
        return cconc_timer_try_wait(timer, out_due_ns);
    case 1:
        for (size_t i = 0; i < SHARED; i++) {
            cases[i] = cconc_select_timer(waited[i], out_due_ns);
        }
        cases[SHARED] = cconc_select_until(deadline_ns);
        return cconc_select(cases, SHARED + 1, 0, NULL);
    default:
        return cconc_timer_wait(timer, cconc_ctx_until(&mem, NULL, deadline_ns), out_due_ns);
    }
}

static void waiter(void *arg, size_t index)
{
    struct support_random random = support_random_make(seed, 100 + index);
    (void)arg;
    while (!atomic_load(&over)) {
        int64_t due_ns = INT64_MAX;
        int err = take(&random, &due_ns);
        SUPPORT_CHECK(err == 0 || err == ETIMEDOUT || err == EPIPE || err == EAGAIN);
        if (err == 0) {
            atomic_fetch_add(&received, 1);
            SUPPORT_CHECK(support_now_ns() >= due_ns);
        } else {
            SUPPORT_CHECK(due_ns == INT64_MAX);
        }
    }
}

int main(int argc, char **argv)
{
    support_start(argc, argv, NULL);
    seed = support_stress_begin("stress timer");
    for (size_t i = 0; i < SHARED; i++) {
        atomic_fetch_add(&starts, 2);
        SUPPORT_CHECK(cconc_timer_new(0, &waited[i]) == 0);
        SUPPORT_CHECK(cconc_timer_new_func(0, run, NULL, &runs_one[i]) == 0);
    }
    struct support_threads *waiters = support_threads_start(WAITERS, waiter, NULL);
    struct support_threads *movers = support_threads_start(MOVERS, mover, NULL);
    SUPPORT_CHECK(support_threads_join(movers) == 0);
    atomic_store(&over, true);
    SUPPORT_CHECK(support_threads_join(waiters) == 0);
    for (size_t i = 0; i < SHARED; i++) {
        atomic_fetch_add(&prevented, cconc_timer_stop_wait(waited[i]));
        atomic_fetch_add(&prevented, cconc_timer_stop_wait(runs_one[i]));
        SUPPORT_CHECK(cconc_timer_waiters(waited[i]) == 0);
        cconc_timer_free(waited[i]);
        cconc_timer_free(runs_one[i]);
    }
    printf("starts %" PRIu64 " = prevented %" PRIu64 " + received %" PRIu64 " + run %" PRIu64
           ", short-lived %" PRIu64 "\n",
           (uint64_t)starts, (uint64_t)prevented, (uint64_t)received, (uint64_t)ran,
           (uint64_t)short_lived);
    SUPPORT_CHECK(starts == prevented + received + ran);
    support_leak_check();
    return 0;
}
