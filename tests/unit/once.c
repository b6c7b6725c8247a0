/* once.c - something that is done once, while the others wait for it
 * SPDX-License-Identifier: MIT
 *
 * Risk      A function that runs twice or never, a waiter that hangs when the function ends its
 *           thread, a first caller's cancellation that spoils the result for all, a result that is
 *           seen before what came before it.
 * Method    Functions that stay inside until they are let go; waiters that are seen to be queued.
 * Catches   once-1, once-2, once-3, once-4, once-5; all-2, all-5, all-6, all-10; proc-1 proc-3.
 */
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>

#include <cconc/cconc.h>

#include "ctx_help.h"

/* What the functions of these tests do and see. */
struct deed {
    cconc_once once;
    atomic_int runs;
    atomic_int inside;
    atomic_bool let_go; /* nobody leaves the function before */
    int code;           /* what it returns */
    int plain;          /* written by the function, read after run */
    bool ends_thread;
    cconc_ctx *seen;    /* the context that it got */
    int seen_err;
};

static int act(cconc_ctx *ctx, void *arg)
{
    struct deed *deed = arg;
    atomic_fetch_add(&deed->inside, 1);
    until(atomic_load(&deed->let_go));
    deed->seen = ctx;
    deed->seen_err = cconc_ctx_err(ctx);
    deed->plain++;
    atomic_fetch_add(&deed->runs, 1);
    if (deed->ends_thread) {
        pthread_testcancel();
        pthread_exit(NULL);
    }
    return deed->code;
}

static int never(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    support_abort(__FILE__, __LINE__, "this function is not the first one");
    return 0;
}

struct caller {
    struct deed *deed;
    cconc_ctx *ctx;
    bool retries;
    atomic_int returned;
    atomic_int code;
};

static void call_thread(void *arg, size_t index)
{
    struct caller *caller = arg;
    struct deed *deed = caller->deed;
    (void)index;
    errno = ERRNO_MARK;
    int code = caller->retries ? cconc_once_run_retry(&deed->once, caller->ctx, act, deed)
                               : cconc_once_run(&deed->once, caller->ctx, act, deed);
    SUPPORT_CHECK(errno == ERRNO_MARK);
    if (code != EINPROGRESS && (code == 0 || !caller->retries)) { /* else the next try may write */
        SUPPORT_CHECK(deed->plain > 0);
    }
    atomic_store(&caller->code, code);
    atomic_fetch_add(&caller->returned, 1);
}

static struct deed make(int code)
{
    return (struct deed){.once = CCONC_ONCE_INIT, .code = code};
}

/* A runner inside the function, and count callers queued behind it. */
static void gather(struct caller *runner, struct caller *crowd, size_t count,
                   struct support_threads **out_runner, struct support_threads **out_crowd)
{
    *out_runner = support_threads_start(1, call_thread, runner);
    until(atomic_load(&runner->deed->inside) == 1);
    *out_crowd = support_threads_start(count, call_thread, crowd);
    until(cconc_once_waiters(&runner->deed->once) == count);
}

/* once-1 */
static void once_runs_the_first_function_and_keeps_its_code(void **state)
{
    (void)state;
    for (int code = -1; code <= 1; code++) {
        struct deed deed = make(code);
        atomic_store(&deed.let_go, true);
        assert_false(cconc_once_is_done(&deed.once));
        assert_int_equal(cconc_once_run(&deed.once, NULL, act, &deed), code);
        assert_true(cconc_once_is_done(&deed.once));
        assert_int_equal(cconc_once_run(&deed.once, NULL, never, NULL), code);
        assert_int_equal((cconc_once_run)(&deed.once, NULL, never, NULL), code);
        assert_int_equal(cconc_once_run_retry(&deed.once, NULL, never, NULL), code);
        assert_int_equal(atomic_load(&deed.runs), 1);
        cconc_once_destroy(&deed.once);
    }
}

