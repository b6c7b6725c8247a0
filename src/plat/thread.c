/* thread.c - threads of the library's own
 * SPDX-License-Identifier: MIT
 *
 * Idea        A library thread is invisible to the program's signals: it is made with all of them
 *             blocked, and the creator's mask is put back exactly. The synchronous faults stay
 *             open: a fault raised while blocked kills the process without its handler. A task that
 *             ends its thread is noticed by a cleanup handler, inside of which others may be set up
 *             and the thread may end once more: that is noticed by one set up inside of it.
 * Invariants  I1 The creator's mask and errno are the same before and after.
 * Locks       None.
 * Ordering    Thread creation and join order what lies before and after them.
 *             thread.1  cconc__thread_start(): store rel -> cconc__thread_join(): load acq
 *                       the id, and the maker's last touch of the record: the thread may have
 *                       ended, and be joined by others, before its maker is told the id (musl)
 * Lifetime    The record is the caller's until cconc__thread_join().
 * Rejected    Detached threads: nobody could tell when the last instruction has run. Having the
 *             thread store its id: a join would have to wait until it has begun to run. */
#include "plat/thread.h"

#include "plat/cpu.h"

#if !defined(CCONC_PLAT_HEADER)

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};

static void thread_mask(sigset_t *mask)
{
    (void)sigfillset(mask);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        (void)sigdelset(mask, faults[i]);
    }
}

static void thread_set_name(const char *name)
{
#if defined(__APPLE__)
    (void)pthread_setname_np(name);
#elif defined(__linux__)
    (void)pthread_setname_np(pthread_self(), name);
#else
    (void)name;
#endif
}

/* glibc keeps a chain of handlers, and leaves it at one that has run: in a frame that is gone once
 * the end of the thread has come further. A handler set up then, by an outer one, would link to
 * that frame, and the next end of the thread would jump into it. So a handler puts the chain back
 * to itself, and behind itself when it is done. C with exceptions, and other libraries, have no
 * such chain. */
#if defined(__GLIBC__) && !defined(__EXCEPTIONS)
#define THREAD_LINK (&__cancel_buf) /* between push and pop */

static void thread_link_begin(void *at)
{
    __pthread_unregister_cancel(at);
    __pthread_register_cancel(at);
}

static void thread_link_end(void *at)
{
    __pthread_unregister_cancel(at);
}
#else
#define THREAD_LINK NULL

static void thread_link_begin(void *at)
{
    (void)at;
}

static void thread_link_end(void *at)
{
    (void)at;
}
#endif

/* A run of a thread's function.
 * Key  (i) immutable  (a) atomic */
typedef struct thread_life {
    plat_thread *thread; /* (i) */
    atom_ptr     at;     /* (a) the handler in the chain; set after setjmp: not in a register */
} thread_life;

static void thread_torn(void *arg);

static void thread_run(plat_thread *thread)
{
    thread_life life = {.thread = thread};
    atom_init(&life.at, NULL);
    pthread_cleanup_push(thread_torn, &life);
    atom_store_rlx(&life.at, THREAD_LINK); /* rlx: for this thread itself */
    thread->run(thread->arg);
    thread->is_over = true;
    pthread_cleanup_pop(0);
}

/* Tell of an end of the thread. If that ends it once more, it is told again: only glibc comes back
 * to the handler that has run, others to none. */
static bool thread_tell(plat_thread *thread)
{
    thread_life life = {.thread = thread};
    bool wanted;
    atom_init(&life.at, NULL);
    pthread_cleanup_push(thread_torn, &life);
    atom_store_rlx(&life.at, THREAD_LINK); /* rlx: for this thread itself */
    wanted = thread->torn(thread->arg);
    pthread_cleanup_pop(0);
    return wanted;
}

/* Only a service whose callback ends its thread while no other can be made comes back more than
 * once. */
static void thread_torn(void *arg)
{
    thread_life *life = arg;
    plat_thread *thread = life->thread;
    void *at = atom_load_rlx(&life->at); /* rlx: own earlier store */
    (void)cconc__thread_let_cancel(false);
    thread_link_begin(at);
    if (!thread->is_over && thread_tell(thread)) {
        thread_run(thread);
    }
    thread->is_over = true;
    thread_link_end(at);
}

