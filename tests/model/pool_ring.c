/* pool_ring.c - interleavings of pools: plain tasks that pass through the ring without a lock.
 * SPDX-License-Identifier: MIT
 *
 * Risk     What was promised of all tasks at once is lost where no lock is taken: the order, the
 *          end that wait waits for, and that nothing starts where nothing may.
 * Method   Scenarios of the deterministic tester: one or two workers, as few tasks as show it.
 * Catches  Tasks that overtake a record, a wait that ends between two tasks, workers too many that
 *          take one more, tasks of a cancelled pool that start.
 */
#include "tasks.h"

/* Ends once somebody has called the hook. */
static int held_by_hook(cconc_ctx *ctx, void *arg)
{
    job *j = arg;
    (void)model_add(&j->e->started, 1);
    model_await(&j->e->hooks, 1);
    return runs(ctx, arg);
}

static void submits_behind_the_first(void *arg)
{
    job *j = arg;
    model_await(&j->e->started, 1);
    j->e->err[j->i] = cconc_pool_submit(j->e->pool, NULL, held, j);
    (void)model_add(&j->e->hooks, 1);
}

static void waits(void *arg)
{
    job *j = arg;
    j->e->err[j->i] = cconc_pool_wait(j->e->pool, NULL);
    j->e->value[j->i] = 1 + j->e->ran[0] + j->e->ran[1];
}

/* The first task ends after the second was submitted: at no instant is there nothing.
 *   wait:     the ring is empty
 *   outside:  submits 1
 *   worker:   ends 0
 *   wait:     the worker has nothing: but that was another instant */
MODEL_SCENARIO(pool_wait_is_never_between_two)
{
    env *e = pool_idle(&(cconc_pool_opts){.workers = 1, .queue_len = 2});
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, held_by_hook, job_new(e, 0)), 0);
    model_spawn(submits_behind_the_first, job_new(e, 1));
    model_spawn(waits, job_new(e, 3));
    model_settle();
    MODEL_EQ(e->value[3], 0);
    opens(e);
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    MODEL_EQ(e->err[3], 0);
    MODEL_EQ(e->value[3], 3);
    pool_end(e);
}

/* The worker takes the second task without the lock while wait looks: wait is over after it. */
MODEL_SCENARIO(pool_wait_meets_take)
{
    env *e = pool_idle(&(cconc_pool_opts){.workers = 1, .queue_len = 2});
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, held, job_new(e, 0)), 0);
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, runs, job_new(e, 1)), 0);
    model_await(&e->started, 1);
    opens(e);
    waits(job_new(e, 3));
    MODEL_EQ(e->err[3], 0);
    MODEL_EQ(e->value[3], 3);
    pool_end(e);
}

static void submits_then_calls_the_hook(void *arg)
{
    job *j = arg;
    j->e->err[j->i] = cconc_pool_submit(j->e->pool, NULL, runs, j);
    (void)model_add(&j->e->hooks, 1);
}

/* A submitter queues while the worker takes, without the lock, a task that lasts until the
 * submitter is through.
 *   submitter:  the ring is full
 *   worker:     takes 1: nobody waits
 *   submitter:  waits: but there was room */
MODEL_SCENARIO(pool_room_is_seen_by_who_queues, .covers = "W17")
{
    env *e = pool_idle(&(cconc_pool_opts){.workers = 1, .queue_len = 1});
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, held, job_new(e, 0)), 0);
    model_settle();
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, held_by_hook, job_new(e, 1)), 0);
    model_spawn(submits_then_calls_the_hook, job_new(e, 2));
    opens(e);
    model_join_all();
    MODEL_EQ(e->err[2], 0);
    pool_end(e);
    MODEL_EQ(e->ran[0] + e->ran[1] + e->ran[2], 3);
}

/* Once resize has returned, a worker that is too many begins nothing more. */
MODEL_SCENARIO(pool_shrunk_runs_one_at_a_time, .covers = "W4")
{
    env *e = pool_idle(&(cconc_pool_opts){.workers = 2, .queue_len = 2});
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, held, job_new(e, 0)), 0);
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, held, job_new(e, 1)), 0);
    model_await(&e->started, 2);
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, held_by_hook, job_new(e, 2)), 0);
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, held_by_hook, job_new(e, 3)), 0);
    MODEL_EQ(cconc_pool_resize(e->pool, 1), 0);
    opens(e);
    model_settle();
    MODEL_EQ(model_get(&e->started), 3);
    (void)model_add(&e->hooks, 1);
    pool_end(e);
    MODEL_EQ(e->ran[0] + e->ran[1] + e->ran[2] + e->ran[3], 4);
}

static int held_by_context(cconc_ctx *ctx, void *arg)
{
    MODEL_EQ(cconc_ctx_wait(ctx, NULL), 0);
    return runs(ctx, arg);
}

/* A task that ends because the pool was cancelled is followed by none. */
MODEL_SCENARIO(pool_cancel_meets_queued_plain_task, .exhaustive = true, .covers = "G8 W16")
{
    env *e = pool_idle(&(cconc_pool_opts){.workers = 1, .queue_len = 1, .on_drop = drops});
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, held_by_context, job_new(e, 0)), 0);
    model_settle();
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, runs, job_new(e, 1)), 0);
    MODEL_EQ(cconc_pool_shutdown(e->pool, NULL, CCONC_POOL_CANCEL), 0);
    MODEL_EQ(e->ran[0], 1);
    MODEL_EQ(e->ran[1], 0);
    MODEL_EQ(e->dropped[1], 1);
    pool_end(e);
}

/* What comes behind a record starts behind it, whichever way it took to the worker. */
MODEL_SCENARIO(pool_plain_task_behind_a_record)
{
    env *e = pool_idle(&(cconc_pool_opts){.workers = 1, .queue_len = 5});
    cconc_pool_task record = {.fn = runs_in_turn, .arg = job_new(e, 2)};
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, runs_in_turn, job_new(e, 0)), 0);
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, runs_in_turn, job_new(e, 1)), 0);
    MODEL_EQ(cconc_pool_submit_task(e->pool, NULL, &record), 0);
    for (int i = 3; i < 6; i++) {
        MODEL_EQ(cconc_pool_submit(e->pool, NULL, runs_in_turn, job_new(e, i)), 0);
    }
    pool_end(e);
    for (int i = 0; i < 6; i++) {
        MODEL_EQ(e->order[i], i);
    }
}
