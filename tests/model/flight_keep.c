/* flight_keep.c - interleavings of flights and time: limits, kept results, abandoned functions.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A landing and a time limit that both let callers go; a kept result that serves after its
 *          time, or after it was forgotten, or is dropped twice; a fresh function that overlaps
 *          with an abandoned one that it has to wait for.
 * Method   Scenarios of the deterministic tester, one or two threads beside the library's.
 * Catches  T2: expiries that come late; F3: limits that leave a caller; C15.
 */
#include "flight_help.h"

/* ---- time limits ---------------------------------------------------------------------------- */

MODEL_SCENARIO(flight_landing_meets_the_time_limit, .bound = 1, .covers = "C15 T2",
               .goals = "landed timed_out")
{
    env *e = env_new((cconc_flight_opts){.timeout_ns = 1000});
    part *p = e->parts;
    part_do(&p[0]);
    MODEL_CHECK(p[0].code == 0 || p[0].code == ETIMEDOUT);
    if (p[0].code) {
        MODEL_CHECK(model_now() >= MODEL_START + 1000);
    }
    model_cover(p[0].code ? "timed_out" : "landed");
    part_unref(&p[0]);
    check_and_free(e);
    MODEL_EQ(model_get(&p[0].dropped), 1);
}

static int load_on_go(cconc_ctx *ctx, void *arg, void **out_value)
{
    part *p = arg;
    model_await(&p->e->go, 1);
    MODEL_EQ(cconc_ctx_err(ctx), ETIMEDOUT);
    return part_load(ctx, arg, out_value);
}

MODEL_SCENARIO(flight_time_limit_frees_the_key, .bound = 1, .faults = MODEL_LATE_TIME,
               .covers = "T2")
{
    env *e = env_new((cconc_flight_opts){.timeout_ns = 1000});
    part *p = e->parts;
    p[0].code = cconc_flight_do(e->set, NULL, "a", 1, load_on_go, &p[0], part_drop, &p[0].result);
    MODEL_EQ(p[0].code, ETIMEDOUT);
    MODEL_EQ(model_now(), MODEL_START + 1000);
    MODEL_CHECK(cconc_flight_forget_unshared(e->set, "a", 1));
    model_set(&e->go, 1);
    check_and_free(e);
    MODEL_EQ(model_get(&p[0].dropped), 1);
}

/* One caller leaves at its own deadline; the other one's flight goes on. */
MODEL_SCENARIO(flight_caller_leaves_at_its_deadline, .bound = 1, .faults = MODEL_LATE_TIME,
               .covers = "F3 H20")
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    cconc_ctx_mem mem;
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->other), 0);
    MODEL_EQ(cconc_flight_do_async(e->set, NULL, "a", 1, load_when_other_ends, &p[0], part_drop,
                                   &p[0].call), 0);
    p[1].ctx = cconc_ctx_until(&mem, NULL, MODEL_START + 1000);
    part_do(&p[1]);
    MODEL_EQ(p[1].code, EINPROGRESS);
    MODEL_EQ(model_now(), MODEL_START + 1000);
    MODEL_EQ(model_get(&p[1].dropped), 1);
    cconc_ctx_cancel(e->other);
    part_wait(&p[0], NULL);
    MODEL_EQ(p[0].code, 0);
    cconc_flight_leave(p[0].call);
    part_unref(&p[0]);
    check_and_free(e);
    cconc_ctx_free(e->other);
}

/* ---- kept results --------------------------------------------------------------------------- */

MODEL_SCENARIO(flight_kept_result_serves, .bound = 2, .faults = MODEL_LATE_TIME)
{
    env *e = env_new((cconc_flight_opts){.keep_ns = 1000});
    part *p = e->parts;
    cconc_flight_counts counts;
    model_spawn(part_do, &p[1]);
    part_do(&p[0]);
    model_join_all();
    MODEL_CHECK(p[0].result == p[1].result);
    MODEL_EQ(cconc_flight_result_sharers(p[0].result), 2);
    MODEL_CHECK(cconc_flight_result_is_shared(p[0].result));
    cconc_flight_read(e->set, &counts);
    MODEL_EQ(counts.kept, 1);
    part_unref(&p[0]);
    part_unref(&p[1]);
    MODEL_EQ(p[0].made.destroyed + p[1].made.destroyed, 0);
    cconc_flight_free(e->set);
    MODEL_EQ(p[0].made.destroyed + p[1].made.destroyed, 1);
}

MODEL_SCENARIO(flight_kept_result_meets_its_end, .bound = 2, .covers = "T2",
               .goals = "served flew_anew")
{
    env *e = env_new((cconc_flight_opts){.keep_ns = 1000});
    part *p = e->parts;
    int64_t landed_ns;
    part_do(&p[0]);
    landed_ns = model_now();
    part_do(&p[1]);
    if (p[1].ran) {
        MODEL_CHECK(model_now() >= MODEL_START + 1000);
        model_cover("flew_anew");
    } else {
        MODEL_CHECK(p[0].result == p[1].result);
        model_cover("served");
    }
    MODEL_CHECK(model_now() >= landed_ns);
    part_unref(&p[0]);
    part_unref(&p[1]);
    cconc_flight_free(e->set);
    MODEL_EQ(cconc_shutdown(NULL), 0);
    MODEL_EQ(p[0].made.destroyed, 1);
    MODEL_EQ(p[1].made.destroyed, p[1].ran);
}

