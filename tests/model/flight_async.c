/* flight_async.c - interleavings of handles: callers of a flight that do not block.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A handle that is answered twice, or never; an answer that meets the end of its context;
 *          a result that no receiver gets and nobody drops.
 * Method   Scenarios of the deterministic tester, two or three threads beside the library's;
 *          histories.
 * Catches  F2: handles of a flight whose first caller has gone; C12: waits for what waits for them;
 *          H20: answers that leave with a context; S12: a second wait.
 */
#include "flight_help.h"

/* What then calls: notes what it was told, once. */
static void done(void *arg, int code, cconc_flight_result *result)
{
    part *p = arg;
    MODEL_CHECK((code == 0) == (result != NULL));
    p->code = code;
    p->result = result;
    part_unref(p);
    MODEL_EQ(model_add(&p->answers, 1), 0);
}

static void board_then(part *p, cconc_ctx *ctx)
{
    part_board(p);
    MODEL_EQ(p->code, 0);
    p->code = -1;
    MODEL_EQ(cconc_flight_then(p->call, ctx, done, p), 0);
}

/* ---- then ----------------------------------------------------------------------------------- */

MODEL_SCENARIO(flight_then_meets_the_landing, .bound = 2, .faults = MODEL_LATE_TIME,
               .goals = "flying landed")
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    cconc_flight_counts counts;
    part_board(&p[0]);
    cconc_flight_read(e->set, &counts);
    MODEL_EQ(cconc_flight_then(p[0].call, NULL, done, &p[0]), 0);
    model_cover(counts.flying ? "flying" : "landed");
    check_and_free(e);
    MODEL_EQ(model_get(&p[0].answers), 1);
    MODEL_EQ(p[0].code, 0);
}

static env *env_new_with_slow_flight(void)
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->other), 0);
    MODEL_EQ(cconc_flight_do_async(e->set, NULL, "a", 1, load_when_other_ends, p, part_drop,
                                   &p->call), 0);
    return e;
}

static void check_one_answer(env *e)
{
    part *p = e->parts;
    cconc_ctx_free(e->ctx);
    MODEL_EQ(cconc_shutdown(NULL), 0);
    cconc_ctx_free(e->other);
    check_and_free(e);
    MODEL_EQ(model_get(&p[0].answers), 1);
    MODEL_EQ(model_get(&p[0].dropped), 1);
    MODEL_CHECK(p[0].code == 0 || p[0].code == EINPROGRESS);
    model_cover(p[0].code == 0 ? "landed" : "left");
}

MODEL_SCENARIO(flight_then_meets_the_end_of_its_context, .bound = 1, .covers = "F2 H20 C15",
               .faults = MODEL_LATE_TIME, .goals = "landed left")
{
    env *e = env_new_with_slow_flight();
    part *p = e->parts;
    bool is_late = model_choose(2) == 1;
    MODEL_EQ(cconc_flight_then(p->call, e->ctx, done, p), 0);
    cconc_ctx_cancel(is_late ? e->other : e->ctx);
    cconc_ctx_cancel(is_late ? e->ctx : e->other);
    check_one_answer(e);
}

MODEL_SCENARIO(flight_then_with_an_ended_context, .bound = 1, .covers = "F2",
               .faults = MODEL_LATE_TIME, .goals = "landed left")
{
    env *e = env_new_with_slow_flight();
    part *p = e->parts;
    cconc_ctx_cancel(e->ctx);
    cconc_ctx_cancel(e->other);
    MODEL_EQ(cconc_flight_then(p->call, e->ctx, done, p), 0);
    check_one_answer(e);
}

/* One of two leaves: it is told at once, and the other one by the landing. */
MODEL_SCENARIO(flight_handle_leaves_and_another_stays, .bound = 1, .covers = "F2 F3 C15",
               .faults = MODEL_LATE_TIME, .goals = "landed left")
{
    env *e = env_new_with_slow_flight();
    part *p = e->parts;
    board_then(&p[1], NULL);
    MODEL_EQ(cconc_flight_then(p[0].call, e->ctx, done, &p[0]), 0);
    cconc_ctx_cancel(e->ctx);
    cconc_ctx_cancel(e->other);
    check_one_answer(e);
    MODEL_EQ(model_get(&p[1].answers), 1);
    MODEL_EQ(p[1].code, 0);
}

static void done_and_lets_land(void *arg, int code, cconc_flight_result *result)
{
    part *p = arg;
    MODEL_EQ(code, EINPROGRESS);
    done(arg, code, result);
    cconc_ctx_cancel(p->e->other);
}

