/* group_wait.c - unit tests of groups: wait, stop, free, and tasks that end their thread
 * SPDX-License-Identifier: MIT
 *
 * Risk      A wait that returns while a task runs, or never; an error that a later round forgets; a
 *           group freed under somebody's hands; a task that ends its thread and is waited for in
 *           vain.
 * Method    Tasks at gates; waits in threads of their own; pthread_exit and pthread_cancel inside
 *           tasks; misuse through the hook, after which the group has to work on.
 * Catches   G1 G3 G5 G7 G8 H20, I17 I18 I19; rules group-8 to group-12 group-15,
 *           all-3 all-6 all-10 all-15, proc-2 proc-3.
 */
#include "group_help.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

/* ---- wait ----------------------------------------------------------------------------------- */

static void group_wait_of_an_idle_group_returns_at_once_and_ends_its_context(void **state)
{
    (void)state;
    for (int keep = 0; keep < 2; keep++) {
        cconc_group *group = group_make(keep ? CCONC_GROUP_KEEP_GOING : 0, 0);
        cconc_ctx *cancelled = ctx_make_cancelled();
        assert_int_equal(cconc_group_wait(group, cancelled, NULL), 0);
        assert_int_equal(cconc_ctx_err(cconc_group_ctx(group)), keep ? 0 : ECANCELED);
        assert_int_equal(cconc_ctx_cause(cconc_group_ctx(group), NULL), keep ? 0 : ECANCELED);
        cconc_ctx_free(cancelled);
        cconc_group_free(group);
    }
}

struct waiters {
    cconc_group *group;
    cconc_ctx   *done; /* ends when the tasks may */
    int          plain;
    atomic_int   back;
};

static void wait_and_look(void *arg, size_t index)
{
    struct waiters *w = arg;
    const char *message = NULL;
    (void)index;
    SUPPORT_CHECK(cconc_group_wait(w->group, NULL, &message) == 17);
    SUPPORT_CHECK(strcmp(message, "seventeen") == 0);
    SUPPORT_CHECK(w->plain == 1);
    atomic_fetch_add(&w->back, 1);
}

static int fail_when_done(cconc_ctx *ctx, void *arg)
{
    struct waiters *w = arg;
    (void)ctx;
    SUPPORT_CHECK(cconc_ctx_wait(w->done, NULL) == 0);
    w->plain = 1;
    return cconc_group_fail(w->group, 17, "%s", "seventeen");
}

static void group_wait_serves_many_waiters(void **state)
{
    struct waiters w = {.group = group_make(0, 0), .done = ctx_make()};
    (void)state;
    assert_int_equal(cconc_group_go(w.group, NULL, fail_when_done, &w), 0);
    struct support_threads *threads = support_threads_start(8, wait_and_look, &w);
    assert_int_equal(atomic_load(&w.back), 0);
    cconc_ctx_cancel(w.done);
    support_threads_join(threads);
    assert_int_equal(atomic_load(&w.back), 8);
    assert_int_equal(cconc_group_wait(w.group, NULL, NULL), 17);
    cconc_ctx_free(w.done);
    cconc_group_free(w.group);
}

static void group_wait_that_gives_up_says_so_and_changes_nothing(void **state)
{
    cconc_group *group = group_make(0, 0);
    cconc_ctx *cancelled = ctx_make_cancelled();
    struct gate gate;
    cconc_ctx_mem mem;
    const char *message = "mine";
    (void)state;
    gate_init(&gate, 8);
    assert_int_equal(cconc_group_go(group, NULL, gate_task, &gate), 0);
    assert_int_equal(cconc_group_wait(group, cancelled, &message), EINPROGRESS);
    int64_t deadline_ns = cconc_clock_after(2 * CCONC_MS);
    assert_int_equal(cconc_group_wait(group, cconc_ctx_until(&mem, NULL, deadline_ns), &message),
                     EINPROGRESS);
    assert_true(cconc_clock_now() >= deadline_ns);
    assert_string_equal(message, "mine");
    assert_int_equal(cconc_ctx_err(cconc_group_ctx(group)), 0);
    assert_int_equal(group_running(group), 1);
    gate_open(&gate);
    assert_int_equal(cconc_group_wait(group, NULL, &message), 8);
    cconc_ctx_free(cancelled);
    cconc_group_free(group);
    gate_free(&gate);
}

