/* self_help.h - what the threads of the tester's self-tests share.
 * SPDX-License-Identifier: MIT
 */
#ifndef MODEL_SELF_HELP_H
#define MODEL_SELF_HELP_H

#include "model.h"

#include "plat/atomic.h"
#include "plat/mutex.h"
#include "plat/parker.h"

typedef struct shared {
    plat_mutex a;
    plat_mutex b;
    plat_cond  cond;
    parker     parker;
    atom_u32   x;
    atom_u32   y;
    model_word z;
    uint32_t   plain;
    uint32_t   order;
    uint32_t   seen[4];
    void      *memory;
} shared;

static inline shared *shared_new(void)
{
    shared *s = model_zalloc(sizeof(*s));
    (void)cconc__mutex_init(&s->a);
    (void)cconc__mutex_init(&s->b);
    (void)cconc__cond_init(&s->cond);
    (void)cconc__parker_init(&s->parker);
    return s;
}

#endif
