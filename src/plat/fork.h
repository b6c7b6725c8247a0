/* fork.h - telling a forked child from the process that it was forked from
 * SPDX-License-Identifier: MIT
 */
#ifndef PLAT_FORK_H
#define PLAT_FORK_H

#include <stdbool.h>
#include <stdint.h>

#include "plat/atomic.h"

#if defined(CCONC_PLAT_HEADER)
/* A port has no forks. */
static inline bool plat_fork_is_ours(void)
{
    return true;
}
#else
#define FORK_MARKED 1u

extern atom_ptr cconc__fork_mark; /* (a) an atom_u32 that a child finds empty, or NULL [fork.1] */

/* The same where the mark says no, or there is none: the first caller makes it. */
bool cconc__fork_look(void);

/* Is this the process whose objects these are? Not in a forked child, until it adopts them.
 * Async-signal-safe once it was called. */
static inline bool plat_fork_is_ours(void)
{
    atom_u32 *mark = atom_load_acq(&cconc__fork_mark); /* [fork.1] acq: the mark in it */
    /* rlx: it is written once, before it is shown; in a child the system has cleared it */
    return (mark && atom_load_rlx(mark) == FORK_MARKED) || cconc__fork_look();
}
#endif

/* The only thread of a forked child: it is a process of its own from now on. */
void cconc__fork_adopt(void);

/* How many processes in a row have done so: what was made under another number is an ancestor's. */
uint32_t cconc__fork_number(void);

#endif
