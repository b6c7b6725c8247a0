/* group.c - interleavings of groups: slots, the limit, and who gets in.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A slot that is lost or given twice, a caller of go that sleeps on, a task that runs
 *          although its go has failed, a task that starts before the one whose slot it has.
 * Method   Scenarios of the deterministic tester: a task that holds the slot, and who wants it.
 * Catches  Slots that are not passed on by who leaves, wakes that are dropped, limits that are off
 *          by one, callers who overtake.
 */
#include "tasks.h"

static env *group_new(const cconc_group_opts *opts)
{
    env *e = env_new();
    MODEL_EQ(cconc_group_new(NULL, opts, &e->group), 0);
    return e;
}

/* A group with a limit of 1 and a task that keeps the slot until the gate opens. */
static env *group_held(uint32_t flags, int code)
{
    env *e = group_new(&(cconc_group_opts){.limit = 1, .flags = flags});
    MODEL_EQ(cconc_group_go(e->group, NULL, held, job_failing(e, 0, code)), 0);
    model_settle();
    return e;
}

static void goes(void *arg)
{
    job *j = arg;
    j->e->err[j->i] = cconc_group_go(j->e->group, j->e->ctx, runs_in_turn, j);
}

static uint32_t blocked(env *e)
{
    cconc_group_counts counts;
    cconc_group_read(e->group, &counts);
    return counts.blocked;
}

/* All is over: nothing runs, nobody is blocked, and the slot can be had. */
static void group_end(env *e, int code)
{
    cconc_group_counts counts;
    model_rest();
    MODEL_EQ(cconc_group_wait(e->group, NULL, NULL), code);
    cconc_group_read(e->group, &counts);
    MODEL_EQ(counts.running, 0);
    MODEL_EQ(counts.blocked, 0);
    cconc_group_free(e->group);
}

MODEL_SCENARIO(group_slot_goes_to_who_waits, .exhaustive = true, .faults = MODEL_LATE_TIME,
               .goals = "waits free")
{
    env *e = group_held(0, 0);
    model_spawn(goes, job_new(e, 1));
    model_cover(blocked(e) ? "waits" : "free");
    opens(e);
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    group_end(e, 0);
    MODEL_EQ(e->ran[0], 1);
    MODEL_EQ(e->ran[1], 1);
}

static void waits_for_all(void *arg)
{
    job *j = arg;
    j->e->err[j->i] = cconc_group_wait(j->e->group, NULL, NULL);
    j->e->value[j->i] = j->e->ran[1];
}

/* The only task ends, and its slot passes on: that was not the end. */
MODEL_SCENARIO(group_wait_outlasts_a_slot_passed_on, .exhaustive = true,
               .faults = MODEL_LATE_TIME, .covers = "G3")
{
    env *e = group_held(0, 0);
    model_spawn(goes, job_new(e, 1));
    model_settle();
    model_spawn(waits_for_all, job_new(e, 2));
    model_settle();
    opens(e);
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    MODEL_EQ(e->err[2], 0);
    MODEL_EQ(e->value[2], 1);
    group_end(e, 0);
}

MODEL_SCENARIO(group_try_go_meets_an_end, .exhaustive = true, .faults = MODEL_LATE_TIME,
               .goals = "full free")
{
    env *e = group_held(0, 0);
    opens(e);
    e->err[1] = cconc_group_try_go(e->group, runs, job_new(e, 1));
    model_cover(e->err[1] ? "full" : "free");
    MODEL_CHECK(e->err[1] == 0 || e->err[1] == EAGAIN);
    group_end(e, 0);
    MODEL_EQ(e->ran[1], e->err[1] == 0);
}

/* Whoever was there first gets the slot first. */
MODEL_SCENARIO(group_try_go_does_not_overtake, .exhaustive = true, .faults = MODEL_LATE_TIME,
               .goals = "full free")
{
    env *e = group_held(0, 0);
    model_spawn(goes, job_new(e, 1));
    model_settle();
    opens(e);
    e->err[2] = cconc_group_try_go(e->group, runs_in_turn, job_new(e, 2));
    model_cover(e->err[2] ? "full" : "free");
    model_join_all();
    group_end(e, 0);
    MODEL_EQ(e->order[0], 1);
    MODEL_EQ(e->ran[1], 1);
    MODEL_EQ(e->ran[2], e->err[2] == 0);
}

