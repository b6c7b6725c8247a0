/* ctx_deadline.c - contexts that end by time
 * SPDX-License-Identifier: MIT
 *
 * Risk      A context that ends early, or never; arithmetic that wraps at the ends of the range;
 *           the wrong cause when two deadlines or a cancel compete; a timer left armed.
 * Method    Tables of times from INT64_MIN to INT64_MAX; deadlines a few milliseconds away, waited
 *           for and compared with the system's clock, never with an upper bound.
 * Catches   C5, H3, T4, T5, T8, T9; I12.
 */
#include "ctx_help.h"

#include "core/node.h"

#include <stdatomic.h>

static void ctx_deadline_ends_it_with_etimedout_and_never_early(void **state)
{
    (void)state;
    for (int64_t ms = 0; ms < 8; ms++) {
        int64_t deadline_ns = cconc_clock_now() + ms * CCONC_MS + 1;
        cconc_ctx *ctx = make_deadline(NULL, deadline_ns);
        assert_int_equal(cconc_ctx_deadline(ctx), deadline_ns);
        assert_int_equal(cconc_ctx_wait(ctx, NULL), 0);
        assert_true(support_now_ns() >= deadline_ns);
        assert_ended(ctx, ETIMEDOUT, ETIMEDOUT, NULL);
        cconc_ctx_free(ctx);
    }
}

static void ctx_err_shows_no_deadline_that_has_not_passed(void **state)
{
    (void)state;
    struct support_random random = support_random_make(3, 0);
    for (size_t round = 0; round < 100; round++) {
        int64_t deadline_ns = cconc_clock_now() + 1 + support_random_below(&random, 2000000);
        cconc_ctx *ctx = make_deadline(NULL, deadline_ns);
        until(cconc_ctx_err(ctx) != 0);
        assert_true(support_now_ns() >= deadline_ns);
        assert_int_equal(cconc_ctx_err(ctx), ETIMEDOUT);
        cconc_ctx_free(ctx);
    }
}

static void ctx_deadline_is_the_earlier_of_its_own_and_its_parents(void **state)
{
    (void)state;
    int64_t near_ns = cconc_clock_after(FAR_NS);
    int64_t far_ns = near_ns + CCONC_SECOND;
    cconc_ctx *parent = make_deadline(NULL, near_ns);
    cconc_ctx *later = make_deadline(parent, far_ns);
    cconc_ctx *sooner = make_deadline(parent, near_ns - 5);
    cconc_ctx *value = make_value(sooner, &ctx_mark, NULL);
    cconc_ctx *child = make_cancel(value);
    cconc_ctx *shield = make_without_cancel(child);
    assert_int_equal(cconc_ctx_deadline(parent), near_ns);
    assert_int_equal(cconc_ctx_deadline(later), near_ns);
    assert_int_equal(cconc_ctx_deadline(sooner), near_ns - 5);
    assert_int_equal(cconc_ctx_deadline(value), near_ns - 5);
    assert_int_equal(cconc_ctx_deadline(child), near_ns - 5);
    assert_int_equal(cconc_ctx_deadline(shield), CCONC_NEVER);
    cconc_ctx_free(shield);
    cconc_ctx_free(child);
    cconc_ctx_free(value);
    cconc_ctx_free(sooner);
    cconc_ctx_free(later);
    cconc_ctx_free(parent);
}

static void ctx_deadline_not_after_now_gives_a_context_born_done(void **state)
{
    (void)state;
    const int64_t deadlines[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, cconc_clock_now()};
    uint64_t threads = support_thread_count();
    cconc_ctx *parent = make_cancel(NULL);
    for (size_t i = 0; i < sizeof(deadlines) / sizeof(deadlines[0]); i++) {
        cconc_ctx *ctx = make_deadline(parent, deadlines[i]);
        cconc_ctx *child = make_cancel(ctx);
        assert_ended(ctx, ETIMEDOUT, ETIMEDOUT, NULL);
        assert_ended(child, ETIMEDOUT, ETIMEDOUT, NULL);
        cconc_ctx_free(ctx);
        cconc_ctx_free(child);
    }
    assert_int_equal(cconc_ctx_err(parent), 0);
    cconc_ctx *kept = make_deadline(parent, 0);
    cconc_ctx_cancel_cause(parent, EPERM, "parent");
    assert_ended(kept, ETIMEDOUT, ETIMEDOUT, NULL);
    cconc_ctx_cancel(kept);
    cconc_ctx_free(parent);
    assert_ended(kept, ETIMEDOUT, ETIMEDOUT, NULL);
    cconc_ctx_free(kept);
    assert_int_equal(support_thread_count(), threads);
}

