/* pool.c - unit tests of pools: submitting, full queues, and what the workers are
 * SPDX-License-Identifier: MIT
 *
 * Risk      A task that runs twice or never; more tasks at once than workers; a submitter that is
 *           not woken, or is served out of order; a policy that loses a task without telling.
 * Method    Workers are held in gated tasks, so that each state of the queue can be asked for.
 * Catches   W1 W3 W5 W6 W11 W13 W14 W15 W17, I1 I2 I4 I14; rules pool-1 pool-2 pool-3 pool-4 pool-5
 *           pool-7 pool-14, all-1 all-3 all-4 all-13.
 */
#include "pool_help.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

/* ---- smoke ---------------------------------------------------------------------------------- */

static void pool_runs_each_task_once(void **state)
{
    cconc_pool *pool = pool_make(4, 64, CCONC_POOL_BLOCK);
    atomic_int ran = 0;
    int count = MANY(20000, 3000);
    (void)state;
    for (int i = 0; i < count; i++) {
        assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran), 0);
    }
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_int_equal(atomic_load(&ran), count);
    assert_int_equal(pool_counts(pool).submitted, count);
    assert_int_equal(pool_counts(pool).completed, count);
    assert_int_equal(cconc_pool_shutdown(pool, NULL, CCONC_POOL_DRAIN), 0);
    cconc_pool_free(pool);
}

static void pool_defaults_are_a_worker_a_cpu_and_no_queue(void **state)
{
    cconc_pool *pool = NULL;
    atomic_int ran = 0;
    (void)state;
    assert_int_equal(cconc_pool_new(NULL, NULL, &pool), 0);
    assert_true(pool_counts(pool).workers >= 1);
    assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran), 0);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_int_equal(atomic_load(&ran), 1);
    cconc_pool_free(pool);
    cconc_pool_free(NULL);
}

static void pools_do_not_know_each_other(void **state)
{
    cconc_pool *first = pool_make(1, 4, CCONC_POOL_BLOCK);
    cconc_pool *second = pool_make(1, 4, CCONC_POOL_BLOCK);
    atomic_int ran = 0;
    (void)state;
    cconc_pool_free(first);
    assert_int_equal(cconc_pool_submit(second, NULL, count_run, &ran), 0);
    assert_int_equal(cconc_pool_wait(second, NULL), 0);
    assert_int_equal(atomic_load(&ran), 1);
    cconc_pool_free(second);
}

/* ---- limits --------------------------------------------------------------------------------- */

static void pool_new_refuses_what_cannot_be_right(void **state)
{
    static const cconc_pool_opts bad[] = {
        {.workers = -1},
        {.workers = CCONC_POOL_MAX_WORKERS + 1},
        {.workers = INT32_MIN},
        {.queue_len = -1},
        {.queue_len = INT32_MIN},
        {.full_policy = CCONC_POOL_CALLER_RUNS + 1},
        {.full_policy = UINT32_MAX},
        {.flags = CCONC_POOL_UNBOUNDED << 1},
        {.full_policy = CCONC_POOL_DROP_OLDEST},
    };
    cconc_pool *pool = NULL;
    uint64_t tried = support_alloc_count();
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(cconc_pool_new(NULL, &bad[i], &pool), EINVAL);
    }
    assert_int_equal(cconc_pool_new(NULL, NULL, NULL), EINVAL);
    assert_null(pool);
    assert_int_equal(support_alloc_count(), tried);
}

