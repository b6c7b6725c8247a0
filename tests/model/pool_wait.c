/* pool_wait.c - interleavings of pools: futures, records, loops, and waiting inside the pool.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A record or a future that is touched after its end, a result that nobody hears of, a
 *          task that is cancelled and runs, a worker that waits for what only it could do.
 * Method   Scenarios of the deterministic tester: one worker, and tasks that wait for tasks.
 * Catches  References that are not counted, last touches that come too late, looks at a state that
 *          has changed, helpers that are not called.
 */
#include "tasks.h"

#include "task/pool.h"

static env *pool_of_one(void)
{
    return pool_idle(&(cconc_pool_opts){.workers = 1, .queue_len = 2});
}

/* Futures. */

typedef struct promise {
    env *e;
    cconc_future *future;
    int err[2];
    bool is_cancelled[2];
    int value;
} promise;

static promise *promise_new(env *e, cconc_task_fn fn, job *j)
{
    promise *p = model_zalloc(sizeof(*p));
    p->e = e;
    MODEL_EQ(cconc_pool_submit_future(e->pool, NULL, fn, j, &p->future), 0);
    return p;
}

static void waits(void *arg)
{
    promise *p = arg;
    p->err[1] = cconc_future_wait(p->future, p->e->ctx);
    p->value = p->err[1] == EINPROGRESS ? 0 : p->e->ran[0];
}

MODEL_SCENARIO(pool_future_wait_meets_end, .exhaustive = true, .covers = "X4")
{
    env *e = pool_of_one();
    promise *p = promise_new(e, runs, job_failing(e, 0, 7));
    waits(p);
    MODEL_EQ(p->err[1], 7);
    MODEL_EQ(p->value, 1);
    cconc_future_free(p->future);
    pool_end(e);
}

MODEL_SCENARIO(pool_future_wait_of_two, .exhaustive = true)
{
    env *e = pool_of_one();
    promise *p = promise_new(e, held, job_failing(e, 0, 7));
    model_settle();
    model_spawn(waits, p);
    model_settle();
    opens(e);
    MODEL_EQ(cconc_future_wait(p->future, NULL), 7);
    model_join_all();
    MODEL_EQ(p->err[1], 7);
    cconc_future_free(p->future);
    pool_end(e);
}

/* Without waiting: nothing, or all that the task has written. */
MODEL_SCENARIO(pool_future_try_wait_meets_end, .exhaustive = true, .goals = "not_yet ended")
{
    env *e = pool_of_one();
    promise *p = promise_new(e, runs, job_failing(e, 0, 7));
    int code = 0;
    int err = cconc_future_try_wait(p->future, &code);
    MODEL_CHECK(err == 0 || err == EAGAIN);
    MODEL_EQ(code, err ? 0 : 7);
    if (!err) {
        MODEL_EQ(e->ran[0], 1);
    }
    model_cover(err ? "not_yet" : "ended");
    cconc_future_free(p->future);
    pool_end(e);
}

/* The holder lets go while the task ends. */
MODEL_SCENARIO(pool_future_free_meets_end, .exhaustive = true, .covers = "C13")
{
    env *e = pool_of_one();
    promise *p = promise_new(e, runs, job_new(e, 0));
    cconc_future_free(p->future);
    pool_end(e);
    MODEL_EQ(e->ran[0], 1);
}

/* Cancelled, or run: who is told so is right. */
MODEL_SCENARIO(pool_future_cancel_meets_take, .exhaustive = true, .covers = "C15 T1",
               .goals = "cancelled ran")
{
    env *e = pool_of_one();
    promise *p = promise_new(e, runs, job_failing(e, 0, 7));
    bool is_cancelled = cconc_future_cancel(p->future);
    MODEL_EQ(cconc_future_wait(p->future, NULL), is_cancelled ? ECANCELED : 7);
    pool_end(e);
    model_cover(is_cancelled ? "cancelled" : "ran");
    MODEL_EQ(e->ran[0], !is_cancelled);
    cconc_future_free(p->future);
}

static void cancels_future(void *arg)
{
    promise *p = arg;
    p->is_cancelled[1] = cconc_future_cancel(p->future);
}

/* Two cancel: one of them has, if it is so. */
MODEL_SCENARIO(pool_future_cancel_of_two, .covers = "C9", .goals = "main other none")
{
    env *e = pool_of_one();
    promise *p = promise_new(e, runs, job_new(e, 0));
    model_spawn(cancels_future, p);
    p->is_cancelled[0] = cconc_future_cancel(p->future);
    model_join_all();
    pool_end(e);
    model_cover(p->is_cancelled[0] ? "main" : p->is_cancelled[1] ? "other" : "none");
    MODEL_EQ(p->is_cancelled[0] + p->is_cancelled[1] + e->ran[0], 1);
    cconc_future_free(p->future);
}

