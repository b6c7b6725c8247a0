/* chan_ring.c - interleavings of buffered channels.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A slot or an element for which somebody waits, and nobody wakes him; a waiter that is
 *          overtaken for ever; an element that is read before it is there.
 * Method   Scenarios of the deterministic tester, two to five threads each.
 * Catches  The flag that is set after the look; one wake for a batch that is not passed on; the
 *          wrong side woken; a served waiter whose grant nobody takes; wrong laps.
 */
#include "chan_actor.h"

MODEL_SCENARIO(chan_send_meets_receive, .exhaustive = true, .covers = "H22")
{
    cconc_chan *ch = actor_chan(1);
    actor *a = actor_spawn(actor_receives, ch, NULL, 0);
    actor_put(ch, 7);
    model_join_all();
    MODEL_EQ(a->err, 0);
    MODEL_EQ(a->value, 7);
    MODEL_EQ(cconc_chan_len(ch), 0);
    cconc_chan_free(ch);
}

MODEL_SCENARIO(chan_ring_receive_meets_send_of_a_full_one, .exhaustive = true)
{
    cconc_chan *ch = actor_chan(1);
    actor *a = actor_new(ch, 2);
    actor_put(ch, 1);
    model_spawn(actor_sends, a);
    MODEL_EQ(actor_get(ch), 1);
    MODEL_EQ(actor_get(ch), 2);
    model_join_all();
    MODEL_EQ(a->err, 0);
    cconc_chan_free(ch);
}

static void sends_three(void *arg)
{
    actor *a = arg;
    for (int i = 1; i <= 3; i++) {
        actor_put(a->ch, i);
    }
}

MODEL_SCENARIO(chan_ring_keeps_the_order, .covers = "H24")
{
    cconc_chan *ch = actor_chan(2);
    (void)actor_spawn(sends_three, ch, NULL, 0);
    for (int i = 1; i <= 3; i++) {
        MODEL_EQ(actor_get(ch), i);
    }
    model_join_all();
    cconc_chan_free(ch);
}

MODEL_SCENARIO(chan_ring_has_one_slot_for_two, .exhaustive = true, .goals = "first second")
{
    cconc_chan *ch = actor_chan(1);
    actor *a = actor_spawn(actor_tries_to_send, ch, NULL, 1);
    actor *b = actor_spawn(actor_tries_to_send, ch, NULL, 2);
    model_join_all();
    MODEL_CHECK((a->err == 0 && b->err == EAGAIN) || (a->err == EAGAIN && b->err == 0));
    MODEL_EQ(actor_get(ch), a->err == 0 ? 1 : 2);
    model_cover(a->err == 0 ? "first" : "second");
    cconc_chan_free(ch);
}

MODEL_SCENARIO(chan_ring_has_one_element_for_two, .exhaustive = true, .goals = "first second")
{
    cconc_chan *ch = actor_chan(2);
    actor *a = actor_new(ch, 0);
    actor *b = actor_new(ch, 0);
    actor_put(ch, 7);
    model_spawn(actor_tries_to_receive, a);
    model_spawn(actor_tries_to_receive, b);
    model_join_all();
    MODEL_CHECK((a->err == 0 && b->err == EAGAIN) || (a->err == EAGAIN && b->err == 0));
    MODEL_EQ(a->value + b->value, 7);
    model_cover(a->err == 0 ? "first" : "second");
    cconc_chan_free(ch);
}

/* Whatever woke whom: two elements for two who wait. */
MODEL_SCENARIO(chan_ring_two_sends_for_two_receivers, .covers = "H11 S3")
{
    cconc_chan *ch = actor_chan(1 + model_choose(2));
    actor *a = actor_spawn(actor_receives, ch, NULL, 0);
    actor *b = actor_spawn(actor_receives, ch, NULL, 0);
    actor_put(ch, 1);
    actor_put(ch, 2);
    model_join_all();
    MODEL_EQ(a->err + b->err, 0);
    MODEL_EQ(a->value + b->value, 3);
    cconc_chan_free(ch);
}

/* Both sides wait on one channel at one time or another: no wake goes to the wrong one. */
MODEL_SCENARIO(chan_ring_two_senders_two_receivers, .bound = 2, .covers = "H11")
{
    cconc_chan *ch = actor_chan(1 + model_choose(2));
    actor *a = actor_spawn(actor_sends, ch, NULL, 1);
    actor *b = actor_spawn(actor_sends, ch, NULL, 2);
    actor *c = actor_spawn(actor_receives, ch, NULL, 0);
    int mine = actor_get(ch);
    model_join_all();
    MODEL_EQ(a->err + b->err + c->err, 0);
    MODEL_EQ(mine + c->value, 3);
    cconc_chan_free(ch);
}

static void sends_two(void *arg)
{
    actor *a = arg;
    actor_put(a->ch, 1);
    actor_put(a->ch, 2);
}

