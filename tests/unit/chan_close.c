/* chan_close.c - unit tests of channels: close, free, drop, and their misuse
 * SPDX-License-Identifier: MIT
 *
 * Risk      A waiter that close forgets, a value lost between close and drain, an element dropped
 *           twice or never, memory needed where none may be.
 * Method    Up to a thousand blocked threads, seen in the queues before the channel is closed;
 *           allocation forbidden during close and free; misuse through the hook, after which the
 *           channel has to work on.
 * Catches   H1 H2 H16, I2 I19; rules chan-2 chan-6 chan-10 chan-11, all-10 all-11
 *           all-15.
 */
#include "chan_help.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define CROWD (support_is_sanitized() ? 200u : 1000u)

/* ---- smoke ---------------------------------------------------------------------------------- */

static void chan_close_succeeds_exactly_once(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 1);
    (void)state;
    assert_int_equal(cconc_chan_close(ch), 0);
    assert_int_equal(cconc_chan_close(ch), EPIPE);
    assert_int_equal(cconc_chan_close(ch), EPIPE);
    cconc_chan_free(ch);
}

static void chan_closed_gives_what_is_inside_and_then_EPIPE(void **state)
{
    static const size_t caps[] = {0, 1, 5};
    (void)state;
    for (size_t c = 0; c < sizeof(caps) / sizeof(caps[0]); c++) {
        cconc_chan *ch = chan_make(sizeof(int), caps[c]);
        int value = 0;
        chan_fill(ch, 0);
        assert_int_equal(cconc_chan_close(ch), 0);
        assert_int_equal(cconc_chan_send(ch, NULL, &value), EPIPE);
        assert_int_equal(cconc_chan_try_send(ch, &value), EPIPE);
        assert_int_equal(cconc_chan_len(ch), caps[c]);
        for (size_t i = 0; i < caps[c]; i++) {
            assert_int_equal(cconc_chan_recv(ch, NULL, &value), 0);
            assert_int_equal(value, i);
        }
        for (int i = 0; i < 3; i++) {
            assert_int_equal(cconc_chan_recv(ch, NULL, &value), EPIPE);
            assert_int_equal(cconc_chan_try_recv(ch, &value), EPIPE);
            assert_int_equal(cconc_chan_try_send(ch, &value), EPIPE);
        }
        cconc_chan_free(ch);
    }
}

/* ---- blocking ------------------------------------------------------------------------------- */

static void chan_close_ends_blocked_receivers(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 2);
    struct call receivers[3];
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        call_recv_blocked(&receivers[i], ch, i + 1);
    }
    assert_int_equal(cconc_chan_close(ch), 0);
    assert_int_equal(chan_receivers(ch), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(call_end(&receivers[i]), EPIPE);
        assert_int_equal(receivers[i].value, -1);
    }
    cconc_chan_free(ch);
}

static void chan_close_ends_blocked_senders_and_delivers_none_of_theirs(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 2);
    struct call senders[3];
    (void)state;
    chan_fill(ch, 0);
    for (size_t i = 0; i < 3; i++) {
        call_send_blocked(&senders[i], ch, 50, i + 1);
    }
    assert_int_equal(cconc_chan_close(ch), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(call_end(&senders[i]), EPIPE);
    }
    assert_int_equal(chan_take(ch), 0);
    assert_int_equal(chan_take(ch), 1);
    assert_int_equal(cconc_chan_try_recv(ch, NULL), EPIPE);
    cconc_chan_free(ch);
}

/* Threads of one side, all blocked in one channel. */
struct crowd {
    cconc_chan *ch;
    bool        is_send;
    int         told; /* plain: close is before each EPIPE */
    size_t      ended;
};

static void wait_for_close(void *arg, size_t index)
{
    struct crowd *crowd = arg;
    int value = (int)index;
    int err = crowd->is_send ? cconc_chan_send(crowd->ch, NULL, &value)
                             : cconc_chan_recv(crowd->ch, NULL, &value);
    SUPPORT_CHECK(err == EPIPE);
    SUPPORT_CHECK(value == (int)index);
    SUPPORT_CHECK(crowd->told == 1);
    __atomic_add_fetch(&crowd->ended, 1, __ATOMIC_RELAXED);
}

