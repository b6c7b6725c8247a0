/* signal.h - hearing of signals outside of signal handlers
 * SPDX-License-Identifier: MIT
 *
 * While a signal is hooked its arrivals are noted and the descriptor given to cconc__signal_listen
 * is raised. Hook and unhook are called by one thread at a time.
 */
#ifndef PLAT_SIGNAL_H
#define PLAT_SIGNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plat/fd.h"

/* One above the largest signal number that can be hooked. */
#define PLAT_SIGNAL_END 65

/* What is asked for when no signals are: interrupt and terminate. */
extern const int    cconc__signal_defaults[];
extern const size_t cconc__signal_default_count;

/* Tell whether number is a signal that may be hooked at all. */
bool cconc__signal_may_hook(int number);

/* Give its name in words, such as "interrupt"; "signal" where there is none. */
const char *cconc__signal_name(int number);

/* From now on raise fd when a hooked signal arrives; NULL: no longer, and wait until no handler
 * still could. */
void cconc__signal_listen(const plat_fd *fd);

/* Note arrivals of number, keeping its disposition; undo that. Returns 0 or EINVAL. */
int  cconc__signal_hook(int number);
void cconc__signal_unhook(int number);

/* While on, arrivals of number count; the one that makes them exit_at or more ends the process with
 * 128 + its number. Calls of count_exits count. */
void     cconc__signal_count_exits(int number, bool on);
uint32_t cconc__signal_exit_arrivals(void);
void     cconc__signal_exit_at(uint32_t arrivals);

/* Tell whether number arrived since the last call. */
bool cconc__signal_take(int number);

/* Let the calling thread receive number. */
void cconc__signal_accept(int number);

#endif
