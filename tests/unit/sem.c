/* sem.c - a weighted semaphore, first come, first served
 * SPDX-License-Identifier: MIT
 *
 * Risk      Overtaking, a large request that starves, permits lost or doubled by a wait that gives
 *           up at the moment of its grant, a resize that forgets who waits, a write before release
 *           that is not seen.
 * Method    Waiters are seen to be queued, one by one, before permits move; every permit is counted
 *           at the end.
 * Catches   sem-1, sem-2, sem-3, sem-4, sem-5, sem-6; all-1, all-2, all-3, all-10.
 */
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include <cconc/cconc.h>

#include "ctx_help.h"

struct queuer {
    cconc_sem *sem;
    cconc_ctx *ctx;
    int64_t n;
    int expected;
    atomic_int returned;
    struct support_threads *threads;
    int *plain; /* read once acquired, if not NULL */
};

static void queue_thread(void *arg, size_t index)
{
    struct queuer *q = arg;
    (void)index;
    errno = ERRNO_MARK;
    SUPPORT_CHECK(cconc_sem_acquire(q->sem, q->ctx, q->n) == q->expected);
    SUPPORT_CHECK(errno == ERRNO_MARK);
    SUPPORT_CHECK(!q->plain || *q->plain == 1);
    atomic_store(&q->returned, 1);
    pthread_testcancel();
}

/* Let a thread of its own acquire n, and see it in line. */
static void queue_up(struct queuer *q, cconc_sem *sem, cconc_ctx *ctx, int64_t n, int expected)
{
    size_t before = cconc_sem_waiters(sem);
    *q = (struct queuer){.sem = sem, .ctx = ctx, .n = n, .expected = expected};
    q->threads = support_threads_start(1, queue_thread, q);
    until(cconc_sem_waiters(sem) == before + 1);
}

static void join(struct queuer *q)
{
    assert_int_equal(support_threads_join(q->threads), 0);
    assert_int_equal(atomic_load(&q->returned), 1);
}

static cconc_sem *make(int64_t capacity)
{
    cconc_sem *sem = NULL;
    SUPPORT_CHECK(cconc_sem_new(capacity, &sem) == 0 && sem);
    return sem;
}

static void sem_takes_and_gives_permits(void **state)
{
    (void)state;
    cconc_sem *sem = make(5);
    assert_int_equal(cconc_sem_capacity(sem), 5);
    assert_int_equal(cconc_sem_available(sem), 5);
    assert_int_equal(cconc_sem_acquire(sem, NULL, 3), 0);
    assert_int_equal(cconc_sem_available(sem), 2);
    assert_int_equal(cconc_sem_try_acquire(sem, 3), EAGAIN);
    assert_int_equal(cconc_sem_try_acquire(sem, 2), 0);
    assert_int_equal(cconc_sem_available(sem), 0);
    assert_int_equal(cconc_sem_acquire(sem, NULL, 0), 0);
    assert_int_equal(cconc_sem_try_acquire(sem, 0), 0);
    cconc_sem_release(sem, 5);
    assert_int_equal(cconc_sem_available(sem), 5);
    cconc_sem_free(sem);
    cconc_sem_free(NULL);
}

/* sem-1 */
static void sem_serves_in_order_of_arrival_and_lets_nobody_overtake(void **state)
{
    struct queuer large;
    struct queuer small;
    (void)state;
    cconc_sem *sem = make(4);
    assert_int_equal(cconc_sem_acquire(sem, NULL, 2), 0);
    queue_up(&large, sem, NULL, 4, 0);
    queue_up(&small, sem, NULL, 1, 0);
    assert_int_equal(cconc_sem_available(sem), 2);
    assert_int_equal(cconc_sem_try_acquire(sem, 1), EAGAIN); /* free, but somebody queues */
    cconc_sem_release(sem, 1);
    assert_int_equal(cconc_sem_waiters(sem), 2);
    cconc_sem_release(sem, 1);
    join(&large);
    assert_int_equal(cconc_sem_waiters(sem), 1);
    assert_int_equal(atomic_load(&small.returned), 0);
    cconc_sem_release(sem, 4);
    join(&small);
    assert_int_equal(cconc_sem_available(sem), 3);
    cconc_sem_free(sem);
}

