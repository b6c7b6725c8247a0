/* executor_thread.c - the life of one thread of the executor
 * SPDX-License-Identifier: MIT
 *
 * Idea        A thread takes tasks, and those that follow in their segment, until there are none
 *             for it, looks for a moment for more, then sleeps on top of the idle ones, to be woken
 *             before those that have slept longer. One whose task ends it is finished for by a
 *             cleanup handler, and replaced.
 * Invariants  I1 A thread that was chosen to be woken is woken exactly once, and waits for that.
 *             I2 current is the task that runs, for whoever has to finish it.
 *             I3 There is memory for the replacement of a thread that a task has ended.
 * Locks       The executor's mu. Tasks run, threads start, end and are joined with no lock held.
 * Ordering    None but mu's, and [park.1] for the wake of an idle thread.
 * Lifetime    A thread that ends leaves its record to the next one that ends, or to stop(), to
 *             join.
 * Rejected    Sleeping at once: a submit that comes a microsecond later pays a wake-up. */
#include "core/executor_thread.h"

#include "core/must.h"
#include "core/quiet.h"
#include "core/spin.h"
#include "core/timer.h"
#include "plat/alloc.h"
#include "plat/clock.h"
#include "plat/text.h"

#include <string.h>

void cconc__executor_thread_unidle_locked(exec_thread *t)
{
    cconc__lock_assert_held(&ex->mu);
    list_remove(&t->link);
    t->is_idle = false;
    ex->idle_count--;
}

void cconc__executor_thread_put_spare(exec_thread *t)
{
    exec_thread *extra = t;
    lock_take(&ex->mu);
    if (!ex->spare) {
        ex->spare = t;
        extra = NULL;
    }
    lock_leave(&ex->mu);
    cconc__alloc_free(extra);
}

/* Memory for a thread, zeroed: the spare one if no other is to be had. A first thread that can be
 * refused does without: the spare is for its place. */
static exec_thread *exec_get_record(void)
{
    exec_thread *t = cconc__alloc(sizeof(*t));
    if (!t) {
        lock_take(&ex->mu);
        if (ex->pledge == PLEDGE_NONE) {
            t = ex->spare;
            ex->spare = NULL;
        }
        lock_leave(&ex->mu);
        if (t) {
            memset(t, 0, sizeof(*t));
        }
    }
    return t;
}

/* Join threads that have ended or were told to, chained by dead. */
void cconc__executor_thread_join(exec_thread *ended)
{
    while (ended) {
        exec_thread *next = ended->dead;
        cconc__thread_join(&ended->thread);
        cconc__executor_thread_put_spare(ended);
        ended = next;
    }
}

/* Join who ended before, and wait to be joined. */
static void exec_bury(exec_thread *t)
{
    exec_thread *before;
    lock_take(&ex->mu);
    CHECK(!t->segment);
    ex->threads--;
    before = ex->dead;
    ex->dead = t;
    t->dead = NULL;
    lock_leave(&ex->mu);
    cconc__executor_thread_join(before);
    cconc__quiet_tell();
}

/* Wait for work, looking for a moment before sleeping. Returns false if none came in time. */
static bool exec_await_work(self *me, int64_t until_ns)
{
    spinner s;
    bool woken;
    cconc__spin_begin(&s, me);
    do {
        woken = parker_poll(&me->parker);
    } while (!woken && cconc__spin_again(&s));
    cconc__spin_end(&s, woken);
    return woken || cconc__parker_rest(&me->parker, until_ns);
}

/* Park until woken with work. Returns false if the thread shall end. */
static bool exec_go_idle(exec_thread *t)
{
    int64_t until;
    exec_move move;
    bool woken;
    lock_take(&ex->mu);
    ex->running--;
    t->me = self_get();
    t->is_idle = true;
    list_push_front(&ex->idle, &t->link);
    ex->idle_count++;
    until = plat_clock_add(plat_clock_real(), ex->idle_ns);
    move = cconc__executor_look_locked(false);
    lock_leave(&ex->mu);
    (void)cconc__executor_perform(move);
    cconc__quiet_tell();
    woken = exec_await_work(t->me, until);
    lock_take(&ex->mu);
    if (!woken && t->is_idle) {
        cconc__executor_thread_unidle_locked(t);
        lock_leave(&ex->mu);
        return false;
    }
    lock_leave(&ex->mu);
    if (!woken) { /* chosen in the same moment: the wake is on its way */
        woken = cconc__parker_rest(&t->me->parker, PLAT_NEVER);
        CHECK(woken);
    }
    return true;
}

/* A task has ended. */
static void exec_count(exec_thread *t)
{
    uint32_t ran = atom_load_rlx(&t->ran); /* rlx: own earlier store */
    atom_store_rlx(&t->ran, ran + 1);      /* rlx: a count */
}

static void exec_do_nothing(const exec_job *job, self_task *frame)
{
    (void)job;
    (void)frame;
}

