/* alloc.h - memory, through the allocator that the process has chosen
 * SPDX-License-Identifier: MIT
 */
#ifndef PLAT_ALLOC_H
#define PLAT_ALLOC_H

#include <stddef.h>
#include <stdint.h>

#include "plat/atomic.h"

/* Give size bytes of zeroed memory, or NULL. */
void *cconc__alloc(size_t size);

/* Take memory back; NULL is a no-op. */
void cconc__alloc_free(void *memory);

/* Give where the first cache line of memory begins, which has ATOM_LINE - 1 bytes to spare. */
static inline void *alloc_first_line(void *memory)
{
    size_t past = (uintptr_t)memory % ATOM_LINE;
    return (unsigned char *)memory + (past ? ATOM_LINE - past : 0);
}

/* Choose the allocator. Returns 0, or EBUSY once memory was given. */
int cconc__alloc_choose(void *(*alloc_fn)(size_t size, void *user),
                        void (*free_fn)(void *memory, void *user), void *user);

#endif
