/* quirk.c - condition variables, clocks and threads as other systems have them
 * SPDX-License-Identifier: MIT
 *
 * Idea        A condition variable is a list of waiters, each of which has one of the host's; its
 *             bytes lie in those of the host's type. All lists are under one lock. What differs
 *             from system to system is a field of the profile.
 * Rejected    Changing the deadline of the host's own: it cannot lose a wake-up, refuse a fifth
 *             waiter, or go by a calendar that is stepped here.
 */
#include "quirk.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiles.h"

#define NEVER  INT64_MAX
#define SECOND INT64_C(1000000000)
#define MAGIC  0x5155524bu
#define STEPS_APART (50 * QUIRK_MS)

/* A thread that waits. */
struct waiter {
    struct waiter *next;
    pthread_cond_t woken;
    bool is_told;
};

/* What lies in the bytes of a pthread_cond_t. */
struct quirk_cond {
    uint32_t magic; /* 0: made by an initialiser */
    int32_t clock;
    struct waiter *first;
};

_Static_assert(sizeof(struct quirk_cond) <= sizeof(pthread_cond_t), "it has no room");

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const struct quirk_profile *profile; /* NULL: as the host does */
static pthread_mutex_t world = PTHREAD_MUTEX_INITIALIZER;
static atomic_llong offset_ns;        /* of the calendar */
static int64_t stepped_ns;            /* under world: when it was stepped last */
static bool is_back;                  /* under world */
static atomic_uint early_count;
static atomic_long mutexes;
static atomic_long conds;

/* ---- the profile ---------------------------------------------------------------------------- */

static void world_lock(void)
{
    (void)pthread_mutex_lock(&world);
}

static void world_unlock(void)
{
    (void)pthread_mutex_unlock(&world);
}

static void choose(void)
{
    const char *name = getenv("QUIRKS");
    (void)pthread_atfork(world_lock, world_unlock, world_unlock);
    if (!name || strcmp(name, "none") == 0) {
        return;
    }
    for (size_t i = 0; i < sizeof(quirk_profiles) / sizeof(quirk_profiles[0]); i++) {
        if (strcmp(name, quirk_profiles[i].name) == 0) {
            profile = &quirk_profiles[i];
        }
    }
    if (!profile) {
        (void)fprintf(stderr, "quirk: no profile %s\n", name);
        abort();
    }
}

static const struct quirk_profile *profile_now(void)
{
    (void)pthread_once(&once, choose);
    return profile;
}

static void *absent(const char *function)
{
    (void)fprintf(stderr, "quirk: %s has no %s\n", profile->name, function);
    abort();
}

/* ---- clocks --------------------------------------------------------------------------------- */

static int64_t ns_of(const struct timespec *ts)
{
    return ts->tv_sec > NEVER / SECOND - 1 ? NEVER : ts->tv_sec * SECOND + ts->tv_nsec;
}

static int64_t steady_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return ns_of(&now);
}

/* The calendar, or the steady clock, of this system. */
static int64_t clock_now(clockid_t clock)
{
    struct timespec now;
    int64_t now_ns = steady_now();
    if (clock == CLOCK_REALTIME && !profile->has_no_epoch) {
        (void)clock_gettime(CLOCK_REALTIME, &now);
        now_ns = ns_of(&now) + atomic_load(&offset_ns);
    }
    return profile->reading_tick_ns > 0 ? now_ns - now_ns % profile->reading_tick_ns : now_ns;
}

int quirk_clock_gettime(clockid_t clock, struct timespec *out_time)
{
    int64_t now_ns;
    if (!profile_now() || (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)) {
        return clock_gettime(clock, out_time);
    }
    now_ns = clock_now(clock);
    out_time->tv_sec = now_ns / SECOND;
    out_time->tv_nsec = now_ns % SECOND;
    return 0;
}

/* The calendar jumps, but not all the time: an hour back in the middle of a wait, which no system
 * minds that has made ticks of the deadline when the wait began; an hour forth between the caller's
 * look at it and that moment, which ends the wait at once. */
static void step_sometimes_locked(bool forth)
{
    int64_t now_ns = steady_now();
    if (profile->steps && now_ns - stepped_ns >= STEPS_APART && forth == is_back) {
        stepped_ns = now_ns;
        is_back = !is_back;
        (void)atomic_fetch_add(&offset_ns, forth ? QUIRK_HOUR : -QUIRK_HOUR);
    }
}

/* ---- attributes ----------------------------------------------------------------------------- */

