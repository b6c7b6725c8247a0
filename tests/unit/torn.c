/* torn.c - unit tests of callbacks that end their thread: by cancellation, and in destroy functions
 * SPDX-License-Identifier: MIT
 *
 * Risk      The end of the caller's thread takes the memory of a result with it, or leaves a once
 *           half reset. A function that is cancelled is taken for one that still runs.
 * Method    Calls in threads of their own, which must not come back; then the object is used on.
 * Catches   proc-3, flight-9. What other callbacks do is in the files of their objects.
 */
#include "flight_help.h"

static void destroy_and_exit(void *value)
{
    value_destroy(value);
    pthread_exit(NULL);
}

static void unref_that_ends(void *arg, size_t index)
{
    (void)index;
    cconc_flight_result_unref(arg);
    support_abort(__FILE__, __LINE__, "unref came back");
}

/* It comes back if the thread of the function lets go of the value later. */
static void leave_that_may_end(void *arg, size_t index)
{
    (void)index;
    cconc_flight_leave(arg);
}

static void reset_that_ends(void *arg, size_t index)
{
    (void)index;
    cconc_once_reset(arg, destroy_and_exit);
    support_abort(__FILE__, __LINE__, "reset came back");
}

static void run_thread(support_thread_fn fn, void *arg)
{
    assert_int_equal(values_alive(), 1);
    assert_int_equal(support_threads_join(support_threads_start(1, fn, arg)), 0);
    until(values_alive() == 0);
}

static void torn_by_the_destroy_of_a_result_a_thread_leaves_nothing_of_its_flight(void **state)
{
    (void)state;
    cconc_flight_opts opts = {.destroy = destroy_and_exit};
    struct trip trip = {.gate = true};
    cconc_flight *set;
    assert_int_equal(cconc_flight_new(&opts, &set), 0);
    for (int i = 0; i < 3; i++) {
        cconc_flight_result *result;
        cconc_flight_call *call;
        assert_int_equal(flight_do(set, NULL, "k", &trip, &result), 0);
        run_thread(unref_that_ends, result);
        assert_int_equal(flight_do_async(set, NULL, "k", &trip, &call), 0);
        assert_int_equal(cconc_flight_wait(call, NULL, NULL), 0); /* the handle has the value */
        run_thread(leave_that_may_end, call);
    }
    assert_int_equal(atomic_load(&trip.dropped), 6);
    flight_end(set);
}

static int make_value(cconc_ctx *ctx, void *arg, void **out_value)
{
    (void)ctx;
    (void)arg;
    *out_value = value_make(1);
    return 0;
}

static void torn_by_the_destroy_of_its_value_a_thread_has_reset_the_once(void **state)
{
    (void)state;
    cconc_once once = CCONC_ONCE_INIT;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(cconc_once_value(&once, NULL, make_value, NULL, NULL), 0);
        run_thread(reset_that_ends, &once);
        assert_false(cconc_once_is_done(&once));
    }
    cconc_once_destroy(&once);
}

/* ---- functions that are cancelled ------------------------------------------------------------ */

static void be_cancelled(atomic_int *runs)
{
    atomic_fetch_add(runs, 1);
    SUPPORT_CHECK(pthread_cancel(pthread_self()) == 0);
    pthread_testcancel();
    support_abort(__FILE__, __LINE__, "not cancelled");
}

static int fly_and_be_cancelled(cconc_ctx *ctx, void *arg, void **out_value)
{
    (void)ctx;
    (void)out_value;
    be_cancelled(arg);
    return 0;
}

static void do_and_be_cancelled(void *arg, size_t index)
{
    static atomic_int runs;
    cconc_ctx *ctx = index == 0 ? NULL : ctx_make();
    int code = cconc_flight_do(arg, ctx, index == 0 ? "a" : "b", 1, fly_and_be_cancelled, &runs,
                               NULL, NULL);
    SUPPORT_CHECK(code == ECANCELED); /* unless the function had this very thread */
    cconc_ctx_free(ctx);
}

static void torn_by_cancellation_a_flight_gives_all_ECANCELED(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    atomic_int runs = 0;
    cconc_flight_call *call;
    cconc_flight_result *result = NULL;
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(
            cconc_flight_do_async(set, NULL, "k", 1, fly_and_be_cancelled, &runs, NULL, &call), 0);
        assert_int_equal(flight_wait(call, &result), ECANCELED);
        assert_null(result);
        assert_int_equal(atomic_load(&runs), i);
    }
    (void)support_threads_join(support_threads_start(2, do_and_be_cancelled, set));
    flight_end(set);
}

static void run_and_be_cancelled(void *arg)
{
    be_cancelled(arg);
}

static void torn_by_cancellation_a_timers_function_counts_as_returned(void **state)
{
    (void)state;
    atomic_int runs = 0;
    cconc_timer *timer = NULL;
    assert_int_equal(cconc_timer_new_func(0, run_and_be_cancelled, &runs, &timer), 0);
    for (int i = 1; i <= 3; i++) {
        until(atomic_load(&runs) == i);
        assert_false(cconc_timer_stop_wait(timer));
        assert_false(cconc_timer_reset(timer, 0));
    }
    until(atomic_load(&runs) == 4);
    cconc_timer_free(timer);
    assert_int_equal(atomic_load(&runs), 4);
}

static void sometimes_thread(void *arg, size_t index)
{
    static atomic_int runs;
    (void)index;
    int err = cconc_sometimes_do(arg, NULL, run_and_be_cancelled, &runs, NULL);
    support_abort(__FILE__, __LINE__, err ? "refused" : "do came back");
}

static void torn_by_cancellation_a_sometimes_has_run(void **state)
{
    (void)state;
    cconc_sometimes_opts opts = {.first = 2};
    cconc_sometimes *sometimes = NULL;
    bool ran = true;
    assert_int_equal(cconc_sometimes_new(&opts, &sometimes), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            support_threads_join(support_threads_start(1, sometimes_thread, sometimes)), 1);
    }
    assert_int_equal(cconc_sometimes_do(sometimes, NULL, run_and_be_cancelled, NULL, &ran), 0);
    assert_false(ran);
    cconc_sometimes_free(sometimes);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(torn_by_the_destroy_of_a_result_a_thread_leaves_nothing_of_its_flight),
        UNIT_TEST(torn_by_the_destroy_of_its_value_a_thread_has_reset_the_once),
        UNIT_TEST(torn_by_cancellation_a_flight_gives_all_ECANCELED),
        UNIT_TEST(torn_by_cancellation_a_timers_function_counts_as_returned),
        UNIT_TEST(torn_by_cancellation_a_sometimes_has_run),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
