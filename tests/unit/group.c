/* group.c - unit tests of groups: arguments, starting tasks, failures and their messages
 * SPDX-License-Identifier: MIT
 *
 * Risk      A task that runs after its go failed, or not at all; a first failure whose code,
 *           message and cause tell of different tasks; a message lost where memory is short.
 * Method    Tasks that wait at a gate, so that the test decides who ends first; memory taken away
 *           in the middle of a task.
 * Catches   G5 G8, I4; rules group-1 group-2 group-5 group-6 group-7 group-14, all-2
 *           all-3.
 */
#include "group_help.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* ---- smoke ---------------------------------------------------------------------------------- */

struct note {
    cconc_group *group;
    cconc_ctx   *seen;
    int          runs;
};

static int take_note(cconc_ctx *ctx, void *arg)
{
    struct note *note = arg;
    note->seen = ctx;
    note->runs++;
    return 0;
}

static void group_runs_a_task_once_with_the_groups_context(void **state)
{
    cconc_group *group = group_make(0, 0);
    struct note note = {group, NULL, 0};
    (void)state;
    assert_int_equal(cconc_group_go(group, NULL, take_note, &note), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(note.runs, 1); /* plain: the end of a task is before wait returns */
    assert_ptr_equal(note.seen, cconc_group_ctx(group));
    assert_int_equal(cconc_group_try_go(group, take_note, &note), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(note.runs, 2);
    cconc_group_free(group);
}

static void group_counts_tasks_that_ran_and_failed(void **state)
{
    static int codes[] = {0, EIO, 0, EACCES};
    cconc_group *group = group_make(CCONC_GROUP_KEEP_GOING, 0);
    cconc_group_counts counts;
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(cconc_group_go(group, NULL, return_code, &codes[i]), 0);
    }
    assert_true(cconc_group_wait(group, NULL, NULL) != 0);
    cconc_group_read(group, &counts);
    assert_int_equal(counts.running, 0);
    assert_int_equal(counts.blocked, 0);
    assert_int_equal(counts.started, 4);
    assert_int_equal(counts.failed, 2);
    cconc_group_free(group);
}

static void group_context_is_a_child_of_the_parent(void **state)
{
    static const int key;
    static int bound;
    cconc_ctx *cancellable = ctx_make();
    cconc_ctx *parent;
    cconc_group *group;
    (void)state;
    assert_int_equal(cconc_ctx_with_value(cancellable, &key, &bound, NULL, &parent), 0);
    assert_int_equal(cconc_group_new(parent, NULL, &group), 0);
    cconc_ctx *ctx = cconc_group_ctx(group);
    assert_ptr_equal(cconc_ctx_value(ctx, &key), &bound);
    assert_int_equal(cconc_group_go(group, NULL, until_done, NULL), 0);
    cconc_ctx_cancel(cancellable);
    assert_int_equal(cconc_ctx_err(ctx), ECANCELED);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), ECANCELED);
    cconc_group_free(group);
    cconc_ctx_free(parent);
    cconc_ctx_free(cancellable);
}

/* ---- limits --------------------------------------------------------------------------------- */

static void group_new_refuses_what_cannot_be_right(void **state)
{
    static const cconc_group_opts bad[] = {
        {.flags = 4},           {.flags = 1u << 31}, {.flags = UINT32_MAX},
        {.limit = -1},          {.limit = INT32_MIN},
        {.flags = CCONC_GROUP_SKIP, .limit = -5},
    };
    cconc_group *group = (cconc_group *)&group;
    size_t blocks = support_live_blocks();
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(cconc_group_new(NULL, &bad[i], &group), EINVAL);
    }
    assert_int_equal(cconc_group_new(NULL, NULL, NULL), EINVAL);
    assert_ptr_equal(group, &group);
    assert_int_equal(support_live_blocks(), blocks);
}

