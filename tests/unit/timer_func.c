/* timer_func.c - timers that run a function
 * SPDX-License-Identifier: MIT
 *
 * Risk      A function that runs early, after a stop that prevented it, twice or not at all; a
 *           stop_wait that returns while it runs; one function that keeps others from running; a
 *           timer freed by its own function.
 * Method    Functions that are held at a gate; each start is either prevented or runs, counted over
 *           many that race.
 * Catches   T1 T2 T5 T7 T8; I1 I4 I12 I13 I17 I20; rules time-1 time-2 time-6 time-7 all-10 all-11
 *           proc-3 proc-5.
 */
#include "time_help.h"

#include <errno.h>
#include <pthread.h>

struct scene {
    cconc_timer *timer;
    atomic_int begun;
    atomic_int ended;
    atomic_bool gate;
    int64_t began_ns;
    int plain;
    int saw;
    bool told;
};

static void hold(void *arg)
{
    struct scene *s = arg;
    atomic_fetch_add(&s->begun, 1);
    until(atomic_load(&s->gate));
    atomic_fetch_add(&s->ended, 1);
}

/* ---- smoke ---------------------------------------------------------------------------------- */

static void note_time(void *arg)
{
    struct scene *s = arg;
    s->began_ns = cconc_clock_now();
    s->saw = s->plain;
    atomic_fetch_add(&s->ended, 1);
}

static void timer_runs_its_function_once_and_never_early(void **state)
{
    static const int64_t delays[] = {INT64_MIN, -1, 0, 1, CCONC_US, 3 * CCONC_MS};
    (void)state;
    for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
        struct scene s = {.plain = 7};
        int64_t due_ns = cconc_clock_after(delays[i]);
        s.timer = timer_make_func(delays[i], note_time, &s);
        until(atomic_load(&s.ended) == 1);
        assert_false(cconc_timer_stop_wait(s.timer));
        assert_true(s.began_ns >= due_ns);
        assert_int_equal(s.saw, 7); /* what came before new */
        s.plain = 8;
        due_ns = cconc_clock_after(delays[i]);
        assert_false(cconc_timer_reset(s.timer, delays[i]));
        until(atomic_load(&s.ended) == 2);
        assert_false(cconc_timer_stop_wait(s.timer));
        assert_true(s.began_ns >= due_ns);
        assert_int_equal(s.saw, 8); /* and before reset */
        cconc_timer_free(s.timer);
        assert_int_equal(atomic_load(&s.ended), 2);
    }
}

static void timer_beyond_the_range_of_the_clock_never_runs(void **state)
{
    static const int64_t delays[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX / 2};
    atomic_int runs = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
        cconc_timer *timer = timer_make_func(delays[i], counter_count, &runs);
        assert_true(cconc_timer_stop(timer));
        assert_false(cconc_timer_stop(timer));
        cconc_timer_free(timer);
    }
    assert_int_equal(atomic_load(&runs), 0);
}

/* ---- stop and reset ------------------------------------------------------------------------- */

static void timer_stop_is_true_before_the_function_and_false_from_its_start(void **state)
{
    struct scene s = {.plain = 0};
    (void)state;
    s.timer = timer_make_func(60 * CCONC_SECOND, hold, &s);
    assert_true(cconc_timer_stop(s.timer));
    assert_false(cconc_timer_stop(s.timer));
    assert_false(cconc_timer_reset(s.timer, 60 * CCONC_SECOND));
    assert_true(cconc_timer_reset(s.timer, 0));
    until(atomic_load(&s.begun) == 1);
    assert_false(cconc_timer_stop(s.timer)); /* it runs, and stop does not wait for it */
    assert_int_equal(atomic_load(&s.ended), 0);
    atomic_store(&s.gate, true);
    assert_false(cconc_timer_stop_wait(s.timer));
    assert_int_equal(atomic_load(&s.ended), 1);
    cconc_timer_free(s.timer);
}

