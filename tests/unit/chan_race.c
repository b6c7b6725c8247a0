/* chan_race.c - unit tests of channels: what a racing reader sees of them
 * SPDX-License-Identifier: MIT
 *
 * Risk      A length that is for an instant below zero or above the capacity, a rendezvous that
 *           seems to hold something, a closed channel that seems to grow.
 * Method    Senders and receivers of all kinds run freely while another thread reads.
 * Catches   H9 H18; rules chan-2 chan-7, all-9.
 */
#include "chan_help.h"

#include <errno.h>
#include <stdatomic.h>

struct traffic {
    cconc_chan *ch;
    size_t per_thread;
    atomic_size_t left; /* threads that still send or receive */
};

static void send_some(struct traffic *t, size_t index)
{
    for (size_t i = 0; i < t->per_thread; i++) {
        int values[3] = {(int)i, (int)i, (int)i};
        size_t count;
        if (index == 0) {
            SUPPORT_CHECK(cconc_chan_send(t->ch, NULL, values) == 0);
        } else if (i % 3 == 0) {
            size_t want = t->per_thread - i < 3 ? t->per_thread - i : 3;
            SUPPORT_CHECK(cconc_chan_send_n(t->ch, NULL, values, want, &count) == 0);
            SUPPORT_CHECK(count == want);
        }
    }
}

static void receive_some(struct traffic *t, size_t index)
{
    size_t taken = 0;
    while (taken < t->per_thread) {
        int values[2];
        size_t count = 1;
        size_t want = index == 2 || t->per_thread - taken < 2 ? 1 : 2;
        SUPPORT_CHECK(cconc_chan_recv_n(t->ch, NULL, values, want, &count) == 0);
        taken += count;
    }
}

static void send_or_receive(void *arg, size_t index)
{
    struct traffic *t = arg;
    if (index < 2) {
        send_some(t, index);
    } else {
        receive_some(t, index);
    }
    atomic_fetch_sub(&t->left, 1);
}

static void chan_len_is_within_cap_at_every_instant(void **state)
{
    static const size_t caps[] = {0, 1, 2, 7};
    (void)state;
    for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
        struct traffic t = {.ch = chan_make(sizeof(int), caps[i]),
                            .per_thread = (size_t)MANY(6000, 1500),
                            .left = 4};
        struct support_threads *threads = support_threads_start(4, send_or_receive, &t);
        while (atomic_load(&t.left) > 0) {
            assert_in_range(cconc_chan_len(t.ch), 0, caps[i]);
            assert_int_equal(cconc_chan_cap(t.ch), caps[i]);
        }
        support_threads_join(threads);
        assert_int_equal(cconc_chan_len(t.ch), 0);
        cconc_chan_free(t.ch);
    }
}

static void send_until_closed(void *arg, size_t index)
{
    struct traffic *t = arg;
    int value = (int)index;
    int err;
    do {
        err = cconc_chan_try_send(t->ch, &value);
    } while (err != EPIPE);
    atomic_fetch_sub(&t->left, 1);
}

static void chan_that_is_closed_takes_nothing_more_while_senders_race(void **state)
{
    int64_t begin_ns = cconc_clock_now();
    (void)state;
    for (int round = 0; round < MANY(300, 60) && time_is_left(begin_ns); round++) {
        struct traffic t = {.ch = chan_make(sizeof(int), 64), .left = 2};
        struct support_threads *threads = support_threads_start(2, send_until_closed, &t);
        until(cconc_chan_len(t.ch) > (size_t)(round % 64));
        assert_int_equal(cconc_chan_close(t.ch), 0);
        size_t len = cconc_chan_len(t.ch);
        support_threads_join(threads);
        assert_int_equal(cconc_chan_len(t.ch), len);
        for (size_t i = 0; i < len; i++) {
            (void)chan_take(t.ch);
        }
        assert_int_equal(cconc_chan_try_recv(t.ch, NULL), EPIPE);
        cconc_chan_free(t.ch);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(chan_len_is_within_cap_at_every_instant),
        UNIT_TEST(chan_that_is_closed_takes_nothing_more_while_senders_race),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
