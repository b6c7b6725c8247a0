/* ctx.h - contexts: a tree of things that can be cancelled, run out of time, and carry values.
 * SPDX-License-Identifier: MIT
 *
 * Model     A node is live, then done, for good: err tells why, cause tells more. Cancelling a node
 *           makes its whole subtree done before cancel returns. NULL is a context that never ends.
 *           The behaviour is that of Go's package context where this header says nothing else.
 * Example   int err = cconc_ctx_with_timeout(NULL, CCONC_SECOND, &ctx);   (examples/ctx_deadline.c)
 * Lifetime  A context is born with one handle; ref adds one, free drops one, in any order. The last
 *           free of a cancellable context cancels it. Children, blocked waits and registrations
 *           keep its memory, not its life.
 * Threads   Every function, any thread, any time, as long as the caller has a handle.
 * Blocking  wait, sleep; after_stop_wait and after_free while the function runs. cancel waits for
 *           no callback and no waiter.
 * Orders    O1 The cancelling call happens before every return that shows err or cause, and before
 *              the after-func.
 *           O2 The end of an after-func happens before the return of its stop_wait or free.
 * Progress  Whoever sees err sees everything done: waits are over, the descriptor is readable, the
 *           cause is final, the subtree is ending in the same step.
 * Errors    ECANCELED   cancelled    ETIMEDOUT  the deadline passed    ENOMEM  no memory, no thread
 *           EINVAL      the argument cannot be right, or the context cannot do this
 *           EDEADLK     wait, sleep: nothing could end it
 *           EMFILE, ENFILE  fd and with_signals only: no descriptor could be had
 * Limits    2^31 handles: beyond them the context stays for ever. A chain or a fan of any length
 *           needs no deeper stack to cancel. */
#ifndef CCONC_CTX_H
#define CCONC_CTX_H

#include <cconc/base.h>

/* The bytes of a cause's message that are kept. */
#define CCONC_CTX_MAX_MESSAGE 255

/* with_signals: a second listed signal ends the process at once with status 128 + its number. */
#define CCONC_CTX_SECOND_SIGNAL_EXITS 1u

CCONC_BEGIN_DECLS

/* A registered after-func. */
typedef struct cconc_after cconc_after;

/* Room for a context on the caller's stack, for cconc_ctx_until. Its fields are the library's. */
typedef struct cconc_ctx_mem {
    uint64_t opaque[6];
} cconc_ctx_mem;

typedef void (*cconc_after_fn)(void *arg);
typedef void (*cconc_value_destroy_fn)(void *value);

/* Give the root that never ends. It needs no free; NULL means the same wherever a context goes. */
CCONC_API cconc_ctx *cconc_ctx_background(void);

/* Make a child of parent that can be cancelled; it is born done if parent is done.
 * Returns:  0, ENOMEM, EINVAL (parent is a stack context, or out_ctx is NULL). */
CCONC_API CCONC_NODISCARD int cconc_ctx_with_cancel(cconc_ctx *parent, cconc_ctx **out_ctx);

/* Make a child of parent that ends with ETIMEDOUT at deadline_ns, or at parent's deadline if that
 * is earlier. A deadline that is not after now gives a context born done.
 * Returns:  as with_cancel; ENOMEM also if the timer service cannot start. */
CCONC_API CCONC_NODISCARD int cconc_ctx_with_deadline(cconc_ctx *parent, int64_t deadline_ns,
                                                      cconc_ctx **out_ctx);

/* The same with the deadline timeout_ns from now; <= 0 is over at once.
 * Returns:  as with_deadline. */
CCONC_API CCONC_NODISCARD int cconc_ctx_with_timeout(cconc_ctx *parent, int64_t timeout_ns,
                                                     cconc_ctx **out_ctx);

/* As with_deadline, with the cause to record if this very deadline ends the context.
 * message is copied, NULL for none.
 * Returns:  as with_deadline; EINVAL also if code is 0. */
