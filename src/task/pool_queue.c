/* pool_queue.c - tasks in and out of a pool's queue, and who hears of it
 * SPDX-License-Identifier: MIT
 *
 * Idea        Plain tasks from outside go through a ring (core/ring.c) without a lock. All else -
 *             records, futures, what workers submit - is in a list under the lock, oldest first;
 *             through it runs a second one for each worker, of the tasks that it submitted itself,
 *             newest first, so a worker that waits takes its own newest, everybody else the oldest.
 *             What nobody else wants yet is not even there, but in a hand (pool_hand.c).
 *             While the list has something nothing more gets into the ring, so what is in the ring
 *             is older than what is in the list, and one bound holds for both.
 * Picture     ring    t1 - t2 - t3                 t5, t8 were submitted by worker A: own t8 - t5
 *                     |                            A, waiting, takes t8; others take t1
 *                     oldest
 *             queue   t4 - t5 - t6 - t7 - t8       RING_DIRECT in RING_IN until it is empty
 *             Who has to come to the lock learns it in the step in which it moves the ring:
 *               RING_IN   WAKE: a worker is idle     DIRECT: list or hands have something, or no
 *                         and nobody is called       task is accepted, or a worker is missing
 *               RING_OUT  WAKE: a submitter waits    DIRECT: no task starts, or a worker too many
 *             A rendezvous has no queue to speak of: a task enters only together with the call of
 *             an idle worker, or goes from the blocked submitter straight to the one that asks.
 * Invariants  I1 queued <= cap; with cap 0 at most one for each worker called, until that one has
 *                begun a task.
 *             I2 submitters is empty or the queue is full, once cconc__pool_serve_locked() is done.
 *             I3 While something is queued and somebody is idle, somebody is called: at most one at
 *                a time, who takes a task and calls the next, but for a rendezvous.
 *             I4 Each accepted task is begun once or dropped once.
 *             I5 Whenever mu is free the flags are as above: each section that changes what they
 *                depend on marks, and looks at the ring afterwards.
 *             I6 Who takes a task from the ring has counted it as begun before.
 * Locks       The pool's mu. Hooks are called and threads woken with no lock held.
 * Ordering    pool.1  finish_locked(): store rel, cconc__pool_finish_kept(): cas rel ->
 *                     task_is_done(): load acq    the task's end
 *             pool.2  worker_count(): store rel -> cconc__pool_is_quiet_locked(): load acq
 *                     the task's end
 *             pool.3  queue_announce(): store rel, then the swap of [ring.3] ->
 *                     cconc__pool_is_quiet_locked(): the ring's load, then load acq
 *                     who sees a task gone from the ring sees that it was begun
 *             All else by mu, and [claim.1] for a grant; of hands pool_hand.c tells.
 * Lifetime    The last touch of a caller's record is the store of its state, or the call of its
 *             ended. A blocked submitter's record is copied by whoever grants.
 * Rejected    A deque a worker and a shared one: a bound over all of them, dropping the oldest and
 *             "nothing is queued" would each need all of them at once (0013). Records in the ring:
 *             one that is taken out of the middle would leave a hole that counts (0018). */
#include "task/pool.h"

#include "core/must.h"
#include "plat/alloc.h"

#include <errno.h>

#define QUEUE_FILL 64 /* plain tasks that go from the list to the ring at once */

void cconc__pool_task_init(pool_task *task, task_kind kind)
{
    list_init(&task->link);
    list_init(&task->own);
    waitq_init(&task->joiners);
    task->code = 0;
    task->kind = kind;
    atom_init(&task->state, TASK_FREE);
}

/* ---- what is queued ------------------------------------------------------------------------- */

size_t cconc__pool_queued_locked(cconc_pool *p)
{
    cconc__lock_assert_held(&p->mu);
    return p->listed + cconc__ring_len(&p->ring) + cconc__pool_kept_locked(p);
}

bool cconc__pool_has_task_locked(cconc_pool *p)
{
    cconc__lock_assert_held(&p->mu);
    return !p->cancelled && (p->listed > 0 || cconc__ring_has(&p->ring, RING_OUT) ||
                             (p->cap == 0 && p->submitters.count > 0));
}

