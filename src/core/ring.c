/* ring.c - a bounded queue of elements without a lock
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
 *                          word[RING_IN] = 6      word[RING_OUT] = 3
 *             A sleeper sets its flag in the word that its peer moves:
 *               the sleeper's or comes first: the peer's move finds the flag, and wakes.
 *               the peer's move comes first:  the sleeper's or finds the position moved, and tries
 *                                             again.
 * Invariants  I1 word[RING_IN] is between word[RING_OUT] and one lap further.
 *             I2 Once RING_CLOSED is set, word[RING_IN] keeps its position.
 *             I3 While RING_DIRECT is set in a word, its position moves under mu alone.
 * Locks       None of its own; its owner's mu for the flags, and for moving with RING_DIRECT.
 * Ordering    ring.1  ring_pass(): store rel -> ring_turn(): load acq   the element, or that the
 *                     slot has been read
 *             ring.2  cconc_chan_close(): or acqrel -> ring_word(): load acq, ring_try(): cas acq
 *                     what came before close
 *             ring.3  ring_try(), cconc__ring_move(): cas acqrel -> ring_word(): load acq
 *                     what the mover had moved before, in this ring and in others: who
 *                     has seen an element leave sees the one that came before it left
 *             ring.4  ring_set_flag(): or acqrel, and acqrel -> ring_try(): cas acq, the
 *                     lock    the flags are one word with the position
 * Lifetime    A caller touches a slot between its move and its stamp, the ring until it returns.
 * Rejected    One lock for the ring: 17 ns an operation where nobody waits, and convoys (0001).
 *             Length and closed bit in two words: a reader could pair an old length 0 with a new
 *             closed bit and report EPIPE while an element is inside. */
#include "core/ring.h"

#include "core/must.h"
#include "core/spin.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#define RING_FULL ((size_t)1) /* in a stamp: the slot holds the element of that position */

void cconc__ring_init(ring *r, size_t elem_size, size_t cap)
{
    size_t index_bits = 0;
    while (((size_t)1 << index_bits) < cap) {
        index_bits++;
    }
    r->cap = cap;
    r->elem_size = elem_size;
    r->elem_at = elem_size > 0 && elem_size % 16 == 0 ? 16 : sizeof(atom_size);
    r->stride = (r->elem_at + elem_size + 7) / 8 * 8;
    if (r->elem_at == 16) {
        r->stride = (r->stride + 15) / 16 * 16;
    }
    r->index_mask = ((size_t)1 << index_bits) - 1;
    r->lap = RING_ONE << index_bits;
    atom_init(r->word[RING_IN], 0);
    atom_init(r->word[RING_OUT], 0);
}

void cconc__ring_use(ring *r, void *slots)
{
    r->slots = slots;
    for (size_t i = 0; i < r->cap; i++) {
        atom_init((atom_size *)(void *)(r->slots + i * r->stride), i * RING_ONE);
    }
}

void cconc__ring_copy(const ring *r, void *to, const void *from)
{
    if (!to) {
        return;
    }
    switch (r->elem_size) { /* constants, so that small elements are copied in line */
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
        memcpy(to, from, r->elem_size);
    }
}

static inline size_t ring_word(const ring *r, ring_dir dir)
{
    return atom_load_acq(r->word[dir]); /* [ring.2] [ring.3] acq: what came before */
}

static inline atom_size *ring_stamp(const ring *r, size_t word)
{
    size_t index = word / RING_ONE & r->index_mask;
    return (atom_size *)(void *)(r->slots + index * r->stride);
}

static inline size_t ring_next(const ring *r, size_t word)
{
    size_t index = word / RING_ONE & r->index_mask;
    return index + 1 < r->cap ? word + RING_ONE : word - index * RING_ONE + r->lap;
}

/* Whose turn is the slot at word's position? */
static inline bool ring_turn(const ring *r, ring_dir dir, size_t word)
{
    size_t wanted = (word & ~RING_FLAGS) | (dir == RING_OUT ? RING_FULL : 0);
    return atom_load_acq(ring_stamp(r, word)) == wanted; /* [ring.1] acq: the other one's copy */
}

/* Copy the element of the slot that was taken, then let the other direction have the slot. */
static inline void ring_pass(ring *r, ring_dir dir, size_t word, void *elem)
{
    atom_size *stamp = ring_stamp(r, word);
    size_t at = word & ~RING_FLAGS;
    void *slot = (unsigned char *)stamp + r->elem_at;
    if (dir == RING_IN) {
        cconc__ring_copy(r, slot, elem);
        atom_store_rel(stamp, at | RING_FULL); /* [ring.1] rel: the element */
    } else {
        cconc__ring_copy(r, elem, slot);
        atom_store_rel(stamp, at + r->lap); /* [ring.1] rel: that it has been read */
    }
}

/* Is there nothing to move, now that the other direction's word is other? */
static inline bool ring_is_blocked(const ring *r, ring_dir dir, size_t word, size_t other)
{
    size_t at = word & ~RING_FLAGS;
    return (other & ~RING_FLAGS) == (dir == RING_IN ? at - r->lap : at);
}

/* Move one element where no other direction has to be looked at. Returns 0; EPIPE, EBUSY; EAGAIN
 * if the slot at *out_word is not ready. */
