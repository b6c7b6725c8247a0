/* x_sync.c - the behaviours of Go's golang.org/x/sync: errgroup, singleflight, semaphore
 * SPDX-License-Identifier: MIT
 *
 * Risk      A program carried over from Go that behaves differently without being told.
 * Method    One case a behaviour that the Go packages document, or that their tests rely on. The
 *           deliberate differences are cases too, and say so.
 * Catches   ported programs that change their meaning; group-1, flight-1, sem-1 and what follows.
 */
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <cconc/cconc.h>

/* A task or function that waits for its gate. */
struct gated {
    atomic_bool open;
    atomic_int inside;
    atomic_int most_inside;
    atomic_int ran;
    int code;
};

static void gated_pass(struct gated *g)
{
    int inside = atomic_fetch_add(&g->inside, 1) + 1;
    int most = atomic_load(&g->most_inside);
    while (inside > most && !atomic_compare_exchange_weak(&g->most_inside, &most, inside)) {
    }
    while (!atomic_load(&g->open)) {
        sched_yield();
    }
    atomic_fetch_sub(&g->inside, 1);
    atomic_fetch_add(&g->ran, 1);
}

/* ---- errgroup ------------------------------------------------------------------------------- */

static int return_code(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    return *(int *)arg;
}

static int wait_for_cancel(cconc_ctx *ctx, void *arg)
{
    atomic_int *code = arg;
    int err = cconc_ctx_wait(ctx, NULL);
    (void)err;
    atomic_store(code, cconc_ctx_cause(ctx, NULL));
    return EIO; /* comes second, and is not told */
}

static int gated_task(cconc_ctx *ctx, void *arg)
{
    struct gated *g = arg;
    (void)ctx;
    gated_pass(g);
    return g->code;
}

static cconc_group *group_make(cconc_group_opts opts)
{
    cconc_group *group = NULL;
    SUPPORT_CHECK(cconc_group_new(NULL, &opts, &group) == 0);
    return group;
}

static void errgroup_wait_returns_nil_if_every_function_does(void **state)
{
    (void)state;
    cconc_group *group = group_make((cconc_group_opts){0});
    int ok = 0;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(cconc_group_go(group, NULL, return_code, &ok), 0);
    }
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    cconc_group_free(group);
}

static void errgroup_wait_returns_the_first_error_and_it_cancels_the_context(void **state)
{
    (void)state;
    cconc_group *group = group_make((cconc_group_opts){0});
    atomic_int seen = 0;
    int first = ENOENT;
    assert_int_equal(cconc_group_go(group, NULL, wait_for_cancel, &seen), 0);
    assert_int_equal(cconc_group_go(group, NULL, return_code, &first), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), ENOENT);
    assert_int_equal(atomic_load(&seen), ENOENT); /* context.Cause */
    cconc_group_free(group);
}

static void errgroup_wait_cancels_the_context_also_without_an_error(void **state)
{
    (void)state;
    cconc_group *group = group_make((cconc_group_opts){0});
    int ok = 0;
    assert_int_equal(cconc_ctx_err(cconc_group_ctx(group)), 0);
    assert_int_equal(cconc_group_go(group, NULL, return_code, &ok), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(cconc_ctx_err(cconc_group_ctx(group)), ECANCELED);
    cconc_group_free(group);
}

static void errgroup_zero_group_does_not_cancel(void **state)
{
    (void)state;
    cconc_group *group = group_make((cconc_group_opts){.flags = CCONC_GROUP_KEEP_GOING});
    int first = ENOENT;
    assert_int_equal(cconc_group_go(group, NULL, return_code, &first), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), ENOENT);
    assert_int_equal(cconc_ctx_err(cconc_group_ctx(group)), 0);
    cconc_group_free(group);
}

static void errgroup_go_after_the_first_error_still_runs_the_function(void **state)
{
    (void)state;
    cconc_group *group = group_make((cconc_group_opts){0});
    struct gated late = {.open = true};
    int first = ENOENT;
    assert_int_equal(cconc_group_go(group, NULL, return_code, &first), 0);
    until(cconc_ctx_err(cconc_group_ctx(group)) != 0);
    assert_int_equal(cconc_group_go(group, NULL, gated_task, &late), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), ENOENT);
    assert_int_equal(atomic_load(&late.ran), 1);
    cconc_group_free(group);
}

