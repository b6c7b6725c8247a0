/* task_step.c - calls of groups, pools and flights, stopped in the middle by another call
 * SPDX-License-Identifier: MIT
 *
 * Risk      A task lost or run twice, a caller that nobody wakes, a slot or a worker that is
 *           counted twice, a result for somebody who has left.
 * Method    Each call is stopped before each of its atomic instructions in turn, and another runs
 *           there to its end. Every task accepted has run or was dropped, once.
 * Catches   G1, G8, W3, W4, W16, W17, F2, F3, X4: with a single switch between the two.
 */
#include "pool_help.h"
#include "step_help.h"

struct scene {
    cconc_pool *pool;
    cconc_group *group;
    cconc_ctx *ctx;
    cconc_future *future;
    cconc_once once;
    cconc_flight *set;
    cconc_flight_call *call;
    cconc_flight_result *results[2];
    struct gate gate;
    struct support_threads *thread;
    atomic_int ran;
    int accepted;
    int err;
    int beside_err;
    int64_t timeout_ns;
};

static int count_it(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    atomic_fetch_add(&((struct scene *)arg)->ran, 1);
    return 0;
}

static void forget(struct scene *s)
{
    atomic_store(&s->ran, 0);
    s->accepted = 0;
    s->err = -1;
    s->beside_err = -1;
}

/* ---- groups --------------------------------------------------------------------------------- */

static void group_is_full(void *arg)
{
    struct scene *s = arg;
    forget(s);
    gate_init(&s->gate, 0);
    s->group = group_make(0, 1);
    SUPPORT_CHECK(cconc_ctx_with_cancel(NULL, &s->ctx) == 0);
    SUPPORT_CHECK(cconc_group_go(s->group, NULL, gate_task, &s->gate) == 0);
}

static void group_go(void *arg)
{
    struct scene *s = arg;
    s->err = cconc_group_go(s->group, s->ctx, count_it, s);
}

static void open_gate(void *arg)
{
    struct scene *s = arg;
    gate_open(&s->gate);
}

static void open_gate_and_cancel(void *arg)
{
    struct scene *s = arg;
    gate_open(&s->gate);
    cconc_ctx_cancel(s->ctx);
}

static void two_slots_and_a_task(void *arg)
{
    struct scene *s = arg;
    cconc_group_set_limit(s->group, 2);
    s->beside_err = cconc_group_try_go(s->group, count_it, s);
    gate_open(&s->gate);
}

static void group_ran_what_it_took(void *arg)
{
    struct scene *s = arg;
    SUPPORT_CHECK(s->err == 0 || s->err == ECANCELED);
    SUPPORT_CHECK(cconc_group_wait(s->group, NULL, NULL) == 0);
    SUPPORT_CHECK(atomic_load(&s->ran) == (s->err == 0) + (s->beside_err == 0));
    cconc_group_free(s->group);
    cconc_ctx_free(s->ctx);
    gate_free(&s->gate);
}

static void task_of_a_full_group_meets_room_at_every_place(void **state)
{
    (void)state;
    struct scene s = {.err = 0};
    step(group_is_full, group_go, open_gate, group_ran_what_it_took, &s);
    step(group_is_full, group_go, open_gate_and_cancel, group_ran_what_it_took, &s);
    step(group_is_full, group_go, two_slots_and_a_task, group_ran_what_it_took, &s);
}

static void wait_for_group(void *arg)
{
    struct scene *s = arg;
    SUPPORT_CHECK(cconc_group_wait(s->group, NULL, NULL) == 0);
    s->err = ECANCELED; /* no task of its own */
}

static void task_whose_end_meets_a_wait_at_every_place(void **state)
{
    (void)state;
    struct scene s = {.err = 0};
    step(group_is_full, wait_for_group, open_gate, group_ran_what_it_took, &s);
}

/* ---- pools ---------------------------------------------------------------------------------- */

static void pool_is_full(void *arg)
{
    struct scene *s = arg;
    forget(s);
    s->future = NULL;
    s->pool = pool_make(1, 1, CCONC_POOL_BLOCK);
    SUPPORT_CHECK(cconc_ctx_with_cancel(NULL, &s->ctx) == 0);
    pool_occupy(s->pool, &s->gate, 1);
    SUPPORT_CHECK(cconc_pool_submit_future(s->pool, NULL, count_it, s, &s->future) == 0);
}

static void submit(void *arg)
{
    struct scene *s = arg;
    s->err = cconc_pool_submit(s->pool, s->ctx, count_it, s);
}

static void cancel_future_and_open(void *arg)
{
    struct scene *s = arg;
    s->accepted -= cconc_future_cancel(s->future);
    gate_open(&s->gate);
}

static void shut_pool_down(void *arg)
{
    struct scene *s = arg;
    gate_open(&s->gate);
    s->beside_err = cconc_pool_shutdown(s->pool, NULL, CCONC_POOL_DRAIN);
}

