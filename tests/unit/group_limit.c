/* group_limit.c - unit tests of groups: the limit, who waits at it, and what would wait for ever
 * SPDX-License-Identifier: MIT
 *
 * Risk      A limit that is passed for a moment, a queue that is not first come first served, a
 *           slot lost when a caller leaves, tasks that wait for each other's slots for ever.
 * Method    Tasks at gates and callers seen blocked; the most tasks ever inside is counted by the
 *           tasks themselves.
 * Catches   G6, W17; rules group-1 group-3 group-4 group-10 group-14, all-4 all-13.
 */
#include "group_help.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>

/* ---- try ------------------------------------------------------------------------------------ */

static void group_try_go_at_the_limit_would_wait(void **state)
{
    cconc_group *group = group_make(0, 2);
    struct gate gate;
    atomic_int ran = 0;
    (void)state;
    gate_init(&gate, 0);
    assert_int_equal(cconc_group_try_go(group, gate_task, &gate), 0);
    assert_int_equal(cconc_group_try_go(group, gate_task, &gate), 0);
    assert_int_equal(cconc_group_try_go(group, count_run, &ran), EAGAIN);
    assert_int_equal(group_running(group), 2);
    gate_open(&gate);
    until(group_running(group) == 0);
    assert_int_equal(cconc_group_try_go(group, count_run, &ran), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&ran), 1);
    cconc_group_free(group);
    gate_free(&gate);
}

static void group_try_go_does_not_overtake_a_waiting_go(void **state)
{
    cconc_group *group = group_make(0, 1);
    struct gate gates[2];
    struct goer goer;
    atomic_int ran = 0;
    (void)state;
    gate_init(&gates[0], 0);
    gate_init(&gates[1], 0);
    assert_int_equal(cconc_group_go(group, NULL, gate_task, &gates[0]), 0);
    goer_start_blocked(&goer, group, NULL, gate_task, &gates[1], 1);
    gate_open(&gates[0]);
    until(atomic_load(&gates[0].ran) == 1);
    /* The slot goes from the old task to the waiting go without being free in between. */
    while (atomic_load(&gates[1].inside) == 0) {
        assert_int_equal(cconc_group_try_go(group, count_run, &ran), EAGAIN);
    }
    gate_open(&gates[1]);
    assert_int_equal(goer_end(&goer), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&ran), 0);
    cconc_group_free(group);
    gate_free(&gates[0]);
    gate_free(&gates[1]);
}

/* ---- blocking ------------------------------------------------------------------------------- */

struct ordered {
    struct gate *gate;
    atomic_int  *next;
    int          place;
};

static int note_place(cconc_ctx *ctx, void *arg)
{
    struct ordered *ordered = arg;
    (void)ctx;
    SUPPORT_CHECK(atomic_fetch_add(ordered->next, 1) == ordered->place);
    return 0;
}

static void group_go_waits_at_the_limit_in_order_of_arrival(void **state)
{
    cconc_group *group = group_make(0, 1);
    struct ordered places[5];
    struct goer goers[5];
    struct gate gate;
    atomic_int next = 0;
    (void)state;
    gate_init(&gate, 0);
    assert_int_equal(cconc_group_go(group, NULL, gate_task, &gate), 0);
    for (int i = 0; i < 5; i++) {
        places[i] = (struct ordered){&gate, &next, i};
        goer_start_blocked(&goers[i], group, NULL, note_place, &places[i], (uint32_t)i + 1);
    }
    assert_int_equal(group_running(group), 1);
    gate_open(&gate);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(goer_end(&goers[i]), 0);
    }
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&next), 5);
    cconc_group_free(group);
    gate_free(&gate);
}

static int pass_through(cconc_ctx *ctx, void *arg)
{
    struct gate *gate = arg;
    (void)ctx;
    gate_enter(gate);
    sched_yield();
    gate_leave(gate);
    return 0;
}

static void group_never_runs_more_than_10_of_10000_tasks_at_once(void **state)
{
    cconc_group *group = group_make(0, 10);
    struct gate gate;
    int count = MANY(10000, 3000);
    (void)state;
    gate_init(&gate, 0);
    for (int i = 0; i < count; i++) {
        assert_int_equal(cconc_group_go(group, NULL, pass_through, &gate), 0);
    }
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&gate.ran), count);
    assert_true(atomic_load(&gate.most_inside) <= 10);
    cconc_group_free(group);
    gate_free(&gate);
}

