/* pool_many.c - unit tests of pools: many tasks, many pools, and sizes that change under load
 * SPDX-License-Identifier: MIT
 *
 * Risk      One task in a million that is lost or run twice; a thread too many, or one that is left
 *           behind; a shutdown that takes as long as its queue.
 * Method    Counts that must come out exactly: tasks, threads of the process, the library's memory.
 * Catches   W1 W2 W3 W4 W9 W10, I1 I4 I17 I19; rules pool-1 pool-2 pool-6 pool-11 pool-12.
 */
#include "pool_help.h"

#include <dirent.h>
#include <pthread.h>

/* Threads of this process. */
static int threads_now(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int count = 0;
    SUPPORT_CHECK(tasks);
    for (struct dirent *entry = readdir(tasks); entry; entry = readdir(tasks)) {
        count += entry->d_name[0] != '.';
    }
    SUPPORT_CHECK(closedir(tasks) == 0);
    return count;
}

static void pool_of_4_workers_runs_a_million_tasks_through_a_queue_of_64(void **state)
{
    uint64_t threads = support_thread_count();
    cconc_pool *pool;
    int count = MANY(1000000, 50000);
    atomic_int ran = 0;
    uint64_t most_queued = 0;
    (void)state;
    support_sweep_pause(true); /* threads are counted */
    pool = pool_make(4, 64, CCONC_POOL_BLOCK);
    for (int i = 0; i < count; i++) {
        SUPPORT_CHECK(cconc_pool_submit(pool, NULL, count_run, &ran) == 0);
        if (i % 1000 == 0) {
            cconc_pool_counts counts = pool_counts(pool);
            most_queued = counts.queued > most_queued ? counts.queued : most_queued;
            SUPPORT_CHECK(counts.workers == 4 && counts.running <= 4);
        }
    }
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_int_equal(atomic_load(&ran), count);
    assert_int_equal(pool_counts(pool).submitted, count);
    assert_int_equal(pool_counts(pool).completed, count);
    assert_true(most_queued <= 64);
    assert_int_equal(support_thread_count() - threads, 4);
    cconc_pool_free(pool);
}

/* ---- sizes ---------------------------------------------------------------------------------- */

struct load {
    cconc_pool *pool;
    atomic_int ran;
    atomic_int submitted;
    atomic_bool over;
};

static void submit_load(void *arg, size_t index)
{
    struct load *load = arg;
    (void)index;
    while (!atomic_load(&load->over)) {
        SUPPORT_CHECK(cconc_pool_submit(load->pool, NULL, count_run, &load->ran) == 0);
        atomic_fetch_add(&load->submitted, 1);
    }
}

static void load_goes_on(struct load *load)
{
    int seen = atomic_load(&load->submitted);
    until(atomic_load(&load->submitted) > seen + MANY(20000, 2000));
}

static void pool_resized_from_1_to_16_to_2_under_load_loses_nothing(void **state)
{
    struct hooks hooks;
    cconc_pool *pool = pool_make_hooked(&hooks, 1, 64, CCONC_POOL_BLOCK);
    struct load load = {.pool = pool};
    (void)state;
    struct support_threads *threads = support_threads_start(3, submit_load, &load);
    load_goes_on(&load);
    assert_int_equal(cconc_pool_resize(pool, 16), 0);
    assert_int_equal(pool_counts(pool).workers, 16);
    load_goes_on(&load);
    assert_int_equal(cconc_pool_resize(pool, 2), 0);
    until(pool_counts(pool).workers == 2);
    load_goes_on(&load);
    atomic_store(&load.over, true);
    assert_int_equal(support_threads_join(threads), 0);
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_int_equal(atomic_load(&load.ran), atomic_load(&load.submitted));
    assert_int_equal(pool_counts(pool).submitted, atomic_load(&load.submitted));
    assert_int_equal(pool_counts(pool).completed, atomic_load(&load.submitted));
    until(atomic_load(&hooks.stopped) == 14);
    cconc_pool_free(pool);
    assert_int_equal(atomic_load(&hooks.started), 16);
    assert_int_equal(atomic_load(&hooks.stopped), 16);
    assert_int_equal(atomic_load(&hooks.dropped), 0);
}

