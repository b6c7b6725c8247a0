/* pool.c - interleavings of pools: submitting, room in the queue, and how many workers there are.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A task that is lost or run twice, a submitter or a worker that sleeps on, more tasks in
 *          the queue than it may have, a worker too many or too few.
 * Method   Scenarios of the deterministic tester: one or two workers, as few tasks as show it.
 * Catches  Calls of idle workers that are dropped or doubled, looks that come too early, room that
 *          nobody hears of, grants that are lost.
 */
#include "tasks.h"

/* A pool of one worker, which is held by a task, and a full queue. */
static env *pool_full(cconc_pool_opts *opts)
{
    env *e;
    opts->workers = 1;
    opts->queue_len = 1;
    e = pool_idle(opts);
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, held, job_new(e, 0)), 0);
    model_settle();
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, runs_in_turn, job_new(e, 1)), 0);
    return e;
}

static void submits(void *arg)
{
    job *j = arg;
    j->e->err[j->i] = cconc_pool_submit(j->e->pool, j->e->ctx, runs_in_turn, j);
}

/* The worker is about to wait for its first task. */
MODEL_SCENARIO(pool_submit_meets_new_worker, .exhaustive = true, .covers = "W3 W6 W13")
{
    env *e = env_new();
    MODEL_EQ(cconc_pool_new(NULL, &(cconc_pool_opts){.workers = 1, .queue_len = 1}, &e->pool), 0);
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, runs, job_new(e, 0)), 0);
    pool_end(e);
    MODEL_EQ(e->ran[0], 1);
}

/* It is about to wait for the next one. */
MODEL_SCENARIO(pool_submit_meets_end_of_task, .exhaustive = true, .covers = "W3")
{
    env *e = pool_idle(&(cconc_pool_opts){.workers = 1, .queue_len = 2});
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, runs, job_new(e, 0)), 0);
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, runs, job_new(e, 1)), 0);
    pool_end(e);
    MODEL_EQ(e->ran[0], 1);
    MODEL_EQ(e->ran[1], 1);
}

/* One at a time is called, who calls the next: both tasks run at once. */
MODEL_SCENARIO(pool_called_worker_calls_the_next, .covers = "W4 W7")
{
    env *e = pool_idle(&(cconc_pool_opts){.workers = 2, .queue_len = 2});
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, held, job_new(e, 0)), 0);
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, held, job_new(e, 1)), 0);
    model_await(&e->started, 2);
    opens(e);
    pool_end(e);
    MODEL_EQ(e->ran[0] + e->ran[1], 2);
}

MODEL_SCENARIO(pool_submitters_meet, .bound = 2)
{
    env *e = pool_idle(&(cconc_pool_opts){.workers = 2, .queue_len = 2});
    model_spawn(submits, job_new(e, 1));
    MODEL_EQ(cconc_pool_try_submit(e->pool, held, job_new(e, 0)), 0);
    model_await(&e->started, 1);
    model_join_all();
    opens(e);
    pool_end(e);
    MODEL_EQ(e->ran[0] + e->ran[1], 2);
}

/* Room comes when the worker takes the next task; who waits for it gets it. */
MODEL_SCENARIO(pool_room_meets_submit, .exhaustive = true, .covers = "W17", .goals = "waits room")
{
    env *e = pool_full(&(cconc_pool_opts){0});
    model_spawn(submits, job_new(e, 2));
    model_cover(counts_of(e).blocked ? "waits" : "room");
    opens(e);
    model_join_all();
    pool_end(e);
    MODEL_EQ(e->err[2], 0);
    MODEL_EQ(e->ran[0] + e->ran[1] + e->ran[2], 3);
    MODEL_EQ(e->order[0], 1);
}

/* Two wait for room: in order of arrival, each once. */
MODEL_SCENARIO(pool_room_goes_to_the_first, .exhaustive = true, .covers = "W17")
{
    env *e = pool_full(&(cconc_pool_opts){0});
    model_spawn(submits, job_new(e, 2));
    model_settle();
    model_spawn(submits, job_new(e, 3));
    model_settle();
    MODEL_EQ(counts_of(e).blocked, 2);
    opens(e);
    pool_end(e);
    MODEL_EQ(e->order[0], 1);
    MODEL_EQ(e->order[1], 2);
    MODEL_EQ(e->order[2], 3);
}

