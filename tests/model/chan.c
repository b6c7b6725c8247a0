/* chan.c - interleavings of channels: close, the ends of waits, free.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A waiter that close, cancel or time do not end, or end twice; an element that is lost
 *          then; memory of a call or a channel that is touched when it has gone.
 * Method   Scenarios of the deterministic tester, two to four threads each.
 * Catches  Wakes that are dropped or come before the look at the queue; claims that are not
 *          checked; closed and empty read in two steps; a waker that has not let go of a waiter.
 */
#include "chan_actor.h"

MODEL_SCENARIO(chan_close_meets_receive, .exhaustive = true, .covers = "H16")
{
    cconc_chan *ch = actor_chan(1);
    actor *a = actor_spawn(actor_receives, ch, NULL, 5);
    MODEL_EQ(cconc_chan_close(ch), 0);
    model_join_all();
    MODEL_EQ(a->err, EPIPE);
    MODEL_EQ(a->value, 5);
    cconc_chan_free(ch);
}

MODEL_SCENARIO(chan_close_meets_send_of_a_full_one, .exhaustive = true)
{
    cconc_chan *ch = actor_chan(1);
    actor *a = actor_new(ch, 2);
    int value = 0;
    actor_put(ch, 1);
    model_spawn(actor_sends, a);
    MODEL_EQ(cconc_chan_close(ch), 0);
    model_join_all();
    MODEL_EQ(a->err, EPIPE);
    MODEL_EQ(actor_get(ch), 1);
    MODEL_EQ(cconc_chan_recv(ch, NULL, &value), EPIPE);
    cconc_chan_free(ch);
}

/* One pass ends all: none of them has to wake the next. */
MODEL_SCENARIO(chan_close_ends_all_receivers, .covers = "H16")
{
    cconc_chan *ch = actor_chan(1);
    actor *a = actor_spawn(actor_receives, ch, NULL, 0);
    actor *b = actor_spawn(actor_receives, ch, NULL, 0);
    MODEL_EQ(cconc_chan_close(ch), 0);
    model_join_all();
    MODEL_EQ(a->err, EPIPE);
    MODEL_EQ(b->err, EPIPE);
    cconc_chan_free(ch);
}

/* One that has ended on its own, and is still in the queue, hides nobody behind it. */
MODEL_SCENARIO(chan_close_passes_over_who_has_left, .covers = "W4 H16",
               .goals = "late closed")
{
    cconc_chan *ch = actor_chan(1);
    actor *a = actor_spawn(actor_receives, ch, actor_limit(1000), 0);
    actor *b = actor_spawn(actor_receives, ch, NULL, 0);
    MODEL_EQ(cconc_chan_close(ch), 0);
    model_join_all();
    MODEL_CHECK(a->err == EPIPE || a->err == ETIMEDOUT);
    MODEL_EQ(b->err, EPIPE);
    model_cover(a->err == EPIPE ? "closed" : "late");
    cconc_chan_free(ch);
}

MODEL_SCENARIO(chan_close_meets_close, .exhaustive = true, .goals = "first second")
{
    cconc_chan *ch = actor_chan(model_choose(2));
    actor *a = actor_spawn(actor_closes, ch, NULL, 0);
    int err = cconc_chan_close(ch);
    model_join_all();
    MODEL_CHECK((err == 0 && a->err == EPIPE) || (err == EPIPE && a->err == 0));
    model_cover(err == 0 ? "first" : "second");
    cconc_chan_free(ch);
}

static void puts_then_closes(void *arg)
{
    actor *a = arg;
    a->err = cconc_chan_send(a->ch, NULL, &a->value);
    MODEL_EQ(cconc_chan_close(a->ch), 0);
}

/* Closed and empty are one look: EPIPE never comes before the element that went in first. */
MODEL_SCENARIO(chan_closed_is_told_after_the_last_element, .exhaustive = true, .covers = "H18",
               .goals = "empty full closed")
{
    cconc_chan *ch = actor_chan(2);
    int first = 0;
    int err;
    actor *a = actor_spawn(puts_then_closes, ch, NULL, 7);
    err = cconc_chan_try_recv(ch, &first);
    if (err == 0) {
        MODEL_EQ(first, 7);
        err = cconc_chan_try_recv(ch, &first);
        MODEL_CHECK(err == EAGAIN || err == EPIPE);
        model_cover(err == EPIPE ? "closed" : "full");
    } else {
        MODEL_EQ(err, EAGAIN);
        MODEL_EQ(first, 0);
        model_cover("empty");
    }
    model_join_all();
    MODEL_EQ(a->err, 0);
    cconc_chan_free(ch);
}

