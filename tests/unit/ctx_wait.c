/* ctx_wait.c - waiting for a context, sleeping, and contexts on the stack
 * SPDX-License-Identifier: MIT
 *
 * Risk      A wait that hangs, ends early, is ended by the wrong thing, leaves its record queued,
 *           or falls over signals and thread-cancellation.
 * Method    Threads that are seen to be blocked (watchers of the context) before what ends them.
 * Catches   C3, C6, H3, H8, T5, S12; I7, I12, I18.
 */
#include "ctx_help.h"

#include <pthread.h>
#include <stdatomic.h>

struct wait {
    cconc_ctx *target;
    cconc_ctx *ctx;
    int64_t sleep_ns; /* not 0: sleep instead of waiting */
    atomic_int expected;
    atomic_int returned;
};

static void wait_thread(void *arg, size_t index)
{
    struct wait *w = arg;
    (void)index;
    errno = ERRNO_MARK;
    int err =
        w->sleep_ns ? cconc_ctx_sleep(w->ctx, w->sleep_ns) : cconc_ctx_wait(w->target, w->ctx);
    SUPPORT_CHECK(err == atomic_load(&w->expected));
    SUPPORT_CHECK(errno == ERRNO_MARK);
    atomic_fetch_add(&w->returned, 1);
    pthread_testcancel();
}

static void ctx_wait_for_a_done_target_returns_0_even_if_ctx_is_done(void **state)
{
    (void)state;
    cconc_ctx *target = make_cancel(NULL);
    cconc_ctx *ctx = make_cancel(NULL);
    cconc_ctx_cancel(target);
    errno = ERRNO_MARK;
    assert_int_equal(cconc_ctx_wait(target, NULL), 0);
    assert_int_equal(cconc_ctx_wait(target, ctx), 0);
    assert_int_equal(cconc_ctx_wait(target, target), 0);
    cconc_ctx_cancel(ctx);
    assert_int_equal(cconc_ctx_wait(target, ctx), 0);
    assert_int_equal(errno, ERRNO_MARK);
    cconc_ctx_free(ctx);
    cconc_ctx_free(target);
}

static void ctx_wait_with_a_done_ctx_returns_its_code(void **state)
{
    (void)state;
    cconc_ctx *target = make_cancel(NULL);
    cconc_ctx *cancelled = make_cancel(NULL);
    cconc_ctx *expired = make_timeout_cause(NULL, 0, EDOM, "slow");
    cconc_ctx_cancel_cause(cancelled, EPERM, "no");
    assert_int_equal(cconc_ctx_wait(target, cancelled), ECANCELED);
    assert_int_equal(cconc_ctx_wait(target, expired), ETIMEDOUT);
    assert_int_equal(cconc_ctx_wait(NULL, cancelled), ECANCELED);
    assert_int_equal(cconc_ctx_wait(NULL, expired), ETIMEDOUT);
    assert_int_equal(cconc__node_watchers(target), 0);
    cconc_ctx_free(expired);
    cconc_ctx_free(cancelled);
    cconc_ctx_free(target);
}

static void ctx_wait_that_nothing_can_end_is_edeadlk(void **state)
{
    (void)state;
    cconc_ctx *value = make_value(NULL, &ctx_mark, NULL);
    cconc_ctx *parent = make_cancel(NULL);
    cconc_ctx *shield = make_without_cancel(parent);
    cconc_ctx_mem mem;
    cconc_ctx *stack = cconc_ctx_until(&mem, shield, CCONC_NEVER);
    cconc_ctx *endless[] = {NULL, cconc_ctx_background(), value, shield, stack};
    for (size_t i = 0; i < 5; i++) {
        for (size_t k = 0; k < 5; k++) {
            assert_int_equal(cconc_ctx_wait(endless[i], endless[k]), EDEADLK);
        }
    }
    cconc_ctx_free(shield);
    cconc_ctx_free(parent);
    cconc_ctx_free(value);
}

static void ctx_cancel_releases_every_blocked_wait(void **state)
{
    (void)state;
    struct wait w = {.target = make_cancel(NULL)};
    struct support_threads *threads = support_threads_start(32, wait_thread, &w);
    until(cconc__node_watchers(w.target) == 32);
    assert_int_equal(atomic_load(&w.returned), 0);
    cconc_ctx_cancel(w.target);
    assert_int_equal(support_threads_join(threads), 0);
    assert_int_equal(atomic_load(&w.returned), 32);
    assert_int_equal(cconc__node_watchers(w.target), 0);
    cconc_ctx_free(w.target);
}

