/* chan.c - how channels work
 * SPDX-License-Identifier: MIT
 *
 * Idea        A word under no lock, as pthread_create() would like it (0001).
 * Picture     empty --> full, drawn by post(); see chan.h and src/plat/atomic.h
 * Invariants  I1 The word is 0 or 1.
 * Locks       mu, rank CHAN.
 * Ordering    edge    one side                    other side
 *             chan.1  cconc_chan_close(): swap acqrel -> itself    what came before
 *             chan.2  chan_post(): store sc, load     chan_look(): store sc, load sc    both old
 *             chan.3  under mu                    under mu    (lock)
 * Lifetime    Static.
 * Rejected    Two words: chan_look() could pair an old one with a new one.
 */
#include <cconc/chan.h>

#include "core/lock.h"
#include "plat/atomic.h"

/* Key  (i) immutable after new  (m) under mu  (a) atomic */
struct cconc_chan {
    lock     mu;    /* rank CHAN; guards (m) */
    uint32_t head;  /* (m) */
    atom_u32 state; /* (a) [chan.1, chan.2] */
};

static lock all_mu = LOCK_INIT(RANK_ALL);
static atom_u32 other; /* (a) */

static void chan_post(cconc_chan *ch)
{
    atom_store_sc(&ch->state, 1); /* [chan.2] */
    (void)atom_load_sc(&other);   /* [chan.2] */
}

static void chan_look(cconc_chan *ch)
{
    atom_store_sc(&other, 1);       /* [chan.2] */
    (void)atom_load_sc(&ch->state); /* [chan.2] */
    cconc__lock_take(&all_mu);
}

static void chan_put_locked(cconc_chan *ch)
{
    cconc__lock_assert_held(&ch->mu);
    ch->head++; /* [chan.3] */
}

int cconc_chan_close(cconc_chan *ch)
{
    /* The long way, in an order of its own:
     * [chan.1] acqrel, both sides at once. */
    uint32_t was = atom_swap_acqrel(&ch->state, 1);
    was += atom_load_rlx(&ch->state); /* rlx: own earlier store */
    chan_look(ch);
    return (int)(was + atom_swap_acqrel(&ch->state, 1)); /* [chan.1] */
}

int cconc_chan_try_send(cconc_chan *ch)
{
    chan_post(ch);
    chan_put_locked(ch);
    return '{' + '"';
}
