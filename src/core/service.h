/* service.h - a thread of the library that is started on first use and ended by shutdown
 * SPDX-License-Identifier: MIT
 *
 * Key  (i) immutable  (m) under mu  (s) by the thread that moved state to STARTING or STOPPING
 */
#ifndef CORE_SERVICE_H
#define CORE_SERVICE_H

#include "core/lock.h"
#include "plat/thread.h"

typedef enum service_state {
    SERVICE_NONE,
    SERVICE_STARTING,
    SERVICE_RUNNING,
    SERVICE_STOPPING, /* run() returns as soon as it sees this */
} service_state;

typedef struct service {
    lock         *mu;    /* (i) the lock of the service's own state */
    const char   *name;  /* (i) of the thread */
    int (*prepare)(void); /* (i) before the thread starts; 0 or why not. NULL = nothing to do */
    void (*clean)(void);  /* (i) undoes it, when the thread has ended. NULL = nothing to do */
    void (*run)(void);   /* (i) the thread */
    void (*torn)(void);  /* (i) tidies up after a callback that ended the thread; NULL = has none */
    service_state state; /* (m) */
    plat_thread   thread; /* (s) */
} service;

/* See that s runs. Returns 0; ENOMEM if there can be no thread, ENOTRECOVERABLE in a forked child,
 * or what prepare returned. */
int cconc__service_start(service *s);

/* In a forked child: s, and its lock, as if it had never run. */
void cconc__service_forked(service *s);

/* End s: state is STOPPING already, wake makes its thread look, and then it is joined. */
void cconc__service_join(service *s, void (*wake)(void));

#endif
