/* ticker.h - points in time at equal distances, to be waited for.
 * SPDX-License-Identifier: MIT
 *
 * Model     Ticks lie on a fixed grid, start + k * period. A tick that is due and not received
 *           stays, at most one: ticks that come meanwhile are missed, not made up for, and nothing
 *           drifts. Each tick is received once; its value is its due time. The behaviour is that of
 *           Go's time.Ticker where this header says nothing else; stop ends the waits.
 * Example   while (cconc_ticker_wait(ticker, ctx, NULL) == 0) { beats++; }
 *                                                                  (examples/ticker_loop.c)
 * Lifetime  new allocates, free releases. No wait may be blocked when free starts.
 * Threads   Every function, any thread, any time; only free must be alone.
 * Blocking  wait, until a tick, stop, or the end of the context.
 * Orders    O1 new and reset happen before the return of a wait that receives a tick of theirs.
 * Progress  Waiters are served in order of arrival, one a tick.
 * Errors    EPIPE   stopped, until the next reset     EAGAIN  try_wait: no tick
 *           ECANCELED, ETIMEDOUT  the context ended   EINVAL  a period or jitter that cannot be
 *           ENOMEM  new only
 * Limits    1 <= period; 0 <= jitter <= period. */
#ifndef CCONC_TICKER_H
#define CCONC_TICKER_H

#include <cconc/base.h>

CCONC_BEGIN_DECLS

/* All zero is the default. */
typedef struct cconc_ticker_opts {
    int64_t  jitter_ns;   /* each tick comes late by a random time below this; the grid stays */
    bool     first_now;   /* the first tick is due at once, not after one period */
    uint64_t reserved[4]; /* must be zero */
} cconc_ticker_opts;

/* Make a ticker that starts now. opts may be NULL.
 * Returns:  0, EINVAL (period_ns < 1, jitter below 0 or above the period, reserved words,
 *           out_ticker is NULL), ENOMEM. */
CCONC_API CCONC_NODISCARD int cconc_ticker_new(int64_t period_ns, const cconc_ticker_opts *opts,
                                               cconc_ticker **out_ticker);

/* Wait for a tick and write its due time to *out_due_ns (or NULL).
 * Returns:  0, EPIPE, ECANCELED, ETIMEDOUT. A context that is done on entry wins. */
CCONC_API CCONC_NODISCARD int cconc_ticker_wait(cconc_ticker *ticker, cconc_ctx *ctx,
                                                int64_t *out_due_ns);

/* Do the same without waiting; out_due_ns may be NULL.
 * Returns:  0, EAGAIN, EPIPE. */
CCONC_API CCONC_NODISCARD int cconc_ticker_try_wait(cconc_ticker *ticker, int64_t *out_due_ns);

/* Stop ticker; a pending tick is dropped. Blocked waits end with EPIPE, cases of a select stay and
 * are not ready.
 * Returns:  true if it was running. */
CCONC_API bool cconc_ticker_stop(cconc_ticker *ticker);

/* Start ticker anew: a pending tick is dropped, the next is due period_ns from now. Blocked waits
 * go on. *out_was_running (or NULL) tells whether it was running.
 * Returns:  0, EINVAL (period_ns below 1 or the jitter). */
CCONC_API CCONC_NODISCARD int cconc_ticker_reset(cconc_ticker *ticker, int64_t period_ns,
                                                 bool *out_was_running);

/* Give the number of waits that are blocked; a hint as soon as it is read. */
CCONC_API size_t cconc_ticker_waiters(const cconc_ticker *ticker);

/* Release ticker; NULL is nothing. Blocked waiters abort, with their number. */
CCONC_API void cconc_ticker_free(cconc_ticker *ticker);

CCONC_END_DECLS

#endif
