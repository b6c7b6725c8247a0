/* fork.c - stress: a process that forks while its threads are in the library
 * SPDX-License-Identifier: MIT
 *
 * Risk      A child that inherits a lock in the moment in which another thread holds it, a half
 *           changed heap of timers, a queue whose waiters are no more: and hangs or crashes.
 * Method    Threads keep every service and every kind of wait busy; the main thread forks again and
 *           again. Each child goes on by itself, uses what needs each service, shuts down, leaves.
 *           An alarm ends one that hangs.
 * Catches   proc-1.
 */
#include "support.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>

#include <cconc/cconc.h>

#define THREADS 4

static cconc_chan *chan;
static cconc_group *group;
static cconc_flight *flights;
static cconc_objpool *objpool;
static atomic_uint_fast64_t rounds;

static int count_task(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    atomic_fetch_add((atomic_uint_fast64_t *)arg, 1);
    return 0;
}

static int count_flight(cconc_ctx *ctx, void *arg, void **value)
{
    *value = NULL;
    return count_task(ctx, arg);
}

static void count_func(void *arg)
{
    (void)count_task(NULL, arg);
}

static void use_contexts(atomic_uint_fast64_t *runs)
{
    cconc_ctx *ctx = NULL;
    cconc_after *after = NULL;
    cconc_timer *timer = NULL;
    SUPPORT_CHECK(cconc_ctx_with_timeout(NULL, CCONC_US * 50, &ctx) == 0);
    SUPPORT_CHECK(cconc_ctx_after_func(ctx, count_func, runs, &after) == 0);
    SUPPORT_CHECK(cconc_timer_new(CCONC_US * 50, &timer) == 0);
    SUPPORT_CHECK(cconc_timer_wait(timer, NULL, NULL) == 0);
    SUPPORT_CHECK(cconc_ctx_wait(ctx, NULL) == 0);
    cconc_timer_free(timer);
    cconc_after_free(after);
    cconc_ctx_free(ctx);
}

/* One round of everything; elements that go in come out again, whoever they are. */
static void use(cconc_chan *ch, cconc_group *g, cconc_flight *f, cconc_objpool *o)
{
    static atomic_uint_fast64_t runs;
    cconc_ctx_mem mem;
    void *object = NULL;
    int elem = 1;
    int err = cconc_chan_send(ch, cconc_ctx_until(&mem, NULL, cconc_clock_after(CCONC_MS)), &elem);
    SUPPORT_CHECK(err == 0 || err == ETIMEDOUT);
    err = cconc_chan_recv(ch, cconc_ctx_until(&mem, NULL, cconc_clock_after(CCONC_MS)), &elem);
    SUPPORT_CHECK(err == 0 || err == ETIMEDOUT);
    SUPPORT_CHECK(cconc_group_go(g, NULL, count_task, &runs) == 0);
    SUPPORT_CHECK(cconc_flight_do(f, NULL, "k", 1, count_flight, &runs, NULL, NULL) == 0);
    SUPPORT_CHECK(cconc_objpool_get(o, &object) == 0);
    cconc_objpool_put(o, object);
    use_contexts(&runs);
}

static void run(void *arg, size_t index)
{
    (void)arg;
    (void)index;
    do {
        use(chan, group, flights, objpool);
        atomic_fetch_add(&rounds, 1);
    } while (support_stress_open());
}

struct objects {
    cconc_chan    *chan;
    cconc_group   *group;
    cconc_flight  *flights;
    cconc_objpool *objpool;
};

static void objects_make(struct objects *made)
{
    cconc_objpool_opts opts = {.size = 64};
    *made = (struct objects){0};
    SUPPORT_CHECK(cconc_chan_new(sizeof(int), 2, &made->chan) == 0);
    SUPPORT_CHECK(cconc_group_new(NULL, NULL, &made->group) == 0);
    SUPPORT_CHECK(cconc_flight_new(NULL, &made->flights) == 0);
    SUPPORT_CHECK(cconc_objpool_new(&opts, &made->objpool) == 0);
}

static void objects_free(struct objects *made)
{
    SUPPORT_CHECK(cconc_group_wait(made->group, NULL, NULL) == 0);
    cconc_group_free(made->group);
    cconc_chan_free(made->chan);
    cconc_flight_free(made->flights);
    cconc_objpool_free(made->objpool);
}

static int live(void *arg)
{
    struct objects own;
    (void)arg;
    SUPPORT_CHECK(cconc_ctx_sleep(NULL, 3600 * CCONC_SECOND) == ENOTRECOVERABLE);
    SUPPORT_CHECK(cconc_fork_child() == 0);
    objects_make(&own);
    use(own.chan, own.group, own.flights, own.objpool);
    objects_free(&own);
    SUPPORT_CHECK(cconc_shutdown(NULL) == 0);
    return 9;
}

int main(int argc, char **argv)
{
    struct objects own;
    uint64_t children = 0;
    support_start(argc, argv, NULL);
    (void)support_stress_begin("stress fork");
    objects_make(&own);
    chan = own.chan;
    group = own.group;
    flights = own.flights;
    objpool = own.objpool;
    struct support_threads *threads = support_threads_start(THREADS, run, NULL);
    do {
        int status = support_run_forked(live, NULL);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 9) {
            fprintf(stderr, "child %" PRIu64 ": wait status %#x\n", children, (unsigned)status);
        }
        SUPPORT_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 9);
        children++;
    } while (support_stress_open());
    SUPPORT_CHECK(support_threads_join(threads) == 0);
    objects_free(&own);
    printf("children %" PRIu64 ", rounds beside them %" PRIu64 "\n", children, (uint64_t)rounds);
    SUPPORT_CHECK(children > 0 && rounds > 0);
    support_leak_check();
    return 0;
}