static void sem_release_serves_all_that_fit(void **state)
{
    struct queuer queue[5];
    (void)state;
    cconc_sem *sem = make(6);
    assert_int_equal(cconc_sem_acquire(sem, NULL, 6), 0);
    for (int i = 0; i < 4; i++) {
        queue_up(&queue[i], sem, NULL, 1, 0);
    }
    queue_up(&queue[4], sem, NULL, 3, 0);
    cconc_sem_release(sem, 6);
    for (int i = 0; i < 4; i++) {
        join(&queue[i]);
    }
    assert_int_equal(cconc_sem_waiters(sem), 1);
    assert_int_equal(cconc_sem_available(sem), 2);
    cconc_sem_release(sem, 1);
    join(&queue[4]);
    cconc_sem_release(sem, 6);
    cconc_sem_free(sem);
}

/* sem-2 */
static void sem_acquire_of_nothing_waits_for_those_before_it(void **state)
{
    struct queuer first;
    struct queuer nothing;
    (void)state;
    cconc_sem *sem = make(1);
    assert_int_equal(cconc_sem_acquire(sem, NULL, 1), 0);
    queue_up(&first, sem, NULL, 1, 0);
    assert_int_equal(cconc_sem_try_acquire(sem, 0), EAGAIN);
    queue_up(&nothing, sem, NULL, 0, 0);
    cconc_sem_release(sem, 1);
    join(&first);
    join(&nothing);
    assert_int_equal(cconc_sem_available(sem), 0);
    cconc_sem_free(sem);
}

/* sem-3 */
static void sem_wish_above_the_capacity_fails_at_once(void **state)
{
    (void)state;
    cconc_sem *sem = make(3);
    cconc_ctx *done = make_cancel(NULL);
    cconc_ctx_cancel(done);
    assert_int_equal(cconc_sem_acquire(sem, NULL, 4), EINVAL);
    assert_int_equal(cconc_sem_acquire(sem, NULL, INT64_MAX), EINVAL);
    assert_int_equal(cconc_sem_acquire(sem, done, 4), EINVAL); /* arguments come first */
    assert_int_equal(cconc_sem_try_acquire(sem, 4), EINVAL);
    assert_int_equal(cconc_sem_available(sem), 3);
    cconc_ctx_free(done);
    cconc_sem_free(sem);
}

static void sem_resized_once_a_wish_above_the_capacity_queues_and_blocks_nobody(void **state)
{
    struct queuer huge;
    struct queuer small;
    (void)state;
    cconc_sem *sem = make(3);
    assert_int_equal(cconc_sem_resize(sem, 2), 0);
    assert_int_equal(cconc_sem_try_acquire(sem, 3), EAGAIN);
    queue_up(&huge, sem, NULL, 5, 0);
    assert_int_equal(cconc_sem_acquire(sem, NULL, 2), 0); /* it is not in the way */
    queue_up(&small, sem, NULL, 1, 0);
    cconc_sem_release(sem, 1);
    join(&small);
    assert_int_equal(cconc_sem_waiters(sem), 1);
    assert_int_equal(cconc_sem_resize(sem, 6), 0); /* now it counts again */
    assert_int_equal(cconc_sem_try_acquire(sem, 1), EAGAIN);
    cconc_sem_release(sem, 2);
    join(&huge);
    assert_int_equal(cconc_sem_available(sem), 1);
    cconc_sem_release(sem, 5);
    cconc_sem_free(sem);
}

/* sem-4 */
static void sem_resize_up_serves_the_queue(void **state)
{
    struct queuer first;
    struct queuer second;
    (void)state;
    cconc_sem *sem = make(1);
    assert_int_equal(cconc_sem_acquire(sem, NULL, 1), 0);
    queue_up(&first, sem, NULL, 1, 0);
    queue_up(&second, sem, NULL, 1, 0);
    assert_int_equal(cconc_sem_resize(sem, 2), 0);
    join(&first);
    assert_int_equal(cconc_sem_waiters(sem), 1);
    assert_int_equal(cconc_sem_resize(sem, 3), 0);
    join(&second);
    assert_int_equal(cconc_sem_capacity(sem), 3);
    cconc_sem_release(sem, 3);
    cconc_sem_free(sem);
}

