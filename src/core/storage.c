/* storage.c - whose memory an object lies in: the library's, or storage of the caller's
 * SPDX-License-Identifier: MIT
 *
 * Idea        An object in storage differs from another in where its memory goes when it ends:
 *             nowhere.
 * Invariants  I1 Nobody but the caller of free holds an object that may lie in storage: its memory
 *                is the caller's as soon as free returns.
 * Locks       None.
 * Ordering    None.
 * Lifetime    The caller's.
 * Rejected    A header before each object that says whose it is: 8 to 16 bytes each. A wait in free
 *             for what threads of the library hold: no object that such threads hold can do without
 *             an allocator (0020). */
#include "core/storage.h"

#include "plat/alloc.h"

void cconc__storage_leave(void *object, bool in_storage)
{
    if (!in_storage) {
        cconc__alloc_free(object);
    }
}
