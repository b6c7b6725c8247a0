/* pool.h - what the files of a pool share
 * SPDX-License-Identifier: MIT
 *
 * Key  (i) immutable after new, or while submitted  (m) under the pool's mu  (a) atomic  (o) only
 *      the worker itself
 */
#ifndef TASK_POOL_H
#define TASK_POOL_H

#include <cconc/pool.h>

#include "core/helper.h"
#include "core/list.h"
#include "core/lock.h"
#include "core/ref.h"
#include "core/ring.h"
#include "core/self.h"
#include "core/waiter.h"
#include "core/waitq.h"
#include "plat/atomic.h"
#include "plat/thread.h"

#define POOL_NO_BOUND SIZE_MAX
#define POOL_HAND 32u         /* most tasks that a worker keeps in hand */
#define HAND_SHUT UINT32_MAX

typedef enum task_state {
    TASK_FREE = 0, /* not submitted */
    TASK_QUEUED = 1,
    TASK_RUNNING = 2,
    TASK_DONE = 3,
    TASK_KEPT = 4,    /* in a hand, or begun out of it */
    TASK_AWAITED = 5, /* the same, and somebody is in joiners */
} task_state;

typedef enum task_kind {
    TASK_LOOSE = 0,   /* fn and arg alone, to be copied before the record's owner goes on */
    TASK_RESERVE = 1, /* the same, in memory of the pool's: free again when it starts */
    TASK_GIVEN = 2,   /* the caller's record */
    TASK_FUTURE = 3,  /* inside a future */
} task_kind;

/* A task; what a cconc_pool_task has in its reserved words. */
typedef struct pool_task {
    cconc_task_fn fn;  /* (i) */
    void         *arg; /* (i) */
    void (*ended)(cconc_pool_task *task, int code, bool dropped); /* (i) or NULL */
    list_link link;    /* (m) in the queue, or among the free ones */
    list_link own;     /* (m) among those its worker has submitted, or alone */
    waitq     joiners; /* (m) unused in LOOSE and RESERVE */
    int32_t   code;    /* (e pool.1) what it returned */
    uint32_t  kind;    /* (i) task_kind */
    atom_u32  state;   /* (a) task_state; under mu, but for a kept one's end [pool.1] */
} pool_task;

_Static_assert(sizeof(pool_task) <= sizeof(cconc_pool_task), "a record fits the caller's memory");

/* A task in the ring: all there is of one that nobody waits for. */
typedef struct pool_loose {
    cconc_task_fn fn;
    void         *arg;
} pool_loose;

/* A task that runs; nested ones lie above those that wait for them. */
typedef struct pool_run {
    self_task     frame; /* (o) */
    cconc_task_fn fn;    /* (o) */
    void         *arg;   /* (o) */
    pool_task    *task;  /* (o) of a GIVEN or FUTURE one, to be finished; else NULL */
} pool_run;

/* What is kept of a task that never runs. */
typedef struct pool_lost {
    pool_task    *task; /* LOOSE and RESERVE: not to be touched */
    cconc_task_fn fn;
    void         *arg;
    void (*ended)(cconc_pool_task *task, int code, bool dropped);
    uint32_t      kind;
} pool_lost;

typedef struct pool_worker {
    plat_thread thread;          /* (i) while it runs */
    cconc_pool *pool;            /* (i) */
    helper      help;            /* (i) */
    struct pool_worker *next;    /* (m) in dead or spare */
    struct pool_worker *made;    /* (m) all there ever were, for free */
    list_link   own;             /* (m) queued tasks that it has submitted, newest first */
    pool_task   handed;          /* (m) where a rendezvous puts its task */
    bool        is_called;       /* (m) chosen to take a task, and not yet there; then (o) */
    bool        has_lent;        /* (o) its place is somebody else's until its wait is over */
    bool        is_hooked;       /* (o) on_stop is due */
    bool        has_left;        /* (o) its place is given back */
    uint32_t    depth;           /* (o) runs in use */
    atom_size   begun;           /* (a) tasks, and the one it is just trying to take [ring.3] */
    atom_size   ended;           /* (a) of these [pool.2] */
    atom_size   failed;          /* (a) of these */
    size_t      ended_seen;      /* (m) as far as the pool's counts have them */
    size_t      failed_seen;     /* (m) */
    size_t      kept_in_seen;    /* (m) */
    size_t      kept_out_seen;   /* (m) */
    atom_size   kept_in;         /* (a) tasks it took in hand, stored by itself */
    atom_size   kept_out;        /* (a) of these, begun by itself out of its hand */
    atom_u32    hand;            /* (a) how many are in kept, or HAND_SHUT [pool.4] */
    pool_task  *kept[POOL_HAND]; /* (o) while the hand is open, newest last; (m) for a recall */
    pool_run    runs[CCONC_POOL_MAX_DEPTH + 1]; /* (o) */
} pool_worker;

/* One more, in a count that its worker alone writes. */
static inline void pool_count_one(atom_size *count)
{
    atom_store_rlx(count, atom_load_rlx(count) + 1); /* rlx: a count */
}

