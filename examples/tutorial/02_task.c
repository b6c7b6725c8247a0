/* 02_task.c - step 2 of the tutorial: a task that sends while main receives.
 * SPDX-License-Identifier: MIT
 */
#include <cconc/cconc.h>

#include <errno.h>
#include <stdio.h>

static int count_down(cconc_ctx *ctx, void *arg)
{
    cconc_chan *numbers = arg;
    int err = 0;
    for (int i = 3; i > 0 && !err; i--) {
        err = cconc_chan_send(numbers, ctx, &i); /* waits until main takes it */
    }
    cconc_chan_close(numbers);
    return err;
}

static int receive_all(cconc_chan *numbers)
{
    int number = 0;
    int err = 0;
    while ((err = cconc_chan_recv(numbers, NULL, &number)) == 0) {
        printf("%d\n", number);
    }
    return err == EPIPE ? 0 : err; /* closed and drained is the normal end */
}

int main(void)
{
    cconc_chan *numbers = NULL;
    cconc_group *group = NULL;
    int err = cconc_chan_new(sizeof(int), 0, &numbers);
    if (!err) {
        err = cconc_group_new(NULL, NULL, &group);
    }
    if (!err) {
        err = cconc_group_go(group, NULL, count_down, numbers);
    }
    if (!err) {
        err = receive_all(numbers);
        int failure = cconc_group_wait(group, NULL, NULL); /* always, whatever err is */
        err = err ? err : failure;
    }
    printf("%s\n", err ? cconc_strerror(err) : "lift-off");
    cconc_group_free(group);
    cconc_chan_free(numbers);
    cconc_shutdown(NULL);
    return err ? 1 : 0;
}
