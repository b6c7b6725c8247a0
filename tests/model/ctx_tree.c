/* ctx_tree.c - interleavings of contexts: a tree that changes while it ends.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A child that an end in progress does not reach; memory that goes while an end walks by,
 *          or twice, or never; a binding that is destroyed twice.
 * Method   Scenarios of the deterministic tester: who cancels a tree meets who derives from it and
 *          who frees parts of it.
 * Catches  C1 C6 C8 C10 C11 C13; rules ctx-1 ctx-3 ctx-6 ctx-11 all-10 all-11 proc-3.
 */
#include "ctx_env.h"

/* ---- derive ---------------------------------------------------------------------------------- */

static void derives(void *arg)
{
    env *e = arg;
    MODEL_EQ(cconc_ctx_with_cancel(e->root, &e->made), 0);
    model_cover(cconc_ctx_err(e->made) ? "born_done" : "born_live");
}

/* A child made meanwhile is done when cancel has returned, or is born done. */
MODEL_SCENARIO(ctx_cancel_meets_derive, .exhaustive = true, .goals = "born_done born_live",
               .covers = "C1 C6")
{
    env *e = env_new();
    model_spawn(derives, e);
    cconc_ctx_cancel_cause(e->root, 77, NULL);
    model_join_all();
    check_end(e->made, ECANCELED, 77);
    cconc_ctx_free(e->made);
    cconc_ctx_free(e->root);
}

static void derives_a_value(void *arg)
{
    env *e = arg;
    MODEL_EQ(cconc_ctx_with_value(e->child, &e->code, &e->destroyed, NULL, &e->made), 0);
    MODEL_CHECK(cconc_ctx_value(e->made, &e->code) == &e->destroyed);
    model_cover(cconc_ctx_err(e->made) ? "born_done" : "born_live");
}

/* The same two levels below the end, for a context that cannot be cancelled by itself. */
MODEL_SCENARIO(ctx_cancel_meets_derive_below, .exhaustive = true, .goals = "born_done born_live",
               .covers = "C1 C6")
{
    env *e = env_new_with_child();
    model_spawn(derives_a_value, e);
    cconc_ctx_cancel_cause(e->root, 77, NULL);
    model_join_all();
    check_end(e->made, ECANCELED, 77);
    cconc_ctx_free(e->made);
    cconc_ctx_free(e->child);
    cconc_ctx_free(e->root);
}

static void derives_and_frees(void *arg)
{
    env *e = arg;
    cconc_ctx *made;
    MODEL_EQ(cconc_ctx_with_cancel(e->root, &made), 0);
    cconc_ctx_free(e->root);
    e->code[1] = cconc_ctx_err(made);
    cconc_ctx_free(made);
}

/* The last handle of a parent goes in one thread or the other, with a child just made: that has
 * ended, or ends with the other's. */
MODEL_SCENARIO(ctx_free_meets_derive, .exhaustive = true, .goals = "ended live", .covers = "C11")
{
    env *e = env_new();
    (void)cconc_ctx_ref(e->root);
    model_spawn(derives_and_frees, e);
    cconc_ctx_free(e->root);
    model_join_all();
    model_cover(e->code[1] ? "ended" : "live");
}

static void detaches(void *arg)
{
    env *e = arg;
    MODEL_EQ(cconc_ctx_without_cancel(e->child, &e->made), 0);
    cconc_ctx_free(e->child);
}

/* What does not end with its parent keeps its memory, and nothing else. */
MODEL_SCENARIO(ctx_detached_outlives_the_tree, .exhaustive = true, .covers = "C11")
{
    env *e = env_new();
    MODEL_EQ(cconc_ctx_with_value(e->root, &e->code, &e->destroyed, NULL, &e->child), 0);
    model_spawn(detaches, e);
    cconc_ctx_free(e->root);
    model_join_all();
    MODEL_EQ(cconc_ctx_err(e->made), 0);
    MODEL_CHECK(cconc_ctx_value(e->made, &e->code) == &e->destroyed);
    cconc_ctx_free(e->made);
}

/* ---- free ------------------------------------------------------------------------------------ */

static void frees_child(void *arg)
{
    env *e = arg;
    cconc_ctx_free(e->child);
}

/* The end walks by a child whose last handle goes (C11). */
MODEL_SCENARIO(ctx_cancel_meets_last_free_of_a_child, .exhaustive = true, .covers = "C11 C13")
{
    env *e = env_new_with_child();
    model_spawn(frees_child, e);
    cconc_ctx_cancel(e->root);
    model_join_all();
    cconc_ctx_free(e->root);
}

