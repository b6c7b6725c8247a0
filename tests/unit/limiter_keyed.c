/* limiter_keyed.c - a bucket a key, of which a bounded number is kept
 * SPDX-License-Identifier: MIT
 *
 * Risk      Keys that share a bucket, keys that are cut at a zero byte, more keys than were allowed
 *           for, the wrong one dropped, tokens given back to a key that has gone and come again.
 * Method    Explicit times; the virtual clock for waits; keys counted after each step.
 * Catches   the keyed row of the limiter; lim-2 to lim-5, lim-7, lim-9, lim-10 within a key; all-1,
 *           all-2, all-3, all-8.
 */
#include "unit.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <cconc/cconc.h>

#include "ctx_help.h"

#define D (100 * CCONC_MS)

static cconc_limiter_keyed *make(double rate, int32_t burst, size_t max_keys)
{
    cconc_limiter_keyed *limiter = NULL;
    SUPPORT_CHECK(cconc_limiter_keyed_new(rate, burst, max_keys, &limiter) == 0 && limiter);
    return limiter;
}

/* At D * k, for a key of one letter. */
static int allow(cconc_limiter_keyed *limiter, int k, char key, int32_t n)
{
    return cconc_limiter_keyed_allow_at(limiter, D * k, &key, 1, n);
}

static void limiter_keyed_gives_each_key_a_bucket_of_its_own(void **state)
{
    (void)state;
    cconc_limiter_keyed *limiter = make(10, 2, 100);
    assert_int_equal(allow(limiter, 0, 'a', 2), 0);
    assert_int_equal(allow(limiter, 0, 'a', 1), EAGAIN);
    assert_int_equal(allow(limiter, 0, 'b', 1), 0);
    assert_int_equal(allow(limiter, 0, 'b', 1), 0);
    assert_int_equal(allow(limiter, 0, 'b', 1), EAGAIN);
    assert_int_equal(allow(limiter, 1, 'a', 1), 0);
    assert_int_equal(allow(limiter, 1, 'a', 1), EAGAIN);
    assert_int_equal(allow(limiter, 0, 'a', 1), EAGAIN); /* counts as t1 */
    assert_int_equal(cconc_limiter_keyed_len(limiter), 2);
    cconc_limiter_keyed_free(limiter);
}

static void limiter_keyed_charges_what_it_grants_at_the_end_of_time(void **state)
{
    (void)state;
    cconc_limiter_keyed *limiter = make(10, 2, 100);
    assert_int_equal(cconc_limiter_keyed_allow_at(limiter, INT64_MAX, "a", 1, 1), 0);
    assert_int_equal(cconc_limiter_keyed_allow_at(limiter, INT64_MAX, "a", 1, 2), EAGAIN);
    assert_int_equal(cconc_limiter_keyed_allow_at(limiter, INT64_MAX, "a", 1, 1), 0);
    assert_int_equal(cconc_limiter_keyed_allow_at(limiter, INT64_MAX, "a", 1, 1), EAGAIN);
    cconc_limiter_keyed_free(limiter);
}

static void limiter_keyed_keys_are_all_their_bytes(void **state)
{
    static const char *const keys[] = {"", "a", "a\0", "a\0b", "b\0a", "\0\0\0"};
    static const size_t lens[] = {0, 1, 2, 3, 3, 3};
    (void)state;
    cconc_limiter_keyed *limiter = make(0, 1, 100);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(cconc_limiter_keyed_allow(limiter, keys[i], lens[i], 1), 0);
    }
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(cconc_limiter_keyed_allow(limiter, keys[i], lens[i], 1), EAGAIN);
    }
    assert_int_equal(cconc_limiter_keyed_allow(limiter, NULL, 0, 1), EAGAIN);
    assert_int_equal(cconc_limiter_keyed_len(limiter), 6);
    cconc_limiter_keyed_free(limiter);
}

