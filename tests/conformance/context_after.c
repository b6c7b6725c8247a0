/* context_after.c - the behaviours of Go's context.AfterFunc
 * SPDX-License-Identifier: MIT
 *
 * Risk      A program carried over from Go that behaves differently without being told.
 * Method    One case a behaviour that Go documents, or that its users rely on, the uses shown in
 *           its documentation among them. The deliberate differences are cases too, and say so.
 * Catches   ported programs that change their meaning; rules ctx-7 to ctx-10.
 */
#include "context_help.h"

#include <pthread.h>
#include <stdatomic.h>

struct func {
    cconc_ctx *ctx;
    atomic_int begun;
    atomic_int ended;
    atomic_bool gate;
    pthread_t caller; /* of the test */
    atomic_bool is_elsewhere;
};

static cconc_after *after_func(cconc_ctx *ctx, cconc_after_fn fn, void *arg)
{
    cconc_after *after = NULL;
    SUPPORT_CHECK(cconc_ctx_after_func(ctx, fn, arg, &after) == 0 && after);
    return after;
}

static void func_run(void *arg)
{
    struct func *f = arg;
    atomic_store(&f->is_elsewhere, !pthread_equal(f->caller, pthread_self()));
    atomic_fetch_add(&f->begun, 1);
    atomic_fetch_add(&f->ended, 1);
}

static void func_hold(void *arg)
{
    struct func *f = arg;
    atomic_fetch_add(&f->begun, 1);
    until(atomic_load(&f->gate));
    atomic_fetch_add(&f->ended, 1);
}

static void after_func_runs_once_on_another_thread_when_the_context_is_done(void **state)
{
    struct func f = {.caller = pthread_self()};
    cconc_ctx *ctx = with_cancel(NULL);
    cconc_after *after = after_func(ctx, func_run, &f);
    (void)state;
    assert_int_equal(atomic_load(&f.begun), 0);
    cconc_ctx_cancel(ctx);
    until(atomic_load(&f.ended) == 1);
    assert_true(atomic_load(&f.is_elsewhere));
    cconc_ctx_cancel(ctx);
    cconc_after_free(after);
    cconc_ctx_free(ctx);
    assert_int_equal(atomic_load(&f.ended), 1);
}

static void after_func_of_a_done_context_runs_at_once_on_another_thread(void **state)
{
    cconc_ctx *both[] = {with_cancel(NULL), with_timeout(NULL, 0)};
    (void)state;
    cconc_ctx_cancel(both[0]);
    for (size_t i = 0; i < 2; i++) {
        struct func f = {.caller = pthread_self()};
        cconc_after *after = after_func(both[i], func_run, &f);
        until(atomic_load(&f.ended) == 1);
        assert_true(atomic_load(&f.is_elsewhere));
        cconc_after_free(after);
    }
    free_all(both, 2);
}

static void after_func_runs_at_the_deadline_and_not_before(void **state)
{
    struct func f = {.begun = 0};
    cconc_ctx *ctx = with_timeout(NULL, CCONC_SECOND);
    cconc_after *after = after_func(ctx, func_run, &f);
    (void)state;
    pass(CCONC_SECOND - 1);
    assert_int_equal(atomic_load(&f.begun), 0);
    pass(1);
    assert_int_equal(atomic_load(&f.ended), 1);
    cconc_after_free(after);
    cconc_ctx_free(ctx);
}

static void after_func_runs_for_the_end_of_an_ancestor(void **state)
{
    struct func f = {.begun = 0};
    cconc_ctx *top = with_cancel(NULL);
    cconc_ctx *value = with_value(top, context_mark(), NULL);
    cconc_ctx *child = with_cancel(value);
    cconc_ctx *apart = with_cancel(NULL);
    cconc_ctx *all[] = {child, value, top, apart};
    cconc_after *after[4];
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        after[i] = after_func(all[i], func_run, &f);
    }
    cconc_ctx_cancel(top);
    for (size_t i = 0; i < 3; i++) {
        assert_false(cconc_after_stop_wait(after[i]));
    }
    assert_int_equal(atomic_load(&f.ended), 3);
    for (size_t i = 0; i < 4; i++) {
        cconc_after_free(after[i]); /* stops the one that is apart */
    }
    assert_int_equal(atomic_load(&f.begun), 3);
    free_all(all, 4);
}

