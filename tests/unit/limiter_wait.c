/* limiter_wait.c - waits for tokens, and callers at one instant
 * SPDX-License-Identifier: MIT
 *
 * Risk      A wait that cannot be met and waits all the same, one that nothing ends, one that ends
 *           early or out of turn, one that leaves without giving back what it had reserved.
 * Method    The virtual clock; waiters that are seen to sleep.
 * Catches   lim-7, lim-9, lim-12; all-2, all-3, all-4, all-5, all-10, all-13.
 */
#include "limiter_help.h"

#include <stdatomic.h>

#include "ctx_help.h"

#define D (100 * CCONC_MS)

static void go_virtual(void)
{
    SUPPORT_CHECK(cconc_clock_virtual() == 0);
}

static void go_real(void)
{
    SUPPORT_CHECK(cconc_clock_real() == 0);
}

static void clock_move(int64_t duration_ns)
{
    SUPPORT_CHECK(cconc_clock_advance(duration_ns) == 0);
}

/* A wait that runs in a thread of its own. */
struct asker {
    cconc_limiter *limiter;
    cconc_ctx *ctx;
    int32_t n;
    atomic_int code;
    int64_t ended_ns;
};

static void wait_thread(void *arg, size_t index)
{
    struct asker *asker = arg;
    (void)index;
    int code = cconc_limiter_wait(asker->limiter, asker->ctx, asker->n);
    asker->ended_ns = cconc_clock_now();
    atomic_store(&asker->code, code);
}

static void limiter_table_wait_simple(void **state)
{
    (void)state;
    cconc_limiter *limiter = make(10, 3);
    cconc_ctx *done = make_cancel(NULL);
    cconc_ctx_cancel(done);
    go_virtual();
    int64_t start_ns = cconc_clock_now();
    assert_int_equal(cconc_limiter_wait(limiter, done, 1), ECANCELED);
    assert_int_equal(cconc_limiter_wait(limiter, done, 4), EINVAL); /* arguments come first */
    assert_int_equal(cconc_limiter_wait(limiter, NULL, 4), EINVAL);
    assert_int_equal(cconc_limiter_wait(limiter, NULL, 2), 0);
    assert_int_equal(cconc_clock_now(), start_ns);
    struct asker last = {.limiter = limiter, .n = 3, .code = -1};
    struct support_threads *thread = support_threads_start(1, wait_thread, &last);
    until(cconc_clock_waiters() == 1);
    clock_move(2 * D - 1);
    assert_int_equal(atomic_load(&last.code), -1);
    clock_move(CCONC_SECOND);
    assert_int_equal(support_threads_join(thread), 0);
    assert_int_equal(atomic_load(&last.code), 0);
    go_real();
    cconc_ctx_free(done);
    cconc_limiter_free(limiter);
}

/* lim-7 */
static void limiter_wait_that_cannot_be_met_fails_at_once_and_takes_nothing(void **state)
{
    (void)state;
    cconc_limiter *limiter = make(1, 2);
    go_virtual(); /* it stands still: a wait that sleeps does not return */
    cconc_ctx *ctx = make_timeout(NULL, CCONC_SECOND - 1);
    assert_int_equal(cconc_limiter_allow(limiter, 1), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cconc_limiter_wait(limiter, ctx, 2), ETIMEDOUT);
        assert_int_equal(cconc_ctx_err(ctx), 0);
        assert_true(cconc_limiter_tokens(limiter) == 1);
    }
    assert_int_equal(cconc_limiter_wait(limiter, ctx, 1), 0);
    cconc_ctx_free(ctx);
    go_real();
    cconc_limiter_free(limiter);
}

static void limiter_wait_that_is_cancelled_gives_its_tokens_back(void **state)
{
    (void)state;
    cconc_limiter *limiter = make(0.001, 1);
    struct asker asker = {.limiter = limiter, .ctx = make_cancel(NULL), .n = 1, .code = -1};
    assert_int_equal(cconc_limiter_allow(limiter, 1), 0);
    struct support_threads *threads = support_threads_start(1, wait_thread, &asker);
    until(cconc_limiter_tokens(limiter) < -0.5);
    cconc_ctx_cancel(asker.ctx);
    assert_int_equal(support_threads_join(threads), 0);
    assert_int_equal(atomic_load(&asker.code), ECANCELED);
    assert_true(cconc_limiter_tokens(limiter) >= 0);
    cconc_ctx_free(asker.ctx);
    cconc_limiter_free(limiter);
}

