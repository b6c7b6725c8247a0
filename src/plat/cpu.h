/* cpu.h - the processors: how many there are for us, and how to wait a moment on one
 * SPDX-License-Identifier: MIT
 */
#ifndef PLAT_CPU_H
#define PLAT_CPU_H

#include <stdint.h>

#include "plat/port.h"

#if !defined(CCONC_PLAT_HEADER)
#include <sched.h>
#endif

/* How often a spin loop pauses at most before it gives the processor away. */
#define PLAT_CPU_PAUSES 100

/* Give the number of CPUs in the calling thread's affinity mask, at least 1. */
uint32_t cconc__cpu_count(void);

/* Tell the core that this is a spin loop. */
static inline void plat_cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
    __asm__ __volatile__("yield");
#endif
}

/* Have the line at address brought here, to be written. */
static inline void plat_cpu_prefetch(const void *address)
{
#if defined(__GNUC__)
    __builtin_prefetch(address, 1);
#else
    (void)address;
#endif
}

/* Let another runnable thread go first. */
static inline void plat_cpu_yield(void)
{
#if defined(CCONC_PLAT_HEADER)
    cconc_port_yield();
#else
    (void)sched_yield();
#endif
}

#endif
