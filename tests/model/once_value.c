/* once_value.c - interleavings of onces: values, reset, the end of the once, faults.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A value that is lost, comes from a run that failed, or is destroyed twice; memory of the
 *          once that is touched after the last call has returned.
 * Method   Scenarios of the deterministic tester, two to three threads each.
 * Catches  O2 O3 O4: values of failures that are kept; states that reset leaves behind; spurious
 *          wakes, failing compare-and-swaps, allocations and forks that break a wait.
 */
#include "model.h"

typedef struct env {
    cconc_once once;
    cconc_ctx *ctx;
    struct env *other;
    model_word left;
    uint32_t   runs;
    uint32_t   fails;     /* so many runs fail */
    uint32_t   destroyed;
    int        item[3];   /* what the runs make, in order */
    int        code[3];
    void      *value[3];
} env;

typedef struct part {
    env     *e;
    uint32_t number;
} part;

static env *env_new(void)
{
    env *e = model_zalloc(sizeof(*e));
    cconc_once_init(&e->once);
    return e;
}

static part *part_of(env *e, uint32_t number)
{
    part *p = model_zalloc(sizeof(*p));
    *p = (part){e, number};
    return p;
}

static int make(cconc_ctx *ctx, void *arg, void **out_value)
{
    env *e = arg;
    uint32_t run = e->runs++;
    (void)ctx;
    e->item[run] = 7 + (int)run;
    *out_value = &e->item[run];
    return run < e->fails ? EIO : 0;
}

static void gets_value(void *arg)
{
    part *p = arg;
    env *e = p->e;
    e->code[p->number] = cconc_once_value(&e->once, NULL, make, e, &e->value[p->number]);
}

static void gets_value_retrying(void *arg)
{
    part *p = arg;
    env *e = p->e;
    e->code[p->number] = cconc_once_value_retry(&e->once, NULL, make, e, &e->value[p->number]);
}

/* ---- values --------------------------------------------------------------------------------- */

MODEL_SCENARIO(once_value_is_the_same_for_all, .exhaustive = true)
{
    env *e = env_new();
    model_spawn(gets_value, part_of(e, 1));
    gets_value(part_of(e, 0));
    MODEL_EQ(*(int *)e->value[0], 7);
    model_join_all();
    MODEL_CHECK(e->value[0] == &e->item[0]);
    MODEL_CHECK(e->value[1] == &e->item[0]);
    MODEL_EQ(e->runs, 1);
}

MODEL_SCENARIO(once_value_of_a_failure_is_nobodys, .exhaustive = true, .covers = "O2")
{
    env *e = env_new();
    e->fails = 1;
    model_spawn(gets_value, part_of(e, 1));
    gets_value(part_of(e, 0));
    model_join_all();
    MODEL_EQ(e->code[0], EIO);
    MODEL_EQ(e->code[1], EIO);
    MODEL_CHECK(!e->value[0] && !e->value[1]);
    MODEL_CHECK(!e->once.value);
}

MODEL_SCENARIO(once_value_after_a_failure_is_the_new_one, .exhaustive = true, .covers = "O2",
               .goals = "shared anew")
{
    env *e = env_new();
    e->fails = 1;
    model_spawn(gets_value_retrying, part_of(e, 1));
    gets_value_retrying(part_of(e, 0));
    model_join_all();
    for (int i = 0; i < 2; i++) {
        MODEL_CHECK(e->code[i] == 0 ? e->value[i] == &e->item[1] : !e->value[i]);
    }
    MODEL_EQ(e->code[0] + e->code[1], e->runs == 2 ? EIO : 2 * EIO);
    model_cover(e->runs == 2 ? "anew" : "shared");
}

/* Two onces at a time, whose waiters may lie in one list. */
static void gets_second(void *arg)
{
    env *second = ((part *)arg)->e->other;
    part p = {second, ((part *)arg)->number};
    gets_value(arg);
    gets_value(&p);
}

MODEL_SCENARIO(once_two_at_a_time, .exhaustive = true, .covers = "O3")
{
    env *e = env_new();
    part p = {NULL, 0};
    e->other = env_new();
    p.e = e->other;
    model_spawn(gets_second, part_of(e, 1));
    gets_value(&p);
    gets_value(part_of(e, 0));
    model_join_all();
    for (int i = 0; i < 2; i++) {
        MODEL_CHECK(e->value[i] == &e->item[0]);
        MODEL_CHECK(e->other->value[i] == &e->other->item[0]);
    }
    MODEL_EQ(e->runs + e->other->runs, 2);
}

/* ---- reset and the end ---------------------------------------------------------------------- */

static env *destroys_for;

static void destroys(void *value)
{
    MODEL_CHECK(value == &destroys_for->item[0]);
    destroys_for->destroyed++;
}

MODEL_SCENARIO(once_reset_lets_the_next_call_run, .exhaustive = true, .covers = "O4 X6")
{
    env *e = env_new();
    destroys_for = e;
    gets_value(part_of(e, 0));
    cconc_once_reset(&e->once, destroys);
    MODEL_EQ(e->destroyed, 1);
    MODEL_CHECK(!cconc_once_is_done(&e->once));
    model_spawn(gets_value, part_of(e, 1));
    gets_value(part_of(e, 0));
    model_join_all();
    MODEL_EQ(e->runs, 2);
    MODEL_CHECK(e->value[0] == &e->item[1]);
    MODEL_CHECK(e->value[1] == &e->item[1]);
    cconc_once_reset(&e->once, NULL);
    MODEL_EQ(e->destroyed, 1);
    cconc_once_destroy(&e->once);
}