static void after_func_several_are_independent_and_run_beside_each_other(void **state)
{
    struct func f = {.begun = 0};
    cconc_ctx *ctx = with_cancel(NULL);
    cconc_after *after[4];
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        after[i] = after_func(ctx, func_hold, &f); /* none replaces another */
    }
    assert_true(cconc_after_stop(after[1]));
    cconc_ctx_cancel(ctx);
    until(atomic_load(&f.begun) == 3); /* each has begun, none has ended */
    assert_int_equal(atomic_load(&f.ended), 0);
    atomic_store(&f.gate, true);
    for (size_t i = 0; i < 4; i++) {
        cconc_after_free(after[i]);
    }
    assert_int_equal(atomic_load(&f.ended), 3);
    cconc_ctx_free(ctx);
}

static void cancel_does_not_wait_for_the_after_func(void **state)
{
    struct func f = {.begun = 0};
    cconc_ctx *ctx = with_cancel(NULL);
    cconc_after *after = after_func(ctx, func_hold, &f);
    (void)state;
    cconc_ctx_cancel(ctx); /* the gate is closed: to wait would be to hang */
    assert_cancelled(ctx);
    assert_int_equal(atomic_load(&f.ended), 0);
    atomic_store(&f.gate, true);
    cconc_after_free(after);
    cconc_ctx_free(ctx);
}

static void after_func_stop_is_true_for_the_first_and_keeps_it_from_running(void **state)
{
    struct func f = {.begun = 0};
    cconc_ctx *ctx = with_cancel(NULL);
    cconc_after *after = after_func(ctx, func_run, &f);
    (void)state;
    assert_true(cconc_after_stop(after));
    assert_false(cconc_after_stop(after)); /* already stopped */
    cconc_ctx_cancel(ctx);
    assert_false(cconc_after_stop(after));
    cconc_after_free(after);
    cconc_ctx_free(ctx);
    support_leak_check(); /* and nothing is left that could run it */
    assert_int_equal(atomic_load(&f.begun), 0);
}

static void after_func_stop_is_false_once_it_has_begun_and_does_not_wait(void **state)
{
    struct func f = {.begun = 0};
    cconc_ctx *ctx = with_cancel(NULL);
    cconc_after *after = after_func(ctx, func_hold, &f);
    (void)state;
    cconc_ctx_cancel(ctx);
    assert_false(cconc_after_stop(after)); /* done, though it may not have begun */
    until(atomic_load(&f.begun) == 1);
    assert_false(cconc_after_stop(after));
    assert_int_equal(atomic_load(&f.ended), 0);
    atomic_store(&f.gate, true);
    cconc_after_free(after);
    cconc_ctx_free(ctx);
}

/* Where Go's callers must tell each other by themselves that the function has returned. */
static void after_func_stop_wait_and_free_return_after_it_has_unlike_go(void **state)
{
    struct func f = {.gate = true};
    cconc_ctx *ctx = with_cancel(NULL);
    cconc_after *first = after_func(ctx, func_hold, &f);
    cconc_after *second = after_func(ctx, func_hold, &f);
    (void)state;
    cconc_ctx_cancel(ctx);
    assert_false(cconc_after_stop_wait(first));
    cconc_after_free(second);
    assert_int_equal(atomic_load(&f.ended), 2);
    cconc_after_free(first);
    cconc_ctx_free(ctx);
}

struct stoppers {
    cconc_after *after;
    atomic_size_t ready;
    atomic_int stopped;
};

static void stop_when_all_are_ready(void *arg, size_t index)
{
    struct stoppers *s = arg;
    (void)index;
    atomic_fetch_add(&s->ready, 1);
    until(atomic_load(&s->ready) == 3);
    if (cconc_after_stop(s->after)) {
        atomic_fetch_add(&s->stopped, 1);
    }
}

static void after_func_is_stopped_by_one_or_runs_never_both(void **state)
{
    (void)state;
    for (int round = 0; round < 100; round++) {
        struct func f = {.begun = 0};
        cconc_ctx *ctx = with_cancel(NULL);
        struct stoppers s = {.after = after_func(ctx, func_run, &f)};
        struct support_threads *threads = support_threads_start(2, stop_when_all_are_ready, &s);
        until(atomic_load(&s.ready) == 2);
        atomic_fetch_add(&s.ready, 1);
        cconc_ctx_cancel(ctx);
        support_threads_join(threads);
        cconc_after_free(s.after);
        assert_int_equal(atomic_load(&f.ended) + atomic_load(&s.stopped), 1);
        cconc_ctx_free(ctx);
    }
}

