/* sync.c - the behaviours of Go's package sync: Once, OnceFunc, OnceValues, WaitGroup
 * SPDX-License-Identifier: MIT
 *
 * Risk      A program carried over from Go that behaves differently without being told.
 * Method    One case a behaviour that the Go package documents. The deliberate differences are
 *           cases too, and say so.
 * Catches   ported programs that change their meaning; rules once-1 to once-5, wg-1 to wg-4.
 */
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <cconc/cconc.h>

static cconc_ctx *new_cancel(void)
{
    cconc_ctx *ctx = NULL;
    SUPPORT_CHECK(cconc_ctx_with_cancel(NULL, &ctx) == 0);
    return ctx;
}

/* ---- Once ----------------------------------------------------------------------------------- */

struct deed {
    cconc_once once;
    cconc_ctx *ctx; /* of the callers */
    int code;
    bool ends_thread;
    int plain; /* written by the function, read by its callers */
    atomic_bool gate;
    atomic_int runs;
    atomic_int returned;
};

static int deed_run(cconc_ctx *ctx, void *arg)
{
    struct deed *d = arg;
    (void)ctx;
    atomic_fetch_add(&d->runs, 1);
    until(atomic_load(&d->gate));
    d->plain = 42;
    if (d->ends_thread) {
        pthread_exit(NULL);
    }
    return d->code;
}

static int another_run(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    support_abort(__FILE__, __LINE__, "the second function");
}

static void deed_thread(void *arg, size_t index)
{
    struct deed *d = arg;
    (void)index;
    SUPPORT_CHECK(cconc_once_run(&d->once, d->ctx, deed_run, d) == d->code);
    SUPPORT_CHECK(d->plain == 42);
    atomic_fetch_add(&d->returned, 1);
}

static void once_do_calls_the_first_function_only_even_if_others_come(void **state)
{
    struct deed d = {.gate = true};
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cconc_once_run(&d.once, NULL, i ? another_run : deed_run, &d), 0);
    }
    assert_int_equal(atomic_load(&d.runs), 1);
    cconc_once_destroy(&d.once);
}

static void once_do_returns_to_nobody_before_the_one_call_has_returned(void **state)
{
    struct deed d = {.code = 0};
    (void)state;
    struct support_threads *threads = support_threads_start(10, deed_thread, &d);
    until(atomic_load(&d.runs) == 1 && cconc_once_waiters(&d.once) == 9);
    assert_int_equal(atomic_load(&d.returned), 0);
    atomic_store(&d.gate, true);
    support_threads_join(threads);
    assert_int_equal(atomic_load(&d.returned), 10);
    assert_int_equal(atomic_load(&d.runs), 1);
    cconc_once_destroy(&d.once);
}

static void once_zero_value_is_ready_for_use(void **state)
{
    static cconc_once in_static_memory;
    cconc_once by_init = CCONC_ONCE_INIT;
    cconc_once by_memset;
    struct deed d = {.gate = true};
    (void)state;
    memset(&by_memset, 0, sizeof(by_memset));
    assert_int_equal(cconc_once_run(&in_static_memory, NULL, deed_run, &d), 0);
    assert_int_equal(cconc_once_run(&by_init, NULL, deed_run, &d), 0);
    assert_int_equal(cconc_once_run(&by_memset, NULL, deed_run, &d), 0);
    assert_int_equal(atomic_load(&d.runs), 3); /* a Once for each function */
    cconc_once_reset(&in_static_memory, NULL);
}

static int run_other_once(cconc_ctx *ctx, void *arg)
{
    struct deed *d = arg;
    return cconc_once_run(&d->once, ctx, deed_run, d);
}

static void once_do_may_call_another_once(void **state)
{
    struct deed inner = {.gate = true};
    cconc_once outer = CCONC_ONCE_INIT;
    (void)state;
    assert_int_equal(cconc_once_run(&outer, NULL, run_other_once, &inner), 0);
    assert_int_equal(cconc_once_run(&outer, NULL, another_run, NULL), 0);
    assert_int_equal(atomic_load(&inner.runs), 1);
}

static int run_own_once(cconc_ctx *ctx, void *arg)
{
    return cconc_once_run(arg, ctx, another_run, NULL);
}

static void once_do_inside_its_own_function_is_refused_where_go_deadlocks(void **state)
{
    cconc_once once = CCONC_ONCE_INIT;
    (void)state;
    assert_int_equal(cconc_once_run(&once, NULL, run_own_once, &once), EDEADLK);
    assert_int_equal(cconc_once_run(&once, NULL, another_run, NULL), EDEADLK); /* its own code */
}

