/* sem_bounded_tasks.c - tasks of different weight share a bounded amount of memory.
 * SPDX-License-Identifier: MIT
 *
 * Pattern  A semaphore with one permit a unit of what is scarce (here: a MiB of memory). Each task
 *          takes as many as it needs before it starts, and gives them back; it waits with the
 *          group's context, so that a failure elsewhere ends the wait, too. First come, first
 *          served: the large job is not starved by the small ones.
 * Mistake  Bounding the number of tasks when they differ in size: ten small ones waste what one
 *          large one overruns. Forgetting the release on an error path: take and give in one place.
 */
#include <cconc/cconc.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUDGET_MIB = 8, MIB = 1024 * 1024 };

struct work {
    cconc_sem *budget;
    atomic_int in_use_mib;
    atomic_int peak_mib;
    atomic_ulong bytes;
};

struct job {
    struct work *work;
    int mib;
};

static void note_peak(struct work *work, int mib)
{
    int now = atomic_fetch_add(&work->in_use_mib, mib) + mib;
    int peak = atomic_load(&work->peak_mib);
    while (now > peak && !atomic_compare_exchange_weak(&work->peak_mib, &peak, now)) {
    }
}

/* The job itself: something that needs its memory. */
static int fill(const struct job *job)
{
    size_t size = (size_t)job->mib * MIB;
    unsigned char *memory = malloc(size);
    if (!memory) {
        return ENOMEM;
    }
    memset(memory, 0x5a, size);
    atomic_fetch_add(&job->work->bytes, size);
    free(memory);
    return 0;
}

static int run_job(cconc_ctx *ctx, void *arg)
{
    struct job *job = arg;
    int err = cconc_sem_acquire(job->work->budget, ctx, job->mib);
    if (err) {
        return err;
    }
    note_peak(job->work, job->mib);
    err = fill(job);
    atomic_fetch_sub(&job->work->in_use_mib, job->mib);
    cconc_sem_release(job->work->budget, job->mib);
    return err;
}

int main(void)
{
    static const int sizes_mib[] = {1, 8, 2, 3, 1, 5, 2, 4, 1, 6, 2, 1};
    enum { JOBS = sizeof(sizes_mib) / sizeof(sizes_mib[0]) };
    struct work work = {0};
    struct job jobs[JOBS];
    cconc_group *group = NULL;
    int err = cconc_sem_new(BUDGET_MIB, &work.budget);
    err = err ? err : cconc_group_new(NULL, NULL, &group);
    for (int i = 0; i < JOBS && !err; i++) {
        jobs[i] = (struct job){&work, sizes_mib[i]};
        err = cconc_group_go(group, NULL, run_job, &jobs[i]);
    }
    if (group) {
        int wait_err = err ? cconc_group_stop(group, NULL) : cconc_group_wait(group, NULL, NULL);
        err = err ? err : wait_err;
    }
    if (err) {
        fprintf(stderr, "sem_bounded_tasks: %s\n", cconc_strerror(err));
    } else {
        printf("%d jobs, %lu MiB in all\n", (int)JOBS, atomic_load(&work.bytes) / MIB);
        printf("never more than %d MiB at once: %s\n", (int)BUDGET_MIB,
               atomic_load(&work.peak_mib) <= BUDGET_MIB ? "yes" : "no");
    }
    cconc_group_free(group);
    cconc_sem_free(work.budget);
    cconc_shutdown(NULL);
    return err ? 1 : 0;
}
