/* select_time.c - interleavings of select: contexts, points in time, timers and tickers.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A case of time that fires early, or after its timer was stopped; a tick that two get, or
 *          nobody; a context whose memory goes while a select waits for it.
 * Method   Scenarios of the deterministic tester, two or three threads each.
 * Catches  A timeout that overrides a grant; an earlier due time that wakes nobody; a value left by
 *          its keeper and not handed to the next one.
 */
#include "chan_actor.h"

typedef struct sleeper {
    cconc_select_case cases[2];
    int64_t due_ns;
    size_t  fired;
    int     err;
} sleeper;

static void selects(void *arg)
{
    sleeper *s = arg;
    s->fired = 9;
    s->err = cconc_select(s->cases, 2, 0, &s->fired);
}

MODEL_SCENARIO(select_until_meets_send, .exhaustive = true, .goals = "late in_time")
{
    cconc_chan *ch = actor_chan(model_choose(2));
    int got = 0;
    cconc_select_case cases[] = {cconc_select_until(MODEL_START + 1000),
                                 cconc_select_recv(ch, &got)};
    size_t fired = 9;
    int err;
    actor *a = actor_spawn(actor_tries_to_send, ch, NULL, 7);
    err = cconc_select(cases, 2, 0, &fired);
    if (fired == 0) {
        MODEL_EQ(err, ETIMEDOUT);
        MODEL_CHECK(model_now() >= MODEL_START + 1000);
        model_cover("late");
    } else {
        MODEL_EQ(fired, 1);
        MODEL_EQ(err, 0);
        MODEL_EQ(got, 7);
        model_cover("in_time");
    }
    model_join_all();
    MODEL_EQ(a->err, fired == 1 || cconc_chan_len(ch) > 0 ? 0 : EAGAIN);
    cconc_chan_free(ch);
}

MODEL_SCENARIO(select_done_meets_send, .exhaustive = true, .covers = "H20",
               .goals = "done received")
{
    cconc_chan *ch = actor_chan(1);
    cconc_ctx *ctx = actor_cancellable();
    int got = 0;
    cconc_select_case cases[] = {cconc_select_recv(ch, &got), cconc_select_done(ctx)};
    size_t fired = 9;
    int err;
    actor *a = actor_spawn(actor_cancels, ch, ctx, 0);
    actor *b = actor_spawn(actor_tries_to_send, ch, NULL, 7);
    err = cconc_select(cases, 2, 0, &fired);
    model_join_all();
    MODEL_EQ(a->err + b->err, 0);
    MODEL_EQ(err, fired == 0 ? 0 : ECANCELED);
    MODEL_EQ(got, fired == 0 ? 7 : 0);
    MODEL_EQ(cconc_chan_len(ch), fired == 0 ? 0 : 1);
    model_cover(fired == 0 ? "received" : "done");
    cconc_ctx_free(ctx);
    cconc_chan_free(ch);
}

/* A rendezvous: the sender that the select could not take any more keeps what it has. */
MODEL_SCENARIO(select_done_meets_a_rendezvous, .goals = "done received", .covers = "H20 H5")
{
    cconc_chan *ch = actor_chan(0);
    cconc_ctx *ctx = actor_cancellable();
    int got = 0;
    cconc_select_case cases[] = {cconc_select_done(ctx), cconc_select_recv(ch, &got)};
    size_t fired = 9;
    int err;
    actor *a = actor_spawn(actor_sends, ch, NULL, 7);
    actor *b = actor_spawn(actor_cancels, ch, ctx, 0);
    err = cconc_select(cases, 2, 0, &fired);
    if (fired == 0) {
        MODEL_EQ(err, ECANCELED);
        MODEL_EQ(got, 0);
        got = actor_get(ch);
        model_cover("done");
    } else {
        MODEL_EQ(err, 0);
        model_cover("received");
    }
    MODEL_EQ(got, 7);
    model_join_all();
    MODEL_EQ(a->err + b->err, 0);
    cconc_ctx_free(ctx);
    cconc_chan_free(ch);
}

