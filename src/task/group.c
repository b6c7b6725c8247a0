/* group.c - how a group runs and ends
 * SPDX-License-Identifier: MIT
 *
 * Idea        A count of running tasks under one lock, a queue of callers that wait for a slot, and
 *             one of those that wait for the end. A slot passes straight from a task that ends to
 *             the caller that waits longest. The tasks themselves are the executor's.
 * Picture     go() --slot free--> running --last one ends--> waiters of the end
 *               |                   ^
 *               +--> goers ---------+ a task ended, or the limit was raised
 * Invariants  I1 running <= limit, unless the limit was lowered since.
 *             I2 goers is empty or running >= limit, or the context's end keeps all from starting.
 *             I3 The first failure, the context's end and its cause are one step under mu.
 *             I4 Never does every running task wait in goers.
 * Locks       mu, rank GROUP. The context is ended under it (rank CTX follows), its waits are woken
 *             after it.
 * Ordering    None but mu's, the executor's lock from go to the task, and [park.1] for a grant.
 * Lifetime    A task that ends leaves mu as its last touch; what it wakes lies on the sleepers'
 *             stacks. The first failure's message has its memory from new on.
 * Rejected    A semaphore channel for the limit, as Go has it: it cannot change while tasks run. */
#include <cconc/group.h>

#include <cconc/ctx.h>
#include <cconc/process.h>

#include "core/executor.h"
#include "core/lock.h"
#include "core/must.h"
#include "core/node.h"
#include "core/self.h"
#include "core/waiter.h"
#include "core/waitq.h"
#include "plat/alloc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* Key  (i) immutable after new  (m) under mu */
typedef struct group_kept {
    int  code;         /* (m) */
    char message[256]; /* (m) */
} group_kept;

struct cconc_group {
    lock        mu;          /* rank GROUP; guards (m) */
    cconc_ctx  *ctx;         /* (i) one handle */
    uint32_t    flags;       /* (i) */
    int64_t     limit;       /* (m) -1 = none */
    int64_t     running;     /* (m) admitted and not ended */
    int64_t     own_blocked; /* (m) of these, blocked in our go */
    waitq       goers;       /* (m) callers blocked in go; key is not NULL for our own tasks */
    waitq       waiters;     /* (m) callers blocked until running is 0 */
    uint64_t    started;     /* (m) */
    uint64_t    failed;      /* (m) */
    int         error;       /* (m) the first failure, 0 = none */
    bool        stopping;    /* (m) ECANCELED is no failure any more */
    node_cause *cause;       /* (i) room for the first failure's message; written with error */
    group_kept *kept;        /* (m) the first failures */
    uint32_t    keep_max;    /* (i) */
    uint32_t    kept_count;  /* (m) */
};

typedef struct group_task {
    exec_task     task;
    self_task     frame;
    cconc_group  *group;
    cconc_task_fn fn;
    void         *arg;
    bool          failed; /* by cconc_group_fail: its return is not recorded again */
} group_task;

static int group_check(const cconc_group_opts *opts, cconc_group **out_group)
{
    if (!out_group) {
        return EINVAL;
    }
    if (opts && ((opts->flags & ~(CCONC_GROUP_KEEP_GOING | CCONC_GROUP_SKIP)) != 0 ||
                 opts->limit < 0 || opts->collect_max > INT32_MAX / sizeof(group_kept))) {
        return EINVAL;
    }
    return 0;
}

