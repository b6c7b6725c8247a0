/* local.c - what an object keeps for each thread that uses it
 * SPDX-License-Identifier: MIT
 *
 * Idea        A list of locals in each thread's record, and before it a small table that the
 *             thread reads without a lock. One lock decides whether a thread that ends or an
 *             object that ends has a local first; the calls that follow run without it.
 * Invariants  I1 An entry of a table names an object only while the thread has its local.
 *             I2 A local is unlinked once: by its thread's end or by its object's.
 * Locks       locals_mu, rank LOCAL: all lists of locals. The functions called under it may take
 *             the lock of their object.
 * Ordering    None but locals_mu's. An entry is read by its owner alone; it is cleared by the end
 *             of the object, which comes after the owner's last use of it.
 * Lifetime    A local is its object's, which frees it in gone or after dropping it.
 * Rejected    A list of listeners for the end of threads that each object joins and leaves without
 *             a common lock: the end of both at once needs tombstones (moodycamel 288).
 *             A pthread key for each object: there are 1,024 of them in a process. */
#include "core/local.h"

#include "core/lock.h"
#include "core/must.h"
#include "plat/tls.h"

static lock locals_mu = LOCK_INIT(RANK_LOCAL);
static atom_size next_index; /* (a) */

void cconc__local_lock(void)
{
    lock_take(&locals_mu);
}

void cconc__local_unlock(void)
{
    lock_leave(&locals_mu);
}

void cconc__local_init(local_table *table)
{
    list_init(&table->all);
    for (size_t i = 0; i < LOCAL_RECENT; i++) {
        atom_init(&table->recent[i].object, NULL);
        table->recent[i].found = NULL;
    }
}

size_t cconc__local_index(void)
{
    return atom_add_rlx(&next_index, 1) % LOCAL_RECENT; /* rlx: only spreads objects */
}

bool cconc__local_is_possible(void)
{
    return cconc__tls_will_tell();
}

static void local_show(local *l)
{
    local_recent *recent = &l->table->recent[l->index];
    recent->found = l;
    /* rlx: only the owner looks, and nothing but its own writes is behind it */
    atom_store_rlx(&recent->object, (void *)(uintptr_t)l->object);
}

/* The comparison keeps off an entry that shows another local. */
static void local_hide_locked(local *l)
{
    void *object = (void *)(uintptr_t)l->object;
    cconc__lock_assert_held(&locals_mu);
    /* rlx: the owner does not look for this object any more */
    (void)atom_cas_rlx_rlx(&l->table->recent[l->index].object, &object, NULL);
}

void cconc__local_add(local *l, local_table *table, void (*link_locked)(local *l))
{
    l->table = table;
    lock_take(&locals_mu);
    list_push_front(&table->all, &l->link);
    link_locked(l);
    lock_leave(&locals_mu);
    local_show(l);
}

local *cconc__local_find(local_table *table, const void *object, size_t index)
{
    local *found = local_recall(table, object, index);
    list_link *at;
    if (found) {
        return found;
    }
    lock_take(&locals_mu);
    at = table->all.next;
    while (at != &table->all && LIST_OF(at, local, link)->object != object) {
        at = at->next;
    }
    if (at != &table->all) {
        found = LIST_OF(at, local, link);
    }
    lock_leave(&locals_mu);
    if (found) {
        local_show(found);
    }
    return found;
}

void cconc__local_drop_locked(local *l)
{
    cconc__lock_assert_held(&locals_mu);
    list_remove(&l->link);
    local_hide_locked(l);
}

/* Unlink the thread's next local from both sides; NULL when none is left. */
static local *local_leave_next(local_table *table)
{
    local *l = NULL;
    lock_take(&locals_mu);
    if (!list_is_empty(&table->all)) {
        l = LIST_OF(table->all.next, local, link);
        cconc__local_drop_locked(l);
        l->leave_locked(l);
    }
    lock_leave(&locals_mu);
    return l;
}

void cconc__local_leave(local_table *table)
{
    local *l = local_leave_next(table);
    while (l) {
        l->gone(l);
        l = local_leave_next(table);
    }
}

void cconc__local_forked(void)
{
    cconc__lock_forked(&locals_mu);
}