static void group_error_sticks_while_the_group_is_used_again(void **state)
{
    static int codes[] = {0, 61, 0, 62};
    cconc_group *group = group_make(0, 0);
    const char *message = NULL;
    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(cconc_group_go(group, NULL, return_code, &codes[i]), 0);
        assert_int_equal(cconc_group_wait(group, NULL, &message), i == 0 ? 0 : 61);
    }
    assert_string_equal(message, cconc_strerror(61));
    cconc_group_free(group);
}

static int start_another(cconc_ctx *ctx, void *arg)
{
    struct gate *gate = arg;
    (void)ctx;
    SUPPORT_CHECK(cconc_group_go(gate->group, NULL, gate_task, gate) == 0);
    return 0;
}

static void wait_for_all(void *arg, size_t index)
{
    struct gate *gate = arg;
    (void)index;
    SUPPORT_CHECK(cconc_group_wait(gate->group, NULL, NULL) == 0);
    SUPPORT_CHECK(atomic_load(&gate->ran) == 1);
}

static void group_wait_includes_what_running_tasks_start(void **state)
{
    struct gate gate;
    (void)state;
    gate_init(&gate, 0);
    gate.group = group_make(0, 0);
    assert_int_equal(cconc_group_go(gate.group, NULL, start_another, &gate), 0);
    struct support_threads *threads = support_threads_start(1, wait_for_all, &gate);
    until(atomic_load(&gate.inside) == 1);
    gate_open(&gate);
    support_threads_join(threads);
    cconc_group_free(gate.group);
    gate_free(&gate);
}

/* ---- stop ----------------------------------------------------------------------------------- */

static void group_stop_ends_tasks_that_watch_their_context_and_is_clean(void **state)
{
    cconc_group *group = group_make(0, 0);
    cconc_group_counts counts;
    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(cconc_group_go(group, NULL, until_done, NULL), 0);
    }
    assert_int_equal(cconc_group_stop(group, NULL), 0);
    cconc_group_read(group, &counts);
    assert_int_equal(counts.running, 0);
    assert_int_equal(counts.failed, 0);
    assert_int_equal(cconc_ctx_cause(cconc_group_ctx(group), NULL), ECANCELED);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    cconc_group_free(group);
}

static void group_stop_cancels_a_keep_going_group_too(void **state)
{
    cconc_group *group = group_make(CCONC_GROUP_KEEP_GOING, 0);
    (void)state;
    assert_int_equal(cconc_group_go(group, NULL, until_done, NULL), 0);
    assert_int_equal(cconc_group_stop(group, NULL), 0);
    assert_int_equal(cconc_ctx_err(cconc_group_ctx(group)), ECANCELED);
    cconc_group_free(group);
}

static int fail_after_done(cconc_ctx *ctx, void *arg)
{
    (void)until_done(ctx, NULL);
    return *(int *)arg;
}

static void group_stop_returns_other_failures(void **state)
{
    static int code = 23;
    static int canceled = ECANCELED;
    cconc_group *group = group_make(0, 0);
    (void)state;
    assert_int_equal(cconc_group_go(group, NULL, fail_after_done, &code), 0);
    assert_int_equal(cconc_group_stop(group, NULL), 23);
    assert_int_equal(cconc_ctx_cause(cconc_group_ctx(group), NULL), ECANCELED);
    cconc_group_free(group);

    group = group_make(0, 0);
    assert_int_equal(cconc_group_go(group, NULL, return_code, &canceled), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), ECANCELED);
    assert_int_equal(cconc_group_stop(group, NULL), ECANCELED); /* it came before stop */
    cconc_group_free(group);
}