static int add_plainly(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (*(int *)arg)++; /* plain on purpose: with limit 1 the end of a task is before the next start */
    return 0;
}

static void group_of_limit_one_is_a_mutex(void **state)
{
    cconc_group *group = group_make(0, 1);
    int sum = 0;
    (void)state;
    for (int i = 0; i < MANY(5000, 1000); i++) {
        assert_int_equal(cconc_group_go(group, NULL, add_plainly, &sum), 0);
    }
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(sum, MANY(5000, 1000));
    cconc_group_free(group);
}

/* ---- set_limit ------------------------------------------------------------------------------ */

static void group_limit_0_holds_all_back_until_it_is_raised(void **state)
{
    cconc_group *group = group_make(0, 0);
    struct goer goers[3];
    struct gate gate;
    (void)state;
    gate_init(&gate, 0);
    cconc_group_set_limit(group, 0);
    assert_int_equal(cconc_group_try_go(group, gate_task, &gate), EAGAIN);
    for (uint32_t i = 0; i < 3; i++) {
        goer_start_blocked(&goers[i], group, NULL, gate_task, &gate, i + 1);
    }
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0); /* none is admitted */
    cconc_group_set_limit(group, 2);
    until(atomic_load(&gate.inside) == 2);
    assert_int_equal(group_blocked(group), 1);
    assert_int_equal(group_running(group), 2);
    cconc_group_set_limit(group, CCONC_GROUP_NO_LIMIT);
    until(atomic_load(&gate.inside) == 3);
    gate_open(&gate);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(goer_end(&goers[i]), 0);
    }
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    cconc_group_free(group);
    gate_free(&gate);
}

static void group_limit_raised_lets_the_waiting_in_in_their_order(void **state)
{
    cconc_group *group = group_make(0, 0);
    struct goer goers[5];
    struct gate gates[5];
    (void)state;
    support_sweep_pause(true); /* who has to call go again is the last in their order */
    cconc_group_set_limit(group, 0);
    for (uint32_t i = 0; i < 5; i++) {
        gate_init(&gates[i], 0);
        goer_start_blocked(&goers[i], group, NULL, gate_task, &gates[i], i + 1);
    }
    for (uint32_t limit = 1; limit <= 5; limit += 2) {
        cconc_group_set_limit(group, (int)limit);
        assert_int_equal(group_running(group), limit); /* admitted when set_limit returns */
        assert_int_equal(group_blocked(group), 5 - limit);
        for (uint32_t i = 0; i < limit; i++) {
            until(atomic_load(&gates[i].inside) == 1);
        }
        for (uint32_t i = limit; i < 5; i++) {
            assert_int_equal(atomic_load(&gates[i].inside), 0);
        }
    }
    for (size_t i = 0; i < 5; i++) {
        gate_open(&gates[i]);
        assert_int_equal(goer_end(&goers[i]), 0);
    }
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    cconc_group_free(group);
    for (size_t i = 0; i < 5; i++) {
        gate_free(&gates[i]);
    }
}

static int raise_the_limit(cconc_ctx *ctx, void *arg)
{
    struct gate *gate = arg;
    (void)ctx;
    cconc_group_set_limit(gate->group, 3);
    until(atomic_load(&gate->inside) + atomic_load(&gate->ran) >= 2);
    cconc_group_set_limit(gate->group, 1);
    return 0;
}

static void group_limit_may_be_changed_by_its_own_tasks(void **state)
{
    struct gate gate;
    struct goer goers[2];
    (void)state;
    support_sweep_pause(true); /* who has to call go again is the last in their order */
    gate_init(&gate, 0);
    gate.group = group_make(0, 0);
    cconc_group_set_limit(gate.group, 0);
    struct goer first;
    goer_start_blocked(&first, gate.group, NULL, raise_the_limit, &gate, 1);
    for (uint32_t i = 0; i < 2; i++) {
        goer_start_blocked(&goers[i], gate.group, NULL, gate_task, &gate, 2 + i);
    }
    cconc_group_set_limit(gate.group, 1);
    assert_int_equal(goer_end(&first), 0);
    assert_int_equal(goer_end(&goers[0]), 0);
    assert_int_equal(goer_end(&goers[1]), 0);
    gate_open(&gate);
    assert_int_equal(cconc_group_wait(gate.group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&gate.ran), 2);
    cconc_group_free(gate.group);
    gate_free(&gate);
}

