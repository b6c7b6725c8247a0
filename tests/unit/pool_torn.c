/* pool_torn.c - unit tests of pools: callbacks that end the thread that they run in
 * SPDX-License-Identifier: MIT
 *
 * Risk      A hook or a task that ends a caller's thread leaves a pool that never comes to rest: a
 *           drop that is never over, a future without a code, a loop whose memory stays.
 * Method    Each callback ends its thread once, by pthread_exit or thread-cancellation; then the
 *           pool has to serve, to come to rest and to be freed, and nothing may be left.
 * Catches   proc-3, pool-2 pool-4 pool-8 pool-9 pool-10 pool-12 pool-13.
 */
#include "pool_help.h"

#include <pthread.h>

/* Which callback ends its thread, and what was called. */
struct tearing {
    cconc_pool *pool;
    atomic_int in_start; /* so many calls end their thread */
    atomic_int in_stop;
    atomic_int in_drop;
    atomic_int in_error;
    atomic_int started;
    atomic_int stopped;
    atomic_int dropped;
    atomic_int failed;
    atomic_int ran;
    atomic_int came_back; /* calls of the library that returned to the thread */
    bool by_cancel;
    cconc_future *future;
    cconc_pool_task task;
};

static void end_here(const struct tearing *t)
{
    if (t->by_cancel) {
        (void)pthread_cancel(pthread_self());
        pthread_testcancel();
    }
    pthread_exit(NULL);
}

static void tear(struct tearing *t, atomic_int *left)
{
    int before = atomic_load(left);
    while (before > 0 && !atomic_compare_exchange_weak(left, &before, before - 1)) {
    }
    if (before > 0) {
        end_here(t);
    }
}

static void torn_start(void *user)
{
    struct tearing *t = user;
    atomic_fetch_add(&t->started, 1);
    tear(t, &t->in_start);
}

static void torn_stop(void *user)
{
    struct tearing *t = user;
    atomic_fetch_add(&t->stopped, 1);
    tear(t, &t->in_stop);
}

static void torn_drop(void *user, cconc_task_fn fn, void *arg)
{
    struct tearing *t = user;
    SUPPORT_CHECK(fn);
    (void)arg;
    atomic_fetch_add(&t->dropped, 1);
    tear(t, &t->in_drop);
}

static void torn_error(void *user, cconc_task_fn fn, void *arg, int code)
{
    struct tearing *t = user;
    SUPPORT_CHECK(fn && code != 0);
    (void)arg;
    atomic_fetch_add(&t->failed, 1);
    tear(t, &t->in_error);
}

static int count_task(cconc_ctx *ctx, void *arg)
{
    struct tearing *t = arg;
    (void)ctx;
    atomic_fetch_add(&t->ran, 1);
    return 0;
}

static int end_task(cconc_ctx *ctx, void *arg)
{
    struct tearing *t = arg;
    (void)ctx;
    atomic_fetch_add(&t->ran, 1);
    end_here(t);
    return 0;
}

static int fail_task(cconc_ctx *ctx, void *arg)
{
    struct tearing *t = arg;
    (void)ctx;
    atomic_fetch_add(&t->ran, 1);
    return 7;
}

static void make(struct tearing *t, int workers, int queue_len, uint32_t full_policy)
{
    cconc_pool_opts opts = {.workers = workers,
                            .queue_len = queue_len,
                            .full_policy = full_policy,
                            .user = t,
                            .on_start = torn_start,
                            .on_stop = torn_stop,
                            .on_drop = torn_drop,
                            .on_error = torn_error};
    SUPPORT_CHECK(cconc_pool_new(NULL, &opts, &t->pool) == 0);
}

/* Run fn in a thread that it ends: it does not come back. */
static void in_thread_that_ends(struct tearing *t, support_thread_fn fn)
{
    size_t cancelled = support_threads_join(support_threads_start(1, fn, t));
    assert_int_equal(cancelled, t->by_cancel);
    assert_int_equal(atomic_load(&t->came_back), 0);
}

