/* flight.c - interleavings of flights: who shares, who leaves, who is told what.
 * SPDX-License-Identifier: MIT
 *
 * Risk     Two runs at a time for one key; a caller who is told of another run, or of none; an end
 *          of one caller's context that others feel; results and arguments that go twice.
 * Method   Scenarios of the deterministic tester, two to four threads each.
 * Catches  F3: contexts whose end reaches other callers; landings that leave the key, or a waiter;
 *          C13 C15: references that are one too few; H20: grants that leave with a caller.
 */
#include "flight_help.h"

/* ---- sharing -------------------------------------------------------------------------------- */

MODEL_SCENARIO(flight_two_callers_share_or_follow, .exhaustive = true, .goals = "shared followed")
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    model_spawn(part_do, &p[1]);
    part_do(&p[0]);
    MODEL_EQ(model_get(&p[0].dropped), 1);
    model_join_all();
    MODEL_EQ(p[0].code, 0);
    MODEL_EQ(p[1].code, 0);
    MODEL_EQ(model_get(&p[1].dropped), 1);
    if (p[0].result == p[1].result) {
        MODEL_EQ(model_get(&e->runs), 1);
        MODEL_CHECK(cconc_flight_result_is_shared(p[0].result));
        MODEL_EQ(cconc_flight_result_sharers(p[0].result), 2);
        model_cover("shared");
    } else {
        MODEL_EQ(model_get(&e->runs), 2);
        MODEL_CHECK(!cconc_flight_result_is_shared(p[0].result));
        MODEL_CHECK(!cconc_flight_result_is_shared(p[1].result));
        model_cover("followed");
    }
    part_unref(&p[0]);
    part_unref(&p[1]);
    MODEL_EQ(p[0].made.destroyed, p[0].ran);
    MODEL_EQ(p[1].made.destroyed, p[1].ran);
    cconc_flight_free(e->set);
}

MODEL_SCENARIO(flight_keys_do_not_mix, .goals = "apart")
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    p[1].key = "b";
    model_spawn(part_do, &p[1]);
    part_do(&p[0]);
    model_join_all();
    MODEL_CHECK(p[0].ran && p[1].ran);
    MODEL_CHECK(item_of(&p[0]) == &p[0].made);
    MODEL_CHECK(item_of(&p[1]) == &p[1].made);
    model_cover("apart");
    part_unref(&p[0]);
    part_unref(&p[1]);
    cconc_flight_free(e->set);
}

MODEL_SCENARIO(flight_three_callers, .bound = 2, .goals = "one two three")
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    uint32_t runs;
    model_spawn(part_do, &p[1]);
    model_spawn(part_do, &p[2]);
    part_do(&p[0]);
    model_join_all();
    runs = model_get(&e->runs);
    model_cover(runs == 1 ? "one" : runs == 2 ? "two" : "three");
    for (int i = 0; i < 3; i++) {
        MODEL_EQ(p[i].code, 0);
        part_unref(&p[i]);
    }
    for (int i = 0; i < 3; i++) {
        MODEL_EQ(p[i].made.destroyed, p[i].ran);
    }
    cconc_flight_free(e->set);
}

/* ---- leaving -------------------------------------------------------------------------------- */

MODEL_SCENARIO(flight_caller_that_leaves_disturbs_nobody, .bound = 2, .covers = "F3 H20",
               .faults = MODEL_LATE_TIME,
               .goals = "refused left served joined_by_stayer")
{
    env *e = env_new((cconc_flight_opts){0});
    part *p = e->parts;
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    p[1].ctx = e->ctx;
    model_spawn(part_do, &p[1]);
    model_spawn(env_cancel, e);
    part_do(&p[0]);
    model_join_all();
    MODEL_EQ(p[0].code, 0);
    if (item_of(&p[0]) == &p[1].made) {
        model_cover("joined_by_stayer");
    }
    model_cover(p[1].code == 0             ? "served"
                : p[1].code == EINPROGRESS ? "left"
                                           : "refused");
    MODEL_CHECK(p[1].code == 0 || p[1].code == EINPROGRESS || p[1].code == ECANCELED);
    part_unref(&p[0]);
    part_unref(&p[1]);
    MODEL_CHECK(p[1].code == EINPROGRESS || model_get(&p[1].dropped) == 1);
    MODEL_EQ(cconc_shutdown(NULL), 0);
    MODEL_EQ(model_get(&p[0].dropped), 1);
    MODEL_EQ(model_get(&p[1].dropped), 1);
    MODEL_EQ(p[0].made.destroyed, p[0].ran);
    MODEL_EQ(p[1].made.destroyed, p[1].ran);
    cconc_ctx_free(e->ctx);
    cconc_flight_free(e->set);
}
