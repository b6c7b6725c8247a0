/* clock_timer.c - interleavings of the virtual clock with timers and tickers.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A function that runs after it was stopped, or not at its time; a value of the past; an
 *          advance that comes back before what was due is done, or never.
 * Method   Scenarios of the deterministic tester: the clock moves while timers are armed, stopped,
 *          reset and waited for. While a function runs the clock stands, so its reading is exact.
 * Catches  T1 T2 T4 T7 T8; rules env-2 time-1 time-2 time-3 time-5 time-6.
 */
#include "model.h"

typedef struct env {
    cconc_timer *timer;
    cconc_timer *two;
    cconc_ticker *ticker;
    cconc_ctx *ctx;
    int64_t seen_ns[4];
    int64_t due_ns;
    int ran;
    model_word overlapping; /* runs that may overlap */
    int err[4];
    bool prevented;
} env;

static env *env_new(void)
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_clock_virtual(), 0);
    return e;
}

static void advance(int64_t duration_ns)
{
    MODEL_EQ(cconc_clock_advance(duration_ns), 0);
}

static void end(env *e)
{
    model_rest();
    cconc_timer_free(e->timer);
    cconc_timer_free(e->two);
    cconc_ticker_free(e->ticker);
    cconc_ctx_free(e->ctx);
    MODEL_EQ(cconc_clock_real(), 0);
}

static void notes(void *arg)
{
    env *e = arg;
    e->seen_ns[e->ran] = cconc_clock_now();
    e->ran++;
}

/* ---- functions ------------------------------------------------------------------------------- */

static void stops(void *arg)
{
    env *e = arg;
    e->prevented = cconc_timer_stop(e->timer);
}

/* Stopped, or run: not both, not neither; run before advance is back (T1). */
MODEL_SCENARIO(clock_timer_stop_meets_advance, .low = true, .bound = 2, .goals = "stopped ran",
               .covers = "T1")
{
    env *e = env_new();
    MODEL_EQ(cconc_timer_new_func(1000, notes, e, &e->timer), 0);
    model_settle();
    model_spawn(stops, e);
    advance(1000);
    model_join_all();
    MODEL_EQ(e->ran, e->prevented ? 0 : 1);
    MODEL_CHECK(e->prevented || e->seen_ns[0] == MODEL_START + 1000);
    model_cover(e->prevented ? "stopped" : "ran");
    end(e);
}

static void resets_to_500(void *arg)
{
    env *e = arg;
    e->prevented = cconc_timer_reset(e->timer, 500);
}

/* Started anew while it is due: each start runs once, at its own time (T2). */
MODEL_SCENARIO(clock_timer_reset_meets_advance, .low = true, .bound = 2,
               .goals = "prevented ran_before", .covers = "T1 T2")
{
    env *e = env_new();
    MODEL_EQ(cconc_timer_new_func(1000, notes, e, &e->timer), 0);
    model_settle();
    model_spawn(resets_to_500, e);
    advance(1000);
    model_join_all();
    advance(1000);
    MODEL_EQ(e->ran, e->prevented ? 1 : 2);
    MODEL_CHECK(e->prevented || e->seen_ns[0] == MODEL_START + 1000);
    MODEL_CHECK(e->seen_ns[e->ran - 1] <= MODEL_START + 1500);
    model_cover(e->prevented ? "prevented" : "ran_before");
    end(e);
}

static void counts(void *arg)
{
    env *e = arg;
    (void)model_add(&e->overlapping, 1);
}

/* Started anew before its first function has begun: the clock waits for both. */
MODEL_SCENARIO(clock_timer_fires_twice_at_once, .low = true, .bound = 2, .faults = MODEL_CAS,
               .goals = "once twice", .covers = "T1 T2")
{
    env *e = env_new();
    MODEL_EQ(cconc_timer_new_func(0, counts, e, &e->timer), 0);
    e->prevented = cconc_timer_reset(e->timer, 0);
    advance(1000);
    MODEL_EQ(model_get(&e->overlapping), e->prevented ? 1 : 2);
    model_cover(e->prevented ? "once" : "twice");
    end(e);
}

