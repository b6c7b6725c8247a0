/* chan_meet.c - interleavings of channels of capacity 0.
 * SPDX-License-Identifier: MIT
 *
 * Risk     Two callers that each wait for the other; a sender whose element nobody got, or two got;
 *          a caller that sits while others queue.
 * Method   Scenarios of the deterministic tester, two to four threads each, some that spin.
 * Catches  A seat left while it is taken; a flag that is set after the look; a grant that the
 *          owner's own claim overrides; wrong order of waiters.
 */
#include "chan_actor.h"

MODEL_SCENARIO(chan_meet, .exhaustive = true)
{
    cconc_chan *ch = actor_chan(0);
    actor *a = actor_spawn(actor_sends, ch, NULL, 7);
    MODEL_EQ(actor_get(ch), 7);
    model_join_all();
    MODEL_EQ(a->err, 0);
    MODEL_EQ(cconc_chan_len(ch), 0);
    cconc_chan_free(ch);
}

/* Each of the two looks for the other from its seat, or takes it out of it. */
MODEL_SCENARIO(chan_meet_at_the_seat, .cpus = MODEL_ANY_CPUS)
{
    cconc_chan *ch = actor_chan(0);
    actor *a = actor_spawn(actor_sends, ch, NULL, 7);
    MODEL_EQ(actor_get(ch), 7);
    model_join_all();
    MODEL_EQ(a->err, 0);
    cconc_chan_free(ch);
}

/* The second of a side finds the seat taken, and moves who sits to the queue. */
MODEL_SCENARIO(chan_meet_two_senders_at_the_seat, .cpus = MODEL_ANY_CPUS, .bound = 2)
{
    cconc_chan *ch = actor_chan(0);
    actor *a = actor_spawn(actor_sends, ch, NULL, 1);
    actor *b = actor_spawn(actor_sends, ch, NULL, 2);
    MODEL_EQ(actor_get(ch) + actor_get(ch), 3);
    model_join_all();
    MODEL_EQ(a->err, 0);
    MODEL_EQ(b->err, 0);
    cconc_chan_free(ch);
}

MODEL_SCENARIO(chan_meet_two_senders, .goals = "first second", .covers = "H11")
{
    cconc_chan *ch = actor_chan(0);
    actor *a = actor_spawn(actor_sends, ch, NULL, 1);
    actor *b = actor_spawn(actor_sends, ch, NULL, 2);
    int first = actor_get(ch);
    MODEL_EQ(actor_get(ch), 3 - first);
    model_cover(first == 1 ? "first" : "second");
    model_join_all();
    MODEL_EQ(a->err, 0);
    MODEL_EQ(b->err, 0);
    cconc_chan_free(ch);
}

/* chan-3: waiters of one side are served as they came. */
MODEL_SCENARIO(chan_meet_in_order_of_arrival, .covers = "S7")
{
    cconc_chan *ch = actor_chan(0);
    for (int i = 1; i <= 3; i++) {
        (void)actor_spawn(actor_sends, ch, NULL, i);
        model_until_parked((uint32_t)i);
    }
    MODEL_EQ(actor_get(ch), 1);
    MODEL_EQ(actor_get(ch), 2);
    MODEL_EQ(actor_get(ch), 3);
    model_join_all();
    cconc_chan_free(ch);
}

MODEL_SCENARIO(chan_meet_try_needs_a_partner, .exhaustive = true, .goals = "alone met")
{
    cconc_chan *ch = actor_chan(0);
    actor *a = actor_spawn(actor_sends, ch, NULL, 7);
    int value = 0;
    int err = cconc_chan_try_recv(ch, &value);
    if (err) {
        MODEL_EQ(err, EAGAIN);
        MODEL_EQ(value, 0);
        value = actor_get(ch);
        model_cover("alone");
    } else {
        model_cover("met");
    }
    MODEL_EQ(value, 7);
    model_join_all();
    MODEL_EQ(a->err, 0);
    cconc_chan_free(ch);
}

