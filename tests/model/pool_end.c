/* pool_end.c - interleavings of pools: shutdown, lost workers, and who waits for the end.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A task that was accepted and neither runs nor is dropped, a shutdown that hangs or comes
 *          back too early, a worker that nobody joins, one that is lost and not replaced.
 * Method   Scenarios of the deterministic tester: one or two workers that go as the pool ends.
 * Catches  Ends that are not told, tasks queued for workers that have gone, counts that drift.
 */
#include "tasks.h"

#include "task/pool.h"

/* One worker that is held, and a full queue. */
static env *pool_full(cconc_pool_opts *opts)
{
    env *e;
    opts->workers = 1;
    opts->queue_len = 1;
    opts->on_drop = drops;
    e = pool_idle(opts);
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, held, job_new(e, 0)), 0);
    model_settle();
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, runs_in_turn, job_new(e, 1)), 0);
    return e;
}

/* Begin to shut down, and do not wait for the end. */
static void closes(env *e, uint32_t mode)
{
    int err;
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ended), 0);
    cconc_ctx_cancel(e->ended);
    err = cconc_pool_shutdown(e->pool, e->ended, mode);
    MODEL_CHECK(err == 0 || err == ECANCELED);
}

static void submits(void *arg)
{
    job *j = arg;
    j->e->err[j->i] = cconc_pool_submit(j->e->pool, j->e->ctx, runs, j);
}

/* Shut down: no thread, no task is left. */
static void pool_gone(env *e)
{
    cconc_pool_counts counts;
    model_rest();
    MODEL_EQ(cconc_pool_shutdown(e->pool, NULL, CCONC_POOL_DRAIN), 0);
    counts = counts_of(e);
    MODEL_EQ(counts.workers, 0);
    MODEL_EQ(counts.idle, 0);
    MODEL_EQ(counts.running, 0);
    MODEL_EQ(counts.queued, 0);
    MODEL_EQ(counts.submitted, counts.completed + counts.dropped);
    cconc_pool_free(e->pool);
    cconc_ctx_free(e->ctx);
    cconc_ctx_free(e->ended);
}

/* A pool whose threads have not even begun is freed. */
MODEL_SCENARIO(pool_new_then_free, .exhaustive = true, .covers = "W3 W6 X6")
{
    env *e = env_new();
    MODEL_EQ(cconc_pool_new(NULL, &(cconc_pool_opts){.workers = 1, .queue_len = 1}, &e->pool), 0);
    MODEL_EQ(cconc_pool_shutdown(e->pool, NULL, CCONC_POOL_DRAIN), 0);
    pool_gone(e);
}

/* Who is idle, who is busy and who is about to go are never more than there are. */
MODEL_UNORDERED static bool counts_are_sane(void *arg)
{
    const cconc_pool *p = ((env *)arg)->pool;
    return p->idle.count + p->counts.running <= p->active && p->active <= p->alive &&
           p->alive <= 2;
}

MODEL_SCENARIO(pool_counts_at_shutdown, .bound = 2, .covers = "W10 W11")
{
    env *e = pool_idle(&(cconc_pool_opts){.workers = 2, .queue_len = 1});
    model_invariant(counts_are_sane, e);
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, runs, job_new(e, 0)), 0);
    MODEL_EQ(cconc_pool_shutdown(e->pool, NULL, CCONC_POOL_DRAIN), 0);
    MODEL_EQ(e->ran[0], 1);
    pool_gone(e);
}

/* Two leave at a time: each is joined. */
MODEL_SCENARIO(pool_two_workers_leave, .covers = "W12")
{
    env *e = pool_idle(&(cconc_pool_opts){.workers = 2, .queue_len = 1});
    closes(e, CCONC_POOL_DRAIN);
    pool_gone(e);
}

/* Accepted and run, or refused: whoever submits while the pool closes. */
MODEL_SCENARIO(pool_drain_meets_submit, .covers = "W16 W18",
               .goals = "ran refused")
{
    env *e = pool_idle(&(cconc_pool_opts){.workers = 1, .queue_len = 1});
    model_spawn(submits, job_new(e, 1));
    closes(e, CCONC_POOL_DRAIN);
    model_join_all();
    MODEL_CHECK(e->err[1] == 0 || e->err[1] == EPIPE);
    model_cover(e->err[1] ? "refused" : "ran");
    pool_gone(e);
    MODEL_EQ(e->ran[1], e->err[1] == 0);
}

