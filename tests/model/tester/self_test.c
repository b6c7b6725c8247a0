/* self_test.c - small programs with faults: each detector and each rule of the tester fires on one.
 * SPDX-License-Identifier: MIT
 *
 * finds_bound is the smallest number of preemptions with which the fault shows: with fewer it must
 * not be found. An exhaustive one is looked for by the search without a bound.
 */
#include "self_help.h"

#include "plat/alloc.h"
#include "plat/cpu.h"
#include "plat/os.h"

/* A read and a write that are to be one step. */
static void increments(void *arg)
{
    shared *s = arg;
    uint32_t x = atom_load_rlx(&s->x);
    atom_store_rlx(&s->x, x + 1);
}

static void increment_twice(void)
{
    shared *s = shared_new();
    model_spawn(increments, s);
    model_spawn(increments, s);
    model_join_all();
    MODEL_EQ(atom_load_rlx(&s->x), 2);
}

MODEL_SCENARIO(self_lost_update, .finds = MODEL_WRONG, .finds_bound = 1)
{
    increment_twice();
}

MODEL_SCENARIO(self_lost_update_all, .finds = MODEL_WRONG, .exhaustive = true)
{
    increment_twice();
}

/* A fault that takes two preemptions: x has to be seen between two writes, and after. */
static void writes_twice(void *arg)
{
    shared *s = arg;
    atom_store_rlx(&s->x, 1);
    atom_store_rlx(&s->x, 0);
}

static void reads_twice(void *arg)
{
    shared *s = arg;
    s->seen[0] = atom_load_rlx(&s->x);
    s->seen[1] = atom_load_rlx(&s->x);
}

MODEL_SCENARIO(self_two_preemptions, .finds = MODEL_WRONG, .finds_bound = 2,
               .only = MODEL_IN_PLAIN | MODEL_IN_RACE)
{
    shared *s = shared_new();
    model_spawn(writes_twice, s);
    model_spawn(reads_twice, s);
    model_join_all();
    MODEL_CHECK(!(s->seen[0] == 1 && s->seen[1] == 0));
}

static void locks_ab(void *arg)
{
    shared *s = arg;
    plat_mutex_lock(&s->a);
    plat_mutex_lock(&s->b);
    (void)atom_load_rlx(&s->y);
    plat_mutex_unlock(&s->b);
    plat_mutex_unlock(&s->a);
}

static void locks_ba(void *arg)
{
    shared *s = arg;
    plat_mutex_lock(&s->b);
    plat_mutex_lock(&s->a);
    plat_mutex_unlock(&s->a);
    plat_mutex_unlock(&s->b);
}

static void lock_both_ways(void)
{
    shared *s = shared_new();
    model_spawn(locks_ab, s);
    model_spawn(locks_ba, s);
}

MODEL_SCENARIO(self_lock_order, .finds = MODEL_DEADLOCK, .finds_bound = 1)
{
    lock_both_ways();
}

MODEL_SCENARIO(self_lock_order_all, .finds = MODEL_DEADLOCK, .exhaustive = true)
{
    lock_both_ways();
}

/* Waiting for x: the look and the wait are to be one step, and the look is to come again. */
static void sets_and_signals(void *arg)
{
    shared *s = arg;
    atom_store_rlx(&s->x, 1);
    cconc__cond_signal(&s->cond);
}

MODEL_SCENARIO(self_signal_missed, .finds = MODEL_DEADLOCK, .finds_bound = 1)
{
    shared *s = shared_new();
    model_spawn(sets_and_signals, s);
    plat_mutex_lock(&s->a);
    if (atom_load_rlx(&s->x) == 0) {
        (void)cconc__cond_wait(&s->cond, &s->a, INT64_MAX);
    }
    plat_mutex_unlock(&s->a);
}

MODEL_SCENARIO(self_if_for_while, .finds = MODEL_WRONG, .finds_bound = 1, .faults = MODEL_SPURIOUS)
{
    shared *s = shared_new();
    model_spawn(sets_and_signals, s);
    plat_mutex_lock(&s->a);
    if (s->plain == 0) {
        (void)cconc__cond_wait(&s->cond, &s->a, INT64_MAX);
    }
    plat_mutex_unlock(&s->a);
    MODEL_EQ(atom_load_rlx(&s->x), 1);
}

/* A waiter whose time has come forgets what it was given meanwhile. */
static void gives(void *arg)
{
    shared *s = arg;
    atom_store_rlx(&s->x, 1);
    (void)cconc__parker_unpark(&s->parker);
}

