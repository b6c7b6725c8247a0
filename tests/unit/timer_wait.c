/* timer_wait.c - timers that threads wait for
 * SPDX-License-Identifier: MIT
 *
 * Risk      A value that comes early, twice, or after stop or reset; a waiter that a reset forgets,
 *           that an earlier due time does not wake, or that another overtakes; a stop that tells
 *           the wrong thing.
 * Method    Due times in the past for what must be there, far in the future for what must not;
 *           waiters that are seen to be blocked before anything changes.
 * Catches   T2 T4 T5 T8 T9 T11; I1 I4 I7 I9 I12 I14 I18 I19; rules time-1 time-2 time-3 time-4
 *           time-7 all-3 all-4 all-5 all-7 all-10 all-13.
 */
#include "time_help.h"

#include <errno.h>
#include <pthread.h>

#define ERRNO_MARK 7777

/* ---- smoke ---------------------------------------------------------------------------------- */

static void timer_gives_its_due_time_once_and_never_early(void **state)
{
    static const int64_t delays[] = {INT64_MIN, -1, 0, 1, CCONC_US, 3 * CCONC_MS};
    (void)state;
    for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
        int64_t due_ns = -1;
        int64_t before_ns = cconc_clock_after(delays[i]);
        cconc_timer *timer = timer_make(delays[i]);
        int64_t after_ns = cconc_clock_after(delays[i]);
        assert_int_equal(cconc_timer_wait(timer, NULL, &due_ns), 0);
        assert_true(cconc_clock_now() >= due_ns);
        assert_true(before_ns <= due_ns && due_ns <= after_ns);
        assert_int_equal(cconc_timer_try_wait(timer, &due_ns), EAGAIN);
        cconc_timer_free(timer);
    }
}

static void timer_value_waits_for_its_receiver(void **state)
{
    int64_t due_ns = -1;
    cconc_timer *timer = timer_make(0);
    (void)state;
    pass_time(CCONC_MS);
    assert_int_equal(cconc_timer_try_wait(timer, &due_ns), 0);
    assert_true(due_ns <= cconc_clock_now() - CCONC_MS);
    cconc_timer_reset(timer, 0);
    assert_int_equal(cconc_timer_try_wait(timer, NULL), 0);
    cconc_timer_free(timer);
    cconc_timer_free(NULL);
}

/* ---- limits --------------------------------------------------------------------------------- */

static void timer_beyond_the_range_of_the_clock_is_never_due(void **state)
{
    static const int64_t delays[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX / 2};
    int64_t due_ns = -1;
    (void)state;
    for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
        cconc_ctx_mem mem;
        cconc_timer *timer = timer_make(delays[i]);
        assert_int_equal(cconc_timer_try_wait(timer, &due_ns), EAGAIN);
        assert_int_equal(cconc_timer_wait(timer, ctx_for(&mem, CCONC_US), &due_ns), ETIMEDOUT);
        assert_true(cconc_timer_stop(timer));
        cconc_timer_free(timer);
    }
    assert_int_equal(due_ns, -1);
}

static void timer_refuses_what_cannot_be(void **state)
{
    cconc_timer *timer = NULL;
    int64_t due_ns = -1;
    (void)state;
    errno = ERRNO_MARK;
    assert_int_equal(cconc_timer_new(0, NULL), EINVAL);
    assert_int_equal(cconc_timer_new_func(0, NULL, NULL, &timer), EINVAL);
    assert_int_equal(cconc_timer_new_func(0, counter_count, NULL, NULL), EINVAL);
    assert_null(timer);
    timer = timer_make_func(CCONC_NEVER, counter_count, NULL);
    assert_int_equal(cconc_timer_wait(timer, NULL, &due_ns), EINVAL);
    assert_int_equal(cconc_timer_try_wait(timer, &due_ns), EINVAL);
    assert_int_equal(cconc_timer_waiters(timer), 0);
    assert_int_equal(due_ns, -1);
    cconc_timer_free(timer);
    assert_int_equal(errno, ERRNO_MARK);
}

/* ---- stop and reset ------------------------------------------------------------------------- */

