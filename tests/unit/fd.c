/* fd.c - unit tests of the descriptor that is readable from the moment it is raised
 * SPDX-License-Identifier: MIT
 *
 * Risk      A descriptor that blocks its user, that a new program inherits, that forgets it was
 *           raised; an errno left behind in a signal handler.
 * Method    poll() before and after each step; a counter filled to the brim; a limit on descriptors
 *           in a process of its own; a cancellation that is pending.
 * Catches   I6 I16 I18, X2; invariants I1 I2 of plat/fd.c.
 */
#include "chan_help.h"

#include "plat/fd.h"
#include "plat/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#define ERRNO_MARK 7777

static bool is_readable(const plat_fd *fd)
{
    struct pollfd item = {.fd = fd->read_end, .events = POLLIN, .revents = 0};
    return poll(&item, 1, 0) == 1 && (item.revents & POLLIN) != 0;
}

/* ---- smoke ---------------------------------------------------------------------------------- */

static void fd_is_readable_from_raise_until_awaited(void **state)
{
    plat_fd fd;
    (void)state;
    assert_int_equal(cconc__fd_open(&fd), 0);
    for (int round = 0; round < 3; round++) {
        assert_false(is_readable(&fd));
        cconc__fd_raise(fd.write_end);
        assert_true(is_readable(&fd));
        assert_true(is_readable(&fd)); /* a level, not an event */
        cconc__fd_await(&fd, -1);
    }
    cconc__fd_raise(fd.write_end);
    cconc__fd_raise(fd.write_end);
    assert_true(is_readable(&fd));
    cconc__fd_close(&fd);
}

static void fd_closes_on_exec_and_never_blocks(void **state)
{
    plat_fd fd;
    (void)state;
    assert_int_equal(cconc__fd_open(&fd), 0);
    const int ends[] = {fd.read_end, fd.write_end};
    for (size_t i = 0; i < 2; i++) {
        assert_true((fcntl(ends[i], F_GETFD) & FD_CLOEXEC) != 0);
        assert_true((fcntl(ends[i], F_GETFL) & O_NONBLOCK) != 0);
    }
    cconc__fd_close(&fd);
    assert_int_equal(fcntl(ends[0], F_GETFD), -1);
    assert_int_equal(fcntl(ends[1], F_GETFD), -1);
}

/* ---- limits --------------------------------------------------------------------------------- */

static void fd_that_is_full_is_raised_without_waiting(void **state)
{
    plat_fd fd;
    uint64_t most = UINT64_MAX - 1;
    (void)state;
    assert_int_equal(cconc__fd_open(&fd), 0);
    while (write(fd.write_end, &most, sizeof(most)) > 0) {
    }
    assert_int_equal(errno, EAGAIN);
    cconc__fd_raise(fd.write_end);
    assert_true(is_readable(&fd));
    cconc__fd_close(&fd);
}

static void fd_leaves_errno_alone(void **state)
{
    plat_fd fd;
    uint64_t most = UINT64_MAX - 1;
    (void)state;
    errno = ERRNO_MARK;
    assert_int_equal(cconc__fd_open(&fd), 0);
    assert_int_equal(errno, ERRNO_MARK);
    while (write(fd.write_end, &most, sizeof(most)) > 0) {
    }
    errno = ERRNO_MARK;
    cconc__fd_raise(fd.write_end); /* EAGAIN inside */
    assert_int_equal(errno, ERRNO_MARK);
    cconc__fd_await(&fd, -1);
    assert_int_equal(errno, ERRNO_MARK);
    cconc__fd_close(&fd);
    cconc__fd_close(&fd); /* EBADF inside */
    assert_int_equal(errno, ERRNO_MARK);
}

/* ---- blocking ------------------------------------------------------------------------------- */

struct awaiter {
    plat_fd     fd;
    atomic_bool ready;
    atomic_bool raised;
    bool        was_raised;
};

static void await_fd(void *arg, size_t index)
{
    struct awaiter *a = arg;
    (void)index;
    atomic_store(&a->ready, true);
    cconc__fd_await(&a->fd, -1);
    a->was_raised = atomic_load(&a->raised);
}

static void fd_await_sleeps_until_raised_whatever_signals_come(void **state)
{
    (void)state;
    support_signal_rain(true);
    for (int round = 0; round < 50; round++) {
        struct awaiter a = {.ready = false};
        assert_int_equal(cconc__fd_open(&a.fd), 0);
        struct support_threads *threads = support_threads_start(1, await_fd, &a);
        until(atomic_load(&a.ready));
        pass_time(CCONC_MS / 2);
        atomic_store(&a.raised, true);
        cconc__fd_raise(a.fd.write_end);
        support_threads_join(threads);
        assert_true(a.was_raised);
        assert_false(is_readable(&a.fd));
        cconc__fd_close(&a.fd);
    }
    support_signal_rain(false);
}

/* ---- cancel --------------------------------------------------------------------------------- */

struct victim {
    plat_fd fd;
    bool    raised;
    bool    closed;
};

static void use_while_cancelled(void *arg, size_t index)
{
    struct victim *v = arg;
    (void)index;
    SUPPORT_CHECK(pthread_cancel(pthread_self()) == 0);
    cconc__fd_raise(v->fd.write_end);
    v->raised = true;
    cconc__fd_close(&v->fd);
    v->closed = true;
    SUPPORT_CHECK(cconc__thread_let_cancel(true)); /* as it was before */
    pthread_testcancel();
}

static void fd_raise_and_close_are_no_cancellation_points(void **state)
{
    struct victim v = {.raised = false};
    (void)state;
    assert_int_equal(cconc__fd_open(&v.fd), 0);
    struct support_threads *threads = support_threads_start(1, use_while_cancelled, &v);
    assert_int_equal(support_threads_join(threads), 1);
    assert_true(v.raised);
    assert_true(v.closed);
}

/* ---- faults --------------------------------------------------------------------------------- */

static int child_no_descriptor(void)
{
    plat_fd fd;
    plat_fd spare;
    struct rlimit limit;
    struct rlimit none;
    SUPPORT_CHECK(cconc__fd_open(&spare) == 0);
    SUPPORT_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    none = limit;
    none.rlim_cur = 0;
    SUPPORT_CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    errno = ERRNO_MARK;
    SUPPORT_CHECK(cconc__fd_open(&fd) == EMFILE);
    SUPPORT_CHECK(errno == ERRNO_MARK);
    cconc__fd_raise(spare.write_end); /* what is open goes on working */
    cconc__fd_await(&spare, -1);
    cconc__fd_close(&spare);
    SUPPORT_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    return 0;
}

static void fd_open_without_descriptors_is_emfile(void **state)
{
    (void)state;
    assert_int_equal(support_run_child("no_descriptor", NULL, 0), 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(fd_is_readable_from_raise_until_awaited),
        UNIT_TEST(fd_closes_on_exec_and_never_blocks),
        UNIT_TEST(fd_that_is_full_is_raised_without_waiting),
        UNIT_TEST(fd_leaves_errno_alone),
        UNIT_TEST(fd_await_sleeps_until_raised_whatever_signals_come),
        UNIT_TEST(fd_raise_and_close_are_no_cancellation_points),
        UNIT_TEST(fd_open_without_descriptors_is_emfile),
    };
    static const struct support_child children[] = {{"no_descriptor", child_no_descriptor},
                                                    {NULL, NULL}};
    support_start(argc, argv, children);
    return UNIT_RUN(tests);
}