static void group_stop_that_gives_up_has_cancelled(void **state)
{
    cconc_group *group = group_make(0, 0);
    cconc_ctx *cancelled = ctx_make_cancelled();
    struct gate gate;
    (void)state;
    gate_init(&gate, ECANCELED);
    assert_int_equal(cconc_group_go(group, NULL, gate_task, &gate), 0);
    assert_int_equal(cconc_group_stop(group, cancelled), EINPROGRESS);
    assert_int_equal(cconc_ctx_err(cconc_group_ctx(group)), ECANCELED);
    gate_open(&gate);
    assert_int_equal(cconc_group_stop(group, NULL), 0);
    cconc_ctx_free(cancelled);
    cconc_group_free(group);
    gate_free(&gate);
}

/* ---- deadlock ------------------------------------------------------------------------------- */

struct inside {
    cconc_group *group;
    int          wait_err;
    int          stop_err;
    int          ctx_err;
};

static int wait_and_stop_inside(cconc_ctx *ctx, void *arg)
{
    struct inside *inside = arg;
    inside->wait_err = cconc_group_wait(inside->group, NULL, NULL);
    SUPPORT_CHECK(cconc_ctx_err(ctx) == 0);
    inside->stop_err = cconc_group_stop(inside->group, NULL);
    inside->ctx_err = cconc_ctx_err(ctx);
    return 0;
}

static void group_wait_and_stop_inside_a_task_are_deadlocks(void **state)
{
    struct inside inside = {.group = group_make(0, 0)};
    (void)state;
    assert_int_equal(cconc_group_go(inside.group, NULL, wait_and_stop_inside, &inside), 0);
    assert_int_equal(cconc_group_wait(inside.group, NULL, NULL), 0);
    assert_int_equal(inside.wait_err, EDEADLK);
    assert_int_equal(inside.stop_err, EDEADLK);
    assert_int_equal(inside.ctx_err, ECANCELED);
    cconc_group_free(inside.group);
}

static int wait_for_other_group(cconc_ctx *ctx, void *arg)
{
    atomic_int *ran = arg;
    cconc_group *inner;
    (void)ctx;
    SUPPORT_CHECK(cconc_group_new(ctx, NULL, &inner) == 0);
    for (int i = 0; i < 3; i++) {
        SUPPORT_CHECK(cconc_group_go(inner, NULL, count_run, ran) == 0);
    }
    int err = cconc_group_wait(inner, NULL, NULL);
    cconc_group_free(inner);
    return err;
}

static void group_task_may_wait_for_another_group(void **state)
{
    cconc_group *group = group_make(0, 2);
    atomic_int ran = 0;
    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(cconc_group_go(group, NULL, wait_for_other_group, &ran), 0);
    }
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&ran), 30);
    cconc_group_free(group);
}

/* ---- tasks that end their thread ------------------------------------------------------------ */

static int exit_thread(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    pthread_exit(NULL);
}

static void group_task_that_exits_its_thread_has_failed_with_ECANCELED(void **state)
{
    cconc_group *group = group_make(0, 1);
    cconc_group_counts counts;
    atomic_int ran = 0;
    (void)state;
    assert_int_equal(cconc_group_go(group, NULL, exit_thread, NULL), 0);
    assert_int_equal(cconc_group_go(group, NULL, count_run, &ran), 0); /* the slot is free again */
    assert_int_equal(cconc_group_wait(group, NULL, NULL), ECANCELED);
    assert_int_equal(atomic_load(&ran), 1);
    cconc_group_read(group, &counts);
    assert_int_equal(counts.failed, 1);
    assert_int_equal(counts.running, 0);
    cconc_group_free(group);
}

static void group_survives_many_tasks_that_exit_their_threads(void **state)
{
    cconc_group *group = group_make(CCONC_GROUP_KEEP_GOING, 4);
    cconc_group_counts counts;
    atomic_int ran = 0;
    (void)state;
    for (int i = 0; i < 60; i++) {
        assert_int_equal(cconc_group_go(group, NULL, i % 3 ? exit_thread : count_run, &ran), 0);
    }
    assert_int_equal(cconc_group_wait(group, NULL, NULL), ECANCELED);
    cconc_group_read(group, &counts);
    assert_int_equal(counts.failed, 40);
    assert_int_equal(atomic_load(&ran), 20);
    cconc_group_free(group);
}