static void timer_stop_tells_whether_a_value_was_still_to_come(void **state)
{
    cconc_timer *timer = timer_make(60 * CCONC_SECOND);
    (void)state;
    assert_true(cconc_timer_stop(timer)); /* before its time */
    assert_false(cconc_timer_stop(timer));
    assert_false(cconc_timer_reset(timer, 0));
    pass_time(CCONC_US);
    assert_true(cconc_timer_stop(timer)); /* past it, and not received */
    assert_false(cconc_timer_reset(timer, 0));
    assert_int_equal(cconc_timer_wait(timer, NULL, NULL), 0);
    assert_false(cconc_timer_stop(timer)); /* received */
    assert_false(cconc_timer_stop_wait(timer));
    cconc_timer_free(timer);
}

static void timer_reset_tells_the_same_and_starts_anew(void **state)
{
    int64_t due_ns = -1;
    cconc_timer *timer = timer_make(60 * CCONC_SECOND);
    (void)state;
    assert_true(cconc_timer_reset(timer, 0));
    assert_true(cconc_timer_reset(timer, 0)); /* due, and not received */
    assert_int_equal(cconc_timer_wait(timer, NULL, NULL), 0);
    int64_t before_ns = cconc_clock_after(CCONC_MS);
    assert_false(cconc_timer_reset(timer, CCONC_MS));
    assert_int_equal(cconc_timer_wait(timer, NULL, &due_ns), 0);
    assert_true(due_ns >= before_ns);
    cconc_timer_free(timer);
}

static void timer_gives_nothing_of_the_past_after_stop_or_reset(void **state)
{
    cconc_timer *timer = timer_make(0);
    cconc_ctx_mem mem;
    (void)state;
    for (int i = 0; i < 100; i++) {
        cconc_timer_reset(timer, 0);
        if (i % 2) { /* its value is there and would be given */
            pass_time(CCONC_US);
        }
        assert_true(cconc_timer_reset(timer, 60 * CCONC_SECOND));
        assert_int_equal(cconc_timer_try_wait(timer, NULL), EAGAIN);
        assert_int_equal(cconc_timer_wait(timer, ctx_for(&mem, CCONC_US), NULL), ETIMEDOUT);
        cconc_timer_reset(timer, 0);
        assert_true(cconc_timer_stop(timer));
        assert_int_equal(cconc_timer_try_wait(timer, NULL), EPIPE);
        assert_int_equal(cconc_timer_wait(timer, NULL, NULL), EPIPE);
    }
    cconc_timer_free(timer);
}

static void timer_stop_ends_every_blocked_wait_and_reset_lets_them_in_again(void **state)
{
    struct sleeper sleepers[3] = {{.plain = NULL}};
    cconc_timer *timer = timer_make(CCONC_NEVER);
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        sleeper_start_timer(&sleepers[i], timer, NULL);
        until(cconc_timer_waiters(timer) == i + 1);
    }
    assert_true(cconc_timer_stop(timer));
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(sleeper_end(&sleepers[i]), EPIPE);
        assert_int_equal(sleepers[i].due_ns, -1);
    }
    assert_int_equal(cconc_timer_waiters(timer), 0);
    assert_int_equal(cconc_timer_wait(timer, NULL, NULL), EPIPE);
    cconc_timer_reset(timer, 0);
    assert_int_equal(cconc_timer_wait(timer, NULL, NULL), 0);
    cconc_timer_free(timer);
}

/* ---- blocking ------------------------------------------------------------------------------- */

static void timer_waits_live_through_resets_and_one_expiry_serves_one_in_order(void **state)
{
    struct sleeper sleepers[3] = {{.plain = NULL}};
    cconc_timer *timer = timer_make(60 * CCONC_SECOND);
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        sleeper_start_timer(&sleepers[i], timer, NULL);
        until(cconc_timer_waiters(timer) == i + 1);
    }
    assert_true(cconc_timer_reset(timer, 120 * CCONC_SECOND));
    assert_int_equal(cconc_timer_waiters(timer), 3);
    for (size_t i = 0; i < 3; i++) {
        int64_t before_ns = cconc_clock_after(CCONC_MS);
        assert_int_equal(cconc_timer_reset(timer, CCONC_MS), i == 0); /* an earlier due time */
        assert_int_equal(sleeper_end(&sleepers[i]), 0);
        assert_true(sleepers[i].due_ns >= before_ns);
        assert_true(sleepers[i].ended_ns >= sleepers[i].due_ns);
        assert_int_equal(cconc_timer_waiters(timer), 2 - i);
    }
    cconc_timer_free(timer);
}

