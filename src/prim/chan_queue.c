/* chan_queue.c - the blocked callers of a buffered channel
 * SPDX-License-Identifier: MIT
 *
 * Idea        A blocked caller is told READY and tries again like anybody else, so that a running
 *             caller may drain or fill the ring while it wakes; until it has come back (arrive)
 *             nobody else is woken: one wake for a batch. Whoever has waited CHAN_AGED_NS at the
 *             head is served directly: others are kept off the ring by RING_DIRECT, and the next
 *             element or slot is moved on its behalf.
 * Invariants  I1 RING_WAKE is set in the other direction's word iff the queue is not empty and
 *                nobody is waking, or RING_DIRECT is set; whoever sets it looks at the ring
 *                afterwards.
 *             I2 RING_DIRECT is set only while the queue is not empty.
 *             I3 Each READY is followed by one arrive.
 * Locks       mu, rank CHAN. Batches are woken after it.
 * Ordering    None but [ring.4]: the flags are one word with the position.
 * Lifetime    See waiter.c: nodes lie on the stacks of their waiters.
 * Rejected    Handing over every element directly: each costs a wake-up, and the ring never
 *             fills. */
#include "prim/chan.h"

#include "core/must.h"
#include "core/spin.h"
#include "plat/clock.h"

#define CHAN_AGED_NS INT64_C(1000000)

static bool node_is_aged(const wait_node *node)
{
    return node && plat_clock_real() - node->since_ns >= CHAN_AGED_NS;
}

static bool queue_is_direct_locked(cconc_chan *ch, chan_dir dir)
{
    cconc__lock_assert_held(&ch->mu);
    return ring_has_flag(&ch->ring, dir, RING_DIRECT);
}

/* Restore I1 and I2. */
static void queue_update_locked(cconc_chan *ch, chan_dir dir)
{
    chan_side *side = &ch->side[dir];
    bool any = side->queue.count > 0;
    cconc__lock_assert_held(&ch->mu);
    if (!any) {
        ring_set_flag(&ch->ring, dir, RING_DIRECT, false);
    }
    ring_set_flag(&ch->ring, ring_other(dir), RING_WAKE,
                      any && (!side->waking || queue_is_direct_locked(ch, dir)));
}

/* Tell the first waiter that is still waiting to try again. */
static void queue_tell_one_locked(cconc_chan *ch, chan_dir dir, wake_batch *batch)
{
    chan_side *side = &ch->side[dir];
    wait_node *node;
    cconc__lock_assert_held(&ch->mu);
    while (!side->waking && (node = waitq_first(&side->queue)) != NULL) {
        waitq_remove(&side->queue, node);
        if (waiter_claim(node->w, CLAIM_READY, node->index)) {
            side->waking = true;
            batch_add(batch, node);
        }
    }
}

/* Move elements on behalf of the waiters at the head, as long as they are aged and slots are ready.
 * Returns true if the other direction wants a wake. */
static bool queue_serve_aged_locked(cconc_chan *ch, chan_dir dir, wake_batch *batch)
{
    chan_side *side = &ch->side[dir];
    wait_node *node = waitq_first(&side->queue);
    bool wake = false;
    bool any = false;
    cconc__lock_assert_held(&ch->mu);
    ring_set_flag(&ch->ring, dir, RING_DIRECT, true);
    while (node_is_aged(node) && cconc__ring_is_ready(&ch->ring, dir)) {
        waitq_remove(&side->queue, node);
        if (waiter_claim(node->w, CLAIM_GRANT, node->index)) {
            wake |= cconc__ring_move(&ch->ring, dir, node->elem);
            batch_add(batch, node);
            any = true;
        }
        node = waitq_first(&side->queue);
    }
    if (any || !node_is_aged(node)) { /* else it was overtaken: keep the others off */
        ring_set_flag(&ch->ring, dir, RING_DIRECT, false);
    }
    return wake;
}

/* Something came that the waiters of dir may have waited for. What serving them frees for the other
 * direction is passed on in turn; each round removes a waiter, so it ends. */
static void queue_serve_locked(cconc_chan *ch, chan_dir dir, wake_batch *batch)
{
    bool again = true;
    cconc__lock_assert_held(&ch->mu);
    while (again) {
        again = false;
        if (node_is_aged(waitq_first(&ch->side[dir].queue))) {
            again = queue_serve_aged_locked(ch, dir, batch);
        } else {
            ring_set_flag(&ch->ring, dir, RING_DIRECT, false);
        }
        if (!queue_is_direct_locked(ch, dir) && cconc__ring_has(&ch->ring, dir)) {
            queue_tell_one_locked(ch, dir, batch);
        }
        queue_update_locked(ch, dir);
        dir = ring_other(dir);
    }
}

void cconc__chan_ring_wake(cconc_chan *ch, chan_dir dir)
{
    wake_batch batch = WAKE_BATCH_INIT;
    lock_take(&ch->mu);
    queue_serve_locked(ch, dir, &batch);
    lock_leave(&ch->mu);
    batch_wake(&batch);
}