static void pool_refuses_a_task_without_function(void **state)
{
    cconc_pool *pool = pool_make(1, 1, CCONC_POOL_BLOCK);
    cconc_pool_task task = {0};
    cconc_future *future = NULL;
    (void)state;
    assert_int_equal(cconc_pool_submit(pool, NULL, NULL, NULL), EINVAL);
    assert_int_equal(cconc_pool_try_submit(pool, NULL, NULL), EINVAL);
    assert_int_equal(cconc_pool_submit_task(pool, NULL, &task), EINVAL);
    assert_int_equal(cconc_pool_submit_task(pool, NULL, NULL), EINVAL);
    assert_int_equal(cconc_pool_try_submit_task(pool, &task), EINVAL);
    assert_int_equal(cconc_pool_submit_future(pool, NULL, NULL, NULL, &future), EINVAL);
    assert_int_equal(cconc_pool_submit_future(pool, NULL, return_code, NULL, NULL), EINVAL);
    assert_int_equal(cconc_pool_resize(pool, 0), EINVAL);
    assert_int_equal(cconc_pool_resize(pool, -1), EINVAL);
    assert_int_equal(cconc_pool_resize(pool, CCONC_POOL_MAX_WORKERS + 1), EINVAL);
    assert_int_equal(cconc_pool_resize(pool, INT_MAX), EINVAL);
    assert_int_equal(cconc_pool_shutdown(pool, NULL, CCONC_POOL_CANCEL + 1), EINVAL);
    assert_int_equal(pool_counts(pool).submitted, 0);
    cconc_pool_free(pool);
}

static void pool_queue_of_a_huge_length_is_ENOMEM(void **state)
{
    cconc_pool_opts opts = {.workers = 1, .queue_len = INT32_MAX};
    cconc_pool *pool = NULL;
    (void)state;
    support_fail_alloc(2, false);
    assert_int_equal(cconc_pool_new(NULL, &opts, &pool), ENOMEM);
    assert_int_equal(support_fail_end(), SIZE_MAX > UINT32_MAX ? 1 : 0); /* beyond a size */
    assert_null(pool);
}

static void pool_never_runs_more_tasks_at_once_than_workers(void **state)
{
    cconc_pool *pool = pool_make(3, 16, CCONC_POOL_BLOCK);
    struct gate gate;
    int count = MANY(5000, 1000);
    (void)state;
    gate_init(&gate, 0);
    gate_open(&gate);
    for (int i = 0; i < count; i++) {
        assert_int_equal(cconc_pool_submit(pool, NULL, gate_task, &gate), 0);
    }
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_int_equal(atomic_load(&gate.ran), count);
    assert_true(atomic_load(&gate.most_inside) <= 3);
    cconc_pool_free(pool);
    gate_free(&gate);
}

/* ---- try ------------------------------------------------------------------------------------ */

static void pool_accepts_exactly_its_queue_while_all_workers_are_busy(void **state)
{
    cconc_pool *pool = pool_make(2, 3, CCONC_POOL_BLOCK);
    struct gate gate;
    atomic_int ran = 0;
    (void)state;
    pool_occupy(pool, &gate, 2);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cconc_pool_try_submit(pool, count_run, &ran), 0);
    }
    assert_int_equal(cconc_pool_try_submit(pool, count_run, &ran), EAGAIN);
    assert_int_equal(pool_counts(pool).queued, 3);
    assert_int_equal(pool_counts(pool).running, 2);
    gate_open(&gate);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_int_equal(atomic_load(&ran), 3);
    cconc_pool_free(pool);
    gate_free(&gate);
}

static void pool_without_queue_accepts_only_what_a_worker_takes(void **state)
{
    cconc_pool *pool = pool_make(2, 0, CCONC_POOL_BLOCK);
    struct gate gate;
    struct submitter submitters[3];
    atomic_int ran = 0;
    (void)state;
    pool_occupy(pool, &gate, 2);
    assert_int_equal(cconc_pool_try_submit(pool, count_run, &ran), EAGAIN);
    for (uint32_t i = 0; i < 3; i++) {
        submitter_start_blocked(&submitters[i], pool, NULL, count_run, &ran, i + 1);
    }
    assert_int_equal(atomic_load(&ran), 0);
    gate_open(&gate);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(submitter_end(&submitters[i]), 0);
    }
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_int_equal(atomic_load(&ran), 3);
    assert_int_equal(pool_counts(pool).submitted, 5);
    cconc_pool_free(pool);
    gate_free(&gate);
}

