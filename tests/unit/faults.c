/* faults.c - every call that may return ENOMEM, without the memory or the thread that it needs
 * SPDX-License-Identifier: MIT
 *
 * Risk      A call that says it may run out of memory and crashes, leaks, or half happens instead;
 *           one that says so and never does.
 * Method    A row for each such call of the headers. It is run with the n-th allocation, start of a
 *           thread, or mutex and the like failing, n = 1, 2 ... once and for good, until a run has
 *           no failure. Nothing may be left after each run; the call must have failed in one, with
 *           ENOMEM and its outputs untouched, and have been done in the last.
 * Catches   all-1 for ENOMEM, of all primitives.
 */
#include "pool_help.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#define SETUP_FAILED (-1)
#define MARK ((void *)(uintptr_t)64) /* what outputs hold before the call */
#define TASKS 200                    /* of an unbounded queue: more than a block of its records */

static char key;

/* Free what was made, with the code that the call gave: on ENOMEM it left the output alone. */
#define END(err, out, end)                                                                         \
    do {                                                                                           \
        SUPPORT_CHECK((err) == 0 || (out) == MARK);                                                \
        if ((err) == 0) {                                                                          \
            end(out);                                                                              \
        }                                                                                          \
    } while (0)

/* A row for a constructor: it has no more to it than its call. */
#define MADE(name, type, call, end)                                                                \
    static int new_##name(void)                                                                    \
    {                                                                                              \
        type *out = MARK;                                                                          \
        int err = call;                                                                            \
        END(err, out, end);                                                                        \
        return err;                                                                                \
    }

static void nothing(void *arg)
{
    (void)arg;
}

static int no_task(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return 0;
}

static int end_thread(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    pthread_exit(NULL);
}

static int no_value(cconc_ctx *ctx, void *arg, void **out_value)
{
    (void)ctx;
    (void)arg;
    (void)out_value;
    return 0;
}

/* ---- constructors --------------------------------------------------------------------------- */

static const int signals[] = {SIGUSR1};

MADE(chan, cconc_chan, cconc_chan_new(8, 4, &out), cconc_chan_free)
MADE(chan_opts, cconc_chan, cconc_chan_new_opts(8, 0, NULL, &out), cconc_chan_free)
MADE(counter, cconc_counter, cconc_counter_new(NULL, &out), cconc_counter_free)
MADE(with_cancel, cconc_ctx, cconc_ctx_with_cancel(NULL, &out), cconc_ctx_free)
MADE(with_deadline, cconc_ctx, cconc_ctx_with_deadline(NULL, CCONC_NEVER - 1, &out), cconc_ctx_free)
MADE(with_timeout, cconc_ctx, cconc_ctx_with_timeout(NULL, CCONC_SECOND, &out), cconc_ctx_free)
MADE(with_deadline_cause, cconc_ctx,
     cconc_ctx_with_deadline_cause(NULL, CCONC_NEVER - 1, 7, "late", &out), cconc_ctx_free)
MADE(with_timeout_cause, cconc_ctx,
     cconc_ctx_with_timeout_cause(NULL, CCONC_SECOND, 7, "late", &out), cconc_ctx_free)
MADE(with_value, cconc_ctx, cconc_ctx_with_value(NULL, &key, &key, NULL, &out), cconc_ctx_free)
MADE(without_cancel, cconc_ctx, cconc_ctx_without_cancel(NULL, &out), cconc_ctx_free)
MADE(with_signals, cconc_ctx, cconc_ctx_with_signals(NULL, signals, 1, 0, &out), cconc_ctx_free)
MADE(flight, cconc_flight, cconc_flight_new(NULL, &out), cconc_flight_free)
MADE(group, cconc_group, cconc_group_new(NULL, NULL, &out), cconc_group_free)
MADE(limiter, cconc_limiter, cconc_limiter_new(1, 1, &out), cconc_limiter_free)
MADE(keyed, cconc_limiter_keyed, cconc_limiter_keyed_new(1, 1, 9, &out), cconc_limiter_keyed_free)
MADE(pool, cconc_pool, cconc_pool_new(NULL, &(cconc_pool_opts){.workers = 2, .queue_len = 3}, &out),
     cconc_pool_free)
