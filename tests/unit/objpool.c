/* objpool.c - unit tests of the object pool's calls and callbacks
 * SPDX-License-Identifier: MIT
 *
 * Risk      An object destroyed twice or never, a bound that does not hold, a code of a callback
 *           that is lost, an object pool that is not whole after a callback ended its thread.
 * Method    Objects that know whether they live; callbacks that fail, call back, or end the thread.
 * Catches   opool-1 opool-2 opool-3 opool-5, proc-3; check 2 and 6.
 */
#include "objpool_help.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct thing {
    atomic_bool lives;
    int         resets;
    int         plain;
};

struct maker {
    struct thing   things[OBJECTS];
    cconc_objpool *pool;
    atomic_size_t  made;
    atomic_size_t  destroyed;
    int            create_err;
    int            reset_err;
    size_t         bytes;
    bool           ends_thread;
};

static int make(void *user, void **out_object)
{
    struct maker *m = user;
    struct thing *thing;
    if (m->ends_thread) {
        pthread_exit(NULL);
    }
    if (m->create_err) {
        return m->create_err;
    }
    thing = &m->things[atomic_fetch_add(&m->made, 1)];
    SUPPORT_CHECK(!atomic_exchange(&thing->lives, true));
    *out_object = thing;
    return 0;
}

static int make_ready(void *user, void *object)
{
    struct maker *m = user;
    struct thing *thing = object;
    SUPPORT_CHECK(atomic_load(&thing->lives));
    thing->resets++;
    if (m->ends_thread) {
        pthread_exit(NULL);
    }
    return m->reset_err;
}

static void unmake(void *user, void *object)
{
    struct maker *m = user;
    struct thing *thing = object;
    SUPPORT_CHECK(atomic_exchange(&thing->lives, false));
    atomic_fetch_add(&m->destroyed, 1);
    (void)cconc_objpool_lent(m->pool); /* no lock is held */
    if (m->ends_thread) {
        pthread_exit(NULL);
    }
}

static size_t measure(void *user, void *object)
{
    (void)object;
    return ((struct maker *)user)->bytes;
}

static cconc_objpool_opts opts_of(struct maker *m)
{
    return (cconc_objpool_opts){.create = make, .reset = make_ready, .destroy = unmake, .user = m};
}

static void start(struct maker *m, const cconc_objpool_opts *opts)
{
    assert_int_equal(cconc_objpool_new(opts, &m->pool), 0);
}

static void objpool_new_refuses_what_makes_no_sense(void **state)
{
    static int (*const create)(void *, void **) = make;
    const cconc_objpool_opts bad[] = {
        {.size = 0},
        {.size = 8, .destroy = unmake},
        {.create = create, .max_bytes = 1},
        {.size = 8, .cache = CCONC_OBJPOOL_MAX_CACHE + 1},
        {.size = 8, .flags = 1},
        {.size = 8, .reserved = {0, 0, 0, 1}},
    };
    const cconc_objpool_opts good = {.size = 8};
    cconc_objpool *pool = (cconc_objpool *)(void *)&pool;
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(cconc_objpool_new(&bad[i], &pool), EINVAL);
    }
    assert_int_equal(cconc_objpool_new(NULL, &pool), EINVAL);
    assert_int_equal(cconc_objpool_new(&good, NULL), EINVAL);
    assert_ptr_equal(pool, &pool);
    assert_int_equal(cconc_objpool_new(&good, &pool), 0);
    assert_int_equal(cconc_objpool_get(pool, NULL), EINVAL);
    assert_int_equal(cconc_objpool_get(NULL, (void **)&pool), EINVAL);
    cconc_objpool_put(pool, NULL);
    assert_int_equal(cconc_objpool_lent(pool), 0);
    cconc_objpool_free(pool);
    cconc_objpool_free(NULL);
}