static void group_go_of_NULL_is_invalid_before_anything_else(void **state)
{
    cconc_group *group = group_make(0, 0);
    cconc_ctx *cancelled = ctx_make_cancelled();
    cconc_group_counts counts;
    (void)state;
    assert_int_equal(cconc_group_go(group, NULL, NULL, NULL), EINVAL);
    assert_int_equal(cconc_group_go(group, cancelled, NULL, NULL), EINVAL);
    assert_int_equal(cconc_group_try_go(group, NULL, NULL), EINVAL);
    cconc_group_set_limit(group, 0);
    assert_int_equal(cconc_group_go(group, NULL, NULL, NULL), EINVAL);
    assert_int_equal(cconc_group_try_go(group, NULL, NULL), EINVAL);
    cconc_group_read(group, &counts);
    assert_int_equal(counts.started, 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    cconc_ctx_free(cancelled);
    cconc_group_free(group);
}

static void group_go_with_a_done_context_starts_nothing_though_there_is_room(void **state)
{
    cconc_group *group = group_make(0, 0);
    cconc_ctx *cancelled = ctx_make_cancelled();
    cconc_ctx_mem mem;
    atomic_int ran = 0;
    (void)state;
    assert_int_equal(cconc_group_go(group, cancelled, count_run, &ran), ECANCELED);
    assert_int_equal(cconc_group_go(group, cconc_ctx_until(&mem, NULL, 0), count_run, &ran),
                     ETIMEDOUT);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&ran), 0);
    cconc_ctx_free(cancelled);
    cconc_group_free(group);
}

static void group_of_a_done_parent_is_born_done_and_still_runs_tasks(void **state)
{
    cconc_ctx *parent = ctx_make();
    cconc_group *group;
    atomic_int ran = 0;
    const char *message = NULL;
    (void)state;
    cconc_ctx_cancel_cause(parent, 77, "%s", "parent first");
    assert_int_equal(cconc_group_new(parent, NULL, &group), 0);
    assert_int_equal(cconc_ctx_err(cconc_group_ctx(group)), ECANCELED);
    assert_int_equal(cconc_ctx_cause(cconc_group_ctx(group), &message), 77);
    assert_string_equal(message, "parent first");
    assert_int_equal(cconc_group_go(group, NULL, count_run, &ran), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&ran), 1);
    cconc_group_free(group);
    cconc_ctx_free(parent);
}

static void group_never_used_can_be_freed(void **state)
{
    (void)state;
    cconc_group_free(group_make(0, 0));
    cconc_group_free(group_make(CCONC_GROUP_KEEP_GOING | CCONC_GROUP_SKIP, INT32_MAX));
    cconc_group_free(NULL);
}

/* ---- failures ------------------------------------------------------------------------------- */

static void group_returns_the_first_failure_and_makes_it_the_cause(void **state)
{
    cconc_group *group = group_make(0, 0);
    struct gate first;
    struct gate second;
    const char *message = NULL;
    (void)state;
    gate_init(&first, 4001);
    gate_init(&second, 4002);
    assert_int_equal(cconc_group_go(group, NULL, gate_task, &second), 0);
    assert_int_equal(cconc_group_go(group, NULL, gate_task, &first), 0);
    gate_open(&first);
    until(cconc_ctx_err(cconc_group_ctx(group)) == ECANCELED);
    assert_int_equal(cconc_ctx_cause(cconc_group_ctx(group), NULL), 4001);
    gate_open(&second);
    assert_int_equal(cconc_group_wait(group, NULL, &message), 4001);
    assert_string_equal(message, cconc_strerror(4001));
    assert_int_equal(cconc_ctx_cause(cconc_group_ctx(group), &message), 4001);
    assert_string_equal(message, cconc_strerror(4001));
    cconc_group_free(group);
    gate_free(&first);
    gate_free(&second);
}

static void group_passes_any_nonzero_code_unchanged(void **state)
{
    static int codes[] = {1, -1, INT_MAX, INT_MIN, EINPROGRESS, EDEADLK, ECANCELED};
    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        cconc_group *group = group_make(0, 0);
        assert_int_equal(cconc_group_go(group, NULL, return_code, &codes[i]), 0);
        assert_int_equal(cconc_group_wait(group, NULL, NULL), codes[i]);
        assert_int_equal(cconc_ctx_cause(cconc_group_ctx(group), NULL), codes[i]);
        cconc_group_free(group);
    }
}