/* Go: a function that panics or calls Goexit is considered to have returned. */
static void once_function_that_ends_its_thread_is_considered_to_have_returned(void **state)
{
    struct deed d = {.ends_thread = true, .gate = true};
    (void)state;
    struct support_threads *thread = support_threads_start(1, deed_thread, &d);
    support_threads_join(thread);
    assert_int_equal(atomic_load(&d.returned), 0);
    assert_int_equal(cconc_once_run(&d.once, NULL, another_run, NULL), ECANCELED);
    assert_int_equal(cconc_once_run(&d.once, NULL, another_run, NULL), ECANCELED);
}

/* Go's Do cannot fail, and OnceFunc panics again; here the code is kept for all. */
static void once_failure_is_kept_and_told_to_every_later_caller(void **state)
{
    struct deed d = {.code = ENOENT, .gate = true};
    (void)state;
    assert_int_equal(cconc_once_run(&d.once, NULL, deed_run, &d), ENOENT);
    struct support_threads *threads = support_threads_start(3, deed_thread, &d);
    support_threads_join(threads);
    assert_int_equal(atomic_load(&d.returned), 3);
    assert_int_equal(atomic_load(&d.runs), 1);
}

static void once_retry_runs_again_after_a_failure_unlike_go(void **state)
{
    struct deed d = {.code = ENOENT, .gate = true};
    (void)state;
    assert_int_equal(cconc_once_run_retry(&d.once, NULL, deed_run, &d), ENOENT);
    d.code = 0;
    assert_int_equal(cconc_once_run_retry(&d.once, NULL, deed_run, &d), 0);
    assert_int_equal(cconc_once_run_retry(&d.once, NULL, another_run, NULL), 0);
    assert_int_equal(atomic_load(&d.runs), 2);
}

static void once_caller_leaves_with_its_context_unlike_go(void **state)
{
    struct deed d = {.code = 0};
    cconc_ctx *ctx = new_cancel();
    (void)state;
    struct support_threads *thread = support_threads_start(1, deed_thread, &d);
    until(atomic_load(&d.runs) == 1);
    cconc_ctx_cancel(ctx);
    assert_int_equal(cconc_once_run(&d.once, ctx, another_run, NULL), EINPROGRESS);
    atomic_store(&d.gate, true);
    support_threads_join(thread);
    assert_int_equal(cconc_once_run(&d.once, ctx, another_run, NULL), 0);
    cconc_ctx_free(ctx);
}

/* In Go a new Once takes the place of the old one. */
static void once_reset_lets_it_run_again_unlike_go(void **state)
{
    struct deed d = {.gate = true};
    (void)state;
    assert_int_equal(cconc_once_run(&d.once, NULL, deed_run, &d), 0);
    cconc_once_reset(&d.once, NULL);
    assert_int_equal(cconc_once_run(&d.once, NULL, deed_run, &d), 0);
    assert_int_equal(atomic_load(&d.runs), 2);
}

/* ---- OnceFunc, OnceValue, OnceValues -------------------------------------------------------- */

struct value_deed {
    cconc_once once;
    atomic_int runs;
    int code;
};

static int value_run(cconc_ctx *ctx, void *arg, void **out_value)
{
    struct value_deed *d = arg;
    (void)ctx;
    atomic_fetch_add(&d->runs, 1);
    *out_value = d;
    return d->code;
}

static void value_thread(void *arg, size_t index)
{
    struct value_deed *d = arg;
    void *value = NULL;
    (void)index;
    SUPPORT_CHECK(cconc_once_value(&d->once, NULL, value_run, d, &value) == 0 && value == d);
}

static void once_value_gives_every_caller_the_value_of_one_call(void **state)
{
    struct value_deed d = {.code = 0};
    (void)state;
    struct support_threads *threads = support_threads_start(10, value_thread, &d);
    support_threads_join(threads);
    value_thread(&d, 0);
    assert_int_equal(atomic_load(&d.runs), 1);
}

/* Go's OnceValues gives value and error; here a code other than 0 comes without a value. */
static void once_values_gives_every_caller_the_error_and_no_value_unlike_go(void **state)
{
    struct value_deed d = {.code = EIO};
    void *value = NULL;
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cconc_once_value(&d.once, NULL, value_run, &d, &value), EIO);
        assert_null(value);
    }
    assert_int_equal(atomic_load(&d.runs), 1);
}

/* ---- WaitGroup ------------------------------------------------------------------------------ */

struct crowd {
    cconc_waitgroup wg;
    cconc_ctx *ctx; /* of the waits */
    int expected;
    atomic_bool gate;
    atomic_int returned;
    atomic_int ran;
    int plain[8]; /* each task its own */
};

static void crowd_wait(void *arg, size_t index)
{
    struct crowd *c = arg;
    (void)index;
    SUPPORT_CHECK(cconc_waitgroup_wait(&c->wg, c->ctx) == c->expected);
    atomic_fetch_add(&c->returned, 1);
}

