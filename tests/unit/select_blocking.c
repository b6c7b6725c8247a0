/* select_blocking.c - unit tests of select: waiting on several things, and what ends the wait
 * SPDX-License-Identifier: MIT
 *
 * Risk      Two peers that both win one select, a losing case left in a queue, a wake-up that goes
 *           to a loser and is lost, a case missed while another one becomes ready, lock orders.
 * Method    Each blocked select is a thread seen in all its queues; every value is accounted for.
 * Catches   H5 H6 H8 H14 H15 H16 H17 H20; sel-1 sel-2 sel-4 to sel-7, chan-3, all-4 all-13 all-14.
 */
#include "chan_help.h"

#include <errno.h>

/* A select that runs in a thread of its own. */
struct sel {
    cconc_select_case       cases[8];
    size_t                  count;
    uint32_t                flags;
    int                     values[8]; /* case i receives into or sends from values[i] */
    size_t                  fired;
    int                     err;
    struct support_threads *thread;
};

static void sel_init(struct sel *sel)
{
    *sel = (struct sel){.fired = 99, .err = -1};
    for (int i = 0; i < 8; i++) {
        sel->values[i] = -1;
    }
}

static void sel_recv(struct sel *sel, cconc_chan *ch)
{
    sel->cases[sel->count] = cconc_select_recv(ch, &sel->values[sel->count]);
    sel->count++;
}

static void sel_send(struct sel *sel, cconc_chan *ch, int value)
{
    sel->values[sel->count] = value;
    sel->cases[sel->count] = cconc_select_send(ch, &sel->values[sel->count]);
    sel->count++;
}

static void sel_run(void *arg, size_t index)
{
    struct sel *sel = arg;
    (void)index;
    sel->err = cconc_select(sel->cases, sel->count, sel->flags, &sel->fired);
}

static void sel_start(struct sel *sel)
{
    sel->thread = support_threads_start(1, sel_run, sel);
}

static int sel_end(struct sel *sel)
{
    support_threads_join(sel->thread);
    return sel->err;
}

static void free_both(cconc_chan *a, cconc_chan *b)
{
    cconc_chan_free(a);
    cconc_chan_free(b);
}

/* ---- blocking ------------------------------------------------------------------------------- */

static void select_waits_for_the_first_event_and_leaves_all_queues(void **state)
{
    static const size_t caps[] = {0, 2};
    (void)state;
    for (size_t c = 0; c < 2; c++) {
        cconc_chan *a = chan_make(sizeof(int), caps[c]);
        cconc_chan *b = chan_make(sizeof(int), caps[c]);
        struct sel sel;
        int value = 6;
        sel_init(&sel);
        sel_recv(&sel, a);
        sel_recv(&sel, b);
        sel_start(&sel);
        until(chan_receivers(a) == 1 && chan_receivers(b) == 1);
        assert_int_equal(cconc_chan_send(b, NULL, &value), 0);
        assert_int_equal(sel_end(&sel), 0);
        assert_int_equal(sel.fired, 1);
        assert_int_equal(sel.values[1], 6);
        assert_int_equal(sel.values[0], -1);
        assert_int_equal(chan_receivers(a), 0);
        assert_int_equal(chan_receivers(b), 0);
        free_both(a, b);
    }
}

static void select_sends_to_whoever_comes_first(void **state)
{
    static const size_t caps[] = {0, 1};
    (void)state;
    for (size_t c = 0; c < 2; c++) {
        cconc_chan *a = chan_make(sizeof(int), caps[c]);
        cconc_chan *b = chan_make(sizeof(int), caps[c]);
        struct sel sel;
        int value = -1;
        chan_fill(a, 1);
        chan_fill(b, 2);
        sel_init(&sel);
        sel_send(&sel, a, 10);
        sel_send(&sel, b, 20);
        sel_start(&sel);
        until(chan_senders(a) == 1 && chan_senders(b) == 1);
        for (size_t i = 0; i <= caps[c]; i++) {
            assert_int_equal(cconc_chan_recv(a, NULL, &value), 0);
        }
        assert_int_equal(value, 10);
        assert_int_equal(sel_end(&sel), 0);
        assert_int_equal(sel.fired, 0);
        assert_int_equal(chan_senders(b), 0);
        assert_int_equal(cconc_chan_len(b), caps[c]);
        free_both(a, b);
    }
}