/* lim-7, all-13 */
static void limiter_waits_act_in_the_order_in_which_they_reserved(void **state)
{
    enum { WAITS = 4 };
    struct asker waits[WAITS];
    struct support_threads *threads[WAITS];
    (void)state;
    cconc_limiter *limiter = make(10, 1);
    go_virtual();
    int64_t start_ns = cconc_clock_now();
    assert_int_equal(cconc_limiter_allow(limiter, 1), 0);
    for (size_t i = 0; i < WAITS; i++) {
        waits[i] = (struct asker){.limiter = limiter, .n = 1, .code = -1};
        threads[i] = support_threads_start(1, wait_thread, &waits[i]);
        until(cconc_clock_waiters() == i + 1);
    }
    for (size_t i = 0; i < WAITS; i++) {
        clock_move(D);
        assert_int_equal(support_threads_join(threads[i]), 0);
        assert_int_equal(atomic_load(&waits[i].code), 0);
        assert_int_equal(waits[i].ended_ns, start_ns + ((int64_t)i + 1) * D);
        assert_int_equal(cconc_clock_waiters(), WAITS - i - 1);
    }
    go_real();
    cconc_limiter_free(limiter);
}

/* all-4: its time came, and then its context ended. */
static void limiter_wait_whose_time_has_come_keeps_its_tokens(void **state)
{
    (void)state;
    cconc_limiter *limiter = make(10, 1);
    struct asker asker = {.limiter = limiter, .ctx = make_cancel(NULL), .n = 1, .code = -1};
    go_virtual();
    assert_int_equal(cconc_limiter_allow(limiter, 1), 0);
    struct support_threads *thread = support_threads_start(1, wait_thread, &asker);
    until(cconc_clock_waiters() == 1);
    clock_move(D);
    cconc_ctx_cancel(asker.ctx);
    assert_int_equal(support_threads_join(thread), 0);
    assert_int_equal(atomic_load(&asker.code), 0);
    assert_int_equal(cconc_limiter_allow(limiter, 1), EAGAIN);
    go_real();
    cconc_ctx_free(asker.ctx);
    cconc_limiter_free(limiter);
}

static void limiter_wait_at_rate_0_sleeps_until_a_change_or_its_ctx(void **state)
{
    (void)state;
    cconc_limiter *limiter = make(0, 1);
    struct asker leaves = {.limiter = limiter, .ctx = make_cancel(NULL), .n = 1, .code = -1};
    struct asker stays = {.limiter = limiter, .n = 1, .code = -1};
    assert_int_equal(cconc_limiter_allow(limiter, 1), 0);
    struct support_threads *first = support_threads_start(1, wait_thread, &leaves);
    struct support_threads *second = support_threads_start(1, wait_thread, &stays);
    until(cconc_limiter_waiters(limiter) == 2);
    expect_misuse("limiter free with 2 waiters", cconc_limiter_free(limiter));
    assert_true(cconc_limiter_tokens(limiter) == 0); /* they hold nothing */
    cconc_ctx_cancel(leaves.ctx);
    assert_int_equal(support_threads_join(first), 0);
    assert_int_equal(atomic_load(&leaves.code), ECANCELED);
    assert_int_equal(cconc_limiter_set_burst(limiter, 2), 0); /* looks again, and sleeps on */
    until(cconc_limiter_waiters(limiter) == 1);
    assert_int_equal(cconc_limiter_set_rate(limiter, 1e6), 0);
    assert_int_equal(support_threads_join(second), 0);
    assert_int_equal(atomic_load(&stays.code), 0);
    cconc_ctx_free(leaves.ctx);
    cconc_limiter_free(limiter);
}

