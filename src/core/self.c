/* self.c - what the library keeps of each thread that ever blocked in it
 * SPDX-License-Identifier: MIT
 *
 * Idea        A record with the thread's parker, found through one thread-local pointer. When the
 *             thread ends the record goes to a list for the next thread: it never turns into other
 *             memory while the library is in use.
 * Invariants  I1 A record is either some thread's, or on the list of free ones.
 *             I2 A free record's parker holds no wake: its owner took each one it was owed.
 *             I3 all_records has each one whose parker was made.
 * Locks       records_mu, rank SELF: guards free_records, all_records, reserve_used and numbers.
 *             Parkers are called under it, and rung after it.
 * Ordering    None but records_mu's.
 * Lifetime    Records are type-stable until cconc__self_trim(), which shutdown calls when all
 *             library threads are joined; one at which a waker is still at work stays. A wait must
 *             never fail for lack of a record, so a static reserve serves the first threads.
 * Rejected    A parker in thread-local storage: it is gone with its thread, wakers come later.
 *             ENOMEM from a wait: every caller of every blocking call would have to handle it. */
#include "core/self.h"

#include "core/lock.h"
#include "core/must.h"
#include "plat/alloc.h"
#include "plat/clock.h"
#include "plat/fork.h"
#include "plat/thread.h"

#include <errno.h>
#include <stddef.h>

static lock records_mu = LOCK_INIT(RANK_SELF);
static self *free_records;          /* (m) */
static list_link all_records = {&all_records, &all_records}; /* (m) free ones, too */
static self reserve[PLAT_THREAD_RECORDS];  /* each is some thread's or on the list */
static uint32_t reserve_used;       /* (m) */
static uint32_t numbers;            /* (m) given to records so far */

/* Comes again if a callback of an object whose local goes ends the thread once more. */
static void self_leave(void *arg)
{
    self *me = arg;
    cconc__local_leave(&me->locals);
    lock_take(&records_mu);
    me->next = free_records;
    free_records = me;
    lock_leave(&records_mu);
}

static void self_thread_ends(plat_tls_slot *slot)
{
    self *me = (self *)(void *)slot;
    CHECK(!parker_is_parked(&me->parker));
    cconc__thread_insist(self_leave, me);
}

/* A record from the list or the reserve, NULL if there is none; *out_fresh tells that its parker
 * was never made. A record that is none of the list's gets *out_number. */
static self *self_take(bool *out_fresh, uint32_t *out_number)
{
    self *me;
    *out_fresh = false;
    lock_take(&records_mu);
    me = free_records;
    if (me) {
        free_records = me->next;
    } else if (reserve_used < PLAT_THREAD_RECORDS) {
        me = &reserve[reserve_used];
        me->is_static = true;
        reserve_used++;
        *out_fresh = true;
    }
    if (!me || *out_fresh) {
        *out_number = numbers;
        numbers++;
    }
    lock_leave(&records_mu);
    return me;
}

static self *self_find(void)
{
    bool fresh;
    uint32_t number = 0;
    self *me = self_take(&fresh, &number);
    if (!me) {
        me = cconc__alloc(sizeof(*me));
        fresh = true;
    }
    if (me && fresh) {
        me->number = number;
    }
    if (me && fresh && cconc__parker_init(&me->parker) != 0) {
        if (!me->is_static) { /* a static one is lost: it has no parker to be stable */
            cconc__alloc_free(me);
        }
        return NULL;
    }
    if (me && fresh) {
        lock_take(&records_mu);
        list_push_back(&all_records, &me->all);
        lock_leave(&records_mu);
    }
    return me;
}

self *cconc__self_make(void)
{
    self *me = self_find();
    uint32_t turn = 0;
    (void)plat_fork_is_ours(); /* what a thread begins, a child of its process is told from */
    while (!me) {
        plat_cpu_await(turn++);
        me = self_find();
    }
    me->slot.on_exit = self_thread_ends;
    me->executor = NULL;
    me->helper = NULL;
    me->task = NULL;
    me->is_due = false;
    me->process = cconc__fork_number();
    me->next = NULL;
    me->spins = 0;
    me->pauses = UINT32_MAX;
    me->yields = 0;
    cconc__local_init(&me->locals);
    me->random = (uint64_t)plat_clock_real() ^ ((uint64_t)(uintptr_t)me << 17);
    cconc__tls_set(&me->slot);
    return me;
}