static void pool_without_bound_accepts_everything(void **state)
{
    cconc_pool_opts opts = {.workers = 1, .flags = CCONC_POOL_UNBOUNDED};
    cconc_pool *pool = NULL;
    struct gate gate;
    atomic_int ran = 0;
    int count = MANY(20000, 2000);
    (void)state;
    assert_int_equal(cconc_pool_new(NULL, &opts, &pool), 0);
    pool_occupy(pool, &gate, 1);
    for (int i = 0; i < count; i++) {
        assert_int_equal(cconc_pool_try_submit(pool, count_run, &ran), 0);
    }
    assert_int_equal(pool_counts(pool).queued, count);
    gate_open(&gate);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_int_equal(atomic_load(&ran), count);
    cconc_pool_free(pool);
    gate_free(&gate);
}

static void pool_submit_without_wait_needs_no_memory(void **state)
{
    cconc_pool *pool = pool_make(1, 8, CCONC_POOL_BLOCK);
    cconc_pool_task task = {.fn = count_run};
    struct gate gate;
    atomic_int ran = 0;
    (void)state;
    task.arg = &ran;
    pool_occupy(pool, &gate, 1);
    support_fail_alloc(1, true);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran), 0);
    }
    assert_int_equal(cconc_pool_submit_task(pool, NULL, &task), 0);
    assert_int_equal(support_fail_end(), 0);
    gate_open(&gate);
    assert_int_equal(cconc_pool_join(pool, NULL, &task), 0);
    assert_int_equal(atomic_load(&ran), 8);
    cconc_pool_free(pool);
    gate_free(&gate);
}

/* ---- blocking ------------------------------------------------------------------------------- */

struct ordered {
    atomic_int *next;
    int         place;
};

static int note_order(cconc_ctx *ctx, void *arg)
{
    struct ordered *ordered = arg;
    (void)ctx;
    SUPPORT_CHECK(atomic_fetch_add(ordered->next, 1) == ordered->place);
    return 0;
}

static void pool_starts_tasks_and_serves_submitters_in_order(void **state)
{
    cconc_pool *pool = pool_make(1, 3, CCONC_POOL_BLOCK);
    struct ordered places[7];
    struct submitter submitters[4];
    struct gate gate;
    atomic_int next = 0;
    (void)state;
    pool_occupy(pool, &gate, 1);
    for (int i = 0; i < 7; i++) {
        places[i] = (struct ordered){&next, i};
        if (i < 3) {
            assert_int_equal(cconc_pool_submit(pool, NULL, note_order, &places[i]), 0);
        } else {
            submitter_start_blocked(&submitters[i - 3], pool, NULL, note_order, &places[i],
                                    (uint32_t)i - 2);
        }
    }
    gate_open(&gate);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(submitter_end(&submitters[i]), 0);
    }
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_int_equal(atomic_load(&next), 7);
    cconc_pool_free(pool);
    gate_free(&gate);
}

static void pool_task_taken_frees_room_for_a_submitter(void **state)
{
    cconc_pool *pool = pool_make(1, 1, CCONC_POOL_BLOCK);
    struct submitter submitter;
    struct gate gates[2];
    atomic_int ran = 0;
    (void)state;
    pool_occupy(pool, &gates[0], 1);
    gate_init(&gates[1], 0);
    assert_int_equal(cconc_pool_submit(pool, NULL, gate_task, &gates[1]), 0);
    submitter_start_blocked(&submitter, pool, NULL, count_run, &ran, 1);
    gate_open(&gates[0]);
    assert_int_equal(submitter_end(&submitter), 0); /* the second task is taken, and stays */
    assert_int_equal(atomic_load(&ran), 0);
    gate_open(&gates[1]);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_int_equal(atomic_load(&ran), 1);
    cconc_pool_free(pool);
    gate_free(&gates[0]);
    gate_free(&gates[1]);
}

static void pool_orders_submit_before_the_task_and_the_task_before_wait(void **state)
{
    cconc_pool *pool = pool_make(2, 4, CCONC_POOL_BLOCK);
    (void)state;
    for (int i = 0; i < MANY(2000, 500); i++) {
        int value = i; /* plain on purpose */
        assert_int_equal(cconc_pool_submit(pool, NULL, return_code, &value), 0);
        assert_int_equal(cconc_pool_wait(pool, NULL), 0);
        value = -1;
    }
    cconc_pool_free(pool);
}