static void select_in_both_directions_of_one_channel_meets_either_partner(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 0);
    (void)state;
    for (int round = 0; round < 2; round++) {
        struct sel sel;
        int value = 50;
        sel_init(&sel);
        sel_send(&sel, ch, 40);
        sel_recv(&sel, ch);
        sel_start(&sel);
        until(chan_senders(ch) == 1 && chan_receivers(ch) == 1);
        if (round == 0) {
            assert_int_equal(cconc_chan_recv(ch, NULL, &value), 0);
            assert_int_equal(value, 40);
        } else {
            assert_int_equal(cconc_chan_send(ch, NULL, &value), 0);
        }
        assert_int_equal(sel_end(&sel), 0);
        assert_int_equal(sel.fired, round);
        assert_int_equal(sel.values[1], round == 0 ? -1 : 50);
        assert_int_equal(chan_senders(ch) + chan_receivers(ch), 0);
    }
    cconc_chan_free(ch);
}

static void select_with_a_channel_listed_twice_takes_one_value(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 0);
    struct sel sel;
    int value = 9;
    (void)state;
    sel_init(&sel);
    sel_recv(&sel, ch);
    sel_recv(&sel, ch);
    sel_recv(&sel, NULL);
    sel_start(&sel);
    until(chan_receivers(ch) > 0);
    assert_int_equal(cconc_chan_send(ch, NULL, &value), 0);
    assert_int_equal(sel_end(&sel), 0);
    assert_true(sel.fired < 2);
    assert_int_equal(sel.values[sel.fired], 9);
    assert_int_equal(sel.values[1 - sel.fired], -1);
    assert_int_equal(chan_receivers(ch), 0);
    assert_int_equal(cconc_chan_try_send(ch, &value), EAGAIN);
    cconc_chan_free(ch);
}

static void select_matches_another_select(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 0);
    struct sel sels[2];
    (void)state;
    int64_t begin_ns = cconc_clock_now();
    for (int round = 0; round < MANY(300, 60) && time_is_left(begin_ns); round++) {
        for (int i = 0; i < 2; i++) {
            sel_init(&sels[i]);
            sel_send(&sels[i], ch, 100 + i);
            sel_recv(&sels[i], ch);
            sel_start(&sels[i]);
        }
        assert_int_equal(sel_end(&sels[0]), 0);
        assert_int_equal(sel_end(&sels[1]), 0);
        assert_int_equal(sels[0].fired + sels[1].fired, 1);
        size_t receiver = sels[0].fired == 1 ? 0 : 1;
        assert_int_equal(sels[receiver].values[1], 101 - (int)receiver);
    }
    assert_int_equal(chan_senders(ch) + chan_receivers(ch), 0);
    cconc_chan_free(ch);
}

static void select_try_meets_a_blocked_select(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 0);
    struct sel sel;
    int value = 12;
    size_t fired = 9;
    (void)state;
    sel_init(&sel);
    sel_recv(&sel, ch);
    sel_start(&sel);
    until(chan_receivers(ch) == 1);
    cconc_select_case one = cconc_select_send(ch, &value);
    assert_int_equal(cconc_select(&one, 1, CCONC_SELECT_TRY, &fired), 0);
    assert_int_equal(sel_end(&sel), 0);
    assert_int_equal(sel.values[0], 12);
    cconc_chan_free(ch);
}