static void once_everybody_returns_after_the_run_with_its_code(void **state)
{
    struct support_threads *first;
    struct support_threads *others;
    (void)state;
    struct deed deed = make(EIO);
    struct caller runner = {.deed = &deed};
    struct caller crowd = {.deed = &deed};
    gather(&runner, &crowd, 16, &first, &others);
    assert_int_equal(atomic_load(&crowd.returned), 0);
    atomic_store(&deed.let_go, true);
    assert_int_equal(support_threads_join(first), 0);
    assert_int_equal(support_threads_join(others), 0);
    assert_int_equal(atomic_load(&crowd.returned), 16);
    assert_int_equal(atomic_load(&crowd.code), EIO);
    assert_int_equal(atomic_load(&deed.runs), 1);
    assert_int_equal(cconc_once_waiters(&deed.once), 0);
    cconc_once_destroy(&deed.once);
}

/* once-2 */
static void once_retry_gives_a_failure_to_those_who_waited_and_tries_again(void **state)
{
    struct support_threads *first;
    struct support_threads *others;
    (void)state;
    struct deed deed = make(EIO);
    struct caller runner = {.deed = &deed, .retries = true};
    struct caller crowd = {.deed = &deed, .retries = true};
    gather(&runner, &crowd, 4, &first, &others);
    atomic_store(&deed.let_go, true);
    assert_int_equal(support_threads_join(first), 0);
    assert_int_equal(support_threads_join(others), 0);
    assert_int_equal(atomic_load(&runner.code), EIO);
    assert_int_equal(atomic_load(&crowd.code), EIO);
    assert_int_equal(atomic_load(&deed.runs), 1);
    assert_false(cconc_once_is_done(&deed.once));
    deed.code = 0;
    assert_int_equal(cconc_once_run_retry(&deed.once, NULL, act, &deed), 0);
    assert_int_equal(cconc_once_run_retry(&deed.once, NULL, never, NULL), 0);
    assert_int_equal(atomic_load(&deed.runs), 2);
    cconc_once_destroy(&deed.once);
}

/* Attempts that all fail, each with its own number as the code. */
struct attempts {
    cconc_once once;
    atomic_int begun;
    atomic_int may_end; /* those up to this one */
    int watched;        /* the one that somebody waits for */
};

static int attempt(cconc_ctx *ctx, void *arg)
{
    struct attempts *a = arg;
    int number = atomic_fetch_add(&a->begun, 1) + 1;
    (void)ctx;
    until(atomic_load(&a->may_end) >= number);
    return number;
}

enum { MORE_ATTEMPTS = 5 };

static void attempt_again_and_again(void *arg, size_t index)
{
    struct attempts *a = arg;
    (void)index;
    for (int i = 0; i <= MORE_ATTEMPTS; i++) {
        SUPPORT_CHECK(cconc_once_run_retry(&a->once, NULL, attempt, a) == a->watched + i);
    }
}

static void wait_for_an_attempt(void *arg, size_t index)
{
    struct attempts *a = arg;
    (void)index;
    SUPPORT_CHECK(cconc_once_run_retry(&a->once, NULL, never, NULL) == a->watched);
}

/* Those who waited for an attempt get its code, though others have come and gone by then. */
static void once_retry_does_not_mix_attempts(void **state)
{
    (void)state;
    struct attempts a = {.once = CCONC_ONCE_INIT};
    for (int i = 0; i < 200; i++) {
        a.watched = atomic_load(&a.begun) + 1;
        struct support_threads *runner = support_threads_start(1, attempt_again_and_again, &a);
        until(atomic_load(&a.begun) == a.watched);
        struct support_threads *crowd = support_threads_start(4, wait_for_an_attempt, &a);
        until(cconc_once_waiters(&a.once) == 4);
        atomic_store(&a.may_end, a.watched + MORE_ATTEMPTS);
        assert_int_equal(support_threads_join(crowd), 0);
        assert_int_equal(support_threads_join(runner), 0);
        assert_int_equal(atomic_load(&a.begun), a.watched + MORE_ATTEMPTS);
    }
    assert_false(cconc_once_is_done(&a.once));
    cconc_once_destroy(&a.once);
}

