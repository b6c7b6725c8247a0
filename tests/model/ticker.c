/* ticker.c - interleavings of tickers.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A tick that two waits get, or that nobody is woken for; one from before a stop or reset;
 *          a grid that drifts when somebody is late.
 * Method   Scenarios of the deterministic tester, two to three threads and the timer service.
 * Catches  A next tick that is counted from now, a keeper that leaves nobody behind, waits that
 *          sleep through stop, a second tick while one is pending.
 */
#include "model.h"

typedef struct env {
    cconc_ticker *ticker;
    cconc_ctx *ctx;
    cconc_ctx *until;   /* in mem */
    cconc_ctx_mem mem;
    int err[3];
    int64_t due_ns[3];
    int64_t woke_ns[3];
    int64_t reset_ns;
    bool stopped[2];
} env;

static env *env_new(int64_t period_ns, const cconc_ticker_opts *opts)
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_ticker_new(period_ns, opts, &e->ticker), 0);
    return e;
}

static void env_end(env *e)
{
    model_join_all();
    MODEL_EQ(cconc_ticker_waiters(e->ticker), 0);
    cconc_ctx_free(e->ctx);
    cconc_ticker_free(e->ticker);
}

static void waits_by(env *e, cconc_ctx *ctx, int me)
{
    e->err[me] = cconc_ticker_wait(e->ticker, ctx, &e->due_ns[me]);
    e->woke_ns[me] = model_now();
    if (e->err[me] == 0) {
        MODEL_CHECK(e->woke_ns[me] >= e->due_ns[me]);
    }
}

static void waits(void *arg)
{
    waits_by(arg, NULL, 1);
}

static void waits_second(void *arg)
{
    waits_by(arg, NULL, 2);
}

static void waits_in_ctx(void *arg)
{
    env *e = arg;
    waits_by(e, e->ctx, 1);
}

static void waits_until(void *arg)
{
    env *e = arg;
    waits_by(e, e->until, 1);
}

/* Is it MODEL_START + k * 10? */
static bool is_on_grid(int64_t due_ns)
{
    return due_ns >= MODEL_START && (due_ns - MODEL_START) % 10 == 0;
}

MODEL_SCENARIO(ticker_keeps_the_grid, .exhaustive = true)
{
    env *e = env_new(10, NULL);
    for (int tick = 1; tick <= 3; tick++) {
        waits_by(e, NULL, 0);
        MODEL_EQ(e->err[0], 0);
        MODEL_EQ(e->due_ns[0], MODEL_START + tick * 10);
    }
    env_end(e);
}

/* Each tick is for one of the two. */
MODEL_SCENARIO(ticker_two_waits, .covers = "S3", .goals = "first second")
{
    env *e = env_new(10, NULL);
    model_spawn(waits, e);
    waits_by(e, NULL, 0);
    model_join_all();
    MODEL_EQ(e->err[0] | e->err[1], 0);
    MODEL_CHECK(is_on_grid(e->due_ns[0]) && is_on_grid(e->due_ns[1]));
    MODEL_CHECK(e->due_ns[0] != e->due_ns[1]);
    model_cover(e->due_ns[0] < e->due_ns[1] ? "first" : "second");
    env_end(e);
}

MODEL_SCENARIO(ticker_three_waits, .bound = 2, .faults = MODEL_LATE_TIME, .covers = "S3 S7")
{
    env *e = env_new(10, NULL);
    model_spawn(waits, e);
    model_spawn(waits_second, e);
    waits_by(e, NULL, 0);
    model_join_all();
    MODEL_EQ(e->err[0] | e->err[1] | e->err[2], 0);
    MODEL_EQ(e->due_ns[0] + e->due_ns[1] + e->due_ns[2], 3 * MODEL_START + 60);
    MODEL_EQ(model_now(), MODEL_START + 30);
    env_end(e);
}

/* Whoever sleeps at the stop is told; a tick that was due is dropped, or had been received. */
MODEL_SCENARIO(ticker_stop_meets_wait, .exhaustive = true, .covers = "T1 T2 H16",
               .goals = "told received")
{
    env *e = env_new(10, NULL);
    model_spawn(waits, e);
    e->stopped[0] = cconc_ticker_stop(e->ticker);
    MODEL_CHECK(e->stopped[0]);
    MODEL_EQ(cconc_ticker_try_wait(e->ticker, NULL), EPIPE);
    model_join_all();
    MODEL_CHECK(e->err[1] == 0 || e->err[1] == EPIPE);
    model_cover(e->err[1] ? "told" : "received");
    env_end(e);
}

static void stops(void *arg)
{
    env *e = arg;
    e->stopped[1] = cconc_ticker_stop(e->ticker);
}

