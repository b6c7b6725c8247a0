/* group_end.c - interleavings of groups: failures, waiting, stopping, and what ends them.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A group that is touched after its wait has returned, an end that nobody hears of, a
 *          first failure that differs from the context's cause, a clean stop that reports one.
 * Method   Scenarios of the deterministic tester: one or two tasks, on the executor or on a pool.
 * Catches  Last touches that come after the wake, failures recorded in two steps, ends of threads
 *          that are not counted, ends of one round that wake the next.
 */
#include "tasks.h"

#include <stdio.h>

static env *group_new(const cconc_group_opts *opts)
{
    env *e = env_new();
    MODEL_EQ(cconc_group_new(NULL, opts, &e->group), 0);
    return e;
}

/* A group on a pool of two workers that have nothing to do. */
static env *group_pooled(cconc_group_opts *opts, const cconc_pool_opts *pool)
{
    env *e = env_new();
    MODEL_EQ(cconc_pool_new(NULL, pool, &e->pool), 0);
    opts->pool = e->pool;
    MODEL_EQ(cconc_group_new(NULL, opts, &e->group), 0);
    model_settle();
    return e;
}

/* Wait is back: nobody else touches the group. */
MODEL_SCENARIO(group_wait_then_free, .exhaustive = true, .faults = MODEL_LATE_TIME,
               .covers = "G3")
{
    env *e = group_new(NULL);
    MODEL_EQ(cconc_group_go(e->group, NULL, runs, job_new(e, 0)), 0);
    model_settle();
    MODEL_EQ(cconc_group_go(e->group, NULL, runs, job_new(e, 1)), 0);
    MODEL_EQ(cconc_group_wait(e->group, NULL, NULL), 0);
    MODEL_EQ(e->ran[1], 1);
    cconc_group_free(e->group);
    model_rest();
}

/* The same where every end is under the lock. */
MODEL_SCENARIO(group_skipping_wait_then_free, .exhaustive = true, .faults = MODEL_LATE_TIME,
               .covers = "G3")
{
    env *e = group_new(&(cconc_group_opts){.flags = CCONC_GROUP_SKIP});
    MODEL_EQ(cconc_group_go(e->group, NULL, runs, job_new(e, 0)), 0);
    MODEL_EQ(cconc_group_wait(e->group, NULL, NULL), 0);
    MODEL_EQ(e->ran[0], 1);
    cconc_group_free(e->group);
    model_rest();
}

static int acquires(cconc_ctx *ctx, void *arg)
{
    job *j = arg;
    MODEL_EQ(cconc_sem_acquire(j->e->sem, ctx, 1), 0);
    j->e->ran[j->i]++;
    return 0;
}

/* Two tasks end on two threads: who is told of the second one's end sees what the first did. */
MODEL_SCENARIO(group_wait_sees_both_ends, .faults = MODEL_LATE_TIME, .bound = 2, .covers = "G3")
{
    env *e = group_new(NULL);
    MODEL_EQ(cconc_sem_new(2, &e->sem), 0);
    MODEL_EQ(cconc_sem_try_acquire(e->sem, 2), 0);
    MODEL_EQ(cconc_group_go(e->group, NULL, acquires, job_new(e, 0)), 0);
    MODEL_EQ(cconc_group_go(e->group, NULL, acquires, job_new(e, 1)), 0);
    model_settle();
    cconc_sem_release(e->sem, 2);
    MODEL_EQ(cconc_group_wait(e->group, NULL, NULL), 0);
    MODEL_EQ(e->ran[0], 1);
    MODEL_EQ(e->ran[1], 1);
    cconc_group_free(e->group);
    cconc_sem_free(e->sem);
}