static void errgroup_limit_bounds_the_active_functions(void **state)
{
    (void)state;
    cconc_group *group = group_make((cconc_group_opts){0});
    struct gated g = {.open = true};
    cconc_group_set_limit(group, 3);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(cconc_group_go(group, NULL, gated_task, &g), 0);
    }
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&g.ran), 200);
    assert_true(atomic_load(&g.most_inside) <= 3);
    cconc_group_free(group);
}

static void errgroup_try_go_starts_only_below_the_limit(void **state)
{
    (void)state;
    cconc_group *group = group_make((cconc_group_opts){0});
    struct gated g = {.code = 0};
    cconc_group_set_limit(group, 2);
    assert_int_equal(cconc_group_try_go(group, gated_task, &g), 0);
    assert_int_equal(cconc_group_try_go(group, gated_task, &g), 0);
    assert_int_equal(cconc_group_try_go(group, gated_task, &g), EAGAIN);
    atomic_store(&g.open, true);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(cconc_group_try_go(group, gated_task, &g), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&g.ran), 3);
    cconc_group_free(group);
}

static void errgroup_negative_limit_is_none_and_zero_lets_nothing_in(void **state)
{
    (void)state;
    cconc_group *group = group_make((cconc_group_opts){0});
    struct gated g = {.code = 0};
    cconc_group_set_limit(group, 0);
    assert_int_equal(cconc_group_try_go(group, gated_task, &g), EAGAIN);
    cconc_group_set_limit(group, -1);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(cconc_group_try_go(group, gated_task, &g), 0);
    }
    until(atomic_load(&g.inside) == 20);
    atomic_store(&g.open, true);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    cconc_group_free(group);
}

/* Go panics; here the limit may change at any time. */
static void errgroup_limit_changes_while_functions_are_active_unlike_go(void **state)
{
    (void)state;
    cconc_group *group = group_make((cconc_group_opts){.limit = 1});
    struct gated g = {.code = 0};
    assert_int_equal(cconc_group_try_go(group, gated_task, &g), 0);
    assert_int_equal(cconc_group_try_go(group, gated_task, &g), EAGAIN);
    cconc_group_set_limit(group, 2);
    assert_int_equal(cconc_group_try_go(group, gated_task, &g), 0);
    atomic_store(&g.open, true);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    cconc_group_free(group);
}

static int end_thread(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    pthread_exit(NULL);
}

static void errgroup_wait_returns_though_a_function_ended_its_thread(void **state)
{
    (void)state;
    cconc_group *group = group_make((cconc_group_opts){0});
    assert_int_equal(cconc_group_go(group, NULL, end_thread, NULL), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), ECANCELED);
    cconc_group_free(group);
}

/* ---- singleflight --------------------------------------------------------------------------- */

static int gated_flight(cconc_ctx *ctx, void *arg, void **out_value)
{
    struct gated *g = arg;
    (void)ctx;
    gated_pass(g);
    *out_value = g;
    return g->code;
}

static int end_thread_flight(cconc_ctx *ctx, void *arg, void **out_value)
{
    (void)out_value;
    gated_pass(arg);
    return end_thread(ctx, NULL);
}

static cconc_flight *flight_make(void)
{
    cconc_flight *set = NULL;
    SUPPORT_CHECK(cconc_flight_new(NULL, &set) == 0);
    return set;
}

static uint64_t flight_callers(cconc_flight *set)
{
    cconc_flight_counts counts;
    cconc_flight_read(set, &counts);
    return counts.callers;
}

static int flight_start(cconc_flight *set, struct gated *g, cconc_flight_call **out_call)
{
    return cconc_flight_do_async(set, NULL, "key", 3, gated_flight, g, NULL, out_call);
}

