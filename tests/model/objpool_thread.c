/* objpool_thread.c - interleavings of object pools: threads that end, callbacks, faults.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A cache that goes with its thread and with its pool; an object that is lost on the way
 *          from one to the other; a callback that ends its thread, or calls the pool again.
 * Method   Scenarios of the deterministic tester, two threads each.
 * Catches  L1 L3 L4 L5 L6 L7: the ends of thread and pool that meet, in both orders; X4: what a
 *          failed allocation leaves behind; S5: memory that is touched after the last return.
 */
#include "objpool_help.h"

#include "prim/objpool.h"

/* ---- a thread ends -------------------------------------------------------------------------- */

static void borrows_and_says(void *arg)
{
    env *e = arg;
    borrows(e);
    (void)model_add(&e->said, 1);
}

MODEL_SCENARIO(objpool_free_meets_the_end_of_a_thread, .exhaustive = true, .covers = "L5 L4",
               .goals = "left still_there")
{
    env *e = env_new((cconc_objpool_opts){.cache = 1});
    cconc_objpool_counts counts;
    model_spawn(borrows_and_says, e);
    model_await(&e->said, 1);
    cconc_objpool_read(e->pool, &counts);
    model_cover(counts.threads == 0 ? "left" : "still_there");
    MODEL_EQ(counts.lent, 0);
    cconc_objpool_free(e->pool);
    MODEL_EQ(model_get(&e->ended), 1);
}

MODEL_SCENARIO(objpool_get_meets_the_end_of_a_thread, .exhaustive = true, .covers = "L7",
               .goals = "handed_over still_there")
{
    env *e = env_new((cconc_objpool_opts){.cache = 1});
    thing *t;
    model_spawn(borrows_and_says, e);
    model_await(&e->said, 1);
    t = env_get(e);
    model_cover(t->number == 0 ? "handed_over" : "still_there");
    model_join_all();
    cconc_objpool_put(e->pool, t);
    (void)env_get(e);
    (void)env_get(e);
    env_count(e);
    MODEL_EQ(e->made, 2); /* both are found, wherever they were; the second one is the thread's */
    env_free(e);
    MODEL_EQ(e->gone, 0); /* lent ones stay the borrower's */
}

MODEL_SCENARIO(objpool_trim_meets_the_end_of_a_thread, .exhaustive = true, .covers = "L5 L8")
{
    env *e = env_new((cconc_objpool_opts){.cache = 1});
    cconc_objpool_counts counts;
    model_spawn(borrows_and_says, e);
    model_await(&e->said, 1);
    cconc_objpool_trim(e->pool);
    model_join_all();
    cconc_objpool_read(e->pool, &counts);
    MODEL_EQ(counts.retained, 1); /* survives one trim */
    MODEL_EQ(counts.threads, 0);
    cconc_objpool_trim(e->pool);
    MODEL_CHECK(e->things[0].is_gone); /* not two: it is as old as it was in the cache */
    env_free(e);
    MODEL_EQ(e->gone, 1);
}

MODEL_SCENARIO(objpool_last_trim_meets_the_end_of_a_thread, .exhaustive = true, .covers = "L5")
{
    env *e = env_new((cconc_objpool_opts){.cache = 1});
    model_spawn(borrows_and_says, e);
    model_await(&e->said, 1);
    cconc_objpool_trim(e->pool);
    cconc_objpool_trim(e->pool);
    model_join_all();
    env_count(e);
    MODEL_CHECK(e->gone <= 1);
    env_free(e);
    MODEL_EQ(e->gone, 1);
}

/* The cache of the thread does not fit into the store: some of it is destroyed as the thread ends,
 * or with the pool. */
static void borrows_three_and_says(void *arg)
{
    env *e = arg;
    borrows_three(e);
    (void)model_add(&e->said, 1);
}

MODEL_SCENARIO(objpool_cache_does_not_fit_into_the_store, .exhaustive = true, .covers = "L2 L5")
{
    env *e = env_new((cconc_objpool_opts){.cache = 3, .max_count = 1});
    model_spawn(borrows_three_and_says, e);
    model_await(&e->said, 1);
    cconc_objpool_free(e->pool);
    MODEL_EQ(model_get(&e->ended), 3);
}

