/* flight_pairs.c - any call on a table of flights beside any other
 * SPDX-License-Identifier: MIT
 *
 * Risk     Two calls that nobody thought of together: a caller who joins what the other one just
 *          leaves, forgets, lands or lets go.
 * Method   Each call meets each on another thread, for one key: it is free, its result is kept, or
 *          its function runs until all calls are back. What waits ends by time, but for one of the
 *          calls where the function does not wait. Afterwards each argument was dropped once, each
 *          value destroyed once, each result counted for all who got it, and the table still does
 *          what a new one does.
 * Catches  Callers that are counted on one way and not on the other, references that one of the
 *          ways out of a call keeps, keys that stay.
 */
#include "chan_actor.h"

#include "flight_help.h"

typedef struct setup {
    cconc_flight_opts opts;
    bool is_busy; /* a handle is there before all calls, and its flight does not land */
} setup;

static const setup setups[] = {
    {{0}, false},
    {{.keep_ns = CCONC_MS / 2}, false},
    {{.flags = CCONC_FLIGHT_NO_OVERLAP}, true},
    {{.join_max = 2}, true},
    {{.timeout_ns = CCONC_MS / 2}, true},
};

enum { SETUPS = sizeof(setups) / sizeof(setups[0]) };

/* A thread that makes one call, with a part of its own. */
typedef struct caller {
    part         part; /* first */
    const setup *how;
    cconc_chan  *chan;
    part        *first; /* has its result, or a handle, before all calls */
    bool         flies; /* the call has taken its argument */
    bool         has_boarded;
    bool         leaves;  /* before it took what it may have got */
} caller;

/* Blocks where the library sees it, until nobody wants the result. */
static int loads_slowly(cconc_ctx *ctx, void *arg, void **out_value)
{
    (void)cconc_ctx_wait(((part *)arg)->e->other, ctx);
    return part_load(ctx, arg, out_value);
}

static cconc_flight_fn loader(const caller *c)
{
    return c->how->is_busy ? loads_slowly : part_load;
}

static void must_be_a_code(const caller *c)
{
    int code = c->part.code;
    MODEL_CHECK(code == 0 || code == EINPROGRESS || code == ETIMEDOUT ||
                (code == EAGAIN && c->how->opts.join_max > 0));
    MODEL_CHECK((code == 0) == (c->part.result != NULL));
}

static void flies(caller *c, cconc_ctx *ctx)
{
    part *p = &c->part;
    c->flies = true;
    p->code = cconc_flight_do(p->e->set, ctx, "a", 1, loader(c), p, part_drop, &p->result);
    must_be_a_code(c);
}

static void does(caller *c)
{
    flies(c, c->part.ctx);
}

/* Its function may run right here. */
static void does_without_limit(caller *c)
{
    flies(c, c->how->is_busy ? c->part.ctx : NULL);
}

/* Have a handle: the one that is there, or a new one. Returns false if there is none. */
static bool boards(caller *c)
{
    part *p = &c->part;
    int err;
    c->has_boarded = true;
    if (p->call) {
        return true;
    }
    c->flies = true;
    err = cconc_flight_do_async(p->e->set, p->ctx, "a", 1, loader(c), p, part_drop, &p->call);
    MODEL_CHECK(err == 0 || err == ETIMEDOUT || (err == EAGAIN && c->how->opts.join_max > 0));
    return err == 0;
}

static void boards_and_waits(caller *c)
{
    if (boards(c)) {
        part_wait(&c->part, c->part.ctx);
        must_be_a_code(c);
        c->leaves = c->part.code != 0;
        cconc_flight_leave(c->part.call);
    }
}

static void boards_and_leaves(caller *c)
{
    if (boards(c)) {
        cconc_flight_leave(c->part.call);
        c->leaves = true;
    }
}

static void is_told(void *arg, int code, cconc_flight_result *result)
{
    caller *c = arg;
    c->part.code = code;
    c->part.result = result;
    must_be_a_code(c);
    MODEL_EQ(model_add(&c->part.answers, 1), 0);
}

static void boards_and_is_told(caller *c)
{
    if (boards(c)) {
        MODEL_EQ(cconc_flight_then(c->part.call, NULL, is_told, c), 0);
    }
}

static void boards_and_sends(caller *c)
{
    if (boards(c)) {
        MODEL_EQ(cconc_chan_new(sizeof(cconc_flight_outcome), 1, &c->chan), 0);
        MODEL_EQ(cconc_flight_send(c->part.call, NULL, c->chan, c), 0);
    }
}

static void forgets(caller *c)
{
    cconc_flight_forget(c->part.e->set, "a", 1);
}

static void forgets_unshared(caller *c)
{
    (void)cconc_flight_forget_unshared(c->part.e->set, "a", 1);
}

/* Of a result that another thread has: it may be served to others just now. */
static void uses_a_result(caller *c)
{
    cconc_flight_result *result = c->first->result;
    if (result) {
        const item *it;
        MODEL_CHECK(cconc_flight_result_ref(result) == result);
        it = cconc_flight_result_value(result);
        MODEL_EQ(it->destroyed, 0);
        MODEL_CHECK(cconc_flight_result_sharers(result) <= 3);
        (void)cconc_flight_result_is_shared(result);
        cconc_flight_result_unref(result);
    }
}

static void reads(caller *c)
{
    cconc_flight_counts counts;
    cconc_flight_read(c->part.e->set, &counts);
    MODEL_CHECK(counts.flying <= 3 && counts.abandoned <= 3);
    MODEL_CHECK(counts.kept <= 1 && counts.callers <= 3);
}

static void (*const calls[])(caller *c) = {
    does,
    does_without_limit,
    boards_and_waits,
    boards_and_leaves,
    boards_and_is_told,
    boards_and_sends,
    forgets,
    forgets_unshared,
    uses_a_result,
    reads,
};

enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static void makes_any_call(void *arg)
{
    calls[model_choose(CALLS)](arg);
}

static caller *caller_new(env *e, const setup *how, caller *first)
{
    caller *c = model_zalloc(sizeof(*c));
    c->part.e = e;
    c->part.ctx = actor_limit(CCONC_MS);
    c->part.code = -1;
    c->how = how;
    c->first = &(first ? first : c)->part;
    return c;
}

/* The key was flown once before, on the executor; or it flies, and c has the handle. */
static void prepare(caller *first, caller *c)
{
    if (first->how->is_busy) {
        MODEL_CHECK(boards(first));
        c->part.call = first->part.call;
    } else {
        flies(first, first->part.e->ctx);
        c->part.ctx = first->part.e->ctx; /* does not end */
        MODEL_EQ(first->part.code, 0);
    }
    first->part.call = NULL;
    model_settle();
}

/* What was sent to c comes once. */
static void take_outcome(caller *c)
{
    cconc_flight_outcome outcome;
    if (c->chan) {
        MODEL_EQ(cconc_chan_try_recv(c->chan, &outcome), 0);
        MODEL_CHECK(outcome.tag == c);
        c->part.code = outcome.code;
        c->part.result = outcome.result;
        must_be_a_code(c);
        MODEL_EQ(cconc_chan_try_recv(c->chan, &outcome), EAGAIN);
        cconc_chan_free(c->chan);
    }
}

/* Each result says to how many it was given: to those who have it, and some who left. */
static void must_be_shared(const cconc_flight_result *result, caller *const *all, uint32_t count)
{
    uint32_t sharers = cconc_flight_result_sharers(result);
    uint32_t have = 0;
    uint32_t leave = 0;
    for (uint32_t i = 0; i < count; i++) {
        have += all[i]->part.result == result;
        leave += all[i]->leaves;
    }
    MODEL_CHECK(sharers >= have && sharers <= have + leave);
    MODEL_CHECK(sharers == 1 || cconc_flight_result_is_shared(result));
}

static void give_back(caller *const *all, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (all[i]->part.result) {
            must_be_shared(all[i]->part.result, all, count);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        part_unref(&all[i]->part);
    }
}

/* Nobody is left, and the key flies anew. */
static void must_be_as_new(env *e)
{
    caller *last = caller_new(e, &setups[0], NULL);
    cconc_flight_counts counts;
    cconc_flight_forget(e->set, "a", 1);
    cconc_flight_read(e->set, &counts);
    MODEL_EQ(counts.flying, 0);
    MODEL_EQ(counts.abandoned, 0);
    MODEL_EQ(counts.kept, 0);
    MODEL_EQ(counts.callers, 0);
    MODEL_CHECK(cconc_flight_forget_unshared(e->set, "a", 1));
    flies(last, NULL);
    MODEL_EQ(last->part.code, 0);
    MODEL_EQ(last->part.ran, true);
    MODEL_EQ(model_get(&last->part.dropped), 1);
    MODEL_EQ(cconc_flight_result_sharers(last->part.result), 1);
    MODEL_EQ(cconc_flight_result_is_shared(last->part.result), false);
    part_unref(&last->part);
    cconc_flight_forget(e->set, "a", 1);
    MODEL_EQ(last->part.made.destroyed, 1);
}

static void meet(void (*call)(caller *c), uint32_t others)
{
    const setup *how = &setups[model_choose(SETUPS)];
    env *e = env_new(how->opts);
    caller *all[4];
    e->ctx = actor_cancellable();
    e->other = actor_cancellable();
    all[0] = caller_new(e, how, NULL);
    for (uint32_t i = 1; i <= 1 + others; i++) {
        all[i] = caller_new(e, how, all[0]);
    }
    prepare(all[0], all[1]);
    for (uint32_t i = 2; i <= 1 + others; i++) {
        model_spawn(makes_any_call, all[i]);
    }
    call(all[1]);
    model_join_all();
    model_rest();
    cconc_ctx_cancel(e->other);
    if (!all[1]->has_boarded) {
        all[1]->leaves = all[1]->part.call != NULL;
        cconc_flight_leave(all[1]->part.call);
    }
    MODEL_EQ(cconc_shutdown(NULL), 0);
    for (uint32_t i = 0; i <= 1 + others; i++) {
        take_outcome(all[i]);
    }
    give_back(all, 2 + others);
    must_be_as_new(e);
    for (uint32_t i = 0; i <= 1 + others; i++) {
        MODEL_EQ(model_get(&all[i]->part.dropped), all[i]->flies);
        MODEL_EQ(all[i]->part.made.destroyed, all[i]->part.made.payload > 0);
    }
    cconc_flight_free(e->set);
    cconc_ctx_free(e->ctx);
    cconc_ctx_free(e->other);
}

#define FLIGHT_PAIR(call)                                                                          \
    MODEL_SCENARIO(flight_pair_##call, .bound = 1, .covers = "F2 F3 C15")                          \
    {                                                                                              \
        meet(call, 1);                                                                             \
    }

FLIGHT_PAIR(does)
FLIGHT_PAIR(does_without_limit)
FLIGHT_PAIR(boards_and_waits)
FLIGHT_PAIR(boards_and_leaves)
FLIGHT_PAIR(boards_and_is_told)
FLIGHT_PAIR(boards_and_sends)
FLIGHT_PAIR(forgets)
FLIGHT_PAIR(forgets_unshared)
FLIGHT_PAIR(uses_a_result)
FLIGHT_PAIR(reads)

MODEL_SCENARIO(flight_any_three, .bound = 1, .covers = "F2 F3 C15")
{
    meet(calls[model_choose(CALLS)], 2);
}
