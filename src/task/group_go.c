/* group_go.c - how a task of a group gets its slot and runs
 * SPDX-License-Identifier: MIT
 *
 * Idea        A slot is taken before the task is handed to whoever runs it, the executor or a pool,
 *             and given on when it has ended. A worker of that pool which would have to wait for a
 *             slot runs queued tasks of the pool meanwhile: among them may be those of the group.
 * Invariants  Those of group.c; own_blocked counts our tasks that wait in go, also while they help.
 * Locks       The group's mu. Tasks run, and are handed over, with no lock held.
 * Ordering    [group.1], mu's, and [exec.1] or the pool's edges from go to the task.
 * Lifetime    On a pool a task has a record. It is freed by its end, before the slot is given on;
 *             if it was never handed over by go, or by what is left of a thread that ended while go
 *             was helping.
 * Rejected    Helping only with tasks of the group: the one that has the slot may wait for any. */
#include "task/group.h"

#include "core/helper.h"
#include "core/must.h"
#include "core/spin.h"
#include "core/waiter.h"
#include "plat/alloc.h"
#include "plat/thread.h"
#include "task/submit.h"

#include <errno.h>

/* The code of the group's context if that keeps tasks from starting. */
static int group_skips(const cconc_group *g)
{
    return g->flags & CCONC_GROUP_SKIP ? cconc__node_err(g->ctx) : 0;
}

/* The context whose end is also to end a go that waits, or NULL. */
static cconc_ctx *group_skip_ctx(const cconc_group *g)
{
    return g->flags & CCONC_GROUP_SKIP ? g->ctx : NULL;
}

/* ---- the word that counts ------------------------------------------------------------------- */

/* Take mu, and all changes of the word under it. */
static void group_freeze(cconc_group *g)
{
    lock_take(&g->mu);
    if (!(atom_load_rlx(&g->running) & GROUP_FROZEN)) { /* rlx: it is set under mu */
        (void)atom_or_rlx(&g->running, GROUP_FROZEN);   /* rlx: what tasks did is for others */
    }
}

/* Leave mu, and let the word change without it if nobody waits for a slot. */
static void group_thaw(cconc_group *g)
{
    if (g->goers.count == 0 && !group_is_ever_frozen(g)) {
        (void)atom_and_rel(&g->running, ~GROUP_FROZEN); /* [group.1] rel: what ended under mu */
    }
    lock_leave(&g->mu);
}

static bool group_has_slot_locked(cconc_group *g)
{
    cconc__lock_assert_held(&g->mu);
    return g->limit < 0 || group_running(g) < g->limit;
}

static void group_take_slot_locked(cconc_group *g)
{
    cconc__lock_assert_held(&g->mu);
    (void)atom_add_rlx(&g->running, GROUP_ONE); /* rlx: a start carries nothing */
    g->started++;
}

/* Take a slot without mu. Returns 0, EAGAIN if there is none, EBUSY if that is known under mu. */
static int group_start_quick(cconc_group *g)
{
    size_t word = atom_load_rlx(&g->running); /* rlx: the swap decides */
    while (!(word & GROUP_FROZEN)) {
        if (word / GROUP_ONE >= (word / GROUP_LIMIT & GROUP_LIMIT_MOST)) {
            return EAGAIN;
        }
        /* [group.1] acq: what the task did whose slot this was */
        if (atom_cas_weak_acq_rlx(&g->running, &word, word + GROUP_ONE)) {
            (void)atom_add_rlx(&g->quick, 1); /* rlx: a count */
            return 0;
        }
    }
    return EBUSY;
}

/* Look for a moment whether there is one. Returns as above. */
static int group_watch_slots(cconc_group *g)
{
    spinner s;
    int err;
    cconc__spin_begin(&s, self_get());
    do {
        err = group_start_quick(g);
    } while (err == EAGAIN && cconc__spin_again(&s));
    cconc__spin_end(&s, err == 0);
    return err;
}

/* Give a slot back that nobody waits for, nor for its being the last. */
static bool group_end_quick(cconc_group *g)
{
    size_t word = atom_load_rlx(&g->running); /* rlx: the swap decides */
    while (!(word & GROUP_FROZEN) && (!(word & GROUP_AWAITED) || word >= 2 * GROUP_ONE)) {
        /* [group.1] rel: what the task did */
        if (atom_cas_weak_rel_rlx(&g->running, &word, word - GROUP_ONE)) {
            return true;
        }
    }
    return false;
}

/* ---- who waits for a slot ------------------------------------------------------------------- */

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
    while (g->own_blocked > 0 && g->own_blocked >= group_running(g) && at != &g->goers.list) {
        wait_node *node = LIST_OF(at, wait_node, link);
        at = at->next;
        if (node->key) {
            (void)group_claim_locked(g, node, CLAIM_CLOSE, batch);
        }
    }
}

