/* chan_history.c - do calls of a channel look as if each had happened in one moment?
 * SPDX-License-Identifier: MIT
 *
 * Risk     Answers that no order of the calls explains: a full that was none, an empty that came
 *          too late, a closed that comes before what went in.
 * Method   Histories of two or three threads against a queue, a capacity and a closed bit.
 * Catches  A look in two moments; a call that takes effect after it has returned.
 */
#include "chan_actor.h"

enum { TRY_SEND, TRY_RECV, SEND, RECV, CLOSE, LEN, MOST = 8 };

typedef struct queue {
    int64_t elems[MOST];
    int32_t count;
    int32_t cap;
    bool    is_closed;
} queue;

static void queue_of_one(void *state)
{
    queue *q = state;
    q->cap = 1;
}

static void queue_of_two(void *state)
{
    queue *q = state;
    q->cap = 2;
}

static bool queue_sends(queue *q, int64_t arg, int code, bool may_fail)
{
    if (q->is_closed) {
        return code == EPIPE;
    }
    if (q->count == q->cap) {
        return may_fail && code == EAGAIN;
    }
    q->elems[q->count++] = arg;
    return code == 0;
}

static bool queue_receives(queue *q, int code, int64_t value, bool may_fail)
{
    if (q->count == 0) {
        return q->is_closed ? code == EPIPE : may_fail && code == EAGAIN;
    }
    if (code != 0 || value != q->elems[0]) {
        return false;
    }
    q->count--;
    memmove(q->elems, q->elems + 1, (size_t)q->count * sizeof(q->elems[0]));
    q->elems[q->count] = 0;
    return true;
}

static bool queue_apply(void *state, int op, int64_t arg, int code, int64_t value)
{
    queue *q = state;
    bool was_closed = q->is_closed;
    switch (op) {
    case TRY_SEND:
    case SEND:
        return queue_sends(q, arg, code, op == TRY_SEND);
    case TRY_RECV:
    case RECV:
        return queue_receives(q, code, value, op == TRY_RECV);
    case LEN:
        return value == q->count;
    default:
        q->is_closed = true;
        return code == (was_closed ? EPIPE : 0);
    }
}

static const model_spec one_spec = {sizeof(queue), queue_of_one, queue_apply};
static const model_spec two_spec = {sizeof(queue), queue_of_two, queue_apply};

/* A thread with a list of calls; what it sends is its own. */
typedef struct caller {
    cconc_chan *ch;
    int ops[4];
    int count;
    int value;
} caller;

static void calls_one(caller *c, int op)
{
    int value = op == TRY_SEND || op == SEND ? c->value++ : 0;
    uint32_t id = model_begin(op, value);
    int code = 0;
    switch (op) {
    case TRY_SEND:
        code = cconc_chan_try_send(c->ch, &value);
        break;
    case SEND:
        code = cconc_chan_send(c->ch, NULL, &value);
        break;
    case TRY_RECV:
        code = cconc_chan_try_recv(c->ch, &value);
        break;
    case RECV:
        code = cconc_chan_recv(c->ch, NULL, &value);
        break;
    case LEN:
        value = (int)cconc_chan_len(c->ch);
        break;
    default:
        code = cconc_chan_close(c->ch);
    }
    model_end(id, code, value);
}

static void calls(void *arg)
{
    caller *c = arg;
    for (int i = 0; i < c->count; i++) {
        calls_one(c, c->ops[i]);
    }
}

static caller *caller_new(cconc_chan *ch, int value, int count, const int *ops)
{
    caller *c = model_zalloc(sizeof(*c));
    c->ch = ch;
    c->value = value;
    c->count = count;
    memcpy(c->ops, ops, (size_t)count * sizeof(*ops));
    return c;
}

#define CALLER(ch, value, ...)                                                                     \
    caller_new((ch), (value), (int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)),                   \
               (const int[]){__VA_ARGS__})

MODEL_SCENARIO(chan_history_of_tries, .covers = "H18 H23 H24")
{
    cconc_chan *ch = actor_chan(1);
    model_spawn(calls, CALLER(ch, 10, TRY_SEND, TRY_RECV, TRY_SEND));
    calls(CALLER(ch, 20, TRY_RECV, TRY_SEND, TRY_RECV));
    model_join_all();
    model_check_history(&one_spec);
    cconc_chan_free(ch);
}

/* Not with the stores of C11: a sender and a receiver who each look at what the other one has not
 * shown yet may find full and empty, and no order has both. Acquire and release do not forbid it;
 * machines on which all see the stores in one order do. */
MODEL_SCENARIO(chan_history_of_three_threads, .covers = "H18 H24",
               .only = MODEL_IN_PLAIN | MODEL_IN_RACE | MODEL_IN_ASAN)
{
    cconc_chan *ch = actor_chan(2);
    model_spawn(calls, CALLER(ch, 10, TRY_SEND, TRY_SEND));
    model_spawn(calls, CALLER(ch, 20, TRY_SEND, TRY_RECV));
    calls(CALLER(ch, 30, TRY_RECV, TRY_RECV));
    model_join_all();
    model_check_history(&two_spec);
    cconc_chan_free(ch);
}

MODEL_SCENARIO(chan_history_of_waits, .bound = 2, .covers = "H24 H12")
{
    cconc_chan *ch = actor_chan(1);
    model_spawn(calls, CALLER(ch, 10, SEND, SEND));
    model_spawn(calls, CALLER(ch, 20, TRY_SEND));
    calls(CALLER(ch, 30, RECV, RECV));
    model_join_all();
    model_check_history(&one_spec);
    cconc_chan_free(ch);
}

MODEL_SCENARIO(chan_history_of_close, .covers = "H16 H18")
{
    cconc_chan *ch = actor_chan(1);
    model_spawn(calls, CALLER(ch, 10, TRY_SEND, CLOSE, TRY_SEND));
    calls(CALLER(ch, 20, RECV, TRY_RECV, CLOSE));
    model_join_all();
    model_check_history(&one_spec);
    cconc_chan_free(ch);
}

MODEL_SCENARIO(chan_history_of_lengths, .covers = "H18")
{
    cconc_chan *ch = actor_chan(2);
    model_spawn(calls, CALLER(ch, 10, TRY_SEND, TRY_SEND, TRY_RECV));
    calls(CALLER(ch, 20, LEN, TRY_RECV, LEN));
    model_join_all();
    model_check_history(&two_spec);
    cconc_chan_free(ch);
}