MODEL_SCENARIO(group_go_is_served_in_order, .faults = MODEL_LATE_TIME, .bound = 2)
{
    env *e = group_held(0, 0);
    model_spawn(goes, job_new(e, 1));
    model_settle();
    model_spawn(goes, job_new(e, 2));
    model_settle();
    opens(e);
    model_join_all();
    group_end(e, 0);
    MODEL_EQ(e->order[0], 1);
    MODEL_EQ(e->order[1], 2);
}

/* The slot is neither lost nor had by somebody who was told that he has none. */
MODEL_SCENARIO(group_cancel_meets_slot, .exhaustive = true, .faults = MODEL_LATE_TIME,
               .covers = "G8 H20", .goals = "cancelled granted")
{
    env *e = group_held(0, 0);
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(goes, job_new(e, 1));
    model_settle();
    opens(e);
    cancels(e);
    model_join_all();
    MODEL_CHECK(e->err[1] == 0 || e->err[1] == ECANCELED);
    model_cover(e->err[1] ? "cancelled" : "granted");
    model_rest();
    MODEL_EQ(cconc_group_wait(e->group, NULL, NULL), 0);
    MODEL_EQ(e->ran[1], e->err[1] == 0);
    MODEL_EQ(cconc_group_try_go(e->group, runs, job_new(e, 2)), 0);
    cconc_ctx_free(e->ctx);
    group_end(e, 0);
}

MODEL_SCENARIO(group_deadline_meets_slot, .bound = 2, .goals = "late granted")
{
    env *e = group_held(0, 0);
    MODEL_EQ(cconc_ctx_with_timeout(NULL, 1000, &e->ctx), 0);
    model_spawn(goes, job_new(e, 1));
    model_settle();
    opens(e);
    model_join_all();
    MODEL_CHECK(e->err[1] == 0 || e->err[1] == ETIMEDOUT);
    model_cover(e->err[1] ? "late" : "granted");
    if (e->err[1]) {
        MODEL_CHECK(model_now() >= MODEL_START + 1000);
        MODEL_EQ(cconc_ctx_err(e->ctx), ETIMEDOUT);
    }
    model_rest();
    group_end(e, 0);
    MODEL_EQ(e->ran[1], e->err[1] == 0);
    cconc_ctx_free(e->ctx);
}

static void raises_limit(void *arg)
{
    env *e = arg;
    cconc_group_set_limit(e->group, 1);
}

/* A limit of 0 holds everybody back: one is in when it is raised, or out when his context ends. */
MODEL_SCENARIO(group_limit_0_ends_by_raise_or_cancel, .exhaustive = true,
               .faults = MODEL_LATE_TIME, .covers = "G6", .goals = "admitted cancelled")
{
    env *e = group_new(NULL);
    cconc_group_set_limit(e->group, 0);
    MODEL_EQ(cconc_group_try_go(e->group, runs, job_new(e, 0)), EAGAIN);
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(goes, job_new(e, 1));
    model_settle();
    MODEL_EQ(blocked(e), 1);
    model_spawn(raises_limit, e);
    cancels(e);
    model_join_all();
    MODEL_CHECK(e->err[1] == 0 || e->err[1] == ECANCELED);
    model_cover(e->err[1] ? "cancelled" : "admitted");
    model_rest();
    group_end(e, 0);
    MODEL_EQ(e->ran[1], e->err[1] == 0);
    MODEL_EQ(e->ran[0], 0);
    cconc_ctx_free(e->ctx);
}

/* Two get in, the slot that ends and the one that is new: each once. */
MODEL_SCENARIO(group_raised_limit_meets_an_end, .faults = MODEL_LATE_TIME, .bound = 2)
{
    env *e = group_held(0, 0);
    model_spawn(goes, job_new(e, 1));
    model_settle();
    model_spawn(opens, e);
    cconc_group_set_limit(e->group, 2);
    MODEL_EQ(cconc_group_go(e->group, NULL, runs, job_new(e, 2)), 0);
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    group_end(e, 0);
    MODEL_EQ(e->ran[0] + e->ran[1] + e->ran[2], 3);
}

