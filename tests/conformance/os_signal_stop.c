/* os_signal_stop.c - the behaviours of Go's package os/signal: Stop, and what Reset and Ignore have
 * as counterparts
 * SPDX-License-Identifier: MIT
 *
 * Risk      A program carried over from Go that behaves differently without being told.
 * Method    One case a behaviour that Go documents, or that its users rely on. Cancel, and the last
 *           free, are Stop. The process signals itself; what ends it runs in a process of its own.
 *           The deliberate differences are cases too, and say so.
 * Catches   ported programs that change their meaning; rules sig-2 and sig-3.
 */
#include "signal_help.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

static atomic_int handled;

static void own_handler(int number)
{
    (void)number;
    atomic_fetch_add(&handled, 1);
}

/* ---- Stop, Reset, Ignore -------------------------------------------------------------------- */

static void stop_restores_the_default_behaviour_with_the_last_context(void **state)
{
    cconc_ctx *first = notify_one(SIGUSR1);
    cconc_ctx *second = notify_context(NULL, LIST_OF(SIGUSR1, SIGUSR2), 2);
    (void)state;
    cconc_ctx_cancel(first);
    send_signal(SIGUSR1); /* the second still listens */
    assert_signalled(second, SIGUSR1);
    assert_int_equal(cconc_ctx_signal(first), 0); /* once stopped, no more signals are received */
    assert_true(disposition(SIGUSR1).sa_handler != SIG_DFL);
    cconc_ctx_cancel(second); /* though it is done already */
    assert_true(disposition(SIGUSR1).sa_handler == SIG_DFL);
    assert_true(disposition(SIGUSR2).sa_handler == SIG_DFL);
    assert_int_equal(cconc_ctx_signal(second), SIGUSR1);
    cconc_ctx_cancel(second); /* stopping again does nothing */
    cconc_ctx_free(second);
    cconc_ctx_free(first);
}

static void end_of_the_parent_or_of_the_time_does_not_restore_until_stop(void **state)
{
    cconc_ctx *parent = with_cancel(NULL);
    cconc_ctx *ctx = notify_context(parent, LIST_OF(SIGUSR1), 1);
    (void)state;
    cconc_ctx_cancel(parent);
    assert_cancelled(ctx);
    assert_true(disposition(SIGUSR1).sa_handler != SIG_DFL);
    send_signal(SIGUSR1);
    cconc_ctx_cancel(ctx);
    assert_true(disposition(SIGUSR1).sa_handler == SIG_DFL);
    cconc_ctx_free(ctx);
    cconc_ctx_free(parent);
}

static void last_free_stops_too(void **state)
{
    cconc_ctx *ctx = notify_one(SIGUSR1);
    (void)state;
    (void)cconc_ctx_ref(ctx);
    cconc_ctx_free(ctx);
    assert_true(disposition(SIGUSR1).sa_handler != SIG_DFL);
    cconc_ctx_free(ctx);
    assert_true(disposition(SIGUSR1).sa_handler == SIG_DFL);
}

/* Go restores what a Go program does by default: it has no other handlers. */
static void stop_restores_a_handler_of_the_program_unlike_go(void **state)
{
    struct sigaction mine = {.sa_handler = own_handler, .sa_flags = SA_RESTART | SA_NODEFER};
    (void)state;
    sigaddset(&mine.sa_mask, SIGUSR2);
    assert_int_equal(sigaction(SIGUSR1, &mine, NULL), 0);
    atomic_store(&handled, 0);
    cconc_ctx *ctx = notify_one(SIGUSR1);
    send_signal(SIGUSR1);
    assert_signalled(ctx, SIGUSR1);
    assert_int_equal(atomic_load(&handled), 0);
    cconc_ctx_cancel(ctx);
    struct sigaction found = disposition(SIGUSR1);
    assert_true(found.sa_handler == own_handler);
    assert_int_equal(found.sa_flags & (SA_RESTART | SA_NODEFER), SA_RESTART | SA_NODEFER);
    assert_int_equal(sigismember(&found.sa_mask, SIGUSR2), 1);
    send_signal(SIGUSR1);
    until(atomic_load(&handled) == 1);
    cconc_ctx_free(ctx);
    dispose(SIGUSR1, SIG_DFL);
}

