/* group_pairs.c - any call on a group beside any other
 * SPDX-License-Identifier: MIT
 *
 * Risk     Two calls that nobody thought of together: a slot that one of them leaves to a caller
 *          who is just giving up, an end that is told although a task got in.
 * Method   Each call meets each on another thread, or one of them in a task, on the executor and on
 *          a pool, with and without a limit, free and held. What waits ends by time, but for one of
 *          the calls on a free one. Afterwards each task that was admitted has run once, each
 *          failure is counted once, and the group still does what a new one does.
 * Catches  Flags of the word that counts which one of the ways out of a call leaves behind, slots
 *          that are lost, ends that nobody is told of.
 */
#include "chan_actor.h"

typedef struct setup {
    uint32_t flags;
    int32_t  limit;
    bool     is_pooled; /* on a pool of one worker and a queue for one task */
    bool     is_busy;   /* a task holds a slot until all calls are back */
} setup;

static const setup setups[] = {
    {0, 0, false, false},
    {0, 1, false, true},
    {CCONC_GROUP_SKIP, 1, false, true},
    {0, 0, true, true},
    {CCONC_GROUP_KEEP_GOING, 1, true, false},
};

enum { SETUPS = sizeof(setups) / sizeof(setups[0]), TASK_FAILS = 5, CALL_FAILS = 6 };

/* What all share. */
typedef struct meeting {
    const setup *how;
    cconc_group *group;
    cconc_pool  *pool;
    cconc_ctx   *gate;   /* ends when held tasks may end */
    model_word   inside; /* tasks that run */
} meeting;

/* A thread that makes one call. */
typedef struct caller {
    meeting   *m;
    cconc_ctx *ctx;
    int        code;     /* of its task */
    int        admitted;
    int        ran;
    uint32_t   beside;   /* tasks that ran when its own began */
    int        failures; /* of its task, or its own */
    bool       sets_limit;
    bool       is_task;
} caller;

static int works(cconc_ctx *ctx, void *arg)
{
    caller *c = arg;
    (void)ctx;
    c->beside = model_add(&c->m->inside, 1);
    c->ran++;
    c->failures += c->code != 0;
    (void)model_add(&c->m->inside, UINT32_MAX);
    return c->code;
}

/* Blocks where the library sees it: the executor lets another thread in. */
static int holds(cconc_ctx *ctx, void *arg)
{
    caller *c = arg;
    (void)ctx;
    (void)model_add(&c->m->inside, 1);
    MODEL_EQ(cconc_ctx_wait(c->m->gate, NULL), 0);
    c->ran++;
    (void)model_add(&c->m->inside, UINT32_MAX);
    return 0;
}

static void goes(caller *c)
{
    int err = cconc_group_go(c->m->group, c->ctx, works, c);
    MODEL_CHECK(err == 0 || err == ETIMEDOUT || (c->is_task && err == EDEADLK) ||
                (err == ECANCELED && c->m->how->flags == CCONC_GROUP_SKIP));
    c->admitted += err == 0;
}

static void goes_and_fails(caller *c)
{
    c->code = TASK_FAILS;
    goes(c);
}

static void tries_to_go(caller *c)
{
    int err = cconc_group_try_go(c->m->group, works, c);
    MODEL_CHECK(err == 0 || err == EAGAIN ||
                (err == ECANCELED && c->m->how->flags == CCONC_GROUP_SKIP));
    c->admitted += err == 0;
}

static void sets_limit(caller *c)
{
    static const int limits[] = {-1, 1, 2, 0};
    /* With 0 a go without a time limit would wait for ever. */
    cconc_group_set_limit(c->m->group, limits[model_choose(c->m->how->is_busy ? 4 : 3)]);
    c->sets_limit = true;
}

static void must_be_the_end(const caller *c, int err)
{
    bool is_end = err == 0 || err == TASK_FAILS || err == CALL_FAILS;
    MODEL_CHECK(c->is_task ? err == EDEADLK : is_end || err == EINPROGRESS);
    MODEL_CHECK(!is_end || !c->m->how->is_busy);
}

