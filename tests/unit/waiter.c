/* waiter.c - unit tests of the waiter: one claim decides a wait, one wake ends it
 * SPDX-License-Identifier: MIT
 *
 * Risk      Two claims that both win, a wake left over for the next wait, a waiter still watched by
 *           a context after it has gone, an early return.
 * Method    The owner is a thread of its own, seen asleep in its parker; claims come from one or
 *           many others. Claims race deadlines that are kept close to them.
 * Catches   H5 H7 H8, S6 S8 S12 S13, I8 I9; invariants I1 to I3 of core/waiter.c;
 *           rules all-4 all-5 all-7.
 */
#include "chan_help.h"

#include "core/waiter.h"

#include <errno.h>
#include <stdatomic.h>

/* A wait in a thread of its own. */
struct wait {
    waiter                  w;
    wait_node               node;
    cconc_ctx              *ctx;
    bool                    may_spin;
    atomic_bool             armed;
    claim_kind              kind;
    uint32_t                index;
    int                     err;
    int                     told; /* plain: what the claimer wrote is seen after the wake */
    struct support_threads *thread;
};

static void wait_run(void *arg, size_t index)
{
    struct wait *wait = arg;
    (void)index;
    cconc__waiter_arm(&wait->w, wait->ctx);
    wait_node_init(&wait->node, &wait->w, NULL, 5);
    atomic_store(&wait->armed, true);
    cconc__waiter_park(&wait->w, wait->may_spin);
    wait->kind = waiter_kind(&wait->w);
    wait->index = waiter_index(&wait->w);
    wait->err = cconc__waiter_error(&wait->w, wait->ctx);
    waiter_disarm(&wait->w);
}

static void wait_start(struct wait *wait, cconc_ctx *ctx, bool may_spin)
{
    *wait = (struct wait){.ctx = ctx, .may_spin = may_spin, .err = -1};
    wait->thread = support_threads_start(1, wait_run, wait);
    until(atomic_load(&wait->armed));
}

static void wait_end(struct wait *wait)
{
    support_threads_join(wait->thread);
}

static void wake_one(struct wait *wait)
{
    wake_batch batch = WAKE_BATCH_INIT;
    batch_add(&batch, &wait->node);
    batch_wake(&batch);
}

/* ---- smoke ---------------------------------------------------------------------------------- */

static void waiter_returns_with_the_claim_that_was_made(void **state)
{
    static const claim_kind kinds[] = {CLAIM_GRANT, CLAIM_READY, CLAIM_CLOSE};
    (void)state;
    for (uint32_t i = 0; i < 6; i++) {
        struct wait wait;
        wait_start(&wait, NULL, i % 2 == 0);
        if (i >= 3) {
            until(parker_is_parked(&wait.w.owner->parker));
        }
        assert_true(waiter_claim(&wait.w, kinds[i % 3], i * 1000));
        wait.told = 77;
        wake_one(&wait);
        wait_end(&wait);
        assert_int_equal(wait.kind, kinds[i % 3]);
        assert_int_equal(wait.index, i * 1000);
        assert_int_equal(wait.told, 77);
    }
}

static void waiter_is_claimed_only_once(void **state)
{
    struct wait wait;
    (void)state;
    wait_start(&wait, NULL, false);
    assert_true(waiter_claim(&wait.w, CLAIM_GRANT, 2));
    assert_false(waiter_claim(&wait.w, CLAIM_CLOSE, 3));
    assert_false(waiter_claim(&wait.w, CLAIM_GRANT, 2));
    wake_one(&wait);
    wait_end(&wait);
    assert_int_equal(wait.kind, CLAIM_GRANT);
    assert_int_equal(wait.index, 2);
}

/* ---- blocking ------------------------------------------------------------------------------- */

struct claimers {
    struct wait *wait;
    atomic_int   winners;
};

static void claim_and_wake(void *arg, size_t index)
{
    struct claimers *claimers = arg;
    if (waiter_claim(&claimers->wait->w, CLAIM_GRANT, (uint32_t)index)) {
        claimers->wait->told = (int)index;
        atomic_fetch_add(&claimers->winners, 1);
        wake_one(claimers->wait);
    }
}