MODEL_SCENARIO(pool_cancel_meets_room, .exhaustive = true, .covers = "H20 S1",
               .goals = "cancelled granted")
{
    env *e = pool_full(&(cconc_pool_opts){0});
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(submits, job_new(e, 2));
    model_settle();
    opens(e);
    cancels(e);
    model_join_all();
    MODEL_CHECK(e->err[2] == 0 || e->err[2] == ECANCELED);
    model_cover(e->err[2] ? "cancelled" : "granted");
    pool_end(e);
    MODEL_EQ(e->ran[1], 1);
    MODEL_EQ(e->ran[2], e->err[2] == 0);
}

MODEL_SCENARIO(pool_deadline_meets_room, .goals = "late granted")
{
    env *e = pool_full(&(cconc_pool_opts){0});
    MODEL_EQ(cconc_ctx_with_timeout(NULL, 1000, &e->ctx), 0);
    model_spawn(submits, job_new(e, 2));
    model_settle();
    opens(e);
    model_join_all();
    MODEL_CHECK(e->err[2] == 0 || e->err[2] == ETIMEDOUT);
    MODEL_CHECK(e->err[2] == 0 || model_now() >= MODEL_START + 1000);
    model_cover(e->err[2] ? "late" : "granted");
    pool_end(e);
    MODEL_EQ(e->ran[2], e->err[2] == 0);
}

static void resizes_to_2(void *arg)
{
    env *e = arg;
    e->err[7] = cconc_pool_resize(e->pool, 2);
}

/* A worker more makes room: who waits for it hears of that. */
MODEL_SCENARIO(pool_grows_under_a_full_queue, .exhaustive = true, .covers = "W17")
{
    env *e = pool_full(&(cconc_pool_opts){0});
    model_spawn(submits, job_new(e, 2));
    model_settle();
    resizes_to_2(e);
    model_settle();
    MODEL_EQ(e->err[7], 0);
    MODEL_EQ(e->err[2], 0);
    MODEL_EQ(e->ran[1] + e->ran[2], 2);
    opens(e);
    pool_end(e);
}

/* A worker leaves; the task that comes meanwhile is not given to the one that is gone. */
MODEL_SCENARIO(pool_shrinks_meets_submit, .covers = "W4")
{
    env *e = pool_idle(&(cconc_pool_opts){.workers = 2, .queue_len = 1});
    model_spawn(submits, job_new(e, 1));
    MODEL_EQ(cconc_pool_resize(e->pool, 1), 0);
    model_join_all();
    model_rest();
    MODEL_EQ(counts_of(e).workers, 1);
    pool_end(e);
    MODEL_EQ(e->ran[1], 1);
}

/* Smaller and larger at a time: there are as many as the last one wanted. */
MODEL_SCENARIO(pool_resizes_meet)
{
    env *e = pool_idle(&(cconc_pool_opts){.workers = 1, .queue_len = 1});
    uint32_t workers;
    model_spawn(resizes_to_2, e);
    MODEL_EQ(cconc_pool_resize(e->pool, 1), 0);
    model_join_all();
    MODEL_EQ(e->err[7], 0);
    model_rest();
    workers = counts_of(e).workers;
    MODEL_CHECK(workers == 1 || workers == 2);
    pool_end(e);
}

/* A task that holds the last room is dropped or run, and the new one is in its place. */
MODEL_SCENARIO(pool_drop_oldest_meets_take, .exhaustive = true, .goals = "dropped ran")
{
    env *e = pool_full(
        &(cconc_pool_opts){.full_policy = CCONC_POOL_DROP_OLDEST, .on_drop = drops});
    model_spawn(opens, e);
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, runs, job_new(e, 2)), 0);
    model_join_all();
    pool_end(e);
    model_cover(e->dropped[1] ? "dropped" : "ran");
    MODEL_EQ(e->ran[1] + e->dropped[1], 1);
    MODEL_EQ(e->ran[2], 1);
    MODEL_EQ(e->dropped[2], 0);
}

MODEL_SCENARIO(pool_caller_runs_meets_take, .exhaustive = true, .goals = "caller worker")
{
    env *e = pool_full(&(cconc_pool_opts){.full_policy = CCONC_POOL_CALLER_RUNS});
    cconc_pool_counts counts;
    model_spawn(opens, e);
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, runs, job_new(e, 2)), 0);
    model_join_all();
    model_rest();
    counts = counts_of(e);
    model_cover(counts.caller_ran ? "caller" : "worker");
    MODEL_EQ(counts.caller_ran + counts.completed, 3);
    pool_end(e);
    MODEL_EQ(e->ran[2], 1);
}

