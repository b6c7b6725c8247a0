/* host_port.c - a port on the host, as one for a small system is: mutexes and binary semaphores.
 * SPDX-License-Identifier: MIT
 *
 * It does what the contract in src/plat/port.h allows, and no more: signals are kept though nobody
 * waits, waits come back for nothing, time has ticks of a millisecond and waits are rounded up to
 * one.
 */
#include "plat/port.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS INT64_C(1000000000)
#define TICK_NS INT64_C(1000000)

static _Thread_local void *slot;

int cconc_port_mutex_init(cconc_port_mutex *mutex)
{
    return pthread_mutex_init(&mutex->system, NULL) == 0 ? 0 : ENOMEM;
}

void cconc_port_mutex_destroy(cconc_port_mutex *mutex)
{
    (void)pthread_mutex_destroy(&mutex->system);
}

void cconc_port_mutex_lock(cconc_port_mutex *mutex)
{
    (void)pthread_mutex_lock(&mutex->system);
}

void cconc_port_mutex_unlock(cconc_port_mutex *mutex)
{
    (void)pthread_mutex_unlock(&mutex->system);
}

int cconc_port_cond_init(cconc_port_cond *cond)
{
    pthread_condattr_t attr;
    int err = pthread_condattr_init(&attr);
    err = err ? err : pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    err = err ? err : pthread_cond_init(&cond->system, &attr);
    err = err ? err : pthread_mutex_init(&cond->mutex, NULL);
    (void)pthread_condattr_destroy(&attr);
    cond->is_given = false;
    cond->waits = 0;
    return err ? ENOMEM : 0;
}

void cconc_port_cond_destroy(cconc_port_cond *cond)
{
    (void)pthread_mutex_destroy(&cond->mutex);
    (void)pthread_cond_destroy(&cond->system);
}

void cconc_port_cond_signal(cconc_port_cond *cond)
{
    (void)pthread_mutex_lock(&cond->mutex);
    cond->is_given = true;
    (void)pthread_cond_signal(&cond->system);
    (void)pthread_mutex_unlock(&cond->mutex);
}

/* Take what was given, until until_ns, which is a tick. */
static void cond_take(cconc_port_cond *cond, int64_t until_ns)
{
    struct timespec until = {(time_t)(until_ns / SECOND_NS), (long)(until_ns % SECOND_NS)};
    int err = 0;
    while (!cond->is_given && err != ETIMEDOUT) {
        err = until_ns == INT64_MAX
                  ? pthread_cond_wait(&cond->system, &cond->mutex)
                  : pthread_cond_timedwait(&cond->system, &cond->mutex, &until);
    }
    cond->is_given = false;
}

void cconc_port_cond_wait(cconc_port_cond *cond, cconc_port_mutex *mutex, int64_t until_ns)
{
    if (until_ns < INT64_MAX - TICK_NS) {
        until_ns = (until_ns + TICK_NS - 1) / TICK_NS * TICK_NS;
    }
    (void)pthread_mutex_unlock(&mutex->system);
    (void)pthread_mutex_lock(&cond->mutex);
    cond->waits++;
    if (cond->waits % 3 != 0) {
        cond_take(cond, until_ns);
    }
    (void)pthread_mutex_unlock(&cond->mutex);
    (void)pthread_mutex_lock(&mutex->system);
}

static void *thread_run(void *arg)
{
    cconc_port_thread *thread = arg;
    thread->run(thread->arg);
    if (slot) {
        cconc_port_complain("host_port: a thread has ended, and its slot is in use\n");
        cconc_port_abort();
    }
    return NULL;
}

int cconc_port_thread_start(cconc_port_thread *thread, const char *name, size_t stack_size,
                            void (*run)(void *arg), void *arg)
{
    (void)stack_size;
    if (strlen(name) > 15) {
        return EAGAIN;
    }
    thread->run = run;
    thread->arg = arg;
    return pthread_create(&thread->id, NULL, thread_run, thread) == 0 ? 0 : EAGAIN;
}

void cconc_port_thread_join(cconc_port_thread *thread)
{
    (void)pthread_join(thread->id, NULL);
}

void *cconc_port_slot(void)
{
    return slot;
}

void cconc_port_set_slot(void *value)
{
    slot = value;
}

int64_t cconc_port_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return ((int64_t)now.tv_sec * SECOND_NS + now.tv_nsec) / TICK_NS * TICK_NS;
}

void cconc_port_yield(void)
{
    (void)sched_yield();
}

void cconc_port_doze(void)
{
    static const struct timespec tick = {0, TICK_NS};
    (void)nanosleep(&tick, NULL);
}

void cconc_port_format(char *out, size_t size, const char *format, va_list args)
{
    (void)vsnprintf(out, size, format, args);
}

void cconc_port_complain(const char *text)
{
    (void)!write(STDERR_FILENO, text, strlen(text));
}

_Noreturn void cconc_port_abort(void)
{
    abort();
}
