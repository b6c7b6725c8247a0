/* copy.c - a copy of the library and some use of it; COPY is its name, left or right
 * SPDX-License-Identifier: MIT
 *
 * COPY_INSIDE: the library is included. Else its functions are found by the linker.
 */
#if defined(COPY_INSIDE)
#define CCONC_API static CCONC_UNUSED
#include "cconc.c"
#else
#include "cconc.h"
#endif

#include <errno.h>
#include <stdlib.h>

#include "copy.h"

static _Atomic size_t allocation_count;

static void *take_memory(size_t size, void *user)
{
    (void)user;
    allocation_count++;
    return malloc(size);
}

static void give_memory(void *memory, void *user)
{
    (void)user;
    free(memory);
}

static int use_own_memory(void)
{
    return cconc_set_allocator(take_memory, give_memory, NULL);
}

static int send_squares(cconc_ctx *ctx, void *squares)
{
    int err = 0;
    for (long i = 1; i <= 1000 && !err; i++) {
        long square = i * i;
        err = cconc_chan_send(squares, ctx, &square);
    }
    cconc_chan_close(squares);
    return err;
}

static int sum_up(cconc_ctx *ctx, cconc_group *group, cconc_chan *squares, long *out_sum)
{
    long square;
    int err = cconc_group_go(group, ctx, send_squares, squares);
    *out_sum = 0;
    while (!err) {
        err = cconc_chan_recv(squares, ctx, &square);
        *out_sum += err ? 0 : square;
    }
    return err == EPIPE ? cconc_group_wait(group, NULL, NULL) : err;
}

static int sum_of_squares(long *out_sum)
{
    cconc_ctx *ctx = NULL;
    cconc_chan *squares = NULL;
    cconc_group *group = NULL;
    int err = cconc_ctx_with_timeout(NULL, 20 * CCONC_SECOND, &ctx);
    if (!err) {
        err = cconc_chan_new(sizeof(long), 16, &squares);
    }
    if (!err) {
        err = cconc_group_new(ctx, NULL, &group);
    }
    if (!err) {
        err = sum_up(ctx, group, squares, out_sum);
    }
    cconc_group_free(group);
    cconc_chan_free(squares);
    cconc_ctx_free(ctx);
    return err;
}

static size_t allocations(void)
{
    return allocation_count;
}

static int shut_down(void)
{
    return cconc_shutdown(NULL);
}

const copy COPY = {use_own_memory, sum_of_squares, allocations, shut_down};
