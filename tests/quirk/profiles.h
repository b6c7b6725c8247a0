/* profiles.h - what quirk.c knows of each system; README.md says where it is known from
 * SPDX-License-Identifier: MIT
 */
#ifndef CCONC_TESTS_QUIRK_PROFILES_H
#define CCONC_TESTS_QUIRK_PROFILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUIRK_MS   INT64_C(1000000)
#define QUIRK_HOUR INT64_C(3600000000000)

/* The attributes of a condition variable. */
enum quirk_attr {
    ATTR_WORKS,   /* setclock decides */
    ATTR_IGNORED, /* setclock succeeds and is ignored, getclock tells nothing */
    ATTR_REFUSED, /* there is no init */
    ATTR_CHECKED, /* init refuses one that is not zero, the others one without init */
};

/* The clock that pthread_cond_timedwait goes by. */
enum quirk_clock {
    CLOCK_OF_ATTR,
    CLOCK_CALENDAR,
    CLOCK_STEADY,
};

/* How a duration becomes ticks. */
enum quirk_rounding {
    ROUND_UP,
    ROUND_DOWN, /* what is less than a tick is over at once */
};

struct quirk_profile {
    const char         *name;
    enum quirk_attr     attr;
    enum quirk_clock    clock;
    enum quirk_rounding rounding;
    int64_t             tick_ns;         /* of waits; 0 = none */
    int64_t             reading_tick_ns; /* of clocks; 0 = none */
    size_t              stack_size;      /* of a thread that asks for none; 0 = the host's */
    unsigned            waiters;         /* that one condition variable takes; 0 = any number */
    bool has_clockwait;
    bool has_relative;
    bool has_no_setclock;     /* whoever calls it would not have linked */
    bool has_no_epoch;        /* REALTIME is the time since the start */
    bool is_early;            /* now and then a wait ends a tick too soon */
    bool leaves_late;         /* who timed out stays a waiter until it has the mutex again */
    bool timeout_unlocks;     /* and after a timeout the mutex is not held */
    bool checks_owner;        /* a mutex that is not held is not unlocked */
    bool destroys_held;       /* a mutex that is held is destroyed */
    bool refuses_early_calls; /* a broadcast before the first wait, if there was no init */
    bool steps;               /* REALTIME jumps an hour to and fro in the middle of waits */
};

static const struct quirk_profile quirk_profiles[] = {
    {.name = "macos", .attr = ATTR_IGNORED, .clock = CLOCK_CALENDAR, .has_relative = true,
     .has_no_setclock = true},
    {.name = "espidf", .attr = ATTR_REFUSED, .clock = CLOCK_CALENDAR, .tick_ns = QUIRK_MS,
     .is_early = true},
    {.name = "espidf-setclock", .attr = ATTR_IGNORED, .clock = CLOCK_CALENDAR,
     .tick_ns = QUIRK_MS, .is_early = true},
    {.name = "rtthread", .attr = ATTR_IGNORED, .clock = CLOCK_CALENDAR, .tick_ns = QUIRK_MS},
    {.name = "zephyr-default", .attr = ATTR_CHECKED, .clock = CLOCK_STEADY, .tick_ns = QUIRK_MS,
     .rounding = ROUND_DOWN, .refuses_early_calls = true},
    {.name = "freertos-posix", .attr = ATTR_IGNORED, .clock = CLOCK_CALENDAR, .tick_ns = QUIRK_MS,
     .waiters = 4, .has_no_epoch = true, .leaves_late = true, .destroys_held = true},
    {.name = "threadx", .attr = ATTR_IGNORED, .clock = CLOCK_CALENDAR, .tick_ns = 10 * QUIRK_MS,
     .has_no_epoch = true, .timeout_unlocks = true, .checks_owner = true},
    {.name = "nuttx-small", .attr = ATTR_WORKS, .clock = CLOCK_OF_ATTR, .tick_ns = 10 * QUIRK_MS,
     .reading_tick_ns = 10 * QUIRK_MS, .stack_size = 16384, .has_clockwait = true},
    {.name = "tick10ms", .attr = ATTR_WORKS, .clock = CLOCK_OF_ATTR, .rounding = ROUND_DOWN,
     .tick_ns = 10 * QUIRK_MS, .has_clockwait = true},
    {.name = "clockstep", .attr = ATTR_WORKS, .clock = CLOCK_OF_ATTR, .has_clockwait = true,
     .steps = true},
};

#endif