MODEL_SCENARIO(flight_handle_that_has_left_is_answered_at_once, .bound = 1, .covers = "F2 F3",
               .faults = MODEL_LATE_TIME, .goals = "left")
{
    env *e = env_new_with_slow_flight();
    part *p = e->parts;
    board_then(&p[1], NULL);
    cconc_ctx_cancel(e->ctx);
    MODEL_EQ(cconc_flight_then(p[0].call, e->ctx, done_and_lets_land, &p[0]), 0);
    check_one_answer(e);
    MODEL_EQ(model_get(&p[1].answers), 1);
}

/* The first caller goes; those who have joined are answered. */
MODEL_SCENARIO(flight_first_caller_leaves_others_are_answered, .bound = 2, .covers = "F2 F3",
               .faults = MODEL_LATE_TIME)
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    part_board(&p[0]);
    board_then(&p[1], NULL);
    cconc_flight_leave(p[0].call);
    check_and_free(e);
    MODEL_EQ(model_get(&p[1].answers), 1);
    MODEL_EQ(p[1].code, 0);
}

static void done_and_ends(void *arg, int code, cconc_flight_result *result)
{
    done(arg, code, result);
    model_exit_thread();
}

MODEL_SCENARIO(flight_answer_that_ends_its_thread, .bound = 1, .covers = "F1",
               .faults = MODEL_LATE_TIME)
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    part_board(&p[0]);
    MODEL_EQ(cconc_flight_then(p[0].call, NULL, done_and_ends, &p[0]), 0);
    board_then(&p[1], NULL);
    check_and_free(e);
    MODEL_EQ(model_get(&p[0].answers), 1);
    MODEL_EQ(model_get(&p[1].answers), 1);
}

/* ---- send ----------------------------------------------------------------------------------- */

MODEL_SCENARIO(flight_send_to_a_channel, .bound = 2, .faults = MODEL_LATE_TIME)
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    cconc_flight_outcome outcome = {0};
    cconc_chan *ch;
    MODEL_EQ(cconc_chan_new(sizeof(outcome), 1, &ch), 0);
    part_board(&p[0]);
    MODEL_EQ(cconc_flight_send(p[0].call, NULL, ch, &p[0]), 0);
    MODEL_EQ(cconc_chan_recv(ch, NULL, &outcome), 0);
    MODEL_CHECK(outcome.tag == &p[0]);
    MODEL_EQ(outcome.code, 0);
    p[0].result = outcome.result;
    part_unref(&p[0]);
    check_and_free(e);
    cconc_chan_free(ch);
}

MODEL_SCENARIO(flight_send_meets_close, .bound = 2, .covers = "H2", .faults = MODEL_LATE_TIME,
               .goals = "sent dropped")
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    cconc_flight_outcome outcome = {0};
    cconc_chan *ch;
    MODEL_EQ(cconc_chan_new(sizeof(outcome), 1, &ch), 0);
    part_board(&p[0]);
    MODEL_EQ(cconc_flight_send(p[0].call, NULL, ch, &p[0]), 0);
    MODEL_EQ(cconc_chan_close(ch), 0);
    MODEL_EQ(cconc_shutdown(NULL), 0);
    if (cconc_chan_try_recv(ch, &outcome) == 0) {
        cconc_flight_result_unref(outcome.result);
        model_cover("sent");
    } else {
        model_cover("dropped");
    }
    check_and_free(e);
    cconc_chan_free(ch);
}

/* ---- wait ----------------------------------------------------------------------------------- */

static int load_on_go(cconc_ctx *ctx, void *arg, void **out_value)
{
    model_await(&((part *)arg)->e->go, 1);
    return part_load(ctx, arg, out_value);
}

MODEL_SCENARIO(flight_wait_again_after_the_deadline, .bound = 1, .covers = "S12")
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    cconc_ctx_mem mem;
    cconc_ctx *until = cconc_ctx_until(&mem, NULL, MODEL_START + 1000);
    MODEL_EQ(cconc_flight_do_async(e->set, NULL, "a", 1, load_on_go, &p[0], part_drop,
                                   &p[0].call), 0);
    part_wait(&p[0], until);
    MODEL_EQ(p[0].code, EINPROGRESS);
    MODEL_CHECK(!p[0].result && model_now() >= MODEL_START + 1000);
    model_set(&e->go, 1);
    part_wait(&p[0], NULL);
    MODEL_EQ(p[0].code, 0);
    cconc_flight_leave(p[0].call);
    part_unref(&p[0]);
    check_and_free(e);
}

