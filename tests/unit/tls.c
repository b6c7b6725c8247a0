/* tls.c - unit tests of the one record a thread has, and of the call when the thread ends
 * SPDX-License-Identifier: MIT
 *
 * Risk      A slot that another thread sees, one that is not told of its thread's end or told
 *           twice, a slot set again by a later destructor that is forgotten.
 * Method    Plain threads that set slots and end; another key's destructor sets one once ours ran.
 * Catches   L3 L4 L6; invariant I1 of plat/tls.c.
 */
#include "unit.h"

#include "plat/tls.h"

#include <pthread.h>
#include <stdatomic.h>

#define THREADS 8

struct keeper {
    plat_tls_slot slot; /* first: on_exit gets it back */
    int           exits;
    int           sets_again; /* how often on_exit sets the slot anew */
    bool          was_unset;  /* in on_exit */
};

static void keeper_exit(plat_tls_slot *slot)
{
    struct keeper *k = (struct keeper *)(void *)slot;
    k->exits++;
    k->was_unset = plat_tls_get() == NULL;
    if (k->sets_again > 0) {
        k->sets_again--;
        cconc__tls_set(slot);
    }
}

/* ---- smoke ---------------------------------------------------------------------------------- */

struct crowd {
    struct keeper keepers[THREADS];
    atomic_int    set;
    atomic_int    right;
};

static void keep_one(void *arg, size_t index)
{
    struct crowd *crowd = arg;
    struct keeper *k = &crowd->keepers[index];
    bool was_empty = plat_tls_get() == NULL;
    cconc__tls_set(&k->slot);
    atomic_fetch_add(&crowd->set, 1);
    until(atomic_load(&crowd->set) == THREADS);
    if (was_empty && plat_tls_get() == &k->slot) {
        atomic_fetch_add(&crowd->right, 1);
    }
}

static void tls_keeps_one_slot_for_each_thread_and_tells_it_of_the_end(void **state)
{
    struct crowd crowd = {.set = 0};
    plat_tls_slot *mine = plat_tls_get();
    (void)state;
    for (size_t i = 0; i < THREADS; i++) {
        crowd.keepers[i].slot.on_exit = keeper_exit;
    }
    support_threads_join(support_threads_start(THREADS, keep_one, &crowd));
    assert_int_equal(atomic_load(&crowd.right), THREADS);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(crowd.keepers[i].exits, 1);
        assert_true(crowd.keepers[i].was_unset);
    }
    assert_ptr_equal(plat_tls_get(), mine);
}

static void set_and_unset(void *arg, size_t index)
{
    struct keeper *keepers = arg;
    (void)index;
    cconc__tls_set(&keepers[0].slot);
    cconc__tls_set(&keepers[1].slot);
    SUPPORT_CHECK(plat_tls_get() == &keepers[1].slot);
    cconc__tls_set(NULL);
    SUPPORT_CHECK(plat_tls_get() == NULL);
}

static void tls_tells_nobody_where_nothing_is_kept_any_more(void **state)
{
    struct keeper keepers[2] = {{.slot = {keeper_exit}}, {.slot = {keeper_exit}}};
    (void)state;
    support_threads_join(support_threads_start(1, set_and_unset, keepers));
    assert_int_equal(keepers[0].exits, 0);
    assert_int_equal(keepers[1].exits, 0);
}

/* ---- the end of a thread -------------------------------------------------------------------- */

static void set_one(void *arg, size_t index)
{
    struct keeper *k = arg;
    (void)index;
    cconc__tls_set(&k->slot);
}

static void tls_tells_a_slot_that_was_set_while_the_thread_ended(void **state)
{
    struct keeper k = {.slot = {keeper_exit}, .sets_again = 2};
    (void)state;
    support_threads_join(support_threads_start(1, set_one, &k));
    assert_int_equal(k.exits, 3);
    assert_true(k.was_unset);
}

/* Somebody else's key, made after ours: its destructor runs after ours did. */
struct stranger {
    pthread_key_t key;
    struct keeper first;
    struct keeper second;
    int           exits_before;
    bool          found_none;
};

static void stranger_ends(void *arg)
{
    struct stranger *s = arg;
    s->exits_before = s->first.exits;
    s->found_none = plat_tls_get() == NULL;
    cconc__tls_set(&s->second.slot);
}

static void set_beside_stranger(void *arg, size_t index)
{
    struct stranger *s = arg;
    (void)index;
    SUPPORT_CHECK(pthread_setspecific(s->key, s) == 0);
    cconc__tls_set(&s->first.slot);
}

static void tls_serves_the_destructor_of_another_key(void **state)
{
    struct stranger s = {.first = {.slot = {keeper_exit}}, .second = {.slot = {keeper_exit}}};
    (void)state;
    assert_non_null(plat_tls_get()); /* the main thread has a record, so our key was made before */
    assert_int_equal(pthread_key_create(&s.key, stranger_ends), 0);
    support_threads_join(support_threads_start(1, set_beside_stranger, &s));
    assert_int_equal(pthread_key_delete(s.key), 0);
    assert_int_equal(s.exits_before, 1);
    assert_true(s.found_none);
    assert_int_equal(s.first.exits, 1);
    assert_int_equal(s.second.exits, 1);
    assert_true(s.second.was_unset);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(tls_keeps_one_slot_for_each_thread_and_tells_it_of_the_end),
        UNIT_TEST(tls_tells_nobody_where_nothing_is_kept_any_more),
        UNIT_TEST(tls_tells_a_slot_that_was_set_while_the_thread_ended),
        UNIT_TEST(tls_serves_the_destructor_of_another_key),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
