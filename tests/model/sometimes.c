/* sometimes.c - interleavings of what is done only now and then.
 * SPDX-License-Identifier: MIT
 *
 * Risk     Two functions that overlap; a call that counts though it gave up, or does not though it
 *          ran; a permit that a thread's end or a cancelled wait takes with it.
 * Method   Scenarios of the deterministic tester, two to four threads each; histories.
 * Catches  O1: permits that are not given back; H20 S1: grants that leave with a waiter; filters
 *          asked before the permit is there, times taken before the run; S2.
 */
#include "model.h"

typedef struct env {
    cconc_sometimes *some;
    cconc_ctx *ctx;
    model_word left;
    model_word started;
    uint32_t   runs;      /* ordered by the permit, as the three below */
    uint32_t   inside;
    uint32_t   order[4];  /* who ran, in order */
    int64_t    ended_ns;  /* the end of the last run */
    int64_t    passes_ns; /* time that each run takes */
    bool       exits;     /* runs of thread 1 end it */
    int        code[4];
    bool       ran[4];
} env;

typedef struct part {
    env     *e;
    uint32_t number;
    cconc_ctx *ctx;
} part;

static env *env_new(const cconc_sometimes_opts *opts)
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_sometimes_new(opts, &e->some), 0);
    return e;
}

static part *part_of(env *e, uint32_t number, cconc_ctx *ctx)
{
    part *p = model_zalloc(sizeof(*p));
    *p = (part){e, number, ctx};
    return p;
}

static void deed(void *arg)
{
    part *p = arg;
    env *e = p->e;
    MODEL_EQ(e->inside, 0);
    e->inside = 1;
    e->order[e->runs++] = p->number;
    if (e->passes_ns > 0) {
        model_pass(e->passes_ns);
    } else {
        (void)model_get(&e->started); /* where others may come in between */
    }
    e->ended_ns = model_now();
    e->inside = 0;
    if (e->exits && p->number == 1) {
        model_exit_thread();
    }
}

static void calls(void *arg)
{
    part *p = arg;
    env *e = p->e;
    e->code[p->number] =
        cconc_sometimes_do(e->some, p->ctx, deed, p, &e->ran[p->number]);
}

static void cancel(void *arg)
{
    env *e = arg;
    cconc_ctx_cancel(e->ctx);
}

/* ---- filters -------------------------------------------------------------------------------- */

MODEL_SCENARIO(sometimes_first_call_alone_runs, .exhaustive = true, .goals = "main other")
{
    env *e = env_new(NULL);
    model_spawn(calls, part_of(e, 1, NULL));
    calls(part_of(e, 0, NULL));
    MODEL_EQ(e->runs, 1); /* whose ever it was, it has ended */
    MODEL_EQ(e->inside, 0);
    model_join_all();
    MODEL_CHECK(e->ran[0] != e->ran[1]);
    MODEL_EQ(e->order[0], e->ran[0] ? 0 : 1);
    model_cover(e->ran[0] ? "main" : "other");
    cconc_sometimes_free(e->some);
}

MODEL_SCENARIO(sometimes_every_second_call_runs, .goals = "a b c")
{
    static const cconc_sometimes_opts opts = {.every = 2};
    env *e = env_new(&opts);
    model_spawn(calls, part_of(e, 1, NULL));
    model_spawn(calls, part_of(e, 2, NULL));
    calls(part_of(e, 0, NULL));
    model_join_all();
    MODEL_EQ(e->runs, 2);
    MODEL_EQ(e->ran[0] + e->ran[1] + e->ran[2], 2);
    model_cover(!e->ran[0] ? "a" : !e->ran[1] ? "b" : "c");
    cconc_sometimes_free(e->some);
}

MODEL_SCENARIO(sometimes_first_two_calls_run, .goals = "a b c")
{
    static const cconc_sometimes_opts opts = {.first = 2};
    env *e = env_new(&opts);
    model_spawn(calls, part_of(e, 1, NULL));
    model_spawn(calls, part_of(e, 2, NULL));
    calls(part_of(e, 0, NULL));
    model_join_all();
    MODEL_EQ(e->runs, 2);
    model_cover(!e->ran[0] ? "a" : !e->ran[1] ? "b" : "c");
    cconc_sometimes_free(e->some);
}

/* The interval counts from the end of a run to the next call let in: at 1500. One call comes
 * at 1100 and the other at 1700, or both at 1700. */
