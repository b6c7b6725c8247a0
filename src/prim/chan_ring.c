/* chan_ring.c - the ring of a buffered channel, without a lock
 * SPDX-License-Identifier: MIT
 *
 * Idea        Each slot carries a stamp that says whose turn it is (Vyukov's bounded queue, with
 *             laps in the positions as crossbeam has them). A caller takes a slot by moving its
 *             direction's word, copies, and stamps the slot for the other direction. That anybody
 *             waits is a flag in the same word, so taking the slot and learning that somebody must
 *             be woken are one step: no fence between a store and a load is needed.
 * Picture     capacity 4, after 6 sends and 3 receives; a stamp is the position whose turn it is,
 *             * = full
 *               slot       0      1      2      3
 *               stamp    [ 4* ] [ 5* ] [ 6  ] [ 3* ]
 *                                        ^      ^
 *                       word[CHAN_SEND] = 6     word[CHAN_RECV] = 3
 *             A sleeper sets its flag in the word that its peer moves:
 *               the sleeper's or comes first: the peer's move finds the flag, and wakes.
 *               the peer's move comes first:  the sleeper's or finds the position moved, and tries
 *                                             again.
 * Invariants  I1 word[CHAN_SEND] is between word[CHAN_RECV] and one lap further.
 *             I2 Once CHAN_CLOSED is set, word[CHAN_SEND] keeps its position.
 *             I3 While CHAN_DIRECT is set in a word, its position moves under mu alone.
 * Locks       mu for the flags, and for moving on behalf of a waiter.
 * Ordering    ring.1  ring_pass(): store rel -> ring_turn(): load acq   the element, or that the
 *                     slot has been read
 *             ring.2  cconc_chan_close(): or acqrel -> ring_word(): load acq, ring_try(): cas acq
 *                     what came before close
 *             ring.3  ring_try(), cconc__chan_ring_move_locked(): cas acqrel -> ring_word(): load
 *                     acq    what the mover had moved before, in this ring and in others: who
 *                     has seen an element leave sees the one that came before it left
 * Lifetime    A caller touches a slot between its move and its stamp, the channel until it returns.
 * Rejected    One lock for the ring: 17 ns an operation where nobody waits, and convoys (0001).
 *             Length and closed bit in two words: a reader could pair an old length 0 with a new
 *             closed bit and report EPIPE while an element is inside. */
#include "prim/chan.h"

#include "core/must.h"
#include "core/spin.h"

#include <stdint.h>
#include <string.h>

#define RING_FULL ((size_t)1) /* in a stamp: the slot holds the element of that position */

void cconc__chan_copy(const cconc_chan *ch, void *to, const void *from)
{
    if (!to) {
        return;
    }
    switch (ch->elem_size) { /* constants, so that small elements are copied in line */
    case 8:
        memcpy(to, from, 8);
        break;
    case 4:
        memcpy(to, from, 4);
        break;
    case 16:
        memcpy(to, from, 16);
        break;
    case 0:
        break;
    default:
        memcpy(to, from, ch->elem_size);
    }
}

static inline size_t ring_word(const cconc_chan *ch, chan_dir dir)
{
    return atom_load_acq(ch->word[dir]); /* [ring.2] [ring.3] acq: what came before */
}

static inline atom_size *ring_stamp(const cconc_chan *ch, size_t word)
{
    size_t index = word / CHAN_ONE & ch->index_mask;
    return (atom_size *)(void *)(ch->slots + index * ch->stride);
}

static inline size_t ring_next(const cconc_chan *ch, size_t word)
{
    size_t index = word / CHAN_ONE & ch->index_mask;
    return index + 1 < ch->cap ? word + CHAN_ONE : word - index * CHAN_ONE + ch->lap;
}