/* The same from the first thread of the executor on, and with time that passes. */
MODEL_SCENARIO(group_first_task_then_free, .bound = 2, .covers = "G3")
{
    env *e = group_new(NULL);
    MODEL_EQ(cconc_group_go(e->group, NULL, runs, job_new(e, 0)), 0);
    MODEL_EQ(cconc_group_wait(e->group, NULL, NULL), 0);
    MODEL_EQ(e->ran[0], 1);
    cconc_group_free(e->group);
}

static void waits(void *arg)
{
    job *j = arg;
    j->e->err[j->i] = cconc_group_wait(j->e->group, NULL, NULL);
    j->e->value[j->i] = j->e->ran[0];
}

MODEL_SCENARIO(group_wait_of_two, .exhaustive = true, .faults = MODEL_LATE_TIME)
{
    env *e = group_new(NULL);
    MODEL_EQ(cconc_group_go(e->group, NULL, held, job_failing(e, 0, 3)), 0);
    model_settle();
    model_spawn(waits, job_new(e, 1));
    model_settle();
    opens(e);
    MODEL_EQ(cconc_group_wait(e->group, NULL, NULL), 3);
    model_join_all();
    MODEL_EQ(e->err[1], 3);
    MODEL_EQ(e->value[1], 1);
    cconc_group_free(e->group);
    model_rest();
}

/* The end of a round does not end the next one's wait; who waits from outside falls on either
 * side. */
MODEL_SCENARIO(group_rounds, .faults = MODEL_LATE_TIME, .covers = "G1", .bound = 2)
{
    env *e = group_new(NULL);
    MODEL_EQ(cconc_group_go(e->group, NULL, runs, job_new(e, 0)), 0);
    model_settle();
    model_spawn(waits, job_new(e, 3));
    MODEL_EQ(cconc_group_go(e->group, NULL, runs, job_new(e, 1)), 0);
    MODEL_EQ(cconc_group_wait(e->group, NULL, NULL), 0);
    MODEL_EQ(e->ran[1], 1);
    MODEL_EQ(cconc_group_go(e->group, NULL, runs, job_new(e, 2)), 0);
    MODEL_EQ(cconc_group_wait(e->group, NULL, NULL), 0);
    MODEL_EQ(e->ran[2], 1);
    model_join_all();
    MODEL_EQ(e->err[3], 0);
    cconc_group_free(e->group);
}

static void goes_late(void *arg)
{
    job *j = arg;
    j->e->err[j->i] = cconc_group_go(j->e->group, NULL, runs, j);
}

/* A go that comes while somebody waits: it runs, and the wait is over before or after it. */
MODEL_SCENARIO(group_late_go, .exhaustive = true, .faults = MODEL_LATE_TIME, .covers = "G5",
               .goals = "before after")
{
    env *e = group_new(NULL);
    cconc_group_counts counts;
    MODEL_EQ(cconc_group_go(e->group, NULL, runs, job_new(e, 0)), 0);
    model_settle();
    model_spawn(goes_late, job_new(e, 1));
    MODEL_EQ(cconc_group_wait(e->group, NULL, NULL), 0);
    cconc_group_read(e->group, &counts);
    model_cover(counts.started == 1 || counts.running ? "after" : "before");
    model_join_all();
    model_rest();
    MODEL_EQ(cconc_group_wait(e->group, NULL, NULL), 0);
    MODEL_EQ(e->err[1], 0);
    MODEL_EQ(e->ran[1], 1);
    cconc_group_free(e->group);
}

static int goes_on(cconc_ctx *ctx, void *arg)
{
    job *j = arg;
    (void)ctx;
    return cconc_group_go(j->e->group, NULL, runs, job_new(j->e, j->i + 1));
}

/* What a task starts belongs to the round that is waited for. */
MODEL_SCENARIO(group_go_of_a_task_is_waited_for, .exhaustive = true, .faults = MODEL_LATE_TIME)
{
    env *e = group_new(NULL);
    MODEL_EQ(cconc_group_go(e->group, NULL, runs, job_new(e, 0)), 0);
    model_settle();
    MODEL_EQ(cconc_group_go(e->group, NULL, goes_on, job_new(e, 1)), 0);
    MODEL_EQ(cconc_group_wait(e->group, NULL, NULL), 0);
    MODEL_EQ(e->ran[2], 1);
    cconc_group_free(e->group);
    model_rest();
}

