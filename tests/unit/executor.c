/* executor.c - unit tests of the executor: which threads there are, and when
 * SPDX-License-Identifier: MIT
 *
 * Risk      Tasks that wait for each other while threads are withheld, a thread for every tiny
 *           task, a task lost between an idle thread's last look and its end, a thread that cannot
 *           be made.
 * Method    Through groups where the promise is public, through core/executor.h where it is not;
 *           threads are counted by the executor itself. Idle times of a nanosecond make threads end
 *           all the time.
 * Catches   W3 W5 W6 W10 W13 W15 W16 W18, G8, I4 I17; rules group-13, proc-3 proc-5.
 */
#include "group_help.h"

#include "core/executor.h"
#include "core/spin.h"
#include "core/timer.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

/* ---- smoke ---------------------------------------------------------------------------------- */

/* A task of the executor itself. */
struct job {
    exec_task  task; /* first: the executor gives it back */
    atomic_int runs;
    atomic_int torn;
    bool       exits;
    bool       lets_go;
    pthread_t  thread;
    size_t     stack_bytes;
};

static void job_run(exec_task *task)
{
    struct job *job = (struct job *)(void *)task;
    pthread_attr_t attr;
    job->thread = pthread_self();
    SUPPORT_CHECK(pthread_getattr_np(pthread_self(), &attr) == 0);
    SUPPORT_CHECK(pthread_attr_getstacksize(&attr, &job->stack_bytes) == 0);
    SUPPORT_CHECK(pthread_attr_destroy(&attr) == 0);
    bool exits = job->exits;
    if (job->lets_go) {
        cconc__executor_let_go();
    }
    atomic_fetch_add(&job->runs, 1); /* the last touch, unless it exits */
    if (exits) {
        pthread_exit(NULL);
    }
}

static void job_torn(exec_task *task)
{
    atomic_fetch_add(&((struct job *)(void *)task)->torn, 1);
}

static struct job job_make(void)
{
    return (struct job){.task = {.run = job_run, .torn = job_torn}};
}

static void executor_runs_each_task_once(void **state)
{
    (void)state;
    struct job jobs[50];
    for (int i = 0; i < 50; i++) {
        jobs[i] = job_make();
        assert_int_equal(cconc__executor_submit(&jobs[i].task), 0);
    }
    until(!cconc__executor_is_busy());
    for (int i = 0; i < 50; i++) {
        assert_int_equal(atomic_load(&jobs[i].runs), 1);
        assert_int_equal(atomic_load(&jobs[i].torn), 0);
    }
}

static void executor_tells_what_it_does(void **state)
{
    cconc_executor_stats stats;
    struct job job = job_make();
    (void)state;
    cconc_executor_read(&stats);
    assert_int_equal(stats.threads + stats.idle + stats.queued + stats.threads_peak, 0);
    assert_int_equal(cconc__executor_submit(&job.task), 0);
    until(!cconc__executor_is_busy());
    cconc_executor_read(&stats);
    assert_true(stats.threads >= 1);
    assert_int_equal(stats.idle, stats.threads);
    assert_int_equal(stats.queued, 0);
    assert_true(stats.threads_peak >= stats.threads);
}

static void executor_runs_one_task_after_the_other_on_few_threads(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        struct job job = job_make();
        assert_int_equal(cconc__executor_submit(&job.task), 0);
        until(atomic_load(&job.runs) == 1 && !cconc__executor_is_busy());
    }
    assert_true(executor_peak() <= cconc__spin_cpus() + 2);
}

/* ---- limits --------------------------------------------------------------------------------- */

static void executor_settings_come_before_the_first_thread(void **state)
{
    cconc_executor_opts opts = {.stack_size = (size_t)256 * 1024};
    cconc_executor_opts wrong = {.idle_ns = -1};
    cconc_executor_opts defaults = {0};
    struct job job = job_make();
    (void)state;
    assert_int_equal(cconc_set_executor(NULL), EINVAL);
    assert_int_equal(cconc_set_executor(&wrong), EINVAL);
    assert_int_equal(cconc_set_executor(&opts), 0);
    assert_int_equal(cconc__executor_submit(&job.task), 0);
    assert_int_equal(cconc_set_executor(&defaults), EBUSY);
    until(!cconc__executor_is_busy());
    assert_in_range(job.stack_bytes, opts.stack_size, 4 * opts.stack_size); /* far below 8 MiB */
    assert_int_equal(cconc_set_executor(&defaults), EBUSY);
    assert_int_equal(cconc_shutdown(NULL), 0);
    assert_int_equal(cconc_set_executor(&defaults), 0);
}

