/* flight_run.c - how a flight runs and lands
 * SPDX-License-Identifier: MIT
 *
 * Idea        The function runs on the executor, so that its callers can leave; or in its first
 *             caller, if that one's context can never end. All that the user gave and that can end
 *             a thread is called from one loop, the pass, which goes on where it was if that
 *             happens: by another executor thread, or by what is left of this one.
 * Picture                 fn has returned            (kept results stay in the table)
 *             FLYING --------------------> LANDED
 *                | last caller leaves, or time is up            fn has returned
 *                +------------------------------> ABANDONED ------------------> (gone)
 * Invariants  I1 FLYING is left once, under the shard's lock, together with the key, the callers'
 *                claims and, for the last caller's leave, the end of the context.
 *             I2 fn and drop are called at most once each, drop before anybody has the result.
 *             I3 A context is used for a second flight only if nobody else ever kept it.
 * Locks       The shard's. A context is ended and watched under it (rank CTX follows). Everything
 *             is called, woken and freed after it.
 * Ordering    None but the shard's lock's, under which code and value become final; [claim.1] and
 *             [park.1] carry them to a caller that waits, the executor's lock to a callback.
 * Lifetime    The run has a reference, but for a flight inside its caller, who has one anyhow. The
 *             clock has one from take-off until it was stopped or has rung.
 * Rejected    Always the executor: a hop of some microseconds where Go's caller runs fn itself.
 *             Joiners that take over the function of a caller who leaves: it runs on his stack. */
#include "prim/flight.h"

#include <cconc/ctx.h>

#include "core/must.h"
#include "plat/thread.h"

#include <errno.h>

/* What a thread has to do for one flight, and for what follows from it; see pass_go(). */
typedef struct flight_pass {
    flight      *one;     /* runs and lands, or NULL */
    flight      *spent;   /* has landed: the run's reference is to be dropped */
    flight      *caller;  /* whose caller this thread is, if it runs inside */
    flight_edge *edge;    /* the caller's */
    list_link    released;/* waited for one, and may start now */
    list_link    calls;   /* to be answered */
    void        *late;    /* a value that nobody gets */
    cconc_flight_destroy_fn destroy;
    bool         entered;
} flight_pass;

/* ---- contexts ------------------------------------------------------------------------------- */

cconc_ctx *cconc__flight_values(cconc_ctx *ctx)
{
    while (ctx && ctx->head.kind == NODE_STACK) {
        ctx = ctx->head.parent;
    }
    return ctx ? ctx->values : NULL;
}

void cconc__flight_retire(flight *one, bool may_keep)
{
    cconc_ctx *base = one->base;
    cconc_ctx *ctx = one->ctx;
    if (!base) {
        return;
    }
    if (may_keep && !one->has_values && one->home->set->opts.timeout_ns == 0 &&
        ref_is(&base->handles, 1) && ref_is(&base->refs, ctx ? 2 : 1) &&
        (!ctx || (cconc__node_err(ctx) == 0 && ref_is(&ctx->handles, 1) &&
                  ref_is(&ctx->refs, 1)))) {
        return;
    }
    one->base = NULL;
    one->ctx = NULL;
    cconc_ctx_free(ctx);
    cconc_ctx_free(base);
}

/* A binding of a fresh vertex above values. */
static int outfit_base(flight *one, cconc_ctx *values)
{
    cconc_ctx *root = NULL;
    int err = values ? cconc_ctx_without_cancel(values, &root) : 0;
    cconc__flight_vertex_unref(one->vertex);
    one->vertex = cconc__flight_vertex_new();
    if (!err && one->vertex) {
        ref_get(&one->vertex->refs); /* the binding's */
        err = cconc_ctx_with_value(root, &cconc__flight_ring_key, one->vertex,
                                   cconc__flight_vertex_unref, &one->base);
        if (err) {
            cconc__flight_vertex_unref(one->vertex);
        }
    }
    one->has_values = values != NULL;
    cconc_ctx_free(root);
    return one->base ? 0 : ENOMEM;
}

int cconc__flight_outfit(flight *one, cconc_ctx *ctx, bool must_end)
{
    cconc_ctx *values = cconc__flight_values(ctx);
    int64_t timeout_ns = one->home->set->opts.timeout_ns;
    int err = 0;
    if (values) {
        cconc__flight_retire(one, false);
    }
    if (!one->base) {
        err = outfit_base(one, values);
    }
    if (!err && must_end && !one->ctx) {
        err = timeout_ns > 0 ? cconc_ctx_with_timeout(one->base, timeout_ns, &one->ctx)
                             : cconc_ctx_with_cancel(one->base, &one->ctx);
    }
    return err;
}

/* ---- landing -------------------------------------------------------------------------------- */

/* Move all of from to the end of to. */
static void list_move(list_link *from, list_link *to)
{
    while (!list_is_empty(from)) {
        list_link *link = from->next;
        list_remove(link);
        list_push_back(to, link);
    }
}

