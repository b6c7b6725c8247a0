/* pool_short.c - unit tests of pools: fewer workers than wanted
 * SPDX-License-Identifier: MIT
 *
 * Risk      A pool whose worker was lost, or could not be had, accepts what nobody runs, forgets
 *           how many it should have, or never has a worker again.
 * Method    A task ends its thread, or the pool grows, while no thread is to be had; then one is.
 * Catches   W2 W15; rules pool-2 pool-11 pool-12 pool-13.
 */
#include "pool_help.h"

#include <pthread.h>

#include "core/lock.h"
#include "task/pool.h"

static int end_thread(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    pthread_exit(NULL);
}

/* Threads of pool that have not left, and those for which there is a place. */
static uint32_t threads_of(cconc_pool *pool)
{
    uint32_t alive;
    lock_take(&pool->mu);
    alive = pool->alive;
    lock_leave(&pool->mu);
    return alive;
}

/* Lose a worker, and be refused another. The count of workers is left already while the old thread
 * has yet to ask for the new one; when it has gone that is over. */
static void lose_worker(cconc_pool *pool, uint32_t left)
{
    support_fail_thread(1, true);
    assert_int_equal(cconc_pool_submit(pool, NULL, end_thread, NULL), 0);
    until(threads_of(pool) == left);
    assert_int_equal(pool_counts(pool).workers, left);
}

static void pool_without_bound_that_lost_a_worker_accepts_all_with_the_other(void **state)
{
    cconc_pool_opts opts = {.workers = 2, .flags = CCONC_POOL_UNBOUNDED};
    cconc_pool *pool = NULL;
    struct gate gate;
    atomic_int ran = 0;
    (void)state;
    support_sweep_pause(true); /* threads are refused on purpose */
    assert_int_equal(cconc_pool_new(NULL, &opts, &pool), 0);
    until(pool_counts(pool).idle == 2);
    gate_init(&gate, 0);
    assert_int_equal(cconc_pool_submit(pool, NULL, gate_task, &gate), 0);
    until(atomic_load(&gate.inside) == 1);
    lose_worker(pool, 1);
    for (int i = 0; i < 2000; i++) { /* more than the ring has places: records are needed */
        assert_int_equal(cconc_pool_try_submit(pool, count_run, &ran), 0);
    }
    assert_true(support_fail_end() > 0);
    gate_open(&gate);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_int_equal(atomic_load(&ran), 2000);
    cconc_pool_free(pool);
    gate_free(&gate);
}

static void pool_without_bound_that_lost_its_worker_gets_one_for_a_record(void **state)
{
    cconc_pool_opts opts = {.workers = 1, .flags = CCONC_POOL_UNBOUNDED};
    cconc_pool_task task = {.fn = count_run};
    cconc_pool *pool = NULL;
    atomic_int ran = 0;
    (void)state;
    support_sweep_pause(true); /* threads are refused on purpose */
    task.arg = &ran;
    assert_int_equal(cconc_pool_new(NULL, &opts, &pool), 0);
    until(pool_counts(pool).idle == 1);
    lose_worker(pool, 0);
    assert_int_equal(cconc_pool_submit_task(pool, NULL, &task), ENOMEM);
    assert_true(support_fail_end() > 0);
    assert_int_equal(cconc_pool_submit_task(pool, NULL, &task), 0);
    assert_int_equal(cconc_pool_join(pool, NULL, &task), 0);
    assert_int_equal(atomic_load(&ran), 1);
    cconc_pool_free(pool);
}

/* The size that was asked for is not forgotten: there is none to keep. */
static void pool_that_lost_its_worker_and_cannot_grow_does_so_at_the_next_submit(void **state)
{
    cconc_pool *pool = pool_make(1, 2, CCONC_POOL_BLOCK);
    atomic_int ran = 0;
    (void)state;
    support_sweep_pause(true); /* threads are refused on purpose */
    until(pool_counts(pool).idle == 1);
    lose_worker(pool, 0);
    assert_int_equal(cconc_pool_resize(pool, 2), ENOMEM);
    assert_int_equal(pool_counts(pool).workers, 0);
    assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran), ENOMEM);
    assert_true(support_fail_end() > 0);
    assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran), 0);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_int_equal(atomic_load(&ran), 1);
    assert_int_equal(pool_counts(pool).workers, 2);
    cconc_pool_free(pool);
}

static int end_thread_at_gate(cconc_ctx *ctx, void *arg)
{
    (void)gate_task(ctx, arg);
    return end_thread(ctx, NULL);
}

/* Tasks are left, and no thread is to be had for them; the next shutdown tries again. */
static void pool_shutdown_without_a_thread_for_what_is_queued_is_called_again(void **state)
{
    cconc_pool *pool = pool_make(1, 2, CCONC_POOL_BLOCK);
    struct gate gate;
    atomic_int ran = 0;
    (void)state;
    support_sweep_pause(true); /* threads are refused on purpose */
    gate_init(&gate, 0);
    assert_int_equal(cconc_pool_submit(pool, NULL, end_thread_at_gate, &gate), 0);
    until(atomic_load(&gate.inside) == 1);
    assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran), 0);
    assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran), 0);
    support_fail_thread(1, true);
    gate_open(&gate);
    assert_int_equal(cconc_pool_shutdown(pool, NULL, CCONC_POOL_DRAIN), ENOMEM);
    assert_int_equal(threads_of(pool), 0);
    assert_int_equal(pool_counts(pool).queued, 2);
    assert_true(support_fail_end() > 0);
    assert_int_equal(cconc_pool_shutdown(pool, NULL, CCONC_POOL_DRAIN), 0);
    assert_int_equal(atomic_load(&ran), 2);
    cconc_pool_free(pool);
    gate_free(&gate);
}

static atomic_bool refuses;

static bool is_refusing(void)
{
    return atomic_load(&refuses);
}

static void grow_to_4(void *arg, size_t index)
{
    (void)index;
    SUPPORT_CHECK(cconc_pool_resize(arg, 4) == ENOMEM);
}

/* What fails takes nothing from the size that was asked for meanwhile. */
static void pool_keeps_its_size_though_an_earlier_resize_fails_later(void **state)
{
    cconc_pool *pool = pool_make(3, 2, CCONC_POOL_BLOCK);
    atomic_int ran = 0;
    (void)state;
    support_sweep_pause(true); /* threads are refused on purpose */
    until(pool_counts(pool).idle == 3);
    atomic_store(&refuses, false);
    support_fail_thread_once(is_refusing);
    struct support_threads *grower = support_threads_start(1, grow_to_4, pool);
    until(pool_counts(pool).workers == 4); /* one of them about to be started */
    assert_int_equal(cconc_pool_resize(pool, 2), 0);
    until(pool_counts(pool).workers == 2);
    atomic_store(&refuses, true);
    support_threads_join(grower);
    assert_int_equal(pool_counts(pool).workers, 1);
    assert_int_equal(support_fail_end(), 1);
    assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran), 0);
    assert_int_equal(pool_counts(pool).workers, 2);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_int_equal(atomic_load(&ran), 1);
    cconc_pool_free(pool);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(pool_without_bound_that_lost_a_worker_accepts_all_with_the_other),
        UNIT_TEST(pool_without_bound_that_lost_its_worker_gets_one_for_a_record),
        UNIT_TEST(pool_that_lost_its_worker_and_cannot_grow_does_so_at_the_next_submit),
        UNIT_TEST(pool_shutdown_without_a_thread_for_what_is_queued_is_called_again),
        UNIT_TEST(pool_keeps_its_size_though_an_earlier_resize_fails_later),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
