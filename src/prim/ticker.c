/* ticker.c - how a ticker ticks
 * SPDX-License-Identifier: MIT
 *
 * Idea        An expiry (core/expiry.c) whose due time, once received, moves to the first point of
 *             the grid after now. No thread and no timer runs for a tick that nobody waits for.
 * Picture     grid    |----P----|----P----|----P----|      P = period, j = jitter
 *             due              j^  missed while   j^ next  the reader received late
 * Invariants  I1 While running, grid_ns is the point of the grid that due_ns belongs to:
 *                grid_ns <= due_ns, and they differ by less than the jitter.
 * Locks       The expiry's, rank EXPIRY: all fields.
 * Ordering    None but the lock's.
 * Lifetime    That of the expiry.
 * Rejected    A queue of missed ticks: a reader that was late would run in a burst. */
#include <cconc/ticker.h>

#include "core/expiry.h"
#include "core/must.h"
#include "core/node.h"
#include "plat/alloc.h"
#include "plat/clock.h"

#include <errno.h>

/* Key  (i) immutable after new  (m) under the expiry's lock */
struct cconc_ticker {
    expiry   e;         /* first: its memory is the ticker's */
    int64_t  jitter_ns; /* (i) */
    int64_t  period_ns; /* (m) */
    int64_t  grid_ns;   /* (m) */
    uint64_t random;    /* (m) state of the generator */
};

_Static_assert(offsetof(cconc_ticker, e) == 0, "a select case finds the expiry");

/* A time below jitter_ns (SplitMix64; Steele, Lea, Flood 2014). */
static int64_t ticker_jitter_locked(cconc_ticker *ticker)
{
    uint64_t z;
    cconc__lock_assert_held(&ticker->e.mu);
    if (ticker->jitter_ns == 0) {
        return 0;
    }
    z = (ticker->random += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    z ^= z >> 31;
    return (int64_t)(z % (uint64_t)ticker->jitter_ns);
}

/* The tick has been received at now_ns, when it was due: so the whole periods that have passed
 * since its point of the grid do not reach beyond now. */
static void ticker_received_locked(expiry *e, int64_t now_ns)
{
    cconc_ticker *ticker = (cconc_ticker *)(void *)e;
    int64_t late_ns = now_ns - ticker->grid_ns;
    cconc__lock_assert_held(&e->mu);
    CHECK(late_ns >= 0);
    ticker->grid_ns = plat_clock_add(now_ns - late_ns % ticker->period_ns, ticker->period_ns);
    e->due_ns = plat_clock_add(ticker->grid_ns, ticker_jitter_locked(ticker));
}

int cconc_ticker_new(int64_t period_ns, const cconc_ticker_opts *opts, cconc_ticker **out_ticker)
{
    MUST_ALIGN(opts, cconc_ticker_opts);
    MUST_ALIGN(out_ticker, cconc_ticker *);
    static const cconc_ticker_opts defaults = {0, false, {0}};
    expiry_work work = EXPIRY_WORK_INIT;
    cconc_ticker *ticker;
    int64_t now_ns = plat_clock_now();
    int err;
    opts = opts ? opts : &defaults;
    if (!out_ticker || period_ns < 1 || opts->jitter_ns < 0 || opts->jitter_ns > period_ns ||
        !reserved_are_zero(opts->reserved, 4)) {
        return EINVAL;
    }
    ticker = cconc__alloc(sizeof(*ticker));
    if (!ticker) {
        return ENOMEM;
    }
    err = cconc__expiry_init(&ticker->e);
    if (err) {
        cconc__alloc_free(ticker);
        return err;
    }
    ticker->e.received_locked = ticker_received_locked;
    ticker->jitter_ns = opts->jitter_ns;
    ticker->period_ns = period_ns;
    ticker->random = (uint64_t)now_ns ^ ((uint64_t)(uintptr_t)ticker << 17);
    ticker->grid_ns = opts->first_now ? now_ns : plat_clock_add(now_ns, period_ns);
    cconc__expiry_take(&ticker->e);
    (void)cconc__expiry_start_locked(
        &ticker->e,
        opts->first_now ? now_ns
                        : plat_clock_add(ticker->grid_ns, ticker_jitter_locked(ticker)),
        &work);
    cconc__expiry_leave(&ticker->e, &work);
    *out_ticker = ticker;
    return 0;
}

int cconc_ticker_wait(cconc_ticker *ticker, cconc_ctx *ctx, int64_t *out_due_ns)
{
    MUST_POINT(ticker, cconc_ticker);
    MUST_ALIGN(ctx, cconc_ctx);
    MUST_ALIGN(out_due_ns, int64_t);
    return cconc__expiry_wait(&ticker->e, ctx, out_due_ns);
}

int cconc_ticker_try_wait(cconc_ticker *ticker, int64_t *out_due_ns)
{
    MUST_POINT(ticker, cconc_ticker);
    MUST_ALIGN(out_due_ns, int64_t);
    return cconc__expiry_try(&ticker->e, out_due_ns);
}

bool cconc_ticker_stop(cconc_ticker *ticker)
{
    MUST_POINT(ticker, cconc_ticker);
    expiry_work work = EXPIRY_WORK_INIT;
    bool was_running;
    cconc__expiry_take(&ticker->e);
    was_running = cconc__expiry_stop_locked(&ticker->e, &work);
    cconc__expiry_leave(&ticker->e, &work);
    return was_running;
}

int cconc_ticker_reset(cconc_ticker *ticker, int64_t period_ns, bool *out_was_running)
{
    MUST_POINT(ticker, cconc_ticker);
    expiry_work work = EXPIRY_WORK_INIT;
    bool was_running;
    if (period_ns < 1 || period_ns < ticker->jitter_ns) {
        return EINVAL;
    }
    cconc__expiry_take(&ticker->e);
    ticker->period_ns = period_ns;
    ticker->grid_ns = plat_clock_add(plat_clock_now(), period_ns);
    was_running = cconc__expiry_start_locked(
        &ticker->e, plat_clock_add(ticker->grid_ns, ticker_jitter_locked(ticker)), &work);
    cconc__expiry_leave(&ticker->e, &work);
    if (out_was_running) {
        *out_was_running = was_running;
    }
    return 0;
}

size_t cconc_ticker_waiters(const cconc_ticker *ticker)
{
    MUST_POINT(ticker, cconc_ticker);
    return cconc__expiry_waiters((expiry *)(uintptr_t)&ticker->e);
}

void cconc_ticker_free(cconc_ticker *ticker)
{
    MUST_ALIGN(ticker, cconc_ticker);
    if (ticker) {
        size_t waiters = cconc_ticker_waiters(ticker);
        MUST(waiters == 0, "ticker free with %zu waiters", waiters);
        cconc__expiry_unref(&ticker->e);
    }
}