static void timer_reset_while_its_function_runs_lets_runs_overlap(void **state)
{
    struct scene s = {.plain = 0};
    (void)state;
    s.timer = timer_make_func(0, hold, &s);
    for (int i = 1; i <= 5; i++) {
        until(atomic_load(&s.begun) == i);
        assert_int_equal(atomic_load(&s.ended), 0);
        assert_false(cconc_timer_reset(s.timer, i % 2 ? 0 : 10 * CCONC_US));
    }
    until(atomic_load(&s.begun) == 6);
    atomic_store(&s.gate, true);
    cconc_timer_free(s.timer); /* waits for all of them */
    assert_int_equal(atomic_load(&s.ended), 6);
}

static void timer_of_one_does_not_wait_for_the_function_of_another(void **state)
{
    struct scene slow = {.plain = 0};
    struct scene quick = {.gate = true};
    (void)state;
    slow.timer = timer_make_func(0, hold, &slow);
    until(atomic_load(&slow.begun) == 1);
    quick.timer = timer_make_func(0, hold, &quick);
    until(atomic_load(&quick.ended) == 1);
    assert_int_equal(atomic_load(&slow.ended), 0);
    atomic_store(&slow.gate, true);
    cconc_timer_free(slow.timer);
    cconc_timer_free(quick.timer);
}

/* Two that start and stop it at once, and a function that counts. */
#define RACERS 2

struct race {
    cconc_timer *timer;
    atomic_int armings;
    atomic_int prevented;
    atomic_int runs;
};

static void race_run(void *arg)
{
    atomic_fetch_add(&((struct race *)arg)->runs, 1);
}

static void race_thread(void *arg, size_t index)
{
    struct race *race = arg;
    struct support_random random = support_random_make(20250901, index);
    int64_t begin_ns = cconc_clock_now();
    for (int i = 0; i < MANY(2000, 400) && time_is_left(begin_ns); i++) {
        if (support_random_below(&random, 3) > 0) {
            atomic_fetch_add(&race->armings, 1);
            atomic_fetch_add(&race->prevented,
                             cconc_timer_reset(race->timer, support_random_below(&random, 20000)));
        } else {
            atomic_fetch_add(&race->prevented, cconc_timer_stop(race->timer));
        }
        pass_time(support_random_below(&random, 20000));
    }
}

static void timer_start_is_either_prevented_or_runs(void **state)
{
    struct race race = {.armings = 1};
    (void)state;
    race.timer = timer_make_func(0, race_run, &race);
    assert_int_equal(support_threads_join(support_threads_start(RACERS, race_thread, &race)), 0);
    atomic_fetch_add(&race.prevented, cconc_timer_stop_wait(race.timer));
    assert_int_equal(atomic_load(&race.armings),
                     atomic_load(&race.prevented) + atomic_load(&race.runs));
    print_message("%d armings, %d ran\n", atomic_load(&race.armings), atomic_load(&race.runs));
    cconc_timer_free(race.timer);
}

/* ---- stop_wait and free --------------------------------------------------------------------- */

static void stop_wait_thread(void *arg, size_t index)
{
    struct scene *s = arg;
    (void)index;
    SUPPORT_CHECK(!cconc_timer_stop_wait(s->timer));
    SUPPORT_CHECK(atomic_load(&s->ended) == 1);
    SUPPORT_CHECK(s->plain == 9);
}

static void hold_and_write(void *arg)
{
    struct scene *s = arg;
    atomic_fetch_add(&s->begun, 1);
    until(atomic_load(&s->gate));
    s->plain = 9;
    atomic_fetch_add_explicit(&s->ended, 1, memory_order_relaxed);
}

static void timer_stop_wait_returns_after_the_function_for_everybody(void **state)
{
    struct scene s = {.plain = 0};
    (void)state;
    s.timer = timer_make_func(0, hold_and_write, &s);
    until(atomic_load(&s.begun) == 1);
    struct support_threads *threads = support_threads_start(3, stop_wait_thread, &s);
    pass_time(CCONC_MS);
    assert_int_equal(atomic_load(&s.ended), 0);
    atomic_store(&s.gate, true);
    assert_int_equal(support_threads_join(threads), 0);
    cconc_timer_free(s.timer);
}

