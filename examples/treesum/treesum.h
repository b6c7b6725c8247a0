/* treesum.h - what the parts of treesum share: the run, its batches of files, its counters.
 * SPDX-License-Identifier: MIT
 *
 *                      .-- jobs: tickets for a batch --> hash_task, N times --.
 *   feed_task (walks) -+                                                      | tickets done
 *        ^             '-- order: batches in walk order --> print_task <------'
 *        |                                                       |
 *        '---- spare: printed batches ---------------------------'--------> standard output
 *
 * Files travel in batches, so that one hand-over and one wake-up serve many small files. What goes
 * to the workers is a ticket for a batch: its holder claims the batch's files one by one. A worker
 * to whom a batch takes long sends one more ticket for it, if no worker has anything else to do: so
 * large or slow files that are neighbours are hashed at the same time. The waitgroup of a batch
 * counts its tickets; at zero the printer prints it.
 */
#ifndef TREESUM_H
#define TREESUM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cconc/cconc.h>
#include <openssl/evp.h>

#define MAX_JOBS 256
#define BATCH_FILES 64
#define BATCH_TEXT 8192   /* bytes of paths in a batch; more than the longest path */
#define MAX_BATCHES 2048  /* how far the workers may run ahead of the printer: 22 MiB */
#define DIGEST_BYTES 32
#define DIGEST_FAILED (-1) /* errors that errno has no number for */
#define NOT_REGULAR (-2)
#define UNFINISHED (-3) /* not an error: no worker is done with it */

/* Read so much at a time: it stays in a processor's own cache (64 to 256 KiB were as fast, more was
 * slower), and the context is looked at often enough to stop at once. */
#define BLOCK_BYTES ((size_t)128 * 1024)

/* One file, or something that the walk could not read: then err is set from the start. A worker
 * stores err last, with release; who loads it with acquire sees the digest that belongs to it. */
struct entry {
    uint32_t      path; /* where the path starts in the text of the batch */
    _Atomic int   err;  /* UNFINISHED, then 0, an errno value, or one of the errors above */
    unsigned char digest[DIGEST_BYTES];
};

/* Filled by feed_task, then by the workers that hold a ticket, then printed by print_task. */
struct batch {
    cconc_waitgroup  tickets; /* tickets that are not done */
    _Atomic uint32_t next;    /* the next entry to claim; may run past count */
    uint32_t         count;
    uint32_t         text_len;
    struct entry     entries[BATCH_FILES];
    char             text[BATCH_TEXT];
};

/* Standard error, shared by messages and the progress bar. */
struct console {
    pthread_mutex_t mu;        /* held by whoever writes to the terminal */
    bool            bar;       /* whether there is a bar at all */
    bool            bar_shown; /* under mu: the bar stands on the current line */
};

struct options {
    uint32_t     jobs;
    uint64_t     rate; /* bytes a second that all workers together may read; 0 = all they can */
    bool         quiet;
    bool         fail_fast;
    char *const *roots;
    size_t       root_count;
};

struct run {
    struct options options;
    struct console console;
    cconc_ctx     *signals; /* ends at the first Ctrl-C; parent of the group's context */
    cconc_group   *group;
    cconc_limiter *limiter; /* a token for each byte that may be read; NULL without a rate */
    cconc_chan    *jobs;  /* of struct batch *: tickets */
    cconc_chan    *order; /* of struct batch *: in walk order */
    cconc_chan    *spare; /* of struct batch *: ready to be filled again */
    EVP_MD        *sha256;
    int64_t        start_ns;
    struct batch  *batches[MAX_BATCHES]; /* all there are; feed_task's until it has ended */
    size_t         batch_count;

    /* Counters with nothing behind them: added to and read at any time. */
    _Atomic uint64_t found_files;
    _Atomic uint64_t hashed_files;
    _Atomic uint64_t hashed_bytes;
    _Atomic uint64_t errors;       /* messages about single paths */
    _Atomic uint64_t ahead_files;  /* what scout_task found, which hurries ahead for the bar */
    _Atomic uint64_t ahead_bytes;
    atomic_bool      ahead_complete;
};

/* Tasks of the group; arg is the run. They return 0, the code of ctx, or what run_fail gives. */
int feed_task(cconc_ctx *ctx, void *arg);
int hash_task(cconc_ctx *ctx, void *arg);
int print_task(cconc_ctx *ctx, void *arg);
int scout_task(cconc_ctx *ctx, void *arg);

/* Fail the group, and with it the run, over one path: "path: reason". Returns a code to return. */
int fail_over_path(struct run *run, const char *path, int err);

/* Put the err of an entry into words. */
const char *error_reason(int err);

/* Find out whether there can be a bar: only if standard error is a terminal. */
void console_init(struct console *console, bool wants_bar);

/* Write one line, "treesum: " and the text, with control characters made visible. reason may be
 * NULL. */
void console_message(struct console *console, const char *text, const char *reason);

/* Take the terminal from the bar for other output, and give it back. */
void console_pause(struct console *console);
void console_resume(struct console *console);

/* Draw how far the run is; the next message erases it. */
void console_draw(struct console *console, const struct run *run);

/* Write the state of run in at most columns characters to out_text. */
void progress_line(const struct run *run, size_t columns, char *out_text, size_t text_size);

/* Write the one line that ends a run, without "treesum: ". */
void progress_summary(const struct run *run, char *out_text, size_t text_size);

#endif
