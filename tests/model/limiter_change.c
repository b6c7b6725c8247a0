/* limiter_change.c - interleavings of token buckets whose rate or burst change.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A wait at rate 0 that nobody tells of a new rate; a thread that counts by a mixture of
 *          two paces; time that passes between a look at the clock and the swap.
 * Method   Scenarios of the deterministic tester, two to three threads each, in its virtual time;
 *          two compare with a sequential bucket.
 * Catches  Changes that wake nobody, a word that is left as it was, reads of the pace without the
 *          check that it is still the same.
 */
#include "model.h"

#define TENTH (100 * CCONC_MS)

typedef struct env {
    cconc_limiter *limiter;
    cconc_ctx *ctx;
    cconc_reservation taken;
    int err[3];
    int64_t acted_ns;
} env;

static env *env_new(double rate, int32_t burst)
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_limiter_new(rate, burst, &e->limiter), 0);
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

static void waits(void *arg)
{
    env *e = arg;
    e->err[1] = cconc_limiter_wait(e->limiter, e->ctx, 1);
    e->acted_ns = model_now();
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

/* At rate 0 nothing comes; a new rate sends the sleeper to look again. */
MODEL_SCENARIO(limiter_stopped_wait_meets_new_rate, .exhaustive = true, .covers = "R2 S3",
               .goals = "asleep before")
{
    env *e = env_new(0, 1);
    model_spawn(waits, e);
    model_cover(cconc_limiter_waiters(e->limiter) ? "asleep" : "before");
    MODEL_EQ(cconc_limiter_set_rate(e->limiter, 10), 0);
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    MODEL_EQ(e->acted_ns, MODEL_START + TENTH);
    env_end(e);
}

/* A reservation that comes back is one token for the sleeper. */
MODEL_SCENARIO(limiter_stopped_wait_meets_refund, .exhaustive = true, .covers = "R2 R7",
               .goals = "asleep before")
{
    env *e = env_new(0, 2);
    MODEL_EQ(cconc_limiter_reserve(e->limiter, 1, 0, &e->taken), 0);
    model_spawn(waits, e);
    model_cover(cconc_limiter_waiters(e->limiter) ? "asleep" : "before");
    cconc_limiter_cancel(e->limiter, &e->taken);
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    MODEL_EQ(e->acted_ns, MODEL_START);
    MODEL_EQ(cconc_limiter_allow(e->limiter, 1), EAGAIN);
    env_end(e);
}

/* The context ends while the rate changes: the wait has the token or has not. */
MODEL_SCENARIO(limiter_stopped_wait_meets_both, .covers = "R2 H20", .goals = "acted cancelled")
{
    env *e = env_new(0, 1);
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(waits, e);
    MODEL_EQ(cconc_limiter_set_rate(e->limiter, 10), 0);
    cconc_ctx_cancel(e->ctx);
    model_join_all();
    MODEL_CHECK(e->err[1] == 0 || e->err[1] == ECANCELED);
    MODEL_EQ(cconc_limiter_reserve(e->limiter, 1, CCONC_NEVER, &e->taken), 0);
    MODEL_EQ(cconc_reservation_time(&e->taken), MODEL_START + (e->err[1] ? 1 : 2) * TENTH);
    model_cover(e->err[1] ? "cancelled" : "acted");
    env_end(e);
}

/* The context ends first: the change finds the wait decided, and takes it out of its queue. */
MODEL_SCENARIO(limiter_cancelled_wait_meets_new_rate, .bound = 2, .covers = "R2 H20",
               .goals = "asleep before")
{
    env *e = env_new(0, 1);
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(waits, e);
    model_cover(cconc_limiter_waiters(e->limiter) ? "asleep" : "before");
    cconc_ctx_cancel(e->ctx);
    MODEL_EQ(cconc_limiter_set_rate(e->limiter, 10), 0);
    model_join_all();
    MODEL_EQ(e->err[1], ECANCELED);
    MODEL_EQ(cconc_limiter_reserve(e->limiter, 1, CCONC_NEVER, &e->taken), 0);
    MODEL_EQ(cconc_reservation_time(&e->taken), MODEL_START + TENTH);
    env_end(e);
}

/* A rate without limit wakes it, too. */
MODEL_SCENARIO(limiter_stopped_wait_meets_no_limit, .exhaustive = true)
{
    env *e = env_new(0, 1);
    model_spawn(waits, e);
    MODEL_EQ(cconc_limiter_set_rate(e->limiter, CCONC_RATE_INF), 0);
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    MODEL_EQ(e->acted_ns, MODEL_START);
    env_end(e);
}

/* Reservations keep their times, whatever the rate becomes. */
MODEL_SCENARIO(limiter_wait_keeps_its_time, .exhaustive = true, .goals = "before after")
{
    env *e = env_new(10, 1);
    model_spawn(waits, e);
    MODEL_EQ(cconc_limiter_set_rate(e->limiter, 20), 0);
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    MODEL_CHECK(e->acted_ns == MODEL_START + TENTH || e->acted_ns == MODEL_START + TENTH / 2);
    model_cover(e->acted_ns == MODEL_START + TENTH ? "before" : "after");
    env_end(e);
}

/* One counts by the old pace or by the new one, and the tokens that are there do not change. */
MODEL_SCENARIO(limiter_new_rate_meets_quick, .exhaustive = true, .covers = "R4 R3")
{
    env *e = env_new(10, 3);
    model_spawn(takes_one, e);
    MODEL_EQ(cconc_limiter_set_rate(e->limiter, 1000), 0);
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    MODEL_EQ(cconc_limiter_allow(e->limiter, 1), 0);
    MODEL_EQ(cconc_limiter_allow(e->limiter, 1), EAGAIN);
    env_end(e);
}

/* A full bucket looks alike at each rate: only the generation of the word tells that the pace, by
 * which the other one counts, is the old one. */
MODEL_SCENARIO(limiter_new_rate_of_a_full_one, .exhaustive = true, .covers = "R4 T2")
{
    env *e = env_new(1000, 3);
    model_pass(TENTH);
    MODEL_EQ(cconc_limiter_set_rate(e->limiter, 1000), 0);
    model_spawn(takes_two, e);
    MODEL_EQ(cconc_limiter_set_rate(e->limiter, 10), 0);
    model_join_all();
    MODEL_EQ(e->err[2], 0);
    MODEL_EQ(cconc_limiter_allow(e->limiter, 1), 0);
    MODEL_EQ(cconc_limiter_allow(e->limiter, 1), EAGAIN);
    env_end(e);
}

/* Twice changed and back again, while a thread is between its look and its swap. */
MODEL_SCENARIO(limiter_two_new_rates_meet_quick, .covers = "R4 L1")
{
    env *e = env_new(10, 3);
    model_spawn(takes_two, e);
    MODEL_EQ(cconc_limiter_set_rate(e->limiter, 1000), 0);
    MODEL_EQ(cconc_limiter_set_rate(e->limiter, 10), 0);
    e->err[0] = cconc_limiter_allow(e->limiter, 1);
    model_join_all();
    MODEL_CHECK((e->err[0] == 0) != (e->err[2] == 0));
    MODEL_EQ(cconc_limiter_allow(e->limiter, 1), e->err[2] ? 0 : EAGAIN);
    env_end(e);
}

/* A lower burst takes away what was there, a higher one adds nothing. */
MODEL_SCENARIO(limiter_new_burst_meets_quick, .exhaustive = true, .covers = "R4",
               .goals = "before after")
{
    env *e = env_new(10, 3);
    model_spawn(takes_two, e);
    MODEL_EQ(cconc_limiter_set_burst(e->limiter, 1), 0);
    MODEL_EQ(cconc_limiter_set_burst(e->limiter, 3), 0);
    model_join_all();
    MODEL_CHECK(e->err[2] == 0 || e->err[2] == EAGAIN || e->err[2] == EINVAL);
    MODEL_EQ(cconc_limiter_allow(e->limiter, 1), e->err[2] ? 0 : EAGAIN);
    MODEL_EQ(cconc_limiter_allow(e->limiter, 1), EAGAIN);
    model_cover(e->err[2] ? "after" : "before");
    env_end(e);
}

static void sleeps_for_one(void *arg)
{
    (void)arg;
    MODEL_EQ(cconc_ctx_sleep(NULL, TENTH), 0);
}

/* Time passes while two threads look at the clock: what they get is not more than had come. */
MODEL_SCENARIO(limiter_time_passes_meanwhile, .covers = "R3 R5", .goals = "zero one")
{
    env *e = env_new(10, 1);
    int taken;
    model_spawn(sleeps_for_one, e);
    model_spawn(takes_one, e);
    e->err[0] = cconc_limiter_allow(e->limiter, 1);
    model_join_all();
    taken = (e->err[0] == 0) + (e->err[1] == 0);
    MODEL_CHECK(taken <= 1);
    MODEL_EQ(cconc_limiter_allow(e->limiter, 1), taken == 0 ? 0 : EAGAIN);
    model_cover(taken ? "one" : "zero");
    env_end(e);
}

MODEL_SCENARIO(limiter_new_without_memory, .exhaustive = true, .faults = MODEL_NO_MEMORY,
               .covers = "X4", .goals = "failed made")
{
    env *e = model_zalloc(sizeof(*e));
    e->err[0] = cconc_limiter_new(10, 1, &e->limiter);
    MODEL_EQ(e->err[0], model_had_fault(MODEL_NO_MEMORY) ? ENOMEM : 0);
    model_cover(e->err[0] ? "failed" : "made");
    if (e->err[0]) {
        MODEL_EQ(cconc_limiter_new(10, 1, &e->limiter), 0);
    }
    model_spawn(waits, e);
    env_end(e);
}

/* Time stands still, so the sequential bucket only counts. */
enum { OP_ALLOW, OP_BACK, OP_BURST };

typedef struct tokens {
    int64_t burst;
    int64_t left;
} tokens;

static void tokens_init(void *state)
{
    *(tokens *)state = (tokens){3, 2};
}

static bool tokens_apply(void *state, int op, int64_t arg, int code, int64_t value)
{
    tokens *t = state;
    (void)value;
    switch (op) {
    case OP_ALLOW:
        if (code != 0) {
            return code == (arg > t->burst ? EINVAL : EAGAIN) && arg > t->left;
        }
        t->left -= arg;
        return t->left >= 0;
    case OP_BACK:
        t->left += arg;
        return true;
    default:
        t->burst = arg;
        t->left = t->left > arg ? arg : t->left;
        return true;
    }
}

static const model_spec tokens_spec = {sizeof(tokens), tokens_init, tokens_apply};

static void allows(env *e, int32_t n)
{
    uint32_t id = model_begin(OP_ALLOW, n);
    model_end(id, cconc_limiter_allow(e->limiter, n), 0);
}

static void allows_one_and_two(void *arg)
{
    allows(arg, 1);
    allows(arg, 2);
}

static void reserves_and_gives_back(void *arg)
{
    env *e = arg;
    uint32_t id = model_begin(OP_ALLOW, 2);
    int err = cconc_limiter_reserve(e->limiter, 2, 0, &e->taken);
    model_end(id, err == ETIMEDOUT ? EAGAIN : err, 0);
    if (!err) {
        id = model_begin(OP_BACK, 2);
        cconc_limiter_cancel(e->limiter, &e->taken);
        model_end(id, 0, 0);
    }
}

MODEL_SCENARIO(limiter_history_of_refunds, .exhaustive = true, .covers = "R7")
{
    env *e = env_new(10, 3);
    model_spawn(allows_one_and_two, e);
    reserves_and_gives_back(e);
    allows(e, 1);
    model_join_all();
    allows(e, 1);
    model_check_history(&tokens_spec);
    env_end(e);
}

static void sets_burst(void *arg)
{
    env *e = arg;
    uint32_t id = model_begin(OP_BURST, 1);
    MODEL_EQ(cconc_limiter_set_burst(e->limiter, 1), 0);
    model_end(id, 0, 0);
}

MODEL_SCENARIO(limiter_history_of_bursts, .exhaustive = true, .covers = "R4")
{
    env *e = env_new(10, 3);
    model_spawn(sets_burst, e);
    allows_one_and_two(e);
    model_join_all();
    allows(e, 1);
    model_check_history(&tokens_spec);
    env_end(e);
}

/* The real parker, woken for no reason: nobody acts early, and nobody reserves twice. */
MODEL_SCENARIO(limiter_woken_for_nothing, .low = true, .faults = MODEL_SPURIOUS, .covers = "S6 R5")
{
    env *e = env_new(10, 1);
    model_spawn(waits, e);
    MODEL_EQ(cconc_limiter_wait(e->limiter, NULL, 1), 0);
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    MODEL_EQ(model_now(), MODEL_START + 2 * TENTH);
    MODEL_EQ(cconc_limiter_allow(e->limiter, 1), EAGAIN);
    env_end(e);
}

/* In a forked child what is there can be had, and a wait that would sleep does not, nor keeps what
 * it reserved. */
MODEL_SCENARIO(limiter_in_a_child, .covers = "X3", .goals = "told")
{
    env *e = env_new(10, 2);
    model_spawn(takes_one, e);
    model_may_fail(MODEL_MISUSE);
    model_fork();
    if (cconc_limiter_allow(e->limiter, 1) == 0) {
        MODEL_EQ(cconc_limiter_wait(e->limiter, NULL, 1), ENOTRECOVERABLE);
        MODEL_EQ(cconc_limiter_reserve(e->limiter, 1, CCONC_NEVER, &e->taken), 0);
        MODEL_EQ(cconc_reservation_time(&e->taken), MODEL_START + TENTH);
        model_cover("told");
    }
}
