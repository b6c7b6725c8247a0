/* must.h - what must hold: of callers, of ourselves, of the control flow
 * SPDX-License-Identifier: MIT
 *
 * MUST tells of misuse by the caller, in all builds, through the misuse hook. CHECK tells of a
 * broken invariant of our own, in checked builds. NEVER stands where control cannot come.
 */
#ifndef CORE_MUST_H
#define CORE_MUST_H

#include <cconc/base.h>

/* Report misuse through the hook; if that returns, abort. */
_Noreturn void cconc__misuse_report(const char *format, ...) CCONC_PRINTF(1, 2);

/* Report a broken invariant and abort. */
_Noreturn void cconc__misuse_broken(const char *fact, const char *file, int line);

#define MUST(fact, ...)                                                                            \
    do {                                                                                           \
        if (!(fact)) {                                                                             \
            cconc__misuse_report(__VA_ARGS__);                                                     \
        }                                                                                          \
    } while (0)

#if defined(CCONC_CHECKED)
#define CHECK(fact) ((fact) ? (void)0 : cconc__misuse_broken(#fact, __FILE__, __LINE__))
#else
#define CHECK(fact) ((void)0)
#endif

#define NEVER() cconc__misuse_broken("unreachable", __FILE__, __LINE__)

#endif
