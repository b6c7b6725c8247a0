/* counter.c - a number that many threads add to
 * SPDX-License-Identifier: MIT
 *
 * Risk      An add lost or counted twice where threads meet at a cell or a take comes between; a
 *           get that misses an earlier add, or falls; a highest value that was never there; a lock
 *           that a forked child finds taken for ever.
 * Method    Known numbers of adds by threads that run at once, against sums; gets beside an adder
 *           that says how far it is.
 * Catches   cnt-1; proc-1; all-1, all-9, all-10, all-15; I13.
 */
#include "unit.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include <cconc/cconc.h>

#define THREADS 4
#define ADDS 200000

static const cconc_counter_opts compact = {.compact = true};
static const cconc_counter_opts keep_high = {.keep_high = true};

static cconc_counter *make(const cconc_counter_opts *opts)
{
    cconc_counter *counter = NULL;
    SUPPORT_CHECK(cconc_counter_new(opts, &counter) == 0 && counter);
    return counter;
}

static void counter_gives_the_sum_of_what_was_added(void **state)
{
    const cconc_counter_opts *all[] = {NULL, &compact, &keep_high};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        cconc_counter *counter = make(all[i]);
        errno = EDOM;
        assert_int_equal(cconc_counter_get(counter), 0);
        cconc_counter_add(counter, 5);
        cconc_counter_add(counter, -7);
        cconc_counter_add(counter, 0);
        assert_int_equal(cconc_counter_get(counter), -2);
        cconc_counter_add(counter, 1000000);
        assert_int_equal(cconc_counter_get(counter), 999998);
        assert_int_equal(cconc_counter_take(counter), 999998);
        assert_int_equal(cconc_counter_get(counter), 0);
        assert_int_equal(cconc_counter_take(counter), 0);
        assert_int_equal(errno, EDOM);
        cconc_counter_free(counter);
    }
    cconc_counter_free(NULL);
}

/* cnt-1: modulo 2^64 */
static void counter_wraps_at_the_ends_of_its_range(void **state)
{
    (void)state;
    cconc_counter *counter = make(NULL);
    cconc_counter_add(counter, INT64_MAX);
    cconc_counter_add(counter, 1);
    assert_true(cconc_counter_get(counter) == INT64_MIN);
    cconc_counter_add(counter, INT64_MIN);
    assert_int_equal(cconc_counter_get(counter), 0);
    cconc_counter_add(counter, -1);
    cconc_counter_add(counter, INT64_MIN);
    assert_true(cconc_counter_take(counter) == INT64_MAX);
    cconc_counter_free(counter);
}

/* A cell of a word with 32 bits would be full several times over. */
static void counter_goes_beyond_what_a_small_word_holds(void **state)
{
    (void)state;
    cconc_counter *counter = make(&compact);
    for (int i = 0; i < 200000; i++) {
        cconc_counter_add(counter, 65535);
    }
    assert_true(cconc_counter_get(counter) == (int64_t)200000 * 65535);
    for (int i = 0; i < 400000; i++) {
        cconc_counter_add(counter, -65535);
    }
    assert_true(cconc_counter_take(counter) == (int64_t)-200000 * 65535);
    cconc_counter_free(counter);
}

struct adders {
    cconc_counter *counter;
    atomic_size_t ready;
    atomic_size_t ended;
    atomic_bool stop;
    atomic_int_fast64_t sum; /* of what was added */
    atomic_int_fast64_t said;
};

/* Begin together: threads that follow each other would not meet. */
static void line_up(struct adders *adders)
{
    atomic_fetch_add(&adders->ready, 1);
    until(atomic_load(&adders->ready) >= THREADS);
}

static void add_ones(void *arg, size_t index)
{
    struct adders *adders = arg;
    (void)index;
    line_up(adders);
    for (int i = 0; i < ADDS; i++) {
        cconc_counter_add(adders->counter, 1);
    }
    atomic_fetch_add(&adders->ended, 1);
}

static void counts_all(const cconc_counter_opts *opts)
{
    struct adders adders = {.counter = make(opts)};
    struct support_threads *threads = support_threads_start(THREADS, add_ones, &adders);
    assert_int_equal(support_threads_join(threads), 0);
    assert_int_equal(cconc_counter_get(adders.counter), THREADS * ADDS);
    cconc_counter_free(adders.counter);
}