static void calls_later(void *arg)
{
    model_pass(600);
    calls(arg);
}

MODEL_SCENARIO(sometimes_interval_counts_from_the_end_of_a_run, .exhaustive = true,
               .goals = "main other")
{
    static const cconc_sometimes_opts opts = {.interval_ns = 1000};
    env *e = env_new(&opts);
    e->passes_ns = 500;
    calls(part_of(e, 0, NULL));
    MODEL_EQ(e->ended_ns, MODEL_START + 500);
    model_spawn(calls_later, part_of(e, 1, NULL));
    calls_later(part_of(e, 2, NULL));
    model_join_all();
    MODEL_EQ(e->runs, 2);
    MODEL_CHECK(e->ran[1] != e->ran[2]);
    MODEL_EQ(e->ended_ns, MODEL_START + 2200);
    model_cover(e->ran[1] ? "other" : "main");
    cconc_sometimes_free(e->some);
}

/* Runs are in order of arrival. */
static void spawns_two(void *arg)
{
    part *p = arg;
    env *e = p->e;
    model_spawn(calls, part_of(e, 1, NULL));
    model_until_parked(1);
    model_spawn(calls, part_of(e, 2, NULL));
    model_until_parked(2);
    e->order[e->runs++] = 0;
}

MODEL_SCENARIO(sometimes_callers_run_in_order_of_arrival, .covers = "S7")
{
    static const cconc_sometimes_opts opts = {.every = 1};
    env *e = env_new(&opts);
    MODEL_EQ(cconc_sometimes_do(e->some, NULL, spawns_two, part_of(e, 0, NULL), &e->ran[0]), 0);
    model_join_all();
    MODEL_EQ(e->runs, 3);
    for (uint32_t i = 0; i < 3; i++) {
        MODEL_EQ(e->order[i], i);
    }
    cconc_sometimes_free(e->some);
}

/* ---- contexts ------------------------------------------------------------------------------- */

/* With every second call running, whether one more runs tells how many were counted. */
MODEL_SCENARIO(sometimes_call_that_gives_up_does_not_count, .covers = "H20 S1",
               .goals = "gave_up counted")
{
    static const cconc_sometimes_opts opts = {.every = 2};
    env *e = env_new(&opts);
    int counted;
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(calls, part_of(e, 1, NULL));
    model_spawn(cancel, e);
    calls(part_of(e, 0, e->ctx));
    model_join_all();
    MODEL_EQ(e->code[1], 0);
    MODEL_CHECK(e->code[0] == 0 || e->code[0] == ECANCELED);
    MODEL_CHECK(e->code[0] == 0 || !e->ran[0]);
    counted = (e->code[0] == 0) + (e->code[1] == 0);
    calls(part_of(e, 2, NULL));
    MODEL_EQ(e->ran[2], counted % 2 == 0);
    model_cover(counted == 2 ? "counted" : "gave_up");
    cconc_ctx_free(e->ctx);
    cconc_sometimes_free(e->some);
}

MODEL_SCENARIO(sometimes_waiter_that_gives_up_passes_the_permit_on, .covers = "H20 S1 S8",
               .goals = "gave_up ran")
{
    static const cconc_sometimes_opts opts = {.every = 1};
    env *e = env_new(&opts);
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(calls, part_of(e, 1, e->ctx));
    model_spawn(calls, part_of(e, 2, NULL));
    cancel(e);
    calls(part_of(e, 0, NULL));
    model_join_all();
    MODEL_CHECK(e->ran[0] && e->ran[2]);
    MODEL_EQ(e->ran[1], e->code[1] == 0);
    MODEL_EQ(e->runs, e->ran[1] ? 3 : 2);
    model_cover(e->ran[1] ? "ran" : "gave_up");
    cconc_ctx_free(e->ctx);
    cconc_sometimes_free(e->some);
}

static void long_deed(void *arg)
{
    env *e = arg;
    model_set(&e->started, 1);
    model_await(&e->left, 1);
}

static void calls_long(void *arg)
{
    env *e = arg;
    e->code[1] = cconc_sometimes_do(e->some, NULL, long_deed, e, NULL);
}

