/* flight.h - one running call per key, whose result all who ask for that key meanwhile share.
 * SPDX-License-Identifier: MIT
 *
 * Model     A table of flights, found by key. The first caller of a key starts its function; those
 *           who come while it runs join, and get its code and the same result. Each caller leaves
 *           alone, when its own context ends; when the last one has left, the function's context is
 *           cancelled and the key is free, in one step. Shared results are counted by reference.
 *           The behaviour is that of Go's singleflight where this header says nothing else.
 * Example   err = cconc_flight_do(users, ctx, "42", 2, load, &q, NULL, &user);
 *           (examples/flight_user_cache.c)
 * Lifetime  new allocates; free once no flight has a caller. Results live until their last unref,
 *           also beyond free; a call handle until leave, or until then or send takes it.
 * Threads   Every function, any thread, any time; only free must be alone. A call handle is used by
 *           one thread at a time.
 * Blocking  do and wait, until the flight lands or the context ends. The function runs on the
 *           executor, or inside a do whose context cannot end: do not rely on which.
 * Orders    O1 The end of the function happens before every return of its result or code.
 *           O2 do and do_async happen before the function that they start.
 *           O3 Every use of a result that came before its unref happens before its destruction.
 * Progress  All callers of a flight are released together. Handing out the result and freeing the
 *           key are one step: whoever has the result knows that nobody can join any more.
 * Errors    ECANCELED, ETIMEDOUT  the context had ended before the call: nothing was joined
 *           EINPROGRESS  the context ended first: you have left (do, then, send), or may wait
 *           again (wait)
 *           EDEADLK   the function, through the context that it got, waits for its own flight,
 *           directly or round a ring of keys
 *           EAGAIN    the flight has as many callers as opts.join_max allows
 *           EINVAL    the table, the function or a handle is NULL, or the key too long or NULL
 *           ENOMEM    no memory, or no thread at all; nothing stays in the table
 *           anything else comes from the function and is passed on unchanged; ECANCELED also if
 *           the function ended its thread, ETIMEDOUT also if the flight took opts.timeout_ns.
 * Limits    Keys of any bytes, up to CCONC_FLIGHT_MAX_KEY of them; 2^31 - 1 callers a flight. An
 *           empty table takes some 4 KiB a processor, at most 64 KiB. */
#ifndef CCONC_FLIGHT_H
#define CCONC_FLIGHT_H

#include <cconc/base.h>

#define CCONC_FLIGHT_MAX_KEY 65536u

/* A fresh flight starts its function only after an abandoned one of the same key has wound down. */
#define CCONC_FLIGHT_NO_OVERLAP 1u

CCONC_BEGIN_DECLS

/* One caller of a flight that does not block. */
typedef struct cconc_flight_call cconc_flight_call;

/* What a flight brought, with a count of references. */
typedef struct cconc_flight_result cconc_flight_result;

/* The function of a flight. ctx ends when the last caller has left, or with opts.timeout_ns; it has
 * the values of the first caller's context, not its end, and is borrowed for the call: what is
 * derived from it must be over by its end. *out_value is NULL on entry. Returns 0, or a code of its
 * own: then a value that it set is destroyed. */
typedef int (*cconc_flight_fn)(cconc_ctx *ctx, void *arg, void **out_value);

typedef void (*cconc_flight_drop_fn)(void *arg);
typedef void (*cconc_flight_destroy_fn)(void *value);

/* What then calls. result is NULL unless code is 0; it is the callback's to unref. */
typedef void (*cconc_flight_done_fn)(void *arg, int code, cconc_flight_result *result);

/* The element that send sends; result is NULL unless code is 0, and the receiver's to unref. */
typedef struct cconc_flight_outcome {
    void                *tag; /* as given to send */
    cconc_flight_result *result;
    int                  code;
    uint32_t             reserved; /* zero */
} cconc_flight_outcome;

typedef struct cconc_flight_opts {
    cconc_flight_destroy_fn destroy; /* gets each value that is not NULL, once; may be NULL */
    int64_t  timeout_ns;  /* let callers go with ETIMEDOUT after so long; 0 = never */
    int64_t  keep_ns;     /* serve a result with code 0 for so long after its landing; 0 = not */
    uint32_t join_max;    /* most callers of a flight at once, 0 = no limit */
    uint32_t flags;       /* CCONC_FLIGHT_... */
    uint64_t reserved[4]; /* must be zero */
} cconc_flight_opts;

typedef struct cconc_flight_counts {
    uint64_t flying;      /* flights with callers */
    uint64_t abandoned;   /* functions that still run, or wait to, and whose callers have left */
    uint64_t kept;        /* results that still serve */
    uint64_t callers;     /* of all flights, blocked or with a handle */
    uint64_t started;     /* flights since new */
    uint64_t reserved[3]; /* zero */
} cconc_flight_counts;

/* Make an empty table of flights; opts may be NULL.
 * Returns:  0, EINVAL (a negative time, an unknown flag, reserved words, out_set is NULL),
 *           ENOMEM. */
