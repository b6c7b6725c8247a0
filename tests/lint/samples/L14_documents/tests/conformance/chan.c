/* chan.c - tests
 * SPDX-License-Identifier: MIT
 *
 * Risk     Something.
 * Method   Calls it.
 * Catches  Its loss.
 */
static const struct CMUnitTest tests[] = {
    UNIT_TEST(has_a_row),
    UNIT_TEST(has_no_row),
};
