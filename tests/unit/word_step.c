/* word_step.c - calls on objects of one word, stopped in the middle by another call
 * SPDX-License-Identifier: MIT
 *
 * Risk      What was read of the word is not so any more when it is swapped, or when the lock of
 *           its waiters has been taken: a wake-up lost, a permit or an add lost or doubled.
 * Method    Each call is stopped before each of its atomic instructions in turn, and another runs
 *           there to its end; the sums must be right after both.
 * Catches   S3, S8, G1, I4: with a single switch between the two.
 */
#include "step_help.h"

/* ---- waitgroup ------------------------------------------------------------------------------ */

struct round {
    cconc_waitgroup wg;
    cconc_once once;
    cconc_sem *sem;
    cconc_counter *counter;
    cconc_limiter *limiter;
    cconc_limiter_keyed *keyed;
    cconc_ctx *ctx;
    struct support_threads *waiting;
    atomic_int ran;
    int err;
};

static void wait_for_wg(void *arg)
{
    struct round *r = arg;
    SUPPORT_CHECK(cconc_waitgroup_wait(&r->wg, NULL) == 0);
}

static void one_is_to_be_done(void *arg)
{
    struct round *r = arg;
    cconc_waitgroup_init(&r->wg);
    cconc_waitgroup_add(&r->wg, 1);
}

static void add_one_and_end_both(void *arg)
{
    struct round *r = arg;
    cconc_waitgroup_add(&r->wg, 1);
    cconc_waitgroup_add(&r->wg, -2);
}

static void wg_is_over(void *arg)
{
    struct round *r = arg;
    SUPPORT_CHECK(cconc_waitgroup_count(&r->wg) == 0 && cconc_waitgroup_waiters(&r->wg) == 0);
    cconc_waitgroup_destroy(&r->wg);
}

static void word_wait_of_a_waitgroup_meets_its_end_at_every_place(void **state)
{
    (void)state;
    struct round r = {.err = 0};
    step(one_is_to_be_done, wait_for_wg, add_one_and_end_both, wg_is_over, &r);
}

static void add_one_more(void *arg)
{
    struct round *r = arg;
    cconc_waitgroup_add(&r->wg, 1);
}

static void wait_and_count(void *arg, size_t index)
{
    struct round *r = arg;
    (void)index;
    wait_for_wg(r);
    atomic_fetch_add(&r->ran, 1);
}

static void one_is_waited_for(void *arg)
{
    struct round *r = arg;
    atomic_store(&r->ran, 0);
    one_is_to_be_done(r);
    r->waiting = support_threads_start(1, wait_and_count, r);
    until(cconc_waitgroup_waiters(&r->wg) == 1);
}

static void end_one(void *arg)
{
    struct round *r = arg;
    cconc_waitgroup_done(&r->wg);
}

/* Either the round ended before one more came, or it goes on until that is done. */
static void end_the_rest(void *arg)
{
    struct round *r = arg;
    until(cconc_waitgroup_count(&r->wg) == 1);
    cconc_waitgroup_done(&r->wg);
    SUPPORT_CHECK(support_threads_join(r->waiting) == 0 && atomic_load(&r->ran) == 1);
    wg_is_over(r);
}

static void word_end_of_a_waitgroup_meets_one_more_at_every_place(void **state)
{
    (void)state;
    struct round r = {.err = 0};
    step(one_is_waited_for, end_one, add_one_more, end_the_rest, &r);
}

/* ---- once ----------------------------------------------------------------------------------- */

static int run_deed(cconc_ctx *ctx, void *arg)
{
    struct round *r = arg;
    (void)ctx;
    atomic_fetch_add(&r->ran, 1);
    return 7;
}

static void nobody_ran(void *arg)
{
    struct round *r = arg;
    atomic_store(&r->ran, 0);
    cconc_once_init(&r->once);
    SUPPORT_CHECK(cconc_ctx_with_cancel(NULL, &r->ctx) == 0);
}

static void run_it(void *arg)
{
    struct round *r = arg;
    SUPPORT_CHECK(cconc_once_run(&r->once, r->ctx, run_deed, r) == 7);
}

static void one_ran(void *arg)
{
    struct round *r = arg;
    SUPPORT_CHECK(atomic_load(&r->ran) == 1 && cconc_once_is_done(&r->once));
    cconc_once_destroy(&r->once);
    cconc_ctx_free(r->ctx);
}

