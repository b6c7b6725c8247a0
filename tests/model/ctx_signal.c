/* ctx_signal.c - interleavings of contexts that signals end.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A signal that is heard by nobody, or by a context that has gone; a number that does not
 *          belong to the end; a hook that is left behind, or taken from another context.
 * Method   Scenarios of the deterministic tester: signals arrive before, while and after contexts
 *          for them are made, cancelled, freed.
 * Catches  C2 C11 C15; rules sig-1 sig-2 sig-3 ctx-3 ctx-11.
 */
#include "model.h"

#include <signal.h>

typedef struct env {
    cconc_ctx *ctx;
    cconc_ctx *two;
    cconc_ctx *parent;
    int err[3];
    int code[3];
} env;

static env *env_new(void)
{
    static const int numbers[] = {SIGUSR1};
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_ctx_with_signals(NULL, numbers, 1, 0, &e->ctx), 0);
    model_settle();
    return e;
}

static void raises(void *arg)
{
    (void)arg;
    model_raise(SIGUSR1);
}

/* err, cause, number and text belong together. */
static void check_end(cconc_ctx *ctx, int by_cancel)
{
    const char *message = NULL;
    int number = cconc_ctx_signal(ctx);
    int code = cconc_ctx_cause(ctx, &message);
    MODEL_EQ(cconc_ctx_err(ctx), ECANCELED);
    if (number) {
        MODEL_EQ(number, SIGUSR1);
        MODEL_EQ(code, ECANCELED);
        MODEL_CHECK(strstr(message, "signal") && strstr(message, "received"));
        model_cover("signal");
    } else {
        MODEL_EQ(code, by_cancel);
        MODEL_CHECK(!strstr(message, "received"));
        model_cover("cancelled");
    }
}

/* The signal or the user was first: number and cause tell which, and stay (sig-1). */
MODEL_SCENARIO(ctx_signal_meets_cancel, .goals = "signal cancelled", .covers = "C2 C15")
{
    env *e = env_new();
    model_spawn(raises, e);
    cconc_ctx_cancel_cause(e->ctx, 77, NULL);
    check_end(e->ctx, 77);
    model_join_all();
    model_settle();
    check_end(e->ctx, 77);
    model_rest();
    cconc_ctx_free(e->ctx);
}

/* One that arrives before the cancel is told, though the service has not come to it:
 *
 *     main                              the service
 *     the handler notes SIGUSR1
 *     cancel: takes the hook away
 *                                       takes the note: nobody is there
 */
MODEL_SCENARIO(ctx_signal_before_cancel, .goals = "signal", .covers = "C2 C15")
{
    env *e = env_new();
    model_raise(SIGUSR1);
    cconc_ctx_cancel_cause(e->ctx, 77, NULL);
    MODEL_EQ(cconc_ctx_signal(e->ctx), SIGUSR1);
    check_end(e->ctx, ECANCELED);
    model_settle();
    MODEL_EQ(cconc_ctx_signal(e->ctx), SIGUSR1);
    model_rest();
    cconc_ctx_free(e->ctx);
}

/* The last handle goes while the service is at work for it (C11). */
MODEL_SCENARIO(ctx_signal_meets_last_free, .covers = "C11")
{
    env *e = env_new();
    model_spawn(raises, e);
    cconc_ctx_free(e->ctx);
    model_join_all();
}

static void waits(void *arg)
{
    env *e = arg;
    MODEL_EQ(cconc_ctx_wait(e->ctx, NULL), 0);
    e->err[1] = cconc_ctx_signal(e->ctx);
}

/* Whoever is woken by the end sees the number that goes with it. */
MODEL_SCENARIO(ctx_signal_wakes_a_wait, .covers = "C2")
{
    env *e = env_new();
    model_spawn(waits, e);
    model_raise(SIGUSR1);
    model_join_all();
    MODEL_EQ(e->err[1], SIGUSR1);
    model_rest();
    cconc_ctx_free(e->ctx);
}

static void reads(void *arg)
{
    env *e = arg;
    e->err[1] = cconc_ctx_err(e->ctx);
    e->code[1] = cconc_ctx_signal(e->ctx);
    model_cover(e->err[1] ? "done" : "live");
}

/* A reader sees none, or both: err never without the number. */
MODEL_SCENARIO(ctx_signal_number_shows_with_err, .goals = "done live", .covers = "C1 C2")
{
    env *e = env_new();
    model_spawn(reads, e);
    model_raise(SIGUSR1);
    model_join_all();
    MODEL_CHECK(e->err[1] == 0 || e->code[1] == SIGUSR1);
    MODEL_EQ(cconc_ctx_wait(e->ctx, NULL), 0);
    model_rest();
    cconc_ctx_free(e->ctx);
}

