/* flight_crowd.c - unit tests of flights: a thousand handles of one key, a million keys
 * SPDX-License-Identifier: MIT
 *
 * Risk      What holds for callers that block does not hold for those with a handle: a function
 *           that runs twice, or is cancelled for somebody, or not at all; a result destroyed twice;
 *           an entry that stays in the table for each key that ever flew.
 * Method    As for callers that block: gated functions, values that are counted, the table's own
 *           counts, and the memory that the library holds.
 * Catches   flight-1 flight-3 flight-5 flight-8, limits; I1 I2 I9 I14 I22.
 */
#include "flight_help.h"

#define HANDLES 1000
#define AT_ONCE 64

/* A function that counts how often it has looked at its context, which has not ended. */
struct watch {
    atomic_int started;
    atomic_int looks;
    atomic_int dropped;
    atomic_bool saw_end;
};

static int watch_fn(cconc_ctx *ctx, void *arg, void **out_value)
{
    struct watch *watch = arg;
    atomic_fetch_add(&watch->started, 1);
    while (cconc_ctx_err(ctx) == 0) {
        atomic_fetch_add(&watch->looks, 1);
        sched_yield();
    }
    atomic_store(&watch->saw_end, true);
    *out_value = value_make(1);
    return 0;
}

static void watch_drop(void *arg)
{
    atomic_fetch_add(&((struct watch *)arg)->dropped, 1);
}

static void flight_runs_once_for_a_thousand_handles_of_one_key(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct trip trip = {.code = 0};
    cconc_flight_call *calls[HANDLES];
    cconc_flight_result *results[HANDLES];
    int made = atomic_load(&values_made);
    for (size_t i = 0; i < HANDLES; i++) {
        assert_int_equal(flight_do_async(set, NULL, "k", &trip, &calls[i]), 0);
    }
    assert_int_equal(flight_counts(set).callers, HANDLES);
    assert_int_equal(flight_counts(set).flying, 1);
    atomic_store(&trip.gate, true);
    for (size_t i = 0; i < HANDLES; i++) {
        assert_int_equal(flight_wait(calls[i], &results[i]), 0);
        assert_ptr_equal(results[i], results[0]);
    }
    assert_int_equal(atomic_load(&trip.started), 1);
    assert_int_equal(atomic_load(&trip.dropped), HANDLES);
    assert_int_equal(cconc_flight_result_sharers(results[0]), HANDLES);
    assert_int_equal(atomic_load(&values_made) - made, 1);
    for (size_t i = 0; i < HANDLES; i++) {
        assert_int_equal(values_alive(), 1); /* until the very last reference */
        cconc_flight_result_unref(results[i]);
    }
    until(values_alive() == 0); /* the thread of the function may let go of it last */
    flight_end(set);
}

static void flight_goes_on_for_the_last_handle_and_is_cancelled_when_that_leaves(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct watch watch = {.looks = 0};
    struct trip fresh = {.gate = true};
    cconc_flight_call *calls[HANDLES];
    for (size_t i = 0; i < HANDLES; i++) {
        assert_int_equal(
            cconc_flight_do_async(set, NULL, "k", 1, watch_fn, &watch, watch_drop, &calls[i]), 0);
    }
    until(atomic_load(&watch.started) == 1);
    for (size_t i = 0; i < HANDLES - 1; i++) { /* the first one, too */
        cconc_flight_leave(calls[i]);
    }
    assert_int_equal(flight_counts(set).callers, 1);
    assert_int_equal(flight_counts(set).flying, 1);
    int looks = atomic_load(&watch.looks);
    until(atomic_load(&watch.looks) > looks + 10); /* it goes on */
    assert_false(atomic_load(&watch.saw_end));
    cconc_flight_leave(calls[HANDLES - 1]);
    assert_int_equal(flight_counts(set).flying, 0);
    until(atomic_load(&watch.saw_end));
    assert_int_equal(flight_do(set, NULL, "k", &fresh, NULL), 0);
    assert_int_equal(atomic_load(&fresh.started), 1);
    until(atomic_load(&watch.dropped) == HANDLES);
    assert_int_equal(atomic_load(&watch.started), 1);
    flight_end(set); /* the value that came too late is destroyed, too */
}

