/* ctx_signal.c - contexts that signals end
 * SPDX-License-Identifier: MIT
 *
 * Risk      A signal that is lost, kills the process while a context listens, or is still
 *           swallowed when none does; a disposition or a mask that is not put back; a number that
 *           lies.
 * Method    Signals sent to the process itself; what must kill runs in a process of its own.
 * Catches   sig-1 to sig-3; I7, I16, I19.
 */
#include "ctx_help.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_int handled;

static void own_handler(int number)
{
    (void)number;
    atomic_fetch_add(&handled, 1);
}

static cconc_ctx *make_signals(cconc_ctx *parent, const int *signals, size_t count)
{
    cconc_ctx *ctx = CTX_MARK;
    int err = cconc_ctx_with_signals(parent, signals, count, 0, &ctx);
    SUPPORT_CHECK(err == 0 && ctx != CTX_MARK);
    return ctx;
}

static struct sigaction disposition(int number)
{
    struct sigaction action;
    SUPPORT_CHECK(sigaction(number, NULL, &action) == 0);
    return action;
}

static void set_handler(int number, void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = handler;
    SUPPORT_CHECK(sigaction(number, &action, NULL) == 0);
}

static void send_signal(int number)
{
    SUPPORT_CHECK(kill(getpid(), number) == 0);
}

static void ctx_signal_ends_it_with_its_name_and_number(void **state)
{
    (void)state;
    cconc_ctx *ctx = make_signals(NULL, (const int[]){SIGINT, SIGUSR1}, 2);
    cconc_ctx *child = make_cancel(ctx);
    assert_int_equal(cconc_ctx_signal(ctx), 0);
    assert_ended(ctx, 0, 0, NULL);
    send_signal(SIGINT);
    assert_int_equal(cconc_ctx_wait(child, NULL), 0);
    assert_ended(ctx, ECANCELED, ECANCELED, "interrupt signal received");
    assert_ended(child, ECANCELED, ECANCELED, "interrupt signal received");
    assert_int_equal(cconc_ctx_signal(ctx), SIGINT);
    assert_int_equal(cconc_ctx_signal(child), 0);
    cconc_ctx_free(child);
    cconc_ctx_free(ctx);
}

/* The last that can be handled; valgrind keeps SIGRTMAX for itself. */
static int last_signal(void)
{
    const struct sigaction handled_here = {.sa_handler = own_handler};
    const struct sigaction as_usual = {.sa_handler = SIG_DFL};
    if (sigaction(SIGRTMAX, &handled_here, NULL) != 0) {
        return SIGRTMAX - 1;
    }
    SUPPORT_CHECK(sigaction(SIGRTMAX, &as_usual, NULL) == 0);
    return SIGRTMAX;
}

static void ctx_every_listed_signal_ends_it(void **state)
{
    (void)state;
    const int numbers[] = {SIGHUP,  SIGINT,  SIGTERM,  SIGUSR1,
                           SIGUSR2, SIGCHLD, SIGRTMIN, last_signal()};
    const size_t count = sizeof(numbers) / sizeof(numbers[0]);
    for (size_t i = 0; i < count; i++) {
        cconc_ctx *ctx = make_signals(NULL, numbers, count);
        send_signal(numbers[i]);
        assert_int_equal(cconc_ctx_wait(ctx, NULL), 0);
        assert_int_equal(cconc_ctx_signal(ctx), numbers[i]);
        cconc_ctx_free(ctx);
    }
}

static void ctx_cause_of_a_signal_without_a_name_has_its_number(void **state)
{
    (void)state;
    char expected[64];
    cconc_ctx *ctx = make_signals(NULL, (const int[]){SIGRTMIN + 2}, 1);
    snprintf(expected, sizeof(expected), "signal %d received", SIGRTMIN + 2);
    send_signal(SIGRTMIN + 2);
    assert_int_equal(cconc_ctx_wait(ctx, NULL), 0);
    assert_ended(ctx, ECANCELED, ECANCELED, expected);
    cconc_ctx_free(ctx);
}

