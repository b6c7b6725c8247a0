/* chan_batch.c - interleavings of send_n and recv_n, and of who is served first.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A batch that loses its place or its count; whoever has waited long overtaken once more;
 *          an element kept for one who has left.
 * Method   Scenarios of the deterministic tester, two to four threads each.
 * Catches  Counts that are not those of what went; batches out of order; a direct hand-over to
 *          nobody, or that nobody goes on from.
 */
#include "chan_actor.h"

typedef struct batch {
    cconc_chan *ch;
    cconc_ctx *ctx;
    int    elems[4];
    size_t count;
    size_t done;
    int    err;
} batch;

static batch *batch_new(cconc_chan *ch, size_t count, int first)
{
    batch *b = model_zalloc(sizeof(*b));
    b->ch = ch;
    b->count = count;
    b->done = 9;
    b->err = -1;
    for (int i = 0; first > 0 && i < 4; i++) {
        b->elems[i] = first + i;
    }
    return b;
}

static void sends_all(void *arg)
{
    batch *b = arg;
    b->err = cconc_chan_send_n(b->ch, b->ctx, b->elems, b->count, &b->done);
}

static void receives_some(void *arg)
{
    batch *b = arg;
    b->err = cconc_chan_recv_n(b->ch, b->ctx, b->elems, b->count, &b->done);
}

MODEL_SCENARIO(chan_batch_meets_batch, .goals = "one two", .covers = "H24")
{
    cconc_chan *ch = actor_chan(2);
    batch *b = batch_new(ch, 2, 1);
    batch *c = batch_new(ch, 2, 0);
    model_spawn(sends_all, b);
    receives_some(c);
    MODEL_EQ(c->err, 0);
    MODEL_CHECK(c->done == 1 || c->done == 2);
    for (size_t i = 0; i < c->done; i++) {
        MODEL_EQ(c->elems[i], (int)i + 1);
    }
    model_cover(c->done == 1 ? "one" : "two");
    model_join_all();
    MODEL_EQ(b->err, 0);
    MODEL_EQ(b->done, 2);
    MODEL_EQ(cconc_chan_len(ch), 2 - c->done);
    cconc_chan_free(ch);
}

/* Each batch keeps its order, whatever falls in between. */
MODEL_SCENARIO(chan_batch_keeps_its_order, .bound = 2, .goals = "plain mixed", .covers = "H11")
{
    cconc_chan *ch = actor_chan(1);
    batch *b = batch_new(ch, 2, 1);
    actor *a;
    int got[3];
    bool mixed;
    model_spawn(sends_all, b);
    a = actor_spawn(actor_sends, ch, NULL, 9);
    for (int i = 0; i < 3; i++) {
        got[i] = actor_get(ch);
    }
    mixed = got[0] == 1 && got[1] == 9 && got[2] == 2;
    MODEL_CHECK(mixed || (got[0] == 9 && got[1] == 1 && got[2] == 2) ||
                (got[0] == 1 && got[1] == 2 && got[2] == 9));
    model_cover(mixed ? "mixed" : "plain");
    model_join_all();
    MODEL_EQ(b->err + a->err, 0);
    MODEL_EQ(b->done, 2);
    cconc_chan_free(ch);
}

/* Cut short by close: the count is what can be received. */
MODEL_SCENARIO(chan_batch_cut_by_close, .exhaustive = true, .covers = "H16",
               .goals = "none one")
{
    cconc_chan *ch = actor_chan(1);
    batch *b = batch_new(ch, 2, 1);
    size_t got = 0;
    int value = 0;
    model_spawn(sends_all, b);
    MODEL_EQ(cconc_chan_close(ch), 0);
    model_join_all();
    while (cconc_chan_try_recv(ch, &value) == 0) {
        got++;
        MODEL_EQ(value, (int)got);
    }
    MODEL_EQ(b->err, EPIPE);
    MODEL_EQ(b->done, got);
    model_cover(got ? "one" : "none");
    cconc_chan_free(ch);
}

