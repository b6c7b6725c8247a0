/* flight.h - what the files of the flights share
 * SPDX-License-Identifier: MIT
 *
 * Key  (i) immutable once in the table  (m) under the shard's lock  (r) under the ring's lock
 *      (a) atomic  (o) only who makes it ready, runs it, or drops its last reference
 */
#ifndef PRIM_FLIGHT_H
#define PRIM_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cconc/flight.h>

#include "core/executor.h"
#include "core/hash.h"
#include "core/list.h"
#include "core/lock.h"
#include "core/node.h"
#include "core/ref.h"
#include "core/timer.h"
#include "core/waiter.h"
#include "plat/atomic.h"

#define FLIGHT_SMALL_KEY 48 /* bytes of a key that lie in the record */
#define FLIGHT_SLOTS 4      /* lists that a shard has without memory of its own */

typedef enum flight_state {
    FLIGHT_FLYING,    /* has callers; its function runs, or will */
    FLIGHT_ABANDONED, /* all callers have left or been let go; the function winds down */
    FLIGHT_LANDED,    /* code and value are final */
} flight_state;

/* One function in the graph of who waits for whom; see flight_ring.c. */
typedef struct flight_vertex {
    ref       refs;   /* (a) its flight's, and the bindings' that carry it */
    list_link edges;  /* (r) the waits of this function for other flights */
    uint64_t  walk;   /* (r) the last search that came here */
    struct flight_vertex *queued; /* (r) the next one that the search goes on from */
} flight_vertex;

/* A call of do or wait made by a function: it waits for another flight. */
typedef struct flight_edge {
    list_link      link; /* (r) */
    flight_vertex *to;   /* (r) NULL = not in the graph */
} flight_edge;

/* What a caller brings. */
typedef struct flight_work {
    cconc_flight_fn      fn;
    void                *arg;
    cconc_flight_drop_fn drop;
} flight_work;

/* A flight; once it has landed with code 0, a result. */
struct cconc_flight_result {
    ref                  refs;     /* (a) one a caller, the run, the clock, being kept [ref.1] */
    atom_u32             joined;   /* (a) callers that ever came; moves under the shard's lock */
    atom_u32             given;    /* (a) callers that have the result */
    int                  code;     /* (m) final, and no lock's, once landed */
    void                *value;    /* (m) the same */
    struct flight_shard *home;     /* (i) by the key */
    struct flight_shard *origin;   /* (i) whose spare it may become, by the thread that made it */
    struct cconc_flight_result *next; /* (m) in its list of the table */
    uint64_t             hash;     /* (i) */
    unsigned char       *key;      /* (i) small_key, or memory of its own */
    size_t               key_len;  /* (i) */
    flight_state         state;    /* (m) */
    uint32_t             callers;  /* (m) */
    bool                 listed;   /* (m) in the table */
    bool                 is_kept;  /* (m) in the shard's kept, and serves */
    bool                 inside;   /* (i) runs in its first caller, which cannot leave */
    bool                 ran;      /* (o) fn has been called, or will not be */
    bool                 dropped;  /* (o) drop has been called */
    waitq                waiters;  /* (m) callers that block */
    list_link            calls;    /* (m) handles that want to be answered */
    list_link            kept;     /* (m) */
    int64_t              until_ns; /* (m) when kept: to serve until then */
    bool                 waits;    /* (m) for an abandoned one to wind down */
    list_link            place;    /* (m) among those that wait for it */
    list_link            behind;   /* (m) those that wait for this: one, and forgotten ones */
    exec_task            task;     /* (i) the run */
    self_task            frame;    /* (o) */
    flight_work          work;     /* (i) */
    int                  made_code;/* (o) what fn gave back */
    void                *made;     /* (o) */
    flight_vertex       *vertex;   /* (o) or NULL */
    cconc_ctx           *base;     /* (o) one handle: the values, and vertex; or NULL */
    cconc_ctx           *ctx;      /* (o) one handle: what ends; or NULL */
    bool                 has_values; /* (o) base has a caller's values */
    node_hook            clock;    /* (m) of ctx's tree; at ctx, if flights have a time limit */
    bool                 has_clock;/* (o) it is to be stopped */
    unsigned char        small_key[FLIGHT_SMALL_KEY]; /* (i) */
};

typedef struct cconc_flight_result flight;

/* A part of the table; and, on a line of its own, a box for records of some threads. What each
 * flight touches comes first. */
typedef struct flight_shard {
    lock          mu;          /* rank FLIGHT; guards (m) here and in the shard's flights */
    flight      **slots;       /* (m) lists by hash: small, or memory of its own */
    uint32_t      slot_count;  /* (m) a power of two */
    uint32_t      used;        /* (m) flights in the lists */
    uint32_t      flying;      /* (m) */
    uint32_t      callers;     /* (m) */
    flight       *small[FLIGHT_SLOTS]; /* (m) */
    uint64_t      started;     /* (m) */
    uint32_t      abandoned;   /* (m) */
    uint32_t      kept_count;  /* (m) of kept, those that serve */
    list_link     kept;        /* (m) results kept, or on their way out; the first to go first */
    timer         due;         /* (m) when the first of them goes */
    bool          is_armed;    /* (m) and counted in users */
    cconc_flight *set;         /* (i) */
    char          apart[ATOM_LINE];
    atom_ptr      spare;       /* (a) a record to be used again; the shard = closed [spare.1] */
    ref           users;       /* (a) records made here, the timer, one while open [ref.1] */
} flight_shard;

