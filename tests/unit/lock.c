/* lock.c - unit tests of the locks and of their order
 * SPDX-License-Identifier: MIT
 *
 * Risk      A wrong order of locks that nobody is told of, or a right one that is reported.
 * Method    Checked builds take locks in wrong orders in processes of their own and must abort with
 *           both ranks. Other builds have nothing to tell; there these tests pass as they are.
 * Catches   H14, C10; invariant I1 of core/lock.c.
 */
#include "unit.h"

#include "core/lock.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#if defined(CCONC_CHECKED)
static const bool is_checked = true;
#else
static const bool is_checked = false;
#endif

static lock low = LOCK_INIT(RANK_CTX);
static lock high = LOCK_INIT(RANK_TIMER);
static lock high_too = LOCK_INIT(RANK_TIMER);

/* ---- smoke ---------------------------------------------------------------------------------- */

struct counted {
    lock mu;
    int  count; /* plain */
};

static void count_under_lock(void *arg, size_t index)
{
    struct counted *c = arg;
    (void)index;
    for (int i = 0; i < 5000; i++) {
        lock_take(&c->mu);
        cconc__lock_assert_held(&c->mu);
        c->count++;
        lock_leave(&c->mu);
        cconc__lock_assert_none();
    }
}

static void lock_lets_one_thread_in_at_a_time(void **state)
{
    struct counted c = {.count = 0};
    (void)state;
    assert_int_equal(cconc__lock_init(&c.mu, RANK_CHAN), 0);
    support_threads_join(support_threads_start(4, count_under_lock, &c));
    assert_int_equal(c.count, 4 * 5000);
    cconc__lock_destroy(&c.mu);
}

static void lock_ranks_that_rise_are_right(void **state)
{
    static const lock_rank ranks[] = {RANK_GROUP,  RANK_CTX,   RANK_CHAN,     RANK_LOT,
                                      RANK_SIGNAL, RANK_QUIET, RANK_EXECUTOR, RANK_TIMER};
    lock locks[sizeof(ranks) / sizeof(ranks[0])];
    size_t count = sizeof(ranks) / sizeof(ranks[0]);
    (void)state;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(cconc__lock_init(&locks[i], ranks[i]), 0);
    }
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < count; i++) {
            lock_take(&locks[i]);
        }
        for (size_t i = 0; i < count; i++) {
            cconc__lock_assert_held(&locks[i]);
        }
        for (size_t i = count; i-- > 0;) {
            lock_leave(&locks[i]);
        }
        cconc__lock_assert_none();
    }
    for (size_t i = 0; i < count; i++) {
        cconc__lock_destroy(&locks[i]);
    }
}

/* ---- wrong orders --------------------------------------------------------------------------- */

static int child_falls(void)
{
    lock_take(&high);
    lock_take(&low);
    return 0;
}

static int child_stays(void)
{
    lock_take(&high);
    lock_take(&high_too);
    return 0;
}

static int child_leaves_the_first(void)
{
    lock_take(&low);
    lock_take(&high);
    lock_leave(&low);
    return 0;
}

static int child_has_none(void)
{
    lock_take(&low);
    cconc__lock_assert_held(&high);
    return 0;
}

static int child_has_one(void)
{
    lock_take(&low);
    cconc__lock_assert_none();
    return 0;
}

/* Checked builds: see that the part called name aborts and says text. */
static void assert_aborts(const char *name, const char *text)
{
    char told[400];
    if (!is_checked) {
        return;
    }
    int status = support_run_child(name, told, sizeof(told));
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    if (!strstr(told, text)) {
        assert_string_equal(told, text);
    }
}

static void lock_ranks_that_fall_or_stay_abort_with_both(void **state)
{
    char text[100];
    (void)state;
    snprintf(text, sizeof(text), "cconc: lock of rank %d taken while one of rank %d is held\n",
             (int)RANK_CTX, (int)RANK_TIMER);
    assert_aborts("falls", text);
    snprintf(text, sizeof(text), "cconc: lock of rank %d taken while one of rank %d is held\n",
             (int)RANK_TIMER, (int)RANK_TIMER);
    assert_aborts("stays", text);
}

static void lock_left_before_a_later_one_aborts(void **state)
{
    (void)state;
    assert_aborts("leaves_the_first", "broken invariant");
}

static void lock_asserts_tell_what_is_not_so(void **state)
{
    (void)state;
    assert_aborts("has_none", "broken invariant: the lock is held here");
    assert_aborts("has_one", "broken invariant");
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(lock_lets_one_thread_in_at_a_time),
        UNIT_TEST(lock_ranks_that_rise_are_right),
        UNIT_TEST(lock_ranks_that_fall_or_stay_abort_with_both),
        UNIT_TEST(lock_left_before_a_later_one_aborts),
        UNIT_TEST(lock_asserts_tell_what_is_not_so),
    };
    static const struct support_child children[] = {
        {"falls", child_falls},
        {"stays", child_stays},
        {"leaves_the_first", child_leaves_the_first},
        {"has_none", child_has_none},
        {"has_one", child_has_one},
        {NULL, NULL},
    };
    support_start(argc, argv, children);
    return UNIT_RUN(tests);
}
