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

#define KEPT 300 /* more than there are parts of a table: some have two */

static cconc_flight *flight_with_kept_results(cconc_flight_destroy_fn destroy)
{
    cconc_flight_opts opts = {.destroy = destroy, .keep_ns = CCONC_MS};
    struct trip trip = {.gate = true};
    cconc_flight *set;
    SUPPORT_CHECK(cconc_flight_new(&opts, &set) == 0);
    for (int i = 0; i < KEPT; i++) {
        SUPPORT_CHECK(cconc_flight_do(set, NULL, &i, sizeof(i), trip_fn, &trip, NULL, NULL) == 0);
    }
    SUPPORT_CHECK(flight_counts(set).kept == KEPT);
    return set;
}

static void free_that_ends(void *arg, size_t index)
{
    (void)index;
    cconc_flight_free(arg);
    support_abort(__FILE__, __LINE__, "free came back");
}

static void torn_by_the_destroy_of_kept_results_a_thread_lets_go_of_all_of_them(void **state)
{
    (void)state;
    assert_int_equal(cconc_clock_virtual(), 0);
    for (int i = 0; i < 2; i++) {
        cconc_flight *set = flight_with_kept_results(destroy_and_exit);
        assert_int_equal(cconc_clock_advance(CCONC_MS), 0); /* in the timer service */
        until(values_alive() == 0);
        flight_end(set);
        set = flight_with_kept_results(destroy_and_exit);
        assert_int_equal(support_threads_join(support_threads_start(1, free_that_ends, set)), 0);
        assert_int_equal(values_alive(), 0);
    }
    assert_int_equal(cconc_clock_real(), 0);
}

static pthread_t outside; /* not the timer service */
static atomic_bool service_gate;
static atomic_bool service_waits;

static void destroy_at_the_gate(void *value)
{
    if (!pthread_equal(pthread_self(), outside)) {
        atomic_store(&service_waits, true);
        until(atomic_load(&service_gate));
    }
    value_destroy(value);
}

/* Whoever lets go last destroys the value: until that is the service, and not this caller. */
static void keep_the_service_busy(cconc_flight *slow)
{
    struct trip trip = {.gate = true};
    outside = pthread_self();
    atomic_store(&service_gate, false);
    atomic_store(&service_waits, false);
    while (!atomic_load(&service_waits)) {
        SUPPORT_CHECK(flight_do(slow, NULL, "k", &trip, NULL) == 0);
        until(atomic_load(&service_waits) || values_alive() == 0);
    }
}

static void do_what_is_kept_no_longer(void *arg, size_t index)
{
    struct trip trip = {.gate = true};
    (void)index;
    SUPPORT_CHECK(flight_do(arg, NULL, "k", &trip, NULL) == 0);
    SUPPORT_CHECK(atomic_load(&trip.started) == 1 && atomic_load(&trip.dropped) == 1);
}

/* The timer service, whose task it is, is kept busy: the caller finds the result out of time. */
static void torn_by_no_destroy_a_caller_boards_where_a_kept_result_has_served_its_time(void **state)
{
    (void)state;
    cconc_flight_opts slow_opts = {.destroy = destroy_at_the_gate, .keep_ns = 1};
    cconc_flight_opts opts = {.destroy = destroy_and_exit, .keep_ns = 1};
    cconc_flight *slow;
    cconc_flight *set;
    assert_int_equal(cconc_flight_new(&slow_opts, &slow), 0);
    assert_int_equal(cconc_flight_new(&opts, &set), 0);
    keep_the_service_busy(slow);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            support_threads_join(support_threads_start(1, do_what_is_kept_no_longer, set)), 0);
    }
    assert_int_equal(flight_counts(set).flying, 0);
    assert_int_equal(values_alive(), 4);
    atomic_store(&service_gate, true);
    until(values_alive() == 0);
    flight_end(set);
    flight_end(slow);
}

static cconc_ctx *ctx_with_value_that_ends(cconc_ctx *parent)
{
    static const char key;
    cconc_ctx *ctx = NULL;
    SUPPORT_CHECK(cconc_ctx_with_value(parent, &key, value_make(1), destroy_and_exit, &ctx) == 0);
    return ctx;
}

/* The flight has the last reference on the first caller's values. */
static void torn_by_the_destroy_of_its_contexts_value_a_flight_has_landed_once(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    for (int i = 0; i < 3; i++) {
        struct trip trip = {.code = ENOENT};
        cconc_ctx *ctx = ctx_with_value_that_ends(NULL);
        cconc_flight_call *call;
        assert_int_equal(flight_do_async(set, ctx, "k", &trip, &call), 0);
        cconc_ctx_free(ctx);
        assert_int_equal(values_alive(), 1);
        atomic_store(&trip.gate, true);
        assert_int_equal(flight_wait(call, NULL), ENOENT);
        until(values_alive() == 0);
        assert_int_equal(atomic_load(&trip.dropped), 1);
    }
    flight_end(set);
}

static void free_group_that_ends(void *arg, size_t index)
{
    (void)index;
    cconc_group_free(arg);
    support_abort(__FILE__, __LINE__, "free came back");
}

static void torn_by_the_destroy_of_a_contexts_value_a_thread_leaves_no_group(void **state)
{
    (void)state;
    size_t blocks = 0;
    for (int i = 0; i < 3; i++) {
        cconc_ctx *ctx = ctx_with_value_that_ends(NULL);
        cconc_group_opts opts = {.collect_max = 1};
        cconc_group *group;
        assert_int_equal(cconc_group_new(ctx, &opts, &group), 0);
        cconc_ctx_free(ctx);
        run_thread(free_group_that_ends, group);
        blocks = i == 0 ? support_live_blocks() : blocks; /* with the record of the thread */
        assert_int_equal(support_live_blocks(), blocks);
    }
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

/* Where the end of a thread inside of its end takes stack (musl: some 450 bytes), the small ones
 * that threads have there do not suffice for KEPT of them. */
static void have_stack_for_many_ends(void)
{
    const size_t enough = (size_t)1024 * 1024;
    pthread_attr_t attr;
    size_t size;
    SUPPORT_CHECK(pthread_getattr_default_np(&attr) == 0);
    SUPPORT_CHECK(pthread_attr_getstacksize(&attr, &size) == 0);
    if (size < enough) {
        SUPPORT_CHECK(pthread_attr_setstacksize(&attr, enough) == 0);
        SUPPORT_CHECK(pthread_setattr_default_np(&attr) == 0);
    }
    SUPPORT_CHECK(pthread_attr_destroy(&attr) == 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(torn_by_the_destroy_of_a_result_a_thread_leaves_nothing_of_its_flight),
        UNIT_TEST(torn_by_the_destroy_of_kept_results_a_thread_lets_go_of_all_of_them),
        UNIT_TEST(torn_by_no_destroy_a_caller_boards_where_a_kept_result_has_served_its_time),
        UNIT_TEST(torn_by_the_destroy_of_its_contexts_value_a_flight_has_landed_once),
        UNIT_TEST(torn_by_the_destroy_of_a_contexts_value_a_thread_leaves_no_group),
        UNIT_TEST(torn_by_the_destroy_of_its_value_a_thread_has_reset_the_once),
        UNIT_TEST(torn_by_cancellation_a_flight_gives_all_ECANCELED),
        UNIT_TEST(torn_by_cancellation_a_timers_function_counts_as_returned),
        UNIT_TEST(torn_by_cancellation_a_sometimes_has_run),
    };
    have_stack_for_many_ends();
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
