/* group.c - stress of groups: random limits, failures, cancellations and nested groups
 * SPDX-License-Identifier: MIT
 *
 * Risk      A task that runs twice, never, or after its go failed; a limit passed for a moment; a
 *           slot or a wake-up lost when a caller gives up; a wait that returns too early or not at
 *           all.
 * Method    Rounds with random flags and limits until the time box ends: several threads start
 *           tasks by go and try_go, some with contexts that end at once or soon; tasks sleep, spin,
 *           start others, fail, end their threads; the limit changes meanwhile. Tasks started are
 *           tasks run; calls that failed ran nothing.
 * Catches   G1 G3 G5 G8, W10 W16 W17 W18, I9 I17; rules group-1 to group-13, all-4.
 */
#include "support.h"

#include <cconc/cconc.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STARTERS = 3, EACH = 120, MOST_JOBS = STARTERS * EACH, MOST_LIMIT = 12 };

struct round;

struct job {
    struct round *round;
    uint64_t      seed;
    atomic_int    accepted; /* go returned 0 */
    atomic_int    ran;
    struct job   *child; /* a job that this one starts, or NULL */
};

struct round {
    cconc_group *group;
    uint64_t     seed;
    uint32_t     flags;
    atomic_int   highest_limit; /* since the round began; no more may ever run */
    atomic_int   inside;
    atomic_int   failures; /* tasks that failed with a code of their own */
    struct job   jobs[MOST_JOBS];
    struct job   children[MOST_JOBS];
};

static int job_run(cconc_ctx *ctx, void *arg);

/* Start job; contexts that end leave it alone. */
static int start_job(struct round *round, struct support_random *random, struct job *job)
{
    cconc_ctx_mem mem;
    cconc_ctx *ctx = support_random_deadline(random, &mem, 4, 50000);
    int err;
    if (support_random_below(random, 5) == 0) {
        err = cconc_group_try_go(round->group, job_run, job);
    } else {
        err = cconc_group_go(round->group, ctx, job_run, job);
    }
    SUPPORT_CHECK(err == 0 || err == EAGAIN || err == ETIMEDOUT || err == EDEADLK ||
                  (err == ECANCELED && (round->flags & CCONC_GROUP_SKIP)));
    atomic_store(&job->accepted, err == 0);
    return err;
}

static int job_run(cconc_ctx *ctx, void *arg)
{
    struct job *job = arg;
    struct round *round = job->round;
    struct support_random random = support_random_make(job->seed, 1);
    SUPPORT_CHECK(atomic_fetch_add(&round->inside, 1) < atomic_load(&round->highest_limit));
    SUPPORT_CHECK(atomic_fetch_add(&job->ran, 1) == 0);
    if (support_random_below(&random, 3) == 0) {
        int err = cconc_ctx_sleep(ctx, (int64_t)support_random_below(&random, 100) * CCONC_US);
        SUPPORT_CHECK(err == 0 || err == ECANCELED);
    }
    if (job->child && support_random_below(&random, 2) == 0) {
        (void)start_job(round, &random, job->child);
    }
    atomic_fetch_sub(&round->inside, 1);
    switch (support_random_below(&random, 40)) {
    case 0:
        atomic_fetch_add(&round->failures, 1);
        return 1000 + (int)support_random_below(&random, 100);
    case 1:
        atomic_fetch_add(&round->failures, 1);
        return cconc_group_fail(round->group, 2000, "job %d", 2000);
    case 2:
        pthread_exit(NULL);
    default:
        return 0;
    }
}

static void set_limit(struct round *round, int limit)
{
    int most = limit < 0 ? INT32_MAX : limit;
    int highest = atomic_load(&round->highest_limit);
    while (highest < most &&
           !atomic_compare_exchange_weak(&round->highest_limit, &highest, most)) {
    }
    cconc_group_set_limit(round->group, limit);
}

