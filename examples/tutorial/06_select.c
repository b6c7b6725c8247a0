/* 06_select.c - step 6 of the tutorial: wait for the first of several things.
 * SPDX-License-Identifier: MIT
 */
#include <cconc/cconc.h>

#include <errno.h>
#include <stdio.h>

enum { REQUESTS = 5, BEATS = 3 };

struct loop {
    cconc_chan   *requests;
    cconc_ticker *ticker;
    int           served;
    int           beats;
};

static int ask(cconc_ctx *ctx, void *arg)
{
    struct loop *loop = arg;
    int err = 0;
    for (int i = 0; i < REQUESTS && !err; i++) {
        err = cconc_chan_send(loop->requests, ctx, &i);
    }
    cconc_chan_close(loop->requests);
    return err;
}

/* Serve requests and beat, until there is nothing more to do; or until ctx is done. */
static int serve(cconc_ctx *ctx, void *arg)
{
    enum { REQUEST, BEAT, DONE, CASES };
    struct loop *loop = arg;
    cconc_chan *requests = loop->requests;
    while (requests || loop->beats < BEATS) {
        int request = 0;
        size_t fired = DONE;
        const cconc_select_case cases[CASES] = {
            [REQUEST] = cconc_select_recv(requests, &request),
            [BEAT] = cconc_select_ticker(loop->ticker, NULL),
            [DONE] = cconc_select_done(ctx),
        };
        int err = cconc_select(cases, CASES, 0, &fired);
        if (fired == REQUEST && err == EPIPE) {
            requests = NULL; /* a closed channel is always ready: switch the case off */
        } else if (err) {
            return err;
        } else if (fired == REQUEST) {
            loop->served++;
        } else {
            loop->beats++;
        }
    }
    return 0;
}

int main(void)
{
    struct loop loop = {NULL, NULL, 0, 0};
    cconc_group *group = NULL;
    int err = cconc_chan_new(sizeof(int), 0, &loop.requests);
    if (!err) {
        err = cconc_ticker_new(5 * CCONC_MS, NULL, &loop.ticker);
    }
    if (!err) {
        err = cconc_group_new(NULL, NULL, &group);
    }
    if (!err) {
        err = cconc_group_go(group, NULL, serve, &loop);
        err = err ? err : cconc_group_go(group, NULL, ask, &loop);
        int failure = err ? cconc_group_stop(group, NULL) : cconc_group_wait(group, NULL, NULL);
        err = err ? err : failure;
    }
    printf("%s: %d requests and %s\n", err ? cconc_strerror(err) : "served", loop.served,
           loop.beats >= BEATS ? "a pulse" : "no pulse");
    cconc_group_free(group);
    cconc_ticker_free(loop.ticker);
    cconc_chan_free(loop.requests);
    cconc_shutdown(NULL);
    return err ? 1 : 0;
}