static void objpool_get_lends_what_was_put_else_what_create_makes(void **state)
{
    struct maker m = {.create_err = 77};
    cconc_objpool_opts opts = opts_of(&m);
    void *object = &m;
    (void)state;
    start(&m, &opts);
    assert_int_equal(cconc_objpool_get(m.pool, &object), 77);
    assert_ptr_equal(object, &m);
    assert_int_equal(cconc_objpool_lent(m.pool), 0);
    m.create_err = 0;
    object = get(m.pool);
    assert_ptr_equal(object, &m.things[0]);
    assert_int_equal(cconc_objpool_lent(m.pool), 1);
    cconc_objpool_put(m.pool, object);
    assert_int_equal(m.things[0].resets, 1);
    assert_int_equal(cconc_objpool_lent(m.pool), 0);
    assert_ptr_equal(get(m.pool), object);
    assert_int_equal(counts_of(m.pool).created, 1);
    cconc_objpool_free(m.pool);
    assert_true(atomic_load(&m.things[0].lives)); /* lent: the borrower's */
}

static void objpool_destroys_what_reset_refuses(void **state)
{
    struct maker m = {.reset_err = -1};
    cconc_objpool_opts opts = opts_of(&m);
    (void)state;
    start(&m, &opts);
    use(m.pool, 3);
    assert_int_equal(atomic_load(&m.destroyed), 3);
    assert_int_equal(counts_of(m.pool).retained, 0);
    cconc_objpool_free(m.pool);
    assert_int_equal(atomic_load(&m.destroyed), 3);
}

static void objpool_bounds_hold(void **state)
{
    struct maker m = {.bytes = 10};
    cconc_objpool_opts opts = opts_of(&m);
    (void)state;
    support_sweep_pause(true); /* without a cache all objects are in the store */
    opts.object_size = measure;
    opts.cache = CCONC_OBJPOOL_NO_CACHE;
    opts.max_count = 5;
    start(&m, &opts);
    use(m.pool, 9);
    assert_int_equal(counts_of(m.pool).retained, 5);
    assert_int_equal(atomic_load(&m.destroyed), 4);
    cconc_objpool_free(m.pool);
    assert_int_equal(atomic_load(&m.destroyed), 9);
    opts.max_count = 0;
    opts.max_bytes = 39;
    start(&m, &opts);
    use(m.pool, 9);
    assert_int_equal(counts_of(m.pool).store_bytes, 30);
    m.bytes = 40; /* larger than all that may be kept: not in a cache, either */
    use(m.pool, 1);
    assert_int_equal(counts_of(m.pool).retained, 2);
    cconc_objpool_free(m.pool);
    assert_int_equal(atomic_load(&m.destroyed), atomic_load(&m.made));
}

static void objpool_unused_object_survives_one_trim_not_two(void **state)
{
    static const uint32_t caches[] = {0, CCONC_OBJPOOL_NO_CACHE};
    (void)state;
    support_sweep_pause(true); /* without a cache all objects are in the store */
    for (size_t i = 0; i < 2; i++) {
        struct maker m = {.made = 0};
        cconc_objpool_opts opts = opts_of(&m);
        opts.cache = caches[i];
        start(&m, &opts);
        use(m.pool, 20);
        cconc_objpool_trim(m.pool);
        assert_int_equal(counts_of(m.pool).retained, 20);
        use(m.pool, 1);
        cconc_objpool_trim(m.pool);
        assert_int_equal(counts_of(m.pool).retained, 1);
        cconc_objpool_trim(m.pool);
        assert_int_equal(counts_of(m.pool).retained, 0);
        assert_int_equal(atomic_load(&m.destroyed), 20);
        cconc_objpool_free(m.pool);
    }
}

static void objpool_plain_buffers_are_zeroed_once(void **state)
{
    cconc_objpool_opts opts = {.size = 32};
    cconc_objpool *pool = NULL;
    unsigned char *buffer;
    (void)state;
    assert_int_equal(cconc_objpool_new(&opts, &pool), 0);
    buffer = get(pool);
    for (size_t i = 0; i < 32; i++) {
        assert_int_equal(buffer[i], 0);
    }
    buffer[5] = 9;
    cconc_objpool_put(pool, buffer);
    buffer = get(pool);
    assert_int_equal(buffer[5], 9);
    cconc_objpool_put(pool, buffer);
    cconc_objpool_free(pool);
}

static void put_all(void *arg, size_t index)
{
    struct maker *m = arg;
    (void)index;
    for (size_t i = 0; i < OBJECTS; i++) {
        m->things[i].plain = (int)i;
        cconc_objpool_put(m->pool, &m->things[i]);
    }
}

