/* flight_async.c - unit tests of flights: handles, callbacks, channels, and the options
 * SPDX-License-Identifier: MIT
 *
 * Risk      A handle answered twice or never, an answer lost between landing and the end of its
 *           context, a result that nobody owns, a limit passed, a stale result served.
 * Method    Handles of gated functions; ends of contexts before, after and during the landing.
 * Catches   flight-1 flight-2 flight-3 flight-4 flight-5 flight-8 flight-9 timeout join-limit keep
 *           no-overlap; all-3 all-6 all-11; F2 G5; I1 I4 I9 I14 I17 I19.
 */
#include "flight_help.h"

#include "core/node.h"

/* What callbacks were told. */
struct told {
    atomic_int calls;
    atomic_int code;
    atomic_int sum; /* of the values */
    atomic_bool exits;
};

static void tell(void *arg, int code, cconc_flight_result *result)
{
    struct told *told = arg;
    bool exits = atomic_load(&told->exits);
    SUPPORT_CHECK((code == 0) == (result != NULL));
    if (result) {
        atomic_fetch_add(&told->sum, *(int *)cconc_flight_result_value(result));
    }
    cconc_flight_result_unref(result);
    atomic_store(&told->code, code);
    atomic_fetch_add(&told->calls, 1); /* told may be gone from here on */
    if (exits) {
        pthread_exit(NULL);
    }
}

/* ---- wait and leave ------------------------------------------------------------------------- */

static void flight_handle_waits_for_the_result_of_its_flight(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct trip trip = {.code = 0};
    cconc_flight_call *calls[4];
    cconc_flight_result *results[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(flight_do_async(set, NULL, "k", &trip, &calls[i]), 0);
    }
    assert_int_equal(atomic_load(&trip.dropped), 3); /* those not run with, before do_async ends */
    atomic_store(&trip.gate, true);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(flight_wait(calls[i], &results[i]), 0);
        assert_ptr_equal(results[i], results[0]);
    }
    assert_int_equal(atomic_load(&trip.dropped), 4);
    assert_int_equal(cconc_flight_result_sharers(results[0]), 4);
    assert_true(cconc_flight_result_is_shared(results[0]));
    for (size_t i = 0; i < 4; i++) {
        cconc_flight_result_unref(results[i]);
    }
    flight_end(set);
}

static void flight_wait_that_ran_out_of_time_may_be_repeated(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct trip trip = {.code = 0};
    cconc_flight_call *call;
    cconc_flight_result *result = NULL;
    cconc_ctx *ctx = ctx_make();
    cconc_ctx_mem mem;
    assert_int_equal(flight_do_async(set, NULL, "k", &trip, &call), 0);
    cconc_ctx_cancel(ctx);
    assert_int_equal(cconc_flight_wait(call, ctx, &result), EINPROGRESS);
    cconc_ctx *soon = cconc_ctx_until(&mem, NULL, cconc_clock_after(CCONC_MS));
    assert_int_equal(cconc_flight_wait(call, soon, &result), EINPROGRESS);
    assert_null(result);
    assert_int_equal(flight_counts(set).callers, 1);
    atomic_store(&trip.gate, true);
    assert_int_equal(cconc_flight_wait(call, NULL, NULL), 0);
    assert_int_equal(cconc_flight_wait(call, ctx, &result), 0); /* landed wins over ctx */
    cconc_flight_leave(call);
    cconc_flight_result_unref(result);
    cconc_ctx_free(ctx);
    flight_end(set);
}

static void flight_last_handle_that_leaves_cancels_the_function(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct trip trip = {.heeds = true};
    cconc_flight_call *calls[2];
    assert_int_equal(flight_do_async(set, NULL, "k", &trip, &calls[0]), 0);
    assert_int_equal(flight_do_async(set, NULL, "k", &trip, &calls[1]), 0);
    until(atomic_load(&trip.started) == 1);
    cconc_flight_leave(calls[0]);
    assert_int_equal(flight_counts(set).flying, 1);
    assert_int_equal(atomic_load(&trip.ctx_err), 0);
    cconc_flight_leave(calls[1]);
    assert_int_equal(flight_counts(set).flying, 0);
    until(atomic_load(&trip.ended) == 1);
    assert_int_equal(atomic_load(&trip.ctx_err), ECANCELED);
    flight_end(set);
}