static bool is_zero(const void *bytes, size_t size)
{
    static const unsigned char zeros[64];
    return memcmp(bytes, zeros, size) == 0;
}

/* What the host says to setclock and getclock, which tests make fail. */
static int host_clock(clockid_t clock, clockid_t *out_clock)
{
    pthread_condattr_t host = {0}; /* without an init: tests make that fail, too */
    int err = pthread_condattr_setclock(&host, clock);
    return err ? err : pthread_condattr_getclock(&host, out_clock);
}

/* With ATTR_CHECKED the host's attribute is there from init on, with a bit that no clock has. */
#define ATTR_MADE 0x40000000

static int attr_word(const pthread_condattr_t *attr)
{
    int word;
    memcpy(&word, attr, sizeof(word));
    return word;
}

int quirk_pthread_condattr_init(pthread_condattr_t *attr)
{
    int word = ATTR_MADE;
    int err;
    pthread_condattr_t host;
    if (!profile_now()) {
        return pthread_condattr_init(attr);
    }
    switch (profile->attr) {
    case ATTR_REFUSED:
        return ENOSYS;
    case ATTR_CHECKED:
        if (!is_zero(attr, sizeof(*attr))) {
            return EINVAL;
        }
        err = pthread_condattr_init(&host); /* tests make it fail */
        if (!err) {
            memcpy(attr, &word, sizeof(word));
        }
        return err;
    default:
        return pthread_condattr_init(attr);
    }
}

int quirk_pthread_condattr_destroy(pthread_condattr_t *attr)
{
    if (!profile_now() || profile->attr != ATTR_CHECKED) {
        return pthread_condattr_destroy(attr);
    }
    if (!(attr_word(attr) & ATTR_MADE)) {
        return EINVAL;
    }
    memset(attr, 0, sizeof(*attr));
    return 0;
}

int quirk_pthread_condattr_setclock(pthread_condattr_t *attr, clockid_t clock)
{
    int word = ATTR_MADE | (int)clock;
    if (!profile_now()) {
        return pthread_condattr_setclock(attr, clock);
    }
    if (profile->has_no_setclock) {
        (void)absent("pthread_condattr_setclock");
    }
    switch (profile->attr) {
    case ATTR_WORKS:
        return pthread_condattr_setclock(attr, clock);
    case ATTR_CHECKED:
        if (!(attr_word(attr) & ATTR_MADE)) {
            return EINVAL;
        }
        memcpy(attr, &word, sizeof(word));
        return host_clock(clock, &clock);
    default:
        return 0;
    }
}

int quirk_pthread_condattr_getclock(const pthread_condattr_t *attr, clockid_t *out_clock)
{
    if (!profile_now()) {
        return pthread_condattr_getclock(attr, out_clock);
    }
    if (profile->has_no_setclock) {
        (void)absent("pthread_condattr_getclock");
    }
    switch (profile->attr) {
    case ATTR_WORKS:
        return pthread_condattr_getclock(attr, out_clock);
    case ATTR_CHECKED:
        return attr_word(attr) & ATTR_MADE
                   ? host_clock(attr_word(attr) & ~ATTR_MADE, out_clock)
                   : EINVAL;
    default:
        return 0;
    }
}

/* ---- condition variables -------------------------------------------------------------------- */

static struct quirk_cond *quirk_cond_of(pthread_cond_t *cond)
{
    return (struct quirk_cond *)(void *)cond;
}

/* The host's says whether one can be had: tests make it fail. */
int quirk_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr)
{
    struct quirk_cond made = {.magic = MAGIC, .clock = CLOCK_REALTIME};
    clockid_t clock = CLOCK_REALTIME;
    int err;
    bool is_checked = profile_now() && profile->attr == ATTR_CHECKED;
    if (is_checked && attr && !(attr_word(attr) & ATTR_MADE)) {
        return EINVAL;
    }
    err = pthread_cond_init(cond, profile ? NULL : attr);
    if (err) {
        return err;
    }
    (void)atomic_fetch_add(&conds, 1);
    if (!profile) {
        return 0;
    }
    (void)pthread_cond_destroy(cond);
    if (profile->clock == CLOCK_STEADY) {
        clock = CLOCK_MONOTONIC;
    } else if (profile->clock == CLOCK_OF_ATTR && attr) {
        (void)pthread_condattr_getclock(attr, &clock);
    }
    made.clock = clock;
    memset(cond, 0, sizeof(*cond));
    memcpy(cond, &made, sizeof(made));
    return 0;
}

