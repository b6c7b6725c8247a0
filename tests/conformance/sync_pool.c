/* sync_pool.c - the behaviours of Go's package sync: Pool
 * SPDX-License-Identifier: MIT
 *
 * Risk      A program carried over from Go that behaves differently without being told.
 * Method    One case a behaviour that the Go package documents; trim stands for Go's collector.
 *           The deliberate differences are cases too, and say so.
 * Catches   ported programs that change their meaning; rules opool-1 to opool-5.
 */
#include "unit.h"

#include <errno.h>
#include <stdatomic.h>

#include <cconc/cconc.h>

/* ---- Pool ----------------------------------------------------------------------------------- */

struct item {
    atomic_bool lent;
    bool lives;
    int plain;
};

struct factory {
    struct item items[64];
    cconc_objpool *pool;
    atomic_int made;
    atomic_int destroyed;
    int create_err;
};

static int item_new(void *user, void **out_object)
{
    struct factory *f = user;
    if (f->create_err) {
        return f->create_err;
    }
    struct item *item = &f->items[atomic_fetch_add(&f->made, 1)];
    item->lives = true;
    *out_object = item;
    return 0;
}

static void item_destroy(void *user, void *object)
{
    struct item *item = object;
    SUPPORT_CHECK(item->lives);
    item->lives = false;
    atomic_fetch_add(&((struct factory *)user)->destroyed, 1);
}

static void pool_start(struct factory *f, size_t max_count)
{
    const cconc_objpool_opts opts = {
        .create = item_new, .destroy = item_destroy, .user = f, .max_count = max_count};
    SUPPORT_CHECK(cconc_objpool_new(&opts, &f->pool) == 0);
}

static struct item *pool_get(struct factory *f)
{
    void *object = NULL;
    SUPPORT_CHECK(cconc_objpool_get(f->pool, &object) == 0);
    return object;
}

static void pool_get_gives_what_was_put_and_removes_it(void **state)
{
    struct factory f = {.made = 0};
    (void)state;
    pool_start(&f, 0);
    struct item *one = pool_get(&f);
    struct item *two = pool_get(&f);
    assert_ptr_not_equal(one, two);
    cconc_objpool_put(f.pool, one);
    assert_ptr_equal(pool_get(&f), one);
    assert_ptr_not_equal(pool_get(&f), one);
    assert_int_equal(atomic_load(&f.made), 3);
    cconc_objpool_free(f.pool);
}

static void pool_get_of_an_empty_pool_is_the_result_of_new(void **state)
{
    struct factory f = {.made = 0};
    (void)state;
    pool_start(&f, 0);
    for (int i = 0; i < 10; i++) {
        assert_ptr_equal(pool_get(&f), &f.items[i]);
    }
    cconc_objpool_free(f.pool);
    assert_int_equal(atomic_load(&f.destroyed), 0); /* what was got is not the pool's */
}

/* Go's New cannot fail. */
static void pool_new_that_fails_fails_get_unlike_go(void **state)
{
    struct factory f = {.create_err = ENFILE};
    void *object = &f;
    (void)state;
    pool_start(&f, 0);
    assert_int_equal(cconc_objpool_get(f.pool, &object), ENFILE);
    assert_ptr_equal(object, &f);
    cconc_objpool_free(f.pool);
}

/* Go's Get gives nil then. */
static void pool_without_new_is_refused_or_gives_buffers_unlike_go(void **state)
{
    const cconc_objpool_opts nothing = {.cache = 0};
    const cconc_objpool_opts buffers = {.size = 16};
    cconc_objpool *pool = NULL;
    void *buffer = NULL;
    (void)state;
    assert_int_equal(cconc_objpool_new(&nothing, &pool), EINVAL);
    assert_int_equal(cconc_objpool_new(&buffers, &pool), 0);
    assert_int_equal(cconc_objpool_get(pool, &buffer), 0);
    assert_non_null(buffer);
    cconc_objpool_put(pool, buffer);
    cconc_objpool_free(pool);
}

static void pool_put_of_nil_is_ignored(void **state)
{
    struct factory f = {.made = 0};
    (void)state;
    pool_start(&f, 0);
    cconc_objpool_put(f.pool, NULL);
    assert_non_null(pool_get(&f));
    assert_int_equal(atomic_load(&f.made), 1);
    cconc_objpool_free(f.pool);
}