static void stop_myself(void *arg)
{
    struct scene *s = arg;
    until(atomic_load(&s->gate)); /* s->timer is known */
    s->told = cconc_timer_stop_wait(s->timer);
    cconc_timer_free(s->timer);
    atomic_fetch_add(&s->ended, 1);
}

static void timer_function_may_stop_and_free_its_own_timer(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct scene s = {.told = true};
        s.timer = timer_make_func(0, stop_myself, &s);
        atomic_store(&s.gate, true);
        until(atomic_load(&s.ended) == 1);
        assert_false(s.told);
    }
}

static void reset_myself(void *arg)
{
    struct scene *s = arg;
    until(atomic_load(&s->gate)); /* s->timer is known */
    if (atomic_fetch_add(&s->begun, 1) < 20) {
        SUPPORT_CHECK(!cconc_timer_reset(s->timer, 0));
    }
    atomic_fetch_add(&s->ended, 1);
}

static void timer_function_may_reset_its_own_timer_and_lets_others_in(void **state)
{
    struct scene s = {.plain = 0};
    struct scene other = {.gate = true};
    (void)state;
    s.timer = timer_make_func(0, reset_myself, &s);
    other.timer = timer_make_func(0, hold, &other);
    atomic_store(&s.gate, true);
    until(atomic_load(&s.ended) == 21);
    until(atomic_load(&other.ended) == 1);
    cconc_timer_free(s.timer);
    cconc_timer_free(other.timer);
}

/* ---- ended threads, faults ------------------------------------------------------------------ */

static void exit_thread(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    pthread_exit(NULL);
}

static void timer_function_that_ends_its_thread_counts_as_returned(void **state)
{
    atomic_int runs = 0;
    cconc_timer *timer = timer_make_func(0, exit_thread, &runs);
    (void)state;
    for (int i = 1; i <= 5; i++) {
        until(atomic_load(&runs) == i);
        assert_false(cconc_timer_stop_wait(timer));
        assert_int_equal(atomic_load(&runs), i);
        if (i < 5) {
            cconc_timer_reset(timer, 0);
        }
    }
    cconc_timer_free(timer);
}

static void timer_without_an_executor_thread_runs_on_the_services_own(void **state)
{
    static void (*const functions[])(void *) = {counter_count, exit_thread};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        atomic_int runs = 0;
        cconc_timer *timer = timer_make_func(CCONC_NEVER, functions[i], &runs);
        support_fail_thread(1, true); /* the service runs, the executor has no thread yet */
        cconc_timer_reset(timer, 0);
        until(atomic_load(&runs) == 1);
        cconc_timer_reset(timer, 0);
        until(atomic_load(&runs) == 2);
        assert_false(cconc_timer_stop_wait(timer));
        (void)support_fail_end();
        cconc_timer_free(timer);
        support_leak_check();
    }
}

struct refusals {
    atomic_bool is_over;
    int         advance;
    int         real;
    int         shutdown;
};

static void call_what_waits_for_itself(void *arg)
{
    struct refusals *told = arg;
    told->advance = cconc_clock_advance(CCONC_MS);
    told->real = cconc_clock_real();
    told->shutdown = cconc_shutdown(NULL);
    atomic_store(&told->is_over, true);
}

static void timer_function_on_the_services_own_thread_cannot_wait_for_the_service(void **state)
{
    struct refusals told = {.advance = -1};
    cconc_timer *timer = timer_make_func(CCONC_NEVER, call_what_waits_for_itself, &told);
    (void)state;
    go_virtual();
    support_fail_thread(1, true);
    cconc_timer_reset(timer, 0);
    until(atomic_load(&told.is_over));
    assert_true(support_fail_end() > 0);
    assert_int_equal(told.advance, EDEADLK);
    assert_int_equal(told.real, EBUSY);
    assert_int_equal(told.shutdown, EDEADLK);
    cconc_timer_free(timer);
    go_real();
}