static void objpool_put_comes_before_the_get_of_another_thread(void **state)
{
    struct maker m = {.made = 0};
    cconc_objpool_opts opts = opts_of(&m);
    struct support_threads *threads;
    (void)state;
    start(&m, &opts);
    for (size_t i = 0; i < OBJECTS; i++) {
        (void)get(m.pool);
    }
    threads = support_threads_start(1, put_all, &m);
    until(counts_of(m.pool).retained == OBJECTS);
    for (size_t i = 0; i < OBJECTS - 8; i++) { /* all but what the other may keep to itself */
        struct thing *thing = get(m.pool);
        assert_int_equal(thing->plain, thing - m.things);
        thing->plain = -1;
    }
    assert_int_equal(atomic_load(&m.made), OBJECTS);
    assert_int_equal(support_threads_join(threads), 0);
    cconc_objpool_free(m.pool);
}

/* Callbacks that say in which thread they run. */
struct place {
    pthread_t create;
    pthread_t reset;
    pthread_t destroy;
    cconc_objpool *pool;
};

static int note_create(void *user, void **out_object)
{
    struct place *place = user;
    place->create = pthread_self();
    *out_object = place;
    return 0;
}

static int note_reset(void *user, void *object)
{
    (void)object;
    ((struct place *)user)->reset = pthread_self();
    return 0;
}

static void note_destroy(void *user, void *object)
{
    (void)object;
    ((struct place *)user)->destroy = pthread_self();
}

static void get_and_put(void *arg, size_t index)
{
    struct place *place = arg;
    (void)index;
    cconc_objpool_put(place->pool, get(place->pool));
    SUPPORT_CHECK(pthread_equal(place->create, pthread_self()));
    SUPPORT_CHECK(pthread_equal(place->reset, pthread_self()));
}

static void objpool_callbacks_run_in_the_thread_that_causes_them(void **state)
{
    struct place place = {.pool = NULL};
    cconc_objpool_opts opts = {
        .create = note_create, .reset = note_reset, .destroy = note_destroy, .user = &place};
    (void)state;
    support_sweep_pause(true); /* without a cache all objects are in the store */
    for (int by_trim = 0; by_trim < 2; by_trim++) {
        assert_int_equal(cconc_objpool_new(&opts, &place.pool), 0);
        assert_int_equal(support_threads_join(support_threads_start(1, get_and_put, &place)), 0);
        assert_int_equal(counts_of(place.pool).retained, 1);
        cconc_objpool_trim(place.pool);
        if (by_trim) {
            cconc_objpool_trim(place.pool);
            assert_int_equal(counts_of(place.pool).retained, 0);
        }
        cconc_objpool_free(place.pool);
        assert_true(pthread_equal(place.destroy, pthread_self()));
        place.destroy = place.create;
    }
}

static void end_in_create(void *arg, size_t index)
{
    void *object;
    (void)index;
    SUPPORT_CHECK(cconc_objpool_get(((struct maker *)arg)->pool, &object) < 0); /* not here */
}

static void end_in_reset(void *arg, size_t index)
{
    struct maker *m = arg;
    (void)index;
    cconc_objpool_put(m->pool, &m->things[0]);
    abort();
}

static void end_in_trim(void *arg, size_t index)
{
    (void)index;
    cconc_objpool_trim(((struct maker *)arg)->pool);
}

static void run_thread(support_thread_fn fn, struct maker *m)
{
    m->ends_thread = true;
    (void)support_threads_join(support_threads_start(1, fn, m));
    m->ends_thread = false;
}

static void objpool_is_whole_after_callbacks_that_end_their_thread(void **state)
{
    struct maker m = {.made = 0};
    cconc_objpool_opts opts = opts_of(&m);
    (void)state;
    start(&m, &opts);
    use(m.pool, 10);
    assert_ptr_not_equal(get(m.pool), NULL);
    cconc_objpool_trim(m.pool);
    run_thread(end_in_trim, &m);
    run_thread(end_in_trim, &m);
    cconc_objpool_trim(m.pool);
    assert_int_equal(counts_of(m.pool).retained, 0);
    assert_int_equal(atomic_load(&m.destroyed), 9);
    run_thread(end_in_create, &m);
    assert_int_equal(cconc_objpool_lent(m.pool), 1);
    atomic_store(&m.things[0].lives, true);
    run_thread(end_in_reset, &m);
    assert_int_equal(cconc_objpool_lent(m.pool), 0);
    cconc_objpool_free(m.pool);
    assert_int_equal(atomic_load(&m.destroyed), 9);
}

