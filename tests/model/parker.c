/* parker.c - interleavings of the parker, the real one on mutex and condition variable.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A thread that sleeps on though it was woken; a wake that is lost, or taken twice; a
 *          parker that is touched after whoever could know had let go of it.
 * Method   Scenarios of the deterministic tester: one owner, one or two wakers, signals for
 *          nothing.
 * Catches  A signal that comes before the wait; a state that is left outside of the mutex; an end
 *          by time that throws a wake away; a waker that counts itself out too early.
 */
#include "model.h"

#include "core/waiter.h"
#include "plat/parker.h"

typedef struct nap {
    parker p;
    int    sent;  /* written before the wake */
    bool   slept; /* what the waker was told */
    model_word turn;
} nap;

static nap *nap_new(void)
{
    nap *n = model_zalloc(sizeof(*n));
    MODEL_EQ(cconc__parker_init(&n->p), 0);
    return n;
}

static void wakes(void *arg)
{
    nap *n = arg;
    n->sent = 7;
    n->slept = cconc__parker_unpark(&n->p);
}

static void wakes_again(void *arg)
{
    nap *n = arg;
    (void)cconc__parker_unpark(&n->p);
}

MODEL_SCENARIO(parker_park_meets_unpark, .low = true, .exhaustive = true, .covers = "S6 S11",
               .goals = "asleep awake")
{
    nap *n = nap_new();
    model_spawn(wakes, n);
    MODEL_CHECK(cconc__parker_park(&n->p, PLAT_NEVER));
    MODEL_EQ(n->sent, 7);
    model_join_all();
    model_cover(n->slept ? "asleep" : "awake");
    MODEL_CHECK(!parker_is_parked(&n->p));
    cconc__parker_destroy(&n->p);
}

/* A wake is kept until it is taken, and then it is gone. */
MODEL_SCENARIO(parker_keeps_a_wake, .low = true, .exhaustive = true)
{
    nap *n = nap_new();
    MODEL_CHECK(!cconc__parker_unpark(&n->p));
    MODEL_CHECK(cconc__parker_park(&n->p, PLAT_NEVER));
    MODEL_CHECK(!cconc__parker_park(&n->p, MODEL_START + 10));
    MODEL_CHECK(model_now() >= MODEL_START + 10);
    cconc__parker_destroy(&n->p);
}

/* There is at most one: the second of two that come at once leaves nothing more. */
MODEL_SCENARIO(parker_two_wakers, .low = true, .exhaustive = true, .covers = "S3",
               .goals = "one two")
{
    nap *n = nap_new();
    bool again;
    model_spawn(wakes, n);
    model_spawn(wakes_again, n);
    MODEL_CHECK(cconc__parker_park(&n->p, PLAT_NEVER));
    model_join_all();
    again = parker_poll(&n->p);
    MODEL_CHECK(!parker_poll(&n->p));
    model_cover(again ? "two" : "one");
    cconc__parker_destroy(&n->p);
}

/* Each of two wakes that follow a park is taken by one park. */
static void wakes_in_turn(void *arg)
{
    nap *n = arg;
    (void)cconc__parker_unpark(&n->p);
    model_await(&n->turn, 1); /* the owner has taken it */
    (void)cconc__parker_unpark(&n->p);
}

MODEL_SCENARIO(parker_parks_again, .low = true, .exhaustive = true, .covers = "S12")
{
    nap *n = nap_new();
    model_spawn(wakes_in_turn, n);
    MODEL_CHECK(cconc__parker_park(&n->p, PLAT_NEVER));
    model_set(&n->turn, 1);
    MODEL_CHECK(cconc__parker_park(&n->p, PLAT_NEVER));
    model_join_all();
    MODEL_CHECK(!parker_poll(&n->p));
    cconc__parker_destroy(&n->p);
}

/* The signal of a wake that was taken without a sleep comes late: it ends no other sleep. */
MODEL_SCENARIO(parker_signal_that_comes_late, .low = true, .exhaustive = true, .covers = "S8 S14")
{
    nap *n = nap_new();
    bool woken;
    model_spawn(wakes, n);
    MODEL_CHECK(cconc__parker_park(&n->p, PLAT_NEVER));
    woken = cconc__parker_park(&n->p, MODEL_START + 1000);
    MODEL_CHECK(!woken);
    MODEL_CHECK(model_now() >= MODEL_START + 1000);
    model_join_all();
    cconc__parker_destroy(&n->p);
}

/* Time against a wake: the wake is taken, or it is still there. */
MODEL_SCENARIO(parker_deadline_meets_unpark, .low = true, .exhaustive = true,
               .covers = "S12 S8 H20", .goals = "woken late")
{
    nap *n = nap_new();
    bool woken;
    model_spawn(wakes, n);
    woken = cconc__parker_park(&n->p, MODEL_START + 1000);
    if (woken) {
        MODEL_EQ(n->sent, 7);
        model_cover("woken");
    } else {
        MODEL_CHECK(model_now() >= MODEL_START + 1000);
        MODEL_CHECK(cconc__parker_park(&n->p, PLAT_NEVER));
        MODEL_EQ(n->sent, 7);
        model_cover("late");
    }
    MODEL_CHECK(!parker_poll(&n->p));
    model_join_all();
    cconc__parker_destroy(&n->p);
}

MODEL_SCENARIO(parker_deadline_that_has_passed, .low = true, .exhaustive = true,
               .goals = "woken late")
{
    nap *n = nap_new();
    bool woken;
    model_spawn(wakes, n);
    woken = cconc__parker_park(&n->p, model_choose(2) ? 0 : model_now());
    model_join_all();
    MODEL_CHECK(woken != parker_poll(&n->p));
    model_cover(woken ? "woken" : "late");
    cconc__parker_destroy(&n->p);
}

