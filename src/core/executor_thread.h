/* executor_thread.h - what the two files of the executor share
 * SPDX-License-Identifier: MIT
 *
 * Key  (i) immutable after start  (m) under mu  (o) only the thread itself  (a) atomic
 *
 * executor.c has the queue and decides how many threads there are, executor_thread.c is the life of
 * one of them.
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

#define EXEC_SHARE 16 /* most tasks that a thread takes at once */

/* The tasks of a share from first on, before end. */
#define EXEC_HOLD(first, end) ((uint32_t)(end) << 16 | (uint32_t)(first))
#define EXEC_HOLD_FIRST(hold) ((hold) & UINT32_C(0xffff))
#define EXEC_HOLD_END(hold) ((hold) >> 16)

typedef struct exec_thread {
    plat_thread         thread;  /* (i) */
    list_link           link;    /* (m) among idle, while idle; among holders, while is_holder */
    self               *me;      /* (m) its record, while idle */
    exec_task          *current; /* (o) */
    struct exec_thread *dead;    /* (m) the next one that waits to be joined */
    atom_u32            hold;    /* (a) which of share have not begun: EXEC_HOLD(first, end) */
    atom_u32            ran;     /* (a) stored by itself: tasks of its share that have ended */
    uint32_t            told;    /* (m) of these, counted in ended */
    bool                is_holder; /* (m) it may hold tasks */
    bool                is_idle; /* (m) */
    bool                stop;    /* (m) end at the next look, to be joined by stop() */
    exec_task          *share[EXEC_SHARE]; /* (m) stored by itself; it may read without mu */
} exec_thread;

/* The executor; there is one. */
typedef struct exec_state {
    lock         mu;       /* rank EXECUTOR; guards (m) */
    exec_task   *first;    /* (m) the queue */
    exec_task   *last;     /* (m) */
    list_link    idle;     /* (m) most recently parked first */
    list_link    holders;  /* (m) threads that may hold tasks which they have not begun */
    exec_thread *dead;     /* (m) ended, not joined */
    exec_thread *spare;    /* (m) memory for one more, so that a torn thread can be replaced */
    size_t       stack_size; /* (m) */
    int64_t      idle_ns;  /* (m) how long an idle thread stays */
    uint32_t     threads;  /* (m) */
    uint32_t     idle_count; /* (m) */
    uint32_t     running;  /* (m) neither starting, idle nor asleep in a wait */
    uint32_t     starting; /* (m) woken or made, not yet running */
    uint32_t     making;   /* (m) of these, in pthread_create now */
    uint32_t     queued;   /* (m) */
    uint32_t     peak;     /* (m) */
    uint32_t     number;   /* (m) of the next thread's name */
    uint64_t     ended;    /* (m) tasks that have ended, but for those that holders have not told */
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
 * nobody. Then do it; false if no thread could be made and there is none. */
exec_move cconc__executor_look_locked(bool stuck);
bool      cconc__executor_perform(exec_move move);

/* Have the queue looked at in a millisecond. Returns true if the timer service wants a kick. */
bool cconc__executor_watch_locked(void);

/* Take a share of the tasks for t, which has none; only if it is wanted or there are no more
 * runners than CPUs. Returns the first one, or NULL; t holds the others. */
exec_task *cconc__executor_take_locked(exec_thread *t, bool wanted);

/* t runs no share any more: what it still holds is queued again. */
void cconc__executor_settle_locked(exec_thread *t);

/* executor_thread.c: start a thread that is counted already. Where that fails the watch tries again
 * as long as something is queued. Returns false if it failed and there is no other thread. */
bool cconc__executor_thread_start(void);

/* Take t, which was chosen to be woken, off the idle ones. */
void cconc__executor_thread_unidle_locked(exec_thread *t);

/* Keep t's memory for the next thread, or give it back; NULL is none. */
void cconc__executor_thread_put_spare(exec_thread *t);

/* All idle threads, chained by dead, told to stop; they count no longer. Then join them. */
exec_thread *cconc__executor_thread_dismiss_locked(void);
void         cconc__executor_thread_join(exec_thread *ended);

#endif
