/* process_exit.c - unit tests of processes that end, or become another program, amid blocked calls
 * SPDX-License-Identifier: MIT
 *
 * Risk      An exit that waits for a thread of the library, or for one that is blocked in it; one
 *           that crashes a thread that still runs; a descriptor that the next program inherits.
 * Method    Processes of their own with a thread blocked in each call that can block, and a
 *           function in each thread of the library. They leave by main, by exit in each kind of
 *           callback, and by exec; an alarm ends one that hangs.
 * Catches   proc-6; I16.
 */
#include "fork_help.h"

#include <dirent.h>
#include <stdlib.h>

#include "core/self.h"

#define ALARM_SECONDS 30

/* ---- blocked calls -------------------------------------------------------------------------- */

static int block_in_chan_recv(cconc_ctx *ctx)
{
    int elem;
    return cconc_chan_recv(world.empty, ctx, &elem);
}

static int block_in_chan_send(cconc_ctx *ctx)
{
    int elem = 0;
    return cconc_chan_send(world.full, ctx, &elem);
}

static int block_in_rendezvous(cconc_ctx *ctx)
{
    int elem = 0;
    return cconc_chan_send(world.meet, ctx, &elem);
}

static int block_in_select(cconc_ctx *ctx)
{
    size_t index;
    cconc_select_case cases[] = {cconc_select_recv(world.empty, NULL), cconc_select_done(ctx)};
    return cconc_select(cases, 2, 0, &index);
}

static int block_in_ctx_wait(cconc_ctx *ctx)
{
    return cconc_ctx_wait(world.ctx, ctx);
}

static int block_in_ctx_sleep(cconc_ctx *ctx)
{
    return cconc_ctx_sleep(ctx, 3600 * CCONC_SECOND);
}

static int block_in_waitgroup_wait(cconc_ctx *ctx)
{
    return cconc_waitgroup_wait(&world.wg, ctx);
}

static int block_in_sem_acquire(cconc_ctx *ctx)
{
    return cconc_sem_acquire(world.sem, ctx, 1);
}

static int block_in_limiter_wait(cconc_ctx *ctx)
{
    (void)ctx;
    return cconc_limiter_wait(world.limiter, NULL, 1);
}

static int block_in_limiter_keyed_wait(cconc_ctx *ctx)
{
    (void)ctx;
    return cconc_limiter_keyed_wait(world.keyed, NULL, "k", 1, 1);
}

static int block_in_timer_wait(cconc_ctx *ctx)
{
    return cconc_timer_wait(world.timer, ctx, NULL);
}

static int block_in_ticker_wait(cconc_ctx *ctx)
{
    return cconc_ticker_wait(world.ticker, ctx, NULL);
}

static int block_in_once_run(cconc_ctx *ctx)
{
    return cconc_once_run(&world.running, ctx, return_3, NULL);
}

static int block_in_flight_do(cconc_ctx *ctx)
{
    return cconc_flight_do(world.flights, ctx, "k", 1, return_3_flight, NULL, NULL, NULL);
}

static int block_in_group_go(cconc_ctx *ctx)
{
    return cconc_group_go(world.group, ctx, return_3, NULL);
}

static int block_in_group_wait(cconc_ctx *ctx)
{
    return cconc_group_wait(world.group, ctx, NULL);
}

static int block_in_pool_submit(cconc_ctx *ctx)
{
    return cconc_pool_submit(world.pool, ctx, return_3, NULL);
}

static int block_in_pool_wait(cconc_ctx *ctx)
{
    return cconc_pool_wait(world.pool, ctx);
}

static int block_in_future_wait(cconc_ctx *ctx)
{
    return cconc_future_wait(world.future, ctx);
}

static int block_in_shutdown(cconc_ctx *ctx)
{
    return cconc_shutdown(ctx);
}

static int (*const calls[])(cconc_ctx *ctx) = {
    block_in_chan_recv,     block_in_chan_send,          block_in_rendezvous,
    block_in_select,        block_in_ctx_wait,           block_in_ctx_sleep,
    block_in_waitgroup_wait, block_in_sem_acquire,       block_in_limiter_wait,
    block_in_limiter_keyed_wait, block_in_timer_wait,    block_in_ticker_wait,
    block_in_once_run,      block_in_flight_do,          block_in_group_go,
    block_in_group_wait,    block_in_pool_submit,        block_in_pool_wait,
    block_in_future_wait,   block_in_shutdown,
};

#define CALLS (sizeof(calls) / sizeof(calls[0]))

static void block(void *arg, size_t index)
{
    cconc_ctx_mem mem;
    (void)arg;
    (void)calls[index](cconc_ctx_until(&mem, NULL, cconc_clock_after(3600 * CCONC_SECOND)));
    support_abort(__FILE__, __LINE__, "a call came back");
}

/* A thread in each call, and those that run a function of ours. A parked one has a deadline. */
static void block_all(void)
{
    int64_t first_ns;
    int fd = -1;
    (void)alarm(ALARM_SECONDS);
    world_begin();
    OK(cconc_ctx_fd(world.ctx, &fd));
    (void)support_threads_start(CALLS, block, NULL);
    until(cconc__self_blocked(&first_ns) == CALLS);
}