static void ctx_timeout_of_nothing_or_less_is_over_at_once(void **state)
{
    (void)state;
    static const int64_t timeouts[] = {INT64_MIN, -CCONC_SECOND, -1, 0};
    for (size_t i = 0; i < sizeof(timeouts) / sizeof(timeouts[0]); i++) {
        cconc_ctx *ctx = make_timeout(NULL, timeouts[i]);
        assert_ended(ctx, ETIMEDOUT, ETIMEDOUT, NULL);
        cconc_ctx_free(ctx);
        ctx = make_timeout_cause(NULL, timeouts[i], EDOM, "slow");
        assert_ended(ctx, ETIMEDOUT, EDOM, "slow");
        cconc_ctx_free(ctx);
    }
}

static void ctx_deadline_beyond_the_range_is_never(void **state)
{
    (void)state;
    cconc_ctx *at_end = make_deadline(NULL, CCONC_NEVER);
    cconc_ctx *longest = make_timeout(NULL, INT64_MAX);
    cconc_ctx *huge = make_timeout(NULL, INT64_MAX - 1);
    assert_int_equal(cconc_ctx_deadline(at_end), CCONC_NEVER);
    assert_int_equal(cconc_ctx_deadline(longest), CCONC_NEVER);
    assert_int_equal(cconc_ctx_deadline(huge), CCONC_NEVER);
    assert_ended(at_end, 0, 0, NULL);
    assert_ended(longest, 0, 0, NULL);
    cconc_ctx_cancel(at_end);
    cconc_ctx_cancel(longest);
    cconc_ctx_cancel(huge);
    assert_ended(at_end, ECANCELED, ECANCELED, NULL);
    assert_ended(longest, ECANCELED, ECANCELED, NULL);
    cconc_ctx_free(at_end);
    cconc_ctx_free(longest);
    cconc_ctx_free(huge);
}

static void ctx_cause_of_a_deadline_counts_only_if_that_very_deadline_ends_it(void **state)
{
    (void)state;
    cconc_ctx *parent = make_timeout_cause(NULL, 2 * CCONC_MS, EDOM, "parent");
    cconc_ctx *child = make_timeout_cause(parent, FAR_NS, EPERM, "child");
    assert_int_equal(cconc_ctx_wait(child, NULL), 0);
    assert_ended(child, ETIMEDOUT, EDOM, "parent");
    assert_ended(parent, ETIMEDOUT, EDOM, "parent");
    cconc_ctx_free(child);
    cconc_ctx_free(parent);
    parent = make_timeout_cause(NULL, FAR_NS, EDOM, "parent");
    child = make_timeout_cause(parent, 2 * CCONC_MS, EPERM, "child");
    assert_int_equal(cconc_ctx_wait(child, NULL), 0);
    assert_ended(child, ETIMEDOUT, EPERM, "child");
    assert_ended(parent, 0, 0, NULL);
    cconc_ctx_free(child);
    cconc_ctx_free(parent);
}

static void ctx_expiry_reaches_the_subtree(void **state)
{
    (void)state;
    cconc_ctx *parent = make_timeout(NULL, 2 * CCONC_MS);
    cconc_ctx *value = make_value(parent, &ctx_mark, NULL);
    cconc_ctx *child = make_cancel(value);
    cconc_ctx *sibling = make_timeout(parent, FAR_NS);
    assert_int_equal(cconc_ctx_wait(child, NULL), 0);
    assert_ended(parent, ETIMEDOUT, ETIMEDOUT, NULL);
    assert_ended(value, ETIMEDOUT, ETIMEDOUT, NULL);
    assert_ended(child, ETIMEDOUT, ETIMEDOUT, NULL);
    assert_ended(sibling, ETIMEDOUT, ETIMEDOUT, NULL);
    cconc_ctx_free(sibling);
    cconc_ctx_free(child);
    cconc_ctx_free(value);
    cconc_ctx_free(parent);
}

static void ctx_wait_that_sees_the_deadline_marks_the_context(void **state)
{
    (void)state;
    cconc_ctx *target = make_cancel(NULL);
    for (size_t round = 0; round < 50; round++) {
        cconc_ctx *parent = make_timeout(NULL, 100 * CCONC_US);
        cconc_ctx *ctx = make_cancel(parent);
        assert_int_equal(cconc_ctx_wait(target, ctx), ETIMEDOUT);
        assert_int_equal(cconc_ctx_err(ctx), ETIMEDOUT);
        assert_int_equal(cconc_ctx_sleep(ctx, 0), ETIMEDOUT);
        cconc_ctx_free(ctx);
        cconc_ctx_free(parent);
    }
    cconc_ctx_free(target);
}