static void close_a_crowd(size_t cap, bool is_send)
{
    struct crowd crowd = {.ch = chan_make(sizeof(int), cap), .is_send = is_send};
    if (is_send) {
        chan_fill(crowd.ch, 0);
    }
    struct support_threads *threads = support_threads_start(CROWD, wait_for_close, &crowd);
    until((is_send ? chan_senders(crowd.ch) : chan_receivers(crowd.ch)) == CROWD);
    crowd.told = 1;
    assert_int_equal(cconc_chan_close(crowd.ch), 0);
    support_threads_join(threads);
    assert_int_equal(crowd.ended, CROWD);
    assert_int_equal(cconc_chan_len(crowd.ch), is_send ? cap : 0);
    cconc_chan_free(crowd.ch);
}

static void chan_close_wakes_a_thousand_blocked_senders(void **state)
{
    (void)state;
    close_a_crowd(0, true);
    close_a_crowd(3, true);
}

static void chan_close_wakes_a_thousand_blocked_receivers(void **state)
{
    (void)state;
    close_a_crowd(0, false);
    close_a_crowd(3, false);
}

struct closers {
    cconc_chan *ch;
    int         winners;
};

static void close_once(void *arg, size_t index)
{
    struct closers *closers = arg;
    (void)index;
    int err = cconc_chan_close(closers->ch);
    SUPPORT_CHECK(err == 0 || err == EPIPE);
    __atomic_add_fetch(&closers->winners, err == 0, __ATOMIC_RELAXED);
}

static void chan_has_one_winner_among_many_closers(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        struct closers closers = {chan_make(1, 0), 0};
        support_threads_join(support_threads_start(8, close_once, &closers));
        assert_int_equal(closers.winners, 1);
        cconc_chan_free(closers.ch);
    }
}

/* A buffered value is found even while close races. */
static void chan_try_recv_finds_a_buffered_value_while_close_races(void **state)
{
    (void)state;
    int64_t begin_ns = cconc_clock_now();
    for (int round = 0; round < MANY(2000, 300) && time_is_left(begin_ns); round++) {
        struct closers closers = {chan_make(sizeof(int), 1), 0};
        chan_fill(closers.ch, round);
        struct support_threads *threads = support_threads_start(1, close_once, &closers);
        assert_int_equal(chan_take(closers.ch), round);
        support_threads_join(threads);
        assert_int_equal(cconc_chan_try_recv(closers.ch, NULL), EPIPE);
        cconc_chan_free(closers.ch);
    }
}

static void drain_to_the_end(void *arg, size_t index)
{
    struct crowd *crowd = arg;
    int value;
    (void)index;
    while (cconc_chan_recv(crowd->ch, NULL, &value) == 0) {
        __atomic_add_fetch(&crowd->ended, 1, __ATOMIC_RELAXED);
    }
}

static void chan_close_loses_nothing_that_was_sent_before(void **state)
{
    (void)state;
    int64_t begin_ns = cconc_clock_now();
    for (int round = 0; round < MANY(200, 40) && time_is_left(begin_ns); round++) {
        struct crowd crowd = {.ch = chan_make(sizeof(int), 4)};
        struct support_threads *threads = support_threads_start(3, drain_to_the_end, &crowd);
        for (int i = 0; i < 50; i++) {
            assert_int_equal(cconc_chan_send(crowd.ch, NULL, &i), 0);
        }
        assert_int_equal(cconc_chan_close(crowd.ch), 0);
        support_threads_join(threads);
        assert_int_equal(crowd.ended, 50);
        cconc_chan_free(crowd.ch);
    }
}

/* ---- close and free ------------------------------------------------------------------------- */

struct drops {
    int         values[16];
    int         count;
    cconc_chan *other;
};

static void note_drop(void *elem, void *user)
{
    struct drops *drops = user;
    SUPPORT_CHECK(drops->count < 16);
    drops->values[drops->count++] = *(const int *)elem;
}

static cconc_chan *make_with_drop(size_t cap, cconc_chan_drop_fn drop, struct drops *drops)
{
    cconc_chan_opts opts = {.drop = drop, .user = drops};
    cconc_chan *ch = NULL;
    assert_int_equal(cconc_chan_new_opts(sizeof(int), cap, &opts, &ch), 0);
    return ch;
}

static void chan_free_drops_each_value_left_inside_once(void **state)
{
    (void)state;
    for (int closed = 0; closed < 2; closed++) {
        struct drops drops = {{0}, 0, NULL};
        cconc_chan *ch = make_with_drop(5, note_drop, &drops);
        chan_fill(ch, 0);
        assert_int_equal(chan_take(ch), 0);
        assert_int_equal(chan_take(ch), 1);
        for (int i = 5; i < 7; i++) { /* past the seam of the ring */
            assert_int_equal(cconc_chan_try_send(ch, &i), 0);
        }
        assert_int_equal(chan_take(ch), 2);
        assert_int_equal(closed ? cconc_chan_close(ch) : 0, 0);
        assert_int_equal(drops.count, 0);
        cconc_chan_free(ch);
        assert_int_equal(drops.count, 4);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(drops.values[i], 3 + i);
        }
    }
}