static void func_use_its_context(void *arg)
{
    struct func *f = arg;
    SUPPORT_CHECK(cconc_ctx_err(f->ctx) == ECANCELED && cconc_ctx_cause(f->ctx, NULL) == EPERM);
    cconc_ctx_cancel(f->ctx);
    cconc_ctx *child = with_cancel(f->ctx);
    SUPPORT_CHECK(cconc_ctx_cause(child, NULL) == EPERM);
    cconc_ctx_free(child);
    cconc_after_free(after_func(f->ctx, func_run, f)); /* one more, for the done context */
}

static void after_func_sees_the_end_and_may_use_the_context(void **state)
{
    struct func f = {.ctx = with_cancel(NULL)};
    cconc_after *after = after_func(f.ctx, func_use_its_context, &f);
    (void)state;
    cconc_ctx_cancel_cause(f.ctx, EPERM, "x");
    cconc_after_free(after);
    assert_int_equal(atomic_load(&f.ended), 1);
    cconc_ctx_free(f.ctx);
}

struct merge {
    cconc_ctx *merged;
    cconc_ctx *other;
};

static void func_pass_the_cause_on(void *arg)
{
    struct merge *m = arg;
    const char *message = NULL;
    int code = cconc_ctx_cause(m->other, &message);
    cconc_ctx_cancel_cause(m->merged, code, "%s", message);
}

static void after_func_merges_two_contexts(void **state)
{
    (void)state;
    for (int other = 0; other < 2; other++) {
        cconc_ctx *ctx = with_cancel(NULL);
        struct merge m = {.merged = with_cancel(ctx), .other = with_timeout_cause(NULL, CCONC_MS)};
        cconc_after *after = after_func(m.other, func_pass_the_cause_on, &m);
        assert_live(m.merged);
        if (other) {
            pass(CCONC_MS);
            assert_ended(m.merged, ECANCELED, EDOM, "too slow");
        } else {
            cconc_ctx_cancel_cause(ctx, EPERM, "first");
            assert_true(cconc_after_stop(after));
            assert_ended(m.merged, ECANCELED, EPERM, "first");
        }
        cconc_after_free(after);
        cconc_ctx *all[] = {m.merged, m.other, ctx};
        free_all(all, 3);
    }
}

struct condition {
    pthread_mutex_t mu;
    pthread_cond_t cond;
    cconc_ctx *ctx;
    int waiting;
};

static void func_wake_the_condition(void *arg)
{
    struct condition *c = arg;
    pthread_mutex_lock(&c->mu); /* or it could fall between the look at ctx and the wait */
    pthread_cond_broadcast(&c->cond);
    pthread_mutex_unlock(&c->mu);
}

static void wait_on_the_condition(void *arg, size_t index)
{
    struct condition *c = arg;
    (void)index;
    cconc_after *after = after_func(c->ctx, func_wake_the_condition, c);
    pthread_mutex_lock(&c->mu);
    c->waiting++;
    while (!cconc_ctx_err(c->ctx)) {
        pthread_cond_wait(&c->cond, &c->mu);
    }
    pthread_mutex_unlock(&c->mu);
    cconc_after_free(after);
}

static int condition_waiting(struct condition *c)
{
    pthread_mutex_lock(&c->mu);
    int waiting = c->waiting;
    pthread_mutex_unlock(&c->mu);
    return waiting;
}

static void after_func_ends_waits_on_a_condition_variable(void **state)
{
    struct condition c = {.mu = PTHREAD_MUTEX_INITIALIZER,
                          .cond = PTHREAD_COND_INITIALIZER,
                          .ctx = with_cancel(NULL)};
    (void)state;
    struct support_threads *threads = support_threads_start(4, wait_on_the_condition, &c);
    until(condition_waiting(&c) == 4);
    cconc_ctx_cancel(c.ctx);
    support_threads_join(threads);
    cconc_ctx_free(c.ctx);
}

