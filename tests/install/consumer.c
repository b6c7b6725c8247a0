/* consumer.c - a program outside the tree that uses the installed library.
 * SPDX-License-Identifier: MIT
 */
#include <cconc/cconc.h>

#include <stdio.h>
#include <string.h>

enum { COUNT = 1000 };

static cconc_chan *numbers;

static int produce(cconc_ctx *ctx, void *arg)
{
    int err = 0;
    (void)arg;
    for (int i = 1; i <= COUNT && !err; i++) {
        err = cconc_chan_send(numbers, ctx, &i);
    }
    cconc_chan_close(numbers);
    return err;
}

static int add_up(cconc_ctx *ctx, void *arg)
{
    long *sum = arg;
    int number;
    int err;
    while ((err = cconc_chan_recv(numbers, ctx, &number)) == 0) {
        *sum += number;
    }
    return cconc_ctx_err(ctx) ? err : 0;
}

static int run(long *sum)
{
    cconc_group *group;
    int err = cconc_chan_new(sizeof(int), 8, &numbers);
    if (err) {
        return err;
    }
    err = cconc_group_new(NULL, NULL, &group);
    if (!err) {
        err = cconc_group_go(group, NULL, produce, NULL);
        if (!err) {
            err = cconc_group_go(group, NULL, add_up, sum);
        }
        if (err) {
            cconc_group_stop(group, NULL);
        } else {
            err = cconc_group_wait(group, NULL, NULL);
        }
        cconc_group_free(group);
    }
    cconc_chan_free(numbers);
    return err;
}

int main(void)
{
    long sum = 0;
    int err = 0;
    if (cconc_version_number() != CCONC_VERSION_NUMBER ||
        strcmp(cconc_version_string(), CCONC_VERSION_STRING) != 0) {
        fprintf(stderr, "header %s, library %s\n", CCONC_VERSION_STRING, cconc_version_string());
        return 1;
    }
    err = run(&sum);
    if (!err) {
        err = cconc_shutdown(NULL);
    }
    if (err) {
        fprintf(stderr, "consumer: %s\n", cconc_strerror(err));
        return 1;
    }
    printf("%s %ld\n", cconc_version_string(), sum);
    return sum == (long)COUNT * (COUNT + 1) / 2 ? 0 : 1;
}
