/* main.c - runs the cells and prints "cell <TAB> libcconc <TAB> ns per operation"
 * SPDX-License-Identifier: MIT
 *
 * Usage: cells [-v] [CELL...]
 *
 * SCALE in the environment multiplies every count, CELL names the only cell to run. -v adds two
 * columns: processor time in ns and switches of threads, both per operation.
 */
#include "bench.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

uint64_t bench_sink;

static const struct bench_cell *const files[] = {
    bench_chan,
    bench_select,
    bench_sem,
    bench_once,
    bench_sometimes,
    bench_limiter,
    bench_limiter_keyed,
    bench_waitgroup,
    bench_group,
    bench_pool,
    bench_ctx,
    bench_counter,
    bench_ticker,
    bench_timer,
    bench_flight,
    bench_objpool,
};

void bench_check(int code, const char *call)
{
    if (code != 0) {
        fprintf(stderr, "cells: %s: %s\n", call, cconc_strerror(code));
        exit(1);
    }
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

void bench_parallel(size_t tasks, uint64_t ops, void (*fn)(void *arg, uint64_t share), void *arg)
{
    struct share share = {fn, arg, ops / tasks};
    cconc_group *group;
    BENCH(cconc_group_new(NULL, NULL, &group));
    for (size_t i = 0; i < tasks; i++) {
        BENCH(cconc_group_go(group, NULL, share_run, &share));
    }
    BENCH(cconc_group_wait(group, NULL, NULL));
    cconc_group_free(group);
}

struct usage {
    int64_t wall_ns;
    double  cpu_ns;
    double  switches;
};

static struct usage usage_now(void)
{
    struct rusage used;
    struct usage now = {cconc_clock_now(), 0, 0};
    getrusage(RUSAGE_SELF, &used);
    now.cpu_ns = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e9 +
                 (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e3;
    now.switches = (double)(used.ru_nvcsw + used.ru_nivcsw);
    return now;
}

static void cell_run(const struct bench_cell *cell, double scale, bool verbose)
{
    uint64_t ops = (uint64_t)((double)cell->ops * scale);
    struct usage before = usage_now();
    double done = (double)cell->run(ops ? ops : 1);
    struct usage after = usage_now();
    printf("%s\tlibcconc\t%.2f", cell->name, (double)(after.wall_ns - before.wall_ns) / done);
    if (verbose) {
        printf("\t%.2f\t%.4f", (after.cpu_ns - before.cpu_ns) / done,
               (after.switches - before.switches) / done);
    }
    printf("\n");
    fflush(stdout);
}

static bool is_wanted(const char *name, char **names)
{
    const char *only = getenv("CELL");
    if (only && *only) {
        return strcmp(only, name) == 0;
    }
    if (!*names) {
        return true;
    }
    while (*names && strcmp(*names, name) != 0) {
        names++;
    }
    return *names != NULL;
}

int main(int argc, char **argv)
{
    const char *text = getenv("SCALE");
    double scale = text ? strtod(text, NULL) : 1;
    bool verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    if (!(scale > 0)) {
        fprintf(stderr, "cells: SCALE is not a positive number: %s\n", text);
        return 2;
    }
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        for (const struct bench_cell *cell = files[i]; cell->name; cell++) {
            if (is_wanted(cell->name, argv + 1 + verbose)) {
                cell_run(cell, scale, verbose);
            }
        }
    }
    return cconc_shutdown(NULL);
}