/* lim-9: it sleeps though it cannot be met; the rate may change. */
static void limiter_wait_at_rate_0_ends_at_its_deadline_and_not_before(void **state)
{
    (void)state;
    go_virtual();
    int64_t start_ns = cconc_clock_now();
    struct asker asker = {
        .limiter = make(0, 1), .ctx = make_timeout(NULL, CCONC_SECOND), .n = 1, .code = -1};
    assert_int_equal(cconc_limiter_allow(asker.limiter, 1), 0);
    struct support_threads *thread = support_threads_start(1, wait_thread, &asker);
    until(cconc_limiter_waiters(asker.limiter) == 1 && cconc_clock_waiters() == 1);
    clock_move(CCONC_SECOND - 1);
    assert_int_equal(cconc_limiter_waiters(asker.limiter), 1);
    clock_move(1);
    assert_int_equal(support_threads_join(thread), 0);
    assert_int_equal(atomic_load(&asker.code), ETIMEDOUT);
    assert_int_equal(asker.ended_ns, start_ns + CCONC_SECOND);
    assert_int_equal(cconc_ctx_err(asker.ctx), ETIMEDOUT);
    assert_true(cconc_limiter_tokens(asker.limiter) == 0);
    cconc_ctx_free(asker.ctx);
    go_real();
    cconc_limiter_free(asker.limiter);
}

/* Tokens that come back are as good as a change. */
static void limiter_wait_at_rate_0_takes_what_a_cancellation_gives_back(void **state)
{
    (void)state;
    cconc_limiter *limiter = make(0, 5);
    struct asker asker = {.limiter = limiter, .n = 1, .code = -1};
    cconc_reservation never;
    assert_int_equal(cconc_limiter_allow(limiter, 2), 0);
    assert_int_equal(cconc_limiter_reserve(limiter, 5, CCONC_NEVER, &never), 0);
    assert_true(cconc_reservation_time(&never) == CCONC_NEVER);
    struct support_threads *thread = support_threads_start(1, wait_thread, &asker);
    until(cconc_limiter_waiters(limiter) == 1);
    cconc_limiter_cancel(limiter, &never);
    until(atomic_load(&asker.code) != -1);
    assert_int_equal(support_threads_join(thread), 0);
    assert_int_equal(atomic_load(&asker.code), 0);
    assert_true(cconc_limiter_tokens(limiter) == 2);
    cconc_limiter_free(limiter);
}

/* all-5: the deadline has passed, and the timer service need not have been there yet. */
static void limiter_wait_after_the_deadline_leaves_a_ctx_that_has_ended(void **state)
{
    (void)state;
    cconc_limiter *limiter = make(0.001, 1);
    cconc_limiter_keyed *keyed = NULL;
    assert_int_equal(cconc_limiter_keyed_new(0.001, 1, 1, &keyed), 0);
    assert_int_equal(cconc_limiter_allow(limiter, 1), 0);
    assert_int_equal(cconc_limiter_keyed_allow(keyed, "a", 1, 1), 0);
    for (int i = 0; i < 400; i++) {
        cconc_ctx *ctx = make_timeout(NULL, 20 * CCONC_US);
        int64_t deadline_ns = cconc_ctx_deadline(ctx);
        while (cconc_clock_now() < deadline_ns) {
        }
        int err = i % 2 ? cconc_limiter_wait(limiter, ctx, 1)
                        : cconc_limiter_keyed_wait(keyed, ctx, "a", 1, 1);
        assert_int_equal(err, ETIMEDOUT);
        assert_int_equal(cconc_ctx_err(ctx), ETIMEDOUT);
        cconc_ctx_free(ctx);
    }
    cconc_limiter_keyed_free(keyed);
    cconc_limiter_free(limiter);
}

/* lim-2: what the clock has used counts, though the call that reads gives a time. */
static void limiter_tokens_at_a_time_before_the_latest_are_those_of_the_latest(void **state)
{
    (void)state;
    cconc_limiter *limiter = make(1, 5);
    go_virtual();
    int64_t start_ns = cconc_clock_now();
    assert_int_equal(cconc_limiter_allow(limiter, 1), 0);
    clock_move(10 * CCONC_SECOND);
    assert_int_equal(cconc_limiter_allow(limiter, 5), 0);
    assert_true(cconc_limiter_tokens_at(limiter, start_ns) == 0);
    assert_true(cconc_limiter_tokens_at(limiter, start_ns + 12 * CCONC_SECOND) == 2);
    assert_true(cconc_limiter_tokens(limiter) == 0);
    go_real();
    cconc_limiter_free(limiter);
}