static void ctx_cancel_of_a_grandparent_releases_a_blocked_wait(void **state)
{
    (void)state;
    cconc_ctx *top = make_cancel(NULL);
    cconc_ctx *middle = make_cancel(top);
    struct wait w = {.target = make_value(middle, &ctx_mark, NULL)};
    struct support_threads *threads = support_threads_start(1, wait_thread, &w);
    until(cconc__node_watchers(w.target) == 1);
    cconc_ctx_cancel(top);
    assert_int_equal(support_threads_join(threads), 0);
    cconc_ctx_free(w.target);
    cconc_ctx_free(middle);
    cconc_ctx_free(top);
}

static void ctx_wait_ends_with_the_code_of_its_own_ctx(void **state)
{
    (void)state;
    struct wait w = {.target = make_cancel(NULL), .ctx = make_cancel(NULL), .expected = ECANCELED};
    struct support_threads *threads = support_threads_start(4, wait_thread, &w);
    until(cconc__node_watchers(w.target) == 4 && cconc__node_watchers(w.ctx) == 4);
    cconc_ctx_cancel(w.ctx);
    assert_int_equal(support_threads_join(threads), 0);
    assert_int_equal(cconc__node_watchers(w.target), 0);
    assert_int_equal(cconc_ctx_err(w.target), 0);
    cconc_ctx_free(w.ctx);
    w.ctx = make_timeout(NULL, 2 * CCONC_MS);
    assert_int_equal(cconc_ctx_wait(w.target, w.ctx), ETIMEDOUT);
    assert_true(support_now_ns() >= cconc_ctx_deadline(w.ctx));
    assert_int_equal(cconc_ctx_err(w.ctx), ETIMEDOUT);
    cconc_ctx_free(w.ctx);
    cconc_ctx_free(w.target);
}

static void ctx_wait_for_nothing_ends_with_ctx(void **state)
{
    (void)state;
    struct wait w = {.ctx = make_cancel(NULL), .expected = ECANCELED};
    struct support_threads *threads = support_threads_start(1, wait_thread, &w);
    until(cconc__node_watchers(w.ctx) == 1);
    cconc_ctx_cancel(w.ctx);
    assert_int_equal(support_threads_join(threads), 0);
    cconc_ctx_free(w.ctx);
}

static void ctx_free_of_the_last_handle_releases_a_blocked_wait(void **state)
{
    (void)state;
    cconc_ctx *parent = make_cancel(NULL);
    struct wait w = {.target = make_cancel(parent)};
    struct support_threads *threads = support_threads_start(2, wait_thread, &w);
    until(cconc__node_watchers(w.target) == 2);
    cconc_ctx_free(parent);
    assert_int_equal(support_threads_join(threads), 0);
    cconc_ctx_free(w.target);
}

static void ctx_waits_that_time_out_leave_nothing_behind(void **state)
{
    (void)state;
    cconc_ctx_mem mem;
    cconc_ctx *target = make_cancel(NULL);
    cconc_ctx *ctx = make_cancel(NULL);
    assert_int_equal(cconc_ctx_wait(target, cconc_ctx_until(&mem, ctx, 1)), ETIMEDOUT);
    uint64_t allocations = support_alloc_count();
    for (size_t i = 0; i < 2000; i++) {
        cconc_ctx *soon = cconc_ctx_until(&mem, ctx, cconc_clock_after(CCONC_US));
        assert_int_equal(cconc_ctx_wait(target, soon), ETIMEDOUT);
    }
    assert_int_equal(support_alloc_count(), allocations);
    assert_int_equal(cconc__node_watchers(target), 0);
    assert_int_equal(cconc__node_watchers(ctx), 0);
    cconc_ctx_free(ctx);
    cconc_ctx_free(target);
}

static void ctx_sleep_returns_0_after_the_whole_time(void **state)
{
    (void)state;
    cconc_ctx *ctx = make_cancel(NULL);
    errno = ERRNO_MARK;
    for (int64_t us = 1; us <= 3000; us *= 7) {
        int64_t begin_ns = support_now_ns();
        assert_int_equal(cconc_ctx_sleep(us % 2 ? ctx : NULL, us * CCONC_US), 0);
        assert_true(support_now_ns() >= begin_ns + us * CCONC_US);
    }
    assert_int_equal(errno, ERRNO_MARK);
    cconc_ctx_free(ctx);
}

