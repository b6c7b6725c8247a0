/* ticker_pairs.c - any call on a ticker beside any other
 * SPDX-License-Identifier: MIT
 *
 * Risk     Two calls that nobody thought of together: a tick that two of them have, one from before
 *          a start, a wait that neither a tick nor stop nor a start ends.
 * Method   Each call meets each on another thread, on a ticker that has just started, one with a
 *          tick due at once, one whose ticks are late, and one that was stopped. What waits ends by
 *          time. Afterwards no tick was received twice or lies off the grid, it runs if the last to
 *          start or stop it says so, nobody waits, and it does what a new one does.
 * Catches  A due time that two calls change half each; a flag that one of the ways out of a call
 *          leaves behind; a keeper of the time that leaves nobody in its place.
 */
#include "chan_actor.h"

#define PERIOD (CCONC_MS / 4)

/* What the ticker is when they meet. */
typedef enum setup { STARTED, DUE, LATE, STOPPED, SETUPS } setup;

/* A thread that makes one call. */
typedef struct caller {
    cconc_ticker *ticker;
    cconc_ctx    *ctx;
    int64_t       due_ns;  /* of the tick that it received, or 0 */
    int           started; /* 1 if that started a stopped one, -1 if it stopped a running one */
    bool          is_in_time; /* time passes only when nobody can go on */
    bool          timed_out;
    bool          moved_grid;
    model_word    waits;      /* for a tick alone, now */
} caller;

/* What a call that may receive has come to. */
static void check_tick(caller *c, int err)
{
    if (err == 0) {
        MODEL_CHECK(c->due_ns >= MODEL_START && c->due_ns <= model_now());
        MODEL_CHECK(!c->is_in_time || c->due_ns == model_now());
    } else {
        MODEL_EQ(c->due_ns, 0);
        c->timed_out = err == ETIMEDOUT;
        MODEL_CHECK(err != ETIMEDOUT || cconc_ctx_err(c->ctx));
    }
}

static void waits(caller *c)
{
    int err;
    model_set(&c->waits, 1);
    err = cconc_ticker_wait(c->ticker, c->ctx, &c->due_ns);
    model_set(&c->waits, 0);
    MODEL_CHECK(err == 0 || err == ETIMEDOUT || err == EPIPE);
    check_tick(c, err);
}

static void tries_to_wait(caller *c)
{
    int err = cconc_ticker_try_wait(c->ticker, &c->due_ns);
    MODEL_CHECK(err == 0 || err == EAGAIN || err == EPIPE);
    check_tick(c, err);
}

static void stops(caller *c)
{
    c->started = cconc_ticker_stop(c->ticker) ? -1 : 0;
}

static void resets_to(caller *c, int64_t period_ns)
{
    bool was_running;
    MODEL_EQ(cconc_ticker_reset(c->ticker, period_ns, &was_running), 0);
    c->started = was_running ? 0 : 1;
    c->moved_grid = true;
}

static void resets_to_longer(caller *c)
{
    resets_to(c, 8 * PERIOD);
}

static void resets_to_shorter(caller *c)
{
    resets_to(c, PERIOD / 2);
}

static void counts_waiters(caller *c)
{
    MODEL_CHECK(cconc_ticker_waiters(c->ticker) <= 2);
}

static void selects_it(caller *c, uint32_t flags)
{
    size_t fired = 9;
    cconc_select_case cases[] = {cconc_select_ticker(c->ticker, &c->due_ns),
                                 cconc_select_done(c->ctx)};
    int err = cconc_select(cases, 2, flags, &fired);
    MODEL_CHECK(err == 0 || err == ETIMEDOUT || (flags && err == EAGAIN));
    MODEL_EQ(fired, err == 0 ? 0 : err == ETIMEDOUT ? 1 : 9);
    check_tick(c, err);
}

static void selects(caller *c)
{
    selects_it(c, 0);
}

static void tries_to_select(caller *c)
{
    selects_it(c, CCONC_SELECT_TRY);
}

static void (*const calls[])(caller *c) = {
    waits,          tries_to_wait, stops,           resets_to_longer, resets_to_shorter,
    counts_waiters, selects,       tries_to_select,
};

enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static void makes_any_call(void *arg)
{
    calls[model_choose(CALLS)](arg);
}

static caller *caller_new(cconc_ticker *ticker, bool is_in_time)
{
    caller *c = model_zalloc(sizeof(*c));
    c->ticker = ticker;
    c->is_in_time = is_in_time;
    c->ctx = actor_limit(CCONC_MS);
    return c;
}

static cconc_ticker *ticker_new(setup is)
{
    static const cconc_ticker_opts opts[SETUPS] = {
        [DUE] = {.first_now = true}, [LATE] = {.jitter_ns = PERIOD / 2}, [STOPPED] = {0}};
    cconc_ticker *ticker = NULL;
    MODEL_EQ(cconc_ticker_new(PERIOD, &opts[is], &ticker), 0);
    if (is == STOPPED) {
        MODEL_CHECK(cconc_ticker_stop(ticker));
    }
    model_settle(); /* the service's thread sleeps: it is no part of the race */
    return ticker;
}

