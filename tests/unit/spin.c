/* spin.c - unit tests of how long a thread looks before it sleeps
 * SPDX-License-Identifier: MIT
 *
 * Risk      A thread that spins on the only CPU, one that spins again and again for nothing, a
 *           spin without an end.
 * Method    The spinner is asked step by step; how long a yield took is written into it. One CPU is
 *           a process of its own that pins itself before the CPUs are counted.
 * Catches   W8, I23; invariants I1 I2 I3 of core/spin.c.
 */
#include "chan_help.h"

#include "core/spin.h"

#include <sched.h>

#define MOST_COST_NS INT64_C(100000)

/* On one CPU there is nothing to see but that nobody spins. */
static bool may_spin(void)
{
    return cconc__spin_cpus() > 1;
}

/* Look in vain until told to sleep. Gives the rounds. */
static uint32_t look_in_vain(spinner *s, self *me)
{
    cconc__spin_begin(s, me);
    while (cconc__spin_again(s)) {
    }
    cconc__spin_end(s, false);
    return s->rounds;
}

/* A thread's record that has learnt nothing yet. */
static self fresh(void)
{
    return (self){.pauses = UINT32_MAX};
}

/* ---- smoke ---------------------------------------------------------------------------------- */

static void spin_ends_by_itself(void **state)
{
    self me = fresh();
    spinner s;
    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_true(look_in_vain(&s, &me) >= 1);
    }
}

static int child_one_cpu(void)
{
    cpu_set_t mine;
    size_t cpu = 0;
    SUPPORT_CHECK(sched_getaffinity(0, sizeof(mine), &mine) == 0);
    while (!CPU_ISSET(cpu, &mine)) {
        cpu++;
    }
    CPU_ZERO(&mine);
    CPU_SET(cpu, &mine);
    SUPPORT_CHECK(sched_setaffinity(0, sizeof(mine), &mine) == 0);
    SUPPORT_CHECK(cconc__spin_cpus() == 1);
    self me = fresh();
    for (int i = 0; i < 100; i++) {
        spinner s;
        cconc__spin_begin(&s, &me);
        SUPPORT_CHECK(!cconc__spin_again(&s));
        cconc__spin_end(&s, i % 2 == 0);
    }
    return 0;
}

static void spin_on_one_cpu_is_none(void **state)
{
    (void)state;
    assert_int_equal(support_run_child("one_cpu", NULL, 0), 0);
}

/* ---- learning ------------------------------------------------------------------------------- */

static void spin_has_no_long_phase_after_many_in_vain(void **state)
{
    self me = fresh();
    spinner s;
    (void)state;
    if (!may_spin()) {
        return;
    }
    cconc__spin_begin(&s, &me);
    assert_true(s.has_long);
    for (int i = 0; i < 8; i++) {
        (void)look_in_vain(&s, &me);
    }
    int longs = 0;
    for (int i = 0; i < 160; i++) { /* but for one in sixteen */
        cconc__spin_begin(&s, &me);
        longs += s.has_long;
    }
    assert_int_equal(longs, 10);
}

/* Begin a spin and go on until it has yielded. */
static void spin_into_long_phase(spinner *s, self *me)
{
    cconc__spin_begin(s, me);
    while (s->until_ns == 0) {
        SUPPORT_CHECK(cconc__spin_again(s));
    }
}

static void spin_has_its_long_phase_back_once_it_helped(void **state)
{
    self me = fresh();
    spinner s;
    (void)state;
    if (!may_spin()) {
        return;
    }
    for (int i = 0; i < 8; i++) {
        (void)look_in_vain(&s, &me);
    }
    do {
        cconc__spin_begin(&s, &me);
    } while (!s.has_long);
    while (s.until_ns == 0) {
        assert_true(cconc__spin_again(&s));
    }
    s.yield_ns = cconc_clock_after(CCONC_SECOND); /* the yield took no time */
    cconc__spin_end(&s, true);
    assert_int_equal(me.spins, 0);
    cconc__spin_begin(&s, &me);
    assert_true(s.has_long);
}

static void spin_has_no_long_phase_where_the_cpu_comes_back_late(void **state)
{
    self me = fresh();
    spinner s;
    (void)state;
    if (!may_spin()) {
        return;
    }
    spin_into_long_phase(&s, &me);
    s.yield_ns = cconc_clock_now() - CCONC_MS;
    cconc__spin_end(&s, true); /* though it helped */
    cconc__spin_begin(&s, &me);
    assert_false(s.has_long);
}