/* A wait that ends for no reason is none that ends. */
MODEL_SCENARIO(parker_woken_for_nothing, .low = true, .exhaustive = true, .faults = MODEL_SPURIOUS,
               .covers = "S6", .goals = "spurious plain")
{
    nap *n = nap_new();
    model_spawn(wakes, n);
    MODEL_CHECK(cconc__parker_park(&n->p, PLAT_NEVER));
    MODEL_EQ(n->sent, 7);
    model_join_all();
    model_cover(model_had_fault(MODEL_SPURIOUS) ? "spurious" : "plain");
    cconc__parker_destroy(&n->p);
}

MODEL_SCENARIO(parker_woken_for_nothing_in_time, .low = true, .exhaustive = true,
               .faults = MODEL_SPURIOUS, .goals = "spurious plain")
{
    nap *n = nap_new();
    bool woken;
    model_spawn(wakes, n);
    woken = cconc__parker_park(&n->p, MODEL_START + 1000);
    MODEL_CHECK(woken || model_now() >= MODEL_START + 1000);
    model_join_all();
    MODEL_CHECK(woken != parker_poll(&n->p));
    model_cover(model_had_fault(MODEL_SPURIOUS) ? "spurious" : "plain");
    cconc__parker_destroy(&n->p);
}

MODEL_SCENARIO(parker_rest_meets_unpark, .low = true, .exhaustive = true, .goals = "woken late")
{
    nap *n = nap_new();
    bool woken;
    model_spawn(wakes, n);
    woken = cconc__parker_rest(&n->p, MODEL_START + 1000);
    MODEL_CHECK(woken || model_now() >= MODEL_START + 1000);
    model_join_all();
    MODEL_CHECK(woken != parker_poll(&n->p));
    model_cover(woken ? "woken" : "late");
    cconc__parker_destroy(&n->p);
}

/* The owner may release it as soon as nobody is inside unpark any more. */
MODEL_SCENARIO(parker_goes_when_nobody_is_inside, .low = true, .exhaustive = true, .covers = "S5",
               .goals = "at_once later")
{
    nap *n = nap_new();
    bool is_free;
    model_spawn(wakes_again, n);
    MODEL_CHECK(cconc__parker_park(&n->p, PLAT_NEVER));
    is_free = !parker_is_in_use(&n->p);
    if (!is_free) {
        model_join_all();
        MODEL_CHECK(!parker_is_in_use(&n->p));
    }
    cconc__parker_destroy(&n->p);
    model_free(n);
    model_cover(is_free ? "at_once" : "later");
}

/* Whoever moves the virtual clock finds the one who is about to sleep by it, or that one sees the
 * new time. */
typedef struct by_clock {
    parker  p;
    int64_t until_ns;
    bool    was_due;
} by_clock;

static void parks_by_clock(void *arg)
{
    by_clock *c = arg;
    MODEL_CHECK(!cconc__parker_park(&c->p, c->until_ns));
    MODEL_CHECK(cconc_clock_now() >= c->until_ns);
    c->was_due = parker_take_due(&c->p);
    MODEL_CHECK(!parker_take_due(&c->p));
}

MODEL_SCENARIO(parker_by_a_clock_that_is_moved, .low = true, .exhaustive = true,
               .goals = "called looked")
{
    by_clock *c = model_zalloc(sizeof(*c));
    bool called;
    MODEL_EQ(cconc__parker_init(&c->p), 0);
    MODEL_EQ(cconc_clock_virtual(), 0);
    c->until_ns = cconc_clock_now() + 100;
    model_spawn(parks_by_clock, c);
    MODEL_EQ(cconc_clock_advance(100), 0);
    called = cconc__parker_call(&c->p, c->until_ns, true);
    if (called) {
        cconc__parker_ring(&c->p);
    }
    model_join_all();
    MODEL_EQ(c->was_due, called);
    MODEL_CHECK(!parker_is_in_use(&c->p));
    MODEL_EQ(cconc__parker_until(&c->p), PLAT_NEVER);
    model_cover(called ? "called" : "looked");
    MODEL_EQ(cconc_clock_real(), 0);
    cconc__parker_destroy(&c->p);
}

/* Not due yet: it sleeps on, and is not called twice for one sleep. */
MODEL_SCENARIO(parker_by_a_clock_is_called_once, .low = true, .exhaustive = true,
               .goals = "called looked")
{
    by_clock *c = model_zalloc(sizeof(*c));
    bool first;
    MODEL_EQ(cconc__parker_init(&c->p), 0);
    MODEL_EQ(cconc_clock_virtual(), 0);
    c->until_ns = cconc_clock_now() + 100;
    model_spawn(parks_by_clock, c);
    MODEL_CHECK(!cconc__parker_call(&c->p, c->until_ns - 1, true));
    MODEL_EQ(cconc_clock_advance(100), 0);
    first = cconc__parker_call(&c->p, c->until_ns, true);
    MODEL_CHECK(!cconc__parker_call(&c->p, c->until_ns, true)); /* it looks by itself, or was */
    if (first) {
        cconc__parker_ring(&c->p);
    }
    model_join_all();
    MODEL_EQ(c->was_due, first);
    model_cover(first ? "called" : "looked");
    MODEL_EQ(cconc_clock_real(), 0);
    cconc__parker_destroy(&c->p);
}