/* ---- threads -------------------------------------------------------------------------------- */

static void executor_runs_a_million_empty_tasks_on_CPUs_plus_2_threads(void **state)
{
    cconc_group *group = group_make(0, 0);
    atomic_int ran = 0;
    (void)state;
    for (int i = 0; i < MANY(1000000, 100000); i++) {
        assert_int_equal(cconc_group_go(group, NULL, count_run, &ran), 0);
    }
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&ran), MANY(1000000, 100000));
    assert_true(executor_peak() <= cconc__spin_cpus() + 2);
    cconc_group_free(group);
}

/* Some microseconds of work. */
static int compute(cconc_ctx *ctx, void *arg)
{
    struct support_random random = support_random_make(1, 2);
    uint64_t sum = 0;
    (void)ctx;
    for (int i = 0; i < 1000; i++) {
        sum += support_random_next(&random) >> 32;
    }
    atomic_fetch_add((atomic_int *)arg, sum != 0);
    return 0;
}

static void executor_runs_computing_tasks_on_CPUs_plus_2_threads(void **state)
{
    cconc_group *group = group_make(0, 0);
    atomic_int ran = 0;
    (void)state;
    for (int i = 0; i < MANY(20000, 2000); i++) {
        assert_int_equal(cconc_group_go(group, NULL, compute, &ran), 0);
    }
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(atomic_load(&ran), MANY(20000, 2000));
    assert_true(executor_peak() <= cconc__spin_cpus() + 2);
    cconc_group_free(group);
}

#define CHAIN 1000

struct link {
    cconc_chan *from;
    cconc_chan *to;
};

static int pass_on(cconc_ctx *ctx, void *arg)
{
    struct link *link = arg;
    int value = 0;
    (void)ctx;
    if (link->from) {
        SUPPORT_CHECK(cconc_chan_recv(link->from, NULL, &value) == 0);
    }
    value++;
    return cconc_chan_send(link->to, NULL, &value);
}

/* Each waits for the one started after it: none can end before all have started. */
static void executor_starts_a_thousand_tasks_that_wait_for_each_other(void **state)
{
    static cconc_chan *chans[CHAIN];
    static struct link links[CHAIN];
    cconc_group *group = group_make(0, 0);
    int value = 0;
    (void)state;
    for (size_t i = 0; i < CHAIN; i++) {
        chans[i] = chan_make(sizeof(int), 0);
    }
    for (size_t i = 0; i < CHAIN; i++) {
        links[i] = (struct link){i + 1 < CHAIN ? chans[i + 1] : NULL, chans[i]};
        assert_int_equal(cconc_group_go(group, NULL, pass_on, &links[i]), 0);
    }
    assert_int_equal(cconc_chan_recv(chans[0], NULL, &value), 0);
    assert_int_equal(value, CHAIN);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    for (size_t i = 0; i < CHAIN; i++) {
        cconc_chan_free(chans[i]);
    }
    cconc_group_free(group);
}

static void executor_threads_end_when_idle(void **state)
{
    cconc_executor_opts opts = {.idle_ns = CCONC_MS};
    cconc_executor_opts defaults = {0};
    struct job job = job_make();
    (void)state;
    assert_int_equal(cconc_set_executor(&opts), 0);
    assert_int_equal(cconc__executor_submit(&job.task), 0);
    until(atomic_load(&job.runs) == 1);
    until(executor_threads() == 0);
    job = job_make();
    assert_int_equal(cconc__executor_submit(&job.task), 0);
    until(atomic_load(&job.runs) == 1);
    assert_int_equal(cconc_shutdown(NULL), 0);
    assert_int_equal(cconc_set_executor(&defaults), 0);
}

