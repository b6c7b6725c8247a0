/* self.h - what the library keeps of each thread that ever blocked in it
 * SPDX-License-Identifier: MIT
 *
 * Key  (i) immutable  (o) only the owning thread
 */
#ifndef CORE_SELF_H
#define CORE_SELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/list.h"
#include "core/local.h"
#include "plat/parker.h"
#include "plat/tls.h"

/* What runs on a thread on somebody's behalf; frames nest. */
typedef struct self_task {
    const void       *owner; /* (o) the group or registration it belongs to */
    struct self_task *outer; /* (o) what it interrupts, or NULL */
    bool              could_cancel; /* (o) whether that could be cancelled; by enter and exit */
    bool              has_failed; /* (o) its owner knows: what it returns is not told again */
    bool              is_call;    /* (o) a function that what it interrupts has called */
} self_task;

typedef struct self {
    plat_tls_slot slot;     /* (i) first: the thread's slot points here */
    parker        parker;   /* type-stable: a late waker may touch it after its owner has gone */
    void         *executor; /* (o) the executor thread that this is, or NULL */
    struct helper *helper;  /* (o) of the pool whose worker this is, or NULL */
    self_task    *task;     /* (o) the innermost that runs here, or NULL */
    uint64_t      random;   /* (o) state of the generator */
    uint32_t      spins;    /* (o) long phases of spinning that failed in a row, see spin.c */
    uint32_t      late;     /* (o) of the retries, those in a row that came back late */
    uint32_t      pauses;   /* (o) length of the short phase */
    uint32_t      yields;   /* (o) how often a yield was what helped */
    uint32_t      process;  /* (o) the number of the process whose thread this is */
    uint32_t      number;   /* (i) threads that run at a time have different ones */
    local_table   locals;   /* what objects keep for this thread, see local.h */
    bool          is_static;/* (i) from the reserve */
    bool          is_due;   /* (o) runs what the virtual clock has released, see clock.h */
    struct self  *next;     /* under the lock of the records, while nobody's */
    list_link     all;      /* under the lock of the records */
    struct self  *called;   /* (o) of who moves the clock: the next one to be rung */
} self;

/* Give the calling thread's record, made on first use. Never fails: the reserve serves the first
 * threads, and where no memory is to be had for one more the call waits for some. */
self *cconc__self_make(void);

/* Give the records back that ended threads have left. */
void cconc__self_trim(void);

/* In a forked child: no thread but the calling one, which keeps nothing of any object and is
 * nobody's. If it was a thread of the library (is_service: of one of its services) it must not come
 * back from what it was called for. Returns 0 or ENOMEM. */
int cconc__self_forked(bool is_service);

/* Give the number of waits that are blocked until a time, and the earliest such time, PLAT_NEVER if
 * there is none. */
size_t cconc__self_blocked(int64_t *out_first_ns);

/* The clock has been set to now_ns. Call all who wait until then or earlier, as due or to look;
 * ring those that call returned, chained. By one thread at a time. */
self *cconc__self_call(int64_t now_ns, bool is_due, size_t *out_count);
void  cconc__self_ring(self *called);

static inline self *self_get(void)
{
    plat_tls_slot *slot = plat_tls_get();
    return slot ? (self *)(void *)slot : cconc__self_make();
}

/* The calling thread's record if it has one. */
static inline self *self_peek(void)
{
    return (self *)(void *)plat_tls_get();
}

/* Give the innermost of owner's that runs on the calling thread, or NULL. */
static inline self_task *self_task_of(const void *owner)
{
    const self *me = self_peek();
    self_task *task = me ? me->task : NULL;
    while (task && task->owner != owner) {
        task = task->outer;
    }
    return task;
}

/* Does the calling thread run something of owner's? */
static inline bool self_runs(const void *owner)
{
    return self_task_of(owner) != NULL;
}

/* The same, but only if what runs innermost is called by that, or is it. */
static inline self_task *self_called_by(const void *owner)
{
    const self *me = self_peek();
    self_task *task = me ? me->task : NULL;
    while (task && task->owner != owner && task->is_call) {
        task = task->outer;
    }
    return task && task->owner == owner ? task : NULL;
}

/* Begin and end running task, on a thread of anybody's: called by what runs there. */
static inline void self_push(self_task *task, const void *owner)
{
    self *me = self_get();
    task->owner = owner;
    task->outer = me->task;
    task->has_failed = false;
    task->is_call = true;
    me->task = task;
}

static inline void self_pop(void)
{
    self *me = self_get();
    me->task = me->task->outer;
}

/* Begin and end running a user's function as task on the calling library thread, which may be
 * cancelled meanwhile, and then is as it was: another function may wait below. */
void cconc__self_enter(self_task *task, const void *owner);
void cconc__self_exit(void);

/* The user's function has come back, and another one follows as the same task. */
void cconc__self_again(void);

/* A number below bound, evenly distributed but for one part in 2^32 / bound. */
uint32_t cconc__self_random(self *me, uint32_t bound);

#endif