void cconc__executor_let_go(void)
{
    static const exec_kind nothing = {exec_do_nothing, exec_do_nothing};
    static const exec_job gone = {.kind = &nothing};
    exec_thread *t = self_get()->executor;
    CHECK(t != NULL);
    t->current = &gone;
}

/* Run job, and then what else is in its segment. */
static void exec_run_from(exec_thread *t, const exec_job *job)
{
    (void)atom_add_rlx(&ex->inside, 1); /* rlx: a hint for the watch */
    while (job) {
        t->current = job;
        job->kind->run(job, &t->frame);
        exec_count(t);
        job = t->segment ? cconc__executor_next(t->segment) : NULL;
    }
    t->current = NULL;
    (void)atom_sub_rlx(&ex->inside, 1); /* rlx: as above */
}

/* Run tasks until there are none for us. */
static void exec_run_tasks(exec_thread *t)
{
    const exec_job *job;
    lock_take(&ex->mu);
    ex->starting--;
    ex->running++;
    job = cconc__executor_take_locked(t, true); /* called for: the others may all be stuck */
    while (job) {
        exec_move move = cconc__executor_look_locked(false);
        lock_leave(&ex->mu);
        (void)cconc__executor_perform(move);
        cconc__executor_sweep(t);
        exec_run_from(t, job);
        lock_take(&ex->mu); /* looked at anew: the queue, the counts */
        cconc__executor_settle_locked(t);
        job = cconc__executor_take_locked(t, false);
    }
    lock_leave(&ex->mu);
    cconc__executor_sweep(t);
}

static bool exec_shall_stop(exec_thread *t)
{
    bool stop;
    lock_take(&ex->mu);
    stop = t->stop;
    lock_leave(&ex->mu);
    return stop;
}

static void exec_run(void *arg)
{
    exec_thread *t = arg;
    self *me = self_get();
    me->executor = t;
    do {
        exec_run_tasks(t);
        if (!exec_go_idle(t)) {
            exec_bury(t);
            break;
        }
    } while (!exec_shall_stop(t));
    me->executor = NULL;
}

/* A task has ended its thread: finish for both of them. */
static bool exec_torn(void *arg)
{
    exec_thread *t = arg;
    const exec_job *job = t->current;
    exec_move move;
    self *me = self_get();
    me->executor = NULL;
    me->task = NULL;
    CHECK(job != NULL); /* nothing else lets itself be cancelled, or calls users' functions */
    (void)atom_sub_rlx(&ex->inside, 1); /* rlx: a hint for the watch */
    job->kind->torn(job, &t->frame);
    exec_count(t);
    lock_take(&ex->mu);
    ex->running--;
    cconc__executor_settle_locked(t);
    lock_leave(&ex->mu);
    cconc__executor_sweep(t);
    exec_bury(t); /* first: it makes memory for the replacement free */
    lock_take(&ex->mu);
    move = cconc__executor_look_locked(false);
    lock_leave(&ex->mu);
    (void)cconc__executor_perform(move);
    return false;
}

bool cconc__executor_thread_start(void)
{
    exec_thread *t = exec_get_record();
    size_t stack;
    bool started;
    bool taken_back;
    bool kick = false;
    lock_take(&ex->mu);
    stack = ex->stack_size;
    if (t) {
        cconc__text_print(t->thread.name, sizeof(t->thread.name), "cconc-exec/%u",
                       (unsigned)(ex->number++ % 10000));
    }
    lock_leave(&ex->mu);
    if (t) {
        t->thread.run = exec_run;
        t->thread.torn = exec_torn;
        t->thread.arg = t;
        atom_init(&t->ran, 0);
    }
    started = t && cconc__thread_start(&t->thread, stack) == 0;
    lock_take(&ex->mu);
    ex->making--;
    if (!started) {
        ex->starting--;
        ex->threads--;
        kick = cconc__executor_watch_locked(); /* tries again, if something is queued still */
    }
    taken_back = !started && ex->pledge != PLEDGE_NONE;
    if (taken_back) {
        CHECK(ex->threads == 0);
        cconc__executor_unpush_locked(ex->pledge);
    }
    ex->pledge = PLEDGE_NONE;
    lock_leave(&ex->mu);
    if (kick) {
        cconc__timer_kick();
    }
    if (!started) {
        cconc__executor_thread_put_spare(t);
        cconc__quiet_tell();
    }
    return !taken_back;
}

exec_thread *cconc__executor_thread_dismiss_locked(void)
{
    exec_thread *all = ex->dead;
    cconc__lock_assert_held(&ex->mu);
    ex->dead = NULL;
    while (!list_is_empty(&ex->idle)) {
        exec_thread *t = LIST_OF(ex->idle.next, exec_thread, link);
        cconc__executor_thread_unidle_locked(t);
        t->stop = true;
        t->dead = all;
        all = t;
        ex->threads--;
    }
    ex->number = 0;
    ex->peak = 0;
    return all;
}