/* lim-12: a limiter that had nothing to give once, and whose word is frozen now and then.
 *
 *     main                                 the other thread
 *     allow(all): none until never
 *     set_rate(1e9): thawed
 *                                          set_rate(1e9): frozen
 *     allow(1): frozen; none until never   ... thawed
 *         EAGAIN, though it is full */
struct changer {
    cconc_limiter *limiter;
    atomic_bool stop;
};

static void change_nothing(void *arg, size_t index)
{
    struct changer *changer = arg;
    (void)index;
    while (!atomic_load(&changer->stop)) {
        SUPPORT_CHECK(cconc_limiter_set_rate(changer->limiter, 1e9) == 0);
    }
}

static void limiter_that_has_tokens_refuses_nobody_while_another_call_has_it(void **state)
{
    enum { BURST = 1 << 20, CALLS = 20000 };
    (void)state;
    struct changer changer = {.limiter = make(0, BURST)};
    assert_int_equal(cconc_limiter_allow(changer.limiter, BURST), 0);
    assert_int_equal(cconc_limiter_allow(changer.limiter, 1), EAGAIN);
    assert_int_equal(cconc_limiter_set_rate(changer.limiter, 1e9), 0);
    until(cconc_limiter_tokens(changer.limiter) == (double)BURST);
    struct support_threads *thread = support_threads_start(1, change_nothing, &changer);
    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(cconc_limiter_allow(changer.limiter, 1), 0);
    }
    atomic_store(&changer.stop, true);
    assert_int_equal(support_threads_join(thread), 0);
    cconc_limiter_free(changer.limiter);
}

/* lim-12 */
static void allow_once(void *arg, size_t index)
{
    struct asker *all = arg;
    (void)index;
    if (cconc_limiter_allow(all->limiter, 1) == 0) {
        atomic_fetch_add(&all->code, 1);
    }
}

static void limiter_callers_at_one_instant_get_exactly_the_tokens_there_are(void **state)
{
    (void)state;
    go_virtual();
    for (int i = 0; i < 20; i++) {
        struct asker all = {.limiter = make(1, 5)};
        struct support_threads *threads = support_threads_start(15, allow_once, &all);
        assert_int_equal(support_threads_join(threads), 0);
        assert_int_equal(atomic_load(&all.code), 5);
        cconc_limiter_free(all.limiter);
    }
    go_real();
}

/* lim-11 */
static void limiter_admits_a_week_of_virtual_time_within_one(void **state)
{
    const int64_t week_ns = INT64_C(7) * 24 * 3600 * CCONC_SECOND;
    int64_t admitted = 0;
    (void)state;
    cconc_limiter *limiter = make(100, 300);
    go_virtual();
    int64_t start_ns = cconc_clock_now();
    while (cconc_clock_now() - start_ns < week_ns) {
        while (cconc_limiter_allow(limiter, 25) == 0) {
            admitted += 25;
        }
        clock_move(2499999983); /* no whole number of tokens */
    }
    while (cconc_limiter_allow(limiter, 1) == 0) {
        admitted++;
    }
    int64_t most = 300 + (cconc_clock_now() - start_ns) / (CCONC_SECOND / 100);
    go_real();
    assert_in_range(admitted, most - 1, most);
    cconc_limiter_free(limiter);
}

static void make_and_use(void *arg)
{
    cconc_limiter *limiter = NULL;
    (void)arg;
    int err = cconc_limiter_new(1, 1, &limiter);
    SUPPORT_CHECK(err == 0 || err == ENOMEM);
    SUPPORT_CHECK((err == 0) == (limiter != NULL));
    if (!err) {
        SUPPORT_CHECK(cconc_limiter_wait(limiter, NULL, 1) == 0);
    }
    cconc_limiter_free(limiter);
}

static void limiter_survives_every_failed_allocation(void **state)
{
    (void)state;
    assert_true(support_sweep_alloc(make_and_use, NULL) > 0);
}