MODEL_SCENARIO(pool_cancel_meets_submit, .covers = "W16 W18",
               .goals = "ran refused dropped")
{
    env *e = pool_idle(&(cconc_pool_opts){.workers = 1, .queue_len = 1, .on_drop = drops});
    model_spawn(submits, job_new(e, 1));
    closes(e, CCONC_POOL_CANCEL);
    model_join_all();
    MODEL_CHECK(e->err[1] == 0 || e->err[1] == EPIPE);
    pool_gone(e);
    model_cover(e->err[1] ? "refused" : e->ran[1] ? "ran" : "dropped");
    MODEL_EQ(e->ran[1] + e->dropped[1], e->err[1] == 0);
}

/* A submitter who waits for room hears of the end, or had room before it. */
MODEL_SCENARIO(pool_drain_meets_blocked_submit, .covers = "W17",
               .goals = "refused granted")
{
    env *e = pool_full(&(cconc_pool_opts){0});
    model_spawn(submits, job_new(e, 2));
    model_settle();
    opens(e);
    closes(e, CCONC_POOL_DRAIN);
    model_join_all();
    MODEL_CHECK(e->err[2] == 0 || e->err[2] == EPIPE);
    model_cover(e->err[2] ? "refused" : "granted");
    pool_gone(e);
    MODEL_EQ(e->ran[1], 1);
    MODEL_EQ(e->ran[2], e->err[2] == 0);
}

MODEL_SCENARIO(pool_cancel_meets_queued_task, .covers = "G8",
               .goals = "dropped ran")
{
    env *e = pool_full(&(cconc_pool_opts){0});
    opens(e);
    closes(e, CCONC_POOL_CANCEL);
    pool_gone(e);
    model_cover(e->ran[1] ? "ran" : "dropped");
    MODEL_EQ(e->ran[1] + e->dropped[1], 1);
    MODEL_EQ(e->ran[0], 1);
}

static void shuts_down(void *arg)
{
    job *j = arg;
    j->e->err[j->i] = cconc_pool_shutdown(j->e->pool, j->e->ctx, (uint32_t)j->code);
}

/* Two end it: both come back when nothing is left, and each thread is joined once. */
MODEL_SCENARIO(pool_shutdowns_meet, .bound = 2, .covers = "W12")
{
    env *e = pool_idle(&(cconc_pool_opts){.workers = 1, .queue_len = 1});
    model_spawn(shuts_down, job_failing(e, 0, CCONC_POOL_DRAIN));
    MODEL_EQ(cconc_pool_shutdown(e->pool, NULL, CCONC_POOL_CANCEL), 0);
    MODEL_EQ(counts_of(e).workers, 0);
    model_join_all();
    MODEL_EQ(e->err[0], 0);
    pool_gone(e);
}

/* A shutdown that gives up leaves it to the next one, here the harder one. */
MODEL_SCENARIO(pool_shutdown_cancelled_meets_end, .exhaustive = true, .goals = "left ended")
{
    env *e = pool_full(&(cconc_pool_opts){0});
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(shuts_down, job_failing(e, 2, CCONC_POOL_DRAIN));
    model_settle();
    opens(e);
    cancels(e);
    model_join_all();
    MODEL_CHECK(e->err[2] == 0 || e->err[2] == ECANCELED);
    model_cover(e->err[2] ? "left" : "ended");
    model_rest();
    MODEL_EQ(cconc_pool_shutdown(e->pool, NULL, CCONC_POOL_CANCEL), 0);
    pool_gone(e);
    MODEL_EQ(e->ran[1], 1);
}

static void drains(void *arg)
{
    job *j = arg;
    j->e->err[j->i] = cconc_pool_shutdown(j->e->pool, NULL, CCONC_POOL_DRAIN);
    j->e->value[j->i] = j->e->ran[1] + j->e->dropped[1];
}

/* What the one that cancels has yet to drop is not the other's, which waits for it. */
MODEL_SCENARIO(pool_drain_meets_cancel, .goals = "dropped ran")
{
    env *e = pool_full(&(cconc_pool_opts){0});
    model_spawn(drains, job_new(e, 2));
    model_settle();
    opens(e);
    MODEL_EQ(cconc_pool_shutdown(e->pool, NULL, CCONC_POOL_CANCEL), 0);
    model_join_all();
    MODEL_EQ(e->err[2], 0);
    MODEL_EQ(e->value[2], 1);
    model_cover(e->ran[1] ? "ran" : "dropped");
    pool_gone(e);
}

static int submits_inside(cconc_ctx *ctx, void *arg)
{
    submits(arg);
    return runs(ctx, job_new(((job *)arg)->e, 0));
}