MADE(objpool, cconc_objpool, cconc_objpool_new(&(cconc_objpool_opts){.size = 8}, &out),
     cconc_objpool_free)
MADE(sem, cconc_sem, cconc_sem_new(3, &out), cconc_sem_free)
MADE(sometimes, cconc_sometimes, cconc_sometimes_new(NULL, &out), cconc_sometimes_free)
MADE(ticker, cconc_ticker, cconc_ticker_new(CCONC_SECOND, NULL, &out), cconc_ticker_free)
MADE(timer, cconc_timer, cconc_timer_new(CCONC_SECOND, &out), cconc_timer_free)
MADE(timer_func, cconc_timer, cconc_timer_new_func(CCONC_SECOND, nothing, NULL, &out),
     cconc_timer_free)

/* ---- contexts ------------------------------------------------------------------------------- */

static int call_after_func(void)
{
    cconc_ctx *ctx;
    cconc_after *after = MARK;
    if (cconc_ctx_with_cancel(NULL, &ctx) != 0) {
        return SETUP_FAILED;
    }
    int err = cconc_ctx_after_func(ctx, nothing, NULL, &after);
    END(err, after, cconc_after_free);
    cconc_ctx_free(ctx);
    return err;
}

static int call_fd(void)
{
    cconc_ctx *ctx;
    int fd = -7;
    if (cconc_ctx_with_cancel(NULL, &ctx) != 0) {
        return SETUP_FAILED;
    }
    int err = cconc_ctx_fd(ctx, &fd);
    SUPPORT_CHECK((err == 0) == (fd != -7));
    cconc_ctx_free(ctx);
    return err;
}

/* ---- flights -------------------------------------------------------------------------------- */

static int call_flight_do(void)
{
    cconc_flight *set;
    cconc_flight_result *result = MARK;
    cconc_ctx *ctx = NULL;
    int err = SETUP_FAILED;
    if (cconc_flight_new(NULL, &set) != 0) {
        return SETUP_FAILED;
    }
    if (cconc_ctx_with_cancel(NULL, &ctx) == 0) {
        err = cconc_flight_do(set, ctx, "k", 1, no_value, NULL, NULL, &result);
        END(err, result, cconc_flight_result_unref);
    }
    cconc_ctx_free(ctx);
    cconc_flight_free(set);
    return err;
}

enum answer { BY_HANDLE, BY_FUNCTION, BY_CHANNEL };

static void take_answer(void *arg, int code, cconc_flight_result *result)
{
    SUPPORT_CHECK(code == 0 || code == ENOMEM);
    cconc_flight_result_unref(result);
    atomic_store((atomic_int *)arg, 1);
}

/* With a context: nothing else needs memory, or the timer service. */
static int answer(cconc_flight_call *call, enum answer how, cconc_chan *ch, cconc_ctx *ctx)
{
    atomic_int answered = 0;
    cconc_flight_outcome outcome = {.result = NULL};
    int err = 0;
    if (how == BY_HANDLE) {
        err = cconc_flight_wait(call, NULL, NULL);
    } else if (how == BY_FUNCTION) {
        err = cconc_flight_then(call, ctx, take_answer, &answered);
        if (err == 0) {
            until(atomic_load(&answered) == 1);
        }
    } else {
        err = cconc_flight_send(call, ctx, ch, NULL);
        if (err == 0) {
            SUPPORT_CHECK(cconc_chan_recv(ch, NULL, &outcome) == 0);
            cconc_flight_result_unref(outcome.result);
        }
    }
    if (err || how == BY_HANDLE) {
        cconc_flight_leave(call);
    }
    return err;
}