int cconc_group_new(cconc_ctx *parent, const cconc_group_opts *opts, cconc_group **out_group)
{
    static const cconc_group_opts defaults;
    cconc_group *g;
    int err = group_check(opts, out_group);
    if (err) {
        return err;
    }
    opts = opts ? opts : &defaults;
    g = cconc__alloc(sizeof(*g));
    if (!g) {
        return ENOMEM;
    }
    err = ENOMEM;
    g->cause = cconc__cause_new(0, NULL);
    if (!g->cause) {
        goto undo_group;
    }
    g->keep_max = opts->collect_max;
    g->kept = g->keep_max > 0 ? cconc__alloc(g->keep_max * sizeof(*g->kept)) : NULL;
    if (g->keep_max > 0 && !g->kept) {
        goto undo_cause;
    }
    if (cconc__lock_init(&g->mu, RANK_GROUP) != 0) {
        goto undo_kept;
    }
    err = cconc_ctx_with_cancel(parent, &g->ctx);
    if (err) {
        goto undo_lock;
    }
    g->flags = opts->flags;
    g->limit = opts->limit > 0 ? opts->limit : -1;
    waitq_init(&g->goers);
    waitq_init(&g->waiters);
    *out_group = g;
    return 0;
undo_lock:
    cconc__lock_destroy(&g->mu);
undo_kept:
    cconc__alloc_free(g->kept);
undo_cause:
    cconc__cause_unref(g->cause);
undo_group:
    cconc__alloc_free(g);
    return err;
}

cconc_ctx *cconc_group_ctx(cconc_group *group)
{
    return group->ctx;
}

/* The code of the group's context if that keeps tasks from starting. */
static int group_skips(const cconc_group *g)
{
    return g->flags & CCONC_GROUP_SKIP ? cconc__node_err(g->ctx) : 0;
}

static bool group_has_slot_locked(cconc_group *g)
{
    cconc__lock_assert_held(&g->mu);
    return g->limit < 0 || g->running < g->limit;
}

static void group_take_slot_locked(cconc_group *g)
{
    cconc__lock_assert_held(&g->mu);
    g->running++;
    g->started++;
}

static void group_unqueue_locked(cconc_group *g, wait_node *node)
{
    cconc__lock_assert_held(&g->mu);
    waitq_remove(&g->goers, node);
    if (node->key) {
        g->own_blocked--;
    }
}

/* Take a caller that waits for a slot out of the queue and decide its wait. Returns false if that
 * was decided before. */
static bool group_claim_locked(cconc_group *g, wait_node *node, claim_kind kind, wake_batch *batch)
{
    cconc__lock_assert_held(&g->mu);
    group_unqueue_locked(g, node);
    if (!waiter_claim(node->w, kind, node->index)) {
        return false;
    }
    batch_add(batch, node);
    return true;
}

/* Give free slots to those who wait for one, in order of arrival. Where the context's end keeps
 * tasks from starting they find out by themselves. */
static void group_admit_locked(cconc_group *g, wake_batch *batch)
{
    wait_node *node;
    cconc__lock_assert_held(&g->mu);
    if (group_skips(g)) {
        return;
    }
    while (group_has_slot_locked(g) && (node = waitq_first(&g->goers)) != NULL) {
        if (group_claim_locked(g, node, CLAIM_GRANT, batch)) {
            group_take_slot_locked(g);
        }
    }
}

/* If every running task waits in our go, nobody but they could end that: refuse the first. A task
 * that ended, or a limit that was lowered, can bring this about. */
static void group_break_locked(cconc_group *g, wake_batch *batch)
{
    list_link *at;
    cconc__lock_assert_held(&g->mu);
    at = g->goers.list.next;
    while (g->own_blocked > 0 && g->own_blocked >= g->running) {
        wait_node *node = LIST_OF(at, wait_node, link);
        at = at->next;
        if (node->key) {
            (void)group_claim_locked(g, node, CLAIM_CLOSE, batch);
        }
    }
}

static void group_tell_end_locked(cconc_group *g, wake_batch *batch)
{
    wait_node *node;
    cconc__lock_assert_held(&g->mu);
    while (g->running == 0 && (node = waitq_first(&g->waiters)) != NULL) {
        waitq_remove(&g->waiters, node);
        if (waiter_claim(node->w, CLAIM_GRANT, node->index)) {
            batch_add(batch, node);
        }
    }
}