static void waits(caller *c)
{
    const char *message = NULL;
    int err = cconc_group_wait(c->m->group, c->ctx, &message);
    must_be_the_end(c, err);
    MODEL_CHECK((err == TASK_FAILS || err == CALL_FAILS) == (message != NULL));
    MODEL_CHECK(err != CALL_FAILS || strcmp(message, "six") == 0);
}

static void stops(caller *c)
{
    cconc_ctx *ctx = cconc_group_ctx(c->m->group);
    must_be_the_end(c, cconc_group_stop(c->m->group, c->ctx));
    MODEL_CHECK(cconc_ctx_err(ctx) == ECANCELED);
}

static void fails(caller *c)
{
    MODEL_EQ(cconc_group_fail(c->m->group, CALL_FAILS, "%s", "six"), CALL_FAILS);
    c->failures++;
}

static void looks_at_errors(caller *c)
{
    cconc_group_error kept[2] = {{0, NULL}, {0, NULL}};
    size_t count = 9;
    uint64_t failures = cconc_group_errors(c->m->group, kept, 2, &count);
    MODEL_CHECK(failures <= 2 && count == (failures > 0));
    MODEL_CHECK(count == 0 || kept[0].code == TASK_FAILS || strcmp(kept[0].message, "six") == 0);
}

static void reads(caller *c)
{
    cconc_group_counts counts;
    cconc_group_read(c->m->group, &counts);
    MODEL_CHECK(counts.running <= 4 && counts.blocked <= 2 && counts.failed <= 2);
}

static void (*const calls[])(caller *c) = {
    goes, goes_and_fails, tries_to_go, sets_limit, waits, stops, fails, looks_at_errors, reads,
};

enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static void makes_any_call(void *arg)
{
    calls[model_choose(CALLS)](arg);
}

static int makes_any_call_in_a_task(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    makes_any_call(arg);
    return 0;
}

static caller *caller_new(meeting *m)
{
    caller *c = model_zalloc(sizeof(*c));
    c->m = m;
    c->ctx = actor_limit(CCONC_MS);
    return c;
}

static meeting *meeting_new(const setup *how, int32_t limit)
{
    meeting *m = model_zalloc(sizeof(*m));
    m->how = how;
    m->gate = actor_cancellable();
    if (how->is_pooled) {
        MODEL_EQ(cconc_pool_new(NULL, &(cconc_pool_opts){.workers = 1, .queue_len = 1}, &m->pool),
                 0);
    }
    MODEL_EQ(cconc_group_new(NULL,
                             &(cconc_group_opts){.flags = how->flags,
                                                 .limit = limit,
                                                 .collect_max = 1,
                                                 .pool = m->pool},
                             &m->group),
             0);
    return m;
}

/* A task in the only slot, one that has to wait for that, and then the end. */
static void must_be_as_new(meeting *m, int code)
{
    caller *first = caller_new(m);
    caller *second = caller_new(m);
    cconc_ctx_free(m->gate);
    m->gate = actor_cancellable();
    cconc_group_set_limit(m->group, 1);
    second->ctx = actor_limit(9 * CCONC_MS);
    MODEL_EQ(cconc_group_try_go(m->group, holds, first), 0);
    MODEL_EQ(cconc_group_try_go(m->group, works, second), EAGAIN);
    MODEL_EQ(cconc_group_go(m->group, second->ctx, works, second), ETIMEDOUT);
    cconc_ctx_cancel(m->gate);
    MODEL_EQ(cconc_group_go(m->group, NULL, works, second), 0);
    MODEL_EQ(cconc_group_wait(m->group, NULL, NULL), code);
    MODEL_EQ(first->ran + second->ran, 2);
}

