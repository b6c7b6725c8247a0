/* base.h - what every public header shares: attributes, linkage, and the names of the objects.
 * SPDX-License-Identifier: MIT
 *
 * Status codes are 0 or a positive errno value; errno itself is neither read nor set. In a forked
 * child, until cconc_fork_child, every wait that would block, on whatever object, and every call
 * that needs a thread of the library returns ENOTRECOVERABLE, or just returns if it has no code.
 * Times are int64_t nanoseconds of the library clock (clock.h); a deadline is absolute, CCONC_NEVER
 * is none.
 *
 * Pointers. A context may be NULL: it never ends. free of NULL does nothing. Where else NULL has a
 * meaning, or a code, the header of the function says so. Everywhere else a pointer that is NULL,
 * and everywhere one that is not aligned for its type, is misuse, told through the misuse hook
 * (process.h) in all builds: "sem acquire of NULL", "chan send of a misaligned pointer". What goes
 * through void pointers, elements and keys, may have any alignment. docs/misuse.md lists what is
 * told.
 */
#ifndef CCONC_BASE_H
#define CCONC_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define CCONC_BEGIN_DECLS extern "C" {
#define CCONC_END_DECLS }
#define CCONC_POINTER_CAST(T, pointer) reinterpret_cast<T>(pointer)
#else
#define CCONC_BEGIN_DECLS
#define CCONC_END_DECLS
#define CCONC_POINTER_CAST(T, pointer) ((T)(pointer))
#endif

#if defined(__GNUC__) || defined(__clang__)
#define CCONC_EXPORTED __attribute__((__visibility__("default")))
#define CCONC_NODISCARD __attribute__((__warn_unused_result__))
#define CCONC_UNUSED __attribute__((__unused__))
#define CCONC_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#define CCONC_COLD __attribute__((__cold__))
#else
#define CCONC_EXPORTED
#define CCONC_NODISCARD
#define CCONC_UNUSED
#define CCONC_PRINTF(text, first)
#define CCONC_COLD
#endif

/* Not all that say they are gcc have these. */
#if defined(__ATOMIC_ACQUIRE)
#define CCONC_HAS_ATOMIC_BUILTINS 1
#endif

/* Can what pointer is be no object at all? Other than NULL, which is asked for by itself. */
#define CCONC_IS_MISALIGNED(pointer)                                                               \
    ((CCONC_POINTER_CAST(uintptr_t, pointer) & (sizeof(void *) - 1)) != 0)

/* What stands before each function; a copy of the library that is dropped in may have another. */
#ifndef CCONC_API
#define CCONC_API CCONC_EXPORTED
#endif

/* The deadline that is never reached. */
#define CCONC_NEVER INT64_MAX

CCONC_BEGIN_DECLS

typedef struct cconc_chan cconc_chan;
typedef struct cconc_counter cconc_counter;
typedef struct cconc_ctx cconc_ctx;
typedef struct cconc_flight cconc_flight;
typedef struct cconc_future cconc_future;
typedef struct cconc_group cconc_group;
typedef struct cconc_limiter cconc_limiter;
typedef struct cconc_limiter_keyed cconc_limiter_keyed;
typedef struct cconc_objpool cconc_objpool;
typedef struct cconc_once cconc_once;
typedef struct cconc_pool cconc_pool;
typedef struct cconc_sem cconc_sem;
typedef struct cconc_sometimes cconc_sometimes;
typedef struct cconc_ticker cconc_ticker;
typedef struct cconc_timer cconc_timer;
typedef struct cconc_waitgroup cconc_waitgroup;

/* What runs concurrently: 0, or an error code of the task's own. ctx is borrowed for the call. */
typedef int (*cconc_task_fn)(cconc_ctx *ctx, void *arg);

CCONC_END_DECLS

#endif