bool cconc__pool_is_quiet_locked(cconc_pool *p)
{
    size_t seen = p->ring_seen;
    cconc__lock_assert_held(&p->mu);
    (void)cconc__ring_count(&p->ring, RING_IN, &seen);
    if (p->listed > 0 || p->dropping > 0 || cconc__ring_has(&p->ring, RING_OUT)) {
        return false;
    }
    for (pool_worker *w = p->all; w; w = w->made) {
        size_t ended = atom_load_acq(&w->ended); /* [pool.2] acq: the end of the task */
        if (ended != atom_load_acq(&w->begun)) { /* [pool.3] acq: who took one has said so */
            return false;
        }
    }
    if (cconc__pool_kept_locked(p) > 0) { /* what a task that has ended left in hand */
        return false;
    }
    return cconc__ring_count(&p->ring, RING_IN, &seen) == 0; /* nothing came, so nothing began */
}

/* Set or clear flag in dir's word; what it is now is remembered, so that the word is let alone. */
static void queue_mark_locked(cconc_pool *p, ring_dir dir, size_t flag, bool on)
{
    cconc__lock_assert_held(&p->mu);
    if (((p->marks[dir] & flag) != 0) != on) {
        p->marks[dir] ^= flag;
        ring_set_flag(&p->ring, dir, flag, on);
    }
}

void cconc__pool_mark_locked(cconc_pool *p)
{
    bool is_short = p->active < p->target;
    bool is_over = p->active > p->target || p->returners.count > 0;
    bool is_late;
    cconc__lock_assert_held(&p->mu);
    if (p->hands > 0 && cconc__pool_wants_recall_locked(p)) {
        cconc__pool_recall_locked(p, NULL);
    }
    is_late = p->listed > 0 || p->submitters.count > 0 || p->hands > 0;
    queue_mark_locked(p, RING_IN, RING_DIRECT, is_late || is_short || p->closed || p->cap == 0);
    queue_mark_locked(p, RING_IN, RING_WAKE, p->idle.count > 0 && p->calling == 0);
    queue_mark_locked(p, RING_OUT, RING_DIRECT, is_over || p->cancelled || p->cap == 0);
    queue_mark_locked(p, RING_OUT, RING_WAKE, p->submitters.count > 0);
}

/* ---- in ------------------------------------------------------------------------------------- */

void cconc__pool_list_locked(cconc_pool *p, pool_task *task, pool_worker *w)
{
    cconc__lock_assert_held(&p->mu);
    atom_store_rlx(&task->state, TASK_QUEUED); /* rlx: read under mu; only DONE is read without */
    list_push_back(&p->queue, &task->link);
    list_init(&task->own);
    if (w) {
        list_push_front(&w->own, &task->own);
    }
    p->listed++;
}

static void queue_push_locked(cconc_pool *p, pool_task *task, pool_worker *w)
{
    cconc__lock_assert_held(&p->mu);
    cconc__pool_list_locked(p, task, w);
    p->counts.submitted++;
}

