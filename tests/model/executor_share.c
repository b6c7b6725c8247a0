/* executor_share.c - interleavings of threads that have taken several tasks at once.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A task that waits behind another one while a thread is free, one that runs twice or
 *          never because its holder and whoever takes it back meet.
 * Method   Scenarios of the deterministic tester: one thread is kept busy until the queue is long
 *          enough for it to take two tasks of the four behind it, three of six, or four of eight.
 * Catches  Looks at the queue alone, holds that are read and not swapped out, ends of threads that
 *          hold something.
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

/* The first one is in its thread, the others are queued when it goes on. */
static void env_run(env *e, int count)
{
    MODEL_EQ(cconc__executor_submit(&e->works[0].task), 0);
    model_settle();
    model_invariant(counts_are_sane, NULL);
    for (int i = 1; i <= count; i++) {
        MODEL_EQ(cconc__executor_submit(&e->works[i].task), 0);
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

/* Two threads wait where the library does not see it, for what the first of them holds. */
MODEL_SCENARIO(executor_share_behind_a_blocked_task, .bound = 2, .faults = MODEL_LATE_TIME,
               .covers = "W4")
{
    env *e = env_new();
    e->works[1].until = &e->works[2].started;
    e->works[4].until = &e->works[2].started;
    env_run(e, 4);
    env_end(e, 4);
}

/* The holder sleeps where it is seen: another thread comes at once. */
MODEL_SCENARIO(executor_share_of_a_sleeping_task, .bound = 2, .faults = MODEL_LATE_TIME,
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

/* A task ends the thread that holds the next one. */
MODEL_SCENARIO(executor_share_of_an_ended_thread, .bound = 2, .faults = MODEL_LATE_TIME,
               .covers = "W16 G7")
{
    env *e = env_new();
    e->works[1].ends_thread = true;
    env_run(e, 4);
    env_end(e, 4);
}

/* The holder goes on at the moment in which another thread looks for what it holds. */
MODEL_SCENARIO(executor_share_taken_back_meets_its_thread, .bound = 2, .covers = "W16",
               .goals = "holder other")
{
    env *e = env_new();
    e->works[1].until = &e->works[4].started;
    env_run(e, 4);
    env_end(e, 4);
    model_cover(e->works[2].by == e->works[1].by ? "holder" : "other");
}

/* The second of three blocks until the one behind it has run; others look for work right then. */
MODEL_SCENARIO(executor_share_behind_its_second_task, .bound = 2, .covers = "W4 W16")
{
    env *e = env_new();
    e->works[1].until = &e->works[6].started;
    e->works[2].until = &e->works[3].started;
    env_run(e, 6);
    env_end(e, 6);
}

/* The second ends its thread at such a moment. */
MODEL_SCENARIO(executor_share_whose_second_task_ends_its_thread, .bound = 2, .covers = "W16 G7")
{
    env *e = env_new();
    e->works[1].until = &e->works[6].started;
    e->works[2].ends_thread = true;
    env_run(e, 6);
    env_end(e, 6);
}

/* Four at once: the holder runs them one by one, or somebody takes the rest back. */
MODEL_SCENARIO(executor_share_of_many, .bound = 1, .covers = "W16", .goals = "holder other")
{
    env *e = env_new();
    e->works[2].until = &e->works[8].started;
    env_run(e, 8);
    env_end(e, 8);
    model_cover(e->works[3].by == e->works[1].by ? "holder" : "other");
}