static void resize_and_open(void *arg)
{
    struct scene *s = arg;
    SUPPORT_CHECK(cconc_pool_resize(s->pool, 3) == 0);
    gate_open(&s->gate);
    SUPPORT_CHECK(cconc_pool_resize(s->pool, 1) == 0);
}

static void pool_did_what_it_took(void *arg)
{
    struct scene *s = arg;
    SUPPORT_CHECK(s->err == 0 || s->err == EPIPE || s->err == ECANCELED);
    SUPPORT_CHECK(cconc_pool_wait(s->pool, NULL) == 0);
    SUPPORT_CHECK(atomic_load(&s->ran) == 1 + s->accepted + (s->err == 0));
    cconc_future_free(s->future);
    cconc_pool_free(s->pool);
    cconc_ctx_free(s->ctx);
    gate_free(&s->gate);
}

static void task_for_a_full_pool_meets_room_at_every_place(void **state)
{
    (void)state;
    struct scene s = {.err = 0};
    step(pool_is_full, submit, open_gate, pool_did_what_it_took, &s);
    step(pool_is_full, submit, open_gate_and_cancel, pool_did_what_it_took, &s);
    step(pool_is_full, submit, cancel_future_and_open, pool_did_what_it_took, &s);
    step(pool_is_full, submit, shut_pool_down, pool_did_what_it_took, &s);
    step(pool_is_full, submit, resize_and_open, pool_did_what_it_took, &s);
}

static void resize(void *arg)
{
    struct scene *s = arg;
    SUPPORT_CHECK(cconc_pool_resize(s->pool, 2) == 0);
    SUPPORT_CHECK(cconc_pool_resize(s->pool, 1) == 0);
}

static void pool_ran_one(void *arg)
{
    struct scene *s = arg;
    s->err = EPIPE;
    pool_did_what_it_took(s);
}

static void wait_for_future(void *arg)
{
    struct scene *s = arg;
    s->err = cconc_future_wait(s->future, s->ctx);
    SUPPORT_CHECK(s->err == 0 || s->err == ECANCELED || s->err == EINPROGRESS);
}

static void wait_for_pool(void *arg)
{
    struct scene *s = arg;
    SUPPORT_CHECK(cconc_pool_wait(s->pool, NULL) == 0);
}

static void task_of_a_pool_meets_waits_and_resizes_at_every_place(void **state)
{
    (void)state;
    struct scene s = {.err = 0};
    step(pool_is_full, resize, resize_and_open, pool_ran_one, &s);
    step(pool_is_full, wait_for_future, open_gate_and_cancel, pool_ran_one, &s);
    step(pool_is_full, wait_for_future, cancel_future_and_open, pool_ran_one, &s);
    step(pool_is_full, wait_for_pool, open_gate, pool_ran_one, &s);
    step(pool_is_full, wait_for_pool, shut_pool_down, pool_ran_one, &s);
}

/* ---- records in a worker's hand ------------------------------------------------------------- */

static int count_record(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (*(int *)arg)++;
    return 7;
}

static void nothing_is_kept(void *arg)
{
    (void)arg;
}

static void fork_and_join(void *arg)
{
    struct scene *s = arg;
    cconc_pool_task tasks[2];
    int ran[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        tasks[i] = (cconc_pool_task){.fn = count_record, .arg = &ran[i]};
        SUPPORT_CHECK(cconc_pool_submit_task(s->pool, NULL, &tasks[i]) == 0);
    }
    for (int i = 1; i >= 0; i--) {
        SUPPORT_CHECK(cconc_pool_join(s->pool, NULL, &tasks[i]) == 7);
        SUPPORT_CHECK(ran[i] == 1);
    }
}

/* What comes from outside recalls what is in hands. */
static void submit_beside(void *arg)
{
    struct scene *s = arg;
    SUPPORT_CHECK(cconc_pool_submit(s->pool, NULL, count_it, s) == 0);
    s->accepted++;
}

static int step_in_task(cconc_ctx *ctx, void *arg)
{
    const struct support_step what = {nothing_is_kept, fork_and_join, submit_beside,
                                      nothing_is_kept};
    struct scene *s = arg;
    (void)ctx;
    SUPPORT_CHECK(support_step_sweep(&what, s) > 0 || !support_can_step());
    return 0;
}

static void records_in_hand_are_recalled_at_every_place(void **state)
{
    (void)state;
    struct scene s = {.err = 0};
    forget(&s);
    s.pool = pool_make(1, 4096, CCONC_POOL_BLOCK);
    assert_int_equal(cconc_pool_submit(s.pool, NULL, step_in_task, &s), 0);
    assert_int_equal(cconc_pool_wait(s.pool, NULL), 0);
    assert_int_equal(atomic_load(&s.ran), s.accepted);
    cconc_pool_free(s.pool);
}

/* ---- onces that wait ------------------------------------------------------------------------ */

static void run_gate(void *arg, size_t index)
{
    struct scene *s = arg;
    (void)index;
    SUPPORT_CHECK(cconc_once_run(&s->once, NULL, gate_task, &s->gate) == 0);
}

