/* process.c - interleavings of what all share: the library's threads start, work, end.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A shutdown that misses work, or waits for ever; a thread that is made twice, or not
 *          joined; work that is accepted and never done; settings that come between.
 * Method   Scenarios of the deterministic tester: shutdown meets whatever starts the threads, and
 *          what they do.
 * Catches  G7 W3 W6 W12 W15 W16 W18; rules proc-3 proc-5 env-3 all-5 all-11.
 */
#include "model.h"

#include <signal.h>

typedef struct env {
    cconc_ctx *ctx;
    cconc_ctx *two;
    cconc_after *after;
    cconc_waitgroup wg;
    model_word told;
    model_word go;
    int ran;
    int err[4];
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
    model_set(&e->told, 1);
}

/* ---- shutdown and work ----------------------------------------------------------------------- */

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
    env *e = env_new();
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    MODEL_EQ(cconc_ctx_after_func(e->ctx, counts, e, &e->after), 0);
    model_spawn(shuts_down, e);
    cconc_ctx_cancel(e->ctx);
    cconc_after_free(e->after);
    cconc_ctx_free(e->ctx);
    model_join_all();
    MODEL_EQ(e->ran, 1);
}

/* The same for a task: it is begun, and its thread joined, or begun on a new one (W16, W18). */
MODEL_SCENARIO(process_shutdown_meets_a_task, .bound = 2, .goals = "before after",
               .covers = "W6 W16 W18")
{
    env *e = env_new();
    model_spawn(shuts_down, e);
    MODEL_EQ(cconc_waitgroup_go(&e->wg, counts, e), 0);
    MODEL_EQ(cconc_waitgroup_wait(&e->wg, NULL), 0);
    MODEL_EQ(e->ran, 1);
    model_join_all();
}

static void shuts_down_too(void *arg)
{
    env *e = arg;
    MODEL_EQ(cconc_shutdown(NULL), 0);
    e->err[1] = 1;
}

/* Two at a time: each thread is joined once, and nobody goes round and round:
 *
 *     shutdown 1                        shutdown 2
 *     the timer service is STOPPING,
 *     begins to join its thread
 *                                       nothing is busy; the service cannot be stopped now;
 *                                       nothing is busy; ... */
MODEL_SCENARIO(process_two_shutdowns, .covers = "W12")
{
    env *e = env_new();
    MODEL_EQ(cconc_ctx_with_timeout(NULL, 1000, &e->ctx), 0);
    cconc_ctx_free(e->ctx);
    model_spawn(shuts_down_too, e);
    MODEL_EQ(cconc_shutdown(NULL), 0);
    model_join_all();
    MODEL_EQ(e->err[1], 1);
}

/* With an idle thread of the executor: whoever is second does not return before it has gone. */
MODEL_SCENARIO(process_two_shutdowns_of_an_idle_thread, .bound = 2, .covers = "W12")
{
    env *e = env_new();
    MODEL_EQ(cconc_waitgroup_go(&e->wg, counts, e), 0);
    MODEL_EQ(cconc_waitgroup_wait(&e->wg, NULL), 0);
    model_settle();
    model_spawn(shuts_down_too, e);
    MODEL_EQ(cconc_shutdown(NULL), 0);
    MODEL_EQ(model_library_threads(), 0);
    model_join_all();
    MODEL_EQ(e->err[1], 1);
}

static void makes_and_frees_a_deadline(void *arg)
{
    env *e = arg;
    MODEL_EQ(cconc_ctx_with_timeout(NULL, 1000, &e->two), 0);
    cconc_ctx_free(e->two);
}

/* The service starts while another thread ends it: it is there for the deadline, or again. */
MODEL_SCENARIO(process_shutdown_meets_a_deadline, .covers = "W3 W6")
{
    env *e = env_new();
    model_spawn(makes_and_frees_a_deadline, e);
    MODEL_EQ(cconc_shutdown(NULL), 0);
    model_join_all();
}

