/* flight_overlap.c - unit tests of flights: time limits, and waiting for an abandoned function
 * SPDX-License-Identifier: MIT
 *
 * Risk      A fresh function that overlaps with an abandoned one that it has to wait for; one that
 *           waits and is started by nobody, or dropped by nobody, because its callers have left,
 *           its time is over, or no thread is to be had.
 * Method    Gated functions that are left; time limits on the virtual clock; threads that cannot
 *           be made while a drop is stopped, so that flights wait behind one with no thread at all.
 * Catches   flight-2 flight-5 flight-7 flight-8 flight-9 timeout no-overlap; all-10; F3; I9 I14.
 */
#include "flight_help.h"

#define LIMIT (20 * CCONC_MS)

static cconc_flight *flight_make_alone(void)
{
    return flight_make_opts((cconc_flight_opts){.flags = CCONC_FLIGHT_NO_OVERLAP});
}

/* Fly k and leave it, with its function running. */
static void abandon(cconc_flight *set, struct trip *trip)
{
    cconc_flight_call *call;
    SUPPORT_CHECK(flight_do_async(set, NULL, "k", trip, &call) == 0);
    until(atomic_load(&trip->started) == 1);
    cconc_flight_leave(call);
    SUPPORT_CHECK(flight_counts(set).abandoned == 1);
}

/* A function that comes after another one's. */
struct after {
    cconc_flight *set;
    struct trip *before;
    atomic_int started;
};

static int after_fn(cconc_ctx *ctx, void *arg, void **out_value)
{
    struct after *after = arg;
    (void)ctx;
    (void)out_value;
    SUPPORT_CHECK(atomic_load(&after->before->ended) == 1);
    atomic_fetch_add(&after->started, 1);
    return 0;
}

/* ---- no overlap ----------------------------------------------------------------------------- */

static void do_after(void *arg, size_t index)
{
    struct after *after = arg;
    (void)index;
    SUPPORT_CHECK(cconc_flight_do(after->set, NULL, "k", 1, after_fn, after, NULL, NULL) == 0);
}

/* It could run the function itself, and yet must wait. */
static void flight_do_that_cannot_end_waits_for_the_abandoned_one(void **state)
{
    (void)state;
    cconc_flight *set = flight_make_alone();
    struct trip old_trip = {.code = 0};
    struct after after = {.set = set, .before = &old_trip};
    abandon(set, &old_trip);
    struct support_threads *threads = support_threads_start(1, do_after, &after);
    until(flight_counts(set).flying == 1);
    atomic_store(&old_trip.gate, true);
    assert_int_equal(support_threads_join(threads), 0);
    assert_int_equal(atomic_load(&after.started), 1);
    flight_end(set);
}

/* There is nobody to be let go, and the fresh one has to wait all the same. */
static void flight_that_is_abandoned_cannot_be_forgotten(void **state)
{
    (void)state;
    cconc_flight *set = flight_make_alone();
    struct trip old_trip = {.code = 0};
    struct after after = {.set = set, .before = &old_trip};
    cconc_flight_call *call;
    abandon(set, &old_trip);
    cconc_flight_forget(set, "k", 1);
    assert_true(cconc_flight_forget_unshared(set, "k", 1));
    assert_int_equal(flight_counts(set).abandoned, 1);
    assert_int_equal(cconc_flight_do_async(set, NULL, "k", 1, after_fn, &after, NULL, &call), 0);
    assert_int_equal(flight_counts(set).flying, 1);
    atomic_store(&old_trip.gate, true);
    assert_int_equal(flight_wait(call, NULL), 0);
    assert_int_equal(atomic_load(&after.started), 1);
    flight_end(set);
}

static void flight_handle_of_one_that_waits_needs_no_memory_to_leave(void **state)
{
    (void)state;
    cconc_flight *set = flight_make_alone();
    struct trip old_trip = {.code = 0};
    struct trip gone = {.gate = true};
    cconc_flight_call *call;
    abandon(set, &old_trip);
    assert_int_equal(flight_do_async(set, NULL, "k", &gone, &call), 0);
    uint64_t allocations = support_alloc_count();
    cconc_flight_leave(call);
    assert_int_equal(support_alloc_count(), allocations);
    assert_int_equal(atomic_load(&gone.dropped), 1); /* by then, and not later */
    assert_int_equal(atomic_load(&gone.started), 0);
    assert_int_equal(flight_counts(set).abandoned, 1);
    atomic_store(&old_trip.gate, true);
    flight_end(set);
}

