/* executor_queue.c - interleavings of threads that take jobs out of segments.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A job that waits behind another one while a thread is free, one that runs twice or never
 *          because two threads meet at it, a segment that goes while a job in it runs.
 * Method   Scenarios of the deterministic tester: one thread is kept busy until jobs are queued
 *          behind it. Where the end of a segment matters, one looks as if jobs had come and gone.
 * Catches  Looks at the list alone, words that are read and not swapped, segments that are used
 *          again too early, ends of threads that are at one.
 */
#include "works.h"

enum { MOST = 9 };

typedef struct env {
    model_word open;
    work works[MOST];
} env;

static env *env_new(void)
{
    env *e = model_zalloc(sizeof(*e));
    for (int i = 0; i < MOST; i++) {
        work_init(&e->works[i]);
    }
    e->works[0].until = &e->open;
    return e;
}

/* A segment with room for left more, as if others had come and gone. */
static void fill_segment(uint32_t left)
{
    env *e = env_new();
    e->works[0].until = NULL;
    MODEL_EQ(work_spawn(&e->works[0]), 0);
    model_settle();
    ex->filled = EXEC_JOBS - left;
    atom_store_rlx(&ex->tail->span, EXEC_SPAN(ex->filled, ex->filled));
}

/* The first one is in its thread, the others are queued when it goes on. */
static void env_run(env *e, int count)
{
    MODEL_EQ(work_spawn(&e->works[0]), 0);
    model_settle();
    model_invariant(counts_are_sane, NULL);
    for (int i = 1; i <= count; i++) {
        MODEL_EQ(work_spawn(&e->works[i]), 0);
    }
    model_set(&e->open, 1);
}

static void env_end(env *e, int count)
{
    for (int i = 1; i <= count; i++) {
        model_await(&e->works[i].started, 1); /* a rest would come before the watch does */
    }
    model_rest();
    MODEL_EQ(cconc_shutdown(NULL), 0);
    for (int i = 0; i <= count; i++) {
        MODEL_EQ(e->works[i].ran, 1);
        MODEL_EQ(e->works[i].torn, e->works[i].ends_thread ? 1 : 0);
    }
}

/* Two threads wait where the library does not see it, for what is behind the first of them. */
MODEL_SCENARIO(executor_job_behind_a_blocked_one, .bound = 2, .faults = MODEL_LATE_TIME,
               .covers = "W4")
{
    env *e = env_new();
    e->works[1].until = &e->works[2].started;
    e->works[4].until = &e->works[2].started;
    env_run(e, 4);
    env_end(e, 4);
}

/* The same where the one behind is in the next segment. */
MODEL_SCENARIO(executor_job_behind_a_blocked_one_at_the_end, .bound = 2, .faults = MODEL_LATE_TIME,
               .covers = "W4")
{
    env *e = env_new();
    fill_segment(2);
    e->works[1].until = &e->works[2].started;
    env_run(e, 3);
    env_end(e, 3);
}

/* It sleeps where it is seen: another thread comes at once. */
MODEL_SCENARIO(executor_job_behind_a_sleeping_one, .bound = 2, .faults = MODEL_LATE_TIME,
               .covers = "W4")
{
    env *e = env_new();
    cconc_sem *sem;
    MODEL_EQ(cconc_sem_new(1, &sem), 0);
    MODEL_EQ(cconc_sem_try_acquire(sem, 1), 0);
    e->works[1].sem = sem;
    e->works[1].acquires = true;
    e->works[2].sem = sem;
    env_run(e, 4);
    model_settle();
    MODEL_EQ(e->works[2].ran, 1);
    MODEL_EQ(model_now(), MODEL_START);
    env_end(e, 4);
    cconc_sem_free(sem);
}

/* A job ends its thread: the next one in its segment is for another one, and the segment goes. */
MODEL_SCENARIO(executor_job_ends_its_thread, .bound = 2, .faults = MODEL_LATE_TIME,
               .covers = "W16 G7")
{
    env *e = env_new();
    fill_segment(3);
    e->works[1].ends_thread = true;
    env_run(e, 4);
    env_end(e, 4);
}

/* A job comes into the segment that a thread is at: that takes it without the lock. */
MODEL_SCENARIO(executor_spawn_meets_a_thread_at_its_segment, .exhaustive = true,
               .faults = MODEL_LATE_TIME, .covers = "W4 W18")
{
    env *e = env_new();
    fill_segment(4);
    e->works[0].until = NULL;
    MODEL_EQ(work_spawn(&e->works[0]), 0);
    MODEL_EQ(work_spawn(&e->works[1]), 0);
    env_end(e, 1);
}

/* Two threads at one segment. */
MODEL_SCENARIO(executor_threads_meet_at_a_segment, .bound = 2, .covers = "W16",
               .goals = "first other")
{
    env *e = env_new();
    e->works[1].until = &e->works[2].started;
    env_run(e, 4);
    env_end(e, 4);
    model_cover(e->works[3].by == e->works[1].by ? "first" : "other");
}

