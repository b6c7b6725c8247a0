/* flight_leave.c - unit tests of flights: contexts, leaving, forgetting, and functions that fly
 * SPDX-License-Identifier: MIT
 *
 * Risk      A caller's end that fails or cancels the others, a function that runs on for nobody or
 *           is cancelled for somebody, a key that stays taken, a newer entry removed by an older
 *           run, functions that wait for each other for ever.
 * Method    Functions behind a gate that look at their context; callers seen to have boarded, then
 *           one context after the other ends.
 * Catches   flight-2 flight-5 flight-6 flight-7 flight-9; all-3 all-4 all-5 all-6; F2 F3; I9 I20.
 */
#include "flight_help.h"

/* ---- leaving -------------------------------------------------------------------------------- */

static void flight_goes_on_for_the_last_caller_and_is_cancelled_when_that_leaves(void **state)
{
    (void)state;
    size_t count = support_is_sanitized() ? 200 : 1000;
    cconc_flight *set = flight_make();
    struct trip trip = {.code = 0};
    struct trip fresh = {.gate = true};
    cconc_flight_result *result = NULL;
    struct callers c = {.set = set, .key = "k", .trip = &trip, .ctx = ctx_make(),
                        .last_ctx = ctx_make(), .count = count, .expected = EINPROGRESS,
                        .last_expected = EINPROGRESS};
    struct support_threads *threads = callers_start(&c);
    until(flight_counts(set).callers == count && atomic_load(&trip.started) == 1);
    cconc_ctx_cancel(c.ctx);
    until(atomic_load(&c.returned) == (int)count - 1);
    assert_int_equal(flight_counts(set).callers, 1);
    assert_int_equal(flight_counts(set).flying, 1);
    assert_int_equal(atomic_load(&trip.ctx_err), 0);
    cconc_ctx_cancel(c.last_ctx);
    assert_int_equal(support_threads_join(threads), 0);
    assert_int_equal(flight_counts(set).flying, 0);
    assert_int_equal(flight_counts(set).abandoned, 1);
    until(atomic_load(&trip.ctx_err) == ECANCELED);
    assert_int_equal(flight_do(set, NULL, "k", &fresh, &result), 0); /* overlaps the old one */
    assert_int_equal(atomic_load(&fresh.started), 1);
    assert_int_equal(atomic_load(&trip.ended), 0);
    assert_false(cconc_flight_result_is_shared(result));
    cconc_flight_result_unref(result);
    atomic_store(&trip.gate, true);
    until(atomic_load(&trip.dropped) == (int)count);
    cconc_ctx_free(c.ctx);
    cconc_ctx_free(c.last_ctx);
    flight_end(set);
}

static void flight_first_caller_leaves_alone(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct trip trip = {.code = 0};
    struct callers first = {.set = set, .key = "k", .trip = &trip, .ctx = ctx_make(), .count = 1,
                            .expected = EINPROGRESS};
    struct callers others = {.set = set, .key = "k", .trip = &trip, .count = 3};
    struct support_threads *one = callers_start(&first);
    until(atomic_load(&trip.started) == 1);
    struct support_threads *more = callers_start(&others);
    until(flight_counts(set).callers == 4);
    cconc_ctx_cancel(first.ctx);
    assert_int_equal(support_threads_join(one), 0);
    assert_int_equal(atomic_load(&trip.dropped), 0); /* fn still runs with it */
    assert_int_equal(atomic_load(&trip.ctx_err), 0);
    atomic_store(&trip.gate, true);
    assert_int_equal(support_threads_join(more), 0);
    assert_int_equal(atomic_load(&trip.ctx_err), 0);
    assert_int_equal(atomic_load(&trip.dropped), 4);
    cconc_ctx_free(first.ctx);
    flight_end(set);
}

