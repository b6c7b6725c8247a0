/* dpor.c - all interleavings without a bound, one of each class.
 * SPDX-License-Identifier: MIT
 *
 * Two steps commute unless they touch one object and one of them writes. Executions that differ
 * only in the order of steps that commute have the same outcome; one of each class is run: dynamic
 * partial-order reduction (Flanagan, Godefroid 2005) with source sets and sleep sets (Abdulla,
 * Aronis, Jonsson, Sagonas 2014). Time is a thread whose steps write the clock.
 *
 * A race of the steps i < t is a pair that touches one object, of two threads, with nothing between
 * them that orders them. For each, some thread that can begin the other order is to be tried where
 * i was. What was tried falls asleep until a step touches what its own would.
 */
#include "engine.h"

#include <stdlib.h>

typedef struct touched {
    contact list[MAX_ACCESSES];
    uint8_t count;
} touched;

typedef struct sleeper {
    uint8_t id;
    touched would;
} sleeper;

/* A decision: a step, or a choice of data. */
typedef struct decision {
    bool     is_data;
    uint8_t  chosen;      /* thread, or alternative */
    uint8_t  n;           /* alternatives of data */
    uint32_t enabled;     /* threads */
    uint32_t backtrack;   /* to be tried */
    uint32_t done;        /* tried */
    touched  did;         /* what the chosen step touched, in this execution */
    touched  would;       /* and in all with other choices of data inside of it */
    bool     is_last;     /* the chosen step waited until nobody else could go on */
    bool     is_timed;    /* the chosen step was a wait that time could have ended */
    uint8_t  sleeping;
    sleeper  sleepers[MAX_FIBERS]; /* at this state: before it, and of what was tried here */
} decision;

typedef struct object {
    const volatile void *address;
    uint32_t execution; /* entries of other executions are empty ones */
    int32_t  last_write;
    int32_t  last_release;
    int32_t  last_read[MAX_FIBERS];
} object;

enum { OBJECTS = 1024, NO_STEP = -1 };

static decision *path;
static int32_t path_length;   /* decisions that are to be repeated */
static int32_t at;            /* decisions of this execution so far */
static int32_t current_step;  /* the decision whose step runs, NO_STEP = none */
static int32_t (*clocks)[MAX_FIBERS]; /* of each step: the latest of each thread before it */
static int32_t clock_of_time[MAX_FIBERS];
static object objects[OBJECTS];
static uint32_t execution;

void dpor_start(void)
{
    if (!path) {
        path = calloc(MAX_STEPS, sizeof(*path));
        clocks = calloc(MAX_STEPS, sizeof(*clocks));
    }
    if (!path || !clocks) {
        abort();
    }
    path_length = 0;
}

static void all_begin(void)
{
    at = 0;
    current_step = NO_STEP;
    execution++;
    for (int i = 0; i < MAX_FIBERS; i++) {
        clock_of_time[i] = NO_STEP;
    }
}

static object *object_of(const volatile void *address)
{
    size_t slot = ((uintptr_t)address >> 2) * UINT64_C(0x9E3779B97F4A7C15) >> 54;
    for (size_t i = 0; i < OBJECTS; i++) {
        object *o = &objects[(slot + i) % OBJECTS];
        if (o->execution != execution) {
            o->execution = execution;
            o->address = address;
            o->last_write = NO_STEP;
            o->last_release = NO_STEP;
            for (int j = 0; j < MAX_FIBERS; j++) {
                o->last_read[j] = NO_STEP;
            }
            return o;
        }
        if (o->address == address) {
            return o;
        }
    }
    model_fail(MODEL_WRONG, "more objects than the search has room for");
}

static bool commute(const touched *a, const touched *b)
{
    for (int i = 0; i < a->count; i++) {
        for (int j = 0; j < b->count; j++) {
            if (a->list[i].object == b->list[j].object &&
                (a->list[i].how != TOUCH_READ || b->list[j].how != TOUCH_READ)) {
                return false;
            }
        }
    }
    return true;
}

static void touched_add(touched *to, const volatile void *address, touch how)
{
    for (int i = 0; i < to->count; i++) {
        if (to->list[i].object == address) {
            to->list[i].how = how > to->list[i].how ? how : to->list[i].how;
            return;
        }
    }
    if (to->count == MAX_ACCESSES) {
        model_fail(MODEL_WRONG, "a step touches more objects than the search has room for");
    }
    to->list[to->count++] = (contact){address, how};
}

static int32_t *clock_of(int id)
{
    return id == CLOCK ? clock_of_time : model.fibers[id].clock;
}

static bool is_before(int32_t i, int32_t j)
{
    return clocks[j][path[i].chosen] >= i;
}

