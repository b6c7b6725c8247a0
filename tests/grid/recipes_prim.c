/* recipes_prim.c - objects that one primitive makes: how one is made, whether it works, its release
 * SPDX-License-Identifier: MIT
 *
 * Each object is in a state in which none of its calls waits for more than the context's end.
 */
#include "grid.h"
#include "support.h"

#include <errno.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A kind of objects with these values, made, checked and released by functions of its name. */
#define OBJECT(name, values_of)                                                                    \
    const grid_kind grid_##name = {                                                                \
        values_of, COUNT(values_of), name##_make, name##_works, name##_release, false, NULL, 0}

static const grid_value object_values[] = {
    {"NULL", GRID_NULL}, {"misaligned", GRID_MISALIGNED}, {"usual", GRID_RIGHT}};

/* Release what new gave, unless the call did. */
#define RELEASE(name)                                                                              \
    static void name##_release(grid_call *call, grid_arg *arg)                                     \
    {                                                                                              \
        (void)call;                                                                                \
        if (!arg->is_taken) {                                                                      \
            cconc_##name##_free(arg->held[0]);                                                     \
        }                                                                                          \
    }

/* Make an object by a call of new, which stores it at place. */
#define MAKE(name, ...)                                                                            \
    static void name##_make(grid_call *call, grid_arg *arg)                                        \
    {                                                                                              \
        cconc_##name **place = (cconc_##name **)&arg->held[0];                                     \
        (void)call;                                                                                \
        if (!grid_make_bad(arg)) {                                                                 \
            SUPPORT_CHECK((__VA_ARGS__) == 0);                                                     \
            arg->pointer = arg->held[0];                                                           \
        }                                                                                          \
    }

/* ---- chan: one of two elements is inside ---------------------------------------------------- */

static const grid_value chan_values[] = {{"NULL", GRID_NULL},
                                         {"misaligned", GRID_MISALIGNED},
                                         {"closed", GRID_RIGHT},
                                         {"usual", GRID_RIGHT}};

static void chan_make(grid_call *call, grid_arg *arg)
{
    static const uint64_t elem = 7;
    (void)call;
    if (grid_make_bad(arg)) {
        return;
    }
    SUPPORT_CHECK(cconc_chan_new(sizeof(elem), 2, (cconc_chan **)&arg->held[0]) == 0);
    arg->pointer = arg->held[0];
    SUPPORT_CHECK(cconc_chan_try_send(arg->pointer, &elem) == 0);
    if (arg->pick == 2) {
        SUPPORT_CHECK(cconc_chan_close(arg->pointer) == 0);
    }
}

static bool chan_works(grid_arg *arg)
{
    static const uint64_t elem = 8;
    uint64_t got = 0;
    int err = 0;
    while (err == 0) {
        err = cconc_chan_try_recv(arg->pointer, NULL);
    }
    return err == EPIPE || (err == EAGAIN && cconc_chan_try_send(arg->pointer, &elem) == 0 &&
                            cconc_chan_try_recv(arg->pointer, &got) == 0 && got == elem);
}

RELEASE(chan)
OBJECT(chan, chan_values);
GRID_OUT(chan, cconc_chan_free);

/* A channel that cconc_flight_send sends to. */
static void outcomes_make(grid_call *call, grid_arg *arg)
{
    (void)call;
    if (!grid_make_bad(arg)) {
        SUPPORT_CHECK(
            cconc_chan_new(sizeof(cconc_flight_outcome), 2, (cconc_chan **)&arg->held[0]) == 0);
        arg->pointer = arg->held[0];
    }
}

static void outcomes_release(grid_call *call, grid_arg *arg)
{
    cconc_flight_outcome outcome;
    if (arg->held[0] && call->has_returned && call->code == 0) {
        SUPPORT_CHECK(cconc_chan_recv(arg->held[0], NULL, &outcome) == 0);
        cconc_flight_result_unref(outcome.result);
    }
    cconc_chan_free(arg->held[0]);
}

const grid_kind grid_outcomes = {
    object_values, COUNT(object_values), outcomes_make, NULL, outcomes_release, false, NULL, 0};

/* ---- select --------------------------------------------------------------------------------- */

static const grid_value select_case_values[] = {
    {"NULL", GRID_NULL},          {"misaligned", GRID_MISALIGNED},
    {"unknown kind", GRID_RIGHT}, {"reserved", GRID_RIGHT},
    {"off", GRID_RIGHT},          {"past", GRID_RIGHT},
    {"usual", GRID_RIGHT}};

static void select_case_make(grid_call *call, grid_arg *arg)
{
    static const uint64_t elem = 9;
    cconc_select_case *made = (cconc_select_case *)(void *)arg->room.bytes;
    (void)call;
    if (grid_make_bad(arg)) {
        return;
    }
    arg->pointer = made;
    SUPPORT_CHECK(cconc_chan_new(sizeof(elem), 2, (cconc_chan **)&arg->held[0]) == 0);
    SUPPORT_CHECK(cconc_chan_try_send(arg->held[0], &elem) == 0);
    *made = cconc_select_recv(arg->pick == 4 ? NULL : arg->held[0], NULL);
    made->kind = arg->pick == 2 ? UINT32_MAX : made->kind;
    made->reserved = arg->pick == 3;
    if (arg->pick == 5) {
        *made = cconc_select_until(INT64_MIN);
    }
}

