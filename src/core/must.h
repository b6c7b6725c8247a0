/* must.h - what must hold: of callers, of ourselves, of the control flow
 * SPDX-License-Identifier: MIT
 *
 * MUST tells of misuse by the caller, in all builds, through the misuse hook. MUST_POINT and
 * MUST_ALIGN do so for the pointers that a public function is given: they stand first in it, before
 * anything is read or locked, and keep the rule of base.h. CHECK tells of a broken invariant of our
 * own, in checked builds. NEVER stands where control cannot come. SELDOM keeps a function that a
 * fast path calls at times out of line, so that the path saves no registers for it.
 */
#ifndef CORE_MUST_H
#define CORE_MUST_H

#include <cconc/base.h>

/* Report misuse through the hook; if that returns, abort. */
_Noreturn void cconc__misuse_report(const char *format, ...) CCONC_PRINTF(1, 2) CCONC_COLD;

/* Report that the public function of this name was given pointer, NULL or not aligned. */
_Noreturn void cconc__misuse_pointer(const char *function, const void *pointer) CCONC_COLD;

/* Report a broken invariant and abort. */
_Noreturn void cconc__misuse_broken(const char *fact, const char *file, int line);

/* In a forked child: the hook's lock is free. */
void cconc__misuse_forked(void);

/* A function that stays one wherever it is called. */
#if defined(__GNUC__)
#define APART __attribute__((noinline))
#else
#define APART
#endif

#define MUST(fact, ...)                                                                            \
    do {                                                                                           \
        if (!(fact)) {                                                                             \
            cconc__misuse_report(__VA_ARGS__);                                                     \
        }                                                                                          \
    } while (0)

static inline bool must_is_aligned(const void *pointer, size_t alignment)
{
    return ((uintptr_t)pointer & (alignment - 1)) == 0;
}

/* pointer may be NULL, and is aligned for type. */
#define MUST_ALIGN(pointer, type)                                                                  \
    do {                                                                                           \
        if (!must_is_aligned((pointer), _Alignof(type))) {                                         \
            cconc__misuse_pointer(__func__, (pointer));                                            \
        }                                                                                          \
    } while (0)

/* pointer is not NULL, and is aligned for type. */
#define MUST_POINT(pointer, type)                                                                  \
    do {                                                                                           \
        if (!(pointer) || !must_is_aligned((pointer), _Alignof(type))) {                           \
            cconc__misuse_pointer(__func__, (pointer));                                            \
        }                                                                                          \
    } while (0)

/* Tell whether count reserved words of an options struct are zero, as they must be: else EINVAL. */
static inline bool reserved_are_zero(const uint64_t *words, size_t count)
{
    uint64_t all = 0;
    for (size_t i = 0; i < count; i++) {
        all |= words[i];
    }
    return all == 0;
}

#if defined(CCONC_CHECKED)
#define CHECK(fact) ((fact) ? (void)0 : cconc__misuse_broken(#fact, __FILE__, __LINE__))
#else
#define CHECK(fact) ((void)0)
#endif

#define NEVER() cconc__misuse_broken("unreachable", __FILE__, __LINE__)

#endif
