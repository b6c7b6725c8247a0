/* service.c - unit tests of a thread that is started on first use and ended by shutdown
 * SPDX-License-Identifier: MIT
 *
 * Risk      Two threads of one service, a start that fails and is never tried again, a service that
 *           does not start over, one that dies with a callback.
 * Method    A service of the test's own; many threads start it at once; starts of threads fail.
 * Catches   W1 W3 W6, I4 I17; invariant I1 of core/service.c.
 */
#include "chan_help.h"

#include "core/service.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static void test_run(void);
static void test_torn(void);

static lock mu = LOCK_INIT(RANK_TIMER);
static service tested = {.mu = &mu, .name = "cconc-tested", .run = test_run, .torn = test_torn};
static atomic_int runs;
static atomic_int inside;
static atomic_int most_inside;
static atomic_int torn_calls;
static atomic_int exits_wanted; /* how many runs end their thread */
static atomic_int wakes;
static char thread_name[32];

static service_state test_state(void)
{
    lock_take(&mu);
    service_state found = tested.state;
    lock_leave(&mu);
    return found;
}

static void test_run(void)
{
    int now_inside = atomic_fetch_add(&inside, 1) + 1;
    if (now_inside > atomic_load(&most_inside)) {
        atomic_store(&most_inside, now_inside);
    }
    SUPPORT_CHECK(pthread_getname_np(pthread_self(), thread_name, sizeof(thread_name)) == 0);
    atomic_fetch_add(&runs, 1);
    if (atomic_load(&exits_wanted) > 0) {
        atomic_fetch_sub(&exits_wanted, 1);
        atomic_fetch_sub(&inside, 1);
        pthread_exit(NULL);
    }
    until(test_state() == SERVICE_STOPPING);
    atomic_fetch_sub(&inside, 1);
}

static void test_torn(void)
{
    atomic_fetch_add(&torn_calls, 1);
}

static void test_wake(void)
{
    SUPPORT_CHECK(test_state() == SERVICE_STOPPING);
    atomic_fetch_add(&wakes, 1);
}

static void test_stop(void)
{
    lock_take(&mu);
    SUPPORT_CHECK(tested.state == SERVICE_RUNNING);
    tested.state = SERVICE_STOPPING;
    lock_leave(&mu);
    cconc__service_join(&tested, test_wake);
}

/* ---- smoke ---------------------------------------------------------------------------------- */

static void service_has_one_thread_however_often_it_is_started(void **state)
{
    (void)state;
    uint64_t threads = support_thread_count();
    atomic_store(&runs, 0);
    assert_int_equal(cconc__service_start(&tested), 0);
    assert_int_equal(test_state(), SERVICE_RUNNING);
    assert_int_equal(cconc__service_start(&tested), 0);
    assert_int_equal(cconc__service_start(&tested), 0);
    until(atomic_load(&runs) == 1);
    assert_int_equal(support_thread_count(), threads + 1);
    test_stop();
    assert_string_equal(thread_name, "cconc-tested");
    assert_int_equal(atomic_load(&runs), 1);
    assert_int_equal(test_state(), SERVICE_NONE);
}

static void service_starts_over_after_it_was_ended(void **state)
{
    (void)state;
    atomic_store(&runs, 0);
    atomic_store(&wakes, 0);
    for (int i = 1; i <= 50; i++) {
        assert_int_equal(cconc__service_start(&tested), 0);
        test_stop();
        assert_int_equal(atomic_load(&runs), i);
        assert_int_equal(atomic_load(&wakes), i);
        assert_int_equal(atomic_load(&inside), 0); /* join waits for its end */
    }
}

/* ---- races ---------------------------------------------------------------------------------- */

static void start_tested(void *arg, size_t index)
{
    atomic_int *ready = arg;
    (void)index;
    atomic_fetch_add(ready, 1);
    until(atomic_load(ready) == 4);
    SUPPORT_CHECK(cconc__service_start(&tested) == 0);
    SUPPORT_CHECK(test_state() == SERVICE_RUNNING); /* for whoever came second, too */
}

static void service_started_by_many_at_once_has_one_thread(void **state)
{
    (void)state;
    atomic_store(&most_inside, 0);
    for (int i = 0; i < MANY(200, 40); i++) {
        atomic_int ready = 0;
        uint64_t threads = support_thread_count();
        support_threads_join(support_threads_start(4, start_tested, &ready));
        assert_int_equal(support_thread_count(), threads + 1);
        test_stop();
    }
    assert_int_equal(atomic_load(&most_inside), 1);
}

/* ---- faults --------------------------------------------------------------------------------- */

static void service_that_cannot_start_is_enomem_and_tried_again(void **state)
{
    (void)state;
    atomic_store(&runs, 0);
    support_fail_thread(1, true);
    assert_int_equal(cconc__service_start(&tested), ENOMEM);
    assert_int_equal(cconc__service_start(&tested), ENOMEM);
    assert_int_equal(test_state(), SERVICE_NONE);
    assert_int_equal(support_fail_end(), 2);
    assert_int_equal(cconc__service_start(&tested), 0);
    test_stop();
    assert_int_equal(atomic_load(&runs), 1);
}

static void service_goes_on_when_a_callback_ends_its_thread(void **state)
{
    (void)state;
    uint64_t threads = support_thread_count();
    atomic_store(&runs, 0);
    atomic_store(&torn_calls, 0);
    atomic_store(&exits_wanted, 1);
    assert_int_equal(cconc__service_start(&tested), 0);
    until(atomic_load(&runs) == 2);
    assert_int_equal(atomic_load(&torn_calls), 1);
    test_stop();
    assert_int_equal(atomic_load(&runs), 2);
    assert_int_equal(atomic_load(&torn_calls), 1);
    assert_int_equal(support_thread_count(), threads + 1);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(service_has_one_thread_however_often_it_is_started),
        UNIT_TEST(service_starts_over_after_it_was_ended),
        UNIT_TEST(service_started_by_many_at_once_has_one_thread),
        UNIT_TEST(service_that_cannot_start_is_enomem_and_tried_again),
        UNIT_TEST(service_goes_on_when_a_callback_ends_its_thread),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