static void *thread_main(void *arg)
{
    plat_thread *thread = arg;
    (void)cconc__thread_let_cancel(false);
    thread_set_name(thread->name);
    thread_run(thread);
    return NULL;
}

/* A stack of at least the size asked for, and of what is needed, in whole pages. */
static int thread_attr_stack(pthread_attr_t *attr, size_t stack_size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t least = (size_t)PTHREAD_STACK_MIN;
    if (stack_size == 0) {
        return 0;
    }
    if (least < PLAT_THREAD_STACK_BYTES) { /* coverage: never, it is not less with glibc */
        least = PLAT_THREAD_STACK_BYTES;
    }
    if (stack_size < least) {
        stack_size = least;
    }
    if (stack_size > SIZE_MAX - page) {
        return EAGAIN;
    }
    return pthread_attr_setstacksize(attr, (stack_size + page - 1) / page * page);
}

int cconc__thread_start(plat_thread *thread, size_t stack_size)
{
    pthread_attr_t attr;
    pthread_t id;
    sigset_t ours;
    sigset_t theirs;
    int saved = errno;
    int err = pthread_attr_init(&attr);
    if (err) {
        return EAGAIN;
    }
    err = thread_attr_stack(&attr, stack_size);
    if (!err) {
        thread_mask(&ours);
        atom_init(&thread->is_known, 0);
        (void)pthread_sigmask(SIG_SETMASK, &ours, &theirs);
        err = pthread_create(&id, &attr, thread_main, thread);
        (void)pthread_sigmask(SIG_SETMASK, &theirs, NULL);
        if (!err) {
            thread->id = id;
            atom_store_rel(&thread->is_known, 1); /* [thread.1] rel: the id, the last touch */
        }
    }
    (void)pthread_attr_destroy(&attr);
    errno = saved;
    return err ? EAGAIN : 0;
}

void cconc__thread_join(plat_thread *thread)
{
    bool was = cconc__thread_let_cancel(false);
    uint32_t turn = 0;
    while (!atom_load_acq(&thread->is_known)) { /* [thread.1] acq: the id */
        plat_cpu_await(turn++);
    }
    (void)pthread_join(thread->id, NULL);
    (void)cconc__thread_let_cancel(was);
}

bool cconc__thread_let_cancel(bool on)
{
    int was;
    (void)pthread_setcancelstate(on ? PTHREAD_CANCEL_ENABLE : PTHREAD_CANCEL_DISABLE, &was);
    return was == PTHREAD_CANCEL_ENABLE;
}

typedef struct thread_call {
    void (*run)(void *arg);
    void *arg;
    bool  is_over; /* run has returned */
} thread_call;

/* One try at it.
 * Key  (i) immutable  (a) atomic */
typedef struct thread_try {
    thread_call *call; /* (i) */
    atom_ptr     at;   /* (a) as in thread_life */
} thread_try;

static void thread_call_run(thread_call *call);

/* Comes once for each end of the thread, and once more for each end inside of it. */
static void thread_call_again(void *arg)
{
    thread_try *attempt = arg;
    void *at = atom_load_rlx(&attempt->at); /* rlx: own earlier store */
    thread_link_begin(at);
    if (!attempt->call->is_over) {
        thread_call_run(attempt->call);
    }
    thread_link_end(at);
}

static void thread_call_run(thread_call *call)
{
    thread_try attempt = {.call = call};
    atom_init(&attempt.at, NULL);
    pthread_cleanup_push(thread_call_again, &attempt);
    atom_store_rlx(&attempt.at, THREAD_LINK); /* rlx: for this thread itself */
    call->run(call->arg);
    call->is_over = true;
    pthread_cleanup_pop(0);
}

void cconc__thread_insist(void (*run)(void *arg), void *arg)
{
    thread_call call = {run, arg, false};
    thread_call_run(&call);
}

#endif
