/* group_pool.c - unit tests of groups whose tasks run on a pool
 * SPDX-License-Identifier: MIT
 *
 * Risk      A worker that waits for a group of its own pool, or for a slot of one, hangs; a task
 *           that the pool drops is never counted as ended; a full queue is not told from the limit.
 * Method    Pools of one worker: what does not help hangs.
 * Catches   W9 W16, I1 I4 I17 I20; rules pool-6 pool-7 pool-12 pool-13, group-1 group-4.
 */
#include "pool_help.h"

#include <pthread.h>

static cconc_group *group_on(cconc_pool *pool, int limit)
{
    cconc_group_opts opts = {.limit = limit, .pool = pool};
    cconc_group *group = NULL;
    SUPPORT_CHECK(cconc_group_new(NULL, &opts, &group) == 0);
    return group;
}

static int note_name(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    SUPPORT_CHECK(pthread_getname_np(pthread_self(), arg, 16) == 0);
    return 0;
}

static void group_tasks_run_on_the_pool_given(void **state)
{
    cconc_pool *pool = pool_make(1, 4, CCONC_POOL_BLOCK);
    cconc_group *group = group_on(pool, 0);
    char name[16] = "";
    int code = 6;
    (void)state;
    assert_int_equal(cconc_group_go(group, NULL, note_name, name), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_string_equal(name, "pool/0");
    assert_int_equal(cconc_group_go(group, NULL, return_code, &code), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 6);
    assert_int_equal(executor_threads(), 0);
    cconc_group_free(group);
    cconc_pool_free(pool);
}

static void group_try_go_on_a_full_pool_would_wait(void **state)
{
    cconc_pool *pool = pool_make(1, 1, CCONC_POOL_BLOCK);
    cconc_group *group = group_on(pool, 0);
    struct gate gate;
    atomic_int ran = 0;
    cconc_ctx_mem mem;
    (void)state;
    pool_occupy(pool, &gate, 1);
    assert_int_equal(cconc_group_try_go(group, count_run, &ran), 0);
    assert_int_equal(cconc_group_try_go(group, count_run, &ran), EAGAIN);
    cconc_ctx *soon = cconc_ctx_until(&mem, NULL, cconc_clock_after(CCONC_MS));
    assert_int_equal(cconc_group_go(group, soon, count_run, &ran), ETIMEDOUT);
    gate_open(&gate);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&ran), 1);
    cconc_group_free(group);
    cconc_pool_free(pool);
    gate_free(&gate);
}

struct skipped_go {
    cconc_group *group;
    atomic_int   ran;
    int          err;
};

static void skipped_go_run(void *arg, size_t index)
{
    struct skipped_go *go = arg;
    (void)index;
    go->err = cconc_group_go(go->group, NULL, count_run, &go->ran);
}

/* group-2: also when it has its slot, and waits for room in the pool's queue. */
static void group_skip_ends_a_go_that_waits_for_room_in_its_pool(void **state)
{
    for (int queue_len = 0; queue_len < 2; queue_len++) {
        cconc_pool *pool = pool_make(1, queue_len, CCONC_POOL_BLOCK);
        cconc_group_opts opts = {.flags = CCONC_GROUP_SKIP, .pool = pool};
        struct skipped_go go = {.err = -1};
        struct gate gate;
        atomic_int ran = 0;
        (void)state;
        assert_int_equal(cconc_group_new(NULL, &opts, &go.group), 0);
        pool_occupy(pool, &gate, 1);
        for (int i = 0; i < queue_len; i++) {
            assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran), 0);
        }
        struct support_threads *goer = support_threads_start(1, skipped_go_run, &go);
        until(pool_counts(pool).blocked == 1);
        assert_int_equal(cconc_group_fail(go.group, 7, "on purpose"), 7);
        support_threads_join(goer);
        assert_int_equal(go.err, ECANCELED);
        assert_int_equal(pool_counts(pool).blocked, 0);
        gate_open(&gate);
        assert_int_equal(cconc_group_wait(go.group, NULL, NULL), 7);
        assert_int_equal(cconc_pool_wait(pool, NULL), 0);
        assert_int_equal(atomic_load(&go.ran), 0);
        assert_int_equal(atomic_load(&ran), queue_len);
        cconc_group_free(go.group);
        cconc_pool_free(pool);
        gate_free(&gate);
    }
}

