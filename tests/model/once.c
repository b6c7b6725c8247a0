/* once.c - interleavings of onces: who runs, who waits, and what each is told.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A function that runs twice; a waiter that sleeps on after the run, or is told the code
 *          of another run; a run that its thread's end leaves running for ever.
 * Method   Scenarios of the deterministic tester, two to four threads each.
 * Catches  O1 O2: waiters that a thread's end or a failure forgets; second looks that are missing;
 *          codes that are read after they were replaced; H20: grants that leave with a waiter.
 */
#include "model.h"

typedef struct env {
    cconc_once once;
    cconc_once other;
    cconc_ctx *ctx;
    model_word left;     /* threads that have returned */
    uint32_t   runs;     /* ordered by the once, as all that its functions write */
    uint32_t   runner;
    int        fails;    /* what the first run returns */
    bool       exits;    /* the first run ends its thread */
    int        payload;
    uint32_t   destroyed;
    int        code[4];
    int        seen[4];
    void      *value[4];
} env;

/* One thread's part: its number, and whose env. */
typedef struct part {
    env     *e;
    uint32_t number;
    bool     retries;
    cconc_ctx *ctx;
} part;

static env *env_new(void)
{
    env *e = model_zalloc(sizeof(*e));
    cconc_once_init(&e->once);
    return e;
}

static part *part_of(env *e, uint32_t number, cconc_ctx *ctx)
{
    part *p = model_zalloc(sizeof(*p));
    *p = (part){e, number, false, ctx};
    return p;
}

static int initialise(cconc_ctx *ctx, void *arg)
{
    part *p = arg;
    env *e = p->e;
    uint32_t run = e->runs++;
    (void)ctx;
    e->runner = p->number;
    if (run == 0 && e->exits && p->number != 0) {
        model_exit_thread();
    }
    e->payload = 7 + (int)run;
    return run == 0 ? e->fails : 0;
}

static void run(void *arg)
{
    part *p = arg;
    env *e = p->e;
    e->code[p->number] = cconc_once_run(&e->once, p->ctx, initialise, p);
    e->seen[p->number] = e->code[p->number] == 0 ? e->payload : 0;
}

static void run_retry(void *arg)
{
    part *p = arg;
    env *e = p->e;
    e->code[p->number] = cconc_once_run_retry(&e->once, p->ctx, initialise, p);
    e->seen[p->number] = e->code[p->number] == 0 ? e->payload : 0;
}

static void cancel(void *arg)
{
    env *e = arg;
    cconc_ctx_cancel(e->ctx);
}

/* ---- run ------------------------------------------------------------------------------------ */

MODEL_SCENARIO(once_two_callers_run_it_once, .exhaustive = true, .goals = "main other")
{
    env *e = env_new();
    model_spawn(run, part_of(e, 1, NULL));
    run(part_of(e, 0, NULL));
    model_join_all();
    MODEL_EQ(e->runs, 1);
    MODEL_EQ(e->seen[0], 7);
    MODEL_EQ(e->seen[1], 7);
    MODEL_CHECK(cconc_once_is_done(&e->once));
    model_cover(e->runner == 0 ? "main" : "other");
    cconc_once_destroy(&e->once);
}

/* Looks from inside the function. */
static int counts_waiters(cconc_ctx *ctx, void *arg)
{
    env *e = arg;
    size_t waiters = cconc_once_waiters(&e->once);
    (void)ctx;
    MODEL_CHECK(waiters <= 2);
    MODEL_CHECK(!cconc_once_is_done(&e->once));
    model_cover(waiters == 2 ? "both_wait" : waiters == 1 ? "one_waits" : "nobody_waits");
    e->payload = 7;
    return 0;
}

static void runs_counting(void *arg)
{
    env *e = ((part *)arg)->e;
    uint32_t me = ((part *)arg)->number;
    e->code[me] = cconc_once_run(&e->once, NULL, counts_waiters, e);
    e->seen[me] = e->payload;
}

