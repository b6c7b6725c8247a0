/* group.h - what the files of a group share
 * SPDX-License-Identifier: MIT
 */
#ifndef TASK_GROUP_H
#define TASK_GROUP_H

#include <cconc/group.h>
#include <cconc/pool.h>

#include "core/executor.h"
#include "core/lock.h"
#include "core/node.h"
#include "core/self.h"
#include "core/waitq.h"
#include "plat/atomic.h"

/* Key  (i) immutable after new  (m) under mu  (a) atomic */

/* The word that counts the running tasks, with the limit as far as it fits, and flags. */
#define GROUP_FROZEN ((size_t)1)  /* it changes under mu alone */
#define GROUP_AWAITED ((size_t)2) /* somebody waits for the end: it becomes 0 under mu alone */
#define GROUP_LIMIT ((size_t)4)   /* one of the limit */
#define GROUP_LIMIT_BITS (ATOM_IS_WIDE ? 28 : 0)
#define GROUP_LIMIT_MOST (((size_t)1 << GROUP_LIMIT_BITS) - 1) /* it says that there is none */
#define GROUP_ONE (GROUP_LIMIT << GROUP_LIMIT_BITS)            /* one running task */

typedef struct group_kept {
    int  code;         /* (m) */
    char message[256]; /* (m) */
} group_kept;

struct cconc_group {
    lock        mu;          /* rank GROUP; guards (m) */
    cconc_ctx  *ctx;         /* (i) one handle */
    cconc_pool *pool;        /* (i) where the tasks run, NULL = on the executor */
    uint32_t    flags;       /* (i) */
    int64_t     limit;       /* (m) -1 = none */
    int64_t     own_blocked; /* (m) of these, blocked in our go */
    waitq       goers;       /* (m) callers blocked in go; key is not NULL for our own tasks */
    waitq       waiters;     /* (m) callers blocked until running is 0 */
    uint64_t    started;     /* (m) while mu was held; quick has the others */
    uint64_t    failed;      /* (m) */
    int         error;       /* (m) the first failure, 0 = none */
    bool        stopping;    /* (m) ECANCELED is no failure any more */
    node_cause *cause;       /* (i) room for the first failure's message; written with error */
    group_kept *kept;        /* (m) the first failures */
    uint32_t    keep_max;    /* (i) */
    uint32_t    kept_count;  /* (m) */
    char        apart[ATOM_LINE]; /* what every start reads lies off what every end writes */
    atom_size   running;     /* (a) admitted and not ended, in GROUP_ONEs, and more [group.1] */
    atom_size   quick;       /* (a) started without mu */
};

/* A task that runs on a pool. */
typedef struct group_task {
    self_task     frame;
    cconc_group  *group;
    cconc_task_fn fn;
    void         *arg;
    cconc_pool_task pooled;
} group_task;

/* How many tasks have been admitted and have not ended. What they did is seen if there are none. */
static inline int64_t group_running(const cconc_group *g)
{
    return (int64_t)(atom_load_acq(&g->running) / GROUP_ONE); /* [group.1] acq: what tasks did */
}

/* The part of the word that says the limit, -1 = none. */
static inline size_t group_limit_word(int64_t limit)
{
    bool fits = limit >= 0 && limit < (int64_t)GROUP_LIMIT_MOST;
    return (fits ? (size_t)limit : GROUP_LIMIT_MOST) * GROUP_LIMIT;
}

/* Does the word change under mu alone whoever waits? */
static inline bool group_is_ever_frozen(const cconc_group *g)
{
    if (!ATOM_IS_WIDE) {
        return true; /* started is more than a word there */
    }
    return g->limit >= (int64_t)GROUP_LIMIT_MOST || (g->flags & CCONC_GROUP_SKIP) != 0;
}

/* ---- group.c */

/* Note a failure of one of g's tasks, with its message, which may be NULL. */
void cconc__group_record(cconc_group *g, int code, const char *message);

#endif
