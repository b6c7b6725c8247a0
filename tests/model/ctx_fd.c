/* ctx_fd.c - interleavings of the descriptors of contexts.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A descriptor that is readable before its context is done, or not when that shows; two of
 *          one context; one that is raised after it was closed, or never closed.
 * Method   Scenarios of the deterministic tester: who asks for the descriptor, polls it and reads
 *          err meets who ends and frees the context.
 * Catches  C1 C4 X1 X2; rules ctx-2 ctx-12 all-10.
 */
#include "model.h"

typedef struct env {
    cconc_ctx *root;
    cconc_ctx *child;
    int fd[3];
    int err[3];
} env;

static env *env_new(void)
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->root), 0);
    return e;
}

/* ---- readable and done ----------------------------------------------------------------------- */

static void reads_err_then_polls(void *arg)
{
    env *e = arg;
    if (cconc_ctx_err(e->root)) {
        MODEL_CHECK(model_fd_is_readable(e->fd[0]));
        model_cover("done");
    } else {
        model_cover("live");
    }
}

/* Whoever sees err finds the descriptor readable (C1). */
MODEL_SCENARIO(ctx_fd_is_readable_when_err_shows, .exhaustive = true, .goals = "done live",
               .covers = "C1 X2")
{
    env *e = env_new();
    MODEL_EQ(cconc_ctx_fd(e->root, &e->fd[0]), 0);
    MODEL_CHECK(!model_fd_is_readable(e->fd[0]));
    model_spawn(reads_err_then_polls, e);
    cconc_ctx_cancel(e->root);
    MODEL_CHECK(model_fd_is_readable(e->fd[0]));
    model_join_all();
    MODEL_CHECK(model_fd_is_readable(e->fd[0])); /* for good: nobody has read from it */
    cconc_ctx_free(e->root);
}

static void polls_then_reads_err(void *arg)
{
    env *e = arg;
    if (model_fd_is_readable(e->fd[0])) {
        MODEL_EQ(cconc_ctx_err(e->root), ECANCELED);
        MODEL_EQ(cconc_ctx_cause(e->root, NULL), 77);
        model_cover("done");
    } else {
        model_cover("live");
    }
}

/* And whoever finds it readable sees err, and the cause. */
MODEL_SCENARIO(ctx_fd_tells_no_lie, .exhaustive = true, .goals = "done live", .covers = "C1 X2")
{
    env *e = env_new();
    MODEL_EQ(cconc_ctx_fd(e->root, &e->fd[0]), 0);
    model_spawn(polls_then_reads_err, e);
    cconc_ctx_cancel_cause(e->root, 77, NULL);
    model_join_all();
    cconc_ctx_free(e->root);
}

static void reads_child_through_stack(void *arg)
{
    env *e = arg;
    cconc_ctx_mem mem;
    cconc_ctx *until = cconc_ctx_until(&mem, e->child, CCONC_NEVER);
    if (cconc_ctx_err(until)) {
        MODEL_CHECK(model_fd_is_readable(e->fd[0]));
        model_cover("done");
    } else {
        model_cover("live");
    }
}

/* The same for a child that its parent ends, seen through a context on the stack. */
MODEL_SCENARIO(ctx_fd_of_a_child_through_a_stack_context, .exhaustive = true,
               .goals = "done live", .covers = "C1 C6")
{
    env *e = env_new();
    MODEL_EQ(cconc_ctx_with_cancel(e->root, &e->child), 0);
    MODEL_EQ(cconc_ctx_fd(e->child, &e->fd[0]), 0);
    model_spawn(reads_child_through_stack, e);
    cconc_ctx_cancel(e->root);
    MODEL_CHECK(model_fd_is_readable(e->fd[0]));
    model_join_all();
    cconc_ctx_free(e->child);
    cconc_ctx_free(e->root);
}

/* ---- made on first use ----------------------------------------------------------------------- */

static void asks_for_it(void *arg)
{
    env *e = arg;
    MODEL_EQ(cconc_ctx_fd(e->root, &e->fd[1]), 0);
    e->err[1] = cconc_ctx_err(e->root);
    MODEL_CHECK(!e->err[1] || model_fd_is_readable(e->fd[1]));
}

/* Two ask first: one descriptor stays, the other one is closed (C4). */
MODEL_SCENARIO(ctx_fd_two_ask_first, .exhaustive = true, .covers = "C4")
{
    env *e = env_new();
    model_spawn(asks_for_it, e);
    MODEL_EQ(cconc_ctx_fd(e->root, &e->fd[0]), 0);
    model_join_all();
    MODEL_EQ(e->fd[0], e->fd[1]);
    cconc_ctx_cancel(e->root);
    MODEL_CHECK(model_fd_is_readable(e->fd[0]));
    cconc_ctx_free(e->root);
}

