/* objpool_torn.c - unit tests of object pools: callbacks that end their thread, calls after the end
 * SPDX-License-Identifier: MIT
 *
 * Risk      A callback that ends its thread takes the place of an object, a count or a lock with
 *           it; a free that is not finished; misuse that a checked build lets pass.
 * Method    Each callback ends its thread in each call that runs it, the exit of a thread included;
 *           then the counts must come out, and every object be destroyed once. Misuse ends a
 *           process of its own.
 * Catches   opool-2 opool-4 opool-5, proc-3, misuse (11).
 */
#include "objpool_help.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define ITEMS 256

enum callback { CREATE, RESET, MEASURE, DESTROY, CALLBACKS };

struct item {
    atomic_int destroyed;
};

struct tearing {
    cconc_objpool *pool;
    struct item items[ITEMS];
    atomic_size_t made;
    atomic_size_t destroyed;
    atomic_int ends[CALLBACKS]; /* so many calls end their thread */
    bool by_cancel;
    atomic_int came_back;
    void *object;
    size_t uses;
};

static void tear(struct tearing *t, enum callback which)
{
    int before = atomic_load(&t->ends[which]);
    while (before > 0 && !atomic_compare_exchange_weak(&t->ends[which], &before, before - 1)) {
    }
    if (before <= 0) {
        return;
    }
    if (t->by_cancel) {
        (void)pthread_cancel(pthread_self());
        pthread_testcancel();
    }
    pthread_exit(NULL);
}

static int item_make(void *user, void **out_object)
{
    struct tearing *t = user;
    tear(t, CREATE);
    size_t index = atomic_fetch_add(&t->made, 1);
    SUPPORT_CHECK(index < ITEMS);
    *out_object = &t->items[index];
    return 0;
}

static int item_reset(void *user, void *object)
{
    SUPPORT_CHECK(atomic_load(&((struct item *)object)->destroyed) == 0);
    tear(user, RESET);
    return 0;
}

static size_t item_measure(void *user, void *object)
{
    SUPPORT_CHECK(atomic_load(&((struct item *)object)->destroyed) == 0);
    tear(user, MEASURE);
    return 10;
}

static void item_destroy(void *user, void *object)
{
    struct tearing *t = user;
    SUPPORT_CHECK(atomic_fetch_add(&((struct item *)object)->destroyed, 1) == 0);
    atomic_fetch_add(&t->destroyed, 1);
    tear(t, DESTROY);
}

static void start(struct tearing *t, uint32_t cache, size_t max_count)
{
    cconc_objpool_opts opts = {.create = item_make,
                               .reset = item_reset,
                               .destroy = item_destroy,
                               .object_size = item_measure,
                               .user = t,
                               .cache = cache,
                               .max_count = max_count};
    memset(t, 0, sizeof(*t));
    SUPPORT_CHECK(cconc_objpool_new(&opts, &t->pool) == 0);
}

/* Free the object pool: all but lost objects have been destroyed, none twice. */
static void end(struct tearing *t, size_t lost)
{
    cconc_objpool_counts counts = counts_of(t->pool);
    assert_int_equal(counts.lent, 0);
    assert_int_equal(counts.retained + counts.destroyed + lost, counts.created);
    cconc_objpool_free(t->pool);
    assert_int_equal(atomic_load(&t->destroyed) + lost, atomic_load(&t->made));
}

static void get_one(void *arg, size_t index)
{
    struct tearing *t = arg;
    (void)index;
    (void)get(t->pool);
    atomic_fetch_add(&t->came_back, 1);
}

static void put_it(void *arg, size_t index)
{
    struct tearing *t = arg;
    (void)index;
    cconc_objpool_put(t->pool, t->object);
    atomic_fetch_add(&t->came_back, 1);
}

static void trim_it(void *arg, size_t index)
{
    struct tearing *t = arg;
    (void)index;
    cconc_objpool_trim(t->pool);
    atomic_fetch_add(&t->came_back, 1);
}

static void free_it(void *arg, size_t index)
{
    struct tearing *t = arg;
    (void)index;
    cconc_objpool_free(t->pool);
    atomic_fetch_add(&t->came_back, 1);
}

static void use_some(void *arg, size_t index)
{
    struct tearing *t = arg;
    (void)index;
    use(t->pool, t->uses);
}

/* Run fn in a thread of its own, which callback which ends. */
static void ends_in(struct tearing *t, support_thread_fn fn, enum callback which)
{
    atomic_store(&t->ends[which], 1);
    size_t cancelled = support_threads_join(support_threads_start(1, fn, t));
    assert_int_equal(cancelled, t->by_cancel);
    assert_int_equal(atomic_load(&t->came_back), 0);
    assert_int_equal(atomic_load(&t->ends[which]), 0);
}