static void ctx_no_signal_listed_means_interrupt_and_terminate(void **state)
{
    (void)state;
    static const int defaults[] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < 2; i++) {
        cconc_ctx *ctx = make_signals(NULL, NULL, 0);
        send_signal(defaults[i]);
        assert_int_equal(cconc_ctx_wait(ctx, NULL), 0);
        assert_int_equal(cconc_ctx_signal(ctx), defaults[i]);
        cconc_ctx_free(ctx);
    }
    assert_true(disposition(SIGINT).sa_handler == SIG_DFL);
    assert_true(disposition(SIGTERM).sa_handler == SIG_DFL);
}

static void ctx_signal_reaches_every_context_that_lists_it(void **state)
{
    (void)state;
    cconc_ctx *first = make_signals(NULL, (const int[]){SIGUSR1}, 1);
    cconc_ctx *second = make_signals(NULL, (const int[]){SIGUSR1, SIGUSR2}, 2);
    cconc_ctx *other = make_signals(NULL, (const int[]){SIGUSR2}, 1);
    send_signal(SIGUSR1);
    assert_int_equal(cconc_ctx_wait(first, NULL), 0);
    assert_int_equal(cconc_ctx_wait(second, NULL), 0);
    assert_int_equal(cconc_ctx_err(other), 0);
    send_signal(SIGUSR2);
    assert_int_equal(cconc_ctx_wait(other, NULL), 0);
    assert_int_equal(cconc_ctx_signal(first), SIGUSR1);
    assert_int_equal(cconc_ctx_signal(second), SIGUSR1);
    assert_int_equal(cconc_ctx_signal(other), SIGUSR2);
    cconc_ctx_free(first);
    cconc_ctx_free(second);
    cconc_ctx_free(other);
}

static void ctx_with_signals_ends_with_cancel_or_parent_and_no_number(void **state)
{
    (void)state;
    cconc_ctx *parent = make_cancel(NULL);
    cconc_ctx *child = make_signals(parent, (const int[]){SIGUSR1}, 1);
    cconc_ctx *cancelled = make_signals(NULL, (const int[]){SIGUSR1}, 1);
    cconc_ctx_cancel_cause(cancelled, EPERM, "by hand");
    assert_ended(cancelled, ECANCELED, EPERM, "by hand");
    cconc_ctx_cancel_cause(parent, ENXIO, "above");
    assert_ended(child, ECANCELED, ENXIO, "above");
    cconc_ctx *witness = make_signals(NULL, (const int[]){SIGUSR1}, 1);
    send_signal(SIGUSR1);
    assert_int_equal(cconc_ctx_wait(witness, NULL), 0);
    assert_int_equal(cconc_ctx_signal(cancelled), 0);
    assert_ended(child, ECANCELED, ENXIO, "above");
    assert_int_equal(cconc_ctx_signal(child), 0);
    cconc_ctx_free(witness);
    cconc_ctx_free(cancelled);
    cconc_ctx_free(child);
    cconc_ctx_free(parent);
}

static void ctx_with_signals_below_a_done_parent_installs_nothing(void **state)
{
    (void)state;
    cconc_ctx *parent = make_cancel(NULL);
    uint64_t threads = support_thread_count();
    cconc_ctx_cancel_cause(parent, EPERM, "before");
    cconc_ctx *ctx = make_signals(parent, (const int[]){SIGUSR1}, 1);
    assert_ended(ctx, ECANCELED, EPERM, "before");
    assert_int_equal(cconc_ctx_signal(ctx), 0);
    assert_true(disposition(SIGUSR1).sa_handler == SIG_DFL);
    assert_int_equal(support_thread_count(), threads);
    cconc_ctx_free(ctx);
    cconc_ctx_free(parent);
}

