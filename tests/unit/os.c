/* os.c - unit tests of the last words of a process
 * SPDX-License-Identifier: MIT
 *
 * Risk      Last words that get lost in a buffer or change errno; a process that lives on.
 * Method    Processes of their own, whose standard error is read and whose end is looked at.
 * Catches   I19; invariant I1 of plat/os.c.
 */
#include "unit.h"

#include "plat/os.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define ERRNO_MARK 7777

static int child_complains(void)
{
    errno = ERRNO_MARK;
    cconc__os_complain("one %s line\n");
    cconc__os_complain("");
    SUPPORT_CHECK(errno == ERRNO_MARK);
    _exit(0); /* without what stdio holds back */
}

static int child_has_no_stderr(void)
{
    (void)close(STDERR_FILENO);
    errno = ERRNO_MARK;
    cconc__os_complain("nobody reads this\n");
    return errno == ERRNO_MARK ? 0 : 1;
}

static int child_aborts(void)
{
    cconc__os_abort();
}

static void os_complaint_goes_to_standard_error_as_it_is(void **state)
{
    char text[100];
    (void)state;
    assert_int_equal(support_run_child("complains", text, sizeof(text)), 0);
    assert_string_equal(text, "one %s line\n");
}

static void os_complaint_that_cannot_be_written_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(support_run_child("has_no_stderr", NULL, 0), 0);
}

static void os_abort_ends_the_process_by_sigabrt(void **state)
{
    char text[100];
    int status = support_run_child("aborts", text, sizeof(text));
    (void)state;
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(os_complaint_goes_to_standard_error_as_it_is),
        UNIT_TEST(os_complaint_that_cannot_be_written_changes_nothing),
        UNIT_TEST(os_abort_ends_the_process_by_sigabrt),
    };
    static const struct support_child children[] = {
        {"complains", child_complains},
        {"has_no_stderr", child_has_no_stderr},
        {"aborts", child_aborts},
        {NULL, NULL},
    };
    support_start(argc, argv, children);
    return UNIT_RUN(tests);
}
