/* pool_hand.c - unit tests of pools: records that their worker keeps in hand
 * SPDX-License-Identifier: MIT
 *
 * Risk      A record in the hand of a busy worker that is lost, runs twice, or keeps a missing
 *           worker from being replaced.
 * Method    Fork and join to a depth at which all workers fork, with futures, plain tasks and
 *           groups in between; a worker that is lost while another one has records in hand.
 * Catches   pool-5 pool-9; the interleavings are tests/model/pool_hand.c's.
 */
#include "pool_help.h"

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>

/* ---- fork and join -------------------------------------------------------------------------- */

struct fib {
    cconc_pool  *pool;
    cconc_group *group;
    atomic_int  *others; /* plain tasks and tasks of the group that have run, or NULL */
    uint32_t     n;
    uint64_t     sum;
};

static int fib_run(cconc_ctx *ctx, void *arg)
{
    struct fib *fib = arg;
    (void)ctx;
    if (fib->n < 2) {
        fib->sum = fib->n;
        return 0;
    }
    struct fib left = {fib->pool, fib->group, fib->others, fib->n - 1, 0};
    struct fib right = {fib->pool, fib->group, fib->others, fib->n - 2, 0};
    cconc_pool_task task = {.fn = fib_run, .arg = &left};
    SUPPORT_CHECK(cconc_pool_submit_task(fib->pool, NULL, &task) == 0);
    if (fib->others && fib->n % 4 == 0) {
        SUPPORT_CHECK(cconc_pool_submit(fib->pool, NULL, count_run, fib->others) == 0);
    } else if (fib->others && fib->n % 4 == 1) {
        SUPPORT_CHECK(cconc_group_go(fib->group, NULL, count_run, fib->others) == 0);
    }
    SUPPORT_CHECK(fib_run(ctx, &right) == 0);
    SUPPORT_CHECK(cconc_pool_join(fib->pool, NULL, &task) == 0);
    fib->sum = left.sum + right.sum;
    return 0;
}

/* How many calls of fib_run there are with such an n on the way from n down, and n itself. */
static int fib_calls(uint32_t n, uint32_t rest)
{
    return n < 2 ? 0 : fib_calls(n - 1, rest) + fib_calls(n - 2, rest) + (n % 4 == rest ? 1 : 0);
}

static void pool_hand_forks_and_joins(void **state)
{
    (void)state;
    for (int workers = 1; workers <= 3; workers++) {
        struct fib fib = {.n = 16};
        cconc_pool_task task = {.fn = fib_run, .arg = &fib};
        fib.pool = pool_make(workers, 256, CCONC_POOL_BLOCK);
        assert_int_equal(cconc_pool_submit_task(fib.pool, NULL, &task), 0);
        assert_int_equal(cconc_pool_join(fib.pool, NULL, &task), 0);
        assert_int_equal(fib.sum, 987);
        until(pool_counts(fib.pool).running == 0);
        assert_int_equal(pool_counts(fib.pool).submitted, 1597); /* 1596 forks */
        assert_int_equal(pool_counts(fib.pool).completed, 1597);
        cconc_pool_free(fib.pool);
    }
}

static void pool_hand_forks_beside_other_tasks(void **state)
{
    atomic_int others = 0;
    struct fib fib = {.n = 14, .others = &others};
    cconc_group_opts opts = {0};
    cconc_pool_task task = {.fn = fib_run, .arg = &fib};
    (void)state;
    fib.pool = pool_make(2, 256, CCONC_POOL_BLOCK);
    opts.pool = fib.pool;
    assert_int_equal(cconc_group_new(NULL, &opts, &fib.group), 0);
    assert_int_equal(cconc_pool_submit_task(fib.pool, NULL, &task), 0);
    assert_int_equal(cconc_pool_join(fib.pool, NULL, &task), 0);
    assert_int_equal(fib.sum, 377);
    assert_int_equal(cconc_group_wait(fib.group, NULL, NULL), 0);
    assert_int_equal(cconc_pool_wait(fib.pool, NULL), 0);
    assert_int_equal(atomic_load(&others), fib_calls(14, 0) + fib_calls(14, 1));
    cconc_group_free(fib.group);
    cconc_pool_free(fib.pool);
}

/* ---- a lost worker -------------------------------------------------------------------------- */

struct loss {
    cconc_pool     *pool;
    cconc_pool_task records[2];
    atomic_int      ran;
    atomic_int      is_kept;
};

static int end_thread(cconc_ctx *ctx, void *arg)
{
    struct loss *loss = arg;
    (void)ctx;
    until(atomic_load(&loss->is_kept) == 1);
    pthread_exit(NULL);
}

