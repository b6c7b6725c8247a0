/* select.h - wait for the first of several things: channels, contexts, timers, a point in time.
 * SPDX-License-Identifier: MIT
 *
 * Model     A list of cases, of which at most one fires. All are looked at as of one instant; of
 *           those ready at that instant each is equally likely. The behaviour is that of Go's
 *           select where this header says nothing else.
 * Example   cconc_select_case cases[] = {cconc_select_recv(work, &job), cconc_select_done(ctx)};
 *           int err = cconc_select(cases, 2, 0, &fired);   (examples/ticker_loop.c)
 * Lifetime  The cases are the caller's and only read; what they point to lives through the call.
 * Threads   Any thread, any time.
 * Blocking  select without CCONC_SELECT_TRY, until a case fires.
 * Orders    Those of the case that fired.
 * Progress  Blocked cases queue in order of arrival with plain callers of the same channel.
 * Errors    The code of the case that fired: 0; EPIPE (closed channel); ECANCELED, ETIMEDOUT
 *           (done); ETIMEDOUT (until). Without a case fired: EAGAIN (try form), EDEADLK (nothing
 *           could ever fire), EINVAL (unknown kind or flag, reserved word, NULL element or list, a
 *           function timer), ENOMEM (more than 8 cases).
 * Limits    65536 cases, else EINVAL; up to 8 never need memory. */
#ifndef CCONC_SELECT_H
#define CCONC_SELECT_H

#include <cconc/base.h>

/* Kinds of case. */
#define CCONC_SELECT_SEND 1u
#define CCONC_SELECT_RECV 2u
#define CCONC_SELECT_DONE 3u
#define CCONC_SELECT_UNTIL 4u
#define CCONC_SELECT_TIMER 5u
#define CCONC_SELECT_TICKER 6u

/* Flags: do not wait, give EAGAIN; of the cases ready at once take the lowest index. */
#define CCONC_SELECT_TRY 1u
#define CCONC_SELECT_ORDERED 2u

#define CCONC_SELECT_MAX_CASES 65536u

CCONC_BEGIN_DECLS

/* One case. Made by the functions below; an object of NULL means that the case is off. */
typedef struct cconc_select_case {
    uint32_t    kind;
    uint32_t    reserved;    /* must be zero */
    void       *object;      /* the channel, context, timer or ticker */
    const void *send_elem;   /* SEND: what to send */
    void       *recv_elem;   /* RECV: where to, or NULL; TIMER, TICKER: an int64_t, or NULL */
    int64_t     deadline_ns; /* UNTIL */
} cconc_select_case;

/* Fire by sending *elem into ch, or with EPIPE. */
CCONC_API cconc_select_case cconc_select_send(cconc_chan *ch, const void *elem);

/* Fire by receiving from ch into out_elem, or with EPIPE. */
CCONC_API cconc_select_case cconc_select_recv(cconc_chan *ch, void *out_elem);

/* Fire when ctx is done, with its code. */
CCONC_API cconc_select_case cconc_select_done(cconc_ctx *ctx);

/* Fire at deadline_ns, with ETIMEDOUT. */
CCONC_API cconc_select_case cconc_select_until(int64_t deadline_ns);

/* Fire by receiving the value of timer, a waited one, into out_due_ns (or NULL); never while it is
 * stopped or its value has been received. */
CCONC_API cconc_select_case cconc_select_timer(cconc_timer *timer, int64_t *out_due_ns);

/* Fire by receiving a tick into out_due_ns (or NULL); never while ticker is stopped. */
CCONC_API cconc_select_case cconc_select_ticker(cconc_ticker *ticker, int64_t *out_due_ns);

/* Wait until one of count cases fires and write its index to *out_index (or NULL).
 * Returns:  the code of the case that fired: 0, EPIPE, ECANCELED, ETIMEDOUT. Else EAGAIN, EDEADLK,
 *           EINVAL, ENOMEM, with *out_index untouched. */
CCONC_API CCONC_NODISCARD int cconc_select(const cconc_select_case *cases, size_t count,
                                           uint32_t flags, size_t *out_index);

CCONC_END_DECLS

#endif