/* The pool serves, comes to rest, and ends. */
static void finish(struct tearing *t)
{
    assert_int_equal(cconc_pool_wait(t->pool, NULL), 0);
    int ran = atomic_load(&t->ran);
    assert_int_equal(cconc_pool_submit(t->pool, NULL, count_task, t), 0);
    assert_int_equal(cconc_pool_wait(t->pool, NULL), 0);
    assert_int_equal(atomic_load(&t->ran), ran + 1);
    cconc_pool_free(t->pool);
    assert_int_equal(atomic_load(&t->started), atomic_load(&t->stopped));
}

/* ---- hooks in workers ----------------------------------------------------------------------- */

static void pool_outlives_hooks_that_end_their_worker(void **state)
{
    (void)state;
    support_sweep_pause(true); /* hooks are counted */
    for (int by_cancel = 0; by_cancel < 2; by_cancel++) {
        struct tearing t = {.in_start = 2, .in_stop = 2, .by_cancel = by_cancel != 0};
        make(&t, 2, 4, CCONC_POOL_BLOCK);
        until(pool_counts(t.pool).idle == 2);
        assert_int_equal(atomic_load(&t.started), 4);
        until(atomic_load(&t.stopped) == 2); /* both of them have ended their thread, too */
        atomic_store(&t.in_error, 1);
        assert_int_equal(cconc_pool_submit(t.pool, NULL, fail_task, &t), 0);
        assert_int_equal(cconc_pool_wait(t.pool, NULL), 0);
        assert_int_equal(atomic_load(&t.failed), 1);
        assert_int_equal(pool_counts(t.pool).failed, 1);
        until(pool_counts(t.pool).workers == 2);
        atomic_store(&t.in_error, 1); /* and once more, for a task that has ended the thread */
        assert_int_equal(cconc_pool_submit(t.pool, NULL, end_task, &t), 0);
        assert_int_equal(cconc_pool_wait(t.pool, NULL), 0);
        assert_int_equal(atomic_load(&t.failed), 2);
        until(pool_counts(t.pool).workers == 2);
        assert_int_equal(cconc_pool_resize(t.pool, 4), 0);
        until(pool_counts(t.pool).idle == 4);
        int stopped = atomic_load(&t.stopped);
        atomic_store(&t.in_stop, 3);
        assert_int_equal(cconc_pool_resize(t.pool, 1), 0); /* each gives its place back once */
        until(atomic_load(&t.stopped) == stopped + 3 && atomic_load(&t.in_stop) == 0);
        assert_int_equal(cconc_pool_submit(t.pool, NULL, count_task, &t), 0);
        assert_int_equal(cconc_pool_wait(t.pool, NULL), 0);
        until(pool_counts(t.pool).idle == 1);
        assert_int_equal(pool_counts(t.pool).workers, 1);
        atomic_store(&t.in_stop, 1);
        finish(&t);
    }
}

static atomic_int records_ended;

static void end_in_ended(cconc_pool_task *task, int code, bool dropped)
{
    const struct tearing *t = task->arg;
    SUPPORT_CHECK(code == (dropped ? ECANCELED : 0));
    atomic_fetch_add(&records_ended, 1);
    end_here(t);
}

static void pool_outlives_an_ended_that_ends_its_thread(void **state)
{
    struct tearing t = {.by_cancel = false};
    (void)state;
    atomic_store(&records_ended, 0);
    make(&t, 1, 4, CCONC_POOL_BLOCK);
    t.task = (cconc_pool_task){.fn = count_task, .arg = &t, .ended = end_in_ended};
    assert_int_equal(cconc_pool_submit_task(t.pool, NULL, &t.task), 0);
    assert_int_equal(cconc_pool_wait(t.pool, NULL), 0);
    assert_int_equal(atomic_load(&records_ended), 1);
    finish(&t);
}

/* ---- hooks in the caller -------------------------------------------------------------------- */

static void submit_one_too_many(void *arg, size_t index)
{
    struct tearing *t = arg;
    (void)index;
    SUPPORT_CHECK(cconc_pool_submit(t->pool, NULL, count_task, t) == 0);
    atomic_fetch_add(&t->came_back, 1);
}

static void cancel_future(void *arg, size_t index)
{
    struct tearing *t = arg;
    (void)index;
    SUPPORT_CHECK(cconc_future_cancel(t->future));
    atomic_fetch_add(&t->came_back, 1);
}

