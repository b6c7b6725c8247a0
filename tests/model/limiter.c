/* limiter.c - interleavings of token buckets: what is taken, what comes back, and who waits.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A token that two threads get, or nobody; what is lost while the word goes to the lock
 *          and back; a reservation that gives back too much; a wait that acts early or late.
 * Method   Scenarios of the deterministic tester, two to three threads each, in its virtual time;
 *          two compare with a sequential bucket.
 * Catches  Freezes and thaws that lose what was taken, refunds that do not count what came later,
 *          sleepers that are not woken, times that are off by one.
 */
#include "model.h"

#define TENTH (100 * CCONC_MS) /* in which one token comes, at ten a second */

typedef struct env {
    cconc_limiter *limiter;
    cconc_ctx *ctx;
    cconc_ctx *until;   /* in mem */
    cconc_ctx_mem mem;
    cconc_reservation taken[3];
    int err[3];
    int64_t acted_ns[3];
    int64_t set_ns;
} env;

static env *env_new(double rate, int32_t burst)
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_limiter_new(rate, burst, &e->limiter), 0);
    return e;
}

/* Made and used once, so that one word stands for the bucket. */
static env *env_new_used(int32_t burst)
{
    env *e = env_new(10, burst);
    MODEL_EQ(cconc_limiter_allow(e->limiter, 1), 0);
    return e;
}

static void env_end(env *e)
{
    model_join_all();
    MODEL_EQ(cconc_limiter_waiters(e->limiter), 0);
    cconc_ctx_free(e->ctx);
    cconc_limiter_free(e->limiter);
}

/* Just so many tokens are there: all of them can be had, and one more cannot. */
static void check_left(env *e, int32_t tokens)
{
    MODEL_EQ(cconc_limiter_allow(e->limiter, tokens), 0);
    MODEL_EQ(cconc_limiter_allow(e->limiter, 1), EAGAIN);
}

static void takes_one(void *arg)
{
    env *e = arg;
    e->err[1] = cconc_limiter_allow(e->limiter, 1);
}

static void takes_two(void *arg)
{
    env *e = arg;
    e->err[2] = cconc_limiter_allow(e->limiter, 2);
}

MODEL_SCENARIO(limiter_first_uses_meet, .exhaustive = true, .covers = "R5")
{
    env *e = env_new(10, 1);
    model_spawn(takes_one, e);
    e->err[0] = cconc_limiter_allow(e->limiter, 1);
    model_join_all();
    MODEL_EQ(e->err[0] + e->err[1], EAGAIN);
    MODEL_CHECK(e->err[0] == 0 || e->err[1] == 0);
    env_end(e);
}

/* By the word alone: of three wishes for three tokens two fit. */
MODEL_SCENARIO(limiter_quick_ones_meet, .exhaustive = true, .covers = "R3", .goals = "one two")
{
    env *e = env_new_used(3);
    model_spawn(takes_one, e);
    model_spawn(takes_two, e);
    e->err[0] = cconc_limiter_allow(e->limiter, 1);
    model_join_all();
    if (e->err[2] == 0) {
        model_cover("two");
        MODEL_EQ(e->err[0] | e->err[1], EAGAIN);
        MODEL_EQ(cconc_limiter_allow(e->limiter, 1), EAGAIN);
    } else {
        model_cover("one");
        MODEL_EQ(e->err[2], EAGAIN);
        MODEL_CHECK(e->err[0] == 0 || e->err[1] == 0);
        MODEL_EQ(cconc_limiter_allow(e->limiter, 1), e->err[0] | e->err[1] ? 0 : EAGAIN);
    }
    env_end(e);
}

static void reserves(void *arg)
{
    env *e = arg;
    MODEL_EQ(cconc_limiter_reserve(e->limiter, 2, CCONC_NEVER, &e->taken[1]), 0);
}

