/* group.h - tasks with one context, one limit, one first failure and one wait.
 * SPDX-License-Identifier: MIT
 *
 * Model     Tasks run on the executor's threads: a task starts even if all others block for ever,
 *           as long as the system gives threads. The first failure cancels the group's context, is
 *           its cause, and is what wait returns. On a pool, chosen by an option, tasks queue there,
 *           and one that the pool drops has failed with ECANCELED. The behaviour is that of Go's
 *           errgroup where this header says nothing else.
 * Example   int err = cconc_group_go(group, ctx, fetch, &job);   (examples/group_fetch_all.c)
 * Lifetime  new allocates; free as soon as every wait and stop is back and one of them was not
 *           EINPROGRESS. The group's context may be kept by ref.
 * Threads   Every function, any thread, any time; only free must be alone.
 * Blocking  go at the limit, and on a pool whose queue is full; wait and stop until no task is
 *           admitted or running. In a worker of the group's pool these run its tasks meanwhile.
 * Orders    O1 go happens before its task.       O2 The end of every task before wait returns.
 *           O3 The end of a task before the start of the one that takes its place at the limit.
 * Progress  go is served in order of arrival. The limit is a hard bound.
 * Errors    EAGAIN     try_go: at the limit, a go is queued, or the pool's queue is full
 *           ECANCELED, ETIMEDOUT  go: its context ended; nothing will run
 *           EINPROGRESS  wait, stop: its context ended first; somebody must still wait
 *           EDEADLK    wait or stop from a task of the group; go that would leave every task
 *           blocked; a worker too deep to help (pool.h)
 *           EPIPE      go, try_go: the pool is shut down
 *           ENOMEM     no memory, or no thread at all can run the task    EINVAL  fn is NULL
 *           anything else comes from a task and is passed on unchanged.
 * Limits    2^31 - 1 tasks at once. */
#ifndef CCONC_GROUP_H
#define CCONC_GROUP_H

#include <cconc/base.h>

/* A failure does not cancel the others (Go's zero Group). */
#define CCONC_GROUP_KEEP_GOING 1u
/* Nothing starts once the group's context is done: go returns its code. */
#define CCONC_GROUP_SKIP 2u

#define CCONC_GROUP_NO_LIMIT (-1)

CCONC_BEGIN_DECLS

typedef struct cconc_group_opts {
    uint32_t flags;       /* CCONC_GROUP_... */
    int32_t  limit;       /* most tasks at once, 0 = no limit */
    uint32_t collect_max; /* keep the first so many failures for cconc_group_errors */
    uint32_t reserved_flags; /* must be zero */
    cconc_pool *pool;        /* where the tasks run, kept as long as the group; NULL = executor */
    uint64_t reserved[3];    /* must be zero */
} cconc_group_opts;

/* One failure. message is the text of fail, or the code in words, and lives as long as the
 * group. */
typedef struct cconc_group_error {
    int         code;
    const char *message;
} cconc_group_error;

typedef struct cconc_group_counts {
    uint32_t running;     /* tasks admitted and not yet ended */
    uint32_t blocked;     /* callers blocked in go */
    uint64_t started;     /* tasks admitted since new */
    uint64_t failed;      /* tasks that returned an error or called fail */
    uint64_t reserved[2]; /* zero */
} cconc_group_counts;

/* Make a group whose context is a child of parent; opts may be NULL.
 * Returns:  0, EINVAL (unknown flag, negative limit, collect_max above 8 million, reserved
 *           words, out_group NULL, or parent is a stack context), ENOMEM. */
CCONC_API CCONC_NODISCARD int cconc_group_new(cconc_ctx *parent, const cconc_group_opts *opts,
                                              cconc_group **out_group);

/* Give the group's context, borrowed: its tasks get it, and wait cancels it. */
CCONC_API cconc_ctx *cconc_group_ctx(cconc_group *group);

/* Allow at most limit tasks at once from now on: negative is no limit, 0 holds all back until it is
 * raised. Raised, it admits callers blocked in go; lowered, running tasks end first. */
CCONC_API void cconc_group_set_limit(cconc_group *group, int limit);

/* Start fn(group's context, arg), waiting in order of arrival while the limit is reached. ctx
 * bounds the wait only; the group's own context does not, unless CCONC_GROUP_SKIP.
 * Returns:  0, EINVAL, ECANCELED, ETIMEDOUT, ENOMEM, EDEADLK, EPIPE; EAGAIN if the group's pool
 *           says so.
 * Owns:     on 0 fn runs exactly once with arg, unless the group's pool drops it; otherwise it
 *           never runs and arg is the caller's. */
CCONC_API CCONC_NODISCARD int cconc_group_go(cconc_group *group, cconc_ctx *ctx, cconc_task_fn fn,
                                             void *arg);

/* Start fn if that takes no waiting.
 * Returns:  0, EAGAIN, EINVAL, ENOMEM, EPIPE; with CCONC_GROUP_SKIP also the group context's code.
 * Owns:     as go. */
CCONC_API CCONC_NODISCARD int cconc_group_try_go(cconc_group *group, cconc_task_fn fn, void *arg);

/* Record a failure with a message, from inside a task, and return code, so that it can be a return
 * statement. The first one cancels the others. The message is cut at 255 bytes and never lost. */
CCONC_API int cconc_group_fail(cconc_group *group, int code, const char *format, ...)
    CCONC_PRINTF(3, 4);

/* Wait until no task is admitted or running, then cancel the group's context. *out_message, if
 * out_message is not NULL, becomes the first failure's message when there is one.
 * Returns:  0 or the first failure; EINPROGRESS; EDEADLK. Many may wait, repeatedly. */
CCONC_API CCONC_NODISCARD int cconc_group_wait(cconc_group *group, cconc_ctx *ctx,
                                               const char **out_message);

/* Cancel the group's context, then wait. Tasks that return ECANCELED from then on did not fail.
 * Returns:  as wait; from a task of the group: cancels and returns EDEADLK. */
CCONC_API int cconc_group_stop(cconc_group *group, cconc_ctx *ctx);

/* Copy up to count of the kept failures, in order of completion, to out_errors,
 * and write their number to *out_count. Either may be NULL.
 * Returns:  how many failures there were in all, kept or not. */
CCONC_API uint64_t cconc_group_errors(cconc_group *group, cconc_group_error *out_errors,
                                      size_t count, size_t *out_count);

/* Write what the group is doing to *out_counts; exact when nothing moves. */
CCONC_API void cconc_group_read(cconc_group *group, cconc_group_counts *out_counts);

/* Release the group; NULL is a no-op. Running tasks or blocked callers abort, with both numbers. */
CCONC_API void cconc_group_free(cconc_group *group);

CCONC_END_DECLS

#endif
