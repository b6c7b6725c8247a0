/* waitgroup.c - waiting until a number of things have been done
 * SPDX-License-Identifier: MIT
 *
 * Risk      A waiter that misses its zero or takes another round's, memory touched after the last
 *           wait returned, a done whose writes are not seen, a count that wraps.
 * Method    Waiters that are seen to be blocked before the count moves; rounds by the hundred
 *           where threads race; the waitgroup freed or reused as soon as wait returns.
 * Catches   G1, G2, G3, G4, S3, S5, S6; X6; I4, I17, I18, I19.
 */
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cconc/cconc.h>

#define ERRNO_MARK 7777

struct crowd {
    cconc_waitgroup *wg;
    cconc_ctx *ctx;
    int expected;
    atomic_int returned;
    atomic_int ran;
    atomic_bool gate;
    int plain[4]; /* each thread writes its own before done */
};

static void wait_thread(void *arg, size_t index)
{
    struct crowd *c = arg;
    (void)index;
    errno = ERRNO_MARK;
    SUPPORT_CHECK(cconc_waitgroup_wait(c->wg, c->ctx) == c->expected);
    SUPPORT_CHECK(errno == ERRNO_MARK);
    atomic_fetch_add(&c->returned, 1);
    pthread_testcancel();
}

static void waitgroup_wait_returns_at_once_on_zero(void **state)
{
    (void)state;
    cconc_waitgroup wg = CCONC_WAITGROUP_INIT;
    cconc_ctx *done;
    assert_int_equal(cconc_ctx_with_timeout(NULL, 0, &done), 0);
    assert_int_equal(cconc_waitgroup_wait(&wg, NULL), 0);
    assert_int_equal(cconc_waitgroup_wait(&wg, done), 0);
    cconc_waitgroup_add(&wg, 0);
    assert_int_equal(cconc_waitgroup_count(&wg), 0);
    assert_int_equal(cconc_waitgroup_wait(&wg, NULL), 0);
    cconc_waitgroup_destroy(&wg);
    cconc_ctx_free(done);
}

static void waitgroup_of_any_memory_is_valid_after_init(void **state)
{
    (void)state;
    cconc_waitgroup wg;
    for (int fill = 0; fill < 256; fill += 85) {
        memset(&wg, fill, sizeof(wg));
        cconc_waitgroup_init(&wg);
        assert_int_equal(cconc_waitgroup_count(&wg), 0);
        assert_int_equal(cconc_waitgroup_waiters(&wg), 0);
        cconc_waitgroup_add(&wg, 1);
        cconc_waitgroup_done(&wg);
        assert_int_equal(cconc_waitgroup_wait(&wg, NULL), 0);
        cconc_waitgroup_destroy(&wg);
    }
}

static void waitgroup_counts_up_and_down(void **state)
{
    (void)state;
    cconc_waitgroup wg = CCONC_WAITGROUP_INIT;
    cconc_waitgroup_add(&wg, 5);
    assert_int_equal(cconc_waitgroup_count(&wg), 5);
    cconc_waitgroup_done(&wg);
    assert_int_equal(cconc_waitgroup_count(&wg), 4);
    cconc_waitgroup_add(&wg, -3);
    cconc_waitgroup_add(&wg, INT32_MAX - 1);
    assert_int_equal(cconc_waitgroup_count(&wg), INT32_MAX);
    cconc_waitgroup_add(&wg, -INT32_MAX);
    assert_int_equal(cconc_waitgroup_count(&wg), 0);
    cconc_waitgroup_destroy(&wg);
}

static void waitgroup_zero_releases_every_waiter(void **state)
{
    (void)state;
    cconc_waitgroup wg = CCONC_WAITGROUP_INIT;
    struct crowd c = {.wg = &wg};
    cconc_waitgroup_add(&wg, 2);
    struct support_threads *threads = support_threads_start(32, wait_thread, &c);
    until(cconc_waitgroup_waiters(&wg) == 32);
    cconc_waitgroup_done(&wg);
    assert_int_equal(cconc_waitgroup_waiters(&wg), 32);
    assert_int_equal(atomic_load(&c.returned), 0);
    cconc_waitgroup_done(&wg);
    assert_int_equal(support_threads_join(threads), 0);
    assert_int_equal(atomic_load(&c.returned), 32);
    assert_int_equal(cconc_waitgroup_waiters(&wg), 0);
    cconc_waitgroup_destroy(&wg);
}

