/* sync_mutex.c - the behaviours of Go's package sync: Mutex, Cond
 * SPDX-License-Identifier: MIT
 *
 * Risk      A program carried over from Go that behaves differently without being told.
 * Method    The library leaves both to POSIX. The cases are about what the cookbook puts in the
 *           place of a mutex whose lock honours a context, and of a condition: a semaphore or a
 *           channel. The deliberate differences are cases too, and say so.
 * Catches   ported programs that change their meaning; rules sem-1, sem-5, sem-6, chan-2, chan-3.
 */
#include "unit.h"

#include <errno.h>
#include <stdatomic.h>

#include <cconc/cconc.h>

static cconc_ctx *new_cancel(void)
{
    cconc_ctx *ctx = NULL;
    SUPPORT_CHECK(cconc_ctx_with_cancel(NULL, &ctx) == 0);
    return ctx;
}

/* ---- Mutex: a semaphore of one permit, or a channel of one element -------------------------- */

struct mutex {
    cconc_sem *sem;
    cconc_chan *chan;
    cconc_ctx *ctx;
    int expected;
    int plain; /* guarded */
};

static struct mutex mutex_new(void)
{
    struct mutex mu = {.expected = 0};
    SUPPORT_CHECK(cconc_sem_new(1, &mu.sem) == 0);
    SUPPORT_CHECK(cconc_chan_new(0, 1, &mu.chan) == 0);
    return mu;
}

static void mutex_free(struct mutex *mu)
{
    cconc_chan_free(mu->chan);
    cconc_sem_free(mu->sem);
}

static void lock_by_sem(void *arg, size_t index)
{
    struct mutex *mu = arg;
    (void)index;
    for (int i = 0; i < 1000; i++) {
        SUPPORT_CHECK(cconc_sem_acquire(mu->sem, NULL, 1) == 0);
        mu->plain++;
        cconc_sem_release(mu->sem, 1);
    }
}

static void lock_by_chan(void *arg, size_t index)
{
    struct mutex *mu = arg;
    (void)index;
    for (int i = 0; i < 1000; i++) {
        SUPPORT_CHECK(cconc_chan_send(mu->chan, NULL, NULL) == 0);
        mu->plain++;
        SUPPORT_CHECK(cconc_chan_recv(mu->chan, NULL, NULL) == 0);
    }
}

static void mutex_lets_one_in_at_a_time_and_shows_what_others_wrote(void **state)
{
    struct mutex mu = mutex_new();
    (void)state;
    struct support_threads *threads = support_threads_start(4, lock_by_sem, &mu);
    support_threads_join(threads);
    assert_int_equal(mu.plain, 4000);
    threads = support_threads_start(4, lock_by_chan, &mu);
    support_threads_join(threads);
    assert_int_equal(mu.plain, 8000);
    mutex_free(&mu);
}

static void mutex_try_lock_tells_whether_it_locked(void **state)
{
    struct mutex mu = mutex_new();
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(cconc_sem_try_acquire(mu.sem, 1), 0);
        assert_int_equal(cconc_sem_try_acquire(mu.sem, 1), EAGAIN);
        cconc_sem_release(mu.sem, 1);
        assert_int_equal(cconc_chan_try_send(mu.chan, NULL), 0);
        assert_int_equal(cconc_chan_try_send(mu.chan, NULL), EAGAIN);
        assert_int_equal(cconc_chan_try_recv(mu.chan, NULL), 0);
    }
    mutex_free(&mu);
}

static void unlock_both(void *arg, size_t index)
{
    struct mutex *mu = arg;
    (void)index;
    cconc_sem_release(mu->sem, 1);
    SUPPORT_CHECK(cconc_chan_recv(mu->chan, NULL, NULL) == 0);
}

static void mutex_belongs_to_no_thread_and_another_may_unlock_it(void **state)
{
    struct mutex mu = mutex_new();
    (void)state;
    assert_int_equal(cconc_sem_acquire(mu.sem, NULL, 1), 0);
    assert_int_equal(cconc_chan_send(mu.chan, NULL, NULL), 0);
    struct support_threads *thread = support_threads_start(1, unlock_both, &mu);
    assert_int_equal(cconc_sem_acquire(mu.sem, NULL, 1), 0);
    assert_int_equal(cconc_chan_send(mu.chan, NULL, NULL), 0);
    support_threads_join(thread);
    unlock_both(&mu, 0);
    mutex_free(&mu);
}

