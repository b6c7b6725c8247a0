/* model.h - the deterministic tester: what scenarios are written with.
 * SPDX-License-Identifier: MIT
 *
 * A scenario is a function that runs as thread 0, once for each interleaving that is explored. All
 * it does is deterministic but for what the tester chooses: which thread goes on, when time passes,
 * and what model_choose() says. The library below it is the real one; only src/plat is replaced.
 *
 *     MODEL_SCENARIO(chan_close_wakes_receiver, .exhaustive = true, .covers = "H16",
 *                    .goals = "slept")
 *     {
 *         struct env *e = model_zalloc(sizeof(*e));
 *         ...
 *         model_spawn(receiver, e);
 *         cconc_chan_close(e->ch);
 *         model_join_all();
 *         MODEL_CHECK(e->err == EPIPE);
 *         cconc_chan_free(e->ch);
 *     }
 *
 * Plain variables that two threads share must be ordered by the library or by model_join_all(): the
 * tester does not see them, and in the race mode they are reported. Where threads of a scenario
 * have to tell each other something, they use model_word.
 */
#ifndef MODEL_H
#define MODEL_H

#include <cconc/cconc.h>
#include <cconc/static.h>

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "model_calls.h" /* each public function: noted, and held to the rules of all calls */

/* How an execution can fail; MODEL_NONE = not at all. */
typedef enum model_failure {
    MODEL_NONE,
    MODEL_DEADLOCK,   /* threads wait, and nobody could ever wake them */
    MODEL_LIVELOCK,   /* more steps than the scenario allows */
    MODEL_USE_AFTER,  /* memory, stack frame, mutex or condition variable that is gone */
    MODEL_LEAK,       /* memory, a thread or a descriptor is left at the end */
    MODEL_MISUSE,     /* the library has aborted: misuse, or a broken invariant of its own */
    MODEL_WRONG,      /* a check of the scenario, an invariant, or a history failed */
    MODEL_RULE,       /* one of the rules for all library code was broken; the text says which */
    MODEL_CRASH,      /* a signal, such as SIGSEGV */
    MODEL_RACE,       /* ThreadSanitizer has reported one */
    MODEL_UNSTABLE,   /* the same choices led elsewhere: nondeterminism that is not the tester's */
} model_failure;

/* Faults that the tester may choose to inject; each is a choice of its own. */
enum {
    MODEL_SPURIOUS = 1,    /* waits of condition variables that end for no reason (parker: .low) */
    MODEL_CAS = 2,         /* weak compare-and-swaps that fail for no reason */
    MODEL_NO_MEMORY = 4,   /* one allocation of the library fails */
    MODEL_NO_THREAD = 8,   /* threads that cannot be made */
    MODEL_NO_FD = 16,      /* descriptors that cannot be made */
    MODEL_LATE_TIME = 32,  /* time passes only when nothing else can happen: never early */
    MODEL_NO_KEY = 64,     /* the system has no key left for threads' ends, from the start */
};

typedef struct model_scenario {
    const char *name;
    const char *file;
    void (*body)(void);
    bool exhaustive;       /* all interleavings are explored, without a bound on preemptions */
    int  bound;            /* preemptions up to which the full tier explores all; 0 = 3 */
    uint32_t max_steps;    /* of one execution; 0 = 2000 */
    uint32_t faults;       /* MODEL_SPURIOUS | ... */
    uint32_t cpus;         /* 0 = 1: nobody spins; MODEL_ANY_CPUS = a choice of 1, 2 and 8 */
    bool low;              /* with the real parker on mutex and condition variable */
    const char *covers;    /* ids of bugs in other libraries, or NULL */
    const char *goals;     /* labels of model_cover() that must be reached, one space between */
    model_failure finds;   /* a self-test: this failure must be found, with finds_bound or less */
    int finds_bound;       /* preemptions that it takes; fewer must not find it */
    bool same_outcomes;    /* a self-test: both searches must see the same model_outcome()s */
    uint32_t only;         /* a self-test: in these builds; 0 = all */
} model_scenario;

#define MODEL_ANY_CPUS 255u

enum { MODEL_IN_PLAIN = 1, MODEL_IN_WEAK = 2, MODEL_IN_RACE = 4, MODEL_IN_ASAN = 8 };

