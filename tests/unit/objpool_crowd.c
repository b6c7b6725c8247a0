/* objpool_crowd.c - unit tests of object pools that many threads use at once
 * SPDX-License-Identifier: MIT
 *
 * Risk      An object that is left behind when a thread ends, or destroyed twice; a bound that many
 *           puts at one time break together.
 * Method    Objects that count how often they were lent and destroyed; threads that start together
 *           at a gate; somebody who reads the counts all the while.
 * Catches   opool-1 opool-2 opool-4 opool-5, I1 I2 of prim/objpool_store.c.
 */
#include "objpool_help.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#define THREADS 64
#define MOST_OBJECTS 65536

struct item {
    atomic_int lent; /* to one at a time */
    atomic_int destroyed;
    size_t bytes;
};

struct crowd {
    cconc_objpool *pool;
    struct item *items;
    atomic_size_t made;
    atomic_size_t destroyed;
    size_t rounds;
    size_t at_once; /* objects that a thread has at a time, at most */
    size_t max_bytes;
    size_t max_count;
    size_t in_caches; /* objects that all caches together may hold */
    atomic_int arrived;
    atomic_bool gate;
    atomic_bool over;
    atomic_size_t most_bytes;
};

static int item_make(void *user, void **out_object)
{
    struct crowd *crowd = user;
    size_t index = atomic_fetch_add(&crowd->made, 1);
    SUPPORT_CHECK(index < MOST_OBJECTS);
    crowd->items[index].bytes = 1 + index % 100;
    *out_object = &crowd->items[index];
    return 0;
}

static int item_reset(void *user, void *object)
{
    struct item *item = object;
    (void)user;
    SUPPORT_CHECK(atomic_load(&item->destroyed) == 0);
    SUPPORT_CHECK(atomic_load(&item->lent) == 0);
    return (int)(item->bytes == 50); /* some are never kept */
}

static void item_destroy(void *user, void *object)
{
    struct crowd *crowd = user;
    struct item *item = object;
    SUPPORT_CHECK(atomic_fetch_add(&item->destroyed, 1) == 0);
    SUPPORT_CHECK(atomic_load(&item->lent) == 0);
    atomic_fetch_add(&crowd->destroyed, 1);
}

static size_t item_size(void *user, void *object)
{
    (void)user;
    return ((struct item *)object)->bytes;
}

static void crowd_start(struct crowd *crowd, uint32_t cache, size_t max_count, size_t max_bytes)
{
    cconc_objpool_opts opts = {.create = item_make,
                               .reset = item_reset,
                               .destroy = item_destroy,
                               .object_size = item_size,
                               .user = crowd,
                               .cache = cache,
                               .max_count = max_count,
                               .max_bytes = max_bytes};
    crowd->items = calloc(MOST_OBJECTS, sizeof(struct item));
    crowd->max_count = max_count;
    crowd->max_bytes = max_bytes;
    crowd->in_caches = cache == CCONC_OBJPOOL_NO_CACHE ? 0 : (size_t)THREADS * (cache ? cache : 32);
    SUPPORT_CHECK(crowd->items);
    assert_int_equal(cconc_objpool_new(&opts, &crowd->pool), 0);
}

/* After free every object that was made has been destroyed once. */
static void crowd_end(struct crowd *crowd)
{
    size_t made = atomic_load(&crowd->made);
    cconc_objpool_free(crowd->pool);
    assert_int_equal(atomic_load(&crowd->destroyed), made);
    for (size_t i = 0; i < MOST_OBJECTS; i++) {
        SUPPORT_CHECK(atomic_load(&crowd->items[i].destroyed) == (i < made));
    }
    free(crowd->items);
}

static void borrow(struct crowd *crowd, struct item **items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        items[i] = get(crowd->pool);
        SUPPORT_CHECK(atomic_fetch_add(&items[i]->lent, 1) == 0);
    }
}

static void give_back(struct crowd *crowd, struct item **items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        SUPPORT_CHECK(atomic_fetch_sub(&items[i]->lent, 1) == 1);
        cconc_objpool_put(crowd->pool, items[i]);
    }
}

static void crowd_thread(void *arg, size_t index)
{
    struct crowd *crowd = arg;
    struct item *items[OBJECTS];
    size_t count = 1 + index % crowd->at_once;
    borrow(crowd, items, count);
    atomic_fetch_add(&crowd->arrived, 1);
    while (!atomic_load(&crowd->gate)) {
        sched_yield();
    }
    for (size_t round = 0; round < crowd->rounds; round++) {
        give_back(crowd, items, count);
        borrow(crowd, items, count);
    }
    give_back(crowd, items, count);
}