void cconc__self_enter(self_task *task, const void *owner)
{
    self_push(task, owner);
    task->is_call = false;
    task->could_cancel = cconc__thread_let_cancel(true);
}

void cconc__self_again(void)
{
    MUST(plat_fork_is_ours() && self_get()->process == cconc__fork_number(),
         "function that a library thread called returned in a forked child");
}

void cconc__self_exit(void)
{
    cconc__self_again();
    (void)cconc__thread_let_cancel(self_get()->task->could_cancel);
    self_pop();
}

/* Take a free record out of all, unless it has to stay. */
static bool self_forget(self *me)
{
    bool goes;
    lock_take(&records_mu);
    goes = !me->is_static && !parker_is_in_use(&me->parker);
    if (goes) {
        list_remove(&me->all);
    }
    lock_leave(&records_mu);
    return goes;
}

void cconc__self_trim(void)
{
    self *kept = NULL;
    self *found;
    lock_take(&records_mu);
    found = free_records;
    free_records = NULL;
    lock_leave(&records_mu);
    while (found) {
        self *next = found->next;
        if (!self_forget(found)) {
            found->next = kept;
            kept = found;
        } else {
            cconc__parker_destroy(&found->parker);
            cconc__alloc_free(found);
        }
        found = next;
    }
    while (kept) {
        self *next = kept->next;
        lock_take(&records_mu);
        kept->next = free_records;
        free_records = kept;
        lock_leave(&records_mu);
        kept = next;
    }
}

int cconc__self_forked(bool is_service)
{
    self *me = self_peek();
    if (me && cconc__parker_init(&me->parker) != 0) {
        return ENOMEM;
    }
    cconc__lock_forked(&records_mu);
    list_init(&all_records);
    free_records = NULL;
    if (me) {
        if (!me->executor && !me->helper && !is_service) {
            me->process = cconc__fork_number() + 1;
        }
        me->executor = NULL;
        me->helper = NULL;
        me->is_due = false;
        cconc__local_init(&me->locals);
        list_push_back(&all_records, &me->all);
    }
    for (uint32_t i = 0; i < reserve_used; i++) {
        self *record = &reserve[i];
        record->is_static = true; /* the thread that took it may have been about to say so */
        if (record != me && cconc__parker_init(&record->parker) == 0) {
            record->next = free_records;
            free_records = record;
            list_push_back(&all_records, &record->all);
        }
    }
    return 0;
}

size_t cconc__self_blocked(int64_t *out_first_ns)
{
    size_t count = 0;
    *out_first_ns = PLAT_NEVER;
    lock_take(&records_mu);
    for (list_link *at = all_records.next; at != &all_records; at = at->next) {
        int64_t until_ns = cconc__parker_until(&LIST_OF(at, self, all)->parker);
        count += until_ns != PLAT_NEVER ? 1 : 0;
        *out_first_ns = until_ns < *out_first_ns ? until_ns : *out_first_ns;
    }
    lock_leave(&records_mu);
    return count;
}

self *cconc__self_call(int64_t now_ns, bool is_due, size_t *out_count)
{
    self *called = NULL;
    *out_count = 0;
    lock_take(&records_mu);
    for (list_link *at = all_records.next; at != &all_records; at = at->next) {
        self *record = LIST_OF(at, self, all);
        if (cconc__parker_call(&record->parker, now_ns, is_due)) {
            record->called = called;
            called = record;
            (*out_count)++;
        }
    }
    lock_leave(&records_mu);
    return called;
}

void cconc__self_ring(self *called)
{
    cconc__lock_assert_none();
    while (called) {
        self *next = called->called; /* the ring is the last touch */
        cconc__parker_ring(&called->parker);
        called = next;
    }
}

/* SplitMix64 (Steele, Lea, Flood 2014), scaled by Lemire's multiplication. */
uint32_t cconc__self_random(self *me, uint32_t bound)
{
    uint64_t z = (me->random += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    z ^= z >> 31;
    return (uint32_t)(((z >> 32) * bound) >> 32);
}
