/* flight.c - unit tests of flights: one call per key, its result, its drop, its key
 * SPDX-License-Identifier: MIT
 *
 * Risk      A function that runs twice for callers of one time, a result destroyed twice or never,
 *           a key taken for another, an entry that stays, callers left behind when fn ends its
 *           thread.
 * Method    Functions behind a gate; callers that are seen to have boarded before it opens; values
 *           that are counted.
 * Catches   flight-1 flight-2 flight-3 flight-4 flight-6 flight-7 flight-9 misuse limits; all-1
 *           all-2 all-3 all-10; F1, G4, C13; I1 I2 I4 I14 I17 I18 I19 I22; O1 O2 O3.
 */
#include "flight_help.h"

#include <stdio.h>

/* ---- smoke ---------------------------------------------------------------------------------- */

static void flight_do_gives_a_sole_caller_its_own_result(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct trip trip = {.gate = true};
    cconc_flight_result *result = NULL;
    assert_int_equal(flight_do(set, NULL, "k", &trip, &result), 0);
    assert_int_equal(*(int *)cconc_flight_result_value(result), 42);
    assert_false(cconc_flight_result_is_shared(result));
    assert_int_equal(cconc_flight_result_sharers(result), 1);
    assert_int_equal(atomic_load(&trip.started), 1);
    assert_int_equal(atomic_load(&trip.dropped), 1);
    assert_ptr_equal(cconc_flight_result_ref(result), result);
    cconc_flight_result_unref(result);
    assert_int_equal(values_alive(), 1);
    cconc_flight_result_unref(result);
    assert_int_equal(values_alive(), 0);
    cconc_flight_result_unref(NULL);
    flight_end(set);
}

static void flight_do_with_a_context_that_can_end_runs_the_function_too(void **state)
{
    (void)state;
    support_sweep_pause(true); /* flights are counted, those without a thread, too */
    cconc_flight *set = flight_make();
    cconc_ctx *ctx = ctx_make();
    struct trip trip = {.gate = true};
    cconc_flight_result *result = NULL;
    for (int i = 1; i <= 100; i++) {
        assert_int_equal(flight_do(set, ctx, "k", &trip, &result), 0);
        assert_int_equal(atomic_load(&trip.started), i);
        assert_int_equal(atomic_load(&trip.dropped), i);
        assert_int_equal(trip.plain, i);
        cconc_flight_result_unref(result);
    }
    assert_int_equal(flight_counts(set).started, 100);
    cconc_ctx_free(ctx);
    flight_end(set);
}

static void flight_do_without_a_place_for_the_result_destroys_it(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct trip trip = {.gate = true};
    assert_int_equal(flight_do(set, NULL, "k", &trip, NULL), 0);
    assert_int_equal(values_alive(), 0);
    flight_end(set);
}

static int no_value(cconc_ctx *ctx, void *arg, void **out_value)
{
    (void)ctx;
    (void)arg;
    (void)out_value;
    return 0;
}

static void flight_without_value_or_options_has_a_result_all_the_same(void **state)
{
    (void)state;
    cconc_flight *set;
    cconc_flight_result *result = NULL;
    assert_int_equal(cconc_flight_new(NULL, &set), 0);
    assert_int_equal(cconc_flight_do(set, NULL, "", 0, no_value, NULL, NULL, &result), 0);
    assert_non_null(result);
    assert_null(cconc_flight_result_value(result));
    cconc_flight_result_unref(result);
    cconc_flight_free(set);
    cconc_flight_free(NULL);
}

/* ---- one call ------------------------------------------------------------------------------- */

static void flight_runs_once_for_a_thousand_callers_of_one_key(void **state)
{
    (void)state;
    size_t count = support_is_sanitized() ? 200 : 1000;
    cconc_flight *set = flight_make();
    struct trip trip = {.code = 0};
    cconc_ctx *ctx = ctx_make();
    struct callers c = {.set = set, .key = "user:42", .trip = &trip, .ctx = ctx, .count = count};
    struct support_threads *threads = callers_start(&c);
    until(flight_counts(set).callers == count && atomic_load(&trip.started) == 1);
    assert_int_equal(flight_counts(set).flying, 1);
    atomic_store(&trip.gate, true);
    assert_int_equal(support_threads_join(threads), 0);
    assert_int_equal(atomic_load(&trip.started), 1);
    assert_int_equal(atomic_load(&c.shared), count);
    assert_int_equal(atomic_load(&trip.dropped), count);
    until(atomic_load(&values_made) == atomic_load(&values_destroyed)); /* its runner's, too */
    cconc_ctx_free(ctx);
    flight_end(set);
}

