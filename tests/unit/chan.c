/* chan.c - unit tests of channels: making them, trying, what needs no second thread
 * SPDX-License-Identifier: MIT
 *
 * Risk      A ring that miscounts at its seams, sizes that wrap, an output written on failure, a
 *           refused call that changes something.
 * Method    One thread. Tables of sizes; a long random run of try_ calls is compared with a plain
 *           queue after every step.
 * Catches   H3 H9 H13 H18, S4, X4; rules chan-1 chan-6 chan-7 chan-8 chan-9, all-1
 *           all-2 all-3 all-9 all-10.
 */
#include "chan_help.h"

#include <errno.h>
#include <string.h>

/* ---- smoke ---------------------------------------------------------------------------------- */

static void chan_gives_values_in_the_order_they_went_in(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 4);
    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(cconc_chan_send(ch, NULL, &i), 0);
    }
    for (int i = 0; i < 4; i++) {
        int value = -1;
        assert_int_equal(cconc_chan_recv(ch, NULL, &value), 0);
        assert_int_equal(value, i);
    }
    cconc_chan_free(ch);
}

static void chan_keeps_a_copy_of_what_was_sent(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 1);
    int value = 7;
    (void)state;
    assert_int_equal(cconc_chan_send(ch, NULL, &value), 0);
    value = 8;
    assert_int_equal(chan_take(ch), 7);
    cconc_chan_free(ch);
}

/* ---- limits --------------------------------------------------------------------------------- */

static void chan_new_without_out_pointer_is_invalid(void **state)
{
    cconc_chan_opts opts = {0};
    (void)state;
    assert_int_equal(cconc_chan_new(4, 4, NULL), EINVAL);
    assert_int_equal(cconc_chan_new_opts(4, 4, NULL, NULL), EINVAL);
    assert_int_equal(cconc_chan_new_opts(4, 4, &opts, NULL), EINVAL);
    assert_int_equal(cconc_chan_new(SIZE_MAX, SIZE_MAX, NULL), EINVAL);
}

static void chan_new_refuses_sizes_that_do_not_fit_without_allocating(void **state)
{
    static const struct {
        size_t elem_size;
        size_t cap;
    } grid[] = {
        {SIZE_MAX, 1},
        {SIZE_MAX, 2},
        {SIZE_MAX, CCONC_CHAN_MAX_CAP},
        {SIZE_MAX, SIZE_MAX},
        {SIZE_MAX / 2 + 1, 1},
        {SIZE_MAX / 2 + 1, 2},
        {SIZE_MAX / 2, 2},
        {SIZE_MAX / 2, 3},
        {SIZE_MAX / 4 + 1, 2},
        {SIZE_MAX / CCONC_CHAN_MAX_CAP, CCONC_CHAN_MAX_CAP},
        {SIZE_MAX / CCONC_CHAN_MAX_CAP + 1, CCONC_CHAN_MAX_CAP},
        {SIZE_MAX / CCONC_CHAN_MAX_CAP + 2, CCONC_CHAN_MAX_CAP},
        {(size_t)1 << (sizeof(size_t) * 4), (size_t)1 << (sizeof(size_t) * 4)},
        {1, CCONC_CHAN_MAX_CAP + 1},
        {1, SIZE_MAX / 2},
        {1, SIZE_MAX},
        {0, CCONC_CHAN_MAX_CAP + 1},
        {0, SIZE_MAX},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(grid) / sizeof(grid[0]); i++) {
        uint64_t before = support_alloc_count();
        cconc_chan *ch = (cconc_chan *)&before;
        assert_int_equal(cconc_chan_new(grid[i].elem_size, grid[i].cap, &ch), EOVERFLOW);
        assert_int_equal(cconc_chan_new_opts(grid[i].elem_size, grid[i].cap, NULL, &ch), EOVERFLOW);
        assert_ptr_equal(ch, &before);
        assert_int_equal(support_alloc_count(), before);
    }
}