/* Let all callers go with code. */
static void land_locked(flight *one, int code, wake_batch *wakes, list_link *calls)
{
    flight_shard *shard = one->home;
    cconc__lock_assert_held(&shard->mu);
    CHECK(one->state == FLIGHT_FLYING);
    one->code = code;
    atom_store_rlx(&one->given, code == 0 ? one->callers : 0); /* rlx: moves under the lock */
    shard->flying--;
    shard->callers -= one->callers;
    one->callers = 0;
    waiter_claim_all(&one->waiters, CLAIM_GRANT, wakes);
    list_move(&one->calls, calls);
}

/* The function's result is not wanted any more. One that waits for another's end does so no
 * longer. */
static void abandon_locked(flight *one, flight_landing *landing)
{
    flight_shard *shard = one->home;
    cconc__lock_assert_held(&shard->mu);
    one->state = FLIGHT_ABANDONED;
    shard->abandoned++;
    if (one->waits) {
        list_remove(&one->place);
        one->waits = false;
        landing->to_run = one;
    }
    if (one->listed && (landing->to_run || !(shard->set->opts.flags & CCONC_FLIGHT_NO_OVERLAP))) {
        cconc__flight_unlist_locked(shard, one);
    }
}

void cconc__flight_depart_locked(flight *one, flight_landing *landing)
{
    flight_shard *shard = one->home;
    cconc__lock_assert_held(&shard->mu);
    if (one->state != FLIGHT_FLYING) {
        return;
    }
    one->callers--;
    shard->callers--;
    if (one->callers == 0) {
        shard->flying--;
        abandon_locked(one, landing);
        landing->has_ending = true;
        cconc__node_end_begin(one->ctx, ECANCELED, 0, NULL, &landing->ending);
    }
}

/* ---- the clock ------------------------------------------------------------------------------ */

static void flight_time_out(flight *one)
{
    flight_landing landing;
    flight_landing_init(&landing);
    lock_take(&one->home->mu);
    if (one->state == FLIGHT_FLYING) {
        land_locked(one, ETIMEDOUT, &landing.wakes, &landing.calls);
        abandon_locked(one, &landing);
    }
    lock_leave(&one->home->mu);
    cconc__flight_finish(&landing);
}

/* The context has ended, by its deadline or because nobody wants the flight. */
static void clock_rings_locked(node_hook *hook)
{
    cconc__lock_assert_held(&LIST_OF(hook, flight, clock)->ctx->tree->mu);
}

static void clock_rings(node_hook *hook)
{
    flight *one = LIST_OF(hook, flight, clock);
    flight_time_out(one);
    cconc__flight_unref(one);
}

bool cconc__flight_wind_locked(flight *one)
{
    cconc__lock_assert_held(&one->home->mu);
    one->clock.ended_locked = clock_rings_locked;
    one->clock.ended = clock_rings;
    ref_get(&one->refs);
    one->has_clock = cconc__node_watch(one->ctx, &one->clock.node);
    if (!one->has_clock) {
        bool last = ref_put(&one->refs);
        CHECK(!last);
        (void)last;
    }
    return one->has_clock;
}

static void clock_stop(flight *one)
{
    if (one->has_clock) {
        one->has_clock = false;
        if (cconc__node_unwatch(one->ctx, &one->clock.node)) {
            cconc__flight_unref(one);
        }
    }
}

/* ---- the pass ------------------------------------------------------------------------------- */

static bool flight_is_wanted(flight *one)
{
    bool wanted;
    if (one->inside) {
        return true;
    }
    lock_take(&one->home->mu);
    wanted = one->state == FLIGHT_FLYING;
    lock_leave(&one->home->mu);
    return wanted;
}

/* Call what has not been called yet. */
static void flight_go_on(flight *one)
{
    if (!one->ran) {
        one->ran = true;
        one->made_code = ECANCELED; /* should fn not come back */
        if (flight_is_wanted(one)) {
            one->made_code = one->work.fn(one->ctx ? one->ctx : one->base, one->work.arg,
                                          &one->made);
        }
    }
    if (!one->dropped) {
        one->dropped = true;
        if (one->work.drop) {
            one->work.drop(one->work.arg);
        }
    }
}

/* Hand one, which has not run, to the executor. Returns false if that has no thread for it: then
 * its function will not run, and the rest is the caller's to do. */
static bool flight_submit(flight *one)
{
    int err;
    CHECK(!one->ran);
    err = cconc__executor_submit(&one->task);
    if (err) {
        one->ran = true;
        one->made_code = err;
    }
    return !err;
}

/* The function of one has ended: hand out what it made, once. What is to be done with no lock goes
 * to pass. */
