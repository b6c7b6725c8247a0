/* ctx_after.c - functions that run when a context is done
 * SPDX-License-Identifier: MIT
 *
 * Risk      A function that runs twice, never, or after a stop that promised it would not; one
 *           that runs inside cancel; a stop_wait that comes back too early or waits for itself.
 * Method    Functions that count, block on a gate until told, or call back into the library.
 * Catches   C7, C9, C10, C12, C14; T1, T2; I4, I17, I20.
 */
#include "ctx_help.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

struct probe {
    atomic_int ran;
    atomic_int entered;
    atomic_bool gate; /* fn returns when it is open */
    int plain;
    cconc_ctx *ctx;
    cconc_after *after;
    pthread_t caller;
};

static void count_run(void *arg)
{
    struct probe *p = arg;
    atomic_fetch_add(&p->ran, 1);
}

static void run_behind_gate(void *arg)
{
    struct probe *p = arg;
    atomic_fetch_add(&p->entered, 1);
    until(atomic_load(&p->gate));
    p->plain = 43;
    atomic_fetch_add(&p->ran, 1);
}

static cconc_after *make_after(cconc_ctx *ctx, cconc_after_fn fn, void *arg)
{
    cconc_after *after = NULL;
    int err = cconc_ctx_after_func(ctx, fn, arg, &after);
    SUPPORT_CHECK(err == 0 && after);
    return after;
}

static void ctx_after_func_runs_once_when_the_context_is_done(void **state)
{
    (void)state;
    struct probe p = {0};
    cconc_ctx *ctx = make_cancel(NULL);
    cconc_after *after = make_after(ctx, count_run, &p);
    assert_int_equal(cconc__node_watchers(ctx), 1);
    cconc_ctx_cancel(ctx);
    cconc_ctx_cancel(ctx);
    assert_false(cconc_after_stop_wait(after));
    assert_int_equal(atomic_load(&p.ran), 1);
    assert_false(cconc_after_stop(after));
    cconc_after_free(after);
    cconc_ctx_free(ctx);
    assert_int_equal(atomic_load(&p.ran), 1);
}

static void ctx_after_func_of_a_done_context_runs_soon(void **state)
{
    (void)state;
    struct probe p = {0};
    cconc_ctx *ctx = make_timeout(NULL, 0);
    cconc_after *after = make_after(ctx, count_run, &p);
    until(atomic_load(&p.ran) == 1);
    assert_false(cconc_after_stop(after));
    cconc_after_free(after);
    cconc_ctx_free(ctx);
}

static void ctx_after_func_runs_when_a_deadline_or_an_ancestor_ends_it(void **state)
{
    (void)state;
    struct probe p = {0};
    cconc_ctx *top = make_timeout(NULL, CCONC_MS);
    cconc_ctx *value = make_value(top, &ctx_mark, NULL);
    cconc_ctx *child = make_cancel(value);
    cconc_after *first = make_after(value, count_run, &p);
    cconc_after *second = make_after(child, count_run, &p);
    until(atomic_load(&p.ran) == 2);
    assert_int_equal(cconc_ctx_err(child), ETIMEDOUT);
    cconc_after_free(first);
    cconc_after_free(second);
    cconc_ctx_free(child);
    cconc_ctx_free(value);
    cconc_ctx_free(top);
}

static void ctx_after_func_runs_when_the_last_handle_goes(void **state)
{
    (void)state;
    struct probe p = {0};
    cconc_ctx *ctx = make_cancel(NULL);
    cconc_after *after = make_after(ctx, count_run, &p);
    cconc_ctx_free(ctx);
    until(atomic_load(&p.ran) == 1);
    cconc_after_free(after);
}

static void ctx_cancel_does_not_wait_for_the_after_func(void **state)
{
    (void)state;
    struct probe p = {0};
    cconc_ctx *ctx = make_cancel(NULL);
    cconc_after *after = make_after(ctx, run_behind_gate, &p);
    cconc_ctx_cancel(ctx);
    assert_int_equal(atomic_load(&p.ran), 0);
    until(atomic_load(&p.entered) == 1);
    assert_false(cconc_after_stop(after));
    assert_int_equal(atomic_load(&p.ran), 0);
    atomic_store(&p.gate, true);
    assert_false(cconc_after_stop_wait(after));
    assert_int_equal(p.plain, 43);
    cconc_after_free(after);
    cconc_ctx_free(ctx);
}

