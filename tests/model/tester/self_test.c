/* self_test.c - small programs with faults: each detector and each rule of the tester fires on one.
 * SPDX-License-Identifier: MIT
 */
#include "model.h"

#include "plat/alloc.h"
#include "plat/atomic.h"
#include "plat/mutex.h"
#include "plat/parker.h"

typedef struct shared {
    plat_mutex a;
    plat_mutex b;
    plat_cond  cond;
    atom_u32   x;
    atom_u32   y;
    parker     parker;
    uint32_t   seen[2];
    uint32_t   plain;
} shared;

static shared *shared_new(void)
{
    shared *s = model_zalloc(sizeof(*s));
    (void)cconc__mutex_init(&s->a);
    (void)cconc__mutex_init(&s->b);
    (void)cconc__cond_init(&s->cond);
    (void)cconc__parker_init(&s->parker);
    return s;
}

static void increments(void *arg)
{
    shared *s = arg;
    uint32_t x = atom_load_rlx(&s->x);
    atom_store_rlx(&s->x, x + 1);
}

MODEL_SCENARIO(self_lost_update, .finds = MODEL_WRONG, .finds_bound = 1)
{
    shared *s = shared_new();
    model_spawn(increments, s);
    model_spawn(increments, s);
    model_join_all();
    MODEL_EQ(atom_load_rlx(&s->x), 2);
}

MODEL_SCENARIO(self_lost_update_all, .finds = MODEL_WRONG, .exhaustive = true)
{
    shared *s = shared_new();
    model_spawn(increments, s);
    model_spawn(increments, s);
    model_join_all();
    MODEL_EQ(atom_load_rlx(&s->x), 2);
}

static void locks_ab(void *arg)
{
    shared *s = arg;
    plat_mutex_lock(&s->a);
    plat_mutex_lock(&s->b);
    plat_mutex_unlock(&s->b);
    plat_mutex_unlock(&s->a);
}

static void locks_ba(void *arg)
{
    shared *s = arg;
    plat_mutex_lock(&s->b);
    plat_mutex_lock(&s->a);
    plat_mutex_unlock(&s->a);
    plat_mutex_unlock(&s->b);
}

MODEL_SCENARIO(self_lock_order, .finds = MODEL_DEADLOCK, .finds_bound = 1)
{
    shared *s = shared_new();
    model_spawn(locks_ab, s);
    model_spawn(locks_ba, s);
    model_join_all();
}

MODEL_SCENARIO(self_lock_order_all, .finds = MODEL_DEADLOCK, .exhaustive = true)
{
    shared *s = shared_new();
    model_spawn(locks_ab, s);
    model_spawn(locks_ba, s);
    model_join_all();
}

/* The races before the rest are searched, whoever has the last step. */
MODEL_SCENARIO(self_rest_all, .finds = MODEL_WRONG, .exhaustive = true)
{
    shared *s = shared_new();
    model_spawn(increments, s);
    increments(s);
    model_rest();
    MODEL_EQ(atom_load_rlx(&s->x), 2);
}

static void sleeps(void *arg)
{
    shared *s = arg;
    s->plain = cconc__parker_park(&s->parker, MODEL_START + 1000) ? 1 : 2;
}

/* Time may pass before all have settled, too. */
MODEL_SCENARIO(self_settle_all, .finds = MODEL_WRONG, .exhaustive = true)
{
    shared *s = shared_new();
    model_spawn(sleeps, s);
    model_settle();
    MODEL_EQ(s->plain, 0);
    (void)cconc__parker_unpark(&s->parker);
    model_join_all();
}