static void select_matches_batches(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 0);
    int values[2] = {3, 4};
    size_t count = 0;
    struct sel sels[2];
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        sel_init(&sels[i]);
        sel_recv(&sels[i], ch);
        sel_start(&sels[i]);
        until(chan_receivers(ch) == i + 1);
    }
    assert_int_equal(cconc_chan_send_n(ch, NULL, values, 2, &count), 0);
    assert_int_equal(sel_end(&sels[0]), 0);
    assert_int_equal(sel_end(&sels[1]), 0);
    assert_int_equal(sels[0].values[0], 3);
    assert_int_equal(sels[1].values[0], 4);

    sel_init(&sels[0]);
    sel_send(&sels[0], ch, 5);
    sel_start(&sels[0]);
    until(chan_senders(ch) == 1);
    assert_int_equal(cconc_chan_recv_n(ch, NULL, values, 2, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(values[0], 5);
    assert_int_equal(sel_end(&sels[0]), 0);
    cconc_chan_free(ch);
}

static void select_queues_in_order_of_arrival_with_plain_callers(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 0);
    cconc_chan *other = chan_make(sizeof(int), 0);
    struct call calls[2];
    struct sel sel;
    (void)state;
    call_recv_blocked(&calls[0], ch, 1);
    sel_init(&sel);
    sel_recv(&sel, other);
    sel_recv(&sel, ch);
    sel_start(&sel);
    until(chan_receivers(ch) == 2 && chan_receivers(other) == 1);
    call_recv_blocked(&calls[1], ch, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cconc_chan_try_send(ch, &i), 0);
    }
    assert_int_equal(call_end(&calls[0]), 0);
    assert_int_equal(sel_end(&sel), 0);
    assert_int_equal(call_end(&calls[1]), 0);
    assert_int_equal(calls[0].value, 0);
    assert_int_equal(sel.values[1], 1);
    assert_int_equal(calls[1].value, 2);
    assert_int_equal(chan_receivers(other), 0);
    free_both(ch, other);
}

static void select_ordered_takes_the_first_event_once_it_waits(void **state)
{
    cconc_chan *a = chan_make(sizeof(int), 0);
    cconc_chan *b = chan_make(sizeof(int), 0);
    struct sel sel;
    int value = 1;
    (void)state;
    sel_init(&sel);
    sel.flags = CCONC_SELECT_ORDERED;
    sel_recv(&sel, a);
    sel_recv(&sel, b);
    sel_start(&sel);
    until(chan_receivers(a) == 1 && chan_receivers(b) == 1);
    assert_int_equal(cconc_chan_try_send(b, &value), 0);
    assert_int_equal(cconc_chan_try_send(a, &value), EAGAIN);
    assert_int_equal(sel_end(&sel), 0);
    assert_int_equal(sel.fired, 1);
    free_both(a, b);
}

static void select_with_many_cases_waits_like_one_with_few(void **state)
{
    cconc_chan *chans[40];
    cconc_select_case cases[40];
    int value = 21;
    (void)state;
    for (size_t i = 0; i < 40; i++) {
        chans[i] = chan_make(sizeof(int), 0);
        cases[i] = cconc_select_recv(chans[i], &value);
    }
    for (size_t i = 0; i < 40; i += 13) {
        struct call sender;
        size_t fired = 99;
        value = -1;
        call_send(&sender, chans[i], NULL, (int)i);
        assert_int_equal(cconc_select(cases, 40, 0, &fired), 0);
        assert_int_equal(fired, i);
        assert_int_equal(value, i);
        assert_int_equal(call_end(&sender), 0);
    }
    for (size_t i = 0; i < 40; i++) {
        assert_int_equal(chan_receivers(chans[i]), 0);
        cconc_chan_free(chans[i]);
    }
}

/* ---- deadline, cancel, close ---------------------------------------------------------------- */

static void select_ends_with_its_context(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 0);
    cconc_ctx *parent = ctx_make();
    cconc_ctx *ctx;
    struct sel sel;
    (void)state;
    assert_int_equal(cconc_ctx_with_cancel(parent, &ctx), 0);
    sel_init(&sel);
    sel_recv(&sel, ch);
    sel.cases[sel.count++] = cconc_select_done(ctx);
    sel_start(&sel);
    until(chan_receivers(ch) == 1);
    cconc_ctx_cancel(parent);
    assert_int_equal(sel_end(&sel), ECANCELED);
    assert_int_equal(sel.fired, 1);
    assert_int_equal(chan_receivers(ch), 0);
    cconc_ctx_free(ctx);
    cconc_ctx_free(parent);
    cconc_chan_free(ch);
}

