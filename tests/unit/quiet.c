/* quiet.c - unit tests of waiting until the library has nothing to do
 * SPDX-License-Identifier: MIT
 *
 * Risk      A wait that nobody tells of the end, one that returns while there is work, one that
 *           stays in the queue after its context has ended it.
 * Method    The work is a flag under a lock, as a service's is; waiters are seen asleep.
 * Catches   W3 W12, I9; invariant I1 of core/quiet.c.
 */
#include "chan_help.h"

#include "core/lock.h"
#include "core/quiet.h"
#include "core/waiter.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/wait.h>

static lock work_mu = LOCK_INIT(RANK_TIMER);
static bool work; /* under work_mu */
static int looks; /* under work_mu */

static bool work_is_busy(void)
{
    lock_take(&work_mu);
    bool busy = work;
    looks++;
    lock_leave(&work_mu);
    return busy;
}

static void work_set(bool on)
{
    lock_take(&work_mu);
    work = on;
    lock_leave(&work_mu);
}

struct quiet_wait {
    cconc_ctx  *ctx;
    self       *me;
    atomic_bool begun;
    int         err;
};

static void wait_for_quiet(void *arg, size_t index)
{
    struct quiet_wait *w = (struct quiet_wait *)arg + index;
    w->me = self_get();
    atomic_store(&w->begun, true);
    w->err = cconc__quiet_wait(w->ctx, work_is_busy);
}

/* Start count waits and see them asleep. */
static struct support_threads *waits_start(struct quiet_wait *waits, size_t count)
{
    struct support_threads *threads = support_threads_start(count, wait_for_quiet, waits);
    for (size_t i = 0; i < count; i++) {
        until(atomic_load(&waits[i].begun));
        until(parker_is_parked(&waits[i].me->parker));
    }
    return threads;
}

/* ---- smoke ---------------------------------------------------------------------------------- */

static void quiet_wait_returns_at_once_where_nothing_is_to_do(void **state)
{
    cconc_ctx *ctx = ctx_make_cancelled();
    (void)state;
    work_set(false);
    looks = 0;
    assert_int_equal(cconc__quiet_wait(NULL, work_is_busy), 0);
    assert_int_equal(cconc__quiet_wait(ctx, work_is_busy), 0);
    assert_int_equal(looks, 2);
    cconc__quiet_tell(); /* nobody waits: nothing happens */
    cconc_ctx_free(ctx);
}

/* ---- blocking ------------------------------------------------------------------------------- */

static void quiet_tell_wakes_every_wait(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct quiet_wait waits[4] = {{.err = -1}, {.err = -1}, {.err = -1}, {.err = -1}};
        work_set(true);
        struct support_threads *threads = waits_start(waits, 4);
        work_set(false);
        cconc__quiet_tell();
        support_threads_join(threads);
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(waits[i].err, 0);
        }
    }
}

static int tell_in_a_child(void *arg)
{
    const struct quiet_wait *wait = arg;
    cconc__quiet_tell();
    return parker_is_parked(&wait->me->parker) ? 11 : 12;
}

static void quiet_tell_of_a_forked_child_leaves_alone_who_waits_in_the_parent(void **state)
{
    struct quiet_wait wait = {.err = -1};
    (void)state;
    work_set(true);
    struct support_threads *threads = waits_start(&wait, 1);
    int status = support_run_forked(tell_in_a_child, &wait);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 11);
    work_set(false);
    cconc__quiet_tell();
    support_threads_join(threads);
    assert_int_equal(wait.err, 0);
}

static int looks_so_far(void)
{
    lock_take(&work_mu);
    int so_far = looks;
    lock_leave(&work_mu);
    return so_far;
}

static void quiet_wait_goes_on_where_there_is_work_again(void **state)
{
    struct quiet_wait wait = {.err = -1};
    (void)state;
    work_set(true);
    struct support_threads *threads = waits_start(&wait, 1);
    for (int i = 0; i < 20; i++) {
        int before = looks_so_far();
        cconc__quiet_tell();
        until(looks_so_far() >= before + 2); /* it looks, queues, and looks once more */
        until(parker_is_parked(&wait.me->parker));
        assert_int_equal(wait.err, -1);
    }
    work_set(false);
    cconc__quiet_tell();
    support_threads_join(threads);
    assert_int_equal(wait.err, 0);
}

struct worker {
    atomic_bool stop;
};

static void work_on_and_off(void *arg, size_t index)
{
    struct worker *worker = arg;
    (void)index;
    while (!atomic_load(&worker->stop)) {
        work_set(true);
        work_set(false);
        cconc__quiet_tell();
    }
}

static void quiet_wait_misses_no_end_of_work(void **state)
{
    struct worker worker = {.stop = false};
    int64_t begin_ns = cconc_clock_now();
    (void)state;
    struct support_threads *threads = support_threads_start(1, work_on_and_off, &worker);
    for (int i = 0; i < MANY(20000, 2000) && time_is_left(begin_ns); i++) {
        assert_int_equal(cconc__quiet_wait(NULL, work_is_busy), 0);
    }
    atomic_store(&worker.stop, true);
    support_threads_join(threads);
}

/* ---- deadline, cancel ----------------------------------------------------------------------- */

static void quiet_wait_ends_with_its_context_and_leaves_the_queue(void **state)
{
    struct quiet_wait waits[2] = {{.ctx = ctx_make(), .err = -1}, {.err = -1}};
    (void)state;
    work_set(true);
    struct support_threads *threads = waits_start(waits, 2);
    cconc_ctx_cancel(waits[0].ctx);
    for (int i = 0; i < 3; i++) {
        cconc_ctx_mem mem;
        int64_t deadline_ns = cconc_clock_after(i * CCONC_MS);
        cconc_ctx *ctx = cconc_ctx_until(&mem, NULL, deadline_ns);
        assert_int_equal(cconc__quiet_wait(ctx, work_is_busy), ETIMEDOUT);
        assert_true(cconc_clock_now() >= deadline_ns);
    }
    assert_int_equal(cconc__quiet_wait(waits[0].ctx, work_is_busy), ECANCELED);
    work_set(false);
    cconc__quiet_tell(); /* only the one that still waits is in the queue */
    support_threads_join(threads);
    assert_int_equal(waits[0].err, ECANCELED);
    assert_int_equal(waits[1].err, 0);
    cconc_ctx_free(waits[0].ctx);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(quiet_wait_returns_at_once_where_nothing_is_to_do),
        UNIT_TEST(quiet_tell_wakes_every_wait),
        UNIT_TEST(quiet_tell_of_a_forked_child_leaves_alone_who_waits_in_the_parent),
        UNIT_TEST(quiet_wait_goes_on_where_there_is_work_again),
        UNIT_TEST(quiet_wait_misses_no_end_of_work),
        UNIT_TEST(quiet_wait_ends_with_its_context_and_leaves_the_queue),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
