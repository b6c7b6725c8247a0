/* cancel.c - unit tests of thread-cancellation: no call of the library is a point of it
 * SPDX-License-Identifier: MIT
 *
 * Risk      A thread that is asked to end while it blocks leaves a waiter in a queue, a lock held,
 *           or takes a value, a permit or a code with it.
 * Method    Each call that can block does so in a thread with a request pending, which came before
 *           the call or while it was parked. What it waits for then happens: the call must return
 *           as if nothing had been asked, and the thread end at the next point of cancellation.
 * Catches   proc-2.
 */
#include "pool_help.h"

#include "core/self.h"

#include <pthread.h>

/* After-func, group, pool, once, flight, sometimes, timer: one function each is in the gate. */
#define INSIDE 7

/* Everything that can be waited for. Whatever runs a function of the user's is in the gate. */
struct world {
    struct gate gate;
    bool is_open;
    cconc_ctx *target;
    cconc_after *after;
    cconc_chan *ch; /* a rendezvous of int */
    int value;
    cconc_group *group;  /* full: its one task is in the gate */
    cconc_pool *pool;    /* full: one task in the gate, one queued */
    cconc_pool *helpers; /* one idle worker */
    cconc_pool_task record;
    cconc_future *future;
    cconc_limiter *limiter;
    cconc_limiter_keyed *keyed;
    cconc_once once;
    cconc_flight *flights;
    cconc_flight_call *call;
    cconc_sem *sem;
    cconc_sometimes *sometimes;
    cconc_timer *timer;
    cconc_timer *func_timer;
    cconc_ticker *ticker;
    cconc_waitgroup wg;
    pthread_t caller;
    struct support_threads *runners;
};

struct row {
    const char *name;
    int (*call)(struct world *w);
    void (*finish)(struct world *w); /* makes what it waits for happen; NULL: time does */
};

static void run_in_gate(void *arg)
{
    SUPPORT_CHECK(gate_task(NULL, arg) == 0);
}

static int fly_in_gate(cconc_ctx *ctx, void *arg, void **out_value)
{
    (void)out_value;
    return gate_task(ctx, arg);
}

static void runner_thread(void *arg, size_t index)
{
    struct world *w = arg;
    if (index == 0) {
        SUPPORT_CHECK(cconc_once_run(&w->once, NULL, gate_task, &w->gate) == 0);
    } else {
        SUPPORT_CHECK(cconc_sometimes_do(w->sometimes, NULL, run_in_gate, &w->gate, NULL) == 0);
    }
}

static void open_gate(struct world *w)
{
    if (!w->is_open) {
        w->is_open = true;
        gate_open(&w->gate);
    }
}

/* ---- the calls ------------------------------------------------------------------------------ */

static int do_send(struct world *w)
{
    int value = 31;
    return cconc_chan_send(w->ch, NULL, &value);
}

static int do_send_n(struct world *w)
{
    int values[2] = {31, 32};
    size_t count = 0;
    int err = cconc_chan_send_n(w->ch, NULL, values, 1, &count);
    SUPPORT_CHECK(count == 1);
    return err;
}

static void finish_recv(struct world *w)
{
    SUPPORT_CHECK(cconc_chan_recv(w->ch, NULL, &w->value) == 0);
    SUPPORT_CHECK(w->value == 31);
}

static int do_recv(struct world *w)
{
    int err = cconc_chan_recv(w->ch, NULL, &w->value);
    SUPPORT_CHECK(w->value == 41);
    return err;
}

static int do_recv_n(struct world *w)
{
    size_t count = 0;
    int err = cconc_chan_recv_n(w->ch, NULL, &w->value, 1, &count);
    SUPPORT_CHECK(w->value == 41 && count == 1);
    return err;
}

static int do_select(struct world *w)
{
    cconc_select_case cases[] = {cconc_select_done(w->target), cconc_select_recv(w->ch, &w->value)};
    size_t index = 9;
    int err = cconc_select(cases, 2, 0, &index);
    SUPPORT_CHECK(index == 1 && w->value == 41);
    return err;
}

static void finish_send(struct world *w)
{
    int value = 41;
    SUPPORT_CHECK(cconc_chan_send(w->ch, NULL, &value) == 0);
}

static int do_ctx_wait(struct world *w)
{
    return cconc_ctx_wait(w->target, NULL);
}

static void finish_target(struct world *w)
{
    cconc_ctx_cancel(w->target);
}

static int do_ctx_sleep(struct world *w)
{
    (void)w;
    return cconc_ctx_sleep(NULL, 20 * CCONC_MS);
}

