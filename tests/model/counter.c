/* counter.c - interleavings of counters.
 * SPDX-License-Identifier: MIT
 *
 * Risk     An add that is lost when two threads meet, or counted twice when the sum is taken off; a
 *          highest value that was never there, or is forgotten.
 * Method   Scenarios of the deterministic tester, two to three threads each; two compare with a
 *          sequential number.
 * Catches  Load and store instead of one step, a move to another cell that adds to none or to both,
 *          cells that are not looked at, a peak that is written without a look.
 */
#include "model.h"

typedef struct env {
    cconc_counter *counter;
    int64_t got[4];
    int64_t step;
    model_word stage;
} env;

static env *env_new(const cconc_counter_opts *opts)
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_counter_new(opts, &e->counter), 0);
    e->step = 1;
    return e;
}

static const cconc_counter_opts compact = {.compact = true};
static const cconc_counter_opts with_high = {.keep_high = true};

static void env_end(env *e, int64_t sum)
{
    model_join_all();
    MODEL_EQ(cconc_counter_get(e->counter), sum);
    cconc_counter_free(e->counter);
}

static void adds_step(void *arg)
{
    env *e = arg;
    cconc_counter_add(e->counter, e->step);
}

static void adds_one_and_ten(void *arg)
{
    env *e = arg;
    cconc_counter_add(e->counter, 1);
    cconc_counter_add(e->counter, 10);
}

static void adds_hundred_and_thousand(void *arg)
{
    env *e = arg;
    cconc_counter_add(e->counter, 100);
    cconc_counter_add(e->counter, 1000);
}

/* Each thread adds twice: the second time from where the first meeting has sent it. */
MODEL_SCENARIO(counter_adds_meet, .exhaustive = true, .cpus = 2, .covers = "W11")
{
    env *e = env_new(NULL);
    model_spawn(adds_one_and_ten, e);
    adds_hundred_and_thousand(e);
    env_end(e, 1111);
}

MODEL_SCENARIO(counter_three_add, .exhaustive = true, .cpus = 8)
{
    env *e = env_new(NULL);
    model_spawn(adds_step, e);
    model_spawn(adds_step, e);
    cconc_counter_add(e->counter, 1);
    env_end(e, 3);
}

MODEL_SCENARIO(counter_adds_meet_in_one_cell, .exhaustive = true)
{
    env *e = env_new(&compact);
    model_spawn(adds_one_and_ten, e);
    adds_hundred_and_thousand(e);
    env_end(e, 1111);
}

/* What one thread gets never falls, and is what was added at some time. */
MODEL_SCENARIO(counter_gets_do_not_fall, .exhaustive = true, .cpus = 2,
               .goals = "before after between")
{
    env *e = env_new(NULL);
    model_spawn(adds_one_and_ten, e);
    e->got[0] = cconc_counter_get(e->counter);
    e->got[1] = cconc_counter_get(e->counter);
    MODEL_CHECK(e->got[0] == 0 || e->got[0] == 1 || e->got[0] == 11);
    MODEL_CHECK(e->got[0] <= e->got[1]);
    MODEL_CHECK(e->got[1] == 0 || e->got[1] == 1 || e->got[1] == 11);
    model_cover(e->got[1] == 0 ? "before" : e->got[0] == 11 ? "after" : "between");
    env_end(e, 11);
}

static void tells(void *arg)
{
    env *e = arg;
    cconc_counter_add(e->counter, 5);
    model_set(&e->stage, 1);
}

/* What was added before, by the program's own order, is in what get gives. */
MODEL_SCENARIO(counter_get_has_what_came_before, .exhaustive = true, .cpus = 2)
{
    env *e = env_new(NULL);
    model_spawn(tells, e);
    model_spawn(adds_step, e);
    model_await(&e->stage, 1);
    MODEL_CHECK(cconc_counter_get(e->counter) >= 5);
    env_end(e, 6);
}

static bool is_sum_of(int64_t number, int64_t digits)
{
    return number >= 0 && number <= digits && number % 10 <= 1 && number / 10 % 10 <= 1 &&
           number / 100 % 10 <= 1;
}