static void note_own_thread(void *arg)
{
    struct probe *p = arg;
    SUPPORT_CHECK(!pthread_equal(pthread_self(), p->caller));
    SUPPORT_CHECK(p->plain == 42);
    atomic_fetch_add(&p->ran, 1);
}

static void ctx_after_func_never_runs_inside_cancel_or_after_func(void **state)
{
    (void)state;
    struct probe p = {.caller = pthread_self()};
    cconc_ctx *ctx = make_cancel(NULL);
    cconc_after *before = make_after(ctx, note_own_thread, &p);
    p.plain = 42;
    cconc_ctx_cancel(ctx);
    cconc_after *late = make_after(ctx, note_own_thread, &p);
    cconc_after_free(late);
    cconc_after_free(before);
    assert_int_equal(atomic_load(&p.ran), 2);
    cconc_ctx_free(ctx);
}

static void note_thread_name(void *arg)
{
    char *name = arg;
    SUPPORT_CHECK(pthread_getname_np(pthread_self(), name, 16) == 0);
}

static void ctx_after_func_runs_on_the_executor(void **state)
{
    (void)state;
    for (int born_done = 0; born_done < 2; born_done++) {
        char name[16] = "";
        cconc_ctx *ctx = born_done ? make_timeout(NULL, 0) : make_cancel(NULL);
        cconc_after *after = make_after(ctx, note_thread_name, name);
        if (!born_done) {
            cconc_ctx_cancel(ctx);
        }
        assert_false(cconc_after_stop_wait(after));
        assert_memory_equal(name, "cconc-exec/", 11);
        cconc_after_free(after);
        cconc_ctx_free(ctx);
    }
}

static void ctx_after_stop_keeps_the_function_from_running(void **state)
{
    (void)state;
    struct probe p = {0};
    cconc_ctx *ctx = make_cancel(NULL);
    cconc_after *stopped = make_after(ctx, count_run, &p);
    cconc_after *waited = make_after(ctx, count_run, &p);
    cconc_after *freed = make_after(ctx, count_run, &p);
    assert_int_equal(cconc__node_watchers(ctx), 3);
    assert_true(cconc_after_stop(stopped));
    assert_false(cconc_after_stop(stopped));
    assert_false(cconc_after_stop_wait(stopped));
    assert_true(cconc_after_stop_wait(waited));
    cconc_after_free(freed);
    assert_int_equal(cconc__node_watchers(ctx), 0);
    cconc_ctx_cancel(ctx);
    cconc_after_free(stopped);
    cconc_after_free(waited);
    cconc_after_free(NULL);
    cconc_ctx_free(ctx);
    support_leak_check();
    assert_int_equal(atomic_load(&p.ran), 0);
}

static void meet(void *arg)
{
    struct probe *p = arg;
    atomic_fetch_add(&p->entered, 1);
    until(atomic_load(&p->entered) == 3);
    atomic_fetch_add(&p->ran, 1);
}

static void ctx_after_funcs_are_independent_and_may_run_in_parallel(void **state)
{
    (void)state;
    struct probe p = {0};
    cconc_after *after[3];
    cconc_ctx *ctx = make_cancel(NULL);
    for (size_t i = 0; i < 3; i++) {
        after[i] = make_after(ctx, meet, &p);
    }
    cconc_ctx_cancel(ctx);
    for (size_t i = 0; i < 3; i++) {
        cconc_after_free(after[i]);
    }
    assert_int_equal(atomic_load(&p.ran), 3);
    cconc_ctx_free(ctx);
}

static void stop_wait_on_itself(void *arg)
{
    struct probe *p = arg;
    SUPPORT_CHECK(!cconc_after_stop(p->after));
    SUPPORT_CHECK(!cconc_after_stop_wait(p->after));
    cconc_after_free(p->after);
    atomic_fetch_add(&p->ran, 1);
}

