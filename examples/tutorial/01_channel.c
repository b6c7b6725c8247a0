/* 01_channel.c - step 1 of the tutorial: a channel, its capacity and its end.
 * SPDX-License-Identifier: MIT
 */
#include <cconc/cconc.h>

#include <errno.h>
#include <stdio.h>

int main(void)
{
    cconc_chan *numbers = NULL;
    int number = 0;
    int err = cconc_chan_new(sizeof(int), 3, &numbers);
    for (int i = 7; i <= 9 && !err; i++) {
        err = cconc_chan_send(numbers, NULL, &i); /* copies i into the channel */
    }
    if (err) {
        fprintf(stderr, "01_channel: %s\n", cconc_strerror(err));
        return 1;
    }
    err = cconc_chan_try_send(numbers, &number);
    printf("a fourth: %s\n", cconc_strerror(err));

    cconc_chan_close(numbers); /* no more will come; what is inside stays */
    while ((err = cconc_chan_recv(numbers, NULL, &number)) == 0) {
        printf("received %d\n", number);
    }
    printf("then: %s\n", cconc_strerror(err));
    cconc_chan_free(numbers);
    return err == EPIPE ? 0 : 1;
}
