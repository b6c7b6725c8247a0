/* pool.c - how a pool begins, takes tasks, changes and ends
 * SPDX-License-Identifier: MIT
 *
 * Idea        A pool is a queue, and threads that take from it. Plain tasks from outside, and
 *             records in hand, move without a lock; all else is under one, and who moves a word
 *             learns from its flags that he must come there.
 * Picture     open --shutdown(DRAIN)--> closed: runs what is queued --+
 *               |                          | shutdown(CANCEL)         +--> all left and joined
 *               +--shutdown(CANCEL)--> cancelled: drops it -----------+
 *             The queue is in pool_queue.c, the threads in pool_worker.c, waiting inside the pool
 *             in pool_help.c, records in hand in pool_hand.c; submitting in pool_submit.c, futures
 *             in pool_future.c, the loop in pool_for.c.
 * Invariants  I1 Once closed, nothing is accepted. Once cancelled, nothing queued starts.
 *             I2 shutdown returns 0 only with no thread, no task and no hook left.
 * Locks       mu, rank POOL. The pool's context is ended with no lock held.
 * Ordering    mu's, and those of pool_queue.c and pool_hand.c: submit before its task, its end
 *             before wait and shutdown.
 * Lifetime    The memory goes with the last of pool and futures; threads are joined before.
 * Rejected    Threads started by the first submit: the first ENOMEM would come too late. */
#include "task/pool.h"

#include <cconc/ctx.h>

#include "core/must.h"
#include "core/node.h"
#include "core/spin.h"
#include "plat/alloc.h"
#include "plat/cpu.h"
#include "plat/fork.h"
#include "plat/text.h"

#include <errno.h>

#define POOL_RING_UNBOUNDED 1024 /* of an unbounded queue, the tasks for which there is a ring */

static int pool_check(const cconc_pool_opts *opts)
{
    bool unbounded = (opts->flags & CCONC_POOL_UNBOUNDED) != 0;
    if (opts->workers < 0 || opts->workers > CCONC_POOL_MAX_WORKERS || opts->queue_len < 0 ||
        opts->full_policy > CCONC_POOL_CALLER_RUNS || (opts->flags & ~CCONC_POOL_UNBOUNDED) != 0 ||
        !reserved_are_zero(opts->reserved, 4)) {
        return EINVAL;
    }
    if (opts->full_policy == CCONC_POOL_DROP_OLDEST && opts->queue_len == 0 && !unbounded) {
        return EINVAL;
    }
    return 0;
}

/* The ring, and the records of a bounded queue. Returns 0 or ENOMEM. */
static int pool_make_queue(cconc_pool *p)
{
    bool is_bounded = (p->opts.flags & CCONC_POOL_UNBOUNDED) == 0;
    size_t len = is_bounded ? (size_t)p->opts.queue_len : POOL_RING_UNBOUNDED;
    void *slots;
    p->cap = is_bounded ? len : POOL_NO_BOUND;
    cconc__ring_init(&p->ring, sizeof(pool_loose), len);
    if (len == 0) {
        return 0;
    }
    if (len > SIZE_MAX / 2 / sizeof(pool_task)) { /* coverage: never, where an int is less */
        return ENOMEM;
    }
    slots = cconc__alloc(len * p->ring.stride);
    if (!slots) {
        return ENOMEM;
    }
    cconc__ring_use(&p->ring, slots);
    if (!is_bounded) {
        return 0;
    }
    p->reserve = cconc__alloc(len * sizeof(pool_task));
    if (!p->reserve) {
        return ENOMEM;
    }
    for (size_t i = 0; i < len; i++) {
        cconc__pool_task_init(&p->reserve[i], TASK_RESERVE);
        list_push_back(&p->free_tasks, &p->reserve[i].link);
    }
    return 0;
}