static int flight_finish(cconc_flight_call *call, cconc_flight_result **out_result)
{
    int code = cconc_flight_wait(call, NULL, out_result);
    cconc_flight_leave(call);
    return code;
}

static void singleflight_do_returns_what_the_function_does(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct gated g = {.open = true};
    cconc_flight_result *result = NULL;
    assert_int_equal(cconc_flight_do(set, NULL, "key", 3, gated_flight, &g, NULL, &result), 0);
    assert_ptr_equal(cconc_flight_result_value(result), &g);
    assert_false(cconc_flight_result_is_shared(result));
    cconc_flight_result_unref(result);
    g.code = ENOENT;
    assert_int_equal(cconc_flight_do(set, NULL, "key", 3, gated_flight, &g, NULL, NULL), ENOENT);
    assert_int_equal(atomic_load(&g.ran), 2);
    cconc_flight_free(set);
}

static void duplicate_thread(void *arg, size_t index)
{
    void **both = arg;
    cconc_flight_result *result = NULL;
    (void)index;
    int code = cconc_flight_do(both[0], NULL, "key", 3, gated_flight, both[1], NULL, &result);
    SUPPORT_CHECK(code == 0 && cconc_flight_result_is_shared(result));
    SUPPORT_CHECK(cconc_flight_result_value(result) == both[1]);
    cconc_flight_result_unref(result);
}

static void singleflight_duplicates_wait_for_the_original_and_share_its_result(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct gated g = {.code = 0};
    void *both[] = {set, &g};
    struct support_threads *threads = support_threads_start(10, duplicate_thread, both);
    until(flight_callers(set) == 10);
    atomic_store(&g.open, true);
    assert_int_equal(support_threads_join(threads), 0);
    assert_int_equal(atomic_load(&g.ran), 1);
    cconc_flight_free(set);
}

static void singleflight_forget_makes_the_next_call_run_the_function_again(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct gated first = {.code = 0};
    struct gated second = {.code = 0};
    cconc_flight_call *calls[3];
    cconc_flight_result *result = NULL;
    assert_int_equal(flight_start(set, &first, &calls[0]), 0);
    until(atomic_load(&first.inside) == 1);
    cconc_flight_forget(set, "key", 3);
    assert_int_equal(flight_start(set, &second, &calls[1]), 0);
    until(atomic_load(&second.inside) == 1);
    atomic_store(&first.open, true);
    assert_int_equal(flight_finish(calls[0], &result), 0);
    assert_ptr_equal(cconc_flight_result_value(result), &first);
    cconc_flight_result_unref(result);
    assert_int_equal(flight_start(set, &first, &calls[2]), 0); /* joins the second */
    atomic_store(&second.open, true);
    assert_int_equal(flight_finish(calls[1], NULL), 0);
    assert_int_equal(flight_finish(calls[2], &result), 0);
    assert_ptr_equal(cconc_flight_result_value(result), &second);
    cconc_flight_result_unref(result);
    assert_int_equal(atomic_load(&first.ran), 1);
    cconc_flight_free(set);
}

static void singleflight_forget_unshared_leaves_a_shared_call_alone(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct gated g = {.code = 0};
    cconc_flight_call *calls[2];
    assert_int_equal(flight_start(set, &g, &calls[0]), 0);
    assert_int_equal(flight_start(set, &g, &calls[1]), 0);
    assert_false(cconc_flight_forget_unshared(set, "key", 3));
    atomic_store(&g.open, true);
    assert_int_equal(flight_finish(calls[0], NULL), 0);
    assert_int_equal(flight_finish(calls[1], NULL), 0);
    assert_true(cconc_flight_forget_unshared(set, "key", 3));
    cconc_flight_free(set);
}

