/* flight.c - interleavings of flights: who shares, who leaves, who is told what.
 * SPDX-License-Identifier: MIT
 *
 * Risk     Two runs at a time for one key; a caller who is told of another run, or of none; an end
 *          of one caller's context that others feel; results and arguments that go twice.
 * Method   Scenarios of the deterministic tester, two to four threads each.
 * Catches  F3: contexts whose end reaches other callers; landings that leave the key, or a waiter;
 *          C13 C15: references that are one too few; H20: grants that leave with a caller.
 */
#include "flight_help.h"

/* ---- sharing -------------------------------------------------------------------------------- */

MODEL_SCENARIO(flight_two_callers_share_or_follow, .exhaustive = true, .goals = "shared followed")
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    model_spawn(part_do, &p[1]);
    part_do(&p[0]);
    MODEL_EQ(model_get(&p[0].dropped), 1);
    model_join_all();
    MODEL_EQ(p[0].code, 0);
    MODEL_EQ(p[1].code, 0);
    MODEL_EQ(model_get(&p[1].dropped), 1);
    if (p[0].result == p[1].result) {
        MODEL_EQ(model_get(&e->runs), 1);
        MODEL_CHECK(cconc_flight_result_is_shared(p[0].result));
        MODEL_EQ(cconc_flight_result_sharers(p[0].result), 2);
        model_cover("shared");
    } else {
        MODEL_EQ(model_get(&e->runs), 2);
        MODEL_CHECK(!cconc_flight_result_is_shared(p[0].result));
        MODEL_CHECK(!cconc_flight_result_is_shared(p[1].result));
        model_cover("followed");
    }
    part_unref(&p[0]);
    part_unref(&p[1]);
    MODEL_EQ(p[0].made.destroyed, p[0].ran);
    MODEL_EQ(p[1].made.destroyed, p[1].ran);
    cconc_flight_free(e->set);
}

MODEL_SCENARIO(flight_keys_do_not_mix, .exhaustive = true, .goals = "apart")
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    p[1].key = "b";
    model_spawn(part_do, &p[1]);
    part_do(&p[0]);
    model_join_all();
    MODEL_CHECK(p[0].ran && p[1].ran);
    MODEL_CHECK(item_of(&p[0]) == &p[0].made);
    MODEL_CHECK(item_of(&p[1]) == &p[1].made);
    model_cover("apart");
    part_unref(&p[0]);
    part_unref(&p[1]);
    cconc_flight_free(e->set);
}

MODEL_SCENARIO(flight_three_callers, .bound = 2, .goals = "one two three")
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    uint32_t runs;
    model_spawn(part_do, &p[1]);
    model_spawn(part_do, &p[2]);
    part_do(&p[0]);
    model_join_all();
    runs = model_get(&e->runs);
    model_cover(runs == 1 ? "one" : runs == 2 ? "two" : "three");
    for (int i = 0; i < 3; i++) {
        MODEL_EQ(p[i].code, 0);
        part_unref(&p[i]);
    }
    for (int i = 0; i < 3; i++) {
        MODEL_EQ(p[i].made.destroyed, p[i].ran);
    }
    cconc_flight_free(e->set);
}

MODEL_SCENARIO(flight_failure_is_everybodys_and_its_value_nobodys, .exhaustive = true,
               .goals = "shared followed")
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    p[0].fails = EIO;
    p[1].fails = EIO;
    model_spawn(part_do, &p[1]);
    part_do(&p[0]);
    model_join_all();
    MODEL_EQ(p[0].code, EIO);
    MODEL_EQ(p[1].code, EIO);
    for (int i = 0; i < 2; i++) {
        MODEL_EQ(p[i].made.destroyed, p[i].ran);
        MODEL_EQ(model_get(&p[i].dropped), 1);
    }
    model_cover(model_get(&e->runs) == 1 ? "shared" : "followed");
    cconc_flight_free(e->set);
}