/* If nothing runs any more, tell who waits for that. A slot that was passed on runs. */
static void group_tell_end_locked(cconc_group *g, wake_batch *batch)
{
    cconc__lock_assert_held(&g->mu);
    if (group_running(g) == 0) {
        (void)atom_and_rlx(&g->running, ~GROUP_AWAITED); /* rlx: a flag under mu */
        waiter_claim_all(&g->waiters, CLAIM_GRANT, batch);
    }
}

/* A slot is free again, of a task that was started or not; group may be gone afterwards. */
static void group_give_slot(cconc_group *g, bool was_started)
{
    wake_batch batch = WAKE_BATCH_INIT;
    if (was_started && group_end_quick(g)) {
        return;
    }
    group_freeze(g);
    (void)atom_sub_rlx(&g->running, GROUP_ONE); /* rlx: who looks for the end takes mu */
    if (!was_started) {
        g->started--;
    }
    group_admit_locked(g, &batch);
    group_break_locked(g, &batch);
    group_tell_end_locked(g, &batch);
    group_thaw(g);
    batch_wake(&batch);
}

/* A task of the group begins, or ends, to help while it waits in go. */
static void group_count_helper(cconc_group *g, bool begins)
{
    wake_batch batch = WAKE_BATCH_INIT;
    group_freeze(g);
    g->own_blocked += begins ? 1 : -1;
    group_break_locked(g, &batch);
    group_thaw(g);
    batch_wake(&batch);
}

/* A task has ended with code; group may be gone afterwards. */
static void group_task_ended(cconc_group *g, int code, bool has_failed)
{
    if (code != 0 && !has_failed) {
        cconc__group_record(g, code, NULL);
    }
    group_give_slot(g, true);
}

static void group_job_run(const exec_job *job, self_task *frame)
{
    cconc_group *g = job->owner;
    int code;
    cconc__self_enter(frame, g);
    code = job->fn.in_group(g->ctx, job->arg);
    cconc__self_exit();
    group_task_ended(g, code, frame->has_failed);
}

/* The task has ended its thread. */
static void group_job_torn(const exec_job *job, self_task *frame)
{
    group_task_ended(job->owner, ECANCELED, frame->has_failed);
}

static const exec_kind group_jobs = {group_job_run, group_job_torn};

/* On a pool: the worker's own frame has allowed cancellation already. */
static int group_pooled_run(cconc_ctx *ctx, void *arg)
{
    group_task *t = arg;
    int code;
    (void)ctx;
    self_push(&t->frame, t->group);
    code = t->fn(t->group->ctx, t->arg);
    self_pop();
    return code;
}

/* It has returned, has ended its thread, or was dropped. */
static void group_pooled_ended(cconc_pool_task *task, int code, bool dropped)
{
    group_task *t = LIST_OF(task, group_task, pooled);
    cconc_group *g = t->group;
    bool has_failed = t->frame.has_failed;
    (void)dropped;
    cconc__alloc_free(t);
    group_task_ended(g, code, has_failed);
}

typedef struct group_helping {
    cconc_group *group;
    helper *helper;
    group_task *starting; /* what go is to start */
    bool is_own;          /* go was called by a task of the group */
    bool is_begun;        /* when it comes again the thread has ended, and go with it */
} group_helping;

static void group_help_go(void *arg)
{
    group_helping *h = arg;
    if (h->is_begun) {
        cconc__alloc_free(h->starting);
    } else {
        h->is_begun = true;
        (void)h->helper->run_one(h->helper);
    }
    if (h->is_own) {
        group_count_helper(h->group, false);
    }
}

/* Run a queued task of the pool's instead of waiting for a slot for t. */
static void group_help(cconc_group *g, helper *h, group_task *t)
{
    group_helping helping = {.group = g, .helper = h, .starting = t, .is_own = self_runs(g)};
    if (helping.is_own) {
        group_count_helper(g, true);
    }
    cconc__thread_insist(group_help_go, &helping);
}

/* Wait in the queue for a slot, at most until ctx ends, or the group's context if that skips.
 * Returns EAGAIN if the helper has been called. */
static int group_wait_slot(cconc_group *g, cconc_ctx *ctx, waiter *w, wait_node *node, helper *h)
{
    int err = cconc__helper_park(h, w, group_skip_ctx(g));
    if (waiter_kind(w) == CLAIM_GRANT) {
        return 0;
    }
    if (waiter_kind(w) == CLAIM_CLOSE) {
        return EDEADLK;
    }
    group_freeze(g);
    if (node->queued) {
        group_unqueue_locked(g, node);
    }
    group_thaw(g);
    if (err || waiter_kind(w) == CLAIM_READY) {
        return err ? err : EAGAIN;
    }
    return cconc__helper_error(w, ctx, group_skip_ctx(g));
}

/* Take a slot if that takes no waiting. Returns 0, EAGAIN, or why no task may start. Nobody who
 * waits is overtaken: where somebody does there is no slot (I2). */
static int group_try_slot_locked(cconc_group *g)
{
    int err = group_skips(g);
    cconc__lock_assert_held(&g->mu);
    if (err) {
        return err;
    }
    if (!group_has_slot_locked(g)) {
        return EAGAIN;
    }
    CHECK(g->goers.count == 0);
    group_take_slot_locked(g);
    return 0;
}

