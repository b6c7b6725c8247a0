/* bench.c - what the programs of this folder share: counts, checks, threads, what was used
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

uint64_t bench_sink;

void bench_check(int code, const char *call)
{
    if (code != 0) {
        fprintf(stderr, "bench: %s: %s\n", call, cconc_strerror(code));
        exit(1);
    }
}

double bench_scale(void)
{
    const char *text = getenv("SCALE");
    double scale = text ? strtod(text, NULL) : 1;
    if (!(scale > 0 && scale <= 1000)) {
        fprintf(stderr, "bench: SCALE is not a number above 0 and up to 1000: %s\n", text);
        exit(2);
    }
    return scale;
}

uint64_t bench_scaled(uint64_t count)
{
    return bench_share((uint64_t)((double)count * bench_scale()), 1);
}

uint64_t bench_share(uint64_t ops, uint64_t parts)
{
    return ops > parts ? ops / parts : 1;
}

struct share {
    void (*fn)(void *arg, uint64_t share);
    void    *arg;
    uint64_t ops;
};

static int share_run(cconc_ctx *ctx, void *arg)
{
    const struct share *share = arg;
    (void)ctx;
    share->fn(share->arg, share->ops);
    return 0;
}

uint64_t bench_parallel(size_t tasks, uint64_t ops, void (*fn)(void *arg, uint64_t share),
                        void *arg)
{
    struct share share = {fn, arg, bench_share(ops, tasks)};
    cconc_group *group;
    BENCH(cconc_group_new(NULL, NULL, &group));
    for (size_t i = 0; i < tasks; i++) {
        BENCH(cconc_group_go(group, NULL, share_run, &share));
    }
    BENCH(cconc_group_wait(group, NULL, NULL));
    cconc_group_free(group);
    return share.ops * tasks;
}

struct bench_usage bench_usage_now(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (struct bench_usage){
        .wall_ns = cconc_clock_now(),
        .cpu_ns = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e9 +
                  (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e3,
        .voluntary = (double)used.ru_nvcsw,
        .involuntary = (double)used.ru_nivcsw,
    };
}

void bench_pause(int64_t duration_ns)
{
    struct timespec time = {.tv_sec = (time_t)(duration_ns / CCONC_SECOND),
                            .tv_nsec = (long)(duration_ns % CCONC_SECOND)};
    while (nanosleep(&time, &time) != 0) {
    }
}
