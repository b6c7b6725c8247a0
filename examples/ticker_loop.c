/* ticker_loop.c - a loop that works, ticks at a fixed rate, and can be stopped.
 * SPDX-License-Identifier: MIT
 *
 * Pattern  One select over the work, the next tick and the stop. The ticks lie on a grid, start +
 *          k * period; of the cases that are ready each has the same chance, so steady work starves
 *          neither the ticks nor the stop. A loop with nothing but ticks needs no select: while
 *          (cconc_ticker_wait(ticker, ctx, NULL) == 0) ends with ctx, or with cconc_ticker_stop().
 * Mistake  Sleeping for a period after the work drifts by the time that the work takes, and nothing
 *          ends such a sleep: the program hangs at exit, or dies with a beat half written.
 */
#include <cconc/cconc.h>

#include <errno.h>
#include <stdio.h>

enum { JOBS = 10, BEATS = 3 };

#define PERIOD_NS (10 * CCONC_MS) /* from beat to beat */

struct heart {
    cconc_ticker *ticker;
    cconc_chan *jobs;  /* of int */
    cconc_chan *beats; /* elements of size 0: a beat carries nothing */
    int beats_lost;    /* ticks that came before the last beat was taken; at most one waits */
    int jobs_done;     /* both are the loop's; read after it has ended */
};

static int heart_loop(cconc_ctx *ctx, void *arg)
{
    enum { WORK, TICK, STOP, CASES };
    struct heart *heart = arg;
    cconc_chan *jobs = heart->jobs;
    int job = 0;
    for (;;) {
        const cconc_select_case cases[CASES] = {[WORK] = cconc_select_recv(jobs, &job),
                                                [TICK] = cconc_select_ticker(heart->ticker, NULL),
                                                [STOP] = cconc_select_done(ctx)};
        size_t fired = STOP;
        int err = cconc_select(cases, CASES, 0, &fired);
        if (fired == STOP) {
            return err;
        }
        if (fired == TICK) {
            heart->beats_lost += cconc_chan_try_send(heart->beats, NULL) == EAGAIN;
        } else if (err) {
            jobs = NULL; /* closed, so it would fire for ever; NULL switches the case off */
        } else {
            heart->jobs_done++;
        }
    }
}

/* Hand out all jobs, listen to a few beats, stop the loop. */
static int drive(cconc_group *group, struct heart *heart)
{
    cconc_ctx *ctx = cconc_group_ctx(group);
    int err = cconc_group_go(group, NULL, heart_loop, heart);
    for (int i = 0; i < JOBS && !err; i++) {
        err = cconc_chan_send(heart->jobs, ctx, &i);
    }
    cconc_chan_close(heart->jobs);
    for (int i = 1; i <= BEATS && !err; i++) {
        err = cconc_chan_recv(heart->beats, ctx, NULL);
        if (!err) {
            printf("beat %d\n", i);
        }
    }
    int stop_err = cconc_group_stop(group, NULL); /* ECANCELED after a stop is no failure: 0 */
    return err ? err : stop_err;
}

int main(void)
{
    struct heart heart = {.jobs_done = 0};
    cconc_group *group = NULL;
    int err = cconc_chan_new(sizeof(int), 0, &heart.jobs);
    err = err ? err : cconc_chan_new(0, 1, &heart.beats);
    err = err ? err : cconc_ticker_new(PERIOD_NS, NULL, &heart.ticker);
    err = err ? err : cconc_group_new(NULL, NULL, &group);
    err = err ? err : drive(group, &heart);
    if (err) {
        fprintf(stderr, "ticker_loop: %s\n", cconc_strerror(err));
    } else {
        printf("stopped, %d of %d jobs done\n", heart.jobs_done, JOBS);
    }
    cconc_group_free(group);
    cconc_ticker_free(heart.ticker);
    cconc_chan_free(heart.beats);
    cconc_chan_free(heart.jobs);
    cconc_shutdown(NULL);
    return err ? 1 : 0;
}
