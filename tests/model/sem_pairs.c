/* sem_pairs.c - any call on a semaphore beside any other
 * SPDX-License-Identifier: MIT
 *
 * Risk     Two calls that nobody thought of together: one that freezes the word only to look, one
 *          that leaves the permits where the third call does not find them.
 * Method   Each call meets each on another thread, on semaphores of one and two permits that are
 *          free, or held. What waits ends by time, or is cancelled once nobody can go on: then
 *          those who wait must have a reason to. Afterwards no permit is lost or there
 *          twice, nobody is queued, and the semaphore still does what a new one does.
 * Catches  A count that one of the ways out of a call does not put right; a wish that stays queued;
 *          somebody who sleeps though the permits are there.
 */
#include "limit.h"

enum { GROWN = 3 };

/* A thread that makes one call. */
typedef struct caller {
    cconc_sem *sem;
    cconc_ctx *own;      /* can be cancelled */
    cconc_ctx *ctx;      /* the same, or one below it that ends by time */
    int64_t    capacity; /* with which sem was made */
    int64_t    held;     /* permits, from the start or by the call */
    bool       is_over;
    void     (*call)(struct caller *c);
    struct caller *next; /* of all, in a circle */
} caller;

static void acquires_n(caller *c, int64_t n)
{
    int err = cconc_sem_acquire(c->sem, c->ctx, n);
    MODEL_CHECK(err == 0 || err == ETIMEDOUT || err == ECANCELED ||
                (n > c->capacity && err == EINVAL));
    MODEL_CHECK(err == 0 || err == EINVAL || cconc_ctx_err(c->ctx) == err);
    c->held += err ? 0 : n;
}

static void tries_n(caller *c, int64_t n)
{
    int err = cconc_sem_try_acquire(c->sem, n);
    MODEL_CHECK(err == 0 || err == EAGAIN || (n > c->capacity && err == EINVAL));
    c->held += err ? 0 : n;
}

static void acquires(caller *c)
{
    acquires_n(c, 1);
}

static void acquires_two(caller *c)
{
    acquires_n(c, 2);
}

static void acquires_none(caller *c)
{
    acquires_n(c, 0);
}

static void tries(caller *c)
{
    tries_n(c, 1);
}

static void tries_two(caller *c)
{
    tries_n(c, 2);
}

/* What it has held from the start, or else what it gets now. */
static void releases(caller *c)
{
    if (c->held == 0) {
        tries(c);
    }
    cconc_sem_release(c->sem, c->held);
    c->held = 0;
}

static void grows(caller *c)
{
    MODEL_EQ(cconc_sem_resize(c->sem, GROWN), 0);
}

static void shrinks(caller *c)
{
    MODEL_EQ(cconc_sem_resize(c->sem, 0), 0);
}

static void looks_at_available(caller *c)
{
    int64_t available = cconc_sem_available(c->sem);
    MODEL_CHECK(available >= -GROWN && available <= GROWN);
}

static void looks_at_capacity(caller *c)
{
    int64_t capacity = cconc_sem_capacity(c->sem);
    MODEL_CHECK(capacity == c->capacity || capacity == GROWN || capacity == 0);
}

static void counts_waiters(caller *c)
{
    MODEL_CHECK(cconc_sem_waiters(c->sem) <= 2);
}

/* No call on the semaphore, but one that those who wait can meet. */
static void cancels_next(caller *c)
{
    cconc_ctx_cancel(c->next->own);
}

static void (*const calls[])(caller *c) = {
    acquires, acquires_two, acquires_none,      tries,             tries_two,      releases,
    grows,    shrinks,      looks_at_available, looks_at_capacity, counts_waiters, cancels_next,
};

enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static void makes_its_call(void *arg)
{
    caller *c = arg;
    c->call(c);
    c->is_over = true;
}

/* What a caller may wait for, or -1. */
static int64_t wish_of(const caller *c)
{
    if (c->call == acquires_none) {
        return 0;
    }
    if (c->call == acquires) {
        return 1;
    }
    return c->call == acquires_two ? 2 : -1;
}

/* When nobody can go on, one of those who wait wants more than is available, and the others queue
 * behind it; or all want more than there ever is. */
static void must_wait_for_a_reason(caller *const all[], uint32_t count)
{
    int64_t available = cconc_sem_available(all[0]->sem);
    int64_t capacity = cconc_sem_capacity(all[0]->sem);
    bool has_reason = false;
    uint32_t waiters = 0;
    uint32_t vain = 0;
    for (uint32_t i = 0; i < count; i++) {
        int64_t wish = all[i]->is_over ? -1 : wish_of(all[i]);
        waiters += !all[i]->is_over;
        vain += wish > capacity;
        has_reason = has_reason || (wish > available && wish <= capacity);
    }
    MODEL_EQ(cconc_sem_waiters(all[0]->sem), waiters);
    MODEL_CHECK(waiters == vain || has_reason);
}

