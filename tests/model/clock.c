/* clock.c - interleavings of the virtual clock: it moves while others wait by it, or begin to.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A wait that sleeps on although its time has come, or ends early; something due that is
 *          not released when advance returns, or released out of turn.
 * Method   Scenarios of the deterministic tester: who moves or changes the clock meets who waits,
 *          arms, stops. The real parker is in use: it is what knows of the virtual clock.
 * Catches  T1 T2 T4 T8; rules env-2 time-1 time-2 time-3 time-5 time-6 all-5 proc-1.
 */
#include "model.h"

typedef struct env {
    cconc_ctx *ctx;
    cconc_after *after;
    model_word over;
    int64_t seen_ns[4];
    int64_t ended_ns;
    int ran;
    int err[4];
} env;

/* The library clock stands still from here on. */
static env *env_virtual(void)
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_clock_virtual(), 0);
    return e;
}

static void go_real(void)
{
    MODEL_EQ(cconc_clock_real(), 0);
}

static void advance(int64_t duration_ns)
{
    MODEL_EQ(cconc_clock_advance(duration_ns), 0);
}

/* However late the thread was to begin its wait. */
static void end_its_wait(void)
{
    model_settle();
    advance(1000);
    model_join_all();
}

/* ---- waits ----------------------------------------------------------------------------------- */

static void sleeps_1000(void *arg)
{
    env *e = arg;
    e->err[1] = cconc_ctx_sleep(e->ctx, 1000);
    e->ended_ns = cconc_clock_now();
    model_set(&e->over, 1);
}

/* The sleep began before the clock became virtual, and says so; or it goes by the virtual one. Not
 * in the store-history build: see clock_virtual_meets_readers. */
MODEL_SCENARIO(clock_virtual_meets_sleep, .low = true, .goals = "busy virtual", .covers = "T4",
               .only = MODEL_IN_PLAIN | MODEL_IN_RACE | MODEL_IN_ASAN)
{
    env *e = model_zalloc(sizeof(*e));
    int err;
    model_spawn(sleeps_1000, e);
    err = cconc_clock_virtual();
    if (err) {
        MODEL_EQ(err, EBUSY);
        model_cover("busy");
        model_join_all();
    } else {
        model_cover("virtual");
        end_its_wait();
    }
    MODEL_EQ(e->err[1], 0);
    MODEL_CHECK(e->ended_ns >= MODEL_START + 1000);
    go_real();
}

static void goes_virtual(void *arg)
{
    env *e = arg;
    e->err[0] = cconc_clock_virtual();
    if (e->err[0] == 0) {
        model_settle();
        advance(1000);
    }
}

static void lets_time_pass(void *arg)
{
    (void)arg;
    model_pass(1000);
}

/* A wait that the real clock has ended is over; the sleep is not, if the virtual one is behind:
 *
 *     main                              t1
 *     parks: the clock is real
 *                                       clock_virtual(): it stands at 0, and real time goes on
 *     real time is 1000: leaves
 *                                       nobody is blocked
 *     the virtual clock is at 0
 *
 * Not in the store-history build: see clock_virtual_meets_readers. */
MODEL_SCENARIO(clock_virtual_overtakes_sleep, .low = true, .goals = "busy virtual",
               .only = MODEL_IN_PLAIN | MODEL_IN_RACE | MODEL_IN_ASAN, .bound = 2)
{
    env *e = model_zalloc(sizeof(*e));
    e->seen_ns[0] = cconc_clock_now();
    model_spawn(goes_virtual, e);
    model_spawn(lets_time_pass, e);
    sleeps_1000(e);
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    MODEL_CHECK(e->ended_ns >= e->seen_ns[0] + 1000);
    model_cover(e->err[0] ? "busy" : "virtual");
    go_real();
}

/* Any other wait that the real clock has ended so is over for good: its context ended, whatever the
 * virtual clock says then. A 0 would tell of a value that never came. */
MODEL_SCENARIO(clock_virtual_overtakes_receive, .low = true, .goals = "busy virtual",
               .only = MODEL_IN_PLAIN | MODEL_IN_RACE | MODEL_IN_ASAN, .bound = 2)
{
    env *e = model_zalloc(sizeof(*e));
    cconc_chan *ch = NULL;
    cconc_ctx_mem mem;
    int64_t until_ns = cconc_clock_after(1000);
    cconc_ctx *ctx = cconc_ctx_until(&mem, NULL, until_ns);
    int value = 0;
    MODEL_EQ(cconc_chan_new(sizeof(value), 1, &ch), 0);
    model_spawn(goes_virtual, e);
    model_spawn(lets_time_pass, e);
    MODEL_EQ(cconc_chan_recv(ch, ctx, &value), ETIMEDOUT);
    MODEL_EQ(cconc_ctx_err(ctx), ETIMEDOUT);
    model_join_all();
    model_cover(e->err[0] ? "busy" : "virtual");
    cconc_chan_free(ch);
    go_real();
}

