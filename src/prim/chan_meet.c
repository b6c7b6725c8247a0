/* chan_meet.c - the rendezvous: a channel of capacity 0
 * SPDX-License-Identifier: MIT
 *
 * Idea        Whoever comes second finds the other one waiting, claims it, and copies the element
 *             straight from one caller's memory to the other's. As long as nobody is queued, a
 *             caller that comes first sits down in one word and spins: its peer takes it out of the
 *             word by one compare-and-swap, without the lock. Whoever needs more than that (a
 *             second caller of the same side, a select, close, a caller that is about to sleep)
 *             moves the sitter to the queue, under the lock, where everything else happens.
 * Picture     seat    0 --sit--> waiter|dir --take--> 0           sitting down and being taken
 *                     |              | unseat, under mu
 *                     +--------------+--> SEAT_LOCKED ----------> 0  once both queues are empty
 * Invariants  I1 word[dir] has RING_WAKE iff the other direction's queue is not empty; its position
 *                changes whenever that queue grows, and whenever the seat is opened again: while
 *                it keeps its value nobody has come to wait.
 *             I2 A waiter is matched with the oldest willing one that is not itself: somebody sits
 *                only while both queues are empty, SEAT_LOCKED stays while one is not, or once
 *                closed.
 *             I3 Who sits is known to nobody else: no context, no other object. Who takes it may
 *                post without a claim.
 * Locks       mu, rank CHAN: matching in the queues. Copies and wakes come after it: the claim
 *             keeps the memory.
 * Ordering    meet.1  meet_note_locked(): store rel, cconc_chan_close(): or acqrel ->
 *                     cconc__chan_meet_attempt(): load acq    what came before close
 *             seat.1  seat_sit(): cas acqrel -> seat_take(), cconc__chan_unseat_locked(): cas
 *                     acqrel the sitter's node and value
 *             [claim.1] and [park.1] carry the element to a receiver, and the receive to its
 *             sender.
 * Lifetime    See waiter.c: who sits leaves only when taken and posted, or through the queue.
 * Rejected    A slot in the channel for the element: two copies, and a state to clean up. The lock
 *             alone: six cache lines move for a hand-over instead of two. */
#include "prim/chan.h"

#include "core/must.h"
#include "plat/cpu.h"

#include <stdint.h>

/* The seat is 0, SEAT_LOCKED, or the address of a lone_waiter with SEAT_DIR for a receiver. */
#define SEAT_LOCKED ((uintptr_t)1)
#define SEAT_DIR ((uintptr_t)2)

#define SEAT_GRANT 1 /* the index of a grant to one who sat: a small element is in its node */

/* Bring dir's word up to date with the other direction's queue. */
static void meet_note_locked(cconc_chan *ch, chan_dir dir, bool grown)
{
    size_t word;
    cconc__lock_assert_held(&ch->mu);
    word = atom_load_rlx(ch->ring.word[dir]) & ~RING_WAKE; /* rlx: changed under mu only */
    if (ch->side[ring_other(dir)].queue.count > 0) {
        word |= RING_WAKE;
    }
    if (grown) {
        word += RING_ONE;
    }
    atom_store_rel(ch->ring.word[dir], word); /* [meet.1] rel: what came before */
}

static bool meet_is_closed_locked(cconc_chan *ch)
{
    cconc__lock_assert_held(&ch->mu);
    return (atom_load_rlx(ch->ring.word[CHAN_SEND]) & RING_CLOSED) != 0; /* rlx: set under mu */
}

/* Claim the oldest waiter of dir that is not w and still waits, and take it out of the queue; NULL
 * if there is none. Those that have been claimed elsewhere leave the queue on the way. */
static wait_node *meet_claim_locked(cconc_chan *ch, chan_dir dir, const waiter *w)
{
    waitq *queue = &ch->side[dir].queue;
    list_link *at = queue->list.next;
    cconc__lock_assert_held(&ch->mu);
    while (at != &queue->list) {
        wait_node *node = LIST_OF(at, wait_node, link);
        bool won;
        at = at->next;
        if (node->w == w) {
            continue;
        }
        won = waiter_claim(node->w, CLAIM_GRANT, node->index);
        waitq_remove(queue, node);
        if (won) {
            meet_note_locked(ch, ring_other(dir), false);
            return node;
        }
    }
    meet_note_locked(ch, ring_other(dir), false);
    return NULL;
}

/* Does somebody but w wait in dir? */
static bool meet_has_other_locked(cconc_chan *ch, chan_dir dir, const waiter *w)
{
    waitq *queue = &ch->side[dir].queue;
    cconc__lock_assert_held(&ch->mu);
    for (list_link *at = queue->list.next; at != &queue->list; at = at->next) {
        wait_node *node = LIST_OF(at, wait_node, link);
        if (node->w != w && waiter_kind(node->w) == CLAIM_WAITING) {
            return true;
        }
    }
    return false;
}

