/* sigwatch.c - unit tests of the signal service: which contexts hear which signal
 * SPDX-License-Identifier: MIT
 *
 * Risk      A signal told to the wrong context, a disposition that stays after the last watch, a
 *           watch half added, a service that does not stop or stops what still listens.
 * Method    The process signals itself while all its threads block the signal, so that only the
 *           service can take it; threads and descriptors are made to fail.
 * Catches   I4 I6 I21, X1; invariants I1 I2 of core/sigwatch.c.
 */
#include "ctx_help.h"

#include "core/sigwatch.h"
#include "core/waitq.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

/* A context that signals end, made as with_signals makes one. */
static cconc_ctx *listen_to(int first, int second)
{
    int signals[] = {first, second};
    cconc_ctx *ctx = CTX_MARK;
    SUPPORT_CHECK(cconc_ctx_with_signals(NULL, signals, 2, 0, &ctx) == 0);
    return ctx;
}

/* What the process does with number, found without changing it. */
static struct sigaction action_of(int number)
{
    struct sigaction action;
    SUPPORT_CHECK(sigaction(number, NULL, &action) == 0);
    return action;
}

/* Block number in this thread, the only one of the test's. */
static void block(int number)
{
    sigset_t set;
    SUPPORT_CHECK(sigemptyset(&set) == 0 && sigaddset(&set, number) == 0);
    SUPPORT_CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
}

/* ---- smoke ---------------------------------------------------------------------------------- */

static void sigwatch_ends_the_contexts_that_watch_the_signal_and_no_other(void **state)
{
    const char *message = NULL;
    (void)state;
    cconc_ctx *one = listen_to(SIGUSR1, SIGUSR1);
    cconc_ctx *both = listen_to(SIGUSR1, SIGHUP);
    cconc_ctx *other = listen_to(SIGHUP, SIGHUP);
    block(SIGUSR1);
    block(SIGHUP);
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    assert_int_equal(cconc_ctx_wait(one, NULL), 0);
    assert_int_equal(cconc_ctx_wait(both, NULL), 0);
    assert_int_equal(cconc_ctx_signal(one), SIGUSR1);
    assert_int_equal(cconc_ctx_signal(both), SIGUSR1);
    assert_int_equal(cconc_ctx_cause(both, &message), ECANCELED);
    assert_string_equal(message, "user 1 signal received");
    assert_int_equal(cconc_ctx_err(other), 0);
    assert_int_equal(kill(getpid(), SIGHUP), 0);
    assert_int_equal(cconc_ctx_wait(other, NULL), 0);
    assert_int_equal(cconc_ctx_signal(other), SIGHUP);
    assert_int_equal(cconc_ctx_signal(both), SIGUSR1); /* the first one counts */
    cconc_ctx_free(one);
    cconc_ctx_free(both);
    cconc_ctx_free(other);
}

static void sigwatch_restores_the_disposition_with_the_last_watch(void **state)
{
    (void)state;
    assert_true(action_of(SIGUSR1).sa_handler == SIG_DFL);
    cconc_ctx *first = listen_to(SIGUSR1, SIGUSR1);
    cconc_ctx *second = listen_to(SIGUSR1, SIGHUP);
    assert_false(action_of(SIGUSR1).sa_handler == SIG_DFL);
    cconc_ctx_free(first);
    assert_false(action_of(SIGUSR1).sa_handler == SIG_DFL);
    assert_true(cconc__sigwatch_is_busy());
    cconc_ctx_cancel(second);
    assert_true(action_of(SIGUSR1).sa_handler == SIG_DFL);
    assert_true(action_of(SIGHUP).sa_handler == SIG_DFL);
    assert_false(cconc__sigwatch_is_busy());
    cconc_ctx_cancel(second); /* to remove twice does no harm */
    cconc_ctx_free(second);
}

static void sigwatch_stops_only_when_nothing_is_watched_and_starts_again(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        cconc_ctx *ctx = listen_to(SIGUSR1, SIGUSR1);
        assert_int_equal(cconc__sigwatch_stop(), EBUSY);
        block(SIGUSR1);
        assert_int_equal(kill(getpid(), SIGUSR1), 0);
        assert_int_equal(cconc_ctx_wait(ctx, NULL), 0);
        cconc_ctx_free(ctx);
        assert_int_equal(cconc__sigwatch_stop(), 0);
        assert_int_equal(cconc__sigwatch_stop(), 0); /* there is none any more */
    }
}

/* A hook that asks which thread it is called on. */
struct asker {
    node_hook  hook; /* first: both calls get it back */
    atomic_int is_me;
};

static void asker_ended_locked(node_hook *hook)
{
    (void)hook;
}

static void asker_ended(node_hook *hook)
{
    atomic_store(&((struct asker *)(void *)hook)->is_me, cconc__sigwatch_is_me() ? 1 : 0);
}

