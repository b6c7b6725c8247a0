/* select.pml - how a select commits to one case (src/prim/select.c, src/prim/chan_meet.c)
 * SPDX-License-Identifier: MIT
 *
 * Actors      Three selects of two cases each on the rendezvous channels A and B. 0 and 1 want each
 *             other on both; 2, which has a deadline, wants what either has, or to send and receive
 *             on one channel.
 * Checked     Each select fires one case or none, and so does its partner: what was sent was
 *             received. When nobody can move, nobody is claimed but asleep, and no two who sleep
 *             want each other. No run goes on for ever. Nobody touches a select that has returned.
 * Bounds      All through the queues, as a select does; a claim is one step, and so are post and
 *             parker: claim.pml looks inside. Who is claimed first of a queue is not its oldest.
 * Wrong       unordered    1 queues at B before it queues at A
 *             self_late    a select claims its partner before it withdraws itself
 *             own_partner  a select takes its own node for a partner
 *             unposted     a select that finds itself claimed does not wait for the post
 *             still_queued a select leaves its nodes in the queues
 */
mtype:wrong = { none, unordered, self_late, own_partner, unposted, still_queued };
mtype:claim = { WAITING, GRANT, TIMEOUT, SELF };
mtype:enqueued = { QUEUED, AGAIN, FIRED, LOST };
#define A 0
#define B 1
#define SEND 0
#define RECV 1
#define NOBODY 3

bool in[12]; /* is the node of select t for direction d in c's queue? */
#define IN(t, c, d) in[(t) * 4 + (c) * 2 + (d)]
#define ANY(c, d) (IN(0, c, d) || IN(1, c, d) || IN(2, c, d))
#define MEET(i, j) (IN(i, A, SEND) && IN(j, A, RECV) || IN(i, B, SEND) && IN(j, B, RECV))
#define ASLEEP(i) (!here[i] || kind[i] == WAITING)
#define WILLING(i, c, d) (IN(i, c, d) && kind[i] == WAITING && (i != t || WRONG == own_partner))

mtype:claim kind[3];  /* the claim word, and the index in it: the channel will do */
byte index[3];
bool posted[3];
bool here[3];        /* the select's frame, which has waiter and nodes */
bool mu[2];
byte element[3];     /* received from whom, counted from 1 */
byte sent[2], received[2];

inline lock(c) { atomic { !mu[c] -> mu[c] = true } }                  /* lock_take() */

inline claim(w, as, c) {                                              /* waiter_claim() */
    atomic {
        assert(here[w]);
        won = (kind[w] == WAITING);
        if :: won -> kind[w] = as; index[w] = c :: else fi
    }
}

inline claim_peer(c, d) {                                             /* meet_claim_locked() */
    i = 0; peer = NOBODY;
    do
    :: i < 3 && peer == NOBODY ->
        if
        :: IN(i, c, d) && (i != t || WRONG == own_partner) ->
            claim(i, GRANT, c); IN(i, c, d) = false; if :: won -> peer = i :: else fi
        :: else
        fi;
        i++
    :: else -> break
    od
}

inline finish(d) {                                                    /* meet_finish() */
    assert(here[peer] && !posted[peer]);
    if :: d == SEND -> element[peer] = t + 1 :: else -> element[t] = peer + 1 fi;
    atomic { assert(here[peer]); posted[peer] = true }                /* waiter_post() */
}

inline attempt(c, d) {                                             /* cconc__chan_meet_attempt() */
    lock(c); claim_peer(c, 1 - d); mu[c] = false;
    if :: peer != NOBODY -> finish(d); fired = true; at = c :: else fi
}

inline enqueue(c, d) {                                             /* cconc__chan_meet_enqueue() */
    lock(c);
    if                                                                /* meet_look_locked() */
    :: WILLING(0, c, 1 - d) || WILLING(1, c, 1 - d) || WILLING(2, c, 1 - d) ->
        if :: WRONG == self_late -> claim_peer(c, 1 - d) :: else fi;
        claim(t, SELF, c);
        if
        :: !won -> queued = LOST
        :: else ->
            if :: WRONG != self_late -> claim_peer(c, 1 - d) :: else fi;
            queued = (peer == NOBODY -> AGAIN : FIRED)
        fi
    :: else -> IN(t, c, d) = true; queued = QUEUED
    fi;
    mu[c] = false;
    if
    :: queued == FIRED -> finish(d); fired = true; at = c
    :: queued == LOST && WRONG != unposted -> posted[t]            /* cconc__waiter_take_post() */
    :: else
    fi
}

inline leave(c, d) {                                                  /* cconc__chan_meet_leave() */
    if :: WRONG != still_queued -> lock(c); IN(t, c, d) = false; mu[c] = false :: else fi
}

proctype caller(byte t, c0, d0, c1, d1; bool until) {                 /* select_block() */
    byte i, peer, at;
    bool won, fired;
    mtype:enqueued queued;
    do
    :: !fired && kind[t] != TIMEOUT ->
        if                                                            /* select_look() */
        :: ANY(c0, 1 - d0) -> attempt(c0, d0)
        :: ANY(c1, 1 - d1) -> attempt(c1, d1)
        :: else ->
            kind[t] = WAITING; posted[t] = false; here[t] = true;     /* cconc__waiter_arm() */
            enqueue(c0, d0);                                          /* select_enqueue_all() */
            if :: queued == QUEUED -> enqueue(c1, d1) :: else fi;
            if
            :: queued == QUEUED ->
end_park:       if                                                    /* cconc__waiter_park() */
                :: posted[t]
                :: until -> claim(t, TIMEOUT, 0); if :: won :: else -> posted[t] fi
                fi
            :: else
            fi;
            if :: kind[t] == GRANT -> fired = true; at = index[t] :: else fi; /* select_settle() */
            leave(c0, d0); leave(c1, d1); here[t] = false
        fi
    :: else -> break
    od;
progress_fired:
    atomic { if :: fired && element[t] == 0 -> sent[at]++
                :: fired && element[t] != 0 -> received[at]++ :: else fi }
}

init {
    atomic {
        run caller(0, A, SEND, B, RECV, false);
        if
        :: WRONG != unordered -> run caller(1, A, RECV, B, SEND, false)
        :: else -> run caller(1, B, SEND, A, RECV, false)
        fi;
        if
        :: run caller(2, A, SEND, A, RECV, true)
        :: run caller(2, A, RECV, B, RECV, true)
        :: run caller(2, A, SEND, B, RECV, true)
        fi
    }
    timeout -> assert(ASLEEP(0) && ASLEEP(1) && ASLEEP(2));
    assert(!(MEET(0, 1) || MEET(1, 0) || MEET(0, 2) || MEET(2, 0) || MEET(1, 2) || MEET(2, 1)));
    assert(sent[A] == received[A] && sent[B] == received[B])
}
