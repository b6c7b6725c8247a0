/* flight.c - flights under load: callers that come, leave, forget and hand on, over a few keys
 * SPDX-License-Identifier: MIT
 *
 * Risk      An answer lost or given twice, a value destroyed twice or never, an argument dropped
 *           twice, a result of another key, functions that run for nobody for ever, a plain write
 *           of the function that its callers do not see.
 * Method    Threads fly random keys with and without short deadlines, by every kind of call, over
 *           tables with different options. Values carry their key; values, arguments and answers
 *           are counted, and all are even in the end. Functions block, fail, end their thread, fly
 *           other keys with their context.
 * Catches   flight-1 flight-2 flight-3 flight-5 flight-6 flight-7 flight-8 flight-9; F1 F2 F3; G3
 *           C13; I9 I17 I20; O1 O3.
 */
#include "support.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cconc/cconc.h>

#define THREADS 6
#define KEYS 5
#define TABLES 3

struct value {
    uint32_t key;
    int plain; /* written by the function before it returns */
};

struct work {
    cconc_flight *set;
    uint32_t key;
    uint64_t random;
};

static uint64_t seed;
static cconc_flight *tables[TABLES];
static atomic_int_fast64_t values;    /* made and not destroyed */
static atomic_int_fast64_t works;     /* made and not dropped */
static atomic_int_fast64_t unanswered;
static atomic_uint_fast64_t calls;
static atomic_uint_fast64_t runs;
static atomic_uint_fast64_t left;

static void destroy(void *arg)
{
    struct value *value = arg;
    SUPPORT_CHECK(value->plain == 1);
    value->plain = 2;
    free(value);
    atomic_fetch_sub(&values, 1);
}

static void drop(void *arg)
{
    free(arg);
    atomic_fetch_sub(&works, 1);
}

static struct work *work_make(cconc_flight *set, uint32_t key, uint64_t random)
{
    struct work *work = malloc(sizeof(*work));
    SUPPORT_CHECK(work);
    *work = (struct work){set, key, random};
    atomic_fetch_add(&works, 1);
    return work;
}

static void check_result(uint32_t key, int code, cconc_flight_result *result)
{
    if (code == 0) {
        const struct value *value = cconc_flight_result_value(result);
        SUPPORT_CHECK(value->key == key && value->plain == 1);
        SUPPORT_CHECK(cconc_flight_result_sharers(result) >= 1);
        cconc_flight_result_unref(result);
    } else {
        SUPPORT_CHECK(code == EINPROGRESS || code == ENOENT || code == ECANCELED ||
                      code == ETIMEDOUT || code == EAGAIN || code == EDEADLK);
        atomic_fetch_add(&left, code == EINPROGRESS);
    }
}

static int fly(cconc_ctx *ctx, void *arg, void **out_value)
{
    const struct work *work = arg;
    uint32_t dice = (uint32_t)(work->random % 32);
    atomic_fetch_add(&runs, 1);
    for (uint64_t i = work->random >> 8 & 7; i > 0; i--) {
        sched_yield();
    }
    if (dice == 0) {
        cconc_ctx_mem mem; /* until nobody wants it any more, or for a moment */
        (void)cconc_ctx_wait(ctx, cconc_ctx_until(&mem, NULL, cconc_clock_after(200000)));
    } else if (dice < 4) {
        uint32_t other = (uint32_t)(work->random >> 16) % KEYS;
        cconc_flight_result *result = NULL;
        int code = cconc_flight_do(work->set, ctx, &other, sizeof(other), fly,
                                   work_make(work->set, other, work->random * 31 + 7), drop,
                                   &result);
        check_result(other, code, result);
    }
    struct value *value = malloc(sizeof(*value));
    SUPPORT_CHECK(value);
    *value = (struct value){work->key, 1};
    atomic_fetch_add(&values, 1);
    *out_value = value;
    if (dice == 4) {
        pthread_exit(NULL);
    }
    return dice == 5 ? ENOENT : 0;
}

static void answered(void *arg, int code, cconc_flight_result *result)
{
    check_result((uint32_t)(uintptr_t)arg, code, result);
    atomic_fetch_sub(&unanswered, 1);
}