CCONC_API CCONC_NODISCARD int cconc_flight_new(const cconc_flight_opts *opts,
                                               cconc_flight **out_set);

/* Get the result of the flight of key, which is key_len bytes: join it, or start fn(.., arg, ..) as
 * its function. The key is copied.
 * Requires: out_result may be NULL if only the code is wanted.
 * Returns:  0; the function's code; ECANCELED, ETIMEDOUT, EINPROGRESS, EDEADLK, EAGAIN, ENOMEM;
 *           EINVAL.
 * Owns:     on 0 *out_result is one reference. Unless EINVAL, arg goes to drop (may be NULL)
 *           exactly once: if this call started the flight, after fn or once it is certain that fn
 *           will not run; else before do returns. Nobody has the result before that. */
CCONC_API CCONC_NODISCARD int cconc_flight_do(cconc_flight *set, cconc_ctx *ctx, const void *key,
                                              size_t key_len, cconc_flight_fn fn, void *arg,
                                              cconc_flight_drop_fn drop,
                                              cconc_flight_result **out_result);

/* Join or start as do does, on the executor, and return at once with a handle. ctx gives values,
 * and must not have ended; it does not bound the flight.
 * Returns:  0, ECANCELED, ETIMEDOUT, EDEADLK, EAGAIN, ENOMEM, EINVAL.
 * Owns:     on 0 *out_call must go to leave, then or send; arg as in do. */
CCONC_API CCONC_NODISCARD int cconc_flight_do_async(cconc_flight *set, cconc_ctx *ctx,
                                                    const void *key, size_t key_len,
                                                    cconc_flight_fn fn, void *arg,
                                                    cconc_flight_drop_fn drop,
                                                    cconc_flight_call **out_call);

/* Wait for the flight of call. A flight that has landed wins over a context that has ended; one
 * that has not may be waited for again.
 * Returns:  0, the function's code, EINPROGRESS, EDEADLK, EINVAL.
 * Owns:     call stays the caller's; on 0 *out_result is one reference. out_result may be NULL. */
CCONC_API CCONC_NODISCARD int cconc_flight_wait(cconc_flight_call *call, cconc_ctx *ctx,
                                                cconc_flight_result **out_result);

/* Let fn(arg, code, result) be called once on the executor, as soon as the flight of call has
 * landed, or ctx has ended: then call leaves, and code is EINPROGRESS. Where no thread at all is to
 * be had fn is called by the thread that ends the flight.
 * Returns:  0, ENOMEM, EINVAL (a NULL, or ctx is a stack context).
 * Owns:     on 0 call is gone. */
CCONC_API CCONC_NODISCARD int cconc_flight_then(cconc_flight_call *call, cconc_ctx *ctx,
                                                cconc_flight_done_fn fn, void *arg);

/* The same, with a cconc_flight_outcome for chan as what is done. It should have room: an executor
 * thread blocks while it has none. If it is closed the result is unref'd.
 * Requires: chan lives until it has got it.
 * Returns:  as then; EINVAL (chan is NULL, or its elements are not of the size of an outcome). */
CCONC_API CCONC_NODISCARD int cconc_flight_send(cconc_flight_call *call, cconc_ctx *ctx,
                                                cconc_chan *chan, void *tag);

/* Release the handle: if the flight has not landed its caller leaves. If it is the last one of a
 * flight that waits for an abandoned one (CCONC_FLIGHT_NO_OVERLAP) drop is called in here. NULL is
 * a no-op. */
CCONC_API void cconc_flight_leave(cconc_flight_call *call);

/* Let callers of key that come from now on start anew; those of a running flight still get its
 * result. A kept result serves no longer. */
CCONC_API void cconc_flight_forget(cconc_flight *set, const void *key, size_t key_len);

/* Forget key unless its running flight was ever joined.
 * Returns:  true if nobody can join now: the key was absent, or has been forgotten. */
CCONC_API bool cconc_flight_forget_unshared(cconc_flight *set, const void *key, size_t key_len);

/* Give the value, borrowed from result. */
CCONC_API void *cconc_flight_result_value(const cconc_flight_result *result);

/* Tell whether somebody joined the flight, or was served the kept result: the same for all. */
CCONC_API bool cconc_flight_result_is_shared(const cconc_flight_result *result);

/* Give the number of callers that this result has been given to. */
CCONC_API uint32_t cconc_flight_result_sharers(const cconc_flight_result *result);

/* Add a reference. Returns result. */
CCONC_API cconc_flight_result *cconc_flight_result_ref(cconc_flight_result *result);

/* Drop a reference; the last one destroys the value. NULL is a no-op. */
CCONC_API void cconc_flight_result_unref(cconc_flight_result *result);

/* Write what the table is doing to *out_counts; exact when nothing moves. */
CCONC_API void cconc_flight_read(cconc_flight *set, cconc_flight_counts *out_counts);

/* Release the table; NULL is a no-op. Kept results serve no longer; abandoned functions may still
 * run. Flights that have callers abort, with their number. */
CCONC_API void cconc_flight_free(cconc_flight *set);

CCONC_END_DECLS

#endif