/* ---- shutdown ------------------------------------------------------------------------------- */

#define SHUT_QUEUE 1000
#define SHUT_BLOCKED 32

static void pool_cancelled_with_a_full_queue_is_over_within_a_second(void **state)
{
    struct hooks hooks;
    cconc_pool *pool = pool_make_hooked(&hooks, 4, SHUT_QUEUE, CCONC_POOL_BLOCK);
    static cconc_pool_task records[SHUT_QUEUE / 2];
    static cconc_future *futures[SHUT_QUEUE / 4];
    struct submitter submitters[SHUT_BLOCKED];
    atomic_int ran = 0;
    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(cconc_pool_submit(pool, NULL, until_done, NULL), 0);
    }
    until(pool_counts(pool).running == 4 && pool_counts(pool).queued == 0);
    for (size_t i = 0; i < SHUT_QUEUE / 4; i++) {
        records[2 * i] = records[2 * i + 1] = (cconc_pool_task){.fn = count_run, .arg = &ran};
        assert_int_equal(cconc_pool_submit_task(pool, NULL, &records[2 * i]), 0);
        assert_int_equal(cconc_pool_submit_future(pool, NULL, count_run, &ran, &futures[i]), 0);
        assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran), 0);
        assert_int_equal(cconc_pool_submit_task(pool, NULL, &records[2 * i + 1]), 0);
    }
    for (uint32_t i = 0; i < SHUT_BLOCKED; i++) {
        submitter_start_blocked(&submitters[i], pool, NULL, count_run, &ran, i + 1);
    }
    int64_t begin_ns = support_now_ns();
    assert_int_equal(cconc_pool_shutdown(pool, NULL, CCONC_POOL_CANCEL), 0);
    for (size_t i = 0; i < SHUT_BLOCKED; i++) {
        assert_int_equal(submitter_end(&submitters[i]), EPIPE); /* never accepted: still its own */
    }
    for (size_t i = 0; i < SHUT_QUEUE / 2; i++) {
        assert_int_equal(cconc_pool_join(pool, NULL, &records[i]), ECANCELED);
    }
    for (size_t i = 0; i < SHUT_QUEUE / 4; i++) {
        assert_int_equal(cconc_future_wait(futures[i], NULL), ECANCELED);
        cconc_future_free(futures[i]);
    }
    assert_true(support_now_ns() - begin_ns < MANY(1, 10) * CCONC_SECOND);
    assert_int_equal(atomic_load(&ran), 0);
    assert_int_equal(atomic_load(&hooks.dropped), SHUT_QUEUE);
    assert_int_equal(pool_counts(pool).dropped, SHUT_QUEUE);
    assert_int_equal(pool_counts(pool).workers, 0);
    cconc_pool_free(pool);
}

/* All are woken, and then joined: one after the other would take a wait each. */
static void pool_of_1000_workers_is_freed_within_a_second(void **state)
{
    int workers = MANY(1000, 100);
    struct hooks hooks;
    cconc_pool *pool = pool_make_hooked(&hooks, workers, 4, CCONC_POOL_BLOCK);
    (void)state;
    until(pool_counts(pool).idle == (uint32_t)workers);
    int64_t begin_ns = support_now_ns();
    cconc_pool_free(pool);
    assert_true(support_now_ns() - begin_ns < MANY(1, 10) * CCONC_SECOND);
    assert_int_equal(atomic_load(&hooks.started), workers);
    assert_int_equal(atomic_load(&hooks.stopped), workers);
}

