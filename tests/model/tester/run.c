/* run.c - explores the scenarios: which strategies for how long, on all processors, and what came
 * of it.
 * SPDX-License-Identifier: MIT
 *
 * Usage: model [--full] [--seconds N] [--least N] [--jobs N] [--first] [--exact] [--terse]
 *              [--list] [PATTERN...]
 *
 * Each scenario has a fixed part: all interleavings where it says so, all with 0, 1, 2... up to
 * three preemptions, and some of each random strategy. What is left of the time goes to random
 * ones. --least: on until there are so many interleavings, for twice the time at most: machines
 * differ, and one machine does from hour to hour. --first: stop at the first failure, and have no
 * time left over: for mutants. --exact: the patterns are whole names, and each must be there.
 * --terse: of a failure the line that replays it, not its steps. --list prints the names, and the
 * file of each. MODEL_REPLAY=name:choices, or name+low:choices for one with the real parker, runs
 * one interleaving again, MODEL_SEED=N begins the random ones elsewhere. The last line is
 *     model: scenarios=N exhaustive=N bound3=N interleavings=N failed=N
 */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_SCENARIOS = 2048, TWICE_EVERY = 997, SLICE_MS = 40 };

typedef struct outcome {
    bool     is_failed;
    bool     is_exhaustive;
    int      bound;          /* up to which all were explored; -1 = none */
    uint64_t interleavings;
    uint64_t redundant;
    uint64_t ms;
    uint64_t goals;
    uint32_t steps;          /* of the longest execution */
} outcome;

typedef struct shared {
    uint32_t next;           /* the scenario that nobody has taken yet */
    uint32_t slices;
    bool     is_over;        /* a failure was found, and one is enough */
    outcome  outcomes[MAX_SCENARIOS];
} shared;

extern const model_scenario *const __start_model_list[];
extern const model_scenario *const __stop_model_list[];

static const model_scenario *scenarios[MAX_SCENARIOS];
static uint32_t scenario_count;
static shared *all;
static bool is_full;
static bool is_first_enough;
static bool is_exact;
static int64_t end_ms;
static int64_t last_ms; /* then it ends though there are less than least */
static uint64_t least;
static bool has_end;