static void executor_loses_no_task_while_threads_end(void **state)
{
    cconc_executor_opts opts = {.idle_ns = 1};
    cconc_executor_opts defaults = {0};
    (void)state;
    assert_int_equal(cconc_set_executor(&opts), 0);
    int64_t begin_ns = cconc_clock_now();
    for (int i = 0; i < MANY(3000, 500) && time_is_left(begin_ns); i++) {
        struct job jobs[2] = {job_make(), job_make()};
        assert_int_equal(cconc__executor_submit(&jobs[0].task), 0);
        assert_int_equal(cconc__executor_submit(&jobs[1].task), 0);
        until(atomic_load(&jobs[0].runs) == 1 && atomic_load(&jobs[1].runs) == 1);
    }
    assert_int_equal(cconc_shutdown(NULL), 0);
    assert_int_equal(cconc_set_executor(&defaults), 0);
}

static void executor_replaces_a_thread_that_a_task_has_ended(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct job torn = job_make();
        struct job next = job_make();
        torn.exits = true;
        assert_int_equal(cconc__executor_submit(&torn.task), 0);
        until(atomic_load(&torn.torn) == 1);
        assert_int_equal(cconc__executor_submit(&next.task), 0);
        until(atomic_load(&next.runs) == 1);
        assert_int_equal(atomic_load(&next.torn), 0);
        assert_int_equal(atomic_load(&torn.runs), 1);
    }
}

static void executor_task_that_has_let_go_is_not_told_of_the_end_of_its_thread(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct job job = job_make();
        job.lets_go = true;
        job.exits = i % 2 == 0;
        assert_int_equal(cconc__executor_submit(&job.task), 0);
        assert_int_equal(cconc_shutdown(NULL), 0);
        assert_int_equal(atomic_load(&job.runs), 1);
        assert_int_equal(atomic_load(&job.torn), 0);
        assert_int_equal(executor_threads(), 0);
    }
}

/* ---- shutdown ------------------------------------------------------------------------------- */

static void executor_is_not_stopped_while_a_task_runs(void **state)
{
    cconc_group *group = group_make(0, 0);
    struct gate gate;
    cconc_ctx_mem mem;
    (void)state;
    gate_init(&gate, 0);
    assert_int_equal(cconc_group_go(group, NULL, gate_task, &gate), 0);
    assert_int_equal(cconc__executor_stop(), EBUSY);
    assert_int_equal(cconc_shutdown(ctx_for(&mem, 2 * CCONC_MS)), ETIMEDOUT);
    until(atomic_load(&gate.inside) == 1);
    assert_true(executor_threads() >= 1);
    gate_open(&gate);
    assert_int_equal(cconc_shutdown(NULL), 0);
    assert_int_equal(executor_threads(), 0);
    assert_int_equal(atomic_load(&gate.ran), 1);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    cconc_group_free(group);
    gate_free(&gate);
}

static int shut_down_inside(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return cconc_shutdown(NULL);
}

static void executor_cannot_be_shut_down_by_its_own_thread(void **state)
{
    cconc_group *group = group_make(0, 0);
    (void)state;
    assert_int_equal(cconc_group_go(group, NULL, shut_down_inside, NULL), 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), EDEADLK);
    cconc_group_free(group);
}

static void executor_starts_again_after_shutdown(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++) {
        struct job job = job_make();
        assert_int_equal(cconc__executor_submit(&job.task), 0);
        assert_int_equal(cconc_shutdown(NULL), 0);
        assert_int_equal(atomic_load(&job.runs), 1);
        assert_int_equal(executor_threads(), 0);
    }
}

/* ---- faults --------------------------------------------------------------------------------- */

static void executor_without_any_thread_refuses_a_task(void **state)
{
    struct job job = job_make();
    (void)state;
    support_fail_thread(1, true);
    assert_int_equal(cconc__executor_submit(&job.task), ENOMEM);
    assert_true(support_fail_end() > 0);
    assert_int_equal(atomic_load(&job.runs), 0);
    assert_false(cconc__executor_is_busy());
    assert_int_equal(cconc__executor_submit(&job.task), 0);
    until(atomic_load(&job.runs) == 1);
}

