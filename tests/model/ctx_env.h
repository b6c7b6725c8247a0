/* ctx_env.h - a root, what hangs below it, and what threads saw of them.
 * SPDX-License-Identifier: MIT
 */
#ifndef MODEL_CTX_ENV_H
#define MODEL_CTX_ENV_H

#include "model.h"

typedef struct env {
    cconc_ctx *root;
    cconc_ctx *child;
    cconc_ctx *other;
    cconc_ctx *made;
    int err[4];
    int code[4];
    int destroyed;
} env;

static inline env *env_new(void)
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->root), 0);
    return e;
}

static inline env *env_new_with_child(void)
{
    env *e = env_new();
    MODEL_EQ(cconc_ctx_with_cancel(e->root, &e->child), 0);
    return e;
}

static inline void check_end(cconc_ctx *ctx, int err, int code)
{
    MODEL_EQ(cconc_ctx_err(ctx), err);
    MODEL_EQ(cconc_ctx_cause(ctx, NULL), code);
}

#endif
