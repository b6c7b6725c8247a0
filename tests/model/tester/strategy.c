/* strategy.c - all that can differ between two executions is chosen here, and recorded.
 * SPDX-License-Identifier: MIT
 *
 * Bounded: depth first, all executions with at most so many preemptions; a fault, time that passes
 * early, and who comes out of turn after a thread has yielded, count as one. Random: each choice
 * evenly. PCT: Burckhardt, Kothari, Musuvathi, Nagarakatte 2010; the thread of the highest priority
 * runs, and at depth - 1 random steps it gets the lowest. Starve: one thread is held back for
 * windows that double.
 */
#include "engine.h"

const strategy *strategy_now;
uint64_t strategy_seed = 1;
uint8_t  strategy_choices[MAX_STEPS];
uint32_t strategy_choice_count;
int      strategy_bound;
int      strategy_depth = 3;

enum { MAX_ODD_EVENTS = 3 }; /* of one execution: a loop that meets them for ever has no end */

static uint64_t random_state;
static uint32_t longest = 30; /* steps of an execution, for pct */

/* SplitMix64 (Steele, Lea, Flood 2014). */
uint64_t strategy_random_bits(void)
{
    uint64_t z = (random_state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static uint32_t below(uint32_t n)
{
    return (uint32_t)(((strategy_random_bits() >> 32) * n) >> 32);
}

void strategy_learn_steps(uint32_t steps)
{
    longest = steps > longest ? steps : longest;
}

void strategy_begin(void)
{
    strategy_choice_count = 0;
    strategy_seed++;
    random_state = strategy_seed * UINT64_C(0xD1342543DE82EF95);
    strategy_now->begin();
}

bool strategy_next(void)
{
    return strategy_now->next();
}

void strategy_note(uint32_t chosen)
{
    if (strategy_choice_count < MAX_STEPS) {
        strategy_choices[strategy_choice_count++] = (uint8_t)chosen;
    }
}

uint32_t strategy_pick(choice_kind kind, uint32_t n, const uint8_t *ids, bool current_first)
{
    uint32_t chosen = strategy_now->pick(kind, n, ids, current_first);
    strategy_note(chosen);
    return chosen;
}

bool strategy_fault(uint32_t fault)
{
    if (!(model.faults & fault) || model.is_epilogue || model.is_quiet) {
        return false;
    }
    step_touch(&model.faults, TOUCH_WRITE); /* what one thread chooses another cannot */
    if (strategy_pick(CHOICE_FAULT, 2, NULL, false) == 0) {
        return false;
    }
    model.had_faults |= fault;
    model.odd_events++;
    if (model.odd_events >= MAX_ODD_EVENTS) {
        model.faults &= ~(uint32_t)(MODEL_SPURIOUS | MODEL_CAS);
    }
    if (fault & (MODEL_NO_MEMORY | MODEL_NO_THREAD | MODEL_NO_FD)) {
        model.faults &= ~fault; /* once */
    }
    return true;
}

uint32_t model_choose(uint32_t n)
{
    return n > 1 ? strategy_pick(CHOICE_DATA, n, NULL, false) : 0;
}

bool model_had_fault(uint32_t faults)
{
    return (model.had_faults & faults) != 0;
}

static bool always(void)
{
    return true;
}

/* Bounded. */
typedef struct node {
    uint8_t chosen;
    uint8_t n;
    uint8_t dear;  /* the first alternative that costs a preemption */
    uint8_t spent; /* preemptions before this node */
} node;

static node path[MAX_STEPS];
static uint32_t path_length; /* of the prefix that is to be repeated */
static uint32_t path_at;
static int spent;

void strategy_bounded_start(int bound)
{
    strategy_bound = bound;
    path_length = 0;
}

static void bounded_begin(void)
{
    path_at = 0;
    spent = 0;
}

/* From which alternative on is it a preemption? */
static uint8_t first_dear(choice_kind kind, uint32_t n, const uint8_t *ids, bool current_first)
{
    if (kind == CHOICE_DATA) {
        return (uint8_t)n;
    }
    if (kind == CHOICE_FAULT || current_first || model.current->has_yielded) {
        return 1; /* two that yield to each other would keep a third out for nothing */
    }
    return (uint8_t)(ids[n - 1] == CLOCK && n > 1 ? n - 1 : n);
}

static uint32_t bounded_pick(choice_kind kind, uint32_t n, const uint8_t *ids, bool current_first)
{
    node *at = &path[path_at];
    if (path_at == MAX_STEPS - 1) {
        model_fail(MODEL_LIVELOCK, "more choices than the tester has room for");
    }
    if (path_at == path_length) {
        *at = (node){0, (uint8_t)n, first_dear(kind, n, ids, current_first), (uint8_t)spent};
        path_length++;
    } else if (at->n != n) {
        model_fail(MODEL_UNSTABLE, "%u ways to go on, the last time it were %u", (unsigned)n,
                   (unsigned)at->n);
    }
    path_at++;
    spent += at->chosen >= at->dear ? 1 : 0;
    return at->chosen;
}

static bool bounded_next(void)
{
    path_length = path_at;
    while (path_length > 0) {
        node *last = &path[path_length - 1];
        uint8_t next = (uint8_t)(last->chosen + 1);
        if (next < last->n && (next < last->dear || last->spent < strategy_bound)) {
            last->chosen = next;
            return true;
        }
        path_length--;
    }
    return false;
}

int strategy_preemptions(void)
{
    return spent;
}

const strategy strategy_bounded = {"bounded", bounded_begin, bounded_pick, bounded_next};

/* Random. */
static void nothing(void)
{
}

static uint32_t random_pick(choice_kind kind, uint32_t n, const uint8_t *ids, bool current_first)
{
    (void)current_first;
    if (kind == CHOICE_FAULT) {
        return below(4) == 0;
    }
    if (kind == CHOICE_THREAD && ids[n - 1] == CLOCK && below(4) != 0) {
        n--; /* time passes early now and then */
    }
    return below(n);
}

const strategy strategy_random = {"random", nothing, random_pick, always};

/* PCT. */
static uint32_t priorities[MAX_FIBERS];
static uint32_t changes[8];
static uint32_t lowest;
static uint32_t picks;

static void pct_begin(void)
{
    for (int i = 0; i < MAX_FIBERS; i++) {
        priorities[i] = 16 + below(1u << 16);
    }
    for (int i = 0; i < 8; i++) {
        changes[i] = i < strategy_depth - 1 ? below(longest) : UINT32_MAX;
    }
    lowest = 15;
    picks = 0;
}

static uint32_t pct_pick(choice_kind kind, uint32_t n, const uint8_t *ids, bool current_first)
{
    uint32_t best = 0;
    (void)current_first;
    if (kind != CHOICE_THREAD) {
        return random_pick(kind, n, ids, false);
    }
    for (int i = 0; i < 8; i++) {
        if (changes[i] == picks && lowest > 0) {
            priorities[ids[0]] = lowest--;
        }
    }
    picks++;
    if (model.current->has_yielded) {
        priorities[model.current->id] = 0; /* or two that yield would keep all others out */
    }
    for (uint32_t i = 1; i < n; i++) {
        best = priorities[ids[i]] > priorities[ids[best]] ? i : best;
    }
    if (ids[best] == CLOCK) {
        priorities[CLOCK] /= 2; /* or one whom only time wakes would keep all others out */
    }
    return best;
}

const strategy strategy_pct = {"pct", pct_begin, pct_pick, always};

/* Starve. */
static uint32_t victim;
static uint32_t window;
static uint32_t window_left;

static void starve_begin(void)
{
    victim = below(4);
    window = 2;
    window_left = window;
}

static uint32_t starve_pick(choice_kind kind, uint32_t n, const uint8_t *ids, bool current_first)
{
    uint32_t chosen = random_pick(kind, n, ids, current_first);
    if (kind != CHOICE_THREAD) {
        return chosen;
    }
    window_left--;
    if (window_left == 0) {
        window *= 2;
        window_left = window;
        victim = below(6);
    }
    if (ids[chosen] == victim) {
        chosen = (chosen + 1) % n;
        if (ids[chosen] == CLOCK) { /* time does not take the victim's place: it has no end */
            chosen = (chosen + 1) % n;
        }
    }
    return chosen;
}

const strategy strategy_starve = {"starve", starve_begin, starve_pick, always};

/* Replay. */
static uint8_t recorded[MAX_STEPS];
static uint32_t recorded_count;
static uint32_t recorded_at;

void strategy_set_replay(const uint8_t *choices, uint32_t count)
{
    memcpy(recorded, choices, count);
    recorded_count = count;
}

static void replay_begin(void)
{
    recorded_at = 0;
}

static uint32_t replay_pick(choice_kind kind, uint32_t n, const uint8_t *ids, bool current_first)
{
    uint32_t chosen = recorded_at < recorded_count ? recorded[recorded_at] : 0;
    (void)kind;
    (void)ids;
    (void)current_first;
    recorded_at++;
    return chosen < n ? chosen : 0;
}

const strategy strategy_replay = {"replay", replay_begin, replay_pick, always};
