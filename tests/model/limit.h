/* limit.h - contexts by which the waits of scenarios end.
 * SPDX-License-Identifier: MIT
 */
#ifndef LIMIT_H
#define LIMIT_H

#include "model.h"

/* One that ends with parent, which may be NULL, or delay_ns from the start. It needs no free, nor
 * the timer service. */
static inline cconc_ctx *limit(cconc_ctx *parent, int64_t delay_ns)
{
    cconc_ctx_mem *mem = model_zalloc(sizeof(*mem));
    return cconc_ctx_until(mem, parent, MODEL_START + delay_ns);
}

#endif