/* The one that is dropped counts as dropped, whoever was told of it. */
static void pool_comes_to_rest_though_a_drop_ended_the_callers_thread(void **state)
{
    (void)state;
    for (int by_cancel = 0; by_cancel < 2; by_cancel++) {
        struct tearing t = {.in_drop = 1, .by_cancel = by_cancel != 0};
        struct gate gate;
        make(&t, 1, 1, CCONC_POOL_DROP_OLDEST);
        pool_occupy(t.pool, &gate, 1);
        assert_int_equal(cconc_pool_submit_future(t.pool, NULL, count_task, &t, &t.future), 0);
        in_thread_that_ends(&t, submit_one_too_many);
        assert_int_equal(cconc_future_wait(t.future, NULL), ECANCELED);
        cconc_future_free(t.future);
        assert_int_equal(pool_counts(t.pool).queued, 1); /* the one that came in its place */
        gate_open(&gate);
        assert_int_equal(cconc_pool_wait(t.pool, NULL), 0);
        assert_int_equal(atomic_load(&t.ran), 1);
        gate_free(&gate);

        pool_occupy(t.pool, &gate, 1);
        assert_int_equal(cconc_pool_submit_future(t.pool, NULL, count_task, &t, &t.future), 0);
        atomic_store(&t.in_drop, 1);
        in_thread_that_ends(&t, cancel_future);
        assert_int_equal(cconc_future_wait(t.future, NULL), ECANCELED);
        cconc_future_free(t.future);
        gate_open(&gate);
        assert_int_equal(pool_counts(t.pool).dropped, 2);
        assert_int_equal(atomic_load(&t.dropped), 2);
        finish(&t);
        gate_free(&gate);
    }
}

static void shut_down(void *arg, size_t index)
{
    struct tearing *t = arg;
    (void)index;
    SUPPORT_CHECK(cconc_pool_shutdown(t->pool, NULL, CCONC_POOL_CANCEL) == 0);
    atomic_fetch_add(&t->came_back, 1);
}

static void free_it(void *arg, size_t index)
{
    struct tearing *t = arg;
    (void)index;
    cconc_pool_free(t->pool);
    atomic_fetch_add(&t->came_back, 1);
}

static void pool_is_shut_down_and_freed_though_drops_end_the_callers_thread(void **state)
{
    (void)state;
    for (int frees = 0; frees < 2; frees++) {
        struct tearing t = {.by_cancel = false};
        make(&t, 1, 8, CCONC_POOL_BLOCK);
        assert_int_equal(cconc_pool_submit(t.pool, NULL, until_done, NULL), 0);
        until(pool_counts(t.pool).running == 1);
        for (int i = 0; i < 5; i++) {
            assert_int_equal(cconc_pool_submit(t.pool, NULL, count_task, &t), 0);
        }
        t.task = (cconc_pool_task){.fn = count_task, .arg = &t, .ended = end_in_ended};
        assert_int_equal(cconc_pool_submit_task(t.pool, NULL, &t.task), 0);
        atomic_store(&t.in_drop, frees ? 5 : 1);
        in_thread_that_ends(&t, frees ? free_it : shut_down);
        if (!frees) {
            assert_int_equal(atomic_load(&t.dropped), 5); /* what is left of the thread went on */
            shut_down(&t, 0);
            cconc_pool_free(t.pool);
        }
        assert_int_equal(atomic_load(&t.dropped), 5);
        assert_int_equal(atomic_load(&t.ran), 0);
        assert_int_equal(atomic_load(&t.stopped), 1);
    }
}

static void end_in_destroy(void *value)
{
    end_here(value);
}

/* Its context is the last to hold the value; then it has nothing left to do. */
static void pool_is_freed_though_a_value_of_its_context_ends_the_callers_thread(void **state)
{
    struct tearing t = {.by_cancel = false};
    cconc_pool_opts opts = {.workers = 1, .queue_len = 1};
    cconc_ctx *parent = NULL;
    (void)state;
    assert_int_equal(cconc_ctx_with_value(NULL, &records_ended, &t, end_in_destroy, &parent), 0);
    assert_int_equal(cconc_pool_new(parent, &opts, &t.pool), 0);
    cconc_ctx_free(parent);
    in_thread_that_ends(&t, free_it);
}

