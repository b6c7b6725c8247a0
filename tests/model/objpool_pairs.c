/* objpool_pairs.c - any call on an object pool beside any other
 * SPDX-License-Identifier: MIT
 *
 * Risk     Two calls that nobody thought of together, or one and the end of a thread: an object
 *          that both have, one that nobody has any more.
 * Method   Each call meets each on another thread, which then ends, on pools without caches, with
 *          small and with large ones, with room for one object in the store, and with a reset that
 *          refuses. Afterwards each object is lent, retained or destroyed, the counts say so, and
 *          the pool still does what a new one does.
 * Catches  Objects that are put into a cache while it is taken away, counts of a cache that are
 *          summed twice or not at all, objects that age and are lent at a time.
 */
#include "objpool_help.h"

typedef struct setup {
    uint32_t cache;
    size_t   max_count;
    bool     refuses;
} setup;

static const setup setups[] = {
    {CCONC_OBJPOOL_NO_CACHE, 1, false},
    {1, 1, false},
    {0, 0, false},
    {1, 2, true},
};

enum { SETUPS = sizeof(setups) / sizeof(setups[0]), MOST = 3 };

/* A thread that makes one call. */
typedef struct caller {
    env     *e;
    thing   *lent; /* has it before, or after */
    uint32_t gets; /* calls of get */
} caller;

static thing *get(caller *c)
{
    c->gets++;
    return env_get(c->e);
}

static void gets_one(caller *c)
{
    if (c->lent) {
        cconc_objpool_put(c->e->pool, c->lent);
    }
    c->lent = get(c);
}

static void puts_one(caller *c)
{
    cconc_objpool_put(c->e->pool, c->lent);
    c->lent = NULL;
}

static void borrows_one(caller *c)
{
    cconc_objpool_put(c->e->pool, get(c));
}

static void borrows_two(caller *c)
{
    thing *first = get(c);
    thing *second = get(c);
    cconc_objpool_put(c->e->pool, first);
    cconc_objpool_put(c->e->pool, second);
}

static void trims_once(caller *c)
{
    cconc_objpool_trim(c->e->pool);
}

static void trims_twice(caller *c)
{
    cconc_objpool_trim(c->e->pool);
    cconc_objpool_trim(c->e->pool);
}

static void looks_at_lent(caller *c)
{
    MODEL_CHECK(cconc_objpool_lent(c->e->pool) <= THINGS);
}

static void reads(caller *c)
{
    cconc_objpool_counts counts;
    cconc_objpool_read(c->e->pool, &counts);
    MODEL_CHECK(counts.lent <= THINGS && counts.retained <= THINGS);
    MODEL_CHECK(counts.threads <= MOST && counts.created <= THINGS && counts.destroyed <= THINGS);
    MODEL_CHECK(counts.store_bytes <= THINGS * sizeof(thing));
}

static void (*const calls[])(caller *c) = {
    gets_one,   puts_one,    borrows_one,   borrows_two,
    trims_once, trims_twice, looks_at_lent, reads,
};

enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static void makes_any_call(void *arg)
{
    calls[model_choose(CALLS)](arg);
}

/* What is counted is what there is: nothing moves any more. */
static void must_be_kept(env *e, size_t lent, size_t gets)
{
    cconc_objpool_counts counts;
    env_count(e);
    cconc_objpool_read(e->pool, &counts);
    MODEL_EQ(counts.lent, lent);
    MODEL_EQ(cconc_objpool_lent(e->pool), lent);
    MODEL_EQ(counts.gets, gets);
    MODEL_EQ(counts.created, e->made);
    MODEL_EQ(counts.destroyed, e->gone);
    MODEL_EQ(counts.retained, e->made - e->gone - lent);
    MODEL_CHECK(counts.threads <= 1);
}

/* What is put is got again, and goes when nobody uses it. */
static void must_be_as_new(env *e, size_t gets)
{
    thing *first;
    e->refuses = false;
    borrows(e);
    env_count(e);
    first = env_get(e);
    cconc_objpool_put(e->pool, first);
    MODEL_EQ(model_get(&e->next), e->made);
    must_be_kept(e, 0, gets + 2);
    for (int i = 0; i < 3; i++) {
        cconc_objpool_trim(e->pool);
    }
    env_count(e);
    MODEL_EQ(e->gone, e->made);
    must_be_kept(e, 0, gets + 2);
}

static void meet(void (*call)(caller *c), uint32_t others)
{
    const setup *how = &setups[model_choose(SETUPS)];
    env *e = env_new((cconc_objpool_opts){.cache = how->cache, .max_count = how->max_count});
    caller *all[MOST];
    size_t lent = 0;
    size_t gets = 0;
    for (uint32_t i = 0; i <= others; i++) {
        all[i] = model_zalloc(sizeof(*all[i]));
        all[i]->e = e;
        all[i]->lent = get(all[i]);
    }
    borrows_two(all[0]); /* idle: one in the cache, if there is one, one in the store */
    e->refuses = how->refuses;
    for (uint32_t i = 1; i <= others; i++) {
        model_spawn(makes_any_call, all[i]);
    }
    call(all[0]);
    model_join_all();
    model_rest();
    for (uint32_t i = 0; i <= others; i++) {
        lent += all[i]->lent != NULL;
        gets += all[i]->gets;
    }
    must_be_kept(e, lent, gets);
    for (uint32_t i = 0; i <= others; i++) {
        cconc_objpool_put(e->pool, all[i]->lent);
    }
    must_be_kept(e, 0, gets);
    must_be_as_new(e, gets);
    env_free(e);
    MODEL_EQ(e->gone, e->made);
}

#define OBJPOOL_PAIR(call)                                                                         \
    MODEL_SCENARIO(objpool_pair_##call, .bound = 2)                                                \
    {                                                                                              \
        meet(call, 1);                                                                             \
    }

OBJPOOL_PAIR(gets_one)
OBJPOOL_PAIR(puts_one)
OBJPOOL_PAIR(borrows_one)
OBJPOOL_PAIR(borrows_two)
OBJPOOL_PAIR(trims_once)
OBJPOOL_PAIR(trims_twice)
OBJPOOL_PAIR(looks_at_lent)
OBJPOOL_PAIR(reads)

MODEL_SCENARIO(objpool_any_three, .bound = 1)
{
    meet(calls[model_choose(CALLS)], 2);
}
