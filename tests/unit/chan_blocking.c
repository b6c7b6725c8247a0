/* chan_blocking.c - unit tests of channels: calls that wait, and how their waits end
 * SPDX-License-Identifier: MIT
 *
 * Risk      A wake-up lost or sent to the wrong side, a queue served out of order, a value lost or
 *           doubled when a wait ends by time or cancellation, a starved waiter.
 * Method    Each blocked call is a thread that the test has seen in the channel's queue before it
 *           goes on; no step depends on timing. The happens-before rules are checked with plain
 *           memory, which ThreadSanitizer watches.
 * Catches   H1 H5 H11 H12 H16 H20 H21, S7 S8 S12, I7 I9 I18; rules chan-1 to chan-6,
 *           chan-10 chan-11, all-1 all-4 all-5 all-9 all-13 all-14, proc-2.
 */
#include "chan_help.h"

#include <errno.h>
#include <pthread.h>

/* ---- blocking ------------------------------------------------------------------------------- */

static void chan_recv_waits_for_a_send(void **state)
{
    static const size_t caps[] = {0, 1, 8};
    (void)state;
    for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
        cconc_chan *ch = chan_make(sizeof(int), caps[i]);
        struct call receiver;
        int value = 17;
        call_recv_blocked(&receiver, ch, 1);
        assert_int_equal(cconc_chan_send(ch, NULL, &value), 0);
        assert_int_equal(call_end(&receiver), 0);
        assert_int_equal(receiver.value, 17);
        assert_int_equal(cconc_chan_len(ch), 0);
        assert_int_equal(chan_receivers(ch), 0);
        cconc_chan_free(ch);
    }
}

static void chan_send_waits_for_room(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 2);
    struct call sender;
    int value;
    (void)state;
    chan_fill(ch, 1);
    call_send_blocked(&sender, ch, 3, 1);
    assert_int_equal(cconc_chan_len(ch), 2);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(cconc_chan_recv(ch, NULL, &value), 0);
        assert_int_equal(value, i);
    }
    assert_int_equal(call_end(&sender), 0);
    cconc_chan_free(ch);
}

static void chan_send_on_a_rendezvous_waits_for_the_receiver(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 0);
    struct call sender;
    int value;
    (void)state;
    call_send_blocked(&sender, ch, 9, 1);
    assert_int_equal(cconc_chan_len(ch), 0);
    assert_int_equal(cconc_chan_recv(ch, NULL, &value), 0);
    assert_int_equal(value, 9);
    assert_int_equal(call_end(&sender), 0);
    cconc_chan_free(ch);
}

static void chan_try_meets_a_partner_that_already_waits(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 0);
    struct call call;
    int value = 5;
    (void)state;
    call_recv_blocked(&call, ch, 1);
    assert_int_equal(cconc_chan_try_send(ch, &value), 0);
    assert_int_equal(call_end(&call), 0);
    assert_int_equal(call.value, 5);
    call_send_blocked(&call, ch, 6, 1);
    assert_int_equal(chan_take(ch), 6);
    assert_int_equal(call_end(&call), 0);
    cconc_chan_free(ch);
}

static void chan_serves_rendezvous_receivers_in_order_of_arrival(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 0);
    struct call receivers[6];
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        call_recv_blocked(&receivers[i], ch, i + 1);
    }
    for (int i = 0; i < 6; i++) {
        assert_int_equal(cconc_chan_try_send(ch, &i), 0);
        assert_int_equal(chan_receivers(ch), 5 - i);
    }
    for (int i = 0; i < 6; i++) {
        assert_int_equal(call_end(&receivers[i]), 0);
        assert_int_equal(receivers[i].value, i);
    }
    cconc_chan_free(ch);
}

