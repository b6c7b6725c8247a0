/* clock_wall.c - no clock but the monotonic one is read
 * SPDX-License-Identifier: MIT
 *
 * Risk      A deadline, a wait or a reading that goes by the wall clock, and so jumps with it.
 * Method    The program's own functions stand before those of the system by which the library has
 *           the time, or waits until one, and count the clocks that are asked for; lint L2 sees
 *           that it calls no others. Every kind of timed call is made once.
 * Catches   env-3 all-7.
 */
#include "time_help.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#define SHORT (2 * CCONC_MS)

static atomic_int monotonic; /* looks at that clock */
static atomic_int others;    /* at another */
static atomic_int timed;     /* waits until a time */
static atomic_int wild;      /* that is no reading of the monotonic clock */

int __real_clock_gettime(clockid_t clock, struct timespec *out_time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out_time);
int __real_pthread_condattr_setclock(pthread_condattr_t *attr, clockid_t clock);
int __wrap_pthread_condattr_setclock(pthread_condattr_t *attr, clockid_t clock);
int __real_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mu,
                                  const struct timespec *until_time);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mu,
                                  const struct timespec *until_time);

int __wrap_clock_gettime(clockid_t clock, struct timespec *out_time)
{
    atomic_fetch_add(clock == CLOCK_MONOTONIC ? &monotonic : &others, 1);
    return __real_clock_gettime(clock, out_time);
}

int __wrap_pthread_condattr_setclock(pthread_condattr_t *attr, clockid_t clock)
{
    atomic_fetch_add(&others, clock != CLOCK_MONOTONIC);
    return __real_pthread_condattr_setclock(attr, clock);
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mu,
                                  const struct timespec *until_time)
{
    struct timespec now;
    SUPPORT_CHECK(__real_clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    atomic_fetch_add(&timed, 1);
    atomic_fetch_add(&wild, until_time->tv_sec < now.tv_sec - 60 ||
                                until_time->tv_sec > now.tv_sec + 3600);
    return __real_pthread_cond_timedwait(cond, mu, until_time);
}

/* Make each kind of call that waits until a time, and see that it lasts. */
static void wait_in_all_ways(void)
{
    int64_t start_ns = cconc_clock_now();
    int64_t due_ns = 0;
    atomic_int ran = 0;
    cconc_chan *ch = chan_make(0, 0);
    cconc_timer *timer = timer_make(SHORT);
    cconc_timer *func = timer_make_func(SHORT, counter_count, &ran);
    cconc_ticker *ticker = ticker_make(SHORT);
    cconc_ctx *ctx = NULL;
    cconc_limiter *limiter = NULL;
    cconc_sem *sem = NULL;
    cconc_ctx_mem mem;
    cconc_ctx *done = NULL;
    const cconc_select_case late = cconc_select_until(cconc_clock_after(SHORT));
    SUPPORT_CHECK(cconc_ctx_with_timeout(NULL, SHORT, &done) == 0);
    SUPPORT_CHECK(cconc_limiter_new(500, 1, &limiter) == 0 && cconc_sem_new(1, &sem) == 0);
    SUPPORT_CHECK(cconc_timer_wait(timer, NULL, &due_ns) == 0);
    SUPPORT_CHECK(due_ns >= start_ns + SHORT && cconc_clock_now() >= due_ns);
    SUPPORT_CHECK(cconc_ticker_wait(ticker, NULL, NULL) == 0);
    SUPPORT_CHECK(cconc_ticker_wait(ticker, NULL, NULL) == 0);
    SUPPORT_CHECK(cconc_select(&late, 1, 0, NULL) == ETIMEDOUT);
    SUPPORT_CHECK(cconc_limiter_wait(limiter, NULL, 1) == 0);
    SUPPORT_CHECK(cconc_limiter_wait(limiter, NULL, 1) == 0);
    SUPPORT_CHECK(cconc_ctx_wait(done, NULL) == 0 && cconc_ctx_err(done) == ETIMEDOUT);
    SUPPORT_CHECK(cconc_ctx_with_timeout(NULL, SHORT, &ctx) == 0);
    SUPPORT_CHECK(cconc_sem_acquire(sem, NULL, 1) == 0);
    SUPPORT_CHECK(cconc_sem_acquire(sem, ctx, 1) == ETIMEDOUT);
    SUPPORT_CHECK(cconc_chan_recv(ch, cconc_ctx_until(&mem, NULL, cconc_clock_after(SHORT)),
                                  NULL) == ETIMEDOUT);
    until(atomic_load(&ran) == 1);
    SUPPORT_CHECK(cconc_clock_now() - start_ns < 60 * CCONC_SECOND);
    cconc_ctx_free(ctx);
    cconc_ctx_free(done);
    cconc_sem_free(sem);
    cconc_limiter_free(limiter);
    cconc_ticker_free(ticker);
    cconc_timer_free(func);
    cconc_timer_free(timer);
    cconc_chan_free(ch);
}

static void clock_is_the_monotonic_one_and_no_other_is_looked_at(void **state)
{
    (void)state;
#if defined(CCONC_WAIT_REALTIME)
    skip(); /* that strategy has to look; it waits a second at most by what it sees */
#endif
    wait_in_all_ways();
    assert_true(atomic_load(&monotonic) > 0);
    assert_int_equal(atomic_load(&others), 0);
    assert_int_equal(atomic_load(&wild), 0);
#if defined(CCONC_WAIT_CONDATTR) && !defined(CCONC_TESTS_QUIRK_H)
    assert_true(atomic_load(&timed) > 0);
#endif
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(clock_is_the_monotonic_one_and_no_other_is_looked_at),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