static void group_limit_lowered_lets_running_tasks_end_first(void **state)
{
    cconc_group *group = group_make(0, 3);
    struct gate gates[3];
    atomic_int ran = 0;
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        gate_init(&gates[i], 0);
        assert_int_equal(cconc_group_go(group, NULL, gate_task, &gates[i]), 0);
    }
    cconc_group_set_limit(group, 1);
    assert_int_equal(group_running(group), 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(cconc_group_try_go(group, count_run, &ran), EAGAIN);
        gate_open(&gates[i]);
        until(group_running(group) == 2 - i);
    }
    assert_int_equal(cconc_group_try_go(group, count_run, &ran), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&ran), 1);
    cconc_group_free(group);
    for (size_t i = 0; i < 3; i++) {
        gate_free(&gates[i]);
    }
}

static void group_limit_takes_every_int(void **state)
{
    static const int limits[] = {INT_MIN, -2, -1, 1, INT_MAX};
    cconc_group *group = group_make(0, 1);
    atomic_int ran = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        cconc_group_set_limit(group, limits[i]);
        assert_int_equal(cconc_group_go(group, NULL, count_run, &ran), 0);
        assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    }
    assert_int_equal(atomic_load(&ran), 5);
    cconc_group_free(group);
}

static void group_negative_limit_is_none(void **state)
{
    cconc_group *group = group_make(0, 1);
    struct gate gate;
    (void)state;
    gate_init(&gate, 0);
    cconc_group_set_limit(group, -7);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(cconc_group_try_go(group, gate_task, &gate), 0);
    }
    until(atomic_load(&gate.inside) == 20);
    gate_open(&gate);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    cconc_group_free(group);
    gate_free(&gate);
}

/* ---- deadline, cancel ----------------------------------------------------------------------- */

static void group_go_that_gives_up_starts_nothing_and_keeps_no_slot(void **state)
{
    cconc_group *group = group_make(0, 1);
    cconc_ctx *ctx = ctx_make();
    struct gate gate;
    struct goer goers[2];
    cconc_ctx_mem mem;
    atomic_int ran = 0;
    atomic_int ran_last = 0;
    (void)state;
    gate_init(&gate, 0);
    assert_int_equal(cconc_group_go(group, NULL, gate_task, &gate), 0);
    int64_t deadline_ns = cconc_clock_after(2 * CCONC_MS);
    cconc_ctx *soon = cconc_ctx_until(&mem, NULL, deadline_ns);
    assert_int_equal(cconc_group_go(group, soon, count_run, &ran), ETIMEDOUT);
    assert_true(cconc_clock_now() >= deadline_ns);
    assert_int_equal(group_blocked(group), 0);
    goer_start_blocked(&goers[0], group, ctx, count_run, &ran, 1);
    goer_start_blocked(&goers[1], group, NULL, count_run, &ran_last, 2);
    cconc_ctx_cancel(ctx);
    assert_int_equal(goer_end(&goers[0]), ECANCELED);
    assert_int_equal(group_blocked(group), 1);
    gate_open(&gate);
    assert_int_equal(goer_end(&goers[1]), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&ran), 0);
    assert_int_equal(atomic_load(&ran_last), 1);
    cconc_ctx_free(ctx);
    cconc_group_free(group);
    gate_free(&gate);
}

/* A slot granted to a caller that is cancelled in the same moment is used or goes to the next. */
static void group_slot_is_not_lost_by_a_cancel(void **state)
{
    (void)state;
    int64_t begin_ns = cconc_clock_now();
    for (int round = 0; round < MANY(500, 100) && time_is_left(begin_ns); round++) {
        cconc_group *group = group_make(0, 1);
        cconc_ctx *ctx = ctx_make();
        struct gate gate;
        struct goer goers[2];
        atomic_int ran = 0;
        gate_init(&gate, 0);
        assert_int_equal(cconc_group_go(group, NULL, gate_task, &gate), 0);
        goer_start_blocked(&goers[0], group, ctx, count_run, &ran, 1);
        goer_start_blocked(&goers[1], group, NULL, count_run, &ran, 2);
        gate_open(&gate);
        cconc_ctx_cancel(ctx);
        int first = goer_end(&goers[0]);
        assert_true(first == 0 || first == ECANCELED);
        assert_int_equal(goer_end(&goers[1]), 0);
        assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
        assert_int_equal(atomic_load(&ran), first == 0 ? 2 : 1);
        cconc_ctx_free(ctx);
        cconc_group_free(group);
        gate_free(&gate);
    }
}

