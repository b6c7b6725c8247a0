/* ctx.h - what the files of the context share
 * SPDX-License-Identifier: MIT
 */
#ifndef PRIM_CTX_H
#define PRIM_CTX_H

#include <cconc/base.h>

/* Stop hearing signals for ctx, if it is a signal context, which is about to be ended: a signal
 * that has arrived is what ends it. */
void cconc__ctx_signal_leave(cconc_ctx *ctx);

#endif
