/* growth.c - what one of many costs: contexts, timers, channels, keys, tasks, waiters
 * SPDX-License-Identifier: MIT
 *
 * Prints a line "kind_number <TAB> libcconc" for 10, 1,000, 100,000 and 1,000,000 of each kind:
 * time and processor time in ns to make, use and release one of them, and the bytes that one has,
 * as asked for and with what the allocator adds. Bytes count when all of them are there. With SCALE
 * below 1 the largest number is smaller.
 */
#include "bench.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define HOUR (3600 * CCONC_SECOND)
#define MOST 1000000
#define MOST_THREADS 1000
#define REPEATED 100000 /* small numbers are made so often that this many are measured */
#define MALLOC_HEAD 8   /* the bytes of glibc's malloc in front of each block */

/* ---- bytes ---------------------------------------------------------------------------------- */

static atomic_bool is_counting;
static atomic_llong asked_bytes;
static atomic_llong taken_bytes;
static long long noted_asked;
static long long noted_taken;

/* The size that was asked for stands in front of each block. */
union head {
    size_t      size;
    max_align_t aligned;
};

static void *count_alloc(size_t size, void *user)
{
    union head *head = malloc(sizeof(*head) + size);
    (void)user;
    if (!head) {
        return NULL;
    }
    head->size = size;
    if (atomic_load_explicit(&is_counting, memory_order_relaxed)) {
        atomic_fetch_add(&asked_bytes, (long long)size);
        atomic_fetch_add(&taken_bytes,
                         (long long)(malloc_usable_size(head) - sizeof(*head) + MALLOC_HEAD));
    }
    return head + 1;
}

static void count_free(void *memory, void *user)
{
    union head *head = (union head *)memory - 1;
    (void)user;
    if (atomic_load_explicit(&is_counting, memory_order_relaxed)) {
        atomic_fetch_sub(&asked_bytes, (long long)head->size);
        atomic_fetch_sub(&taken_bytes,
                         (long long)(malloc_usable_size(head) - sizeof(*head) + MALLOC_HEAD));
    }
    free(head);
}

/* All of them are there now. */
static void note_bytes(void)
{
    if (atomic_load(&is_counting)) {
        noted_asked = atomic_load(&asked_bytes);
        noted_taken = atomic_load(&taken_bytes);
    }
}

/* ---- the kinds: each makes number of them, notes the bytes, and releases them ---------------- */

static void *pointers[MOST];

static void contexts(size_t number)
{
    cconc_ctx *root;
    cconc_ctx **child = (cconc_ctx **)pointers;
    BENCH(cconc_ctx_with_cancel(NULL, &root));
    for (size_t i = 0; i < number; i++) {
        BENCH(cconc_ctx_with_cancel(root, &child[i]));
    }
    note_bytes();
    cconc_ctx_cancel(root);
    for (size_t i = 0; i < number; i++) {
        cconc_ctx_free(child[i]);
    }
    cconc_ctx_free(root);
}

static void deadlines(size_t number)
{
    cconc_ctx **ctx = (cconc_ctx **)pointers;
    for (size_t i = 0; i < number; i++) {
        BENCH(cconc_ctx_with_timeout(NULL, HOUR + (int64_t)(i * 7919 % MOST), &ctx[i]));
    }
    note_bytes();
    for (size_t i = 0; i < number; i++) {
        cconc_ctx_free(ctx[i]);
    }
}

static void nothing(void *arg)
{
    (void)arg;
}

static void timers(size_t number)
{
    cconc_timer **timer = (cconc_timer **)pointers;
    for (size_t i = 0; i < number; i++) {
        int64_t delay_ns = HOUR + (int64_t)(i * 7919 % MOST) * CCONC_US;
        BENCH(cconc_timer_new_func(delay_ns, nothing, NULL, &timer[i]));
    }
    note_bytes();
    for (size_t i = 0; i < number; i++) {
        cconc_timer_free(timer[i]);
    }
}

static void channels(size_t number)
{
    cconc_chan **ch = (cconc_chan **)pointers;
    for (size_t i = 0; i < number; i++) {
        BENCH(cconc_chan_new(sizeof(i), 1, &ch[i]));
        BENCH(cconc_chan_send(ch[i], NULL, &i));
    }
    note_bytes();
    for (size_t i = 0; i < number; i++) {
        cconc_chan_free(ch[i]);
    }
}

static void keys(size_t number)
{
    cconc_limiter_keyed *limiter;
    BENCH(cconc_limiter_keyed_new(1, 1000, number, &limiter));
    for (size_t i = 0; i < number; i++) {
        BENCH(cconc_limiter_keyed_allow(limiter, &i, sizeof(i), 1));
    }
    note_bytes();
    cconc_limiter_keyed_free(limiter);
}

static int until_closed(cconc_ctx *ctx, void *arg)
{
    int value;
    (void)ctx;
    return cconc_chan_recv(arg, NULL, &value) == EPIPE ? 0 : 1;
}

static int task(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return 0;
}

