/* limiter_pairs.c - any call on a limiter beside any other
 * SPDX-License-Identifier: MIT
 *
 * Risk     Two calls that nobody thought of together: one that freezes the word while another
 *          changes what it counts by, one that gives tokens back to a bucket of another size.
 * Method   Each call meets each on another thread, on limiters that are full or empty, that refill
 *          or not. What waits ends by time, or is cancelled once nobody can go on: then only those
 *          sleep for whom no token comes. Afterwards there are as many tokens as can be, none is
 *          lost, nobody is queued, and the limiter still does what a new one does.
 * Catches  Tokens that come from nowhere, or are taken twice; a change that leaves a sleeper
 *          asleep; a reservation that one of the ways out of a wait keeps.
 */
#include "limit.h"

#define TENTH (100 * CCONC_MS) /* in which one token comes, at ten a second */

/* What a limiter is made with; used = tokens taken at once. */
typedef struct made {
    double  rate;
    int32_t burst;
    int32_t used;
} made;

/* A thread that makes one call. */
typedef struct caller {
    cconc_limiter *limiter;
    cconc_ctx     *own;  /* can be cancelled */
    cconc_ctx     *ctx;  /* the same, or one below it that ends by time */
    struct caller *next; /* of all, in a circle */
    void         (*call)(struct caller *c);
    bool           is_timed;
    int32_t        least_burst; /* that the limiter may have */
    int32_t        taken;       /* tokens that it has got and kept */
    int32_t        given_back;  /* tokens that it had for a while */
} caller;

static const made kinds[] = {{10, 1, 1}, {10, 2, 0}, {0, 1, 0}};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static void ends_allow(caller *c, int err, int32_t n)
{
    MODEL_CHECK(err == 0 || err == EAGAIN || (n > c->least_burst && err == EINVAL));
    c->taken += err ? 0 : n;
}

static void allows(caller *c)
{
    ends_allow(c, cconc_limiter_allow(c->limiter, 1), 1);
}

static void allows_two(caller *c)
{
    ends_allow(c, cconc_limiter_allow(c->limiter, 2), 2);
}

static void allows_at_a_time(caller *c)
{
    ends_allow(c, cconc_limiter_allow_at(c->limiter, model_now(), 1), 1);
}

/* Returns whether it has got a token, though the time to act may be never. */
static bool has_reserved(caller *c, int64_t max_wait_ns, cconc_reservation *out_taken)
{
    int err = cconc_limiter_reserve(c->limiter, 1, max_wait_ns, out_taken);
    MODEL_CHECK(err == 0 || (err == ETIMEDOUT && max_wait_ns == 0) ||
                (err == EINVAL && c->least_burst == 0));
    return err == 0;
}

static void reserves(caller *c)
{
    cconc_reservation taken;
    c->taken += has_reserved(c, CCONC_NEVER, &taken);
}

static void reserves_at_once(caller *c)
{
    cconc_reservation taken;
    if (has_reserved(c, 0, &taken)) {
        MODEL_EQ(cconc_reservation_delay(&taken), 0);
        c->taken++;
    }
}

static void reserves_and_cancels(caller *c)
{
    cconc_reservation taken;
    if (has_reserved(c, CCONC_NEVER, &taken)) {
        cconc_limiter_cancel(c->limiter, &taken);
        c->given_back++;
    }
}

static void waits(caller *c)
{
    int err = cconc_limiter_wait(c->limiter, c->ctx, 1);
    MODEL_CHECK(err == 0 || (err == ETIMEDOUT && c->is_timed) ||
                (err == ECANCELED && cconc_ctx_err(c->ctx) == ECANCELED) ||
                (err == EINVAL && c->least_burst == 0));
    c->taken += err == 0;
    c->given_back += err != 0;
}

static void stops(caller *c)
{
    MODEL_EQ(cconc_limiter_set_rate(c->limiter, 0), 0);
}

static void quickens(caller *c)
{
    MODEL_EQ(cconc_limiter_set_rate(c->limiter, 20), 0);
}

