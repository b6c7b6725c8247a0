/* chan_aged.c - who has waited long at a buffered channel is served before others
 * SPDX-License-Identifier: MIT
 *
 * Risk      An element that goes past the one who has waited longest; one that nobody gets because
 *           that one has left; a caller that spins for ever behind it.
 * Method    Waiters are queued by hand, as if they had begun to wait a second ago. The calls around
 *           them are stopped before each of their atomic instructions in turn.
 * Catches   H12, H19, S7; invariants I1 and I2 of prim/chan_queue.c.
 */
#include "step_help.h"

#include "core/waiter.h"
#include "plat/clock.h"
#include "prim/chan.h"

struct aged {
    waiter w;
    wait_node node;
    int64_t got;
    bool is_out;
};

struct scene {
    cconc_chan *ch;
    struct aged old[2];
    int64_t got;
    int sent_err;
    int recv_err;
};

/* Queue a receiver that has waited for age_ns. */
static wait_queued queue_receiver(struct scene *s, struct aged *a, int64_t age_ns)
{
    a->got = 0;
    a->is_out = false;
    cconc__waiter_arm(&a->w, NULL);
    wait_node_init(&a->node, &a->w, &a->got, 0);
    a->node.since_ns = plat_clock_real() - age_ns;
    return cconc__chan_ring_enqueue(s->ch, CHAN_RECV, &a->w, &a->node);
}

/* End its wait, on the thread that queued it; tell how it ended. */
static claim_kind end_receiver(struct scene *s, struct aged *a)
{
    if (!a->is_out && waiter_claim(&a->w, CLAIM_SELF, 0)) {
        cconc__chan_ring_leave(s->ch, CHAN_RECV, &a->node);
    } else if (!a->is_out) {
        cconc__waiter_take_post(&a->w);
    }
    waiter_disarm(&a->w);
    return waiter_kind(&a->w);
}

static void make_empty(struct scene *s)
{
    s->got = 0;
    s->sent_err = s->recv_err = -1;
    SUPPORT_CHECK(cconc_chan_new(sizeof(int64_t), 1, &s->ch) == 0);
}

static void one_is_old(void *arg)
{
    struct scene *s = arg;
    make_empty(s);
    SUPPORT_CHECK(queue_receiver(s, &s->old[0], CCONC_SECOND) == WAIT_QUEUED);
}

static void two_are_old(void *arg)
{
    struct scene *s = arg;
    one_is_old(s);
    SUPPORT_CHECK(queue_receiver(s, &s->old[1], CCONC_SECOND / 2) == WAIT_QUEUED);
}

static void send_five(void *arg)
{
    struct scene *s = arg;
    const int64_t five = 5;
    s->sent_err = cconc_chan_try_send(s->ch, &five);
}

static void try_to_receive(void *arg)
{
    struct scene *s = arg;
    s->recv_err = cconc_chan_try_recv(s->ch, &s->got);
}

static void close_it(void *arg)
{
    struct scene *s = arg;
    cconc_chan_close(s->ch);
}

/* The first one's time is over, if nobody has served it. */
static void first_leaves(void *arg)
{
    struct scene *s = arg;
    struct aged *a = &s->old[0];
    if (waiter_claim(&a->w, CLAIM_TIMEOUT, 0)) {
        cconc__chan_ring_leave(s->ch, CHAN_RECV, &a->node);
        a->is_out = true;
    }
}

static void the_old_one_has_it(void *arg)
{
    struct scene *s = arg;
    SUPPORT_CHECK(s->sent_err == 0 && s->recv_err == EAGAIN);
    SUPPORT_CHECK(end_receiver(s, &s->old[0]) == CLAIM_GRANT && s->old[0].got == 5);
    cconc_chan_free(s->ch);
}

static void aged_receiver_is_served_before_a_try_at_every_place(void **state)
{
    (void)state;
    struct scene s;
    step(one_is_old, send_five, try_to_receive, the_old_one_has_it, &s);
    step(one_is_old, try_to_receive, send_five, the_old_one_has_it, &s);
}

static void closed_for_both(void *arg)
{
    struct scene *s = arg;
    SUPPORT_CHECK(s->recv_err == EAGAIN || s->recv_err == EPIPE);
    SUPPORT_CHECK(end_receiver(s, &s->old[0]) == CLAIM_CLOSE && s->old[0].got == 0);
    cconc_chan_free(s->ch);
}

static void aged_receiver_hears_of_the_close_at_every_place_of_a_try(void **state)
{
    (void)state;
    struct scene s;
    step(one_is_old, try_to_receive, close_it, closed_for_both, &s);
}

static void one_of_them_has_it(void *arg)
{
    struct scene *s = arg;
    int64_t left = 0;
    bool first = end_receiver(s, &s->old[0]) == CLAIM_GRANT;
    bool second = end_receiver(s, &s->old[1]) == CLAIM_GRANT;
    SUPPORT_CHECK(s->sent_err == 0 && first + second == 1);
    SUPPORT_CHECK(s->old[0].got + s->old[1].got == 5);
    SUPPORT_CHECK(cconc_chan_try_recv(s->ch, &left) == EAGAIN);
    cconc_chan_free(s->ch);
}

static void aged_receiver_that_leaves_lets_the_next_be_served_at_every_place(void **state)
{
    (void)state;
    struct scene s;
    step(two_are_old, send_five, first_leaves, one_of_them_has_it, &s);
    step(two_are_old, first_leaves, send_five, one_of_them_has_it, &s);
}

