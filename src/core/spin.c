/* spin.c - how long to look before sleeping
 * SPDX-License-Identifier: MIT
 *
 * Idea        To spin for as long as a sleep and wake-up would cost is never worse than twice the
 *             best choice (Karlin, Manasse, McGeoch, Owicki 1990). That cost is measured, not
 *             assumed: it is some microseconds on bare metal and a hundred in a virtual machine. A
 *             short phase of pauses catches a peer that runs on another core; a long phase yields
 *             the CPU between looks, so that a peer that waits for our CPU gets it.
 * Invariants  I1 One CPU: nobody spins.   I2 A thread whose long phases keep failing stops having
 *                them, but for one in SPIN_RETRY, so that a blocked program becomes quiet.
 * Locks       None.
 * Ordering    None: what is looked at is ordered by who looks.
 * Lifetime    Spinners lie on stacks.
 * Rejected    A fixed number of pauses: a pause is 10 to 140 cycles, a sleep 1 to 100 us. */
#include "core/spin.h"

#include "plat/atomic.h"
#include "plat/clock.h"
#include "plat/cpu.h"

enum {
    SPIN_SHORT = 100,         /* pauses of the short phase */
    SPIN_CREDIT = 8,          /* failures in a row until the long phase is left out */
    SPIN_RETRY = 16,          /* of the waits without credit, one tries again */
    SPIN_COST_FIRST = 20000,  /* ns, until measured */
    SPIN_COST_LEAST = 5000,   /* ns */
    SPIN_COST_MOST = 100000,  /* ns */
};

static atom_u32 cpus;      /* (a) 0 = not counted yet */
static atom_u32 park_cost; /* (a) ns, a moving average; 0 = not measured yet */

uint32_t cconc__spin_cpus(void)
{
    uint32_t count = atom_load_rlx(&cpus); /* rlx: every thread would count the same */
    if (count == 0) {
        count = cconc__cpu_count();
        atom_store_rlx(&cpus, count); /* rlx: as above */
    }
    return count;
}

void cconc__spin_begin(spinner *s, self *me)
{
    s->me = me;
    s->until_ns = 0;
    s->rounds = 0;
    s->most = cconc__spin_cpus() > 1 ? SPIN_SHORT : 0;
    s->has_long = s->most > 0;
    if (s->has_long && me->spins >= SPIN_CREDIT) {
        me->spins++;
        s->has_long = me->spins % SPIN_RETRY == 0;
    }
}

bool cconc__spin_again(spinner *s)
{
    if (s->rounds < s->most) {
        s->rounds++;
        plat_cpu_relax();
        return true;
    }
    if (!s->has_long) {
        return false;
    }
    if (s->until_ns == 0) {
        uint32_t cost = atom_load_rlx(&park_cost); /* rlx: a hint */
        s->until_ns = plat_clock_now() + (cost ? cost : SPIN_COST_FIRST);
    } else if (plat_clock_now() >= s->until_ns) {
        return false;
    }
    plat_cpu_yield();
    return true;
}

void cconc__spin_end(spinner *s, bool found)
{
    if (s->until_ns == 0) {
        return;
    }
    if (found) {
        s->me->spins = 0;
    } else if (s->me->spins < SPIN_CREDIT) {
        s->me->spins++;
    }
}

void cconc__spin_learn(int64_t took_ns)
{
    uint32_t old = atom_load_rlx(&park_cost); /* rlx: a lost update costs one sample */
    int64_t cost = took_ns;
    if (cost < SPIN_COST_LEAST) {
        cost = SPIN_COST_LEAST;
    } else if (cost > SPIN_COST_MOST) {
        cost = SPIN_COST_MOST;
    }
    if (old != 0) {
        cost = (int64_t)old + (cost - (int64_t)old) / 8;
    }
    atom_store_rlx(&park_cost, (uint32_t)cost); /* rlx: as above */
}

void cconc__spin_moment(uint32_t *rounds)
{
    (*rounds)++;
    if (*rounds < SPIN_SHORT && cconc__spin_cpus() > 1) {
        plat_cpu_relax();
    } else {
        plat_cpu_yield();
    }
}