static void flight_caller_of_one_that_waits_leaves_with_its_context(void **state)
{
    (void)state;
    cconc_flight *set = flight_make_alone();
    struct trip old_trip = {.code = 0};
    struct trip gone = {.gate = true};
    struct callers c = {.set = set, .key = "k", .trip = &gone, .ctx = ctx_make(), .count = 1,
                        .expected = EINPROGRESS};
    abandon(set, &old_trip);
    struct support_threads *threads = callers_start(&c);
    until(flight_counts(set).callers == 1);
    cconc_ctx_cancel(c.ctx);
    assert_int_equal(support_threads_join(threads), 0);
    until(atomic_load(&gone.dropped) == 1); /* while the abandoned one goes on */
    assert_int_equal(atomic_load(&gone.started), 0);
    assert_int_equal(atomic_load(&old_trip.ended), 0);
    atomic_store(&old_trip.gate, true);
    cconc_ctx_free(c.ctx);
    flight_end(set);
}

static void drop_and_exit(void *arg)
{
    trip_drop(arg);
    pthread_exit(NULL);
}

static void leave_thread(void *arg, size_t index)
{
    (void)index;
    cconc_flight_leave(arg);
}

static void flight_drop_that_ends_the_leavers_thread_loses_nothing(void **state)
{
    (void)state;
    cconc_flight *set = flight_make_alone();
    struct trip old_trip = {.code = 0};
    struct trip gone = {.gate = true};
    cconc_flight_call *call;
    abandon(set, &old_trip);
    assert_int_equal(cconc_flight_do_async(set, NULL, "k", 1, trip_fn, &gone, drop_and_exit, &call),
                     0);
    (void)support_threads_join(support_threads_start(1, leave_thread, call));
    assert_int_equal(atomic_load(&gone.dropped), 1);
    assert_int_equal(flight_counts(set).abandoned, 1);
    atomic_store(&old_trip.gate, true);
    flight_end(set);
}

/* ---- time limits ---------------------------------------------------------------------------- */

static cconc_flight *flight_make_limited(uint32_t flags)
{
    SUPPORT_CHECK(cconc_clock_virtual() == 0);
    return flight_make_opts((cconc_flight_opts){.timeout_ns = LIMIT, .flags = flags});
}

static void note_code(void *arg, int code, cconc_flight_result *result)
{
    SUPPORT_CHECK(!result);
    atomic_store((atomic_int *)arg, code);
}

static void flight_then_hears_of_the_time_limit_while_the_function_runs(void **state)
{
    (void)state;
    support_sweep_pause(true); /* the answer waits while the function has the only thread */
    cconc_flight *set = flight_make_limited(0);
    struct trip trip = {.code = 0};
    atomic_int code = -1;
    cconc_flight_call *call;
    assert_int_equal(flight_do_async(set, NULL, "k", &trip, &call), 0);
    until(atomic_load(&trip.started) == 1);
    assert_int_equal(cconc_flight_then(call, NULL, note_code, &code), 0);
    assert_int_equal(cconc_clock_advance(LIMIT), 0);
    until(atomic_load(&code) == ETIMEDOUT);
    assert_int_equal(atomic_load(&trip.ended), 0);
    atomic_store(&trip.gate, true);
    flight_end(set);
    assert_int_equal(cconc_clock_real(), 0);
}

/* A function that waits for its own flight, once that has been told how it ends. */
struct own {
    cconc_flight_call *call;
    atomic_int started;
    atomic_bool gate;
    atomic_int code;
};

static int own_fn(cconc_ctx *ctx, void *arg, void **out_value)
{
    struct own *own = arg;
    (void)out_value;
    atomic_fetch_add(&own->started, 1);
    until(atomic_load(&own->gate));
    atomic_store(&own->code, cconc_flight_wait(own->call, ctx, NULL));
    return 0;
}