static void drain(void *arg, size_t index)
{
    struct tearing *t = arg;
    (void)index;
    SUPPORT_CHECK(cconc_pool_shutdown(t->pool, NULL, CCONC_POOL_DRAIN) == 0);
    atomic_fetch_add(&t->ran, 1);
}

/* Where the rest was dropped by nobody, the other shutdown looked at it for ever. */
static void pool_shutdown_returns_though_a_drop_ended_the_thread_that_cancelled(void **state)
{
    struct tearing t = {.in_drop = 1};
    (void)state;
    make(&t, 1, 8, CCONC_POOL_BLOCK);
    assert_int_equal(cconc_pool_submit(t.pool, NULL, until_done, NULL), 0);
    until(pool_counts(t.pool).running == 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cconc_pool_submit(t.pool, NULL, count_task, &t), 0);
    }
    struct support_threads *drainer = support_threads_start(1, drain, &t);
    until(cconc_pool_resize(t.pool, 1) == EPIPE);
    in_thread_that_ends(&t, shut_down);
    support_threads_join(drainer);
    assert_int_equal(atomic_load(&t.dropped), 3);
    assert_int_equal(atomic_load(&t.ran), 1);
    cconc_pool_free(t.pool);
}

/* ---- tasks in the caller -------------------------------------------------------------------- */

static void submit_what_ends_here(void *arg, size_t index)
{
    struct tearing *t = arg;
    int err;
    (void)index;
    if (t->future) {
        err = cconc_pool_submit_future(t->pool, NULL, end_task, t, &t->future);
    } else if (t->task.fn) {
        err = cconc_pool_submit_task(t->pool, NULL, &t->task);
    } else {
        err = cconc_pool_submit(t->pool, NULL, end_task, t);
    }
    SUPPORT_CHECK(err != 0);
}

/* Policy CALLER_RUNS: the task of which the submitter is the worker has failed with ECANCELED. */
static void pool_task_that_ends_its_submitters_thread_has_failed(void **state)
{
    struct tearing t = {.by_cancel = false};
    struct gate gate;
    (void)state;
    make(&t, 1, 1, CCONC_POOL_CALLER_RUNS);
    for (int i = 0; i < 3; i++) {
        pool_occupy(t.pool, &gate, 1);
        assert_int_equal(cconc_pool_try_submit(t.pool, count_task, &t), 0);
        t.future = i == 1 ? (cconc_future *)(void *)&t : NULL; /* any but NULL */
        t.task = (cconc_pool_task){.fn = i == 2 ? end_task : NULL, .arg = &t};
        t.by_cancel = i == 2;
        in_thread_that_ends(&t, submit_what_ends_here);
        assert_int_equal(pool_counts(t.pool).caller_ran, i + 1);
        gate_open(&gate);
        assert_int_equal(cconc_pool_wait(t.pool, NULL), 0);
        gate_free(&gate);
    }
    assert_int_equal(cconc_pool_join(t.pool, NULL, &t.task), ECANCELED);
    assert_int_equal(atomic_load(&t.failed), 1); /* the one without future or record */
    assert_int_equal(atomic_load(&t.ran), 6);
    finish(&t);
}

/* ---- loops ---------------------------------------------------------------------------------- */

struct loop {
    struct tearing tearing;
    pthread_t caller;
    atomic_int inside;    /* chunks that others run */
    atomic_bool torn;     /* the caller's thread is being ended */
    atomic_int ended;     /* chunks of others that have ended */
    atomic_bool in_frame; /* the frame of parallel_for's caller is still there */
    cconc_pool_task record;
    int code;
};

static int end_the_callers_chunk(cconc_ctx *ctx, size_t begin, size_t end, void *arg)
{
    struct loop *loop = arg;
    (void)ctx;
    (void)begin;
    (void)end;
    if (pthread_equal(loop->caller, pthread_self())) {
        until(atomic_load(&loop->inside) == 2);
        atomic_store(&loop->torn, true);
        end_here(&loop->tearing);
    }
    atomic_fetch_add(&loop->inside, 1);
    until(atomic_load(&loop->torn));
    for (int i = 0; i < 1000; i++) { /* the caller would be gone by now, did it not wait */
        sched_yield();
    }
    SUPPORT_CHECK(atomic_load(&loop->in_frame));
    atomic_fetch_add(&loop->ended, 1);
    return 0;
}