static void pool_made_and_freed_many_times_leaves_no_memory_and_no_thread(void **state)
{
    struct hooks hooks;
    int count = MANY(10000, 200);
    int threads_before = threads_now();
    uint64_t made_before = support_thread_count();
    size_t blocks_before = support_live_blocks();
    int started = 0;
    int most = 0;
    (void)state;
    for (int i = 0; i < count; i++) {
        cconc_pool *pool = pool_make_hooked(&hooks, 1 + i % 2, 4, CCONC_POOL_BLOCK);
        cconc_pool_free(pool);
        SUPPORT_CHECK(atomic_load(&hooks.started) == 1 + i % 2);
        SUPPORT_CHECK(atomic_load(&hooks.stopped) == 1 + i % 2);
        started += 1 + i % 2;
        if (i % 100 == 0) {
            int now = threads_now();
            most = now > most ? now : most;
        }
    }
    assert_int_equal(support_thread_count() - made_before, started);
    assert_true(most <= threads_before + 32); /* the kernel may still list some that were joined */
    until(threads_now() == threads_before);
    /* What is kept of an ended thread serves the next one: two at a time, so two records. */
    assert_true(support_live_blocks() <= blocks_before + 2);
}

/* ---- recursion ------------------------------------------------------------------------------ */

struct tree {
    cconc_pool *pool;
    int depth;
    atomic_int *visited;
    atomic_int *deepest;
};

/* A tree of Fibonacci's shape: each node waits for two below it. */
static int tree_run(cconc_ctx *ctx, void *arg)
{
    struct tree *tree = arg;
    struct tree below[2];
    cconc_pool_task tasks[2];
    (void)ctx;
    atomic_fetch_add(tree->visited, 1);
    if (tree->depth == 0) {
        atomic_fetch_add(tree->deepest, 1);
    }
    for (int i = 0; i < 2; i++) {
        below[i] = *tree;
        below[i].depth -= 1 + i;
        tasks[i] = (cconc_pool_task){.fn = tree_run, .arg = &below[i]};
        if (below[i].depth >= 0) {
            SUPPORT_CHECK(cconc_pool_submit_task(tree->pool, NULL, &tasks[i]) == 0);
        }
    }
    for (int i = 0; i < 2; i++) {
        if (below[i].depth >= 0) {
            SUPPORT_CHECK(cconc_pool_join(tree->pool, NULL, &tasks[i]) == 0);
        }
    }
    return 0;
}

static void pool_tree_of_depth_20_is_done_by_one_worker(void **state)
{
    (void)state;
    for (int workers = 1; workers <= 2; workers++) {
        cconc_pool *pool = pool_make(workers, 2, CCONC_POOL_BLOCK);
        atomic_int visited = 0;
        atomic_int deepest = 0;
        struct tree root = {pool, 20, &visited, &deepest};
        cconc_pool_task task = {.fn = tree_run, .arg = &root};
        assert_int_equal(cconc_pool_submit_task(pool, NULL, &task), 0);
        assert_int_equal(cconc_pool_join(pool, NULL, &task), 0);
        assert_int_equal(atomic_load(&deepest), 10946); /* paths of steps 1 and 2 that add to 20 */
        assert_int_equal(atomic_load(&visited), 28656);
        assert_int_equal(pool_counts(pool).workers, workers);
        cconc_pool_free(pool);
    }
}

