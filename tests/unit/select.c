/* select.c - unit tests of select: arguments, what is ready at once, and how it chooses
 * SPDX-License-Identifier: MIT
 *
 * Risk      A bad case that is partly carried out, a choice that favours a position, an index or a
 *           target written by a case that did not fire, memory taken for a small select.
 * Method    One thread. Every bad argument beside a case that is ready; chi-square over a hundred
 *           thousand choices for each number of ready cases.
 * Catches   H6 H10 H13, I12; rules sel-1 sel-3 sel-4 sel-5 sel-8, all-1 all-2 all-3
 *           all-8 all-9.
 */
#include "chan_help.h"

#include <errno.h>

/* Chi-square of up to 7 degrees of freedom exceeds this once in 10^9 runs of a fair choice. */
#define CHI_SQUARE_LIMIT 60.0

#define PICKS MANY(100000, 20000)

/* ---- smoke ---------------------------------------------------------------------------------- */

static void select_fires_the_one_case_that_is_ready(void **state)
{
    cconc_chan *a = chan_make(sizeof(int), 1);
    cconc_chan *b = chan_make(sizeof(int), 1);
    int from_a = -1;
    int from_b = -1;
    size_t fired = 9;
    (void)state;
    cconc_select_case cases[] = {cconc_select_recv(a, &from_a), cconc_select_recv(b, &from_b)};
    chan_fill(b, 5);
    assert_int_equal(cconc_select(cases, 2, 0, &fired), 0);
    assert_int_equal(fired, 1);
    assert_int_equal(from_b, 5);
    assert_int_equal(from_a, -1);
    assert_int_equal(cconc_chan_len(b), 0);
    cconc_chan_free(a);
    cconc_chan_free(b);
}

static void select_sends_where_there_is_room(void **state)
{
    cconc_chan *full = chan_make(sizeof(int), 1);
    cconc_chan *free_one = chan_make(sizeof(int), 1);
    int value = 8;
    size_t fired = 9;
    (void)state;
    chan_fill(full, 1);
    cconc_select_case cases[] = {cconc_select_send(full, &value),
                                 cconc_select_send(free_one, &value)};
    assert_int_equal(cconc_select(cases, 2, 0, &fired), 0);
    assert_int_equal(fired, 1);
    assert_int_equal(chan_take(free_one), 8);
    assert_int_equal(chan_take(full), 1);
    cconc_chan_free(full);
    cconc_chan_free(free_one);
}

static void select_tells_of_closed_channels_by_EPIPE(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 2);
    int value = 7;
    size_t fired = 9;
    (void)state;
    chan_fill(ch, 3);
    assert_int_equal(cconc_chan_close(ch), 0);
    cconc_select_case send = cconc_select_send(ch, &value);
    cconc_select_case recv = cconc_select_recv(ch, &value);
    assert_int_equal(cconc_select(&send, 1, 0, &fired), EPIPE);
    assert_int_equal(fired, 0);
    for (int i = 3; i < 5; i++) {
        assert_int_equal(cconc_select(&recv, 1, CCONC_SELECT_TRY, &fired), 0);
        assert_int_equal(value, i);
    }
    fired = 9;
    assert_int_equal(cconc_select(&recv, 1, 0, &fired), EPIPE);
    assert_int_equal(fired, 0);
    assert_int_equal(value, 4);
    cconc_chan_free(ch);
}

static void select_done_gives_the_code_of_the_context(void **state)
{
    cconc_ctx *cancelled = ctx_make_cancelled();
    cconc_ctx *expired;
    cconc_ctx_mem mem;
    size_t fired = 9;
    (void)state;
    assert_int_equal(cconc_ctx_with_timeout(NULL, 0, &expired), 0);
    cconc_select_case cases[] = {cconc_select_done(cancelled), cconc_select_done(expired),
                                 cconc_select_done(cconc_ctx_until(&mem, NULL, 0))};
    static const int codes[] = {ECANCELED, ETIMEDOUT, ETIMEDOUT};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(cconc_select(&cases[i], 1, 0, &fired), codes[i]);
        assert_int_equal(cconc_select(&cases[i], 1, CCONC_SELECT_TRY, &fired), codes[i]);
        assert_int_equal(fired, 0);
    }
    cconc_ctx_free(cancelled);
    cconc_ctx_free(expired);
}