static void chan_new_of_more_than_there_is_gives_ENOMEM(void **state)
{
    cconc_chan *ch = NULL;
    size_t blocks = support_live_blocks();
    (void)state;
    assert_int_equal(cconc_chan_new(SIZE_MAX / 2 - 4096, 1, &ch), ENOMEM);
    assert_int_equal(cconc_chan_new(SIZE_MAX / 4 - 4096, 2, &ch), ENOMEM);
    assert_null(ch);
    assert_int_equal(support_live_blocks(), blocks);
}

static void chan_of_the_largest_capacity_fills_and_drains(void **state)
{
    cconc_chan *ch = chan_make(1, CCONC_CHAN_MAX_CAP);
    unsigned char byte;
    (void)state;
    assert_int_equal(cconc_chan_cap(ch), CCONC_CHAN_MAX_CAP);
    for (size_t i = 0; i < CCONC_CHAN_MAX_CAP; i++) {
        byte = (unsigned char)(i % 251);
        assert_int_equal(cconc_chan_try_send(ch, &byte), 0);
    }
    assert_int_equal(cconc_chan_try_send(ch, &byte), EAGAIN);
    assert_int_equal(cconc_chan_len(ch), CCONC_CHAN_MAX_CAP);
    for (size_t i = 0; i < CCONC_CHAN_MAX_CAP; i++) {
        assert_int_equal(cconc_chan_try_recv(ch, &byte), 0);
        assert_int_equal(byte, i % 251);
    }
    assert_int_equal(cconc_chan_try_recv(ch, &byte), EAGAIN);
    cconc_chan_free(ch);
}

static void chan_send_of_NULL_is_invalid_before_anything_else(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 2);
    cconc_ctx *cancelled = ctx_make_cancelled();
    size_t count = 77;
    (void)state;
    assert_int_equal(cconc_chan_send(ch, NULL, NULL), EINVAL);
    assert_int_equal(cconc_chan_send(ch, cancelled, NULL), EINVAL);
    assert_int_equal(cconc_chan_try_send(ch, NULL), EINVAL);
    assert_int_equal(cconc_chan_send_n(ch, NULL, NULL, 2, &count), EINVAL);
    assert_int_equal(count, 0);
    assert_int_equal(cconc_chan_len(ch), 0);
    assert_int_equal(cconc_chan_close(ch), 0);
    assert_int_equal(cconc_chan_send(ch, NULL, NULL), EINVAL);
    assert_int_equal(cconc_chan_try_send(ch, NULL), EINVAL);
    cconc_ctx_free(cancelled);
    cconc_chan_free(ch);
}

static void chan_of_empty_elements_needs_no_pointers(void **state)
{
    cconc_chan *ch = chan_make(0, 2);
    (void)state;
    assert_int_equal(cconc_chan_send(ch, NULL, NULL), 0);
    assert_int_equal(cconc_chan_try_send(ch, NULL), 0);
    assert_int_equal(cconc_chan_try_send(ch, NULL), EAGAIN);
    assert_int_equal(cconc_chan_len(ch), 2);
    assert_int_equal(cconc_chan_recv(ch, NULL, NULL), 0);
    assert_int_equal(cconc_chan_try_recv(ch, NULL), 0);
    assert_int_equal(cconc_chan_try_recv(ch, NULL), EAGAIN);
    cconc_chan_free(ch);
}

static void chan_recv_into_NULL_throws_the_element_away(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 3);
    (void)state;
    chan_fill(ch, 1);
    assert_int_equal(cconc_chan_recv(ch, NULL, NULL), 0);
    assert_int_equal(cconc_chan_try_recv(ch, NULL), 0);
    assert_int_equal(chan_take(ch), 3);
    cconc_chan_free(ch);
}

static void chan_len_and_cap_of_a_rendezvous_are_zero(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 0);
    (void)state;
    assert_int_equal(cconc_chan_len(ch), 0);
    assert_int_equal(cconc_chan_cap(ch), 0);
    cconc_chan_free(ch);
}

