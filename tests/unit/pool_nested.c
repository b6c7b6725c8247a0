/* pool_nested.c - unit tests of pools: workers that wait for their own pool
 * SPDX-License-Identifier: MIT
 *
 * Risk      Tasks that wait for tasks exhaust the workers; a call that goes to a worker which
 *           leaves is lost; a worker beyond the deepest level hangs; too many run after a lent
 *           place.
 * Method    One worker, or few, and recursion: whatever would have to sleep for ever hangs the
 *           test.
 * Catches   W9, I4 I17 I20; rules pool-1 pool-5 pool-6 pool-9 pool-13.
 */
#include "pool_help.h"

#include <pthread.h>

struct fork {
    cconc_pool *pool;
    int         depth;
    int         kind; /* how it waits: 0 record, 1 future, 2 loop */
    atomic_int *ran;
};

static int fork_run(cconc_ctx *ctx, void *arg);

static int fork_range(cconc_ctx *ctx, size_t begin, size_t end, void *arg)
{
    for (; begin < end; begin++) {
        SUPPORT_CHECK(fork_run(ctx, arg) == 0);
    }
    return 0;
}

static void fork_wait(struct fork *fork, struct fork *below)
{
    cconc_pool_task task = {.fn = fork_run, .arg = below};
    cconc_future *future = NULL;
    switch (fork->kind) {
    case 0:
        SUPPORT_CHECK(cconc_pool_submit_task(fork->pool, NULL, &task) == 0);
        SUPPORT_CHECK(cconc_pool_join(fork->pool, NULL, &task) == 0);
        break;
    case 1:
        SUPPORT_CHECK(cconc_pool_submit_future(fork->pool, NULL, fork_run, below, &future) == 0);
        SUPPORT_CHECK(cconc_future_wait(future, NULL) == 0);
        cconc_future_free(future);
        break;
    default:
        SUPPORT_CHECK(cconc_pool_parallel_for(fork->pool, NULL, 0, 2, 1, fork_range, below) == 0);
    }
}

static int fork_run(cconc_ctx *ctx, void *arg)
{
    struct fork *fork = arg;
    (void)ctx;
    atomic_fetch_add(fork->ran, 1);
    if (fork->depth > 0) {
        struct fork below = {fork->pool, fork->depth - 1, fork->kind, fork->ran};
        fork_wait(fork, &below);
    }
    return 0;
}

static int fork_of(int workers, int queue_len, int depth, int kind)
{
    cconc_pool *pool = pool_make(workers, queue_len, CCONC_POOL_BLOCK);
    atomic_int ran = 0;
    struct fork fork = {pool, depth, kind, &ran};
    SUPPORT_CHECK(cconc_pool_submit(pool, NULL, fork_run, &fork) == 0);
    SUPPORT_CHECK(cconc_pool_wait(pool, NULL) == 0);
    SUPPORT_CHECK(pool_counts(pool).workers <= (uint32_t)workers);
    cconc_pool_free(pool);
    return atomic_load(&ran);
}

static void pool_recursion_of_depth_20_runs_on_one_worker(void **state)
{
    (void)state;
    for (int queue_len = 0; queue_len < 3; queue_len++) {
        assert_int_equal(fork_of(1, queue_len, 20, 0), 21);
        assert_int_equal(fork_of(1, queue_len, 20, 1), 21);
        assert_int_equal(fork_of(2, queue_len, 20, 1), 21);
        assert_int_equal(fork_of(1, queue_len, 8, 2), 511);
        assert_int_equal(fork_of(2, queue_len, 8, 2), 511);
    }
}

static void pool_recursion_beyond_64_levels_gets_temporary_workers(void **state)
{
    (void)state;
    support_sweep_pause(true); /* there is EDEADLK without a temporary worker */
    assert_int_equal(fork_of(1, 1, 300, 0), 301);
    assert_int_equal(fork_of(1, 0, 300, 1), 301);
    assert_int_equal(fork_of(2, 4, 300, 1), 301);
}

