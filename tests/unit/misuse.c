/* misuse.c - unit tests of how misuse is told, and of errors in words
 * SPDX-License-Identifier: MIT
 *
 * Risk      Misuse that goes on, that is told to nobody, or told under a lock that the hook needs.
 * Method    Processes of their own, whose standard error is read and whose end is looked at.
 * Catches   I19; invariant I1 of core/misuse.c.
 */
#include "unit.h"

#include "core/must.h"

#include <cconc/cconc.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int user_mark;

/* ---- smoke ---------------------------------------------------------------------------------- */

static void misuse_tells_the_hook_object_fact_and_number(void **state)
{
    int held = 3;
    (void)state;
    MUST(held == 3, "never told");
    expect_misuse("object with 3 of something",
                  MUST(held == 4, "object with %d of %s", held, "something"));
    expect_misuse("chan close of NULL", cconc_chan_close(NULL));
}

/* The rule of base.h, for objects, outputs and contexts; tests/grid goes through all functions. */
static void misuse_tells_the_call_of_a_pointer_that_cannot_be_right(void **state)
{
    cconc_sem *sem = NULL;
    cconc_once once = CCONC_ONCE_INIT;
    int64_t due_ns[2];
    cconc_ctx *astray = (cconc_ctx *)((uintptr_t)cconc_ctx_background() + 1);
    (void)state;
    assert_int_equal(cconc_sem_new(1, &sem), 0);
    expect_misuse("sem try_acquire of NULL",
                  assert_int_equal(cconc_sem_try_acquire(NULL, 1), EINVAL));
    expect_misuse("sem acquire of a misaligned pointer",
                  assert_int_equal(cconc_sem_acquire(sem, astray, 1), EINVAL));
    expect_misuse("once run of NULL",
                  assert_int_equal(cconc_once_run(NULL, NULL, NULL, NULL), EINVAL));
    expect_misuse(
        "once run of a misaligned pointer",
        assert_int_equal(cconc_once_run((cconc_once *)((uintptr_t)&once + 2), NULL, NULL, NULL),
                         EINVAL));
    expect_misuse("ctx err of a misaligned pointer", assert_int_equal(cconc_ctx_err(astray), 0));
    expect_misuse("select timer of a misaligned pointer",
                  (void)cconc_select_timer(NULL, (int64_t *)((uintptr_t)due_ns + 1)));
    expect_misuse("executor read of NULL", cconc_executor_read(NULL));
    expect_misuse("sem acquire of NULL", cconc__misuse_pointer("my_cconc_sem_acquire", NULL));
    cconc_sem_free(sem);
}

/* ---- the end of the process ----------------------------------------------------------------- */

static void hook_that_returns(const char *message, void *user)
{
    fprintf(stderr, "%s heard %s\n", user == &user_mark ? "user" : "nobody", message);
}

static int child_hook_returns(void)
{
    cconc_set_misuse_hook(hook_that_returns, &user_mark);
    cconc__misuse_report("fact %d", 5);
}

/* No lock is held: the hook may use the library. */
static void hook_that_calls(const char *message, void *user)
{
    cconc_chan *ch = NULL;
    (void)user;
    cconc_set_misuse_hook(NULL, NULL);
    SUPPORT_CHECK(cconc_chan_new(1, 1, &ch) == 0);
    cconc_chan_free(ch);
    fprintf(stderr, "called after %s\n", message);
}

static int child_hook_calls(void)
{
    (void)alarm(20); /* ends the process if the hook hangs */
    cconc_set_misuse_hook(hook_that_calls, NULL);
    cconc__misuse_report("fact %d", 6);
}

static int child_default(void)
{
    cconc_set_misuse_hook(NULL, &user_mark);
    cconc__misuse_report("object with %d of something", 7);
}

static int child_long(void)
{
    char fact[1000];
    memset(fact, 'x', sizeof(fact));
    fact[sizeof(fact) - 1] = '\0';
    cconc_set_misuse_hook(NULL, NULL);
    cconc__misuse_report("%s", fact);
}

static int child_broken(void)
{
    cconc__misuse_broken("one is two", "file.c", 12); /* told to the hook of nobody */
}

static void assert_aborts(const char *name, char *out_told, size_t size)
{
    int status = support_run_child(name, out_told, size);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void misuse_aborts_if_the_hook_returns(void **state)
{
    char told[400];
    (void)state;
    assert_aborts("hook_returns", told, sizeof(told));
    assert_string_equal(told, "user heard fact 5\n");
    assert_aborts("hook_calls", told, sizeof(told));
    assert_string_equal(told, "called after fact 6\n");
}

static void misuse_without_a_hook_goes_to_standard_error(void **state)
{
    char told[400];
    (void)state;
    assert_aborts("default", told, sizeof(told));
    assert_string_equal(told, "cconc: object with 7 of something\n");
    assert_aborts("broken", told, sizeof(told));
    assert_string_equal(told, "cconc: broken invariant: one is two (file.c:12)\n");
}

static void misuse_message_is_cut_and_keeps_its_line_end(void **state)
{
    char told[1200];
    (void)state;
    assert_aborts("long", told, sizeof(told));
    size_t length = strlen(told);
    assert_true(length > 150 && length < 300);
    assert_memory_equal(told, "cconc: xxx", 10);
    assert_string_equal(told + length - 2, "x\n");
}

/* ---- errors in words ------------------------------------------------------------------------ */

static void misuse_words_differ_for_every_code(void **state)
{
    static const int codes[] = {0,         ECANCELED, ETIMEDOUT, EPIPE, EAGAIN,
                                ENOMEM,    EINVAL,    EOVERFLOW, EBUSY, EDEADLK,
                                EINPROGRESS, ENOTRECOVERABLE, EMFILE};
    size_t count = sizeof(codes) / sizeof(codes[0]);
    (void)state;
    for (size_t i = 0; i < count; i++) {
        const char *words = cconc_strerror(codes[i]);
        assert_true(strlen(words) > 3);
        assert_string_not_equal(words, "error");
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(words, cconc_strerror(codes[j]));
        }
    }
    assert_string_equal(cconc_strerror(0), "done");
    assert_string_equal(cconc_strerror(EPIPE), "closed");
    assert_string_equal(cconc_strerror(ECANCELED), "the context was cancelled");
    assert_string_equal(cconc_strerror(ETIMEDOUT), "the deadline passed");
    assert_string_equal(cconc_strerror(ENFILE), cconc_strerror(EMFILE));
    assert_string_equal(cconc_strerror(-1), "error");
    assert_string_equal(cconc_strerror(ENOENT), "error");
    assert_string_equal(cconc_strerror(INT32_MAX), "error");
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(misuse_tells_the_hook_object_fact_and_number),
        UNIT_TEST(misuse_tells_the_call_of_a_pointer_that_cannot_be_right),
        UNIT_TEST(misuse_aborts_if_the_hook_returns),
        UNIT_TEST(misuse_without_a_hook_goes_to_standard_error),
        UNIT_TEST(misuse_message_is_cut_and_keeps_its_line_end),
        UNIT_TEST(misuse_words_differ_for_every_code),
    };
    static const struct support_child children[] = {
        {"hook_returns", child_hook_returns},
        {"hook_calls", child_hook_calls},
        {"default", child_default},
        {"long", child_long},
        {"broken", child_broken},
        {NULL, NULL},
    };
    support_start(argc, argv, children);
    return UNIT_RUN(tests);
}
