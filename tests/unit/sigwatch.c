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

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
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

/* A hook that asks which thread it is called on, and what that may do. */
struct asker {
    node_hook  hook; /* first: both calls get it back */
    int        shutdown;
    atomic_int is_me;
};

static void asker_ended_locked(node_hook *hook)
{
    (void)hook;
}

static void asker_ended(node_hook *hook)
{
    struct asker *asker = (struct asker *)(void *)hook;
    asker->shutdown = cconc_shutdown(NULL);
    atomic_store(&asker->is_me, cconc__sigwatch_is_me() ? 1 : 0);
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
    assert_int_equal(asker.shutdown, EDEADLK);
    assert_false(cconc__node_unwatch(ctx, &asker.hook.node));
    cconc_ctx_free(ctx);
}

static int child_two_second_signals(void)
{
    int user[] = {SIGUSR1};
    int hangup[] = {SIGHUP};
    uint32_t flags = CCONC_CTX_SECOND_SIGNAL_EXITS;
    cconc_ctx *one;
    cconc_ctx *other;
    SUPPORT_CHECK(cconc_ctx_with_signals(NULL, user, 1, flags, &one) == 0);
    SUPPORT_CHECK(cconc_ctx_with_signals(NULL, hangup, 1, flags, &other) == 0);
    SUPPORT_CHECK(kill(getpid(), SIGUSR1) == 0);
    SUPPORT_CHECK(cconc_ctx_wait(one, NULL) == 0);
    SUPPORT_CHECK(kill(getpid(), SIGHUP) == 0); /* the first for the other */
    SUPPORT_CHECK(cconc_ctx_wait(other, NULL) == 0);
    cconc_ctx_free(one);
    cconc_ctx_free(other);
    SUPPORT_CHECK(cconc_ctx_with_signals(NULL, user, 1, flags, &one) == 0);
    SUPPORT_CHECK(kill(getpid(), SIGUSR1) == 0); /* the first again */
    SUPPORT_CHECK(cconc_ctx_wait(one, NULL) == 0);
    SUPPORT_CHECK(kill(getpid(), SIGUSR1) == 0);
    until(false);
    return 0;
}

static void sigwatch_counts_second_signals_for_each_context(void **state)
{
    int status = support_run_child("two_second_signals", NULL, 0);
    (void)state;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 128 + SIGUSR1);
}

static int handled_by_program;

static void program_handler(int number)
{
    handled_by_program = number;
}

/* The program blocks the signal, so only a library thread could run its handler. */
static void sigwatch_never_runs_the_programs_handler_on_the_librarys_thread(void **state)
{
    struct sigaction ours = {.sa_handler = program_handler};
    struct sigaction before;
    sigset_t set;
    sigset_t mask;
    (void)state;
    assert_int_equal(sigaction(SIGUSR2, &ours, &before), 0);
    assert_int_equal(sigemptyset(&set) | sigaddset(&set, SIGUSR2), 0);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, &mask), 0);
    cconc_ctx *stays = listen_to(SIGHUP, SIGHUP); /* keeps the service */
    cconc_ctx *goes = listen_to(SIGUSR2, SIGUSR2);
    assert_int_equal(kill(getpid(), SIGUSR2), 0);
    assert_int_equal(cconc_ctx_wait(goes, NULL), 0);
    cconc_ctx_free(goes);
    assert_int_equal(kill(getpid(), SIGUSR2), 0);
    assert_int_equal(kill(getpid(), SIGHUP), 0);
    assert_int_equal(cconc_ctx_wait(stays, NULL), 0); /* the service has had its turn */
    assert_int_equal(handled_by_program, 0);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &mask, NULL), 0);
    assert_int_equal(handled_by_program, SIGUSR2);
    assert_int_equal(sigaction(SIGUSR2, &before, NULL), 0);
    cconc_ctx_free(stays);
}

static void sigwatch_child_of_a_parent_past_its_deadline_is_born_done(void **state)
{
    cconc_ctx *parent = make_timeout(NULL, 3600 * CCONC_SECOND);
    cconc_ctx *child = NULL;
    (void)state;
    parent->head.deadline_ns = cconc_clock_now() - 1; /* nobody has seen it pass */
    assert_int_equal(cconc_ctx_with_signals(parent, NULL, 0, 0, &child), 0);
    assert_int_equal(cconc_ctx_err(child), ETIMEDOUT);
    assert_false(cconc__sigwatch_is_busy());
    cconc_ctx_free(child);
    cconc_ctx_free(parent);
}

/* ---- faults --------------------------------------------------------------------------------- */