/* cnt-1 */
static void counter_counts_every_add_of_all_threads_once(void **state)
{
    (void)state;
    counts_all(NULL);
    counts_all(&compact);
    counts_all(&keep_high);
}

static void add_and_say(void *arg, size_t index)
{
    struct adders *adders = arg;
    (void)index;
    for (int64_t i = 1; i <= ADDS; i++) {
        cconc_counter_add(adders->counter, 1);
        atomic_store_explicit(&adders->said, i, memory_order_release);
    }
    atomic_fetch_add(&adders->ended, 1);
}

/* cnt-1 */
static void counter_get_has_each_earlier_add_and_never_falls(void **state)
{
    (void)state;
    struct adders adders = {.counter = make(NULL)};
    struct support_threads *others = support_threads_start(THREADS, add_ones, &adders);
    struct support_threads *sayer = support_threads_start(1, add_and_say, &adders);
    int64_t before = 0;
    while (atomic_load(&adders.ended) < THREADS + 1) {
        int64_t said = atomic_load_explicit(&adders.said, memory_order_acquire);
        int64_t now = cconc_counter_get(adders.counter);
        assert_true(now >= said && now >= before);
        before = now;
    }
    assert_int_equal(cconc_counter_get(adders.counter), (THREADS + 1) * ADDS);
    assert_int_equal(support_threads_join(sayer), 0);
    assert_int_equal(support_threads_join(others), 0);
    cconc_counter_free(adders.counter);
}

static void take_until_stopped(void *arg, size_t index)
{
    struct adders *adders = arg;
    (void)index;
    while (!atomic_load(&adders->stop)) {
        int64_t taken = cconc_counter_take(adders->counter);
        SUPPORT_CHECK(taken >= 0);
        atomic_fetch_add(&adders->sum, taken);
    }
}

/* cnt-1 */
static void counter_take_gives_each_add_to_one_taker(void **state)
{
    (void)state;
    struct adders adders = {.counter = make(NULL)};
    struct support_threads *takers = support_threads_start(2, take_until_stopped, &adders);
    struct support_threads *threads = support_threads_start(THREADS, add_ones, &adders);
    assert_int_equal(support_threads_join(threads), 0);
    atomic_store(&adders.stop, true);
    assert_int_equal(support_threads_join(takers), 0);
    atomic_fetch_add(&adders.sum, cconc_counter_take(adders.counter));
    assert_int_equal(atomic_load(&adders.sum), THREADS * ADDS);
    assert_int_equal(cconc_counter_get(adders.counter), 0);
    cconc_counter_free(adders.counter);
}

static void enter_and_leave(void *arg, size_t index)
{
    struct adders *adders = arg;
    (void)index;
    cconc_counter_add(adders->counter, 5);
    line_up(adders); /* all are in */
    cconc_counter_add(adders->counter, -5);
}

static void counter_keeps_the_highest_value(void **state)
{
    (void)state;
    struct adders adders = {.counter = make(&keep_high)};
    assert_int_equal(cconc_counter_high(adders.counter), 0);
    cconc_counter_add(adders.counter, -3);
    assert_int_equal(cconc_counter_high(adders.counter), 0);
    cconc_counter_add(adders.counter, 3);
    struct support_threads *threads = support_threads_start(THREADS, enter_and_leave, &adders);
    assert_int_equal(support_threads_join(threads), 0);
    assert_int_equal(cconc_counter_get(adders.counter), 0);
    assert_int_equal(cconc_counter_high(adders.counter), 5 * THREADS);
    cconc_counter_add(adders.counter, 7);
    assert_int_equal(cconc_counter_take(adders.counter), 7);
    assert_int_equal(cconc_counter_high(adders.counter), 5 * THREADS);
    cconc_counter_add(adders.counter, INT64_MAX);
    assert_true(cconc_counter_high(adders.counter) == INT64_MAX);
    cconc_counter_free(adders.counter);
}

static void counter_that_keeps_no_highest_value_tells_so(void **state)
{
    (void)state;
    cconc_counter *counter = make(&compact);
    expect_misuse("counter high of one of 1 cells that does not keep it",
                  (void)cconc_counter_high(counter));
    cconc_counter_free(counter);
}

