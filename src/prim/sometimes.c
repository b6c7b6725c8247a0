/* sometimes.c - which calls run, one after the other
 * SPDX-License-Identifier: MIT
 *
 * Idea        A semaphore of one permit lets one caller in, who counts itself, asks the filters,
 *             and runs the function. It is a mutex that can be given up waiting for.
 * Invariants  I1 Whoever has the permit has all the fields.
 * Locks       None but the semaphore's. The function runs with the permit, and no lock.
 * Ordering    The semaphore's.
 * Lifetime    The caller's handle.
 * Rejected    Counting by atomics: an interval and a count together are no word. */
#include <cconc/sometimes.h>

#include <cconc/sem.h>

#include "core/must.h"
#include "core/node.h"
#include "core/self.h"
#include "plat/alloc.h"
#include "plat/clock.h"
#include "plat/thread.h"

#include <errno.h>

/* Key  (i) immutable after new  (m) under the permit */
struct cconc_sometimes {
    cconc_sem *permit;      /* (i) */
    uint64_t   first;       /* (i) */
    uint64_t   every;       /* (i) */
    int64_t    interval_ns; /* (i) */
    uint64_t   calls;       /* (m) that were let in before */
    int64_t    next_ns;     /* (m) from when on the interval lets a call through */
};

/* One call that runs its function. */
typedef struct some_run {
    cconc_sometimes *s;
    void (*fn)(void *arg);
    void     *arg;
    bool      has_begun;
    self_task frame;
} some_run;

int cconc_sometimes_new(const cconc_sometimes_opts *opts, cconc_sometimes **out_sometimes)
{
    MUST_ALIGN(opts, cconc_sometimes_opts);
    MUST_ALIGN(out_sometimes, cconc_sometimes *);
    static const cconc_sometimes_opts once = {0, 0, 0, {0}};
    cconc_sometimes *s;
    opts = opts ? opts : &once;
    if (!out_sometimes || opts->interval_ns < 0 || !reserved_are_zero(opts->reserved, 4)) {
        return EINVAL;
    }
    s = cconc__alloc(sizeof(*s));
    if (!s) {
        return ENOMEM;
    }
    if (cconc_sem_new(1, &s->permit) != 0) {
        cconc__alloc_free(s);
        return ENOMEM;
    }
    s->first = opts->first;
    s->every = opts->every;
    s->interval_ns = opts->interval_ns;
    *out_sometimes = s;
    return 0;
}

/* With the permit: does this call run? It counts. */
static bool some_runs(cconc_sometimes *s)
{
    uint64_t before = s->calls;
    s->calls++;
    return before == 0 || before < s->first || (s->every > 0 && before % s->every == 0) ||
           (s->interval_ns > 0 && plat_clock_now() >= s->next_ns);
}

/* Called again, in what is left of the thread, if the function has ended that. */
static void some_run_function(void *arg)
{
    some_run *run = arg;
    cconc_sometimes *s = run->s;
    if (!run->has_begun) {
        run->has_begun = true;
        self_push(&run->frame, s);
        run->fn(run->arg);
    }
    self_get()->task = run->frame.outer;
    if (s->interval_ns > 0) {
        s->next_ns = plat_clock_add(plat_clock_now(), s->interval_ns);
    }
    cconc_sem_release(s->permit, 1);
}

int cconc_sometimes_do(cconc_sometimes *sometimes, cconc_ctx *ctx, void (*fn)(void *arg), void *arg,
                       bool *out_ran)
{
    MUST_POINT(sometimes, cconc_sometimes);
    MUST_ALIGN(ctx, cconc_ctx);
    some_run run = {.s = sometimes, .fn = fn, .arg = arg};
    bool runs;
    int err;
    if (!fn) {
        return EINVAL;
    }
    if (self_runs(sometimes)) {
        return EDEADLK;
    }
    err = cconc_sem_acquire(sometimes->permit, ctx, 1);
    if (err) {
        return err;
    }
    runs = some_runs(sometimes);
    if (runs) {
        cconc__thread_insist(some_run_function, &run);
    } else {
        cconc_sem_release(sometimes->permit, 1);
    }
    if (out_ran) {
        *out_ran = runs;
    }
    return 0;
}

void cconc_sometimes_free(cconc_sometimes *sometimes)
{
    MUST_ALIGN(sometimes, cconc_sometimes);
    if (sometimes) {
        size_t waiters = cconc_sem_waiters(sometimes->permit);
        MUST(cconc_sem_available(sometimes->permit) == 1, "sometimes free during a run, with %zu "
             "waiters", waiters);
        cconc_sem_free(sometimes->permit);
        cconc__alloc_free(sometimes);
    }
}
