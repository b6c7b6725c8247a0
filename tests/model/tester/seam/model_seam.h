/* model_seam.h - what the library's sources call when they are built for the tester.
 * SPDX-License-Identifier: MIT
 */
#ifndef MODEL_SEAM_H
#define MODEL_SEAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

typedef enum model_access {
    MODEL_LOAD,
    MODEL_STORE,
    MODEL_CHANGED, /* read, and written in one step */
    MODEL_SEEN,    /* the read of a compare-and-swap that did not write */
    MODEL_INIT,
} model_access;

/* The decision point before an operation on an atomic of size bytes. */
void model_atomic(const volatile void *object, size_t size, model_access access, int order);

/* Does this weak compare-and-swap fail for no reason? */
bool model_cas_fails(void);

/* The store-history mode: take another value than the newest, and keep the one that was left. */
void model_weak_load(const volatile void *object, size_t size, int order, void *inout_value);
void model_weak_left(const volatile void *object, size_t size, model_access access, int order);

/* Mutexes. The owner is a fiber of the tester. */
typedef struct plat_mutex {
    void    *owner;
    uint32_t state; /* one of the below */
} plat_mutex;

enum { MODEL_MUTEX_LIVE = 0x4c495645, MODEL_MUTEX_DEAD = 0x44454144 };

void model_mutex_lock(plat_mutex *mu);
void model_mutex_unlock(plat_mutex *mu);

/* Time passes only when nobody can run, or when the strategy says so. */
int model_clock_gettime(clockid_t id, struct timespec *out_now);

/* Let another thread go first, if one can. */
void model_yield(void);

/* How many pauses the short phase of spinning has at most. */
uint32_t model_spin_budget(void);

bool model_fork_is_ours(void);

#endif
