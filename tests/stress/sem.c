/* sem.c - a semaphore under load: many weights, deadlines, and a capacity that moves
 * SPDX-License-Identifier: MIT
 *
 * Risk      More held than the capacity, permits lost or doubled, a waiter that is forgotten, a
 *           write before release that is not seen.
 * Method    Threads acquire random weights, some with short deadlines, while one resizes. While
 *           nobody resizes the sum held never exceeds the capacity; at the end all is back. One
 *           permit of a second semaphore guards plain memory.
 * Catches   sem-1, sem-3, sem-4, sem-5, sem-6.
 */
#include "support.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include <cconc/cconc.h>

#define THREADS 8
#define MOST 10

static cconc_sem *shared;
static cconc_sem *mutex;
static uint64_t guarded; /* plain: one permit of mutex */
static atomic_int_fast64_t held;
static atomic_uint_fast64_t taken;
static atomic_uint_fast64_t given_up;
static uint64_t seed;

/* Acquire n of sem, with a short deadline or none. */
static int acquire(struct support_random *random, cconc_sem *sem, int64_t n)
{
    cconc_ctx_mem mem;
    cconc_ctx *ctx = support_random_deadline(random, &mem, 3, 100000);
    int err = cconc_sem_acquire(sem, ctx, n);
    SUPPORT_CHECK(err == 0 || (err == ETIMEDOUT && ctx));
    if (err) {
        atomic_fetch_add(&given_up, 1);
    }
    return err;
}

static void use(void *arg, size_t index)
{
    struct support_random random = support_random_make(seed, index);
    uint64_t passes = 0;
    (void)arg;
    while (support_stress_open()) {
        int64_t n = support_random_below(&random, 4);
        if (acquire(&random, shared, n) == 0) {
            SUPPORT_CHECK(atomic_fetch_add(&held, n) + n <= MOST);
            if (support_random_below(&random, 4) == 0) {
                sched_yield();
            }
            atomic_fetch_sub(&held, n);
            cconc_sem_release(shared, n);
        }
        if (acquire(&random, mutex, 1) == 0) {
            guarded++;
            passes++;
            cconc_sem_release(mutex, 1);
        }
    }
    atomic_fetch_add(&taken, passes);
}

static void resize(void *arg, size_t index)
{
    struct support_random random = support_random_make(seed, 100 + index);
    (void)arg;
    while (support_stress_open()) {
        int64_t capacity = support_random_below(&random, MOST + 1);
        SUPPORT_CHECK(cconc_sem_resize(shared, capacity) == 0);
        sched_yield();
    }
    SUPPORT_CHECK(cconc_sem_resize(shared, MOST) == 0); /* whoever waits for many gets them now */
}

int main(int argc, char **argv)
{
    support_start(argc, argv, NULL);
    seed = support_stress_begin("stress sem");
    SUPPORT_CHECK(cconc_sem_new(MOST, &shared) == 0 && cconc_sem_new(1, &mutex) == 0);
    struct support_threads *users = support_threads_start(THREADS, use, NULL);
    struct support_threads *resizer = support_threads_start(1, resize, NULL);
    SUPPORT_CHECK(support_threads_join(resizer) == 0);
    SUPPORT_CHECK(support_threads_join(users) == 0);
    printf("sem: %" PRIu64 " passes, %" PRIu64 " given up\n", (uint64_t)atomic_load(&taken),
           (uint64_t)atomic_load(&given_up));
    SUPPORT_CHECK(guarded == atomic_load(&taken));
    SUPPORT_CHECK(cconc_sem_available(shared) == MOST && cconc_sem_available(mutex) == 1);
    SUPPORT_CHECK(cconc_sem_waiters(shared) == 0 && cconc_sem_waiters(mutex) == 0);
    cconc_sem_free(mutex);
    cconc_sem_free(shared);
    support_leak_check();
    return 0;
}
