/* select.c - interleavings of select: cases of channels.
 * SPDX-License-Identifier: MIT
 *
 * Risk     Two cases that fire; a losing case that stays queued, or takes a wake-up that another
 *          waiter was to get; two selects that wait for each other in a ring.
 * Method   Scenarios of the deterministic tester, two to four threads each.
 * Catches  A claim that is not one for all cases; a look that is taken in two moments; a case that
 *          is dequeued twice or never; queueing in the order of the list.
 */
#include "chan_actor.h"

/* A thread that selects between two cases. */
typedef struct picker {
    cconc_select_case cases[2];
    size_t   count;
    uint32_t flags;
    int      got[2];   /* what each case has received */
    int      gives[2]; /* what each case sends */
    size_t   fired;
    int      err;
} picker;

static picker *picker_new(void)
{
    picker *p = model_zalloc(sizeof(*p));
    p->count = 2;
    p->fired = 9;
    p->err = -1;
    return p;
}

static void picker_receives(picker *p, int at, cconc_chan *ch)
{
    p->cases[at] = cconc_select_recv(ch, &p->got[at]);
}

static void picker_sends(picker *p, int at, cconc_chan *ch, int value)
{
    p->gives[at] = value;
    p->cases[at] = cconc_select_send(ch, &p->gives[at]);
}

static void picks(void *arg)
{
    picker *p = arg;
    p->err = cconc_select(p->cases, p->count, p->flags, &p->fired);
}

/* Nobody waits at ch any more. */
static void must_be_left(cconc_chan *ch)
{
    size_t senders = 9;
    size_t receivers = 9;
    cconc_chan_waiters(ch, &senders, &receivers);
    MODEL_EQ(senders, 0);
    MODEL_EQ(receivers, 0);
}

MODEL_SCENARIO(select_of_one_meets_send, .exhaustive = true)
{
    cconc_chan *ch = actor_chan(1);
    picker *p = picker_new();
    actor *a = actor_spawn(actor_sends, ch, NULL, 7);
    picker_receives(p, 0, ch);
    p->count = 1;
    picks(p);
    model_join_all();
    MODEL_EQ(a->err, 0);
    MODEL_EQ(p->err, 0);
    MODEL_EQ(p->got[0], 7);
    cconc_chan_free(ch);
}

MODEL_SCENARIO(select_of_one_meets_a_rendezvous, .exhaustive = true)
{
    cconc_chan *ch = actor_chan(0);
    picker *p = picker_new();
    actor *a = actor_spawn(actor_receives, ch, NULL, 0);
    picker_sends(p, 0, ch, 7);
    p->count = 1;
    picks(p);
    model_join_all();
    MODEL_EQ(a->err, 0);
    MODEL_EQ(a->value, 7);
    MODEL_EQ(p->err, 0);
    cconc_chan_free(ch);
}

/* One of two senders is served; the other one keeps what it has. */
MODEL_SCENARIO(select_takes_one_of_two, .bound = 2, .covers = "H5", .goals = "first second")
{
    cconc_chan *ch[2] = {actor_chan(0), actor_chan(0)};
    picker *p = picker_new();
    actor *a = actor_spawn(actor_sends, ch[0], NULL, 1);
    actor *b = actor_spawn(actor_sends, ch[1], NULL, 2);
    picker_receives(p, 0, ch[0]);
    picker_receives(p, 1, ch[1]);
    picks(p);
    MODEL_EQ(p->err, 0);
    MODEL_EQ(p->got[p->fired], (int)p->fired + 1);
    MODEL_EQ(p->got[1 - p->fired], 0);
    MODEL_EQ(actor_get(ch[1 - p->fired]), 2 - (int)p->fired);
    model_cover(p->fired == 0 ? "first" : "second");
    model_join_all();
    MODEL_EQ(a->err + b->err, 0);
    cconc_chan_free(ch[0]);
    cconc_chan_free(ch[1]);
}

/* The case that lost has left its queue: nobody meets it there. */
MODEL_SCENARIO(select_leaves_what_lost, .covers = "H8 H15",
               .goals = "first second")
{
    cconc_chan *ch[2] = {actor_chan(0), actor_chan(0)};
    picker *p = picker_new();
    actor *a = actor_spawn(actor_tries_to_send, ch[1], NULL, 2);
    actor *b = actor_spawn(actor_sends, ch[0], NULL, 1);
    picker_receives(p, 0, ch[0]);
    picker_receives(p, 1, ch[1]);
    picks(p);
    MODEL_EQ(p->err, 0);
    if (p->fired == 1) {
        MODEL_EQ(actor_get(ch[0]), 1);
        model_cover("second");
    } else {
        model_cover("first");
    }
    model_join_all();
    MODEL_EQ(b->err, 0);
    MODEL_EQ(a->err, p->fired == 1 ? 0 : EAGAIN);
    MODEL_EQ(p->got[1], p->fired == 1 ? 2 : 0);
    must_be_left(ch[0]);
    must_be_left(ch[1]);
    cconc_chan_free(ch[0]);
    cconc_chan_free(ch[1]);
}

