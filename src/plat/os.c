/* os.c - the last words of a process
 * SPDX-License-Identifier: MIT
 *
 * Idea        One write, no stdio: the process may be in any state.
 * Invariants  I1 errno is as it was.
 * Locks       None.
 * Ordering    None.
 * Lifetime    Nothing is kept.
 * Rejected    fprintf: it locks, allocates, and may be what failed. */
#include "plat/os.h"

#if !defined(CCONC_PLAT_HEADER)

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void cconc__os_complain(const char *text)
{
    int saved = errno;
    ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written;
    errno = saved;
}

_Noreturn void cconc__os_abort(void)
{
    abort();
}

#endif
