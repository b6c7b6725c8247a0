/* torn.c - unit tests of values whose destroy function ends the thread that lets go of them
 * SPDX-License-Identifier: MIT
 *
 * Risk      The end of the caller's thread takes the memory of a result with it, or leaves a once
 *           half reset.
 * Method    Calls in threads of their own, which must not come back; then the object is used on.
 * Catches   proc-3. What other callbacks do is in the files of their objects.
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

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(torn_by_the_destroy_of_a_result_a_thread_leaves_nothing_of_its_flight),
        UNIT_TEST(torn_by_the_destroy_of_its_value_a_thread_has_reset_the_once),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
