/* group_order.c - unit tests of what a group orders: go, task, wait, and the next task
 * SPDX-License-Identifier: MIT
 *
 * Risk      A task that does not see what its starter wrote, a waiter that does not see what the
 *           task did, a task in another's place that does not see what that one did.
 * Method    Plain memory and no atomics: values are compared, and the thread sanitizer reports a
 *           missing edge.
 * Catches   G4, H22 H23; orders O1 O2 O3 of group.h.
 */
#include "group_help.h"

#define TASKS ((size_t)200)
#define STARTERS ((size_t)4)

/* A task's argument and result, both plain. */
struct job {
    int in;
    int out;
};

static int double_it(cconc_ctx *ctx, void *arg)
{
    struct job *job = arg;
    (void)ctx;
    job->out = job->in * 2;
    return 0;
}

struct waiting {
    cconc_group *group;
    struct job  *jobs;
    int          sum;
};

static int sum_of(const struct job *jobs)
{
    int sum = 0;
    for (size_t i = 0; i < TASKS; i++) {
        sum += jobs[i].out;
    }
    return sum;
}

static void wait_and_sum(void *arg, size_t index)
{
    struct waiting *waiting = (struct waiting *)arg + index;
    SUPPORT_CHECK(cconc_group_wait(waiting->group, NULL, NULL) == 0);
    waiting->sum = sum_of(waiting->jobs);
}

static void group_orders_go_before_the_task_and_the_task_before_wait(void **state)
{
    static const int limits[] = {0, 1, 3};
    (void)state;
    for (size_t round = 0; round < 3 * (size_t)MANY(20, 4); round++) {
        struct job jobs[TASKS] = {{0, 0}};
        cconc_group *group = group_make(0, limits[round % 3]);
        int expected = 0;
        for (size_t i = 0; i < TASKS; i++) {
            int err = EAGAIN;
            jobs[i].in = (int)(i + round);
            expected += 2 * jobs[i].in;
            if (i % 2 == 0) {
                err = cconc_group_try_go(group, double_it, &jobs[i]);
            }
            if (err == EAGAIN) {
                err = cconc_group_go(group, NULL, double_it, &jobs[i]);
            }
            assert_int_equal(err, 0);
        }
        struct waiting waiting[2] = {{group, jobs, 0}, {group, jobs, 0}};
        struct support_threads *threads = support_threads_start(2, wait_and_sum, waiting);
        assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
        assert_int_equal(sum_of(jobs), expected);
        support_threads_join(threads);
        assert_int_equal(waiting[0].sum, expected);
        assert_int_equal(waiting[1].sum, expected);
        cconc_group_free(group);
    }
}

/* One count, plain, that every task of a group with limit 1 raises. */
struct chain {
    cconc_group *group;
    int          count;
};

static int raise_count(cconc_ctx *ctx, void *arg)
{
    struct chain *chain = arg;
    (void)ctx;
    chain->count++;
    return 0;
}

static void start_many(void *arg, size_t index)
{
    struct chain *chain = arg;
    for (size_t i = 0; i < TASKS; i++) {
        if (index % 2 == 0) {
            SUPPORT_CHECK(cconc_group_go(chain->group, NULL, raise_count, chain) == 0);
        } else {
            int err;
            until((err = cconc_group_try_go(chain->group, raise_count, chain)) != EAGAIN);
            SUPPORT_CHECK(err == 0);
        }
    }
}

static void group_orders_a_task_before_the_one_that_takes_its_slot(void **state)
{
    (void)state;
    for (int round = 0; round < MANY(10, 3); round++) {
        struct chain chain = {.group = group_make(0, 1), .count = 0};
        support_threads_join(support_threads_start(STARTERS, start_many, &chain));
        assert_int_equal(cconc_group_wait(chain.group, NULL, NULL), 0);
        assert_int_equal(chain.count, STARTERS * TASKS);
        cconc_group_free(chain.group);
    }
}

/* The limit is raised and lowered between: then one task alone has a place again. */
static void group_orders_a_task_before_the_one_that_a_lowered_limit_lets_in(void **state)
{
    (void)state;
    for (int round = 0; round < MANY(100, 20); round++) {
        struct chain chain = {.group = group_make(0, 0), .count = 0};
        cconc_group_set_limit(chain.group, 1);
        for (int i = 0; i < 10; i++) {
            assert_int_equal(cconc_group_go(chain.group, NULL, raise_count, &chain), 0);
            cconc_group_set_limit(chain.group, 1);
        }
        assert_int_equal(cconc_group_stop(chain.group, NULL), 0);
        assert_int_equal(chain.count, 10);
        cconc_group_free(chain.group);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(group_orders_go_before_the_task_and_the_task_before_wait),
        UNIT_TEST(group_orders_a_task_before_the_one_that_takes_its_slot),
        UNIT_TEST(group_orders_a_task_before_the_one_that_a_lowered_limit_lets_in),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
