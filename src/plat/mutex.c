/* mutex.c - mutual exclusion, and the one timed wait of the library
 * SPDX-License-Identifier: MIT
 *
 * Idea        Every deadline of the library ends in cconc__cond_wait. How a condition variable gets
 *             a monotonic deadline differs, so there is one strategy a build:
 *               CONDATTR   the condition variable's clock is set, and read back, at init (default)
 *               CLOCKWAIT  pthread_cond_clockwait
 *               RELATIVE   pthread_cond_timedwait_relative_np (macOS)
 *               REALTIME   a deadline of the calendar, for systems that know no other. They make
 *                          ticks of it when the wait begins, so that a step of the calendar during
 *                          the wait does nothing. One forth, between our look at the calendar and
 *                          theirs, ends the wait early, and it is begun anew; one back in that
 *                          moment makes it longer. A wait is a second at most: their ticks may
 *                          have 32 bits.
 * Invariants  I1 The answer "deadline has passed" comes from the monotonic clock alone, never from
 *                the return code of a wait: some platforms time out early, some cannot time out.
 *             I2 At most one thread waits on a condition variable (glibc bug 25847 needs two).
 *             I3 A wait that fails may come back without the mutex (ThreadX). So it is unlocked,
 *                which does nothing to a mutex that is not held there, and locked again: others may
 *                have had it, and the caller looks at what it waits for before it waits again.
 * Locks       These are the locks.
 * Ordering    None of its own.
 * Lifetime    The caller's.
 * Rejected    An initialiser for condition variables: some platforms accept only the init call. */
#include "plat/mutex.h"

#if !defined(CCONC_PLAT_HEADER)

#include <errno.h>
#include <time.h>

#include "plat/clock.h"
#include "plat/fork.h"
#include "plat/os.h"
#include "plat/thread.h"

int cconc__mutex_init(plat_mutex *mu)
{
    return pthread_mutex_init(&mu->m, NULL);
}

void cconc__mutex_destroy(plat_mutex *mu)
{
    (void)pthread_mutex_destroy(&mu->m);
}

void cconc__mutex_lock_slow(plat_mutex *mu)
{
    for (int pauses = 2; pauses <= PLAT_MUTEX_PAUSES; pauses *= 2) {
        for (int i = 0; i < pauses; i++) {
            plat_cpu_relax();
        }
        if (pthread_mutex_trylock(&mu->m) == 0) {
            return;
        }
    }
    if (!plat_fork_is_ours()) { /* no thread of the child has it: it would never be left */
        cconc__os_complain("cconc: lock that a thread of the parent process held at the fork\n");
        cconc__os_abort();
    }
    (void)pthread_mutex_lock(&mu->m);
}

#if defined(CCONC_WAIT_CONDATTR)
/* Trust nothing: an attribute of zeros, since some systems refuse one that they take for made
 * already; the clock set, then read back into a variable that holds an impossible value. Where it
 * is not set a thread that has to wait would try for ever to get what it needs for that. */
static int cond_make(plat_cond *cond)
{
    pthread_condattr_t attr = {0};
    clockid_t got = (clockid_t)-1;
    int err = pthread_condattr_init(&attr);
    if (err) {
        return err;
    }
    if (pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) != 0 ||
        pthread_condattr_getclock(&attr, &got) != 0 || got != CLOCK_MONOTONIC) {
        cconc__os_complain("cconc: condition variables here do not go by the monotonic clock: "
                           "build with another wait_strategy\n");
        cconc__os_abort();
    }
    err = pthread_cond_init(&cond->c, &attr);
    (void)pthread_condattr_destroy(&attr);
    return err;
}
#else
/* No attribute: there are systems that have none (ESP-IDF). */
static int cond_make(plat_cond *cond)
{
    return pthread_cond_init(&cond->c, NULL);
}
#endif

int cconc__cond_init(plat_cond *cond)
{
    cond->more_ns = 0;
    return cond_make(cond);
}

void cconc__cond_destroy(plat_cond *cond)
{
    (void)pthread_cond_destroy(&cond->c);
}