static void waitgroup_waiters_go_though_the_count_rises_again(void **state)
{
    (void)state;
    cconc_waitgroup wg = CCONC_WAITGROUP_INIT;
    struct crowd first = {.wg = &wg};
    struct crowd second = {.wg = &wg};
    cconc_waitgroup_add(&wg, 1);
    struct support_threads *early = support_threads_start(4, wait_thread, &first);
    until(cconc_waitgroup_waiters(&wg) == 4);
    cconc_waitgroup_done(&wg);
    cconc_waitgroup_add(&wg, 1);
    struct support_threads *late = support_threads_start(4, wait_thread, &second);
    assert_int_equal(support_threads_join(early), 0);
    until(cconc_waitgroup_waiters(&wg) == 4);
    assert_int_equal(atomic_load(&second.returned), 0);
    assert_int_equal(cconc_waitgroup_count(&wg), 1);
    cconc_waitgroup_done(&wg);
    assert_int_equal(support_threads_join(late), 0);
    cconc_waitgroup_destroy(&wg);
}

static void waitgroup_wait_ends_with_its_ctx_and_keeps_the_count(void **state)
{
    (void)state;
    cconc_waitgroup wg = CCONC_WAITGROUP_INIT;
    struct crowd c = {.wg = &wg, .expected = ECANCELED};
    cconc_waitgroup_add(&wg, 3);
    assert_int_equal(cconc_ctx_with_cancel(NULL, &c.ctx), 0);
    struct support_threads *threads = support_threads_start(3, wait_thread, &c);
    until(cconc_waitgroup_waiters(&wg) == 3);
    cconc_ctx_cancel(c.ctx);
    assert_int_equal(support_threads_join(threads), 0);
    assert_int_equal(cconc_waitgroup_wait(&wg, c.ctx), ECANCELED);
    cconc_ctx_free(c.ctx);
    assert_int_equal(cconc_waitgroup_waiters(&wg), 0);
    assert_int_equal(cconc_waitgroup_count(&wg), 3);
    cconc_waitgroup_add(&wg, -3);
    assert_int_equal(cconc_waitgroup_wait(&wg, NULL), 0);
    cconc_waitgroup_destroy(&wg);
}

static void waitgroup_wait_times_out_never_early_and_leaves_nothing(void **state)
{
    (void)state;
    static const int64_t past[] = {INT64_MIN, -1, 0, 1};
    cconc_waitgroup wg = CCONC_WAITGROUP_INIT;
    cconc_ctx_mem mem;
    cconc_waitgroup_add(&wg, 1);
    for (size_t i = 0; i < sizeof(past) / sizeof(past[0]); i++) {
        cconc_ctx *ctx = cconc_ctx_until(&mem, NULL, past[i]);
        assert_int_equal(cconc_waitgroup_wait(&wg, ctx), ETIMEDOUT);
    }
    uint64_t allocations = support_alloc_count();
    for (size_t i = 0; i < 2000; i++) {
        int64_t deadline_ns = cconc_clock_after(CCONC_US);
        cconc_ctx *ctx = cconc_ctx_until(&mem, NULL, deadline_ns);
        assert_int_equal(cconc_waitgroup_wait(&wg, ctx), ETIMEDOUT);
        assert_true(support_now_ns() >= deadline_ns);
        assert_int_equal(cconc_ctx_err(ctx), ETIMEDOUT);
    }
    assert_int_equal(support_alloc_count(), allocations);
    assert_int_equal(cconc_waitgroup_waiters(&wg), 0);
    cconc_waitgroup_done(&wg);
    cconc_waitgroup_destroy(&wg);
}

static void done_on_the_heap(void *arg, size_t index)
{
    (void)index;
    cconc_waitgroup_done(arg);
}

static void waitgroup_memory_may_go_as_soon_as_wait_returned(void **state)
{
    (void)state;
    for (size_t round = 0; round < 300; round++) {
        cconc_waitgroup *wg = malloc(sizeof(*wg));
        assert_non_null(wg);
        cconc_waitgroup_init(wg);
        cconc_waitgroup_add(wg, 2);
        struct support_threads *threads = support_threads_start(2, done_on_the_heap, wg);
        assert_int_equal(cconc_waitgroup_wait(wg, NULL), 0);
        memset(wg, 0xdd, sizeof(*wg));
        free(wg);
        assert_int_equal(support_threads_join(threads), 0);
    }
}

struct last_waiter {
    cconc_waitgroup *wg;
    atomic_int       left;
};

static void wait_and_free_if_last(void *arg, size_t index)
{
    struct last_waiter *w = arg;
    (void)index;
    SUPPORT_CHECK(cconc_waitgroup_wait(w->wg, NULL) == 0);
    if (atomic_fetch_sub(&w->left, 1) == 1) {
        memset(w->wg, 0xdd, sizeof(*w->wg));
        free(w->wg);
    }
}