/* Each add is in exactly one take. */
MODEL_SCENARIO(counter_take_meets_adds, .exhaustive = true, .cpus = 2, .goals = "all none some")
{
    env *e = env_new(NULL);
    model_spawn(adds_one_and_ten, e);
    cconc_counter_add(e->counter, 100);
    e->got[0] = cconc_counter_take(e->counter);
    model_join_all();
    e->got[1] = cconc_counter_take(e->counter);
    MODEL_CHECK(is_sum_of(e->got[0], 111));
    MODEL_EQ(e->got[0] + e->got[1], 111);
    model_cover(e->got[0] == 111 ? "all" : e->got[0] == 100 ? "none" : "some");
    env_end(e, 0);
}

static void takes(void *arg)
{
    env *e = arg;
    e->got[1] = cconc_counter_take(e->counter);
}

MODEL_SCENARIO(counter_two_takes, .exhaustive = true, .cpus = 2, .goals = "first second none")
{
    env *e = env_new(NULL);
    model_spawn(takes, e);
    model_spawn(adds_step, e);
    e->got[0] = cconc_counter_take(e->counter);
    model_join_all();
    MODEL_EQ(e->got[0] + e->got[1] + cconc_counter_get(e->counter), 1);
    model_cover(e->got[0] ? "first" : e->got[1] ? "second" : "none");
    env_end(e, e->got[0] + e->got[1] == 0);
}

static void adds_and_subtracts(void *arg)
{
    env *e = arg;
    cconc_counter_add(e->counter, 1);
    cconc_counter_add(e->counter, -1);
}

/* The highest value is one that was there. */
MODEL_SCENARIO(counter_high_of_two, .exhaustive = true, .goals = "one two")
{
    env *e = env_new(&with_high);
    model_spawn(adds_and_subtracts, e);
    adds_and_subtracts(e);
    model_join_all();
    e->got[0] = cconc_counter_high(e->counter);
    MODEL_CHECK(e->got[0] == 1 || e->got[0] == 2);
    model_cover(e->got[0] == 1 ? "one" : "two");
    env_end(e, 0);
}

/* Three that only rise: the last value is the highest, whoever writes the peak last. */
MODEL_SCENARIO(counter_high_rises, .exhaustive = true, .covers = "S9")
{
    env *e = env_new(&with_high);
    model_spawn(adds_step, e);
    model_spawn(adds_step, e);
    cconc_counter_add(e->counter, 1);
    model_join_all();
    MODEL_EQ(cconc_counter_high(e->counter), 3);
    env_end(e, 3);
}

MODEL_SCENARIO(counter_high_outlives_take, .exhaustive = true, .goals = "five six")
{
    env *e = env_new(&with_high);
    cconc_counter_add(e->counter, 5);
    model_spawn(adds_step, e);
    e->got[0] = cconc_counter_take(e->counter);
    e->got[1] = cconc_counter_high(e->counter);
    MODEL_CHECK(e->got[0] == 5 || e->got[0] == 6);
    MODEL_CHECK(e->got[1] == 5 || e->got[1] == 6);
    model_join_all();
    MODEL_EQ(cconc_counter_high(e->counter), e->got[0]);
    model_cover(e->got[0] == 5 ? "five" : "six");
    env_end(e, 6 - e->got[0]);
}

/* Swaps that fail for no reason send a thread to the next cell, and no further. */
MODEL_SCENARIO(counter_swaps_fail, .exhaustive = true, .cpus = 2, .faults = MODEL_CAS,
               .covers = "S9")
{
    env *e = env_new(NULL);
    model_spawn(adds_one_and_ten, e);
    cconc_counter_add(e->counter, 100);
    env_end(e, 111);
}

MODEL_SCENARIO(counter_high_swaps_fail, .faults = MODEL_CAS)
{
    env *e = env_new(&with_high);
    model_spawn(adds_step, e);
    cconc_counter_add(e->counter, 1);
    model_join_all();
    MODEL_EQ(cconc_counter_high(e->counter), 2);
    env_end(e, 2);
}

