/* pool_pairs.c - any call on a pool, or on a future of it, beside any other
 * SPDX-License-Identifier: MIT
 *
 * Risk     Two calls that nobody thought of together: a task that one of them accepts while the
 *          other closes, shrinks or looks, a wait that is told of neither.
 * Method   Each call meets each on another thread, or one of them in a worker, on pools that are
 *          idle or whose only worker is held, with and without a queue, of three policies. What
 *          waits ends by time, but for one of the calls on an idle pool. Afterwards each task that
 *          was accepted has run or was dropped once, and the pool still does what a new one does.
 * Catches  Marks that one of the ways out of a call leaves behind, counts that drift, ends and room
 *          that nobody is told of.
 */
#include "chan_actor.h"

#include "tasks.h"

typedef struct setup {
    int32_t  queue_len;
    uint32_t policy;
    bool     is_busy; /* the only worker has a task that ends only when all calls are back */
} setup;

static const setup setups[] = {
    {0, CCONC_POOL_BLOCK, false},    {1, CCONC_POOL_BLOCK, false},
    {1, CCONC_POOL_BLOCK, true},     {1, CCONC_POOL_DROP_OLDEST, true},
    {0, CCONC_POOL_CALLER_RUNS, true},
};

enum { SETUPS = sizeof(setups) / sizeof(setups[0]), IDLE_SETUPS = 2, CODE = 7 };

/* A thread that makes one call. */
typedef struct caller {
    cconc_pool      *pool;
    const setup     *how;
    cconc_ctx       *ctx;
    cconc_future    *future; /* is there before all calls */
    cconc_pool_task *record;
    int  accepted;
    int  ran;
    int  dropped;
    bool is_worker;
    bool is_joined; /* its record has ended */
    bool resizes;
    bool closes;
    bool cancels; /* closes, and drops what is queued */
    bool never;   /* keeps a task from running */
} caller;

static int works(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    ((caller *)arg)->ran++;
    return CODE;
}

static void loses(void *user, cconc_task_fn fn, void *arg)
{
    (void)user;
    ((caller *)arg)->dropped += fn == works; /* and not the call of a worker */
}

static void must_be_accepted(caller *c, int err)
{
    MODEL_CHECK(err == 0 || err == EPIPE || err == ETIMEDOUT);
    c->accepted += err == 0;
}

static void submits(caller *c)
{
    must_be_accepted(c, cconc_pool_submit(c->pool, c->ctx, works, c));
}

static void tries_to_submit(caller *c)
{
    int err = cconc_pool_try_submit(c->pool, works, c);
    MODEL_CHECK(err == 0 || err == EAGAIN || err == EPIPE);
    c->accepted += err == 0;
}

static void record_make(caller *c)
{
    c->record = model_zalloc(sizeof(*c->record));
    c->record->fn = works;
    c->record->arg = c;
}

static void submits_a_record(caller *c)
{
    record_make(c);
    must_be_accepted(c, cconc_pool_submit_task(c->pool, c->ctx, c->record));
    if (c->accepted) {
        int err = cconc_pool_join(c->pool, c->ctx, c->record);
        MODEL_CHECK(err == CODE || err == ECANCELED || err == EINPROGRESS);
        c->is_joined = err != EINPROGRESS;
        MODEL_CHECK(err == EINPROGRESS || c->ran == (err == CODE));
    }
}

static void tries_a_record(caller *c)
{
    int err;
    record_make(c);
    err = cconc_pool_try_submit_task(c->pool, c->record);
    MODEL_CHECK(err == 0 || err == EAGAIN || err == EPIPE);
    c->accepted += err == 0;
}

static void submits_and_cancels(caller *c)
{
    cconc_future *future = NULL;
    must_be_accepted(c, cconc_pool_submit_future(c->pool, c->ctx, works, c, &future));
    if (c->accepted) {
        c->never = cconc_future_cancel(future);
        cconc_future_free(future);
    }
}

static void waits_for_the_future(caller *c)
{
    int err = cconc_future_wait(c->future, c->ctx);
    MODEL_CHECK(err == CODE || err == ECANCELED || err == EINPROGRESS);
}

static void looks_at_the_future(caller *c)
{
    int code = CODE;
    int err = cconc_future_try_wait(c->future, &code);
    MODEL_CHECK(err == 0 || err == EAGAIN);
    MODEL_CHECK(code == CODE || (!err && code == ECANCELED));
}

static void cancels_the_future(caller *c)
{
    c->never = cconc_future_cancel(c->future);
}

static int part(cconc_ctx *ctx, size_t begin, size_t end, void *arg)
{
    model_word *parts = arg;
    (void)ctx;
    MODEL_EQ(end, begin + 1);
    MODEL_EQ(model_add(&parts[begin], 1), 0);
    return 0;
}

