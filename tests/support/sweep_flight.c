/* sweep_flight.c - the swept form of what starts flights
 * SPDX-License-Identifier: MIT
 *
 * A flight that fails gives arg to drop. Here it must be had for the next try, so drop comes to a
 * cell in its place; what it was given goes on once it is the last try's.
 */
#include "support.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cconc/cconc.h>

enum state { FRESH, DROPPED, RETURNED };

struct cell {
    cconc_flight_fn fn;
    cconc_flight_drop_fn drop;
    void *arg;
    atomic_bool has_run;
    atomic_int state;
    struct cell *next;
};

static struct cell *_Atomic cells;

int sweep_cconc_flight_do(cconc_flight *set, cconc_ctx *ctx, const void *key, size_t key_len,
                          cconc_flight_fn fn, void *arg, cconc_flight_drop_fn drop,
                          cconc_flight_result **out_result);
int sweep_cconc_flight_do_async(cconc_flight *set, cconc_ctx *ctx, const void *key, size_t key_len,
                                cconc_flight_fn fn, void *arg, cconc_flight_drop_fn drop,
                                cconc_flight_call **out_call);

/* Cells stay for good, where a leak check sees them: a thread may end in the call, or jump out. */
static struct cell *cell_make(cconc_flight_fn fn, void *arg, cconc_flight_drop_fn drop)
{
    struct cell *cell = malloc(sizeof(*cell));
    SUPPORT_CHECK(cell);
    cell->fn = fn;
    cell->drop = drop;
    cell->arg = arg;
    atomic_init(&cell->has_run, false);
    atomic_init(&cell->state, FRESH);
    cell->next = atomic_load(&cells);
    while (!atomic_compare_exchange_weak(&cells, &cell->next, cell)) {
    }
    return cell;
}

static int cell_run(cconc_ctx *ctx, void *arg, void **out_value)
{
    struct cell *cell = arg;
    atomic_store(&cell->has_run, true);
    return cell->fn(ctx, cell->arg, out_value);
}

static void cell_pass_on(struct cell *cell)
{
    if (cell->drop) {
        cell->drop(cell->arg);
    }
}

static void cell_drop(void *arg)
{
    struct cell *cell = arg;
    int found = FRESH;
    if (atomic_load(&cell->has_run) ||
        !atomic_compare_exchange_strong(&cell->state, &found, DROPPED)) {
        SUPPORT_CHECK(found != DROPPED);
        cell_pass_on(cell);
    }
}

/* The try of cell gave err. Returns true if the call is to be made again, with another cell. */
static bool cell_again(struct cell *cell, struct support_swept *call, int err)
{
    int found = FRESH;
    if (atomic_load(&cell->has_run)) {
        support_swept_end(call); /* the code is the function's */
    } else if (support_swept_again(call, err)) {
        SUPPORT_CHECK(atomic_load(&cell->state) == DROPPED);
        return true;
    }
    if (err != EINVAL && !atomic_compare_exchange_strong(&cell->state, &found, RETURNED)) {
        cell_pass_on(cell);
    }
    return false;
}

/* A flight for which there is no thread has a handle, and lands with ENOMEM. */
static bool has_landed_without(cconc_flight_call *call)
{
    cconc_ctx_mem memory;
    return cconc_flight_wait(call, cconc_ctx_until(&memory, NULL, 0), NULL) == ENOMEM;
}

int sweep_cconc_flight_do(cconc_flight *set, cconc_ctx *ctx, const void *key, size_t key_len,
                          cconc_flight_fn fn, void *arg, cconc_flight_drop_fn drop,
                          cconc_flight_result **out_result)
{
    struct support_swept call = {.name = "cconc_flight_do", .out = out_result,
                                 .size = sizeof(*out_result)};
    struct cell *cell;
    int err;
    if (!fn || !support_swept_begin(&call)) {
        return cconc_flight_do(set, ctx, key, key_len, fn, arg, drop, out_result);
    }
    do {
        cell = cell_make(fn, arg, drop);
        err = cconc_flight_do(set, ctx, key, key_len, cell_run, cell, cell_drop, out_result);
    } while (cell_again(cell, &call, err));
    return err;
}

int sweep_cconc_flight_do_async(cconc_flight *set, cconc_ctx *ctx, const void *key, size_t key_len,
                                cconc_flight_fn fn, void *arg, cconc_flight_drop_fn drop,
                                cconc_flight_call **out_call)
{
    struct support_swept call = {.name = "cconc_flight_do_async", .out = out_call,
                                 .size = sizeof(*out_call)};
    struct cell *cell;
    int err;
    if (!fn || !support_swept_begin(&call)) {
        return cconc_flight_do_async(set, ctx, key, key_len, fn, arg, drop, out_call);
    }
    do {
        cell = cell_make(fn, arg, drop);
        err = cconc_flight_do_async(set, ctx, key, key_len, cell_run, cell, cell_drop, out_call);
        if (err == 0 && support_swept_failed(&call) && has_landed_without(*out_call)) {
            cconc_flight_leave(*out_call);
            memcpy(out_call, call.kept, sizeof(*out_call));
            err = ENOMEM;
        }
    } while (cell_again(cell, &call, err));
    return err;
}
