/* executor.c - interleavings of the elastic set of threads below groups.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A task that no thread takes, a thread that is woken twice or never, one that nobody
 *          joins, an end by idleness that meets a submit.
 * Method   Scenarios of the deterministic tester, on the internal header: its time is virtual.
 * Catches  Looks at the queue that are left out, counts that drift, wakes that are dropped.
 */
#include "works.h"

enum { IDLE_NS = 100000000 };

static work *work_new(void)
{
    work *w = model_zalloc(sizeof(*w));
    work_init(w);
    return w;
}

/* A thread that has nothing to do, for 0.1 s. */
static void idle_thread(void)
{
    work *w = work_new();
    MODEL_EQ(cconc_set_executor(&(cconc_executor_opts){.idle_ns = IDLE_NS}), 0);
    submits(w);
    model_settle();
    MODEL_EQ(w->ran, 1);
}

static uint32_t threads_now(void)
{
    cconc_executor_stats stats;
    cconc_executor_read(&stats);
    return stats.threads;
}

static void executor_end(void)
{
    model_rest();
    MODEL_EQ(cconc_shutdown(NULL), 0);
    MODEL_EQ(threads_now(), 0);
}

/* The first task of all: the thread and the watch are made for it. */
MODEL_SCENARIO(executor_first_submits_meet, .faults = MODEL_LATE_TIME, .bound = 2)
{
    work *first = work_new();
    work *second = work_new();
    model_invariant(counts_are_sane, NULL);
    model_spawn(submits, first);
    submits(second);
    model_join_all();
    executor_end();
    MODEL_EQ(first->err, 0);
    MODEL_EQ(second->err, 0);
    MODEL_EQ(first->ran, 1);
    MODEL_EQ(second->ran, 1);
}

/* The thread is about to sleep, or sleeps, or looks at the queue. */
MODEL_SCENARIO(executor_submit_meets_end_of_task, .exhaustive = true, .faults = MODEL_LATE_TIME,
               .covers = "W3 W18")
{
    work *w = work_new();
    work *next = work_new();
    idle_thread();
    model_invariant(counts_are_sane, NULL);
    submits(w);
    submits(next);
    model_settle(); /* no time has passed: it is not for the watch to find it */
    MODEL_EQ(w->ran, 1);
    MODEL_EQ(next->ran, 1);
    executor_end();
}

MODEL_SCENARIO(executor_submits_meet_at_an_idle_thread, .exhaustive = true,
               .faults = MODEL_LATE_TIME, .covers = "W4")
{
    work *w = work_new();
    work *next = work_new();
    idle_thread();
    model_invariant(counts_are_sane, NULL);
    model_spawn(submits, w);
    submits(next);
    model_join_all();
    model_settle();
    MODEL_EQ(w->ran, 1);
    MODEL_EQ(next->ran, 1);
    executor_end();
}

/* The idle thread's time is over while it is chosen: it takes the task, or another one is made. */
MODEL_SCENARIO(executor_submit_meets_idle_exit, .covers = "W18",
               .goals = "kept left")
{
    work *w = work_new();
    idle_thread();
    model_pass(IDLE_NS);
    submits(w);
    model_settle();
    model_cover(cconc__executor.number > 1 ? "left" : "kept");
    MODEL_EQ(w->ran, 1);
    executor_end();
    MODEL_EQ(w->err, 0);
}

/* A thread that has nothing to do for its time ends, and not before. */
MODEL_SCENARIO(executor_idle_thread_ends, .exhaustive = true, .faults = MODEL_LATE_TIME)
{
    idle_thread();
    model_pass(IDLE_NS - 1);
    model_settle();
    MODEL_EQ(threads_now(), 1);
    model_pass(1);
    model_settle();
    MODEL_EQ(threads_now(), 0);
    executor_end();
}

/* A task starts although all threads are blocked where the library does not see it: in 2 ms. */
MODEL_SCENARIO(executor_starts_behind_a_blocked_task, .exhaustive = true,
               .faults = MODEL_LATE_TIME)
{
    work *first = work_new();
    work *second = work_new();
    first->until = &second->started;
    submits(first);
    model_settle();
    submits(second);
    model_await(&second->started, 1);
    MODEL_CHECK(model_now() <= MODEL_START + 2000000);
    executor_end();
    MODEL_EQ(first->ran, 1);
    MODEL_EQ(second->ran, 1);
}

