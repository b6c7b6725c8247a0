/* waitgroup_go.c - interleavings of tasks that a waitgroup counts.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A task that is counted and never runs, or runs uncounted; a count that stays up when its
 *          task ends its thread; a task that touches the waitgroup after the wait is back.
 * Method   Scenarios of the deterministic tester with the library's own threads.
 * Catches  A done that is left out on some way, a count that comes after the submit, use of a freed
 *          task.
 */
#include "model.h"

typedef struct env {
    cconc_waitgroup *wg;
    int err;
    int ran[2];
    model_word free_to_end;
} env;

static env *env_new(void)
{
    env *e = model_zalloc(sizeof(*e));
    e->wg = model_zalloc(sizeof(*e->wg));
    return e;
}

static void first(void *arg)
{
    env *e = arg;
    e->ran[0]++;
}

static void second(void *arg)
{
    env *e = arg;
    e->ran[1]++;
}

MODEL_SCENARIO(waitgroup_go_ends_before_wait, .faults = MODEL_LATE_TIME, .covers = "G3")
{
    env *e = env_new();
    MODEL_EQ(cconc_waitgroup_go(e->wg, first, e), 0);
    MODEL_EQ(cconc_waitgroup_wait(e->wg, NULL), 0);
    MODEL_EQ(e->ran[0], 1);
    model_free(e->wg);
}

MODEL_SCENARIO(waitgroup_go_twice, .faults = MODEL_LATE_TIME, .covers = "G4")
{
    env *e = env_new();
    MODEL_EQ(cconc_waitgroup_go(e->wg, first, e), 0);
    MODEL_EQ(cconc_waitgroup_go(e->wg, second, e), 0);
    MODEL_EQ(cconc_waitgroup_wait(e->wg, NULL), 0);
    MODEL_EQ(e->ran[0] + e->ran[1], 2);
    model_free(e->wg);
}

static void ends_its_thread(void *arg)
{
    env *e = arg;
    e->ran[0]++;
    model_exit_thread();
}

/* A task that ends its thread is done as any other. */
MODEL_SCENARIO(waitgroup_go_ends_its_thread, .faults = MODEL_LATE_TIME, .covers = "G7 F1")
{
    env *e = env_new();
    MODEL_EQ(cconc_waitgroup_go(e->wg, ends_its_thread, e), 0);
    MODEL_EQ(cconc_waitgroup_wait(e->wg, NULL), 0);
    MODEL_EQ(e->ran[0], 1);
    model_free(e->wg);
}

static void starts_another(void *arg)
{
    env *e = arg;
    e->err = cconc_waitgroup_go(e->wg, second, e);
    e->ran[0]++;
}

/* Started from inside, it belongs to the round that is waited for. */
MODEL_SCENARIO(waitgroup_go_from_inside, .faults = MODEL_LATE_TIME, .covers = "G5")
{
    env *e = env_new();
    MODEL_EQ(cconc_waitgroup_go(e->wg, starts_another, e), 0);
    MODEL_EQ(cconc_waitgroup_wait(e->wg, NULL), 0);
    MODEL_EQ(e->err, 0);
    MODEL_EQ(e->ran[0] + e->ran[1], 2);
    model_free(e->wg);
}

/* No memory, no thread: the count is as before, and nothing runs. */
MODEL_SCENARIO(waitgroup_go_fails, .faults = MODEL_NO_MEMORY | MODEL_NO_THREAD | MODEL_LATE_TIME,
               .covers = "X4 W15", .goals = "failed ran")
{
    env *e = env_new();
    e->err = cconc_waitgroup_go(e->wg, first, e);
    MODEL_EQ(cconc_waitgroup_wait(e->wg, NULL), 0);
    if (e->err) {
        MODEL_EQ(e->err, ENOMEM);
        MODEL_CHECK(model_had_fault(MODEL_NO_MEMORY | MODEL_NO_THREAD));
    }
    MODEL_EQ(e->ran[0], e->err ? 0 : 1);
    model_cover(e->err ? "failed" : "ran");
    MODEL_EQ(cconc_waitgroup_count(e->wg), 0);
    model_free(e->wg);
}

static void waits_for_word(void *arg)
{
    env *e = arg;
    model_await(&e->free_to_end, 1);
    e->ran[0]++;
}

static void goes_second(void *arg)
{
    env *e = arg;
    e->err = cconc_waitgroup_go(e->wg, second, e);
    model_set(&e->free_to_end, 1);
}

/* A go that meets the wait: the round's count is above zero until both have ended. */
MODEL_SCENARIO(waitgroup_go_meets_wait, .bound = 2, .faults = MODEL_LATE_TIME, .covers = "G5")
{
    env *e = env_new();
    MODEL_EQ(cconc_waitgroup_go(e->wg, waits_for_word, e), 0);
    model_spawn(goes_second, e);
    MODEL_EQ(cconc_waitgroup_wait(e->wg, NULL), 0);
    MODEL_EQ(e->err, 0);
    MODEL_EQ(e->ran[0] + e->ran[1], 2);
    model_free(e->wg);
    model_join_all();
}
