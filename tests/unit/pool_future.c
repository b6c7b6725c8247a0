/* pool_future.c - unit tests of pools: futures, records, and the parallel loop
 * SPDX-License-Identifier: MIT
 *
 * Risk      A result read too early or lost; a cancelled task that runs; a future that its pool, or
 *           its holder, leaves behind; a loop that forgets or repeats an item.
 * Method    Gated tasks for the states of a future; sums and marks for the loop.
 * Catches   W12 W16, I1 I9 I17 I19; rules pool-7 pool-8 pool-9 pool-14, all-6.
 */
#include "pool_help.h"

#include <pthread.h>
#include <stdlib.h>

/* ---- futures -------------------------------------------------------------------------------- */

static cconc_future *future_make(cconc_pool *pool, cconc_task_fn fn, void *arg)
{
    cconc_future *future = NULL;
    SUPPORT_CHECK(cconc_pool_submit_future(pool, NULL, fn, arg, &future) == 0);
    return future;
}

static void future_gives_the_code_of_its_task(void **state)
{
    cconc_pool *pool = pool_make(2, 4, CCONC_POOL_BLOCK);
    (void)state;
    for (int i = 0; i < MANY(2000, 300); i++) {
        int code = i % 5;
        int seen = -1;
        cconc_future *future = future_make(pool, return_code, &code);
        assert_int_equal(cconc_future_wait(future, NULL), code);
        assert_int_equal(cconc_future_try_wait(future, &seen), 0);
        assert_int_equal(seen, code);
        cconc_future_free(future);
    }
    cconc_pool_free(pool);
    cconc_future_free(NULL);
}

static void future_try_wait_does_not_wait(void **state)
{
    cconc_pool *pool = pool_make(1, 1, CCONC_POOL_BLOCK);
    struct gate gate;
    int code = -7;
    (void)state;
    gate_init(&gate, 9);
    cconc_future *future = future_make(pool, gate_task, &gate);
    assert_int_equal(cconc_future_try_wait(future, &code), EAGAIN);
    assert_int_equal(code, -7);
    gate_open(&gate);
    assert_int_equal(cconc_future_wait(future, NULL), 9);
    cconc_future_free(future);
    cconc_pool_free(pool);
    gate_free(&gate);
}

static void future_wait_whose_context_ends_says_in_progress(void **state)
{
    cconc_pool *pool = pool_make(1, 1, CCONC_POOL_BLOCK);
    cconc_ctx *ctx = ctx_make();
    cconc_ctx_mem mem;
    struct gate gate;
    (void)state;
    gate_init(&gate, ECANCELED);
    cconc_future *future = future_make(pool, gate_task, &gate);
    cconc_ctx *soon = cconc_ctx_until(&mem, NULL, cconc_clock_after(CCONC_MS));
    assert_int_equal(cconc_future_wait(future, soon), EINPROGRESS);
    cconc_ctx_cancel(ctx);
    assert_int_equal(cconc_future_wait(future, ctx), EINPROGRESS);
    gate_open(&gate);
    assert_int_equal(cconc_future_wait(future, NULL), ECANCELED);
    assert_int_equal(cconc_future_wait(future, ctx), ECANCELED);
    cconc_future_free(future);
    cconc_pool_free(pool);
    cconc_ctx_free(ctx);
    gate_free(&gate);
}

static void future_wait_run(void *arg, size_t index)
{
    (void)index;
    SUPPORT_CHECK(cconc_future_wait(arg, NULL) == 5);
}

static void future_has_many_waiters(void **state)
{
    cconc_pool *pool = pool_make(1, 1, CCONC_POOL_BLOCK);
    struct gate gate;
    (void)state;
    gate_init(&gate, 5);
    cconc_future *future = future_make(pool, gate_task, &gate);
    struct support_threads *threads = support_threads_start(4, future_wait_run, future);
    gate_open(&gate);
    support_threads_join(threads);
    cconc_future_free(future);
    cconc_pool_free(pool);
    gate_free(&gate);
}