/* once-3 */
static void once_waiter_leaves_with_its_ctx_and_disturbs_nobody(void **state)
{
    struct support_threads *first;
    struct support_threads *others;
    (void)state;
    struct deed deed = make(0);
    struct caller runner = {.deed = &deed};
    struct caller crowd = {.deed = &deed, .ctx = make_cancel(NULL)};
    cconc_ctx_mem mem;
    gather(&runner, &crowd, 3, &first, &others);
    cconc_ctx_cancel(crowd.ctx);
    assert_int_equal(support_threads_join(others), 0);
    assert_int_equal(atomic_load(&crowd.code), EINPROGRESS);
    int64_t deadline_ns = cconc_clock_after(2 * CCONC_MS);
    cconc_ctx *late = cconc_ctx_until(&mem, NULL, deadline_ns);
    assert_int_equal(cconc_once_run(&deed.once, late, never, NULL), EINPROGRESS);
    assert_true(cconc_clock_now() >= deadline_ns);
    assert_int_equal(cconc_ctx_err(late), ETIMEDOUT);
    assert_int_equal(cconc_once_run(&deed.once, crowd.ctx, never, NULL), EINPROGRESS);
    assert_int_equal(cconc_once_waiters(&deed.once), 0);
    atomic_store(&deed.let_go, true);
    assert_int_equal(support_threads_join(first), 0);
    assert_int_equal(atomic_load(&runner.code), 0);
    cconc_ctx_free(crowd.ctx);
    cconc_once_destroy(&deed.once);
}

static void once_done_ctx_starts_no_run_but_gets_a_finished_result(void **state)
{
    (void)state;
    struct deed deed = make(7);
    cconc_ctx *done = make_cancel(NULL);
    cconc_ctx *late = make_timeout(NULL, 0);
    cconc_ctx_cancel(done);
    atomic_store(&deed.let_go, true);
    assert_int_equal(cconc_once_run(&deed.once, done, never, NULL), ECANCELED);
    assert_int_equal(cconc_once_run(&deed.once, late, never, NULL), ETIMEDOUT);
    assert_int_equal(cconc_once_run_retry(&deed.once, done, never, NULL), ECANCELED);
    assert_int_equal(cconc_once_run(&deed.once, NULL, act, &deed), 7);
    assert_int_equal(cconc_once_run(&deed.once, done, never, NULL), 7);
    assert_int_equal((cconc_once_run)(&deed.once, late, never, NULL), 7);
    cconc_ctx_free(late);
    cconc_ctx_free(done);
    cconc_once_destroy(&deed.once);
}

static void once_function_of_run_gets_the_values_without_the_cancellation(void **state)
{
    struct support_threads *first;
    (void)state;
    struct deed deed = make(0);
    cconc_ctx *parent = make_cancel(NULL);
    struct caller runner = {.deed = &deed, .ctx = parent};
    first = support_threads_start(1, call_thread, &runner);
    until(atomic_load(&deed.inside) == 1);
    cconc_ctx_cancel(parent);
    atomic_store(&deed.let_go, true);
    assert_int_equal(support_threads_join(first), 0);
    assert_int_equal(deed.seen_err, 0);
    assert_int_equal(atomic_load(&runner.code), 0);
    assert_ptr_not_equal(deed.seen, parent);
    cconc_ctx_free(parent);
    cconc_once_destroy(&deed.once);
}

static int look_up(cconc_ctx *ctx, void *arg)
{
    cconc_ctx *child = NULL;
    SUPPORT_CHECK(cconc_ctx_with_cancel(ctx, &child) == 0); /* it is a full context */
    SUPPORT_CHECK(cconc_ctx_value(child, &ctx_mark) == arg);
    SUPPORT_CHECK(cconc_ctx_deadline(ctx) == CCONC_NEVER);
    cconc_ctx_free(child);
    return 0;
}