static void chan_NULL_is_never_ready(void **state)
{
    cconc_ctx_mem mem;
    int value = 5;
    (void)state;
    assert_int_equal(cconc_chan_try_send(NULL, &value), EAGAIN);
    assert_int_equal(cconc_chan_try_recv(NULL, &value), EAGAIN);
    assert_int_equal(cconc_chan_len(NULL), 0);
    assert_int_equal(cconc_chan_cap(NULL), 0);
    assert_int_equal(cconc_chan_send(NULL, ctx_for(&mem, CCONC_MS), &value), ETIMEDOUT);
    assert_int_equal(cconc_chan_recv(NULL, ctx_for(&mem, CCONC_MS), &value), ETIMEDOUT);
    assert_int_equal(value, 5);
    cconc_chan_free(NULL);
}

static void chan_NULL_with_a_context_that_never_ends_is_a_deadlock(void **state)
{
    static const int key;
    cconc_ctx_mem mem;
    cconc_ctx *cancellable = ctx_make();
    cconc_ctx *detached;
    cconc_ctx *valued;
    int value = 5;
    size_t count;
    (void)state;
    assert_int_equal(cconc_ctx_without_cancel(cancellable, &detached), 0);
    assert_int_equal(cconc_ctx_with_value(NULL, &key, NULL, NULL, &valued), 0);
    cconc_ctx *endless[] = {NULL, cconc_ctx_background(), detached, valued,
                            cconc_ctx_until(&mem, NULL, CCONC_NEVER)};
    for (size_t i = 0; i < sizeof(endless) / sizeof(endless[0]); i++) {
        assert_int_equal(cconc_chan_send(NULL, endless[i], &value), EDEADLK);
        assert_int_equal(cconc_chan_recv(NULL, endless[i], &value), EDEADLK);
        assert_int_equal(cconc_chan_send_n(NULL, endless[i], &value, 1, &count), EDEADLK);
        assert_int_equal(cconc_chan_recv_n(NULL, endless[i], &value, 1, &count), EDEADLK);
        assert_int_equal(count, 0);
    }
    assert_int_equal(value, 5);
    cconc_ctx_free(valued);
    cconc_ctx_free(detached);
    cconc_ctx_free(cancellable);
}

/* ---- try ------------------------------------------------------------------------------------ */

static void chan_try_reports_full_and_empty(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 1);
    int value = 1;
    (void)state;
    assert_int_equal(cconc_chan_try_recv(ch, &value), EAGAIN);
    assert_int_equal(cconc_chan_try_send(ch, &value), 0);
    value = 2;
    assert_int_equal(cconc_chan_try_send(ch, &value), EAGAIN);
    assert_int_equal(cconc_chan_len(ch), 1);
    assert_int_equal(chan_take(ch), 1);
    cconc_chan_free(ch);
}

static void chan_try_on_a_rendezvous_without_partner_would_wait(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 0);
    int value = 1;
    (void)state;
    assert_int_equal(cconc_chan_try_send(ch, &value), EAGAIN);
    assert_int_equal(cconc_chan_try_recv(ch, &value), EAGAIN);
    assert_int_equal(chan_senders(ch), 0);
    assert_int_equal(chan_receivers(ch), 0);
    cconc_chan_free(ch);
}

static void chan_failed_calls_leave_output_and_errno_alone(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 1);
    cconc_ctx *cancelled = ctx_make_cancelled();
    cconc_ctx_mem mem;
    int value = 42;
    (void)state;
    errno = 4711;
    assert_int_equal(cconc_chan_try_recv(ch, &value), EAGAIN);
    assert_int_equal(cconc_chan_recv(ch, cancelled, &value), ECANCELED);
    assert_int_equal(cconc_chan_recv(ch, ctx_for(&mem, CCONC_MS), &value), ETIMEDOUT);
    assert_int_equal(cconc_chan_send(ch, cancelled, &value), ECANCELED);
    assert_int_equal(cconc_chan_close(ch), 0);
    assert_int_equal(cconc_chan_try_recv(ch, &value), EPIPE);
    assert_int_equal(cconc_chan_recv(ch, NULL, &value), EPIPE);
    assert_int_equal(value, 42);
    assert_int_equal(errno, 4711);
    cconc_ctx_free(cancelled);
    cconc_chan_free(ch);
}

/* The plain queue that a channel is compared with. */
struct reference {
    int    values[64];
    size_t head;
    size_t len;
};

