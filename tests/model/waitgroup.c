/* waitgroup.c - interleavings of waitgroups.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A waiter that sleeps through the end of its round, or is woken by another one's; a touch
 *          of the word after its memory has gone; a count that drifts when go fails.
 * Method   Scenarios of the deterministic tester, two to four threads each.
 * Catches  Wake-ups that are decided before the look at the bit, rounds that mix, waiters of
 *          another object in the same bucket, a last done that reads what is freed.
 */
#include "model.h"

typedef struct env {
    cconc_waitgroup *wg;
    cconc_waitgroup *other;
    cconc_ctx *ctx;
    cconc_ctx *until;   /* in mem */
    cconc_ctx_mem mem;
    int err[4];
    int seen[4];        /* written before a done, or by what go started */
    size_t waiters;
    model_word returned;
} env;

static env *env_new(int32_t count)
{
    env *e = model_zalloc(sizeof(*e));
    e->wg = model_zalloc(sizeof(*e->wg));
    cconc_waitgroup_init(e->wg);
    cconc_waitgroup_add(e->wg, count);
    return e;
}

static void env_end(env *e)
{
    model_join_all();
    MODEL_EQ(cconc_waitgroup_count(e->wg), 0);
    MODEL_EQ(cconc_waitgroup_waiters(e->wg), 0);
    cconc_waitgroup_destroy(e->wg);
    cconc_ctx_free(e->ctx);
}

static void finishes_first(void *arg)
{
    env *e = arg;
    e->seen[1] = 1;
    cconc_waitgroup_done(e->wg);
}

static void finishes_second(void *arg)
{
    env *e = arg;
    e->seen[2] = 1;
    cconc_waitgroup_done(e->wg);
}

static void waits(void *arg)
{
    env *e = arg;
    e->err[1] = cconc_waitgroup_wait(e->wg, NULL);
    model_set(&e->returned, 1);
}

static void waits_second(void *arg)
{
    env *e = arg;
    e->err[2] = cconc_waitgroup_wait(e->wg, NULL);
}

static void waits_in_ctx(void *arg)
{
    env *e = arg;
    e->err[1] = cconc_waitgroup_wait(e->wg, e->ctx);
}

static void cancels(void *arg)
{
    env *e = arg;
    cconc_ctx_cancel(e->ctx);
}

/* The memory goes right after wait, while the last done may still be returning. */
MODEL_SCENARIO(waitgroup_gone_after_wait, .exhaustive = true, .covers = "G3 S5")
{
    env *e = env_new(1);
    model_spawn(finishes_first, e);
    MODEL_EQ(cconc_waitgroup_wait(e->wg, NULL), 0);
    MODEL_EQ(e->seen[1], 1);
    model_free(e->wg);
    model_join_all();
}

static void notes_waiters_and_finishes(void *arg)
{
    env *e = arg;
    e->waiters = cconc_waitgroup_waiters(e->wg);
    finishes_first(e);
}

MODEL_SCENARIO(waitgroup_wait_meets_done, .exhaustive = true, .goals = "asleep before")
{
    env *e = env_new(1);
    model_spawn(notes_waiters_and_finishes, e);
    MODEL_EQ(cconc_waitgroup_wait(e->wg, NULL), 0);
    MODEL_EQ(e->seen[1], 1);
    model_join_all();
    model_cover(e->waiters ? "asleep" : "before");
    env_end(e);
}

static void waits_on_own_stack(void *arg)
{
    env *e = arg;
    cconc_waitgroup wg = CCONC_WAITGROUP_INIT;
    cconc_waitgroup_add(&wg, 1);
    e->wg = &wg;
    model_set(&e->returned, 1);
    MODEL_EQ(cconc_waitgroup_wait(&wg, NULL), 0);
    e->seen[0] = e->seen[1];
}

/* The waitgroup lies on the stack of a thread that ends right after its wait. */
MODEL_SCENARIO(waitgroup_on_the_stack, .exhaustive = true, .covers = "G3")
{
    env *e = model_zalloc(sizeof(*e));
    model_spawn(waits_on_own_stack, e);
    model_await(&e->returned, 1);
    e->seen[1] = 1;
    cconc_waitgroup_done(e->wg);
    model_join_all();
    MODEL_EQ(e->seen[0], 1);
}

/* What came before each done is there after the wait, also before the one that was not the last. */
MODEL_SCENARIO(waitgroup_two_dones, .exhaustive = true, .covers = "G4 G3")
{
    env *e = env_new(2);
    model_spawn(finishes_first, e);
    model_spawn(finishes_second, e);
    MODEL_EQ(cconc_waitgroup_wait(e->wg, NULL), 0);
    MODEL_EQ(e->seen[1] + e->seen[2], 2);
    model_free(e->wg);
    model_join_all();
}

MODEL_SCENARIO(waitgroup_two_waiters, .covers = "S14", .goals = "both none")
{
    env *e = env_new(1);
    model_spawn(waits, e);
    model_spawn(waits_second, e);
    e->waiters = cconc_waitgroup_waiters(e->wg);
    if (e->waiters != 1) {
        model_cover(e->waiters ? "both" : "none");
    }
    cconc_waitgroup_done(e->wg);
    model_join_all();
    MODEL_EQ(e->err[1] | e->err[2], 0);
    env_end(e);
}