/* A slot is free again; group may be gone afterwards. */
static void group_give_slot(cconc_group *g, bool was_started)
{
    wake_batch batch = WAKE_BATCH_INIT;
    lock_take(&g->mu);
    g->running--;
    if (!was_started) {
        g->started--;
    }
    group_admit_locked(g, &batch);
    group_break_locked(g, &batch);
    group_tell_end_locked(g, &batch);
    lock_leave(&g->mu);
    batch_wake(&batch);
}

/* Note a failure with its message, which may be NULL. The first one ends the context in one
 * step. */
static void group_record(cconc_group *g, int code, const char *message)
{
    node_ending ending = {WAKE_BATCH_INIT, WAKE_BATCH_INIT};
    lock_take(&g->mu);
    if (code == ECANCELED && g->stopping) {
        lock_leave(&g->mu);
        return;
    }
    g->failed++;
    if (g->kept_count < g->keep_max) {
        group_kept *kept = &g->kept[g->kept_count];
        g->kept_count++;
        kept->code = code;
        (void)snprintf(kept->message, sizeof(kept->message), "%s", message ? message : "");
    }
    if (g->error == 0) {
        g->error = code;
        g->cause->code = code;
        (void)snprintf(g->cause->message, sizeof(g->cause->message), "%s", message ? message : "");
        if (!(g->flags & CCONC_GROUP_KEEP_GOING)) {
            cconc__node_end_begin(g->ctx, ECANCELED, code, g->cause, &ending);
        }
    }
    lock_leave(&g->mu);
    cconc__node_end_finish(&ending);
}

int cconc_group_fail(cconc_group *group, int code, const char *format, ...)
{
    char message[CCONC_CTX_MAX_MESSAGE + 1] = "";
    self *me = self_peek();
    if (code == 0) {
        return 0;
    }
    if (format) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(message, sizeof(message), format, args);
        va_end(args);
    }
    if (me && me->task && me->task->owner == group) {
        LIST_OF(me->task, group_task, frame)->failed = true;
    }
    group_record(group, code, message);
    return code;
}

static void group_task_run(exec_task *task)
{
    group_task *t = (group_task *)(void *)task;
    cconc_group *g = t->group;
    int code;
    bool failed;
    cconc__self_enter(&t->frame, g);
    code = t->fn(g->ctx, t->arg);
    cconc__self_exit();
    failed = t->failed;
    cconc__alloc_free(t);
    if (code != 0 && !failed) {
        group_record(g, code, NULL);
    }
    group_give_slot(g, true);
}

/* The task has ended its thread. */
static void group_task_torn(exec_task *task)
{
    group_task *t = (group_task *)(void *)task;
    cconc_group *g = t->group;
    bool failed = t->failed;
    cconc__alloc_free(t);
    if (!failed) {
        group_record(g, ECANCELED, NULL);
    }
    group_give_slot(g, true);
}

/* Wait in the queue for a slot, at most until ctx ends, or the group's context if that skips. */
static int group_wait_slot(cconc_group *g, cconc_ctx *ctx, waiter *w, wait_node *node)
{
    wait_node skip;
    bool skips = (g->flags & CCONC_GROUP_SKIP) && g->ctx->tree;
    wait_node_init(&skip, w, NULL, 1);
    if (skips && !cconc__node_watch(g->ctx, &skip)) {
        skips = false;
        (void)cconc__waiter_withdraw(w);
    } else {
        cconc__waiter_park(w, true);
    }
    if (skips) {
        (void)cconc__node_unwatch(g->ctx, &skip);
    }
    if (waiter_kind(w) == CLAIM_GRANT) {
        return 0;
    }
    if (waiter_kind(w) == CLAIM_CLOSE) {
        return EDEADLK;
    }
    lock_take(&g->mu);
    if (node->queued) {
        group_unqueue_locked(g, node);
    }
    lock_leave(&g->mu);
    if (waiter_kind(w) == CLAIM_SELF || (waiter_kind(w) == CLAIM_CANCEL && waiter_index(w) == 1)) {
        return cconc__node_err(g->ctx);
    }
    return cconc__waiter_error(w, ctx);
}

