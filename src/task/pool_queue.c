/* pool_queue.c - tasks in and out of a pool's queue, and who hears of it
 * SPDX-License-Identifier: MIT
 *
 * Idea        One list under one lock, oldest first; through it runs a second one for each worker,
 *             of the tasks that it submitted itself, newest first. Both ends cost the same, so a
 *             worker that waits takes its own newest, everybody else the oldest.
 * Picture     queue   t1 - t2 - t3 - t4 - t5       t2, t5 were submitted by worker A: own t5 - t2
 *                     |                            A, waiting, takes t5; others take t1
 *                     oldest
 *             A rendezvous has no queue to speak of: a task enters only together with the call of
 *             an idle worker, or goes from the blocked submitter straight to the one that asks.
 * Invariants  I1 queued <= cap; with cap 0 at most one for each worker called, until that one has
 *                begun a task.
 *             I2 submitters is empty or the queue is full, once cconc__pool_serve_locked() is done.
 *             I3 While something is queued and somebody is idle, somebody is called: at most one at
 *                a time, who takes a task and calls the next, but for a rendezvous.
 *             I4 Each accepted task is begun once or dropped once.
 * Locks       The pool's mu. Hooks are called and threads woken with no lock held.
 * Ordering    pool.1  finish_locked(): store rel -> task_is_done(): load acq    the task's end
 *             All else by mu, and [claim.1] for a grant.
 * Lifetime    The last touch of a caller's record is the store of its state, or the call of its
 *             ended. A blocked submitter's record is copied by whoever grants.
 * Rejected    A deque a worker and a shared one: a bound over all of them, dropping the oldest and
 *             "nothing is queued" would each need all of them at once (0013). */
#include "task/pool.h"

#include "core/must.h"
#include "plat/alloc.h"

#include <errno.h>

void cconc__pool_task_init(pool_task *task, task_kind kind)
{
    list_init(&task->link);
    list_init(&task->own);
    waitq_init(&task->joiners);
    task->code = 0;
    task->kind = kind;
    atom_init(&task->state, TASK_FREE);
}

static void queue_push_locked(cconc_pool *p, pool_task *task, pool_worker *w)
{
    cconc__lock_assert_held(&p->mu);
    atom_store_rlx(&task->state, TASK_QUEUED); /* rlx: read under mu; only DONE is read without */
    list_push_back(&p->queue, &task->link);
    list_init(&task->own);
    if (w) {
        list_push_front(&w->own, &task->own);
    }
    p->counts.queued++;
    p->counts.submitted++;
}

/* A copy of fn and arg alone, in task. */
static pool_task *queue_copy(pool_task *task, const pool_task *from, task_kind kind)
{
    task->fn = from->fn;
    task->arg = from->arg;
    task->ended = NULL;
    task->kind = kind;
    return task;
}

static bool queue_has_record_locked(cconc_pool *p, const pool_task *task)
{
    cconc__lock_assert_held(&p->mu);
    return task->kind != TASK_LOOSE || !list_is_empty(&p->free_tasks);
}

/* What to queue for task: itself, or a copy in the reserve. */
static pool_task *queue_record_locked(cconc_pool *p, pool_task *task)
{
    pool_task *record;
    cconc__lock_assert_held(&p->mu);
    if (task->kind != TASK_LOOSE) {
        return task;
    }
    record = LIST_OF(p->free_tasks.next, pool_task, link);
    list_remove(&record->link);
    return queue_copy(record, task, TASK_RESERVE);
}

/* Choose the worker or helper that went idle last to take a task. */
static pool_worker *queue_call_locked(cconc_pool *p, wake_batch *batch)
{
    wait_node *node;
    pool_worker *w = NULL;
    cconc__lock_assert_held(&p->mu);
    node = waiter_claim_first(&p->idle, CLAIM_READY, batch);
    if (node) {
        w = node->elem;
        w->is_called = true;
        p->calling++;
    }
    return w;
}

/* A rendezvous: the task enters with a worker called for it. */
static int queue_meet_locked(cconc_pool *p, pool_task *task, pool_worker *mine, wake_batch *batch)
{
    pool_worker *w;
    cconc__lock_assert_held(&p->mu);
    w = queue_call_locked(p, batch);
    if (!w) {
        return EAGAIN;
    }
    if (task->kind == TASK_LOOSE) {
        task = queue_copy(&w->handed, task, TASK_LOOSE);
    }
    queue_push_locked(p, task, mine);
    return 0;
}