/* The same whenever time passes. */
MODEL_SCENARIO(executor_starts_whenever_time_passes, .bound = 2)
{
    work *first = work_new();
    work *second = work_new();
    first->until = &second->started;
    submits(first);
    submits(second);
    model_await(&second->started, 1);
    executor_end();
    MODEL_EQ(first->ran, 1);
    MODEL_EQ(second->ran, 1);
}

/* And where it is seen, without waiting for the watch. */
MODEL_SCENARIO(executor_starts_behind_a_sleeping_task, .faults = MODEL_LATE_TIME)
{
    work *first = work_new();
    work *second = work_new();
    MODEL_EQ(cconc_sem_new(1, &first->sem), 0);
    MODEL_EQ(cconc_sem_try_acquire(first->sem, 1), 0);
    second->sem = first->sem;
    first->acquires = true;
    idle_thread();
    model_invariant(counts_are_sane, NULL);
    submits(first);
    submits(second);
    model_settle();
    MODEL_EQ(first->ran, 1);
    MODEL_EQ(second->ran, 1);
    MODEL_EQ(model_now(), MODEL_START);
    executor_end();
    cconc_sem_free(first->sem);
}

/* The thread that is to come in its place cannot be made: the watch tries again. */
MODEL_SCENARIO(executor_sleeping_task_without_thread, .bound = 2,
               .faults = MODEL_LATE_TIME | MODEL_NO_THREAD, .covers = "W15")
{
    work *first = work_new();
    work *second = work_new();
    MODEL_EQ(cconc_sem_new(1, &first->sem), 0);
    MODEL_EQ(cconc_sem_try_acquire(first->sem, 1), 0);
    second->sem = first->sem;
    first->acquires = true;
    submits(first);
    if (first->err == 0) {
        submits(second);
        MODEL_EQ(second->err, 0);
        executor_end();
        MODEL_CHECK(model_now() <= MODEL_START + 12000000);
        MODEL_EQ(first->ran, 1);
        MODEL_EQ(second->ran, 1);
    }
    cconc_sem_free(first->sem);
}

/* Whoever shuts down waits for the task, or has joined the threads before it: it starts anew. */
static void shuts_down(void *arg)
{
    work *w = arg;
    w->err = cconc_shutdown(NULL);
}

MODEL_SCENARIO(executor_shutdown_meets_submit, .faults = MODEL_LATE_TIME,
               .covers = "W16 W18", .goals = "before after")
{
    work *w = work_new();
    work *end = work_new();
    idle_thread();
    model_spawn(shuts_down, end);
    submits(w);
    model_join_all();
    MODEL_EQ(w->err, 0);
    MODEL_EQ(end->err, 0);
    model_cover(threads_now() ? "after" : "before");
    executor_end();
    MODEL_EQ(w->ran, 1);
}

MODEL_SCENARIO(executor_shutdown_meets_end_of_task, .faults = MODEL_LATE_TIME,
               .covers = "W3 W6")
{
    work *w = work_new();
    idle_thread();
    submits(w);
    MODEL_EQ(cconc_shutdown(NULL), 0);
    MODEL_EQ(w->ran, 1);
    MODEL_EQ(threads_now(), 0);
    model_rest();
}

/* Two end it: each thread is joined once, the memory goes once. */
MODEL_SCENARIO(executor_shutdowns_meet, .bound = 2, .faults = MODEL_LATE_TIME, .covers = "W12")
{
    work *end = work_new();
    idle_thread();
    model_spawn(shuts_down, end);
    MODEL_EQ(cconc_shutdown(NULL), 0);
    model_join_all();
    MODEL_EQ(end->err, 0);
    MODEL_EQ(threads_now(), 0);
    model_rest();
}

/* The watch looks while the executor stops. */
MODEL_SCENARIO(executor_shutdown_meets_the_watch, .faults = MODEL_LATE_TIME)
{
    work *first = work_new();
    work *second = work_new();
    model_word *gate = &work_new()->started;
    first->until = gate;
    submits(first);
    model_settle();
    submits(second);
    model_settle();
    model_set(gate, 1);
    model_settle(); /* nothing is left to do, but the watch is armed still */
    model_pass(1000000);
    MODEL_EQ(cconc_shutdown(NULL), 0);
    MODEL_EQ(first->ran, 1);
    MODEL_EQ(second->ran, 1);
    MODEL_EQ(threads_now(), 0);
}

/* A task ends its thread: what is behind it is run by the one in its place. */
MODEL_SCENARIO(executor_task_ends_its_thread, .exhaustive = true, .faults = MODEL_LATE_TIME,
               .covers = "G7 X4")
{
    work *w = work_new();
    work *next = work_new();
    idle_thread();
    model_invariant(counts_are_sane, NULL);
    w->ends_thread = true;
    submits(w);
    submits(next);
    model_settle();
    MODEL_EQ(w->torn, 1);
    MODEL_EQ(next->ran, 1);
    executor_end();
}