/* ---- limits --------------------------------------------------------------------------------- */

/* Beside a bad case stands a ready one: nothing of it may happen. */
static void refuse(cconc_select_case bad, uint32_t flags)
{
    cconc_chan *ch = chan_make(sizeof(int), 2);
    int value = 1;
    size_t fired = 77;
    cconc_select_case cases[] = {cconc_select_send(ch, &value), bad, cconc_select_until(0)};
    assert_int_equal(cconc_select(cases, 3, flags, &fired), EINVAL);
    assert_int_equal(cconc_select(cases, 3, flags | CCONC_SELECT_TRY, &fired), EINVAL);
    assert_int_equal(cconc_select(cases, 3, flags | CCONC_SELECT_ORDERED, &fired), EINVAL);
    assert_int_equal(fired, 77);
    assert_int_equal(cconc_chan_len(ch), 0);
    cconc_chan_free(ch);
}

static void select_of_an_unknown_kind_is_invalid(void **state)
{
    static const uint32_t kinds[] = {0, 7, 8, 1000, UINT32_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        cconc_select_case bad = {.kind = kinds[i]};
        refuse(bad, 0);
    }
}

static void select_with_an_unknown_flag_is_invalid(void **state)
{
    static const uint32_t flags[] = {4, 8, 1u << 16, 1u << 31, UINT32_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        refuse(cconc_select_until(0), flags[i]);
    }
}

static void select_send_of_NULL_is_invalid(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 1);
    cconc_chan *empty_elements = chan_make(0, 1);
    size_t fired = 9;
    (void)state;
    refuse(cconc_select_send(ch, NULL), 0);
    assert_int_equal(cconc_chan_len(ch), 0);
    cconc_select_case fine = cconc_select_send(empty_elements, NULL);
    assert_int_equal(cconc_select(&fine, 1, 0, &fired), 0);
    assert_int_equal(cconc_chan_len(empty_elements), 1);
    cconc_chan_free(empty_elements);
    cconc_chan_free(ch);
}

static void select_recv_into_NULL_throws_the_element_away(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 1);
    size_t fired = 9;
    (void)state;
    chan_fill(ch, 1);
    cconc_select_case recv = cconc_select_recv(ch, NULL);
    assert_int_equal(cconc_select(&recv, 1, 0, &fired), 0);
    assert_int_equal(cconc_chan_len(ch), 0);
    cconc_chan_free(ch);
}

static cconc_select_case many[CCONC_SELECT_MAX_CASES + 1];

static void select_takes_65536_cases_and_no_more(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 1);
    int value = -1;
    size_t fired = 9;
    (void)state;
    for (size_t i = 0; i <= CCONC_SELECT_MAX_CASES; i++) {
        many[i] = cconc_select_recv(i == CCONC_SELECT_MAX_CASES - 1 ? ch : NULL, &value);
    }
    chan_fill(ch, 3);
    assert_int_equal(cconc_select(many, CCONC_SELECT_MAX_CASES + 1, 0, &fired), EINVAL);
    assert_int_equal(cconc_select(many, SIZE_MAX, CCONC_SELECT_TRY, &fired), EINVAL);
    assert_int_equal(fired, 9);
    assert_int_equal(value, -1);
    assert_int_equal(cconc_select(many, CCONC_SELECT_MAX_CASES, 0, &fired), 0);
    assert_int_equal(fired, CCONC_SELECT_MAX_CASES - 1);
    assert_int_equal(value, 3);
    many[0] = cconc_select_until(cconc_clock_after(CCONC_MS));
    assert_int_equal(cconc_select(many, CCONC_SELECT_MAX_CASES, 0, &fired), ETIMEDOUT);
    assert_int_equal(fired, 0);
    cconc_chan_free(ch);
}