/* Whoever freezes the word has what a quick one took just before. */
MODEL_SCENARIO(limiter_freeze_meets_quick, .exhaustive = true, .covers = "R3 R4",
               .goals = "before after")
{
    env *e = env_new_used(3);
    model_spawn(reserves, e);
    e->err[0] = cconc_limiter_allow(e->limiter, 1);
    model_join_all();
    if (e->err[0] == 0) {
        MODEL_EQ(cconc_reservation_time(&e->taken[1]), MODEL_START + TENTH);
        model_cover("before");
    } else {
        MODEL_EQ(cconc_reservation_time(&e->taken[1]), MODEL_START);
        model_cover("after");
    }
    MODEL_EQ(cconc_limiter_allow(e->limiter, 1), EAGAIN);
    env_end(e);
}

static void reserves_and_cancels(void *arg)
{
    env *e = arg;
    MODEL_EQ(cconc_limiter_reserve(e->limiter, 2, CCONC_NEVER, &e->taken[1]), 0);
    cconc_limiter_cancel(e->limiter, &e->taken[1]);
}

/* What is given back in time is there again, to the last token, whatever others take. */
MODEL_SCENARIO(limiter_cancel_restores, .exhaustive = true, .covers = "R7 R3",
               .goals = "taken refused")
{
    env *e = env_new_used(3);
    model_spawn(reserves_and_cancels, e);
    e->err[0] = cconc_limiter_allow(e->limiter, 2);
    model_join_all();
    model_cover(e->err[0] ? "refused" : "taken");
    check_left(e, e->err[0] ? 2 : 0);
    env_end(e);
}

static void cancels_first(void *arg)
{
    env *e = arg;
    cconc_limiter_cancel(e->limiter, &e->taken[0]);
}

/* A later reservation counts on the tokens of an earlier one: these do not come back. */
MODEL_SCENARIO(limiter_cancel_meets_reserve, .exhaustive = true, .covers = "R7",
               .goals = "all less")
{
    env *e = env_new_used(1);
    MODEL_EQ(cconc_limiter_reserve(e->limiter, 1, CCONC_NEVER, &e->taken[0]), 0);
    MODEL_EQ(cconc_reservation_time(&e->taken[0]), MODEL_START + TENTH);
    model_spawn(cancels_first, e);
    MODEL_EQ(cconc_limiter_reserve(e->limiter, 1, CCONC_NEVER, &e->taken[1]), 0);
    model_join_all();
    MODEL_EQ(cconc_limiter_reserve(e->limiter, 1, CCONC_NEVER, &e->taken[2]), 0);
    if (cconc_reservation_time(&e->taken[1]) == MODEL_START + TENTH) {
        MODEL_EQ(cconc_reservation_time(&e->taken[2]), MODEL_START + 2 * TENTH);
        model_cover("all");
    } else {
        MODEL_EQ(cconc_reservation_time(&e->taken[1]), MODEL_START + 2 * TENTH);
        MODEL_EQ(cconc_reservation_time(&e->taken[2]), MODEL_START + 3 * TENTH);
        model_cover("less");
    }
    env_end(e);
}

/* Twice is once. */
MODEL_SCENARIO(limiter_cancels_twice, .exhaustive = true, .covers = "R7")
{
    env *e = env_new_used(2);
    MODEL_EQ(cconc_limiter_reserve(e->limiter, 1, CCONC_NEVER, &e->taken[0]), 0);
    model_spawn(takes_one, e);
    cconc_limiter_cancel(e->limiter, &e->taken[0]);
    cconc_limiter_cancel(e->limiter, &e->taken[0]);
    model_join_all();
    check_left(e, e->err[1] ? 1 : 0);
    env_end(e);
}

static void waits(void *arg)
{
    env *e = arg;
    e->err[1] = cconc_limiter_wait(e->limiter, NULL, 1);
    e->acted_ns[1] = model_now();
}

static void waits_second(void *arg)
{
    env *e = arg;
    e->err[2] = cconc_limiter_wait(e->limiter, NULL, 1);
    e->acted_ns[2] = model_now();
}

