/* pool_shutdown.c - unit tests of pools: shutdown, resize, tasks that end their thread
 * SPDX-License-Identifier: MIT
 *
 * Risk      A shutdown that hangs with a full queue, loses a task, or returns before the last
 *           thread is joined; a resize that loses a task or leaves a submitter asleep; a worker
 *           that is not replaced.
 * Method    Workers in gated tasks, submitters seen blocked, the hooks counted.
 * Catches   W2 W3 W4 W6 W10 W12 W14 W16 W17 W18, I4 I17 I19 I20; rules pool-1 pool-3 pool-6
 *           pool-7 pool-10 pool-11 pool-12 pool-13 pool-14, all-10 all-11, proc-3.
 */
#include "pool_help.h"

#include <pthread.h>

/* ---- shutdown ------------------------------------------------------------------------------- */

static void pool_drain_runs_what_is_queued_and_refuses_the_rest(void **state)
{
    struct hooks hooks;
    cconc_pool *pool = pool_make_hooked(&hooks, 1, 8, CCONC_POOL_BLOCK);
    struct submitter submitter;
    cconc_ctx_mem mem;
    struct gate gate;
    atomic_int ran = 0;
    (void)state;
    pool_occupy(pool, &gate, 1);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran), 0);
    }
    submitter_start_blocked(&submitter, pool, NULL, count_run, &ran, 1);
    cconc_ctx *soon = cconc_ctx_until(&mem, NULL, cconc_clock_after(CCONC_MS));
    assert_int_equal(cconc_pool_shutdown(pool, soon, CCONC_POOL_DRAIN), ETIMEDOUT);
    assert_int_equal(submitter_end(&submitter), EPIPE);
    assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran), EPIPE);
    assert_int_equal(cconc_pool_try_submit(pool, count_run, &ran), EPIPE);
    assert_int_equal(cconc_pool_resize(pool, 2), EPIPE);
    assert_int_equal(cconc_ctx_err(cconc_pool_ctx(pool)), 0);
    gate_open(&gate);
    assert_int_equal(cconc_pool_shutdown(pool, NULL, CCONC_POOL_DRAIN), 0);
    assert_int_equal(atomic_load(&ran), 8);
    assert_int_equal(atomic_load(&hooks.dropped), 0);
    assert_int_equal(pool_counts(pool).workers, 0);
    assert_int_equal(atomic_load(&hooks.stopped), 1);
    assert_int_equal(cconc_pool_shutdown(pool, NULL, CCONC_POOL_DRAIN), 0);
    assert_int_equal(cconc_pool_shutdown(pool, NULL, CCONC_POOL_CANCEL), 0);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    cconc_pool_free(pool);
    gate_free(&gate);
}

static void pool_cancel_returns_everything_to_its_owner(void **state)
{
    struct hooks hooks;
    cconc_pool *pool = pool_make_hooked(&hooks, 2, 64, CCONC_POOL_BLOCK);
    struct submitter submitters[5];
    cconc_pool_task task = {.fn = count_run};
    cconc_future *future = NULL;
    atomic_int ran = 0;
    (void)state;
    task.arg = &ran;
    assert_int_equal(cconc_pool_submit(pool, NULL, until_done, NULL), 0);
    assert_int_equal(cconc_pool_submit(pool, NULL, until_done, NULL), 0);
    until(pool_counts(pool).running == 2 && pool_counts(pool).queued == 0);
    assert_int_equal(cconc_pool_submit_task(pool, NULL, &task), 0);
    assert_int_equal(cconc_pool_submit_future(pool, NULL, count_run, &ran, &future), 0);
    for (int i = 0; i < 62; i++) {
        assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran), 0);
    }
    for (uint32_t i = 0; i < 5; i++) {
        submitter_start_blocked(&submitters[i], pool, NULL, count_run, &ran, i + 1);
    }
    assert_int_equal(cconc_pool_shutdown(pool, NULL, CCONC_POOL_CANCEL), 0);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(submitter_end(&submitters[i]), EPIPE);
    }
    assert_int_equal(atomic_load(&ran), 0);
    assert_int_equal(atomic_load(&hooks.dropped), 64);
    assert_int_equal(pool_counts(pool).dropped, 64);
    assert_int_equal(pool_counts(pool).completed, 2);
    assert_int_equal(cconc_pool_join(pool, NULL, &task), ECANCELED);
    assert_int_equal(cconc_future_wait(future, NULL), ECANCELED);
    cconc_pool_free(pool);
    assert_int_equal(cconc_future_wait(future, NULL), ECANCELED); /* it outlives the pool */
    cconc_future_free(future);
}

