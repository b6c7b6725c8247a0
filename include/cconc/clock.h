/* clock.h - the library clock: monotonic time in nanoseconds, deadlines on it, and a virtual one.
 * SPDX-License-Identifier: MIT
 *
 * Model     One clock that never goes back and that no change of the wall clock touches. A deadline
 *           is a reading of it. Of sleep of the machine it counts what CLOCK_MONOTONIC counts: on
 *           Linux none. For tests it can be made virtual: then it stands still, and moves only by
 *           cconc_clock_advance().
 *           No wait, context, timer, ticker or limiter sees any other time.
 * Example   int64_t until_ns = cconc_clock_after(50 * CCONC_MS);   (examples/ctx_deadline.c)
 *           int err = cconc_clock_advance(CCONC_SECOND);            (tests/unit/clock_virtual.c)
 * Lifetime  Virtual or real for the whole process.
 * Threads   Every function, any thread, any time; one at a time moves or changes the clock.
 * Blocking  advance, until all that it released has settled; real, shortly.
 * Orders    O1 What a function did that advance released, and what the library did to end a wait,
 *           happen before the return of advance.
 * Progress  Reading is wait-free while the clock is real.
 * Errors    EBUSY    waits are blocked by the other clock; advance: the clock is real; a thread
 *                    moves or changes it now
 *           EINVAL   a duration below 0          EDEADLK  advance from the timer service's thread
 * Limits    Sums saturate at CCONC_NEVER. A virtual clock stops just before it. */
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

/* Let the clock stand still where it is, from now on virtual. Armed timers and deadlines stay, and
 * are due by the virtual clock. Nothing is done if it is virtual.
 * Returns:  0, EBUSY (a wait is blocked until a time). */
CCONC_API CCONC_NODISCARD int cconc_clock_virtual(void);

/* Go back to the real clock, which may be behind the virtual one: deadlines, tickers and timers of
 * the virtual one should not be used any more. Nothing is done if it is real.
 * Blocks:   until what is due by the virtual clock has been released.
 * Returns:  0, EBUSY (a wait is blocked until a time, or a timer or the deadline of a context is
 *           armed). */
CCONC_API CCONC_NODISCARD int cconc_clock_real(void);

/* Move the virtual clock on by duration_ns. It goes from due time to due time, in order, and stops
 * at each until what is due has been released: waits have ended, contexts are done, functions of
 * timers and after-funcs have returned, or wait in the library. What these start is due in its
 * turn. A thread whose wait has ended goes on by itself: cconc_clock_waiters() tells when it waits
 * again. 0 releases what is due now.
 * Blocks:   for as long as such a function runs, or blocks outside of the library.
 * Returns:  0, EINVAL, EBUSY, EDEADLK. */
CCONC_API CCONC_NODISCARD int cconc_clock_advance(int64_t duration_ns);

/* Give the number of waits that are blocked until a time, their own or their context's, by the
 * library clock. */
CCONC_API size_t cconc_clock_waiters(void);

CCONC_END_DECLS

#endif