MODEL_SCENARIO(once_run_lets_all_waiters_go, .goals = "both_wait one_waits nobody_waits")
{
    env *e = env_new();
    model_spawn(runs_counting, part_of(e, 1, NULL));
    model_spawn(runs_counting, part_of(e, 2, NULL));
    runs_counting(part_of(e, 0, NULL));
    model_join_all();
    for (int i = 0; i < 3; i++) {
        MODEL_EQ(e->code[i], 0);
        MODEL_EQ(e->seen[i], 7);
    }
    cconc_once_destroy(&e->once);
}

MODEL_SCENARIO(once_failure_of_run_is_everybodys, .exhaustive = true, .covers = "O2",
               .goals = "main other")
{
    env *e = env_new();
    e->fails = EIO;
    model_spawn(run, part_of(e, 1, NULL));
    run(part_of(e, 0, NULL));
    model_join_all();
    MODEL_EQ(e->code[0], EIO);
    MODEL_EQ(e->code[1], EIO);
    run(part_of(e, 2, NULL));
    MODEL_EQ(e->code[2], EIO);
    MODEL_EQ(e->runs, 1);
    model_cover(e->runner == 0 ? "main" : "other");
}

/* ---- run_retry ------------------------------------------------------------------------------ */

MODEL_SCENARIO(once_failure_of_retry_is_that_runs, .exhaustive = true, .covers = "O2",
               .goals = "shared anew")
{
    env *e = env_new();
    e->fails = EIO;
    model_spawn(run_retry, part_of(e, 1, NULL));
    run_retry(part_of(e, 0, NULL));
    model_join_all();
    MODEL_EQ(cconc_once_is_done(&e->once), e->runs == 2);
    if (e->runs == 1) {
        MODEL_EQ(e->code[0], EIO);
        MODEL_EQ(e->code[1], EIO);
        model_cover("shared");
    } else {
        MODEL_EQ(e->runs, 2);
        MODEL_EQ(e->code[0] + e->code[1], EIO);
        MODEL_EQ(e->seen[0] + e->seen[1], 8);
        model_cover("anew");
    }
}

/* A waiter is told the code of the run it waited for, though the next one has ended meanwhile. */
MODEL_SCENARIO(once_waiter_of_a_failure_is_not_told_of_the_next_run, .covers = "O2",
               .goals = "told_failure then_success")
{
    env *e = env_new();
    int failures = 0;
    e->fails = EIO;
    model_spawn(run_retry, part_of(e, 1, NULL));
    model_spawn(run_retry, part_of(e, 2, NULL));
    run_retry(part_of(e, 0, NULL));
    model_join_all();
    MODEL_CHECK(e->runs == 1 || e->runs == 2);
    for (int i = 0; i < 3; i++) {
        MODEL_CHECK(e->code[i] == EIO || (e->code[i] == 0 && e->seen[i] == 8));
        failures += e->code[i] == EIO;
    }
    MODEL_CHECK(failures >= 1);
    MODEL_EQ(failures == 3, e->runs == 1);
    if (failures == 2) {
        model_cover("told_failure");
    } else if (failures == 1) {
        model_cover("then_success");
    }
}

/* ---- contexts ------------------------------------------------------------------------------- */

MODEL_SCENARIO(once_wait_ends_with_its_context, .exhaustive = true, .covers = "H20",
               .goals = "refused left served")
{
    env *e = env_new();
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(run, part_of(e, 1, NULL));
    model_spawn(cancel, e);
    run(part_of(e, 0, e->ctx));
    model_join_all();
    MODEL_EQ(e->runs, 1);
    MODEL_EQ(e->seen[1], 7);
    MODEL_CHECK(e->code[0] != ECANCELED || e->runner == 1);
    if (e->code[0] == EINPROGRESS) {
        MODEL_EQ(cconc_ctx_err(e->ctx), ECANCELED);
        MODEL_EQ(e->runner, 1);
        model_cover("left");
    } else if (e->code[0] == ECANCELED) {
        model_cover("refused");
    } else {
        MODEL_EQ(e->seen[0], 7);
        model_cover("served");
    }
    cconc_ctx_free(e->ctx);
}

/* A function that takes its time: until thread 0 says so. */
static int takes_time(cconc_ctx *ctx, void *arg)
{
    env *e = arg;
    (void)ctx;
    model_await(&e->left, 1);
    e->payload = 7;
    return 0;
}