static void sigwatch_that_cannot_hook_one_signal_hooks_none(void **state)
{
    sig_watch watch = {.exit.numbers = UINT64_C(1) << (SIGUSR1 - 1)};
    (void)state;
    watch.exit.numbers |= UINT64_C(1) << (SIGSTOP - 1);
    assert_int_equal(cconc__sigwatch_add(&watch), EINVAL);
    assert_false(watch.added);
    assert_false(cconc__sigwatch_is_busy());
    assert_true(action_of(SIGUSR1).sa_handler == SIG_DFL);
    cconc__sigwatch_remove(&watch); /* it was never added */
    assert_int_equal(cconc__sigwatch_stop(), 0);
}

static void sigwatch_without_a_thread_is_enomem(void **state)
{
    sig_watch watch = {.exit.numbers = UINT64_C(1) << (SIGUSR1 - 1)};
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
    sig_watch watch = {.exit.numbers = UINT64_C(1) << (SIGUSR1 - 1)};
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

static void listen_once(void *arg, size_t index)
{
    const int *rounds = arg;
    (void)index;
    for (int i = 0; i < *rounds; i++) {
        cconc_ctx *ctx = listen_to(SIGHUP, SIGHUP);
        SUPPORT_CHECK(kill(getpid(), SIGHUP) == 0);
        SUPPORT_CHECK(cconc_ctx_wait(ctx, NULL) == 0);
        cconc_ctx_free(ctx);
    }
}

static void stop_all_the_time(void *arg, size_t index)
{
    atomic_bool *over = arg;
    (void)index;
    while (!atomic_load(over)) {
        int err = cconc__sigwatch_stop();
        SUPPORT_CHECK(err == 0 || err == EBUSY);
    }
}

/*  stop()                      add()
 *  joins the thread
 *                              starts a new one, on the old descriptor
 *  closes the descriptor       waits for ever: nothing wakes the new thread
 */
static void sigwatch_that_is_stopped_and_started_at_once_still_hears(void **state)
{
    int rounds = support_is_sanitized() ? 200 : 1000;
    atomic_bool over = false;
    struct support_threads *listening;
    struct support_threads *stopping;
    (void)state;
    block(SIGHUP); /* none is there to hear it between two watches */
    listening = support_threads_start(1, listen_once, &rounds);
    stopping = support_threads_start(1, stop_all_the_time, &over);
    support_threads_join(listening);
    atomic_store(&over, true);
    support_threads_join(stopping);
    assert_int_equal(cconc__sigwatch_stop(), 0);
}

static void sigwatch_that_cannot_hook_one_signal_leaves_what_others_hooked(void **state)
{
    sig_watch other = {.exit.numbers = UINT64_C(1) << (SIGUSR1 - 1)};
    sig_watch watch = {.exit.numbers = UINT64_C(1) << (SIGSTOP - 1) | other.exit.numbers};
    (void)state;
    assert_int_equal(cconc__sigwatch_add(&other), 0);
    assert_int_equal(cconc__sigwatch_add(&watch), EINVAL);
    assert_true(action_of(SIGUSR1).sa_handler != SIG_DFL);
    cconc__sigwatch_remove(&other);
    assert_true(action_of(SIGUSR1).sa_handler == SIG_DFL);
    assert_int_equal(cconc__sigwatch_stop(), 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(sigwatch_ends_the_contexts_that_watch_the_signal_and_no_other),
        UNIT_TEST(sigwatch_restores_the_disposition_with_the_last_watch),
        UNIT_TEST(sigwatch_stops_only_when_nothing_is_watched_and_starts_again),
        UNIT_TEST(sigwatch_knows_its_own_thread),
        UNIT_TEST(sigwatch_counts_second_signals_for_each_context),
        UNIT_TEST(sigwatch_never_runs_the_programs_handler_on_the_librarys_thread),
        UNIT_TEST(sigwatch_child_of_a_parent_past_its_deadline_is_born_done),
        UNIT_TEST(sigwatch_that_cannot_hook_one_signal_hooks_none),
        UNIT_TEST(sigwatch_without_a_thread_is_enomem),
        UNIT_TEST(sigwatch_without_a_descriptor_is_emfile),
        UNIT_TEST(sigwatch_that_is_stopped_and_started_at_once_still_hears),
        UNIT_TEST(sigwatch_watches_come_and_go_while_signals_arrive),
        UNIT_TEST(sigwatch_that_cannot_hook_one_signal_leaves_what_others_hooked),
    };
    static const struct support_child children[] = {
        {"no_descriptor", child_no_descriptor},
        {"two_second_signals", child_two_second_signals},
        {NULL, NULL},
    };
    support_start(argc, argv, children);
    support_signals_as_usual();
    return UNIT_RUN(tests);
}