static void ctx_sleep_of_nothing_or_less_returns_at_once(void **state)
{
    (void)state;
    cconc_ctx *ctx = make_cancel(NULL);
    assert_int_equal(cconc_ctx_sleep(ctx, 0), 0);
    assert_int_equal(cconc_ctx_sleep(ctx, -1), 0);
    assert_int_equal(cconc_ctx_sleep(ctx, INT64_MIN), 0);
    assert_int_equal(cconc_ctx_sleep(NULL, 0), 0);
    assert_int_equal(cconc_ctx_sleep(NULL, INT64_MIN), 0);
    cconc_ctx_free(ctx);
}

static void ctx_sleep_with_a_done_ctx_returns_its_code_first(void **state)
{
    (void)state;
    cconc_ctx *cancelled = make_cancel(NULL);
    cconc_ctx *expired = make_timeout(NULL, 0);
    cconc_ctx_cancel(cancelled);
    assert_int_equal(cconc_ctx_sleep(cancelled, 0), ECANCELED);
    assert_int_equal(cconc_ctx_sleep(cancelled, -1), ECANCELED);
    assert_int_equal(cconc_ctx_sleep(cancelled, INT64_MAX), ECANCELED);
    assert_int_equal(cconc_ctx_sleep(expired, 0), ETIMEDOUT);
    assert_int_equal(cconc_ctx_sleep(expired, FAR_NS), ETIMEDOUT);
    cconc_ctx_free(expired);
    cconc_ctx_free(cancelled);
}

static void ctx_sleep_ends_when_its_ctx_does(void **state)
{
    (void)state;
    struct wait w = {.ctx = make_cancel(NULL), .sleep_ns = INT64_MAX, .expected = ECANCELED};
    struct support_threads *threads = support_threads_start(3, wait_thread, &w);
    until(cconc__node_watchers(w.ctx) == 3);
    cconc_ctx_cancel(w.ctx);
    assert_int_equal(support_threads_join(threads), 0);
    cconc_ctx_free(w.ctx);
    w.ctx = make_timeout(NULL, CCONC_MS);
    assert_int_equal(cconc_ctx_sleep(w.ctx, FAR_NS), ETIMEDOUT);
    assert_int_equal(cconc_ctx_err(w.ctx), ETIMEDOUT);
    cconc_ctx_free(w.ctx);
}

static void ctx_waits_do_not_notice_signals(void **state)
{
    (void)state;
    cconc_ctx_mem mem;
    cconc_ctx *target = make_cancel(NULL);
    support_signal_rain(true);
    for (size_t i = 0; i < 10; i++) {
        int64_t deadline_ns = cconc_clock_after(2 * CCONC_MS);
        cconc_ctx *soon = cconc_ctx_until(&mem, NULL, deadline_ns);
        assert_int_equal(cconc_ctx_wait(target, soon), ETIMEDOUT);
        assert_true(support_now_ns() >= deadline_ns);
        assert_int_equal(cconc_ctx_sleep(NULL, 2 * CCONC_MS), 0);
        assert_true(support_now_ns() >= deadline_ns + 2 * CCONC_MS);
    }
    support_signal_rain(false);
    cconc_ctx_free(target);
}

static void ctx_waits_are_no_cancellation_points(void **state)
{
    (void)state;
    struct wait w = {.target = make_cancel(NULL), .ctx = make_cancel(NULL)};
    struct support_threads *threads = support_threads_start(2, wait_thread, &w);
    until(cconc__node_watchers(w.target) == 2);
    support_threads_cancel(threads, 0);
    support_threads_cancel(threads, 1);
    struct wait witness = {.target = w.target};
    struct support_threads *others = support_threads_start(1, wait_thread, &witness);
    until(cconc__node_watchers(w.target) == 3);
    assert_int_equal(atomic_load(&w.returned), 0);
    cconc_ctx_cancel(w.target);
    assert_int_equal(support_threads_join(threads), 2);
    assert_int_equal(atomic_load(&w.returned), 2);
    assert_int_equal(support_threads_join(others), 0);
    assert_int_equal(cconc__node_watchers(w.ctx), 0);
    cconc_ctx_free(w.ctx);
    cconc_ctx_free(w.target);
}