/* The same by the timer of a context, and with permits. */
MODEL_SCENARIO(clock_virtual_overtakes_acquire, .low = true, .goals = "busy virtual",
               .only = MODEL_IN_PLAIN | MODEL_IN_RACE | MODEL_IN_ASAN, .bound = 2)
{
    env *e = model_zalloc(sizeof(*e));
    cconc_sem *sem = NULL;
    MODEL_EQ(cconc_sem_new(1, &sem), 0);
    MODEL_EQ(cconc_sem_acquire(sem, NULL, 1), 0);
    MODEL_EQ(cconc_ctx_with_timeout(NULL, 1000, &e->ctx), 0);
    model_spawn(goes_virtual, e);
    model_spawn(lets_time_pass, e);
    MODEL_EQ(cconc_sem_acquire(sem, e->ctx, 1), ETIMEDOUT);
    MODEL_EQ(cconc_ctx_err(e->ctx), ETIMEDOUT);
    model_join_all();
    model_cover(e->err[0] ? "busy" : "virtual");
    cconc_sem_release(sem, 1);
    cconc_sem_free(sem);
    cconc_ctx_free(e->ctx);
    go_real();
}

/* advance releases the wait, or it begins later and is released by the next one. */
MODEL_SCENARIO(clock_advance_meets_sleep, .low = true, .goals = "slept later", .covers = "T4")
{
    env *e = env_virtual();
    model_spawn(sleeps_1000, e);
    advance(1000);
    model_cover(model_get(&e->over) ? "slept" : "later");
    end_its_wait();
    MODEL_EQ(e->err[1], 0);
    MODEL_CHECK(e->ended_ns == MODEL_START + 1000 || e->ended_ns == MODEL_START + 2000);
    go_real();
}

/* One step short of its time: it sleeps on, whatever it was about to do. */
MODEL_SCENARIO(clock_advance_ends_no_wait_early, .low = true)
{
    env *e = env_virtual();
    model_spawn(sleeps_1000, e);
    advance(999);
    MODEL_EQ(model_get(&e->over), 0);
    model_settle();
    MODEL_EQ(model_get(&e->over), 0);
    MODEL_EQ(cconc_clock_waiters(), 1);
    end_its_wait();
    MODEL_EQ(e->err[1], 0);
    go_real();
}

static void cancels(void *arg)
{
    env *e = arg;
    cconc_ctx_cancel(e->ctx);
}

/* Its context ends in the same moment: one code, and advance does not wait for what has gone. */
MODEL_SCENARIO(clock_advance_meets_cancel, .low = true, .bound = 2, .goals = "slept cancelled",
               .covers = "C15")
{
    env *e = env_virtual();
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(sleeps_1000, e);
    model_settle();
    model_spawn(cancels, e);
    advance(1000);
    model_join_all();
    MODEL_CHECK(e->err[1] == 0 || e->err[1] == ECANCELED);
    model_cover(e->err[1] ? "cancelled" : "slept");
    cconc_ctx_free(e->ctx);
    go_real();
}

/* The clock is to be real again while a wait by the virtual one begins, or is over. */
static void go_real_beside_sleep(env *e)
{
    int err;
    model_spawn(sleeps_1000, e);
    err = cconc_clock_real();
    if (err) {
        MODEL_EQ(err, EBUSY);
        model_cover("busy");
        end_its_wait();
        go_real();
    } else {
        model_cover("real");
        model_join_all();
    }
    MODEL_EQ(e->err[1], 0);
}

MODEL_SCENARIO(clock_real_meets_sleep, .low = true, .goals = "busy real", .covers = "T4")
{
    go_real_beside_sleep(env_virtual());
}

static void reads(void *arg)
{
    env *e = arg;
    e->seen_ns[0] = cconc_clock_now();
}

/* Refused because of a wait that is blocked: nobody sees the real time meanwhile.
 *
 *     main                              t2
 *     clock_real(): it is real
 *                                       cconc_clock_now() is the real time
 *     a wait is blocked: it is virtual
 *     EBUSY                             cconc_clock_now() is behind that */
MODEL_SCENARIO(clock_real_is_refused_unseen, .low = true, .covers = "T1")
{
    env *e = env_virtual();
    model_spawn(sleeps_1000, e);
    model_settle();
    model_pass(5000);
    model_spawn(reads, e);
    MODEL_EQ(cconc_clock_real(), EBUSY);
    end_its_wait();
    MODEL_CHECK(e->seen_ns[0] <= MODEL_START + 1000);
    MODEL_EQ(e->err[1], 0);
    go_real();
}

/* One that begins meanwhile sleeps by the virtual clock, or by the real one, which is ahead and
 * stays. Found by clock_pair_goes_real:
 *
 *     main                              t1
 *     clock_real(): it is real
 *                                       sleeps until 5000 + 1000
 *     a wait is blocked: it is virtual
 *     EBUSY
 *     clock_advance(1000)               sleeps on: the virtual clock is at 1000
 */
MODEL_SCENARIO(clock_real_meets_sleep_and_is_ahead, .low = true, .goals = "busy real",
               .covers = "T1 T4")
{
    env *e = env_virtual();
    model_pass(5000);
    go_real_beside_sleep(e);
}

