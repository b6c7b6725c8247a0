/* seed.c - unit tests of the bits that nobody can guess
 * SPDX-License-Identifier: MIT
 *
 * Risk      Bytes left as they were, the same ones twice, an errno of the caller that has changed.
 * Method    Many fills, each bit seen both ways.
 * Catches   invariant I1 of plat/seed.c.
 */
#include "unit.h"

#include "plat/seed.h"

#include <errno.h>
#include <string.h>

static void seed_fills_every_byte_and_leaves_errno_and_the_rest_alone(void **state)
{
    unsigned char ones[17] = {0};
    unsigned char zeros[17] = {0};
    (void)state;
    errno = 7777;
    for (int i = 0; i < 100; i++) {
        unsigned char bytes[17];
        memset(bytes, 0x55, sizeof(bytes));
        cconc__seed_fill(bytes, 16);
        for (size_t at = 0; at < 16; at++) {
            ones[at] |= bytes[at];
            zeros[at] |= (unsigned char)~bytes[at];
        }
        assert_int_equal(bytes[16], 0x55);
    }
    for (size_t at = 0; at < 16; at++) {
        assert_int_equal(ones[at], 0xff);
        assert_int_equal(zeros[at], 0xff);
    }
    assert_int_equal(errno, 7777);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(seed_fills_every_byte_and_leaves_errno_and_the_rest_alone),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
