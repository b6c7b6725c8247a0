/* clock.h - the monotonic clock, in nanoseconds
 * SPDX-License-Identifier: MIT
 */
#ifndef PLAT_CLOCK_H
#define PLAT_CLOCK_H

#include <stdint.h>
#include <time.h>

#define PLAT_NEVER INT64_MAX
#define PLAT_SECOND INT64_C(1000000000)

static inline int64_t plat_clock_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * PLAT_SECOND + (int64_t)now.tv_nsec;
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