struct cconc_flight {
    cconc_flight_opts opts;        /* (i) */
    hash_key          secret;      /* (i) */
    uint32_t          shard_count; /* (i) a power of two */
    ref               refs;        /* (a) shards in use */
    flight_shard      shards[];
};

/* What is to be done for a flight that landed, once no lock is held. */
typedef struct flight_landing {
    wake_batch  wakes;
    list_link   calls;  /* handles, out of the flight's list */
    node_ending ending; /* of its context */
    bool        has_ending;
    flight     *to_run; /* waited for another to end, and is to be done with now */
} flight_landing;

/* ---- flight_table.c ------------------------------------------------------------------------- */

/* Give the shard of hash; give the one in which the calling thread has its records. */
flight_shard *cconc__flight_shard(cconc_flight *set, uint64_t hash);
flight_shard *cconc__flight_origin(cconc_flight *set);

/* Find the flight or result of key in the table, newest first; NULL if there is none. */
flight *cconc__flight_find_locked(flight_shard *shard, uint64_t hash, const void *key,
                                  size_t key_len);

/* Put one in; take it out. */
void cconc__flight_list_locked(flight_shard *shard, flight *one);
void cconc__flight_unlist_locked(flight_shard *shard, flight *one);

/* Fit the lists to the number of flights, if they are not, under no lock. */
bool cconc__flight_is_unfit_locked(flight_shard *shard);
void cconc__flight_fit(flight_shard *shard);

/* Give the spare record of origin, or NULL; make one more; give one back. */
flight *cconc__flight_take_spare(flight_shard *origin);
flight *cconc__flight_make(flight_shard *origin);
void    cconc__flight_give_back(flight *one);

/* Drop a reference; the last one destroys the value. */
void cconc__flight_unref(flight *one);

/* Let one, which is listed, serve for a while: returns true if the timer must be kicked. Or no
 * longer: it stays among kept, with the table's reference, for the timer. */
bool cconc__flight_keep_locked(flight_shard *shard, flight *one);
void cconc__flight_unkeep_locked(flight_shard *shard, flight *one);

/* ---- flight_run.c --------------------------------------------------------------------------- */

/* Give one what its function gets: a context with the values of ctx, one that can end if must_end.
 * Returns 0 or ENOMEM. */
int cconc__flight_outfit(flight *one, cconc_ctx *ctx, bool must_end);

/* Give what ctx has of values, NULL if nothing. */
cconc_ctx *cconc__flight_values(cconc_ctx *ctx);

/* Give up the contexts of one, whose function has ended or never ran; keep them if may_keep and if
 * another function can have them as they are. */
void cconc__flight_retire(flight *one, bool may_keep);

/* Give one, not in the table yet, what it is to do. */
void cconc__flight_prepare(flight *one, const flight_work *work);

/* Let the time limit of one, new in the table, begin. Returns false if it has passed. */
bool cconc__flight_wind_locked(flight *one);

/* Hand one, new in the table, to the executor, unless it waits for another; if it is late its
 * callers go at once. */
void cconc__flight_start(flight *one, bool is_late, bool waits);

/* Run one in the calling thread. If its function ends the thread, edge is left and the caller's
 * reference dropped. */
void cconc__flight_run_inside(flight *one, flight_edge *edge);

/* A caller leaves; the last one abandons the flight. */
void cconc__flight_depart_locked(flight *one, flight_landing *landing);

/* Do what is left of a landing, under no lock. */
void cconc__flight_finish(flight_landing *landing);

/* Let a caller leave, with its reference. */
void cconc__flight_depart(flight *one);

static inline void flight_landing_init(flight_landing *landing)
{
    *landing = (flight_landing){WAKE_BATCH_INIT, {NULL, NULL},
                                {WAKE_BATCH_INIT, WAKE_BATCH_INIT}, false, NULL};
    list_init(&landing->calls);
}

/* ---- flight.c ------------------------------------------------------------------------------- */

/* Sleep until one has landed. Returns 0, or EINPROGRESS if ctx ended first: a caller that leaves
 * then has left, but for its reference. */
int cconc__flight_await(flight *one, cconc_ctx *ctx, bool leaves);

bool cconc__flight_has_landed(flight *one);

/* Turn a caller's reference on one, which has landed, into that on its result. Returns the code. */
int cconc__flight_take(flight *one, cconc_flight_result **out_result);

/* ---- flight_call.c -------------------------------------------------------------------------- */

/* Make a handle that is no caller yet; make it one of one, or free it if that is NULL. */
int  cconc__flight_call_new(cconc_flight_call **out_call);
void cconc__flight_call_board(cconc_flight_call *call, flight *one);

/* Answer the first of calls, whose flights have landed. */
void cconc__flight_answer_first(list_link *calls);

/* ---- flight_ring.c -------------------------------------------------------------------------- */

/* Make a vertex, with one reference; drop one. */
flight_vertex *cconc__flight_vertex_new(void);
void           cconc__flight_vertex_unref(void *vertex);

/* What a binding of a vertex is found by. */
extern const char cconc__flight_ring_key;

/* The function that ctx came from, NULL if from none. */
flight_vertex *cconc__flight_caller(cconc_ctx *ctx);

/* Note that from, which may be NULL, waits for to. Returns false, nothing noted, if to waits for
 * from, directly or not. edge may be NULL: nothing is noted then. */
bool cconc__flight_ring_enter(flight_vertex *from, flight_vertex *to, flight_edge *edge);
void cconc__flight_ring_leave(flight_edge *edge);

/* In a forked child: the lock of the ring is free. */
void cconc__flight_ring_forked(void);

#endif