MODEL_SCENARIO(flight_takes_so_many_callers, .exhaustive = true, .goals = "refused followed")
{
    env *e = env_new((cconc_flight_opts){.join_max = 1});
    part *p = e->parts;
    model_spawn(part_do, &p[1]);
    part_do(&p[0]);
    model_join_all();
    for (int i = 0; i < 2; i++) {
        MODEL_CHECK(p[i].code == 0 || p[i].code == EAGAIN);
        MODEL_EQ(p[i].ran, p[i].code == 0);
        MODEL_EQ(model_get(&p[i].dropped), 1);
    }
    MODEL_CHECK(p[0].ran || p[1].ran);
    model_cover(p[0].ran && p[1].ran ? "followed" : "refused");
    part_unref(&p[0]);
    part_unref(&p[1]);
    cconc_flight_free(e->set);
}

/* The function has the values of its first caller, and a record that is used again those of the
 * next one. */
static const char value_key;

static int load_value(cconc_ctx *ctx, void *arg, void **out_value)
{
    part *p = arg;
    MODEL_CHECK(cconc_ctx_value(ctx, &value_key) == (p->ctx ? p : NULL));
    return part_load(ctx, arg, out_value);
}

static void do_with_value(void *arg)
{
    part *p = arg;
    p->code = cconc_flight_do(p->e->set, p->ctx, "a", 1, load_value, p, part_drop, &p->result);
    MODEL_EQ(p->code, 0);
    part_unref(p);
}

MODEL_SCENARIO(flight_function_has_its_first_callers_values, .exhaustive = true)
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    do_with_value(&p[2]);
    for (int i = 0; i < 2; i++) {
        MODEL_EQ(cconc_ctx_with_value(NULL, &value_key, &p[i], NULL, &p[i].ctx), 0);
    }
    model_spawn(do_with_value, &p[1]);
    do_with_value(&p[0]);
    model_join_all();
    do_with_value(&p[3]);
    cconc_ctx_free(p[0].ctx);
    cconc_ctx_free(p[1].ctx);
    cconc_flight_free(e->set);
}

/* ---- results -------------------------------------------------------------------------------- */

static void do_and_unref(void *arg)
{
    part_do(arg);
    part_unref(arg);
}

MODEL_SCENARIO(flight_result_goes_with_the_last_of_its_callers, .exhaustive = true,
               .covers = "C13 S5")
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    model_spawn(do_and_unref, &p[1]);
    do_and_unref(&p[0]);
    model_join_all();
    MODEL_EQ(p[0].made.destroyed, p[0].ran);
    MODEL_EQ(p[1].made.destroyed, p[1].ran);
    cconc_flight_free(e->set);
}

static void unrefs(void *arg)
{
    part_unref(arg);
}

MODEL_SCENARIO(flight_result_outlives_its_table, .exhaustive = true, .covers = "C13 S5")
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    part_do(&p[0]);
    p[1].result = cconc_flight_result_ref(p[0].result);
    model_spawn(unrefs, &p[1]);
    cconc_flight_free(e->set);
    part_unref(&p[0]);
    model_join_all();
    MODEL_EQ(p[0].made.destroyed, 1);
}

/* Whoever returns last frees the table: no call looks at it any more. */
static void do_and_free(void *arg)
{
    part *p = arg;
    do_and_unref(p);
    if (model_add(&p->e->ended, 1) == 1) {
        cconc_flight_free(p->e->set);
    }
}

MODEL_SCENARIO(flight_table_goes_with_the_last_return, .exhaustive = true, .covers = "S5")
{
    env *e = env_new((cconc_flight_opts){0});
    model_spawn(do_and_free, &e->parts[1]);
    do_and_free(&e->parts[0]);
}

static int frees_table(cconc_ctx *ctx, void *arg, void **out_value)
{
    part *p = arg;
    (void)ctx;
    (void)out_value;
    model_expect(MODEL_MISUSE);
    cconc_flight_free(p->e->set);
    return 0;
}

