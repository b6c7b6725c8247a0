/* flight.c - how callers board a flight, wait and leave
 * SPDX-License-Identifier: MIT
 *
 * Idea        One look under the shard's lock decides: served by a kept result, joined, or first.
 *             Memory that a first caller needs is made ready with no lock held, and then the look
 *             is taken again; mostly the shard's spare record has all of it.
 * Invariants  I1 A caller is counted from boarding to landing or leave.
 *             I2 Whoever cannot leave may run the function: one that waits for nothing else.
 * Locks       The shard's.
 * Ordering    None but the shard's lock's, and [claim.1], [park.1] for a caller that waits.
 * Lifetime    Each caller has a reference on its flight; with code 0 it becomes the result's.
 * Rejected    A record a caller, made before the look: joiners, the many, need none. */
#include "prim/flight.h"

#include "core/must.h"
#include "plat/alloc.h"
#include "plat/clock.h"
#include "plat/thread.h"

#include <errno.h>
#include <string.h>

/* A caller's wish, and how it went. */
typedef struct boarding {
    cconc_flight  *set;
    cconc_ctx     *ctx;
    const void    *key;
    size_t         key_len;
    uint64_t       hash;
    flight_work    work;
    bool           may_run;  /* the caller can wait inside the function: it cannot leave */
    flight_vertex *from;     /* the function that calls, or NULL */
    flight_edge   *edge;     /* where to note that it waits; NULL = it does not */
    flight_shard  *origin;   /* where the calling thread has its records */
    flight        *fresh;    /* a record made ready, or NULL */
    flight        *one;      /* what was boarded, with a reference */
    bool           is_first; /* and it is to be started */
    bool           is_late;
    bool           waits;
} boarding;

static bool key_is_right(const void *key, size_t key_len)
{
    return key_len <= CCONC_FLIGHT_MAX_KEY && (key || key_len == 0);
}

/* ---- boarding ------------------------------------------------------------------------------- */

static bool board_must_end(const boarding *b)
{
    return !b->may_run || (b->set->opts.flags & CCONC_FLIGHT_NO_OVERLAP);
}

/* Is record ready for b as it is? */
static bool board_suits(const boarding *b, const flight *record)
{
    return record->base && (record->ctx || !board_must_end(b)) &&
           b->key_len <= FLIGHT_SMALL_KEY && !cconc__flight_values(b->ctx);
}

/* Make a record ready for b, under no lock. Returns 0, ENOMEM or ENOTRECOVERABLE. */
static int board_make_ready(boarding *b)
{
    int err = 0;
    flight *fresh = b->fresh ? b->fresh : cconc__flight_take_spare(b->origin);
    b->fresh = NULL;
    fresh = fresh ? fresh : cconc__flight_make(b->origin);
    if (!fresh) {
        return ENOMEM;
    }
    if (b->key_len > FLIGHT_SMALL_KEY) {
        fresh->key = cconc__alloc(b->key_len);
    }
    err = fresh->key ? cconc__flight_outfit(fresh, b->ctx, board_must_end(b)) : ENOMEM;
    if (err) {
        cconc__flight_give_back(fresh);
        return err;
    }
    b->fresh = fresh;
    return 0;
}

/* Fill in a record that is ready, and put it into the table. */
static void board_first_locked(boarding *b, flight_shard *shard, flight *abandoned)
{
    flight *one = b->fresh;
    cconc__lock_assert_held(&shard->mu);
    b->fresh = NULL;
    b->one = one;
    b->is_first = true;
    b->waits = abandoned != NULL;
    one->inside = b->may_run && !abandoned;
    ref_init(&one->refs, one->inside ? 1 : 2); /* the caller's, and the run's */
    atom_init(&one->joined, 1);
    atom_init(&one->given, 0);
    one->code = 0;
    one->value = NULL;
    one->home = shard;
    one->hash = b->hash;
    one->key_len = b->key_len;
    if (b->key_len > 0) {
        memcpy(one->key, b->key, b->key_len);
    }
    one->state = FLIGHT_FLYING;
    one->callers = 1;
    waitq_init(&one->waiters);
    list_init(&one->calls);
    one->waits = abandoned != NULL;
    list_init(&one->behind);
    if (abandoned) {
        list_push_back(&abandoned->behind, &one->place);
    }
    cconc__flight_prepare(one, &b->work);
    b->is_late = b->set->opts.timeout_ns > 0 && !cconc__flight_wind_locked(one);
    cconc__flight_list_locked(shard, one);
    shard->flying++;
    shard->callers++;
    shard->started++;
}