static void timer_moved_to_later_keeps_its_waiter_that_long(void **state)
{
    struct sleeper sleeper = {.plain = NULL};
    cconc_timer *timer = timer_make(5 * CCONC_MS);
    (void)state;
    sleeper_start_timer(&sleeper, timer, NULL);
    until(cconc_timer_waiters(timer) == 1 || atomic_load(&sleeper.is_over));
    int64_t before_ns = cconc_clock_after(15 * CCONC_MS);
    if (cconc_timer_reset(timer, 15 * CCONC_MS)) { /* on a slow machine it is over by now */
        assert_int_equal(sleeper_end(&sleeper), 0);
        assert_true(sleeper.due_ns >= before_ns);
    } else {
        assert_int_equal(sleeper_end(&sleeper), 0);
    }
    cconc_timer_free(timer);
}

static void timer_value_goes_to_the_next_when_the_first_leaves(void **state)
{
    struct sleeper first = {.plain = NULL};
    struct sleeper second = {.plain = NULL};
    cconc_ctx *ctx = ctx_make();
    cconc_timer *timer = timer_make(20 * CCONC_MS);
    (void)state;
    sleeper_start_timer(&first, timer, ctx);
    until(cconc_timer_waiters(timer) == 1 || atomic_load(&first.is_over));
    sleeper_start_timer(&second, timer, NULL);
    until(cconc_timer_waiters(timer) == 2 || atomic_load(&first.is_over));
    cconc_ctx_cancel(ctx);          /* it kept the time for both */
    if (sleeper_end(&first) == 0) { /* a slow machine */
        cconc_timer_reset(timer, 0);
    }
    assert_int_equal(sleeper_end(&second), 0);
    assert_true(second.ended_ns >= second.due_ns);
    cconc_timer_free(timer);
    cconc_ctx_free(ctx);
}

/* ---- deadline and cancel -------------------------------------------------------------------- */

static void timer_wait_ends_with_its_context(void **state)
{
    struct sleeper sleeper = {.plain = NULL};
    cconc_ctx *ctx = ctx_make();
    cconc_ctx_mem mem;
    cconc_timer *timer = timer_make(60 * CCONC_SECOND);
    (void)state;
    sleeper_start_timer(&sleeper, timer, ctx);
    until(cconc_timer_waiters(timer) == 1);
    cconc_ctx_cancel(ctx);
    assert_int_equal(sleeper_end(&sleeper), ECANCELED);
    int64_t deadline_ns = cconc_clock_after(CCONC_MS);
    cconc_ctx *bound = cconc_ctx_until(&mem, NULL, deadline_ns);
    assert_int_equal(cconc_timer_wait(timer, bound, NULL), ETIMEDOUT);
    assert_true(support_now_ns() >= deadline_ns);
    assert_int_equal(cconc_ctx_err(bound), ETIMEDOUT);
    assert_true(cconc_timer_stop(timer)); /* nothing was lost */
    cconc_timer_free(timer);
    cconc_ctx_free(ctx);
}

static void timer_wait_under_a_done_context_takes_nothing(void **state)
{
    cconc_ctx *done = ctx_make_cancelled();
    cconc_timer *timer = timer_make(0);
    (void)state;
    assert_int_equal(cconc_timer_wait(timer, done, NULL), ECANCELED);
    assert_int_equal(cconc_timer_wait(timer, NULL, NULL), 0);
    cconc_timer_free(timer);
    cconc_ctx_free(done);
}

static void timer_wait_is_no_cancellation_point_and_notices_no_signal(void **state)
{
    struct sleeper sleeper = {.plain = NULL};
    cconc_timer *timer = timer_make(CCONC_NEVER);
    (void)state;
    sleeper_start_timer(&sleeper, timer, NULL);
    until(cconc_timer_waiters(timer) == 1);
    support_threads_cancel(sleeper.thread, 0);
    support_signal_rain(true);
    assert_int_equal(cconc_timer_waiters(timer), 1);
    cconc_timer_reset(timer, 2 * CCONC_MS);
    assert_int_equal(sleeper_end(&sleeper), 0);
    for (int i = 0; i < 5; i++) {
        int64_t due_ns = -1;
        cconc_timer_reset(timer, CCONC_MS);
        assert_int_equal(cconc_timer_wait(timer, NULL, &due_ns), 0);
        assert_true(cconc_clock_now() >= due_ns);
    }
    support_signal_rain(false);
    cconc_timer_free(timer);
}

/* ---- select --------------------------------------------------------------------------------- */

