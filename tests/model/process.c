/* process.c - interleavings of what all share: the library's threads start, work, end.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A shutdown that misses work, or waits for ever; a thread that is made twice, or not
 *          joined; work that is accepted and never done.
 * Method   Scenarios of the deterministic tester: shutdown meets whatever starts the threads.
 * Catches  W3 W6 W16 W18; rules proc-3 proc-5 env-3.
 */
#include "model.h"

typedef struct env {
    cconc_ctx *ctx;
    cconc_after *after;
    model_word told;
    int ran;
    int err[4];
} env;

static void counts(void *arg)
{
    env *e = arg;
    e->ran++;
    model_set(&e->told, 1);
}

static void shuts_down(void *arg)
{
    env *e = arg;
    MODEL_EQ(cconc_shutdown(NULL), 0);
    model_cover(model_get(&e->told) ? "after" : "before");
}

/* What was handed over is done; shutdown neither misses it nor hangs. */
MODEL_SCENARIO(process_shutdown_meets_a_function, .bound = 2, .goals = "before after",
               .covers = "W16")
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    MODEL_EQ(cconc_ctx_after_func(e->ctx, counts, e, &e->after), 0);
    model_spawn(shuts_down, e);
    cconc_ctx_cancel(e->ctx);
    cconc_after_free(e->after);
    cconc_ctx_free(e->ctx);
    model_join_all();
    MODEL_EQ(e->ran, 1);
}

static void shuts_down_too(void *arg)
{
    env *e = arg;
    MODEL_EQ(cconc_shutdown(NULL), 0);
    e->err[1] = 1;
}

/* Two at a time: each thread is joined once. */
MODEL_SCENARIO(process_two_shutdowns, .covers = "W12")
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_ctx_with_timeout(NULL, 1000, &e->ctx), 0);
    cconc_ctx_free(e->ctx);
    model_spawn(shuts_down_too, e);
    MODEL_EQ(cconc_shutdown(NULL), 0);
    model_join_all();
    MODEL_EQ(e->err[1], 1);
}
