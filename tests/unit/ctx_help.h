/* ctx_help.h - what the unit tests of contexts share.
 * SPDX-License-Identifier: MIT
 */
#ifndef CCONC_TESTS_CTX_HELP_H
#define CCONC_TESTS_CTX_HELP_H

#include "unit.h"

#include <errno.h>
#include <poll.h>

#include <cconc/cconc.h>

#include "core/node.h"

/* What errno is set to before calls, to see that they leave it alone. */
#define ERRNO_MARK 7777

/* So far away that it is not reached. */
#define FAR_NS (3600 * CCONC_SECOND)

/* What an output holds before the call; ctx_mark's address is also a key and a value. */
#define CTX_MARK ((cconc_ctx *)(void *)&ctx_mark)

static char ctx_mark;

static inline cconc_ctx *make_cancel(cconc_ctx *parent)
{
    cconc_ctx *ctx = CTX_MARK;
    int err = cconc_ctx_with_cancel(parent, &ctx);
    SUPPORT_CHECK(err == 0 && ctx != CTX_MARK);
    return ctx;
}

static inline cconc_ctx *make_deadline(cconc_ctx *parent, int64_t deadline_ns)
{
    cconc_ctx *ctx = CTX_MARK;
    int err = cconc_ctx_with_deadline(parent, deadline_ns, &ctx);
    SUPPORT_CHECK(err == 0 && ctx != CTX_MARK);
    return ctx;
}

static inline cconc_ctx *make_timeout(cconc_ctx *parent, int64_t timeout_ns)
{
    cconc_ctx *ctx = CTX_MARK;
    int err = cconc_ctx_with_timeout(parent, timeout_ns, &ctx);
    SUPPORT_CHECK(err == 0 && ctx != CTX_MARK);
    return ctx;
}

static inline cconc_ctx *make_timeout_cause(cconc_ctx *parent, int64_t timeout_ns, int code,
                                            const char *message)
{
    cconc_ctx *ctx = CTX_MARK;
    int err = cconc_ctx_with_timeout_cause(parent, timeout_ns, code, message, &ctx);
    SUPPORT_CHECK(err == 0 && ctx != CTX_MARK);
    return ctx;
}

static inline cconc_ctx *make_value(cconc_ctx *parent, const void *key, void *value)
{
    cconc_ctx *ctx = CTX_MARK;
    int err = cconc_ctx_with_value(parent, key, value, NULL, &ctx);
    SUPPORT_CHECK(err == 0 && ctx != CTX_MARK);
    return ctx;
}

static inline cconc_ctx *make_without_cancel(cconc_ctx *parent)
{
    cconc_ctx *ctx = CTX_MARK;
    int err = cconc_ctx_without_cancel(parent, &ctx);
    SUPPORT_CHECK(err == 0 && ctx != CTX_MARK);
    return ctx;
}

/* Assert how ctx ended; message NULL stands for the code in words. */
static inline void assert_ended(const cconc_ctx *ctx, int err, int code, const char *message)
{
    const char *text = NULL;
    assert_int_equal(cconc_ctx_err(ctx), err);
    assert_int_equal((cconc_ctx_err)(ctx), err);
    assert_int_equal(cconc_ctx_cause(ctx, &text), code);
    assert_int_equal(cconc_ctx_cause(ctx, NULL), code);
    if (code != 0) {
        assert_non_null(text);
        assert_string_equal(text, message ? message : cconc_strerror(code));
    }
}

/* A tree: nodes[0] is the root; the children of i are i * TREE_FAN + 1 and the following. */
#define TREE_FAN 5
#define TREE_SIZE (1 + TREE_FAN + TREE_FAN * TREE_FAN + TREE_FAN * TREE_FAN * TREE_FAN)

static inline void tree_make(cconc_ctx **nodes)
{
    nodes[0] = make_cancel(NULL);
    for (size_t i = 1; i < TREE_SIZE; i++) {
        cconc_ctx *parent = nodes[(i - 1) / TREE_FAN];
        switch (i % TREE_FAN) {
        case 0:
            nodes[i] = make_value(parent, &ctx_mark, NULL);
            break;
        case 1:
            nodes[i] = make_timeout(parent, FAR_NS);
            break;
        default:
            nodes[i] = make_cancel(parent);
            break;
        }
    }
}

static inline void tree_free(cconc_ctx **nodes)
{
    for (size_t i = TREE_SIZE; i-- > 0;) {
        cconc_ctx_free(nodes[i]);
    }
}

static inline int fd_of(cconc_ctx *ctx)
{
    int fd = -1;
    int err = cconc_ctx_fd(ctx, &fd);
    SUPPORT_CHECK(err == 0 && fd >= 0);
    return fd;
}

static inline bool fd_is_readable(int fd)
{
    struct pollfd item = {.fd = fd, .events = POLLIN, .revents = 0};
    return poll(&item, 1, 0) == 1 && (item.revents & POLLIN) != 0;
}

#endif
