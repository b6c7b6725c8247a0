/* flight_leave.c - interleavings of flights on the executor: callers that leave, keys that are
 * forgotten, time limits.
 * SPDX-License-Identifier: MIT
 *
 * Risk     The end of one caller's context that others feel; a function that runs on with nobody
 *          waiting, or is cancelled with somebody waiting; a new flight that the old one's end
 *          takes away; a call that is answered twice, or by nobody.
 * Method   Scenarios of the deterministic tester, two or three threads each beside the library's.
 * Catches  F1 F2 F3: landings, leaves and time limits that meet; H20: grants that leave with a
 *          caller; C15: a run that is told of an end that came after it.
 */
#include "flight_help.h"

/* ---- contexts that end ---------------------------------------------------------------------- */

MODEL_SCENARIO(flight_caller_that_leaves_disturbs_nobody, .bound = 2, .covers = "F3 H20",
               .faults = MODEL_LATE_TIME, .goals = "refused left served stayer_has_its_value")
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    p[1].ctx = e->ctx;
    model_spawn(part_do, &p[1]);
    part_board(&p[0]);
    MODEL_EQ(p[0].code, 0);
    cconc_ctx_cancel(e->ctx);
    part_wait(&p[0], NULL);
    cconc_flight_leave(p[0].call);
    model_join_all();
    MODEL_EQ(p[0].code, 0);
    if (item_of(&p[0]) == &p[1].made) {
        model_cover("stayer_has_its_value");
    }
    model_cover(p[1].code == 0             ? "served"
                : p[1].code == EINPROGRESS ? "left"
                                           : "refused");
    MODEL_CHECK(p[1].code == 0 || p[1].code == EINPROGRESS || p[1].code == ECANCELED);
    /* Not one that was still a caller when the flight landed, but told that it has left. */
    MODEL_EQ(cconc_flight_result_sharers(p[0].result), p[1].result == p[0].result ? 2 : 1);
    part_unref(&p[0]);
    part_unref(&p[1]);
    cconc_ctx_free(e->ctx);
    check_and_free(e);
    MODEL_EQ(model_get(&p[0].dropped), 1);
    MODEL_EQ(model_get(&p[1].dropped), 1);
}

/* A function that runs until its context ends. */
static int load_until_end(cconc_ctx *ctx, void *arg, void **out_value)
{
    (void)part_load(ctx, arg, out_value);
    MODEL_EQ(cconc_ctx_wait(ctx, NULL), 0);
    MODEL_EQ(cconc_ctx_err(ctx), ECANCELED);
    return ECANCELED;
}

static void do_until_end(void *arg)
{
    part *p = arg;
    p->code = cconc_flight_do(p->e->set, p->ctx, p->key, 1, load_until_end, p, part_drop,
                              &p->result);
}

MODEL_SCENARIO(flight_last_caller_to_leave_ends_the_function, .bound = 2, .covers = "F3",
               .faults = MODEL_LATE_TIME, .goals = "refused left")
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    p[1].ctx = e->ctx;
    model_spawn(do_until_end, &p[1]);
    cconc_ctx_cancel(e->ctx);
    model_join_all();
    MODEL_CHECK(p[1].code == EINPROGRESS || p[1].code == ECANCELED);
    model_cover(p[1].code == EINPROGRESS ? "left" : "refused");
    part_do(&p[0]); /* a fresh flight, whatever the old one is at */
    MODEL_EQ(p[0].code, 0);
    MODEL_CHECK(item_of(&p[0]) == &p[0].made);
    part_unref(&p[0]);
    cconc_ctx_free(e->ctx);
    check_and_free(e);
    MODEL_EQ(model_get(&p[1].dropped), 1);
}

/* The record of a flight that everybody has left serves the next one, but not its context. */
static int load_checking(cconc_ctx *ctx, void *arg, void **out_value)
{
    MODEL_EQ(cconc_ctx_err(ctx), 0);
    return part_load(ctx, arg, out_value);
}

MODEL_SCENARIO(flight_context_that_has_ended_is_not_used_again, .bound = 1, .covers = "F3",
               .faults = MODEL_LATE_TIME)
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    part_board(&p[0]);
    cconc_flight_leave(p[0].call);
    MODEL_EQ(cconc_shutdown(NULL), 0);
    MODEL_EQ(cconc_flight_do_async(e->set, NULL, "a", 1, load_checking, &p[1], part_drop,
                                   &p[1].call), 0);
    part_wait(&p[1], NULL);
    MODEL_EQ(p[1].code, 0);
    cconc_flight_leave(p[1].call);
    part_unref(&p[1]);
    check_and_free(e);
}

/* Two callers leave at a time: the second one to do so ends the function, once. */
static void leaves(void *arg)
{
    cconc_flight_leave(((part *)arg)->call);
}

static int load_until_end_async(cconc_ctx *ctx, void *arg, void **out_value)
{
    part *p = arg;
    (void)part_load(ctx, arg, out_value);
    MODEL_EQ(cconc_ctx_wait(ctx, NULL), 0);
    (void)model_add(&p->e->ended, 1);
    return 0;
}