/* Two start it: one thread is made, and both deadlines are kept. */
MODEL_SCENARIO(process_two_start_the_service, .covers = "W6")
{
    env *e = env_new();
    model_spawn(makes_and_frees_a_deadline, e);
    MODEL_EQ(cconc_ctx_with_timeout(NULL, 2000, &e->ctx), 0);
    MODEL_CHECK(model_library_threads() <= 1);
    model_join_all();
    model_rest();
    MODEL_EQ(cconc_ctx_wait(e->ctx, NULL), 0);
    MODEL_CHECK(model_now() >= MODEL_START + 2000);
    cconc_ctx_free(e->ctx);
}

/* ---- shutdown that does not come to its end -------------------------------------------------- */

static void cancels(void *arg)
{
    env *e = arg;
    cconc_ctx_cancel(e->ctx);
}

/* It waits for a deadline far away, and its own context ends: nothing was stopped (proc-5). */
MODEL_SCENARIO(process_shutdown_is_cancelled, .covers = "C15")
{
    env *e = env_new();
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    MODEL_EQ(cconc_ctx_with_timeout(NULL, 1000000, &e->two), 0);
    model_settle();
    model_spawn(cancels, e);
    e->err[0] = cconc_shutdown(e->ctx);
    MODEL_CHECK(e->err[0] == ECANCELED || model_now() >= MODEL_START + 1000000);
    MODEL_CHECK(e->err[0] == ECANCELED || e->err[0] == 0);
    model_join_all();
    model_rest();
    MODEL_EQ(cconc_ctx_wait(e->two, NULL), 0); /* by its time */
    MODEL_EQ(cconc_ctx_err(e->two), ETIMEDOUT);
    cconc_ctx_free(e->two);
    cconc_ctx_free(e->ctx);
}

static void waits_for_go(void *arg)
{
    env *e = arg;
    model_await(&e->go, 1);
    e->ran++;
}

static void lets_go(void *arg)
{
    env *e = arg;
    model_set(&e->go, 1);
}

/* Its time passes while a task runs: its code, or 0 if the task was over. */
MODEL_SCENARIO(process_shutdown_times_out, .goals = "late in_time", .covers = "C15")
{
    env *e = env_new();
    cconc_ctx_mem mem;
    cconc_ctx *until = cconc_ctx_until(&mem, NULL, MODEL_START + 1000);
    MODEL_EQ(cconc_waitgroup_go(&e->wg, waits_for_go, e), 0);
    model_settle();
    model_spawn(lets_go, e);
    e->err[0] = cconc_shutdown(until);
    if (e->err[0]) {
        MODEL_EQ(e->err[0], ETIMEDOUT);
        MODEL_EQ(cconc_ctx_err(until), ETIMEDOUT);
        model_cover("late");
    } else {
        MODEL_EQ(model_get(&e->go), 1);
        model_cover("in_time");
    }
    MODEL_EQ(cconc_waitgroup_wait(&e->wg, NULL), 0);
    MODEL_EQ(e->ran, 1);
    model_join_all();
}

static void shuts_down_inside(void *arg)
{
    env *e = arg;
    e->err[1] = cconc_shutdown(NULL);
}

/* From a library thread, the executor's or the service's own: it could wait for itself alone. */
MODEL_SCENARIO(process_shutdown_from_inside, .faults = MODEL_NO_THREAD,
               .goals = "executor service", .covers = "C12")
{
    env *e = env_new();
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    if (cconc_ctx_after_func(e->ctx, shuts_down_inside, e, &e->after) == 0) {
        cconc_ctx_cancel(e->ctx);
        cconc_after_free(e->after);
        MODEL_EQ(e->err[1], EDEADLK);
        model_cover(model_had_fault(MODEL_NO_THREAD) ? "service" : "executor");
    }
    cconc_ctx_free(e->ctx);
}

/* ---- threads of the executor ----------------------------------------------------------------- */

static void sets(void *arg)
{
    env *e = arg;
    const cconc_executor_opts opts = {.stack_size = 65536, .idle_ns = 1000};
    e->err[1] = cconc_set_executor(&opts);
}