MODEL_SCENARIO(flight_free_with_a_flight_in_the_air_aborts, .exhaustive = true)
{
    env *e = env_new((cconc_flight_opts){0});
    (void)cconc_flight_do(e->set, NULL, "a", 1, frees_table, &e->parts[0], NULL, NULL);
}

/* ---- functions and drops that end their thread ----------------------------------------------- */

MODEL_SCENARIO(flight_function_that_ends_its_callers_thread, .exhaustive = true, .covers = "F1",
               .goals = "told followed joined")
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    p[1].exits = true;
    p[1].code = -1;
    model_spawn(part_do, &p[1]);
    part_do(&p[0]);
    model_join_all();
    MODEL_EQ(model_get(&p[0].dropped), 1);
    MODEL_EQ(model_get(&p[1].dropped), 1);
    if (!p[1].ran) {
        MODEL_EQ(p[1].code, 0);
        model_cover("joined");
    } else {
        MODEL_EQ(p[1].code, -1);
        MODEL_EQ(p[0].code, p[0].ran ? 0 : ECANCELED);
        model_cover(p[0].ran ? "followed" : "told");
    }
    part_unref(&p[0]);
    if (p[1].code == 0) {
        part_unref(&p[1]);
    }
    MODEL_EQ(p[0].made.destroyed, p[0].ran);
    MODEL_EQ(p[1].made.destroyed, p[1].ran);
    cconc_flight_free(e->set);
}

static void drop_ends_thread(void *arg)
{
    part_drop(arg);
    if (((part *)arg)->number == 1) {
        model_exit_thread();
    }
}

static void do_dropping(void *arg)
{
    part *p = arg;
    p->code = cconc_flight_do(p->e->set, NULL, p->key, 1, part_load, p, drop_ends_thread,
                              &p->result);
}

/* Be it that of the first caller or of one who joined: the others get their result, and what was
 * the thread's goes. */
MODEL_SCENARIO(flight_drop_that_ends_its_thread, .exhaustive = true, .covers = "F1",
               .goals = "first joined")
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    p[1].code = -1;
    model_spawn(do_dropping, &p[1]);
    do_dropping(&p[0]);
    model_join_all();
    MODEL_EQ(p[0].code, 0);
    MODEL_EQ(p[1].code, -1);
    MODEL_EQ(model_get(&p[0].dropped), 1);
    MODEL_EQ(model_get(&p[1].dropped), 1);
    model_cover(p[1].ran ? "first" : "joined");
    part_unref(&p[0]);
    MODEL_EQ(p[0].made.destroyed, p[0].ran);
    MODEL_EQ(p[1].made.destroyed, p[1].ran);
    cconc_flight_free(e->set);
}

/* ---- rings ---------------------------------------------------------------------------------- */

static int asks_itself(cconc_ctx *ctx, void *arg, void **out_value)
{
    part *p = arg;
    part *inner = &p->e->parts[2 + p->number];
    inner->ctx = ctx;
    part_do(inner);
    return part_load(ctx, arg, out_value);
}

static void do_asking_itself(void *arg)
{
    part *p = arg;
    p->code = cconc_flight_do(p->e->set, NULL, p->key, 1, asks_itself, p, part_drop, &p->result);
}

MODEL_SCENARIO(flight_function_cannot_wait_for_itself, .exhaustive = true)
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    model_spawn(do_asking_itself, &p[1]);
    do_asking_itself(&p[0]);
    model_join_all();
    for (int i = 0; i < 2; i++) {
        MODEL_EQ(p[i].code, 0);
        MODEL_CHECK(!p[2 + i].ran);
        MODEL_EQ(p[2 + i].code, p[i].ran ? EDEADLK : 0);
        MODEL_EQ(model_get(&p[2 + i].dropped), p[i].ran);
        part_unref(&p[i]);
    }
    cconc_flight_free(e->set);
}