static void flight_of_one_key_does_not_hold_up_another(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct trip slow = {.code = 0};
    struct trip quick = {.gate = true};
    struct callers c = {.set = set, .key = "slow", .trip = &slow, .count = 2};
    struct support_threads *threads = callers_start(&c);
    until(flight_counts(set).callers == 2);
    for (int i = 0; i < 100; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "%d", i);
        assert_int_equal(flight_do(set, NULL, key, &quick, NULL), 0);
    }
    atomic_store(&slow.gate, true);
    assert_int_equal(support_threads_join(threads), 0);
    flight_end(set);
}

static void flight_joiner_gets_the_code_of_the_run_that_it_joined(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct trip trip = {.code = ENOENT, .fails_with_value = true};
    struct callers c = {.set = set, .key = "k", .trip = &trip, .count = 8, .expected = ENOENT};
    struct support_threads *threads = callers_start(&c);
    until(flight_counts(set).callers == 8);
    atomic_store(&trip.gate, true);
    assert_int_equal(support_threads_join(threads), 0);
    assert_int_equal(atomic_load(&trip.started), 1);
    assert_int_equal(atomic_load(&trip.dropped), 8);
    flight_end(set);
    assert_int_equal(values_alive(), 0);
}

static void flight_is_shared_for_the_first_caller_as_soon_as_somebody_joined(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct trip trip = {.code = 0};
    cconc_ctx *ctx = ctx_make();
    struct callers first = {.set = set, .key = "k", .trip = &trip, .count = 1};
    struct callers leaver = {
        .set = set, .key = "k", .trip = &trip, .ctx = ctx, .count = 1, .expected = EINPROGRESS};
    struct support_threads *one = callers_start(&first);
    until(atomic_load(&trip.started) == 1);
    struct support_threads *two = callers_start(&leaver);
    until(flight_counts(set).callers == 2);
    cconc_ctx_cancel(ctx);
    assert_int_equal(support_threads_join(two), 0);
    assert_int_equal(flight_counts(set).callers, 1);
    atomic_store(&trip.gate, true);
    assert_int_equal(support_threads_join(one), 0);
    assert_int_equal(atomic_load(&first.shared), 1);
    assert_int_equal(atomic_load(&trip.dropped), 2);
    cconc_ctx_free(ctx);
    flight_end(set);
}

static void flight_key_is_free_once_anybody_has_the_result(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct trip trip = {.gate = true};
    cconc_flight_result *first = NULL;
    cconc_flight_result *second = NULL;
    assert_int_equal(flight_do(set, NULL, "k", &trip, &first), 0);
    assert_true(cconc_flight_forget_unshared(set, "k", 1));
    assert_int_equal(flight_do(set, NULL, "k", &trip, &second), 0);
    assert_ptr_not_equal(first, second);
    assert_int_equal(atomic_load(&trip.started), 2);
    cconc_flight_result_unref(first);
    cconc_flight_result_unref(second);
    flight_end(set);
}

struct fresh {
    cconc_flight *set;
    struct trip trip;
    atomic_int stale; /* a result that one had already */
};

static void fly_again_and_again(void *arg, size_t index)
{
    struct fresh *f = arg;
    cconc_flight_result *before = NULL;
    cconc_ctx *ctx = index % 2 ? ctx_make() : NULL;
    for (int i = 0; i < 2000; i++) {
        cconc_flight_result *result = NULL;
        SUPPORT_CHECK(flight_do(f->set, ctx, "k", &f->trip, &result) == 0);
        atomic_fetch_add(&f->stale, result == before);
        cconc_flight_result_unref(before);
        before = result;
    }
    cconc_flight_result_unref(before);
    cconc_ctx_free(ctx);
}

/* Handing out the result and dropping the key are one step: who has it does not get it again. */
static void flight_key_is_free_for_each_of_many_as_soon_as_it_has_the_result(void **state)
{
    (void)state;
    struct fresh f = {.set = flight_make(), .trip = {.gate = true, .many = true}};
    struct support_threads *threads = support_threads_start(4, fly_again_and_again, &f);
    assert_int_equal(support_threads_join(threads), 0);
    assert_int_equal(atomic_load(&f.stale), 0);
    assert_true(atomic_load(&f.trip.started) >= 2000);
    flight_end(f.set);
}