static void future_cancelled_while_queued_never_runs(void **state)
{
    struct hooks hooks;
    cconc_pool *pool = pool_make_hooked(&hooks, 1, 1, CCONC_POOL_BLOCK);
    struct submitter submitter;
    struct gate gate;
    atomic_int ran = 0;
    atomic_int ran_last = 0;
    (void)state;
    pool_occupy(pool, &gate, 1);
    cconc_future *future = future_make(pool, count_run, &ran);
    submitter_start_blocked(&submitter, pool, NULL, count_run, &ran_last, 1);
    assert_true(cconc_future_cancel(future));
    assert_false(cconc_future_cancel(future));
    assert_int_equal(submitter_end(&submitter), 0); /* its room went to the submitter */
    assert_int_equal(cconc_future_wait(future, NULL), ECANCELED);
    assert_int_equal(atomic_load(&hooks.dropped), 1);
    gate_open(&gate);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_int_equal(atomic_load(&ran), 0);
    assert_int_equal(atomic_load(&ran_last), 1);
    cconc_future_free(future);
    cconc_pool_free(pool);
    gate_free(&gate);
}

static void future_cancelled_while_running_ends_its_context_alone(void **state)
{
    cconc_pool *pool = pool_make(2, 2, CCONC_POOL_BLOCK);
    struct gate gate;
    (void)state;
    gate_init(&gate, 0);
    cconc_future *other = future_make(pool, gate_task, &gate);
    cconc_future *future = future_make(pool, until_done, NULL);
    until(pool_counts(pool).running == 2);
    assert_false(cconc_future_cancel(future));
    assert_int_equal(cconc_future_wait(future, NULL), ECANCELED);
    assert_false(cconc_future_cancel(future));
    assert_int_equal(cconc_ctx_err(cconc_pool_ctx(pool)), 0);
    gate_open(&gate);
    assert_int_equal(cconc_future_wait(other, NULL), 0);
    cconc_future_free(future);
    cconc_future_free(other);
    cconc_pool_free(pool);
    gate_free(&gate);
}

static void future_freed_lets_its_task_go_on(void **state)
{
    cconc_pool *pool = pool_make(1, 1, CCONC_POOL_BLOCK);
    struct gate gate;
    atomic_int ran = 0;
    (void)state;
    pool_occupy(pool, &gate, 1);
    cconc_future_free(future_make(pool, count_run, &ran));
    gate_open(&gate);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_int_equal(atomic_load(&ran), 1);
    cconc_pool_free(pool);
    gate_free(&gate);
}

static void future_outlives_its_pool(void **state)
{
    cconc_pool *pool = pool_make(1, 1, CCONC_POOL_BLOCK);
    int code = 11;
    int seen = 0;
    (void)state;
    cconc_future *future = future_make(pool, return_code, &code);
    assert_int_equal(cconc_pool_shutdown(pool, NULL, CCONC_POOL_DRAIN), 0);
    cconc_pool_free(pool);
    assert_int_equal(cconc_future_wait(future, NULL), 11);
    assert_int_equal(cconc_future_try_wait(future, &seen), 0);
    assert_false(cconc_future_cancel(future));
    cconc_future_free(future);
}

static int write_plainly(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    *(int *)arg += 1; /* plain on purpose */
    return 0;
}

static void future_orders_the_task_before_its_wait(void **state)
{
    cconc_pool *pool = pool_make(2, 2, CCONC_POOL_BLOCK);
    int value = 0;
    (void)state;
    for (int i = 0; i < MANY(2000, 300); i++) {
        cconc_future *future = future_make(pool, write_plainly, &value);
        int code = -1;
        if (i % 2) {
            until(cconc_future_try_wait(future, &code) == 0);
        } else {
            assert_int_equal(cconc_future_wait(future, NULL), 0);
        }
        assert_int_equal(value, i + 1);
        cconc_future_free(future);
    }
    cconc_pool_free(pool);
}

/* ---- records -------------------------------------------------------------------------------- */

struct owned {
    cconc_pool_task task;
    atomic_int     *ended;
    atomic_int     *dropped;
};

static void owned_ended(cconc_pool_task *task, int code, bool dropped)
{
    struct owned *owned = (struct owned *)(void *)task;
    SUPPORT_CHECK(code == (dropped ? ECANCELED : 0));
    atomic_fetch_add(dropped ? owned->dropped : owned->ended, 1);
    free(owned);
}

