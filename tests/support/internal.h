/* internal.h - what the files of tests/support share among themselves.
 * SPDX-License-Identifier: MIT
 */
#ifndef CCONC_TESTS_SUPPORT_INTERNAL_H
#define CCONC_TESTS_SUPPORT_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* A fault to inject at the at-th occasion (0 = never), and at all later ones if sticky. */
struct support_fault {
    atomic_uint_fast64_t at;
    atomic_uint_fast64_t seen;
    atomic_uint_fast64_t hits;
    atomic_bool sticky;
};

void support_fault_arm(struct support_fault *fault, uint64_t n, bool sticky);

/* Count an occasion; true if the fault is to happen at it. */
bool support_fault_now(struct support_fault *fault);

/* Returns how often it happened since it was armed. */
uint64_t support_fault_disarm(struct support_fault *fault);

/* What creates a thread that meets no injected fault. */
int __real_pthread_create(pthread_t *out_id, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg);

/* Do not stop the calling thread meanwhile, if it is stepped: it makes a thread. */
void support_step_pause(bool on);

uint64_t support_thread_fault_end(void);
uint64_t support_object_fault_end(void);
void support_memory_start(void);

/* The signals of STORM=1: in the main thread, in a thread of a test, of one that is no more. */
struct support_storm {
    timer_t timer;
    bool is_on;
};

void support_storm_start(void);
void support_storm_enter(struct support_storm *storm);
void support_storm_leave(struct support_storm *storm);

/* The sweep of all tests: look at the environment; does this occasion fail; forget the call that
 * this thread has left by a jump; begin and end the faults of one run of a test. */
void support_sweep_start(void);
bool support_sweep_fails_memory(void);
bool support_sweep_fails_thread(void);
void support_sweep_leave(void);
void support_sweep_arm(void);
void support_sweep_disarm(void);

/* The number in the environment variable name, or fallback. */
int64_t support_env_number(const char *name, int64_t fallback);

#endif