/* Start THREADS threads, let them all go at once, and see them end. */
static void crowd_run(struct crowd *crowd)
{
    atomic_store(&crowd->arrived, 0);
    atomic_store(&crowd->gate, false);
    struct support_threads *threads = support_threads_start(THREADS, crowd_thread, crowd);
    until(atomic_load(&crowd->arrived) == THREADS);
    assert_true(cconc_objpool_lent(crowd->pool) >= THREADS);
    atomic_store(&crowd->gate, true);
    assert_int_equal(support_threads_join(threads), 0);
}

static void objpool_of_64_threads_at_once_that_end_leaves_no_object_behind(void **state)
{
    static const uint32_t caches[] = {0, 1, 32, CCONC_OBJPOOL_NO_CACHE};
    (void)state;
    for (size_t i = 0; i < sizeof(caches) / sizeof(caches[0]); i++) {
        struct crowd crowd = {.rounds = 8, .at_once = 12};
        crowd_start(&crowd, caches[i], 0, 0);
        for (int again = 0; again < 2; again++) {
            crowd_run(&crowd);
            cconc_objpool_counts counts = counts_of(crowd.pool);
            assert_int_equal(counts.lent, 0);
            assert_int_equal(counts.threads, 0);
            assert_int_equal(counts.retained, counts.created - counts.destroyed);
            assert_int_equal(counts.created, atomic_load(&crowd.made));
            assert_int_equal(counts.destroyed, atomic_load(&crowd.destroyed));
        }
        crowd_end(&crowd);
    }
}

/* A thread that trims, ages and destroys while the others end. */
static void trim_all_the_while(void *arg, size_t index)
{
    struct crowd *crowd = arg;
    (void)index;
    while (!atomic_load(&crowd->over)) {
        cconc_objpool_trim(crowd->pool);
        sched_yield();
    }
}

static void objpool_destroys_each_object_once_though_trims_meet_threads_that_end(void **state)
{
    struct crowd crowd = {.rounds = 5, .at_once = 9};
    (void)state;
    crowd_start(&crowd, 0, 0, 0);
    struct support_threads *trimmer = support_threads_start(1, trim_all_the_while, &crowd);
    for (int again = 0; again < 3; again++) {
        crowd_run(&crowd);
    }
    atomic_store(&crowd.over, true);
    assert_int_equal(support_threads_join(trimmer), 0);
    assert_int_equal(cconc_objpool_lent(crowd.pool), 0);
    crowd_end(&crowd);
}

/* ---- bounds --------------------------------------------------------------------------------- */

static void watch_bounds(void *arg, size_t index)
{
    struct crowd *crowd = arg;
    (void)index;
    while (!atomic_load(&crowd->over)) {
        cconc_objpool_counts counts = counts_of(crowd->pool);
        SUPPORT_CHECK(!crowd->max_bytes || counts.store_bytes <= crowd->max_bytes);
        SUPPORT_CHECK(!crowd->max_count || counts.retained <= crowd->max_count + crowd->in_caches);
        if (counts.store_bytes > atomic_load(&crowd->most_bytes)) {
            atomic_store(&crowd->most_bytes, counts.store_bytes);
        }
        sched_yield();
    }
}

static void bounds_hold(uint32_t cache, size_t max_count, size_t max_bytes)
{
    struct crowd crowd = {.rounds = 8, .at_once = 30};
    crowd_start(&crowd, cache, max_count, max_bytes);
    struct support_threads *watcher = support_threads_start(1, watch_bounds, &crowd);
    for (int again = 0; again < 2; again++) {
        crowd_run(&crowd);
    }
    atomic_store(&crowd.over, true);
    assert_int_equal(support_threads_join(watcher), 0);
    cconc_objpool_counts counts = counts_of(crowd.pool);
    assert_int_equal(counts.threads, 0); /* all that is retained is in the store */
    if (max_count) {
        assert_int_equal(counts.retained, max_count); /* filled to the bound, and no further */
    }
    if (max_bytes) {
        assert_true(counts.store_bytes <= max_bytes);
        assert_true(counts.store_bytes > max_bytes - 100);
        assert_true(atomic_load(&crowd.most_bytes) <= max_bytes);
    }
    crowd_end(&crowd);
}

static void objpool_bounds_hold_though_64_threads_put_at_once(void **state)
{
    (void)state;
    support_sweep_pause(true); /* without a block of the store less is kept */
    bounds_hold(CCONC_OBJPOOL_NO_CACHE, 100, 0);
    bounds_hold(CCONC_OBJPOOL_NO_CACHE, 0, 3000);
    bounds_hold(4, 100, 0);
    bounds_hold(4, 0, 3000);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(objpool_of_64_threads_at_once_that_end_leaves_no_object_behind),
        UNIT_TEST(objpool_destroys_each_object_once_though_trims_meet_threads_that_end),
        UNIT_TEST(objpool_bounds_hold_though_64_threads_put_at_once),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
