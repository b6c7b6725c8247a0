/* timer.h - what the two files of timers share
 * SPDX-License-Identifier: MIT
 */
#ifndef PRIM_TIMER_H
#define PRIM_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include <cconc/timer.h>

/* Make a function timer and start it. Returns 0, ENOMEM or ENOTRECOVERABLE. */
int cconc__timer_func_new(int64_t delay_ns, cconc_timer_fn fn, void *arg, cconc_timer **out_timer);

/* These are for function timers alone. Stop; start anew. Returns true if that prevented a run. */
bool cconc__timer_func_stop(cconc_timer *t);
bool cconc__timer_func_reset(cconc_timer *t, int64_t due_ns);

/* Wait until no function runs, but for that of the calling thread. */
void cconc__timer_func_wait(cconc_timer *t);

/* Stop, wait, and drop the user's reference. */
void cconc__timer_func_free(cconc_timer *t);

#endif