static bool is_self_test(const model_scenario *scenario)
{
    return scenario->finds != MODEL_NONE || scenario->same_outcomes;
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Once more by its choices: the same steps? */
static bool is_stable(const model_scenario *scenario)
{
    const strategy *before = strategy_now;
    uint8_t choices[MAX_STEPS];
    uint64_t hash = model.hash;
    bool is_same;
    memcpy(choices, strategy_choices, strategy_choice_count);
    strategy_set_replay(choices, strategy_choice_count);
    strategy_now = &strategy_replay;
    (void)run_execution(scenario);
    strategy_now = before;
    is_same = hash == model.hash;
    if (!is_same) {
        model.failure = MODEL_UNSTABLE;
        (void)snprintf(model.message, sizeof(model.message),
                       "the same choices have led to other steps");
    }
    return is_same;
}

/* One execution by the strategy that is set. */
static bool explore_one(const model_scenario *scenario, outcome *out)
{
    bool is_right = run_execution(scenario);
    if (model.is_redundant) {
        out->redundant++;
        return true;
    }
    out->interleavings++;
    out->goals |= model.goals;
    out->steps = model.steps > out->steps ? model.steps : out->steps;
    strategy_learn_steps(model.steps);
    if (!is_right) {
        return false;
    }
    return out->interleavings % TWICE_EVERY != 1 ||
           (strategy_now == &strategy_all && model.has_polled) || is_stable(scenario);
}

static void search_start(const strategy *by, int bound)
{
    strategy_now = by;
    model.is_impure = false;
    if (by == &strategy_all) {
        dpor_start();
    } else {
        strategy_bounded_start(bound);
    }
}

/* All executions of the strategy that is set, for limit_ms at most. */
static bool explore_all(const model_scenario *scenario, outcome *out, int64_t limit_ms,
                        bool *out_complete)
{
    int64_t stop_ms = now_ms() + limit_ms;
    uint32_t rounds = 0;
    *out_complete = false;
    do {
        uint64_t before = out->interleavings;
        if (!explore_one(scenario, out)) {
            return false;
        }
        if (strategy_now == &strategy_bounded && strategy_preemptions() < strategy_bound) {
            out->interleavings = before; /* it was there at a lower bound */
        }
        rounds++;
        if (rounds % 64 == 0 && (now_ms() >= stop_ms || all->is_over)) {
            return true;
        }
    } while (strategy_next());
    *out_complete = true;
    return true;
}

static bool explore_random(const model_scenario *scenario, outcome *out, const strategy *by,
                           uint64_t executions, int64_t stop_ms)
{
    strategy_now = by;
    for (uint64_t i = 0; i < executions; i++) {
        if (!explore_one(scenario, out)) {
            return false;
        }
        if (i % 64 == 63 && now_ms() >= stop_ms) {
            break;
        }
    }
    return true;
}

static bool explore_portfolio(const model_scenario *scenario, outcome *out, uint64_t each,
                              int64_t stop_ms)
{
    static model_scenario low;
    for (int depth = 2; depth <= 4; depth++) {
        strategy_depth = depth;
        if (!explore_random(scenario, out, &strategy_pct, each / 3 + 1, stop_ms)) {
            return false;
        }
    }
    low = *scenario; /* one in ten with the real parker */
    low.low = true;
    return explore_random(scenario, out, &strategy_random, each, stop_ms) &&
           explore_random(scenario, out, &strategy_starve, each / 4 + 1, stop_ms) &&
           explore_random(&low, out, &strategy_random, each / 10 + 1, stop_ms);
}

static bool explore_bounded(const model_scenario *scenario, outcome *out, int64_t limit_ms)
{
    int most = scenario->bound ? scenario->bound : 3;
    int64_t stop_ms = now_ms() + limit_ms;
    for (int bound = 0; bound <= most; bound++) {
        bool complete;
        search_start(&strategy_bounded, bound);
        if (!explore_all(scenario, out, stop_ms - now_ms(), &complete)) {
            return false;
        }
        if (!complete) {
            break;
        }
        out->bound = bound;
    }
    return true;
}

/* The time is over, though not all had their fixed part: the rest of them get a look each. */
static bool is_late(void)
{
    return has_end && !is_full && now_ms() >= end_ms;
}

/* How long to search with growing bounds. */
static int64_t bounded_ms(const model_scenario *scenario, const outcome *out)
{
    if (is_full) { /* one with a bound of its own has too many to explore much */
        return scenario->bound ? 10000 : 60000;
    }
    if (is_first_enough) { /* a mutant: where nothing is found the time is well spent */
        return 10000;
    }
    return out->is_exhaustive || is_late() ? 100 : 600;
}

static uint64_t goals_wanted(const model_scenario *scenario)
{
    uint64_t n = scenario->goals && *scenario->goals ? 1 : 0;
    for (const char *at = scenario->goals; n > 0 && (at = strchr(at, ' ')) != NULL; at++) {
        n++;
    }
    return (UINT64_C(1) << n) - 1;
}

static bool has_goals(const model_scenario *scenario, const outcome *out)
{
    uint64_t wanted = goals_wanted(scenario);
    return (out->goals & wanted) == wanted;
}

/* A machine that has other work may have had no time for what few interleavings reach. */
static bool explore_goals(const model_scenario *scenario, outcome *out)
{
    int64_t stop_ms = now_ms() + (is_first_enough ? 3000 : 30000);
    bool is_right = true;
    while (is_right && !is_late() && !has_goals(scenario, out) && now_ms() < stop_ms) {
        is_right = explore_portfolio(scenario, out, 300, stop_ms);
    }
    return is_right;
}

/* What every scenario gets. */
static bool explore_fixed(const model_scenario *scenario, outcome *out)
{
    bool is_right;
    if (scenario->exhaustive) {
        bool complete;
        search_start(&strategy_all, 0);
        is_right = explore_all(scenario, out, is_full ? 300000 : is_late() ? 50 : 3000, &complete);
        out->is_exhaustive = is_right && complete && !model.is_impure;
        if (!is_right) {
            return false;
        }
        if (is_full && !out->is_exhaustive) {
            fprintf(stderr, "\n%s: the search without a bound %s\n", scenario->name,
                    complete ? "does not hold: threads yield" : "takes too long");
            return false;
        }
    }
    return explore_bounded(scenario, out, bounded_ms(scenario, out)) &&
           explore_portfolio(scenario, out, is_first_enough ? 3000 : 300, now_ms() + 5000) &&
           explore_goals(scenario, out);
}

/* A self-test: the failure that it has must be found, at its bound and not below. */
static bool explore_self_test(const model_scenario *scenario, outcome *out)
{
    for (int bound = 0; bound <= scenario->finds_bound; bound++) {
        bool complete;
        bool is_right;
        search_start(scenario->exhaustive ? &strategy_all : &strategy_bounded, bound);
        is_right = explore_all(scenario, out, 60000, &complete);
        if (!is_right && model.failure == scenario->finds && bound == scenario->finds_bound) {
            return true;
        }
        if (!is_right) {
            fprintf(stderr, "\n%s: found %s (%s) at bound %d, should be %s at %d\n", scenario->name,
                    model_failure_name(model.failure), model.message, bound,
                    model_failure_name(scenario->finds), scenario->finds_bound);
            return false;
        }
    }
    fprintf(stderr, "\n%s: %s was not found\n", scenario->name,
            model_failure_name(scenario->finds));
    return false;
}

enum { MAX_OUTCOMES = 1024 };

/* All outcomes that a search sees; returns their number. */
static uint32_t outcomes_of(const model_scenario *scenario, outcome *out, uint64_t *seen)
{
    uint32_t count = 0;
    uint32_t i;
    do {
        if (!explore_one(scenario, out)) {
            return 0;
        }
        for (i = 0; i < count && seen[i] != model.outcome; i++) {
        }
        if (i == count && !model.is_redundant && count < MAX_OUTCOMES) {
            seen[count++] = model.outcome;
        }
    } while (strategy_next());
    return count;
}

static bool is_among(uint64_t what, const uint64_t *seen, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (seen[i] == what) {
            return true;
        }
    }
    return false;
}

