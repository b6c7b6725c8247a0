/* storage.c - unit tests of whose memory an object lies in
 * SPDX-License-Identifier: MIT
 *
 * Risk      Memory of the caller's that goes to the allocator, or the allocator's that does not;
 *           storage that is used as it was left.
 * Method    One block of each kind; the allocator counts blocks. The objects are in static.c.
 * Catches   G1.
 */
#include "unit.h"

#include <string.h>

#include "core/storage.h"
#include "plat/alloc.h"

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

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(storage_of_the_caller_is_left_alone),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