static void runs_long(void *arg)
{
    env *e = arg;
    e->code[1] = cconc_once_run(&e->once, NULL, takes_time, e);
}

static int takes_none(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    ((env *)arg)->payload = 8;
    return 0;
}

MODEL_SCENARIO(once_wait_ends_at_the_deadline, .goals = "ran left refused late")
{
    env *e = env_new();
    int err;
    MODEL_EQ(cconc_ctx_with_timeout(NULL, 1000, &e->ctx), 0);
    model_spawn(runs_long, e);
    err = cconc_once_run(&e->once, e->ctx, takes_none, e);
    if (err == 0) {
        MODEL_EQ(e->payload, 8);
        model_cover("ran");
    } else {
        MODEL_CHECK(model_now() >= MODEL_START + 1000);
        MODEL_EQ(cconc_ctx_err(e->ctx), ETIMEDOUT);
        model_cover(err == ETIMEDOUT ? "refused" : "left");
        MODEL_CHECK(err == ETIMEDOUT || err == EINPROGRESS);
    }
    model_set(&e->left, 1);
    if (cconc_once_run(&e->once, e->ctx, takes_none, e) == 0 && err) {
        MODEL_EQ(e->payload, 7);
        model_cover("late"); /* what has ended wins over a context that has */
    }
    model_join_all();
    MODEL_EQ(e->code[1], 0);
    cconc_ctx_free(e->ctx);
}

MODEL_SCENARIO(once_waiter_that_leaves_disturbs_nobody, .covers = "H20 S8", .goals = "left stayed")
{
    env *e = env_new();
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(run, part_of(e, 1, NULL));
    model_spawn(run, part_of(e, 2, e->ctx));
    cancel(e);
    run(part_of(e, 3, NULL));
    model_join_all();
    MODEL_EQ(e->runs, 1);
    MODEL_EQ(e->seen[1], 7);
    MODEL_EQ(e->seen[3], 7);
    model_cover(e->code[2] == EINPROGRESS ? "left" : "stayed");
    cconc_ctx_free(e->ctx);
}

/* What the function of a run sees of its caller's context: no end. That of a retry sees it. */
static int looks_at_context(cconc_ctx *ctx, void *arg)
{
    env *e = arg;
    e->runs++;
    e->code[3] = cconc_ctx_err(ctx);
    return 0;
}

MODEL_SCENARIO(once_caller_that_is_cancelled_does_not_spoil_the_run, .exhaustive = true,
               .goals = "ran refused ended_meanwhile")
{
    env *e = env_new();
    int err;
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(cancel, e);
    err = cconc_once_run(&e->once, e->ctx, looks_at_context, e);
    if (err == 0) {
        MODEL_EQ(e->runs, 1);
        MODEL_EQ(e->code[3], 0);
        model_cover(cconc_ctx_err(e->ctx) ? "ended_meanwhile" : "ran");
    } else {
        MODEL_EQ(err, ECANCELED);
        MODEL_EQ(e->runs, 0);
        model_cover("refused");
    }
    model_join_all();
    cconc_ctx_free(e->ctx);
}

MODEL_SCENARIO(once_function_of_a_retry_sees_its_callers_end, .exhaustive = true,
               .goals = "seen unseen refused")
{
    env *e = env_new();
    int err;
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(cancel, e);
    err = cconc_once_run_retry(&e->once, e->ctx, looks_at_context, e);
    if (err == 0) {
        model_cover(e->code[3] ? "seen" : "unseen");
    } else {
        MODEL_EQ(err, ECANCELED);
        MODEL_EQ(e->runs, 0);
        model_cover("refused");
    }
    model_join_all();
    cconc_ctx_free(e->ctx);
}

/* ---- functions that end their thread -------------------------------------------------------- */

