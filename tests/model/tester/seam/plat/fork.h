/* fork.h - telling a forked child from its parent, under the tester.
 * SPDX-License-Identifier: MIT
 */
#ifndef MODEL_SEAM_FORK_H
#define MODEL_SEAM_FORK_H

#include <stdbool.h>
#include <stdint.h>

#include "model_seam.h"
#include "plat/atomic.h"

static inline bool plat_fork_is_ours(void)
{
    return model_fork_is_ours();
}

void     cconc__fork_adopt(void);
uint32_t cconc__fork_number(void);

#endif
