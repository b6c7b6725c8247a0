/* process.h - what the library shares within a process: memory, misuse, its threads, error texts.
 * SPDX-License-Identifier: MIT
 *
 * Model     One allocator, one misuse hook, one set of library threads, whatever objects there are.
 *           Threads start with the first group, deadline, after-func or signal context, and not
 *           before; idle ones end by themselves.
 * Example   cconc_shutdown(NULL);   (examples/chan_worker_pool.c)
 * Lifetime  Settings last as long as the process. After shutdown the library starts again on use.
 * Threads   Every function, any thread, any time.
 * Blocking  shutdown, until the library's threads have nothing to do.
 * Orders    none
 * Progress  none
 * Errors    EBUSY       too late: memory was already taken, or a thread already started
 *           EDEADLK     shutdown from a library thread
 *           ECANCELED, ETIMEDOUT  the context ended
 *           EINVAL      a function is missing or a number cannot be right
 * Limits    none */
#ifndef CCONC_PROCESS_H
#define CCONC_PROCESS_H

#include <cconc/base.h>

CCONC_BEGIN_DECLS

/* alloc gives size bytes aligned as malloc aligns, or NULL; free takes back what alloc gave. */
typedef void *(*cconc_alloc_fn)(size_t size, void *user);
typedef void (*cconc_free_fn)(void *memory, void *user);

/* Take all memory from alloc_fn and give it back to free_fn, both called with user and under no
 * lock.
 * Requires: called before the library's first allocation.
 * Returns:  0, EINVAL (one is NULL), EBUSY (memory was already taken, or an allocator was set). */
CCONC_API int cconc_set_allocator(cconc_alloc_fn alloc_fn, cconc_free_fn free_fn, void *user);

/* message tells object, fact and number, without a line end: "sem free with 3 waiters".
 * docs/misuse.md lists all messages. */
typedef void (*cconc_misuse_fn)(const char *message, void *user);

/* Call hook with user at every misuse that is detected, instead of writing "cconc: message" to
 * standard error. No lock is held; the hook may longjmp away. If it returns, the process aborts.
 * NULL brings the default back. */
CCONC_API void cconc_set_misuse_hook(cconc_misuse_fn hook, void *user);

/* How the threads are made that run the tasks of groups; all zero is the default. */
typedef struct cconc_executor_opts {
    size_t   stack_size;   /* bytes, 0 = the platform's default */
    int64_t  idle_ns;      /* how long an idle thread stays, 0 = 10 seconds */
    uint64_t reserved[4];  /* must be zero */
} cconc_executor_opts;

/* Set how executor threads are made.
 * Returns:  0, EINVAL (NULL, negative time, reserved words), EBUSY (a thread has been started since
 *           the last shutdown). */
CCONC_API int cconc_set_executor(const cconc_executor_opts *opts);

/* What the executor has done so far; a snapshot, exact when nothing moves. */
typedef struct cconc_executor_stats {
    uint32_t threads;      /* alive now */
    uint32_t idle;         /* of these, waiting for a task */
    uint32_t queued;       /* tasks that no thread has taken yet */
    uint32_t threads_peak; /* most threads alive at once since the last shutdown */
    uint64_t reserved[4];  /* zero */
} cconc_executor_stats;

/* Write what the executor is doing to *out_stats. */
CCONC_API void cconc_executor_read(cconc_executor_stats *out_stats);

/* Wait until executor and timer service have nothing to do, then end and join all library threads
 * and release what they cached. The library starts again on its next use. The thread for timers
 * stays while a live context has an after-func, or a timer exists, that may need it without being
 * able to start it; so free the objects first.
 * Returns:  0; ECANCELED, ETIMEDOUT (ctx ended first, nothing was stopped); EDEADLK (called from a
 *           library thread).
 * Blocks:   while a task runs or is queued, or a timer, deadline or signal context is armed. */
CCONC_API int cconc_shutdown(cconc_ctx *ctx);

/* Put a status code into the library's words: "closed", "the context was cancelled".
 * Returns:  a constant text, never NULL; "error" for a code that the library does not use. */
CCONC_API const char *cconc_strerror(int code);

CCONC_END_DECLS

#endif
