/* counter.c - counters under load: adders, takers and readers, and counters that come and go
 * SPDX-License-Identifier: MIT
 *
 * Risk      An add lost or doubled where threads move from cell to cell or a take comes between; a
 *           highest value that is missed.
 * Method    Threads add random numbers, some take; what was added is what was taken and is left. A
 *           second counter counts the threads inside, and its highest value is compared with what
 *           each of them saw.
 * Catches   cnt-1.
 */
#include "support.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

#include <cconc/cconc.h>

#define THREADS 8

static cconc_counter *shared;
static cconc_counter *inside;
static atomic_uint_fast64_t added;
static atomic_uint_fast64_t taken;
static uint64_t seed;

static int64_t some_number(struct support_random *random)
{
    uint64_t bits = support_random_next(random);
    return (int64_t)(bits >> support_random_below(random, 64)) * (bits & 1 ? 1 : -1);
}

static void use(void *arg, size_t index)
{
    struct support_random random = support_random_make(seed, index);
    uint64_t sum = 0;
    uint64_t took = 0;
    (void)arg;
    while (support_stress_open()) {
        for (int i = 0; i < 100; i++) {
            int64_t delta = some_number(&random);
            cconc_counter_add(shared, delta);
            sum += (uint64_t)delta;
        }
        if (support_random_below(&random, 4) == 0) {
            took += (uint64_t)cconc_counter_take(shared);
        }
        cconc_counter_add(inside, 1);
        int64_t now = cconc_counter_get(inside);
        SUPPORT_CHECK(now >= 1 && now <= THREADS && cconc_counter_high(inside) >= 1);
        cconc_counter_add(inside, -1);
    }
    atomic_fetch_add(&added, sum);
    atomic_fetch_add(&taken, took);
}

static void come_and_go(void *arg, size_t index)
{
    (void)arg;
    (void)index;
    while (support_stress_open()) {
        cconc_counter *counter;
        SUPPORT_CHECK(cconc_counter_new(NULL, &counter) == 0);
        cconc_counter_add(counter, -1);
        SUPPORT_CHECK(cconc_counter_get(counter) == -1);
        cconc_counter_free(counter);
    }
}

int main(int argc, char **argv)
{
    cconc_counter_opts keep_high = {.keep_high = true};
    support_start(argc, argv, NULL);
    seed = support_stress_begin("stress counter");
    SUPPORT_CHECK(cconc_counter_new(NULL, &shared) == 0);
    SUPPORT_CHECK(cconc_counter_new(&keep_high, &inside) == 0);
    struct support_threads *users = support_threads_start(THREADS, use, NULL);
    struct support_threads *others = support_threads_start(1, come_and_go, NULL);
    SUPPORT_CHECK(support_threads_join(others) == 0);
    SUPPORT_CHECK(support_threads_join(users) == 0);
    uint64_t left = (uint64_t)cconc_counter_get(shared);
    printf("counter: sum %" PRIu64 ", at most %" PRId64 " inside\n", (uint64_t)atomic_load(&added),
           cconc_counter_high(inside));
    SUPPORT_CHECK(atomic_load(&added) == atomic_load(&taken) + left);
    SUPPORT_CHECK(cconc_counter_get(inside) == 0 && cconc_counter_high(inside) <= THREADS);
    cconc_counter_free(inside);
    cconc_counter_free(shared);
    support_leak_check();
    return 0;
}