/* The slot that a running task gives back is not there for others any more. */
MODEL_SCENARIO(group_lowered_limit_meets_an_end, .exhaustive = true, .faults = MODEL_LATE_TIME,
               .goals = "before after")
{
    env *e = group_new(&(cconc_group_opts){.limit = 2});
    MODEL_EQ(cconc_group_go(e->group, NULL, held, job_new(e, 0)), 0);
    model_settle();
    model_spawn(opens, e);
    cconc_group_set_limit(e->group, 1);
    e->err[1] = cconc_group_try_go(e->group, runs, job_new(e, 1));
    model_cover(e->err[1] ? "before" : "after");
    model_join_all();
    group_end(e, 0);
    MODEL_EQ(e->ran[1], e->err[1] == 0);
}

/* With SKIP the end of the group's context reaches who waits for a slot, whenever he comes. */
MODEL_SCENARIO(group_skip_meets_the_first_error, .exhaustive = true, .faults = MODEL_LATE_TIME,
               .covers = "G8")
{
    env *e = group_held(CCONC_GROUP_SKIP, 5);
    model_spawn(goes, job_new(e, 1));
    opens(e);
    model_join_all();
    MODEL_EQ(e->err[1], ECANCELED);
    group_end(e, 5);
    MODEL_EQ(e->ran[1], 0);
}

/* Without it go ignores the group's context, as Go does. */
MODEL_SCENARIO(group_go_ignores_the_first_error, .exhaustive = true, .faults = MODEL_LATE_TIME)
{
    env *e = group_held(0, 5);
    model_spawn(goes, job_new(e, 1));
    opens(e);
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    group_end(e, 5);
    MODEL_EQ(e->ran[1], 1);
}

static int goes_itself(cconc_ctx *ctx, void *arg)
{
    job *j = arg;
    (void)ctx;
    j->e->ran[j->i]++;
    j->e->err[j->i] = cconc_group_go(j->e->group, NULL, runs, job_new(j->e, j->i + 4));
    return 0;
}

/* The call that would leave every task blocked in go is refused, and only that. */
MODEL_SCENARIO(group_go_of_all_tasks_is_refused, .faults = MODEL_LATE_TIME)
{
    env *e = group_new(&(cconc_group_opts){.limit = 2});
    MODEL_EQ(cconc_group_go(e->group, NULL, goes_itself, job_new(e, 0)), 0);
    MODEL_EQ(cconc_group_go(e->group, NULL, goes_itself, job_new(e, 1)), 0);
    group_end(e, 0);
    MODEL_EQ(e->ran[0] + e->ran[1], 2);
    MODEL_CHECK(e->err[0] == 0 || e->err[0] == EDEADLK);
    MODEL_CHECK(e->err[1] == 0 || e->err[1] == EDEADLK);
    MODEL_CHECK(e->err[0] == 0 || e->err[1] == 0);
    MODEL_EQ(e->ran[4], e->err[0] == 0);
    MODEL_EQ(e->ran[5], e->err[1] == 0);
}

static void lowers_limit(void *arg)
{
    env *e = arg;
    cconc_group_set_limit(e->group, 1);
}

/* The last other task ends, or the slot goes: the one that is blocked in go alone is told. */
MODEL_SCENARIO(group_lowered_limit_leaves_go_alone, .faults = MODEL_LATE_TIME, .bound = 2,
               .goals = "refused admitted")
{
    env *e = group_new(&(cconc_group_opts){.limit = 2});
    MODEL_EQ(cconc_group_go(e->group, NULL, held, job_new(e, 1)), 0);
    model_settle();
    MODEL_EQ(cconc_group_go(e->group, NULL, goes_itself, job_new(e, 0)), 0);
    model_settle();
    model_pass(2000000); /* for the watch: the first task blocks where nobody sees it */
    model_settle();
    MODEL_EQ(blocked(e), 1);
    model_spawn(lowers_limit, e);
    opens(e);
    model_join_all();
    group_end(e, 0);
    MODEL_CHECK(e->err[0] == 0 || e->err[0] == EDEADLK);
    model_cover(e->err[0] ? "refused" : "admitted");
    MODEL_EQ(e->ran[4], e->err[0] == 0);
}