static int tells_its_end(cconc_ctx *ctx, void *arg)
{
    job *j = arg;
    (void)model_add(&j->e->started, 1);
    j->e->err[j->i] = cconc_ctx_wait(ctx, NULL);
    return cconc_ctx_err(ctx);
}

/* One that runs has its context cancelled; or just has ended, and its context is gone. */
MODEL_SCENARIO(pool_future_cancel_meets_end, .exhaustive = true, .covers = "C11")
{
    env *e = pool_of_one();
    promise *p = promise_new(e, held, job_new(e, 0));
    model_settle();
    opens(e);
    MODEL_EQ(cconc_future_cancel(p->future), false);
    MODEL_EQ(cconc_future_wait(p->future, NULL), 0);
    cconc_future_free(p->future);
    pool_end(e);
}

MODEL_SCENARIO(pool_future_cancel_ends_the_wait, .exhaustive = true)
{
    env *e = pool_of_one();
    promise *p = promise_new(e, tells_its_end, job_new(e, 0));
    model_await(&e->started, 1);
    MODEL_EQ(cconc_future_cancel(p->future), false);
    MODEL_EQ(cconc_future_wait(p->future, NULL), ECANCELED);
    cconc_future_free(p->future);
    pool_end(e);
}

/* A future has the memory of its pool, which is gone. */
MODEL_SCENARIO(pool_future_outlives_its_pool, .goals = "dropped ran")
{
    env *e = pool_of_one();
    promise *p = promise_new(e, runs, job_new(e, 0));
    int code = 0;
    cconc_pool_free(e->pool);
    MODEL_EQ(cconc_future_try_wait(p->future, &code), 0);
    MODEL_EQ(code, e->ran[0] ? 0 : ECANCELED);
    model_cover(e->ran[0] ? "ran" : "dropped");
    MODEL_EQ(cconc_future_wait(p->future, NULL), code);
    MODEL_EQ(cconc_future_cancel(p->future), false);
    cconc_future_free(p->future);
    model_rest();
}

MODEL_SCENARIO(pool_future_wait_cancelled_meets_end, .exhaustive = true, .goals = "left ended")
{
    env *e = pool_of_one();
    promise *p = promise_new(e, held, job_failing(e, 0, 7));
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(waits, p);
    model_settle();
    opens(e);
    cancels(e);
    model_join_all();
    MODEL_CHECK(p->err[1] == 7 || p->err[1] == EINPROGRESS);
    model_cover(p->err[1] == 7 ? "ended" : "left");
    cconc_future_free(p->future);
    pool_end(e);
}

/* Records. */

typedef struct record {
    cconc_pool_task task; /* first */
    env *e;
} record;

static int record_runs(cconc_ctx *ctx, void *arg)
{
    env *e = arg;
    (void)ctx;
    e->ran[0]++;
    return 7;
}

static record *record_new(env *e)
{
    record *r = model_zalloc(sizeof(*r));
    r->task.fn = record_runs;
    r->task.arg = e;
    r->e = e;
    return r;
}

/* Join is back: the record is the caller's. */
MODEL_SCENARIO(pool_join_then_free_the_record, .exhaustive = true, .covers = "S5 G3")
{
    env *e = pool_of_one();
    record *r = record_new(e);
    MODEL_EQ(cconc_pool_submit_task(e->pool, NULL, &r->task), 0);
    MODEL_EQ(cconc_pool_join(e->pool, NULL, &r->task), 7);
    MODEL_EQ(e->ran[0], 1);
    model_free(r);
    pool_end(e);
}

/* And can be used again. */
MODEL_SCENARIO(pool_join_then_submit_again, .exhaustive = true)
{
    env *e = pool_of_one();
    record *r = record_new(e);
    MODEL_EQ(cconc_pool_submit_task(e->pool, NULL, &r->task), 0);
    MODEL_EQ(cconc_pool_join(e->pool, NULL, &r->task), 7);
    MODEL_EQ(cconc_pool_submit_task(e->pool, NULL, &r->task), 0);
    pool_end(e);
    MODEL_EQ(e->ran[0], 2);
    model_free(r);
}

static void record_ended(cconc_pool_task *task, int code, bool dropped)
{
    record *r = (record *)(void *)task;
    env *e = r->e;
    e->err[0] = code;
    e->dropped[0] += dropped;
    model_free(r);
    model_set(&e->hooks, 1);
}

