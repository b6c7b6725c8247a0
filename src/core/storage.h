/* storage.h - whose memory an object lies in: the library's, or storage of the caller's
 * SPDX-License-Identifier: MIT
 *
 * An object keeps one bit, in_storage. The calls that end its use are the same in both cases.
 */
#ifndef CORE_STORAGE_H
#define CORE_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <cconc/static.h>

#include "plat/fork.h"

/* Does an object of type fit into that type of storage, wherever it lies? */
#define STORAGE_FITS(type, storage)                                                                \
    (sizeof(type) <= sizeof(storage) && _Alignof(type) <= _Alignof(storage))

/* Let storage be as memory of the allocator's is: zeroed, and whoever has it told from its forked
 * children. */
static inline void *storage_clear(void *storage, size_t size)
{
    (void)plat_fork_is_ours(); /* the first look makes the mark */
    return memset(storage, 0, size);
}

/* Give the memory of an object back, if it is the allocator's. */
void cconc__storage_leave(void *object, bool in_storage);

#endif
