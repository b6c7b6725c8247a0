/* ctx_pairs.c - any call on a context beside any other
 * SPDX-License-Identifier: MIT
 *
 * Risk     Two calls that nobody thought of together: an end, by whatever comes first, while others
 *          derive, register, ask for the descriptor, wait, read, and let go.
 * Method   Each call meets each on another thread: on a child, on a context with a deadline, on one
 *          with a function that follows it, and on one that nobody but the callers has a handle of.
 *          What waits ends by time, but with the context if that ends. Afterwards all agree on one
 *          end, or on none; then it is ended, and all is over that an end is to end.
 * Catches  A child, a wait, a function or a descriptor that an end does not reach; a second cause;
 *          a function that runs twice, or although it was stopped; memory that goes too early.
 */
#include "chan_actor.h"

enum { LATE_CODE = 99 };

/* What the context that they meet at is. */
typedef enum setup { CHILD, TIMED, FOLLOWED, LET_GO, SETUPS } setup;

typedef struct place {
    setup        is;
    cconc_ctx   *parent; /* or NULL */
    cconc_ctx   *ctx;    /* NULL if only the callers have it */
    cconc_after *after;  /* of a followed one */
    int64_t      deadline_ns;
    int          ran;    /* the function of after */
    model_word   over;   /* calls of other threads */
} place;

/* A thread that makes one call. */
typedef struct caller {
    place     *at;
    cconc_ctx *ctx;     /* a handle of its own */
    cconc_ctx *limit;
    int        code;    /* of the cause that it may give */
    int        fd;      /* or -1 */
    int        ran;     /* a function of its own */
    bool       stopped; /* the one of the place */
} caller;

static const int key;

static void counts(void *arg)
{
    int *ran = arg;
    (*ran)++;
}

/* From inside of the function, stopping it does not wait for itself. */
static void counts_and_stops_itself(void *arg)
{
    place *at = arg;
    at->ran++;
    MODEL_CHECK(!cconc_after_stop_wait(at->after));
}

