/* objects.c - injected failures of the system's objects: mutexes, condition variables, attributes
 * SPDX-License-Identifier: MIT
 *
 * With glibc they cost nothing and never fail; there are systems that have only so many of them.
 */
#include "internal.h"
#include "support.h"

#include <errno.h>
#include <pthread.h>

/* The linker sends every call of such a function to the first and the real one to the second. */
int __wrap_pthread_mutex_init(pthread_mutex_t *mu, const pthread_mutexattr_t *attr);
int __real_pthread_mutex_init(pthread_mutex_t *mu, const pthread_mutexattr_t *attr);
int __wrap_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr);
int __real_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr);
int __wrap_pthread_condattr_init(pthread_condattr_t *attr);
int __real_pthread_condattr_init(pthread_condattr_t *attr);
int __wrap_pthread_attr_init(pthread_attr_t *attr);
int __real_pthread_attr_init(pthread_attr_t *attr);

static struct support_fault object_fault;

int __wrap_pthread_mutex_init(pthread_mutex_t *mu, const pthread_mutexattr_t *attr)
{
    return support_fault_now(&object_fault) ? ENOMEM : __real_pthread_mutex_init(mu, attr);
}

int __wrap_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr)
{
    return support_fault_now(&object_fault) ? ENOMEM : __real_pthread_cond_init(cond, attr);
}

int __wrap_pthread_condattr_init(pthread_condattr_t *attr)
{
    return support_fault_now(&object_fault) ? ENOMEM : __real_pthread_condattr_init(attr);
}

int __wrap_pthread_attr_init(pthread_attr_t *attr)
{
    return support_fault_now(&object_fault) ? ENOMEM : __real_pthread_attr_init(attr);
}

void support_fail_object(uint64_t n, bool sticky)
{
    support_sweep_pause(true);
    support_fault_arm(&object_fault, n, sticky);
}

uint64_t support_object_fault_end(void)
{
    return support_fault_disarm(&object_fault);
}