static void chan_free_without_drop_forgets_what_is_inside(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 3);
    (void)state;
    chan_fill(ch, 1);
    cconc_chan_free(ch);
}

static void chan_free_of_an_empty_one_drops_nothing(void **state)
{
    struct drops drops = {{0}, 0, NULL};
    (void)state;
    cconc_chan *ch = make_with_drop(2, note_drop, &drops);
    chan_fill(ch, 1);
    assert_int_equal(chan_take(ch), 1);
    assert_int_equal(chan_take(ch), 2);
    cconc_chan_free(ch);
    cconc_chan_free(make_with_drop(0, note_drop, &drops));
    assert_int_equal(drops.count, 0);
}

static void move_drop(void *elem, void *user)
{
    struct drops *drops = user;
    SUPPORT_CHECK(cconc_chan_try_send(drops->other, elem) == 0);
}

static void chan_drop_may_use_other_channels(void **state)
{
    struct drops drops = {{0}, 0, chan_make(sizeof(int), 4)};
    (void)state;
    cconc_chan *ch = make_with_drop(3, move_drop, &drops);
    chan_fill(ch, 7);
    cconc_chan_free(ch);
    for (int i = 7; i < 10; i++) {
        assert_int_equal(chan_take(drops.other), i);
    }
    cconc_chan_free(drops.other);
}

static void drop_and_exit(void *elem, void *user)
{
    note_drop(elem, user);
    pthread_exit(NULL);
}

static void free_that_ends(void *arg, size_t index)
{
    (void)index;
    cconc_chan_free(arg);
    support_abort(__FILE__, __LINE__, "free came back");
}

static void chan_free_is_finished_though_every_drop_ends_its_thread(void **state)
{
    struct drops drops = {{0}, 0, NULL};
    (void)state;
    cconc_chan *ch = make_with_drop(4, drop_and_exit, &drops);
    chan_fill(ch, 7);
    assert_int_equal(support_threads_join(support_threads_start(1, free_that_ends, ch)), 0);
    assert_int_equal(drops.count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(drops.values[i], 7 + i);
    }
}

static void chan_drop_does_not_get_what_a_failed_send_kept(void **state)
{
    struct drops drops = {{0}, 0, NULL};
    cconc_ctx_mem mem;
    int value = 9;
    (void)state;
    cconc_chan *ch = make_with_drop(1, note_drop, &drops);
    chan_fill(ch, 1);
    assert_int_equal(cconc_chan_send(ch, ctx_for(&mem, CCONC_MS), &value), ETIMEDOUT);
    assert_int_equal(cconc_chan_try_send(ch, &value), EAGAIN);
    assert_int_equal(cconc_chan_close(ch), 0);
    assert_int_equal(cconc_chan_send(ch, NULL, &value), EPIPE);
    cconc_chan_free(ch);
    assert_int_equal(drops.count, 1);
    assert_int_equal(drops.values[0], 1);
}

static void chan_close_and_free_need_no_memory(void **state)
{
    struct drops drops = {{0}, 0, NULL};
    struct call receivers[3];
    (void)state;
    cconc_chan *empty = chan_make(sizeof(int), 0);
    cconc_chan *full = make_with_drop(4, note_drop, &drops);
    chan_fill(full, 0);
    for (size_t i = 0; i < 3; i++) {
        call_recv_blocked(&receivers[i], empty, i + 1);
    }
    uint64_t before = support_alloc_count();
    support_fail_alloc(1, true);
    assert_int_equal(cconc_chan_close(empty), 0);
    assert_int_equal(cconc_chan_close(full), 0);
    cconc_chan_free(full);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(call_end(&receivers[i]), EPIPE);
    }
    cconc_chan_free(empty);
    assert_int_equal(support_fail_end(), 0);
    assert_int_equal(support_alloc_count(), before);
    assert_int_equal(drops.count, 4);
}

/* ---- misuse --------------------------------------------------------------------------------- */

static void misuse_of_free(cconc_chan *ch, const char *text)
{
    expect_misuse(text, cconc_chan_free(ch));
}

static void chan_close_of_NULL_is_misuse(void **state)
{
    (void)state;
    expect_misuse("chan close of NULL", cconc_chan_close(NULL));
}