/* Threads that can begin what came after i without i, up to the step t. */
static uint32_t initials(int32_t i, int32_t t)
{
    static int32_t rest[MAX_STEPS];
    uint32_t found = 0;
    uint32_t seen = 0;
    int count = 0;
    for (int32_t j = i + 1; j <= t; j++) {
        bool is_first = true;
        if (path[j].is_data || (j < t && is_before(i, j))) {
            continue;
        }
        for (int k = 0; k < count && is_first && !(seen & (1u << path[j].chosen)); k++) {
            is_first = !is_before(rest[k], j);
        }
        if (is_first && !(seen & (1u << path[j].chosen))) {
            found |= 1u << path[j].chosen;
        }
        seen |= 1u << path[j].chosen;
        rest[count++] = j;
    }
    return found;
}

static uint32_t asleep_at(const decision *d)
{
    uint32_t asleep = 0;
    for (int k = 0; k < d->sleeping; k++) {
        asleep |= 1u << d->sleepers[k].id;
    }
    return asleep;
}

/* Steps i and t may be had in the other order. If nobody can begin it, i is what let t happen; then
 * only time could have done so before. */
static void race(int32_t i, int32_t t)
{
    decision *before = &path[i];
    uint32_t begin = initials(i, t) & before->enabled;
    if (begin == 0 && path[t].is_timed) {
        begin = before->enabled & (1u << CLOCK);
    }
    if (begin != 0 && !(begin & (before->backtrack | asleep_at(before)))) {
        before->backtrack |= begin & (~begin + 1);
    }
}

static void look_at(int32_t i, int32_t t)
{
    int id = path[t].chosen;
    if (i != NO_STEP && path[i].chosen != id && clock_of(id)[path[i].chosen] < i) {
        race(i, t);
    }
}

static void join(int32_t *clock, int32_t i)
{
    for (int k = 0; i != NO_STEP && k < MAX_FIBERS; k++) {
        clock[k] = clocks[i][k] > clock[k] ? clocks[i][k] : clock[k];
    }
}

/* What is before the step t, itself included. */
static void clock_make(int32_t t)
{
    const touched *did = &path[t].did;
    int32_t *clock = clocks[t];
    memcpy(clock, clock_of(path[t].chosen), sizeof(clocks[0]));
    for (int i = 0; i < did->count; i++) {
        object *o = object_of(did->list[i].object);
        join(clock, o->last_write);
        join(clock, o->last_release);
        for (int j = 0; did->list[i].how != TOUCH_READ && j < MAX_FIBERS; j++) {
            join(clock, o->last_read[j]);
        }
    }
    for (int i = 0; path[t].is_last && i < model.fiber_count; i++) {
        for (int k = 0; k < MAX_FIBERS; k++) {
            clock[k] = clock_of(i)[k] > clock[k] ? clock_of(i)[k] : clock[k];
        }
    }
    clock[path[t].chosen] = t;
}

/* The step is over: what it touched is known. */
static void step_over(void)
{
    int32_t t = current_step;
    decision *step = &path[t];
    int id = step->chosen;
    current_step = NO_STEP;
    clock_make(t);
    for (int i = 0; i < step->did.count; i++) {
        object *o = object_of(step->did.list[i].object);
        touched_add(&step->would, o->address, step->did.list[i].how);
        if (o->address == &model.now_ns && id != CLOCK && (step->enabled & (1u << CLOCK)) &&
            !(asleep_at(step) & (1u << CLOCK))) {
            step->backtrack |= 1u << CLOCK; /* it may not come to it any more */
        }
        if (step->did.list[i].how != TOUCH_RELEASE) {
            look_at(o->last_write, t);
        }
        for (int j = 0; step->did.list[i].how == TOUCH_WRITE && j < MAX_FIBERS; j++) {
            look_at(o->last_read[j], t);
        }
    }
    memcpy(clock_of(id), clocks[t], sizeof(clocks[0]));
    for (int i = 0; i < step->did.count; i++) {
        object *o = object_of(step->did.list[i].object);
        if (step->did.list[i].how == TOUCH_READ) {
            o->last_read[id] = t;
        } else if (step->did.list[i].how == TOUCH_WRITE) {
            o->last_write = t;
        } else {
            o->last_release = t;
        }
    }
}

void dpor_settle(void)
{
    if (current_step != NO_STEP) {
        step_over();
    }
}

/* A step that goes on after a yield looks again at all it has looked at. */
static void yield_touch(fiber *f)
{
    model.is_impure |= f->polled_count > MAX_POLLED;
    for (int i = 0; i < f->polled_count && i < MAX_POLLED; i++) {
        if (path[current_step].did.count < MAX_ACCESSES) {
            touched_add(&path[current_step].did, f->polled[i], TOUCH_READ);
        } else {
            model.is_impure = true;
        }
    }
    f->polled_count = 0;
}

void dpor_step_begin(const op *done)
{
    dpor_settle();
    current_step = at - 1;
    while (current_step >= 0 && path[current_step].is_data) {
        current_step--;
    }
    if (current_step >= 0) {
        path[current_step].did.count = 0;
        path[current_step].is_last = done->kind == OP_SETTLE;
        path[current_step].is_timed = done->deadline_ns != INT64_MAX && done->kind != OP_TIME;
    }
    if (done->kind == OP_YIELD) {
        yield_touch(&model.fibers[path[current_step].chosen]);
    }
}

