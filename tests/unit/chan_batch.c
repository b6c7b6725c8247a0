/* chan_batch.c - unit tests of channels: send_n and recv_n
 * SPDX-License-Identifier: MIT
 *
 * Risk      A count that does not match what moved, a batch that stops or reorders at the ring's
 *           seam, elements lost when a half-sent batch ends by close, time or cancellation.
 * Method    Batches larger and smaller than the ring, against both plain and batch partners; for
 *           each way a wait can end, the count and what arrived are compared.
 * Catches   H19; rules chan-1 chan-3, all-1 all-3 for batches.
 */
#include "chan_help.h"

#include <errno.h>

#define TOTAL 1000

/* ---- smoke ---------------------------------------------------------------------------------- */

static void chan_batch_goes_in_and_comes_out_in_order(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 8);
    int in[5] = {1, 2, 3, 4, 5};
    int out[8] = {0};
    size_t count = 0;
    (void)state;
    for (int turn = 0; turn < 5; turn++) { /* every place of the seam */
        assert_int_equal(cconc_chan_send_n(ch, NULL, in, 5, &count), 0);
        assert_int_equal(count, 5);
        assert_int_equal(cconc_chan_len(ch), 5);
        assert_int_equal(cconc_chan_recv_n(ch, NULL, out, 8, &count), 0);
        assert_int_equal(count, 5);
        assert_memory_equal(in, out, sizeof(in));
    }
    cconc_chan_free(ch);
}

/* ---- limits --------------------------------------------------------------------------------- */

static void chan_batch_of_none_returns_at_once(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 1);
    int value = 3;
    size_t count = 9;
    (void)state;
    assert_int_equal(cconc_chan_recv_n(ch, NULL, &value, 0, &count), 0);
    assert_int_equal(count, 0);
    count = 9;
    assert_int_equal(cconc_chan_send_n(ch, NULL, &value, 0, &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(value, 3);
    cconc_chan_free(ch);
}

static void chan_batch_count_may_be_NULL(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 4);
    int values[3] = {1, 2, 3};
    (void)state;
    assert_int_equal(cconc_chan_send_n(ch, NULL, values, 3, NULL), 0);
    assert_int_equal(cconc_chan_len(ch), 3);
    cconc_chan_free(ch);
}

static void chan_recv_n_takes_no_more_than_asked_for(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 8);
    int out[8] = {-1, -1, -1, -1, -1, -1, -1, -1};
    size_t count;
    (void)state;
    chan_fill(ch, 0);
    assert_int_equal(cconc_chan_recv_n(ch, NULL, out, 3, &count), 0);
    assert_int_equal(count, 3);
    assert_int_equal(out[2], 2);
    assert_int_equal(out[3], -1);
    assert_int_equal(cconc_chan_len(ch), 5);
    cconc_chan_free(ch);
}

static void chan_recv_n_into_NULL_throws_elements_away(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 4);
    size_t count;
    (void)state;
    chan_fill(ch, 0);
    assert_int_equal(cconc_chan_recv_n(ch, NULL, NULL, 3, &count), 0);
    assert_int_equal(count, 3);
    assert_int_equal(chan_take(ch), 3);
    cconc_chan_free(ch);
}

static void chan_batch_of_empty_elements_counts(void **state)
{
    cconc_chan *ch = chan_make(0, 4);
    size_t count = 0;
    (void)state;
    assert_int_equal(cconc_chan_send_n(ch, NULL, NULL, 4, &count), 0);
    assert_int_equal(count, 4);
    assert_int_equal(cconc_chan_recv_n(ch, NULL, NULL, 10, &count), 0);
    assert_int_equal(count, 4);
    cconc_chan_free(ch);
}

/* ---- blocking ------------------------------------------------------------------------------- */

struct batch {
    cconc_chan *ch;
    cconc_ctx  *ctx;
    int         values[TOTAL];
    size_t      count; /* to send, then what the call wrote */
    int         err;
};

static void batch_send(void *arg, size_t index)
{
    struct batch *batch = arg;
    (void)index;
    for (size_t i = 0; i < batch->count; i++) {
        batch->values[i] = (int)i;
    }
    batch->err = cconc_chan_send_n(batch->ch, batch->ctx, batch->values, batch->count,
                                   &batch->count);
}

static void batch_recv(void *arg, size_t index)
{
    struct batch *batch = arg;
    (void)index;
    batch->err = cconc_chan_recv_n(batch->ch, batch->ctx, batch->values, batch->count,
                                   &batch->count);
}

