/* timer.c - unit tests of the timer service: when timers fire, and what takes them back
 * SPDX-License-Identifier: MIT
 *
 * Risk      A timer that fires early, twice, in the wrong order, or after it was taken back; a
 *           sleeper that an earlier timer does not wake; room that is miscounted.
 * Method    The service's thread is held in a timer of its own while others are armed, so that the
 *           order in which they fire depends on the heap alone; it is compared with a sorted list.
 * Catches   T1 T2 T4 T5 T6 T7 T8, I1 I4 I12 I22; invariants I1 to I3 of core/timer.c;
 *           rules all-7 all-10, time-1 time-7.
 */
#include "chan_help.h"

#include "core/timer.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

/* A timer that notes when it fired. */
struct alarm {
    timer      due; /* first: fire gets it back */
    int64_t    due_ns;
    int64_t    fired_ns;
    atomic_int fires;
    int        armed; /* the how-manieth to be armed */
    int        place; /* among those that fired */
};

static int armed_total;
static atomic_int fired_total;

static void alarm_fire(struct timer *due)
{
    struct alarm *alarm = (struct alarm *)(void *)due;
    alarm->fired_ns = cconc_clock_now();
    alarm->place = atomic_fetch_add(&fired_total, 1);
    atomic_fetch_add(&alarm->fires, 1); /* the last touch */
}

static const timer_ops alarm_ops = {.fire = alarm_fire};

static void alarm_arm(struct alarm *alarm, int64_t due_ns)
{
    alarm->due.ops = &alarm_ops;
    alarm->due_ns = due_ns;
    alarm->armed = armed_total++;
    if (cconc__timer_arm(&alarm->due, due_ns)) {
        cconc__timer_kick();
    }
}

#define MANY_TIMERS ((size_t)MANY(1000000, 100000))

static timer rooms[MANY_TIMERS]; /* the service does not look whose room it is */
static size_t rooms_used;

static void reserve(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        SUPPORT_CHECK(cconc__timer_reserve(&rooms[rooms_used]) == 0);
        rooms_used++;
    }
}

static void unreserve(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        rooms_used--;
        assert_false(cconc__timer_release(&rooms[rooms_used]));
    }
}

/* Holds the service's thread inside fire. */
struct holder {
    timer       due; /* first: fire gets it back */
    atomic_bool inside;
    atomic_bool let_go;
};

static void holder_fire(struct timer *due)
{
    struct holder *holder = (struct holder *)(void *)due;
    atomic_store(&holder->inside, true);
    until(atomic_load(&holder->let_go));
}

static void holder_start(struct holder *holder)
{
    static const timer_ops ops = {.fire = holder_fire};
    *holder = (struct holder){.due = {.ops = &ops}};
    if (cconc__timer_arm(&holder->due, 0)) {
        cconc__timer_kick();
    }
    until(atomic_load(&holder->inside));
}

/* ---- smoke ---------------------------------------------------------------------------------- */

static void timer_fires_once_and_never_early(void **state)
{
    static const int64_t durations[] = {-CCONC_SECOND, 0, 1, CCONC_US, CCONC_MS, 5 * CCONC_MS};
    (void)state;
    reserve(1);
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        struct alarm alarm = {0};
        alarm_arm(&alarm, cconc_clock_now() + durations[i]);
        until(atomic_load(&alarm.fires) == 1);
        assert_true(alarm.fired_ns >= alarm.due_ns);
        assert_false(cconc__timer_disarm(&alarm.due));
    }
    until(cconc__timer_armed() == 0);
    unreserve(1);
}

static void timer_in_the_far_past_fires_at_once(void **state)
{
    static const int64_t past[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1};
    (void)state;
    reserve(1);
    for (size_t i = 0; i < sizeof(past) / sizeof(past[0]); i++) {
        struct alarm alarm = {0};
        alarm_arm(&alarm, past[i]);
        until(atomic_load(&alarm.fires) == 1);
    }
    unreserve(1);
}

static void timer_taken_back_never_fires(void **state)
{
    struct alarm far = {0};
    struct alarm never = {0};
    struct alarm near = {0};
    (void)state;
    reserve(3);
    alarm_arm(&never, CCONC_NEVER);
    assert_int_equal(cconc__timer_armed(), 1);
    alarm_arm(&far, cconc_clock_after(3 * CCONC_MS));
    alarm_arm(&near, cconc_clock_after(5 * CCONC_MS));
    if (cconc__timer_disarm(&far.due)) { /* a slow machine may have fired it before */
        assert_false(cconc__timer_disarm(&far.due));
        until(atomic_load(&near.fires) == 1);
        assert_int_equal(atomic_load(&far.fires), 0);
    }
    until(atomic_load(&near.fires) == 1);
    assert_true(cconc__timer_disarm(&never.due));
    until(cconc__timer_armed() == 0);
    assert_int_equal(atomic_load(&never.fires), 0);
    unreserve(3);
}