static void limiter_keyed_refuses_what_can_never_be(void **state)
{
    cconc_limiter_keyed *none = NULL;
    (void)state;
    assert_int_equal(cconc_limiter_keyed_new(-1, 1, 1, &none), EINVAL);
    assert_int_equal(cconc_limiter_keyed_new(0.0 / 0.0, 1, 1, &none), EINVAL);
    assert_int_equal(cconc_limiter_keyed_new(1, -1, 1, &none), EINVAL);
    assert_int_equal(cconc_limiter_keyed_new(1, 1, 0, &none), EINVAL);
    assert_int_equal(cconc_limiter_keyed_new(1, 1, 1, NULL), EINVAL);
    assert_int_equal(cconc_limiter_keyed_new(1, 1, SIZE_MAX, &none), ENOMEM);
    assert_null(none);

    static char long_key[CCONC_LIMITER_KEYED_MAX_KEY + 1];
    cconc_limiter_keyed *limiter = make(10, 3, 4);
    cconc_ctx *done = make_cancel(NULL);
    cconc_ctx_cancel(done);
    assert_int_equal(cconc_limiter_keyed_allow(limiter, "a", 1, -1), EINVAL);
    assert_int_equal(cconc_limiter_keyed_allow(limiter, "a", 1, 4), EINVAL);
    assert_int_equal(cconc_limiter_keyed_allow(limiter, NULL, 1, 1), EINVAL);
    assert_int_equal(cconc_limiter_keyed_allow(limiter, long_key, sizeof(long_key), 1), EINVAL);
    assert_int_equal(cconc_limiter_keyed_wait(limiter, done, "a", 1, 4), EINVAL);
    assert_int_equal(cconc_limiter_keyed_wait(limiter, done, "a", 1, 1), ECANCELED);
    assert_true(cconc_limiter_keyed_delay(limiter, "a", 1, 4) == CCONC_NEVER);
    assert_true(cconc_limiter_keyed_tokens(limiter, NULL, 1) == 3);
    cconc_limiter_keyed_forget(limiter, NULL, 1);
    assert_int_equal(cconc_limiter_keyed_allow(limiter, "a", 1, 0), 0);
    assert_int_equal(cconc_limiter_keyed_len(limiter), 0);
    assert_int_equal(cconc_limiter_keyed_allow(limiter, long_key, sizeof(long_key) - 1, 3), 0);
    cconc_ctx_free(done);
    cconc_limiter_keyed_free(limiter);
    cconc_limiter_keyed_free(NULL);
}

static void limiter_keyed_drops_the_least_recently_used(void **state)
{
    (void)state;
    cconc_limiter_keyed *limiter = make(0, 1, 3);
    assert_int_equal(allow(limiter, 0, 'a', 1), 0);
    assert_int_equal(allow(limiter, 0, 'b', 1), 0);
    assert_int_equal(allow(limiter, 0, 'c', 1), 0);
    assert_int_equal(allow(limiter, 0, 'a', 1), EAGAIN); /* a use as well */
    assert_true(cconc_limiter_keyed_tokens(limiter, "b", 1) == 0); /* none */
    assert_int_equal(allow(limiter, 0, 'd', 1), 0);      /* b goes */
    assert_int_equal(cconc_limiter_keyed_len(limiter), 3);
    assert_int_equal(allow(limiter, 0, 'a', 1), EAGAIN);
    assert_int_equal(allow(limiter, 0, 'c', 1), EAGAIN);
    assert_int_equal(allow(limiter, 0, 'd', 1), EAGAIN);
    assert_int_equal(allow(limiter, 0, 'b', 1), 0);
    assert_int_equal(cconc_limiter_keyed_len(limiter), 3);
    cconc_limiter_keyed_free(limiter);
}

static void limiter_keyed_new_keys_drop_those_that_are_full_again(void **state)
{
    (void)state;
    cconc_limiter_keyed *limiter = make(1000, 2, 1000);
    SUPPORT_CHECK(cconc_clock_virtual() == 0);
    for (int key = 0; key < 10; key++) {
        assert_int_equal(cconc_limiter_keyed_allow(limiter, &key, sizeof(key), 2), 0);
    }
    assert_int_equal(cconc_limiter_keyed_len(limiter), 10);
    SUPPORT_CHECK(cconc_clock_advance(2 * CCONC_MS) == 0);
    for (int key = 100; key < 110; key++) {
        assert_int_equal(cconc_limiter_keyed_allow(limiter, &key, sizeof(key), 2), 0);
    }
    assert_int_equal(cconc_limiter_keyed_len(limiter), 10); /* each dropped two, while there were */
    SUPPORT_CHECK(cconc_clock_real() == 0);
    cconc_limiter_keyed_free(limiter);
}

