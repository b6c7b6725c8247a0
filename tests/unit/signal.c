/* signal.c - unit tests of hearing of signals outside of signal handlers
 * SPDX-License-Identifier: MIT
 *
 * Risk      An arrival that is not noted or noted for another signal, a handler that changes errno
 *           or writes to a closed descriptor, a disposition that is not put back.
 * Method    The test raises signals at itself; what ends the process runs in one of its own.
 * Catches   I6 I16 I21, X1; invariants I1 I2 I3 of plat/signal.c.
 */
#include "step_help.h"

#include "plat/signal.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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
    assert_int_equal(cconc__signal_open(&fd), 0);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_true(is_readable(&fd));
    cconc__signal_await(&fd);
    cconc__signal_close();
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

static sigset_t set_of(int number)
{
    sigset_t set;
    assert_int_equal(sigemptyset(&set) | sigaddset(&set, number), 0);
    return set;
}

static void signal_hears_what_every_thread_blocks(void **state)
{
    plat_fd fd;
    sigset_t set = set_of(SIGUSR1);
    sigset_t before;
    (void)state;
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, &before), 0);
    assert_int_equal(cconc__fd_open(&fd), 0);
    assert_int_equal(cconc__signal_open(&fd), 0);
    assert_int_equal(cconc__signal_hook(SIGUSR1), 0);
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    errno = ERRNO_MARK;
    cconc__signal_await(&fd);
    cconc__signal_collect();
    assert_int_equal(errno, ERRNO_MARK);
    assert_true(cconc__signal_take(SIGUSR1));
    cconc__signal_unhook(SIGUSR1);
    cconc__signal_close();
    cconc__fd_close(&fd);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
}

/* One that comes after the hook has gone stays for the disposition that was there before. */
static void signal_takes_nothing_that_is_not_hooked(void **state)
{
    plat_fd fd;
    sigset_t set = set_of(SIGUSR1);
    sigset_t before;
    sigset_t waiting;
    struct sigaction old = {.sa_handler = old_handler};
    struct sigaction first;
    (void)state;
    assert_int_equal(sigaction(SIGUSR1, &old, &first), 0);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, &before), 0);
    assert_int_equal(cconc__fd_open(&fd), 0);
    assert_int_equal(cconc__signal_open(&fd), 0);
    assert_int_equal(cconc__signal_hook(SIGUSR1), 0);
    cconc__signal_unhook(SIGUSR1);
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    cconc__fd_raise(fd.write_end);
    seen_by_old = 0;
    cconc__signal_await(&fd);
    cconc__signal_collect();
    assert_int_equal(seen_by_old, 0); /* this thread stands for the library's */
    assert_int_equal(sigpending(&waiting), 0);
    assert_int_equal(sigismember(&waiting, SIGUSR1), 1);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    assert_int_equal(seen_by_old, SIGUSR1);
    cconc__signal_close();
    cconc__fd_close(&fd);
    assert_int_equal(sigaction(SIGUSR1, &first, NULL), 0);
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
    assert_null(cconc__signal_name(64));
    assert_null(cconc__signal_name(-1));
    assert_int_equal(cconc__signal_defaults[0], SIGINT);
    assert_int_equal(cconc__signal_defaults[1], SIGTERM);
}

/* ---- the second one ends the process -------------------------------------------------------- */

static signal_exit exit_for(int number)
{
    return (signal_exit){.numbers = UINT64_C(1) << (number - 1)};
}

static int child_exits(void)
{
    signal_exit first = exit_for(SIGUSR1);
    signal_exit second = exit_for(SIGHUP);
    signal_exit both = exit_for(SIGUSR1);
    both.numbers |= second.numbers;
    SUPPORT_CHECK(cconc__signal_hook(SIGUSR1) == 0 && cconc__signal_hook(SIGHUP) == 0);
    SUPPORT_CHECK(raise(SIGUSR1) == 0 && raise(SIGUSR1) == 0); /* nobody counts */
    cconc__signal_exit_add(&first);
    cconc__signal_exit_add(&second);
    SUPPORT_CHECK(raise(SIGUSR1) == 0); /* the first for one */
    SUPPORT_CHECK(raise(SIGHUP) == 0);  /* and for the other */
    cconc__signal_exit_add(&both);
    cconc__signal_exit_remove(&first);
    SUPPORT_CHECK(raise(SIGUSR1) == 0); /* the first for both */
    cconc__signal_exit_remove(&both);
    SUPPORT_CHECK(raise(SIGUSR1) == 0 && raise(SIGUSR1) == 0); /* nobody counts any more */
    SUPPORT_CHECK(raise(SIGHUP) == 0);
    return 0;
}

static void signal_that_is_the_second_for_somebody_ends_the_process(void **state)
{
    int status = support_run_child("exits", NULL, 0);
    (void)state;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 128 + SIGHUP);
}

/* ---- handlers in the middle ----------------------------------------------------------------- */

static signal_exit going;

static void hook_and_add(void *arg)
{
    (void)arg;
    going = exit_for(SIGUSR1);
    SUPPORT_CHECK(cconc__signal_hook(SIGUSR1) == 0);
    cconc__signal_exit_add(&going);
}

/* As the system calls it, but so that it can be stopped. */
static void call_handler(void *arg)
{
    struct sigaction found;
    (void)arg;
    SUPPORT_CHECK(sigaction(SIGUSR1, NULL, &found) == 0);
    found.sa_handler(SIGUSR1);
}

/* From then on it is somebody else's memory: a handler that still counts there ends the process. */
static void remove_and_reuse(void *arg)
{
    (void)arg;
    cconc__signal_exit_remove(&going);
    atom_init(&going.arrivals, 1);
}

static void arrival_was_noted(void *arg)
{
    (void)arg;
    SUPPORT_CHECK(cconc__signal_take(SIGUSR1));
    cconc__signal_unhook(SIGUSR1);
}

static void signal_exit_that_is_removed_is_left_by_handlers_at_every_place(void **state)
{
    (void)state;
    step(hook_and_add, call_handler, remove_and_reuse, arrival_was_noted, NULL);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(signal_notes_what_arrives_while_it_is_hooked),
        UNIT_TEST(signal_raises_the_descriptor_that_listens),
        UNIT_TEST(signal_unhook_puts_the_old_disposition_back),
        UNIT_TEST(signal_hears_what_every_thread_blocks),
        UNIT_TEST(signal_takes_nothing_that_is_not_hooked),
        UNIT_TEST(signal_may_hook_tells_what_cannot_be),
        UNIT_TEST(signal_names_are_words),
        UNIT_TEST(signal_that_is_the_second_for_somebody_ends_the_process),
        UNIT_TEST(signal_exit_that_is_removed_is_left_by_handlers_at_every_place),
    };
    static const struct support_child children[] = {{"exits", child_exits}, {NULL, NULL}};
    support_step_start();
    support_start(argc, argv, children);
    return UNIT_RUN(tests);
}