static void flight_caller_that_runs_out_of_time_leaves_and_its_context_shows_it(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct trip trip = {.heeds = true};
    cconc_ctx_mem mem;
    int64_t deadline_ns = cconc_clock_after(20 * CCONC_MS);
    cconc_ctx *ctx = cconc_ctx_until(&mem, NULL, deadline_ns);
    cconc_flight_result *result = NULL;
    assert_int_equal(flight_do(set, ctx, "k", &trip, &result), EINPROGRESS);
    assert_true(support_now_ns() >= deadline_ns);
    assert_int_equal(cconc_ctx_err(ctx), ETIMEDOUT);
    assert_null(result);
    until(atomic_load(&trip.dropped) == 1);
    assert_int_equal(atomic_load(&trip.ended), atomic_load(&trip.started));
    assert_true(atomic_load(&trip.started) == 0 || atomic_load(&trip.ctx_err) == ECANCELED);
    flight_end(set);
}

static void flight_that_is_abandoned_never_hands_its_late_value_to_anybody(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct trip trip = {.code = 0};
    cconc_flight_call *call;
    assert_int_equal(flight_do_async(set, NULL, "k", &trip, &call), 0);
    until(atomic_load(&trip.started) == 1);
    cconc_flight_leave(call);
    assert_int_equal(flight_counts(set).flying, 0);
    atomic_store(&trip.gate, true);
    until(atomic_load(&trip.dropped) == 1);
    flight_end(set);
    assert_int_equal(atomic_load(&trip.ctx_err), ECANCELED);
}

/* ---- the context of the function ------------------------------------------------------------ */

static const char value_key;

struct seen {
    void *value;
    int64_t deadline_ns;
    cconc_ctx *kept;
};

static int see(cconc_ctx *ctx, void *arg, void **out_value)
{
    struct seen *seen = arg;
    (void)out_value;
    seen->value = cconc_ctx_value(ctx, &value_key);
    seen->deadline_ns = cconc_ctx_deadline(ctx);
    seen->kept = cconc_ctx_ref(ctx);
    return 0;
}

static void flight_function_has_the_first_callers_values_and_not_its_end(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct seen seen = {0};
    int value = 0;
    cconc_ctx *root = NULL;
    cconc_ctx *ctx = NULL;
    cconc_ctx_mem mem;
    assert_int_equal(cconc_ctx_with_timeout(NULL, 100 * CCONC_SECOND, &root), 0);
    assert_int_equal(cconc_ctx_with_value(root, &value_key, &value, NULL, &ctx), 0);
    for (int i = 0; i < 2; i++) {
        cconc_ctx *by = i == 0 ? ctx : cconc_ctx_until(&mem, ctx, cconc_clock_after(CCONC_SECOND));
        assert_int_equal(cconc_flight_do(set, by, "k", 1, see, &seen, NULL, NULL), 0);
        assert_ptr_equal(seen.value, &value);
        assert_int_equal(seen.deadline_ns, CCONC_NEVER);
        cconc_ctx_free(seen.kept);
    }
    assert_int_equal(cconc_flight_do(set, NULL, "k", 1, see, &seen, NULL, NULL), 0);
    assert_null(seen.value);
    cconc_ctx_free(seen.kept);
    cconc_ctx_free(ctx);
    cconc_ctx_free(root);
    flight_end(set);
}

/* A context that is kept beyond its run is nobody else's: the next function has another one. */
static void flight_context_that_is_kept_is_not_used_again(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    cconc_ctx *ctx = ctx_make();
    cconc_ctx *by[] = {NULL, ctx};
    for (size_t i = 0; i < 2; i++) {
        struct seen first = {0};
        struct seen second = {0};
        assert_int_equal(cconc_flight_do(set, by[i], "k", 1, see, &first, NULL, NULL), 0);
        assert_int_equal(cconc_flight_do(set, by[i], "k", 1, see, &second, NULL, NULL), 0);
        assert_ptr_not_equal(first.kept, second.kept);
        cconc_ctx_free(second.kept);
        assert_int_equal(cconc_flight_do(set, first.kept, "k", 1, see, &second, NULL, NULL), 0);
        assert_ptr_not_equal(first.kept, second.kept);
        cconc_ctx_free(first.kept);
        cconc_ctx_free(second.kept);
    }
    cconc_ctx_free(ctx);
    flight_end(set);
}

