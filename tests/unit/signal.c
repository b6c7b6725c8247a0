/* signal.c - unit tests of hearing of signals outside of signal handlers
 * SPDX-License-Identifier: MIT
 *
 * Risk      An arrival that is not noted or noted for another signal, a handler that changes errno
 *           or writes to a closed descriptor, a disposition that is not put back.
 * Method    The test raises signals at itself; what ends the process runs in one of its own.
 * Catches   I6 I16 I21, X1; invariants I1 I2 of plat/signal.c.
 */
#include "unit.h"

#include "plat/signal.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define ERRNO_MARK 7777

static bool is_readable(const plat_fd *fd)
{
    struct pollfd item = {.fd = fd->read_end, .events = POLLIN, .revents = 0};
    return poll(&item, 1, 0) == 1 && (item.revents & POLLIN) != 0;
}

/* ---- smoke ---------------------------------------------------------------------------------- */

static void signal_notes_what_arrives_while_it_is_hooked(void **state)
{
    (void)state;
    assert_int_equal(cconc__signal_hook(SIGUSR1), 0);
    assert_int_equal(cconc__signal_hook(SIGHUP), 0);
    assert_false(cconc__signal_take(SIGUSR1));
    errno = ERRNO_MARK;
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(errno, ERRNO_MARK);
    assert_false(cconc__signal_take(SIGHUP));
    assert_true(cconc__signal_take(SIGUSR1));
    assert_false(cconc__signal_take(SIGUSR1));
    assert_int_equal(raise(SIGUSR1), 0);
    cconc__signal_unhook(SIGUSR1);
    assert_int_equal(cconc__signal_hook(SIGUSR1), 0);
    assert_false(cconc__signal_take(SIGUSR1)); /* what came before is not for the new hook */
    cconc__signal_unhook(SIGUSR1);
    cconc__signal_unhook(SIGHUP);
}

static void signal_raises_the_descriptor_that_listens(void **state)
{
    plat_fd fd;
    (void)state;
    assert_int_equal(cconc__fd_open(&fd), 0);
    assert_int_equal(cconc__signal_hook(SIGUSR1), 0);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_false(is_readable(&fd));
    cconc__signal_listen(&fd);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_true(is_readable(&fd));
    cconc__fd_await(&fd);
    cconc__signal_listen(NULL);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_false(is_readable(&fd));
    cconc__signal_unhook(SIGUSR1);
    cconc__fd_close(&fd);
}

static int seen_by_old;

static void old_handler(int number)
{
    seen_by_old = number;
}

static void signal_unhook_puts_the_old_disposition_back(void **state)
{
    struct sigaction old = {.sa_handler = old_handler, .sa_flags = SA_NODEFER};
    struct sigaction before;
    struct sigaction after;
    (void)state;
    assert_int_equal(sigaddset(&old.sa_mask, SIGALRM), 0);
    assert_int_equal(sigaction(SIGUSR1, &old, &before), 0);
    assert_int_equal(cconc__signal_hook(SIGUSR1), 0);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(seen_by_old, 0);
    cconc__signal_unhook(SIGUSR1);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(seen_by_old, SIGUSR1);
    assert_int_equal(sigaction(SIGUSR1, &before, &after), 0);
    assert_true(after.sa_handler == old_handler);
    assert_true((after.sa_flags & SA_NODEFER) != 0);
    assert_int_equal(sigismember(&after.sa_mask, SIGALRM), 1);
}

static void signal_accept_unblocks_one_signal_for_the_caller(void **state)
{
    sigset_t both;
    sigset_t before;
    sigset_t now;
    (void)state;
    assert_int_equal(sigemptyset(&both) | sigaddset(&both, SIGUSR1) | sigaddset(&both, SIGHUP), 0);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &both, &before), 0);
    cconc__signal_accept(SIGUSR1);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, &now), 0);
    assert_int_equal(sigismember(&now, SIGUSR1), 0);
    assert_int_equal(sigismember(&now, SIGHUP), 1);
}

/* ---- limits --------------------------------------------------------------------------------- */

static void signal_may_hook_tells_what_cannot_be(void **state)
{
    static const int never[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE,         SIGILL,
                                0,       -1,      -15,     65,     PLAT_SIGNAL_END, 1000};
    static const int may[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGCHLD, SIGWINCH, 1, 64};
    (void)state;
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
        assert_false(cconc__signal_may_hook(never[i]));
    }
    for (size_t i = 0; i < sizeof(may) / sizeof(may[0]); i++) {
        assert_true(cconc__signal_may_hook(may[i]));
    }
    errno = ERRNO_MARK;
    assert_int_equal(cconc__signal_hook(SIGKILL), EINVAL);
    assert_int_equal(errno, ERRNO_MARK);
}

static void signal_names_are_words(void **state)
{
    (void)state;
    assert_string_equal(cconc__signal_name(SIGINT), "interrupt");
    assert_string_equal(cconc__signal_name(SIGTERM), "terminated");
    assert_string_equal(cconc__signal_name(SIGHUP), "hangup");
    assert_string_equal(cconc__signal_name(64), "signal");
    assert_string_equal(cconc__signal_name(-1), "signal");
    assert_int_equal(cconc__signal_default_count, 2);
    assert_int_equal(cconc__signal_defaults[0], SIGINT);
    assert_int_equal(cconc__signal_defaults[1], SIGTERM);
}

/* ---- the second one ends the process -------------------------------------------------------- */

static int child_exits(void)
{
    uint32_t before = cconc__signal_exit_arrivals();
    SUPPORT_CHECK(cconc__signal_hook(SIGUSR1) == 0 && cconc__signal_hook(SIGHUP) == 0);
    SUPPORT_CHECK(raise(SIGHUP) == 0); /* does not count */
    cconc__signal_count_exits(SIGUSR1, true);
    cconc__signal_exit_at(before + 2);
    SUPPORT_CHECK(raise(SIGUSR1) == 0);
    SUPPORT_CHECK(raise(SIGHUP) == 0);
    SUPPORT_CHECK(cconc__signal_exit_arrivals() == before + 1);
    cconc__signal_count_exits(SIGUSR1, false);
    SUPPORT_CHECK(raise(SIGUSR1) == 0); /* nor does this */
    cconc__signal_count_exits(SIGUSR1, true);
    SUPPORT_CHECK(raise(SIGUSR1) == 0);
    return 0;
}

static void signal_that_exits_does_so_at_the_arrival_asked_for(void **state)
{
    int status = support_run_child("exits", NULL, 0);
    (void)state;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 128 + SIGUSR1);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(signal_notes_what_arrives_while_it_is_hooked),
        UNIT_TEST(signal_raises_the_descriptor_that_listens),
        UNIT_TEST(signal_unhook_puts_the_old_disposition_back),
        UNIT_TEST(signal_accept_unblocks_one_signal_for_the_caller),
        UNIT_TEST(signal_may_hook_tells_what_cannot_be),
        UNIT_TEST(signal_names_are_words),
        UNIT_TEST(signal_that_exits_does_so_at_the_arrival_asked_for),
    };
    static const struct support_child children[] = {{"exits", child_exits}, {NULL, NULL}};
    support_start(argc, argv, children);
    return UNIT_RUN(tests);
}