/* What has landed wins over a context that has ended; what has not may be waited for again. */
MODEL_SCENARIO(flight_wait_with_an_ended_context, .bound = 2, .covers = "S2 C15",
               .faults = MODEL_LATE_TIME, .goals = "landed not_yet")
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    cconc_ctx_cancel(e->ctx);
    part_board(&p[0]);
    part_wait(&p[0], e->ctx);
    model_cover(p[0].code == 0 ? "landed" : "not_yet");
    if (p[0].code) {
        MODEL_EQ(p[0].code, EINPROGRESS);
        part_wait(&p[0], NULL);
        MODEL_EQ(p[0].code, 0);
    }
    cconc_flight_leave(p[0].call);
    part_unref(&p[0]);
    cconc_ctx_free(e->ctx);
    check_and_free(e);
}

static void waits(void *arg)
{
    part_wait(arg, NULL);
}

MODEL_SCENARIO(flight_two_handles_wait, .bound = 2, .faults = MODEL_LATE_TIME,
               .goals = "shared followed")
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    part_board(&p[0]);
    part_board(&p[1]);
    model_spawn(waits, &p[1]);
    waits(&p[0]);
    model_join_all();
    MODEL_EQ(p[0].code, 0);
    MODEL_EQ(p[1].code, 0);
    model_cover(p[0].result == p[1].result ? "shared" : "followed");
    for (int i = 0; i < 2; i++) {
        cconc_flight_leave(p[i].call);
        part_unref(&p[i]);
    }
    check_and_free(e);
}

/* The function waits for its own flight through the handle that its starter has given it. */
static int waits_for_itself(cconc_ctx *ctx, void *arg, void **out_value)
{
    part *p = arg;
    model_await(&p->e->go, 1);
    MODEL_EQ(cconc_flight_wait(p->call, ctx, NULL), EDEADLK);
    return part_load(ctx, arg, out_value);
}

MODEL_SCENARIO(flight_function_cannot_wait_for_its_handle, .bound = 2, .covers = "C12",
               .faults = MODEL_LATE_TIME)
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    cconc_flight_call *call;
    MODEL_EQ(cconc_flight_do_async(e->set, NULL, "a", 1, waits_for_itself, &p[0], part_drop,
                                   &p[0].call), 0);
    MODEL_EQ(cconc_flight_do_async(e->set, NULL, "a", 1, part_load, &p[1], part_drop, &call), 0);
    model_set(&e->go, 1);
    MODEL_EQ(cconc_flight_wait(call, NULL, &p[1].result), 0);
    cconc_flight_leave(call);
    cconc_flight_leave(p[0].call);
    part_unref(&p[1]);
    check_and_free(e);
}

/* ---- faults --------------------------------------------------------------------------------- */

MODEL_SCENARIO(flight_without_threads, .bound = 2, .faults = MODEL_NO_THREAD | MODEL_LATE_TIME,
               .covers = "W15", .goals = "refused flew")
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    part_board(&p[0]);
    MODEL_EQ(p[0].code, 0);
    p[0].code = -1;
    MODEL_EQ(cconc_flight_then(p[0].call, NULL, done, &p[0]), 0);
    MODEL_EQ(cconc_shutdown(NULL), 0);
    MODEL_EQ(model_get(&p[0].answers), 1);
    MODEL_CHECK(p[0].code == 0 || (p[0].code == ENOMEM && model_had_fault(MODEL_NO_THREAD)));
    model_cover(p[0].code ? "refused" : "flew");
    MODEL_CHECK(cconc_flight_forget_unshared(e->set, "a", 1));
    check_and_free(e);
    MODEL_EQ(model_get(&p[0].dropped), 1);
}

MODEL_SCENARIO(flight_handle_without_memory, .bound = 2,
               .faults = MODEL_NO_MEMORY | MODEL_LATE_TIME, .covers = "X4",
               .goals = "refused then_refused answered")
{
    env *e = model_zalloc(sizeof(*e));
    part *p = e->parts;
    p[0] = (part){.e = e, .key = "a", .code = -1};
    if (cconc_ctx_with_cancel(NULL, &e->ctx) != 0 || cconc_flight_new(NULL, &e->set) != 0) {
        MODEL_CHECK(model_had_fault(MODEL_NO_MEMORY));
        cconc_ctx_free(e->ctx);
        return;
    }
    part_board(&p[0]);
    if (p[0].code) {
        MODEL_EQ(p[0].code, ENOMEM);
        MODEL_EQ(model_get(&p[0].dropped), 1);
        model_cover("refused");
    } else if (cconc_flight_then(p[0].call, e->ctx, done, &p[0]) != 0) {
        MODEL_CHECK(model_had_fault(MODEL_NO_MEMORY));
        cconc_flight_leave(p[0].call);
        model_cover("then_refused");
    } else {
        MODEL_EQ(cconc_shutdown(NULL), 0);
        MODEL_EQ(model_get(&p[0].answers), 1);
        model_cover("answered");
    }
    MODEL_EQ(cconc_shutdown(NULL), 0);
    MODEL_EQ(model_get(&p[0].dropped), 1);
    cconc_ctx_free(e->ctx);
    cconc_flight_free(e->set);
}

