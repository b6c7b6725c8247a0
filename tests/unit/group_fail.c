/* group_fail.c - a failure that a task tells with words before it returns
 * SPDX-License-Identifier: MIT
 *
 * Risk      A failure recorded twice, or not; words lost, or cut where nobody looks.
 * Method    Tasks call fail, by themselves and through what they call; counts and texts tell.
 * Catches   rules group-6, all-2.
 */
#include "pool_help.h"

static void group_fail_gives_the_failure_its_words(void **state)
{
    (void)state;
    for (int starve = 0; starve < 2; starve++) {
        cconc_group *group = group_make(0, 0);
        struct failing_task f = {
            .group = group, .text = "index.html", .code = 404, .starve = starve};
        cconc_group_counts counts;
        const char *message = NULL;
        assert_int_equal(cconc_group_go(group, NULL, fail_with_text, &f), 0);
        assert_int_equal(cconc_group_wait(group, NULL, &message), 404);
        (void)support_fail_end();
        assert_string_equal(message, "fetching index.html: 404");
        assert_int_equal(f.err_inside, ECANCELED);
        assert_int_equal(cconc_ctx_cause(cconc_group_ctx(group), &message), 404);
        assert_string_equal(message, "fetching index.html: 404");
        cconc_group_read(group, &counts);
        assert_int_equal(counts.failed, 1);
        cconc_group_free(group);
    }
}

static void group_records_a_task_that_failed_only_once(void **state)
{
    cconc_group *group = group_make(CCONC_GROUP_KEEP_GOING, 0);
    struct failing_task f = {.group = group, .text = "a", .code = 11, .later = 12};
    cconc_group_counts counts;
    size_t count = 9;
    (void)state;
    assert_int_equal(cconc_group_go(group, NULL, fail_with_text, &f), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 11);
    cconc_group_read(group, &counts);
    assert_int_equal(counts.failed, 1);
    assert_int_equal(cconc_group_errors(group, NULL, 0, &count), 1);
    assert_int_equal(count, 0);
    cconc_group_free(group);
}

struct failing_once {
    struct failing_task failing;
    cconc_once once;
};

static int fail_in_a_once(cconc_ctx *ctx, void *arg)
{
    struct failing_once *f = arg;
    return cconc_once_run(&f->once, ctx, fail_with_text, &f->failing);
}

/* The code that a function of the task's has told is passed on, through a once or a sometimes. */
static void group_records_a_failure_that_a_once_of_the_task_told_only_once(void **state)
{
    cconc_group *group = group_make(CCONC_GROUP_KEEP_GOING, 0);
    struct failing_once f = {.failing = {.group = group, .text = "a", .code = 11},
                             .once = CCONC_ONCE_INIT};
    cconc_group_counts counts;
    (void)state;
    assert_int_equal(cconc_group_go(group, NULL, fail_in_a_once, &f), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 11);
    cconc_group_read(group, &counts);
    assert_int_equal(counts.failed, 1);
    cconc_group_free(group);
}

/* What a worker runs while a task of the group waits is no part of that task. */
struct helped {
    cconc_group *group;
    cconc_pool *pool;
};

static int fail_for_the_group(cconc_ctx *ctx, void *arg)
{
    const struct helped *helped = arg;
    (void)ctx;
    (void)cconc_group_fail(helped->group, 12, NULL);
    return 0;
}

static int help_and_fail(cconc_ctx *ctx, void *arg)
{
    struct helped *helped = arg;
    cconc_pool_task task = {.fn = fail_for_the_group, .arg = helped};
    SUPPORT_CHECK(cconc_pool_submit_task(helped->pool, NULL, &task) == 0);
    SUPPORT_CHECK(cconc_pool_join(helped->pool, ctx, &task) == 0);
    return 13;
}

static void group_task_that_helped_a_task_which_failed_the_group_fails_for_itself(void **state)
{
    cconc_pool *pool = NULL;
    cconc_group *group = NULL;
    cconc_group_counts counts;
    (void)state;
    assert_int_equal(cconc_pool_new(NULL, &(cconc_pool_opts){.workers = 1, .queue_len = 4}, &pool),
                     0);
    assert_int_equal(cconc_group_new(NULL, &(cconc_group_opts){.flags = CCONC_GROUP_KEEP_GOING,
                                                               .pool = pool}, &group), 0);
    struct helped helped = {group, pool};
    assert_int_equal(cconc_group_go(group, NULL, help_and_fail, &helped), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 12);
    cconc_group_read(group, &counts);
    assert_int_equal(counts.failed, 2);
    cconc_group_free(group);
    cconc_pool_free(pool);
}

static void group_cuts_a_message_at_255_bytes(void **state)
{
    char text[400];
    cconc_group *group = group_make(0, 0);
    struct failing_task f = {.group = group, .text = text, .code = 5};
    const char *message = NULL;
    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(cconc_group_go(group, NULL, fail_with_text, &f), 0);
    assert_int_equal(cconc_group_wait(group, NULL, &message), 5);
    assert_int_equal(strlen(message), CCONC_CTX_MAX_MESSAGE);
    assert_memory_equal(message, "fetching xxx", 12);
    cconc_group_free(group);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(group_fail_gives_the_failure_its_words),
        UNIT_TEST(group_records_a_task_that_failed_only_once),
        UNIT_TEST(group_records_a_failure_that_a_once_of_the_task_told_only_once),
        UNIT_TEST(group_task_that_helped_a_task_which_failed_the_group_fails_for_itself),
        UNIT_TEST(group_cuts_a_message_at_255_bytes),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