static int board_join_locked(boarding *b, flight_shard *shard, flight *one)
{
    cconc__lock_assert_held(&shard->mu);
    if (one->state == FLIGHT_FLYING) {
        uint32_t most = b->set->opts.join_max;
        if (most > 0 && one->callers >= most) {
            return EAGAIN;
        }
        if (!cconc__flight_ring_enter(b->from, one->vertex, b->edge)) {
            return EDEADLK;
        }
        one->callers++;
        shard->callers++;
    } else {
        (void)atom_add_rlx(&one->given, 1); /* rlx: a count, moves under the lock */
    }
    (void)atom_add_rlx(&one->joined, 1); /* rlx: as above */
    ref_get(&one->refs);
    b->one = one;
    return 0;
}

/* Let a kept result that has served its time serve no longer; the timer, which is due, drops it.
 * Returns true if one, which may be NULL, was that. */
static bool board_expire_locked(flight_shard *shard, flight *one)
{
    cconc__lock_assert_held(&shard->mu);
    if (!one || !one->is_kept || one->until_ns > plat_clock_now()) {
        return false;
    }
    cconc__flight_unkeep_locked(shard, one);
    return true;
}

/* Look once. Returns EBUSY if a record must be made ready first. */
static int board_locked(boarding *b, flight_shard *shard)
{
    flight *found = cconc__flight_find_locked(shard, b->hash, b->key, b->key_len);
    cconc__lock_assert_held(&shard->mu);
    if (board_expire_locked(shard, found)) {
        found = NULL;
    }
    if (found && found->state != FLIGHT_ABANDONED) {
        return board_join_locked(b, shard, found);
    }
    if (!b->fresh) {
        b->fresh = cconc__flight_take_spare(b->origin);
        if (!b->fresh || !board_suits(b, b->fresh)) {
            return EBUSY;
        }
    }
    board_first_locked(b, shard, found);
    (void)cconc__flight_ring_enter(b->from, b->one->vertex, b->edge); /* waits for nobody yet */
    return 0;
}

/* Board b's flight. Returns 0, EAGAIN, EDEADLK, ENOMEM or ENOTRECOVERABLE. */
static int board(boarding *b)
{
    flight_shard *shard = cconc__flight_shard(b->set, b->hash);
    int err = EBUSY;
    while (err == EBUSY) {
        bool unfit;
        lock_take(&shard->mu); /* looked at anew: everything */
        err = board_locked(b, shard);
        unfit = cconc__flight_is_unfit_locked(shard);
        lock_leave(&shard->mu);
        if (unfit) {
            cconc__flight_fit(shard);
        }
        if (err == EBUSY) {
            int made = board_make_ready(b);
            err = made ? made : EBUSY;
        }
    }
    if (b->fresh) {
        cconc__flight_give_back(b->fresh);
    }
    return err;
}

/* ---- waiting and leaving -------------------------------------------------------------------- */

bool cconc__flight_has_landed(flight *one)
{
    bool landed;
    lock_take(&one->home->mu);
    landed = one->state != FLIGHT_FLYING;
    lock_leave(&one->home->mu);
    return landed;
}

static bool await_enqueue(flight *one, wait_node *node)
{
    bool flying;
    lock_take(&one->home->mu);
    flying = one->state == FLIGHT_FLYING;
    if (flying) {
        waitq_push_back(&one->waiters, node);
    }
    lock_leave(&one->home->mu);
    return flying;
}

/* The context ended first. Returns false if one has landed since: the landing counted this caller
 * among those who have the result, so it is one of them. */
