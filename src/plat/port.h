/* port.h - what a machine without POSIX threads gives to the library
 * SPDX-License-Identifier: MIT
 *
 * Empty unless CCONC_PLAT_HEADER is defined, as the name of the header of a port, in quotes or
 * brackets. That header defines three types of the port's own, and the port all functions below
 * that are not called the library's. docs/porting.md tells more, and how to check a port.
 *
 *     cconc_port_mutex, CCONC_PORT_MUTEX_INIT   what excludes threads from one another, unlocked
 *     cconc_port_cond                           what one thread waits with
 *     cconc_port_thread                         what is kept of a thread that was started
 *
 * It may define CCONC_PORT_CPUS, CCONC_PORT_RECORDS, CCONC_PORT_TELLS_END and
 * CCONC_PORT_THREAD_LOCAL, too.
 */
#ifndef PLAT_PORT_H
#define PLAT_PORT_H

#if defined(CCONC_PLAT_HEADER)

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include CCONC_PLAT_HEADER

/* How many processors run the program's threads: with one, nobody spins. */
#ifndef CCONC_PORT_CPUS
#define CCONC_PORT_CPUS 1
#endif

/* For how many threads that wait there is memory without an allocator. */
#ifndef CCONC_PORT_RECORDS
#define CCONC_PORT_RECORDS 16
#endif

/* Does every thread that ends call cconc_port_thread_ends()? */
#ifndef CCONC_PORT_TELLS_END
#define CCONC_PORT_TELLS_END 0
#endif

/* How a variable of each thread's own is declared. Checked builds need it. */
#ifndef CCONC_PORT_THREAD_LOCAL
#if defined(CCONC_CHECKED)
#error "CCONC_CHECKED needs a port that defines CCONC_PORT_THREAD_LOCAL"
#endif
#define CCONC_PORT_THREAD_LOCAL
#endif

/* Make a mutex, which is unlocked. Returns 0 or ENOMEM. It need not be recursive. What is written
 * before unlock is read after the next lock. */
int  cconc_port_mutex_init(cconc_port_mutex *mutex);
void cconc_port_mutex_destroy(cconc_port_mutex *mutex);
void cconc_port_mutex_lock(cconc_port_mutex *mutex);
void cconc_port_mutex_unlock(cconc_port_mutex *mutex);

/* Make what one thread waits with. Returns 0 or ENOMEM. */
int  cconc_port_cond_init(cconc_port_cond *cond);
void cconc_port_cond_destroy(cconc_port_cond *cond);

/* End the wait of the thread that is in it. With nobody in a wait it may do nothing, or end the
 * next one at once. The caller may hold mutex or not. */
void cconc_port_cond_signal(cconc_port_cond *cond);

/* Unlock mutex, wait for a signal, lock mutex. One thread at a time. A signal that comes once mutex
 * is unlocked is not missed. Comes back at until_ns of the port's clock, rounded up to a tick, if
 * there was no signal; INT64_MAX = never; it may come back at any time before. */
void cconc_port_cond_wait(cconc_port_cond *cond, cconc_port_mutex *mutex, int64_t until_ns);

/* Start a thread that calls run(arg), and ends when that returns. The name, of 15 characters at
 * most, stays as long as thread; stack_size 0 is the port's default. Returns 0, or EAGAIN if there
 * can be no thread, as there is none where a port has one thread. */
int cconc_port_thread_start(cconc_port_thread *thread, const char *name, size_t stack_size,
                            void (*run)(void *arg), void *arg);

/* Wait until run has returned, and release what there is of the thread. */
void cconc_port_thread_join(cconc_port_thread *thread);

/* One pointer of each thread's own, NULL to begin with: give it; change it. */
void *cconc_port_slot(void);
void  cconc_port_set_slot(void *value);

/* The time since any moment, not negative. It never falls, nor stands still for ever. */
int64_t cconc_port_now_ns(void);

/* Let another thread run first. */
void cconc_port_yield(void);

/* Sleep for a tick or so, in which threads of lower priority run, too. */
void cconc_port_doze(void);

/* Write into out, of size bytes, as vsnprintf does, which may be called. What the library itself
 * writes needs %s, %.10s, %d, %u, %zu, %lld and %llu; causes of contexts have what their callers
 * use. */
void cconc_port_format(char *out, size_t size, const char *format, va_list args);

/* Show a line of text, with its end, to whoever looks for the reason of an abort. Then abort. */
void cconc_port_complain(const char *text);
_Noreturn void cconc_port_abort(void);

/* The library's. Where CCONC_PORT_TELLS_END is 1 each thread that ends calls it, last, on itself;
 * those that cconc_port_thread_start() made do without. */
void cconc_port_thread_ends(void);

#endif

#endif
