/* 04_failure.c - step 4 of the tutorial: the first failure ends the others, and says where.
 * SPDX-License-Identifier: MIT
 */
#include <cconc/cconc.h>

#include <errno.h>
#include <stdio.h>

enum { WORKERS = 4, BAD_JOB = 13 };

struct shop {
    cconc_group *group;
    cconc_chan  *jobs;
};

static int make_jobs(cconc_ctx *ctx, void *arg)
{
    struct shop *shop = arg;
    int err = 0;
    for (int job = 1; !err; job++) { /* without end */
        err = cconc_chan_send(shop->jobs, ctx, &job);
    }
    cconc_chan_close(shop->jobs);
    return err; /* ECANCELED: the group's context has ended */
}

static int work(cconc_ctx *ctx, void *arg)
{
    struct shop *shop = arg;
    int job = 0;
    int err = 0;
    while ((err = cconc_chan_recv(shop->jobs, ctx, &job)) == 0) {
        if (job == BAD_JOB) {
            return cconc_group_fail(shop->group, EINVAL, "job %d cannot be done", job);
        }
    }
    return err == EPIPE ? 0 : err;
}

static int run(struct shop *shop)
{
    const char *message = NULL;
    int err = cconc_group_go(shop->group, NULL, make_jobs, shop);
    for (int i = 0; i < WORKERS && !err; i++) {
        err = cconc_group_go(shop->group, NULL, work, shop);
    }
    if (err) {
        cconc_group_stop(shop->group, NULL); /* cancels, then waits */
        return err;
    }
    err = cconc_group_wait(shop->group, NULL, &message);
    if (err) {
        printf("failed: %s\n", message);
    }
    return err;
}

int main(void)
{
    struct shop shop = {NULL, NULL};
    int err = cconc_chan_new(sizeof(int), 0, &shop.jobs);
    if (!err) {
        err = cconc_group_new(NULL, NULL, &shop.group);
    }
    if (!err) {
        err = run(&shop);
    }
    printf("code: %s, and nobody is left\n", err == EINVAL ? "EINVAL" : cconc_strerror(err));
    cconc_group_free(shop.group);
    cconc_chan_free(shop.jobs);
    cconc_shutdown(NULL);
    return err == EINVAL ? 0 : 1;
}
