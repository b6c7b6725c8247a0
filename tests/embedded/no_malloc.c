/* no_malloc.c - a program whose objects are all static, under an allocator that ends it
 * SPDX-License-Identifier: MIT
 *
 * Risk      Memory that is asked for after all: by a wait, by a thread's first one, by the cleaning
 *           up behind an object.
 * Method    The library, compiled with CCONC_NO_MALLOC, on the host's threads. malloc and its like
 *           are the program's: they serve the C library while it makes threads, and abort while the
 *           library is used. A forked child has nothing but an object in storage to be told by.
 * Catches   M11.
 */
#include "cconc.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 3, NUMBERS = 300, ALARM_SECONDS = 10 };

static atomic_bool is_armed;

static _Noreturn void fail(const char *text)
{
    (void)!write(STDERR_FILENO, text, strlen(text));
    abort();
}

#define TEXT_OF(line) #line
#define PLACE(line) "no_malloc.c:" TEXT_OF(line) ": "
#define CHECK(condition) ((condition) ? (void)0 : fail(PLACE(__LINE__) #condition "\n"))

/* ---- the allocator -------------------------------------------------------------------------- */

static _Alignas(16) unsigned char arena[1 << 20];
static atomic_size_t used;

void *malloc(size_t size)
{
    size_t at;
    if (atomic_load(&is_armed)) {
        fail("no_malloc: memory was asked for\n");
    }
    at = atomic_fetch_add(&used, (size + 31) / 16 * 16);
    return at + size <= sizeof(arena) ? arena + at : NULL;
}

void free(void *memory)
{
    if (memory && atomic_load(&is_armed)) {
        fail("no_malloc: memory was given back\n");
    }
}

void *calloc(size_t count, size_t size)
{
    return malloc(count * size); /* the arena is zeroed, and nothing of it serves twice */
}

void *realloc(void *memory, size_t size)
{
    void *larger = malloc(size);
    if (larger && memory) {
        memcpy(larger, memory, size); /* more than there was, but all of the arena's */
    }
    return larger;
}

/* ---- the program ---------------------------------------------------------------------------- */

CCONC_CHAN_DEFINE(numbers, int, 8);
CCONC_CHAN_DEFINE(sums, long, 1);
CCONC_SEM_DEFINE(permits, 2);
CCONC_LIMITER_DEFINE(rate, 1000.0, 5);

static cconc_chan *in;
static cconc_chan *out;
static cconc_sem *sem;
static cconc_limiter *limiter;
static cconc_counter_storage counter_room;
static cconc_counter *counter;
static cconc_once once = CCONC_ONCE_INIT;
static cconc_waitgroup wg = CCONC_WAITGROUP_INIT;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static int make_all(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    CHECK(numbers_init(&in) == 0 && sums_init(&out) == 0);
    CHECK(permits_init(&sem) == 0 && rate_init(&limiter) == 0);
    return cconc_counter_init(&counter_room, NULL, &counter);
}

static void *work(void *arg)
{
    long sum = 0;
    int number;
    (void)pthread_mutex_lock(&gate); /* until the allocator is armed */
    (void)pthread_mutex_unlock(&gate);
    CHECK(cconc_once_run(&once, NULL, make_all, NULL) == 0);
    while (cconc_chan_recv(in, NULL, &number) == 0) {
        CHECK(cconc_sem_acquire(sem, NULL, 1) == 0);
        CHECK(cconc_limiter_wait(limiter, NULL, 1) == 0);
        cconc_counter_add(counter, 1);
        sum += number;
        cconc_sem_release(sem, 1);
    }
    CHECK(cconc_chan_send(out, NULL, &sum) == 0);
    cconc_waitgroup_done(&wg);
    return arg;
}

static void feed_and_collect(void)
{
    long sum = 0;
    long part;
    for (int i = 1; i <= NUMBERS; i++) {
        CHECK(cconc_chan_send(in, NULL, &i) == 0);
    }
    CHECK(cconc_chan_close(in) == 0);
    for (int i = 0; i < WORKERS; i++) {
        CHECK(cconc_chan_recv(out, NULL, &part) == 0);
        sum += part;
    }
    CHECK(sum == (long)NUMBERS * (NUMBERS + 1) / 2 && cconc_counter_get(counter) == NUMBERS);
    CHECK(cconc_waitgroup_wait(&wg, NULL) == 0);
}

