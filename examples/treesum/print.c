/* print.c - writes the results in walk order, as sha256sum writes them
 * SPDX-License-Identifier: MIT
 *
 * The printer never blocks in write(2) for longer than Ctrl-C allows: before it writes to a pipe or
 * a terminal it polls that together with the descriptor of its context, and writes at most PIPE_BUF
 * bytes, which a writable pipe always takes.
 */
#include "treesum.h"
#include "walk.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OUT_BYTES ((size_t)64 * 1024)
/* A line at its longest: backslash, digest, two blanks, a path all of whose bytes are escaped. */
#define LINE_BYTES (1 + 2 * (size_t)DIGEST_BYTES + 2 + 2 * (size_t)WALK_PATH_SIZE + 1)

struct printer {
    struct run *run;
    cconc_ctx  *ctx;
    int         ctx_fd;      /* readable once ctx is done; -1 if standard output never blocks */
    bool        on_terminal; /* standard output may share the terminal with the bar */
    char       *buffer;
    size_t      len;
};

/* Wait until standard output takes bytes. Returns 0, or ECANCELED once the run ends early. */
static int wait_writable(struct printer *p)
{
    struct pollfd polled[2] = {{.fd = STDOUT_FILENO, .events = POLLOUT},
                               {.fd = p->ctx_fd, .events = POLLIN}};
    while (p->ctx_fd >= 0) {
        int count = poll(polled, 2, -1);
        if (count > 0 && polled[0].revents != 0) {
            return 0;
        }
        if (count > 0 && polled[1].revents != 0) {
            return ECANCELED;
        }
    }
    return 0;
}

static int write_buffer(struct printer *p)
{
    for (size_t at = 0; at < p->len;) {
        int err = wait_writable(p);
        if (err != 0) {
            return err;
        }
        size_t count = p->len - at;
        if (p->ctx_fd >= 0 && count > PIPE_BUF) {
            count = PIPE_BUF;
        }
        ssize_t written = write(STDOUT_FILENO, p->buffer + at, count);
        if (written >= 0) {
            at += (size_t)written;
        } else if (errno != EINTR && errno != EAGAIN) {
            return cconc_group_fail(p->run->group, errno, "write error: %s", strerror(errno));
        }
    }
    return 0;
}

static int flush(struct printer *p)
{
    if (p->on_terminal) {
        console_pause(&p->run->console);
    }
    int err = write_buffer(p);
    if (p->on_terminal) {
        console_resume(&p->run->console);
    }
    p->len = 0;
    return err;
}

/* Give the second byte of the escape of c, or 0 if c stands for itself. */
static char escape_of(char c)
{
    if (c == '\n') {
        return 'n';
    }
    if (c == '\r') {
        return 'r';
    }
    return c == '\\' ? '\\' : '\0';
}

static void add_line(struct printer *p, const struct entry *entry, const char *path)
{
    static const char digits[] = "0123456789abcdef";
    char *to = p->buffer + p->len;
    if (strpbrk(path, "\n\r\\")) {
        *to++ = '\\';
    }
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        *to++ = digits[entry->digest[i] >> 4];
        *to++ = digits[entry->digest[i] & 15];
    }
    *to++ = ' ';
    *to++ = ' ';
    for (const char *from = path; *from; from++) {
        char escape = escape_of(*from);
        if (escape) {
            *to++ = '\\';
        }
        *to++ = escape ? escape : *from;
    }
    *to++ = '\n';
    p->len = (size_t)(to - p->buffer);
}

/* Print the entries of a batch, up to the first one that is not finished or that ends the run. */
static int print_batch(struct printer *p, const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct entry *entry = &batch->entries[i];
        const char *path = batch->text + entry->path;
        int entry_err = atomic_load_explicit(&entry->err, memory_order_acquire);
        if (entry_err == UNFINISHED || (entry_err != 0 && p->run->options.fail_fast)) {
            return 0;
        }
        if (entry_err != 0) {
            console_message(&p->run->console, path, error_reason(entry_err));
            atomic_fetch_add_explicit(&p->run->errors, 1, memory_order_relaxed);
            continue;
        }
        if (OUT_BYTES - p->len < LINE_BYTES) {
            int err = flush(p);
            if (err != 0) {
                return err;
            }
        }
        add_line(p, entry, path);
    }
    return 0;
}

/* Print batch after batch, each when the workers are done with it; after the last one send them
 * home. Whoever reads a pipe or terminal sees what there is before the printer waits. When the run
 * ends early, so does the output, with the last line before the first file that is not finished. */
static int print_all(struct printer *p)
{
    for (;;) {
        struct batch *batch;
        int err = cconc_chan_recv(p->run->order, p->ctx, &batch);
        if (err == 0 && p->ctx_fd >= 0 && cconc_waitgroup_count(&batch->tickets) > 0) {
            err = flush(p);
        }
        if (err == 0) {
            err = cconc_waitgroup_wait(&batch->tickets, p->ctx);
            int print_err = print_batch(p, batch);
            err = err != 0 ? err : print_err;
        }
        if (err == 0) {
            err = cconc_chan_send(p->run->spare, p->ctx, &batch);
        }
        if (err == EPIPE) {
            (void)cconc_chan_close(p->run->jobs);
            return 0;
        }
        if (err != 0) {
            return err;
        }
    }
}

int print_task(cconc_ctx *ctx, void *arg)
{
    struct printer p = {.run = arg, .ctx = ctx, .ctx_fd = -1};
    struct stat status;
    int err = 0;
    p.on_terminal = isatty(STDOUT_FILENO) == 1;
    if (fstat(STDOUT_FILENO, &status) != 0 || !S_ISREG(status.st_mode)) {
        err = cconc_ctx_fd(ctx, &p.ctx_fd);
    }
    p.buffer = malloc(OUT_BYTES);
    if (err != 0 || !p.buffer) {
        free(p.buffer);
        return cconc_group_fail(p.run->group, err != 0 ? err : ENOMEM, "cannot print: %s",
                                strerror(err != 0 ? err : ENOMEM));
    }
    err = print_all(&p);
    int flush_err = p.len > 0 ? flush(&p) : 0;
    free(p.buffer);
    return err != 0 ? err : flush_err;
}
