/* ctx_deadline.c - interleavings of contexts that time ends, and of sleeps under contexts.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A deadline that ends a context early, twice, or never; a timer that fires for memory
 *          that has gone; a wait that tells of an end that the context does not show.
 * Method   Scenarios of the deterministic tester: time passes before, while and after others
 *          cancel, free, derive, wait.
 * Catches  C2 C5 C6 C11 C15 T4; rules ctx-3 ctx-4 ctx-5 ctx-13 ctx-14 all-5 all-7.
 */
#include "model.h"

typedef struct env {
    cconc_ctx *root;
    cconc_ctx *child;
    cconc_ctx *made;
    cconc_after *after;
    cconc_ctx_mem mem;
    int64_t ended_ns;
    int err[4];
    int code[4];
    model_word told;
} env;

static env *env_new(int64_t timeout_ns)
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_ctx_with_timeout_cause(NULL, timeout_ns, 99, "too slow", &e->root), 0);
    return e;
}

/* One of two ends, and the cause that belongs to it; time has really passed for the one. */
static void check_either(cconc_ctx *ctx, int code_of_cancel, int code_of_time)
{
    const char *message = NULL;
    int err = cconc_ctx_err(ctx);
    int code = cconc_ctx_cause(ctx, &message);
    if (err == ETIMEDOUT) {
        model_cover("late");
        MODEL_EQ(code, code_of_time);
        MODEL_CHECK(code != 99 || strcmp(message, "too slow") == 0);
        MODEL_CHECK(model_now() >= MODEL_START + 1000);
    } else {
        model_cover("cancelled");
        MODEL_EQ(err, ECANCELED);
        MODEL_EQ(code, code_of_cancel);
    }
}

/* ---- time against cancel --------------------------------------------------------------------- */

static void cancels_with_77(void *arg)
{
    env *e = arg;
    cconc_ctx_cancel_cause(e->root, 77, NULL);
    check_either(e->root, 77, 99);
}

/* The service's thread and a canceller: one end, with its own cause, for good. */
MODEL_SCENARIO(ctx_deadline_meets_cancel, .goals = "late cancelled", .covers = "C2 C15")
{
    env *e = env_new(1000);
    model_settle();
    model_spawn(cancels_with_77, e);
    model_pass(1000);
    model_join_all();
    check_either(e->root, 77, 99);
    model_rest();
    cconc_ctx_free(e->root);
}

/* The last handle goes while the timer fires. */
static void frees_root(void *arg)
{
    env *e = arg;
    cconc_ctx_free(e->root);
}

MODEL_SCENARIO(ctx_deadline_meets_last_free, .covers = "C11")
{
    env *e = env_new(1000);
    MODEL_EQ(cconc_ctx_with_cancel(e->root, &e->child), 0);
    model_settle();
    model_spawn(frees_root, e);
    model_pass(1000);
    model_settle();
    MODEL_CHECK(cconc_ctx_err(e->child) != 0);
    cconc_ctx_free(e->child);
    model_join_all();
}

/* A child with a deadline of its own: its timer is disarmed, or has fired. */
MODEL_SCENARIO(ctx_deadline_of_a_child_meets_cancel, .goals = "late cancelled",
               .covers = "C5 C6")
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->root), 0);
    MODEL_EQ(cconc_ctx_with_timeout(e->root, 1000, &e->child), 0);
    model_settle();
    model_pass(1000);
    cconc_ctx_cancel_cause(e->root, 77, NULL);
    check_either(e->child, 77, ETIMEDOUT);
    cconc_ctx_free(e->child);
    cconc_ctx_free(e->root);
}

static void derives_with_timeout(void *arg)
{
    env *e = arg;
    MODEL_EQ(cconc_ctx_with_timeout(e->root, 1000, &e->made), 0);
    model_cover(cconc_ctx_err(e->made) ? "born_done" : "born_live");
}

/* Made while the parent ends: the room that it has for its timer is given back once. */
MODEL_SCENARIO(ctx_derive_with_deadline_meets_cancel, .goals = "born_done born_live",
               .covers = "C1 C5")
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->root), 0);
    model_spawn(derives_with_timeout, e);
    cconc_ctx_cancel_cause(e->root, 77, NULL);
    model_join_all();
    MODEL_CHECK(cconc_ctx_err(e->made) != 0);
    cconc_ctx_free(e->made);
    cconc_ctx_free(e->root);
}

