/* atomic.h - C11 atomics with the memory order in the name
 * SPDX-License-Identifier: MIT
 *
 * Three word types, none wider than a pointer, so that no platform needs a lock for one. The names
 * are atom_<operation>_<order>; a compare-and-swap names its order on success, then on failure, and
 * leaves what it found in *expected. The order sites of the library carry the tags of edges.
 */
#ifndef PLAT_ATOMIC_H
#define PLAT_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct atom_u32 {
    _Atomic uint32_t v;
} atom_u32;

typedef struct atom_size {
    _Atomic size_t v;
} atom_size;

typedef struct atom_ptr {
    void *_Atomic v;
} atom_ptr;

/* Do words have 64 bits? What is done where they have fewer can be had, and tested, anywhere. */
#if defined(CCONC_NARROW_WORDS)
#define ATOM_IS_WIDE false
#else
#define ATOM_IS_WIDE (sizeof(size_t) >= sizeof(uint64_t))
#endif

/* Bytes apart that two words must lie to be written by two cores in peace: cconc/static.h says the
 * same. A machine with one core has memory to save. */
#if defined(CCONC_LINE_SIZE)
#define ATOM_LINE CCONC_LINE_SIZE
#else
#define ATOM_LINE 64
#endif

_Static_assert(ATOM_LINE >= 2 * sizeof(void *) && (ATOM_LINE & (ATOM_LINE - 1)) == 0,
               "CCONC_LINE_SIZE is a power of two, and has room for two pointers");

#define atom_init(a, x) atomic_init(&(a)->v, x)

#define atom_load_rlx(a) atomic_load_explicit(&(a)->v, memory_order_relaxed)
#define atom_load_acq(a) atomic_load_explicit(&(a)->v, memory_order_acquire)
#define atom_load_sc(a) atomic_load_explicit(&(a)->v, memory_order_seq_cst)

#define atom_store_rlx(a, x) atomic_store_explicit(&(a)->v, x, memory_order_relaxed)
#define atom_store_rel(a, x) atomic_store_explicit(&(a)->v, x, memory_order_release)
#define atom_store_sc(a, x) atomic_store_explicit(&(a)->v, x, memory_order_seq_cst)

#define atom_swap_rlx(a, x) atomic_exchange_explicit(&(a)->v, x, memory_order_relaxed)
#define atom_swap_acq(a, x) atomic_exchange_explicit(&(a)->v, x, memory_order_acquire)
#define atom_swap_rel(a, x) atomic_exchange_explicit(&(a)->v, x, memory_order_release)

#define atom_add_rlx(a, x) atomic_fetch_add_explicit(&(a)->v, x, memory_order_relaxed)
#define atom_add_rel(a, x) atomic_fetch_add_explicit(&(a)->v, x, memory_order_release)
#define atom_add_sc(a, x) atomic_fetch_add_explicit(&(a)->v, x, memory_order_seq_cst)
#define atom_sub_sc(a, x) atomic_fetch_sub_explicit(&(a)->v, x, memory_order_seq_cst)
#define atom_sub_rlx(a, x) atomic_fetch_sub_explicit(&(a)->v, x, memory_order_relaxed)
#define atom_sub_acq(a, x) atomic_fetch_sub_explicit(&(a)->v, x, memory_order_acquire)
#define atom_sub_acqrel(a, x) atomic_fetch_sub_explicit(&(a)->v, x, memory_order_acq_rel)
#define atom_or_rlx(a, x) atomic_fetch_or_explicit(&(a)->v, x, memory_order_relaxed)
#define atom_or_acq(a, x) atomic_fetch_or_explicit(&(a)->v, x, memory_order_acquire)
#define atom_or_rel(a, x) atomic_fetch_or_explicit(&(a)->v, x, memory_order_release)
#define atom_or_acqrel(a, x) atomic_fetch_or_explicit(&(a)->v, x, memory_order_acq_rel)
#define atom_and_rlx(a, x) atomic_fetch_and_explicit(&(a)->v, x, memory_order_relaxed)
#define atom_and_rel(a, x) atomic_fetch_and_explicit(&(a)->v, x, memory_order_release)
#define atom_and_acqrel(a, x) atomic_fetch_and_explicit(&(a)->v, x, memory_order_acq_rel)

#define ATOM_CAS(kind, a, expected, x, success, failure)                                           \
    atomic_compare_exchange_##kind##_explicit(&(a)->v, expected, x, memory_order_##success,        \
                                              memory_order_##failure)

#define atom_cas_rlx_rlx(a, expected, x) ATOM_CAS(strong, a, expected, x, relaxed, relaxed)
#define atom_cas_acq_rlx(a, expected, x) ATOM_CAS(strong, a, expected, x, acquire, relaxed)
#define atom_cas_rel_rlx(a, expected, x) ATOM_CAS(strong, a, expected, x, release, relaxed)
#define atom_cas_acqrel_acq(a, expected, x) ATOM_CAS(strong, a, expected, x, acq_rel, acquire)
#define atom_cas_weak_rlx_rlx(a, expected, x) ATOM_CAS(weak, a, expected, x, relaxed, relaxed)
#define atom_cas_weak_acq_rlx(a, expected, x) ATOM_CAS(weak, a, expected, x, acquire, relaxed)
#define atom_cas_weak_acq_acq(a, expected, x) ATOM_CAS(weak, a, expected, x, acquire, acquire)
#define atom_cas_weak_acqrel_acq(a, expected, x) ATOM_CAS(weak, a, expected, x, acq_rel, acquire)
#define atom_cas_weak_rel_rlx(a, expected, x) ATOM_CAS(weak, a, expected, x, release, relaxed)

#endif
