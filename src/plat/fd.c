/* fd.c - a descriptor that is readable from the moment it is raised
 * SPDX-License-Identifier: MIT
 *
 * Idea        An eventfd where there is one, else a pipe. Readiness is a level: it stays until
 *             taken.
 * Invariants  I1 Neither end ever blocks its user; a full pipe is readable already.
 *             I2 None of these is a cancellation point: some are called under a lock.
 * Locks       None.
 * Ordering    None: the kernel orders write before read.
 * Lifetime    The caller's.
 * Rejected    A socket pair: two buffers for one bit. */
#include "plat/fd.h"

#include "plat/thread.h"

#if !defined(CCONC_PLAT_HEADER)

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/eventfd.h>

int cconc__fd_open(plat_fd *fd)
{
    int saved = errno;
    int err = 0;
    fd->read_end = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    fd->write_end = fd->read_end;
    if (fd->read_end < 0) {
        err = errno == EMFILE || errno == ENFILE ? errno : ENOMEM;
    }
    errno = saved;
    return err;
}

static void fd_close_ends(const plat_fd *fd)
{
    (void)close(fd->read_end);
}
#else
static void fd_prepare(int end)
{
    (void)fcntl(end, F_SETFD, FD_CLOEXEC);
    (void)fcntl(end, F_SETFL, O_NONBLOCK);
}

int cconc__fd_open(plat_fd *fd)
{
    int saved = errno;
    int ends[2];
    int err = 0;
    if (pipe(ends) == 0) {
        fd_prepare(ends[0]);
        fd_prepare(ends[1]);
        fd->read_end = ends[0];
        fd->write_end = ends[1];
    } else {
        err = errno == EMFILE || errno == ENFILE ? errno : ENOMEM;
    }
    errno = saved;
    return err;
}

static void fd_close_ends(const plat_fd *fd)
{
    (void)close(fd->read_end);
    (void)close(fd->write_end);
}
#endif

void cconc__fd_close(plat_fd *fd)
{
    bool could = cconc__thread_let_cancel(false);
    int saved = errno;
    fd_close_ends(fd);
    errno = saved;
    (void)cconc__thread_let_cancel(could);
}

void cconc__fd_raise(int write_end)
{
    bool could = cconc__thread_let_cancel(false);
    int saved = errno;
    uint64_t one = 1;
    ssize_t written;
    do {
        written = write(write_end, &one, sizeof(one));
    } while (written < 0 && errno == EINTR);
    errno = saved;
    (void)cconc__thread_let_cancel(could);
}

void cconc__fd_await(plat_fd *fd, int other)
{
    int saved = errno;
    struct pollfd both[] = {{fd->read_end, POLLIN, 0}, {other, POLLIN, 0}};
    const struct timespec nap = {0, 10000000};
    uint64_t taken;
    ssize_t got;
    bool other_is_readable;
    do {
        int ready = poll(both, 2, -1);
        if (ready < 0 && errno != EINTR) { /* no descriptor may be polled: look now and then */
            (void)nanosleep(&nap, NULL);
        }
        got = read(fd->read_end, &taken, sizeof(taken));
        other_is_readable = ready > 0 && both[1].revents != 0;
    } while (got < 1 && !other_is_readable);
    errno = saved;
}

#endif