static void derives_an_expired_one(void *arg)
{
    env *e = arg;
    MODEL_EQ(cconc_ctx_with_timeout_cause(e->root, 0, 99, "too slow", &e->made), 0);
    MODEL_CHECK(cconc_ctx_err(e->made) != 0);
}

/* Born expired, below a parent that ends: in the list of children once or not at all (C5). */
MODEL_SCENARIO(ctx_born_expired_meets_cancel, .exhaustive = true, .goals = "time parent",
               .covers = "C5")
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->root), 0);
    MODEL_EQ(cconc_ctx_with_cancel(e->root, &e->child), 0);
    model_spawn(derives_an_expired_one, e);
    cconc_ctx_cancel_cause(e->root, 77, NULL);
    model_join_all();
    e->code[0] = cconc_ctx_cause(e->made, NULL);
    MODEL_CHECK(e->code[0] == 99 || e->code[0] == 77);
    MODEL_EQ(cconc_ctx_err(e->made), e->code[0] == 99 ? ETIMEDOUT : ECANCELED);
    MODEL_EQ(cconc_ctx_cause(e->child, NULL), 77);
    model_cover(e->code[0] == 99 ? "time" : "parent");
    cconc_ctx_free(e->child);
    cconc_ctx_free(e->made);
    cconc_ctx_free(e->root);
}

/* A child made below a parent whose time has just passed unseen is born done (ctx-1, ctx-4). */
MODEL_SCENARIO(ctx_derive_meets_deadline, .goals = "born_done born_live", .covers = "C1 C6")
{
    env *e = env_new(1000);
    model_settle();
    model_pass(model_choose(2) * 1000);
    MODEL_EQ(cconc_ctx_with_cancel(e->root, &e->made), 0);
    model_cover(cconc_ctx_err(e->made) ? "born_done" : "born_live");
    MODEL_EQ(cconc_ctx_wait(e->made, NULL), 0);
    MODEL_EQ(cconc_ctx_err(e->made), ETIMEDOUT);
    MODEL_EQ(cconc_ctx_cause(e->made, NULL), 99);
    cconc_ctx_free(e->made);
    cconc_ctx_free(e->root);
}

/* ---- waits and sleeps ------------------------------------------------------------------------ */

static void waits(void *arg)
{
    env *e = arg;
    MODEL_EQ(cconc_ctx_wait(e->root, NULL), 0);
    check_either(e->root, 77, 99);
}

/* A wait sees the deadline itself, or is woken: err shows it either way (ctx-5, all-5). */
MODEL_SCENARIO(ctx_wait_meets_deadline, .goals = "late cancelled", .covers = "C15")
{
    env *e = env_new(1000);
    model_settle();
    model_spawn(waits, e);
    model_pass(1000);
    cconc_ctx_cancel_cause(e->root, 77, NULL);
    model_join_all();
    cconc_ctx_free(e->root);
}

static void sleeps_1000(void *arg)
{
    env *e = arg;
    e->err[1] = cconc_ctx_sleep(e->root, 1000);
    e->ended_ns = model_now();
}

/* Slept the whole time, or the context ended: never early (ctx-14). */
MODEL_SCENARIO(ctx_sleep_meets_cancel, .exhaustive = true, .goals = "slept cancelled",
               .covers = "C15")
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->root), 0);
    model_spawn(sleeps_1000, e);
    cconc_ctx_cancel(e->root);
    model_join_all();
    if (e->err[1]) {
        MODEL_EQ(e->err[1], ECANCELED);
        model_cover("cancelled");
    } else {
        MODEL_CHECK(e->ended_ns >= MODEL_START + 1000);
        model_cover("slept");
    }
    cconc_ctx_free(e->root);
}

/* An end far away, then a near one: the service's thread is called for it (T4). It alone can mark
 * the context in time, as nobody waits for it. */
static void notes_time(void *arg)
{
    env *e = arg;
    e->ended_ns = model_now();
    model_set(&e->told, 1);
}

