/* hash.c - unit tests of the keyed hash
 * SPDX-License-Identifier: MIT
 *
 * Risk      A hash that is not SipHash-1-3, that depends on alignment or leaves bytes out, secrets
 *           that are alike.
 * Method    Results of another implementation (that of CPython, with the secret 0); each bit of the
 *           input and of the secret changed in turn.
 * Catches   invariant I1 of core/hash.c; flight limits.
 */
#include "unit.h"

#include "core/hash.h"

#include <string.h>

static void hash_is_siphash_1_3(void **state)
{
    static const struct {
        size_t len; /* of the bytes 0, 1, 2, ... */
        uint64_t hash;
    } known[] = {
        {15, UINT64_C(0xf30eb725bb91c9ea)},
        {16, UINT64_C(0x8972188433a5c5b7)},
        {64, UINT64_C(0x75e05fd5bbc870c6)},
    };
    hash_key zero = {0, 0};
    unsigned char bytes[65];
    (void)state;
    for (size_t shift = 0; shift < 2; shift++) { /* aligned, and not */
        for (size_t i = 0; i < 64; i++) {
            bytes[shift + i] = (unsigned char)i;
        }
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
            assert_true(cconc__hash_bytes(zero, bytes + shift, known[i].len) == known[i].hash);
        }
    }
    assert_true(cconc__hash_bytes(zero, "a", 1) == UINT64_C(0x407448d2b89b1813));
    assert_true(cconc__hash_bytes(zero, "user:42", 7) == UINT64_C(0x223dd74fb15f308d));
    assert_true(cconc__hash_bytes(zero, "\0\0\0\0\0\0\0", 8) == UINT64_C(0xbd60acb658c79e45));
    assert_true(cconc__hash_bytes(zero, NULL, 0) == cconc__hash_bytes(zero, "", 0));
}

static void hash_depends_on_every_bit_of_bytes_length_and_secret(void **state)
{
    hash_key key = {1, 2};
    unsigned char bytes[24] = {0};
    uint64_t plain = cconc__hash_bytes(key, bytes, sizeof(bytes));
    (void)state;
    for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
        bytes[bit / 8] = (unsigned char)(1u << (bit % 8));
        assert_true(cconc__hash_bytes(key, bytes, sizeof(bytes)) != plain);
        bytes[bit / 8] = 0;
    }
    for (size_t len = 0; len < sizeof(bytes); len++) {
        assert_true(cconc__hash_bytes(key, bytes, len) != plain);
    }
    for (int bit = 0; bit < 64; bit++) {
        hash_key other = {key.k0 ^ (UINT64_C(1) << bit), key.k1};
        hash_key another = {key.k0, key.k1 ^ (UINT64_C(1) << bit)};
        assert_true(cconc__hash_bytes(other, bytes, sizeof(bytes)) != plain);
        assert_true(cconc__hash_bytes(another, bytes, sizeof(bytes)) != plain);
    }
}

static void hash_secrets_differ(void **state)
{
    hash_key one = cconc__hash_key();
    hash_key two = cconc__hash_key();
    (void)state;
    assert_true(one.k0 != two.k0 && one.k1 != two.k1);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(hash_is_siphash_1_3),
        UNIT_TEST(hash_depends_on_every_bit_of_bytes_length_and_secret),
        UNIT_TEST(hash_secrets_differ),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