/* Go: by the garbage collector. An item that is used in between stays. */
static void pool_items_are_dropped_by_the_second_collection(void **state)
{
    struct factory f = {.made = 0};
    struct item *items[4];
    (void)state;
    pool_start(&f, 0);
    for (int i = 0; i < 4; i++) {
        items[i] = pool_get(&f);
    }
    for (int i = 0; i < 4; i++) {
        cconc_objpool_put(f.pool, items[i]);
    }
    cconc_objpool_trim(f.pool);
    assert_int_equal(atomic_load(&f.destroyed), 0);
    struct item *used = pool_get(&f);
    assert_int_equal(atomic_load(&f.made), 4);
    cconc_objpool_put(f.pool, used);
    cconc_objpool_trim(f.pool);
    assert_int_equal(atomic_load(&f.destroyed), 3);
    assert_ptr_equal(pool_get(&f), used);
    cconc_objpool_free(f.pool);
}

static void put_from_elsewhere(void *arg, size_t index)
{
    struct factory *f = arg;
    (void)index;
    for (int i = 0; i < 20; i++) {
        f->items[i].plain = i + 1;
        cconc_objpool_put(f->pool, &f->items[i]);
    }
}

/* The other's thread has ended, so its cache was handed over. */
static void pool_put_in_one_thread_comes_before_the_get_in_another(void **state)
{
    struct factory f = {.made = 0};
    (void)state;
    pool_start(&f, 0);
    for (int i = 0; i < 20; i++) {
        (void)pool_get(&f);
    }
    struct support_threads *thread = support_threads_start(1, put_from_elsewhere, &f);
    support_threads_join(thread);
    for (int i = 0; i < 20; i++) {
        struct item *item = pool_get(&f);
        assert_int_equal(item->plain, item - f.items + 1);
    }
    assert_int_equal(atomic_load(&f.made), 20);
    cconc_objpool_free(f.pool);
}

static void use_items(void *arg, size_t index)
{
    struct factory *f = arg;
    (void)index;
    for (int i = 0; i < 1000; i++) {
        struct item *item = pool_get(f);
        SUPPORT_CHECK(!atomic_exchange(&item->lent, true));
        item->plain++;
        atomic_store(&item->lent, false);
        cconc_objpool_put(f->pool, item);
    }
}

static void pool_never_gives_one_item_to_two_at_once(void **state)
{
    struct factory f = {.made = 0};
    (void)state;
    pool_start(&f, 0);
    struct support_threads *threads = support_threads_start(4, use_items, &f);
    support_threads_join(threads);
    int uses = 0;
    for (int i = 0; i < atomic_load(&f.made); i++) {
        uses += f.items[i].plain;
    }
    assert_int_equal(uses, 4000);
    cconc_objpool_free(f.pool);
    assert_int_equal(atomic_load(&f.destroyed), atomic_load(&f.made));
}

/* In Go nothing bounds a pool but the collector, and nobody is told of what that takes. */
static void pool_keeps_no_more_than_its_bound_and_destroys_the_rest_unlike_go(void **state)
{
    struct factory f = {.made = 0};
    enum { ITEMS = 60, BOUND = 5, CACHE = 32 }; /* CACHE: what the thread keeps */
    struct item *items[ITEMS];
    (void)state;
    pool_start(&f, BOUND);
    for (int i = 0; i < ITEMS; i++) {
        items[i] = pool_get(&f);
    }
    for (int i = 0; i < ITEMS; i++) {
        cconc_objpool_put(f.pool, items[i]);
    }
    assert_in_range(atomic_load(&f.destroyed), ITEMS - BOUND - CACHE, ITEMS - BOUND);
    cconc_objpool_free(f.pool);
    assert_int_equal(atomic_load(&f.destroyed), ITEMS);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(pool_get_gives_what_was_put_and_removes_it),
        UNIT_TEST(pool_get_of_an_empty_pool_is_the_result_of_new),
        UNIT_TEST(pool_new_that_fails_fails_get_unlike_go),
        UNIT_TEST(pool_without_new_is_refused_or_gives_buffers_unlike_go),
        UNIT_TEST(pool_put_of_nil_is_ignored),
        UNIT_TEST(pool_items_are_dropped_by_the_second_collection),
        UNIT_TEST(pool_put_in_one_thread_comes_before_the_get_in_another),
        UNIT_TEST(pool_never_gives_one_item_to_two_at_once),
        UNIT_TEST(pool_keeps_no_more_than_its_bound_and_destroys_the_rest_unlike_go),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
