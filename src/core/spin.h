/* spin.h - how long to look before sleeping
 * SPDX-License-Identifier: MIT
 *
 *     cconc__spin_begin(&s, me);
 *     do {
 *         found = look;
 *     } while (!found && cconc__spin_again(&s));
 *     cconc__spin_end(&s, found);
 */
#ifndef CORE_SPIN_H
#define CORE_SPIN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/self.h"

typedef struct spinner {
    self    *me;
    int64_t  until_ns; /* end of the long phase, 0 = not begun */
    uint32_t rounds;   /* how often it has looked */
    uint32_t most;     /* rounds of the short phase */
    bool     has_long; /* a long phase follows */
    int64_t  yield_ns; /* when the last yield began */
} spinner;

void cconc__spin_begin(spinner *s, self *me);

/* Pass a moment. Returns false when it is time to sleep. */
bool cconc__spin_again(spinner *s);

/* Tell whether looking was enough. */
void cconc__spin_end(spinner *s, bool found);

/* Tell how long a wake-up took, from the waker's post to the owner's return. */
void cconc__spin_learn(int64_t took_ns);

/* Pass a moment in a wait that only a descheduled thread can make long. */
void cconc__spin_moment(uint32_t *rounds);

/* Tell how many CPUs the process may use. */
uint32_t cconc__spin_cpus(void);

#endif
