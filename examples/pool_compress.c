/* pool_compress.c - compress files, as many at a time as there are processors.
 * SPDX-License-Identifier: MIT
 *
 * Usage    pool_compress [-o FOLDER] FILE...; writes FILE.gz beside FILE, or into FOLDER.
 *
 * Pattern  A task of a pool per file. The queue is bounded and submitting waits for room, so a
 *          million files are not a million queued tasks; there are as many buffers as workers, lent
 *          by an object pool. A file that cannot be compressed is named, with the reason, and the
 *          others go on. Ctrl-C ends the context above the pool's: submitting ends, tasks stop
 *          within a block, and what they have written is removed. A second one kills.
 * Mistake  Calling exit on a signal: half a FILE.gz stays, under the name of a whole one. And one
 *          file that cannot be read ends the run, or is no more than a number in the exit status.
 */
#include <cconc/cconc.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum {
    QUEUE = 16,    /* enough that no worker waits for the one who submits */
    BLOCK = 65536, /* bytes read at a time */
    BAR = 40,      /* characters */
};

#define ERASE "\r\033[K" /* the bar: to the start of its line, and clear it */

struct run {
    cconc_objpool *buffers;
    const char *folder; /* NULL: beside each file */
    pthread_mutex_t mu; /* guards ended, and what is shown on the terminal */
    bool has_bar;
    int files;
    int ended;
};

struct job {
    struct run *run;
    const char *path;
};

/* What a call of zlib that failed has met. */
static int gz_errno(gzFile out)
{
    int code = Z_OK;
    (void)gzerror(out, &code);
    return code == Z_ERRNO ? errno : code == Z_MEM_ERROR ? ENOMEM : EIO;
}

static int copy(cconc_ctx *ctx, int in, void *buffer, gzFile out)
{
    for (;;) {
        int err = cconc_ctx_err(ctx);
        ssize_t got = err ? 0 : read(in, buffer, BLOCK);
        if (got < 0 && errno != EINTR) {
            return errno;
        }
        if (got > 0 && gzwrite(out, buffer, (unsigned)got) != got) {
            return gz_errno(out);
        }
        if (got == 0) {
            return err;
        }
    }
}

/* Open the file, if it is one. O_NONBLOCK: if it is a FIFO, nothing waits for its other end. */
static int open_input(const char *path, int *out_fd, mode_t *out_mode)
{
    struct stat status;
    *out_fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*out_fd < 0 || fstat(*out_fd, &status)) {
        return errno;
    }
    *out_mode = status.st_mode & 0777; /* who may not read the one may not read the other */
    return S_ISREG(status.st_mode) ? 0 : S_ISDIR(status.st_mode) ? EISDIR : ENOTSUP;
}

/* Compress in to out, which this closes. */
static int compress_to(cconc_ctx *ctx, struct run *run, int in, int out)
{
    void *buffer = NULL;
    gzFile file = gzdopen(out, "wb");
    if (!file) {
        close(out);
        return ENOMEM;
    }
    int err = cconc_objpool_get(run->buffers, &buffer);
    err = err ? err : copy(ctx, in, buffer, file);
    cconc_objpool_put(run->buffers, buffer);
    int close_code = gzclose(file); /* also writes the rest */
    if (!err && close_code != Z_OK) {
        err = close_code == Z_ERRNO ? errno : EIO;
    }
    return err;
}

/* Print the name of a new file, or what is wrong with one, and move the bar. */
static void report(struct run *run, const char *name, int err)
{
    static const char full[BAR + 1] = "########################################";
    pthread_mutex_lock(&run->mu);
    fputs(run->has_bar ? ERASE : "", stderr);
    if (err) {
        fprintf(stderr, "pool_compress: %s: %s\n", name, strerror(err));
    } else {
        printf("%s\n", name);
        fflush(stdout); /* before the bar is back, should both be one terminal */
    }
    run->ended++;
    if (run->has_bar) {
        fprintf(stderr, "[%-*.*s] %d of %d files", BAR, (int)((long)run->ended * BAR / run->files),
                full, run->ended, run->files);
    }
    pthread_mutex_unlock(&run->mu);
}