/* ---- deadline, cancel ----------------------------------------------------------------------- */

static void pool_submit_that_gives_up_leaves_nothing_behind(void **state)
{
    cconc_pool *pool = pool_make(1, 1, CCONC_POOL_BLOCK);
    cconc_ctx *ctx = ctx_make();
    cconc_ctx_mem mem;
    struct submitter submitters[2];
    struct gate gate;
    atomic_int ran = 0;
    atomic_int ran_last = 0;
    (void)state;
    pool_occupy(pool, &gate, 1);
    assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran_last), 0);
    int64_t deadline_ns = cconc_clock_after(2 * CCONC_MS);
    cconc_ctx *soon = cconc_ctx_until(&mem, NULL, deadline_ns);
    assert_int_equal(cconc_pool_submit(pool, soon, count_run, &ran), ETIMEDOUT);
    assert_true(cconc_clock_now() >= deadline_ns);
    assert_int_equal(pool_counts(pool).blocked, 0);
    submitter_start_blocked(&submitters[0], pool, ctx, count_run, &ran, 1);
    submitter_start_blocked(&submitters[1], pool, NULL, count_run, &ran_last, 2);
    cconc_ctx_cancel(ctx);
    assert_int_equal(submitter_end(&submitters[0]), ECANCELED);
    gate_open(&gate);
    assert_int_equal(submitter_end(&submitters[1]), 0);
    assert_int_equal(cconc_pool_submit(pool, ctx, count_run, &ran), ECANCELED);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_int_equal(atomic_load(&ran), 0);
    assert_int_equal(atomic_load(&ran_last), 2);
    cconc_ctx_free(ctx);
    cconc_pool_free(pool);
    gate_free(&gate);
}

static void pool_wait_ends_with_its_context(void **state)
{
    cconc_pool *pool = pool_make(1, 1, CCONC_POOL_BLOCK);
    cconc_ctx *ctx = ctx_make();
    cconc_ctx_mem mem;
    struct gate gate;
    (void)state;
    pool_occupy(pool, &gate, 1);
    cconc_ctx *soon = cconc_ctx_until(&mem, NULL, cconc_clock_after(CCONC_MS));
    assert_int_equal(cconc_pool_wait(pool, soon), ETIMEDOUT);
    cconc_ctx_cancel(ctx);
    assert_int_equal(cconc_pool_wait(pool, ctx), ECANCELED);
    gate_open(&gate);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_int_equal(cconc_pool_wait(pool, ctx), 0); /* observing: reached already */
    cconc_ctx_free(ctx);
    cconc_pool_free(pool);
    gate_free(&gate);
}

/* ---- policies ------------------------------------------------------------------------------- */

static void pool_of_policy_fail_does_not_wait(void **state)
{
    cconc_pool *pool = pool_make(1, 1, CCONC_POOL_FAIL);
    struct gate gate;
    atomic_int ran = 0;
    (void)state;
    pool_occupy(pool, &gate, 1);
    assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran), 0);
    assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran), EAGAIN);
    gate_open(&gate);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_int_equal(atomic_load(&ran), 1);
    cconc_pool_free(pool);
    gate_free(&gate);
}

static void pool_drops_the_oldest_and_tells(void **state)
{
    struct hooks hooks;
    cconc_pool *pool = pool_make_hooked(&hooks, 1, 2, CCONC_POOL_DROP_OLDEST);
    cconc_future *future = NULL;
    struct gate gate;
    atomic_int ran[3] = {0};
    (void)state;
    pool_occupy(pool, &gate, 1);
    assert_int_equal(cconc_pool_submit_future(pool, NULL, count_run, &ran[0], &future), 0);
    assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran[1]), 0);
    assert_int_equal(cconc_pool_try_submit(pool, count_run, &ran[2]), EAGAIN);
    assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran[2]), 0);
    assert_int_equal(atomic_load(&hooks.dropped), 1);
    assert_ptr_equal(atomic_load(&hooks.last_dropped), &ran[0]);
    assert_int_equal(cconc_future_wait(future, NULL), ECANCELED);
    gate_open(&gate);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_int_equal(atomic_load(&ran[0]), 0);
    assert_int_equal(atomic_load(&ran[1]) + atomic_load(&ran[2]), 2);
    assert_int_equal(pool_counts(pool).dropped, 1);
    cconc_pool_free(pool);
    cconc_future_free(future);
    gate_free(&gate);
}