int quirk_pthread_cond_destroy(pthread_cond_t *cond)
{
    int err = 0;
    if (!profile_now()) {
        err = pthread_cond_destroy(cond);
    } else {
        world_lock();
        err = quirk_cond_of(cond)->first ? EBUSY : 0;
        world_unlock();
    }
    if (!err) {
        (void)atomic_fetch_sub(&conds, 1);
    }
    return err;
}

static void waiter_tell_locked(struct waiter *w)
{
    w->is_told = true;
    (void)pthread_cond_signal(&w->woken);
}

int quirk_pthread_cond_signal(pthread_cond_t *cond)
{
    struct quirk_cond *c = quirk_cond_of(cond);
    if (!profile_now()) {
        return pthread_cond_signal(cond);
    }
    world_lock();
    if (c->first) {
        struct waiter *w = c->first;
        c->first = w->next;
        w->next = NULL;
        waiter_tell_locked(w);
    }
    world_unlock();
    return 0;
}

int quirk_pthread_cond_broadcast(pthread_cond_t *cond)
{
    struct quirk_cond *c = quirk_cond_of(cond);
    if (!profile_now()) {
        return pthread_cond_broadcast(cond);
    }
    if (profile->refuses_early_calls && c->magic != MAGIC) {
        return EINVAL;
    }
    world_lock();
    while (c->first) {
        struct waiter *w = c->first;
        c->first = w->next;
        w->next = NULL;
        waiter_tell_locked(w);
    }
    world_unlock();
    return 0;
}

/* Queue w, last. Returns ENOMEM if there are too many. */
static int waiter_enter_locked(struct quirk_cond *c, struct waiter *w)
{
    struct waiter **at = &c->first;
    unsigned count = 0;
    for (; *at; at = &(*at)->next) {
        count++;
    }
    if (profile->waiters > 0 && count >= profile->waiters) {
        return ENOMEM;
    }
    c->magic = MAGIC;
    *at = w;
    return 0;
}

static void waiter_leave_locked(struct quirk_cond *c, struct waiter *w)
{
    struct waiter **at = &c->first;
    while (*at && *at != w) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = w->next;
    }
}

static struct timespec timespec_of(int64_t time_ns)
{
    return (struct timespec){.tv_sec = time_ns / SECOND, .tv_nsec = time_ns % SECOND};
}

/* Sleep until told, woken to look again, or until_ns of the steady clock. */
static void waiter_sleep_locked(struct waiter *w, int64_t until_ns)
{
    struct timespec until_time = timespec_of(until_ns);
    if (until_ns == NEVER) {
        (void)pthread_cond_wait(&w->woken, &world);
    } else {
        (void)pthread_cond_clockwait(&w->woken, &world, CLOCK_MONOTONIC, &until_time);
    }
}

/* What the system makes of a duration. */
static int64_t rounded(int64_t left_ns)
{
    int64_t tick_ns = profile->tick_ns;
    if (left_ns <= 0) {
        return 0;
    }
    if (tick_ns == 0 || left_ns > NEVER / 2) {
        return left_ns;
    }
    if (profile->rounding == ROUND_DOWN) {
        return left_ns / tick_ns * tick_ns;
    }
    left_ns = (left_ns + tick_ns - 1) / tick_ns * tick_ns;
    if (profile->is_early && atomic_fetch_add(&early_count, 1) % 3 == 0) {
        left_ns -= tick_ns;
    }
    return left_ns;
}

/* Wait until until_ns of clock, made into ticks now. NEVER: without a deadline. */
static int wait_until_locked(struct waiter *w, clockid_t clock, int64_t until_ns)
{
    int64_t now_ns = steady_now();
    int64_t half_ns;
    int64_t left_ns;
    int64_t end_ns;
    step_sometimes_locked(true);
    left_ns = rounded(until_ns == NEVER ? NEVER : until_ns - clock_now(clock));
    end_ns = left_ns > NEVER - now_ns ? NEVER : now_ns + left_ns;
    half_ns = end_ns == NEVER ? NEVER : now_ns + left_ns / 2;
    while (!w->is_told && now_ns < end_ns) {
        waiter_sleep_locked(w, now_ns < half_ns ? half_ns : end_ns);
        now_ns = steady_now();
        if (now_ns >= half_ns) {
            step_sometimes_locked(false);
        }
    }
    return w->is_told ? 0 : ETIMEDOUT;
}

