/* executor_thread.h - what the files of the executor share
 * SPDX-License-Identifier: MIT
 *
 * Key  (i) immutable after start  (m) under mu  (o) only the thread itself  (a) atomic
 *
 * executor.c decides how many threads there are, executor_queue.c has what has not begun,
 * executor_thread.c is the life of one thread.
 */
#ifndef CORE_EXECUTOR_THREAD_H
#define CORE_EXECUTOR_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/executor.h"
#include "core/list.h"
#include "core/lock.h"
#include "core/self.h"
#include "plat/atomic.h"
#include "plat/thread.h"

#define EXEC_JOBS 32 /* in a segment */

/* The jobs of a segment from first on, before end. */
#define EXEC_SPAN(first, end) ((uint32_t)(end) << 16 | (uint32_t)(first))
#define EXEC_FIRST(span) ((span) & UINT32_C(0xffff))
#define EXEC_END(span) ((span) >> 16)

typedef struct exec_segment {
    struct exec_segment *next; /* (m) the newer one; of those that go, the next one */
    uint32_t users;            /* (m) threads that take jobs out of it */
    uint32_t seen;             /* (m) where first was when somebody passed it by */
    bool     is_queued;        /* (m) */
    atom_u32 span;             /* (a) which of the jobs have not begun: EXEC_SPAN [exec.1] */
    exec_job jobs[EXEC_JOBS];  /* (e exec.1) */
} exec_segment;

typedef struct exec_thread {
    plat_thread         thread;  /* (i) */
    list_link           link;    /* (m) among idle, while idle; among takers, while it has one */
    self               *me;      /* (m) its record, while idle */
    const exec_job     *current; /* (o) */
    self_task           frame;   /* (o) what current enters with */
    exec_job            own;     /* (o) current, if that is a task */
    exec_segment       *segment; /* (m) which it takes jobs out of, or NULL; it may read it */
    exec_segment       *gone;    /* (o) segments to be given back when mu is free */
    struct exec_thread *dead;    /* (m) the next one that waits to be joined */
    atom_u32            ran;     /* (a) stored by itself: tasks that have ended */
    uint32_t            told;    /* (m) of these, counted in ended */
    bool                had_task;/* (o) the last time that it took, it took a task */
    bool                is_idle; /* (m) */
    bool                stop;    /* (m) end at the next look, to be joined by stop() */
} exec_thread;

/* What was queued for the very first thread: it is taken back if there is none. */
typedef enum exec_pledge { PLEDGE_NONE, PLEDGE_TASK, PLEDGE_JOB } exec_pledge;

/* The executor; there is one. */
typedef struct exec_state {
    lock         mu;       /* rank EXECUTOR; guards (m) */
    exec_task   *first;    /* (m) tasks, in order */
    exec_task   *last;     /* (m) */
    exec_segment *head;    /* (m) jobs, in order */
    exec_segment *tail;    /* (m) */
    exec_segment *room;    /* (m) a segment to be queued, or NULL */
    list_link    idle;     /* (m) most recently parked first */
    list_link    takers;   /* (m) threads that have a segment */
    exec_thread *dead;     /* (m) ended, not joined */
    exec_thread *spare;    /* (m) memory for one more, so that a torn thread can be replaced */
    size_t       stack_size; /* (m) */
    int64_t      idle_ns;  /* (m) how long an idle thread stays */
    uint32_t     threads;  /* (m) */
    uint32_t     idle_count; /* (m) */
    uint32_t     running;  /* (m) neither starting, idle nor asleep in a wait */
    uint32_t     starting; /* (m) woken or made, not yet running */
    uint32_t     making;   /* (m) of these, in pthread_create now */
    uint32_t     queued;   /* (m) tasks */
    uint32_t     filled;   /* (m) jobs put into tail */
    exec_pledge  pledge;   /* (m) */
    uint32_t     peak;     /* (m) */
    uint32_t     number;   /* (m) of the next thread's name */
    uint64_t     ended;    /* (m) tasks that have ended, but for those that takers have not told */
    atom_u32     inside;   /* (a) of the running, those inside their tasks, not at mu: a hint */
} exec_state;

extern exec_state cconc__executor;
static exec_state *const ex = &cconc__executor;

/* What a look at the queue asks for, to be done when the lock is free. */
typedef struct exec_move {
    exec_thread *wake;
    bool         start;
    bool         kick; /* the timer service */
} exec_move;

/* executor.c: does the queue want one more thread? stuck: it has not moved for a while, count
 * nobody. Then do it; false if what was queued for that thread has been taken back. */
exec_move cconc__executor_look_locked(bool stuck);
bool      cconc__executor_perform(exec_move move);

/* Have the queue looked at in a millisecond. Returns true if the timer service wants a kick. */
bool cconc__executor_watch_locked(void);

/* executor_queue.c: queue a task; a copy of a job, false if there is no room. */
void cconc__executor_push_locked(exec_task *task);
bool cconc__executor_push_job_locked(const exec_job *job);

/* Make room for a job that found none. Returns 0 or ENOMEM. */
int cconc__executor_make_room(void);

/* Take the newest out again: there is no thread. */
void cconc__executor_unpush_locked(exec_pledge what);

bool     cconc__executor_has_task_locked(void);
uint32_t cconc__executor_queued_locked(void);

/* How many have ended. */
uint64_t cconc__executor_ended_locked(void);

/* Take a task for t, only if it is wanted or there are no more runners than CPUs. Returns NULL if
 * there is none for it. Those that follow in a segment it takes without mu, by next. */
const exec_job *cconc__executor_take_locked(exec_thread *t, bool wanted);
const exec_job *cconc__executor_next(exec_segment *segment);

/* t has no use for its segment any more. Then, without mu, give back what went. */
void cconc__executor_settle_locked(exec_thread *t);
void cconc__executor_sweep(exec_thread *t);

/* Give back all memory: nothing is queued, and there is no thread. Returns it chained by next. */
exec_segment *cconc__executor_empty_locked(void);
void          cconc__executor_give_back(exec_segment *segments);

/* executor_thread.c: start a thread that is counted already. Where that fails the watch tries again
 * as long as something is queued. Returns false if what was pledged has been taken back. */
bool cconc__executor_thread_start(void);

/* Take t, which was chosen to be woken, off the idle ones. */
void cconc__executor_thread_unidle_locked(exec_thread *t);

/* Keep t's memory for the next thread, or give it back; NULL is none. */
void cconc__executor_thread_put_spare(exec_thread *t);

/* All idle threads, chained by dead, told to stop; they count no longer. Then join them. */
exec_thread *cconc__executor_thread_dismiss_locked(void);
void         cconc__executor_thread_join(exec_thread *ended);

#endif
