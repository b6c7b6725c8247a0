/* objpool_cache.c - the objects that a thread keeps to itself
 * SPDX-License-Identifier: MIT
 *
 * Idea        A stack of slots. The owner alone fills one, with a plain store; whoever wants its
 *             object swaps it out, so that a trim can reach the cache of a thread that sleeps. The
 *             owner's put is free of read-modify-writes, its get has one, neither takes a lock. A
 *             cache that is empty or full exchanges half its objects with the store: the magazines
 *             of Bonwick and Adams (USENIX 2001), copied, for they are short.
 * Picture     slots   [ a ][ b ][   ][ d ][   ][   ]     a trim took the third
 *                                         top
 * Invariants  I1 The slots from top on are empty.
 *             I2 An object is in one place; leaving a slot is one swap, or the owner's under mu:
 *                nobody but the owner empties a slot without mu.
 * Locks       The object pool's, rank OBJPOOL: the list of caches; the lock of the locals before it
 *             where the list and a thread's change together.
 * Ordering    objpool.1  cache_push(): store rel -> cache_take(): swap acq    what came before the
 *                        put, to the owner's next get or the trim that takes it
 * Lifetime    A cache goes with its thread, which hands over what it has, or with its object pool.
 *             free waits for a thread that is handing over (leaving).
 * Rejected    Slots of the owner alone: trim could not reach a thread that sleeps.
 *             A lock in each cache: 17 ns a pair more. Ageing by moving all to the store, as Go
 *             does: busy threads pay for each trim. */
#include "core/must.h"
#include "plat/alloc.h"
#include "plat/thread.h"
#include "prim/objpool.h"

static void cache_link(local *l)
{
    objpool_cache *cache = (objpool_cache *)(void *)l;
    lock_take(&cache->pool->mu);
    list_push_back(&cache->pool->caches, &cache->link);
    lock_leave(&cache->pool->mu);
}

/* The thread ends. Its counts stay. */
static void cache_leave(local *l)
{
    objpool_cache *cache = (objpool_cache *)(void *)l;
    cconc_objpool *pool = cache->pool;
    cconc_waitgroup_add(&pool->leaving, 1);
    lock_take(&pool->mu);
    list_remove(&cache->link);
    pool->gets += atom_load_rlx(&cache->gets); /* rlx: this is the owner */
    pool->puts += atom_load_rlx(&cache->puts); /* rlx: as above */
    lock_leave(&pool->mu);
}

/* Comes again for each destroy that ends the thread once more. */
static void cache_hand_over(void *arg)
{
    objpool_cache *cache = arg;
    cconc_objpool *pool = cache->pool;
    for (size_t i = 0; i < cache->top; i++) {
        store_item item = {cache_take(&cache->slots[i]), 0};
        if (item.object) {
            uint32_t trims = atom_load_rlx(&cache->slots[i].trims); /* rlx: own earlier store */
            item.bytes = atom_load_rlx(&cache->slots[i].bytes);     /* rlx: as above */
            cconc__objpool_give(pool, item, trims);
        }
    }
    cconc__alloc_free(cache);
    cconc_waitgroup_done(&pool->leaving);
}

static void cache_gone(local *l)
{
    cconc__thread_insist(cache_hand_over, (objpool_cache *)(void *)l);
}

static objpool_cache *cache_make(cconc_objpool *pool, self *me)
{
    objpool_cache *cache = cconc__alloc(sizeof(*cache) + pool->room * sizeof(cache_slot));
    if (!cache) {
        return NULL;
    }
    cache->local.object = pool;
    cache->local.index = pool->index;
    cache->local.leave_locked = cache_leave;
    cache->local.gone = cache_gone;
    cache->pool = pool;
    cache->room = pool->room;
    cache->top = 0;
    atom_init(&cache->gets, 0);
    atom_init(&cache->puts, 0);
    for (size_t i = 0; i < cache->room; i++) {
        atom_init(&cache->slots[i].object, NULL);
        atom_init(&cache->slots[i].trims, 0);
        atom_init(&cache->slots[i].bytes, 0);
    }
    cconc__local_add(&cache->local, &me->locals, cache_link);
    return cache;
}

