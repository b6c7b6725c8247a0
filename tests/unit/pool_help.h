/* pool_help.h - what the unit tests of pools share: makers, counts to poll, submitters in threads.
 * SPDX-License-Identifier: MIT
 */
#ifndef CCONC_TESTS_POOL_HELP_H
#define CCONC_TESTS_POOL_HELP_H

#include "ctx_help.h"
#include "group_help.h"

#include <string.h>

static inline cconc_pool *pool_make(int workers, int queue_len, uint32_t full_policy)
{
    cconc_pool_opts opts = {
        .workers = workers, .queue_len = queue_len, .full_policy = full_policy};
    cconc_pool *pool = NULL;
    SUPPORT_CHECK(cconc_pool_new(NULL, &opts, &pool) == 0);
    return pool;
}

static inline cconc_pool_counts pool_counts(cconc_pool *pool)
{
    cconc_pool_counts counts;
    cconc_pool_read(pool, &counts);
    return counts;
}

/* A submit that runs in a thread of its own. */
struct submitter {
    cconc_pool             *pool;
    cconc_ctx              *ctx;
    cconc_task_fn           fn;
    void                   *arg;
    int                     err;
    struct support_threads *thread;
};

static inline void submitter_run(void *arg, size_t index)
{
    struct submitter *submitter = arg;
    (void)index;
    submitter->err = cconc_pool_submit(submitter->pool, submitter->ctx, submitter->fn,
                                       submitter->arg);
}

/* Start it and see it blocked as the count-th of the pool. */
static inline void submitter_start_blocked(struct submitter *submitter, cconc_pool *pool,
                                           cconc_ctx *ctx, cconc_task_fn fn, void *arg,
                                           uint32_t count)
{
    *submitter = (struct submitter){.pool = pool, .ctx = ctx, .fn = fn, .arg = arg, .err = -1};
    submitter->thread = support_threads_start(1, submitter_run, submitter);
    until(pool_counts(pool).blocked == count);
}

static inline int submitter_end(struct submitter *submitter)
{
    support_threads_join(submitter->thread);
    return submitter->err;
}

/* Submit tasks that stay inside gate until every worker is in one. */
static inline void pool_occupy(cconc_pool *pool, struct gate *gate, int workers)
{
    gate_init(gate, 0);
    until(pool_counts(pool).idle == (uint32_t)workers);
    for (int i = 0; i < workers; i++) {
        SUPPORT_CHECK(cconc_pool_submit(pool, NULL, gate_task, gate) == 0);
    }
    until(atomic_load(&gate->inside) == workers);
}

/* Counts what the hooks of a pool were told. */
struct hooks {
    atomic_int started;
    atomic_int stopped;
    atomic_int dropped;
    atomic_int failed;
    atomic_int last_code;
    void *_Atomic last_dropped;
};

static inline void hook_start(void *user)
{
    atomic_fetch_add(&((struct hooks *)user)->started, 1);
}

static inline void hook_stop(void *user)
{
    atomic_fetch_add(&((struct hooks *)user)->stopped, 1);
}

static inline void hook_drop(void *user, cconc_task_fn fn, void *arg)
{
    struct hooks *hooks = user;
    SUPPORT_CHECK(fn);
    atomic_store(&hooks->last_dropped, arg);
    atomic_fetch_add(&hooks->dropped, 1);
}

static inline void hook_error(void *user, cconc_task_fn fn, void *arg, int code)
{
    struct hooks *hooks = user;
    SUPPORT_CHECK(fn);
    (void)arg;
    atomic_store(&hooks->last_code, code);
    atomic_fetch_add(&hooks->failed, 1);
}

static inline cconc_pool *pool_make_hooked(struct hooks *hooks, int workers, int queue_len,
                                           uint32_t full_policy)
{
    cconc_pool_opts opts = {.workers = workers, .queue_len = queue_len,
                            .full_policy = full_policy, .user = hooks, .on_start = hook_start,
                            .on_stop = hook_stop, .on_drop = hook_drop, .on_error = hook_error};
    cconc_pool *pool = NULL;
    memset(hooks, 0, sizeof(*hooks));
    support_sweep_pause(true); /* a pool that cannot be made has started some workers */
    SUPPORT_CHECK(cconc_pool_new(NULL, &opts, &pool) == 0);
    support_sweep_pause(false);
    return pool;
}

#endif
