/* os_signal.c - the behaviours of Go's package os/signal: NotifyContext, Notify
 * SPDX-License-Identifier: MIT
 *
 * Risk      A program carried over from Go that behaves differently without being told.
 * Method    One case a behaviour that Go documents, or that its users rely on. The process signals
 *           itself. A context stands for the channel of Notify: it takes one signal. The deliberate
 *           differences are cases too, and say so. What comes after: os_signal_stop.c.
 * Catches   ported programs that change their meaning; rules sig-1 and sig-3.
 */
#include "signal_help.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

/* ---- NotifyContext -------------------------------------------------------------------------- */

static void notify_context_is_done_when_a_listed_signal_arrives(void **state)
{
    static const int list[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        cconc_ctx *ctx = notify_context(cconc_ctx_background(), list, 4);
        assert_live(ctx);
        assert_int_equal(cconc_ctx_signal(ctx), 0);
        send_signal(list[i]);
        assert_signalled(ctx, list[i]);
        assert_int_equal(done_code(ctx), ECANCELED);
        cconc_ctx_free(ctx);
    }
}

static void notify_context_names_the_signal_in_its_cause(void **state)
{
    static const struct {
        int number;
        const char *text;
    } causes[] = {
        {SIGINT, "interrupt signal received"},
        {SIGTERM, "terminated signal received"},
        {SIGHUP, "hangup signal received"},
        {SIGQUIT, "quit signal received"},
    };
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        cconc_ctx *ctx = notify_one(causes[i].number);
        cconc_ctx *child = with_cancel(ctx);
        send_signal(causes[i].number);
        assert_signalled(ctx, causes[i].number);
        assert_ended(ctx, ECANCELED, ECANCELED, causes[i].text);
        assert_ended(child, ECANCELED, ECANCELED, causes[i].text);
        cconc_ctx_free(child);
        cconc_ctx_free(ctx);
    }
}

/* One that has no name is told by its number, as in Go. */
static void notify_context_tells_signals_apart_in_its_cause(void **state)
{
    const int numbers[] = {SIGABRT, SIGTTIN, SIGURG, SIGRTMIN, SIGRTMIN + 1};
    char texts[5][64] = {""};
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        const char *message = NULL;
        cconc_ctx *ctx = notify_one(numbers[i]);
        send_signal(numbers[i]);
        assert_signalled(ctx, numbers[i]);
        (void)cconc_ctx_cause(ctx, &message);
        assert_non_null(strstr(message, " received"));
        strncpy(texts[i], message, sizeof(texts[i]) - 1);
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(texts[i], texts[k]);
        }
        cconc_ctx_free(ctx);
    }
}

static void notify_context_has_the_deadline_and_the_values_of_its_parent(void **state)
{
    cconc_ctx *parent = with_timeout(NULL, FAR_NS);
    cconc_ctx *value = with_value(parent, context_mark(), context_mark());
    cconc_ctx *ctx = notify_context(value, LIST_OF(SIGUSR1), 1);
    (void)state;
    assert_int_equal(cconc_ctx_deadline(ctx), cconc_ctx_deadline(parent));
    assert_ptr_equal(cconc_ctx_value(ctx, context_mark()), context_mark());
    send_signal(SIGUSR1);
    assert_signalled(ctx, SIGUSR1);
    assert_ptr_equal(cconc_ctx_value(ctx, context_mark()), context_mark());
    assert_live(value); /* and it ends none of what is above */
    cconc_ctx *all[] = {ctx, value, parent};
    free_all(all, 3);
}

static void notify_context_is_done_when_stopped_or_with_its_parent_and_has_no_signal(void **state)
{
    cconc_ctx *parent = with_cancel(NULL);
    cconc_ctx *soon = with_timeout(NULL, CCONC_MS);
    cconc_ctx *all[] = {notify_one(SIGUSR1), notify_context(parent, LIST_OF(SIGUSR1), 1),
                        notify_context(soon, LIST_OF(SIGUSR1), 1)};
    (void)state;
    cconc_ctx_cancel(all[0]);
    cconc_ctx_cancel_cause(parent, EPERM, "parent");
    assert_cancelled(all[0]);
    assert_ended(all[1], ECANCELED, EPERM, "parent");
    assert_int_equal(cconc_ctx_wait(all[2], NULL), 0);
    assert_expired(all[2]);
    send_signal(SIGUSR1); /* comes second: swallowed, for two of them were not stopped */
    cconc_ctx *witness = notify_one(SIGUSR1);
    send_signal(SIGUSR1);
    assert_signalled(witness, SIGUSR1);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(cconc_ctx_signal(all[i]), 0);
    }
    free_all(all, 3);
    cconc_ctx *others[] = {witness, soon, parent};
    free_all(others, 3);
}

