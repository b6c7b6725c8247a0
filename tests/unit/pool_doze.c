/* pool_doze.c - who waits for room in a full queue leaves the processor to the workers
 * SPDX-License-Identifier: MIT
 *
 * Risk      A submitter that keeps a processor busy with looking, where a worker could have it; one
 *           that sleeps while the workers run out of tasks, because they are quick, or because
 *           sleeps take a tick.
 * Method    The program's own clock and nanosleep() stand before the system's: time passes as the
 *           test says, and tasks end when it says so.
 * Catches   W8; pool-4.
 */
#include "pool_help.h"

#include "plat/cpu.h"

#include <time.h>

#define QUEUE 4

static atomic_bool is_mine;     /* the clock and the dozes are the test's */
static _Atomic int64_t mine_ns; /* what the clock says */
static _Atomic int64_t doze_ns; /* how long a doze takes by it */
static atomic_int doze_ends;    /* how many tasks end in a doze */
static atomic_int dozes;
static cconc_chan *door; /* each token lets one task end */

int __real_clock_gettime(clockid_t clock, struct timespec *out_time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out_time);
int __real_nanosleep(const struct timespec *time, struct timespec *out_left);
int __wrap_nanosleep(const struct timespec *time, struct timespec *out_left);

int __wrap_clock_gettime(clockid_t clock, struct timespec *out_time)
{
    if (!atomic_load(&is_mine)) {
        return __real_clock_gettime(clock, out_time);
    }
    int64_t now_ns = atomic_fetch_add(&mine_ns, 10); /* who looks until a time gets there */
    out_time->tv_sec = (time_t)(now_ns / CCONC_SECOND);
    out_time->tv_nsec = (long)(now_ns % CCONC_SECOND);
    return 0;
}

static void end_tasks(int count)
{
    for (int i = 0; i < count; i++) {
        SUPPORT_CHECK(cconc_chan_send(door, NULL, "") == 0);
    }
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *out_left)
{
    if (!atomic_load(&is_mine) || time->tv_nsec != PLAT_CPU_DOZE_NS) {
        return __real_nanosleep(time, out_left);
    }
    atomic_fetch_add(&mine_ns, atomic_load(&doze_ns));
    end_tasks(atomic_load(&doze_ends));
    atomic_fetch_add(&dozes, 1);
    return 0;
}

static int end_at_the_door(cconc_ctx *ctx, void *arg)
{
    char token;
    (void)ctx;
    (void)arg;
    SUPPORT_CHECK(cconc_chan_recv(door, NULL, &token) == 0);
    return 0;
}

/* A pool whose only worker is in a task, with a full queue. */
static cconc_pool *begin(void)
{
    cconc_pool *pool = pool_make(1, QUEUE, CCONC_POOL_BLOCK);
    door = chan_make(1, 2 * QUEUE);
    until(pool_counts(pool).idle == 1); /* nobody looks until a time of the other clock */
    atomic_store(&mine_ns, 1000 * CCONC_SECOND);
    atomic_store(&dozes, 0);
    atomic_store(&is_mine, true);
    SUPPORT_CHECK(cconc_pool_submit(pool, NULL, end_at_the_door, NULL) == 0);
    until(pool_counts(pool).running == 1);
    for (int i = 0; i < QUEUE; i++) {
        SUPPORT_CHECK(cconc_pool_submit(pool, NULL, end_at_the_door, NULL) == 0);
    }
    return pool;
}

static void end(cconc_pool *pool)
{
    end_tasks(QUEUE + 1);
    SUPPORT_CHECK(cconc_pool_shutdown(pool, NULL, CCONC_POOL_DRAIN) == 0);
    cconc_pool_free(pool);
    atomic_store(&is_mine, false);
    cconc_chan_free(door);
}

/* Submit to the full queue after a time. Returns whether the submitter dozed; if not, it is seen
 * blocked until a task ends. */
static bool dozes_after(cconc_pool *pool, int64_t passed_ns)
{
    struct submitter submitter = {.pool = pool, .fn = end_at_the_door, .err = -1};
    int before = atomic_load(&dozes);
    atomic_fetch_add(&mine_ns, passed_ns);
    submitter.thread = support_threads_start(1, submitter_run, &submitter);
    until(atomic_load(&dozes) > before || pool_counts(pool).blocked == 1);
    bool dozed = atomic_load(&dozes) > before;
    if (!dozed) {
        end_tasks(1);
    }
    SUPPORT_CHECK(submitter_end(&submitter) == 0);
    SUPPORT_CHECK(atomic_load(&dozes) == before + dozed);
    return dozed;
}

static void submitter_dozes_while_the_workers_are_busy_for_long(void **state)
{
    cconc_pool *pool = begin();
    (void)state;
    atomic_store(&doze_ns, 50 * CCONC_US);
    atomic_store(&doze_ends, 1);
    assert_false(dozes_after(pool, 0)); /* for how long is not known yet */
    assert_true(dozes_after(pool, CCONC_MS));
    assert_true(dozes_after(pool, CCONC_MS));
    assert_false(dozes_after(pool, 30 * CCONC_MS)); /* nor any more */
    assert_true(dozes_after(pool, CCONC_MS));
    end(pool);
}

/* Fill the queue once only so many are left in it. */
static void refill(cconc_pool *pool, int left)
{
    until(pool_counts(pool).queued == (uint64_t)left);
    for (int i = left; i < QUEUE; i++) {
        SUPPORT_CHECK(cconc_pool_submit(pool, NULL, end_at_the_door, NULL) == 0);
    }
}

static void submitter_looks_while_the_workers_are_quick(void **state)
{
    cconc_pool *pool = begin();
    (void)state;
    atomic_store(&doze_ns, CCONC_MS);
    atomic_store(&doze_ends, 1);
    (void)dozes_after(pool, 0);
    assert_true(dozes_after(pool, CCONC_MS));
    assert_false(dozes_after(pool, 30 * CCONC_MS));
    end_tasks(QUEUE);
    refill(pool, 0);
    assert_false(dozes_after(pool, 10 * CCONC_US)); /* it was full not longer ago than that */
    assert_true(dozes_after(pool, CCONC_MS));
    end(pool);
}

/* As where a sleep takes a tick: in each the workers come to the end of the queue. */
static void submitter_stops_dozing_where_that_takes_longer(void **state)
{
    cconc_pool *pool = begin();
    int rounds = 0;
    (void)state;
    atomic_store(&doze_ns, 10 * CCONC_MS);
    (void)dozes_after(pool, 0);
    atomic_store(&doze_ends, QUEUE);
    while (rounds < 100 && dozes_after(pool, CCONC_MS)) {
        rounds++;
        refill(pool, 1);
    }
    assert_in_range(rounds, 2, 20);
    end(pool);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(submitter_dozes_while_the_workers_are_busy_for_long),
        UNIT_TEST(submitter_looks_while_the_workers_are_quick),
        UNIT_TEST(submitter_stops_dozing_where_that_takes_longer),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
