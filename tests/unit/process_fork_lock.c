/* process_fork_lock.c - unit tests of forks while another thread holds each lock of the library
 * SPDX-License-Identifier: MIT
 *
 * Risk      A lock of the library that a child inherits as taken, or what it guards half changed:
 *           the child hangs or crashes though it makes only the calls that it may.
 * Method    A thread uses all that needs a lock, and stops at the n-th time at which it, or a
 *           thread of the library, has just taken one, or is about to leave one. The main thread
 *           forks meanwhile; the child says that it goes on, uses the same, and shuts down. One
 *           that hangs is ended by an alarm, and seen. A run takes each fourth n until the thread
 *           gets through, from one that SEED chooses, else the number of the process; FORK_STEP=1
 *           takes all.
 * Catches   proc-1; I15.
 */
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cconc/cconc.h>

#define STEP 4
#define OK(call) SUPPORT_CHECK((call) == 0)

/* ---- the points ----------------------------------------------------------------------------- */

static pthread_t main_thread;
static atomic_uint_fast64_t stop_at; /* 0 = nowhere */
static atomic_uint_fast64_t points;
static atomic_bool stopped;
static atomic_bool may_go;

/* The linker sends the library's calls to the first and the real ones to the second. */
int __wrap_pthread_mutex_trylock(pthread_mutex_t *mu);
int __real_pthread_mutex_trylock(pthread_mutex_t *mu);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mu);
int __real_pthread_mutex_lock(pthread_mutex_t *mu);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mu);
int __real_pthread_mutex_unlock(pthread_mutex_t *mu);

static void point(void)
{
    uint64_t at = atomic_load(&stop_at);
    if (at == 0 || pthread_equal(pthread_self(), main_thread)) {
        return;
    }
    if (atomic_fetch_add(&points, 1) + 1 == at) {
        atomic_store(&stopped, true);
        while (!atomic_load(&may_go)) {
            sched_yield();
        }
    }
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t *mu)
{
    int err = __real_pthread_mutex_trylock(mu);
    if (err == 0) {
        point();
    }
    return err;
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mu)
{
    int err = __real_pthread_mutex_lock(mu);
    point();
    return err;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mu)
{
    point();
    return __real_pthread_mutex_unlock(mu);
}

/* ---- what is used --------------------------------------------------------------------------- */