static void flight_result_outlives_its_table(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct trip trip = {.gate = true};
    cconc_flight_result *results[3];
    assert_int_equal(flight_do(set, NULL, "a", &trip, &results[0]), 0);
    assert_int_equal(flight_do(set, NULL, "b", &trip, &results[1]), 0);
    assert_int_equal(flight_do(set, NULL, "a", &trip, &results[2]), 0);
    cconc_flight_free(set);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(*(int *)cconc_flight_result_value(results[i]), 42);
        cconc_flight_result_unref(results[i]);
    }
    assert_int_equal(values_alive(), 0);
}

/* ---- keys and limits ------------------------------------------------------------------------ */

static int different_key(cconc_ctx *ctx, void *arg, void **out_value)
{
    cconc_flight *set = arg;
    unsigned char other[2] = {0, 1};
    (void)out_value;
    return cconc_flight_do(set, ctx, other, 2, no_value, NULL, NULL, NULL);
}

static void flight_keys_are_told_apart_by_every_byte_and_their_length(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    unsigned char zeros[3] = {0, 0, 0};
    unsigned char *big = calloc(1, CCONC_FLIGHT_MAX_KEY + 1);
    struct trip trip = {.many = true};
    cconc_flight_call *calls[8];
    assert_non_null(big);
    for (size_t len = 0; len <= 3; len++) {
        assert_int_equal(cconc_flight_do_async(set, NULL, zeros, len, trip_fn, &trip, NULL,
                                               &calls[len]), 0);
    }
    for (size_t i = 0; i < 2; i++) {
        big[CCONC_FLIGHT_MAX_KEY - 1] = (unsigned char)i;
        assert_int_equal(cconc_flight_do_async(set, NULL, big, CCONC_FLIGHT_MAX_KEY, trip_fn, &trip,
                                               NULL, &calls[4 + i]), 0);
    }
    assert_int_equal(flight_counts(set).flying, 6);
    assert_int_equal(cconc_flight_do_async(set, NULL, big, CCONC_FLIGHT_MAX_KEY, trip_fn, &trip,
                                           NULL, &calls[6]), 0);
    assert_int_equal(cconc_flight_do_async(set, NULL, NULL, 0, trip_fn, &trip, NULL, &calls[7]), 0);
    assert_int_equal(flight_counts(set).flying, 6);
    free(big);
    atomic_store(&trip.gate, true);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(flight_wait(calls[i], NULL), 0);
    }
    assert_int_equal(atomic_load(&trip.started), 6);
    assert_int_equal(cconc_flight_do(set, NULL, zeros, 2, different_key, set, NULL, NULL), 0);
    flight_end(set);
}

static void flight_refuses_what_cannot_be_right_and_keeps_nothing(void **state)
{
    (void)state;
    static const char key[CCONC_FLIGHT_MAX_KEY + 1];
    cconc_flight *set = flight_make();
    struct trip trip = {.gate = true};
    cconc_flight_result *result = (void *)&trip;
    cconc_flight_call *call = (void *)&trip;
    cconc_ctx_mem mem;
    cconc_ctx *stack_ctx = cconc_ctx_until(&mem, NULL, CCONC_NEVER);
    cconc_flight_opts bad[] = {{.timeout_ns = -1}, {.keep_ns = INT64_MIN}, {.flags = 2},
                               {.flags = UINT32_MAX}};
    uint64_t allocations = support_alloc_count();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cconc_flight *none = (void *)&trip;
        assert_int_equal(cconc_flight_new(&bad[i], &none), EINVAL);
        assert_ptr_equal(none, &trip);
    }
    assert_int_equal(cconc_flight_new(NULL, NULL), EINVAL);
    errno = ERRNO_MARK;
    const struct {
        cconc_flight *set;
        const char *key;
        size_t len;
        cconc_flight_fn fn;
    } grid[] = {{NULL, "k", 1, trip_fn},
                {set, NULL, 1, trip_fn},
                {set, key, CCONC_FLIGHT_MAX_KEY + 1, trip_fn},
                {set, key, SIZE_MAX, trip_fn},
                {set, "k", 1, NULL}};
    for (size_t i = 0; i < sizeof(grid) / sizeof(grid[0]); i++) {
        assert_int_equal(cconc_flight_do(grid[i].set, NULL, grid[i].key, grid[i].len, grid[i].fn,
                                         &trip, trip_drop, &result), EINVAL);
        assert_int_equal(cconc_flight_do_async(grid[i].set, NULL, grid[i].key, grid[i].len,
                                               grid[i].fn, &trip, trip_drop, &call), EINVAL);
    }
    assert_int_equal(cconc_flight_do_async(set, NULL, "k", 1, trip_fn, &trip, NULL, NULL), EINVAL);
    assert_int_equal(cconc_flight_wait(NULL, NULL, &result), EINVAL);
    assert_int_equal(cconc_flight_then(NULL, NULL, NULL, NULL), EINVAL);
    assert_int_equal(cconc_flight_send(NULL, NULL, NULL, NULL), EINVAL);
    assert_true(cconc_flight_forget_unshared(set, key, SIZE_MAX));
    cconc_flight_forget(set, NULL, 1);
    cconc_flight_leave(NULL);
    assert_int_equal(errno, ERRNO_MARK);
    assert_ptr_equal(result, &trip);
    assert_ptr_equal(call, &trip);
    assert_int_equal(atomic_load(&trip.dropped), 0);
    assert_int_equal(support_alloc_count(), allocations);
    assert_int_equal(flight_do_async(set, NULL, "k", &trip, &call), 0);
    assert_int_equal(cconc_flight_then(call, NULL, NULL, NULL), EINVAL);
    assert_int_equal(cconc_flight_send(call, NULL, NULL, NULL), EINVAL);
    assert_int_equal(cconc_flight_send(call, stack_ctx, (cconc_chan *)(void *)&mem, NULL), EINVAL);
    assert_int_equal(flight_wait(call, NULL), 0);
    flight_end(set);
}