/* Tasks in the queue of a pool whose only worker is blocked. */
static void tasks(size_t number)
{
    cconc_pool_opts opts = {.workers = 1, .flags = CCONC_POOL_UNBOUNDED};
    cconc_pool *pool;
    cconc_chan *gate;
    BENCH(cconc_chan_new(sizeof(int), 0, &gate));
    BENCH(cconc_pool_new(NULL, &opts, &pool));
    BENCH(cconc_pool_submit(pool, NULL, until_closed, gate));
    for (size_t i = 0; i < number; i++) {
        BENCH(cconc_pool_submit(pool, NULL, task, NULL));
    }
    note_bytes();
    BENCH(cconc_chan_close(gate));
    BENCH(cconc_pool_shutdown(pool, NULL, CCONC_POOL_DRAIN));
    cconc_pool_free(pool);
    cconc_chan_free(gate);
}

/* After-funcs: what waits for a context without a thread. */
static void afters(size_t number)
{
    cconc_after **after = (cconc_after **)pointers;
    cconc_ctx *ctx;
    BENCH(cconc_ctx_with_cancel(NULL, &ctx));
    for (size_t i = 0; i < number; i++) {
        BENCH(cconc_ctx_after_func(ctx, nothing, NULL, &after[i]));
    }
    note_bytes();
    for (size_t i = 0; i < number; i++) {
        bench_sink += cconc_after_stop(after[i]);
        cconc_after_free(after[i]);
    }
    cconc_ctx_free(ctx);
}

static int fly(cconc_ctx *ctx, void *arg, void **out_value)
{
    (void)out_value;
    return until_closed(ctx, arg);
}

/* Handles of callers that wait for one flight. */
static void callers(size_t number)
{
    cconc_flight_call **call = (cconc_flight_call **)pointers;
    cconc_flight *set;
    cconc_chan *gate;
    BENCH(cconc_chan_new(sizeof(int), 0, &gate));
    BENCH(cconc_flight_new(NULL, &set));
    for (size_t i = 0; i < number; i++) {
        BENCH(cconc_flight_do_async(set, NULL, "key", 3, fly, gate, NULL, &call[i]));
    }
    note_bytes();
    BENCH(cconc_chan_close(gate));
    for (size_t i = 0; i < number; i++) {
        BENCH(cconc_flight_wait(call[i], NULL, NULL));
        cconc_flight_leave(call[i]);
    }
    cconc_flight_free(set);
    cconc_chan_free(gate);
}

/* Threads of the executor that are blocked in a receive. */
static void waiters(size_t number)
{
    cconc_group *group;
    cconc_chan *gate;
    size_t receivers = 0;
    BENCH(cconc_chan_new(sizeof(int), 0, &gate));
    BENCH(cconc_group_new(NULL, NULL, &group));
    for (size_t i = 0; i < number; i++) {
        BENCH(cconc_group_go(group, NULL, until_closed, gate));
    }
    while (receivers < number) {
        BENCH(cconc_ctx_sleep(NULL, CCONC_US));
        cconc_chan_waiters(gate, NULL, &receivers);
    }
    note_bytes();
    BENCH(cconc_chan_close(gate));
    BENCH(cconc_group_wait(group, NULL, NULL));
    cconc_group_free(group);
    cconc_chan_free(gate);
}

/* ---- all of them ---------------------------------------------------------------------------- */

struct kind {
    const char *name;
    size_t      most;
    void (*run)(size_t number);
};

static const struct kind kinds[] = {
    {"context", MOST, contexts},
    {"deadline", MOST, deadlines},
    {"timer", MOST, timers},
    {"channel", MOST, channels},
    {"key", MOST, keys},
    {"task", MOST, tasks},
    {"after", MOST, afters},
    {"caller", MOST, callers},
    {"waiter", MOST_THREADS, waiters},
};

/* The first round counts bytes, from nothing cached; the others are measured. */
static void measure(const struct kind *kind, size_t number)
{
    size_t rounds = (size_t)bench_share(bench_scaled(REPEATED), number);
    BENCH(cconc_shutdown(NULL));
    atomic_store(&asked_bytes, 0);
    atomic_store(&taken_bytes, 0);
    atomic_store(&is_counting, true);
    kind->run(number);
    atomic_store(&is_counting, false);
    struct bench_usage before = bench_usage_now();
    for (size_t i = 0; i < rounds; i++) {
        kind->run(number);
    }
    struct bench_usage after = bench_usage_now();
    double items = (double)rounds * (double)number;
    printf("%s_%zu\tlibcconc\t%.2f\t%.2f\t%.1f\t%.1f\n", kind->name, number,
           (double)(after.wall_ns - before.wall_ns) / items, (after.cpu_ns - before.cpu_ns) / items,
           (double)noted_asked / (double)number, (double)noted_taken / (double)number);
    fflush(stdout);
}

int main(void)
{
    static const size_t numbers[] = {10, 1000, 100000, MOST};
    size_t most = (size_t)bench_scaled(MOST);
    BENCH(cconc_set_allocator(count_alloc, count_free, NULL));
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++) {
            if (k == 0 || (numbers[k] <= most && numbers[k] <= kinds[i].most)) {
                measure(&kinds[i], numbers[k]);
            }
        }
    }
    return cconc_shutdown(NULL);
}