struct deep {
    cconc_pool *pool;
    int         depth;
    int         err;
    bool        fails;
};

static int deep_run(cconc_ctx *ctx, void *arg)
{
    struct deep *deep = arg;
    (void)ctx;
    struct deep below = {deep->pool, deep->depth + 1, 0, deep->fails};
    cconc_pool_task task = {.fn = deep_run, .arg = &below};
    if (deep->depth == CCONC_POOL_MAX_DEPTH + 1) {
        return 0;
    }
    SUPPORT_CHECK(cconc_pool_submit_task(deep->pool, NULL, &task) == 0);
    if (deep->depth == CCONC_POOL_MAX_DEPTH) {
        support_fail_thread(1, true);
        deep->err = cconc_pool_join(deep->pool, NULL, &task);
        support_fail_end();
        SUPPORT_CHECK(deep->err == EDEADLK);
        SUPPORT_CHECK(cconc_pool_join(deep->pool, NULL, &task) == 0);
        return 0;
    }
    return cconc_pool_join(deep->pool, NULL, &task);
}

static void pool_too_deep_without_a_thread_is_a_deadlock(void **state)
{
    cconc_pool *pool = pool_make(1, 4, CCONC_POOL_BLOCK);
    struct deep deep = {.pool = pool};
    cconc_pool_task task = {.fn = deep_run, .arg = &deep};
    (void)state;
    assert_int_equal(cconc_pool_submit_task(pool, NULL, &task), 0);
    assert_int_equal(cconc_pool_join(pool, NULL, &task), 0);
    cconc_pool_free(pool);
}

struct pusher {
    cconc_pool *pool;
    atomic_int *ran;
    int         count;
};

static int push_many(cconc_ctx *ctx, void *arg)
{
    struct pusher *pusher = arg;
    (void)ctx;
    for (int i = 0; i < pusher->count; i++) {
        SUPPORT_CHECK(cconc_pool_submit(pusher->pool, NULL, count_run, pusher->ran) == 0);
    }
    return 0;
}

static void pool_worker_helps_while_the_queue_is_full(void **state)
{
    (void)state;
    for (int queue_len = 0; queue_len < 4; queue_len++) {
        cconc_pool *pool = pool_make(1, queue_len, CCONC_POOL_BLOCK);
        atomic_int ran = 0;
        struct pusher pusher = {pool, &ran, 100};
        assert_int_equal(cconc_pool_submit(pool, NULL, push_many, &pusher), 0);
        assert_int_equal(cconc_pool_wait(pool, NULL), 0);
        assert_int_equal(atomic_load(&ran), 100);
        cconc_pool_free(pool);
    }
}

struct order {
    cconc_pool *pool;
    atomic_int  next;
    int         places[4];
    struct gate gate;
};

static int order_note(struct order *order, int which)
{
    order->places[which] = atomic_fetch_add(&order->next, 1);
    return 0;
}

static int order_note_2(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    return order_note(arg, 2);
}

static int order_note_1(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    return order_note(arg, 1);
}

static int order_note_0(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    return order_note(arg, 0);
}

/* With a foreign task before them in the queue, its own two are run first, the newest foremost. */
static int order_run(cconc_ctx *ctx, void *arg)
{
    struct order *order = arg;
    cconc_pool_task first = {.fn = order_note_1, .arg = order};
    cconc_future *last = NULL;
    SUPPORT_CHECK(gate_task(ctx, &order->gate) == 0);
    SUPPORT_CHECK(cconc_pool_submit_task(order->pool, NULL, &first) == 0);
    SUPPORT_CHECK(cconc_pool_submit_future(order->pool, NULL, order_note_2, order, &last) == 0);
    SUPPORT_CHECK(cconc_pool_submit(order->pool, NULL, order_note_0, order) == 0);
    SUPPORT_CHECK(cconc_pool_join(order->pool, NULL, &first) == 0);
    SUPPORT_CHECK(cconc_future_wait(last, NULL) == 0);
    cconc_future_free(last);
    return 0;
}