static void pool_init(cconc_pool *p, const cconc_pool_opts *opts)
{
    p->opts = *opts;
    cconc__text_copy(p->name, sizeof(p->name), opts->name ? opts->name : "pool");
    p->opts.name = NULL;
    p->target = opts->workers > 0 ? (uint32_t)opts->workers : cconc__spin_cpus();
    ref_init(&p->refs, 1);
    p->ring.word[RING_IN] = &p->ring_word[RING_IN].at;
    p->ring.word[RING_OUT] = &p->ring_word[RING_OUT].at;
    atom_init(&p->doze_ns, PLAT_CPU_DOZE_NS);
    list_init(&p->queue);
    list_init(&p->free_tasks);
    waitq_init(&p->submitters);
    waitq_init(&p->idle);
    waitq_init(&p->waiters);
    waitq_init(&p->enders);
    waitq_init(&p->returners);
}

int cconc_pool_new(cconc_ctx *parent, const cconc_pool_opts *opts, cconc_pool **out_pool)
{
    MUST_ALIGN(parent, cconc_ctx);
    MUST_ALIGN(opts, cconc_pool_opts);
    MUST_ALIGN(out_pool, cconc_pool *);
    static const cconc_pool_opts defaults;
    cconc_pool *p;
    void *memory;
    int err;
    opts = opts ? opts : &defaults;
    err = out_pool ? pool_check(opts) : EINVAL;
    if (!err && !plat_fork_is_ours()) {
        err = ENOTRECOVERABLE;
    }
    if (err) {
        return err;
    }
    memory = cconc__alloc(sizeof(*p) + ATOM_LINE - 1);
    if (!memory) {
        return ENOMEM;
    }
    p = alloc_first_line(memory);
    p->memory = memory;
    pool_init(p, opts);
    err = pool_make_queue(p);
    if (err) {
        goto undo_queue;
    }
    err = cconc__lock_init(&p->mu, RANK_POOL);
    if (err) {
        goto undo_queue;
    }
    err = cconc_ctx_with_cancel(parent, &p->ctx);
    if (err) {
        goto undo_lock;
    }
    if (cconc__pool_grow(p) != 0) {
        cconc_pool_free(p);
        return ENOMEM;
    }
    *out_pool = p;
    return 0;
undo_lock:
    cconc__lock_destroy(&p->mu);
undo_queue:
    cconc__alloc_free(p->reserve);
    cconc__alloc_free(p->ring.slots);
    cconc__alloc_free(p->memory);
    return err;
}

cconc_ctx *cconc_pool_ctx(cconc_pool *pool)
{
    MUST_POINT(pool, cconc_pool);
    return pool->ctx;
}

/* ---- wait, resize --------------------------------------------------------------------------- */

int cconc_pool_wait(cconc_pool *pool, cconc_ctx *ctx)
{
    MUST_POINT(pool, cconc_pool);
    MUST_ALIGN(ctx, cconc_ctx);
    waiter w;
    wait_node node;
    bool waits;
    int err = 0;
    if (cconc__pool_worker_here(pool)) {
        return EDEADLK;
    }
    cconc__waiter_arm(&w, ctx);
    wait_node_init(&node, &w, NULL, 0);
    lock_take(&pool->mu);
    waits = !cconc__pool_is_quiet_locked(pool);
    if (waits) { /* whoever ends the last task comes to the lock afterwards */
        waitq_push_back(&pool->waiters, &node);
        atom_store_rlx(&pool->awaited, 1); /* rlx: a hint */
    }
    lock_leave(&pool->mu);
    if (waits) {
        err = cconc__pool_sleep(pool, &(pool_bounds){ctx, NULL}, NULL, &pool->waiters, &w, &node);
    }
    waiter_disarm(&w);
    return err;
}