/* Copy between the caller, who moves in dir, and the claimed peer, and wake the peer. */
static void meet_finish(cconc_chan *ch, chan_dir dir, void *elem, wait_node *peer)
{
    wake_batch batch = WAKE_BATCH_INIT;
    if (dir == CHAN_SEND) {
        cconc__ring_copy(&ch->ring, peer->elem, elem);
    } else {
        cconc__ring_copy(&ch->ring, elem, peer->elem);
    }
    batch_add(&batch, peer);
    batch_wake(&batch);
}

static bool seat_has(uintptr_t seat, chan_dir dir)
{
    return seat > SEAT_DIR && (seat & SEAT_DIR) == (dir == CHAN_RECV ? SEAT_DIR : 0);
}

static lone_waiter *seat_waiter(uintptr_t seat)
{
    /* a lone waiter begins a cache line: the low bits are free */
    return (lone_waiter *)(seat & ~(uintptr_t)(SEAT_DIR | SEAT_LOCKED));
}

static uintptr_t seat_load(cconc_chan *ch)
{
    return (uintptr_t)atom_load_acq(&ch->seat); /* [seat.1] acq: only to compare with */
}

static bool seat_swap(cconc_chan *ch, uintptr_t from, uintptr_t to)
{
    void *found = (void *)from;
    /* [seat.1] acqrel: the sitter's node and value */
    return atom_cas_acqrel_acq(&ch->seat, &found, (void *)to);
}

/* Where the element of one who sits lies: in its node if it is small. */
static void *seat_elem(const cconc_chan *ch, lone_waiter *b)
{
    return ch->ring.elem_size <= sizeof(b->node.value) ? b->node.value : b->node.elem;
}

/* Take the caller of the other side that sits, if one does, and move the element. */
static bool seat_take(cconc_chan *ch, chan_dir dir, void *elem)
{
    uintptr_t seat = seat_load(ch);
    lone_waiter *peer;
    while (seat_has(seat, ring_other(dir))) {
        if (!seat_swap(ch, seat, 0)) {
            seat = seat_load(ch);
            continue;
        }
        peer = seat_waiter(seat);
        if (dir == CHAN_SEND) {
            cconc__ring_copy(&ch->ring, seat_elem(ch, peer), elem);
        } else {
            cconc__ring_copy(&ch->ring, elem, seat_elem(ch, peer));
        }
        cconc__waiter_grant(&peer->w, SEAT_GRANT);
        return true;
    }
    return false;
}

/* Sit down, if the seat is free. */
static bool seat_sit(cconc_chan *ch, chan_dir dir, lone_waiter *b)
{
    if (dir == CHAN_SEND && seat_elem(ch, b) != b->node.elem) {
        cconc__ring_copy(&ch->ring, b->node.value, b->node.elem);
    }
    return seat_swap(ch, 0, (uintptr_t)b | (dir == CHAN_RECV ? SEAT_DIR : 0));
}

wait_queued cconc__chan_seat(cconc_chan *ch, chan_dir dir, lone_waiter *b)
{
    plat_cpu_prefetch(&ch->seat);
    if (seat_take(ch, dir, b->node.elem)) {
        return WAIT_FIRED;
    }
    return seat_sit(ch, dir, b) ? WAIT_QUEUED : WAIT_AGAIN;
}

/* Announce before the seat is changed: who sees it locked sees the flag. */
static void seat_announce_locked(cconc_chan *ch, uintptr_t seat)
{
    cconc__lock_assert_held(&ch->mu);
    if (seat > SEAT_LOCKED) {
        chan_dir to = seat_has(seat, CHAN_RECV) ? CHAN_SEND : CHAN_RECV;
        size_t word = atom_load_rlx(ch->ring.word[to]); /* rlx: changed under mu only */
        atom_store_rel(ch->ring.word[to], (word | RING_WAKE) + RING_ONE); /* [meet.1] rel */
    }
}

void cconc__chan_unseat_locked(cconc_chan *ch)
{
    uintptr_t seat = seat_load(ch);
    cconc__lock_assert_held(&ch->mu);
    CHECK(ch->ring.cap == 0); /* with a ring the words change without mu */
    while (seat != SEAT_LOCKED) {
        seat_announce_locked(ch, seat);
        if (seat_swap(ch, seat, SEAT_LOCKED)) {
            if (seat != 0) {
                chan_dir dir = seat_has(seat, CHAN_RECV) ? CHAN_RECV : CHAN_SEND;
                cconc__chan_insert_locked(ch, dir, &seat_waiter(seat)->node);
            }
            break;
        }
        seat = seat_load(ch);
    }
    meet_note_locked(ch, CHAN_SEND, false); /* one that was taken meanwhile left its flag */
    meet_note_locked(ch, CHAN_RECV, false);
}

