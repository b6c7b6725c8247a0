/* local.h - what an object keeps for each thread that uses it
 * SPDX-License-Identifier: MIT
 *
 * Key  (i) immutable  (m) under the lock of the locals  (o) only the owning thread
 *      (a) atomic: the key is written by the owner, and cleared by whoever ends the object
 *
 * A local is linked to its thread. Either the thread ends, then leave_locked and gone are called;
 * or the object ends first and takes its locals away; the lock of the locals decides which.
 */
#ifndef CORE_LOCAL_H
#define CORE_LOCAL_H

#include <stdbool.h>
#include <stddef.h>

#include "core/list.h"
#include "plat/atomic.h"

#define LOCAL_RECENT 8 /* a power of two */

typedef struct local {
    list_link           link;   /* (m) among those of the thread */
    struct local_table *table;  /* (i) of the thread */
    const void         *object; /* (i) whose it is */
    size_t              index;  /* (i) which entry of the table is the object's */
    /* The thread ends: unlink this from the object, which may not end before gone has run. */
    void (*leave_locked)(struct local *l);
    /* Then, without the lock: give back what was kept, and this. */
    void (*gone)(struct local *l);
} local;

/* What a thread finds its locals with; one hides another whose object has the same index. */
typedef struct local_recent {
    atom_ptr object; /* (a) whose local this is, or NULL */
    local   *found;  /* (o) */
} local_recent;

typedef struct local_table {
    list_link    all; /* (m) the locals of the thread */
    local_recent recent[LOCAL_RECENT];
} local_table;

void cconc__local_init(local_table *table);

/* An entry of the tables for a new object: those made in succession have different ones. */
size_t cconc__local_index(void);

/* Is the calling thread one of whose end the library will still hear? */
bool cconc__local_is_possible(void);

/* Link l, whose object, index and functions are set, to the calling thread. link_locked, given l,
 * links it to the object. */
void cconc__local_add(local *l, local_table *table, void (*link_locked)(local *l));

/* The calling thread's local of object though it was hidden; NULL if it has none. */
local *cconc__local_find(local_table *table, const void *object, size_t index);

/* The calling thread ends. */
void cconc__local_leave(local_table *table);

/* Take and leave the lock; unlink l from its thread, because its object ends. */
void cconc__local_lock(void);
void cconc__local_unlock(void);
void cconc__local_drop_locked(local *l);

/* In a forked child: the lock is free. */
void cconc__local_forked(void);

/* The calling thread's local of object if it is found at once. */
static inline local *local_recall(local_table *table, const void *object, size_t index)
{
    local_recent *recent = &table->recent[index];
    /* rlx: only this thread sets it; whoever clears it ends the object, after all use of it */
    return atom_load_rlx(&recent->object) == object ? recent->found : NULL;
}

#endif
