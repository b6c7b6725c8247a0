/* sigwatch.c - the signal service
 * SPDX-License-Identifier: MIT
 *
 * Idea        The handler (plat/signal.c) notes a number and raises a descriptor; this thread waits
 *             on it and ends the contexts. It also hears of signals that all threads of the program
 *             block.
 * Invariants  I1 A signal is hooked exactly while an added watch has it.
 *             I2 An added watch's context has a handle, and so its memory.
 *             I3 While a watch is added or about to be, the service is not stopped.
 * Locks       sigwatch_mu, rank SIGNAL: the list, the hooks, what the hooks hear. Contexts are
 *             ended with no lock held.
 * Ordering    heard.1  sigwatch_tell_locked(): store rel -> cconc_ctx_signal(): load acq
 *                      the number, before the context is seen to have ended
 * Lifetime    Whatever is about to be ended is kept by a reference taken under sigwatch_mu.
 * Rejected    Doing it on the timer service: its sleep would need a descriptor too (0006). */
#include "core/sigwatch.h"

#include "core/lock.h"
#include "core/quiet.h"
#include "core/self.h"
#include "core/service.h"
#include "plat/fd.h"
#include "plat/fork.h"
#include "plat/signal.h"
#include "plat/text.h"

#include <errno.h>
#include <string.h>

static int sigwatch_open(void);
static void sigwatch_close(void);
static void sigwatch_run(void);

static lock sigwatch_mu = LOCK_INIT(RANK_SIGNAL);
static list_link added = {&added, &added};     /* (m) */
static uint32_t users[PLAT_SIGNAL_END];        /* (m) added watches per signal */
static uint32_t adding;                        /* (m) watches about to be added */
static plat_fd fd;                             /* while the service is prepared */
static self *sigwatch_self;                    /* (m) */
static service service_of_signals = {.mu = &sigwatch_mu, .name = "cconc-signal",
                                     .prepare = sigwatch_open,
                                     .clean = sigwatch_close, .run = sigwatch_run};

static bool watch_has(const sig_watch *watch, int number)
{
    return (watch->exit.numbers >> (number - 1)) & 1;
}

/* Write the cause and note the number; the first signal of a watch alone is told. */
static void sigwatch_tell_locked(sig_watch *watch, int number)
{
    node_cause *cause = watch->node->on_signal;
    const char *name = cconc__signal_name(number);
    cconc__lock_assert_held(&sigwatch_mu);
    if (name) {
        cconc__text_print(cause->message, sizeof(cause->message), "%s signal received", name);
    } else {
        cconc__text_print(cause->message, sizeof(cause->message), "signal %d received", number);
    }
    atom_store_rel(&watch->heard, (uint32_t)number); /* [heard.1] rel: before the end is seen */
}

/* Tell all who watch number, if it has arrived, and keep their memory. Returns them, chained. */
static sig_watch *sigwatch_deliver_locked(int number)
{
    sig_watch *told = NULL;
    cconc__lock_assert_held(&sigwatch_mu);
    if (!cconc__signal_take(number)) {
        return NULL;
    }
    if (users[number] == 0) { /* its handler began before the last one left, and came after it */
        cconc__signal_pass_on(number);
    }
    for (list_link *at = added.next; at != &added; at = at->next) {
        sig_watch *watch = LIST_OF(at, sig_watch, link);
        if (watch_has(watch, number) && atom_load_rlx(&watch->heard) == 0) { /* rlx: under mu */
            ref_get(&watch->node->ctx.refs);
            sigwatch_tell_locked(watch, number);
            watch->next = told;
            told = watch;
        }
    }
    return told;
}

/* If number has arrived end the contexts that watch it. */
static void sigwatch_deliver(int number)
{
    sig_watch *told;
    lock_take(&sigwatch_mu);
    told = sigwatch_deliver_locked(number);
    lock_leave(&sigwatch_mu);
    while (told) {
        sig_watch *next = told->next;
        node_signal *node = told->node;
        cconc__node_end(&node->ctx, ECANCELED, 0, node->on_signal);
        cconc__node_unref(&node->ctx);
        told = next;
    }
}

/* Note what arrived, and tell whether to go on. */
static bool sigwatch_collect(void)
{
    bool on;
    lock_take(&sigwatch_mu);
    cconc__signal_collect();
    on = service_of_signals.state != SERVICE_STOPPING;
    lock_leave(&sigwatch_mu);
    return on;
}

static void sigwatch_run(void)
{
    self *me = self_get();
    bool on;
    lock_take(&sigwatch_mu);
    sigwatch_self = me;
    lock_leave(&sigwatch_mu);
    do {
        cconc__signal_await(&fd);
        on = sigwatch_collect();
        for (int number = 1; number < PLAT_SIGNAL_END; number++) {
            sigwatch_deliver(number);
        }
    } while (on);
    lock_take(&sigwatch_mu);
    sigwatch_self = NULL;
    lock_leave(&sigwatch_mu);
}