static void once_function_finds_the_values_through_a_ctx_on_the_stack(void **state)
{
    (void)state;
    cconc_once once;
    cconc_ctx_mem mem;
    int value = 0;
    cconc_ctx *cancel = make_cancel(NULL);
    cconc_ctx *values = make_value(cancel, &ctx_mark, &value);
    memset(&once, 0xee, sizeof(once));
    cconc_once_init(&once);
    cconc_ctx *ctx = cconc_ctx_until(&mem, values, cconc_clock_after(FAR_NS));
    assert_int_equal(cconc_once_run(&once, ctx, look_up, &value), 0);
    cconc_ctx_free(values);
    cconc_ctx_free(cancel);
    cconc_once_destroy(&once);
}

static void once_function_of_retry_gets_the_ctx_itself(void **state)
{
    (void)state;
    struct deed deed = make(0);
    cconc_ctx *ctx = make_cancel(NULL);
    atomic_store(&deed.let_go, true);
    assert_int_equal(cconc_once_run_retry(&deed.once, ctx, act, &deed), 0);
    assert_ptr_equal(deed.seen, ctx);
    cconc_ctx_free(ctx);
    cconc_once_destroy(&deed.once);
}

/* once-4 */
static void once_function_that_ends_its_thread_is_a_run_with_ECANCELED(void **state)
{
    struct support_threads *first;
    struct support_threads *others;
    (void)state;
    for (int retries = 0; retries < 2; retries++) {
        struct deed deed = make(0);
        struct caller runner = {.deed = &deed, .retries = retries};
        struct caller crowd = {.deed = &deed, .retries = retries};
        deed.ends_thread = true;
        gather(&runner, &crowd, 3, &first, &others);
        atomic_store(&deed.let_go, true);
        (void)support_threads_join(first);
        assert_int_equal(support_threads_join(others), 0);
        assert_int_equal(atomic_load(&runner.returned), 0);
        assert_int_equal(atomic_load(&crowd.code), ECANCELED);
        assert_int_equal(cconc_once_is_done(&deed.once), !retries);
        deed.ends_thread = false;
        assert_int_equal(cconc_once_run(&deed.once, NULL, act, &deed), retries ? 0 : ECANCELED);
        cconc_once_destroy(&deed.once);
    }
}

static void once_function_that_is_cancelled_is_a_run_with_ECANCELED(void **state)
{
    struct support_threads *first;
    struct support_threads *others;
    (void)state;
    struct deed deed = make(0);
    struct caller runner = {.deed = &deed, .ctx = make_cancel(NULL)};
    struct caller crowd = {.deed = &deed};
    gather(&runner, &crowd, 1, &first, &others);
    support_threads_cancel(first, 0);
    deed.ends_thread = true;
    atomic_store(&deed.let_go, true);
    assert_int_equal(support_threads_join(first), 1);
    assert_int_equal(support_threads_join(others), 0);
    assert_int_equal(atomic_load(&crowd.code), ECANCELED);
    assert_int_equal(cconc_once_run(&deed.once, NULL, never, NULL), ECANCELED);
    cconc_ctx_free(runner.ctx);
    cconc_once_destroy(&deed.once);
}

static void once_wait_is_no_cancellation_point(void **state)
{
    struct support_threads *first;
    struct support_threads *others;
    (void)state;
    struct deed deed = make(0);
    struct caller runner = {.deed = &deed};
    struct caller waiter = {.deed = &deed};
    gather(&runner, &waiter, 1, &first, &others);
    support_threads_cancel(others, 0);
    atomic_store(&deed.let_go, true);
    assert_int_equal(support_threads_join(first), 0);
    (void)support_threads_join(others);
    assert_int_equal(atomic_load(&waiter.returned), 1);
    cconc_once_destroy(&deed.once);
}

/* once-5 */
static int run_itself(cconc_ctx *ctx, void *arg)
{
    cconc_once *once = arg;
    SUPPORT_CHECK(cconc_once_run(once, ctx, never, NULL) == EDEADLK);
    SUPPORT_CHECK(cconc_once_run_retry(once, NULL, never, NULL) == EDEADLK);
    return 3;
}

