/* chan_case.c - a channel's two directions as cases of a select
 * SPDX-License-Identifier: MIT
 *
 * Idea        What a plain call does, taken apart for select: look, fire, queue, leave.
 * Invariants  I1 A direction that is not ready stays so while the word that would make it ready
 *                keeps its position and its closed flag: that is the version.
 * Locks       None taken here.
 * Ordering    The edges of ring.c and chan_meet.c.
 * Lifetime    The case lies in the select that runs.
 * Rejected    A select that knows channels: it would know contexts and timers too. */
#include "prim/chan.h"

/* The word whose change makes dir ready. */
static size_t case_version(const cconc_chan *ch, chan_dir dir)
{
    chan_dir watched = ch->ring.cap == 0 ? dir : ring_other(dir);
    /* [ring.2] [meet.1] acq: read before the look */
    return atom_load_acq(ch->ring.word[watched]) & ~RING_FLAGS;
}

static bool chan_case_is_ready(cconc_chan *ch, chan_dir dir, size_t *out_version)
{
    size_t word;
    chan_unseat(ch);
    *out_version = case_version(ch, dir);
    /* [ring.2] [meet.1] acq: what came before close */
    word = atom_load_acq(ch->ring.word[CHAN_SEND]);
    if (word & RING_CLOSED) {
        return true;
    }
    if (ch->ring.cap > 0) {
        return cconc__ring_has(&ch->ring, dir);
    }
    return (atom_load_acq(ch->ring.word[dir]) & RING_WAKE) != 0; /* [meet.1] acq */
}

static bool send_is_right(const wait_case *c)
{
    const cconc_chan *ch = c->object;
    return c->node.elem || ch->ring.elem_size == 0;
}

static bool recv_is_right(const wait_case *c)
{
    (void)c; /* without a place to receive to, the element is thrown away */
    return true;
}

static bool send_is_ready(const wait_case *c, size_t *out_version)
{
    return chan_case_is_ready(c->object, CHAN_SEND, out_version);
}

static bool recv_is_ready(const wait_case *c, size_t *out_version)
{
    return chan_case_is_ready(c->object, CHAN_RECV, out_version);
}

static int send_try(wait_case *c)
{
    return chan_attempt(c->object, CHAN_SEND, c->node.elem);
}

static int recv_try(wait_case *c)
{
    return chan_attempt(c->object, CHAN_RECV, c->node.elem);
}

static wait_queued send_enqueue(wait_case *c, waiter *w)
{
    return cconc__chan_enqueue(c->object, CHAN_SEND, w, &c->node);
}

static wait_queued recv_enqueue(wait_case *c, waiter *w)
{
    return cconc__chan_enqueue(c->object, CHAN_RECV, w, &c->node);
}

static void send_dequeue(wait_case *c)
{
    cconc__chan_dequeue(c->object, CHAN_SEND, c->node.w, &c->node);
}

static void recv_dequeue(wait_case *c)
{
    cconc__chan_dequeue(c->object, CHAN_RECV, c->node.w, &c->node);
}

const wait_ops cconc__chan_send_ops = {send_is_right, send_is_ready, send_try, send_enqueue,
                                       send_dequeue,  NULL,          NULL};
const wait_ops cconc__chan_recv_ops = {recv_is_right, recv_is_ready, recv_try, recv_enqueue,
                                       recv_dequeue,  NULL,          NULL};