static void notify_context_of_a_done_parent_is_born_done_and_installs_nothing(void **state)
{
    cconc_ctx *parent = with_cancel(NULL);
    (void)state;
    cconc_ctx_cancel_cause(parent, EPERM, "before");
    cconc_ctx *ctx = notify_context(parent, LIST_OF(SIGUSR1), 1);
    assert_ended(ctx, ECANCELED, EPERM, "before");
    assert_int_equal(cconc_ctx_signal(ctx), 0);
    assert_true(disposition(SIGUSR1).sa_handler == SIG_DFL);
    cconc_ctx_cancel(ctx); /* stop has nothing to undo */
    cconc_ctx_free(ctx);
    cconc_ctx_free(parent);
}

static void first_signal_counts_and_more_are_swallowed_until_stop(void **state)
{
    cconc_ctx *ctx = notify_context(NULL, LIST_OF(SIGTERM, SIGINT), 2);
    (void)state;
    send_signal(SIGTERM);
    assert_signalled(ctx, SIGTERM);
    for (int i = 0; i < 10; i++) {
        cconc_ctx *witness = notify_one(SIGINT);
        send_signal(SIGTERM); /* each would end the process */
        send_signal(SIGINT);
        assert_signalled(witness, SIGINT);
        cconc_ctx_free(witness);
    }
    assert_ended(ctx, ECANCELED, ECANCELED, "terminated signal received");
    assert_int_equal(cconc_ctx_signal(ctx), SIGTERM);
    cconc_ctx_free(ctx);
}

/* ---- Notify --------------------------------------------------------------------------------- */

static void each_of_several_contexts_gets_a_signal_that_it_lists(void **state)
{
    cconc_ctx *one = notify_context(NULL, LIST_OF(SIGUSR1), 1);
    cconc_ctx *two = notify_context(NULL, LIST_OF(SIGUSR1, SIGUSR2), 2);
    cconc_ctx *three = notify_context(NULL, LIST_OF(SIGUSR2), 1);
    (void)state;
    send_signal(SIGUSR1);
    assert_signalled(one, SIGUSR1);
    assert_signalled(two, SIGUSR1);
    assert_live(three);
    send_signal(SIGUSR2);
    assert_signalled(three, SIGUSR2);
    assert_int_equal(cconc_ctx_signal(two), SIGUSR1);
    cconc_ctx *all[] = {one, two, three};
    free_all(all, 3);
}

/* Go's Notify without a list means all signals. */
static void empty_list_means_interrupt_and_terminate_unlike_go(void **state)
{
    static const int defaults[] = {SIGINT, SIGTERM};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        cconc_ctx *ctx = notify_context(NULL, NULL, 0);
        assert_true(disposition(SIGHUP).sa_handler == SIG_DFL);
        assert_true(disposition(SIGUSR1).sa_handler == SIG_DFL);
        send_signal(defaults[i]);
        assert_signalled(ctx, defaults[i]);
        cconc_ctx_free(ctx);
    }
}

static void signals_that_stop_continue_or_do_nothing_by_default_are_notified_too(void **state)
{
    static const int numbers[] = {SIGTSTP, SIGCONT, SIGTTIN, SIGCHLD, SIGWINCH,
                                  SIGURG,  SIGPIPE, SIGALRM, SIGABRT};
    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        cconc_ctx *ctx = notify_one(numbers[i]);
        send_signal(numbers[i]);
        assert_signalled(ctx, numbers[i]);
        cconc_ctx_free(ctx);
        assert_true(disposition(numbers[i]).sa_handler == SIG_DFL);
    }
}

static void broken_pipe_is_notified_and_the_write_fails(void **state)
{
    int ends[2];
    cconc_ctx *ctx = notify_one(SIGPIPE);
    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(write(ends[1], "x", 1), -1);
    assert_int_equal(errno, EPIPE);
    assert_signalled(ctx, SIGPIPE);
    assert_int_equal(close(ends[1]), 0);
    cconc_ctx_free(ctx);
}

static void signal_sent_to_one_thread_counts_as_any_other(void **state)
{
    cconc_ctx *ctx = notify_one(SIGUSR1);
    (void)state;
    errno = 7777;
    assert_int_equal(pthread_kill(pthread_self(), SIGUSR1), 0);
    assert_signalled(ctx, SIGUSR1);
    assert_int_equal(errno, 7777);
    cconc_ctx_free(ctx);
}

