/* fork_help.h - a world of objects of which a forked child gets a copy
 * SPDX-License-Identifier: MIT
 *
 * Every object is in a state in which a call would block, or has a function that runs.
 */
#ifndef CCONC_TESTS_FORK_HELP_H
#define CCONC_TESTS_FORK_HELP_H

#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cconc/cconc.h>

static struct world {
    cconc_ctx          *ctx;      /* live */
    cconc_ctx          *deadline; /* in an hour */
    cconc_ctx          *signals;
    cconc_after        *after;
    cconc_chan         *empty;
    cconc_chan         *full;
    cconc_chan         *meet;
    cconc_group        *group;   /* with a task that runs, and limit 1 */
    cconc_pool         *pool;    /* one worker that runs, the queue is full */
    cconc_future       *future;  /* of the running task */
    cconc_flight       *flights; /* with a flight that runs */
    cconc_flight       *hurried; /* whose flights have a time limit */
    cconc_flight_call  *call;    /* of it */
    cconc_sem          *sem;     /* of 1 permit, taken */
    cconc_limiter      *limiter; /* spent */
    cconc_limiter_keyed *keyed;  /* spent for "k" */
    cconc_timer        *timer;   /* in an hour */
    cconc_timer        *func;    /* whose function runs */
    cconc_ticker       *ticker;
    cconc_objpool      *objpool;
    cconc_counter      *counter;
    cconc_once          done;
    cconc_once          running;
    cconc_waitgroup     wg; /* one outstanding */
    struct support_threads *once_runner;
    atomic_int          inside; /* functions that run */
    atomic_bool         let_go;
} world;

#define WORLD_INSIDE 5

static void stay(void)
{
    atomic_fetch_add(&world.inside, 1);
    until(atomic_load(&world.let_go));
}

static int stay_task(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    stay();
    return 0;
}

static int stay_flight(cconc_ctx *ctx, void *arg, void **value)
{
    *value = NULL;
    return stay_task(ctx, arg);
}

static void stay_func(void *arg)
{
    (void)arg;
    stay();
}

static int return_3(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return 3;
}

static int return_3_flight(cconc_ctx *ctx, void *arg, void **value)
{
    *value = NULL;
    return return_3(ctx, arg);
}

static void do_nothing(void *arg)
{
    (void)arg;
}

static void run_once(void *arg, size_t index)
{
    (void)arg;
    (void)index;
    SUPPORT_CHECK(cconc_once_run(&world.running, NULL, stay_task, NULL) == 0);
}

#define OK(call) SUPPORT_CHECK((call) == 0)

static void world_begin_pool(void)
{
    cconc_pool_opts opts = {.workers = 1, .queue_len = 1};
    OK(cconc_pool_new(NULL, &opts, &world.pool));
    OK(cconc_pool_submit_future(world.pool, NULL, stay_task, NULL, &world.future));
    until(atomic_load(&world.inside) == 1);
    OK(cconc_pool_submit(world.pool, NULL, return_3, NULL));
}

static void world_begin_group(void)
{
    OK(cconc_group_new(NULL, NULL, &world.group));
    cconc_group_set_limit(world.group, 1);
    OK(cconc_group_go(world.group, NULL, stay_task, NULL));
}