static int derive(cconc_ctx *ctx, void *arg, void **out_value)
{
    struct seen *seen = arg;
    (void)out_value;
    return cconc_ctx_with_cancel(ctx, &seen->kept);
}

/* What is derived from it ends with the run at the latest. */
static void flight_context_that_has_a_child_is_not_used_again(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    cconc_ctx *ctx = ctx_make();
    struct seen seen = {0};
    struct trip trip = {.gate = true};
    assert_int_equal(cconc_flight_do(set, ctx, "k", 1, derive, &seen, NULL, NULL), 0);
    until(cconc_ctx_err(seen.kept) == ECANCELED);
    assert_int_equal(flight_do(set, ctx, "k", &trip, NULL), 0);
    assert_int_equal(atomic_load(&trip.ctx_err), 0);
    cconc_ctx_free(seen.kept);
    cconc_ctx_free(ctx);
    flight_end(set);
}

/* ---- forgetting ----------------------------------------------------------------------------- */

static void flight_forgotten_goes_on_and_later_callers_start_anew(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct trip old_trip = {.code = 0};
    struct trip new_trip = {.code = 0};
    struct callers old_callers = {.set = set, .key = "k", .trip = &old_trip, .count = 2};
    struct callers new_callers = {.set = set, .key = "k", .trip = &new_trip, .count = 2};
    struct support_threads *olds = callers_start(&old_callers);
    until(flight_counts(set).callers == 2);
    cconc_flight_forget(set, "k", 1);
    struct support_threads *news = callers_start(&new_callers);
    until(flight_counts(set).callers == 4 && atomic_load(&new_trip.started) == 1);
    assert_int_equal(flight_counts(set).flying, 2);
    atomic_store(&old_trip.gate, true);
    assert_int_equal(support_threads_join(olds), 0);
    assert_int_equal(flight_counts(set).flying, 1);
    /* The old run's end has not removed the newer entry: it can still be joined. */
    struct callers joiner = {.set = set, .key = "k", .trip = &new_trip, .count = 1};
    struct support_threads *join = callers_start(&joiner);
    until(flight_counts(set).callers == 3);
    atomic_store(&new_trip.gate, true);
    assert_int_equal(support_threads_join(news), 0);
    assert_int_equal(support_threads_join(join), 0);
    assert_int_equal(atomic_load(&new_trip.started), 1);
    assert_int_equal(atomic_load(&old_trip.started), 1);
    flight_end(set);
}

static void flight_forget_unshared_keeps_what_was_joined(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct trip trip = {.many = true};
    cconc_flight_call *calls[3];
    assert_true(cconc_flight_forget_unshared(set, "k", 1));
    assert_int_equal(flight_do_async(set, NULL, "k", &trip, &calls[0]), 0);
    assert_true(cconc_flight_forget_unshared(set, "k", 1));
    assert_int_equal(flight_do_async(set, NULL, "k", &trip, &calls[1]), 0);
    assert_int_equal(flight_counts(set).flying, 2);
    assert_int_equal(flight_do_async(set, NULL, "k", &trip, &calls[2]), 0);
    assert_false(cconc_flight_forget_unshared(set, "k", 1));
    cconc_flight_leave(calls[2]);
    assert_false(cconc_flight_forget_unshared(set, "k", 1));
    atomic_store(&trip.gate, true);
    assert_int_equal(flight_wait(calls[0], NULL), 0);
    assert_int_equal(flight_wait(calls[1], NULL), 0);
    assert_true(cconc_flight_forget_unshared(set, "k", 1));
    flight_end(set);
}

/* ---- functions that fly --------------------------------------------------------------------- */