/* Nobody waits, nothing runs, and what was counted is what callers saw. */
static void must_be_kept(const meeting *m, uint64_t started, uint64_t failed)
{
    cconc_group_counts counts;
    cconc_group_read(m->group, &counts);
    MODEL_EQ(counts.running, 0);
    MODEL_EQ(counts.blocked, 0);
    MODEL_EQ(counts.started, started);
    MODEL_EQ(counts.failed, failed);
    MODEL_EQ(cconc_group_errors(m->group, NULL, 0, NULL), failed);
}

/* One task was started before all calls. */
static void meeting_end(meeting *m, caller *const *all, uint32_t count)
{
    uint64_t started = 1;
    uint64_t failed = 0;
    uint32_t beside = 0;
    bool has_limit = m->how->limit == 1;
    int code;
    model_join_all();
    model_rest();
    cconc_ctx_cancel(m->gate);
    for (uint32_t i = 0; i < count; i++) {
        has_limit &= !all[i]->sets_limit && !all[i]->is_task;
    }
    code = cconc_group_wait(m->group, NULL, NULL);
    for (uint32_t i = 0; i < count; i++) {
        MODEL_EQ(all[i]->ran, all[i]->admitted);
        started += (uint64_t)all[i]->admitted;
        failed += (uint64_t)all[i]->failures;
        beside = all[i]->beside > beside ? all[i]->beside : beside;
    }
    MODEL_CHECK(!has_limit || beside == 0);
    MODEL_CHECK(failed ? code == TASK_FAILS || code == CALL_FAILS : code == 0);
    must_be_kept(m, started, failed);
    if (m->how->flags != CCONC_GROUP_SKIP) {
        must_be_as_new(m, code);
        must_be_kept(m, started + 2, failed);
    }
    cconc_group_free(m->group);
    cconc_pool_free(m->pool);
    cconc_ctx_free(m->gate);
}

static void meet(void (*call)(caller *c), uint32_t others)
{
    const setup *how = &setups[model_choose(SETUPS)];
    meeting *m = meeting_new(how, how->limit);
    caller *all[3] = {caller_new(m), caller_new(m), caller_new(m)};
    caller *before = caller_new(m);
    MODEL_EQ(cconc_group_go(m->group, NULL, how->is_busy ? holds : works, before), 0);
    model_settle(); /* and the library's threads are there: three that start them yield for long */
    all[0]->ctx = how->is_busy ? all[0]->ctx : NULL; /* all that it may wait for is sure to come */
    for (uint32_t i = 1; i <= others; i++) {
        model_spawn(makes_any_call, all[i]);
    }
    call(all[0]);
    meeting_end(m, all, 1 + others);
    MODEL_EQ(before->ran, 1);
}

#define GROUP_PAIR(call)                                                                           \
    MODEL_SCENARIO(group_pair_##call, .bound = 1, .covers = "G3 G6 G8")                            \
    {                                                                                              \
        meet(call, 1);                                                                             \
    }

GROUP_PAIR(goes)
GROUP_PAIR(goes_and_fails)
GROUP_PAIR(tries_to_go)
GROUP_PAIR(sets_limit)
GROUP_PAIR(waits)
GROUP_PAIR(stops)
GROUP_PAIR(fails)
GROUP_PAIR(looks_at_errors)
GROUP_PAIR(reads)

/* A task may not wait for itself: not for the end, and not for the last slot. */
MODEL_SCENARIO(group_pair_in_a_task, .bound = 1, .covers = "G6 G8")
{
    const setup *how = &setups[model_choose(2) * (SETUPS - 1)];
    int32_t limit = 1 + (int32_t)model_choose(2);
    meeting *m = meeting_new(how, limit);
    caller *all[2] = {caller_new(m), caller_new(m)};
    all[0]->ctx = NULL;
    all[1]->is_task = true;
    MODEL_EQ(cconc_group_go(m->group, NULL, makes_any_call_in_a_task, all[1]), 0);
    makes_any_call(all[0]);
    meeting_end(m, all, 2);
}

MODEL_SCENARIO(group_any_three, .bound = 1, .covers = "G3 G6 G8")
{
    meet(calls[model_choose(CALLS)], 2);
}