static void frees_ctx(void *arg)
{
    env *e = arg;
    cconc_ctx_free(e->ctx);
}

/* Two for one signal: the end of one leaves the other its hook (sig-2). */
MODEL_SCENARIO(ctx_signal_of_two_contexts, .covers = "C11")
{
    static const int numbers[] = {SIGUSR1, SIGUSR2};
    env *e = env_new();
    MODEL_EQ(cconc_ctx_with_signals(NULL, numbers, 2, 0, &e->two), 0);
    model_settle();
    model_spawn(frees_ctx, e);
    model_raise(SIGUSR1);
    MODEL_EQ(cconc_ctx_wait(e->two, NULL), 0);
    MODEL_EQ(cconc_ctx_signal(e->two), SIGUSR1);
    model_join_all();
    model_rest();
    cconc_ctx_free(e->two);
}

/* Until it is cancelled a context swallows what comes, and only the first one tells (sig-2). */
MODEL_SCENARIO(ctx_signal_comes_twice)
{
    env *e = env_new();
    model_spawn(raises, e);
    model_raise(SIGUSR1);
    MODEL_EQ(cconc_ctx_wait(e->ctx, NULL), 0);
    MODEL_EQ(cconc_ctx_signal(e->ctx), SIGUSR1);
    model_join_all();
    model_settle();
    cconc_ctx_cancel(e->ctx);
    MODEL_EQ(cconc_ctx_signal(e->ctx), SIGUSR1);
    model_rest();
    cconc_ctx_free(e->ctx);
}

/* A parent that ends first keeps its cause below; the hook goes with the last handle. */
static void cancels_parent(void *arg)
{
    env *e = arg;
    cconc_ctx_cancel_cause(e->parent, 77, NULL);
}

MODEL_SCENARIO(ctx_signal_made_meets_cancel_of_the_parent, .goals = "born_done born_live",
               .covers = "C1 C6")
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->parent), 0);
    model_spawn(cancels_parent, e);
    MODEL_EQ(cconc_ctx_with_signals(e->parent, NULL, 0, 0, &e->ctx), 0);
    model_cover(cconc_ctx_err(e->ctx) ? "born_done" : "born_live");
    model_join_all();
    MODEL_EQ(cconc_ctx_err(e->ctx), ECANCELED);
    MODEL_EQ(cconc_ctx_cause(e->ctx, NULL), 77);
    MODEL_EQ(cconc_ctx_signal(e->ctx), 0);
    model_rest();
    cconc_ctx_free(e->ctx);
    cconc_ctx_free(e->parent);
}

/* Made while a signal arrives: it met the old disposition, or is heard. Nobody else hears it. */
MODEL_SCENARIO(ctx_signal_arrives_while_one_is_made, .goals = "heard missed")
{
    env *e = model_zalloc(sizeof(*e));
    static const int numbers[] = {SIGUSR1};
    model_spawn(raises, e);
    MODEL_EQ(cconc_ctx_with_signals(NULL, numbers, 1, 0, &e->ctx), 0);
    model_join_all();
    model_settle();
    model_cover(cconc_ctx_err(e->ctx) ? "heard" : "missed");
    MODEL_EQ(cconc_ctx_signal(e->ctx), cconc_ctx_err(e->ctx) ? SIGUSR1 : 0);
    model_rest();
    cconc_ctx_free(e->ctx);
}

/* No thread, descriptor or memory for the service: no context, and no hook is left. */
MODEL_SCENARIO(ctx_signal_without_a_service,
               .faults = MODEL_NO_THREAD | MODEL_NO_FD | MODEL_NO_MEMORY, .goals = "none made",
               .covers = "X4 W15")
{
    env *e = model_zalloc(sizeof(*e));
    int err = cconc_ctx_with_signals(NULL, NULL, 0, 0, &e->ctx);
    model_cover(err ? "none" : "made");
    if (err) {
        MODEL_CHECK(err == (model_had_fault(MODEL_NO_FD) ? EMFILE : ENOMEM));
        MODEL_CHECK(!e->ctx);
        model_raise(SIGINT); /* meets the old disposition */
        return;
    }
    model_raise(SIGINT);
    MODEL_EQ(cconc_ctx_wait(e->ctx, NULL), 0);
    MODEL_EQ(cconc_ctx_signal(e->ctx), SIGINT);
    cconc_ctx_free(e->ctx);
}