static void flight_handle_is_answered_though_the_first_caller_has_left(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct trip trip = {.code = 0};
    struct callers first = {.set = set, .key = "k", .trip = &trip, .ctx = ctx_make(), .count = 1,
                            .expected = EINPROGRESS};
    struct told told = {.code = -1};
    cconc_flight_call *call;
    struct support_threads *threads = callers_start(&first);
    until(atomic_load(&trip.started) == 1);
    assert_int_equal(flight_do_async(set, NULL, "k", &trip, &call), 0);
    assert_int_equal(cconc_flight_then(call, NULL, tell, &told), 0);
    cconc_ctx_cancel(first.ctx);
    assert_int_equal(support_threads_join(threads), 0);
    atomic_store(&trip.gate, true);
    until(atomic_load(&told.calls) == 1);
    assert_int_equal(atomic_load(&told.code), 0);
    cconc_ctx_free(first.ctx);
    flight_end(set);
}

struct waiter_of_call {
    cconc_flight_call *call;
    cconc_ctx *ctx;
};

static void wait_thread(void *arg, size_t index)
{
    struct waiter_of_call *w = arg;
    (void)index;
    SUPPORT_CHECK(cconc_flight_wait(w->call, w->ctx, NULL) == 0);
    cconc_flight_leave(w->call);
}

static void flight_handle_used_by_two_threads_is_misuse(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct trip trip = {.code = 0};
    struct waiter_of_call w = {.ctx = ctx_make()};
    assert_int_equal(flight_do_async(set, NULL, "k", &trip, &w.call), 0);
    struct support_threads *threads = support_threads_start(1, wait_thread, &w);
    until(cconc__node_watchers(w.ctx) == 1);
    expect_misuse("flight call used by 2 threads at once",
                  SUPPORT_CHECK(cconc_flight_wait(w.call, NULL, NULL) == -1));
    expect_misuse("flight call used by 2 threads at once", cconc_flight_leave(w.call));
    atomic_store(&trip.gate, true);
    assert_int_equal(support_threads_join(threads), 0);
    cconc_ctx_free(w.ctx);
    flight_end(set);
}

/* ---- then and send -------------------------------------------------------------------------- */

static void flight_then_calls_back_once_with_the_result(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct trip trip = {.code = 0};
    struct told told = {.code = -1};
    cconc_flight_call *call;
    cconc_ctx *ctx = ctx_make();
    for (int i = 0; i < 8; i++) {
        assert_int_equal(flight_do_async(set, NULL, "k", &trip, &call), 0);
        assert_int_equal(cconc_flight_then(call, i % 2 ? ctx : NULL, tell, &told), 0);
    }
    assert_int_equal(flight_counts(set).callers, 8);
    assert_int_equal(atomic_load(&told.calls), 0);
    atomic_store(&trip.gate, true);
    until(atomic_load(&told.calls) == 8);
    assert_int_equal(atomic_load(&told.sum), 8 * 42);
    assert_int_equal(flight_do_async(set, NULL, "k", &trip, &call), 0);
    assert_int_equal(cconc_flight_wait(call, NULL, NULL), 0);
    assert_int_equal(cconc_flight_then(call, ctx, tell, &told), 0); /* has landed already */
    until(atomic_load(&told.calls) == 9);
    cconc_ctx_free(ctx);
    flight_end(set);
}

