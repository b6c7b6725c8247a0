/* works.h - tasks of the executor for scenarios: what each does, and what has become of it.
 * SPDX-License-Identifier: MIT
 */
#ifndef MODEL_WORKS_H
#define MODEL_WORKS_H

#include "model.h"

#include "core/executor.h"
#include "core/executor_thread.h"

typedef struct work {
    exec_task task; /* first */
    model_word started;
    model_word *until; /* and then waits for this one */
    cconc_sem *sem;    /* and acquires it, or releases it */
    bool acquires;
    bool ends_thread;
    struct work *before; /* has not begun when it begins */
    void *by; /* the thread that ran it */
    int ran;
    int torn;
    int err; /* of its submit */
} work;

static inline void work_do(void *arg)
{
    work *w = arg;
    w->ran++;
    MODEL_CHECK(!w->before || w->before->ran == 0);
    w->by = self_get()->executor;
    model_set(&w->started, 1);
    if (w->until) {
        model_await(w->until, 1);
    }
    if (w->sem && w->acquires) {
        MODEL_EQ(cconc_sem_acquire(w->sem, NULL, 1), 0);
    } else if (w->sem) {
        cconc_sem_release(w->sem, 1);
    }
    if (w->ends_thread) {
        model_exit_thread();
    }
}

static inline void work_run(exec_task *task)
{
    work_do(task);
}

static inline void work_torn(exec_task *task)
{
    work *w = (work *)(void *)task;
    w->torn++;
}

static inline void submits(void *arg)
{
    work *w = arg;
    w->err = cconc__executor_submit(&w->task);
}

/* The same as a job. */
static inline void work_job_run(const exec_job *job, self_task *frame)
{
    (void)frame;
    job->fn.alone(job->arg);
}

static inline void work_job_torn(const exec_job *job, self_task *frame)
{
    (void)frame;
    work_torn(job->arg);
}

static inline int work_spawn(work *w)
{
    static const exec_kind kind = {work_job_run, work_job_torn};
    return cconc__executor_spawn(&(exec_job){.kind = &kind, .fn.alone = work_do, .arg = w});
}

static inline void work_init(work *w)
{
    w->task.run = work_run;
    w->task.torn = work_torn;
}

/* What is there and what is counted: I1 and I3 of executor.c. */
MODEL_UNORDERED static inline bool counts_are_sane(void *arg)
{
    (void)arg;
    return ex->running + ex->starting + ex->idle_count <= ex->threads && ex->starting <= 1;
}

#endif
