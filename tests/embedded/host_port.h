/* host_port.h - a port on the host, as one for a small system is: mutexes and binary semaphores.
 * SPDX-License-Identifier: MIT
 */
#ifndef EMBEDDED_HOST_PORT_H
#define EMBEDDED_HOST_PORT_H

#include <pthread.h>
#include <stdbool.h>

typedef struct cconc_port_mutex {
    pthread_mutex_t system;
} cconc_port_mutex;

/* A semaphore of one: a signal stays in it until a wait takes it. */
typedef struct cconc_port_cond {
    pthread_mutex_t mutex;
    pthread_cond_t  system;
    bool            is_given;
    unsigned        waits; /* every third comes back for nothing */
} cconc_port_cond;

typedef struct cconc_port_thread {
    pthread_t id;
    void (*run)(void *arg);
    void *arg;
} cconc_port_thread;

#define CCONC_PORT_MUTEX_INIT {PTHREAD_MUTEX_INITIALIZER}
#define CCONC_PORT_CPUS 2
#define CCONC_PORT_RECORDS 3
#define CCONC_PORT_THREAD_LOCAL _Thread_local
#define CCONC_PORT_TELLS_END 1

#endif
