/* naive.c - code that trusts a system, and systems that do not deserve it
 * SPDX-License-Identifier: MIT
 *
 * Usage: naive WAY; the environment's QUIRKS names the system. Status 0: all went well; 1: what the
 * way relies on is not so, and it is told. 2: no such way. Each way is right on a system that does
 * what POSIX says; tests/quirk/naive.sh says on which it must be found wrong.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000000)
#define MS     INT64_C(1000000)
#define WAITERS 6

static int wrong(const char *what)
{
    printf("naive: %s\n", what);
    return 1;
}

static int64_t now_of(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

static struct timespec after(clockid_t clock, int64_t duration_ns)
{
    int64_t until_ns = now_of(clock) + duration_ns;
    return (struct timespec){.tv_sec = until_ns / SECOND, .tv_nsec = until_ns % SECOND};
}

/* Wait for duration_ns, nobody signals. Returns how long that was. */
static int64_t waited(pthread_cond_t *cond, clockid_t clock, int64_t duration_ns)
{
    pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
    int64_t start_ns = now_of(CLOCK_MONOTONIC);
    struct timespec until_time = after(clock, duration_ns);
    (void)pthread_mutex_lock(&mu);
    while (pthread_cond_timedwait(cond, &mu, &until_time) == 0) {
    }
    (void)pthread_mutex_unlock(&mu);
    return now_of(CLOCK_MONOTONIC) - start_ns;
}

/* The clock is set and nobody asks whether it is. */
static int setclock(void)
{
    pthread_condattr_t attr = {0};
    pthread_cond_t cond;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&cond, &attr);
    return waited(&cond, CLOCK_MONOTONIC, 100 * MS) < 50 * MS ? wrong("over at once") : 0;
}

/* ETIMEDOUT is believed. */
static int realtime(void)
{
    pthread_cond_t cond;
    (void)pthread_cond_init(&cond, NULL);
    for (int i = 0; i < 6; i++) {
        if (waited(&cond, CLOCK_REALTIME, 60 * MS) < 60 * MS) {
            return wrong("a timeout came early");
        }
    }
    return 0;
}

/* What is less than a tick is waited for until it is over. */
static int spin(void)
{
    pthread_cond_t cond;
    pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
    pthread_condattr_t attr = {0};
    int most = 0; /* in one wait: on a busy machine most of them are spent off the processor */
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&cond, &attr);
    (void)pthread_mutex_lock(&mu);
    for (int i = 0; i < 50 && most <= 20; i++) {
        struct timespec until_time = after(CLOCK_MONOTONIC, MS / 2);
        int64_t until_ns = until_time.tv_sec * SECOND + until_time.tv_nsec;
        int returns = 0;
        while (now_of(CLOCK_MONOTONIC) < until_ns) {
            (void)pthread_cond_timedwait(&cond, &mu, &until_time);
            returns++;
        }
        most = returns > most ? returns : most;
    }
    (void)pthread_mutex_unlock(&mu);
    return most > 20 ? wrong("the wait is a loop") : 0;
}

/* The mutex is taken to be held after a timeout: whoever takes it then is not alone. */
static pthread_mutex_t relocked = PTHREAD_MUTEX_INITIALIZER;

static void *try_it(void *arg)
{
    *(bool *)arg = pthread_mutex_trylock(&relocked) == 0;
    return NULL;
}

static int relock(void)
{
    pthread_cond_t cond;
    pthread_t thread;
    struct timespec until_time;
    bool taken = false;
    (void)pthread_cond_init(&cond, NULL);
    (void)pthread_mutex_lock(&relocked);
    until_time = after(CLOCK_REALTIME, MS);
    (void)pthread_cond_timedwait(&cond, &relocked, &until_time);
    if (pthread_create(&thread, NULL, try_it, &taken) != 0) {
        return 2;
    }
    (void)pthread_join(thread, NULL);
    return taken ? wrong("a timeout left the mutex unlocked") : 0;
}

/* Many wait on one condition variable. */
static struct {
    pthread_mutex_t mu;
    pthread_cond_t cond;
    int64_t deadline_ns; /* of the first */
    int inside;
    int permits;
    bool refused;
} many = {.mu = PTHREAD_MUTEX_INITIALIZER};