struct victim {
    cconc_chan *ch;
    pthread_t   thread;
    atomic_int  received;
};

static int be_cancelled(cconc_ctx *ctx, void *arg)
{
    struct victim *victim = arg;
    char token;
    (void)ctx;
    victim->thread = pthread_self();
    int err = cconc_chan_recv(victim->ch, NULL, &token);
    atomic_store(&victim->received, err == 0);
    while (atomic_load(&victim->received) >= 0) {
        pthread_testcancel();
        sched_yield();
    }
    return 0;
}

/* The request comes while the task is in a wait of the library, which is no cancellation point. */
static void group_task_cancelled_by_pthread_cancel_has_failed_with_ECANCELED(void **state)
{
    cconc_group *group = group_make(0, 1);
    struct victim victim = {.ch = chan_make(1, 0)};
    atomic_int ran = 0;
    char token = 1;
    (void)state;
    assert_int_equal(cconc_group_go(group, NULL, be_cancelled, &victim), 0);
    until(chan_receivers(victim.ch) == 1);
    assert_int_equal(pthread_cancel(victim.thread), 0);
    assert_int_equal(cconc_chan_send(victim.ch, NULL, &token), 0);
    assert_int_equal(cconc_group_go(group, NULL, count_run, &ran), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), ECANCELED);
    assert_int_equal(atomic_load(&victim.received), 1);
    assert_int_equal(atomic_load(&ran), 1);
    cconc_chan_free(victim.ch);
    cconc_group_free(group);
}

/* ---- free ----------------------------------------------------------------------------------- */

static void group_context_outlives_the_group_by_ref(void **state)
{
    static int code = 88;
    cconc_group *group = group_make(0, 0);
    cconc_ctx *ctx = cconc_ctx_ref(cconc_group_ctx(group));
    const char *message = NULL;
    (void)state;
    assert_int_equal(cconc_group_go(group, NULL, return_code, &code), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 88);
    cconc_group_free(group);
    assert_int_equal(cconc_ctx_err(ctx), ECANCELED);
    assert_int_equal(cconc_ctx_cause(ctx, &message), 88);
    assert_string_equal(message, cconc_strerror(88));
    cconc_ctx_free(ctx);
}

static void group_can_be_freed_as_soon_as_wait_is_back(void **state)
{
    atomic_int ran = 0;
    (void)state;
    for (int round = 0; round < MANY(3000, 500); round++) {
        cconc_group *group = group_make(0, 0);
        assert_int_equal(cconc_group_go(group, NULL, count_run, &ran), 0);
        assert_int_equal(cconc_group_go(group, NULL, count_run, &ran), 0);
        assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
        cconc_group_free(group);
    }
    assert_int_equal(atomic_load(&ran), 2 * MANY(3000, 500));
}

static void group_stop_wait_and_free_need_no_memory(void **state)
{
    cconc_group *group = group_make(0, 0);
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cconc_group_go(group, NULL, until_done, NULL), 0);
    }
    until(executor_threads() >= 3);
    support_fail_alloc(1, true);
    assert_int_equal(cconc_group_stop(group, NULL), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    cconc_group_free(group);
    (void)support_fail_end(); /* executor threads may ask for memory of their own in vain */
}

static void free_is_misuse(cconc_group *group, const char *text)
{
    expect_misuse(text, cconc_group_free(group));
}

static void group_free_with_running_tasks_and_blocked_callers_is_misuse(void **state)
{
    cconc_group *group = group_make(0, 2);
    struct gate gate;
    struct goer goer;
    (void)state;
    gate_init(&gate, 0);
    assert_int_equal(cconc_group_go(group, NULL, gate_task, &gate), 0);
    assert_int_equal(cconc_group_go(group, NULL, gate_task, &gate), 0);
    free_is_misuse(group, "group free with 2 running tasks and 0 blocked callers");
    goer_start_blocked(&goer, group, NULL, gate_task, &gate, 1);
    free_is_misuse(group, "group free with 2 running tasks and 1 blocked callers");
    gate_open(&gate);
    assert_int_equal(goer_end(&goer), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&gate.ran), 3);
    cconc_group_free(group);
    gate_free(&gate);
}

