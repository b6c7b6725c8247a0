/* system.c - the rest of what the library asks of a system: threads, time, processors, descriptors,
 * signals, fork, last words.
 * SPDX-License-Identifier: MIT
 */
#include "engine.h"

#include "plat/clock.h"
#include "plat/cpu.h"
#include "plat/fd.h"
#include "plat/fork.h"
#include "plat/os.h"
#include "plat/seed.h"
#include "plat/signal.h"
#include "plat/thread.h"

#include <signal.h>
#include <stdio.h>

enum { MAX_FDS = 16, FD_BASE = 1000 };

/* Threads. */
static void thread_torn_again(void *arg)
{
    plat_thread *thread = arg;
    fiber *f = model.current;
    if (!thread->is_over && thread->torn(thread->arg)) {
        f->frames[f->frame_count++] = (frame){thread_torn_again, thread};
        thread->run(thread->arg);
        f->frame_count--;
    }
    thread->is_over = true;
}

static void thread_main(void *arg)
{
    plat_thread *thread = arg;
    fiber *f = model.current;
    f->frames[f->frame_count++] = (frame){thread_torn_again, thread};
    thread->run(thread->arg);
    thread->is_over = true;
    f->frame_count--;
}

int cconc__thread_start(plat_thread *thread, size_t stack_size)
{
    op o;
    fiber *made;
    (void)stack_size;
    calls_check_held("makes a thread");
    o = OP_HERE(OP_CREATE, &model.fibers[model.fiber_count], true);
    step_point(&o);
    if (strategy_fault(MODEL_NO_THREAD)) {
        return EAGAIN;
    }
    made = fiber_new(thread_main, thread, thread->name);
    made->is_library = true;
    order_join(made, model.current);
    thread->id = (pthread_t)made->id;
    step_touch(made, TOUCH_WRITE);
    return 0;
}

static void fiber_join(fiber *f)
{
    op o = OP_HERE(OP_JOIN, f, false);
    step_point(&o);
    order_join(model.current, f);
}

void cconc__thread_join(plat_thread *thread)
{
    fiber *f = &model.fibers[thread->id];
    calls_check_held("joins a thread");
    if (f->is_joined) {
        model_fail(MODEL_RULE, "thread %s is joined twice", f->name);
    }
    f->is_joined = true;
    fiber_join(f);
}

bool cconc__thread_let_cancel(bool on)
{
    (void)on;
    return false;
}

/* The end of the thread runs what insists, innermost first, then the thread is over. Each may set
 * up frames anew. */
_Noreturn void model_exit_thread(void)
{
    fiber *f = model.current;
    f->rules = 0;
    if (f->id == 0) {
        model_fail(MODEL_WRONG, "thread 0 must not end");
    }
    while (f->frame_count > 0) {
        frame last = f->frames[--f->frame_count];
        last.again(last.arg);
    }
    fiber_end();
    __builtin_unreachable();
}

typedef struct insisted {
    void (*run)(void *arg);
    void *arg;
    bool  is_over;
} insisted;

static void insist_go(insisted *call);

static void insist_again(void *arg)
{
    insisted *call = arg;
    if (!call->is_over) {
        insist_go(call);
    }
}

static void insist_go(insisted *call)
{
    fiber *f = model.current;
    f->frames[f->frame_count++] = (frame){insist_again, call};
    call->run(call->arg);
    call->is_over = true;
    f->frame_count--;
}

void cconc__thread_insist(void (*run)(void *arg), void *arg)
{
    insisted call = {run, arg, false};
    if (model.current->frame_count == MAX_FRAMES) {
        model_fail(MODEL_WRONG, "more frames than the tester has room for");
    }
    insist_go(&call);
}

void model_spawn(void (*run)(void *arg), void *arg)
{
    char name[16];
    fiber *f;
    (void)snprintf(name, sizeof(name), "t%d", model.fiber_count);
    f = fiber_new(run, arg, name);
    order_join(f, model.current);
    step_touch(f, TOUCH_WRITE);
}

void model_join_all(void)
{
    for (int i = 1; i < model.fiber_count; i++) {
        if (!model.fibers[i].is_library && i != model.current->id) {
            fiber_join(&model.fibers[i]);
        }
    }
}

/* Threads' own. */
void cconc__tls_set(plat_tls_slot *slot)
{
    model.current->slot = slot;
}

bool cconc__tls_will_tell(void)
{
    return !model.current->is_tls_over && !(model.scenario->faults & MODEL_NO_KEY);
}

plat_tls_slot *plat_tls_get(void)
{
    return model.current->slot;
}