CCONC_API CCONC_NODISCARD int cconc_ctx_with_deadline_cause(cconc_ctx *parent, int64_t deadline_ns,
                                                            int code, const char *message,
                                                            cconc_ctx **out_ctx);

/* As with_timeout, with the cause to record if this very deadline ends the context.
 * Returns:  as with_deadline_cause. */
CCONC_API CCONC_NODISCARD int cconc_ctx_with_timeout_cause(cconc_ctx *parent, int64_t timeout_ns,
                                                           int code, const char *message,
                                                           cconc_ctx **out_ctx);

/* Make a child of parent in which key, compared by address, is bound to value. NULL hides an outer
 * binding. The context ends with parent and cannot be cancelled by itself.
 * Returns:  0, ENOMEM, EINVAL (key or out_ctx is NULL, or parent is a stack context).
 * Owns:     on 0 value is the context's, and destroy (may be NULL) gets it once, when the context's
 *           memory goes; otherwise value stays the caller's. */
CCONC_API CCONC_NODISCARD int cconc_ctx_with_value(cconc_ctx *parent, const void *key, void *value,
                                                   cconc_value_destroy_fn destroy,
                                                   cconc_ctx **out_ctx);

/* Make a context with parent's values that does not end with parent.
 * Returns:  as with_cancel. */
CCONC_API CCONC_NODISCARD int cconc_ctx_without_cancel(cconc_ctx *parent, cconc_ctx **out_ctx);

/* Make a child of parent that the first of count listed signals cancels, with the cause message
 * "interrupt signal received" (the signal's name; without one: "signal 34 received") and its number
 * in cconc_ctx_signal. No signal listed means SIGINT and SIGTERM. Until cancel or the last free,
 * later signals are swallowed, or end the process if flags has CCONC_CTX_SECOND_SIGNAL_EXITS; then
 * the disposition found before is restored, once the last context for that signal is gone, unless
 * another one was installed since. A signal that comes before a cancel is told by the context.
 * Returns:  as with_cancel; EINVAL also for SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, a
 *           bad number, no list though count is above 0, or an unknown flag; ENOMEM also if the
 *           service cannot start; EMFILE, ENFILE. */
CCONC_API CCONC_NODISCARD int cconc_ctx_with_signals(cconc_ctx *parent, const int *signals,
                                                     size_t count, uint32_t flags,
                                                     cconc_ctx **out_ctx);

/* Give the number of the signal that ended ctx, a context made by with_signals; 0 if none did. */
CCONC_API int cconc_ctx_signal(const cconc_ctx *ctx);

/* Make in mem a context that ends with parent or at deadline_ns. Nothing is allocated or linked, so
 * there is nothing to free: it serves waits and readers as long as mem and parent live. Deriving
 * from it, after_func and fd are EINVAL.
 * Returns:  mem as a context. */
CCONC_API cconc_ctx *cconc_ctx_until(cconc_ctx_mem *mem, cconc_ctx *parent, int64_t deadline_ns);

/* End ctx and its subtree with ECANCELED; the cause is ECANCELED unless one is there already.
 * Every call, also one that came second, returns when the whole subtree is done.
 * Requires: ctx was made by with_cancel, with_deadline, with_timeout or with_signals, else
 * abort. */
CCONC_API void cconc_ctx_cancel(cconc_ctx *ctx);

/* As cancel, with code (0 means ECANCELED) and a message as the cause. The message needs memory of
 * its own; where there is none the cause is the code alone. */
CCONC_API void cconc_ctx_cancel_cause(cconc_ctx *ctx, int code, const char *format, ...)
    CCONC_PRINTF(3, 4);

/* Tell whether ctx is done, by one load whatever its depth. A signal handler may ask, but not a
 * stack context.
 * Returns:  0 while it is live, else ECANCELED or ETIMEDOUT, for good. */
CCONC_API int cconc_ctx_err(const cconc_ctx *ctx);

