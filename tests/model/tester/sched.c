/* sched.c - one execution: whose step is next, and whether all was as it should be.
 * SPDX-License-Identifier: MIT
 */
#include "engine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

engine model;

typedef struct watch {
    bool (*is_true)(void *arg);
    void *arg;
} watch;

enum { MAX_WATCHES = 4, IDLE_ROUNDS = 3 };

static watch invariants[MAX_WATCHES];
static watch quiescence[MAX_WATCHES];
static int invariant_count;
static int quiescence_count;

static const char *const failure_names[] = {
    "none",   "deadlock", "livelock",   "use after the end", "leak",  "misuse",
    "wrong",  "rule",     "crash",      "race",              "unstable",
};

const char *model_failure_name(model_failure failure)
{
    return failure_names[failure];
}

_Noreturn void model_fail(model_failure failure, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    model.failure = failure;
    (void)vsnprintf(model.message, sizeof(model.message), format, args);
    va_end(args);
    fiber_leave();
}

static void ask(const watch *watches, int count, const char *what)
{
    for (int i = 0; i < count; i++) {
        bool is_true;
        model.is_quiet = true;
        is_true = watches[i].is_true(watches[i].arg);
        model.is_quiet = false;
        if (!is_true) {
            model_fail(MODEL_WRONG, "%s does not hold", what);
        }
    }
}

void model_invariant(bool (*is_true)(void *arg), void *arg)
{
    invariants[invariant_count++ % MAX_WATCHES] = (watch){is_true, arg};
}

void model_at_quiescence(bool (*is_true)(void *arg), void *arg)
{
    quiescence[quiescence_count++ % MAX_WATCHES] = (watch){is_true, arg};
}

static bool until_is_true(const op *o)
{
    bool is_true;
    model.is_quiet = true;
    is_true = o->ready(o->arg);
    model.is_quiet = false;
    return is_true;
}

/* Nobody but f, and others that settle, can go on. */
static bool others_wait(const fiber *f)
{
    bool wait = true;
    for (int i = 0; i < model.fiber_count && wait; i++) {
        const fiber *other = &model.fibers[i];
        wait = other == f || other->is_over || other->next.kind == OP_SETTLE ||
               !op_is_enabled(other);
    }
    return wait;
}

bool op_is_enabled(const fiber *f)
{
    const op *o = &f->next;
    switch (o->kind) {
    case OP_LOCK:
        return !o->mu->owner;
    case OP_COND_WAKE:
        return !o->mu->owner &&
               (((const plat_cond *)(uintptr_t)o->object)->is_signalled || o->is_spurious ||
                model.now_ns >= o->deadline_ns);
    case OP_PARKED:
        return *(const volatile uint32_t *)o->object == o->value || model.now_ns >= o->deadline_ns;
    case OP_JOIN:
        return ((const fiber *)(uintptr_t)o->object)->is_over;
    case OP_AWAIT:
        return *(const volatile uint32_t *)o->object >= o->value;
    case OP_SETTLE:
        return others_wait(f);
    case OP_YIELD:
        return strategy_now != &strategy_all || model.is_epilogue || dpor_has_changed(f);
    case OP_FD_AWAIT:
    case OP_UNTIL:
        return until_is_true(o);
    default:
        return true;
    }
}

/* The earliest time at which somebody who waits goes on by the clock; INT64_MAX = never. */
static int64_t next_time(void)
{
    int64_t first_ns = INT64_MAX;
    for (int i = 0; i < model.fiber_count; i++) {
        const fiber *f = &model.fibers[i];
        if (!f->is_over && (f->next.kind == OP_PARKED || f->next.kind == OP_COND_WAKE) &&
            f->next.deadline_ns > model.now_ns && f->next.deadline_ns < first_ns) {
            first_ns = f->next.deadline_ns;
        }
    }
    return first_ns;
}

