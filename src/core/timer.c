/* timer.c - the timer service
 * SPDX-License-Identifier: MIT
 *
 * Idea        A heap of due times with four children a place, and one thread that sleeps until the
 *             earliest. Only a timer that becomes the earliest wakes it; one that is taken back
 *             does not: the thread may wake for nothing once.
 * Invariants  I1 heap[i] is due no earlier than heap[(i - 1) / 4]; heap[i].timer->place == i + 1.
 *             I2 used <= reserved <= room: arming never allocates.
 *             I3 The thread sleeps until sleeps_until at most, and no armed timer is due before it
 *                without a kick being on its way.
 * Locks       mu, rank TIMER: all state here. Timers fire with no lock held.
 * Ordering    None but mu's, and [park.1] for the kick.
 * Lifetime    A timer that disarm() missed may fire until its fire() has returned; its owner keeps
 *             the memory by a reference that fire() drops.
 * Rejected    A wheel: its slots fix a resolution, and equal times lose their order (0005). */
#include "core/timer.h"

#include "core/lock.h"
#include "core/must.h"
#include "core/quiet.h"
#include "core/self.h"
#include "core/service.h"
#include "plat/alloc.h"
#include "plat/clock.h"
#include "plat/parker.h"

#include <errno.h>
#include <string.h>

enum { TIMER_CHILDREN = 4, TIMER_ROOM_FIRST = 64 };

typedef struct timer_entry {
    int64_t  due_ns;
    uint64_t order; /* of arming, for equal times */
    timer   *due;
} timer_entry;

static lock mu = LOCK_INIT(RANK_TIMER);
static timer_entry *heap;    /* (m) */
static size_t used;          /* (m) */
static size_t reserved;      /* (m) */
static size_t room;          /* (m) */
static uint64_t orders;      /* (m) */
static timer *firing;        /* (m) whose fire() is running; it may be gone */
static void (*firing_torn)(timer *due); /* (m) its torn() */
static int64_t sleeps_until = INT64_MIN; /* (m) INT64_MIN = awake, or about to look */
static self *thread_self;    /* (m) the record of the service's thread, while it runs */
static parker bell;          /* made once, for good: the thread's own parker is for its callbacks */
static bool has_bell;        /* by the starts of the service, one after the other */

static int timer_make_bell(void);
static void timer_run(void);
static void timer_torn(void);
static service service_of_timers = {.mu = &mu, .name = "cconc-timer", .prepare = timer_make_bell,
                                    .run = timer_run, .torn = timer_torn};