/* A run-time error in Go. The channel cannot tell, and waits. */
static void mutex_unlock_of_an_unlocked_one_is_misuse(void **state)
{
    struct mutex mu = mutex_new();
    (void)state;
    expect_misuse("sem release of 1 permits where 0 are held", cconc_sem_release(mu.sem, 1));
    assert_int_equal(cconc_chan_try_recv(mu.chan, NULL), EAGAIN);
    mutex_free(&mu);
}

static void lock_both(void *arg, size_t index)
{
    struct mutex *mu = arg;
    if (index == 0) {
        SUPPORT_CHECK(cconc_sem_acquire(mu->sem, mu->ctx, 1) == mu->expected);
    } else {
        SUPPORT_CHECK(cconc_chan_send(mu->chan, mu->ctx, NULL) == mu->expected);
    }
}

static size_t chan_waiters(cconc_chan *chan)
{
    size_t senders = 0;
    size_t receivers = 0;
    cconc_chan_waiters(chan, &senders, &receivers);
    return senders + receivers;
}

static void mutex_lock_ends_with_its_context_unlike_go(void **state)
{
    struct mutex mu = mutex_new();
    (void)state;
    mu.ctx = new_cancel();
    mu.expected = ECANCELED;
    assert_int_equal(cconc_sem_acquire(mu.sem, NULL, 1), 0);
    assert_int_equal(cconc_chan_send(mu.chan, NULL, NULL), 0);
    struct support_threads *threads = support_threads_start(2, lock_both, &mu);
    until(cconc_sem_waiters(mu.sem) == 1 && chan_waiters(mu.chan) == 1);
    cconc_ctx_cancel(mu.ctx);
    support_threads_join(threads);
    unlock_both(&mu, 0);
    assert_int_equal(cconc_sem_try_acquire(mu.sem, 1), 0); /* nothing was left behind */
    assert_int_equal(cconc_chan_try_send(mu.chan, NULL), 0);
    unlock_both(&mu, 0);
    cconc_ctx_free(mu.ctx);
    mutex_free(&mu);
}

/* ---- Cond: Signal is a send, Broadcast is a close ------------------------------------------- */

struct cond {
    cconc_chan *chan;
    int expected;
    int plain; /* written before the wake-up, read after it */
    atomic_int woken;
};

static void cond_wait(void *arg, size_t index)
{
    struct cond *c = arg;
    (void)index;
    SUPPORT_CHECK(cconc_chan_recv(c->chan, NULL, NULL) == c->expected);
    SUPPORT_CHECK(c->plain == 42);
    atomic_fetch_add(&c->woken, 1);
}

static void cond_signal_wakes_one_waiter_if_there_is_any(void **state)
{
    struct cond c = {.plain = 42};
    (void)state;
    SUPPORT_CHECK(cconc_chan_new(0, 0, &c.chan) == 0);
    assert_int_equal(cconc_chan_try_send(c.chan, NULL), EAGAIN); /* nobody: it is lost */
    struct support_threads *threads = support_threads_start(3, cond_wait, &c);
    until(chan_waiters(c.chan) == 3);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(cconc_chan_try_send(c.chan, NULL), 0);
        until(atomic_load(&c.woken) == i);
        assert_int_equal(chan_waiters(c.chan), 3 - i);
    }
    assert_int_equal(cconc_chan_try_send(c.chan, NULL), EAGAIN);
    support_threads_join(threads);
    cconc_chan_free(c.chan);
}

static void cond_broadcast_wakes_every_waiter_and_those_to_come(void **state)
{
    struct cond c = {.expected = EPIPE};
    (void)state;
    SUPPORT_CHECK(cconc_chan_new(0, 0, &c.chan) == 0);
    struct support_threads *threads = support_threads_start(8, cond_wait, &c);
    until(chan_waiters(c.chan) == 8);
    assert_int_equal(atomic_load(&c.woken), 0);
    c.plain = 42;
    assert_int_equal(cconc_chan_close(c.chan), 0);
    support_threads_join(threads);
    assert_int_equal(atomic_load(&c.woken), 8);
    cond_wait(&c, 0); /* a state reached: who comes late does not wait, unlike a Cond */
    cconc_chan_free(c.chan);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(mutex_lets_one_in_at_a_time_and_shows_what_others_wrote),
        UNIT_TEST(mutex_try_lock_tells_whether_it_locked),
        UNIT_TEST(mutex_belongs_to_no_thread_and_another_may_unlock_it),
        UNIT_TEST(mutex_unlock_of_an_unlocked_one_is_misuse),
        UNIT_TEST(mutex_lock_ends_with_its_context_unlike_go),
        UNIT_TEST(cond_signal_wakes_one_waiter_if_there_is_any),
        UNIT_TEST(cond_broadcast_wakes_every_waiter_and_those_to_come),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