static void picks_and_puts_back(void *arg)
{
    picker *p = arg;
    picks(p);
    if (p->fired == 1) {
        actor_put(p->cases[1].object, p->got[1]);
    }
}

/* A wake-up meant for the case that lost goes to the plain receiver behind it. */
MODEL_SCENARIO(select_passes_on_what_lost, .covers = "H8 H20", .goals = "first second")
{
    cconc_chan *ch[2] = {actor_chan(1), actor_chan(1)};
    picker *p = picker_new();
    actor *a;
    picker_receives(p, 0, ch[0]);
    picker_receives(p, 1, ch[1]);
    model_spawn(picks_and_puts_back, p);
    a = actor_spawn(actor_receives, ch[1], NULL, 0);
    actor_put(ch[0], 1);
    actor_put(ch[1], 2);
    model_join_all();
    MODEL_EQ(p->err + a->err, 0);
    MODEL_EQ(a->value, 2);
    MODEL_EQ(p->got[p->fired], (int)p->fired + 1);
    MODEL_EQ(cconc_chan_len(ch[0]), p->fired == 0 ? 0 : 1);
    model_cover(p->fired == 0 ? "first" : "second");
    cconc_chan_free(ch[0]);
    cconc_chan_free(ch[1]);
}

MODEL_SCENARIO(select_with_a_channel_twice, .exhaustive = true, .covers = "H6 H17",
               .goals = "first second")
{
    cconc_chan *ch = actor_chan(model_choose(2));
    picker *p = picker_new();
    actor *a = actor_spawn(actor_sends, ch, NULL, 7);
    picker_receives(p, 0, ch);
    picker_receives(p, 1, ch);
    picks(p);
    model_join_all();
    MODEL_EQ(a->err + p->err, 0);
    MODEL_EQ(p->got[p->fired], 7);
    MODEL_EQ(p->got[1 - p->fired], 0);
    must_be_left(ch);
    model_cover(p->fired == 0 ? "first" : "second");
    cconc_chan_free(ch);
}

/* sel-5: both directions of one channel; what it offers it does not take itself. */
MODEL_SCENARIO(select_never_meets_itself, .exhaustive = true, .max_steps = 400, .covers = "H17",
               .goals = "sent received")
{
    cconc_chan *ch = actor_chan(0);
    picker *p = picker_new();
    uint32_t sends = model_choose(2);
    actor *a = actor_spawn(sends ? actor_sends : actor_receives, ch, NULL, 7);
    picker_sends(p, 0, ch, 5);
    picker_receives(p, 1, ch);
    picks(p);
    model_join_all();
    MODEL_EQ(a->err + p->err, 0);
    MODEL_EQ(p->fired, sends);
    MODEL_EQ(sends ? p->got[1] : a->value, sends ? 7 : 5);
    must_be_left(ch);
    model_cover(sends ? "received" : "sent");
    cconc_chan_free(ch);
}

/* Each lists the channels in its own order, and gives on one what it takes on the other. */
MODEL_SCENARIO(select_meets_select_crosswise, .covers = "H14 H5", .goals = "first second")
{
    cconc_chan *ch[2] = {actor_chan(0), actor_chan(0)};
    picker *p = picker_new();
    picker *q = picker_new();
    picker_receives(p, 0, ch[0]);
    picker_sends(p, 1, ch[1], 5);
    picker_receives(q, 0, ch[1]);
    picker_sends(q, 1, ch[0], 6);
    model_spawn(picks, q);
    picks(p);
    model_join_all();
    MODEL_EQ(p->err + q->err, 0);
    MODEL_EQ(p->fired, 1 - q->fired);
    MODEL_EQ(p->got[0], p->fired == 0 ? 6 : 0);
    MODEL_EQ(q->got[0], q->fired == 0 ? 5 : 0);
    must_be_left(ch[0]);
    must_be_left(ch[1]);
    model_cover(p->fired == 0 ? "first" : "second");
    cconc_chan_free(ch[0]);
    cconc_chan_free(ch[1]);
}

