/* counter_pairs.c - any call on a counter beside any other
 * SPDX-License-Identifier: MIT
 *
 * Risk     Two calls that nobody thought of together: a sum that is taken off while a thread moves
 *          to another cell, a highest value that a take spoils.
 * Method   Each call meets each on another thread, on counters of one cell, of two, and of one that
 *          keeps its highest value, at 0 and at 1. Afterwards each add is in what one take has
 *          given or in what is left, and the counter still does what a new one does.
 * Catches  An add that counts twice or never; a word that is written with a plain store while
 *          others change it; a highest value that was never there, or that sinks.
 */
#include "model.h"

enum { SMALL = 5, LARGE = 70000, OFF = 3 };

/* A thread that makes one call. */
typedef struct caller {
    cconc_counter *counter;
    bool    keeps_high;
    int64_t added;
    int64_t taken;
} caller;

static void adds_n(caller *c, int64_t n)
{
    cconc_counter_add(c->counter, n);
    c->added += n;
}

static void adds(caller *c)
{
    adds_n(c, SMALL);
}

static void adds_much(caller *c)
{
    adds_n(c, LARGE);
}

static void subtracts(caller *c)
{
    adds_n(c, -OFF);
}

/* The second time from the cell to which a meeting has sent it. */
static void adds_twice(caller *c)
{
    adds_n(c, SMALL);
    adds_n(c, SMALL);
}

/* What three threads and the start can have come to, in part or in all. */
static void must_be_a_sum(int64_t sum)
{
    MODEL_CHECK(sum >= -3 * OFF && sum <= 3 * LARGE + 1);
}

static void gets(caller *c)
{
    must_be_a_sum(cconc_counter_get(c->counter));
}

static void takes(caller *c)
{
    int64_t sum = cconc_counter_take(c->counter);
    must_be_a_sum(sum);
    c->taken += sum;
}

/* Where it is kept it never sinks. */
static void looks_at_high(caller *c)
{
    int64_t before;
    int64_t after;
    if (c->keeps_high) {
        before = cconc_counter_high(c->counter);
        after = cconc_counter_high(c->counter);
        MODEL_CHECK(before >= 0 && after >= before);
        must_be_a_sum(after);
    }
}

static void (*const calls[])(caller *c) = {
    adds, adds_much, subtracts, adds_twice, gets, takes, looks_at_high,
};

enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static void makes_any_call(void *arg)
{
    calls[model_choose(CALLS)](arg);
}

/* What is left can be taken off, and what comes then counts from 0; the highest value stays. */
static void must_be_as_new(cconc_counter *counter, int64_t left, bool keeps_high)
{
    int64_t high = 0;
    MODEL_EQ(cconc_counter_get(counter), left);
    if (keeps_high) {
        high = cconc_counter_high(counter);
        MODEL_CHECK(high >= left);
    }
    MODEL_EQ(cconc_counter_take(counter), left);
    MODEL_EQ(cconc_counter_get(counter), 0);
    cconc_counter_add(counter, high + 2);
    cconc_counter_add(counter, -1);
    MODEL_EQ(cconc_counter_get(counter), high + 1);
    if (keeps_high) {
        MODEL_EQ(cconc_counter_high(counter), high + 2);
    }
    MODEL_EQ(cconc_counter_take(counter), high + 1);
}

static void meet(void (*call)(caller *c), uint32_t others)
{
    static const cconc_counter_opts kinds[] = {{.compact = true}, {.keep_high = true}};
    uint32_t kind = model_choose(3);
    int64_t left = model_choose(2); /* of what was added, when what was taken is taken away */
    cconc_counter *counter = NULL;
    caller *all[3];
    MODEL_EQ(cconc_counter_new(kind < 2 ? &kinds[kind] : NULL, &counter), 0);
    cconc_counter_add(counter, left);
    for (uint32_t i = 0; i <= others; i++) {
        all[i] = model_zalloc(sizeof(*all[i]));
        all[i]->counter = counter;
        all[i]->keeps_high = kind == 1;
    }
    for (uint32_t i = 1; i <= others; i++) {
        model_spawn(makes_any_call, all[i]);
    }
    call(all[0]);
    model_join_all();
    model_rest();
    for (uint32_t i = 0; i <= others; i++) {
        left += all[i]->added - all[i]->taken;
    }
    must_be_as_new(counter, left, kind == 1);
    cconc_counter_free(counter);
}

#define COUNTER_PAIR(call)                                                                         \
    MODEL_SCENARIO(counter_pair_##call, .exhaustive = true, .cpus = 2, .covers = "W11")            \
    {                                                                                              \
        meet(call, 1);                                                                             \
    }

COUNTER_PAIR(adds)
COUNTER_PAIR(adds_much)
COUNTER_PAIR(subtracts)
COUNTER_PAIR(adds_twice)
COUNTER_PAIR(gets)
COUNTER_PAIR(takes)
COUNTER_PAIR(looks_at_high)

MODEL_SCENARIO(counter_any_three, .bound = 1, .cpus = 2, .covers = "W11")
{
    meet(calls[model_choose(CALLS)], 2);
}
