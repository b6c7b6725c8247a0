/* timer_pairs.c - any call on a timer beside any other
 * SPDX-License-Identifier: MIT
 *
 * Risk     Two calls that nobody thought of together: one start that two of them take back, a value
 *          that is received and prevented, a wait that neither time nor stop nor a start ends.
 * Method   Each call meets each on another thread, on a timer that is due at once, soon or never,
 *          or was stopped; on one that runs a function, also where that function stops it. What
 *          waits ends by time. Afterwards each start has been prevented or received, or is there
 *          yet; nobody waits, and the timer does what a new one does.
 * Catches  A count or a flag that one of the ways out of a call leaves behind; a due time that two
 *          calls change half each; a run that nobody owes, or that nobody counts.
 */
#include "chan_actor.h"

/* What the timer is when they meet. */
typedef enum setup { DUE, SOON, NEVER_DUE, STOPPED, SETUPS } setup;

typedef struct place {
    cconc_timer *timer;
    bool         is_started;   /* before they meet */
    bool         stops_itself; /* its function does */
    bool         is_in_time;   /* time passes only when nobody can go on */
    model_word   begun;        /* functions */
    model_word   ended;
    model_word   prevented;    /* starts, by the function */
} place;

/* A thread that makes one call. */
typedef struct caller {
    place     *at;
    cconc_ctx *ctx;
    int        started;   /* how often */
    int        prevented; /* starts taken back */
    int        received;
    bool       timed_out;
    model_word waits;     /* for the value alone, now */
} caller;

static void receives(caller *c, int err, int64_t due_ns)
{
    if (err == 0) {
        MODEL_CHECK(due_ns >= MODEL_START && due_ns <= model_now());
        MODEL_CHECK(!c->at->is_in_time || due_ns == model_now());
        c->received++;
    } else {
        MODEL_EQ(due_ns, 0);
        c->timed_out = err == ETIMEDOUT;
    }
}

static void waits(caller *c)
{
    int64_t due_ns = 0;
    int err;
    model_set(&c->waits, 1);
    err = cconc_timer_wait(c->at->timer, c->ctx, &due_ns);
    model_set(&c->waits, 0);
    MODEL_CHECK(err == 0 || err == ETIMEDOUT || err == EPIPE);
    MODEL_CHECK(err != ETIMEDOUT || cconc_ctx_err(c->ctx));
    receives(c, err, due_ns);
}

static void tries_to_wait(caller *c)
{
    int64_t due_ns = 0;
    int err = cconc_timer_try_wait(c->at->timer, &due_ns);
    MODEL_CHECK(err == 0 || err == EAGAIN || err == EPIPE);
    receives(c, err, due_ns);
}

static void stops(caller *c)
{
    c->prevented += cconc_timer_stop(c->at->timer) ? 1 : 0;
}

static void stops_and_waits(caller *c)
{
    c->prevented += cconc_timer_stop_wait(c->at->timer) ? 1 : 0;
}

static void resets_to(caller *c, int64_t delay_ns)
{
    c->prevented += cconc_timer_reset(c->at->timer, delay_ns) ? 1 : 0;
    c->started++;
}

static void resets_to_now(caller *c)
{
    resets_to(c, 0);
}

static void resets_to_soon(caller *c)
{
    resets_to(c, CCONC_MS / 4);
}

static void resets_to_never(caller *c)
{
    resets_to(c, CCONC_NEVER);
}

static void counts_waiters(caller *c)
{
    MODEL_CHECK(cconc_timer_waiters(c->at->timer) <= 2);
}

static void selects_it(caller *c, uint32_t flags)
{
    int64_t due_ns = 0;
    size_t fired = 9;
    cconc_select_case cases[] = {cconc_select_timer(c->at->timer, &due_ns),
                                 cconc_select_done(c->ctx)};
    int err = cconc_select(cases, 2, flags, &fired);
    MODEL_CHECK(err == 0 || err == ETIMEDOUT || (flags && err == EAGAIN));
    MODEL_EQ(fired, err == 0 ? 0 : err == ETIMEDOUT ? 1 : 9);
    receives(c, err, due_ns);
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
    waits,           tries_to_wait,  stops,   stops_and_waits, resets_to_now, resets_to_soon,
    resets_to_never, counts_waiters, selects, tries_to_select,
};

enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static void makes_any_call(void *arg)
{
    calls[model_choose(CALLS)](arg);
}

