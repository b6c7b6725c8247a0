/* process_fork.c - interleavings of a fork with what the threads of the parent are at.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A lock, a service, a queue or a claim of a thread that is no more, in the way of the
 *          child; a wait in the child that nobody can end; what was the parent's, touched.
 * Method   Scenarios of the deterministic tester: all threads but one vanish, each wherever it is;
 *          then the one goes on with the library.
 * Catches  X3; rules proc-1 all-9.
 */
#include "model.h"

#include <signal.h>

typedef struct env {
    cconc_ctx *ctx;
    cconc_ctx *made;
    cconc_after *after;
    cconc_waitgroup wg;
    model_word told;
    int ran;
} env;

static env *env_new(void)
{
    env *e = model_zalloc(sizeof(*e));
    cconc_waitgroup_init(&e->wg);
    return e;
}

static void counts(void *arg)
{
    env *e = arg;
    e->ran++;
}

/* In the child, before it has said that it goes on: what would wait tells so, and does not. */
static void refused_all_that_waits(void)
{
    cconc_ctx *ctx;
    cconc_waitgroup wg;
    MODEL_EQ(cconc_ctx_sleep(NULL, 1000), ENOTRECOVERABLE);
    MODEL_EQ(cconc_ctx_with_timeout(NULL, 1000, &ctx), ENOTRECOVERABLE);
    MODEL_EQ(cconc_shutdown(NULL), ENOTRECOVERABLE);
    MODEL_EQ(cconc_clock_advance(1), ENOTRECOVERABLE);
    cconc_waitgroup_init(&wg);
    MODEL_EQ(cconc_waitgroup_go(&wg, counts, NULL), ENOTRECOVERABLE);
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &ctx), 0); /* needs no thread */
    cconc_ctx_cancel(ctx);
    MODEL_EQ(cconc_ctx_err(ctx), ECANCELED);
    cconc_ctx_free(ctx);
}

/* And afterwards all works anew. */
static void goes_on(env *e)
{
    int before = e->ran;
    refused_all_that_waits();
    MODEL_EQ(cconc_fork_child(), 0);
    MODEL_EQ(cconc_fork_child(), 0);
    MODEL_EQ(cconc_ctx_with_timeout(NULL, 1000, &e->made), 0);
    MODEL_EQ(cconc_ctx_after_func(e->made, counts, e, &e->after), 0);
    MODEL_EQ(cconc_ctx_wait(e->made, NULL), 0);
    MODEL_EQ(cconc_ctx_err(e->made), ETIMEDOUT);
    cconc_after_free(e->after);
    cconc_ctx_free(e->made);
    MODEL_EQ(e->ran, before + 1);
    MODEL_EQ(cconc_shutdown(NULL), 0);
}

static void uses_a_deadline(void *arg)
{
    env *e = arg;
    MODEL_EQ(cconc_ctx_with_timeout(NULL, 1000, &e->ctx), 0);
    MODEL_EQ(cconc_ctx_wait(e->ctx, NULL), 0);
    cconc_ctx_free(e->ctx);
}

/* Wherever a thread that starts and uses the timer service is. */
MODEL_SCENARIO(process_fork_meets_a_deadline, .bound = 2, .covers = "X3")
{
    env *e = env_new();
    model_spawn(uses_a_deadline, e);
    model_fork();
    goes_on(e);
}

static void does_nothing(void *arg)
{
    (void)arg;
}

static void uses_a_task(void *arg)
{
    env *e = arg;
    MODEL_EQ(cconc_waitgroup_go(&e->wg, does_nothing, e), 0);
    MODEL_EQ(cconc_waitgroup_wait(&e->wg, NULL), 0);
}

/* And the executor's. */
MODEL_SCENARIO(process_fork_meets_a_task, .bound = 2, .covers = "X3")
{
    env *e = env_new();
    model_spawn(uses_a_task, e);
    model_fork();
    goes_on(e);
}

static void shuts_down(void *arg)
{
    (void)arg;
    MODEL_EQ(cconc_shutdown(NULL), 0);
}

/* A thread that ends the services has claimed that; the child's own shutdown does not wait for
 * it. */
MODEL_SCENARIO(process_fork_meets_a_shutdown, .bound = 2, .covers = "X3")
{
    env *e = env_new();
    uses_a_deadline(e);
    model_settle();
    model_spawn(shuts_down, e);
    model_fork();
    goes_on(e);
}

static void uses_signals(void *arg)
{
    env *e = arg;
    MODEL_EQ(cconc_ctx_with_signals(NULL, NULL, 0, 0, &e->ctx), 0);
    model_set(&e->told, 1);
}

/* A signal context of the parent's hears nothing in the child, a new one does. */
MODEL_SCENARIO(process_fork_leaves_signals, .covers = "X3")
{
    env *e = env_new();
    uses_signals(e);
    model_settle();
    model_fork();
    MODEL_EQ(cconc_fork_child(), 0);
    model_raise(SIGINT);
    MODEL_EQ(cconc_ctx_err(e->ctx), 0);
    MODEL_EQ(cconc_ctx_with_signals(NULL, NULL, 0, 0, &e->made), 0);
    cconc_ctx_cancel(e->ctx); /* takes no hook of the new one's */
    model_raise(SIGINT);
    MODEL_EQ(cconc_ctx_wait(e->made, NULL), 0);
    MODEL_EQ(cconc_ctx_signal(e->made), SIGINT);
    MODEL_EQ(cconc_ctx_signal(e->ctx), 0);
    cconc_ctx_free(e->made);
    cconc_ctx_free(e->ctx);
}

/* Wherever the thread that makes it is. */
MODEL_SCENARIO(process_fork_meets_a_signal_context, .covers = "X3")
{
    env *e = env_new();
    model_spawn(uses_signals, e);
    model_fork();
    refused_all_that_waits();
    MODEL_EQ(cconc_fork_child(), 0);
    MODEL_EQ(cconc_ctx_with_signals(NULL, NULL, 0, 0, &e->made), 0);
    model_raise(SIGTERM);
    MODEL_EQ(cconc_ctx_wait(e->made, NULL), 0);
    MODEL_EQ(cconc_ctx_signal(e->made), SIGTERM);
    cconc_ctx_free(e->made);
}

static void runs_on(void *arg)
{
    env *e = arg;
    model_set(&e->told, 1);
    model_await(&e->told, 2);
}

/* A function that runs in the parent is not waited for; timers of its contexts are not touched. */
MODEL_SCENARIO(process_fork_leaves_what_runs, .bound = 2, .faults = MODEL_LATE_TIME,
               .covers = "X3")
{
    env *e = env_new();
    cconc_ctx *far;
    MODEL_EQ(cconc_ctx_with_timeout(NULL, 1000000000, &far), 0);
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    MODEL_EQ(cconc_ctx_after_func(e->ctx, runs_on, e, &e->after), 0);
    cconc_ctx_cancel(e->ctx);
    model_await(&e->told, 1);
    model_settle();
    model_fork();
    MODEL_CHECK(!cconc_after_stop_wait(e->after));
    cconc_ctx_cancel(far);
    MODEL_CHECK(cconc_ctx_err(far) != 0);
    goes_on(e);
    cconc_ctx_free(far);
}
