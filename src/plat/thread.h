/* thread.h - threads of the library's own
 * SPDX-License-Identifier: MIT
 */
#ifndef PLAT_THREAD_H
#define PLAT_THREAD_H

#include <stdbool.h>
#include <stddef.h>

#include "plat/atomic.h"
#include "plat/port.h"

#if defined(CCONC_PLAT_HEADER)
typedef cconc_port_thread plat_thread_id;
#else
#include <pthread.h>

typedef pthread_t plat_thread_id;
#endif

#define PLAT_THREAD_NAME_BYTES 16 /* with the zero; what Linux keeps of a name */

/* What a thread needs for the library alone; less is more than musl asks for, and would not do. */
#define PLAT_THREAD_STACK_BYTES ((size_t)16 * 1024)

/* For how many threads there is a static record: the first to wait need no allocator. */
#if defined(CCONC_PLAT_HEADER)
#define PLAT_THREAD_RECORDS CCONC_PORT_RECORDS
#else
#define PLAT_THREAD_RECORDS 16
#endif

/* Key  (i) immutable after start  (a) atomic  (e thread.1) by that edge  (o) only the thread */
typedef struct plat_thread {
    plat_thread_id id;                      /* (e thread.1) */
    atom_u32  is_known;                     /* (a) its maker has stored id [thread.1] */
    char      name[PLAT_THREAD_NAME_BYTES]; /* (i) */
    void (*run)(void *arg);                 /* (i) */
    /* Called when the thread is ended inside run. Returns true to have run called again, by what is
     * left of the thread. */
    bool (*torn)(void *arg); /* (i) */
    void *arg;               /* (i) */
    bool  is_over;           /* (o) run has returned, or is not wanted again */
} plat_thread;

/* Start a thread that calls run(arg), with the name and stack size given (0 = the platform's; what
 * is too little is raised). It has all signals blocked but the synchronous faults, and cancellation
 * disabled. Fill in name, run, torn and arg first; thread stays in use until joined. Returns 0, or
 * EAGAIN if there can be no thread. */
int cconc__thread_start(plat_thread *thread, size_t stack_size);

/* Wait for its end. No cancellation point. */
void cconc__thread_join(plat_thread *thread);

/* Let the calling thread be cancelled, or not. Returns what was. */
bool cconc__thread_let_cancel(bool on);

/* Call run(arg). If that ends the thread, call it again in what is left of the thread, until it
 * returns. */
void cconc__thread_insist(void (*run)(void *arg), void *arg);

#endif
