/* static.c - objects in memory of the caller's
 * SPDX-License-Identifier: MIT
 *
 * Risk      An object that writes past its storage, that allocates after all, or whose free hands
 *           the caller's memory to the allocator; storage that cannot serve again.
 * Method    Storage between guards, filled with rubbish before, and used several times; no
 *           allocation may succeed meanwhile.
 * Catches   all-1, all-10; the sizes of static.h.
 */
#include "chan_help.h"

#include <cconc/static.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GUARD 0xa5
#define ROUNDS 3

/* ---- smoke ---------------------------------------------------------------------------------- */

static void chan_works(void *storage)
{
    uint64_t buffer[CCONC_CHAN_BUFFER_SIZE(sizeof(int), 3) / sizeof(uint64_t)];
    int elem = 0;
    cconc_chan *ch = NULL;
    memset(buffer, GUARD, sizeof(buffer));
    SUPPORT_CHECK(cconc_chan_init(storage, buffer, sizeof(buffer), sizeof(int), 3, NULL, &ch) == 0);
    chan_fill(ch, 1);
    SUPPORT_CHECK(cconc_chan_try_send(ch, &elem) == EAGAIN && cconc_chan_len(ch) == 3);
    SUPPORT_CHECK(cconc_chan_recv(ch, NULL, &elem) == 0 && elem == 1);
    SUPPORT_CHECK(cconc_chan_send(ch, NULL, &elem) == 0);
    SUPPORT_CHECK(cconc_chan_close(ch) == 0);
    cconc_chan_free(ch);
}

static void counter_works(void *storage)
{
    cconc_counter_opts opts = {.keep_high = true};
    cconc_counter *counter = NULL;
    for (int high = 0; high < 2; high++) {
        SUPPORT_CHECK(cconc_counter_init(storage, high ? &opts : NULL, &counter) == 0);
        cconc_counter_add(counter, 7);
        cconc_counter_add(counter, -3);
        SUPPORT_CHECK(cconc_counter_get(counter) == 4);
        SUPPORT_CHECK(!high || cconc_counter_high(counter) == 7);
        cconc_counter_free(counter);
    }
}

static void limiter_works(void *storage)
{
    cconc_limiter *limiter = NULL;
    SUPPORT_CHECK(cconc_limiter_init(storage, 1e-3, 2, &limiter) == 0);
    SUPPORT_CHECK(cconc_limiter_burst(limiter) == 2);
    SUPPORT_CHECK(cconc_limiter_allow(limiter, 2) == 0);
    SUPPORT_CHECK(cconc_limiter_allow(limiter, 1) == EAGAIN);
    cconc_limiter_free(limiter);
}

static void sem_works(void *storage)
{
    cconc_sem *sem = NULL;
    SUPPORT_CHECK(cconc_sem_init(storage, 2, &sem) == 0);
    SUPPORT_CHECK(cconc_sem_acquire(sem, NULL, 2) == 0 && cconc_sem_try_acquire(sem, 1) == EAGAIN);
    cconc_sem_release(sem, 2);
    SUPPORT_CHECK(cconc_sem_available(sem) == 2);
    cconc_sem_free(sem);
}

/* What an object works in: storage with a guard on either side. */
typedef union place {
    uint64_t align;
    unsigned char bytes[2048];
} place;

#define MARGIN 64

static void works_between_guards(void (*works)(void *storage), size_t size)
{
    place *p = calloc(1, sizeof(*p));
    SUPPORT_CHECK(p && size + 2 * MARGIN <= sizeof(*p));
    for (int round = 0; round < ROUNDS; round++) {
        memset(p->bytes, GUARD, sizeof(p->bytes));
        support_fail_alloc(1, true);
        works(p->bytes + MARGIN);
        assert_int_equal(support_fail_end(), 0);
        for (size_t i = 0; i < sizeof(p->bytes); i++) {
            if (i < MARGIN || i >= MARGIN + size) {
                assert_int_equal(p->bytes[i], GUARD);
            }
        }
    }
    free(p);
}

static void static_objects_stay_in_their_storage_and_never_allocate(void **state)
{
    (void)state;
    works_between_guards(chan_works, sizeof(cconc_chan_storage));
    works_between_guards(counter_works, sizeof(cconc_counter_storage));
    works_between_guards(limiter_works, sizeof(cconc_limiter_storage));
    works_between_guards(sem_works, sizeof(cconc_sem_storage));
}

static void static_sizes_are_told_to_other_languages(void **state)
{
    (void)state;
    assert_int_equal(cconc_chan_sizeof(), sizeof(cconc_chan_storage));
    assert_int_equal(cconc_counter_sizeof(), sizeof(cconc_counter_storage));
    assert_int_equal(cconc_limiter_sizeof(), sizeof(cconc_limiter_storage));
    assert_int_equal(cconc_sem_sizeof(), sizeof(cconc_sem_storage));
}

CCONC_CHAN_DEFINE(numbers, int, 4);
CCONC_LIMITER_DEFINE(gate, 1e-3, 1);
CCONC_SEM_DEFINE(slots, 3);

static void static_definitions_make_their_object(void **state)
{
    cconc_chan *ch = NULL;
    cconc_limiter *limiter = NULL;
    cconc_sem *sem = NULL;
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        assert_int_equal(numbers_init(&ch), 0);
        assert_int_equal(gate_init(&limiter), 0);
        assert_int_equal(slots_init(&sem), 0);
        assert_int_equal(cconc_chan_cap(ch), 4);
        chan_fill(ch, 0);
        assert_int_equal(cconc_limiter_allow(limiter, 1), 0);
        assert_int_equal(cconc_limiter_allow(limiter, 1), EAGAIN);
        assert_int_equal(cconc_sem_capacity(sem), 3);
        cconc_chan_free(ch);
        cconc_limiter_free(limiter);
        cconc_sem_free(sem);
    }
}

