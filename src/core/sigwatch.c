/* sigwatch.c - the signal service
 * SPDX-License-Identifier: MIT
 *
 * Idea        The handler (plat/signal.c) notes a number and raises a descriptor; this thread waits
 *             on it and ends the contexts. It also accepts every signal that is watched, so that
 *             one arrives even if all threads of the program block it.
 * Invariants  I1 A signal is hooked exactly while an added watch has it.
 *             I2 An added watch's context has a handle, and so its memory.
 * Locks       mu, rank SIGNAL: the list and the hooks. Contexts are ended with no lock held.
 * Ordering    heard.1  sigwatch_tell(): store rel -> cconc_ctx_signal(): load acq   the number,
 *                      before the context is seen to have ended
 * Lifetime    Whatever is about to be ended is kept by a reference taken under mu.
 * Rejected    Doing it on the timer service: its sleep would need a descriptor too (0006). */
#include "core/sigwatch.h"

#include "core/lock.h"
#include "core/quiet.h"
#include "core/self.h"
#include "core/service.h"
#include "plat/fd.h"
#include "plat/signal.h"

#include <errno.h>
#include <stdio.h>

static void sigwatch_run(void);

static lock mu = LOCK_INIT(RANK_SIGNAL);
static list_link added = {&added, &added};     /* (m) */
static uint32_t users[PLAT_SIGNAL_END];        /* (m) added watches per signal */
static bool accepted[PLAT_SIGNAL_END];         /* by the service's thread alone */
static plat_fd fd;                             /* while have_fd */
static bool have_fd;                           /* (m) */
static self *thread_self;                      /* (m) */
static service service_of_signals = {.mu = &mu, .name = "cconc-signal", .run = sigwatch_run};

static bool watch_has(const sig_watch *watch, int number)
{
    return (watch->numbers >> (number - 1)) & 1;
}

/* Write the cause and note the number. Only the first signal of a watch is told. */
static void sigwatch_tell(sig_watch *watch, int number)
{
    node_cause *cause = watch->node->on_signal;
    (void)snprintf(cause->message, sizeof(cause->message), "%s signal received",
                   cconc__signal_name(number));
    atom_store_rel(&watch->heard, (uint32_t)number); /* [heard.1] rel: before the end is seen */
}

/* End the contexts that watch number. */
static void sigwatch_deliver(int number)
{
    sig_watch *heard = NULL;
    lock_take(&mu);
    for (list_link *at = added.next; at != &added; at = at->next) {
        sig_watch *watch = LIST_OF(at, sig_watch, link);
        if (watch_has(watch, number) && atom_load_rlx(&watch->heard) == 0) { /* rlx: own store */
            ref_get(&watch->node->ctx.refs);
            watch->next = heard;
            heard = watch;
        }
    }
    lock_leave(&mu);
    while (heard) {
        sig_watch *next = heard->next;
        node_signal *node = heard->node;
        sigwatch_tell(heard, number);
        cconc__node_end(&node->ctx, ECANCELED, 0, node->on_signal);
        cconc__node_unref(&node->ctx);
        heard = next;
    }
}

/* Let this thread receive what is watched by now. */
static void sigwatch_accept(void)
{
    for (int number = 1; number < PLAT_SIGNAL_END; number++) {
        bool wanted;
        lock_take(&mu);
        wanted = users[number] > 0;
        lock_leave(&mu);
        if (wanted && !accepted[number]) {
            accepted[number] = true;
            cconc__signal_accept(number);
        }
    }
}

static bool sigwatch_goes_on(void)
{
    bool on;
    lock_take(&mu);
    on = service_of_signals.state != SERVICE_STOPPING;
    lock_leave(&mu);
    return on;
}

static void sigwatch_run(void)
{
    self *me = self_get();
    lock_take(&mu);
    thread_self = me;
    lock_leave(&mu);
    while (sigwatch_goes_on()) {
        sigwatch_accept();
        cconc__fd_await(&fd);
        for (int number = 1; number < PLAT_SIGNAL_END; number++) {
            if (cconc__signal_take(number)) {
                sigwatch_deliver(number);
            }
        }
    }
    for (int number = 1; number < PLAT_SIGNAL_END; number++) {
        accepted[number] = false;
    }
    lock_take(&mu);
    thread_self = NULL;
    lock_leave(&mu);
}

static void sigwatch_wake(void)
{
    cconc__fd_raise(fd.write_end);
}