/* The last handle goes while the select waits, which that ends. */
MODEL_SCENARIO(select_keeps_its_context, .covers = "H7")
{
    cconc_ctx *ctx = actor_cancellable();
    cconc_chan *ch = actor_chan(0);
    sleeper *s = model_zalloc(sizeof(*s));
    s->cases[0] = cconc_select_recv(ch, NULL);
    s->cases[1] = cconc_select_done(ctx);
    model_spawn(selects, s);
    model_until_parked(1);
    cconc_ctx_free(ctx);
    model_join_all();
    MODEL_EQ(s->err, ECANCELED);
    MODEL_EQ(s->fired, 1);
    cconc_chan_free(ch);
}

/* One context that is listed twice: its end fires one case, and leaves the other. */
MODEL_SCENARIO(select_done_twice, .exhaustive = true, .covers = "H6", .goals = "first second")
{
    cconc_ctx *ctx = actor_cancellable();
    sleeper *s = model_zalloc(sizeof(*s));
    s->cases[0] = cconc_select_done(ctx);
    s->cases[1] = cconc_select_done(ctx);
    (void)actor_spawn(actor_cancels, NULL, ctx, 0);
    selects(s);
    MODEL_EQ(s->err, ECANCELED);
    MODEL_CHECK(s->fired <= 1);
    model_cover(s->fired ? "second" : "first");
    model_join_all();
    cconc_ctx_free(ctx);
}

typedef struct stopping {
    cconc_timer *timer;
    cconc_ticker *ticker;
    bool stopped;
} stopping;

static void stops_timer(void *arg)
{
    stopping *s = arg;
    s->stopped = cconc_timer_stop(s->timer);
}

/* time-2, time-4: either stop prevented it, or the select has had the value; a stopped case is
 * never ready. */
MODEL_SCENARIO(select_timer_meets_stop, .covers = "T1 T2", .goals = "stopped fired")
{
    stopping *s = model_zalloc(sizeof(*s));
    int64_t due_ns = 0;
    cconc_select_case cases[2];
    size_t fired = 9;
    int err;
    MODEL_EQ(cconc_timer_new(1000, &s->timer), 0);
    cases[0] = cconc_select_timer(s->timer, &due_ns);
    cases[1] = cconc_select_until(MODEL_START + 5000);
    model_spawn(stops_timer, s);
    err = cconc_select(cases, 2, 0, &fired);
    model_join_all();
    if (s->stopped) {
        MODEL_EQ(err, ETIMEDOUT);
        MODEL_EQ(fired, 1);
        MODEL_EQ(due_ns, 0);
        MODEL_CHECK(model_now() >= MODEL_START + 5000);
        model_cover("stopped");
    } else {
        MODEL_EQ(err, 0);
        MODEL_EQ(fired, 0);
        MODEL_EQ(due_ns, MODEL_START + 1000);
        MODEL_CHECK(model_now() >= due_ns);
        model_cover("fired");
    }
    cconc_timer_free(s->timer);
}

static void resets_timer(void *arg)
{
    stopping *s = arg;
    s->stopped = cconc_timer_reset(s->timer, 500);
}

/* An earlier due time reaches the one who sleeps until the later one. */
MODEL_SCENARIO(select_timer_moves_forward, .covers = "T4 T2", .goals = "reset first")
{
    stopping *s = model_zalloc(sizeof(*s));
    int64_t due_ns = 0;
    cconc_select_case timer;
    MODEL_EQ(cconc_timer_new(CCONC_SECOND, &s->timer), 0);
    timer = cconc_select_timer(s->timer, &due_ns);
    model_spawn(resets_timer, s);
    MODEL_EQ(cconc_select(&timer, 1, 0, NULL), 0);
    model_join_all();
    MODEL_CHECK(model_now() >= due_ns);
    if (s->stopped) {
        MODEL_CHECK(due_ns != MODEL_START + CCONC_SECOND);
        model_cover("reset");
    } else { /* it came after the first value, and the second is still there */
        MODEL_EQ(due_ns, MODEL_START + CCONC_SECOND);
        model_cover("first");
    }
    cconc_timer_free(s->timer);
}

static void takes_tick(void *arg)
{
    sleeper *s = arg;
    cconc_select_case tick = s->cases[0];
    s->err = cconc_select(&tick, 1, 0, NULL);
}

