/* recipes_task.c - objects that run tasks: flights, groups, pools, and what comes from them
 * SPDX-License-Identifier: MIT
 */
#include "grid.h"
#include "support.h"

#include <errno.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- flights -------------------------------------------------------------------------------- */

static cconc_flight *flight_new(void)
{
    cconc_flight *set = NULL;
    SUPPORT_CHECK(cconc_flight_new(NULL, &set) == 0);
    return set;
}

static bool flight_is_empty(cconc_flight *set)
{
    cconc_flight_counts counts;
    cconc_flight_read(set, &counts);
    return counts.callers == 0 && counts.abandoned == 0;
}

/* Callers that have been answered elsewhere leave when their flight has landed. */
static void flight_end(cconc_flight *set)
{
    if (set) {
        until(flight_is_empty(set));
        cconc_flight_free(set);
    }
}

static void flight_make(grid_call *call, grid_arg *arg)
{
    (void)call;
    if (!grid_make_bad(arg)) {
        arg->held[0] = flight_new();
        arg->pointer = arg->held[0];
    }
}

static bool flight_works(grid_arg *arg)
{
    return cconc_flight_do(arg->pointer, NULL, "key", 3, grid_make_value, NULL, NULL, NULL) == 0;
}

static void flight_release(grid_call *call, grid_arg *arg)
{
    (void)call;
    if (!arg->is_taken) {
        flight_end(arg->held[0]);
    }
}

const grid_kind grid_flight = {grid_object_values,
                               GRID_OBJECT_VALUES,
                               flight_make,
                               flight_works,
                               flight_release,
                               false,
                               NULL,
                               0};
GRID_OUT(flight, cconc_flight_free);

static void flight_call_make(grid_call *call, grid_arg *arg)
{
    (void)call;
    if (!grid_make_bad(arg)) {
        arg->held[0] = flight_new();
        SUPPORT_CHECK(cconc_flight_do_async(arg->held[0], NULL, "key", 3, grid_make_value, NULL,
                                            NULL, (cconc_flight_call **)&arg->pointer) == 0);
    }
}

static bool flight_call_works(grid_arg *arg)
{
    return cconc_flight_wait(arg->pointer, NULL, NULL) == 0;
}

static void flight_call_release(grid_call *call, grid_arg *arg)
{
    (void)call;
    if (arg->held[0] && !arg->is_taken) {
        cconc_flight_leave(arg->pointer);
    }
    flight_end(arg->held[0]);
}

const grid_kind grid_flight_call = {grid_object_values,
                                    GRID_OBJECT_VALUES,
                                    flight_call_make,
                                    flight_call_works,
                                    flight_call_release,
                                    false,
                                    NULL,
                                    0};
GRID_OUT(flight_call, cconc_flight_leave);

static void flight_result_make(grid_call *call, grid_arg *arg)
{
    (void)call;
    if (!grid_make_bad(arg)) {
        arg->held[0] = flight_new();
        SUPPORT_CHECK(cconc_flight_do(arg->held[0], NULL, "key", 3, grid_make_value, NULL, NULL,
                                      (cconc_flight_result **)&arg->pointer) == 0);
    }
}

static bool flight_result_works(grid_arg *arg)
{
    return cconc_flight_result_value(arg->pointer) != NULL;
}

static void flight_result_release(grid_call *call, grid_arg *arg)
{
    (void)call;
    if (arg->held[0] && !arg->is_taken) {
        cconc_flight_result_unref(arg->pointer);
    }
    flight_end(arg->held[0]);
}

const grid_kind grid_flight_result = {grid_object_values,
                                      GRID_OBJECT_VALUES,
                                      flight_result_make,
                                      flight_result_works,
                                      flight_result_release,
                                      false,
                                      NULL,
                                      0};
GRID_OUT(flight_result, cconc_flight_result_unref);

void grid_after_cconc_flight_result_ref(grid_call *call);
void grid_after_cconc_flight_result_ref(grid_call *call)
{
    cconc_flight_result_unref(call->result);
}

/* ---- groups: idle, with one failure --------------------------------------------------------- */

static void group_make(grid_call *call, grid_arg *arg)
{
    static const cconc_group_opts opts = {.flags = CCONC_GROUP_KEEP_GOING, .collect_max = 2};
    (void)call;
    if (!grid_make_bad(arg)) {
        SUPPORT_CHECK(cconc_group_new(NULL, &opts, (cconc_group **)&arg->held[0]) == 0);
        arg->pointer = arg->held[0];
        SUPPORT_CHECK(cconc_group_fail(arg->pointer, GRID_FAILED, "text") == GRID_FAILED);
    }
}