static void queue_old_one(void *arg)
{
    struct scene *s = arg;
    wait_queued queued = queue_receiver(s, &s->old[0], CCONC_SECOND);
    SUPPORT_CHECK(queued == WAIT_QUEUED);
}

static void just_made(void *arg)
{
    make_empty(arg);
}

static void the_old_one_can_have_it(void *arg)
{
    struct scene *s = arg;
    claim_kind kind = end_receiver(s, &s->old[0]);
    try_to_receive(s);
    SUPPORT_CHECK(s->sent_err == 0 && s->old[0].got + s->got == 5);
    SUPPORT_CHECK((kind == CLAIM_GRANT) == (s->old[0].got == 5));
    cconc_chan_free(s->ch);
}

static void aged_receiver_meets_a_send_at_every_place_as_it_queues(void **state)
{
    (void)state;
    struct scene s;
    step(just_made, queue_old_one, send_five, the_old_one_can_have_it, &s);
    step(just_made, send_five, queue_old_one, the_old_one_can_have_it, &s);
}

static void aged_receiver_of_a_closed_channel_does_not_queue(void **state)
{
    struct scene s;
    (void)state;
    make_empty(&s);
    cconc_chan_close(s.ch);
    assert_int_equal(queue_receiver(&s, &s.old[0], CCONC_SECOND), WAIT_AGAIN);
    waiter_disarm(&s.old[0].w);
    cconc_chan_free(s.ch);
}

/* ---- a sender beside it --------------------------------------------------------------------- */

/* The aged receiver leaves, the channel is full, and a sender waits. */
static void first_leaves_and_senders_come(void *arg)
{
    struct scene *s = arg;
    struct aged *sender = &s->old[1];
    first_leaves(s);
    send_five(s);
    sender->got = 6;
    sender->is_out = false;
    cconc__waiter_arm(&sender->w, NULL);
    wait_node_init(&sender->node, &sender->w, &sender->got, 0);
    sender->node.since_ns = plat_clock_real() + CCONC_SECOND;
    sender->is_out = cconc__chan_ring_enqueue(s->ch, CHAN_SEND, &sender->w, &sender->node) !=
                     WAIT_QUEUED;
}

/* Who has taken the five has told the sender, or come before it. */
static void the_sender_knows(void *arg)
{
    struct scene *s = arg;
    struct aged *sender = &s->old[1];
    SUPPORT_CHECK(s->sent_err == 0);
    SUPPORT_CHECK(s->recv_err == EAGAIN || (s->recv_err == 0 && s->got == 5));
    SUPPORT_CHECK(end_receiver(s, &s->old[0]) == CLAIM_TIMEOUT);
    if (!sender->is_out && s->recv_err == 0) {
        SUPPORT_CHECK(waiter_kind(&sender->w) == CLAIM_READY);
        cconc__waiter_take_post(&sender->w);
        cconc__chan_ring_arrive(s->ch, CHAN_SEND);
    } else if (!sender->is_out) {
        SUPPORT_CHECK(waiter_claim(&sender->w, CLAIM_SELF, 0));
        cconc__chan_ring_leave(s->ch, CHAN_SEND, &sender->node);
    }
    waiter_disarm(&sender->w);
    cconc_chan_free(s->ch);
}

/*  try                                     beside it
 *  first look: kept for the aged one
 *                                          the aged one leaves; send; another sender queues
 *  second look: takes what was sent
 *  it has to wake the sender */
static void try_that_takes_what_was_kept_wakes_a_sender_at_every_place(void **state)
{
    (void)state;
    struct scene s;
    step(one_is_old, try_to_receive, first_leaves_and_senders_come, the_sender_knows, &s);
}

/* The first is told, and has not come yet; then one comes back that has waited longer. */
static void aged_receiver_comes_back_while_another_is_on_its_way(void **state)
{
    struct scene s;
    (void)state;
    make_empty(&s);
    assert_int_equal(queue_receiver(&s, &s.old[0], -CCONC_SECOND), WAIT_QUEUED);
    send_five(&s);
    assert_int_equal(waiter_kind(&s.old[0].w), CLAIM_READY);
    try_to_receive(&s);
    assert_int_equal(s.recv_err, 0);
    assert_int_equal(queue_receiver(&s, &s.old[1], CCONC_SECOND), WAIT_QUEUED);
    try_to_receive(&s);
    assert_int_equal(s.recv_err, EAGAIN);
    cconc__waiter_take_post(&s.old[0].w);
    cconc__chan_ring_arrive(s.ch, CHAN_RECV);
    waiter_disarm(&s.old[0].w);
    send_five(&s);
    assert_int_equal(end_receiver(&s, &s.old[1]), CLAIM_GRANT);
    assert_int_equal(s.old[1].got, 5);
    cconc_chan_free(s.ch);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(aged_receiver_is_served_before_a_try_at_every_place),
        UNIT_TEST(aged_receiver_hears_of_the_close_at_every_place_of_a_try),
        UNIT_TEST(aged_receiver_that_leaves_lets_the_next_be_served_at_every_place),
        UNIT_TEST(aged_receiver_meets_a_send_at_every_place_as_it_queues),
        UNIT_TEST(aged_receiver_of_a_closed_channel_does_not_queue),
        UNIT_TEST(try_that_takes_what_was_kept_wakes_a_sender_at_every_place),
        UNIT_TEST(aged_receiver_comes_back_while_another_is_on_its_way),
    };
    support_step_start();
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
