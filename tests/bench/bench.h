/* bench.h - cells: named loads whose time is measured, through the public API alone
 * SPDX-License-Identifier: MIT
 */
#ifndef CCONC_TESTS_BENCH_H
#define CCONC_TESTS_BENCH_H

#include <stddef.h>
#include <stdint.h>

#include <cconc/cconc.h>

/* One load. run does ops operations, or as many of them as it gives back. */
struct bench_cell {
    const char *name;
    uint64_t    ops; /* at SCALE 1 */
    uint64_t (*run)(uint64_t ops);
};

/* The cells of each file, ended by a NULL name. */
extern const struct bench_cell bench_chan[];
extern const struct bench_cell bench_counter[];
extern const struct bench_cell bench_ctx[];
extern const struct bench_cell bench_flight[];
extern const struct bench_cell bench_group[];
extern const struct bench_cell bench_limiter[];
extern const struct bench_cell bench_limiter_keyed[];
extern const struct bench_cell bench_objpool[];
extern const struct bench_cell bench_once[];
extern const struct bench_cell bench_pool[];
extern const struct bench_cell bench_select[];
extern const struct bench_cell bench_sem[];
extern const struct bench_cell bench_sometimes[];
extern const struct bench_cell bench_ticker[];
extern const struct bench_cell bench_timer[];
extern const struct bench_cell bench_waitgroup[];

/* What the loads compute goes here, so that it is computed. */
extern uint64_t bench_sink;

/* End the program unless code is 0: a load that fails has no time. */
void bench_check(int code, const char *call);
#define BENCH(call) bench_check((call), #call)

/* Give the number that SCALE in the environment multiplies every count by; 1 if it is not set. */
double bench_scale(void);

/* Give count times SCALE, and at least 1. */
uint64_t bench_scaled(uint64_t count);

/* Give what each of parts does when all do about ops operations together: at least one. */
uint64_t bench_share(uint64_t ops, uint64_t parts);

/* Run fn(arg, share) on tasks threads at once, share = bench_share(ops, tasks), until all have
 * ended. Returns the operations of all of them. */
uint64_t bench_parallel(size_t tasks, uint64_t ops, void (*fn)(void *arg, uint64_t share),
                        void *arg);

/* What the process has used so far. */
struct bench_usage {
    int64_t wall_ns;
    double  cpu_ns;      /* of all threads, in the program and in the kernel */
    double  voluntary;   /* switches of threads that had nothing to do */
    double  involuntary; /* of threads whose time was over */
};

struct bench_usage bench_usage_now(void);

/* Sleep in the system, outside of the library. */
void bench_pause(int64_t duration_ns);

#endif