/* Give how many waits there are until one has a long phase, whose yield comes back then. */
static uint32_t waits_until_long(self *me, int64_t came_back_ns)
{
    uint32_t waits = 0;
    spinner s;
    do {
        cconc__spin_begin(&s, me);
        waits++;
    } while (!s.has_long);
    while (s.until_ns == 0) {
        SUPPORT_CHECK(cconc__spin_again(&s));
    }
    s.yield_ns = cconc_clock_now() - came_back_ns;
    cconc__spin_end(&s, true);
    return waits;
}

static void spin_tries_less_often_the_more_tries_come_back_late(void **state)
{
    self me = fresh();
    (void)state;
    if (!may_spin()) {
        return;
    }
    assert_int_equal(waits_until_long(&me, CCONC_MS), 1);
    for (uint32_t waits = 16; waits < 8192; waits *= 2) {
        assert_int_equal(waits_until_long(&me, CCONC_MS), waits);
    }
    assert_int_equal(waits_until_long(&me, CCONC_MS), 8192);
    assert_int_equal(waits_until_long(&me, -CCONC_SECOND), 8192); /* it took no time */
    assert_int_equal(waits_until_long(&me, CCONC_MS), 1);
    assert_int_equal(waits_until_long(&me, CCONC_MS), 16);
}

static void yield_that_helps(self *me)
{
    spinner s;
    me->spins = 0;
    spin_into_long_phase(&s, me);
    s.yield_ns = cconc_clock_now() - 10 * CCONC_US; /* it let another thread run */
    cconc__spin_end(&s, true);
}

static void spin_pauses_become_fewer_where_yields_help_and_more_where_they_help(void **state)
{
    self me = fresh();
    spinner s;
    (void)state;
    if (!may_spin()) {
        return;
    }
    cconc__spin_begin(&s, &me);
    uint32_t most = s.most;
    assert_in_range(most, 2, 1000);
    until((yield_that_helps(&me), me.yields > 0)); /* again if it took too long by chance */
    cconc__spin_begin(&s, &me);
    assert_true(s.most < most);
    uint32_t fewer = s.most;
    assert_true(cconc__spin_again(&s));
    cconc__spin_end(&s, true);
    assert_int_equal(me.yields, 0);
    cconc__spin_begin(&s, &me);
    assert_true(s.most > fewer);
}

static void spin_rests_after_many_yields_that_helped(void **state)
{
    self me = fresh();
    spinner s;
    (void)state;
    if (!may_spin()) {
        return;
    }
    me.yields = 256;
    cconc__spin_begin(&s, &me);
    assert_false(cconc__spin_again(&s));
    cconc__spin_end(&s, false);
    cconc__spin_begin(&s, &me);
    assert_true(cconc__spin_again(&s));
}

/* Give the bounds of how long the next long phase is. */
static void long_phase(int64_t *out_least, int64_t *out_most)
{
    self me = fresh();
    spinner s;
    cconc__spin_begin(&s, &me);
    int64_t before_ns = cconc_clock_now();
    while (s.until_ns == 0) {
        SUPPORT_CHECK(cconc__spin_again(&s));
    }
    *out_least = s.until_ns - cconc_clock_now();
    *out_most = s.until_ns - before_ns;
}

static void spin_long_phase_lasts_as_long_as_a_wake_up_takes_within_bounds(void **state)
{
    int64_t least;
    int64_t most;
    (void)state;
    if (!may_spin()) {
        return;
    }
    for (int i = 0; i < 200; i++) {
        cconc__spin_learn(INT64_MAX);
    }
    long_phase(&least, &most);
    assert_true(least <= MOST_COST_NS);
    assert_true(most >= MOST_COST_NS - 100);
    for (int i = 0; i < 200; i++) {
        cconc__spin_learn(i % 2 == 0 ? 0 : -1);
    }
    long_phase(&least, &most);
    assert_true(least <= 5100);
    assert_true(most >= 5000);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(spin_ends_by_itself),
        UNIT_TEST(spin_on_one_cpu_is_none),
        UNIT_TEST(spin_has_no_long_phase_after_many_in_vain),
        UNIT_TEST(spin_has_its_long_phase_back_once_it_helped),
        UNIT_TEST(spin_has_no_long_phase_where_the_cpu_comes_back_late),
        UNIT_TEST(spin_tries_less_often_the_more_tries_come_back_late),
        UNIT_TEST(spin_pauses_become_fewer_where_yields_help_and_more_where_they_help),
        UNIT_TEST(spin_rests_after_many_yields_that_helped),
        UNIT_TEST(spin_long_phase_lasts_as_long_as_a_wake_up_takes_within_bounds),
    };
    static const struct support_child children[] = {{"one_cpu", child_one_cpu}, {NULL, NULL}};
    support_start(argc, argv, children);
    return UNIT_RUN(tests);
}
