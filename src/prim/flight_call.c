/* flight_call.c - handles: callers of a flight that do not block
 * SPDX-License-Identifier: MIT
 *
 * Idea        A handle is a caller that somebody may wait for, give up, or have answered. To be
 *             answered it queues at its flight; the landing takes it out and hands it to the
 *             executor. If its context ends first an after-func takes it out, and is the answer.
 * Invariants  I1 A handle queued at a flight is answered by who takes it out: the landing, or the
 *                after-func, under the shard's lock.
 *             I2 A call is answered once, and then is no caller any more.
 * Locks       The flight's shard's.
 * Ordering    None but the shard's lock's and the executor's.
 * Lifetime    refs: the handle's or the answer's, and the after-func's; each of the two has a
 *             reference on the flight too, and the former becomes that on the result.
 * Rejected    A channel inside each handle, as Go's DoChan has it: most are waited for.
 *             A wait that takes the handle with it: the function's own EDEADLK or EINPROGRESS could
 *             not be told from the wait's.
 *             A context a handle, to select on: send serves a channel, which select knows. */
#include "prim/flight.h"

#include <cconc/chan.h>
#include <cconc/ctx.h>

#include "core/must.h"
#include "plat/alloc.h"
#include "prim/elem.h"

#include <errno.h>

/* Key  (i) immutable once queued  (m) under the shard's lock  (a) atomic */
struct cconc_flight_call {
    flight              *one;    /* (i) one reference */
    ref                  refs;   /* (a) [ref.1] */
    atom_u32             users;  /* (a) threads inside, to tell misuse */
    list_link            link;   /* (m) in the flight's calls */
    bool                 queued; /* (m) somebody else will answer it */
    bool                 has_left; /* (m) its context has ended before the flight landed */
    exec_task            task;   /* (i) the answer */
    cconc_flight_done_fn fn;     /* (i) */
    void                *arg;    /* (i) */
    cconc_chan          *chan;   /* (i) fn is NULL: where to send, with arg as the tag */
    cconc_after         *after;  /* (i) calls call_left(), or NULL */
};

int cconc__flight_call_new(cconc_flight_call **out_call)
{
    cconc_flight_call *call = cconc__alloc(sizeof(*call));
    if (!call) {
        return ENOMEM;
    }
    ref_init(&call->refs, 1);
    list_init(&call->link);
    *out_call = call;
    return 0;
}

void cconc__flight_call_board(cconc_flight_call *call, flight *one)
{
    call->one = one;
    if (!one) {
        cconc__alloc_free(call);
    }
}

/* The registration goes with the last reference: by then its function will not run, or it is it. */
static void call_unref(cconc_flight_call *call)
{
    if (ref_put(&call->refs)) {
        cconc_after_free(call->after);
        cconc__alloc_free(call);
    }
}

static void call_exit(cconc_flight_call *call)
{
    (void)atom_sub_rlx(&call->users, 1); /* rlx: as in call_enter() */
}

/* Note that the calling thread uses call. */
static void call_enter(cconc_flight_call *call)
{
    uint32_t others = atom_add_rlx(&call->users, 1); /* rlx: it only tells misuse */
    if (others > 0) {
        call_exit(call);
    }
    MUST(others == 0, "flight call used by %u threads at once", (unsigned)(others + 1));
}

void cconc_flight_leave(cconc_flight_call *call)
{
    MUST_ALIGN(call, cconc_flight_call);
    flight *one;
    if (call) {
        call_enter(call);
        one = call->one;
        call_unref(call);
        cconc__flight_depart(one);
    }
}

int cconc_flight_wait(cconc_flight_call *call, cconc_ctx *ctx, cconc_flight_result **out_result)
{
    MUST_ALIGN(call, cconc_flight_call);
    MUST_ALIGN(ctx, cconc_ctx);
    MUST_ALIGN(out_result, cconc_flight_result *);
    flight_edge edge = {.to = NULL};
    int err;
    if (!call) {
        return EINVAL;
    }
    call_enter(call);
    if (!cconc__flight_ring_enter(cconc__flight_caller(ctx), call->one->vertex, &edge)) {
        err = cconc__flight_has_landed(call->one) ? 0 : EDEADLK;
    } else {
        err = cconc__flight_await(call->one, ctx, false);
        cconc__flight_ring_leave(&edge);
    }
    if (err == 0) {
        err = call->one->code;
        if (err == 0 && out_result) {
            *out_result = cconc_flight_result_ref(call->one);
        }
    }
    call_exit(call);
    return err;
}

/* ---- being answered ------------------------------------------------------------------------- */

/* Hand the outcome to the user. call is the caller's copy: the user may end the thread. */
static void call_deliver(const cconc_flight_call *call, int code, flight *result)
{
    if (call->fn) {
        call->fn(call->arg, code, result);
    } else {
        cconc_flight_outcome outcome = {call->arg, result, code, 0};
        if (cconc_chan_send(call->chan, NULL, &outcome) != 0) {
            cconc_flight_result_unref(result);
        }
    }
}