/* Take a slot if that takes no waiting. Returns 0, EAGAIN, or why no task may start. */
static int group_try_slot_locked(cconc_group *g)
{
    int err = group_skips(g);
    cconc__lock_assert_held(&g->mu);
    if (!err && (!group_has_slot_locked(g) || g->goers.count > 0)) {
        err = EAGAIN;
    }
    if (!err) {
        group_take_slot_locked(g);
    }
    return err;
}

static int group_try_slot(cconc_group *g)
{
    int err;
    lock_take(&g->mu);
    err = group_try_slot_locked(g);
    lock_leave(&g->mu);
    return err;
}

/* Take a slot, or queue node for one: EAGAIN. Returns else as above, or EDEADLK. */
static int group_queue_for_slot(cconc_group *g, wait_node *node)
{
    bool own = self_runs(g);
    int err;
    lock_take(&g->mu);
    err = group_try_slot_locked(g);
    if (err == EAGAIN && own && g->own_blocked + 1 >= g->running) {
        err = EDEADLK; /* every task of the group would wait here */
    } else if (err == EAGAIN) {
        node->key = own ? g : NULL;
        g->own_blocked += own ? 1 : 0;
        waitq_push_back(&g->goers, node);
    }
    lock_leave(&g->mu);
    return err;
}

/* Take a slot. Returns 0, or why there is none. */
static int group_acquire(cconc_group *g, cconc_ctx *ctx, bool may_wait)
{
    waiter w;
    wait_node node;
    int err = group_try_slot(g);
    if (err != EAGAIN || !may_wait) {
        return err;
    }
    cconc__waiter_arm(&w, ctx);
    wait_node_init(&node, &w, NULL, 0);
    err = group_queue_for_slot(g, &node);
    if (err == EAGAIN) {
        err = group_wait_slot(g, ctx, &w, &node);
    }
    waiter_disarm(&w);
    return err;
}

static int group_start(cconc_group *g, cconc_ctx *ctx, bool may_wait, cconc_task_fn fn, void *arg)
{
    group_task *t;
    int err;
    if (!fn) {
        return EINVAL;
    }
    err = cconc__node_err(ctx);
    if (err) {
        return err;
    }
    t = cconc__alloc(sizeof(*t));
    if (!t) {
        return ENOMEM;
    }
    t->task.run = group_task_run;
    t->task.torn = group_task_torn;
    t->group = g;
    t->fn = fn;
    t->arg = arg;
    err = group_acquire(g, ctx, may_wait);
    if (!err) {
        err = cconc__executor_submit(&t->task);
        if (err) {
            group_give_slot(g, false);
        }
    }
    if (err) {
        cconc__alloc_free(t);
    }
    return err;
}

int cconc_group_go(cconc_group *group, cconc_ctx *ctx, cconc_task_fn fn, void *arg)
{
    return group_start(group, ctx, true, fn, arg);
}

int cconc_group_try_go(cconc_group *group, cconc_task_fn fn, void *arg)
{
    return group_start(group, NULL, false, fn, arg);
}

void cconc_group_set_limit(cconc_group *group, int limit)
{
    wake_batch batch = WAKE_BATCH_INIT;
    lock_take(&group->mu);
    group->limit = limit < 0 ? -1 : limit;
    group_admit_locked(group, &batch);
    group_break_locked(group, &batch);
    lock_leave(&group->mu);
    batch_wake(&batch);
}

/* Queue node for the end. Returns false if it has been reached. */
static bool group_queue_for_end(cconc_group *g, wait_node *node)
{
    bool running;
    lock_take(&g->mu);
    running = g->running > 0;
    if (running) {
        waitq_push_back(&g->waiters, node);
    }
    lock_leave(&g->mu);
    return running;
}

