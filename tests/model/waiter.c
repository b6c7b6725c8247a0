/* waiter.c - interleavings of the waiter: the claim and the post.
 * SPDX-License-Identifier: MIT
 *
 * Risk     Two who both decide how a wait ends; a grant to one who has left; a wait that goes on
 *          after its post, or ends before it; a node that is touched when its frame has gone.
 * Method   Scenarios of the deterministic tester on a queue of permits.
 * Catches  A claim that is not the first; an owner that leaves before the post; PARKED that the
 *          winner does not see; a decided waiter that takes a grant from the next one.
 */
#include "model.h"

#include "core/lock.h"
#include "core/waiter.h"

/* Permits, and who waits for one. */
typedef struct gate {
    lock  mu;
    waitq queue; /* under mu */
    int   left;  /* under mu: permits that nobody has taken */
    bool  is_closed; /* under mu */
} gate;

typedef struct guest {
    gate       *g;
    cconc_ctx  *ctx;
    bool        may_spin;
    bool        withdraws; /* does not park */
    bool        passes_on; /* gives a permit back that it was granted */
    int         value;     /* what came with the grant */
    int         seen;      /* of it, when the wait was over */
    claim_kind  kind;
    uint32_t    index;
} guest;

static gate *gate_new(void)
{
    gate *g = model_zalloc(sizeof(*g));
    MODEL_EQ(cconc__lock_init(&g->mu, RANK_SEM), 0);
    waitq_init(&g->queue);
    return g;
}

/* All is as it was: so many permits, and nobody in the queue. */
static void gate_end(gate *g, int left)
{
    MODEL_EQ(g->queue.count, 0);
    MODEL_EQ(g->left, left);
    cconc__lock_destroy(&g->mu);
}

static guest *guest_new(gate *g)
{
    guest *v = model_zalloc(sizeof(*v));
    v->g = g;
    return v;
}

/* One permit: for the oldest who waits, or left for who comes. */
static void gate_give(gate *g)
{
    wake_batch batch = WAKE_BATCH_INIT;
    wait_node *node;
    lock_take(&g->mu);
    node = waiter_claim_first(&g->queue, CLAIM_GRANT, &batch);
    g->left += node ? 0 : 1;
    lock_leave(&g->mu);
    if (node) { /* claimed and not posted: its frame is ours to write */
        *(int *)node->elem = 7;
    }
    batch_wake(&batch);
}

static void gives(void *arg)
{
    gate_give(arg);
}

static void closes(void *arg)
{
    gate *g = arg;
    wake_batch batch = WAKE_BATCH_INIT;
    lock_take(&g->mu);
    g->is_closed = true;
    waiter_claim_all(&g->queue, CLAIM_CLOSE, &batch);
    lock_leave(&g->mu);
    batch_wake(&batch);
}

static void cancels(void *arg)
{
    cconc_ctx_cancel(arg);
}

/* Having queued: how does it end? */
static void guest_waits(guest *v, waiter *w, wait_node *node)
{
    if (!v->withdraws) {
        cconc__waiter_park(w, v->may_spin);
    } else {
        bool withdrawn = cconc__waiter_withdraw(w);
        MODEL_EQ(withdrawn, waiter_kind(w) == CLAIM_SELF || waiter_kind(w) == CLAIM_FORKED);
    }
    lock_take(&v->g->mu);
    if (node->queued) {
        waitq_remove(&v->g->queue, node);
    }
    lock_leave(&v->g->mu);
    v->kind = waiter_kind(w);
    v->index = waiter_index(w);
}

/* As on a stack, but in memory that is gone when the wait is over. */
typedef struct stay {
    waiter    w;
    wait_node node;
} stay;

static void comes(void *arg)
{
    guest *v = arg;
    gate *g = v->g;
    stay *s = model_zalloc(sizeof(*s));
    bool has;
    bool waits;
    cconc__waiter_arm(&s->w, v->ctx);
    wait_node_init(&s->node, &s->w, &v->value, 5);
    lock_take(&g->mu);
    has = g->left > 0;
    g->left -= has ? 1 : 0;
    waits = !has && !g->is_closed;
    if (waits) {
        waitq_push_back(&g->queue, &s->node);
    }
    lock_leave(&g->mu);
    if (waits) {
        guest_waits(v, &s->w, &s->node);
    } else {
        v->kind = has ? CLAIM_GRANT : CLAIM_CLOSE;
        v->index = 5;
        v->value = has ? 7 : 0;
    }
    v->seen = v->kind == CLAIM_GRANT ? v->value : 0;
    waiter_disarm(&s->w);
    model_free(s);
    if (v->kind == CLAIM_GRANT && v->passes_on) {
        gate_give(g);
    }
}

