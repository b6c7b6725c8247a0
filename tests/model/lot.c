/* lot.c - interleavings of the lot: waiters found by an object's address.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A waiter of one object that is woken for another, or not woken because another's is
 *          before it; a code that comes after the wake; an object that is touched by its last
 *          waker.
 * Method   Scenarios of the deterministic tester, two or three threads each.
 * Catches  Keys that are not compared; a node that is taken out twice; codes written to those who
 *          were in the batch before.
 */
#include "model.h"

#include "core/lot.h"

typedef struct place {
    model_word is_done; /* what is waited for; changes under the bucket's lock */
} place;

typedef struct visitor {
    place     *at;
    cconc_ctx *ctx;
    claim_kind kind;
    int        code; /* of a grant */
    bool       waited;
} visitor;

static visitor *visitor_new(place *at)
{
    visitor *v = model_zalloc(sizeof(*v));
    v->at = at;
    return v;
}

/* As on a stack, but in memory that is gone when the wait is over. */
typedef struct stay {
    waiter    w;
    wait_node node;
    int       code; /* what a grant brings */
} stay;

static void visits(void *arg)
{
    visitor *v = arg;
    const place *at = v->at;
    stay *s = model_zalloc(sizeof(*s));
    lot_bucket *bucket;
    cconc__waiter_arm(&s->w, v->ctx);
    wait_node_init(&s->node, &s->w, &s->code, 0);
    bucket = cconc__lot_take(at);
    v->waited = v->at->is_done.value == 0;
    if (v->waited) {
        cconc__lot_push_locked(bucket, &s->node, at);
    }
    cconc__lot_leave(bucket);
    if (v->waited) {
        cconc__waiter_park(&s->w, false);
        cconc__lot_remove(&s->node, at); /* the object itself may have gone */
        v->kind = waiter_kind(&s->w);
        v->code = v->kind == CLAIM_GRANT ? s->code : 0;
    }
    waiter_disarm(&s->w);
    model_free(s);
}

/* It is done: all who wait for it go, with code. */
static void ends_with(place *at, int code)
{
    wake_batch batch = WAKE_BATCH_INIT;
    lot_bucket *bucket = cconc__lot_take(at);
    at->is_done.value = 1;
    if (code) {
        cconc__lot_hand_locked(bucket, at, code, &batch);
    } else {
        cconc__lot_claim_locked(bucket, at, CLAIM_READY, &batch);
    }
    cconc__lot_leave(bucket);
    batch_wake(&batch);
}

static void ends(void *arg)
{
    ends_with(arg, 0);
}

static void hands(void *arg)
{
    ends_with(arg, 7);
}

/* Two that share a bucket, and so a queue. */
static void two_places(place **out_one, place **out_other)
{
    enum { MANY = 600 };
    place *all = model_zalloc(MANY * sizeof(*all));
    lot_bucket *wanted = cconc__lot_take(&all[0]);
    lot_bucket *found = NULL;
    int at = 0;
    cconc__lot_leave(wanted);
    while (found != wanted && at < MANY - 1) {
        at++;
        found = cconc__lot_take(&all[at]);
        cconc__lot_leave(found);
    }
    MODEL_CHECK(found == wanted);
    *out_one = &all[0];
    *out_other = &all[at];
}

MODEL_SCENARIO(lot_end_meets_wait, .exhaustive = true, .covers = "H16", .goals = "waited came_late")
{
    visitor *v = visitor_new(model_zalloc(sizeof(place)));
    model_spawn(ends, v->at);
    visits(v);
    model_join_all();
    MODEL_EQ(v->kind, v->waited ? CLAIM_READY : CLAIM_WAITING);
    MODEL_EQ(cconc__lot_count(v->at), 0);
    model_cover(v->waited ? "waited" : "came_late");
}

MODEL_SCENARIO(lot_end_wakes_all, .exhaustive = true, .covers = "S3", .goals = "both one none")
{
    visitor *v = visitor_new(model_zalloc(sizeof(place)));
    visitor *u = visitor_new(v->at);
    static const char *const names[] = {"none", "one", "both"};
    model_spawn(visits, u);
    model_spawn(visits, v);
    ends(v->at);
    model_join_all();
    MODEL_EQ(cconc__lot_count(v->at), 0);
    model_cover(names[v->waited + u->waited]);
}