static struct support_threads *crowd_start(struct crowd *c, size_t count)
{
    size_t before = cconc_waitgroup_waiters(&c->wg);
    struct support_threads *threads = support_threads_start(count, crowd_wait, c);
    until(cconc_waitgroup_waiters(&c->wg) == before + count);
    return threads;
}

static void write_and_done(void *arg, size_t index)
{
    struct crowd *c = arg;
    c->plain[index] = (int)index + 1;
    cconc_waitgroup_done(&c->wg);
}

static void waitgroup_wait_returns_when_all_are_done_and_sees_their_work(void **state)
{
    struct crowd c = {.expected = 0};
    (void)state;
    cconc_waitgroup_add(&c.wg, 8);
    struct support_threads *threads = support_threads_start(8, write_and_done, &c);
    assert_int_equal(cconc_waitgroup_wait(&c.wg, NULL), 0);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(c.plain[i], i + 1);
    }
    support_threads_join(threads);
}

static void waitgroup_zero_value_is_ready_and_waits_for_nothing(void **state)
{
    cconc_waitgroup wg;
    (void)state;
    memset(&wg, 0, sizeof(wg));
    assert_int_equal(cconc_waitgroup_wait(&wg, NULL), 0);
    cconc_waitgroup_add(&wg, 0);
    assert_int_equal(cconc_waitgroup_wait(&wg, NULL), 0);
}

static void waitgroup_zero_releases_every_wait_and_not_before(void **state)
{
    struct crowd c = {.expected = 0};
    (void)state;
    cconc_waitgroup_add(&c.wg, 3);
    struct support_threads *threads = crowd_start(&c, 6);
    cconc_waitgroup_add(&c.wg, -2); /* a delta may be negative */
    assert_int_equal(cconc_waitgroup_waiters(&c.wg), 6);
    cconc_waitgroup_add(&c.wg, 1); /* and the counter may rise again while it is above zero */
    cconc_waitgroup_done(&c.wg);
    assert_int_equal(atomic_load(&c.returned), 0);
    cconc_waitgroup_done(&c.wg);
    support_threads_join(threads);
    assert_int_equal(atomic_load(&c.returned), 6);
}

/* Go panics; the process ends here too. */
static void waitgroup_counter_below_zero_is_misuse(void **state)
{
    cconc_waitgroup wg = CCONC_WAITGROUP_INIT;
    (void)state;
    expect_misuse("waitgroup count -1 below zero", cconc_waitgroup_done(&wg));
    cconc_waitgroup_init(&wg);
    cconc_waitgroup_add(&wg, 1);
    expect_misuse("waitgroup count -1 below zero", cconc_waitgroup_add(&wg, -2));
}

static void waitgroup_is_used_again_after_its_waits_have_returned(void **state)
{
    struct crowd c = {.expected = 0};
    (void)state;
    for (int i = 1; i <= 50; i++) {
        cconc_waitgroup_add(&c.wg, 1);
        struct support_threads *threads = crowd_start(&c, 2);
        cconc_waitgroup_done(&c.wg);
        support_threads_join(threads);
        assert_int_equal(atomic_load(&c.returned), 2 * i);
    }
}

/* In Go new Add calls must come after all previous Wait calls have returned, and may panic. */
static void waitgroup_is_used_again_before_its_waits_have_returned_unlike_go(void **state)
{
    struct crowd c = {.expected = 0};
    (void)state;
    for (int i = 1; i <= 50; i++) {
        cconc_waitgroup_add(&c.wg, 1);
        struct support_threads *threads = crowd_start(&c, 3);
        cconc_waitgroup_done(&c.wg);
        cconc_waitgroup_add(&c.wg, 1); /* the next round, at once */
        support_threads_join(threads);
        assert_int_equal(atomic_load(&c.returned), 3 * i);
        assert_int_equal(cconc_waitgroup_count(&c.wg), 1);
        cconc_waitgroup_done(&c.wg);
    }
}

static void waitgroup_wait_ends_with_its_context_unlike_go(void **state)
{
    struct crowd c = {.ctx = new_cancel(), .expected = ECANCELED};
    (void)state;
    cconc_waitgroup_add(&c.wg, 1);
    struct support_threads *threads = crowd_start(&c, 2);
    cconc_ctx_cancel(c.ctx);
    support_threads_join(threads);
    assert_int_equal(cconc_waitgroup_count(&c.wg), 1);
    cconc_waitgroup_done(&c.wg);
    assert_int_equal(cconc_waitgroup_wait(&c.wg, c.ctx), 0); /* zero is zero */
    cconc_ctx_free(c.ctx);
}

