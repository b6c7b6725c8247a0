/* pool_hand.c - interleavings of pools: records that their worker keeps in hand.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A record that runs twice or never because its worker and whoever recalls it meet; one
 *          that waits in the hand of a worker that blocks, while another one is idle; an end that
 *          nobody hears of; a count or a bound that leaves out what is in hands.
 * Method   Scenarios of the deterministic tester: a task submits records and joins them, or does
 *          not, and others submit, join, wait, resize or shut down right then.
 * Catches  Hands that are read and not swapped shut, sections that leave them open, ends that are
 *          told before or without a look at who waits.
 */
#include "tasks.h"

enum { CODE = 7, RECORDS = 33 };

typedef struct hand hand;

typedef struct record {
    cconc_pool_task task; /* first */
    hand      *in;
    int        i;
    int        ran;
    int        ended;   /* calls of the hook */
    model_word is_run;  /* 1: it has */
} record;

struct hand {
    env       *e;
    record     records[RECORDS];
    int        count;    /* how many it submits */
    bool       blocks;   /* waits for the first one to have run, unseen by the library */
    bool       is_loose; /* does not join */
    bool       oldest;   /* joins the oldest first */
    size_t     most;     /* queued when all are, 0 = not looked at */
    int        ender;    /* the one that ends its thread, -1 = none */
    int        next;     /* the first one that was not accepted */
    model_word is_kept;  /* 1: all are submitted */
    model_word may_join; /* 1: go on */
};

static int record_runs_alone(cconc_ctx *ctx, void *arg)
{
    record *r = arg;
    (void)ctx;
    r->ran++;
    model_set(&r->is_run, 1);
    return CODE;
}

static int record_runs(cconc_ctx *ctx, void *arg)
{
    record *r = arg;
    (void)record_runs_alone(ctx, r);
    if (r->i == r->in->ender) {
        model_exit_thread();
    }
    return CODE;
}

static void record_ended(cconc_pool_task *task, int code, bool dropped)
{
    record *r = (record *)(void *)task;
    MODEL_EQ(code, dropped ? ECANCELED : CODE);
    r->ended++;
}

static hand *hand_new(env *e, int count)
{
    hand *h = model_zalloc(sizeof(*h));
    h->e = e;
    h->count = count;
    h->ender = -1;
    for (int i = 0; i < count; i++) {
        h->records[i].task.fn = record_runs;
        h->records[i].task.arg = &h->records[i];
        h->records[i].in = h;
        h->records[i].i = i;
    }
    return h;
}

static int forks(cconc_ctx *ctx, void *arg)
{
    hand *h = arg;
    (void)ctx;
    for (int i = 0; i < h->count; i++) {
        MODEL_EQ(cconc_pool_submit_task(h->e->pool, NULL, &h->records[i].task), 0);
    }
    if (h->most > 0) {
        MODEL_CHECK(counts_of(h->e).queued <= h->most);
    }
    model_set(&h->is_kept, 1);
    if (h->blocks) {
        model_await(&h->records[0].is_run, 1);
    }
    for (int i = 0; i < h->count && !h->is_loose; i++) {
        int which = h->oldest ? i : h->count - 1 - i;
        int code = cconc_pool_join(h->e->pool, NULL, &h->records[which].task);
        MODEL_EQ(code, CODE);
    }
    return 0;
}

static void hand_end(hand *h)
{
    pool_end(h->e);
    for (int i = 0; i < h->count; i++) {
        MODEL_EQ(h->records[i].ran, 1);
    }
    model_free(h);
}

static hand *hand_of(int workers, int count)
{
    return hand_new(pool_idle(&(cconc_pool_opts){.workers = workers, .queue_len = 64}), count);
}

/* The other worker is in fn, which gets the hand. */
static hand *hand_beside(cconc_task_fn fn, int count)
{
    hand *h = hand_of(2, count);
    MODEL_EQ(cconc_pool_submit(h->e->pool, NULL, fn, h), 0);
    model_settle();
    return h;
}

