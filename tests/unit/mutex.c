/* mutex.c - unit tests of mutexes and of the one timed wait of the library
 * SPDX-License-Identifier: MIT
 *
 * Risk      Two threads inside at once, a wait that says "passed" too early, that loses its mutex,
 *           or that ends a thread while it holds it.
 * Method    A plain counter under contention; a table of deadlines; a waiter known to be inside the
 *           wait because its mutex could be taken.
 * Catches   S6 S13, H3, I10 I12 I18, T9 T10; invariant I1 of plat/mutex.c.
 */
#include "chan_help.h"

#include "plat/mutex.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- smoke ---------------------------------------------------------------------------------- */

struct counted {
    plat_mutex mu;
    int        count; /* plain */
};

static void count_under_mutex(void *arg, size_t index)
{
    struct counted *c = arg;
    (void)index;
    for (int i = 0; i < MANY(50000, 5000); i++) {
        plat_mutex_lock(&c->mu);
        c->count++;
        plat_mutex_unlock(&c->mu);
    }
}

static void mutex_lets_one_thread_in_at_a_time(void **state)
{
    struct counted c = {.count = 0};
    (void)state;
    assert_int_equal(cconc__mutex_init(&c.mu), 0);
    support_threads_join(support_threads_start(4, count_under_mutex, &c));
    assert_int_equal(c.count, 4 * MANY(50000, 5000));
    cconc__mutex_destroy(&c.mu);
}

struct enterer {
    plat_mutex  mu;
    atomic_bool before;
    atomic_bool holder_left;
    bool        was_right;
};

static void enter_mutex(void *arg, size_t index)
{
    struct enterer *e = arg;
    (void)index;
    atomic_store(&e->before, true);
    cconc__mutex_lock_slow(&e->mu);
    e->was_right = atomic_load(&e->holder_left);
    plat_mutex_unlock(&e->mu);
}

static void mutex_waits_for_its_holder_however_long(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct enterer e = {.mu = PLAT_MUTEX_INIT};
        plat_mutex_lock(&e.mu);
        struct support_threads *threads = support_threads_start(1, enter_mutex, &e);
        until(atomic_load(&e.before));
        pass_time(CCONC_MS); /* far more than the pauses of the slow path */
        atomic_store(&e.holder_left, true);
        plat_mutex_unlock(&e.mu);
        support_threads_join(threads);
        assert_true(e.was_right);
    }
}

/* ---- blocking ------------------------------------------------------------------------------- */

/* A wait in a thread of its own; signalled once told. */
struct cond_sleeper {
    plat_mutex mu;
    plat_cond  cond;
    int64_t    deadline_ns;
    bool       inside; /* under mu */
    bool       told;   /* under mu */
    bool       in_time;
    bool       held;
    bool       returned; /* under mu */
};

static void sleep_on_cond(void *arg, size_t index)
{
    struct cond_sleeper *s = arg;
    (void)index;
    plat_mutex_lock(&s->mu);
    s->inside = true;
    s->in_time = true;
    while (s->in_time && !s->told) {
        s->in_time = cconc__cond_wait(&s->cond, &s->mu, s->deadline_ns);
    }
    s->held = pthread_mutex_trylock(&s->mu.m) != 0;
    s->returned = true;
    plat_mutex_unlock(&s->mu);
    pthread_testcancel();
}

static struct support_threads *cond_sleeper_start(struct cond_sleeper *s, int64_t deadline_ns)
{
    *s = (struct cond_sleeper){.deadline_ns = deadline_ns};
    SUPPORT_CHECK(cconc__mutex_init(&s->mu) == 0);
    SUPPORT_CHECK(cconc__cond_init(&s->cond) == 0);
    struct support_threads *threads = support_threads_start(1, sleep_on_cond, s);
    for (bool inside = false; !inside; plat_cpu_yield()) {
        plat_mutex_lock(&s->mu);
        inside = s->inside; /* and since the mutex could be taken, it waits */
        plat_mutex_unlock(&s->mu);
    }
    return threads;
}

static void cond_sleeper_tell(struct cond_sleeper *s)
{
    plat_mutex_lock(&s->mu);
    s->told = true;
    plat_mutex_unlock(&s->mu);
    cconc__cond_signal(&s->cond);
}

