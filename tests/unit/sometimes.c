/* sometimes.c - something that is done only now and then
 * SPDX-License-Identifier: MIT
 *
 * Risk      A call that runs and should not, or the other way round; two functions at once; a call
 *           that hangs behind one that never ends.
 * Method    The calls that run, written down; the virtual clock for the interval.
 * Catches   The row of sometimes; all-1, all-2, all-3, all-10; proc-3.
 */
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <cconc/cconc.h>

#include "ctx_help.h"

static cconc_sometimes *make(uint64_t first, uint64_t every, int64_t interval_ns)
{
    const cconc_sometimes_opts opts = {.first = first, .every = every, .interval_ns = interval_ns};
    cconc_sometimes *made = NULL;
    SUPPORT_CHECK(cconc_sometimes_new(&opts, &made) == 0 && made);
    return made;
}

static void count(void *arg)
{
    ++*(int *)arg;
}

/* Ten calls: "x" for each that runs, "." for the others. */
static void expect_runs(cconc_sometimes *sometimes, const char *pattern)
{
    int runs = 0;
    for (size_t i = 0; i < strlen(pattern); i++) {
        bool ran = !(pattern[i] == 'x');
        int before = runs;
        assert_int_equal(cconc_sometimes_do(sometimes, NULL, count, &runs, &ran), 0);
        assert_int_equal(ran, pattern[i] == 'x');
        assert_int_equal(runs - before, ran);
    }
    cconc_sometimes_free(sometimes);
}

static void sometimes_runs_what_any_filter_lets_through(void **state)
{
    cconc_sometimes *bare = NULL;
    (void)state;
    assert_int_equal(cconc_sometimes_new(NULL, &bare), 0);
    expect_runs(bare, "x.........");
    expect_runs(make(0, 0, 0), "x.........");
    expect_runs(make(1, 0, 0), "x.........");
    expect_runs(make(3, 0, 0), "xxx.......");
    expect_runs(make(0, 1, 0), "xxxxxxxxxx");
    expect_runs(make(0, 3, 0), "x..x..x..x");
    expect_runs(make(2, 4, 0), "xx..x...x.");
    expect_runs(make(UINT64_MAX, UINT64_MAX, 0), "xxxxxxxxxx");
    expect_runs(make(0, 0, INT64_MAX), "x.........");
}

static void sometimes_interval_counts_from_the_end_of_the_last_run(void **state)
{
    bool ran = false;
    int runs = 0;
    (void)state;
    cconc_sometimes *sometimes = make(0, 0, CCONC_SECOND);
    assert_int_equal(cconc_clock_virtual(), 0);
    for (int i = 0; i < 9; i++) { /* at 0, 0.4, 0.8, 1.2, ... */
        assert_int_equal(cconc_sometimes_do(sometimes, NULL, count, &runs, &ran), 0);
        assert_int_equal(ran, i % 3 == 0);
        assert_int_equal(cconc_clock_advance(400 * CCONC_MS), 0);
    }
    assert_int_equal(runs, 3);
    assert_int_equal(cconc_clock_real(), 0);
    cconc_sometimes_free(sometimes);
}

struct visit {
    cconc_sometimes *sometimes;
    atomic_int inside;
    atomic_bool let_go;
    atomic_int most;
    bool ends_thread;
};

static void stay(void *arg)
{
    struct visit *visit = arg;
    int now = atomic_fetch_add(&visit->inside, 1) + 1;
    if (now > atomic_load(&visit->most)) {
        atomic_store(&visit->most, now);
    }
    until(atomic_load(&visit->let_go));
    atomic_fetch_sub(&visit->inside, 1);
    if (visit->ends_thread) {
        pthread_exit(NULL);
    }
}

static void visit_thread(void *arg, size_t index)
{
    struct visit *visit = arg;
    (void)index;
    errno = ERRNO_MARK;
    SUPPORT_CHECK(cconc_sometimes_do(visit->sometimes, NULL, stay, visit, NULL) == 0);
    SUPPORT_CHECK(errno == ERRNO_MARK);
}