/* ---- limits --------------------------------------------------------------------------------- */

static void static_chan_takes_exactly_the_buffer_that_the_macro_tells(void **state)
{
    static cconc_chan_storage storage;
    (void)state;
    for (size_t elem_size = 0; elem_size < 70; elem_size++) {
        for (size_t cap = 1; cap < 10; cap++) {
            size_t size = CCONC_CHAN_BUFFER_SIZE(elem_size, cap);
            unsigned char *buffer = malloc(size); /* to the byte: sanitizers see one too far */
            unsigned char elem[70] = {0};
            cconc_chan *ch = NULL;
            SUPPORT_CHECK(buffer);
            assert_int_equal(
                cconc_chan_init(&storage, buffer, size - 1, elem_size, cap, NULL, &ch), EINVAL);
            assert_null(ch);
            assert_int_equal(cconc_chan_init(&storage, buffer, size, elem_size, cap, NULL, &ch), 0);
            for (size_t i = 0; i < 3 * cap; i++) {
                assert_int_equal(cconc_chan_try_send(ch, elem), i < cap ? 0 : EAGAIN);
            }
            cconc_chan_free(ch);
            free(buffer);
        }
    }
}

static void static_chan_refuses_a_buffer_that_does_not_do(void **state)
{
    static cconc_chan_storage storage;
    uint64_t buffer[8] = {0};
    cconc_chan *ch = NULL;
    unsigned char *odd = (unsigned char *)buffer + 1;
    (void)state;
    assert_int_equal(cconc_chan_init(&storage, NULL, 64, 1, 1, NULL, &ch), EINVAL);
    assert_int_equal(cconc_chan_init(&storage, odd, 63, 1, 1, NULL, &ch), EINVAL);
    assert_int_equal(cconc_chan_init(&storage, buffer, 64, 1, SIZE_MAX, NULL, &ch), EOVERFLOW);
    assert_null(ch);
    assert_int_equal(cconc_chan_init(&storage, NULL, 0, 1, 0, NULL, &ch), 0); /* a rendezvous */
    cconc_chan_free(ch);
}

/* ---- blocking ------------------------------------------------------------------------------- */

static void receives(void *arg, size_t index)
{
    int got = 0;
    (void)index;
    SUPPORT_CHECK(cconc_chan_recv(arg, NULL, &got) == 0 && got == 3);
}

static void static_chan_hands_over_between_threads(void **state)
{
    static cconc_chan_storage storage;
    cconc_chan *ch = NULL;
    int elem = 3;
    (void)state;
    assert_int_equal(cconc_chan_init(&storage, NULL, 0, sizeof(int), 0, NULL, &ch), 0);
    struct support_threads *threads = support_threads_start(1, receives, ch);
    until(chan_receivers(ch) == 1);
    assert_int_equal(cconc_chan_send(ch, NULL, &elem), 0);
    assert_int_equal(support_threads_join(threads), 0);
    cconc_chan_free(ch);
}

/* ---- close and free ------------------------------------------------------------------------- */

static void counts_drop(void *elem, void *user)
{
    int *sum = user;
    *sum += *(int *)elem;
}

static void static_chan_drops_what_is_left_inside(void **state)
{
    static cconc_chan_storage storage;
    static uint64_t buffer[CCONC_CHAN_BUFFER_SIZE(sizeof(int), 4) / 8];
    int sum = 0;
    cconc_chan_opts opts = {.drop = counts_drop, .user = &sum};
    cconc_chan *ch = NULL;
    (void)state;
    assert_int_equal(
        cconc_chan_init(&storage, buffer, sizeof(buffer), sizeof(int), 4, &opts, &ch), 0);
    chan_fill(ch, 1);
    assert_int_equal(chan_take(ch), 1);
    cconc_chan_free(ch);
    assert_int_equal(sum, 2 + 3 + 4);
}

/* ---- faults --------------------------------------------------------------------------------- */

static void static_objects_fail_where_the_system_has_no_mutex(void **state)
{
    place p;
    uint64_t buffer[2] = {0};
    cconc_chan *ch = NULL;
    cconc_counter *counter = NULL;
    cconc_limiter *limiter = NULL;
    cconc_sem *sem = NULL;
    (void)state;
    support_sweep_pause(true);
    support_fail_object(1, true);
    int err[] = {cconc_chan_init((void *)&p, buffer, sizeof(buffer), 1, 1, NULL, &ch),
                 cconc_counter_init((void *)&p, NULL, &counter),
                 cconc_limiter_init((void *)&p, 1, 1, &limiter),
                 cconc_sem_init((void *)&p, 1, &sem)};
    assert_int_equal(support_fail_end(), 4);
    support_sweep_pause(false);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(err[i], ENOMEM);
    }
    assert_true(!ch && !counter && !limiter && !sem);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(static_objects_stay_in_their_storage_and_never_allocate),
        UNIT_TEST(static_sizes_are_told_to_other_languages),
        UNIT_TEST(static_definitions_make_their_object),
        UNIT_TEST(static_chan_takes_exactly_the_buffer_that_the_macro_tells),
        UNIT_TEST(static_chan_refuses_a_buffer_that_does_not_do),
        UNIT_TEST(static_chan_hands_over_between_threads),
        UNIT_TEST(static_chan_drops_what_is_left_inside),
        UNIT_TEST(static_objects_fail_where_the_system_has_no_mutex),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
