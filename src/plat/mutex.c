/* mutex.c - mutual exclusion, and the one timed wait of the library
 * SPDX-License-Identifier: MIT
 *
 * Idea        Every deadline of the library ends in cconc__cond_wait. How a condition variable gets
 *             a monotonic deadline differs, so there is one strategy a build:
 *               CONDATTR   the condition variable's clock is set, and read back, at init (default)
 *               CLOCKWAIT  pthread_cond_clockwait
 *               RELATIVE   pthread_cond_timedwait_relative_np (macOS)
 *               REALTIME   a realtime deadline, in slices of at most a second, so that a step of
 *                          the wall clock delays a wake-up by one slice at most
 * Invariants  I1 The answer "deadline has passed" comes from the monotonic clock alone, never from
 *                the return code of a wait: some platforms time out early, some cannot time out.
 *             I2 At most one thread waits on a condition variable (glibc bug 25847 needs two).
 * Locks       These are the locks.
 * Ordering    None of its own.
 * Lifetime    The caller's.
 * Rejected    An initialiser for condition variables: some platforms accept only the init call. */
#include "plat/mutex.h"

#include <errno.h>
#include <time.h>

#include "plat/clock.h"
#include "plat/fork.h"
#include "plat/os.h"
#include "plat/thread.h"

#if !defined(CCONC_WAIT_CONDATTR) && !defined(CCONC_WAIT_CLOCKWAIT) &&                             \
    !defined(CCONC_WAIT_RELATIVE) && !defined(CCONC_WAIT_REALTIME)
#if defined(__APPLE__)
#define CCONC_WAIT_RELATIVE 1
#else
#define CCONC_WAIT_CONDATTR 1
#endif
#endif

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
/* Trust nothing: set the clock, then read it back into a variable that holds an impossible
 * value. */
static int cond_attr_monotonic(pthread_condattr_t *attr)
{
    clockid_t got = (clockid_t)-1;
    if (pthread_condattr_setclock(attr, CLOCK_MONOTONIC) != 0 ||
        pthread_condattr_getclock(attr, &got) != 0 || got != CLOCK_MONOTONIC) {
        return ENOTSUP;
    }
    return 0;
}
#else
static int cond_attr_monotonic(pthread_condattr_t *attr)
{
    (void)attr;
    return 0;
}
#endif

int cconc__cond_init(plat_cond *cond)
{
    pthread_condattr_t attr = {0};
    int err = pthread_condattr_init(&attr);
    if (err) {
        return err;
    }
    err = cond_attr_monotonic(&attr);
    if (!err) {
        err = pthread_cond_init(&cond->c, &attr);
    }
    (void)pthread_condattr_destroy(&attr);
    return err;
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

/* One wait of the strategy; how it ended is looked up on the clock, see I1. */
static void cond_wait_once(plat_cond *cond, plat_mutex *mu, int64_t deadline_ns)
{
#if defined(CCONC_WAIT_CLOCKWAIT)
    struct timespec ts = timespec_of(deadline_ns);
    (void)pthread_cond_clockwait(&cond->c, &mu->m, CLOCK_MONOTONIC, &ts);
#elif defined(CCONC_WAIT_RELATIVE)
    int64_t left_ns = deadline_ns - plat_clock_real();
    struct timespec ts = timespec_of(left_ns > 0 ? left_ns : 0);
    (void)pthread_cond_timedwait_relative_np(&cond->c, &mu->m, &ts);
#elif defined(CCONC_WAIT_REALTIME)
    struct timespec wall;
    int64_t left_ns = deadline_ns - plat_clock_real();
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    if (left_ns > PLAT_SECOND) {
        left_ns = PLAT_SECOND;
    }
    struct timespec ts = timespec_of((int64_t)wall.tv_sec * PLAT_SECOND + wall.tv_nsec +
                                     (left_ns > 0 ? left_ns : 0));
    (void)pthread_cond_timedwait(&cond->c, &mu->m, &ts);
#else
    struct timespec ts = timespec_of(deadline_ns);
    (void)pthread_cond_timedwait(&cond->c, &mu->m, &ts);
#endif
}

bool cconc__cond_wait(plat_cond *cond, plat_mutex *mu, int64_t deadline_ns)
{
    bool could = cconc__thread_let_cancel(false);
    bool in_time = true;
    if (deadline_ns == PLAT_NEVER) {
        (void)pthread_cond_wait(&cond->c, &mu->m);
    } else {
        in_time = plat_clock_real() < deadline_ns;
        if (in_time) {
            cond_wait_once(cond, mu, deadline_ns);
        }
    }
    (void)cconc__thread_let_cancel(could);
    return in_time;
}
