/* ref.h - reference counts that saturate
 * SPDX-License-Identifier: MIT
 *
 * A count that was ever driven to REF_STUCK stays there: the object leaks, and is never freed
 * twice.
 */
#ifndef CORE_REF_H
#define CORE_REF_H

#include <stdbool.h>
#include <stdint.h>

#include "plat/atomic.h"

#define REF_STUCK 0x80000000u

typedef struct ref {
    atom_u32 count; /* (a) [ref.1] */
} ref;

static inline void ref_init(ref *r, uint32_t count)
{
    atom_init(&r->count, count);
}

static inline uint32_t ref_count(const ref *r)
{
    return atom_load_rlx(&r->count); /* rlx: a hint */
}

/* Is that all? Then all that others did before their puts has happened. */
static inline bool ref_is(const ref *r, uint32_t count)
{
    return atom_load_acq(&r->count) == count; /* [ref.1] acq: everybody's use */
}

/* The caller has a reference already. */
static inline void ref_get(ref *r)
{
    if (atom_add_rlx(&r->count, 1) >= REF_STUCK) { /* rlx: holding one orders the rest */
        atom_store_rlx(&r->count, REF_STUCK);      /* rlx: stays far above zero whatever races */
    }
}

/* Returns true if that was the last one; all that others did before their put has then happened. */
static inline bool ref_put(ref *r)
{
    uint32_t before = atom_sub_acqrel(&r->count, 1); /* [ref.1] rel: our use; acq: everybody's */
    if (before >= REF_STUCK) {
        atom_store_rlx(&r->count, REF_STUCK); /* rlx: as in ref_get */
        return false;
    }
    return before == 1;
}

#endif
