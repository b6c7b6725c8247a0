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

/* How often one that waits for a thread yields, before it sleeps between two looks. */
#define PLAT_CPU_YIELDS 200

/* How many nanoseconds a doze is to take; it takes longer where timers are coarse. */
#define PLAT_CPU_DOZE_NS 50000u

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

/* Sleep for a moment. It is no point of cancellation, and errno stays. */
void cconc__cpu_doze(void);

/* Pass the turn-th turn, counted from 0, of a loop that waits until another thread has gone on. By
 * yields alone one of lower priority never would, where priorities are strict. */
static inline void plat_cpu_await(uint32_t turn)
{
    if (turn < PLAT_CPU_YIELDS) {
        plat_cpu_yield();
    } else {
        cconc__cpu_doze();
    }
}

#endif
