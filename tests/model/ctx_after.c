/* ctx_after.c - interleavings of functions that run when a context is done.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A function that runs twice, or never, or after it was stopped; a stop_wait that returns
 *          while it runs, or never; a registration that goes while somebody is at work on it.
 * Method   Scenarios of the deterministic tester: who ends the context meets who registers, stops,
 *          waits and frees, from outside and from inside of the function.
 * Catches  C3 C9 C10 C12 C14 G7; rules ctx-7 ctx-8 ctx-9 ctx-10 ctx-15 all-11 proc-3.
 */
#include "model.h"

typedef struct env {
    cconc_ctx *root;
    cconc_ctx *other;
    cconc_after *after;
    cconc_after *after_two;
    int ran;          /* plain: whoever reads it is told by the library */
    bool stopped[3];
    model_word runs;
} env;

static env *env_new(cconc_after_fn fn)
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->root), 0);
    if (fn) {
        MODEL_EQ(cconc_ctx_after_func(e->root, fn, e, &e->after), 0);
        model_settle(); /* the service's thread sleeps: it is no part of the race */
    }
    return e;
}

static void counts(void *arg)
{
    env *e = arg;
    e->ran++;
}

static void cancels(void *arg)
{
    env *e = arg;
    cconc_ctx_cancel(e->root);
}

/* ---- once, and only if not stopped ----------------------------------------------------------- */

/* stop says true, and it never runs; or false, and it runs once (C14). */
MODEL_SCENARIO(ctx_after_stop_meets_cancel, .goals = "stopped ran", .covers = "C14")
{
    env *e = env_new(counts);
    model_spawn(cancels, e);
    e->stopped[0] = cconc_after_stop(e->after);
    model_join_all();
    MODEL_CHECK(!cconc_after_stop(e->after)); /* another stop was first, or it ran */
    cconc_after_free(e->after);
    MODEL_EQ(e->ran, e->stopped[0] ? 0 : 1);
    model_cover(e->stopped[0] ? "stopped" : "ran");
    model_rest();
    cconc_ctx_free(e->root);
}

static void stops(void *arg)
{
    env *e = arg;
    e->stopped[1] = cconc_after_stop(e->after);
}

/* Of two stops one is true at most, and exactly one where nothing ends the context (ctx-8). */
MODEL_SCENARIO(ctx_after_two_stops, .exhaustive = true, .goals = "first second", .covers = "C9")
{
    env *e = env_new(counts);
    model_spawn(stops, e);
    e->stopped[0] = cconc_after_stop(e->after);
    model_join_all();
    MODEL_CHECK(e->stopped[0] != e->stopped[1]);
    model_cover(e->stopped[0] ? "first" : "second");
    model_rest();
    cconc_after_free(e->after);
    cconc_ctx_free(e->root);
    MODEL_EQ(e->ran, 0);
}

/* Registered while the context ends: it runs once, here or there (C14). */
MODEL_SCENARIO(ctx_after_registered_meets_cancel, .goals = "was_done was_live",
               .covers = "C14")
{
    env *e = env_new(NULL);
    model_spawn(cancels, e);
    model_cover(cconc_ctx_err(e->root) ? "was_done" : "was_live");
    MODEL_EQ(cconc_ctx_after_func(e->root, counts, e, &e->after), 0);
    model_join_all();
    cconc_after_free(e->after);
    MODEL_EQ(e->ran, 1);
    cconc_ctx_free(e->root);
}

static void counts_too(void *arg)
{
    env *e = arg;
    (void)model_add(&e->runs, 1);
}

/* Two at one context: each has its own end (ctx-7). */
MODEL_SCENARIO(ctx_after_two_at_one_context, .goals = "stopped ran", .covers = "C3")
{
    env *e = env_new(counts_too);
    MODEL_EQ(cconc_ctx_after_func(e->root, counts_too, e, &e->after_two), 0);
    model_spawn(cancels, e);
    e->stopped[0] = cconc_after_stop_wait(e->after);
    cconc_after_free(e->after);
    model_join_all();
    cconc_after_free(e->after_two);
    MODEL_CHECK(model_get(&e->runs) >= 1);
    MODEL_EQ(model_get(&e->runs), e->stopped[0] ? 1 : 2);
    model_cover(e->stopped[0] ? "stopped" : "ran");
    model_rest();
    cconc_ctx_free(e->root);
}

/* ---- waiting for its end --------------------------------------------------------------------- */

static void frees_it(void *arg)
{
    env *e = arg;
    e->stopped[1] = cconc_after_stop_wait(e->after);
    e->stopped[2] = e->ran > 0;
}

/* stop_wait is back when the function is over, and sees what it did (ctx-9, ctx-15). */
MODEL_SCENARIO(ctx_after_stop_wait_meets_the_function, .goals = "stopped ran",
               .covers = "C3")
{
    env *e = env_new(counts);
    model_spawn(frees_it, e);
    cconc_ctx_cancel(e->root);
    model_join_all();
    MODEL_EQ(e->stopped[2], !e->stopped[1]);
    model_cover(e->stopped[1] ? "stopped" : "ran");
    model_rest();
    cconc_after_free(e->after);
    cconc_ctx_free(e->root);
}

/* Two wait for the end of one run: both are told (C3). */
MODEL_SCENARIO(ctx_after_two_wait_for_its_end, .bound = 2, .covers = "C3")
{
    env *e = env_new(counts);
    cconc_ctx_cancel(e->root);
    model_spawn(frees_it, e);
    MODEL_CHECK(!cconc_after_stop_wait(e->after));
    MODEL_EQ(e->ran, 1);
    model_join_all();
    MODEL_CHECK(e->stopped[2]);
    model_rest();
    cconc_after_free(e->after);
    cconc_ctx_free(e->root);
}

