/* cpu.c - how many processors there are for us, and how to leave one for a moment
 * SPDX-License-Identifier: MIT
 *
 * Idea        The affinity mask counts, not the machine: a process pinned to one CPU must not spin.
 * Invariants  I1 The answer is at least 1, and errno is as it was.
 * Locks       None.
 * Ordering    None.
 * Lifetime    Nothing is kept.
 * Rejected    sysconf alone: it counts CPUs that this process may not use. Yields alone while
 *             another thread is to go on: by strict priorities a lower one never would. */
#include "plat/cpu.h"

#if !defined(CCONC_PLAT_HEADER)

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "plat/thread.h"

uint32_t cconc__cpu_count(void)
{
    long online;
    int saved = errno;
#if defined(__linux__)
    cpu_set_t mine;
    CPU_ZERO(&mine);
    if (sched_getaffinity(0, sizeof(mine), &mine) == 0 && CPU_COUNT(&mine) > 0) {
        return (uint32_t)CPU_COUNT(&mine);
    }
#endif
    online = sysconf(_SC_NPROCESSORS_ONLN);
    errno = saved;
    return online > 0 ? (uint32_t)online : 1;
}

void cconc__cpu_doze(void)
{
    static const struct timespec moment = {0, PLAT_CPU_DOZE_NS};
    int saved = errno;
    bool was = cconc__thread_let_cancel(false);
    (void)nanosleep(&moment, NULL);
    (void)cconc__thread_let_cancel(was);
    errno = saved;
}

#endif