static void ctx_after_func_may_stop_and_free_itself(void **state)
{
    (void)state;
    struct probe p = {0};
    p.ctx = make_cancel(NULL);
    p.after = make_after(p.ctx, stop_wait_on_itself, &p);
    cconc_ctx_cancel(p.ctx);
    until(atomic_load(&p.ran) == 1);
    cconc_ctx_free(p.ctx);
}

static void release_everything(void *arg)
{
    struct probe *p = arg;
    cconc_ctx_free(p->ctx);
    atomic_fetch_add(&p->ran, 1);
}

static void ctx_after_func_may_release_the_context(void **state)
{
    (void)state;
    struct probe p = {0};
    p.ctx = make_cancel(NULL);
    p.after = make_after(p.ctx, release_everything, &p);
    cconc_ctx_cancel(p.ctx);
    until(atomic_load(&p.ran) == 1);
    cconc_after_free(p.after);
}

/* Every call on the context that has just ended, from inside its own function. */
static void call_everything(void *arg)
{
    struct probe *p = arg;
    cconc_after *nested = make_after(p->ctx, count_run, p);
    cconc_ctx *child = make_cancel(p->ctx);
    SUPPORT_CHECK(cconc_ctx_err(child) == ECANCELED);
    SUPPORT_CHECK(cconc_ctx_cause(p->ctx, NULL) == EPERM);
    SUPPORT_CHECK(cconc_ctx_wait(p->ctx, NULL) == 0);
    SUPPORT_CHECK(cconc_ctx_sleep(p->ctx, 1) == ECANCELED);
    SUPPORT_CHECK(fd_is_readable(fd_of(p->ctx)));
    cconc_ctx_cancel(p->ctx);
    cconc_ctx_free(cconc_ctx_ref(p->ctx));
    cconc_ctx_free(child);
    cconc_after_free(nested);
    SUPPORT_CHECK(cconc_shutdown(NULL) == EDEADLK);
    atomic_fetch_add(&p->ran, 1);
}

static void ctx_after_func_may_call_anything_on_its_context(void **state)
{
    (void)state;
    struct probe p = {0};
    p.ctx = make_cancel(NULL);
    p.after = make_after(p.ctx, call_everything, &p);
    cconc_ctx_cancel_cause(p.ctx, EPERM, "x");
    cconc_after_free(p.after);
    assert_int_equal(atomic_load(&p.ran), 2);
    cconc_ctx_free(p.ctx);
}

struct stoppers {
    cconc_after *after;
    atomic_int true_count;
    atomic_int ready;
    atomic_bool go;
    int fn_ran; /* plain: the function's end is before stop_wait's return */
};

static void stop_race_fn(void *arg)
{
    struct stoppers *s = arg;
    s->fn_ran++;
}

static void stop_race(void *arg, size_t index)
{
    struct stoppers *s = arg;
    (void)index;
    atomic_fetch_add(&s->ready, 1);
    until(atomic_load(&s->go));
    if (cconc_after_stop_wait(s->after)) {
        atomic_fetch_add(&s->true_count, 1);
    } else {
        SUPPORT_CHECK(s->fn_ran == 1 || atomic_load(&s->true_count) <= 1);
    }
}

static void ctx_after_func_is_stopped_by_one_caller_or_runs_never_both(void **state)
{
    (void)state;
    for (size_t round = 0; round < 200; round++) {
        struct stoppers s = {.after = NULL};
        cconc_ctx *ctx = make_cancel(NULL);
        s.after = make_after(ctx, stop_race_fn, &s);
        struct support_threads *threads = support_threads_start(2, stop_race, &s);
        until(atomic_load(&s.ready) == 2);
        atomic_store(&s.go, true);
        cconc_ctx_cancel(ctx);
        assert_int_equal(support_threads_join(threads), 0);
        cconc_after_free(s.after);
        assert_int_equal(s.fn_ran + atomic_load(&s.true_count), 1);
        cconc_ctx_free(ctx);
    }
}

static void wait_for_stop(void *arg, size_t index)
{
    struct probe *p = arg;
    (void)index;
    SUPPORT_CHECK(!cconc_after_stop_wait(p->after));
    SUPPORT_CHECK(p->plain == 43);
}

