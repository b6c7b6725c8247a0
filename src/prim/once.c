/* once.c - how a once runs its function, and who waits for it
 * SPDX-License-Identifier: MIT
 *
 * Idea        One word says how far it is. The first caller moves it to RUNNING and calls the
 *             function; whoever finds RUNNING waits in the lot, under the once's address. The end
 *             of the run moves the word on, and hands its code to each waiter.
 * Picture     NEW --cas--> RUNNING --end--> IS_DONE, FAILED (code kept: 0, another)
 *              ^              |
 *              +--- failed ---+                           (run_retry: the waiters get its code)
 *             Of the two ends the inline fast path knows one, so that it reads one word.
 * Invariants  I1 ONCE_WAITERS is set only beside ONCE_RUNNING, and under the lot's lock.
 *             I2 code and value change only while RUNNING, before IS_DONE or FAILED.
 * Locks       The lot's bucket, rank LOT. The function runs with no lock held.
 * Ordering    once.1  once_end(): cas rel, once_end_waited(): store rel ->
 *                     cconc_once_run_inline(): load acq, once_look(): load acq,
 *                     once_begin(): cas acq, once_enqueue(): load acq    the run, its code
 * Lifetime    The caller's memory. A waiter gets the code on its own stack, so a later run cannot
 *             replace it.
 * Rejected    pthread_once: no error, no context, and a hang if its function ends the thread. */
#include <cconc/once.h>

#include <cconc/ctx.h>

#include "core/lot.h"
#include "core/must.h"
#include "core/node.h"
#include "core/self.h"
#include "core/waiter.h"
#include "plat/atomic.h"
#include "plat/thread.h"

#include <errno.h>

#define ONCE_NEW 0u
#define ONCE_RUNNING 1u
#define ONCE_WAITERS 2u
#define ONCE_FAILED 8u

_Static_assert(sizeof(atom_u32) == sizeof(uint32_t), "the public word is an atomic word");

/* What one caller wants run. */
typedef struct once_call {
    cconc_once         *once;
    cconc_ctx          *ctx;
    cconc_task_fn       fn;       /* NULL = value_fn */
    cconc_once_value_fn value_fn;
    void               *arg;
    cconc_ctx          *made;     /* for the function of this run, or NULL */
    bool                retries;  /* a failure is not kept */
    bool                has_begun;
    int                 code;     /* of the run */
    self_task           frame;
} once_call;

static atom_u32 *once_word(const cconc_once *once)
{
    return (atom_u32 *)(uintptr_t)&once->state;
}

static uint32_t once_look(const cconc_once *once)
{
    return atom_load_acq(once_word(once)); /* [once.1] acq: the run */
}

static bool once_is_over(uint32_t word)
{
    return (word & (CCONC_ONCE_IS_DONE | ONCE_FAILED)) != 0;
}

void cconc_once_init(cconc_once *once)
{
    MUST_POINT(once, cconc_once);
    atom_init(once_word(once), ONCE_NEW);
    once->code = 0;
    once->value = NULL;
}

/* End a run that somebody waits for. */
static void once_end_waited(cconc_once *once, uint32_t next, int code)
{
    wake_batch batch = WAKE_BATCH_INIT;
    lot_bucket *bucket = cconc__lot_take(once);
    atom_store_rel(once_word(once), next); /* [once.1] rel: the run */
    cconc__lot_hand_locked(bucket, once, code, &batch);
    cconc__lot_leave(bucket);
    batch_wake(&batch);
}

static void once_end(once_call *call, void *value)
{
    cconc_once *once = call->once;
    uint32_t running = ONCE_RUNNING;
    uint32_t next = ONCE_NEW;
    if (call->code == 0 || !call->retries) {
        once->code = call->code;
        once->value = call->code == 0 ? value : NULL;
        next = call->code == 0 ? CCONC_ONCE_IS_DONE : ONCE_FAILED;
    }
    if (!atom_cas_rel_rlx(once_word(once), &running, next)) { /* [once.1] rel: the run */
        once_end_waited(once, next, call->code);
    }
}

/* Call the function; called again, in what is left of the thread, if it has ended that. */
static void once_run_function(void *arg)
{
    once_call *call = arg;
    void *value = NULL;
    if (!call->has_begun) {
        call->has_begun = true;
        self_push(&call->frame, call->once);
        call->code = call->fn ? call->fn(call->ctx, call->arg)
                              : call->value_fn(call->ctx, call->arg, &value);
    } else {
        call->code = ECANCELED;
    }
    self_get()->task = call->frame.outer;
    cconc_ctx_free(call->made);
    once_end(call, value);
}

/* A function whose code is kept gets the values of the context, and no end. */
static int once_detach(once_call *call)
{
    cconc_ctx *ctx = call->ctx;
    while (ctx && ctx->head.kind == NODE_STACK) {
        ctx = ctx->head.parent;
    }
    if (cconc__node_can_end(ctx)) {
        if (cconc_ctx_without_cancel(ctx, &call->made) != 0) {
            return ENOMEM;
        }
        ctx = call->made;
    }
    call->ctx = ctx;
    return 0;
}