static void ctx_disposition_comes_back_with_the_last_context(void **state)
{
    (void)state;
    set_handler(SIGUSR1, own_handler);
    atomic_store(&handled, 0);
    cconc_ctx *first = make_signals(NULL, (const int[]){SIGUSR1}, 1);
    cconc_ctx *second = make_signals(NULL, (const int[]){SIGUSR1}, 1);
    assert_true(disposition(SIGUSR1).sa_handler != own_handler);
    cconc_ctx_cancel(first);
    assert_true(disposition(SIGUSR1).sa_handler != own_handler);
    send_signal(SIGUSR1);
    assert_int_equal(cconc_ctx_wait(second, NULL), 0);
    assert_true(disposition(SIGUSR1).sa_handler != own_handler);
    cconc_ctx_cancel(second);
    assert_true(disposition(SIGUSR1).sa_handler == own_handler);
    assert_int_equal(atomic_load(&handled), 0);
    send_signal(SIGUSR1);
    until(atomic_load(&handled) == 1);
    cconc_ctx_free(second);
    cconc_ctx_free(first);
    assert_true(disposition(SIGUSR1).sa_handler == own_handler);
    first = make_signals(NULL, (const int[]){SIGUSR1}, 1);
    assert_true(disposition(SIGUSR1).sa_handler != own_handler);
    cconc_ctx_free(first);
    assert_true(disposition(SIGUSR1).sa_handler == own_handler);
    set_handler(SIGUSR1, SIG_DFL);
}

static void ctx_handler_found_before_comes_back_with_flags_and_mask(void **state)
{
    (void)state;
    struct sigaction mine;
    memset(&mine, 0, sizeof(mine));
    mine.sa_handler = own_handler;
    mine.sa_flags = SA_RESTART | SA_NODEFER;
    sigaddset(&mine.sa_mask, SIGUSR2);
    assert_int_equal(sigaction(SIGUSR1, &mine, NULL), 0);
    cconc_ctx_free(make_signals(NULL, (const int[]){SIGUSR1}, 1));
    struct sigaction found = disposition(SIGUSR1);
    assert_true(found.sa_handler == own_handler);
    assert_int_equal(found.sa_flags & (SA_RESTART | SA_NODEFER), SA_RESTART | SA_NODEFER);
    assert_int_equal(sigismember(&found.sa_mask, SIGUSR2), 1);
    assert_int_equal(sigismember(&found.sa_mask, SIGUSR1), 0);
    set_handler(SIGUSR1, SIG_DFL);
}

static void ctx_more_signals_are_swallowed_until_cancel(void **state)
{
    (void)state;
    cconc_ctx *ctx = make_signals(NULL, (const int[]){SIGTERM, SIGINT}, 2);
    send_signal(SIGTERM);
    assert_int_equal(cconc_ctx_wait(ctx, NULL), 0);
    for (size_t i = 0; i < 20; i++) {
        cconc_ctx *witness = make_signals(NULL, (const int[]){SIGINT}, 1);
        send_signal(i % 2 ? SIGTERM : SIGINT);
        send_signal(SIGINT);
        assert_int_equal(cconc_ctx_wait(witness, NULL), 0);
        cconc_ctx_free(witness);
    }
    assert_int_equal(cconc_ctx_signal(ctx), SIGTERM);
    assert_ended(ctx, ECANCELED, ECANCELED, "terminated signal received");
    cconc_ctx_free(ctx);
}

static void ctx_signal_ignored_before_is_seen_and_ignored_again(void **state)
{
    (void)state;
    set_handler(SIGHUP, SIG_IGN);
    cconc_ctx *ctx = make_signals(NULL, (const int[]){SIGHUP}, 1);
    send_signal(SIGHUP);
    assert_int_equal(cconc_ctx_wait(ctx, NULL), 0);
    assert_int_equal(cconc_ctx_signal(ctx), SIGHUP);
    cconc_ctx_free(ctx);
    assert_true(disposition(SIGHUP).sa_handler == SIG_IGN);
    send_signal(SIGHUP);
    set_handler(SIGHUP, SIG_DFL);
}

