/* same_hash.c - keys that are told apart although all have one hash, and one list too long
 * SPDX-License-Identifier: MIT
 *
 * Risk      A hash taken for the key: two keys of a limiter share their tokens, two calls with
 *           different keys their result. It happens once in 2^64, and to nobody who tests. A
 *           result lost while a crowded table of flights gets more lists, or memory of theirs.
 * Method    The program's own hash function stands before the library's, and gives one number: all
 *           keys are in one part of the table. The call that makes its lists more is stopped before
 *           each of its atomic instructions in turn, while another call changes what they hold.
 * Catches   F1, R4 for keys; lim-11.
 */
#include "step_help.h"

#include "core/hash.h"

#include <string.h>

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

/* ---- too many flights for the lists --------------------------------------------------------- */

#define CROWD 10 /* the first number of flights for which a part of the table has too few lists */

struct crowd {
    cconc_flight *set;
};

/* The result of the key i is the i-th byte; it is kept. */
static const char values[CROWD + 1];

static int fly(const struct crowd *c, unsigned char i)
{
    char *value = (char *)(uintptr_t)&values[i];
    return cconc_flight_do(c->set, NULL, &i, 1, give_argument, value, NULL, NULL);
}

static cconc_flight_counts crowd_counts(const struct crowd *c)
{
    cconc_flight_counts counts;
    cconc_flight_read(c->set, &counts);
    return counts;
}

/* Each of the keys from first to last is still served: nothing is flown. */
static void all_are_kept(const struct crowd *c, unsigned char first, unsigned char last)
{
    uint64_t started = crowd_counts(c).started;
    SUPPORT_CHECK(crowd_counts(c).kept == (uint64_t)last - first + 1);
    for (unsigned char i = first; i <= last; i++) {
        cconc_flight_result *result;
        SUPPORT_CHECK(cconc_flight_do(c->set, NULL, &i, 1, give_argument, NULL, NULL, &result) ==
                      0);
        SUPPORT_CHECK(cconc_flight_result_value(result) == &values[i]);
        cconc_flight_result_unref(result);
    }
    SUPPORT_CHECK(crowd_counts(c).started == started);
}

static void make_crowd(void *arg)
{
    struct crowd *c = arg;
    cconc_flight_opts opts = {.keep_ns = 1000 * CCONC_SECOND};
    SUPPORT_CHECK(cconc_flight_new(&opts, &c->set) == 0);
    for (unsigned char i = 0; i < CROWD - 1; i++) {
        SUPPORT_CHECK(fly(c, i) == 0);
    }
}

static void fly_the_tenth(void *arg)
{
    SUPPORT_CHECK(fly(arg, CROWD - 1) == 0);
}

static void fly_the_eleventh(void *arg)
{
    SUPPORT_CHECK(fly(arg, CROWD) == 0);
}

static void forget_the_first_nine(void *arg)
{
    const struct crowd *c = arg;
    for (unsigned char i = 0; i < CROWD - 1; i++) {
        cconc_flight_forget(c->set, &i, 1);
    }
}

static void eleven_are_kept(void *arg)
{
    struct crowd *c = arg;
    all_are_kept(c, 0, CROWD);
    cconc_flight_free(c->set);
}

static void the_tenth_is_kept(void *arg)
{
    struct crowd *c = arg;
    all_are_kept(c, CROWD - 1, CROWD - 1);
    cconc_flight_free(c->set);
}

static void crowded_flights_meet_at_every_place(void **state)
{
    struct crowd c;
    (void)state;
    step(make_crowd, fly_the_tenth, fly_the_eleventh, eleven_are_kept, &c);
    step(make_crowd, fly_the_eleventh, fly_the_tenth, eleven_are_kept, &c);
    step(make_crowd, fly_the_tenth, forget_the_first_nine, the_tenth_is_kept, &c);
}

static void crowded_flights_without_memory_for_their_lists_are_served(void **state)
{
    struct crowd c;
    uint64_t failed = 0;
    int err = ENOMEM;
    (void)state;
    support_sweep_pause(true); /* memory is failed on purpose */
    make_crowd(&c);
    for (uint64_t n = 1; err == ENOMEM; n++) {
        support_fail_alloc(n, true);
        err = fly(&c, CROWD - 1);
        failed = support_fail_end();
    }
    assert_int_equal(err, 0);
    assert_int_equal(failed, 2); /* more lists, on boarding and on landing */
    all_are_kept(&c, 0, CROWD - 1);
    fly_the_eleventh(&c);
    eleven_are_kept(&c);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(same_hash_keeps_the_keys_of_a_limiter_apart),
        UNIT_TEST(same_hash_keeps_the_keys_of_flights_apart),
        UNIT_TEST(crowded_flights_meet_at_every_place),
        UNIT_TEST(crowded_flights_without_memory_for_their_lists_are_served),
    };
    support_step_start();
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