static void ends_in_destroy(void *user, void *object)
{
    env *e = user;
    thing_destroy(e, object);
    if (model_get(&e->said) == 1) {
        model_exit_thread();
    }
}

static void tells(void *arg)
{
    model_set(&((env *)arg)->said, 2);
}

/* Each destroy in the ending thread ends it once more: all of its cache arrives nevertheless. */
MODEL_SCENARIO(objpool_destroy_that_ends_an_ending_thread, .exhaustive = true, .covers = "L4 L6")
{
    env *e = env_new_with((cconc_objpool_opts){.cache = 3, .max_count = 1}, ends_in_destroy);
    cconc_objpool_counts counts;
    model_spawn(borrows_three_and_says, e);
    model_join_all();
    cconc_objpool_read(e->pool, &counts);
    MODEL_EQ(counts.retained, 1);
    MODEL_EQ(counts.threads, 0);
    MODEL_EQ(counts.destroyed, 2);
    tells(e);
    env_free(e);
    MODEL_EQ(e->gone, 3);
}

/* What a destroy in the ending thread asks of the pool is served without a cache. */
static void calls_in_destroy(void *user, void *object)
{
    env *e = user;
    thing_destroy(e, object);
    if (model_add(&e->said, 1) == 1) {
        borrows(e);
    }
}

MODEL_SCENARIO(objpool_destroy_in_an_ending_thread_calls_the_pool, .exhaustive = true,
               .covers = "L6")
{
    env *e = env_new_with((cconc_objpool_opts){.cache = 3, .max_count = 1}, calls_in_destroy);
    cconc_objpool_counts counts;
    model_spawn(borrows_three_and_says, e);
    model_join_all();
    cconc_objpool_read(e->pool, &counts);
    MODEL_EQ(counts.retained, 1);
    MODEL_EQ(counts.threads, 0);
    MODEL_EQ(counts.lent, 0);
    env_free(e);
    MODEL_EQ(e->gone, e->made);
}

/* Two pools whose caches a thread finds in the same place; one pool goes as the thread ends. */
static void borrows_of_both(void *arg)
{
    env *e = arg;
    borrows(e);
    borrows(e->other);
    borrows(e);
    (void)model_add(&e->said, 1);
}

MODEL_SCENARIO(objpool_two_pools_in_one_place, .exhaustive = true, .covers = "L3 L5")
{
    env *e = env_new((cconc_objpool_opts){.cache = 1});
    for (int i = 0; i < 7; i++) {
        env_free(env_new((cconc_objpool_opts){.cache = 1}));
    }
    e->other = env_new((cconc_objpool_opts){.cache = 1});
    model_spawn(borrows_of_both, e);
    model_await(&e->said, 1);
    env_free(e->other);
    MODEL_EQ(e->other->gone, 1);
    borrows(e);
    model_join_all();
    env_free(e);
    MODEL_EQ(e->gone, e->made);
}

/* The number of trims goes over its end. */
MODEL_SCENARIO(objpool_number_of_trims_wraps, .exhaustive = true, .covers = "L1 L8",
               .goals = "wrapped")
{
    env *e = env_new((cconc_objpool_opts){.cache = 1});
    atom_init(&e->pool->trims, UINT32_MAX - 1);
    model_spawn(borrows_and_says, e);
    model_await(&e->said, 1);
    cconc_objpool_trim(e->pool);
    MODEL_CHECK(!e->things[0].is_gone); /* survives one trim */
    cconc_objpool_trim(e->pool);
    model_join_all();
    env_count(e);
    if (atom_load_rlx(&e->pool->trims) == 0) {
        model_cover("wrapped");
    }
    env_free(e);
    MODEL_EQ(e->gone, 1);
}