static void group_go_on_a_full_pool_of_policy_fail_does_not_wait(void **state)
{
    cconc_pool *pool = pool_make(1, 1, CCONC_POOL_FAIL);
    cconc_group *group = group_on(pool, 0);
    struct gate gate;
    atomic_int ran = 0;
    (void)state;
    pool_occupy(pool, &gate, 1);
    assert_int_equal(cconc_group_go(group, NULL, count_run, &ran), 0);
    assert_int_equal(cconc_group_go(group, NULL, count_run, &ran), EAGAIN);
    gate_open(&gate);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&ran), 1);
    assert_int_equal(cconc_pool_shutdown(pool, NULL, CCONC_POOL_DRAIN), 0);
    assert_int_equal(cconc_group_try_go(group, count_run, &ran), EPIPE);
    cconc_group_free(group);
    cconc_pool_free(pool);
    gate_free(&gate);
}

static void group_task_that_the_pool_drops_has_failed(void **state)
{
    cconc_pool *pool = pool_make(1, 4, CCONC_POOL_BLOCK);
    cconc_group *group = group_on(pool, 0);
    atomic_int ran = 0;
    (void)state;
    assert_int_equal(cconc_pool_submit(pool, NULL, until_done, NULL), 0);
    until(pool_counts(pool).running == 1);
    assert_int_equal(cconc_group_go(group, NULL, count_run, &ran), 0);
    assert_int_equal(cconc_pool_shutdown(pool, NULL, CCONC_POOL_CANCEL), 0);
    assert_int_equal(cconc_group_go(group, NULL, count_run, &ran), EPIPE);
    assert_int_equal(cconc_group_try_go(group, count_run, &ran), EPIPE);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), ECANCELED);
    assert_int_equal(atomic_load(&ran), 0);
    cconc_group_free(group);
    cconc_pool_free(pool);
}

struct nested {
    cconc_pool *pool;
    int         depth;
    int         limit;
    atomic_int *ran;
};

/* A group in a task, of tasks that do the same. */
static int nested_run(cconc_ctx *ctx, void *arg)
{
    struct nested *nested = arg;
    struct nested below = {nested->pool, nested->depth - 1, nested->limit, nested->ran};
    (void)ctx;
    atomic_fetch_add(nested->ran, 1);
    if (nested->depth > 0) {
        cconc_group *group = group_on(nested->pool, nested->limit);
        for (int i = 0; i < 2; i++) {
            SUPPORT_CHECK(cconc_group_go(group, NULL, nested_run, &below) == 0);
        }
        SUPPORT_CHECK(cconc_group_wait(group, NULL, NULL) == 0);
        cconc_group_free(group);
    }
    return 0;
}

static void group_waited_for_in_its_own_pool_is_helped(void **state)
{
    (void)state;
    for (int queue_len = 0; queue_len < 3; queue_len++) {
        for (int limit = 0; limit < 3; limit++) {
            cconc_pool *pool = pool_make(1 + queue_len, queue_len, CCONC_POOL_BLOCK);
            atomic_int ran = 0;
            struct nested nested = {pool, 7, limit, &ran};
            assert_int_equal(cconc_pool_submit(pool, NULL, nested_run, &nested), 0);
            assert_int_equal(cconc_pool_wait(pool, NULL), 0);
            assert_int_equal(atomic_load(&ran), 255);
            cconc_pool_free(pool);
        }
    }
}