/* ---- exit ----------------------------------------------------------------------------------- */

/* What other exit handlers do when the program has ended. */
static void use_at_exit(void)
{
    cconc_ctx *ctx = NULL;
    OK(cconc_ctx_with_timeout(NULL, CCONC_US, &ctx));
    OK(cconc_ctx_wait(ctx, NULL));
    cconc_ctx_free(ctx);
    SUPPORT_CHECK(cconc_ctx_err(world.ctx) == 0);
}

static int child_leaves_main(void)
{
    SUPPORT_CHECK(atexit(use_at_exit) == 0);
    block_all();
    return 7;
}

static void exit_func(void *arg)
{
    (void)arg;
    exit(8);
}

static int exit_task(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    exit_func(arg);
    return 0;
}

static int stay_blocked(void)
{
    OK(cconc_ctx_wait(world.deadline, NULL));
    return 1;
}

static int child_exits_in_a_pool(void)
{
    cconc_pool *pool = NULL;
    block_all();
    OK(cconc_pool_new(NULL, NULL, &pool));
    OK(cconc_pool_submit(pool, NULL, exit_task, NULL));
    return stay_blocked();
}

static int child_exits_in_a_group(void)
{
    cconc_group *group = NULL;
    block_all();
    OK(cconc_group_new(NULL, NULL, &group));
    OK(cconc_group_go(group, NULL, exit_task, NULL));
    return stay_blocked();
}

static int child_exits_in_a_timer(void)
{
    cconc_timer *timer = NULL;
    block_all();
    OK(cconc_timer_new_func(CCONC_US, exit_func, NULL, &timer));
    return stay_blocked();
}

static int child_exits_in_an_after_func(void)
{
    cconc_ctx *ctx = NULL;
    cconc_after *after = NULL;
    block_all();
    OK(cconc_ctx_with_cancel(NULL, &ctx));
    OK(cconc_ctx_after_func(ctx, exit_func, NULL, &after));
    cconc_ctx_cancel(ctx);
    return stay_blocked();
}

static int child_exits_in_a_once(void)
{
    cconc_once once = CCONC_ONCE_INIT;
    block_all();
    return cconc_once_run(&once, NULL, exit_task, NULL);
}

/* ---- exec ----------------------------------------------------------------------------------- */

static size_t count_descriptors(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    SUPPORT_CHECK(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        count += entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(dir);
    }
    closedir(dir);
    return count;
}

static int child_after_exec(void)
{
    char text[16];
    snprintf(text, sizeof(text), "%zu", count_descriptors());
    return strcmp(text, getenv("DESCRIPTORS")) == 0 ? 9 : 10;
}

static int child_turns_into_another_program(void)
{
    char text[16];
    size_t before = count_descriptors();
    snprintf(text, sizeof(text), "%zu", before);
    SUPPORT_CHECK(setenv("DESCRIPTORS", text, 1) == 0);
    block_all();
    SUPPORT_CHECK(count_descriptors() > before);
    (void)execl("/proc/self/exe", "process_exit", "--child", "after_exec", (char *)NULL);
    return 11;
}

/* ---- the tests ------------------------------------------------------------------------------ */

static void assert_ends(const char *name, int code)
{
    int status = support_run_child(name, NULL, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != code) {
        fprintf(stderr, "%s: wait status %#x\n", name, (unsigned)status);
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), code);
}

static void process_ends_by_main_though_a_thread_is_in_every_blocking_call(void **state)
{
    (void)state;
    assert_ends("leaves_main", 7);
}

static void process_ends_by_exit_in_each_kind_of_callback(void **state)
{
    (void)state;
    assert_ends("exits_in_a_pool", 8);
    assert_ends("exits_in_a_group", 8);
    assert_ends("exits_in_a_timer", 8);
    assert_ends("exits_in_an_after_func", 8);
    assert_ends("exits_in_a_once", 8);
}

static void process_turns_into_another_program_that_inherits_no_descriptor(void **state)
{
    (void)state;
    assert_ends("turns_into_another_program", 9);
}

int main(int argc, char **argv)
{
    static const struct support_child children[] = {
        {"leaves_main", child_leaves_main},
        {"exits_in_a_pool", child_exits_in_a_pool},
        {"exits_in_a_group", child_exits_in_a_group},
        {"exits_in_a_timer", child_exits_in_a_timer},
        {"exits_in_an_after_func", child_exits_in_an_after_func},
        {"exits_in_a_once", child_exits_in_a_once},
        {"turns_into_another_program", child_turns_into_another_program},
        {"after_exec", child_after_exec},
        {NULL, NULL},
    };
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(process_ends_by_main_though_a_thread_is_in_every_blocking_call),
        UNIT_TEST(process_ends_by_exit_in_each_kind_of_callback),
        UNIT_TEST(process_turns_into_another_program_that_inherits_no_descriptor),
    };
    support_start(argc, argv, children);
    return UNIT_RUN(tests);
}