static void wait_for_gift(void)
{
    shared *s = shared_new();
    bool got;
    model_spawn(gives, s);
    got = cconc__parker_park(&s->parker, MODEL_START + 1000);
    model_join_all();
    MODEL_CHECK(got || atom_load_rlx(&s->x) == 0);
}

MODEL_SCENARIO(self_gift_lost, .finds = MODEL_WRONG, .finds_bound = 1)
{
    wait_for_gift();
}

MODEL_SCENARIO(self_gift_lost_all, .finds = MODEL_WRONG, .exhaustive = true)
{
    wait_for_gift();
}

static void yields_until_set(void *arg)
{
    shared *s = arg;
    while (atom_load_rlx(&s->x) == 0) {
        plat_cpu_yield();
    }
}

MODEL_SCENARIO(self_livelock, .finds = MODEL_LIVELOCK)
{
    shared *s = shared_new();
    model_spawn(yields_until_set, s);
    model_spawn(yields_until_set, s);
}

static void locks_until_set(void *arg)
{
    shared *s = arg;
    for (;;) {
        uint32_t x;
        plat_mutex_lock(&s->a);
        x = atom_load_rlx(&s->x);
        plat_mutex_unlock(&s->a);
        if (x != 0) {
            return;
        }
        plat_cpu_yield();
    }
}

/* Two that look under a lock, and yield to each other, keep nobody out for long. */
MODEL_SCENARIO(self_pollers_let_others_go_on)
{
    shared *s = shared_new();
    model_spawn(locks_until_set, s);
    model_spawn(locks_until_set, s);
    atom_store_rlx(&s->x, 1);
    model_join_all();
}

/* Memory. */
static void reads_memory(void *arg)
{
    shared *s = arg;
    (void)atom_load_rlx((atom_u32 *)s->memory);
}

MODEL_SCENARIO(self_use_after_free, .finds = MODEL_USE_AFTER)
{
    shared *s = shared_new();
    s->memory = model_zalloc(sizeof(atom_u32));
    model_spawn(reads_memory, s);
    (void)atom_load_rlx(&s->x);
    model_free(s->memory);
}

static void frees_memory(void *arg)
{
    shared *s = arg;
    if (atom_load_rlx(&s->x) == 0) {
        atom_store_rlx(&s->x, 1);
        cconc__alloc_free(s->memory);
    }
}

MODEL_SCENARIO(self_freed_twice, .finds = MODEL_USE_AFTER, .finds_bound = 1)
{
    shared *s = shared_new();
    s->memory = cconc__alloc(8);
    model_spawn(frees_memory, s);
    model_spawn(frees_memory, s);
}

MODEL_SCENARIO(self_written_after_free, .finds = MODEL_USE_AFTER,
               .only = MODEL_IN_PLAIN | MODEL_IN_WEAK | MODEL_IN_RACE)
{
    char *volatile memory = cconc__alloc(8);
    cconc__alloc_free(memory);
    memory[3] = 1;
}

MODEL_SCENARIO(self_leak, .finds = MODEL_LEAK)
{
    MODEL_CHECK(cconc__alloc(8) != NULL);
}

MODEL_SCENARIO(self_leak_of_mutex, .finds = MODEL_LEAK)
{
    plat_mutex *mu = cconc__alloc(sizeof(*mu));
    (void)cconc__mutex_init(mu);
    cconc__alloc_free(mu);
}

static void leaves_frame(shared *s)
{
    atom_u32 word;
    atom_init(&word, 0);
    s->memory = &word;
    (void)atom_add_rlx(&s->y, 1);
    (void)atom_load_rlx(&s->y);
}

static void has_frame(void *arg)
{
    leaves_frame(arg);
    (void)atom_load_rlx(&((shared *)arg)->y);
}

MODEL_SCENARIO(self_frame_is_gone, .finds = MODEL_USE_AFTER, .finds_bound = 1,
               .only = MODEL_IN_PLAIN | MODEL_IN_WEAK)
{
    shared *s = shared_new();
    model_spawn(has_frame, s);
    if (atom_load_rlx(&s->y) == 1) {
        (void)atom_load_rlx((atom_u32 *)s->memory);
    }
}

MODEL_SCENARIO(self_no_memory, .finds = MODEL_CRASH, .finds_bound = 1, .faults = MODEL_NO_MEMORY,
               .only = MODEL_IN_PLAIN | MODEL_IN_WEAK)
{
    char *memory = cconc__alloc(8);
    *(volatile char *)memory = 1;
    cconc__alloc_free(memory);
}

MODEL_SCENARIO(self_crash, .finds = MODEL_CRASH,
               .only = MODEL_IN_PLAIN | MODEL_IN_WEAK)
{
    shared *s = shared_new();
    *(volatile uint32_t *)s->memory = 1;
}