static void waiter_has_one_winner_among_many_claimers(void **state)
{
    (void)state;
    for (int round = 0; round < MANY(300, 60); round++) {
        struct wait wait;
        struct claimers claimers = {&wait, 0};
        wait_start(&wait, NULL, round % 2 == 0);
        support_threads_join(support_threads_start(4, claim_and_wake, &claimers));
        wait_end(&wait);
        assert_int_equal(atomic_load(&claimers.winners), 1);
        assert_int_equal(wait.kind, CLAIM_GRANT);
        assert_int_equal(wait.index, wait.told);
    }
}

static void waiter_batch_wakes_all_that_were_claimed(void **state)
{
    struct wait waits[20];
    wake_batch batch = WAKE_BATCH_INIT;
    (void)state;
    for (uint32_t i = 0; i < 20; i++) {
        wait_start(&waits[i], NULL, false);
    }
    for (uint32_t i = 0; i < 20; i++) {
        assert_true(waiter_claim(&waits[i].w, CLAIM_CLOSE, i));
        batch_add(&batch, &waits[i].node);
    }
    batch_wake(&batch);
    assert_null(batch.first);
    batch_wake(&batch); /* an empty one wakes nobody */
    for (uint32_t i = 0; i < 20; i++) {
        wait_end(&waits[i]);
        assert_int_equal(waits[i].kind, CLAIM_CLOSE);
        assert_int_equal(waits[i].index, i);
    }
}

/* ---- deadline ------------------------------------------------------------------------------- */

static void waiter_times_out_at_its_deadline_and_not_before(void **state)
{
    static const int64_t durations[] = {-CCONC_SECOND, 0, 1, CCONC_US, CCONC_MS, 3 * CCONC_MS};
    (void)state;
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        cconc_ctx_mem mem;
        waiter w;
        int64_t deadline_ns = cconc_clock_now() + durations[i];
        cconc_ctx *ctx = cconc_ctx_until(&mem, NULL, deadline_ns);
        cconc__waiter_arm(&w, ctx);
        cconc__waiter_park(&w, i % 2 == 0);
        assert_true(cconc_clock_now() >= deadline_ns);
        assert_int_equal(waiter_kind(&w), CLAIM_TIMEOUT);
        assert_int_equal(cconc__waiter_error(&w, ctx), ETIMEDOUT);
        assert_int_equal(cconc_ctx_err(ctx), ETIMEDOUT);
        assert_false(waiter_claim(&w, CLAIM_GRANT, 0));
        waiter_disarm(&w);
    }
}

/* Claim a wait whose deadline is near; give what won. */
static claim_kind race_the_deadline(int64_t delay_ns)
{
    struct wait wait;
    cconc_ctx_mem mem;
    wait_start(&wait, cconc_ctx_until(&mem, NULL, cconc_clock_after(delay_ns)), false);
    bool won = waiter_claim(&wait.w, CLAIM_GRANT, 0);
    if (won) {
        wake_one(&wait);
    }
    wait_end(&wait);
    SUPPORT_CHECK(wait.kind == (won ? CLAIM_GRANT : CLAIM_TIMEOUT));
    return wait.kind;
}

/* The deadline moves away while it wins, and comes nearer while the claim does. */
static void waiter_claim_races_its_deadline_and_one_of_them_wins(void **state)
{
    int64_t delay_ns = 20 * CCONC_US;
    (void)state;
    int64_t begin_ns = cconc_clock_now();
    for (int round = 0; round < MANY(2000, 300) && time_is_left(begin_ns); round++) {
        if (race_the_deadline(delay_ns) == CLAIM_GRANT) {
            delay_ns -= delay_ns / 16;
        } else {
            delay_ns += delay_ns / 16 + 100;
        }
    }
}

/* ---- cancel --------------------------------------------------------------------------------- */

static void waiter_ends_with_its_context(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) {
        cconc_ctx *ctx = ctx_make();
        struct wait wait;
        wait_start(&wait, ctx, round == 1);
        if (round == 0) {
            until(cconc__node_watchers(ctx) == 1);
        }
        cconc_ctx_cancel(ctx);
        wait_end(&wait);
        assert_int_equal(wait.kind, CLAIM_CANCEL);
        assert_int_equal(wait.err, ECANCELED);
        assert_int_equal(cconc__node_watchers(ctx), 0);
        cconc_ctx_free(ctx);
    }
}

