/* parker.pml - one thread sleeps, others wake it, the clock calls it (src/plat/parker.c)
 * SPDX-License-Identifier: MIT
 *
 * Actors      The owner parks twice, until a deadline, then for good if a waker had claimed before;
 *             a waker a round, or none, whose late steps overlap the next round; whoever moves the
 *             clock, real or virtual; whoever trims the owner's record when it is free.
 * Checked     Each round ends (a lost wake or call is a deadlock), by a wake of its own if by one;
 *             no wake stays. The virtual clock's debts are paid. Nobody touches a parker that was
 *             released.
 * Bounds      Two spurious wakes. The system's clock may wake a timed wait, never one without end.
 * Wrong       signal_unlocked  the waker signals without having held mu
 *             leave_by_store   the owner leaves PARKED by a store instead of the compare-and-swap
 *             wakers_early     the waker counts itself out before it signals
 *             call_first       the virtual clock moves after it has called
 *             unchecked_wait   the owner does not look at the virtual clock under mu
 *             once             the owner takes whatever ends the wait for the wake
 */
mtype:wrong = { none, signal_unlocked, leave_by_store, wakers_early, call_first, unchecked_wait,
                once };
#define NEVER 9
#define EMPTY 0
#define PARKED 1
#define WOKEN 2

byte state = EMPTY, wakers, until = NEVER;
bool mu, in_wait, is_due, records_mu; /* in_wait: the owner is inside the condition variable */
bool is_virtual, released;            /* released: the memory is gone */
byte now, round, claimed, unparked, owed, spurious = 2;

inline lock() { atomic { !mu -> mu = true; assert(!released) } }      /* plat_mutex_lock() */
inline unlock() { atomic { mu = false; assert(!released) } }          /* plat_mutex_unlock() */
inline signal() { atomic { in_wait = false; assert(!released) } }     /* cconc__cond_signal() */
inline waker_goes() { atomic { wakers--; assert(!released) } }        /* cconc__parker_unpark() */

inline poll() {                                                       /* parker_poll() */
    woken = (state == WOKEN);
    if :: woken -> state = EMPTY :: else fi
}

inline wait_once(deadline) {                                          /* parker_wait() */
    in_time = now < deadline || (WRONG == unchecked_wait && is_virtual);
    if
    :: in_time ->
        atomic { mu = false; in_wait = true }                         /* cconc__cond_wait() */
        if
        :: !in_wait
        :: atomic { in_wait && spurious > 0 -> spurious--; in_wait = false }
        :: atomic { in_wait && !is_virtual && now >= deadline -> in_wait = false }
        fi;
        lock()
    :: else
    fi
}

inline leave() {                                                      /* parker_leave() */
    atomic {
        swapped = (state == PARKED || WRONG == leave_by_store);
        if :: swapped -> state = EMPTY :: else fi
    }
    if :: swapped -> woken = false :: else -> poll() fi
}

inline park(deadline) {                                               /* parker_sleep() */
    lock();
    atomic { swapped = (state == EMPTY); if :: swapped -> state = PARKED :: else fi }
    if
    :: !swapped -> until = NEVER; unlock(); poll()
    :: else ->
        until = deadline;
        do
        :: wait_once(deadline);
           poll();
           woken = woken || WRONG == once;
           if :: woken -> break :: !woken && !in_time -> leave(); break :: else fi
        od;
        until = NEVER;
        unlock()
    fi
}

proctype owner() {                                                    /* waiter_sleep() */
    bool woken, in_time, swapped;
    do
    :: round < 2 ->
        assert(state == EMPTY); /* no wake of an earlier round is left */
        round++;                /* from here on its waker may come */
        park(round);
        atomic { if :: !woken && claimed < round -> claimed = round; swapped = true
                 :: else -> swapped = false fi }                      /* waiter_claim() */
        do
        :: woken || swapped -> break
        :: else -> park(NEVER); swapped = false                       /* waiter_sleep_on() */
        od;
        assert(!woken || unparked == round);
        atomic { if :: is_due -> is_due = false; owed-- :: else fi }  /* parker_take_due() */
    :: else -> break
    od;
    atomic { wakers == 0 && !records_mu -> released = true } /* self_forget(), parker_is_in_use() */
}

proctype waker(byte mine) {                                           /* cconc__parker_unpark() */
    bool slept;
    if :: atomic { round == mine && claimed < mine -> claimed = mine } :: goto stays_away fi;
    atomic { wakers++; assert(!released) }
    atomic { slept = (state == PARKED); state = WOKEN; unparked = mine }
    if :: WRONG == wakers_early -> waker_goes() :: else fi;
    if
    :: slept ->
        if :: WRONG != signal_unlocked -> lock(); unlock() :: else fi;
        signal()
    :: else
    fi;
    if :: WRONG != wakers_early -> waker_goes() :: else fi;
stays_away:
    skip
}

proctype clock() {                                                    /* clock_advance_to() */
    bool calls;
    do
    :: now < 2 ->
        if :: WRONG != call_first -> now++ :: else fi;                /* cconc__clock_set() */
        calls = false;
        atomic { !records_mu -> records_mu = true }                   /* cconc__self_call() */
        if
        :: is_virtual && !released ->
            lock();                                                   /* cconc__parker_call() */
            calls = until != NEVER && until <= now + (WRONG == call_first) && !is_due;
            if :: calls -> is_due = true; wakers++; owed++ :: else fi;
            unlock()
        :: else
        fi;
        records_mu = false;
        if :: calls -> signal(); waker_goes() :: else fi;             /* cconc__parker_ring() */
        if :: WRONG == call_first -> now++ :: else fi
    :: else -> break
    od;
    released -> assert(owed == 0 && wakers == 0)
}

init {
    atomic {
        if :: is_virtual = false :: is_virtual = true fi;
        run owner(); run clock(); run waker(1); run waker(2)
    }
}
