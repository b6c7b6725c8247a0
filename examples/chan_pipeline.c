/* chan_pipeline.c - generate, square and sum: three stages, joined by channels.
 * SPDX-License-Identifier: MIT
 *
 * Pattern  A task per stage. The end of the data flows down: a stage closes the channel it sends
 *          to, and EPIPE ends the loop of the next one. The end of the interest flows up as
 *          cancellation: each send and each receive takes the group's context.
 * Mistake  A consumer that simply stops reading leaves the stages above it blocked in send, for
 *          ever. Here the sum returns ENOUGH; any code but 0 cancels the group, and when wait is
 *          back no stage is left, although the second run's numbers have no end.
 */
#include <cconc/cconc.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum { ENOUGH = -1 }; /* codes are passed on unchanged; this one is no errno value */

CCONC_CHAN_OF(int64_t, numbers); /* struct numbers, and calls that know the type of its elements */

struct pipeline {
    struct numbers roots;
    struct numbers squares;
    int64_t last;   /* generate 1 ... last */
    int64_t target; /* the sum above which nobody wants more */
    int64_t sum;    /* written by the last stage, read after wait */
};

static int generate(cconc_ctx *ctx, void *arg)
{
    struct pipeline *line = arg;
    int err = 0;
    for (int64_t n = 1; n <= line->last && !err; n++) {
        err = numbers_send(line->roots, ctx, n);
    }
    numbers_close(line->roots);
    return err;
}

static int square(cconc_ctx *ctx, void *arg)
{
    struct pipeline *line = arg;
    int64_t n = 0;
    int err = 0;
    while (!err && (err = numbers_recv(line->roots, ctx, &n)) == 0) {
        err = numbers_send(line->squares, ctx, n * n);
    }
    numbers_close(line->squares);
    return err == EPIPE ? 0 : err;
}

static int sum(cconc_ctx *ctx, void *arg)
{
    struct pipeline *line = arg;
    int64_t n = 0;
    int err = 0;
    while ((err = numbers_recv(line->squares, ctx, &n)) == 0) {
        line->sum += n;
        if (line->sum > line->target) {
            return ENOUGH;
        }
    }
    return err == EPIPE ? 0 : err;
}

static int run(int64_t last, int64_t target)
{
    const cconc_task_fn stages[] = {generate, square, sum};
    struct pipeline line = {.last = last, .target = target};
    cconc_group *group = NULL;
    int err = cconc_group_new(NULL, NULL, &group);
    if (err) {
        return err;
    }
    err = numbers_new(&line.roots, 4);
    if (!err) {
        err = numbers_new(&line.squares, 4);
    }
    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]) && !err; i++) {
        err = cconc_group_go(group, NULL, stages[i], &line);
    }
    if (err) {
        cconc_group_stop(group, NULL);
    } else {
        err = cconc_group_wait(group, NULL, NULL);
    }
    if (!err || err == ENOUGH) {
        printf("%s %" PRId64 "\n", err ? "enough at" : "all of it:", line.sum);
    } else {
        fprintf(stderr, "chan_pipeline: %s\n", cconc_strerror(err));
    }
    numbers_free(line.squares);
    numbers_free(line.roots);
    cconc_group_free(group);
    return err;
}

int main(void)
{
    int all = run(100, INT64_MAX);
    int early = run(INT64_MAX, 1000);
    cconc_shutdown(NULL);
    return all || early != ENOUGH;
}
