/* waitgroup_pairs.c - any call on a waitgroup beside any other
 * SPDX-License-Identifier: MIT
 *
 * Risk     Two calls that nobody thought of together: an add that raises the count while the done
 *          that ends the round is on its way, a wait that queues for a round that is over.
 * Method   Each call meets each on another thread, on waitgroups of which nothing, or something of
 *          one caller or of each is under way. What waits ends by time, or is cancelled once nobody
 *          can go on: then something must be under way. Afterwards the count is what is still to be
 *          done, nobody is queued, each task has run once, and the waitgroup still does what a new
 *          one does.
 * Catches  A count that is lost when two change it; a round's end that wakes nobody, or others; a
 *          wait that returns before what it waited for was done.
 */
#include "limit.h"

/* A thread that makes one call. */
typedef struct caller {
    cconc_waitgroup *wg;
    cconc_ctx       *own;     /* can be cancelled */
    cconc_ctx       *ctx;     /* the same, or one below it that ends by time */
    struct caller   *next;    /* of all, in a circle */
    void           (*call)(struct caller *c);
    bool             is_over;
    uint32_t         open;    /* what it still has to do */
    bool             had_one; /* from the start */
    bool             did_it;  /* that one */
    uint32_t         ran;     /* its tasks that have */
    uint32_t         went;    /* its tasks in all */
} caller;

static void adds(caller *c)
{
    cconc_waitgroup_add(c->wg, 1);
    c->open++;
}

/* What it had from the start, or else what it adds now. */
static void does(caller *c)
{
    if (c->open == 0) {
        adds(c);
    }
    c->did_it = c->had_one;
    cconc_waitgroup_done(c->wg);
    c->open--;
}

static void adds_two_and_takes_all(caller *c)
{
    cconc_waitgroup_add(c->wg, 2);
    c->did_it = c->had_one;
    cconc_waitgroup_add(c->wg, -2 - (int32_t)c->open);
    c->open = 0;
}

/* Once it is over, all has been done that was under way when it began. */
static void waits(caller *c)
{
    int err = cconc_waitgroup_wait(c->wg, c->ctx);
    MODEL_CHECK(err == 0 || err == ETIMEDOUT || err == ECANCELED);
    MODEL_EQ(cconc_ctx_err(c->ctx) == 0 && err, 0);
    for (caller *at = c->next; at != c && !err; at = at->next) {
        MODEL_CHECK(!at->had_one || at->did_it);
    }
    MODEL_CHECK(err || !c->had_one);
}

static void runs(void *arg)
{
    caller *c = arg;
    c->ran++;
}

static void goes(caller *c)
{
    MODEL_EQ(cconc_waitgroup_go(c->wg, runs, c), 0);
    c->went++;
}

/* At most two for each of three callers, and what each had. */
static void looks_at_count(caller *c)
{
    MODEL_CHECK(cconc_waitgroup_count(c->wg) <= 9);
}

static void counts_waiters(caller *c)
{
    MODEL_CHECK(cconc_waitgroup_waiters(c->wg) <= 2);
}

/* No call on the waitgroup, but one that those who wait can meet. */
static void cancels_next(caller *c)
{
    cconc_ctx_cancel(c->next->own);
}

static void (*const calls[])(caller *c) = {
    adds,           does,           adds_two_and_takes_all, waits,
    looks_at_count, counts_waiters, cancels_next,           goes,
};

/* The last one needs threads of the library's, which cost many steps: few scenarios have it. */
enum { CALLS = sizeof(calls) / sizeof(calls[0]), WITHOUT_TASKS = CALLS - 1 };

static void makes_its_call(void *arg)
{
    caller *c = arg;
    c->call(c);
    c->is_over = true;
}

/* Nobody is queued, and a round holds up a wait until it is over. */
static void must_be_as_new(cconc_waitgroup *wg)
{
    MODEL_EQ(cconc_waitgroup_waiters(wg), 0);
    MODEL_EQ(cconc_waitgroup_count(wg), 0);
    MODEL_EQ(cconc_waitgroup_wait(wg, NULL), 0);
    cconc_waitgroup_add(wg, 1);
    MODEL_EQ(cconc_waitgroup_wait(wg, limit(NULL, 3 * CCONC_MS)), ETIMEDOUT);
    MODEL_EQ(cconc_waitgroup_waiters(wg), 0);
    cconc_waitgroup_done(wg);
    MODEL_EQ(cconc_waitgroup_wait(wg, NULL), 0);
    cconc_waitgroup_destroy(wg);
}

