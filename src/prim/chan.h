/* chan.h - what the files of the channel share
 * SPDX-License-Identifier: MIT
 *
 * Key  (i) immutable after new  (a) atomic  (m) under mu
 *
 * chan.c has the life of a channel and the calls, ring.c the ring without a lock, chan_queue.c
 * the blocked callers of a ring, chan_meet.c the rendezvous, chan_case.c the cases of select.
 */
#ifndef PRIM_CHAN_H
#define PRIM_CHAN_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include <cconc/chan.h>
#include <cconc/static.h>

#include "core/lock.h"
#include "core/ring.h"
#include "core/waitable.h"
#include "core/waiter.h"
#include "core/waitq.h"
#include "plat/atomic.h"

/* A direction of a channel. */
typedef ring_dir chan_dir;
#define CHAN_SEND RING_IN
#define CHAN_RECV RING_OUT

/* The blocked callers of one direction. */
typedef struct chan_side {
    waitq queue;  /* (m) */
    bool  waking; /* (m) one was told READY and will report back: wake nobody else */
} chan_side;

/* Laid out by cache line: what is only read; a line for each direction of a ring; then what callers
 * who meet under the lock write together. */
struct cconc_chan {
    ring               ring;        /* (i) cap 0 = rendezvous, with near_word, else far_word */
    cconc_chan_drop_fn drop;        /* (i) or NULL */
    void              *user;        /* (i) */
    void              *memory;      /* (i) what was allocated, NULL = the caller's storage */
    _Alignas(ATOM_LINE) ring_line far_word[2]; /* (a) */
    _Alignas(ATOM_LINE) atom_ptr seat; /* (a) capacity 0: who spins, see chan_meet.c [seat.1] */
    atom_size          near_word[2]; /* (a) */
    lock               mu;          /* rank CHAN; guards (m) and the flags of the words */
    chan_side          side[2];     /* (m) by chan_dir */
};

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

/* Capacity 0: have whoever sits join the queue, where everybody sees it. */
void cconc__chan_unseat_locked(cconc_chan *ch);
void cconc__chan_unseat(cconc_chan *ch);

/* The same; with a ring nobody sits. */
static inline void chan_unseat(cconc_chan *ch)
{
    if (ch->ring.cap == 0) {
        cconc__chan_unseat(ch);
    }
}

/* chan.c: put node into dir's queue, behind all that began to wait no later. */
void cconc__chan_insert_locked(cconc_chan *ch, chan_dir dir, wait_node *node);

/* chan.c: queue w's node, and leave after the wait, as the claim on w says. */
wait_queued cconc__chan_enqueue(cconc_chan *ch, chan_dir dir, waiter *w, wait_node *node);
void        cconc__chan_dequeue(cconc_chan *ch, chan_dir dir, const waiter *w, wait_node *node);

/* What is left to do when the ring has said err and wake. */
static inline int chan_after_try(cconc_chan *ch, chan_dir dir, void *elem, int err, bool wake)
{
    if (err == 0 && wake) {
        cconc__chan_ring_wake(ch, ring_other(dir));
    }
    return err == EBUSY ? cconc__chan_ring_attempt(ch, dir, elem) : err;
}

/* Move one element without waiting, by the channel's capacity. */
static inline int chan_attempt(cconc_chan *ch, chan_dir dir, void *elem)
{
    bool wake = false;
    int err;
    if (ch->ring.cap == 0) {
        return cconc__chan_meet_attempt(ch, dir, elem);
    }
    err = cconc__ring_try(&ch->ring, dir, elem, &wake);
    return chan_after_try(ch, dir, elem, err, wake);
}

/* The same with capacity, but EAGAIN without a look at the peers if the next slot is not ready. */
static inline int chan_attempt_ready(cconc_chan *ch, chan_dir dir, void *elem)
{
    bool wake = false;
    int err = cconc__ring_try_ready(&ch->ring, dir, elem, &wake);
    return chan_after_try(ch, dir, elem, err, wake);
}

#endif