/* At 10^9 a second the quick path counts for two seconds. */
static void limiter_that_rested_longer_than_the_quick_path_counts_is_full(void **state)
{
    (void)state;
    cconc_limiter *limiter = make(1e9, 10);
    go_virtual();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cconc_limiter_allow(limiter, 10), 0);
        assert_int_equal(cconc_limiter_allow(limiter, 1), EAGAIN);
        clock_move(3600 * CCONC_SECOND);
    }
    assert_true(cconc_limiter_tokens(limiter) == 10);
    go_real();
    cconc_limiter_free(limiter);
}

/* So large a burst is counted under the lock alone. */
static void limiter_of_a_huge_burst_refuses_until_there_is_a_token(void **state)
{
    (void)state;
    cconc_limiter *limiter = make(10, INT32_MAX);
    go_virtual();
    assert_int_equal(cconc_limiter_allow(limiter, INT32_MAX), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cconc_limiter_allow(limiter, 1), EAGAIN);
        clock_move(D - 1);
        assert_int_equal(cconc_limiter_allow(limiter, 1), EAGAIN);
        clock_move(1);
        assert_int_equal(cconc_limiter_allow(limiter, 1), 0);
    }
    go_real();
    cconc_limiter_free(limiter);
}

/* The virtual clock was ahead: the real one counts as where that stood. */
static void limiter_whose_clock_goes_back_gets_no_token_twice(void **state)
{
    (void)state;
    cconc_limiter *limiter = make(10, 3);
    go_virtual();
    clock_move(3600 * CCONC_SECOND);
    assert_int_equal(cconc_limiter_allow(limiter, 1), 0);
    go_real();
    for (int i = 0; i < 2; i++) {
        assert_int_equal(cconc_limiter_allow(limiter, 1), 0);
    }
    assert_int_equal(cconc_limiter_allow(limiter, 1), EAGAIN);
    assert_true(cconc_limiter_tokens(limiter) == 0);
    cconc_limiter_free(limiter);
}

static void limiter_without_limit_has_no_wish_that_is_too_large(void **state)
{
    (void)state;
    cconc_limiter *limiter = make(CCONC_RATE_INF, 3);
    cconc_ctx *done = make_cancel(NULL);
    cconc_ctx_cancel(done);
    assert_int_equal(cconc_limiter_wait(limiter, done, 4), ECANCELED);
    assert_int_equal(cconc_limiter_wait(limiter, NULL, 4), 0);
    cconc_ctx_free(done);
    cconc_limiter_free(limiter);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(limiter_table_wait_simple),
        UNIT_TEST(limiter_wait_that_cannot_be_met_fails_at_once_and_takes_nothing),
        UNIT_TEST(limiter_wait_that_is_cancelled_gives_its_tokens_back),
        UNIT_TEST(limiter_waits_act_in_the_order_in_which_they_reserved),
        UNIT_TEST(limiter_wait_whose_time_has_come_keeps_its_tokens),
        UNIT_TEST(limiter_wait_at_rate_0_sleeps_until_a_change_or_its_ctx),
        UNIT_TEST(limiter_wait_at_rate_0_ends_at_its_deadline_and_not_before),
        UNIT_TEST(limiter_wait_at_rate_0_takes_what_a_cancellation_gives_back),
        UNIT_TEST(limiter_wait_after_the_deadline_leaves_a_ctx_that_has_ended),
        UNIT_TEST(limiter_tokens_at_a_time_before_the_latest_are_those_of_the_latest),
        UNIT_TEST(limiter_that_has_tokens_refuses_nobody_while_another_call_has_it),
        UNIT_TEST(limiter_callers_at_one_instant_get_exactly_the_tokens_there_are),
        UNIT_TEST(limiter_admits_a_week_of_virtual_time_within_one),
        UNIT_TEST(limiter_survives_every_failed_allocation),
        UNIT_TEST(limiter_that_rested_longer_than_the_quick_path_counts_is_full),
        UNIT_TEST(limiter_of_a_huge_burst_refuses_until_there_is_a_token),
        UNIT_TEST(limiter_whose_clock_goes_back_gets_no_token_twice),
        UNIT_TEST(limiter_without_limit_has_no_wish_that_is_too_large),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
