/* timer.h - one point in time: a value to wait for, or a function that runs then.
 * SPDX-License-Identifier: MIT
 *
 * Model     A timer is started with a delay and is due once. A waited timer then has a value, its
 *           due time, for one receiver. A function timer then has its function run on a thread of
 *           the library's, at the same time as anything else. The behaviour is that of Go's
 *           time.Timer since Go 1.23: after stop or reset nothing of the past can be received.
 * Example   int err = cconc_timer_new_func(50 * CCONC_MS, save, doc, &timer);
 *                                                                  (examples/timer_debounce.c)
 * Lifetime  new allocates, free releases. No wait may be blocked when free starts; free of a
 *           function timer waits for its running function, except from inside it.
 * Threads   Every function, any thread, any time; only free must be alone.
 * Blocking  wait, until the timer is due, stopped, or the context ends; stop_wait and free, until
 *           the function has returned.
 * Orders    O1 new and reset happen before the function that they start, and before the return of
 *           the wait that receives their value.
 *           O2 The end of a function happens before the return of the stop_wait or free that waited
 *           for it.
 * Progress  Earlier due times first, equal ones in order of starting. Waiters are served in order
 *           of arrival.
 * Errors    EPIPE   stopped (wait, until the next reset)    EAGAIN  try_wait: not due
 *           ECANCELED, ETIMEDOUT  the context ended         EINVAL  no function, or a wait for one
 *           ENOMEM  new only
 * Limits    Memory; a million started timers are kept at logarithmic cost. A delay <= 0 is over at
 *           once, one beyond the clock's range never. */
#ifndef CCONC_TIMER_H
#define CCONC_TIMER_H

#include <cconc/base.h>

CCONC_BEGIN_DECLS

/* What a function timer runs. A pthread_exit inside counts as return. */
typedef void (*cconc_timer_fn)(void *arg);

/* Make a waited timer that is due delay_ns from now. With CCONC_NEVER it waits for a reset.
 * Returns:  0, EINVAL (out_timer is NULL), ENOMEM. */
CCONC_API CCONC_NODISCARD int cconc_timer_new(int64_t delay_ns, cconc_timer **out_timer);

/* Make a function timer that runs fn(arg) delay_ns from now.
 * Returns:  0, EINVAL (fn or out_timer is NULL), ENOMEM. */
CCONC_API CCONC_NODISCARD int cconc_timer_new_func(int64_t delay_ns, cconc_timer_fn fn, void *arg,
                                                   cconc_timer **out_timer);

/* Wait until timer, a waited one, is due, and write its due time to *out_due_ns (or NULL).
 * Returns:  0, EPIPE, ECANCELED, ETIMEDOUT, EINVAL (a function timer). A context that is done on
 *           entry wins.
 * Blocks:   also after the value has been received, until the next reset or stop. */
CCONC_API CCONC_NODISCARD int cconc_timer_wait(cconc_timer *timer, cconc_ctx *ctx,
                                               int64_t *out_due_ns);

/* Do the same without waiting; out_due_ns may be NULL.
 * Returns:  0, EAGAIN, EPIPE, EINVAL (a function timer). */
CCONC_API CCONC_NODISCARD int cconc_timer_try_wait(cconc_timer *timer, int64_t *out_due_ns);

/* Stop timer. Blocked waits end with EPIPE, cases of a select stay and are not ready.
 * Returns:  true if that prevented something: the function will not run; the value, even one that
 *           was due, has been received by nobody. False if the function has been started, the value
 *           received, or the timer was not running. */
CCONC_API bool cconc_timer_stop(cconc_timer *timer);

/* Stop timer, then wait until none of its functions runs any more, except from inside one.
 * Returns:  what stop would. */
CCONC_API bool cconc_timer_stop_wait(cconc_timer *timer);

/* Start timer anew, due delay_ns from now. Blocked waits go on. After false the function may
 * overlap its previous run.
 * Returns:  what stop would have returned. */
CCONC_API bool cconc_timer_reset(cconc_timer *timer, int64_t delay_ns);

/* Give the number of waits that are blocked; a hint as soon as it is read. */
CCONC_API size_t cconc_timer_waiters(const cconc_timer *timer);

/* Stop and release timer; NULL is nothing. A function that runs meanwhile may call reset, which
 * does nothing then. Blocked waiters abort, with their number. */
CCONC_API void cconc_timer_free(cconc_timer *timer);

CCONC_END_DECLS

#endif
