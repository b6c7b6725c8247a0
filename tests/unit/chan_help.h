/* chan_help.h - what the unit tests of channels, selects and groups share.
 * SPDX-License-Identifier: MIT
 *
 * Makers that cannot fail, counts to poll, and a channel call that runs in a thread of its own.
 */
#ifndef CCONC_TESTS_CHAN_HELP_H
#define CCONC_TESTS_CHAN_HELP_H

#include "unit.h"

#include <cconc/cconc.h>

/* Sanitizers slow the library down by ten; their runs repeat less often. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MANY(plain, sanitized) (sanitized)
#endif
#endif
#if !defined(MANY) && (defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__))
#define MANY(plain, sanitized) (sanitized)
#endif
#ifndef MANY
#define MANY(plain, sanitized) (plain)
#endif

static inline cconc_chan *chan_make(size_t elem_size, size_t cap)
{
    cconc_chan *ch = NULL;
    SUPPORT_CHECK(cconc_chan_new(elem_size, cap, &ch) == 0);
    return ch;
}

static inline size_t chan_senders(cconc_chan *ch)
{
    size_t senders;
    size_t receivers;
    cconc_chan_waiters(ch, &senders, &receivers);
    return senders;
}

static inline size_t chan_receivers(cconc_chan *ch)
{
    size_t senders;
    size_t receivers;
    cconc_chan_waiters(ch, &senders, &receivers);
    return receivers;
}

/* Fill ch, a channel of int, with first, first + 1, ... up to its capacity. */
static inline void chan_fill(cconc_chan *ch, int first)
{
    for (size_t i = 0; i < cconc_chan_cap(ch); i++) {
        int value = first + (int)i;
        SUPPORT_CHECK(cconc_chan_try_send(ch, &value) == 0);
    }
}

/* Receive an int that must be there without waiting. */
static inline int chan_take(cconc_chan *ch)
{
    int value = -1;
    SUPPORT_CHECK(cconc_chan_try_recv(ch, &value) == 0);
    return value;
}

static inline cconc_ctx *ctx_make(void)
{
    cconc_ctx *ctx = NULL;
    SUPPORT_CHECK(cconc_ctx_with_cancel(NULL, &ctx) == 0);
    return ctx;
}

static inline cconc_ctx *ctx_make_cancelled(void)
{
    cconc_ctx *ctx = ctx_make();
    cconc_ctx_cancel(ctx);
    return ctx;
}

/* Make in mem a context that ends duration_ns from now. */
static inline cconc_ctx *ctx_for(cconc_ctx_mem *mem, int64_t duration_ns)
{
    return cconc_ctx_until(mem, NULL, cconc_clock_after(duration_ns));
}

/* Pass the time until duration_ns from now. */
static inline void pass_time(int64_t duration_ns)
{
    int64_t end_ns = cconc_clock_after(duration_ns);
    until(cconc_clock_now() >= end_ns);
}

/* Tell whether a repetition that began at begin_ns may go on: a machine under load repeats less. */
static inline bool time_is_left(int64_t begin_ns)
{
    return cconc_clock_now() - begin_ns < 5 * CCONC_SECOND;
}

/* A send or recv of an int that runs in a thread of its own. */
struct call {
    cconc_chan             *ch;
    cconc_ctx              *ctx;
    bool                    is_send;
    int                     value; /* what to send, or what came */
    int                     err;
    struct support_threads *thread;
};

static inline void call_run(void *arg, size_t index)
{
    struct call *call = arg;
    (void)index;
    call->err = call->is_send ? cconc_chan_send(call->ch, call->ctx, &call->value)
                              : cconc_chan_recv(call->ch, call->ctx, &call->value);
}

static inline void call_send(struct call *call, cconc_chan *ch, cconc_ctx *ctx, int value)
{
    *call = (struct call){.ch = ch, .ctx = ctx, .is_send = true, .value = value, .err = -1};
    call->thread = support_threads_start(1, call_run, call);
}

static inline void call_recv(struct call *call, cconc_chan *ch, cconc_ctx *ctx)
{
    *call = (struct call){.ch = ch, .ctx = ctx, .value = -1, .err = -1};
    call->thread = support_threads_start(1, call_run, call);
}

/* The same, until it is seen blocked as the count-th of its side. */
static inline void call_send_blocked(struct call *call, cconc_chan *ch, int value, size_t count)
{
    call_send(call, ch, NULL, value);
    until(chan_senders(ch) == count);
}

static inline void call_recv_blocked(struct call *call, cconc_chan *ch, size_t count)
{
    call_recv(call, ch, NULL);
    until(chan_receivers(ch) == count);
}

/* Join the thread and give the code that the call returned. */
static inline int call_end(struct call *call)
{
    support_threads_join(call->thread);
    return call->err;
}

static inline uint32_t group_running(cconc_group *group)
{
    cconc_group_counts counts;
    cconc_group_read(group, &counts);
    return counts.running;
}

static inline uint32_t group_blocked(cconc_group *group)
{
    cconc_group_counts counts;
    cconc_group_read(group, &counts);
    return counts.blocked;
}

#endif