static void flight_then_leaves_when_its_context_ends(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct trip trip = {.heeds = true};
    struct told told = {.code = -1};
    struct told other = {.code = -1};
    cconc_flight_call *calls[3];
    cconc_ctx *ctx = ctx_make();
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(flight_do_async(set, NULL, "k", &trip, &calls[i]), 0);
    }
    assert_int_equal(cconc_flight_then(calls[0], ctx, tell, &told), 0);
    assert_int_equal(cconc_flight_then(calls[1], NULL, tell, &other), 0);
    cconc_ctx_cancel(ctx);
    until(atomic_load(&told.calls) == 1);
    assert_int_equal(atomic_load(&told.code), EINPROGRESS);
    until(flight_counts(set).callers == 2);
    assert_int_equal(cconc_flight_then(calls[2], ctx, tell, &told), 0); /* done on entry */
    until(atomic_load(&told.calls) == 2);
    assert_int_equal(atomic_load(&told.code), EINPROGRESS);
    assert_int_equal(atomic_load(&other.calls), 0);
    assert_int_equal(flight_counts(set).flying, 1);
    atomic_store(&trip.gate, true);
    until(atomic_load(&other.calls) == 1);
    assert_int_equal(atomic_load(&other.code), 0);
    cconc_ctx_free(ctx);
    flight_end(set);
}

/* Landing and end of the context at one time: one answer, whichever it is. */
static void flight_then_is_answered_once_when_landing_races_the_context(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    int rounds = support_is_sanitized() ? 200 : 2000;
    for (int i = 0; i < rounds; i++) {
        struct trip trip = {.code = 0};
        struct told told = {.code = -1};
        cconc_flight_call *call;
        cconc_ctx *ctx = ctx_make();
        assert_int_equal(flight_do_async(set, NULL, "k", &trip, &call), 0);
        if (i % 3 == 0) {
            atomic_store(&trip.gate, true);
        }
        if (i % 3 == 1) {
            cconc_ctx_cancel(ctx);
        }
        assert_int_equal(cconc_flight_then(call, ctx, tell, &told), 0);
        atomic_store(&trip.gate, true);
        cconc_ctx_cancel(ctx);
        until(atomic_load(&told.calls) == 1);
        int code = atomic_load(&told.code);
        SUPPORT_CHECK(code == 0 || code == EINPROGRESS);
        cconc_ctx_free(ctx);
        until(atomic_load(&trip.dropped) == 1);
        SUPPORT_CHECK(atomic_load(&told.calls) == 1);
    }
    flight_end(set);
}

static void flight_callback_that_ends_its_thread_disturbs_nobody(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct trip trip = {.code = 0};
    struct told told = {.exits = true};
    cconc_flight_call *call;
    cconc_ctx *ctx = ctx_make();
    for (int i = 0; i < 6; i++) {
        assert_int_equal(flight_do_async(set, NULL, "k", &trip, &call), 0);
        assert_int_equal(cconc_flight_then(call, i < 2 ? ctx : NULL, tell, &told), 0);
    }
    cconc_ctx_cancel(ctx);
    until(atomic_load(&told.calls) == 2);
    atomic_store(&trip.gate, true);
    until(atomic_load(&told.calls) == 6);
    cconc_ctx_free(ctx);
    flight_end(set);
}

static void flight_send_puts_the_outcome_on_a_channel(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct trip good = {.code = 0};
    struct trip bad = {.code = ENOENT};
    cconc_flight_call *calls[3];
    cconc_flight_outcome outcome;
    cconc_chan *ch;
    int tags[3];
    size_t fired;
    assert_int_equal(cconc_chan_new(sizeof(outcome), 3, &ch), 0);
    assert_int_equal(flight_do_async(set, NULL, "good", &good, &calls[0]), 0);
    assert_int_equal(flight_do_async(set, NULL, "bad", &bad, &calls[1]), 0);
    assert_int_equal(flight_do_async(set, NULL, "bad", &bad, &calls[2]), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(cconc_flight_send(calls[i], NULL, ch, &tags[i]), 0);
    }
    assert_int_equal(cconc_chan_try_recv(ch, &outcome), EAGAIN);
    atomic_store(&good.gate, true);
    cconc_select_case cases[] = {cconc_select_recv(ch, &outcome)};
    assert_int_equal(cconc_select(cases, 1, 0, &fired), 0);
    assert_ptr_equal(outcome.tag, &tags[0]);
    assert_int_equal(outcome.code, 0);
    assert_int_equal(*(int *)cconc_flight_result_value(outcome.result), 42);
    cconc_flight_result_unref(outcome.result);
    atomic_store(&bad.gate, true);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(cconc_chan_recv(ch, NULL, &outcome), 0);
        assert_true(outcome.tag == &tags[1] || outcome.tag == &tags[2]);
        assert_int_equal(outcome.code, ENOENT);
        assert_null(outcome.result);
    }
    assert_int_equal(cconc_chan_close(ch), 0);
    assert_int_equal(flight_do_async(set, NULL, "good", &good, &calls[0]), 0);
    assert_int_equal(cconc_flight_send(calls[0], NULL, ch, NULL), 0); /* into a closed one */
    until(atomic_load(&good.dropped) == 2 && values_alive() == 0);
    until(flight_counts(set).flying == 0);
    cconc_chan_free(ch);
    flight_end(set);
}