static void chan_serves_rendezvous_senders_in_order_of_arrival(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 0);
    struct call senders[6];
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        call_send_blocked(&senders[i], ch, (int)i, i + 1);
    }
    for (int i = 0; i < 6; i++) {
        assert_int_equal(chan_take(ch), i);
    }
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(call_end(&senders[i]), 0);
    }
    cconc_chan_free(ch);
}

static void chan_puts_a_blocked_senders_value_behind_the_others(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 3);
    struct call sender;
    (void)state;
    chan_fill(ch, 10);
    call_send_blocked(&sender, ch, 13, 1);
    assert_int_equal(chan_take(ch), 10);
    assert_int_equal(call_end(&sender), 0);
    assert_int_equal(cconc_chan_len(ch), 3);
    for (int i = 11; i <= 13; i++) {
        assert_int_equal(chan_take(ch), i);
    }
    cconc_chan_free(ch);
}

static void chan_len_stays_within_cap_while_senders_wait(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 2);
    struct call senders[5];
    (void)state;
    chan_fill(ch, 0);
    for (size_t i = 0; i < 5; i++) {
        call_send_blocked(&senders[i], ch, 2 + (int)i, i + 1);
    }
    for (int left = 7; left > 0; left--) {
        int value;
        assert_int_equal(cconc_chan_recv(ch, NULL, &value), 0);
        assert_true(cconc_chan_len(ch) <= 2);
    }
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(call_end(&senders[i]), 0);
    }
    assert_int_equal(cconc_chan_len(ch), 0);
    cconc_chan_free(ch);
}

/* ---- deadline ------------------------------------------------------------------------------- */

static void chan_wait_that_times_out_moves_nothing(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 1);
    cconc_ctx_mem mem;
    int value = 2;
    (void)state;
    chan_fill(ch, 1);
    int64_t deadline_ns = cconc_clock_after(2 * CCONC_MS);
    cconc_ctx *ctx = cconc_ctx_until(&mem, NULL, deadline_ns);
    assert_int_equal(cconc_chan_send(ch, ctx, &value), ETIMEDOUT);
    assert_true(cconc_clock_now() >= deadline_ns);
    assert_int_equal(cconc_ctx_err(ctx), ETIMEDOUT);
    assert_int_equal(chan_senders(ch), 0);
    assert_int_equal(chan_take(ch), 1);
    assert_int_equal(cconc_chan_len(ch), 0);
    cconc_chan_free(ch);
}

static void chan_wait_marks_an_expired_context_that_others_share(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 0);
    cconc_ctx *ctx;
    int value;
    (void)state;
    assert_int_equal(cconc_ctx_with_timeout(NULL, 2 * CCONC_MS, &ctx), 0);
    assert_int_equal(cconc_chan_recv(ch, ctx, &value), ETIMEDOUT);
    assert_int_equal(cconc_ctx_err(ctx), ETIMEDOUT);
    cconc_ctx_free(ctx);
    cconc_chan_free(ch);
}

static void chan_million_timeouts_leave_no_memory_behind(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 0);
    cconc_ctx_mem mem;
    int value = 0;
    (void)state;
    assert_int_equal(cconc_chan_recv(ch, ctx_for(&mem, CCONC_MS), &value), ETIMEDOUT);
    size_t blocks = support_live_blocks();
    size_t bytes = support_live_bytes();
    int64_t begin_ns = cconc_clock_now();
    for (int i = 0; i < MANY(500000, 25000) && time_is_left(begin_ns); i++) {
        int64_t soon_ns = i % 16 == 0 ? 300 : 60; /* a sleep of its own takes 70 us on one CPU */
        assert_int_equal(cconc_chan_recv(ch, ctx_for(&mem, soon_ns), &value), ETIMEDOUT);
        assert_int_equal(cconc_chan_send(ch, ctx_for(&mem, soon_ns), &value), ETIMEDOUT);
    }
    assert_int_equal(support_live_blocks(), blocks);
    assert_int_equal(support_live_bytes(), bytes);
    assert_int_equal(chan_receivers(ch), 0);
    assert_int_equal(chan_senders(ch), 0);
    cconc_chan_free(ch);
}