static int resets(cconc_ctx *ctx, void *arg)
{
    env *e = arg;
    (void)ctx;
    model_expect(MODEL_MISUSE);
    cconc_once_reset(&e->once, NULL);
    return 0;
}

static void runs_resetting(void *arg)
{
    env *e = arg;
    (void)cconc_once_run(&e->once, NULL, resets, e);
}

MODEL_SCENARIO(once_reset_during_a_run_aborts, .exhaustive = true)
{
    env *e = env_new();
    model_spawn(runs_resetting, e);
    runs_resetting(e);
}

static int destroys_once(cconc_ctx *ctx, void *arg)
{
    env *e = arg;
    (void)ctx;
    model_expect(MODEL_MISUSE);
    cconc_once_destroy(&e->once);
    return 0;
}

static void runs_destroying(void *arg)
{
    env *e = arg;
    (void)cconc_once_run_retry(&e->once, NULL, destroys_once, e);
}

MODEL_SCENARIO(once_destroy_during_a_run_aborts, .exhaustive = true)
{
    env *e = env_new();
    model_spawn(runs_destroying, e);
    runs_destroying(e);
}

/* Whoever returns last ends the use of the once, and its memory: nobody looks at it any more. */
static void runs_and_leaves(void *arg)
{
    env *e = ((part *)arg)->e;
    gets_value(arg);
    if (model_add(&e->left, 1) == 2) {
        cconc_once_destroy(&e->once);
        model_free(e);
    }
}

MODEL_SCENARIO(once_memory_goes_with_the_last_return, .covers = "S5")
{
    env *e = env_new();
    model_spawn(runs_and_leaves, part_of(e, 1));
    model_spawn(runs_and_leaves, part_of(e, 2));
    runs_and_leaves(part_of(e, 0));
}

/* ---- faults --------------------------------------------------------------------------------- */

MODEL_SCENARIO(once_without_memory_nothing_is_run, .exhaustive = true, .faults = MODEL_NO_MEMORY,
               .goals = "failed ran")
{
    env *e = env_new();
    int err = cconc_ctx_with_cancel(NULL, &e->ctx);
    if (!err) {
        err = cconc_once_value(&e->once, e->ctx, make, e, &e->value[0]);
    }
    if (err) {
        MODEL_EQ(err, ENOMEM);
        MODEL_CHECK(model_had_fault(MODEL_NO_MEMORY));
        MODEL_EQ(e->runs, 0);
        MODEL_EQ(cconc_once_value(&e->once, NULL, make, e, &e->value[0]), 0);
        model_cover("failed");
    } else {
        model_cover("ran");
    }
    MODEL_CHECK(e->value[0] == &e->item[0]);
    cconc_ctx_free(e->ctx);
}

MODEL_SCENARIO(once_wakes_that_mean_nothing, .bound = 2, .low = true, .faults = MODEL_SPURIOUS,
               .covers = "S6")
{
    env *e = env_new();
    model_spawn(gets_value, part_of(e, 1));
    gets_value(part_of(e, 0));
    MODEL_CHECK(e->value[0] == &e->item[0]);
    model_join_all();
    MODEL_CHECK(e->value[1] == &e->item[0]);
    MODEL_EQ(e->runs, 1);
}

MODEL_SCENARIO(once_swaps_that_fail_for_nothing, .faults = MODEL_CAS)
{
    env *e = env_new();
    model_spawn(gets_value, part_of(e, 1));
    model_spawn(gets_value, part_of(e, 2));
    gets_value(part_of(e, 0));
    model_join_all();
    for (int i = 0; i < 3; i++) {
        MODEL_CHECK(e->value[i] == &e->item[0]);
    }
}

MODEL_SCENARIO(once_waiters_that_spin, .cpus = MODEL_ANY_CPUS)
{
    env *e = env_new();
    e->fails = 1;
    model_spawn(gets_value_retrying, part_of(e, 1));
    gets_value_retrying(part_of(e, 0));
    model_join_all();
    MODEL_EQ(e->code[0] + e->code[1], e->runs == 2 ? EIO : 2 * EIO);
}

/* In a forked child what is finished stays so, and what its runner's death keeps running for ever
 * is not waited for. */
static int forks(cconc_ctx *ctx, void *arg)
{
    env *e = arg;
    (void)ctx;
    (void)model_add(&e->left, 1);
    return 0;
}

static void runs_to_be_forked(void *arg)
{
    env *e = arg;
    (void)cconc_once_run(&e->once, NULL, forks, e);
}

MODEL_SCENARIO(once_in_a_forked_child_never_hangs, .goals = "new running done")
{
    env *e = env_new();
    bool was_run;
    int err;
    model_spawn(runs_to_be_forked, e);
    was_run = model_get(&e->left) > 0;
    model_fork();
    if (cconc_once_is_done(&e->once)) {
        MODEL_EQ(cconc_once_run(&e->once, NULL, forks, e), 0);
        model_cover("done");
        return;
    }
    err = cconc_once_run(&e->once, NULL, forks, e);
    MODEL_CHECK(err == 0 || err == ENOTRECOVERABLE);
    MODEL_CHECK(err == ENOTRECOVERABLE || !was_run || cconc_once_is_done(&e->once));
    model_cover(err == 0 ? "new" : "running");
}