static void limiter_keyed_never_keeps_more_than_it_may(void **state)
{
    static const size_t bounds[] = {1, 2, 100, 1023, 1024, 5000};
    (void)state;
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        cconc_limiter_keyed *limiter = make(0, 1, bounds[i]);
        for (size_t key = 0; key < 3 * bounds[i]; key++) {
            assert_int_equal(cconc_limiter_keyed_allow(limiter, &key, sizeof(key), 1), 0);
            assert_true(cconc_limiter_keyed_len(limiter) <= bounds[i]);
        }
        assert_true(cconc_limiter_keyed_len(limiter) >= bounds[i] * 9 / 10);
        cconc_limiter_keyed_free(limiter);
    }
}

static void limiter_keyed_forget_fills_the_bucket(void **state)
{
    (void)state;
    cconc_limiter_keyed *limiter = make(0, 1, 10);
    assert_int_equal(allow(limiter, 0, 'a', 1), 0);
    assert_true(cconc_limiter_keyed_tokens(limiter, "a", 1) == 0);
    cconc_limiter_keyed_forget(limiter, "b", 1);
    assert_int_equal(allow(limiter, 0, 'a', 1), EAGAIN);
    cconc_limiter_keyed_forget(limiter, "a", 1);
    assert_true(cconc_limiter_keyed_tokens(limiter, "a", 1) == 1);
    assert_int_equal(cconc_limiter_keyed_len(limiter), 0);
    assert_int_equal(allow(limiter, 0, 'a', 1), 0);
    cconc_limiter_keyed_free(limiter);
}

static void limiter_keyed_delay_tells_when_to_come_back(void **state)
{
    (void)state;
    cconc_limiter_keyed *limiter = make(10, 2, 10);
    SUPPORT_CHECK(cconc_clock_virtual() == 0);
    assert_true(cconc_limiter_keyed_delay(limiter, "a", 1, 2) == 0);
    assert_int_equal(cconc_limiter_keyed_allow(limiter, "a", 1, 2), 0);
    assert_true(cconc_limiter_keyed_delay(limiter, "a", 1, 0) == 0);
    assert_true(cconc_limiter_keyed_delay(limiter, "a", 1, 1) == D);
    assert_true(cconc_limiter_keyed_delay(limiter, "a", 1, 2) == 2 * D);
    SUPPORT_CHECK(cconc_clock_advance(D) == 0);
    assert_true(cconc_limiter_keyed_delay(limiter, "a", 1, 2) == D);
    assert_int_equal(cconc_limiter_keyed_allow(limiter, "a", 1, 1), 0);
    SUPPORT_CHECK(cconc_clock_real() == 0);
    cconc_limiter_keyed_free(limiter);
    limiter = make(0, 1, 10);
    assert_int_equal(cconc_limiter_keyed_allow(limiter, "a", 1, 1), 0);
    assert_true(cconc_limiter_keyed_delay(limiter, "a", 1, 1) == CCONC_NEVER);
    cconc_limiter_keyed_free(limiter);
}

static void limiter_keyed_without_limit_keeps_no_keys(void **state)
{
    (void)state;
    cconc_limiter_keyed *limiter = make(CCONC_RATE_INF, 0, 1);
    assert_int_equal(cconc_limiter_keyed_allow(limiter, "a", 1, INT32_MAX), 0);
    assert_int_equal(cconc_limiter_keyed_wait(limiter, NULL, "b", 1, INT32_MAX), 0);
    assert_true(cconc_limiter_keyed_delay(limiter, "a", 1, INT32_MAX) == 0);
    assert_true(cconc_limiter_keyed_tokens(limiter, "a", 1) >= CCONC_RATE_INF);
    assert_true(cconc_limiter_keyed_tokens(limiter, NULL, 1) >= CCONC_RATE_INF); /* no key */
    assert_int_equal(cconc_limiter_keyed_len(limiter), 0);
    cconc_limiter_keyed_free(limiter);
}

