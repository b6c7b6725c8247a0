/* pool.c - stress of pools: random policies, resizes, nested tasks, cancelled futures, shutdowns
 * SPDX-License-Identifier: MIT
 *
 * Risk      A task lost or run twice; a submitter, waiter or worker left asleep; more tasks at once
 *           than workers; a shutdown that hangs.
 * Method    Rounds with random options until the time box ends: several threads submit by all
 *           forms, some with contexts that end soon; tasks submit and wait for others, loop, end
 *           their threads; the pool is resized meanwhile and shut down in either mode. What was
 *           accepted has run or was dropped, and nothing else. One round in the first second puts a
 *           million tasks through a queue of 64.
 * Catches   W2 W3 W4 W6 W9 W10 W14 W16 W17 W18, I9 I17 I20; rules pool-1 to pool-14.
 */
#include "support.h"

#include <cconc/cconc.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUBMITTERS = 3, EACH = 150, JOBS = SUBMITTERS * EACH, MOST_WORKERS = 16 };

struct round;

struct job {
    struct round *round;
    uint64_t      seed;
    atomic_int    accepted;
    atomic_int    ran;
    atomic_int    dropped;
    struct job   *child;
};

struct round {
    cconc_pool *pool;
    uint64_t    seed;
    bool        tears; /* tasks end their threads; then none waits, for that would end it too */
    struct job  jobs[JOBS];
    struct job  children[JOBS];
};

static int job_run(cconc_ctx *ctx, void *arg);

