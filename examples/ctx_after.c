/* ctx_after.c - a context that breaks off a blocking read.
 * SPDX-License-Identifier: MIT
 *
 * Pattern  A blocking system call knows nothing of contexts. An after-func runs once its context is
 *          done and does what wakes the call: for a socket shutdown(2), after which read returns 0.
 *          cconc_after_free() waits for a function that is just running; only after it may the
 *          descriptor be closed.
 * Mistake  Closing the descriptor from another thread: read may stay blocked, and its number may
 *          already name another file. A signal may come just before the read and be lost.
 */
#include <cconc/cconc.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void break_off(void *arg)
{
    const int *fd = arg;
    (void)shutdown(*fd, SHUT_RDWR); /* fails only if the peer has gone, and then read ends, too */
}

/* Read from a socket until something comes (0), the peer ends (EPIPE), or ctx does (its code). */
static int read_within(cconc_ctx *ctx, int fd, char *buffer, size_t size, size_t *out_len)
{
    cconc_after *after = NULL;
    int err = cconc_ctx_after_func(ctx, break_off, &fd, &after);
    if (err) {
        return err;
    }
    ssize_t got = 0;
    do {
        got = read(fd, buffer, size);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        err = errno;
    } else if (got == 0) {
        err = cconc_ctx_err(ctx) ? cconc_ctx_err(ctx) : EPIPE;
    } else {
        *out_len = (size_t)got;
    }
    cconc_after_free(after); /* from here on nobody else touches fd */
    return err;
}

static int ask(const char *answer, int64_t timeout_ns)
{
    cconc_ctx *ctx = NULL;
    char buffer[64];
    size_t len = 0;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) {
        return errno;
    }
    int err = cconc_ctx_with_timeout(NULL, timeout_ns, &ctx);
    if (!err && write(pair[1], answer, strlen(answer)) < 0) { /* "" is a peer that keeps silent */
        err = errno;
    }
    if (!err) {
        err = read_within(ctx, pair[0], buffer, sizeof(buffer), &len);
    }
    if (!err) {
        printf("answer: %.*s\n", (int)len, buffer);
    } else if (err == ETIMEDOUT) {
        printf("no answer in time\n");
    }
    cconc_ctx_free(ctx);
    close(pair[0]);
    close(pair[1]);
    return err;
}

int main(void)
{
    int answered = ask("hello", 60 * CCONC_SECOND);
    int silent = ask("", 20 * CCONC_MS);
    if (answered || silent != ETIMEDOUT) {
        fprintf(stderr, "ctx_after: %s\n", strerror(answered ? answered : silent));
    }
    cconc_shutdown(NULL);
    return answered || silent != ETIMEDOUT;
}