static void timer_function_needs_no_memory_to_be_stopped_reset_and_freed(void **state)
{
    atomic_int runs = 0;
    cconc_timer *timer = timer_make_func(0, counter_count, &runs);
    (void)state;
    until(atomic_load(&runs) == 1);
    assert_false(cconc_timer_stop_wait(timer));
    uint64_t allocations = support_alloc_count();
    for (int i = 0; i < 1000; i++) {
        cconc_timer_reset(timer, 60 * CCONC_SECOND);
        assert_true(cconc_timer_stop(timer));
    }
    cconc_timer_reset(timer, 60 * CCONC_SECOND);
    cconc_timer_free(timer);
    assert_int_equal(support_alloc_count(), allocations);
    assert_int_equal(atomic_load(&runs), 1);
}

static void make_run_and_free(void *arg)
{
    atomic_int runs = 0;
    cconc_timer *timer = NULL;
    (void)arg;
    int err = cconc_timer_new_func(0, counter_count, &runs, &timer);
    SUPPORT_CHECK(err == 0 || err == ENOMEM);
    if (!err) {
        until(atomic_load(&runs) == 1); /* also with no thread but the service's */
        cconc_timer_free(timer);
    }
    SUPPORT_CHECK(atomic_load(&runs) == (err ? 0 : 1));
}

static void timer_function_survives_every_failed_allocation_and_thread(void **state)
{
    (void)state;
    assert_true(support_sweep_alloc(make_run_and_free, NULL) >= 2);
    assert_true(support_sweep_thread(make_run_and_free, NULL) >= 2);
}

/* ---- many ----------------------------------------------------------------------------------- */

#define MANY_TIMERS ((size_t)MANY(20000, 2000))

static void timers_by_the_thousand_all_run_with_no_thread_each(void **state)
{
    static cconc_timer *timers[20000];
    atomic_int runs = 0;
    struct support_random random = support_random_make(20250902, 0);
    uint64_t threads = support_thread_count();
    (void)state;
    for (size_t i = 0; i < MANY_TIMERS; i++) {
        timers[i] = timer_make_func(support_random_below(&random, 20000000), counter_count, &runs);
    }
    until(atomic_load(&runs) == (int)MANY_TIMERS);
    for (size_t i = 0; i < MANY_TIMERS; i++) {
        cconc_timer_free(timers[i]);
    }
    assert_true(support_thread_count() - threads < 100);
    assert_int_equal(atomic_load(&runs), MANY_TIMERS);
}

static void timer_that_is_never_due_does_not_hold_shutdown_up(void **state)
{
    atomic_int runs = 0;
    cconc_timer *timer = timer_make_func(CCONC_NEVER, counter_count, &runs);
    (void)state;
    assert_int_equal(cconc_shutdown(NULL), 0);
    cconc_timer_reset(timer, 0); /* and is not forgotten */
    until(atomic_load(&runs) == 1);
    cconc_timer_free(timer);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(timer_runs_its_function_once_and_never_early),
        UNIT_TEST(timer_beyond_the_range_of_the_clock_never_runs),
        UNIT_TEST(timer_stop_is_true_before_the_function_and_false_from_its_start),
        UNIT_TEST(timer_reset_while_its_function_runs_lets_runs_overlap),
        UNIT_TEST(timer_of_one_does_not_wait_for_the_function_of_another),
        UNIT_TEST(timer_start_is_either_prevented_or_runs),
        UNIT_TEST(timer_stop_wait_returns_after_the_function_for_everybody),
        UNIT_TEST(timer_function_may_stop_and_free_its_own_timer),
        UNIT_TEST(timer_function_may_reset_its_own_timer_and_lets_others_in),
        UNIT_TEST(timer_function_that_ends_its_thread_counts_as_returned),
        UNIT_TEST(timer_without_an_executor_thread_runs_on_the_services_own),
        UNIT_TEST(timer_function_on_the_services_own_thread_cannot_wait_for_the_service),
        UNIT_TEST(timer_function_needs_no_memory_to_be_stopped_reset_and_freed),
        UNIT_TEST(timer_function_survives_every_failed_allocation_and_thread),
        UNIT_TEST(timers_by_the_thousand_all_run_with_no_thread_each),
        UNIT_TEST(timer_that_is_never_due_does_not_hold_shutdown_up),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