/* Stopped, then started: one tick after a period, none before, and none twice. */
static void must_be_as_new(cconc_ticker *ticker)
{
    bool was_running = true;
    int64_t due_ns = 0;
    int64_t wanted_ns;
    MODEL_EQ(cconc_ticker_try_wait(ticker, NULL), EPIPE);
    MODEL_EQ(cconc_ticker_wait(ticker, NULL, NULL), EPIPE);
    MODEL_EQ(cconc_ticker_reset(ticker, CCONC_SECOND, &was_running), 0);
    MODEL_CHECK(!was_running);
    MODEL_EQ(cconc_ticker_wait(ticker, actor_limit(9 * CCONC_MS), NULL), ETIMEDOUT);
    MODEL_EQ(cconc_ticker_reset(ticker, CCONC_MS, NULL), 0);
    wanted_ns = model_now() + CCONC_MS;
    MODEL_EQ(cconc_ticker_wait(ticker, NULL, &due_ns), 0);
    MODEL_CHECK(due_ns >= wanted_ns && due_ns < wanted_ns + PERIOD / 2);
    MODEL_EQ(model_now(), due_ns);
    MODEL_EQ(cconc_ticker_try_wait(ticker, NULL), EAGAIN);
}

/* All wait that are to wait: not for a tick that is there, nor for one of a stopped ticker. */
static void check_who_waits(caller **all, uint32_t others)
{
    int err;
    model_settle();
    err = cconc_ticker_try_wait(all[0]->ticker, NULL);
    MODEL_CHECK(err != 0 || cconc_ticker_waiters(all[0]->ticker) == 0);
    for (uint32_t i = 1; i <= others && err == EPIPE; i++) {
        MODEL_EQ(model_get(&all[i]->waits), 0);
    }
}

/* Each tick was received once, and lies on the grid unless that was moved. */
static void check_ticks(setup is, caller **all, uint32_t others)
{
    bool moved_grid = false;
    for (uint32_t i = 0; i <= others; i++) {
        moved_grid = moved_grid || all[i]->moved_grid;
    }
    for (uint32_t i = 0; i <= others; i++) {
        int64_t late_ns = (all[i]->due_ns - MODEL_START) % PERIOD;
        MODEL_CHECK(moved_grid || all[i]->due_ns == 0 || late_ns <= (is == LATE ? PERIOD / 2 : 0));
        for (uint32_t before = 0; before < i; before++) {
            MODEL_CHECK(all[i]->due_ns == 0 || all[i]->due_ns != all[before]->due_ns);
        }
    }
}

static void meet(void (*call)(caller *c), uint32_t others, bool is_in_time)
{
    setup is = (setup)model_choose(SETUPS);
    cconc_ticker *ticker = ticker_new(is);
    caller *all[3] = {caller_new(ticker, is_in_time), NULL, NULL};
    int running = is == STOPPED ? 0 : 1;
    for (uint32_t i = 1; i <= others; i++) {
        all[i] = caller_new(ticker, is_in_time);
        model_spawn(makes_any_call, all[i]);
    }
    call(all[0]);
    if (is_in_time) {
        check_who_waits(all, others);
    }
    model_join_all();
    model_rest();
    for (uint32_t i = 0; i <= others; i++) {
        MODEL_CHECK(!is_in_time || !all[i]->timed_out || cconc_ticker_try_wait(ticker, NULL) != 0);
        running += all[i]->started;
    }
    check_ticks(is, all, others);
    MODEL_EQ(cconc_ticker_waiters(ticker), 0);
    MODEL_EQ(cconc_ticker_stop(ticker), running);
    must_be_as_new(ticker);
    cconc_ticker_free(ticker);
}

#define TICKER_PAIR(call)                                                                          \
    MODEL_SCENARIO(ticker_pair_##call, .bound = 2, .covers = "T2 T4 T7")                           \
    {                                                                                              \
        meet(call, 1, false);                                                                      \
    }

TICKER_PAIR(waits)
TICKER_PAIR(tries_to_wait)
TICKER_PAIR(stops)
TICKER_PAIR(resets_to_longer)
TICKER_PAIR(resets_to_shorter)
TICKER_PAIR(counts_waiters)
TICKER_PAIR(selects)
TICKER_PAIR(tries_to_select)

MODEL_SCENARIO(ticker_any_three, .bound = 1, .covers = "T2 T4 T7")
{
    meet(calls[model_choose(CALLS)], 2, false);
}

/* What waits sleeps until the tick, whoever has moved that; and no longer. */
MODEL_SCENARIO(ticker_any_two_in_time, .bound = 2, .faults = MODEL_LATE_TIME, .covers = "T4 H16")
{
    meet(calls[model_choose(CALLS)], 1, true);
}

MODEL_SCENARIO(ticker_any_three_in_time, .bound = 1, .faults = MODEL_LATE_TIME, .covers = "T4 H16")
{
    meet(calls[model_choose(CALLS)], 2, true);
}