static void ctx_on_the_stack_ends_with_its_deadline_or_its_parent(void **state)
{
    (void)state;
    cconc_ctx_mem mem;
    cconc_ctx *parent = make_timeout(NULL, FAR_NS);
    int64_t parent_ns = cconc_ctx_deadline(parent);
    cconc_ctx *stack = cconc_ctx_until(&mem, parent, CCONC_NEVER);
    assert_ptr_equal(stack, &mem);
    assert_int_equal(cconc_ctx_deadline(stack), parent_ns);
    assert_ended(stack, 0, 0, NULL);
    stack = cconc_ctx_until(&mem, parent, parent_ns - 1);
    assert_int_equal(cconc_ctx_deadline(stack), parent_ns - 1);
    stack = cconc_ctx_until(&mem, parent, parent_ns + 1);
    assert_int_equal(cconc_ctx_deadline(stack), parent_ns);
    cconc_ctx_cancel_cause(parent, EPERM, "parent");
    assert_ended(stack, ECANCELED, EPERM, "parent");
    cconc_ctx_free(parent);
    static const int64_t past[] = {INT64_MIN, -1, 0, 1};
    for (size_t i = 0; i < sizeof(past) / sizeof(past[0]); i++) {
        stack = cconc_ctx_until(&mem, NULL, past[i]);
        assert_ended(stack, ETIMEDOUT, ETIMEDOUT, NULL);
        assert_int_equal(cconc_ctx_sleep(stack, 0), ETIMEDOUT);
    }
}

static void ctx_on_the_stack_reads_the_clock_until_its_deadline(void **state)
{
    (void)state;
    cconc_ctx_mem mem;
    uint64_t threads = support_thread_count();
    uint64_t allocations = support_alloc_count();
    int64_t deadline_ns = cconc_clock_after(2 * CCONC_MS);
    cconc_ctx *stack = cconc_ctx_until(&mem, NULL, deadline_ns);
    until(cconc_ctx_err(stack) != 0);
    assert_true(support_now_ns() >= deadline_ns);
    assert_ended(stack, ETIMEDOUT, ETIMEDOUT, NULL);
    assert_int_equal(cconc_ctx_wait(stack, NULL), 0);
    stack = cconc_ctx_until(&mem, NULL, cconc_clock_after(CCONC_MS));
    assert_int_equal(cconc_ctx_wait(stack, NULL), 0);
    assert_int_equal(cconc_ctx_err(stack), ETIMEDOUT);
    assert_int_equal(support_alloc_count(), allocations);
    assert_int_equal(support_thread_count(), threads);
}

static void never_called(void *arg)
{
    (void)arg;
    support_abort(__FILE__, __LINE__, "called");
}

static void ctx_on_the_stack_keeps_the_cause_of_its_own_deadline(void **state)
{
    (void)state;
    const char *message = NULL;
    cconc_ctx_mem mem;
    cconc_ctx *parent;
    assert_int_equal(cconc_ctx_with_timeout_cause(NULL, 50 * CCONC_MS, 77, "too slow", &parent), 0);
    cconc_ctx *ctx = cconc_ctx_until(&mem, parent, 0);
    assert_int_equal(cconc_ctx_err(ctx), ETIMEDOUT);
    assert_int_equal(cconc_ctx_err(parent), 0);
    assert_int_equal(cconc_ctx_cause(ctx, &message), ETIMEDOUT);
    until(cconc_ctx_err(parent) == ETIMEDOUT);
    assert_int_equal(cconc_ctx_cause(parent, NULL), 77);
    assert_int_equal(cconc_ctx_cause(ctx, &message), ETIMEDOUT);
    assert_string_equal(message, cconc_strerror(ETIMEDOUT));
    ctx = cconc_ctx_until(&mem, parent, CCONC_NEVER); /* one that ends with its parent */
    assert_int_equal(cconc_ctx_err(ctx), ETIMEDOUT);
    assert_int_equal(cconc_ctx_cause(ctx, &message), 77);
    assert_string_equal(message, "too slow");
    cconc_ctx_free(parent);
}