static void pool_worker_runs_its_own_tasks_first(void **state)
{
    cconc_pool *pool = pool_make(1, 3, CCONC_POOL_BLOCK);
    struct order order = {.pool = pool};
    (void)state;
    gate_init(&order.gate, 0);
    assert_int_equal(cconc_pool_submit(pool, NULL, order_run, &order), 0);
    until(atomic_load(&order.gate.inside) == 1);
    assert_int_equal(cconc_pool_submit(pool, NULL, order_note_0, &order), 0); /* foreign */
    gate_open(&order.gate);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    /* The queue of 3 is full at the fourth: the newest own task runs, then the one joined. */
    assert_int_equal(order.places[2], 0);
    assert_int_equal(order.places[1], 1);
    cconc_pool_free(pool);
    gate_free(&order.gate);
}

struct sleeper {
    cconc_pool  *pool;
    struct gate *gate;
    atomic_int   waits;
};

static int wait_for_gated(cconc_ctx *ctx, void *arg)
{
    struct sleeper *sleeper = arg;
    cconc_pool_task task = {.fn = gate_task, .arg = sleeper->gate};
    (void)ctx;
    SUPPORT_CHECK(cconc_pool_submit_task(sleeper->pool, NULL, &task) == 0);
    until(atomic_load(&sleeper->gate->inside) == 1); /* another worker has it */
    atomic_store(&sleeper->waits, 1);
    SUPPORT_CHECK(cconc_pool_join(sleeper->pool, NULL, &task) == 0);
    return 0;
}

static void pool_worker_that_sleeps_is_called_for_a_new_task(void **state)
{
    cconc_pool *pool = pool_make(2, 4, CCONC_POOL_BLOCK);
    struct gate gate;
    struct sleeper sleeper = {.pool = pool, .gate = &gate};
    atomic_int ran = 0;
    (void)state;
    gate_init(&gate, 0);
    assert_int_equal(cconc_pool_submit(pool, NULL, wait_for_gated, &sleeper), 0);
    until(atomic_load(&sleeper.waits) == 1 && pool_counts(pool).idle == 1);
    for (int i = 1; i <= 10; i++) {
        assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran), 0);
        until(atomic_load(&ran) == i);
    }
    assert_int_equal(pool_counts(pool).helped, 10);
    gate_open(&gate);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    cconc_pool_free(pool);
    gate_free(&gate);
}

static int end_thread(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    pthread_exit(NULL);
}

struct torn {
    cconc_pool     *pool;
    cconc_pool_task inner;
};

static int join_torn(cconc_ctx *ctx, void *arg)
{
    struct torn *torn = arg;
    (void)ctx;
    torn->inner = (cconc_pool_task){.fn = end_thread};
    SUPPORT_CHECK(cconc_pool_submit_task(torn->pool, NULL, &torn->inner) == 0);
    SUPPORT_CHECK(cconc_pool_join(torn->pool, NULL, &torn->inner) == 0);
    return 0;
}

static void pool_task_that_ends_the_thread_ends_those_below_it(void **state)
{
    struct torn torn = {.pool = pool_make(1, 2, CCONC_POOL_BLOCK)};
    cconc_pool_task outer = {.fn = join_torn, .arg = &torn};
    (void)state;
    assert_int_equal(cconc_pool_submit_task(torn.pool, NULL, &outer), 0);
    assert_int_equal(cconc_pool_join(torn.pool, NULL, &outer), ECANCELED);
    assert_int_equal(cconc_pool_join(torn.pool, NULL, &torn.inner), ECANCELED);
    assert_int_equal(cconc_pool_wait(torn.pool, NULL), 0);
    assert_int_equal(pool_counts(torn.pool).running, 0);
    cconc_pool_free(torn.pool);
}

