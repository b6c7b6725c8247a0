/* clock.h - the clock of the library, in nanoseconds: the monotonic one, or a virtual one
 * SPDX-License-Identifier: MIT
 */
#ifndef PLAT_CLOCK_H
#define PLAT_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "plat/atomic.h"
#include "plat/port.h"

#if !defined(CCONC_PLAT_HEADER)
#include <time.h>
#endif

#define PLAT_NEVER INT64_MAX
#define PLAT_SECOND INT64_C(1000000000)
#define PLAT_MILLISECOND INT64_C(1000000)

extern atom_u32 cconc__clock_is_set; /* (a) not 0 = virtual, see clock.c */

/* The reading of the virtual clock. */
int64_t cconc__clock_reading(void);

/* Let the virtual clock stand where the real one is, and be the one from now on. */
void cconc__clock_freeze(void);

/* Let the virtual clock move on to now_ns, never back. */
void cconc__clock_set(int64_t now_ns);

/* Go back to the real clock. */
void cconc__clock_unset(void);

/* In a forked child: the lock of the reading is free. */
void cconc__clock_reading_forked(void);

/* The monotonic clock, for what serves the machine: how long to spin, idle threads. */
static inline int64_t plat_clock_real(void)
{
#if defined(CCONC_PLAT_HEADER)
    return cconc_port_now_ns();
#else
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * PLAT_SECOND + (int64_t)now.tv_nsec;
#endif
}

static inline bool plat_clock_is_virtual(void)
{
    return atom_load_rlx(&cconc__clock_is_set) != 0; /* rlx: see clock.c */
}

/* The clock that all waits, contexts and timers go by. */
static inline int64_t plat_clock_now(void)
{
    int64_t real_ns = plat_clock_real(); /* first: see clock.c, I2 */
    return plat_clock_is_virtual() ? cconc__clock_reading() : real_ns;
}

/* Add a duration to a time, saturating; a duration <= 0 adds nothing. */
static inline int64_t plat_clock_add(int64_t time_ns, int64_t duration_ns)
{
    if (duration_ns <= 0) {
        return time_ns;
    }
    return time_ns > PLAT_NEVER - duration_ns ? PLAT_NEVER : time_ns + duration_ns;
}

#endif
