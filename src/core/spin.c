/* spin.c - how long to look before sleeping
 * SPDX-License-Identifier: MIT
 *
 * Idea        To spin for as long as a sleep and wake-up would cost is never worse than twice the
 *             best choice (Karlin, Manasse, McGeoch, Owicki 1990). That cost is measured, not
 *             assumed: it is some microseconds on bare metal and a hundred in a virtual machine. A
 *             short phase of pauses catches a peer that runs on another core; a long phase yields
 *             the CPU between looks, so that a peer that waits for our CPU gets it. Each thread
 *             learns which phase helps: pauses become fewer where yields are what helps, and yields
 *             are left out where they fail, or where the CPU comes back late because other programs
 *             want it.
 * Invariants  I1 One CPU: nobody spins.
 *             I2 A thread whose long phases keep failing stops having them, but for one in
 *                SPIN_RETRY, so that a blocked program becomes quiet. Each of these that gives the
 *                CPU away for long doubles the number: a program that computes keeps it for
 *                milliseconds, where a sleeper that is woken has it at once.
 *             I3 Where a yield helps for long, one wait in SPIN_RESTING sleeps all the same: its
 *                wake-up lets the kernel place the thread on a CPU of its own.
 * Locks       None.
 * Ordering    None: what is looked at is ordered by who looks.
 * Lifetime    Spinners lie on stacks.
 * Rejected    A fixed number of pauses: a pause is 10 to 140 cycles, a sleep 1 to 100 us. */
#include "core/spin.h"

#include "plat/atomic.h"
#include "plat/clock.h"
#include "plat/cpu.h"

enum {
    SPIN_SHORT_LEAST = 4,     /* fewest */
    SPIN_CREDIT = 8,          /* failures in a row until the long phase is left out */
    SPIN_RETRY = 16,          /* of the waits without credit, one tries again */
    SPIN_LATE_MOST = 9,       /* how often that number is doubled */
    SPIN_RESTING = 256,       /* yields that helped, until a sleep instead */
    SPIN_COST_FIRST = 20000,  /* ns, until measured */
    SPIN_COST_LEAST = 5000,   /* ns */
    SPIN_COST_MOST = 100000,  /* ns */
    SPIN_SWITCH = 2000,       /* ns; a yield that takes longer has let another thread run */
    SPIN_YIELD_MOST = 500000, /* ns; one that takes longer has failed whatever came of it */
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
    *s = (spinner){.me = me};
    if (cconc__spin_cpus() == 1) {
        return;
    }
    if (me->yields >= SPIN_RESTING) {
        me->yields = 0;
        me->pauses = PLAT_CPU_PAUSES;
        return;
    }
    s->most = me->pauses < PLAT_CPU_PAUSES ? me->pauses : PLAT_CPU_PAUSES;
    s->has_long = true;
    if (me->spins >= SPIN_CREDIT) {
        uint32_t rest = (uint32_t)SPIN_RETRY << me->late;
        me->spins++;
        s->has_long = (me->spins - SPIN_CREDIT) % rest == 0;
    }
}

bool cconc__spin_again(spinner *s)
{
    int64_t now;
    s->rounds++;
    if (s->rounds <= s->most) {
        plat_cpu_relax();
        return true;
    }
    if (!s->has_long) {
        return false;
    }
    now = plat_clock_real();
    if (s->until_ns == 0) {
        uint32_t cost = atom_load_rlx(&park_cost); /* rlx: a hint */
        s->until_ns = now + (cost ? cost : SPIN_COST_FIRST);
    } else if (now >= s->until_ns) {
        return false;
    }
    s->yield_ns = now;
    plat_cpu_yield();
    return true;
}

/* A long phase has ended: was it the yield that helped, was it longer than it is worth? */
static void spin_learn_yield(spinner *s, bool found)
{
    self *me = s->me;
    int64_t took_ns = plat_clock_real() - s->yield_ns;
    if (took_ns >= SPIN_YIELD_MOST) {
        if (me->spins > SPIN_CREDIT && me->late < SPIN_LATE_MOST) {
            me->late++; /* it was a retry */
        }
        me->spins = SPIN_CREDIT;
    } else if (!found) {
        me->spins = me->spins < SPIN_CREDIT ? me->spins + 1 : SPIN_CREDIT;
    } else {
        me->spins = 0;
        me->late = 0;
        if (took_ns >= SPIN_SWITCH) {
            me->yields++;
            me->pauses = s->most / 2 > SPIN_SHORT_LEAST ? s->most / 2 : SPIN_SHORT_LEAST;
        } else {
            me->pauses = s->most < PLAT_CPU_PAUSES / 2 ? s->most * 2 : PLAT_CPU_PAUSES;
        }
    }
}

void cconc__spin_end(spinner *s, bool found)
{
    if (s->until_ns != 0) {
        spin_learn_yield(s, found);
    } else if (found && s->rounds > 0) { /* pauses help */
        s->me->pauses = s->most < PLAT_CPU_PAUSES / 2 ? s->most * 2 : PLAT_CPU_PAUSES;
        s->me->yields = 0;
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
    if (*rounds < PLAT_CPU_PAUSES && cconc__spin_cpus() > 1) {
        plat_cpu_relax();
    } else {
        plat_cpu_await(*rounds);
    }
}
