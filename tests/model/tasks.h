/* tasks.h - what scenarios of groups and pools run, and how they tell what came of it.
 * SPDX-License-Identifier: MIT
 */
#ifndef MODEL_TASKS_H
#define MODEL_TASKS_H

#include "model.h"

enum { TASKS = 8 };

typedef struct env {
    cconc_group *group;
    cconc_pool  *pool;
    cconc_sem   *sem;      /* acquires() waits for it */
    cconc_ctx   *ctx;      /* bounds a wait */
    cconc_ctx   *ended;    /* so that one does not even begin */
    model_word  started;   /* tasks that have begun */
    model_word  gate;      /* open: 1; held() waits for it */
    model_word  hooks;     /* calls of hooks */
    int32_t     order[TASKS]; /* of the tasks that have begun, if one at a time runs */
    int32_t     count;     /* the length of that */
    int32_t     ran[TASKS];
    int32_t     dropped[TASKS];
    int         err[TASKS]; /* of the calls of the threads */
    int         value[TASKS];
} env;

/* One task, or one thread, of the scenario. */
typedef struct job {
    env *e;
    int  i;
    int  code; /* what it returns */
} job;

static inline env *env_new(void)
{
    return model_zalloc(sizeof(env));
}

static inline job *job_new(env *e, int i)
{
    job *j = model_zalloc(sizeof(*j));
    j->e = e;
    j->i = i;
    return j;
}

static inline job *job_failing(env *e, int i, int code)
{
    job *j = job_new(e, i);
    j->code = code;
    return j;
}

/* The tasks. */
static inline int runs(cconc_ctx *ctx, void *arg)
{
    job *j = arg;
    (void)ctx;
    j->e->ran[j->i]++;
    return j->code;
}

/* Only where one task at a time runs: the order is a plain one. */
static inline int runs_in_turn(cconc_ctx *ctx, void *arg)
{
    job *j = arg;
    j->e->order[j->e->count++] = j->i;
    return runs(ctx, arg);
}

static inline int held(cconc_ctx *ctx, void *arg)
{
    job *j = arg;
    (void)model_add(&j->e->started, 1);
    model_await(&j->e->gate, 1);
    return runs(ctx, arg);
}

static inline int ends_thread(cconc_ctx *ctx, void *arg)
{
    (void)runs(ctx, arg);
    model_exit_thread();
}

static inline cconc_pool_counts counts_of(const env *e)
{
    cconc_pool_counts counts;
    cconc_pool_read(e->pool, &counts);
    return counts;
}

/* The hook for tasks that never run. */
static inline void drops(void *user, cconc_task_fn fn, void *arg)
{
    job *j = arg;
    (void)user;
    (void)fn;
    j->e->dropped[j->i]++;
}

/* A pool whose workers have nothing to do yet. */
static inline env *pool_idle(const cconc_pool_opts *opts)
{
    env *e = env_new();
    MODEL_EQ(cconc_pool_new(NULL, opts, &e->pool), 0);
    model_settle();
    return e;
}

/* All is over: nobody waits, everything has run. */
static inline void pool_end(env *e)
{
    cconc_pool_counts counts;
    model_rest();
    counts = counts_of(e);
    MODEL_EQ(counts.blocked, 0);
    MODEL_EQ(counts.queued, 0);
    MODEL_EQ(counts.running, 0);
    MODEL_EQ(counts.suspended, 0);
    MODEL_EQ(counts.submitted, counts.completed + counts.dropped);
    MODEL_EQ(counts.idle, counts.workers);
    cconc_pool_free(e->pool);
    cconc_ctx_free(e->ctx);
}

/* The threads. */
static inline void opens(void *arg)
{
    env *e = arg;
    model_set(&e->gate, 1);
}

static inline void cancels(void *arg)
{
    env *e = arg;
    cconc_ctx_cancel(e->ctx);
}

#endif