static void ignored_signal_is_notified_and_ignored_again_after_stop(void **state)
{
    (void)state;
    dispose(SIGHUP, SIG_IGN); /* as nohup does, or signal.Ignore */
    cconc_ctx *ctx = notify_one(SIGHUP);
    send_signal(SIGHUP);
    assert_signalled(ctx, SIGHUP);
    cconc_ctx_cancel(ctx);
    assert_true(disposition(SIGHUP).sa_handler == SIG_IGN); /* signal.Ignored */
    send_signal(SIGHUP);
    cconc_ctx_free(ctx);
    dispose(SIGHUP, SIG_DFL);
}

/* Go's Reset and Ignore undo every Notify; here each context is stopped by who has it, and a
 * handler that the program installs meanwhile is the program's affair. */
static void stop_of_one_context_is_no_reset_of_the_others_unlike_go(void **state)
{
    cconc_ctx *all[] = {notify_one(SIGUSR1), notify_one(SIGUSR1), notify_one(SIGUSR1)};
    (void)state;
    cconc_ctx_cancel(all[1]);
    send_signal(SIGUSR1);
    assert_signalled(all[0], SIGUSR1);
    assert_signalled(all[2], SIGUSR1);
    free_all(all, 3);
    assert_true(disposition(SIGUSR1).sa_handler == SIG_DFL);
}

static void notify_and_stop_again_and_again(void *arg, size_t index)
{
    (void)arg;
    for (size_t i = 0; i < 100; i++) {
        cconc_ctx *ctx = notify_context(NULL, LIST_OF(SIGUSR1, SIGUSR2), 1 + index % 2);
        if (i % 3 == 0) {
            send_signal(SIGUSR1);
            SUPPORT_CHECK(cconc_ctx_wait(ctx, NULL) == 0 && cconc_ctx_signal(ctx) == SIGUSR1);
        }
        if (i % 2 == 0) {
            cconc_ctx_cancel(ctx);
        }
        cconc_ctx_free(ctx);
    }
}

static void stop_may_race_signals_and_other_stops(void **state)
{
    (void)state;
    dispose(SIGUSR1, own_handler); /* or one that comes late would end the process */
    support_threads_join(support_threads_start(4, notify_and_stop_again_and_again, NULL));
    assert_true(disposition(SIGUSR1).sa_handler == own_handler);
    assert_true(disposition(SIGUSR2).sa_handler == SIG_DFL);
    dispose(SIGUSR1, SIG_DFL);
}

struct racing_stop {
    cconc_ctx *ctx;
    atomic_size_t ready;
};

static void send_while_it_is_stopped(void *arg, size_t index)
{
    struct racing_stop *r = arg;
    (void)index;
    atomic_fetch_add(&r->ready, 1);
    until(atomic_load(&r->ready) == 2);
    send_signal(SIGUSR1);
}

static void signal_that_races_stop_goes_to_one_side_and_to_all_others_that_listen(void **state)
{
    (void)state;
    dispose(SIGUSR1, own_handler);
    for (int round = 0; round < 200; round++) {
        bool has_witness = round % 2 == 0;
        cconc_ctx *witness = has_witness ? notify_one(SIGUSR1) : NULL;
        struct racing_stop r = {.ctx = notify_one(SIGUSR1)};
        atomic_store(&handled, 0);
        struct support_threads *threads = support_threads_start(1, send_while_it_is_stopped, &r);
        until(atomic_load(&r.ready) == 1);
        atomic_fetch_add(&r.ready, 1);
        cconc_ctx_cancel(r.ctx);
        support_threads_join(threads);
        if (has_witness) {
            assert_signalled(witness, SIGUSR1);
        }
        bool is_told = cconc_ctx_signal(r.ctx) == SIGUSR1;
        if (has_witness) {
            assert_int_equal(atomic_load(&handled), 0);
        } else {
            until(is_told + atomic_load(&handled) == 1);
        }
        cconc_ctx_free(r.ctx);
        cconc_ctx_free(witness);
    }
    dispose(SIGUSR1, SIG_DFL);
}