static void pool_shutdown_takes_the_harder_mode_later(void **state)
{
    struct hooks hooks;
    cconc_pool *pool = pool_make_hooked(&hooks, 1, 4, CCONC_POOL_BLOCK);
    cconc_ctx *ctx = ctx_make();
    atomic_int ran = 0;
    (void)state;
    cconc_ctx_cancel(ctx);
    assert_int_equal(cconc_pool_submit(pool, NULL, until_done, NULL), 0);
    until(pool_counts(pool).running == 1);
    assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran), 0);
    assert_int_equal(cconc_pool_shutdown(pool, ctx, CCONC_POOL_DRAIN), ECANCELED);
    assert_int_equal(pool_counts(pool).queued, 1);
    assert_int_equal(cconc_pool_shutdown(pool, NULL, CCONC_POOL_CANCEL), 0);
    assert_int_equal(atomic_load(&ran), 0);
    assert_int_equal(atomic_load(&hooks.dropped), 1);
    cconc_pool_free(pool);
    cconc_ctx_free(ctx);
}

static int write_plainly(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    *(int *)arg = 1; /* plain on purpose */
    return 0;
}

/* pool-14 */
static void pool_orders_the_end_of_tasks_before_the_return_of_shutdown(void **state)
{
    static const uint32_t modes[] = {CCONC_POOL_DRAIN, CCONC_POOL_CANCEL};
    (void)state;
    for (int round = 0; round < MANY(200, 50); round++) {
        struct hooks hooks;
        cconc_pool *pool = pool_make_hooked(&hooks, 2, 4, CCONC_POOL_BLOCK);
        int plain[8] = {0};
        int sum = 0;
        for (size_t i = 0; i < 8; i++) {
            assert_int_equal(cconc_pool_submit(pool, NULL, write_plainly, &plain[i]), 0);
        }
        assert_int_equal(cconc_pool_shutdown(pool, NULL, modes[round % 2]), 0);
        for (size_t i = 0; i < 8; i++) {
            sum += plain[i];
        }
        assert_int_equal(sum + atomic_load(&hooks.dropped), 8);
        assert_true(round % 2 || sum == 8);
        cconc_pool_free(pool);
    }
}

static void shut_down(void *arg, size_t index)
{
    uint32_t mode = index % 2 ? CCONC_POOL_CANCEL : CCONC_POOL_DRAIN;
    SUPPORT_CHECK(cconc_pool_shutdown(arg, NULL, mode) == 0);
    SUPPORT_CHECK(pool_counts(arg).workers == 0);
}

static void pool_shutdown_may_be_called_by_many(void **state)
{
    (void)state;
    for (int round = 0; round < MANY(50, 10); round++) {
        struct hooks hooks;
        cconc_pool *pool = pool_make_hooked(&hooks, 4, 8, CCONC_POOL_BLOCK);
        atomic_int ran = 0;
        for (int i = 0; i < 20; i++) {
            assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran), 0);
        }
        support_threads_join(support_threads_start(4, shut_down, pool));
        assert_int_equal(atomic_load(&ran) + atomic_load(&hooks.dropped), 20);
        assert_int_equal(atomic_load(&hooks.stopped), 4);
        cconc_pool_free(pool);
    }
}

