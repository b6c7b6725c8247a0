/* fork_child.c - a forked child becomes a process of its own
 * SPDX-License-Identifier: MIT
 *
 * Idea        A child has one thread, and a copy of everything else: locks that threads held which
 *             it does not have, services without their threads, queues of waiters on stacks that
 *             are no more. Objects cannot be mended, so they stay as they are. What all share is
 *             made new, file by file, and only then is the process said to be ours.
 * Invariants  I1 Until the very end each wait, each lock and each signal knows of the fork.
 * Locks       None is taken: all are made anew. There is one thread.
 * Ordering    None: there is one thread.
 * Lifetime    What the services had is left where it lies: nobody knows in which state.
 * Rejected    A handler of pthread_atfork() that takes all locks before the fork: it waits for all
 *             objects in use, in every fork of the program, most of which only want to exec. */
#include <cconc/process.h>

#include "core/clock.h"
#include "core/executor.h"
#include "core/local.h"
#include "core/lot.h"
#include "core/must.h"
#include "core/quiet.h"
#include "core/self.h"
#include "core/sigwatch.h"
#include "core/timer.h"
#include "plat/fork.h"
#include "prim/flight.h"

int cconc_fork_child(void)
{
    bool is_service;
    int err;
    if (plat_fork_is_ours()) {
        return 0;
    }
    cconc__misuse_forked();
    cconc__clock_forked();
    cconc__quiet_forked();
    cconc__lot_forked();
    cconc__local_forked();
    cconc__sigwatch_forked();
    cconc__executor_forked();
    is_service = cconc__timer_forked();
#if !defined(CCONC_ENABLE_FLIGHT) || CCONC_ENABLE_FLIGHT
    cconc__flight_ring_forked();
#endif
    err = cconc__self_forked(is_service);
    if (!err) {
        cconc__fork_adopt();
    }
    return err;
}
