/* pool.h - a set of worker threads of its own, with a bounded queue of tasks.
 * SPDX-License-Identifier: MIT
 *
 * Model     A queue of at most queue_len tasks, first in, first out, and workers that each run one
 *           task at a time. No more tasks run at once than there are workers. A worker that would
 *           have to wait for its own pool runs queued tasks meanwhile, those that it submitted
 *           itself first, newest first; so tasks may wait for tasks, even with a single worker.
 * Example   int err = cconc_pool_submit(pool, ctx, compress, &file);   (examples/pool_compress.c)
 * Lifetime  new allocates and starts the workers, free ends and joins them. A future may outlive
 *           its pool. A task record is the caller's memory, in use from submit to its end.
 * Threads   Every function, any thread, any time; only free must be alone, and not in a worker.
 * Blocking  submit while the queue is full (policy BLOCK); wait, shutdown, join, future_wait,
 *           parallel_for. In a worker of the pool these help.
 * Orders    O1 submit happens before its task.
 *           O2 The end of a task before the return of future_wait, join, parallel_for, and of wait
 *           and shutdown with 0.
 * Progress  Tasks submitted from outside start in order of submission, and blocked submitters are
 *           served in order of arrival. What frees room in the queue wakes one of them.
 * Errors    EPIPE      shutdown has begun           EAGAIN  the queue is full, and policy or try
 *           ECANCELED, ETIMEDOUT  the context ended                       say not to wait
 *           EINPROGRESS  future_wait, join: the context ended first; the task goes on
 *           EDEADLK    wait or shutdown from a worker; a wait in a worker more than
 *           CCONC_POOL_MAX_DEPTH tasks deep, for which no further thread could be had
 *           ENOMEM     no memory, or no thread        EINVAL  an argument that cannot be right
 *           On error nothing happened, and what was to be submitted is the caller's.
 * Limits    CCONC_POOL_MAX_WORKERS workers. The memory of a bounded queue is reserved by new.
 *
 * A task or hook that ends its thread, by pthread_exit or thread-cancellation, ends with it all
 * that waits below it on that thread. Each such task has the code ECANCELED, a worker is replaced,
 * what was to be dropped counts as dropped, a record that waits for room is dropped, and
 * parallel_for and free finish before the thread goes. But the stack is gone by then: where a task
 * may end its thread no record, of whatever task, must lie on the stack of a task that waits for
 * one. */
#ifndef CCONC_POOL_H
#define CCONC_POOL_H

#include <cconc/base.h>

#define CCONC_POOL_MAX_WORKERS 4096
/* So many tasks may help one another on one worker before it gets a temporary one. */
#define CCONC_POOL_MAX_DEPTH 64

/* What submit does when the queue is full. */
#define CCONC_POOL_BLOCK 0u       /* wait for room, at most until its context ends */
#define CCONC_POOL_FAIL 1u        /* return EAGAIN */
#define CCONC_POOL_DROP_OLDEST 2u /* drop the task that has been queued longest; needs a queue */
#define CCONC_POOL_CALLER_RUNS 3u /* run the task in the caller, uncounted as to the workers */

/* The queue has no bound: queue_len is not looked at, and submit may fail with ENOMEM. */
#define CCONC_POOL_UNBOUNDED 1u

/* How a shutdown treats what is queued. */
#define CCONC_POOL_DRAIN 0u  /* run it */
#define CCONC_POOL_CANCEL 1u /* drop it, and cancel the pool's context */

CCONC_BEGIN_DECLS

typedef struct cconc_pool_task cconc_pool_task;

/* A task in the caller's memory: submitting it needs none, and it can be waited for. Zero it, set
 * fn and arg, and keep it in place and untouched until it has ended. It can then be used again. On
 * the stack of a task it is safe only if no task of the pool ends its thread, see above. */
struct cconc_pool_task {
    cconc_task_fn fn;
    void         *arg;
    /* NULL, or called as the last use of the record, with no lock held: the task has returned code,
     * or was dropped and never runs (ECANCELED). The record may be freed inside. The drop and error
     * hooks do not get this task, and it cannot be joined. */
    void (*ended)(cconc_pool_task *task, int code, bool dropped);
    void *reserved[13];
};