MODEL_SCENARIO(self_abort, .finds = MODEL_MISUSE)
{
    cconc__os_complain("cconc: the last words\n");
    cconc__os_abort();
}

/* Mutexes and condition variables. */
MODEL_SCENARIO(self_locked_twice, .finds = MODEL_RULE)
{
    shared *s = shared_new();
    plat_mutex_lock(&s->a);
    plat_mutex_lock(&s->a);
}

MODEL_SCENARIO(self_unlocked_by_other, .finds = MODEL_RULE)
{
    shared *s = shared_new();
    plat_mutex_unlock(&s->a);
}

MODEL_SCENARIO(self_lock_after_destroy, .finds = MODEL_USE_AFTER)
{
    shared *s = shared_new();
    cconc__mutex_destroy(&s->a);
    plat_mutex_lock(&s->a);
}

MODEL_SCENARIO(self_destroyed_while_locked, .finds = MODEL_RULE, .finds_bound = 2)
{
    shared *s = shared_new();
    model_may_fail(MODEL_USE_AFTER); /* too early */
    model_spawn(locks_ab, s);
    (void)atom_load_rlx(&s->x);
    cconc__mutex_destroy(&s->b);
}

static void signals(void *arg)
{
    cconc__cond_signal(&((shared *)arg)->cond);
}

MODEL_SCENARIO(self_signaller_inside, .finds = MODEL_RULE, .finds_bound = 2)
{
    shared *s = shared_new();
    model_may_fail(MODEL_USE_AFTER); /* too early */
    model_spawn(signals, s);
    (void)atom_load_rlx(&s->x);
    cconc__cond_destroy(&s->cond);
}

static void waits(void *arg)
{
    shared *s = arg;
    plat_mutex_lock(&s->a);
    (void)cconc__cond_wait(&s->cond, &s->a, INT64_MAX);
    plat_mutex_unlock(&s->a);
}

MODEL_SCENARIO(self_two_waiters, .finds = MODEL_RULE)
{
    shared *s = shared_new();
    model_spawn(waits, s);
    model_spawn(waits, s);
}

static void ends_with_lock(void *arg)
{
    plat_mutex_lock(&((shared *)arg)->a);
}

MODEL_SCENARIO(self_ends_with_lock, .finds = MODEL_RULE)
{
    model_spawn(ends_with_lock, shared_new());
}

/* Under a lock. */
MODEL_SCENARIO(self_allocates_locked, .finds = MODEL_RULE)
{
    shared *s = shared_new();
    plat_mutex_lock(&s->a);
    s->memory = cconc__alloc(8);
}

MODEL_SCENARIO(self_wakes_locked, .finds = MODEL_RULE)
{
    shared *s = shared_new();
    plat_mutex_lock(&s->a);
    (void)cconc__parker_unpark(&s->parker);
}

MODEL_SCENARIO(self_parks_locked, .finds = MODEL_RULE)
{
    shared *s = shared_new();
    plat_mutex_lock(&s->a);
    (void)cconc__parker_park(&s->parker, INT64_MAX);
}

MODEL_SCENARIO(self_calls_back_locked, .finds = MODEL_RULE)
{
    shared *s = shared_new();
    plat_mutex_lock(&s->a);
    MODEL_CHECK(s->plain == 0);
}

/* Rules of public functions. */
static int sets_errno(void)
{
    errno = EIO;
    return 0;
}

static int allocates(shared *s)
{
    s->memory = cconc__alloc(8);
    return 0;
}

static int parks(shared *s)
{
    return cconc__parker_park(&s->parker, MODEL_START + 1) ? 0 : 1;
}

MODEL_SCENARIO(self_changes_errno, .finds = MODEL_RULE)
{
    (void)MODEL_CALL(sets_errno, 0, );
}

MODEL_SCENARIO(self_free_allocates, .finds = MODEL_RULE)
{
    (void)MODEL_CALL(allocates, MODEL_NEVER_ALLOCATES, shared_new());
}

MODEL_SCENARIO(self_try_waits, .finds = MODEL_RULE)
{
    (void)MODEL_CALL(parks, MODEL_NEVER_WAITS, shared_new());
}

/* What the scenario asks. */
static bool x_is_small(void *arg)
{
    return atom_load_rlx(&((shared *)arg)->x) < 2;
}

MODEL_SCENARIO(self_invariant, .finds = MODEL_WRONG)
{
    shared *s = shared_new();
    model_invariant(x_is_small, s);
    model_spawn(increments, s);
    model_join_all();
    increments(s);
}

