/* clock_pairs.c - any call on the clock beside any other, and beside what goes by it
 * SPDX-License-Identifier: MIT
 *
 * Risk     Two calls that nobody thought of together: a clock that two change, a wait or a timer
 *          that goes by one clock and is released by the other, an advance that waits for nothing.
 * Method   Each call meets each on another thread, while the clock is real or virtual, and nothing
 *          is due or a function soon. The real parker is in use: it is what knows of the virtual
 *          clock. Whoever sleeps at the end is released by a last advance, or by time. Afterwards
 *          the clock stands where it was moved to, each start of the timer has been taken back or
 *          run, and the clock can be either and moves as a new one does.
 * Catches  A count of what is owed that stays; a claim of who moves the clock that is not given
 *          back; a sleep that is early, or that nobody ends; a function that advance leaves behind.
 */
#include "model.h"

#define SOON (CCONC_MS / 4)
#define LAST (4 * SOON + 7)

typedef struct place {
    cconc_timer *timer; /* it runs a function */
    bool         began_virtual;
    model_word   ran;
    model_word   ran_at; /* the last time, from MODEL_START on */
} place;

/* A thread that makes one call. */
typedef struct caller {
    place  *at;
    int64_t moved_ns;  /* how far it has moved the clock */
    int64_t slept_ns;  /* how long it slept by the clock, or -1 */
    int     started;   /* the timer */
    int     prevented; /* starts taken back */
    int64_t seen_ns;   /* what it read, or 0 */
    bool    went_real;
} caller;

static void reads(caller *c)
{
    c->seen_ns = cconc_clock_now();
    MODEL_CHECK(c->seen_ns >= MODEL_START && cconc_clock_after(CCONC_NEVER) == CCONC_NEVER);
}

static void counts_waiters(caller *c)
{
    MODEL_CHECK(cconc_clock_waiters() <= 3);
    (void)c;
}

static void goes_virtual(caller *c)
{
    int err = cconc_clock_virtual();
    MODEL_CHECK(err == 0 || err == EBUSY);
    (void)c;
}

static void goes_real(caller *c)
{
    int err = cconc_clock_real();
    MODEL_CHECK(err == 0 || err == EBUSY);
    c->went_real = err == 0;
}

static void advances_by(caller *c, int64_t duration_ns)
{
    int err = cconc_clock_advance(duration_ns);
    MODEL_CHECK(err == 0 || err == EBUSY);
    c->moved_ns = err ? 0 : duration_ns;
}

static void advances(caller *c)
{
    advances_by(c, 2 * SOON + 5);
}

static void advances_by_nothing(caller *c)
{
    advances_by(c, 0);
}

static void sleeps(caller *c)
{
    int64_t before_ns = cconc_clock_now();
    MODEL_EQ(cconc_ctx_sleep(NULL, SOON), 0);
    c->slept_ns = cconc_clock_now() - before_ns;
}

static void starts_timer(caller *c)
{
    c->prevented = cconc_timer_reset(c->at->timer, SOON) ? 1 : 0;
    c->started = 1;
}

static void stops_timer(caller *c)
{
    c->prevented = cconc_timer_stop_wait(c->at->timer) ? 1 : 0;
}

static void (*const calls[])(caller *c) = {
    reads,    counts_waiters,      goes_virtual, goes_real,
    advances, advances_by_nothing, sleeps,       starts_timer,
    stops_timer,
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
    c->slept_ns = -1;
    return c;
}

static void counts(void *arg)
{
    place *at = arg;
    model_set(&at->ran_at, (uint32_t)(cconc_clock_now() - MODEL_START));
    (void)model_add(&at->ran, 1);
}

static place *place_new(void)
{
    place *at = model_zalloc(sizeof(*at));
    at->began_virtual = model_choose(2) == 1;
    if (at->began_virtual) {
        MODEL_EQ(cconc_clock_virtual(), 0);
        model_pass(9 * SOON); /* nobody may see that */
    }
    MODEL_EQ(cconc_timer_new_func(model_choose(2) ? SOON : CCONC_NEVER, counts, at, &at->timer), 0);
    return at;
}

/* The last of all moves: whoever sleeps by the virtual clock sleeps no longer, and what is due has
 * run when it is back. */
static void release_all(place *at)
{
    uint32_t ran;
    int err;
    model_settle();
    err = cconc_clock_advance(LAST);
    ran = model_get(&at->ran);
    MODEL_CHECK(err == 0 || err == EBUSY);
    model_join_all();
    model_rest();
    MODEL_CHECK(err || model_get(&at->ran) == ran);
}