int cconc__pool_accept_locked(cconc_pool *p, pool_task *task, pool_worker *w, wake_batch *batch)
{
    cconc__lock_assert_held(&p->mu);
    if (p->closed) {
        return EPIPE;
    }
    if (p->alive == 0) {
        return ENOMEM;
    }
    if (p->cap == 0) {
        return queue_meet_locked(p, task, w, batch);
    }
    if (p->counts.queued >= p->cap) {
        return EAGAIN;
    }
    if (!queue_has_record_locked(p, task)) {
        return ENOMEM;
    }
    queue_push_locked(p, queue_record_locked(p, task), w);
    if (p->calling == 0) {
        (void)queue_call_locked(p, batch);
    }
    return 0;
}

pool_task *cconc__pool_unqueue_locked(cconc_pool *p, pool_task *task)
{
    cconc__lock_assert_held(&p->mu);
    if (!task) {
        if (list_is_empty(&p->queue)) {
            return NULL;
        }
        task = LIST_OF(p->queue.next, pool_task, link);
    }
    list_remove(&task->link);
    list_remove(&task->own);
    p->counts.queued--;
    return task;
}

void cconc__pool_begin_locked(cconc_pool *p, pool_task *task, pool_worker *w)
{
    pool_run *run = &w->runs[w->depth];
    cconc__lock_assert_held(&p->mu);
    run->fn = task->fn;
    run->arg = task->arg;
    run->task = task->kind >= TASK_GIVEN ? task : NULL;
    atom_store_rlx(&task->state, TASK_RUNNING); /* rlx: as in queue_push_locked() */
    if (task->kind == TASK_RESERVE) {
        list_push_front(&p->free_tasks, &task->link);
    }
    w->depth++;
    p->counts.running++;
}

/* Take the first blocked submitter out of its queue. Returns its task, which is accepted, or NULL
 * if there is nobody. Its record is looked at before its owner is woken. */
static pool_task *queue_grant_locked(cconc_pool *p, wake_batch *batch)
{
    wait_node *node;
    cconc__lock_assert_held(&p->mu);
    node = waiter_claim_first(&p->submitters, CLAIM_GRANT, batch);
    return node ? node->elem : NULL;
}

bool cconc__pool_take_locked(cconc_pool *p, pool_worker *w, bool mine_first, wake_batch *batch)
{
    pool_task *task = NULL;
    cconc__lock_assert_held(&p->mu);
    if (p->cancelled) {
        return false;
    }
    if (mine_first && !list_is_empty(&w->own)) {
        task = LIST_OF(w->own.next, pool_task, own);
    }
    task = cconc__pool_unqueue_locked(p, task);
    if (!task && p->cap == 0) {
        task = queue_grant_locked(p, batch);
        p->counts.submitted += task ? 1 : 0;
    }
    if (!task) {
        return false;
    }
    cconc__pool_begin_locked(p, task, w);
    return true;
}

bool cconc__pool_has_task_locked(cconc_pool *p)
{
    cconc__lock_assert_held(&p->mu);
    return !p->cancelled &&
           (p->counts.queued > 0 || (p->cap == 0 && p->submitters.count > 0));
}

void cconc__pool_finish_locked(cconc_pool *p, pool_task *task, int code, wake_batch *batch)
{
    cconc__lock_assert_held(&p->mu);
    waiter_claim_all(&task->joiners, CLAIM_GRANT, batch);
    task->code = code;
    atom_store_rel(&task->state, TASK_DONE); /* [pool.1] rel: the end of the task, and its code */
}

/* Let blocked submitters in, in order of arrival. */
static void queue_refill_locked(cconc_pool *p, wake_batch *batch)
{
    cconc__lock_assert_held(&p->mu);
    while (p->submitters.count > 0 && p->counts.queued < p->cap) {
        pool_task *task = queue_grant_locked(p, batch);
        if (task) {
            queue_push_locked(p, queue_record_locked(p, task), NULL);
        }
    }
}

/* Give places back to those who have lent theirs. */
static void queue_return_locked(cconc_pool *p, wake_batch *batch)
{
    cconc__lock_assert_held(&p->mu);
    while (p->active < p->target && waiter_claim_first(&p->returners, CLAIM_GRANT, batch)) {
        p->active++;
    }
}

