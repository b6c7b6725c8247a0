/* sem.c - interleavings of semaphores.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A permit that is lost or handed out twice, a waiter who sleeps though its permits are
 *          there, a grant that dies with a wait that ends, an order that is not kept.
 * Method   Scenarios of the deterministic tester, two to four threads each; two compare with a
 *          sequential semaphore.
 * Catches  Waiters who are not looked for when the front one leaves, when permits come back one by
 *          one, or when the capacity changes; permits left in the word while somebody queues.
 */
#include "model.h"

typedef struct env {
    cconc_sem *sem;
    cconc_ctx *ctx;
    cconc_ctx_mem mem;
    cconc_ctx *until;   /* the acquirer's context, in mem */
    int64_t n[4];
    int err[4];
    size_t waiters;
} env;

static env *env_new(int64_t capacity, int64_t held)
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_sem_new(capacity, &e->sem), 0);
    if (held > 0) {
        MODEL_EQ(cconc_sem_try_acquire(e->sem, held), 0);
    }
    return e;
}

/* All have come back: nothing is lost, nothing is there twice. */
static void env_end(env *e, int64_t held)
{
    model_join_all();
    MODEL_EQ(cconc_sem_waiters(e->sem), 0);
    MODEL_EQ(cconc_sem_available(e->sem), cconc_sem_capacity(e->sem) - held);
    cconc_ctx_free(e->ctx);
    cconc_sem_free(e->sem);
}

static void acquires(void *arg)
{
    env *e = arg;
    e->err[1] = cconc_sem_acquire(e->sem, NULL, e->n[1]);
}

static void acquires_second(void *arg)
{
    env *e = arg;
    e->err[2] = cconc_sem_acquire(e->sem, NULL, e->n[2]);
}

static void acquires_in_ctx(void *arg)
{
    env *e = arg;
    e->err[1] = cconc_sem_acquire(e->sem, e->ctx, e->n[1]);
}

static void acquires_until(void *arg)
{
    env *e = arg;
    e->err[1] = cconc_sem_acquire(e->sem, e->until, e->n[1]);
}

static void cancels(void *arg)
{
    env *e = arg;
    cconc_ctx_cancel(e->ctx);
}

static void releases_one(void *arg)
{
    env *e = arg;
    cconc_sem_release(e->sem, 1);
}

static void tries_one(void *arg)
{
    env *e = arg;
    e->err[2] = cconc_sem_try_acquire(e->sem, 1);
}

static void cover_waiters(env *e, const char *none, const char *some)
{
    model_cover(cconc_sem_waiters(e->sem) == 0 ? none : some);
}

/* The thread ends right after its acquire: its waiter is gone, and release may still be at work. */
MODEL_SCENARIO(sem_release_meets_acquire, .exhaustive = true, .covers = "S5",
               .goals = "before asleep")
{
    env *e = env_new(1, 1);
    e->n[1] = 1;
    model_spawn(acquires, e);
    cover_waiters(e, "before", "asleep");
    cconc_sem_release(e->sem, 1);
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    env_end(e, 1);
}

MODEL_SCENARIO(sem_two_waiters_two_releases, .covers = "S3 S14", .goals = "both none")
{
    env *e = env_new(2, 2);
    e->n[1] = 1;
    e->n[2] = 1;
    model_spawn(acquires, e);
    model_spawn(acquires_second, e);
    e->waiters = cconc_sem_waiters(e->sem);
    if (e->waiters != 1) {
        model_cover(e->waiters == 2 ? "both" : "none");
    }
    cconc_sem_release(e->sem, 1);
    cconc_sem_release(e->sem, 1);
    model_join_all();
    MODEL_EQ(e->err[1] | e->err[2], 0);
    env_end(e, 2);
}

/* The same with the releases at the same time. */
MODEL_SCENARIO(sem_two_releases_at_once, .covers = "S3")
{
    env *e = env_new(2, 2);
    e->n[1] = 1;
    model_spawn(acquires, e);
    model_spawn(releases_one, e);
    cconc_sem_release(e->sem, 1);
    MODEL_EQ(cconc_sem_acquire(e->sem, NULL, 1), 0);
    env_end(e, 2);
}

/* One permit is free, the front wants three: when it goes, the one behind it fits. */
MODEL_SCENARIO(sem_front_waiter_cancelled, .exhaustive = true, .covers = "S1 H19",
               .goals = "behind ahead")
{
    env *e = env_new(3, 2);
    e->n[1] = 3;
    e->n[2] = 1;
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(acquires_in_ctx, e);
    model_spawn(acquires_second, e);
    cover_waiters(e, "ahead", "behind");
    cconc_ctx_cancel(e->ctx);
    model_join_all();
    MODEL_EQ(e->err[1], ECANCELED);
    MODEL_EQ(e->err[2], 0);
    env_end(e, 3);
}

