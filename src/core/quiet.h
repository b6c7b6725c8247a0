/* quiet.h - waiting until the library itself has nothing to do
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_QUIET_H
#define CORE_QUIET_H

#include <stdbool.h>

#include <cconc/base.h>

/* Say that something may have become idle. Called under no lock, after the change. */
void cconc__quiet_tell(void);

/* Wait until is_busy() is false. Returns 0, or the code with which ctx ended first. */
int cconc__quiet_wait(cconc_ctx *ctx, bool (*is_busy)(void));

/* Take the right to end the library's threads, which one thread at a time has; give it back. Others
 * wait for that with cconc__quiet_wait(). */
bool cconc__quiet_claim(void);
void cconc__quiet_release(void);
bool cconc__quiet_is_claimed(void);

/* In a forked child: nobody waits, nor has the right. */
void cconc__quiet_forked(void);

#endif