static void objpool_is_whole_though_each_callback_ended_a_callers_thread(void **state)
{
    static const uint32_t caches[] = {8, CCONC_OBJPOOL_NO_CACHE};
    (void)state;
    support_sweep_pause(true); /* without a cache there is none to hand over */
    for (int i = 0; i < 4; i++) {
        struct tearing t;
        start(&t, caches[i / 2], 2);
        t.by_cancel = i % 2 != 0;
        ends_in(&t, get_one, CREATE); /* nothing is lent */
        assert_int_equal(counts_of(t.pool).lent, 0);
        t.object = get(t.pool);
        ends_in(&t, put_it, RESET); /* the object counts as destroyed, by whoever ended there */
        t.object = get(t.pool);
        ends_in(&t, put_it, MEASURE);
        assert_int_equal(counts_of(t.pool).lent, 0);
        assert_int_equal(counts_of(t.pool).retained, 0);
        use(t.pool, 12); /* 2 in the store; with caches, 8 in that of this thread */
        cconc_objpool_trim(t.pool);
        size_t retained = counts_of(t.pool).retained;
        assert_true(retained >= 2);
        ends_in(&t, trim_it, DESTROY);
        cconc_objpool_trim(t.pool); /* the rest of what that one had left */
        assert_int_equal(counts_of(t.pool).retained, 0);
        end(&t, 2);
    }
}

static void objpool_free_is_finished_though_every_destroy_ends_its_thread(void **state)
{
    (void)state;
    struct tearing t;
    start(&t, 4, 0);
    use(t.pool, 20); /* in a cache and in the store */
    atomic_store(&t.ends[DESTROY], 20);
    assert_int_equal(support_threads_join(support_threads_start(1, free_it, &t)), 0);
    assert_int_equal(atomic_load(&t.came_back), 0);
    assert_int_equal(atomic_load(&t.destroyed), 20);
    assert_int_equal(atomic_load(&t.ends[DESTROY]), 0);
}

/* A thread ends, its cache finds no room in the store, and destroy ends the thread once more. */
static void objpool_cache_is_handed_over_though_destroy_ends_the_thread_again(void **state)
{
    (void)state;
    support_sweep_pause(true); /* without a cache there is none to hand over */
    for (int more = 0; more < 3; more++) {
        struct tearing t;
        start(&t, 8, 1);
        t.uses = 8;
        atomic_store(&t.ends[DESTROY], more == 2 ? 100 : more);
        (void)support_threads_join(support_threads_start(1, use_some, &t));
        atomic_store(&t.ends[DESTROY], 0);
        cconc_objpool_counts counts = counts_of(t.pool);
        assert_int_equal(counts.threads, 0);
        assert_int_equal(counts.lent, 0);
        assert_int_equal(counts.retained, 1);
        assert_int_equal(atomic_load(&t.destroyed), 7);
        use(t.pool, 3); /* it serves */
        end(&t, 0);
    }
}

static void use_both(void *arg, size_t index)
{
    struct tearing *both = arg;
    use_some(&both[0], index);
    use_some(&both[1], index);
}

static void objpool_each_cache_is_handed_over_though_another_ended_the_thread_again(void **state)
{
    static struct tearing both[2];
    (void)state;
    support_sweep_pause(true); /* without a cache there is none to hand over */
    for (int i = 0; i < 2; i++) {
        start(&both[i], 8, 1);
        both[i].uses = 8;
        atomic_store(&both[i].ends[DESTROY], 2);
    }
    (void)support_threads_join(support_threads_start(1, use_both, both));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(counts_of(both[i].pool).threads, 0);
        assert_int_equal(counts_of(both[i].pool).retained, 1);
        assert_int_equal(atomic_load(&both[i].destroyed), 7);
        atomic_store(&both[i].ends[DESTROY], 0);
        end(&both[i], 0);
    }
}

/* The same while the thread ends because a callback has ended it. */
static void reset_that_ends(void *arg, size_t index)
{
    struct tearing *t = arg;
    use_some(t, index);
    t->object = get(t->pool);
    atomic_store(&t->ends[RESET], 1);
    atomic_store(&t->ends[DESTROY], 2);
    put_it(t, index);
}

static void objpool_cache_is_handed_over_though_a_callback_ended_its_thread(void **state)
{
    struct tearing t;
    (void)state;
    support_sweep_pause(true); /* without a cache there is none to hand over */
    start(&t, 8, 1);
    t.uses = 8;
    assert_int_equal(support_threads_join(support_threads_start(1, reset_that_ends, &t)), 0);
    assert_int_equal(atomic_load(&t.came_back), 0);
    assert_int_equal(counts_of(t.pool).threads, 0);
    assert_int_equal(counts_of(t.pool).retained, 1);
    assert_int_equal(atomic_load(&t.destroyed), 6); /* of 8, one is kept, one ended in reset */
    atomic_store(&t.ends[DESTROY], 0);
    end(&t, 1);
}