static void waits_bounded(void *arg)
{
    job *j = arg;
    j->e->err[j->i] = cconc_group_wait(j->e->group, j->e->ctx, NULL);
}

MODEL_SCENARIO(group_wait_cancelled_meets_end, .exhaustive = true, .faults = MODEL_LATE_TIME,
               .goals = "left ended")
{
    env *e = group_new(NULL);
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    MODEL_EQ(cconc_group_go(e->group, NULL, held, job_failing(e, 0, 3)), 0);
    model_settle();
    model_spawn(waits_bounded, job_new(e, 1));
    model_settle();
    opens(e);
    cancels(e);
    model_join_all();
    MODEL_CHECK(e->err[1] == 3 || e->err[1] == EINPROGRESS);
    model_cover(e->err[1] == 3 ? "ended" : "left");
    model_rest();
    MODEL_EQ(cconc_group_wait(e->group, NULL, NULL), 3);
    cconc_group_free(e->group);
    cconc_ctx_free(e->ctx);
}

static int fails_with_text(cconc_ctx *ctx, void *arg)
{
    job *j = arg;
    (void)ctx;
    return cconc_group_fail(j->e->group, j->code, "failure %d", j->code);
}

/* The group's context has ended: then with the cause that wait tells. */
static bool cause_is_known(void *arg)
{
    env *e = arg;
    int code = cconc_ctx_cause(e->ctx, NULL);
    return !cconc_ctx_err(e->ctx) || code == 5 || code == 6;
}

/* Two failures at a time: one is the first, for wait, for the context, and for the message. */
MODEL_SCENARIO(group_first_error_is_one, .faults = MODEL_LATE_TIME, .bound = 2, .covers = "C2",
               .goals = "five six")
{
    env *e = group_pooled(&(cconc_group_opts){.collect_max = 1},
                          &(cconc_pool_opts){.workers = 2, .queue_len = 2});
    cconc_group_error kept;
    size_t count = 0;
    char text[16];
    const char *message = NULL;
    const char *cause = NULL;
    int code;
    e->ctx = cconc_group_ctx(e->group);
    model_invariant(cause_is_known, e);
    MODEL_EQ(cconc_group_go(e->group, NULL, fails_with_text, job_failing(e, 0, 5)), 0);
    MODEL_EQ(cconc_group_go(e->group, NULL, fails_with_text, job_failing(e, 1, 6)), 0);
    code = cconc_group_wait(e->group, NULL, &message);
    MODEL_CHECK(code == 5 || code == 6);
    model_cover(code == 5 ? "five" : "six");
    (void)snprintf(text, sizeof(text), "failure %d", code);
    MODEL_EQ(strcmp(message, text), 0);
    MODEL_EQ(cconc_ctx_cause(e->ctx, &cause), code);
    MODEL_EQ(strcmp(cause, text), 0);
    MODEL_EQ(cconc_group_errors(e->group, &kept, 1, &count), 2);
    MODEL_EQ(count, 1);
    MODEL_EQ(kept.code, code);
    MODEL_EQ(strcmp(kept.message, text), 0);
    model_rest();
    cconc_group_free(e->group);
    cconc_pool_free(e->pool);
}

static int tells_its_end(cconc_ctx *ctx, void *arg)
{
    job *j = arg;
    (void)runs(ctx, arg);
    j->e->err[j->i] = cconc_ctx_err(ctx);
    return j->e->err[j->i];
}