static void ctx_signal_is_seen_though_every_thread_blocks_it(void **state)
{
    (void)state;
    sigset_t all;
    sigset_t before;
    sigset_t now;
    sigfillset(&all);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &all, &before), 0);
    cconc_ctx *ctx = make_signals(NULL, NULL, 0);
    send_signal(SIGINT);
    assert_int_equal(cconc_ctx_wait(ctx, NULL), 0);
    assert_int_equal(cconc_ctx_signal(ctx), SIGINT);
    cconc_ctx_free(ctx);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, &now), 0);
    assert_int_equal(sigismember(&now, SIGINT), 1);
    assert_int_equal(sigismember(&now, SIGUSR1), 1);
}

static void ctx_with_signals_leaves_masks_alone(void **state)
{
    (void)state;
    sigset_t before;
    sigset_t now;
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &before), 0);
    cconc_ctx *ctx = make_signals(NULL, NULL, 0);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
    for (int number = 1; number < SIGRTMAX; number++) {
        assert_int_equal(sigismember(&before, number), sigismember(&now, number));
    }
    cconc_ctx_free(ctx);
}

static void use_a_signal_context(void *arg, size_t index)
{
    (void)arg;
    for (size_t i = 0; i < 100; i++) {
        cconc_ctx *ctx = make_signals(NULL, (const int[]){SIGUSR1, SIGUSR2}, 1 + index % 2);
        if (i % 3 == 0) {
            send_signal(SIGUSR1);
            SUPPORT_CHECK(cconc_ctx_wait(ctx, NULL) == 0);
        }
        if (i % 2 == 0) {
            cconc_ctx_cancel(ctx);
        }
        cconc_ctx_free(ctx);
    }
}

static void ctx_with_signals_may_come_and_go_in_many_threads(void **state)
{
    (void)state;
    set_handler(SIGUSR1, own_handler);
    struct support_threads *threads = support_threads_start(4, use_a_signal_context, NULL);
    assert_int_equal(support_threads_join(threads), 0);
    assert_true(disposition(SIGUSR1).sa_handler == own_handler);
    assert_true(disposition(SIGUSR2).sa_handler == SIG_DFL);
    set_handler(SIGUSR1, SIG_DFL);
}

static void ctx_with_signals_refuses_what_cannot_be_listed(void **state)
{
    (void)state;
    static const int bad[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,     0,
                              -1,      65,      1000,    INT_MIN, INT_MAX, INT_MAX - 1};
    cconc_ctx *out = CTX_MARK;
    uint64_t allocations = support_alloc_count();
    errno = ERRNO_MARK;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const int list[] = {SIGUSR1, bad[i]};
        assert_int_equal(cconc_ctx_with_signals(NULL, list, 2, 0, &out), EINVAL);
        assert_int_equal(cconc_ctx_with_signals(NULL, list + 1, 1, 0, &out), EINVAL);
    }
    const int good[] = {SIGUSR1};
    assert_int_equal(cconc_ctx_with_signals(NULL, good, 1, 2u, &out), EINVAL);
    assert_int_equal(cconc_ctx_with_signals(NULL, good, 1, 0x80000001u, &out), EINVAL);
    assert_int_equal(cconc_ctx_with_signals(NULL, NULL, 1, 0, &out), EINVAL);
    assert_int_equal(cconc_ctx_with_signals(NULL, good, 1, 0, NULL), EINVAL);
    assert_int_equal(errno, ERRNO_MARK);
    assert_ptr_equal(out, CTX_MARK);
    assert_int_equal(support_alloc_count(), allocations);
    assert_true(disposition(SIGUSR1).sa_handler == SIG_DFL);
}

static cconc_ctx *watched; /* by the handler */
static atomic_int err_inside;

static void read_err(int number)
{
    (void)number;
    atomic_store(&err_inside, (cconc_ctx_err)(watched));
}