/* Nobody went back to the real clock: it stands where it was moved to, and none saw the other. */
static void check_readings(place *at, caller **all, uint32_t others)
{
    int64_t moved_ns = 0;
    for (uint32_t i = 0; i <= others; i++) {
        moved_ns += all[i]->moved_ns;
    }
    for (uint32_t i = 0; i <= others; i++) {
        MODEL_CHECK(all[i]->seen_ns <= MODEL_START + moved_ns);
        MODEL_CHECK(all[i]->slept_ns == -1 || all[i]->slept_ns >= SOON);
    }
    MODEL_EQ(cconc_clock_now(), MODEL_START + moved_ns + LAST);
    MODEL_CHECK(model_get(&at->ran) == 0 || model_get(&at->ran_at) >= SOON);
}

/* Each start has been taken back, is due never, or has run: at its time, if it was the only one. */
static void check_runs(place *at, caller **all, uint32_t others)
{
    int starts = 1;
    bool started_once = true;
    bool is_real = !at->began_virtual;
    for (uint32_t i = 0; i <= others; i++) {
        starts += all[i]->started - all[i]->prevented;
        started_once = started_once && !all[i]->started;
        is_real = is_real || all[i]->went_real;
    }
    starts -= cconc_timer_stop_wait(at->timer) ? 1 : 0;
    MODEL_EQ(model_get(&at->ran), starts);
    MODEL_CHECK(is_real || starts == 0 || !started_once || model_get(&at->ran_at) == SOON);
}

/* It can be either, and what is due on its way is done when it has moved. */
static void must_be_as_new(place *at)
{
    uint32_t ran = model_get(&at->ran);
    int64_t before_ns;
    MODEL_EQ(cconc_clock_real(), 0);
    MODEL_EQ(cconc_clock_advance(0), EBUSY);
    MODEL_EQ(cconc_clock_virtual(), 0);
    before_ns = cconc_clock_now();
    MODEL_CHECK(!cconc_timer_reset(at->timer, 2 * SOON));
    MODEL_EQ(cconc_clock_real(), EBUSY);
    MODEL_EQ(cconc_clock_advance(2 * SOON), 0);
    MODEL_EQ(cconc_clock_now(), before_ns + 2 * SOON);
    MODEL_EQ(model_get(&at->ran), ran + 1);
    MODEL_EQ(cconc_clock_waiters(), 0);
    MODEL_EQ(cconc_clock_real(), 0);
}

static void meet(void (*call)(caller *c), uint32_t others)
{
    place *at = place_new();
    caller *all[3] = {caller_new(at), NULL, NULL};
    bool stayed_virtual = at->began_virtual;
    for (uint32_t i = 1; i <= others; i++) {
        all[i] = caller_new(at);
        model_spawn(makes_any_call, all[i]);
    }
    if (call != sleeps) { /* this thread is the one that ends all sleep */
        call(all[0]);
    }
    release_all(at);
    for (uint32_t i = 0; i <= others; i++) {
        stayed_virtual = stayed_virtual && !all[i]->went_real;
    }
    if (stayed_virtual) {
        check_readings(at, all, others);
    }
    check_runs(at, all, others);
    must_be_as_new(at);
    cconc_timer_free(at->timer);
}

/* Not in the store-history build: see clock_virtual_meets_readers. */
#define CLOCK_PAIR(call)                                                                           \
    MODEL_SCENARIO(clock_pair_##call, .bound = 1, .low = true, .covers = "T1 T4",                  \
                   .only = MODEL_IN_PLAIN | MODEL_IN_RACE | MODEL_IN_ASAN)                         \
    {                                                                                              \
        meet(call, 1);                                                                             \
    }

CLOCK_PAIR(reads)
CLOCK_PAIR(counts_waiters)
CLOCK_PAIR(goes_virtual)
CLOCK_PAIR(goes_real)
CLOCK_PAIR(advances)
CLOCK_PAIR(advances_by_nothing)
CLOCK_PAIR(starts_timer)
CLOCK_PAIR(stops_timer)

MODEL_SCENARIO(clock_any_three, .low = true, .bound = 1, .covers = "T1 T4",
               .only = MODEL_IN_PLAIN | MODEL_IN_RACE | MODEL_IN_ASAN)
{
    meet(calls[model_choose(CALLS)], 2);
}