static void ctx_on_the_stack_refuses_what_would_link_to_it(void **state)
{
    (void)state;
    cconc_ctx_mem mem;
    cconc_ctx *out = CTX_MARK;
    cconc_after *after = (cconc_after *)(void *)&ctx_mark;
    int fd = -7;
    static const int64_t deadlines[] = {0, CCONC_NEVER};
    for (size_t i = 0; i < 2; i++) {
        cconc_ctx *stack = cconc_ctx_until(&mem, NULL, deadlines[i]);
        assert_int_equal(cconc_ctx_with_cancel(stack, &out), EINVAL);
        assert_int_equal(cconc_ctx_with_deadline(stack, FAR_NS, &out), EINVAL);
        assert_int_equal(cconc_ctx_with_deadline(stack, 0, &out), EINVAL);
        assert_int_equal(cconc_ctx_with_timeout(stack, 1, &out), EINVAL);
        assert_int_equal(cconc_ctx_with_deadline_cause(stack, 1, EPERM, "x", &out), EINVAL);
        assert_int_equal(cconc_ctx_with_timeout_cause(stack, 1, EPERM, "x", &out), EINVAL);
        assert_int_equal(cconc_ctx_with_value(stack, &ctx_mark, NULL, NULL, &out), EINVAL);
        assert_int_equal(cconc_ctx_without_cancel(stack, &out), EINVAL);
        assert_int_equal(cconc_ctx_with_signals(stack, NULL, 0, 0, &out), EINVAL);
        assert_int_equal(cconc_ctx_after_func(stack, never_called, NULL, &after), EINVAL);
        assert_int_equal(cconc_ctx_fd(stack, &fd), EINVAL);
    }
    assert_ptr_equal(out, CTX_MARK);
    assert_ptr_equal(after, &ctx_mark);
    assert_int_equal(fd, -7);
}

static void ctx_on_the_stack_serves_waits_and_readers(void **state)
{
    (void)state;
    cconc_ctx_mem mem;
    cconc_ctx *parent = make_cancel(NULL);
    cconc_ctx *value = make_value(parent, &ctx_mark, &mem);
    cconc_ctx *stack = cconc_ctx_until(&mem, value, cconc_clock_after(FAR_NS));
    assert_ptr_equal(cconc_ctx_value(stack, &ctx_mark), &mem);
    struct wait w = {.target = stack};
    struct support_threads *threads = support_threads_start(2, wait_thread, &w);
    until(cconc__node_watchers(value) == 2);
    cconc_ctx_cancel(parent);
    assert_int_equal(support_threads_join(threads), 0);
    assert_ended(stack, ECANCELED, ECANCELED, NULL);
    cconc_ctx_free(value);
    cconc_ctx_free(parent);
}

static void ctx_sleep_for_ever_that_nothing_can_end_is_edeadlk(void **state)
{
    (void)state;
    assert_int_equal(cconc_ctx_sleep(NULL, INT64_MAX), EDEADLK);
    assert_int_equal(cconc_ctx_sleep(cconc_ctx_background(), CCONC_NEVER), EDEADLK);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(ctx_wait_for_a_done_target_returns_0_even_if_ctx_is_done),
        UNIT_TEST(ctx_wait_with_a_done_ctx_returns_its_code),
        UNIT_TEST(ctx_wait_that_nothing_can_end_is_edeadlk),
        UNIT_TEST(ctx_cancel_releases_every_blocked_wait),
        UNIT_TEST(ctx_cancel_of_a_grandparent_releases_a_blocked_wait),
        UNIT_TEST(ctx_wait_ends_with_the_code_of_its_own_ctx),
        UNIT_TEST(ctx_wait_for_nothing_ends_with_ctx),
        UNIT_TEST(ctx_free_of_the_last_handle_releases_a_blocked_wait),
        UNIT_TEST(ctx_waits_that_time_out_leave_nothing_behind),
        UNIT_TEST(ctx_sleep_returns_0_after_the_whole_time),
        UNIT_TEST(ctx_sleep_of_nothing_or_less_returns_at_once),
        UNIT_TEST(ctx_sleep_with_a_done_ctx_returns_its_code_first),
        UNIT_TEST(ctx_sleep_ends_when_its_ctx_does),
        UNIT_TEST(ctx_waits_do_not_notice_signals),
        UNIT_TEST(ctx_waits_are_no_cancellation_points),
        UNIT_TEST(ctx_on_the_stack_ends_with_its_deadline_or_its_parent),
        UNIT_TEST(ctx_on_the_stack_reads_the_clock_until_its_deadline),
        UNIT_TEST(ctx_on_the_stack_keeps_the_cause_of_its_own_deadline),
        UNIT_TEST(ctx_on_the_stack_refuses_what_would_link_to_it),
        UNIT_TEST(ctx_on_the_stack_serves_waits_and_readers),
        UNIT_TEST(ctx_sleep_for_ever_that_nothing_can_end_is_edeadlk),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