struct own {
    cconc_group *group;
    atomic_int   ran;
    atomic_int   refused;
};

static int own_go(cconc_ctx *ctx, void *arg)
{
    struct own *own = arg;
    int err = cconc_group_go(own->group, NULL, count_run, &own->ran);
    (void)ctx;
    SUPPORT_CHECK(err == 0 || err == EDEADLK);
    atomic_fetch_add(&own->refused, err == EDEADLK);
    return 0;
}

/* The second runs on top of the first, which waits at the limit: it would wait for itself. */
static void group_go_of_tasks_that_help_each_other_is_a_deadlock(void **state)
{
    cconc_pool *pool = pool_make(1, 4, CCONC_POOL_BLOCK);
    struct own own = {.group = group_on(pool, 2)};
    struct gate gate;
    (void)state;
    pool_occupy(pool, &gate, 1);
    assert_int_equal(cconc_group_go(own.group, NULL, own_go, &own), 0);
    assert_int_equal(cconc_group_go(own.group, NULL, own_go, &own), 0);
    gate_open(&gate);
    assert_int_equal(cconc_group_wait(own.group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&own.refused), 1);
    assert_int_equal(atomic_load(&own.ran), 1);
    cconc_group_free(own.group);
    cconc_pool_free(pool);
    gate_free(&gate);
}

static int end_thread(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    pthread_exit(NULL);
}

static void group_task_that_ends_its_worker_has_failed(void **state)
{
    cconc_pool *pool = pool_make(1, 4, CCONC_POOL_BLOCK);
    cconc_group *group = group_on(pool, 1);
    atomic_int ran = 0;
    (void)state;
    assert_int_equal(cconc_group_go(group, NULL, end_thread, NULL), 0);
    assert_int_equal(cconc_group_go(group, NULL, count_run, &ran), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), ECANCELED);
    assert_int_equal(atomic_load(&ran), 1);
    cconc_group_free(group);
    cconc_pool_free(pool);
}

/* The first waits at the limit and runs the second, which ends the thread of both. From then on
 * nobody counts as waiting in go: the next one that does is no deadlock. */
static void group_go_that_help_has_ended_waits_no_longer(void **state)
{
    cconc_pool *pool = pool_make(1, 4, CCONC_POOL_BLOCK);
    struct own own = {.group = group_on(pool, 2)};
    cconc_task_fn seconds[] = {end_thread, count_run};
    cconc_group_counts counts;
    (void)state;
    support_sweep_pause(true); /* no call that never comes back can be made again */
    for (int i = 0; i < 2; i++) {
        struct gate gate;
        pool_occupy(pool, &gate, 1);
        assert_int_equal(cconc_group_go(own.group, NULL, own_go, &own), 0);
        assert_int_equal(cconc_group_go(own.group, NULL, seconds[i], &own.ran), 0);
        gate_open(&gate);
        assert_int_equal(cconc_group_wait(own.group, NULL, NULL), ECANCELED);
        assert_int_equal(atomic_load(&own.ran), 2 * i);
        cconc_group_read(own.group, &counts);
        assert_int_equal(counts.failed, 2);
        assert_int_equal(cconc_pool_wait(pool, NULL), 0);
        gate_free(&gate);
    }
    assert_int_equal(atomic_load(&own.refused), 0);
    cconc_group_free(own.group);
    cconc_pool_free(pool);
}

struct roomless {
    cconc_pool *pool;
    struct own  own;
};

static int go_without_room(cconc_ctx *ctx, void *arg)
{
    struct roomless *roomless = arg;
    SUPPORT_CHECK(cconc_pool_submit(roomless->pool, NULL, end_thread, NULL) == 0);
    int err = own_go(ctx, &roomless->own);
    support_abort(__FILE__, __LINE__, err ? "refused" : "go came back");
}

