/* context_help.h - what the lists for Go's packages context and os/signal share.
 * SPDX-License-Identifier: MIT
 */
#ifndef CCONC_TESTS_CONTEXT_HELP_H
#define CCONC_TESTS_CONTEXT_HELP_H

#include "virtual.h"

#include <errno.h>
#include <poll.h>

#include <cconc/cconc.h>

/* So far away that it is not reached. */
#define FAR_NS (3600 * CCONC_SECOND)

static inline void free_all(cconc_ctx **all, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cconc_ctx_free(all[i]);
    }
}

/* A key and a value. */
static inline void *context_mark(void)
{
    static char mark;
    return &mark;
}

static inline cconc_ctx *with_cancel(cconc_ctx *parent)
{
    cconc_ctx *ctx = NULL;
    SUPPORT_CHECK(cconc_ctx_with_cancel(parent, &ctx) == 0 && ctx);
    return ctx;
}

static inline cconc_ctx *with_deadline(cconc_ctx *parent, int64_t deadline_ns)
{
    cconc_ctx *ctx = NULL;
    SUPPORT_CHECK(cconc_ctx_with_deadline(parent, deadline_ns, &ctx) == 0 && ctx);
    return ctx;
}

static inline cconc_ctx *with_timeout(cconc_ctx *parent, int64_t timeout_ns)
{
    cconc_ctx *ctx = NULL;
    SUPPORT_CHECK(cconc_ctx_with_timeout(parent, timeout_ns, &ctx) == 0 && ctx);
    return ctx;
}

static inline cconc_ctx *with_timeout_cause(cconc_ctx *parent, int64_t timeout_ns)
{
    cconc_ctx *ctx = NULL;
    SUPPORT_CHECK(cconc_ctx_with_timeout_cause(parent, timeout_ns, EDOM, "too slow", &ctx) == 0 &&
                  ctx);
    return ctx;
}

static inline cconc_ctx *with_value(cconc_ctx *parent, const void *key, void *value)
{
    cconc_ctx *ctx = NULL;
    SUPPORT_CHECK(cconc_ctx_with_value(parent, key, value, NULL, &ctx) == 0 && ctx);
    return ctx;
}

static inline cconc_ctx *without_cancel(cconc_ctx *parent)
{
    cconc_ctx *ctx = NULL;
    SUPPORT_CHECK(cconc_ctx_without_cancel(parent, &ctx) == 0 && ctx);
    return ctx;
}

/* The counterpart of a receive from ctx.Done() with a default: 0 would wait, else the code. */
static inline int done_code(cconc_ctx *ctx)
{
    size_t fired = 99;
    cconc_select_case one = cconc_select_done(ctx);
    int err = cconc_select(&one, 1, CCONC_SELECT_TRY, &fired);
    SUPPORT_CHECK(err == EAGAIN ? fired == 99 : fired == 0);
    return err == EAGAIN ? 0 : err;
}

/* Assert that ctx tells of one end in all ways; code 0: it is live. message NULL: the words of the
 * code. */
static inline void assert_ended(cconc_ctx *ctx, int err, int code, const char *message)
{
    const char *text = NULL;
    assert_int_equal(cconc_ctx_err(ctx), err);
    assert_int_equal(done_code(ctx), err);
    assert_int_equal(cconc_ctx_cause(ctx, &text), code);
    if (code != 0) {
        assert_int_equal(cconc_ctx_wait(ctx, NULL), 0);
        assert_string_equal(text, message ? message : cconc_strerror(code));
    }
}

static inline void assert_live(cconc_ctx *ctx)
{
    assert_ended(ctx, 0, 0, NULL);
}

static inline void assert_cancelled(cconc_ctx *ctx)
{
    assert_ended(ctx, ECANCELED, ECANCELED, NULL);
}

static inline void assert_expired(cconc_ctx *ctx)
{
    assert_ended(ctx, ETIMEDOUT, ETIMEDOUT, NULL);
}

static inline int fd_of(cconc_ctx *ctx)
{
    int fd = -1;
    SUPPORT_CHECK(cconc_ctx_fd(ctx, &fd) == 0 && fd >= 0);
    return fd;
}

static inline bool fd_is_readable(int fd)
{
    struct pollfd item = {.fd = fd, .events = POLLIN, .revents = 0};
    return poll(&item, 1, 0) == 1 && (item.revents & POLLIN) != 0;
}

#endif
