/* chan_ring.c - unit tests of the ring of buffered channels: positions, laps, flags
 * SPDX-License-Identifier: MIT
 *
 * Risk      Positions that wrap after years of use, a capacity that is no power of two, a flag that
 *           a move carries into the position or loses.
 * Method    White box: the ring is set to positions just before the wrap, then compared with a
 *           plain queue, by one thread and by several; flags are set by hand.
 * Catches   H18 H24, I13; invariants I1 to I3 of core/ring.c.
 */
#include "chan_help.h"

#include "prim/chan.h"

#include <errno.h>

/* Let an unused ch go on as if its positions had come to position, the start of a lap. */
static void set_position(cconc_chan *ch, size_t position)
{
    SUPPORT_CHECK(position % ch->ring.lap == 0);
    for (size_t i = 0; i < ch->ring.cap; i++) {
        unsigned char *slot = ch->ring.slots + i * ch->ring.stride;
        atom_init((atom_size *)(void *)slot, position + i * RING_ONE);
    }
    atom_init(ch->ring.word[CHAN_SEND], position);
    atom_init(ch->ring.word[CHAN_RECV], position);
}

static cconc_chan *make_near_the_wrap(size_t cap, size_t laps)
{
    cconc_chan *ch = chan_make(sizeof(int), cap);
    set_position(ch, (size_t)0 - laps * ch->ring.lap);
    return ch;
}

static const size_t caps[] = {1, 2, 3, 4, 5, 7, 8, 13, 64};

#define CAPS (sizeof(caps) / sizeof(caps[0]))

/* ---- smoke ---------------------------------------------------------------------------------- */

static void chan_ring_stays_a_queue_when_its_positions_wrap(void **state)
{
    (void)state;
    for (size_t c = 0; c < CAPS; c++) {
        cconc_chan *ch = make_near_the_wrap(caps[c], 2);
        struct support_random random = support_random_make(20250106, c);
        int sent = 0;
        int received = 0;
        while (received < (int)caps[c] * 6) {
            bool is_send = support_random_below(&random, 2) == 0;
            size_t inside = (size_t)(sent - received);
            int value = is_send ? sent : -1;
            if (is_send) {
                assert_int_equal(cconc_chan_try_send(ch, &value), inside == caps[c] ? EAGAIN : 0);
                sent += inside < caps[c];
            } else {
                assert_int_equal(cconc_chan_try_recv(ch, &value), inside == 0 ? EAGAIN : 0);
                assert_true(inside == 0 || value == received);
                received += inside > 0;
            }
            assert_int_equal(cconc_chan_len(ch), sent - received);
        }
        cconc_chan_free(ch);
    }
}

static void chan_ring_closes_and_drains_across_the_wrap(void **state)
{
    (void)state;
    for (size_t c = 0; c < CAPS; c++) {
        cconc_chan *ch = make_near_the_wrap(caps[c], 1);
        chan_fill(ch, 0);
        assert_int_equal(chan_take(ch), 0);
        int value = (int)caps[c];
        assert_int_equal(cconc_chan_try_send(ch, &value), 0);
        assert_int_equal(cconc_chan_close(ch), 0);
        assert_int_equal(cconc_chan_try_send(ch, &value), EPIPE);
        for (int i = 1; i <= (int)caps[c]; i++) {
            assert_int_equal(chan_take(ch), i);
        }
        assert_int_equal(cconc_chan_try_recv(ch, &value), EPIPE);
        cconc_chan_free(ch);
    }
}

/* ---- flags ---------------------------------------------------------------------------------- */

static void chan_ring_tells_that_the_other_direction_wants_a_wake(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 2);
    int value = 1;
    bool wake = true;
    (void)state;
    assert_int_equal(cconc__ring_try(&ch->ring, CHAN_SEND, &value, &wake), 0);
    assert_false(wake);
    (void)atom_or_acqrel(ch->ring.word[CHAN_SEND], RING_WAKE); /* acqrel: nothing behind it here */
    value = 2;
    assert_int_equal(cconc__ring_try(&ch->ring, CHAN_SEND, &value, &wake), 0);
    assert_true(wake);
    assert_int_equal(cconc_chan_len(ch), 2);
    assert_int_equal(cconc__ring_try(&ch->ring, CHAN_RECV, &value, &wake), 0);
    assert_false(wake);
    assert_int_equal(value, 1);
    (void)atom_and_acqrel(ch->ring.word[CHAN_SEND], ~RING_WAKE); /* acqrel: as above */
    cconc_chan_free(ch);
}

