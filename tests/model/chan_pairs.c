/* chan_pairs.c - any call on a channel beside any other
 * SPDX-License-Identifier: MIT
 *
 * Risk     Two calls that nobody thought of together: one that only looks and writes all the same,
 *          one that leaves the channel in a state that only the third call trips over.
 * Method   Each call meets each on another thread, on channels of capacity 0, 1 and 2, with an
 *          element inside or none. What waits ends by time, or is cancelled once nobody can go on:
 *          then those who wait must have a reason to. Afterwards nothing is lost, nobody is
 *          queued, and the channel still does what a new one does.
 * Catches  A word that is written with a plain store while others change it; a count or a flag that
 *          one of the ways out of a call leaves behind; somebody who sleeps though there is a peer,
 *          an element or room.
 */
#include "chan_actor.h"

/* A thread that makes one call. */
typedef struct caller {
    cconc_chan *ch;
    cconc_ctx  *own;      /* can be cancelled */
    cconc_ctx  *ctx;      /* the same, or one below it that ends by time */
    int         value;    /* the first of two that it may send */
    int         sent;     /* the sum of those that went */
    int         received; /* the sum of those that came */
    void      (*call)(struct caller *c);
} caller;

/* May a call that waits return err? */
static bool is_an_end(const caller *c, int err)
{
    return err == 0 || err == EPIPE ||
           ((err == ETIMEDOUT || err == ECANCELED) && cconc_ctx_err(c->ctx) == err);
}

static void sends(caller *c)
{
    int err = cconc_chan_send(c->ch, c->ctx, &c->value);
    MODEL_CHECK(is_an_end(c, err));
    c->sent += err ? 0 : c->value;
}

static void receives(caller *c)
{
    int value = 0;
    int err = cconc_chan_recv(c->ch, c->ctx, &value);
    MODEL_CHECK(is_an_end(c, err));
    c->received += value;
}

static void tries_to_send(caller *c)
{
    int err = cconc_chan_try_send(c->ch, &c->value);
    MODEL_CHECK(err == 0 || err == EAGAIN || err == EPIPE);
    c->sent += err ? 0 : c->value;
}

static void tries_to_receive(caller *c)
{
    int value = 0;
    int err = cconc_chan_try_recv(c->ch, &value);
    MODEL_CHECK(err == 0 || err == EAGAIN || err == EPIPE);
    c->received += value;
}

static void sends_both(caller *c)
{
    int values[2] = {c->value, c->value + 1};
    size_t count = 9;
    int err = cconc_chan_send_n(c->ch, c->ctx, values, 2, &count);
    MODEL_CHECK(is_an_end(c, err));
    MODEL_CHECK(err ? count < 2 : count == 2);
    for (size_t i = 0; i < count; i++) {
        c->sent += values[i];
    }
}

static void receives_both(caller *c)
{
    int values[2] = {0, 0};
    size_t count = 9;
    int err = cconc_chan_recv_n(c->ch, c->ctx, values, 2, &count);
    MODEL_CHECK(is_an_end(c, err));
    MODEL_CHECK(err ? count == 0 : count == 1 || count == 2);
    c->received += values[0] + values[1];
}

static void closes(caller *c)
{
    int err = cconc_chan_close(c->ch);
    MODEL_CHECK(err == 0 || err == EPIPE);
}

static void looks_at_length(caller *c)
{
    MODEL_CHECK(cconc_chan_len(c->ch) <= cconc_chan_cap(c->ch));
}

static void counts_waiters(caller *c)
{
    size_t senders = 9;
    size_t receivers = 9;
    cconc_chan_waiters(c->ch, &senders, &receivers);
    MODEL_CHECK(senders <= 2 && receivers <= 2);
}

/* Sends or receives, whatever comes first, until the context ends, or only tries to. */
static void selects(caller *c, uint32_t flags)
{
    int value = 0;
    size_t fired = 9;
    cconc_select_case cases[] = {cconc_select_send(c->ch, &c->value),
                                 cconc_select_recv(c->ch, &value), cconc_select_done(c->ctx)};
    int err = cconc_select(cases, 3, flags, &fired);
    MODEL_CHECK(is_an_end(c, err) || (flags && err == EAGAIN));
    c->sent += err == 0 && fired == 0 ? c->value : 0;
    c->received += value;
}

static void selects_either(caller *c)
{
    selects(c, 0);
}

static void tries_to_select(caller *c)
{
    selects(c, CCONC_SELECT_TRY);
}

static void (*const calls[])(caller *c) = {
    sends,  receives,        tries_to_send,  tries_to_receive, sends_both,      receives_both,
    closes, looks_at_length, counts_waiters, selects_either,   tries_to_select,
};

enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static void makes_its_call(void *arg)
{
    caller *c = arg;
    c->call(c);
}