/* DoChan: the result comes on a channel, and nobody is held up by one that is not read. */
static void singleflight_do_chan_delivers_on_the_channel(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct gated g = {.code = 0};
    cconc_flight_call *calls[2];
    cconc_chan *chans[2];
    cconc_flight_outcome outcome;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(cconc_chan_new(sizeof(outcome), 1, &chans[i]), 0);
        assert_int_equal(flight_start(set, &g, &calls[i]), 0);
        assert_int_equal(cconc_flight_send(calls[i], NULL, chans[i], &calls[i]), 0);
    }
    atomic_store(&g.open, true);
    for (size_t i = 2; i-- > 0;) {
        assert_int_equal(cconc_chan_recv(chans[i], NULL, &outcome), 0);
        assert_int_equal(outcome.code, 0);
        assert_ptr_equal(outcome.tag, &calls[i]);
        assert_true(cconc_flight_result_is_shared(outcome.result));
        cconc_flight_result_unref(outcome.result);
        cconc_chan_free(chans[i]);
    }
    cconc_flight_free(set);
}

static void singleflight_callers_return_though_the_function_ended_its_thread(void **state)
{
    (void)state;
    cconc_flight *set = flight_make();
    struct gated g = {.code = 0};
    cconc_flight_call *calls[3];
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(cconc_flight_do_async(set, NULL, "key", 3, end_thread_flight, &g, NULL,
                                               &calls[i]), 0);
    }
    atomic_store(&g.open, true);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(flight_finish(calls[i], NULL), ECANCELED);
    }
    assert_int_equal(atomic_load(&g.ran), 1);
    cconc_flight_free(set);
}

/* ---- semaphore ------------------------------------------------------------------------------ */

static cconc_sem *sem_make(int64_t capacity)
{
    cconc_sem *sem = NULL;
    SUPPORT_CHECK(cconc_sem_new(capacity, &sem) == 0);
    return sem;
}

struct acquirer {
    cconc_sem *sem;
    cconc_ctx *ctx;
    int64_t n;
    int expected;
    atomic_int done;
};

static void acquire_thread(void *arg, size_t index)
{
    struct acquirer *a = arg;
    (void)index;
    SUPPORT_CHECK(cconc_sem_acquire(a->sem, a->ctx, a->n) == a->expected);
    atomic_fetch_add(&a->done, 1);
}

static void semaphore_try_acquire_takes_what_is_there_and_no_more(void **state)
{
    (void)state;
    cconc_sem *sem = sem_make(2);
    assert_int_equal(cconc_sem_acquire(sem, NULL, 1), 0);
    assert_int_equal(cconc_sem_try_acquire(sem, 1), 0);
    assert_int_equal(cconc_sem_try_acquire(sem, 1), EAGAIN);
    cconc_sem_release(sem, 2);
    assert_int_equal(cconc_sem_try_acquire(sem, 2), 0);
    cconc_sem_release(sem, 2);
    cconc_sem_free(sem);
}

static void semaphore_acquire_ends_with_its_context_and_takes_nothing(void **state)
{
    (void)state;
    cconc_sem *sem = sem_make(1);
    struct acquirer a = {.sem = sem, .n = 1, .expected = ECANCELED};
    assert_int_equal(cconc_ctx_with_cancel(NULL, &a.ctx), 0);
    assert_int_equal(cconc_sem_acquire(sem, NULL, 1), 0);
    struct support_threads *threads = support_threads_start(1, acquire_thread, &a);
    until(cconc_sem_waiters(sem) == 1);
    cconc_ctx_cancel(a.ctx);
    assert_int_equal(support_threads_join(threads), 0);
    cconc_sem_release(sem, 1);
    assert_int_equal(cconc_sem_available(sem), 1);
    cconc_ctx_free(a.ctx);
    cconc_sem_free(sem);
}

static void semaphore_large_acquire_is_not_starved_by_small_ones(void **state)
{
    (void)state;
    cconc_sem *sem = sem_make(4);
    struct acquirer large = {.sem = sem, .n = 4};
    assert_int_equal(cconc_sem_acquire(sem, NULL, 2), 0);
    struct support_threads *threads = support_threads_start(1, acquire_thread, &large);
    until(cconc_sem_waiters(sem) == 1);
    assert_int_equal(cconc_sem_try_acquire(sem, 1), EAGAIN); /* would fit, but somebody waits */
    cconc_sem_release(sem, 2);
    assert_int_equal(support_threads_join(threads), 0);
    cconc_sem_release(sem, 4);
    cconc_sem_free(sem);
}