objpool_cache *cconc__objpool_cache_find(cconc_objpool *pool, bool may_make)
{
    objpool_cache *cache = NULL;
    self *me = self_peek();
    if (pool->room == 0 || (!me && !may_make)) {
        return NULL;
    }
    if (me) {
        cache = (objpool_cache *)(void *)cconc__local_find(&me->locals, pool, pool->index);
    }
    if (!cache && may_make && cconc__local_is_possible()) {
        cache = cache_make(pool, self_get());
    }
    return cache;
}

/* Take an item of the store, fresh ones first; *out_is_fresh tells of which kind it is. */
static bool cache_draw_locked(cconc_objpool *pool, store_item *out_item, bool *out_is_fresh)
{
    cconc__lock_assert_held(&pool->mu);
    *out_is_fresh = cconc__objpool_store_pop(&pool->store, &pool->store.fresh, out_item);
    return *out_is_fresh ||
           cconc__objpool_store_pop(&pool->store, &pool->store.aged, out_item);
}

void *cconc__objpool_cache_refill(cconc_objpool *pool, objpool_cache *cache)
{
    store_item first = {NULL, 0};
    store_item item;
    bool is_fresh;
    size_t wanted = cache ? cache->room / 2 : 0;
    CHECK(!cache || cache->top == 0);
    lock_take(&pool->mu);
    if (cache_draw_locked(pool, &first, &is_fresh)) {
        uint32_t trims = atom_load_rlx(&pool->trims); /* rlx: moved under mu */
        while (wanted > 0 && cache_draw_locked(pool, &item, &is_fresh)) {
            cache_push(cache, item, is_fresh ? trims : trims - 1);
            wanted--;
        }
    }
    lock_leave(&pool->mu);
    return first.object;
}

bool cconc__objpool_cache_flush(cconc_objpool *pool, objpool_cache *cache)
{
    size_t least = cache->room / 2;
    bool was_kept = true;
    lock_take(&pool->mu);
    while (cache->top > least && was_kept) {
        cache_slot *slot = &cache->slots[cache->top - 1];
        uint32_t trims = atom_load_rlx(&slot->trims); /* rlx: own earlier store */
        size_t bytes = atom_load_rlx(&slot->bytes);   /* rlx: as above */
        store_item item = {cache_take_own(slot), bytes};
        cache->top--;
        if (item.object) {
            bool is_fresh = trims == atom_load_rlx(&pool->trims); /* rlx: moved under mu */
            was_kept = cconc__objpool_store_keep(&pool->store, item, is_fresh);
            if (!was_kept) {
                cache_push(cache, item, trims);
            }
        }
    }
    lock_leave(&pool->mu);
    return cache->top < cache->room;
}

/* Empty a slot that was filled two trims ago. If its owner has just filled it anew, the number that
 * is read after the swap says so, and the object stays retained; unless it has a size of its own,
 * for bytes may already be those of the owner's next one. */
static void cache_age_slot_locked(cconc_objpool *pool, cache_slot *slot, uint32_t trims)
{
    store_item item = {cache_take(slot), 0};
    bool is_kept = false;
    cconc__lock_assert_held(&pool->mu);
    if (!item.object) {
        return;
    }
    if (!pool->object_size && trims - atom_load_rlx(&slot->trims) < 2) { /* rlx: see the swap */
        item.bytes = pool->size;
        is_kept = cconc__objpool_store_keep(&pool->store, item, true);
    }
    if (!is_kept) {
        (void)cconc__objpool_store_push(&pool->store, &pool->store.doomed, item);
    }
}

void cconc__objpool_cache_age_locked(cconc_objpool *pool, objpool_cache *cache, uint32_t trims)
{
    cconc__lock_assert_held(&pool->mu);
    for (size_t i = 0; i < cache->room; i++) {
        cache_slot *slot = &cache->slots[i];
        /* rlx: a look that may be old; the swap decides */
        if (atom_load_rlx(&slot->object) && trims - atom_load_rlx(&slot->trims) >= 2 &&
            cconc__objpool_store_has_block(&pool->store, &pool->store.doomed)) {
            cache_age_slot_locked(pool, slot, trims);
        }
    }
}