static void select_that_nothing_can_end_is_a_deadlock(void **state)
{
    cconc_ctx *cancellable = ctx_make();
    cconc_ctx *detached;
    int value = 1;
    size_t fired = 77;
    (void)state;
    assert_int_equal(cconc_ctx_without_cancel(cancellable, &detached), 0);
    cconc_select_case cases[] = {
        cconc_select_recv(NULL, &value),          cconc_select_send(NULL, &value),
        cconc_select_done(NULL),                  cconc_select_done(detached),
        cconc_select_done(cconc_ctx_background()), cconc_select_until(CCONC_NEVER)};
    for (size_t count = 0; count <= sizeof(cases) / sizeof(cases[0]); count++) {
        assert_int_equal(cconc_select(cases, count, 0, &fired), EDEADLK);
        assert_int_equal(cconc_select(cases, count, CCONC_SELECT_ORDERED, &fired), EDEADLK);
        assert_int_equal(cconc_select(cases, count, CCONC_SELECT_TRY, &fired), EAGAIN);
    }
    assert_int_equal(cconc_select(NULL, 0, 0, &fired), EDEADLK);
    assert_int_equal(cconc_select(NULL, 0, CCONC_SELECT_TRY, &fired), EAGAIN);
    assert_int_equal(fired, 77);
    cconc_ctx_free(detached);
    cconc_ctx_free(cancellable);
}

static void select_leaves_cases_of_NULL_out(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 1);
    int value = 4;
    size_t fired = 9;
    (void)state;
    cconc_select_case cases[] = {cconc_select_recv(NULL, NULL), cconc_select_send(NULL, &value),
                                 cconc_select_done(NULL), cconc_select_recv(ch, &value),
                                 cconc_select_recv(NULL, &value)};
    for (int i = 0; i < 50; i++) {
        chan_fill(ch, i);
        assert_int_equal(cconc_select(cases, 5, 0, &fired), 0);
        assert_int_equal(fired, 3);
        assert_int_equal(value, i);
    }
    cconc_chan_free(ch);
}

/* ---- try ------------------------------------------------------------------------------------ */

static void select_try_without_a_ready_case_touches_nothing(void **state)
{
    cconc_chan *empty = chan_make(sizeof(int), 1);
    cconc_chan *full = chan_make(sizeof(int), 1);
    cconc_chan *meeting = chan_make(sizeof(int), 0);
    cconc_ctx *live = ctx_make();
    int value = 1;
    size_t fired = 77;
    (void)state;
    chan_fill(full, 2);
    int64_t far_ns = cconc_clock_after(60 * CCONC_SECOND);
    cconc_select_case cases[] = {
        cconc_select_recv(empty, &value),   cconc_select_send(full, &value),
        cconc_select_recv(meeting, &value), cconc_select_send(meeting, &value),
        cconc_select_done(live),            cconc_select_until(far_ns)};
    errno = 4711;
    assert_int_equal(cconc_select(cases, 6, CCONC_SELECT_TRY, &fired), EAGAIN);
    assert_int_equal(errno, 4711);
    assert_int_equal(fired, 77);
    assert_int_equal(value, 1);
    assert_int_equal(chan_receivers(empty) + chan_senders(full), 0);
    assert_int_equal(chan_receivers(meeting) + chan_senders(meeting), 0);
    cconc_ctx_free(live);
    cconc_chan_free(empty);
    cconc_chan_free(full);
    cconc_chan_free(meeting);
}

static void select_never_matches_itself(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 0);
    int value = 1;
    size_t fired = 9;
    (void)state;
    cconc_select_case cases[] = {cconc_select_send(ch, &value), cconc_select_recv(ch, &value),
                                 cconc_select_until(cconc_clock_after(2 * CCONC_MS))};
    assert_int_equal(cconc_select(cases, 2, CCONC_SELECT_TRY, &fired), EAGAIN);
    assert_int_equal(cconc_select(cases, 3, 0, &fired), ETIMEDOUT);
    assert_int_equal(fired, 2);
    assert_int_equal(chan_senders(ch) + chan_receivers(ch), 0);
    cconc_chan_free(ch);
}