static void timer_case_fires_with_the_due_time(void **state)
{
    static const int64_t delays[] = {0, 2 * CCONC_MS};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        int64_t due_ns = -1;
        size_t fired = 99;
        cconc_timer *timer = timer_make(delays[i]);
        cconc_select_case cases[] = {cconc_select_timer(NULL, NULL),
                                     cconc_select_timer(timer, &due_ns)};
        assert_int_equal(cconc_select(cases, 2, 0, &fired), 0);
        assert_int_equal(fired, 1);
        assert_true(cconc_clock_now() >= due_ns && due_ns > 0);
        assert_int_equal(cconc_select(cases, 2, CCONC_SELECT_TRY, &fired), EAGAIN);
        cconc_timer_free(timer);
    }
}

static void timer_case_of_a_function_timer_is_refused(void **state)
{
    size_t fired = 99;
    cconc_timer *timer = timer_make_func(CCONC_NEVER, counter_count, NULL);
    cconc_select_case one = cconc_select_timer(timer, NULL);
    cconc_select_case none = cconc_select_timer(NULL, NULL);
    (void)state;
    assert_int_equal(cconc_select(&one, 1, CCONC_SELECT_TRY, &fired), EINVAL);
    assert_int_equal(cconc_select(&one, 1, 0, &fired), EINVAL);
    assert_int_equal(cconc_select(&none, 1, 0, &fired), EDEADLK);
    assert_int_equal(fired, 99);
    cconc_timer_free(timer);
}

static void timer_case_that_is_stopped_is_merely_not_ready(void **state)
{
    struct picker picker;
    cconc_timer *timer = timer_make(60 * CCONC_SECOND);
    (void)state;
    cconc_timer_stop(timer);
    cconc_select_case one = cconc_select_timer(timer, NULL);
    assert_int_equal(cconc_select(&one, 1, CCONC_SELECT_TRY, NULL), EAGAIN);
    picker_start(&picker, &one, 1);
    until(cconc_timer_waiters(timer) == 1);
    cconc_timer_reset(timer, 60 * CCONC_SECOND);
    assert_true(cconc_timer_stop(timer)); /* ends plain waits alone */
    assert_int_equal(cconc_timer_waiters(timer), 1);
    assert_false(cconc_timer_reset(timer, CCONC_MS));
    assert_int_equal(picker_end(&picker), 0);
    cconc_timer_free(timer);
}

static void timer_cases_and_plain_waits_are_served_in_order(void **state)
{
    struct picker picker;
    struct sleeper plain = {.plain = NULL};
    int64_t due_ns = -1;
    cconc_timer *timer = timer_make(10 * CCONC_MS);
    cconc_select_case one = cconc_select_timer(timer, &due_ns);
    (void)state;
    picker_start(&picker, &one, 1);
    until(cconc_timer_waiters(timer) == 1 || atomic_load(&picker.is_over));
    sleeper_start_timer(&plain, timer, NULL);
    assert_int_equal(picker_end(&picker), 0); /* the first to come has the first value */
    assert_true(due_ns > 0);
    until(cconc_timer_waiters(timer) == 1);
    assert_false(cconc_timer_reset(timer, 0));
    assert_int_equal(sleeper_end(&plain), 0);
    assert_true(plain.due_ns > due_ns);
    cconc_timer_free(timer);
}

static void timer_case_that_loses_leaves_no_trace(void **state)
{
    cconc_timer *near = timer_make(2 * CCONC_MS);
    cconc_timer *far = timer_make(60 * CCONC_SECOND);
    cconc_select_case cases[] = {cconc_select_timer(far, NULL), cconc_select_timer(near, NULL),
                                 cconc_select_until(CCONC_NEVER)};
    size_t fired = 99;
    (void)state;
    assert_int_equal(cconc_select(cases, 3, 0, &fired), 0);
    assert_int_equal(fired, 1);
    assert_int_equal(cconc_timer_waiters(far), 0);
    assert_true(cconc_timer_stop(far));
    cconc_timer_reset(near, 60 * CCONC_SECOND);
    cases[2] = cconc_select_until(cconc_clock_after(CCONC_MS));
    assert_int_equal(cconc_select(cases, 3, 0, &fired), ETIMEDOUT);
    assert_int_equal(fired, 2);
    cconc_timer_free(near);
    cconc_timer_free(far);
}

/* ---- orders, faults, misuse ----------------------------------------------------------------- */