MODEL_SCENARIO(pool_try_submit_meets_take, .exhaustive = true, .covers = "S4",
               .goals = "full room")
{
    env *e = pool_full(&(cconc_pool_opts){0});
    model_spawn(opens, e);
    e->err[2] = cconc_pool_try_submit(e->pool, runs, job_new(e, 2));
    MODEL_CHECK(e->err[2] == 0 || e->err[2] == EAGAIN);
    model_cover(e->err[2] ? "full" : "room");
    model_join_all();
    pool_end(e);
    MODEL_EQ(e->ran[2], e->err[2] == 0);
}

/* Without a queue a task is accepted only together with the worker that takes it. */
MODEL_SCENARIO(pool_rendezvous_meets_idle, .exhaustive = true, .goals = "met missed")
{
    env *e = env_new();
    MODEL_EQ(cconc_pool_new(NULL, &(cconc_pool_opts){.workers = 1}, &e->pool), 0);
    e->err[0] = cconc_pool_try_submit(e->pool, runs, job_new(e, 0));
    MODEL_CHECK(e->err[0] == 0 || e->err[0] == EAGAIN);
    model_cover(e->err[0] ? "missed" : "met");
    pool_end(e);
    MODEL_EQ(e->ran[0], e->err[0] == 0);
}

/* Whoever waits for a worker gets the one that comes. */
MODEL_SCENARIO(pool_rendezvous_waits_for_a_worker, .exhaustive = true)
{
    env *e = env_new();
    MODEL_EQ(cconc_pool_new(NULL, &(cconc_pool_opts){.workers = 1}, &e->pool), 0);
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, runs, job_new(e, 0)), 0);
    pool_end(e);
    MODEL_EQ(e->ran[0], 1);
}

/* The one that was called has to leave, too: the task that it met comes first. */
MODEL_SCENARIO(pool_rendezvous_meets_resize, .covers = "W4")
{
    env *e = pool_idle(&(cconc_pool_opts){.workers = 2});
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, held, job_new(e, 0)), 0);
    model_settle();
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, runs, job_new(e, 1)), 0);
    MODEL_EQ(cconc_pool_resize(e->pool, 1), 0);
    model_settle();
    MODEL_EQ(e->ran[1], 1);
    MODEL_EQ(counts_of(e).workers, 1);
    opens(e);
    pool_end(e);
}

/* An unbounded queue gets records where it needs them, or says that it has none. */
MODEL_SCENARIO(pool_unbounded_queue_without_memory, .faults = MODEL_NO_MEMORY,
               .goals = "failed accepted")
{
    env *e = env_new();
    cconc_pool_task record = {.fn = runs, .arg = job_new(e, 2)};
    int err = cconc_pool_new(
        NULL, &(cconc_pool_opts){.workers = 1, .flags = CCONC_POOL_UNBOUNDED}, &e->pool);
    if (err) {
        MODEL_EQ(err, ENOMEM);
        return;
    }
    MODEL_EQ(cconc_pool_submit_task(e->pool, NULL, &record), 0); /* what follows needs one, too */
    model_spawn(submits, job_new(e, 1));
    err = cconc_pool_submit(e->pool, NULL, runs, job_new(e, 0));
    model_join_all();
    MODEL_CHECK((err == 0 && e->err[1] == 0) || model_had_fault(MODEL_NO_MEMORY));
    model_cover(err || e->err[1] ? "failed" : "accepted");
    pool_end(e);
    MODEL_EQ(e->ran[0], err == 0);
    MODEL_EQ(e->ran[1], e->err[1] == 0);
}

/* No thread, no memory: no pool, and nothing left of it. */
MODEL_SCENARIO(pool_new_without_memory_or_thread, .faults = MODEL_NO_MEMORY | MODEL_NO_THREAD,
               .covers = "W15", .goals = "failed made")
{
    env *e = env_new();
    int err = cconc_pool_new(NULL, &(cconc_pool_opts){.workers = 2, .queue_len = 1}, &e->pool);
    model_cover(err ? "failed" : "made");
    if (err) {
        MODEL_EQ(err, ENOMEM);
        MODEL_CHECK(model_had_fault(MODEL_NO_MEMORY | MODEL_NO_THREAD));
        return;
    }
    pool_end(e);
}

/* What grows it fails: it goes on with those that it has. It hears of that although a submit comes
 * meanwhile, or later, which starts what is missing. */
MODEL_SCENARIO(pool_resize_without_thread, .bound = 2, .faults = MODEL_NO_THREAD, .covers = "W15",
               .goals = "failed grown")
{
    env *e = env_new();
    if (cconc_pool_new(NULL, &(cconc_pool_opts){.workers = 1, .queue_len = 2}, &e->pool)) {
        return;
    }
    model_settle();
    model_spawn(submits, job_new(e, 1));
    resizes_to_2(e);
    model_join_all();
    model_rest();
    model_cover(e->err[7] == 0 ? "grown" : "failed");
    MODEL_CHECK(e->err[7] == 0 || model_had_fault(MODEL_NO_THREAD));
    MODEL_CHECK(counts_of(e).workers == 2 || (counts_of(e).workers == 1 && e->err[7] == ENOMEM));
    pool_end(e);
    MODEL_EQ(e->ran[1], 1);
}