static void reads_twice(void *arg)
{
    env *e = arg;
    e->seen_ns[0] = cconc_clock_now();
    e->seen_ns[1] = cconc_clock_now();
    e->seen_ns[2] = cconc_clock_after(5);
}

static void lets_time_pass_and_reads(void *arg)
{
    model_pass(1000);
    reads_twice(arg);
}

/* Nor does it fall when the real clock is frozen, while its time passes:
 *
 *     main                              t1
 *     clock_virtual(): real time is 0
 *                                       cconc_clock_now() is 1000
 *     the clock stands at 0, virtual
 *                                       cconc_clock_now() is 0
 *
 * What orders the look at the flag behind the reading is that reading, which asks the system; the
 * store-history build does not know that. */
MODEL_SCENARIO(clock_virtual_meets_readers, .low = true, .exhaustive = true,
               .only = MODEL_IN_PLAIN | MODEL_IN_RACE | MODEL_IN_ASAN,
               .goals = "frozen_before frozen_after")
{
    env *e = model_zalloc(sizeof(*e));
    model_spawn(lets_time_pass_and_reads, e);
    MODEL_EQ(cconc_clock_virtual(), 0);
    model_join_all();
    MODEL_CHECK(e->seen_ns[0] <= e->seen_ns[1] && e->seen_ns[1] <= e->seen_ns[2] - 5);
    MODEL_CHECK(e->seen_ns[2] - 5 <= cconc_clock_now());
    model_cover(cconc_clock_now() == MODEL_START ? "frozen_before" : "frozen_after");
    go_real();
}

/* The reading never falls, and is at none but the due times on the way. */
MODEL_SCENARIO(clock_advance_meets_readers, .low = true, .exhaustive = true,
               .goals = "before between after")
{
    env *e = env_virtual();
    model_spawn(reads_twice, e);
    advance(1000);
    model_join_all();
    MODEL_CHECK(e->seen_ns[0] <= e->seen_ns[1] && e->seen_ns[1] <= e->seen_ns[2] - 5);
    MODEL_CHECK(e->seen_ns[0] == MODEL_START || e->seen_ns[0] == MODEL_START + 1000);
    MODEL_CHECK(e->seen_ns[1] == MODEL_START || e->seen_ns[1] == MODEL_START + 1000);
    model_cover(e->seen_ns[0] == MODEL_START + 1000 ? "after"
                : e->seen_ns[1] == MODEL_START      ? "before"
                                                    : "between");
    go_real();
}

static void advances(void *arg)
{
    env *e = arg;
    e->err[1] = cconc_clock_advance(1000);
}

/* Two move it: one after the other, or the second one is told. */
MODEL_SCENARIO(clock_two_advance, .low = true, .exhaustive = true, .goals = "one both")
{
    env *e = env_virtual();
    model_spawn(advances, e);
    e->err[0] = cconc_clock_advance(1000);
    model_join_all();
    MODEL_CHECK((e->err[0] == 0 || e->err[0] == EBUSY) && (e->err[1] == 0 || e->err[1] == EBUSY));
    MODEL_CHECK(e->err[0] == 0 || e->err[1] == 0);
    MODEL_EQ(cconc_clock_now(), MODEL_START + (e->err[0] == e->err[1] ? 2000 : 1000));
    model_cover(e->err[0] == e->err[1] ? "both" : "one");
    go_real();
}

static void notes(void *arg)
{
    env *e = arg;
    e->seen_ns[e->ran] = cconc_clock_now();
    e->ran++;
}

/* A context with a deadline: when advance is back it is done, and its function has returned. */
MODEL_SCENARIO(clock_advance_ends_a_context, .low = true, .bound = 2, .covers = "C1")
{
    env *e = env_virtual();
    MODEL_EQ(cconc_ctx_with_timeout(NULL, 1000, &e->ctx), 0);
    MODEL_EQ(cconc_ctx_after_func(e->ctx, notes, e, &e->after), 0);
    advance(999);
    MODEL_EQ(cconc_ctx_err(e->ctx), 0);
    advance(1);
    MODEL_EQ(cconc_ctx_err(e->ctx), ETIMEDOUT);
    MODEL_EQ(e->ran, 1);
    MODEL_EQ(e->seen_ns[0], MODEL_START + 1000);
    model_rest();
    cconc_after_free(e->after);
    cconc_ctx_free(e->ctx);
    go_real();
}

/* A child goes on with a clock that stands where it stood; nobody moves it there. */
MODEL_SCENARIO(clock_fork_meets_advance, .low = true, .covers = "X3")
{
    env *e = env_virtual();
    model_spawn(advances, e);
    model_fork();
    MODEL_EQ(cconc_fork_child(), 0);
    e->ended_ns = cconc_clock_now();
    MODEL_CHECK(e->ended_ns == MODEL_START || e->ended_ns == MODEL_START + 1000);
    advance(500);
    MODEL_EQ(cconc_clock_now(), e->ended_ns + 500);
    go_real();
}