/* The same with time instead of a cancellation. */
MODEL_SCENARIO(sem_front_waiter_times_out, .covers = "S1 S8 H19", .goals = "behind ahead")
{
    env *e = env_new(3, 2);
    e->n[1] = 3;
    e->n[2] = 1;
    e->until = cconc_ctx_until(&e->mem, NULL, MODEL_START + 10);
    model_spawn(acquires_until, e);
    model_spawn(acquires_second, e);
    cover_waiters(e, "ahead", "behind");
    model_join_all();
    MODEL_EQ(e->err[1], ETIMEDOUT);
    MODEL_EQ(e->err[2], 0);
    MODEL_CHECK(model_now() >= MODEL_START + 10);
    env_end(e, 3);
}

/* Whoever times out has nothing and left nothing behind: it can wait again, and is served. */
MODEL_SCENARIO(sem_timeout_meets_release, .exhaustive = true, .covers = "S8 S12 H20",
               .goals = "granted late")
{
    env *e = env_new(1, 1);
    e->until = cconc_ctx_until(&e->mem, NULL, MODEL_START + 10);
    model_spawn(releases_one, e);
    e->err[0] = cconc_sem_acquire(e->sem, e->until, 1);
    if (e->err[0] != 0) {
        MODEL_EQ(e->err[0], ETIMEDOUT);
        MODEL_EQ(cconc_ctx_err(e->until), ETIMEDOUT);
        MODEL_CHECK(model_now() >= MODEL_START + 10);
        MODEL_EQ(cconc_sem_acquire(e->sem, NULL, 1), 0);
    }
    model_cover(e->err[0] ? "late" : "granted");
    env_end(e, 1);
}

MODEL_SCENARIO(sem_cancel_meets_release, .exhaustive = true, .covers = "S2 H20",
               .goals = "granted cancelled")
{
    env *e = env_new(1, 1);
    e->n[1] = 1;
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(acquires_in_ctx, e);
    model_spawn(cancels, e);
    cconc_sem_release(e->sem, 1);
    model_join_all();
    MODEL_CHECK(e->err[1] == 0 || e->err[1] == ECANCELED);
    model_cover(e->err[1] ? "cancelled" : "granted");
    env_end(e, e->err[1] ? 0 : 1);
}

static void uses_in_ctx(void *arg)
{
    env *e = arg;
    acquires_in_ctx(e);
    if (e->err[1] == 0) {
        cconc_sem_release(e->sem, 1);
    }
}

/* A grant that meets the end of its context goes to the next in line. */
MODEL_SCENARIO(sem_lost_grant_goes_on, .bound = 2, .covers = "H19 H20 S1",
               .goals = "granted passed_on")
{
    env *e = env_new(1, 1);
    e->n[1] = 1;
    e->n[2] = 1;
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(uses_in_ctx, e);
    model_spawn(acquires_second, e);
    model_spawn(cancels, e);
    cconc_sem_release(e->sem, 1);
    model_join_all();
    MODEL_EQ(e->err[2], 0);
    model_cover(e->err[1] ? "passed_on" : "granted");
    env_end(e, 1);
}

static void acquires_and_notes(void *arg)
{
    env *e = arg;
    MODEL_EQ(cconc_sem_acquire(e->sem, NULL, 1), 0);
    MODEL_EQ(e->err[3], 0); /* under the semaphore */
    e->err[3] = 1;
    e->n[3]++;
    e->err[3] = 0;
    cconc_sem_release(e->sem, 1);
}

/* As a mutex: what was done before release is there after acquire, and only one is inside. */
MODEL_SCENARIO(sem_excludes, .exhaustive = true, .covers = "S7")
{
    env *e = env_new(1, 0);
    model_spawn(acquires_and_notes, e);
    model_spawn(acquires_and_notes, e);
    model_join_all();
    MODEL_EQ(e->n[3], 2);
    env_end(e, 0);
}

MODEL_SCENARIO(sem_resize_wakes, .exhaustive = true, .goals = "before asleep")
{
    env *e = env_new(1, 1);
    e->n[1] = 1;
    model_spawn(acquires, e);
    cover_waiters(e, "before", "asleep");
    MODEL_EQ(cconc_sem_resize(e->sem, 2), 0);
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    env_end(e, 2);
}

static void notes_and_releases(void *arg)
{
    env *e = arg;
    e->n[3] = 7;
    cconc_sem_release(e->sem, 1);
}

static void acquires_and_reads(void *arg)
{
    env *e = arg;
    e->err[1] = cconc_sem_acquire(e->sem, NULL, 1);
    e->n[1] = e->n[3];
}

/* The permit goes into the word by way of the lock: what came before its release goes with it. */
MODEL_SCENARIO(sem_release_meets_resize, .covers = "S9 S16")
{
    env *e = env_new(1, 1);
    model_spawn(notes_and_releases, e);
    model_spawn(acquires_and_reads, e);
    MODEL_EQ(cconc_sem_resize(e->sem, 1), 0);
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    MODEL_EQ(e->n[1], 7);
    env_end(e, 1);
}