/* Time. */
int model_clock_gettime(clockid_t id, struct timespec *out_now)
{
    (void)id;
    if (!model.is_quiet && !model.is_epilogue) {
        bool is_awaited = false; /* else time cannot pass here */
        for (int i = 0; i < model.fiber_count; i++) {
            const op *o = &model.fibers[i].next;
            is_awaited |= (o->kind == OP_PARKED || o->kind == OP_COND_WAKE) &&
                          o->deadline_ns != INT64_MAX;
        }
        if (is_awaited) {
            op o = OP_HERE(OP_NOW, &model.now_ns, false);
            step_point(&o);
        } else {
            step_touch(&model.now_ns, TOUCH_READ);
        }
    }
    out_now->tv_sec = (time_t)(model.now_ns / PLAT_SECOND);
    out_now->tv_nsec = (long)(model.now_ns % PLAT_SECOND);
    return 0;
}

int64_t model_now(void)
{
    step_touch(&model.now_ns, TOUCH_READ);
    return model.now_ns;
}

void model_pass(int64_t duration_ns)
{
    op o = OP_HERE(OP_TIME, &model.now_ns, true);
    step_point(&o);
    model.now_ns = plat_clock_add(model.now_ns, duration_ns);
}

/* Processors. */
void model_yield(void)
{
    op o;
    if (model.is_quiet) {
        return;
    }
    o = OP_HERE(OP_YIELD, NULL, false);
    order_refresh();
    model.has_polled = true;
    model.current->has_yielded = strategy_now != &strategy_all || model.is_epilogue;
    step_point(&o);
    if (strategy_now == &strategy_all) {
        order_refresh(); /* it goes on because of a store that it might not see */
    }
}

void system_choose(void)
{
    static const uint32_t counts[] = {1, 2, 8};
    model.cpus = model.scenario->cpus ? model.scenario->cpus : 1;
    if (model.cpus == MODEL_ANY_CPUS) {
        model.cpus = counts[strategy_pick(CHOICE_DATA, 3, NULL, false)];
    }
    model.spin_budget = model.cpus == 1 ? 0 : strategy_pick(CHOICE_DATA, 3, NULL, false);
}

uint32_t model_spin_budget(void)
{
    return model.spin_budget;
}

uint32_t cconc__cpu_count(void)
{
    return model.cpus;
}

void cconc__seed_fill(void *out_bytes, size_t size)
{
    memset(out_bytes, 0x5a, size);
}

/* Descriptors. */
static struct {
    bool is_open;
    bool is_raised;
} fds[MAX_FDS];

int cconc__fd_open(plat_fd *fd)
{
    if (strategy_fault(MODEL_NO_FD)) {
        return EMFILE;
    }
    for (int i = 0; i < MAX_FDS; i++) {
        if (!fds[i].is_open) {
            fds[i].is_open = true;
            fds[i].is_raised = false;
            fd->read_end = FD_BASE + i;
            fd->write_end = fd->read_end;
            return 0;
        }
    }
    return EMFILE;
}

static int fd_index(int fd, const char *what)
{
    int i = fd - FD_BASE;
    if (i < 0 || i >= MAX_FDS || !fds[i].is_open) {
        model_fail(MODEL_USE_AFTER, "%s of descriptor %d, which is not open", what, fd);
    }
    return i;
}

static void fd_point(int i, bool writes, op_kind kind)
{
    op o = OP_HERE(kind, &fds[i], writes);
    step_point(&o);
}

void cconc__fd_close(plat_fd *fd)
{
    int i = fd_index(fd->read_end, "close");
    fd_point(i, true, OP_FD);
    fds[fd_index(fd->read_end, "close")].is_open = false;
}

void cconc__fd_raise(int write_end)
{
    int i = fd_index(write_end, "write");
    fd_point(i, true, OP_FD);
    order_release(&fds[i]); /* as the kernel does */
    fds[fd_index(write_end, "write")].is_raised = true;
}

static bool is_raised(void *arg)
{
    return fds[(size_t)(uintptr_t)arg].is_raised;
}

void cconc__fd_await(plat_fd *fd, int other)
{
    int i = fd_index(fd->read_end, "poll");
    op o;
    (void)other;
    o = OP_HERE(OP_FD_AWAIT, &fds[i], true);
    o.ready = is_raised;
    o.arg = (void *)(uintptr_t)i;
    step_point(&o);
    order_acquire(&fds[i]);
    fds[i].is_raised = false;
}

bool model_fd_is_readable(int fd)
{
    int i = fd_index(fd, "poll");
    if (!model.is_quiet) {
        fd_point(i, false, OP_FD);
        if (fds[i].is_raised) {
            order_acquire(&fds[i]);
        }
    }
    return fds[i].is_raised;
}