static int fly_async(enum answer how)
{
    cconc_flight *set;
    cconc_flight_call *call = MARK;
    cconc_chan *ch = NULL;
    cconc_ctx *ctx = NULL;
    int err = SETUP_FAILED;
    if (cconc_flight_new(NULL, &set) != 0) {
        return SETUP_FAILED;
    }
    if (cconc_chan_new(sizeof(cconc_flight_outcome), 1, &ch) == 0 &&
        cconc_ctx_with_cancel(NULL, &ctx) == 0) {
        int begun = cconc_flight_do_async(set, NULL, "k", 1, no_value, NULL, NULL, &call);
        SUPPORT_CHECK((begun == 0) == (call != MARK));
        err = how == BY_HANDLE ? begun : begun ? SETUP_FAILED : 0;
        err = begun ? err : answer(call, how, ch, ctx);
    }
    cconc_flight_counts counts;
    do {
        cconc_flight_read(set, &counts);
    } while (counts.flying + counts.abandoned > 0);
    cconc_ctx_free(ctx);
    cconc_chan_free(ch);
    cconc_flight_free(set);
    return err;
}

static int call_flight_do_async(void)
{
    return fly_async(BY_HANDLE);
}

static int call_flight_then(void)
{
    return fly_async(BY_FUNCTION);
}

static int call_flight_send(void)
{
    return fly_async(BY_CHANNEL);
}

/* ---- groups, waitgroups --------------------------------------------------------------------- */

static int go(bool tries)
{
    cconc_group *group;
    atomic_int ran = 0;
    if (cconc_group_new(NULL, NULL, &group) != 0) {
        return SETUP_FAILED;
    }
    int err = tries ? cconc_group_try_go(group, count_run, &ran)
                    : cconc_group_go(group, NULL, count_run, &ran);
    SUPPORT_CHECK(cconc_group_wait(group, NULL, NULL) == 0);
    SUPPORT_CHECK(atomic_load(&ran) == (err == 0));
    cconc_group_free(group);
    return err;
}

static int call_group_go(void)
{
    return go(false);
}

static int call_group_try_go(void)
{
    return go(true);
}

static int call_waitgroup_go(void)
{
    cconc_waitgroup wg = CCONC_WAITGROUP_INIT;
    int err = cconc_waitgroup_go(&wg, nothing, NULL);
    SUPPORT_CHECK(err == 0 || cconc_waitgroup_count(&wg) == 0);
    SUPPORT_CHECK(cconc_waitgroup_wait(&wg, NULL) == 0);
    cconc_waitgroup_destroy(&wg);
    return err;
}

/* ---- keyed limiters, object pools, once, select ---------------------------------------------- */

enum ask { ASK_ALLOW, ASK_ALLOW_AT, ASK_WAIT };

static int ask(enum ask how)
{
    cconc_limiter_keyed *limiter;
    int err;
    if (cconc_limiter_keyed_new(1, 1, 100, &limiter) != 0) {
        return SETUP_FAILED;
    }
    if (how == ASK_ALLOW) {
        err = cconc_limiter_keyed_allow(limiter, &key, 1, 1);
    } else if (how == ASK_ALLOW_AT) {
        err = cconc_limiter_keyed_allow_at(limiter, 5, &key, 1, 1);
    } else {
        err = cconc_limiter_keyed_wait(limiter, NULL, &key, 1, 1);
    }
    SUPPORT_CHECK(cconc_limiter_keyed_len(limiter) == (err == 0));
    cconc_limiter_keyed_free(limiter);
    return err;
}

static int call_keyed_allow(void)
{
    return ask(ASK_ALLOW);
}

static int call_keyed_allow_at(void)
{
    return ask(ASK_ALLOW_AT);
}

static int call_keyed_wait(void)
{
    return ask(ASK_WAIT);
}

static int call_objpool_get(void)
{
    cconc_objpool *pool;
    cconc_objpool_opts opts = {.size = 100};
    void *object = MARK;
    if (cconc_objpool_new(&opts, &pool) != 0) {
        return SETUP_FAILED;
    }
    int err = cconc_objpool_get(pool, &object);
    SUPPORT_CHECK((err == 0) == (object != MARK));
    SUPPORT_CHECK(cconc_objpool_lent(pool) == (err == 0));
    cconc_objpool_put(pool, err ? NULL : object);
    cconc_objpool_free(pool);
    return err;
}