/* Define a scenario; what follows the name are members of model_scenario. */
#define MODEL_SCENARIO(fn, ...)                                                                    \
    static void fn(void);                                                                          \
    static const model_scenario model_of_##fn = {                                                  \
        .name = #fn, .file = __FILE__, .body = fn, __VA_ARGS__};                                   \
    static const model_scenario *const model_entry_##fn                                            \
        __attribute__((used, section("model_list"))) = &model_of_##fn;                             \
    static void fn(void)

/* Start a thread of the scenario, at most 10 of them; wait for all that it has started so far. */
void model_spawn(void (*run)(void *arg), void *arg);
void model_join_all(void);

/* End the calling thread as pthread_exit() would, from inside a callback, too. */
_Noreturn void model_exit_thread(void);

/* Zeroed memory that lives until the execution ends; or until model_free(): then any use of it is
 * found. Never fails. */
void *model_zalloc(size_t size);
void  model_free(void *memory);

/* A choice between 0 and n - 1; each is explored. */
uint32_t model_choose(uint32_t n);

/* The time, in nanoseconds; it begins at MODEL_START. model_pass lets it move on by duration_ns. */
#define MODEL_START INT64_C(1000000000000)
int64_t model_now(void);
void    model_pass(int64_t duration_ns);

/* A word between threads, sequentially consistent; each operation is a decision point. */
typedef struct model_word {
    uint32_t value;
} model_word;
uint32_t model_get(model_word *word);
void     model_set(model_word *word, uint32_t value);
uint32_t model_add(model_word *word, uint32_t value); /* gives the old value */

/* Wait until word has at least value. */
void model_await(model_word *word, uint32_t value);

/* Wait until is_true(arg); it is asked with no decision point, and must not wait. Scenarios that
 * use it cannot be exhaustive. */
void model_until(bool (*is_true)(void *arg), void *arg);

/* The same until so many threads are parked in the library, its own included. */
void model_until_parked(uint32_t threads);

/* Wait until no other thread can go on, but by time: what comes next meets all others where they
 * wait. Unlike the two above it is for exhaustive scenarios, too. */
void model_settle(void);

/* The race is over: settle, then have all that comes in one order, which is not searched. */
void model_rest(void);

/* A function that is asked between two steps, and reads the library's variables as they are then:
 * no race. */
#define MODEL_UNORDERED __attribute__((no_sanitize("thread")))

/* Ask is_true(arg) after each step, or whenever nobody can run; false fails the execution. */
void model_invariant(bool (*is_true)(void *arg), void *arg);
void model_at_quiescence(bool (*is_true)(void *arg), void *arg);

/* This execution must end with failure; or may end with it. */
void model_expect(model_failure failure);
void model_may_fail(model_failure failure);

/* A goal that some execution must reach: label is among the scenario's goals. */
void model_cover(const char *label);

/* Part of what this execution came to, for .same_outcomes. */
void model_outcome(uint64_t part);

/* Is the descriptor of a context readable? */
bool model_fd_is_readable(int fd);

/* A signal arrives for the process. */
void model_raise(int number);

/* The threads of the library that have not ended; not for exhaustive scenarios. */
uint32_t model_library_threads(void);

/* The calling thread is the only one of a forked child from now on. */
void model_fork(void);

/* Has this execution had an injected fault of these so far? */
bool model_had_fault(uint32_t faults);

#define MODEL_CHECK(fact)                                                                          \
    do {                                                                                           \
        model_checked();                                                                           \
        if (!(fact)) {                                                                             \
            model_fail_check(#fact, __FILE__, __LINE__);                                           \
        }                                                                                          \
    } while (0)
#define MODEL_EQ(a, b) model_check_eq((int64_t)(a), (int64_t)(b), #a, #b, __FILE__, __LINE__)

void           model_checked(void);
_Noreturn void model_fail_check(const char *fact, const char *file, int line);
void model_check_eq(int64_t a, int64_t b, const char *a_text, const char *b_text, const char *file,
                    int line);

/* Histories. What threads did to one object, each operation with what it was given and what it
 * returned, is put into an order that keeps those that did not overlap, and in which the sequential
 * object would have returned the same. An operation is an int of the scenario's. */
uint32_t model_begin(int op, int64_t arg);
void     model_end(uint32_t id, int code, int64_t value);

typedef struct model_spec {
    size_t state_bytes; /* of the sequential object; at most 256 */
    void (*init)(void *state);
    /* Apply the operation. Returns false if it could not have returned this code and value. */
    bool (*apply)(void *state, int op, int64_t arg, int code, int64_t value);
} model_spec;

/* Fail unless there is such an order; at most 16 operations. */
void model_check_history(const model_spec *spec);

#endif