MODEL_SCENARIO(chan_batch_cut_by_time, .covers = "H19 H20", .goals = "one two")
{
    cconc_chan *ch = actor_chan(1);
    batch *b = batch_new(ch, 2, 1);
    int value = 0;
    b->ctx = actor_limit(1000);
    model_spawn(sends_all, b);
    MODEL_EQ(actor_get(ch), 1);
    model_join_all();
    MODEL_EQ(b->err, b->done == 2 ? 0 : ETIMEDOUT);
    MODEL_EQ(cconc_chan_try_recv(ch, &value), b->done == 2 ? 0 : EAGAIN);
    MODEL_EQ(value, b->done == 2 ? 2 : 0);
    model_cover(b->done == 2 ? "two" : "one");
    cconc_chan_free(ch);
}

/* A batch through a rendezvous, met by plain calls. */
MODEL_SCENARIO(chan_batch_of_a_rendezvous)
{
    cconc_chan *ch = actor_chan(0);
    batch *b = batch_new(ch, 2, 1);
    model_spawn(sends_all, b);
    MODEL_EQ(actor_get(ch), 1);
    MODEL_EQ(actor_get(ch), 2);
    model_join_all();
    MODEL_EQ(b->err, 0);
    MODEL_EQ(b->done, 2);
    cconc_chan_free(ch);
}

static void tries_twice(void *arg)
{
    actor *a = arg;
    int value = 0;
    a->value = cconc_chan_try_recv(a->ch, &value) == 0;
    a->value += cconc_chan_try_recv(a->ch, &value) == 0;
}

/* chan-5: whoever has waited 1 ms at the head is overtaken once at most, by one that runs between
 * the move of an element and the look for waiters; the next is handed to it. */
MODEL_SCENARIO(chan_aged_receiver_is_served_first, .covers = "S7",
               .goals = "first second")
{
    cconc_chan *ch = actor_chan(1);
    actor *a = actor_spawn(actor_receives, ch, NULL, 0);
    actor *b;
    model_until_parked(1);
    model_pass(CCONC_MS);
    b = actor_spawn(tries_twice, ch, NULL, 0);
    actor_put(ch, 7);
    actor_put(ch, 8);
    model_join_all();
    MODEL_EQ(a->err, 0);
    MODEL_CHECK(b->value <= 1);
    MODEL_EQ(cconc_chan_len(ch), 1 - b->value);
    model_cover(a->value == 7 ? "first" : "second");
    cconc_chan_free(ch);
}

MODEL_SCENARIO(chan_aged_sender_is_served_first, .covers = "S7 H12",
               .goals = "first second")
{
    cconc_chan *ch = actor_chan(1);
    actor *a;
    actor *b;
    int value;
    actor_put(ch, 1);
    a = actor_spawn(actor_sends, ch, NULL, 2);
    model_until_parked(1);
    model_pass(CCONC_MS);
    b = actor_spawn(actor_tries_to_send, ch, NULL, 3);
    MODEL_EQ(actor_get(ch), 1);
    value = actor_get(ch);
    if (value == 3) {
        MODEL_EQ(actor_get(ch), 2);
    }
    model_cover(value == 2 ? "first" : "second");
    model_join_all();
    MODEL_EQ(a->err, 0);
    MODEL_EQ(cconc_chan_len(ch), value == 2 && b->err == 0 ? 1 : 0);
    cconc_chan_free(ch);
}

/* Woken, overtaken, and meanwhile old: it comes back, and the next element is kept for it. */
static void takes_one_and_gives_two(void *arg)
{
    actor *a = arg;
    int one = 1;
    MODEL_EQ(cconc_chan_try_send(a->ch, &one), 0);
    a->err = cconc_chan_try_recv(a->ch, &a->value);
    model_pass(CCONC_MS);
    if (a->err == 0) {
        actor_put(a->ch, 2);
    }
}