/* The task. A failure is told and counted; it does not end the others. */
static int compress_file(cconc_ctx *ctx, void *arg)
{
    const struct job *job = arg;
    const char *folder = job->run->folder;
    const char *slash = folder ? strrchr(job->path, '/') : NULL;
    const char *name = job->path; /* of which there is something to tell */
    char out_path[PATH_MAX];
    mode_t mode = 0;
    int in = -1;
    int len = snprintf(out_path, sizeof(out_path), "%s%s%s.gz", folder ? folder : "",
                       folder ? "/" : "", slash ? slash + 1 : job->path);
    int err = len < PATH_MAX ? open_input(job->path, &in, &mode) : ENAMETOOLONG;
    if (!err) { /* O_EXCL: what is removed after a failure is never somebody else's */
        int out = open(out_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        name = out_path;
        err = out < 0 ? errno : compress_to(ctx, job->run, in, out);
        if (err && out >= 0) {
            (void)unlink(out_path);
        }
    }
    if (in >= 0) {
        close(in);
    }
    if (!err || !cconc_ctx_err(ctx)) { /* else it was broken off, which is no fault of the file */
        report(job->run, name, err);
    }
    return err;
}

/* Compress all files; *out_failed are those that could not be. */
static int compress_all(struct run *run, cconc_ctx *ctx, char **paths, uint64_t *out_failed)
{
    const cconc_pool_opts opts = {.queue_len = QUEUE, .name = "compress"};
    struct job *jobs = calloc((size_t)run->files, sizeof(*jobs));
    cconc_pool *pool = NULL;
    cconc_pool_counts counts = {.failed = 0};
    int err = jobs ? cconc_pool_new(ctx, &opts, &pool) : ENOMEM;
    for (int i = 0; i < run->files && !err; i++) {
        jobs[i] = (struct job){run, paths[i]};
        err = cconc_pool_submit(pool, ctx, compress_file, &jobs[i]); /* waits for room */
    }
    if (!err) {
        err = cconc_pool_shutdown(pool, ctx, CCONC_POOL_DRAIN);
    }
    if (pool) {
        if (err) { /* Ctrl-C, most likely: drop what is queued, wait for what runs */
            (void)cconc_pool_shutdown(pool, NULL, CCONC_POOL_CANCEL);
        }
        cconc_pool_read(pool, &counts);
    }
    *out_failed = counts.failed;
    cconc_pool_free(pool);
    free(jobs);
    return err;
}

/* Give the exit status: 0, 1 after a failure, 128 + its number after a signal. */
static int run_until_signal(struct run *run, char **paths)
{
    const cconc_objpool_opts opts = {.size = BLOCK};
    cconc_ctx *ctx = NULL;
    uint64_t failed = 0;
    int err = cconc_ctx_with_signals(NULL, NULL, 0, CCONC_CTX_SECOND_SIGNAL_EXITS, &ctx);
    err = err ? err : cconc_objpool_new(&opts, &run->buffers);
    err = err ? err : compress_all(run, ctx, paths, &failed);
    int signal_number = ctx ? cconc_ctx_signal(ctx) : 0;
    fputs(run->has_bar ? ERASE : "", stderr);
    if (signal_number) {
        fprintf(stderr, "pool_compress: interrupted after %d of %d files\n", run->ended,
                run->files);
    } else if (err) {
        fprintf(stderr, "pool_compress: %s\n", strerror(err));
    } else {
        fprintf(stderr, "%d files, %d failed\n", run->files, (int)failed);
    }
    cconc_objpool_free(run->buffers);
    cconc_ctx_free(ctx);
    return signal_number ? 128 + signal_number : err || failed > 0;
}

int main(int argc, char **argv)
{
    struct run run = {.mu = PTHREAD_MUTEX_INITIALIZER};
    bool has_folder = argc > 2 && strcmp(argv[1], "-o") == 0;
    run.folder = has_folder ? argv[2] : NULL;
    char **paths = argv + (has_folder ? 3 : 1);
    run.files = argc - (int)(paths - argv);
    if (run.files < 1 || paths[0][0] == '-') {
        fprintf(stderr, "usage: pool_compress [-o FOLDER] FILE...\n");
        return 2;
    }
    run.has_bar = isatty(STDERR_FILENO) == 1;
    signal(SIGPIPE, SIG_IGN); /* a reader of the names who leaves ends nothing */
    int status = run_until_signal(&run, paths);
    cconc_shutdown(NULL);
    return status;
}