/* A sender that is refused has put nothing in, one that is not has. */
MODEL_SCENARIO(chan_close_meets_try_send, .exhaustive = true, .goals = "refused inside")
{
    cconc_chan *ch = actor_chan(1);
    int value = 0;
    int err;
    actor *a = actor_spawn(actor_tries_to_send, ch, NULL, 7);
    MODEL_EQ(cconc_chan_close(ch), 0);
    model_join_all();
    err = cconc_chan_try_recv(ch, &value);
    if (a->err == 0) {
        MODEL_EQ(err, 0);
        MODEL_EQ(value, 7);
        model_cover("inside");
    } else {
        MODEL_EQ(a->err, EPIPE);
        MODEL_EQ(err, EPIPE);
        model_cover("refused");
    }
    cconc_chan_free(ch);
}

/* Exactly one of send, cancel and close ends it; only the send moves something. */
MODEL_SCENARIO(chan_send_cancel_and_close_end_a_receive, .bound = 3,
               .goals = "received cancelled closed")
{
    cconc_chan *ch = actor_chan(1);
    cconc_ctx *ctx = actor_cancellable();
    actor *a = actor_spawn(actor_receives, ch, ctx, 0);
    actor *b = actor_spawn(actor_tries_to_send, ch, NULL, 7);
    actor *c = actor_spawn(actor_cancels, ch, ctx, 0);
    int value = 0;
    bool is_left;
    MODEL_EQ(cconc_chan_close(ch), 0);
    model_join_all();
    MODEL_EQ(c->err, 0);
    MODEL_EQ(cconc_chan_len(ch), b->err == 0 && a->err != 0);
    if (a->err == 0) {
        MODEL_EQ(a->value, 7);
        model_cover("received");
    } else {
        MODEL_EQ(a->value, 0);
        MODEL_CHECK(a->err == EPIPE || a->err == ECANCELED);
        MODEL_CHECK(a->err != EPIPE || b->err == EPIPE);
        model_cover(a->err == EPIPE ? "closed" : "cancelled");
    }
    is_left = cconc_chan_len(ch) > 0;
    MODEL_EQ(cconc_chan_try_recv(ch, &value), is_left ? 0 : EPIPE);
    cconc_ctx_free(ctx);
    cconc_chan_free(ch);
}

MODEL_SCENARIO(chan_deadline_meets_send, .exhaustive = true, .goals = "late in_time")
{
    cconc_chan *ch = actor_chan(1);
    actor *a = actor_spawn(actor_sends, ch, NULL, 7);
    int value = 0;
    int err = cconc_chan_recv(ch, actor_limit(1000), &value);
    model_join_all();
    MODEL_EQ(a->err, 0);
    if (err == ETIMEDOUT) {
        MODEL_CHECK(model_now() >= MODEL_START + 1000);
        MODEL_EQ(cconc_chan_len(ch), 1);
        model_cover("late");
    } else {
        MODEL_EQ(err, 0);
        MODEL_EQ(value, 7);
        model_cover("in_time");
    }
    cconc_chan_free(ch);
}

/* A context of its own ends a wait like the caller's own clock does; all-5: it then says so. */
MODEL_SCENARIO(chan_wait_that_times_out_marks_its_context, .bound = 2, .goals = "late in_time")
{
    cconc_chan *ch = actor_chan(0);
    cconc_ctx *ctx;
    int value = 0;
    int err;
    actor *a = actor_new(ch, 7);
    MODEL_EQ(cconc_ctx_with_timeout(NULL, 1000, &ctx), 0);
    model_spawn(actor_tries_to_send, a);
    err = cconc_chan_recv(ch, ctx, &value);
    if (err != 0) {
        MODEL_EQ(err, ETIMEDOUT);
        MODEL_EQ(cconc_ctx_err(ctx), ETIMEDOUT);
        model_cover("late");
    } else {
        model_cover("in_time");
    }
    model_join_all();
    MODEL_EQ(a->err, err == 0 ? 0 : EAGAIN);
    MODEL_EQ(value, err == 0 ? 7 : 0);
    cconc_ctx_free(ctx);
    cconc_chan_free(ch);
}