/* Each on a channel of its own, in the same state, and with the same end. */
static void select_of_one_case_does_what_the_plain_call_does(void **state)
{
    cconc_ctx_mem mem;
    (void)state;
    for (unsigned shape = 0; shape < 12; shape++) {
        bool is_send = shape % 2 != 0;
        size_t cap = shape / 2 % 3;
        cconc_chan *plain = chan_make(sizeof(int), cap);
        cconc_chan *chosen = chan_make(sizeof(int), cap);
        int values[2] = {70, 70};
        int plain_err;
        for (int step = 0; step < 6; step++) {
            size_t fired = 9;
            if (step == (shape < 6 ? 2 : 4)) {
                assert_int_equal(cconc_chan_close(plain), cconc_chan_close(chosen));
            } else if (step == 1 && !is_send && cap > 0) {
                chan_fill(plain, 5);
                chan_fill(chosen, 5);
            }
            plain_err = is_send ? cconc_chan_try_send(plain, &values[0])
                                : cconc_chan_try_recv(plain, &values[0]);
            cconc_select_case one = is_send ? cconc_select_send(chosen, &values[1])
                                            : cconc_select_recv(chosen, &values[1]);
            assert_int_equal(cconc_select(&one, 1, CCONC_SELECT_TRY, &fired), plain_err);
            assert_int_equal(fired, plain_err == EAGAIN ? 9 : 0);
            assert_int_equal(values[1], values[0]);
            assert_int_equal(cconc_chan_len(chosen), cconc_chan_len(plain));
        }
        plain_err = is_send ? cconc_chan_send(plain, ctx_for(&mem, CCONC_SECOND * 10), &values[0])
                            : cconc_chan_recv(plain, ctx_for(&mem, CCONC_SECOND * 10), &values[0]);
        assert_int_equal(plain_err, EPIPE);
        cconc_chan_free(plain);
        cconc_chan_free(chosen);
    }
}

/* ---- deadline ------------------------------------------------------------------------------- */

static void select_until_fires_at_its_time_and_not_before(void **state)
{
    static const int64_t past[] = {INT64_MIN, -1, 0, 1};
    static const int64_t soon[] = {1, 1000, 500 * CCONC_US, 3 * CCONC_MS};
    size_t fired = 9;
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        cconc_select_case one = cconc_select_until(past[i]);
        assert_int_equal(cconc_select(&one, 1, 0, &fired), ETIMEDOUT);
        assert_int_equal(cconc_select(&one, 1, CCONC_SELECT_TRY, &fired), ETIMEDOUT);
        assert_int_equal(fired, 0);
    }
    for (size_t i = 0; i < 4; i++) {
        int64_t deadline_ns = cconc_clock_after(soon[i]);
        cconc_select_case two[] = {cconc_select_until(CCONC_NEVER - 1),
                                   cconc_select_until(deadline_ns)};
        assert_int_equal(cconc_select(two, 2, 0, &fired), ETIMEDOUT);
        assert_true(cconc_clock_now() >= deadline_ns);
        assert_int_equal(fired, 1);
    }
}

static void select_fires_the_earliest_of_several_deadlines(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 0);
    cconc_ctx_mem mem;
    size_t fired = 9;
    (void)state;
    cconc_select_case cases[] = {cconc_select_until(cconc_clock_after(60 * CCONC_SECOND)),
                                 cconc_select_recv(ch, NULL),
                                 cconc_select_done(ctx_for(&mem, 2 * CCONC_MS)),
                                 cconc_select_until(cconc_clock_after(50 * CCONC_SECOND))};
    assert_int_equal(cconc_select(cases, 4, 0, &fired), ETIMEDOUT);
    assert_int_equal(fired, 2);
    assert_int_equal(chan_receivers(ch), 0);
    cases[2] = cconc_select_done(ctx_for(&mem, 40 * CCONC_SECOND));
    cases[3] = cconc_select_until(cconc_clock_after(2 * CCONC_MS));
    assert_int_equal(cconc_select(cases, 4, 0, &fired), ETIMEDOUT);
    assert_int_equal(fired, 3);
    cconc_chan_free(ch);
}

/* ---- fairness ------------------------------------------------------------------------------- */

/* weights[i] is the share of case i, total the sum; a share of 0 must never fire. */
static void check_shares(const cconc_select_case *cases, size_t count, const int *weights,
                         int total)
{
    int hits[16] = {0};
    double chi_square = 0;
    for (int i = 0; i < PICKS; i++) {
        size_t fired = 99;
        int err = cconc_select(cases, count, i % 2 == 0 ? 0 : CCONC_SELECT_TRY, &fired);
        assert_true(err == 0 || err == EPIPE || err == ECANCELED || err == ETIMEDOUT);
        assert_true(fired < count);
        hits[fired]++;
    }
    for (size_t i = 0; i < count; i++) {
        double expected = (double)PICKS * weights[i] / total;
        if (weights[i] == 0) {
            assert_int_equal(hits[i], 0);
        } else {
            chi_square += (hits[i] - expected) * (hits[i] - expected) / expected;
        }
    }
    if (chi_square > CHI_SQUARE_LIMIT) {
        print_message("%zu cases: chi-square %g\n", count, chi_square);
    }
    assert_true(chi_square <= CHI_SQUARE_LIMIT);
}