static int call_once_run(void)
{
    cconc_once once = CCONC_ONCE_INIT;
    atomic_int ran = 0;
    cconc_ctx *ctx;
    if (cconc_ctx_with_cancel(NULL, &ctx) != 0) {
        return SETUP_FAILED;
    }
    int err = cconc_once_run(&once, ctx, count_run, &ran);
    SUPPORT_CHECK(atomic_load(&ran) == (err == 0) && cconc_once_is_done(&once) == (err == 0));
    cconc_once_destroy(&once);
    cconc_ctx_free(ctx);
    return err;
}

static int call_once_value(void)
{
    cconc_once once = CCONC_ONCE_INIT;
    cconc_ctx *ctx;
    void *value = MARK;
    if (cconc_ctx_with_cancel(NULL, &ctx) != 0) {
        return SETUP_FAILED;
    }
    int err = cconc_once_value(&once, ctx, no_value, NULL, &value);
    SUPPORT_CHECK((err == 0) == (value != MARK) && cconc_once_is_done(&once) == (err == 0));
    cconc_once_destroy(&once);
    cconc_ctx_free(ctx);
    return err;
}

static int call_select(void)
{
    cconc_select_case cases[40];
    size_t index = 77;
    for (size_t i = 0; i < 40; i++) {
        cases[i] = cconc_select_recv(NULL, NULL);
    }
    cases[39] = cconc_select_until(0);
    int err = cconc_select(cases, 40, 0, &index);
    SUPPORT_CHECK((err == ETIMEDOUT && index == 39) || (err == ENOMEM && index == 77));
    return err == ETIMEDOUT ? 0 : err;
}

/* ---- pools ---------------------------------------------------------------------------------- */

static cconc_pool *pool_or_null(uint32_t flags)
{
    cconc_pool_opts opts = {
        .workers = 1, .queue_len = 2, .flags = flags, .full_policy = CCONC_POOL_FAIL};
    cconc_pool *pool = NULL;
    return cconc_pool_new(NULL, &opts, &pool) == 0 ? pool : NULL;
}

/* Queue more than there are records for, behind a task that lasts until the pool's context ends. */
static int submit_many(bool tries)
{
    cconc_pool *pool = pool_or_null(CCONC_POOL_UNBOUNDED);
    cconc_pool_task record = {.fn = no_task}; /* behind it, each task needs one */
    int code = SETUP_FAILED;
    if (pool && cconc_pool_submit(pool, NULL, until_done, NULL) == 0) {
        code = cconc_pool_submit_task(pool, NULL, &record);
        for (int i = 0; i < TASKS; i++) {
            int err = tries ? cconc_pool_try_submit(pool, no_task, NULL)
                            : cconc_pool_submit(pool, NULL, no_task, NULL);
            SUPPORT_CHECK(err == 0 || err == ENOMEM);
            code = err ? err : code;
        }
    }
    cconc_pool_free(pool);
    return code;
}

static int call_pool_submit(void)
{
    return submit_many(false);
}

static int call_pool_try_submit(void)
{
    return submit_many(true);
}

/* Records need no memory, but a worker: the only one has been ended. */
static int submit_without_worker(bool tries)
{
    cconc_pool *pool = pool_or_null(0);
    cconc_pool_task tasks[3] = {{.fn = no_task}, {.fn = no_task}, {.fn = no_task}};
    int accepted = 0;
    int code = SETUP_FAILED;
    if (pool && cconc_pool_submit(pool, NULL, end_thread, NULL) == 0) {
        until(pool_counts(pool).completed == 1);
        do { /* while its thread is on its way out two are accepted, for whoever comes */
            code = tries ? cconc_pool_try_submit_task(pool, &tasks[accepted])
                         : cconc_pool_submit_task(pool, NULL, &tasks[accepted]);
            accepted += code == 0;
            sched_yield();
        } while (code == EAGAIN || (code == 0 && accepted < 3));
    }
    cconc_pool_free(pool);
    return code;
}

static int call_pool_submit_task(void)
{
    return submit_without_worker(false);
}

static int call_pool_try_submit_task(void)
{
    return submit_without_worker(true);
}