static void step_begin(int id, const op *done)
{
    model.steps++;
    model.hash ^= (uint64_t)id ^ ((uint64_t)done->kind << 8);
    model.hash *= UINT64_C(1099511628211);
    if (strategy_now == &strategy_all && !model.is_epilogue) {
        dpor_step_begin(done);
    }
    if (model.is_tracing) {
        report_step(id == CLOCK ? NULL : &model.fibers[id], done);
    }
}

static void time_passes(int64_t to_ns)
{
    const op passes = {
        .kind = OP_TIME, .object = &model.now_ns, .writes = true, .deadline_ns = INT64_MAX};
    step_begin(CLOCK, &passes);
    step_touch(&model.now_ns, TOUCH_WRITE);
    model.now_ns = to_ns;
}

/* Fibers that can run, the current one first, then those after it in turn. */
static uint32_t enabled_fibers(uint8_t *out_ids, bool *out_current_first)
{
    uint32_t n = 0;
    const fiber *f = model.current;
    const fiber *end = &model.fibers[model.fiber_count];
    *out_current_first = false;
    for (int i = 0; i < model.fiber_count; i++, f++) {
        f = f == end ? model.fibers : f;
        if (!f->is_over && !f->has_yielded && op_is_enabled(f)) {
            *out_current_first |= i == 0;
            out_ids[n++] = (uint8_t)f->id;
        }
    }
    return n;
}

static void describe_blocked(char *text, size_t size)
{
    size_t used = 0;
    for (int i = 0; i < model.fiber_count && used < size; i++) {
        const fiber *f = &model.fibers[i];
        if (!f->is_over) {
            int wrote = snprintf(text + used, size - used, "%s%s%s%s", used ? ", " : "", f->name,
                                 f->call ? " in " : "", f->call ? f->call : "");
            used += wrote > 0 ? (size_t)wrote : 0;
        }
    }
}

/* Nobody can run. Returns if time, or a fiber that yielded, makes a difference. */
static void nobody_runs(void)
{
    char text[300] = "";
    int64_t to_ns = next_time();
    bool has_yielded = false;
    if (strategy_now == &strategy_all && !model.is_epilogue && dpor_give_up_polling()) {
        return;
    }
    for (int i = 0; i < model.fiber_count; i++) {
        has_yielded |= model.fibers[i].has_yielded && !model.fibers[i].is_over;
        model.fibers[i].has_yielded = false;
    }
    if (has_yielded && model.idle_rounds < IDLE_ROUNDS) {
        model.idle_rounds++;
        time_passes(model.now_ns + 10000);
        return;
    }
    model.idle_rounds = 0;
    if (to_ns != INT64_MAX) {
        time_passes(to_ns);
        return;
    }
    if (has_yielded) {
        time_passes(model.now_ns + 10000);
        return;
    }
    ask(quiescence, quiescence_count, "what must hold at quiescence");
    describe_blocked(text, sizeof(text));
    model_fail(MODEL_DEADLOCK, "nobody can go on: %s", text);
}

static fiber *pick_orderly(void)
{
    uint8_t ids[MAX_FIBERS];
    bool current_first;
    uint32_t n = enabled_fibers(ids, &current_first);
    while (n == 0) {
        nobody_runs();
        n = enabled_fibers(ids, &current_first);
    }
    return &model.fibers[ids[0]];
}

static uint32_t pick_all(const uint8_t *ids, uint32_t n)
{
    uint32_t mask = 0;
    uint32_t id;
    for (uint32_t i = 0; i < n; i++) {
        mask |= 1u << ids[i];
    }
    id = dpor_pick(mask, ids[0]);
    if (id == MAX_FIBERS) {
        model.is_redundant = true;
        fiber_leave();
    }
    for (uint32_t i = 0; i < n; i++) {
        if (ids[i] == id) {
            return i;
        }
    }
    model_fail(MODEL_UNSTABLE, "thread %u could run the last time", (unsigned)id);
}