/* A worker runs what it submits to its own pool, which has no queue; but not if that has closed. */
MODEL_SCENARIO(pool_drain_meets_submit_in_a_worker, .goals = "ran refused")
{
    env *e = pool_idle(&(cconc_pool_opts){.workers = 1});
    uint64_t submitted;
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, submits_inside, job_new(e, 1)), 0);
    closes(e, CCONC_POOL_DRAIN);
    submitted = counts_of(e).submitted;
    pool_gone(e);
    MODEL_CHECK(e->err[1] == 0 || e->err[1] == EPIPE);
    model_cover(e->err[1] ? "refused" : "ran");
    MODEL_EQ(submitted, e->err[1] ? 1 : 2);
    MODEL_EQ(e->ran[0], 1);
    MODEL_EQ(e->ran[1], e->err[1] == 0);
}

/* A worker leaves because the pool is smaller, and is joined by the end that comes meanwhile. */
MODEL_SCENARIO(pool_shrinks_meets_shutdown, .bound = 2, .covers = "W12")
{
    env *e = pool_idle(&(cconc_pool_opts){.workers = 2, .queue_len = 1});
    MODEL_EQ(cconc_pool_resize(e->pool, 1), 0);
    closes(e, CCONC_POOL_DRAIN);
    pool_gone(e);
}

static void grows(void *arg)
{
    env *e = arg;
    e->err[7] = cconc_pool_resize(e->pool, 2);
}

/* A thread that is started while the pool closes is joined, too. */
MODEL_SCENARIO(pool_grows_meets_shutdown, .bound = 2, .covers = "W12", .goals = "refused grown")
{
    env *e = pool_idle(&(cconc_pool_opts){.workers = 1, .queue_len = 1});
    model_spawn(grows, e);
    closes(e, CCONC_POOL_DRAIN);
    model_join_all();
    MODEL_CHECK(e->err[7] == 0 || e->err[7] == EPIPE);
    model_cover(e->err[7] ? "refused" : "grown");
    pool_gone(e);
}

/* An instant at which nothing is queued and nothing runs. */
static void waits_for_pool(void *arg)
{
    job *j = arg;
    j->e->err[j->i] = cconc_pool_wait(j->e->pool, j->e->ctx);
    j->e->value[j->i] = j->e->err[j->i] ? 0 : j->e->ran[0] + j->e->ran[1];
}

MODEL_SCENARIO(pool_wait_meets_end, .exhaustive = true, .covers = "G1")
{
    env *e = pool_idle(&(cconc_pool_opts){.workers = 1, .queue_len = 1});
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, held, job_new(e, 0)), 0);
    opens(e);
    waits_for_pool(job_new(e, 3));
    MODEL_EQ(e->err[3], 0);
    MODEL_EQ(e->value[3], 1);
    model_rest();
    cconc_pool_free(e->pool);
}

MODEL_SCENARIO(pool_wait_cancelled_meets_end, .exhaustive = true, .goals = "left ended")
{
    env *e = pool_idle(&(cconc_pool_opts){.workers = 1, .queue_len = 1});
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, held, job_new(e, 0)), 0);
    model_settle();
    model_spawn(waits_for_pool, job_new(e, 3));
    model_settle();
    opens(e);
    cancels(e);
    model_join_all();
    MODEL_CHECK(e->err[3] == 0 || e->err[3] == ECANCELED);
    model_cover(e->err[3] ? "left" : "ended");
    model_rest();
    cconc_pool_free(e->pool);
    cconc_ctx_free(e->ctx);
}

/* A task ends its thread: another one runs what is queued. */
MODEL_SCENARIO(pool_task_ends_its_thread, .exhaustive = true, .covers = "G7 W17")
{
    env *e = pool_idle(&(cconc_pool_opts){.workers = 1, .queue_len = 2});
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, ends_thread, job_new(e, 0)), 0);
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, runs, job_new(e, 1)), 0);
    model_rest();
    MODEL_EQ(counts_of(e).workers, 1);
    MODEL_EQ(counts_of(e).failed, 1);
    MODEL_EQ(e->ran[1], 1);
    cconc_pool_free(e->pool);
}

/* And a submitter who waits for room gets it. */
MODEL_SCENARIO(pool_lost_worker_meets_blocked_submit, .covers = "W17", .faults = MODEL_NO_THREAD,
               .bound = 2)
{
    env *e = env_new();
    if (cconc_pool_new(NULL, &(cconc_pool_opts){.workers = 1, .queue_len = 1}, &e->pool)) {
        return;
    }
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, ends_thread, job_new(e, 0)), 0);
    model_spawn(submits, job_new(e, 1));
    model_spawn(submits, job_new(e, 2));
    model_join_all();
    MODEL_CHECK((e->err[1] == 0 && e->err[2] == 0) || model_had_fault(MODEL_NO_THREAD));
    model_rest();
    MODEL_EQ(cconc_pool_shutdown(e->pool, NULL, CCONC_POOL_DRAIN), 0);
    pool_gone(e);
    MODEL_EQ(e->ran[1], e->err[1] == 0);
    MODEL_EQ(e->ran[2], e->err[2] == 0);
}

