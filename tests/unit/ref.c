/* ref.c - unit tests of reference counts that saturate
 * SPDX-License-Identifier: MIT
 *
 * Risk      A count that wraps and frees what is in use, two last puts, a last put that does not
 *           see what others did before theirs.
 * Method    Counts started near the limit; threads that write plain memory before they put.
 * Catches   C13, G4, I13; edge ref.1.
 */
#include "chan_help.h"

#include "core/ref.h"

/* ---- smoke ---------------------------------------------------------------------------------- */

static void ref_put_tells_the_last_one(void **state)
{
    ref r;
    (void)state;
    ref_init(&r, 1);
    ref_get(&r);
    ref_get(&r);
    assert_int_equal(ref_count(&r), 3);
    assert_true(ref_is(&r, 3));
    assert_false(ref_is(&r, 1));
    assert_false(ref_put(&r));
    assert_false(ref_put(&r));
    assert_true(ref_put(&r));
    assert_int_equal(ref_count(&r), 0);
}

/* ---- limits --------------------------------------------------------------------------------- */

static void ref_count_that_was_driven_too_far_is_never_the_last(void **state)
{
    ref r;
    (void)state;
    ref_init(&r, REF_STUCK - 2);
    ref_get(&r);
    ref_get(&r);
    ref_get(&r);
    ref_get(&r);
    assert_int_equal(ref_count(&r), REF_STUCK);
    for (int i = 0; i < 1000; i++) {
        assert_false(ref_put(&r));
        assert_true(ref_count(&r) >= REF_STUCK - 1);
    }
    ref_get(&r);
    assert_int_equal(ref_count(&r), REF_STUCK);
}

static void ref_put_too_often_is_not_a_second_last_one(void **state)
{
    ref r;
    (void)state;
    ref_init(&r, 1);
    assert_true(ref_put(&r));
    for (int i = 0; i < 1000; i++) {
        assert_false(ref_put(&r));
    }
    assert_true(ref_count(&r) >= REF_STUCK);
}

/* ---- races ---------------------------------------------------------------------------------- */

#define HOLDERS 4

struct shared {
    ref r;
    int written[HOLDERS]; /* plain */
    int lasts[HOLDERS];
    int sum;
};

static void write_and_put(void *arg, size_t index)
{
    struct shared *s = arg;
    ref_get(&s->r);
    (void)ref_put(&s->r);
    s->written[index] = (int)index + 1;
    if (ref_put(&s->r)) {
        s->lasts[index]++;
        for (size_t i = 0; i < HOLDERS; i++) {
            s->sum += s->written[i];
        }
    }
}

static void ref_last_put_comes_once_and_sees_all_that_was_done_before(void **state)
{
    (void)state;
    for (int round = 0; round < MANY(500, 100); round++) {
        struct shared s = {.sum = 0};
        int lasts = 0;
        ref_init(&s.r, HOLDERS);
        support_threads_join(support_threads_start(HOLDERS, write_and_put, &s));
        for (size_t i = 0; i < HOLDERS; i++) {
            lasts += s.lasts[i];
        }
        assert_int_equal(lasts, 1);
        assert_int_equal(s.sum, HOLDERS * (HOLDERS + 1) / 2);
        assert_int_equal(ref_count(&s.r), 0);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(ref_put_tells_the_last_one),
        UNIT_TEST(ref_count_that_was_driven_too_far_is_never_the_last),
        UNIT_TEST(ref_put_too_often_is_not_a_second_last_one),
        UNIT_TEST(ref_last_put_comes_once_and_sees_all_that_was_done_before),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