static int do_after_stop_wait(struct world *w)
{
    return cconc_after_stop_wait(w->after);
}

static int do_after_free(struct world *w)
{
    cconc_after_free(w->after);
    w->after = NULL;
    return 0;
}

static int do_group_go(struct world *w)
{
    return cconc_group_go(w->group, NULL, gate_task, &w->gate);
}

static int do_group_wait(struct world *w)
{
    return cconc_group_wait(w->group, NULL, NULL);
}

static int do_group_stop(struct world *w)
{
    return cconc_group_stop(w->group, NULL);
}

static int do_pool_submit(struct world *w)
{
    return cconc_pool_submit(w->pool, NULL, gate_task, &w->gate);
}

static int do_pool_submit_task(struct world *w)
{
    w->record = (cconc_pool_task){.fn = gate_task, .arg = &w->gate};
    int err = cconc_pool_submit_task(w->pool, NULL, &w->record);
    return err ? err : cconc_pool_join(w->pool, NULL, &w->record);
}

static int do_pool_submit_future(struct world *w)
{
    cconc_future *future = NULL;
    int err = cconc_pool_submit_future(w->pool, NULL, gate_task, &w->gate, &future);
    cconc_future_free(future);
    return err;
}

static int do_future_wait(struct world *w)
{
    return cconc_future_wait(w->future, NULL);
}

static int do_pool_wait(struct world *w)
{
    return cconc_pool_wait(w->pool, NULL);
}

static int do_pool_shutdown(struct world *w)
{
    return cconc_pool_shutdown(w->pool, NULL, CCONC_POOL_DRAIN);
}

static int do_pool_free(struct world *w)
{
    cconc_pool_free(w->pool);
    w->pool = NULL;
    return 0;
}

/* The worker's chunk is in the gate; the caller's has seen it there, and then waits. */
static int chunk(cconc_ctx *ctx, size_t begin, size_t end, void *arg)
{
    struct world *w = arg;
    (void)begin;
    (void)end;
    if (!pthread_equal(w->caller, pthread_self())) {
        return gate_task(ctx, &w->gate);
    }
    while (atomic_load(&w->gate.inside) != INSIDE + 1) {
        cconc_ctx_mem mem; /* no point of cancellation, as sched_yield may be */
        (void)cconc_ctx_err(cconc_ctx_until(&mem, NULL, 0));
    }
    return 0;
}

static int do_pool_parallel_for(struct world *w)
{
    w->caller = pthread_self();
    return cconc_pool_parallel_for(w->helpers, NULL, 0, 2, 1, chunk, w);
}

static int do_limiter_wait(struct world *w)
{
    return cconc_limiter_wait(w->limiter, NULL, 1);
}

static void finish_limiter(struct world *w)
{
    SUPPORT_CHECK(cconc_limiter_set_rate(w->limiter, 1e6) == 0);
}

static int do_limiter_keyed_wait(struct world *w)
{
    return cconc_limiter_keyed_wait(w->keyed, NULL, "k", 1, 1);
}

static int do_once_run(struct world *w)
{
    return cconc_once_run(&w->once, NULL, gate_task, &w->gate);
}

static int do_flight_do(struct world *w)
{
    return cconc_flight_do(w->flights, NULL, "k", 1, fly_in_gate, &w->gate, NULL, NULL);
}

static int do_flight_wait(struct world *w)
{
    return cconc_flight_wait(w->call, NULL, NULL);
}

static int do_sem_acquire(struct world *w)
{
    return cconc_sem_acquire(w->sem, NULL, 1);
}

static void finish_sem(struct world *w)
{
    cconc_sem_release(w->sem, 1);
}

static int do_sometimes_do(struct world *w)
{
    return cconc_sometimes_do(w->sometimes, NULL, run_in_gate, &w->gate, NULL);
}

static int do_timer_wait(struct world *w)
{
    return cconc_timer_wait(w->timer, NULL, NULL);
}

static void finish_timer(struct world *w)
{
    (void)cconc_timer_reset(w->timer, 0);
}

static int do_timer_stop_wait(struct world *w)
{
    return cconc_timer_stop_wait(w->func_timer);
}

static int do_timer_free(struct world *w)
{
    cconc_timer_free(w->func_timer);
    w->func_timer = NULL;
    return 0;
}

static int do_ticker_wait(struct world *w)
{
    return cconc_ticker_wait(w->ticker, NULL, NULL);
}

