/* executor.c - interleavings of the elastic set of threads below groups.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A task that no thread takes, a thread that is woken twice or never, one that nobody
 *          joins, an end by idleness that meets a submit.
 * Method   Scenarios of the deterministic tester, on the internal header: its time is virtual.
 * Catches  Looks at the queue that are left out, counts that drift, wakes that are dropped.
 */
#include "model.h"

#include "core/executor.h"

typedef struct work {
    exec_task task; /* first */
    model_word started;
    model_word *until; /* and then waits for this one */
    int ran;
    int torn;
} work;

static void work_run(exec_task *task)
{
    work *w = (work *)(void *)task;
    w->ran++;
    model_set(&w->started, 1);
    if (w->until) {
        model_await(w->until, 1);
    }
}

static void work_torn(exec_task *task)
{
    work *w = (work *)(void *)task;
    w->torn++;
}

static work *work_new(void)
{
    work *w = model_zalloc(sizeof(*w));
    w->task.run = work_run;
    w->task.torn = work_torn;
    return w;
}

/* A task starts although all threads are blocked where the library does not see it. */
MODEL_SCENARIO(executor_starts_behind_a_blocked_task, .bound = 2, .faults = MODEL_LATE_TIME)
{
    work *first = work_new();
    work *second = work_new();
    first->until = &second->started;
    MODEL_EQ(cconc__executor_submit(&first->task), 0);
    MODEL_EQ(cconc__executor_submit(&second->task), 0);
    model_await(&second->started, 1);
    MODEL_EQ(cconc_shutdown(NULL), 0);
    MODEL_EQ(first->ran, 1);
    MODEL_EQ(second->ran, 1);
}

MODEL_SCENARIO(executor_submit_then_stop)
{
    work *w = work_new();
    MODEL_EQ(cconc__executor_submit(&w->task), 0);
    MODEL_EQ(cconc_shutdown(NULL), 0);
    MODEL_EQ(w->ran, 1);
}