/* The second record is submitted when a worker is missing: that brings another one. */
static int keep_and_block(cconc_ctx *ctx, void *arg)
{
    struct loss *loss = arg;
    (void)ctx;
    SUPPORT_CHECK(cconc_pool_submit_task(loss->pool, NULL, &loss->records[0]) == 0);
    atomic_store(&loss->is_kept, 1);
    until(pool_counts(loss->pool).workers == 1);
    (void)support_fail_end();
    SUPPORT_CHECK(cconc_pool_submit_task(loss->pool, NULL, &loss->records[1]) == 0);
    until(atomic_load(&loss->ran) == 2); /* here nobody can run them */
    return 0;
}

static void pool_hand_does_not_keep_a_lost_worker_from_being_replaced(void **state)
{
    struct loss loss = {0};
    (void)state;
    for (int i = 0; i < 2; i++) {
        loss.records[i] = (cconc_pool_task){.fn = count_run, .arg = &loss.ran};
    }
    loss.pool = pool_make(2, 64, CCONC_POOL_BLOCK);
    until(pool_counts(loss.pool).idle == 2);
    support_fail_thread(1, true);
    assert_int_equal(cconc_pool_submit(loss.pool, NULL, end_thread, &loss), 0);
    until(pool_counts(loss.pool).running == 1);
    assert_int_equal(cconc_pool_submit(loss.pool, NULL, keep_and_block, &loss), 0);
    assert_int_equal(cconc_pool_wait(loss.pool, NULL), 0);
    assert_int_equal(pool_counts(loss.pool).workers, 2);
    cconc_pool_free(loss.pool);
}

/* ---- beside other tasks --------------------------------------------------------------------- */

struct scene {
    cconc_pool     *pool;
    struct gate     gate; /* what the other worker waits in */
    cconc_pool_task held; /* there */
    cconc_pool_task kept;
    atomic_int      ran;
    atomic_int      is_kept;
    int             all; /* that are to run */
};

static int run_and_open(cconc_ctx *ctx, void *arg)
{
    struct scene *s = arg;
    gate_open(&s->gate);
    return count_run(ctx, &s->ran);
}

static void keep(struct scene *s, cconc_task_fn fn, void *arg)
{
    s->kept = (cconc_pool_task){.fn = fn, .arg = arg};
    SUPPORT_CHECK(cconc_pool_submit_task(s->pool, NULL, &s->kept) == 0);
    atomic_store(&s->is_kept, 1);
}

/* The other worker is in the future's task, which ends when the record has run. */
static int keep_and_wait(cconc_ctx *ctx, void *arg)
{
    struct scene *s = arg;
    cconc_future *future = NULL;
    (void)ctx;
    SUPPORT_CHECK(cconc_pool_submit_future(s->pool, NULL, gate_task, &s->gate, &future) == 0);
    until(atomic_load(&s->gate.inside) == 1);
    keep(s, run_and_open, s);
    SUPPORT_CHECK(cconc_future_wait(future, NULL) == 0);
    SUPPORT_CHECK(cconc_pool_join(s->pool, NULL, &s->kept) == 0);
    cconc_future_free(future);
    return 0;
}

static void pool_hand_is_run_by_its_worker_that_waits_for_another_task(void **state)
{
    struct scene s = {0};
    (void)state;
    gate_init(&s.gate, 0);
    s.pool = pool_make(2, 64, CCONC_POOL_BLOCK);
    assert_int_equal(cconc_pool_submit(s.pool, NULL, keep_and_wait, &s), 0);
    assert_int_equal(cconc_pool_wait(s.pool, NULL), 0);
    assert_int_equal(atomic_load(&s.ran), 1);
    cconc_pool_free(s.pool);
    gate_free(&s.gate);
}

static int keep_until_all_ran(cconc_ctx *ctx, void *arg)
{
    struct scene *s = arg;
    (void)ctx;
    keep(s, count_run, &s->ran);
    until(atomic_load(&s->ran) == s->all);
    return 0;
}

/* The other worker comes for the three that are older, and then for what is kept. */
static void pool_hand_waits_for_what_is_older(void **state)
{
    struct scene s = {.all = 4};
    (void)state;
    s.pool = pool_make(2, 64, CCONC_POOL_BLOCK);
    until(pool_counts(s.pool).idle == 2);
    gate_init(&s.gate, 0);
    s.held = (cconc_pool_task){.fn = gate_task, .arg = &s.gate};
    assert_int_equal(cconc_pool_submit_task(s.pool, NULL, &s.held), 0);
    until(atomic_load(&s.gate.inside) == 1);
    struct gate second;
    gate_init(&second, 0);
    assert_int_equal(cconc_pool_submit(s.pool, NULL, gate_task, &second), 0);
    until(atomic_load(&second.inside) == 1);
    assert_int_equal(cconc_pool_submit(s.pool, NULL, keep_until_all_ran, &s), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cconc_pool_submit(s.pool, NULL, count_run, &s.ran), 0);
    }
    gate_open(&second);
    until(atomic_load(&s.is_kept) == 1);
    gate_open(&s.gate);
    assert_int_equal(cconc_pool_wait(s.pool, NULL), 0);
    assert_int_equal(cconc_pool_join(s.pool, NULL, &s.held), 0);
    assert_int_equal(cconc_pool_join(s.pool, NULL, &s.kept), 0);
    cconc_pool_free(s.pool);
    gate_free(&s.gate);
    gate_free(&second);
}

