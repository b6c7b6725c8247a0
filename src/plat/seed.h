/* seed.h - bits that nobody outside of the process can guess
 * SPDX-License-Identifier: MIT
 */
#ifndef PLAT_SEED_H
#define PLAT_SEED_H

#include <stddef.h>

/* Fill size bytes, at most 256. Never fails and never waits: where the system has no such bits to
 * give now, they are mixed from the clock and from addresses. */
void cconc__seed_fill(void *out_bytes, size_t size);

#endif
