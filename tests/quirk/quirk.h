/* quirk.h - put before every source of a build: the pthreads of other systems, on this one
 * SPDX-License-Identifier: MIT
 *
 * A build with -Dquirks=true has this header included first, so that what the library
 * and the tests call pthread_cond_wait is quirk_pthread_cond_wait: quirk.c, which does as the
 * system does that the environment names, QUIRKS=espidf. Without it nothing is different. The
 * types stay those of the host. README.md has the profiles.
 */
#ifndef CCONC_TESTS_QUIRK_H
#define CCONC_TESTS_QUIRK_H

#include <pthread.h>
#include <time.h>

int quirk_clock_gettime(clockid_t clock, struct timespec *out_time);
int quirk_pthread_condattr_destroy(pthread_condattr_t *attr);
int quirk_pthread_condattr_getclock(const pthread_condattr_t *attr, clockid_t *out_clock);
int quirk_pthread_condattr_init(pthread_condattr_t *attr);
int quirk_pthread_condattr_setclock(pthread_condattr_t *attr, clockid_t clock);
int quirk_pthread_cond_broadcast(pthread_cond_t *cond);
int quirk_pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mu, clockid_t clock,
                                 const struct timespec *until_time);
int quirk_pthread_cond_destroy(pthread_cond_t *cond);
int quirk_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr);
int quirk_pthread_cond_signal(pthread_cond_t *cond);
int quirk_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mu,
                                 const struct timespec *until_time);
int quirk_pthread_cond_timedwait_relative_np(pthread_cond_t *cond, pthread_mutex_t *mu,
                                             const struct timespec *duration);
int quirk_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mu);
int quirk_pthread_create(pthread_t *out_id, const pthread_attr_t *attr, void *(*fn)(void *),
                         void *arg);
int quirk_pthread_mutex_destroy(pthread_mutex_t *mu);
int quirk_pthread_mutex_init(pthread_mutex_t *mu, const pthread_mutexattr_t *attr);
int quirk_pthread_mutex_unlock(pthread_mutex_t *mu);

/* The mutexes and condition variables that were made and not destroyed; those that an initialiser
 * made do not count. */
long quirk_mutexes(void);
long quirk_conds(void);

#if !defined(QUIRK_ITSELF)
#define clock_gettime quirk_clock_gettime
#define pthread_condattr_destroy quirk_pthread_condattr_destroy
#define pthread_condattr_getclock quirk_pthread_condattr_getclock
#define pthread_condattr_init quirk_pthread_condattr_init
#define pthread_condattr_setclock quirk_pthread_condattr_setclock
#define pthread_cond_broadcast quirk_pthread_cond_broadcast
#define pthread_cond_clockwait quirk_pthread_cond_clockwait
#define pthread_cond_destroy quirk_pthread_cond_destroy
#define pthread_cond_init quirk_pthread_cond_init
#define pthread_cond_signal quirk_pthread_cond_signal
#define pthread_cond_timedwait quirk_pthread_cond_timedwait
#define pthread_cond_timedwait_relative_np quirk_pthread_cond_timedwait_relative_np
#define pthread_cond_wait quirk_pthread_cond_wait
#define pthread_create quirk_pthread_create
#define pthread_mutex_destroy quirk_pthread_mutex_destroy
#define pthread_mutex_init quirk_pthread_mutex_init
#define pthread_mutex_unlock quirk_pthread_mutex_unlock
#endif

#endif
