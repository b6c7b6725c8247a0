/* time_help.h - what the unit tests of timers, tickers and clocks share.
 * SPDX-License-Identifier: MIT
 *
 * Makers that cannot fail, and waits and selects that run in a thread of their own.
 */
#ifndef CCONC_TESTS_TIME_HELP_H
#define CCONC_TESTS_TIME_HELP_H

#include "chan_help.h"

#include <stdatomic.h>

static inline cconc_timer *timer_make(int64_t delay_ns)
{
    cconc_timer *made = NULL;
    SUPPORT_CHECK(cconc_timer_new(delay_ns, &made) == 0);
    return made;
}

static inline cconc_timer *timer_make_func(int64_t delay_ns, cconc_timer_fn fn, void *arg)
{
    cconc_timer *made = NULL;
    SUPPORT_CHECK(cconc_timer_new_func(delay_ns, fn, arg, &made) == 0);
    return made;
}

static inline cconc_ticker *ticker_make(int64_t period_ns)
{
    cconc_ticker *made = NULL;
    SUPPORT_CHECK(cconc_ticker_new(period_ns, NULL, &made) == 0);
    return made;
}

/* The function of a timer that counts how often it ran. */
static inline void counter_count(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

/* A wait for a timer or ticker that runs in a thread of its own. */
struct sleeper {
    cconc_timer            *timer;
    cconc_ticker           *ticker; /* if there is no timer */
    cconc_ctx              *ctx;
    const int              *plain; /* read after the wait, NULL = nothing */
    int                     saw;
    int                     err;
    int64_t                 due_ns;
    int64_t                 ended_ns;
    atomic_bool             is_over;
    struct support_threads *thread;
};

static inline void sleeper_run(void *arg, size_t index)
{
    struct sleeper *sleeper = arg;
    (void)index;
    sleeper->err = sleeper->timer
                       ? cconc_timer_wait(sleeper->timer, sleeper->ctx, &sleeper->due_ns)
                       : cconc_ticker_wait(sleeper->ticker, sleeper->ctx, &sleeper->due_ns);
    sleeper->ended_ns = cconc_clock_now();
    sleeper->saw = sleeper->plain ? *sleeper->plain : 0;
    atomic_store(&sleeper->is_over, true);
}

static inline void sleeper_start(struct sleeper *sleeper, cconc_timer *timer, cconc_ticker *ticker,
                                 cconc_ctx *ctx)
{
    sleeper->timer = timer;
    sleeper->ticker = ticker;
    sleeper->ctx = ctx;
    sleeper->err = -1;
    sleeper->due_ns = -1;
    atomic_store(&sleeper->is_over, false);
    sleeper->thread = support_threads_start(1, sleeper_run, sleeper);
}

static inline void sleeper_start_timer(struct sleeper *sleeper, cconc_timer *timer, cconc_ctx *ctx)
{
    sleeper_start(sleeper, timer, NULL, ctx);
}

static inline void sleeper_start_ticker(struct sleeper *sleeper, cconc_ticker *ticker,
                                        cconc_ctx *ctx)
{
    sleeper_start(sleeper, NULL, ticker, ctx);
}

/* Join the thread and give the code that the wait returned. */
static inline int sleeper_end(struct sleeper *sleeper)
{
    support_threads_join(sleeper->thread);
    return sleeper->err;
}

/* A select that runs in a thread of its own. */
struct picker {
    const cconc_select_case *cases;
    size_t                   count;
    size_t                   fired;
    int                      err;
    atomic_bool              is_over;
    struct support_threads  *thread;
};

static inline void picker_run(void *arg, size_t index)
{
    struct picker *picker = arg;
    (void)index;
    picker->err = cconc_select(picker->cases, picker->count, 0, &picker->fired);
    atomic_store(&picker->is_over, true);
}

static inline void picker_start(struct picker *picker, const cconc_select_case *cases, size_t count)
{
    picker->cases = cases;
    picker->count = count;
    atomic_store(&picker->is_over, false);
    picker->thread = support_threads_start(1, picker_run, picker);
}

static inline int picker_end(struct picker *picker)
{
    support_threads_join(picker->thread);
    return picker->err;
}

/* The virtual clock. */

static inline void go_virtual(void)
{
    SUPPORT_CHECK(cconc_clock_virtual() == 0);
}

static inline void go_real(void)
{
    SUPPORT_CHECK(cconc_clock_real() == 0);
}

static inline void clock_move(int64_t duration_ns)
{
    SUPPORT_CHECK(cconc_clock_advance(duration_ns) == 0);
}

/* Readings, in the order in which they were noted. */
#define NOTES 64

struct notes {
    cconc_timer *timer;
    int64_t      period_ns;
    atomic_int   count;
    int          most; /* goes on until there are so many */
    int64_t      at_ns[NOTES];
    int          err;
};

static inline void note(struct notes *notes)
{
    int at = atomic_fetch_add(&notes->count, 1);
    SUPPORT_CHECK(at < NOTES);
    notes->at_ns[at] = cconc_clock_now();
}

static inline void note_and_go_on(void *arg)
{
    struct notes *notes = arg;
    note(notes);
    if (atomic_load(&notes->count) < notes->most) {
        SUPPORT_CHECK(!cconc_timer_reset(notes->timer, notes->period_ns));
    }
}

static inline void sleep_for_ms(void *arg, size_t index)
{
    atomic_int *woken = arg;
    SUPPORT_CHECK(cconc_ctx_sleep(NULL, (int64_t)(index % 10 + 1) * CCONC_MS) == 0);
    atomic_fetch_add(woken, 1);
}

#endif
