/* objpool.h - what the files of the object pool share
 * SPDX-License-Identifier: MIT
 *
 * Key  (i) immutable after new  (a) atomic  (m) under mu  (o) only the owning thread
 *
 * objpool.c has the life of an object pool, the calls and all callbacks; objpool_cache.c what each
 * thread keeps to itself; objpool_store.c what all threads find.
 */
#ifndef PRIM_OBJPOOL_H
#define PRIM_OBJPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cconc/objpool.h>
#include <cconc/waitgroup.h>

#include "core/list.h"
#include "core/local.h"
#include "core/lock.h"
#include "core/self.h"
#include "plat/atomic.h"

#define STORE_BLOCK_LEN 30

typedef struct store_item {
    void  *object;
    size_t bytes;
} store_item;

typedef struct store_block {
    struct store_block *next;
    size_t              len;
    store_item          items[STORE_BLOCK_LEN];
} store_block;

/* A stack of items, in blocks. */
typedef struct store_stack {
    store_block *top;   /* (m) not empty, or NULL */
    size_t       count; /* (m) */
    size_t       bytes; /* (m) */
} store_stack;

typedef struct objpool_store {
    size_t       max_count; /* (i) of fresh and aged */
    size_t       max_bytes; /* (i) the same */
    store_stack  fresh;     /* (m) put since the last trim */
    store_stack  aged;      /* (m) retained at the last trim, and not used since */
    store_stack  doomed;    /* (m) to be destroyed by whoever comes */
    store_block *spare;     /* (m) empty blocks, so that put needs no memory */
    size_t       blocks;    /* (m) all blocks there are */
} objpool_store;

/* A place of a cache. The owner alone fills it; the owner or a trim empties it. */
typedef struct cache_slot {
    atom_ptr  object; /* (a) or NULL [objpool.1] */
    atom_u32  trims;  /* (a) how many there had been when it was filled */
    atom_size bytes;  /* (a) of the object */
} cache_slot;

typedef struct objpool_cache {
    local              local; /* (i) first: what the thread finds */
    cconc_objpool     *pool;  /* (i) */
    list_link          link;  /* (m) among the caches of the pool */
    size_t             room;  /* (i) number of slots */
    size_t             top;   /* (o) all slots from here on are empty */
    atom_size          gets;  /* (a) stored by the owner alone */
    atom_size          puts;  /* (a) stored by the owner alone */
    cache_slot         slots[]; /* (a) each */
} objpool_cache;

struct cconc_objpool {
    cconc_objpool_create_fn  create;      /* (i) NULL: plain buffers */
    cconc_objpool_reset_fn   reset;       /* (i) or NULL */
    cconc_objpool_destroy_fn destroy;     /* (i) or NULL */
    cconc_objpool_size_fn    object_size; /* (i) or NULL */
    void                    *user;        /* (i) */
    size_t                   size;        /* (i) bytes of an object without object_size */
    bool                     is_plain;    /* (i) what comes back is kept as it is */
    size_t                   room;        /* (i) slots of a cache, 0 = no caches */
    size_t                   index;       /* (i) see local.h */
    atom_u32                 trims;       /* (a) moved under mu */
    atom_u32                 calls;       /* (a) checked builds: calls that run; bit 31: freed */
    char                     apart[ATOM_LINE]; /* what fast paths read lies off what others write */
    lock                     mu;          /* rank OBJPOOL; guards (m) */
    objpool_store            store;       /* (m) */
    list_link                caches;      /* (m) */
    size_t                   gets;        /* (m) without a cache, and of threads that ended */
    size_t                   puts;        /* (m) the same */
    atom_size                created;     /* (a) */
    atom_size                destroyed;   /* (a) */
    cconc_waitgroup          leaving;     /* (a) threads that hand their cache over */
};

/* ---- objpool_store.c: under mu; nothing here calls back, allocates or waits ---- */

/* Add an item. Returns false if there is no block for it. */
bool cconc__objpool_store_push(objpool_store *store, store_stack *stack, store_item item);

/* Take an item. Returns false if there is none. */
bool cconc__objpool_store_pop(objpool_store *store, store_stack *stack,
                                     store_item *out_item);

/* Is there a block for one more item? */
bool cconc__objpool_store_has_block(const objpool_store *store, const store_stack *stack);

/* Retain an item, fresh or aged. Returns false if that would be too many or too large. */
bool cconc__objpool_store_keep(objpool_store *store, store_item item, bool is_fresh);

/* Everything aged is doomed, everything fresh aged. */
void cconc__objpool_store_age(objpool_store *store);

/* How many blocks there should be, so that objects can all come back. */
size_t cconc__objpool_store_need(const objpool_store *store, size_t objects);

/* ---- objpool_cache.c ---- */

/* The calling thread's cache though it was hidden, or a new one; NULL if it can have none. */
objpool_cache *cconc__objpool_cache_find(cconc_objpool *pool, bool may_make);

/* Refill the empty cache and take one more item of the store. Returns NULL if there is none. */
void *cconc__objpool_cache_refill(cconc_objpool *pool, objpool_cache *cache);

/* Move part of the full cache to the store. Returns false if nothing could be moved. */
bool cconc__objpool_cache_flush(cconc_objpool *pool, objpool_cache *cache);

/* Doom what was not used for two trims. */
void cconc__objpool_cache_age_locked(cconc_objpool *pool, objpool_cache *cache, uint32_t trims);

/* ---- objpool.c ---- */

/* Retain an item that is in no cache, put when there had been so many trims, or destroy its
 * object. */
void cconc__objpool_give(cconc_objpool *pool, store_item item, uint32_t trims);

static inline objpool_cache *objpool_cache_recall(const cconc_objpool *pool)
{
    self *me = self_peek();
    return me ? (objpool_cache *)(void *)local_recall(&me->locals, pool, pool->index) : NULL;
}

/* Take an object out of a slot, if nobody else has. */
static inline void *cache_take(cache_slot *slot)
{
    return atom_swap_acq(&slot->object, NULL); /* [objpool.1] acq: all before its put */
}

/* The same by its owner under mu: nobody else takes from it then, so no swap is needed. */
static inline void *cache_take_own(cache_slot *slot)
{
    void *object = atom_load_rlx(&slot->object); /* rlx: own earlier store */
    atom_store_rlx(&slot->object, NULL);         /* rlx: as above */
    return object;
}

/* Take the newest object; NULL if the cache is empty, which a trim may have brought about. */
static inline void *cache_pop(objpool_cache *cache)
{
    void *object = NULL;
    while (cache->top > 0 && !object) {
        cache->top--;
        object = cache_take(&cache->slots[cache->top]);
    }
    return object;
}

/* Add an item; there is room. */
static inline void cache_push(objpool_cache *cache, store_item item, uint32_t trims)
{
    cache_slot *slot = &cache->slots[cache->top];
    cache->top++;
    atom_store_rlx(&slot->trims, trims);        /* rlx: the store of object carries it */
    atom_store_rlx(&slot->bytes, item.bytes);   /* rlx: as above */
    atom_store_rel(&slot->object, item.object); /* [objpool.1] rel: all before the put */
}

static inline void cache_count(atom_size *count)
{
    size_t before = atom_load_rlx(count); /* rlx: one writer */
    atom_store_rlx(count, before + 1);    /* rlx: the number stands for itself */
}

#endif
