/* storage.c - unit tests of whose memory an object lies in
 * SPDX-License-Identifier: MIT
 *
 * Risk      A free that returns while another thread still uses the storage, or that never returns
 *           because the last one to leave told nobody; memory of the caller's that goes to the
 *           allocator.
 * Method    References that other threads drop while one is seen to wait for them; the allocator
 *           counts blocks.
 * Catches   G1, G3; invariant I1 of core/storage.c.
 */
#include "chan_help.h"

#include <stdatomic.h>
#include <string.h>

#include "core/lot.h"
#include "core/storage.h"
#include "plat/alloc.h"

typedef struct room {
    ref refs;
    int written; /* before a reference is dropped */
    atomic_int returned;
} room;

static void awaits(void *arg, size_t index)
{
    room *r = arg;
    (void)index;
    cconc__storage_await(&r->refs);
    SUPPORT_CHECK(r->written == 1);
    atomic_store(&r->returned, 1);
}

/* ---- smoke ---------------------------------------------------------------------------------- */

static void storage_of_the_caller_is_left_alone(void **state)
{
    uint64_t words[8];
    void *memory = cconc__alloc(sizeof(words));
    size_t blocks = support_live_blocks();
    (void)state;
    SUPPORT_CHECK(memory);
    memset(words, 0x5a, sizeof(words));
    assert_ptr_equal(storage_clear(words, sizeof(words) - 8), words);
    for (size_t i = 0; i < 7; i++) {
        assert_true(words[i] == 0);
    }
    assert_true(words[7] == UINT64_C(0x5a5a5a5a5a5a5a5a));
    cconc__storage_leave(words, true);
    assert_int_equal(support_live_blocks(), blocks);
    cconc__storage_leave(memory, false);
    assert_int_equal(support_live_blocks(), blocks - 1);
}

static void storage_put_tells_the_last_one(void **state)
{
    ref r;
    (void)state;
    for (int in_storage = 0; in_storage < 2; in_storage++) {
        ref_init(&r, 2);
        assert_false(cconc__storage_put(&r, in_storage));
        assert_true(cconc__storage_put(&r, in_storage));
        assert_int_equal(ref_count(&r), 0);
    }
}

/* ---- blocking ------------------------------------------------------------------------------- */

static void storage_await_of_the_only_reference_returns_at_once(void **state)
{
    ref r;
    (void)state;
    ref_init(&r, 1);
    cconc__storage_await(&r);
    assert_int_equal(ref_count(&r), 1);
}

static void storage_await_waits_for_every_other_reference(void **state)
{
    room r = {.written = 0};
    (void)state;
    ref_init(&r.refs, 3);
    struct support_threads *threads = support_threads_start(1, awaits, &r);
    until(cconc__lot_count(&r.refs) == 1);
    assert_false(cconc__storage_put(&r.refs, true));
    until(cconc__lot_count(&r.refs) == 1); /* it has looked, and waits again */
    assert_int_equal(atomic_load(&r.returned), 0);
    r.written = 1;
    assert_false(cconc__storage_put(&r.refs, true));
    assert_int_equal(support_threads_join(threads), 0);
    assert_int_equal(atomic_load(&r.returned), 1);
    assert_true(cconc__storage_put(&r.refs, true));
}

/* ---- races ---------------------------------------------------------------------------------- */

static void drops(void *arg, size_t index)
{
    room *r = arg;
    (void)index;
    (void)cconc__storage_put(&r->refs, true);
}

/* The room is the stack's: a drop that comes too late would be seen by sanitizers. */
static void storage_is_left_by_all_who_drop_when_await_returns(void **state)
{
    (void)state;
    for (int i = 0; i < MANY(500, 50); i++) {
        room r = {.written = 0};
        ref_init(&r.refs, 3);
        struct support_threads *threads = support_threads_start(2, drops, &r);
        cconc__storage_await(&r.refs);
        assert_int_equal(ref_count(&r.refs), 1);
        memset(&r, 0xff, sizeof(r));
        assert_int_equal(support_threads_join(threads), 0);
        assert_int_equal(ref_count(&r.refs), UINT32_MAX);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(storage_of_the_caller_is_left_alone),
        UNIT_TEST(storage_put_tells_the_last_one),
        UNIT_TEST(storage_await_of_the_only_reference_returns_at_once),
        UNIT_TEST(storage_await_waits_for_every_other_reference),
        UNIT_TEST(storage_is_left_by_all_who_drop_when_await_returns),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
