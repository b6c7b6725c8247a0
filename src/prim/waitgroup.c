/* waitgroup.c - how a waitgroup waits
 * SPDX-License-Identifier: MIT
 *
 * Idea        One word: the count, and a bit that says that somebody waits. The done that ends a
 *             round with waiters takes the lot's lock first, so that whom it finds there are
 *             exactly the waiters of its own round.
 * Picture     count << 1 | waiters      2w --done--> 1w --done, under the lot's lock--> 0
 *                                       1  --done--> 0
 * Invariants  I1 The waiters bit is set only while the count is above zero, and under the lot's
 *                lock.
 *             I2 The bit goes together with the last of the count, in one step.
 *             I3 Whatever is outstanding, a forked child is told from the process that counted it.
 * Locks       The lot's bucket, rank LOT.
 * Ordering    wg.1  cconc_waitgroup_add(): cas rel -> cconc_waitgroup_wait(): load acq,
 *                   wg_end_round(): cas acqrel    what came before done; from there to a waiter
 *                   that slept by the lot's lock and [park.1]
 * Lifetime    The step to zero is the last touch of the memory: waiters are found by its address.
 * Rejected    A lock and a condition variable inside: the last done would touch them after the
 *             waiter may have freed them (rayon#913). */
#include <cconc/waitgroup.h>

#include "core/executor.h"
#include "core/lot.h"
#include "core/must.h"
#include "core/waiter.h"
#include "plat/atomic.h"
#include "plat/fork.h"

#include <errno.h>

#define WG_WAITERS 1u
#define WG_ONE 2u
#define WG_MOST INT32_MAX

_Static_assert(sizeof(atom_u32) == sizeof(uint32_t), "the public word is an atomic word");

static atom_u32 *wg_word(const cconc_waitgroup *wg)
{
    return (atom_u32 *)(uintptr_t)&wg->state;
}

void cconc_waitgroup_init(cconc_waitgroup *wg)
{
    MUST_POINT(wg, cconc_waitgroup);
    atom_init(wg_word(wg), 0);
}

uint32_t cconc_waitgroup_count(const cconc_waitgroup *wg)
{
    MUST_POINT(wg, cconc_waitgroup);
    return atom_load_rlx(wg_word(wg)) / WG_ONE; /* rlx: a hint */
}

size_t cconc_waitgroup_waiters(const cconc_waitgroup *wg)
{
    MUST_POINT(wg, cconc_waitgroup);
    return cconc__lot_count(wg);
}

/* The count after adding delta to that of word; misuse if there is no such count. */
static int64_t wg_sum(uint32_t word, int32_t delta)
{
    int64_t sum = (int64_t)(word / WG_ONE) + delta;
    MUST(sum >= 0, "waitgroup count %lld below zero", (long long)sum);
    MUST(sum <= WG_MOST, "waitgroup count %lld above %d", (long long)sum, (int)WG_MOST);
    return sum;
}

/* End a round that has waiters. Returns false if it is not the end any more. */
static bool wg_end_round(cconc_waitgroup *wg, uint32_t word)
{
    wake_batch batch = WAKE_BATCH_INIT;
    lot_bucket *bucket = cconc__lot_take(wg);
    bool ended = false;
    uint32_t seen = word;
    while (seen == word && !ended) {
        /* [wg.1] acqrel: what came before every done, ours and the others' */
        ended = atom_cas_weak_acqrel_acq(wg_word(wg), &seen, 0);
    }
    if (ended) {
        cconc__lot_claim_locked(bucket, wg, CLAIM_GRANT, &batch);
    }
    cconc__lot_leave(bucket);
    batch_wake(&batch);
    return ended;
}

void cconc_waitgroup_add(cconc_waitgroup *wg, int32_t delta)
{
    MUST_POINT(wg, cconc_waitgroup);
    uint32_t word = atom_load_rlx(wg_word(wg)); /* rlx: the swap below decides */
    if (word == 0) {
        (void)plat_fork_is_ours(); /* the first look makes the mark */
    }
    for (;;) {
        int64_t sum = wg_sum(word, delta);
        uint32_t next = (uint32_t)sum * WG_ONE + (word & WG_WAITERS);
        if (sum == 0 && (word & WG_WAITERS)) {
            if (wg_end_round(wg, word)) {
                return;
            }
            word = atom_load_rlx(wg_word(wg)); /* rlx: as above */
        } else if (atom_cas_weak_rel_rlx(wg_word(wg), &word, next)) { /* [wg.1] rel */
            return;
        }
    }
}

void cconc_waitgroup_done(cconc_waitgroup *wg)
{
    MUST_POINT(wg, cconc_waitgroup);
    cconc_waitgroup_add(wg, -1);
}

/* Queue node unless the count is zero. */
static bool wg_enqueue(cconc_waitgroup *wg, wait_node *node)
{
    lot_bucket *bucket = cconc__lot_take(wg);
    uint32_t word = atom_load_acq(wg_word(wg)); /* [wg.1] acq: the second look */
    bool queued = false;
    while (word / WG_ONE > 0 && !queued) {
        queued = (word & WG_WAITERS) != 0 ||
                 atom_cas_weak_acq_acq(wg_word(wg), &word, word | WG_WAITERS); /* [wg.1] acq */
    }
    if (queued) {
        cconc__lot_push_locked(bucket, node, wg);
    }
    cconc__lot_leave(bucket);
    return queued;
}

int cconc_waitgroup_wait(cconc_waitgroup *wg, cconc_ctx *ctx)
{
    MUST_POINT(wg, cconc_waitgroup);
    MUST_ALIGN(ctx, cconc_ctx);
    waiter w;
    wait_node node;
    int err;
    if (atom_load_acq(wg_word(wg)) / WG_ONE == 0) { /* [wg.1] acq: what came before each done */
        return 0;
    }
    err = cconc__node_err(ctx);
    if (err) {
        return err;
    }
    cconc__waiter_arm(&w, ctx);
    wait_node_init(&node, &w, NULL, 0);
    if (wg_enqueue(wg, &node)) {
        cconc__waiter_park(&w, true);
        if (waiter_kind(&w) != CLAIM_GRANT) { /* else wg may be gone */
            cconc__lot_remove(&node, wg);
            err = cconc__waiter_error(&w, ctx);
        }
    }
    waiter_disarm(&w);
    return err;
}

static void wg_job_run(const exec_job *job, self_task *frame)
{
    cconc__self_enter(frame, job->owner);
    job->fn.alone(job->arg);
    cconc__self_exit();
    cconc_waitgroup_done(job->owner);
}

static void wg_job_torn(const exec_job *job, self_task *frame)
{
    (void)frame;
    cconc_waitgroup_done(job->owner);
}

int cconc_waitgroup_go(cconc_waitgroup *wg, void (*fn)(void *arg), void *arg)
{
    MUST_POINT(wg, cconc_waitgroup);
    static const exec_kind kind = {wg_job_run, wg_job_torn};
    exec_job job = {.kind = &kind, .owner = wg, .fn.alone = fn, .arg = arg};
    int err;
    if (!fn) {
        return EINVAL;
    }
    cconc_waitgroup_add(wg, 1);
    err = cconc__executor_spawn(&job);
    if (err) {
        cconc_waitgroup_done(wg);
    }
    return err;
}

void cconc_waitgroup_destroy(cconc_waitgroup *wg)
{
    MUST_POINT(wg, cconc_waitgroup);
    size_t waiters = cconc_waitgroup_waiters(wg);
    MUST(waiters == 0, "waitgroup destroy with %zu waiters", waiters);
}
