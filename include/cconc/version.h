/* version.h - which version of libcconc this is; the build and the packages read it from here.
 * SPDX-License-Identifier: MIT
 */
#ifndef CCONC_VERSION_H
#define CCONC_VERSION_H

#include <cconc/base.h>

#define CCONC_VERSION_MAJOR 0
#define CCONC_VERSION_MINOR 1
#define CCONC_VERSION_PATCH 0

/* Rises when a released symbol, constant or struct layout changes; the N of libcconc.so.N. */
#define CCONC_ABI_VERSION 0

#define CCONC_VERSION_STRING "0.1.0"

/* 0xMMmmpp, so that versions compare as numbers. */
#define CCONC_VERSION_NUMBER                                                                       \
    ((CCONC_VERSION_MAJOR << 16) | (CCONC_VERSION_MINOR << 8) | CCONC_VERSION_PATCH)

CCONC_BEGIN_DECLS

/* Give the CCONC_VERSION_NUMBER that the library in use was built as. */
CCONC_API uint32_t cconc_version_number(void);

/* Give the CCONC_VERSION_STRING that the library in use was built as. */
CCONC_API const char *cconc_version_string(void);

CCONC_END_DECLS

#endif
