/* pool_lost.c - unit tests of pools: submitters whose thread ends in submit
 * SPDX-License-Identifier: MIT
 *
 * Risk      A worker that submits runs others meanwhile, and one of them ends the thread: a future
 *           that nobody has stays, and with it the pool; a record's owner is never told.
 * Method    Pools of one worker; nothing may be left when they are freed.
 * Catches   proc-3, pool-9 pool-12.
 */
#include "pool_help.h"

#include <pthread.h>

struct lost {
    cconc_pool     *pool;
    cconc_task_fn   first;  /* fills the queue, or NULL */
    cconc_task_fn   second; /* of the future, or NULL: then the record is submitted */
    cconc_pool_task record;
    atomic_int      ran;
    atomic_int      told;
};

static int end_thread(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    pthread_exit(NULL);
}

static void end_thread_in_drop(void *user, cconc_task_fn fn, void *arg)
{
    SUPPORT_CHECK(!user && fn == count_run);
    (void)end_thread(NULL, arg);
}

static void end_thread_in_ended(cconc_pool_task *task, int code, bool dropped)
{
    SUPPORT_CHECK(code == ECANCELED && dropped);
    atomic_fetch_add((atomic_int *)task->arg, 1);
    pthread_exit(NULL);
}

static int submit_without_end(cconc_ctx *ctx, void *arg)
{
    struct lost *lost = arg;
    cconc_pool *pool = lost->pool;
    cconc_future *future = NULL;
    (void)ctx;
    SUPPORT_CHECK(!lost->first || cconc_pool_submit(pool, NULL, lost->first, &lost->ran) == 0);
    int err = lost->second
                  ? cconc_pool_submit_future(pool, NULL, lost->second, &lost->ran, &future)
                  : cconc_pool_submit_task(pool, NULL, &lost->record);
    support_abort(__FILE__, __LINE__, err ? "refused" : "came back");
}

static void lose(struct lost *lost, int queue_len, uint32_t full_policy)
{
    cconc_pool_opts opts = {.workers = 1, .queue_len = queue_len, .full_policy = full_policy,
                            .on_drop = end_thread_in_drop};
    assert_int_equal(cconc_pool_new(NULL, &opts, &lost->pool), 0);
    until(pool_counts(lost->pool).idle == 1);
    assert_int_equal(cconc_pool_submit(lost->pool, NULL, submit_without_end, lost), 0);
    assert_int_equal(cconc_pool_wait(lost->pool, NULL), 0);
    cconc_pool_free(lost->pool);
}

/* A worker submits, and runs for that what is queued, what it submits, or a hook. */
static void future_whose_submitter_ends_its_thread_meanwhile_is_nobodys(void **state)
{
    struct lost helping = {.first = end_thread, .second = count_run};
    struct lost meeting = {.second = end_thread};
    struct lost dropping = {.first = count_run, .second = count_run};
    (void)state;
    support_sweep_pause(true); /* no call that never comes back can be made again */
    lose(&helping, 1, CCONC_POOL_BLOCK);
    assert_int_equal(atomic_load(&helping.ran), 0);
    lose(&meeting, 0, CCONC_POOL_BLOCK);
    lose(&dropping, 1, CCONC_POOL_DROP_OLDEST);
    assert_int_equal(atomic_load(&dropping.ran), 1); /* it had been accepted */
}

static void pool_record_whose_submitter_ends_its_thread_meanwhile_is_dropped(void **state)
{
    struct lost lost = {.first = end_thread};
    (void)state;
    support_sweep_pause(true); /* as above */
    lost.record = (cconc_pool_task){
        .fn = count_run, .arg = &lost.told, .ended = end_thread_in_ended};
    lose(&lost, 1, CCONC_POOL_BLOCK);
    assert_int_equal(atomic_load(&lost.told), 1);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(future_whose_submitter_ends_its_thread_meanwhile_is_nobodys),
        UNIT_TEST(pool_record_whose_submitter_ends_its_thread_meanwhile_is_dropped),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