static inline int ring_try_ready(ring *r, ring_dir dir, void *elem, bool *out_wake,
                                 size_t *out_word)
{
    size_t word = ring_word(r, dir);
    for (;;) {
        if (word & (RING_DIRECT | (dir == RING_IN ? RING_CLOSED : 0))) {
            return dir == RING_IN && (word & RING_CLOSED) ? EPIPE : EBUSY;
        }
        if (!ring_turn(r, dir, word)) {
            *out_word = word;
            return EAGAIN;
        }
        /* [ring.2] [ring.3] acqrel: as ring_word(). Here the call takes effect. */
        if (atom_cas_weak_acqrel_acq(r->word[dir], &word, ring_next(r, word))) {
            *out_wake = (word & RING_WAKE) != 0;
            ring_pass(r, dir, word, elem);
            return 0;
        }
    }
}

static inline int ring_try(ring *r, ring_dir dir, void *elem, bool *out_wake)
{
    uint32_t rounds = 0;
    for (;;) {
        size_t word;
        int err = ring_try_ready(r, dir, elem, out_wake, &word);
        size_t other;
        if (err != EAGAIN) {
            return err;
        }
        other = ring_word(r, ring_other(dir));
        if (ring_is_blocked(r, dir, word, other)) {
            return dir == RING_OUT && (other & RING_CLOSED) ? EPIPE : EAGAIN;
        }
        cconc__spin_moment(&rounds); /* somebody is copying, or word is old */
    }
}

int cconc__ring_try(ring *r, ring_dir dir, void *elem, bool *out_wake)
{
    return dir == RING_IN ? ring_try(r, RING_IN, elem, out_wake)
                          : ring_try(r, RING_OUT, elem, out_wake);
}

int cconc__ring_try_ready(ring *r, ring_dir dir, void *elem, bool *out_wake)
{
    size_t word;
    return dir == RING_IN ? ring_try_ready(r, RING_IN, elem, out_wake, &word)
                          : ring_try_ready(r, RING_OUT, elem, out_wake, &word);
}

bool cconc__ring_move(ring *r, ring_dir dir, void *elem)
{
    size_t word = ring_word(r, dir);
    bool moved;
    CHECK((word & RING_DIRECT) && ring_turn(r, dir, word));
    /* [ring.2] [ring.3] acqrel: as in ring_try(); the position is ours (I3) */
    moved = atom_cas_acqrel_acq(r->word[dir], &word, ring_next(r, word));
    CHECK(moved);
    (void)moved;
    ring_pass(r, dir, word, elem);
    return (word & RING_WAKE) != 0;
}

bool cconc__ring_try_held(ring *r, ring_dir dir, void *elem, bool *out_wake)
{
    uint32_t rounds = 0;
    if (!ring_has_flag(r, dir, RING_DIRECT)) {
        return ring_try(r, dir, elem, out_wake) == 0;
    }
    if (!cconc__ring_has(r, dir)) {
        return false;
    }
    while (!cconc__ring_is_ready(r, dir)) {
        cconc__spin_moment(&rounds); /* between its move and its stamp nobody waits for a lock */
    }
    *out_wake = cconc__ring_move(r, dir, elem);
    return true;
}

size_t cconc__ring_count(const ring *r, ring_dir dir, size_t *seen)
{
    size_t now = ring_word(r, dir) & ~RING_FLAGS;
    size_t index = now & (r->lap - 1); /* times RING_ONE */
    size_t index_seen = *seen & (r->lap - 1);
    size_t laps = ((now - index) - (*seen - index_seen)) / r->lap;
    *seen = now;
    return laps * r->cap + index / RING_ONE - index_seen / RING_ONE;
}

bool cconc__ring_is_ready(const ring *r, ring_dir dir)
{
    return ring_turn(r, dir, ring_word(r, dir));
}

bool cconc__ring_is_ready_ahead(const ring *r, ring_dir dir, size_t ahead)
{
    size_t word = ring_word(r, dir);
    size_t index = (word / RING_ONE & r->index_mask) + ahead;
    word += ahead * RING_ONE;
    return ring_turn(r, dir, index < r->cap ? word : word - r->cap * RING_ONE + r->lap);
}

bool cconc__ring_has(const ring *r, ring_dir dir)
{
    size_t word = ring_word(r, dir);
    size_t other = ring_word(r, ring_other(dir));
    return !ring_is_blocked(r, dir, word, other);
}

size_t cconc__ring_len(const ring *r)
{
    size_t tail = ring_word(r, RING_IN); /* head is read after it */
    size_t head;
    size_t again;
    size_t from;
    size_t to;
    do { /* a pair that was there at one instant */
        again = tail;
        head = ring_word(r, RING_OUT); /* tail is read after it */
        tail = ring_word(r, RING_IN);
    } while (((tail ^ again) & ~RING_FLAGS) != 0);
    from = head / RING_ONE & r->index_mask;
    to = tail / RING_ONE & r->index_mask;
    if (to == from) {
        return ((head ^ tail) & ~RING_FLAGS) == 0 ? 0 : r->cap;
    }
    return to > from ? to - from : r->cap - from + to;
}