/* The only thread sleeps in a task that waits for the second task. */
static void executor_retries_to_grow_while_a_task_is_queued(void **state)
{
    cconc_group *group = group_make(0, 0);
    cconc_chan *ch = chan_make(sizeof(int), 0);
    struct link receiver = {ch, chan_make(sizeof(int), 1)};
    struct link sender = {NULL, ch};
    cconc_executor_stats stats;
    (void)state;
    assert_int_equal(cconc_group_go(group, NULL, pass_on, &receiver), 0);
    until(chan_receivers(ch) == 1);
    assert_int_equal(executor_threads(), 1);
    support_fail_thread(1, true);
    assert_int_equal(cconc_group_go(group, NULL, pass_on, &sender), 0);
    cconc_executor_read(&stats);
    assert_int_equal(stats.queued, 1);
    until(executor_threads() == 1); /* one that is about to fail counts for that moment */
    assert_int_equal(cconc_chan_len(receiver.to), 0);
    assert_true(support_fail_end() > 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), 0);
    assert_int_equal(cconc_chan_len(receiver.to), 1);
    cconc_chan_free(receiver.to);
    cconc_chan_free(ch);
    cconc_group_free(group);
}

static int pass_gate_and_exit(cconc_ctx *ctx, void *arg)
{
    (void)gate_task(ctx, arg);
    pthread_exit(NULL);
}

/* The only thread goes, and for a while no other can be had. What comes then is refused. */
static void executor_keeps_a_task_when_its_last_thread_has_gone(void **state)
{
    cconc_group *group = group_make(0, 0);
    struct gate gate;
    struct job kept = job_make();
    struct job refused = job_make();
    cconc_executor_stats stats;
    atomic_int ran = 0;
    (void)state;
    gate_init(&gate, 0);
    assert_int_equal(cconc_group_go(group, NULL, pass_gate_and_exit, &gate), 0);
    until(chan_receivers(gate.ch) == 1);
    support_fail_thread(1, true);
    assert_int_equal(cconc_group_go(group, NULL, count_run, &ran), 0);
    assert_int_equal(cconc__executor_submit(&kept.task), 0);
    gate_open(&gate);
    until(executor_threads() == 0);
    assert_int_equal(cconc__executor_submit(&refused.task), ENOMEM);
    assert_int_equal(cconc_group_go(group, NULL, count_run, &ran), ENOMEM);
    cconc_executor_read(&stats);
    assert_int_equal(stats.queued, 2);
    assert_int_equal(atomic_load(&ran), 0);
    assert_true(support_fail_end() > 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), ECANCELED);
    until(atomic_load(&kept.runs) == 1);
    assert_int_equal(atomic_load(&ran), 1);
    assert_int_equal(atomic_load(&refused.runs), 0);
    cconc_group_free(group);
    gate_free(&gate);
}

static bool only_the_new_thread_is_left(void)
{
    return executor_threads() == 1;
}

struct lone_go {
    cconc_group *group;
    atomic_int ran;
    int err;
};

static void go_alone(void *arg, size_t index)
{
    struct lone_go *go = arg;
    (void)index;
    go->err = cconc_group_go(go->group, NULL, count_run, &go->ran);
}

/*  go A               the last thread     go B
 *  makes a thread                                        nobody is asked to: A is at it
 *                                         queued
 *                     goes                               nobody is asked to: A is at it
 *  fails, takes A's task back                            and B's task stays for ever
 *
 *  A's task is refused, or runs: on the thread that the watch makes for B's, should A be slow. */
static void executor_keeps_a_task_that_counted_on_a_thread_which_cannot_be_made(void **state)
{
    cconc_group *group = group_make(CCONC_GROUP_KEEP_GOING, 0);
    struct lone_go lone = {group, 0, -1};
    struct support_threads *going;
    struct gate gate;
    atomic_int ran = 0;
    (void)state;
    gate_init(&gate, 0);
    assert_int_equal(cconc_group_go(group, NULL, pass_gate_and_exit, &gate), 0);
    until(chan_receivers(gate.ch) == 1);
    support_fail_thread_once(only_the_new_thread_is_left);
    going = support_threads_start(1, go_alone, &lone);
    until(executor_threads() == 2);
    assert_int_equal(cconc_group_go(group, NULL, count_run, &ran), 0);
    gate_open(&gate);
    support_threads_join(going);
    assert_true(support_fail_end() > 0);
    assert_int_equal(cconc_group_wait(group, NULL, NULL), ECANCELED);
    assert_int_equal(atomic_load(&ran), 1);
    assert_int_equal(lone.err, atomic_load(&lone.ran) == 1 ? 0 : ENOMEM);
    cconc_group_free(group);
    gate_free(&gate);
}

