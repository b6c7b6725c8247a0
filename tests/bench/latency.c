/* latency.c - how long it takes to wake a receiver that has been parked for 100 ms
 * SPDX-License-Identifier: MIT
 *
 * Prints the lines wake_idle_p50 and wake_idle_p99 of libcconc, and of a bare hand-off by mutex and
 * condition variable as their peer, in ns and in processor time per wake. Both receivers are parked
 * at the same time, and are woken one after the other, each first in every other sample. SCALE
 * multiplies the number of samples, 200.
 */
#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define PARKED_NS (100 * CCONC_MS)

/* One way to hand over a time, and what it took. A hand-over of 0 ends the receiver. */
struct way {
    const char *name;
    void (*hand_over)(int64_t time_ns);
    bool (*is_parked)(void);
    int64_t       *took_ns; /* by the receiver */
    atomic_size_t  count;   /* of these */
    double         cpu_ns;
};

static void arrived(struct way *way, int64_t sent_ns)
{
    size_t count = atomic_load(&way->count);
    way->took_ns[count] = cconc_clock_now() - sent_ns;
    atomic_store(&way->count, count + 1);
}

/* ---- a channel ------------------------------------------------------------------------------ */

static cconc_chan *channel;

static void channel_hand_over(int64_t time_ns)
{
    BENCH(cconc_chan_send(channel, NULL, &time_ns));
}

static bool channel_is_parked(void)
{
    size_t receivers;
    cconc_chan_waiters(channel, NULL, &receivers);
    return receivers == 1;
}

static int channel_receive(cconc_ctx *ctx, void *arg)
{
    int64_t sent_ns;
    (void)ctx;
    for (;;) {
        BENCH(cconc_chan_recv(channel, NULL, &sent_ns));
        if (sent_ns == 0) {
            return 0;
        }
        arrived(arg, sent_ns);
    }
}

/* ---- a bare condition variable -------------------------------------------------------------- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int64_t handed_ns; /* under mutex, like what follows */
static bool is_full;
static bool is_waiting;

static void condvar_hand_over(int64_t time_ns)
{
    pthread_mutex_lock(&mutex);
    handed_ns = time_ns;
    is_full = true;
    pthread_cond_signal(&cond);
    pthread_mutex_unlock(&mutex);
}

static bool condvar_is_parked(void)
{
    pthread_mutex_lock(&mutex);
    bool parked = is_waiting && !is_full;
    pthread_mutex_unlock(&mutex);
    return parked;
}

static void *condvar_receive(void *arg)
{
    for (;;) {
        pthread_mutex_lock(&mutex);
        is_waiting = true;
        while (!is_full) {
            pthread_cond_wait(&cond, &mutex);
        }
        is_waiting = false;
        is_full = false;
        int64_t sent_ns = handed_ns;
        pthread_mutex_unlock(&mutex);
        if (sent_ns == 0) {
            return NULL;
        }
        arrived(arg, sent_ns);
    }
}

/* ---- both ----------------------------------------------------------------------------------- */

static void wake(struct way *way)
{
    size_t count = atomic_load(&way->count);
    double before_ns = bench_usage_now().cpu_ns;
    way->hand_over(cconc_clock_now());
    while (atomic_load(&way->count) == count || !way->is_parked()) {
        bench_pause(CCONC_MS);
    }
    way->cpu_ns += bench_usage_now().cpu_ns - before_ns;
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static void print(struct way *way, size_t samples, size_t percent)
{
    printf("wake_idle_p%zu\t%s\t%lld.00\t%.2f\n", percent, way->name,
           (long long)way->took_ns[(samples - 1) * percent / 100], way->cpu_ns / (double)samples);
}

int main(void)
{
    size_t samples = (size_t)bench_scaled(200);
    struct way ways[] = {{.name = "libcconc",
                          .hand_over = channel_hand_over,
                          .is_parked = channel_is_parked,
                          .took_ns = calloc(samples, sizeof(int64_t))},
                         {.name = "condvar",
                          .hand_over = condvar_hand_over,
                          .is_parked = condvar_is_parked,
                          .took_ns = calloc(samples, sizeof(int64_t))}};
    cconc_group *group;
    pthread_t thread;
    bench_check(ways[0].took_ns && ways[1].took_ns ? 0 : 12, "calloc");
    BENCH(cconc_chan_new(sizeof(int64_t), 1, &channel));
    BENCH(cconc_group_new(NULL, NULL, &group));
    BENCH(cconc_group_go(group, NULL, channel_receive, &ways[0]));
    bench_check(pthread_create(&thread, NULL, condvar_receive, &ways[1]), "pthread_create");
    while (!channel_is_parked() || !condvar_is_parked()) {
        bench_pause(CCONC_MS);
    }
    for (size_t i = 0; i < samples; i++) {
        bench_pause(PARKED_NS);
        wake(&ways[i % 2]);
        wake(&ways[(i + 1) % 2]);
    }
    ways[0].hand_over(0);
    ways[1].hand_over(0);
    BENCH(cconc_group_wait(group, NULL, NULL));
    pthread_join(thread, NULL);
    for (size_t i = 0; i < 2; i++) {
        qsort(ways[i].took_ns, samples, sizeof(int64_t), compare);
        print(&ways[i], samples, 50);
        print(&ways[i], samples, 99);
        free(ways[i].took_ns);
    }
    cconc_group_free(group);
    cconc_chan_free(channel);
    return cconc_shutdown(NULL);
}
