/* sem.c - the cell of the semaphore: one permit taken and given back
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

static uint64_t sem_1t(uint64_t ops)
{
    cconc_sem *sem;
    BENCH(cconc_sem_new(4, &sem));
    for (uint64_t i = 0; i < ops; i++) {
        BENCH(cconc_sem_acquire(sem, NULL, 1));
        cconc_sem_release(sem, 1);
    }
    cconc_sem_free(sem);
    return ops;
}

const struct bench_cell bench_sem[] = {
    {"sem_1t", 10000000, sem_1t},
    {NULL, 0, NULL},
};