MODEL_SCENARIO(sometimes_wait_ends_at_the_deadline, .bound = 2, .covers = "H20 S12")
{
    env *e = env_new(NULL);
    cconc_ctx_mem mem;
    cconc_ctx *until = cconc_ctx_until(&mem, NULL, MODEL_START + 1000);
    model_spawn(calls_long, e);
    model_await(&e->started, 1);
    calls(part_of(e, 0, until));
    MODEL_EQ(e->code[0], ETIMEDOUT);
    MODEL_CHECK(model_now() >= MODEL_START + 1000);
    model_set(&e->left, 1);
    calls(part_of(e, 2, NULL)); /* waits once more, and is served */
    MODEL_EQ(e->code[2], 0);
    MODEL_CHECK(!e->ran[2]);
    model_join_all();
    cconc_sometimes_free(e->some);
}

MODEL_SCENARIO(sometimes_with_an_ended_context_does_nothing, .exhaustive = true, .covers = "S2")
{
    env *e = env_new(NULL);
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    cancel(e);
    model_spawn(calls, part_of(e, 1, NULL));
    calls(part_of(e, 0, e->ctx));
    model_join_all();
    MODEL_EQ(e->code[0], ECANCELED);
    MODEL_CHECK(!e->ran[0] && e->ran[1]);
    cconc_ctx_free(e->ctx);
    cconc_sometimes_free(e->some);
}

/* ---- functions that end their thread, re-entry ---------------------------------------------- */

MODEL_SCENARIO(sometimes_function_that_ends_its_thread_has_run, .exhaustive = true, .covers = "O1",
               .goals = "before after")
{
    static const cconc_sometimes_opts opts = {.every = 1};
    env *e = env_new(&opts);
    e->exits = true;
    e->code[1] = -1;
    model_spawn(calls, part_of(e, 1, NULL));
    calls(part_of(e, 0, NULL));
    model_join_all();
    MODEL_EQ(e->runs, 2);
    MODEL_EQ(e->code[0], 0);
    MODEL_EQ(e->code[1], -1);
    model_cover(e->order[0] == 1 ? "before" : "after");
    cconc_sometimes_free(e->some);
}

/* The interval begins at a run's end, however that came. */
MODEL_SCENARIO(sometimes_interval_counts_from_the_end_of_a_thread, .exhaustive = true)
{
    static const cconc_sometimes_opts opts = {.interval_ns = 1000};
    env *e = env_new(&opts);
    e->exits = true;
    e->passes_ns = 500;
    model_spawn(calls, part_of(e, 1, NULL));
    model_join_all();
    model_pass(999);
    calls(part_of(e, 0, NULL));
    MODEL_CHECK(!e->ran[0]);
    model_pass(1);
    calls(part_of(e, 0, NULL));
    MODEL_CHECK(e->ran[0]);
    cconc_sometimes_free(e->some);
}

static void enters_itself(void *arg)
{
    env *e = arg;
    e->runs++;
    e->code[3] = cconc_sometimes_do(e->some, NULL, enters_itself, e, &e->ran[3]);
}

static void enters(void *arg)
{
    env *e = ((part *)arg)->e;
    e->code[((part *)arg)->number] = cconc_sometimes_do(e->some, NULL, enters_itself, e, NULL);
}

MODEL_SCENARIO(sometimes_function_cannot_wait_for_itself, .exhaustive = true)
{
    static const cconc_sometimes_opts opts = {.every = 1};
    env *e = env_new(&opts);
    model_spawn(enters, part_of(e, 1, NULL));
    enters(part_of(e, 0, NULL));
    model_join_all();
    MODEL_EQ(e->runs, 2);
    MODEL_EQ(e->code[3], EDEADLK);
    MODEL_CHECK(!e->ran[3]);
    MODEL_EQ(e->code[0] + e->code[1], 0);
    cconc_sometimes_free(e->some);
}

/* ---- the end -------------------------------------------------------------------------------- */

static void frees_in_function(void *arg)
{
    env *e = arg;
    model_expect(MODEL_MISUSE);
    cconc_sometimes_free(e->some);
}

static void calls_freeing(void *arg)
{
    env *e = arg;
    (void)cconc_sometimes_do(e->some, NULL, frees_in_function, e, NULL);
}

MODEL_SCENARIO(sometimes_free_during_a_run_aborts, .exhaustive = true)
{
    static const cconc_sometimes_opts opts = {.every = 1};
    env *e = env_new(&opts);
    model_spawn(calls_freeing, e);
    calls_freeing(e);
}

static void calls_and_leaves(void *arg)
{
    env *e = ((part *)arg)->e;
    calls(arg);
    if (model_add(&e->left, 1) == 1) {
        cconc_sometimes_free(e->some);
        model_free(e);
    }
}

