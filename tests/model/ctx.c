/* ctx.c - interleavings of contexts: an end meets who waits for it, reads it, or is another end.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A wait that an end does not reach; an end that shows before all that belongs to it; two
 *          ends of one context; a wait that ends for nothing.
 * Method   Scenarios of the deterministic tester: who cancels meets who waits, reads, cancels.
 * Catches  C1 C2 C3 C6 C9 C15 S8; rules ctx-1 ctx-2 ctx-3 ctx-11 ctx-14 all-4 all-5 all-10.
 */
#include "ctx_env.h"

/* ---- cancel and wait ------------------------------------------------------------------------- */

static void waits_for_root(void *arg)
{
    env *e = arg;
    model_cover(cconc_ctx_err(e->root) ? "late" : "early");
    MODEL_EQ(cconc_ctx_wait(e->root, NULL), 0);
    check_end(e->root, ECANCELED, 77);
}

MODEL_SCENARIO(ctx_cancel_meets_wait, .exhaustive = true, .goals = "early late")
{
    env *e = env_new();
    model_spawn(waits_for_root, e);
    cconc_ctx_cancel_cause(e->root, 77, "stop");
    model_join_all();
    cconc_ctx_free(e->root);
}

static void waits_for_child(void *arg)
{
    env *e = arg;
    MODEL_EQ(cconc_ctx_wait(e->child, NULL), 0);
    check_end(e->child, ECANCELED, 77);
}

/* One end, two waits: neither is forgotten (C3). */
MODEL_SCENARIO(ctx_cancel_wakes_two_waits, .goals = "early late",
               .covers = "C3")
{
    env *e = env_new();
    model_spawn(waits_for_root, e);
    model_spawn(waits_for_root, e);
    cconc_ctx_cancel_cause(e->root, 77, NULL);
    model_join_all();
    cconc_ctx_free(e->root);
}

MODEL_SCENARIO(ctx_cancel_of_the_root_ends_a_wait_below, .exhaustive = true, .covers = "C6")
{
    env *e = env_new_with_child();
    model_spawn(waits_for_child, e);
    cconc_ctx_cancel_cause(e->root, 77, NULL);
    check_end(e->child, ECANCELED, 77);
    model_join_all();
    cconc_ctx_free(e->child);
    cconc_ctx_free(e->root);
}

/* ---- two ends -------------------------------------------------------------------------------- */

static void cancels_with_71(void *arg)
{
    env *e = arg;
    cconc_ctx_cancel_cause(e->root, 71, "first");
    e->err[1] = cconc_ctx_err(e->root);
    e->code[1] = cconc_ctx_cause(e->root, NULL);
}

/* One of two wins, for good, and both see which (C9). */
MODEL_SCENARIO(ctx_two_cancels_have_one_cause, .exhaustive = true, .goals = "first second",
               .covers = "C2 C9")
{
    env *e = env_new();
    int code;
    model_spawn(cancels_with_71, e);
    cconc_ctx_cancel_cause(e->root, 72, "second");
    code = cconc_ctx_cause(e->root, NULL);
    model_join_all();
    MODEL_CHECK(code == 71 || code == 72);
    model_cover(code == 71 ? "first" : "second");
    MODEL_EQ(e->code[1], code);
    MODEL_EQ(e->err[1], ECANCELED);
    check_end(e->root, ECANCELED, code);
    cconc_ctx_free(e->root);
}

static void cancels_child_with_71(void *arg)
{
    env *e = arg;
    cconc_ctx_cancel_cause(e->child, 71, NULL);
    e->code[1] = cconc_ctx_cause(e->child, NULL);
    check_end(e->other, ECANCELED, e->code[1]);
}