static void word_two_runs_of_a_once_meet_at_every_place(void **state)
{
    (void)state;
    struct round r = {.err = 0};
    step(nobody_ran, run_it, run_it, one_ran, &r);
}

/* ---- sem, counter --------------------------------------------------------------------------- */

static void three_of_four_permits(void *arg)
{
    struct round *r = arg;
    SUPPORT_CHECK(cconc_sem_new(4, &r->sem) == 0);
    SUPPORT_CHECK(cconc_sem_try_acquire(r->sem, 1) == 0);
}

static void acquire_one(void *arg)
{
    struct round *r = arg;
    SUPPORT_CHECK(cconc_sem_acquire(r->sem, NULL, 1) == 0);
}

static void release_one(void *arg)
{
    struct round *r = arg;
    cconc_sem_release(r->sem, 1);
}

static void one_is_left(void *arg)
{
    struct round *r = arg;
    SUPPORT_CHECK(cconc_sem_try_acquire(r->sem, 2) == EAGAIN);
    SUPPORT_CHECK(cconc_sem_try_acquire(r->sem, 1) == 0);
    cconc_sem_release(r->sem, 4);
    cconc_sem_free(r->sem);
}

static void three_are_left(void *arg)
{
    struct round *r = arg;
    SUPPORT_CHECK(cconc_sem_try_acquire(r->sem, 4) == EAGAIN);
    SUPPORT_CHECK(cconc_sem_try_acquire(r->sem, 3) == 0);
    cconc_sem_release(r->sem, 4);
    cconc_sem_free(r->sem);
}

static void four_are_left(void *arg)
{
    struct round *r = arg;
    SUPPORT_CHECK(cconc_sem_try_acquire(r->sem, 4) == 0);
    SUPPORT_CHECK(cconc_sem_try_acquire(r->sem, 1) == EAGAIN);
    cconc_sem_release(r->sem, 4);
    cconc_sem_free(r->sem);
}

static void acquire_and_release(void *arg)
{
    acquire_one(arg);
    release_one(arg);
}

static void resize_to_one(void *arg)
{
    struct round *r = arg;
    SUPPORT_CHECK(cconc_sem_resize(r->sem, 1) == 0);
}

static void one_of_one_is_left(void *arg)
{
    struct round *r = arg;
    SUPPORT_CHECK(cconc_sem_try_acquire(r->sem, 1) == 0);
    SUPPORT_CHECK(cconc_sem_try_acquire(r->sem, 1) == EAGAIN);
    cconc_sem_release(r->sem, 1);
    cconc_sem_free(r->sem);
}

static void word_release_of_a_sem_meets_a_resize_at_every_place(void **state)
{
    (void)state;
    struct round r = {.err = 0};
    step(three_of_four_permits, release_one, resize_to_one, one_of_one_is_left, &r);
    step(three_of_four_permits, release_one, acquire_and_release, four_are_left, &r);
}

static void word_two_acquires_of_a_sem_meet_at_every_place(void **state)
{
    (void)state;
    struct round r = {.err = 0};
    step(three_of_four_permits, acquire_one, acquire_one, one_is_left, &r);
    step(three_of_four_permits, acquire_and_release, acquire_and_release, three_are_left, &r);
}

static void counter_of_nothing(void *arg)
{
    struct round *r = arg;
    cconc_counter_opts opts = {.keep_high = true};
    SUPPORT_CHECK(cconc_counter_new(&opts, &r->counter) == 0);
}

static void count_two(void *arg)
{
    struct round *r = arg;
    cconc_counter_add(r->counter, 2);
}

static void four_were_counted(void *arg)
{
    struct round *r = arg;
    SUPPORT_CHECK(cconc_counter_high(r->counter) == 4 && cconc_counter_take(r->counter) == 4);
    cconc_counter_free(r->counter);
}

static void word_two_adds_to_a_counter_meet_at_every_place(void **state)
{
    (void)state;
    struct round r = {.err = 0};
    step(counter_of_nothing, count_two, count_two, four_were_counted, &r);
}

/* ---- limiters, the clock -------------------------------------------------------------------- */

/* So slow that no token comes meanwhile. */
static void five_tokens(void *arg)
{
    struct round *r = arg;
    SUPPORT_CHECK(cconc_limiter_new(1e-6, 5, &r->limiter) == 0);
    SUPPORT_CHECK(cconc_limiter_keyed_new(1e-6, 5, 10, &r->keyed) == 0);
}