/* A self-test: both searches see the same. */
static bool explore_same(const model_scenario *scenario, outcome *out)
{
    static uint64_t plain[MAX_OUTCOMES];
    static uint64_t reduced[MAX_OUTCOMES];
    uint32_t plain_count;
    uint32_t reduced_count;
    bool is_same;
    search_start(&strategy_bounded, 1000);
    plain_count = outcomes_of(scenario, out, plain);
    search_start(&strategy_all, 0);
    reduced_count = outcomes_of(scenario, out, reduced);
    is_same = plain_count == reduced_count && plain_count > 1;
    for (uint32_t i = 0; i < reduced_count; i++) {
        is_same &= is_among(reduced[i], plain, plain_count);
    }
    if (!is_same) {
        fprintf(stderr, "\n%s: %u outcomes of all interleavings, %u by reduction %s\n",
                scenario->name, (unsigned)plain_count, (unsigned)reduced_count, model.message);
    }
    return is_same;
}

static void fail(uint32_t i)
{
    all->outcomes[i].is_failed = true;
    if (is_first_enough) {
        all->is_over = true;
    }
}

static void run_fixed(uint32_t i)
{
    const model_scenario *scenario = scenarios[i];
    outcome *out = &all->outcomes[i];
    int64_t began = now_ms();
    out->bound = -1;
    strategy_seed += (uint64_t)i * 1000003;
    if (is_self_test(scenario)) {
        out->is_failed = scenario->same_outcomes ? !explore_same(scenario, out)
                                                 : !explore_self_test(scenario, out);
    } else if (!explore_fixed(scenario, out)) {
        if (model.failure != MODEL_NONE) {
            report_failure(scenario);
        }
        fail(i);
    } else if (!is_late() && !has_goals(scenario, out)) {
        fprintf(stderr, "\n%s: no execution reached all of the goals \"%s\" (0x%llx)\n",
                scenario->name, scenario->goals, (unsigned long long)out->goals);
        fail(i);
    }
    out->ms += (uint64_t)(now_ms() - began);
}