static caller *caller_new(cconc_chan *ch, int value, bool is_timed)
{
    caller *c = model_zalloc(sizeof(*c));
    c->ch = ch;
    c->own = actor_cancellable();
    c->ctx = is_timed ? limit(c->own, CCONC_MS) : c->own;
    c->value = value;
    return c;
}

/* Nobody can go on: whoever waits finds no peer, no element or no room, and the channel open. */
static void must_wait_for_a_reason(cconc_chan *ch, caller *const all[], uint32_t count)
{
    size_t senders;
    size_t receivers;
    bool is_closed = false;
    bool has_select = false; /* which waits on both sides */
    cconc_chan_waiters(ch, &senders, &receivers);
    for (uint32_t i = 0; i < count; i++) {
        is_closed = is_closed || all[i]->call == closes;
        has_select = has_select || all[i]->call == selects_either;
    }
    MODEL_CHECK(!is_closed || (senders == 0 && receivers == 0));
    if (cconc_chan_cap(ch) > 0) {
        MODEL_CHECK(senders == 0 || cconc_chan_len(ch) == cconc_chan_cap(ch));
        MODEL_CHECK(receivers == 0 || cconc_chan_len(ch) == 0);
    } else if (senders > 0 && receivers > 0) {
        MODEL_CHECK(senders == 1 && receivers == 1 && has_select);
    }
}

/* All elements that are left, as a sum. */
static int drain(cconc_chan *ch)
{
    int sum = 0;
    int value;
    while (cconc_chan_try_recv(ch, &value) == 0) {
        sum += value;
    }
    return sum;
}

/* Nobody is queued, and as many elements go in and come out as in a new one. */
static void must_be_as_new(cconc_chan *ch)
{
    int value = 5;
    counts_waiters(&(caller){.ch = ch});
    for (size_t i = 0; i < cconc_chan_cap(ch); i++) {
        MODEL_EQ(cconc_chan_try_send(ch, &value), 0);
    }
    MODEL_EQ(cconc_chan_try_send(ch, &value), EAGAIN);
    MODEL_EQ(drain(ch), 5 * (int)cconc_chan_cap(ch));
    MODEL_EQ(cconc_chan_send(ch, actor_limit(3 * CCONC_MS), &value),
             cconc_chan_cap(ch) > 0 ? 0 : ETIMEDOUT);
    (void)drain(ch);
    MODEL_EQ(cconc_chan_recv(ch, actor_limit(4 * CCONC_MS), &value), ETIMEDOUT);
}

static void meet(void (*call)(caller *c), uint32_t count)
{
    cconc_chan *ch = actor_chan(model_choose(3));
    bool is_timed = model_choose(2) == 1;
    caller *all[3];
    int left = 0; /* of those that went in, when those that came out are taken away */
    size_t senders;
    size_t receivers;
    if (cconc_chan_cap(ch) > 0 && model_choose(2) == 1) {
        left = 1;
        actor_put(ch, 1);
    }
    for (uint32_t i = 0; i < count; i++) {
        all[i] = caller_new(ch, 10 * (int)i + 10, is_timed);
        all[i]->call = i == 0 ? call : calls[model_choose(CALLS)];
        model_spawn(makes_its_call, all[i]);
    }
    if (!is_timed) {
        model_settle();
        must_wait_for_a_reason(ch, all, count);
        for (uint32_t i = 0; i < count; i++) {
            cconc_ctx_cancel(all[i]->own);
        }
    }
    model_join_all();
    model_rest();
    for (uint32_t i = 0; i < count; i++) {
        left += all[i]->sent - all[i]->received;
        cconc_ctx_free(all[i]->own);
    }
    MODEL_EQ(drain(ch), left);
    cconc_chan_waiters(ch, &senders, &receivers);
    MODEL_EQ(senders, 0);
    MODEL_EQ(receivers, 0);
    if (cconc_chan_try_send(ch, &left) != EPIPE) {
        (void)drain(ch);
        must_be_as_new(ch);
    }
    cconc_chan_free(ch);
}

#define CHAN_PAIR(call)                                                                            \
    MODEL_SCENARIO(chan_pair_##call, .bound = 2, .covers = "H16 H17 H19")                          \
    {                                                                                              \
        meet(call, 2);                                                                             \
    }

CHAN_PAIR(sends)
CHAN_PAIR(receives)
CHAN_PAIR(tries_to_send)
CHAN_PAIR(tries_to_receive)
CHAN_PAIR(sends_both)
CHAN_PAIR(receives_both)
CHAN_PAIR(closes)
CHAN_PAIR(looks_at_length)
CHAN_PAIR(counts_waiters)
CHAN_PAIR(selects_either)
CHAN_PAIR(tries_to_select)

MODEL_SCENARIO(chan_any_three, .bound = 1, .covers = "H16 H17 H19")
{
    meet(calls[model_choose(CALLS)], 3);
}
