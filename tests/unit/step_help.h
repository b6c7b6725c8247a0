/* step_help.h - what the tests share that stop a call in the middle
 * SPDX-License-Identifier: MIT
 */
#ifndef STEP_HELP_H
#define STEP_HELP_H

#include "unit.h"

#include <errno.h>
#include <stdatomic.h>

#include <cconc/cconc.h>

/* Run call with beside at each of its places; where no thread can be stopped, before and behind. */
static inline void step(support_body_fn before, support_body_fn call, support_body_fn beside,
                        support_body_fn after, void *arg)
{
    const struct support_step what = {before, call, beside, after};
    uint64_t rounds = support_step_sweep(&what, arg);
    assert_true(rounds > 0 || !support_can_step());
}

#endif
