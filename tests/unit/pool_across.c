/* pool_across.c - pools and groups that are used from inside of others, and from a forked child
 * SPDX-License-Identifier: MIT
 *
 * Risk      A worker that takes another pool for its own and runs that one's tasks, or waits as its
 *           helper; a task that marks itself as failed because it has failed another group; a child
 *           that waits for workers it does not have.
 * Method    Tasks of one pool or group use another; children free what their parent made.
 * Catches   W1, X3; proc-1.
 */
#include "pool_help.h"

#include <sys/wait.h>

struct pair {
    cconc_pool *other;
    cconc_group *group;
    atomic_int ran;
    int waited;
    int code;
};

static int count_pair(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    atomic_fetch_add(&((struct pair *)arg)->ran, 1);
    return 3;
}

static int wait_for_the_other(cconc_ctx *ctx, void *arg)
{
    struct pair *pair = arg;
    cconc_future *future;
    int err = cconc_pool_submit_future(pair->other, ctx, count_pair, pair, &future);
    SUPPORT_CHECK(err == 0);
    pair->waited = cconc_future_wait(future, NULL);
    cconc_future_free(future);
    return 0;
}

static void pool_worker_waits_for_a_task_of_another_pool(void **state)
{
    struct pair pair = {.waited = -1};
    cconc_pool *pool = pool_make(1, 4, CCONC_POOL_BLOCK);
    (void)state;
    pair.other = pool_make(1, 4, CCONC_POOL_BLOCK);
    for (int i = 1; i <= 20; i++) {
        assert_int_equal(cconc_pool_submit(pool, NULL, wait_for_the_other, &pair), 0);
        assert_int_equal(cconc_pool_wait(pool, NULL), 0);
        assert_int_equal(pair.waited, 3);
        assert_int_equal(atomic_load(&pair.ran), i);
    }
    assert_int_equal(pool_counts(pair.other).helped, 0);
    cconc_pool_free(pool);
    cconc_pool_free(pair.other);
}

static int fail_the_other(cconc_ctx *ctx, void *arg)
{
    struct pair *pair = arg;
    (void)ctx;
    pair->code = cconc_group_fail(pair->group, 9, "from outside");
    return 0;
}

static void group_is_failed_by_a_task_of_another_which_does_not_fail(void **state)
{
    struct pair pair = {.code = 0};
    cconc_group *outer = group_make(0, 2);
    (void)state;
    pair.group = group_make(0, 2);
    assert_int_equal(cconc_group_go(outer, NULL, fail_the_other, &pair), 0);
    assert_int_equal(cconc_group_wait(outer, NULL, NULL), 0);
    assert_int_equal(pair.code, 9);
    assert_int_equal(cconc_group_wait(pair.group, NULL, NULL), 9);
    cconc_group_free(outer);
    cconc_group_free(pair.group);
}

static int free_pool(void *pool)
{
    cconc_pool_free(pool);
    return 4;
}

static void pool_free_in_a_child_returns_at_once(void **state)
{
    cconc_pool *pool = pool_make(2, 4, CCONC_POOL_BLOCK);
    int status;
    (void)state;
    until(pool_counts(pool).idle == 2);
    status = support_run_forked(free_pool, pool);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 4);
    assert_int_equal(pool_counts(pool).workers, 2);
    cconc_pool_free(pool);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(pool_worker_waits_for_a_task_of_another_pool),
        UNIT_TEST(group_is_failed_by_a_task_of_another_which_does_not_fail),
        UNIT_TEST(pool_free_in_a_child_returns_at_once),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