static void ctx_after_stop_wait_returns_to_all_when_the_function_has(void **state)
{
    (void)state;
    struct probe p = {0};
    p.ctx = make_cancel(NULL);
    p.after = make_after(p.ctx, run_behind_gate, &p);
    cconc_ctx_cancel(p.ctx);
    until(atomic_load(&p.entered) == 1);
    struct support_threads *threads = support_threads_start(4, wait_for_stop, &p);
    atomic_store(&p.gate, true);
    assert_int_equal(support_threads_join(threads), 0);
    cconc_after_free(p.after);
    cconc_ctx_free(p.ctx);
}

static void ctx_after_funcs_take_no_thread_each(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    static cconc_after *all[COUNT];
    struct probe p = {0};
    cconc_ctx *ctx = make_cancel(NULL);
    uint64_t threads = support_thread_count();
    for (size_t i = 0; i < COUNT; i++) {
        all[i] = make_after(ctx, count_run, &p);
    }
    assert_true(support_thread_count() - threads <= 1);
    for (size_t i = 0; i < COUNT; i += 2) {
        assert_true(cconc_after_stop(all[i]));
    }
    cconc_ctx_cancel(ctx);
    for (size_t i = 0; i < COUNT; i++) {
        cconc_after_free(all[i]);
    }
    assert_int_equal(atomic_load(&p.ran), COUNT / 2);
    cconc_ctx_free(ctx);
}

static void ctx_cancel_needs_no_memory_and_no_thread_for_after_funcs(void **state)
{
    (void)state;
    struct probe p = {0};
    cconc_ctx *ctx = make_cancel(NULL);
    cconc_after *after[8];
    for (size_t i = 0; i < 8; i++) {
        after[i] = make_after(ctx, count_run, &p);
    }
    support_fail_alloc(1, true);
    support_fail_thread(1, true);
    cconc_ctx_cancel(ctx);
    for (size_t i = 0; i < 8; i++) {
        assert_false(cconc_after_stop_wait(after[i]));
    }
    (void)support_fail_end();
    assert_int_equal(atomic_load(&p.ran), 8);
    for (size_t i = 0; i < 8; i++) {
        cconc_after_free(after[i]);
    }
    cconc_ctx_free(ctx);
}

static void end_the_thread(void *arg)
{
    struct probe *p = arg;
    atomic_fetch_add(&p->ran, 1);
    pthread_exit(NULL);
}

static void cancel_the_thread(void *arg)
{
    struct probe *p = arg;
    atomic_fetch_add(&p->ran, 1);
    (void)pthread_cancel(pthread_self());
    pthread_testcancel();
    support_abort(__FILE__, __LINE__, "still here");
}

static void ctx_after_func_that_ends_its_thread_counts_as_returned(void **state)
{
    (void)state;
    static const cconc_after_fn fns[] = {end_the_thread, cancel_the_thread};
    for (size_t i = 0; i < 2; i++) {
        struct probe p = {0};
        cconc_ctx *ctx = make_cancel(NULL);
        cconc_after *ends = make_after(ctx, fns[i], &p);
        cconc_after *returns = make_after(ctx, count_run, &p);
        cconc_ctx_cancel(ctx);
        assert_false(cconc_after_stop_wait(ends));
        assert_false(cconc_after_stop_wait(returns));
        assert_int_equal(atomic_load(&p.ran), 2);
        cconc_after_free(ends);
        cconc_after_free(returns);
        cconc_ctx_free(ctx);
    }
}

static void ctx_after_func_may_end_its_thread_where_no_other_can_be_had(void **state)
{
    (void)state;
    struct probe p = {0};
    cconc_ctx *ctx = make_cancel(NULL);
    cconc_after *ends = make_after(ctx, end_the_thread, &p);
    cconc_after *returns = make_after(ctx, count_run, &p);
    support_fail_thread(1, true);
    cconc_ctx_cancel(ctx);
    assert_false(cconc_after_stop_wait(ends));
    (void)support_fail_end();
    assert_false(cconc_after_stop_wait(returns));
    assert_int_equal(atomic_load(&p.ran), 2);
    cconc_after_free(ends);
    cconc_after_free(returns);
    cconc_ctx_free(ctx);
    ctx = make_timeout(NULL, CCONC_MS);
    assert_int_equal(cconc_ctx_wait(ctx, NULL), 0);
    cconc_ctx_free(ctx);
}