/* Two levels: the child's memory is kept by what is below it, the root's by the child. */
MODEL_SCENARIO(ctx_frees_from_both_ends, .exhaustive = true, .covers = "C11 C13")
{
    env *e = env_new_with_child();
    MODEL_EQ(cconc_ctx_with_cancel(e->child, &e->made), 0);
    model_spawn(frees_child, e);
    cconc_ctx_free(e->root);
    MODEL_EQ(cconc_ctx_err(e->made), ECANCELED);
    cconc_ctx_free(e->made);
    model_join_all();
}

static void ref_and_free(void *arg)
{
    env *e = arg;
    MODEL_CHECK(cconc_ctx_ref(e->root) == e->root);
    MODEL_EQ(cconc_ctx_err(e->root), 0);
    cconc_ctx_free(e->root);
    MODEL_EQ(cconc_ctx_err(e->root), 0);
    cconc_ctx_free(e->root);
}

/* The count of handles: gets and puts in two threads, the last one ends it once (C13). */
MODEL_SCENARIO(ctx_handles_are_counted, .exhaustive = true, .covers = "C13")
{
    env *e = env_new();
    MODEL_EQ(cconc_ctx_with_cancel(e->root, &e->child), 0);
    (void)cconc_ctx_ref(e->root);
    model_spawn(ref_and_free, e);
    MODEL_EQ(cconc_ctx_err(e->root), 0);
    cconc_ctx_free(e->root);
    model_join_all();
    MODEL_EQ(cconc_ctx_err(e->child), ECANCELED);
    cconc_ctx_free(e->child);
}

/* ---- values ---------------------------------------------------------------------------------- */

static void destroys(void *value)
{
    env *e = value;
    cconc_ctx *made;
    e->destroyed++;
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &made), 0); /* it may call anything */
    cconc_ctx_cancel(made);
    cconc_ctx_free(made);
}

static void frees_made(void *arg)
{
    env *e = arg;
    cconc_ctx_free(e->made);
}

/* A binding is destroyed once, by whoever drops it last, with no lock held (C10). */
MODEL_SCENARIO(ctx_value_is_destroyed_once, .exhaustive = true, .covers = "C10 C13")
{
    env *e = env_new();
    MODEL_EQ(cconc_ctx_with_value(e->root, &e->code, e, destroys, &e->child), 0);
    MODEL_EQ(cconc_ctx_with_cancel(e->child, &e->made), 0);
    model_spawn(frees_made, e);
    cconc_ctx_free(e->child);
    model_join_all();
    MODEL_EQ(e->destroyed, 1);
    cconc_ctx_free(e->root);
}

static void destroys_and_ends(void *value)
{
    env *e = value;
    e->destroyed++;
    model_exit_thread();
}

static void frees_both(void *arg)
{
    env *e = arg;
    cconc_ctx_free(e->child);
    cconc_ctx_free(e->made);
}

/* The function ends its thread: what is above is released all the same (proc-3). */
MODEL_SCENARIO(ctx_value_destroy_ends_its_thread, .exhaustive = true, .covers = "G7")
{
    env *e = env_new();
    MODEL_EQ(cconc_ctx_with_value(e->root, &e->code, e, destroys_and_ends, &e->child), 0);
    MODEL_EQ(cconc_ctx_with_value(e->child, &e->code, e, destroys_and_ends, &e->made), 0);
    model_spawn(frees_both, e);
    cconc_ctx_free(e->root);
    model_join_all();
    MODEL_EQ(e->destroyed, 2);
}

/* No memory for a child: nothing of it is left at the parent. */
static void derives_if_it_can(void *arg)
{
    env *e = arg;
    int err = cconc_ctx_with_value(e->root, &e->code, e, destroys_and_ends, &e->made);
    model_cover(err ? "none" : "made");
    MODEL_CHECK(err == 0 || err == ENOMEM);
    MODEL_CHECK((err == 0) == (e->made != NULL));
}

MODEL_SCENARIO(ctx_derive_without_memory, .faults = MODEL_NO_MEMORY, .goals = "none made",
               .covers = "X4")
{
    env *e = model_zalloc(sizeof(*e));
    if (cconc_ctx_with_cancel(NULL, &e->root) != 0) {
        MODEL_CHECK(model_had_fault(MODEL_NO_MEMORY));
        return;
    }
    model_spawn(derives_if_it_can, e);
    cconc_ctx_cancel(e->root);
    model_join_all();
    if (e->made) {
        MODEL_EQ(cconc_ctx_err(e->made), ECANCELED);
    }
    cconc_ctx_free(e->root);
    if (e->made) {
        model_spawn(frees_made, e); /* its destroy function ends the thread */
        model_join_all();
        MODEL_EQ(e->destroyed, 1);
    }
}
