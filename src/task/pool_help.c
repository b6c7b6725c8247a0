/* pool_help.c - what a worker does instead of waiting for its own pool
 * SPDX-License-Identifier: MIT
 *
 * Idea        A worker that waits runs queued tasks on top of the one that waits: the task it waits
 *             for if nobody has begun it, else its own newest, else the oldest. Only with nothing
 *             queued does it sleep, and then as one of the idle, so that a new task wakes it.
 * Picture     runs[0]  outer task: submits a, b; joins a        own  b - a
 *             runs[1]    a, run in place                         own  b
 *             beyond CCONC_POOL_MAX_DEPTH: active - 1, and a temporary worker in its place; after
 *             the wait active + 1, as soon as some worker leaves
 * Invariants  I1 No wait of a thread's is armed while a task runs on top of it.
 *             I2 A worker that is called takes a task, or calls another when it leaves.
 *             I3 A worker that has lent its place runs nothing until it has one again.
 * Locks       The pool's mu.
 * Ordering    None but mu's, and [claim.1] for grants and calls; [pool.1] in task_is_done().
 * Lifetime    As for any wait: the nodes lie on the worker's stack.
 * Rejected    More threads at once: a recursion of depth 20 would need as many stacks. Only the
 *             task that is waited for: with that one running elsewhere the worker would sleep on a
 *             full queue. */
#include "task/pool.h"

#include "core/must.h"
#include "core/node.h"

#include <errno.h>

pool_worker *cconc__pool_worker_here(cconc_pool *p)
{
    helper *h = helper_of(p);
    return h ? LIST_OF(h, pool_worker, help) : NULL;
}

void cconc__pool_arrive_locked(cconc_pool *p, pool_worker *w)
{
    cconc__lock_assert_held(&p->mu);
    if (w->is_called) {
        w->is_called = false;
        p->calling--;
    }
}

static bool help_is_too_deep(const pool_worker *w)
{
    return w->depth > CCONC_POOL_MAX_DEPTH;
}

/* Begin task in w if nobody has. */
static bool help_take_it_locked(pool_worker *w, pool_task *task)
{
    cconc_pool *p = w->pool;
    cconc__lock_assert_held(&p->mu);
    if (atom_load_rlx(&task->state) == TASK_KEPT) { /* rlx: out of a hand it comes under mu */
        cconc__pool_recall_locked(p, NULL);
    }
    if (p->cancelled || atom_load_rlx(&task->state) != TASK_QUEUED) { /* rlx: stored under mu */
        return false;
    }
    cconc__pool_unqueue_locked(p, task);
    cconc__pool_begin_locked(p, task, w);
    return true;
}

/* Run task in w if nobody has begun it; the next one, if task is NULL. */
static bool help_run(pool_worker *w, pool_task *task)
{
    cconc_pool *p = w->pool;
    wake_batch batch = WAKE_BATCH_INIT;
    bool took;
    if (help_is_too_deep(w)) {
        return false;
    }
    if (cconc__pool_hand_pop(w, task)) {
        cconc__pool_run_nested(w);
        return true;
    }
    lock_take(&p->mu);
    took = task ? help_take_it_locked(w, task) : cconc__pool_take_locked(p, w, true, &batch);
    p->counts.helped += took ? 1 : 0;
    cconc__pool_serve_locked(p, &batch);
    lock_leave(&p->mu);
    batch_wake(&batch);
    if (took) {
        cconc__pool_run_nested(w);
    }
    return took;
}

static bool help_run_one(helper *h)
{
    return help_run(LIST_OF(h, pool_worker, help), NULL);
}

/* Give the place of w to another worker. Returns 0, or EDEADLK if there is none to be had. */
static int help_lend(pool_worker *w)
{
    cconc_pool *p = w->pool;
    wake_batch batch = WAKE_BATCH_INIT;
    int err;
    lock_take(&p->mu);
    p->active--;
    p->counts.suspended++;
    cconc__pool_serve_locked(p, &batch); /* one that wants its place back comes first */
    lock_leave(&p->mu);
    batch_wake(&batch);
    err = cconc__pool_grow(p);
    if (!err) {
        w->has_lent = true;
        return 0;
    }
    lock_take(&p->mu);
    p->counts.suspended--;
    p->active++;
    cconc__pool_mark_locked(p);
    lock_leave(&p->mu);
    return EDEADLK;
}