static void pool_with_many_idle_workers_is_freed_at_once(void **state)
{
    int workers = MANY(1000, 50);
    cconc_pool_opts opts = {.workers = workers, .stack_size = 65536};
    cconc_pool *pool = NULL;
    (void)state;
    assert_int_equal(cconc_pool_new(NULL, &opts, &pool), 0);
    until(pool_counts(pool).idle == (uint32_t)workers);
    cconc_pool_free(pool);
}

struct inside {
    cconc_pool *pool;
    int         wait;
    int         shutdown;
};

static int end_own_pool(cconc_ctx *ctx, void *arg)
{
    struct inside *inside = arg;
    (void)ctx;
    inside->wait = cconc_pool_wait(inside->pool, NULL);
    inside->shutdown = cconc_pool_shutdown(inside->pool, NULL, CCONC_POOL_CANCEL);
    expect_misuse("pool free in one of its own 1 workers", cconc_pool_free(inside->pool));
    return 0;
}

static void pool_waits_of_a_worker_for_its_pool_are_deadlocks(void **state)
{
    struct inside inside = {.pool = pool_make(1, 1, CCONC_POOL_BLOCK)};
    (void)state;
    assert_int_equal(cconc_pool_submit(inside.pool, NULL, end_own_pool, &inside), 0);
    assert_int_equal(cconc_pool_wait(inside.pool, NULL), 0);
    assert_int_equal(inside.wait, EDEADLK);
    assert_int_equal(inside.shutdown, EDEADLK);
    cconc_pool_free(inside.pool);
}

static void pool_free_needs_no_memory(void **state)
{
    struct hooks hooks;
    cconc_pool *pool = pool_make_hooked(&hooks, 2, 4, CCONC_POOL_BLOCK);
    atomic_int ran = 0;
    (void)state;
    assert_int_equal(cconc_pool_submit(pool, NULL, until_done, NULL), 0);
    assert_int_equal(cconc_pool_submit(pool, NULL, until_done, NULL), 0);
    until(pool_counts(pool).running == 2 && pool_counts(pool).queued == 0);
    assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran), 0);
    support_fail_alloc(1, true);
    cconc_pool_free(pool);
    assert_int_equal(support_fail_end(), 0);
    assert_int_equal(atomic_load(&hooks.dropped), 1);
}

static int note_ctx(cconc_ctx *ctx, void *arg)
{
    *(cconc_ctx **)arg = ctx;
    return 0;
}

static void pool_task_gets_the_context_of_the_pool(void **state)
{
    cconc_ctx *parent = ctx_make();
    cconc_pool_opts opts = {.workers = 1, .queue_len = 1};
    cconc_pool *pool = NULL;
    cconc_ctx *seen = NULL;
    (void)state;
    assert_int_equal(cconc_pool_new(parent, &opts, &pool), 0);
    assert_int_equal(cconc_pool_submit(pool, NULL, note_ctx, &seen), 0);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_ptr_equal(seen, cconc_pool_ctx(pool));
    assert_int_equal(cconc_ctx_err(seen), 0);
    cconc_ctx_cancel(parent);
    assert_int_equal(cconc_ctx_err(cconc_pool_ctx(pool)), ECANCELED);
    cconc_pool_free(pool);
    cconc_ctx_free(parent);
}

/* ---- resize --------------------------------------------------------------------------------- */

static void pool_grows_at_once(void **state)
{
    cconc_pool *pool = pool_make(1, 8, CCONC_POOL_BLOCK);
    struct gate gate;
    (void)state;
    pool_occupy(pool, &gate, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cconc_pool_submit(pool, NULL, gate_task, &gate), 0);
    }
    assert_int_equal(cconc_pool_resize(pool, 4), 0);
    until(atomic_load(&gate.inside) == 4);
    gate_open(&gate);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    cconc_pool_free(pool);
    gate_free(&gate);
}