/* A wait for one token of 'a' that runs in a thread of its own. */
struct asker {
    cconc_limiter_keyed *limiter;
    cconc_ctx *ctx;
    atomic_int code;
};

static void wait_thread(void *arg, size_t index)
{
    struct asker *asker = arg;
    (void)index;
    atomic_store(&asker->code, cconc_limiter_keyed_wait(asker->limiter, asker->ctx, "a", 1, 1));
}

static void limiter_keyed_wait_acts_in_its_time(void **state)
{
    (void)state;
    cconc_limiter_keyed *limiter = make(10, 1, 10);
    struct asker asker = {.limiter = limiter, .code = -1};
    SUPPORT_CHECK(cconc_clock_virtual() == 0);
    assert_int_equal(cconc_limiter_keyed_wait(limiter, NULL, "a", 1, 1), 0);
    struct support_threads *thread = support_threads_start(1, wait_thread, &asker);
    until(cconc_clock_waiters() == 1);
    SUPPORT_CHECK(cconc_clock_advance(D - 1) == 0);
    assert_int_equal(atomic_load(&asker.code), -1);
    SUPPORT_CHECK(cconc_clock_advance(1) == 0);
    assert_int_equal(support_threads_join(thread), 0);
    assert_int_equal(atomic_load(&asker.code), 0);
    SUPPORT_CHECK(cconc_clock_real() == 0);
    cconc_limiter_keyed_free(limiter);
}

static void limiter_keyed_wait_that_cannot_be_met_fails_at_once(void **state)
{
    (void)state;
    cconc_limiter_keyed *limiter = make(0.001, 1, 10);
    cconc_ctx *soon = make_timeout(NULL, 100 * CCONC_SECOND);
    assert_int_equal(cconc_limiter_keyed_wait(limiter, soon, "a", 1, 1), 0);
    assert_int_equal(cconc_limiter_keyed_wait(limiter, soon, "a", 1, 1), ETIMEDOUT);
    assert_int_equal(cconc_ctx_err(soon), 0);
    assert_true(cconc_limiter_keyed_tokens(limiter, "a", 1) >= 0);
    cconc_limiter_keyed_free(limiter);
    limiter = make(0, 1, 10);
    assert_int_equal(cconc_limiter_keyed_wait(limiter, soon, "a", 1, 1), 0);
    assert_int_equal(cconc_limiter_keyed_wait(limiter, soon, "a", 1, 1), ETIMEDOUT);
    assert_int_equal(cconc_limiter_keyed_wait(limiter, NULL, "a", 1, 1), EDEADLK);
    assert_true(cconc_limiter_keyed_tokens(limiter, "a", 1) == 0);
    cconc_ctx_free(soon);
    cconc_limiter_keyed_free(limiter);
}

static void limiter_keyed_wait_at_rate_0_sleeps_until_its_ctx_is_cancelled(void **state)
{
    (void)state;
    cconc_limiter_keyed *limiter = make(0, 1, 10);
    struct asker asker = {.limiter = limiter, .ctx = make_cancel(NULL), .code = -1};
    SUPPORT_CHECK(cconc_clock_virtual() == 0);
    assert_int_equal(cconc_limiter_keyed_allow(limiter, "a", 1, 1), 0);
    struct support_threads *thread = support_threads_start(1, wait_thread, &asker);
    SUPPORT_CHECK(cconc_clock_advance(3600 * CCONC_SECOND) == 0);
    assert_int_equal(atomic_load(&asker.code), -1);
    assert_true(cconc_limiter_keyed_tokens(limiter, "a", 1) == 0); /* it holds nothing */
    cconc_ctx_cancel(asker.ctx);
    assert_int_equal(support_threads_join(thread), 0);
    assert_int_equal(atomic_load(&asker.code), ECANCELED);
    assert_true(cconc_limiter_keyed_tokens(limiter, "a", 1) == 0);
    SUPPORT_CHECK(cconc_clock_real() == 0);
    cconc_ctx_free(asker.ctx);
    cconc_limiter_keyed_free(limiter);
}