void cconc__cond_signal(plat_cond *cond)
{
    (void)pthread_cond_signal(&cond->c);
}

/* Of a time that is not negative. */
static struct timespec timespec_of(int64_t time_ns)
{
    struct timespec ts = {0};
    int64_t seconds = time_ns / PLAT_SECOND;
    ts.tv_sec = (time_t)seconds;
    ts.tv_nsec = (long)(time_ns % PLAT_SECOND);
    if ((int64_t)ts.tv_sec != seconds) { /* coverage: never, a time_t of 32 bits cannot say it */
        ts.tv_sec = INT32_MAX;
    }
    return ts;
}

/* One wait of the strategy, until until_ns on the monotonic clock. */
static int cond_wait_once(plat_cond *cond, plat_mutex *mu, int64_t until_ns)
{
#if defined(CCONC_WAIT_CLOCKWAIT)
    struct timespec ts = timespec_of(until_ns);
    return pthread_cond_clockwait(&cond->c, &mu->m, CLOCK_MONOTONIC, &ts);
#elif defined(CCONC_WAIT_RELATIVE)
    int64_t left_ns = until_ns - plat_clock_real();
    struct timespec ts = timespec_of(left_ns > 0 ? left_ns : 0);
    return pthread_cond_timedwait_relative_np(&cond->c, &mu->m, &ts);
#elif defined(CCONC_WAIT_REALTIME)
    struct timespec wall;
    int64_t left_ns = until_ns - plat_clock_real();
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    struct timespec ts = timespec_of((int64_t)wall.tv_sec * PLAT_SECOND + wall.tv_nsec +
                                     (left_ns > 0 ? left_ns : 0));
    return pthread_cond_timedwait(&cond->c, &mu->m, &ts);
#else
    struct timespec ts = timespec_of(until_ns);
    return pthread_cond_timedwait(&cond->c, &mu->m, &ts);
#endif
}

/* After a wait that ended early: 1 ms, 2 ms and so on. No ticks are longer than 100 ms; and a wait
 * that is woken for no reason, over and over, is not to miss its deadline by much. */
static int64_t more_than(int64_t more_ns)
{
    if (more_ns == 0) {
        return PLAT_MILLISECOND;
    }
    return more_ns < 100 * PLAT_MILLISECOND ? 2 * more_ns : more_ns;
}

/* Wait, now before deadline_ns. Where a wait ends before its time the next is asked for more, and
 * more again: on a system that rounds down to ticks less than one would be no wait at all. */
static int cond_wait_until(plat_cond *cond, plat_mutex *mu, int64_t now_ns, int64_t deadline_ns)
{
    int64_t until_ns = deadline_ns;
    int err;
#if defined(CCONC_WAIT_REALTIME)
    if (deadline_ns - now_ns > PLAT_SECOND) {
        until_ns = now_ns + PLAT_SECOND;
    }
#else
    (void)now_ns;
#endif
    err = cond_wait_once(cond, mu, plat_clock_add(until_ns, cond->more_ns));
    if (err == ETIMEDOUT && plat_clock_real() < until_ns) {
        cond->more_ns = more_than(cond->more_ns);
    } else {
        cond->more_ns = 0;
    }
    return err;
}

bool cconc__cond_wait(plat_cond *cond, plat_mutex *mu, int64_t deadline_ns)
{
    bool could = cconc__thread_let_cancel(false);
    bool in_time = true;
    int err = 0;
    if (deadline_ns == PLAT_NEVER) {
        err = pthread_cond_wait(&cond->c, &mu->m);
    } else {
        int64_t now_ns = plat_clock_real();
        in_time = now_ns < deadline_ns;
        if (in_time) {
            err = cond_wait_until(cond, mu, now_ns, deadline_ns);
        }
    }
    if (err) { /* I3 */
        (void)pthread_mutex_unlock(&mu->m);
        plat_mutex_lock(mu);
    }
    (void)cconc__thread_let_cancel(could);
    return in_time;
}

#endif