static int submit_plain(cconc_ctx *ctx, void *arg)
{
    struct scene *s = arg;
    (void)ctx;
    until(atomic_load(&s->is_kept) == 1);
    SUPPORT_CHECK(cconc_pool_submit(s->pool, NULL, count_run, &s->ran) == 0);
    return 0;
}

/* Without a bound an open hand takes nobody's room. */
static void pool_hand_of_an_unbounded_pool(void **state)
{
    struct scene s = {.all = 2};
    cconc_pool_opts opts = {.workers = 2, .flags = CCONC_POOL_UNBOUNDED};
    (void)state;
    assert_int_equal(cconc_pool_new(NULL, &opts, &s.pool), 0);
    assert_int_equal(cconc_pool_submit(s.pool, NULL, submit_plain, &s), 0);
    assert_int_equal(cconc_pool_submit(s.pool, NULL, keep_until_all_ran, &s), 0);
    assert_int_equal(cconc_pool_wait(s.pool, NULL), 0);
    assert_int_equal(cconc_pool_join(s.pool, NULL, &s.kept), 0);
    cconc_pool_free(s.pool);
}

static int keep_when_full(cconc_ctx *ctx, void *arg)
{
    struct scene *s = arg;
    (void)ctx;
    until(pool_counts(s->pool).blocked == 1);
    keep(s, count_run, &s->ran);
    return cconc_pool_join(s->pool, NULL, &s->kept);
}

/* A submitter that waits for room is not overtaken by what would be kept. */
static void pool_hand_stays_shut_while_a_submitter_waits(void **state)
{
    struct scene s = {0};
    struct submitter submitter = {.fn = count_run, .arg = &s.ran, .err = -1};
    (void)state;
    s.pool = pool_make(1, 32, CCONC_POOL_BLOCK);
    submitter.pool = s.pool;
    assert_int_equal(cconc_pool_submit(s.pool, NULL, keep_when_full, &s), 0);
    until(pool_counts(s.pool).running == 1);
    for (int i = 0; i < 32; i++) {
        assert_int_equal(cconc_pool_submit(s.pool, NULL, count_run, &s.ran), 0);
    }
    submitter.thread = support_threads_start(1, submitter_run, &submitter);
    assert_int_equal(submitter_end(&submitter), 0);
    assert_int_equal(cconc_pool_wait(s.pool, NULL), 0);
    assert_int_equal(atomic_load(&s.ran), 34);
    cconc_pool_free(s.pool);
}

/* ---- a forked child ------------------------------------------------------------------------- */

static int submit_in_child(void *arg)
{
    struct scene *s = arg;
    cconc_pool_task task = {.fn = count_run, .arg = &s->ran};
    return cconc_pool_submit_task(s->pool, NULL, &task) == ENOTRECOVERABLE ? 17 : 1;
}

static int fork_in_task(cconc_ctx *ctx, void *arg)
{
    struct scene *s = arg;
    int status;
    (void)ctx;
    keep(s, count_run, &s->ran);
    status = support_run_forked(submit_in_child, s);
    SUPPORT_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 17);
    return cconc_pool_join(s->pool, NULL, &s->kept);
}

static void pool_hand_is_not_used_in_a_forked_child(void **state)
{
    struct scene s = {0};
    (void)state;
    s.pool = pool_make(1, 64, CCONC_POOL_BLOCK);
    assert_int_equal(cconc_pool_submit(s.pool, NULL, fork_in_task, &s), 0);
    assert_int_equal(cconc_pool_wait(s.pool, NULL), 0);
    assert_int_equal(atomic_load(&s.ran), 1);
    cconc_pool_free(s.pool);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(pool_hand_forks_and_joins),
        UNIT_TEST(pool_hand_forks_beside_other_tasks),
        UNIT_TEST(pool_hand_does_not_keep_a_lost_worker_from_being_replaced),
        UNIT_TEST(pool_hand_is_run_by_its_worker_that_waits_for_another_task),
        UNIT_TEST(pool_hand_waits_for_what_is_older),
        UNIT_TEST(pool_hand_of_an_unbounded_pool),
        UNIT_TEST(pool_hand_stays_shut_while_a_submitter_waits),
        UNIT_TEST(pool_hand_is_not_used_in_a_forked_child),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