/* Before the lock is left: let callers sit again if nobody is queued. */
static void meet_reseat_locked(cconc_chan *ch)
{
    cconc__lock_assert_held(&ch->mu);
    if (ch->side[CHAN_SEND].queue.count == 0 && ch->side[CHAN_RECV].queue.count == 0 &&
        !meet_is_closed_locked(ch)) {
        if (seat_load(ch) == SEAT_LOCKED) {
            meet_note_locked(ch, CHAN_SEND, true);
            meet_note_locked(ch, CHAN_RECV, true);
            (void)seat_swap(ch, SEAT_LOCKED, 0);
        }
    }
}

void cconc__chan_seat_wait(cconc_chan *ch, lone_waiter *b)
{
    bool queued;
    if (cconc__waiter_spin(&b->w)) {
        return;
    }
    lock_take(&ch->mu);
    cconc__chan_unseat_locked(ch);
    queued = b->node.queued;
    meet_reseat_locked(ch);
    lock_leave(&ch->mu);
    if (queued) {
        cconc__waiter_park(&b->w, false);
    } else { /* taken, or claimed out of the queue, in the same moment */
        cconc__waiter_take_post(&b->w);
    }
}

void cconc__chan_seat_settle(cconc_chan *ch, chan_dir dir, lone_waiter *b)
{
    if (waiter_index(&b->w) == SEAT_GRANT && dir == CHAN_RECV &&
        seat_elem(ch, b) != b->node.elem) {
        cconc__ring_copy(&ch->ring, b->node.elem, b->node.value);
    }
}

void cconc__chan_unseat(cconc_chan *ch)
{
    if (seat_load(ch) != SEAT_LOCKED) {
        lock_take(&ch->mu);
        cconc__chan_unseat_locked(ch);
        lock_leave(&ch->mu);
    }
}

int cconc__chan_meet_attempt(cconc_chan *ch, chan_dir dir, void *elem)
{
    size_t word;
    wait_node *peer;
    if (seat_take(ch, dir, elem)) {
        return 0;
    }
    word = atom_load_acq(ch->ring.word[CHAN_SEND]); /* [meet.1] acq: what came before close */
    if (word & RING_CLOSED) {
        return EPIPE;
    }
    if (!(atom_load_acq(ch->ring.word[dir]) & RING_WAKE)) { /* [meet.1] acq: again under mu */
        return EAGAIN;
    }
    lock_take(&ch->mu);
    peer = meet_claim_locked(ch, ring_other(dir), NULL);
    meet_reseat_locked(ch);
    lock_leave(&ch->mu);
    if (!peer) {
        return EAGAIN;
    }
    meet_finish(ch, dir, elem, peer);
    return 0;
}

/* What a waiter finds when it comes to queue: a peer, which it may only claim if it can still
 * withdraw itself from the other objects of its select. */
static wait_queued meet_look_locked(cconc_chan *ch, chan_dir dir, waiter *w, wait_node **out_peer)
{
    chan_dir other = ring_other(dir);
    cconc__lock_assert_held(&ch->mu);
    *out_peer = NULL;
    if (meet_is_closed_locked(ch)) {
        return waiter_claim(w, CLAIM_SELF, 0) ? WAIT_AGAIN : WAIT_LOST;
    }
    if (ch->side[other].queue.count == 0 || !meet_has_other_locked(ch, other, w)) {
        return WAIT_QUEUED;
    }
    if (!waiter_claim(w, CLAIM_SELF, 0)) {
        return WAIT_LOST;
    }
    *out_peer = meet_claim_locked(ch, other, w);
    return *out_peer ? WAIT_FIRED : WAIT_AGAIN;
}

wait_queued cconc__chan_meet_enqueue(cconc_chan *ch, chan_dir dir, waiter *w, wait_node *node)
{
    wait_node *peer;
    wait_queued queued;
    plat_cpu_prefetch(&ch->side[0]); /* on its way while the lock is */
    lock_take(&ch->mu);
    cconc__chan_unseat_locked(ch);
    queued = meet_look_locked(ch, dir, w, &peer); /* the second look */
    if (queued == WAIT_QUEUED) {
        cconc__chan_insert_locked(ch, dir, node);
        meet_note_locked(ch, ring_other(dir), true);
    }
    meet_reseat_locked(ch);
    lock_leave(&ch->mu);
    if (queued == WAIT_LOST) {
        cconc__waiter_take_post(w);
    } else if (queued == WAIT_FIRED) {
        meet_finish(ch, dir, node->elem, peer);
    }
    return queued;
}

void cconc__chan_meet_leave(cconc_chan *ch, chan_dir dir, wait_node *node)
{
    lock_take(&ch->mu);
    if (node->queued) {
        waitq_remove(&ch->side[dir].queue, node);
        meet_note_locked(ch, ring_other(dir), false);
        meet_reseat_locked(ch);
    }
    lock_leave(&ch->mu);
}