/* Put a plain task into the ring, if there is room. */
static bool queue_push_loose_locked(cconc_pool *p, const pool_task *task)
{
    pool_loose loose = {task->fn, task->arg};
    bool wake;
    cconc__lock_assert_held(&p->mu);
    return cconc__ring_try_held(&p->ring, RING_IN, &loose, &wake);
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

/* Call one of the idle if something is queued and nobody is on the way. */
static void queue_call_for_queued_locked(cconc_pool *p, wake_batch *batch)
{
    cconc__lock_assert_held(&p->mu);
    if (p->calling == 0 && p->idle.count > 0 && cconc__pool_has_task_locked(p)) {
        (void)queue_call_locked(p, batch);
    }
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

/* Put task behind all others, if there is room. */
static int queue_put_locked(cconc_pool *p, pool_task *task, pool_worker *w)
{
    cconc__lock_assert_held(&p->mu);
    if (!w && task->kind == TASK_LOOSE && p->listed == 0) {
        if (queue_push_loose_locked(p, task)) {
            return 0;
        }
        if (p->cap == p->ring.cap) { /* full, whatever is taken out meanwhile */
            return EAGAIN;
        }
    }
    queue_mark_locked(p, RING_IN, RING_DIRECT, true); /* so that nobody gets in meanwhile */
    if (p->hands > 0 && p->cap != POOL_NO_BOUND) { /* their room may be needed */
        cconc__pool_recall_locked(p, NULL);
    }
    if (cconc__pool_queued_locked(p) >= p->cap) {
        return EAGAIN;
    }
    if (!queue_has_record_locked(p, task)) {
        return ENOMEM;
    }
    queue_push_locked(p, queue_record_locked(p, task), w);
    return 0;
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

/* Let blocked submitters in, in order of arrival. */
static void queue_refill_locked(cconc_pool *p, wake_batch *batch)
{
    cconc__lock_assert_held(&p->mu);
    while (p->submitters.count > 0 && cconc__pool_queued_locked(p) < p->cap) {
        pool_task *task = queue_grant_locked(p, batch);
        if (task) {
            int err = queue_put_locked(p, task, NULL);
            CHECK(!err); /* a bounded queue has a record for each place, and nobody gets in */
            (void)err;
        }
    }
}

int cconc__pool_accept_locked(cconc_pool *p, pool_task *task, pool_worker *w, wake_batch *batch)
{
    int err = EAGAIN;
    cconc__lock_assert_held(&p->mu);
    if (p->closed) {
        return EPIPE;
    }
    if (p->alive == 0) {
        return ENOMEM;
    }
    cconc__pool_recall_locked(p, w); /* what was submitted before is to come before */
    if (p->cap == 0) {
        err = queue_meet_locked(p, task, w, batch);
    } else {
        queue_refill_locked(p, batch);
        if (p->submitters.count == 0) {
            err = queue_put_locked(p, task, w);
        }
        queue_call_for_queued_locked(p, batch);
    }
    cconc__pool_mark_locked(p);
    return err;
}

void cconc__pool_unqueue_locked(cconc_pool *p, pool_task *task)
{
    cconc__lock_assert_held(&p->mu);
    list_remove(&task->link);
    list_remove(&task->own);
    p->listed--;
}

/* ---- out ------------------------------------------------------------------------------------ */

static void queue_run(pool_worker *w, cconc_task_fn fn, void *arg, pool_task *task)
{
    pool_run *run = &w->runs[w->depth];
    run->fn = fn;
    run->arg = arg;
    run->task = task;
    w->depth++;
}

/* w is about to take a task, or has found that there is none after all. */
static void queue_announce(pool_worker *w, size_t count)
{
    size_t begun = atom_load_rlx(&w->begun); /* rlx: only w itself writes it */
    atom_store_rel(&w->begun, begun + count); /* [pool.3] rel: before the ring's swap shows it */
}

void cconc__pool_begin(pool_task *task, pool_worker *w)
{
    queue_announce(w, 1);
    queue_run(w, task->fn, task->arg, task->kind >= TASK_GIVEN ? task : NULL);
}

void cconc__pool_begin_locked(cconc_pool *p, pool_task *task, pool_worker *w)
{
    cconc__lock_assert_held(&p->mu);
    cconc__pool_begin(task, w);
    atom_store_rlx(&task->state, TASK_RUNNING); /* rlx: as in queue_push_locked() */
    if (task->kind == TASK_RESERVE) {
        list_push_front(&p->free_tasks, &task->link);
    }
}

bool cconc__pool_take_loose(pool_worker *w)
{
    cconc_pool *p = w->pool;
    pool_loose loose;
    bool wake;
    if (p->cap == 0 || w->is_called || pool_hand_is_open(w) ||
        !cconc__ring_is_ready(&p->ring, RING_OUT)) {
        return false;
    }
    queue_announce(w, 1);
    if (cconc__ring_try(&p->ring, RING_OUT, &loose, &wake) != 0) {
        queue_announce(w, (size_t)-1);
        return false;
    }
    queue_run(w, loose.fn, loose.arg, NULL);
    if (wake) {
        bool was = cconc__thread_let_cancel(false); /* between two tasks of one frame */
        cconc__pool_serve(p);
        (void)cconc__thread_let_cancel(was);
    }
    return true;
}

/* The oldest task, of the ring. */
static bool queue_pop_locked(cconc_pool *p, pool_loose *out_loose)
{
    bool wake;
    cconc__lock_assert_held(&p->mu);
    return p->cap > 0 && cconc__ring_try_held(&p->ring, RING_OUT, out_loose, &wake);
}

/* The ring is empty: let it have the plain tasks that are next, to be taken without the lock. */
static void queue_fill_ring_locked(cconc_pool *p)
{
    pool_task *task;
    cconc__lock_assert_held(&p->mu);
    for (int i = 0; i < QUEUE_FILL && !list_is_empty(&p->queue); i++) {
        task = LIST_OF(p->queue.next, pool_task, link);
        bool fits;
        if (task->kind != TASK_RESERVE || !list_is_empty(&task->own)) {
            return;
        }
        fits = queue_push_loose_locked(p, task);
        CHECK(fits); /* the ring holds as many as a bounded list, or more than are moved */
        (void)fits;
        cconc__pool_unqueue_locked(p, task);
        list_push_front(&p->free_tasks, &task->link);
        p->counts.submitted--; /* the ring counts it */
    }
}

/* The task in the list that w is to take, out of it, or NULL; mine_first: it has one of its own. */
static pool_task *queue_unlist_locked(cconc_pool *p, pool_worker *w, bool mine_first)
{
    pool_task *task = NULL;
    cconc__lock_assert_held(&p->mu);
    if (mine_first) {
        task = LIST_OF(w->own.next, pool_task, own);
    } else if (!list_is_empty(&p->queue)) {
        task = LIST_OF(p->queue.next, pool_task, link);
    }
    if (task) {
        cconc__pool_unqueue_locked(p, task);
    }
    return task;
}

bool cconc__pool_take_locked(cconc_pool *p, pool_worker *w, bool mine_first, wake_batch *batch)
{
    pool_task *task;
    pool_loose loose;
    cconc__lock_assert_held(&p->mu);
    if (p->cancelled) {
        return false;
    }
    if (p->hands > 0 && p->listed == 0 && !cconc__ring_has(&p->ring, RING_OUT)) {
        cconc__pool_recall_locked(p, NULL);
    }
    mine_first = mine_first && !list_is_empty(&w->own);
    if (!mine_first && queue_pop_locked(p, &loose)) {
        queue_announce(w, 1);
        queue_run(w, loose.fn, loose.arg, NULL);
        return true;
    }
    task = queue_unlist_locked(p, w, mine_first);
    if (task && !mine_first) {
        queue_fill_ring_locked(p);
    }
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

void cconc__pool_finish_locked(cconc_pool *p, pool_task *task, int code, wake_batch *batch)
{
    cconc__lock_assert_held(&p->mu);
    waiter_claim_all(&task->joiners, CLAIM_GRANT, batch);
    task->code = code;
    atom_store_rel(&task->state, TASK_DONE); /* [pool.1] rel: the end of the task, and its code */
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
    cconc__pool_mark_locked(p); /* what moves in the ring after this comes here, or is seen below */
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
    queue_call_for_queued_locked(p, batch);
    if (p->waiters.count > 0 && cconc__pool_is_quiet_locked(p)) {
        waiter_claim_all(&p->waiters, CLAIM_GRANT, batch);
        atom_store_rlx(&p->awaited, 0); /* rlx: a hint */
    }
    if (p->closed && p->alive == 0 && p->dropping == 0 && !p->joining) {
        waiter_claim_all(&p->enders, CLAIM_GRANT, batch);
    }
    cconc__pool_mark_locked(p);
}

void cconc__pool_serve(cconc_pool *p)
{
    wake_batch batch = WAKE_BATCH_INIT;
    lock_take(&p->mu);
    cconc__pool_serve_locked(p, &batch);
    lock_leave(&p->mu);
    batch_wake(&batch);
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

bool cconc__pool_lose_locked(cconc_pool *p, pool_task *task, pool_lost *out_lost)
{
    pool_loose loose;
    cconc__lock_assert_held(&p->mu);
    queue_mark_locked(p, RING_IN, RING_DIRECT, true); /* the room is the caller's, until it marks */
    if (!task) {
        cconc__pool_recall_locked(p, NULL);
    }
    if (!task && queue_pop_locked(p, &loose)) {
        *out_lost = (pool_lost){NULL, loose.fn, loose.arg, NULL, TASK_LOOSE};
        p->dropping++;
        return true;
    }
    if (!task && list_is_empty(&p->queue)) {
        return false;
    }
    task = task ? task : LIST_OF(p->queue.next, pool_task, link);
    cconc__pool_unqueue_locked(p, task);
    *out_lost = (pool_lost){task, task->fn, task->arg, task->ended, task->kind};
    atom_store_rlx(&task->state, TASK_RUNNING); /* rlx: under mu; it is decided, not yet over */
    if (task->kind == TASK_RESERVE) {
        list_push_front(&p->free_tasks, &task->link);
    }
    p->dropping++;
    return true;
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
    cconc__pool_mark_locked(p);
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