static void ctx_after_func_refuses_what_cannot_be(void **state)
{
    (void)state;
    struct probe p = {0};
    cconc_after *after = (cconc_after *)(void *)&ctx_mark;
    cconc_ctx *ctx = make_cancel(NULL);
    cconc_ctx *shield = make_without_cancel(ctx);
    cconc_ctx *value = make_value(NULL, &ctx_mark, NULL);
    uint64_t allocations = support_alloc_count();
    errno = ERRNO_MARK;
    assert_int_equal(cconc_ctx_after_func(ctx, NULL, &p, &after), EINVAL);
    assert_int_equal(cconc_ctx_after_func(ctx, count_run, &p, NULL), EINVAL);
    assert_int_equal(cconc_ctx_after_func(NULL, count_run, &p, &after), EINVAL);
    assert_int_equal(cconc_ctx_after_func(cconc_ctx_background(), count_run, &p, &after), EINVAL);
    assert_int_equal(cconc_ctx_after_func(shield, count_run, &p, &after), EINVAL);
    assert_int_equal(cconc_ctx_after_func(value, count_run, &p, &after), EINVAL);
    assert_int_equal(errno, ERRNO_MARK);
    assert_int_equal(support_alloc_count(), allocations);
    assert_ptr_equal(after, &ctx_mark);
    assert_int_equal(cconc__node_watchers(ctx), 0);
    assert_int_equal(cconc__node_watchers(cconc_ctx_background()), 0);
    cconc_ctx_free(value);
    cconc_ctx_free(shield);
    cconc_ctx_free(ctx);
}

static int stop_wait_in_child(void *arg)
{
    return cconc_after_stop_wait(arg) ? 1 : 42;
}

static void ctx_after_stop_wait_in_a_forked_child_does_not_wait_for_the_parent(void **state)
{
    (void)state;
    struct probe p = {0};
    cconc_ctx *ctx = make_cancel(NULL);
    cconc_after *after = make_after(ctx, run_behind_gate, &p);
    cconc_ctx_cancel(ctx);
    until(atomic_load(&p.entered) == 1);
    int status = support_run_forked(stop_wait_in_child, after);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
    atomic_store(&p.gate, true);
    assert_false(cconc_after_stop_wait(after));
    cconc_after_free(after);
    cconc_ctx_free(ctx);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(ctx_after_func_runs_once_when_the_context_is_done),
        UNIT_TEST(ctx_after_func_of_a_done_context_runs_soon),
        UNIT_TEST(ctx_after_func_runs_when_a_deadline_or_an_ancestor_ends_it),
        UNIT_TEST(ctx_after_func_runs_when_the_last_handle_goes),
        UNIT_TEST(ctx_cancel_does_not_wait_for_the_after_func),
        UNIT_TEST(ctx_after_func_never_runs_inside_cancel_or_after_func),
        UNIT_TEST(ctx_after_stop_keeps_the_function_from_running),
        UNIT_TEST(ctx_after_funcs_are_independent_and_may_run_in_parallel),
        UNIT_TEST(ctx_after_func_may_stop_and_free_itself),
        UNIT_TEST(ctx_after_func_may_release_the_context),
        UNIT_TEST(ctx_after_func_may_call_anything_on_its_context),
        UNIT_TEST(ctx_after_func_is_stopped_by_one_caller_or_runs_never_both),
        UNIT_TEST(ctx_after_stop_wait_returns_to_all_when_the_function_has),
        UNIT_TEST(ctx_after_funcs_take_no_thread_each),
        UNIT_TEST(ctx_cancel_needs_no_memory_and_no_thread_for_after_funcs),
        UNIT_TEST(ctx_after_func_that_ends_its_thread_counts_as_returned),
        UNIT_TEST(ctx_after_func_may_end_its_thread_where_no_other_can_be_had),
        UNIT_TEST(ctx_after_func_refuses_what_cannot_be),
        UNIT_TEST(ctx_after_func_runs_on_the_executor),
        UNIT_TEST(ctx_after_stop_wait_in_a_forked_child_does_not_wait_for_the_parent),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
