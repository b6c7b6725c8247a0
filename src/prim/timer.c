/* timer.c - timers: waited ones; which kind it is
 * SPDX-License-Identifier: MIT
 *
 * Idea        A waited timer is an expiry (core/expiry.c): nothing runs for it while nobody waits.
 *             A function timer (timer_func.c) shares nothing with it but the name, and a first
 *             member that tells them apart.
 * Invariants  I1 Once its value has been received a waited timer is not running.
 * Locks       The expiry's, rank EXPIRY.
 * Ordering    None but the lock's and the timer service's.
 * Lifetime    The expiry's, or the function timer's.
 * Rejected    A function timer as an expiry: it was three times as large, and start and stop took
 *             two locks (0024). */
#include "prim/timer.h"

#include "core/expiry.h"
#include "core/must.h"
#include "core/node.h"
#include "plat/alloc.h"
#include "plat/clock.h"

#include <errno.h>

static void timer_received_locked(expiry *e, int64_t now_ns)
{
    cconc__lock_assert_held(&e->mu);
    (void)now_ns;
    e->is_running = false;
}

int cconc_timer_new(int64_t delay_ns, cconc_timer **out_timer)
{
    MUST_ALIGN(out_timer, cconc_timer *);
    int64_t due_ns = plat_clock_add(plat_clock_now(), delay_ns);
    expiry *e;
    int err;
    if (!out_timer) {
        return EINVAL;
    }
    e = cconc__alloc(sizeof(*e));
    err = e ? cconc__expiry_init(e) : ENOMEM;
    if (err) {
        cconc__alloc_free(e);
        return err;
    }
    e->received_locked = timer_received_locked;
    e->due_ns = due_ns; /* no lock: nobody has it yet */
    e->is_running = true;
    *out_timer = (cconc_timer *)(void *)e;
    return 0;
}

int cconc_timer_new_func(int64_t delay_ns, cconc_timer_fn fn, void *arg, cconc_timer **out_timer)
{
    MUST_ALIGN(out_timer, cconc_timer *);
    return out_timer && fn ? cconc__timer_func_new(delay_ns, fn, arg, out_timer) : EINVAL;
}

int cconc_timer_wait(cconc_timer *t, cconc_ctx *ctx, int64_t *out_due_ns)
{
    MUST_POINT(t, expiry);
    MUST_ALIGN(ctx, cconc_ctx);
    MUST_ALIGN(out_due_ns, int64_t);
    expiry *e = expiry_of(t);
    return e ? cconc__expiry_wait(e, ctx, out_due_ns) : EINVAL;
}

int cconc_timer_try_wait(cconc_timer *t, int64_t *out_due_ns)
{
    MUST_POINT(t, expiry);
    MUST_ALIGN(out_due_ns, int64_t);
    expiry *e = expiry_of(t);
    return e ? cconc__expiry_try(e, out_due_ns) : EINVAL;
}

static bool waited_stop(expiry *e)
{
    expiry_work work = EXPIRY_WORK_INIT;
    bool prevented;
    cconc__expiry_take(e);
    prevented = cconc__expiry_stop_locked(e, &work);
    cconc__expiry_leave(e, &work);
    return prevented;
}

static bool timer_stop(cconc_timer *t)
{
    expiry *e = expiry_of(t);
    return e ? waited_stop(e) : cconc__timer_func_stop(t);
}

bool cconc_timer_stop(cconc_timer *t)
{
    MUST_POINT(t, expiry);
    return timer_stop(t);
}

bool cconc_timer_stop_wait(cconc_timer *t)
{
    MUST_POINT(t, expiry);
    bool prevented = timer_stop(t);
    if (!expiry_of(t)) {
        cconc__timer_func_wait(t);
    }
    return prevented;
}

bool cconc_timer_reset(cconc_timer *t, int64_t delay_ns)
{
    MUST_POINT(t, expiry);
    expiry_work work = EXPIRY_WORK_INIT;
    int64_t due_ns = plat_clock_add(plat_clock_now(), delay_ns);
    expiry *e = expiry_of(t);
    bool prevented;
    if (!e) {
        return cconc__timer_func_reset(t, due_ns);
    }
    cconc__expiry_take(e);
    prevented = cconc__expiry_start_locked(e, due_ns, &work);
    cconc__expiry_leave(e, &work);
    return prevented;
}

size_t cconc_timer_waiters(const cconc_timer *t)
{
    MUST_POINT(t, expiry);
    expiry *e = expiry_of((void *)(uintptr_t)t);
    return e ? cconc__expiry_waiters(e) : 0;
}

void cconc_timer_free(cconc_timer *t)
{
    MUST_ALIGN(t, expiry);
    expiry *e = t ? expiry_of(t) : NULL;
    if (e) {
        size_t waiters = cconc__expiry_waiters(e);
        MUST(waiters == 0, "timer free with %zu waiters", waiters);
        (void)waited_stop(e);
        cconc__expiry_unref(e);
    } else if (t) {
        cconc__timer_func_free(t);
    }
}