MODEL_SCENARIO(sometimes_goes_with_the_last_return, .exhaustive = true, .covers = "S5")
{
    static const cconc_sometimes_opts opts = {.every = 1};
    env *e = env_new(&opts);
    model_spawn(calls_and_leaves, part_of(e, 1, NULL));
    calls_and_leaves(part_of(e, 0, NULL));
}

/* ---- faults --------------------------------------------------------------------------------- */

MODEL_SCENARIO(sometimes_new_without_memory, .exhaustive = true, .faults = MODEL_NO_MEMORY,
               .goals = "made failed")
{
    env *e = model_zalloc(sizeof(*e));
    int err = cconc_sometimes_new(NULL, &e->some);
    if (err) {
        MODEL_EQ(err, ENOMEM);
        MODEL_CHECK(model_had_fault(MODEL_NO_MEMORY) && !e->some);
        model_cover("failed");
        MODEL_EQ(cconc_sometimes_new(NULL, &e->some), 0);
    } else {
        model_cover("made");
    }
    calls(part_of(e, 0, NULL));
    MODEL_CHECK(e->ran[0]);
    cconc_sometimes_free(e->some);
}

MODEL_SCENARIO(sometimes_wakes_that_mean_nothing, .bound = 2, .low = true, .faults = MODEL_SPURIOUS,
               .covers = "S6")
{
    static const cconc_sometimes_opts opts = {.every = 1};
    env *e = env_new(&opts);
    model_spawn(calls, part_of(e, 1, NULL));
    calls(part_of(e, 0, NULL));
    model_join_all();
    MODEL_EQ(e->runs, 2);
    cconc_sometimes_free(e->some);
}

/* In a forked child a call that another thread's death keeps running is not waited for. */
MODEL_SCENARIO(sometimes_in_a_forked_child_never_hangs, .goals = "ran lost")
{
    static const cconc_sometimes_opts opts = {.every = 1};
    env *e = env_new(&opts);
    model_spawn(calls, part_of(e, 1, NULL));
    (void)model_get(&e->started);
    model_fork();
    e->inside = 0;
    calls(part_of(e, 0, NULL));
    MODEL_CHECK(e->code[0] == 0 || e->code[0] == ENOTRECOVERABLE);
    MODEL_EQ(e->ran[0], e->code[0] == 0);
    model_cover(e->ran[0] ? "ran" : "lost");
}

/* ---- histories ------------------------------------------------------------------------------ */

/* The sequential object: how many calls there were. arg is the first so many that run. */
static void spec_init(void *state)
{
    *(int64_t *)state = 0;
}

static bool spec_apply(void *state, int op, int64_t arg, int code, int64_t value)
{
    int64_t *count = state;
    int64_t before = *count;
    (void)op;
    if (code != 0) {
        return code == ECANCELED && value == 0;
    }
    *count = before + 1;
    return value == (before < arg || before % 3 == 0);
}

static const model_spec spec = {sizeof(int64_t), spec_init, spec_apply};

static void deed_of_history(void *arg)
{
    (void)arg;
}

static void calls_twice(void *arg)
{
    part *p = arg;
    for (int i = 0; i < 2; i++) {
        bool ran = false;
        uint32_t id = model_begin(0, 2);
        int err = cconc_sometimes_do(p->e->some, p->ctx, deed_of_history, NULL, &ran);
        model_end(id, err, ran);
    }
}

MODEL_SCENARIO(sometimes_calls_look_atomic, .covers = "H24")
{
    static const cconc_sometimes_opts opts = {.first = 2, .every = 3};
    env *e = env_new(&opts);
    model_spawn(calls_twice, part_of(e, 1, NULL));
    calls_twice(part_of(e, 0, NULL));
    model_join_all();
    model_check_history(&spec);
    cconc_sometimes_free(e->some);
}

MODEL_SCENARIO(sometimes_cancelled_calls_look_atomic, .bound = 2, .covers = "H24")
{
    static const cconc_sometimes_opts opts = {.first = 2, .every = 3};
    env *e = env_new(&opts);
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(calls_twice, part_of(e, 1, e->ctx));
    model_spawn(cancel, e);
    calls_twice(part_of(e, 0, NULL));
    model_join_all();
    model_check_history(&spec);
    cconc_ctx_free(e->ctx);
    cconc_sometimes_free(e->some);
}
