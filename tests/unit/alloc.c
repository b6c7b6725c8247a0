/* alloc.c - unit tests of where the library's memory comes from
 * SPDX-License-Identifier: MIT
 *
 * Risk      A block given by one allocator and taken by another, memory that is not zero, an errno
 *           that the allocator left behind.
 * Method    The allocator of the tests fills what it gives; processes of their own choose another
 *           one, or none, before anything else; the choice is stopped by an allocation, and the
 *           other way round, before each atomic instruction.
 * Catches   I1 I14; invariants I2 I3 of plat/alloc.c.
 */
#include "unit.h"

#include "plat/alloc.h"

#include <cconc/cconc.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define ERRNO_MARK 7777

/* What no machine has: where a size has 32 bits, a quarter of all sizes may be there. */
#define TOO_LARGE (SIZE_MAX > UINT32_MAX ? SIZE_MAX / 4 : SIZE_MAX - 4096)

static bool is_zero(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

/* ---- smoke ---------------------------------------------------------------------------------- */

static void alloc_gives_zeroed_aligned_memory(void **state)
{
    (void)state;
    for (size_t size = 0; size < 600; size += size < 20 ? 1 : 37) {
        unsigned char *memory = cconc__alloc(size);
        assert_non_null(memory);
        assert_true(is_zero(memory, size));
        assert_int_equal((uintptr_t)memory % _Alignof(max_align_t), 0);
        cconc__alloc_free(memory);
    }
}

static void alloc_takes_back_what_it_gave_and_null(void **state)
{
    (void)state;
    size_t blocks = support_live_blocks();
    void *memory = cconc__alloc(10);
    assert_int_equal(support_live_blocks(), blocks + 1);
    cconc__alloc_free(memory);
    assert_int_equal(support_live_blocks(), blocks);
    cconc__alloc_free(NULL);
    assert_int_equal(support_live_blocks(), blocks);
}

/* ---- limits --------------------------------------------------------------------------------- */

static void *give_none(size_t size, void *user)
{
    (void)size;
    (void)user;
    support_abort(__FILE__, __LINE__, "memory asked of an allocator that was not accepted");
}

static void take_none(void *memory, void *user)
{
    (void)memory;
    (void)user;
    support_abort(__FILE__, __LINE__, "memory given to an allocator that was not accepted");
}

static void alloc_choice_that_comes_late_is_ebusy(void **state)
{
    (void)state;
    uint64_t before = support_alloc_count();
    assert_int_equal(cconc__alloc_choose(give_none, take_none, NULL), EBUSY);
    assert_int_equal(cconc_set_allocator(give_none, take_none, NULL), EBUSY);
    assert_int_equal(cconc_set_allocator(NULL, take_none, NULL), EINVAL);
    assert_int_equal(cconc_set_allocator(give_none, NULL, NULL), EINVAL);
    cconc__alloc_free(cconc__alloc(1));
    assert_int_equal(support_alloc_count(), before + 1);
}

static void alloc_without_memory_is_null(void **state)
{
    (void)state;
    support_fail_alloc(1, false);
    assert_null(cconc__alloc(1));
    assert_int_equal(support_fail_end(), 1);
}

/* ---- processes with another allocator ------------------------------------------------------- */

static int given;
static int taken;
static size_t last_size;
static int user_mark;

/* Both leave errno changed, as a C library may. */
static void *give(size_t size, void *user)
{
    void *memory = user == &user_mark && size < 1000 ? malloc(size) : NULL;
    if (memory) {
        memset(memory, 0x5a, size);
        given++;
    }
    last_size = size;
    errno = ENOENT;
    return memory;
}

static void take(void *memory, void *user)
{
    SUPPORT_CHECK(user == &user_mark);
    taken++;
    free(memory);
    errno = ENOENT;
}

static int child_chosen(void)
{
    SUPPORT_CHECK(cconc_set_allocator(give, take, &user_mark) == 0);
    SUPPORT_CHECK(cconc_set_allocator(give_none, take_none, NULL) == EBUSY); /* once for all */
    errno = ERRNO_MARK;
    unsigned char *memory = cconc__alloc(100);
    SUPPORT_CHECK(errno == ERRNO_MARK && memory && is_zero(memory, 100));
    void *nothing = cconc__alloc(0);
    SUPPORT_CHECK(nothing && last_size > 0 && errno == ERRNO_MARK);
    SUPPORT_CHECK(!cconc__alloc(1000) && errno == ERRNO_MARK);
    cconc__alloc_free(nothing);
    cconc__alloc_free(memory);
    SUPPORT_CHECK(errno == ERRNO_MARK);
    SUPPORT_CHECK(given == 2 && taken == 2);
    return 0;
}

static int child_default(void)
{
    for (int i = 0; i < 100; i++) {
        errno = ERRNO_MARK;
        unsigned char *memory = cconc__alloc(200);
        SUPPORT_CHECK(memory && is_zero(memory, 200));
        memset(memory, 0x5a, 200);
        cconc__alloc_free(memory);
        SUPPORT_CHECK(errno == ERRNO_MARK);
        /* The sanitizers end a process that asks for this much; valgrind minds more. */
        SUPPORT_CHECK(support_is_sanitized() || !cconc__alloc(TOO_LARGE));
        SUPPORT_CHECK(errno == ERRNO_MARK);
    }
    void *nothing = cconc__alloc(0);
    SUPPORT_CHECK(nothing);
    cconc__alloc_free(nothing);
    SUPPORT_CHECK(cconc_set_allocator(give_none, take_none, NULL) == EBUSY);
    return 0;
}

/* Threads that choose all at once. */
#define CHOOSERS 4

struct chooser {
    atomic_int *ready;
    atomic_int  gave;
    int         err;
};

static void *choosers_give(size_t size, void *user)
{
    atomic_fetch_add(&((struct chooser *)user)->gave, 1);
    return malloc(size);
}

static void choosers_take(void *memory, void *user)
{
    (void)user;
    free(memory);
}

static void choose(void *arg, size_t index)
{
    struct chooser *mine = (struct chooser *)arg + index;
    atomic_fetch_add(mine->ready, 1);
    until(atomic_load(mine->ready) == CHOOSERS);
    mine->err = cconc__alloc_choose(choosers_give, choosers_take, mine);
    cconc__alloc_free(cconc__alloc(10));
}

static int child_race(void)
{
    atomic_int ready = 0;
    struct chooser choosers[CHOOSERS];
    int accepted = 0;
    for (size_t i = 0; i < CHOOSERS; i++) {
        choosers[i] = (struct chooser){.ready = &ready, .gave = 0, .err = -1};
    }
    support_threads_join(support_threads_start(CHOOSERS, choose, choosers));
    for (size_t i = 0; i < CHOOSERS; i++) {
        accepted += choosers[i].err == 0;
        SUPPORT_CHECK(choosers[i].err == 0 || choosers[i].err == EBUSY);
        SUPPORT_CHECK(atomic_load(&choosers[i].gave) == (choosers[i].err == 0 ? CHOOSERS : 0));
    }
    return accepted == 1 ? 0 : 1;
}

/* A choice and an allocation, one of them stopped at a place of it by the other. */
struct stopped {
    const struct support_step *step;
    uint64_t place;
    int      err;
    void    *memory;
};

static void stopped_begins(void *arg)
{
    struct stopped *s = arg;
    s->err = -1;
    s->memory = NULL;
}

static void stopped_chooses(void *arg)
{
    ((struct stopped *)arg)->err = cconc__alloc_choose(give, take, &user_mark);
}

static void stopped_allocates(void *arg)
{
    ((struct stopped *)arg)->memory = cconc__alloc(10);
}

static void stopped_is_over(void *arg)
{
    struct stopped *s = arg;
    SUPPORT_CHECK(s->memory && is_zero(s->memory, 10));
    SUPPORT_CHECK(s->err == (given ? 0 : EBUSY));
    cconc__alloc_free(s->memory);
    SUPPORT_CHECK(taken == given);
}

static const struct support_step choice_meets_alloc = {stopped_begins, stopped_chooses,
                                                       stopped_allocates, stopped_is_over};
static const struct support_step alloc_meets_choice = {stopped_begins, stopped_allocates,
                                                       stopped_chooses, stopped_is_over};

static int stop_once(void *arg)
{
    struct stopped *s = arg;
    return support_step_at(s->step, s->place, s) ? 0 : 1;
}

/* Each round in a process of its own: the choice is made once. */
static int child_stopped(void)
{
    const struct support_step *steps[] = {&choice_meets_alloc, &alloc_meets_choice};
    for (size_t i = 0; i < 2; i++) {
        struct stopped s = {.step = steps[i], .place = 1};
        int status;
        while ((status = support_run_forked(stop_once, &s)) == 0) {
            s.place++;
        }
        SUPPORT_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
        SUPPORT_CHECK(s.place > 1 || !support_can_step());
    }
    return 0;
}

static void alloc_goes_through_the_chosen_functions_and_keeps_errno(void **state)
{
    (void)state;
    assert_int_equal(support_run_child("chosen", NULL, 0), 0);
}

static void alloc_without_a_choice_is_the_c_librarys(void **state)
{
    (void)state;
    assert_int_equal(support_run_child("default", NULL, 0), 0);
}

static void alloc_choice_of_many_threads_at_once_is_one(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(support_run_child("race", NULL, 0), 0);
    }
}

static void alloc_meets_a_choice_at_every_place(void **state)
{
    (void)state;
    assert_int_equal(support_run_child("stopped", NULL, 0), 0);
}

/* The parts that must run before the tests choose their own allocator. */
static const struct support_child early[] = {
    {"chosen", child_chosen},
    {"default", child_default},
    {"race", child_race},
    {"stopped", child_stopped},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(alloc_gives_zeroed_aligned_memory),
        UNIT_TEST(alloc_takes_back_what_it_gave_and_null),
        UNIT_TEST(alloc_choice_that_comes_late_is_ebusy),
        UNIT_TEST(alloc_without_memory_is_null),
        UNIT_TEST(alloc_goes_through_the_chosen_functions_and_keeps_errno),
        UNIT_TEST(alloc_without_a_choice_is_the_c_librarys),
        UNIT_TEST(alloc_choice_of_many_threads_at_once_is_one),
        UNIT_TEST(alloc_meets_a_choice_at_every_place),
    };
    for (size_t i = 0; argc == 3 && early[i].name; i++) {
        if (strcmp(argv[2], early[i].name) == 0) {
            return early[i].fn();
        }
    }
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