static bool queue_is_closed(const cconc_chan *ch)
{
    /* [ring.2] acq: what came before close */
    return (atom_load_acq(ch->ring.word[CHAN_SEND]) & RING_CLOSED) != 0;
}

int cconc__chan_ring_attempt(cconc_chan *ch, chan_dir dir, void *elem)
{
    uint32_t rounds = 0;
    for (;;) {
        wake_batch batch = WAKE_BATCH_INIT;
        bool wake = false;
        bool direct;
        int err;
        lock_take(&ch->mu);
        queue_serve_locked(ch, dir, &batch);
        direct = queue_is_direct_locked(ch, dir);
        lock_leave(&ch->mu);
        batch_wake(&batch);
        if (direct && !cconc__ring_has(&ch->ring, dir) && !queue_is_closed(ch)) {
            return EAGAIN; /* what comes next goes to those who waited */
        }
        err = direct ? EBUSY : cconc__ring_try(&ch->ring, dir, elem, &wake);
        if (wake) {
            cconc__chan_ring_wake(ch, ring_other(dir));
        }
        if (err != EBUSY) {
            return err;
        }
        cconc__spin_moment(&rounds); /* somebody is copying what the first waiter will get */
    }
}

/* Serve dir until nothing is left to serve it with. A slot that somebody is still copying is waited
 * for: that one may have taken it before it could see that anybody waits, and would wake nobody. */
static void queue_serve_all(cconc_chan *ch, chan_dir dir)
{
    uint32_t rounds = 0;
    bool more = true;
    while (more) {
        wake_batch batch = WAKE_BATCH_INIT;
        lock_take(&ch->mu);
        queue_serve_locked(ch, dir, &batch);
        more = queue_is_direct_locked(ch, dir) && cconc__ring_has(&ch->ring, dir);
        lock_leave(&ch->mu);
        batch_wake(&batch);
        if (more) {
            cconc__spin_moment(&rounds);
        }
    }
}

/* Take w back out: the second look has found that it need not wait. */
static bool queue_withdraw_locked(cconc_chan *ch, chan_dir dir, waiter *w, wait_node *node)
{
    bool withdrawn = waiter_claim(w, CLAIM_SELF, 0);
    cconc__lock_assert_held(&ch->mu);
    CHECK(node->queued);
    waitq_remove(&ch->side[dir].queue, node);
    queue_update_locked(ch, dir);
    return withdrawn;
}

wait_queued cconc__chan_ring_enqueue(cconc_chan *ch, chan_dir dir, waiter *w, wait_node *node)
{
    bool closed;
    bool direct;
    bool ready;
    bool withdrawn = false;
    lock_take(&ch->mu);
    cconc__chan_insert_locked(ch, dir, node);
    direct = waitq_first(&ch->side[dir].queue) == node && node_is_aged(node);
    if (direct) {
        ring_set_flag(&ch->ring, dir, RING_DIRECT, true);
    }
    queue_update_locked(ch, dir);
    closed = (atom_load_rlx(ch->ring.word[CHAN_SEND]) & RING_CLOSED) != 0; /* rlx: set under mu */
    ready = closed || (!direct && cconc__ring_has(&ch->ring, dir)); /* the second look */
    if (ready) {
        withdrawn = queue_withdraw_locked(ch, dir, w, node);
    }
    lock_leave(&ch->mu);
    if (ready && !withdrawn) {
        cconc__waiter_take_post(w);
        return WAIT_LOST;
    }
    if (direct && !ready) {
        queue_serve_all(ch, dir); /* the second look of one that may not be overtaken again */
    }
    return ready ? WAIT_AGAIN : WAIT_QUEUED;
}

/* This sets no flag, so it need not look at the ring: whoever was to look finds the next waiter. */
void cconc__chan_ring_leave(cconc_chan *ch, chan_dir dir, wait_node *node)
{
    lock_take(&ch->mu);
    if (node->queued) {
        waitq_remove(&ch->side[dir].queue, node);
    }
    queue_update_locked(ch, dir);
    lock_leave(&ch->mu);
}

void cconc__chan_ring_arrive(cconc_chan *ch, chan_dir dir)
{
    bool any;
    lock_take(&ch->mu);
    CHECK(ch->side[dir].waking);
    ch->side[dir].waking = false;
    queue_update_locked(ch, dir);
    any = ch->side[dir].queue.count > 0 && cconc__ring_has(&ch->ring, dir);
    lock_leave(&ch->mu);
    if (any) {
        queue_serve_all(ch, dir);
    }
}

void cconc__chan_ring_unflag_locked(cconc_chan *ch)
{
    cconc__lock_assert_held(&ch->mu);
    queue_update_locked(ch, CHAN_SEND);
    queue_update_locked(ch, CHAN_RECV);
}