static void flight_send_refuses_a_channel_of_other_elements(void **state)
{
    static const size_t sizes[] = {0, sizeof(void *), sizeof(cconc_flight_outcome) - 1,
                                   sizeof(cconc_flight_outcome) + 1};
    (void)state;
    cconc_flight *set = flight_make();
    struct trip trip = {.gate = true};
    cconc_flight_call *call;
    assert_int_equal(flight_do_async(set, NULL, "k", &trip, &call), 0);
    for (size_t i = 0; i < 4; i++) {
        cconc_chan *ch;
        assert_int_equal(cconc_chan_new(sizes[i], 1, &ch), 0);
        assert_int_equal(cconc_flight_send(call, NULL, ch, NULL), EINVAL);
        cconc_chan_free(ch);
    }
    assert_int_equal(flight_wait(call, NULL), 0); /* it is the caller's as before */
    flight_end(set);
}

/* ---- options -------------------------------------------------------------------------------- */

static void flight_timeout_lets_the_callers_go_and_frees_the_key(void **state)
{
    (void)state;
    assert_int_equal(cconc_clock_virtual(), 0);
    cconc_flight *set = flight_make_opts((cconc_flight_opts){.timeout_ns = 20 * CCONC_MS});
    struct trip stuck = {.code = 0};
    struct trip fresh = {.gate = true};
    cconc_flight_call *calls[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(flight_do_async(set, NULL, "k", &stuck, &calls[i]), 0);
    }
    until(atomic_load(&stuck.started) == 1);
    assert_int_equal(cconc_clock_advance(20 * CCONC_MS - 1), 0);
    assert_int_equal(flight_counts(set).flying, 1);
    assert_int_equal(cconc_clock_advance(1), 0);
    assert_int_equal(flight_counts(set).flying, 0);
    assert_int_equal(flight_counts(set).abandoned, 1);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(flight_wait(calls[i], NULL), ETIMEDOUT);
    }
    until(atomic_load(&stuck.ctx_err) == ETIMEDOUT);
    assert_int_equal(flight_do(set, NULL, "k", &fresh, NULL), 0);
    atomic_store(&stuck.gate, true);
    until(atomic_load(&stuck.dropped) == 4);
    flight_end(set);
    assert_int_equal(cconc_clock_real(), 0);
}

static void flight_in_time_never_hears_of_its_timeout(void **state)
{
    (void)state;
    cconc_flight *set = flight_make_opts((cconc_flight_opts){.timeout_ns = 3600 * CCONC_SECOND});
    struct trip trip = {.gate = true};
    for (int i = 0; i < 20; i++) {
        assert_int_equal(flight_do(set, NULL, "k", &trip, NULL), 0);
    }
    assert_int_equal(atomic_load(&trip.ctx_err), 0);
    flight_end(set);
}

static void flight_join_limit_refuses_who_is_one_too_many(void **state)
{
    (void)state;
    cconc_flight *set = flight_make_opts((cconc_flight_opts){.join_max = 2});
    struct trip trip = {.code = 0};
    cconc_flight_call *calls[3];
    assert_int_equal(flight_do_async(set, NULL, "k", &trip, &calls[0]), 0);
    assert_int_equal(flight_do_async(set, NULL, "k", &trip, &calls[1]), 0);
    assert_int_equal(flight_do_async(set, NULL, "k", &trip, &calls[2]), EAGAIN);
    assert_int_equal(flight_do(set, NULL, "k", &trip, NULL), EAGAIN);
    assert_int_equal(atomic_load(&trip.dropped), 3);
    cconc_flight_leave(calls[1]);
    assert_int_equal(flight_do_async(set, NULL, "k", &trip, &calls[1]), 0);
    atomic_store(&trip.gate, true);
    assert_int_equal(flight_wait(calls[0], NULL), 0);
    assert_int_equal(flight_wait(calls[1], NULL), 0);
    flight_end(set);
}