/* Granted and then with the value, or not. */
static void must_be(const guest *v, claim_kind otherwise)
{
    if (v->kind == CLAIM_GRANT) {
        MODEL_EQ(v->seen, 7);
        MODEL_EQ(v->index, 5);
    } else {
        MODEL_EQ(v->kind, otherwise);
        MODEL_EQ(v->value, 0);
    }
}

MODEL_SCENARIO(waiter_grant_meets_park, .exhaustive = true, .covers = "S3 S11")
{
    guest *v = guest_new(gate_new());
    model_spawn(gives, v->g);
    comes(v);
    model_join_all();
    must_be(v, CLAIM_GRANT);
    gate_end(v->g, 0);
}

MODEL_SCENARIO(waiter_grant_meets_park_low, .low = true, .exhaustive = true, .covers = "S3 S6")
{
    guest *v = guest_new(gate_new());
    model_spawn(gives, v->g);
    comes(v);
    model_join_all();
    must_be(v, CLAIM_GRANT);
    gate_end(v->g, 0);
}

/* The second claim loses, and keeps what it would have given. */
MODEL_SCENARIO(waiter_two_claims, .exhaustive = true, .covers = "S3")
{
    guest *v = guest_new(gate_new());
    model_spawn(gives, v->g);
    model_spawn(gives, v->g);
    comes(v);
    model_join_all();
    must_be(v, CLAIM_GRANT);
    gate_end(v->g, 1);
}

MODEL_SCENARIO(waiter_time_against_grant, .exhaustive = true, .covers = "H20 S8",
               .goals = "granted late")
{
    cconc_ctx_mem mem;
    guest *v = guest_new(gate_new());
    v->ctx = cconc_ctx_until(&mem, NULL, MODEL_START + 1000);
    model_spawn(comes, v); /* its frame goes as soon as it is over */
    gate_give(v->g);
    model_join_all();
    must_be(v, CLAIM_TIMEOUT);
    MODEL_CHECK(v->kind == CLAIM_GRANT || model_now() >= MODEL_START + 1000);
    gate_end(v->g, v->kind == CLAIM_GRANT ? 0 : 1);
    model_cover(v->kind == CLAIM_GRANT ? "granted" : "late");
}

MODEL_SCENARIO(waiter_cancel_against_grant, .exhaustive = true, .covers = "H20 C15",
               .goals = "granted cancelled")
{
    guest *v = guest_new(gate_new());
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &v->ctx), 0);
    model_spawn(gives, v->g);
    model_spawn(cancels, v->ctx);
    comes(v);
    model_join_all();
    must_be(v, CLAIM_CANCEL);
    gate_end(v->g, v->kind == CLAIM_GRANT ? 0 : 1);
    model_cover(v->kind == CLAIM_GRANT ? "granted" : "cancelled");
    cconc_ctx_free(v->ctx);
}

/* Spinning it looks at post and context itself, and is among no watchers. */
MODEL_SCENARIO(waiter_spins, .cpus = MODEL_ANY_CPUS, .goals = "granted cancelled")
{
    guest *v = guest_new(gate_new());
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &v->ctx), 0);
    v->may_spin = true;
    model_spawn(gives, v->g);
    model_spawn(cancels, v->ctx);
    comes(v);
    model_join_all();
    must_be(v, CLAIM_CANCEL);
    gate_end(v->g, v->kind == CLAIM_GRANT ? 0 : 1);
    model_cover(v->kind == CLAIM_GRANT ? "granted" : "cancelled");
    cconc_ctx_free(v->ctx);
}

MODEL_SCENARIO(waiter_withdraws_against_grant, .exhaustive = true, .goals = "granted withdrawn",
               .covers = "H20")
{
    guest *v = guest_new(gate_new());
    v->withdraws = true;
    model_spawn(gives, v->g);
    comes(v);
    model_join_all();
    must_be(v, CLAIM_SELF);
    gate_end(v->g, v->kind == CLAIM_GRANT ? 0 : 1);
    model_cover(v->kind == CLAIM_GRANT ? "granted" : "withdrawn");
}

/* Claims and PARKED are set in one word, by swaps that may fail by chance. */
MODEL_SCENARIO(waiter_swaps_that_fail_by_chance, .exhaustive = true, .faults = MODEL_CAS)
{
    guest *v = guest_new(gate_new());
    model_spawn(gives, v->g);
    comes(v);
    model_join_all();
    must_be(v, CLAIM_GRANT);
    gate_end(v->g, 0);
}

