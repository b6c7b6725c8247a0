/* objpool_cache.c - unit tests of the objects that a thread keeps to itself
 * SPDX-License-Identifier: MIT
 *
 * Risk      An object lost between cache and store, a cache that outlives its thread or its object
 *           pool, a trim that does not reach a thread that sleeps.
 * Method    Plain buffers, counted after each step; threads that wait at gates, and that end.
 * Catches   opool-1 opool-3 opool-4; invariants I1 I2 of prim/objpool_cache.c.
 */
#include "objpool_help.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

static cconc_objpool *pool_with_cache(uint32_t cache)
{
    cconc_objpool_opts opts = {.size = 16, .cache = cache};
    cconc_objpool *pool = NULL;
    assert_int_equal(cconc_objpool_new(&opts, &pool), 0);
    return pool;
}

static void cache_keeps_no_more_than_it_may(void **state)
{
    static const uint32_t sizes[] = {1, 2, 3, 0, CCONC_OBJPOOL_MAX_CACHE, CCONC_OBJPOOL_NO_CACHE};
    (void)state;
    support_sweep_pause(true); /* without a cache there is none to look at */
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        cconc_objpool *pool = pool_with_cache(sizes[i]);
        size_t room = sizes[i] == 0 ? 32 : sizes[i] == CCONC_OBJPOOL_NO_CACHE ? 0 : sizes[i];
        use(pool, OBJECTS);
        use(pool, OBJECTS);
        cconc_objpool_counts counts = counts_of(pool);
        assert_int_equal(counts.created, OBJECTS);
        assert_int_equal(counts.retained, OBJECTS);
        assert_int_equal(counts.threads, room > 0);
        assert_true(counts.retained - counts.store_bytes / 16 <= room);
        cconc_objpool_free(pool);
    }
}

struct sleeper {
    cconc_objpool *pool;
    size_t uses;
    atomic_int used;
    atomic_bool gate;
};

static void use_and_wait(void *arg, size_t index)
{
    struct sleeper *s = arg;
    (void)index;
    use(s->pool, s->uses);
    atomic_fetch_add(&s->used, 1);
    until(atomic_load(&s->gate));
}

static void cache_of_a_thread_that_sleeps_is_trimmed(void **state)
{
    struct sleeper s = {.pool = pool_with_cache(0), .uses = 4};
    struct support_threads *threads = support_threads_start(1, use_and_wait, &s);
    (void)state;
    until(atomic_load(&s.used) == 1);
    cconc_objpool_trim(s.pool);
    assert_int_equal(counts_of(s.pool).retained, 4);
    cconc_objpool_trim(s.pool);
    assert_int_equal(counts_of(s.pool).retained, 0);
    assert_int_equal(counts_of(s.pool).destroyed, 4);
    atomic_store(&s.gate, true);
    assert_int_equal(support_threads_join(threads), 0);
    cconc_objpool_free(s.pool);
}

static void cache_is_handed_over_at_the_end_of_its_thread(void **state)
{
    struct sleeper s = {.pool = pool_with_cache(0), .uses = 3, .gate = true};
    (void)state;
    assert_int_equal(support_threads_join(support_threads_start(1, use_and_wait, &s)), 0);
    cconc_objpool_counts counts = counts_of(s.pool);
    assert_int_equal(counts.threads, 0);
    assert_int_equal(counts.lent, 0);
    assert_int_equal(counts.retained, 3);
    assert_int_equal(counts.store_bytes, 3 * 16);
    use(s.pool, 3);
    assert_int_equal(counts_of(s.pool).created, 3);
    cconc_objpool_free(s.pool);
}

/* opool-3: being handed over is no use. */
static void cache_that_is_handed_over_survives_no_trim_more(void **state)
{
    struct sleeper s = {.pool = pool_with_cache(0), .uses = 3};
    struct support_threads *threads = support_threads_start(1, use_and_wait, &s);
    (void)state;
    until(atomic_load(&s.used) == 1);
    cconc_objpool_trim(s.pool);
    atomic_store(&s.gate, true);
    assert_int_equal(support_threads_join(threads), 0);
    assert_int_equal(counts_of(s.pool).retained, 3);
    cconc_objpool_trim(s.pool);
    assert_int_equal(counts_of(s.pool).retained, 0);
    assert_int_equal(counts_of(s.pool).destroyed, 3);
    cconc_objpool_free(s.pool);
}

