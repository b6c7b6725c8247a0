/* chan.c - interleavings of channels.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A wake-up that is lost, an element that is lost or comes twice, memory of a waiter that
 *          is touched after its call has returned.
 * Method   Scenarios of the deterministic tester, two to four threads each.
 * Catches  Wakes that are dropped, or come before the look at the queue; claims nobody checks.
 */
#include "model.h"

typedef struct env {
    cconc_chan *ch;
    int err[4];
    int value[4];
} env;

static void receives(void *arg)
{
    env *e = arg;
    e->err[1] = cconc_chan_recv(e->ch, NULL, &e->value[1]);
}

static void sends(void *arg)
{
    env *e = arg;
    int seven = 7;
    e->err[1] = cconc_chan_send(e->ch, NULL, &seven);
}

static void tries(void *arg)
{
    env *e = arg;
    e->err[1] = cconc_chan_try_recv(e->ch, &e->value[1]);
}

MODEL_SCENARIO(chan_send_meets_receive, .exhaustive = true)
{
    env *e = model_zalloc(sizeof(*e));
    int seven = 7;
    MODEL_EQ(cconc_chan_new(sizeof(int), 1, &e->ch), 0);
    model_spawn(receives, e);
    MODEL_EQ(cconc_chan_send(e->ch, NULL, &seven), 0);
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    MODEL_EQ(e->value[1], 7);
    cconc_chan_free(e->ch);
}

MODEL_SCENARIO(chan_close_meets_receive, .exhaustive = true)
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_chan_new(sizeof(int), 1, &e->ch), 0);
    model_spawn(receives, e);
    MODEL_EQ(cconc_chan_close(e->ch), 0);
    model_join_all();
    MODEL_EQ(e->err[1], EPIPE);
    cconc_chan_free(e->ch);
}

MODEL_SCENARIO(chan_rendezvous, .exhaustive = true)
{
    env *e = model_zalloc(sizeof(*e));
    int seven = 7;
    MODEL_EQ(cconc_chan_new(sizeof(int), 0, &e->ch), 0);
    model_spawn(receives, e);
    MODEL_EQ(cconc_chan_send(e->ch, NULL, &seven), 0);
    model_join_all();
    MODEL_EQ(e->value[1], 7);
    cconc_chan_free(e->ch);
}

MODEL_SCENARIO(chan_try_meets_send, .exhaustive = true, .goals = "empty full")
{
    env *e = model_zalloc(sizeof(*e));
    int seven = 7;
    MODEL_EQ(cconc_chan_new(sizeof(int), 2, &e->ch), 0);
    model_spawn(tries, e);
    MODEL_EQ(cconc_chan_send(e->ch, NULL, &seven), 0);
    model_join_all();
    model_cover(e->err[1] == EAGAIN ? "empty" : "full");
    cconc_chan_free(e->ch);
}

MODEL_SCENARIO(chan_deadline_meets_send, .goals = "late in_time")
{
    env *e = model_zalloc(sizeof(*e));
    cconc_ctx *ctx;
    int got = 0;
    MODEL_EQ(cconc_chan_new(sizeof(int), 1, &e->ch), 0);
    MODEL_EQ(cconc_ctx_with_timeout(NULL, 1000, &ctx), 0);
    model_spawn(sends, e);
    e->err[0] = cconc_chan_recv(e->ch, ctx, &got);
    model_join_all();
    if (e->err[0] == ETIMEDOUT) {
        MODEL_CHECK(model_now() >= MODEL_START + 1000);
        MODEL_EQ(cconc_chan_len(e->ch), 1);
        model_cover("late");
    } else {
        MODEL_EQ(e->err[0], 0);
        MODEL_EQ(got, 7);
        model_cover("in_time");
    }
    cconc_ctx_free(ctx);
    cconc_chan_free(e->ch);
}
