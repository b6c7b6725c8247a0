/* objpool.h - objects that are used again instead of made again, with a cache for each thread.
 * SPDX-License-Identifier: MIT
 *
 * Model     A store of idle objects. get lends one, made by create if none is retained; put takes
 *           it back after reset. Each thread keeps a few to itself, which makes both cost a few
 *           nanoseconds; all others any thread finds. trim destroys what was not used for two
 *           trims, as Go's collector does with a sync.Pool. Without create: buffers of size bytes.
 * Example   int err = cconc_objpool_get(buffers, &buffer);   (examples/objpool_buffer_pool.c)
 * Lifetime  new allocates. free destroys every retained object once and waits for threads that end
 *           right now and hand their cache over. Lent objects stay the borrower's, who can no
 *           longer put them. A thread's cache is handed over when it ends.
 * Threads   Every function, any thread, any time, exit handlers of threads included; only free must
 *           be alone. What one thread gets another may put.
 * Blocking  none, but for free as above.
 * Orders    O1 The put of an object happens before the get that lends it again.
 * Progress  get and put on the own cache take no lock. Which retained object get lends is open.
 * Errors    EINVAL  new; get of NULL    ENOMEM  new; get of a plain buffer
 *           any other code comes from create and is passed on unchanged.
 * Limits    memory. The store holds max_count objects and max_bytes bytes, each cache so many
 *           objects as opts say besides; a put beyond that destroys. In checked builds
 *           free while a get, put or trim runs aborts, and so does put after free, if the memory
 *           was not used for anything else since.
 *
 * Callbacks run in the thread that causes them, with no lock of the library held, and may use any
 * object of the library, this one too (but not free it). One that ends its thread by pthread_exit
 * or thread-cancellation leaves the object pool whole; its object is gone as if it had been
 * destroyed, which the counts tell only of destroy itself. free is finished all the same. */
#ifndef CCONC_OBJPOOL_H
#define CCONC_OBJPOOL_H

#include <cconc/base.h>

/* As cache: no thread keeps anything to itself. */
#define CCONC_OBJPOOL_NO_CACHE UINT32_MAX
#define CCONC_OBJPOOL_MAX_CACHE 256u

CCONC_BEGIN_DECLS

/* Make an object, which is not NULL. Returns 0, or a code that get returns. */
typedef int (*cconc_objpool_create_fn)(void *user, void **out_object);

/* Make an object ready for its next use. Anything but 0: destroy it instead of keeping it. */
typedef int (*cconc_objpool_reset_fn)(void *user, void *object);

/* Take an object apart; it is not seen again. */
typedef void (*cconc_objpool_destroy_fn)(void *user, void *object);

/* Tell how many bytes an idle object occupies. */
typedef size_t (*cconc_objpool_size_fn)(void *user, void *object);

typedef struct cconc_objpool_opts {
    cconc_objpool_create_fn  create;      /* NULL: zeroed buffers of size bytes, not zeroed again */
    cconc_objpool_reset_fn   reset;       /* NULL: nothing to do */
    cconc_objpool_destroy_fn destroy;     /* NULL: nothing to do; must be NULL if create is */
    cconc_objpool_size_fn    object_size; /* NULL: each has size bytes */
    void                    *user;        /* given to all callbacks */
    size_t                   size;        /* bytes of one object; 0 if max_bytes is not used */
    size_t                   max_count;   /* most objects in the store, 0 = 1024 */
    size_t                   max_bytes;   /* most bytes in the store, 0 = no limit */
    uint32_t                 cache;       /* most objects in a thread's cache, 0 = 32 */
    uint32_t                 flags;       /* must be zero */
    uint64_t                 reserved[4]; /* must be zero */
} cconc_objpool_opts;

/* Each count since new is exact when nothing moves. */
typedef struct cconc_objpool_counts {
    size_t   lent;        /* objects got and not put */
    size_t   retained;    /* idle objects, caches included */
    size_t   store_bytes; /* bytes of those outside caches */
    size_t   threads;     /* threads that have a cache */
    size_t   gets;        /* since new; wraps */
    size_t   created;     /* since new: gets that create served; wraps */
    size_t   destroyed;   /* since new; wraps */
    size_t   reserved[3]; /* zero */
} cconc_objpool_counts;

/* Make an object pool.
 * Returns:  0, EINVAL (neither create nor size; destroy without create; max_bytes without a size;
 *           cache above CCONC_OBJPOOL_MAX_CACHE; reserved words; out_pool NULL), ENOMEM. */
CCONC_API CCONC_NODISCARD int cconc_objpool_new(const cconc_objpool_opts *opts,
                                                cconc_objpool **out_pool);

/* Lend an object: of the own cache, of the store, or made by create.
 * Returns:  0, EINVAL (pool or out_object NULL), ENOMEM (plain buffers), the code of create.
 * Owns:     on 0 the object is the caller's, to put or to keep. */
CCONC_API CCONC_NODISCARD int cconc_objpool_get(cconc_objpool *pool, void **out_object);

/* Take object back: reset it, then keep it, or destroy it where reset refuses or there is no room.
 * NULL is ignored.
 * Requires: object came from a get of pool and was not put since.
 * Owns:     the object is the pool's, whatever becomes of it. */
CCONC_API void cconc_objpool_put(cconc_objpool *pool, void *object);

/* Destroy what was not used since the trim before the last one, caches of idle threads included,
 * and give spare memory back. An unused object survives one trim, not two. */
CCONC_API void cconc_objpool_trim(cconc_objpool *pool);

/* Give the number of objects that were got and not put; a hint as soon as it is read. */
CCONC_API size_t cconc_objpool_lent(cconc_objpool *pool);

/* Write what the object pool holds and did to *out_counts. */
CCONC_API void cconc_objpool_read(cconc_objpool *pool, cconc_objpool_counts *out_counts);

/* Destroy all retained objects and release the object pool; NULL is a no-op. */
CCONC_API void cconc_objpool_free(cconc_objpool *pool);

CCONC_END_DECLS

#endif