static void flight_result_is_kept_for_a_time_and_no_longer(void **state)
{
    (void)state;
    assert_int_equal(cconc_clock_virtual(), 0);
    cconc_flight *set = flight_make_opts((cconc_flight_opts){.keep_ns = 30 * CCONC_MS});
    struct trip trip = {.gate = true};
    struct trip bad = {.gate = true, .code = ENOENT};
    cconc_flight_result *result = NULL;
    assert_int_equal(flight_do(set, NULL, "bad", &bad, NULL), ENOENT);
    assert_int_equal(flight_do(set, NULL, "bad", &bad, NULL), ENOENT);
    assert_int_equal(atomic_load(&bad.started), 2); /* only what is good is kept */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(flight_do(set, NULL, "k", &trip, NULL), 0);
        assert_int_equal(cconc_clock_advance(30 * CCONC_MS - 1), 0);
        assert_int_equal(flight_do(set, NULL, "k", &trip, &result), 0);
        assert_true(cconc_flight_result_is_shared(result));
        assert_int_equal(cconc_flight_result_sharers(result), 2);
        cconc_flight_result_unref(result);
        assert_int_equal(atomic_load(&trip.started), i + 1);
        assert_int_equal(flight_counts(set).kept, 1);
        assert_int_equal(cconc_clock_advance(1), 0);
        assert_int_equal(flight_counts(set).kept, 0); /* without anybody who looks */
        assert_int_equal(values_alive(), 0);
    }
    flight_end(set);
    assert_int_equal(cconc_clock_real(), 0);
}

static void flight_kept_result_serves_until_forgotten_or_freed(void **state)
{
    (void)state;
    cconc_flight *set = flight_make_opts((cconc_flight_opts){.keep_ns = CCONC_NEVER});
    struct trip trip = {.gate = true};
    cconc_flight_call *call;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(flight_do(set, NULL, "k", &trip, NULL), 0);
        assert_int_equal(flight_do_async(set, NULL, "k", &trip, &call), 0);
        assert_int_equal(flight_wait(call, NULL), 0);
        assert_int_equal(flight_do(set, NULL, "other", &trip, NULL), 0);
        assert_int_equal(flight_counts(set).kept, 2);
        assert_int_equal(flight_counts(set).callers, 0);
        if (i == 0) {
            cconc_flight_forget(set, "k", 1);
        } else {
            assert_true(cconc_flight_forget_unshared(set, "k", 1));
        }
        assert_int_equal(flight_counts(set).kept, 1);
    }
    assert_int_equal(atomic_load(&trip.started), 4);
    assert_int_equal(atomic_load(&trip.dropped), 9);
    cconc_flight_free(set);
    assert_int_equal(values_alive(), 0);
}

static void flight_without_overlap_waits_for_the_abandoned_one(void **state)
{
    (void)state;
    cconc_flight *set = flight_make_opts((cconc_flight_opts){.flags = CCONC_FLIGHT_NO_OVERLAP});
    struct trip old_trip = {.code = 0};
    struct trip new_trip = {.gate = true};
    struct trip gone = {.gate = true};
    cconc_flight_call *calls[4];
    assert_int_equal(flight_do_async(set, NULL, "k", &old_trip, &calls[0]), 0);
    until(atomic_load(&old_trip.started) == 1);
    cconc_flight_leave(calls[0]);
    /* One that waits for it, and is abandoned too before it could start. */
    assert_int_equal(flight_do_async(set, NULL, "k", &gone, &calls[1]), 0);
    assert_int_equal(flight_counts(set).flying, 1);
    cconc_flight_leave(calls[1]);
    until(atomic_load(&gone.dropped) == 1);
    assert_int_equal(atomic_load(&gone.started), 0);
    /* Two callers of the one after that. */
    assert_int_equal(flight_do_async(set, NULL, "k", &new_trip, &calls[2]), 0);
    assert_int_equal(flight_do_async(set, NULL, "k", &new_trip, &calls[3]), 0);
    assert_int_equal(flight_counts(set).flying, 1);
    assert_int_equal(atomic_load(&new_trip.started), 0);
    atomic_store(&old_trip.gate, true);
    assert_int_equal(flight_wait(calls[2], NULL), 0);
    assert_int_equal(flight_wait(calls[3], NULL), 0);
    assert_int_equal(atomic_load(&old_trip.dropped), 1); /* had ended before */
    assert_int_equal(atomic_load(&new_trip.started), 1);
    struct callers c = {.set = set, .key = "k", .trip = &new_trip, .count = 1};
    assert_int_equal(support_threads_join(callers_start(&c)), 0);
    flight_end(set);
}