static void select_waits_for_any_of_several_contexts(void **state)
{
    cconc_ctx *contexts[3] = {ctx_make(), ctx_make(), ctx_make()};
    cconc_chan *ch = chan_make(sizeof(int), 0);
    (void)state;
    for (size_t i = 3; i-- > 0;) {
        struct sel sel;
        sel_init(&sel);
        for (size_t k = 0; k <= i; k++) {
            sel.cases[sel.count++] = cconc_select_done(contexts[k]);
        }
        sel_recv(&sel, ch);
        sel_start(&sel);
        until(chan_receivers(ch) == 1);
        cconc_ctx_cancel(contexts[i]);
        assert_int_equal(sel_end(&sel), ECANCELED);
        assert_int_equal(sel.fired, i);
        assert_int_equal(chan_receivers(ch), 0);
    }
    for (size_t i = 0; i < 3; i++) {
        cconc_ctx_free(contexts[i]);
    }
    cconc_chan_free(ch);
}

static void select_ends_by_close_of_any_of_its_channels(void **state)
{
    (void)state;
    for (size_t which = 0; which < 2; which++) {
        cconc_chan *chans[2] = {chan_make(sizeof(int), 0), chan_make(sizeof(int), 0)};
        struct sel sel;
        sel_init(&sel);
        sel_recv(&sel, chans[0]);
        sel_send(&sel, chans[1], 1);
        sel_start(&sel);
        until(chan_receivers(chans[0]) == 1 && chan_senders(chans[1]) == 1);
        assert_int_equal(cconc_chan_close(chans[which]), 0);
        assert_int_equal(sel_end(&sel), EPIPE);
        assert_int_equal(sel.fired, which);
        assert_int_equal(sel.values[0], -1);
        assert_int_equal(chan_receivers(chans[0]) + chan_senders(chans[1]), 0);
        free_both(chans[0], chans[1]);
    }
}

static void select_until_that_passes_leaves_nothing_behind(void **state)
{
    cconc_chan *a = chan_make(sizeof(int), 0);
    cconc_chan *b = chan_make(sizeof(int), 1);
    size_t fired;
    int value = 0;
    (void)state;
    cconc_select_case cases[] = {cconc_select_recv(a, &value), cconc_select_recv(b, &value),
                                 cconc_select_until(cconc_clock_after(CCONC_MS))};
    assert_int_equal(cconc_select(cases, 3, 0, &fired), ETIMEDOUT);
    size_t blocks = support_live_blocks();
    size_t bytes = support_live_bytes();
    int64_t begin_ns = cconc_clock_now();
    for (int i = 0; i < MANY(200000, 20000) && time_is_left(begin_ns); i++) {
        cases[2] = cconc_select_until(cconc_clock_after(i % 16 == 0 ? 300 : 60));
        assert_int_equal(cconc_select(cases, 3, 0, &fired), ETIMEDOUT);
        assert_int_equal(fired, 2);
    }
    assert_int_equal(support_live_blocks(), blocks);
    assert_int_equal(support_live_bytes(), bytes);
    assert_int_equal(chan_receivers(a) + chan_receivers(b), 0);
    free_both(a, b);
}

static void free_is_misuse(cconc_chan *ch, const char *text)
{
    expect_misuse(text, cconc_chan_free(ch));
}

static void select_counts_among_the_blocked_callers_of_a_freed_channel(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 0);
    struct sel sel;
    (void)state;
    sel_init(&sel);
    sel_recv(&sel, ch);
    sel_send(&sel, ch, 1);
    sel_start(&sel);
    until(chan_receivers(ch) == 1 && chan_senders(ch) == 1);
    free_is_misuse(ch, "chan free with 1 blocked receivers and 1 blocked senders");
    assert_int_equal(cconc_chan_close(ch), 0);
    assert_int_equal(sel_end(&sel), EPIPE);
    cconc_chan_free(ch);
}

