/* limiter.c - limiters under load: threads that hammer them get what they may, and no more
 * SPDX-License-Identifier: MIT
 *
 * Risk      Tokens minted or lost when threads race, by the word, the lock, or between them; by
 *           waits; by cancellation; at changes of rate and burst.
 * Method    Eight threads use four limiters of 1,000 a second in turn: with allow alone, with
 *           reservations and waits as well, with cancellations as well, and with changes to what
 *           rate and burst are anyway; after that one of 1,000 a second for three seconds, with
 *           nothing else. In the end each is drained. What was admitted lies between what the time
 *           allows and one per cent less; with cancellations, which may give back less than was
 *           taken, it is not more. Where the machine stood still the bucket may have been full.
 * Catches   lim-2, lim-5 to lim-8, lim-11, lim-12; R1, R3, R7.
 */
#include "support.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

#include <cconc/cconc.h>

#define THREADS 8
#define RATE 1000
#define BURST 500 /* the threads may be kept from the limiter for half a second */
#define IDLE_NS (CCONC_SECOND / 4)

enum { ALLOWS, RESERVES, CANCELS, CHANGES, LIMITERS, ALONE = LIMITERS };

static const char *const names[] = {"allow", "reserve", "cancel", "change", "alone"};

static struct load {
    cconc_limiter *limiter;
    atomic_int_fast64_t admitted;
    int64_t start_ns;            /* just before its first use, which takes all */
    atomic_int_fast64_t last_ns; /* of the latest call */
    atomic_int_fast64_t idle_ns; /* without a call, at times so long that it may have been full */
} loads[LIMITERS + 1];

static uint64_t seed;

static int allow(struct load *load, int32_t n)
{
    int err = cconc_limiter_allow(load->limiter, n);
    int64_t now_ns = cconc_clock_now();
    int64_t idle_ns = now_ns - atomic_exchange(&load->last_ns, now_ns);
    if (idle_ns > IDLE_NS) {
        atomic_fetch_add(&load->idle_ns, idle_ns);
    }
    SUPPORT_CHECK(err == 0 || err == EAGAIN);
    return err;
}

static int wait_a_little(struct load *load, int32_t n, struct support_random *random)
{
    cconc_ctx_mem mem;
    int64_t deadline_ns = cconc_clock_after(support_random_below(random, 3000000));
    int err = cconc_limiter_wait(load->limiter, cconc_ctx_until(&mem, NULL, deadline_ns), n);
    SUPPORT_CHECK(err == 0 || err == ETIMEDOUT);
    return err;
}

/* Reserve for now, or for whenever it is and not go there. */
static int reserve(struct load *load, int32_t n, bool may_cancel)
{
    cconc_reservation reservation;
    int64_t most_ns = may_cancel ? CCONC_NEVER : 0;
    int err = cconc_limiter_reserve(load->limiter, n, most_ns, &reservation);
    SUPPORT_CHECK(err == 0 || (err == ETIMEDOUT && !may_cancel));
    if (!err && cconc_reservation_delay(&reservation) > 0) {
        cconc_limiter_cancel(load->limiter, &reservation);
        return EAGAIN;
    }
    return err;
}

static int change(struct load *load, struct support_random *random)
{
    if (support_random_below(random, 2) == 0) {
        SUPPORT_CHECK(cconc_limiter_set_rate(load->limiter, RATE) == 0);
    } else {
        SUPPORT_CHECK(cconc_limiter_set_burst(load->limiter, BURST) == 0);
    }
    return EAGAIN;
}

static void try_one(size_t kind, struct support_random *random)
{
    struct load *load = &loads[kind];
    int32_t n = 1 + (int32_t)support_random_below(random, 3);
    uint32_t chance = support_random_below(random, 64);
    int err;
    if (kind == ALLOWS || chance > 2) {
        err = allow(load, n);
    } else if (chance == 0) {
        err = wait_a_little(load, n, random);
    } else if (kind == CHANGES) {
        err = change(load, random);
    } else {
        err = reserve(load, n, kind == CANCELS);
    }
    if (!err) {
        atomic_fetch_add(&load->admitted, n);
    }
}

static void hammer(void *arg, size_t index)
{
    struct support_random random = support_random_make(seed, index);
    (void)arg;
    while (support_stress_open()) {
        for (size_t kind = 0; kind < LIMITERS; kind++) {
            try_one(kind, &random);
        }
    }
}

static void hammer_alone(void *arg, size_t index)
{
    struct load *load = arg;
    (void)index;
    while (cconc_clock_now() - load->start_ns < 3 * CCONC_SECOND) {
        if (allow(load, 1) == 0) {
            atomic_fetch_add(&load->admitted, 1);
        }
    }
}

static void begin(size_t kind)
{
    struct load *load = &loads[kind];
    SUPPORT_CHECK(cconc_limiter_new(RATE, BURST, &load->limiter) == 0);
    load->start_ns = cconc_clock_now();
    atomic_store(&load->last_ns, load->start_ns);
    atomic_store(&load->idle_ns, 0);
    SUPPORT_CHECK(cconc_limiter_allow(load->limiter, BURST) == 0);
    atomic_store(&load->admitted, BURST);
}

/* Take what is left, and compare. */
static void judge(size_t kind)
{
    struct load *load = &loads[kind];
    double least = BURST + (double)(cconc_clock_now() - load->start_ns) * RATE / 1e9;
    int64_t got = atomic_load(&load->admitted);
    while (allow(load, 1) == 0) {
        got++;
    }
    double most = BURST + (double)(cconc_clock_now() - load->start_ns) * RATE / 1e9 + 1;
    least -= (double)atomic_load(&load->idle_ns) * RATE / 1e9;
    printf("limiter: %-7s %" PRId64 " admitted of %.0f\n", names[kind], got, most);
    SUPPORT_CHECK((double)got <= most);
    SUPPORT_CHECK(kind == CANCELS || (double)got >= least * 0.99 - 1);
    cconc_limiter_free(load->limiter);
}

int main(int argc, char **argv)
{
    support_start(argc, argv, NULL);
    seed = support_stress_begin("stress limiter");
    for (size_t kind = 0; kind < LIMITERS; kind++) {
        begin(kind);
    }
    struct support_threads *threads = support_threads_start(THREADS, hammer, NULL);
    SUPPORT_CHECK(support_threads_join(threads) == 0);
    for (size_t kind = 0; kind < LIMITERS; kind++) {
        judge(kind);
    }
    begin(ALONE);
    threads = support_threads_start(THREADS, hammer_alone, &loads[ALONE]);
    SUPPORT_CHECK(support_threads_join(threads) == 0);
    judge(ALONE);
    support_leak_check();
    return 0;
}