static void flight_function_hears_that_its_own_flight_was_late(void **state)
{
    (void)state;
    cconc_flight *set = flight_make_limited(0);
    struct own own = {.code = -1};
    assert_int_equal(cconc_flight_do_async(set, NULL, "k", 1, own_fn, &own, NULL, &own.call), 0);
    until(atomic_load(&own.started) == 1);
    assert_int_equal(cconc_clock_advance(LIMIT), 0);
    assert_int_equal(flight_counts(set).flying, 0);
    atomic_store(&own.gate, true);
    until(atomic_load(&own.code) == ETIMEDOUT); /* and not EDEADLK: it waits for nothing */
    until(flight_counts(set).abandoned == 0);
    cconc_flight_leave(own.call);
    flight_end(set);
    assert_int_equal(cconc_clock_real(), 0);
}

/* ---- no thread ------------------------------------------------------------------------------ */

/* What happens to a flight while it waits for one that no thread could be had for. */
enum fate { FATE_STARTED, FATE_LEFT, FATE_LATE };

struct stuck {
    cconc_flight *set;
    enum fate fate;
    struct trip second;
    cconc_flight_call *call; /* of the second */
};

/* The first one is dropped by the thread that wanted to start it, and late meanwhile. */
static void stuck_drop(void *arg)
{
    struct stuck *stuck = arg;
    SUPPORT_CHECK(cconc_clock_advance(LIMIT) == 0);
    SUPPORT_CHECK(flight_counts(stuck->set).abandoned == 1);
    SUPPORT_CHECK(flight_do_async(stuck->set, NULL, "k", &stuck->second, &stuck->call) == 0);
    SUPPORT_CHECK(flight_counts(stuck->set).flying == 1);
    if (stuck->fate == FATE_LEFT) {
        cconc_flight_leave(stuck->call);
    } else if (stuck->fate == FATE_LATE) {
        SUPPORT_CHECK(cconc_clock_advance(LIMIT) == 0);
    }
    SUPPORT_CHECK(atomic_load(&stuck->second.dropped) == (stuck->fate != FATE_STARTED));
}

static int never_runs(cconc_ctx *ctx, void *arg, void **out_value)
{
    (void)ctx;
    (void)arg;
    (void)out_value;
    SUPPORT_CHECK(false);
    return 0;
}

static void flight_that_waits_is_done_with_though_there_is_no_thread(void **state)
{
    (void)state;
    support_sweep_pause(true); /* threads are failed on purpose */
    for (enum fate fate = FATE_STARTED; fate <= FATE_LATE; fate++) {
        cconc_flight *set = flight_make_limited(CCONC_FLIGHT_NO_OVERLAP);
        struct stuck stuck = {.set = set, .fate = fate};
        cconc_flight_call *call;
        cconc_ctx *late;
        assert_int_equal(cconc_shutdown(NULL), 0);
        assert_int_equal(cconc_ctx_with_timeout(NULL, CCONC_SECOND, &late), 0); /* the service */
        support_fail_thread(1, true);
        assert_int_equal(cconc_flight_do_async(set, NULL, "k", 1, never_runs, &stuck, stuck_drop,
                                               &call), 0);
        assert_true(support_fail_end() >= 1);
        assert_int_equal(flight_wait(call, NULL), ETIMEDOUT);
        if (fate != FATE_LEFT) {
            assert_int_equal(flight_wait(stuck.call, NULL),
                             fate == FATE_STARTED ? ENOMEM : ETIMEDOUT);
        }
        assert_int_equal(atomic_load(&stuck.second.started), 0);
        assert_int_equal(atomic_load(&stuck.second.dropped), 1);
        cconc_ctx_free(late);
        flight_end(set);
        assert_int_equal(cconc_clock_real(), 0);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(flight_do_that_cannot_end_waits_for_the_abandoned_one),
        UNIT_TEST(flight_that_is_abandoned_cannot_be_forgotten),
        UNIT_TEST(flight_handle_of_one_that_waits_needs_no_memory_to_leave),
        UNIT_TEST(flight_caller_of_one_that_waits_leaves_with_its_context),
        UNIT_TEST(flight_drop_that_ends_the_leavers_thread_loses_nothing),
        UNIT_TEST(flight_then_hears_of_the_time_limit_while_the_function_runs),
        UNIT_TEST(flight_function_hears_that_its_own_flight_was_late),
        UNIT_TEST(flight_that_waits_is_done_with_though_there_is_no_thread),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