/* ---- fairness and races --------------------------------------------------------------------- */

static void send_own(void *arg, size_t index)
{
    cconc_chan **chans = arg;
    int value = (int)index;
    SUPPORT_CHECK(cconc_chan_send(chans[index], NULL, &value) == 0);
}

/* Two senders at one select: it takes one value, the other one stays with its sender. */
static void select_takes_one_value_when_two_senders_come(void **state)
{
    cconc_chan *chans[2] = {chan_make(sizeof(int), 0), chan_make(sizeof(int), 0)};
    (void)state;
    int64_t begin_ns = cconc_clock_now();
    for (int round = 0; round < MANY(500, 100) && time_is_left(begin_ns); round++) {
        struct sel sel;
        sel_init(&sel);
        sel_recv(&sel, chans[0]);
        sel_recv(&sel, chans[1]);
        sel_start(&sel);
        until(chan_receivers(chans[0]) == 1 && chan_receivers(chans[1]) == 1);
        struct support_threads *senders = support_threads_start(2, send_own, chans);
        assert_int_equal(sel_end(&sel), 0);
        assert_int_equal(sel.values[sel.fired], sel.fired);
        assert_int_equal(sel.values[1 - sel.fired], -1);
        int value = -1;
        assert_int_equal(cconc_chan_recv(chans[1 - sel.fired], NULL, &value), 0);
        assert_int_equal(value, 1 - sel.fired);
        support_threads_join(senders);
    }
    free_both(chans[0], chans[1]);
}

/* The select stands before a plain receiver in a; what it does not take of a is the receiver's. */
static void select_passes_on_what_it_does_not_take(void **state)
{
    cconc_chan *a = chan_make(sizeof(int), 1);
    cconc_chan *b = chan_make(sizeof(int), 1);
    (void)state;
    int64_t begin_ns = cconc_clock_now();
    for (int round = 0; round < MANY(500, 100) && time_is_left(begin_ns); round++) {
        struct sel sel;
        struct call plain;
        sel_init(&sel);
        sel_recv(&sel, a);
        sel_recv(&sel, b);
        sel_start(&sel);
        until(chan_receivers(a) == 1 && chan_receivers(b) == 1);
        call_recv_blocked(&plain, a, 2);
        assert_int_equal(cconc_chan_send(b, NULL, &round), 0);
        assert_int_equal(cconc_chan_send(a, NULL, &round), 0);
        assert_int_equal(sel_end(&sel), 0);
        if (sel.fired == 0) { /* it was woken for b and found a ready, too */
            assert_int_equal(chan_take(b), round);
            assert_int_equal(cconc_chan_send(a, NULL, &round), 0);
        }
        assert_int_equal(call_end(&plain), 0);
        assert_int_equal(plain.value, round);
        assert_int_equal(cconc_chan_len(a) + cconc_chan_len(b), 0);
    }
    free_both(a, b);
}

/* Keeps at least one token in the two channels at every instant. */
struct shuttle {
    cconc_chan *chans[2];
    bool        stop;
};

static void shuttle_run(void *arg, size_t index)
{
    struct shuttle *shuttle = arg;
    (void)index;
    for (size_t to = 1; !__atomic_load_n(&shuttle->stop, __ATOMIC_RELAXED); to = 1 - to) {
        int token = 1;
        SUPPORT_CHECK(cconc_chan_send(shuttle->chans[to], NULL, &token) == 0);
        SUPPORT_CHECK(cconc_chan_recv(shuttle->chans[1 - to], NULL, &token) == 0);
    }
}

