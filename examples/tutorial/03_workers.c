/* 03_workers.c - step 3 of the tutorial: four workers share the jobs of one channel.
 * SPDX-License-Identifier: MIT
 */
#include <cconc/cconc.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>

enum { WORKERS = 4, LAST = 9999 };

struct answer {
    uint64_t number;
    int      steps;
};

struct search {
    cconc_chan *jobs;    /* of uint64_t */
    cconc_chan *answers; /* of struct answer */
};

/* How often: halve it if it is even, else treble it and add one, until it is 1. */
static int steps_of(uint64_t number)
{
    int steps = 0;
    for (; number > 1; steps++) {
        number = number % 2 == 0 ? number / 2 : 3 * number + 1;
    }
    return steps;
}

static int work(cconc_ctx *ctx, void *arg)
{
    struct search *search = arg;
    struct answer answer;
    int err = 0;
    while (!err && (err = cconc_chan_recv(search->jobs, ctx, &answer.number)) == 0) {
        answer.steps = steps_of(answer.number);
        err = cconc_chan_send(search->answers, ctx, &answer);
    }
    return err == EPIPE ? 0 : err;
}

/* A task that has tasks: it knows when the last worker has ended, so it closes the answers. */
static int hand_out(cconc_ctx *ctx, void *arg)
{
    struct search *search = arg;
    cconc_group *workers = NULL;
    int err = cconc_group_new(ctx, NULL, &workers); /* ends with the group above it */
    if (!err) {
        for (int i = 0; i < WORKERS && !err; i++) {
            err = cconc_group_go(workers, ctx, work, search);
        }
        for (uint64_t job = 1; job <= LAST && !err; job++) {
            err = cconc_chan_send(search->jobs, cconc_group_ctx(workers), &job);
        }
        cconc_chan_close(search->jobs);
        int failure = cconc_group_wait(workers, NULL, NULL);
        err = failure ? failure : err;
        cconc_group_free(workers);
    }
    cconc_chan_close(search->answers);
    return err;
}

static int find_longest(struct search *search, struct answer *longest)
{
    struct answer answer;
    cconc_group *group = NULL;
    int err = cconc_group_new(NULL, NULL, &group);
    if (err) {
        return err;
    }
    err = cconc_group_go(group, NULL, hand_out, search);
    while (!err && (err = cconc_chan_recv(search->answers, NULL, &answer)) == 0) {
        if (answer.steps > longest->steps) {
            *longest = answer;
        }
    }
    int failure = cconc_group_wait(group, NULL, NULL);
    cconc_group_free(group);
    return err == EPIPE ? failure : err;
}

int main(void)
{
    struct search search = {NULL, NULL};
    struct answer longest = {0, 0};
    int err = cconc_chan_new(sizeof(uint64_t), 16, &search.jobs);
    if (!err) {
        err = cconc_chan_new(sizeof(struct answer), 16, &search.answers);
    }
    if (!err) {
        err = find_longest(&search, &longest);
    }
    if (err) {
        fprintf(stderr, "03_workers: %s\n", cconc_strerror(err));
    } else {
        printf("%d takes %d steps\n", (int)longest.number, longest.steps);
    }
    cconc_chan_free(search.answers);
    cconc_chan_free(search.jobs);
    cconc_shutdown(NULL);
    return err ? 1 : 0;
}