static void select_case_release(grid_call *call, grid_arg *arg)
{
    (void)call;
    cconc_chan_free(arg->held[0]);
}

const grid_kind grid_select_case = {select_case_values,
                                    COUNT(select_case_values),
                                    select_case_make,
                                    NULL,
                                    select_case_release,
                                    false,
                                    NULL,
                                    0};

/* ---- sem: all permits are free -------------------------------------------------------------- */

MAKE(sem, cconc_sem_new(4, place))

static bool sem_works(grid_arg *arg)
{
    int64_t held;
    if (cconc_sem_resize(arg->pointer, 4) != 0) {
        return false;
    }
    held = 4 - cconc_sem_available(arg->pointer);
    cconc_sem_release(arg->pointer, held);
    return cconc_sem_capacity(arg->pointer) == 4 && cconc_sem_try_acquire(arg->pointer, 4) == 0 &&
           cconc_sem_available(arg->pointer) == 0;
}

RELEASE(sem)
OBJECT(sem, object_values);
GRID_OUT(sem, cconc_sem_free);

/* ---- once, waitgroup: memory of the caller's ------------------------------------------------ */

static const grid_value once_values[] = {{"NULL", GRID_NULL},
                                         {"misaligned", GRID_MISALIGNED},
                                         {"finished", GRID_RIGHT},
                                         {"usual", GRID_RIGHT}};

static void once_make(grid_call *call, grid_arg *arg)
{
    grid_make_room(call, arg);
    if (arg->pick == 2) {
        SUPPORT_CHECK(cconc_once_run(arg->pointer, NULL, grid_task, NULL) == 0);
    }
}

static bool once_works(grid_arg *arg)
{
    cconc_once_reset(arg->pointer, NULL);
    return cconc_once_run(arg->pointer, NULL, grid_task, NULL) == 0 &&
           cconc_once_is_done(arg->pointer);
}

const grid_kind grid_once = {
    once_values, COUNT(once_values), once_make, once_works, NULL, false, NULL, 0};

static bool waitgroup_works(grid_arg *arg)
{
    uint32_t count = cconc_waitgroup_count(arg->pointer);
    cconc_waitgroup_add(arg->pointer, -(int32_t)count);
    cconc_waitgroup_add(arg->pointer, 1);
    cconc_waitgroup_done(arg->pointer);
    return cconc_waitgroup_wait(arg->pointer, NULL) == 0;
}

const grid_kind grid_waitgroup = {
    object_values, COUNT(object_values), grid_make_room, waitgroup_works, NULL, false, NULL, 0};

void grid_after_cconc_waitgroup_go(grid_call *call);
void grid_after_cconc_waitgroup_go(grid_call *call)
{
    if (call->code == 0) {
        SUPPORT_CHECK(cconc_waitgroup_wait(call->args[0].pointer, NULL) == 0);
    }
}

/* ---- counter, sometimes --------------------------------------------------------------------- */

static const grid_value counter_values[] = {{"NULL", GRID_NULL},
                                            {"misaligned", GRID_MISALIGNED},
                                            {"spread", GRID_RIGHT},
                                            {"usual", GRID_RIGHT}};
static const cconc_counter_opts high_opts = {.keep_high = true};

MAKE(counter, cconc_counter_new(arg->pick == 2 ? NULL : &high_opts, place))

static bool counter_works(grid_arg *arg)
{
    (void)cconc_counter_take(arg->pointer);
    cconc_counter_add(arg->pointer, -5);
    return cconc_counter_get(arg->pointer) == -5;
}

RELEASE(counter)
OBJECT(counter, counter_values);
GRID_OUT(counter, cconc_counter_free);

MAKE(sometimes, cconc_sometimes_new(NULL, place))

static bool sometimes_works(grid_arg *arg)
{
    return cconc_sometimes_do(arg->pointer, NULL, grid_nothing, NULL, NULL) == 0;
}

RELEASE(sometimes)
OBJECT(sometimes, object_values);
GRID_OUT(sometimes, cconc_sometimes_free);

/* ---- limiters: tokens are there ------------------------------------------------------------- */

MAKE(limiter, cconc_limiter_new(1e6, 100, place))

static bool limiter_works(grid_arg *arg)
{
    return cconc_limiter_set_rate(arg->pointer, CCONC_RATE_INF) == 0 &&
           cconc_limiter_allow(arg->pointer, INT32_MAX) == 0;
}

RELEASE(limiter)
OBJECT(limiter, object_values);
GRID_OUT(limiter, cconc_limiter_free);

static const grid_value reservation_values[] = {{"NULL", GRID_NULL},
                                                {"misaligned", GRID_MISALIGNED},
                                                {"zeroed", GRID_RIGHT},
                                                {"usual", GRID_RIGHT}};