/* Cancel a wait for 'a' that has reserved; meanwhile, 'a' has gone and come again if it may. */
static double tokens_after_cancel(bool comes_again)
{
    cconc_limiter_keyed *limiter = make(0.001, 1, 10);
    struct asker asker = {.limiter = limiter, .ctx = make_cancel(NULL), .code = -1};
    double tokens;
    assert_int_equal(cconc_limiter_keyed_allow(limiter, "a", 1, 1), 0);
    struct support_threads *thread = support_threads_start(1, wait_thread, &asker);
    until(cconc_limiter_keyed_tokens(limiter, "a", 1) < -0.5);
    if (comes_again) {
        cconc_limiter_keyed_forget(limiter, "a", 1);
        assert_int_equal(cconc_limiter_keyed_allow(limiter, "a", 1, 1), 0);
    }
    cconc_ctx_cancel(asker.ctx);
    assert_int_equal(support_threads_join(thread), 0);
    assert_int_equal(atomic_load(&asker.code), ECANCELED);
    tokens = cconc_limiter_keyed_tokens(limiter, "a", 1);
    cconc_ctx_free(asker.ctx);
    cconc_limiter_keyed_free(limiter);
    return tokens;
}

static void limiter_keyed_wait_that_is_cancelled_gives_back_to_the_same_key_only(void **state)
{
    (void)state;
    double tokens = tokens_after_cancel(false);
    assert_true(tokens >= 0 && tokens < 0.5);
    tokens = tokens_after_cancel(true);
    assert_true(tokens >= 0 && tokens < 0.5);
}

static void make_and_use(void *arg)
{
    cconc_limiter_keyed *limiter = NULL;
    (void)arg;
    int err = cconc_limiter_keyed_new(1, 1, 2000, &limiter);
    SUPPORT_CHECK(err == 0 || err == ENOMEM);
    SUPPORT_CHECK((err == 0) == (limiter != NULL));
    for (int key = 0; key < 3 && !err; key++) {
        err = cconc_limiter_keyed_allow(limiter, &key, sizeof(key), 1);
        SUPPORT_CHECK(err == 0 || err == ENOMEM);
        SUPPORT_CHECK(cconc_limiter_keyed_len(limiter) == (size_t)key + !err);
    }
    cconc_limiter_keyed_free(limiter);
}

static void limiter_keyed_survives_every_failed_allocation(void **state)
{
    (void)state;
    assert_true(support_sweep_alloc(make_and_use, NULL) > 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(limiter_keyed_gives_each_key_a_bucket_of_its_own),
        UNIT_TEST(limiter_keyed_charges_what_it_grants_at_the_end_of_time),
        UNIT_TEST(limiter_keyed_keys_are_all_their_bytes),
        UNIT_TEST(limiter_keyed_refuses_what_can_never_be),
        UNIT_TEST(limiter_keyed_drops_the_least_recently_used),
        UNIT_TEST(limiter_keyed_new_keys_drop_those_that_are_full_again),
        UNIT_TEST(limiter_keyed_never_keeps_more_than_it_may),
        UNIT_TEST(limiter_keyed_forget_fills_the_bucket),
        UNIT_TEST(limiter_keyed_delay_tells_when_to_come_back),
        UNIT_TEST(limiter_keyed_without_limit_keeps_no_keys),
        UNIT_TEST(limiter_keyed_wait_acts_in_its_time),
        UNIT_TEST(limiter_keyed_wait_that_cannot_be_met_fails_at_once),
        UNIT_TEST(limiter_keyed_wait_at_rate_0_sleeps_until_its_ctx_is_cancelled),
        UNIT_TEST(limiter_keyed_wait_that_is_cancelled_gives_back_to_the_same_key_only),
        UNIT_TEST(limiter_keyed_survives_every_failed_allocation),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