static void once_runs(void *arg)
{
    struct scene *s = arg;
    forget(s);
    cconc_once_init(&s->once);
    gate_init(&s->gate, 0);
    s->thread = support_threads_start(1, run_gate, s);
    until(atomic_load(&s->gate.inside) == 1);
}

static void run_once_too(void *arg)
{
    struct scene *s = arg;
    SUPPORT_CHECK(cconc_once_run(&s->once, NULL, count_it, s) == 0);
}

static void open_and_see_it_done(void *arg)
{
    struct scene *s = arg;
    gate_open(&s->gate);
    until(cconc_once_is_done(&s->once));
}

static void once_ran(void *arg)
{
    struct scene *s = arg;
    SUPPORT_CHECK(support_threads_join(s->thread) == 0 && atomic_load(&s->ran) == 0);
    cconc_once_destroy(&s->once);
    gate_free(&s->gate);
}

static void task_of_a_once_ends_at_every_place_of_a_wait(void **state)
{
    (void)state;
    struct scene s = {.err = 0};
    step(once_runs, run_once_too, open_and_see_it_done, once_ran, &s);
}

/* ---- flights -------------------------------------------------------------------------------- */

static int fly(cconc_ctx *ctx, void *arg, void **out_value)
{
    struct scene *s = arg;
    (void)ctx;
    atomic_fetch_add(&s->ran, 1);
    *out_value = s;
    return 0;
}

static void set_of_flights(void *arg)
{
    struct scene *s = arg;
    forget(s);
    s->results[0] = s->results[1] = NULL;
    s->call = NULL;
    const cconc_flight_opts opts = {.timeout_ns = s->timeout_ns};
    SUPPORT_CHECK(cconc_flight_new(&opts, &s->set) == 0);
    SUPPORT_CHECK(cconc_ctx_with_cancel(NULL, &s->ctx) == 0);
}

static void fly_with(void *arg)
{
    struct scene *s = arg;
    s->err = cconc_flight_do(s->set, s->ctx, "k", 1, fly, s, NULL, &s->results[0]);
}

static void fly_beside(void *arg)
{
    struct scene *s = arg;
    s->beside_err = cconc_flight_do(s->set, NULL, "k", 1, fly, s, NULL, &s->results[1]);
}

static void begin_and_leave(void *arg)
{
    struct scene *s = arg;
    s->err = cconc_flight_do_async(s->set, s->ctx, "k", 1, fly, s, NULL, &s->call);
    SUPPORT_CHECK(s->err == 0);
    cconc_flight_leave(s->call);
}

static void begin_and_wait(void *arg)
{
    struct scene *s = arg;
    s->err = cconc_flight_do_async(s->set, NULL, "k", 1, fly, s, NULL, &s->call);
    SUPPORT_CHECK(s->err == 0);
    s->err = cconc_flight_wait(s->call, NULL, &s->results[0]);
    cconc_flight_leave(s->call);
}

static void forget_and_cancel(void *arg)
{
    struct scene *s = arg;
    s->beside_err = 0;
    cconc_flight_forget(s->set, "k", 1);
    cconc_ctx_cancel(s->ctx);
}

static void who_got_a_result_got_it(void *arg)
{
    struct scene *s = arg;
    const int errs[2] = {s->err, s->beside_err};
    for (size_t i = 0; i < 2; i++) {
        SUPPORT_CHECK(errs[i] == 0 || errs[i] == ECANCELED || errs[i] == ETIMEDOUT);
        SUPPORT_CHECK(!s->results[i] || cconc_flight_result_value(s->results[i]) == s);
        cconc_flight_result_unref(s->results[i]);
    }
    cconc_flight_counts counts;
    do {
        cconc_flight_read(s->set, &counts);
    } while (counts.flying + counts.abandoned > 0);
    cconc_flight_free(s->set);
    cconc_ctx_free(s->ctx);
}

static void task_of_a_flight_meets_callers_at_every_place(void **state)
{
    (void)state;
    struct scene s = {.timeout_ns = 0};
    struct scene late = {.timeout_ns = 1};
    step(set_of_flights, fly_with, fly_beside, who_got_a_result_got_it, &s);
    step(set_of_flights, begin_and_leave, fly_beside, who_got_a_result_got_it, &s);
    step(set_of_flights, begin_and_wait, forget_and_cancel, who_got_a_result_got_it, &s);
    step(set_of_flights, fly_with, fly_beside, who_got_a_result_got_it, &late);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(task_of_a_full_group_meets_room_at_every_place),
        UNIT_TEST(task_whose_end_meets_a_wait_at_every_place),
        UNIT_TEST(task_for_a_full_pool_meets_room_at_every_place),
        UNIT_TEST(task_of_a_pool_meets_waits_and_resizes_at_every_place),
        UNIT_TEST(records_in_hand_are_recalled_at_every_place),
        UNIT_TEST(task_of_a_once_ends_at_every_place_of_a_wait),
        UNIT_TEST(task_of_a_flight_meets_callers_at_every_place),
    };
    support_step_start();
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
