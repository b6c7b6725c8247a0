/* signal_help.h - what the lists for Go's package os/signal share.
 * SPDX-License-Identifier: MIT
 */
#ifndef CCONC_TESTS_SIGNAL_HELP_H
#define CCONC_TESTS_SIGNAL_HELP_H

#include "context_help.h"

#include <signal.h>
#include <unistd.h>

#define LIST_OF(...) ((const int[]){__VA_ARGS__})

static inline cconc_ctx *notify_context(cconc_ctx *parent, const int *signals, size_t count)
{
    cconc_ctx *ctx = NULL;
    SUPPORT_CHECK(cconc_ctx_with_signals(parent, signals, count, 0, &ctx) == 0 && ctx);
    return ctx;
}

static inline cconc_ctx *notify_one(int number)
{
    return notify_context(NULL, &number, 1);
}

static inline void send_signal(int number)
{
    SUPPORT_CHECK(kill(getpid(), number) == 0);
}

static inline void assert_signalled(cconc_ctx *ctx, int number)
{
    assert_int_equal(cconc_ctx_wait(ctx, NULL), 0);
    assert_int_equal(cconc_ctx_err(ctx), ECANCELED);
    assert_int_equal(cconc_ctx_cause(ctx, NULL), ECANCELED);
    assert_int_equal(cconc_ctx_signal(ctx), number);
}

static inline struct sigaction disposition(int number)
{
    struct sigaction action;
    SUPPORT_CHECK(sigaction(number, NULL, &action) == 0);
    return action;
}

static inline void dispose(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    SUPPORT_CHECK(sigaction(number, &action, NULL) == 0);
}

#endif