/* ---- deadlock ------------------------------------------------------------------------------- */

struct inner {
    cconc_group *group;
    struct gate *gate; /* pass this first */
    atomic_int   ran;
    atomic_int   err;  /* what go returned, -1 before */
};

static int go_from_a_task(cconc_ctx *ctx, void *arg)
{
    struct inner *inner = arg;
    (void)ctx;
    if (inner->gate) {
        SUPPORT_CHECK(gate_task(ctx, inner->gate) == 0);
    }
    atomic_store(&inner->err, cconc_group_go(inner->group, NULL, count_run, &inner->ran));
    return 0;
}

static void group_go_of_the_only_running_task_at_the_limit_is_a_deadlock(void **state)
{
    cconc_group *group = group_make(0, 1);
    struct inner inner = {.group = group, .err = -1};
    (void)state;
    assert_int_equal(cconc_group_go(group, NULL, go_from_a_task, &inner), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&inner.err), EDEADLK);
    assert_int_equal(atomic_load(&inner.ran), 0);
    cconc_group_free(group);
}

static void group_go_that_would_leave_every_task_waiting_is_a_deadlock(void **state)
{
    cconc_group *group = group_make(0, 2);
    struct gate gate;
    struct inner first = {.group = group, .err = -1};
    struct inner last = {.group = group, .gate = &gate, .err = -1};
    (void)state;
    gate_init(&gate, 0);
    assert_int_equal(cconc_group_go(group, NULL, go_from_a_task, &last), 0);
    assert_int_equal(cconc_group_go(group, NULL, go_from_a_task, &first), 0);
    until(group_blocked(group) == 1);
    assert_int_equal(atomic_load(&first.err), -1);
    gate_open(&gate);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&last.err), EDEADLK);
    assert_int_equal(atomic_load(&first.err), 0);
    assert_int_equal(atomic_load(&first.ran), 1);
    assert_int_equal(atomic_load(&last.ran), 0);
    cconc_group_free(group);
    gate_free(&gate);
}

static void group_limit_lowered_never_leaves_only_waiting_tasks(void **state)
{
    (void)state;
    for (int by_end = 0; by_end < 2; by_end++) {
        cconc_group *group = group_make(0, 2);
        struct gate gate;
        struct inner inner = {.group = group, .err = -1};
        gate_init(&gate, 0);
        assert_int_equal(cconc_group_go(group, NULL, gate_task, &gate), 0);
        assert_int_equal(cconc_group_go(group, NULL, go_from_a_task, &inner), 0);
        until(group_blocked(group) == 1);
        cconc_group_set_limit(group, by_end ? 1 : 0);
        assert_int_equal(atomic_load(&inner.err), -1); /* the other task may still make room */
        gate_open(&gate);
        assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
        assert_int_equal(atomic_load(&inner.err), EDEADLK);
        assert_int_equal(atomic_load(&inner.ran), 0);
        cconc_group_free(group);
        gate_free(&gate);
    }
}

/* A caller from outside is before the task in the queue: the task alone is refused. */
static void group_limit_lowered_refuses_only_the_groups_own_tasks(void **state)
{
    cconc_group *group = group_make(0, 2);
    struct gate other;
    struct gate gate;
    struct goer outside;
    struct inner inner = {.group = group, .gate = &gate, .err = -1};
    atomic_int ran = 0;
    (void)state;
    gate_init(&other, 0);
    gate_init(&gate, 0);
    assert_int_equal(cconc_group_go(group, NULL, gate_task, &other), 0);
    assert_int_equal(cconc_group_go(group, NULL, go_from_a_task, &inner), 0);
    goer_start_blocked(&outside, group, NULL, count_run, &ran, 1);
    gate_open(&gate);
    until(group_blocked(group) == 2);
    cconc_group_set_limit(group, 1);
    assert_int_equal(atomic_load(&inner.err), -1);
    gate_open(&other);
    assert_int_equal(goer_end(&outside), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&inner.err), EDEADLK);
    assert_int_equal(atomic_load(&inner.ran), 0);
    assert_int_equal(atomic_load(&ran), 1);
    cconc_group_free(group);
    gate_free(&gate);
    gate_free(&other);
}

