/* process_fork.c - unit tests of the library in a forked child that has not said that it goes on
 * SPDX-License-Identifier: MIT
 *
 * Risk      A child that waits for ever for a thread that only its parent has; one that is told
 *           that something was accepted which then never runs; a parent that its child disturbs; a
 *           task that two processes go on with.
 * Method    A world of objects in every state in which a call would block, with threads blocked in
 *           them; children call everything. One that hangs is ended by an alarm, and seen.
 * Catches   proc-1, all-1.
 */
#include "fork_help.h"

/* ---- before fork_child ---------------------------------------------------------------------- */

#define LOST(call) SUPPORT_CHECK((call) == ENOTRECOVERABLE)

static int waits_on_channels(void *arg)
{
    cconc_ctx_mem mem;
    cconc_ctx *soon = cconc_ctx_until(&mem, NULL, cconc_clock_after(3600 * CCONC_SECOND));
    int elem = 7;
    size_t index = 9;
    size_t moved = 9;
    (void)arg;
    LOST(cconc_chan_recv(world.empty, NULL, &elem));
    LOST(cconc_chan_recv(world.empty, soon, &elem));
    LOST(cconc_chan_recv(NULL, world.ctx, &elem));
    LOST(cconc_chan_recv_n(world.empty, NULL, &elem, 1, &moved));
    SUPPORT_CHECK(moved == 0 && elem == 7);
    LOST(cconc_chan_send(world.full, world.ctx, &elem));
    LOST(cconc_chan_send(world.meet, NULL, &elem));
    LOST(cconc_chan_recv(world.meet, NULL, &elem));
    cconc_select_case cases[] = {cconc_select_recv(world.empty, &elem),
                                 cconc_select_send(world.meet, &elem),
                                 cconc_select_done(world.ctx),
                                 cconc_select_timer(world.timer, NULL),
                                 cconc_select_until(cconc_clock_after(3600 * CCONC_SECOND))};
    LOST(cconc_select(cases, 5, 0, &index));
    LOST(cconc_select(cases, 5, CCONC_SELECT_ORDERED, &index));
    SUPPORT_CHECK(elem == 7 && index == 9);
    return 11;
}

static int waits_on_the_rest(void *arg)
{
    int64_t due_ns = 5;
    (void)arg;
    LOST(cconc_ctx_wait(world.ctx, NULL));
    LOST(cconc_ctx_wait(world.deadline, world.ctx));
    LOST(cconc_ctx_sleep(NULL, 3600 * CCONC_SECOND));
    LOST(cconc_waitgroup_wait(&world.wg, NULL));
    LOST(cconc_sem_acquire(world.sem, NULL, 1));
    LOST(cconc_limiter_wait(world.limiter, NULL, 1));
    LOST(cconc_limiter_keyed_wait(world.keyed, NULL, "k", 1, 1));
    LOST(cconc_timer_wait(world.timer, NULL, &due_ns));
    LOST(cconc_ticker_wait(world.ticker, NULL, &due_ns));
    LOST(cconc_once_run(&world.running, NULL, return_3, NULL));
    LOST(cconc_flight_do(world.flights, NULL, "k", 1, return_3_flight, NULL, NULL, NULL));
    LOST(cconc_flight_wait(world.call, NULL, NULL));
    LOST(cconc_group_wait(world.group, NULL, NULL));
    LOST(cconc_group_stop(world.group, NULL));
    LOST(cconc_group_go(world.group, NULL, return_3, NULL));
    LOST(cconc_pool_wait(world.pool, NULL));
    LOST(cconc_future_wait(world.future, NULL));
    LOST(cconc_pool_shutdown(world.pool, NULL, CCONC_POOL_DRAIN));
    LOST(cconc_shutdown(NULL));
    LOST(cconc_clock_advance(1));
    SUPPORT_CHECK(due_ns == 5);
    SUPPORT_CHECK(!cconc_timer_stop_wait(world.func)); /* it runs elsewhere */
    return 12;
}

