/* select.c - the cells of select: cases that are ready, none ready, producers beside a context
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

#include <errno.h>

/* Two channels and a context; the loads use what they need. */
struct pair {
    cconc_chan *a;
    cconc_chan *b;
    cconc_ctx  *ctx;
};

static struct pair pair_make(size_t cap)
{
    struct pair p;
    BENCH(cconc_chan_new(sizeof(uint64_t), cap, &p.a));
    BENCH(cconc_chan_new(sizeof(uint64_t), cap, &p.b));
    BENCH(cconc_ctx_with_cancel(NULL, &p.ctx));
    return p;
}

static void pair_free(struct pair *p)
{
    cconc_chan_free(p->a);
    cconc_chan_free(p->b);
    cconc_ctx_free(p->ctx);
}

static uint64_t two_ready(uint64_t ops)
{
    struct pair p = pair_make(1);
    for (uint64_t i = 0; i < ops; i++) {
        uint64_t value = 1;
        size_t fired;
        BENCH(cconc_chan_send(p.a, NULL, &value));
        cconc_select_case cases[] = {cconc_select_recv(p.a, &value),
                                     cconc_select_recv(p.b, &value)};
        BENCH(cconc_select(cases, 2, 0, &fired));
        bench_sink += value;
    }
    pair_free(&p);
    return ops;
}

static uint64_t none_ready(uint64_t ops)
{
    struct pair p = pair_make(1);
    for (uint64_t i = 0; i < ops; i++) {
        uint64_t value = 0;
        size_t fired;
        cconc_select_case cases[] = {cconc_select_recv(p.a, &value),
                                     cconc_select_recv(p.b, &value)};
        if (cconc_select(cases, 2, CCONC_SELECT_TRY, &fired) == EAGAIN) {
            bench_sink++;
        }
    }
    pair_free(&p);
    return ops;
}

struct producer {
    cconc_chan *ch;
    cconc_ctx  *ctx; /* NULL = send without one */
    uint64_t    count;
    bool        closes; /* when it is done */
};

static int producer_run(cconc_ctx *ctx, void *arg)
{
    const struct producer *p = arg;
    uint64_t value = 1;
    (void)ctx;
    for (uint64_t i = 0; i < p->count; i++) {
        BENCH(cconc_chan_send(p->ch, p->ctx, &value));
    }
    if (p->closes) {
        BENCH(cconc_chan_close(p->ch));
    }
    return 0;
}

static uint64_t two_producers(uint64_t ops)
{
    struct pair p = pair_make(64);
    uint64_t each = bench_share(ops, 2);
    struct producer producers[] = {{p.a, NULL, each, false}, {p.b, NULL, each, false}};
    cconc_group *group;
    BENCH(cconc_group_new(NULL, NULL, &group));
    BENCH(cconc_group_go(group, NULL, producer_run, &producers[0]));
    BENCH(cconc_group_go(group, NULL, producer_run, &producers[1]));
    for (uint64_t i = 0; i < 2 * each; i++) {
        uint64_t value;
        size_t fired;
        cconc_select_case cases[] = {cconc_select_recv(p.a, &value),
                                     cconc_select_recv(p.b, &value), cconc_select_done(p.ctx)};
        BENCH(cconc_select(cases, 3, 0, &fired));
        bench_sink += value;
    }
    BENCH(cconc_group_wait(group, NULL, NULL));
    cconc_group_free(group);
    pair_free(&p);
    return 2 * each;
}

static uint64_t send_or_ctx(uint64_t ops)
{
    struct pair p = pair_make(64);
    struct producer producer = {p.a, p.ctx, ops, true};
    cconc_group *group;
    uint64_t value;
    BENCH(cconc_group_new(NULL, NULL, &group));
    BENCH(cconc_group_go(group, NULL, producer_run, &producer));
    while (cconc_chan_recv(p.a, NULL, &value) == 0) {
        bench_sink += value;
    }
    BENCH(cconc_group_wait(group, NULL, NULL));
    cconc_group_free(group);
    pair_free(&p);
    return ops;
}

const struct bench_cell bench_select[] = {
    {"select_1t_2ready", 5000000, two_ready},
    {"select_1t_default", 5000000, none_ready},
    {"select_2prod_ctx", 2000000, two_producers},
    {"send_or_ctx_spsc_cap64", 2000000, send_or_ctx},
    {NULL, 0, NULL},
};
