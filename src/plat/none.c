/* none.c - what no port has: descriptors, signals and forked children
 * SPDX-License-Identifier: MIT
 *
 * Idea        No descriptor can be had and no signal hooked, so that the calls that want one say
 *             so, with codes that they have anyway. What would follow is never asked for.
 * Invariants  I1 may_hook tells no, for every number.
 * Locks       None.
 * Ordering    None.
 * Lifetime    Nothing is kept.
 * Rejected    To leave out the sources that use these: the ends of services and children ask all of
 *             them, and a linker drops what a program does not call. */
#include "plat/fd.h"
#include "plat/fork.h"
#include "plat/signal.h"

#if defined(CCONC_PLAT_HEADER)

#include <errno.h>

#include "plat/os.h"

int cconc__fd_open(plat_fd *fd)
{
    (void)fd;
    return EMFILE;
}

void cconc__fd_close(plat_fd *fd)
{
    (void)fd;
    cconc__os_abort();
}

void cconc__fd_raise(int write_end)
{
    (void)write_end;
    cconc__os_abort();
}

void cconc__fd_await(plat_fd *fd, int other)
{
    (void)fd;
    (void)other;
    cconc__os_abort();
}

const int cconc__signal_defaults[PLAT_SIGNAL_DEFAULTS] = {0, 0};

bool cconc__signal_may_hook(int number)
{
    (void)number;
    return false;
}

const char *cconc__signal_name(int number)
{
    (void)number;
    return NULL;
}

int cconc__signal_open(const plat_fd *fd)
{
    (void)fd;
    return EMFILE;
}

void cconc__signal_close(void)
{
}

void cconc__signal_await(plat_fd *fd)
{
    cconc__fd_await(fd, -1);
}

void cconc__signal_collect(void)
{
}

int cconc__signal_hook(int number)
{
    (void)number;
    return EINVAL;
}

void cconc__signal_unhook(int number)
{
    (void)number;
}

void cconc__signal_exit_add(signal_exit *one)
{
    (void)one;
}

void cconc__signal_exit_remove(signal_exit *one)
{
    (void)one;
}

void cconc__signal_forked(bool is_open)
{
    (void)is_open;
}

void cconc__signal_pass_on(int number)
{
    (void)number;
}

bool cconc__signal_has(int number)
{
    (void)number;
    return false;
}

bool cconc__signal_take(int number)
{
    (void)number;
    return false;
}

void cconc__fork_adopt(void)
{
}

uint32_t cconc__fork_number(void)
{
    return 0;
}

#endif
