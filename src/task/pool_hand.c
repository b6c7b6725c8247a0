/* pool_hand.c - what a worker has submitted and keeps in hand
 * SPDX-License-Identifier: MIT
 *
 * Idea        Fork and join: a worker submits a record, goes on, and joins it. As a rule nobody
 *             else wants it meanwhile, so the worker keeps its last records in a stack of its own,
 *             and gets the newest back with one swap. Whoever needs to see them recalls them under
 *             the lock: they go to the queue as if they had been submitted there.
 * Picture     hand  0 ---push--> 1 ---push--> 2 ---pop--> 1     the worker, each one swap
 *              ^                              |
 *             open                    recall: shut             anybody, under mu
 *              |                              v
 *             shut <-------------------- kept[0], kept[1] to the end of the queue
 * Invariants  I1 A hand is open only while nobody is idle, no submitter waits, no worker is missing
 *                and the pool accepts tasks: once cconc__pool_mark_locked() is done.
 *             I2 Its worker pushes and pops only while it runs a task, and looks at nothing else
 *                afterwards before it has been recalled: who sees that nothing runs sees in hands
 *                what there is.
 *             I3 An open hand counts against the bound as if it were full.
 *             I4 While a hand is open nothing gets into the ring: who submits from outside recalls
 *                first, so what is in hands is older.
 *             I5 One that somebody waits for, in a hand or begun out of it, says so: TASK_AWAITED.
 * Locks       The pool's mu to open and to recall; push and pop take none.
 * Ordering    pool.4  cconc__pool_hand_push(): cas rel -> cconc__pool_recall_locked(): swap acq
 *                     the record
 *             The end of one that was kept is [pool.1].
 * Lifetime    A record in a hand is the pool's, as in the queue. Who ends one that was kept touches
 *             it last with the swap to TASK_DONE.
 * Rejected    Thieves that take from the other end without a lock (Chase and Lev 2005): the bound,
 *             the order and the end of the pool would each need a look at all deques (0013, 0022);
 *             here who has nothing to do takes the lock anyway. */
#include "task/pool.h"

/* How many tasks w keeps. */
static uint32_t hand_len(const pool_worker *w)
{
    uint32_t count = atom_load_rlx(&w->hand); /* rlx: a number; the tasks are for who recalls */
    return count == HAND_SHUT ? 0 : count;
}

void cconc__pool_hand_init(pool_worker *w)
{
    atom_init(&w->hand, HAND_SHUT);
    atom_init(&w->kept_in, 0);
    atom_init(&w->kept_out, 0);
}

bool cconc__pool_hand_push(pool_worker *w, pool_task *task)
{
    uint32_t count = atom_load_rlx(&w->hand); /* rlx: the swap decides */
    if (count >= POOL_HAND) {                 /* shut, or full */
        return false;
    }
    w->kept[count] = task;
    atom_store_rlx(&task->state, TASK_KEPT); /* rlx: the swap shows it */
    if (!atom_cas_rel_rlx(&w->hand, &count, count + 1)) { /* [pool.4] rel: the record */
        atom_store_rlx(&task->state, TASK_FREE); /* rlx: it is its submitter's again */
        return false;
    }
    pool_count_one(&w->kept_in);
    return true;
}

bool cconc__pool_hand_pop(pool_worker *w, pool_task *task)
{
    uint32_t count = atom_load_rlx(&w->hand); /* rlx: the swap decides */
    pool_task *newest;
    if (count == 0 || count == HAND_SHUT) {
        return false;
    }
    newest = w->kept[count - 1];
    if (task && task != newest) {
        return false;
    }
    if (!atom_cas_rlx_rlx(&w->hand, &count, count - 1)) { /* rlx: what is kept is its own */
        return false;
    }
    pool_count_one(&w->kept_out);
    cconc__pool_begin(newest, w);
    return true;
}

/* What w keeps goes to the queue. */
static void hand_recall_locked(cconc_pool *p, pool_worker *w)
{
    uint32_t count;
    cconc__lock_assert_held(&p->mu);
    if (!pool_hand_is_open(w)) {
        return;
    }
    count = atom_swap_acq(&w->hand, HAND_SHUT); /* [pool.4] acq: the records */
    p->hands--;
    for (uint32_t i = 0; i < count; i++) {
        cconc__pool_list_locked(p, w->kept[i], w);
    }
}

void cconc__pool_recall_locked(cconc_pool *p, pool_worker *w)
{
    cconc__lock_assert_held(&p->mu);
    if (w) {
        hand_recall_locked(p, w);
        return;
    }
    for (w = p->all; w && p->hands > 0; w = w->made) {
        hand_recall_locked(p, w);
    }
}

bool cconc__pool_wants_recall_locked(cconc_pool *p)
{
    cconc__lock_assert_held(&p->mu);
    return p->idle.count > 0 || p->submitters.count > 0 || p->active < p->target || p->closed;
}

/* May one more hand be open? */
static bool hand_may_open_locked(cconc_pool *p)
{
    size_t held = (p->hands + (size_t)1) * POOL_HAND;
    cconc__lock_assert_held(&p->mu);
    return !cconc__pool_wants_recall_locked(p) &&
           (p->cap == POOL_NO_BOUND || cconc__pool_queued_locked(p) + held <= p->cap);
}

bool cconc__pool_hand_open(pool_worker *w)
{
    cconc_pool *p = w->pool;
    bool opens;
    if (p->cap < POOL_HAND || ring_has_flag(&p->ring, RING_IN, RING_WAKE)) { /* or one is idle */
        return false;
    }
    lock_take(&p->mu);
    hand_recall_locked(p, w); /* it was full */
    opens = hand_may_open_locked(p);
    if (opens) {
        p->hands++;
        atom_store_rlx(&w->hand, 0); /* rlx: for w itself, and for mu */
    }
    cconc__pool_mark_locked(p);
    lock_leave(&p->mu);
    return opens;
}

bool cconc__pool_finish_kept(pool_task *task, int code)
{
    uint32_t state = TASK_KEPT;
    if (atom_load_rlx(&task->state) != TASK_KEPT) { /* rlx: the swap decides */
        return false;
    }
    task->code = code;
    return atom_cas_rel_rlx(&task->state, &state, TASK_DONE); /* [pool.1] rel: the end */
}

size_t cconc__pool_kept_locked(cconc_pool *p)
{
    size_t sum = 0;
    cconc__lock_assert_held(&p->mu);
    for (pool_worker *w = p->all; w && p->hands > 0; w = w->made) {
        sum += hand_len(w);
    }
    return sum;
}