MODEL_SCENARIO(flight_two_handles_leave, .bound = 2, .covers = "F3", .faults = MODEL_LATE_TIME)
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    for (int i = 0; i < 2; i++) {
        MODEL_EQ(cconc_flight_do_async(e->set, NULL, "a", 1, load_until_end_async, &p[i],
                                       part_drop, &p[i].call), 0);
    }
    model_spawn(leaves, &p[1]);
    leaves(&p[0]);
    model_join_all();
    MODEL_CHECK(cconc_flight_forget_unshared(e->set, "a", 1)); /* the key is free */
    check_and_free(e);
    MODEL_EQ(model_get(&e->ended), p[0].ran || p[1].ran);
}

/* The last caller leaves while the function ends: its value goes, once. */
MODEL_SCENARIO(flight_leave_meets_the_landing, .bound = 2, .covers = "C15 F3",
               .faults = MODEL_LATE_TIME, .goals = "ran did_not")
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    part_board(&p[0]);
    leaves(&p[0]);
    check_and_free(e);
    MODEL_EQ(model_get(&p[0].dropped), 1);
    model_cover(p[0].ran ? "ran" : "did_not");
}

/* ---- functions that end the executor's thread ------------------------------------------------ */

MODEL_SCENARIO(flight_function_that_ends_a_thread_of_the_executor, .bound = 2, .covers = "F1",
               .faults = MODEL_LATE_TIME, .goals = "told flew_anew")
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    p[0].exits = true;
    part_board(&p[0]);
    part_board(&p[1]);
    part_wait(&p[0], NULL);
    part_wait(&p[1], NULL);
    MODEL_EQ(p[0].code, ECANCELED);
    MODEL_EQ(p[1].code, p[1].ran ? 0 : ECANCELED);
    model_cover(p[1].ran ? "flew_anew" : "told");
    cconc_flight_leave(p[0].call);
    cconc_flight_leave(p[1].call);
    part_unref(&p[1]);
    check_and_free(e);
    MODEL_EQ(model_get(&p[0].dropped), 1);
}

static void drop_ending(void *arg)
{
    part_drop(arg);
    model_exit_thread();
}

MODEL_SCENARIO(flight_drop_that_ends_a_thread_of_the_executor, .bound = 2, .covers = "F1",
               .faults = MODEL_LATE_TIME)
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    MODEL_EQ(cconc_flight_do_async(e->set, NULL, "a", 1, part_load, &p[0], drop_ending,
                                   &p[0].call), 0);
    part_wait(&p[0], NULL);
    MODEL_EQ(p[0].code, 0);
    MODEL_EQ(model_get(&p[0].dropped), 1);
    cconc_flight_leave(p[0].call);
    part_unref(&p[0]);
    check_and_free(e);
}

/* ---- forget --------------------------------------------------------------------------------- */

static void forgets(void *arg)
{
    part *p = arg;
    cconc_flight_forget(p->e->set, p->key, 1);
    part_do(p);
}

/* Who boards after a forget is in no flight from before it, and the end of that one does not take
 * the new entry away. */
MODEL_SCENARIO(flight_forgotten_one_leaves_the_new_one_alone, .exhaustive = true,
               .goals = "shared forgotten")
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    model_spawn(forgets, &p[1]);
    part_do(&p[0]);
    model_join_all();
    model_cover(p[0].result == p[1].result ? "shared" : "forgotten");
    part_unref(&p[0]);
    part_unref(&p[1]);
    MODEL_CHECK(cconc_flight_forget_unshared(e->set, "a", 1));
    check_and_free(e);
}

/* As soon as somebody has the result nobody can join: what may fly is the other's own flight. */
MODEL_SCENARIO(flight_result_and_key_go_in_one_step, .exhaustive = true)
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    cconc_flight_counts counts;
    model_spawn(part_do, &p[1]);
    part_do(&p[0]);
    MODEL_CHECK(cconc_flight_forget_unshared(e->set, "a", 1));
    model_join_all();
    cconc_flight_read(e->set, &counts);
    MODEL_EQ(counts.flying, 0);
    MODEL_EQ(counts.callers, 0);
    MODEL_EQ(counts.started, model_get(&e->runs));
    part_unref(&p[0]);
    part_unref(&p[1]);
    check_and_free(e);
}

/* Asked by the function itself: false if and only if somebody has joined; who joins later finds no
 * key. */
static int load_forgetting(cconc_ctx *ctx, void *arg, void **out_value)
{
    part *p = arg;
    bool forgotten = cconc_flight_forget_unshared(p->e->set, p->key, 1);
    model_cover(forgotten ? "unshared" : "shared");
    p->code = forgotten;
    return part_load(ctx, arg, out_value);
}

MODEL_SCENARIO(flight_forget_unshared_meets_a_joiner, .exhaustive = true,
               .goals = "unshared shared")
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    int forgotten;
    model_spawn(part_do, &p[1]);
    MODEL_EQ(cconc_flight_do(e->set, NULL, "a", 1, load_forgetting, &p[0], part_drop,
                             &p[0].result), 0);
    forgotten = p[0].ran ? p[0].code : -1;
    p[0].code = 0;
    model_join_all();
    if (forgotten >= 0) {
        MODEL_EQ(cconc_flight_result_is_shared(p[0].result), !forgotten);
        MODEL_EQ(p[1].ran, p[1].result != p[0].result);
    }
    part_unref(&p[0]);
    part_unref(&p[1]);
    check_and_free(e);
}