static void waitgroup_memory_may_go_with_the_last_of_many_waits(void **state)
{
    (void)state;
    for (size_t round = 0; round < 300; round++) {
        struct last_waiter w = {.wg = malloc(sizeof(cconc_waitgroup)), .left = 3};
        assert_non_null(w.wg);
        cconc_waitgroup_init(w.wg);
        cconc_waitgroup_add(w.wg, 1);
        struct support_threads *waits = support_threads_start(3, wait_and_free_if_last, &w);
        until(round % 2 == 0 || cconc_waitgroup_waiters(w.wg) == 3);
        cconc_waitgroup_done(w.wg);
        assert_int_equal(support_threads_join(waits), 0);
    }
}

static void write_then_done(void *arg, size_t index)
{
    struct crowd *c = arg;
    c->plain[index] = 42;
    cconc_waitgroup_done(c->wg);
}

static void waitgroup_wait_sees_what_came_before_each_done(void **state)
{
    (void)state;
    for (size_t round = 0; round < 200; round++) {
        cconc_waitgroup wg = CCONC_WAITGROUP_INIT;
        struct crowd c = {.wg = &wg};
        cconc_waitgroup_add(&wg, 4);
        struct support_threads *threads = support_threads_start(4, write_then_done, &c);
        assert_int_equal(cconc_waitgroup_wait(&wg, NULL), 0);
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(c.plain[i], 42);
        }
        assert_int_equal(support_threads_join(threads), 0);
        cconc_waitgroup_destroy(&wg);
    }
}

#define ROUNDS 500

struct relay {
    cconc_waitgroup round[2];
    int owner; /* plain: whose turn it is */
};

/* Two threads hand a plain variable to and fro through two waitgroups used again and again. */
static void relay_thread(void *arg, size_t index)
{
    struct relay *r = arg;
    int me = (int)index;
    for (int i = 0; i < ROUNDS; i++) {
        SUPPORT_CHECK(cconc_waitgroup_wait(&r->round[me], NULL) == 0);
        SUPPORT_CHECK(r->owner == me);
        cconc_waitgroup_add(&r->round[me], 1);
        r->owner = 1 - me;
        cconc_waitgroup_done(&r->round[1 - me]);
    }
}

static void waitgroup_rounds_do_not_mix(void **state)
{
    (void)state;
    struct relay r = {.owner = 0};
    cconc_waitgroup_init(&r.round[0]);
    cconc_waitgroup_init(&r.round[1]);
    cconc_waitgroup_add(&r.round[1], 1);
    assert_int_equal(support_threads_join(support_threads_start(2, relay_thread, &r)), 0);
    assert_int_equal(cconc_waitgroup_count(&r.round[0]), 0);
    assert_int_equal(cconc_waitgroup_count(&r.round[1]), 1);
    cconc_waitgroup_done(&r.round[1]);
    cconc_waitgroup_destroy(&r.round[0]);
    cconc_waitgroup_destroy(&r.round[1]);
}

static void waitgroup_wait_is_no_cancellation_point(void **state)
{
    (void)state;
    cconc_waitgroup wg = CCONC_WAITGROUP_INIT;
    struct crowd c = {.wg = &wg};
    struct crowd witness = {.wg = &wg};
    cconc_waitgroup_add(&wg, 1);
    struct support_threads *threads = support_threads_start(2, wait_thread, &c);
    until(cconc_waitgroup_waiters(&wg) == 2);
    support_threads_cancel(threads, 0);
    support_threads_cancel(threads, 1);
    struct support_threads *others = support_threads_start(1, wait_thread, &witness);
    until(cconc_waitgroup_waiters(&wg) == 3);
    assert_int_equal(atomic_load(&c.returned), 0);
    cconc_waitgroup_done(&wg);
    assert_int_equal(support_threads_join(threads), 2);
    assert_int_equal(atomic_load(&c.returned), 2);
    assert_int_equal(support_threads_join(others), 0);
    cconc_waitgroup_destroy(&wg);
}