static void group_keeps_the_parents_cause_if_the_parent_ended_before(void **state)
{
    static int code = 55;
    cconc_ctx *parent = ctx_make();
    cconc_group *group;
    (void)state;
    assert_int_equal(cconc_group_new(parent, NULL, &group), 0);
    cconc_ctx_cancel_cause(parent, 66, "%s", "above");
    assert_int_equal(cconc_group_go(group, NULL, return_code, &code), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 55);
    assert_int_equal(cconc_ctx_cause(cconc_group_ctx(group), NULL), 66);
    cconc_group_free(group);
    cconc_ctx_free(parent);
}

static void group_keep_going_cancels_nobody(void **state)
{
    static int code = 9;
    cconc_group *group = group_make(CCONC_GROUP_KEEP_GOING, 0);
    (void)state;
    assert_int_equal(cconc_group_go(group, NULL, return_code, &code), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 9);
    assert_int_equal(cconc_ctx_err(cconc_group_ctx(group)), 0);
    cconc_group_free(group);
}

static void group_that_succeeded_writes_no_message(void **state)
{
    cconc_group *group = group_make(0, 0);
    const char *message = "mine";
    (void)state;
    assert_int_equal(cconc_group_wait(group, NULL, &message), 0);
    assert_string_equal(message, "mine");
    cconc_group_free(group);
}

static void group_collects_the_first_failures_in_order_of_completion(void **state)
{
    static int codes[] = {31, 0, 32, 33, 0, 34, 35};
    cconc_group_opts opts = {.flags = CCONC_GROUP_KEEP_GOING, .limit = 1, .collect_max = 3};
    cconc_group_error errors[8];
    cconc_group *group;
    size_t count = 99;
    (void)state;
    assert_int_equal(cconc_group_new(NULL, &opts, &group), 0);
    assert_int_equal(cconc_group_errors(group, errors, 8, &count), 0);
    assert_int_equal(count, 0);
    struct failing_task worded = {.group = group, .text = "b", .code = 30};
    assert_int_equal(cconc_group_go(group, NULL, fail_with_text, &worded), 0);
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        assert_int_equal(cconc_group_go(group, NULL, return_code, &codes[i]), 0);
    }
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 30);
    assert_int_equal(cconc_group_errors(group, errors, 8, &count), 6);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(errors[i].code, 30 + (int)i);
    }
    assert_string_equal(errors[0].message, "fetching b: 30");
    assert_string_equal(errors[1].message, cconc_strerror(31));
    errors[1].code = -1;
    assert_int_equal(cconc_group_errors(group, errors, 1, &count), 6);
    assert_int_equal(count, 1);
    assert_int_equal(errors[1].code, -1);
    cconc_group_free(group);
}

/* ---- skip ----------------------------------------------------------------------------------- */

static void group_starts_tasks_after_a_failure_unless_told_to_skip(void **state)
{
    static int code = 3;
    (void)state;
    for (int skip = 0; skip < 2; skip++) {
        cconc_group *group = group_make(skip ? CCONC_GROUP_SKIP : 0, 0);
        atomic_int ran = 0;
        assert_int_equal(cconc_group_go(group, NULL, return_code, &code), 0);
        until(cconc_ctx_err(cconc_group_ctx(group)) != 0);
        assert_int_equal(cconc_group_go(group, NULL, count_run, &ran), skip ? ECANCELED : 0);
        assert_int_equal(cconc_group_try_go(group, count_run, &ran), skip ? ECANCELED : 0);
        assert_int_equal(cconc_group_wait(group, NULL, NULL), 3);
        assert_int_equal(atomic_load(&ran), skip ? 0 : 2);
        cconc_group_free(group);
    }
}

