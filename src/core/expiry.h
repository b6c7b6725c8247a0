/* expiry.h - a due time that threads wait for: what waited timers and tickers are made of
 * SPDX-License-Identifier: MIT
 *
 * Key  (i) immutable after init  (m) under mu  (a) atomic
 */
#ifndef CORE_EXPIRY_H
#define CORE_EXPIRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cconc/base.h>

#include "core/lock.h"
#include "core/ref.h"
#include "core/timer.h"
#include "core/waitq.h"

/* The first member of an expiry, and of a function timer, which is none. */
typedef struct expiry_head {
    bool is_waitable; /* (i) an expiry: its values can be received */
} expiry_head;

/* The first member of its object, whose memory goes with the last reference. */
typedef struct expiry {
    expiry_head head;    /* (i) */
    bool    is_running;  /* (m) started, and neither stopped nor at its end */
    bool    is_stopped;  /* (m) not started since stop: plain waits end with EPIPE */
    ref     refs;        /* (a) one for the user, one for the armed alarm */
    lock    mu;          /* rank EXPIRY; guards (m) */
    int64_t due_ns;      /* (m) while running: of the value to come, or of the one that is there */
    size_t  changes;     /* (m) how often due_ns or is_running changed */
    waitq   queue;       /* (m) who waits for a value */
    wait_node *keeper;   /* (m) the one of them that sleeps until keeps_ns at most, or NULL */
    int64_t keeps_ns;    /* (m) */
    timer   alarm;       /* (m) armed for alarm_ns while somebody waits and nobody keeps time */
    int64_t alarm_ns;    /* (m) PLAT_NEVER = not armed */
    /* (i) Called under mu when the value of due_ns has been received: set what comes next. */
    void (*received_locked)(struct expiry *e, int64_t now_ns);
} expiry;

/* What a change under mu asks for, to be done when the lock is free. */
typedef struct expiry_work {
    wake_batch wakes;
    bool       kick; /* the timer service */
    bool       tell; /* whoever waits for the timer service to have nothing to do */
} expiry_work;

#define EXPIRY_WORK_INIT {WAKE_BATCH_INIT, false, false}

/* The expiry that object, a timer or ticker, is; NULL for a function timer. */
static inline expiry *expiry_of(void *object)
{
    return ((expiry_head *)object)->is_waitable ? object : NULL;
}

/* Make e, zeroed memory, and room for its alarm. Returns 0, or ENOMEM or ENOTRECOVERABLE
 * with nothing done. */
int cconc__expiry_init(expiry *e);

/* Drop one reference; the last one releases e's object. */
void cconc__expiry_unref(expiry *e);

/* The lock, and the work that is then to be done. */
void cconc__expiry_take(expiry *e);
void cconc__expiry_leave(expiry *e, expiry_work *work);

/* Start anew with due_ns, or stop: ends plain waits. Returns true if it was running: the value
 * before, come or to come, has then been received by nobody and never will. */
bool cconc__expiry_start_locked(expiry *e, int64_t due_ns, expiry_work *work);
bool cconc__expiry_stop_locked(expiry *e, expiry_work *work);

/* Receive a value without waiting. Returns 0, EAGAIN, EPIPE (stopped). */
int cconc__expiry_try(expiry *e, int64_t *out_due_ns);

/* The same, waiting. Returns 0, EPIPE, ECANCELED, ETIMEDOUT. */
int cconc__expiry_wait(expiry *e, cconc_ctx *ctx, int64_t *out_due_ns);

/* Give the number of waits that are blocked. */
size_t cconc__expiry_waiters(expiry *e);

#endif
