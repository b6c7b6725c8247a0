/* expiry.c - how threads wait for a due time
 * SPDX-License-Identifier: MIT
 *
 * Idea        The due time is the whole state: the value is there once the clock has reached it, so
 *             nothing needs to run while nobody waits. The first to wait keeps the time itself: it
 *             sleeps until the due time at most, and takes the value when it wakes. Only if there
 *             are others and the keeper leaves, or the due time moves forward under it, is the
 *             alarm armed, and the timer service hands the value over.
 * Picture     start           [keeper] sleeps until due --> takes the value
 *                             [keeper, w2, w3]    keeper leaves --> alarm for w2 --> granted to w2
 * Invariants  I1 Whoever looks at the value serves the queue first: a running caller does not
 *                overtake a waiting one.
 *             I2 While somebody waits and e is running, there is a keeper with keeps_ns <= due_ns,
 *                or the alarm is armed for due_ns.
 *             I3 Only a node at the head of the queue keeps time, though others may come before it
 *                later: it then takes nothing, and the next to look serves them.
 *             I4 due_ns and is_running change only together with changes.
 * Locks       mu, rank EXPIRY: all of it. Waits are woken after it; the alarm is armed and disarmed
 *             under it.
 * Ordering    None but mu's and the waiter's.
 * Lifetime    An armed alarm has a reference, which its fire() drops.
 * Rejected    Handing every value over by the timer service, as with a heap alone: two wake-ups for
 *             each tick instead of one (0011). Every waiter sleeping until the due time: a herd. */
#include "core/expiry.h"

#include "core/must.h"
#include "core/node.h"
#include "core/quiet.h"
#include "core/waitable.h"
#include "core/waiter.h"
#include "plat/alloc.h"
#include "plat/clock.h"

#include <errno.h>

static void expiry_fire(timer *due);
static const timer_ops expiry_alarm_ops = {.fire = expiry_fire};

int cconc__expiry_init(expiry *e)
{
    int err = cconc__timer_reserve(&e->alarm);
    if (err) {
        return err;
    }
    if (cconc__lock_init(&e->mu, RANK_EXPIRY) != 0) {
        (void)cconc__timer_release(&e->alarm);
        return ENOMEM;
    }
    e->head.is_waitable = true;
    e->due_ns = PLAT_NEVER;
    e->alarm_ns = PLAT_NEVER;
    e->alarm.ops = &expiry_alarm_ops;
    waitq_init(&e->queue);
    ref_init(&e->refs, 1);
    return 0;
}

void cconc__expiry_unref(expiry *e)
{
    if (ref_put(&e->refs)) {
        cconc__lock_destroy(&e->mu);
        (void)cconc__timer_release(&e->alarm);
        cconc__alloc_free(e);
    }
}

void cconc__expiry_take(expiry *e)
{
    lock_take(&e->mu);
}

static bool expiry_has_value_locked(expiry *e, int64_t now_ns)
{
    cconc__lock_assert_held(&e->mu);
    return e->is_running && e->due_ns <= now_ns;
}

/* Receive the value, if it is there, into out_due_ns unless that is NULL. */
static bool expiry_receive_locked(expiry *e, int64_t now_ns, int64_t *out_due_ns)
{
    cconc__lock_assert_held(&e->mu);
    if (!expiry_has_value_locked(e, now_ns)) {
        return false;
    }
    if (out_due_ns) {
        *out_due_ns = e->due_ns;
    }
    e->changes++;
    e->received_locked(e, now_ns);
    return true;
}

static void expiry_remove_locked(expiry *e, wait_node *node)
{
    cconc__lock_assert_held(&e->mu);
    if (node->queued) {
        waitq_remove(&e->queue, node);
    }
    if (e->keeper == node) {
        e->keeper = NULL;
    }
}

/* Hand a value that is there to the first who can take it. One whose own time has passed comes for
 * it by itself: it keeps its place, and the value waits. */
static void expiry_serve_locked(expiry *e, int64_t now_ns, expiry_work *work)
{
    cconc__lock_assert_held(&e->mu);
    while (waitq_first(&e->queue) && expiry_has_value_locked(e, now_ns)) {
        wait_node *node = waitq_first(&e->queue);
        bool granted = waiter_claim(node->w, CLAIM_GRANT, node->index);
        if (!granted && waiter_kind(node->w) == CLAIM_TIMEOUT) {
            e->keeper = node;
            e->keeps_ns = e->due_ns;
            return;
        }
        expiry_remove_locked(e, node);
        if (granted) {
            (void)expiry_receive_locked(e, now_ns, node->elem);
            batch_add(&work->wakes, node);
        }
    }
}