static void cache_goes_with_the_pool_if_that_ends_first(void **state)
{
    struct sleeper s = {.pool = pool_with_cache(0), .uses = 3};
    struct support_threads *threads = support_threads_start(4, use_and_wait, &s);
    (void)state;
    until(atomic_load(&s.used) == 4);
    cconc_objpool_free(s.pool);
    atomic_store(&s.gate, true);
    assert_int_equal(support_threads_join(threads), 0);
}

static cconc_objpool *late_pool;

static void use_late(void *arg)
{
    (void)arg;
    use(late_pool, 4);
}

static void use_and_set_key(void *arg, size_t index)
{
    (void)index;
    use(late_pool, 4);
    SUPPORT_CHECK(pthread_setspecific(*(pthread_key_t *)arg, arg) == 0);
}

static void cache_is_not_made_anew_by_a_later_exit_handler(void **state)
{
    pthread_key_t key; /* made after the library's, so most systems call its destructor later */
    (void)state;
    support_sweep_pause(true); /* without a cache there is none to look at */
    late_pool = pool_with_cache(0);
    use(late_pool, 1);
    assert_int_equal(pthread_key_create(&key, use_late), 0);
    assert_int_equal(support_threads_join(support_threads_start(8, use_and_set_key, &key)), 0);
    cconc_objpool_counts counts = counts_of(late_pool);
    assert_int_equal(counts.threads, 1);
    assert_int_equal(counts.lent, 0);
    assert_int_equal(counts.retained, counts.created - counts.destroyed);
    cconc_objpool_free(late_pool);
    assert_int_equal(pthread_key_delete(key), 0);
}

static int lend_static(void *user, void **out_object)
{
    static char object;
    (*(int *)user)++;
    *out_object = &object;
    return 0;
}

static void objpool_without_destroy_counts_what_it_lets_go(void **state)
{
    int made = 0;
    cconc_objpool_opts opts = {.create = lend_static, .user = &made};
    cconc_objpool *pool = NULL;
    (void)state;
    assert_int_equal(cconc_objpool_new(&opts, &pool), 0);
    use(pool, 1);
    for (int i = 0; i < 2; i++) { /* what rested from one to the next goes */
        cconc_objpool_trim(pool);
    }
    assert_int_equal(made, 1);
    assert_int_equal(counts_of(pool).destroyed, 1);
    assert_int_equal(counts_of(pool).retained, 0);
    cconc_objpool_free(pool);
}

/* What a trim takes out of a cache needs a place, which get makes if there is memory. */
static void objpool_trim_leaves_in_a_cache_what_it_has_no_place_for(void **state)
{
    cconc_objpool_opts opts = {.size = 8};
    size_t kept = 0;
    (void)state;
    support_sweep_pause(true); /* allocations are failed on purpose */
    for (uint64_t n = 1; n < 5; n++) {
        cconc_objpool *pool = NULL;
        void *object = NULL;
        assert_int_equal(cconc_objpool_new(&opts, &pool), 0);
        support_fail_alloc(n, false);
        int err = cconc_objpool_get(pool, &object);
        assert_true(err == 0 || err == ENOMEM);
        cconc_objpool_put(pool, object);
        (void)support_fail_end();
        for (int i = 0; i < 3; i++) {
            cconc_objpool_trim(pool);
        }
        assert_true(counts_of(pool).retained <= 1);
        kept += counts_of(pool).retained;
        use(pool, 2); /* another object, and a place */
        for (int i = 0; i < 3; i++) {
            cconc_objpool_trim(pool);
        }
        assert_int_equal(counts_of(pool).retained, 0);
        assert_int_equal(counts_of(pool).destroyed, counts_of(pool).created);
        cconc_objpool_free(pool);
    }
    assert_int_equal(kept, 1); /* where the place was refused */
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(cache_keeps_no_more_than_it_may),
        UNIT_TEST(cache_of_a_thread_that_sleeps_is_trimmed),
        UNIT_TEST(cache_is_handed_over_at_the_end_of_its_thread),
        UNIT_TEST(cache_that_is_handed_over_survives_no_trim_more),
        UNIT_TEST(cache_goes_with_the_pool_if_that_ends_first),
        UNIT_TEST(cache_is_not_made_anew_by_a_later_exit_handler),
        UNIT_TEST(objpool_without_destroy_counts_what_it_lets_go),
        UNIT_TEST(objpool_trim_leaves_in_a_cache_what_it_has_no_place_for),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
