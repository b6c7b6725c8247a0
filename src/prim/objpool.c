/* objpool.c - the life of an object pool, its calls, and its callbacks
 * SPDX-License-Identifier: MIT
 *
 * Idea        get looks into the thread's cache, then into the store, then calls create; put is the
 *             way back. Ageing is by the number of trims that had been when an object came in.
 * Invariants  I1 Whoever calls destroy has taken the object out of a slot or a stack before, so
 *                nobody else does.
 *             I2 No object is in hand beside the one that a callback gets: if the callback ends its
 *                thread, all others are still where free finds them.
 * Locks       mu, rank OBJPOOL: store, list of caches, sums of counts. No callback under it.
 * Ordering    None of its own: the caches' (objpool_cache.c), and mu's for the store.
 * Lifetime    free comes after every call, by contract. It takes the caches from their threads, and
 *             waits for threads that have taken theirs away themselves.
 * Rejected    Stealing from the caches of others: what is worth stealing is in the store. */
#include "prim/objpool.h"

#include "core/must.h"
#include "plat/alloc.h"
#include "plat/thread.h"

#include <errno.h>

#define OBJPOOL_CACHE 32
#define OBJPOOL_COUNT 1024
#define OBJPOOL_FREED ((uint32_t)1 << 31)

/* ---- checked builds: no call after free, none during it -------------------------------------- */

static inline void objpool_enter(cconc_objpool *pool, const char *verb)
{
#if defined(CCONC_CHECKED)
    uint32_t calls = atom_add_rlx(&pool->calls, 1); /* rlx: must order nothing that it checks */
    MUST(!(calls & OBJPOOL_FREED), "objpool %s after free", verb);
#else
    (void)pool;
    (void)verb;
#endif
}

static inline void objpool_exit(cconc_objpool *pool)
{
#if defined(CCONC_CHECKED)
    (void)atom_sub_rlx(&pool->calls, 1); /* rlx: as in enter */
#else
    (void)pool;
#endif
}

#if defined(CCONC_CHECKED)
typedef struct objpool_call {
    cconc_objpool *pool;
    void (*run)(void *arg);
    void *arg;
    bool is_begun;
} objpool_call;

/* Comes again if a callback ends the thread: then the call is over, too. */
static void objpool_call_go(void *arg)
{
    objpool_call *call = arg;
    if (!call->is_begun) {
        call->is_begun = true;
        call->run(call->arg);
    }
    objpool_exit(call->pool);
}
#endif

/* Run the part of a call that calls back, and may not come back. */
static inline void objpool_guard(cconc_objpool *pool, const char *verb, void (*run)(void *arg),
                                 void *arg)
{
#if defined(CCONC_CHECKED)
    objpool_call call = {pool, run, arg, false};
    objpool_enter(pool, verb);
    cconc__thread_insist(objpool_call_go, &call);
#else
    (void)pool;
    (void)verb;
    run(arg);
#endif
}

static void objpool_close(cconc_objpool *pool)
{
    uint32_t calls = atom_add_rlx(&pool->calls, OBJPOOL_FREED); /* rlx: as in enter */
    MUST(calls == 0, "objpool free with %u calls running", (unsigned)(calls & ~OBJPOOL_FREED));
}

/* ---- callbacks ------------------------------------------------------------------------------- */

typedef struct objpool_making {
    cconc_objpool *pool;
    void *object;
    int err;
} objpool_making;

static void objpool_create_go(void *arg)
{
    objpool_making *making = arg;
    making->err = making->pool->create(making->pool->user, &making->object);
}

static int objpool_create(cconc_objpool *pool, void **out_object)
{
    void *object = NULL;
    int err = 0;
    if (pool->create) {
        objpool_making making = {pool, NULL, 0};
        objpool_guard(pool, "get", objpool_create_go, &making);
        object = making.object;
        err = making.err;
        MUST(err || object, "objpool create returned %d and no object", err);
    } else {
        object = cconc__alloc(pool->size);
        err = object ? 0 : ENOMEM;
    }
    if (!err) {
        (void)atom_add_rlx(&pool->created, 1); /* rlx: counter, nothing behind it */
        *out_object = object;
    }
    return err;
}

static void objpool_destroy(cconc_objpool *pool, void *object)
{
    (void)atom_add_rlx(&pool->destroyed, 1); /* rlx: counter, nothing behind it */
    if (!pool->create) {
        cconc__alloc_free(object);
    } else if (pool->destroy) {
        pool->destroy(pool->user, object);
    }
}

void cconc__objpool_give(cconc_objpool *pool, store_item item, uint32_t trims)
{
    bool is_fresh;
    bool was_kept;
    lock_take(&pool->mu);
    is_fresh = trims == atom_load_rlx(&pool->trims); /* rlx: moved under mu */
    was_kept = cconc__objpool_store_keep(&pool->store, item, is_fresh);
    lock_leave(&pool->mu);
    if (!was_kept) {
        objpool_destroy(pool, item.object);
    }
}