static void chan_works_on_after_a_wait_that_timed_out(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 0);
    cconc_ctx_mem mem;
    struct call receiver;
    int value = 3;
    (void)state;
    assert_int_equal(cconc_chan_send(ch, ctx_for(&mem, CCONC_MS), &value), ETIMEDOUT);
    call_recv_blocked(&receiver, ch, 1);
    value = 4;
    assert_int_equal(cconc_chan_send(ch, NULL, &value), 0);
    assert_int_equal(call_end(&receiver), 0);
    assert_int_equal(receiver.value, 4);
    cconc_chan_free(ch);
}

static void chan_wait_is_not_shortened_by_signals(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 0);
    cconc_ctx_mem mem;
    int value;
    (void)state;
    support_signal_rain(true);
    for (int i = 0; i < 10; i++) {
        int64_t deadline_ns = cconc_clock_after(3 * CCONC_MS);
        cconc_ctx *ctx = cconc_ctx_until(&mem, NULL, deadline_ns);
        int err = cconc_chan_recv(ch, ctx, &value);
        SUPPORT_CHECK(err == ETIMEDOUT && cconc_clock_now() >= deadline_ns);
    }
    support_signal_rain(false);
    cconc_chan_free(ch);
}

/* ---- cancel --------------------------------------------------------------------------------- */

static void chan_cancel_ends_a_blocked_send_and_recv(void **state)
{
    cconc_chan *full = chan_make(sizeof(int), 1);
    cconc_chan *empty = chan_make(sizeof(int), 1);
    cconc_ctx *parent = ctx_make();
    cconc_ctx *ctx;
    struct call sender;
    struct call receiver;
    (void)state;
    assert_int_equal(cconc_ctx_with_cancel(parent, &ctx), 0);
    chan_fill(full, 1);
    call_send(&sender, full, ctx, 2);
    call_recv(&receiver, empty, ctx);
    until(chan_senders(full) == 1 && chan_receivers(empty) == 1);
    cconc_ctx_cancel(parent);
    assert_int_equal(call_end(&sender), ECANCELED);
    assert_int_equal(call_end(&receiver), ECANCELED);
    assert_int_equal(receiver.value, -1);
    assert_int_equal(chan_senders(full), 0);
    assert_int_equal(chan_receivers(empty), 0);
    assert_int_equal(chan_take(full), 1);
    assert_int_equal(cconc_chan_len(full), 0);
    cconc_ctx_free(ctx);
    cconc_ctx_free(parent);
    cconc_chan_free(full);
    cconc_chan_free(empty);
}

static void chan_cancelled_waiter_leaves_the_others_in_order(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 0);
    cconc_ctx *ctx = ctx_make();
    struct call calls[3];
    int value = 1;
    (void)state;
    call_recv_blocked(&calls[0], ch, 1);
    call_recv(&calls[1], ch, ctx);
    until(chan_receivers(ch) == 2);
    call_recv_blocked(&calls[2], ch, 3);
    cconc_ctx_cancel(ctx);
    assert_int_equal(call_end(&calls[1]), ECANCELED);
    assert_int_equal(chan_receivers(ch), 2);
    assert_int_equal(cconc_chan_try_send(ch, &value), 0);
    value = 2;
    assert_int_equal(cconc_chan_try_send(ch, &value), 0);
    assert_int_equal(call_end(&calls[0]), 0);
    assert_int_equal(call_end(&calls[2]), 0);
    assert_int_equal(calls[0].value, 1);
    assert_int_equal(calls[2].value, 2);
    cconc_ctx_free(ctx);
    cconc_chan_free(ch);
}

/* A receiver that is woken or granted and cancelled at the same moment: either it has the value, or
 * the value is still there. */
