/* feed.c - walks the trees and hands what it finds to the workers and the printer, in batches
 * SPDX-License-Identifier: MIT
 *
 * A batch goes out when it is full, and before a directory is read if the workers have nothing left
 * to do: they need not wait for a slow disk as well. When MAX_BATCHES are under way the walk waits
 * for the printer: that bounds the memory.
 */
#include "treesum.h"
#include "walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(BATCH_TEXT >= WALK_PATH_SIZE, "a batch must hold any path");

struct feed {
    struct run   *run;
    cconc_ctx    *ctx;
    struct batch *batch; /* being filled, or NULL */
};

static int new_batch(struct run *run, struct batch **out_batch)
{
    struct batch *batch = malloc(sizeof *batch);
    if (!batch) {
        return cconc_group_fail(run->group, ENOMEM, "out of memory");
    }
    cconc_waitgroup_init(&batch->tickets);
    run->batches[run->batch_count++] = batch;
    *out_batch = batch;
    return 0;
}

/* Take a printed batch, or make one while there are few, or wait for the printer. */
static int take_batch(struct feed *feed)
{
    struct run *run = feed->run;
    int err = cconc_chan_try_recv(run->spare, &feed->batch);
    if (err == EAGAIN && run->batch_count < MAX_BATCHES) {
        err = new_batch(run, &feed->batch);
    } else if (err == EAGAIN) {
        err = cconc_chan_recv(run->spare, feed->ctx, &feed->batch);
    }
    if (err == 0) {
        feed->batch->count = 0;
        feed->batch->text_len = 0;
        atomic_store_explicit(&feed->batch->next, 0, memory_order_relaxed);
    }
    return err;
}

/* Send the batch to the printer, and a ticket for it to the workers. */
static int send_batch(struct feed *feed)
{
    struct batch *batch = feed->batch;
    feed->batch = NULL;
    cconc_waitgroup_add(&batch->tickets, 1);
    int err = cconc_chan_send(feed->run->order, feed->ctx, &batch);
    return err != 0 ? err : cconc_chan_send(feed->run->jobs, feed->ctx, &batch);
}

static int feed_before_directory(void *arg)
{
    struct feed *feed = arg;
    bool workers_idle = cconc_chan_len(feed->run->jobs) == 0;
    return feed->batch && workers_idle ? send_batch(feed) : 0;
}

/* Add an entry to the batch, and send the batch when it is full. A path that is too long for any
 * file is cut. */
static int add_entry(struct feed *feed, const char *path, int entry_err)
{
    size_t path_len = strnlen(path, WALK_PATH_SIZE - 1);
    if (feed->batch && feed->batch->text_len + path_len + 1 > BATCH_TEXT) {
        int err = send_batch(feed);
        if (err != 0) {
            return err;
        }
    }
    if (!feed->batch) {
        int err = take_batch(feed);
        if (err != 0) {
            return err;
        }
    }
    struct batch *batch = feed->batch;
    struct entry *entry = &batch->entries[batch->count++];
    entry->path = batch->text_len;
    atomic_store_explicit(&entry->err, entry_err, memory_order_relaxed);
    memcpy(batch->text + batch->text_len, path, path_len);
    batch->text[batch->text_len + path_len] = '\0';
    batch->text_len += (uint32_t)path_len + 1;
    return batch->count == BATCH_FILES ? send_batch(feed) : 0;
}

static int feed_file(void *arg, const char *path)
{
    struct feed *feed = arg;
    atomic_fetch_add_explicit(&feed->run->found_files, 1, memory_order_relaxed);
    return add_entry(feed, path, UNFINISHED);
}

/* What the walk cannot read travels as an entry too: the message comes in its place. */
static int feed_error(void *arg, const char *path, int err)
{
    struct feed *feed = arg;
    if (feed->run->options.fail_fast) {
        return fail_over_path(feed->run, path, err);
    }
    return add_entry(feed, path, err);
}

int feed_task(cconc_ctx *ctx, void *arg)
{
    struct run *run = arg;
    struct feed feed = {.run = run, .ctx = ctx};
    struct walk_calls calls = {.before_directory = feed_before_directory,
                               .file = feed_file,
                               .error = feed_error,
                               .arg = &feed};
    int err = 0;
    for (size_t i = 0; i < run->options.root_count && err == 0; i++) {
        err = walk_tree(ctx, run->options.roots[i], &calls);
    }
    if (err == 0 && feed.batch) {
        err = send_batch(&feed);
    }
    if (err != 0) {
        return err == ENOMEM ? cconc_group_fail(run->group, ENOMEM, "out of memory") : err;
    }
    (void)cconc_chan_close(run->order);
    return 0;
}