static void pool_shrinks_as_tasks_end(void **state)
{
    struct hooks hooks;
    cconc_pool *pool = pool_make_hooked(&hooks, 4, 8, CCONC_POOL_BLOCK);
    struct gate gates[2];
    atomic_int ran = 0;
    (void)state;
    pool_occupy(pool, &gates[0], 4);
    assert_int_equal(cconc_pool_resize(pool, 1), 0);
    assert_int_equal(pool_counts(pool).workers, 4);
    assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran), 0);
    gate_open(&gates[0]);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    until(pool_counts(pool).workers == 1);
    assert_int_equal(atomic_load(&ran), 1);
    gate_init(&gates[1], 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cconc_pool_submit(pool, NULL, gate_task, &gates[1]), 0);
    }
    until(atomic_load(&gates[1].inside) == 1 && pool_counts(pool).queued == 2);
    gate_open(&gates[1]);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_int_equal(atomic_load(&gates[1].most_inside), 1);
    until(atomic_load(&hooks.stopped) == 3);
    cconc_pool_free(pool);
    gate_free(&gates[0]);
    gate_free(&gates[1]);
}

static void pool_shrinks_while_idle_and_still_serves(void **state)
{
    cconc_pool *pool = pool_make(8, 8, CCONC_POOL_BLOCK);
    atomic_int ran = 0;
    (void)state;
    until(pool_counts(pool).idle == 8);
    assert_int_equal(cconc_pool_resize(pool, 2), 0);
    until(pool_counts(pool).workers == 2);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran), 0);
    }
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_int_equal(atomic_load(&ran), 100);
    cconc_pool_free(pool);
}

static void pool_resized_wakes_a_rendezvous(void **state)
{
    cconc_pool *pool = pool_make(1, 0, CCONC_POOL_BLOCK);
    struct submitter submitter;
    struct gate gate;
    atomic_int ran = 0;
    (void)state;
    pool_occupy(pool, &gate, 1);
    submitter_start_blocked(&submitter, pool, NULL, count_run, &ran, 1);
    assert_int_equal(cconc_pool_resize(pool, 2), 0);
    assert_int_equal(submitter_end(&submitter), 0);
    until(atomic_load(&ran) == 1);
    gate_open(&gate);
    cconc_pool_free(pool);
    gate_free(&gate);
}

/* The other worker is never free: only the one that was met can take the task. */
static void pool_rendezvous_with_a_worker_holds_though_the_pool_shrinks(void **state)
{
    cconc_pool *pool = pool_make(2, 0, CCONC_POOL_BLOCK);
    struct gate gate;
    atomic_int ran = 0;
    (void)state;
    gate_init(&gate, 0);
    until(pool_counts(pool).idle == 2);
    assert_int_equal(cconc_pool_submit(pool, NULL, gate_task, &gate), 0);
    for (int i = 1; i <= MANY(100, 20); i++) {
        until(atomic_load(&gate.inside) == 1 && pool_counts(pool).idle == 1);
        assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran), 0);
        assert_int_equal(cconc_pool_resize(pool, 1), 0);
        until(atomic_load(&ran) == i);
        until(pool_counts(pool).workers == 1);
        assert_int_equal(cconc_pool_resize(pool, 2), 0);
    }
    gate_open(&gate);
    cconc_pool_free(pool);
    gate_free(&gate);
}

static void pool_that_cannot_grow_keeps_what_it_got(void **state)
{
    cconc_pool *pool = pool_make(1, 8, CCONC_POOL_BLOCK);
    atomic_int ran = 0;
    (void)state;
    support_fail_thread(3, true);
    assert_int_equal(cconc_pool_resize(pool, 6), ENOMEM);
    assert_true(support_fail_end() > 0);
    assert_int_equal(pool_counts(pool).workers, 3);
    assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran), 0);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_int_equal(pool_counts(pool).workers, 3);
    cconc_pool_free(pool);
}

/* ---- tasks that end their thread ------------------------------------------------------------- */

static int end_thread(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    pthread_exit(NULL);
}

static int cancel_own_thread(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    pthread_cancel(pthread_self());
    pthread_testcancel();
    return 1; /* not reached */
}