static void select_try_sees_all_cases_at_one_instant(void **state)
{
    struct shuttle shuttle = {{chan_make(sizeof(int), 4), chan_make(sizeof(int), 4)}, false};
    cconc_chan *empty = chan_make(sizeof(int), 4);
    int token = 1;
    (void)state;
    assert_int_equal(cconc_chan_send(shuttle.chans[0], NULL, &token), 0);
    struct support_threads *threads = support_threads_start(1, shuttle_run, &shuttle);
    cconc_select_case cases[8];
    for (size_t i = 0; i < 8; i++) { /* time passes between the look at the first and the last */
        cases[i] = cconc_select_recv(i == 0 || i == 7 ? shuttle.chans[i / 7] : empty, &token);
    }
    for (int i = 0; i < MANY(100000, 10000); i++) {
        size_t fired = 9;
        assert_int_equal(cconc_select(cases, 8, CCONC_SELECT_TRY, &fired), 0);
        assert_int_equal(cconc_chan_send(shuttle.chans[fired / 7], NULL, &token), 0);
    }
    __atomic_store_n(&shuttle.stop, true, __ATOMIC_RELAXED);
    support_threads_join(threads);
    free_both(shuttle.chans[0], shuttle.chans[1]);
    cconc_chan_free(empty);
}

/* Plain memory on purpose: ThreadSanitizer reports it if the fired case does not order it. */
struct relay {
    cconc_chan *chans[2];
    int         payload[2];
};

static void relay_run(void *arg, size_t index)
{
    struct relay *relay = arg;
    for (int i = 0; i < 1000; i++) {
        relay->payload[index] = i;
        cconc_select_case cases[] = {cconc_select_send(relay->chans[index], &i),
                                     cconc_select_recv(NULL, NULL)};
        size_t fired = 9;
        SUPPORT_CHECK(cconc_select(cases, 2, 0, &fired) == 0 && fired == 0);
        SUPPORT_CHECK(cconc_chan_recv(relay->chans[index], NULL, NULL) == 0);
    }
}

static void select_orders_memory_as_the_fired_case_does(void **state)
{
    struct relay relay = {{chan_make(sizeof(int), 0), chan_make(sizeof(int), 0)}, {0, 0}};
    int value = -1;
    (void)state;
    struct support_threads *threads = support_threads_start(2, relay_run, &relay);
    cconc_select_case cases[] = {cconc_select_recv(relay.chans[0], &value),
                                 cconc_select_recv(relay.chans[1], &value)};
    for (int i = 0; i < 2000; i++) {
        size_t fired = 9;
        assert_int_equal(cconc_select(cases, 2, 0, &fired), 0);
        assert_int_equal(relay.payload[fired], value);
        assert_int_equal(cconc_chan_send(relay.chans[fired], NULL, &value), 0);
    }
    support_threads_join(threads);
    free_both(relay.chans[0], relay.chans[1]);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(select_waits_for_the_first_event_and_leaves_all_queues),
        UNIT_TEST(select_sends_to_whoever_comes_first),
        UNIT_TEST(select_in_both_directions_of_one_channel_meets_either_partner),
        UNIT_TEST(select_with_a_channel_listed_twice_takes_one_value),
        UNIT_TEST(select_matches_another_select),
        UNIT_TEST(select_try_meets_a_blocked_select),
        UNIT_TEST(select_matches_batches),
        UNIT_TEST(select_queues_in_order_of_arrival_with_plain_callers),
        UNIT_TEST(select_ordered_takes_the_first_event_once_it_waits),
        UNIT_TEST(select_with_many_cases_waits_like_one_with_few),
        UNIT_TEST(select_ends_with_its_context),
        UNIT_TEST(select_waits_for_any_of_several_contexts),
        UNIT_TEST(select_ends_by_close_of_any_of_its_channels),
        UNIT_TEST(select_until_that_passes_leaves_nothing_behind),
        UNIT_TEST(select_counts_among_the_blocked_callers_of_a_freed_channel),
        UNIT_TEST(select_takes_one_value_when_two_senders_come),
        UNIT_TEST(select_passes_on_what_it_does_not_take),
        UNIT_TEST(select_try_sees_all_cases_at_one_instant),
        UNIT_TEST(select_orders_memory_as_the_fired_case_does),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