static void forgets(void *arg)
{
    cconc_flight_forget(((env *)arg)->set, "a", 1);
}

MODEL_SCENARIO(flight_kept_result_meets_forget, .bound = 2, .faults = MODEL_LATE_TIME,
               .goals = "served flew_anew")
{
    env *e = env_new((cconc_flight_opts){.keep_ns = 1000});
    part *p = e->parts;
    part_do(&p[0]);
    model_spawn(forgets, e);
    part_do(&p[1]);
    model_join_all();
    model_cover(p[1].ran ? "flew_anew" : "served");
    part_unref(&p[0]);
    part_unref(&p[1]);
    cconc_flight_free(e->set);
    MODEL_EQ(p[0].made.destroyed, 1);
    MODEL_EQ(p[1].made.destroyed, p[1].ran);
}

MODEL_SCENARIO(flight_kept_result_meets_free, .bound = 2, .covers = "T2 S5")
{
    env *e = env_new((cconc_flight_opts){.keep_ns = 1000});
    part *p = e->parts;
    part_do(&p[0]);
    part_unref(&p[0]);
    cconc_flight_free(e->set);
    MODEL_EQ(cconc_shutdown(NULL), 0);
    MODEL_EQ(p[0].made.destroyed, 1);
}

/* ---- no overlap ----------------------------------------------------------------------------- */

/* Blocks in the library, so that the executor would let another thread in. */
static int load_alone(cconc_ctx *ctx, void *arg, void **out_value)
{
    part *p = arg;
    int err;
    MODEL_EQ(model_add(&p->e->inside, 1), 0);
    MODEL_EQ(cconc_ctx_wait(p->e->other, NULL), 0);
    err = part_load(ctx, arg, out_value);
    (void)model_add(&p->e->inside, UINT32_MAX);
    return err;
}

static void board_alone(part *p)
{
    MODEL_EQ(cconc_flight_do_async(p->e->set, NULL, "a", 1, load_alone, p, part_drop, &p->call), 0);
}

static env *env_new_alone(void)
{
    env *e = env_new((cconc_flight_opts){.flags = CCONC_FLIGHT_NO_OVERLAP});
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->other), 0);
    return e;
}

MODEL_SCENARIO(flight_fresh_one_waits_for_the_abandoned_one, .bound = 1,
               .faults = MODEL_LATE_TIME, .goals = "first_ran first_did_not")
{
    env *e = env_new_alone();
    part *p = e->parts;
    board_alone(&p[0]);
    cconc_flight_leave(p[0].call);
    board_alone(&p[1]);
    cconc_ctx_cancel(e->other);
    part_wait(&p[1], NULL);
    MODEL_CHECK(p[1].code == 0 && p[1].ran);
    cconc_flight_leave(p[1].call);
    part_unref(&p[1]);
    check_and_free(e);
    cconc_ctx_free(e->other);
    model_cover(p[0].ran ? "first_ran" : "first_did_not");
    MODEL_EQ(model_get(&p[0].dropped) + model_get(&p[1].dropped), 2);
}

/* The one that waits is left, too: its function never runs, and the next one waits in its place. */
static void do_alone(void *arg)
{
    part *p = arg;
    p->code = cconc_flight_do(p->e->set, p->ctx, "a", 1, load_alone, p, part_drop, &p->result);
}

MODEL_SCENARIO(flight_one_that_waits_is_left, .bound = 1, .faults = MODEL_LATE_TIME,
               .goals = "left joined refused")
{
    env *e = env_new_alone();
    part *p = e->parts;
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    p[1].ctx = e->ctx;
    board_alone(&p[0]);
    cconc_flight_leave(p[0].call);
    model_spawn(do_alone, &p[1]);
    cconc_ctx_cancel(e->ctx);
    board_alone(&p[2]);
    model_join_all();
    cconc_ctx_cancel(e->other);
    part_wait(&p[2], NULL);
    MODEL_EQ(p[2].code, 0);
    MODEL_CHECK(p[1].code == EINPROGRESS || p[1].code == ECANCELED);
    model_cover(p[1].code == ECANCELED ? "refused" : p[2].ran ? "left" : "joined");
    cconc_flight_leave(p[2].call);
    part_unref(&p[2]);
    check_and_free(e);
    cconc_ctx_free(e->ctx);
    cconc_ctx_free(e->other);
    MODEL_EQ(model_get(&p[1].dropped), 1);
    MODEL_CHECK(p[2].ran || p[1].ran);
}

/* A handle gives up one that waits, and needs neither memory nor a thread for it. */
MODEL_SCENARIO(flight_handle_of_one_that_waits_leaves, .bound = 1, .faults = MODEL_LATE_TIME,
               .goals = "at_once later")
{
    env *e = env_new_alone();
    part *p = e->parts;
    board_alone(&p[0]);
    cconc_flight_leave(p[0].call);
    board_alone(&p[1]);
    cconc_flight_leave(p[1].call);
    model_cover(model_get(&p[1].dropped) ? "at_once" : "later");
    board_alone(&p[2]);
    cconc_ctx_cancel(e->other);
    part_wait(&p[2], NULL);
    MODEL_CHECK(p[2].code == 0 && p[2].ran);
    cconc_flight_leave(p[2].call);
    part_unref(&p[2]);
    check_and_free(e);
    cconc_ctx_free(e->other);
    MODEL_EQ(model_get(&p[1].dropped), 1);
}