static int wait_until_cancelled(cconc_ctx *ctx, void *arg)
{
    struct sleeper *sleeper = arg;
    cconc_pool_task task = {.fn = gate_task, .arg = sleeper->gate};
    SUPPORT_CHECK(cconc_pool_submit_task(sleeper->pool, NULL, &task) == 0);
    until(atomic_load(&sleeper->gate->inside) == 1);
    atomic_store(&sleeper->waits, 1);
    SUPPORT_CHECK(cconc_pool_join(sleeper->pool, ctx, &task) == EINPROGRESS);
    gate_open(sleeper->gate);
    SUPPORT_CHECK(cconc_pool_join(sleeper->pool, NULL, &task) == 0);
    return 0;
}

static void pool_wait_of_a_worker_ends_with_its_context(void **state)
{
    cconc_pool *pool = pool_make(2, 4, CCONC_POOL_BLOCK);
    struct gate gate;
    struct sleeper sleeper = {.pool = pool, .gate = &gate};
    (void)state;
    gate_init(&gate, 0);
    assert_int_equal(cconc_pool_submit(pool, NULL, wait_until_cancelled, &sleeper), 0);
    until(atomic_load(&sleeper.waits) == 1 && pool_counts(pool).idle == 1);
    assert_int_equal(cconc_pool_shutdown(pool, NULL, CCONC_POOL_CANCEL), 0);
    cconc_pool_free(pool);
    gate_free(&gate);
}

struct cancelled {
    cconc_pool *pool;
    atomic_int  inner_ran;
    atomic_bool returned;
    atomic_bool kept_disabled;
};