static void timer_taken_back_can_be_armed_again(void **state)
{
    struct alarm alarm = {0};
    (void)state;
    reserve(1);
    alarm_arm(&alarm, CCONC_NEVER);
    for (int i = 0; i < 100; i++) {
        assert_true(cconc__timer_disarm(&alarm.due));
        alarm_arm(&alarm, cconc_clock_after(60 * CCONC_SECOND + i));
    }
    assert_true(cconc__timer_disarm(&alarm.due));
    alarm_arm(&alarm, cconc_clock_after(CCONC_MS));
    until(atomic_load(&alarm.fires) == 1);
    unreserve(1);
}

/* ---- order ---------------------------------------------------------------------------------- */

static void timer_with_an_earlier_due_time_wakes_the_sleeping_service(void **state)
{
    struct alarm alarms[6] = {{.place = 0}};
    (void)state;
    reserve(6);
    for (int i = 0; i < 5; i++) { /* each earlier than the one before, none of them soon */
        alarm_arm(&alarms[i], cconc_clock_after((60 - i) * CCONC_SECOND));
    }
    alarm_arm(&alarms[5], cconc_clock_after(CCONC_MS));
    until(atomic_load(&alarms[5].fires) == 1);
    for (int i = 0; i < 5; i++) {
        assert_true(cconc__timer_disarm(&alarms[i].due));
    }
    unreserve(6);
}

static void timer_arming_wants_a_kick_only_for_the_earliest(void **state)
{
    struct holder holder;
    struct alarm alarms[3] = {{.place = 0}};
    (void)state;
    reserve(4);
    holder_start(&holder);
    for (int i = 0; i < 3; i++) {
        alarms[i].due.ops = &alarm_ops;
        /* The service is awake and looks before it sleeps: nobody need wake it. */
        assert_false(cconc__timer_arm(&alarms[i].due, i - 3));
    }
    atomic_store(&holder.let_go, true);
    for (int i = 0; i < 3; i++) {
        until(atomic_load(&alarms[i].fires) == 1);
    }
    unreserve(4);
}

#define RANDOM_TIMERS 2000

static int compare_due(const void *a, const void *b)
{
    const struct alarm *x = *(const struct alarm *const *)a;
    const struct alarm *y = *(const struct alarm *const *)b;
    if (x->due_ns != y->due_ns) {
        return x->due_ns < y->due_ns ? -1 : 1;
    }
    return x->armed < y->armed ? -1 : 1;
}

/* Let all go that are armed still; they must fire in their order. */
static void expect_order(struct holder *holder, struct alarm *alarms)
{
    struct alarm *sorted[RANDOM_TIMERS];
    size_t kept = 0;
    for (size_t i = 0; i < RANDOM_TIMERS; i++) {
        if (alarms[i].due.place != 0) { /* the service's thread is held: nothing moves */
            sorted[kept++] = &alarms[i];
        }
    }
    assert_int_equal(cconc__timer_armed(), kept + 1);
    atomic_store(&fired_total, 0);
    atomic_store(&holder->let_go, true);
    until(cconc__timer_armed() == 0);
    qsort(sorted, kept, sizeof(sorted[0]), compare_due);
    for (size_t i = 0; i < kept; i++) {
        assert_int_equal(atomic_load(&sorted[i]->fires), 1);
        assert_int_equal(sorted[i]->place, i);
    }
    assert_int_equal(atomic_load(&fired_total), kept);
}

/* One in three, then one in a hundred: what is taken back goes at once with all others that were,
 * or one by one. */
static void timers_fire_by_due_time_and_equal_ones_in_order_of_arming(void **state)
{
    static const uint32_t taken[] = {3, 100};
    struct support_random random = support_random_make(20250103, 0);
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        struct alarm alarms[RANDOM_TIMERS] = {{.place = 0}};
        struct holder holder;
        reserve(RANDOM_TIMERS + 1);
        holder_start(&holder);
        for (size_t i = 0; i < RANDOM_TIMERS; i++) {
            alarm_arm(&alarms[i], -(int64_t)support_random_below(&random, 300));
        }
        for (size_t i = 0; i < RANDOM_TIMERS; i++) {
            if (support_random_below(&random, taken[k]) == 0) { /* holes in the heap */
                assert_true(cconc__timer_disarm(&alarms[i].due));
            }
        }
        expect_order(&holder, alarms);
        unreserve(RANDOM_TIMERS + 1);
    }
}