static void leave_frame(void *arg)
{
    struct loop *loop = arg;
    atomic_store(&loop->in_frame, false);
}

static void loop_that_ends_here(void *arg, size_t index)
{
    struct loop *loop = arg;
    (void)index;
    loop->caller = pthread_self();
    pthread_cleanup_push(leave_frame, loop);
    atomic_store(&loop->in_frame, true);
    int err =
        cconc_pool_parallel_for(loop->tearing.pool, NULL, 0, 1000, 1, end_the_callers_chunk, loop);
    SUPPORT_CHECK(err != err + 1 && atomic_fetch_add(&loop->tearing.came_back, 1) < 0);
    pthread_cleanup_pop(0);
}

static void pool_loop_whose_caller_ends_waits_for_the_others_and_leaves_nothing(void **state)
{
    (void)state;
    for (int by_cancel = 0; by_cancel < 2; by_cancel++) {
        struct loop loop = {.tearing = {.by_cancel = by_cancel != 0}};
        make(&loop.tearing, 2, 4, CCONC_POOL_BLOCK);
        size_t blocks = support_live_blocks();
        (void)support_threads_join(support_threads_start(1, loop_that_ends_here, &loop));
        assert_int_equal(atomic_load(&loop.tearing.came_back), 0);
        assert_false(atomic_load(&loop.in_frame));
        /* A runner may begin one more while the thread is about to end; not all of the rest. */
        assert_in_range(atomic_load(&loop.inside), 2, 500);
        assert_int_equal(atomic_load(&loop.ended), atomic_load(&loop.inside));
        assert_true(support_live_blocks() <= blocks + 1); /* the record of the thread */
        finish(&loop.tearing);
    }
}

/* In a worker: the loop and the task that runs it end, and what others run is waited for. */
static int loop_task(cconc_ctx *ctx, void *arg)
{
    struct loop *loop = arg;
    (void)ctx;
    loop_that_ends_here(loop, 0);
    return 0;
}

static void pool_loop_of_a_worker_that_ends_ends_its_task(void **state)
{
    struct loop loop = {.tearing = {.by_cancel = false}};
    (void)state;
    support_sweep_pause(true); /* a worker that ends in a swept call finds no other in its place */
    make(&loop.tearing, 3, 4, CCONC_POOL_BLOCK);
    loop.record = (cconc_pool_task){.fn = loop_task, .arg = &loop};
    until(pool_counts(loop.tearing.pool).idle == 3);
    assert_int_equal(cconc_pool_submit_task(loop.tearing.pool, NULL, &loop.record), 0);
    assert_int_equal(cconc_pool_join(loop.tearing.pool, NULL, &loop.record), ECANCELED);
    assert_in_range(atomic_load(&loop.inside), 2, 500); /* as above */
    assert_int_equal(atomic_load(&loop.ended), atomic_load(&loop.inside));
    until(pool_counts(loop.tearing.pool).workers == 3);
    finish(&loop.tearing);
}

/* A task of the loop's own pool, helped with inside of a chunk, ends the worker: the loop ends,
 * with its own runner that lies on the same thread. */
static int end_while_helping(cconc_ctx *ctx, size_t begin, size_t end, void *arg)
{
    struct loop *loop = arg;
    (void)ctx;
    (void)begin;
    (void)end;
    if (atomic_fetch_add(&loop->inside, 1) > 0) {
        end_here(&loop->tearing); /* on top of the first chunk */
    }
    loop->record = (cconc_pool_task){.fn = count_task, .arg = &loop->tearing};
    SUPPORT_CHECK(cconc_pool_submit_task(loop->tearing.pool, NULL, &loop->record) == 0);
    /* The queue is full: room is made by running what is queued, and that is the loop's runner. */
    SUPPORT_CHECK(cconc_pool_submit(loop->tearing.pool, NULL, count_task, &loop->tearing) == 0);
    return 0;
}