static void group_skip_ends_a_go_that_already_waits(void **state)
{
    cconc_ctx *parent = ctx_make();
    cconc_group_opts opts = {.flags = CCONC_GROUP_SKIP, .limit = 1};
    cconc_group *group;
    struct gate gate;
    struct goer goer;
    atomic_int ran = 0;
    (void)state;
    gate_init(&gate, 0);
    assert_int_equal(cconc_group_new(parent, &opts, &group), 0);
    assert_int_equal(cconc_group_go(group, NULL, gate_task, &gate), 0);
    goer_start_blocked(&goer, group, NULL, count_run, &ran, 1);
    cconc_ctx_cancel(parent);
    assert_int_equal(goer_end(&goer), ECANCELED);
    assert_int_equal(group_blocked(group), 0);
    gate_open(&gate);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&ran), 0);
    cconc_group_free(group);
    cconc_ctx_free(parent);
    gate_free(&gate);
}

static void goer_crowd(void *arg, size_t index)
{
    struct goer *goer = arg;
    (void)index;
    int err = cconc_group_go(goer->group, NULL, goer->fn, goer->arg);
    SUPPORT_CHECK(err == ECANCELED);
}

/* The failing task has the only slot, and gives it back after its failure has ended the context:
 * whenever the others come, they find one or the other. */
static void group_skip_gives_no_slot_of_a_failed_task_away(void **state)
{
    int rounds = support_is_sanitized() ? 100 : 500;
    (void)state;
    for (int round = 0; round < rounds; round++) {
        cconc_group *group = group_make(CCONC_GROUP_SKIP, 1);
        struct gate gate;
        struct support_threads *threads;
        atomic_int ran = 0;
        struct goer goer = {.group = group, .fn = count_run, .arg = &ran};
        gate_init(&gate, 5);
        assert_int_equal(cconc_group_go(group, NULL, gate_task, &gate), 0);
        threads = support_threads_start(3, goer_crowd, &goer);
        until(round % 2 == 0 || group_blocked(group) > 0);
        gate_open(&gate);
        support_threads_join(threads);
        assert_int_equal(cconc_group_wait(group, NULL, NULL), 5);
        assert_int_equal(atomic_load(&ran), 0);
        cconc_group_free(group);
        gate_free(&gate);
    }
}

static int fail_with_nothing(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    SUPPORT_CHECK(cconc_group_fail(arg, 0, "no failure") == 0);
    return 6;
}

static void group_fail_with_0_hides_no_later_failure(void **state)
{
    cconc_group *group = group_make(0, 0);
    (void)state;
    assert_int_equal(cconc_group_go(group, NULL, fail_with_nothing, group), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 6);
    cconc_group_free(group);
}

static void group_without_skip_keeps_a_waiting_go_through_a_failure(void **state)
{
    cconc_group *group = group_make(0, 1);
    struct gate gate;
    struct goer goer;
    atomic_int ran = 0;
    (void)state;
    gate_init(&gate, 71);
    assert_int_equal(cconc_group_go(group, NULL, gate_task, &gate), 0);
    goer_start_blocked(&goer, group, NULL, count_run, &ran, 1);
    gate_open(&gate);
    assert_int_equal(goer_end(&goer), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 71);
    assert_int_equal(atomic_load(&ran), 1);
    cconc_group_free(group);
    gate_free(&gate);
}

/* ---- faults --------------------------------------------------------------------------------- */

static int derive_and_fail(cconc_ctx *ctx, void *arg)
{
    struct note *note = arg;
    cconc_ctx *child;
    int err = cconc_ctx_with_cancel(ctx, &child);
    if (err == 0) {
        cconc_ctx_free(child);
    }
    return cconc_group_fail(note->group, 21, "child: %s", cconc_strerror(err));
}

