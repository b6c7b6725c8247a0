/* port.c - what a port gives, as the library wants it
 * SPDX-License-Identifier: MIT
 *
 * Idea        A port is asked for little: the rules of the library's own platform headers are kept
 *             here, for all ports.
 * Invariants  I1 Whether a deadline has passed is what the port's clock says, not what ended a
 *                wait.
 *             I2 The slot of a thread of the library's is left before its run returns to the port.
 * Locks       These are the locks.
 * Ordering    port.1  cconc__thread_start(): store rel -> cconc__thread_join(): load acq
 *                     the last touch of the record by the port, as in thread.c
 * Lifetime    The caller's.
 * Rejected    A parker of the port's own: wakes kept by the rule are the hard part of one, and a
 *             mutex and a signal are what every system has. */
#include "plat/port.h"

#include "plat/clock.h"
#include "plat/cpu.h"
#include "plat/mutex.h"
#include "plat/os.h"
#include "plat/thread.h"
#include "plat/tls.h"

#if defined(CCONC_PLAT_HEADER)

#include <errno.h>

int cconc__mutex_init(plat_mutex *mu)
{
    return cconc_port_mutex_init(&mu->m);
}

void cconc__mutex_destroy(plat_mutex *mu)
{
    cconc_port_mutex_destroy(&mu->m);
}

int cconc__cond_init(plat_cond *cond)
{
    return cconc_port_cond_init(&cond->c);
}

void cconc__cond_destroy(plat_cond *cond)
{
    cconc_port_cond_destroy(&cond->c);
}

void cconc__cond_signal(plat_cond *cond)
{
    cconc_port_cond_signal(&cond->c);
}

bool cconc__cond_wait(plat_cond *cond, plat_mutex *mu, int64_t deadline_ns)
{
    if (deadline_ns != PLAT_NEVER && plat_clock_real() >= deadline_ns) {
        return false;
    }
    cconc_port_cond_wait(&cond->c, &mu->m, deadline_ns);
    return true;
}

uint32_t cconc__cpu_count(void)
{
    return CCONC_PORT_CPUS;
}

void cconc__os_complain(const char *text)
{
    cconc_port_complain(text);
}

_Noreturn void cconc__os_abort(void)
{
    cconc_port_abort();
}

void cconc__tls_set(plat_tls_slot *slot)
{
    cconc_port_set_slot(slot);
}

bool cconc__tls_will_tell(void)
{
    return CCONC_PORT_TELLS_END != 0;
}

/* What runs there may have the thread keep something anew. */
void cconc_port_thread_ends(void)
{
    plat_tls_slot *slot = plat_tls_get();
    while (slot) {
        cconc__tls_set(NULL);
        slot->on_exit(slot);
        slot = plat_tls_get();
    }
}

void cconc__cpu_doze(void)
{
    cconc_port_doze();
}

static void port_main(void *arg)
{
    plat_thread *thread = arg;
    thread->run(thread->arg);
    thread->is_over = true;
    cconc_port_thread_ends(); /* I2 */
}

int cconc__thread_start(plat_thread *thread, size_t stack_size)
{
    int err;
    atom_init(&thread->is_known, 0);
    err = cconc_port_thread_start(&thread->id, thread->name, stack_size, port_main, thread);
    if (err) {
        return EAGAIN;
    }
    atom_store_rel(&thread->is_known, 1); /* [port.1] rel: the last touch */
    return 0;
}

void cconc__thread_join(plat_thread *thread)
{
    uint32_t turn = 0;
    while (!atom_load_acq(&thread->is_known)) { /* [port.1] acq: id is stored */
        plat_cpu_await(turn++);
    }
    cconc_port_thread_join(&thread->id);
}

/* A port ends no thread from outside or from inside of run. */
bool cconc__thread_let_cancel(bool on)
{
    (void)on;
    return false;
}

void cconc__thread_insist(void (*run)(void *arg), void *arg)
{
    run(arg);
}

#endif