static void sem_resize_down_keeps_what_is_held(void **state)
{
    (void)state;
    cconc_sem *sem = make(5);
    assert_int_equal(cconc_sem_acquire(sem, NULL, 4), 0);
    assert_int_equal(cconc_sem_resize(sem, 0), 0);
    assert_int_equal(cconc_sem_available(sem), -4);
    assert_int_equal(cconc_sem_try_acquire(sem, 0), 0);
    assert_int_equal(cconc_sem_try_acquire(sem, 1), EAGAIN);
    cconc_sem_release(sem, 3);
    assert_int_equal(cconc_sem_available(sem), -1);
    assert_int_equal(cconc_sem_resize(sem, 2), 0);
    assert_int_equal(cconc_sem_available(sem), 1);
    assert_int_equal(cconc_sem_try_acquire(sem, 1), 0);
    cconc_sem_release(sem, 2);
    assert_int_equal(cconc_sem_available(sem), 2);
    assert_int_equal(cconc_sem_resize(sem, -1), EINVAL);
    assert_int_equal(cconc_sem_capacity(sem), 2);
    cconc_sem_free(sem);
}

/* sem-5 */
static void sem_done_ctx_beats_free_permits(void **state)
{
    (void)state;
    cconc_sem *sem = make(2);
    cconc_ctx *cancelled = make_cancel(NULL);
    cconc_ctx *late = make_timeout(NULL, 0);
    cconc_ctx_cancel(cancelled);
    assert_int_equal(cconc_sem_acquire(sem, cancelled, 1), ECANCELED);
    assert_int_equal(cconc_sem_acquire(sem, cancelled, 0), ECANCELED);
    assert_int_equal(cconc_sem_acquire(sem, late, 1), ETIMEDOUT);
    assert_int_equal(cconc_sem_available(sem), 2);
    assert_int_equal(cconc_sem_acquire(sem, cancelled, 3), EINVAL);
    assert_int_equal(cconc_sem_resize(sem, 1), 0); /* from now on 3 may come to fit */
    assert_int_equal(cconc_sem_acquire(sem, cancelled, 3), ECANCELED);
    cconc_ctx_free(late);
    cconc_ctx_free(cancelled);
    cconc_sem_free(sem);
}

static void sem_waiter_that_leaves_lets_in_those_behind_that_fit(void **state)
{
    struct queuer large;
    struct queuer small;
    (void)state;
    cconc_sem *sem = make(3);
    cconc_ctx *ctx = make_cancel(NULL);
    assert_int_equal(cconc_sem_acquire(sem, NULL, 2), 0);
    queue_up(&large, sem, ctx, 3, ECANCELED);
    queue_up(&small, sem, NULL, 1, 0);
    cconc_ctx_cancel(ctx);
    join(&large);
    join(&small);
    assert_int_equal(cconc_sem_waiters(sem), 0);
    assert_int_equal(cconc_sem_available(sem), 0);
    cconc_sem_release(sem, 3);
    cconc_ctx_free(ctx);
    cconc_sem_free(sem);
}

/* Cancel and release meet; whoever gives up leaves nothing behind. */
static void sem_grant_and_cancel_at_once_lose_no_permit(void **state)
{
    (void)state;
    cconc_sem *sem = make(1);
    for (int i = 0; i < 300; i++) {
        struct queuer q = {.sem = sem, .n = 1};
        int err;
        q.ctx = make_cancel(NULL);
        assert_int_equal(cconc_sem_acquire(sem, NULL, 1), 0);
        q.threads = support_threads_start(1, queue_thread, &q);
        q.expected = ECANCELED;
        until(cconc_sem_waiters(sem) == 1);
        cconc_ctx_cancel(q.ctx);
        cconc_sem_release(sem, 1); /* a grant, if it is still in line, is given back: sem-5 */
        assert_int_equal(support_threads_join(q.threads), 0);
        err = cconc_sem_try_acquire(sem, 1);
        assert_int_equal(err, 0);
        cconc_sem_release(sem, 1);
        cconc_ctx_free(q.ctx);
    }
    cconc_sem_free(sem);
}

struct late {
    cconc_sem *sem;
    cconc_ctx *ctx;
    int code;
};

static void late_thread(void *arg, size_t index)
{
    struct late *late = arg;
    (void)index;
    late->code = cconc_sem_acquire(late->sem, late->ctx, 2);
}