static void compare_one_step(cconc_chan *ch, struct reference *ref, bool is_send, int value)
{
    size_t cap = cconc_chan_cap(ch);
    if (is_send) {
        assert_int_equal(cconc_chan_try_send(ch, &value), ref->len == cap ? EAGAIN : 0);
        if (ref->len < cap) {
            ref->values[(ref->head + ref->len++) % cap] = value;
        }
    } else {
        int got = -1;
        assert_int_equal(cconc_chan_try_recv(ch, &got), ref->len == 0 ? EAGAIN : 0);
        if (ref->len > 0) {
            assert_int_equal(got, ref->values[ref->head]);
            ref->head = (ref->head + 1) % cap;
            ref->len--;
        }
    }
    assert_int_equal(cconc_chan_len(ch), ref->len);
}

static void chan_agrees_with_a_plain_queue_at_every_step(void **state)
{
    static const size_t caps[] = {1, 2, 3, 4, 5, 7, 8, 9, 63, 64};
    (void)state;
    for (size_t c = 0; c < sizeof(caps) / sizeof(caps[0]); c++) {
        struct support_random random = support_random_make(20250101, caps[c]);
        struct reference ref = {{0}, 0, 0};
        cconc_chan *ch = chan_make(sizeof(int), caps[c]);
        for (int step = 0; step < 20000; step++) {
            /* Long tides, so that both ends are met. */
            uint32_t tide = (step / 500) % 2 == 0 ? 6 : 4;
            compare_one_step(ch, &ref, support_random_below(&random, 10) < tide, step);
        }
        cconc_chan_free(ch);
    }
}

/* ---- deadline, cancel ----------------------------------------------------------------------- */

static void chan_calls_with_a_done_context_do_nothing_though_ready(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 4);
    cconc_ctx *cancelled = ctx_make_cancelled();
    cconc_ctx_mem mem;
    cconc_ctx *late = cconc_ctx_until(&mem, NULL, 0);
    int values[2] = {1, 2};
    size_t count = 9;
    (void)state;
    assert_int_equal(cconc_chan_try_send(ch, &values[0]), 0);
    assert_int_equal(cconc_chan_send(ch, cancelled, &values[1]), ECANCELED);
    assert_int_equal(cconc_chan_send(ch, late, &values[1]), ETIMEDOUT);
    assert_int_equal(cconc_chan_recv(ch, cancelled, &values[1]), ECANCELED);
    assert_int_equal(cconc_chan_recv(ch, late, &values[1]), ETIMEDOUT);
    assert_int_equal(cconc_chan_send_n(ch, cancelled, values, 2, &count), ECANCELED);
    assert_int_equal(count, 0);
    count = 9;
    assert_int_equal(cconc_chan_recv_n(ch, late, values, 2, &count), ETIMEDOUT);
    assert_int_equal(count, 0);
    assert_int_equal(values[1], 2);
    assert_int_equal(cconc_chan_len(ch), 1);
    cconc_ctx_free(cancelled);
    cconc_chan_free(ch);
}

static void chan_calls_look_at_the_context_before_the_channel(void **state)
{
    cconc_chan *ch = chan_make(sizeof(int), 1);
    cconc_ctx *cancelled = ctx_make_cancelled();
    int value = 1;
    (void)state;
    assert_int_equal(cconc_chan_close(ch), 0);
    assert_int_equal(cconc_chan_send(ch, cancelled, &value), ECANCELED);
    assert_int_equal(cconc_chan_recv(ch, cancelled, &value), ECANCELED);
    assert_int_equal(cconc_chan_send(NULL, cancelled, &value), ECANCELED);
    assert_int_equal(cconc_chan_recv(NULL, cancelled, &value), ECANCELED);
    cconc_ctx_free(cancelled);
    cconc_chan_free(ch);
}