static int call_pool_submit_future(void)
{
    cconc_pool *pool = pool_or_null(0);
    cconc_future *future = MARK;
    if (!pool) {
        return SETUP_FAILED;
    }
    int err = cconc_pool_submit_future(pool, NULL, no_task, NULL, &future);
    SUPPORT_CHECK(err || cconc_future_wait(future, NULL) == 0);
    END(err, future, cconc_future_free);
    cconc_pool_free(pool);
    return err;
}

static int count_range(cconc_ctx *ctx, size_t begin, size_t end, void *arg)
{
    (void)ctx;
    atomic_fetch_add((atomic_int *)arg, (int)(end - begin));
    return 0;
}

static int call_pool_parallel_for(void)
{
    cconc_pool *pool = pool_or_null(0);
    atomic_int items = 0;
    if (!pool) {
        return SETUP_FAILED;
    }
    int err = cconc_pool_parallel_for(pool, NULL, 0, 100, 1, count_range, &items);
    SUPPORT_CHECK(atomic_load(&items) == (err ? 0 : 100));
    cconc_pool_free(pool);
    return err;
}

static int call_pool_resize(void)
{
    cconc_pool *pool = pool_or_null(0);
    if (!pool) {
        return SETUP_FAILED;
    }
    int err = cconc_pool_resize(pool, 4);
    SUPPORT_CHECK((err == 0) == (pool_counts(pool).workers == 4));
    cconc_pool_free(pool);
    return err;
}

/* Tasks are left, and the only worker has been ended. */
static int call_pool_shutdown(void)
{
    cconc_pool *pool = pool_or_null(0);
    int code = SETUP_FAILED;
    if (pool && cconc_pool_submit(pool, NULL, end_thread, NULL) == 0) {
        int err = cconc_pool_try_submit(pool, no_task, NULL);
        SUPPORT_CHECK(err == 0 || err == ENOMEM);
        code = cconc_pool_shutdown(pool, NULL, CCONC_POOL_DRAIN);
    }
    cconc_pool_free(pool);
    return code;
}

/* ---- the table ------------------------------------------------------------------------------ */

enum need { MEMORY = 1, THREAD = 2, OBJECT = 4 };

struct row {
    const char *name;
    int (*call)(void);
    unsigned needs; /* what it fails for the want of */
    int done;
    int failed;
};

