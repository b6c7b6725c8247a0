/* objpool_buffer_pool.c - a text filter whose workers share a few buffers.
 * SPDX-License-Identifier: MIT
 *
 * Pattern  The reader gets a buffer for each line, workers turn it to upper case, and the printer
 *          puts it back: three threads, one lending. Lines go round the workers in turn, so
 *          they come out in the order in which they came in. With malloc, too, for comparison.
 * Mistake  A buffer that is put while another thread still reads it. Keeping what grew without
 *          bound: max_bytes, or a reset that refuses it.
 */
#include <cconc/cconc.h>

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORKERS = 3, LINE = 4096, AHEAD = 16 };

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

static int take_buffer(struct filter *f, void **out_buffer)
{
    if (f->buffers) {
        return cconc_objpool_get(f->buffers, out_buffer);
    }
    *out_buffer = malloc(LINE);
    return *out_buffer ? 0 : ENOMEM;
}

static void give_buffer(struct filter *f, void *buffer)
{
    if (f->buffers) {
        cconc_objpool_put(f->buffers, buffer);
    } else {
        free(buffer);
    }
}

static int read_lines(cconc_ctx *ctx, void *arg)
{
    struct filter *f = arg;
    void *line = NULL;
    int err = take_buffer(f, &line);
    for (size_t i = 0; !err && fgets(line, LINE, f->in); i++) {
        err = cconc_chan_send(f->raw[i % WORKERS], ctx, &line);
        if (!err) {
            line = NULL;
            err = take_buffer(f, &line);
        }
    }
    if (line) {
        give_buffer(f, line);
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
    char *line;
    int err = 0;
    while (!err && (err = cconc_chan_recv(f->raw[w->index], ctx, &line)) == 0) {
        for (char *c = line; *c; c++) {
            *c = (char)toupper((unsigned char)*c);
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
    char *line;
    int err;
    while ((err = cconc_chan_recv(f->done[f->lines % WORKERS], ctx, &line)) == 0) {
        if (f->out) {
            fputs(line, f->out);
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
        err = cconc_chan_new(sizeof(char *), AHEAD, &f->raw[i]);
        err = err ? err : cconc_chan_new(sizeof(char *), AHEAD, &f->done[i]);
    }
    return err;
}

/* After a failure there may be lines on their way. */
static void close_filter(struct filter *f)
{
    char *line;
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
    const cconc_objpool_opts opts = {.size = LINE, .max_bytes = (size_t)64 * LINE};
    cconc_objpool *buffers = NULL;
    int64_t pool_ns = 0;
    int64_t malloc_ns = 0;
    size_t lent = 0;
    FILE *in = argc == 2 ? fopen(argv[1], "r") : NULL;
    if (!in) {
        fprintf(stderr, "usage: objpool_buffer_pool FILE\n");
        return 2;
    }
    int err = cconc_objpool_new(&opts, &buffers);
    err = err ? err : filter(in, stdout, buffers, &pool_ns);
    err = err ? err : filter(in, NULL, buffers, &pool_ns); /* both without printing */
    err = err ? err : filter(in, NULL, NULL, &malloc_ns);
    if (buffers) {
        lent = cconc_objpool_lent(buffers);
    }
    if (err) {
        fprintf(stderr, "objpool_buffer_pool: %s\n", cconc_strerror(err));
    } else {
        fprintf(stderr, "a line: %lld ns with the object pool, %lld ns with malloc; %zu lent\n",
                (long long)pool_ns, (long long)malloc_ns, lent);
    }
    cconc_objpool_free(buffers);
    fclose(in);
    cconc_shutdown(NULL);
    return err ? 1 : 0;
}