static void task_behind_gate(void *arg)
{
    struct crowd *c = arg;
    until(atomic_load(&c->gate));
    c->plain[atomic_fetch_add(&c->ran, 1)] = 1;
}

static void waitgroup_go_adds_the_task_and_removes_it_when_it_returns(void **state)
{
    struct crowd c = {.expected = 0};
    (void)state;
    for (int i = 1; i <= 8; i++) {
        assert_int_equal(cconc_waitgroup_go(&c.wg, task_behind_gate, &c), 0);
        assert_int_equal(cconc_waitgroup_count(&c.wg), i);
    }
    struct support_threads *threads = crowd_start(&c, 1);
    assert_int_equal(atomic_load(&c.returned), 0);
    atomic_store(&c.gate, true);
    support_threads_join(threads);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(c.plain[i], 1); /* a return happens before Wait's */
    }
}

static void count_task(void *arg)
{
    struct crowd *c = arg;
    atomic_fetch_add(&c->ran, 1);
}

static void task_that_starts_more(void *arg)
{
    struct crowd *c = arg;
    for (int i = 0; i < 5; i++) {
        SUPPORT_CHECK(cconc_waitgroup_go(&c->wg, count_task, c) == 0);
    }
    count_task(c);
}

static void waitgroup_go_may_be_called_while_tasks_run(void **state)
{
    struct crowd c = {.expected = 0};
    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(cconc_waitgroup_go(&c.wg, task_that_starts_more, &c), 0);
    }
    assert_int_equal(cconc_waitgroup_wait(&c.wg, NULL), 0);
    assert_int_equal(atomic_load(&c.ran), 30);
}

static void task_that_ends_its_thread(void *arg)
{
    count_task(arg);
    pthread_exit(NULL);
}

/* Goexit in Go. */
static void waitgroup_go_whose_task_ends_its_thread_is_done(void **state)
{
    struct crowd c = {.expected = 0};
    (void)state;
    assert_int_equal(cconc_waitgroup_go(&c.wg, task_that_ends_its_thread, &c), 0);
    assert_int_equal(cconc_waitgroup_wait(&c.wg, NULL), 0);
    assert_int_equal(atomic_load(&c.ran), 1);
}

static void waitgroup_go_that_cannot_start_says_so_and_adds_nothing_unlike_go(void **state)
{
    struct crowd c = {.expected = 0};
    (void)state;
    support_fail_thread(1, true);
    assert_int_equal(cconc_waitgroup_go(&c.wg, count_task, &c), ENOMEM);
    (void)support_fail_end();
    assert_int_equal(cconc_waitgroup_go(&c.wg, NULL, &c), EINVAL); /* Go: a panic in the task */
    assert_int_equal(cconc_waitgroup_wait(&c.wg, NULL), 0);
    assert_int_equal(atomic_load(&c.ran), 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(once_do_calls_the_first_function_only_even_if_others_come),
        UNIT_TEST(once_do_returns_to_nobody_before_the_one_call_has_returned),
        UNIT_TEST(once_zero_value_is_ready_for_use),
        UNIT_TEST(once_do_may_call_another_once),
        UNIT_TEST(once_do_inside_its_own_function_is_refused_where_go_deadlocks),
        UNIT_TEST(once_function_that_ends_its_thread_is_considered_to_have_returned),
        UNIT_TEST(once_failure_is_kept_and_told_to_every_later_caller),
        UNIT_TEST(once_retry_runs_again_after_a_failure_unlike_go),
        UNIT_TEST(once_caller_leaves_with_its_context_unlike_go),
        UNIT_TEST(once_reset_lets_it_run_again_unlike_go),
        UNIT_TEST(once_value_gives_every_caller_the_value_of_one_call),
        UNIT_TEST(once_values_gives_every_caller_the_error_and_no_value_unlike_go),
        UNIT_TEST(waitgroup_wait_returns_when_all_are_done_and_sees_their_work),
        UNIT_TEST(waitgroup_zero_value_is_ready_and_waits_for_nothing),
        UNIT_TEST(waitgroup_zero_releases_every_wait_and_not_before),
        UNIT_TEST(waitgroup_counter_below_zero_is_misuse),
        UNIT_TEST(waitgroup_is_used_again_after_its_waits_have_returned),
        UNIT_TEST(waitgroup_is_used_again_before_its_waits_have_returned_unlike_go),
        UNIT_TEST(waitgroup_wait_ends_with_its_context_unlike_go),
        UNIT_TEST(waitgroup_go_adds_the_task_and_removes_it_when_it_returns),
        UNIT_TEST(waitgroup_go_may_be_called_while_tasks_run),
        UNIT_TEST(waitgroup_go_whose_task_ends_its_thread_is_done),
        UNIT_TEST(waitgroup_go_that_cannot_start_says_so_and_adds_nothing_unlike_go),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