/* The memory for that one is there, whatever else is not. */
MODEL_SCENARIO(executor_ended_thread_without_memory,
               .faults = MODEL_LATE_TIME | MODEL_NO_MEMORY, .covers = "G7 X4")
{
    work *w = work_new();
    work *next = work_new();
    w->ends_thread = true;
    submits(w);
    submits(next);
    MODEL_CHECK((w->err == 0 && next->err == 0) || model_had_fault(MODEL_NO_MEMORY));
    model_settle();
    MODEL_EQ(w->torn, w->err == 0);
    MODEL_EQ(next->ran, next->err == 0);
    executor_end();
}

/* No thread: the task is the caller's again, or the watch gets one for it later. */
MODEL_SCENARIO(executor_submit_without_thread, .faults = MODEL_LATE_TIME | MODEL_NO_THREAD,
               .covers = "W15", .goals = "failed accepted")
{
    work *w = work_new();
    model_invariant(counts_are_sane, NULL);
    submits(w);
    MODEL_CHECK(w->err == 0 || w->err == ENOMEM);
    MODEL_CHECK(w->err == 0 || model_had_fault(MODEL_NO_THREAD));
    model_cover(w->err ? "failed" : "accepted");
    executor_end();
    MODEL_EQ(w->ran, w->err == 0);
}

MODEL_SCENARIO(executor_submits_meet_without_thread, .bound = 2,
               .faults = MODEL_LATE_TIME | MODEL_NO_THREAD | MODEL_NO_MEMORY, .covers = "W15",
               .goals = "failed accepted")
{
    work *w = work_new();
    work *other = work_new();
    model_spawn(submits, other);
    submits(w);
    model_join_all();
    MODEL_CHECK((w->err == 0 && other->err == 0) ||
                model_had_fault(MODEL_NO_THREAD | MODEL_NO_MEMORY));
    model_cover(w->err || other->err ? "failed" : "accepted");
    executor_end();
    MODEL_EQ(w->ran, w->err == 0);
    MODEL_EQ(other->ran, other->err == 0);
}

/* The thread behind a blocked one cannot be made: it is tried again. */
MODEL_SCENARIO(executor_starts_again_without_thread,
               .faults = MODEL_LATE_TIME | MODEL_NO_THREAD, .covers = "W15")
{
    work *first = work_new();
    work *second = work_new();
    first->until = &second->started;
    submits(first);
    if (first->err) {
        executor_end();
        return;
    }
    model_settle();
    submits(second);
    MODEL_EQ(second->err, 0);
    model_await(&second->started, 1);
    MODEL_CHECK(model_now() <= MODEL_START + 12000000);
    executor_end();
    MODEL_EQ(first->ran, 1);
}

/* Looking for a moment before sleeping, on several processors. */
MODEL_SCENARIO(executor_submit_meets_a_spinning_thread, .bound = 2, .cpus = MODEL_ANY_CPUS,
               .faults = MODEL_LATE_TIME, .covers = "W8")
{
    work *w = work_new();
    work *next = work_new();
    model_invariant(counts_are_sane, NULL);
    submits(w);
    submits(next);
    executor_end();
    MODEL_EQ(w->ran, 1);
    MODEL_EQ(next->ran, 1);
}

MODEL_SCENARIO(executor_spurious_wakes, .low = true, .faults = MODEL_SPURIOUS | MODEL_LATE_TIME)
{
    work *w = work_new();
    idle_thread();
    submits(w);
    executor_end();
    MODEL_EQ(w->ran, 1);
}

/* In a forked child nothing is taken; once it has adopted the library all begins anew. */
MODEL_SCENARIO(executor_in_a_forked_child, .faults = MODEL_LATE_TIME, .bound = 2)
{
    work *child = work_new();
    idle_thread();
    MODEL_EQ(threads_now(), 1); /* after all that the thread has done */
    model_fork();
    submits(child);
    MODEL_EQ(child->err, ENOTRECOVERABLE);
    MODEL_EQ(cconc_fork_child(), 0);
    submits(child);
    MODEL_EQ(child->err, 0);
    model_await(&child->started, 1);
    MODEL_EQ(cconc_shutdown(NULL), 0);
    MODEL_EQ(child->ran, 1);
    model_fork(); /* the parent's memory is left alone: it is no leak */
}