static void signal_is_notified_though_every_thread_blocks_it(void **state)
{
    sigset_t all;
    sigset_t before;
    sigset_t now;
    (void)state;
    sigfillset(&all);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &all, &before), 0);
    cconc_ctx *ctx = notify_one(SIGINT);
    send_signal(SIGINT);
    assert_signalled(ctx, SIGINT);
    cconc_ctx_free(ctx);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, &now), 0);
    assert_int_equal(sigismember(&now, SIGINT), 1); /* and the masks are as they were */
}

struct sleeper {
    sem_t bed;
    atomic_bool begun;
    pthread_t thread;
};

static void sleep_until_posted(void *arg, size_t index)
{
    struct sleeper *s = arg;
    (void)index;
    s->thread = pthread_self();
    atomic_store(&s->begun, true);
    SUPPORT_CHECK(sem_wait(&s->bed) == 0); /* EINTR, if it is not restarted */
}

/* Signal a thread that may not be in its system call yet, and tell whether ctx has heard of one. */
static bool signal_thread(pthread_t thread, cconc_ctx *ctx)
{
    SUPPORT_CHECK(pthread_kill(thread, SIGUSR1) == 0);
    return cconc_ctx_err(ctx) != 0;
}

/* Go asks all handlers for SA_RESTART: a program whose calls fail with EINTR would be another. */
static void signal_does_not_interrupt_system_calls(void **state)
{
    struct sleeper s = {.begun = false};
    (void)state;
    dispose(SIGUSR1, SIG_IGN); /* for those that come late */
    assert_int_equal(sem_init(&s.bed, 0, 0), 0);
    struct support_threads *threads = support_threads_start(1, sleep_until_posted, &s);
    until(atomic_load(&s.begun));
    for (int i = 0; i < 20; i++) {
        cconc_ctx *ctx = notify_one(SIGUSR1);
        until(signal_thread(s.thread, ctx));
        assert_signalled(ctx, SIGUSR1);
        cconc_ctx_free(ctx);
    }
    assert_int_equal(sem_post(&s.bed), 0);
    support_threads_join(threads);
    assert_int_equal(sem_destroy(&s.bed), 0);
    dispose(SIGUSR1, SIG_DFL);
}

/* Go's Notify ignores a request for SIGKILL or SIGSTOP in silence, and takes faults that were sent.
 */
static void signals_that_cannot_be_or_must_not_be_caught_are_refused_unlike_go(void **state)
{
    static const int refused[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, 0, -1, 65};
    cconc_ctx *ctx = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        const int list[] = {SIGUSR1, refused[i]};
        assert_int_equal(cconc_ctx_with_signals(NULL, list, 2, 0, &ctx), EINVAL);
        assert_int_equal(cconc_ctx_with_signals(NULL, &refused[i], 1, 0, &ctx), EINVAL);
    }
    assert_int_equal(cconc_ctx_with_signals(NULL, LIST_OF(SIGUSR1), 1, 2u, &ctx), EINVAL);
    assert_null(ctx);
    assert_true(disposition(SIGUSR1).sa_handler == SIG_DFL); /* none of the list is installed */
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(notify_context_is_done_when_a_listed_signal_arrives),
        UNIT_TEST(notify_context_names_the_signal_in_its_cause),
        UNIT_TEST(notify_context_tells_signals_apart_in_its_cause),
        UNIT_TEST(notify_context_has_the_deadline_and_the_values_of_its_parent),
        UNIT_TEST(notify_context_is_done_when_stopped_or_with_its_parent_and_has_no_signal),
        UNIT_TEST(notify_context_of_a_done_parent_is_born_done_and_installs_nothing),
        UNIT_TEST(first_signal_counts_and_more_are_swallowed_until_stop),
        UNIT_TEST(each_of_several_contexts_gets_a_signal_that_it_lists),
        UNIT_TEST(empty_list_means_interrupt_and_terminate_unlike_go),
        UNIT_TEST(signals_that_stop_continue_or_do_nothing_by_default_are_notified_too),
        UNIT_TEST(broken_pipe_is_notified_and_the_write_fails),
        UNIT_TEST(signal_sent_to_one_thread_counts_as_any_other),
        UNIT_TEST(signal_is_notified_though_every_thread_blocks_it),
        UNIT_TEST(signal_does_not_interrupt_system_calls),
        UNIT_TEST(signals_that_cannot_be_or_must_not_be_caught_are_refused_unlike_go),
    };
    support_start(argc, argv, NULL);
    support_signals_as_usual();
    return UNIT_RUN(tests);
}