static void submit_forks(hand *h)
{
    MODEL_EQ(cconc_pool_submit(h->e->pool, NULL, forks, h), 0);
}

/* Nobody else wants them. What is told of the pool meanwhile adds up. */
MODEL_SCENARIO(pool_hand_meets_read, .exhaustive = true)
{
    hand *h = hand_of(1, 2);
    cconc_pool_counts counts;
    submit_forks(h);
    counts = counts_of(h->e);
    MODEL_CHECK(counts.submitted >= counts.completed + counts.running);
    MODEL_CHECK(counts.queued <= 2 && counts.submitted <= 3);
    hand_end(h);
}

/* The one that is joined first lies below the other. */
MODEL_SCENARIO(pool_hand_is_joined_from_below, .exhaustive = true)
{
    hand *h = hand_of(1, 2);
    h->oldest = true;
    submit_forks(h);
    hand_end(h);
}

/* Until the gate opens. */
static int stays(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    model_await(&((hand *)arg)->e->gate, 1);
    return 0;
}

/* Their submitter blocks unseen: the other worker comes for them, idle or just about to be. */
MODEL_SCENARIO(pool_hand_of_a_blocked_worker, .bound = 3, .covers = "W9 W10")
{
    hand *h = hand_of(2, 2);
    h->blocks = true;
    submit_forks(h);
    hand_end(h);
}

MODEL_SCENARIO(pool_hand_of_a_blocked_worker_meets_end_of_task, .bound = 3, .covers = "W9 W10")
{
    hand *h = hand_beside(stays, 2);
    h->blocks = true;
    submit_forks(h);
    opens(h->e);
    hand_end(h);
}

/* The other worker is held until they are in hand. */
MODEL_SCENARIO(pool_hand_is_recalled_by_the_other_worker, .bound = 2, .covers = "W9 W10")
{
    hand *h = hand_beside(stays, 3);
    submit_forks(h);
    model_await(&h->is_kept, 1);
    opens(h->e);
    hand_end(h);
}

/* One worker more is wanted. */
MODEL_SCENARIO(pool_hand_meets_resize, .bound = 2, .covers = "W9")
{
    hand *h = hand_of(1, 2);
    h->blocks = true;
    submit_forks(h);
    MODEL_EQ(cconc_pool_resize(h->e->pool, 2), 0);
    hand_end(h);
}

/* Somebody outside waits for the end of one. */
static void joins_first(void *arg)
{
    hand *h = arg;
    MODEL_EQ(cconc_pool_join(h->e->pool, NULL, &h->records[0].task), CODE);
    MODEL_EQ(h->records[0].ran, 1);
}

MODEL_SCENARIO(pool_hand_meets_join_from_outside, .bound = 3, .covers = "W9 X4")
{
    hand *h = hand_of(1, 2);
    submit_forks(h);
    model_await(&h->is_kept, 1);
    joins_first(h);
    hand_end(h);
}

/* The other worker does. */
static int joins_first_in_pool(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    model_await(&((hand *)arg)->is_kept, 1);
    joins_first(arg);
    return 0;
}

MODEL_SCENARIO(pool_hand_meets_join_by_the_other_worker, .bound = 2, .covers = "W9 X4")
{
    hand *h = hand_beside(joins_first_in_pool, 2);
    submit_forks(h);
    hand_end(h);
}

/* They are left in hand by a task that ends: who waits for the pool waits for them. */
MODEL_SCENARIO(pool_hand_left_by_its_task, .bound = 3, .covers = "W9")
{
    hand *h = hand_of(1, 2);
    h->is_loose = true;
    submit_forks(h);
    MODEL_EQ(cconc_pool_wait(h->e->pool, NULL), 0);
    MODEL_EQ(h->records[0].ran + h->records[1].ran, 2);
    hand_end(h);
}

