/* atomic.h - atomics
 * SPDX-License-Identifier: MIT
 */
#ifndef PLAT_ATOMIC_H
#define PLAT_ATOMIC_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct atom_u32 {
    _Atomic uint32_t v;
} atom_u32;

#define atom_load_rlx(a) atomic_load_explicit(&(a)->v, memory_order_relaxed)
#define atom_load_sc(a) atomic_load_explicit(&(a)->v, memory_order_seq_cst)
#define atom_store_sc(a, x) atomic_store_explicit(&(a)->v, x, memory_order_seq_cst)
#define atom_swap_acqrel(a, x) atomic_exchange_explicit(&(a)->v, x, memory_order_acq_rel)

#endif
