/* parker.c - unit tests of the parker: a wake is kept until it is taken, and taken once
 * SPDX-License-Identifier: MIT
 *
 * Risk      A wake lost or taken twice, a sleep that ends early or without a wake, a late waker
 *           that harms the next wait.
 * Method    The owner is seen asleep before it is woken; wakes race deadlines that are near; the
 *           condition variable is signalled behind the parker's back.
 * Catches   S5 S6 S8 S12, I8 I9 I12 I18; invariants I1 to I3 of plat/parker.c.
 */
#include "chan_help.h"

#include "plat/parker.h"

#include <pthread.h>
#include <stdatomic.h>

/* A park in a thread of its own. */
struct sleeper {
    parker     *p;
    int64_t     deadline_ns;
    bool        woken;
    int         told; /* plain: what the waker wrote is seen after the wake */
    int         heard;
    atomic_bool returned;
};

static void sleep_in_parker(void *arg, size_t index)
{
    struct sleeper *s = arg;
    (void)index;
    s->woken = cconc__parker_park(s->p, s->deadline_ns);
    s->heard = s->told;
    atomic_store(&s->returned, true);
    pthread_testcancel();
}

static struct support_threads *sleeper_start(struct sleeper *s, parker *p)
{
    *s = (struct sleeper){.p = p, .deadline_ns = CCONC_NEVER};
    struct support_threads *threads = support_threads_start(1, sleep_in_parker, s);
    until(parker_is_parked(p));
    return threads;
}

/* ---- smoke ---------------------------------------------------------------------------------- */

static void parker_keeps_a_wake_that_comes_first(void **state)
{
    parker p;
    (void)state;
    assert_int_equal(cconc__parker_init(&p), 0);
    assert_false(cconc__parker_unpark(&p));
    assert_true(cconc__parker_park(&p, CCONC_NEVER));
    assert_false(cconc__parker_unpark(&p));
    assert_true(cconc__parker_park(&p, 0)); /* also if the deadline has passed */
    assert_false(cconc__parker_unpark(&p));
    assert_true(parker_poll(&p));
    cconc__parker_destroy(&p);
}

static void parker_gives_a_wake_once(void **state)
{
    parker p;
    (void)state;
    assert_int_equal(cconc__parker_init(&p), 0);
    assert_false(parker_poll(&p));
    for (int i = 0; i < 3; i++) {
        assert_false(cconc__parker_unpark(&p)); /* there is at most one */
    }
    assert_true(parker_poll(&p));
    assert_false(parker_poll(&p));
    assert_false(cconc__parker_unpark(&p));
    assert_true(cconc__parker_park(&p, CCONC_NEVER));
    assert_false(cconc__parker_park(&p, cconc_clock_now()));
    assert_false(parker_poll(&p));
    cconc__parker_destroy(&p);
}

/* ---- blocking ------------------------------------------------------------------------------- */

static void parker_wakes_a_sleeping_owner_who_sees_what_the_waker_wrote(void **state)
{
    parker p;
    (void)state;
    assert_int_equal(cconc__parker_init(&p), 0);
    for (int i = 1; i <= MANY(200, 50); i++) {
        struct sleeper s;
        struct support_threads *threads = sleeper_start(&s, &p);
        s.told = i;
        assert_true(cconc__parker_unpark(&p));
        support_threads_join(threads);
        assert_true(s.woken);
        assert_int_equal(s.heard, i);
        assert_false(parker_is_parked(&p));
        assert_false(parker_is_in_use(&p));
        assert_false(parker_poll(&p));
    }
    cconc__parker_destroy(&p);
}

/* What a waker does last may come when the owner has parked again. */
static void parker_sleeps_on_after_a_late_signal(void **state)
{
    parker p;
    struct sleeper s;
    (void)state;
    assert_int_equal(cconc__parker_init(&p), 0);
    struct support_threads *threads = sleeper_start(&s, &p);
    for (int i = 0; i < 1000; i++) {
        plat_mutex_lock(&p.mu);
        plat_mutex_unlock(&p.mu);
        cconc__cond_signal(&p.cond);
        plat_cpu_yield();
    }
    assert_false(atomic_load(&s.returned));
    assert_true(cconc__parker_unpark(&p));
    support_threads_join(threads);
    assert_true(s.woken);
    cconc__parker_destroy(&p);
}

