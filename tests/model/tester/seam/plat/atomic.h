/* atomic.h - the library's atomics under the tester: a decision point before each.
 * SPDX-License-Identifier: MIT
 *
 * The operations and their orders are those of src/plat/atomic.h, which is included; what they are
 * made of is replaced. A build with MODEL_WEAK lets a load return any value that C11 allows.
 */
#ifndef MODEL_SEAM_ATOMIC_H
#define MODEL_SEAM_ATOMIC_H

#include <stdatomic.h>

#include "model_seam.h"

#undef atomic_init
#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange_explicit
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and_explicit
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak_explicit

#if defined(__clang__)
#define MODEL_RAW(gcc, clang) clang
#else
#define MODEL_RAW(gcc, clang) gcc
#endif

#define MODEL_POINT(p, kind, order) model_atomic((p), sizeof(*(p)), kind, order)

#define MODEL_RAW_LOAD(p, order) MODEL_RAW(__atomic_load_n, __c11_atomic_load)(p, order)

/* What the store-history mode has to know of the value that an operation left. */
#if defined(MODEL_WEAK)
#define MODEL_LEFT(p, kind, order) model_weak_left((p), sizeof(*(p)), kind, order)
#else
#define MODEL_LEFT(p, kind, order) ((void)0)
#endif

#define MODEL_CHANGE(p, kind, order, operation)                                                    \
    __extension__({                                                                                \
        MODEL_POINT(p, kind, order);                                                               \
        __auto_type model_result = operation;                                                      \
        MODEL_LEFT(p, kind, order);                                                                \
        model_result;                                                                              \
    })

#define atomic_init(p, x)                                                                          \
    __extension__({                                                                                \
        MODEL_RAW(__atomic_store_n, __c11_atomic_store)((p), (x), __ATOMIC_RELAXED);               \
        MODEL_LEFT(p, MODEL_INIT, __ATOMIC_RELAXED);                                               \
    })

#if defined(MODEL_WEAK)
#define atomic_load_explicit(p, order)                                                             \
    __extension__({                                                                                \
        MODEL_POINT(p, MODEL_LOAD, order);                                                         \
        __auto_type model_value = MODEL_RAW_LOAD(p, order);                                        \
        model_weak_load((p), sizeof(*(p)), order, &model_value);                                   \
        model_value;                                                                               \
    })
#else
#define atomic_load_explicit(p, order)                                                             \
    (MODEL_POINT(p, MODEL_LOAD, order), MODEL_RAW_LOAD(p, order))
#endif

#define atomic_store_explicit(p, x, order)                                                         \
    __extension__({                                                                                \
        MODEL_POINT(p, MODEL_STORE, order);                                                        \
        MODEL_RAW(__atomic_store_n, __c11_atomic_store)((p), (x), order);                          \
        MODEL_LEFT(p, MODEL_STORE, order);                                                         \
    })

#define atomic_exchange_explicit(p, x, order)                                                      \
    MODEL_CHANGE(p, MODEL_CHANGED, order,                                                          \
                 MODEL_RAW(__atomic_exchange_n, __c11_atomic_exchange)((p), (x), order))
#define atomic_fetch_add_explicit(p, x, order)                                                     \
    MODEL_CHANGE(p, MODEL_CHANGED, order,                                                          \
                 MODEL_RAW(__atomic_fetch_add, __c11_atomic_fetch_add)((p), (x), order))
#define atomic_fetch_sub_explicit(p, x, order)                                                     \
    MODEL_CHANGE(p, MODEL_CHANGED, order,                                                          \
                 MODEL_RAW(__atomic_fetch_sub, __c11_atomic_fetch_sub)((p), (x), order))
#define atomic_fetch_or_explicit(p, x, order)                                                      \
    MODEL_CHANGE(p, MODEL_CHANGED, order,                                                          \
                 MODEL_RAW(__atomic_fetch_or, __c11_atomic_fetch_or)((p), (x), order))
#define atomic_fetch_and_explicit(p, x, order)                                                     \
    MODEL_CHANGE(p, MODEL_CHANGED, order,                                                          \
                 MODEL_RAW(__atomic_fetch_and, __c11_atomic_fetch_and)((p), (x), order))

#define MODEL_SWAP(p, expected, x, success, failure)                                               \
    MODEL_RAW(__atomic_compare_exchange_n((p), (expected), (x), false, success, failure),          \
              __c11_atomic_compare_exchange_strong((p), (expected), (x), success, failure))

#define atomic_compare_exchange_strong_explicit(p, expected, x, success, failure)                  \
    __extension__({                                                                                \
        MODEL_POINT(p, MODEL_CHANGED, success);                                                    \
        _Bool model_swapped = MODEL_SWAP(p, expected, x, success, failure);                        \
        MODEL_LEFT(p, model_swapped ? MODEL_CHANGED : MODEL_SEEN,                                  \
                   model_swapped ? (success) : (failure));                                         \
        model_swapped;                                                                             \
    })

#if defined(MODEL_COVERAGE) /* which counts every branch where a macro is used */
#define atomic_compare_exchange_weak_explicit(p, expected, x, success, failure)                    \
    atomic_compare_exchange_strong_explicit(p, expected, x, success, failure)
#else
#define atomic_compare_exchange_weak_explicit(p, expected, x, success, failure)                    \
    __extension__({                                                                                \
        MODEL_POINT(p, MODEL_CHANGED, success);                                                    \
        _Bool model_swapped = 0;                                                                   \
        if (model_cas_fails()) {                                                                   \
            *(expected) = MODEL_RAW_LOAD(p, failure);                                              \
        } else {                                                                                   \
            model_swapped = MODEL_SWAP(p, expected, x, success, failure);                          \
        }                                                                                          \
        MODEL_LEFT(p, model_swapped ? MODEL_CHANGED : MODEL_SEEN,                                  \
                   model_swapped ? (success) : (failure));                                         \
        model_swapped;                                                                             \
    })

#endif

#include_next "plat/atomic.h"

#endif
