/* once_pairs.c - any call on a once beside any other
 * SPDX-License-Identifier: MIT
 *
 * Risk     Two forms of run that nobody thought of together: one keeps its code and one does not,
 *          one has a value and one has none, one ends its thread.
 * Method   Each call meets each on another thread, on a once that is new, or done. What waits ends
 *          with the run, by time, or is cancelled. Afterwards one code at most is kept, each caller
 *          has had it or that of a run that really was, nobody is queued, a value is destroyed
 *          once, and the once still does what a new one does.
 * Catches  A second run beside the first, or after one that is kept; a code or a value of another
 *          run; a waiter whom the end of a run forgets.
 */
#include "limit.h"

/* What all callers share. What is not a word changes in runs alone, which follow each other. */
typedef struct env {
    cconc_once *once;
    model_word  moment;   /* where others may come in between */
    bool        is_inside;
    bool        is_kept;
    int         code;    /* that is kept */
    bool        failed;  /* some run has */
    bool        exited;
    void       *value;   /* that is kept */
    int         thing;   /* what a value points to: how often it was destroyed */
} env;

/* A thread that makes one call. */
typedef struct caller {
    env           *e;
    cconc_ctx     *own;   /* can be cancelled */
    cconc_ctx     *ctx;   /* the same, or one below it that ends by time */
    struct caller *next;  /* of all, in a circle */
    bool           is_main;
    bool           keeps; /* the code of its run */
    int            code;  /* that its run comes to; ECANCELED = ends its thread */
    int            err;   /* what the call came to */
} caller;

/* The function of all runs: it meets no other, and none comes after one that is kept. */
static int happens(cconc_ctx *ctx, void *arg)
{
    caller *c = arg;
    env *e = c->e;
    MODEL_CHECK(!e->is_inside && !e->is_kept);
    e->is_inside = true;
    (void)model_get(&e->moment);
    MODEL_CHECK(!c->keeps || cconc_ctx_err(ctx) == 0);
    e->is_kept = c->keeps || c->code == 0;
    e->code = c->code;
    e->failed = e->failed || c->code == EIO;
    e->exited = e->exited || c->code == ECANCELED;
    e->is_inside = false;
    if (c->code == ECANCELED && !c->is_main) {
        model_exit_thread();
    }
    return c->code;
}

static int makes_thing(cconc_ctx *ctx, void *arg, void **out_value)
{
    caller *c = arg;
    *out_value = &c->e->thing;
    c->e->value = c->code == 0 ? &c->e->thing : NULL;
    return happens(ctx, arg);
}

/* What err is must have a reason; of the codes of runs that are not kept that is seen later. */
static void ends(caller *c, int err)
{
    c->err = err;
    if (err == 0) {
        MODEL_CHECK(c->e->is_kept && c->e->code == 0);
    } else if (err == ETIMEDOUT || err == EINPROGRESS) {
        MODEL_CHECK(cconc_ctx_err(c->ctx) != 0);
    } else {
        MODEL_CHECK(err == EIO || err == ECANCELED);
    }
}

static void runs_to(caller *c, int code)
{
    c->keeps = true;
    c->code = code;
    ends(c, cconc_once_run(c->e->once, c->ctx, happens, c));
}

static void retries_to(caller *c, int code)
{
    c->code = code;
    ends(c, cconc_once_run_retry(c->e->once, c->ctx, happens, c));
}

static void must_be_the_value(caller *c, void *value)
{
    MODEL_CHECK(c->err ? value == c : value == c->e->value);
}

static void values_to(caller *c, int code)
{
    void *value = c;
    c->keeps = true;
    c->code = code;
    ends(c, cconc_once_value(c->e->once, c->ctx, makes_thing, c, &value));
    must_be_the_value(c, value);
}

static void value_retries_to(caller *c, int code)
{
    void *value = c;
    c->code = code;
    ends(c, cconc_once_value_retry(c->e->once, c->ctx, makes_thing, c, &value));
    must_be_the_value(c, value);
}

static void runs(caller *c)
{
    runs_to(c, 0);
}

static void runs_and_fails(caller *c)
{
    runs_to(c, EIO);
}

static void runs_and_exits(caller *c)
{
    runs_to(c, ECANCELED);
}

static void retries(caller *c)
{
    retries_to(c, 0);
}

static void retries_and_fails(caller *c)
{
    retries_to(c, EIO);
}

static void retries_and_exits(caller *c)
{
    retries_to(c, ECANCELED);
}

static void makes_a_value(caller *c)
{
    values_to(c, 0);
}

static void makes_no_value(caller *c)
{
    values_to(c, EIO);
}

static void retries_a_value(caller *c)
{
    value_retries_to(c, 0);
}

static void retries_no_value(caller *c)
{
    value_retries_to(c, EIO);
}

static void looks_whether_done(caller *c)
{
    if (cconc_once_is_done(c->e->once)) {
        MODEL_CHECK(c->e->is_kept);
    }
}