/* No memory, no thread: the slot is given back, and nothing else is left. */
MODEL_SCENARIO(group_go_without_memory_or_thread, .faults = MODEL_NO_MEMORY | MODEL_NO_THREAD,
               .goals = "failed went")
{
    env *e = env_new();
    int err = cconc_group_new(NULL, &(cconc_group_opts){.limit = 1}, &e->group);
    if (err) {
        MODEL_EQ(err, ENOMEM);
        MODEL_CHECK(model_had_fault(MODEL_NO_MEMORY));
        return;
    }
    err = cconc_group_go(e->group, NULL, runs, job_new(e, 0));
    model_cover(err ? "failed" : "went");
    if (err) {
        MODEL_EQ(err, ENOMEM);
        MODEL_CHECK(model_had_fault(MODEL_NO_MEMORY | MODEL_NO_THREAD));
    }
    model_rest();
    MODEL_EQ(cconc_group_go(e->group, NULL, runs, job_new(e, 1)), 0);
    MODEL_EQ(cconc_group_wait(e->group, NULL, NULL), 0);
    MODEL_EQ(e->ran[0], err == 0);
    MODEL_EQ(e->ran[1], 1);
    cconc_group_free(e->group);
}

static int runs_alone(cconc_ctx *ctx, void *arg)
{
    job *j = arg;
    MODEL_EQ(model_add(&j->e->started, 1), 0);
    (void)model_add(&j->e->started, UINT32_MAX);
    return runs(ctx, arg);
}

static void goes_alone(void *arg)
{
    job *j = arg;
    j->e->err[j->i] = cconc_group_go(j->e->group, NULL, runs_alone, j);
}

/* Nobody waits for the slot yet: one has it, the other one looks, and queues. */
MODEL_SCENARIO(group_callers_meet_at_the_limit, .faults = MODEL_LATE_TIME, .bound = 2)
{
    env *e = env_new();
    MODEL_EQ(cconc_group_new(NULL, &(cconc_group_opts){.limit = 1}, &e->group), 0);
    model_spawn(goes_alone, job_new(e, 1));
    goes_alone(job_new(e, 2));
    model_join_all();
    MODEL_EQ(e->err[1] + e->err[2], 0);
    group_end(e, 0);
    MODEL_EQ(e->ran[1] + e->ran[2], 2);
}

/* Start job 1 if the slot is free: then what job 0 did in it is seen. */
static void takes_the_slot(env *e)
{
    e->err[1] = cconc_group_try_go(e->group, runs, job_new(e, 1));
    model_cover(e->err[1] ? "full" : "free");
    if (e->err[1] == 0) {
        MODEL_EQ(e->ran[0], 1);
    }
}

/* Who gets the slot of a task without waiting for it sees what the task did. */
MODEL_SCENARIO(group_slot_shows_what_its_task_did, .exhaustive = true, .faults = MODEL_LATE_TIME,
               .goals = "full free")
{
    env *e = env_new();
    MODEL_EQ(cconc_group_new(NULL, &(cconc_group_opts){.limit = 1}, &e->group), 0);
    MODEL_EQ(cconc_group_go(e->group, NULL, runs, job_new(e, 0)), 0);
    takes_the_slot(e);
    group_end(e, 0);
}

static void waits(void *arg)
{
    job *j = arg;
    j->e->err[j->i] = cconc_group_wait(j->e->group, NULL, NULL);
}

/* The same where it ended under the lock, because somebody waits for the end. */
MODEL_SCENARIO(group_slot_shows_what_an_awaited_task_did, .faults = MODEL_LATE_TIME, .bound = 2,
               .goals = "full free")
{
    env *e = env_new();
    MODEL_EQ(cconc_group_new(NULL, &(cconc_group_opts){.limit = 1}, &e->group), 0);
    MODEL_EQ(cconc_group_go(e->group, NULL, runs, job_new(e, 0)), 0);
    model_spawn(waits, job_new(e, 2));
    takes_the_slot(e);
    model_join_all();
    group_end(e, 0);
}

/* A group without a limit, and one that gets one: whoever starts or ends then goes by the new one,
 * without its lock too. */
MODEL_SCENARIO(group_first_limit_meets_go, .faults = MODEL_LATE_TIME, .bound = 2,
               .goals = "before behind")
{
    env *e = env_new();
    MODEL_EQ(cconc_group_new(NULL, NULL, &e->group), 0);
    MODEL_EQ(cconc_group_go(e->group, NULL, held, job_new(e, 0)), 0);
    model_settle();
    model_spawn(goes, job_new(e, 1));
    cconc_group_set_limit(e->group, 1);
    model_cover(blocked(e) > 0 ? "behind" : "before");
    MODEL_EQ(cconc_group_try_go(e->group, runs, job_new(e, 2)), EAGAIN);
    opens(e);
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    group_end(e, 0);
    MODEL_EQ(e->ran[1], 1);
}