MODEL_SCENARIO(chan_aged_after_it_was_overtaken, .covers = "S7 H12",
               .goals = "overtaken served")
{
    cconc_chan *ch = actor_chan(2);
    actor *a = actor_spawn(actor_receives, ch, NULL, 0);
    actor *b = actor_new(ch, 0);
    takes_one_and_gives_two(b);
    model_join_all();
    MODEL_EQ(a->err, 0);
    MODEL_EQ(a->value, b->err == 0 ? 2 : 1);
    model_cover(b->err == 0 ? "overtaken" : "served");
    cconc_chan_free(ch);
}

/* What is kept for the oldest goes to the next one when it leaves. */
MODEL_SCENARIO(chan_aged_receiver_leaves, .covers = "H19 H20 S1",
               .goals = "cancelled received")
{
    cconc_chan *ch = actor_chan(1);
    cconc_ctx *ctx = actor_cancellable();
    actor *a = actor_spawn(actor_receives, ch, ctx, 0);
    actor *b;
    model_until_parked(1);
    b = actor_spawn(actor_receives, ch, NULL, 0);
    model_until_parked(2);
    model_pass(CCONC_MS);
    (void)actor_spawn(actor_cancels, ch, ctx, 0);
    actor_put(ch, 7);
    actor_put(ch, 8);
    (void)cconc_chan_close(ch);
    model_join_all();
    if (a->err == 0) {
        MODEL_EQ(a->value + b->value, 15);
        model_cover("received");
    } else {
        MODEL_EQ(a->err, ECANCELED);
        MODEL_EQ(b->value, 7);
        MODEL_EQ(cconc_chan_len(ch), 1);
        model_cover("cancelled");
    }
    MODEL_EQ(b->err, 0);
    cconc_ctx_free(ctx);
    cconc_chan_free(ch);
}

/* The next one is young: it has what comes all the same, and from nobody else's help. */
MODEL_SCENARIO(chan_aged_receiver_leaves_a_young_one, .covers = "H19 H20 S1", .bound = 2,
               .goals = "cancelled received")
{
    cconc_chan *ch = actor_chan(2);
    cconc_ctx *ctx = actor_cancellable();
    actor *a = actor_spawn(actor_receives, ch, ctx, 0);
    actor *b;
    model_until_parked(1);
    model_pass(CCONC_MS);
    b = actor_spawn(actor_receives, ch, NULL, 0);
    model_until_parked(2);
    (void)actor_spawn(actor_cancels, ch, ctx, 0);
    (void)actor_spawn(actor_tries_to_send, ch, NULL, 7);
    actor_put(ch, 8);
    model_settle();
    MODEL_EQ(b->err, 0);
    model_join_all();
    if (a->err == 0) {
        MODEL_EQ(a->value + b->value, 15);
        model_cover("received");
    } else {
        MODEL_EQ(a->err, ECANCELED);
        MODEL_CHECK(b->value == 7 || b->value == 8);
        MODEL_EQ(cconc_chan_len(ch), 1);
        model_cover("cancelled");
    }
    cconc_ctx_free(ctx);
    cconc_chan_free(ch);
}

/* Serving one side frees what the other side waits for, and so on. */
MODEL_SCENARIO(chan_aged_on_both_sides, .covers = "H11 H19")
{
    cconc_chan *ch = actor_chan(1);
    actor *a;
    actor *b;
    actor_put(ch, 1);
    a = actor_spawn(actor_sends, ch, NULL, 2);
    model_until_parked(1);
    b = actor_spawn(actor_sends, ch, NULL, 3);
    model_until_parked(2);
    model_pass(CCONC_MS);
    MODEL_EQ(actor_get(ch), 1);
    MODEL_EQ(actor_get(ch), 2);
    MODEL_EQ(actor_get(ch), 3);
    model_join_all();
    MODEL_EQ(a->err + b->err, 0);
    cconc_chan_free(ch);
}
