/* fork.c - unit tests of how a forked child is told from the process that it came from
 * SPDX-License-Identifier: MIT
 *
 * Risk      A child that takes itself for its parent and waits for threads that it does not have; a
 *           parent that takes itself for a child.
 * Method    Children ask, with the page that the kernel clears and without it, before and after
 *           they have said that they go on.
 * Catches   proc-1; invariants I1 and I2 of plat/fork.c.
 */
#include "unit.h"

#include <cconc/waitgroup.h>

#include "core/lock.h"
#include "plat/fork.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

static int is_ours(void *arg)
{
    (void)arg;
    return plat_fork_is_ours() ? 1 : 0;
}

static int status_of(int (*fn)(void *arg), void *arg)
{
    int status = support_run_forked(fn, arg);
    SUPPORT_CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void fork_is_noticed_in_the_child_alone(void **state)
{
    (void)state;
    errno = EDOM;
    assert_true(plat_fork_is_ours());
    assert_int_equal(errno, EDOM);
    assert_int_equal(status_of(is_ours, NULL), 0);
    errno = EDOM;
    assert_true(plat_fork_is_ours());
    assert_int_equal(errno, EDOM);
}

static int adopt(void *arg)
{
    uint32_t before = cconc__fork_number();
    int *depth = arg;
    cconc__fork_adopt();
    SUPPORT_CHECK(plat_fork_is_ours() && cconc__fork_number() == before + 1);
    if (--*depth > 0) {
        SUPPORT_CHECK(status_of(adopt, depth) == 7);
        SUPPORT_CHECK(plat_fork_is_ours() && cconc__fork_number() == before + 1);
    }
    return 7;
}

static void fork_child_that_goes_on_has_children_of_its_own(void **state)
{
    int depth = 3;
    (void)state;
    assert_int_equal(status_of(adopt, &depth), 7);
    assert_true(plat_fork_is_ours());
    assert_int_equal(cconc__fork_number(), 0);
}

/* As on a system that cannot clear a page: there is no memory for one. */
static int child_without_a_page(void)
{
    struct rlimit kept;
    struct rlimit none;
    int depth = 2;
    SUPPORT_CHECK(getrlimit(RLIMIT_AS, &kept) == 0);
    none = kept;
    none.rlim_cur = 0;
    atom_init(&cconc__fork_mark, NULL);
    SUPPORT_CHECK(setrlimit(RLIMIT_AS, &none) == 0);
    bool ours = plat_fork_is_ours();
    SUPPORT_CHECK(setrlimit(RLIMIT_AS, &kept) == 0);
    SUPPORT_CHECK(ours && !atom_load_rlx(&cconc__fork_mark));
    SUPPORT_CHECK(status_of(is_ours, NULL) == 0 && plat_fork_is_ours());
    SUPPORT_CHECK(status_of(adopt, &depth) == 7 && plat_fork_is_ours());
    return 3;
}

static void fork_is_noticed_where_no_page_can_be_cleared(void **state)
{
    int status = support_run_child("without_a_page", NULL, 0);
    (void)state;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 3);
}

static int waits(void *arg)
{
    return cconc_waitgroup_wait(arg, NULL) == ENOTRECOVERABLE ? 7 : 8;
}

/* Nothing but its add was called: who was to call done is a thread of the parent's. */
static int child_with_a_waitgroup(void)
{
    cconc_waitgroup wg = CCONC_WAITGROUP_INIT;
    atom_init(&cconc__fork_mark, NULL); /* the choice of the allocator has made one here */
    cconc_waitgroup_add(&wg, 1);
    SUPPORT_CHECK(status_of(waits, &wg) == 7);
    cconc_waitgroup_done(&wg);
    cconc_waitgroup_destroy(&wg);
    return 3;
}

static void fork_is_noticed_by_who_waits_for_what_was_only_added(void **state)
{
    int status = support_run_child("with_a_waitgroup", NULL, 0);
    (void)state;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 3);
}

static lock mu = LOCK_INIT(RANK_GROUP);
static atomic_bool is_taken;
static atomic_bool may_leave;

static void hold(void *arg, size_t index)
{
    (void)arg;
    (void)index;
    lock_take(&mu);
    atomic_store(&is_taken, true);
    until(atomic_load(&may_leave));
    lock_leave(&mu);
}

static int take(void *arg)
{
    (void)arg;
    lock_take(&mu);
    lock_leave(&mu);
    return 5;
}

static int take_anew(void *arg)
{
    cconc__lock_forked(&mu);
    return take(arg);
}

static int child_lock(void)
{
    /* nothing has waited yet: the choice of the allocator, or the first object, made the mark */
    struct support_threads *holder = support_threads_start(1, hold, NULL);
    until(atomic_load(&is_taken));
    int status = support_run_forked(take, NULL);
    SUPPORT_CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    SUPPORT_CHECK(status_of(take_anew, NULL) == 5);
    atomic_store(&may_leave, true);
    support_threads_join(holder);
    return 4;
}

static void fork_child_that_meets_a_lock_of_the_parent_ends_with_a_message(void **state)
{
    char told[200];
    int status = support_run_child("lock", told, sizeof(told));
    (void)state;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 4);
    assert_string_equal(told, "cconc: lock that a thread of the parent process held at the fork\n");
}

int main(int argc, char **argv)
{
    static const struct support_child children[] = {
        {"without_a_page", child_without_a_page},
        {"with_a_waitgroup", child_with_a_waitgroup},
        {"lock", child_lock},
        {NULL, NULL}};
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(fork_is_noticed_in_the_child_alone),
        UNIT_TEST(fork_child_that_goes_on_has_children_of_its_own),
        UNIT_TEST(fork_is_noticed_where_no_page_can_be_cleared),
        UNIT_TEST(fork_is_noticed_by_who_waits_for_what_was_only_added),
        UNIT_TEST(fork_child_that_meets_a_lock_of_the_parent_ends_with_a_message),
    };
    support_start(argc, argv, children);
    return UNIT_RUN(tests);
}
