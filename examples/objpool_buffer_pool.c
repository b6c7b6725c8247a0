/* objpool_buffer_pool.c - a text filter whose workers share a few buffers.
 * SPDX-License-Identifier: MIT
 *
 * Usage    objpool_buffer_pool FILE; writes it in upper case.
 *
 * Pattern  The reader gets a buffer for each line, a worker turns it to upper case, and the printer
 *          puts it back: three threads, one lending. A buffer grows with its line, and reset
 *          refuses the few that became large. Lines go round the workers in turn, so they come out
 *          in the order in which they came in. With malloc, too, for comparison.
 * Mistake  A buffer that is put while another thread still reads it. Keeping what grew without
 *          bound: after one long line in each buffer the pool holds that much for ever.
 */
#include <cconc/cconc.h>

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WORKERS = 3,
    AHEAD = 16,         /* lines that may wait for each worker, and for the printer */
    BUFFER_BYTES = 256, /* enough for most lines */
    KEEP_BYTES = 4096,  /* a buffer that grew beyond is not used again */
};

struct buffer {
    char  *text; /* as getline(3) wants it */
    size_t size;
    size_t len;
};

struct filter {
    cconc_objpool *buffers;       /* NULL: malloc */
    cconc_chan    *raw[WORKERS];  /* reader to worker */
    cconc_chan    *done[WORKERS]; /* worker to printer */
    FILE          *in;
    FILE          *out; /* NULL: count only */
    size_t         lines;
};

struct worker {
    struct filter *filter;
    int            index;
};

static void buffer_destroy(void *user, void *object)
{
    struct buffer *buffer = object;
    (void)user;
    free(buffer->text);
    free(buffer);
}

static int buffer_create(void *user, void **out_object)
{
    struct buffer *buffer = calloc(1, sizeof(*buffer));
    if (!buffer) {
        return ENOMEM;
    }
    buffer->size = BUFFER_BYTES;
    buffer->text = malloc(buffer->size);
    if (!buffer->text) {
        buffer_destroy(user, buffer);
        return ENOMEM;
    }
    *out_object = buffer;
    return 0;
}

static int buffer_reset(void *user, void *object)
{
    struct buffer *buffer = object;
    (void)user;
    buffer->len = 0;
    return buffer->size > KEEP_BYTES; /* not 0: destroyed instead of kept */
}

static int take_buffer(struct filter *f, void **out_buffer)
{
    return f->buffers ? cconc_objpool_get(f->buffers, out_buffer) : buffer_create(NULL, out_buffer);
}

static void give_buffer(struct filter *f, void *buffer)
{
    if (f->buffers) {
        cconc_objpool_put(f->buffers, buffer);
    } else {
        buffer_destroy(NULL, buffer);
    }
}

/* Read a line into *out_line; at the end of the file that becomes NULL. */
static int read_line(struct filter *f, struct buffer **out_line)
{
    void *object = NULL;
    int err = take_buffer(f, &object);
    if (err) {
        return err;
    }
    struct buffer *line = object;
    ssize_t len = getline(&line->text, &line->size, f->in);
    if (len >= 0) {
        line->len = (size_t)len;
        *out_line = line;
        return 0;
    }
    err = feof(f->in) ? 0 : errno;
    give_buffer(f, line);
    *out_line = NULL;
    return err;
}

static int read_lines(cconc_ctx *ctx, void *arg)
{
    struct filter *f = arg;
    struct buffer *line = NULL;
    int err = read_line(f, &line);
    for (size_t i = 0; !err && line; i++) {
        err = cconc_chan_send(f->raw[i % WORKERS], ctx, &line);
        if (err) {
            give_buffer(f, line);
        } else {
            err = read_line(f, &line);
        }
    }
    for (int i = 0; i < WORKERS; i++) {
        (void)cconc_chan_close(f->raw[i]);
    }
    return err;
}

static int upcase_lines(cconc_ctx *ctx, void *arg)
{
    struct worker *w = arg;
    struct filter *f = w->filter;
    struct buffer *line;
    int err = 0;
    while (!err && (err = cconc_chan_recv(f->raw[w->index], ctx, &line)) == 0) {
        for (size_t i = 0; i < line->len; i++) {
            line->text[i] = (char)toupper((unsigned char)line->text[i]);
        }
        err = cconc_chan_send(f->done[w->index], ctx, &line);
        if (err) {
            give_buffer(f, line);
        }
    }
    (void)cconc_chan_close(f->done[w->index]);
    return err == EPIPE ? 0 : err;
}