int cconc_pool_resize(cconc_pool *pool, int workers)
{
    MUST_POINT(pool, cconc_pool);
    wake_batch batch = WAKE_BATCH_INIT;
    uint32_t count = 0;
    bool closed;
    int err;
    if (workers < 1 || workers > CCONC_POOL_MAX_WORKERS) {
        return EINVAL;
    }
    if (!plat_fork_is_ours()) {
        return ENOTRECOVERABLE;
    }
    lock_take(&pool->mu);
    closed = pool->closed;
    if (!closed) {
        pool->target = (uint32_t)workers;
        if (pool->active > pool->target) {
            cconc__pool_rouse_locked(pool, pool->active - pool->target, &batch);
        }
        cconc__pool_serve_locked(pool, &batch);
        /* in this section: what a submit took of it and could not start, nobody would hear of */
        count = cconc__pool_reserve_locked(pool, UINT32_MAX);
    }
    lock_leave(&pool->mu);
    batch_wake(&batch);
    if (closed) {
        return EPIPE;
    }
    err = cconc__pool_start(pool, count);
    if (err) {
        lock_take(&pool->mu);
        if (pool->target == (uint32_t)workers && pool->active > 0) {
            pool->target = pool->active;
            cconc__pool_mark_locked(pool);
        }
        lock_leave(&pool->mu);
    }
    return err;
}

/* ---- shutdown ------------------------------------------------------------------------------- */

/* Drop all that is queued. Comes again if a hook ends the thread: others wait for the rest. */
static void pool_drop_all(void *arg)
{
    cconc_pool *p = arg;
    pool_lost lost;
    bool any = true;
    while (any) {
        lock_take(&p->mu);
        any = cconc__pool_lose_locked(p, NULL, &lost);
        lock_leave(&p->mu);
        if (any) {
            cconc__pool_drop(p, &lost);
        }
    }
}

/* Close, and drop what is queued if so asked. */
static void pool_close(cconc_pool *p, bool cancels)
{
    wake_batch batch = WAKE_BATCH_INIT;
    lock_take(&p->mu);
    p->closed = true;
    p->cancelled = p->cancelled || cancels;
    cconc__pool_rouse_locked(p, UINT32_MAX, &batch);
    cconc__pool_serve_locked(p, &batch);
    lock_leave(&p->mu);
    batch_wake(&batch);
    if (cancels) {
        cconc_ctx_cancel(p->ctx);
        cconc__thread_insist(pool_drop_all, p);
    }
}

/* Join the threads that have left. Returns 0 once there are none and nothing is left to do; EAGAIN
 * if node was queued to wait for that; ENOMEM if tasks are left without a thread. What is queued in
 * a cancelled pool is being dropped by the caller that cancelled it. */
static int pool_end_step(cconc_pool *p, wait_node *node)
{
    wake_batch batch = WAKE_BATCH_INIT;
    bool is_empty;
    int err = EAGAIN;
    lock_take(&p->mu);
    while (p->alive == 0 && !p->joining && p->dead) { /* meanwhile one more may come and leave */
        pool_worker *left = p->dead;
        p->dead = NULL;
        p->joining = true;
        lock_leave(&p->mu); /* looked at anew: everything */
        cconc__pool_join_threads(p, left);
        lock_take(&p->mu);
        p->joining = false;
        cconc__pool_serve_locked(p, &batch);
    }
    is_empty = cconc__pool_queued_locked(p) == 0;
    if (p->alive == 0 && !p->joining && p->dropping == 0 && (is_empty || !p->cancelled)) {
        err = is_empty ? 0 : ENOMEM;
    } else {
        waitq_push_back(&p->enders, node);
    }
    lock_leave(&p->mu);
    batch_wake(&batch);
    return err;
}

/* Wait until all has ended. Returns 0, ctx's code, or ENOMEM. */
static int pool_end(cconc_pool *p, cconc_ctx *ctx)
{
    int err = EAGAIN;
    while (err == EAGAIN) {
        waiter w;
        wait_node node;
        cconc__waiter_arm(&w, ctx);
        wait_node_init(&node, &w, NULL, 0);
        err = pool_end_step(p, &node);
        if (err == EAGAIN) {
            err = cconc__pool_sleep(p, &(pool_bounds){ctx, NULL}, NULL, &p->enders, &w, &node);
            err = err ? err : EAGAIN; /* told that something has ended: look */
        } else if (err == ENOMEM && cconc__pool_grow(p) == 0) {
            err = EAGAIN; /* the last worker was lost, and now there is one for what is left */
        }
        waiter_disarm(&w);
    }
    return err;
}

