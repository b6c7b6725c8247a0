/* ctx.c - the cells of the context: made and cancelled, with a deadline, asked, in a wide tree
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

#include <stdlib.h>

#define MINUTE (60 * CCONC_SECOND)

static uint64_t new_cancel(uint64_t ops)
{
    cconc_ctx *root;
    BENCH(cconc_ctx_with_cancel(NULL, &root));
    for (uint64_t i = 0; i < ops; i++) {
        cconc_ctx *ctx;
        BENCH(cconc_ctx_with_cancel(root, &ctx));
        cconc_ctx_cancel(ctx);
        cconc_ctx_free(ctx);
    }
    cconc_ctx_free(root);
    return ops;
}

static uint64_t timeout_new_cancel(uint64_t ops)
{
    cconc_ctx *root;
    BENCH(cconc_ctx_with_cancel(NULL, &root));
    for (uint64_t i = 0; i < ops; i++) {
        cconc_ctx *ctx;
        BENCH(cconc_ctx_with_timeout(root, MINUTE, &ctx));
        cconc_ctx_cancel(ctx);
        cconc_ctx_free(ctx);
    }
    cconc_ctx_free(root);
    return ops;
}

static uint64_t ask(cconc_ctx *ctx, uint64_t ops)
{
    for (uint64_t i = 0; i < ops; i++) {
        if (cconc_ctx_err(ctx)) {
            bench_sink++;
        }
    }
    return ops;
}

static uint64_t err_live(uint64_t ops)
{
    cconc_ctx *ctx;
    BENCH(cconc_ctx_with_cancel(NULL, &ctx));
    ask(ctx, ops);
    cconc_ctx_free(ctx);
    return ops;
}

static uint64_t err_deep10(uint64_t ops)
{
    cconc_ctx *chain[11];
    for (int i = 0; i < 11; i++) {
        BENCH(cconc_ctx_with_cancel(i ? chain[i - 1] : NULL, &chain[i]));
    }
    ask(chain[10], ops);
    for (int i = 10; i >= 0; i--) {
        cconc_ctx_free(chain[i]);
    }
    return ops;
}

static uint64_t cancel_tree(uint64_t ops)
{
    cconc_ctx **children = malloc((size_t)ops * sizeof(*children));
    cconc_ctx *root;
    bench_check(children ? 0 : 1, "malloc");
    BENCH(cconc_ctx_with_cancel(NULL, &root));
    for (uint64_t i = 0; i < ops; i++) {
        BENCH(cconc_ctx_with_cancel(root, &children[i]));
    }
    cconc_ctx_cancel(root);
    for (uint64_t i = 0; i < ops; i++) {
        cconc_ctx_free(children[i]);
    }
    cconc_ctx_free(root);
    free(children);
    return ops;
}

const struct bench_cell bench_ctx[] = {
    {"ctx_new_cancel", 2000000, new_cancel},
    {"ctx_timeout_new_cancel", 1000000, timeout_new_cancel},
    {"ctx_err_live", 50000000, err_live},
    {"ctx_err_deep10", 50000000, err_deep10},
    {"ctx_cancel_tree_100k", 100000, cancel_tree},
    {NULL, 0, NULL},
};