/* Answer a call that is in nobody's hands but ours. */
static void call_finish(cconc_flight_call *call)
{
    cconc_flight_call mine = *call;
    flight *result = NULL;
    int code = EINPROGRESS;
    call_unref(call);
    if (mine.has_left) {
        cconc__flight_unref(mine.one);
    } else {
        code = cconc__flight_take(mine.one, &result);
    }
    call_deliver(&mine, code, result);
}

static void call_run(exec_task *task)
{
    self_task frame;
    cconc__executor_let_go();
    cconc__self_enter(&frame, NULL);
    call_finish(LIST_OF(task, cconc_flight_call, task));
    cconc__self_exit();
}

/* Never called: see call_run(). */
static void call_torn(exec_task *task)
{ /* coverage: never, the executor has let the thread go by then */
    (void)task;
}

static void call_answer(cconc_flight_call *call)
{
    if (call->after && cconc_after_stop(call->after)) {
        flight *one = call->one;
        call_unref(call); /* what the after-func had, which will never run; ours are left */
        cconc__flight_unref(one);
    }
    call->task.run = call_run;
    call->task.torn = call_torn;
    if (cconc__executor_submit(&call->task) != 0) {
        call_finish(call);
    }
}

void cconc__flight_answer_first(list_link *calls)
{
    cconc_flight_call *call = LIST_OF(calls->next, cconc_flight_call, link);
    list_remove(&call->link);
    call_answer(call);
}

/* Let call, which is not queued, leave. */
static void call_leave_locked(cconc_flight_call *call, flight_landing *landing)
{
    cconc__lock_assert_held(&call->one->home->mu);
    call->has_left = true;
    cconc__flight_depart_locked(call->one, landing);
}

/* The context of the call has ended; on the executor. A call that is not queued yet is answered by
 * who is about to queue it. */
static void call_left(void *arg)
{
    cconc_flight_call *call = arg;
    flight *one = call->one;
    flight_landing landing;
    bool is_mine = false;
    flight_landing_init(&landing);
    lock_take(&one->home->mu);
    if (one->state == FLIGHT_FLYING) {
        is_mine = call->queued;
        if (is_mine) {
            list_remove(&call->link);
        }
        call_leave_locked(call, &landing);
    }
    lock_leave(&one->home->mu);
    cconc__flight_finish(&landing);
    call_unref(call);
    cconc__flight_unref(one);
    if (is_mine) {
        call_finish(call);
    }
}

/* Queue call at its flight. Returns false if it has landed, or call has left. */
static bool call_queue(cconc_flight_call *call)
{
    flight *one = call->one;
    bool queued;
    lock_take(&one->home->mu);
    queued = one->state == FLIGHT_FLYING && !call->has_left;
    call->queued = queued;
    if (queued) {
        list_push_back(&one->calls, &call->link);
    }
    lock_leave(&one->home->mu);
    return queued;
}

static int call_want_answer(cconc_flight_call *call, cconc_ctx *ctx)
{
    if (cconc__node_source(ctx)) {
        int err;
        ref_get(&call->refs); /* the after-func's, and its own on the flight */
        ref_get(&call->one->refs);
        err = cconc_ctx_after_func(ctx, call_left, call, &call->after);
        if (err) {
            cconc__flight_unref(call->one);
            call_unref(call);
            call_exit(call);
            return err;
        }
    }
    if (!call_queue(call)) {
        call_answer(call);
    }
    return 0;
}

static bool call_may_follow(const cconc_ctx *ctx)
{
    return !ctx || ctx->head.kind != NODE_STACK;
}

int cconc_flight_then(cconc_flight_call *call, cconc_ctx *ctx, cconc_flight_done_fn fn, void *arg)
{
    MUST_ALIGN(call, cconc_flight_call);
    MUST_ALIGN(ctx, cconc_ctx);
    if (!call || !fn || !call_may_follow(ctx)) {
        return EINVAL;
    }
    call_enter(call);
    call->fn = fn;
    call->arg = arg;
    return call_want_answer(call, ctx);
}

int cconc_flight_send(cconc_flight_call *call, cconc_ctx *ctx, cconc_chan *chan, void *tag)
{
    MUST_ALIGN(call, cconc_flight_call);
    MUST_ALIGN(ctx, cconc_ctx);
    MUST_ALIGN(chan, void *);
    if (!call || !chan || !call_may_follow(ctx) ||
        cconc__chan_elem_size(chan) != sizeof(cconc_flight_outcome)) {
        return EINVAL;
    }
    call_enter(call);
    call->fn = NULL;
    call->chan = chan;
    call->arg = tag;
    return call_want_answer(call, ctx);
}