/* Elements go, once each, and the channel with them, though drop calls into the library again and
 * one of them ends the thread. */
typedef struct dropping {
    cconc_chan *other;
    int dropped[4];
    int count;
    int stays; /* drops that return */
} dropping;

static void drops(void *elem, void *user)
{
    dropping *d = user;
    MODEL_CHECK(d->count < 4);
    MODEL_EQ(cconc_chan_try_send(d->other, elem), d->count == 0 ? 0 : EAGAIN);
    memcpy(&d->dropped[d->count++], elem, sizeof(int));
    if (d->count > d->stays) {
        model_exit_thread();
    }
}

static void frees(void *arg)
{
    cconc_chan_free(arg);
}

MODEL_SCENARIO(chan_drop_that_ends_its_thread, .exhaustive = true, .covers = "H2")
{
    dropping *d = model_zalloc(sizeof(*d));
    cconc_chan_opts opts = {.drop = drops, .user = d};
    cconc_chan *ch;
    d->other = actor_chan(1);
    d->stays = (int)model_choose(3);
    MODEL_EQ(cconc_chan_new_opts(sizeof(int), 2, &opts, &ch), 0);
    actor_put(ch, 1);
    actor_put(ch, 2);
    model_spawn(frees, ch);
    model_join_all();
    MODEL_EQ(d->count, 2);
    MODEL_EQ(d->dropped[0], 1);
    MODEL_EQ(d->dropped[1], 2);
    MODEL_EQ(actor_get(d->other), 1);
    cconc_chan_free(d->other);
}

MODEL_SCENARIO(chan_free_meets_what_was_drained, .exhaustive = true, .covers = "H1 H2",
               .goals = "drained dropped")
{
    dropping *d = model_zalloc(sizeof(*d));
    cconc_chan_opts opts = {.drop = drops, .user = d};
    cconc_chan *ch;
    actor *a;
    actor *b;
    d->other = actor_chan(1);
    d->stays = 4;
    MODEL_EQ(cconc_chan_new_opts(sizeof(int), 1, &opts, &ch), 0);
    a = actor_spawn(actor_sends, ch, NULL, 7);
    b = actor_spawn(actor_tries_to_receive, ch, NULL, 0);
    model_join_all();
    MODEL_EQ(a->err, 0);
    cconc_chan_free(ch);
    MODEL_EQ(d->count, b->err == 0 ? 0 : 1);
    MODEL_EQ(b->err == 0 ? b->value : d->dropped[0], 7);
    model_cover(b->err == 0 ? "drained" : "dropped");
    cconc_chan_free(d->other);
}

/* Channel and caller's memory go as soon as the calls have returned: nobody looks back. */
typedef struct passing {
    cconc_chan *ch;
    int *value;
    model_word calls;
} passing;

static void passing_leave(passing *p)
{
    model_free(p->value);
    if (model_add(&p->calls, 1) == 1) { /* both calls are over */
        cconc_chan_free(p->ch);
    }
}

static void passes(void *arg)
{
    passing *p = arg;
    int *value = model_zalloc(sizeof(*value));
    *value = 7;
    MODEL_EQ(cconc_chan_send(p->ch, NULL, value), 0);
    model_free(value);
    if (model_add(&p->calls, 1) == 1) {
        cconc_chan_free(p->ch);
    }
}

MODEL_SCENARIO(chan_memory_goes_when_calls_return, .exhaustive = true, .covers = "H1 H7 S5")
{
    passing *p = model_zalloc(sizeof(*p));
    p->value = model_zalloc(sizeof(*p->value));
    p->ch = actor_chan(model_choose(2));
    model_spawn(passes, p);
    MODEL_EQ(cconc_chan_recv(p->ch, NULL, p->value), 0);
    MODEL_EQ(*p->value, 7);
    passing_leave(p);
    model_join_all();
}