/* Sleep until running is 0. Returns 0, or EINPROGRESS if ctx ended first. */
static int group_await(cconc_group *g, cconc_ctx *ctx)
{
    waiter w;
    wait_node node;
    int err = 0;
    cconc__waiter_arm(&w, ctx);
    wait_node_init(&node, &w, NULL, 0);
    if (group_queue_for_end(g, &node)) {
        cconc__waiter_park(&w, true);
        if (waiter_kind(&w) != CLAIM_GRANT) {
            lock_take(&g->mu);
            if (node.queued) {
                waitq_remove(&g->waiters, &node);
            }
            lock_leave(&g->mu);
            (void)cconc__waiter_error(&w, ctx);
            err = EINPROGRESS;
        }
    }
    waiter_disarm(&w);
    return err;
}

/* The end has been reached: cancel what is left of the context, and tell the first failure. */
static int group_finish(cconc_group *g, const char **out_message)
{
    node_ending ending = {WAKE_BATCH_INIT, WAKE_BATCH_INIT};
    int code;
    lock_take(&g->mu);
    code = g->error;
    if (!(g->flags & CCONC_GROUP_KEEP_GOING)) {
        cconc__node_end_begin(g->ctx, ECANCELED, 0, NULL, &ending);
    }
    if (code && out_message) {
        *out_message = g->cause->message[0] ? g->cause->message : cconc_strerror(code);
    }
    lock_leave(&g->mu);
    cconc__node_end_finish(&ending);
    return code;
}

int cconc_group_wait(cconc_group *group, cconc_ctx *ctx, const char **out_message)
{
    int err;
    if (self_runs(group)) {
        return EDEADLK;
    }
    err = group_await(group, ctx);
    return err ? err : group_finish(group, out_message);
}

int cconc_group_stop(cconc_group *group, cconc_ctx *ctx)
{
    node_ending ending;
    lock_take(&group->mu);
    group->stopping = true;
    cconc__node_end_begin(group->ctx, ECANCELED, 0, NULL, &ending);
    lock_leave(&group->mu);
    cconc__node_end_finish(&ending);
    return cconc_group_wait(group, ctx, NULL);
}

uint64_t cconc_group_errors(cconc_group *group, cconc_group_error *out_errors, size_t count,
                            size_t *out_count)
{
    uint64_t failed;
    size_t copied = 0;
    lock_take(&group->mu);
    for (; out_errors && copied < count && copied < group->kept_count; copied++) {
        const group_kept *kept = &group->kept[copied];
        out_errors[copied].code = kept->code;
        out_errors[copied].message = kept->message[0] ? kept->message : cconc_strerror(kept->code);
    }
    failed = group->failed;
    lock_leave(&group->mu);
    if (out_count) {
        *out_count = copied;
    }
    return failed;
}

void cconc_group_read(cconc_group *group, cconc_group_counts *out_counts)
{
    *out_counts = (cconc_group_counts){0};
    lock_take(&group->mu);
    out_counts->running = (uint32_t)group->running;
    out_counts->blocked = (uint32_t)group->goers.count;
    out_counts->started = group->started;
    out_counts->failed = group->failed;
    lock_leave(&group->mu);
}

void cconc_group_free(cconc_group *group)
{
    int64_t running;
    size_t blocked;
    if (!group) {
        return;
    }
    lock_take(&group->mu);
    running = group->running;
    blocked = group->goers.count;
    lock_leave(&group->mu);
    MUST(running == 0 && blocked == 0, "group free with %lld running tasks and %zu blocked callers",
         (long long)running, blocked);
    cconc_ctx_free(group->ctx);
    cconc__lock_destroy(&group->mu);
    cconc__cause_unref(group->cause);
    cconc__alloc_free(group->kept);
    cconc__alloc_free(group);
}