/* A function that flies the next key with its own context, and passes the code on. */
struct hop {
    cconc_flight *set;
    const char *key;
    struct hop *next;   /* NULL = comes home */
    bool async;
    bool bounded;       /* flies under a stack context above its own */
    atomic_int *at_gate;/* counts who has come; goes on when gate is open */
    atomic_bool *gate;
};

static int hop_fn(cconc_ctx *ctx, void *arg, void **out_value)
{
    struct hop *hop = arg;
    cconc_ctx_mem mem;
    cconc_flight_call *call;
    (void)out_value;
    if (hop->gate) {
        atomic_fetch_add(hop->at_gate, 1);
        until(atomic_load(hop->gate));
    }
    if (!hop->next) {
        return 0;
    }
    if (hop->bounded) {
        ctx = cconc_ctx_until(&mem, ctx, cconc_clock_after(100 * CCONC_SECOND));
    }
    if (!hop->async) {
        return cconc_flight_do(hop->set, ctx, hop->next->key, 1, hop_fn, hop->next, NULL, NULL);
    }
    int err = cconc_flight_do_async(hop->set, ctx, hop->next->key, 1, hop_fn, hop->next, NULL,
                                    &call);
    if (err == 0) {
        err = cconc_flight_wait(call, ctx, NULL);
        cconc_flight_leave(call);
    }
    return err;
}

static int hop_start(struct hop *hop, cconc_ctx *ctx)
{
    return cconc_flight_do(hop->set, ctx, hop->key, 1, hop_fn, hop, NULL, NULL);
}

static void flight_of_its_own_key_is_EDEADLK_directly_or_round_a_ring(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    cconc_ctx *ctx = ctx_make();
    struct hop a = {.set = set, .key = "a"};
    struct hop b = {.set = set, .key = "b"};
    struct hop c = {.set = set, .key = "c"};
    for (int i = 0; i < 8; i++) {
        cconc_ctx *by = i & 1 ? ctx : NULL;
        a.async = b.async = c.async = (i & 2) != 0;
        a.bounded = b.bounded = c.bounded = (i & 4) != 0;
        a.next = &a;
        assert_int_equal(hop_start(&a, by), EDEADLK);
        a.next = &b;
        b.next = &a;
        assert_int_equal(hop_start(&a, by), EDEADLK);
        b.next = &c;
        c.next = &a;
        assert_int_equal(hop_start(&a, by), EDEADLK);
        c.next = &b;
        assert_int_equal(hop_start(&a, by), EDEADLK);
        c.next = NULL; /* no ring */
        assert_int_equal(hop_start(&a, by), 0);
    }
    cconc_ctx_free(ctx);
    flight_end(set);
}

static void hop_thread(void *arg, size_t index)
{
    struct hop *hops = arg;
    int code = hop_start(&hops[index], NULL);
    SUPPORT_CHECK(code == EDEADLK);
}

/* Every function of the ring had a starter of its own: none is an ancestor of another. */
static void flight_ring_closed_by_joining_is_EDEADLK_too(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    atomic_int at_gate = 0;
    atomic_bool gate = false;
    struct hop hops[3];
    static const char *const keys[] = {"a", "b", "c"};
    for (size_t i = 0; i < 3; i++) {
        hops[i] = (struct hop){.set = set, .key = keys[i], .next = &hops[(i + 1) % 3],
                               .at_gate = &at_gate, .gate = &gate};
    }
    struct support_threads *threads = support_threads_start(3, hop_thread, hops);
    until(atomic_load(&at_gate) == 3);
    atomic_store(&gate, true);
    assert_int_equal(support_threads_join(threads), 0);
    assert_int_equal(flight_counts(set).started, 3);
    flight_end(set);
}

/* A function whose context others use. */
struct lent {
    cconc_flight *set;
    cconc_ctx *_Atomic ctx;
    struct trip *waits_for;
    atomic_int given_back;
};