/* A caller that holds so many permits. */
static caller *caller_new(cconc_sem *sem, int64_t held)
{
    caller *c = model_zalloc(sizeof(*c));
    c->sem = sem;
    c->capacity = cconc_sem_capacity(sem);
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &c->own), 0);
    if (held > 0) {
        MODEL_EQ(cconc_sem_try_acquire(sem, held), 0);
        c->held = held;
    }
    return c;
}

/* Nobody is queued, and as many permits can be had and given back as there are. */
static void must_be_as_new(cconc_sem *sem)
{
    int64_t capacity = cconc_sem_capacity(sem);
    MODEL_EQ(cconc_sem_waiters(sem), 0);
    MODEL_EQ(cconc_sem_available(sem), capacity);
    for (int64_t i = 0; i < capacity; i++) {
        MODEL_EQ(cconc_sem_try_acquire(sem, 1), 0);
    }
    MODEL_EQ(cconc_sem_try_acquire(sem, 1), EAGAIN);
    MODEL_EQ(cconc_sem_acquire(sem, limit(NULL, 2 * CCONC_MS), 1), ETIMEDOUT);
    cconc_sem_release(sem, capacity);
    MODEL_EQ(cconc_sem_acquire(sem, limit(NULL, 3 * CCONC_MS), capacity), 0);
    cconc_sem_release(sem, capacity);
    MODEL_EQ(cconc_sem_available(sem), capacity);
}

/* Let all come to an end: by time, or one after the other, with a look each time. */
static void end_all(caller *const all[], uint32_t count, bool is_timed)
{
    for (uint32_t i = 0; i < count && !is_timed; i++) {
        model_settle();
        must_wait_for_a_reason(all, count);
        cconc_ctx_cancel(all[i]->own);
    }
    model_join_all();
    model_rest();
}

static void meet(void (*call)(caller *c), uint32_t count)
{
    int64_t capacity = 1 + model_choose(2);
    int64_t held = model_choose(2);
    bool is_timed = false;
    int64_t sum = 0;
    cconc_sem *sem = NULL;
    caller *all[3];
    MODEL_EQ(cconc_sem_new(capacity, &sem), 0);
    for (uint32_t i = 0; i < count; i++) {
        all[i] = caller_new(sem, i < capacity ? held : 0);
        all[i]->call = i == 0 ? call : calls[model_choose(CALLS)];
        is_timed = is_timed || wish_of(all[i]) >= 0;
    }
    is_timed = is_timed && model_choose(2) == 1;
    for (uint32_t i = 0; i < count; i++) {
        all[i]->next = all[(i + 1) % count];
        all[i]->ctx = is_timed ? limit(all[i]->own, CCONC_MS) : all[i]->own;
    }
    for (uint32_t i = 0; i < count; i++) {
        model_spawn(makes_its_call, all[i]);
    }
    end_all(all, count, is_timed);
    for (uint32_t i = 0; i < count; i++) {
        sum += all[i]->held;
        cconc_ctx_free(all[i]->own);
    }
    MODEL_EQ(cconc_sem_waiters(sem), 0);
    MODEL_EQ(cconc_sem_available(sem), cconc_sem_capacity(sem) - sum);
    cconc_sem_release(sem, sum);
    must_be_as_new(sem);
    cconc_sem_free(sem);
}

#define SEM_PAIR(call)                                                                             \
    MODEL_SCENARIO(sem_pair_##call, .bound = 2, .covers = "S1 S3 S8 H20")                          \
    {                                                                                              \
        meet(call, 2);                                                                             \
    }

SEM_PAIR(acquires)
SEM_PAIR(acquires_two)
SEM_PAIR(acquires_none)
SEM_PAIR(tries)
SEM_PAIR(tries_two)
SEM_PAIR(releases)
SEM_PAIR(grows)
SEM_PAIR(shrinks)
SEM_PAIR(looks_at_available)
SEM_PAIR(looks_at_capacity)
SEM_PAIR(counts_waiters)
SEM_PAIR(cancels_next)

MODEL_SCENARIO(sem_any_three, .bound = 1, .covers = "S1 S3 S8 H20")
{
    meet(calls[model_choose(CALLS)], 3);
}