/* Open the descriptor, once. Returns 0, or what the system says. */
static int sigwatch_open(void)
{
    plat_fd fresh;
    int err = cconc__fd_open(&fresh);
    bool extra;
    if (err) {
        return err;
    }
    lock_take(&mu);
    extra = have_fd;
    if (!extra) {
        fd = fresh;
        have_fd = true;
    }
    lock_leave(&mu);
    if (extra) {
        cconc__fd_close(&fresh);
    } else {
        cconc__signal_listen(&fd);
    }
    return 0;
}

/* Hook the signals of watch that nobody hears yet. Returns 0, or EINVAL with none hooked. */
static int sigwatch_hook_locked(const sig_watch *watch)
{
    int number;
    cconc__lock_assert_held(&mu);
    for (number = 1; number < PLAT_SIGNAL_END; number++) {
        if (!watch_has(watch, number)) {
            continue;
        }
        if (users[number] == 0 && cconc__signal_hook(number) != 0) {
            break;
        }
        users[number]++;
    }
    if (number == PLAT_SIGNAL_END) {
        return 0;
    }
    while (--number > 0) {
        if (watch_has(watch, number) && --users[number] == 0) {
            cconc__signal_unhook(number);
        }
    }
    return EINVAL;
}

/* The earliest arrival that ends the process, for all who want that: each one's own second. */
static void sigwatch_exit_at_locked(void)
{
    uint32_t earliest = UINT32_MAX;
    cconc__lock_assert_held(&mu);
    for (list_link *at = added.next; at != &added; at = at->next) {
        const sig_watch *watch = LIST_OF(at, sig_watch, link);
        if (watch->exits && watch->exit_at < earliest) {
            earliest = watch->exit_at;
        }
    }
    cconc__signal_exit_at(earliest);
}

static void sigwatch_exits_locked(const sig_watch *watch, bool on)
{
    cconc__lock_assert_held(&mu);
    for (int number = 1; watch->exits && number < PLAT_SIGNAL_END; number++) {
        if (watch_has(watch, number)) {
            cconc__signal_count_exits(number, on);
        }
    }
    sigwatch_exit_at_locked();
}

int cconc__sigwatch_add(sig_watch *watch)
{
    int err;
    bool open;
    lock_take(&mu);
    open = have_fd;
    lock_leave(&mu);
    err = open ? 0 : sigwatch_open();
    if (!err) {
        err = cconc__service_start(&service_of_signals);
    }
    if (err) {
        return err;
    }
    lock_take(&mu);
    err = sigwatch_hook_locked(watch);
    if (!err) {
        watch->exit_at = cconc__signal_exit_arrivals() + 2;
        list_push_back(&added, &watch->link);
        watch->added = true;
        sigwatch_exits_locked(watch, true);
    }
    lock_leave(&mu);
    if (!err) {
        sigwatch_wake(); /* the service's thread accepts the new signals */
    }
    return err;
}

void cconc__sigwatch_remove(sig_watch *watch)
{
    lock_take(&mu);
    if (watch->added) {
        watch->added = false;
        list_remove(&watch->link);
        sigwatch_exits_locked(watch, false);
        for (int number = 1; number < PLAT_SIGNAL_END; number++) {
            if (watch_has(watch, number) && --users[number] == 0) {
                cconc__signal_unhook(number);
            }
        }
    }
    lock_leave(&mu);
    cconc__quiet_tell();
}

bool cconc__sigwatch_is_busy(void)
{
    bool busy;
    lock_take(&mu);
    busy = !list_is_empty(&added);
    lock_leave(&mu);
    return busy;
}

bool cconc__sigwatch_is_me(void)
{
    bool is_me;
    lock_take(&mu);
    is_me = thread_self && thread_self == self_peek();
    lock_leave(&mu);
    return is_me;
}

/* Close the descriptor, if there is one; the service's thread has ended. */
static void sigwatch_close(void)
{
    bool open;
    lock_take(&mu);
    open = have_fd;
    have_fd = false;
    lock_leave(&mu);
    if (open) {
        cconc__signal_listen(NULL);
        cconc__fd_close(&fd);
    }
}

int cconc__sigwatch_stop(void)
{
    service_state found;
    lock_take(&mu);
    found = service_of_signals.state;
    if (!list_is_empty(&added) || found == SERVICE_STARTING || found == SERVICE_STOPPING) {
        lock_leave(&mu);
        return EBUSY;
    }
    if (found == SERVICE_RUNNING) {
        service_of_signals.state = SERVICE_STOPPING;
    }
    lock_leave(&mu);
    if (found == SERVICE_RUNNING) {
        cconc__service_join(&service_of_signals, sigwatch_wake);
    }
    sigwatch_close();
    return 0;
}