/* The round ends and the next begins at once: who waited for the first must not need the second. */
MODEL_SCENARIO(waitgroup_round_ends_though_next_begins, .exhaustive = true, .covers = "G1",
               .goals = "asleep before")
{
    env *e = env_new(1);
    model_spawn(waits, e);
    e->waiters = cconc_waitgroup_waiters(e->wg);
    cconc_waitgroup_done(e->wg);
    cconc_waitgroup_add(e->wg, 1);
    if (e->waiters) {
        model_await(&e->returned, 1);
        MODEL_EQ(cconc_waitgroup_count(e->wg), 1);
    }
    model_cover(e->waiters ? "asleep" : "before");
    cconc_waitgroup_done(e->wg);
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    env_end(e);
}

static void waits_for_second_round(void *arg)
{
    env *e = arg;
    model_await(&e->returned, 1);
    MODEL_EQ(cconc_waitgroup_wait(e->wg, NULL), 0);
    MODEL_EQ(e->seen[2], 1);
}

static void waits_for_first_round(void *arg)
{
    env *e = arg;
    MODEL_EQ(cconc_waitgroup_wait(e->wg, NULL), 0);
    MODEL_EQ(e->seen[1], 1);
}

/* The end of the first round must not end the wait of the second. */
MODEL_SCENARIO(waitgroup_rounds_do_not_mix, .covers = "G1")
{
    env *e = env_new(1);
    model_spawn(waits_for_first_round, e);
    model_spawn(waits_for_second_round, e);
    e->seen[1] = 1;
    cconc_waitgroup_done(e->wg);
    cconc_waitgroup_add(e->wg, 1);
    model_set(&e->returned, 1);
    e->seen[2] = 1;
    cconc_waitgroup_done(e->wg);
    env_end(e);
}

static void finishes_two_rounds(void *arg)
{
    env *e = arg;
    cconc_waitgroup_done(e->wg);
    model_await(&e->returned, 1);
    e->seen[2] = 1;
    cconc_waitgroup_done(e->wg);
}

/* Main sees the zero, begins the next round and waits for it while the done that made the zero is
 * still about to wake the others: it is none of those. */
MODEL_SCENARIO(waitgroup_waits_for_next_round, .covers = "G1")
{
    env *e = env_new(1);
    model_spawn(waits_second, e);
    model_spawn(finishes_two_rounds, e);
    MODEL_EQ(cconc_waitgroup_wait(e->wg, NULL), 0);
    cconc_waitgroup_add(e->wg, 1);
    model_set(&e->returned, 1);
    MODEL_EQ(cconc_waitgroup_wait(e->wg, NULL), 0);
    MODEL_EQ(e->seen[2], 1);
    model_join_all();
    MODEL_EQ(e->err[2], 0);
    env_end(e);
}

static void finishes_each_round(void *arg)
{
    env *e = arg;
    for (uint32_t round = 1; round <= 2; round++) {
        model_await(&e->returned, round);
        cconc_waitgroup_done(e->wg);
    }
}

/* The next round begins while the last done of this one is still returning. */
MODEL_SCENARIO(waitgroup_round_after_round, .covers = "G2")
{
    env *e = env_new(0);
    model_spawn(finishes_each_round, e);
    model_spawn(finishes_each_round, e);
    for (uint32_t round = 1; round <= 2; round++) {
        cconc_waitgroup_add(e->wg, 2);
        model_set(&e->returned, round);
        MODEL_EQ(cconc_waitgroup_wait(e->wg, NULL), 0);
        MODEL_EQ(cconc_waitgroup_count(e->wg), 0);
    }
    env_end(e);
}

MODEL_SCENARIO(waitgroup_timeout_meets_done, .exhaustive = true, .covers = "S8 S12",
               .goals = "late in_time")
{
    env *e = env_new(1);
    e->until = cconc_ctx_until(&e->mem, NULL, MODEL_START + 10);
    model_spawn(finishes_first, e);
    e->err[0] = cconc_waitgroup_wait(e->wg, e->until);
    if (e->err[0] != 0) {
        MODEL_EQ(e->err[0], ETIMEDOUT);
        MODEL_CHECK(model_now() >= MODEL_START + 10);
        MODEL_EQ(cconc_waitgroup_wait(e->wg, NULL), 0);
    }
    MODEL_EQ(e->seen[1], 1);
    model_cover(e->err[0] ? "late" : "in_time");
    MODEL_EQ(cconc_waitgroup_wait(e->wg, e->until), 0);
    env_end(e);
}

