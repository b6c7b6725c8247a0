/* timer.c - the timer service
 * SPDX-License-Identifier: MIT
 *
 * Idea        A heap of due times with four children a place, and one thread that sleeps until the
 *             earliest. Only a timer that becomes the earliest wakes it; one that is taken back
 *             does not: the thread may wake for nothing once. What is taken back stays in the heap
 *             as a blank until it is the earliest, or is among the last when one is taken back, or
 *             until the heap is full. Most timers are timeouts that never fire: they cost one
 *             store, instead of a way down the heap.
 * Picture     heap            due 5            disarm of 7: its entry's timer is NULL, and nothing
 *                       /    /    |    \        else moves; where blanks are many they all go
 *                  blank 7  9   blank 8  6      at once
 * Invariants  I1 heap[i] is due no earlier than heap[(i - 1) / 4]; heap[i].due is NULL, or has
 *                i + 1 as its place.
 *             I2 used - blanks <= reserved <= room / 2: arming never allocates, and a full heap is
 *                half blanks at least, so that taking them out costs each arming the same on
 *                average. Timers of a process that this one was forked from are in none of these.
 *             I3 The thread sleeps until sleeps_until at most, and no armed timer is due before it
 *                without a kick being on its way. While the clock is virtual it sleeps until the
 *                pulse: who moves the clock kicks.
 * Locks       timer_mu, rank TIMER: all state here. Timers fire with no lock held; taken() is
 *             called under it, and neither wakes nor takes a lock.
 * Ordering    None but timer_mu's, and [park.1] for the kick.
 * Lifetime    A timer that disarm() missed may fire until its fire() has returned; its owner keeps
 *             the memory by a reference that fire(), or what it starts, drops.
 * Rejected    A wheel: its slots fix a resolution, and equal times lose their order (0005). */
#include "core/timer.h"

#include "core/lock.h"
#include "core/must.h"
#include "core/quiet.h"
#include "core/self.h"
#include "core/service.h"
#include "plat/alloc.h"
#include "plat/clock.h"
#include "plat/fork.h"
#include "plat/parker.h"

#include <errno.h>
#include <string.h>

enum { TIMER_CHILDREN = 4, TIMER_ROOM_FIRST = 64, TIMER_FEW = 8 };

#define TIMER_PULSE UINT32_MAX    /* the place of the pulse */
#define TIMER_RELEASED UINT32_MAX /* the process of one without room */

typedef struct timer_entry {
    int64_t  due_ns;
    uint64_t order; /* of arming, for equal times */
    timer   *due; /* NULL = a blank */
} timer_entry;

static lock timer_mu = LOCK_INIT(RANK_TIMER);
static timer_entry *heap;    /* (m) */
static size_t used;          /* (m) entries, blanks included */
static size_t blanks;        /* (m) entries whose timer was taken back */
static size_t reserved;      /* (m) timers that may be armed */
static size_t room;          /* (m) for entries */
static uint64_t orders;      /* (m) */
static timer *pulse;         /* (m) by the real clock, or NULL */
static int64_t pulse_ns;     /* (m) when */
static timer *firing;        /* (m) whose fire() is running; it may be gone */
static const timer_ops *firing_ops; /* (m) its calls */
static int64_t sleeps_until = INT64_MIN; /* (m) real; INT64_MIN = awake, or about to look */
static self *timer_self;     /* (m) the record of the service's thread, while it runs */
static parker bell;          /* made once, for good: the thread's own parker is for its callbacks */
static bool has_bell;        /* by the starts of the service, one after the other */

static int timer_make_bell(void);
static void timer_run(void);
static void timer_torn(void);
static service service_of_timers = {.mu = &timer_mu, .name = "cconc-timer",
                                    .prepare = timer_make_bell,
                                    .run = timer_run, .torn = timer_torn};

