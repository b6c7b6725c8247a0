/* ctx.c - interleavings of contexts: cancelling a tree that is read, waited for, and changed.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A child, or a wait, that an end in progress does not reach; an end that shows before all
 *          that belongs to it; two ends of one context; memory that goes while an end walks by.
 * Method   Scenarios of the deterministic tester: who cancels meets who waits, derives, reads,
 *          frees, or cancels elsewhere in the tree.
 * Catches  C1 C2 C3 C6 C9 C10 C11 C13; rules ctx-1 ctx-2 ctx-3 ctx-6 ctx-11 ctx-14 all-10.
 */
#include "model.h"

typedef struct env {
    cconc_ctx *root;
    cconc_ctx *child;
    cconc_ctx *made;
    int err[4];
    int code[4];
    int destroyed;
    model_word told;
} env;

static env *env_new(void)
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->root), 0);
    return e;
}

static env *env_new_with_child(void)
{
    env *e = env_new();
    MODEL_EQ(cconc_ctx_with_cancel(e->root, &e->child), 0);
    return e;
}

static void check_end(cconc_ctx *ctx, int err, int code)
{
    MODEL_EQ(cconc_ctx_err(ctx), err);
    MODEL_EQ(cconc_ctx_cause(ctx, NULL), code);
}

/* ---- cancel and wait ------------------------------------------------------------------------ */

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

/* ---- cancel and derive ---------------------------------------------------------------------- */

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