static void unlimits(caller *c)
{
    MODEL_EQ(cconc_limiter_set_rate(c->limiter, CCONC_RATE_INF), 0);
}

static void widens(caller *c)
{
    MODEL_EQ(cconc_limiter_set_burst(c->limiter, 3), 0);
}

static void narrows(caller *c)
{
    MODEL_EQ(cconc_limiter_set_burst(c->limiter, 0), 0);
}

static void looks_at_tokens(caller *c)
{
    double tokens = cconc_limiter_tokens(c->limiter);
    MODEL_CHECK(tokens >= -9 && (tokens <= 3 || tokens == CCONC_RATE_INF));
}

static void looks_at_pace(caller *c)
{
    double rate = cconc_limiter_rate(c->limiter);
    int32_t burst = cconc_limiter_burst(c->limiter);
    MODEL_CHECK(rate == 0 || rate == 10 || rate == 20 || rate == CCONC_RATE_INF);
    MODEL_CHECK(burst >= 0 && burst <= 3);
}

static void counts_waiters(caller *c)
{
    MODEL_CHECK(cconc_limiter_waiters(c->limiter) <= 2);
}

/* No call on the limiter, but one that those who wait can meet. */
static void cancels_next(caller *c)
{
    cconc_ctx_cancel(c->next->own);
}

static void (*const calls[])(caller *c) = {
    allows,
    allows_two,
    allows_at_a_time,
    reserves,
    reserves_at_once,
    reserves_and_cancels,
    waits,
    stops,
    quickens,
    unlimits,
    widens,
    narrows,
    looks_at_tokens,
    looks_at_pace,
    counts_waiters,
    cancels_next,
};

enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static void makes_its_call(void *arg)
{
    caller *c = arg;
    c->call(c);
}

static uint32_t how_many_make(const caller *all, uint32_t count, void (*call)(caller *c))
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        sum += all[i].call == call;
    }
    return sum;
}

static bool any_makes(const caller *all, uint32_t count, void (*call)(caller *c))
{
    return how_many_make(all, count, call) > 0;
}

/* When nobody can go on, only those sleep for whom no token comes. */
static void must_sleep_for_a_reason(const caller *all, uint32_t count)
{
    cconc_limiter *limiter = all->limiter;
    size_t sleepers = cconc_limiter_waiters(limiter);
    MODEL_CHECK(sleepers <= how_many_make(all, count, waits));
    if (sleepers > 0) {
        MODEL_CHECK(cconc_limiter_rate(limiter) == 0);
        MODEL_CHECK(cconc_limiter_burst(limiter) > 0 && cconc_limiter_tokens(limiter) < 1);
    }
}

/* Let all come to an end: by time, or one after the other, with a look each time. */
static void end_all(const caller *all, uint32_t count, bool is_timed)
{
    for (uint32_t i = 0; i < count && !is_timed; i++) {
        model_settle();
        must_sleep_for_a_reason(all, count);
        cconc_ctx_cancel(all[i].own);
    }
    model_join_all();
    model_rest();
}

/* As many tokens as time can have brought, but not those that were taken; as few as if nothing had
 * come. What is given back may be less if another has taken some meanwhile, or time has passed. */
static void must_have_its_tokens(const caller *all, uint32_t count, const made *how)
{
    double seconds = (double)(model_now() - MODEL_START) / 1e9;
    double rate = any_makes(all, count, quickens) ? 20 : how->rate;
    double tokens = cconc_limiter_tokens(all->limiter);
    int32_t most = how->burst - how->used;
    int32_t least = any_makes(all, count, narrows) ? 0 : most;
    int32_t given_back = 0;
    uint32_t takers = 0;
    for (uint32_t i = 0; i < count; i++) {
        takers += all[i].taken + all[i].given_back > 0;
        most -= all[i].taken;
        least -= all[i].taken;
        given_back += all[i].given_back;
    }
    least -= takers > 1 || seconds > 0 ? given_back : 0;
    MODEL_CHECK(tokens >= least);
    if (any_makes(all, count, unlimits)) { /* keeps no account */
        MODEL_CHECK(cconc_limiter_rate(all->limiter) < CCONC_RATE_INF ||
                    tokens == CCONC_RATE_INF);
    } else {
        MODEL_CHECK(tokens <= most + seconds * rate + 1e-6);
        MODEL_CHECK(tokens <= cconc_limiter_burst(all->limiter));
    }
}