static void reservation_make(grid_call *call, grid_arg *arg)
{
    const grid_arg *first = &call->args[0];
    grid_make_room(call, arg);
    if (arg->pick == 3 && first->kind == &grid_limiter && first->held[0]) {
        SUPPORT_CHECK(cconc_limiter_reserve(first->held[0], 2, CCONC_NEVER, arg->pointer) == 0);
    }
}

const grid_kind grid_reservation = {
    reservation_values, COUNT(reservation_values), reservation_make, NULL, NULL, false, NULL, 0};

MAKE(limiter_keyed, cconc_limiter_keyed_new(1e6, 100, 4, place))

static bool limiter_keyed_works(grid_arg *arg)
{
    return cconc_limiter_keyed_allow(arg->pointer, "another", 7, 100) == 0 &&
           cconc_limiter_keyed_len(arg->pointer) > 0;
}

RELEASE(limiter_keyed)
OBJECT(limiter_keyed, object_values);
GRID_OUT(limiter_keyed, cconc_limiter_keyed_free);

/* ---- timers and tickers: due ---------------------------------------------------------------- */

static const grid_value timer_values[] = {{"NULL", GRID_NULL},
                                          {"misaligned", GRID_MISALIGNED},
                                          {"of a function", GRID_RIGHT},
                                          {"usual", GRID_RIGHT}};

MAKE(timer, arg->pick == 2 ? cconc_timer_new_func(0, grid_nothing, NULL, place)
                           : cconc_timer_new(0, place))

static bool timer_works(grid_arg *arg)
{
    (void)cconc_timer_stop_wait(arg->pointer);
    (void)cconc_timer_reset(arg->pointer, 0);
    return cconc_timer_wait(arg->pointer, NULL, NULL) == (arg->pick == 2 ? EINVAL : 0);
}

RELEASE(timer)
OBJECT(timer, timer_values);
GRID_OUT(timer, cconc_timer_free);

static const cconc_ticker_opts now_opts = {.first_now = true};

MAKE(ticker, cconc_ticker_new(CCONC_MS, &now_opts, place))

static bool ticker_works(grid_arg *arg)
{
    bool was_running = false;
    return cconc_ticker_reset(arg->pointer, 3600 * CCONC_SECOND, NULL) == 0 &&
           cconc_ticker_try_wait(arg->pointer, NULL) == EAGAIN &&
           cconc_ticker_reset(arg->pointer, CCONC_MS, &was_running) == 0 && was_running &&
           cconc_ticker_wait(arg->pointer, NULL, NULL) == 0 && cconc_ticker_stop(arg->pointer);
}

RELEASE(ticker)
OBJECT(ticker, object_values);
GRID_OUT(ticker, cconc_ticker_free);

/* ---- objpool -------------------------------------------------------------------------------- */

static const cconc_objpool_opts buffer_opts = {.size = 16};

MAKE(objpool, cconc_objpool_new(&buffer_opts, place))

static bool objpool_works(grid_arg *arg)
{
    void *object = NULL;
    if (cconc_objpool_get(arg->pointer, &object) != 0 || !object) {
        return false;
    }
    memset(object, 1, 16);
    cconc_objpool_put(arg->pointer, object);
    return true;
}

RELEASE(objpool)
OBJECT(objpool, object_values);
GRID_OUT(objpool, cconc_objpool_free);

/* An object that get gave, which goes back to its pool. */
static void out_object_release(grid_call *call, grid_arg *arg)
{
    if (arg->pointer && call->has_returned && call->code == 0) {
        cconc_objpool_put(call->args[0].pointer, *(void **)arg->pointer);
    }
}

const grid_kind grid_out_object = {
    object_values, COUNT(object_values), grid_make_room, NULL, out_object_release, true, NULL, 0};

static const grid_value lent_values[] = {{"NULL", GRID_NULL}, {"usual", GRID_RIGHT}};

static void lent_make(grid_call *call, grid_arg *arg)
{
    arg->pointer = arg->pick == 1 ? arg->room.bytes : NULL;
    if (arg->pointer && call->args[0].held[0]) {
        SUPPORT_CHECK(cconc_objpool_get(call->args[0].held[0], &arg->held[0]) == 0);
        arg->pointer = arg->held[0];
    }
}

const grid_kind grid_lent = {
    lent_values, COUNT(lent_values), lent_make, NULL, NULL, false, NULL, 0};

/* ---- storage: memory of the caller's in which an object is made ------------------------------ */

#define STORAGE(name, T)                                                                           \
    _Static_assert(sizeof(T) <= GRID_ROOM, "it has room");                                         \
    const grid_kind grid_##name = {                                                                \
        object_values, COUNT(object_values), grid_make_room, NULL, NULL, false, NULL, 0}

STORAGE(chan_storage, cconc_chan_storage);
STORAGE(counter_storage, cconc_counter_storage);
STORAGE(limiter_storage, cconc_limiter_storage);
STORAGE(sem_storage, cconc_sem_storage);