static void chan_value_is_neither_lost_nor_doubled_by_a_cancel(void **state)
{
    (void)state;
    int64_t begin_ns = cconc_clock_now();
    for (int round = 0; round < MANY(2000, 300) && time_is_left(begin_ns); round++) {
        cconc_chan *ch = chan_make(sizeof(int), (size_t)(round % 2));
        cconc_ctx *ctx = ctx_make();
        struct call receiver;
        call_recv(&receiver, ch, ctx);
        until(chan_receivers(ch) == 1);
        int sent = cconc_chan_try_send(ch, &round);
        cconc_ctx_cancel(ctx);
        int got = call_end(&receiver);
        assert_int_equal(sent, 0);
        if (got == 0) {
            assert_int_equal(receiver.value, round);
        } else {
            assert_int_equal(got, ECANCELED);
            assert_int_equal(chan_take(ch), round);
        }
        assert_int_equal(cconc_chan_len(ch), 0);
        cconc_ctx_free(ctx);
        cconc_chan_free(ch);
    }
}

static void chan_wake_of_a_cancelled_waiter_goes_to_the_next(void **state)
{
    (void)state;
    int64_t begin_ns = cconc_clock_now();
    for (int round = 0; round < MANY(500, 100) && time_is_left(begin_ns); round++) {
        cconc_chan *ch = chan_make(sizeof(int), 1);
        cconc_ctx *ctx = ctx_make();
        struct call first;
        struct call second;
        call_recv(&first, ch, ctx);
        until(chan_receivers(ch) == 1);
        call_recv_blocked(&second, ch, 2);
        assert_int_equal(cconc_chan_send(ch, NULL, &round), 0);
        cconc_ctx_cancel(ctx);
        if (call_end(&first) == 0) {
            assert_int_equal(first.value, round);
            assert_int_equal(cconc_chan_send(ch, NULL, &round), 0);
        }
        assert_int_equal(call_end(&second), 0);
        assert_int_equal(second.value, round);
        cconc_ctx_free(ctx);
        cconc_chan_free(ch);
    }
}

static void recv_then_offer_to_end(void *arg, size_t index)
{
    struct call *call = arg;
    call_run(call, index);
    for (;;) {
        pthread_testcancel();
    }
}

static void chan_recv_is_no_point_at_which_threads_are_cancelled(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 0);
    struct call call = {.ch = ch, .value = -1, .err = -1};
    int value = 31;
    (void)state;
    struct support_threads *threads = support_threads_start(1, recv_then_offer_to_end, &call);
    until(chan_receivers(ch) == 1);
    support_threads_cancel(threads, 0);
    assert_int_equal(cconc_chan_send(ch, NULL, &value), 0);
    assert_int_equal(support_threads_join(threads), 1);
    assert_int_equal(call.err, 0);
    assert_int_equal(call.value, 31);
    cconc_chan_free(ch);
}

/* ---- fairness ------------------------------------------------------------------------------- */

static void chan_receiver_that_waited_1_ms_gets_the_next_value_in_hand(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 4);
    struct call receivers[2];
    int value = 8;
    (void)state;
    call_recv_blocked(&receivers[0], ch, 1);
    call_recv_blocked(&receivers[1], ch, 2);
    pass_time(2 * CCONC_MS);
    assert_int_equal(cconc_chan_try_send(ch, &value), 0);
    assert_int_equal(cconc_chan_try_recv(ch, NULL), EAGAIN);
    value = 9;
    pass_time(2 * CCONC_MS);
    assert_int_equal(cconc_chan_try_send(ch, &value), 0);
    assert_int_equal(cconc_chan_try_recv(ch, NULL), EAGAIN);
    assert_int_equal(call_end(&receivers[0]), 0);
    assert_int_equal(call_end(&receivers[1]), 0);
    assert_int_equal(receivers[0].value, 8);
    assert_int_equal(receivers[1].value, 9);
    cconc_chan_free(ch);
}

