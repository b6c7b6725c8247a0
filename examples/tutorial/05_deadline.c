/* 05_deadline.c - step 5 of the tutorial: how long to wait, and how long to compute.
 * SPDX-License-Identifier: MIT
 */
#include <cconc/cconc.h>

#include <errno.h>
#include <stdio.h>

/* Receive with a deadline for this call alone: no memory is taken, nothing is to be freed. */
static int receive_within(cconc_chan *ch, cconc_ctx *ctx, int64_t duration_ns, int *out_number)
{
    cconc_ctx_mem mem;
    cconc_ctx *soon = cconc_ctx_until(&mem, ctx, cconc_clock_after(duration_ns));
    return cconc_chan_recv(ch, soon, out_number);
}

/* Computing has no call that waits, so it looks at its context by itself. */
static int search(cconc_ctx *ctx, void *arg)
{
    unsigned *tried = arg;
    int err = 0;
    do {
        *tried += 1; /* a slice of the work, some microseconds long */
        err = cconc_ctx_err(ctx);
    } while (err == 0);
    return err;
}

static int search_within(int64_t duration_ns, unsigned *tried)
{
    cconc_ctx *budget = NULL;
    cconc_group *group = NULL;
    int err = cconc_ctx_with_timeout(NULL, duration_ns, &budget);
    if (!err) {
        err = cconc_group_new(budget, NULL, &group); /* its tasks end with the budget */
    }
    if (!err) {
        err = cconc_group_go(group, NULL, search, tried);
        err = err ? err : cconc_group_wait(group, NULL, NULL);
    }
    cconc_group_free(group);
    cconc_ctx_free(budget);
    return err;
}

int main(void)
{
    unsigned tried = 0;
    int number = 0;
    cconc_chan *empty = NULL;
    int err = cconc_chan_new(sizeof(int), 1, &empty);
    if (err) {
        fprintf(stderr, "05_deadline: %s\n", cconc_strerror(err));
        return 1;
    }
    err = receive_within(empty, NULL, 20 * CCONC_MS, &number);
    printf("received nothing: %s\n", cconc_strerror(err));
    cconc_chan_free(empty);

    int found = search_within(20 * CCONC_MS, &tried);
    printf("searched%s: %s\n", tried > 0 ? "" : " nothing", cconc_strerror(found));
    cconc_shutdown(NULL);
    return err == ETIMEDOUT && found == ETIMEDOUT ? 0 : 1;
}