MODEL_SCENARIO(chan_meet_try_never_meets_try, .exhaustive = true, .covers = "H13")
{
    cconc_chan *ch = actor_chan(0);
    actor *a = actor_spawn(actor_tries_to_send, ch, NULL, 7);
    int value = 0;
    MODEL_EQ(cconc_chan_try_recv(ch, &value), EAGAIN);
    model_join_all();
    MODEL_EQ(a->err, EAGAIN);
    cconc_chan_free(ch);
}

/* A sender that was cancelled has given nothing away: whoever waits for an element still does. */
MODEL_SCENARIO(chan_meet_cancel_against_grant, .exhaustive = true, .covers = "H20",
               .goals = "cancelled granted")
{
    cconc_chan *ch = actor_chan(0);
    cconc_ctx *ctx = actor_cancellable();
    actor *a = actor_spawn(actor_sends, ch, ctx, 7);
    actor *b = actor_spawn(actor_cancels, ch, ctx, 0);
    int value = 0;
    int err = cconc_chan_try_recv(ch, &value);
    model_join_all();
    MODEL_EQ(b->err, 0);
    MODEL_EQ(a->err, err == 0 ? 0 : ECANCELED);
    MODEL_EQ(value, err == 0 ? 7 : 0);
    model_cover(err == 0 ? "granted" : "cancelled");
    cconc_ctx_free(ctx);
    cconc_chan_free(ch);
}

MODEL_SCENARIO(chan_meet_time_against_grant, .exhaustive = true, .goals = "late granted",
               .covers = "H20")
{
    cconc_chan *ch = actor_chan(0);
    actor *a = actor_spawn(actor_receives, ch, actor_limit(1000), 0);
    int seven = 7;
    int err = cconc_chan_try_send(ch, &seven);
    model_join_all();
    MODEL_EQ(a->err, err == 0 ? 0 : ETIMEDOUT);
    MODEL_EQ(a->value, err == 0 ? 7 : 0);
    MODEL_CHECK(err == 0 || model_now() >= MODEL_START + 1000);
    model_cover(err == 0 ? "granted" : "late");
    cconc_chan_free(ch);
}

/* The second in the queue gets what the first one leaves. */
MODEL_SCENARIO(chan_meet_waiter_that_leaves_loses_nothing, .covers = "H20 S12",
               .goals = "late granted")
{
    cconc_chan *ch = actor_chan(0);
    actor *a = actor_spawn(actor_receives, ch, actor_limit(1000), 0);
    actor *b = actor_spawn(actor_receives, ch, NULL, 0);
    actor_put(ch, 7);
    (void)cconc_chan_close(ch);
    model_join_all();
    MODEL_CHECK((a->err == 0) != (b->err == 0));
    MODEL_EQ(a->value + b->value, 7);
    model_cover(a->err == ETIMEDOUT ? "late" : "granted");
    cconc_chan_free(ch);
}

MODEL_SCENARIO(chan_meet_close_against_grant, .exhaustive = true, .covers = "H16",
               .goals = "closed granted")
{
    cconc_chan *ch = actor_chan(0);
    actor *a = actor_spawn(actor_sends, ch, NULL, 7);
    actor *b = actor_spawn(actor_closes, ch, NULL, 0);
    int value = 0;
    int err = cconc_chan_recv(ch, NULL, &value);
    model_join_all();
    MODEL_EQ(b->err, 0);
    MODEL_CHECK(err == 0 || err == EPIPE);
    MODEL_EQ(a->err, err);
    MODEL_EQ(value, err == 0 ? 7 : 0);
    model_cover(err == 0 ? "granted" : "closed");
    cconc_chan_free(ch);
}

/* Close finds one that sits; afterwards nobody sits down again. */
MODEL_SCENARIO(chan_meet_close_at_the_seat, .cpus = MODEL_ANY_CPUS, .covers = "H16")
{
    cconc_chan *ch = actor_chan(0);
    actor *a = actor_spawn(actor_sends, ch, NULL, 7);
    MODEL_EQ(cconc_chan_close(ch), 0);
    model_join_all();
    MODEL_EQ(a->err, EPIPE);
    MODEL_EQ(cconc_chan_recv(ch, NULL, NULL), EPIPE);
    cconc_chan_free(ch);
}

