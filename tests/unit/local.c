/* local.c - unit tests of what an object keeps for each thread
 * SPDX-License-Identifier: MIT
 *
 * Risk      A local that another thread finds, one that is not given back at its thread's end or
 *           given back although its object ended first, one that hides another for good.
 * Method    More objects than the table has entries, so that all collide; threads that end.
 * Catches   opool-4; invariants I1 I2 of core/local.c.
 */
#include "unit.h"

#include "core/local.h"
#include "core/self.h"

#include <stdatomic.h>

#define OBJECTS (LOCAL_RECENT * 2)

struct kept {
    local l; /* first: the functions get it back */
    atomic_int left;
    atomic_int gone;
};

static void kept_link(local *l)
{
    (void)l;
}

static void kept_leave(local *l)
{
    atomic_fetch_add(&((struct kept *)(void *)l)->left, 1);
}

static void kept_gone(local *l)
{
    atomic_fetch_add(&((struct kept *)(void *)l)->gone, 1);
}

static void keep(struct kept *kept, const void *object, size_t index)
{
    kept->l.object = object;
    kept->l.index = index;
    kept->l.leave_locked = kept_leave;
    kept->l.gone = kept_gone;
    cconc__local_add(&kept->l, &self_get()->locals, kept_link);
}

static void drop(struct kept *kept)
{
    cconc__local_lock();
    cconc__local_drop_locked(&kept->l);
    cconc__local_unlock();
}

static void local_is_found_though_others_hide_it(void **state)
{
    static struct kept kept[OBJECTS];
    local_table *table = &self_get()->locals;
    (void)state;
    for (size_t i = 0; i < OBJECTS; i++) {
        keep(&kept[i], &kept[i], i % 2);
    }
    for (size_t i = 0; i < OBJECTS; i++) {
        assert_ptr_equal(cconc__local_find(table, &kept[i], i % 2), &kept[i].l);
        assert_ptr_equal(local_recall(table, &kept[i], i % 2), &kept[i].l);
    }
    for (size_t i = 0; i < OBJECTS; i++) {
        drop(&kept[i]);
        assert_null(local_recall(table, &kept[i], i % 2));
        assert_null(cconc__local_find(table, &kept[i], i % 2));
        assert_int_equal(atomic_load(&kept[i].gone), 0);
    }
}

static void local_index_differs_for_objects_made_in_succession(void **state)
{
    size_t first = cconc__local_index();
    (void)state;
    for (size_t i = 1; i < LOCAL_RECENT; i++) {
        assert_int_equal(cconc__local_index(), (first + i) % LOCAL_RECENT);
    }
}

struct pair {
    struct kept ends_with_thread;
    struct kept ends_before;
};

static void keep_and_end(void *arg, size_t index)
{
    struct pair *pair = (struct pair *)arg + index;
    SUPPORT_CHECK(cconc__local_is_possible());
    keep(&pair->ends_with_thread, pair, 0);
    keep(&pair->ends_before, &pair->ends_before, 0);
    drop(&pair->ends_before);
    SUPPORT_CHECK(!cconc__local_find(&self_get()->locals, (char *)arg - 1, 0));
}

static void local_is_given_back_once_by_the_end_of_its_thread(void **state)
{
    struct pair pairs[8] = {0};
    (void)state;
    assert_int_equal(support_threads_join(support_threads_start(8, keep_and_end, pairs)), 0);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(atomic_load(&pairs[i].ends_with_thread.left), 1);
        assert_int_equal(atomic_load(&pairs[i].ends_with_thread.gone), 1);
        assert_int_equal(atomic_load(&pairs[i].ends_before.left), 0);
        assert_int_equal(atomic_load(&pairs[i].ends_before.gone), 0);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(local_is_found_though_others_hide_it),
        UNIT_TEST(local_index_differs_for_objects_made_in_succession),
        UNIT_TEST(local_is_given_back_once_by_the_end_of_its_thread),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