static void cond_sleeper_end(struct cond_sleeper *s)
{
    cconc__cond_destroy(&s->cond);
    cconc__mutex_destroy(&s->mu);
}

static void mutex_is_held_again_after_a_signalled_wait(void **state)
{
    static const int64_t deadlines[] = {CCONC_NEVER, CCONC_NEVER - 1, CCONC_NEVER / 2};
    (void)state;
    for (size_t i = 0; i < sizeof(deadlines) / sizeof(deadlines[0]); i++) {
        struct cond_sleeper s;
        struct support_threads *threads = cond_sleeper_start(&s, deadlines[i]);
        cond_sleeper_tell(&s);
        support_threads_join(threads);
        assert_true(s.in_time);
        assert_true(s.held);
        cond_sleeper_end(&s);
    }
}

/* ---- deadline ------------------------------------------------------------------------------- */

static void mutex_wait_says_passed_at_its_deadline_and_not_before(void **state)
{
    static const int64_t durations[] = {1,        CCONC_US,      20 * CCONC_US,
                                        CCONC_MS, 3 * CCONC_MS, 30 * CCONC_MS};
    plat_mutex mu = PLAT_MUTEX_INIT;
    plat_cond cond;
    (void)state;
    assert_int_equal(cconc__cond_init(&cond), 0);
    plat_mutex_lock(&mu);
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
            int64_t deadline_ns = cconc_clock_now() + durations[i];
            while (cconc__cond_wait(&cond, &mu, deadline_ns)) {
            }
            assert_true(cconc_clock_now() >= deadline_ns);
        }
    }
    assert_int_not_equal(pthread_mutex_trylock(&mu.m), 0); /* it is held after a time-out, too */
    plat_mutex_unlock(&mu);
    cconc__cond_destroy(&cond);
}

static void mutex_wait_for_the_past_returns_at_once(void **state)
{
    static const int64_t past[] = {INT64_MIN, INT64_MIN + 1, -CCONC_SECOND, -1, 0, 1};
    plat_mutex mu = PLAT_MUTEX_INIT;
    plat_cond cond;
    (void)state;
    assert_int_equal(cconc__cond_init(&cond), 0);
    plat_mutex_lock(&mu);
    for (size_t i = 0; i < sizeof(past) / sizeof(past[0]); i++) {
        assert_false(cconc__cond_wait(&cond, &mu, past[i]));
    }
    plat_mutex_unlock(&mu);
    cconc__cond_destroy(&cond);
}

/* A wait that really sleeps until its deadline, not one that looks at the clock all the time. */
static void mutex_wait_uses_no_processor_time(void **state)
{
    plat_mutex mu = PLAT_MUTEX_INIT;
    plat_cond cond;
    (void)state;
    assert_int_equal(cconc__cond_init(&cond), 0);
    plat_mutex_lock(&mu);
    int returns = 0;
    int64_t deadline_ns = cconc_clock_after(50 * CCONC_MS);
    while (cconc__cond_wait(&cond, &mu, deadline_ns)) {
        returns++;
    }
    assert_true(returns < 100);
    plat_mutex_unlock(&mu);
    cconc__cond_destroy(&cond);
}

/* ---- cancel --------------------------------------------------------------------------------- */

static void mutex_wait_is_no_cancellation_point(void **state)
{
    static const int64_t deadlines[] = {CCONC_NEVER, CCONC_NEVER - 1};
    (void)state;
    for (size_t i = 0; i < sizeof(deadlines) / sizeof(deadlines[0]); i++) {
        struct cond_sleeper s;
        struct support_threads *threads = cond_sleeper_start(&s, deadlines[i]);
        support_threads_cancel(threads, 0);
        cond_sleeper_tell(&s);
        assert_int_equal(support_threads_join(threads), 1); /* by its own test for it */
        assert_true(s.returned);
        cond_sleeper_end(&s);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(mutex_lets_one_thread_in_at_a_time),
        UNIT_TEST(mutex_waits_for_its_holder_however_long),
        UNIT_TEST(mutex_is_held_again_after_a_signalled_wait),
        UNIT_TEST(mutex_wait_says_passed_at_its_deadline_and_not_before),
        UNIT_TEST(mutex_wait_for_the_past_returns_at_once),
        UNIT_TEST(mutex_wait_uses_no_processor_time),
        UNIT_TEST(mutex_wait_is_no_cancellation_point),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