/* It has its slot, and runs what fills the queue. */
static void group_go_that_help_has_ended_gives_its_slot_back(void **state)
{
    struct roomless roomless = {.pool = pool_make(1, 1, CCONC_POOL_BLOCK)};
    (void)state;
    roomless.own.group = group_on(roomless.pool, 1);
    until(pool_counts(roomless.pool).idle == 1);
    assert_int_equal(cconc_pool_submit(roomless.pool, NULL, go_without_room, &roomless), 0);
    assert_int_equal(cconc_pool_wait(roomless.pool, NULL), 0);
    assert_int_equal(cconc_group_wait(roomless.own.group, NULL, NULL), ECANCELED);
    assert_int_equal(group_running(roomless.own.group), 0);
    assert_int_equal(atomic_load(&roomless.own.ran), 0);
    cconc_group_free(roomless.own.group);
    cconc_pool_free(roomless.pool);
}

static void wait_in_handler(void *arg)
{
    struct own *own = arg;
    SUPPORT_CHECK(cconc_group_wait(own->group, NULL, NULL) == ECANCELED);
    atomic_fetch_add(&own->ran, 1);
}

static void go_that_ends_here(void *arg, size_t index)
{
    struct own *own = arg;
    (void)index;
    pthread_cleanup_push(wait_in_handler, own);
    int err = cconc_group_go(own->group, NULL, end_thread, NULL);
    support_abort(__FILE__, __LINE__, err ? "refused" : "go came back");
    pthread_cleanup_pop(0);
}

/* What is left of the thread is in no task of the group any more. */
static void group_task_that_ends_the_thread_of_its_go_is_over_for_the_handlers_of_that(void **state)
{
    cconc_pool *pool = pool_make(1, 0, CCONC_POOL_CALLER_RUNS);
    struct own own = {.group = group_on(pool, 0)};
    struct gate gate;
    (void)state;
    pool_occupy(pool, &gate, 1);
    support_threads_join(support_threads_start(1, go_that_ends_here, &own));
    assert_int_equal(atomic_load(&own.ran), 1);
    gate_open(&gate);
    cconc_group_free(own.group);
    cconc_pool_free(pool);
    gate_free(&gate);
}

static void use_both(void *arg)
{
    cconc_pool_opts opts = {.workers = 2, .queue_len = 1};
    cconc_pool *pool = NULL;
    cconc_group *group = NULL;
    atomic_int ran = 0;
    int started = 0;
    (void)arg;
    if (cconc_pool_new(NULL, &opts, &pool) != 0) {
        return;
    }
    cconc_group_opts group_opts = {.limit = 2, .pool = pool};
    if (cconc_group_new(NULL, &group_opts, &group) == 0) {
        for (int i = 0; i < 20; i++) {
            int err = cconc_group_go(group, NULL, count_run, &ran);
            SUPPORT_CHECK(err == 0 || err == ENOMEM);
            started += err == 0;
        }
        SUPPORT_CHECK(cconc_group_wait(group, NULL, NULL) == 0);
        SUPPORT_CHECK(atomic_load(&ran) == started);
        cconc_group_free(group);
    }
    cconc_pool_free(pool);
}

static void group_on_a_pool_survives_every_fault(void **state)
{
    (void)state;
    assert_true(support_sweep_alloc(use_both, NULL) > 0);
    assert_true(support_sweep_thread(use_both, NULL) > 0);
}

struct ending {
    cconc_group *group;
    cconc_ctx   *ctx;
    int          err;
    atomic_int   ran;
};

static int cancel_it(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    cconc_ctx_cancel(arg);
    return 0;
}

static int wait_while_it_ends(cconc_ctx *ctx, void *arg)
{
    struct ending *ending = arg;
    (void)ctx;
    SUPPORT_CHECK(cconc_group_go(ending->group, NULL, count_run, &ending->ran) == 0);
    SUPPORT_CHECK(cconc_group_go(ending->group, NULL, cancel_it, ending->ctx) == 0);
    SUPPORT_CHECK(cconc_group_go(ending->group, NULL, count_run, &ending->ran) == 0);
    ending->err = cconc_group_wait(ending->group, ending->ctx, NULL);
    return 0;
}