/* What is left of the time, in turn. */
static void run_slice(uint32_t i)
{
    const model_scenario *scenario = scenarios[i];
    outcome *out = &all->outcomes[i];
    if (out->is_failed || is_self_test(scenario)) {
        return;
    }
    if (!explore_portfolio(scenario, out, UINT64_MAX / 8, now_ms() + SLICE_MS / 5)) {
        report_failure(scenario);
        fail(i);
    }
}

static uint64_t explored(void)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < scenario_count; i++) {
        sum += is_self_test(scenarios[i]) ? 0 : all->outcomes[i].interleavings;
    }
    return sum;
}

static bool is_over(void)
{
    int64_t at_ms = now_ms();
    return at_ms >= end_ms && (at_ms >= last_ms || explored() >= least);
}

static void work(void)
{
    uint32_t i;
    report_crashes();
    (void)setvbuf(stderr, NULL, _IOFBF, 1 << 20); /* each report in one piece */
    while (!all->is_over &&
           (i = __atomic_fetch_add(&all->next, 1, __ATOMIC_RELAXED)) < scenario_count) {
        run_fixed(i);
    }
    while (!is_first_enough && !is_over()) {
        i = __atomic_fetch_add(&all->slices, 1, __ATOMIC_RELAXED);
        strategy_seed += (uint64_t)i << 32;
        run_slice(i % scenario_count);
    }
}

/* Where coverage is counted it is written at the exit; sanitizers would look for leaks then. */
_Noreturn static void end_worker(void)
{
#if defined(MODEL_COVERAGE)
    exit(0);
#else
    _exit(0);
#endif
}

static bool run_workers(int jobs)
{
    bool is_right = true;
    for (int i = 0; i < jobs; i++) {
        pid_t child = fork();
        if (child == 0) {
            work();
            (void)fflush(stderr);
            end_worker();
        }
        is_right &= child > 0;
    }
    for (int i = 0; i < jobs; i++) {
        int status = 0;
        is_right &= wait(&status) > 0;
        if (status != 0) {
            fprintf(stderr, "model: a worker ended with status 0x%x\n", (unsigned)status);
            is_right = false;
        }
    }
    return is_right;
}

static int print_outcomes(bool is_right)
{
    uint32_t exhaustive = 0;
    uint32_t bound3 = 0;
    uint32_t failed = 0;
    uint32_t real = 0;
    printf("%-52s %10s %9s %6s %7s\n", "scenario", "explored", "complete", "steps", "ms");
    for (uint32_t i = 0; i < scenario_count; i++) {
        const outcome *out = &all->outcomes[i];
        char bound[16];
        (void)snprintf(bound, sizeof(bound), out->is_exhaustive ? "all" : "%d", out->bound);
        failed += out->is_failed;
        if (!is_self_test(scenarios[i])) {
            real++;
            exhaustive += out->is_exhaustive;
            bound3 += out->is_exhaustive || out->bound >= 3;
        }
        printf("%-52s %10llu %9s %6u %7llu%s\n", scenarios[i]->name,
               (unsigned long long)out->interleavings, is_self_test(scenarios[i]) ? "self" : bound,
               (unsigned)out->steps, (unsigned long long)out->ms, out->is_failed ? " FAILED" : "");
    }
    failed += !is_right && failed == 0;
    printf("model: scenarios=%u exhaustive=%u bound3=%u interleavings=%llu failed=%u\n",
           (unsigned)real, (unsigned)exhaustive, (unsigned)bound3,
           (unsigned long long)explored(), (unsigned)failed);
    return failed ? 1 : 0;
}