/* A task that ends because of the stop has not failed, however early it sees it. */
MODEL_SCENARIO(group_stop_is_clean, .exhaustive = true, .faults = MODEL_LATE_TIME, .covers = "C1",
               .goals = "cancelled in_time")
{
    env *e = group_new(NULL);
    MODEL_EQ(cconc_group_go(e->group, NULL, runs, job_new(e, 0)), 0);
    model_settle();
    MODEL_EQ(cconc_group_go(e->group, NULL, tells_its_end, job_new(e, 1)), 0);
    MODEL_EQ(cconc_group_stop(e->group, NULL), 0);
    MODEL_EQ(e->ran[1], 1);
    MODEL_EQ(cconc_group_errors(e->group, NULL, 0, NULL), 0);
    model_cover(e->err[1] ? "cancelled" : "in_time");
    cconc_group_free(e->group);
    model_rest();
}

static int stops(cconc_ctx *ctx, void *arg)
{
    job *j = arg;
    (void)ctx;
    j->e->err[j->i] = cconc_group_stop(j->e->group, NULL);
    MODEL_EQ(cconc_group_wait(j->e->group, NULL, NULL), EDEADLK);
    return cconc_ctx_err(ctx);
}

/* A task of the group stops it, and does not wait for itself. */
MODEL_SCENARIO(group_stop_in_a_task, .exhaustive = true, .faults = MODEL_LATE_TIME)
{
    env *e = group_new(NULL);
    MODEL_EQ(cconc_group_go(e->group, NULL, runs, job_new(e, 0)), 0);
    model_settle();
    MODEL_EQ(cconc_group_go(e->group, NULL, stops, job_new(e, 1)), 0);
    MODEL_EQ(cconc_group_wait(e->group, NULL, NULL), 0);
    MODEL_EQ(e->err[1], EDEADLK);
    cconc_group_free(e->group);
    model_rest();
}

/* A task ends its thread: an error, a free slot, and a thread in its place. */
MODEL_SCENARIO(group_task_ends_its_thread, .faults = MODEL_LATE_TIME, .bound = 2,
               .covers = "G7")
{
    env *e = group_new(&(cconc_group_opts){.limit = 1});
    MODEL_EQ(cconc_group_go(e->group, NULL, ends_thread, job_new(e, 0)), 0);
    MODEL_EQ(cconc_group_go(e->group, NULL, runs, job_new(e, 1)), 0);
    MODEL_EQ(cconc_group_wait(e->group, NULL, NULL), ECANCELED);
    MODEL_EQ(e->ran[0], 1);
    MODEL_EQ(e->ran[1], 1);
    cconc_group_free(e->group);
    model_rest();
}

/* The same, and free comes right after wait. */
MODEL_SCENARIO(group_ended_thread_then_free, .exhaustive = true, .faults = MODEL_LATE_TIME,
               .covers = "G7 G3")
{
    env *e = group_new(NULL);
    MODEL_EQ(cconc_group_go(e->group, NULL, runs, job_new(e, 0)), 0);
    model_settle();
    MODEL_EQ(cconc_group_go(e->group, NULL, ends_thread, job_new(e, 1)), 0);
    MODEL_EQ(cconc_group_wait(e->group, NULL, NULL), ECANCELED);
    cconc_group_free(e->group);
    model_rest();
}

/* What the group's pool drops has failed, and holds nothing any more. */
MODEL_SCENARIO(group_pool_drops_its_tasks, .faults = MODEL_LATE_TIME, .bound = 2,
               .covers = "G8", .goals = "dropped ran refused")
{
    env *e = group_pooled(&(cconc_group_opts){.limit = 2},
                          &(cconc_pool_opts){.workers = 1, .queue_len = 1});
    int code;
    model_spawn(goes_late, job_new(e, 1));
    MODEL_EQ(cconc_pool_shutdown(e->pool, NULL, CCONC_POOL_CANCEL), 0);
    model_join_all();
    code = cconc_group_wait(e->group, NULL, NULL);
    if (e->err[1]) {
        model_cover("refused");
        MODEL_EQ(e->err[1], EPIPE);
        MODEL_EQ(code, 0);
    } else {
        model_cover(e->ran[1] ? "ran" : "dropped");
        MODEL_EQ(code, e->ran[1] ? 0 : ECANCELED);
    }
    model_rest();
    cconc_group_free(e->group);
    cconc_pool_free(e->pool);
}