/* In two places of a tree: each returns when all below its own is done, by whichever was first. */
MODEL_SCENARIO(ctx_cancels_in_two_places_of_a_tree, .exhaustive = true, .goals = "above below",
               .covers = "C6 C9")
{
    env *e = env_new_with_child();
    MODEL_EQ(cconc_ctx_with_cancel(e->child, &e->other), 0);
    model_spawn(cancels_child_with_71, e);
    cconc_ctx_cancel_cause(e->root, 72, NULL);
    MODEL_EQ(cconc_ctx_err(e->other), ECANCELED);
    model_join_all();
    check_end(e->root, ECANCELED, 72);
    MODEL_CHECK(e->code[1] == 71 || e->code[1] == 72);
    model_cover(e->code[1] == 71 ? "below" : "above");
    check_end(e->child, ECANCELED, e->code[1]);
    cconc_ctx_free(e->other);
    cconc_ctx_free(e->child);
    cconc_ctx_free(e->root);
}

/* ---- who reads ------------------------------------------------------------------------------- */

static void reads_err_then_all(void *arg)
{
    env *e = arg;
    int err = cconc_ctx_err(e->root);
    const char *message = NULL;
    model_cover(err ? "done" : "live");
    if (err) {
        cconc_ctx *made;
        MODEL_EQ(cconc_ctx_cause(e->root, &message), 77);
        MODEL_CHECK(strcmp(message, "stop") == 0);
        MODEL_EQ(cconc_ctx_with_cancel(e->root, &made), 0);
        check_end(made, ECANCELED, 77);
        MODEL_EQ(cconc_ctx_wait(e->root, NULL), 0);
        cconc_ctx_free(made);
    }
}

/* Whoever sees err finds the cause final, a new child done, and no wait (C1). */
MODEL_SCENARIO(ctx_err_shows_last, .exhaustive = true, .goals = "done live", .covers = "C1 C2")
{
    env *e = env_new();
    model_spawn(reads_err_then_all, e);
    cconc_ctx_cancel_cause(e->root, 77, "stop");
    model_join_all();
    cconc_ctx_free(e->root);
}

static void reads_cause_twice(void *arg)
{
    env *e = arg;
    e->code[1] = cconc_ctx_cause(e->child, NULL);
    e->code[2] = cconc_ctx_cause(e->child, NULL);
}

/* The cause is none, then the final one: never the plain code in between (ctx-3). */
MODEL_SCENARIO(ctx_cause_is_none_or_final, .exhaustive = true, .goals = "none between final",
               .covers = "C2")
{
    env *e = env_new_with_child();
    model_spawn(reads_cause_twice, e);
    cconc_ctx_cancel_cause(e->root, 77, NULL);
    cconc_ctx_cancel(e->child);
    model_join_all();
    MODEL_CHECK(e->code[1] == 0 || e->code[1] == 77);
    MODEL_CHECK(e->code[2] == 77 || e->code[1] + e->code[2] == 0);
    model_cover(e->code[1] ? "final" : e->code[2] ? "between" : "none");
    cconc_ctx_free(e->child);
    cconc_ctx_free(e->root);
}

/* ---- waits that something else may end ------------------------------------------------------- */

static void waits_for_root_under_other(void *arg)
{
    env *e = arg;
    e->err[1] = cconc_ctx_wait(e->root, e->other);
    e->code[1] = cconc_ctx_err(e->root);
    e->code[2] = cconc_ctx_err(e->other);
}

static void cancels_other(void *arg)
{
    env *e = arg;
    cconc_ctx_cancel(e->other);
}

/* The target's end wins where both are there; what the code says has happened (all-3, all-5). */
MODEL_SCENARIO(ctx_wait_ends_by_target_or_context, .goals = "target context", .covers = "C15")
{
    env *e = env_new();
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->other), 0);
    model_spawn(waits_for_root_under_other, e);
    model_spawn(cancels_other, e);
    cconc_ctx_cancel(e->root);
    model_join_all();
    if (e->err[1] == 0) {
        model_cover("target");
        MODEL_EQ(e->code[1], ECANCELED);
    } else {
        model_cover("context");
        MODEL_EQ(e->err[1], ECANCELED);
        MODEL_EQ(e->code[2], ECANCELED);
    }
    cconc_ctx_free(e->other);
    cconc_ctx_free(e->root);
}