/* The context ends after the grant and before the return: most of the first tries see to that. */
static void sem_grant_is_given_back_if_the_ctx_has_ended_by_then(void **state)
{
    struct late late = {.sem = make(2)};
    (void)state;
    for (int i = 0; i < 10000 && late.code != ECANCELED; i++) {
        late.ctx = make_cancel(NULL);
        assert_int_equal(cconc_sem_acquire(late.sem, NULL, 2), 0);
        struct support_threads *thread = support_threads_start(1, late_thread, &late);
        until(cconc_sem_waiters(late.sem) == 1);
        cconc_sem_release(late.sem, 2);
        assert_int_equal(cconc_sem_waiters(late.sem), 0); /* it has been granted */
        cconc_ctx_cancel(late.ctx);
        assert_int_equal(support_threads_join(thread), 0);
        assert_int_equal(cconc_sem_available(late.sem), late.code ? 2 : 0);
        cconc_sem_release(late.sem, late.code ? 0 : 2);
        cconc_ctx_free(late.ctx);
    }
    assert_int_equal(late.code, ECANCELED);
    cconc_sem_free(late.sem);
}

static void sem_wait_times_out_never_early_and_holds_nothing(void **state)
{
    (void)state;
    cconc_sem *sem = make(1);
    cconc_ctx_mem mem;
    assert_int_equal(cconc_sem_acquire(sem, NULL, 1), 0);
    int64_t deadline_ns = cconc_clock_after(3 * CCONC_MS);
    assert_int_equal(cconc_sem_acquire(sem, cconc_ctx_until(&mem, NULL, deadline_ns), 1),
                     ETIMEDOUT);
    assert_true(cconc_clock_now() >= deadline_ns);
    assert_int_equal(cconc_sem_waiters(sem), 0);
    cconc_sem_release(sem, 1);
    assert_int_equal(cconc_sem_available(sem), 1);
    cconc_sem_free(sem);
}

/* sem-6 */
static void sem_orders_release_before_the_acquire_that_it_makes_possible(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        int plain = 0;
        cconc_sem *sem = make(1);
        struct queuer q = {.sem = sem, .n = 1, .plain = &plain};
        assert_int_equal(cconc_sem_acquire(sem, NULL, 1), 0);
        q.threads = support_threads_start(1, queue_thread, &q);
        if (i % 2) {
            until(cconc_sem_waiters(sem) == 1); /* by grant; else by the word, or either */
        }
        plain = 1;
        cconc_sem_release(sem, 1);
        join(&q);
        cconc_sem_free(sem);
    }
}

static void sem_grants_all_or_nothing(void **state)
{
    struct queuer q;
    (void)state;
    cconc_sem *sem = make(10);
    assert_int_equal(cconc_sem_acquire(sem, NULL, 10), 0);
    queue_up(&q, sem, NULL, 7, 0);
    for (int i = 0; i < 6; i++) {
        cconc_sem_release(sem, 1);
        assert_int_equal(cconc_sem_available(sem), i + 1);
        assert_int_equal(cconc_sem_waiters(sem), 1);
    }
    cconc_sem_release(sem, 1);
    join(&q);
    assert_int_equal(cconc_sem_available(sem), 0);
    cconc_sem_release(sem, 10);
    cconc_sem_free(sem);
}

static void sem_counts_as_far_as_int64(void **state)
{
    struct queuer q;
    (void)state;
    cconc_sem *sem = make(INT64_MAX);
    assert_int_equal(cconc_sem_available(sem), INT64_MAX);
    assert_int_equal(cconc_sem_acquire(sem, NULL, INT64_MAX), 0);
    assert_int_equal(cconc_sem_available(sem), 0);
    queue_up(&q, sem, NULL, INT64_MAX, 0);
    assert_int_equal(cconc_sem_resize(sem, 0), 0);
    assert_int_equal(cconc_sem_available(sem), -INT64_MAX);
    cconc_sem_release(sem, INT64_MAX);
    assert_int_equal(cconc_sem_resize(sem, INT64_MAX), 0);
    join(&q);
    cconc_sem_release(sem, INT64_MAX);
    assert_int_equal(cconc_sem_available(sem), INT64_MAX);
    cconc_sem_free(sem);
}

static void sem_refuses_what_cannot_be(void **state)
{
    (void)state;
    cconc_sem *none = NULL;
    assert_int_equal(cconc_sem_new(-1, &none), EINVAL);
    assert_int_equal(cconc_sem_new(INT64_MIN, &none), EINVAL);
    assert_int_equal(cconc_sem_new(1, NULL), EINVAL);
    assert_null(none);
    cconc_sem *sem = make(0);
    assert_int_equal(cconc_sem_acquire(sem, NULL, -1), EINVAL);
    assert_int_equal(cconc_sem_acquire(sem, NULL, INT64_MIN), EINVAL);
    assert_int_equal(cconc_sem_try_acquire(sem, -1), EINVAL);
    assert_int_equal(cconc_sem_acquire(sem, NULL, 1), EINVAL);
    assert_int_equal(cconc_sem_acquire(sem, NULL, 0), 0);
    cconc_sem_free(sem);
}

