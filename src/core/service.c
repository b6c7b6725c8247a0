/* service.c - a thread of the library that is started on first use and ended by shutdown
 * SPDX-License-Identifier: MIT
 *
 * Idea        One word says who starts or ends the thread; everybody else waits for that to be
 *             over, which takes as long as making a thread does.
 * Picture     NONE --start()--> STARTING --> RUNNING --the owner--> STOPPING --join()--> NONE
 * Invariants  I1 One thread at most exists per service.
 *             I2 What prepare made is there from before the thread's start until after its end.
 * Locks       The service's own lock guards state; threads are made and joined without it.
 * Ordering    None but the lock's.
 * Lifetime    The record is static, and free again once join() is back.
 * Rejected    pthread_once: it cannot fail, and cannot start over. */
#include "core/service.h"

#include "core/must.h"
#include "core/quiet.h"
#include "plat/cpu.h"
#include "plat/fork.h"
#include "plat/text.h"

#include <errno.h>
#include <string.h>

/* A callback has ended the thread: the service goes on with what is left of it. */
static bool service_torn(void *arg)
{
    service *s = arg;
    CHECK(s->torn != NULL);
    s->torn();
    return true;
}

static void service_run(void *arg)
{
    service *s = arg;
    s->run();
}

/* Wait until nobody starts or ends s. Returns true if it is ours to start. */
static bool service_claim(service *s)
{
    service_state found;
    for (uint32_t turn = 0;; turn++) {
        lock_take(s->mu);
        found = s->state;
        if (found == SERVICE_NONE) {
            s->state = SERVICE_STARTING;
        }
        lock_leave(s->mu);
        if (found == SERVICE_NONE || found == SERVICE_RUNNING) {
            return found == SERVICE_NONE;
        }
        plat_cpu_await(turn);
    }
}

static void service_clean(service *s)
{
    if (s->clean) {
        s->clean();
    }
}

/* Prepare, and make the thread. */
static int service_make(service *s)
{
    int err = s->prepare ? s->prepare() : 0;
    if (err) {
        return err;
    }
    memset(&s->thread, 0, sizeof(s->thread));
    cconc__text_copy(s->thread.name, sizeof(s->thread.name), s->name);
    s->thread.run = service_run;
    s->thread.torn = service_torn;
    s->thread.arg = s;
    if (cconc__thread_start(&s->thread, 0) != 0) {
        service_clean(s);
        return ENOMEM;
    }
    return 0;
}

int cconc__service_start(service *s)
{
    int err;
    if (!plat_fork_is_ours()) {
        return ENOTRECOVERABLE;
    }
    if (!service_claim(s)) {
        return 0;
    }
    err = service_make(s);
    lock_take(s->mu);
    s->state = err ? SERVICE_NONE : SERVICE_RUNNING;
    lock_leave(s->mu);
    cconc__quiet_tell();
    return err;
}

void cconc__service_forked(service *s)
{
    cconc__lock_forked(s->mu);
    s->state = SERVICE_NONE;
}

void cconc__service_join(service *s, void (*wake)(void))
{
    wake();
    cconc__thread_join(&s->thread);
    service_clean(s);
    lock_take(s->mu);
    s->state = SERVICE_NONE;
    lock_leave(s->mu);
}