static int print_lines(cconc_ctx *ctx, void *arg)
{
    struct filter *f = arg;
    struct buffer *line;
    int err = 0;
    while (!err && (err = cconc_chan_recv(f->done[f->lines % WORKERS], ctx, &line)) == 0) {
        if (f->out && fwrite(line->text, 1, line->len, f->out) != line->len) {
            err = errno;
        }
        f->lines++;
        give_buffer(f, line);
    }
    return err == EPIPE ? 0 : err;
}

static int open_filter(struct filter *f)
{
    int err = 0;
    for (int i = 0; i < WORKERS && !err; i++) {
        err = cconc_chan_new(sizeof(struct buffer *), AHEAD, &f->raw[i]);
        err = err ? err : cconc_chan_new(sizeof(struct buffer *), AHEAD, &f->done[i]);
    }
    return err;
}

/* After a failure there may be lines on their way. */
static void close_filter(struct filter *f)
{
    struct buffer *line;
    for (int i = 0; i < WORKERS; i++) {
        while (f->raw[i] && cconc_chan_try_recv(f->raw[i], &line) == 0) {
            give_buffer(f, line);
        }
        while (f->done[i] && cconc_chan_try_recv(f->done[i], &line) == 0) {
            give_buffer(f, line);
        }
        cconc_chan_free(f->raw[i]);
        cconc_chan_free(f->done[i]);
    }
}

static int run_tasks(struct filter *f)
{
    struct worker workers[WORKERS];
    cconc_group *group;
    int err = cconc_group_new(NULL, NULL, &group);
    if (err) {
        return err;
    }
    err = cconc_group_go(group, NULL, read_lines, f);
    for (int i = 0; i < WORKERS && !err; i++) {
        workers[i] = (struct worker){f, i};
        err = cconc_group_go(group, NULL, upcase_lines, &workers[i]);
    }
    err = err ? err : cconc_group_go(group, NULL, print_lines, f);
    if (err) {
        (void)cconc_group_stop(group, NULL);
    } else {
        err = cconc_group_wait(group, NULL, NULL);
    }
    cconc_group_free(group);
    return err;
}

/* Filter all of in; *out_ns is what a line took. */
static int filter(FILE *in, FILE *out, cconc_objpool *buffers, int64_t *out_ns)
{
    struct filter f = {.buffers = buffers, .in = in, .out = out};
    int64_t begin_ns = cconc_clock_now();
    int err = open_filter(&f);
    rewind(in);
    err = err ? err : run_tasks(&f);
    close_filter(&f);
    *out_ns = f.lines ? (cconc_clock_now() - begin_ns) / (int64_t)f.lines : 0;
    return err;
}

int main(int argc, char **argv)
{
    const cconc_objpool_opts opts = {
        .create = buffer_create, .reset = buffer_reset, .destroy = buffer_destroy};
    cconc_objpool_counts counts = {.lent = 0};
    cconc_objpool *buffers = NULL;
    int64_t pool_ns = 0;
    int64_t malloc_ns = 0;
    if (argc != 2) {
        fprintf(stderr, "usage: objpool_buffer_pool FILE\n");
        return 2;
    }
    FILE *in = fopen(argv[1], "r");
    if (!in) {
        fprintf(stderr, "objpool_buffer_pool: %s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    int err = cconc_objpool_new(&opts, &buffers);
    err = err ? err : filter(in, stdout, buffers, &pool_ns);
    if (!err && fflush(stdout) != 0) {
        err = errno;
    }
    err = err ? err : filter(in, NULL, buffers, &pool_ns); /* both without printing */
    err = err ? err : filter(in, NULL, NULL, &malloc_ns);
    if (err) {
        fprintf(stderr, "objpool_buffer_pool: %s: %s\n", argv[1], strerror(err));
    } else {
        cconc_objpool_read(buffers, &counts);
        fprintf(stderr, "a line: %lld ns with the object pool, %lld ns with malloc\n",
                (long long)pool_ns, (long long)malloc_ns);
        fprintf(stderr, "%zu buffers lent, %zu made, %zu became too large, %zu still lent\n",
                counts.gets, counts.created, counts.destroyed, counts.lent);
    }
    cconc_objpool_free(buffers);
    fclose(in);
    cconc_shutdown(NULL);
    return err ? 1 : 0;
}