static void pool_without_hooks_runs_what_its_callers_run_all_the_same(void **state)
{
    struct hooks hooks;
    cconc_pool *pools[] = {pool_make(1, 1, CCONC_POOL_CALLER_RUNS),
                           pool_make_hooked(&hooks, 1, 1, CCONC_POOL_CALLER_RUNS)};
    int codes[] = {0, 7};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct gate gate;
        atomic_int ran = 0;
        pool_occupy(pools[i], &gate, 1);
        assert_int_equal(cconc_pool_submit(pools[i], NULL, count_run, &ran), 0);
        for (size_t j = 0; j < 2; j++) {
            assert_int_equal(cconc_pool_submit(pools[i], NULL, return_code, &codes[j]), 0);
        }
        assert_int_equal(pool_counts(pools[i]).caller_ran, 2);
        gate_open(&gate);
        assert_int_equal(cconc_pool_wait(pools[i], NULL), 0);
        assert_int_equal(atomic_load(&ran), 1);
        cconc_pool_free(pools[i]);
        gate_free(&gate);
    }
    assert_int_equal(atomic_load(&hooks.failed), 1); /* told of the 7, not of the 0 */
    assert_int_equal(atomic_load(&hooks.last_code), 7);
}

/* No bound, no oldest to drop: nothing is refused. */
static void pool_without_bound_may_be_told_to_drop(void **state)
{
    cconc_pool_opts opts = {.workers = 1,
                            .full_policy = CCONC_POOL_DROP_OLDEST,
                            .flags = CCONC_POOL_UNBOUNDED};
    cconc_pool *pool = NULL;
    atomic_int ran = 0;
    (void)state;
    assert_int_equal(cconc_pool_new(NULL, &opts, &pool), 0);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(cconc_pool_submit(pool, NULL, count_run, &ran), 0);
    }
    assert_int_equal(cconc_pool_wait(pool, NULL), 0);
    assert_int_equal(atomic_load(&ran), 1000);
    assert_int_equal(pool_counts(pool).dropped, 0);
    cconc_pool_free(pool);
    cconc_pool_free(NULL);
}

/* ---- drops that take long -------------------------------------------------------------------- */

struct slow_drop {
    atomic_int  inside;
    atomic_bool let_go;
};

static void drop_slowly(void *user, cconc_task_fn fn, void *arg)
{
    struct slow_drop *drop = user;
    (void)fn;
    (void)arg;
    atomic_fetch_add(&drop->inside, 1);
    until(atomic_load(&drop->let_go));
}

static void pool_is_not_at_rest_before_its_drops_are_over(void **state)
{
    struct slow_drop drop = {.inside = 0};
    cconc_pool_opts opts = {.workers = 1, .queue_len = 1, .user = &drop, .on_drop = drop_slowly,
                            .full_policy = CCONC_POOL_DROP_OLDEST};
    struct submitter submitter = {.fn = count_run};
    struct gate gate;
    atomic_int ran = 0;
    cconc_ctx *soon;
    (void)state;
    assert_int_equal(cconc_pool_new(NULL, &opts, &submitter.pool), 0);
    submitter.arg = &ran;
    pool_occupy(submitter.pool, &gate, 1);
    assert_int_equal(cconc_pool_submit(submitter.pool, NULL, count_run, &ran), 0);
    submitter.thread = support_threads_start(1, submitter_run, &submitter);
    until(atomic_load(&drop.inside) == 1);
    gate_open(&gate);
    until(atomic_load(&ran) == 1 && pool_counts(submitter.pool).running == 0);
    soon = make_timeout(NULL, CCONC_MS);
    assert_int_equal(cconc_pool_wait(submitter.pool, soon), ETIMEDOUT);
    assert_int_equal(cconc_pool_shutdown(submitter.pool, soon, CCONC_POOL_DRAIN), ETIMEDOUT);
    until(pool_counts(submitter.pool).workers == 0);
    assert_int_equal(cconc_pool_shutdown(submitter.pool, soon, CCONC_POOL_DRAIN), ETIMEDOUT);
    atomic_store(&drop.let_go, true);
    assert_int_equal(cconc_pool_wait(submitter.pool, NULL), 0);
    assert_int_equal(submitter_end(&submitter), 0);
    cconc_pool_free(submitter.pool);
    cconc_ctx_free(soon);
    gate_free(&gate);
}

/* ---- at the deepest level ------------------------------------------------------------------- */