/* One of the ends that there can be, with its cause. Returns err, which may be 0. */
static int check_end(cconc_ctx *ctx)
{
    const char *message = NULL;
    int code = cconc_ctx_cause(ctx, &message);
    int err = cconc_ctx_err(ctx);
    if (code == 0) {
        return cconc_ctx_err(ctx); /* it may have ended meanwhile */
    }
    MODEL_EQ(cconc_ctx_cause(ctx, NULL), code);
    if (code == LATE_CODE) {
        MODEL_EQ(err, ETIMEDOUT);
        MODEL_CHECK(strcmp(message, "too slow") == 0);
        MODEL_CHECK(model_now() >= MODEL_START + CCONC_MS);
    } else {
        MODEL_EQ(err, ECANCELED);
        MODEL_CHECK(code == ECANCELED || strcmp(message, code == 71   ? "stop 71"
                                                         : code == 72 ? "stop 72"
                                                                      : "stop 73") == 0);
    }
    return err;
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void cancels(caller *c)
{
    cconc_ctx_cancel(c->ctx);
    MODEL_CHECK(check_end(c->ctx) != 0);
}

static void cancels_with_cause(caller *c)
{
    cconc_ctx_cancel_cause(c->ctx, c->code, "stop %d", c->code);
    MODEL_CHECK(check_end(c->ctx) != 0);
}

static void cancels_parent(caller *c)
{
    if (c->at->parent) {
        cconc_ctx_cancel_cause(c->at->parent, c->code, "stop %d", c->code);
        MODEL_CHECK(check_end(c->ctx) != 0);
    }
}

/* ---- looks ----------------------------------------------------------------------------------- */

static void reads_end(caller *c)
{
    int err = cconc_ctx_err(c->ctx);
    int seen = check_end(c->ctx);
    MODEL_CHECK(err == 0 || seen == err);
    MODEL_EQ(cconc_ctx_signal(c->ctx), 0);
}

static void reads_what_stays(caller *c)
{
    MODEL_EQ(cconc_ctx_deadline(c->ctx), c->at->deadline_ns);
    MODEL_CHECK(!cconc_ctx_value(c->ctx, &key));
}

static void asks_for_descriptor(caller *c)
{
    MODEL_EQ(cconc_ctx_fd(c->ctx, &c->fd), 0);
    MODEL_CHECK(!cconc_ctx_err(c->ctx) || model_fd_is_readable(c->fd));
    MODEL_CHECK(!model_fd_is_readable(c->fd) || cconc_ctx_err(c->ctx));
}

/* ---- waits ----------------------------------------------------------------------------------- */

static void waits(caller *c)
{
    int err = cconc_ctx_wait(c->ctx, c->limit);
    MODEL_CHECK(err == 0 || err == ETIMEDOUT);
    MODEL_CHECK(cconc_ctx_err(err ? c->limit : c->ctx) != 0);
}

/* For something else that ends by time, with the context as what bounds the wait. */
static void waits_under_it(caller *c)
{
    int err = cconc_ctx_wait(c->limit, c->ctx);
    MODEL_CHECK(err ? check_end(c->ctx) == err : cconc_ctx_err(c->limit) == ETIMEDOUT);
}

static void sleeps(caller *c)
{
    int err = cconc_ctx_sleep(c->ctx, CCONC_MS);
    MODEL_CHECK(err ? check_end(c->ctx) == err : model_now() >= MODEL_START + CCONC_MS);
}

static void selects_it(caller *c, uint32_t flags)
{
    size_t fired = 9;
    cconc_select_case cases[] = {cconc_select_done(c->ctx),
                                 cconc_select_until(MODEL_START + CCONC_MS)};
    int err = cconc_select(cases, 2, flags, &fired);
    if (flags && err == EAGAIN) {
        MODEL_EQ(fired, 9);
    } else if (fired == 0) {
        MODEL_EQ(check_end(c->ctx), err);
    } else {
        MODEL_EQ(fired, 1);
        MODEL_EQ(err, ETIMEDOUT);
    }
}

static void selects(caller *c)
{
    selects_it(c, 0);
}

static void tries_to_select(caller *c)
{
    selects_it(c, CCONC_SELECT_TRY);
}

/* ---- what hangs below ------------------------------------------------------------------------ */

/* made was born done if the context had ended before, and else ends with it: by the same cause,
 * unless time has ended it alone. */
static void check_below(caller *c, int err_before, cconc_ctx *made)
{
    MODEL_CHECK(!err_before || cconc_ctx_err(made));
    if (cconc_ctx_err(c->ctx)) {
        MODEL_EQ(cconc_ctx_wait(made, NULL), 0); /* the end may be on its way from the one to it */
        MODEL_CHECK(cconc_ctx_err(made) == ETIMEDOUT ||
                    cconc_ctx_cause(made, NULL) == cconc_ctx_cause(c->ctx, NULL));
    }
}

static void derives(caller *c)
{
    int err = cconc_ctx_err(c->ctx);
    cconc_ctx *made;
    MODEL_EQ(cconc_ctx_with_cancel(c->ctx, &made), 0);
    check_below(c, err, made);
    cconc_ctx_cancel(made);
    MODEL_CHECK(check_end(made) != 0);
    cconc_ctx_free(made);
}

static void derives_with_timeout(caller *c)
{
    int err = cconc_ctx_err(c->ctx);
    cconc_ctx *made;
    MODEL_EQ(cconc_ctx_with_timeout(c->ctx, CCONC_MS, &made), 0);
    check_below(c, err, made);
    MODEL_EQ(cconc_ctx_wait(made, NULL), 0);
    MODEL_CHECK(cconc_ctx_err(made) != 0);
    cconc_ctx_free(made);
}

static void derives_with_value(caller *c)
{
    int destroyed = 0;
    int err = cconc_ctx_err(c->ctx);
    cconc_ctx *made;
    MODEL_EQ(cconc_ctx_with_value(c->ctx, &key, &destroyed, counts, &made), 0);
    check_below(c, err, made);
    MODEL_CHECK(cconc_ctx_value(made, &key) == &destroyed);
    cconc_ctx_free(made);
    MODEL_EQ(destroyed, 1);
}

static void derives_without_cancel(caller *c)
{
    cconc_ctx *made;
    MODEL_EQ(cconc_ctx_without_cancel(c->ctx, &made), 0);
    MODEL_EQ(cconc_ctx_err(made), 0);
    MODEL_EQ(cconc_ctx_deadline(made), CCONC_NEVER);
    cconc_ctx_free(made);
}

/* One on the stack, that ends in the middle of its parent's time. */
static void derives_until(caller *c)
{
    cconc_ctx_mem mem;
    cconc_ctx *made = cconc_ctx_until(&mem, c->ctx, MODEL_START + CCONC_MS / 2);
    int err = cconc_ctx_err(c->ctx);
    check_below(c, err, made);
    MODEL_EQ(cconc_ctx_wait(made, NULL), 0);
    err = cconc_ctx_err(made);
    MODEL_CHECK(err == ETIMEDOUT || (err == ECANCELED && cconc_ctx_err(c->ctx) == ECANCELED));
    MODEL_CHECK(err == ECANCELED || model_now() >= MODEL_START + CCONC_MS / 2);
}

static void takes_another_handle(caller *c)
{
    cconc_ctx *again = cconc_ctx_ref(c->ctx);
    MODEL_CHECK(again == c->ctx);
    cconc_ctx_free(again);
}

/* ---- functions that follow ------------------------------------------------------------------- */

static void follows(caller *c)
{
    cconc_after *after;
    MODEL_EQ(cconc_ctx_after_func(c->ctx, counts, &c->ran, &after), 0);
    if (cconc_after_stop_wait(after)) {
        MODEL_EQ(c->ran, 0);
    } else {
        MODEL_EQ(c->ran, 1);
        MODEL_CHECK(check_end(c->ctx) != 0);
    }
    cconc_after_free(after);
}

static void stops_function(caller *c)
{
    if (c->at->after) {
        c->stopped = cconc_after_stop(c->at->after);
    }
}

static void stops_function_and_waits(caller *c)
{
    if (c->at->after) {
        c->stopped = cconc_after_stop_wait(c->at->after);
        MODEL_CHECK(!c->stopped || c->at->ran == 0);
    }
}

/* ---- any beside any -------------------------------------------------------------------------- */

static void (*const calls[])(caller *c) = {
    cancels,
    cancels_with_cause,
    cancels_parent,
    reads_end,
    reads_what_stays,
    asks_for_descriptor,
    waits,
    waits_under_it,
    sleeps,
    selects,
    tries_to_select,
    derives,
    derives_with_timeout,
    derives_with_value,
    derives_without_cancel,
    derives_until,
    takes_another_handle,
    follows,
    stops_function,
    stops_function_and_waits,
};

enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static void make_call(void (*call)(caller *c), caller *c)
{
    call(c);
    cconc_ctx_free(c->ctx);
}

static void makes_any_call(void *arg)
{
    caller *c = arg;
    make_call(calls[model_choose(CALLS)], c);
    (void)model_add(&c->at->over, 1);
}

static place *place_new(setup is)
{
    place *at = model_zalloc(sizeof(*at));
    at->is = is;
    at->deadline_ns = CCONC_NEVER;
    if (is == CHILD) {
        at->parent = actor_cancellable();
    }
    if (is == TIMED) {
        at->deadline_ns = MODEL_START + CCONC_MS;
        MODEL_EQ(cconc_ctx_with_deadline_cause(NULL, at->deadline_ns, LATE_CODE, "too slow",
                                               &at->ctx),
                 0);
    } else {
        MODEL_EQ(cconc_ctx_with_cancel(at->parent, &at->ctx), 0);
    }
    if (is == FOLLOWED) {
        MODEL_EQ(cconc_ctx_after_func(at->ctx, counts_and_stops_itself, at, &at->after), 0);
    }
    model_settle(); /* the service's thread sleeps: it is no part of the race */
    return at;
}

static caller *caller_new(place *at, int code)
{
    caller *c = model_zalloc(sizeof(*c));
    c->at = at;
    c->ctx = cconc_ctx_ref(at->ctx);
    c->limit = actor_limit(CCONC_MS);
    c->code = code;
    c->fd = -1;
    return c;
}

/* Nobody waits for time to pass where the end has come: all that they wait for is over by it. */
static void check_nobody_sleeps_on(place *at, uint32_t others)
{
    model_settle();
    if (at->ctx && cconc_ctx_err(at->ctx)) {
        model_settle(); /* time may have ended it just now */
        MODEL_EQ(model_get(&at->over), others);
    }
}

/* A live one lets a wait go on, and all that is below live; then it is ended, with all of that. */
static void must_be_as_new(place *at)
{
    cconc_ctx *made;
    int fd;
    MODEL_EQ(cconc_ctx_with_cancel(at->ctx, &made), 0);
    MODEL_EQ(cconc_ctx_fd(at->ctx, &fd), 0);
    if (!cconc_ctx_err(at->ctx)) {
        MODEL_CHECK(!model_fd_is_readable(fd));
        MODEL_EQ(cconc_ctx_err(made), 0);
        MODEL_EQ(cconc_ctx_wait(made, actor_limit(CCONC_MS / 4)), ETIMEDOUT);
        cconc_ctx_cancel_cause(at->ctx, 71, "stop 71");
    }
    MODEL_CHECK(check_end(at->ctx) != 0);
    MODEL_EQ(check_end(made), cconc_ctx_err(at->ctx));
    MODEL_CHECK(model_fd_is_readable(fd));
    cconc_ctx_free(made);
}

/* It has run once, or one has stopped it and it never will; the context has ended. */
static void check_function(place *at, int stopped)
{
    bool stops = cconc_after_stop_wait(at->after);
    MODEL_CHECK(!stops);
    MODEL_EQ(at->ran + stopped, 1);
    cconc_after_free(at->after);
}

static void meet(void (*call)(caller *c), uint32_t others)
{
    place *at = place_new((setup)model_choose(SETUPS));
    caller *all[3] = {caller_new(at, 71), NULL, NULL};
    int stopped = 0;
    int fd = -1;
    for (uint32_t i = 1; i <= others; i++) {
        all[i] = caller_new(at, 71 + (int)i);
    }
    if (at->is == LET_GO) {
        cconc_ctx_free(at->ctx);
        at->ctx = NULL;
    }
    for (uint32_t i = 1; i <= others; i++) {
        model_spawn(makes_any_call, all[i]);
    }
    make_call(call, all[0]);
    check_nobody_sleeps_on(at, others);
    model_join_all();
    model_rest();
    for (uint32_t i = 0; i <= others; i++) {
        MODEL_CHECK(fd < 0 || all[i]->fd < 0 || all[i]->fd == fd);
        fd = all[i]->fd < 0 ? fd : all[i]->fd;
        stopped += all[i]->stopped ? 1 : 0;
    }
    if (at->ctx) {
        must_be_as_new(at);
    }
    if (at->after) {
        check_function(at, stopped);
    }
    cconc_ctx_free(at->ctx);
    cconc_ctx_free(at->parent);
}

#define CTX_PAIR(call)                                                                             \
    MODEL_SCENARIO(ctx_pair_##call, .bound = 1, .covers = "C1 C2 C3")                              \
    {                                                                                              \
        meet(call, 1);                                                                             \
    }

CTX_PAIR(cancels)
CTX_PAIR(cancels_with_cause)
CTX_PAIR(cancels_parent)
CTX_PAIR(reads_end)
CTX_PAIR(reads_what_stays)
CTX_PAIR(asks_for_descriptor)
CTX_PAIR(waits)
CTX_PAIR(waits_under_it)
CTX_PAIR(sleeps)
CTX_PAIR(selects)
CTX_PAIR(tries_to_select)
CTX_PAIR(derives)
CTX_PAIR(derives_with_timeout)
CTX_PAIR(derives_with_value)
CTX_PAIR(derives_without_cancel)
CTX_PAIR(derives_until)
CTX_PAIR(takes_another_handle)
CTX_PAIR(follows)
CTX_PAIR(stops_function)
CTX_PAIR(stops_function_and_waits)

MODEL_SCENARIO(ctx_any_three, .bound = 1, .covers = "C1 C2 C3")
{
    meet(calls[model_choose(CALLS)], 2);
}
