/* sem_history.c - do the operations of a semaphore look as if each had happened in one moment?
 * SPDX-License-Identifier: MIT
 *
 * Risk     A try that is refused though permits were there all the time, a number of free permits
 *          that there never was, a resize that is half done for others.
 * Method   Scenarios of the deterministic tester that compare with a sequential semaphore; and some
 *          with faults that the tester chooses.
 * Catches  Freezes and thaws that show in between, loads that are not one with the swap.
 */
#include "model.h"

enum { OP_TRY, OP_ACQUIRE, OP_RELEASE, OP_RESIZE, OP_AVAILABLE };

typedef struct permits {
    int64_t capacity;
    int64_t available;
} permits;

static void permits_init(void *state)
{
    *(permits *)state = (permits){2, 2};
}

/* Who waits does not show here: an acquire is where it gets its permits, and a try may be refused
 * as long as one is under way; so no scenario has both. */
static bool permits_apply(void *state, int op, int64_t arg, int code, int64_t value)
{
    permits *p = state;
    switch (op) {
    case OP_TRY:
        if (code != 0) {
            return code == EAGAIN && arg > p->available;
        }
        p->available -= arg;
        return p->available >= 0;
    case OP_ACQUIRE:
        p->available -= arg;
        return code == 0 && p->available >= 0;
    case OP_RELEASE:
        p->available += arg;
        return p->available <= p->capacity;
    case OP_RESIZE:
        p->available += arg - p->capacity;
        p->capacity = arg;
        return true;
    default:
        return value == p->available;
    }
}

static const model_spec permits_spec = {sizeof(permits), permits_init, permits_apply};

static int does(cconc_sem *sem, int op, int64_t n)
{
    uint32_t id = model_begin(op, n);
    int64_t value = 0;
    int code = 0;
    switch (op) {
    case OP_TRY:
        code = cconc_sem_try_acquire(sem, n);
        break;
    case OP_ACQUIRE:
        code = cconc_sem_acquire(sem, NULL, n);
        break;
    case OP_RELEASE:
        cconc_sem_release(sem, n);
        break;
    case OP_RESIZE:
        code = cconc_sem_resize(sem, n);
        break;
    default:
        value = cconc_sem_available(sem);
        break;
    }
    model_end(id, code, value);
    return code;
}

static cconc_sem *sem_new(void)
{
    cconc_sem *sem;
    MODEL_EQ(cconc_sem_new(2, &sem), 0);
    return sem;
}

static void sem_end(cconc_sem *sem)
{
    model_join_all();
    (void)does(sem, OP_AVAILABLE, 0);
    model_check_history(&permits_spec);
    cconc_sem_free(sem);
}

static void tries_two_and_releases(void *arg)
{
    if (does(arg, OP_TRY, 2) == 0) {
        (void)does(arg, OP_RELEASE, 1);
        (void)does(arg, OP_RELEASE, 1);
    }
}

static void tries_one_and_releases(void *arg)
{
    if (does(arg, OP_TRY, 1) == 0) {
        (void)does(arg, OP_RELEASE, 1);
    }
}

MODEL_SCENARIO(sem_history_of_tries, .exhaustive = true, .covers = "S4 H24")
{
    cconc_sem *sem = sem_new();
    model_spawn(tries_two_and_releases, sem);
    tries_one_and_releases(sem);
    sem_end(sem);
}

MODEL_SCENARIO(sem_history_with_failing_swaps, .faults = MODEL_CAS, .covers = "S9")
{
    cconc_sem *sem = sem_new();
    model_spawn(tries_two_and_releases, sem);
    tries_one_and_releases(sem);
    sem_end(sem);
}

static void acquires_two_and_releases(void *arg)
{
    (void)does(arg, OP_ACQUIRE, 2);
    (void)does(arg, OP_RELEASE, 2);
}

static void acquires_one_and_releases(void *arg)
{
    (void)does(arg, OP_ACQUIRE, 1);
    (void)does(arg, OP_RELEASE, 1);
}

MODEL_SCENARIO(sem_history_of_acquires, .covers = "H20")
{
    cconc_sem *sem = sem_new();
    model_spawn(acquires_two_and_releases, sem);
    model_spawn(acquires_one_and_releases, sem);
    (void)does(sem, OP_AVAILABLE, 0);
    sem_end(sem);
}

static void resizes(void *arg)
{
    (void)does(arg, OP_RESIZE, 1);
}

/* The word goes to the lock and back while others try; nobody sees it half way. */
MODEL_SCENARIO(sem_history_of_a_resize, .covers = "W4")
{
    cconc_sem *sem = sem_new();
    model_spawn(resizes, sem);
    model_spawn(tries_one_and_releases, sem);
    tries_two_and_releases(sem);
    sem_end(sem);
}

static void acquires(void *arg)
{
    MODEL_EQ(cconc_sem_acquire(arg, NULL, 2), 0);
    cconc_sem_release(arg, 2);
}

MODEL_SCENARIO(sem_spins, .cpus = MODEL_ANY_CPUS, .covers = "S11")
{
    cconc_sem *sem = sem_new();
    MODEL_EQ(cconc_sem_try_acquire(sem, 1), 0);
    model_spawn(acquires, sem);
    cconc_sem_release(sem, 1);
    model_join_all();
    MODEL_EQ(cconc_sem_available(sem), 2);
    cconc_sem_free(sem);
}

MODEL_SCENARIO(sem_woken_for_nothing, .low = true, .faults = MODEL_SPURIOUS, .covers = "S6")
{
    cconc_sem *sem = sem_new();
    MODEL_EQ(cconc_sem_try_acquire(sem, 1), 0);
    model_spawn(acquires, sem);
    cconc_sem_release(sem, 1);
    model_join_all();
    MODEL_EQ(cconc_sem_available(sem), 2);
    cconc_sem_free(sem);
}

MODEL_SCENARIO(sem_new_without_memory, .exhaustive = true, .faults = MODEL_NO_MEMORY,
               .covers = "X4", .goals = "failed made")
{
    cconc_sem *sem = NULL;
    int err = cconc_sem_new(2, &sem);
    MODEL_EQ(err, model_had_fault(MODEL_NO_MEMORY) ? ENOMEM : 0);
    model_cover(err ? "failed" : "made");
    if (err) {
        MODEL_CHECK(!sem);
        MODEL_EQ(cconc_sem_new(2, &sem), 0);
    }
    model_spawn(acquires, sem);
    model_join_all();
    cconc_sem_free(sem);
}

/* In a forked child what is free can be had, and a wait is told that nobody will end it; unless the
 * other thread had the lock at that moment. */
MODEL_SCENARIO(sem_in_a_child, .covers = "X3", .goals = "told had")
{
    cconc_sem *sem = sem_new();
    int err;
    model_spawn(acquires, sem);
    model_may_fail(MODEL_MISUSE);
    model_fork();
    err = cconc_sem_acquire(sem, NULL, 1);
    MODEL_CHECK(err == 0 || err == ENOTRECOVERABLE);
    model_cover(err ? "told" : "had");
}