static void pool_record_with_ended_is_freed_by_it(void **state)
{
    struct hooks hooks;
    cconc_pool *pool = pool_make_hooked(&hooks, 1, 8, CCONC_POOL_BLOCK);
    struct gate gate;
    atomic_int ran = 0;
    atomic_int ended = 0;
    atomic_int dropped = 0;
    (void)state;
    for (int cancels = 0; cancels < 2; cancels++) {
        pool_occupy(pool, &gate, 1);
        for (int i = 0; i < 5; i++) {
            struct owned *owned = calloc(1, sizeof(*owned));
            SUPPORT_CHECK(owned);
            *owned = (struct owned){{.fn = count_run, .arg = &ran, .ended = owned_ended},
                                    &ended, &dropped};
            assert_int_equal(cconc_pool_submit_task(pool, NULL, &owned->task), 0);
        }
        if (cancels) {
            cconc_ctx_mem mem;
            cconc_ctx *now = cconc_ctx_until(&mem, NULL, 0);
            assert_int_equal(cconc_pool_shutdown(pool, now, CCONC_POOL_CANCEL), ETIMEDOUT);
        }
        gate_open(&gate);
        assert_int_equal(cconc_pool_wait(pool, NULL), 0);
        gate_free(&gate);
    }
    assert_int_equal(atomic_load(&ended), 5);
    assert_int_equal(atomic_load(&ran), 5);
    assert_int_equal(atomic_load(&dropped), 5);
    assert_int_equal(atomic_load(&hooks.dropped), 0);
    cconc_pool_free(pool);
}

static void pool_record_can_be_used_again(void **state)
{
    cconc_pool *pool = pool_make(1, 1, CCONC_POOL_BLOCK);
    atomic_int ran = 0;
    cconc_pool_task task = {.fn = count_run, .arg = &ran};
    (void)state;
    for (int i = 0; i < MANY(1000, 200); i++) {
        assert_int_equal(cconc_pool_submit_task(pool, NULL, &task), 0);
        assert_int_equal(cconc_pool_join(pool, NULL, &task), 0);
    }
    assert_int_equal(cconc_pool_try_submit_task(pool, &task), 0);
    assert_int_equal(cconc_pool_join(pool, NULL, &task), 0);
    assert_int_equal(atomic_load(&ran), MANY(1000, 200) + 1);
    cconc_pool_free(pool);
}

/* ---- parallel_for --------------------------------------------------------------------------- */

static int add_range(cconc_ctx *ctx, size_t begin, size_t end, void *arg)
{
    uint64_t sum = 0;
    (void)ctx;
    for (size_t i = begin; i < end; i++) {
        sum += i;
    }
    atomic_fetch_add((_Atomic uint64_t *)arg, sum);
    return 0;
}

static void pool_loop_covers_each_item_once(void **state)
{
    cconc_pool *pool = pool_make(4, 8, CCONC_POOL_BLOCK);
    static const size_t grains[] = {0, 1, 7, 1000, SIZE_MAX};
    (void)state;
    for (size_t g = 0; g < 5; g++) {
        for (size_t count = 0; count < 40; count++) {
            _Atomic uint64_t sum = 0;
            assert_int_equal(cconc_pool_parallel_for(pool, NULL, 3, 3 + count, grains[g],
                                                     add_range, &sum), 0);
            assert_int_equal(sum, count * 3 + count * (count - (count > 0)) / 2);
        }
    }
    _Atomic uint64_t sum = 0;
    assert_int_equal(cconc_pool_parallel_for(pool, NULL, 0, 10000000, 0, add_range, &sum), 0);
    assert_int_equal(sum, UINT64_C(10000000) * 9999999 / 2);
    sum = 0;
    assert_int_equal(cconc_pool_parallel_for(pool, NULL, SIZE_MAX - 3, SIZE_MAX, 2, add_range,
                                             &sum), 0);
    cconc_pool_free(pool);
}

struct failing {
    size_t     at;
    atomic_int begun;
    cconc_ctx *cancels;
};

static int fail_at(cconc_ctx *ctx, size_t begin, size_t end, void *arg)
{
    struct failing *failing = arg;
    (void)ctx;
    atomic_fetch_add(&failing->begun, 1);
    if (begin <= failing->at && failing->at < end) {
        if (failing->cancels) {
            cconc_ctx_cancel(failing->cancels);
            return 0;
        }
        return 77;
    }
    return 0;
}