static void flight_land(flight *one, flight_pass *pass)
{
    flight_shard *shard = one->home;
    wake_batch wakes = WAKE_BATCH_INIT;
    void *late = one->made;
    bool kick = false;
    bool unfit;
    bool kept;
    lock_take(&shard->mu);
    if (one->state == FLIGHT_FLYING) {
        if (one->made_code == 0) {
            one->value = late;
            late = NULL;
        }
        land_locked(one, one->made_code, &wakes, &pass->calls);
        one->state = FLIGHT_LANDED;
        if (one->listed && one->made_code == 0 && shard->set->opts.keep_ns > 0) {
            kick = cconc__flight_keep_locked(shard, one);
        }
    } else {
        shard->abandoned--;
    }
    kept = one->is_kept;
    if (one->listed && !kept) {
        cconc__flight_unlist_locked(shard, one);
    }
    while (!list_is_empty(&one->behind)) {
        flight *next = LIST_OF(one->behind.next, flight, place);
        list_remove(&next->place);
        list_push_back(&pass->released, &next->place);
        next->waits = false;
    }
    unfit = cconc__flight_is_unfit_locked(shard);
    lock_leave(&shard->mu);
    batch_wake(&wakes);
    if (kick) {
        cconc__timer_kick();
    }
    if (unfit) {
        cconc__flight_fit(shard);
    }
    clock_stop(one);
    pass->late = late ? late : pass->late;
    pass->destroy = shard->set->opts.destroy;
    pass->spent = one->inside ? NULL : one;
    pass->one = NULL;
    cconc__flight_retire(one, !kept); /* last: it may destroy a value of the context's */
}

/* Hand the next flight that waited to the executor; where that has no thread it is ours. */
static flight *pass_start_next(flight_pass *pass)
{
    flight *next = LIST_OF(pass->released.next, flight, place);
    list_remove(&next->place);
    return flight_submit(next) ? NULL : next;
}

/* Whatever ends the thread in here is called again to the end: each step is noted as done before it
 * calls the user. */
static void pass_go(void *arg)
{
    flight_pass *pass = arg;
    bool is_torn = pass->entered;
    pass->entered = true;
    while (pass->one || pass->spent || !list_is_empty(&pass->released)) {
        if (pass->spent) {
            flight *spent = pass->spent;
            pass->spent = NULL;
            cconc__flight_unref(spent);
        } else if (!pass->one) {
            pass->one = pass_start_next(pass);
        } else {
            flight_go_on(pass->one);
            flight_land(pass->one, pass);
        }
    }
    while (!list_is_empty(&pass->calls)) {
        cconc__flight_answer_first(&pass->calls);
    }
    if (pass->late && pass->destroy) {
        void *late = pass->late;
        pass->late = NULL;
        pass->destroy(late);
    }
    if (is_torn && pass->caller) {
        flight *caller = pass->caller;
        pass->caller = NULL;
        cconc__flight_ring_leave(pass->edge);
        cconc__flight_unref(caller);
    }
}

static void pass_init(flight_pass *pass, flight *one)
{
    *pass = (flight_pass){.one = one};
    list_init(&pass->calls);
    list_init(&pass->released);
}

void cconc__flight_run_inside(flight *one, flight_edge *edge)
{
    flight_pass pass;
    pass_init(&pass, one);
    pass.caller = one;
    pass.edge = edge;
    cconc__thread_insist(pass_go, &pass);
}

static void flight_run_here(flight *one)
{
    flight_pass pass;
    pass_init(&pass, one);
    cconc__thread_insist(pass_go, &pass);
}

static void flight_task_run(exec_task *task)
{
    flight *one = LIST_OF(task, flight, task);
    cconc__self_enter(&one->frame, one);
    flight_go_on(one);
    cconc__self_exit();
    cconc__executor_let_go();
    flight_run_here(one);
}

/* fn or drop has ended the thread: another one goes on. The executor refuses only in a forked
 * child, where this was the only thread, and nobody waits. */
static void flight_task_torn(exec_task *task)
{
    (void)cconc__executor_submit(task);
}

/* Wake, and end the context. */
static void finish_ends(flight_landing *landing)
{
    batch_wake(&landing->wakes);
    if (landing->has_ending) {
        cconc__node_end_finish(&landing->ending);
    }
}

void cconc__flight_finish(flight_landing *landing)
{
    flight *one = landing->to_run;
    flight_pass pass;
    finish_ends(landing);
    if (one && flight_submit(one)) {
        one = NULL;
    }
    if (one || !list_is_empty(&landing->calls)) {
        pass_init(&pass, one);
        list_move(&landing->calls, &pass.calls);
        cconc__thread_insist(pass_go, &pass);
    }
}

void cconc__flight_depart(flight *one)
{
    flight_landing landing;
    flight_landing_init(&landing);
    lock_take(&one->home->mu);
    cconc__flight_depart_locked(one, &landing);
    lock_leave(&one->home->mu);
    finish_ends(&landing);
    cconc__flight_unref(one);
    if (landing.to_run) { /* only its drop is left, which needs no thread: leave needs no memory */
        flight_run_here(landing.to_run);
    }
}

void cconc__flight_prepare(flight *one, const flight_work *work)
{
    one->work = *work;
    one->made_code = 0;
    one->made = NULL;
    one->ran = false;
    one->dropped = false;
    one->has_clock = false;
    one->task.run = flight_task_run;
    one->task.torn = flight_task_torn;
}

void cconc__flight_start(flight *one, bool is_late, bool waits)
{
    if (is_late) {
        flight_time_out(one);
    }
    if (!waits && !flight_submit(one)) {
        flight_run_here(one);
    }
}