/* Signals. */
const int cconc__signal_defaults[PLAT_SIGNAL_DEFAULTS] = {SIGINT, SIGTERM};
static uint64_t hooked;
static uint64_t arrived;
static int signal_fd;
static signal_exit *exits;

bool cconc__signal_may_hook(int number)
{
    return number >= 1 && number < PLAT_SIGNAL_END && number != SIGKILL && number != SIGSTOP;
}

const char *cconc__signal_name(int number)
{
    return number == SIGINT ? "interrupt" : number == SIGTERM ? "terminate" : NULL;
}

int cconc__signal_open(const plat_fd *fd)
{
    signal_fd = fd->write_end;
    return 0;
}

void cconc__signal_close(void)
{
    signal_fd = -1;
}

void cconc__signal_await(plat_fd *fd)
{
    cconc__fd_await(fd, -1);
}

void cconc__signal_collect(void)
{
}

int cconc__signal_hook(int number)
{
    step_touch(&arrived, TOUCH_WRITE);
    hooked |= UINT64_C(1) << (number - 1);
    return 0;
}

void cconc__signal_unhook(int number)
{
    step_touch(&arrived, TOUCH_WRITE);
    hooked &= ~(UINT64_C(1) << (number - 1));
}

void cconc__signal_exit_add(signal_exit *one)
{
    atom_init(&one->next, exits);
    exits = one;
}

void cconc__signal_exit_remove(signal_exit *one)
{
    signal_exit **at = &exits;
    while (*at && *at != one) {
        at = (signal_exit **)(void *)&(*at)->next;
    }
    if (*at) {
        *at = *(signal_exit **)(void *)&one->next;
    }
}

void cconc__signal_forked(bool is_open)
{
    (void)is_open;
    hooked = 0;
    arrived = 0;
}

void cconc__signal_pass_on(int number)
{
    model_raise(number);
}

bool cconc__signal_has(int number)
{
    step_touch(&arrived, TOUCH_READ);
    return (arrived & UINT64_C(1) << (number - 1)) != 0;
}

bool cconc__signal_take(int number)
{
    uint64_t bit = UINT64_C(1) << (number - 1);
    bool has = (arrived & bit) != 0;
    step_touch(&arrived, TOUCH_WRITE);
    arrived &= ~bit;
    return has;
}

void model_raise(int number)
{
    op o = OP_HERE(OP_FD, &arrived, true);
    step_point(&o);
    if (hooked & (UINT64_C(1) << (number - 1))) {
        arrived |= UINT64_C(1) << (number - 1);
        if (signal_fd >= 0) {
            cconc__fd_raise(signal_fd);
        }
    }
}

uint32_t model_library_threads(void)
{
    uint32_t count = 0;
    for (int i = 0; i < model.fiber_count; i++) {
        count += model.fibers[i].is_library && !model.fibers[i].is_over;
    }
    return count;
}

/* Fork: all other threads are gone, as they were. */
bool model_fork_is_ours(void)
{
    return !model.is_forked;
}

void cconc__fork_adopt(void)
{
    model.is_forked = false;
    model.forks++;
}

uint32_t cconc__fork_number(void)
{
    return model.forks;
}

void model_fork(void)
{
    op o = OP_HERE(OP_EXIT, &model.is_forked, true);
    model.is_impure = true;
    step_point(&o);
    for (int i = 0; i < model.fiber_count; i++) {
        fiber *f = &model.fibers[i];
        if (f != model.current && f->is_over) {
            order_join(model.current, f);
        } else if (f != model.current) {
            order_vanish(f);
            f->is_over = true;
        }
        model.fibers[i].is_joined = true; /* they are the parent's */
    }
    model.is_forked = true;
}

/* Last words. */
static char last_words[400];

void cconc__os_complain(const char *text)
{
    (void)snprintf(last_words, sizeof(last_words), "%.*s", (int)strcspn(text, "\n"), text);
}

_Noreturn void cconc__os_abort(void)
{
    model_fail(MODEL_MISUSE, "%s", last_words[0] ? last_words : "the library has aborted");
}

void system_reset(void)
{
    memset(fds, 0, sizeof(fds));
    hooked = 0;
    arrived = 0;
    signal_fd = -1;
    exits = NULL;
    last_words[0] = '\0';
}

void system_check_end(void)
{
    for (int i = 0; i < MAX_FDS; i++) {
        if (fds[i].is_open) {
            model_fail(MODEL_LEAK, "descriptor %d is still open", FD_BASE + i);
        }
    }
}
