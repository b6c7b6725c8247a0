/* chan.h - what the files of the channel share
 * SPDX-License-Identifier: MIT
 *
 * Key  (i) immutable after new  (a) atomic  (m) under mu
 *
 * chan.c has the life of a channel and the calls, chan_ring.c the ring without a lock, chan_queue.c
 * the blocked callers of a ring, chan_meet.c the rendezvous, chan_case.c the cases of select.
 */
#ifndef PRIM_CHAN_H
#define PRIM_CHAN_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include <cconc/chan.h>

#include "core/lock.h"
#include "core/waitable.h"
#include "core/waiter.h"
#include "core/waitq.h"
#include "plat/atomic.h"

/* A direction of a channel; its opposite is 1 - dir. */
typedef enum chan_dir { CHAN_SEND = 0, CHAN_RECV = 1 } chan_dir;

static inline chan_dir chan_other(chan_dir dir)
{
    return dir == CHAN_SEND ? CHAN_RECV : CHAN_SEND;
}

/* Each direction has one word: a position, and below it three flags. Positions are lap | index, so
 * that a slot and its turn are one comparison whatever the capacity. Capacity 0: the position of
 * word[dir] counts the waiters that the other direction has queued. */
#define CHAN_WAKE ((size_t)1)   /* the other direction has waiters, and one of them wants a wake */
#define CHAN_DIRECT ((size_t)2) /* take the lock: the waiter at the head is served first */
#define CHAN_CLOSED ((size_t)4) /* nothing more goes in; in word[CHAN_SEND] */
#define CHAN_FLAGS ((size_t)7)
#define CHAN_ONE ((size_t)8)

/* The blocked callers of one direction. */
typedef struct chan_side {
    waitq queue;  /* (m) */
    bool  waking; /* (m) one was told READY and will report back: wake nobody else */
} chan_side;

typedef struct chan_word {
    atom_size at;                              /* (a) position and flags [ring.2] */
    char alone[ATOM_LINE - sizeof(atom_size)]; /* senders and receivers write their own line */
} chan_word;

/* Laid out by cache line: what is only read; a line for each direction of a ring; then what callers
 * who meet under the lock write together. */
struct cconc_chan {
    size_t             cap;         /* (i) elements; 0 = rendezvous */
    size_t             elem_size;   /* (i) bytes */
    atom_size         *word[2];     /* (i) by chan_dir: far_word of a ring, near_word if cap is 0 */
    size_t             index_mask;  /* (i) the index bits of a position */
    size_t             lap;         /* (i) what one round adds to a position */
    unsigned char     *slots;       /* (i) cap slots: stamp, element */
    size_t             stride;      /* (i) bytes from slot to slot */
    size_t             elem_at;     /* (i) where in a slot the element begins */
    cconc_chan_drop_fn drop;        /* (i) or NULL */
    void              *user;        /* (i) */
    void              *memory;      /* (i) what was allocated */
    _Alignas(ATOM_LINE) chan_word far_word[2]; /* (a) */
    _Alignas(ATOM_LINE) atom_ptr seat; /* (a) capacity 0: who spins, see chan_meet.c [seat.1] */
    atom_size          near_word[2]; /* (a) */
    lock               mu;          /* rank CHAN; guards (m) and the flags of the words */
    chan_side          side[2];     /* (m) by chan_dir */
};

/* Copy one element. to may be NULL: it is thrown away. */
void cconc__chan_copy(const cconc_chan *ch, void *to, const void *from);

/* chan_ring.c: move one element by the lock-free ring. Returns 0; EAGAIN full or empty; EPIPE
 * closed; EBUSY if the lock must be taken. *out_wake: the other direction wants a wake. */
int cconc__chan_ring_try(cconc_chan *ch, chan_dir dir, void *elem, bool *out_wake);

/* The same on behalf of a queued waiter, with mu held and CHAN_DIRECT set; the slot is ready. */
bool cconc__chan_ring_move_locked(cconc_chan *ch, chan_dir dir, void *elem);

/* Is the next slot ready to be moved? Is there one that will be, by position alone? */
bool cconc__chan_ring_is_ready(const cconc_chan *ch, chan_dir dir);
bool cconc__chan_ring_has(const cconc_chan *ch, chan_dir dir);

/* chan_queue.c: try with the lock, after those who are served first; wake who waits in dir; queue a
 * waiter; leave the queue undone, or after having been told READY. */
int         cconc__chan_ring_attempt(cconc_chan *ch, chan_dir dir, void *elem);
void        cconc__chan_ring_wake(cconc_chan *ch, chan_dir dir);
wait_queued cconc__chan_ring_enqueue(cconc_chan *ch, chan_dir dir, waiter *w, wait_node *node);
void        cconc__chan_ring_leave(cconc_chan *ch, chan_dir dir, wait_node *node);
void        cconc__chan_ring_arrive(cconc_chan *ch, chan_dir dir);

void        cconc__chan_ring_unflag_locked(cconc_chan *ch); /* all queues have been emptied */

/* chan_meet.c: the same for capacity 0. */
int         cconc__chan_meet_attempt(cconc_chan *ch, chan_dir dir, void *elem);
wait_queued cconc__chan_meet_enqueue(cconc_chan *ch, chan_dir dir, waiter *w, wait_node *node);
void        cconc__chan_meet_leave(cconc_chan *ch, chan_dir dir, wait_node *node);

/* Meet, or sit down. Returns WAIT_FIRED; WAIT_QUEUED if b sits; WAIT_AGAIN if the queue must be
 * used. A sitter waits, then, if it was granted, has its element moved. */
wait_queued cconc__chan_seat(cconc_chan *ch, chan_dir dir, lone_waiter *b);
void        cconc__chan_seat_wait(cconc_chan *ch, lone_waiter *b);
void        cconc__chan_seat_settle(cconc_chan *ch, chan_dir dir, lone_waiter *b);

/* Have whoever sits join the queue, where everybody sees it. */
void cconc__chan_unseat_locked(cconc_chan *ch);
void cconc__chan_unseat(cconc_chan *ch);

/* chan.c: put node into dir's queue, behind all that began to wait no later. */
void cconc__chan_insert_locked(cconc_chan *ch, chan_dir dir, wait_node *node);

/* chan.c: queue w's node, and leave after the wait, as the claim on w says. */
wait_queued cconc__chan_enqueue(cconc_chan *ch, chan_dir dir, waiter *w, wait_node *node);
void        cconc__chan_dequeue(cconc_chan *ch, chan_dir dir, const waiter *w, wait_node *node);

/* Move one element without waiting, by the channel's capacity. */
static inline int chan_attempt(cconc_chan *ch, chan_dir dir, void *elem)
{
    bool wake;
    int err;
    if (ch->cap == 0) {
        return cconc__chan_meet_attempt(ch, dir, elem);
    }
    err = cconc__chan_ring_try(ch, dir, elem, &wake);
    if (err == 0 && wake) {
        cconc__chan_ring_wake(ch, chan_other(dir));
    }
    return err == EBUSY ? cconc__chan_ring_attempt(ch, dir, elem) : err;
}

#endif