/* A context that had ended before wins over everything, and the argument is dropped. */
static void flight_do_with_a_done_context_joins_nothing(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct trip trip = {.gate = true};
    cconc_ctx *ctx = ctx_make();
    cconc_ctx_mem mem;
    cconc_flight_result *result = NULL;
    cconc_flight_call *call = NULL;
    cconc_ctx_cancel(ctx);
    assert_int_equal(flight_do(set, ctx, "k", &trip, &result), ECANCELED);
    cconc_ctx *late = cconc_ctx_until(&mem, NULL, 1);
    assert_int_equal(flight_do(set, late, "k", &trip, &result), ETIMEDOUT);
    assert_int_equal(flight_do_async(set, ctx, "k", &trip, &call), ECANCELED);
    assert_null(result);
    assert_null(call);
    assert_int_equal(atomic_load(&trip.started), 0);
    assert_int_equal(atomic_load(&trip.dropped), 3);
    cconc_ctx_free(ctx);
    flight_end(set);
}

/* ---- memory --------------------------------------------------------------------------------- */

static void flight_table_is_empty_after_a_million_keys(void **state)
{
    (void)state;
    uint32_t count = support_is_sanitized() ? 100000 : 1000000;
    cconc_flight *set = flight_make();
    struct trip trip = {.gate = true};
    assert_int_equal(flight_do(set, NULL, "warm", &trip, NULL), 0);
    size_t bytes = support_live_bytes();
    for (uint32_t i = 0; i < count; i++) {
        SUPPORT_CHECK(cconc_flight_do(set, NULL, &i, sizeof(i), no_value, NULL, NULL, NULL) == 0);
    }
    assert_int_equal(support_live_bytes(), bytes);
    assert_int_equal(flight_counts(set).flying, 0);
    assert_int_equal(flight_counts(set).started, count + 1);
    flight_end(set);
}

static void flight_table_of_many_keys_at_once_gives_its_memory_back(void **state)
{
    (void)state;
    uint32_t count = support_is_sanitized() ? 2000 : 20000;
    cconc_flight *set = flight_make();
    struct trip trip = {.many = true};
    cconc_flight_call **calls = calloc(count, sizeof(cconc_flight_call *));
    cconc_flight_call *gated;
    cconc_executor_stats stats;
    assert_non_null(calls);
    assert_int_equal(flight_do_async(set, NULL, "gated", &trip, &gated), 0);
    cconc_flight_result *result = NULL;
    size_t bytes = support_live_bytes();
    for (uint32_t i = 0; i < count; i++) {
        SUPPORT_CHECK(cconc_flight_do_async(set, NULL, &i, sizeof(i), trip_fn, &trip, trip_drop,
                                            &calls[i]) == 0);
    }
    assert_int_equal(flight_counts(set).flying, count + 1);
    for (uint32_t i = 1; i < count; i++) { /* all that have not started: most */
        cconc_flight_leave(calls[i]);
    }
    atomic_store(&trip.gate, true);
    assert_int_equal(flight_wait(calls[0], NULL), 0);
    assert_int_equal(flight_wait(gated, &result), 0);
    cconc_flight_result_unref(result);
    until(flight_counts(set).abandoned == 0);
    cconc_executor_read(&stats); /* a machine under load has many threads, which keep records */
    until(support_live_bytes() < bytes + 64 * 1024 + stats.threads_peak * 1024);
    assert_int_equal(atomic_load(&trip.dropped), count + 1);
    free(calls);
    flight_end(set);
}