/* It helps with the task that ends its context, and with no other then. */
static void group_wait_in_its_pool_ends_with_a_context_that_its_help_ends(void **state)
{
    cconc_pool *pool = pool_make(1, 4, CCONC_POOL_BLOCK);
    struct ending ending = {.group = group_on(pool, 0), .ctx = make_cancel(NULL)};
    (void)state;
    assert_int_equal(cconc_pool_submit(pool, NULL, wait_while_it_ends, &ending), 0);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_int_equal(ending.err, EINPROGRESS);
    assert_int_equal(cconc_group_wait(ending.group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&ending.ran), 2);
    cconc_group_free(ending.group);
    cconc_pool_free(pool);
    cconc_ctx_free(ending.ctx);
}

static int fail_the_group(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    return cconc_group_fail(arg, 7, NULL) == 7 ? 0 : 1;
}

/* The pool's queue is full: room is made by running the task that fails the group. */
static int go_while_it_fails(cconc_ctx *ctx, void *arg)
{
    struct ending *ending = arg;
    cconc_pool *pool = cconc_ctx_value(ctx, &ctx_mark);
    SUPPORT_CHECK(cconc_pool_submit(pool, NULL, fail_the_group, ending->group) == 0);
    ending->err = cconc_group_go(ending->group, NULL, count_run, &ending->ran);
    return 0;
}

static void group_skip_ends_a_go_of_a_worker_whose_help_fails_the_group(void **state)
{
    cconc_pool *pool = pool_make(1, 1, CCONC_POOL_BLOCK);
    cconc_group_opts opts = {.flags = CCONC_GROUP_SKIP, .pool = pool};
    cconc_ctx *value = make_value(NULL, &ctx_mark, pool);
    struct ending ending = {.err = -1};
    cconc_group *outer = NULL;
    (void)state;
    assert_int_equal(cconc_group_new(NULL, &opts, &ending.group), 0);
    assert_int_equal(cconc_group_new(value, &(cconc_group_opts){.pool = pool}, &outer), 0);
    assert_int_equal(cconc_group_go(outer, NULL, go_while_it_fails, &ending), 0);
    assert_int_equal(cconc_group_wait(outer, NULL, NULL), 0);
    assert_int_equal(ending.err, ECANCELED);
    assert_int_equal(atomic_load(&ending.ran), 0);
    assert_int_equal(cconc_group_wait(ending.group, NULL, NULL), 7);
    cconc_group_free(outer);
    cconc_group_free(ending.group);
    cconc_ctx_free(value);
    cconc_pool_free(pool);
}

static void group_on_what_is_no_pool_is_misuse(void **state)
{
    cconc_pool *pool = pool_make(1, 1, CCONC_POOL_BLOCK);
    cconc_group_opts opts = {.pool = (cconc_pool *)((uintptr_t)pool + 1)};
    cconc_group *group = NULL;
    (void)state;
    expect_misuse("group new of a misaligned pointer",
                  assert_int_equal(cconc_group_new(NULL, &opts, &group), EINVAL));
    assert_null(group);
    cconc_pool_free(pool);
}

/* The one slot is taken by the task that ends the context. */
static int go_while_it_ends(cconc_ctx *ctx, void *arg)
{
    struct ending *ending = arg;
    (void)ctx;
    SUPPORT_CHECK(cconc_group_go(ending->group, NULL, cancel_it, ending->ctx) == 0);
    ending->err = cconc_group_go(ending->group, ending->ctx, count_run, &ending->ran);
    return 0;
}