/* Permits in the word while the capacity sinks: what is held stays held. */
MODEL_SCENARIO(sem_resize_down_meets_try, .exhaustive = true, .goals = "held refused")
{
    env *e = env_new(1, 0);
    model_spawn(tries_one, e);
    MODEL_EQ(cconc_sem_resize(e->sem, 0), 0);
    model_join_all();
    MODEL_EQ(cconc_sem_available(e->sem), e->err[2] == 0 ? -1 : 0);
    if (e->err[2] == 0) {
        model_cover("held");
        MODEL_EQ(cconc_sem_try_acquire(e->sem, 0), 0);
    } else {
        model_cover("refused");
        MODEL_EQ(e->err[2], EAGAIN);
    }
    env_end(e, e->err[2] == 0 ? 1 : 0);
}

/* Who asks for more than there ever is keeps its place and blocks nobody, until there is more. */
MODEL_SCENARIO(sem_wish_above_capacity, .goals = "queued later")
{
    env *e = env_new(1, 0);
    e->n[1] = 2;
    e->n[2] = 1;
    MODEL_EQ(cconc_sem_resize(e->sem, 1), 0);
    model_spawn(acquires, e);
    model_spawn(acquires_second, e);
    cover_waiters(e, "later", "queued");
    MODEL_EQ(cconc_sem_resize(e->sem, 3), 0);
    model_join_all();
    MODEL_EQ(e->err[1] | e->err[2], 0);
    env_end(e, 3);
}

/* Refused at once while the capacity was never changed, and even a done context does not win. */
MODEL_SCENARIO(sem_vain_wish_meets_resize, .exhaustive = true, .goals = "vain queued")
{
    env *e = env_new(1, 0);
    e->n[1] = 2;
    model_spawn(acquires, e);
    MODEL_EQ(cconc_sem_resize(e->sem, 2), 0);
    model_join_all();
    MODEL_CHECK(e->err[1] == 0 || e->err[1] == EINVAL);
    model_cover(e->err[1] ? "vain" : "queued");
    env_end(e, e->err[1] ? 0 : 2);
}

/* More is given back than was held: one of the two aborts, whichever comes second. */
MODEL_SCENARIO(sem_release_too_many, .exhaustive = true)
{
    env *e = env_new(2, 1);
    model_spawn(releases_one, e);
    model_expect(MODEL_MISUSE);
    cconc_sem_release(e->sem, 1);
    model_join_all();
    MODEL_CHECK(false);
}

/* Somebody queues for all: nobody who comes later gets the one that is free. */
MODEL_SCENARIO(sem_try_does_not_overtake, .exhaustive = true, .covers = "S7 H24",
               .goals = "first behind")
{
    env *e = env_new(2, 1);
    e->n[1] = 2;
    model_spawn(acquires, e);
    e->waiters = cconc_sem_waiters(e->sem);
    e->err[2] = cconc_sem_try_acquire(e->sem, 1);
    if (e->err[2] == 0) {
        MODEL_EQ(e->waiters, 0);
        cconc_sem_release(e->sem, 1);
    }
    model_cover(e->err[2] == 0 ? "first" : "behind");
    cconc_sem_release(e->sem, 1);
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    env_end(e, 2);
}

static void acquires_big(void *arg)
{
    env *e = arg;
    e->err[1] = cconc_sem_acquire(e->sem, NULL, 2);
    e->n[3] = e->n[3] * 10 + 1;
    cconc_sem_release(e->sem, 2);
}

static void acquires_small(void *arg)
{
    env *e = arg;
    e->err[2] = cconc_sem_acquire(e->sem, NULL, 1);
    e->n[3] = e->n[3] * 10 + 2;
    cconc_sem_release(e->sem, 1);
}

/* The big request came first: the small one waits behind it though it would fit. */
MODEL_SCENARIO(sem_big_one_is_not_starved, .covers = "S7")
{
    env *e = env_new(2, 1);
    model_spawn(acquires_big, e);
    model_until_parked(1);
    model_spawn(acquires_small, e);
    model_until_parked(2);
    MODEL_EQ(cconc_sem_available(e->sem), 1);
    cconc_sem_release(e->sem, 1);
    model_join_all();
    MODEL_EQ(e->err[1] | e->err[2], 0);
    MODEL_EQ(e->n[3], 12);
    env_end(e, 0);
}

/* n = 0 takes nothing, and waits for those before it. */
MODEL_SCENARIO(sem_zero_waits_in_line, .goals = "alone behind")
{
    env *e = env_new(1, 1);
    e->n[1] = 1;
    e->n[2] = 0;
    model_spawn(acquires, e);
    model_spawn(acquires_second, e);
    e->waiters = cconc_sem_waiters(e->sem);
    if (e->waiters != 1) {
        model_cover(e->waiters == 0 ? "alone" : "behind");
    }
    cconc_sem_release(e->sem, 1);
    model_join_all();
    MODEL_EQ(e->err[1] | e->err[2], 0);
    env_end(e, 1);
}