int cconc_pool_shutdown(cconc_pool *pool, cconc_ctx *ctx, uint32_t mode)
{
    MUST_POINT(pool, cconc_pool);
    MUST_ALIGN(ctx, cconc_ctx);
    if (mode > CCONC_POOL_CANCEL) {
        return EINVAL;
    }
    if (!plat_fork_is_ours()) {
        return ENOTRECOVERABLE;
    }
    if (cconc__pool_worker_here(pool)) {
        return EDEADLK;
    }
    pool_close(pool, mode == CCONC_POOL_CANCEL);
    return pool_end(pool, ctx);
}

/* By how much a worker's count has grown since it was *seen, which follows. */
static size_t pool_news(const atom_size *count, size_t *seen)
{
    size_t now = atom_load_rlx(count); /* rlx: a count */
    size_t news = now - *seen;
    *seen = now;
    return news;
}

/* Bring the counts up to date with what is counted without the lock. */
static void pool_count_locked(cconc_pool *p)
{
    cconc__lock_assert_held(&p->mu);
    p->counts.running = 0;
    for (pool_worker *w = p->all; w; w = w->made) {
        size_t begun = atom_load_acq(&w->begun);   /* [pool.3] acq: as who waits would see it */
        size_t ended = atom_load_acq(&w->ended);   /* [pool.2] acq: the same */
        p->counts.running += (ptrdiff_t)(begun - ended) > 0 ? begun - ended : 0; /* more may end */
        p->counts.completed += ended - w->ended_seen;
        p->counts.failed += pool_news(&w->failed, &w->failed_seen);
        p->counts.submitted += pool_news(&w->kept_in, &w->kept_in_seen);
        p->counts.helped += pool_news(&w->kept_out, &w->kept_out_seen);
        w->ended_seen = ended;
    }
    p->counts.queued = cconc__pool_queued_locked(p);
    p->counts.submitted += cconc__ring_count(&p->ring, RING_IN, &p->ring_seen);
}

void cconc_pool_read(cconc_pool *pool, cconc_pool_counts *out_counts)
{
    MUST_POINT(pool, cconc_pool);
    MUST_POINT(out_counts, cconc_pool_counts);
    lock_take(&pool->mu);
    pool_count_locked(pool);
    *out_counts = pool->counts;
    out_counts->workers = pool->active;
    out_counts->idle = (uint32_t)pool->idle.count;
    out_counts->blocked = (uint32_t)pool->submitters.count;
    lock_leave(&pool->mu);
}

void cconc__pool_unref(cconc_pool *p)
{
    if (!ref_put(&p->refs)) {
        return;
    }
    cconc__lock_destroy(&p->mu);
    while (p->chunks) {
        pool_chunk *next = p->chunks->next;
        cconc__alloc_free(p->chunks);
        p->chunks = next;
    }
    while (p->all) {
        pool_worker *next = p->all->made;
        cconc__alloc_free(p->all);
        p->all = next;
    }
    cconc__alloc_free(p->reserve);
    cconc__alloc_free(p->ring.slots);
    cconc__alloc_free(p->memory);
}

/* Comes again for each callback that ends the thread. */
static void pool_free_go(void *arg)
{
    cconc_pool **slot = arg;
    cconc_pool *p = *slot;
    if (p) {
        cconc_ctx *ctx = p->ctx;
        (void)cconc_pool_shutdown(p, NULL, CCONC_POOL_CANCEL);
        *slot = NULL;
        cconc__pool_unref(p);
        cconc_ctx_free(ctx);
    }
}

void cconc_pool_free(cconc_pool *pool)
{
    MUST_ALIGN(pool, cconc_pool);
    if (!pool || !plat_fork_is_ours()) { /* a child has no workers to wait for */
        return;
    }
    MUST(!cconc__pool_worker_here(pool), "pool free in one of its own %u workers",
         (unsigned)pool->target);
    cconc__thread_insist(pool_free_go, &pool);
}