typedef struct cconc_pool_opts {
    int32_t     workers;     /* threads, 0 = as many as the process may use CPUs */
    int32_t     queue_len;   /* most tasks queued; 0 = accepted only when a worker takes it */
    uint32_t    full_policy; /* CCONC_POOL_BLOCK ... */
    uint32_t    flags;       /* CCONC_POOL_UNBOUNDED */
    const char *name;        /* of the threads, "<name>/7"; cut at 10 bytes; NULL = "pool" */
    size_t      stack_size;  /* of the threads in bytes, 0 = the platform's default */
    void       *user;        /* passed to the hooks, which may each be NULL */
    void (*on_start)(void *user); /* in each worker before its first task */
    void (*on_stop)(void *user);  /* in each worker after its last task */
    /* An accepted task never runs; arg is the hook's now. A record's ended is called instead. */
    void (*on_drop)(void *user, cconc_task_fn fn, void *arg);
    /* A task that nobody waits for, without future and record, returned code, which is not 0. */
    void (*on_error)(void *user, cconc_task_fn fn, void *arg, int code);
    uint64_t reserved[4]; /* must be zero */
} cconc_pool_opts;

typedef struct cconc_pool_counts {
    uint32_t workers;   /* threads that run tasks, temporary ones included */
    uint32_t blocked;   /* submitters that wait for room */
    uint32_t idle;      /* workers that wait for a task */
    uint32_t suspended; /* workers more than CCONC_POOL_MAX_DEPTH deep that wait */
    uint64_t queued;    /* tasks accepted and not started */
    uint64_t running;   /* tasks begun by workers and not ended */
    uint64_t submitted; /* tasks accepted since new */
    uint64_t completed; /* tasks that have ended in workers */
    uint64_t failed;    /* of these, with a code other than 0 */
    uint64_t dropped;   /* tasks accepted that never ran */
    uint64_t caller_ran; /* tasks run by their submitter */
    uint64_t helped;    /* tasks run by workers while they waited */
    uint64_t reserved[2]; /* zero */
} cconc_pool_counts;

/* Run part of a range; 0, or an error that ends the loop. */
typedef int (*cconc_range_fn)(cconc_ctx *ctx, size_t begin, size_t end, void *arg);

/* Make a pool whose context, which its tasks get, is a child of parent; opts may be NULL. All
 * workers have been started when it returns.
 * Blocks:   if they cannot all be had, until those that could have ended.
 * Returns:  0, EINVAL (negative or too large counts, unknown policy or flag, reserved words,
 *           DROP_OLDEST with queue_len 0, out_pool NULL, or parent is a stack context), ENOMEM (no
 *           memory, or not all threads could be had). */
CCONC_API CCONC_NODISCARD int cconc_pool_new(cconc_ctx *parent, const cconc_pool_opts *opts,
                                             cconc_pool **out_pool);

/* Give the pool's context, borrowed; shutdown with CANCEL cancels it. */
CCONC_API cconc_ctx *cconc_pool_ctx(cconc_pool *pool);

/* Submit fn(pool's context, arg). When the queue is full the pool's policy says what happens; ctx
 * bounds a wait, and is not the task's.
 * Returns:  0, EPIPE, ECANCELED, ETIMEDOUT, EAGAIN, ENOMEM, EDEADLK, EINVAL (fn is NULL).
 * Owns:     on 0 fn runs once with arg, or the drop hook gets it once; else arg is the caller's. */
CCONC_API CCONC_NODISCARD int cconc_pool_submit(cconc_pool *pool, cconc_ctx *ctx, cconc_task_fn fn,
                                                void *arg);

/* Submit if there is room, whatever the policy.
 * Returns:  0, EAGAIN, EPIPE, ENOMEM, EINVAL. */
CCONC_API CCONC_NODISCARD int cconc_pool_try_submit(cconc_pool *pool, cconc_task_fn fn, void *arg);

/* As submit, without allocating: task is the caller's memory.
 * Returns:  as submit; EINVAL (task or its fn is NULL).
 * Owns:     on 0 task is in use until it has ended: until join gives its code, or ended is
 *           called. */
CCONC_API CCONC_NODISCARD int cconc_pool_submit_task(cconc_pool *pool, cconc_ctx *ctx,
                                                     cconc_pool_task *task);

/* As try_submit, for a record.
 * Returns:  as try_submit; EINVAL (task or its fn is NULL). */
