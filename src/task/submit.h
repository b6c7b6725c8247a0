/* submit.h - what groups ask of pools beyond their public calls
 * SPDX-License-Identifier: MIT
 */
#ifndef TASK_SUBMIT_H
#define TASK_SUBMIT_H

#include <cconc/pool.h>

/* cconc_pool_submit_task that waits no longer than also either, a context with a tree, or NULL. */
int cconc__pool_submit_also(cconc_pool *p, cconc_ctx *ctx, cconc_ctx *also, cconc_pool_task *task);

#endif