static int note_thread(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    *(pthread_t *)arg = pthread_self();
    return 3;
}

static void pool_caller_runs_what_does_not_fit(void **state)
{
    struct hooks hooks;
    cconc_pool *pool = pool_make_hooked(&hooks, 1, 1, CCONC_POOL_CALLER_RUNS);
    cconc_pool_task task = {.fn = note_thread};
    cconc_future *future = NULL;
    struct gate gate;
    pthread_t where[4];
    (void)state;
    pool_occupy(pool, &gate, 1);
    assert_int_equal(cconc_pool_submit(pool, NULL, note_thread, &where[0]), 0);
    assert_int_equal(cconc_pool_submit(pool, NULL, note_thread, &where[1]), 0);
    assert_true(pthread_equal(where[1], pthread_self()));
    assert_int_equal(atomic_load(&hooks.last_code), 3);
    assert_int_equal(cconc_pool_submit_future(pool, NULL, note_thread, &where[2], &future), 0);
    assert_true(pthread_equal(where[2], pthread_self()));
    assert_int_equal(cconc_future_wait(future, NULL), 3);
    task.arg = &where[3];
    assert_int_equal(cconc_pool_submit_task(pool, NULL, &task), 0);
    assert_true(pthread_equal(where[3], pthread_self()));
    assert_int_equal(cconc_pool_join(pool, NULL, &task), 3);
    assert_int_equal(pool_counts(pool).caller_ran, 3);
    gate_open(&gate);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_false(pthread_equal(where[0], pthread_self()));
    cconc_future_free(future);
    cconc_pool_free(pool);
    gate_free(&gate);
}

/* ---- workers -------------------------------------------------------------------------------- */

static int note_worker(cconc_ctx *ctx, void *arg)
{
    sigset_t mask;
    (void)ctx;
    SUPPORT_CHECK(pthread_getname_np(pthread_self(), arg, 16) == 0);
    SUPPORT_CHECK(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0);
    SUPPORT_CHECK(sigismember(&mask, SIGINT) == 1 && sigismember(&mask, SIGSEGV) == 0);
    return 0;
}

static void pool_workers_have_names_and_block_signals(void **state)
{
    cconc_pool_opts opts = {.workers = 1, .queue_len = 1, .name = "a-long-name-for-it",
                            .stack_size = 65536};
    cconc_pool *pool = NULL;
    char name[16] = "";
    (void)state;
    assert_int_equal(cconc_pool_new(NULL, &opts, &pool), 0);
    assert_int_equal(cconc_pool_submit(pool, NULL, note_worker, name), 0);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_string_equal(name, "a-long-nam/0");
    cconc_pool_free(pool);
}

static void pool_hooks_come_in_pairs(void **state)
{
    struct hooks hooks;
    cconc_pool *pool = pool_make_hooked(&hooks, 4, 1, CCONC_POOL_BLOCK);
    (void)state;
    assert_int_equal(cconc_pool_shutdown(pool, NULL, CCONC_POOL_DRAIN), 0);
    assert_int_equal(atomic_load(&hooks.started), 4);
    assert_int_equal(atomic_load(&hooks.stopped), 4);
    cconc_pool_free(pool);
}