/* Take the alarm back, if it is armed. */
static void expiry_disarm_locked(expiry *e, expiry_work *work)
{
    cconc__lock_assert_held(&e->mu);
    if (cconc__timer_disarm(&e->alarm)) {
        bool last = ref_put(&e->refs); /* the alarm's */
        CHECK(!last);
        (void)last;
        work->tell = true;
    }
    e->alarm_ns = PLAT_NEVER;
}

/* See that somebody watches the clock for those who wait (I2). */
static void expiry_watch_locked(expiry *e, expiry_work *work)
{
    bool needs_alarm = e->queue.count > 0 && !e->keeper && e->is_running;
    int64_t wanted_ns = needs_alarm ? e->due_ns : PLAT_NEVER;
    cconc__lock_assert_held(&e->mu);
    if (wanted_ns == e->alarm_ns) {
        return;
    }
    expiry_disarm_locked(e, work);
    e->alarm_ns = wanted_ns;
    if (wanted_ns != PLAT_NEVER) {
        ref_get(&e->refs); /* the alarm's */
        work->kick = cconc__timer_arm(&e->alarm, wanted_ns);
    }
}

void cconc__expiry_leave(expiry *e, expiry_work *work)
{
    expiry_watch_locked(e, work);
    lock_leave(&e->mu);
    batch_wake(&work->wakes);
    if (work->kick) {
        cconc__timer_kick();
    }
    if (work->tell) {
        cconc__quiet_tell();
    }
}

/* On the timer service's thread. */
static void expiry_fire(timer *due)
{
    expiry *e = LIST_OF(due, expiry, alarm);
    expiry_work work = EXPIRY_WORK_INIT;
    cconc__expiry_take(e);
    expiry_disarm_locked(e, &work); /* it may have been armed again since */
    expiry_serve_locked(e, plat_clock_now(), &work);
    cconc__expiry_leave(e, &work);
    cconc__expiry_unref(e);
}

bool cconc__expiry_start_locked(expiry *e, int64_t due_ns, expiry_work *work)
{
    bool was_running = e->is_running;
    cconc__lock_assert_held(&e->mu);
    e->is_running = true;
    e->is_stopped = false;
    e->due_ns = due_ns;
    e->changes++;
    if (e->keeper && due_ns < e->keeps_ns) {
        e->keeper = NULL;
    }
    expiry_serve_locked(e, plat_clock_now(), work);
    return was_running;
}

bool cconc__expiry_stop_locked(expiry *e, expiry_work *work)
{
    bool was_running = e->is_running;
    list_link *at = e->queue.list.next;
    cconc__lock_assert_held(&e->mu);
    e->is_running = false;
    e->is_stopped = true;
    e->changes++;
    while (at != &e->queue.list) {
        wait_node *node = LIST_OF(at, wait_node, link);
        at = at->next;
        if (node->key == e) { /* a plain wait; a case of a select stays */
            expiry_remove_locked(e, node);
            if (waiter_claim(node->w, CLAIM_CLOSE, node->index)) {
                batch_add(&work->wakes, node);
            }
        }
    }
    return was_running;
}

/* Receive if there is a value that nobody waits for. */
static bool expiry_try_locked(expiry *e, int64_t *out_due_ns, expiry_work *work)
{
    int64_t now_ns = plat_clock_now();
    cconc__lock_assert_held(&e->mu);
    expiry_serve_locked(e, now_ns, work);
    return !waitq_first(&e->queue) && expiry_receive_locked(e, now_ns, out_due_ns);
}

int cconc__expiry_try(expiry *e, int64_t *out_due_ns)
{
    expiry_work work = EXPIRY_WORK_INIT;
    int err;
    cconc__expiry_take(e);
    if (e->is_stopped) {
        err = EPIPE;
    } else {
        err = expiry_try_locked(e, out_due_ns, &work) ? 0 : EAGAIN;
    }
    cconc__expiry_leave(e, &work);
    return err;
}

/* Queue node; at the head if it comes back. At the head it keeps the time, if nobody does. */
static void expiry_push_locked(expiry *e, wait_node *node, bool comes_back)
{
    cconc__lock_assert_held(&e->mu);
    if (comes_back) {
        waitq_push_front(&e->queue, node);
    } else {
        waitq_push_back(&e->queue, node);
    }
    if (!e->keeper && waitq_first(&e->queue) == node && e->is_running) {
        e->keeper = node;
        e->keeps_ns = e->due_ns;
        waiter_limit(node->w, e->due_ns);
    }
}

/* Queue node after a second look. Returns EAGAIN if it waits; 0, EPIPE. */
static int expiry_enqueue(expiry *e, wait_node *node, bool comes_back)
{
    expiry_work work = EXPIRY_WORK_INIT;
    int err = EAGAIN;
    cconc__expiry_take(e);
    if (e->is_stopped) {
        err = EPIPE;
    } else if (comes_back ? expiry_receive_locked(e, plat_clock_now(), node->elem)
                          : expiry_try_locked(e, node->elem, &work)) {
        err = 0;
    } else {
        node->key = e;
        expiry_push_locked(e, node, comes_back);
    }
    cconc__expiry_leave(e, &work);
    return err;
}