MODEL_SCENARIO(self_quiescence, .finds = MODEL_WRONG)
{
    shared *s = shared_new();
    model_at_quiescence(x_is_small, s);
    atom_store_rlx(&s->x, 2);
    (void)cconc__parker_park(&s->parker, INT64_MAX);
}

MODEL_SCENARIO(self_expected, .finds = MODEL_WRONG)
{
    model_expect(MODEL_DEADLOCK);
}

static uint32_t executions;

MODEL_SCENARIO(self_unstable, .finds = MODEL_UNSTABLE, .exhaustive = true)
{
    shared *s = shared_new();
    executions++;
    model_spawn(increments, s);
    if (executions % 2 == 1) {
        increments(s);
    }
    atom_store_rlx(&s->y, 1);
}

/* A register that two operations write and read as if it were two. */
enum { REGISTER_WRITE, REGISTER_READ };

static void register_init(void *state)
{
    *(int64_t *)state = 0;
}

static bool register_apply(void *state, int what, int64_t arg, int code, int64_t value)
{
    (void)code;
    if (what == REGISTER_WRITE) {
        *(int64_t *)state = arg;
        return true;
    }
    return *(int64_t *)state == value;
}

static const model_spec register_spec = {sizeof(int64_t), register_init, register_apply};

static void writes_register(void *arg)
{
    shared *s = arg;
    uint32_t id = model_begin(REGISTER_WRITE, 1);
    atom_store_rlx(&s->x, 1);
    atom_store_rlx(&s->x, 0);
    atom_store_rlx(&s->x, 1);
    model_end(id, 0, 0);
}

MODEL_SCENARIO(self_history, .finds = MODEL_WRONG, .finds_bound = 4,
               .only = MODEL_IN_PLAIN | MODEL_IN_RACE)
{
    shared *s = shared_new();
    model_spawn(writes_register, s);
    for (int i = 0; i < 2; i++) {
        uint32_t id = model_begin(REGISTER_READ, 0);
        model_end(id, 0, atom_load_rlx(&s->x));
    }
    model_join_all();
    model_check_history(&register_spec);
}

/* What only the other modes see. */
static void writes_y_reads_x(void *arg)
{
    shared *s = arg;
    atom_store_rel(&s->y, 1);
    s->seen[1] = atom_load_acq(&s->x);
}

MODEL_SCENARIO(self_store_buffer, .finds = MODEL_WRONG, .finds_bound = 1, .only = MODEL_IN_WEAK)
{
    shared *s = shared_new();
    model_spawn(writes_y_reads_x, s);
    atom_store_rel(&s->x, 1);
    s->seen[0] = atom_load_acq(&s->y);
    model_join_all();
    MODEL_CHECK(s->seen[0] == 1 || s->seen[1] == 1);
}

static void writes_relaxed(void *arg)
{
    shared *s = arg;
    s->plain = 7;
    atom_store_rlx(&s->y, 7);
    atom_store_rlx(&s->x, 1);
}

MODEL_SCENARIO(self_stale_message, .finds = MODEL_WRONG, .finds_bound = 2, .only = MODEL_IN_WEAK)
{
    shared *s = shared_new();
    model_spawn(writes_relaxed, s);
    if (atom_load_acq(&s->x) == 1) {
        MODEL_EQ(atom_load_rlx(&s->y), 7);
    }
}

MODEL_SCENARIO(self_race, .finds = MODEL_RACE, .finds_bound = 1, .only = MODEL_IN_RACE)
{
    shared *s = shared_new();
    model_spawn(writes_relaxed, s);
    if (atom_load_acq(&s->x) == 1) {
        s->seen[0] = s->plain;
    }
    (void)atom_load_rlx(&s->y);
}

/* The races before the rest are searched, whoever has the last step. */
MODEL_SCENARIO(self_rest_all, .finds = MODEL_WRONG, .exhaustive = true)
{
    shared *s = shared_new();
    model_spawn(increments, s);
    increments(s);
    model_rest();
    MODEL_EQ(atom_load_rlx(&s->x), 2);
}

static void sleeps(void *arg)
{
    shared *s = arg;
    s->plain = cconc__parker_park(&s->parker, MODEL_START + 1000) ? 1 : 2;
}

/* Time may pass before all have settled, too. */
MODEL_SCENARIO(self_settle_all, .finds = MODEL_WRONG, .exhaustive = true,
               .only = MODEL_IN_PLAIN | MODEL_IN_WEAK)
{
    shared *s = shared_new();
    model_spawn(sleeps, s);
    model_settle();
    MODEL_EQ(s->plain, 0);
    (void)cconc__parker_unpark(&s->parker);
    model_join_all();
}