static void chan_batch_larger_than_the_ring_arrives_whole(void **state)
{
    static const size_t caps[] = {0, 1, 3, 64};
    static const size_t takes[] = {1, 2, 7, TOTAL};
    (void)state;
    for (size_t c = 0; c < 4; c++) {
        for (size_t t = 0; t < 4; t++) {
            struct batch batch = {.ch = chan_make(sizeof(int), caps[c]), .count = TOTAL};
            struct support_threads *threads = support_threads_start(1, batch_send, &batch);
            for (size_t got = 0; got < TOTAL;) {
                int out[TOTAL];
                size_t count = 0;
                assert_int_equal(cconc_chan_recv_n(batch.ch, NULL, out, takes[t], &count), 0);
                assert_true(count >= 1 && count <= takes[t]);
                for (size_t i = 0; i < count; i++) {
                    assert_int_equal(out[i], got + i);
                }
                got += count;
            }
            support_threads_join(threads);
            assert_int_equal(batch.err, 0);
            assert_int_equal(batch.count, TOTAL);
            cconc_chan_free(batch.ch);
        }
    }
}

static void chan_recv_n_waits_for_one_and_takes_what_is_there(void **state)
{
    static const size_t caps[] = {0, 4};
    (void)state;
    for (size_t c = 0; c < 2; c++) {
        struct batch batch = {.ch = chan_make(sizeof(int), caps[c]), .count = 10};
        int value = 77;
        struct support_threads *threads = support_threads_start(1, batch_recv, &batch);
        until(chan_receivers(batch.ch) == 1);
        assert_int_equal(cconc_chan_send(batch.ch, NULL, &value), 0);
        support_threads_join(threads);
        assert_int_equal(batch.err, 0);
        assert_int_equal(batch.count, 1);
        assert_int_equal(batch.values[0], 77);
        cconc_chan_free(batch.ch);
    }
}

static void chan_recv_n_takes_from_waiting_senders_in_order(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 0);
    struct call senders[4];
    int out[8];
    size_t count = 0;
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        call_send_blocked(&senders[i], ch, (int)i, i + 1);
    }
    for (size_t got = 0; got < 4;) {
        assert_int_equal(cconc_chan_recv_n(ch, NULL, out + got, 8 - got, &count), 0);
        got += count;
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(call_end(&senders[i]), 0);
        assert_int_equal(out[i], i);
    }
    cconc_chan_free(ch);
}

static void chan_batch_feeds_waiting_receivers_in_order(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 0);
    struct call receivers[4];
    int in[4] = {10, 11, 12, 13};
    size_t count = 0;
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        call_recv_blocked(&receivers[i], ch, i + 1);
    }
    assert_int_equal(cconc_chan_send_n(ch, NULL, in, 4, &count), 0);
    assert_int_equal(count, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(call_end(&receivers[i]), 0);
        assert_int_equal(receivers[i].value, 10 + i);
    }
    cconc_chan_free(ch);
}

static void chan_batch_wakes_every_receiver_that_it_can_serve(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 8);
    struct call receivers[4];
    int in[4] = {0, 1, 2, 3};
    int sum = 0;
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        call_recv_blocked(&receivers[i], ch, i + 1);
    }
    assert_int_equal(cconc_chan_send_n(ch, NULL, in, 4, NULL), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(call_end(&receivers[i]), 0);
        sum += receivers[i].value;
    }
    assert_int_equal(sum, 6);
    cconc_chan_free(ch);
}

static void chan_recv_n_makes_room_for_every_sender_that_it_can(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 4);
    struct call senders[4];
    int out[4];
    size_t count = 0;
    (void)state;
    chan_fill(ch, 0);
    for (size_t i = 0; i < 4; i++) {
        call_send_blocked(&senders[i], ch, 4 + (int)i, i + 1);
    }
    assert_int_equal(cconc_chan_recv_n(ch, NULL, out, 4, &count), 0);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(call_end(&senders[i]), 0);
    }
    assert_int_equal(cconc_chan_len(ch), 4);
    cconc_chan_free(ch);
}

/* ---- deadline, cancel, close ---------------------------------------------------------------- */

static void chan_batch_cut_short_by_time_tells_how_many_went(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 3);
    cconc_ctx_mem mem;
    int values[5] = {0, 1, 2, 3, 4};
    size_t count = 99;
    (void)state;
    assert_int_equal(cconc_chan_send_n(ch, ctx_for(&mem, CCONC_MS), values, 5, &count), ETIMEDOUT);
    assert_int_equal(count, 3);
    assert_int_equal(cconc_chan_len(ch), 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(chan_take(ch), i);
    }
    count = 99;
    assert_int_equal(cconc_chan_recv_n(ch, ctx_for(&mem, CCONC_MS), values, 5, &count), ETIMEDOUT);
    assert_int_equal(count, 0);
    cconc_chan_free(ch);
}