static int calls_that_need_threads(void *arg)
{
    cconc_pool *pool = NULL;
    cconc_ctx *ctx = NULL;
    cconc_timer *timer = NULL;
    cconc_ticker *ticker = NULL;
    cconc_after *after = NULL;
    cconc_flight_call *call = NULL;
    cconc_group *group = NULL;
    cconc_waitgroup wg = {0};
    (void)arg;
    LOST(cconc_pool_new(NULL, NULL, &pool));
    LOST(cconc_pool_submit(world.pool, NULL, return_3, NULL));
    LOST(cconc_pool_try_submit(world.pool, return_3, NULL));
    LOST(cconc_pool_resize(world.pool, 2));
    LOST(cconc_ctx_with_timeout(NULL, CCONC_SECOND, &ctx));
    LOST(cconc_ctx_with_signals(NULL, NULL, 0, 0, &ctx));
    LOST(cconc_ctx_after_func(world.ctx, do_nothing, NULL, &after));
    LOST(cconc_timer_new(CCONC_SECOND, &timer));
    LOST(cconc_timer_new_func(CCONC_SECOND, do_nothing, NULL, &timer));
    LOST(cconc_ticker_new(CCONC_SECOND, NULL, &ticker));
    LOST(cconc_waitgroup_go(&wg, do_nothing, NULL));
    SUPPORT_CHECK(cconc_waitgroup_count(&wg) == 0);
    OK(cconc_group_new(NULL, NULL, &group));
    LOST(cconc_group_go(group, NULL, return_3, NULL));
    OK(cconc_group_wait(group, NULL, NULL));
    cconc_group_free(group);
    LOST(cconc_flight_do(world.hurried, NULL, "new", 3, return_3_flight, NULL, NULL, NULL));
    OK(cconc_flight_do_async(world.flights, NULL, "new", 3, return_3_flight, NULL, NULL, &call));
    LOST(cconc_flight_wait(call, NULL, NULL));
    cconc_flight_leave(call);
    SUPPORT_CHECK(!pool && !ctx && !timer && !ticker && !after);
    return 13;
}

static int calls_that_neither_block_nor_need_threads(void *arg)
{
    int elem = 0;
    void *object = NULL;
    cconc_chan *ch = NULL;
    cconc_sem *sem = NULL;
    (void)arg;
    SUPPORT_CHECK(cconc_ctx_err(world.ctx) == 0 && cconc_ctx_err(world.deadline) == 0);
    SUPPORT_CHECK(cconc_once_run(&world.done, NULL, return_3, NULL) == 3);
    cconc_counter_add(world.counter, 4);
    SUPPORT_CHECK(cconc_counter_get(world.counter) == 4);
    SUPPORT_CHECK(cconc_limiter_allow(world.limiter, 1) == EAGAIN);
    SUPPORT_CHECK(cconc_chan_try_recv(world.empty, &elem) == EAGAIN);
    OK(cconc_chan_recv(world.full, NULL, &elem)); /* ready: it need not wait */
    OK(cconc_objpool_get(world.objpool, &object));
    cconc_objpool_put(world.objpool, object);
    cconc_ctx_cancel(world.ctx);
    SUPPORT_CHECK(cconc_ctx_err(world.ctx) == ECANCELED);
    SUPPORT_CHECK(cconc_ctx_wait(world.ctx, NULL) == 0);
    SUPPORT_CHECK(cconc_chan_recv(world.empty, world.ctx, &elem) == ECANCELED);
    OK(cconc_chan_new(sizeof(elem), 1, &ch));
    OK(cconc_chan_send(ch, NULL, &elem));
    cconc_chan_free(ch);
    OK(cconc_sem_new(2, &sem));
    OK(cconc_sem_acquire(sem, NULL, 2));
    cconc_sem_release(sem, 2);
    cconc_sem_free(sem);
    return 14;
}

