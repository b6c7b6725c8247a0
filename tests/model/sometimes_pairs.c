/* sometimes_pairs.c - any call on a sometimes beside any other
 * SPDX-License-Identifier: MIT
 *
 * Risk     Two calls that nobody thought of together: one that gives up while the run before it
 *          ends its thread, one that counts though it was refused.
 * Method   Each call meets each on another thread, under each filter. What waits ends with the run
 *          before it, by time, or is cancelled. Afterwards as many have run as the filter says, one
 *          after the other, and the sometimes still does what a new one does.
 * Catches  A permit that one of the ways out of a call keeps; a call that counts twice or never.
 */
#include "limit.h"

/* What all callers share. What is not a word changes in runs alone, which follow each other. */
typedef struct env {
    cconc_sometimes *some;
    model_word       moment; /* where others may come in between */
    model_word       calls;  /* that were let in */
    bool             is_inside;
    uint32_t         runs;
} env;

/* A thread that makes one call. */
typedef struct caller {
    env           *e;
    cconc_ctx     *own;     /* can be cancelled */
    cconc_ctx     *ctx;     /* the same, or one below it that ends by time */
    struct caller *next;    /* of all, in a circle */
    bool           exits;   /* its run ends the thread, which is not the first */
    bool           has_run;
} caller;

static void happens(void *arg)
{
    caller *c = arg;
    MODEL_CHECK(!c->e->is_inside);
    c->e->is_inside = true;
    (void)model_get(&c->e->moment);
    c->e->runs++;
    c->has_run = true;
    c->e->is_inside = false;
    if (c->exits) {
        (void)model_add(&c->e->calls, 1);
        model_exit_thread();
    }
}

static void does(caller *c)
{
    bool has_run = false;
    int err = cconc_sometimes_do(c->e->some, c->ctx, happens, c, &has_run);
    MODEL_CHECK(err == 0 || err == ETIMEDOUT || err == ECANCELED);
    MODEL_EQ(err == 0 ? 0 : cconc_ctx_err(c->ctx), err);
    MODEL_EQ(has_run, c->has_run);
    MODEL_CHECK(err == 0 || !has_run);
    (void)model_add(&c->e->calls, err == 0);
}

static void does_and_exits(caller *c)
{
    c->exits = true;
    does(c);
}

/* No call on the sometimes, but one that those who wait can meet. */
static void cancels_next(caller *c)
{
    cconc_ctx_cancel(c->next->own);
}

static void (*const calls[])(caller *c) = {does, does_and_exits, cancels_next};

enum { CALLS = sizeof(calls) / sizeof(calls[0]), FILTERS = 4 };

static void makes_any_call(void *arg)
{
    calls[model_choose(CALLS)](arg);
}

static caller *caller_new(env *e, bool is_timed)
{
    caller *c = model_zalloc(sizeof(*c));
    c->e = e;
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &c->own), 0);
    c->ctx = is_timed ? limit(c->own, CCONC_MS) : c->own;
    return c;
}

/* How many of so many calls run; the interval is longer than all that happens here. */
static uint32_t runs_of(uint32_t filter, uint32_t count)
{
    switch (filter) {
    case 1:
        return count < 2 ? count : 2;
    case 2:
        return (count + 1) / 2;
    default:
        return count < 1 ? 0 : 1;
    }
}

static void meet(void (*call)(caller *c), uint32_t count)
{
    static const cconc_sometimes_opts filters[FILTERS] = {
        {0, 0, 0, {0}}, {.first = 2}, {.every = 2}, {.interval_ns = CCONC_SECOND}};
    uint32_t filter = model_choose(FILTERS);
    bool is_timed = model_choose(2) == 1;
    env *e = model_zalloc(sizeof(*e));
    caller last = {.e = e};
    caller *all[3];
    uint32_t let_in;
    MODEL_EQ(cconc_sometimes_new(&filters[filter], &e->some), 0);
    for (uint32_t i = 0; i < count; i++) {
        all[i] = caller_new(e, is_timed);
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
    let_in = model_get(&e->calls);
    MODEL_EQ(e->runs, runs_of(filter, let_in));
    for (uint32_t i = 1; i <= 2; i++) {
        MODEL_EQ(cconc_sometimes_do(e->some, NULL, happens, &last, NULL), 0);
        MODEL_EQ(e->runs, runs_of(filter, let_in + i));
    }
    for (uint32_t i = 0; i < count; i++) {
        cconc_ctx_free(all[i]->own);
    }
    cconc_sometimes_free(e->some);
}

MODEL_SCENARIO(sometimes_pair_does, .bound = 2, .covers = "O1 H20 S8")
{
    meet(does, 2);
}

MODEL_SCENARIO(sometimes_any_three, .bound = 1, .covers = "O1 H20 S8")
{
    meet(does, 3);
}