static void flight_forget_unref_and_free_need_no_memory(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct trip trip = {.gate = true};
    cconc_flight_result *result = NULL;
    assert_int_equal(flight_do(set, NULL, "k", &trip, &result), 0);
    uint64_t allocations = support_alloc_count();
    cconc_flight_forget(set, "k", 1);
    (void)cconc_flight_forget_unshared(set, "k", 1);
    cconc_flight_result_unref(result);
    flight_end(set);
    assert_int_equal(support_alloc_count(), allocations);
}

/* ---- a thread that ends --------------------------------------------------------------------- */

static void do_and_exit_thread(void *arg, size_t index)
{
    struct callers *c = arg;
    (void)index;
    (void)flight_do(c->set, c->ctx, c->key, c->trip, NULL);
    SUPPORT_CHECK(c->ctx); /* without one the function has ended this very thread */
    atomic_fetch_add(&c->returned, 1);
}

static void flight_whose_function_ends_its_thread_gives_all_ECANCELED(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    for (int i = 0; i < 2; i++) {
        cconc_ctx *ctx = i == 0 ? NULL : ctx_make();
        struct trip trip = {.exits = true};
        struct callers first = {.set = set, .key = "k", .trip = &trip, .ctx = ctx};
        struct callers others = {
            .set = set, .key = "k", .trip = &trip, .count = 8, .expected = ECANCELED};
        struct support_threads *one = support_threads_start(1, do_and_exit_thread, &first);
        until(atomic_load(&trip.started) == 1);
        struct support_threads *more = callers_start(&others);
        until(flight_counts(set).callers == 9);
        atomic_store(&trip.gate, true);
        (void)support_threads_join(one);
        assert_int_equal(support_threads_join(more), 0);
        assert_int_equal(atomic_load(&first.returned), i);
        assert_int_equal(atomic_load(&trip.dropped), 9);
        assert_int_equal(flight_counts(set).flying, 0);
        cconc_ctx_free(ctx);
    }
    flight_end(set);
}

static void exit_drop(void *arg)
{
    struct trip *trip = arg;
    atomic_fetch_add(&trip->dropped, 1);
    pthread_exit(NULL);
}

static void do_exit_drop_thread(void *arg, size_t index)
{
    struct callers *c = arg;
    (void)index;
    int code = cconc_flight_do(c->set, c->ctx, "k", 1, trip_fn, c->trip, exit_drop, NULL);
    SUPPORT_CHECK(code == (c->trip->exits ? ECANCELED : 0));
    atomic_fetch_add(&c->returned, 1);
}

static void flight_whose_drop_ends_the_thread_lands_all_the_same(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    for (int i = 0; i < 4; i++) {
        cconc_ctx *ctx = i % 2 == 0 ? NULL : ctx_make();
        struct trip trip = {.exits = i >= 2};
        struct callers c = {.set = set, .trip = &trip, .ctx = ctx};
        struct support_threads *threads = support_threads_start(4, do_exit_drop_thread, &c);
        until(flight_counts(set).callers == 4);
        atomic_store(&trip.gate, true);
        (void)support_threads_join(threads);
        assert_int_equal(atomic_load(&trip.dropped), 4);
        assert_int_equal(flight_counts(set).callers, 0);
        cconc_ctx_free(ctx);
    }
    flight_end(set);
}

/* ---- misuse and faults ---------------------------------------------------------------------- */