static caller *caller_new(place *at)
{
    caller *c = model_zalloc(sizeof(*c));
    c->at = at;
    c->ctx = actor_limit(CCONC_MS);
    return c;
}

/* All wait that are to wait: not for a value that is there, nor for one of a stopped timer. */
static void check_who_waits(place *at, caller **all, uint32_t others)
{
    int err;
    model_settle();
    err = cconc_timer_try_wait(at->timer, NULL);
    if (err == 0) {
        all[0]->received++;
        MODEL_EQ(cconc_timer_waiters(at->timer), 0);
    }
    for (uint32_t i = 1; i <= others && err == EPIPE; i++) {
        MODEL_EQ(model_get(&all[i]->waits), 0);
    }
}

/* call on this thread, what run chooses on others; functions may run yet. Returns how many starts
 * are left: neither taken back nor received. */
static int meet(place *at, void (*call)(caller *c), void (*run)(void *arg), uint32_t others)
{
    caller *all[3] = {caller_new(at), NULL, NULL};
    int left = at->is_started ? 1 : 0;
    for (uint32_t i = 1; i <= others; i++) {
        all[i] = caller_new(at);
        model_spawn(run, all[i]);
    }
    call(all[0]);
    if (at->is_in_time) {
        check_who_waits(at, all, others);
    }
    model_join_all();
    for (uint32_t i = 0; i <= others; i++) {
        MODEL_CHECK(!at->is_in_time || !all[i]->timed_out ||
                    cconc_timer_try_wait(at->timer, NULL) != 0);
        left += all[i]->started - all[i]->prevented - all[i]->received;
    }
    MODEL_EQ(cconc_timer_waiters(at->timer), 0);
    return left;
}

/* ---- waited timers --------------------------------------------------------------------------- */

/* Stopped, then started; its value can be had once, and a wait is ended by its context. */
static void must_be_as_new(cconc_timer *timer)
{
    int64_t due_ns = 0;
    MODEL_EQ(cconc_timer_try_wait(timer, NULL), EPIPE);
    MODEL_EQ(cconc_timer_wait(timer, NULL, NULL), EPIPE);
    MODEL_CHECK(!cconc_timer_reset(timer, 0));
    MODEL_EQ(cconc_timer_try_wait(timer, &due_ns), 0);
    MODEL_EQ(due_ns, model_now());
    MODEL_EQ(cconc_timer_try_wait(timer, NULL), EAGAIN);
    MODEL_CHECK(!cconc_timer_reset(timer, CCONC_SECOND));
    MODEL_EQ(cconc_timer_wait(timer, actor_limit(3 * CCONC_MS), NULL), ETIMEDOUT);
    MODEL_CHECK(cconc_timer_reset(timer, CCONC_MS));
    due_ns = model_now() + CCONC_MS;
    MODEL_EQ(cconc_timer_wait(timer, NULL, NULL), 0);
    MODEL_EQ(model_now(), due_ns);
}

static void meet_waited(void (*call)(caller *c), uint32_t others, bool is_in_time)
{
    static const int64_t delays_ns[SETUPS] = {0, CCONC_MS / 2, CCONC_NEVER, 0};
    setup is = (setup)model_choose(SETUPS);
    place *at = model_zalloc(sizeof(*at));
    int left;
    at->is_in_time = is_in_time;
    MODEL_EQ(cconc_timer_new(delays_ns[is], &at->timer), 0);
    at->is_started = is != STOPPED || !cconc_timer_stop(at->timer);
    model_settle(); /* the service's thread sleeps: it is no part of the race */
    left = meet(at, call, makes_any_call, others);
    model_rest();
    MODEL_CHECK(left == 0 || left == 1);
    MODEL_EQ(cconc_timer_stop(at->timer), left);
    must_be_as_new(at->timer);
    cconc_timer_free(at->timer);
}

