/* timer.h - the timer service: calls at points in time, a million of them on one thread
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_TIMER_H
#define CORE_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct timer_ops timer_ops;

typedef struct timer {
    uint32_t place;       /* (m) place in the heap + 1, 0 = not armed; or the pulse's */
    uint32_t process;     /* (m) the number of the process that made room for it */
    const timer_ops *ops; /* (i) */
} timer;

struct timer_ops {
    void (*fire)(timer *due); /* called on the service's thread, under no lock */
    void (*torn)(timer *due); /* called if fire has ended its thread; NULL = no need */
    void (*taken)(timer *due); /* called in the step from which on disarm() misses it, under the
                                * service's lock; NULL = no need */
};

/* Make room for due and see that the service runs: arming then needs no memory. Returns 0, ENOMEM,
 * or ENOTRECOVERABLE in a forked child. */
int cconc__timer_reserve(timer *due);

/* The same, and hold the service's lock on 0: nothing fires until due is armed by the second, which
 * is as cconc__timer_arm(). */
int  cconc__timer_reserve_held(timer *due);
bool cconc__timer_arm_held(timer *due, int64_t due_ns);

/* Take due back, as cconc__timer_disarm() does, and its room: arming it does nothing from now on.
 * A second time it does nothing. */
bool cconc__timer_release(timer *due);

/* Let due fire once, at due_ns or soon after, never before; equal times in order of arming. It must
 * not be armed. Returns true if the caller must call cconc__timer_kick once it holds no lock. */
bool cconc__timer_arm(timer *due, int64_t due_ns);
void cconc__timer_kick(void);

/* The same for one timer, the executor's watch, that goes by the real clock and needs no room. */
bool cconc__timer_arm_pulse(timer *due, int64_t due_ns);

/* Take due back. Returns true if it will not fire; false if it was not armed, fires or has fired.
 * Whoever did so calls cconc__quiet_tell once it holds no lock. */
bool cconc__timer_disarm(timer *due);

/* Take due back and arm it anew in one step. Returns as disarm; *out_kick as arm. */
bool cconc__timer_rearm(timer *due, int64_t due_ns, bool *out_kick);

/* Give the number of armed timers. */
size_t cconc__timer_armed(void);

/* Tell whether a timer fires, or is armed and due some day, or the service starts. */
bool cconc__timer_is_busy(void);

/* Tell whether a timer fires or is due; give the earliest due time, PLAT_NEVER if there is none. */
bool    cconc__timer_is_late(void);
int64_t cconc__timer_next(void);

/* In a forked child: forget all timers of the parent. Arming one of them, taking it or its room
 * back does nothing, neither before this nor afterwards. Returns true if the calling thread was the
 * service's. */
bool cconc__timer_forked(void);

/* End and join the service's thread, unless there is room for a timer that may be armed yet. By one
 * thread at a time. Returns 0, or EBUSY if the service is busy. */
int cconc__timer_stop(void);

/* Tell whether the calling thread is the service's. */
bool cconc__timer_is_me(void);

#endif