/* ---- misuse; what a call costs to see, in checked builds ------------------------------------- */

static void objpool_use_after_free_is_misuse(void **state)
{
    (void)state;
#if defined(CCONC_CHECKED)
    struct tearing t;
    void *object;
    start(&t, 0, 0);
    object = get(t.pool);
    support_keep_released(true);
    cconc_objpool_free(t.pool);
    expect_misuse("objpool put after free", cconc_objpool_put(t.pool, object));
    expect_misuse("objpool get after free",
                  SUPPORT_CHECK(cconc_objpool_get(t.pool, &object) == -1));
    expect_misuse("objpool trim after free", cconc_objpool_trim(t.pool));
    support_keep_released(false);
#else
    skip();
#endif
}

static int make_none(void *user, void **out_object)
{
    (void)user;
    (void)out_object;
    return 0;
}

static void objpool_create_without_object_is_misuse(void **state)
{
    cconc_objpool_opts opts = {.create = make_none};
    cconc_objpool *pool = NULL;
    void *object = NULL;
    (void)state;
    assert_int_equal(cconc_objpool_new(&opts, &pool), 0);
    expect_misuse("objpool create returned 0 and no object",
                  SUPPORT_CHECK(cconc_objpool_get(pool, &object) == -1));
    assert_null(object);
    assert_int_equal(cconc_objpool_lent(pool), 0);
    cconc_objpool_free(pool);
}

/* The callback in which the object pool is freed, by its own thread. */
static enum callback frees_in;
static struct tearing freed;

static int free_in_create(void *user, void **out_object)
{
    struct tearing *t = user;
    if (frees_in == CREATE) {
        cconc_objpool_free(t->pool);
    }
    *out_object = &t->items[0];
    return 0;
}

static int free_in_reset(void *user, void *object)
{
    (void)object;
    if (frees_in == RESET) {
        cconc_objpool_free(((struct tearing *)user)->pool);
    }
    return frees_in == DESTROY; /* or in destroy: it comes next */
}

static void free_in_destroy(void *user, void *object)
{
    (void)object;
    cconc_objpool_free(((struct tearing *)user)->pool);
}

static int free_inside(void)
{
    cconc_objpool_opts opts = {.create = free_in_create,
                               .reset = free_in_reset,
                               .destroy = free_in_destroy,
                               .user = &freed};
    SUPPORT_CHECK(cconc_objpool_new(&opts, &freed.pool) == 0);
    use(freed.pool, 1);
    return 0;
}

static int child_free_in_get(void)
{
    frees_in = CREATE;
    return free_inside();
}

static int child_free_in_put(void)
{
    frees_in = RESET;
    return free_inside();
}

static int child_free_in_destroy(void)
{
    frees_in = DESTROY;
    return free_inside();
}

/* One thread is inside create, another one frees. */
static atomic_bool is_inside;

static int wait_in_create(void *user, void **out_object)
{
    (void)out_object;
    (void)user;
    atomic_store(&is_inside, true);
    until(false);
    return 0;
}

static int child_free_during_get(void)
{
    cconc_objpool_opts opts = {.create = wait_in_create, .user = &freed};
    SUPPORT_CHECK(cconc_objpool_new(&opts, &freed.pool) == 0);
    (void)support_threads_start(1, get_one, &freed);
    until(atomic_load(&is_inside));
    cconc_objpool_free(freed.pool);
    return 0;
}

static void objpool_free_during_a_call_is_misuse(void **state)
{
    (void)state;
#if defined(CCONC_CHECKED)
    static const char *const parts[] = {"free_in_get", "free_in_put", "free_in_destroy",
                                        "free_during_get"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        char told[200];
        int status = support_run_child(parts[i], told, sizeof(told));
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        assert_string_equal(told, "cconc: objpool free with 1 calls running\n");
    }
#else
    skip();
#endif
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(objpool_is_whole_though_each_callback_ended_a_callers_thread),
        UNIT_TEST(objpool_free_is_finished_though_every_destroy_ends_its_thread),
        UNIT_TEST(objpool_cache_is_handed_over_though_destroy_ends_the_thread_again),
        UNIT_TEST(objpool_each_cache_is_handed_over_though_another_ended_the_thread_again),
        UNIT_TEST(objpool_cache_is_handed_over_though_a_callback_ended_its_thread),
        UNIT_TEST(objpool_use_after_free_is_misuse),
        UNIT_TEST(objpool_create_without_object_is_misuse),
        UNIT_TEST(objpool_free_during_a_call_is_misuse),
    };
    static const struct support_child children[] = {
        {"free_in_get", child_free_in_get},
        {"free_in_put", child_free_in_put},
        {"free_in_destroy", child_free_in_destroy},
        {"free_during_get", child_free_during_get},
        {NULL, NULL},
    };
    support_start(argc, argv, children);
    return UNIT_RUN(tests);
}