/* Three in a ring: two of them meet, and the third one goes on when the channels close. */
MODEL_SCENARIO(select_meets_select_in_a_ring, .bound = 1, .covers = "H14")
{
    cconc_chan *ch[3] = {actor_chan(0), actor_chan(0), actor_chan(0)};
    picker *p[3];
    int met = 0;
    for (int i = 0; i < 3; i++) {
        p[i] = picker_new();
        picker_receives(p[i], 0, ch[i]);
        picker_sends(p[i], 1, ch[(i + 1) % 3], i);
    }
    model_spawn(picks, p[0]);
    model_spawn(picks, p[1]);
    model_spawn(picks, p[2]);
    model_until_parked(1);
    for (int i = 0; i < 3; i++) {
        (void)cconc_chan_close(ch[i]);
    }
    model_join_all();
    for (int i = 0; i < 3; i++) {
        MODEL_CHECK(p[i]->err == 0 || p[i]->err == EPIPE);
        met += p[i]->err == 0;
    }
    MODEL_CHECK(met == 0 || met == 2);
    for (int i = 0; i < 3; i++) {
        cconc_chan_free(ch[i]);
    }
}

/* What looked ready is gone when it comes to take it: it gives up, or goes on waiting. */
MODEL_SCENARIO(select_try_never_waits, .exhaustive = true, .covers = "H13", .goals = "got gone")
{
    cconc_chan *ch = actor_chan(1);
    picker *p = picker_new();
    actor *a;
    actor_put(ch, 7);
    a = actor_spawn(actor_tries_to_receive, ch, NULL, 0);
    picker_receives(p, 0, ch);
    p->count = 1;
    p->flags = CCONC_SELECT_TRY;
    picks(p);
    model_join_all();
    MODEL_EQ(p->err, a->err == 0 ? EAGAIN : 0);
    MODEL_EQ(p->fired, p->err == 0 ? 0 : 9);
    MODEL_EQ(p->got[0] + (a->err == 0 ? a->value : 0), 7);
    model_cover(p->err == 0 ? "got" : "gone");
    cconc_chan_free(ch);
}

typedef struct moving {
    cconc_chan *from;
    cconc_chan *to;
} moving;

/* The one element is never in neither of the two. */
static void moves(void *arg)
{
    moving *m = arg;
    actor_put(m->to, 2);
    MODEL_EQ(actor_get(m->from), 1);
}

/* sel-2: as of one instant. At each instant one of the two is ready. */
MODEL_SCENARIO(select_looks_at_one_instant, .exhaustive = true, .goals = "from to")
{
    moving *m = model_zalloc(sizeof(*m));
    picker *p = picker_new();
    int from = (int)model_choose(2); /* where it is listed */
    m->from = actor_chan(1);
    m->to = actor_chan(1);
    actor_put(m->from, 1);
    picker_receives(p, from, m->from);
    picker_receives(p, 1 - from, m->to);
    p->flags = CCONC_SELECT_TRY | CCONC_SELECT_ORDERED;
    model_spawn(moves, m);
    picks(p);
    MODEL_EQ(p->err, 0);
    if ((int)p->fired == from) { /* moves() waits for it */
        MODEL_EQ(p->got[from], 1);
        actor_put(m->from, 1);
        model_cover("from");
    } else {
        MODEL_EQ(p->got[1 - from], 2);
        model_cover("to");
    }
    model_join_all();
    cconc_chan_free(m->from);
    cconc_chan_free(m->to);
}

static void puts_two(void *arg)
{
    picker *p = arg;
    actor_put(p->cases[0].object, 1);
    actor_put(p->cases[1].object, 2);
}

/* sel-4: the second is never ready while the first is not, so it never fires. */
MODEL_SCENARIO(select_ordered_takes_the_first_ready, .exhaustive = true, .goals = "none first")
{
    cconc_chan *ch[2] = {actor_chan(1), actor_chan(1)};
    picker *p = picker_new();
    picker_receives(p, 0, ch[0]);
    picker_receives(p, 1, ch[1]);
    p->flags = CCONC_SELECT_TRY | CCONC_SELECT_ORDERED;
    model_spawn(puts_two, p);
    picks(p);
    model_join_all();
    MODEL_CHECK(p->err == EAGAIN || p->fired == 0);
    MODEL_CHECK(p->err == 0 || p->fired == 9);
    model_cover(p->err == EAGAIN ? "none" : "first");
    cconc_chan_free(ch[0]);
    cconc_chan_free(ch[1]);
}