static void ctx_deadlines_in_any_order_all_come(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    cconc_ctx *all[COUNT];
    struct support_random random = support_random_make(4, 0);
    for (size_t i = 0; i < COUNT; i++) {
        all[i] = make_timeout(NULL, 1 + support_random_below(&random, 10000000));
    }
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(cconc_ctx_wait(all[i], NULL), 0);
        assert_true(support_now_ns() >= cconc_ctx_deadline(all[i]));
        assert_int_equal(cconc_ctx_err(all[i]), ETIMEDOUT);
        cconc_ctx_free(all[i]);
    }
}

static void ctx_earlier_deadline_is_not_kept_waiting_by_a_far_one(void **state)
{
    (void)state;
    cconc_ctx *far = make_timeout(NULL, FAR_NS);
    for (size_t round = 0; round < 50; round++) {
        cconc_ctx *near = make_timeout(NULL, 200 * CCONC_US);
        until(cconc_ctx_err(near) != 0);
        cconc_ctx_free(near);
    }
    assert_int_equal(cconc_ctx_err(far), 0);
    cconc_ctx_free(far);
}

static void cancel_at_the_deadline(void *arg, size_t index)
{
    cconc_ctx *ctx = arg;
    (void)index;
    until(support_now_ns() >= cconc_ctx_deadline(ctx) - 20000);
    cconc_ctx_cancel_cause(ctx, EPERM, "by hand");
}

static void ctx_cancel_racing_the_deadline_leaves_one_story(void **state)
{
    (void)state;
    for (size_t round = 0; round < 100; round++) {
        cconc_ctx *ctx = make_timeout_cause(NULL, 300 * CCONC_US, EDOM, "slow");
        struct support_threads *threads = support_threads_start(1, cancel_at_the_deadline, ctx);
        assert_int_equal(cconc_ctx_wait(ctx, NULL), 0);
        if (cconc_ctx_err(ctx) == ETIMEDOUT) {
            assert_ended(ctx, ETIMEDOUT, EDOM, "slow");
        } else {
            assert_ended(ctx, ECANCELED, EPERM, "by hand");
        }
        assert_int_equal(support_threads_join(threads), 0);
        cconc_ctx_free(ctx);
    }
}

/* The parent's deadline has passed, but neither the service nor a wait has seen it yet. */
static void ctx_child_of_a_parent_past_its_unseen_deadline_is_born_done(void **state)
{
    (void)state;
    cconc_ctx *parent = make_timeout(NULL, 3600 * CCONC_SECOND);
    cconc_ctx *child = NULL;
    parent->head.deadline_ns = cconc_clock_now() - 1;
    assert_int_equal(cconc_ctx_with_deadline(parent, CCONC_NEVER, &child), 0);
    assert_int_equal(cconc_ctx_err(child), ETIMEDOUT);
    assert_int_equal(cconc_ctx_err(parent), ETIMEDOUT);
    cconc_ctx_free(child);
    cconc_ctx_free(parent);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(ctx_deadline_ends_it_with_etimedout_and_never_early),
        UNIT_TEST(ctx_err_shows_no_deadline_that_has_not_passed),
        UNIT_TEST(ctx_deadline_is_the_earlier_of_its_own_and_its_parents),
        UNIT_TEST(ctx_deadline_not_after_now_gives_a_context_born_done),
        UNIT_TEST(ctx_timeout_of_nothing_or_less_is_over_at_once),
        UNIT_TEST(ctx_deadline_beyond_the_range_is_never),
        UNIT_TEST(ctx_cause_of_a_deadline_counts_only_if_that_very_deadline_ends_it),
        UNIT_TEST(ctx_expiry_reaches_the_subtree),
        UNIT_TEST(ctx_wait_that_sees_the_deadline_marks_the_context),
        UNIT_TEST(ctx_deadlines_in_any_order_all_come),
        UNIT_TEST(ctx_earlier_deadline_is_not_kept_waiting_by_a_far_one),
        UNIT_TEST(ctx_cancel_racing_the_deadline_leaves_one_story),
        UNIT_TEST(ctx_child_of_a_parent_past_its_unseen_deadline_is_born_done),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
