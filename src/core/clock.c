/* clock.c - the library clock, and how a virtual one moves
 * SPDX-License-Identifier: MIT
 *
 * Idea        A virtual clock stands still, and nobody sleeps by it on the system's time. advance()
 *             moves it from due time to due time: the earliest of all parked waits and armed
 *             timers. At each it wakes those waits and the timer service, and waits until all that
 *             was released has settled, so that what that makes due comes in its turn (0012).
 * Picture     advance():  settled? --> next due time, at most the target --> set, call, ring
 *                            ^                                                    |
 *                            +---- owing == 0, and the timer service is not late -+
 * Invariants  I1 owing = waits that the clock has released and that are not disarmed, and functions
 *                that it released and that neither returned nor wait in the library.
 *             I2 One thread at a time moves or changes the clock: is_moving is its.
 *             I3 The virtual clock stands below PLAT_NEVER: what is due never stays so.
 * Locks       clock_mu, rank CLOCK: owing, released and is_moving. Nothing else is called under it.
 * Ordering    None but clock_mu's: all that settled, to the advance() that waited for it.
 * Lifetime    Static.
 * Rejected    Waiting for released threads to come back to a wait: one that blocks elsewhere would
 *             hang the test (0012). A list of the parked: it would cost each timed wait a lock that
 *             all share; the records of all threads are looked through instead. */
#include "core/clock.h"

#include <cconc/clock.h>

#include "core/lock.h"
#include "core/quiet.h"
#include "core/self.h"
#include "core/timer.h"
#include "plat/clock.h"
#include "plat/fork.h"

#include <errno.h>

static lock clock_mu = LOCK_INIT(RANK_CLOCK);
static size_t owing;    /* (m) */
static size_t released; /* (m) how often something came to owe; may wrap */
static bool is_moving;  /* (m) */

int64_t cconc_clock_now(void)
{
    return plat_clock_now();
}

int64_t cconc_clock_after(int64_t duration_ns)
{
    return plat_clock_add(plat_clock_now(), duration_ns);
}

/* What is owed. */

void cconc__clock_owe(size_t count)
{
    lock_take(&clock_mu);
    owing += count;
    released++;
    lock_leave(&clock_mu);
}

void cconc__clock_settle(void)
{
    lock_take(&clock_mu);
    owing--; /* the one who released it may count it later: it wraps for a moment */
    lock_leave(&clock_mu);
    cconc__quiet_tell();
}

bool cconc__clock_owe_function(void)
{
    bool owes = plat_clock_is_virtual();
    if (owes) {
        cconc__clock_owe(1);
    }
    return owes;
}

void cconc__clock_begin(bool owes)
{
    self_get()->is_due = owes;
}

void cconc__clock_end(void)
{
    self *me = self_get();
    if (me->is_due) {
        me->is_due = false;
        cconc__clock_settle();
    }
}

/* The one who moves or changes the clock. */

static bool clock_claim(void)
{
    bool is_ours;
    lock_take(&clock_mu);
    is_ours = !is_moving;
    is_moving = true;
    lock_leave(&clock_mu);
    return is_ours;
}

static void clock_release(void)
{
    lock_take(&clock_mu);
    is_moving = false;
    lock_leave(&clock_mu);
}

static bool clock_is_owed(size_t *out_released)
{
    bool owes;
    lock_take(&clock_mu);
    owes = owing > 0;
    *out_released = released;
    lock_leave(&clock_mu);
    return owes;
}

/* Nothing owes, no timer is late, and nothing came to owe between two looks: then nothing of the
 * clock's went on meanwhile that could have armed another timer. */
static bool clock_is_unsettled(void)
{
    size_t before;
    size_t after;
    return clock_is_owed(&before) || cconc__timer_is_late() || clock_is_owed(&after) ||
           after != before;
}

static void clock_await_settled(void)
{
    (void)cconc__quiet_wait(NULL, clock_is_unsettled); /* no context: it returns 0 */
}

/* The clock stands at now_ns: release all that is due. */
static void clock_release_due(int64_t now_ns)
{
    size_t count;
    self *called = cconc__self_call(now_ns, true, &count);
    cconc__clock_owe(count);
    cconc__self_ring(called);
    if (cconc__timer_is_late()) {
        cconc__timer_kick();
    }
}

/* Everybody looks at the clock anew: it is another one. */
static void clock_show(void)
{
    size_t count;
    cconc__self_ring(cconc__self_call(PLAT_NEVER, false, &count));
    if (cconc__timer_armed() > 0) { /* else its service may only be about to start */
        cconc__timer_kick();
    }
}

int cconc_clock_virtual(void)
{
    int64_t first_ns;
    int err = 0;
    if (!clock_claim()) {
        return EBUSY;
    }
    if (!plat_clock_is_virtual()) {
        cconc__clock_freeze();
        if (cconc__self_blocked(&first_ns) > 0) { /* looked at afterwards: see parker.c, I3 */
            cconc__clock_unset();
            err = EBUSY;
        }
        clock_show();
    }
    clock_release();
    return err;
}

/* Does anybody wait for a time, or is anything due some day? */
static bool clock_is_awaited(void)
{
    int64_t first_ns;
    return cconc__self_blocked(&first_ns) > 0 || cconc__timer_next() != PLAT_NEVER;
}

int cconc_clock_real(void)
{
    int err = 0;
    if ((plat_clock_is_virtual() && cconc__timer_is_me()) || !clock_claim()) {
        return EBUSY;
    }
    if (plat_clock_is_virtual()) {
        /* A function may have returned before the service is through with what called it. */
        (void)cconc__quiet_wait(NULL, cconc__timer_is_late); /* no context: it returns 0 */
        err = clock_is_awaited() ? EBUSY : 0; /* before anybody can see the real time */
        if (!err) { /* for good: what begins from here on goes by the real clock */
            cconc__clock_unset();
            clock_show();
        }
    }
    clock_release();
    return err;
}

static void clock_advance_to(int64_t target_ns)
{
    int64_t now_ns;
    do {
        int64_t first_ns;
        int64_t timer_ns;
        clock_await_settled();
        (void)cconc__self_blocked(&first_ns);
        timer_ns = cconc__timer_next();
        now_ns = first_ns < timer_ns ? first_ns : timer_ns;
        now_ns = now_ns < target_ns ? now_ns : target_ns;
        cconc__clock_set(now_ns);
        clock_release_due(now_ns);
    } while (now_ns < target_ns);
    clock_await_settled();
}

int cconc_clock_advance(int64_t duration_ns)
{
    int64_t target_ns;
    if (duration_ns < 0) {
        return EINVAL;
    }
    if (!plat_fork_is_ours()) {
        return ENOTRECOVERABLE;
    }
    if (cconc__timer_is_me()) {
        return EDEADLK;
    }
    if (!clock_claim()) {
        return EBUSY;
    }
    if (!plat_clock_is_virtual()) {
        clock_release();
        return EBUSY;
    }
    cconc__clock_end(); /* a function that advances owes nothing any more */
    target_ns = plat_clock_add(plat_clock_now(), duration_ns);
    clock_advance_to(target_ns < PLAT_NEVER ? target_ns : PLAT_NEVER - 1);
    clock_release();
    return 0;
}

void cconc__clock_forked(void)
{
    cconc__lock_forked(&clock_mu);
    cconc__clock_reading_forked();
    owing = 0;
    is_moving = false;
}

size_t cconc_clock_waiters(void)
{
    int64_t first_ns;
    return cconc__self_blocked(&first_ns);
}