/* ---- histories ------------------------------------------------------------------------------ */

enum { OP_BOARD, OP_FORGET, OP_FORGET_UNSHARED, OP_RUN, OP_LAND };

/* The sequential object: the flight of the key, 0 = none, and whether it was ever joined. */
typedef struct entry {
    int64_t flight;
    bool    joined;
} entry;

static void entry_init(void *state)
{
    *(entry *)state = (entry){0, false};
}

/* BOARD's value is 0 if it joined, else the number of the flight that it started. */
static bool entry_apply(void *state, int op, int64_t arg, int code, int64_t value)
{
    entry *one = state;
    bool is_there = one->flight != 0;
    (void)code;
    switch (op) {
    case OP_BOARD:
        one->joined = value == 0;
        one->flight = value ? value : one->flight;
        return is_there == (value == 0);
    case OP_FORGET_UNSHARED:
        if (is_there && one->joined) {
            return !value;
        }
        *one = (entry){0, false};
        return value;
    case OP_FORGET:
        *one = (entry){0, false};
        return true;
    case OP_RUN: /* value: what flight's result the call has got; its own or a joined one */
        if (value == arg) {
            one->flight = value;
            return !is_there;
        }
        return one->flight == value;
    default: /* OP_LAND */
        one->flight = 0;
        return true;
    }
}

static const model_spec spec = {sizeof(entry), entry_init, entry_apply};

/* Joined at once, or started: who has joined has dropped its argument. */
static void boards_noting(void *arg)
{
    part *p = arg;
    uint32_t id = model_begin(OP_BOARD, 0);
    MODEL_EQ(cconc_flight_do_async(p->e->set, NULL, "a", 1, load_on_go, p, part_drop, &p->call), 0);
    model_end(id, 0, model_get(&p->dropped) ? 0 : p->number + 1);
}

static void forgets_noting(void *arg)
{
    part *p = arg;
    uint32_t id = model_begin(OP_FORGET_UNSHARED, 0);
    bool forgotten = cconc_flight_forget_unshared(p->e->set, "a", 1);
    model_end(id, 0, forgotten);
    boards_noting(&p->e->parts[2]);
}

MODEL_SCENARIO(flight_board_and_forget_look_atomic, .bound = 1, .faults = MODEL_LATE_TIME)
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    uint32_t id;
    model_spawn(forgets_noting, &p[1]);
    boards_noting(&p[0]);
    boards_noting(&p[3]);
    id = model_begin(OP_FORGET, 0);
    cconc_flight_forget(e->set, "a", 1);
    model_end(id, 0, 0);
    model_join_all();
    model_check_history(&spec);
    model_set(&e->go, 1);
    for (int i = 0; i < PARTS; i++) {
        cconc_flight_leave(p[i].call);
    }
    check_and_free(e);
}

/* A flight is there from when its function was started until somebody has its result: who comes
 * later is in none that has landed. */
static int load_noting(cconc_ctx *ctx, void *arg, void **out_value)
{
    part *p = arg;
    p->noted = model_begin(OP_LAND, 0);
    return part_load(ctx, arg, out_value);
}

static void runs_noting(void *arg)
{
    part *p = arg;
    uint32_t id = model_begin(OP_RUN, p->number + 1);
    MODEL_EQ(cconc_flight_do(p->e->set, NULL, "a", 1, load_noting, p, part_drop, &p->result), 0);
    model_end(id, 0, item_of(p)->payload - 6);
    if (p->ran) {
        model_end(p->noted, 0, 0);
    }
    part_unref(p);
}

static void runs_twice_noting(void *arg)
{
    part *p = arg;
    runs_noting(p);
    runs_noting(&p->e->parts[2]);
}

MODEL_SCENARIO(flight_runs_and_landings_look_atomic)
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    model_spawn(runs_noting, &p[1]);
    runs_twice_noting(&p[0]);
    model_join_all();
    model_check_history(&spec);
    check_and_free(e);
}