/* The request comes before the join, in which the other task is run on top of this one. */
static int join_with_a_request(cconc_ctx *ctx, void *arg)
{
    struct cancelled *cancelled = arg;
    cconc_future *inner = NULL;
    int state = -1;
    (void)ctx;
    for (int i = 0; i < 2; i++) {
        SUPPORT_CHECK(cconc_pool_submit_future(cancelled->pool, NULL, count_run,
                                               &cancelled->inner_ran, &inner) == 0);
        if (i == 0) {
            (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
        } else {
            (void)pthread_cancel(pthread_self());
        }
        SUPPORT_CHECK(cconc_future_wait(inner, NULL) == 0);
        cconc_future_free(inner);
        if (i == 0) {
            (void)pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
        }
        atomic_store(&cancelled->kept_disabled,
                     atomic_load(&cancelled->kept_disabled) ||
                         (i == 0 && state == PTHREAD_CANCEL_DISABLE));
    }
    atomic_store(&cancelled->returned, true);
    pthread_testcancel();
    return 1; /* not reached */
}

static void pool_worker_that_has_helped_can_be_cancelled_as_before(void **state)
{
    struct cancelled cancelled = {.pool = pool_make(1, 2, CCONC_POOL_BLOCK)};
    cconc_pool_task outer = {.fn = join_with_a_request, .arg = &cancelled};
    (void)state;
    assert_int_equal(cconc_pool_submit_task(cancelled.pool, NULL, &outer), 0);
    assert_int_equal(cconc_pool_join(cancelled.pool, NULL, &outer), ECANCELED);
    assert_true(atomic_load(&cancelled.returned));
    assert_true(atomic_load(&cancelled.kept_disabled));
    assert_int_equal(atomic_load(&cancelled.inner_ran), 2);
    cconc_pool_free(cancelled.pool);
}

/* ---- loops and submits at their limits ------------------------------------------------------ */

struct loops {
    cconc_pool *pool;
    cconc_ctx  *ctx;
    int         depth;
    int         err;
    atomic_int  items;
    atomic_int  extra;
    atomic_bool let_go;
};

static int count_items(cconc_ctx *ctx, size_t begin, size_t end, void *arg)
{
    (void)ctx;
    atomic_fetch_add((atomic_int *)arg, (int)(end - begin));
    return 0;
}

/* Each level runs a loop, then waits for the next one. */
static int loop_and_go_deeper(cconc_ctx *ctx, void *arg)
{
    struct loops *loops = arg;
    cconc_pool_task task = {.fn = loop_and_go_deeper, .arg = loops};
    (void)ctx;
    SUPPORT_CHECK(cconc_pool_parallel_for(loops->pool, NULL, 0, 2, 1, count_items,
                                          &loops->items) == 0);
    if (--loops->depth > 0) {
        SUPPORT_CHECK(cconc_pool_submit_task(loops->pool, NULL, &task) == 0);
        SUPPORT_CHECK(cconc_pool_join(loops->pool, NULL, &task) == 0);
    }
    return 0;
}

static void pool_loop_of_a_worker_at_its_deepest_level_is_its_own(void **state)
{
    struct loops loops = {.pool = pool_make(2, 4, CCONC_POOL_BLOCK), .depth = 200};
    (void)state;
    support_sweep_pause(true); /* there is EDEADLK without a temporary worker */
    assert_int_equal(cconc_pool_submit(loops.pool, NULL, loop_and_go_deeper, &loops), 0);
    assert_int_equal(cconc_pool_wait(loops.pool, NULL), 0);
    assert_int_equal(atomic_load(&loops.items), 400);
    cconc_pool_free(loops.pool);
}

static int loop_when_let_go(cconc_ctx *ctx, void *arg)
{
    struct loops *loops = arg;
    (void)ctx;
    until(atomic_load(&loops->let_go));
    loops->err = cconc_pool_parallel_for(loops->pool, NULL, 0, 9, 1, count_items, &loops->items);
    return 0;
}

static void pool_loop_of_a_task_runs_after_the_pool_was_closed(void **state)
{
    struct loops loops = {.pool = pool_make(2, 4, CCONC_POOL_BLOCK), .ctx = make_cancel(NULL)};
    (void)state;
    assert_int_equal(cconc_pool_submit(loops.pool, NULL, loop_when_let_go, &loops), 0);
    cconc_ctx_cancel(loops.ctx);
    assert_int_equal(cconc_pool_shutdown(loops.pool, loops.ctx, CCONC_POOL_DRAIN), ECANCELED);
    assert_int_equal(cconc_pool_try_submit(loops.pool, count_run, &loops.items), EPIPE);
    atomic_store(&loops.let_go, true);
    assert_int_equal(cconc_pool_shutdown(loops.pool, NULL, CCONC_POOL_DRAIN), 0);
    assert_int_equal(loops.err, 0);
    assert_int_equal(atomic_load(&loops.items), 9);
    cconc_pool_free(loops.pool);
    cconc_ctx_free(loops.ctx);
}

static int drop_the_runner(cconc_ctx *ctx, size_t begin, size_t end, void *arg)
{
    struct loops *loops = arg;
    (void)ctx;
    if (begin == 0) {
        SUPPORT_CHECK(cconc_pool_submit(loops->pool, NULL, count_run, &loops->extra) == 0);
    }
    atomic_fetch_add(&loops->items, (int)(end - begin));
    return 0;
}

static void pool_loop_whose_runner_is_dropped_has_not_failed(void **state)
{
    struct loops loops = {.pool = pool_make(1, 1, CCONC_POOL_DROP_OLDEST)};
    struct gate gate;
    (void)state;
    pool_occupy(loops.pool, &gate, 1);
    assert_int_equal(cconc_pool_parallel_for(loops.pool, NULL, 0, 8, 2, drop_the_runner, &loops),
                     0);
    assert_int_equal(atomic_load(&loops.items), 8);
    assert_int_equal(pool_counts(loops.pool).dropped, 1);
    gate_open(&gate);
    assert_int_equal(cconc_pool_wait(loops.pool, NULL), 0);
    cconc_pool_free(loops.pool);
    gate_free(&gate);
}

static int cancel_it(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    cconc_ctx_cancel(arg);
    return 0;
}

/* Room is made by running the task that ends the context. */
static int submit_while_it_ends(cconc_ctx *ctx, void *arg)
{
    struct loops *loops = arg;
    (void)ctx;
    SUPPORT_CHECK(cconc_pool_submit(loops->pool, NULL, cancel_it, loops->ctx) == 0);
    loops->err = cconc_pool_submit(loops->pool, loops->ctx, count_run, &loops->items);
    return 0;
}

static void pool_submit_of_a_worker_ends_with_a_context_that_its_help_ends(void **state)
{
    struct loops loops = {.pool = pool_make(1, 1, CCONC_POOL_BLOCK), .ctx = make_cancel(NULL)};
    (void)state;
    assert_int_equal(cconc_pool_submit(loops.pool, NULL, submit_while_it_ends, &loops), 0);
    assert_int_equal(cconc_pool_wait(loops.pool, NULL), 0);
    assert_int_equal(loops.err, ECANCELED);
    assert_int_equal(atomic_load(&loops.items), 0);
    cconc_pool_free(loops.pool);
    cconc_ctx_free(loops.ctx);
}

struct join_end {
    cconc_pool     *pool;
    cconc_ctx      *ctx;
    cconc_pool_task record;
    struct gate     gate;
    atomic_int      ran;
    int             ran_then; /* by the time that join gave up */
    int             err;
};

/* The record runs on the other worker: what can be helped with is the end of the context. */
static int join_while_it_ends(cconc_ctx *ctx, void *arg)
{
    struct join_end *join = arg;
    (void)ctx;
    join->record = (cconc_pool_task){.fn = gate_task, .arg = &join->gate};
    SUPPORT_CHECK(cconc_pool_submit_task(join->pool, NULL, &join->record) == 0);
    until(atomic_load(&join->gate.inside) == 1);
    SUPPORT_CHECK(cconc_pool_submit(join->pool, NULL, count_run, &join->ran) == 0);
    SUPPORT_CHECK(cconc_pool_submit(join->pool, NULL, cancel_it, join->ctx) == 0);
    SUPPORT_CHECK(cconc_pool_submit(join->pool, NULL, count_run, &join->ran) == 0);
    join->err = cconc_pool_join(join->pool, join->ctx, &join->record);
    join->ran_then = atomic_load(&join->ran);
    gate_open(&join->gate);
    return cconc_pool_join(join->pool, NULL, &join->record);
}

static void pool_join_of_a_worker_ends_with_a_context_that_its_help_ends(void **state)
{
    struct join_end join = {.pool = pool_make(2, 4, CCONC_POOL_BLOCK), .ctx = make_cancel(NULL)};
    (void)state;
    gate_init(&join.gate, 0);
    assert_int_equal(cconc_pool_submit(join.pool, NULL, join_while_it_ends, &join), 0);
    assert_int_equal(cconc_pool_wait(join.pool, NULL), 0);
    assert_int_equal(join.err, EINPROGRESS);
    assert_int_equal(join.ran_then, 1); /* no more help after that */
    assert_int_equal(atomic_load(&join.ran), 2);
    assert_int_equal(pool_counts(join.pool).failed, 0);
    cconc_pool_free(join.pool);
    cconc_ctx_free(join.ctx);
    gate_free(&join.gate);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(pool_recursion_of_depth_20_runs_on_one_worker),
        UNIT_TEST(pool_recursion_beyond_64_levels_gets_temporary_workers),
        UNIT_TEST(pool_too_deep_without_a_thread_is_a_deadlock),
        UNIT_TEST(pool_worker_helps_while_the_queue_is_full),
        UNIT_TEST(pool_worker_runs_its_own_tasks_first),
        UNIT_TEST(pool_worker_that_sleeps_is_called_for_a_new_task),
        UNIT_TEST(pool_task_that_ends_the_thread_ends_those_below_it),
        UNIT_TEST(pool_wait_of_a_worker_ends_with_its_context),
        UNIT_TEST(pool_worker_that_has_helped_can_be_cancelled_as_before),
        UNIT_TEST(pool_loop_of_a_worker_at_its_deepest_level_is_its_own),
        UNIT_TEST(pool_loop_of_a_task_runs_after_the_pool_was_closed),
        UNIT_TEST(pool_loop_whose_runner_is_dropped_has_not_failed),
        UNIT_TEST(pool_submit_of_a_worker_ends_with_a_context_that_its_help_ends),
        UNIT_TEST(pool_join_of_a_worker_ends_with_a_context_that_its_help_ends),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