/* Leave the queue, the wait having ended by itself; if on time, with a value that is there and
 * node's. Returns true if it was; *out_was_first tells whether it could have been. */
static bool expiry_quit(expiry *e, wait_node *node, bool on_time, bool *out_was_first)
{
    expiry_work work = EXPIRY_WORK_INIT;
    bool received;
    cconc__expiry_take(e);
    *out_was_first = waitq_first(&e->queue) == node;
    expiry_remove_locked(e, node);
    received = on_time && *out_was_first && expiry_receive_locked(e, plat_clock_now(), node->elem);
    cconc__expiry_leave(e, &work);
    return received;
}

/* Leave the queue after the wait. Returns 0, EPIPE; EAGAIN if it ended for something else than a
 * value, and then *out_was_first. */
static int expiry_settle(expiry *e, const waiter *w, wait_node *node, bool *out_was_first)
{
    switch (waiter_kind(w)) {
    case CLAIM_GRANT:
        return 0;
    case CLAIM_CLOSE:
        return EPIPE;
    default:
        return expiry_quit(e, node, waiter_kind(w) == CLAIM_TIMEOUT, out_was_first) ? 0 : EAGAIN;
    }
}

int cconc__expiry_wait(expiry *e, cconc_ctx *ctx, int64_t *out_due_ns)
{
    cconc_ctx *source = cconc__node_keep(ctx); /* from round to round */
    bool comes_back = false;
    int err = cconc__node_err(ctx);
    if (!err) {
        err = cconc__expiry_try(e, out_due_ns);
    }
    while (err == EAGAIN) {
        waiter w;
        wait_node node;
        cconc__waiter_arm(&w, ctx);
        wait_node_init(&node, &w, out_due_ns, 0);
        err = expiry_enqueue(e, &node, comes_back);
        if (err == EAGAIN) {
            cconc__waiter_park(&w, false);
            err = expiry_settle(e, &w, &node, &comes_back);
            if (err == EAGAIN) {
                int ended = cconc__waiter_error(&w, ctx);
                err = ended ? ended : EAGAIN;
            }
        }
        waiter_disarm(&w);
    }
    cconc__node_drop(source);
    return err;
}

size_t cconc__expiry_waiters(expiry *e)
{
    size_t count;
    lock_take(&e->mu);
    count = e->queue.count;
    lock_leave(&e->mu);
    return count;
}

/* The waitable of a select's timer and ticker cases. */

static bool case_is_right(const wait_case *c)
{
    return expiry_of(c->object) != NULL;
}

/* A value that somebody waits for is not for others. */
static bool expiry_is_ready_locked(expiry *e)
{
    cconc__lock_assert_held(&e->mu);
    return !waitq_first(&e->queue) && expiry_has_value_locked(e, plat_clock_now());
}

static bool case_is_ready(const wait_case *c, size_t *out_version)
{
    expiry *e = c->object;
    bool is_ready;
    lock_take(&e->mu);
    is_ready = expiry_is_ready_locked(e);
    *out_version = e->changes; /* unchanged, and not due now: not due before */
    lock_leave(&e->mu);
    return is_ready;
}

static int case_try(wait_case *c)
{
    expiry *e = c->object;
    expiry_work work = EXPIRY_WORK_INIT;
    bool received;
    cconc__expiry_take(e);
    received = expiry_try_locked(e, c->node.elem, &work);
    cconc__expiry_leave(e, &work);
    return received ? 0 : EAGAIN;
}

static wait_queued case_enqueue(wait_case *c, waiter *w)
{
    expiry *e = c->object;
    expiry_work work = EXPIRY_WORK_INIT;
    bool is_ready;
    cconc__expiry_take(e);
    expiry_serve_locked(e, plat_clock_now(), &work);
    is_ready = expiry_is_ready_locked(e);
    if (!is_ready) {
        c->node.key = NULL;
        expiry_push_locked(e, &c->node, false);
    }
    cconc__expiry_leave(e, &work);
    if (!is_ready) {
        return WAIT_QUEUED;
    }
    return cconc__waiter_withdraw(w) ? WAIT_AGAIN : WAIT_LOST;
}

static void case_dequeue(wait_case *c)
{
    bool was_first;
    (void)expiry_quit(c->object, &c->node, false, &was_first);
}

static int case_on_time(wait_case *c)
{
    bool was_first;
    return expiry_quit(c->object, &c->node, true, &was_first) ? 0 : EAGAIN;
}

const wait_ops cconc__expiry_ops = {case_is_right, case_is_ready, case_try,    case_enqueue,
                                    case_dequeue,  NULL,          case_on_time};
