/* mutex.h - the locks of the library under the tester.
 * SPDX-License-Identifier: MIT
 */
#ifndef MODEL_SEAM_MUTEX_H
#define MODEL_SEAM_MUTEX_H

#include <stdbool.h>
#include <stdint.h>

#include "model_seam.h"
#include "plat/cpu.h"

typedef struct plat_cond {
    void    *waiter;
    uint32_t signallers;
    uint32_t state; /* MODEL_MUTEX_LIVE or MODEL_MUTEX_DEAD */
    bool     is_signalled;
} plat_cond;

#define PLAT_MUTEX_INIT {NULL, MODEL_MUTEX_LIVE}

int  cconc__mutex_init(plat_mutex *mu);
void cconc__mutex_destroy(plat_mutex *mu);

static inline void plat_mutex_lock(plat_mutex *mu)
{
    model_mutex_lock(mu);
}

static inline void plat_mutex_unlock(plat_mutex *mu)
{
    model_mutex_unlock(mu);
}

int  cconc__cond_init(plat_cond *cond);
void cconc__cond_destroy(plat_cond *cond);
void cconc__cond_signal(plat_cond *cond);
bool cconc__cond_wait(plat_cond *cond, plat_mutex *mu, int64_t deadline_ns);

#endif