static void signal_that_came_before_stop_is_told(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        cconc_ctx *ctx = notify_one(SIGUSR1);
        send_signal(SIGUSR1);
        cconc_ctx_cancel_cause(ctx, 77, NULL);
        assert_int_equal(cconc_ctx_signal(ctx), SIGUSR1);
        assert_int_equal(cconc_ctx_cause(ctx, NULL), ECANCELED);
        cconc_ctx_free(ctx);
    }
}

/* A thread may have been chosen for it, and not have come to its first instruction. */
static void signal_whose_handler_comes_after_stop_meets_the_old_disposition(void **state)
{
    (void)state;
    dispose(SIGUSR1, own_handler);
    atomic_store(&handled, 0);
    cconc_ctx *ctx = notify_one(SIGUSR1);
    struct sigaction ours = disposition(SIGUSR1);
    cconc_ctx_cancel(ctx);
    ours.sa_handler(SIGUSR1);
    until(atomic_load(&handled) == 1);
    assert_int_equal(cconc_ctx_signal(ctx), 0);
    cconc_ctx_free(ctx);
    dispose(SIGUSR1, SIG_DFL);
}

static atomic_int chained;
static void (*outer_handler)(int);

static void chaining_handler(int number)
{
    atomic_fetch_add(&chained, 1);
    outer_handler(number);
}

/* A handler that the program installs later stays, and may call the one that it has found. */
static void stop_leaves_a_handler_that_was_installed_later_alone(void **state)
{
    cconc_ctx *other = notify_one(SIGUSR2);
    cconc_ctx *ctx = notify_one(SIGUSR1);
    (void)state;
    outer_handler = disposition(SIGUSR1).sa_handler;
    atomic_store(&chained, 0);
    dispose(SIGUSR1, chaining_handler);
    cconc_ctx_cancel(ctx);
    assert_true(disposition(SIGUSR1).sa_handler == chaining_handler);
    send_signal(SIGUSR1);
    until(atomic_load(&chained) == 1);
    send_signal(SIGUSR2);
    assert_signalled(other, SIGUSR2); /* by now the service has looked at what was chained */
    assert_int_equal(atomic_load(&chained), 1);
    cconc_ctx_free(other);
    cconc_ctx_free(ctx);
    dispose(SIGUSR1, SIG_DFL);
}

/* ---- what ends the process ------------------------------------------------------------------ */

static void die_by(int number)
{
    send_signal(number);
    until(false);
}

static void assert_killed_by(const char *child, int number)
{
    int status = support_run_child(child, NULL, 0);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), number);
}

static void assert_exited_with(const char *child, int code)
{
    int status = support_run_child(child, NULL, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), code);
}

static int child_stopped(void)
{
    cconc_ctx *ctx = notify_context(NULL, NULL, 0);
    send_signal(SIGINT);
    SUPPORT_CHECK(cconc_ctx_wait(ctx, NULL) == 0);
    cconc_ctx_cancel(ctx); /* "stop(): a second interrupt ends the program" */
    die_by(SIGINT);
    return 0;
}

static void signal_after_stop_ends_the_process_as_by_default(void **state)
{
    (void)state;
    assert_killed_by("stopped", SIGINT);
}

static int child_unlisted(void)
{
    cconc_ctx *ctx = notify_one(SIGINT);
    SUPPORT_CHECK(cconc_ctx_err(ctx) == 0);
    die_by(SIGTERM);
    return 0;
}

static void signal_that_is_not_listed_ends_the_process_as_by_default(void **state)
{
    (void)state;
    assert_killed_by("unlisted", SIGTERM);
}

static cconc_ctx *second_exits(cconc_ctx *parent)
{
    cconc_ctx *ctx = NULL;
    SUPPORT_CHECK(cconc_ctx_with_signals(parent, LIST_OF(SIGTERM, SIGUSR1), 2,
                                         CCONC_CTX_SECOND_SIGNAL_EXITS, &ctx) == 0);
    return ctx;
}

static int child_second(void)
{
    cconc_ctx *ctx = second_exits(NULL);
    cconc_ctx *other = second_exits(NULL); /* each counts for itself */
    send_signal(SIGUSR1);
    SUPPORT_CHECK(cconc_ctx_wait(ctx, NULL) == 0 && cconc_ctx_wait(other, NULL) == 0);
    SUPPORT_CHECK(cconc_ctx_signal(ctx) == SIGUSR1 && cconc_ctx_signal(other) == SIGUSR1);
    die_by(SIGTERM);
    return 0;
}