static void starts_500(void *arg)
{
    env *e = arg;
    MODEL_EQ(cconc_timer_new_func(500, notes, e, &e->timer), 0);
}

/* Armed while the clock moves: on the way, or after it, but never forgotten (T4). */
MODEL_SCENARIO(clock_timer_new_meets_advance, .low = true, .bound = 2,
               .goals = "on_the_way late after", .covers = "T4")
{
    env *e = env_new();
    model_spawn(starts_500, e);
    advance(1000);
    model_join_all();
    advance(500);
    MODEL_EQ(e->ran, 1);
    e->due_ns = e->seen_ns[0] - MODEL_START; /* 1000: the clock went by while it was armed */
    MODEL_CHECK(e->due_ns == 500 || e->due_ns == 1000 || e->due_ns == 1500);
    model_cover(e->due_ns == 500 ? "on_the_way" : e->due_ns == 1000 ? "late" : "after");
    end(e);
}

static void notes_and_starts_again(void *arg)
{
    env *e = arg;
    notes(e);
    if (e->ran < 3) {
        MODEL_CHECK(!cconc_timer_reset(e->timer, 400));
    }
}

/* What a function makes due is due in its turn, at its exact time. */
MODEL_SCENARIO(clock_timer_chain, .low = true, .bound = 1, .covers = "T7")
{
    env *e = env_new();
    MODEL_EQ(cconc_timer_new_func(CCONC_NEVER, notes_and_starts_again, e, &e->timer), 0);
    MODEL_CHECK(cconc_timer_reset(e->timer, 400));
    advance(2000);
    MODEL_EQ(e->ran, 3);
    MODEL_EQ(e->seen_ns[0], MODEL_START + 400);
    MODEL_EQ(e->seen_ns[1], MODEL_START + 800);
    MODEL_EQ(e->seen_ns[2], MODEL_START + 1200);
    MODEL_EQ(cconc_clock_now(), MODEL_START + 2000);
    end(e);
}

/* Two due times, made in the other order: each at its time, the earlier one first (T8). */
MODEL_SCENARIO(clock_timers_in_order, .low = true, .bound = 2, .covers = "T8")
{
    env *e = env_new();
    MODEL_EQ(cconc_timer_new_func(800, notes, e, &e->two), 0);
    MODEL_EQ(cconc_timer_new_func(300, notes, e, &e->timer), 0);
    model_settle();
    advance(1000);
    MODEL_EQ(e->ran, 2);
    MODEL_EQ(e->seen_ns[0], MODEL_START + 300);
    MODEL_EQ(e->seen_ns[1], MODEL_START + 800);
    end(e);
}

static void waits_for_context(void *arg)
{
    env *e = arg;
    notes(e);
    e->err[1] = cconc_ctx_wait(e->ctx, NULL);
    e->err[2] = cconc_clock_advance(1);
}

/* A function that waits in the library does not keep the clock; nor may it move it meanwhile. */
MODEL_SCENARIO(clock_function_waits, .low = true, .bound = 2, .goals = "busy moved refused")
{
    env *e = env_new();
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    MODEL_EQ(cconc_timer_new_func(1000, waits_for_context, e, &e->timer), 0);
    model_settle();
    advance(1000);
    MODEL_EQ(e->ran, 1);
    MODEL_EQ(cconc_ctx_err(e->ctx), 0); /* it waits yet, and advance is back */
    cconc_ctx_cancel(e->ctx);
    e->err[0] = cconc_clock_advance(1);
    (void)cconc_timer_stop_wait(e->timer);
    MODEL_EQ(e->err[1], 0);
    MODEL_CHECK(e->err[0] == 0 || (e->err[0] == EBUSY && e->err[2] == 0));
    MODEL_CHECK(e->err[2] == 0 || (e->err[2] == EBUSY && e->err[0] == 0));
    model_cover(e->err[2] ? "busy" : e->err[0] ? "refused" : "moved");
    end(e);
}