static void chan_batch_cut_short_by_cancel_tells_how_many_went(void **state)
{
    static const size_t caps[] = {0, 2};
    (void)state;
    for (size_t c = 0; c < 2; c++) {
        struct batch batch = {.ch = chan_make(sizeof(int), caps[c]), .ctx = ctx_make(), .count = 9};
        struct support_threads *threads = support_threads_start(1, batch_send, &batch);
        until(chan_senders(batch.ch) == 1);
        for (int i = 0; i < 3; i++) {
            int value = -1;
            assert_int_equal(cconc_chan_recv(batch.ch, NULL, &value), 0);
            assert_int_equal(value, i);
        }
        until(chan_senders(batch.ch) == 1 && cconc_chan_len(batch.ch) == caps[c]);
        cconc_ctx_cancel(batch.ctx);
        support_threads_join(threads);
        assert_int_equal(batch.err, ECANCELED);
        assert_int_equal(batch.count, 3 + caps[c]);
        assert_int_equal(cconc_chan_len(batch.ch), caps[c]);
        cconc_ctx_free(batch.ctx);
        cconc_chan_free(batch.ch);
    }
}

static void chan_batch_cut_short_by_close_tells_how_many_went(void **state)
{
    struct batch batch = {.ch = chan_make(sizeof(int), 2), .count = 9};
    int out[9];
    size_t count = 0;
    (void)state;
    struct support_threads *threads = support_threads_start(1, batch_send, &batch);
    until(chan_senders(batch.ch) == 1);
    assert_int_equal(cconc_chan_close(batch.ch), 0);
    support_threads_join(threads);
    assert_int_equal(batch.err, EPIPE);
    assert_int_equal(batch.count, 2);
    assert_int_equal(cconc_chan_recv_n(batch.ch, NULL, out, 9, &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(cconc_chan_recv_n(batch.ch, NULL, out, 9, &count), EPIPE);
    assert_int_equal(count, 0);
    assert_int_equal(cconc_chan_send_n(batch.ch, NULL, out, 2, &count), EPIPE);
    assert_int_equal(count, 0);
    cconc_chan_free(batch.ch);
}

static void chan_close_ends_a_blocked_recv_n(void **state)
{
    struct batch batch = {.ch = chan_make(sizeof(int), 0), .count = 5};
    (void)state;
    struct support_threads *threads = support_threads_start(1, batch_recv, &batch);
    until(chan_receivers(batch.ch) == 1);
    assert_int_equal(cconc_chan_close(batch.ch), 0);
    support_threads_join(threads);
    assert_int_equal(batch.err, EPIPE);
    assert_int_equal(batch.count, 0);
    cconc_chan_free(batch.ch);
}

/* ---- fairness ------------------------------------------------------------------------------- */

struct shared {
    cconc_chan *ch;
    size_t      received;
};

static void send_one_batch(void *arg, size_t index)
{
    struct shared *shared = arg;
    int values[200];
    size_t count = 0;
    for (int i = 0; i < 200; i++) {
        values[i] = (int)index * 1000 + i;
    }
    SUPPORT_CHECK(cconc_chan_send_n(shared->ch, NULL, values, 200, &count) == 0);
    SUPPORT_CHECK(count == 200);
}

static void chan_batches_of_several_senders_each_keep_their_order(void **state)
{
    static const size_t caps[] = {0, 1, 16};
    (void)state;
    for (size_t c = 0; c < 3; c++) {
        struct shared shared = {chan_make(sizeof(int), caps[c]), 0};
        int next[4] = {0, 0, 0, 0};
        struct support_threads *threads = support_threads_start(4, send_one_batch, &shared);
        while (shared.received < 800) {
            int out[32];
            size_t count = 0;
            assert_int_equal(cconc_chan_recv_n(shared.ch, NULL, out, 32, &count), 0);
            for (size_t i = 0; i < count; i++) {
                assert_int_equal(out[i] % 1000, next[out[i] / 1000]++);
            }
            shared.received += count;
        }
        support_threads_join(threads);
        cconc_chan_free(shared.ch);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(chan_batch_goes_in_and_comes_out_in_order),
        UNIT_TEST(chan_batch_of_none_returns_at_once),
        UNIT_TEST(chan_batch_count_may_be_NULL),
        UNIT_TEST(chan_recv_n_takes_no_more_than_asked_for),
        UNIT_TEST(chan_recv_n_into_NULL_throws_elements_away),
        UNIT_TEST(chan_batch_of_empty_elements_counts),
        UNIT_TEST(chan_batch_larger_than_the_ring_arrives_whole),
        UNIT_TEST(chan_recv_n_waits_for_one_and_takes_what_is_there),
        UNIT_TEST(chan_recv_n_takes_from_waiting_senders_in_order),
        UNIT_TEST(chan_batch_feeds_waiting_receivers_in_order),
        UNIT_TEST(chan_batch_wakes_every_receiver_that_it_can_serve),
        UNIT_TEST(chan_recv_n_makes_room_for_every_sender_that_it_can),
        UNIT_TEST(chan_batch_cut_short_by_time_tells_how_many_went),
        UNIT_TEST(chan_batch_cut_short_by_cancel_tells_how_many_went),
        UNIT_TEST(chan_batch_cut_short_by_close_tells_how_many_went),
        UNIT_TEST(chan_close_ends_a_blocked_recv_n),
        UNIT_TEST(chan_batches_of_several_senders_each_keep_their_order),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
