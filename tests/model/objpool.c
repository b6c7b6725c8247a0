/* objpool.c - interleavings of object pools: what is lent, retained and destroyed.
 * SPDX-License-Identifier: MIT
 *
 * Risk     An object that is lent to two, is lost, or is destroyed twice or while it is lent; a
 *          retained object that a get does not find; a store beyond its limits.
 * Method   Scenarios of the deterministic tester, two to three threads each; histories.
 * Catches  Slots that a trim and the owner empty both; second looks and counts that are missing;
 *          L2: limits that are not asked; X4: what a failed allocation leaves behind.
 */
#include "objpool_help.h"

/* ---- get and put ---------------------------------------------------------------------------- */

MODEL_SCENARIO(objpool_two_borrowers_never_share, .exhaustive = true, .goals = "one two")
{
    env *e = env_new((cconc_objpool_opts){.cache = CCONC_OBJPOOL_NO_CACHE});
    model_spawn(borrows, e);
    borrows(e);
    model_join_all();
    env_count(e);
    model_cover(e->made == 1 ? "one" : "two");
    env_free(e);
    MODEL_EQ(e->gone, e->made);
}

MODEL_SCENARIO(objpool_two_borrowers_with_caches, .goals = "one two")
{
    env *e = env_new((cconc_objpool_opts){.cache = 1});
    model_spawn(borrows, e);
    borrows(e);
    model_join_all();
    env_count(e);
    model_cover(e->made == 1 ? "one" : "two");
    MODEL_EQ(cconc_objpool_lent(e->pool), 0);
    env_free(e);
    MODEL_EQ(e->gone, e->made);
}

MODEL_SCENARIO(objpool_store_has_a_limit, .goals = "kept destroyed")
{
    env *e = env_new((cconc_objpool_opts){.cache = CCONC_OBJPOOL_NO_CACHE, .max_count = 1});
    cconc_objpool_counts counts;
    model_spawn(borrows, e);
    borrows(e);
    model_join_all();
    env_count(e);
    cconc_objpool_read(e->pool, &counts);
    MODEL_EQ(counts.retained, 1);
    MODEL_EQ(e->gone, e->made - 1);
    model_cover(e->gone == 0 ? "kept" : "destroyed");
    env_free(e);
    MODEL_EQ(e->gone, e->made);
}