/* Destroy all that is doomed, one by one: see I2. */
static void objpool_bury(cconc_objpool *pool)
{
    store_item item;
    bool found;
    do {
        lock_take(&pool->mu);
        found = cconc__objpool_store_pop(&pool->store, &pool->store.doomed, &item);
        lock_leave(&pool->mu);
        if (found) {
            objpool_destroy(pool, item.object);
        }
    } while (found);
}

/* ---- life ------------------------------------------------------------------------------------ */

static bool objpool_is_valid(const cconc_objpool_opts *opts)
{
    uint64_t reserved = opts->flags | opts->reserved[0] | opts->reserved[1] | opts->reserved[2] |
                        opts->reserved[3];
    bool is_sized = opts->size > 0 || opts->object_size;
    return reserved == 0 && (opts->create || (opts->size > 0 && !opts->destroy)) &&
           (is_sized || opts->max_bytes == 0) &&
           (opts->cache <= CCONC_OBJPOOL_MAX_CACHE || opts->cache == CCONC_OBJPOOL_NO_CACHE);
}

static void objpool_set(cconc_objpool *pool, const cconc_objpool_opts *opts)
{
    pool->create = opts->create;
    pool->reset = opts->reset;
    pool->destroy = opts->destroy;
    pool->object_size = opts->object_size;
    pool->user = opts->user;
    pool->size = opts->size;
    pool->room = opts->cache ? opts->cache : OBJPOOL_CACHE;
    if (opts->cache == CCONC_OBJPOOL_NO_CACHE) {
        pool->room = 0;
    }
    pool->is_plain = !pool->reset && !pool->object_size &&
                     (opts->max_bytes == 0 || pool->size <= opts->max_bytes);
    pool->index = cconc__local_index();
    pool->store.max_count = opts->max_count ? opts->max_count : OBJPOOL_COUNT;
    pool->store.max_bytes = opts->max_bytes ? opts->max_bytes : SIZE_MAX;
    atom_init(&pool->trims, 0);
    atom_init(&pool->calls, 0);
    atom_init(&pool->created, 0);
    atom_init(&pool->destroyed, 0);
    list_init(&pool->caches);
    cconc_waitgroup_init(&pool->leaving);
}

int cconc_objpool_new(const cconc_objpool_opts *opts, cconc_objpool **out_pool)
{
    MUST_ALIGN(opts, cconc_objpool_opts);
    MUST_ALIGN(out_pool, cconc_objpool *);
    cconc_objpool *pool;
    int err;
    if (!opts || !out_pool || !objpool_is_valid(opts)) {
        return EINVAL;
    }
    pool = cconc__alloc(sizeof(*pool));
    if (!pool) {
        return ENOMEM;
    }
    objpool_set(pool, opts);
    err = cconc__lock_init(&pool->mu, RANK_OBJPOOL);
    if (err) {
        cconc__alloc_free(pool);
        return err;
    }
    *out_pool = pool;
    return 0;
}

/* ---- get ------------------------------------------------------------------------------------- */

/* Have blocks enough for one more object to come back. Without memory it may have to be destroyed
 * then, which is no reason to fail now. */
static void objpool_reserve(cconc_objpool *pool)
{
    store_block *block;
    size_t live = atom_load_rlx(&pool->created) - atom_load_rlx(&pool->destroyed); /* rlx: a hint */
    bool is_short;
    lock_take(&pool->mu);
    is_short = pool->store.blocks < cconc__objpool_store_need(&pool->store, live + 1);
    pool->store.blocks += is_short;
    lock_leave(&pool->mu);
    if (!is_short) {
        return;
    }
    block = cconc__alloc(sizeof(*block));
    lock_take(&pool->mu);
    if (block) {
        block->next = pool->store.spare;
        pool->store.spare = block;
    } else {
        pool->store.blocks--;
    }
    lock_leave(&pool->mu);
}

static void objpool_count_get(cconc_objpool *pool, objpool_cache *cache)
{
    if (cache) {
        cache_count(&cache->gets);
    } else {
        lock_take(&pool->mu);
        pool->gets++;
        lock_leave(&pool->mu);
    }
}

static APART int objpool_get_slow(cconc_objpool *pool, void **out_object)
{
    objpool_cache *cache;
    void *object;
    int err = 0;
    objpool_enter(pool, "get");
    cache = cconc__objpool_cache_find(pool, true);
    object = cache ? cache_pop(cache) : NULL;
    if (!object) {
        object = cconc__objpool_cache_refill(pool, cache);
    }
    if (!object) {
        objpool_reserve(pool);
    }
    objpool_exit(pool);
    if (!object) {
        err = objpool_create(pool, &object);
    }
    if (!err) {
        objpool_count_get(pool, cache);
        *out_object = object;
    }
    return err;
}

