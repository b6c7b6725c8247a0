/* process.h - what the library shares within a process: memory, misuse, its threads, error texts.
 * SPDX-License-Identifier: MIT
 *
 * Model     One allocator, one misuse hook, one set of library threads, whatever objects there are.
 *           Threads start with the first task, function, timer, deadline or signal context, and not
 *           before; idle ones end by themselves. The workers of a pool are its own.
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
 *           ENOMEM      fork_child only
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

/* How the threads are made that run tasks of groups and waitgroups, flights, after-funcs and
 * functions of timers; all zero is the default. */
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
 * stays while something exists that may need it without being able to start it: a timer, a ticker,
 * an after-func of a live context, a flight table that keeps results; so free the objects first.
 * Returns:  0; ECANCELED, ETIMEDOUT (ctx ended first; nothing that had work was stopped); EDEADLK
 *           (called from a library thread).
 * Blocks:   while a task runs or is queued, or a timer, deadline or signal context is armed. */
CCONC_API int cconc_shutdown(cconc_ctx *ctx);

/* Let a forked child use the library as a process of its own. Until then a child may exec, and make
 * calls that neither block nor need a thread of the library; of the others base.h tells the code.
 * A signal context hears nothing there: the child's signals meet the dispositions that were found
 * before.
 *
 * Afterwards new objects work. Those of before the fork are lost: they stay as they lie, and their
 * memory with them. Of their calls those remain that neither block nor need a thread, such as
 * cconc_ctx_err, cconc_counter_add or a once that has run; one that meets a lock which a thread of
 * the parent held at the fork ends the child with a message. The parent notices nothing. A child
 * that was forked inside a function which a library thread called must end by exec or _exit: to
 * return from that function is misuse. In a process that is no such child this does nothing.
 * Requires: called by the only thread of the child, outside of signal handlers.
 * Returns:  0, ENOMEM (call it again). */
CCONC_API int cconc_fork_child(void);

/* Put a status code into the library's words: "closed", "the context was cancelled".
 * Returns:  a constant text, never NULL; "error" for a code that the library does not use. */
CCONC_API const char *cconc_strerror(int code);

CCONC_END_DECLS

#endif