static void ends_its_thread(void *arg)
{
    notes(arg);
    model_exit_thread();
}

/* No thread for the function, and it ends the one that it gets: advance still comes back. */
MODEL_SCENARIO(clock_function_ends_its_thread, .low = true, .bound = 2,
               .faults = MODEL_NO_THREAD, .goals = "service executor", .covers = "G7 W15")
{
    env *e = env_new();
    if (cconc_timer_new_func(1000, ends_its_thread, e, &e->timer) == 0) {
        advance(1000);
        MODEL_EQ(e->ran, 1);
        MODEL_CHECK(cconc_timer_reset(e->timer, 500) == false);
        advance(500);
        MODEL_EQ(e->ran, 2);
        model_cover(model_had_fault(MODEL_NO_THREAD) ? "service" : "executor");
    } else {
        MODEL_CHECK(model_had_fault(MODEL_NO_THREAD));
    }
    end(e);
}

/* ---- waits for timers and tickers ------------------------------------------------------------ */

static void waits_for_timer(void *arg)
{
    env *e = arg;
    e->err[1] = cconc_timer_wait(e->timer, NULL, &e->due_ns);
}

/* A waited timer is stopped while it is due: its value, or EPIPE, and stop says which (T1). */
MODEL_SCENARIO(clock_wait_meets_advance_and_stop, .low = true, .bound = 2, .goals = "value stopped",
               .covers = "T1 T2")
{
    env *e = env_new();
    MODEL_EQ(cconc_timer_new(1000, &e->timer), 0);
    model_spawn(waits_for_timer, e);
    model_settle();
    model_spawn(stops, e);
    advance(1000);
    model_join_all();
    MODEL_EQ(e->err[1], e->prevented ? EPIPE : 0);
    MODEL_CHECK(e->prevented || e->due_ns == MODEL_START + 1000);
    model_cover(e->prevented ? "stopped" : "value");
    end(e);
}

/* An earlier due time wakes who waits for the later one (T4, time-3). */
MODEL_SCENARIO(clock_wait_meets_advance_and_reset, .low = true, .bound = 2, .goals = "new old",
               .covers = "T2 T3 T4")
{
    env *e = env_new();
    MODEL_EQ(cconc_timer_new(1000, &e->timer), 0);
    model_spawn(waits_for_timer, e);
    model_settle();
    model_spawn(resets_to_500, e);
    advance(1000);
    model_settle();
    advance(500);
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    MODEL_CHECK(e->due_ns == MODEL_START + (e->prevented ? 500 : 1000) ||
                (e->prevented && e->due_ns == MODEL_START + 1500));
    model_cover(e->prevented ? "new" : "old");
    end(e);
}

static void waits_for_two_ticks(void *arg)
{
    env *e = arg;
    for (int i = 0; i < 2; i++) {
        MODEL_EQ(cconc_ticker_wait(e->ticker, NULL, &e->seen_ns[i]), 0);
    }
}

/* Ticks come on the grid, each once; one that is late misses some (time-5). */
MODEL_SCENARIO(clock_ticker_meets_advance, .low = true, .bound = 2, .goals = "all missed")
{
    env *e = env_new();
    MODEL_EQ(cconc_ticker_new(100, NULL, &e->ticker), 0);
    model_spawn(waits_for_two_ticks, e);
    advance(250);
    model_settle();
    advance(100);
    model_settle();
    advance(100);
    model_join_all();
    for (int i = 0; i < 2; i++) {
        MODEL_EQ((e->seen_ns[i] - MODEL_START) % 100, 0);
    }
    MODEL_CHECK(e->seen_ns[0] < e->seen_ns[1] && e->seen_ns[1] <= MODEL_START + 400);
    model_cover(e->seen_ns[1] == MODEL_START + 200 ? "all" : "missed");
    end(e);
}
