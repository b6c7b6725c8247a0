/* text.c - text made of a format, cut to the room that there is
 * SPDX-License-Identifier: MIT
 *
 * Idea        The C library's own, in one place, so that a machine without stdio has one function
 *             to give.
 * Invariants  I1 What is written ends with a zero, and lies in the room given.
 * Locks       None.
 * Ordering    None.
 * Lifetime    Nothing is kept.
 * Rejected    A formatter of our own: causes of contexts are written with what formats the caller
 *             likes. */
#include "plat/text.h"

#include <stdarg.h>
#include <stddef.h>

#include "plat/port.h"

#if !defined(CCONC_PLAT_HEADER)
#include <stdio.h>
#endif

void cconc__text_print(char *out, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    cconc__text_format(out, size, format, args);
    va_end(args);
}

void cconc__text_copy(char *out, size_t size, const char *text)
{
    size_t at = 0;
    while (text[at] != '\0' && at + 1 < size) {
        out[at] = text[at];
        at++;
    }
    out[at] = '\0';
}

void cconc__text_format(char *out, size_t size, const char *format, va_list args)
{
#if defined(CCONC_PLAT_HEADER)
    cconc_port_format(out, size, format, args);
#else
    (void)vsnprintf(out, size, format, args);
#endif
}