/* The one worker is busy, so the caller does all, chunk by chunk. */
static void pool_loop_begins_no_chunk_after_an_error(void **state)
{
    static const size_t places[] = {0, 1, 500, 999};
    (void)state;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        cconc_pool *pool = pool_make(1, 1, CCONC_POOL_BLOCK);
        cconc_ctx *ctx = ctx_make();
        struct failing failing = {.at = places[i]};
        struct failing cancels = {.at = places[i], .cancels = ctx};
        struct gate gate;
        pool_occupy(pool, &gate, 1);
        assert_int_equal(cconc_pool_parallel_for(pool, NULL, 0, 1000, 1, fail_at, &failing), 77);
        assert_int_equal(atomic_load(&failing.begun), places[i] + 1);
        int err = cconc_pool_parallel_for(pool, ctx, 0, 1001, 1, fail_at, &cancels);
        assert_int_equal(err, ECANCELED);
        assert_int_equal(atomic_load(&cancels.begun), places[i] + 1);
        assert_int_equal(cconc_pool_parallel_for(pool, ctx, 0, 10, 1, fail_at, &cancels),
                         ECANCELED);
        assert_int_equal(atomic_load(&cancels.begun), places[i] + 1);
        gate_open(&gate);
        cconc_ctx_free(ctx);
        cconc_pool_free(pool);
        gate_free(&gate);
    }
}

/* Two chunks, of the caller and of the one worker. */
struct halves {
    pthread_t  caller;
    atomic_int begun;
    atomic_int failed; /* the caller's has */
    int        plain;  /* written by the worker's, at its end */
};

static int fail_or_go_on(cconc_ctx *ctx, size_t begin, size_t end, void *arg)
{
    struct halves *halves = arg;
    (void)ctx;
    (void)begin;
    (void)end;
    atomic_fetch_add(&halves->begun, 1);
    until(atomic_load(&halves->begun) == 2);
    if (pthread_equal(halves->caller, pthread_self())) {
        atomic_store(&halves->failed, 1);
        return 77;
    }
    until(atomic_load(&halves->failed) == 1);
    for (int i = 0; i < 200; i++) { /* a loop that did not wait would be back by now */
        sched_yield();
    }
    halves->plain++;
    return 0;
}

static void pool_loop_returns_after_every_chunk_that_was_begun(void **state)
{
    cconc_pool *pool = pool_make(1, 1, CCONC_POOL_BLOCK);
    struct halves halves = {.caller = pthread_self()};
    (void)state;
    for (int i = 1; i <= MANY(100, 20); i++) {
        until(pool_counts(pool).idle == 1);
        atomic_store(&halves.begun, 0);
        atomic_store(&halves.failed, 0);
        assert_int_equal(cconc_pool_parallel_for(pool, NULL, 0, 2, 1, fail_or_go_on, &halves), 77);
        assert_int_equal(halves.plain, i);
    }
    cconc_pool_free(pool);
}

static void pool_loop_in_a_busy_pool_is_done_by_the_caller(void **state)
{
    cconc_pool *pool = pool_make(1, 4, CCONC_POOL_BLOCK);
    struct gate gate;
    _Atomic uint64_t sum = 0;
    (void)state;
    pool_occupy(pool, &gate, 1);
    assert_int_equal(cconc_pool_parallel_for(pool, NULL, 0, 1000, 10, add_range, &sum), 0);
    assert_int_equal(sum, 1000 * 999 / 2);
    assert_int_equal(pool_counts(pool).queued, 0);
    gate_open(&gate);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    cconc_pool_free(pool);
    gate_free(&gate);
}

static void pool_loop_refuses_what_cannot_be_right(void **state)
{
    cconc_pool *pool = pool_make(1, 1, CCONC_POOL_BLOCK);
    _Atomic uint64_t sum = 0;
    (void)state;
    assert_int_equal(cconc_pool_parallel_for(pool, NULL, 0, 1, 1, NULL, NULL), EINVAL);
    assert_int_equal(cconc_pool_parallel_for(pool, NULL, 1, 0, 1, add_range, &sum), EINVAL);
    support_fail_alloc(1, false);
    assert_int_equal(cconc_pool_parallel_for(pool, NULL, 0, 9, 1, add_range, &sum), ENOMEM);
    assert_int_equal(support_fail_end(), 1);
    assert_int_equal(cconc_pool_shutdown(pool, NULL, CCONC_POOL_DRAIN), 0);
    assert_int_equal(cconc_pool_parallel_for(pool, NULL, 0, 9, 1, add_range, &sum), EPIPE);
    assert_int_equal(sum, 0);
    cconc_pool_free(pool);
}