static void semaphore_cancelled_large_acquire_lets_those_behind_it_go(void **state)
{
    (void)state;
    cconc_sem *sem = sem_make(4);
    struct acquirer large = {.sem = sem, .n = 4, .expected = ECANCELED};
    struct acquirer small = {.sem = sem, .n = 1};
    assert_int_equal(cconc_ctx_with_cancel(NULL, &large.ctx), 0);
    assert_int_equal(cconc_sem_acquire(sem, NULL, 2), 0);
    struct support_threads *one = support_threads_start(1, acquire_thread, &large);
    until(cconc_sem_waiters(sem) == 1);
    struct support_threads *two = support_threads_start(2, acquire_thread, &small);
    until(cconc_sem_waiters(sem) == 3);
    cconc_ctx_cancel(large.ctx);
    assert_int_equal(support_threads_join(one), 0);
    assert_int_equal(support_threads_join(two), 0);
    assert_int_equal(cconc_sem_available(sem), 0);
    cconc_sem_release(sem, 4);
    cconc_ctx_free(large.ctx);
    cconc_sem_free(sem);
}

static void semaphore_release_of_more_than_is_held_is_misuse(void **state)
{
    (void)state;
    cconc_sem *sem = sem_make(2);
    assert_int_equal(cconc_sem_acquire(sem, NULL, 1), 0);
    expect_misuse("sem release of 2 permits where 1 are held", cconc_sem_release(sem, 2));
    cconc_sem_release(sem, 1);
    cconc_sem_free(sem);
}

/* Go's Acquire waits for the context then; there is nothing else to wait for. */
static void semaphore_acquire_above_the_capacity_is_refused_at_once_unlike_go(void **state)
{
    (void)state;
    cconc_sem *sem = sem_make(2);
    assert_int_equal(cconc_sem_acquire(sem, NULL, 3), EINVAL);
    assert_int_equal(cconc_sem_try_acquire(sem, 3), EINVAL);
    assert_int_equal(cconc_sem_available(sem), 2);
    cconc_sem_free(sem);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(errgroup_wait_returns_nil_if_every_function_does),
        UNIT_TEST(errgroup_wait_returns_the_first_error_and_it_cancels_the_context),
        UNIT_TEST(errgroup_wait_cancels_the_context_also_without_an_error),
        UNIT_TEST(errgroup_zero_group_does_not_cancel),
        UNIT_TEST(errgroup_go_after_the_first_error_still_runs_the_function),
        UNIT_TEST(errgroup_limit_bounds_the_active_functions),
        UNIT_TEST(errgroup_try_go_starts_only_below_the_limit),
        UNIT_TEST(errgroup_negative_limit_is_none_and_zero_lets_nothing_in),
        UNIT_TEST(errgroup_limit_changes_while_functions_are_active_unlike_go),
        UNIT_TEST(errgroup_wait_returns_though_a_function_ended_its_thread),
        UNIT_TEST(singleflight_do_returns_what_the_function_does),
        UNIT_TEST(singleflight_duplicates_wait_for_the_original_and_share_its_result),
        UNIT_TEST(singleflight_forget_makes_the_next_call_run_the_function_again),
        UNIT_TEST(singleflight_forget_unshared_leaves_a_shared_call_alone),
        UNIT_TEST(singleflight_do_chan_delivers_on_the_channel),
        UNIT_TEST(singleflight_callers_return_though_the_function_ended_its_thread),
        UNIT_TEST(semaphore_try_acquire_takes_what_is_there_and_no_more),
        UNIT_TEST(semaphore_acquire_ends_with_its_context_and_takes_nothing),
        UNIT_TEST(semaphore_large_acquire_is_not_starved_by_small_ones),
        UNIT_TEST(semaphore_cancelled_large_acquire_lets_those_behind_it_go),
        UNIT_TEST(semaphore_release_of_more_than_is_held_is_misuse),
        UNIT_TEST(semaphore_acquire_above_the_capacity_is_refused_at_once_unlike_go),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