struct deepest {
    cconc_pool *pool;
    int         depth;
    atomic_int  ran;
    struct gate gate;
};

static int submit_at_the_deepest(cconc_ctx *ctx, void *arg)
{
    struct deepest *deepest = arg;
    cconc_pool_task task = {.fn = submit_at_the_deepest, .arg = arg};
    (void)ctx;
    if (deepest->depth++ < CCONC_POOL_MAX_DEPTH) {
        SUPPORT_CHECK(cconc_pool_submit_task(deepest->pool, NULL, &task) == 0);
        return cconc_pool_join(deepest->pool, NULL, &task);
    }
    SUPPORT_CHECK(cconc_pool_submit(deepest->pool, NULL, count_run, &deepest->ran) == 0);
    support_fail_thread(1, true);
    int err = cconc_pool_submit(deepest->pool, NULL, count_run, &deepest->ran);
    support_fail_end();
    SUPPORT_CHECK(err == EDEADLK);
    return cconc_pool_submit(deepest->pool, NULL, count_run, &deepest->ran);
}

static void pool_submit_at_the_deepest_level_needs_a_thread_to_make_room(void **state)
{
    struct deepest deepest = {.pool = pool_make(1, 1, CCONC_POOL_BLOCK)};
    (void)state;
    support_sweep_pause(true); /* threads are refused on purpose */
    assert_int_equal(cconc_pool_submit(deepest.pool, NULL, submit_at_the_deepest, &deepest), 0);
    assert_int_equal(cconc_pool_wait(deepest.pool, NULL), 0);
    assert_int_equal(atomic_load(&deepest.ran), 2);
    cconc_pool_free(deepest.pool);
}

static int count_when_none_is_queued(cconc_ctx *ctx, size_t begin, size_t end, void *arg)
{
    struct deepest *deepest = arg;
    (void)ctx;
    until(pool_counts(deepest->pool).queued == 0); /* an idle worker has taken what there was */
    atomic_fetch_add(&deepest->ran, (int)(end - begin));
    return 0;
}

static int loop_at_the_deepest(cconc_ctx *ctx, void *arg)
{
    struct deepest *deepest = arg;
    cconc_pool_task task = {.fn = loop_at_the_deepest, .arg = arg};
    (void)ctx;
    if (deepest->depth++ < CCONC_POOL_MAX_DEPTH) {
        SUPPORT_CHECK(cconc_pool_submit_task(deepest->pool, NULL, &task) == 0);
        return cconc_pool_join(deepest->pool, NULL, &task);
    }
    gate_open(&deepest->gate);
    until(pool_counts(deepest->pool).idle == 1);
    uint64_t before = pool_counts(deepest->pool).submitted;
    SUPPORT_CHECK(cconc_pool_parallel_for(deepest->pool, NULL, 0, 4, 1, count_when_none_is_queued,
                                          deepest) == 0);
    SUPPORT_CHECK(pool_counts(deepest->pool).submitted == before);
    return 0;
}

/* Although the other worker is idle: this one could not wait for it. */
static void pool_loop_at_the_deepest_level_asks_nobody_to_help(void **state)
{
    struct deepest deepest = {.pool = pool_make(2, 4, CCONC_POOL_BLOCK)};
    (void)state;
    until(pool_counts(deepest.pool).idle == 2);
    gate_init(&deepest.gate, 0);
    assert_int_equal(cconc_pool_submit(deepest.pool, NULL, gate_task, &deepest.gate), 0);
    until(atomic_load(&deepest.gate.inside) == 1);
    assert_int_equal(cconc_pool_submit(deepest.pool, NULL, loop_at_the_deepest, &deepest), 0);
    assert_int_equal(cconc_pool_wait(deepest.pool, NULL), 0);
    assert_int_equal(atomic_load(&deepest.ran), 4);
    cconc_pool_free(deepest.pool);
    gate_free(&deepest.gate);
}