static void ctx_err_may_be_read_in_a_signal_handler(void **state)
{
    (void)state;
    cconc_ctx_mem mem;
    watched = make_cancel(NULL);
    set_handler(SIGUSR1, read_err);
    atomic_store(&err_inside, -1);
    assert_int_equal(raise(SIGUSR1), 0);
    until(atomic_load(&err_inside) == 0);
    cconc_ctx_cancel(watched);
    assert_int_equal(raise(SIGUSR1), 0);
    until(atomic_load(&err_inside) == ECANCELED);
    cconc_ctx_free(watched);
    watched = cconc_ctx_until(&mem, NULL, 0);
    assert_int_equal(raise(SIGUSR1), 0);
    until(atomic_load(&err_inside) == ETIMEDOUT);
    set_handler(SIGUSR1, SIG_DFL);
}

/* In a process of its own: the first of two signals is heard, the second ends it. */
static int child_second_signal(void)
{
    cconc_ctx *ctx;
    const int list[] = {SIGTERM, SIGUSR1};
    SUPPORT_CHECK(cconc_ctx_with_signals(NULL, list, 2, CCONC_CTX_SECOND_SIGNAL_EXITS, &ctx) == 0);
    send_signal(SIGUSR1);
    SUPPORT_CHECK(cconc_ctx_wait(ctx, NULL) == 0);
    SUPPORT_CHECK(cconc_ctx_signal(ctx) == SIGUSR1);
    send_signal(SIGTERM);
    until(false);
    return 0;
}

static void ctx_second_signal_ends_the_process_if_asked_to(void **state)
{
    (void)state;
    int status = support_run_child("second_signal", NULL, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 128 + SIGTERM);
}

/* In a process of its own: after the last free the signal kills again. */
static int child_restored(void)
{
    cconc_ctx *ctx = make_signals(NULL, (const int[]){SIGTERM}, 1);
    send_signal(SIGTERM);
    SUPPORT_CHECK(cconc_ctx_wait(ctx, NULL) == 0);
    cconc_ctx_free(ctx);
    send_signal(SIGTERM);
    until(false);
    return 0;
}

static void ctx_signal_kills_again_after_the_last_free(void **state)
{
    (void)state;
    int status = support_run_child("restored", NULL, 0);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGTERM);
}

int main(int argc, char **argv)
{
    static const struct support_child children[] = {
        {"second_signal", child_second_signal},
        {"restored", child_restored},
        {NULL, NULL},
    };
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(ctx_signal_ends_it_with_its_name_and_number),
        UNIT_TEST(ctx_every_listed_signal_ends_it),
        UNIT_TEST(ctx_cause_of_a_signal_without_a_name_has_its_number),
        UNIT_TEST(ctx_no_signal_listed_means_interrupt_and_terminate),
        UNIT_TEST(ctx_signal_reaches_every_context_that_lists_it),
        UNIT_TEST(ctx_with_signals_ends_with_cancel_or_parent_and_no_number),
        UNIT_TEST(ctx_with_signals_below_a_done_parent_installs_nothing),
        UNIT_TEST(ctx_disposition_comes_back_with_the_last_context),
        UNIT_TEST(ctx_handler_found_before_comes_back_with_flags_and_mask),
        UNIT_TEST(ctx_more_signals_are_swallowed_until_cancel),
        UNIT_TEST(ctx_signal_ignored_before_is_seen_and_ignored_again),
        UNIT_TEST(ctx_signal_is_seen_though_every_thread_blocks_it),
        UNIT_TEST(ctx_with_signals_leaves_masks_alone),
        UNIT_TEST(ctx_with_signals_may_come_and_go_in_many_threads),
        UNIT_TEST(ctx_with_signals_refuses_what_cannot_be_listed),
        UNIT_TEST(ctx_second_signal_ends_the_process_if_asked_to),
        UNIT_TEST(ctx_signal_kills_again_after_the_last_free),
        UNIT_TEST(ctx_err_may_be_read_in_a_signal_handler),
    };
    support_start(argc, argv, children);
    support_signals_as_usual();
    return UNIT_RUN(tests);
}