static void group_go_of_a_worker_ends_with_a_context_that_its_help_ends(void **state)
{
    cconc_pool *pool = pool_make(1, 4, CCONC_POOL_BLOCK);
    struct ending ending = {.group = group_on(pool, 1), .ctx = make_cancel(NULL)};
    (void)state;
    assert_int_equal(cconc_pool_submit(pool, NULL, go_while_it_ends, &ending), 0);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_int_equal(ending.err, ECANCELED);
    assert_int_equal(cconc_group_wait(ending.group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&ending.ran), 0);
    cconc_group_free(ending.group);
    cconc_pool_free(pool);
    cconc_ctx_free(ending.ctx);
}

struct full {
    cconc_pool  *pool;
    cconc_group *group;
    struct gate  gate;
    atomic_int   waits;
    atomic_int   ran;
};

/* The one slot is taken by a task in the other worker. */
static int go_while_full(cconc_ctx *ctx, void *arg)
{
    struct full *full = arg;
    (void)ctx;
    SUPPORT_CHECK(cconc_group_go(full->group, NULL, gate_task, &full->gate) == 0);
    until(atomic_load(&full->gate.inside) == 1);
    atomic_store(&full->waits, 1);
    SUPPORT_CHECK(cconc_group_go(full->group, NULL, count_run, &full->ran) == 0);
    return 0;
}

static void group_go_of_a_worker_that_sleeps_is_called_for_a_new_task(void **state)
{
    struct full full = {.pool = pool_make(2, 4, CCONC_POOL_BLOCK)};
    atomic_int ran = 0;
    (void)state;
    full.group = group_on(full.pool, 1);
    gate_init(&full.gate, 0);
    assert_int_equal(cconc_pool_submit(full.pool, NULL, go_while_full, &full), 0);
    until(atomic_load(&full.waits) == 1 && pool_counts(full.pool).idle == 1);
    for (int i = 1; i <= 10; i++) {
        assert_int_equal(cconc_pool_submit(full.pool, NULL, count_run, &ran), 0);
        until(atomic_load(&ran) == i);
    }
    assert_int_equal(pool_counts(full.pool).helped, 10);
    assert_int_equal(atomic_load(&full.ran), 0);
    gate_open(&full.gate);
    assert_int_equal(cconc_pool_wait(full.pool, NULL), 0);
    assert_int_equal(cconc_group_wait(full.group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&full.ran), 1);
    cconc_group_free(full.group);
    cconc_pool_free(full.pool);
    gate_free(&full.gate);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(group_tasks_run_on_the_pool_given),
        UNIT_TEST(group_try_go_on_a_full_pool_would_wait),
        UNIT_TEST(group_skip_ends_a_go_that_waits_for_room_in_its_pool),
        UNIT_TEST(group_go_on_a_full_pool_of_policy_fail_does_not_wait),
        UNIT_TEST(group_task_that_the_pool_drops_has_failed),
        UNIT_TEST(group_waited_for_in_its_own_pool_is_helped),
        UNIT_TEST(group_go_of_tasks_that_help_each_other_is_a_deadlock),
        UNIT_TEST(group_task_that_ends_its_worker_has_failed),
        UNIT_TEST(group_go_that_help_has_ended_waits_no_longer),
        UNIT_TEST(group_go_that_help_has_ended_gives_its_slot_back),
        UNIT_TEST(group_task_that_ends_the_thread_of_its_go_is_over_for_the_handlers_of_that),
        UNIT_TEST(group_on_a_pool_survives_every_fault),
        UNIT_TEST(group_wait_in_its_pool_ends_with_a_context_that_its_help_ends),
        UNIT_TEST(group_skip_ends_a_go_of_a_worker_whose_help_fails_the_group),
        UNIT_TEST(group_on_what_is_no_pool_is_misuse),
        UNIT_TEST(group_go_of_a_worker_ends_with_a_context_that_its_help_ends),
        UNIT_TEST(group_go_of_a_worker_that_sleeps_is_called_for_a_new_task),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
