/* text.h - text made of a format, cut to the room that there is
 * SPDX-License-Identifier: MIT
 */
#ifndef PLAT_TEXT_H
#define PLAT_TEXT_H

#include <stdarg.h>
#include <stddef.h>

#include <cconc/base.h>

/* Write what format and what follows say into out, of size bytes with the zero at the end. */
void cconc__text_print(char *out, size_t size, const char *format, ...) CCONC_PRINTF(3, 4);
void cconc__text_format(char *out, size_t size, const char *format, va_list args)
    CCONC_PRINTF(3, 0);

/* Write text into out. */
void cconc__text_copy(char *out, size_t size, const char *text);

#endif