int cconc_objpool_get(cconc_objpool *pool, void **out_object)
{
    MUST_ALIGN(pool, cconc_objpool);
    MUST_ALIGN(out_object, void *);
    objpool_cache *cache;
    void *object;
    if (!pool || !out_object) {
        return EINVAL;
    }
    objpool_enter(pool, "get");
    cache = objpool_cache_recall(pool);
    object = cache ? cache_pop(cache) : NULL;
    objpool_exit(pool);
    if (!object) {
        return objpool_get_slow(pool, out_object);
    }
    cache_count(&cache->gets);
    *out_object = object;
    return 0;
}

/* ---- put ------------------------------------------------------------------------------------- */

/* Take part in the counts, then have the object reset and measured. Returns false if it must not be
 * kept. */
static bool objpool_prepare(cconc_objpool *pool, objpool_cache *cache, store_item *item)
{
    if (cache) {
        cache_count(&cache->puts);
    } else {
        lock_take(&pool->mu);
        pool->puts++;
        lock_leave(&pool->mu);
    }
    if (pool->reset && pool->reset(pool->user, item->object) != 0) {
        return false;
    }
    if (pool->object_size) {
        item->bytes = pool->object_size(pool->user, item->object);
    }
    return item->bytes <= pool->store.max_bytes;
}

/* Misuse that is cheap to find where it is most likely. */
static void objpool_check_put(const objpool_cache *cache, const void *object)
{
#if defined(CCONC_CHECKED)
    for (size_t i = 0; cache && i < cache->top; i++) {
        /* rlx: a pointer that is compared */
        MUST(atom_load_rlx(&cache->slots[i].object) != object,
             "objpool put of an object that is in slot %zu of the thread's cache", i);
    }
#else
    (void)cache;
    (void)object;
#endif
}

typedef struct objpool_putting {
    cconc_objpool *pool;
    objpool_cache *cache; /* or NULL */
    store_item item;
} objpool_putting;

static void objpool_put_go(void *arg)
{
    objpool_putting *putting = arg;
    cconc_objpool *pool = putting->pool;
    objpool_cache *cache = putting->cache;
    uint32_t trims;
    if (!objpool_prepare(pool, cache, &putting->item)) {
        objpool_destroy(pool, putting->item.object);
        return;
    }
    trims = atom_load_rlx(&pool->trims); /* rlx: a put that reads it late is an older put */
    if (cache && (cache->top < cache->room || cconc__objpool_cache_flush(pool, cache))) {
        cache_push(cache, putting->item, trims);
    } else {
        cconc__objpool_give(pool, putting->item, trims);
    }
}

static APART void objpool_put_slow(cconc_objpool *pool, objpool_cache *cache, void *object)
{
    objpool_putting putting = {pool, cache, {object, pool->size}};
    if (!cache) {
        putting.cache = cconc__objpool_cache_find(pool, false);
    }
    objpool_check_put(putting.cache, object);
    objpool_guard(pool, "put", objpool_put_go, &putting);
}

void cconc_objpool_put(cconc_objpool *pool, void *object)
{
    objpool_cache *cache;
    bool is_quick;
    if (!object) {
        MUST_ALIGN(pool, cconc_objpool);
        return;
    }
    MUST_POINT(pool, cconc_objpool);
    objpool_enter(pool, "put");
    cache = objpool_cache_recall(pool);
    is_quick = cache && pool->is_plain && cache->top < cache->room;
    if (is_quick) {
        store_item item = {object, pool->size};
        objpool_check_put(cache, object);
        cache_count(&cache->puts);
        /* rlx: a put that reads it late is an older put */
        cache_push(cache, item, atom_load_rlx(&pool->trims));
    }
    objpool_exit(pool);
    if (!is_quick) {
        objpool_put_slow(pool, cache, object);
    }
}

/* ---- trim, counts, free ---------------------------------------------------------------------- */

static void objpool_age(cconc_objpool *pool)
{
    uint32_t trims;
    list_link *at;
    lock_take(&pool->mu);
    trims = atom_load_rlx(&pool->trims) + 1; /* rlx: moved under mu */
    atom_store_rlx(&pool->trims, trims);     /* rlx: a put that reads it late is an older put */
    cconc__objpool_store_age(&pool->store);
    for (at = pool->caches.next; at != &pool->caches; at = at->next) {
        cconc__objpool_cache_age_locked(pool, LIST_OF(at, objpool_cache, link), trims);
    }
    lock_leave(&pool->mu);
}