static void select_chooses_evenly_among_2_to_8_ready_cases(void **state)
{
    cconc_chan *closed[8];
    cconc_select_case cases[8];
    int weights[8];
    (void)state;
    for (size_t i = 0; i < 8; i++) {
        closed[i] = chan_make(sizeof(int), 0);
        assert_int_equal(cconc_chan_close(closed[i]), 0);
        cases[i] = cconc_select_recv(closed[i], NULL);
        weights[i] = 1;
    }
    for (size_t count = 2; count <= 8; count++) {
        check_shares(cases, count, weights, (int)count);
    }
    for (size_t i = 0; i < 8; i++) {
        cconc_chan_free(closed[i]);
    }
}

static void select_chooses_evenly_whatever_lies_between_ready_cases(void **state)
{
    static const int weights[9] = {0, 1, 1, 0, 0, 0, 0, 1, 0};
    cconc_chan *empty = chan_make(sizeof(int), 1);
    cconc_chan *closed = chan_make(sizeof(int), 1);
    cconc_select_case cases[9];
    (void)state;
    assert_int_equal(cconc_chan_close(closed), 0);
    for (size_t i = 0; i < 9; i++) {
        cases[i] = cconc_select_recv(weights[i] ? closed : empty, NULL);
    }
    check_shares(cases, 9, weights, 3);
    check_shares(cases, 8, weights, 3);
    cconc_chan_free(empty);
    cconc_chan_free(closed);
}

static void select_counts_a_channel_listed_twice_twice(void **state)
{
    static const int weights[4] = {1, 1, 0, 1};
    cconc_chan *twice = chan_make(sizeof(int), 1);
    cconc_chan *once = chan_make(sizeof(int), 1);
    (void)state;
    assert_int_equal(cconc_chan_close(twice), 0);
    assert_int_equal(cconc_chan_close(once), 0);
    cconc_select_case cases[] = {cconc_select_recv(twice, NULL), cconc_select_recv(twice, NULL),
                                 cconc_select_recv(NULL, NULL), cconc_select_recv(once, NULL)};
    check_shares(cases, 4, weights, 3);
    cconc_chan_free(twice);
    cconc_chan_free(once);
}

static void select_gives_every_kind_of_case_the_same_chance(void **state)
{
    static const int weights[5] = {1, 1, 1, 1, 1};
    cconc_chan *closed = chan_make(sizeof(int), 1);
    cconc_ctx *cancelled = ctx_make_cancelled();
    cconc_ctx_mem mem;
    int value = 1;
    (void)state;
    assert_int_equal(cconc_chan_close(closed), 0);
    cconc_select_case cases[] = {cconc_select_recv(closed, NULL), cconc_select_send(closed, &value),
                                 cconc_select_done(cancelled), cconc_select_until(0),
                                 cconc_select_done(cconc_ctx_until(&mem, NULL, 0))};
    check_shares(cases, 5, weights, 5);
    cconc_ctx_free(cancelled);
    cconc_chan_free(closed);
}

static void select_ordered_takes_the_lowest_ready_index(void **state)
{
    cconc_chan *empty = chan_make(sizeof(int), 1);
    cconc_chan *closed = chan_make(sizeof(int), 1);
    cconc_ctx *cancelled = ctx_make_cancelled();
    size_t fired = 9;
    (void)state;
    assert_int_equal(cconc_chan_close(closed), 0);
    cconc_select_case cases[] = {cconc_select_recv(empty, NULL), cconc_select_done(cancelled),
                                 cconc_select_recv(closed, NULL), cconc_select_until(0)};
    for (int i = 0; i < 1000; i++) {
        uint32_t flags = CCONC_SELECT_ORDERED | (i % 2 == 0 ? CCONC_SELECT_TRY : 0);
        assert_int_equal(cconc_select(cases, 4, flags, &fired), ECANCELED);
        assert_int_equal(fired, 1);
        assert_int_equal(cconc_select(cases + 2, 2, flags, &fired), EPIPE);
        assert_int_equal(fired, 0);
        assert_int_equal(cconc_select(cases + 3, 1, flags, &fired), ETIMEDOUT);
    }
    cconc_ctx_free(cancelled);
    cconc_chan_free(empty);
    cconc_chan_free(closed);
}

