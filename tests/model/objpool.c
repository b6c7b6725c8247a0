/* objpool.c - interleavings of object pools: what is lent, retained and destroyed.
 * SPDX-License-Identifier: MIT
 *
 * Risk     An object that is lent to two, is lost, or is destroyed twice or while it is lent; a
 *          retained object that a get does not find; a store beyond its limits.
 * Method   Scenarios of the deterministic tester, two to three threads each; histories.
 * Catches  Slots that a trim and the owner empty both; second looks and counts that are missing;
 *          L2: limits that are not asked; L8: ages off by one.
 */
#include "objpool_help.h"

/* ---- get and put ---------------------------------------------------------------------------- */

MODEL_SCENARIO(objpool_two_borrowers_never_share, .goals = "one two")
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

MODEL_SCENARIO(objpool_put_meets_get, .exhaustive = true, .goals = "again new")
{
    env *e = env_new((cconc_objpool_opts){.cache = CCONC_OBJPOOL_NO_CACHE});
    thing *t = env_get(e);
    model_spawn(gets, e);
    cconc_objpool_put(e->pool, t);
    model_join_all();
    model_cover(e->got == t ? "again" : "new");
    MODEL_EQ(e->got->uses, e->got == t ? 2 : 1);
    cconc_objpool_put(e->pool, e->got);
    env_free(e);
    MODEL_EQ(e->gone, e->made);
}

MODEL_SCENARIO(objpool_last_object_goes_to_one, .exhaustive = true, .goals = "main other")
{
    env *e = env_new((cconc_objpool_opts){.cache = CCONC_OBJPOOL_NO_CACHE});
    thing *mine;
    borrows(e);
    model_spawn(gets, e);
    mine = env_get(e);
    model_join_all();
    MODEL_CHECK(mine != e->got);
    MODEL_EQ(mine->number + e->got->number, 1);
    model_cover(mine->number == 0 ? "main" : "other");
    cconc_objpool_put(e->pool, mine);
    cconc_objpool_put(e->pool, e->got);
    env_free(e);
    MODEL_EQ(e->gone, 2);
}

/* Two threads refill their caches from one store. */
MODEL_SCENARIO(objpool_refill_takes_from_the_store_once, .exhaustive = true)
{
    env *e = env_new((cconc_objpool_opts){.cache = 2});
    thing *mine;
    model_spawn(borrows_three, e);
    model_join_all(); /* its cache is handed over: three in the store */
    model_spawn(gets, e);
    mine = env_get(e);
    model_join_all();
    MODEL_CHECK(mine != e->got);
    MODEL_EQ(model_get(&e->next), 3);
    cconc_objpool_put(e->pool, mine);
    cconc_objpool_put(e->pool, e->got);
    env_free(e);
    MODEL_EQ(e->gone, 3);
}

/* ---- limits --------------------------------------------------------------------------------- */

MODEL_SCENARIO(objpool_two_puts_at_the_limit, .exhaustive = true, .covers = "L2",
               .goals = "main other")
{
    env *e = env_new((cconc_objpool_opts){.cache = CCONC_OBJPOOL_NO_CACHE, .max_count = 1});
    cconc_objpool_counts counts;
    thing *mine = env_get(e);
    e->got = env_get(e);
    model_spawn(puts_back, e);
    cconc_objpool_put(e->pool, mine);
    model_join_all();
    cconc_objpool_read(e->pool, &counts);
    MODEL_EQ(counts.retained, 1);
    MODEL_EQ(counts.destroyed, 1);
    MODEL_EQ(counts.lent, 0);
    MODEL_CHECK(mine->is_gone != e->got->is_gone);
    model_cover(mine->is_gone ? "main" : "other");
    env_free(e);
    MODEL_EQ(e->gone, 2);
}

static size_t thing_bytes(void *user, void *object)
{
    (void)user;
    return ((thing *)object)->number == 0 ? 10 : 5;
}

MODEL_SCENARIO(objpool_two_puts_at_the_limit_of_bytes, .exhaustive = true, .covers = "L2",
               .goals = "large small")
{
    env *e = env_new((cconc_objpool_opts){
        .cache = CCONC_OBJPOOL_NO_CACHE, .max_bytes = 12, .object_size = thing_bytes});
    cconc_objpool_counts counts;
    thing *large = env_get(e);
    e->got = env_get(e);
    model_spawn(puts_back, e);
    cconc_objpool_put(e->pool, large);
    model_join_all();
    cconc_objpool_read(e->pool, &counts);
    MODEL_EQ(counts.retained, 1);
    MODEL_EQ(counts.store_bytes, large->is_gone ? 5 : 10);
    model_cover(large->is_gone ? "small" : "large");
    env_free(e);
    MODEL_EQ(e->gone, 2);
}

