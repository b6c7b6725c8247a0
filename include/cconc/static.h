/* static.h - objects in memory of the caller's: static, on a stack, or inside other structs.
 * SPDX-License-Identifier: MIT
 *
 * Model     For each kind of object a storage type, and an init function that makes the object in
 *           it instead of allocating. All other calls are the same, free included, which then
 *           leaves the memory to the caller. cconc.h does not include this header. Onces,
 *           waitgroups, records of pools and contexts on the stack (cconc_ctx_until) are memory of
 *           the caller's anyway; groups, pools, flights, keyed limiters and object pools allocate
 *           as they work, and are always the library's.
 * Example   static cconc_sem_storage room;   err = cconc_sem_init(&room, 4, &sem);
 *           (examples/static_sensors.c)
 * Lifetime  From init until free has returned: then nobody uses the storage any more, and it may
 *           serve again. It must not be moved or copied meanwhile.
 * Threads   As new and free of the same object.
 * Blocking  None.
 * Orders    Those of the object.
 * Progress  That of the object.
 * Errors    EINVAL, EOVERFLOW  as new of the same object
 *           ENOMEM  the system has no mutex to give; init asks for no memory itself
 * Limits    The sizes are upper bounds, for the library and its callers built with the same
 *           settings; other languages ask cconc_sem_sizeof() and its like. */
#ifndef CCONC_STATIC_H
#define CCONC_STATIC_H

#include <cconc/base.h>
#include <cconc/chan.h>
#include <cconc/counter.h>
#include <cconc/limiter.h>
#include <cconc/sem.h>

/* What a lock of the library takes at most; and how far apart two words lie that two cores write in
 * peace. */
#ifndef CCONC_LOCK_SIZE
#define CCONC_LOCK_SIZE (8 * sizeof(void *))
#endif
#ifndef CCONC_LINE_SIZE
#define CCONC_LINE_SIZE 64
#endif

#define CCONC_CHAN_SIZE (5 * CCONC_LINE_SIZE + CCONC_LOCK_SIZE + 26 * sizeof(void *))
#define CCONC_COUNTER_SIZE (2 * CCONC_LINE_SIZE + CCONC_LOCK_SIZE + 6 * sizeof(void *) + 16)
#define CCONC_LIMITER_SIZE (CCONC_LOCK_SIZE + 14 * sizeof(void *) + 96)
#define CCONC_SEM_SIZE (CCONC_LOCK_SIZE + 8 * sizeof(void *) + 24)

/* Bytes of the buffer of a channel for cap elements of elem_size bytes each. */
#define CCONC_CHAN_BUFFER_SIZE(elem_size, cap)                                                     \
    ((size_t)(cap) * ((size_t)(elem_size) % 16 == 0 && (size_t)(elem_size) > 0                     \
                          ? (size_t)(elem_size) + 16                                               \
                          : (sizeof(size_t) + (size_t)(elem_size) + 7) / 8 * 8))

CCONC_BEGIN_DECLS

/* The fields are the library's. */
typedef union cconc_chan_storage {
    uint64_t      align;
    unsigned char bytes[CCONC_CHAN_SIZE];
} cconc_chan_storage;

typedef union cconc_counter_storage {
    uint64_t      align;
    unsigned char bytes[CCONC_COUNTER_SIZE];
} cconc_counter_storage;

typedef union cconc_limiter_storage {
    uint64_t      align;
    unsigned char bytes[CCONC_LIMITER_SIZE];
} cconc_limiter_storage;

typedef union cconc_sem_storage {
    uint64_t      align;
    unsigned char bytes[CCONC_SEM_SIZE];
} cconc_sem_storage;

/* As cconc_chan_new_opts, but in *storage, with a buffer of buffer_size bytes for the elements: at
 * least CCONC_CHAN_BUFFER_SIZE(elem_size, cap), aligned for a size_t. With cap 0 buffer may be
 * NULL. opts may be NULL.
 * Returns:  0, EINVAL (out_chan is NULL, reserved words, buffer is too small, NULL or misaligned),
 *           EOVERFLOW, ENOMEM. */
CCONC_API CCONC_NODISCARD int cconc_chan_init(cconc_chan_storage *storage, void *buffer,
                                              size_t buffer_size, size_t elem_size, size_t cap,
                                              const cconc_chan_opts *opts, cconc_chan **out_chan);

/* As cconc_counter_new, but in *storage, and compact whatever opts, which may be NULL, says.
 * Returns:  0, EINVAL (out_counter is NULL, reserved words), ENOMEM. */
CCONC_API CCONC_NODISCARD int cconc_counter_init(cconc_counter_storage *storage,
                                                 const cconc_counter_opts *opts,
                                                 cconc_counter **out_counter);

/* As cconc_limiter_new, but in *storage.
 * Returns:  0, EINVAL (also if out_limiter is NULL), ENOMEM. */
CCONC_API CCONC_NODISCARD int cconc_limiter_init(cconc_limiter_storage *storage, double rate,
                                                 int32_t burst, cconc_limiter **out_limiter);

/* As cconc_sem_new, but in *storage.
 * Returns:  0, EINVAL (also if out_sem is NULL), ENOMEM. */
CCONC_API CCONC_NODISCARD int cconc_sem_init(cconc_sem_storage *storage, int64_t capacity,
                                             cconc_sem **out_sem);

/* Give the bytes of each type of storage, for programs that do not see this header; they are
 * aligned as malloc would. */
CCONC_API size_t cconc_chan_sizeof(void);
CCONC_API size_t cconc_counter_sizeof(void);
CCONC_API size_t cconc_limiter_sizeof(void);
CCONC_API size_t cconc_sem_sizeof(void);

CCONC_END_DECLS

/* Define static storage for one channel of up to cap elements of T, and name_init, which makes the
 * channel in it; of a semaphore or a limiter likewise. At file scope:
 *     CCONC_CHAN_DEFINE(samples, struct sample, 16)
 *     cconc_chan *ch;   int err = samples_init(&ch); */
#define CCONC_CHAN_DEFINE(name, T, cap)                                                            \
    static cconc_chan_storage name##_storage;                                                      \
    static uint64_t name##_buffer[CCONC_CHAN_BUFFER_SIZE(sizeof(T), cap) / sizeof(uint64_t) + 1];  \
    CCONC_UNUSED static inline int name##_init(cconc_chan **out_chan)                              \
    {                                                                                              \
        return cconc_chan_init(&name##_storage, name##_buffer, sizeof(name##_buffer), sizeof(T),   \
                               cap, NULL, out_chan);                                               \
    }                                                                                              \
    struct name##_storage_is_defined

#define CCONC_LIMITER_DEFINE(name, rate, burst)                                                    \
    static cconc_limiter_storage name##_storage;                                                   \
    CCONC_UNUSED static inline int name##_init(cconc_limiter **out_limiter)                        \
    {                                                                                              \
        return cconc_limiter_init(&name##_storage, rate, burst, out_limiter);                      \
    }                                                                                              \
    struct name##_storage_is_defined

#define CCONC_SEM_DEFINE(name, capacity)                                                           \
    static cconc_sem_storage name##_storage;                                                       \
    CCONC_UNUSED static inline int name##_init(cconc_sem **out_sem)                                \
    {                                                                                              \
        return cconc_sem_init(&name##_storage, capacity, out_sem);                                 \
    }                                                                                              \
    struct name##_storage_is_defined

#endif