MODEL_SCENARIO(ticker_two_stops, .exhaustive = true, .covers = "C9", .goals = "main other")
{
    env *e = env_new(10, NULL);
    model_spawn(stops, e);
    e->stopped[0] = cconc_ticker_stop(e->ticker);
    model_join_all();
    MODEL_EQ(e->stopped[0] + e->stopped[1], 1);
    model_cover(e->stopped[0] ? "main" : "other");
    MODEL_EQ(cconc_ticker_wait(e->ticker, NULL, NULL), EPIPE);
    env_end(e);
}

static void resets(void *arg)
{
    env *e = arg;
    e->reset_ns = model_now();
    MODEL_EQ(cconc_ticker_reset(e->ticker, 10, &e->stopped[1]), 0);
}

/* The sleeper lives through the reset, and is woken by the new period, which is the shorter one. */
MODEL_SCENARIO(ticker_reset_to_shorter, .faults = MODEL_LATE_TIME, .covers = "T4 T3")
{
    env *e = env_new(1000, NULL);
    model_spawn(resets, e);
    waits_by(e, NULL, 0);
    model_join_all();
    MODEL_EQ(e->err[0], 0);
    MODEL_CHECK(e->stopped[1]);
    MODEL_EQ(e->due_ns[0], MODEL_START + 10);
    MODEL_EQ(e->woke_ns[0], MODEL_START + 10);
    env_end(e);
}

/* After the reset no tick of before it comes. */
MODEL_SCENARIO(ticker_reset_meets_wait, .covers = "T2", .goals = "old new")
{
    env *e = env_new(10, NULL);
    model_spawn(waits, e);
    resets(e);
    waits_by(e, NULL, 0);
    MODEL_CHECK(e->due_ns[0] >= e->reset_ns + 10);
    model_join_all();
    MODEL_EQ(e->err[0] | e->err[1], 0);
    MODEL_CHECK(e->due_ns[1] == MODEL_START + 10 || e->due_ns[1] >= e->reset_ns + 10);
    MODEL_CHECK(e->due_ns[1] != e->due_ns[0]);
    model_cover(e->due_ns[1] < e->reset_ns + 10 || e->due_ns[1] < e->due_ns[0] ? "old" : "new");
    env_end(e);
}

/* Stopped and started again: told, or the first of the new ticks. */
MODEL_SCENARIO(ticker_stop_and_reset_meet_wait, .exhaustive = true, .covers = "T2 H16",
               .goals = "told received")
{
    env *e = env_new(1000, NULL);
    model_spawn(waits, e);
    MODEL_CHECK(cconc_ticker_stop(e->ticker));
    resets(e);
    MODEL_CHECK(!e->stopped[1]);
    model_join_all();
    MODEL_CHECK(e->err[1] == 0 || e->err[1] == EPIPE);
    model_cover(e->err[1] ? "told" : "received");
    env_end(e);
}

/* A reader that is late misses ticks; one is pending, and the grid stays. */
MODEL_SCENARIO(ticker_late_reader, .covers = "T7", .goals = "missed")
{
    env *e = env_new(10, NULL);
    model_spawn(waits, e);
    model_pass(35);
    waits_by(e, NULL, 0);
    model_join_all();
    MODEL_EQ(e->err[0] | e->err[1], 0);
    MODEL_CHECK(is_on_grid(e->due_ns[0]) && is_on_grid(e->due_ns[1]));
    MODEL_CHECK(e->due_ns[0] != e->due_ns[1]);
    if (e->due_ns[1] == MODEL_START + 10 && e->due_ns[0] == MODEL_START + 40) {
        model_cover("missed");
    }
    MODEL_CHECK(e->due_ns[0] == MODEL_START + 10 || e->due_ns[1] == MODEL_START + 10);
    env_end(e);
}

/* Who keeps the time is cancelled: the next in line gets the tick, in time. */
MODEL_SCENARIO(ticker_keeper_is_cancelled, .bound = 2, .covers = "S1 H20",
               .goals = "received cancelled")
{
    env *e = env_new(10, NULL);
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(waits_in_ctx, e);
    model_spawn(waits_second, e);
    cconc_ctx_cancel(e->ctx);
    model_join_all();
    MODEL_CHECK(e->err[1] == 0 || e->err[1] == ECANCELED);
    MODEL_EQ(e->err[2], 0);
    model_cover(e->err[1] ? "cancelled" : "received");
    env_end(e);
}

/* The same by time; the tick comes from the timer service, and the ticker is freed at once. */
MODEL_SCENARIO(ticker_keeper_times_out, .faults = MODEL_LATE_TIME, .covers = "S1 S8 S5")
{
    env *e = env_new(10, NULL);
    e->until = cconc_ctx_until(&e->mem, NULL, MODEL_START + 5);
    model_spawn(waits_until, e);
    waits_by(e, NULL, 0);
    MODEL_EQ(e->err[0], 0);
    MODEL_EQ(e->due_ns[0], MODEL_START + 10);
    MODEL_EQ(e->woke_ns[0], MODEL_START + 10);
    model_join_all();
    MODEL_EQ(e->err[1], ETIMEDOUT);
    env_end(e);
}

