/* objpool_help.h - what the scenarios of object pools share.
 * SPDX-License-Identifier: MIT
 */
#ifndef OBJPOOL_HELP_H
#define OBJPOOL_HELP_H

#include "model.h"

#define THINGS 12

struct env;

/* An object. Its fields are of who has it: the pool orders one borrower before the next. */
typedef struct thing {
    struct env *e;
    uint32_t    number;
    uint32_t    uses;
    bool        is_lent;
    bool        is_gone;
} thing;

typedef struct env {
    cconc_objpool *pool;
    model_word     said;   /* between threads */
    model_word     next;   /* number of the next thing to be made */
    model_word     ended;  /* things that were destroyed */
    uint32_t       made;   /* after all threads were joined: as next */
    uint32_t       gone;   /* the same: as ended */
    int            fails;  /* what create returns, if not 0 */
    bool           refuses;/* reset does */
    thing         *got;    /* of the second thread */
    struct env    *other;  /* one more pool */
    thing          things[THINGS];
} env;

static inline int thing_create(void *user, void **out_object)
{
    env *e = user;
    thing *t;
    if (e->fails) {
        return e->fails;
    }
    t = &e->things[model_add(&e->next, 1)];
    MODEL_CHECK(!t->e);
    t->e = e;
    t->number = (uint32_t)(t - e->things);
    *out_object = t;
    return 0;
}

static inline int thing_reset(void *user, void *object)
{
    thing *t = object;
    MODEL_CHECK(t->e == user && t->is_lent && !t->is_gone);
    t->is_lent = false;
    return t->e->refuses ? EBUSY : 0;
}

static inline void thing_destroy(void *user, void *object)
{
    env *e = user;
    thing *t = object;
    MODEL_CHECK(!t->is_lent && !t->is_gone);
    t->is_gone = true;
    (void)model_add(&e->ended, 1);
}

/* A pool of things; callbacks that opts sets are kept. */
static inline env *env_new_with(cconc_objpool_opts opts, cconc_objpool_destroy_fn destroy)
{
    env *e = model_zalloc(sizeof(*e));
    opts.create = opts.create ? opts.create : thing_create;
    opts.reset = opts.reset ? opts.reset : thing_reset;
    opts.destroy = destroy;
    opts.size = sizeof(thing);
    opts.user = e;
    if (cconc_objpool_new(&opts, &e->pool) != 0) {
        MODEL_CHECK(model_had_fault(MODEL_NO_MEMORY) && !e->pool);
        MODEL_EQ(cconc_objpool_new(&opts, &e->pool), 0);
    }
    return e;
}

static inline env *env_new(cconc_objpool_opts opts)
{
    return env_new_with(opts, thing_destroy);
}

static inline thing *env_get(env *e)
{
    void *object = NULL;
    thing *t;
    MODEL_EQ(cconc_objpool_get(e->pool, &object), 0);
    t = object;
    MODEL_CHECK(t->e == e && !t->is_lent && !t->is_gone);
    t->is_lent = true;
    t->uses++;
    return t;
}

static inline void borrows(void *arg)
{
    env *e = arg;
    cconc_objpool_put(e->pool, env_get(e));
}

static inline void borrows_three(void *arg)
{
    env *e = arg;
    thing *t[3];
    for (int i = 0; i < 3; i++) {
        t[i] = env_get(e);
    }
    for (int i = 0; i < 3; i++) {
        cconc_objpool_put(e->pool, t[i]);
    }
}

static inline void gets(void *arg)
{
    env *e = arg;
    e->got = env_get(e);
}

static inline void puts_back(void *arg)
{
    env *e = arg;
    cconc_objpool_put(e->pool, e->got);
}

static inline void trims(void *arg)
{
    env *e = arg;
    cconc_objpool_trim(e->pool);
}

/* All threads were joined: bring the plain counts up to date. */
static inline void env_count(env *e)
{
    e->made = model_get(&e->next);
    e->gone = model_get(&e->ended);
}

static inline void env_free(env *e)
{
    cconc_objpool_free(e->pool);
    env_count(e);
}

#endif