static bool group_works(grid_arg *arg)
{
    cconc_group_set_limit(arg->pointer, CCONC_GROUP_NO_LIMIT);
    return cconc_group_go(arg->pointer, NULL, grid_task, NULL) == 0 &&
           cconc_group_wait(arg->pointer, NULL, NULL) == GRID_FAILED;
}

static void group_release(grid_call *call, grid_arg *arg)
{
    (void)call;
    if (!arg->is_taken) {
        cconc_group_free(arg->held[0]);
    }
}

const grid_kind grid_group = {
    grid_object_values, GRID_OBJECT_VALUES, group_make, group_works, group_release, false, NULL, 0};
GRID_OUT(group, cconc_group_free);

/* ---- pools: idle, with room in the queue ---------------------------------------------------- */

static cconc_pool *pool_new(void)
{
    static const cconc_pool_opts opts = {.workers = 1, .queue_len = 2};
    cconc_pool *pool = NULL;
    SUPPORT_CHECK(cconc_pool_new(NULL, &opts, &pool) == 0);
    return pool;
}

static void pool_make(grid_call *call, grid_arg *arg)
{
    (void)call;
    if (!grid_make_bad(arg)) {
        arg->held[0] = pool_new();
        arg->pointer = arg->held[0];
    }
}

static bool pool_works(grid_arg *arg)
{
    int err = cconc_pool_submit(arg->pointer, NULL, grid_task, NULL);
    return (err == 0 || err == EPIPE) && cconc_pool_wait(arg->pointer, NULL) == 0;
}

static void pool_release(grid_call *call, grid_arg *arg)
{
    (void)call;
    if (!arg->is_taken) {
        cconc_pool_free(arg->held[0]);
    }
}

const grid_kind grid_pool = {
    grid_object_values, GRID_OBJECT_VALUES, pool_make, pool_works, pool_release, false, NULL, 0};
GRID_OUT(pool, cconc_pool_free);

static void future_make(grid_call *call, grid_arg *arg)
{
    (void)call;
    if (!grid_make_bad(arg)) {
        arg->held[0] = pool_new();
        SUPPORT_CHECK(cconc_pool_submit_future(arg->held[0], NULL, grid_task, NULL,
                                               (cconc_future **)&arg->pointer) == 0);
    }
}

static bool future_works(grid_arg *arg)
{
    int code = -1;
    int err = cconc_future_wait(arg->pointer, NULL);
    return (err == 0 || err == ECANCELED) && cconc_future_try_wait(arg->pointer, &code) == 0 &&
           code == err;
}

static void future_release(grid_call *call, grid_arg *arg)
{
    (void)call;
    if (arg->held[0] && !arg->is_taken) {
        cconc_future_free(arg->pointer);
    }
    cconc_pool_free(arg->held[0]);
}

const grid_kind grid_future = {grid_object_values,
                               GRID_OBJECT_VALUES,
                               future_make,
                               future_works,
                               future_release,
                               false,
                               NULL,
                               0};
GRID_OUT(future, cconc_future_free);

/* ---- records -------------------------------------------------------------------------------- */

static const grid_value pool_task_values[] = {{"NULL", GRID_NULL},
                                              {"misaligned", GRID_MISALIGNED},
                                              {"without function", GRID_RIGHT},
                                              {"with ended", GRID_RIGHT},
                                              {"usual", GRID_RIGHT}};

static void task_ended(cconc_pool_task *task, int code, bool dropped)
{
    (void)task;
    (void)code;
    (void)dropped;
}

static void pool_task_make(grid_call *call, grid_arg *arg)
{
    cconc_pool_task *task = (cconc_pool_task *)(void *)arg->room.bytes;
    grid_make_room(call, arg);
    task->fn = arg->pick == 2 ? NULL : grid_task;
    task->ended = arg->pick == 3 ? task_ended : NULL;
}

const grid_kind grid_pool_task = {
    pool_task_values, COUNT(pool_task_values), pool_task_make, NULL, NULL, false, NULL, 0};

static const grid_value joined_values[] = {{"NULL", GRID_NULL},
                                           {"misaligned", GRID_MISALIGNED},
                                           {"with ended", GRID_RIGHT},
                                           {"usual", GRID_RIGHT}};

/* A record that has been submitted to the pool of the call. */
static void joined_task_make(grid_call *call, grid_arg *arg)
{
    cconc_pool_task *task = (cconc_pool_task *)(void *)arg->room.bytes;
    grid_make_room(call, arg);
    task->fn = grid_task;
    task->ended = arg->pick == 2 ? task_ended : NULL;
    if (arg->pointer == task && call->args[0].held[0]) {
        SUPPORT_CHECK(cconc_pool_submit_task(call->args[0].held[0], NULL, task) == 0);
    }
}

const grid_kind grid_joined_task = {
    joined_values, COUNT(joined_values), joined_task_make, NULL, NULL, false, NULL, 0};