/* What comes from outside after them starts after them. */
static int notes_turn(cconc_ctx *ctx, void *arg)
{
    hand *h = arg;
    (void)ctx;
    MODEL_EQ(h->records[0].ran + h->records[1].ran, 2);
    return 0;
}

MODEL_SCENARIO(pool_hand_is_older_than_what_comes, .exhaustive = true)
{
    hand *h = hand_of(1, 2);
    h->is_loose = true;
    submit_forks(h);
    model_await(&h->is_kept, 1);
    MODEL_EQ(cconc_pool_submit(h->e->pool, NULL, notes_turn, h), 0);
    hand_end(h);
}

/* The pool ends meanwhile: each has run, or its owner was told. */
static int forks_while_it_can(cconc_ctx *ctx, void *arg)
{
    hand *h = arg;
    (void)ctx;
    for (h->next = 0; h->next < 2; h->next++) {
        h->records[h->next].task.ended = record_ended;
        if (cconc_pool_submit_task(h->e->pool, NULL, &h->records[h->next].task) != 0) {
            return 0;
        }
    }
    return 0;
}

static void shut_down(uint32_t mode)
{
    hand *h = hand_of(1, 2);
    env *e = h->e;
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, forks_while_it_can, h), 0);
    MODEL_EQ(cconc_pool_shutdown(e->pool, NULL, mode), 0);
    for (int i = 0; i < 2; i++) {
        MODEL_EQ(h->records[i].ended, i < h->next);
        MODEL_CHECK(h->records[i].ran <= h->records[i].ended);
        if (mode == CCONC_POOL_DRAIN) {
            MODEL_EQ(h->records[i].ran, h->records[i].ended);
        }
    }
    model_cover(h->next == 0 ? "none" : h->records[0].ran ? "ran" : "dropped");
    cconc_pool_free(e->pool);
    model_free(h);
}

MODEL_SCENARIO(pool_hand_meets_cancel, .bound = 3, .goals = "none ran dropped")
{
    shut_down(CCONC_POOL_CANCEL);
}

MODEL_SCENARIO(pool_hand_meets_drain, .bound = 3, .goals = "none ran")
{
    shut_down(CCONC_POOL_DRAIN);
}

/* One of them ends the thread, and with it the task that joins it: the other one is not lost. */
MODEL_SCENARIO(pool_hand_of_an_ended_thread, .bound = 2, .covers = "G7")
{
    hand *h = hand_of(1, 2);
    h->ender = 1;
    submit_forks(h);
    hand_end(h);
}

/* More than a hand holds, in a queue that holds no more than a hand. */
MODEL_SCENARIO(pool_hand_counts_against_the_bound, .bound = 1, .goals = "full room")
{
    hand *h = hand_new(pool_idle(&(cconc_pool_opts){.workers = 1, .queue_len = 32}), 32);
    int err;
    submit_forks(h);
    model_await(&h->is_kept, 1);
    err = cconc_pool_try_submit(h->e->pool, runs, job_new(h->e, 0));
    MODEL_CHECK(err == 0 || err == EAGAIN);
    model_cover(err ? "full" : "room");
    hand_end(h);
}

MODEL_SCENARIO(pool_hand_is_full, .bound = 1)
{
    hand *h = hand_of(1, RECORDS);
    submit_forks(h);
    hand_end(h);
}

/* The room of an open hand is nobody else's. */
static int submits_one(cconc_ctx *ctx, void *arg)
{
    env *e = arg;
    (void)ctx;
    e->err[0] = cconc_pool_try_submit(e->pool, runs, job_new(e, 0));
    return 0;
}

MODEL_SCENARIO(pool_hand_has_its_room, .bound = 1, .max_steps = 6000)
{
    hand *h = hand_new(pool_idle(&(cconc_pool_opts){.workers = 2, .queue_len = 32}), 32);
    h->most = 32;
    MODEL_EQ(cconc_pool_submit(h->e->pool, NULL, submits_one, h->e), 0);
    submit_forks(h);
    hand_end(h);
}