static void fly_async(struct support_random *random, cconc_flight *set, cconc_ctx *ctx,
                      uint32_t key)
{
    cconc_flight_call *call;
    cconc_flight_result *result = NULL;
    cconc_ctx *bound = NULL;
    int err = cconc_flight_do_async(set, NULL, &key, sizeof(key), fly,
                                    work_make(set, key, support_random_next(random)), drop, &call);
    if (err) {
        SUPPORT_CHECK(err == EAGAIN);
        return;
    }
    switch (support_random_below(random, 4)) {
    case 0:
        cconc_flight_leave(call);
        break;
    case 1:
        err = cconc_flight_wait(call, ctx, &result);
        check_result(key, err, result);
        cconc_flight_leave(call);
        break;
    case 2:
        SUPPORT_CHECK(cconc_ctx_with_cancel(NULL, &bound) == 0);
        atomic_fetch_add(&unanswered, 1);
        SUPPORT_CHECK(cconc_flight_then(call, bound, answered, (void *)(uintptr_t)key) == 0);
        cconc_ctx_free(bound); /* ends it */
        break;
    default:
        atomic_fetch_add(&unanswered, 1);
        SUPPORT_CHECK(cconc_flight_then(call, NULL, answered, (void *)(uintptr_t)key) == 0);
    }
}

/* dice 4 would end a caller's own thread: with a context that can end, fn has another one. */
static void fly_once(struct support_random *random)
{
    cconc_ctx_mem mem;
    cconc_flight *set = tables[support_random_below(random, TABLES)];
    uint32_t key = support_random_below(random, KEYS);
    uint32_t kind = support_random_below(random, 16);
    int64_t wait_ns = kind < 4 ? 20000 : 10 * CCONC_SECOND;
    cconc_ctx *ctx = cconc_ctx_until(&mem, NULL, cconc_clock_after(wait_ns));
    cconc_flight_result *result = NULL;
    atomic_fetch_add(&calls, 1);
    if (kind == 15) {
        cconc_flight_forget(set, &key, sizeof(key));
    } else if (kind == 14) {
        (void)cconc_flight_forget_unshared(set, &key, sizeof(key));
    } else if (kind >= 10) {
        fly_async(random, set, ctx, key);
    } else {
        int code = cconc_flight_do(set, ctx, &key, sizeof(key), fly,
                                   work_make(set, key, support_random_next(random)), drop, &result);
        check_result(key, code, result);
    }
}

static void flyer(void *arg, size_t index)
{
    struct support_random random = support_random_make(seed, index);
    (void)arg;
    while (support_stress_open()) {
        fly_once(&random);
    }
}

int main(int argc, char **argv)
{
    static const cconc_flight_opts opts[TABLES] = {
        {.destroy = destroy},
        {.destroy = destroy, .flags = CCONC_FLIGHT_NO_OVERLAP, .join_max = 4},
        {.destroy = destroy, .timeout_ns = 100000, .keep_ns = 50000},
    };
    support_start(argc, argv, NULL);
    seed = support_stress_begin("stress flight");
    for (size_t i = 0; i < TABLES; i++) {
        SUPPORT_CHECK(cconc_flight_new(&opts[i], &tables[i]) == 0);
    }
    SUPPORT_CHECK(support_threads_join(support_threads_start(THREADS, flyer, NULL)) == 0);
    until(atomic_load(&unanswered) == 0);
    for (size_t i = 0; i < TABLES; i++) {
        cconc_flight_counts counts;
        do {
            cconc_flight_read(tables[i], &counts);
            sched_yield();
        } while (counts.flying > 0 || counts.abandoned > 0);
        SUPPORT_CHECK(counts.callers == 0);
        cconc_flight_free(tables[i]);
    }
    until(atomic_load(&values) == 0 && atomic_load(&works) == 0);
    printf("calls %" PRIu64 ", runs %" PRIu64 ", left %" PRIu64 "\n", (uint64_t)atomic_load(&calls),
           (uint64_t)atomic_load(&runs), (uint64_t)atomic_load(&left));
    support_leak_check();
    return 0;
}
