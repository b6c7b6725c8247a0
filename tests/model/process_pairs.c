/* process_pairs.c - any call that is the process's beside any other, and beside tasks
 * SPDX-License-Identifier: MIT
 *
 * Risk     Two calls that nobody thought of together: a service that one of them ends while the
 *          other one looks at it, sets it up, or is just about to need it.
 * Method   Each call meets each on another thread, or one of them in a task, with the library's
 *          threads not there, idle, or busy. What waits ends by time, but for one of the calls
 *          where nothing is busy. Afterwards each function that was accepted has run once, shutdown
 *          leaves no thread and no count, and the library starts again.
 * Catches  Threads that are joined twice or never, settings that come between, work that keeps a
 *          shutdown from its end although it is done.
 */
#include "chan_actor.h"

enum { COLD, IDLE, BUSY, SETUPS };

/* A thread that makes one call. */
typedef struct caller {
    cconc_waitgroup tasks;
    cconc_ctx *ctx;
    cconc_ctx *gate;  /* ends when the first task may */
    uint32_t   setup;
    int        accepted;
    int        ran;
    bool       is_task;
} caller;

static void works(void *arg)
{
    ((caller *)arg)->ran++;
}

/* Blocks where the library sees it. */
static void holds(void *arg)
{
    caller *c = arg;
    MODEL_EQ(cconc_ctx_wait(c->gate, NULL), 0);
    c->ran++;
}

static void shuts_down(caller *c)
{
    int err = cconc_shutdown(c->ctx);
    MODEL_CHECK(c->is_task ? err == EDEADLK : err == 0 || err == ETIMEDOUT);
    MODEL_CHECK(err || c->setup != BUSY);
}

static void reads(caller *c)
{
    cconc_executor_stats stats;
    cconc_executor_read(&stats);
    MODEL_CHECK(stats.idle <= stats.threads && stats.threads <= stats.threads_peak);
    MODEL_CHECK(stats.threads_peak <= 5 && stats.queued <= 3);
    MODEL_CHECK(stats.threads > 0 || c->setup != BUSY);
}

static void sets_executor(caller *c)
{
    int err = cconc_set_executor(&(cconc_executor_opts){.idle_ns = 9 * CCONC_MS});
    MODEL_CHECK(err == EBUSY || (err == 0 && !c->is_task && c->setup != BUSY));
}

static void sets_the_hook(caller *c)
{
    (void)c;
    cconc_set_misuse_hook(NULL, NULL);
}

/* What comes too late, and what is for a child. */
static void is_refused(caller *c)
{
    (void)c;
    MODEL_EQ(cconc_set_allocator(NULL, NULL, NULL), EINVAL);
    MODEL_EQ(cconc_fork_child(), 0);
    MODEL_EQ(strcmp(cconc_strerror(EPIPE), "closed"), 0);
}

/* A task that waits for its own would need one thread more: it goes without. */
static void runs_a_task(caller *c)
{
    MODEL_EQ(cconc_waitgroup_go(&c->tasks, works, c), 0);
    c->accepted++;
    if (!c->is_task) {
        int err = cconc_waitgroup_wait(&c->tasks, c->ctx);
        MODEL_CHECK(err == 0 || err == ETIMEDOUT);
        MODEL_CHECK(err || c->ran == 1);
    }
}

static void has_an_after_func(caller *c)
{
    cconc_ctx *ctx = actor_cancellable();
    cconc_after *after = NULL;
    MODEL_EQ(cconc_ctx_after_func(ctx, works, c, &after), 0);
    cconc_ctx_cancel(ctx);
    c->accepted += !cconc_after_stop(after);
    cconc_after_free(after);
    cconc_ctx_free(ctx);
}

static void has_a_deadline(caller *c)
{
    cconc_ctx *ctx = NULL;
    (void)c;
    MODEL_EQ(cconc_ctx_with_timeout(NULL, CCONC_MS / 2, &ctx), 0);
    MODEL_EQ(cconc_ctx_wait(ctx, NULL), 0);
    MODEL_CHECK(model_now() >= MODEL_START + CCONC_MS / 2);
    cconc_ctx_free(ctx);
}

static void has_a_timer(caller *c)
{
    cconc_timer *timer = NULL;
    MODEL_EQ(cconc_timer_new_func(0, works, c, &timer), 0);
    c->accepted += !cconc_timer_stop(timer);
    cconc_timer_free(timer);
}

static void (*const calls[])(caller *c) = {
    shuts_down,  reads,       sets_executor,     sets_the_hook,  is_refused,
    runs_a_task, has_a_timer, has_an_after_func, has_a_deadline,
};

enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static void makes_any_call(void *arg)
{
    calls[model_choose(CALLS)](arg);
}

static caller *caller_new(uint32_t setup, cconc_ctx *gate)
{
    caller *c = model_zalloc(sizeof(*c));
    cconc_waitgroup_init(&c->tasks);
    c->ctx = actor_limit(CCONC_MS);
    c->gate = gate;
    c->setup = setup;
    return c;
}

/* The library's threads: none, idle ones, or one that has a task until gate ends. */
static caller *prepare(uint32_t setup, cconc_ctx *gate)
{
    caller *first = caller_new(setup, gate);
    if (setup != COLD) {
        MODEL_EQ(cconc_waitgroup_go(&first->tasks, setup == BUSY ? holds : works, first), 0);
        first->accepted++;
        model_settle();
    }
    return first;
}

static void must_be_gone(void)
{
    cconc_executor_stats stats;
    MODEL_EQ(cconc_shutdown(NULL), 0);
    cconc_executor_read(&stats);
    MODEL_EQ(stats.threads, 0);
    MODEL_EQ(stats.idle, 0);
    MODEL_EQ(stats.queued, 0);
    MODEL_EQ(stats.threads_peak, 0);
    MODEL_EQ(model_library_threads(), 0);
    MODEL_EQ(cconc_set_executor(&(cconc_executor_opts){0}), 0);
}

static void must_be_as_new(void)
{
    caller *last = caller_new(COLD, NULL);
    cconc_executor_stats stats;
    MODEL_EQ(cconc_waitgroup_go(&last->tasks, works, last), 0);
    MODEL_EQ(cconc_waitgroup_wait(&last->tasks, NULL), 0);
    cconc_waitgroup_destroy(&last->tasks);
    MODEL_EQ(last->ran, 1);
    cconc_executor_read(&stats);
    MODEL_EQ(stats.threads, 1);
    MODEL_EQ(cconc_set_executor(&(cconc_executor_opts){0}), EBUSY);
    must_be_gone();
}

static void end(cconc_ctx *gate, caller *const *all, uint32_t count)
{
    model_join_all();
    model_rest();
    cconc_ctx_cancel(gate);
    must_be_gone();
    for (uint32_t i = 0; i < count; i++) {
        MODEL_EQ(all[i]->ran, all[i]->accepted);
        cconc_waitgroup_destroy(&all[i]->tasks);
    }
    must_be_as_new();
    cconc_ctx_free(gate);
}

static void meet(void (*call)(caller *c), uint32_t others)
{
    uint32_t setup = model_choose(SETUPS);
    cconc_ctx *gate = actor_cancellable();
    caller *all[4] = {prepare(setup, gate), caller_new(setup, gate), NULL, NULL};
    all[1]->ctx = setup == BUSY ? all[1]->ctx : NULL; /* all that it waits for is certain to come */
    for (uint32_t i = 0; i < others; i++) {
        all[2 + i] = caller_new(setup, gate);
        model_spawn(makes_any_call, all[2 + i]);
    }
    call(all[1]);
    end(gate, all, 2 + others);
}

#define PROCESS_PAIR(call)                                                                         \
    MODEL_SCENARIO(process_pair_##call, .bound = 1, .covers = "W6 W12 W16")                        \
    {                                                                                              \
        meet(call, 1);                                                                             \
    }

PROCESS_PAIR(shuts_down)
PROCESS_PAIR(reads)
PROCESS_PAIR(sets_executor)
PROCESS_PAIR(sets_the_hook)
PROCESS_PAIR(is_refused)
PROCESS_PAIR(runs_a_task)
PROCESS_PAIR(has_a_timer)
PROCESS_PAIR(has_an_after_func)
PROCESS_PAIR(has_a_deadline)

MODEL_SCENARIO(process_pair_in_a_task, .bound = 1, .covers = "W12 W16")
{
    cconc_ctx *gate = actor_cancellable();
    caller *all[3] = {prepare(COLD, gate), caller_new(COLD, gate), caller_new(COLD, gate)};
    cconc_waitgroup tasks;
    cconc_waitgroup_init(&tasks);
    all[1]->ctx = NULL;
    all[2]->is_task = true;
    MODEL_EQ(cconc_waitgroup_go(&tasks, makes_any_call, all[2]), 0);
    makes_any_call(all[1]);
    MODEL_EQ(cconc_waitgroup_wait(&tasks, NULL), 0);
    cconc_waitgroup_destroy(&tasks);
    end(gate, all, 3);
}

MODEL_SCENARIO(process_any_three, .bound = 1, .covers = "W6 W12 W16")
{
    meet(calls[model_choose(CALLS)], 2);
}