/* A worker's hooks submit, too. The other worker is held. */
typedef struct hooked {
    env   *e;
    record records[2];
    model_word starts;   /* 1: the next on_start submits, and joins */
    model_word is_begun; /* 1: it has submitted */
    model_word stops;    /* 1: the next on_stop submits */
} hooked;

static void submit_hooked(hooked *k, int i)
{
    record *r = &k->records[i];
    r->task.fn = record_runs_alone;
    r->task.arg = r;
    MODEL_EQ(cconc_pool_submit_task(k->e->pool, NULL, &r->task), 0);
}

static void forks_at_start(void *user)
{
    hooked *k = user;
    if (model_get(&k->starts)) {
        submit_hooked(k, 0);
        model_set(&k->is_begun, 1);
        MODEL_EQ(cconc_pool_join(k->e->pool, NULL, &k->records[0].task), CODE);
    }
}

static void forks_at_stop(void *user)
{
    hooked *k = user;
    if (model_get(&k->stops)) {
        model_set(&k->stops, 0);
        submit_hooked(k, 1);
    }
}

static hooked *hooked_new(void)
{
    hooked *k = model_zalloc(sizeof(*k));
    k->e = pool_idle(&(cconc_pool_opts){.workers = 1,
                                        .queue_len = 64,
                                        .on_start = forks_at_start,
                                        .on_stop = forks_at_stop,
                                        .user = k});
    MODEL_EQ(cconc_pool_submit(k->e->pool, NULL, held, job_new(k->e, 0)), 0);
    model_settle();
    return k;
}

/* Who waits for the pool waits for what such a hook has begun. */
MODEL_SCENARIO(pool_hand_of_a_start_hook, .bound = 2)
{
    hooked *k = hooked_new();
    model_set(&k->starts, 1);
    MODEL_EQ(cconc_pool_resize(k->e->pool, 2), 0);
    model_await(&k->is_begun, 1);
    opens(k->e);
    MODEL_EQ(cconc_pool_wait(k->e->pool, NULL), 0);
    MODEL_EQ(k->records[0].ran, 1);
    pool_end(k->e);
    model_free(k);
}

/* What a hook leaves is run by whoever stays. */
MODEL_SCENARIO(pool_hand_of_a_stop_hook, .bound = 2)
{
    hooked *k = hooked_new();
    MODEL_EQ(cconc_pool_resize(k->e->pool, 2), 0);
    model_settle();
    model_set(&k->stops, 1);
    MODEL_EQ(cconc_pool_resize(k->e->pool, 1), 0);
    opens(k->e);
    model_await(&k->records[1].is_run, 1);
    pool_end(k->e);
    MODEL_EQ(k->records[1].ran, 1);
    model_free(k);
}

/* The tasks of a group are records, too. */
static int runs_group(cconc_ctx *ctx, void *arg)
{
    env *e = arg;
    (void)ctx;
    MODEL_EQ(cconc_group_go(e->group, NULL, runs, job_new(e, 0)), 0);
    MODEL_EQ(cconc_group_go(e->group, NULL, runs, job_new(e, 1)), 0);
    MODEL_EQ(cconc_group_wait(e->group, NULL, NULL), 0);
    MODEL_EQ(e->ran[0] + e->ran[1], 2);
    return 0;
}

static void group_in_hand(int workers)
{
    env *e = pool_idle(&(cconc_pool_opts){.workers = workers, .queue_len = 64});
    MODEL_EQ(cconc_group_new(NULL, &(cconc_group_opts){.pool = e->pool}, &e->group), 0);
    MODEL_EQ(cconc_pool_submit(e->pool, NULL, runs_group, e), 0);
    model_rest();
    cconc_group_free(e->group);
    pool_end(e);
}

MODEL_SCENARIO(pool_hand_of_a_group, .exhaustive = true)
{
    group_in_hand(1);
}

MODEL_SCENARIO(pool_hand_of_a_group_meets_the_other_worker, .bound = 2)
{
    group_in_hand(2);
}
