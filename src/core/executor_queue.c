/* executor_queue.c - what the executor is to run and has not begun
 * SPDX-License-Identifier: MIT
 *
 * Idea        Jobs lie in segments, in order, as what they are: a function and what it is called
 *             with. One word of a segment says which of its jobs have not begun. A thread settles
 *             at a segment under the lock, and takes its jobs one by one by moving that word; any
 *             number of threads may do so at one segment, so nothing waits behind a job that
 *             blocks. Tasks whose memory is their owner's are never refused: they are in a list.
 * Picture     head                                      tail
 *               [ . . . 3 4 5 .. 31 ] -> [ 0 1 .. 31 ] -> [ 0 1 - - - .. - ]
 *                 span 3 to 32             0 to 32          0 to 2, then the next push
 * Invariants  I1 A job is begun by the thread that moved first past it.
 *             I2 A segment goes when all of its places were filled and have begun, and no thread is
 *                settled there: jobs that run lie in it.
 *             I3 Only tail has places that were not filled: tail is NULL, or filled is its end.
 * Locks       The executor's mu; jobs are taken without.
 * Ordering    exec.1  cconc__executor_push_job_locked(): add rel -> cconc__executor_next(): cas acq
 *                     the job
 * Lifetime    What goes is freed by the thread that saw it go, when mu is free; one is kept.
 * Rejected    A record for each task: half of the time went into memory that one thread takes and
 *             another one gives back (0023). Shares that a thread copies out of a list (0019). */
#include "core/executor_thread.h"

#include "core/must.h"
#include "core/spin.h"
#include "plat/alloc.h"
#include "plat/atomic.h"

#include <errno.h>

static void exec_task_run(const exec_job *job, self_task *frame)
{
    exec_task *task = job->arg;
    (void)frame;
    task->run(task);
}

static void exec_task_torn(const exec_job *job, self_task *frame)
{
    exec_task *task = job->arg;
    (void)frame;
    task->torn(task);
}

static const exec_kind kind_of_tasks = {exec_task_run, exec_task_torn};

/* ---- in ------------------------------------------------------------------------------------- */

void cconc__executor_push_locked(exec_task *task)
{
    cconc__lock_assert_held(&ex->mu);
    task->next = NULL;
    if (ex->last) {
        ex->last->next = task;
    } else {
        ex->first = task;
    }
    ex->last = task;
    ex->queued++;
}

/* Have a place for one more job in tail. */
static bool exec_extend_locked(void)
{
    exec_segment *segment = ex->room;
    cconc__lock_assert_held(&ex->mu);
    if (!segment) {
        return false;
    }
    ex->room = NULL;
    segment->next = NULL;
    segment->users = 0;
    segment->seen = EXEC_JOBS;
    segment->is_queued = true;
    atom_init(&segment->span, EXEC_SPAN(0, 0));
    if (ex->tail) {
        ex->tail->next = segment;
    } else {
        ex->head = segment;
    }
    ex->tail = segment;
    ex->filled = 0;
    return true;
}

bool cconc__executor_push_job_locked(const exec_job *job)
{
    cconc__lock_assert_held(&ex->mu);
    if ((!ex->tail || ex->filled == EXEC_JOBS) && !exec_extend_locked()) {
        return false;
    }
    ex->tail->jobs[ex->filled] = *job;
    ex->filled++;
    (void)atom_add_rel(&ex->tail->span, EXEC_SPAN(0, 1)); /* [exec.1] rel: the job */
    return true;
}

int cconc__executor_make_room(void)
{
    exec_segment *segment = cconc__alloc(sizeof(*segment));
    if (!segment) {
        return ENOMEM;
    }
    lock_take(&ex->mu);
    if (!ex->room) {
        ex->room = segment;
        segment = NULL;
    }
    lock_leave(&ex->mu);
    cconc__alloc_free(segment);
    return 0;
}

static void exec_unpush_task_locked(void)
{
    exec_task **at = &ex->first;
    exec_task *before = NULL;
    cconc__lock_assert_held(&ex->mu);
    while (*at != ex->last) {
        before = *at;
        at = &before->next;
    }
    *at = NULL;
    ex->last = before;
    ex->queued--;
}

void cconc__executor_unpush_locked(exec_pledge what)
{
    cconc__lock_assert_held(&ex->mu);
    if (what == PLEDGE_TASK) {
        exec_unpush_task_locked();
    } else {
        (void)atom_sub_rlx(&ex->tail->span, EXEC_SPAN(0, 1)); /* rlx: there is nobody */
        ex->filled--;
    }
}

/* ---- what is there -------------------------------------------------------------------------- */

static uint32_t exec_waiting(const exec_segment *segment)
{
    uint32_t span = atom_load_rlx(&segment->span); /* rlx: a number; the jobs are for who takes */
    return EXEC_END(span) - EXEC_FIRST(span);
}

static bool exec_has_job_locked(void)
{
    const exec_segment *segment = ex->head;
    cconc__lock_assert_held(&ex->mu);
    while (segment && exec_waiting(segment) == 0) {
        segment = segment->next;
    }
    return segment != NULL;
}

bool cconc__executor_has_task_locked(void)
{
    cconc__lock_assert_held(&ex->mu);
    return ex->queued > 0 || exec_has_job_locked();
}

uint32_t cconc__executor_queued_locked(void)
{
    uint32_t sum = ex->queued;
    cconc__lock_assert_held(&ex->mu);
    for (const exec_segment *segment = ex->head; segment; segment = segment->next) {
        sum += exec_waiting(segment);
    }
    return sum;
}

