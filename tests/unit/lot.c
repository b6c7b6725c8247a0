/* lot.c - unit tests of the lot: waiters found by the address of their object
 * SPDX-License-Identifier: MIT
 *
 * Risk      Objects that share a bucket and get each other's wakes or counts; a node removed twice.
 * Method    Far more objects than buckets, so that many share; real waits on a few of them.
 * Catches   G1 G3, S14; invariant I1 of core/lot.c; rule all-13.
 */
#include "chan_help.h"

#include "core/lot.h"

#include <stdatomic.h>

#define OBJECTS 1000

/* ---- smoke ---------------------------------------------------------------------------------- */

static void lot_counts_the_waiters_of_each_object_alone(void **state)
{
    static char objects[OBJECTS];
    static wait_node nodes[OBJECTS];
    static waiter waiters[OBJECTS];
    (void)state;
    for (size_t i = 0; i < OBJECTS; i++) {
        cconc__waiter_arm(&waiters[i], NULL);
        wait_node_init(&nodes[i], &waiters[i], NULL, (uint32_t)i);
        assert_int_equal(cconc__lot_count(&objects[i]), 0);
        lot_bucket *bucket = cconc__lot_take(&objects[i]);
        cconc__lot_push_locked(bucket, &nodes[i], &objects[i]);
        cconc__lot_leave(bucket);
        assert_int_equal(cconc__lot_count(&objects[i]), 1);
    }
    for (size_t i = 0; i < OBJECTS; i++) {
        assert_int_equal(cconc__lot_count(&objects[i]), 1);
        cconc__lot_remove(&nodes[i], &objects[i]);
        assert_int_equal(cconc__lot_count(&objects[i]), 0);
        cconc__lot_remove(&nodes[i], &objects[i]); /* it has left: nothing happens */
        assert_true(cconc__waiter_withdraw(&waiters[i]));
    }
}

static lot_bucket *bucket_of(const void *object)
{
    lot_bucket *bucket = cconc__lot_take(object);
    cconc__lot_leave(bucket);
    return bucket;
}

/* Two objects in one bucket, their waiters in turn. */
static void lot_claims_the_waiters_of_one_object_in_order(void **state)
{
    static char objects[OBJECTS];
    wait_node nodes[8];
    waiter waiters[8];
    wake_batch batch = WAKE_BATCH_INIT;
    size_t other = 1;
    (void)state;
    while (bucket_of(&objects[other]) != bucket_of(&objects[0])) {
        other++;
        assert_true(other < OBJECTS);
    }
    lot_bucket *bucket = cconc__lot_take(&objects[0]);
    for (uint32_t i = 0; i < 8; i++) {
        cconc__lot_leave(bucket);
        cconc__waiter_arm(&waiters[i], NULL);
        wait_node_init(&nodes[i], &waiters[i], NULL, i);
        bucket = cconc__lot_take(&objects[0]);
        cconc__lot_push_locked(bucket, &nodes[i], &objects[i % 2 == 0 ? 0 : other]);
    }
    assert_true(waiter_claim(&waiters[2], CLAIM_TIMEOUT, 2)); /* this one gave up before */
    cconc__lot_claim_locked(bucket, &objects[0], CLAIM_GRANT, &batch);
    cconc__lot_leave(bucket);
    const wait_node *at = batch.first;
    for (uint32_t i = 0; i < 8; i += 2) {
        assert_false(nodes[i].queued);
        assert_int_equal(waiter_kind(&waiters[i]), i == 2 ? CLAIM_TIMEOUT : CLAIM_GRANT);
        if (i != 2) {
            assert_ptr_equal(at, &nodes[i]);
            at = at->link.next ? LIST_OF(at->link.next, wait_node, link) : NULL;
        }
    }
    assert_null(at);
    assert_int_equal(cconc__lot_count(&objects[0]), 0);
    assert_int_equal(cconc__lot_count(&objects[other]), 4);
    for (uint32_t i = 1; i < 8; i += 2) {
        cconc__lot_remove(&nodes[i], &objects[other]);
        assert_true(cconc__waiter_withdraw(&waiters[i]));
    }
    assert_int_equal(cconc__lot_count(&objects[other]), 0);
}

/* ---- blocking ------------------------------------------------------------------------------- */

struct sleepers {
    char        objects[2];
    atomic_int  back[2];
    cconc_ctx  *ctx;
};

static void sleep_in_the_lot(void *arg, size_t index)
{
    struct sleepers *s = arg;
    const void *object = &s->objects[index % 2];
    waiter w;
    wait_node node;
    cconc__waiter_arm(&w, s->ctx);
    wait_node_init(&node, &w, NULL, 0);
    lot_bucket *bucket = cconc__lot_take(object);
    cconc__lot_push_locked(bucket, &node, object);
    cconc__lot_leave(bucket);
    cconc__waiter_park(&w, true);
    cconc__lot_remove(&node, object);
    waiter_disarm(&w);
    atomic_fetch_add(&s->back[index % 2], 1);
}

static void wake_all_at(const void *object)
{
    wake_batch batch = WAKE_BATCH_INIT;
    lot_bucket *bucket = cconc__lot_take(object);
    cconc__lot_claim_locked(bucket, object, CLAIM_READY, &batch);
    cconc__lot_leave(bucket);
    batch_wake(&batch);
}

static void lot_wakes_the_waiters_of_one_object_only(void **state)
{
    struct sleepers s = {.ctx = NULL};
    (void)state;
    struct support_threads *threads = support_threads_start(10, sleep_in_the_lot, &s);
    until(cconc__lot_count(&s.objects[0]) == 5 && cconc__lot_count(&s.objects[1]) == 5);
    wake_all_at(&s.objects[0]);
    until(atomic_load(&s.back[0]) == 5);
    assert_int_equal(atomic_load(&s.back[1]), 0);
    assert_int_equal(cconc__lot_count(&s.objects[1]), 5);
    wake_all_at(&s.objects[1]);
    support_threads_join(threads);
    assert_int_equal(atomic_load(&s.back[1]), 5);
}

static void lot_is_empty_after_its_waiters_were_cancelled(void **state)
{
    struct sleepers s = {.ctx = ctx_make()};
    (void)state;
    struct support_threads *threads = support_threads_start(6, sleep_in_the_lot, &s);
    until(cconc__lot_count(&s.objects[0]) == 3 && cconc__lot_count(&s.objects[1]) == 3);
    cconc_ctx_cancel(s.ctx);
    support_threads_join(threads);
    assert_int_equal(cconc__lot_count(&s.objects[0]), 0);
    assert_int_equal(cconc__lot_count(&s.objects[1]), 0);
    cconc_ctx_free(s.ctx);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(lot_counts_the_waiters_of_each_object_alone),
        UNIT_TEST(lot_claims_the_waiters_of_one_object_in_order),
        UNIT_TEST(lot_wakes_the_waiters_of_one_object_only),
        UNIT_TEST(lot_is_empty_after_its_waiters_were_cancelled),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
