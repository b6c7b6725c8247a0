/* flight_help.h - what the scenarios of flights share.
 * SPDX-License-Identifier: MIT
 */
#ifndef FLIGHT_HELP_H
#define FLIGHT_HELP_H

#include "model.h"

#define PARTS 4

/* What a run makes. Its destruction comes after every use of it, so both fields are plain. */
typedef struct item {
    uint32_t payload;
    uint32_t destroyed;
} item;

struct env;

/* One caller's part. */
typedef struct part {
    struct env *e;
    uint32_t    number;
    const char *key;     /* one byte */
    cconc_ctx  *ctx;
    int         fails;   /* what its function returns */
    bool        exits;   /* its function ends its thread */
    model_word  dropped;
    model_word  answers; /* that its handle has got */
    uint32_t    noted;   /* an operation of a history */
    bool        ran;     /* its function was called; ordered by the flight for who has the result */
    item        made;
    int         code;
    cconc_flight_result *result;
    cconc_flight_call   *call;
} part;

typedef struct env {
    cconc_flight *set;
    cconc_ctx    *ctx;
    cconc_ctx    *other;
    model_word    runs;
    model_word    go;    /* what functions that take their time wait for */
    model_word    ended;
    model_word    inside; /* functions that run */
    part          parts[PARTS];
} env;

static inline void item_destroy(void *value)
{
    item *it = value;
    MODEL_EQ(it->destroyed, 0);
    it->destroyed++;
}

static inline env *env_new(cconc_flight_opts opts)
{
    env *e = model_zalloc(sizeof(*e));
    opts.destroy = item_destroy;
    MODEL_EQ(cconc_flight_new(&opts, &e->set), 0);
    for (uint32_t i = 0; i < PARTS; i++) {
        e->parts[i].e = e;
        e->parts[i].number = i;
        e->parts[i].key = "a";
    }
    return e;
}

static inline void part_drop(void *arg)
{
    part *p = arg;
    MODEL_EQ(model_add(&p->dropped, 1), 0);
}

/* The function of a flight: makes the part's item. */
static inline int part_load(cconc_ctx *ctx, void *arg, void **out_value)
{
    part *p = arg;
    (void)ctx;
    p->ran = true;
    (void)model_add(&p->e->runs, 1);
    p->made.payload = 7 + p->number;
    *out_value = &p->made;
    if (p->exits) {
        model_exit_thread();
    }
    return p->fails;
}

/* Blocks in the library, so that the executor lets another thread in. */
static inline int load_when_other_ends(cconc_ctx *ctx, void *arg, void **out_value)
{
    MODEL_EQ(cconc_ctx_wait(((part *)arg)->e->other, NULL), 0);
    return part_load(ctx, arg, out_value);
}

static inline void part_do(void *arg)
{
    part *p = arg;
    p->code = cconc_flight_do(p->e->set, p->ctx, p->key, 1, part_load, p, part_drop, &p->result);
    MODEL_CHECK(p->code == 0 || !p->result);
}

static inline void env_cancel(void *arg)
{
    cconc_ctx_cancel(((env *)arg)->ctx);
}

static inline item *item_of(const part *p)
{
    return cconc_flight_result_value(p->result);
}

/* Give up what p has got, and see that it was whole until now. */
static inline void part_unref(part *p)
{
    if (p->code == 0) {
        item *it = item_of(p);
        MODEL_EQ(it->destroyed, 0);
        MODEL_CHECK(it->payload >= 7);
        cconc_flight_result_unref(p->result);
        p->result = NULL;
    }
}

/* Board without waiting, then wait. */
static inline void part_board(part *p)
{
    p->code = cconc_flight_do_async(p->e->set, p->ctx, p->key, 1, part_load, p, part_drop,
                                    &p->call);
}

static inline void part_wait(part *p, cconc_ctx *ctx)
{
    p->code = cconc_flight_wait(p->call, ctx, &p->result);
}

/* At the end: the library's threads end, and nothing is left to do. */
static inline void check_and_free(env *e)
{
    MODEL_EQ(cconc_shutdown(NULL), 0);
    for (int i = 0; i < PARTS; i++) {
        part *p = &e->parts[i];
        MODEL_CHECK(model_get(&p->dropped) <= 1);
        MODEL_EQ(p->made.destroyed, p->made.payload > 0);
    }
    cconc_flight_free(e->set);
}

#endif
