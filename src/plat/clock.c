/* clock.c - the reading of the virtual clock
 * SPDX-License-Identifier: MIT
 *
 * Idea        One flag says which clock is the library's. Reading the real one costs that flag's
 *             load more; the virtual one is for tests, and behind a mutex: it needs no atomic wider
 *             than a pointer.
 * Invariants  I1 While the flag is set the reading never falls.
 *             I2 Nor does time when the real clock is frozen: the flag is set before the real time
 *                is read that the virtual clock starts with, and who read the real time looks at
 *                the flag afterwards.
 * Locks       reading_mu, a leaf below every other: time is read under all of them.
 * Ordering    The flag is relaxed. It is set under the mutex, together with the reading: whoever
 *             sees it and then has the mutex reads what was set. Reading the real time keeps what
 *             comes before and after it in order.
 * Lifetime    Static.
 * Rejected    A function to be called for the time: a call through a pointer for every reading. */
#include "plat/clock.h"

#include "plat/mutex.h"

atom_u32 cconc__clock_is_set;

static plat_mutex reading_mu = PLAT_MUTEX_INIT;
static int64_t reading_ns; /* (m) */

int64_t cconc__clock_reading(void)
{
    int64_t now_ns;
    plat_mutex_lock(&reading_mu);
    now_ns = reading_ns;
    plat_mutex_unlock(&reading_mu);
    return now_ns;
}

void cconc__clock_freeze(void)
{
    plat_mutex_lock(&reading_mu);
    atom_store_rlx(&cconc__clock_is_set, 1); /* rlx: see above */
    reading_ns = plat_clock_real();
    plat_mutex_unlock(&reading_mu);
}

void cconc__clock_set(int64_t now_ns)
{
    plat_mutex_lock(&reading_mu);
    if (now_ns > reading_ns) {
        reading_ns = now_ns;
    }
    plat_mutex_unlock(&reading_mu);
}

void cconc__clock_unset(void)
{
    atom_store_rlx(&cconc__clock_is_set, 0); /* rlx: nothing is behind it */
}

void cconc__clock_reading_forked(void)
{
    reading_mu = (plat_mutex)PLAT_MUTEX_INIT;
}