static int group_try_slot(cconc_group *g)
{
    int err = group_start_quick(g);
    if (err != EBUSY) {
        return err;
    }
    group_freeze(g);
    err = group_try_slot_locked(g);
    group_thaw(g);
    return err;
}

/* Take a slot, or queue node for one: EAGAIN. Returns else as above, or EDEADLK. */
static int group_queue_for_slot(cconc_group *g, wait_node *node)
{
    bool own = self_runs(g);
    int err;
    group_freeze(g);
    err = group_try_slot_locked(g);
    if (err == EAGAIN && own && g->own_blocked + 1 >= group_running(g)) {
        err = EDEADLK; /* every task of the group would wait here */
    } else if (err == EAGAIN) {
        node->key = own ? g : NULL;
        g->own_blocked += own ? 1 : 0;
        waitq_push_back(&g->goers, node);
    }
    group_thaw(g);
    return err;
}

/* Wait once for a slot. Returns EAGAIN if there is a task to help with. */
static int group_acquire_once(cconc_group *g, cconc_ctx *ctx, helper *h)
{
    waiter w;
    wait_node node;
    int err;
    cconc__waiter_arm(&w, ctx);
    wait_node_init(&node, &w, NULL, 0);
    err = group_queue_for_slot(g, &node);
    if (err == EAGAIN) {
        err = group_wait_slot(g, ctx, &w, &node, h);
    }
    waiter_disarm(&w);
    return err;
}

/* Take a slot, on a pool for t. Returns 0, or why there is none. */
static int group_acquire(cconc_group *g, cconc_ctx *ctx, bool may_wait, group_task *t)
{
    helper *h = g->pool ? helper_of(g->pool) : NULL;
    int err = group_try_slot(g);
    if (err != EAGAIN || !may_wait) {
        return err;
    }
    if (!h && group_watch_slots(g) == 0) {
        return 0;
    }
    err = group_acquire_once(g, ctx, h);
    while (err == EAGAIN) {
        group_help(g, h, t);
        err = cconc__node_err(ctx);
        err = err ? err : group_acquire_once(g, ctx, h);
    }
    return err;
}

static int group_start_pooled(cconc_group *g, cconc_ctx *ctx, bool may_wait, cconc_task_fn fn,
                              void *arg)
{
    group_task *t = cconc__alloc(sizeof(*t));
    int err;
    if (!t) {
        return ENOMEM;
    }
    *t = (group_task){.group = g, .fn = fn, .arg = arg};
    t->pooled.fn = group_pooled_run;
    t->pooled.arg = t;
    t->pooled.ended = group_pooled_ended;
    err = group_acquire(g, ctx, may_wait, t);
    if (!err) {
        err = may_wait ? cconc__pool_submit_also(g->pool, ctx, group_skip_ctx(g), &t->pooled)
                       : cconc_pool_try_submit_task(g->pool, &t->pooled);
        if (err) {
            group_give_slot(g, false);
        }
    }
    if (err) {
        cconc__alloc_free(t);
    }
    return err;
}

static int group_start_job(cconc_group *g, cconc_ctx *ctx, bool may_wait, cconc_task_fn fn,
                           void *arg)
{
    exec_job job = {.kind = &group_jobs, .owner = g, .fn.in_group = fn, .arg = arg};
    int err = group_acquire(g, ctx, may_wait, NULL);
    if (!err) {
        err = cconc__executor_spawn(&job);
        if (err) {
            group_give_slot(g, false);
        }
    }
    return err;
}

static int group_start(cconc_group *g, cconc_ctx *ctx, bool may_wait, cconc_task_fn fn, void *arg)
{
    int err;
    if (!fn) {
        return EINVAL;
    }
    err = cconc__node_err(ctx);
    if (err) {
        return err;
    }
    return g->pool ? group_start_pooled(g, ctx, may_wait, fn, arg)
                   : group_start_job(g, ctx, may_wait, fn, arg);
}

int cconc_group_go(cconc_group *group, cconc_ctx *ctx, cconc_task_fn fn, void *arg)
{
    MUST_POINT(group, cconc_group);
    MUST_ALIGN(ctx, cconc_ctx);
    return group_start(group, ctx, true, fn, arg);
}

int cconc_group_try_go(cconc_group *group, cconc_task_fn fn, void *arg)
{
    MUST_POINT(group, cconc_group);
    return group_start(group, NULL, false, fn, arg);
}

void cconc_group_set_limit(cconc_group *group, int limit)
{
    MUST_POINT(group, cconc_group);
    wake_batch batch = WAKE_BATCH_INIT;
    size_t before;
    group_freeze(group);
    before = group_limit_word(group->limit);
    group->limit = limit < 0 ? -1 : limit;
    /* rlx: frozen, and what tasks did goes on to be seen by who takes the word */
    (void)atom_add_rlx(&group->running, group_limit_word(group->limit) - before);
    group_admit_locked(group, &batch);
    group_break_locked(group, &batch);
    group_thaw(group);
    batch_wake(&batch);
}