/* Take a place again, from the next worker that leaves. */
static void help_return(pool_worker *w)
{
    cconc_pool *p = w->pool;
    waiter wait;
    wait_node node;
    bool parks;
    w->has_lent = false;
    cconc__waiter_arm(&wait, NULL);
    wait_node_init(&node, &wait, NULL, 0);
    lock_take(&p->mu);
    p->counts.suspended--;
    parks = p->active >= p->target;
    if (parks) {
        wake_batch batch = WAKE_BATCH_INIT;
        waitq_push_back(&p->returners, &node);
        cconc__pool_rouse_locked(p, 1, &batch);
        cconc__pool_mark_locked(p);
        lock_leave(&p->mu);
        batch_wake(&batch);
        cconc__waiter_park(&wait, true);
    } else {
        p->active++;
        cconc__pool_mark_locked(p);
        lock_leave(&p->mu);
    }
    waiter_disarm(&wait);
}

static int help_enlist(helper *h, wait_node *node)
{
    pool_worker *w = LIST_OF(h, pool_worker, help);
    cconc_pool *p = w->pool;
    int err = 0;
    if (help_is_too_deep(w)) {
        return help_lend(w);
    }
    node->elem = w;
    lock_take(&p->mu);
    waitq_push_front(&p->idle, node);
    cconc__pool_mark_locked(p);
    if (cconc__pool_has_task_locked(p)) { /* seen after the mark: what comes now calls somebody */
        waitq_remove(&p->idle, node);
        cconc__pool_mark_locked(p);
        err = EAGAIN;
    }
    lock_leave(&p->mu);
    return err;
}

static void help_delist(helper *h, wait_node *node)
{
    pool_worker *w = LIST_OF(h, pool_worker, help);
    cconc_pool *p = w->pool;
    wake_batch batch = WAKE_BATCH_INIT;
    if (w->has_lent) {
        help_return(w);
        return;
    }
    lock_take(&p->mu);
    if (node->queued) {
        waitq_remove(&p->idle, node);
    }
    cconc__pool_arrive_locked(p, w);
    cconc__pool_serve_locked(p, &batch);
    lock_leave(&p->mu);
    batch_wake(&batch);
}

void cconc__pool_help_init(pool_worker *w)
{
    w->help.owner = w->pool;
    w->help.run_one = help_run_one;
    w->help.enlist = help_enlist;
    w->help.delist = help_delist;
}

static bool task_is_done(const pool_task *task)
{
    return atom_load_acq(&task->state) == TASK_DONE; /* [pool.1] acq: the end of the task */
}

/* Somebody is about to wait for task. Returns true if it has ended. */
static bool help_announce_locked(cconc_pool *p, pool_task *task)
{
    uint32_t state = TASK_KEPT;
    cconc__lock_assert_held(&p->mu);
    /* rlx: who ends it then comes to mu. [pool.1] acq in task_is_done(). */
    (void)atom_cas_rlx_rlx(&task->state, &state, TASK_AWAITED);
    return task_is_done(task);
}

/* Sleep until task has ended or, in a helper, another one is queued: EAGAIN. */
static int help_await_once(cconc_pool *p, cconc_ctx *ctx, pool_task *task, helper *h)
{
    waiter w;
    wait_node join;
    bool parks;
    int err = 0;
    cconc__waiter_arm(&w, ctx);
    wait_node_init(&join, &w, NULL, 0);
    lock_take(&p->mu);
    parks = !help_announce_locked(p, task);
    if (parks) {
        waitq_push_back(&task->joiners, &join);
    }
    lock_leave(&p->mu);
    if (parks) {
        err = cconc__helper_await(h, &w, ctx, &p->mu, &task->joiners, &join);
    }
    waiter_disarm(&w);
    return err;
}

int cconc__pool_await(cconc_pool *p, cconc_ctx *ctx, pool_task *task, int *out_code)
{
    helper *h = helper_of(p);
    int err = task_is_done(task) ? 0 : EAGAIN;
    if (err && h && help_run(LIST_OF(h, pool_worker, help), task)) {
        err = 0;
    }
    while (err == EAGAIN) {
        bool ran = h && h->run_one(h);
        if (task_is_done(task)) {
            err = 0;
        } else if (ran) {
            err = cconc__node_err(ctx) ? EINPROGRESS : EAGAIN;
        } else {
            err = help_await_once(p, ctx, task, h);
        }
    }
    if (!err) {
        *out_code = task->code;
    }
    return err;
}