static int fork_run(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

static void job_drop(void *user, cconc_task_fn fn, void *arg)
{
    struct job *job = arg;
    (void)user;
    if (fn == fork_run) { /* its record tells */
        return;
    }
    SUPPORT_CHECK(fn == job_run);
    SUPPORT_CHECK(atomic_fetch_add(&job->dropped, 1) == 0);
}

static int submit_future(struct round *round, cconc_ctx *ctx, struct job *job, uint32_t how)
{
    cconc_future *future = NULL;
    int err = cconc_pool_submit_future(round->pool, ctx, job_run, job, &future);
    if (err == 0 && how == 0) {
        bool never = cconc_future_cancel(future);
        SUPPORT_CHECK(cconc_future_wait(future, NULL) == ECANCELED || !never);
    } else if (err == 0 && how == 1) {
        int code = cconc_future_wait(future, NULL);
        SUPPORT_CHECK(code == ECANCELED || (code >= 0 && code < 3));
    }
    cconc_future_free(future);
    return err;
}

static int submit_record(struct round *round, cconc_ctx *ctx, struct job *job)
{
    cconc_pool_task task = {.fn = job_run, .arg = job};
    int err = cconc_pool_submit_task(round->pool, ctx, &task);
    if (err == 0) {
        int code = cconc_pool_join(round->pool, NULL, &task);
        SUPPORT_CHECK(code == ECANCELED || (code >= 0 && code < 3));
    }
    return err;
}

static void start_job(struct round *round, struct support_random *random, struct job *job)
{
    cconc_ctx_mem mem;
    cconc_ctx *ctx = support_random_deadline(random, &mem, 4, 50000);
    int err;
    switch (support_random_below(random, 6) + (round->tears ? 6 : 0)) {
    case 0:
    case 6:
        err = cconc_pool_try_submit(round->pool, job_run, job);
        break;
    case 1:
        err = submit_future(round, ctx, job, support_random_below(random, 3));
        break;
    case 2:
        err = submit_record(round, ctx, job);
        break;
    default:
        err = cconc_pool_submit(round->pool, ctx, job_run, job);
    }
    SUPPORT_CHECK(err == 0 || err == EAGAIN || err == ETIMEDOUT || err == EPIPE);
    atomic_store(&job->accepted, err == 0);
}

static int add_range(cconc_ctx *ctx, size_t begin, size_t end, void *arg)
{
    (void)ctx;
    atomic_fetch_add((atomic_size_t *)arg, end - begin);
    return 0;
}

/* A worker forks, and joins its records in order or the other way round. */
static void fork_some(struct round *round, bool newest_first)
{
    enum { FORKS = 5 };
    cconc_pool_task tasks[FORKS];
    atomic_int ran = 0;
    int accepted = 0;
    int dropped = 0;
    for (int i = 0; i < FORKS; i++) {
        tasks[accepted] = (cconc_pool_task){.fn = fork_run, .arg = &ran};
        accepted += cconc_pool_submit_task(round->pool, NULL, &tasks[accepted]) == 0;
    }
    for (int i = 0; i < accepted; i++) {
        int which = newest_first ? accepted - 1 - i : i;
        int code = cconc_pool_join(round->pool, NULL, &tasks[which]);
        SUPPORT_CHECK(code == 0 || code == ECANCELED);
        dropped += code != 0;
    }
    SUPPORT_CHECK(atomic_load(&ran) + dropped == accepted);
}

static int job_run(cconc_ctx *ctx, void *arg)
{
    struct job *job = arg;
    struct round *round = job->round;
    struct support_random random = support_random_make(job->seed, 1);
    SUPPORT_CHECK(atomic_fetch_add(&job->ran, 1) == 0);
    if (support_random_below(&random, 4) == 0) {
        (void)cconc_ctx_sleep(ctx, (int64_t)support_random_below(&random, 100) * CCONC_US);
    }
    if (job->child && support_random_below(&random, 2) == 0) {
        start_job(round, &random, job->child);
    }
    if (!round->tears && support_random_below(&random, 3) == 0) {
        fork_some(round, support_random_below(&random, 2) == 0);
    }
    if (!round->tears && support_random_below(&random, 10) == 0) {
        atomic_size_t seen = 0;
        int err = cconc_pool_parallel_for(round->pool, NULL, 0, 100, 9, add_range, &seen);
        SUPPORT_CHECK(err == 0 ? atomic_load(&seen) == 100 : err == ECANCELED || err == EPIPE);
    }
    if (round->tears && !job->child && support_random_below(&random, 20) == 0) {
        pthread_exit(NULL);
    }
    return (int)support_random_below(&random, 3);
}

static void thread_run(void *arg, size_t index)
{
    struct round *round = arg;
    struct support_random random = support_random_make(round->seed, index);
    if (index < SUBMITTERS) {
        for (size_t i = 0; i < EACH; i++) {
            start_job(round, &random, &round->jobs[index * EACH + i]);
        }
        return;
    }
    for (int i = 0; i < 15; i++) {
        int workers = 1 + (int)support_random_below(&random, MOST_WORKERS);
        int err = cconc_pool_resize(round->pool, workers);
        SUPPORT_CHECK(err == 0 || err == EPIPE);
        int64_t pause_ns = (int64_t)support_random_below(&random, 200) * CCONC_US;
        SUPPORT_CHECK(cconc_ctx_sleep(NULL, pause_ns) == 0);
    }
}

static void end_pool(struct round *round, struct support_random *random)
{
    uint32_t mode = support_random_below(random, 2);
    int err;
    do {
        cconc_ctx_mem mem;
        int64_t soon_ns = (int64_t)support_random_below(random, 500) * CCONC_US;
        cconc_ctx *ctx = cconc_ctx_until(&mem, NULL, cconc_clock_after(soon_ns));
        err = cconc_pool_shutdown(round->pool, ctx, mode);
        SUPPORT_CHECK(err == 0 || err == ETIMEDOUT);
        mode |= support_random_below(random, 2);
    } while (err != 0);
}

static unsigned long long count_jobs(struct round *round)
{
    cconc_pool_counts counts;
    unsigned long long accepted = 0;
    for (size_t i = 0; i < JOBS; i++) {
        const struct job *pair[2] = {&round->jobs[i], &round->children[i]};
        for (int k = 0; k < 2; k++) {
            int ran = atomic_load(&pair[k]->ran);
            int dropped = atomic_load(&pair[k]->dropped);
            SUPPORT_CHECK(ran + dropped == atomic_load(&pair[k]->accepted));
            accepted += (unsigned long long)(ran + dropped);
        }
    }
    cconc_pool_read(round->pool, &counts);
    SUPPORT_CHECK(counts.queued == 0 && counts.running == 0 && counts.workers == 0);
    SUPPORT_CHECK(counts.idle == 0 && counts.blocked == 0 && counts.suspended == 0);
    SUPPORT_CHECK(counts.submitted == counts.completed + counts.dropped);
    return accepted;
}

static unsigned long long run_round(struct round *round, struct support_random *random)
{
    static const int lens[] = {0, 1, 4, 64};
    cconc_pool_opts opts = {.workers = 1 + (int)support_random_below(random, 4),
                            .queue_len = lens[support_random_below(random, 4)],
                            .full_policy = support_random_below(random, 4),
                            .flags = support_random_below(random, 5) == 0,
                            .on_drop = job_drop};
    if (opts.full_policy == CCONC_POOL_DROP_OLDEST && opts.queue_len == 0) {
        opts.queue_len = 1;
    }
    memset(round, 0, sizeof(*round));
    round->seed = support_random_next(random);
    round->tears = opts.full_policy != CCONC_POOL_CALLER_RUNS && opts.queue_len > 0 &&
                   support_random_below(random, 2) == 0;
    SUPPORT_CHECK(cconc_pool_new(NULL, &opts, &round->pool) == 0);
    for (size_t i = 0; i < JOBS; i++) {
        round->jobs[i].round = round->children[i].round = round;
        round->jobs[i].seed = support_random_next(random);
        round->children[i].seed = support_random_next(random);
        round->jobs[i].child = &round->children[i];
    }
    bool resizes = support_random_below(random, 2) == 0;
    bool early = support_random_below(random, 3) == 0;
    struct support_threads *threads =
        support_threads_start(SUBMITTERS + resizes, thread_run, round);
    if (early) {
        end_pool(round, random);
    }
    support_threads_join(threads);
    end_pool(round, random);
    unsigned long long accepted = count_jobs(round);
    cconc_pool_free(round->pool);
    return accepted;
}

static int count_one(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    atomic_fetch_add_explicit((atomic_int *)arg, 1, memory_order_relaxed);
    return 0;
}

/* Many tasks through a short queue; meanwhile from 1 worker to 16 to 2. */
static void run_many(void)
{
    cconc_pool_opts opts = {.workers = 1, .queue_len = 64};
    int many = support_is_sanitized() ? 50000 : 1000000;
    cconc_pool *pool = NULL;
    atomic_int ran = 0;
    SUPPORT_CHECK(cconc_pool_new(NULL, &opts, &pool) == 0);
    for (int i = 0; i < many; i++) {
        if (i % (many / 4) == many / 8) {
            SUPPORT_CHECK(cconc_pool_resize(pool, i < many / 4 ? 16 : 2) == 0);
        }
        SUPPORT_CHECK(cconc_pool_submit(pool, NULL, count_one, &ran) == 0);
    }
    SUPPORT_CHECK(cconc_pool_shutdown(pool, NULL, CCONC_POOL_DRAIN) == 0);
    SUPPORT_CHECK(atomic_load(&ran) == many);
    cconc_pool_free(pool);
}

int main(int argc, char **argv)
{
    support_start(argc, argv, NULL);
    struct support_random random = support_random_make(support_stress_begin("pool"), 0);
    struct round *round = malloc(sizeof(*round));
    unsigned long long tasks = 0;
    int rounds = 0;
    SUPPORT_CHECK(round);
    run_many();
    do {
        tasks += run_round(round, &random);
        rounds++;
    } while (support_stress_open());
    free(round);
    support_leak_check();
    printf("pool: %d rounds, %llu tasks\n", rounds, tasks);
    return 0;
}