/* Sums wrap, whichever comes first. */
MODEL_SCENARIO(counter_wraps, .exhaustive = true, .cpus = 2, .covers = "L1")
{
    env *e = env_new(NULL);
    e->step = INT64_MAX;
    model_spawn(adds_step, e);
    cconc_counter_add(e->counter, INT64_MAX);
    env_end(e, -2);
}

MODEL_SCENARIO(counter_new_without_memory, .exhaustive = true, .faults = MODEL_NO_MEMORY,
               .covers = "X4", .goals = "failed made")
{
    env *e = model_zalloc(sizeof(*e));
    int err = cconc_counter_new(NULL, &e->counter);
    MODEL_EQ(err, model_had_fault(MODEL_NO_MEMORY) ? ENOMEM : 0);
    if (err) {
        model_cover("failed");
        MODEL_EQ(cconc_counter_new(&compact, &e->counter), 0);
    } else {
        model_cover("made");
    }
    e->step = 7;
    model_spawn(adds_step, e);
    env_end(e, 7);
}

/* In a forked child the number goes on from where it was; nothing of the others comes in. */
MODEL_SCENARIO(counter_in_a_child, .cpus = 2, .covers = "X3", .goals = "with without")
{
    env *e = env_new(NULL);
    e->step = 10;
    model_spawn(adds_step, e);
    model_fork();
    cconc_counter_add(e->counter, 1);
    e->got[0] = cconc_counter_get(e->counter);
    MODEL_CHECK(e->got[0] == 1 || e->got[0] == 11);
    MODEL_EQ(cconc_counter_take(e->counter), e->got[0]);
    MODEL_EQ(cconc_counter_get(e->counter), 0);
    model_cover(e->got[0] == 1 ? "without" : "with");
}

enum { OP_ADD, OP_GET, OP_TAKE, OP_HIGH };

typedef struct number {
    int64_t now;
    int64_t high;
} number;

static void number_init(void *state)
{
    memset(state, 0, sizeof(number));
}

static bool number_apply(void *state, int op, int64_t arg, int code, int64_t value)
{
    number *n = state;
    int64_t before = n->now;
    (void)code;
    switch (op) {
    case OP_ADD:
        n->now += arg;
        n->high = n->now > n->high ? n->now : n->high;
        return true;
    case OP_TAKE:
        n->now = 0;
        return value == before;
    case OP_GET:
        return value == before;
    default:
        return value == n->high;
    }
}

static const model_spec number_spec = {sizeof(number), number_init, number_apply};

static void does(env *e, int op, int64_t arg)
{
    uint32_t id = model_begin(op, arg);
    int64_t value = 0;
    if (op == OP_ADD) {
        cconc_counter_add(e->counter, arg);
    } else {
        value = op == OP_GET ? cconc_counter_get(e->counter) : cconc_counter_take(e->counter);
    }
    model_end(id, 0, value);
}

static void adds_and_takes(void *arg)
{
    does(arg, OP_ADD, 1);
    does(arg, OP_TAKE, 0);
}

static void adds_and_gets(void *arg)
{
    does(arg, OP_ADD, 10);
    does(arg, OP_GET, 0);
}

/* One cell: all operations are atomic. */
MODEL_SCENARIO(counter_history_of_one_cell, .exhaustive = true)
{
    env *e = env_new(&compact);
    model_spawn(adds_and_takes, e);
    adds_and_gets(e);
    does(e, OP_TAKE, 0);
    model_join_all();
    does(e, OP_TAKE, 0);
    model_check_history(&number_spec);
    env_end(e, 0);
}

/* One that keeps the highest value: its adds and takes are atomic, too. */
MODEL_SCENARIO(counter_history_with_high, .exhaustive = true)
{
    env *e = env_new(&with_high);
    model_spawn(adds_and_takes, e);
    adds_and_gets(e);
    model_join_all();
    uint32_t id = model_begin(OP_HIGH, 0);
    model_end(id, 0, cconc_counter_high(e->counter));
    does(e, OP_TAKE, 0);
    model_check_history(&number_spec);
    env_end(e, 0);
}