static int cond_wait(pthread_cond_t *cond, pthread_mutex_t *mu, clockid_t clock, int64_t until_ns)
{
    struct quirk_cond *c = quirk_cond_of(cond);
    struct waiter *w = calloc(1, sizeof(*w));
    int err;
    int could;
    if (!w) {
        return ENOMEM;
    }
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &could);
    w->woken = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    world_lock();
    err = waiter_enter_locked(c, w);
    if (!err) {
        (void)pthread_mutex_unlock(mu);
        err = wait_until_locked(w, clock, until_ns);
        if (profile->leaves_late) {
            world_unlock();
            (void)pthread_mutex_lock(mu);
            world_lock();
        }
        waiter_leave_locked(c, w);
        world_unlock();
        if (!profile->leaves_late && !(err && profile->timeout_unlocks)) {
            (void)pthread_mutex_lock(mu);
        }
    } else {
        world_unlock();
    }
    (void)pthread_cond_destroy(&w->woken);
    free(w);
    (void)pthread_setcancelstate(could, NULL);
    return err;
}

int quirk_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mu)
{
    return profile_now() ? cond_wait(cond, mu, CLOCK_MONOTONIC, NEVER)
                         : pthread_cond_wait(cond, mu);
}

int quirk_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mu,
                                 const struct timespec *until_time)
{
    if (!profile_now()) {
        return pthread_cond_timedwait(cond, mu, until_time);
    }
    return cond_wait(cond, mu, quirk_cond_of(cond)->clock, ns_of(until_time));
}

int quirk_pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mu, clockid_t clock,
                                 const struct timespec *until_time)
{
    if (!profile_now()) {
        return pthread_cond_clockwait(cond, mu, clock, until_time);
    }
    if (!profile->has_clockwait) {
        (void)absent("pthread_cond_clockwait");
    }
    return cond_wait(cond, mu, clock, ns_of(until_time));
}

int quirk_pthread_cond_timedwait_relative_np(pthread_cond_t *cond, pthread_mutex_t *mu,
                                             const struct timespec *duration)
{
    int64_t now_ns = steady_now();
    int64_t left_ns = ns_of(duration);
    int64_t until_ns = left_ns > NEVER - now_ns ? NEVER - 1 : now_ns + left_ns;
    struct timespec until_time = timespec_of(until_ns);
    if (!profile_now()) {
        return pthread_cond_clockwait(cond, mu, CLOCK_MONOTONIC, &until_time);
    }
    if (!profile->has_relative) {
        (void)absent("pthread_cond_timedwait_relative_np");
    }
    return cond_wait(cond, mu, CLOCK_MONOTONIC, until_ns);
}

/* ---- mutexes, threads ----------------------------------------------------------------------- */

int quirk_pthread_mutex_init(pthread_mutex_t *mu, const pthread_mutexattr_t *attr)
{
    int err = pthread_mutex_init(mu, attr);
    if (!err) {
        (void)atomic_fetch_add(&mutexes, 1);
    }
    return err;
}

int quirk_pthread_mutex_destroy(pthread_mutex_t *mu)
{
    int err = 0;
    if (!profile_now() || !profile->destroys_held) {
        err = pthread_mutex_destroy(mu);
    } else {
        memset(mu, 0x5a, sizeof(*mu));
    }
    if (!err) {
        (void)atomic_fetch_sub(&mutexes, 1);
    }
    return err;
}

int quirk_pthread_mutex_unlock(pthread_mutex_t *mu)
{
    if (profile_now() && profile->checks_owner && mu->__data.__owner != (int)gettid()) {
        return EPERM;
    }
    return pthread_mutex_unlock(mu);
}

int quirk_pthread_create(pthread_t *out_id, const pthread_attr_t *attr, void *(*fn)(void *),
                         void *arg)
{
    pthread_attr_t own;
    size_t size;
    size_t usual;
    int err;
    if (!profile_now() || profile->stack_size == 0 || !attr ||
        pthread_attr_getstacksize(attr, &size) != 0 || pthread_attr_init(&own) != 0) {
        return pthread_create(out_id, attr, fn, arg);
    }
    if (pthread_attr_getstacksize(&own, &usual) == 0 && size == usual) {
        (void)pthread_attr_setstacksize(&own, profile->stack_size);
        err = pthread_create(out_id, &own, fn, arg);
    } else {
        err = pthread_create(out_id, attr, fn, arg);
    }
    (void)pthread_attr_destroy(&own);
    return err;
}

long quirk_mutexes(void)
{
    return atomic_load(&mutexes);
}

long quirk_conds(void)
{
    return atomic_load(&conds);
}
