/* os.h - the last words of a process, and its errno
 * SPDX-License-Identifier: MIT
 */
#ifndef PLAT_OS_H
#define PLAT_OS_H

#include "plat/port.h"

#if !defined(CCONC_PLAT_HEADER)
#include <errno.h>
#endif

/* Write text to standard error, with nothing in between. */
void cconc__os_complain(const char *text);

/* End the process by SIGABRT. */
_Noreturn void cconc__os_abort(void);

/* errno as it is, and back to what it was. A port need not have one. */
static inline int os_errno(void)
{
#if defined(CCONC_PLAT_HEADER)
    return 0;
#else
    return errno;
#endif
}

static inline void os_errno_restore(int saved)
{
#if defined(CCONC_PLAT_HEADER)
    (void)saved;
#else
    errno = saved;
#endif
}

#endif
