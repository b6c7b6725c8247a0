/* chan.h - bounded queues of fixed-size elements between threads; capacity 0 is a rendezvous.
 * SPDX-License-Identifier: MIT
 *
 * Model     Up to cap elements, copied in and out in order, and one bit: open or closed. Closed
 *           means "no more will come"; what is inside can still be received. Not a byte stream.
 *           The behaviour is that of Go's channels where this header says nothing else; a NULL
 *           channel is never ready.
 * Example   int err = cconc_chan_new(sizeof(job), 64, &jobs);   (examples/chan_worker_pool.c)
 * Lifetime  new allocates, free releases. No call may be running on the channel when free starts;
 *           elements still inside go to the drop function, if there is one.
 * Threads   Every function, any thread, any time; only free must be alone.
 * Blocking  send, recv, send_n, recv_n. A wait ends by a peer, by close, or by the context.
 * Orders    O1 A send happens before the return of the receive that takes its element.
 *           O2 close happens before the return of any call that reports EPIPE.
 *           O3 With capacity 0 a receive happens before the return of the send it serves.
 *           O4 With capacity C the k-th receive happens before the return of the (k+C)-th send.
 * Progress  Capacity 0: waiters of one side are served strictly in order of arrival. Buffered: a
 *           running caller may overtake a woken one, but whoever has waited 1 ms at the head gets
 *           the next element or slot. A thread that is descheduled while it copies its element
 *           holds up the slot behind it, as the holder of a lock would.
 * Errors    EPIPE   closed (recv: and drained)    ECANCELED, ETIMEDOUT       the context ended
 *           EAGAIN  a try_ call would block       EOVERFLOW, ENOMEM  new only
 *           EINVAL  new; no element to send given
 *           EDEADLK a NULL channel and a context that never ends
 *           On error nothing was transferred (send_n, recv_n: nothing beyond *out_count).
 * Limits    cap * elem_size <= SIZE_MAX / 2, cap <= CCONC_CHAN_MAX_CAP, else EOVERFLOW. Any number
 *           of waiters. */
#ifndef CCONC_CHAN_H
#define CCONC_CHAN_H

#include <cconc/base.h>

/* The largest capacity; what the positions of a ring can count on the smallest platform. */
#define CCONC_CHAN_MAX_CAP 1048576u

CCONC_BEGIN_DECLS

/* drop gets each element that is still inside when the channel is freed, also if it ends the thread
 * that frees it. */
typedef void (*cconc_chan_drop_fn)(void *elem, void *user);

typedef struct cconc_chan_opts {
    cconc_chan_drop_fn drop; /* NULL = elements left inside are forgotten */
    void              *user; /* second argument of drop */
    uint64_t           reserved[4]; /* must be zero */
} cconc_chan_opts;

/* Make a channel for cap elements of elem_size bytes each; both may be 0.
 * Returns:  0, EINVAL (out_chan is NULL), EOVERFLOW, ENOMEM. */
CCONC_API CCONC_NODISCARD int cconc_chan_new(size_t elem_size, size_t cap, cconc_chan **out_chan);

/* The same with options; opts may be NULL.
 * Returns:  as new; EINVAL also for reserved words. */
CCONC_API CCONC_NODISCARD int cconc_chan_new_opts(size_t elem_size, size_t cap,
                                                  const cconc_chan_opts *opts,
                                                  cconc_chan **out_chan);

/* Send a copy of *elem into ch, waiting while ch is full and open (capacity 0: until a receiver has
 * it).
 * Requires: elem has elem_size bytes, with no alignment; NULL only if elem_size is 0.
 * Returns:  0, EPIPE, ECANCELED, ETIMEDOUT, EDEADLK, EINVAL (elem is NULL). */
CCONC_API CCONC_NODISCARD int cconc_chan_send(cconc_chan *ch, cconc_ctx *ctx, const void *elem);

/* Receive the oldest element of ch into out_elem, waiting while ch is empty and open.
 * Requires: out_elem has room for elem_size bytes; NULL throws the element away.
 * Returns:  0, EPIPE, ECANCELED, ETIMEDOUT, EDEADLK.
 * Owns:     on 0 the element is the caller's; otherwise *out_elem is untouched. */
CCONC_API CCONC_NODISCARD int cconc_chan_recv(cconc_chan *ch, cconc_ctx *ctx, void *out_elem);

