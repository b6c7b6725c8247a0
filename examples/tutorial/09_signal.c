/* 09_signal.c - step 9 of the tutorial: SIGINT and SIGTERM end a context.
 * SPDX-License-Identifier: MIT
 */
#include <cconc/cconc.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>

enum { WORKERS = 3 };

/* Waits for work that never comes. */
static int work(cconc_ctx *ctx, void *arg)
{
    int job = 0;
    return cconc_chan_recv(arg, ctx, &job);
}

/* Start workers below stop, and wait until they have ended: that is, until stop is done. */
static int run(cconc_ctx *stop, cconc_chan *jobs)
{
    cconc_group *group = NULL;
    int err = cconc_group_new(stop, NULL, &group);
    for (int i = 0; i < WORKERS && !err; i++) {
        err = cconc_group_go(group, NULL, work, jobs);
    }
    if (!err) {
        raise(SIGTERM); /* as if by kill; press ^C instead if you take this line out */
    }
    int failure = group ? cconc_group_wait(group, NULL, NULL) : 0;
    cconc_group_free(group);
    return err ? err : failure;
}

int main(void)
{
    const char *message = NULL;
    cconc_chan *jobs = NULL;
    cconc_ctx *stop = NULL;
    int err = cconc_ctx_with_signals(NULL, NULL, 0, CCONC_CTX_SECOND_SIGNAL_EXITS, &stop);
    if (!err) {
        err = cconc_chan_new(sizeof(int), 0, &jobs);
    }
    if (!err) {
        err = run(stop, jobs);
    }
    if (err == ECANCELED && cconc_ctx_signal(stop) != 0) {
        cconc_ctx_cause(stop, &message);
        printf("%s; all workers have ended\n", message);
        err = 0;
    }
    if (err) {
        fprintf(stderr, "09_signal: %s\n", cconc_strerror(err));
    }
    cconc_chan_free(jobs);
    cconc_ctx_free(stop); /* signals are as they were before */
    cconc_shutdown(NULL);
    return err ? 1 : 0;
}
