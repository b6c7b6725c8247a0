/* timer_func.c - interleavings of timers that run a function.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A function that runs though stop has said that it would not, or never; one that runs
 *          after stop_wait or free are back; two runs where one was owed.
 * Method   Scenarios of the deterministic tester with the library's own threads.
 * Catches  Stops that ask before they take, counts of runs that drift, a wait for the wrong run, a
 *          timer whose memory goes while its function runs.
 */
#include "model.h"

typedef struct env {
    cconc_timer *timer;
    int64_t fired_ns;
    int err;
    bool stopped[2];
    model_word begun;
    model_word ended;
} env;

static void runs(void *arg)
{
    env *e = arg;
    (void)model_add(&e->begun, 1);
    (void)model_add(&e->ended, 1);
}

/* What is plain shows whether whoever waited for the run has it. */
static void notes_and_runs(void *arg)
{
    ((env *)arg)->fired_ns = model_now();
    runs(arg);
}

static env *env_new(int64_t delay_ns, cconc_timer_fn fn)
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_timer_new_func(delay_ns, fn, e, &e->timer), 0);
    return e;
}

/* All runs are over, and there were so many. */
static void env_end(env *e, uint32_t count)
{
    model_join_all();
    cconc_timer_free(e->timer);
    MODEL_EQ(model_get(&e->begun), count);
    MODEL_EQ(model_get(&e->ended), count);
}

MODEL_SCENARIO(timer_func_stop_meets_fire, .exhaustive = true, .covers = "T1",
               .goals = "stopped ran")
{
    env *e = env_new(10, runs);
    e->stopped[0] = cconc_timer_stop(e->timer);
    model_cover(e->stopped[0] ? "stopped" : "ran");
    env_end(e, e->stopped[0] ? 0 : 1);
}

static void stops(void *arg)
{
    env *e = arg;
    e->stopped[1] = cconc_timer_stop(e->timer);
}

/* Two stop it: one at most has prevented the run. */
MODEL_SCENARIO(timer_func_two_stops, .covers = "T1 C9", .goals = "main other none")
{
    env *e = env_new(10, runs);
    model_spawn(stops, e);
    e->stopped[0] = cconc_timer_stop(e->timer);
    model_join_all();
    MODEL_CHECK(!(e->stopped[0] && e->stopped[1]));
    model_cover(e->stopped[0] ? "main" : e->stopped[1] ? "other" : "none");
    env_end(e, e->stopped[0] || e->stopped[1] ? 0 : 1);
}

/* After stop_wait nothing runs any more. */
MODEL_SCENARIO(timer_func_stop_wait_meets_fire, .exhaustive = true, .covers = "T1 C12",
               .goals = "stopped ran")
{
    env *e = env_new(10, notes_and_runs);
    e->stopped[0] = cconc_timer_stop_wait(e->timer);
    MODEL_EQ(e->fired_ns == 0, e->stopped[0]);
    MODEL_EQ(model_get(&e->begun), e->stopped[0] ? 0 : 1);
    MODEL_EQ(model_get(&e->ended), e->stopped[0] ? 0 : 1);
    model_cover(e->stopped[0] ? "stopped" : "ran");
    env_end(e, e->stopped[0] ? 0 : 1);
}

/* After free its argument may go. */
MODEL_SCENARIO(timer_func_free_meets_fire, .exhaustive = true, .covers = "X1", .goals = "never ran")
{
    env *e = env_new(10, notes_and_runs);
    uint32_t count;
    bool noted;
    cconc_timer_free(e->timer);
    noted = e->fired_ns != 0;
    count = model_get(&e->begun);
    MODEL_EQ(model_get(&e->ended), count);
    MODEL_EQ(noted, count > 0);
    model_cover(count ? "ran" : "never");
    model_free(e);
}

static void stops_itself(void *arg)
{
    env *e = arg;
    e->stopped[0] = cconc_timer_stop_wait(e->timer);
    runs(e);
}

/* stop_wait from inside: at once. */
MODEL_SCENARIO(timer_func_stops_itself, .faults = MODEL_LATE_TIME, .covers = "C12")
{
    env *e = env_new(10, stops_itself);
    model_await(&e->ended, 1);
    env_end(e, 1);
    MODEL_CHECK(!e->stopped[0]);
}

static void frees_itself(void *arg)
{
    env *e = arg;
    cconc_timer_free(e->timer);
    runs(e);
}