/* One that has ended on time is passed over: the next one gets the permit. */
MODEL_SCENARIO(waiter_that_is_decided_is_passed_over,
               .covers = "H20 W4 S14", .goals = "granted late")
{
    cconc_ctx_mem mem;
    guest *v = guest_new(gate_new());
    guest *u = guest_new(v->g);
    v->ctx = cconc_ctx_until(&mem, NULL, MODEL_START + 1000);
    v->passes_on = true;
    model_spawn(comes, v);
    model_spawn(comes, u);
    gate_give(v->g);
    model_join_all();
    must_be(v, CLAIM_TIMEOUT);
    must_be(u, CLAIM_GRANT);
    gate_end(v->g, 0);
    model_cover(v->kind == CLAIM_GRANT ? "granted" : "late");
}

/* One after the other: a grant for one, then the end for all others. */
MODEL_SCENARIO(waiter_close_ends_all, .covers = "H16 S14",
               .goals = "first second")
{
    guest *v = guest_new(gate_new());
    guest *u = guest_new(v->g);
    model_spawn(comes, v);
    model_spawn(comes, u);
    gate_give(v->g);
    closes(v->g);
    model_join_all();
    must_be(v, CLAIM_CLOSE);
    must_be(u, CLAIM_CLOSE);
    MODEL_CHECK((v->kind == CLAIM_GRANT) != (u->kind == CLAIM_GRANT));
    gate_end(v->g, 0);
    model_cover(v->kind == CLAIM_GRANT ? "first" : "second");
}

/* Node and claim lie in the frame of a thread that ends right after it: the winner's last touch is
 * its post. */
MODEL_SCENARIO(waiter_frame_goes_after_the_post, .low = true, .exhaustive = true,
               .covers = "H7 S5 G3")
{
    guest *v = guest_new(gate_new());
    model_spawn(comes, v);
    gate_give(v->g);
    model_join_all();
    must_be(v, CLAIM_GRANT);
    gate_end(v->g, 0);
}

/* Whoever knows it alone claims and posts in one. */
typedef struct seat {
    model_word is_taken;
    waiter *sits;
    int value;
} seat;

static void grants_who_sits(void *arg)
{
    seat *s = arg;
    model_await(&s->is_taken, 1);
    s->value = 7;
    cconc__waiter_grant(s->sits, 3);
}

MODEL_SCENARIO(waiter_grant_by_one_who_knows_it_alone, .exhaustive = true, .covers = "H22")
{
    seat *s = model_zalloc(sizeof(*s));
    waiter w;
    model_spawn(grants_who_sits, s);
    cconc__waiter_arm(&w, NULL);
    s->sits = &w;
    model_set(&s->is_taken, 1);
    cconc__waiter_park(&w, false);
    MODEL_EQ(waiter_kind(&w), CLAIM_GRANT);
    MODEL_EQ(waiter_index(&w), 3);
    MODEL_EQ(s->value, 7);
    waiter_disarm(&w);
    model_join_all();
}

MODEL_SCENARIO(waiter_sleep_against_cancel, .exhaustive = true, .goals = "whole cancelled")
{
    cconc_ctx *ctx;
    int err;
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &ctx), 0);
    model_spawn(cancels, ctx);
    err = cconc__waiter_sleep(ctx, MODEL_START + 1000);
    MODEL_CHECK(err == ECANCELED || (err == 0 && model_now() >= MODEL_START + 1000));
    model_cover(err ? "cancelled" : "whole");
    model_join_all();
    cconc_ctx_free(ctx);
}

MODEL_SCENARIO(waiter_sleep_woken_for_nothing, .low = true, .exhaustive = true,
               .faults = MODEL_SPURIOUS, .covers = "S6", .goals = "spurious plain")
{
    MODEL_EQ(cconc__waiter_sleep(NULL, MODEL_START + 1000), 0);
    MODEL_CHECK(model_now() >= MODEL_START + 1000);
    model_cover(model_had_fault(MODEL_SPURIOUS) ? "spurious" : "plain");
}

/* In a forked child a wait is over before it begins. */
MODEL_SCENARIO(waiter_in_a_forked_child)
{
    guest *v = guest_new(gate_new());
    guest *u = guest_new(v->g);
    model_spawn(comes, u);
    model_until_parked(1);
    model_fork();
    v->withdraws = model_choose(2) == 1;
    MODEL_EQ(cconc__waiter_sleep(NULL, MODEL_START + 1000), ENOTRECOVERABLE);
    comes(v);
    MODEL_EQ(v->kind, CLAIM_FORKED);
}