static void loops(caller *c)
{
    model_word *parts = model_zalloc(2 * sizeof(*parts));
    int err = cconc_pool_parallel_for(c->pool, c->ctx, 0, 2, 1, part, parts);
    MODEL_CHECK(err == 0 || err == ETIMEDOUT || err == ECANCELED || err == EPIPE);
    MODEL_CHECK(err || model_get(&parts[0]) + model_get(&parts[1]) == 2);
    model_free(parts);
}

static void waits(caller *c)
{
    int err = cconc_pool_wait(c->pool, c->ctx);
    MODEL_CHECK(c->is_worker      ? err == EDEADLK
                : c->how->is_busy ? err == ETIMEDOUT
                                  : err == 0 || err == ETIMEDOUT);
}

static void resizes(caller *c)
{
    int err = cconc_pool_resize(c->pool, 1 + (int)model_choose(2));
    MODEL_CHECK(err == 0 || err == EPIPE);
    c->resizes = true;
}

static void shuts_down(caller *c)
{
    uint32_t mode = model_choose(2) ? CCONC_POOL_CANCEL : CCONC_POOL_DRAIN;
    int err = cconc_pool_shutdown(c->pool, c->ctx, mode);
    MODEL_CHECK(c->is_worker      ? err == EDEADLK
                : c->how->is_busy ? err == ETIMEDOUT
                                  : err == 0 || err == ETIMEDOUT);
    c->closes = !c->is_worker;
    c->cancels = c->closes && mode == CCONC_POOL_CANCEL;
}

static void reads(caller *c)
{
    cconc_pool_counts counts;
    cconc_pool_read(c->pool, &counts);
    MODEL_CHECK(counts.workers <= 2 && counts.blocked <= 2 && counts.idle <= 2);
    MODEL_CHECK(counts.completed + counts.dropped + counts.queued <= counts.submitted);
    MODEL_EQ(counts.suspended, 0);
}

static void (*const calls[])(caller *c) = {
    submits,
    tries_to_submit,
    submits_a_record,
    tries_a_record,
    submits_and_cancels,
    waits_for_the_future,
    looks_at_the_future,
    cancels_the_future,
    loops,
    waits,
    resizes,
    shuts_down,
    reads,
};

enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static void makes_any_call(void *arg)
{
    calls[model_choose(CALLS)](arg);
}

static int makes_any_call_in_a_worker(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    makes_any_call(arg);
    return 0;
}

/* All that take part: [0] has the future, [1] calls, [2] and [3] are others. */
typedef struct meeting {
    env    *e;
    caller *all[4];
    uint32_t count;
} meeting;

static caller *caller_add(meeting *m, const setup *how)
{
    caller *c = model_zalloc(sizeof(*c));
    c->pool = m->e->pool;
    c->how = how;
    c->ctx = actor_limit(CCONC_MS);
    c->future = m->count > 0 ? m->all[0]->future : NULL;
    m->all[m->count++] = c;
    return c;
}

/* A pool with a future: one that runs if the worker is held and there is no queue, else queued. */
static meeting *meeting_new(const setup *how, int32_t workers)
{
    meeting *m = model_zalloc(sizeof(*m));
    caller *first;
    m->e = pool_idle(&(cconc_pool_opts){.workers = workers,
                                        .queue_len = how->queue_len,
                                        .full_policy = how->policy,
                                        .on_drop = loses});
    if (how->is_busy) {
        MODEL_EQ(cconc_pool_submit(m->e->pool, NULL, held, job_new(m->e, 0)), 0);
        model_settle();
    }
    first = caller_add(m, how);
    must_be_accepted(first, cconc_pool_submit_future(m->e->pool, NULL, works, first,
                                                     &first->future));
    return m;
}

/* Its only worker is held, its queue takes as many as it should, and all of them run. */
static void must_be_as_new(cconc_pool *pool, size_t queue_len)
{
    env *e = env_new();
    e->pool = pool;
    MODEL_EQ(cconc_pool_resize(pool, 1), 0);
    model_settle();
    MODEL_EQ(counts_of(e).workers, 1);
    MODEL_EQ(cconc_pool_try_submit(pool, held, job_new(e, 0)), 0);
    model_settle();
    for (size_t i = 0; i < queue_len; i++) {
        MODEL_EQ(cconc_pool_try_submit(pool, runs, job_new(e, 1)), 0);
    }
    MODEL_EQ(cconc_pool_try_submit(pool, runs, job_new(e, 2)), EAGAIN);
    opens(e);
    MODEL_EQ(cconc_pool_wait(pool, NULL), 0);
    MODEL_EQ(e->ran[0], 1);
    MODEL_EQ(e->ran[1], queue_len);
    MODEL_EQ(e->ran[2], 0);
}