MODEL_SCENARIO(chan_meet_cancel_at_the_seat, .cpus = MODEL_ANY_CPUS,
               .goals = "cancelled granted")
{
    cconc_chan *ch = actor_chan(0);
    cconc_ctx *ctx = actor_cancellable();
    actor *a = actor_spawn(actor_sends, ch, ctx, 7);
    actor *b = actor_spawn(actor_tries_to_receive, ch, NULL, 0);
    cconc_ctx_cancel(ctx);
    model_join_all();
    MODEL_EQ(a->err, b->err == 0 ? 0 : ECANCELED);
    MODEL_EQ(b->value, b->err == 0 ? 7 : 0);
    model_cover(b->err == 0 ? "granted" : "cancelled");
    cconc_ctx_free(ctx);
    cconc_chan_free(ch);
}

/* Counting the waiters moves who sits to the queue: it is met there. */
MODEL_SCENARIO(chan_meet_count_unseats, .cpus = MODEL_ANY_CPUS, .goals = "seen unseen")
{
    cconc_chan *ch = actor_chan(0);
    actor *a = actor_spawn(actor_receives, ch, NULL, 0);
    size_t receivers = 0;
    cconc_chan_waiters(ch, NULL, &receivers);
    MODEL_CHECK(receivers <= 1);
    model_cover(receivers ? "seen" : "unseen");
    actor_put(ch, 7);
    model_join_all();
    MODEL_EQ(a->value, 7);
    cconc_chan_free(ch);
}

/* More than what fits into a node: copied straight from frame to frame. */
typedef struct large {
    int words[16];
} large;

typedef struct large_actor {
    cconc_chan *ch;
    large elem;
    int   err;
} large_actor;

static void sends_large(void *arg)
{
    large_actor *a = arg;
    a->err = cconc_chan_send(a->ch, NULL, &a->elem);
    memset(&a->elem, 0xff, sizeof(a->elem)); /* it is the sender's again */
}

MODEL_SCENARIO(chan_meet_large_element, .exhaustive = true, .covers = "H4")
{
    large_actor *a = model_zalloc(sizeof(*a));
    large got;
    memset(&got, 0, sizeof(got));
    MODEL_EQ(cconc_chan_new(sizeof(large), 0, &a->ch), 0);
    a->elem.words[0] = 3;
    a->elem.words[15] = 4;
    model_spawn(sends_large, a);
    MODEL_EQ(cconc_chan_recv(a->ch, NULL, &got), 0);
    MODEL_EQ(got.words[0], 3);
    MODEL_EQ(got.words[15], 4);
    model_join_all();
    MODEL_EQ(a->err, 0);
    cconc_chan_free(a->ch);
}

/* Two pairs: everybody gets exactly one partner. */
MODEL_SCENARIO(chan_meet_two_pairs, .bound = 1, .covers = "H11")
{
    cconc_chan *ch = actor_chan(0);
    actor *a = actor_spawn(actor_sends, ch, NULL, 1);
    actor *b = actor_spawn(actor_sends, ch, NULL, 2);
    actor *c = actor_spawn(actor_receives, ch, NULL, 0);
    int mine = actor_get(ch);
    model_join_all();
    MODEL_EQ(a->err + b->err + c->err, 0);
    MODEL_EQ(mine + c->value, 3);
    cconc_chan_free(ch);
}

/* A claim, and what it says besides, are swaps of one word that may fail by chance. */
MODEL_SCENARIO(chan_meet_swaps_that_fail_by_chance, .faults = MODEL_CAS,
               .covers = "S9")
{
    cconc_chan *ch = actor_chan(0);
    actor *a = actor_spawn(actor_sends, ch, NULL, 7);
    MODEL_EQ(actor_get(ch), 7);
    model_join_all();
    MODEL_EQ(a->err, 0);
    cconc_chan_free(ch);
}

/* A thread whose only call was the one that blocked: its record and stack go at once. */
MODEL_SCENARIO(chan_meet_thread_ends_after_its_grant, .low = true, .covers = "H7 S5")
{
    cconc_chan *ch = actor_chan(0);
    (void)actor_spawn(actor_receives, ch, NULL, 0);
    actor_put(ch, 7);
    model_join_all();
    cconc_chan_free(ch);
}