static bool await_give_up(flight *one, wait_node *node, bool leaves)
{
    flight_landing landing;
    bool flying;
    flight_landing_init(&landing);
    lock_take(&one->home->mu);
    flying = one->state == FLIGHT_FLYING;
    if (node->queued) {
        waitq_remove(&one->waiters, node);
    }
    if (leaves) {
        cconc__flight_depart_locked(one, &landing);
    }
    lock_leave(&one->home->mu);
    cconc__flight_finish(&landing);
    return flying;
}

int cconc__flight_await(flight *one, cconc_ctx *ctx, bool leaves)
{
    waiter w;
    wait_node node;
    int err = 0;
    cconc__waiter_arm(&w, ctx);
    wait_node_init(&node, &w, NULL, 0);
    if (await_enqueue(one, &node)) {
        cconc__waiter_park(&w, true);
        if (waiter_kind(&w) != CLAIM_GRANT && await_give_up(one, &node, leaves)) {
            err = cconc__waiter_gave_up(&w, ctx);
        }
    }
    waiter_disarm(&w);
    return err;
}

int cconc__flight_take(flight *one, cconc_flight_result **out_result)
{
    int code = one->code;
    if (code == 0 && out_result) {
        *out_result = one;
    } else {
        cconc__flight_unref(one);
    }
    return code;
}

/* ---- the calls ------------------------------------------------------------------------------ */

/* A drop that may end the thread, and what the thread holds then. */
typedef struct held_drop {
    flight_work work;
    flight     *result; /* or NULL */
    bool        called;
} held_drop;

static void held_drop_go(void *arg)
{
    held_drop *held = arg;
    if (!held->called) {
        held->called = true;
        held->work.drop(held->work.arg);
    } else if (held->result) {
        flight *result = held->result;
        held->result = NULL;
        cconc__flight_unref(result);
    }
}

/* Drop an arg whose function was not run; result goes with the thread, should that end. */
static void drop_unused(const flight_work *work, flight *result)
{
    if (work->drop) {
        held_drop held = {*work, result, false};
        cconc__thread_insist(held_drop_go, &held);
    }
}

static int do_first(boarding *b, cconc_flight_result **out_result)
{
    flight *one = b->one;
    int err;
    if (one->inside) {
        cconc__flight_run_inside(one, b->edge);
        err = 0;
    } else {
        cconc__flight_start(one, b->is_late, b->waits);
        err = cconc__flight_await(one, b->ctx, true);
    }
    cconc__flight_ring_leave(b->edge);
    if (err == 0) {
        return cconc__flight_take(one, out_result);
    }
    cconc__flight_unref(one);
    return err;
}

static int do_joined(boarding *b, cconc_flight_result **out_result)
{
    flight *result = NULL;
    int err = cconc__flight_await(b->one, b->ctx, true);
    cconc__flight_ring_leave(b->edge);
    if (err) {
        cconc__flight_unref(b->one);
    } else {
        err = cconc__flight_take(b->one, &result);
    }
    drop_unused(&b->work, result);
    if (result && out_result) {
        *out_result = result;
    } else if (result) {
        cconc__flight_unref(result);
    }
    return err;
}

static void boarding_init(boarding *b, cconc_flight *set, cconc_ctx *ctx, const void *key,
                          size_t key_len)
{
    *b = (boarding){.set = set, .ctx = ctx, .key = key, .key_len = key_len};
    b->hash = cconc__hash_bytes(set->secret, key, key_len);
    b->origin = cconc__flight_origin(set);
    b->from = cconc__flight_caller(ctx);
}

int cconc_flight_do(cconc_flight *set, cconc_ctx *ctx, const void *key, size_t key_len,
                    cconc_flight_fn fn, void *arg, cconc_flight_drop_fn drop,
                    cconc_flight_result **out_result)
{
    MUST_ALIGN(set, cconc_flight);
    MUST_ALIGN(ctx, cconc_ctx);
    MUST_ALIGN(out_result, cconc_flight_result *);
    flight_work work = {fn, arg, drop};
    flight_edge edge = {.to = NULL};
    boarding b;
    int err;
    if (!set || !fn || !key_is_right(key, key_len)) {
        return EINVAL;
    }
    err = cconc__node_err(ctx);
    if (!err) {
        boarding_init(&b, set, ctx, key, key_len);
        b.work = work;
        b.may_run = set->opts.timeout_ns == 0 && !cconc__node_can_end(ctx);
        b.edge = &edge;
        err = board(&b);
    }
    if (err) {
        drop_unused(&work, NULL);
        return err;
    }
    return b.is_first ? do_first(&b, out_result) : do_joined(&b, out_result);
}