/* Whose turn is the slot at word's position? */
static inline bool ring_turn(const cconc_chan *ch, chan_dir dir, size_t word)
{
    size_t wanted = (word & ~CHAN_FLAGS) | (dir == CHAN_RECV ? RING_FULL : 0);
    return atom_load_acq(ring_stamp(ch, word)) == wanted; /* [ring.1] acq: the other one's copy */
}

/* Copy the element of the slot that was taken, then let the other direction have the slot. */
static inline void ring_pass(cconc_chan *ch, chan_dir dir, size_t word, void *elem)
{
    atom_size *stamp = ring_stamp(ch, word);
    size_t at = word & ~CHAN_FLAGS;
    void *slot = (unsigned char *)stamp + ch->elem_at;
    if (dir == CHAN_SEND) {
        cconc__chan_copy(ch, slot, elem);
        atom_store_rel(stamp, at | RING_FULL); /* [ring.1] rel: the element */
    } else {
        cconc__chan_copy(ch, elem, slot);
        atom_store_rel(stamp, at + ch->lap); /* [ring.1] rel: that it has been read */
    }
}

/* Is there nothing to move, now that the other direction's word is other? */
static inline bool ring_is_blocked(const cconc_chan *ch, chan_dir dir, size_t word, size_t other)
{
    size_t at = word & ~CHAN_FLAGS;
    return (other & ~CHAN_FLAGS) == (dir == CHAN_SEND ? at - ch->lap : at);
}

static inline int ring_try(cconc_chan *ch, chan_dir dir, void *elem, bool *out_wake)
{
    size_t word = ring_word(ch, dir);
    uint32_t rounds = 0;
    for (;;) {
        if (word & (CHAN_DIRECT | (dir == CHAN_SEND ? CHAN_CLOSED : 0))) {
            return dir == CHAN_SEND && (word & CHAN_CLOSED) ? EPIPE : EBUSY;
        }
        if (ring_turn(ch, dir, word)) {
            /* [ring.2] [ring.3] acqrel: as ring_word(). Here the call takes effect. */
            if (atom_cas_weak_acqrel_acq(ch->word[dir], &word, ring_next(ch, word))) {
                *out_wake = (word & CHAN_WAKE) != 0;
                ring_pass(ch, dir, word, elem);
                return 0;
            }
        } else {
            size_t other = ring_word(ch, chan_other(dir));
            if (ring_is_blocked(ch, dir, word, other)) {
                return dir == CHAN_RECV && (other & CHAN_CLOSED) ? EPIPE : EAGAIN;
            }
            cconc__spin_moment(&rounds); /* somebody is copying, or word is old */
            word = ring_word(ch, dir);
        }
    }
}

int cconc__chan_ring_try(cconc_chan *ch, chan_dir dir, void *elem, bool *out_wake)
{
    return dir == CHAN_SEND ? ring_try(ch, CHAN_SEND, elem, out_wake)
                            : ring_try(ch, CHAN_RECV, elem, out_wake);
}

bool cconc__chan_ring_move_locked(cconc_chan *ch, chan_dir dir, void *elem)
{
    size_t word = ring_word(ch, dir);
    bool moved;
    cconc__lock_assert_held(&ch->mu);
    CHECK((word & CHAN_DIRECT) && ring_turn(ch, dir, word));
    /* [ring.2] [ring.3] acqrel: as in ring_try(); the position is ours (I3) */
    moved = atom_cas_acqrel_acq(ch->word[dir], &word, ring_next(ch, word));
    CHECK(moved);
    (void)moved;
    ring_pass(ch, dir, word, elem);
    return (word & CHAN_WAKE) != 0;
}

bool cconc__chan_ring_is_ready(const cconc_chan *ch, chan_dir dir)
{
    return ring_turn(ch, dir, ring_word(ch, dir));
}

bool cconc__chan_ring_has(const cconc_chan *ch, chan_dir dir)
{
    size_t word = ring_word(ch, dir);
    size_t other = ring_word(ch, chan_other(dir));
    return !ring_is_blocked(ch, dir, word, other);
}