static struct row rows[] = {
    {"chan_new", new_chan, MEMORY | OBJECT, 0, 0},
    {"chan_new_opts", new_chan_opts, MEMORY | OBJECT, 0, 0},
    {"counter_new", new_counter, MEMORY | OBJECT, 0, 0},
    {"ctx_with_cancel", new_with_cancel, MEMORY | OBJECT, 0, 0},
    {"ctx_with_deadline", new_with_deadline, MEMORY | THREAD | OBJECT, 0, 0},
    {"ctx_with_timeout", new_with_timeout, MEMORY | THREAD | OBJECT, 0, 0},
    {"ctx_with_deadline_cause", new_with_deadline_cause, MEMORY | THREAD | OBJECT, 0, 0},
    {"ctx_with_timeout_cause", new_with_timeout_cause, MEMORY | THREAD | OBJECT, 0, 0},
    {"ctx_with_value", new_with_value, MEMORY, 0, 0},
    {"ctx_without_cancel", new_without_cancel, MEMORY, 0, 0},
    {"ctx_with_signals", new_with_signals, MEMORY | THREAD | OBJECT, 0, 0},
    {"ctx_after_func", call_after_func, MEMORY | THREAD | OBJECT, 0, 0},
    {"ctx_fd", call_fd, MEMORY, 0, 0},
    {"flight_new", new_flight, MEMORY | OBJECT, 0, 0},
    {"flight_do", call_flight_do, MEMORY | THREAD | OBJECT, 0, 0},
    {"flight_do_async", call_flight_do_async, MEMORY | THREAD | OBJECT, 0, 0},
    {"flight_then", call_flight_then, MEMORY | THREAD | OBJECT, 0, 0},
    {"flight_send", call_flight_send, MEMORY | THREAD | OBJECT, 0, 0},
    {"group_new", new_group, MEMORY | OBJECT, 0, 0},
    {"group_go", call_group_go, MEMORY | THREAD | OBJECT, 0, 0},
    {"group_try_go", call_group_try_go, MEMORY | THREAD | OBJECT, 0, 0},
    {"limiter_new", new_limiter, MEMORY | OBJECT, 0, 0},
    {"limiter_keyed_new", new_keyed, MEMORY | OBJECT, 0, 0},
    {"limiter_keyed_allow", call_keyed_allow, MEMORY, 0, 0},
    {"limiter_keyed_allow_at", call_keyed_allow_at, MEMORY, 0, 0},
    {"limiter_keyed_wait", call_keyed_wait, MEMORY, 0, 0},
    {"objpool_new", new_objpool, MEMORY | OBJECT, 0, 0},
    {"objpool_get", call_objpool_get, MEMORY, 0, 0},
    {"once_run", call_once_run, MEMORY, 0, 0},
    {"once_value", call_once_value, MEMORY, 0, 0},
    {"pool_new", new_pool, MEMORY | THREAD | OBJECT, 0, 0},
    {"pool_submit", call_pool_submit, MEMORY, 0, 0},
    {"pool_try_submit", call_pool_try_submit, MEMORY, 0, 0},
    {"pool_submit_task", call_pool_submit_task, MEMORY | THREAD | OBJECT, 0, 0},
    {"pool_try_submit_task", call_pool_try_submit_task, MEMORY | THREAD | OBJECT, 0, 0},
    {"pool_submit_future", call_pool_submit_future, MEMORY, 0, 0},
    {"pool_parallel_for", call_pool_parallel_for, MEMORY, 0, 0},
    {"pool_resize", call_pool_resize, MEMORY | THREAD | OBJECT, 0, 0},
    {"pool_shutdown", call_pool_shutdown, THREAD | OBJECT, 0, 0},
    {"select", call_select, MEMORY, 0, 0},
    {"sem_new", new_sem, MEMORY | OBJECT, 0, 0},
    {"sometimes_new", new_sometimes, MEMORY | OBJECT, 0, 0},
    {"ticker_new", new_ticker, MEMORY | THREAD | OBJECT, 0, 0},
    {"timer_new", new_timer, MEMORY | THREAD | OBJECT, 0, 0},
    {"timer_new_func", new_timer_func, MEMORY | THREAD | OBJECT, 0, 0},
    {"waitgroup_go", call_waitgroup_go, MEMORY | THREAD | OBJECT, 0, 0},
};

static void run_row(void *arg)
{
    struct row *row = arg;
    int err = row->call();
    SUPPORT_CHECK(err == 0 || err == ENOMEM || err == SETUP_FAILED);
    row->done += err == 0;
    row->failed += err == ENOMEM;
}

static void sweep_rows(enum need need, uint64_t (*sweep)(support_body_fn body, void *arg))
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct row *row = &rows[i];
        row->done = row->failed = 0;
        uint64_t faults = sweep(run_row, row);
        bool needs = (row->needs & need) != 0;
        if (row->done < 2 || (row->failed > 0) != needs || (needs && faults == 0)) {
            fail_msg("%s: done %d times, failed %d times", row->name, row->done, row->failed);
        }
    }
}

static void faults_every_call_that_needs_memory_fails_cleanly_without_it(void **state)
{
    (void)state;
    sweep_rows(MEMORY, support_sweep_alloc);
}

static void faults_every_call_that_needs_a_thread_fails_cleanly_without_one(void **state)
{
    (void)state;
    sweep_rows(THREAD, support_sweep_thread);
}

static void faults_every_call_that_needs_an_object_of_the_system_fails_cleanly_without(void **state)
{
    (void)state;
    sweep_rows(OBJECT, support_sweep_object);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(faults_every_call_that_needs_memory_fails_cleanly_without_it),
        UNIT_TEST(faults_every_call_that_needs_a_thread_fails_cleanly_without_one),
        UNIT_TEST(faults_every_call_that_needs_an_object_of_the_system_fails_cleanly_without),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