static int waits_for_group(cconc_ctx *ctx, void *arg)
{
    env *e = arg;
    (void)ctx;
    MODEL_EQ(cconc_group_go(e->group, NULL, runs, job_new(e, 1)), 0);
    return cconc_group_wait(e->group, NULL, NULL);
}

static void goes_pooled(void *arg)
{
    job *j = arg;
    j->e->err[j->i] = cconc_group_go(j->e->group, NULL, runs, j);
}

/* A go has its slot, and no room in the pool: its group ends first, or while it waits. */
MODEL_SCENARIO(group_skip_meets_go_without_room, .exhaustive = true)
{
    env *e = group_pooled(&(cconc_group_opts){.flags = CCONC_GROUP_SKIP},
                          &(cconc_pool_opts){.workers = 1, .queue_len = 1});
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, held, job_new(e, 2)), 0);
    model_settle();
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, runs, job_new(e, 3)), 0);
    model_spawn(goes_pooled, job_new(e, 0));
    MODEL_EQ(cconc_group_fail(e->group, 7, "on purpose"), 7);
    model_join_all();
    MODEL_EQ(e->err[0], ECANCELED);
    opens(e);
    MODEL_EQ(cconc_group_wait(e->group, NULL, NULL), 7);
    model_rest();
    MODEL_EQ(e->ran[0], 0);
    MODEL_EQ(e->ran[3], 1);
    cconc_group_free(e->group);
    cconc_pool_free(e->pool);
}

/* A worker waits for a group on its own pool: it runs the group's task itself. */
MODEL_SCENARIO(group_wait_in_the_only_worker, .exhaustive = true, .faults = MODEL_LATE_TIME,
               .covers = "W9")
{
    env *e = group_pooled(&(cconc_group_opts){0},
                          &(cconc_pool_opts){.workers = 1, .queue_len = 1});
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, waits_for_group, e), 0);
    MODEL_EQ(cconc_pool_wait(e->pool, NULL), 0);
    MODEL_EQ(e->ran[1], 1);
    model_rest();
    cconc_group_free(e->group);
    cconc_pool_free(e->pool);
}

/* Waits of condition variables may end for no reason. */
MODEL_SCENARIO(group_spurious_wakes, .low = true, .faults = MODEL_SPURIOUS | MODEL_LATE_TIME,
               .bound = 2)
{
    env *e = group_new(NULL);
    MODEL_EQ(cconc_group_go(e->group, NULL, runs, job_new(e, 0)), 0);
    model_settle();
    MODEL_EQ(cconc_group_go(e->group, NULL, runs, job_new(e, 1)), 0);
    MODEL_EQ(cconc_group_wait(e->group, NULL, NULL), 0);
    MODEL_EQ(e->ran[1], 1);
    cconc_group_free(e->group);
    model_rest();
}

/* In a forked child nothing starts, and nobody waits for what is the parent's. */
MODEL_SCENARIO(group_go_in_a_forked_child, .faults = MODEL_LATE_TIME)
{
    env *e = group_new(NULL);
    MODEL_EQ(cconc_group_go(e->group, NULL, runs, job_new(e, 0)), 0);
    model_fork();
    MODEL_EQ(cconc_group_try_go(e->group, runs, job_new(e, 1)), ENOTRECOVERABLE);
    MODEL_EQ(cconc_group_go(e->group, NULL, runs, job_new(e, 2)), ENOTRECOVERABLE);
    MODEL_EQ(e->ran[1] + e->ran[2], 0);
}
