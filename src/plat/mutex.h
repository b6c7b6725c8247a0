/* mutex.h - mutual exclusion, and waiting under it for at most one thread
 * SPDX-License-Identifier: MIT
 */
#ifndef PLAT_MUTEX_H
#define PLAT_MUTEX_H

#include <stdbool.h>
#include <stdint.h>

#include "plat/cpu.h"
#include "plat/port.h"

#if defined(CCONC_PLAT_HEADER)
typedef struct plat_mutex {
    cconc_port_mutex m;
} plat_mutex;

typedef struct plat_cond {
    cconc_port_cond c;
} plat_cond;

#define PLAT_MUTEX_INIT {CCONC_PORT_MUTEX_INIT}

static inline void plat_mutex_lock(plat_mutex *mu)
{
    cconc_port_mutex_lock(&mu->m);
}

static inline void plat_mutex_unlock(plat_mutex *mu)
{
    cconc_port_mutex_unlock(&mu->m);
}
#else
#include <pthread.h>

/* The strategy of timed waits; what they are stands in mutex.c. */
#if !defined(CCONC_WAIT_CONDATTR) && !defined(CCONC_WAIT_CLOCKWAIT) &&                             \
    !defined(CCONC_WAIT_RELATIVE) && !defined(CCONC_WAIT_REALTIME)
#if defined(__APPLE__)
#define CCONC_WAIT_RELATIVE 1
#else
#define CCONC_WAIT_CONDATTR 1
#endif
#endif

typedef struct plat_mutex {
    pthread_mutex_t m;
} plat_mutex;

/* Key  (o) only the thread that waits */
typedef struct plat_cond {
    pthread_cond_t c;
    int64_t        more_ns; /* (o) by how much the next wait is to be longer than its deadline */
} plat_cond;

#define PLAT_MUTEX_INIT {PTHREAD_MUTEX_INITIALIZER}

/* How long a taken mutex is waited for before the kernel is asked, in pauses that double from try
 * to try: critical sections are a few dozen instructions long, a sleep and a wake-up are thousands;
 * and each try takes the mutex's cache line from its holder. */
#define PLAT_MUTEX_PAUSES 64

void cconc__mutex_lock_slow(plat_mutex *mu);

static inline void plat_mutex_lock(plat_mutex *mu)
{
    if (pthread_mutex_trylock(&mu->m) != 0) {
        cconc__mutex_lock_slow(mu);
    }
}

static inline void plat_mutex_unlock(plat_mutex *mu)
{
    (void)pthread_mutex_unlock(&mu->m);
}
#endif

/* Returns 0, ENOMEM or EAGAIN. */
int  cconc__mutex_init(plat_mutex *mu);
void cconc__mutex_destroy(plat_mutex *mu);

/* Returns 0, ENOMEM or EAGAIN. Aborts if the clock that this build waits on is not to be had. */
int  cconc__cond_init(plat_cond *cond);
void cconc__cond_destroy(plat_cond *cond);
void cconc__cond_signal(plat_cond *cond);

/* Wait until signalled, or until deadline_ns on the monotonic clock; may return early without
 * cause. mu is held before and after; others may have had it between the end of the wait and the
 * return. No cancellation point. Returns false if the deadline has passed. */
bool cconc__cond_wait(plat_cond *cond, plat_mutex *mu, int64_t deadline_ns);

#endif