/* A cache that outlives two trims is emptied by the second one, wherever the number stands. */
MODEL_SCENARIO(objpool_age_is_right_where_trims_wrap, .exhaustive = true, .covers = "L1")
{
    for (uint32_t at = UINT32_MAX - 2; at != 2; at++) {
        env *e = env_new((cconc_objpool_opts){.cache = 1});
        atom_init(&e->pool->trims, at);
        borrows(e);
        cconc_objpool_trim(e->pool);
        MODEL_CHECK(!e->things[0].is_gone);
        cconc_objpool_trim(e->pool);
        MODEL_CHECK(e->things[0].is_gone);
        env_free(e);
    }
}

/* ---- callbacks ------------------------------------------------------------------------------ */

static int ends_in_create(void *user, void **out_object)
{
    (void)thing_create(user, out_object);
    if (model_add(&((env *)user)->said, 1) == 0) {
        model_exit_thread();
    }
    return 0;
}

MODEL_SCENARIO(objpool_create_that_ends_its_thread, .exhaustive = true)
{
    env *e = env_new((cconc_objpool_opts){.cache = 1, .create = ends_in_create});
    cconc_objpool_counts counts;
    model_spawn(borrows, e);
    model_join_all();
    borrows(e);
    cconc_objpool_read(e->pool, &counts);
    MODEL_EQ(counts.lent, 0);
    MODEL_EQ(counts.retained, 1);
    MODEL_EQ(counts.created, 1);
    env_free(e);
    MODEL_EQ(e->gone, 1);
}

static int ends_in_reset(void *user, void *object)
{
    thing *t = object;
    (void)user;
    t->is_lent = false;
    if (t->number == 0) {
        model_exit_thread();
    }
    return 0;
}

MODEL_SCENARIO(objpool_reset_that_ends_its_thread, .exhaustive = true)
{
    env *e = env_new((cconc_objpool_opts){.cache = 1, .reset = ends_in_reset});
    thing *t;
    cconc_objpool_counts counts;
    e->got = env_get(e);
    t = env_get(e);
    model_spawn(puts_back, e);
    cconc_objpool_put(e->pool, t);
    model_join_all();
    cconc_objpool_read(e->pool, &counts);
    MODEL_EQ(counts.lent, 0);
    MODEL_EQ(counts.retained, 1);
    env_free(e);
    MODEL_CHECK(t->is_gone && !e->got->is_gone); /* as if it had been destroyed */
}

MODEL_SCENARIO(objpool_destroy_that_ends_its_thread_in_trim, .exhaustive = true)
{
    env *e = env_new_with((cconc_objpool_opts){.cache = CCONC_OBJPOOL_NO_CACHE}, ends_in_destroy);
    borrows_three(e);
    cconc_objpool_trim(e->pool);
    model_set(&e->said, 1);
    model_spawn(trims, e);
    model_join_all();
    MODEL_EQ(model_get(&e->ended), 1);
    tells(e);
    cconc_objpool_trim(e->pool); /* goes on with what that one has left */
    MODEL_EQ(model_get(&e->ended), 3);
    env_free(e);
    MODEL_EQ(e->gone, 3);
}

static void frees(void *arg)
{
    cconc_objpool_free(((env *)arg)->pool);
}

MODEL_SCENARIO(objpool_destroy_that_ends_its_thread_in_free, .exhaustive = true)
{
    env *e = env_new_with((cconc_objpool_opts){.cache = 1}, ends_in_destroy);
    borrows_three(e);
    model_set(&e->said, 1);
    model_spawn(frees, e);
    model_join_all();
    MODEL_EQ(model_get(&e->ended), 3); /* and all memory is back */
}

static int frees_in_create(void *user, void **out_object)
{
    (void)out_object;
    model_expect(MODEL_MISUSE);
    cconc_objpool_free(((env *)user)->pool);
    return EIO;
}

/* Only checked builds see it; the one for races is none. */
MODEL_SCENARIO(objpool_free_during_get_aborts, .exhaustive = true,
               .only = MODEL_IN_PLAIN | MODEL_IN_WEAK | MODEL_IN_ASAN)
{
    env *e = env_new((cconc_objpool_opts){.cache = 1, .create = frees_in_create});
    borrows(e);
}

