/* clock.h - what the virtual clock has released, and waits for before it moves on
 * SPDX-License-Identifier: MIT
 *
 * A wait that ends on time owes until it is disarmed; a function that a timer started, or the end
 * of a context, until it returns or waits in the library. The calls are made under no lock.
 */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>

/* Count what has been released; each of it settles once. */
void cconc__clock_owe(size_t count);
void cconc__clock_settle(void);

/* On the timer service's thread: a function is about to be handed on. Returns true if it owes,
 * which it does on the virtual clock. */
bool cconc__clock_owe_function(void);

/* Begin and end such a function on the calling thread. */
void cconc__clock_begin(bool owes);
void cconc__clock_end(void);

/* In a forked child: nothing owes, and nobody moves the clock, which stands where it stood. */
void cconc__clock_forked(void);

#endif
