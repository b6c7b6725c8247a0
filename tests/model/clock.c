/* clock.c - interleavings of the virtual clock: it moves while others wait by it, or begin to.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A wait that sleeps on although its time has come, or ends early; something due that is
 *          not released when advance returns, or released out of turn.
 * Method   Scenarios of the deterministic tester: who moves or changes the clock meets who waits,
 *          arms, stops.
 * Catches  T1 T2 T4 T8; rules env-2 time-1 time-2 time-3 time-5 time-6 all-5.
 */
#include "model.h"

typedef struct env {
    model_word over;
    int64_t ended_ns;
    int err[4];
} env;

static void sleeps_1000(void *arg)
{
    env *e = arg;
    e->err[1] = cconc_ctx_sleep(NULL, 1000);
    e->ended_ns = cconc_clock_now();
    model_set(&e->over, 1);
}

/* However late the thread was to begin its wait. */
static void end_its_wait(void)
{
    model_settle();
    MODEL_EQ(cconc_clock_advance(1000), 0);
    model_join_all();
}

/* The sleep began before the clock became virtual, and says so; or it goes by the virtual one. */
MODEL_SCENARIO(clock_virtual_meets_sleep, .low = true, .goals = "busy virtual")
{
    env *e = model_zalloc(sizeof(*e));
    int err;
    model_spawn(sleeps_1000, e);
    err = cconc_clock_virtual();
    if (err) {
        MODEL_EQ(err, EBUSY);
        model_cover("busy");
        model_join_all();
    } else {
        model_cover("virtual");
        end_its_wait();
    }
    MODEL_EQ(e->err[1], 0);
    MODEL_CHECK(e->ended_ns >= MODEL_START + 1000);
    MODEL_EQ(cconc_clock_real(), 0);
}

/* advance returns when the wait that it released is over, or had not begun. */
MODEL_SCENARIO(clock_advance_meets_sleep, .low = true, .goals = "slept later")
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_clock_virtual(), 0);
    model_spawn(sleeps_1000, e);
    MODEL_EQ(cconc_clock_advance(1000), 0);
    model_cover(model_get(&e->over) ? "slept" : "later");
    end_its_wait();
    MODEL_EQ(e->err[1], 0);
    MODEL_EQ(cconc_clock_real(), 0);
}
