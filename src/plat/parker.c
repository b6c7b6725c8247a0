/* parker.c - how one thread sleeps, and how another wakes it
 * SPDX-License-Identifier: MIT
 *
 * Idea        The state word is the truth; mutex and condition variable only pass the time. A waker
 *             that finds the owner awake has done its work with one exchange.
 * Picture            park(): CAS under mu              unpark(): swap
 *             EMPTY ------------------------> PARKED ------------------> WOKEN
 *               |  ^                            |                          |
 *               |  +----- deadline passed ------+                          |
 *               +--------------- unpark(): swap -------------------------> |
 *               ^------------------ the owner takes the wake --------------+
 * Invariants  I1 Only the owner moves the word to PARKED or EMPTY, only wakers to WOKEN.
 *             I2 PARKED is set and left under mu, and the owner looks for the wake between any two
 *                waits; so a waker that saw PARKED and then took mu knows that the owner is inside
 *                the wait, or takes the wake before it waits again.
 *             I3 While the clock is virtual nobody sleeps by it on the system's time: whoever moves
 *                the clock calls and rings. It moves, or changes, before the call takes mu; so the
 *                owner has either seen that, or is inside the wait and hears the ring.
 * Locks       mu, a leaf.
 * Ordering    park.1  cconc__parker_unpark(): swap rel -> cconc__parker_park(), parker_poll():
 *                     load acq    everything the waker wrote before the wake
 *             park.2  cconc__parker_unpark(), cconc__parker_ring(): sub acqrel ->
 *                     parker_is_in_use(): load acq    the waker's last touch, for whoever wants to
 *                     release the parker
 * Lifetime    The waker's mutex and signal come after the exchange that lets the owner go, so a
 *             parker must outlive its owner's wait: parkers are type-stable (core/self.c). A signal
 *             that comes late wakes the next owner for nothing, which the loop absorbs.
 * Rejected    A semaphore: no monotonic deadline in POSIX. Signalling under mu: the owner wakes
 *             only to wait for mu. */
#include "plat/parker.h"

#include "plat/clock.h"

int cconc__parker_init(parker *p)
{
    int err = cconc__mutex_init(&p->mu);
    if (err) {
        return err;
    }
    err = cconc__cond_init(&p->cond);
    if (err) {
        cconc__mutex_destroy(&p->mu);
        return err;
    }
    atom_init(&p->state, PARKER_EMPTY);
    atom_init(&p->wakers, 0);
    p->posted_ns = 0;
    p->until_ns = PLAT_NEVER;
    p->is_due = false;
    return 0;
}

void cconc__parker_destroy(parker *p)
{
    cconc__cond_destroy(&p->cond);
    cconc__mutex_destroy(&p->mu);
}

/* The owner leaves PARKED: by the wake if there is one, else by itself. */
static bool parker_leave(parker *p)
{
    uint32_t found = PARKER_PARKED;
    if (atom_cas_rlx_rlx(&p->state, &found, PARKER_EMPTY)) { /* rlx: nothing was sent */
        return false;
    }
    return parker_poll(p);
}

/* Wait once. Returns false if the deadline has passed. */
static bool parker_wait(parker *p, int64_t deadline_ns, bool by_real)
{
    if (by_real || !plat_clock_is_virtual()) {
        return cconc__cond_wait(&p->cond, &p->mu, deadline_ns);
    }
    if (deadline_ns <= plat_clock_now()) {
        return false;
    }
    (void)cconc__cond_wait(&p->cond, &p->mu, PLAT_NEVER); /* it has no deadline to miss */
    return true;
}

static bool parker_sleep(parker *p, int64_t deadline_ns, bool by_real)
{
    uint32_t found = PARKER_EMPTY;
    bool woken;
    plat_mutex_lock(&p->mu);
    if (!atom_cas_rlx_rlx(&p->state, &found, PARKER_PARKED)) { /* rlx: poll acquires */
        p->until_ns = PLAT_NEVER;
        plat_mutex_unlock(&p->mu);
        return parker_poll(p);
    }
    p->until_ns = by_real ? PLAT_NEVER : deadline_ns;
    for (;;) {
        bool in_time = parker_wait(p, deadline_ns, by_real);
        woken = parker_poll(p);
        if (woken) {
            break;
        }
        if (!in_time) {
            woken = parker_leave(p);
            break;
        }
    }
    p->until_ns = PLAT_NEVER;
    plat_mutex_unlock(&p->mu);
    return woken;
}

bool cconc__parker_park(parker *p, int64_t deadline_ns)
{
    return parker_sleep(p, deadline_ns, false);
}

bool cconc__parker_rest(parker *p, int64_t deadline_ns)
{
    return parker_sleep(p, deadline_ns, true);
}

void cconc__parker_aim(parker *p, int64_t deadline_ns)
{
    plat_mutex_lock(&p->mu);
    p->until_ns = deadline_ns;
    plat_mutex_unlock(&p->mu);
}

int64_t cconc__parker_until(parker *p)
{
    int64_t until_ns;
    plat_mutex_lock(&p->mu);
    until_ns = p->until_ns;
    plat_mutex_unlock(&p->mu);
    return until_ns;
}

bool cconc__parker_call(parker *p, int64_t now_ns, bool is_due)
{
    bool calls;
    plat_mutex_lock(&p->mu);
    calls = p->until_ns != PLAT_NEVER && p->until_ns <= now_ns && !p->is_due;
    if (calls) {
        p->is_due = is_due;
        (void)atom_add_rlx(&p->wakers, 1); /* rlx: mu shows it to the owner, as it leaves */
    }
    plat_mutex_unlock(&p->mu);
    return calls;
}

void cconc__parker_ring(parker *p)
{
    cconc__cond_signal(&p->cond);
    (void)atom_sub_acqrel(&p->wakers, 1); /* [park.2] rel: the last touch */
}

bool cconc__parker_unpark(parker *p)
{
    bool slept;
    (void)atom_add_rlx(&p->wakers, 1); /* rlx: the swap shows it to whoever takes the wake */
    slept = atom_swap_rel(&p->state, PARKER_WOKEN) == PARKER_PARKED; /* [park.1] rel */
    if (slept) {
        plat_mutex_lock(&p->mu); /* I2: from here on the owner can hear the signal */
        plat_mutex_unlock(&p->mu);
        cconc__cond_signal(&p->cond);
    }
    (void)atom_sub_acqrel(&p->wakers, 1); /* [park.2] rel: the last touch */
    return slept;
}