static void once_function_that_runs_its_own_once_gets_EDEADLK(void **state)
{
    (void)state;
    cconc_once once = CCONC_ONCE_INIT;
    assert_int_equal(cconc_once_run(&once, NULL, run_itself, &once), 3);
    assert_int_equal(cconc_once_run(&once, NULL, never, NULL), 3);
    cconc_once_destroy(&once);
}

static int run_another(cconc_ctx *ctx, void *arg)
{
    return cconc_once_run(arg, ctx, look_up, NULL);
}

static void once_function_may_run_another_once(void **state)
{
    (void)state;
    cconc_once outer = CCONC_ONCE_INIT;
    cconc_once inner = CCONC_ONCE_INIT;
    assert_int_equal(cconc_once_run(&outer, NULL, run_another, &inner), 0);
    assert_true(cconc_once_is_done(&inner));
    cconc_once_destroy(&inner);
    cconc_once_destroy(&outer);
}

static int destroyed;

static void destroy(void *value)
{
    assert_ptr_equal(value, &destroyed);
    destroyed++;
}

static int make_value_of(cconc_ctx *ctx, void *arg, void **out_value)
{
    (void)ctx;
    *out_value = &destroyed;
    return *(int *)arg;
}

static int never_a_value(cconc_ctx *ctx, void *arg, void **out_value)
{
    (void)out_value;
    return never(ctx, arg);
}

static void once_value_is_kept_until_reset(void **state)
{
    void *value = NULL;
    int code = EIO;
    (void)state;
    cconc_once once = CCONC_ONCE_INIT;
    destroyed = 0;
    assert_int_equal(cconc_once_value_retry(&once, NULL, make_value_of, &code, &value), EIO);
    assert_null(value);
    code = 0;
    assert_int_equal(cconc_once_value_retry(&once, NULL, make_value_of, &code, NULL), 0);
    assert_int_equal(cconc_once_value(&once, NULL, never_a_value, NULL, &value), 0);
    assert_ptr_equal(value, &destroyed);
    cconc_once_reset(&once, destroy);
    assert_int_equal(destroyed, 1);
    assert_false(cconc_once_is_done(&once));
    code = EIO;
    value = NULL;
    assert_int_equal(cconc_once_value(&once, NULL, make_value_of, &code, &value), EIO);
    assert_int_equal(cconc_once_value(&once, NULL, never_a_value, NULL, &value), EIO);
    assert_null(value);
    cconc_once_reset(&once, destroy);
    assert_int_equal(destroyed, 1);
    cconc_once_destroy(&once);
}

/* What a child does with the onces of its parent, one that has run and one whose run failed.
 * Returns its exit status. */
static int go_on(void *arg)
{
    struct deed **deeds = arg;
    cconc_once *kept = &deeds[0]->once;
    struct deed *failed = deeds[1];
    bool good = cconc_once_is_done(kept);
    good = good && cconc_once_run(kept, NULL, never, NULL) == EIO;
    good = good && (cconc_once_run)(kept, NULL, never, NULL) == EIO;
    good = good && cconc_once_run_retry(&failed->once, NULL, act, failed) == 0;
    return good && cconc_once_is_done(&failed->once) ? 0 : 1;
}

/* proc-1 */
static void once_that_is_finished_stays_so_in_a_forked_child(void **state)
{
    (void)state;
    struct deed kept = make(EIO);
    struct deed failed = make(EAGAIN);
    struct deed *deeds[] = {&kept, &failed};
    atomic_store(&kept.let_go, true);
    atomic_store(&failed.let_go, true);
    assert_int_equal(cconc_once_run(&kept.once, NULL, act, &kept), EIO);
    assert_int_equal(cconc_once_run_retry(&failed.once, NULL, act, &failed), EAGAIN);
    failed.code = 0;
    int status = support_run_forked(go_on, deeds);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_false(cconc_once_is_done(&failed.once)); /* the child's is its own */
    cconc_once_destroy(&failed.once);
    cconc_once_destroy(&kept.once);
}