MODEL_SCENARIO(once_function_that_ends_its_thread_has_run, .exhaustive = true, .covers = "O1",
               .goals = "ended returned")
{
    env *e = env_new();
    e->exits = true;
    e->code[1] = -1;
    model_spawn(run, part_of(e, 1, NULL));
    run(part_of(e, 0, NULL));
    model_join_all();
    MODEL_EQ(e->runs, 1);
    if (e->runner == 1) {
        MODEL_EQ(e->code[0], ECANCELED);
        MODEL_EQ(e->code[1], -1);
        run(part_of(e, 2, NULL));
        MODEL_EQ(e->code[2], ECANCELED);
        model_cover("ended");
    } else {
        MODEL_EQ(e->code[0], 0);
        MODEL_EQ(e->code[1], 0);
        model_cover("returned");
    }
    cconc_once_destroy(&e->once);
}

MODEL_SCENARIO(once_retry_after_a_run_that_ended_its_thread, .exhaustive = true, .covers = "O1 O2",
               .goals = "waited ran")
{
    env *e = env_new();
    e->exits = true;
    model_spawn(run_retry, part_of(e, 1, NULL));
    run_retry(part_of(e, 0, NULL));
    model_join_all();
    if (e->runs == 2) {
        MODEL_EQ(e->code[0], 0);
        MODEL_EQ(e->seen[0], 8);
        model_cover("ran");
    } else if (e->runner == 1) {
        MODEL_EQ(e->code[0], ECANCELED);
        MODEL_CHECK(!cconc_once_is_done(&e->once));
        model_cover("waited");
    } else {
        MODEL_EQ(e->seen[1], 7);
    }
    cconc_once_destroy(&e->once);
}

MODEL_SCENARIO(once_two_waiters_of_a_run_that_ends_its_thread, .covers = "O1", .goals = "ended")
{
    env *e = env_new();
    e->exits = true;
    model_spawn(run, part_of(e, 1, NULL));
    model_spawn(run, part_of(e, 2, NULL));
    run(part_of(e, 0, NULL));
    model_join_all();
    MODEL_EQ(e->runs, 1);
    MODEL_EQ(e->code[0], e->runner == 0 ? 0 : ECANCELED);
    if (e->runner != 0) {
        model_cover("ended");
    }
}

/* ---- re-entry ------------------------------------------------------------------------------- */

static int runs_itself(cconc_ctx *ctx, void *arg)
{
    env *e = arg;
    e->runs++;
    e->code[3] = cconc_once_run(&e->once, ctx, runs_itself, e);
    return 0;
}

static void enters(void *arg)
{
    env *e = ((part *)arg)->e;
    e->code[((part *)arg)->number] = cconc_once_run(&e->once, NULL, runs_itself, e);
}

MODEL_SCENARIO(once_function_cannot_wait_for_itself, .exhaustive = true)
{
    env *e = env_new();
    model_spawn(enters, part_of(e, 1, NULL));
    enters(part_of(e, 0, NULL));
    model_join_all();
    MODEL_EQ(e->runs, 1);
    MODEL_EQ(e->code[3], EDEADLK);
    MODEL_EQ(e->code[0], 0);
    MODEL_EQ(e->code[1], 0);
}

static int inner(cconc_ctx *ctx, void *arg)
{
    env *e = arg;
    e->code[3] = cconc_once_run(&e->once, ctx, inner, e);
    return 0;
}

static int outer(cconc_ctx *ctx, void *arg)
{
    env *e = arg;
    e->runs++;
    return cconc_once_run(&e->other, ctx, inner, e);
}

static void enters_outer(void *arg)
{
    env *e = ((part *)arg)->e;
    e->code[((part *)arg)->number] = cconc_once_run(&e->once, NULL, outer, e);
}

MODEL_SCENARIO(once_function_cannot_wait_for_itself_through_another, .exhaustive = true)
{
    env *e = env_new();
    cconc_once_init(&e->other);
    model_spawn(enters_outer, part_of(e, 1, NULL));
    enters_outer(part_of(e, 0, NULL));
    model_join_all();
    MODEL_EQ(e->runs, 1);
    MODEL_EQ(e->code[3], EDEADLK);
    MODEL_EQ(e->code[0], 0);
    MODEL_EQ(e->code[1], 0);
    MODEL_CHECK(cconc_once_is_done(&e->other));
}
