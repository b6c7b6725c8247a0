/* edges.h - sites without tags, tags without rows, rows without sides
 * SPDX-License-Identifier: MIT
 *
 * Ordering    edge    one side -> other side
 *             half.1  put(): store rel -> nobody
 *             deaf.1  put(): store rel -> put(): store rel
 *             good.1  put(): store rel -> take(): load acq     what was put
 *             kept.1  put(): under mu -> take(): under mu  (lock)
 *             good.1  put(): the same edge again
 */
#include "plat/atomic.h"

static inline void put(atom_u32 *word)
{
    atom_store_rel(word, 1); /* [half.1] rel: nobody looks */
    atom_store_rel(word, 2); /* [deaf.1] rel: nobody hears */
    /* [deaf.1] rel: a comment of two lines above the site
     * counts as well */
    atom_store_rel(word, 3);
    atom_store_rel(word, 4); /* [good.1] rel: the element */
    atom_store_rel(word, 5);
    atom_store_rel(word, 6); /* [none.1] rel: an edge that no table has */
}

static inline uint32_t take(atom_u32 *word)
{
    uint32_t found = atom_load_rlx(word);
    found += atom_load_rlx(word); /* rlx: a hint */
    if (atom_cas_weak_acqrel_acq(word, &found, 0)) {
        return 0;
    }
    return atom_load_acq(word); /* [good.1] acq: the element */
}

static int slot; /* (e gone.1) */

static inline void post(atom_u32 *word)
{
    atom_store_rel(word, 1); /* [good.1] acq: the comment is wrong */
}