static void start_some_and_wait(void *arg)
{
    cconc_group_opts opts = {.flags = CCONC_GROUP_KEEP_GOING, .limit = 2, .collect_max = 2};
    cconc_group *group = NULL;
    atomic_int ran = 0;
    int started = 0;
    int failures = 0;
    size_t count;
    (void)arg;
    int err = cconc_group_new(NULL, &opts, &group);
    SUPPORT_CHECK(err == 0 || (err == ENOMEM && !group));
    if (err) {
        return;
    }
    struct note note = {group, NULL, 0};
    for (int i = 0; i < 4; i++) {
        err = cconc_group_go(group, NULL, count_run, &ran);
        SUPPORT_CHECK(err == 0 || err == ENOMEM);
        started += err == 0;
        err = cconc_group_go(group, NULL, derive_and_fail, &note);
        SUPPORT_CHECK(err == 0 || err == ENOMEM);
        failures += err == 0;
    }
    err = cconc_group_wait(group, NULL, NULL);
    SUPPORT_CHECK(err == (failures > 0 ? 21 : 0));
    SUPPORT_CHECK(atomic_load(&ran) == started);
    SUPPORT_CHECK(cconc_group_errors(group, NULL, 0, &count) == (uint64_t)failures);
    cconc_group_free(group);
}

static void group_survives_every_failing_allocation(void **state)
{
    (void)state;
    assert_true(support_sweep_alloc(start_some_and_wait, NULL) > 0);
}

static void group_survives_every_thread_that_cannot_be_made(void **state)
{
    (void)state;
    assert_true(support_sweep_thread(start_some_and_wait, NULL) > 0);
}

static void fail_from_outside(void *arg, size_t index)
{
    (void)index;
    SUPPORT_CHECK(cconc_group_fail(arg, 8, "from outside") == 8);
}

/* The thread runs no task, and has never blocked in the library. */
static void group_fail_of_any_thread_is_recorded(void **state)
{
    cconc_group *group = group_make(0, 0);
    const char *message = NULL;
    cconc_group_counts counts;
    (void)state;
    support_threads_join(support_threads_start(1, fail_from_outside, group));
    assert_int_equal(cconc_ctx_err(cconc_group_ctx(group)), ECANCELED);
    assert_int_equal(cconc_group_wait(group, NULL, &message), 8);
    assert_string_equal(message, "from outside");
    cconc_group_read(group, &counts);
    assert_int_equal(counts.failed, 1);
    cconc_group_free(group);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(group_runs_a_task_once_with_the_groups_context),
        UNIT_TEST(group_counts_tasks_that_ran_and_failed),
        UNIT_TEST(group_context_is_a_child_of_the_parent),
        UNIT_TEST(group_new_refuses_what_cannot_be_right),
        UNIT_TEST(group_go_of_NULL_is_invalid_before_anything_else),
        UNIT_TEST(group_go_with_a_done_context_starts_nothing_though_there_is_room),
        UNIT_TEST(group_of_a_done_parent_is_born_done_and_still_runs_tasks),
        UNIT_TEST(group_never_used_can_be_freed),
        UNIT_TEST(group_returns_the_first_failure_and_makes_it_the_cause),
        UNIT_TEST(group_passes_any_nonzero_code_unchanged),
        UNIT_TEST(group_keeps_the_parents_cause_if_the_parent_ended_before),
        UNIT_TEST(group_keep_going_cancels_nobody),
        UNIT_TEST(group_that_succeeded_writes_no_message),
        UNIT_TEST(group_collects_the_first_failures_in_order_of_completion),
        UNIT_TEST(group_starts_tasks_after_a_failure_unless_told_to_skip),
        UNIT_TEST(group_skip_ends_a_go_that_already_waits),
        UNIT_TEST(group_skip_gives_no_slot_of_a_failed_task_away),
        UNIT_TEST(group_fail_with_0_hides_no_later_failure),
        UNIT_TEST(group_fail_of_any_thread_is_recorded),
        UNIT_TEST(group_without_skip_keeps_a_waiting_go_through_a_failure),
        UNIT_TEST(group_survives_every_failing_allocation),
        UNIT_TEST(group_survives_every_thread_that_cannot_be_made),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
