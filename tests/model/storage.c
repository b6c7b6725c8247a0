/* storage.c - interleavings of the end of an object in memory of the caller's.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A free that sleeps for ever although the last other reference is gone; one that returns
 *          while whoever dropped a reference still has to do with the memory.
 * Method   Scenarios of the deterministic tester, two or three threads each. The memory serves
 *          another object as soon as await returns.
 * Catches  References dropped before the lot's lock is taken, a drop that tells nobody, a second
 *          look that is missing.
 */
#include "model.h"

#include "core/lot.h"
#include "core/storage.h"

typedef struct room {
    ref        refs; /* later another object that is waited for by its address */
    int        written[2];
    model_word is_done;
} room;

static void drops(room *r, int me)
{
    r->written[me] = 1;
    MODEL_CHECK(!cconc__storage_put(&r->refs, true));
}

static void drops_first(void *arg)
{
    drops(arg, 0);
}

static void drops_second(void *arg)
{
    drops(arg, 1);
}

static room *room_new(uint32_t count)
{
    room *r = model_zalloc(sizeof(*r));
    ref_init(&r->refs, count);
    return r;
}

MODEL_SCENARIO(storage_await_meets_puts, .bound = 2, .covers = "G3 H16",
               .goals = "waited came_late")
{
    room *r = room_new(3);
    bool waits;
    model_spawn(drops_first, r);
    model_spawn(drops_second, r);
    waits = !ref_is(&r->refs, 1);
    cconc__storage_await(&r->refs);
    MODEL_EQ(r->written[0] + r->written[1], 2);
    MODEL_CHECK(cconc__storage_put(&r->refs, true));
    model_join_all();
    model_cover(waits ? "waited" : "came_late");
}

/* The memory is gone when await returns. */
MODEL_SCENARIO(storage_is_left_when_await_returns, .exhaustive = true, .covers = "G1",
               .goals = "gone")
{
    room *r = room_new(2);
    model_spawn(drops_first, r);
    cconc__storage_await(&r->refs);
    model_free(r);
    model_join_all();
    model_cover("gone");
}

/* Wait as for another object at the same address, which only ends() may end. */
static void waits_anew(room *r)
{
    waiter w;
    wait_node node;
    lot_bucket *bucket;
    bool waits;
    cconc__waiter_arm(&w, NULL);
    wait_node_init(&node, &w, NULL, 0);
    bucket = cconc__lot_take(&r->refs);
    waits = r->is_done.value == 0;
    if (waits) {
        cconc__lot_push_locked(bucket, &node, &r->refs);
    }
    cconc__lot_leave(bucket);
    if (waits) {
        cconc__waiter_park(&w, false);
        MODEL_EQ(waiter_kind(&w), CLAIM_GRANT);
    }
    waiter_disarm(&w);
}

static void ends(void *arg)
{
    room *r = arg;
    wake_batch batch = WAKE_BATCH_INIT;
    lot_bucket *bucket = cconc__lot_take(&r->refs);
    r->is_done.value = 1;
    cconc__lot_claim_locked(bucket, &r->refs, CLAIM_GRANT, &batch);
    cconc__lot_leave(bucket);
    batch_wake(&batch);
}

/* Who dropped a reference wakes nobody who waits for what lies there next. */
MODEL_SCENARIO(storage_serves_again_at_once, .bound = 2, .covers = "G3 S14", .goals = "again")
{
    room *r = room_new(2);
    model_spawn(drops_first, r);
    cconc__storage_await(&r->refs);
    model_spawn(ends, r);
    waits_anew(r);
    model_join_all();
    model_cover("again");
}