static void group_free_with_blocked_callers_alone_is_misuse(void **state)
{
    cconc_group *group = group_make(0, 0);
    struct goer goer;
    atomic_int ran = 0;
    (void)state;
    cconc_group_set_limit(group, 0);
    goer_start_blocked(&goer, group, NULL, count_run, &ran, 1);
    free_is_misuse(group, "group free with 0 running tasks and 1 blocked callers");
    cconc_group_set_limit(group, 1);
    assert_int_equal(goer_end(&goer), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&ran), 1);
    cconc_group_free(group);
}

static int free_with_a_running_task(void)
{
    cconc_group *group = group_make(0, 0);
    struct gate gate;
    gate_init(&gate, 0);
    cconc_set_misuse_hook(NULL, NULL);
    SUPPORT_CHECK(cconc_group_go(group, NULL, gate_task, &gate) == 0);
    cconc_group_free(group);
    return 0;
}

static void group_misuse_without_hook_aborts_with_both_numbers(void **state)
{
    char text[512];
    (void)state;
    int status = support_run_child("free_with_a_running_task", text, sizeof(text));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(
        strstr(text, "cconc: group free with 1 running tasks and 0 blocked callers\n"));
}

/* ---- faults --------------------------------------------------------------------------------- */

static void start_and_stop(void *arg)
{
    cconc_group *group = NULL;
    (void)arg;
    if (cconc_group_new(NULL, NULL, &group) == 0) {
        for (int i = 0; i < 3; i++) {
            int err = cconc_group_go(group, NULL, until_done, NULL);
            SUPPORT_CHECK(err == 0 || err == ENOMEM);
        }
        SUPPORT_CHECK(cconc_group_stop(group, NULL) == 0);
        cconc_group_free(group);
    }
}

static void group_stop_survives_every_fault(void **state)
{
    (void)state;
    assert_true(support_sweep_alloc(start_and_stop, NULL) > 0);
    assert_true(support_sweep_thread(start_and_stop, NULL) > 0);
}

int main(int argc, char **argv)
{
    static const struct support_child children[] = {
        {"free_with_a_running_task", free_with_a_running_task},
        {NULL, NULL},
    };
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(group_wait_of_an_idle_group_returns_at_once_and_ends_its_context),
        UNIT_TEST(group_wait_serves_many_waiters),
        UNIT_TEST(group_wait_that_gives_up_says_so_and_changes_nothing),
        UNIT_TEST(group_error_sticks_while_the_group_is_used_again),
        UNIT_TEST(group_wait_includes_what_running_tasks_start),
        UNIT_TEST(group_stop_ends_tasks_that_watch_their_context_and_is_clean),
        UNIT_TEST(group_stop_cancels_a_keep_going_group_too),
        UNIT_TEST(group_stop_returns_other_failures),
        UNIT_TEST(group_stop_that_gives_up_has_cancelled),
        UNIT_TEST(group_wait_and_stop_inside_a_task_are_deadlocks),
        UNIT_TEST(group_task_may_wait_for_another_group),
        UNIT_TEST(group_task_that_exits_its_thread_has_failed_with_ECANCELED),
        UNIT_TEST(group_survives_many_tasks_that_exit_their_threads),
        UNIT_TEST(group_task_cancelled_by_pthread_cancel_has_failed_with_ECANCELED),
        UNIT_TEST(group_context_outlives_the_group_by_ref),
        UNIT_TEST(group_can_be_freed_as_soon_as_wait_is_back),
        UNIT_TEST(group_stop_wait_and_free_need_no_memory),
        UNIT_TEST(group_free_with_running_tasks_and_blocked_callers_is_misuse),
        UNIT_TEST(group_free_with_blocked_callers_alone_is_misuse),
        UNIT_TEST(group_misuse_without_hook_aborts_with_both_numbers),
        UNIT_TEST(group_stop_survives_every_fault),
    };
    support_start(argc, argv, children);
    return UNIT_RUN(tests);
}