static void counts_waiters(caller *c)
{
    MODEL_CHECK(cconc_once_waiters(c->e->once) <= 2);
}

/* No call on the once, but one that those who wait can meet. */
static void cancels_next(caller *c)
{
    cconc_ctx_cancel(c->next->own);
}

static void (*const calls[])(caller *c) = {
    runs,
    runs_and_fails,
    runs_and_exits,
    retries,
    retries_and_fails,
    retries_and_exits,
    makes_a_value,
    makes_no_value,
    retries_a_value,
    retries_no_value,
    looks_whether_done,
    counts_waiters,
    cancels_next,
};

enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static void makes_any_call(void *arg)
{
    calls[model_choose(CALLS)](arg);
}

/* Of a once that is done from the start. */
static int makes_first_thing(cconc_ctx *ctx, void *arg, void **out_value)
{
    env *e = arg;
    (void)ctx;
    e->is_kept = true;
    e->value = &e->thing;
    *out_value = e->value;
    return 0;
}

static caller *caller_new(env *e, uint32_t number, bool is_timed)
{
    caller *c = model_zalloc(sizeof(*c));
    c->e = e;
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &c->own), 0);
    c->ctx = is_timed ? limit(c->own, CCONC_MS) : c->own;
    c->next = c;
    c->is_main = number == 0;
    return c;
}

static env *env_new(void)
{
    env *e = model_zalloc(sizeof(*e));
    e->once = model_zalloc(sizeof(*e->once));
    return e;
}

/* The code of a run came from one that was. */
static void must_have_had_a_reason(const caller *c)
{
    MODEL_CHECK(c->err != EIO || c->e->failed);
    MODEL_CHECK(c->err != ECANCELED || c->e->exited || cconc_ctx_err(c->ctx) == ECANCELED);
}

static void destroys(void *value)
{
    int *destroyed = value;
    ++*destroyed;
}

/* What is kept stays, is destroyed once, and all begins anew. */
static void must_be_as_new(env *e)
{
    caller *last = caller_new(e, 0, false);
    void *value = NULL;
    MODEL_EQ(cconc_once_waiters(e->once), 0);
    MODEL_EQ(cconc_once_is_done(e->once), e->is_kept);
    if (e->is_kept) {
        MODEL_EQ(cconc_once_run(e->once, NULL, happens, last), e->code);
        MODEL_EQ(cconc_once_value(e->once, NULL, makes_thing, last, &value), e->code);
        MODEL_CHECK(value == e->value);
    }
    cconc_once_reset(e->once, destroys);
    MODEL_EQ(e->thing, value ? 1 : 0);
    e->is_kept = false;
    MODEL_EQ(cconc_once_is_done(e->once), false);
    MODEL_EQ(cconc_once_value_retry(e->once, NULL, makes_thing, last, &value), 0);
    MODEL_CHECK(e->is_kept && value == &e->thing);
    cconc_once_destroy(e->once);
    cconc_ctx_free(last->own);
}

static void meet(void (*call)(caller *c), uint32_t count)
{
    env *e = env_new();
    bool is_timed = model_choose(2) == 1;
    caller *all[3];
    if (model_choose(2) == 1) {
        MODEL_EQ(cconc_once_value(e->once, NULL, makes_first_thing, e, NULL), 0);
    }
    for (uint32_t i = 0; i < count; i++) {
        all[i] = caller_new(e, i, is_timed);
    }
    for (uint32_t i = 0; i < count; i++) {
        all[i]->next = all[(i + 1) % count];
    }
    for (uint32_t i = 1; i < count; i++) {
        model_spawn(makes_any_call, all[i]);
    }
    call(all[0]);
    model_join_all();
    model_rest();
    for (uint32_t i = 0; i < count; i++) {
        must_have_had_a_reason(all[i]);
        cconc_ctx_free(all[i]->own);
    }
    must_be_as_new(e);
    model_free(e->once);
}

#define ONCE_PAIR(call)                                                                            \
    MODEL_SCENARIO(once_pair_##call, .bound = 2, .covers = "O1 O2 H20")                            \
    {                                                                                              \
        meet(call, 2);                                                                             \
    }

ONCE_PAIR(runs)
ONCE_PAIR(runs_and_fails)
ONCE_PAIR(runs_and_exits)
ONCE_PAIR(retries)
ONCE_PAIR(retries_and_fails)
ONCE_PAIR(retries_and_exits)
ONCE_PAIR(makes_a_value)
ONCE_PAIR(makes_no_value)
ONCE_PAIR(retries_a_value)
ONCE_PAIR(retries_no_value)
ONCE_PAIR(looks_whether_done)
ONCE_PAIR(counts_waiters)
ONCE_PAIR(cancels_next)

MODEL_SCENARIO(once_any_three, .bound = 1, .covers = "O1 O2 H20")
{
    meet(calls[model_choose(CALLS)], 3);
}