static void timer_wait_sees_what_came_before_reset(void **state)
{
    struct sleeper sleeper = {.plain = NULL};
    int plain = 0;
    cconc_timer *timer = timer_make(CCONC_NEVER);
    (void)state;
    for (int i = 1; i <= 50; i++) {
        sleeper.plain = &plain;
        sleeper_start_timer(&sleeper, timer, NULL);
        until(cconc_timer_waiters(timer) == 1);
        plain = i;
        cconc_timer_reset(timer, i % 2 ? 0 : 50 * CCONC_US);
        assert_int_equal(sleeper_end(&sleeper), 0);
        assert_int_equal(sleeper.saw, i);
    }
    cconc_timer_free(timer);
}

static void timer_needs_no_memory_after_new(void **state)
{
    struct sleeper sleepers[2] = {{.plain = NULL}};
    cconc_timer *timer = timer_make(CCONC_NEVER);
    (void)state;
    pass_time(0);
    for (size_t i = 0; i < 2; i++) {
        sleeper_start_timer(&sleepers[i], timer, NULL);
        until(cconc_timer_waiters(timer) == i + 1);
    }
    uint64_t allocations = support_alloc_count();
    for (size_t i = 0; i < 2; i++) {
        cconc_timer_reset(timer, 100 * CCONC_US);
        assert_int_equal(sleeper_end(&sleepers[i]), 0);
    }
    cconc_timer_stop(timer);
    cconc_timer_free(timer);
    assert_int_equal(support_alloc_count(), allocations);
}

static void make_wait_and_free(void *arg)
{
    cconc_timer *timer = NULL;
    int64_t due_ns = -1;
    (void)arg;
    int err = cconc_timer_new(50 * CCONC_US, &timer);
    SUPPORT_CHECK(err == 0 || (err == ENOMEM && !timer));
    if (!err) {
        SUPPORT_CHECK(cconc_timer_wait(timer, NULL, &due_ns) == 0 && due_ns > 0);
        cconc_timer_free(timer);
    }
}

static void timer_survives_every_failed_allocation_and_thread(void **state)
{
    (void)state;
    assert_true(support_sweep_alloc(make_wait_and_free, NULL) >= 2);
    assert_true(support_sweep_thread(make_wait_and_free, NULL) >= 1);
}

static void timer_free_with_blocked_waiters_is_misuse(void **state)
{
    struct sleeper sleepers[2] = {{.plain = NULL}};
    cconc_timer *timer = timer_make(CCONC_NEVER);
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        sleeper_start_timer(&sleepers[i], timer, NULL);
        until(cconc_timer_waiters(timer) == i + 1);
    }
    expect_misuse("timer free with 2 waiters", cconc_timer_free(timer));
    cconc_timer_stop(timer);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(sleeper_end(&sleepers[i]), EPIPE);
    }
    cconc_timer_free(timer);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(timer_gives_its_due_time_once_and_never_early),
        UNIT_TEST(timer_value_waits_for_its_receiver),
        UNIT_TEST(timer_beyond_the_range_of_the_clock_is_never_due),
        UNIT_TEST(timer_refuses_what_cannot_be),
        UNIT_TEST(timer_stop_tells_whether_a_value_was_still_to_come),
        UNIT_TEST(timer_reset_tells_the_same_and_starts_anew),
        UNIT_TEST(timer_gives_nothing_of_the_past_after_stop_or_reset),
        UNIT_TEST(timer_stop_ends_every_blocked_wait_and_reset_lets_them_in_again),
        UNIT_TEST(timer_waits_live_through_resets_and_one_expiry_serves_one_in_order),
        UNIT_TEST(timer_moved_to_later_keeps_its_waiter_that_long),
        UNIT_TEST(timer_value_goes_to_the_next_when_the_first_leaves),
        UNIT_TEST(timer_wait_ends_with_its_context),
        UNIT_TEST(timer_wait_under_a_done_context_takes_nothing),
        UNIT_TEST(timer_wait_is_no_cancellation_point_and_notices_no_signal),
        UNIT_TEST(timer_case_fires_with_the_due_time),
        UNIT_TEST(timer_case_of_a_function_timer_is_refused),
        UNIT_TEST(timer_case_that_is_stopped_is_merely_not_ready),
        UNIT_TEST(timer_cases_and_plain_waits_are_served_in_order),
        UNIT_TEST(timer_case_that_loses_leaves_no_trace),
        UNIT_TEST(timer_wait_sees_what_came_before_reset),
        UNIT_TEST(timer_needs_no_memory_after_new),
        UNIT_TEST(timer_survives_every_failed_allocation_and_thread),
        UNIT_TEST(timer_free_with_blocked_waiters_is_misuse),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