void cconc__pool_serve_locked(cconc_pool *p, wake_batch *batch)
{
    cconc__lock_assert_held(&p->mu);
    if (p->closed) {
        waiter_claim_all(&p->submitters, CLAIM_CLOSE, batch);
    } else if (p->alive == 0) { /* nobody is left to make room: they look again, for a worker */
        waiter_claim_all(&p->submitters, CLAIM_READY, batch);
    } else if (p->submitters.count > 0) {
        queue_refill_locked(p, batch);
    }
    if (p->returners.count > 0) {
        queue_return_locked(p, batch);
    }
    if (p->calling == 0 && p->counts.queued > 0 && !p->cancelled) {
        (void)queue_call_locked(p, batch);
    }
    if (p->counts.queued == 0 && p->counts.running == 0 && p->dropping == 0) {
        waiter_claim_all(&p->waiters, CLAIM_GRANT, batch);
    }
    if (p->closed && p->alive == 0 && p->dropping == 0 && !p->joining) {
        waiter_claim_all(&p->enders, CLAIM_GRANT, batch);
    }
}

void cconc__pool_rouse_locked(cconc_pool *p, uint32_t count, wake_batch *batch)
{
    list_link *at;
    cconc__lock_assert_held(&p->mu);
    at = p->idle.list.next;
    while (count > 0 && at != &p->idle.list) {
        wait_node *node = LIST_OF(at, wait_node, link);
        at = at->next;
        if (node->index != HELPER_INDEX) {
            bool claimed = waiter_claim(node->w, CLAIM_CLOSE, node->index);
            CHECK(claimed); /* nothing ends its wait but a claim under mu, which takes it out */
            (void)claimed;
            waitq_remove(&p->idle, node);
            batch_add(batch, node);
            count--;
        }
    }
}

void cconc__pool_lose_locked(cconc_pool *p, pool_task *task, pool_lost *out_lost)
{
    cconc__lock_assert_held(&p->mu);
    CHECK(p->counts.queued > 0);
    task = cconc__pool_unqueue_locked(p, task);
    *out_lost = (pool_lost){task, task->fn, task->arg, task->ended, task->kind};
    atom_store_rlx(&task->state, TASK_RUNNING); /* rlx: under mu; it is decided, not yet over */
    if (task->kind == TASK_RESERVE) {
        list_push_front(&p->free_tasks, &task->link);
    }
    p->dropping++;
}

typedef struct queue_drop {
    cconc_pool *pool;
    const pool_lost *lost;
    bool is_told; /* the owner has been, or is just being, told */
} queue_drop;

/* Comes again if the hook ends the thread. */
static void queue_drop_go(void *arg)
{
    queue_drop *drop = arg;
    cconc_pool *p = drop->pool;
    const pool_lost *lost = drop->lost;
    wake_batch batch = WAKE_BATCH_INIT;
    bool tells = !drop->is_told;
    drop->is_told = true;
    if (tells && lost->ended) {
        lost->ended((cconc_pool_task *)(void *)lost->task, ECANCELED, true);
    } else if (tells && p->opts.on_drop) {
        p->opts.on_drop(p->opts.user, lost->fn, lost->arg);
    }
    lock_take(&p->mu);
    if (lost->kind >= TASK_GIVEN && !lost->ended) {
        cconc__pool_finish_locked(p, lost->task, ECANCELED, &batch);
    }
    p->dropping--;
    p->counts.dropped++;
    cconc__pool_serve_locked(p, &batch);
    lock_leave(&p->mu);
    batch_wake(&batch);
    if (lost->kind == TASK_FUTURE) {
        cconc__pool_future_ended(lost->task);
    }
}

void cconc__pool_drop(cconc_pool *p, const pool_lost *lost)
{
    queue_drop drop = {p, lost, false};
    cconc__thread_insist(queue_drop_go, &drop);
}

int cconc__pool_sleep(cconc_pool *p, const pool_bounds *until, helper *h, waitq *q, waiter *w,
                      wait_node *node)
{
    int err = cconc__helper_park(h, w, until->also);
    if (waiter_kind(w) == CLAIM_GRANT) {
        return 0;
    }
    lock_take(&p->mu);
    if (node->queued) {
        waitq_remove(q, node);
    }
    lock_leave(&p->mu);
    if (waiter_kind(w) == CLAIM_CLOSE) {
        return EPIPE;
    }
    if (waiter_kind(w) == CLAIM_READY) {
        return EAGAIN;
    }
    return waiter_kind(w) == CLAIM_SELF && err ? err
                                               : cconc__helper_error(w, until->ctx, until->also);
}