static void finish_ticker(struct world *w)
{
    SUPPORT_CHECK(cconc_ticker_reset(w->ticker, CCONC_MS, NULL) == 0);
}

static int do_waitgroup_wait(struct world *w)
{
    return cconc_waitgroup_wait(&w->wg, NULL);
}

static void finish_waitgroup(struct world *w)
{
    cconc_waitgroup_done(&w->wg);
}

static int do_shutdown(struct world *w)
{
    (void)cconc_ticker_stop(w->ticker);
    (void)cconc_timer_stop(w->timer);
    return cconc_shutdown(NULL);
}

static const struct row rows[] = {
    {"chan_send", do_send, finish_recv},
    {"chan_send_n", do_send_n, finish_recv},
    {"chan_recv", do_recv, finish_send},
    {"chan_recv_n", do_recv_n, finish_send},
    {"select", do_select, finish_send},
    {"ctx_wait", do_ctx_wait, finish_target},
    {"ctx_sleep", do_ctx_sleep, NULL},
    {"after_stop_wait", do_after_stop_wait, open_gate},
    {"after_free", do_after_free, open_gate},
    {"group_go", do_group_go, open_gate},
    {"group_wait", do_group_wait, open_gate},
    {"group_stop", do_group_stop, open_gate},
    {"pool_submit", do_pool_submit, open_gate},
    {"pool_submit_task, pool_join", do_pool_submit_task, open_gate},
    {"pool_submit_future", do_pool_submit_future, open_gate},
    {"future_wait", do_future_wait, open_gate},
    {"pool_wait", do_pool_wait, open_gate},
    {"pool_shutdown", do_pool_shutdown, open_gate},
    {"pool_free", do_pool_free, open_gate},
    {"pool_parallel_for", do_pool_parallel_for, open_gate},
    {"limiter_wait", do_limiter_wait, finish_limiter},
    {"limiter_keyed_wait", do_limiter_keyed_wait, NULL},
    {"once_run", do_once_run, open_gate},
    {"flight_do", do_flight_do, open_gate},
    {"flight_wait", do_flight_wait, open_gate},
    {"sem_acquire", do_sem_acquire, finish_sem},
    {"sometimes_do", do_sometimes_do, open_gate},
    {"timer_wait", do_timer_wait, finish_timer},
    {"timer_stop_wait", do_timer_stop_wait, open_gate},
    {"timer_free", do_timer_free, open_gate},
    {"ticker_wait", do_ticker_wait, finish_ticker},
    {"waitgroup_wait", do_waitgroup_wait, finish_waitgroup},
    {"shutdown", do_shutdown, open_gate},
};

/* ---- the world ------------------------------------------------------------------------------ */

static void world_make_pools(struct world *w)
{
    w->pool = pool_make(1, 1, CCONC_POOL_BLOCK);
    SUPPORT_CHECK(cconc_pool_submit(w->pool, NULL, gate_task, &w->gate) == 0);
    until(pool_counts(w->pool).running == 1);
    SUPPORT_CHECK(cconc_pool_submit_future(w->pool, NULL, gate_task, &w->gate, &w->future) == 0);
    w->helpers = pool_make(1, 1, CCONC_POOL_BLOCK);
    until(pool_counts(w->helpers).idle == 1);
}

static void world_make_times(struct world *w)
{
    SUPPORT_CHECK(cconc_limiter_new(0, 0, &w->limiter) == 0);
    SUPPORT_CHECK(cconc_limiter_set_burst(w->limiter, 1) == 0);
    SUPPORT_CHECK(cconc_limiter_keyed_new(50, 1, 4, &w->keyed) == 0);
    SUPPORT_CHECK(cconc_limiter_keyed_allow(w->keyed, "k", 1, 1) == 0);
    SUPPORT_CHECK(cconc_timer_new(CCONC_NEVER, &w->timer) == 0);
    SUPPORT_CHECK(cconc_timer_new_func(0, run_in_gate, &w->gate, &w->func_timer) == 0);
    SUPPORT_CHECK(cconc_ticker_new(1000 * CCONC_SECOND, NULL, &w->ticker) == 0);
}