/* A block of records of an unbounded queue. */
typedef struct pool_chunk {
    struct pool_chunk *next; /* (m) */
    pool_task tasks[64];
} pool_chunk;

struct cconc_pool {
    lock            mu;   /* rank POOL; guards (m) */
    ref             refs; /* (a) of the memory: one for the pool, one a future */
    cconc_ctx      *ctx;  /* (i) one handle, until free */
    cconc_pool_opts opts; /* (i) name is the copy below */
    char            name[PLAT_THREAD_NAME_BYTES]; /* (i) */
    size_t          cap;  /* (i) most tasks queued, POOL_NO_BOUND = no bound */
    pool_task      *reserve; /* (i) cap records */
    pool_chunk     *chunks;  /* (m) records of an unbounded queue */

    ring      ring;         /* (i) pool_loose, accepted and not started: older than the queue */
    size_t    ring_seen;    /* (m) how far counts.submitted has its RING_IN */
    size_t    marks[2];     /* (m) by ring_dir: WAKE and DIRECT, as they are in the words */
    atom_size full_at;      /* (a) where RING_IN was when a submitter found the ring full */
    atom_u32  full;         /* (a) when that was, see pool_submit.c */
    atom_u32  doze_ns;      /* (a) how long submitters' dozes take, a moving average */
    atom_u32  awaited;      /* (a) somebody waits for the end: a hint to come to the lock */
    list_link queue;        /* (m) tasks accepted and not started, oldest first */
    size_t    listed;       /* (m) how many are in queue */
    uint32_t  hands;        /* (m) how many are open */
    list_link free_tasks;   /* (m) RESERVE records not in use */
    waitq     submitters;   /* (m) callers blocked until there is room; elem is the pool_task */
    waitq     idle;         /* (m) workers and helpers, most recent first; elem is the worker */
    waitq     waiters;      /* (m) callers blocked until nothing is queued and nothing runs */
    waitq     enders;       /* (m) callers of shutdown */
    waitq     returners;    /* (m) workers that want a lent place back */

    uint32_t target;  /* (m) workers wanted */
    uint32_t active;  /* (m) threads that may run tasks: all but those that have lent their place */
    uint32_t alive;   /* (m) threads made, or being made, that have not left */
    uint32_t calling; /* (m) workers called */
    uint32_t number;  /* (m) of the next thread */
    bool     closed;    /* (m) shutdown has begun */
    bool     cancelled; /* (m) with CANCEL: no queued task starts */
    uint32_t dropping;  /* (m) tasks out of the queue whose hook has not returned */
    bool     joining;   /* (m) somebody joins threads */
    pool_worker *dead;  /* (m) threads that have left, to be joined */
    pool_worker *spare; /* (m) records of joined threads */
    pool_worker *all;   /* (m) every record */
    cconc_pool_counts counts; /* (m) the sums; the rest is made by read */
    void     *memory;       /* (i) what was allocated */
    _Alignas(ATOM_LINE) ring_line ring_word[2]; /* (a) the ring's */
};

/* ---- pool_queue.c: tasks in and out of the queue, and who hears of it ---------------------- */

void cconc__pool_task_init(pool_task *task, task_kind kind);

/* Accept task, if there is room, for its worker w or NULL. Returns 0; EAGAIN: full; EPIPE; ENOMEM:
 * an unbounded queue has no free record, or there is no worker. */
int cconc__pool_accept_locked(cconc_pool *p, pool_task *task, pool_worker *w, wake_batch *batch);

/* Take the next task to run: w's own newest one if mine_first, else the oldest. Returns false if
 * there is none. */
bool cconc__pool_take_locked(cconc_pool *p, pool_worker *w, bool mine_first, wake_batch *batch);

/* The same for one of the ring's, without a lock. Returns false if the lock must be taken to know
 * what to do. */
bool cconc__pool_take_loose(pool_worker *w);

/* Begin to run task, which is in no queue and in no hand, on w. */
void cconc__pool_begin(pool_task *task, pool_worker *w);

/* The same for one that did not come from w's hand. */
void cconc__pool_begin_locked(cconc_pool *p, pool_task *task, pool_worker *w);

/* Tell whether take would find something; how many are queued; whether nothing is, and nothing
 * runs. */
bool   cconc__pool_has_task_locked(cconc_pool *p);
size_t cconc__pool_queued_locked(cconc_pool *p);
bool   cconc__pool_is_quiet_locked(cconc_pool *p);

/* Take task out of the queue. */
void cconc__pool_unqueue_locked(cconc_pool *p, pool_task *task);

/* Let it be known that task, GIVEN or FUTURE, has ended: the last touch of a GIVEN one. */
void cconc__pool_finish_locked(cconc_pool *p, pool_task *task, int code, wake_batch *batch);

/* Serve all who wait for what has changed; at the end of each section that changes something. */
void cconc__pool_serve_locked(cconc_pool *p, wake_batch *batch);
void cconc__pool_serve(cconc_pool *p);