/* The last thread is lost, with none in its place, while somebody waits for the end. */
MODEL_SCENARIO(pool_lost_worker_meets_shutdown, .covers = "W15 W16", .faults = MODEL_NO_THREAD)
{
    env *e = env_new();
    int err;
    if (cconc_pool_new(NULL, &(cconc_pool_opts){.workers = 1, .queue_len = 2}, &e->pool)) {
        return;
    }
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, ends_thread, job_new(e, 0)), 0);
    err = cconc_pool_submit(e->pool, NULL, runs, job_new(e, 1));
    MODEL_EQ(cconc_pool_shutdown(e->pool, NULL, CCONC_POOL_DRAIN), 0);
    MODEL_EQ(e->ran[1], err == 0);
    MODEL_CHECK(err == 0 || model_had_fault(MODEL_NO_THREAD));
    pool_gone(e);
}

/* A submit that found no worker starts one for what is queued, though the pool closes: it comes and
 * leaves while the lost one is joined, and is joined, too. */
MODEL_SCENARIO(pool_worker_started_late_meets_shutdown, .covers = "W12 W16",
               .faults = MODEL_NO_THREAD)
{
    env *e = env_new();
    if (cconc_pool_new(NULL, &(cconc_pool_opts){.workers = 1, .queue_len = 2}, &e->pool)) {
        return;
    }
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, ends_thread, job_new(e, 0)), 0);
    e->err[1] = cconc_pool_submit(e->pool, NULL, runs, job_new(e, 1));
    e->err[2] = EPIPE;
    model_settle();
    if (counts_of(e).queued == 1) {
        model_spawn(submits, job_new(e, 2));
        model_spawn(drains, job_new(e, 3));
        model_join_all();
        MODEL_EQ(e->err[3], 0);
        MODEL_EQ(e->value[3], 1);
        MODEL_CHECK(!e->pool->dead);
    }
    pool_gone(e);
    MODEL_EQ(e->ran[1], e->err[1] == 0);
    MODEL_EQ(e->ran[2], e->err[2] == 0);
}

/* Hooks come in pairs, whoever ends. */
static void counts_up(void *user)
{
    model_add(&((env *)user)->hooks, 1);
}

static void counts_down(void *user)
{
    model_add(&((env *)user)->hooks, UINT32_MAX);
}

MODEL_SCENARIO(pool_hooks_come_in_pairs, .covers = "W14")
{
    env *e = env_new();
    cconc_pool_opts opts = {.workers = 1, .queue_len = 1, .user = e, .on_start = counts_up,
                            .on_stop = counts_down};
    MODEL_EQ(cconc_pool_new(NULL, &opts, &e->pool), 0);
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, ends_thread, job_new(e, 0)), 0);
    MODEL_EQ(cconc_pool_shutdown(e->pool, NULL, CCONC_POOL_DRAIN), 0);
    MODEL_EQ(model_get(&e->hooks), 0);
    pool_gone(e);
}

/* A hook ends the thread of whoever shuts the pool down: the next one finds all in order. */
static void drops_and_ends(void *user, cconc_task_fn fn, void *arg)
{
    drops(user, fn, arg);
    model_exit_thread();
}

MODEL_SCENARIO(pool_drop_hook_ends_the_thread, .bound = 2)
{
    env *e = pool_idle(
        &(cconc_pool_opts){.workers = 1, .queue_len = 1, .on_drop = drops_and_ends});
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, held, job_new(e, 0)), 0);
    model_settle();
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, runs, job_new(e, 1)), 0);
    model_spawn(shuts_down, job_failing(e, 2, CCONC_POOL_CANCEL));
    opens(e);
    model_join_all();
    MODEL_EQ(cconc_pool_shutdown(e->pool, NULL, CCONC_POOL_DRAIN), 0);
    MODEL_EQ(e->ran[1] + e->dropped[1], 1);
    pool_gone(e);
}

/* Two pools: one is freed, the other goes on. */
MODEL_SCENARIO(pool_free_leaves_others_alone, .bound = 2, .covers = "W1")
{
    env *e = pool_idle(&(cconc_pool_opts){.workers = 1, .queue_len = 1});
    env *other = pool_idle(&(cconc_pool_opts){.workers = 1, .queue_len = 1});
    model_spawn(submits, job_new(other, 1));
    closes(e, CCONC_POOL_CANCEL);
    model_join_all();
    model_rest();
    MODEL_EQ(other->ran[1], 1);
    MODEL_EQ(counts_of(other).workers, 1);
    pool_gone(e);
    cconc_pool_free(other->pool);
}
