/* cpu.h - the processors under the tester: a pause lets another thread go first.
 * SPDX-License-Identifier: MIT
 */
#ifndef MODEL_SEAM_CPU_H
#define MODEL_SEAM_CPU_H

#include <stdint.h>

#include "model_seam.h"

#define PLAT_CPU_PAUSES model_spin_budget()
#define PLAT_CPU_DOZE_NS 50000u

uint32_t cconc__cpu_count(void);

static inline void plat_cpu_relax(void)
{
    model_yield();
}

static inline void plat_cpu_prefetch(const void *address)
{
    (void)address;
}

static inline void plat_cpu_yield(void)
{
    model_yield();
}

static inline void cconc__cpu_doze(void)
{
    model_yield();
}

static inline void plat_cpu_await(uint32_t turn)
{
    (void)turn;
    model_yield();
}

#endif