static int end_thread_unless_main(cconc_ctx *ctx, size_t begin, size_t end, void *arg)
{
    struct support_pair {
        pthread_t  caller;
        atomic_int torn;
    } *pair = arg;
    (void)ctx;
    (void)begin;
    (void)end;
    if (pthread_equal(pair->caller, pthread_self())) {
        until(atomic_load(&pair->torn) > 0);
        return 0;
    }
    atomic_fetch_add(&pair->torn, 1);
    pthread_exit(NULL);
}

static void pool_loop_survives_a_chunk_that_ends_its_thread(void **state)
{
    struct {
        pthread_t  caller;
        atomic_int torn;
    } pair = {.caller = pthread_self()};
    cconc_pool *pool = pool_make(1, 4, CCONC_POOL_BLOCK);
    (void)state;
    until(pool_counts(pool).idle == 1);
    assert_int_equal(cconc_pool_parallel_for(pool, NULL, 0, 100, 50, end_thread_unless_main, &pair),
                     ECANCELED);
    cconc_pool_free(pool);
}

/* ---- faults --------------------------------------------------------------------------------- */

static void use_futures(void *arg)
{
    cconc_pool_opts opts = {.workers = 2, .queue_len = 2};
    cconc_pool *pool = NULL;
    (void)arg;
    if (cconc_pool_new(NULL, &opts, &pool) != 0) {
        return;
    }
    for (int i = 0; i < 10; i++) {
        cconc_future *future = NULL;
        int err = cconc_pool_submit_future(pool, NULL, return_code, &i, &future);
        SUPPORT_CHECK(err == 0 || (err == ENOMEM && !future));
        if (!err) {
            SUPPORT_CHECK(cconc_future_wait(future, NULL) == i);
        }
        cconc_future_free(future);
    }
    cconc_pool_free(pool);
}

static void future_survives_every_fault(void **state)
{
    (void)state;
    assert_true(support_sweep_alloc(use_futures, NULL) > 0);
    assert_true(support_sweep_thread(use_futures, NULL) > 0);
}

static void future_that_is_refused_leaves_nothing(void **state)
{
    cconc_pool *pool = pool_make(1, 1, CCONC_POOL_FAIL);
    cconc_future *future = NULL;
    struct gate gate;
    atomic_int ran = 0;
    (void)state;
    pool_occupy(pool, &gate, 1);
    assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran), 0);
    size_t blocks = support_live_blocks();
    assert_int_equal(cconc_pool_submit_future(pool, NULL, count_run, &ran, &future), EAGAIN);
    assert_null(future);
    assert_int_equal(support_live_blocks(), blocks);
    gate_open(&gate);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_int_equal(atomic_load(&ran), 1);
    cconc_pool_free(pool);
    gate_free(&gate);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(future_gives_the_code_of_its_task),
        UNIT_TEST(future_try_wait_does_not_wait),
        UNIT_TEST(future_wait_whose_context_ends_says_in_progress),
        UNIT_TEST(future_has_many_waiters),
        UNIT_TEST(future_cancelled_while_queued_never_runs),
        UNIT_TEST(future_cancelled_while_running_ends_its_context_alone),
        UNIT_TEST(future_freed_lets_its_task_go_on),
        UNIT_TEST(future_outlives_its_pool),
        UNIT_TEST(future_orders_the_task_before_its_wait),
        UNIT_TEST(pool_record_with_ended_is_freed_by_it),
        UNIT_TEST(pool_record_can_be_used_again),
        UNIT_TEST(pool_loop_covers_each_item_once),
        UNIT_TEST(pool_loop_begins_no_chunk_after_an_error),
        UNIT_TEST(pool_loop_returns_after_every_chunk_that_was_begun),
        UNIT_TEST(pool_loop_in_a_busy_pool_is_done_by_the_caller),
        UNIT_TEST(pool_loop_refuses_what_cannot_be_right),
        UNIT_TEST(pool_loop_survives_a_chunk_that_ends_its_thread),
        UNIT_TEST(future_survives_every_fault),
        UNIT_TEST(future_that_is_refused_leaves_nothing),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
