/* tls.h - one record a thread, with a call when the thread ends
 * SPDX-License-Identifier: MIT
 *
 * CCONC_TLS_KEY builds use a pthread key alone, for platforms without thread-local variables; ports
 * say themselves what they have.
 */
#ifndef PLAT_TLS_H
#define PLAT_TLS_H

#include <limits.h> /* tells which C library this is */
#include <stdbool.h>

#include "plat/port.h"

/* A variable of each thread's own, for what may be lost where there are none: checks. */
#if defined(CCONC_PLAT_HEADER)
#define PLAT_THREAD_LOCAL CCONC_PORT_THREAD_LOCAL
#else
#define PLAT_THREAD_LOCAL _Thread_local
#endif

/* A few bytes that are found by an offset, without a call. The C library must have room for them
 * even if the program loads the shared library late: glibc keeps some, musl does not. */
#if defined(__GLIBC__)
#define PLAT_TLS_NEAR __attribute__((tls_model("initial-exec")))
#else
#define PLAT_TLS_NEAR
#endif

/* The head of what a thread keeps. on_exit(slot) runs when the thread ends, unless NULL was set
 * since; where the platform has no key left it never runs. */
typedef struct plat_tls_slot {
    void (*on_exit)(struct plat_tls_slot *slot);
} plat_tls_slot;

/* Keep slot, or nothing if NULL, for the calling thread. */
void cconc__tls_set(plat_tls_slot *slot);

/* Will on_exit be called for a slot that the calling thread has set? Not where no key is left, and
 * not once it has run: a destructor that comes later may be the last that the system calls. */
bool cconc__tls_will_tell(void);

#if defined(CCONC_PLAT_HEADER)
static inline plat_tls_slot *plat_tls_get(void)
{
    return cconc_port_slot();
}
#elif defined(CCONC_TLS_KEY)
plat_tls_slot *plat_tls_get(void);
#else
extern _Thread_local plat_tls_slot *cconc__tls_slot PLAT_TLS_NEAR;

static inline plat_tls_slot *plat_tls_get(void)
{
    return cconc__tls_slot;
}
#endif

#endif