static bool entry_before(const timer_entry *a, const timer_entry *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void heap_put_locked(size_t place, timer_entry entry)
{
    cconc__lock_assert_held(&mu);
    heap[place] = entry;
    entry.due->place = place + 1;
}

static void heap_rise_locked(size_t place, timer_entry entry)
{
    cconc__lock_assert_held(&mu);
    while (place > 0) {
        size_t above = (place - 1) / TIMER_CHILDREN;
        if (!entry_before(&entry, &heap[above])) {
            break;
        }
        heap_put_locked(place, heap[above]);
        place = above;
    }
    heap_put_locked(place, entry);
}

static void heap_sink_locked(size_t place, timer_entry entry)
{
    cconc__lock_assert_held(&mu);
    for (;;) {
        size_t first = place * TIMER_CHILDREN + 1;
        size_t least = first;
        if (first >= used) {
            break;
        }
        for (size_t child = first + 1; child < used && child < first + TIMER_CHILDREN; child++) {
            if (entry_before(&heap[child], &heap[least])) {
                least = child;
            }
        }
        if (!entry_before(&heap[least], &entry)) {
            break;
        }
        heap_put_locked(place, heap[least]);
        place = least;
    }
    heap_put_locked(place, entry);
}

static void heap_remove_locked(size_t place)
{
    timer_entry last;
    cconc__lock_assert_held(&mu);
    heap[place].due->place = 0;
    used--;
    if (place == used) {
        return;
    }
    last = heap[used];
    if (place > 0 && entry_before(&last, &heap[(place - 1) / TIMER_CHILDREN])) {
        heap_rise_locked(place, last);
    } else {
        heap_sink_locked(place, last);
    }
}

/* Fire what is due. Returns the time to sleep until. */
static int64_t timer_fire_due_locked(void)
{
    cconc__lock_assert_held(&mu);
    while (used > 0 && service_of_timers.state != SERVICE_STOPPING) {
        timer *due = heap[0].due;
        if (heap[0].due_ns > plat_clock_now()) {
            return heap[0].due_ns;
        }
        heap_remove_locked(0);
        firing = due;
        firing_torn = due->torn;
        lock_leave(&mu);
        due->fire(due); /* looked at anew: the heap, state */
        lock_take(&mu);
        firing = NULL;
    }
    return PLAT_NEVER;
}

static void timer_run(void)
{
    self *me = self_get();
    lock_take(&mu);
    thread_self = me;
    while (service_of_timers.state != SERVICE_STOPPING) {
        int64_t until = timer_fire_due_locked();
        sleeps_until = until;
        lock_leave(&mu);
        cconc__quiet_tell();
        (void)cconc__parker_park(&bell, until);
        lock_take(&mu); /* looked at anew: the heap, state */
        sleeps_until = INT64_MIN;
    }
    thread_self = NULL;
    lock_leave(&mu);
}

/* A user's function has ended the service's thread from inside fire(). */
static void timer_torn(void)
{
    void (*torn)(timer *due);
    timer *due;
    lock_take(&mu);
    due = firing;
    torn = firing_torn;
    lock_leave(&mu);
    if (torn) {
        torn(due);
    }
    lock_take(&mu);
    firing = NULL;
    lock_leave(&mu);
}

/* Before the first thread starts. Returns 0 or ENOMEM. */
static int timer_make_bell(void)
{
    if (!has_bell && cconc__parker_init(&bell) == 0) {
        has_bell = true;
    }
    return has_bell ? 0 : ENOMEM;
}

/* Grow the heap to hold one more. Returns 0 or ENOMEM. */
static int timer_grow(size_t want)
{
    timer_entry *bigger = cconc__alloc(want * sizeof(*bigger));
    timer_entry *old = bigger;
    if (!bigger) {
        return ENOMEM;
    }
    lock_take(&mu);
    if (room < want) {
        if (used > 0) {
            memcpy(bigger, heap, used * sizeof(*bigger));
        }
        old = heap;
        heap = bigger;
        room = want;
    }
    lock_leave(&mu);
    cconc__alloc_free(old);
    return 0;
}

/* Take room for one; *out_runs tells whether the service runs. */
static int timer_reserve_room(bool *out_runs)
{
    for (;;) {
        size_t want;
        lock_take(&mu);
        if (reserved < room) {
            reserved++;
            *out_runs = service_of_timers.state == SERVICE_RUNNING;
            lock_leave(&mu);
            return 0;
        }
        want = room ? room * 2 : TIMER_ROOM_FIRST;
        lock_leave(&mu);
        if (timer_grow(want) != 0) {
            return ENOMEM;
        }
    }
}

int cconc__timer_reserve(void)
{
    bool runs;
    int err = timer_reserve_room(&runs);
    if (!err && !runs) {
        err = cconc__service_start(&service_of_timers);
        if (err) {
            cconc__timer_unreserve();
        }
    }
    return err;
}

void cconc__timer_unreserve(void)
{
    lock_take(&mu);
    CHECK(reserved > used);
    reserved--;
    lock_leave(&mu);
}

bool cconc__timer_arm(timer *due, int64_t due_ns)
{
    bool kick;
    timer_entry entry = {due_ns, 0, due};
    lock_take(&mu);
    CHECK(due->place == 0 && used < reserved);
    entry.order = orders++;
    used++;
    heap_rise_locked(used - 1, entry);
    kick = due_ns < sleeps_until;
    if (kick) {
        sleeps_until = due_ns;
    }
    lock_leave(&mu);
    return kick;
}

void cconc__timer_kick(void)
{
    (void)cconc__parker_unpark(&bell);
}

bool cconc__timer_disarm(timer *due)
{
    bool armed;
    lock_take(&mu);
    armed = due->place != 0;
    if (armed) {
        heap_remove_locked(due->place - 1);
    }
    lock_leave(&mu);
    return armed;
}

bool cconc__timer_is_armed(timer *due)
{
    bool armed;
    lock_take(&mu);
    armed = due->place != 0;
    lock_leave(&mu);
    return armed;
}

static bool timer_is_busy_locked(void)
{
    cconc__lock_assert_held(&mu);
    return firing || (used > 0 && heap[0].due_ns != PLAT_NEVER);
}

bool cconc__timer_is_busy(void)
{
    bool busy;
    lock_take(&mu);
    busy = timer_is_busy_locked();
    lock_leave(&mu);
    return busy;
}

size_t cconc__timer_armed(void)
{
    size_t count;
    lock_take(&mu);
    count = used + (firing ? 1 : 0);
    lock_leave(&mu);
    return count;
}

bool cconc__timer_is_me(void)
{
    bool is_me;
    lock_take(&mu);
    is_me = thread_self && thread_self == self_peek();
    lock_leave(&mu);
    return is_me;
}

/* Give the heap back if nobody has room in it. */
static void timer_release_heap(void)
{
    timer_entry *old = NULL;
    lock_take(&mu);
    if (reserved == 0) {
        old = heap;
        heap = NULL;
        room = 0;
    }
    lock_leave(&mu);
    cconc__alloc_free(old);
}

int cconc__timer_stop(void)
{
    service_state found;
    lock_take(&mu);
    found = service_of_timers.state;
    if (timer_is_busy_locked() || found == SERVICE_STARTING || found == SERVICE_STOPPING) {
        lock_leave(&mu);
        return EBUSY;
    }
    if (reserved > 0) {
        lock_leave(&mu);
        return 0; /* whoever has room may arm, and could not start a thread then */
    }
    if (found == SERVICE_RUNNING) {
        service_of_timers.state = SERVICE_STOPPING;
    }
    lock_leave(&mu);
    if (found == SERVICE_RUNNING) {
        cconc__service_join(&service_of_timers, cconc__timer_kick);
    }
    timer_release_heap();
    return 0;
}