/* Keep the flags of the ring's words as they must be, and hands shut where they must be, in a
 * section that does not serve. */
void cconc__pool_mark_locked(cconc_pool *p);

/* Queue task, a record that w has submitted, behind all others. */
void cconc__pool_list_locked(cconc_pool *p, pool_task *task, pool_worker *w);

/* Claim up to count idle workers, no helpers, so that they look at the pool again. */
void cconc__pool_rouse_locked(cconc_pool *p, uint32_t count, wake_batch *batch);

/* Take task, which is queued, or the oldest if NULL, out of the queue for ever. Returns false if
 * nothing is queued. */
bool cconc__pool_lose_locked(cconc_pool *p, pool_task *task, pool_lost *out_lost);

/* Tell the owner of a task so lost, with no lock held. */
void cconc__pool_drop(cconc_pool *p, const pool_lost *lost);

/* The contexts, or NULL, whose end ends a wait; also has a tree. */
typedef struct pool_bounds {
    cconc_ctx *ctx;
    cconc_ctx *also;
} pool_bounds;

/* Wait in q, in which node was queued by the caller, until granted, or until one of until ends; w
 * is armed with the first, h is the caller's helper, or NULL. Returns 0, EPIPE, the code of who
 * ended, EAGAIN to look again, or why h cannot sleep. */
int cconc__pool_sleep(cconc_pool *p, const pool_bounds *until, helper *h, waitq *q, waiter *w,
                      wait_node *node);

/* Drop one reference of the pool's memory. */
void cconc__pool_unref(cconc_pool *p);

/* ---- pool_worker.c: the life of a thread ----------------------------------------------------- */

/* Count places for the threads that are missing, at most so many. Returns how many to start. */
uint32_t cconc__pool_reserve_locked(cconc_pool *p, uint32_t most);

/* Start threads for count places. Returns 0, or ENOMEM: the places of those that could not be had
 * are given back. */
int cconc__pool_start(cconc_pool *p, uint32_t count);

/* Start threads until there are as many as wanted. Returns 0 or ENOMEM. */
int cconc__pool_grow(cconc_pool *p);

/* Run the innermost task begun on w, and end it. */
void cconc__pool_run_nested(pool_worker *w);

/* A task has ended the thread: end those above the depth-th, innermost first. */
void cconc__pool_tear(pool_worker *w, uint32_t depth);

/* Join threads that have left, chained by next, and keep their records. */
void cconc__pool_join_threads(cconc_pool *p, pool_worker *left);

/* ---- pool_hand.c: what a worker keeps to itself ---------------------------------------------- */

void cconc__pool_hand_init(pool_worker *w);

/* In w's thread: take task, a GIVEN one, in hand instead of submitting it. Returns false if the
 * hand is shut or full. */
bool cconc__pool_hand_push(pool_worker *w, pool_task *task);

/* In w's thread: begin the newest task in hand on w, if it is task, or task is NULL. */
bool cconc__pool_hand_pop(pool_worker *w, pool_task *task);

/* In w's thread: open its hand, empty. Returns false if that may not be now. */
bool cconc__pool_hand_open(pool_worker *w);

static inline bool pool_hand_is_open(const pool_worker *w)
{
    return atom_load_rlx(&w->hand) != HAND_SHUT; /* rlx: only w opens it, under mu */
}

/* Shut the hand of w, or all hands if NULL: what was kept is queued. */
void cconc__pool_recall_locked(cconc_pool *p, pool_worker *w);

/* Must all hands be shut? */
bool cconc__pool_wants_recall_locked(cconc_pool *p);

/* Finish task without the lock, if it was kept and nobody waits for it. */
bool cconc__pool_finish_kept(pool_task *task, int code);

/* How many tasks are in hands. */
size_t cconc__pool_kept_locked(cconc_pool *p);

/* ---- pool_help.c: waiting in a worker -------------------------------------------------------- */

void cconc__pool_help_init(pool_worker *w);

/* w has come to look at the pool. */
void cconc__pool_arrive_locked(cconc_pool *p, pool_worker *w);

/* Give the calling thread's worker if it is one of p's. */
pool_worker *cconc__pool_worker_here(cconc_pool *p);

/* Wait for task as cconc_pool_join says. Returns 0 with the code in *out_code, EINPROGRESS or
 * EDEADLK. */
int cconc__pool_await(cconc_pool *p, cconc_ctx *ctx, pool_task *task, int *out_code);

/* ---- pool_future.c --------------------------------------------------------------------------- */

/* What a FUTURE task gets as its context. */
cconc_ctx *cconc__pool_future_ctx(pool_task *task);

/* The task is done with its future. */
void cconc__pool_future_ended(pool_task *task);

/* ---- pool_submit.c --------------------------------------------------------------------------- */

/* Submit task by the policy given, waiting no longer than until. */
int cconc__pool_submit(cconc_pool *p, const pool_bounds *until, pool_task *task, uint32_t policy);

#endif