static int lend(cconc_ctx *ctx, void *arg, void **out_value)
{
    struct lent *lent = arg;
    (void)out_value;
    atomic_store(&lent->ctx, ctx);
    until(atomic_load(&lent->given_back) == 2);
    return 0;
}

static void wait_for_it(void *arg, size_t index)
{
    struct lent *lent = arg;
    (void)index;
    int code = flight_do(lent->set, atomic_load(&lent->ctx), "b", lent->waits_for, NULL);
    SUPPORT_CHECK(code == 0);
    atomic_fetch_add(&lent->given_back, 1);
}

static void join_the_lender(void *arg, size_t index)
{
    struct hop *joiner = arg;
    (void)index;
    int code = hop_start(joiner, NULL);
    SUPPORT_CHECK(code == 0);
}

/* a waits twice for b, and c for a: two ways from a to b are no ring. */
static void flight_reached_in_two_ways_is_no_ring(void **state)
{
    (void)state;
    support_sweep_pause(true); /* flights are counted, those without memory, too */
    cconc_flight *set = flight_make();
    struct trip b = {.code = 0};
    struct lent a = {.set = set, .waits_for = &b};
    struct hop next = {.set = set, .key = "a"};
    struct hop c = {.set = set, .key = "c", .next = &next};
    cconc_flight_call *call;
    assert_int_equal(cconc_flight_do_async(set, NULL, "a", 1, lend, &a, NULL, &call), 0);
    until(atomic_load(&a.ctx));
    struct support_threads *twice = support_threads_start(2, wait_for_it, &a);
    until(flight_counts(set).callers == 3);
    struct support_threads *joiner = support_threads_start(1, join_the_lender, &c);
    until(flight_counts(set).callers == 5);
    assert_int_equal(flight_counts(set).started, 3); /* c has joined a */
    atomic_store(&b.gate, true);
    assert_int_equal(support_threads_join(twice), 0);
    assert_int_equal(support_threads_join(joiner), 0);
    assert_int_equal(flight_wait(call, NULL), 0);
    assert_int_equal(atomic_load(&b.started), 1);
    flight_end(set);
}

static int forgets_itself(cconc_ctx *ctx, void *arg, void **out_value)
{
    struct hop *hop = arg;
    (void)out_value;
    cconc_flight_forget(hop->set, hop->key, 1);
    return cconc_flight_do(hop->set, ctx, hop->key, 1, hop_fn, hop->next, NULL, NULL);
}

static void flight_function_may_fly_its_own_key_once_it_has_forgotten_it(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct hop inner = {.set = set, .key = "a"};
    struct hop outer = {.set = set, .key = "a", .next = &inner};
    assert_int_equal(cconc_flight_do(set, NULL, "a", 1, forgets_itself, &outer, NULL, NULL), 0);
    assert_int_equal(flight_counts(set).started, 2);
    flight_end(set);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(flight_goes_on_for_the_last_caller_and_is_cancelled_when_that_leaves),
        UNIT_TEST(flight_first_caller_leaves_alone),
        UNIT_TEST(flight_caller_that_runs_out_of_time_leaves_and_its_context_shows_it),
        UNIT_TEST(flight_that_is_abandoned_never_hands_its_late_value_to_anybody),
        UNIT_TEST(flight_function_has_the_first_callers_values_and_not_its_end),
        UNIT_TEST(flight_context_that_is_kept_is_not_used_again),
        UNIT_TEST(flight_context_that_has_a_child_is_not_used_again),
        UNIT_TEST(flight_forgotten_goes_on_and_later_callers_start_anew),
        UNIT_TEST(flight_forget_unshared_keeps_what_was_joined),
        UNIT_TEST(flight_of_its_own_key_is_EDEADLK_directly_or_round_a_ring),
        UNIT_TEST(flight_ring_closed_by_joining_is_EDEADLK_too),
        UNIT_TEST(flight_reached_in_two_ways_is_no_ring),
        UNIT_TEST(flight_function_may_fly_its_own_key_once_it_has_forgotten_it),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