/* Asked for while the context ends: readable when both are through. */
MODEL_SCENARIO(ctx_fd_asked_for_meets_cancel, .exhaustive = true, .goals = "done live",
               .covers = "C1 C4")
{
    env *e = env_new();
    model_spawn(asks_for_it, e);
    cconc_ctx_cancel(e->root);
    model_join_all();
    model_cover(e->err[1] ? "done" : "live");
    MODEL_CHECK(model_fd_is_readable(e->fd[1]));
    cconc_ctx_free(e->root);
}

/* Two ask, and a third ends it: whichever stays is the one that is raised (C4). */
static void asks_too(void *arg)
{
    env *e = arg;
    MODEL_EQ(cconc_ctx_fd(e->root, &e->fd[2]), 0);
}

MODEL_SCENARIO(ctx_fd_two_ask_and_it_ends, .covers = "C1 C4")
{
    env *e = env_new();
    model_spawn(asks_for_it, e);
    model_spawn(asks_too, e);
    cconc_ctx_cancel(e->root);
    model_join_all();
    MODEL_EQ(e->fd[1], e->fd[2]);
    MODEL_CHECK(model_fd_is_readable(e->fd[1]));
    cconc_ctx_free(e->root);
}

/* ---- closed with the memory ------------------------------------------------------------------ */

static void frees_child(void *arg)
{
    env *e = arg;
    cconc_ctx_free(e->child);
}

/* Raised by the parent's end while its last handle goes: never after it was closed (X1). */
MODEL_SCENARIO(ctx_fd_raise_meets_close, .exhaustive = true, .covers = "X1 C11")
{
    env *e = env_new();
    MODEL_EQ(cconc_ctx_with_cancel(e->root, &e->child), 0);
    MODEL_EQ(cconc_ctx_fd(e->child, &e->fd[0]), 0);
    model_spawn(frees_child, e);
    cconc_ctx_cancel(e->root);
    model_join_all();
    cconc_ctx_free(e->root);
}

static void reads_err_and_frees(void *arg)
{
    env *e = arg;
    e->err[1] = cconc_ctx_err(e->root); /* raises it, too, if it sees the end in progress */
    cconc_ctx_free(e->root);
}

/* Who reads err raises it as well, and may be the last to let go (X1). */
MODEL_SCENARIO(ctx_fd_reader_meets_close, .exhaustive = true, .goals = "done live",
               .covers = "X1")
{
    env *e = env_new();
    MODEL_EQ(cconc_ctx_fd(e->root, &e->fd[0]), 0);
    (void)cconc_ctx_ref(e->root);
    model_spawn(reads_err_and_frees, e);
    cconc_ctx_cancel(e->root);
    cconc_ctx_free(e->root);
    model_join_all();
    model_cover(e->err[1] ? "done" : "live");
}

/* By time: the service's thread raises it. */
MODEL_SCENARIO(ctx_fd_follows_a_deadline, .goals = "done live", .covers = "C1")
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_ctx_with_timeout(NULL, 1000, &e->root), 0);
    MODEL_EQ(cconc_ctx_fd(e->root, &e->fd[0]), 0);
    model_settle();
    model_spawn(reads_err_then_polls, e);
    model_pass(1000);
    model_settle();
    MODEL_CHECK(model_fd_is_readable(e->fd[0]));
    model_join_all();
    cconc_ctx_free(e->root);
}

/* ---- rough systems --------------------------------------------------------------------------- */

/* None to be had, or no memory: the context is as it was, and has one the next time. */
MODEL_SCENARIO(ctx_fd_without_descriptors, .faults = MODEL_NO_FD | MODEL_NO_MEMORY,
               .goals = "none made", .covers = "X4")
{
    env *e = model_zalloc(sizeof(*e));
    int err = cconc_ctx_with_cancel(NULL, &e->root);
    if (err) {
        MODEL_CHECK(err == ENOMEM && model_had_fault(MODEL_NO_MEMORY));
        return;
    }
    e->fd[0] = -1;
    err = cconc_ctx_fd(e->root, &e->fd[0]);
    model_cover(err ? "none" : "made");
    if (err) {
        MODEL_CHECK(err == (model_had_fault(MODEL_NO_FD) ? EMFILE : ENOMEM));
        MODEL_EQ(e->fd[0], -1);
        MODEL_EQ(cconc_ctx_err(e->root), 0);
    }
    cconc_ctx_cancel(e->root);
    MODEL_EQ(cconc_ctx_err(e->root), ECANCELED);
    MODEL_CHECK(err || model_fd_is_readable(e->fd[0]));
    cconc_ctx_free(e->root);
}