/* t ran more than it has told. */
static void exec_tell_locked(exec_thread *t)
{
    uint32_t ran = atom_load_rlx(&t->ran); /* rlx: a count */
    cconc__lock_assert_held(&ex->mu);
    ex->ended += ran - t->told;
    t->told = ran;
}

uint64_t cconc__executor_ended_locked(void)
{
    cconc__lock_assert_held(&ex->mu);
    for (list_link *at = ex->takers.next; at != &ex->takers; at = at->next) {
        exec_tell_locked(LIST_OF(at, exec_thread, link));
    }
    return ex->ended;
}

/* ---- out ------------------------------------------------------------------------------------ */

/* Nobody needs segment any more. */
static void exec_drop_locked(exec_thread *t, exec_segment *segment)
{
    cconc__lock_assert_held(&ex->mu);
    if (!ex->room) {
        ex->room = segment;
    } else {
        segment->next = t->gone;
        t->gone = segment;
    }
}

/* Take the segment at *at, whose jobs have all begun, out of the queue. */
static void exec_unqueue_locked(exec_thread *t, exec_segment **at, exec_segment *before)
{
    exec_segment *segment = *at;
    cconc__lock_assert_held(&ex->mu);
    *at = segment->next;
    if (ex->tail == segment) {
        ex->tail = before;
        ex->filled = EXEC_JOBS;
    }
    segment->is_queued = false;
    if (segment->users == 0) {
        exec_drop_locked(t, segment);
    }
}

/* Choose where t settles: at the oldest segment that has something, but for those where somebody is
 * at work, as its moving tells, if there are others. Returns NULL if there is nothing. */
static exec_segment *exec_choose_locked(exec_thread *t)
{
    exec_segment **at = &ex->head;
    exec_segment *before = NULL;
    exec_segment *oldest = NULL;
    cconc__lock_assert_held(&ex->mu);
    while (*at) {
        exec_segment *segment = *at;
        uint32_t span = atom_load_rlx(&segment->span); /* rlx: who takes looks again */
        if (EXEC_FIRST(span) == EXEC_JOBS) {
            exec_unqueue_locked(t, at, before);
            continue;
        }
        if (EXEC_FIRST(span) != EXEC_END(span)) {
            if (segment->users == 0 || segment->seen == EXEC_FIRST(span)) {
                return segment;
            }
            segment->seen = EXEC_FIRST(span);
            oldest = oldest ? oldest : segment;
        }
        before = segment;
        at = &segment->next;
    }
    return oldest;
}

const exec_job *cconc__executor_next(exec_segment *segment)
{
    uint32_t span = atom_load_rlx(&segment->span); /* rlx: the swap decides */
    while (EXEC_FIRST(span) != EXEC_END(span)) {
        if (atom_cas_weak_acq_rlx(&segment->span, &span, span + 1)) { /* [exec.1] acq: the job */
            return &segment->jobs[EXEC_FIRST(span)];
        }
    }
    return NULL;
}

void cconc__executor_settle_locked(exec_thread *t)
{
    exec_segment *segment = t->segment;
    cconc__lock_assert_held(&ex->mu);
    exec_tell_locked(t);
    if (segment) {
        t->segment = NULL;
        list_remove(&t->link);
        segment->users--;
        if (segment->users == 0 && !segment->is_queued) {
            exec_drop_locked(t, segment);
        }
    }
}

static const exec_job *exec_take_job_locked(exec_thread *t)
{
    exec_segment *segment;
    cconc__lock_assert_held(&ex->mu);
    while ((segment = exec_choose_locked(t)) != NULL) {
        const exec_job *job = cconc__executor_next(segment);
        if (job) {
            t->segment = segment;
            segment->users++;
            list_push_back(&ex->takers, &t->link);
            return job;
        }
    }
    return NULL;
}

static const exec_job *exec_take_task_locked(exec_thread *t)
{
    exec_task *task = ex->first;
    cconc__lock_assert_held(&ex->mu);
    ex->first = task->next;
    if (!ex->first) {
        ex->last = NULL;
    }
    ex->queued--;
    t->own = (exec_job){.kind = &kind_of_tasks, .arg = task};
    return &t->own;
}

const exec_job *cconc__executor_take_locked(exec_thread *t, bool wanted)
{
    const exec_job *job = NULL;
    cconc__lock_assert_held(&ex->mu);
    CHECK(!t->segment);
    if (!wanted && ex->running > cconc__spin_cpus()) {
        return NULL;
    }
    if (t->had_task || !ex->first) { /* by turns */
        job = exec_take_job_locked(t);
    }
    t->had_task = !job && ex->first;
    return t->had_task ? exec_take_task_locked(t) : job;
}

/* ---- memory --------------------------------------------------------------------------------- */

void cconc__executor_give_back(exec_segment *segments)
{
    while (segments) {
        exec_segment *next = segments->next;
        cconc__alloc_free(segments);
        segments = next;
    }
}

void cconc__executor_sweep(exec_thread *t)
{
    exec_segment *gone = t->gone;
    t->gone = NULL;
    cconc__executor_give_back(gone);
}

exec_segment *cconc__executor_empty_locked(void)
{
    exec_segment *all = ex->head;
    cconc__lock_assert_held(&ex->mu);
    if (ex->room) {
        ex->room->next = all;
        all = ex->room;
    }
    ex->head = NULL;
    ex->tail = NULL;
    ex->room = NULL;
    return all;
}
