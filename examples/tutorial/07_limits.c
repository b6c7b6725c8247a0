/* 07_limits.c - step 7 of the tutorial: how many at once, and how many a minute.
 * SPDX-License-Identifier: MIT
 */
#include <cconc/cconc.h>

#include <errno.h>
#include <stdio.h>

enum { AT_ONCE = 2, TASKS = 20, BURST = 3, ASKED = 5 };

static int work(cconc_ctx *ctx, void *arg)
{
    cconc_counter *running = arg;
    cconc_counter_add(running, 1);
    int err = cconc_ctx_sleep(ctx, CCONC_MS); /* stands for work; ends with the group */
    cconc_counter_add(running, -1);
    return err;
}

static int run_two_at_once(void)
{
    const cconc_counter_opts keep_high = {.keep_high = true};
    const cconc_group_opts limited = {.limit = AT_ONCE};
    cconc_counter *running = NULL;
    cconc_group *group = NULL;
    int err = cconc_counter_new(&keep_high, &running);
    if (!err) {
        err = cconc_group_new(NULL, &limited, &group);
    }
    if (!err) {
        for (int i = 0; i < TASKS && !err; i++) {
            err = cconc_group_go(group, NULL, work, running); /* waits while two run */
        }
        int failure = cconc_group_wait(group, NULL, NULL);
        err = err ? err : failure;
        printf("%d tasks, at most %d at once: %s\n", TASKS, AT_ONCE,
               cconc_counter_high(running) <= AT_ONCE ? "yes" : "no");
    }
    cconc_group_free(group);
    cconc_counter_free(running);
    return err;
}

static int take_three_a_minute(void)
{
    cconc_limiter *limiter = NULL;
    int served = 0;
    int refused = 0;
    int err = cconc_limiter_new((double)BURST / 60, BURST, &limiter);
    for (int i = 0; i < ASKED && (!err || err == EAGAIN); i++) {
        err = cconc_limiter_allow(limiter, 1);
        served += err == 0;
        refused += err == EAGAIN;
    }
    printf("%d served, %d refused\n", served, refused);
    cconc_limiter_free(limiter);
    return err == EAGAIN ? 0 : err;
}

int main(void)
{
    int err = run_two_at_once();
    if (!err) {
        err = take_three_a_minute();
    }
    if (err) {
        fprintf(stderr, "07_limits: %s\n", cconc_strerror(err));
    }
    cconc_shutdown(NULL);
    return err ? 1 : 0;
}