/* A task that waits for a record, after as many levels as are left. */
struct waiting {
    cconc_pool     *pool;
    int             depth;
    atomic_bool     at_the_deepest;
    atomic_bool     go_on;
    atomic_int      ran;
    atomic_int      came_back;
    int             code;
    struct gate     gate;
    cconc_pool_task awaited;
};

static int join_when_told(cconc_ctx *ctx, void *arg)
{
    struct waiting *waiting = arg;
    cconc_pool_task task = {.fn = join_when_told, .arg = arg};
    (void)ctx;
    if (waiting->depth++ < CCONC_POOL_MAX_DEPTH) {
        SUPPORT_CHECK(cconc_pool_submit_task(waiting->pool, NULL, &task) == 0);
        return cconc_pool_join(waiting->pool, NULL, &task);
    }
    atomic_store(&waiting->at_the_deepest, true);
    until(atomic_load(&waiting->go_on));
    waiting->code = cconc_pool_join(waiting->pool, NULL, &waiting->awaited);
    atomic_fetch_add(&waiting->came_back, 1);
    return 0;
}

/* The temporary worker has run what was waited for, and then something that lasts. */
static void pool_resized_gives_a_lent_place_back(void **state)
{
    struct waiting waiting = {.pool = pool_make(1, 2, CCONC_POOL_BLOCK)};
    (void)state;
    support_sweep_pause(true); /* no thread to lend a place to: EDEADLK */
    gate_init(&waiting.gate, 0);
    waiting.awaited = (cconc_pool_task){.fn = count_run, .arg = &waiting.ran};
    assert_int_equal(cconc_pool_submit(waiting.pool, NULL, join_when_told, &waiting), 0);
    until(atomic_load(&waiting.at_the_deepest));
    assert_int_equal(cconc_pool_submit_task(waiting.pool, NULL, &waiting.awaited), 0);
    assert_int_equal(cconc_pool_submit(waiting.pool, NULL, gate_task, &waiting.gate), 0);
    atomic_store(&waiting.go_on, true);
    until(atomic_load(&waiting.gate.inside) == 1 && pool_counts(waiting.pool).suspended == 0);
    assert_int_equal(atomic_load(&waiting.came_back), 0);
    assert_int_equal(pool_counts(waiting.pool).workers, 1);
    assert_int_equal(cconc_pool_resize(waiting.pool, 3), 0);
    assert_int_equal(pool_counts(waiting.pool).workers, 3); /* one of them new */
    until(atomic_load(&waiting.came_back) == 1);
    gate_open(&waiting.gate);
    assert_int_equal(cconc_pool_wait(waiting.pool, NULL), 0);
    assert_int_equal(atomic_load(&waiting.ran), 1);
    assert_int_equal(waiting.code, 0);
    cconc_pool_free(waiting.pool);
    gate_free(&waiting.gate);
}

/* No thread is started for the place: there is nothing to do in it. */
static void pool_that_ends_lends_a_place_to_nobody(void **state)
{
    struct waiting waiting = {.pool = pool_make(2, 2, CCONC_POOL_BLOCK)};
    cconc_ctx *ended = make_cancel(NULL);
    (void)state;
    cconc_ctx_cancel(ended);
    gate_init(&waiting.gate, 0);
    waiting.awaited = (cconc_pool_task){.fn = gate_task, .arg = &waiting.gate};
    waiting.gate.code = 7;
    assert_int_equal(cconc_pool_submit_task(waiting.pool, NULL, &waiting.awaited), 0);
    until(atomic_load(&waiting.gate.inside) == 1);
    assert_int_equal(cconc_pool_submit(waiting.pool, NULL, join_when_told, &waiting), 0);
    until(atomic_load(&waiting.at_the_deepest));
    assert_int_equal(cconc_pool_shutdown(waiting.pool, ended, CCONC_POOL_DRAIN), ECANCELED);
    atomic_store(&waiting.go_on, true);
    until(pool_counts(waiting.pool).suspended == 1);
    until(pool_counts(waiting.pool).workers == 1);
    gate_open(&waiting.gate);
    assert_int_equal(cconc_pool_shutdown(waiting.pool, NULL, CCONC_POOL_DRAIN), 0);
    assert_int_equal(atomic_load(&waiting.came_back), 1);
    assert_int_equal(waiting.code, 7);
    assert_int_equal(pool_counts(waiting.pool).workers, 0);
    assert_int_equal(pool_counts(waiting.pool).suspended, 0);
    cconc_pool_free(waiting.pool);
    cconc_ctx_free(ended);
    gate_free(&waiting.gate);
}

