/* chan_order.c - unit tests of what a closed channel orders
 * SPDX-License-Identifier: MIT
 *
 * Risk      A caller that is told EPIPE and does not see what the closer wrote before.
 * Method    Plain memory, written before close and read after EPIPE, with nothing else between the
 *           threads that could order the two: the thread sanitizer reports a missing edge. A later
 *           caller learns by a relaxed load, or from the channel alone, that it is later.
 * Catches   H22 H23, S9; order O2 of chan.h.
 */
#include "chan_help.h"

#include <errno.h>
#include <stdatomic.h>

/* What a thread does until it gets EPIPE. */
enum { DO_SEND, DO_RECV, DO_SELECT_SEND, DO_SELECT_RECV, DO_TRY_SEND, DO_TRY_RECV, DO_COUNT };

struct reader {
    cconc_chan  *ch;
    cconc_chan  *never; /* a second case that never fires */
    int          what;
    bool         is_later; /* calls once closed is set */
    atomic_bool *closed;
    const int   *told; /* plain */
    int          heard;
};

static int select_once(const struct reader *r)
{
    int value = 0;
    size_t fired = 9;
    cconc_select_case cases[] = {
        cconc_select_recv(r->never, NULL),
        r->what == DO_SELECT_SEND ? cconc_select_send(r->ch, &value)
                                  : cconc_select_recv(r->ch, &value),
    };
    int err = cconc_select(cases, 2, 0, &fired);
    SUPPORT_CHECK(fired == 1);
    return err;
}

static int call_once(const struct reader *r)
{
    int value = 0;
    switch (r->what) {
    case DO_SEND:
        return cconc_chan_send(r->ch, NULL, &value);
    case DO_RECV:
        return cconc_chan_recv(r->ch, NULL, &value);
    case DO_TRY_SEND:
        return cconc_chan_try_send(r->ch, &value);
    case DO_TRY_RECV:
        return cconc_chan_try_recv(r->ch, &value);
    default:
        return select_once(r);
    }
}

static void read_after_epipe(void *arg, size_t index)
{
    struct reader *r = (struct reader *)arg + index;
    if (r->is_later) {
        until(atomic_load_explicit(r->closed, memory_order_relaxed));
    }
    until(call_once(r) == EPIPE);
    r->heard = *r->told;
}

#define READERS 6 /* the three of one direction, blocked and later */

/* Close a channel, full for those that send and empty for those that receive, under them all. */
static void close_under_readers(size_t cap, bool is_full)
{
    atomic_bool closed = false;
    struct reader readers[READERS];
    size_t count = 0;
    size_t blocked = 0;
    int told = 0;
    cconc_chan *ch = chan_make(sizeof(int), cap);
    cconc_chan *never = chan_make(sizeof(int), 0);
    for (int what = 0; what < DO_COUNT; what++) {
        bool is_send = what == DO_SEND || what == DO_SELECT_SEND || what == DO_TRY_SEND;
        bool is_try = what == DO_TRY_SEND || what == DO_TRY_RECV;
        for (int later = 0; is_send == is_full && later < 2; later++) {
            readers[count] = (struct reader){.ch = ch,
                                             .never = never,
                                             .what = what,
                                             .is_later = later != 0,
                                             .closed = &closed,
                                             .told = &told};
            blocked += later == 0 && !is_try;
            count++;
        }
    }
    if (is_full) {
        chan_fill(ch, 0);
    }
    struct support_threads *threads = support_threads_start(count, read_after_epipe, readers);
    until((is_full ? chan_senders(ch) : chan_receivers(ch)) == blocked);
    told = 4711;
    assert_int_equal(cconc_chan_close(ch), 0);
    atomic_store_explicit(&closed, true, memory_order_relaxed);
    support_threads_join(threads);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(readers[i].heard, 4711);
    }
    cconc_chan_free(never);
    cconc_chan_free(ch);
}

static void chan_close_orders_memory_before_every_EPIPE(void **state)
{
    static const size_t caps[] = {0, 1, 3};
    int64_t begin_ns = cconc_clock_now();
    (void)state;
    for (int round = 0; round < MANY(200, 50) && time_is_left(begin_ns); round++) {
        for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
            close_under_readers(caps[i], false);
            close_under_readers(caps[i], true);
        }
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(chan_close_orders_memory_before_every_EPIPE),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