/* ---- deadline ------------------------------------------------------------------------------- */

static void parker_times_out_at_its_deadline_and_not_before(void **state)
{
    static const int64_t durations[] = {1, CCONC_US, CCONC_MS, 3 * CCONC_MS, 20 * CCONC_MS};
    static const int64_t past[] = {INT64_MIN, -1, 0, 1};
    parker p;
    (void)state;
    assert_int_equal(cconc__parker_init(&p), 0);
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        int64_t deadline_ns = cconc_clock_now() + durations[i];
        assert_false(cconc__parker_park(&p, deadline_ns));
        assert_true(cconc_clock_now() >= deadline_ns);
    }
    for (size_t i = 0; i < sizeof(past) / sizeof(past[0]); i++) {
        assert_false(cconc__parker_park(&p, past[i]));
        assert_false(parker_is_parked(&p));
    }
    assert_false(cconc__parker_unpark(&p)); /* the owner is awake, and the parker still works */
    assert_true(cconc__parker_park(&p, CCONC_NEVER));
    cconc__parker_destroy(&p);
}

static void parker_sleeps_until_woken_where_the_deadline_is_far(void **state)
{
    static const int64_t far[] = {CCONC_NEVER, CCONC_NEVER - 1, CCONC_NEVER / 2};
    parker p;
    (void)state;
    assert_int_equal(cconc__parker_init(&p), 0);
    for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
        struct sleeper s = {.p = &p, .deadline_ns = far[i]};
        struct support_threads *threads = support_threads_start(1, sleep_in_parker, &s);
        until(parker_is_parked(&p));
        assert_true(cconc__parker_unpark(&p));
        support_threads_join(threads);
        assert_true(s.woken);
    }
    cconc__parker_destroy(&p);
}

static void wake_parker(void *arg, size_t index)
{
    (void)index;
    (void)cconc__parker_unpark(arg);
}

/* Whichever comes first, the one wake is taken once, by the park or after it. */
static void parker_loses_no_wake_to_a_deadline(void **state)
{
    struct support_random random = support_random_make(20250201, 0);
    int64_t begin_ns = cconc_clock_now();
    int late = 0;
    parker p;
    (void)state;
    assert_int_equal(cconc__parker_init(&p), 0);
    for (int round = 0; round < MANY(2000, 300) && time_is_left(begin_ns); round++) {
        struct support_threads *waker = support_threads_start(1, wake_parker, &p);
        int64_t duration_ns = support_random_below(&random, 60000);
        if (!cconc__parker_park(&p, cconc_clock_after(duration_ns))) {
            late++;
            until(parker_poll(&p));
        }
        assert_false(parker_poll(&p));
        support_threads_join(waker);
        assert_false(parker_poll(&p));
        assert_false(parker_is_in_use(&p));
    }
    print_message("%d after the deadline\n", late);
    cconc__parker_destroy(&p);
}

/* ---- the clock ------------------------------------------------------------------------------ */

static void rest_in_parker(void *arg, size_t index)
{
    struct sleeper *s = arg;
    (void)index;
    s->woken = cconc__parker_rest(s->p, s->deadline_ns);
    atomic_store(&s->returned, true);
}

