/* flight_help.h - what the unit tests of flights share: gated functions, counted values, callers.
 * SPDX-License-Identifier: MIT
 */
#ifndef CCONC_TESTS_FLIGHT_HELP_H
#define CCONC_TESTS_FLIGHT_HELP_H

#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cconc/cconc.h>

#define ERRNO_MARK 7777

/* What one function of a flight does, and what became of all that belongs to it. */
struct trip {
    atomic_bool gate;     /* opened: fn goes on */
    atomic_bool heeds;    /* fn goes on when its context ends, too */
    int code;             /* what fn returns */
    bool fails_with_value;/* with a value, too */
    bool exits;           /* fn ends its thread */
    atomic_int started;
    atomic_int ended;
    atomic_int dropped;
    atomic_int ctx_err;   /* of fn's context, as fn saw it last */
    bool many;            /* fn runs for many keys at once */
    int plain;            /* written by fn at its end, if not for many */
};

/* Values are counted: made here, destroyed by value_destroy. */
static atomic_int values_made;
static atomic_int values_destroyed;

static inline int *value_make(int number)
{
    int *value = malloc(sizeof(*value));
    SUPPORT_CHECK(value);
    *value = number;
    atomic_fetch_add(&values_made, 1);
    return value;
}

static inline void value_destroy(void *value)
{
    SUPPORT_CHECK(value);
    free(value);
    atomic_fetch_add(&values_destroyed, 1);
}

static inline int values_alive(void)
{
    return atomic_load(&values_made) - atomic_load(&values_destroyed);
}

static inline int trip_fn(cconc_ctx *ctx, void *arg, void **out_value)
{
    struct trip *trip = arg;
    SUPPORT_CHECK(*out_value == NULL);
    atomic_fetch_add(&trip->started, 1);
    while (!atomic_load(&trip->gate) &&
           !(atomic_load(&trip->heeds) && cconc_ctx_err(ctx) != 0)) {
        atomic_store(&trip->ctx_err, cconc_ctx_err(ctx));
        sched_yield();
    }
    atomic_store(&trip->ctx_err, cconc_ctx_err(ctx));
    if (trip->code == 0 || trip->fails_with_value) {
        *out_value = value_make(42);
    }
    if (!trip->many) {
        trip->plain++;
    }
    atomic_fetch_add(&trip->ended, 1);
    if (trip->exits) {
        pthread_exit(NULL);
    }
    return trip->code;
}

static inline void trip_drop(void *arg)
{
    struct trip *trip = arg;
    atomic_fetch_add(&trip->dropped, 1);
}

static inline cconc_flight *flight_make_opts(cconc_flight_opts opts)
{
    cconc_flight *set = NULL;
    opts.destroy = value_destroy;
    SUPPORT_CHECK(cconc_flight_new(&opts, &set) == 0);
    return set;
}

static inline cconc_flight *flight_make(void)
{
    return flight_make_opts((cconc_flight_opts){0});
}

static inline cconc_flight_counts flight_counts(cconc_flight *set)
{
    cconc_flight_counts counts;
    cconc_flight_read(set, &counts);
    return counts;
}

static inline int flight_do(cconc_flight *set, cconc_ctx *ctx, const char *key, struct trip *trip,
                            cconc_flight_result **out_result)
{
    return cconc_flight_do(set, ctx, key, strlen(key), trip_fn, trip, trip_drop, out_result);
}

static inline int flight_do_async(cconc_flight *set, cconc_ctx *ctx, const char *key,
                                  struct trip *trip, cconc_flight_call **out_call)
{
    return cconc_flight_do_async(set, ctx, key, strlen(key), trip_fn, trip, trip_drop, out_call);
}

/* Wait, and release the handle. */
static inline int flight_wait(cconc_flight_call *call, cconc_flight_result **out_result)
{
    int code = cconc_flight_wait(call, NULL, out_result);
    cconc_flight_leave(call);
    return code;
}

static inline cconc_ctx *ctx_make(void)
{
    cconc_ctx *ctx = NULL;
    SUPPORT_CHECK(cconc_ctx_with_cancel(NULL, &ctx) == 0);
    return ctx;
}

/* Threads that each call do once and check what they get; the last one with a context of its
 * own. */
struct callers {
    cconc_flight *set;
    const char *key;
    struct trip *trip;
    cconc_ctx *ctx;
    cconc_ctx *last_ctx; /* NULL = ctx */
    size_t count;
    int expected;      /* code */
    int last_expected;
    atomic_int returned;
    atomic_int shared;
    atomic_int cookie; /* results that were the first one's: all */
    cconc_flight_result *_Atomic result;
};

static inline void caller_thread(void *arg, size_t index)
{
    struct callers *c = arg;
    bool is_last = c->last_ctx && index + 1 == c->count;
    cconc_flight_result *result = NULL;
    errno = ERRNO_MARK;
    int code = flight_do(c->set, is_last ? c->last_ctx : c->ctx, c->key, c->trip, &result);
    SUPPORT_CHECK(errno == ERRNO_MARK);
    SUPPORT_CHECK(code == (is_last ? c->last_expected : c->expected));
    SUPPORT_CHECK((code == 0) == (result != NULL));
    if (result) {
        cconc_flight_result *first = NULL;
        SUPPORT_CHECK(*(int *)cconc_flight_result_value(result) == 42);
        SUPPORT_CHECK(c->trip->plain > 0);
        if (!atomic_compare_exchange_strong(&c->result, &first, result)) {
            SUPPORT_CHECK(first == result);
        }
        atomic_fetch_add(&c->shared, cconc_flight_result_is_shared(result));
        cconc_flight_result_unref(result);
    }
    atomic_fetch_add(&c->returned, 1);
}

static inline struct support_threads *callers_start(struct callers *c)
{
    return support_threads_start(c->count, caller_thread, c);
}

/* Nothing is in the air and every value has been destroyed. */
static inline void flight_end(cconc_flight *set)
{
    until(flight_counts(set).abandoned == 0);
    assert_int_equal(flight_counts(set).flying, 0);
    assert_int_equal(flight_counts(set).callers, 0);
    cconc_flight_free(set);
    until(values_alive() == 0);
}

#endif