CCONC_API CCONC_NODISCARD int cconc_pool_try_submit_task(cconc_pool *pool, cconc_pool_task *task);

/* Wait until task, submitted to pool with ended NULL, has ended. A worker of the pool runs it
 * itself if it is still queued.
 * Returns:  0 or the task's code, ECANCELED if it was dropped; EINPROGRESS; EDEADLK. */
CCONC_API CCONC_NODISCARD int cconc_pool_join(cconc_pool *pool, cconc_ctx *ctx,
                                              cconc_pool_task *task);

/* Submit as cconc_pool_submit does, with a context of the task's own below the pool's, and a future
 * for its code. *out_future must go to cconc_future_free.
 * Returns:  as submit. */
CCONC_API CCONC_NODISCARD int cconc_pool_submit_future(cconc_pool *pool, cconc_ctx *ctx,
                                                       cconc_task_fn fn, void *arg,
                                                       cconc_future **out_future);

/* Wait until the future's task has ended. Many may wait, repeatedly.
 * Returns:  0 or the task's code, ECANCELED if it never runs; EINPROGRESS; EDEADLK. */
CCONC_API CCONC_NODISCARD int cconc_future_wait(cconc_future *future, cconc_ctx *ctx);

/* Tell the task's code without waiting, in *out_code.
 * Returns:  0, EAGAIN (it has not ended). */
CCONC_API CCONC_NODISCARD int cconc_future_try_wait(cconc_future *future, int *out_code);

/* Keep the task from running if it is still queued: it counts as dropped. Otherwise cancel its
 * context, with no effect if it has ended.
 * Returns:  true for exactly one caller, and only if the task never runs. */
CCONC_API bool cconc_future_cancel(cconc_future *future);

/* Let go of the future; its task goes on. No other call may be running on it. NULL is a no-op. */
CCONC_API void cconc_future_free(cconc_future *future);

/* Run fn over [begin, end), cut into chunks of grain (0 = a share chosen by the pool), on the
 * workers that are to be had and in the caller. fn gets ctx, or the pool's context if that is NULL.
 * After an error or the end of either context no chunk is begun.
 * Returns:  0, the first error of a chunk, ECANCELED, ETIMEDOUT (a context ended before all chunks
 *           were begun), EPIPE (not a worker, and shutdown has begun), ENOMEM, EINVAL (fn is NULL,
 *           begin > end); always after all chunks that were begun have ended. */
CCONC_API CCONC_NODISCARD int cconc_pool_parallel_for(cconc_pool *pool, cconc_ctx *ctx,
                                                      size_t begin, size_t end, size_t grain,
                                                      cconc_range_fn fn, void *arg);

/* Wait for an instant at which nothing is queued and no task runs.
 * Returns:  0, ECANCELED, ETIMEDOUT, EDEADLK. */
CCONC_API CCONC_NODISCARD int cconc_pool_wait(cconc_pool *pool, cconc_ctx *ctx);

/* Have workers threads from now on. More are started at once; where there are too many, each ends
 * with the task that it runs.
 * Returns:  0, EINVAL (below 1 or above the limit), EPIPE, ENOMEM (not all could be started; the
 *           pool goes on with those that could). Places that another call is just filling count
 *           as filled: if that fails the next submit tries again. */
CCONC_API CCONC_NODISCARD int cconc_pool_resize(cconc_pool *pool, int workers);

/* Accept nothing more, and wait until all tasks have ended and all threads are joined. mode is
 * CCONC_POOL_DRAIN or CCONC_POOL_CANCEL; call again to wait on, also with the harder mode.
 * Returns:  0; ECANCELED, ETIMEDOUT (ctx ended first, shutdown goes on); EDEADLK; EINVAL; ENOMEM
 *           (tasks are left, and no thread can be had to run them; call again). */
CCONC_API int cconc_pool_shutdown(cconc_pool *pool, cconc_ctx *ctx, uint32_t mode);

/* Write what the pool is doing to *out_counts; exact when nothing moves. */
CCONC_API void cconc_pool_read(cconc_pool *pool, cconc_pool_counts *out_counts);

/* Shut the pool down with CANCEL, without limit, then release it; NULL is a no-op. In one of its
 * own workers it aborts. */
CCONC_API void cconc_pool_free(cconc_pool *pool);

CCONC_END_DECLS

#endif