/* Settings come before the first thread, or are refused (env-3). */
MODEL_SCENARIO(process_settings_meet_the_first_task, .bound = 2, .goals = "set busy")
{
    env *e = env_new();
    model_spawn(sets, e);
    MODEL_EQ(cconc_waitgroup_go(&e->wg, counts, e), 0);
    MODEL_EQ(cconc_waitgroup_wait(&e->wg, NULL), 0);
    model_join_all();
    MODEL_CHECK(e->err[1] == 0 || e->err[1] == EBUSY);
    model_cover(e->err[1] ? "busy" : "set");
    MODEL_EQ(e->ran, 1);
}

/* A thread that was idle for its time ends, while a task comes: it is taken all the same (W18). */
MODEL_SCENARIO(process_task_meets_the_idle_end, .covers = "W10 W18")
{
    env *e = env_new();
    cconc_executor_stats stats;
    sets(e);
    MODEL_EQ(cconc_waitgroup_go(&e->wg, counts, e), 0);
    MODEL_EQ(cconc_waitgroup_wait(&e->wg, NULL), 0);
    model_settle();
    model_pass(1000);
    MODEL_EQ(cconc_waitgroup_go(&e->wg, counts, e), 0);
    cconc_executor_read(&stats);
    MODEL_CHECK(stats.threads >= stats.idle && stats.threads_peak >= stats.threads);
    MODEL_CHECK(stats.queued == 0 || stats.threads > 0);
    MODEL_EQ(cconc_waitgroup_wait(&e->wg, NULL), 0);
    MODEL_EQ(e->ran, 2);
}

static void ends_its_thread(void *arg)
{
    env *e = arg;
    e->ran++;
    model_exit_thread();
}

/* A task ends its thread while shutdown waits for it: that one is joined, too (proc-3). */
MODEL_SCENARIO(process_shutdown_meets_the_end_of_a_thread, .covers = "G7 W12")
{
    env *e = env_new();
    MODEL_EQ(cconc_waitgroup_go(&e->wg, ends_its_thread, e), 0);
    MODEL_EQ(cconc_shutdown(NULL), 0);
    MODEL_EQ(model_library_threads(), 0);
    MODEL_EQ(cconc_waitgroup_wait(&e->wg, NULL), 0);
    MODEL_EQ(e->ran, 1);
}

/* ---- signals --------------------------------------------------------------------------------- */

static void makes_and_frees_a_signal_context(void *arg)
{
    env *e = arg;
    MODEL_EQ(cconc_ctx_with_signals(NULL, NULL, 0, 0, &e->two), 0);
    cconc_ctx_free(e->two);
}

/* The signal service, too, is ended when nobody has it, and is there for who comes. */
MODEL_SCENARIO(process_shutdown_meets_a_signal_context, .covers = "W3 W6")
{
    env *e = env_new();
    model_spawn(makes_and_frees_a_signal_context, e);
    MODEL_EQ(cconc_shutdown(NULL), 0);
    model_join_all();
}

/* It waits for a signal context, which the last free ends. */
MODEL_SCENARIO(process_shutdown_waits_for_a_signal_context, .bound = 2, .covers = "W3")
{
    env *e = env_new();
    MODEL_EQ(cconc_ctx_with_signals(NULL, NULL, 0, 0, &e->ctx), 0);
    model_spawn(shuts_down_too, e);
    model_raise(SIGINT);
    MODEL_EQ(cconc_ctx_wait(e->ctx, NULL), 0);
    cconc_ctx_free(e->ctx);
    model_join_all();
    MODEL_EQ(e->err[1], 1);
}

/* ---- rough systems --------------------------------------------------------------------------- */

/* Memory or threads are not to be had: what is refused leaves nothing, what is taken is done. */
MODEL_SCENARIO(process_task_without_memory,
               .faults = MODEL_NO_MEMORY | MODEL_NO_THREAD, .goals = "refused ran",
               .covers = "W15 X4")
{
    env *e = env_new();
    int err = cconc_waitgroup_go(&e->wg, counts, e);
    MODEL_CHECK(err == 0 || err == ENOMEM);
    MODEL_CHECK(err == 0 || model_had_fault(MODEL_NO_MEMORY | MODEL_NO_THREAD));
    MODEL_EQ(cconc_waitgroup_wait(&e->wg, NULL), 0);
    MODEL_EQ(e->ran, err ? 0 : 1);
    model_cover(err ? "refused" : "ran");
}
