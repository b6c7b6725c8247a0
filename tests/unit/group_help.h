/* group_help.h - what the unit tests of groups and the executor share: gated tasks, callers of go.
 * SPDX-License-Identifier: MIT
 */
#ifndef CCONC_TESTS_GROUP_HELP_H
#define CCONC_TESTS_GROUP_HELP_H

#include "chan_help.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

static inline cconc_group *group_make(uint32_t flags, int limit)
{
    cconc_group_opts opts = {.flags = flags, .limit = limit};
    cconc_group *group = NULL;
    SUPPORT_CHECK(cconc_group_new(NULL, &opts, &group) == 0);
    return group;
}

/* Tasks that wait until the test opens the gate, and then return code. */
struct gate {
    cconc_chan  *ch;
    int          code;
    atomic_int   ran;
    atomic_int   inside;
    atomic_int   most_inside;
    cconc_group *group;
};

static inline void gate_init(struct gate *gate, int code)
{
    gate->ch = chan_make(1, 0);
    gate->code = code;
    atomic_init(&gate->ran, 0);
    atomic_init(&gate->inside, 0);
    atomic_init(&gate->most_inside, 0);
    gate->group = NULL;
}

static inline void gate_enter(struct gate *gate)
{
    int inside = atomic_fetch_add(&gate->inside, 1) + 1;
    int most = atomic_load(&gate->most_inside);
    while (inside > most && !atomic_compare_exchange_weak(&gate->most_inside, &most, inside)) {
    }
}

static inline void gate_leave(struct gate *gate)
{
    atomic_fetch_add(&gate->ran, 1);
    atomic_fetch_sub(&gate->inside, 1);
}

static inline int gate_task(cconc_ctx *ctx, void *arg)
{
    struct gate *gate = arg;
    char token;
    (void)ctx;
    gate_enter(gate);
    SUPPORT_CHECK(cconc_chan_recv(gate->ch, NULL, &token) == EPIPE);
    gate_leave(gate);
    return gate->code;
}

static inline void gate_open(struct gate *gate)
{
    SUPPORT_CHECK(cconc_chan_close(gate->ch) == 0);
}

static inline void gate_free(struct gate *gate)
{
    cconc_chan_free(gate->ch);
}

/* A task that fails its group with words. */
struct failing_task {
    cconc_group *group;
    const char  *text;
    int          code;
    int          later;      /* what the task returns after fail, 0 = what fail returned */
    int          err_inside; /* the context's code right after fail */
    bool         starve;     /* no memory from here on */
};

static inline int fail_with_text(cconc_ctx *ctx, void *arg)
{
    struct failing_task *f = arg;
    if (f->starve) {
        support_fail_alloc(1, true);
    }
    int returned = cconc_group_fail(f->group, f->code, "fetching %s: %d", f->text, f->code);
    SUPPORT_CHECK(returned == f->code);
    f->err_inside = cconc_ctx_err(ctx);
    return f->later ? f->later : returned;
}

/* A go that runs in a thread of its own. */
struct goer {
    cconc_group            *group;
    cconc_ctx              *ctx;
    cconc_task_fn           fn;
    void                   *arg;
    int                     err;
    struct support_threads *thread;
};

static inline void goer_run(void *arg, size_t index)
{
    struct goer *goer = arg;
    (void)index;
    goer->err = cconc_group_go(goer->group, goer->ctx, goer->fn, goer->arg);
}

/* Start it and see it blocked as the count-th of the group. */
static inline void goer_start_blocked(struct goer *goer, cconc_group *group, cconc_ctx *ctx,
                                      cconc_task_fn fn, void *arg, uint32_t count)
{
    *goer = (struct goer){.group = group, .ctx = ctx, .fn = fn, .arg = arg, .err = -1};
    goer->thread = support_threads_start(1, goer_run, goer);
    until(group_blocked(group) == count);
}

static inline int goer_end(struct goer *goer)
{
    support_threads_join(goer->thread);
    return goer->err;
}

/* A task that returns the int at arg. */
static inline int return_code(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    return *(const int *)arg;
}

/* A task that ends when its context does, with the context's code. */
static inline int until_done(cconc_ctx *ctx, void *arg)
{
    (void)arg;
    SUPPORT_CHECK(cconc_ctx_wait(ctx, NULL) == 0);
    return cconc_ctx_err(ctx);
}

/* A task that counts its runs in the atomic_int at arg. */
static inline int count_run(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}


static inline uint32_t executor_threads(void)
{
    cconc_executor_stats stats;
    cconc_executor_read(&stats);
    return stats.threads;
}

static inline uint32_t executor_idle(void)
{
    cconc_executor_stats stats;
    cconc_executor_read(&stats);
    return stats.idle;
}

static inline uint32_t executor_peak(void)
{
    cconc_executor_stats stats;
    cconc_executor_read(&stats);
    return stats.threads_peak;
}

#endif