MODEL_SCENARIO(pool_spurious_wakes, .low = true, .faults = MODEL_SPURIOUS)
{
    env *e = pool_full(&(cconc_pool_opts){0});
    model_spawn(submits, job_new(e, 2));
    opens(e);
    model_join_all();
    pool_end(e);
    MODEL_EQ(e->err[2], 0);
    MODEL_EQ(e->ran[2], 1);
}

MODEL_SCENARIO(pool_submit_in_a_forked_child)
{
    env *e = env_new();
    MODEL_EQ(cconc_pool_new(NULL, &(cconc_pool_opts){.workers = 1, .queue_len = 1}, &e->pool), 0);
    model_fork();
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, runs, job_new(e, 0)), ENOTRECOVERABLE);
    MODEL_EQ(cconc_pool_resize(e->pool, 2), ENOTRECOVERABLE);
    MODEL_EQ(cconc_pool_shutdown(e->pool, NULL, CCONC_POOL_DRAIN), ENOTRECOVERABLE);
    cconc_pool_free(e->pool);
}

/* Run by two workers, or one after the other: each operation is as if in one moment. The worker is
 * held, so that only the calls below change the queue, of 1. */
enum { OP_SUBMIT, OP_CANCEL, OP_CLOSE };

typedef struct queue_spec {
    int32_t queued; /* 1 + which */
    bool    closed;
} queue_spec;

static void queue_init(void *state)
{
    *(queue_spec *)state = (queue_spec){0, false};
}

static bool queue_apply(void *state, int op, int64_t arg, int code, int64_t value)
{
    queue_spec *q = state;
    int want;
    (void)value;
    switch (op) {
    case OP_SUBMIT:
        want = q->closed ? EPIPE : q->queued ? EAGAIN : 0;
        q->queued = want == 0 ? (int32_t)arg + 1 : q->queued;
        return code == want;
    case OP_CANCEL:
        want = q->queued == arg + 1;
        q->queued = want ? 0 : q->queued;
        return code == want;
    default:
        q->closed = true;
        return code == ECANCELED;
    }
}

static const model_spec queue_is_atomic = {sizeof(queue_spec), queue_init, queue_apply};

/* Submit, and take it back at once. */
static void submits_and_cancels(void *arg)
{
    job *j = arg;
    cconc_future *future = NULL;
    uint32_t id = model_begin(OP_SUBMIT, j->i);
    int err = cconc_pool_submit_future(j->e->pool, NULL, runs, j, &future);
    model_end(id, err, 0);
    if (!err) {
        bool is_cancelled;
        id = model_begin(OP_CANCEL, j->i);
        is_cancelled = cconc_future_cancel(future);
        model_end(id, is_cancelled, 0);
        cconc_future_free(future);
    }
}

static env *history_begin(void)
{
    env *e = pool_idle(
        &(cconc_pool_opts){.workers = 1, .queue_len = 1, .full_policy = CCONC_POOL_FAIL});
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, held, job_new(e, 0)), 0);
    model_settle();
    return e;
}

MODEL_SCENARIO(pool_history_of_submit_and_cancel)
{
    env *e = history_begin();
    model_spawn(submits_and_cancels, job_new(e, 1));
    model_spawn(submits_and_cancels, job_new(e, 2));
    model_join_all();
    model_check_history(&queue_is_atomic);
    model_rest();
    opens(e);
    pool_end(e);
    MODEL_EQ(e->ran[1] + e->ran[2], 0);
}

MODEL_SCENARIO(pool_history_of_submit_and_close)
{
    env *e = history_begin();
    cconc_ctx *ended;
    uint32_t id;
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &ended), 0);
    cconc_ctx_cancel(ended);
    model_spawn(submits_and_cancels, job_new(e, 1));
    model_spawn(submits_and_cancels, job_new(e, 2));
    id = model_begin(OP_CLOSE, 0);
    model_end(id, cconc_pool_shutdown(e->pool, ended, CCONC_POOL_DRAIN), 0);
    model_join_all();
    model_check_history(&queue_is_atomic);
    model_rest();
    opens(e);
    cconc_pool_free(e->pool);
    cconc_ctx_free(ended);
    MODEL_EQ(e->ran[1] + e->ran[2], 0);
}
