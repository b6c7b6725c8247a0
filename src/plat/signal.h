/* signal.h - hearing of signals outside of signal handlers
 * SPDX-License-Identifier: MIT
 *
 * While a signal is hooked its arrivals are noted and the descriptor given to cconc__signal_open is
 * raised. All but await are called by one thread at a time.
 */
#ifndef PLAT_SIGNAL_H
#define PLAT_SIGNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plat/atomic.h"
#include "plat/fd.h"

/* One above the largest signal number that can be hooked. */
#define PLAT_SIGNAL_END 65

/* What is asked for when no signals are: interrupt and terminate. */
#define PLAT_SIGNAL_DEFAULTS 2
extern const int cconc__signal_defaults[PLAT_SIGNAL_DEFAULTS];

/* Tell whether number is a signal that may be hooked at all. */
bool cconc__signal_may_hook(int number);

/* Give its name in words, such as "interrupt"; NULL where there is none. */
const char *cconc__signal_name(int number);

/* Hear of hooked signals from now on: raise fd when one arrives. One that all threads block is
 * heard too. Returns 0, or EMFILE, ENFILE or ENOMEM. */
int cconc__signal_open(const plat_fd *fd);

/* No longer, and wait until no handler still could. */
void cconc__signal_close(void);

/* Wait until fd is raised or a signal arrives; for the one thread that hears of them. Then note
 * what arrived though all threads block it. */
void cconc__signal_await(plat_fd *fd);
void cconc__signal_collect(void);

/* Note arrivals of number, keeping its disposition. Returns 0 or EINVAL. */
int cconc__signal_hook(int number);

/* Undo that, unless somebody has put a handler in the place of ours, and wait until all that came
 * to ours is noted; but a handler may just be about to begin. */
void cconc__signal_unhook(int number);

/* Have the disposition deal with number, which came to our handler after the hook was undone. */
void cconc__signal_pass_on(int number);

/* Whoever wants the second of its hooked signals to end the process with 128 + its number.
 *
 * Key  (i) immutable while added  (a) atomic */
typedef struct signal_exit {
    uint64_t numbers;  /* (i) bit n - 1 for signal n */
    atom_u32 arrivals; /* (a) since added */
    atom_ptr next;     /* (a) among the added [sig.1] */
} signal_exit;

/* Count arrivals for one from now on; no longer, and its memory is the caller's again. */
void cconc__signal_exit_add(signal_exit *one);
void cconc__signal_exit_remove(signal_exit *one);

/* In a forked child: nothing is hooked any more, and every signal meets the disposition that its
 * hook had found. is_open: cconc__signal_open had come back, and close was not called. */
void cconc__signal_forked(bool is_open);

/* Tell whether number has arrived since it was taken, or hooked; take it. */
bool cconc__signal_has(int number);
bool cconc__signal_take(int number);

#endif