static int child_second_of_the_same(void)
{
    cconc_ctx *ctx = second_exits(NULL);
    send_signal(SIGTERM);
    SUPPORT_CHECK(cconc_ctx_wait(ctx, NULL) == 0);
    die_by(SIGTERM);
    return 0;
}

static int child_second_after_the_parent(void)
{
    cconc_ctx *parent = with_cancel(NULL);
    cconc_ctx *ctx = second_exits(parent);
    cconc_ctx_cancel(parent);
    send_signal(SIGTERM); /* the first, though the context is done */
    SUPPORT_CHECK(cconc_ctx_signal(ctx) == 0);
    die_by(SIGUSR1);
    return 0;
}

static void second_signal_exits_with_its_status_if_asked_to_unlike_go(void **state)
{
    (void)state;
    assert_exited_with("second", 128 + SIGTERM);
    assert_exited_with("second_of_the_same", 128 + SIGTERM);
    assert_exited_with("second_after_the_parent", 128 + SIGUSR1);
}

static int child_second_after_stop(void)
{
    cconc_ctx *ctx = second_exits(NULL);
    send_signal(SIGTERM);
    SUPPORT_CHECK(cconc_ctx_wait(ctx, NULL) == 0);
    cconc_ctx_free(ctx);
    die_by(SIGTERM);
    return 0;
}

static void second_signal_after_stop_meets_the_default_and_not_the_option(void **state)
{
    (void)state;
    assert_killed_by("second_after_stop", SIGTERM);
}

static int child_as_started(void)
{
    sigset_t mask;
    SUPPORT_CHECK(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0);
    SUPPORT_CHECK(disposition(SIGUSR1).sa_handler == SIG_DFL && !sigismember(&mask, SIGUSR1));
    SUPPORT_CHECK(disposition(SIGHUP).sa_handler == SIG_IGN);
    return 0;
}

static void program_started_meanwhile_inherits_nothing_but_what_is_ignored(void **state)
{
    (void)state;
    dispose(SIGHUP, SIG_IGN);
    cconc_ctx *ctx = notify_one(SIGUSR1);
    assert_exited_with("as_started", 0);
    assert_live(ctx);
    cconc_ctx_free(ctx);
    dispose(SIGHUP, SIG_DFL);
}

int main(int argc, char **argv)
{
    static const struct support_child children[] = {
        {"stopped", child_stopped},
        {"unlisted", child_unlisted},
        {"second", child_second},
        {"second_of_the_same", child_second_of_the_same},
        {"second_after_the_parent", child_second_after_the_parent},
        {"second_after_stop", child_second_after_stop},
        {"as_started", child_as_started},
        {NULL, NULL},
    };
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(stop_restores_the_default_behaviour_with_the_last_context),
        UNIT_TEST(end_of_the_parent_or_of_the_time_does_not_restore_until_stop),
        UNIT_TEST(last_free_stops_too),
        UNIT_TEST(stop_restores_a_handler_of_the_program_unlike_go),
        UNIT_TEST(ignored_signal_is_notified_and_ignored_again_after_stop),
        UNIT_TEST(stop_of_one_context_is_no_reset_of_the_others_unlike_go),
        UNIT_TEST(stop_may_race_signals_and_other_stops),
        UNIT_TEST(signal_that_races_stop_goes_to_one_side_and_to_all_others_that_listen),
        UNIT_TEST(signal_that_came_before_stop_is_told),
        UNIT_TEST(signal_whose_handler_comes_after_stop_meets_the_old_disposition),
        UNIT_TEST(stop_leaves_a_handler_that_was_installed_later_alone),
        UNIT_TEST(signal_after_stop_ends_the_process_as_by_default),
        UNIT_TEST(signal_that_is_not_listed_ends_the_process_as_by_default),
        UNIT_TEST(second_signal_exits_with_its_status_if_asked_to_unlike_go),
        UNIT_TEST(second_signal_after_stop_meets_the_default_and_not_the_option),
        UNIT_TEST(program_started_meanwhile_inherits_nothing_but_what_is_ignored),
    };
    support_start(argc, argv, children);
    support_signals_as_usual();
    return UNIT_RUN(tests);
}