static void end_in_time(void)
{
    cconc_ctx_mem mem;
    cconc_ctx *ctx = cconc_ctx_until(&mem, NULL, cconc_clock_now() + 5 * CCONC_MS);
    long part;
    size_t fired;
    cconc_select_case cases[] = {cconc_select_recv(out, &part), cconc_select_done(ctx)};
    CHECK(cconc_select(cases, 2, 0, &fired) == ETIMEDOUT && fired == 1);
    CHECK(cconc_ctx_sleep(ctx, CCONC_MS) == ETIMEDOUT);
}

static void say_that_there_is_no_memory(void)
{
    cconc_chan *ch = NULL;
    cconc_ctx *ctx = NULL;
    cconc_group *group = NULL;
    cconc_timer *timer = NULL;
    CHECK(cconc_chan_new(1, 1, &ch) == ENOMEM && cconc_ctx_with_cancel(NULL, &ctx) == ENOMEM);
    CHECK(cconc_group_new(NULL, NULL, &group) == ENOMEM);
    CHECK(cconc_timer_new(1, &timer) == ENOMEM);
}

static void use_all(void)
{
    feed_and_collect();
    end_in_time();
    say_that_there_is_no_memory();
    cconc_chan_free(in);
    cconc_chan_free(out);
    cconc_counter_free(counter);
    cconc_limiter_free(limiter);
    cconc_sem_free(sem);
}

/* ---- a forked child ------------------------------------------------------------------------- */

static void expect_child(int (*call)(void), int code)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        (void)alarm(ALARM_SECONDS);
        _exit(call() == code ? 0 : 1);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static cconc_once running = CCONC_ONCE_INIT;
static atomic_bool has_begun;

static int run_till_the_gate_opens(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    atomic_store(&has_begun, true);
    (void)pthread_mutex_lock(&gate);
    (void)pthread_mutex_unlock(&gate);
    return 0;
}

static void *run_once(void *arg)
{
    CHECK(cconc_once_run(&running, NULL, run_till_the_gate_opens, NULL) == 0);
    return arg;
}

static int wait_for_the_run(void)
{
    return cconc_once_run(&running, NULL, run_till_the_gate_opens, NULL);
}

/* The thread that runs it is the parent's; all that the library has seen of the parent is that. */
static int child_of_a_running_once_is_told(void)
{
    pthread_t runner;
    (void)pthread_mutex_lock(&gate);
    CHECK(pthread_create(&runner, NULL, run_once, NULL) == 0);
    while (!atomic_load(&has_begun)) {
        (void)sched_yield();
    }
    expect_child(wait_for_the_run, ENOTRECOVERABLE);
    (void)pthread_mutex_unlock(&gate);
    CHECK(pthread_join(runner, NULL) == 0);
    return 0;
}

static int acquire(void)
{
    return cconc_sem_acquire(sem, NULL, 1);
}

/* The parent's permit will never be given back there. */
static int child_of_storage_is_told(void)
{
    cconc_sem_storage room;
    CHECK(cconc_sem_init(&room, 1, &sem) == 0 && cconc_sem_try_acquire(sem, 1) == 0);
    expect_child(acquire, ENOTRECOVERABLE);
    cconc_sem_release(sem, 1);
    cconc_sem_free(sem);
    return 0;
}

int main(void)
{
    pthread_t workers[WORKERS];
    /* a process for each: the first use of the library is to be the one that is tried */
    expect_child(child_of_a_running_once_is_told, 0);
    expect_child(child_of_storage_is_told, 0);
    (void)pthread_mutex_lock(&gate);
    cconc_waitgroup_add(&wg, WORKERS);
    for (int i = 0; i < WORKERS; i++) {
        CHECK(pthread_create(&workers[i], NULL, work, NULL) == 0);
    }
    atomic_store(&is_armed, true);
    (void)pthread_mutex_unlock(&gate);
    CHECK(cconc_once_run(&once, NULL, make_all, NULL) == 0);
    use_all();
    atomic_store(&is_armed, false);
    for (int i = 0; i < WORKERS; i++) {
        CHECK(pthread_join(workers[i], NULL) == 0);
    }
    return 0;
}