/* One of two waiters is cancelled: the bit of the other stays. */
MODEL_SCENARIO(waitgroup_cancel_meets_done, .goals = "cancelled ended")
{
    env *e = env_new(1);
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(waits_in_ctx, e);
    model_spawn(waits_second, e);
    cconc_ctx_cancel(e->ctx);
    cconc_waitgroup_done(e->wg);
    model_join_all();
    MODEL_EQ(e->err[2], 0);
    MODEL_CHECK(e->err[1] == 0 || e->err[1] == ECANCELED);
    model_cover(e->err[1] ? "cancelled" : "ended");
    env_end(e);
}

MODEL_SCENARIO(waitgroup_cancel_alone, .exhaustive = true, .goals = "asleep before")
{
    env *e = env_new(1);
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(cancels, e);
    model_cover(cconc_ctx_err(e->ctx) ? "before" : "asleep");
    MODEL_EQ(cconc_waitgroup_wait(e->wg, e->ctx), ECANCELED);
    MODEL_EQ(cconc_waitgroup_count(e->wg), 1);
    cconc_waitgroup_done(e->wg);
    MODEL_EQ(cconc_waitgroup_wait(e->wg, e->ctx), 0); /* the state wins over a done context */
    env_end(e);
}

static void adds_and_finishes(void *arg)
{
    env *e = arg;
    cconc_waitgroup_add(e->wg, 1);
    cconc_waitgroup_add(e->wg, -2);
}

/* The count goes up and down by more than one while somebody waits. */
MODEL_SCENARIO(waitgroup_add_meets_done, .exhaustive = true)
{
    env *e = env_new(2);
    model_spawn(adds_and_finishes, e);
    finishes_second(e);
    MODEL_EQ(cconc_waitgroup_wait(e->wg, NULL), 0);
    env_end(e);
}

MODEL_SCENARIO(waitgroup_below_zero, .exhaustive = true)
{
    env *e = env_new(1);
    model_spawn(finishes_first, e);
    model_expect(MODEL_MISUSE);
    cconc_waitgroup_done(e->wg);
    model_join_all();
    MODEL_CHECK(false);
}

MODEL_SCENARIO(waitgroup_swaps_fail, .faults = MODEL_CAS, .covers = "S9")
{
    env *e = env_new(2);
    model_spawn(finishes_first, e);
    model_spawn(finishes_second, e);
    MODEL_EQ(cconc_waitgroup_wait(e->wg, NULL), 0);
    MODEL_EQ(e->seen[1] + e->seen[2], 2);
    env_end(e);
}

/* The real parker, woken for no reason: the wait goes on. */
MODEL_SCENARIO(waitgroup_woken_for_nothing, .low = true, .faults = MODEL_SPURIOUS, .covers = "S6")
{
    env *e = env_new(1);
    model_spawn(finishes_first, e);
    MODEL_EQ(cconc_waitgroup_wait(e->wg, NULL), 0);
    MODEL_EQ(e->seen[1], 1);
    model_free(e->wg);
    model_join_all();
}

MODEL_SCENARIO(waitgroup_spins, .cpus = MODEL_ANY_CPUS)
{
    env *e = env_new(1);
    model_spawn(finishes_first, e);
    MODEL_EQ(cconc_waitgroup_wait(e->wg, NULL), 0);
    MODEL_EQ(e->seen[1], 1);
    model_free(e->wg);
    model_join_all();
}

/* Where the lot keeps the waiters of an object; as in src/core/lot.c. */
static uint64_t bucket_of(const void *object)
{
    return (((uint64_t)(uintptr_t)object >> 2) * UINT64_C(0x9E3779B97F4A7C15)) >> 58;
}

static void waits_for_other(void *arg)
{
    env *e = arg;
    e->err[2] = cconc_waitgroup_wait(e->other, NULL);
}

/* Two waitgroups of one bucket: the end of the one is not the end of the other. */
MODEL_SCENARIO(waitgroup_shares_a_bucket, .covers = "H6")
{
    env *e = model_zalloc(sizeof(*e));
    cconc_waitgroup *many = model_zalloc(256 * sizeof(*many));
    int at = 1;
    while (at < 255 && bucket_of(&many[at]) != bucket_of(&many[0])) {
        at++;
    }
    MODEL_EQ(bucket_of(&many[at]), bucket_of(&many[0]));
    e->other = &many[0];
    e->wg = &many[at];
    cconc_waitgroup_add(e->other, 1);
    cconc_waitgroup_add(e->wg, 1);
    model_spawn(waits_for_first_round, e);
    model_spawn(waits_for_other, e);
    cconc_waitgroup_done(e->other);
    finishes_first(e);
    model_join_all();
    MODEL_EQ(e->err[2], 0);
    env_end(e);
}

/* In a forked child nobody would end the wait: it is told so, and does not hang; unless the other
 * thread was in the lot at that moment, which ends the child. */
MODEL_SCENARIO(waitgroup_wait_in_a_child, .covers = "X3", .goals = "told")
{
    env *e = env_new(1);
    model_spawn(waits, e);
    model_may_fail(MODEL_MISUSE);
    model_fork();
    MODEL_EQ(cconc_waitgroup_count(e->wg), 1);
    MODEL_EQ(cconc_waitgroup_wait(e->wg, NULL), ENOTRECOVERABLE);
    model_cover("told");
}
