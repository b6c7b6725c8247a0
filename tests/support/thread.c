/* thread.c - threads of the tests, injected failures of thread creation, polling, time
 * SPDX-License-Identifier: MIT
 */
#include "internal.h"
#include "support.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SUPPORT_SANITIZED true
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SUPPORT_SANITIZED true
#endif
#ifndef SUPPORT_SANITIZED
#define SUPPORT_SANITIZED false
#endif

#define SMALL_STACK_BYTES ((size_t)(SUPPORT_SANITIZED ? 256 : 64) * 1024)

struct support_thread {
    support_thread_fn fn;
    void *arg;
    size_t index;
    pthread_t id;
    struct support_storm storm;
};

struct support_threads {
    size_t count;
    struct support_thread items[];
};

struct small_run {
    support_body_fn fn;
    void *arg;
};

/* The linker sends every call of pthread_create to the first and the real one to the second. */
int __wrap_pthread_create(pthread_t *out_id, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg);

static struct support_fault thread_fault;
static bool (*_Atomic thread_fault_condition)(void);
static bool (*_Atomic thread_late_condition)(void);
static atomic_uint_fast64_t thread_count;
static timer_t rain_timer;

int __wrap_pthread_create(pthread_t *out_id, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg)
{
    if (support_fault_now(&thread_fault)) {
        bool (*condition)(void) = atomic_load(&thread_fault_condition);
        until(!condition || condition());
        return EAGAIN;
    }
    if (support_sweep_fails_thread()) {
        return EAGAIN;
    }
    atomic_fetch_add(&thread_count, 1);
    support_step_pause(true);
    pthread_t id;
    int err = __real_pthread_create(&id, attr, fn, arg);
    support_step_pause(false);
    if (err == 0) { /* the id comes last, as with musl: the thread may be over by then */
        bool (*condition)(void) = atomic_load(&thread_late_condition);
        until(!condition || condition());
        *out_id = id;
    }
    return err;
}

void support_late_thread(bool (*condition)(void))
{
    atomic_store(&thread_late_condition, condition);
}

void support_fail_thread(uint64_t n, bool sticky)
{
    support_sweep_pause(true);
    atomic_store(&thread_fault_condition, NULL);
    support_fault_arm(&thread_fault, n, sticky);
}

void support_fail_thread_once(bool (*condition)(void))
{
    support_sweep_pause(true);
    atomic_store(&thread_fault_condition, condition);
    support_fault_arm(&thread_fault, 1, true);
}

uint64_t support_thread_fault_end(void)
{
    return support_fault_disarm(&thread_fault);
}

uint64_t support_thread_count(void)
{
    return atomic_load(&thread_count);
}

static void *thread_main(void *arg)
{
    struct support_thread *self = arg;
    support_storm_enter(&self->storm);
    self->fn(self->arg, self->index);
    return NULL;
}

struct support_threads *support_threads_start(size_t count, support_thread_fn fn, void *arg)
{
    struct support_threads *threads = malloc(sizeof(*threads) + count * sizeof(threads->items[0]));
    SUPPORT_CHECK(threads);
    threads->count = count;
    for (size_t i = 0; i < count; i++) {
        struct support_thread *item = &threads->items[i];
        item->fn = fn;
        item->arg = arg;
        item->index = i;
        item->storm.is_on = false;
        SUPPORT_CHECK(__real_pthread_create(&item->id, NULL, thread_main, item) == 0);
    }
    return threads;
}

void support_threads_cancel(struct support_threads *threads, size_t index)
{
    SUPPORT_CHECK(index < threads->count);
    SUPPORT_CHECK(pthread_cancel(threads->items[index].id) == 0);
}

size_t support_threads_join(struct support_threads *threads)
{
    size_t cancelled = 0;
    for (size_t i = 0; i < threads->count; i++) {
        void *result;
        SUPPORT_CHECK(pthread_join(threads->items[i].id, &result) == 0);
        cancelled += result == PTHREAD_CANCELED;
        support_storm_leave(&threads->items[i].storm);
    }
    free(threads);
    return cancelled;
}

static void *small_main(void *arg)
{
    struct small_run *run = arg;
    run->fn(run->arg);
    return NULL;
}

void support_on_small_stack(support_body_fn fn, void *arg)
{
    struct small_run run = {.fn = fn, .arg = arg};
    size_t least = (size_t)PTHREAD_STACK_MIN; /* twice as much on some machines */
    size_t size = SMALL_STACK_BYTES > least ? SMALL_STACK_BYTES : least;
    pthread_attr_t attr;
    pthread_t id;
    SUPPORT_CHECK(pthread_attr_init(&attr) == 0);
    SUPPORT_CHECK(pthread_attr_setstacksize(&attr, size) == 0);
    SUPPORT_CHECK(__real_pthread_create(&id, &attr, small_main, &run) == 0);
    SUPPORT_CHECK(pthread_join(id, NULL) == 0);
    SUPPORT_CHECK(pthread_attr_destroy(&attr) == 0);
}

bool support_is_sanitized(void)
{
    return SUPPORT_SANITIZED;
}

int64_t support_now_ns(void)
{
    struct timespec now;
    SUPPORT_CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t support_cpu_ns(void)
{
    struct rusage usage;
    SUPPORT_CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    int64_t seconds = (int64_t)usage.ru_utime.tv_sec + (int64_t)usage.ru_stime.tv_sec;
    int64_t micros = (int64_t)usage.ru_utime.tv_usec + (int64_t)usage.ru_stime.tv_usec;
    return seconds * 1000000000 + micros * 1000;
}

struct support_watch support_watch_begin(const char *file, int line, const char *text)
{
    struct support_watch watch = {.file = file, .text = text, .line = line, .give_up_ns = 0};
    watch.give_up_ns = support_now_ns() + support_env_number("WATCHDOG_MS", 30000) * 1000000;
    return watch;
}

void support_watch_turn(const struct support_watch *watch)
{
    if (support_now_ns() > watch->give_up_ns) {
        fprintf(stderr, "gave up waiting for:\n");
        support_abort(watch->file, watch->line, watch->text);
    }
    sched_yield();
}

static void rain_drop(int number)
{
    (void)number;
}

void support_signal_rain(bool on)
{
    if (!on) {
        SUPPORT_CHECK(timer_delete(rain_timer) == 0);
        return;
    }
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = rain_drop;
    SUPPORT_CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
    struct sigevent event;
    memset(&event, 0, sizeof(event));
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGUSR2;
    SUPPORT_CHECK(timer_create(CLOCK_MONOTONIC, &event, &rain_timer) == 0);
    struct itimerspec every = {.it_interval = {0, 100000}, .it_value = {0, 100000}};
    SUPPORT_CHECK(timer_settime(rain_timer, 0, &every, NULL) == 0);
}