static void poll_note(fiber *f, const volatile void *address)
{
    for (int i = 0; i < f->polled_count && i < MAX_POLLED; i++) {
        if (f->polled[i] == address) {
            f->polled_at[i] = current_step;
            return;
        }
    }
    if (f->polled_count < MAX_POLLED) {
        f->polled[f->polled_count] = address;
        f->polled_at[f->polled_count] = current_step;
    }
    if (f->polled_count <= MAX_POLLED) {
        f->polled_count++;
    }
}

void dpor_step_touch(const volatile void *address, touch how)
{
    if (current_step != NO_STEP) {
        touched_add(&path[current_step].did, address, how);
        if (path[current_step].chosen != CLOCK) {
            poll_note(&model.fibers[path[current_step].chosen], address);
        }
    }
}

/* Nothing changes any more: let those go on that yield, as a loop does that gives up. */
bool dpor_give_up_polling(void)
{
    bool has_yielded = false;
    for (int i = 0; i < model.fiber_count; i++) {
        fiber *f = &model.fibers[i];
        if (!f->is_over && f->next.kind == OP_YIELD) {
            f->polled_count = MAX_POLLED + 1;
            has_yielded = true;
        }
    }
    return has_yielded;
}

/* A loop that looks and yields goes on when what it looked at was written by another thread, or it
 * has seen an older store than the newest: until then it would only yield again. */
bool dpor_has_changed(const fiber *f)
{
    for (int i = 0; i < f->polled_count && i < MAX_POLLED; i++) {
        const object *o = object_of(f->polled[i]);
        int32_t last = o->last_write > o->last_release ? o->last_write : o->last_release;
        if ((last > f->polled_at[i] && path[last].chosen != f->id) ||
            order_has_newer(f, f->polled[i])) {
            return true;
        }
    }
    return f->polled_count > MAX_POLLED;
}

/* The current step makes a thread, which begins after it. */
void dpor_inherit(fiber *made)
{
    if (strategy_now == &strategy_all && model.current && current_step != NO_STEP) {
        made->clock[path[current_step].chosen] = current_step;
    }
}

/* Who sleeps at the new decision: those whose step commutes with the last one. */
static void inherit_sleepers(decision *to)
{
    int32_t last = at - 1;
    to->sleeping = 0;
    while (last >= 0 && path[last].is_data) {
        last--;
    }
    for (int k = 0; last >= 0 && k < path[last].sleeping; k++) {
        const sleeper *s = &path[last].sleepers[k];
        if (s->id != path[last].chosen && commute(&s->would, &path[last].did)) {
            to->sleepers[to->sleeping++] = *s;
        }
    }
}

/* Gives the thread, or MAX_FIBERS if all that could run are asleep. */
uint32_t dpor_pick(uint32_t enabled_mask, int current)
{
    decision *d = &path[at];
    uint32_t asleep;
    if (current_step != NO_STEP) {
        step_over();
    }
    if (at == MAX_STEPS - 1) {
        model_fail(MODEL_LIVELOCK, "more choices than the tester has room for");
    }
    if (at < path_length) {
        at++;
        return d->chosen;
    }
    inherit_sleepers(d);
    asleep = asleep_at(d);
    if (!(enabled_mask & ~asleep)) {
        return MAX_FIBERS;
    }
    d->is_data = false;
    d->enabled = enabled_mask;
    d->done = 0;
    if (!(enabled_mask & ~asleep & (1u << current))) {
        current = __builtin_ctz(enabled_mask & ~asleep);
    }
    d->chosen = (uint8_t)current;
    d->would.count = 0;
    d->backtrack = 1u << current;
    path_length = ++at;
    return d->chosen;
}

static uint32_t all_pick(choice_kind kind, uint32_t n, const uint8_t *ids, bool current_first)
{
    decision *d = &path[at];
    (void)kind;
    (void)ids;
    (void)current_first;
    if (at == MAX_STEPS - 1) {
        model_fail(MODEL_LIVELOCK, "more choices than the tester has room for");
    }
    if (at == path_length) {
        d->is_data = true;
        d->chosen = 0;
        d->n = (uint8_t)n;
        path_length++;
    }
    at++;
    return d->chosen;
}

/* What was tried at d sleeps from now on; is there something else to try? */
static bool try_another(decision *d)
{
    uint32_t left;
    if (d->is_data) {
        d->chosen++;
        return d->chosen < d->n;
    }
    d->done |= 1u << d->chosen;
    d->sleepers[d->sleeping++] = (sleeper){d->chosen, d->would};
    d->would.count = 0;
    left = d->backtrack & ~d->done & ~asleep_at(d);
    if (left == 0) {
        return false;
    }
    d->chosen = (uint8_t)__builtin_ctz(left);
    return true;
}

static bool all_next(void)
{
    dpor_settle();
    path_length = at;
    while (path_length > 0 && !try_another(&path[path_length - 1])) {
        path_length--;
    }
    return path_length > 0;
}

const strategy strategy_all = {"all", all_begin, all_pick, all_next};