static void sem_misuse_is_told_with_both_numbers_and_changes_nothing(void **state)
{
    struct queuer q;
    (void)state;
    cconc_sem *sem = make(5);
    assert_int_equal(cconc_sem_acquire(sem, NULL, 2), 0);
    expect_misuse("sem release of 3 permits where 2 are held", cconc_sem_release(sem, 3));
    expect_misuse("sem release of -1 permits where 2 are held", cconc_sem_release(sem, -1));
    expect_misuse("sem release of 9223372036854775807 permits where 2 are held",
                  cconc_sem_release(sem, INT64_MAX));
    assert_int_equal(cconc_sem_available(sem), 3);
    queue_up(&q, sem, NULL, 4, 0);
    expect_misuse("sem free with 1 waiters", cconc_sem_free(sem));
    cconc_sem_release(sem, 2);
    join(&q);
    cconc_sem_release(sem, 4);
    cconc_sem_free(sem);
}

static void sem_acquire_is_no_cancellation_point(void **state)
{
    struct queuer q;
    (void)state;
    cconc_sem *sem = make(1);
    assert_int_equal(cconc_sem_acquire(sem, NULL, 1), 0);
    queue_up(&q, sem, NULL, 1, 0);
    support_threads_cancel(q.threads, 0);
    cconc_sem_release(sem, 1);
    assert_int_equal(support_threads_join(q.threads), 1);
    assert_int_equal(atomic_load(&q.returned), 1);
    cconc_sem_release(sem, 1);
    cconc_sem_free(sem);
}

static void make_and_use(void *arg)
{
    cconc_sem *sem = NULL;
    (void)arg;
    int err = cconc_sem_new(1, &sem);
    SUPPORT_CHECK(err == 0 || err == ENOMEM);
    SUPPORT_CHECK((err == 0) == (sem != NULL));
    if (!err) {
        SUPPORT_CHECK(cconc_sem_acquire(sem, NULL, 1) == 0);
        cconc_sem_release(sem, 1);
        cconc_sem_free(sem);
    }
}

static void sem_survives_every_failed_allocation_and_only_new_allocates(void **state)
{
    (void)state;
    assert_true(support_sweep_alloc(make_and_use, NULL) > 0);
    cconc_sem *sem = make(1);
    support_fail_alloc(1, true);
    assert_int_equal(cconc_sem_acquire(sem, NULL, 1), 0);
    cconc_sem_release(sem, 1);
    assert_int_equal(cconc_sem_resize(sem, 2), 0);
    cconc_sem_free(sem);
    assert_int_equal(support_fail_end(), 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(sem_takes_and_gives_permits),
        UNIT_TEST(sem_serves_in_order_of_arrival_and_lets_nobody_overtake),
        UNIT_TEST(sem_release_serves_all_that_fit),
        UNIT_TEST(sem_acquire_of_nothing_waits_for_those_before_it),
        UNIT_TEST(sem_wish_above_the_capacity_fails_at_once),
        UNIT_TEST(sem_resized_once_a_wish_above_the_capacity_queues_and_blocks_nobody),
        UNIT_TEST(sem_resize_up_serves_the_queue),
        UNIT_TEST(sem_resize_down_keeps_what_is_held),
        UNIT_TEST(sem_done_ctx_beats_free_permits),
        UNIT_TEST(sem_waiter_that_leaves_lets_in_those_behind_that_fit),
        UNIT_TEST(sem_grant_and_cancel_at_once_lose_no_permit),
        UNIT_TEST(sem_grant_is_given_back_if_the_ctx_has_ended_by_then),
        UNIT_TEST(sem_wait_times_out_never_early_and_holds_nothing),
        UNIT_TEST(sem_orders_release_before_the_acquire_that_it_makes_possible),
        UNIT_TEST(sem_grants_all_or_nothing),
        UNIT_TEST(sem_counts_as_far_as_int64),
        UNIT_TEST(sem_refuses_what_cannot_be),
        UNIT_TEST(sem_misuse_is_told_with_both_numbers_and_changes_nothing),
        UNIT_TEST(sem_acquire_is_no_cancellation_point),
        UNIT_TEST(sem_survives_every_failed_allocation_and_only_new_allocates),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