static void func_cancel(void *arg)
{
    cconc_ctx_cancel(arg);
}

static void after_funcs_that_cancel_each_others_trees_all_end(void **state)
{
    cconc_ctx *roots[] = {with_cancel(NULL), with_cancel(NULL)};
    cconc_ctx *leaves[] = {with_cancel(roots[0]), with_cancel(roots[1])};
    cconc_after *after[4];
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        after[i] = after_func(leaves[i], func_cancel, roots[1 - i]);
        after[2 + i] = after_func(leaves[i], func_cancel, roots[i]);
    }
    cconc_ctx_cancel(leaves[0]);
    for (size_t i = 0; i < 4; i++) {
        assert_false(cconc_after_stop_wait(after[i])); /* the first ends what the others wait for */
    }
    assert_cancelled(roots[0]);
    assert_cancelled(roots[1]);
    assert_cancelled(leaves[1]);
    for (size_t i = 0; i < 4; i++) {
        cconc_after_free(after[i]);
    }
    free_all(leaves, 2);
    free_all(roots, 2);
}

/* Go starts a goroutine for each that has to run; and so it cannot fail. */
static void after_funcs_take_no_thread_each_and_cancel_needs_none_unlike_go(void **state)
{
    struct func f = {.begun = 0};
    cconc_after *after[500];
    cconc_ctx *ctx = with_cancel(NULL);
    (void)state;
    uint64_t threads = support_thread_count();
    for (size_t i = 0; i < 500; i++) {
        after[i] = after_func(ctx, func_run, &f);
    }
    assert_true(support_thread_count() <= threads + 1);
    support_fail_thread(1, true);
    cconc_ctx_cancel(ctx);
    for (size_t i = 0; i < 500; i++) {
        assert_false(cconc_after_stop_wait(after[i]));
        cconc_after_free(after[i]);
    }
    (void)support_fail_end();
    assert_int_equal(atomic_load(&f.ended), 500);
    cconc_ctx_free(ctx);
}

/* Go accepts these: the function is never called, or called though it is nil. */
static void after_func_of_what_never_ends_or_of_no_function_is_refused_unlike_go(void **state)
{
    struct func f = {.begun = 0};
    cconc_after *after = NULL;
    cconc_ctx *ctx = with_cancel(NULL);
    cconc_ctx *without = without_cancel(ctx);
    (void)state;
    assert_int_equal(cconc_ctx_after_func(cconc_ctx_background(), func_run, &f, &after), EINVAL);
    assert_int_equal(cconc_ctx_after_func(NULL, func_run, &f, &after), EINVAL);
    assert_int_equal(cconc_ctx_after_func(without, func_run, &f, &after), EINVAL);
    assert_int_equal(cconc_ctx_after_func(ctx, NULL, &f, &after), EINVAL);
    assert_null(after);
    cconc_ctx_free(without);
    cconc_ctx_free(ctx);
    assert_int_equal(atomic_load(&f.begun), 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        TIME_TEST(after_func_runs_once_on_another_thread_when_the_context_is_done),
        TIME_TEST(after_func_of_a_done_context_runs_at_once_on_another_thread),
        TIME_TEST(after_func_runs_at_the_deadline_and_not_before),
        TIME_TEST(after_func_runs_for_the_end_of_an_ancestor),
        TIME_TEST(after_func_several_are_independent_and_run_beside_each_other),
        TIME_TEST(cancel_does_not_wait_for_the_after_func),
        TIME_TEST(after_func_stop_is_true_for_the_first_and_keeps_it_from_running),
        TIME_TEST(after_func_stop_is_false_once_it_has_begun_and_does_not_wait),
        TIME_TEST(after_func_stop_wait_and_free_return_after_it_has_unlike_go),
        TIME_TEST(after_func_is_stopped_by_one_or_runs_never_both),
        TIME_TEST(after_func_sees_the_end_and_may_use_the_context),
        TIME_TEST(after_func_merges_two_contexts),
        TIME_TEST(after_func_ends_waits_on_a_condition_variable),
        TIME_TEST(after_funcs_that_cancel_each_others_trees_all_end),
        TIME_TEST(after_funcs_take_no_thread_each_and_cancel_needs_none_unlike_go),
        TIME_TEST(after_func_of_what_never_ends_or_of_no_function_is_refused_unlike_go),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