static bool entry_before(const timer_entry *a, const timer_entry *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void heap_put_locked(size_t place, timer_entry entry)
{
    cconc__lock_assert_held(&timer_mu);
    heap[place] = entry;
    if (entry.due) {
        entry.due->place = (uint32_t)place + 1;
    }
}

static void heap_rise_locked(size_t place, timer_entry entry)
{
    cconc__lock_assert_held(&timer_mu);
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
    cconc__lock_assert_held(&timer_mu);
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

/* Take all blanks out. */
static void heap_compact_locked(void)
{
    size_t kept = 0;
    cconc__lock_assert_held(&timer_mu);
    for (size_t i = 0; i < used; i++) {
        if (heap[i].due) {
            heap_put_locked(kept++, heap[i]);
        }
    }
    used = kept;
    blanks = 0;
    for (size_t place = (used + TIMER_CHILDREN - 2) / TIMER_CHILDREN; place-- > 0;) {
        heap_sink_locked(place, heap[place]);
    }
}

/* Let the blanks at the end go. */
static void heap_trim_locked(void)
{
    cconc__lock_assert_held(&timer_mu);
    while (used > 0 && !heap[used - 1].due) {
        used--;
        blanks--;
    }
}

static void heap_pop_locked(void)
{
    cconc__lock_assert_held(&timer_mu);
    used--;
    if (used > 0) {
        heap_sink_locked(0, heap[used]);
    }
}

/* The earliest entry, or NULL if no timer is armed. */
static const timer_entry *heap_first_locked(void)
{
    cconc__lock_assert_held(&timer_mu);
    while (used > 0 && !heap[0].due) {
        if (blanks >= used / TIMER_FEW) {
            heap_compact_locked();
        } else {
            heap_pop_locked();
            blanks--;
        }
    }
    return used > 0 ? heap : NULL;
}

/* Take what is due: the pulse, or the first of the heap. NULL if nothing is. */
static timer *timer_take_due_locked(void)
{
    const timer_entry *first = heap_first_locked();
    timer *due = NULL;
    cconc__lock_assert_held(&timer_mu);
    if (pulse && pulse_ns <= plat_clock_real()) {
        due = pulse;
        pulse = NULL;
        due->place = 0;
    } else if (first && first->due_ns <= plat_clock_now()) {
        due = first->due;
        heap_pop_locked();
        due->place = 0;
    }
    if (due && due->ops->taken) {
        due->ops->taken(due);
    }
    return due;
}

/* The time to sleep until, by the real clock. */
static int64_t timer_until_locked(void)
{
    const timer_entry *first = heap_first_locked();
    int64_t until_ns = pulse ? pulse_ns : PLAT_NEVER;
    cconc__lock_assert_held(&timer_mu);
    if (first && first->due_ns < until_ns && !plat_clock_is_virtual()) {
        until_ns = first->due_ns;
    }
    return until_ns;
}

static void timer_fire_due_locked(void)
{
    cconc__lock_assert_held(&timer_mu);
    while (service_of_timers.state != SERVICE_STOPPING) {
        timer *due = timer_take_due_locked();
        if (!due) {
            return;
        }
        const timer_ops *ops;
        firing = due;
        firing_ops = ops = due->ops;
        lock_leave(&timer_mu);
        ops->fire(due); /* looked at anew: the heap, state */
        lock_take(&timer_mu);
        firing = NULL;
    }
}

static void timer_run(void)
{
    self *me = self_get();
    lock_take(&timer_mu);
    timer_self = me;
    while (service_of_timers.state != SERVICE_STOPPING) {
        int64_t until_ns;
        timer_fire_due_locked();
        until_ns = timer_until_locked();
        sleeps_until = until_ns;
        lock_leave(&timer_mu);
        cconc__quiet_tell();
        (void)cconc__parker_rest(&bell, until_ns);
        lock_take(&timer_mu); /* looked at anew: the heap, state */
        sleeps_until = INT64_MIN;
    }
    timer_self = NULL;
    lock_leave(&timer_mu);
}

/* A user's function has ended the service's thread from inside fire(). */
static void timer_torn(void)
{
    const timer_ops *ops;
    timer *due;
    lock_take(&timer_mu);
    due = firing;
    ops = firing_ops;
    lock_leave(&timer_mu);
    if (ops->torn) {
        ops->torn(due);
    }
    lock_take(&timer_mu);
    firing = NULL;
    lock_leave(&timer_mu);
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
    lock_take(&timer_mu);
    if (room < want) {
        if (used > 0) {
            memcpy(bigger, heap, used * sizeof(*bigger));
        }
        old = heap;
        heap = bigger;
        room = want;
    }
    lock_leave(&timer_mu);
    cconc__alloc_free(old);
    return 0;
}

/* Take room for due. Returns 0, with timer_mu taken, or ENOMEM. */
static int timer_take_room(timer *due)
{
    for (;;) {
        size_t want;
        lock_take(&timer_mu);
        if (reserved < room / 2) {
            reserved++;
            due->process = cconc__fork_number();
            return 0;
        }
        want = room ? room * 2 : TIMER_ROOM_FIRST;
        lock_leave(&timer_mu);
        if (want >= TIMER_PULSE) { /* coverage: never, no memory holds so many */
            return ENOMEM;
        }
        if (timer_grow(want) != 0) {
            return ENOMEM;
        }
    }
}

int cconc__timer_reserve_held(timer *due)
{
    int err = plat_fork_is_ours() ? timer_take_room(due) : ENOTRECOVERABLE;
    if (err || service_of_timers.state == SERVICE_RUNNING) {
        return err;
    }
    lock_leave(&timer_mu);
    err = cconc__service_start(&service_of_timers);
    if (err) {
        (void)cconc__timer_release(due);
    } else {
        lock_take(&timer_mu); /* it runs as long as there is room for due */
    }
    return err;
}

int cconc__timer_reserve(timer *due)
{
    int err = cconc__timer_reserve_held(due);
    if (!err) {
        lock_leave(&timer_mu);
    }
    return err;
}

/* Take timer_mu to do something with due. Returns false, without it, if due has no room in this
 * process: in a forked child the lock may be taken for ever. */
static bool timer_enter(const timer *due)
{
    bool is_ours;
    if (!plat_fork_is_ours()) {
        return false;
    }
    lock_take(&timer_mu);
    is_ours = due->process == cconc__fork_number();
    if (!is_ours) {
        lock_leave(&timer_mu);
    }
    return is_ours;
}

/* Does the thread have to be woken for due_ns of the real clock? */
static bool timer_wakes_locked(int64_t due_ns)
{
    bool kick = due_ns < sleeps_until;
    cconc__lock_assert_held(&timer_mu);
    if (kick) {
        sleeps_until = due_ns;
    }
    return kick;
}

static bool timer_arm_locked(timer *due, int64_t due_ns)
{
    timer_entry entry = {due_ns, orders, due};
    cconc__lock_assert_held(&timer_mu);
    CHECK(due->place == 0 && used - blanks < reserved);
    if (used == room) {
        heap_compact_locked();
    }
    orders++;
    used++;
    heap_rise_locked(used - 1, entry);
    return plat_clock_is_virtual() ? due_ns <= plat_clock_now() : timer_wakes_locked(due_ns);
}

bool cconc__timer_arm_held(timer *due, int64_t due_ns)
{
    bool kick = timer_arm_locked(due, due_ns);
    lock_leave(&timer_mu);
    return kick;
}

bool cconc__timer_arm(timer *due, int64_t due_ns)
{
    return timer_enter(due) && cconc__timer_arm_held(due, due_ns);
}

bool cconc__timer_arm_pulse(timer *due, int64_t due_ns)
{
    bool kick;
    lock_take(&timer_mu);
    CHECK(due->place == 0 && !pulse);
    due->place = TIMER_PULSE;
    pulse = due;
    pulse_ns = due_ns;
    kick = timer_wakes_locked(due_ns);
    lock_leave(&timer_mu);
    return kick;
}

void cconc__timer_kick(void)
{
    (void)cconc__parker_unpark(&bell);
}

/* Returns true if due was armed. */
static bool timer_disarm_locked(timer *due)
{
    uint32_t place = due->place;
    cconc__lock_assert_held(&timer_mu);
    due->place = 0;
    if (place == TIMER_PULSE) {
        pulse = NULL;
    } else if (place != 0) {
        heap[place - 1].due = NULL;
        blanks++;
        heap_trim_locked();
    }
    return place != 0;
}

bool cconc__timer_disarm(timer *due)
{
    bool armed;
    if (!timer_enter(due)) {
        return false;
    }
    armed = timer_disarm_locked(due);
    lock_leave(&timer_mu);
    return armed;
}

bool cconc__timer_rearm(timer *due, int64_t due_ns, bool *out_kick)
{
    bool armed;
    *out_kick = false;
    if (!timer_enter(due)) {
        return false;
    }
    armed = timer_disarm_locked(due);
    *out_kick = timer_arm_locked(due, due_ns);
    lock_leave(&timer_mu);
    return armed;
}

bool cconc__timer_release(timer *due)
{
    bool armed;
    if (!timer_enter(due)) {
        return false;
    }
    armed = timer_disarm_locked(due);
    CHECK(reserved > used - blanks);
    reserved--;
    due->process = TIMER_RELEASED;
    lock_leave(&timer_mu);
    return armed;
}

static bool timer_is_busy_locked(void)
{
    const timer_entry *first = heap_first_locked();
    cconc__lock_assert_held(&timer_mu);
    return firing || service_of_timers.state == SERVICE_STARTING ||
           (first && first->due_ns != PLAT_NEVER);
}

bool cconc__timer_is_busy(void)
{
    bool busy;
    lock_take(&timer_mu);
    busy = timer_is_busy_locked();
    lock_leave(&timer_mu);
    return busy;
}

bool cconc__timer_is_late(void)
{
    const timer_entry *first;
    bool late;
    lock_take(&timer_mu);
    first = heap_first_locked();
    late = firing || (first && first->due_ns <= plat_clock_now());
    lock_leave(&timer_mu);
    return late;
}

int64_t cconc__timer_next(void)
{
    const timer_entry *first;
    int64_t due_ns;
    lock_take(&timer_mu);
    first = heap_first_locked();
    due_ns = first ? first->due_ns : PLAT_NEVER;
    lock_leave(&timer_mu);
    return due_ns;
}

size_t cconc__timer_armed(void)
{
    size_t count;
    lock_take(&timer_mu);
    count = used - blanks + (pulse ? 1 : 0) + (firing ? 1 : 0);
    lock_leave(&timer_mu);
    return count;
}

bool cconc__timer_is_me(void)
{
    bool is_me;
    lock_take(&timer_mu);
    is_me = timer_self && timer_self == self_peek();
    lock_leave(&timer_mu);
    return is_me;
}

bool cconc__timer_forked(void)
{
    bool was_me = timer_self && timer_self == self_peek();
    cconc__service_forked(&service_of_timers);
    heap = NULL; /* left alone, as all that was the parent's */
    used = 0;
    blanks = 0;
    reserved = 0;
    room = 0;
    pulse = NULL;
    firing = NULL;
    sleeps_until = INT64_MIN;
    timer_self = NULL;
    has_bell = false;
    return was_me;
}

/* Give the heap back if nobody has room in it. */
static void timer_release_heap(void)
{
    timer_entry *old = NULL;
    lock_take(&timer_mu);
    if (reserved == 0) {
        old = heap;
        heap = NULL;
        used = 0; /* blanks */
        blanks = 0;
        room = 0;
    }
    lock_leave(&timer_mu);
    cconc__alloc_free(old);
}

int cconc__timer_stop(void)
{
    service_state found;
    lock_take(&timer_mu);
    found = service_of_timers.state;
    if (timer_is_busy_locked()) {
        lock_leave(&timer_mu);
        return EBUSY;
    }
    if (reserved > 0) {
        lock_leave(&timer_mu);
        return 0; /* whoever has room may arm, and could not start a thread then */
    }
    if (found == SERVICE_RUNNING) {
        service_of_timers.state = SERVICE_STOPPING;
    }
    lock_leave(&timer_mu);
    if (found == SERVICE_RUNNING) {
        cconc__service_join(&service_of_timers, cconc__timer_kick);
    }
    timer_release_heap();
    return 0;
}
