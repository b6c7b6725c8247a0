/* none.h - the types of a port that has nothing: to compile the library, and see what it asks for.
 * SPDX-License-Identifier: MIT
 */
#ifndef EMBEDDED_NONE_H
#define EMBEDDED_NONE_H

typedef struct cconc_port_mutex {
    unsigned char is_taken;
} cconc_port_mutex;

typedef struct cconc_port_cond {
    unsigned char is_signalled;
} cconc_port_cond;

typedef struct cconc_port_thread {
    void *stack;
} cconc_port_thread;

#define CCONC_PORT_MUTEX_INIT {0}

#endif