/* And at the next one, with a push into it. */
MODEL_SCENARIO(executor_threads_meet_at_the_next_segment, .bound = 2, .covers = "W16",
               .goals = "first other")
{
    env *e = env_new();
    fill_segment(3);
    e->works[1].until = &e->works[3].started;
    env_run(e, 3);
    env_end(e, 3);
    model_cover(e->works[3].by == e->works[0].by ? "first" : "other");
}

/* All of a segment has begun and is used again; what runs in it still is left alone. */
MODEL_SCENARIO(executor_segment_goes_while_its_last_job_runs, .bound = 2, .covers = "W16",
               .goals = "again")
{
    env *e = env_new();
    fill_segment(1); /* the first one is the last of its segment */
    MODEL_EQ(work_spawn(&e->works[0]), 0);
    model_settle();
    for (int i = 1; i <= 2; i++) {
        e->works[i].until = i == 1 ? &e->works[2].started : NULL;
        MODEL_EQ(work_spawn(&e->works[i]), 0);
    }
    model_await(&e->works[2].started, 1);
    if (ex->head == ex->tail) {
        model_cover("again");
    }
    model_set(&e->open, 1);
    env_end(e, 2);
}

/* The only segment goes, or not yet, and the next job needs one. */
MODEL_SCENARIO(executor_spawn_meets_the_end_of_a_segment, .exhaustive = true,
               .faults = MODEL_LATE_TIME, .covers = "W16")
{
    env *e = env_new();
    fill_segment(1);
    e->works[0].until = NULL;
    MODEL_EQ(work_spawn(&e->works[0]), 0);
    MODEL_EQ(work_spawn(&e->works[1]), 0);
    env_end(e, 1);
}

/* Pushes meet where a new segment is needed: each brings one, and one is enough. */
static void spawns(void *arg)
{
    work *w = arg;
    w->err = work_spawn(w);
}

MODEL_SCENARIO(executor_spawns_meet_at_a_new_segment, .bound = 2,
               .faults = MODEL_LATE_TIME | MODEL_NO_MEMORY, .covers = "W15", .goals = "failed both")
{
    env *e = env_new();
    e->works[0].until = NULL;
    model_spawn(spawns, &e->works[0]);
    spawns(&e->works[1]);
    model_join_all();
    model_cover(e->works[0].err || e->works[1].err ? "failed" : "both");
    model_rest();
    MODEL_EQ(cconc_shutdown(NULL), 0);
    for (int i = 0; i < 2; i++) {
        MODEL_EQ(e->works[i].ran, e->works[i].err == 0);
        MODEL_CHECK(e->works[i].err == 0 || model_had_fault(MODEL_NO_MEMORY));
    }
}

/* No thread: the job is the caller's again, behind another one's task or not. */
MODEL_SCENARIO(executor_spawn_without_thread, .bound = 2,
               .faults = MODEL_LATE_TIME | MODEL_NO_THREAD, .covers = "W15",
               .goals = "failed accepted")
{
    env *e = env_new();
    e->works[0].until = NULL;
    model_spawn(submits, &e->works[0]);
    spawns(&e->works[1]);
    model_join_all();
    model_cover(e->works[1].err ? "failed" : "accepted");
    model_rest();
    MODEL_EQ(cconc_shutdown(NULL), 0);
    for (int i = 0; i < 2; i++) {
        MODEL_EQ(e->works[i].ran, e->works[i].err == 0);
    }
}

/* Tasks and jobs take turns: neither waits for ever behind the other ones. */
MODEL_SCENARIO(executor_takes_tasks_and_jobs_by_turns, .exhaustive = true,
               .faults = MODEL_LATE_TIME, .covers = "W4")
{
    env *e = env_new();
    MODEL_EQ(cconc__executor_submit(&e->works[0].task), 0);
    model_settle();
    MODEL_EQ(cconc__executor_submit(&e->works[1].task), 0);
    MODEL_EQ(cconc__executor_submit(&e->works[2].task), 0);
    MODEL_EQ(work_spawn(&e->works[3]), 0);
    MODEL_EQ(work_spawn(&e->works[4]), 0);
    e->works[3].before = &e->works[1];
    e->works[1].before = &e->works[2];
    model_set(&e->open, 1);
    env_end(e, 4);
}

/* The second of three blocks until the one behind it has run; others look for work right then. */
MODEL_SCENARIO(executor_job_behind_a_second_one, .bound = 2, .covers = "W4 W16")
{
    env *e = env_new();
    e->works[1].until = &e->works[6].started;
    e->works[2].until = &e->works[3].started;
    env_run(e, 6);
    env_end(e, 6);
}

/* The second ends its thread at such a moment. */
MODEL_SCENARIO(executor_second_job_ends_its_thread, .bound = 2, .covers = "W16 G7")
{
    env *e = env_new();
    e->works[1].until = &e->works[6].started;
    e->works[2].ends_thread = true;
    env_run(e, 6);
    env_end(e, 6);
}