MODEL_SCENARIO(ctx_earlier_deadline_wakes_the_service, .faults = MODEL_LATE_TIME,
               .covers = "T4")
{
    env *e = env_new(1000000);
    MODEL_EQ(cconc_ctx_with_timeout(NULL, 1000, &e->child), 0);
    MODEL_EQ(cconc_ctx_after_func(e->child, notes_time, e, &e->after), 0);
    model_await(&e->told, 1);
    MODEL_CHECK(e->ended_ns >= MODEL_START + 1000);
    MODEL_CHECK(e->ended_ns < MODEL_START + 1000000);
    cconc_after_free(e->after);
    cconc_ctx_free(e->child);
    cconc_ctx_free(e->root);
}

/* ---- contexts on the stack ------------------------------------------------------------------- */

static void reads_stack(void *arg)
{
    env *e = arg;
    e->err[1] = cconc_ctx_err(e->made);
    e->code[1] = cconc_ctx_cause(e->made, NULL);
    e->err[2] = cconc_ctx_err(e->made);
}

/* Readers in two threads agree for good, whether time or the parent was first (ctx-13). */
MODEL_SCENARIO(ctx_until_is_read_by_two, .exhaustive = true, .goals = "late cancelled live",
               .covers = "C2")
{
    env *e = model_zalloc(sizeof(*e));
    int64_t deadline_ns = model_choose(2) ? MODEL_START : MODEL_START + 1000;
    int err;
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->root), 0);
    e->made = cconc_ctx_until(&e->mem, e->root, deadline_ns);
    model_spawn(reads_stack, e);
    cconc_ctx_cancel_cause(e->root, 77, NULL);
    err = cconc_ctx_err(e->made);
    model_join_all();
    MODEL_CHECK(err == ECANCELED || (err == ETIMEDOUT && deadline_ns == MODEL_START));
    MODEL_EQ(cconc_ctx_err(e->made), err);
    MODEL_CHECK(e->err[1] == 0 || e->err[1] == err);
    MODEL_CHECK(e->err[2] == err || (e->err[1] == 0 && e->err[2] == 0));
    MODEL_CHECK(e->code[1] == 0 || e->code[1] == (err == ECANCELED ? 77 : ETIMEDOUT));
    model_cover(err == ECANCELED ? "cancelled" : "late");
    if (!e->err[2]) {
        model_cover("live");
    }
    cconc_ctx_free(e->root);
}

static void sleeps_under_stack(void *arg)
{
    env *e = arg;
    cconc_ctx *until = cconc_ctx_until(&e->mem, e->root, MODEL_START + 500);
    e->err[1] = cconc_ctx_sleep(until, 1000);
    MODEL_EQ(cconc_ctx_err(until), e->err[1]);
    e->ended_ns = model_now();
}

/* A wait under one is ended by the parent or by the deadline; its memory is the caller's again. */
MODEL_SCENARIO(ctx_until_ends_a_sleep, .exhaustive = true, .goals = "late cancelled",
               .covers = "C15")
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->root), 0);
    model_spawn(sleeps_under_stack, e);
    cconc_ctx_cancel(e->root);
    model_join_all();
    MODEL_CHECK(e->err[1] == ECANCELED || e->err[1] == ETIMEDOUT);
    MODEL_CHECK(e->err[1] == ECANCELED || e->ended_ns >= MODEL_START + 500);
    model_cover(e->err[1] == ECANCELED ? "cancelled" : "late");
    cconc_ctx_free(e->root);
}

/* ---- rough systems --------------------------------------------------------------------------- */

/* No memory, or no thread for the service: no context, and nothing is left of it. */
MODEL_SCENARIO(ctx_deadline_without_memory, .faults = MODEL_NO_MEMORY | MODEL_NO_THREAD,
               .goals = "none made", .covers = "X4 W15")
{
    env *e = model_zalloc(sizeof(*e));
    int err = cconc_ctx_with_timeout_cause(NULL, 1000, 99, "too slow", &e->root);
    MODEL_CHECK(err == 0 || (err == ENOMEM && !e->root));
    MODEL_CHECK(err == 0 || model_had_fault(MODEL_NO_MEMORY | MODEL_NO_THREAD));
    model_cover(err ? "none" : "made");
    if (!err) {
        MODEL_EQ(cconc_ctx_wait(e->root, NULL), 0);
        MODEL_EQ(cconc_ctx_err(e->root), ETIMEDOUT);
        cconc_ctx_free(e->root);
    }
}
