/* objpool_store.c - unit tests of the objects that every thread finds
 * SPDX-License-Identifier: MIT
 *
 * Risk      An item lost or doubled where one block ends, a bound that leaks, one trim too many or
 *           too few before an item is doomed.
 * Method    A store with blocks of the test's own; each item is a number.
 * Catches   opool-2 opool-3; invariants I1 I2 of prim/objpool_store.c.
 */
#include "unit.h"

#include "prim/objpool.h"

#include <string.h>

#define BLOCKS 8

static store_block blocks[BLOCKS];

static objpool_store store_of(size_t max_count, size_t max_bytes)
{
    objpool_store store = {.max_count = max_count, .max_bytes = max_bytes, .blocks = BLOCKS};
    memset(blocks, 0, sizeof(blocks));
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i].next = store.spare;
        store.spare = &blocks[i];
    }
    return store;
}

static store_item item_of(uintptr_t number, size_t bytes)
{
    return (store_item){(void *)number, bytes};
}

static void store_gives_each_item_back_once_and_needs_no_more_blocks(void **state)
{
    objpool_store store = store_of(SIZE_MAX, SIZE_MAX);
    size_t most = (size_t)BLOCKS * STORE_BLOCK_LEN;
    store_item item;
    (void)state;
    for (size_t i = 1; i <= most; i++) {
        assert_true(cconc__objpool_store_has_block(&store, &store.fresh));
        assert_true(cconc__objpool_store_keep(&store, item_of(i, 1), true));
    }
    assert_false(cconc__objpool_store_has_block(&store, &store.fresh));
    assert_false(cconc__objpool_store_keep(&store, item_of(most + 1, 1), true));
    for (size_t i = most; i >= 1; i--) {
        assert_true(cconc__objpool_store_pop(&store, &store.fresh, &item));
        assert_ptr_equal(item.object, (void *)(uintptr_t)i);
        assert_int_equal(store.fresh.count, i - 1);
        assert_int_equal(store.fresh.bytes, i - 1);
    }
    assert_false(cconc__objpool_store_pop(&store, &store.fresh, &item));
}

static void store_bounds_hold_for_fresh_and_aged_together(void **state)
{
    objpool_store store = store_of(3, 100);
    store_item item;
    (void)state;
    assert_false(cconc__objpool_store_keep(&store, item_of(1, 101), true));
    assert_false(cconc__objpool_store_keep(&store, item_of(1, SIZE_MAX), true));
    assert_true(cconc__objpool_store_keep(&store, item_of(1, 60), true));
    assert_false(cconc__objpool_store_keep(&store, item_of(2, 41), false));
    assert_true(cconc__objpool_store_keep(&store, item_of(2, 40), false));
    assert_true(cconc__objpool_store_keep(&store, item_of(3, 0), true));
    assert_false(cconc__objpool_store_keep(&store, item_of(4, 0), true));
    assert_true(cconc__objpool_store_pop(&store, &store.aged, &item));
    assert_true(cconc__objpool_store_keep(&store, item_of(4, 40), true));
}

static void store_dooms_at_the_second_trim_and_keeps_what_was_doomed(void **state)
{
    objpool_store store = store_of(SIZE_MAX, SIZE_MAX);
    store_item item;
    uintptr_t sum = 0;
    (void)state;
    assert_true(cconc__objpool_store_keep(&store, item_of(1, 5), true));
    cconc__objpool_store_age(&store);
    assert_int_equal(store.aged.count, 1);
    assert_true(cconc__objpool_store_keep(&store, item_of(2, 6), true));
    cconc__objpool_store_age(&store);
    assert_int_equal(store.doomed.count, 1);
    cconc__objpool_store_age(&store);
    assert_int_equal(store.doomed.count, 2);
    assert_int_equal(store.doomed.bytes, 11);
    while (cconc__objpool_store_pop(&store, &store.doomed, &item)) {
        sum += (uintptr_t)item.object;
    }
    assert_int_equal(sum, 3);
}

static void store_needs_blocks_for_what_it_may_hold(void **state)
{
    objpool_store store = store_of(100, SIZE_MAX);
    (void)state;
    assert_true(cconc__objpool_store_need(&store, 0) >= 3);
    assert_true(cconc__objpool_store_need(&store, 60) >= 60 / STORE_BLOCK_LEN + 3);
    assert_int_equal(cconc__objpool_store_need(&store, SIZE_MAX),
                     cconc__objpool_store_need(&store, 100));
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(store_gives_each_item_back_once_and_needs_no_more_blocks),
        UNIT_TEST(store_bounds_hold_for_fresh_and_aged_together),
        UNIT_TEST(store_dooms_at_the_second_trim_and_keeps_what_was_doomed),
        UNIT_TEST(store_needs_blocks_for_what_it_may_hold),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
