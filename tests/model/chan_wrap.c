/* chan_wrap.c - interleavings of channels whose positions wrap: what happens after years of use.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A position that wraps between a look and the swap that relies on it, a full ring that is
 *          taken for an empty one in the lap of the wrap, a flag that the carry touches.
 * Method   The ring is set to the last positions before the wrap, as in unit/chan_ring.c, and
 *          the threads cross it.
 * Catches  H18 L1; an off by one in ring_try().
 */
#include "model.h"

#include "prim/chan.h"

typedef struct crossing {
    cconc_chan *ch;
    int err[3];
    int got[3];
} crossing;

/* A ring in its last lap, holding filled elements that are numbered from 1. */
static crossing *crossing_new(size_t cap, int filled)
{
    crossing *c = model_zalloc(sizeof(*c));
    size_t position;
    MODEL_EQ(cconc_chan_new(sizeof(int), cap, &c->ch), 0);
    position = (size_t)0 - c->ch->ring.lap;
    for (size_t i = 0; i < cap; i++) {
        unsigned char *slot = c->ch->ring.slots + i * c->ch->ring.stride;
        atom_init((atom_size *)(void *)slot, position + i * RING_ONE);
    }
    atom_init(c->ch->ring.word[CHAN_SEND], position);
    atom_init(c->ch->ring.word[CHAN_RECV], position);
    for (int i = 1; i <= filled; i++) {
        MODEL_EQ(cconc_chan_try_send(c->ch, &i), 0);
    }
    return c;
}

/* The elements that the crossing put in and did not take out come in order, then none. */
static void crossing_end(crossing *c, int inside)
{
    int value;
    MODEL_EQ(cconc_chan_len(c->ch), (size_t)inside);
    for (int i = 0; i < inside; i++) {
        MODEL_EQ(cconc_chan_try_recv(c->ch, &value), 0);
    }
    MODEL_EQ(cconc_chan_try_recv(c->ch, &value), EAGAIN);
    cconc_chan_free(c->ch);
}

static void sends_two(void *arg)
{
    crossing *c = arg;
    for (int i = 0; i < 2; i++) {
        int value = 10 + i;
        c->err[i] = cconc_chan_try_send(c->ch, &value);
    }
}

static void receives_one(void *arg)
{
    crossing *c = arg;
    c->err[2] = cconc_chan_try_recv(c->ch, &c->got[2]);
}

MODEL_SCENARIO(chan_wrap_of_a_ring_of_one, .exhaustive = true, .covers = "H18 L1",
               .goals = "none one two")
{
    crossing *c = crossing_new(1, 0);
    int sent;
    model_spawn(sends_two, c);
    model_spawn(receives_one, c);
    model_join_all();
    sent = (c->err[0] == 0) + (c->err[1] == 0);
    MODEL_CHECK(sent >= 1);
    MODEL_CHECK(c->err[2] == EAGAIN || c->got[2] == 10);
    model_cover(c->err[2] == EAGAIN ? "none" : sent == 1 ? "one" : "two");
    crossing_end(c, sent - (c->err[2] == 0));
}

MODEL_SCENARIO(chan_wrap_of_a_full_ring, .exhaustive = true, .covers = "H18 L1",
               .goals = "full room")
{
    crossing *c = crossing_new(2, 2);
    int sent;
    model_spawn(sends_two, c);
    model_spawn(receives_one, c);
    model_join_all();
    sent = (c->err[0] == 0) + (c->err[1] == 0);
    MODEL_EQ(c->err[2], 0);
    MODEL_EQ(c->got[2], 1);
    MODEL_CHECK(sent <= 1);
    model_cover(sent == 0 ? "full" : "room");
    crossing_end(c, 1 + sent);
}

static void receives_waiting(void *arg)
{
    crossing *c = arg;
    c->err[2] = cconc_chan_recv(c->ch, NULL, &c->got[2]);
}

MODEL_SCENARIO(chan_wrap_meets_a_waiter, .exhaustive = true, .covers = "L1")
{
    crossing *c = crossing_new(1, 0);
    int value = 5;
    model_spawn(receives_waiting, c);
    MODEL_EQ(cconc_chan_send(c->ch, NULL, &value), 0);
    MODEL_EQ(cconc_chan_send(c->ch, NULL, &value), 0);
    model_join_all();
    MODEL_EQ(c->err[2], 0);
    MODEL_EQ(c->got[2], 5);
    crossing_end(c, 1);
}

MODEL_SCENARIO(chan_wrap_meets_close, .exhaustive = true, .covers = "L1", .goals = "closed sent")
{
    crossing *c = crossing_new(1, 1);
    int err;
    model_spawn(receives_one, c);
    model_spawn(sends_two, c);
    err = cconc_chan_close(c->ch);
    model_join_all();
    MODEL_EQ(err, 0);
    MODEL_EQ(c->err[2], 0);
    MODEL_EQ(c->got[2], 1);
    MODEL_CHECK(c->err[0] != EPIPE || c->err[1] == EPIPE); /* closed is for good */
    model_cover(c->err[0] == 0 || c->err[1] == 0 ? "sent" : "closed");
    while (cconc_chan_try_recv(c->ch, &c->got[0]) == 0) {
    }
    MODEL_EQ(cconc_chan_try_recv(c->ch, &c->got[0]), EPIPE);
    cconc_chan_free(c->ch);
}
