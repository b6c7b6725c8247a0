/* group.c - interleavings of groups.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A slot that is lost or given twice, an end that nobody hears of, a group that is touched
 *          after its wait has returned, a first failure that differs from the context's cause.
 * Method   Scenarios of the deterministic tester: one or two tasks on the executor's threads.
 * Catches  Wakes that are dropped, slots that are not passed on, looks that come before the lock.
 */
#include "model.h"

enum { TASKS = 4 };

typedef struct env {
    cconc_group *group;
    model_word at[4];
    int ran[TASKS];
    int err[TASKS];
    int code[TASKS];
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

static env *env_new(const cconc_group_opts *opts)
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_group_new(NULL, opts, &e->group), 0);
    return e;
}

static int task(cconc_ctx *ctx, void *arg)
{
    job *j = arg;
    (void)ctx;
    j->e->ran[j->i]++;
    return j->e->code[j->i];
}

static void goes(void *arg)
{
    job *j = arg;
    j->e->err[j->i] = cconc_group_go(j->e->group, NULL, task, j);
}

/* The last touch of a task's end must come before the return of wait. */
MODEL_SCENARIO(group_wait_then_free, .exhaustive = true, .covers = "G3")
{
    env *e = env_new(NULL);
    MODEL_EQ(cconc_group_go(e->group, NULL, task, job_new(e, 0)), 0);
    MODEL_EQ(cconc_group_wait(e->group, NULL, NULL), 0);
    MODEL_EQ(e->ran[0], 1);
    cconc_group_free(e->group);
}

MODEL_SCENARIO(group_limit_passes_slot_on, .bound = 2, .faults = MODEL_LATE_TIME)
{
    env *e = env_new(&(cconc_group_opts){.limit = 1});
    model_spawn(goes, job_new(e, 1));
    MODEL_EQ(cconc_group_go(e->group, NULL, task, job_new(e, 0)), 0);
    model_join_all();
    MODEL_EQ(cconc_group_wait(e->group, NULL, NULL), 0);
    MODEL_EQ(e->ran[0] + e->ran[1], 2);
    cconc_group_free(e->group);
}