static void pool_replaces_a_worker_whose_task_ends_it(void **state)
{
    static const cconc_task_fn ends[] = {end_thread, cancel_own_thread};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct hooks hooks;
        cconc_pool *pool = pool_make_hooked(&hooks, 1, 8, CCONC_POOL_BLOCK);
        cconc_pool_task task = {.fn = ends[i]};
        cconc_future *future = NULL;
        atomic_int ran = 0;
        assert_int_equal(cconc_pool_submit(pool, NULL, ends[i], NULL), 0);
        assert_int_equal(cconc_pool_submit_future(pool, NULL, ends[i], NULL, &future), 0);
        assert_int_equal(cconc_pool_submit_task(pool, NULL, &task), 0);
        assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran), 0);
        assert_int_equal(cconc_future_wait(future, NULL), ECANCELED);
        assert_int_equal(cconc_pool_join(pool, NULL, &task), ECANCELED);
        assert_int_equal(cconc_pool_wait(pool, NULL), 0);
        assert_int_equal(atomic_load(&ran), 1);
        assert_int_equal(atomic_load(&hooks.failed), 1);
        assert_int_equal(atomic_load(&hooks.last_code), ECANCELED);
        until(pool_counts(pool).workers == 1 && atomic_load(&hooks.stopped) == 3);
        cconc_pool_free(pool);
        assert_int_equal(atomic_load(&hooks.started), atomic_load(&hooks.stopped));
        cconc_future_free(future);
    }
}

static int end_thread_at_gate(cconc_ctx *ctx, void *arg)
{
    (void)gate_task(ctx, arg);
    pthread_exit(NULL);
}

/* A pool whose only worker is about to end its thread, its queue full, two submitters blocked. */
struct losing {
    cconc_pool      *pool;
    struct gate      gate;
    struct submitter submitters[2];
    atomic_int       ran;
};

static void losing_start(struct losing *l, int queue_len)
{
    l->pool = pool_make(1, queue_len, CCONC_POOL_BLOCK);
    gate_init(&l->gate, 0);
    atomic_init(&l->ran, 0);
    until(pool_counts(l->pool).idle == 1);
    assert_int_equal(cconc_pool_submit(l->pool, NULL, end_thread_at_gate, &l->gate), 0);
    until(atomic_load(&l->gate.inside) == 1);
    for (int i = 0; i < queue_len; i++) {
        assert_int_equal(cconc_pool_submit(l->pool, NULL, count_run, &l->ran), 0);
    }
    for (uint32_t i = 0; i < 2; i++) {
        submitter_start_blocked(&l->submitters[i], l->pool, NULL, count_run, &l->ran, i + 1);
    }
}

/* Let the worker end: both submitters get code. */
static void losing_go(struct losing *l, int code)
{
    gate_open(&l->gate);
    assert_int_equal(submitter_end(&l->submitters[0]), code);
    assert_int_equal(submitter_end(&l->submitters[1]), code);
}

static void losing_end(struct losing *l, int ran)
{
    assert_int_equal(cconc_pool_wait(l->pool, NULL), 0);
    assert_int_equal(atomic_load(&l->ran), ran);
    cconc_pool_free(l->pool);
    gate_free(&l->gate);
}

/* pool-3: what frees capacity here is the worker that takes the place of the one that ended. */
static void pool_worker_replaced_serves_a_blocked_submitter(void **state)
{
    struct losing l;
    (void)state;
    for (int queue_len = 0; queue_len < 2; queue_len++) {
        losing_start(&l, queue_len);
        losing_go(&l, 0);
        losing_end(&l, 2 + queue_len);
    }
}

/* The last worker ends, with nobody to take its place, while a submitter waits for room. */
static void pool_submitter_is_told_when_the_last_worker_is_lost(void **state)
{
    struct losing l;
    (void)state;
    for (int queue_len = 0; queue_len < 2; queue_len++) {
        losing_start(&l, queue_len);
        support_fail_thread(1, true);
        losing_go(&l, ENOMEM);
        support_fail_end();
        assert_int_equal(cconc_pool_submit(l.pool, NULL, count_run, &l.ran), 0);
        losing_end(&l, 1 + queue_len); /* what was accepted */
    }
}