static int calls_in_reset(void *user, void *object)
{
    env *e = user;
    int err = thing_reset(user, object);
    if (!e->refuses) {
        e->refuses = true;
        borrows(e); /* refused, for it is another one */
        e->refuses = false;
    }
    return err;
}

MODEL_SCENARIO(objpool_reset_calls_the_pool, .exhaustive = true)
{
    env *e = env_new((cconc_objpool_opts){.cache = 1, .reset = calls_in_reset});
    borrows(e);
    env_count(e);
    MODEL_EQ(e->made, 2);
    MODEL_EQ(e->gone, 1);
    model_spawn(trims, e);
    (void)env_get(e);
    model_join_all();
    env_free(e);
}

/* ---- the end -------------------------------------------------------------------------------- */

static void borrows_and_frees(void *arg)
{
    env *e = arg;
    borrows(e);
    if (model_add(&e->said, 1) == 1) {
        cconc_objpool_free(e->pool);
    }
}

MODEL_SCENARIO(objpool_goes_with_the_last_return, .covers = "S5 L5")
{
    env *e = env_new((cconc_objpool_opts){.cache = 1});
    model_spawn(borrows_and_frees, e);
    borrows_and_frees(e);
    model_join_all();
    env_count(e);
    MODEL_EQ(e->gone, e->made);
}

/* ---- faults --------------------------------------------------------------------------------- */

MODEL_SCENARIO(objpool_create_fails, .exhaustive = true)
{
    env *e = env_new((cconc_objpool_opts){.cache = 1});
    void *object = NULL;
    e->fails = EIO;
    MODEL_EQ(cconc_objpool_get(e->pool, &object), EIO);
    MODEL_CHECK(!object);
    MODEL_EQ(cconc_objpool_lent(e->pool), 0);
    e->fails = 0;
    borrows(e);
    env_free(e);
    MODEL_EQ(e->gone, 1);
}

/* Without a place for more, an object goes at once, or the thread has no cache. */
MODEL_SCENARIO(objpool_without_memory_goes_on, .faults = MODEL_NO_MEMORY, .covers = "X4")
{
    env *e = env_new((cconc_objpool_opts){.cache = 1});
    model_spawn(borrows, e);
    borrows(e);
    model_join_all();
    MODEL_EQ(cconc_objpool_lent(e->pool), 0);
    cconc_objpool_trim(e->pool);
    cconc_objpool_trim(e->pool);
    env_count(e);
    MODEL_EQ(e->gone, e->made);
    env_free(e);
}

MODEL_SCENARIO(objpool_of_buffers_without_memory, .exhaustive = true, .faults = MODEL_NO_MEMORY,
               .covers = "X4", .goals = "failed lent")
{
    cconc_objpool_opts opts = {.size = 16};
    cconc_objpool *pool = NULL;
    void *buffer = NULL;
    int err = cconc_objpool_new(&opts, &pool);
    if (!err) {
        err = cconc_objpool_get(pool, &buffer);
    }
    if (err) {
        MODEL_EQ(err, ENOMEM);
        MODEL_CHECK(model_had_fault(MODEL_NO_MEMORY) && !buffer);
        model_cover("failed");
    } else {
        model_cover("lent");
        cconc_objpool_put(pool, buffer);
    }
    cconc_objpool_free(pool);
}

MODEL_SCENARIO(objpool_where_ends_of_threads_are_not_told, .exhaustive = true,
               .faults = MODEL_NO_KEY, .covers = "L7")
{
    env *e = env_new((cconc_objpool_opts){.cache = 1});
    cconc_objpool_counts counts;
    model_spawn(borrows, e);
    model_join_all();
    cconc_objpool_read(e->pool, &counts);
    MODEL_EQ(counts.threads, 0); /* nobody would hand a cache over */
    MODEL_EQ(counts.retained, 1);
    env_free(e);
    MODEL_EQ(e->gone, 1);
}
