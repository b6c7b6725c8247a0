/* once.h - something that is done once, by whoever comes first, while the others wait for it.
 * SPDX-License-Identifier: MIT
 *
 * Model     The first run calls its function; everybody returns after that has ended, with its
 *           code. run keeps the code whatever it is; run_retry keeps only 0, and after a failure
 *           the next caller tries again. The value forms keep a pointer, too. The behaviour is that
 *           of Go's sync.Once, OnceFunc and OnceValues where this header says nothing else.
 * Example   static cconc_once once = CCONC_ONCE_INIT;   (examples/once_connection.c)
 * Lifetime  The caller's memory; all zeros is a valid once. No call may be running when destroy or
 *           reset starts.
 * Threads   Every function, any thread, any time; only init, reset and destroy must be alone.
 * Blocking  All forms of run, while another thread runs the function, or until the context ends.
 * Orders    O1 The end of the function happens before every return of its code.
 * Progress  All who wait for one run are released together.
 * Errors    The function's own code; ECANCELED also if it ended its thread.
 *           EINPROGRESS  the context ended first; the function still runs, in another thread
 *           ECANCELED, ETIMEDOUT  the context was done on entry: nothing was run
 *           EDEADLK  called by the function that runs         EINVAL  no function
 *           ENOMEM  no memory for the function's context: nothing was run
 * Limits    none */
#ifndef CCONC_ONCE_H
#define CCONC_ONCE_H

#include <cconc/base.h>

#define CCONC_ONCE_INIT {0, 0, NULL}

/* What state is once the function's code is kept, and that is 0. */
#define CCONC_ONCE_IS_DONE 4u

CCONC_BEGIN_DECLS

/* The fields are the library's. */
struct cconc_once {
    uint32_t state;
    int32_t  code;
    void    *value;
};

/* What makes a value: *out_value is kept if the code is 0, and ignored otherwise. */
typedef int (*cconc_once_value_fn)(cconc_ctx *ctx, void *arg, void **out_value);

/* Releases a value. */
typedef void (*cconc_once_destroy_fn)(void *value);

/* Make once one whose function has not run. */
CCONC_API void cconc_once_init(cconc_once *once);

/* Run fn once; its code is kept. fn gets the values of ctx without its cancellation, so that a
 * caller who leaves does not spoil what is kept for all.
 * Returns:  0 or fn's code (also if ctx is done but fn has ended), EINPROGRESS, ECANCELED,
 *           ETIMEDOUT, EDEADLK, EINVAL, ENOMEM. arg is not used after the return of the call that
 *           ran fn. */
CCONC_API CCONC_NODISCARD int cconc_once_run(cconc_once *once, cconc_ctx *ctx, cconc_task_fn fn,
                                             void *arg);

/* The same, but a code other than 0 goes to the caller that ran fn and to those who waited for it
 * alone; the next call runs its fn. fn gets ctx itself.
 * Returns:  as run, without ENOMEM. */
CCONC_API CCONC_NODISCARD int cconc_once_run_retry(cconc_once *once, cconc_ctx *ctx,
                                                   cconc_task_fn fn, void *arg);

/* The same as run, with a value, which *out_value (or NULL) becomes on 0.
 * Returns:  as run.
 * Owns:     the value stays the once's until reset. */
CCONC_API CCONC_NODISCARD int cconc_once_value(cconc_once *once, cconc_ctx *ctx,
                                               cconc_once_value_fn fn, void *arg,
                                               void **out_value);

/* The same as run_retry, with a value.
 * Returns:  as run_retry.
 * Owns:     as value. */
CCONC_API CCONC_NODISCARD int cconc_once_value_retry(cconc_once *once, cconc_ctx *ctx,
                                                     cconc_once_value_fn fn, void *arg,
                                                     void **out_value);

/* Tell whether a code is kept. */
CCONC_API bool cconc_once_is_done(const cconc_once *once);

/* Give the number of callers that wait for a run; a hint as soon as it is read. */
CCONC_API size_t cconc_once_waiters(const cconc_once *once);

/* Begin anew: the next call runs its function. A value that is kept goes to destroy (or NULL).
 * During a run it aborts. */
CCONC_API void cconc_once_reset(cconc_once *once, cconc_once_destroy_fn destroy);

/* End the use of once. During a run it aborts, with the number of waiters. */
CCONC_API void cconc_once_destroy(cconc_once *once);

#if defined(CCONC_HAS_ATOMIC_BUILTINS) && !defined(CCONC_NO_INLINE)
/* The same as the function, without the call when the code is there and 0: one load and a branch.
 * What may be no once at all is left to the function. */
static inline int cconc_once_run_inline(cconc_once *once, cconc_ctx *ctx, cconc_task_fn fn,
                                        void *arg)
{
    if (once && !CCONC_IS_MISALIGNED(once) && !CCONC_IS_MISALIGNED(ctx) && fn &&
        __atomic_load_n(&once->state, __ATOMIC_ACQUIRE) == CCONC_ONCE_IS_DONE) {
        return 0;
    }
    return cconc_once_run(once, ctx, fn, arg);
}
#define cconc_once_run(once, ctx, fn, arg) cconc_once_run_inline(once, ctx, fn, arg)
#endif

CCONC_END_DECLS

#endif
