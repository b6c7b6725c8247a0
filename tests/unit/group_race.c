/* group_race.c - unit tests of groups: what racing callers and tasks see
 * SPDX-License-Identifier: MIT
 *
 * Risk      An error and a cause that tell of different failures; a task that a wait forgets, or
 *           that runs twice, because its go came when the group was idle; memory that is used after
 *           the last of many waits.
 * Method    Many short rounds; the threads line up, then run freely, and every outcome is checked.
 * Catches   G1 G5 G7, I18; rules group-5 group-8 group-12 group-15.
 */
#include "group_help.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct failers {
    cconc_group *group;
    atomic_int ready;
    int count;
};

struct failer {
    struct failers *all;
    int code;
};

/* Odd ones fail with words, even ones by returning; all at once. */
static int fail_together(cconc_ctx *ctx, void *arg)
{
    struct failer *f = arg;
    (void)ctx;
    atomic_fetch_add(&f->all->ready, 1);
    until(atomic_load(&f->all->ready) == f->all->count);
    return f->code % 2 ? cconc_group_fail(f->all->group, f->code, "words of %d", f->code) : f->code;
}

static void check_words(int code, const char *message)
{
    char expected[64];
    snprintf(expected, sizeof(expected), "words of %d", code);
    assert_string_equal(message, code % 2 ? expected : cconc_strerror(code));
}

static void group_error_and_cause_tell_of_one_failure_when_many_fail_at_once(void **state)
{
    int64_t begin_ns = cconc_clock_now();
    (void)state;
    for (int round = 0; round < MANY(500, 100) && time_is_left(begin_ns); round++) {
        struct failers all = {.group = group_make(0, 0), .count = 4};
        struct failer each[4];
        const char *message = NULL;
        cconc_ctx *ctx = cconc_group_ctx(all.group);
        for (int i = 0; i < 4; i++) {
            each[i] = (struct failer){&all, 5001 + i};
            assert_int_equal(cconc_group_go(all.group, NULL, fail_together, &each[i]), 0);
        }
        until(cconc_ctx_err(ctx) != 0);
        int seen = cconc_ctx_cause(ctx, &message); /* while others still fail */
        assert_in_range(seen, 5001, 5004);
        check_words(seen, message);
        assert_int_equal(cconc_group_wait(all.group, NULL, &message), seen);
        check_words(seen, message);
        assert_int_equal(cconc_ctx_cause(ctx, &message), seen);
        check_words(seen, message);
        cconc_group_free(all.group);
    }
}

struct outsiders {
    cconc_group *group;
    atomic_int ready;
    atomic_int ran;
};

static void go_from_outside(void *arg, size_t index)
{
    struct outsiders *o = arg;
    (void)index;
    atomic_fetch_add(&o->ready, 1);
    until(atomic_load(&o->ready) == 3);
    SUPPORT_CHECK(cconc_group_go(o->group, NULL, count_run, &o->ran) == 0);
}

static void group_go_from_outside_that_races_wait_falls_on_either_side(void **state)
{
    int64_t begin_ns = cconc_clock_now();
    (void)state;
    for (int round = 0; round < MANY(500, 100) && time_is_left(begin_ns); round++) {
        struct outsiders o = {.group = group_make(CCONC_GROUP_KEEP_GOING, 1)};
        struct support_threads *threads = support_threads_start(2, go_from_outside, &o);
        until(atomic_load(&o.ready) == 2);
        atomic_fetch_add(&o.ready, 1);
        assert_int_equal(cconc_group_wait(o.group, NULL, NULL), 0);
        assert_in_range(atomic_load(&o.ran), 0, 2);
        support_threads_join(threads);
        assert_int_equal(cconc_group_wait(o.group, NULL, NULL), 0);
        assert_int_equal(atomic_load(&o.ran), 2);
        cconc_group_free(o.group);
    }
}

struct last_wait {
    cconc_group *group;
    atomic_int left;
};

static void wait_or_stop_and_free_if_last(void *arg, size_t index)
{
    struct last_wait *w = arg;
    int err =
        index == 0 ? cconc_group_stop(w->group, NULL) : cconc_group_wait(w->group, NULL, NULL);
    SUPPORT_CHECK(err == 0);
    if (atomic_fetch_sub(&w->left, 1) == 1) {
        cconc_group_free(w->group);
    }
}

static void group_can_be_freed_with_the_last_of_many_waits_and_stops(void **state)
{
    int64_t begin_ns = cconc_clock_now();
    (void)state;
    for (int round = 0; round < MANY(500, 100) && time_is_left(begin_ns); round++) {
        struct last_wait w = {.group = group_make(0, 0), .left = 3};
        cconc_ctx *ctx = cconc_ctx_ref(cconc_group_ctx(w.group));
        for (int i = 0; i < 2; i++) {
            assert_int_equal(cconc_group_go(w.group, NULL, until_done, NULL), 0);
        }
        support_threads_join(support_threads_start(3, wait_or_stop_and_free_if_last, &w));
        assert_int_equal(cconc_ctx_err(ctx), ECANCELED); /* handles of the context stay valid */
        cconc_ctx_free(ctx);
    }
}

static int fail_and_end(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)cconc_group_fail(arg, 7, "before the end");
    pthread_exit(NULL);
}

/* What it said counts; that its thread has ended is no other failure. */
static void group_task_that_fails_and_ends_its_thread_has_failed_once(void **state)
{
    cconc_pool_opts pool_opts = {.workers = 1};
    cconc_pool *pools[2] = {NULL};
    (void)state;
    assert_int_equal(cconc_pool_new(NULL, &pool_opts, &pools[1]), 0);
    for (size_t i = 0; i < 2; i++) {
        cconc_group_opts opts = {.collect_max = 4, .pool = pools[i]};
        cconc_group *group = NULL;
        const char *message = NULL;
        assert_int_equal(cconc_group_new(NULL, &opts, &group), 0);
        assert_int_equal(cconc_group_go(group, NULL, fail_and_end, group), 0);
        assert_int_equal(cconc_group_wait(group, NULL, &message), 7);
        assert_string_equal(message, "before the end");
        assert_int_equal(cconc_group_errors(group, NULL, 0, NULL), 1);
        cconc_group_free(group);
    }
    cconc_pool_free(pools[1]);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(group_error_and_cause_tell_of_one_failure_when_many_fail_at_once),
        UNIT_TEST(group_go_from_outside_that_races_wait_falls_on_either_side),
        UNIT_TEST(group_can_be_freed_with_the_last_of_many_waits_and_stops),
        UNIT_TEST(group_task_that_fails_and_ends_its_thread_has_failed_once),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