static int nested_loop_task(cconc_ctx *ctx, void *arg)
{
    struct loop *loop = arg;
    int err = cconc_pool_parallel_for(loop->tearing.pool, ctx, 0, 2, 1, end_while_helping, loop);
    atomic_fetch_add(&loop->tearing.came_back, 1);
    return err;
}

static void pool_loop_torn_by_its_own_runner_on_the_same_worker_ends(void **state)
{
    (void)state;
    for (int queue_len = 1; queue_len < 3; queue_len++) {
        struct loop loop = {.tearing = {.by_cancel = false}};
        cconc_future *future = NULL;
        struct gate gate;
        make(&loop.tearing, 2, queue_len, CCONC_POOL_BLOCK);
        gate_init(&gate, 0);
        assert_int_equal(cconc_pool_submit(loop.tearing.pool, NULL, gate_task, &gate), 0);
        until(atomic_load(&gate.inside) == 1); /* the other worker */
        assert_int_equal(
            cconc_pool_submit_future(loop.tearing.pool, NULL, nested_loop_task, &loop, &future), 0);
        assert_int_equal(cconc_future_wait(future, NULL), ECANCELED);
        assert_int_equal(atomic_load(&loop.tearing.came_back), 0);
        assert_int_equal(atomic_load(&loop.inside), 2);
        cconc_future_free(future);
        gate_open(&gate);
        finish(&loop.tearing);
        gate_free(&gate);
    }
}

static int chunk_with_a_task_behind_it(cconc_ctx *ctx, size_t begin, size_t end, void *arg)
{
    struct loop *loop = arg;
    (void)ctx;
    (void)begin;
    (void)end;
    atomic_fetch_add(&loop->inside, 1);
    until(atomic_load(&loop->inside) == 2);
    if (pthread_equal(pthread_self(), loop->caller)) {
        return cconc_pool_submit(loop->tearing.pool, NULL, end_task, &loop->tearing);
    }
    until(atomic_load(&loop->tearing.ran) == 1); /* the caller waits for this, and helps */
    return 0;
}

static int loop_then_help(cconc_ctx *ctx, void *arg)
{
    struct loop *loop = arg;
    int err;
    loop->caller = pthread_self();
    err = cconc_pool_parallel_for(loop->tearing.pool, ctx, 0, 2, 1, chunk_with_a_task_behind_it,
                                  loop);
    atomic_fetch_add(&loop->tearing.came_back, 1);
    return err;
}

static void pool_loop_torn_while_it_waits_for_its_runners_ends(void **state)
{
    struct loop loop = {.tearing = {.by_cancel = false}};
    cconc_future *future = NULL;
    (void)state;
    make(&loop.tearing, 2, 4, CCONC_POOL_BLOCK);
    until(pool_counts(loop.tearing.pool).idle == 2);
    assert_int_equal(
        cconc_pool_submit_future(loop.tearing.pool, NULL, loop_then_help, &loop, &future), 0);
    assert_int_equal(cconc_future_wait(future, NULL), ECANCELED);
    assert_int_equal(atomic_load(&loop.tearing.came_back), 0);
    cconc_future_free(future);
    finish(&loop.tearing);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(pool_outlives_hooks_that_end_their_worker),
        UNIT_TEST(pool_outlives_an_ended_that_ends_its_thread),
        UNIT_TEST(pool_comes_to_rest_though_a_drop_ended_the_callers_thread),
        UNIT_TEST(pool_is_shut_down_and_freed_though_drops_end_the_callers_thread),
        UNIT_TEST(pool_is_freed_though_a_value_of_its_context_ends_the_callers_thread),
        UNIT_TEST(pool_shutdown_returns_though_a_drop_ended_the_thread_that_cancelled),
        UNIT_TEST(pool_task_that_ends_its_submitters_thread_has_failed),
        UNIT_TEST(pool_loop_whose_caller_ends_waits_for_the_others_and_leaves_nothing),
        UNIT_TEST(pool_loop_of_a_worker_that_ends_ends_its_task),
        UNIT_TEST(pool_loop_torn_by_its_own_runner_on_the_same_worker_ends),
        UNIT_TEST(pool_loop_torn_while_it_waits_for_its_runners_ends),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