static void chan_sender_that_waited_1_ms_gets_the_next_slot(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 1);
    struct call senders[2];
    int value = 99;
    (void)state;
    chan_fill(ch, 0);
    call_send_blocked(&senders[0], ch, 1, 1);
    call_send_blocked(&senders[1], ch, 2, 2);
    for (int i = 0; i < 3; i++) {
        pass_time(2 * CCONC_MS);
        assert_int_equal(chan_take(ch), i);
        assert_int_equal(cconc_chan_try_send(ch, &value), i < 2 ? EAGAIN : 0);
    }
    assert_int_equal(call_end(&senders[0]), 0);
    assert_int_equal(call_end(&senders[1]), 0);
    cconc_chan_free(ch);
}

static void mark_receipt(void *arg, size_t index)
{
    struct call *call = arg;
    int value;
    (void)index;
    SUPPORT_CHECK(cconc_chan_recv(call->ch, NULL, &value) == 0);
    __atomic_store_n(&call->err, 0, __ATOMIC_RELEASE);
}

/* Send and take back without a pause; tell whether the other receiver got something by now. */
static bool hog(struct call *call)
{
    for (int i = 0; i < 1000; i++) {
        int value = i;
        int sent = cconc_chan_try_send(call->ch, &value);
        int taken = cconc_chan_try_recv(call->ch, &value);
        SUPPORT_CHECK((sent == 0 || sent == EAGAIN) && (taken == 0 || taken == EAGAIN));
    }
    return __atomic_load_n(&call->err, __ATOMIC_ACQUIRE) == 0;
}

static void chan_receiver_is_not_starved_by_one_that_never_waits(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 1);
    struct call call = {.ch = ch, .err = -1};
    (void)state;
    struct support_threads *threads = support_threads_start(1, mark_receipt, &call);
    until(hog(&call));
    support_threads_join(threads);
    cconc_chan_free(ch);
}

/* ---- orders --------------------------------------------------------------------------------- */

/* Plain memory on purpose: ThreadSanitizer reports it if the channel does not order it. */
struct exchange {
    cconc_chan *ch;
    size_t      cap;
    int         rounds;
    int         by_sender[8];
    int         by_receiver[8];
};

static void receive_and_look(void *arg, size_t index)
{
    struct exchange *x = arg;
    (void)index;
    for (int round = 0; round < x->rounds; round++) {
        int value;
        x->by_receiver[round % 8] = round;
        SUPPORT_CHECK(cconc_chan_recv(x->ch, NULL, &value) == 0);
        SUPPORT_CHECK(value == round && x->by_sender[round % 8] == round);
    }
}

/* With capacity C the k-th receive is before the return of the (k+C)-th send. */
static void chan_orders_memory_both_ways(void **state)
{
    static const size_t caps[] = {0, 1, 3};
    (void)state;
    for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
        struct exchange x = {.cap = caps[i], .rounds = 2000};
        x.ch = chan_make(sizeof(int), x.cap);
        struct support_threads *threads = support_threads_start(1, receive_and_look, &x);
        for (int round = 0; round < x.rounds; round++) {
            x.by_sender[round % 8] = round;
            assert_int_equal(cconc_chan_send(x.ch, NULL, &round), 0);
            int received = round - (int)x.cap;
            if (received >= 0) {
                assert_true(x.by_receiver[received % 8] >= received);
            }
        }
        support_threads_join(threads);
        cconc_chan_free(x.ch);
    }
}

struct guarded {
    cconc_chan *permit;
    long        sum;
};

static void add_under_the_permit(void *arg, size_t index)
{
    struct guarded *guarded = arg;
    for (int i = 0; i < 2000; i++) {
        char token = (char)index;
        SUPPORT_CHECK(cconc_chan_send(guarded->permit, NULL, &token) == 0);
        guarded->sum++;
        SUPPORT_CHECK(cconc_chan_recv(guarded->permit, NULL, &token) == 0);
        SUPPORT_CHECK(token == (char)index);
    }
}

