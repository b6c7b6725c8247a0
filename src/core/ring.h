/* ring.h - a bounded queue of elements without a lock
 * SPDX-License-Identifier: MIT
 *
 * Key  (i) immutable after init  (a) atomic
 */
#ifndef CORE_RING_H
#define CORE_RING_H

#include <stdbool.h>
#include <stddef.h>

#include "plat/atomic.h"

/* A direction; its opposite is 1 - dir. */
typedef enum ring_dir { RING_IN = 0, RING_OUT = 1 } ring_dir;

static inline ring_dir ring_other(ring_dir dir)
{
    return dir == RING_IN ? RING_OUT : RING_IN;
}

/* Each direction has one word: a position, and below it three flags, which the ring's owner
 * changes under its lock. Positions are lap | index, so that a slot and its turn are one comparison
 * whatever the capacity. */
#define RING_WAKE ((size_t)1)   /* the other direction has waiters, and one of them wants a wake */
#define RING_DIRECT ((size_t)2) /* only who holds the owner's lock moves */
#define RING_CLOSED ((size_t)4) /* nothing more goes in; in word[RING_IN] */
#define RING_FLAGS ((size_t)7)
#define RING_ONE ((size_t)8)

typedef struct ring_line {
    atom_size at;                              /* (a) position and flags [ring.2] */
    char alone[ATOM_LINE - sizeof(atom_size)]; /* the two directions write their own line */
} ring_line;

typedef struct ring {
    size_t         cap;        /* (i) elements */
    size_t         elem_size;  /* (i) bytes */
    atom_size     *word[2];    /* (i) by ring_dir; the owner's memory */
    size_t         index_mask; /* (i) the index bits of a position */
    size_t         lap;        /* (i) what one round adds to a position */
    unsigned char *slots;      /* (i) cap slots: stamp, element */
    size_t         stride;     /* (i) bytes from slot to slot */
    size_t         elem_at;    /* (i) where in a slot the element begins */
} ring;

static inline bool ring_has_flag(const ring *r, ring_dir dir, size_t flag)
{
    return (atom_load_rlx(r->word[dir]) & flag) != 0; /* rlx: flags change under the lock only */
}

/* Set or clear flag in dir's word, with the owner's lock held. */
static inline void ring_set_flag(ring *r, ring_dir dir, size_t flag, bool on)
{
    if (ring_has_flag(r, dir, flag) == on) {
        return;
    }
    if (on) {
        (void)atom_or_acqrel(r->word[dir], flag); /* [ring.4] acqrel: before its owner looks */
    } else {
        (void)atom_and_acqrel(r->word[dir], ~flag); /* [ring.4] acqrel */
    }
}

/* Lay out r for cap elements, 0 for none; its words are set. Its slots need cap * stride bytes. */
void cconc__ring_init(ring *r, size_t elem_size, size_t cap);

/* Have r use slots, aligned as by the allocator: it is empty. */
void cconc__ring_use(ring *r, void *slots);

/* Copy one element. to may be NULL: it is thrown away. */
void cconc__ring_copy(const ring *r, void *to, const void *from);

/* Move one element. Returns 0; EAGAIN full or empty; EPIPE closed; EBUSY RING_DIRECT is set.
 * *out_wake: the other direction wants a wake. */
int cconc__ring_try(ring *r, ring_dir dir, void *elem, bool *out_wake);

/* The same, but EAGAIN if the next slot is not ready: the other direction's word is let alone. */
int cconc__ring_try_ready(ring *r, ring_dir dir, void *elem, bool *out_wake);

/* The same with the owner's lock held and RING_DIRECT set; the slot is ready. Returns whether the
 * other direction wants a wake. */
bool cconc__ring_move(ring *r, ring_dir dir, void *elem);

/* The same with the owner's lock held, RING_DIRECT set or not; what somebody is just copying is
 * waited for. Returns false if the ring is full or empty. */
bool cconc__ring_try_held(ring *r, ring_dir dir, void *elem, bool *out_wake);

/* How many elements dir's word has passed since it was at *seen, which follows. */
size_t cconc__ring_count(const ring *r, ring_dir dir, size_t *seen);

/* Is the next slot ready to be moved? Is the one ahead slots further? Is there one that will be, by
 * position alone? */
bool cconc__ring_is_ready_ahead(const ring *r, ring_dir dir, size_t ahead);
bool cconc__ring_is_ready(const ring *r, ring_dir dir);
bool cconc__ring_has(const ring *r, ring_dir dir);

/* How many elements are inside, at one instant of the call. */
size_t cconc__ring_len(const ring *r);

#endif