static void sigwatch_knows_its_own_thread(void **state)
{
    struct asker asker = {.is_me = -1};
    cconc_ctx *ctx = listen_to(SIGUSR1, SIGUSR1);
    (void)state;
    asker.hook.ended_locked = asker_ended_locked;
    asker.hook.ended = asker_ended;
    assert_false(cconc__sigwatch_is_me());
    assert_true(cconc__node_watch(ctx, &asker.hook.node));
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    until(atomic_load(&asker.is_me) >= 0);
    assert_int_equal(atomic_load(&asker.is_me), 1);
    assert_false(cconc__node_unwatch(ctx, &asker.hook.node));
    cconc_ctx_free(ctx);
}

/* ---- faults --------------------------------------------------------------------------------- */

static void sigwatch_that_cannot_hook_one_signal_hooks_none(void **state)
{
    sig_watch watch = {.numbers = (UINT64_C(1) << (SIGUSR1 - 1)) | (UINT64_C(1) << (SIGSTOP - 1))};
    (void)state;
    assert_int_equal(cconc__sigwatch_add(&watch), EINVAL);
    assert_false(watch.added);
    assert_false(cconc__sigwatch_is_busy());
    assert_true(action_of(SIGUSR1).sa_handler == SIG_DFL);
    cconc__sigwatch_remove(&watch); /* it was never added */
    assert_int_equal(cconc__sigwatch_stop(), 0);
}

static void sigwatch_without_a_thread_is_enomem(void **state)
{
    sig_watch watch = {.numbers = UINT64_C(1) << (SIGUSR1 - 1)};
    (void)state;
    assert_int_equal(cconc__sigwatch_stop(), 0);
    support_fail_thread(1, false);
    assert_int_equal(cconc__sigwatch_add(&watch), ENOMEM);
    assert_int_equal(support_fail_end(), 1);
    assert_true(action_of(SIGUSR1).sa_handler == SIG_DFL);
    assert_false(cconc__sigwatch_is_busy());
    cconc_ctx_free(listen_to(SIGUSR1, SIGUSR1)); /* it can be had later */
    assert_int_equal(cconc__sigwatch_stop(), 0);
}

static int child_no_descriptor(void)
{
    struct rlimit limit;
    struct rlimit none;
    sig_watch watch = {.numbers = UINT64_C(1) << (SIGUSR1 - 1)};
    SUPPORT_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    none = limit;
    none.rlim_cur = 0;
    SUPPORT_CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    SUPPORT_CHECK(cconc__sigwatch_add(&watch) == EMFILE);
    SUPPORT_CHECK(!watch.added && !cconc__sigwatch_is_busy());
    SUPPORT_CHECK(support_thread_count() == 0);
    SUPPORT_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    cconc_ctx *ctx = listen_to(SIGUSR1, SIGUSR1);
    SUPPORT_CHECK(kill(getpid(), SIGUSR1) == 0);
    SUPPORT_CHECK(cconc_ctx_wait(ctx, NULL) == 0);
    cconc_ctx_free(ctx);
    return 0;
}

static void sigwatch_without_a_descriptor_is_emfile(void **state)
{
    (void)state;
    assert_int_equal(support_run_child("no_descriptor", NULL, 0), 0);
}

/* ---- races ---------------------------------------------------------------------------------- */

static void listen_and_leave(void *arg, size_t index)
{
    const int *rounds = arg;
    for (int i = 0; i < *rounds; i++) {
        cconc_ctx *ctx = listen_to(SIGUSR1, index % 2 == 0 ? SIGHUP : SIGUSR1);
        if (i % 8 == 0) {
            SUPPORT_CHECK(kill(getpid(), SIGUSR1) == 0);
            SUPPORT_CHECK(cconc_ctx_wait(ctx, NULL) == 0);
        }
        cconc_ctx_free(ctx);
    }
}

/* One watch stays, so that a signal always meets one. */
static void sigwatch_watches_come_and_go_while_signals_arrive(void **state)
{
    int rounds = support_is_sanitized() ? 100 : 400;
    cconc_ctx *stays = listen_to(SIGUSR1, SIGHUP);
    (void)state;
    support_threads_join(support_threads_start(3, listen_and_leave, &rounds));
    assert_false(action_of(SIGUSR1).sa_handler == SIG_DFL);
    assert_int_equal(cconc_ctx_wait(stays, NULL), 0);
    cconc_ctx_free(stays);
    assert_true(action_of(SIGUSR1).sa_handler == SIG_DFL);
    assert_true(action_of(SIGHUP).sa_handler == SIG_DFL);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(sigwatch_ends_the_contexts_that_watch_the_signal_and_no_other),
        UNIT_TEST(sigwatch_restores_the_disposition_with_the_last_watch),
        UNIT_TEST(sigwatch_stops_only_when_nothing_is_watched_and_starts_again),
        UNIT_TEST(sigwatch_knows_its_own_thread),
        UNIT_TEST(sigwatch_that_cannot_hook_one_signal_hooks_none),
        UNIT_TEST(sigwatch_without_a_thread_is_enomem),
        UNIT_TEST(sigwatch_without_a_descriptor_is_emfile),
        UNIT_TEST(sigwatch_watches_come_and_go_while_signals_arrive),
    };
    static const struct support_child children[] = {{"no_descriptor", child_no_descriptor},
                                                    {NULL, NULL}};
    support_start(argc, argv, children);
    return UNIT_RUN(tests);
}