MODEL_SCENARIO(chan_free_with_a_waiter_aborts)
{
    cconc_chan *ch = actor_chan(model_choose(2));
    model_expect(MODEL_MISUSE);
    (void)actor_spawn(actor_receives, ch, NULL, 0);
    model_until_parked(1);
    cconc_chan_free(ch);
}

MODEL_SCENARIO(chan_waiters_are_counted, .goals = "none one")
{
    cconc_chan *ch = actor_chan(model_choose(2));
    size_t senders = 9;
    size_t receivers = 9;
    actor *a = actor_spawn(actor_receives, ch, NULL, 0);
    cconc_chan_waiters(ch, &senders, &receivers);
    MODEL_EQ(senders, 0);
    MODEL_CHECK(receivers <= 1);
    model_cover(receivers ? "one" : "none");
    model_until_parked(1);
    cconc_chan_waiters(ch, &senders, &receivers);
    MODEL_EQ(senders, 0);
    MODEL_EQ(receivers, 1);
    actor_put(ch, 7);
    model_join_all();
    MODEL_EQ(a->value, 7);
    cconc_chan_waiters(ch, &senders, &receivers);
    MODEL_EQ(receivers, 0);
    cconc_chan_free(ch);
}

MODEL_SCENARIO(chan_of_nobody_ends_with_the_context, .exhaustive = true, .goals = "cancelled",
               .covers = "H13")
{
    cconc_ctx *ctx = actor_cancellable();
    actor *a = actor_spawn(actor_receives, NULL, ctx, 5);
    MODEL_EQ(cconc_chan_try_recv(NULL, NULL), EAGAIN);
    MODEL_EQ(cconc_chan_recv(NULL, NULL, NULL), EDEADLK);
    cconc_ctx_cancel(ctx);
    model_join_all();
    MODEL_EQ(a->err, ECANCELED);
    MODEL_EQ(a->value, 5);
    model_cover("cancelled");
    cconc_ctx_free(ctx);
}

/* The last handle goes while the wait lasts: that ends it, and its memory stays as long. */
MODEL_SCENARIO(chan_wait_keeps_its_context, .covers = "H7")
{
    cconc_chan *ch = actor_chan(model_choose(2));
    cconc_ctx *ctx = actor_cancellable();
    actor *a = actor_spawn(actor_receives, ch, ctx, 5);
    model_until_parked(1);
    cconc_ctx_free(ctx);
    model_join_all();
    MODEL_EQ(a->err, ECANCELED);
    cconc_chan_free(ch);
}

MODEL_SCENARIO(chan_without_memory, .exhaustive = true, .faults = MODEL_NO_MEMORY,
               .goals = "had had_none", .covers = "X4")
{
    cconc_chan *ch = NULL;
    int err = cconc_chan_new(sizeof(int), model_choose(2), &ch);
    MODEL_EQ(err, model_had_fault(MODEL_NO_MEMORY) ? ENOMEM : 0);
    model_cover(err ? "had_none" : "had");
    if (err) {
        MODEL_CHECK(!ch);
        ch = actor_chan(1);
    }
    actor_spawn(actor_sends, ch, NULL, 7);
    MODEL_EQ(actor_get(ch), 7);
    model_join_all();
    cconc_chan_free(ch);
}

/* proc-1: in a child that has not been told, what would block returns; what need not, works. */
MODEL_SCENARIO(chan_wait_in_a_forked_child, .goals = "moved held")
{
    cconc_chan *ch = actor_chan(1);
    int value = 0;
    int err;
    (void)actor_spawn(actor_sends, ch, NULL, 7);
    err = cconc_chan_try_recv(ch, &value);
    MODEL_CHECK(err == 0 || err == EAGAIN);
    model_join_all();
    model_fork();
    if (err == 0) {
        MODEL_EQ(cconc_chan_recv(ch, NULL, &value), ENOTRECOVERABLE);
        model_cover("moved");
    } else {
        MODEL_EQ(cconc_chan_recv(ch, NULL, &value), 0);
        MODEL_EQ(value, 7);
        model_cover("held");
    }
}