static void waiter_with_a_done_context_does_not_sleep(void **state)
{
    cconc_ctx *ctx = ctx_make_cancelled();
    waiter w;
    (void)state;
    cconc__waiter_arm(&w, ctx);
    cconc__waiter_park(&w, false);
    assert_int_equal(waiter_kind(&w), CLAIM_CANCEL);
    assert_int_equal(cconc__waiter_error(&w, ctx), ECANCELED);
    waiter_disarm(&w);
    cconc_ctx_free(ctx);
}

static void waiter_that_was_granted_is_watched_no_longer(void **state)
{
    cconc_ctx *ctx = ctx_make();
    struct wait wait;
    (void)state;
    wait_start(&wait, ctx, false);
    until(cconc__node_watchers(ctx) == 1);
    assert_true(waiter_claim(&wait.w, CLAIM_GRANT, 0));
    wake_one(&wait);
    wait_end(&wait);
    assert_int_equal(wait.kind, CLAIM_GRANT);
    assert_int_equal(cconc__node_watchers(ctx), 0);
    cconc_ctx_cancel(ctx);
    cconc_ctx_free(ctx);
}

/* ---- withdraw ------------------------------------------------------------------------------- */

static void waiter_withdraws_if_nobody_has_claimed_it(void **state)
{
    waiter w;
    (void)state;
    cconc__waiter_arm(&w, NULL);
    assert_true(cconc__waiter_withdraw(&w));
    assert_int_equal(waiter_kind(&w), CLAIM_SELF);
    assert_false(waiter_claim(&w, CLAIM_GRANT, 0));
}

struct late {
    waiter     *w;
    wait_node  *node;
    atomic_bool claimed;
};

static void claim_then_wake(void *arg, size_t index)
{
    struct late *late = arg;
    wake_batch batch = WAKE_BATCH_INIT;
    (void)index;
    SUPPORT_CHECK(waiter_claim(late->w, CLAIM_GRANT, 9));
    atomic_store(&late->claimed, true);
    batch_add(&batch, late->node);
    batch_wake(&batch);
}

static void waiter_that_withdraws_too_late_takes_the_wake_with_it(void **state)
{
    (void)state;
    for (int round = 0; round < MANY(200, 40); round++) {
        waiter w;
        wait_node node;
        struct late late = {&w, &node, false};
        cconc_ctx_mem mem;
        cconc__waiter_arm(&w, NULL);
        wait_node_init(&node, &w, NULL, 9);
        struct support_threads *threads = support_threads_start(1, claim_then_wake, &late);
        until(atomic_load(&late.claimed));
        assert_false(cconc__waiter_withdraw(&w));
        assert_int_equal(waiter_kind(&w), CLAIM_GRANT);
        assert_int_equal(waiter_index(&w), 9);
        support_threads_join(threads);
        cconc__waiter_arm(&w, ctx_for(&mem, 100 * CCONC_US));
        cconc__waiter_park(&w, false);
        assert_int_equal(waiter_kind(&w), CLAIM_TIMEOUT);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(waiter_returns_with_the_claim_that_was_made),
        UNIT_TEST(waiter_is_claimed_only_once),
        UNIT_TEST(waiter_has_one_winner_among_many_claimers),
        UNIT_TEST(waiter_batch_wakes_all_that_were_claimed),
        UNIT_TEST(waiter_times_out_at_its_deadline_and_not_before),
        UNIT_TEST(waiter_claim_races_its_deadline_and_one_of_them_wins),
        UNIT_TEST(waiter_ends_with_its_context),
        UNIT_TEST(waiter_with_a_done_context_does_not_sleep),
        UNIT_TEST(waiter_that_was_granted_is_watched_no_longer),
        UNIT_TEST(waiter_withdraws_if_nobody_has_claimed_it),
        UNIT_TEST(waiter_that_withdraws_too_late_takes_the_wake_with_it),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
