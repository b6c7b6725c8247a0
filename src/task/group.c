/* group.c - how a group runs and ends
 * SPDX-License-Identifier: MIT
 *
 * Idea        A count of running tasks, a queue of callers that wait for a slot, and one of those
 *             that wait for the end. A slot passes straight from a task that ends to the caller
 *             that waits longest. The tasks themselves are the executor's. All is under one lock,
 *             but for the count as long as nobody waits for its change: it is one word with the
 *             limit, and with flags that say so.
 * Picture     go() --slot free--> running --last one ends--> waiters of the end
 *               |                   ^
 *               +--> goers ---------+ a task ended, or the limit was raised
 * Invariants  I1 running <= limit, unless the limit was lowered since.
 *             I2 goers is empty or running >= limit, or the context's end keeps all from starting.
 *             I3 The first failure, the context's end and its cause are one step under mu.
 *             I4 Never does every running task wait in goers.
 *             I5 Somebody is in waiters only while GROUP_AWAITED is set, in goers only while
 *                GROUP_FROZEN is; neither changes but under mu.
 * Locks       mu, rank GROUP. The context is ended under it (rank CTX follows), its waits are woken
 *             after it.
 * Ordering    group.1  group_end_quick(): cas rel, group_thaw(): and rel ->
 *                      group_start_quick(): cas acq, group_queue_for_end(): or acq,
 *                      group_running(): load acq    what the tasks did, to who has their slots,
 *                      waits or frees; all other changes of the word go on with it
 *             Else mu's, [exec.1] or the pool's edges from go to the task, and [park.1] for a
 *             grant.
 * Lifetime    A task that ends changes the count as its last touch, or leaves mu then; who waits
 *             for the end takes mu. What it wakes lies on the sleepers' stacks. The first failure's
 *             message has its memory from new on.
 * Rejected    A semaphore channel for the limit, as Go has it: it cannot change while tasks run. */
#include "task/group.h"

#include <cconc/ctx.h>
#include <cconc/process.h>

#include "core/helper.h"
#include "core/must.h"
#include "core/waiter.h"
#include "plat/alloc.h"
#include "plat/text.h"

#include <errno.h>
#include <stdarg.h>

/* What can be had on the smallest platform; the header says 8 million. */
#define GROUP_MOST_KEPT 8000000

static int group_check(const cconc_group_opts *opts, cconc_group **out_group)
{
    if (!out_group) {
        return EINVAL;
    }
    if (opts && ((opts->flags & ~(CCONC_GROUP_KEEP_GOING | CCONC_GROUP_SKIP)) != 0 ||
                 opts->limit < 0 || opts->collect_max > GROUP_MOST_KEPT ||
                 opts->reserved_flags != 0 || !reserved_are_zero(opts->reserved, 3))) {
        return EINVAL;
    }
    return 0;
}

int cconc_group_new(cconc_ctx *parent, const cconc_group_opts *opts, cconc_group **out_group)
{
    MUST_ALIGN(parent, cconc_ctx);
    MUST_ALIGN(opts, cconc_group_opts);
    MUST_ALIGN(out_group, cconc_group *);
    const cconc_pool *pool = opts ? opts->pool : NULL;
    MUST_ALIGN(pool, void *);
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
    g->pool = opts->pool;
    g->flags = opts->flags;
    g->limit = opts->limit > 0 ? opts->limit : -1;
    atom_init(&g->running,
              group_limit_word(g->limit) | (group_is_ever_frozen(g) ? GROUP_FROZEN : 0));
    atom_init(&g->quick, 0);
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
    MUST_POINT(group, cconc_group);
    return group->ctx;
}

/* Note a failure with its message, which may be NULL. The first one ends the context in one
 * step. */
void cconc__group_record(cconc_group *g, int code, const char *message)
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
        cconc__text_copy(kept->message, sizeof(kept->message), message ? message : "");
    }
    if (g->error == 0) {
        g->error = code;
        g->cause->code = code;
        cconc__text_copy(g->cause->message, sizeof(g->cause->message), message ? message : "");
        if (!(g->flags & CCONC_GROUP_KEEP_GOING)) {
            cconc__node_end_begin(g->ctx, ECANCELED, code, g->cause, &ending);
        }
    }
    lock_leave(&g->mu);
    cconc__node_end_finish(&ending);
}