static void chan_free_with_blocked_receivers_is_misuse(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 1);
    struct call receivers[3];
    int value = 6;
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        call_recv_blocked(&receivers[i], ch, i + 1);
    }
    misuse_of_free(ch, "chan free with 3 blocked receivers and 0 blocked senders");
    assert_int_equal(cconc_chan_send(ch, NULL, &value), 0);
    until(chan_receivers(ch) == 2 && cconc_chan_len(ch) == 0);
    assert_int_equal(cconc_chan_close(ch), 0);
    int received = 0;
    for (size_t i = 0; i < 3; i++) {
        received += call_end(&receivers[i]) == 0;
    }
    assert_int_equal(received, 1);
    cconc_chan_free(ch);
}

static void chan_free_with_blocked_senders_is_misuse(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 0);
    struct call senders[2];
    (void)state;
    call_send_blocked(&senders[0], ch, 1, 1);
    call_send_blocked(&senders[1], ch, 2, 2);
    misuse_of_free(ch, "chan free with 0 blocked receivers and 2 blocked senders");
    assert_int_equal(chan_take(ch), 1);
    assert_int_equal(chan_take(ch), 2);
    assert_int_equal(call_end(&senders[0]), 0);
    assert_int_equal(call_end(&senders[1]), 0);
    cconc_chan_free(ch);
}

static int free_with_a_receiver(void)
{
    struct call receiver;
    cconc_chan *ch = chan_make(sizeof(int), 0);
    cconc_set_misuse_hook(NULL, NULL);
    call_recv_blocked(&receiver, ch, 1);
    cconc_chan_free(ch);
    return 0;
}

static void chan_misuse_without_hook_aborts_with_object_fact_and_number(void **state)
{
    char text[512];
    (void)state;
    int status = support_run_child("free_with_a_receiver", text, sizeof(text));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(
        strstr(text, "cconc: chan free with 1 blocked receivers and 0 blocked senders\n"));
}

/* ---- faults --------------------------------------------------------------------------------- */

static void fill_and_free(void *arg)
{
    struct drops drops = {{0}, 0, NULL};
    cconc_chan_opts opts = {.drop = note_drop, .user = &drops};
    cconc_chan *ch = NULL;
    (void)arg;
    int err = cconc_chan_new_opts(sizeof(int), 2, &opts, &ch);
    SUPPORT_CHECK(err == 0 || err == ENOMEM);
    if (err == 0) {
        chan_fill(ch, 0);
        cconc_chan_free(ch);
        SUPPORT_CHECK(drops.count == 2);
    }
}

static void chan_with_drop_survives_every_failing_allocation(void **state)
{
    (void)state;
    assert_true(support_sweep_alloc(fill_and_free, NULL) > 0);
}

int main(int argc, char **argv)
{
    static const struct support_child children[] = {
        {"free_with_a_receiver", free_with_a_receiver},
        {NULL, NULL},
    };
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(chan_close_succeeds_exactly_once),
        UNIT_TEST(chan_closed_gives_what_is_inside_and_then_EPIPE),
        UNIT_TEST(chan_close_ends_blocked_receivers),
        UNIT_TEST(chan_close_ends_blocked_senders_and_delivers_none_of_theirs),
        UNIT_TEST(chan_close_wakes_a_thousand_blocked_senders),
        UNIT_TEST(chan_close_wakes_a_thousand_blocked_receivers),
        UNIT_TEST(chan_has_one_winner_among_many_closers),
        UNIT_TEST(chan_try_recv_finds_a_buffered_value_while_close_races),
        UNIT_TEST(chan_close_loses_nothing_that_was_sent_before),
        UNIT_TEST(chan_free_drops_each_value_left_inside_once),
        UNIT_TEST(chan_free_without_drop_forgets_what_is_inside),
        UNIT_TEST(chan_free_of_an_empty_one_drops_nothing),
        UNIT_TEST(chan_drop_may_use_other_channels),
        UNIT_TEST(chan_free_is_finished_though_every_drop_ends_its_thread),
        UNIT_TEST(chan_drop_does_not_get_what_a_failed_send_kept),
        UNIT_TEST(chan_close_and_free_need_no_memory),
        UNIT_TEST(chan_close_of_NULL_is_misuse),
        UNIT_TEST(chan_free_with_blocked_receivers_is_misuse),
        UNIT_TEST(chan_free_with_blocked_senders_is_misuse),
        UNIT_TEST(chan_misuse_without_hook_aborts_with_object_fact_and_number),
        UNIT_TEST(chan_with_drop_survives_every_failing_allocation),
    };
    support_start(argc, argv, children);
    return UNIT_RUN(tests);
}