/* Refused objects go, in both threads, and leave nothing behind. */
MODEL_SCENARIO(objpool_reset_refuses, .exhaustive = true)
{
    env *e = env_new((cconc_objpool_opts){.cache = 1});
    thing *mine = env_get(e);
    cconc_objpool_counts counts;
    e->refuses = true;
    e->got = env_get(e);
    model_spawn(puts_back, e);
    cconc_objpool_put(e->pool, mine);
    model_join_all();
    cconc_objpool_read(e->pool, &counts);
    MODEL_EQ(counts.retained, 0);
    MODEL_EQ(counts.destroyed, 2);
    env_free(e);
    MODEL_EQ(e->gone, 2);
}

/* ---- trim ----------------------------------------------------------------------------------- */

MODEL_SCENARIO(objpool_put_meets_trim, .exhaustive = true, .covers = "L8", .goals = "aged fresh")
{
    env *e = env_new((cconc_objpool_opts){.cache = CCONC_OBJPOOL_NO_CACHE});
    thing *t = env_get(e);
    model_spawn(trims, e);
    cconc_objpool_put(e->pool, t);
    model_join_all();
    MODEL_CHECK(!t->is_gone); /* survives one trim */
    cconc_objpool_trim(e->pool);
    model_cover(t->is_gone ? "aged" : "fresh");
    cconc_objpool_trim(e->pool);
    MODEL_CHECK(t->is_gone); /* not two */
    env_free(e);
    MODEL_EQ(e->gone, 1);
}

MODEL_SCENARIO(objpool_get_meets_the_last_trim, .exhaustive = true, .goals = "lent destroyed")
{
    env *e = env_new((cconc_objpool_opts){.cache = CCONC_OBJPOOL_NO_CACHE});
    thing *t;
    borrows(e);
    cconc_objpool_trim(e->pool);
    model_spawn(trims, e);
    t = env_get(e);
    model_join_all();
    model_cover(t->number == 0 ? "lent" : "destroyed");
    MODEL_EQ(e->things[0].is_gone, t->number != 0);
    cconc_objpool_put(e->pool, t);
    env_free(e);
    MODEL_EQ(e->gone, e->made);
}

/* The same for a slot of a cache: the owner or the trim empties it. */
MODEL_SCENARIO(objpool_owner_meets_the_last_trim, .exhaustive = true, .goals = "lent destroyed")
{
    env *e = env_new((cconc_objpool_opts){.cache = 1});
    thing *t;
    borrows(e);
    cconc_objpool_trim(e->pool);
    model_spawn(trims, e);
    t = env_get(e);
    model_join_all();
    model_cover(t->number == 0 ? "lent" : "destroyed");
    MODEL_EQ(e->things[0].is_gone, t->number != 0);
    cconc_objpool_put(e->pool, t);
    env_free(e);
    MODEL_EQ(e->gone, e->made);
}

/* The owner takes its object and fills the slot anew while a trim looks at it: what the trim finds
 * then is fresh, and stays. */
MODEL_SCENARIO(objpool_owner_fills_a_slot_that_is_trimmed, .exhaustive = true,
               .goals = "kept destroyed")
{
    env *e = env_new((cconc_objpool_opts){.cache = 1});
    cconc_objpool_counts counts;
    borrows(e);
    cconc_objpool_trim(e->pool);
    model_spawn(trims, e);
    borrows(e);
    model_join_all();
    env_count(e);
    cconc_objpool_read(e->pool, &counts);
    MODEL_EQ(counts.retained, 1);
    MODEL_EQ(e->made - e->gone, 1);
    MODEL_CHECK(e->made == 1 || e->things[0].is_gone);
    model_cover(e->gone ? "destroyed" : "kept");
    env_free(e);
    MODEL_EQ(e->gone, e->made);
}

/* A full cache is flushed while a trim goes through it. */
MODEL_SCENARIO(objpool_flush_meets_trim, .exhaustive = true, .covers = "L2")
{
    env *e = env_new((cconc_objpool_opts){.cache = 2});
    cconc_objpool_counts counts;
    thing *extra = env_get(e);
    borrows_three(e); /* two in the cache, one in the store */
    cconc_objpool_trim(e->pool);
    model_spawn(trims, e);
    cconc_objpool_put(e->pool, extra);
    model_join_all();
    env_count(e);
    cconc_objpool_read(e->pool, &counts);
    MODEL_EQ(counts.retained, e->made - e->gone);
    MODEL_CHECK(!extra->is_gone);
    env_free(e);
    MODEL_EQ(e->gone, e->made);
}

/* What a trim takes from the cache of another thread is all there. */
MODEL_SCENARIO(objpool_trims_reach_the_cache_of_another_thread,
               .covers = "L2 L7", .goals = "in_time later")
{
    env *e = env_new((cconc_objpool_opts){.cache = 1});
    model_spawn(borrows, e);
    cconc_objpool_trim(e->pool);
    cconc_objpool_trim(e->pool);
    model_join_all();
    env_count(e);
    model_cover(e->gone ? "in_time" : "later");
    env_free(e);
    MODEL_EQ(e->gone, 1);
}

