/* copy.h - a copy of the library inside a program, and what is asked of it
 * SPDX-License-Identifier: MIT
 */
#ifndef CCONC_TESTS_AMALGAMATION_COPY_H
#define CCONC_TESTS_AMALGAMATION_COPY_H

#include <stddef.h>

typedef struct copy {
    int (*use_own_memory)(void);
    int (*sum_of_squares)(long *out_sum); /* by a group, a channel and a context */
    size_t (*allocations)(void);          /* so far */
    int (*shutdown)(void);
} copy;

extern const copy left;
extern const copy right;

#endif
