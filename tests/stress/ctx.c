/* ctx.c - contexts under load: random trees, ended from everywhere
 * SPDX-License-Identifier: MIT
 *
 * Risk      A wait that is never ended, an after-func that runs twice or not at all, a handle that
 *           frees what another thread still uses, an end that is seen by halves.
 * Method    Threads make, share, end, wait for and free contexts at random; each registration must
 *           either run once or be stopped once, each wait must end, nothing may be left over.
 * Catches   C1, C2, C5, C9, C11, C13, C14; T1, T2; I9, I22.
 */
#include "support.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include <cconc/cconc.h>

#define THREADS 8
#define SLOTS 24
#define REGISTRATIONS 16

/* A context that any thread may take a handle of. */
struct slot {
    pthread_mutex_t mu;
    cconc_ctx *ctx;
    bool can_cancel;
};

/* One registered after-func, in use if after is not NULL; ran is written by the function alone. */
struct registration {
    cconc_after *after;
    cconc_ctx *ctx;
    int ran;
    bool cancels; /* the function cancels the context too */
};

struct totals {
    atomic_uint_fast64_t registered;
    atomic_uint_fast64_t ran;
    atomic_uint_fast64_t stopped;
    atomic_uint_fast64_t waits;
    atomic_uint_fast64_t ended;
    atomic_uint_fast64_t operations;
};

struct worker {
    struct support_random random;
    struct registration registrations[REGISTRATIONS];
};

static struct slot slots[SLOTS];
static struct totals totals;
static uint64_t seed;

static int key;

/* A handle of the context in some slot; *out_can_cancel tells whether it may be cancelled. */
static cconc_ctx *take_handle(struct worker *w, bool *out_can_cancel)
{
    struct slot *slot = &slots[support_random_below(&w->random, SLOTS)];
    pthread_mutex_lock(&slot->mu);
    cconc_ctx *ctx = cconc_ctx_ref(slot->ctx);
    *out_can_cancel = slot->can_cancel;
    pthread_mutex_unlock(&slot->mu);
    return ctx;
}

static void put_into_slot(struct worker *w, cconc_ctx *ctx, bool can_cancel)
{
    struct slot *slot = &slots[support_random_below(&w->random, SLOTS)];
    pthread_mutex_lock(&slot->mu);
    cconc_ctx *old = slot->ctx;
    slot->ctx = ctx;
    slot->can_cancel = can_cancel;
    pthread_mutex_unlock(&slot->mu);
    cconc_ctx_free(old);
}

static int64_t short_time(struct worker *w)
{
    return (int64_t)support_random_below(&w->random, 2000000) - 1000;
}

static void make_child(struct worker *w)
{
    bool can_cancel;
    bool is_root = support_random_below(&w->random, 8) == 0;
    cconc_ctx *parent = is_root ? NULL : take_handle(w, &can_cancel);
    cconc_ctx *child = NULL;
    int parent_err = cconc_ctx_err(parent);
    uint32_t kind = support_random_below(&w->random, 6);
    int err;
    switch (kind) {
    case 0:
        err = cconc_ctx_with_timeout(parent, short_time(w), &child);
        break;
    case 1:
        err = cconc_ctx_with_timeout_cause(parent, short_time(w), EDOM, "late", &child);
        break;
    case 2:
        err = cconc_ctx_with_value(parent, &key, &key, NULL, &child);
        break;
    case 3:
        err = cconc_ctx_without_cancel(parent, &child);
        break;
    default:
        err = cconc_ctx_with_cancel(parent, &child);
        break;
    }
    SUPPORT_CHECK(err == 0);
    SUPPORT_CHECK(kind == 3 || parent_err == 0 || cconc_ctx_err(child) == parent_err);
    cconc_ctx_free(parent);
    put_into_slot(w, child, kind != 2 && kind != 3);
}

static void end_one(struct worker *w)
{
    bool can_cancel;
    cconc_ctx *ctx = take_handle(w, &can_cancel);
    if (can_cancel) {
        if (support_random_below(&w->random, 2) == 0) {
            cconc_ctx_cancel(ctx);
        } else {
            cconc_ctx_cancel_cause(ctx, EPERM, "by %d", 7);
        }
        SUPPORT_CHECK(cconc_ctx_err(ctx) != 0);
    }
    cconc_ctx_free(ctx);
}

/* Whoever sees err finds the rest. */
static void read_one(struct worker *w)
{
    bool can_cancel;
    cconc_ctx *ctx = take_handle(w, &can_cancel);
    int err = cconc_ctx_err(ctx);
    (void)cconc_ctx_value(ctx, &key);
    if (err != 0) {
        const char *message = NULL;
        int code = cconc_ctx_cause(ctx, &message);
        SUPPORT_CHECK(err == ECANCELED || err == ETIMEDOUT);
        SUPPORT_CHECK(code == ECANCELED || code == ETIMEDOUT || code == EPERM || code == EDOM);
        SUPPORT_CHECK(message && message[0] != '\0');
        SUPPORT_CHECK(cconc_ctx_wait(ctx, NULL) == 0);
        SUPPORT_CHECK(cconc_ctx_cause(ctx, NULL) == code && cconc_ctx_err(ctx) == err);
    }
    cconc_ctx_free(ctx);
}

static void poll_one(struct worker *w)
{
    bool can_cancel;
    cconc_ctx *ctx = take_handle(w, &can_cancel);
    struct pollfd item = {.fd = -1, .events = POLLIN, .revents = 0};
    int err = cconc_ctx_fd(ctx, &item.fd);
    SUPPORT_CHECK(err == 0 || err == EINVAL || err == EMFILE);
    if (err == 0) {
        int ended = cconc_ctx_err(ctx);
        SUPPORT_CHECK(poll(&item, 1, 0) == 1 || ended == 0);
    }
    cconc_ctx_free(ctx);
}