static int add_one(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

static int add_one_flight(cconc_ctx *ctx, void *arg, void **out_value)
{
    *out_value = NULL;
    return add_one(ctx, arg);
}

static void add_one_func(void *arg)
{
    (void)add_one(NULL, arg);
}

static void use_tasks(void)
{
    cconc_pool_opts opts = {.workers = 1, .queue_len = 2};
    cconc_flight_opts kept = {.keep_ns = CCONC_SECOND};
    cconc_group *group = NULL;
    cconc_pool *pool = NULL;
    cconc_flight *flights = NULL;
    cconc_future *future = NULL;
    cconc_waitgroup wg = CCONC_WAITGROUP_INIT;
    atomic_int sum = 0;
    OK(cconc_group_new(NULL, NULL, &group));
    OK(cconc_group_go(group, NULL, add_one, &sum));
    OK(cconc_group_wait(group, NULL, NULL));
    cconc_group_free(group);
    OK(cconc_pool_new(NULL, &opts, &pool));
    OK(cconc_pool_submit_future(pool, NULL, add_one, &sum, &future));
    OK(cconc_future_wait(future, NULL));
    cconc_future_free(future);
    cconc_pool_free(pool);
    OK(cconc_flight_new(&kept, &flights));
    OK(cconc_flight_do(flights, NULL, "k", 1, add_one_flight, &sum, NULL, NULL));
    OK(cconc_flight_do(flights, NULL, "k", 1, add_one_flight, &sum, NULL, NULL));
    cconc_flight_free(flights);
    OK(cconc_waitgroup_go(&wg, add_one_func, &sum));
    OK(cconc_waitgroup_wait(&wg, NULL));
    cconc_waitgroup_destroy(&wg);
    SUPPORT_CHECK(atomic_load(&sum) == 4);
}

static void use_time(void)
{
    static const int signals[] = {SIGUSR1};
    cconc_ctx *ctx = NULL;
    cconc_ctx *child = NULL;
    cconc_after *after = NULL;
    cconc_timer *timer = NULL;
    cconc_ticker *ticker = NULL;
    atomic_int sum = 0;
    OK(cconc_ctx_with_signals(NULL, signals, 1, 0, &ctx));
    OK(cconc_ctx_with_timeout(ctx, CCONC_US, &child));
    OK(cconc_ctx_after_func(child, add_one_func, &sum, &after));
    OK(cconc_timer_new(CCONC_US, &timer));
    OK(cconc_timer_wait(timer, NULL, NULL));
    OK(cconc_ticker_new(CCONC_US, NULL, &ticker));
    OK(cconc_ticker_wait(ticker, NULL, NULL));
    OK(cconc_ctx_wait(child, NULL));
    until(atomic_load(&sum) == 1);
    cconc_ticker_free(ticker);
    cconc_timer_free(timer);
    cconc_after_free(after);
    cconc_ctx_free(child);
    cconc_ctx_free(ctx);
}

static void use_waits(void)
{
    cconc_ctx_mem mem;
    cconc_objpool_opts opts = {.size = 32};
    cconc_objpool *objpool = NULL;
    cconc_limiter_keyed *keyed = NULL;
    cconc_limiter *limiter = NULL;
    cconc_sem *sem = NULL;
    cconc_chan *ch = NULL;
    cconc_once once = CCONC_ONCE_INIT;
    void *object = NULL;
    int elem = 0;
    atomic_int sum = 0;
    cconc_ctx *soon = cconc_ctx_until(&mem, NULL, cconc_clock_after(20 * CCONC_US));
    OK(cconc_chan_new(sizeof(elem), 1, &ch));
    OK(cconc_chan_send(ch, NULL, &elem));
    SUPPORT_CHECK(cconc_chan_send(ch, soon, &elem) == ETIMEDOUT);
    cconc_chan_free(ch);
    OK(cconc_sem_new(1, &sem));
    OK(cconc_sem_acquire(sem, NULL, 1));
    SUPPORT_CHECK(cconc_sem_acquire(sem, soon, 1) == ETIMEDOUT);
    cconc_sem_release(sem, 1);
    cconc_sem_free(sem);
    OK(cconc_limiter_new(1e6, 1, &limiter));
    OK(cconc_limiter_wait(limiter, NULL, 1));
    OK(cconc_limiter_wait(limiter, NULL, 1));
    cconc_limiter_free(limiter);
    OK(cconc_limiter_keyed_new(1, 1, 9, &keyed));
    OK(cconc_limiter_keyed_allow(keyed, "k", 1, 1));
    cconc_limiter_keyed_free(keyed);
    OK(cconc_objpool_new(&opts, &objpool));
    OK(cconc_objpool_get(objpool, &object));
    cconc_objpool_put(objpool, object);
    cconc_objpool_free(objpool);
    OK(cconc_once_run(&once, NULL, add_one, &sum));
    cconc_once_destroy(&once);
}

static void use_everything(void)
{
    use_tasks();
    use_time();
    use_waits();
    OK(cconc_shutdown(NULL));
}

/* ---- the forks ------------------------------------------------------------------------------ */

static int go_on(void *arg)
{
    (void)arg;
    SUPPORT_CHECK(cconc_ctx_sleep(NULL, 3600 * CCONC_SECOND) == ENOTRECOVERABLE);
    OK(cconc_fork_child());
    use_everything();
    return 21;
}

static atomic_bool is_through;

static void use_and_tell(void *arg, size_t index)
{
    (void)arg;
    (void)index;
    use_everything();
    atomic_store(&is_through, true);
}

/* Fork at point n. Returns false if the thread got through before. */
static bool fork_at(uint64_t n)
{
    struct support_threads *thread;
    bool was_stopped;
    atomic_store(&points, 0);
    atomic_store(&stopped, false);
    atomic_store(&may_go, false);
    atomic_store(&is_through, false);
    atomic_store(&stop_at, n);
    thread = support_threads_start(1, use_and_tell, NULL);
    until(atomic_load(&stopped) || atomic_load(&is_through));
    was_stopped = atomic_load(&stopped);
    if (was_stopped) {
        int status = support_run_forked(go_on, NULL);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 21) {
            fprintf(stderr, "forked at point %u: wait status %#x\n", (unsigned)n, (unsigned)status);
        }
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 21);
    }
    atomic_store(&may_go, true);
    assert_int_equal(support_threads_join(thread), 0);
    atomic_store(&stop_at, 0);
    return was_stopped;
}

static uint64_t number_of(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 0) : fallback;
}

static void process_fork_child_goes_on_wherever_another_thread_holds_a_lock(void **state)
{
    uint64_t step = number_of("FORK_STEP", STEP);
    uint64_t seed = number_of("SEED", (uint64_t)getpid());
    uint64_t n = 1 + seed % step;
    (void)state;
    main_thread = pthread_self();
    print_message("    SEED=%u\n", (unsigned)seed);
    while (fork_at(n)) {
        n += step;
    }
    print_message("    %u points\n", (unsigned)n);
    assert_true(n > 100);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(process_fork_child_goes_on_wherever_another_thread_holds_a_lock),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
