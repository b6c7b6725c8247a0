/* chan_meet.c - the rendezvous: a channel of capacity 0
 * SPDX-License-Identifier: MIT
 *
 * Idea        Whoever comes second finds the other one queued, claims it, and copies the element
 *             straight from one caller's memory to the other's. Both queues are never full of
 *             willing waiters at once.
 * Invariants  I1 word[dir] has CHAN_WAKE iff the other direction's queue is not empty; its position
 *                changes whenever that queue grows.
 *             I2 A waiter is matched with the oldest willing one that is not itself.
 * Locks       mu, rank CHAN: matching. The copy and the wake come after it: the claim keeps the
 *             memory.
 * Ordering    meet.1  meet_note_locked(): store rel -> cconc__chan_meet_attempt(): load acq   what
 *                     came before close; a flag that is there is looked at again under mu
 *             [park.1] (parker.c) carries the element to a receiver, and the receive to its sender.
 * Lifetime    See waiter.c.
 * Rejected    A slot in the channel for the element: two copies, and a state to clean up. */
#include "prim/chan.h"

#include "core/must.h"

/* Bring dir's word up to date with the other direction's queue. */
static void meet_note_locked(cconc_chan *ch, chan_dir dir, bool grown)
{
    size_t word;
    cconc__lock_assert_held(&ch->mu);
    word = atom_load_rlx(&ch->word[dir].at) & ~CHAN_WAKE; /* rlx: changed under mu only */
    if (ch->side[chan_other(dir)].queue.count > 0) {
        word |= CHAN_WAKE;
    }
    if (grown) {
        word += CHAN_ONE;
    }
    atom_store_rel(&ch->word[dir].at, word); /* [meet.1] rel: what came before */
}

static bool meet_is_closed_locked(cconc_chan *ch)
{
    cconc__lock_assert_held(&ch->mu);
    return (atom_load_rlx(&ch->word[CHAN_SEND].at) & CHAN_CLOSED) != 0; /* rlx: set under mu only */
}

/* The oldest waiter of dir that is not w and still waits; NULL if there is none. Those that have
 * been claimed elsewhere leave the queue on the way. */
static wait_node *meet_find_locked(cconc_chan *ch, chan_dir dir, const waiter *w)
{
    waitq *queue = &ch->side[dir].queue;
    list_link *at = queue->list.next;
    wait_node *found = NULL;
    cconc__lock_assert_held(&ch->mu);
    while (!found && at != &queue->list) {
        wait_node *node = LIST_OF(at, wait_node, link);
        at = at->next;
        if (node->w == w) {
            continue;
        }
        if (waiter_kind(node->w) == CLAIM_WAITING) {
            found = node;
        } else {
            waitq_remove(queue, node);
        }
    }
    meet_note_locked(ch, chan_other(dir), false);
    return found;
}

/* Claim the oldest willing waiter of dir but w, and take it out of the queue. */
static wait_node *meet_claim_locked(cconc_chan *ch, chan_dir dir, const waiter *w)
{
    wait_node *node;
    cconc__lock_assert_held(&ch->mu);
    while ((node = meet_find_locked(ch, dir, w)) != NULL) {
        bool won = waiter_claim(node->w, CLAIM_GRANT, node->index);
        waitq_remove(&ch->side[dir].queue, node);
        if (won) {
            break;
        }
    }
    meet_note_locked(ch, chan_other(dir), false);
    return node;
}

/* Copy between the caller, who moves in dir, and the claimed peer, and wake the peer. */
static void meet_finish(cconc_chan *ch, chan_dir dir, void *elem, wait_node *peer)
{
    wake_batch batch = WAKE_BATCH_INIT;
    if (dir == CHAN_SEND) {
        cconc__chan_copy(ch, peer->elem, elem);
    } else {
        cconc__chan_copy(ch, elem, peer->elem);
    }
    batch_add(&batch, peer);
    batch_wake(&batch);
}

int cconc__chan_meet_attempt(cconc_chan *ch, chan_dir dir, void *elem)
{
    size_t word = atom_load_acq(&ch->word[dir].at); /* [meet.1] acq: what came before close */
    wait_node *peer;
    if (word & CHAN_CLOSED) {
        return EPIPE;
    }
    if (!(word & CHAN_WAKE)) {
        return EAGAIN;
    }
    lock_take(&ch->mu);
    peer = meet_claim_locked(ch, chan_other(dir), NULL);
    lock_leave(&ch->mu);
    if (!peer) {
        return EAGAIN;
    }
    meet_finish(ch, dir, elem, peer);
    return 0;
}

wait_queued cconc__chan_meet_enqueue(cconc_chan *ch, chan_dir dir, waiter *w, wait_node *node)
{
    bool closed;
    bool withdrawn = false;
    wait_node *peer = NULL;
    lock_take(&ch->mu);
    closed = meet_is_closed_locked(ch);
    if (closed || meet_find_locked(ch, chan_other(dir), w)) { /* the second look */
        withdrawn = waiter_claim(w, CLAIM_SELF, 0);
        if (withdrawn && !closed) {
            peer = meet_claim_locked(ch, chan_other(dir), w);
        }
        lock_leave(&ch->mu);
        if (!withdrawn) {
            cconc__waiter_take_wake(w);
            return WAIT_LOST;
        }
        if (!peer) {
            return WAIT_AGAIN;
        }
        meet_finish(ch, dir, node->elem, peer);
        return WAIT_FIRED;
    }
    waitq_push_back(&ch->side[dir].queue, node);
    meet_note_locked(ch, chan_other(dir), true);
    lock_leave(&ch->mu);
    return WAIT_QUEUED;
}

void cconc__chan_meet_leave(cconc_chan *ch, chan_dir dir, wait_node *node)
{
    lock_take(&ch->mu);
    if (node->queued) {
        waitq_remove(&ch->side[dir].queue, node);
        meet_note_locked(ch, chan_other(dir), false);
    }
    lock_leave(&ch->mu);
}