/* What a refill brings into a cache stays as old as it was. */
MODEL_SCENARIO(objpool_refill_keeps_the_age, .exhaustive = true, .covers = "L8",
               .goals = "refilled taken")
{
    env *e = env_new((cconc_objpool_opts){.cache = 2});
    thing *t;
    model_spawn(borrows_three, e);
    model_join_all(); /* three in the store */
    cconc_objpool_trim(e->pool);
    model_spawn(trims, e);
    t = env_get(e);
    model_join_all();
    env_count(e);
    MODEL_EQ(e->gone, t->number < 3 ? 2 : 3);
    model_cover(t->number < 3 ? "refilled" : "taken");
    cconc_objpool_put(e->pool, t);
    env_free(e);
    MODEL_EQ(e->gone, e->made);
}

MODEL_SCENARIO(objpool_two_trims, .exhaustive = true)
{
    env *e = env_new((cconc_objpool_opts){.cache = CCONC_OBJPOOL_NO_CACHE});
    borrows(e);
    model_spawn(trims, e);
    cconc_objpool_trim(e->pool);
    model_join_all();
    MODEL_CHECK(e->things[0].is_gone);
    env_free(e);
    MODEL_EQ(e->gone, 1);
}

/* ---- histories ------------------------------------------------------------------------------ */

enum { OP_GET, OP_PUT, OP_TRIM };

/* The sequential object: sets of things by number. */
typedef struct sets {
    uint32_t made;
    uint32_t fresh;
    uint32_t aged;
    uint32_t hidden; /* so many retained ones a get may not find: others' caches */
    uint32_t most;
} sets;

static sets start;

static void sets_init(void *state)
{
    *(sets *)state = start;
}

static bool sets_get(sets *s, uint32_t bit)
{
    uint32_t retained = s->fresh | s->aged;
    if (s->made & bit) {
        s->fresh &= ~bit;
        s->aged &= ~bit;
        return (retained & bit) != 0;
    }
    s->made |= bit;
    return (uint32_t)__builtin_popcount(retained) <= s->hidden;
}

static bool sets_apply(void *state, int op, int64_t arg, int code, int64_t value)
{
    sets *s = state;
    if (op == OP_GET) {
        return code == 0 && sets_get(s, 1u << value);
    }
    if (op == OP_PUT && (uint32_t)__builtin_popcount(s->fresh | s->aged) < s->most) {
        s->fresh |= 1u << arg;
    }
    if (op == OP_TRIM) {
        s->aged = s->fresh;
        s->fresh = 0;
    }
    return true;
}

static const model_spec spec = {sizeof(sets), sets_init, sets_apply};

static void borrows_noting(void *arg)
{
    env *e = arg;
    uint32_t id = model_begin(OP_GET, 0);
    thing *t = env_get(e);
    model_end(id, 0, t->number);
    id = model_begin(OP_PUT, t->number);
    cconc_objpool_put(e->pool, t);
    model_end(id, 0, 0);
}

static void borrows_twice_noting(void *arg)
{
    borrows_noting(arg);
    borrows_noting(arg);
}

static void trims_noting(void *arg)
{
    uint32_t id = model_begin(OP_TRIM, 0);
    cconc_objpool_trim(((env *)arg)->pool);
    model_end(id, 0, 0);
}

MODEL_SCENARIO(objpool_calls_look_atomic)
{
    env *e = env_new((cconc_objpool_opts){.cache = CCONC_OBJPOOL_NO_CACHE, .max_count = 1});
    start = (sets){.most = 1};
    model_spawn(borrows_noting, e);
    borrows_twice_noting(e);
    model_join_all();
    model_check_history(&spec);
    env_free(e);
}

/* A put that a trim overtakes is as old as if it had come before, but not found before its end. */
MODEL_SCENARIO(objpool_calls_and_trims_look_atomic, .bound = 2)
{
    env *e = env_new((cconc_objpool_opts){.cache = CCONC_OBJPOOL_NO_CACHE});
    start = (sets){.most = 8, .hidden = 1};
    model_spawn(borrows_noting, e);
    model_spawn(trims_noting, e);
    borrows_noting(e);
    trims_noting(e);
    borrows_noting(e);
    model_join_all();
    model_check_history(&spec);
    env_free(e);
}

MODEL_SCENARIO(objpool_calls_with_caches_look_atomic)
{
    env *e = env_new((cconc_objpool_opts){.cache = 1});
    start = (sets){.most = 8, .hidden = 1};
    model_spawn(borrows_twice_noting, e);
    borrows_twice_noting(e);
    model_join_all();
    model_check_history(&spec);
    env_free(e);
}