static void wait_one(struct worker *w)
{
    bool can_cancel;
    cconc_ctx_mem mem;
    cconc_ctx *ctx = take_handle(w, &can_cancel);
    cconc_ctx *bound = take_handle(w, &can_cancel);
    int64_t deadline_ns = cconc_clock_after(short_time(w));
    cconc_ctx *soon = cconc_ctx_until(&mem, bound, deadline_ns);
    atomic_fetch_add(&totals.waits, 1);
    int err = cconc_ctx_wait(ctx, soon);
    atomic_fetch_add(&totals.ended, 1);
    SUPPORT_CHECK(err == 0 || err == ETIMEDOUT || err == ECANCELED);
    SUPPORT_CHECK(err != 0 || cconc_ctx_err(ctx) != 0);
    SUPPORT_CHECK(err == 0 || cconc_ctx_err(soon) == err);
    SUPPORT_CHECK(err != ETIMEDOUT || support_now_ns() >= cconc_ctx_deadline(soon));
    if (support_random_below(&w->random, 4) == 0) {
        int64_t time_ns = short_time(w) / 4;
        int64_t begin_ns = support_now_ns();
        err = cconc_ctx_sleep(ctx, time_ns);
        SUPPORT_CHECK(err == 0 || err == cconc_ctx_err(ctx));
        SUPPORT_CHECK(err != 0 || support_now_ns() >= begin_ns + time_ns);
    }
    cconc_ctx_free(bound);
    cconc_ctx_free(ctx);
}

static void registered_fn(void *arg)
{
    struct registration *r = arg;
    SUPPORT_CHECK(cconc_ctx_err(r->ctx) != 0);
    if (r->cancels) {
        cconc_ctx_cancel(r->ctx);
    }
    r->ran++;
    atomic_fetch_add(&totals.ran, 1);
}

/* Register in place r, unless the context cannot end. */
static void register_one(struct worker *w, struct registration *r)
{
    bool can_cancel;
    cconc_ctx *ctx = take_handle(w, &can_cancel);
    r->ran = 0;
    r->ctx = ctx;
    r->cancels = can_cancel;
    int err = cconc_ctx_after_func(ctx, registered_fn, r, &r->after);
    SUPPORT_CHECK(err == 0 || err == EINVAL);
    if (err == 0) {
        atomic_fetch_add(&totals.registered, 1);
    } else {
        r->after = NULL;
        cconc_ctx_free(ctx);
    }
}

/* Stop the registration in place r: it ran once or was stopped, and not both. */
static void unregister_one(struct worker *w, struct registration *r)
{
    bool stopped = support_random_below(&w->random, 2) == 0 ? cconc_after_stop(r->after)
                                                            : cconc_after_stop_wait(r->after);
    SUPPORT_CHECK(!cconc_after_stop_wait(r->after));
    SUPPORT_CHECK(r->ran == (stopped ? 0 : 1));
    atomic_fetch_add(&totals.stopped, stopped ? 1 : 0);
    cconc_after_free(r->after);
    cconc_ctx_free(r->ctx);
    r->after = NULL;
}

static void register_or_unregister(struct worker *w)
{
    struct registration *r = &w->registrations[support_random_below(&w->random, REGISTRATIONS)];
    if (r->after) {
        unregister_one(w, r);
    } else {
        register_one(w, r);
    }
}

static void work(void *arg, size_t index)
{
    static void (*const operations[])(struct worker *) = {
        make_child,
        make_child,
        end_one,
        read_one,
        poll_one,
        wait_one,
        register_or_unregister,
        register_or_unregister,
    };
    struct worker w = {.random = support_random_make(seed, index)};
    (void)arg;
    while (support_stress_open() || atomic_load(&totals.ran) == 0 ||
           atomic_load(&totals.stopped) == 0) { /* however slow the machine is */
        operations[support_random_below(&w.random, 8)](&w);
        atomic_fetch_add(&totals.operations, 1);
    }
    for (size_t i = 0; i < REGISTRATIONS; i++) {
        if (w.registrations[i].after) {
            unregister_one(&w, &w.registrations[i]);
        }
    }
}

int main(int argc, char **argv)
{
    support_start(argc, argv, NULL);
    seed = support_stress_begin("stress ctx");
    for (size_t i = 0; i < SLOTS; i++) {
        SUPPORT_CHECK(pthread_mutex_init(&slots[i].mu, NULL) == 0);
    }
    SUPPORT_CHECK(support_threads_join(support_threads_start(THREADS, work, NULL)) == 0);
    for (size_t i = 0; i < SLOTS; i++) {
        cconc_ctx_free(slots[i].ctx);
    }
    support_leak_check();
    uint64_t registered = atomic_load(&totals.registered);
    uint64_t ran = atomic_load(&totals.ran);
    uint64_t stopped = atomic_load(&totals.stopped);
    printf("operations %" PRIu64 ", waits %" PRIu64 ", after-funcs %" PRIu64 " = %" PRIu64
           " ran + %" PRIu64 " stopped\n",
           (uint64_t)atomic_load(&totals.operations), (uint64_t)atomic_load(&totals.ended),
           registered, ran, stopped);
    SUPPORT_CHECK(registered == ran + stopped);
    SUPPORT_CHECK(atomic_load(&totals.waits) == atomic_load(&totals.ended));
    SUPPORT_CHECK(ran > 0 && stopped > 0);
    return 0;
}