static void parker_tells_until_when_its_owner_sleeps_and_is_called_once(void **state)
{
    struct sleeper s = {.deadline_ns = 0};
    parker p;
    (void)state;
    assert_int_equal(cconc__parker_init(&p), 0);
    assert_true(cconc__parker_until(&p) == CCONC_NEVER);
    assert_false(cconc__parker_call(&p, CCONC_NEVER, true)); /* awake */
    s.p = &p;
    s.deadline_ns = cconc_clock_after(60 * CCONC_SECOND);
    struct support_threads *threads = support_threads_start(1, sleep_in_parker, &s);
    until(cconc__parker_until(&p) == s.deadline_ns);
    assert_false(cconc__parker_call(&p, s.deadline_ns - 1, true));
    assert_true(cconc__parker_call(&p, s.deadline_ns, true));
    assert_true(parker_is_in_use(&p));
    assert_false(cconc__parker_call(&p, s.deadline_ns, true));
    cconc__parker_ring(&p); /* it looks at the clock, and sleeps on */
    assert_false(parker_is_in_use(&p));
    assert_true(cconc__parker_unpark(&p));
    support_threads_join(threads);
    assert_true(s.woken);
    assert_true(parker_take_due(&p));
    assert_false(parker_take_due(&p));
    assert_true(cconc__parker_until(&p) == CCONC_NEVER);
    cconc__parker_destroy(&p);
}

static void parker_at_rest_goes_by_the_real_clock(void **state)
{
    parker p;
    (void)state;
    assert_int_equal(cconc__parker_init(&p), 0);
    struct sleeper s = {.p = &p, .deadline_ns = cconc_clock_after(60 * CCONC_SECOND)};
    struct support_threads *threads = support_threads_start(1, rest_in_parker, &s);
    until(parker_is_parked(&p));
    assert_true(cconc__parker_until(&p) == CCONC_NEVER); /* the library's clock is not its own */
    assert_true(cconc__parker_unpark(&p));
    support_threads_join(threads);
    assert_true(s.woken);
    assert_int_equal(cconc_clock_virtual(), 0);
    int64_t end_ns = support_now_ns() + CCONC_MS;
    assert_false(cconc__parker_rest(&p, end_ns)); /* nobody moves the virtual one */
    assert_true(support_now_ns() >= end_ns);
    assert_int_equal(cconc_clock_real(), 0);
    cconc__parker_destroy(&p);
}

static void parker_that_will_park_counts_as_parked(void **state)
{
    parker p;
    (void)state;
    assert_int_equal(cconc__parker_init(&p), 0);
    cconc__parker_aim(&p, 7);
    assert_true(cconc__parker_until(&p) == 7);
    assert_true(cconc__parker_call(&p, 7, true));
    cconc__parker_ring(&p);
    assert_false(cconc__parker_unpark(&p));
    assert_true(cconc__parker_park(&p, 7)); /* the wake came first: it does not sleep */
    assert_true(parker_take_due(&p));
    assert_true(cconc__parker_until(&p) == CCONC_NEVER);
    cconc__parker_destroy(&p);
}

/* ---- cancel --------------------------------------------------------------------------------- */

static void parker_is_no_cancellation_point(void **state)
{
    parker p;
    struct sleeper s;
    (void)state;
    assert_int_equal(cconc__parker_init(&p), 0);
    struct support_threads *threads = sleeper_start(&s, &p);
    support_threads_cancel(threads, 0);
    assert_true(cconc__parker_unpark(&p));
    assert_int_equal(support_threads_join(threads), 1);
    assert_true(atomic_load(&s.returned));
    assert_true(s.woken);
    cconc__parker_destroy(&p);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(parker_keeps_a_wake_that_comes_first),
        UNIT_TEST(parker_gives_a_wake_once),
        UNIT_TEST(parker_wakes_a_sleeping_owner_who_sees_what_the_waker_wrote),
        UNIT_TEST(parker_sleeps_on_after_a_late_signal),
        UNIT_TEST(parker_times_out_at_its_deadline_and_not_before),
        UNIT_TEST(parker_sleeps_until_woken_where_the_deadline_is_far),
        UNIT_TEST(parker_loses_no_wake_to_a_deadline),
        UNIT_TEST(parker_tells_until_when_its_owner_sleeps_and_is_called_once),
        UNIT_TEST(parker_at_rest_goes_by_the_real_clock),
        UNIT_TEST(parker_that_will_park_counts_as_parked),
        UNIT_TEST(parker_is_no_cancellation_point),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