static atomic_bool shutdown_waits;

static bool shutdown_has_had_time(void)
{
    return atomic_load(&shutdown_waits);
}

/* In vain, unless the watch is about to make a thread when a slow submit would take its task back:
 * then the task stays, for the first thread that can be had. */
static void submit_in_vain(void *arg, size_t index)
{
    struct job job = job_make();
    int err = cconc__executor_submit(&job.task);
    (void)arg;
    (void)index;
    SUPPORT_CHECK(err == 0 || err == ENOMEM);
    support_fail_end();
    until(atomic_load(&job.runs) == (err == 0 ? 1 : 0));
}

static void shut_down(void *arg, size_t index)
{
    (void)arg;
    (void)index;
    SUPPORT_CHECK(cconc_shutdown(NULL) == 0);
}

static void executor_tells_a_waiting_shutdown_that_no_thread_came(void **state)
{
    struct support_threads *vain;
    struct support_threads *ending;
    struct job job = job_make();
    timer room = {0};
    (void)state;
    assert_int_equal(cconc__executor_submit(&job.task), 0); /* the timer service has its thread */
    until(atomic_load(&job.runs) == 1 && !cconc__executor_is_busy());
    assert_int_equal(cconc__executor_stop(), 0);
    assert_int_equal(cconc__timer_reserve(&room), 0);
    atomic_store(&shutdown_waits, false);
    support_fail_thread_once(shutdown_has_had_time);
    vain = support_threads_start(1, submit_in_vain, NULL);
    until(executor_threads() == 1);
    ending = support_threads_start(1, shut_down, NULL);
    for (int i = 0; i < 1000; i++) {
        sched_yield(); /* most often it waits by then */
    }
    atomic_store(&shutdown_waits, true);
    support_threads_join(vain);
    support_threads_join(ending);
    assert_false(cconc__timer_release(&room));
}

static void submit_a_few(void *arg)
{
    struct job jobs[4];
    int queued[4];
    (void)arg;
    for (int i = 0; i < 4; i++) {
        jobs[i] = job_make();
        queued[i] = cconc__executor_submit(&jobs[i].task);
        SUPPORT_CHECK(queued[i] == 0 || queued[i] == ENOMEM);
    }
    until(!cconc__executor_is_busy());
    for (int i = 0; i < 4; i++) {
        SUPPORT_CHECK(atomic_load(&jobs[i].runs) == (queued[i] == 0 ? 1 : 0));
    }
}

static void executor_survives_every_fault(void **state)
{
    (void)state;
    assert_true(support_sweep_alloc(submit_a_few, NULL) > 0);
    assert_true(support_sweep_thread(submit_a_few, NULL) > 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(executor_runs_each_task_once),
        UNIT_TEST(executor_tells_what_it_does),
        UNIT_TEST(executor_runs_one_task_after_the_other_on_few_threads),
        UNIT_TEST(executor_settings_come_before_the_first_thread),
        UNIT_TEST(executor_runs_a_million_empty_tasks_on_CPUs_plus_2_threads),
        UNIT_TEST(executor_runs_computing_tasks_on_CPUs_plus_2_threads),
        UNIT_TEST(executor_starts_a_thousand_tasks_that_wait_for_each_other),
        UNIT_TEST(executor_threads_end_when_idle),
        UNIT_TEST(executor_loses_no_task_while_threads_end),
        UNIT_TEST(executor_replaces_a_thread_that_a_task_has_ended),
        UNIT_TEST(executor_task_that_has_let_go_is_not_told_of_the_end_of_its_thread),
        UNIT_TEST(executor_is_not_stopped_while_a_task_runs),
        UNIT_TEST(executor_cannot_be_shut_down_by_its_own_thread),
        UNIT_TEST(executor_starts_again_after_shutdown),
        UNIT_TEST(executor_without_any_thread_refuses_a_task),
        UNIT_TEST(executor_retries_to_grow_while_a_task_is_queued),
        UNIT_TEST(executor_keeps_a_task_when_its_last_thread_has_gone),
        UNIT_TEST(executor_keeps_a_task_that_counted_on_a_thread_which_cannot_be_made),
        UNIT_TEST(executor_tells_a_waiting_shutdown_that_no_thread_came),
        UNIT_TEST(executor_survives_every_fault),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