/* Whose step is next? Time is offered last, where somebody waits for it. */
static fiber *pick(void)
{
    if (model.is_epilogue) {
        return pick_orderly();
    }
    for (;;) {
        uint8_t ids[MAX_FIBERS];
        bool current_first;
        int64_t to_ns = next_time();
        uint32_t n;
        uint32_t at = 0;
        if (strategy_now == &strategy_all) {
            dpor_settle();
        }
        n = enabled_fibers(ids, &current_first);
        if (n == 0 && (strategy_now != &strategy_all || to_ns == INT64_MAX)) {
            nobody_runs();
            continue;
        }
        if (to_ns != INT64_MAX && !(n > 0 && (model.faults & MODEL_LATE_TIME))) {
            ids[n++] = CLOCK;
        }
        if (strategy_now == &strategy_all) {
            at = pick_all(ids, n);
            if (n > 1) {
                strategy_note(at);
            }
        } else if (n > 1) {
            at = strategy_pick(CHOICE_THREAD, n, ids, current_first);
        }
        if (ids[at] != CLOCK) {
            return &model.fibers[ids[at]];
        }
        time_passes(to_ns);
    }
}

/* Where a step begins, in the fiber whose it is: what it is about to do can be done. */
static void step_taken(fiber *f)
{
    model.idle_rounds = f->next.kind == OP_YIELD ? model.idle_rounds : 0;
    for (int i = 0; f->next.writes && i < model.fiber_count; i++) {
        model.fibers[i].has_yielded &= i == f->id; /* two that only look do not hold up a third */
    }
    step_begin(f->id, &f->next);
    step_touch(f->next.object, f->next.writes ? TOUCH_WRITE : TOUCH_READ);
    if (f->next.mu) {
        step_touch(f->next.mu, TOUCH_WRITE);
    }
    if (f->next.deadline_ns != INT64_MAX) {
        step_touch(&model.now_ns, TOUCH_READ);
    }
}

void step_touch(const volatile void *object, touch how)
{
    if (strategy_now == &strategy_all && !model.is_epilogue && object) {
        dpor_step_touch(object, how);
    }
}

/* Whoever settles has seen what those that wait, or have ended, have done. */
static bool op_waits(op_kind kind)
{
    return kind == OP_PARKED || kind == OP_COND_WAKE || kind == OP_LOCK || kind == OP_JOIN ||
           kind == OP_EXIT || kind == OP_AWAIT || kind == OP_FD_AWAIT;
}

void step_point(const op *next)
{
    fiber *f = model.current;
    fiber *chosen;
    if (model.is_quiet) {
        return;
    }
    if (model.has_raced) {
        model_fail(MODEL_RACE, "ThreadSanitizer has reported a race");
    }
    if (invariant_count > 0 && !model.is_epilogue) {
        ask(invariants, invariant_count, "an invariant");
    }
    if (model.steps >= model.max_steps) {
        model_fail(MODEL_LIVELOCK, "%u steps are not enough", (unsigned)model.max_steps);
    }
    f->next = *next;
    if (op_waits(next->kind)) {
        order_release(&model.fibers);
    }
    chosen = pick();
    if (chosen != f) {
        fiber_switch(chosen);
    }
    step_taken(f);
    f->next.kind = OP_NONE;
}

/* A new thread has been chosen for the first time. */
void step_first(fiber *f)
{
    if (f->id != 0) {
        step_taken(f);
    }
    f->next.kind = OP_NONE;
}

fiber *fiber_new(void (*run)(void *arg), void *arg, const char *name)
{
    fiber *f;
    char *stack;
    void *tsan;
    if (model.fiber_count >= MAX_FIBERS - 1) {
        model_fail(MODEL_WRONG, "more threads than the tester has room for");
    }
    f = &model.fibers[model.fiber_count];
    stack = f->stack;
    tsan = f->tsan;
    memset(f, 0, sizeof(*f));
    f->stack = stack;
    f->tsan = tsan;
    f->id = model.fiber_count;
    f->next = (op){.kind = OP_START, .object = f, .deadline_ns = INT64_MAX};
    raw_copy(f->name, name, strnlen(name, sizeof(f->name) - 1));
    for (int i = 0; i < MAX_FIBERS; i++) {
        f->clock[i] = -1; /* no step of anybody's */
    }
    if (model.current) {
        memcpy(f->clock, model.current->clock, sizeof(f->clock));
        dpor_inherit(f);
    }
    fiber_prepare(f, run, arg);
    model.fiber_count++;
    return f;
}