/* Nobody sleeps, and at an ordinary pace it fills, admits its burst, and makes the next wait. */
static void must_be_as_new(cconc_limiter *limiter)
{
    int64_t then_ns;
    MODEL_EQ(cconc_limiter_waiters(limiter), 0);
    MODEL_EQ(cconc_limiter_set_rate(limiter, 10), 0);
    MODEL_EQ(cconc_limiter_set_burst(limiter, 2), 0);
    model_pass(CCONC_SECOND);
    then_ns = model_now();
    MODEL_CHECK(cconc_limiter_tokens(limiter) == 2);
    MODEL_EQ(cconc_limiter_allow(limiter, 2), 0);
    MODEL_EQ(cconc_limiter_allow(limiter, 1), EAGAIN);
    MODEL_EQ(cconc_limiter_wait(limiter, NULL, 1), 0);
    MODEL_CHECK(model_now() >= then_ns + TENTH);
    MODEL_EQ(cconc_limiter_waiters(limiter), 0);
}

static void meet(void (*call)(caller *c), uint32_t count)
{
    const made *how = &kinds[model_choose(KINDS)];
    caller *all = model_zalloc(count * sizeof(*all));
    cconc_limiter *limiter = NULL;
    bool is_timed;
    MODEL_EQ(cconc_limiter_new(how->rate, how->burst, &limiter), 0);
    if (how->used > 0) {
        MODEL_EQ(cconc_limiter_allow(limiter, how->used), 0);
    }
    for (uint32_t i = 0; i < count; i++) {
        all[i].call = i == 0 ? call : calls[model_choose(CALLS)];
    }
    is_timed = any_makes(all, count, waits) && model_choose(2) == 1;
    for (uint32_t i = 0; i < count; i++) {
        caller *c = &all[i];
        c->limiter = limiter;
        c->next = &all[(i + 1) % count];
        c->is_timed = is_timed;
        c->least_burst = any_makes(all, count, narrows) ? 0 : how->burst;
        MODEL_EQ(cconc_ctx_with_cancel(NULL, &c->own), 0);
        c->ctx = is_timed ? limit(c->own, TENTH + TENTH / 2) : c->own;
    }
    for (uint32_t i = 0; i < count; i++) {
        model_spawn(makes_its_call, &all[i]);
    }
    end_all(all, count, is_timed);
    must_have_its_tokens(all, count, how);
    must_be_as_new(limiter);
    for (uint32_t i = 0; i < count; i++) {
        cconc_ctx_free(all[i].own);
    }
    cconc_limiter_free(limiter);
}

#define LIMITER_PAIR(call)                                                                         \
    MODEL_SCENARIO(limiter_pair_##call, .bound = 2, .covers = "R2 R3 R4 R5 R7")                    \
    {                                                                                              \
        meet(call, 2);                                                                             \
    }

LIMITER_PAIR(allows)
LIMITER_PAIR(allows_two)
LIMITER_PAIR(allows_at_a_time)
LIMITER_PAIR(reserves)
LIMITER_PAIR(reserves_at_once)
LIMITER_PAIR(reserves_and_cancels)
LIMITER_PAIR(waits)
LIMITER_PAIR(stops)
LIMITER_PAIR(quickens)
LIMITER_PAIR(unlimits)
LIMITER_PAIR(widens)
LIMITER_PAIR(narrows)
LIMITER_PAIR(looks_at_tokens)
LIMITER_PAIR(looks_at_pace)
LIMITER_PAIR(counts_waiters)
LIMITER_PAIR(cancels_next)

MODEL_SCENARIO(limiter_any_three, .bound = 1, .covers = "R2 R3 R4 R5 R7")
{
    meet(calls[model_choose(CALLS)], 3);
}
