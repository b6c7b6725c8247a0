/* process_fork_child.c - unit tests of a forked child that goes on with the library
 * SPDX-License-Identifier: MIT
 *
 * Risk      A service that is taken to run because the parent's did; what is left of the parent's
 *           objects in the way of new ones; signals that nobody hears; a parent that its child
 *           disturbs.
 * Method    Children of a process in which everything is in use say that they go on, then use
 *           everything anew, and so do their children. One that hangs is ended by an alarm.
 * Catches   proc-1; invariant I1 of task/fork_child.c.
 */
#include "fork_help.h"

#include "core/local.h"
#include "core/lot.h"
#include "core/self.h"

/* ---- after fork_child ----------------------------------------------------------------------- */

static int sum_task(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

static void sum_func(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void use_tasks(void)
{
    cconc_pool_opts opts = {.workers = 2};
    cconc_group *group = NULL;
    cconc_pool *pool = NULL;
    cconc_flight *flights = NULL;
    atomic_int sum = 0;
    OK(cconc_group_new(NULL, NULL, &group));
    OK(cconc_pool_new(NULL, &opts, &pool));
    for (int i = 0; i < 10; i++) {
        OK(cconc_group_go(group, NULL, sum_task, &sum));
        OK(cconc_pool_submit(pool, NULL, sum_task, &sum));
    }
    OK(cconc_group_wait(group, NULL, NULL));
    OK(cconc_pool_wait(pool, NULL));
    SUPPORT_CHECK(atomic_load(&sum) == 20);
    OK(cconc_flight_new(NULL, &flights));
    SUPPORT_CHECK(cconc_flight_do(flights, NULL, "k", 1, return_3_flight, NULL, NULL, NULL) == 3);
    cconc_flight_free(flights);
    cconc_pool_free(pool);
    cconc_group_free(group);
}

static void use_time(void)
{
    cconc_ctx *ctx = NULL;
    cconc_after *after = NULL;
    cconc_timer *waited = NULL;
    cconc_timer *func = NULL;
    cconc_ticker *ticker = NULL;
    int64_t due_ns = 0;
    atomic_int sum = 0;
    OK(cconc_ctx_with_timeout(NULL, CCONC_MS, &ctx));
    OK(cconc_ctx_after_func(ctx, sum_func, &sum, &after));
    OK(cconc_timer_new(CCONC_MS, &waited));
    OK(cconc_timer_new_func(CCONC_MS, sum_func, &sum, &func));
    OK(cconc_ticker_new(CCONC_MS, NULL, &ticker));
    OK(cconc_timer_wait(waited, NULL, &due_ns));
    OK(cconc_ticker_wait(ticker, NULL, &due_ns));
    OK(cconc_ctx_wait(ctx, NULL));
    until(atomic_load(&sum) == 2);
    OK(cconc_ctx_sleep(NULL, 1));
    cconc_ticker_free(ticker);
    cconc_timer_free(func);
    cconc_timer_free(waited);
    cconc_after_free(after);
    cconc_ctx_free(ctx);
}

static void use_signals(void)
{
    int signals[] = {SIGUSR1};
    cconc_ctx *ctx = NULL;
    OK(cconc_ctx_with_signals(NULL, signals, 1, 0, &ctx));
    OK(kill(getpid(), SIGUSR1)); /* the calling thread may block it, as library threads do */
    OK(cconc_ctx_wait(ctx, NULL));
    SUPPORT_CHECK(cconc_ctx_signal(ctx) == SIGUSR1);
    cconc_ctx_free(ctx);
}

static void send_one(void *arg, size_t index)
{
    int elem = 5;
    (void)index;
    OK(cconc_chan_send(arg, NULL, &elem));
}

static void use_waits(void)
{
    cconc_chan *ch = NULL;
    struct support_threads *sender;
    int elem = 0;
    OK(cconc_chan_new(sizeof(elem), 0, &ch));
    sender = support_threads_start(1, send_one, ch);
    OK(cconc_chan_recv(ch, NULL, &elem));
    SUPPORT_CHECK(elem == 5);
    support_threads_join(sender);
    cconc_chan_free(ch);
}

/* All that a program may want, and then no thread of the library is left. */
static void use_everything(void)
{
    cconc_executor_stats stats;
    use_tasks();
    use_time();
    use_signals();
    use_waits();
    OK(cconc_shutdown(NULL));
    cconc_executor_read(&stats);
    SUPPORT_CHECK(stats.threads == 0);
}

static int go_on(void *arg)
{
    (void)arg;
    OK(cconc_fork_child());
    use_everything();
    OK(cconc_fork_child()); /* nothing, the second time */
    use_everything();
    return 21;
}

static int go_on_and_fork(void *arg)
{
    int status;
    OK(cconc_fork_child());
    use_everything();
    status = support_run_forked(go_on, arg);
    SUPPORT_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 21);
    use_everything();
    return 22;
}

/* What is left alone by the rules does no harm either where it is let go of all the same. */
static int let_go_of_the_old(void *arg)
{
    cconc_timer *waited = NULL;
    (void)arg;
    OK(cconc_fork_child());
    OK(cconc_timer_new(3600 * CCONC_SECOND, &waited));
    cconc_timer_free(world.timer);
    cconc_timer_free(world.func); /* it runs elsewhere: nothing to wait for */
    cconc_ticker_free(world.ticker);
    SUPPORT_CHECK(cconc_after_stop(world.after));
    cconc_after_free(world.after);
    cconc_ctx_free(world.deadline);
    cconc_ctx_free(world.signals);
    cconc_ctx_free(world.ctx);
    cconc_chan_free(world.full);
    SUPPORT_CHECK(cconc_timer_stop(waited));
    cconc_timer_free(waited);
    use_everything();
    return 23;
}

static void process_fork_child_goes_on_with_new_objects(void **state)
{
    (void)state;
    OK(cconc_fork_child()); /* not a child: nothing */
    world_begin();
    assert_child(go_on, 21);
    assert_child(go_on_and_fork, 22);
    world_end();
}

static void process_fork_child_that_frees_what_was_the_parents_harms_nothing_new(void **state)
{
    (void)state;
    world_begin();
    assert_child(let_go_of_the_old, 23);
    world_end();
}

static int advance(void *arg)
{
    int64_t now_ns = cconc_clock_now();
    cconc_ctx *ctx = NULL;
    (void)arg;
    OK(cconc_fork_child());
    SUPPORT_CHECK(cconc_clock_now() == now_ns);
    OK(cconc_ctx_with_timeout(NULL, CCONC_SECOND, &ctx));
    OK(cconc_clock_advance(CCONC_SECOND));
    SUPPORT_CHECK(cconc_ctx_err(ctx) == ETIMEDOUT);
    cconc_ctx_free(ctx);
    OK(cconc_clock_real());
    use_everything();
    return 24;
}

static void process_fork_child_has_the_virtual_clock_where_it_stood(void **state)
{
    (void)state;
    OK(cconc_clock_virtual());
    OK(cconc_clock_advance(CCONC_SECOND));
    assert_child(advance, 24);
    OK(cconc_clock_real());
}

/* ---- in the middle of something ------------------------------------------------------------- */

static cconc_waitgroup held_wg;
static atomic_bool holds;
static atomic_bool may_leave;

static void hold_locks(void *arg, size_t index)
{
    lot_bucket *bucket;
    (void)arg;
    (void)index;
    cconc__local_lock();
    bucket = cconc__lot_take(&held_wg);
    atomic_store(&holds, true);
    until(atomic_load(&may_leave));
    cconc__lot_leave(bucket);
    cconc__local_unlock();
}

static int use_what_was_locked(void *arg)
{
    cconc_objpool_opts opts = {.size = 8};
    cconc_objpool *objpool = NULL;
    void *object = NULL;
    (void)arg;
    OK(cconc_fork_child());
    OK(cconc_waitgroup_go(&held_wg, do_nothing, NULL));
    OK(cconc_waitgroup_wait(&held_wg, NULL));
    OK(cconc_objpool_new(&opts, &objpool));
    OK(cconc_objpool_get(objpool, &object));
    cconc_objpool_put(objpool, object);
    cconc_objpool_free(objpool);
    use_everything();
    return 25;
}

static void process_fork_child_goes_on_whatever_was_locked_in_the_parent(void **state)
{
    struct support_threads *holder;
    (void)state;
    atomic_store(&holds, false);
    atomic_store(&may_leave, false);
    holder = support_threads_start(1, hold_locks, NULL);
    until(atomic_load(&holds));
    assert_child(use_what_was_locked, 25);
    atomic_store(&may_leave, true);
    support_threads_join(holder);
}

static void hold_time(void *arg)
{
    (void)arg;
    atomic_store(&holds, true);
    until(atomic_load(&may_leave));
}

static void advance_thread(void *arg, size_t index)
{
    (void)arg;
    (void)index;
    OK(cconc_clock_advance(CCONC_SECOND));
}

static void process_fork_child_moves_the_clock_that_the_parent_was_moving(void **state)
{
    struct support_threads *mover;
    cconc_timer *waited = NULL;
    (void)state;
    atomic_store(&holds, false);
    atomic_store(&may_leave, false);
    OK(cconc_clock_virtual());
    OK(cconc_timer_new_func(CCONC_MS, hold_time, NULL, &waited));
    mover = support_threads_start(1, advance_thread, NULL);
    until(atomic_load(&holds));
    assert_child(advance, 24);
    atomic_store(&may_leave, true);
    support_threads_join(mover);
    cconc_timer_free(waited);
    OK(cconc_clock_real());
}

#define MEETING 6

static int meet_task(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    atomic_fetch_add((atomic_int *)arg, 1);
    until(atomic_load((atomic_int *)arg) == MEETING);
    return 0;
}

/* More tasks than CPUs that all have to run at once: threads are let in by the watch. */
static int meet(void *arg)
{
    cconc_group *group = NULL;
    atomic_int present = 0;
    (void)arg;
    OK(cconc_fork_child());
    OK(cconc_group_new(NULL, NULL, &group));
    for (int i = 0; i < MEETING; i++) {
        OK(cconc_group_go(group, NULL, meet_task, &present));
    }
    OK(cconc_group_wait(group, NULL, NULL));
    cconc_group_free(group);
    use_everything();
    return 26;
}

static uint32_t executor_threads(void)
{
    cconc_executor_stats stats;
    cconc_executor_read(&stats);
    return stats.threads;
}

static void process_fork_child_has_an_executor_of_its_own(void **state)
{
    cconc_group *group = NULL;
    (void)state;
    memset(&world, 0, sizeof(world));
    OK(cconc_group_new(NULL, NULL, &group));
    for (int i = 0; i < 50; i++) {
        OK(cconc_group_go(group, NULL, stay_task, NULL));
    }
    /* let in by the parent's watch, which is armed as long as something is queued */
    until(executor_threads() > 2 + (uint32_t)sysconf(_SC_NPROCESSORS_ONLN));
    assert_child(meet, 26);
    atomic_store(&world.let_go, true);
    OK(cconc_group_wait(group, NULL, NULL));
    cconc_group_free(group);
}

/* ---- signals -------------------------------------------------------------------------------- */

static volatile sig_atomic_t heard;

static void hear(int number)
{
    heard = number;
}

static int raise_usr1(void *arg)
{
    (void)arg;
    OK(raise(SIGUSR1));
    OK(raise(SIGUSR1));
    return heard == SIGUSR1 ? 31 : 32;
}

static int raise_after_fork_child(void *arg)
{
    OK(cconc_fork_child());
    return raise_usr1(arg);
}

static void process_fork_child_meets_the_dispositions_that_were_found(void **state)
{
    struct sigaction own = {.sa_handler = hear};
    struct sigaction before;
    int signals[] = {SIGUSR1};
    cconc_ctx *ctx = NULL;
    (void)state;
    OK(cconc_ctx_with_signals(NULL, signals, 1, 0, &ctx)); /* found: it ends the process */
    int (*const ways[])(void *) = {raise_usr1, raise_after_fork_child};
    for (int i = 0; i < 2; i++) {
        int status = support_run_forked(ways[i], NULL);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
    }
    cconc_ctx_free(ctx);
    OK(sigaction(SIGUSR1, &own, &before));
    OK(cconc_ctx_with_signals(NULL, signals, 1, 0, &ctx));
    assert_child(raise_usr1, 31);
    assert_child(raise_after_fork_child, 31);
    assert_int_equal(cconc_ctx_err(ctx), 0); /* the parent has heard nothing */
    assert_int_equal(heard, 0);
    cconc_ctx_free(ctx);
    OK(sigaction(SIGUSR1, &before, NULL));
}

/* ---- inside a task -------------------------------------------------------------------------- */

static atomic_int forked_status;

static int nothing(void *arg)
{
    (void)arg;
    OK(cconc_fork_child());
    use_everything();
    return 41;
}

static int fork_and_leave(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    atomic_store(&forked_status, support_run_forked(nothing, NULL));
    return 0;
}

static void process_fork_child_of_a_task_goes_on_and_leaves(void **state)
{
    cconc_group *group = NULL;
    (void)state;
    OK(cconc_group_new(NULL, NULL, &group));
    OK(cconc_group_go(group, NULL, fork_and_leave, NULL));
    OK(cconc_group_wait(group, NULL, NULL));
    assert_true(WIFEXITED(atomic_load(&forked_status)));
    assert_int_equal(WEXITSTATUS(atomic_load(&forked_status)), 41);
    cconc_group_free(group);
}

static void process_fork_child_of_a_worker_goes_on_and_leaves(void **state)
{
    cconc_pool_opts opts = {.workers = 1};
    cconc_pool *pool = NULL;
    (void)state;
    OK(cconc_pool_new(NULL, &opts, &pool));
    OK(cconc_pool_submit(pool, NULL, fork_and_leave, NULL));
    OK(cconc_pool_wait(pool, NULL));
    assert_true(WIFEXITED(atomic_load(&forked_status)));
    assert_int_equal(WEXITSTATUS(atomic_load(&forked_status)), 41);
    cconc_pool_free(pool);
}

static void fork_in_thread(void *arg, size_t index)
{
    (void)arg;
    (void)index;
    SUPPORT_CHECK(self_peek() == NULL);
    atomic_store(&forked_status, support_run_forked(nothing, NULL));
}

static void process_fork_child_of_a_thread_new_to_the_library_goes_on(void **state)
{
    (void)state;
    support_threads_join(support_threads_start(1, fork_in_thread, NULL));
    assert_true(WIFEXITED(atomic_load(&forked_status)));
    assert_int_equal(WEXITSTATUS(atomic_load(&forked_status)), 41);
}

/* ---- without objects of the system ---------------------------------------------------------- */

#define REFUSED 51
#define DID_WITHOUT 52
#define HAD_ALL 53

/* It may try again; what is not its own it can do without. */
static int go_on_with_few_objects(void *arg)
{
    uint64_t refused;
    int err;
    support_fail_object(*(const uint64_t *)arg, true);
    err = cconc_fork_child();
    refused = support_fail_end();
    SUPPORT_CHECK(err == 0 || err == ENOMEM);
    if (err) {
        SUPPORT_CHECK(refused > 0);
        OK(cconc_fork_child());
    }
    use_tasks();
    use_waits();
    if (err) {
        return REFUSED;
    }
    return refused > 0 ? DID_WITHOUT : HAD_ALL;
}

static void process_fork_child_that_is_refused_a_mutex_may_try_again(void **state)
{
    int counts[3] = {0};
    (void)state;
    use_tasks(); /* so that there are records of other threads */
    SUPPORT_CHECK(self_get());
    for (uint64_t n = 1; counts[HAD_ALL - REFUSED] == 0; n++) {
        int status = support_run_forked(go_on_with_few_objects, &n);
        SUPPORT_CHECK(WIFEXITED(status));
        assert_in_range(WEXITSTATUS(status), REFUSED, HAD_ALL);
        counts[WEXITSTATUS(status) - REFUSED]++;
    }
    assert_true(counts[0] > 0);
    assert_true(counts[DID_WITHOUT - REFUSED] > 0);
}

static int timer_without_a_mutex(void *arg)
{
    cconc_timer *refused = NULL;
    (void)arg;
    OK(cconc_fork_child());
    support_fail_object(1, false);
    SUPPORT_CHECK(cconc_timer_new(CCONC_MS, &refused) == ENOMEM);
    SUPPORT_CHECK(support_fail_end() > 0);
    use_time();
    return 41;
}

static void process_fork_child_whose_timers_are_refused_a_mutex_may_try_again(void **state)
{
    (void)state;
    use_time(); /* so that there are timers of the parent */
    int status = support_run_forked(timer_without_a_mutex, NULL);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 41);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(process_fork_child_goes_on_with_new_objects),
        UNIT_TEST(process_fork_child_that_frees_what_was_the_parents_harms_nothing_new),
        UNIT_TEST(process_fork_child_has_the_virtual_clock_where_it_stood),
        UNIT_TEST(process_fork_child_goes_on_whatever_was_locked_in_the_parent),
        UNIT_TEST(process_fork_child_moves_the_clock_that_the_parent_was_moving),
        UNIT_TEST(process_fork_child_has_an_executor_of_its_own),
        UNIT_TEST(process_fork_child_meets_the_dispositions_that_were_found),
        UNIT_TEST(process_fork_child_of_a_task_goes_on_and_leaves),
        UNIT_TEST(process_fork_child_of_a_worker_goes_on_and_leaves),
        UNIT_TEST(process_fork_child_of_a_thread_new_to_the_library_goes_on),
        UNIT_TEST(process_fork_child_that_is_refused_a_mutex_may_try_again),
        UNIT_TEST(process_fork_child_whose_timers_are_refused_a_mutex_may_try_again),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
