/* executor_step.c - tasks handed to the executor, stopped in the middle by another call
 * SPDX-License-Identifier: MIT
 *
 * Risk      A task that is refused and runs, or is accepted and does not; one that is lost with
 *           another that is taken back.
 * Method    Each submit is stopped before each of its atomic instructions in turn, and others, or
 *           a shutdown, run there to their end; with threads and without.
 * Catches   W15, W16, W17: with a single switch between the two.
 */
#include "step_help.h"

struct scene {
    cconc_timer *timer;
    cconc_waitgroup wg;
    atomic_int ran;
    atomic_bool is_over; /* the call */
    int accepted;        /* beside it */
    int err;
    int beside_err;
};

static void count_ran(void *arg)
{
    atomic_fetch_add(&((struct scene *)arg)->ran, 1);
}

static void forget(struct scene *s)
{
    atomic_store(&s->ran, 0);
    atomic_store(&s->is_over, false);
    s->accepted = 0;
    s->err = -1;
    s->beside_err = -1;
    cconc_waitgroup_init(&s->wg);
    SUPPORT_CHECK(cconc_shutdown(NULL) == 0);
}

static void no_thread_can_be_made(void *arg)
{
    struct scene *s = arg;
    forget(s);
    support_fail_thread(1, true);
}

static void go(void *arg)
{
    struct scene *s = arg;
    s->err = cconc_waitgroup_go(&s->wg, count_ran, s);
    atomic_store(&s->is_over, true);
}

static void go_beside(void *arg)
{
    struct scene *s = arg;
    s->beside_err = cconc_waitgroup_go(&s->wg, count_ran, s);
}

static void neither_ran(void *arg)
{
    struct scene *s = arg;
    (void)support_fail_end();
    SUPPORT_CHECK(s->err == ENOMEM && s->beside_err == ENOMEM);
    SUPPORT_CHECK(cconc_waitgroup_count(&s->wg) == 0 && atomic_load(&s->ran) == 0);
    cconc_waitgroup_destroy(&s->wg);
}

/* The timer service has its thread, so that the tasks are queued before they are taken back. */
static void no_other_thread_can_be_made(void *arg)
{
    struct scene *s = arg;
    forget(s);
    SUPPORT_CHECK(cconc_timer_new(CCONC_NEVER, &s->timer) == 0);
    support_fail_thread(1, true);
}

static void go_twice_beside(void *arg)
{
    struct scene *s = arg;
    for (int i = 0; i < 2; i++) {
        go_beside(s);
        SUPPORT_CHECK(s->beside_err == 0 || s->beside_err == ENOMEM);
        s->accepted += s->beside_err == 0;
    }
}

/* One that was accepted counts on the thread that another one did not get either. */
static void each_was_refused_or_runs(void *arg)
{
    struct scene *s = arg;
    (void)support_fail_end();
    SUPPORT_CHECK(s->err == 0 || s->err == ENOMEM);
    until(cconc_waitgroup_count(&s->wg) == 0);
    SUPPORT_CHECK(cconc_waitgroup_wait(&s->wg, NULL) == 0);
    SUPPORT_CHECK(atomic_load(&s->ran) == s->accepted + (s->err == 0));
    cconc_waitgroup_destroy(&s->wg);
    cconc_timer_free(s->timer);
}

static void no_thread_stays(void *arg)
{
    no_other_thread_can_be_made(arg);
    SUPPORT_CHECK(cconc_set_executor(&(cconc_executor_opts){.idle_ns = 1}) == 0);
}

/* The watch gets one for the task before it is taken back. */
static void let_one_come(void *arg)
{
    struct scene *s = arg;
    (void)support_fail_end();
    until(atomic_load(&s->ran) == 1 || atomic_load(&s->is_over));
}

/* And it has ended by then. */
static void let_one_come_and_go(void *arg)
{
    cconc_executor_stats stats;
    let_one_come(arg);
    do {
        cconc_executor_read(&stats);
    } while (stats.threads > 0);
}

static void it_was_refused_or_ran(void *arg)
{
    each_was_refused_or_runs(arg);
    SUPPORT_CHECK(cconc_shutdown(NULL) == 0);
    SUPPORT_CHECK(cconc_set_executor(&(cconc_executor_opts){0}) == 0);
}

static void threads_can_be_made(void *arg)
{
    no_thread_can_be_made(arg);
    (void)support_fail_end();
}

static void both_ran(void *arg)
{
    struct scene *s = arg;
    SUPPORT_CHECK(s->err == 0 && s->beside_err == 0);
    SUPPORT_CHECK(cconc_waitgroup_wait(&s->wg, NULL) == 0 && atomic_load(&s->ran) == 2);
    cconc_waitgroup_destroy(&s->wg);
}

static void executor_takes_back_a_task_that_no_thread_takes_at_every_place(void **state)
{
    (void)state;
    struct scene s = {.err = 0};
    step(no_thread_can_be_made, go, go_beside, neither_ran, &s);
    step(no_other_thread_can_be_made, go, go_twice_beside, each_was_refused_or_runs, &s);
    step(no_other_thread_can_be_made, go, let_one_come, each_was_refused_or_runs, &s);
    step(no_thread_stays, go, let_one_come_and_go, it_was_refused_or_ran, &s);
    step(threads_can_be_made, go, go_beside, both_ran, &s);
}

static void shut_down_beside(void *arg)
{
    struct scene *s = arg;
    s->beside_err = cconc_shutdown(NULL);
}

static void ran_and_shut_down(void *arg)
{
    struct scene *s = arg;
    SUPPORT_CHECK(s->err == 0 && s->beside_err == 0);
    SUPPORT_CHECK(cconc_waitgroup_wait(&s->wg, NULL) == 0 && atomic_load(&s->ran) == 1);
    cconc_waitgroup_destroy(&s->wg);
}

static void executor_runs_a_task_that_meets_a_shutdown_at_every_place(void **state)
{
    (void)state;
    struct scene s = {.err = 0};
    step(threads_can_be_made, go, shut_down_beside, ran_and_shut_down, &s);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(executor_takes_back_a_task_that_no_thread_takes_at_every_place),
        UNIT_TEST(executor_runs_a_task_that_meets_a_shutdown_at_every_place),
    };
    support_step_start();
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