static void pool_without_a_worker_retries_at_the_next_submit(void **state)
{
    cconc_pool *pool = pool_make(1, 8, CCONC_POOL_BLOCK);
    atomic_int ran = 0;
    (void)state;
    support_fail_thread(1, true);
    assert_int_equal(cconc_pool_submit(pool, NULL, end_thread, NULL), 0);
    until(pool_counts(pool).workers == 0);
    int err = cconc_pool_submit(pool, NULL, count_run, &ran);
    while (err == 0) { /* the old thread is on its way out: accepted, for the next worker */
        err = cconc_pool_submit(pool, NULL, count_run, &ran);
    }
    assert_int_equal(err, ENOMEM);
    support_fail_end();
    assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran), 0);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_true(atomic_load(&ran) >= 1);
    cconc_pool_free(pool);
}

/* ---- faults --------------------------------------------------------------------------------- */

static void resize_and_shut_down(void *arg)
{
    struct hooks hooks;
    cconc_pool_opts opts = {.workers = 2, .queue_len = 4, .user = &hooks, .on_drop = hook_drop,
                            .on_start = hook_start, .on_stop = hook_stop};
    cconc_pool *pool = NULL;
    atomic_int ran = 0;
    int accepted = 0;
    (void)arg;
    memset(&hooks, 0, sizeof(hooks));
    if (cconc_pool_new(NULL, &opts, &pool) == 0) {
        for (int i = 1; i < 7; i++) {
            int err = cconc_pool_resize(pool, 1 + i % 4);
            SUPPORT_CHECK(err == 0 || err == ENOMEM);
            err = cconc_pool_submit(pool, NULL, count_run, &ran);
            SUPPORT_CHECK(err == 0 || err == ENOMEM);
            accepted += err == 0;
        }
        SUPPORT_CHECK(cconc_pool_shutdown(pool, NULL, CCONC_POOL_CANCEL) == 0);
        SUPPORT_CHECK(atomic_load(&ran) + atomic_load(&hooks.dropped) == accepted);
        cconc_pool_free(pool);
    }
    SUPPORT_CHECK(atomic_load(&hooks.started) == atomic_load(&hooks.stopped));
}

static void pool_resize_survives_every_fault(void **state)
{
    (void)state;
    assert_true(support_sweep_alloc(resize_and_shut_down, NULL) > 0);
    assert_true(support_sweep_thread(resize_and_shut_down, NULL) > 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(pool_drain_runs_what_is_queued_and_refuses_the_rest),
        UNIT_TEST(pool_cancel_returns_everything_to_its_owner),
        UNIT_TEST(pool_shutdown_takes_the_harder_mode_later),
        UNIT_TEST(pool_orders_the_end_of_tasks_before_the_return_of_shutdown),
        UNIT_TEST(pool_shutdown_may_be_called_by_many),
        UNIT_TEST(pool_with_many_idle_workers_is_freed_at_once),
        UNIT_TEST(pool_waits_of_a_worker_for_its_pool_are_deadlocks),
        UNIT_TEST(pool_free_needs_no_memory),
        UNIT_TEST(pool_task_gets_the_context_of_the_pool),
        UNIT_TEST(pool_grows_at_once),
        UNIT_TEST(pool_shrinks_as_tasks_end),
        UNIT_TEST(pool_shrinks_while_idle_and_still_serves),
        UNIT_TEST(pool_resized_wakes_a_rendezvous),
        UNIT_TEST(pool_rendezvous_with_a_worker_holds_though_the_pool_shrinks),
        UNIT_TEST(pool_that_cannot_grow_keeps_what_it_got),
        UNIT_TEST(pool_replaces_a_worker_whose_task_ends_it),
        UNIT_TEST(pool_worker_replaced_serves_a_blocked_submitter),
        UNIT_TEST(pool_submitter_is_told_when_the_last_worker_is_lost),
        UNIT_TEST(pool_without_a_worker_retries_at_the_next_submit),
        UNIT_TEST(pool_resize_survives_every_fault),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