/* ---- faults --------------------------------------------------------------------------------- */

static void select_of_up_to_8_cases_never_allocates(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 1);
    cconc_ctx *live = ctx_make();
    cconc_select_case cases[8];
    size_t fired = 9;
    (void)state;
    for (size_t i = 0; i < 7; i++) {
        cases[i] = i < 6 ? cconc_select_recv(ch, NULL) : cconc_select_done(live);
    }
    for (int round = 0; round < 2; round++) { /* the first wait may make the thread's record */
        uint64_t before = support_alloc_count();
        cases[7] = cconc_select_until(cconc_clock_after(CCONC_MS));
        assert_int_equal(cconc_select(cases, 8, 0, &fired), ETIMEDOUT);
        assert_int_equal(fired, 7);
        assert_true(round == 0 || support_alloc_count() == before);
    }
    cconc_ctx_free(live);
    cconc_chan_free(ch);
}

static void select_many(void *arg)
{
    cconc_chan *ch = arg;
    cconc_select_case cases[20];
    size_t fired = 77;
    int value = 6;
    for (size_t i = 0; i < 19; i++) {
        cases[i] = cconc_select_recv(ch, &value);
    }
    cases[19] = cconc_select_until(cconc_clock_after(200 * CCONC_US));
    int err = cconc_select(cases, 20, 0, &fired);
    SUPPORT_CHECK((err == ETIMEDOUT && fired == 19) || (err == ENOMEM && fired == 77));
    SUPPORT_CHECK(chan_receivers(ch) == 0);
    cases[5] = cconc_select_send(ch, &value);
    fired = 77;
    err = cconc_select(cases, 18, CCONC_SELECT_TRY, &fired);
    SUPPORT_CHECK((err == 0 && fired == 5) || (err == ENOMEM && fired == 77));
    SUPPORT_CHECK(cconc_chan_len(ch) == (err == 0 ? 1u : 0u));
    SUPPORT_CHECK(cconc_chan_try_recv(ch, NULL) == (err == 0 ? 0 : EAGAIN));
}

static void select_of_many_cases_survives_every_failing_allocation(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 1);
    (void)state;
    assert_true(support_sweep_alloc(select_many, ch) > 0);
    cconc_chan_free(ch);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(select_fires_the_one_case_that_is_ready),
        UNIT_TEST(select_sends_where_there_is_room),
        UNIT_TEST(select_tells_of_closed_channels_by_EPIPE),
        UNIT_TEST(select_done_gives_the_code_of_the_context),
        UNIT_TEST(select_of_an_unknown_kind_is_invalid),
        UNIT_TEST(select_with_an_unknown_flag_is_invalid),
        UNIT_TEST(select_send_of_NULL_is_invalid),
        UNIT_TEST(select_recv_into_NULL_throws_the_element_away),
        UNIT_TEST(select_takes_65536_cases_and_no_more),
        UNIT_TEST(select_that_nothing_can_end_is_a_deadlock),
        UNIT_TEST(select_leaves_cases_of_NULL_out),
        UNIT_TEST(select_try_without_a_ready_case_touches_nothing),
        UNIT_TEST(select_never_matches_itself),
        UNIT_TEST(select_until_fires_at_its_time_and_not_before),
        UNIT_TEST(select_fires_the_earliest_of_several_deadlines),
        UNIT_TEST(select_chooses_evenly_among_2_to_8_ready_cases),
        UNIT_TEST(select_chooses_evenly_whatever_lies_between_ready_cases),
        UNIT_TEST(select_counts_a_channel_listed_twice_twice),
        UNIT_TEST(select_gives_every_kind_of_case_the_same_chance),
        UNIT_TEST(select_ordered_takes_the_lowest_ready_index),
        UNIT_TEST(select_of_up_to_8_cases_never_allocates),
        UNIT_TEST(select_of_many_cases_survives_every_failing_allocation),
        UNIT_TEST(select_of_one_case_does_what_the_plain_call_does),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