static void sometimes_functions_follow_each_other_and_callers_can_leave(void **state)
{
    (void)state;
    struct visit visit = {.sometimes = make(0, 1, 0)};
    cconc_ctx *done = make_cancel(NULL);
    cconc_ctx_mem mem;
    bool ran = true;
    struct support_threads *threads = support_threads_start(4, visit_thread, &visit);
    until(atomic_load(&visit.inside) == 1);
    cconc_ctx *soon = cconc_ctx_until(&mem, NULL, cconc_clock_after(CCONC_MS));
    assert_int_equal(cconc_sometimes_do(visit.sometimes, soon, stay, &visit, &ran), ETIMEDOUT);
    cconc_ctx_cancel(done);
    assert_int_equal(cconc_sometimes_do(visit.sometimes, done, stay, &visit, &ran), ECANCELED);
    assert_true(ran); /* untouched */
    atomic_store(&visit.let_go, true);
    assert_int_equal(support_threads_join(threads), 0);
    assert_int_equal(atomic_load(&visit.most), 1);
    cconc_ctx_free(done);
    cconc_sometimes_free(visit.sometimes);
}

static void sometimes_function_that_ends_its_thread_has_run(void **state)
{
    int runs = 0;
    (void)state;
    struct visit visit = {.sometimes = make(1, 0, 0), .let_go = true, .ends_thread = true};
    struct support_threads *threads = support_threads_start(1, visit_thread, &visit);
    (void)support_threads_join(threads);
    assert_int_equal(cconc_sometimes_do(visit.sometimes, NULL, count, &runs, NULL), 0);
    assert_int_equal(runs, 0);
    cconc_sometimes_free(visit.sometimes);
}

static void do_again(void *arg)
{
    int runs = 0;
    SUPPORT_CHECK(cconc_sometimes_do(arg, NULL, count, &runs, NULL) == EDEADLK);
    expect_misuse("sometimes free during a run, with 0 waiters", cconc_sometimes_free(arg));
    SUPPORT_CHECK(runs == 0);
}

static void sometimes_refuses_what_cannot_be(void **state)
{
    const cconc_sometimes_opts negative = {.interval_ns = -1};
    cconc_sometimes *none = NULL;
    (void)state;
    assert_int_equal(cconc_sometimes_new(NULL, NULL), EINVAL);
    assert_int_equal(cconc_sometimes_new(&negative, &none), EINVAL);
    assert_null(none);
    cconc_sometimes *sometimes = make(0, 1, 0);
    assert_int_equal(cconc_sometimes_do(sometimes, NULL, NULL, NULL, NULL), EINVAL);
    assert_int_equal(cconc_sometimes_do(sometimes, NULL, do_again, sometimes, NULL), 0);
    cconc_sometimes_free(sometimes);
    cconc_sometimes_free(NULL);
}

static void make_and_use(void *arg)
{
    cconc_sometimes *sometimes = NULL;
    int runs = 0;
    (void)arg;
    int err = cconc_sometimes_new(NULL, &sometimes);
    SUPPORT_CHECK(err == 0 || err == ENOMEM);
    if (!err) {
        SUPPORT_CHECK(cconc_sometimes_do(sometimes, NULL, count, &runs, NULL) == 0 && runs == 1);
    }
    cconc_sometimes_free(sometimes);
}

static void sometimes_survives_every_failed_allocation(void **state)
{
    (void)state;
    assert_true(support_sweep_alloc(make_and_use, NULL) > 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(sometimes_runs_what_any_filter_lets_through),
        UNIT_TEST(sometimes_interval_counts_from_the_end_of_the_last_run),
        UNIT_TEST(sometimes_functions_follow_each_other_and_callers_can_leave),
        UNIT_TEST(sometimes_function_that_ends_its_thread_has_run),
        UNIT_TEST(sometimes_refuses_what_cannot_be),
        UNIT_TEST(sometimes_survives_every_failed_allocation),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