/* Nobody waits, nothing is left, and there are as many workers as somebody wanted. */
static void must_be_idle(env *e, uint32_t least, uint32_t most)
{
    cconc_pool_counts counts = counts_of(e);
    MODEL_EQ(counts.blocked, 0);
    MODEL_EQ(counts.queued, 0);
    MODEL_EQ(counts.running, 0);
    MODEL_EQ(counts.suspended, 0);
    MODEL_EQ(counts.submitted, counts.completed + counts.dropped);
    MODEL_EQ(counts.idle, counts.workers);
    MODEL_CHECK(counts.workers >= least && counts.workers <= most);
}

/* The pool is closed: each task has run once, or was dropped, if somebody wanted that. */
static void must_be_kept(const meeting *m)
{
    int dropped = 0;
    int never = 0;
    bool may_drop = m->all[0]->how->policy == CCONC_POOL_DROP_OLDEST;
    for (uint32_t i = 0; i < m->count; i++) {
        caller *c = m->all[i];
        MODEL_EQ(c->ran + c->dropped, c->accepted);
        dropped += c->dropped;
        never += c->never;
        may_drop |= c->cancels;
        if (c->record && c->accepted && !c->is_joined) {
            MODEL_EQ(cconc_pool_join(c->pool, NULL, c->record), c->ran ? CODE : ECANCELED);
        }
    }
    MODEL_CHECK(may_drop ? never <= dropped : never == dropped);
    MODEL_EQ(cconc_future_wait(m->all[0]->future, NULL), m->all[0]->ran ? CODE : ECANCELED);
}

static void meeting_end(meeting *m, uint32_t workers)
{
    env *e = m->e;
    const setup *how = m->all[0]->how;
    bool is_closed = false;
    bool is_resized = false;
    model_join_all();
    model_rest();
    opens(e);
    model_settle();
    for (uint32_t i = 0; i < m->count; i++) {
        is_closed |= m->all[i]->closes;
        is_resized |= m->all[i]->resizes;
    }
    if (is_closed) {
        MODEL_EQ(cconc_pool_try_submit(e->pool, works, m->all[0]), EPIPE);
    } else {
        must_be_idle(e, is_resized ? 1 : workers, is_resized ? 2 : workers);
        must_be_as_new(e->pool, (size_t)how->queue_len);
    }
    MODEL_EQ(cconc_pool_shutdown(e->pool, NULL, CCONC_POOL_DRAIN), 0);
    must_be_idle(e, 0, 0);
    must_be_kept(m);
    MODEL_EQ(e->ran[0], how->is_busy);
    cconc_future_free(m->all[0]->future);
    cconc_pool_free(e->pool);
}

static void meet(void (*call)(caller *c), uint32_t others)
{
    const setup *how = &setups[model_choose(SETUPS)];
    meeting *m = meeting_new(how, 1);
    caller *c = caller_add(m, how);
    c->ctx = how->is_busy ? c->ctx : NULL; /* all that it may wait for is certain to come */
    for (uint32_t i = 0; i < others; i++) {
        model_spawn(makes_any_call, caller_add(m, how));
    }
    call(c);
    meeting_end(m, 1);
}

#define POOL_PAIR(call)                                                                            \
    MODEL_SCENARIO(pool_pair_##call, .bound = 1, .covers = "W16 W17 W18")                          \
    {                                                                                              \
        meet(call, 1);                                                                             \
    }

POOL_PAIR(submits)
POOL_PAIR(tries_to_submit)
POOL_PAIR(submits_a_record)
POOL_PAIR(tries_a_record)
POOL_PAIR(submits_and_cancels)
POOL_PAIR(waits_for_the_future)
POOL_PAIR(looks_at_the_future)
POOL_PAIR(cancels_the_future)
POOL_PAIR(loops)
POOL_PAIR(waits)
POOL_PAIR(resizes)
POOL_PAIR(shuts_down)
POOL_PAIR(reads)

/* A worker that would have to wait runs what is queued. */
MODEL_SCENARIO(pool_pair_in_a_worker, .bound = 1, .covers = "W9 W16")
{
    const setup *how = &setups[model_choose(IDLE_SETUPS)];
    uint32_t workers = 1 + model_choose(2);
    meeting *m = meeting_new(how, (int32_t)workers);
    caller *c = caller_add(m, how);
    caller *inner = caller_add(m, how);
    c->ctx = NULL;
    inner->is_worker = true;
    MODEL_EQ(cconc_pool_submit(m->e->pool, NULL, makes_any_call_in_a_worker, inner), 0);
    makes_any_call(c);
    meeting_end(m, workers);
}

MODEL_SCENARIO(pool_any_three, .bound = 1, .covers = "W16 W17 W18")
{
    meet(calls[model_choose(CALLS)], 2);
}