static void world_begin(void)
{
    int signals[] = {SIGUSR1};
    int elem = 1;
    memset(&world, 0, sizeof(world));
    OK(cconc_ctx_with_cancel(NULL, &world.ctx));
    OK(cconc_ctx_with_timeout(NULL, 3600 * CCONC_SECOND, &world.deadline));
    OK(cconc_ctx_with_signals(NULL, signals, 1, 0, &world.signals));
    OK(cconc_ctx_after_func(world.ctx, do_nothing, NULL, &world.after));
    OK(cconc_chan_new(sizeof(elem), 1, &world.empty));
    OK(cconc_chan_new(sizeof(elem), 1, &world.full));
    OK(cconc_chan_send(world.full, NULL, &elem));
    OK(cconc_chan_new(sizeof(elem), 0, &world.meet));
    world_begin_pool();
    world_begin_group();
    OK(cconc_flight_new(NULL, &world.flights));
    OK(cconc_flight_new(&(cconc_flight_opts){.timeout_ns = 3600 * CCONC_SECOND}, &world.hurried));
    OK(cconc_flight_do_async(world.flights, NULL, "k", 1, stay_flight, NULL, NULL, &world.call));
    OK(cconc_sem_new(1, &world.sem));
    OK(cconc_sem_acquire(world.sem, NULL, 1));
    OK(cconc_limiter_new(0.001, 1, &world.limiter));
    OK(cconc_limiter_allow(world.limiter, 1));
    OK(cconc_limiter_keyed_new(0.001, 1, 10, &world.keyed));
    OK(cconc_limiter_keyed_allow(world.keyed, "k", 1, 1));
    OK(cconc_timer_new(3600 * CCONC_SECOND, &world.timer));
    OK(cconc_timer_new_func(0, stay_func, NULL, &world.func));
    OK(cconc_ticker_new(3600 * CCONC_SECOND, NULL, &world.ticker));
    OK(cconc_objpool_new(&(cconc_objpool_opts){.size = 64}, &world.objpool));
    OK(cconc_counter_new(NULL, &world.counter));
    SUPPORT_CHECK(cconc_once_run(&world.done, NULL, return_3, NULL) == 3);
    world.once_runner = support_threads_start(1, run_once, NULL);
    cconc_waitgroup_add(&world.wg, 1);
    until(atomic_load(&world.inside) == WORLD_INSIDE);
}

/* All of it goes on and ends as if no child had been. */
static inline void world_end(void)
{
    atomic_store(&world.let_go, true);
    support_threads_join(world.once_runner);
    cconc_waitgroup_done(&world.wg);
    OK(cconc_waitgroup_wait(&world.wg, NULL));
    OK(cconc_future_wait(world.future, NULL));
    cconc_future_free(world.future);
    OK(cconc_pool_shutdown(world.pool, NULL, CCONC_POOL_DRAIN));
    cconc_pool_free(world.pool);
    OK(cconc_group_wait(world.group, NULL, NULL));
    cconc_group_free(world.group);
    OK(cconc_flight_wait(world.call, NULL, NULL));
    cconc_flight_leave(world.call);
    cconc_flight_free(world.hurried);
    cconc_flight_free(world.flights);
    cconc_timer_free(world.func);
    SUPPORT_CHECK(cconc_timer_stop(world.timer));
    cconc_timer_free(world.timer);
    SUPPORT_CHECK(cconc_ticker_stop(world.ticker));
    cconc_ticker_free(world.ticker);
    SUPPORT_CHECK(cconc_after_stop(world.after));
    cconc_after_free(world.after);
    SUPPORT_CHECK(cconc_ctx_err(world.ctx) == 0 && cconc_ctx_err(world.deadline) == 0);
    OK(raise(SIGUSR1));
    SUPPORT_CHECK(cconc_ctx_wait(world.signals, NULL) == 0);
    SUPPORT_CHECK(cconc_ctx_signal(world.signals) == SIGUSR1);
    cconc_ctx_free(world.signals);
    cconc_ctx_free(world.deadline);
    cconc_ctx_free(world.ctx);
    SUPPORT_CHECK(cconc_chan_len(world.empty) == 0 && cconc_chan_len(world.full) == 1);
    cconc_chan_free(world.empty);
    cconc_chan_free(world.full);
    cconc_chan_free(world.meet);
    cconc_sem_release(world.sem, 1);
    cconc_sem_free(world.sem);
    cconc_limiter_free(world.limiter);
    cconc_limiter_keyed_free(world.keyed);
    cconc_objpool_free(world.objpool);
    SUPPORT_CHECK(cconc_counter_get(world.counter) == 0);
    cconc_counter_free(world.counter);
}

static inline void assert_child(int (*fn)(void *arg), int expected)
{
    int status = support_run_forked(fn, NULL);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != expected) {
        fprintf(stderr, "wait status %#x\n", (unsigned)status);
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), expected);
}

#endif