static void process_fork_child_gets_a_code_from_every_wait_that_would_block(void **state)
{
    (void)state;
    world_begin();
    assert_child(waits_on_channels, 11);
    assert_child(waits_on_the_rest, 12);
    world_end();
}

static void process_fork_child_is_told_that_there_are_no_threads(void **state)
{
    (void)state;
    world_begin();
    assert_child(calls_that_need_threads, 13);
    world_end();
}

static void process_fork_child_may_call_what_neither_blocks_nor_needs_threads(void **state)
{
    (void)state;
    world_begin();
    assert_child(calls_that_neither_block_nor_need_threads, 14);
    world_end();
}

/* ---- inside a task -------------------------------------------------------------------------- */

static atomic_int forked_status;

static int fork_and_return(cconc_ctx *ctx, void *arg)
{
    int status;
    sigset_t alarms;
    pid_t pid = fork();
    (void)ctx;
    if (pid == 0) {
        (void)sigemptyset(&alarms);
        (void)sigaddset(&alarms, SIGALRM);
        (void)pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
        (void)alarm(20);
        return arg ? cconc_fork_child() : 0; /* both go on from here */
    }
    SUPPORT_CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    atomic_store(&forked_status, status);
    return 0;
}

static int child_task_returns(void)
{
    cconc_group *group = NULL;
    int adopts;
    OK(cconc_group_new(NULL, NULL, &group));
    for (int i = 0; i < 2; i++) {
        OK(cconc_group_go(group, NULL, fork_and_return, i ? &adopts : NULL));
        OK(cconc_group_wait(group, NULL, NULL));
        SUPPORT_CHECK(WIFSIGNALED(atomic_load(&forked_status)));
        SUPPORT_CHECK(WTERMSIG(atomic_load(&forked_status)) == SIGABRT);
    }
    cconc_group_free(group);
    return 42;
}

static void fork_and_return_on_time(void *arg)
{
    (void)fork_and_return(NULL, arg);
}

/* The same on the timer service's own thread, where no other can be had. */
static int child_timer_returns(void)
{
    cconc_timer *timer = NULL;
    atomic_store(&forked_status, -1);
    OK(cconc_timer_new_func(CCONC_NEVER, fork_and_return_on_time, &timer, &timer));
    support_fail_thread(1, true);
    (void)cconc_timer_reset(timer, 0);
    until(atomic_load(&forked_status) != -1);
    SUPPORT_CHECK(support_fail_end() > 0);
    SUPPORT_CHECK(WIFSIGNALED(atomic_load(&forked_status)));
    SUPPORT_CHECK(WTERMSIG(atomic_load(&forked_status)) == SIGABRT);
    cconc_timer_free(timer);
    return 43;
}

/* Run a part in which so many functions return that should not. */
static void assert_told(const char *part, int code, size_t times)
{
    static const char *const line =
        "cconc: function that a library thread called returned in a forked child\n";
    char told[400];
    int status = support_run_child(part, told, sizeof(told));
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), code);
    assert_int_equal(strlen(told), times * strlen(line));
    for (size_t i = 0; i < times; i++) {
        assert_memory_equal(told + i * strlen(line), line, strlen(line));
    }
}

static void process_fork_task_that_returns_in_the_child_is_misuse(void **state)
{
    (void)state;
    assert_told("task_returns", 42, 2);
    assert_told("timer_returns", 43, 1);
}

int main(int argc, char **argv)
{
    static const struct support_child children[] = {{"task_returns", child_task_returns},
                                                    {"timer_returns", child_timer_returns},
                                                    {NULL, NULL}};
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(process_fork_child_gets_a_code_from_every_wait_that_would_block),
        UNIT_TEST(process_fork_child_is_told_that_there_are_no_threads),
        UNIT_TEST(process_fork_child_may_call_what_neither_blocks_nor_needs_threads),
        UNIT_TEST(process_fork_task_that_returns_in_the_child_is_misuse),
    };
    support_start(argc, argv, children);
    return UNIT_RUN(tests);
}