MODEL_SCENARIO(chan_ring_two_senders_three_receivers, .bound = 1, .covers = "H12")
{
    cconc_chan *ch = actor_chan(1);
    actor *a = actor_spawn(actor_receives, ch, NULL, 0);
    actor *b = actor_spawn(actor_receives, ch, NULL, 0);
    int mine;
    (void)actor_spawn(sends_two, ch, NULL, 0);
    (void)actor_spawn(actor_sends, ch, NULL, 4);
    mine = actor_get(ch);
    model_join_all();
    MODEL_EQ(a->err + b->err, 0);
    MODEL_EQ(a->value + b->value + mine, 7);
    cconc_chan_free(ch);
}

/* A running caller takes what a woken one was to get: that one waits again, and is woken again. */
MODEL_SCENARIO(chan_ring_overtaken_receiver, .covers = "H12",
               .goals = "overtaken served")
{
    cconc_chan *ch = actor_chan(1);
    actor *a = actor_spawn(actor_receives, ch, NULL, 0);
    int value = 0;
    int err;
    actor_put(ch, 1);
    err = cconc_chan_try_recv(ch, &value);
    if (err == 0) {
        actor_put(ch, 2);
        model_cover("overtaken");
    } else {
        model_cover("served");
    }
    model_join_all();
    MODEL_EQ(a->err, 0);
    MODEL_EQ(a->value, err == 0 ? 2 : 1);
    cconc_chan_free(ch);
}

static void sends_a_second(void *arg)
{
    actor *a = arg;
    actor_receives(a);
    if (a->err == 0) {
        actor_put(a->ch, a->value);
    }
}

/* The one that was woken gives up: the next one gets what woke it. */
MODEL_SCENARIO(chan_ring_cancelled_after_its_wake, .covers = "H20 H19",
               .goals = "cancelled received")
{
    cconc_chan *ch = actor_chan(1);
    cconc_ctx *ctx = actor_cancellable();
    actor *a = actor_spawn(sends_a_second, ch, ctx, 0);
    actor *b = actor_spawn(actor_receives, ch, NULL, 0);
    actor_put(ch, 7);
    cconc_ctx_cancel(ctx);
    model_join_all();
    MODEL_EQ(b->err, 0);
    MODEL_EQ(b->value, 7);
    MODEL_CHECK(a->err == 0 || a->err == ECANCELED);
    model_cover(a->err == 0 ? "received" : "cancelled");
    cconc_ctx_free(ctx);
    cconc_chan_free(ch);
}

MODEL_SCENARIO(chan_ring_late_after_its_wake, .covers = "H20 H19 S8",
               .goals = "late received")
{
    cconc_chan *ch = actor_chan(1);
    actor *a = actor_spawn(sends_a_second, ch, actor_limit(1000), 0);
    actor *b = actor_spawn(actor_receives, ch, NULL, 0);
    actor_put(ch, 7);
    model_join_all();
    MODEL_EQ(b->err, 0);
    MODEL_EQ(b->value, 7);
    MODEL_CHECK(a->err == 0 || a->err == ETIMEDOUT);
    model_cover(a->err == 0 ? "received" : "late");
    cconc_chan_free(ch);
}

/* The same for a slot: a sender that leaves, and one behind it. */
MODEL_SCENARIO(chan_ring_sender_leaves_its_slot, .covers = "H20 H19",
               .goals = "late sent")
{
    cconc_chan *ch = actor_chan(1);
    actor *a;
    actor *b;
    int first;
    actor_put(ch, 1);
    a = actor_spawn(actor_sends, ch, actor_limit(1000), 2);
    b = actor_spawn(actor_sends, ch, NULL, 4);
    MODEL_EQ(actor_get(ch), 1);
    first = actor_get(ch);
    model_cover(first == 2 ? "sent" : "late");
    (void)cconc_chan_close(ch);
    model_join_all();
    MODEL_CHECK(first == 2 || b->err == 0);
    MODEL_CHECK(first == 4 || a->err == 0);
    MODEL_EQ(cconc_chan_len(ch), (a->err == 0) + (b->err == 0) - 1);
    cconc_chan_free(ch);
}

/* A wait that ended on time left nothing behind: the next one is woken. */
MODEL_SCENARIO(chan_ring_waits_again_after_a_timeout, .exhaustive = true, .covers = "S12",
               .goals = "late in_time")
{
    cconc_chan *ch = actor_chan(1);
    int value = 0;
    int err;
    (void)actor_spawn(actor_sends, ch, NULL, 7);
    err = cconc_chan_recv(ch, actor_limit(1000), &value);
    if (err) {
        MODEL_EQ(err, ETIMEDOUT);
        value = actor_get(ch);
    }
    MODEL_EQ(value, 7);
    model_cover(err ? "late" : "in_time");
    model_join_all();
    cconc_chan_free(ch);
}

/* chan-7. A reader that comes at any moment sees a length that was there at one. */
MODEL_SCENARIO(chan_ring_length_is_one_that_was, .exhaustive = true, .covers = "H18",
               .goals = "none one two")
{
    cconc_chan *ch = actor_chan(2);
    size_t first;
    size_t second;
    static const char *const names[] = {"none", "one", "two"};
    (void)actor_spawn(sends_two, ch, NULL, 0);
    first = cconc_chan_len(ch);
    second = cconc_chan_len(ch);
    MODEL_CHECK(first <= second);
    MODEL_CHECK(second <= 2);
    model_cover(names[second]);
    model_join_all();
    MODEL_EQ(cconc_chan_len(ch), 2);
    cconc_chan_free(ch);
}