/* Often enough that the heap is full of what was taken back, several times. */
static void timers_armed_again_and_again_need_no_memory_and_keep_their_order(void **state)
{
    struct alarm alarms[RANDOM_TIMERS] = {{.place = 0}};
    struct support_random random = support_random_make(20261129, 0);
    struct holder holder;
    (void)state;
    reserve(RANDOM_TIMERS + 1);
    holder_start(&holder);
    uint64_t allocations = support_alloc_count();
    for (size_t i = 0; i < RANDOM_TIMERS; i++) {
        alarm_arm(&alarms[i], -(int64_t)support_random_below(&random, 300));
    }
    for (size_t n = 0; n < (size_t)RANDOM_TIMERS * 10; n++) {
        size_t i = support_random_below(&random, RANDOM_TIMERS);
        assert_true(cconc__timer_disarm(&alarms[i].due));
        alarm_arm(&alarms[i], -(int64_t)support_random_below(&random, 300));
    }
    assert_int_equal(support_alloc_count(), allocations);
    expect_order(&holder, alarms);
    unreserve(RANDOM_TIMERS + 1);
}

/* A timer that arms itself again as due at once must not keep others from their turn. */
struct again {
    timer       due; /* first: fire gets it back */
    atomic_bool stop;
    atomic_bool stopped;
};

static void again_fire(struct timer *due)
{
    struct again *again = (struct again *)(void *)due;
    if (atomic_load(&again->stop)) {
        atomic_store(&again->stopped, true);
    } else {
        SUPPORT_CHECK(!cconc__timer_arm(due, cconc_clock_now())); /* the service is awake */
    }
}

static void timer_that_arms_itself_again_lets_others_fire(void **state)
{
    static const timer_ops ops = {.fire = again_fire};
    struct again again = {.due = {.ops = &ops}};
    struct alarm alarm = {0};
    (void)state;
    reserve(2);
    if (cconc__timer_arm(&again.due, 0)) {
        cconc__timer_kick();
    }
    alarm_arm(&alarm, cconc_clock_after(CCONC_MS));
    until(atomic_load(&alarm.fires) == 1);
    atomic_store(&again.stop, true);
    until(atomic_load(&again.stopped));
    until(cconc__timer_armed() == 0);
    unreserve(2);
}

/* ---- races ---------------------------------------------------------------------------------- */

static void timer_is_either_taken_back_or_fires(void **state)
{
    struct support_random random = support_random_make(20250104, 0);
    int taken = 0;
    (void)state;
    reserve(1);
    int64_t begin_ns = cconc_clock_now();
    for (int round = 0; round < MANY(5000, 1000) && time_is_left(begin_ns); round++) {
        struct alarm alarm = {0};
        alarm_arm(&alarm, cconc_clock_after(support_random_below(&random, 40000)));
        pass_time(support_random_below(&random, 40000));
        if (cconc__timer_disarm(&alarm.due)) {
            taken++;
            assert_int_equal(atomic_load(&alarm.fires), 0);
        } else {
            until(atomic_load(&alarm.fires) == 1);
        }
    }
    print_message("%d taken back\n", taken);
    unreserve(1);
}

/* ---- many ----------------------------------------------------------------------------------- */

static void timer_service_holds_a_million_timers(void **state)
{
    struct support_random random = support_random_make(20250105, 0);
    uint64_t threads = support_thread_count();
    int64_t base_ns = cconc_clock_after(3600 * CCONC_SECOND);
    struct alarm *alarms = calloc(MANY_TIMERS, sizeof(*alarms));
    (void)state;
    assert_non_null(alarms);
    reserve(MANY_TIMERS);
    uint64_t allocations = support_alloc_count();
    for (size_t i = 0; i < MANY_TIMERS; i++) {
        alarm_arm(&alarms[i], base_ns + support_random_below(&random, UINT32_MAX));
    }
    assert_int_equal(cconc__timer_armed(), MANY_TIMERS);
    for (size_t i = 0; i < MANY_TIMERS; i++) {
        /* A prime that divides neither count; the product may not fit into a size. */
        size_t at = (size_t)((uint64_t)i * 7919 % MANY_TIMERS);
        assert_true(cconc__timer_disarm(&alarms[at].due));
    }
    assert_int_equal(cconc__timer_armed(), 0);
    assert_int_equal(support_alloc_count(), allocations);
    assert_true(support_thread_count() - threads <= 1);
    unreserve(MANY_TIMERS);
    free(alarms);
}