MODEL_SCENARIO(timer_func_frees_itself, .faults = MODEL_LATE_TIME, .covers = "C12 C10")
{
    env *e = env_new(10, frees_itself);
    model_await(&e->ended, 1);
}

static void starts_itself_again(void *arg)
{
    env *e = arg;
    if (model_add(&e->begun, 1) == 0) {
        MODEL_CHECK(!cconc_timer_reset(e->timer, 10));
    }
    (void)model_add(&e->ended, 1);
}

MODEL_SCENARIO(timer_func_starts_itself_again, .faults = MODEL_LATE_TIME, .covers = "T7 C10")
{
    env *e = env_new(10, starts_itself_again);
    model_await(&e->ended, 2);
    MODEL_CHECK(model_now() >= MODEL_START + 20);
    env_end(e, 2);
}

static void runs_and_starts_again(void *arg)
{
    env *e = arg;
    uint32_t before = model_add(&e->begun, 1);
    if (before < 2) {
        MODEL_CHECK(!cconc_timer_reset(e->timer, 10));
    }
    (void)model_add(&e->ended, 1);
}

/* free while the function starts its timer again: whatever it starts is over, or never begins. */
MODEL_SCENARIO(timer_func_starts_itself_again_meets_free, .covers = "X1 C12",
               .goals = "never once again")
{
    env *e = env_new(10, runs_and_starts_again);
    uint32_t count;
    cconc_timer_free(e->timer);
    count = model_get(&e->begun);
    MODEL_EQ(model_get(&e->ended), count);
    model_cover(count == 0 ? "never" : count == 1 ? "once" : "again");
}

/* For each start either one stop or reset is true, or the function runs. */
MODEL_SCENARIO(timer_func_reset_meets_fire, .covers = "T1 T2", .goals = "zero one two")
{
    static const char *const goals[] = {"zero", "one", "two"};
    env *e = env_new(10, runs);
    uint32_t count;
    e->stopped[0] = cconc_timer_reset(e->timer, 10);
    e->stopped[1] = cconc_timer_stop_wait(e->timer);
    count = model_get(&e->ended);
    MODEL_EQ(count + e->stopped[0] + e->stopped[1], 2);
    model_cover(goals[count]);
    env_end(e, count);
}

static void ends_its_thread(void *arg)
{
    runs(arg);
    model_exit_thread();
}

/* A function that ends its thread has ended: nobody waits for it for ever. */
MODEL_SCENARIO(timer_func_ends_its_thread, .exhaustive = true, .covers = "F1 O1",
               .goals = "stopped ran")
{
    env *e = env_new(10, ends_its_thread);
    e->stopped[0] = cconc_timer_stop_wait(e->timer);
    model_cover(e->stopped[0] ? "stopped" : "ran");
    env_end(e, e->stopped[0] ? 0 : 1);
}

/* Where there is no thread for it, it runs all the same. */
MODEL_SCENARIO(timer_func_without_thread,
               .faults = MODEL_NO_MEMORY | MODEL_NO_THREAD | MODEL_LATE_TIME, .covers = "X4 W15",
               .goals = "new_failed ran_without ran")
{
    env *e = model_zalloc(sizeof(*e));
    e->err = cconc_timer_new_func(10, runs, e, &e->timer);
    if (e->err) {
        MODEL_EQ(e->err, ENOMEM);
        model_cover("new_failed");
        return;
    }
    model_await(&e->ended, 1);
    model_cover(model_had_fault(MODEL_NO_THREAD) ? "ran_without" : "ran");
    env_end(e, 1);
}

static void ends_its_thread_without(void *arg)
{
    env *e = arg;
    (void)model_add(&e->begun, 1);
    (void)model_add(&e->ended, 1);
    model_exit_thread();
}

/* It runs on the timer service's thread, and ends that: the next timer is served all the same. */
MODEL_SCENARIO(timer_func_ends_the_service, .faults = MODEL_NO_THREAD | MODEL_LATE_TIME,
               .covers = "O1 W13")
{
    env *e = model_zalloc(sizeof(*e));
    cconc_timer *next;
    if (cconc_timer_new_func(10, ends_its_thread_without, e, &e->timer) != 0) {
        return;
    }
    model_await(&e->ended, 1);
    MODEL_EQ(cconc_timer_new_func(10, runs, e, &next), 0);
    model_await(&e->ended, 2);
    cconc_timer_free(next);
    env_end(e, 2);
}