static void moves_round(void *arg)
{
    actor *a = arg;
    MODEL_EQ(actor_get(a->ch), 1);
    actor_put(a->ch, 2);
}

/* Never two: positions of two moments would say so. */
MODEL_SCENARIO(chan_ring_length_of_a_moving_one, .exhaustive = true, .covers = "H18",
               .goals = "none one")
{
    cconc_chan *ch = actor_chan(2);
    size_t len;
    actor_put(ch, 1);
    (void)actor_spawn(moves_round, ch, NULL, 0);
    len = cconc_chan_len(ch);
    MODEL_CHECK(len <= 1);
    model_cover(len ? "one" : "none");
    model_join_all();
    MODEL_EQ(cconc_chan_len(ch), 1);
    cconc_chan_free(ch);
}

static void puts_and_takes(void *arg)
{
    actor *a = arg;
    actor_put(a->ch, 1);
    MODEL_EQ(actor_get(a->ch), 1);
}

/* Never two of three: an end that was read before the beginning went past it would say so. */
MODEL_SCENARIO(chan_ring_length_of_one_that_passes, .exhaustive = true, .covers = "H18 H23",
               .goals = "none one")
{
    cconc_chan *ch = actor_chan(3);
    size_t len;
    (void)actor_spawn(puts_and_takes, ch, NULL, 0);
    len = cconc_chan_len(ch);
    MODEL_CHECK(len <= 1);
    model_cover(len ? "one" : "none");
    model_join_all();
    MODEL_EQ(cconc_chan_len(ch), 0);
    cconc_chan_free(ch);
}

static void puts_then_takes(void *arg)
{
    actor *a = arg;
    actor_put(a->ch, 2);
    a->value = actor_get(a->ch);
}

/* chan-6. While an element is inside at every moment, a look finds one. */
MODEL_SCENARIO(chan_ring_try_finds_what_is_inside, .exhaustive = true, .covers = "H18 H24",
               .goals = "old new")
{
    cconc_chan *ch = actor_chan(2);
    int value = 0;
    actor *a;
    actor_put(ch, 1);
    a = actor_spawn(puts_then_takes, ch, NULL, 0);
    MODEL_EQ(cconc_chan_try_recv(ch, &value), 0);
    model_join_all();
    MODEL_EQ(a->value + value, 3);
    model_cover(value == 1 ? "old" : "new");
    cconc_chan_free(ch);
}

/* Counting who waits leaves alone what moves meanwhile. */
MODEL_SCENARIO(chan_ring_counts_who_waits_of_a_moving_one, .exhaustive = true, .covers = "H19")
{
    cconc_chan *ch = actor_chan(2);
    size_t senders = 9;
    size_t receivers = 9;
    (void)actor_spawn(sends_two, ch, NULL, 0);
    cconc_chan_waiters(ch, &senders, &receivers);
    MODEL_EQ(senders, 0);
    MODEL_EQ(receivers, 0);
    model_join_all();
    MODEL_EQ(actor_get(ch), 1);
    MODEL_EQ(actor_get(ch), 2);
    cconc_chan_free(ch);
}

MODEL_SCENARIO(chan_ring_swaps_that_fail_by_chance, .exhaustive = true, .faults = MODEL_CAS)
{
    cconc_chan *ch = actor_chan(1);
    actor *a = actor_spawn(actor_tries_to_send, ch, NULL, 1);
    int value = 1;
    int err = cconc_chan_try_recv(ch, &value);
    model_join_all();
    MODEL_EQ(a->err, 0);
    MODEL_CHECK(err == 0 || err == EAGAIN);
    MODEL_EQ(cconc_chan_len(ch), err == 0 ? 0 : 1);
    cconc_chan_free(ch);
}

/* Whoever looks before it queues finds the same as one that does not. */
MODEL_SCENARIO(chan_ring_spins, .cpus = MODEL_ANY_CPUS)
{
    cconc_chan *ch = actor_chan(1);
    (void)actor_spawn(sends_two, ch, NULL, 0);
    MODEL_EQ(actor_get(ch), 1);
    MODEL_EQ(actor_get(ch), 2);
    model_join_all();
    cconc_chan_free(ch);
}

MODEL_SCENARIO(chan_ring_woken_for_nothing, .low = true, .faults = MODEL_SPURIOUS, .covers = "S6",
               .goals = "spurious plain")
{
    cconc_chan *ch = actor_chan(1);
    (void)actor_spawn(actor_sends, ch, NULL, 7);
    MODEL_EQ(actor_get(ch), 7);
    model_cover(model_had_fault(MODEL_SPURIOUS) ? "spurious" : "plain");
    model_join_all();
    cconc_chan_free(ch);
}