/* Tell why ctx is done. *out_message, if out_message is not NULL, becomes the cause's message, or
 * the code in words; it lives as long as the caller's handle.
 * Returns:  0 while it is live, else the code of the cause, for good: ECANCELED or ETIMEDOUT,
 *           unless another was given. */
CCONC_API int cconc_ctx_cause(const cconc_ctx *ctx, const char **out_message);

/* Give the absolute time at which ctx ends at the latest, CCONC_NEVER if none is set. */
CCONC_API int64_t cconc_ctx_deadline(const cconc_ctx *ctx);

/* Give what key, compared by address, is bound to nearest to ctx; NULL if nothing. */
CCONC_API void *cconc_ctx_value(const cconc_ctx *ctx, const void *key);

/* Wait until target is done, at most until ctx is.
 * Returns:  0 once target is done; ECANCELED, ETIMEDOUT (ctx ended first); EDEADLK (neither can
 *           ever end). */
CCONC_API int cconc_ctx_wait(cconc_ctx *target, cconc_ctx *ctx);

/* Sleep for duration_ns, at most until ctx is done; <= 0 returns at once.
 * Returns:  0 after the whole time, never early; ECANCELED, ETIMEDOUT (ctx ended first); EDEADLK
 *           (the time does not fit, and ctx can never end). */
CCONC_API int cconc_ctx_sleep(cconc_ctx *ctx, int64_t duration_ns);

/* Run fn(arg) once, on the executor, as soon as ctx is done. *out_after names the registration and
 * must go to cconc_after_free.
 * Returns:  0, ENOMEM, EINVAL (fn or out_after is NULL, or ctx cannot end or is a stack context).
 * Owns:     arg stays the caller's until fn runs with it. */
CCONC_API CCONC_NODISCARD int cconc_ctx_after_func(cconc_ctx *ctx, cconc_after_fn fn, void *arg,
                                                   cconc_after **out_after);

/* Keep the function from running.
 * Returns:  true for exactly one caller, and only if it will never run; false if it ran, runs or
 *           will run, or another stop was first. Does not wait. */
CCONC_API bool cconc_after_stop(cconc_after *after);

/* As stop, but if the function runs or will run, return false only after it has returned. Inside
 * that very function: at once. */
CCONC_API bool cconc_after_stop_wait(cconc_after *after);

/* stop_wait, then release; inside the function itself the release follows its return. NULL is a
 * no-op. */
CCONC_API void cconc_after_free(cconc_after *after);

/* Give a descriptor to poll that is readable from the moment ctx is done. It is the context's:
 * never read or close it, and stop polling it before the last free. The same one every time.
 * Returns:  0, EINVAL (ctx cannot end or is a stack context, or out_fd is NULL), EMFILE, ENFILE,
 *           ENOMEM. */
CCONC_API CCONC_NODISCARD int cconc_ctx_fd(cconc_ctx *ctx, int *out_fd);

/* Add a handle to ctx. Returns ctx. */
CCONC_API cconc_ctx *cconc_ctx_ref(cconc_ctx *ctx);

/* Drop a handle of ctx; the last one cancels it, if it can be cancelled. NULL and background:
 * no-op. More frees than handles abort. */
CCONC_API void cconc_ctx_free(cconc_ctx *ctx);

#if defined(CCONC_HAS_ATOMIC_BUILTINS) && !defined(CCONC_NO_INLINE)
/* The same as the function, without the call: a negative word means that only the library knows. */
static inline int cconc_ctx_err_inline(const cconc_ctx *ctx)
{
    int32_t state;
    if (!ctx) {
        return 0;
    }
    if (CCONC_IS_MISALIGNED(ctx)) {
        return cconc_ctx_err(ctx); /* misuse, which the function tells */
    }
    state = __atomic_load_n(CCONC_POINTER_CAST(const int32_t *, ctx), __ATOMIC_ACQUIRE);
    return state >= 0 ? state : cconc_ctx_err(ctx);
}
#define cconc_ctx_err(ctx) cconc_ctx_err_inline(ctx)
#endif

CCONC_END_DECLS

#endif