static void cancel_pool(void *arg, size_t index)
{
    (void)index;
    SUPPORT_CHECK(cconc_pool_shutdown(arg, NULL, CCONC_POOL_CANCEL) == 0);
}

/* It is queued still, behind one whose drop takes long. */
static void pool_cancelled_does_not_run_what_a_worker_waits_for(void **state)
{
    struct slow_drop drop = {.inside = 0};
    cconc_pool_opts opts = {.workers = 1, .queue_len = 2, .user = &drop, .on_drop = drop_slowly};
    struct waiting waiting = {.depth = CCONC_POOL_MAX_DEPTH};
    (void)state;
    assert_int_equal(cconc_pool_new(NULL, &opts, &waiting.pool), 0);
    assert_int_equal(cconc_pool_submit(waiting.pool, NULL, join_when_told, &waiting), 0);
    until(atomic_load(&waiting.at_the_deepest));
    waiting.awaited = (cconc_pool_task){.fn = count_run, .arg = &waiting.ran};
    assert_int_equal(cconc_pool_submit(waiting.pool, NULL, count_run, &waiting.ran), 0);
    assert_int_equal(cconc_pool_submit_task(waiting.pool, NULL, &waiting.awaited), 0);
    struct support_threads *canceller = support_threads_start(1, cancel_pool, waiting.pool);
    until(atomic_load(&drop.inside) == 1);
    atomic_store(&waiting.go_on, true);
    until(pool_counts(waiting.pool).idle == 1 || atomic_load(&waiting.ran) > 0);
    atomic_store(&drop.let_go, true);
    support_threads_join(canceller);
    assert_int_equal(atomic_load(&waiting.ran), 0);
    assert_int_equal(atomic_load(&waiting.came_back), 1);
    assert_int_equal(waiting.code, ECANCELED);
    assert_int_equal(pool_counts(waiting.pool).dropped, 2);
    cconc_pool_free(waiting.pool);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(pool_of_4_workers_runs_a_million_tasks_through_a_queue_of_64),
        UNIT_TEST(pool_resized_from_1_to_16_to_2_under_load_loses_nothing),
        UNIT_TEST(pool_cancelled_with_a_full_queue_is_over_within_a_second),
        UNIT_TEST(pool_of_1000_workers_is_freed_within_a_second),
        UNIT_TEST(pool_made_and_freed_many_times_leaves_no_memory_and_no_thread),
        UNIT_TEST(pool_tree_of_depth_20_is_done_by_one_worker),
        UNIT_TEST(pool_without_hooks_runs_what_its_callers_run_all_the_same),
        UNIT_TEST(pool_without_bound_may_be_told_to_drop),
        UNIT_TEST(pool_is_not_at_rest_before_its_drops_are_over),
        UNIT_TEST(pool_submit_at_the_deepest_level_needs_a_thread_to_make_room),
        UNIT_TEST(pool_loop_at_the_deepest_level_asks_nobody_to_help),
        UNIT_TEST(pool_resized_gives_a_lent_place_back),
        UNIT_TEST(pool_that_ends_lends_a_place_to_nobody),
        UNIT_TEST(pool_cancelled_does_not_run_what_a_worker_waits_for),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