static void flight_free_with_flights_in_the_air_is_misuse(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct trip trip = {.many = true};
    cconc_flight_call *calls[3];
    assert_int_equal(flight_do_async(set, NULL, "a", &trip, &calls[0]), 0);
    assert_int_equal(flight_do_async(set, NULL, "b", &trip, &calls[1]), 0);
    assert_int_equal(flight_do_async(set, NULL, "b", &trip, &calls[2]), 0);
    expect_misuse("flight free with 2 flights in the air", cconc_flight_free(set));
    atomic_store(&trip.gate, true);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(flight_wait(calls[i], NULL), 0);
    }
    flight_end(set);
}

/* arg: the options. */
static void fault_body(void *arg)
{
    const cconc_flight_opts *opts = arg;
    char big[200] = {1};
    cconc_flight *set;
    cconc_ctx *ctx = NULL;
    cconc_ctx *values = NULL;
    struct trip trip = {.gate = true};
    cconc_flight_call *call;
    int drops = 0;
    if (cconc_flight_new(opts, &set) != 0) {
        return;
    }
    if (cconc_ctx_with_cancel(NULL, &ctx) == 0 &&
        cconc_ctx_with_value(ctx, &set, &trip, NULL, &values) != 0) {
        values = NULL;
    }
    for (int i = 0; i < 6; i++) {
        cconc_ctx *by[] = {NULL, ctx, values};
        size_t len = i < 3 ? 1 : sizeof(big);
        int err = cconc_flight_do(set, by[i % 3], big, len, trip_fn, &trip, trip_drop, NULL);
        SUPPORT_CHECK(err == 0 || err == ENOMEM);
        drops++;
        err = cconc_flight_do_async(set, by[i % 3], big, len, trip_fn, &trip, trip_drop, &call);
        SUPPORT_CHECK(err == 0 || err == ENOMEM);
        drops++;
        if (err == 0) {
            err = flight_wait(call, NULL);
            SUPPORT_CHECK(err == 0 || err == ENOMEM);
        }
        SUPPORT_CHECK(atomic_load(&trip.dropped) == drops);
        SUPPORT_CHECK(flight_counts(set).flying == 0);
    }
    cconc_ctx_free(values);
    cconc_ctx_free(ctx);
    cconc_flight_free(set);
}

static void flight_survives_every_failed_allocation_and_thread(void **state)
{
    (void)state;
    cconc_flight_opts plain = {.destroy = value_destroy};
    cconc_flight_opts timed = {.destroy = value_destroy, .timeout_ns = CCONC_SECOND,
                               .flags = CCONC_FLIGHT_NO_OVERLAP};
    assert_true(support_sweep_alloc(fault_body, &plain) >= 10);
    assert_true(support_sweep_alloc(fault_body, &timed) >= 10);
    assert_true(support_sweep_thread(fault_body, &plain) >= 1);
    assert_int_equal(values_alive(), 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(flight_do_gives_a_sole_caller_its_own_result),
        UNIT_TEST(flight_do_with_a_context_that_can_end_runs_the_function_too),
        UNIT_TEST(flight_do_without_a_place_for_the_result_destroys_it),
        UNIT_TEST(flight_without_value_or_options_has_a_result_all_the_same),
        UNIT_TEST(flight_runs_once_for_a_thousand_callers_of_one_key),
        UNIT_TEST(flight_of_one_key_does_not_hold_up_another),
        UNIT_TEST(flight_joiner_gets_the_code_of_the_run_that_it_joined),
        UNIT_TEST(flight_is_shared_for_the_first_caller_as_soon_as_somebody_joined),
        UNIT_TEST(flight_key_is_free_once_anybody_has_the_result),
        UNIT_TEST(flight_key_is_free_for_each_of_many_as_soon_as_it_has_the_result),
        UNIT_TEST(flight_result_outlives_its_table),
        UNIT_TEST(flight_keys_are_told_apart_by_every_byte_and_their_length),
        UNIT_TEST(flight_refuses_what_cannot_be_right_and_keeps_nothing),
        UNIT_TEST(flight_do_with_a_done_context_joins_nothing),
        UNIT_TEST(flight_table_is_empty_after_a_million_keys),
        UNIT_TEST(flight_table_of_many_keys_at_once_gives_its_memory_back),
        UNIT_TEST(flight_forget_unref_and_free_need_no_memory),
        UNIT_TEST(flight_whose_function_ends_its_thread_gives_all_ECANCELED),
        UNIT_TEST(flight_whose_drop_ends_the_thread_lands_all_the_same),
        UNIT_TEST(flight_free_with_flights_in_the_air_is_misuse),
        UNIT_TEST(flight_survives_every_failed_allocation_and_thread),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