int cconc_group_fail(cconc_group *group, int code, const char *format, ...)
{
    MUST_POINT(group, cconc_group);
    char message[CCONC_CTX_MAX_MESSAGE + 1] = "";
    self_task *task = self_called_by(group);
    if (code == 0) {
        return 0;
    }
    if (format) {
        va_list args;
        va_start(args, format);
        cconc__text_format(message, sizeof(message), format, args);
        va_end(args);
    }
    if (task) {
        task->has_failed = true;
    }
    cconc__group_record(group, code, message);
    return code;
}

/* Queue node for the end. Returns false if it has been reached. */
static bool group_queue_for_end(cconc_group *g, wait_node *node)
{
    bool running;
    lock_take(&g->mu);
    /* [group.1] acq: what tasks did */
    running = atom_or_acq(&g->running, GROUP_AWAITED) >= GROUP_ONE;
    if (running) {
        waitq_push_back(&g->waiters, node);
    } else {
        (void)atom_and_rlx(&g->running, ~GROUP_AWAITED); /* rlx: a flag under mu */
    }
    lock_leave(&g->mu);
    return running;
}

/* Sleep until running is 0. Returns 0; EINPROGRESS if ctx ended first; EAGAIN if there is a task
 * for the helper; EDEADLK. */
static int group_await_once(cconc_group *g, cconc_ctx *ctx, helper *h)
{
    waiter w;
    wait_node node;
    int err = 0;
    cconc__waiter_arm(&w, ctx);
    wait_node_init(&node, &w, NULL, 0);
    if (group_queue_for_end(g, &node)) {
        err = cconc__helper_await(h, &w, ctx, &g->mu, &g->waiters, &node);
    }
    waiter_disarm(&w);
    return err;
}

/* The same, helping where the caller is a worker of the group's pool. */
static int group_await(cconc_group *g, cconc_ctx *ctx)
{
    helper *h = g->pool ? helper_of(g->pool) : NULL;
    int err = group_await_once(g, ctx, h);
    while (err == EAGAIN) {
        (void)h->run_one(h);
        err = cconc__node_err(ctx) ? group_await_once(g, ctx, NULL) : group_await_once(g, ctx, h);
    }
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
    MUST_POINT(group, cconc_group);
    MUST_ALIGN(ctx, cconc_ctx);
    MUST_ALIGN(out_message, char *);
    int err;
    if (self_runs(group)) {
        return EDEADLK;
    }
    err = group_await(group, ctx);
    return err ? err : group_finish(group, out_message);
}

int cconc_group_stop(cconc_group *group, cconc_ctx *ctx)
{
    MUST_POINT(group, cconc_group);
    MUST_ALIGN(ctx, cconc_ctx);
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
    MUST_POINT(group, cconc_group);
    MUST_ALIGN(out_errors, cconc_group_error);
    MUST_ALIGN(out_count, size_t);
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
    MUST_POINT(group, cconc_group);
    MUST_POINT(out_counts, cconc_group_counts);
    *out_counts = (cconc_group_counts){0};
    lock_take(&group->mu);
    out_counts->running = (uint32_t)group_running(group);
    out_counts->blocked = (uint32_t)group->goers.count;
    out_counts->started = group->started + atom_load_rlx(&group->quick); /* rlx: a count */
    out_counts->failed = group->failed;
    lock_leave(&group->mu);
}

void cconc_group_free(cconc_group *group)
{
    MUST_ALIGN(group, cconc_group);
    cconc_ctx *ctx;
    int64_t running;
    size_t blocked;
    if (!group) {
        return;
    }
    lock_take(&group->mu);
    running = group_running(group);
    blocked = group->goers.count;
    lock_leave(&group->mu);
    MUST(running == 0 && blocked == 0, "group free with %lld running tasks and %zu blocked callers",
         (long long)running, blocked);
    ctx = group->ctx;
    cconc__lock_destroy(&group->mu);
    cconc__cause_unref(group->cause);
    cconc__alloc_free(group->kept);
    cconc__alloc_free(group);
    cconc_ctx_free(ctx); /* last: it may destroy a value of the parent's, and that end the thread */
}
