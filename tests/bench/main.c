/* main.c - runs the cells and prints "cell <TAB> libcconc <TAB> ns per operation"
 * SPDX-License-Identifier: MIT
 *
 * Usage: cells [-v] [-n OPS] [CELL...]
 *
 * SCALE in the environment multiplies every count, CELL names the only cell to run; -n sets the
 * count instead. -v adds, per operation: processor time in ns, and the switches of threads that
 * blocked and of those that were put off.
 */
#include "bench.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static void cell_run(const struct bench_cell *cell, uint64_t ops, bool verbose)
{
    struct bench_usage before = bench_usage_now();
    double done = (double)cell->run(ops ? ops : bench_scaled(cell->ops));
    struct bench_usage after = bench_usage_now();
    printf("%s\tlibcconc\t%.2f", cell->name, (double)(after.wall_ns - before.wall_ns) / done);
    if (verbose) {
        printf("\t%.2f\t%.5f\t%.5f", (after.cpu_ns - before.cpu_ns) / done,
               (after.voluntary - before.voluntary) / done,
               (after.involuntary - before.involuntary) / done);
    }
    printf("\n");
    fflush(stdout);
}

/* Is name among names, or are there none? */
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
    bool verbose = false;
    uint64_t ops = 0; /* by SCALE */
    size_t run_count = 0;
    for (int option; (option = getopt(argc, argv, "vn:")) != -1;) {
        if (option == 'v') {
            verbose = true;
        } else if (option != 'n' || (ops = strtoull(optarg, NULL, 10)) == 0) {
            fprintf(stderr, "Usage: cells [-v] [-n OPS] [CELL...]\n");
            return 2;
        }
    }
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        for (const struct bench_cell *cell = files[i]; cell->name; cell++) {
            if (is_wanted(cell->name, argv + optind)) {
                cell_run(cell, ops, verbose);
                run_count++;
            }
        }
    }
    if (run_count == 0) {
        fprintf(stderr, "cells: there is no such cell\n");
        return 2;
    }
    return cconc_shutdown(NULL);
}