static void use_some(void *arg, size_t index)
{
    use(((struct maker *)arg)->pool, 1 + index % 4);
}

static void objpool_of_64_threads_that_come_and_go_leaves_nothing(void **state)
{
    struct maker *m = calloc(1, sizeof(*m));
    cconc_objpool_opts opts = opts_of(m);
    (void)state;
    assert_non_null(m);
    opts.create = make;
    start(m, &opts);
    for (size_t i = 0; i < 64; i++) {
        assert_int_equal(support_threads_join(support_threads_start(2, use_some, m)), 0);
        assert_int_equal(cconc_objpool_lent(m->pool), 0);
    }
    assert_int_equal(counts_of(m->pool).threads, 0);
    cconc_objpool_free(m->pool);
    assert_int_equal(atomic_load(&m->destroyed), atomic_load(&m->made));
    free(m);
}

static void live(void *arg)
{
    cconc_objpool_opts opts = {.size = 24};
    cconc_objpool *pool;
    void *objects[OBJECTS];
    size_t count = 0;
    (void)arg;
    if (cconc_objpool_new(&opts, &pool) != 0) {
        return;
    }
    while (count < OBJECTS && cconc_objpool_get(pool, &objects[count]) == 0) {
        count++;
    }
    SUPPORT_CHECK(cconc_objpool_lent(pool) == count);
    while (count > 0) {
        cconc_objpool_put(pool, objects[--count]);
    }
    SUPPORT_CHECK(cconc_objpool_lent(pool) == 0);
    cconc_objpool_trim(pool);
    cconc_objpool_trim(pool);
    cconc_objpool_free(pool);
}

static void objpool_survives_every_failed_allocation(void **state)
{
    (void)state;
    assert_true(support_sweep_alloc(live, NULL) > 0);
}

static void objpool_put_trim_and_free_need_no_memory(void **state)
{
    struct maker m = {.made = 0};
    cconc_objpool_opts opts = opts_of(&m);
    void *objects[OBJECTS];
    (void)state;
    start(&m, &opts);
    for (size_t i = 0; i < OBJECTS; i++) {
        objects[i] = get(m.pool);
    }
    uint64_t before = support_alloc_count();
    for (size_t i = 0; i < OBJECTS; i++) {
        cconc_objpool_put(m.pool, objects[i]);
    }
    assert_int_equal(counts_of(m.pool).retained, OBJECTS);
    cconc_objpool_trim(m.pool);
    cconc_objpool_free(m.pool);
    assert_int_equal(support_alloc_count(), before);
}

static void objpool_misuse_is_told(void **state)
{
    struct maker m = {.made = 0};
    cconc_objpool_opts opts = opts_of(&m);
    void *object;
    (void)state;
    support_sweep_pause(true); /* without a cache there is none to look at */
    start(&m, &opts);
    object = get(m.pool);
    cconc_objpool_put(m.pool, object);
#if defined(CCONC_CHECKED)
    expect_misuse("objpool put of an object that is in slot 0 of the thread's cache",
                  cconc_objpool_put(m.pool, object));
#endif
    cconc_objpool_free(m.pool);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(objpool_new_refuses_what_makes_no_sense),
        UNIT_TEST(objpool_get_lends_what_was_put_else_what_create_makes),
        UNIT_TEST(objpool_destroys_what_reset_refuses),
        UNIT_TEST(objpool_bounds_hold),
        UNIT_TEST(objpool_unused_object_survives_one_trim_not_two),
        UNIT_TEST(objpool_plain_buffers_are_zeroed_once),
        UNIT_TEST(objpool_put_comes_before_the_get_of_another_thread),
        UNIT_TEST(objpool_callbacks_run_in_the_thread_that_causes_them),
        UNIT_TEST(objpool_is_whole_after_callbacks_that_end_their_thread),
        UNIT_TEST(objpool_of_64_threads_that_come_and_go_leaves_nothing),
        UNIT_TEST(objpool_survives_every_failed_allocation),
        UNIT_TEST(objpool_put_trim_and_free_need_no_memory),
        UNIT_TEST(objpool_misuse_is_told),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