/* The thread is over: what it kept goes, then another one runs. */
void fiber_end(void)
{
    fiber *f = model.current;
    const op ends = {.kind = OP_EXIT, .object = f, .writes = true, .deadline_ns = INT64_MAX};
    if (f->held_count > 0) {
        model_fail(MODEL_RULE, "%s ends and holds a lock", f->name);
    }
    for (int round = 0; f->slot && round < 4; round++) {
        plat_tls_slot *slot = f->slot;
        f->is_tls_over = true;
        f->slot = NULL;
        slot->on_exit(slot);
    }
    step_point(&ends);
    order_end(f);
    f->is_over = true;
    fiber_switch(pick());
    abort();
}

/* The scenario has returned on thread 0: join, let the library's threads end, look for what is
 * left. */
static void execution_end(void)
{
    model_join_all();
    if (!model.is_forked && model.expected == MODEL_NONE) {
        model.is_epilogue = true;
        if (memory_live() > 0 || model.fiber_count > 1) {
            (cconc_shutdown)(NULL);
        }
        if (model.current->slot) {
            plat_tls_slot *slot = model.current->slot;
            model.current->is_tls_over = true;
            model.current->slot = NULL;
            slot->on_exit(slot);
        }
        for (int i = 1; i < model.fiber_count; i++) {
            const fiber *f = &model.fibers[i];
            if (!f->is_over) {
                model_fail(MODEL_LEAK, "thread %s is still there", f->name);
            }
            if (f->is_library && !f->is_joined) {
                model_fail(MODEL_LEAK, "thread %s is not joined", f->name);
            }
        }
        if (model.forks == 0) { /* else all that was the parent's stays as it lies */
            memory_check_end();
            system_check_end();
        }
    }
    fiber_leave();
}

static void execution_body(void *arg)
{
    const model_scenario *scenario = arg;
    scenario->body();
    execution_end();
}

bool run_execution(const model_scenario *scenario)
{
    snapshot_restore();
    model.fiber_count = 0;
    model.current = NULL;
    model.scenario = scenario;
    model.faults = scenario->faults;
    model.had_faults = 0;
    model.odd_events = 0;
    model.is_quiet = false;
    model.is_epilogue = false;
    model.is_forked = false;
    model.has_raced = false;
    model.is_redundant = false;
    model.has_polled = false;
    model.steps = 0;
    model.max_steps = scenario->max_steps ? scenario->max_steps : 2000;
    model.now_ns = MODEL_START;
    model.idle_rounds = 0;
    model.hash = UINT64_C(14695981039346656037);
    model.is_low = scenario->low;
    model.checks = 0;
    model.goals = 0;
    model.outcome = UINT64_C(14695981039346656037);
    model.failure = MODEL_NONE;
    model.expected = MODEL_NONE;
    model.tolerated = MODEL_NONE;
    model.forks = 0;
    invariant_count = 0;
    quiescence_count = 0;
    memory_reset();
    system_reset();
    history_reset();
    order_reset();
    strategy_begin();
    system_choose();
    fibers_begin();
    fiber_enter(fiber_new(execution_body, (void *)(uintptr_t)scenario, "main"));
    fibers_between();
    if (model.is_redundant) {
        return true;
    }
    if (model.failure != MODEL_NONE) {
        return model.failure == model.expected || model.failure == model.tolerated;
    }
    if (model.expected != MODEL_NONE) {
        model.failure = MODEL_WRONG;
        (void)snprintf(model.message, sizeof(model.message), "it was to end with %s, and did not",
                       model_failure_name(model.expected));
        return false;
    }
    return true;
}
