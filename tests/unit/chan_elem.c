/* chan_elem.c - unit tests of channels: elements of every size and place, and the typed wrappers
 * SPDX-License-Identifier: MIT
 *
 * Risk      A copy that is a byte too long or too short, that needs alignment, or that goes through
 *           the library's own stack.
 * Method    A table of sizes at every misalignment, between guard bytes, for each way an element
 *           can travel: ring, waiting receiver, waiting sender, batch. Elements of 1 MiB on a stack
 *           of 64 KiB.
 * Catches   H4, I14 I22; rule chan-9.
 */
#include "chan_help.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BYTES 1000
#define GUARD 16
#define BIG_BYTES ((size_t)1 << 20)

static const size_t sizes[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 64, 1000};

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

/* Room for one element at any misalignment, with guards on both sides. */
struct place {
    unsigned char bytes[GUARD + 8 + MOST_BYTES + GUARD];
};

static unsigned char *place_at(struct place *place, size_t shift)
{
    memset(place->bytes, 0xee, sizeof(place->bytes));
    return place->bytes + GUARD + shift;
}

static void pattern(unsigned char *elem, size_t size, unsigned salt)
{
    for (size_t i = 0; i < size; i++) {
        elem[i] = (unsigned char)(salt * 31 + i * 7 + 1);
    }
}

/* Only the element was written, and it is the pattern. */
static void check_place(const struct place *place, const unsigned char *elem, size_t size,
                        unsigned salt)
{
    size_t start = (size_t)(elem - place->bytes);
    for (size_t i = 0; i < sizeof(place->bytes); i++) {
        unsigned char expected = 0xee;
        if (i >= start && i < start + size) {
            expected = (unsigned char)(salt * 31 + (i - start) * 7 + 1);
        }
        SUPPORT_CHECK(place->bytes[i] == expected);
    }
}

/* ---- smoke ---------------------------------------------------------------------------------- */

static void chan_ring_copies_elements_of_every_size_at_any_alignment(void **state)
{
    (void)state;
    for (size_t s = 0; s < SIZES; s++) {
        cconc_chan *ch = chan_make(sizes[s], 3);
        for (unsigned turn = 0; turn < 16; turn++) {
            struct place from;
            struct place to;
            unsigned char *in = place_at(&from, turn % 8);
            unsigned char *out = place_at(&to, (turn * 3) % 8);
            pattern(in, sizes[s], turn);
            assert_int_equal(cconc_chan_send(ch, NULL, in), 0);
            assert_int_equal(cconc_chan_recv(ch, NULL, out), 0);
            check_place(&to, out, sizes[s], turn);
        }
        cconc_chan_free(ch);
    }
}

static void chan_batches_copy_elements_of_every_size(void **state)
{
    (void)state;
    for (size_t s = 0; s < SIZES; s++) {
        size_t size = sizes[s];
        cconc_chan *ch = chan_make(size, 5);
        unsigned char *in = malloc(4 * size + 1);
        unsigned char *out = malloc(4 * size + 1);
        assert_non_null(in);
        assert_non_null(out);
        for (unsigned turn = 0; turn < 5; turn++) {
            size_t count = 0;
            pattern(in + 1, 4 * size, turn);
            assert_int_equal(cconc_chan_send_n(ch, NULL, in + 1, 4, NULL), 0);
            assert_int_equal(cconc_chan_recv_n(ch, NULL, out + 1, 4, &count), 0);
            assert_int_equal(count, 4);
            assert_memory_equal(in + 1, out + 1, 4 * size);
        }
        free(in);
        free(out);
        cconc_chan_free(ch);
    }
}

/* ---- try ------------------------------------------------------------------------------------ */

struct meeting {
    cconc_chan *ch;
    size_t      size;
    size_t      shift;
};

static void receive_by_hand(void *arg, size_t index)
{
    struct meeting *meeting = arg;
    struct place to;
    unsigned char *out = place_at(&to, meeting->shift);
    (void)index;
    SUPPORT_CHECK(cconc_chan_recv(meeting->ch, NULL, out) == 0);
    check_place(&to, out, meeting->size, 3);
}

static void send_by_hand(void *arg, size_t index)
{
    struct meeting *meeting = arg;
    struct place from;
    unsigned char *in = place_at(&from, meeting->shift);
    (void)index;
    pattern(in, meeting->size, 4);
    SUPPORT_CHECK(cconc_chan_send(meeting->ch, NULL, in) == 0);
    check_place(&from, in, meeting->size, 4);
}

