/* claim.pml - the claim word: who decides how a wait ends, and who wakes (src/core/waiter.c)
 * SPDX-License-Identifier: MIT
 *
 * Actors      An owner that waits twice, each time with a waiter of its own, with a deadline or
 *             none, and may take itself out; one who releases two permits; one who ends the ctx.
 * Checked     Each wait ends (a lost wake is a deadlock). No permit is lost or made. No wake stays
 *             in the parker. Nobody touches a waiter that its owner has left.
 * Bounds      The parker is one step: parker.pml looks inside. One node at object and context.
 * Wrong       timeout_stored   the owner past its deadline stores its claim
 *             parked_stored    the owner adds PARKED without looking for POSTED
 *             unposted         an owner whose own claim has lost leaves before the post
 *             always_unpark    the post unparks an owner that has not said PARKED
 *             kept_back        who loses a claim does not pass its permit on
 *             context_first    the owner that settles believes the context, not the claim word
 *             claim_unlocked   who releases claims after it has left the object's lock
 */
mtype:wrong = { none, timeout_stored, parked_stored, unposted, always_unpark, kept_back,
                context_first, claim_unlocked };
#define WAITING 0 /* the bits of waiter.h */
#define GRANT 1
#define CANCEL 4
#define TIMEOUT 5
#define SELF 6
#define KIND 7
#define PARKED 8
#define POSTED 16

byte claim[2];
bool alive[2];                     /* the owner's frame, which has the waiter */
bool mu, queued, ctx_mu, watching; /* the object's queue, the context's watchers */
byte waits, watches;               /* whose node is there */
bool ended, wake;                  /* wake: what is in the owner's parker */
byte permits, acquired, released, gone;

inline lock(m) { atomic { !m -> m = true } }                          /* lock_take() */

inline claim_as(x, kind) {                                            /* waiter_claim() */
    atomic { seen = claim[x]; assert(alive[x]) }
    do
    :: (seen & KIND) != WAITING -> won = false; break
    :: else ->
        atomic { won = (claim[x] == seen); assert(alive[x]);
                 if :: won -> claim[x] = seen | kind :: else -> seen = claim[x] fi }
        if :: won -> break :: else fi
    od
}

inline post(x) {                                                      /* waiter_post() */
    atomic { seen = claim[x]; claim[x] = seen | POSTED; assert(alive[x] && !(seen & POSTED)) }
    if
    :: (seen & PARKED) || WRONG == always_unpark -> atomic { assert(!wake); wake = true }
    :: else                                                           /* cconc__parker_unpark() */
    fi
}

inline say_parked(x) {                                                /* waiter_say_parked() */
    seen = claim[x];
    do
    :: (seen & POSTED) && WRONG != parked_stored -> won = false; break
    :: else ->
        atomic { won = (claim[x] == seen || WRONG == parked_stored);
                 if :: won -> claim[x] = claim[x] | PARKED :: else -> seen = claim[x] fi }
        if :: won -> break :: else fi
    od
}

inline sleep_on() { atomic { wake -> wake = false } }                 /* waiter_sleep_on() */

inline take_post(x) {                                              /* cconc__waiter_take_post() */
    if
    :: WRONG == unposted
    :: WRONG != unposted && (claim[x] & POSTED)                       /* waiter_is_posted() */
    :: else -> say_parked(x); if :: won -> sleep_on() :: else fi
    fi
}

inline sleep(x) {                                                     /* waiter_sleep() */
    say_parked(x);
    if
    :: !won
    :: won && wake -> wake = false                                    /* cconc__parker_park() */
    :: won && has_deadline && !wake ->
        if :: WRONG == timeout_stored -> claim[x] = TIMEOUT
           :: else -> claim_as(x, TIMEOUT); if :: won :: else -> sleep_on() fi fi
    fi
}

inline park(x) {                                                      /* cconc__waiter_park() */
    lock(ctx_mu);                                                     /* cconc__node_watch() */
    won = !ended; if :: won -> watching = true; watches = x :: else fi; ctx_mu = false;
    if
    :: !won -> claim_as(x, CANCEL); if :: won :: else -> take_post(x) fi
    :: else -> sleep(x); lock(ctx_mu); watching = false; ctx_mu = false /* cconc__node_unwatch() */
    fi
}

active proctype owner() {                                             /* cconc_sem_acquire() */
    byte x, seen;
    bool won, has_deadline;
    do
    :: x < 2 ->
        claim[x] = WAITING; alive[x] = true; assert(!wake);           /* cconc__waiter_arm() */
        if :: has_deadline = true :: has_deadline = false fi;
        lock(mu);
        if :: permits > 0 -> permits--; acquired++; mu = false
        :: else ->
            queued = true; waits = x; mu = false;                     /* waitq_push_back() */
            if
            :: park(x)
            :: (claim[x] & POSTED) != 0                               /* cconc__waiter_spin() */
            :: claim_as(x, SELF);                                     /* cconc__waiter_withdraw() */
               if :: won :: else -> take_post(x) fi
            fi;
            lock(mu); queued = false; mu = false;                     /* waitq_remove() */
            won = (claim[x] & KIND) == GRANT && !(WRONG == context_first && ended);
            if :: won -> acquired++ :: else fi
        fi;
        alive[x] = false; x++
    :: else -> break
    od;
    gone == 2 -> assert(acquired + permits == released && !wake)
}

active proctype releaser() {                                          /* cconc_sem_release() */
    byte x, seen;
    bool won;
    do
    :: released < 2 ->
        lock(mu);
        won = queued; x = waits; queued = false; released++;
        if :: WRONG == claim_unlocked -> mu = false :: else fi;
        if :: won -> claim_as(x, GRANT) :: else fi;                   /* waiter_claim_first() */
        if :: !won && WRONG != kept_back -> permits++ :: else fi;
        if :: WRONG != claim_unlocked -> mu = false :: else fi;
        if :: won -> post(x) :: else fi /* cconc__waiter_wake_batch() */
    :: else -> break
    od;
    gone++
}

active proctype canceller() {                                         /* cconc__node_end() */
    byte x, seen;
    bool won;
    lock(ctx_mu);
    won = watching; x = watches; watching = false;
    if :: won -> claim_as(x, CANCEL) :: else fi; /* node_end_watchers_locked() */
    ended = true; ctx_mu = false;
    if :: won -> post(x) :: else fi;             /* cconc__waiter_wake_batch() */
    gone++
}