/* When nobody can go on, a wait waits for something. */
static void must_wait_for_a_reason(const caller *all, uint32_t count)
{
    uint32_t waiters = 0;
    for (uint32_t i = 0; i < count; i++) {
        waiters += !all[i].is_over;
    }
    MODEL_EQ(cconc_waitgroup_waiters(all->wg), waiters);
    MODEL_CHECK(waiters == 0 || cconc_waitgroup_count(all->wg) > 0);
}

/* Let all come to an end: by time, or one after the other, with a look each time. */
static void end_all(const caller *all, uint32_t count, bool is_timed)
{
    for (uint32_t i = 0; i < count && !is_timed; i++) {
        model_settle();
        must_wait_for_a_reason(all, count);
        cconc_ctx_cancel(all[i].own);
    }
    model_join_all();
    model_rest();
}

/* What is still to be done is, and all tasks have run. */
static void end_round(const caller *all, uint32_t count)
{
    cconc_waitgroup *wg = all->wg;
    uint32_t open = 0;
    for (uint32_t i = 0; i < count; i++) {
        open += all[i].open;
        cconc_ctx_free(all[i].own);
    }
    MODEL_EQ(cconc_waitgroup_count(wg), open);
    cconc_waitgroup_add(wg, -(int32_t)open);
    MODEL_EQ(cconc_waitgroup_wait(wg, NULL), 0);
    for (uint32_t i = 0; i < count; i++) {
        MODEL_EQ(all[i].ran, all[i].went);
    }
}

static void meet(void (*call)(caller *c), uint32_t count, uint32_t choices)
{
    cconc_waitgroup *wg = model_zalloc(sizeof(*wg));
    caller *all = model_zalloc(count * sizeof(*all));
    uint32_t with_one = model_choose(3);
    bool is_timed = false;
    for (uint32_t i = 0; i < count; i++) {
        caller *c = &all[i];
        *c = (caller){.wg = wg, .next = &all[(i + 1) % count], .had_one = i < with_one};
        MODEL_EQ(cconc_ctx_with_cancel(NULL, &c->own), 0);
        c->call = i == 0 ? call : calls[model_choose(choices)];
        c->open = c->had_one;
        cconc_waitgroup_add(wg, c->had_one);
        is_timed = is_timed || c->call == waits;
    }
    is_timed = is_timed && model_choose(2) == 1;
    for (uint32_t i = 0; i < count; i++) {
        all[i].ctx = is_timed ? limit(all[i].own, CCONC_MS) : all[i].own;
    }
    for (uint32_t i = 0; i < count; i++) {
        model_spawn(makes_its_call, &all[i]);
    }
    end_all(all, count, is_timed);
    end_round(all, count);
    must_be_as_new(wg);
    model_free(wg);
}

#define WAITGROUP_PAIR(call)                                                                       \
    MODEL_SCENARIO(waitgroup_pair_##call, .bound = 2, .covers = "G3 G5 S8")                        \
    {                                                                                              \
        meet(call, 2, WITHOUT_TASKS);                                                              \
    }

WAITGROUP_PAIR(adds)
WAITGROUP_PAIR(does)
WAITGROUP_PAIR(adds_two_and_takes_all)
WAITGROUP_PAIR(waits)
WAITGROUP_PAIR(looks_at_count)
WAITGROUP_PAIR(counts_waiters)
WAITGROUP_PAIR(cancels_next)

MODEL_SCENARIO(waitgroup_pair_goes, .bound = 1, .faults = MODEL_LATE_TIME, .covers = "G3 G4")
{
    meet(goes, 2, CALLS);
}

MODEL_SCENARIO(waitgroup_any_three, .bound = 1, .covers = "G3 G5 S8")
{
    meet(calls[model_choose(WITHOUT_TASKS)], 3, WITHOUT_TASKS);
}