/* The end of one object is none of the other's, though they share a queue. */
MODEL_SCENARIO(lot_two_objects_in_one_bucket, .max_steps = 4000, .covers = "S14",
               .goals = "first second")
{
    place *one;
    place *other;
    visitor *v;
    visitor *u;
    bool hand;
    two_places(&one, &other);
    v = visitor_new(one);
    u = visitor_new(other);
    model_spawn(visits, v);
    model_spawn(visits, u);
    model_until_parked(2);
    MODEL_EQ(cconc__lot_count(one), 1);
    MODEL_EQ(cconc__lot_count(other), 1);
    hand = model_choose(2) == 1;
    if (hand) {
        hands(other);
        MODEL_EQ(cconc__lot_count(one), 1);
        hands(one);
        model_cover("second");
    } else {
        ends(one);
        MODEL_EQ(cconc__lot_count(other), 1);
        ends(other);
        model_cover("first");
    }
    model_join_all();
    MODEL_EQ(v->code, hand ? 7 : 0);
    MODEL_EQ(u->code, hand ? 7 : 0);
}

/* The code is there before anybody goes on. */
MODEL_SCENARIO(lot_hands_a_code_over, .exhaustive = true, .covers = "S5", .goals = "both one none")
{
    visitor *v = visitor_new(model_zalloc(sizeof(place)));
    visitor *u = visitor_new(v->at);
    static const char *const names[] = {"none", "one", "both"};
    model_spawn(visits, u);
    model_spawn(hands, v->at);
    visits(v);
    MODEL_EQ(v->code, v->waited ? 7 : 0);
    model_join_all();
    MODEL_EQ(u->code, u->waited ? 7 : 0);
    model_cover(names[v->waited + u->waited]);
}

/* A waiter that leaves on time takes itself out; whoever ends the object then gives it nothing. */
MODEL_SCENARIO(lot_time_against_end, .exhaustive = true, .covers = "H20",
               .goals = "late ended came_late")
{
    cconc_ctx_mem mem;
    visitor *v = visitor_new(model_zalloc(sizeof(place)));
    v->ctx = cconc_ctx_until(&mem, NULL, MODEL_START + 1000);
    model_spawn(hands, v->at);
    visits(v);
    MODEL_EQ(v->code, v->kind == CLAIM_GRANT ? 7 : 0);
    MODEL_CHECK(v->kind != CLAIM_TIMEOUT || model_now() >= MODEL_START + 1000);
    MODEL_EQ(cconc__lot_count(v->at), 0);
    model_join_all();
    model_cover(!v->waited ? "came_late" : v->kind == CLAIM_GRANT ? "ended" : "late");
}

/* The object goes with the wait that ends: the address is only compared. */
static void visits_and_frees(void *arg)
{
    visitor *v = arg;
    visits(v);
    model_free(v->at);
}

static void ends_without_looking_back(void *arg)
{
    wake_batch batch = WAKE_BATCH_INIT;
    lot_bucket *bucket = cconc__lot_take(arg);
    cconc__lot_claim_locked(bucket, arg, CLAIM_READY, &batch);
    cconc__lot_leave(bucket);
    batch_wake(&batch);
}

MODEL_SCENARIO(lot_object_goes_when_its_wait_ends, .low = true, .covers = "G3 S5")
{
    visitor *v = visitor_new(model_zalloc(sizeof(place)));
    model_spawn(visits_and_frees, v);
    model_until_parked(1);
    ends_without_looking_back(v->at);
    model_join_all();
    MODEL_EQ(v->kind, CLAIM_READY);
}

/* The second of a batch is found though the first one's frame has gone. */
MODEL_SCENARIO(lot_batch_outlives_its_frames, .low = true, .covers = "H7 S5")
{
    visitor *v = visitor_new(model_zalloc(sizeof(place)));
    visitor *u = visitor_new(v->at);
    model_spawn(visits, v);
    model_spawn(visits, u);
    model_until_parked(2);
    ends(v->at);
    model_join_all();
    MODEL_EQ(v->kind + u->kind, CLAIM_READY + CLAIM_READY);
}