static void once_refuses_what_is_no_function(void **state)
{
    (void)state;
    cconc_once once = CCONC_ONCE_INIT;
    void *value = NULL;
    assert_int_equal(cconc_once_run(&once, NULL, NULL, NULL), EINVAL);
    assert_int_equal(cconc_once_run_retry(&once, NULL, NULL, NULL), EINVAL);
    assert_int_equal(cconc_once_value(&once, NULL, NULL, NULL, &value), EINVAL);
    assert_int_equal(cconc_once_value_retry(&once, NULL, NULL, NULL, &value), EINVAL);
    assert_false(cconc_once_is_done(&once));
    cconc_once_destroy(&once);
}

static int misuse_it(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    expect_misuse("once reset during its run, with 0 waiters", cconc_once_reset(arg, NULL));
    expect_misuse("once destroy during its run, with 0 waiters", cconc_once_destroy(arg));
    return 0;
}

static void once_reset_and_destroy_during_a_run_are_misuse(void **state)
{
    (void)state;
    cconc_once once = CCONC_ONCE_INIT;
    assert_int_equal(cconc_once_run(&once, NULL, misuse_it, &once), 0);
    cconc_once_destroy(&once);
}

static int succeed(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return 0;
}

static void run_once(void *arg)
{
    cconc_once once = CCONC_ONCE_INIT;
    cconc_ctx *ctx = NULL;
    (void)arg;
    if (cconc_ctx_with_cancel(NULL, &ctx) == 0) {
        int err = cconc_once_run(&once, ctx, succeed, NULL);
        SUPPORT_CHECK(err == 0 || err == ENOMEM);
        SUPPORT_CHECK(cconc_once_is_done(&once) == (err == 0));
    }
    cconc_ctx_free(ctx);
    cconc_once_destroy(&once);
}

static void once_without_memory_runs_nothing(void **state)
{
    (void)state;
    assert_true(support_sweep_alloc(run_once, NULL) > 0);
    support_fail_alloc(1, true); /* a context without an end needs none */
    cconc_once once = CCONC_ONCE_INIT;
    assert_int_equal(cconc_once_run(&once, NULL, succeed, NULL), 0);
    assert_int_equal(cconc_once_run_retry(&once, NULL, never, NULL), 0);
    assert_int_equal(support_fail_end(), 0);
    cconc_once_destroy(&once);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(once_runs_the_first_function_and_keeps_its_code),
        UNIT_TEST(once_everybody_returns_after_the_run_with_its_code),
        UNIT_TEST(once_retry_gives_a_failure_to_those_who_waited_and_tries_again),
        UNIT_TEST(once_retry_does_not_mix_attempts),
        UNIT_TEST(once_waiter_leaves_with_its_ctx_and_disturbs_nobody),
        UNIT_TEST(once_done_ctx_starts_no_run_but_gets_a_finished_result),
        UNIT_TEST(once_function_of_run_gets_the_values_without_the_cancellation),
        UNIT_TEST(once_function_finds_the_values_through_a_ctx_on_the_stack),
        UNIT_TEST(once_function_of_retry_gets_the_ctx_itself),
        UNIT_TEST(once_function_that_ends_its_thread_is_a_run_with_ECANCELED),
        UNIT_TEST(once_function_that_is_cancelled_is_a_run_with_ECANCELED),
        UNIT_TEST(once_wait_is_no_cancellation_point),
        UNIT_TEST(once_function_that_runs_its_own_once_gets_EDEADLK),
        UNIT_TEST(once_function_may_run_another_once),
        UNIT_TEST(once_value_is_kept_until_reset),
        UNIT_TEST(once_that_is_finished_stays_so_in_a_forked_child),
        UNIT_TEST(once_refuses_what_is_no_function),
        UNIT_TEST(once_reset_and_destroy_during_a_run_are_misuse),
        UNIT_TEST(once_without_memory_runs_nothing),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