static void waitgroup_wait_does_not_notice_signals(void **state)
{
    (void)state;
    cconc_waitgroup wg = CCONC_WAITGROUP_INIT;
    cconc_ctx_mem mem;
    cconc_waitgroup_add(&wg, 1);
    support_signal_rain(true);
    for (size_t i = 0; i < 5; i++) {
        int64_t deadline_ns = cconc_clock_after(3 * CCONC_MS);
        cconc_ctx *ctx = cconc_ctx_until(&mem, NULL, deadline_ns);
        assert_int_equal(cconc_waitgroup_wait(&wg, ctx), ETIMEDOUT);
        assert_true(support_now_ns() >= deadline_ns);
    }
    support_signal_rain(false);
    cconc_waitgroup_done(&wg);
    cconc_waitgroup_destroy(&wg);
}

static void run_behind_gate(void *arg)
{
    struct crowd *c = arg;
    until(atomic_load(&c->gate));
    atomic_fetch_add(&c->ran, 1);
}

static void run_and_exit(void *arg)
{
    struct crowd *c = arg;
    atomic_fetch_add(&c->ran, 1);
    pthread_exit(NULL);
}

static void run_and_be_cancelled(void *arg)
{
    struct crowd *c = arg;
    atomic_fetch_add(&c->ran, 1);
    (void)pthread_cancel(pthread_self());
    pthread_testcancel();
    support_abort(__FILE__, __LINE__, "still here");
}

static void waitgroup_go_counts_until_the_function_has_returned(void **state)
{
    (void)state;
    cconc_waitgroup wg = CCONC_WAITGROUP_INIT;
    struct crowd c = {.wg = &wg};
    for (int i = 1; i <= 8; i++) {
        assert_int_equal(cconc_waitgroup_go(&wg, run_behind_gate, &c), 0);
        assert_int_equal(cconc_waitgroup_count(&wg), i);
    }
    assert_int_equal(atomic_load(&c.ran), 0);
    atomic_store(&c.gate, true);
    assert_int_equal(cconc_waitgroup_wait(&wg, NULL), 0);
    assert_int_equal(atomic_load(&c.ran), 8);
    cconc_waitgroup_destroy(&wg);
}

static void waitgroup_go_that_ends_its_thread_is_done(void **state)
{
    (void)state;
    cconc_waitgroup wg = CCONC_WAITGROUP_INIT;
    struct crowd c = {.wg = &wg};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(cconc_waitgroup_go(&wg, run_and_exit, &c), 0);
        assert_int_equal(cconc_waitgroup_go(&wg, run_and_be_cancelled, &c), 0);
    }
    assert_int_equal(cconc_waitgroup_wait(&wg, NULL), 0);
    assert_int_equal(atomic_load(&c.ran), 8);
    cconc_waitgroup_destroy(&wg);
}

static void waitgroup_go_refuses_null_and_changes_nothing(void **state)
{
    (void)state;
    cconc_waitgroup wg = CCONC_WAITGROUP_INIT;
    errno = ERRNO_MARK;
    assert_int_equal(cconc_waitgroup_go(&wg, NULL, &wg), EINVAL);
    assert_int_equal(cconc_waitgroup_count(&wg), 0);
    assert_int_equal(errno, ERRNO_MARK);
    cconc_waitgroup_destroy(&wg);
}

static void waitgroup_go_without_memory_or_thread_changes_nothing(void **state)
{
    (void)state;
    cconc_waitgroup wg = CCONC_WAITGROUP_INIT;
    struct crowd c = {.wg = &wg, .gate = true};
    support_fail_alloc(1, true);
    assert_int_equal(cconc_waitgroup_go(&wg, run_behind_gate, &c), ENOMEM);
    (void)support_fail_end();
    assert_int_equal(cconc_waitgroup_count(&wg), 0);
    support_fail_thread(1, true);
    assert_int_equal(cconc_waitgroup_go(&wg, run_behind_gate, &c), ENOMEM);
    (void)support_fail_end();
    assert_int_equal(cconc_waitgroup_count(&wg), 0);
    assert_int_equal(cconc_waitgroup_wait(&wg, NULL), 0);
    support_leak_check();
    assert_int_equal(atomic_load(&c.ran), 0);
    cconc_waitgroup_destroy(&wg);
}

/* arg: what every other task does. A task that ends its thread needs a thread in its place: such a
 * body is not for a system that gives none any more. */
static void go_body(void *arg)
{
    void (*odd)(void *) = *(void (**)(void *))arg;
    cconc_waitgroup wg = CCONC_WAITGROUP_INIT;
    struct crowd c = {.wg = &wg, .gate = true};
    int started = 0;
    for (size_t i = 0; i < 4; i++) {
        int err = cconc_waitgroup_go(&wg, i % 2 ? odd : run_behind_gate, &c);
        SUPPORT_CHECK(err == 0 || err == ENOMEM);
        started += err == 0;
    }
    SUPPORT_CHECK(cconc_waitgroup_wait(&wg, NULL) == 0);
    SUPPORT_CHECK(atomic_load(&c.ran) == started);
    cconc_waitgroup_destroy(&wg);
}