/* One acts now, one a tenth later, not a nanosecond before. */
MODEL_SCENARIO(limiter_waits_take_turns, .exhaustive = true, .covers = "R5 R6",
               .goals = "first second")
{
    env *e = env_new(10, 1);
    model_spawn(waits, e);
    e->err[0] = cconc_limiter_wait(e->limiter, NULL, 1);
    e->acted_ns[0] = model_now();
    model_join_all();
    MODEL_EQ(e->err[0] | e->err[1], 0);
    MODEL_CHECK(e->acted_ns[0] >= MODEL_START + TENTH || e->acted_ns[1] >= MODEL_START + TENTH);
    MODEL_EQ(model_now(), MODEL_START + TENTH);
    model_cover(e->acted_ns[0] < e->acted_ns[1] ? "first" : "second");
    env_end(e);
}

MODEL_SCENARIO(limiter_three_waits, .covers = "R6")
{
    env *e = env_new(10, 1);
    int64_t sum_ns;
    model_spawn(waits, e);
    model_spawn(waits_second, e);
    MODEL_EQ(cconc_limiter_wait(e->limiter, NULL, 1), 0);
    e->acted_ns[0] = model_now();
    model_join_all();
    MODEL_EQ(e->err[1] | e->err[2], 0);
    sum_ns = e->acted_ns[0] + e->acted_ns[1] + e->acted_ns[2];
    MODEL_CHECK(sum_ns >= 3 * MODEL_START + 3 * TENTH);
    MODEL_EQ(model_now(), MODEL_START + 2 * TENTH);
    MODEL_EQ(cconc_limiter_allow(e->limiter, 1), EAGAIN);
    env_end(e);
}

static void waits_in_ctx(void *arg)
{
    env *e = arg;
    e->err[1] = cconc_limiter_wait(e->limiter, e->ctx, 1);
    e->acted_ns[1] = model_now();
}

/* A wait that is cancelled has taken nothing: the next one acts where it would have. */
MODEL_SCENARIO(limiter_wait_meets_cancel, .covers = "R7 H20", .goals = "acted cancelled")
{
    env *e = env_new_used(1);
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(waits_in_ctx, e);
    cconc_ctx_cancel(e->ctx);
    model_join_all();
    MODEL_EQ(cconc_limiter_reserve(e->limiter, 1, CCONC_NEVER, &e->taken[0]), 0);
    if (e->err[1]) {
        MODEL_EQ(e->err[1], ECANCELED);
        MODEL_EQ(cconc_reservation_time(&e->taken[0]), MODEL_START + TENTH);
    } else {
        MODEL_EQ(e->acted_ns[1], MODEL_START + TENTH);
        MODEL_EQ(cconc_reservation_time(&e->taken[0]), MODEL_START + 2 * TENTH);
    }
    model_cover(e->err[1] ? "cancelled" : "acted");
    env_end(e);
}

/* Its deadline is too early, by a nanosecond or by none, according to who reserves first. */
MODEL_SCENARIO(limiter_deadline_meets_reserve, .exhaustive = true, .covers = "R5 S12",
               .goals = "too_early in_time")
{
    env *e = env_new_used(1);
    e->until = cconc_ctx_until(&e->mem, NULL, MODEL_START + TENTH);
    model_spawn(waits, e);
    e->err[0] = cconc_limiter_wait(e->limiter, e->until, 1);
    if (e->err[0]) {
        MODEL_EQ(e->err[0], ETIMEDOUT);
        model_join_all();
        MODEL_EQ(model_now(), MODEL_START + TENTH);
        model_cover("too_early");
    } else {
        MODEL_CHECK(model_now() >= MODEL_START + TENTH);
        model_join_all();
        MODEL_EQ(model_now(), MODEL_START + 2 * TENTH);
        model_cover("in_time");
    }
    MODEL_EQ(e->err[1], 0);
    env_end(e);
}