/* Send if that takes no waiting.
 * Returns:  0, EAGAIN, EPIPE, EINVAL (elem is NULL). */
CCONC_API CCONC_NODISCARD int cconc_chan_try_send(cconc_chan *ch, const void *elem);

/* Receive if that takes no waiting.
 * Returns:  0, EAGAIN (it was empty and open), EPIPE. */
CCONC_API CCONC_NODISCARD int cconc_chan_try_recv(cconc_chan *ch, void *out_elem);

/* Send count elements that lie one after the other, in order, waiting as send does; other senders'
 * elements may fall in between. *out_count, if out_count is not NULL, tells how many went.
 * Returns:  0 (all went; at once if count is 0, whatever ch and ctx are), else as send. */
CCONC_API CCONC_NODISCARD int cconc_chan_send_n(cconc_chan *ch, cconc_ctx *ctx, const void *elems,
                                                size_t count, size_t *out_count);

/* Wait for one element, then take what is there, up to count, one after the other into out_elems.
 * Returns:  0 (1 to count came; at once if count is 0, whatever ch and ctx are), else as recv;
 *           *out_count (or NULL) is always written. */
CCONC_API CCONC_NODISCARD int cconc_chan_recv_n(cconc_chan *ch, cconc_ctx *ctx, void *out_elems,
                                                size_t count, size_t *out_count);

/* Close ch: blocked senders get EPIPE, receivers get what is inside and then EPIPE.
 * Returns:  0 for the call that closed it, EPIPE for every other. NULL aborts. */
CCONC_API int cconc_chan_close(cconc_chan *ch);

/* Give the number of elements inside, between 0 and cap; a hint as soon as it is read. A NULL
 * channel has none. */
CCONC_API size_t cconc_chan_len(const cconc_chan *ch);

/* Give the capacity; 0 of a NULL channel. */
CCONC_API size_t cconc_chan_cap(const cconc_chan *ch);

/* Give the numbers of callers that are blocked sending and receiving, selects included; hints.
 * Each output may be NULL; a NULL channel has none. */
CCONC_API void cconc_chan_waiters(cconc_chan *ch, size_t *out_senders, size_t *out_receivers);

/* Release ch; NULL is a no-op. Blocked callers abort, with their number. */
CCONC_API void cconc_chan_free(cconc_chan *ch);

CCONC_END_DECLS

/* Declare struct name, a channel of T, with functions that check the element's type:
 * name_new, name_send, name_recv, name_try_send, name_try_recv, name_close, name_free.
 *     CCONC_CHAN_OF(struct job, jobs)
 *     struct jobs queue;   jobs_new(&queue, 64);   jobs_send(queue, ctx, job); */
#define CCONC_CHAN_OF(T, name)                                                                     \
    struct name {                                                                                  \
        cconc_chan *chan;                                                                          \
    };                                                                                             \
    CCONC_UNUSED static inline int name##_new(struct name *out_typed, size_t cap)                  \
    {                                                                                              \
        return cconc_chan_new(sizeof(T), cap, &out_typed->chan);                                   \
    }                                                                                              \
    CCONC_UNUSED static inline int name##_send(struct name typed, cconc_ctx *ctx, T elem)          \
    {                                                                                              \
        return cconc_chan_send(typed.chan, ctx, &elem);                                            \
    }                                                                                              \
    CCONC_UNUSED static inline int name##_recv(struct name typed, cconc_ctx *ctx, T *out_elem)     \
    {                                                                                              \
        return cconc_chan_recv(typed.chan, ctx, out_elem);                                         \
    }                                                                                              \
    CCONC_UNUSED static inline int name##_try_send(struct name typed, T elem)                      \
    {                                                                                              \
        return cconc_chan_try_send(typed.chan, &elem);                                             \
    }                                                                                              \
    CCONC_UNUSED static inline int name##_try_recv(struct name typed, T *out_elem)                 \
    {                                                                                              \
        return cconc_chan_try_recv(typed.chan, out_elem);                                          \
    }                                                                                              \
    CCONC_UNUSED static inline int name##_close(struct name typed)                                 \
    {                                                                                              \
        return cconc_chan_close(typed.chan);                                                       \
    }                                                                                              \
    CCONC_UNUSED static inline void name##_free(struct name typed)                                 \
    {                                                                                              \
        cconc_chan_free(typed.chan);                                                               \
    }                                                                                              \
    struct name

#endif