/* Two functions that wait for each other's keys: one of them is refused, and passes that on. */
static int asks_other(cconc_ctx *ctx, void *arg, void **out_value)
{
    part *p = arg;
    part *inner = &p->e->parts[2 + p->number];
    inner->ctx = ctx;
    part_do(inner);
    if (inner->code) {
        return inner->code;
    }
    part_unref(inner);
    return part_load(ctx, arg, out_value);
}

static void do_asking_other(void *arg)
{
    part *p = arg;
    p->code = cconc_flight_do(p->e->set, NULL, p->key, 1, asks_other, p, part_drop, &p->result);
}

MODEL_SCENARIO(flight_ring_of_two_keys_is_refused, .exhaustive = true, .goals = "ring none")
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    p[1].key = "b";
    p[2].key = "b";
    p[3].key = "a";
    model_spawn(do_asking_other, &p[1]);
    do_asking_other(&p[0]);
    model_join_all();
    MODEL_CHECK(p[0].code == 0 || p[0].code == EDEADLK);
    MODEL_CHECK(p[1].code == 0 || p[1].code == EDEADLK);
    model_cover(p[0].code || p[1].code ? "ring" : "none");
    for (int i = 0; i < 2; i++) {
        part_unref(&p[i]);
        MODEL_EQ(model_get(&p[i].dropped), 1);
        MODEL_EQ(p[i].made.destroyed, p[i].made.payload > 0);
    }
    cconc_flight_free(e->set);
}

/* ---- faults --------------------------------------------------------------------------------- */

MODEL_SCENARIO(flight_without_memory_leaves_nothing, .exhaustive = true, .faults = MODEL_NO_MEMORY,
               .goals = "refused flew")
{
    env *e = model_zalloc(sizeof(*e));
    part *p = e->parts;
    if (cconc_flight_new(NULL, &e->set) != 0) {
        MODEL_CHECK(model_had_fault(MODEL_NO_MEMORY));
        MODEL_EQ(cconc_flight_new(NULL, &e->set), 0);
    }
    p[0] = (part){.e = e, .key = "a"};
    p[1] = (part){.e = e, .number = 1, .key = "a"};
    model_spawn(part_do, &p[1]);
    part_do(&p[0]);
    model_join_all();
    for (int i = 0; i < 2; i++) {
        MODEL_CHECK(p[i].code == 0 || (p[i].code == ENOMEM && model_had_fault(MODEL_NO_MEMORY)));
        MODEL_EQ(model_get(&p[i].dropped), 1);
        model_cover(p[i].code ? "refused" : "flew");
        part_unref(&p[i]);
    }
    MODEL_CHECK(cconc_flight_forget_unshared(e->set, "a", 1));
    cconc_flight_free(e->set);
}

MODEL_SCENARIO(flight_swaps_that_fail_for_nothing, .faults = MODEL_CAS)
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    model_spawn(do_and_unref, &p[1]);
    do_and_unref(&p[0]);
    do_and_unref(&p[2]);
    model_join_all();
    MODEL_EQ(p[0].made.destroyed, p[0].ran);
    MODEL_EQ(p[1].made.destroyed, p[1].ran);
    MODEL_EQ(p[2].made.destroyed, p[2].ran);
    cconc_flight_free(e->set);
}

MODEL_SCENARIO(flight_waiters_that_spin, .bound = 2, .cpus = MODEL_ANY_CPUS)
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    model_spawn(do_and_unref, &p[1]);
    do_and_unref(&p[0]);
    model_join_all();
    MODEL_EQ(p[0].made.destroyed, p[0].ran);
    MODEL_EQ(p[1].made.destroyed, p[1].ran);
    cconc_flight_free(e->set);
}

MODEL_SCENARIO(flight_wakes_that_mean_nothing, .low = true, .faults = MODEL_SPURIOUS,
               .covers = "S6")
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    model_spawn(part_do, &p[1]);
    part_do(&p[0]);
    model_join_all();
    part_unref(&p[0]);
    part_unref(&p[1]);
    MODEL_EQ(p[0].made.destroyed + p[1].made.destroyed, model_get(&e->runs));
    cconc_flight_free(e->set);
}