static void take_two(void *arg)
{
    struct round *r = arg;
    SUPPORT_CHECK(cconc_limiter_allow(r->limiter, 2) == 0);
}

static void change_burst(void *arg)
{
    struct round *r = arg;
    SUPPORT_CHECK(cconc_limiter_set_burst(r->limiter, 7) == 0);
    SUPPORT_CHECK(cconc_limiter_allow(r->limiter, 2) == 0);
}

static void no_more_tokens_than(struct round *r, int32_t most)
{
    int32_t left = 0;
    while (cconc_limiter_allow(r->limiter, 1) == 0) {
        left++;
    }
    SUPPORT_CHECK(left == most);
    cconc_limiter_free(r->limiter);
    cconc_limiter_keyed_free(r->keyed);
}

static void one_token_is_left(void *arg)
{
    no_more_tokens_than(arg, 1);
}

static void take_two_of_a_key(void *arg)
{
    struct round *r = arg;
    SUPPORT_CHECK(cconc_limiter_keyed_allow(r->keyed, "key", 3, 2) == 0);
}

static void one_token_of_the_key_is_left(void *arg)
{
    struct round *r = arg;
    SUPPORT_CHECK(cconc_limiter_keyed_len(r->keyed) == 1);
    SUPPORT_CHECK(cconc_limiter_keyed_allow(r->keyed, "key", 3, 1) == 0);
    SUPPORT_CHECK(cconc_limiter_keyed_allow(r->keyed, "key", 3, 1) == EAGAIN);
    no_more_tokens_than(r, 5);
}

static void word_two_takes_from_a_limiter_meet_at_every_place(void **state)
{
    (void)state;
    struct round r = {.err = 0};
    step(five_tokens, take_two, take_two, one_token_is_left, &r);
    step(five_tokens, take_two, change_burst, one_token_is_left, &r);
    step(five_tokens, change_burst, take_two, one_token_is_left, &r);
    step(five_tokens, take_two_of_a_key, take_two_of_a_key, one_token_of_the_key_is_left, &r);
}

static void clock_is_real(void *arg)
{
    (void)arg;
}

static void clock_is_virtual(void *arg)
{
    (void)arg;
    SUPPORT_CHECK(cconc_clock_virtual() == 0);
}

static void advance(void *arg)
{
    struct round *r = arg;
    int err = cconc_clock_advance(1);
    SUPPORT_CHECK(err == 0 || err == EBUSY);
    atomic_fetch_add(&r->ran, err == 0);
}

static void to_virtual(void *arg)
{
    int err = cconc_clock_virtual();
    (void)arg;
    SUPPORT_CHECK(err == 0 || err == EBUSY);
}

static void to_real(void *arg)
{
    int err = cconc_clock_real();
    (void)arg;
    SUPPORT_CHECK(err == 0 || err == EBUSY);
}

static void clock_is_real_again(void *arg)
{
    int64_t before_ns;
    (void)arg;
    SUPPORT_CHECK(cconc_clock_real() == 0);
    before_ns = cconc_clock_now();
    until(cconc_clock_now() > before_ns);
}

static void word_two_changes_of_the_clock_meet_at_every_place(void **state)
{
    (void)state;
    struct round r = {.err = 0};
    step(clock_is_virtual, advance, advance, clock_is_real_again, &r);
    step(clock_is_virtual, advance, to_real, clock_is_real_again, &r);
    step(clock_is_virtual, to_real, advance, clock_is_real_again, &r);
    step(clock_is_real, to_virtual, to_virtual, clock_is_real_again, &r);
    assert_true(atomic_load(&r.ran) > 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(word_wait_of_a_waitgroup_meets_its_end_at_every_place),
        UNIT_TEST(word_end_of_a_waitgroup_meets_one_more_at_every_place),
        UNIT_TEST(word_two_runs_of_a_once_meet_at_every_place),
        UNIT_TEST(word_two_acquires_of_a_sem_meet_at_every_place),
        UNIT_TEST(word_release_of_a_sem_meets_a_resize_at_every_place),
        UNIT_TEST(word_two_adds_to_a_counter_meet_at_every_place),
        UNIT_TEST(word_two_takes_from_a_limiter_meet_at_every_place),
        UNIT_TEST(word_two_changes_of_the_clock_meet_at_every_place),
    };
    support_step_start();
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
