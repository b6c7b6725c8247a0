/* idle.c - the processor time of a program whose threads are blocked and whose timers are armed
 * SPDX-License-Identifier: MIT
 *
 * Prints the line idle_1000_threads_10000_timers: the processor time of the process in ten seconds,
 * in ns, twice, and the switches of threads in that time. It is measured from 50 ms after the last
 * thread has blocked and the last timer was armed, less what one measurement takes, for which the
 * kernel adds up a thousand threads. SCALE multiplies the time and both numbers.
 */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 1000
#define TIMERS 10000
#define SETTLE_NS (50 * CCONC_MS)
#define MEASURED_NS (10 * CCONC_SECOND)
#define HOUR (3600 * CCONC_SECOND)

static int block(cconc_ctx *ctx, void *arg)
{
    int value;
    (void)ctx;
    return cconc_chan_recv(arg, NULL, &value) == EPIPE ? 0 : 1;
}

static void nothing(void *arg)
{
    (void)arg;
}

static size_t blocked_count(cconc_chan *ch)
{
    size_t receivers;
    cconc_chan_waiters(ch, NULL, &receivers);
    return receivers;
}

int main(void)
{
    size_t threads = (size_t)bench_scaled(THREADS);
    size_t timers = (size_t)bench_scaled(TIMERS);
    int64_t measured_ns = (int64_t)bench_scaled(MEASURED_NS);
    cconc_timer **timer = calloc(timers, sizeof(cconc_timer *));
    cconc_chan *ch;
    cconc_group *group;
    bench_check(timer ? 0 : ENOMEM, "calloc");
    BENCH(cconc_chan_new(sizeof(int), 0, &ch));
    BENCH(cconc_group_new(NULL, NULL, &group));
    for (size_t i = 0; i < threads; i++) {
        BENCH(cconc_group_go(group, NULL, block, ch));
    }
    for (size_t i = 0; i < timers; i++) {
        BENCH(cconc_timer_new_func(HOUR + (int64_t)i * CCONC_US, nothing, NULL, &timer[i]));
    }
    while (blocked_count(ch) < threads) {
        bench_pause(CCONC_MS);
    }

    bench_pause(SETTLE_NS);
    struct bench_usage first = bench_usage_now();
    struct bench_usage before = bench_usage_now();
    bench_pause(measured_ns);
    struct bench_usage after = bench_usage_now();
    double used_ns = (after.cpu_ns - before.cpu_ns) - (before.cpu_ns - first.cpu_ns);
    used_ns *= (double)MEASURED_NS / (double)measured_ns;
    printf("idle_1000_threads_10000_timers\tlibcconc\t%.2f\t%.2f\t%.0f\n", used_ns, used_ns,
           after.voluntary + after.involuntary - before.voluntary - before.involuntary);

    BENCH(cconc_chan_close(ch));
    BENCH(cconc_group_wait(group, NULL, NULL));
    for (size_t i = 0; i < timers; i++) {
        cconc_timer_free(timer[i]);
    }
    cconc_group_free(group);
    cconc_chan_free(ch);
    free(timer);
    return cconc_shutdown(NULL);
}