static void counter_new_refuses_what_cannot_be(void **state)
{
    cconc_counter *counter = NULL;
    cconc_counter_opts opts = {.reserved = {0}};
    (void)state;
    assert_int_equal(cconc_counter_new(NULL, NULL), EINVAL);
    for (size_t i = 0; i < 2; i++) {
        opts.reserved[i] = 1;
        assert_int_equal(cconc_counter_new(&opts, &counter), EINVAL);
        opts.reserved[i] = 0;
    }
    assert_null(counter);
}

static void counter_of_one_word_takes_no_more_memory_than_a_spread_one(void **state)
{
    size_t bytes[3];
    const cconc_counter_opts *opts[] = {&compact, NULL, &keep_high};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        size_t before = support_live_bytes();
        cconc_counter *counter = make(opts[i]);
        bytes[i] = support_live_bytes() - before;
        cconc_counter_free(counter);
    }
    assert_true(bytes[0] <= bytes[1] && bytes[0] <= 320);
    assert_int_equal(bytes[2], bytes[0]);
}

static void add_until_stopped(void *arg, size_t index)
{
    struct adders *adders = arg;
    int64_t added = 0;
    (void)index;
    line_up(adders);
    while (!atomic_load(&adders->stop)) {
        cconc_counter_add(adders->counter, 1);
        added++;
    }
    atomic_fetch_add(&adders->sum, added);
}

/* What a child does with the counter of its parent. Returns its exit status. */
static int go_on(void *arg)
{
    cconc_counter *counter = arg;
    int64_t before = cconc_counter_get(counter);
    cconc_counter_add(counter, 3);
    bool good = cconc_counter_get(counter) == before + 3;
    good = good && cconc_counter_take(counter) == before + 3;
    return good && cconc_counter_get(counter) == 0 ? 0 : 1;
}

/* proc-1 */
static void counter_goes_on_in_a_forked_child_and_the_parent_notices_nothing(void **state)
{
    (void)state;
    struct adders adders = {.counter = make(NULL)};
    struct support_threads *threads = support_threads_start(THREADS, add_until_stopped, &adders);
    until(atomic_load(&adders.ready) >= THREADS);
    for (int i = 0; i < 20 && sizeof(size_t) >= sizeof(uint64_t); i++) {
        int status = support_run_forked(go_on, adders.counter);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    atomic_store(&adders.stop, true);
    assert_int_equal(support_threads_join(threads), 0);
    assert_int_equal(cconc_counter_get(adders.counter), atomic_load(&adders.sum));
    cconc_counter_free(adders.counter);
}

static void make_and_use(void *arg)
{
    cconc_counter *counter = NULL;
    int err = cconc_counter_new(arg, &counter);
    SUPPORT_CHECK(err == 0 || err == ENOMEM);
    SUPPORT_CHECK((err == 0) == (counter != NULL));
    if (!err) {
        cconc_counter_add(counter, 1);
        SUPPORT_CHECK(cconc_counter_take(counter) == 1);
        cconc_counter_free(counter);
    }
}

static void counter_survives_every_failed_allocation_and_only_new_allocates(void **state)
{
    (void)state;
    assert_true(support_sweep_alloc(make_and_use, NULL) > 0);
    cconc_counter *counter = make(NULL);
    support_fail_alloc(1, true);
    cconc_counter_add(counter, 1);
    assert_int_equal(cconc_counter_get(counter), 1);
    assert_int_equal(cconc_counter_take(counter), 1);
    cconc_counter_free(counter);
    assert_int_equal(support_fail_end(), 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(counter_gives_the_sum_of_what_was_added),
        UNIT_TEST(counter_wraps_at_the_ends_of_its_range),
        UNIT_TEST(counter_goes_beyond_what_a_small_word_holds),
        UNIT_TEST(counter_counts_every_add_of_all_threads_once),
        UNIT_TEST(counter_get_has_each_earlier_add_and_never_falls),
        UNIT_TEST(counter_take_gives_each_add_to_one_taker),
        UNIT_TEST(counter_keeps_the_highest_value),
        UNIT_TEST(counter_that_keeps_no_highest_value_tells_so),
        UNIT_TEST(counter_new_refuses_what_cannot_be),
        UNIT_TEST(counter_of_one_word_takes_no_more_memory_than_a_spread_one),
        UNIT_TEST(counter_goes_on_in_a_forked_child_and_the_parent_notices_nothing),
        UNIT_TEST(counter_survives_every_failed_allocation_and_only_new_allocates),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