#define TIMER_PAIR(call)                                                                           \
    MODEL_SCENARIO(timer_pair_##call, .bound = 2, .covers = "T1 T2 T4")                            \
    {                                                                                              \
        meet_waited(call, 1, false);                                                               \
    }

TIMER_PAIR(waits)
TIMER_PAIR(tries_to_wait)
TIMER_PAIR(stops)
TIMER_PAIR(stops_and_waits)
TIMER_PAIR(resets_to_now)
TIMER_PAIR(resets_to_soon)
TIMER_PAIR(resets_to_never)
TIMER_PAIR(counts_waiters)
TIMER_PAIR(selects)
TIMER_PAIR(tries_to_select)

MODEL_SCENARIO(timer_any_three, .bound = 1, .covers = "T1 T2 T4")
{
    meet_waited(calls[model_choose(CALLS)], 2, false);
}

/* What waits sleeps until the due time, whoever has moved that; and no longer. */
MODEL_SCENARIO(timer_any_two_in_time, .bound = 2, .faults = MODEL_LATE_TIME, .covers = "T4 H16")
{
    meet_waited(calls[model_choose(CALLS)], 1, true);
}

MODEL_SCENARIO(timer_any_three_in_time, .bound = 1, .faults = MODEL_LATE_TIME, .covers = "T4 H16")
{
    meet_waited(calls[model_choose(CALLS)], 2, true);
}

/* ---- timers that run a function -------------------------------------------------------------- */

static void runs(void *arg)
{
    place *at = arg;
    (void)model_add(&at->begun, 1);
    if (at->stops_itself && cconc_timer_stop_wait(at->timer)) {
        (void)model_add(&at->prevented, 1);
    }
    (void)model_add(&at->ended, 1);
}

static void is_refused(caller *c)
{
    int64_t due_ns = 0;
    cconc_select_case it = cconc_select_timer(c->at->timer, &due_ns);
    MODEL_EQ(cconc_timer_wait(c->at->timer, c->ctx, &due_ns), EINVAL);
    MODEL_EQ(cconc_timer_try_wait(c->at->timer, &due_ns), EINVAL);
    MODEL_EQ(cconc_select(&it, 1, 0, NULL), EINVAL);
    MODEL_EQ(due_ns, 0);
    MODEL_EQ(cconc_timer_waiters(c->at->timer), 0);
}

static void (*const func_calls[])(caller *c) = {
    stops, stops_and_waits, resets_to_now, resets_to_soon, resets_to_never, is_refused,
};

enum { FUNC_CALLS = sizeof(func_calls) / sizeof(func_calls[0]) };

static void makes_any_func_call(void *arg)
{
    func_calls[model_choose(FUNC_CALLS)](arg);
}

/* Its function runs once for a start, and not for one that was taken back. */
static void must_run_as_new(place *at)
{
    uint32_t ran = model_get(&at->ended);
    at->stops_itself = false;
    MODEL_CHECK(!cconc_timer_reset(at->timer, CCONC_NEVER));
    MODEL_CHECK(cconc_timer_reset(at->timer, 0));
    model_await(&at->ended, ran + 1);
    MODEL_CHECK(!cconc_timer_stop_wait(at->timer));
    MODEL_EQ(model_get(&at->begun), ran + 1);
}

static void meet_running(void (*call)(caller *c), uint32_t others)
{
    static const int64_t delays_ns[] = {0, CCONC_MS / 4, CCONC_NEVER};
    place *at = model_zalloc(sizeof(*at));
    uint32_t how = model_choose(4);
    int left;
    at->is_started = true;
    at->stops_itself = how == 3;
    MODEL_EQ(cconc_timer_new_func(delays_ns[how % 3], runs, at, &at->timer), 0);
    left = meet(at, call, makes_any_func_call, others);
    left -= cconc_timer_stop_wait(at->timer) ? 1 : 0; /* whatever runs yet */
    left -= (int)model_get(&at->prevented);
    MODEL_EQ(model_get(&at->ended), left);
    model_rest();
    MODEL_EQ(model_get(&at->begun), left);
    must_run_as_new(at);
    cconc_timer_free(at->timer);
}

#define TIMER_FUNC_PAIR(call)                                                                      \
    MODEL_SCENARIO(timer_func_pair_##call, .bound = 2, .covers = "T1 T2 C12")                      \
    {                                                                                              \
        meet_running(call, 1);                                                                     \
    }

TIMER_FUNC_PAIR(stops)
TIMER_FUNC_PAIR(stops_and_waits)
TIMER_FUNC_PAIR(resets_to_now)
TIMER_FUNC_PAIR(resets_to_soon)
TIMER_FUNC_PAIR(resets_to_never)
TIMER_FUNC_PAIR(is_refused)

MODEL_SCENARIO(timer_func_any_three, .bound = 1, .covers = "T1 T2 C12")
{
    meet_running(func_calls[model_choose(FUNC_CALLS)], 2);
}