static void chan_deadlines_are_met_from_the_grid_of_times(void **state)
{
    static const int64_t past[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1};
    cconc_chan *ch = chan_make(sizeof(int), 1);
    int value = 1;
    (void)state;
    for (size_t i = 0; i < sizeof(past) / sizeof(past[0]); i++) {
        cconc_ctx_mem mem;
        cconc_ctx *ctx = cconc_ctx_until(&mem, NULL, past[i]);
        assert_int_equal(cconc_chan_recv(ch, ctx, &value), ETIMEDOUT);
        assert_int_equal(cconc_ctx_err(ctx), ETIMEDOUT);
    }
    static const int64_t soon[] = {1, 999, 100 * CCONC_US, 3 * CCONC_MS};
    for (size_t i = 0; i < sizeof(soon) / sizeof(soon[0]); i++) {
        cconc_ctx_mem mem;
        int64_t deadline_ns = cconc_clock_after(soon[i]);
        cconc_ctx *ctx = cconc_ctx_until(&mem, NULL, deadline_ns);
        assert_int_equal(cconc_chan_recv(ch, ctx, &value), ETIMEDOUT);
        assert_true(cconc_clock_now() >= deadline_ns);
        assert_int_equal(cconc_ctx_err(ctx), ETIMEDOUT);
    }
    static const int64_t far[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX / 2};
    assert_int_equal(cconc_chan_try_send(ch, &value), 0);
    for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
        cconc_ctx_mem mem;
        cconc_ctx *ctx = cconc_ctx_until(&mem, NULL, far[i]);
        assert_int_equal(cconc_chan_recv(ch, ctx, &value), 0);
        assert_int_equal(cconc_chan_send(ch, ctx, &value), 0);
    }
    cconc_chan_free(ch);
}

/* ---- faults --------------------------------------------------------------------------------- */

static void make_use_and_free(void *arg)
{
    static const size_t caps[] = {0, 1, 5};
    cconc_chan_opts opts = {0};
    (void)arg;
    for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
        cconc_chan *ch = NULL;
        int value = 3;
        cconc_ctx_mem mem;
        int err = cconc_chan_new_opts(sizeof(int), caps[i], &opts, &ch);
        if (err) {
            SUPPORT_CHECK(err == ENOMEM && ch == NULL);
            continue;
        }
        SUPPORT_CHECK(cconc_chan_try_send(ch, &value) == (caps[i] ? 0 : EAGAIN));
        SUPPORT_CHECK(cconc_chan_try_recv(ch, &value) == (caps[i] ? 0 : EAGAIN));
        SUPPORT_CHECK(cconc_chan_recv(ch, ctx_for(&mem, 100 * CCONC_US), &value) == ETIMEDOUT);
        SUPPORT_CHECK(cconc_chan_close(ch) == 0);
        cconc_chan_free(ch);
    }
}

static void chan_survives_every_failing_allocation(void **state)
{
    (void)state;
    assert_true(support_sweep_alloc(make_use_and_free, NULL) > 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(chan_gives_values_in_the_order_they_went_in),
        UNIT_TEST(chan_keeps_a_copy_of_what_was_sent),
        UNIT_TEST(chan_new_without_out_pointer_is_invalid),
        UNIT_TEST(chan_new_refuses_sizes_that_do_not_fit_without_allocating),
        UNIT_TEST(chan_new_of_more_than_there_is_gives_ENOMEM),
        UNIT_TEST(chan_of_the_largest_capacity_fills_and_drains),
        UNIT_TEST(chan_send_of_NULL_is_invalid_before_anything_else),
        UNIT_TEST(chan_of_empty_elements_needs_no_pointers),
        UNIT_TEST(chan_recv_into_NULL_throws_the_element_away),
        UNIT_TEST(chan_len_and_cap_of_a_rendezvous_are_zero),
        UNIT_TEST(chan_NULL_is_never_ready),
        UNIT_TEST(chan_NULL_with_a_context_that_never_ends_is_a_deadlock),
        UNIT_TEST(chan_try_reports_full_and_empty),
        UNIT_TEST(chan_try_on_a_rendezvous_without_partner_would_wait),
        UNIT_TEST(chan_failed_calls_leave_output_and_errno_alone),
        UNIT_TEST(chan_agrees_with_a_plain_queue_at_every_step),
        UNIT_TEST(chan_calls_with_a_done_context_do_nothing_though_ready),
        UNIT_TEST(chan_calls_look_at_the_context_before_the_channel),
        UNIT_TEST(chan_deadlines_are_met_from_the_grid_of_times),
        UNIT_TEST(chan_survives_every_failing_allocation),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