int cconc_flight_do_async(cconc_flight *set, cconc_ctx *ctx, const void *key, size_t key_len,
                          cconc_flight_fn fn, void *arg, cconc_flight_drop_fn drop,
                          cconc_flight_call **out_call)
{
    MUST_ALIGN(set, cconc_flight);
    MUST_ALIGN(ctx, cconc_ctx);
    MUST_ALIGN(out_call, cconc_flight_call *);
    flight_work work = {fn, arg, drop};
    cconc_flight_call *call = NULL;
    boarding b = {.is_first = false};
    int err;
    if (!set || !fn || !out_call || !key_is_right(key, key_len)) {
        return EINVAL;
    }
    err = cconc__node_err(ctx);
    err = err ? err : cconc__flight_call_new(&call);
    if (!err) {
        boarding_init(&b, set, ctx, key, key_len);
        b.work = work;
        err = board(&b);
    }
    if (call) {
        cconc__flight_call_board(call, err ? NULL : b.one);
    }
    if (err) {
        drop_unused(&work, NULL);
        return err;
    }
    *out_call = call;
    if (b.is_first) {
        cconc__flight_start(b.one, b.is_late, b.waits);
    } else {
        drop_unused(&work, NULL);
    }
    return 0;
}

/* Take key out of the table, a flight that was joined only if_shared. Returns false if it stays. */
static bool forget(cconc_flight *set, const void *key, size_t key_len, bool if_shared)
{
    uint64_t hash = cconc__hash_bytes(set->secret, key, key_len);
    flight_shard *shard = cconc__flight_shard(set, hash);
    flight *gone = NULL;
    flight *one;
    bool forgotten = true;
    lock_take(&shard->mu);
    one = cconc__flight_find_locked(shard, hash, key, key_len);
    if (one && one->is_kept) {
        cconc__flight_unkeep_locked(shard, one);
        list_remove(&one->kept);
        gone = one;
    } else if (one && one->state == FLIGHT_FLYING) {
        forgotten = if_shared || atom_load_rlx(&one->joined) == 1; /* rlx: moves under the lock */
        if (forgotten) {
            cconc__flight_unlist_locked(shard, one);
        }
    }
    lock_leave(&shard->mu);
    if (gone) {
        cconc__flight_unref(gone);
    }
    return forgotten;
}

void cconc_flight_forget(cconc_flight *set, const void *key, size_t key_len)
{
    MUST_POINT(set, cconc_flight);
    if (key_is_right(key, key_len)) {
        (void)forget(set, key, key_len, true);
    }
}

bool cconc_flight_forget_unshared(cconc_flight *set, const void *key, size_t key_len)
{
    MUST_POINT(set, cconc_flight);
    return !key_is_right(key, key_len) || forget(set, key, key_len, false);
}

/* ---- results -------------------------------------------------------------------------------- */

void *cconc_flight_result_value(const cconc_flight_result *result)
{
    MUST_POINT(result, cconc_flight_result);
    return result->value;
}

bool cconc_flight_result_is_shared(const cconc_flight_result *result)
{
    MUST_POINT(result, cconc_flight_result);
    return atom_load_rlx(&result->joined) > 1; /* rlx: a count, nothing behind it */
}

uint32_t cconc_flight_result_sharers(const cconc_flight_result *result)
{
    MUST_POINT(result, cconc_flight_result);
    return atom_load_rlx(&result->given); /* rlx: a count, nothing behind it */
}

cconc_flight_result *cconc_flight_result_ref(cconc_flight_result *result)
{
    MUST_POINT(result, cconc_flight_result);
    ref_get(&result->refs);
    return result;
}

void cconc_flight_result_unref(cconc_flight_result *result)
{
    MUST_ALIGN(result, cconc_flight_result);
    if (result) {
        cconc__flight_unref(result);
    }
}