static void *acquire(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&many.mu);
    many.inside++;
    while (many.permits == 0 && !many.refused) {
        many.refused |= pthread_cond_wait(&many.cond, &many.mu) != 0;
    }
    many.permits--;
    (void)pthread_mutex_unlock(&many.mu);
    return NULL;
}

static void *acquire_timed(void *arg)
{
    struct timespec until_time = after(CLOCK_REALTIME, 50 * MS);
    (void)arg;
    (void)pthread_mutex_lock(&many.mu);
    many.inside++;
    (void)pthread_cond_timedwait(&many.cond, &many.mu, &until_time);
    (void)pthread_mutex_unlock(&many.mu); /* what it was told, if it was, the others are not */
    return NULL;
}

/* Wait until count threads are in the wait: they were inside, and the mutex could be taken. */
static void await_inside(int count)
{
    for (bool all = false; !all; sched_yield()) {
        (void)pthread_mutex_lock(&many.mu);
        all = many.inside == count;
        (void)pthread_mutex_unlock(&many.mu);
    }
}

static int crowd(void)
{
    pthread_t threads[WAITERS];
    (void)pthread_cond_init(&many.cond, NULL);
    for (int i = 0; i < WAITERS; i++) {
        if (pthread_create(&threads[i], NULL, acquire, NULL) != 0) {
            return 2;
        }
    }
    await_inside(WAITERS);
    for (int i = 0; i < WAITERS; i++) {
        (void)pthread_mutex_lock(&many.mu);
        many.permits++;
        (void)pthread_cond_signal(&many.cond);
        (void)pthread_mutex_unlock(&many.mu);
    }
    for (int i = 0; i < WAITERS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    return many.refused ? wrong("a waiter was refused") : 0;
}

/* Two wait; the first times out while the second is to be woken. POSIX keeps the wake-up for the
 * second. Who sleeps on after a second has lost it. */
static int two(void)
{
    pthread_t first;
    pthread_t second;
    struct timespec until_time;
    int64_t start_ns;
    bool lost;
    (void)pthread_cond_init(&many.cond, NULL);
    if (pthread_create(&first, NULL, acquire_timed, NULL) != 0) {
        return 2;
    }
    await_inside(1);
    if (pthread_create(&second, NULL, acquire, NULL) != 0) {
        return 2;
    }
    await_inside(2);
    (void)pthread_mutex_lock(&many.mu); /* the first cannot come back */
    for (start_ns = now_of(CLOCK_MONOTONIC); now_of(CLOCK_MONOTONIC) < start_ns + 200 * MS;
         sched_yield()) {
    }
    many.permits++;
    (void)pthread_cond_signal(&many.cond);
    (void)pthread_mutex_unlock(&many.mu);
    (void)pthread_join(first, NULL);
    until_time = after(CLOCK_MONOTONIC, SECOND);
    lost = pthread_clockjoin_np(second, NULL, CLOCK_MONOTONIC, &until_time) != 0;
    return lost ? wrong("a wake-up was lost") : 0;
}

/* A mutex that somebody holds is destroyed: POSIX leaves that open, and the host refuses. */
static int destroy(void)
{
    pthread_mutex_t mu;
    (void)pthread_mutex_init(&mu, NULL);
    (void)pthread_mutex_lock(&mu);
    return pthread_mutex_destroy(&mu) == 0 ? wrong("a held mutex was destroyed") : 0;
}

/* The attribute lies where something else lay before. */
static int attribute(void)
{
    pthread_condattr_t attr;
    memset(&attr, 0x5a, sizeof(attr));
    return pthread_condattr_init(&attr) != 0 ? wrong("the attribute was refused") : 0;
}

/* There is no init, and a broadcast before the first wait. */
static int broadcast(void)
{
    pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
    return pthread_cond_broadcast(&cond) != 0 ? wrong("an early broadcast was refused") : 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } ways[] = {{"setclock", setclock}, {"realtime", realtime},   {"spin", spin},
                {"relock", relock},     {"crowd", crowd},         {"two", two},
                {"destroy", destroy},   {"attribute", attribute}, {"broadcast", broadcast}};
    for (size_t i = 0; argc == 2 && i < sizeof(ways) / sizeof(ways[0]); i++) {
        if (strcmp(argv[1], ways[i].name) == 0) {
            int status = ways[i].run();
            (void)fflush(stdout);
            _Exit(status); /* a thread may sleep for ever */
        }
    }
    return 2;
}