/* ---- service -------------------------------------------------------------------------------- */

struct asker {
    timer      due; /* first: fire gets it back */
    atomic_int is_me;
};

static void asker_fire(struct timer *due)
{
    atomic_store(&((struct asker *)(void *)due)->is_me, cconc__timer_is_me() ? 1 : 0);
}

static void timer_service_knows_its_own_thread(void **state)
{
    static const timer_ops ops = {.fire = asker_fire};
    struct asker asker = {.due = {.ops = &ops}, .is_me = -1};
    (void)state;
    reserve(1);
    assert_false(cconc__timer_is_me());
    if (cconc__timer_arm(&asker.due, 0)) {
        cconc__timer_kick();
    }
    until(atomic_load(&asker.is_me) == 1);
    until(cconc__timer_armed() == 0);
    unreserve(1);
}

static void timer_service_is_not_stopped_while_a_timer_is_armed_or_fires(void **state)
{
    struct alarm alarm = {0};
    struct holder holder;
    (void)state;
    assert_int_equal(cconc__timer_stop(), 0);
    reserve(2);
    alarm_arm(&alarm, cconc_clock_after(60 * CCONC_SECOND));
    assert_int_equal(cconc__timer_armed(), 1);
    assert_true(cconc__timer_is_busy());
    assert_int_equal(cconc__timer_stop(), EBUSY);
    assert_true(cconc__timer_disarm(&alarm.due));
    assert_int_equal(cconc__timer_armed(), 0);
    alarm_arm(&alarm, CCONC_NEVER); /* nothing to do, but the thread stays for it */
    assert_false(cconc__timer_is_busy());
    assert_int_equal(cconc__timer_stop(), 0);
    assert_true(cconc__timer_disarm(&alarm.due));
    holder_start(&holder);
    assert_int_equal(cconc__timer_stop(), EBUSY);
    atomic_store(&holder.let_go, true);
    until(cconc__timer_armed() == 0);
    until(cconc__timer_stop() == 0);
    unreserve(2);
    reserve(1); /* it starts again */
    alarm_arm(&alarm, 0);
    until(atomic_load(&alarm.fires) == 1);
    unreserve(1);
}

/* ---- faults --------------------------------------------------------------------------------- */

static void reserve_and_fire(void *arg)
{
    struct alarm alarm = {0};
    size_t got = 0;
    (void)arg;
    for (int i = 0; i < 200; i++) {
        int err = cconc__timer_reserve(&rooms[rooms_used]);
        SUPPORT_CHECK(err == 0 || err == ENOMEM);
        got += err == 0;
        rooms_used += err == 0;
    }
    if (got > 0) {
        alarm_arm(&alarm, 0);
        until(atomic_load(&alarm.fires) == 1);
        until(cconc__timer_armed() == 0);
    }
    unreserve(got);
}

static void timer_reserve_survives_every_fault(void **state)
{
    (void)state;
    assert_true(support_sweep_alloc(reserve_and_fire, NULL) > 0);
    assert_true(support_sweep_thread(reserve_and_fire, NULL) > 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(timer_fires_once_and_never_early),
        UNIT_TEST(timer_in_the_far_past_fires_at_once),
        UNIT_TEST(timer_taken_back_never_fires),
        UNIT_TEST(timer_taken_back_can_be_armed_again),
        UNIT_TEST(timer_with_an_earlier_due_time_wakes_the_sleeping_service),
        UNIT_TEST(timer_arming_wants_a_kick_only_for_the_earliest),
        UNIT_TEST(timers_fire_by_due_time_and_equal_ones_in_order_of_arming),
        UNIT_TEST(timers_armed_again_and_again_need_no_memory_and_keep_their_order),
        UNIT_TEST(timer_that_arms_itself_again_lets_others_fire),
        UNIT_TEST(timer_is_either_taken_back_or_fires),
        UNIT_TEST(timer_service_holds_a_million_timers),
        UNIT_TEST(timer_service_knows_its_own_thread),
        UNIT_TEST(timer_service_is_not_stopped_while_a_timer_is_armed_or_fires),
        UNIT_TEST(timer_reserve_survives_every_fault),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
