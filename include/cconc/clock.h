/* clock.h - the library clock: monotonic time in nanoseconds, and deadlines on it.
 * SPDX-License-Identifier: MIT
 *
 * Model     One clock that never goes back and that no change of the wall clock touches. A deadline
 *           is a reading of it. It counts sleep of the machine as CLOCK_MONOTONIC does.
 * Example   int64_t until_ns = cconc_clock_after(50 * CCONC_MS);   (examples/ctx_deadline.c)
 * Lifetime  none
 * Threads   Every function, any thread, any time.
 * Blocking  none
 * Orders    none
 * Progress  Wait-free.
 * Errors    none
 * Limits    Sums saturate at CCONC_NEVER. */
#ifndef CCONC_CLOCK_H
#define CCONC_CLOCK_H

#include <cconc/base.h>

#define CCONC_US INT64_C(1000)
#define CCONC_MS INT64_C(1000000)
#define CCONC_SECOND INT64_C(1000000000)

CCONC_BEGIN_DECLS

/* Read the library clock, in nanoseconds. */
CCONC_API int64_t cconc_clock_now(void);

/* Give the deadline that is duration_ns from now.
 * Returns:  now when duration_ns <= 0; CCONC_NEVER when the sum does not fit. */
CCONC_API int64_t cconc_clock_after(int64_t duration_ns);

CCONC_END_DECLS

#endif
