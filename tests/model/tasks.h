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