static void thread_run(void *arg, size_t index)
{
    struct round *round = arg;
    struct support_random random = support_random_make(round->seed, index);
    if (index < STARTERS) {
        for (size_t i = 0; i < EACH; i++) {
            (void)start_job(round, &random, &round->jobs[index * EACH + i]);
        }
        return;
    }
    for (int i = 0; i < 20; i++) { /* the one that turns the limit, down to 0 for a moment */
        set_limit(round, (int)support_random_below(&random, MOST_LIMIT));
        int64_t pause_ns = (int64_t)support_random_below(&random, 100) * CCONC_US;
        SUPPORT_CHECK(cconc_ctx_sleep(NULL, pause_ns) == 0);
    }
    set_limit(round, MOST_LIMIT);
}

/* Wait with contexts that give up now and then, as many times as it takes. */
static int wait_to_the_end(struct round *round, struct support_random *random)
{
    int err = EINPROGRESS;
    bool stops = support_random_below(random, 4) == 0;
    while (err == EINPROGRESS) {
        cconc_ctx_mem mem;
        int64_t soon_ns = (int64_t)support_random_below(random, 300) * CCONC_US;
        cconc_ctx *ctx = cconc_ctx_until(&mem, NULL, cconc_clock_after(soon_ns));
        err = stops ? cconc_group_stop(round->group, ctx)
                    : cconc_group_wait(round->group, ctx, NULL);
    }
    return err;
}

static void job_init(struct round *round, struct job *job, struct job *child, uint64_t seed)
{
    job->round = round;
    job->seed = seed;
    job->child = child;
}

static int run_round(struct round *round, struct support_random *random)
{
    cconc_group_counts counts;
    cconc_group_opts opts = {.flags = support_random_below(random, 4),
                             .limit = 1 + (int)support_random_below(random, MOST_LIMIT)};
    int started = 0;
    memset(round, 0, sizeof(*round));
    round->seed = support_random_next(random);
    round->flags = opts.flags;
    atomic_store(&round->highest_limit, opts.limit);
    SUPPORT_CHECK(cconc_group_new(NULL, &opts, &round->group) == 0);
    for (size_t i = 0; i < MOST_JOBS; i++) {
        job_init(round, &round->children[i], NULL, support_random_next(random));
        job_init(round, &round->jobs[i], &round->children[i], support_random_next(random));
    }
    bool turns = support_random_below(random, 2) == 0;
    support_threads_join(support_threads_start(STARTERS + turns, thread_run, round));
    int err = wait_to_the_end(round, random);
    SUPPORT_CHECK(err == 0 || err == ECANCELED || (err >= 1000 && err <= 2000));
    SUPPORT_CHECK(atomic_load(&round->failures) == 0 || err != 0);
    for (size_t i = 0; i < MOST_JOBS; i++) {
        const struct job *pair[2] = {&round->jobs[i], &round->children[i]};
        for (int k = 0; k < 2; k++) {
            SUPPORT_CHECK(atomic_load(&pair[k]->ran) == atomic_load(&pair[k]->accepted));
            started += atomic_load(&pair[k]->ran);
        }
    }
    cconc_group_read(round->group, &counts);
    SUPPORT_CHECK(counts.running == 0 && counts.blocked == 0);
    SUPPORT_CHECK(counts.started == (uint64_t)started);
    SUPPORT_CHECK(counts.failed >= (uint64_t)atomic_load(&round->failures));
    cconc_group_free(round->group);
    return started;
}

int main(int argc, char **argv)
{
    support_start(argc, argv, NULL);
    struct support_random random = support_random_make(support_stress_begin("group"), 0);
    struct round *round = malloc(sizeof(*round));
    unsigned long long tasks = 0;
    int rounds = 0;
    SUPPORT_CHECK(round);
    do {
        tasks += (unsigned long long)run_round(round, &random);
        rounds++;
    } while (support_stress_open());
    free(round);
    support_leak_check();
    printf("group: %d rounds, %llu tasks\n", rounds, tasks);
    return 0;
}