/* A look without waiting never takes a tick from one who waits. */
MODEL_SCENARIO(ticker_try_meets_wait, .exhaustive = true, .covers = "H13 S4",
               .goals = "tried waited")
{
    const cconc_ticker_opts now = {.first_now = true};
    env *e = env_new(10, &now);
    model_spawn(waits, e);
    e->err[0] = cconc_ticker_try_wait(e->ticker, &e->due_ns[0]);
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    if (e->err[0] == 0) {
        MODEL_CHECK(e->due_ns[0] != e->due_ns[1]);
        model_cover("tried");
    } else {
        MODEL_EQ(e->err[0], EAGAIN);
        MODEL_EQ(e->due_ns[1], MODEL_START);
        model_cover("waited");
    }
    env_end(e);
}

/* Each tick is late by less than the jitter, and the grid does not move. */
MODEL_SCENARIO(ticker_jitter, .covers = "T10")
{
    const cconc_ticker_opts late = {.jitter_ns = 5};
    env *e = env_new(10, &late);
    model_spawn(waits, e);
    waits_by(e, NULL, 0);
    model_join_all();
    MODEL_EQ(e->err[0] | e->err[1], 0);
    MODEL_CHECK((e->due_ns[0] - MODEL_START) % 10 < 5);
    MODEL_CHECK((e->due_ns[1] - MODEL_START) % 10 < 5);
    MODEL_CHECK(e->due_ns[0] / 10 != e->due_ns[1] / 10);
    env_end(e);
}

static void selects(void *arg)
{
    env *e = arg;
    cconc_select_case cases[2] = {cconc_select_ticker(e->ticker, &e->due_ns[1]),
                                  cconc_select_done(e->ctx)};
    size_t index = 9;
    e->err[1] = cconc_select(cases, 2, 0, &index);
    e->stopped[1] = index == 1;
}

/* A select wants a tick as a wait does; it ends by its context, and leaves no tick behind. */
MODEL_SCENARIO(ticker_select_meets_wait, .bound = 2, .covers = "H5 H8", .goals = "tick done")
{
    env *e = env_new(10, NULL);
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(selects, e);
    waits_by(e, NULL, 0);
    MODEL_EQ(e->err[0], 0);
    cconc_ctx_cancel(e->ctx);
    model_join_all();
    MODEL_EQ(e->err[1], e->stopped[1] ? ECANCELED : 0);
    MODEL_CHECK(e->stopped[1] || e->due_ns[0] != e->due_ns[1]);
    model_cover(e->stopped[1] ? "done" : "tick");
    env_end(e);
}

MODEL_SCENARIO(ticker_new_fails, .faults = MODEL_NO_MEMORY | MODEL_NO_THREAD, .covers = "X4 W15",
               .goals = "failed made")
{
    env *e = model_zalloc(sizeof(*e));
    e->err[0] = cconc_ticker_new(10, NULL, &e->ticker);
    MODEL_EQ(e->err[0], model_had_fault(MODEL_NO_MEMORY | MODEL_NO_THREAD) ? ENOMEM : 0);
    model_cover(e->err[0] ? "failed" : "made");
    if (e->err[0] && cconc_ticker_new(10, NULL, &e->ticker) != 0) {
        return; /* the other fault */
    }
    waits_by(e, NULL, 0);
    MODEL_EQ(e->due_ns[0], MODEL_START + 10);
    env_end(e);
}

/* In a forked child no wait sleeps. */
MODEL_SCENARIO(ticker_in_a_child, .covers = "X3", .goals = "told")
{
    env *e = env_new(1000, NULL);
    model_spawn(waits, e);
    model_may_fail(MODEL_MISUSE);
    model_fork();
    if (model_now() == MODEL_START) {
        MODEL_EQ(cconc_ticker_wait(e->ticker, NULL, NULL), ENOTRECOVERABLE);
        model_cover("told");
    }
}

/* The real parker, woken for no reason: no tick comes early, and none twice. */
MODEL_SCENARIO(ticker_woken_for_nothing, .low = true, .faults = MODEL_SPURIOUS, .covers = "S6")
{
    env *e = env_new(10, NULL);
    for (int tick = 1; tick <= 2; tick++) {
        waits_by(e, NULL, 0);
        MODEL_EQ(e->due_ns[0], MODEL_START + tick * 10);
        MODEL_EQ(e->woke_ns[0], e->due_ns[0]);
    }
    env_end(e);
}
