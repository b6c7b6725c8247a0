/* seed.c - bits that nobody outside of the process can guess
 * SPDX-License-Identifier: MIT
 *
 * Idea        The system's own generator. A table keyed by such bits cannot be filled by chosen
 *             keys that all fall into one bucket.
 * Invariants  I1 errno is as it was.
 * Locks       None.
 * Ordering    None.
 * Lifetime    A count is kept.
 * Rejected    Waiting for a system that has just started to gather entropy: a constructor would
 *             hang there. The clock alone: it can be guessed to a few thousand values. */
#include "plat/seed.h"

#include "plat/atomic.h"
#include "plat/clock.h"
#include "plat/os.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#if !defined(CCONC_PLAT_HEADER)
#if defined(__linux__)
#include <sys/random.h>
#elif defined(__APPLE__)
#include <sys/random.h>
#include <unistd.h>
#else
#include <unistd.h>
#endif
#endif

static atom_u32 count; /* (a) of seeds that were not the system's */

static bool seed_from_system(void *out_bytes, size_t size)
{
#if defined(CCONC_PLAT_HEADER)
    (void)out_bytes;
    (void)size;
    return false; /* a port has none */
#elif defined(__linux__)
    return getrandom(out_bytes, size, GRND_NONBLOCK) == (ssize_t)size;
#else
    return getentropy(out_bytes, size) == 0;
#endif
}

/* SplitMix64 (Steele, Lea, Flood 2014) from the time, from where code, stack and out_bytes lie, and
 * from how often that was: a clock may stand for 10 ms. The product keeps a distance in memory from
 * making up for one in time. */
static void seed_from_here(void *out_bytes, size_t size)
{
    unsigned char *at = out_bytes;
    uint64_t state = (uint64_t)plat_clock_real() ^ ((uint64_t)(uintptr_t)&state << 20) ^
                     (uint64_t)(uintptr_t)&seed_from_system ^
                     (uint64_t)(uintptr_t)out_bytes * UINT64_C(0xD1342543DE82EF95);
    state += atom_add_rlx(&count, 1) * UINT64_C(0xDA942042E4DD58B5); /* rlx: it is a number */
    for (size_t i = 0; i < size; i++) {
        uint64_t z = (state += UINT64_C(0x9E3779B97F4A7C15));
        z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
        at[i] = (unsigned char)(z >> 56);
    }
}

void cconc__seed_fill(void *out_bytes, size_t size)
{
    int saved = os_errno();
    if (!seed_from_system(out_bytes, size)) {
        seed_from_here(out_bytes, size);
    }
    os_errno_restore(saved);
}
