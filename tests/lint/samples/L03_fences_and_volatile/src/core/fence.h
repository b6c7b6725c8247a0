/* fence.h - orders that nobody can check
 * SPDX-License-Identifier: MIT
 *
 * Ordering    lone.1  post(): store sc -> look(): load acq   a message
 */
#include "plat/atomic.h"

typedef struct box {
    atom_u32 full; /* (a) */
} box;

static volatile int ready;

static inline void post(box *b)
{
    atom_store_sc(&b->full, 1); /* [lone.1] sc, and no pair */
    atomic_thread_fence(memory_order_seq_cst);
}

static inline uint32_t look(box *b)
{
    b->full.v++;
    b->full = (atom_u32){0};
    if (atomic_load(&ready)) {
        return 0;
    }
    return atom_load_acq(&b->full); /* [lone.1] acq: the message */
}
