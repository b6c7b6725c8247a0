/* pool.c - interleavings of pools: submitting, waiting, ending.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A task that is lost or run twice, a submitter or a worker that sleeps on, a thread that
 *          nobody joins, a record that is touched after its end.
 * Method   Scenarios of the deterministic tester: one or two workers, as few tasks as show it.
 * Catches  Calls of idle workers that are dropped or doubled, looks that come too early, references
 *          that are not counted.
 */
#include "model.h"

enum { TASKS = 4 };

typedef struct env {
    cconc_pool *pool;
    model_word at[4];
    int ran[TASKS];
    int err[TASKS];
    int code[TASKS];
    int dropped;
} env;

typedef struct job {
    env *e;
    int  i;
} job;

static job *job_new(env *e, int i)
{
    job *j = model_zalloc(sizeof(*j));
    j->e = e;
    j->i = i;
    return j;
}

static int task(cconc_ctx *ctx, void *arg)
{
    job *j = arg;
    (void)ctx;
    j->e->ran[j->i]++;
    return j->e->code[j->i];
}

static env *env_new(const cconc_pool_opts *opts)
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_pool_new(NULL, opts, &e->pool), 0);
    return e;
}

static void submits(void *arg)
{
    job *j = arg;
    j->e->err[j->i] = cconc_pool_submit(j->e->pool, NULL, task, j);
}

MODEL_SCENARIO(pool_submit_meets_idle, .covers = "W3 W6")
{
    env *e = env_new(&(cconc_pool_opts){.workers = 1, .queue_len = 1});
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, task, job_new(e, 0)), 0);
    MODEL_EQ(cconc_pool_shutdown(e->pool, NULL, CCONC_POOL_DRAIN), 0);
    MODEL_EQ(e->ran[0], 1);
    cconc_pool_free(e->pool);
}

MODEL_SCENARIO(pool_full_queue_lets_submitter_in)
{
    env *e = env_new(&(cconc_pool_opts){.workers = 1, .queue_len = 1});
    model_spawn(submits, job_new(e, 1));
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, task, job_new(e, 0)), 0);
    model_join_all();
    MODEL_EQ(cconc_pool_shutdown(e->pool, NULL, CCONC_POOL_DRAIN), 0);
    MODEL_EQ(e->ran[0] + e->ran[1], 2);
    cconc_pool_free(e->pool);
}