static void chan_ring_is_closed_to_others_while_one_is_served_directly(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 2);
    int value = 3;
    bool wake = false;
    (void)state;
    for (int dir = CHAN_SEND; dir <= CHAN_RECV; dir++) {
        int put = 3;
        assert_int_equal(cconc__ring_try(&ch->ring, CHAN_SEND, &put, &wake), 0);
        (void)atom_or_acqrel(ch->ring.word[dir], RING_DIRECT); /* acqrel: nothing behind it here */
        assert_int_equal(cconc__ring_try(&ch->ring, (chan_dir)dir, &value, &wake), EBUSY);
        (void)atom_and_acqrel(ch->ring.word[dir], ~RING_DIRECT); /* acqrel: as above */
        assert_int_equal(cconc__ring_try(&ch->ring, CHAN_RECV, &value, &wake), 0);
        assert_int_equal(value, 3);
    }
    cconc_chan_free(ch);
}

static void chan_ring_looks_ahead_across_the_end(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 3);
    int value = 1;
    bool wake;
    (void)state;
    for (size_t at = 0; at < 7; at++) { /* wherever the next place is */
        for (size_t ahead = 0; ahead < 3; ahead++) {
            assert_true(cconc__ring_is_ready_ahead(&ch->ring, CHAN_SEND, ahead));
            assert_false(cconc__ring_is_ready_ahead(&ch->ring, CHAN_RECV, ahead));
        }
        assert_int_equal(cconc__ring_try(&ch->ring, CHAN_SEND, &value, &wake), 0);
        assert_true(cconc__ring_is_ready_ahead(&ch->ring, CHAN_SEND, 1));
        assert_false(cconc__ring_is_ready_ahead(&ch->ring, CHAN_SEND, 2));
        assert_true(cconc__ring_is_ready_ahead(&ch->ring, CHAN_RECV, 0));
        assert_false(cconc__ring_is_ready_ahead(&ch->ring, CHAN_RECV, 1));
        assert_int_equal(cconc__ring_try(&ch->ring, CHAN_RECV, &value, &wake), 0);
    }
    cconc_chan_free(ch);
}

static void chan_ring_knows_what_is_ready(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 1);
    (void)state;
    for (int lap = 0; lap < 3; lap++) {
        assert_true(cconc__ring_is_ready(&ch->ring, CHAN_SEND));
        assert_true(cconc__ring_has(&ch->ring, CHAN_SEND));
        assert_false(cconc__ring_is_ready(&ch->ring, CHAN_RECV));
        assert_false(cconc__ring_has(&ch->ring, CHAN_RECV));
        chan_fill(ch, 1);
        assert_false(cconc__ring_is_ready(&ch->ring, CHAN_SEND));
        assert_false(cconc__ring_has(&ch->ring, CHAN_SEND));
        assert_true(cconc__ring_is_ready(&ch->ring, CHAN_RECV));
        assert_true(cconc__ring_has(&ch->ring, CHAN_RECV));
        assert_int_equal(chan_take(ch), 1);
    }
    cconc_chan_free(ch);
}

/* ---- blocking ------------------------------------------------------------------------------- */

#define THREADS 2
#define EACH 3000

struct crossing {
    cconc_chan *ch;
    long        sum;
};

static void cross_send(void *arg, size_t index)
{
    struct crossing *crossing = arg;
    for (int i = 1; i <= EACH; i++) {
        int value = (int)index * 100000 + i;
        SUPPORT_CHECK(cconc_chan_send(crossing->ch, NULL, &value) == 0);
    }
}

static void cross_receive(void *arg, size_t index)
{
    struct crossing *crossing = arg;
    int last[THREADS] = {0, 0};
    int value;
    (void)index;
    while (cconc_chan_recv(crossing->ch, NULL, &value) == 0) {
        SUPPORT_CHECK(value % 100000 > last[value / 100000]);
        last[value / 100000] = value % 100000;
        __atomic_add_fetch(&crossing->sum, value % 100000, __ATOMIC_RELAXED);
    }
}

static void chan_ring_loses_nothing_when_threads_cross_the_wrap(void **state)
{
    static const long expected = (long)THREADS * EACH * (EACH + 1) / 2;
    (void)state;
    for (size_t c = 0; c < CAPS; c++) {
        struct crossing crossing = {.ch = make_near_the_wrap(caps[c], EACH / caps[c] + 1)};
        struct support_threads *receivers =
            support_threads_start(THREADS, cross_receive, &crossing);
        support_threads_join(support_threads_start(THREADS, cross_send, &crossing));
        assert_int_equal(cconc_chan_close(crossing.ch), 0);
        support_threads_join(receivers);
        assert_int_equal(crossing.sum, expected);
        cconc_chan_free(crossing.ch);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(chan_ring_stays_a_queue_when_its_positions_wrap),
        UNIT_TEST(chan_ring_closes_and_drains_across_the_wrap),
        UNIT_TEST(chan_ring_tells_that_the_other_direction_wants_a_wake),
        UNIT_TEST(chan_ring_is_closed_to_others_while_one_is_served_directly),
        UNIT_TEST(chan_ring_looks_ahead_across_the_end),
        UNIT_TEST(chan_ring_knows_what_is_ready),
        UNIT_TEST(chan_ring_loses_nothing_when_threads_cross_the_wrap),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
