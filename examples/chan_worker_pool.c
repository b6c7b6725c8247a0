/* chan_worker_pool.c - a fixed number of workers share the jobs of one unbuffered channel.
 * SPDX-License-Identifier: MIT
 *
 * Pattern  The producer sends jobs over a rendezvous: when send returns, a worker has the job, and
 *          nothing lies in a queue. The producer is the only sender, so it may close the channel;
 *          that is how the workers learn that no more will come.
 * Mistake  A bare send hangs for ever once every worker has given up. cconc_chan_send takes the
 *          group's context: it is Go's select over the send and ctx.Done(). The second run shows
 *          it: its producer would never end, but a worker fails, and everything winds down.
 */
#include <cconc/cconc.h>

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

enum { WORKERS = 4 };

struct shop {
    cconc_group *group;
    cconc_chan *jobs; /* of int64_t */
    int64_t last;     /* jobs are 1 ... last */
    int64_t bad;      /* the job that nobody can do */
    _Atomic int64_t sum;
};

static int produce(cconc_ctx *ctx, void *arg)
{
    struct shop *shop = arg;
    int err = 0;
    for (int64_t job = 1; job <= shop->last && !err; job++) {
        err = cconc_chan_send(shop->jobs, ctx, &job); /* send or cancel */
    }
    cconc_chan_close(shop->jobs);
    return err;
}

static int work(cconc_ctx *ctx, void *arg)
{
    struct shop *shop = arg;
    int64_t job = 0;
    int err = 0;
    while ((err = cconc_chan_recv(shop->jobs, ctx, &job)) == 0) {
        if (job == shop->bad) {
            return cconc_group_fail(shop->group, EINVAL, "job %" PRId64 " cannot be done", job);
        }
        atomic_fetch_add(&shop->sum, job);
    }
    return err == EPIPE ? 0 : err; /* closed and drained is the normal end */
}

static int run(int64_t last, int64_t bad)
{
    struct shop shop = {.last = last, .bad = bad};
    const char *message = NULL;
    int err = cconc_chan_new(sizeof(int64_t), 0, &shop.jobs);
    if (err) {
        return err;
    }
    err = cconc_group_new(NULL, NULL, &shop.group);
    if (err) {
        goto free_jobs;
    }
    err = cconc_group_go(shop.group, NULL, produce, &shop);
    for (int i = 0; i < WORKERS && !err; i++) {
        err = cconc_group_go(shop.group, NULL, work, &shop);
    }
    if (err) { /* those that did start use shop: end them before it goes */
        cconc_group_stop(shop.group, NULL);
        goto free_group;
    }
    err = cconc_group_wait(shop.group, NULL, &message);
    if (err) {
        printf("stopped: %s\n", message);
    } else {
        printf("%" PRId64 " jobs, sum %" PRId64 "\n", last, atomic_load(&shop.sum));
    }
free_group:
    cconc_group_free(shop.group);
free_jobs:
    cconc_chan_free(shop.jobs);
    return err;
}

int main(void)
{
    int err = run(1000, 0);
    int stopped = run(INT64_MAX, 500);
    if (err || stopped != EINVAL) {
        fprintf(stderr, "chan_worker_pool: %s\n", cconc_strerror(err ? err : stopped));
    }
    cconc_shutdown(NULL); /* joins the library's threads; leak checkers stay silent */
    return err || stopped != EINVAL;
}