static void chan_of_capacity_one_is_a_mutex(void **state)
{
    struct guarded guarded = {chan_make(1, 1), 0};
    (void)state;
    support_threads_join(support_threads_start(4, add_under_the_permit, &guarded));
    assert_int_equal(guarded.sum, 8000);
    cconc_chan_free(guarded.permit);
}

/* ---- faults --------------------------------------------------------------------------------- */

static void answer(void *arg, size_t index)
{
    cconc_chan **pair = arg;
    int value;
    (void)index;
    while (cconc_chan_recv(pair[0], NULL, &value) == 0) {
        SUPPORT_CHECK(cconc_chan_send(pair[1], NULL, &value) == 0);
    }
}

static void ask_and_answer(void *arg)
{
    cconc_chan *pair[2] = {NULL, NULL};
    (void)arg;
    if (cconc_chan_new(sizeof(int), 0, &pair[0]) == 0 &&
        cconc_chan_new(sizeof(int), 1, &pair[1]) == 0) {
        struct support_threads *threads = support_threads_start(1, answer, pair);
        for (int i = 0; i < 20; i++) {
            int value = -1;
            SUPPORT_CHECK(cconc_chan_send(pair[0], NULL, &i) == 0);
            SUPPORT_CHECK(cconc_chan_recv(pair[1], NULL, &value) == 0);
            SUPPORT_CHECK(value == i);
        }
        SUPPORT_CHECK(cconc_chan_close(pair[0]) == 0);
        support_threads_join(threads);
    }
    cconc_chan_free(pair[0]);
    cconc_chan_free(pair[1]);
}

static void chan_waits_never_fail_for_lack_of_memory(void **state)
{
    (void)state;
    assert_true(support_sweep_alloc(ask_and_answer, NULL) > 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(chan_recv_waits_for_a_send),
        UNIT_TEST(chan_send_waits_for_room),
        UNIT_TEST(chan_send_on_a_rendezvous_waits_for_the_receiver),
        UNIT_TEST(chan_try_meets_a_partner_that_already_waits),
        UNIT_TEST(chan_serves_rendezvous_receivers_in_order_of_arrival),
        UNIT_TEST(chan_serves_rendezvous_senders_in_order_of_arrival),
        UNIT_TEST(chan_puts_a_blocked_senders_value_behind_the_others),
        UNIT_TEST(chan_len_stays_within_cap_while_senders_wait),
        UNIT_TEST(chan_wait_that_times_out_moves_nothing),
        UNIT_TEST(chan_wait_marks_an_expired_context_that_others_share),
        UNIT_TEST(chan_million_timeouts_leave_no_memory_behind),
        UNIT_TEST(chan_works_on_after_a_wait_that_timed_out),
        UNIT_TEST(chan_wait_is_not_shortened_by_signals),
        UNIT_TEST(chan_cancel_ends_a_blocked_send_and_recv),
        UNIT_TEST(chan_cancelled_waiter_leaves_the_others_in_order),
        UNIT_TEST(chan_value_is_neither_lost_nor_doubled_by_a_cancel),
        UNIT_TEST(chan_wake_of_a_cancelled_waiter_goes_to_the_next),
        UNIT_TEST(chan_recv_is_no_point_at_which_threads_are_cancelled),
        UNIT_TEST(chan_receiver_that_waited_1_ms_gets_the_next_value_in_hand),
        UNIT_TEST(chan_sender_that_waited_1_ms_gets_the_next_slot),
        UNIT_TEST(chan_receiver_is_not_starved_by_one_that_never_waits),
        UNIT_TEST(chan_orders_memory_both_ways),
        UNIT_TEST(chan_of_capacity_one_is_a_mutex),
        UNIT_TEST(chan_waits_never_fail_for_lack_of_memory),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
