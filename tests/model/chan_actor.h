/* chan_actor.h - threads of scenarios that do one thing to a channel.
 * SPDX-License-Identifier: MIT
 *
 * Each thread has an actor of its own; what came of it is read after model_join_all().
 */
#ifndef CHAN_ACTOR_H
#define CHAN_ACTOR_H

#include "limit.h"

typedef struct actor {
    cconc_chan *ch;
    cconc_ctx  *ctx;   /* or NULL */
    int         value; /* sent or received */
    int         err;
} actor;

/* An actor at ch, with a value to send. */
static inline actor *actor_new(cconc_chan *ch, int value)
{
    actor *a = model_zalloc(sizeof(*a));
    a->ch = ch;
    a->value = value;
    a->err = -1;
    return a;
}

static inline void actor_sends(void *arg)
{
    actor *a = arg;
    a->err = cconc_chan_send(a->ch, a->ctx, &a->value);
}

static inline void actor_receives(void *arg)
{
    actor *a = arg;
    a->err = cconc_chan_recv(a->ch, a->ctx, &a->value);
}

static inline void actor_tries_to_send(void *arg)
{
    actor *a = arg;
    a->err = cconc_chan_try_send(a->ch, &a->value);
}

static inline void actor_tries_to_receive(void *arg)
{
    actor *a = arg;
    a->err = cconc_chan_try_recv(a->ch, &a->value);
}

static inline void actor_closes(void *arg)
{
    actor *a = arg;
    a->err = cconc_chan_close(a->ch);
}

static inline void actor_cancels(void *arg)
{
    actor *a = arg;
    cconc_ctx_cancel(a->ctx);
    a->err = 0;
}

/* A thread that does run with an actor of its own. */
static inline actor *actor_spawn(void (*run)(void *arg), cconc_chan *ch, cconc_ctx *ctx, int value)
{
    actor *a = actor_new(ch, value);
    a->ctx = ctx;
    model_spawn(run, a);
    return a;
}

/* A channel of ints. */
static inline cconc_chan *actor_chan(size_t cap)
{
    cconc_chan *ch = NULL;
    MODEL_EQ(cconc_chan_new(sizeof(int), cap, &ch), 0);
    return ch;
}

static inline cconc_ctx *actor_cancellable(void)
{
    cconc_ctx *ctx = NULL;
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &ctx), 0);
    return ctx;
}

/* A context that ends delay_ns from now and needs no free, nor the timer service. */
static inline cconc_ctx *actor_limit(int64_t delay_ns)
{
    return limit(NULL, delay_ns);
}

/* Send and receive where that takes no waiting, or ends for certain. */
static inline void actor_put(cconc_chan *ch, int value)
{
    MODEL_EQ(cconc_chan_send(ch, NULL, &value), 0);
}

static inline int actor_get(cconc_chan *ch)
{
    int value = -1;
    MODEL_EQ(cconc_chan_recv(ch, NULL, &value), 0);
    return value;
}

#endif