static void pool_code_of_a_task_without_future_goes_to_the_hook(void **state)
{
    struct hooks hooks;
    cconc_pool *pool = pool_make_hooked(&hooks, 1, 4, CCONC_POOL_BLOCK);
    cconc_pool_task task = {.fn = return_code};
    int codes[3] = {0, 7, 9};
    (void)state;
    assert_int_equal(cconc_pool_submit(pool, NULL, return_code, &codes[0]), 0);
    assert_int_equal(cconc_pool_submit(pool, NULL, return_code, &codes[1]), 0);
    task.arg = &codes[2];
    assert_int_equal(cconc_pool_submit_task(pool, NULL, &task), 0);
    assert_int_equal(cconc_pool_join(pool, NULL, &task), 9);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_int_equal(atomic_load(&hooks.failed), 1);
    assert_int_equal(atomic_load(&hooks.last_code), 7);
    assert_int_equal(pool_counts(pool).failed, 2);
    cconc_pool_free(pool);
}

/* ---- faults --------------------------------------------------------------------------------- */

static void use_a_pool(void *arg)
{
    cconc_pool_opts opts = {.workers = 3, .queue_len = 4, .flags = *(uint32_t *)arg};
    cconc_pool *pool = NULL;
    cconc_future *future = NULL;
    atomic_int ran = 0;
    int accepted = 0;
    if (cconc_pool_new(NULL, &opts, &pool) != 0) {
        SUPPORT_CHECK(!pool);
        return;
    }
    for (int i = 0; i < 100; i++) {
        int err = cconc_pool_submit(pool, NULL, count_run, &ran);
        SUPPORT_CHECK(err == 0 || err == ENOMEM);
        accepted += err == 0;
    }
    int err = cconc_pool_submit_future(pool, NULL, count_run, &ran, &future);
    SUPPORT_CHECK(err == 0 || (err == ENOMEM && !future));
    accepted += err == 0;
    err = cconc_pool_resize(pool, 5);
    SUPPORT_CHECK(err == 0 || err == ENOMEM);
    SUPPORT_CHECK(pool_counts(pool).workers >= 3);
    SUPPORT_CHECK(cconc_pool_wait(pool, NULL) == 0);
    SUPPORT_CHECK(atomic_load(&ran) == accepted);
    cconc_pool_free(pool);
    cconc_future_free(future);
}

static void pool_survives_every_fault(void **state)
{
    uint32_t flags[2] = {0, CCONC_POOL_UNBOUNDED};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_true(support_sweep_alloc(use_a_pool, &flags[i]) > 0);
        assert_true(support_sweep_thread(use_a_pool, &flags[i]) > 0);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(pool_runs_each_task_once),
        UNIT_TEST(pool_defaults_are_a_worker_a_cpu_and_no_queue),
        UNIT_TEST(pools_do_not_know_each_other),
        UNIT_TEST(pool_new_refuses_what_cannot_be_right),
        UNIT_TEST(pool_refuses_a_task_without_function),
        UNIT_TEST(pool_queue_of_a_huge_length_is_ENOMEM),
        UNIT_TEST(pool_never_runs_more_tasks_at_once_than_workers),
        UNIT_TEST(pool_accepts_exactly_its_queue_while_all_workers_are_busy),
        UNIT_TEST(pool_without_queue_accepts_only_what_a_worker_takes),
        UNIT_TEST(pool_without_bound_accepts_everything),
        UNIT_TEST(pool_submit_without_wait_needs_no_memory),
        UNIT_TEST(pool_starts_tasks_and_serves_submitters_in_order),
        UNIT_TEST(pool_task_taken_frees_room_for_a_submitter),
        UNIT_TEST(pool_orders_submit_before_the_task_and_the_task_before_wait),
        UNIT_TEST(pool_submit_that_gives_up_leaves_nothing_behind),
        UNIT_TEST(pool_wait_ends_with_its_context),
        UNIT_TEST(pool_of_policy_fail_does_not_wait),
        UNIT_TEST(pool_drops_the_oldest_and_tells),
        UNIT_TEST(pool_caller_runs_what_does_not_fit),
        UNIT_TEST(pool_workers_have_names_and_block_signals),
        UNIT_TEST(pool_hooks_come_in_pairs),
        UNIT_TEST(pool_code_of_a_task_without_future_goes_to_the_hook),
        UNIT_TEST(pool_survives_every_fault),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