static void group_go_of_a_task_below_the_limit_belongs_to_the_round(void **state)
{
    cconc_group *group = group_make(0, 2);
    struct inner inner = {.group = group, .err = -1};
    (void)state;
    assert_int_equal(cconc_group_go(group, NULL, go_from_a_task, &inner), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&inner.err), 0);
    assert_int_equal(atomic_load(&inner.ran), 1);
    cconc_group_free(group);
}

static void group_go_of_a_foreign_task_waits_at_the_limit(void **state)
{
    cconc_group *group = group_make(0, 1);
    cconc_group *other = group_make(0, 1);
    struct gate gate;
    struct inner inner = {.group = group, .err = -1};
    (void)state;
    gate_init(&gate, 0);
    assert_int_equal(cconc_group_go(group, NULL, gate_task, &gate), 0);
    assert_int_equal(cconc_group_go(other, NULL, go_from_a_task, &inner), 0);
    until(group_blocked(group) == 1);
    gate_open(&gate);
    assert_int_equal(cconc_group_wait(other, NULL, NULL), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&inner.err), 0);
    assert_int_equal(atomic_load(&inner.ran), 1);
    cconc_group_free(other);
    cconc_group_free(group);
    gate_free(&gate);
}

/* ---- faults --------------------------------------------------------------------------------- */

static void fill_the_limit(void *arg)
{
    cconc_group_opts opts = {.limit = 1};
    cconc_group *group = NULL;
    atomic_int ran = 0;
    int started = 0;
    (void)arg;
    if (cconc_group_new(NULL, &opts, &group) == 0) {
        for (int i = 0; i < 6; i++) {
            int err = i % 2 ? cconc_group_try_go(group, count_run, &ran)
                            : cconc_group_go(group, NULL, count_run, &ran);
            SUPPORT_CHECK(err == 0 || err == ENOMEM || (i % 2 && err == EAGAIN));
            started += err == 0;
        }
        SUPPORT_CHECK(cconc_group_wait(group, NULL, NULL) == 0);
        SUPPORT_CHECK(atomic_load(&ran) == started);
        SUPPORT_CHECK(group_running(group) == 0);
        cconc_group_free(group);
    }
}

static void group_limit_survives_every_fault(void **state)
{
    (void)state;
    assert_true(support_sweep_alloc(fill_the_limit, NULL) > 0);
    assert_true(support_sweep_thread(fill_the_limit, NULL) > 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(group_try_go_at_the_limit_would_wait),
        UNIT_TEST(group_try_go_does_not_overtake_a_waiting_go),
        UNIT_TEST(group_go_waits_at_the_limit_in_order_of_arrival),
        UNIT_TEST(group_never_runs_more_than_10_of_10000_tasks_at_once),
        UNIT_TEST(group_of_limit_one_is_a_mutex),
        UNIT_TEST(group_limit_0_holds_all_back_until_it_is_raised),
        UNIT_TEST(group_limit_lowered_lets_running_tasks_end_first),
        UNIT_TEST(group_limit_takes_every_int),
        UNIT_TEST(group_negative_limit_is_none),
        UNIT_TEST(group_go_that_gives_up_starts_nothing_and_keeps_no_slot),
        UNIT_TEST(group_slot_is_not_lost_by_a_cancel),
        UNIT_TEST(group_go_of_the_only_running_task_at_the_limit_is_a_deadlock),
        UNIT_TEST(group_go_that_would_leave_every_task_waiting_is_a_deadlock),
        UNIT_TEST(group_limit_lowered_never_leaves_only_waiting_tasks),
        UNIT_TEST(group_limit_lowered_refuses_only_the_groups_own_tasks),
        UNIT_TEST(group_go_of_a_task_below_the_limit_belongs_to_the_round),
        UNIT_TEST(group_go_of_a_foreign_task_waits_at_the_limit),
        UNIT_TEST(group_limit_survives_every_fault),
        UNIT_TEST(group_limit_raised_lets_the_waiting_in_in_their_order),
        UNIT_TEST(group_limit_may_be_changed_by_its_own_tasks),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