/* free while the function runs, and while it was only handed on; then nothing is left of it. */
MODEL_SCENARIO(ctx_after_free_meets_cancel, .goals = "stopped ran",
               .covers = "C14 S5")
{
    env *e = env_new(counts);
    model_spawn(cancels, e);
    cconc_after_free(e->after);
    model_cover(e->ran ? "ran" : "stopped");
    e->stopped[0] = e->ran > 0;
    model_join_all();
    MODEL_EQ(e->ran, e->stopped[0]);
    model_rest();
    cconc_ctx_free(e->root);
}

/* The context's last handle goes first: that ends it, and the registration keeps its memory. */
MODEL_SCENARIO(ctx_after_outlives_the_last_handle, .goals = "stopped ran",
               .covers = "C11")
{
    env *e = env_new(counts);
    model_spawn(frees_it, e);
    cconc_ctx_free(e->root);
    model_join_all();
    cconc_after_free(e->after);
    MODEL_EQ(e->ran, e->stopped[1] ? 0 : 1);
    model_cover(e->stopped[1] ? "stopped" : "ran");
}

/* ---- from inside ----------------------------------------------------------------------------- */

static void stops_itself(void *arg)
{
    env *e = arg;
    MODEL_CHECK(!cconc_after_stop_wait(e->after)); /* at once: C12 */
    MODEL_CHECK(!cconc_after_stop(e->after));
    cconc_after_free(e->after);                    /* it follows the return */
    cconc_ctx_free(e->root);
    model_set(&e->runs, 1);
}

/* stop_wait and free from inside do not wait for themselves (C12); the last handle goes there. */
MODEL_SCENARIO(ctx_after_frees_itself, .covers = "C12")
{
    env *e = env_new(stops_itself);
    (void)cconc_ctx_ref(e->root);
    cconc_ctx_cancel(e->root);
    cconc_ctx_free(e->root);
    model_await(&e->runs, 1);
}

static void calls_much(void *arg)
{
    env *e = arg;
    cconc_ctx *made;
    MODEL_EQ(cconc_ctx_err(e->root), ECANCELED);
    MODEL_EQ(cconc_ctx_with_cancel(e->root, &made), 0);
    MODEL_EQ(cconc_ctx_err(made), ECANCELED);
    MODEL_EQ(cconc_ctx_after_func(made, counts, e, &e->after_two), 0);
    cconc_ctx_free(made);
    cconc_ctx_cancel(e->other);
    cconc_after_free(e->after_two);
    MODEL_EQ(e->ran, 1);
}

/* It may call anything, also for its own context, and wait for another one (C10). */
MODEL_SCENARIO(ctx_after_calls_everything, .bound = 2, .covers = "C10")
{
    env *e = env_new(calls_much);
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->other), 0);
    cconc_ctx_cancel(e->root);
    MODEL_EQ(cconc_ctx_wait(e->other, NULL), 0);
    model_rest();
    cconc_after_free(e->after);
    cconc_ctx_free(e->other);
    cconc_ctx_free(e->root);
    MODEL_EQ(e->ran, 1);
}

static void ends_its_thread(void *arg)
{
    env *e = arg;
    e->ran++;
    model_exit_thread();
}

/* The end of its thread counts as return (proc-3). */
MODEL_SCENARIO(ctx_after_ends_its_thread, .covers = "G7")
{
    env *e = env_new(ends_its_thread);
    cconc_ctx_cancel(e->root);
    MODEL_CHECK(!cconc_after_stop_wait(e->after));
    MODEL_EQ(e->ran, 1);
    model_rest();
    cconc_after_free(e->after);
    cconc_ctx_free(e->root);
}

/* ---- rough systems --------------------------------------------------------------------------- */

/* No thread for the executor: the service's own runs it, and if it ends that, goes on (ctx-10). */
MODEL_SCENARIO(ctx_after_without_a_thread, .faults = MODEL_NO_THREAD,
               .goals = "refused ran", .covers = "W15 G7")
{
    env *e = env_new(NULL);
    cconc_after_fn fn = model_choose(2) ? ends_its_thread : counts;
    int err = cconc_ctx_after_func(e->root, fn, e, &e->after);
    if (err) {
        MODEL_EQ(err, ENOMEM);
        MODEL_CHECK(model_had_fault(MODEL_NO_THREAD) && !e->after);
        model_cover("refused");
    } else {
        cconc_ctx_cancel(e->root);
        MODEL_CHECK(!cconc_after_stop_wait(e->after));
        MODEL_EQ(e->ran, 1);
        cconc_after_free(e->after);
        model_cover("ran");
    }
    model_rest();
    cconc_ctx_free(e->root);
}

/* An allocation fails: the registration is refused, or runs all the same. */
MODEL_SCENARIO(ctx_after_without_memory, .faults = MODEL_NO_MEMORY,
               .goals = "refused ran", .covers = "X4")
{
    env *e = model_zalloc(sizeof(*e));
    int err = cconc_ctx_with_cancel(NULL, &e->root);
    err = err ? err : cconc_ctx_after_func(e->root, counts, e, &e->after);
    if (err) {
        MODEL_EQ(err, ENOMEM);
        MODEL_CHECK(model_had_fault(MODEL_NO_MEMORY) && !e->after);
        model_cover("refused");
    } else {
        cconc_ctx_cancel(e->root);
        cconc_after_free(e->after);
        MODEL_EQ(e->ran, 1);
        model_cover("ran");
    }
    model_rest();
    cconc_ctx_free(e->root);
}