static void sigwatch_wake(void)
{
    cconc__fd_raise(fd.write_end);
}

/* Before the service's thread starts. Returns 0, or what the system says. */
static int sigwatch_open(void)
{
    int err = cconc__fd_open(&fd);
    if (err) {
        return err;
    }
    err = cconc__signal_open(&fd);
    if (err) {
        cconc__fd_close(&fd);
    }
    return err;
}

/* After it has ended. */
static void sigwatch_close(void)
{
    cconc__signal_close();
    cconc__fd_close(&fd);
}

/* Hook the signals of watch that nobody hears yet. Returns 0, or EINVAL with none hooked. */
static int sigwatch_hook_locked(const sig_watch *watch)
{
    int number;
    cconc__lock_assert_held(&sigwatch_mu);
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

static int sigwatch_add_locked(sig_watch *watch)
{
    int err = sigwatch_hook_locked(watch);
    cconc__lock_assert_held(&sigwatch_mu);
    if (err) {
        return err;
    }
    list_push_back(&added, &watch->link);
    watch->added = true;
    watch->process = cconc__fork_number();
    if (watch->exits) {
        cconc__signal_exit_add(&watch->exit);
    }
    sigwatch_wake(); /* raising never blocks; where the thread lets signals in it does so now */
    return 0;
}

int cconc__sigwatch_add(sig_watch *watch)
{
    int err;
    lock_take(&sigwatch_mu);
    adding++; /* from here on the service is not stopped */
    lock_leave(&sigwatch_mu);
    err = cconc__service_start(&service_of_signals);
    lock_take(&sigwatch_mu);
    adding--;
    if (!err) {
        err = sigwatch_add_locked(watch);
    }
    lock_leave(&sigwatch_mu);
    if (err) {
        cconc__quiet_tell();
    }
    return err;
}

/* No longer hear of number. Tell watch if it has arrived, and if the service may not know it yet;
 * what comes later meets the disposition, or the others. */
static void sigwatch_unhook_locked(sig_watch *watch, int number)
{
    bool has_come;
    cconc__lock_assert_held(&sigwatch_mu);
    users[number]--;
    if (users[number] == 0) {
        cconc__signal_unhook(number);
        has_come = cconc__signal_take(number);
    } else {
        has_come = cconc__signal_has(number);
    }
    if (has_come && atom_load_rlx(&watch->heard) == 0) { /* rlx: under mu */
        sigwatch_tell_locked(watch, number);
    }
}

bool cconc__sigwatch_remove(sig_watch *watch)
{
    bool has_heard;
    lock_take(&sigwatch_mu);
    if (watch->added && watch->process == cconc__fork_number()) {
        watch->added = false;
        list_remove(&watch->link);
        if (watch->exits) {
            cconc__signal_exit_remove(&watch->exit);
        }
        for (int number = 1; number < PLAT_SIGNAL_END; number++) {
            if (watch_has(watch, number)) {
                sigwatch_unhook_locked(watch, number);
            }
        }
    }
    has_heard = atom_load_rlx(&watch->heard) != 0; /* rlx: under mu */
    lock_leave(&sigwatch_mu);
    cconc__quiet_tell();
    return has_heard;
}

void cconc__sigwatch_forked(void)
{
    /* else a thread was about to open or close what there is: its numbers may be others' by now */
    bool is_open = service_of_signals.state == SERVICE_RUNNING;
    cconc__signal_forked(is_open);
    if (is_open) {
        cconc__fd_close(&fd); /* the parent has its own */
    }
    cconc__service_forked(&service_of_signals);
    list_init(&added);
    memset(users, 0, sizeof(users));
    adding = 0;
    sigwatch_self = NULL;
}

bool cconc__sigwatch_is_busy(void)
{
    bool busy;
    lock_take(&sigwatch_mu);
    busy = !list_is_empty(&added) || adding > 0;
    lock_leave(&sigwatch_mu);
    return busy;
}

bool cconc__sigwatch_is_me(void)
{
    bool is_me;
    lock_take(&sigwatch_mu);
    is_me = sigwatch_self && sigwatch_self == self_peek();
    lock_leave(&sigwatch_mu);
    return is_me;
}

int cconc__sigwatch_stop(void)
{
    service_state found;
    lock_take(&sigwatch_mu);
    found = service_of_signals.state;
    if (!list_is_empty(&added) || adding > 0) {
        lock_leave(&sigwatch_mu);
        return EBUSY;
    }
    if (found == SERVICE_RUNNING) {
        service_of_signals.state = SERVICE_STOPPING;
    }
    lock_leave(&sigwatch_mu);
    if (found == SERVICE_RUNNING) {
        cconc__service_join(&service_of_signals, sigwatch_wake);
    }
    return 0;
}