MODEL_SCENARIO(select_close_fires, .exhaustive = true, .covers = "H16", .goals = "sender receiver")
{
    cconc_chan *ch[2] = {actor_chan(1), actor_chan(0)};
    picker *p = picker_new();
    uint32_t which = model_choose(2);
    actor *a;
    actor_put(ch[0], 1);
    picker_sends(p, 0, ch[0], 5);
    picker_receives(p, 1, ch[1]);
    a = actor_spawn(actor_closes, ch[which], NULL, 0);
    picks(p);
    model_join_all();
    MODEL_EQ(a->err, 0);
    MODEL_EQ(p->err, EPIPE);
    MODEL_EQ(p->fired, which);
    must_be_left(ch[0]);
    must_be_left(ch[1]);
    model_cover(which ? "receiver" : "sender");
    cconc_chan_free(ch[0]);
    cconc_chan_free(ch[1]);
}

/* Two selects at one channel: each element once. */
MODEL_SCENARIO(select_two_at_one_channel, .covers = "H11 H12")
{
    cconc_chan *ch = actor_chan(1);
    picker *p = picker_new();
    picker *q = picker_new();
    picker_receives(p, 0, ch);
    picker_receives(q, 0, ch);
    p->count = 1;
    q->count = 1;
    model_spawn(picks, p);
    model_spawn(picks, q);
    actor_put(ch, 1);
    actor_put(ch, 2);
    model_join_all();
    MODEL_EQ(p->err + q->err, 0);
    MODEL_EQ(p->got[0] + q->got[0], 3);
    MODEL_CHECK(p->got[0] != q->got[0]);
    must_be_left(ch);
    cconc_chan_free(ch);
}

MODEL_SCENARIO(select_of_many_without_memory, .exhaustive = true, .faults = MODEL_NO_MEMORY,
               .goals = "had had_none", .covers = "X4")
{
    cconc_chan *ch = NULL;
    cconc_select_case cases[9];
    size_t fired = 99;
    int got = 0;
    int err = cconc_chan_new(sizeof(int), 1, &ch);
    if (err) {
        ch = actor_chan(1);
    }
    (void)actor_spawn(actor_sends, ch, NULL, 7);
    for (int i = 0; i < 9; i++) {
        cases[i] = cconc_select_recv(i == 8 ? ch : NULL, &got);
    }
    err = cconc_select(cases, 9, 0, &fired);
    if (err) {
        MODEL_EQ(err, ENOMEM);
        MODEL_EQ(fired, 99);
        MODEL_CHECK(model_had_fault(MODEL_NO_MEMORY));
        MODEL_EQ(actor_get(ch), 7);
        model_cover("had_none");
    } else {
        MODEL_EQ(fired, 8);
        MODEL_EQ(got, 7);
        model_cover("had");
    }
    model_join_all();
    cconc_chan_free(ch);
}

/* The thread ends right after its select; who wakes it has nothing left to touch. */
MODEL_SCENARIO(select_thread_ends_after_it, .covers = "H7 S5", .low = true)
{
    cconc_chan *ch[2] = {actor_chan(1), actor_chan(0)};
    picker *p = picker_new();
    picker_receives(p, 0, ch[0]);
    picker_receives(p, 1, ch[1]);
    model_spawn(picks, p);
    actor_put(ch[0], 7);
    MODEL_EQ(cconc_chan_close(ch[1]), 0);
    model_join_all();
    MODEL_EQ(p->err, p->fired == 0 ? 0 : EPIPE);
    cconc_chan_free(ch[0]);
    cconc_chan_free(ch[1]);
}

/* A wake-up for no reason ends no wait. */
MODEL_SCENARIO(select_woken_for_nothing, .low = true, .faults = MODEL_SPURIOUS,
               .goals = "spurious plain")
{
    cconc_chan *ch[2] = {actor_chan(1), actor_chan(0)};
    picker *p = picker_new();
    actor *a = actor_spawn(actor_sends, ch[model_choose(2)], NULL, 7);
    picker_receives(p, 0, ch[0]);
    picker_receives(p, 1, ch[1]);
    picks(p);
    model_join_all();
    MODEL_EQ(a->err + p->err, 0);
    MODEL_EQ(p->got[p->fired], 7);
    model_cover(model_had_fault(MODEL_SPURIOUS) ? "spurious" : "plain");
    cconc_chan_free(ch[0]);
    cconc_chan_free(ch[1]);
}

MODEL_SCENARIO(select_in_a_forked_child)
{
    cconc_chan *ch = actor_chan(1);
    picker *p = picker_new();
    (void)actor_spawn(actor_receives, ch, NULL, 0);
    picker_receives(p, 0, ch);
    p->count = 1;
    model_until_parked(1);
    model_fork();
    picks(p);
    MODEL_EQ(p->err, ENOTRECOVERABLE);
    MODEL_EQ(p->fired, 9);
}