static void world_make(struct world *w)
{
    cconc_ctx *ended = make_cancel(NULL);
    memset(w, 0, sizeof(*w));
    gate_init(&w->gate, 0);
    w->target = make_cancel(NULL);
    SUPPORT_CHECK(cconc_ctx_after_func(ended, run_in_gate, &w->gate, &w->after) == 0);
    cconc_ctx_cancel(ended);
    cconc_ctx_free(ended);
    w->ch = chan_make(sizeof(int), 0);
    w->group = group_make(0, 1);
    SUPPORT_CHECK(cconc_group_go(w->group, NULL, gate_task, &w->gate) == 0);
    world_make_pools(w);
    world_make_times(w);
    cconc_once_init(&w->once);
    SUPPORT_CHECK(cconc_flight_new(NULL, &w->flights) == 0);
    SUPPORT_CHECK(cconc_flight_do_async(w->flights, NULL, "k", 1, fly_in_gate, &w->gate, NULL,
                                        &w->call) == 0);
    SUPPORT_CHECK(cconc_sem_new(1, &w->sem) == 0);
    SUPPORT_CHECK(cconc_sem_acquire(w->sem, NULL, 1) == 0);
    SUPPORT_CHECK(cconc_sometimes_new(NULL, &w->sometimes) == 0);
    cconc_waitgroup_init(&w->wg);
    cconc_waitgroup_add(&w->wg, 1);
    w->runners = support_threads_start(2, runner_thread, w);
    until(atomic_load(&w->gate.inside) == INSIDE);
}

/* Free everything: a waiter that was left behind is misuse here, and a lock that is held hangs. */
static void world_free(struct world *w)
{
    open_gate(w);
    SUPPORT_CHECK(support_threads_join(w->runners) == 0);
    cconc_after_free(w->after);
    cconc_chan_free(w->ch);
    SUPPORT_CHECK(cconc_group_wait(w->group, NULL, NULL) == 0);
    cconc_group_free(w->group);
    cconc_future_free(w->future);
    cconc_pool_free(w->pool);
    cconc_pool_free(w->helpers);
    cconc_limiter_free(w->limiter);
    cconc_limiter_keyed_free(w->keyed);
    cconc_once_destroy(&w->once);
    SUPPORT_CHECK(cconc_flight_wait(w->call, NULL, NULL) == 0);
    cconc_flight_leave(w->call);
    cconc_flight_free(w->flights);
    cconc_sem_free(w->sem);
    cconc_sometimes_free(w->sometimes);
    cconc_timer_free(w->timer);
    cconc_timer_free(w->func_timer);
    cconc_ticker_free(w->ticker);
    if (cconc_waitgroup_count(&w->wg) > 0) {
        cconc_waitgroup_done(&w->wg);
    }
    cconc_waitgroup_destroy(&w->wg);
    cconc_ctx_free(w->target);
    gate_free(&w->gate);
}

/* ---- the tests ------------------------------------------------------------------------------ */

struct visit {
    const struct row *row;
    struct world world;
    bool pending; /* on entry */
    self *_Atomic me;
    atomic_int returned;
    int err;
};

static void visit_thread(void *arg, size_t index)
{
    struct visit *v = arg;
    (void)index;
    atomic_store(&v->me, self_get());
    if (v->pending) {
        SUPPORT_CHECK(pthread_cancel(pthread_self()) == 0);
    }
    v->err = v->row->call(&v->world);
    atomic_store(&v->returned, 1);
    for (;;) {
        pthread_testcancel();
    }
}

static void visit(struct visit *v)
{
    print_message("    %s\n", v->row->name);
    world_make(&v->world);
    atomic_store(&v->me, NULL);
    atomic_store(&v->returned, 0);
    struct support_threads *threads = support_threads_start(1, visit_thread, v);
    until(atomic_load(&v->me) != NULL);
    until(parker_is_parked(&atomic_load(&v->me)->parker) || atomic_load(&v->returned));
    if (v->row->finish) {
        assert_int_equal(atomic_load(&v->returned), 0);
    }
    if (!v->pending) {
        support_threads_cancel(threads, 0);
    }
    if (v->row->finish) {
        v->row->finish(&v->world);
    }
    assert_int_equal(support_threads_join(threads), 1); /* it has ended by the request, */
    assert_int_equal(atomic_load(&v->returned), 1);     /* but only after the call */
    assert_int_equal(v->err, 0);
    world_free(&v->world);
}

static void cancel_asked_for_before_a_blocking_call_acts_after_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct visit v = {.row = &rows[i], .pending = true};
        visit(&v);
    }
}

static void cancel_asked_for_during_a_blocking_call_acts_after_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct visit v = {.row = &rows[i]};
        visit(&v);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(cancel_asked_for_before_a_blocking_call_acts_after_it),
        UNIT_TEST(cancel_asked_for_during_a_blocking_call_acts_after_it),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