/* Two sleep, one leaves because its own context ends: the other one is still reached (S8). */
MODEL_SCENARIO(ctx_wait_leaves_another_asleep, .goals = "left ended", .covers = "C3 S8")
{
    env *e = env_new();
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->other), 0);
    MODEL_EQ(cconc_ctx_with_cancel(e->root, &e->child), 0);
    model_spawn(waits_for_root_under_other, e);
    model_spawn(waits_for_child, e);
    model_settle();
    cconc_ctx_cancel(e->other); /* it may still be leaving when the end comes */
    cconc_ctx_cancel_cause(e->root, 77, NULL);
    model_join_all();
    model_cover(e->err[1] ? "left" : "ended");
    cconc_ctx_free(e->child);
    cconc_ctx_free(e->other);
    cconc_ctx_free(e->root);
}

static void waits_for_root_to_be_freed(void *arg)
{
    env *e = arg;
    e->err[1] = cconc_ctx_wait(e->root, NULL);
}

/* The last handle goes while a wait lasts: that ends it, and the memory stays as long (ctx-11). */
MODEL_SCENARIO(ctx_last_free_ends_a_wait, .exhaustive = true, .covers = "C11")
{
    env *e = env_new();
    e->err[1] = -1;
    model_spawn(waits_for_root_to_be_freed, e);
    model_settle();
    cconc_ctx_free(e->root);
    model_join_all();
    MODEL_EQ(e->err[1], 0);
}

/* The same under a sleep, whose context it is. */
static void sleeps_under_root(void *arg)
{
    env *e = arg;
    e->err[1] = cconc_ctx_sleep(e->root, CCONC_NEVER);
}

MODEL_SCENARIO(ctx_last_free_ends_a_sleep, .exhaustive = true, .covers = "C11")
{
    env *e = env_new();
    model_spawn(sleeps_under_root, e);
    model_settle();
    cconc_ctx_free(e->root);
    model_join_all();
    MODEL_EQ(e->err[1], ECANCELED);
}

/* ---- rough systems --------------------------------------------------------------------------- */

/* The system's wait ends for no reason, once or often. */
MODEL_SCENARIO(ctx_wait_survives_spurious_wakes, .low = true, .faults = MODEL_SPURIOUS,
               .goals = "early late", .covers = "S6")
{
    env *e = env_new();
    model_spawn(waits_for_root, e);
    cconc_ctx_cancel_cause(e->root, 77, NULL);
    model_join_all();
    cconc_ctx_free(e->root);
}

/* With spinning before the sleep, on one, two and eight processors. */
MODEL_SCENARIO(ctx_wait_spins_first, .cpus = MODEL_ANY_CPUS, .goals = "early late")
{
    env *e = env_new();
    model_spawn(waits_for_root, e);
    cconc_ctx_cancel_cause(e->root, 77, NULL);
    model_join_all();
    cconc_ctx_free(e->root);
}

/* Weak compare-and-swaps fail. */
MODEL_SCENARIO(ctx_wait_survives_weak_swaps, .faults = MODEL_CAS, .goals = "early late")
{
    env *e = env_new();
    model_spawn(waits_for_root, e);
    cconc_ctx_cancel_cause(e->root, 77, NULL);
    model_join_all();
    cconc_ctx_free(e->root);
}

/* Where there is no memory for the message the cause is the code alone; the end needs none. */
MODEL_SCENARIO(ctx_cancel_needs_no_memory, .faults = MODEL_NO_MEMORY, .goals = "message none",
               .covers = "X4")
{
    env *e = model_zalloc(sizeof(*e));
    const char *message = NULL;
    int err = cconc_ctx_with_cancel(NULL, &e->root);
    if (err) {
        MODEL_EQ(err, ENOMEM);
        MODEL_CHECK(model_had_fault(MODEL_NO_MEMORY) && !e->root);
        return;
    }
    model_spawn(waits_for_root_to_be_freed, e);
    cconc_ctx_cancel_cause(e->root, 77, "number %d", 5);
    MODEL_EQ(cconc_ctx_cause(e->root, &message), 77);
    MODEL_CHECK(model_had_fault(MODEL_NO_MEMORY) || strcmp(message, "number 5") == 0);
    model_cover(strcmp(message, "number 5") == 0 ? "message" : "none");
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    cconc_ctx_free(e->root);
}