static void chan_hands_elements_of_every_size_straight_across(void **state)
{
    (void)state;
    for (size_t s = 0; s < SIZES; s++) {
        struct meeting meeting = {chan_make(sizes[s], 0), sizes[s], s % 8};
        struct place place;
        unsigned char *elem = place_at(&place, (s + 3) % 8);
        pattern(elem, sizes[s], 3);
        struct support_threads *threads = support_threads_start(1, receive_by_hand, &meeting);
        until(chan_receivers(meeting.ch) == 1);
        assert_int_equal(cconc_chan_try_send(meeting.ch, elem), 0);
        support_threads_join(threads);

        threads = support_threads_start(1, send_by_hand, &meeting);
        until(chan_senders(meeting.ch) == 1);
        elem = place_at(&place, (s + 5) % 8);
        assert_int_equal(cconc_chan_try_recv(meeting.ch, elem), 0);
        check_place(&place, elem, sizes[s], 4);
        support_threads_join(threads);
        cconc_chan_free(meeting.ch);
    }
}

/* ---- blocking ------------------------------------------------------------------------------- */

struct big {
    cconc_chan    *ch;
    unsigned char *in;
    unsigned char *out;
};

static void send_big(void *arg, size_t index)
{
    struct big *big = arg;
    (void)index;
    for (int i = 0; i < 3; i++) {
        SUPPORT_CHECK(cconc_chan_send(big->ch, NULL, big->in) == 0);
    }
}

/* The element passes by ring, by a waiting partner on either side, and by select. */
static void exchange_big(void *arg)
{
    struct big *big = arg;
    size_t fired = 9;
    struct support_threads *threads = support_threads_start(1, send_big, big);
    SUPPORT_CHECK(cconc_chan_recv(big->ch, NULL, big->out) == 0);
    SUPPORT_CHECK(memcmp(big->in, big->out, BIG_BYTES) == 0);
    memset(big->out, 0, BIG_BYTES);
    cconc_select_case one = cconc_select_recv(big->ch, big->out);
    SUPPORT_CHECK(cconc_select(&one, 1, 0, &fired) == 0 && fired == 0);
    SUPPORT_CHECK(memcmp(big->in, big->out, BIG_BYTES) == 0);
    memset(big->out, 0, BIG_BYTES);
    SUPPORT_CHECK(cconc_chan_recv(big->ch, NULL, big->out) == 0);
    SUPPORT_CHECK(memcmp(big->in, big->out, BIG_BYTES) == 0);
    support_threads_join(threads);
}

static void chan_moves_elements_of_1_MiB_on_a_stack_of_64_KiB(void **state)
{
    static const size_t caps[] = {0, 1, 2};
    (void)state;
    for (size_t c = 0; c < 3; c++) {
        struct big big = {chan_make(BIG_BYTES, caps[c]), malloc(BIG_BYTES), malloc(BIG_BYTES)};
        assert_non_null(big.in);
        assert_non_null(big.out);
        pattern(big.in, BIG_BYTES, (unsigned)c);
        support_on_small_stack(exchange_big, &big);
        free(big.in);
        free(big.out);
        cconc_chan_free(big.ch);
    }
}

/* ---- typed wrappers ------------------------------------------------------------------------- */

struct job {
    char   name[10];
    double weight;
};

CCONC_CHAN_OF(struct job, jobs);
CCONC_CHAN_OF(const char *, words);

static void chan_typed_wrappers_carry_values_of_their_type(void **state)
{
    struct jobs queue = {NULL};
    struct job job = {"first", 1.5};
    struct job got = {"", 0};
    (void)state;
    assert_int_equal(jobs_new(&queue, 2), 0);
    assert_int_equal(cconc_chan_cap(queue.chan), 2);
    assert_int_equal(jobs_send(queue, NULL, job), 0);
    assert_int_equal(jobs_try_send(queue, job), 0);
    assert_int_equal(jobs_try_send(queue, job), EAGAIN);
    assert_int_equal(jobs_recv(queue, NULL, &got), 0);
    assert_string_equal(got.name, "first");
    assert_true(got.weight > 1.4 && got.weight < 1.6);
    assert_int_equal(jobs_close(queue), 0);
    assert_int_equal(jobs_try_recv(queue, &got), 0);
    assert_int_equal(jobs_try_recv(queue, &got), EPIPE);
    jobs_free(queue);
}

static void chan_typed_wrappers_carry_pointers(void **state)
{
    struct words queue;
    const char *got = NULL;
    (void)state;
    assert_int_equal(words_new(&queue, 1), 0);
    assert_int_equal(words_send(queue, NULL, "word"), 0);
    assert_int_equal(words_recv(queue, NULL, &got), 0);
    assert_string_equal(got, "word");
    assert_int_equal(words_try_send(queue, "more"), 0);
    assert_int_equal(words_try_recv(queue, &got), 0);
    assert_int_equal(words_close(queue), 0);
    words_free(queue);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(chan_ring_copies_elements_of_every_size_at_any_alignment),
        UNIT_TEST(chan_batches_copy_elements_of_every_size),
        UNIT_TEST(chan_hands_elements_of_every_size_straight_across),
        UNIT_TEST(chan_moves_elements_of_1_MiB_on_a_stack_of_64_KiB),
        UNIT_TEST(chan_typed_wrappers_carry_values_of_their_type),
        UNIT_TEST(chan_typed_wrappers_carry_pointers),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