static int replay(const char *what)
{
    uint8_t choices[MAX_STEPS];
    uint32_t count = 0;
    size_t length = strcspn(what, "+:");
    const char *from = strchr(what, ':');
    static model_scenario asked;
    for (const char *at = from ? from + 1 : ""; *at && count < MAX_STEPS; at++) {
        choices[count++] = (uint8_t)(*at <= '9' ? *at - '0' : *at - 'a' + 10);
    }
    for (const model_scenario *const *s = __start_model_list; s < __stop_model_list; s++) {
        if (strlen((*s)->name) == length && memcmp((*s)->name, what, length) == 0) {
            strategy_now = &strategy_replay;
            strategy_set_replay(choices, count);
            report_crashes();
            asked = **s;
            asked.low |= what[length] == '+';
            if (run_execution(&asked)) {
                printf("%s: as it should be\n", asked.name);
                return 0;
            }
            report_failure(&asked);
            return 1;
        }
    }
    fprintf(stderr, "model: there is no scenario %.*s\n", (int)length, what);
    return 2;
}

/* Addresses must be the same in each run: the library hashes some of them. */
static void without_randomisation(char **argv)
{
    int now = personality(0xffffffff);
    if (now != -1 && !(now & ADDR_NO_RANDOMIZE) &&
        personality((unsigned long)now | ADDR_NO_RANDOMIZE) != -1) {
        (void)execv("/proc/self/exe", argv);
    }
}

#if defined(MODEL_WEAK)
#define MODEL_HERE MODEL_IN_WEAK
#elif defined(MODEL_TSAN)
#define MODEL_HERE MODEL_IN_RACE
#elif defined(__SANITIZE_ADDRESS__)
#define MODEL_HERE MODEL_IN_ASAN
#else
#define MODEL_HERE MODEL_IN_PLAIN
#endif

static bool is_chosen(const model_scenario *s, char *const *patterns)
{
    if (s->only && !(s->only & MODEL_HERE)) {
        return false;
    }
    for (int i = 0; patterns[i]; i++) {
        if (is_exact ? strcmp(s->name, patterns[i]) == 0 : strstr(s->name, patterns[i]) != NULL) {
            return true;
        }
    }
    return !patterns[0];
}

int main(int argc, char **argv)
{
    int jobs = (int)sysconf(_SC_NPROCESSORS_ONLN);
    int64_t seconds = 0;
    bool is_list = false;
    const char *asked = getenv("MODEL_REPLAY");
    const char *seed = getenv("MODEL_SEED");
    int at = 1;
    without_randomisation(argv);
    for (; at < argc && argv[at][0] == '-'; at++) {
        is_full |= strcmp(argv[at], "--full") == 0;
        is_list |= strcmp(argv[at], "--list") == 0;
        is_first_enough |= strcmp(argv[at], "--first") == 0;
        is_exact |= strcmp(argv[at], "--exact") == 0;
        report_is_terse |= strcmp(argv[at], "--terse") == 0;
        if (strcmp(argv[at], "--seconds") == 0 && at + 1 < argc) {
            seconds = atoll(argv[++at]);
        } else if (strcmp(argv[at], "--least") == 0 && at + 1 < argc) {
            least = (uint64_t)atoll(argv[++at]);
        } else if (strcmp(argv[at], "--jobs") == 0 && at + 1 < argc) {
            jobs = atoi(argv[++at]);
        }
    }
    strategy_seed = seed ? (uint64_t)atoll(seed) : 1;
    for (const model_scenario *const *s = __start_model_list; s < __stop_model_list; s++) {
        if (is_chosen(*s, argv + at) && scenario_count < MAX_SCENARIOS) {
            scenarios[scenario_count++] = *s;
        }
    }
    for (uint32_t i = 0; is_list && i < scenario_count; i++) {
        printf("%s %s\n", scenarios[i]->name, scenarios[i]->file);
    }
    if (is_list) {
        return 0;
    }
    if (scenario_count == 0 || (is_exact && scenario_count != (uint32_t)(argc - at))) {
        fprintf(stderr, "model: no scenario has such a name\n");
        return 2;
    }
    all = mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) {
        return 2;
    }
    fiber_pool_init();
    memory_init();
    snapshot_take();
    has_end = seconds > 0;
    end_ms = now_ms() + seconds * 1000;
    last_ms = end_ms + seconds * 1000;
    if (asked) {
        return replay(asked);
    }
    return print_outcomes(run_workers(jobs));
}