/* ---- faults --------------------------------------------------------------------------------- */

static void async_body(void *arg)
{
    cconc_flight *set;
    struct trip trip = {.gate = true};
    struct told told = {.code = -1};
    cconc_ctx *ctx = NULL;
    cconc_flight_opts opts = {.destroy = value_destroy, .keep_ns = 1, .flags = 1};
    int answers = 0;
    (void)arg;
    if (cconc_flight_new(&opts, &set) != 0) {
        return;
    }
    if (cconc_ctx_with_cancel(NULL, &ctx) != 0) {
        ctx = NULL;
    }
    for (int i = 0; i < 4; i++) {
        cconc_flight_call *call;
        int err = flight_do_async(set, ctx, "k", &trip, &call);
        SUPPORT_CHECK(err == 0 || err == ENOMEM);
        if (err == 0) {
            err = cconc_flight_then(call, i % 2 ? ctx : NULL, tell, &told);
            SUPPORT_CHECK(err == 0 || err == ENOMEM);
            if (err) {
                cconc_flight_leave(call);
            }
            answers += err == 0;
        }
    }
    until(atomic_load(&told.calls) == answers && flight_counts(set).abandoned == 0);
    SUPPORT_CHECK(flight_counts(set).flying == 0);
    cconc_ctx_free(ctx);
    cconc_flight_free(set);
    until(atomic_load(&trip.dropped) == 4);
}

static void flight_handles_survive_every_failed_allocation_and_thread(void **state)
{
    (void)state;
    assert_true(support_sweep_alloc(async_body, NULL) >= 10);
    assert_true(support_sweep_thread(async_body, NULL) >= 1);
    assert_int_equal(values_alive(), 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(flight_handle_waits_for_the_result_of_its_flight),
        UNIT_TEST(flight_wait_that_ran_out_of_time_may_be_repeated),
        UNIT_TEST(flight_last_handle_that_leaves_cancels_the_function),
        UNIT_TEST(flight_handle_is_answered_though_the_first_caller_has_left),
        UNIT_TEST(flight_handle_used_by_two_threads_is_misuse),
        UNIT_TEST(flight_then_calls_back_once_with_the_result),
        UNIT_TEST(flight_then_leaves_when_its_context_ends),
        UNIT_TEST(flight_then_is_answered_once_when_landing_races_the_context),
        UNIT_TEST(flight_callback_that_ends_its_thread_disturbs_nobody),
        UNIT_TEST(flight_send_puts_the_outcome_on_a_channel),
        UNIT_TEST(flight_send_refuses_a_channel_of_other_elements),
        UNIT_TEST(flight_timeout_lets_the_callers_go_and_frees_the_key),
        UNIT_TEST(flight_in_time_never_hears_of_its_timeout),
        UNIT_TEST(flight_join_limit_refuses_who_is_one_too_many),
        UNIT_TEST(flight_result_is_kept_for_a_time_and_no_longer),
        UNIT_TEST(flight_kept_result_serves_until_forgotten_or_freed),
        UNIT_TEST(flight_without_overlap_waits_for_the_abandoned_one),
        UNIT_TEST(flight_handles_survive_every_failed_allocation_and_thread),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