static void waitgroup_go_survives_every_failed_allocation_and_thread(void **state)
{
    void (*exits)(void *) = run_and_exit;
    void (*returns)(void *) = run_behind_gate;
    (void)state;
    assert_true(support_sweep_alloc(go_body, &exits) >= 4);
    assert_true(support_sweep_thread(go_body, &returns) >= 2);
}

static void waitgroup_add_done_wait_and_destroy_need_no_memory(void **state)
{
    (void)state;
    cconc_waitgroup wg;
    uint64_t allocations = support_alloc_count();
    cconc_waitgroup_init(&wg);
    struct crowd c = {.wg = &wg};
    cconc_waitgroup_add(&wg, 1);
    struct support_threads *threads = support_threads_start(2, wait_thread, &c);
    until(cconc_waitgroup_waiters(&wg) == 2);
    cconc_waitgroup_done(&wg);
    assert_int_equal(support_threads_join(threads), 0);
    cconc_waitgroup_destroy(&wg);
    assert_int_equal(support_alloc_count(), allocations);
}

static void waitgroup_count_out_of_range_is_misuse(void **state)
{
    (void)state;
    cconc_waitgroup wg = CCONC_WAITGROUP_INIT;
    expect_misuse("waitgroup count -1 below zero", cconc_waitgroup_done(&wg));
    cconc_waitgroup_init(&wg);
    cconc_waitgroup_add(&wg, 2);
    expect_misuse("waitgroup count -5 below zero", cconc_waitgroup_add(&wg, -7));
    cconc_waitgroup_init(&wg);
    expect_misuse("waitgroup count -2147483648 below zero", cconc_waitgroup_add(&wg, INT32_MIN));
    cconc_waitgroup_init(&wg);
    cconc_waitgroup_add(&wg, INT32_MAX);
    expect_misuse("waitgroup count 2147483648 above 2147483647", cconc_waitgroup_add(&wg, 1));
}

static void waitgroup_destroy_with_waiters_is_misuse(void **state)
{
    (void)state;
    cconc_waitgroup wg = CCONC_WAITGROUP_INIT;
    struct crowd c = {.wg = &wg};
    cconc_waitgroup_add(&wg, 1);
    struct support_threads *threads = support_threads_start(2, wait_thread, &c);
    until(cconc_waitgroup_waiters(&wg) == 2);
    expect_misuse("waitgroup destroy with 2 waiters", cconc_waitgroup_destroy(&wg));
    cconc_waitgroup_done(&wg);
    assert_int_equal(support_threads_join(threads), 0);
    cconc_waitgroup_destroy(&wg);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(waitgroup_wait_returns_at_once_on_zero),
        UNIT_TEST(waitgroup_of_any_memory_is_valid_after_init),
        UNIT_TEST(waitgroup_counts_up_and_down),
        UNIT_TEST(waitgroup_zero_releases_every_waiter),
        UNIT_TEST(waitgroup_waiters_go_though_the_count_rises_again),
        UNIT_TEST(waitgroup_rounds_do_not_mix),
        UNIT_TEST(waitgroup_wait_sees_what_came_before_each_done),
        UNIT_TEST(waitgroup_wait_times_out_never_early_and_leaves_nothing),
        UNIT_TEST(waitgroup_wait_ends_with_its_ctx_and_keeps_the_count),
        UNIT_TEST(waitgroup_wait_is_no_cancellation_point),
        UNIT_TEST(waitgroup_wait_does_not_notice_signals),
        UNIT_TEST(waitgroup_memory_may_go_as_soon_as_wait_returned),
        UNIT_TEST(waitgroup_go_counts_until_the_function_has_returned),
        UNIT_TEST(waitgroup_go_that_ends_its_thread_is_done),
        UNIT_TEST(waitgroup_go_refuses_null_and_changes_nothing),
        UNIT_TEST(waitgroup_go_without_memory_or_thread_changes_nothing),
        UNIT_TEST(waitgroup_go_survives_every_failed_allocation_and_thread),
        UNIT_TEST(waitgroup_add_done_wait_and_destroy_need_no_memory),
        UNIT_TEST(waitgroup_count_out_of_range_is_misuse),
        UNIT_TEST(waitgroup_destroy_with_waiters_is_misuse),
        UNIT_TEST(waitgroup_memory_may_go_with_the_last_of_many_waits),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