/* The record goes inside of ended, whether it ran or was dropped. */
MODEL_SCENARIO(pool_record_is_freed_when_ended, .covers = "S5", .goals = "dropped ran")
{
    env *e = pool_of_one();
    record *r = record_new(e);
    r->task.ended = record_ended;
    MODEL_EQ(cconc_pool_submit_task(e->pool, NULL, &r->task), 0);
    MODEL_EQ(cconc_pool_shutdown(e->pool, NULL, CCONC_POOL_CANCEL), 0);
    MODEL_EQ(model_get(&e->hooks), 1);
    MODEL_EQ(e->ran[0] + e->dropped[0], 1);
    MODEL_EQ(e->err[0], e->ran[0] ? 7 : ECANCELED);
    model_cover(e->ran[0] ? "ran" : "dropped");
    pool_end(e);
}

/* Waiting inside the pool. */

static int submits_and_joins(cconc_ctx *ctx, void *arg)
{
    env *e = arg;
    record *r = record_new(e);
    (void)ctx;
    e->err[1] = cconc_pool_submit_task(e->pool, NULL, &r->task);
    e->err[2] = cconc_pool_join(e->pool, NULL, &r->task);
    model_free(r);
    return 0;
}

/* The only worker waits for a task: it runs it. */
MODEL_SCENARIO(pool_join_in_the_only_worker, .covers = "W9")
{
    env *e = pool_of_one();
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, submits_and_joins, e), 0);
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, runs, job_new(e, 3)), 0);
    pool_end(e);
    MODEL_EQ(e->err[1], 0);
    MODEL_EQ(e->err[2], 7);
    MODEL_EQ(e->ran[3], 1);
}

/* Another worker takes it, or has not yet: whoever waits sleeps, and is called or granted. */
MODEL_SCENARIO(pool_join_meets_the_other_worker, .covers = "W9 W10")
{
    env *e = pool_idle(&(cconc_pool_opts){.workers = 2, .queue_len = 2});
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, submits_and_joins, e), 0);
    pool_end(e);
    MODEL_EQ(e->err[2], 7);
    MODEL_EQ(e->ran[0], 1);
}

/* A worker submits to the full queue: it makes room itself. */
static int submits_two(cconc_ctx *ctx, void *arg)
{
    env *e = arg;
    (void)ctx;
    e->err[0] = cconc_pool_submit(e->pool, NULL, runs, job_new(e, 0));
    e->err[1] = cconc_pool_submit(e->pool, NULL, runs, job_new(e, 1));
    return 0;
}

MODEL_SCENARIO(pool_worker_makes_room_itself, .exhaustive = true, .covers = "W9 G8")
{
    env *e = pool_idle(&(cconc_pool_opts){.workers = 1, .queue_len = 1});
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, submits_two, e), 0);
    e->err[3] = cconc_pool_try_submit(e->pool, runs, job_new(e, 3));
    pool_end(e);
    MODEL_EQ(e->err[0], 0);
    MODEL_EQ(e->err[1], 0);
    MODEL_EQ(e->ran[0] + e->ran[1], 2);
    MODEL_EQ(e->ran[3], e->err[3] == 0);
}

/* A task that the waiting worker runs ends the thread: the one below ends with it. */
static int submits_ender_and_waits(cconc_ctx *ctx, void *arg)
{
    env *e = arg;
    cconc_future *future;
    (void)ctx;
    MODEL_EQ(cconc_pool_submit_future(e->pool, NULL, ends_thread, job_new(e, 0), &future), 0);
    e->ctx = (cconc_ctx *)(void *)future; /* for whoever finds the thread gone */
    return cconc_future_wait(future, NULL);
}

MODEL_SCENARIO(pool_nested_task_ends_the_thread, .covers = "G7")
{
    env *e = pool_of_one();
    cconc_future *outer;
    MODEL_EQ(cconc_pool_submit_future(e->pool, NULL, submits_ender_and_waits, e, &outer), 0);
    MODEL_EQ(cconc_future_wait(outer, NULL), ECANCELED);
    MODEL_EQ(e->ran[0], 1);
    cconc_future_free((cconc_future *)(void *)e->ctx);
    cconc_future_free(outer);
    e->ctx = NULL;
    pool_end(e);
}

/* Loops. */

typedef struct range {
    model_word parts[4];
    uint32_t fails_at;
    int code;
} range;

static int part(cconc_ctx *ctx, size_t begin, size_t end, void *arg)
{
    range *r = arg;
    (void)ctx;
    MODEL_EQ(end, begin + 1);
    model_add(&r->parts[begin], 1);
    return begin == r->fails_at ? r->code : 0;
}