/* Give back the empty blocks beyond what may be needed. */
static void objpool_shrink(cconc_objpool *pool)
{
    size_t live = atom_load_rlx(&pool->created) - atom_load_rlx(&pool->destroyed); /* rlx: a hint */
    size_t need = cconc__objpool_store_need(&pool->store, live);
    store_block *block;
    do {
        lock_take(&pool->mu);
        block = pool->store.blocks > need ? pool->store.spare : NULL;
        if (block) {
            pool->store.spare = block->next;
            pool->store.blocks--;
        }
        lock_leave(&pool->mu);
        cconc__alloc_free(block);
    } while (block);
}

static void objpool_trim_go(void *arg)
{
    objpool_age(arg);
    objpool_bury(arg);
    objpool_shrink(arg);
}

void cconc_objpool_trim(cconc_objpool *pool)
{
    MUST_POINT(pool, cconc_objpool);
    objpool_guard(pool, "trim", objpool_trim_go, pool);
}

static void objpool_read_cache_locked(const objpool_cache *cache, cconc_objpool_counts *counts,
                                      size_t *puts)
{
    cconc__lock_assert_held(&cache->pool->mu);
    counts->threads++;
    counts->gets += atom_load_rlx(&cache->gets); /* rlx: numbers that stand for themselves */
    *puts += atom_load_rlx(&cache->puts);        /* rlx: as above */
    for (size_t i = 0; i < cache->room; i++) {
        counts->retained += atom_load_rlx(&cache->slots[i].object) != NULL; /* rlx: as above */
    }
}

void cconc_objpool_read(cconc_objpool *pool, cconc_objpool_counts *out_counts)
{
    MUST_POINT(pool, cconc_objpool);
    MUST_POINT(out_counts, cconc_objpool_counts);
    cconc_objpool_counts counts = {0, 0, 0, 0, 0, 0, 0, {0, 0, 0}};
    size_t puts;
    list_link *at;
    counts.created = atom_load_rlx(&pool->created);     /* rlx: counter, nothing behind it */
    counts.destroyed = atom_load_rlx(&pool->destroyed); /* rlx: as above */
    lock_take(&pool->mu);
    puts = pool->puts;
    counts.gets = pool->gets;
    counts.retained = pool->store.fresh.count + pool->store.aged.count + pool->store.doomed.count;
    counts.store_bytes = pool->store.fresh.bytes + pool->store.aged.bytes;
    for (at = pool->caches.next; at != &pool->caches; at = at->next) {
        objpool_read_cache_locked(LIST_OF(at, objpool_cache, link), &counts, &puts);
    }
    lock_leave(&pool->mu);
    counts.lent = counts.gets - puts;
    *out_counts = counts;
}

size_t cconc_objpool_lent(cconc_objpool *pool)
{
    MUST_POINT(pool, cconc_objpool);
    cconc_objpool_counts counts;
    cconc_objpool_read(pool, &counts);
    return counts.lent;
}

/* Take every cache from its thread. They stay in the list of the object pool, which nobody else
 * sees any more. */
static void objpool_unlink_caches(cconc_objpool *pool)
{
    list_link *at;
    cconc__local_lock();
    for (at = pool->caches.next; at != &pool->caches; at = at->next) {
        cconc__local_drop_locked(&LIST_OF(at, objpool_cache, link)->local);
    }
    cconc__local_unlock();
}

static void objpool_free_caches(cconc_objpool *pool)
{
    while (!list_is_empty(&pool->caches)) {
        objpool_cache *cache = LIST_OF(pool->caches.next, objpool_cache, link);
        for (size_t i = 0; i < cache->room; i++) {
            void *object = cache_take(&cache->slots[i]);
            if (object) {
                objpool_destroy(pool, object);
            }
        }
        list_remove(&cache->link);
        cconc__alloc_free(cache);
    }
}

/* Comes again for each destroy that ends the thread. */
static void objpool_free_go(void *arg)
{
    cconc_objpool *pool = arg;
    objpool_free_caches(pool);
    cconc__objpool_store_age(&pool->store);
    cconc__objpool_store_age(&pool->store);
    objpool_bury(pool);
    while (pool->store.spare) {
        store_block *next = pool->store.spare->next;
        cconc__alloc_free(pool->store.spare);
        pool->store.spare = next;
    }
    cconc__lock_destroy(&pool->mu);
    cconc__alloc_free(pool);
}

void cconc_objpool_free(cconc_objpool *pool)
{
    MUST_ALIGN(pool, cconc_objpool);
    int err;
    if (!pool) {
        return;
    }
    objpool_close(pool);
    objpool_unlink_caches(pool);
    err = cconc_waitgroup_wait(&pool->leaving, NULL); /* no context: nothing else ends it */
    CHECK(err == 0);
    (void)err;
    cconc__thread_insist(objpool_free_go, pool);
}
