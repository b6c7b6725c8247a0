/* same_hash.c - keys that are told apart although all have one hash
 * SPDX-License-Identifier: MIT
 *
 * Risk      A hash taken for the key: two keys of a limiter share their tokens, two calls with
 *           different keys their result. It happens once in 2^64, and to nobody who tests.
 * Method    The program's own hash function stands before the library's, and gives one number.
 * Catches   F1, R4 for keys; lim-11.
 */
#include "unit.h"

#include "core/hash.h"

#include <errno.h>
#include <string.h>

#include <cconc/cconc.h>

uint64_t __wrap_cconc__hash_bytes(hash_key secret, const void *bytes, size_t size);

uint64_t __wrap_cconc__hash_bytes(hash_key secret, const void *bytes, size_t size)
{
    (void)secret;
    (void)bytes;
    (void)size;
    return 77;
}

static const char *const keys[] = {"", "a", "b", "ab", "ba", "abc", "abd", "xbc"};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

static void same_hash_keeps_the_keys_of_a_limiter_apart(void **state)
{
    cconc_limiter_keyed *limiter;
    (void)state;
    assert_int_equal(cconc_limiter_keyed_new(0, 2, 100, &limiter), 0);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < KEYS; i++) {
            assert_int_equal(cconc_limiter_keyed_allow(limiter, keys[i], strlen(keys[i]), 1),
                             round < 2 ? 0 : EAGAIN);
        }
    }
    assert_int_equal(cconc_limiter_keyed_len(limiter), KEYS);
    cconc_limiter_keyed_free(limiter);
}

static int give_argument(cconc_ctx *ctx, void *arg, void **out_value)
{
    (void)ctx;
    *out_value = arg;
    return 0;
}

static void same_hash_keeps_the_keys_of_flights_apart(void **state)
{
    cconc_flight_opts opts = {.keep_ns = 1000 * CCONC_SECOND};
    cconc_flight *set;
    (void)state;
    assert_int_equal(cconc_flight_new(&opts, &set), 0);
    for (int round = 0; round < 2; round++) { /* made, and then kept */
        for (size_t i = 0; i < KEYS; i++) {
            cconc_flight_result *result;
            char *mine = (char *)(uintptr_t)(keys[i] + (round ? 1 : 0));
            assert_int_equal(cconc_flight_do(set, NULL, keys[i], strlen(keys[i]), give_argument,
                                             mine, NULL, &result), 0);
            assert_ptr_equal(cconc_flight_result_value(result), keys[i]);
            cconc_flight_result_unref(result);
        }
    }
    cconc_flight_free(set);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(same_hash_keeps_the_keys_of_a_limiter_apart),
        UNIT_TEST(same_hash_keeps_the_keys_of_flights_apart),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