/* Each part once, and none after the loop is back. */
MODEL_SCENARIO(pool_loop_shares_its_parts, .exhaustive = true)
{
    env *e = pool_of_one();
    range *r = model_zalloc(sizeof(*r));
    MODEL_EQ(cconc_pool_parallel_for(e->pool, NULL, 0, 2, 1, part, r), 0);
    MODEL_EQ(model_get(&r->parts[0]), 1);
    MODEL_EQ(model_get(&r->parts[1]), 1);
    model_free(r);
    pool_end(e);
}

/* An error ends it: what was begun is waited for, the rest is not begun. */
MODEL_SCENARIO(pool_loop_ends_by_error, .goals = "both one")
{
    env *e = pool_of_one();
    range *r = model_zalloc(sizeof(*r));
    uint32_t others;
    r->code = 7;
    MODEL_EQ(cconc_pool_parallel_for(e->pool, NULL, 0, 2, 1, part, r), 7);
    MODEL_EQ(model_get(&r->parts[0]), 1);
    others = model_get(&r->parts[1]);
    MODEL_CHECK(others <= 1);
    model_cover(others ? "both" : "one");
    model_free(r);
    pool_end(e);
}

static int ends_in_part(cconc_ctx *ctx, size_t begin, size_t end, void *arg)
{
    (void)part(ctx, begin, end, arg);
    model_exit_thread();
}

static void loops(void *arg)
{
    job *j = arg;
    range *r = model_zalloc(sizeof(*r));
    int err = cconc_pool_parallel_for(j->e->pool, NULL, 0, 2, 1, ends_in_part, r);
    j->e->err[j->i] = err;
}

/* The threads of both end inside of it: the loop is finished by what is left of the caller's. */
MODEL_SCENARIO(pool_loop_loses_its_threads, .covers = "G7")
{
    env *e = pool_of_one();
    model_spawn(loops, job_failing(e, 0, 0));
    model_join_all();
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, runs, job_new(e, 1)), 0);
    pool_end(e);
    MODEL_EQ(e->ran[1], 1);
}

/* The caller's thread ends while nobody can begin its runner: it takes it back, and is gone. */
MODEL_SCENARIO(pool_loop_that_loses_its_caller_waits_for_nobody, .exhaustive = true,
               .covers = "G7")
{
    env *e = pool_of_one();
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, held, job_new(e, 0)), 0);
    model_settle();
    model_spawn(loops, job_new(e, 1));
    model_join_all();
    MODEL_EQ(counts_of(e).queued, 0);
    opens(e);
    pool_end(e);
    MODEL_EQ(e->ran[0], 1);
}

typedef struct forking {
    cconc_pool *pool;
    model_word shared; /* a worker has a part, which it keeps */
    model_word never;
} forking;

static int forks_in_part(cconc_ctx *ctx, size_t begin, size_t end, void *arg)
{
    forking *f = arg;
    (void)ctx;
    MODEL_EQ(end, begin + 1);
    if (cconc__pool_worker_here(f->pool)) {
        model_set(&f->shared, 1);
        model_await(&f->never, 1);
    }
    model_await(&f->shared, 1);
    model_fork();
    return 0;
}

/* The other part is run by a thread that the child does not have. */
MODEL_SCENARIO(pool_loop_in_a_forked_child)
{
    env *e = pool_of_one();
    forking *f = model_zalloc(sizeof(*f));
    f->pool = e->pool;
    MODEL_EQ(cconc_pool_parallel_for(e->pool, NULL, 0, 2, 1, forks_in_part, f), ENOTRECOVERABLE);
}

/* Too deep to help: a temporary worker takes the place, and gives it back. */
static int goes_deeper(cconc_ctx *ctx, void *arg)
{
    env *e = arg;
    cconc_future *future;
    int err;
    (void)ctx;
    e->count++;
    if (e->count > CCONC_POOL_MAX_DEPTH) {
        model_settle();
    }
    err = cconc_pool_submit_future(e->pool, NULL,
                                   e->count > CCONC_POOL_MAX_DEPTH ? record_runs : goes_deeper, e,
                                   &future);
    err = err ? err : cconc_future_wait(future, NULL);
    cconc_future_free(future);
    return err;
}

MODEL_SCENARIO(pool_deepest_worker_lends_its_place, .bound = 2, .max_steps = 6000,
               .covers = "W9")
{
    env *e = pool_of_one();
    cconc_future *future;
    MODEL_EQ(cconc_pool_submit_future(e->pool, NULL, goes_deeper, e, &future), 0);
    MODEL_EQ(cconc_future_wait(future, NULL), 7);
    MODEL_EQ(e->ran[0], 1);
    cconc_future_free(future);
    pool_end(e);
}