/* Run the function if nobody was faster. Returns EAGAIN if somebody was, else what to return. */
static int once_begin(once_call *call)
{
    cconc_ctx *ctx = call->ctx;
    uint32_t word = ONCE_NEW;
    int err = cconc__node_err(ctx);
    if (!err && !call->retries) {
        err = once_detach(call);
    }
    if (err) {
        return err;
    }
    /* [once.1] acq: the attempt before */
    if (!atom_cas_acq_rlx(once_word(call->once), &word, ONCE_RUNNING)) {
        cconc_ctx_free(call->made);
        call->made = NULL;
        call->ctx = ctx;
        return EAGAIN;
    }
    cconc__thread_insist(once_run_function, call);
    return call->code;
}

/* Queue node unless nothing runs any more. */
static bool once_enqueue(cconc_once *once, wait_node *node)
{
    lot_bucket *bucket = cconc__lot_take(once);
    uint32_t word = atom_load_acq(once_word(once)); /* [once.1] acq: the second look */
    bool queued = false;
    while ((word & ONCE_RUNNING) && !queued) {
        queued = (word & ONCE_WAITERS) != 0 ||
                 atom_cas_weak_rlx_rlx(once_word(once), &word, /* rlx: under the lot's lock */
                                       word | ONCE_WAITERS);
    }
    if (queued) {
        cconc__lot_push_locked(bucket, node, once);
    }
    cconc__lot_leave(bucket);
    return queued;
}

/* Wait for the run of another thread. Returns true with its code, or false if it is over. */
static bool once_await(cconc_once *once, cconc_ctx *ctx, int *out_code)
{
    waiter w;
    wait_node node;
    bool queued;
    cconc__waiter_arm(&w, ctx);
    wait_node_init(&node, &w, out_code, 0);
    queued = once_enqueue(once, &node);
    if (queued) {
        cconc__waiter_park(&w, true);
        if (waiter_kind(&w) != CLAIM_GRANT) {
            cconc__lot_remove(&node, once);
            *out_code = cconc__waiter_gave_up(&w, ctx);
        }
    }
    waiter_disarm(&w);
    return queued;
}

/* Returns the code of the run, ours or somebody else's, or why there is none for us. */
static int once_run(once_call *call)
{
    cconc_once *once = call->once;
    if (!call->fn && !call->value_fn) {
        return EINVAL;
    }
    for (;;) {
        uint32_t word = once_look(once);
        int err = EAGAIN;
        if (once_is_over(word)) {
            return once->code;
        }
        if (word == ONCE_NEW) {
            err = once_begin(call);
            if (err != EAGAIN || call->has_begun) {
                return err;
            }
        } else if (self_runs(once)) {
            return EDEADLK;
        } else if (cconc__node_err(call->ctx)) {
            return EINPROGRESS;
        } else if (once_await(once, call->ctx, &err)) {
            return err;
        }
    }
}

int(cconc_once_run)(cconc_once *once, cconc_ctx *ctx, cconc_task_fn fn, void *arg)
{
    MUST_POINT(once, cconc_once);
    MUST_ALIGN(ctx, cconc_ctx);
    once_call call = {.once = once, .ctx = ctx, .fn = fn, .arg = arg};
    return once_run(&call);
}

int cconc_once_run_retry(cconc_once *once, cconc_ctx *ctx, cconc_task_fn fn, void *arg)
{
    MUST_POINT(once, cconc_once);
    MUST_ALIGN(ctx, cconc_ctx);
    once_call call = {.once = once, .ctx = ctx, .fn = fn, .arg = arg, .retries = true};
    return once_run(&call);
}

static int once_give_value(once_call *call, void **out_value)
{
    int err = once_run(call);
    if (!err && out_value) {
        *out_value = call->once->value;
    }
    return err;
}

int cconc_once_value(cconc_once *once, cconc_ctx *ctx, cconc_once_value_fn fn, void *arg,
                     void **out_value)
{
    MUST_POINT(once, cconc_once);
    MUST_ALIGN(ctx, cconc_ctx);
    MUST_ALIGN(out_value, void *);
    once_call call = {.once = once, .ctx = ctx, .value_fn = fn, .arg = arg};
    return once_give_value(&call, out_value);
}

int cconc_once_value_retry(cconc_once *once, cconc_ctx *ctx, cconc_once_value_fn fn, void *arg,
                           void **out_value)
{
    MUST_POINT(once, cconc_once);
    MUST_ALIGN(ctx, cconc_ctx);
    MUST_ALIGN(out_value, void *);
    once_call call = {.once = once, .ctx = ctx, .value_fn = fn, .arg = arg, .retries = true};
    return once_give_value(&call, out_value);
}

bool cconc_once_is_done(const cconc_once *once)
{
    MUST_POINT(once, cconc_once);
    return once_is_over(once_look(once));
}

size_t cconc_once_waiters(const cconc_once *once)
{
    MUST_POINT(once, cconc_once);
    return cconc__lot_count(once);
}

void cconc_once_reset(cconc_once *once, cconc_once_destroy_fn destroy)
{
    MUST_POINT(once, cconc_once);
    void *value = once->value;
    MUST(!(once_look(once) & ONCE_RUNNING), "once reset during its run, with %zu waiters",
         cconc_once_waiters(once));
    cconc_once_init(once);
    if (value && destroy) {
        destroy(value);
    }
}

void cconc_once_destroy(cconc_once *once)
{
    MUST_POINT(once, cconc_once);
    MUST(!(once_look(once) & ONCE_RUNNING), "once destroy during its run, with %zu waiters",
         cconc_once_waiters(once));
}