/* Each tick goes to one of the two, whoever keeps the time for both. */
MODEL_SCENARIO(select_two_at_one_ticker)
{
    sleeper *s = model_zalloc(sizeof(*s));
    cconc_ticker *ticker;
    cconc_select_case tick;
    int64_t due_ns = 0;
    MODEL_EQ(cconc_ticker_new(1000, NULL, &ticker), 0);
    s->cases[0] = cconc_select_ticker(ticker, &s->due_ns);
    tick = cconc_select_ticker(ticker, &due_ns);
    model_spawn(takes_tick, s);
    MODEL_EQ(cconc_select(&tick, 1, 0, NULL), 0);
    MODEL_CHECK(model_now() >= due_ns);
    model_join_all();
    MODEL_EQ(s->err, 0);
    MODEL_CHECK(due_ns != s->due_ns);
    MODEL_EQ((due_ns - MODEL_START) % 1000, 0);
    MODEL_EQ((s->due_ns - MODEL_START) % 1000, 0);
    cconc_ticker_free(ticker);
}

/* The one who keeps the time for both leaves for a reason of its own: the tick is the other's. */
MODEL_SCENARIO(select_keeper_of_a_tick_leaves, .bound = 2, .covers = "H20 T3", .goals = "left tick")
{
    sleeper *s = model_zalloc(sizeof(*s));
    cconc_ticker *ticker;
    cconc_chan *ch = actor_chan(1);
    int64_t due_ns = 0;
    MODEL_EQ(cconc_ticker_new(1000, NULL, &ticker), 0);
    s->cases[0] = cconc_select_ticker(ticker, &s->due_ns);
    s->cases[1] = cconc_select_recv(ch, NULL);
    model_spawn(selects, s);
    (void)actor_spawn(actor_sends, ch, NULL, 7);
    MODEL_EQ(cconc_ticker_wait(ticker, NULL, &due_ns), 0);
    MODEL_CHECK(model_now() >= due_ns);
    model_join_all();
    MODEL_EQ(s->err, 0);
    MODEL_CHECK(s->fired == 1 || s->due_ns != due_ns);
    model_cover(s->fired == 1 ? "left" : "tick");
    cconc_ticker_free(ticker);
    cconc_chan_free(ch);
}

static void stops_ticker(void *arg)
{
    stopping *s = arg;
    s->stopped = cconc_ticker_stop(s->ticker);
}

/* time-4: a ticker that was stopped is a case that is never ready; the other one goes on. */
MODEL_SCENARIO(select_ticker_meets_stop, .exhaustive = true, .goals = "tick until")
{
    stopping *s = model_zalloc(sizeof(*s));
    int64_t due_ns = 0;
    cconc_select_case cases[2];
    size_t fired = 9;
    int err;
    MODEL_EQ(cconc_ticker_new(1000, NULL, &s->ticker), 0);
    cases[0] = cconc_select_ticker(s->ticker, &due_ns);
    cases[1] = cconc_select_until(MODEL_START + 1500);
    model_spawn(stops_ticker, s);
    err = cconc_select(cases, 2, 0, &fired);
    model_join_all();
    MODEL_CHECK(s->stopped);
    MODEL_EQ(err, fired == 0 ? 0 : ETIMEDOUT);
    MODEL_EQ(due_ns, fired == 0 ? MODEL_START + 1000 : 0);
    MODEL_CHECK(model_now() >= MODEL_START + (fired == 0 ? 1000 : 1500));
    model_cover(fired == 0 ? "tick" : "until");
    cconc_ticker_free(s->ticker);
}

/* Nothing could end it: it says so instead of waiting. */
MODEL_SCENARIO(select_of_nothing, .exhaustive = true)
{
    cconc_select_case cases[2];
    cconc_ctx *ctx;
    size_t fired = 9;
    MODEL_EQ(cconc_ctx_without_cancel(NULL, &ctx), 0);
    cases[0] = cconc_select_recv(NULL, NULL);
    cases[1] = cconc_select_done(ctx);
    MODEL_EQ(cconc_select(cases, 2, 0, &fired), EDEADLK);
    MODEL_EQ(cconc_select(cases, 2, CCONC_SELECT_TRY, &fired), EAGAIN);
    MODEL_EQ(cconc_select(NULL, 0, 0, &fired), EDEADLK);
    MODEL_EQ(fired, 9);
    cconc_ctx_free(ctx);
}