/* The same with callers that block: the function is seen to go on after 999 have left. */
static void flight_function_goes_on_while_a_single_caller_is_left(void **state)
{
    (void)state;
    size_t count = support_is_sanitized() ? 200 : 1000;
    cconc_flight *set = flight_make();
    struct trip trip = {.code = 0};
    struct callers c = {.set = set,
                        .key = "k",
                        .trip = &trip,
                        .ctx = ctx_make(),
                        .last_ctx = ctx_make(),
                        .count = count,
                        .expected = EINPROGRESS};
    struct support_threads *threads = callers_start(&c);
    until(flight_counts(set).callers == count && atomic_load(&trip.started) == 1);
    cconc_ctx_cancel(c.ctx);
    until(atomic_load(&c.returned) == (int)count - 1);
    atomic_store(&trip.ctx_err, -1); /* fn writes what it sees, again and again */
    until(atomic_load(&trip.ctx_err) != -1);
    assert_int_equal(atomic_load(&trip.ctx_err), 0);
    assert_int_equal(atomic_load(&trip.ended), 0);
    atomic_store(&trip.gate, true);
    assert_int_equal(support_threads_join(threads), 0); /* the last one gets the result */
    assert_int_equal(atomic_load(&trip.started), 1);
    cconc_ctx_free(c.ctx);
    cconc_ctx_free(c.last_ctx);
    flight_end(set);
}

/* ---- keys ----------------------------------------------------------------------------------- */

/* Fly count keys, AT_ONCE of them at a time; every second one is left before it has landed. */
static void fly_keys(cconc_flight *set, struct trip *trip, uint32_t first, uint32_t count)
{
    cconc_flight_call *calls[AT_ONCE];
    for (uint32_t at = first; at < first + count; at += AT_ONCE) {
        for (uint32_t i = 0; i < AT_ONCE; i++) {
            uint32_t key = at + i;
            SUPPORT_CHECK(cconc_flight_do_async(set, NULL, &key, sizeof(key), trip_fn, trip,
                                                trip_drop, &calls[i]) == 0);
        }
        for (uint32_t i = 0; i < AT_ONCE; i++) {
            if (i % 2) {
                cconc_flight_leave(calls[i]);
            } else {
                SUPPORT_CHECK(flight_wait(calls[i], NULL) == 0);
            }
        }
    }
    until(flight_counts(set).abandoned == 0);
}

static void flight_table_is_empty_after_a_million_keys_with_handles(void **state)
{
    (void)state;
    uint32_t count = (support_is_sanitized() ? 20000u : 1000000u) / AT_ONCE * AT_ONCE;
    cconc_flight *set = flight_make();
    struct trip trip = {.gate = true, .many = true};
    fly_keys(set, &trip, 0, 100 * AT_ONCE);
    until(values_alive() == 0);
    size_t blocks = support_live_blocks();
    size_t bytes = support_live_bytes();
    fly_keys(set, &trip, 0, count);
    until(values_alive() == 0);
    assert_int_equal(flight_counts(set).flying, 0);
    assert_int_equal(flight_counts(set).callers, 0);
    assert_int_equal(flight_counts(set).kept, 0);
    until(atomic_load(&trip.dropped) == (int)count + 100 * AT_ONCE);
    /* Threads of the executor, and what is kept for the next flight, but nothing a key. */
    assert_true(support_live_blocks() < blocks + 1000);
    assert_true(support_live_bytes() < bytes + 256 * 1024);
    assert_int_equal(atomic_load(&values_made), atomic_load(&values_destroyed));
    flight_end(set);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(flight_runs_once_for_a_thousand_handles_of_one_key),
        UNIT_TEST(flight_goes_on_for_the_last_handle_and_is_cancelled_when_that_leaves),
        UNIT_TEST(flight_function_goes_on_while_a_single_caller_is_left),
        UNIT_TEST(flight_table_is_empty_after_a_million_keys_with_handles),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
