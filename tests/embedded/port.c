/* port.c - the library on a port, with no allocator but the one that the program brings
 * SPDX-License-Identifier: MIT
 *
 * Risk      A seam that compiles and does not work: wakes lost between a port's mutex and what it
 *           waits with, waits that end early or never, threads whose record is not given back.
 * Method    The port of host_port.c, which does everything that its contract allows. First all
 *           that goes without memory; then an arena is the allocator, for the rest.
 * Catches   M3, M11.
 */
#include "cconc.h"
#include "plat/port.h"

#include <errno.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                           \
    ((condition) ? (void)0 : check_failed(__LINE__, #condition))

static _Noreturn void check_failed(int line, const char *text)
{
    (void)fprintf(stderr, "port.c:%d: %s\n", line, text);
    abort();
}

enum { ELEMS = 2000, SENDERS = 2, TASKS = 50 };

/* ---- without memory ------------------------------------------------------------------------- */

CCONC_CHAN_DEFINE(numbers, int, 4);
CCONC_SEM_DEFINE(permits, 2);
CCONC_LIMITER_DEFINE(rate, 100.0, 1);

static cconc_chan *ch;

static void *send_numbers(void *arg)
{
    (void)arg;
    for (int i = 1; i <= ELEMS; i++) {
        CHECK(cconc_chan_send(ch, NULL, &i) == 0);
    }
    cconc_port_thread_ends();
    return NULL;
}

static void elements_pass_between_threads(void)
{
    pthread_t senders[SENDERS];
    long sum = 0;
    int elem;
    CHECK(numbers_init(&ch) == 0);
    for (int i = 0; i < SENDERS; i++) {
        CHECK(pthread_create(&senders[i], NULL, send_numbers, NULL) == 0);
    }
    for (int i = 0; i < SENDERS * ELEMS; i++) {
        CHECK(cconc_chan_recv(ch, NULL, &elem) == 0);
        sum += elem;
    }
    for (int i = 0; i < SENDERS; i++) {
        CHECK(pthread_join(senders[i], NULL) == 0);
    }
    CHECK(sum == (long)SENDERS * ELEMS * (ELEMS + 1) / 2);
}

/* More threads in turn than there are records. */
static void records_are_given_back(void)
{
    for (int i = 0; i < 3 * CCONC_PORT_RECORDS; i++) {
        elements_pass_between_threads();
    }
}

static void waits_end_at_their_deadline(void)
{
    cconc_ctx_mem mem;
    cconc_sem *sem;
    cconc_limiter *limiter;
    int64_t until_ns = cconc_clock_now() + 20 * CCONC_MS;
    cconc_ctx *ctx = cconc_ctx_until(&mem, NULL, until_ns);
    int elem;
    size_t fired;
    cconc_select_case cases[] = {cconc_select_recv(ch, &elem), cconc_select_done(ctx)};
    CHECK(cconc_select(cases, 2, 0, &fired) == ETIMEDOUT && fired == 1);
    CHECK(cconc_clock_now() >= until_ns);
    CHECK(permits_init(&sem) == 0 && cconc_sem_acquire(sem, NULL, 2) == 0);
    CHECK(cconc_sem_acquire(sem, ctx, 1) == ETIMEDOUT);
    cconc_sem_free(sem);
    CHECK(rate_init(&limiter) == 0);
    until_ns = cconc_clock_now() + 20 * CCONC_MS;
    for (int i = 0; i < 3; i++) {
        CHECK(cconc_limiter_wait(limiter, NULL, 1) == 0);
    }
    CHECK(cconc_clock_now() >= until_ns);
    cconc_limiter_free(limiter);
}

static void what_needs_memory_says_so(void)
{
    cconc_chan *none = NULL;
    cconc_ctx *ctx = NULL;
    CHECK(cconc_chan_new(1, 1, &none) == ENOMEM && !none);
    CHECK(cconc_ctx_with_cancel(NULL, &ctx) == ENOMEM && !ctx);
}

/* ---- with memory of the program's ----------------------------------------------------------- */

static alignas(16) unsigned char arena[1 << 20];
static atomic_size_t arena_used;
static atomic_int live;

static void *arena_alloc(size_t size, void *user)
{
    size_t at = atomic_fetch_add(&arena_used, (size + 15) / 16 * 16);
    (void)user;
    if (at + size > sizeof(arena)) {
        return NULL;
    }
    (void)atomic_fetch_add(&live, 1);
    return arena + at;
}

static void arena_free(void *memory, void *user)
{
    (void)memory;
    (void)user;
    (void)atomic_fetch_sub(&live, 1);
}

static atomic_int ran;

static int count_task(cconc_ctx *ctx, void *arg)
{
    (void)arg;
    (void)cconc_ctx_sleep(ctx, 1 * CCONC_MS);
    (void)atomic_fetch_add(&ran, 1);
    return 0;
}

static int fail_task(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    return cconc_group_fail(arg, EPIPE, "task %d of %s", 7, "many");
}

static void groups_run_and_fail(void)
{
    cconc_group_opts opts = {.limit = 3};
    cconc_group *group;
    const char *message;
    CHECK(cconc_group_new(NULL, &opts, &group) == 0);
    atomic_store(&ran, 0);
    for (int i = 0; i < TASKS; i++) {
        CHECK(cconc_group_go(group, NULL, count_task, NULL) == 0);
    }
    CHECK(cconc_group_wait(group, NULL, NULL) == 0 && atomic_load(&ran) == TASKS);
    cconc_group_free(group);
    CHECK(cconc_group_new(NULL, NULL, &group) == 0);
    CHECK(cconc_group_go(group, NULL, fail_task, group) == 0);
    CHECK(cconc_group_wait(group, NULL, &message) == EPIPE);
    CHECK(strcmp(message, "task 7 of many") == 0);
    cconc_group_free(group);
}

static void pools_run(void)
{
    cconc_pool_opts opts = {.workers = 2, .queue_len = 4, .name = "a name too long for any port"};
    cconc_pool *pool;
    CHECK(cconc_pool_new(NULL, &opts, &pool) == 0);
    atomic_store(&ran, 0);
    for (int i = 0; i < TASKS; i++) {
        CHECK(cconc_pool_submit(pool, NULL, count_task, NULL) == 0);
    }
    CHECK(cconc_pool_wait(pool, NULL) == 0 && atomic_load(&ran) == TASKS);
    cconc_pool_free(pool);
}

static void time_passes(void)
{
    cconc_ctx *ctx;
    cconc_ticker *ticker;
    cconc_timer *timer;
    int64_t start_ns = cconc_clock_now();
    CHECK(cconc_ctx_with_timeout(NULL, 10 * CCONC_MS, &ctx) == 0);
    CHECK(cconc_ctx_wait(ctx, NULL) == 0 && cconc_ctx_err(ctx) == ETIMEDOUT);
    CHECK(cconc_clock_now() >= start_ns + 10 * CCONC_MS);
    cconc_ctx_free(ctx);
    CHECK(cconc_timer_new(5 * CCONC_MS, &timer) == 0 && cconc_timer_wait(timer, NULL, NULL) == 0);
    cconc_timer_free(timer);
    CHECK(cconc_ticker_new(2 * CCONC_MS, NULL, &ticker) == 0);
    for (int i = 0; i < 5; i++) {
        CHECK(cconc_ticker_wait(ticker, NULL, NULL) == 0);
    }
    cconc_ticker_free(ticker);
}

static void what_a_port_has_not_is_refused(void)
{
    cconc_ctx *ctx;
    cconc_ctx *child = NULL;
    int number = 2;
    int fd = -1;
    CHECK(cconc_ctx_with_cancel(NULL, &ctx) == 0);
    CHECK(cconc_ctx_fd(ctx, &fd) == EMFILE);
    CHECK(cconc_ctx_with_signals(ctx, NULL, 0, 0, &child) == EINVAL);
    CHECK(cconc_ctx_with_signals(ctx, &number, 1, 0, &child) == EINVAL && !child);
    cconc_ctx_cancel_cause(ctx, EPIPE, "%s", "over");
    CHECK(cconc_ctx_err(ctx) == ECANCELED && cconc_ctx_cause(ctx, NULL) == EPIPE);
    cconc_ctx_free(ctx);
}

int main(void)
{
    records_are_given_back();
    waits_end_at_their_deadline();
    what_needs_memory_says_so();
    CHECK(cconc_set_allocator(arena_alloc, arena_free, NULL) == 0);
    what_a_port_has_not_is_refused();
    groups_run_and_fail();
    pools_run();
    time_passes();
    cconc_chan_free(ch);
    CHECK(cconc_shutdown(NULL) == 0);
    CHECK(atomic_load(&live) == 0);
    return 0;
}
