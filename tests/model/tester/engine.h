/* engine.h - what the parts of the tester share.
 * SPDX-License-Identifier: MIT
 *
 * One thread of the system runs all threads of a scenario as fibers. A fiber says what it is about
 * to do, and the scheduler lets it go on when it is chosen: that is a step. All that can differ
 * between two executions goes through strategy_pick() and is recorded.
 */
#ifndef MODEL_ENGINE_H
#define MODEL_ENGINE_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model.h"
#include "model_seam.h"
#include "plat/mutex.h"
#include "plat/tls.h"

enum {
    MAX_FIBERS = 16,         /* the last is time itself */
    CLOCK = MAX_FIBERS - 1,
    MAX_STEPS = 8192,
    MAX_ACCESSES = 32,       /* of one step */
    MAX_POLLED = 24,         /* objects that a loop looks at before it yields */
    MAX_HELD = 8,
    MAX_FRAMES = 8,          /* of calls that insist, of one fiber */
    TLS_BYTES = 256,
#ifdef __SANITIZE_ADDRESS__
    STACK_BYTES = 256 * 1024, /* each frame is larger, and none is used again */
#else
    STACK_BYTES = 64 * 1024,
#endif
};

typedef enum op_kind {
    OP_NONE,
    OP_START,
    OP_ATOMIC,
    OP_LOCK,
    OP_WAIT,
    OP_COND_WAKE,
    OP_SIGNAL,
    OP_PARK,
    OP_PARKED,
    OP_UNPARK,
    OP_NOW,
    OP_CREATE,
    OP_JOIN,
    OP_EXIT,
    OP_YIELD,
    OP_UNTIL,
    OP_WORD,
    OP_AWAIT,
    OP_SETTLE,
    OP_FD,
    OP_FD_AWAIT,
    OP_TIME,
} op_kind;

/* What a fiber is about to do. */
typedef struct op {
    op_kind kind;
    bool    writes;
    bool    is_spurious;         /* OP_COND_WAKE: ends for no reason */
    uint8_t access;              /* OP_ATOMIC: model_access */
    uint8_t order;               /* OP_ATOMIC */
    uint8_t size;
    const volatile void *object;
    const void *site;            /* the address that called */
    int64_t deadline_ns;         /* of a wait; INT64_MAX = none */
    plat_mutex *mu;              /* OP_COND_WAKE */
    bool (*ready)(void *arg);    /* OP_UNTIL */
    void *arg;
    uint32_t value;              /* OP_AWAIT */
} op;

/* One that waits for nothing, at the place that has called the function where this stands. */
#define OP_HERE(kind_, object_, writes_)                                                           \
    ((op){.kind = (kind_), .object = (object_), .writes = (writes_), .deadline_ns = INT64_MAX,     \
          .site = __builtin_return_address(0)})

typedef enum touch {
    TOUCH_READ,
    TOUCH_RELEASE, /* an unlock: orders what comes after it, and can be had at no other place */
    TOUCH_WRITE,
} touch;

typedef struct contact {
    const volatile void *object;
    touch how;
} contact;

typedef struct frame {
    void (*again)(void *arg); /* called when the thread is ended inside */
    void *arg;
} frame;

typedef struct fiber {
    int      id;
    bool     is_over;
    bool     has_yielded; /* and nobody has moved since */
    bool     is_library;
    bool     is_joined;   /* by the library */
    bool     is_tls_over; /* destructors have run */
    uint8_t  held_count;
    uint8_t  frame_count;
    unsigned rules;       /* of the public function it is in */
    int      saved_errno;
    void    *sp;          /* while it does not run */
    char    *stack;
    void    *tsan;
    op       next;
    void (*run)(void *arg);
    void    *arg;
    plat_tls_slot *slot;
    plat_mutex *held[MAX_HELD];
    frame    frames[MAX_FRAMES];
    const char *call;     /* the public function it is in, or NULL */
    char     name[16];
    uint8_t  polled_count; /* MAX_POLLED + 1 = too many */
    const volatile void *polled[MAX_POLLED]; /* touched since it yielded last */
    int32_t  polled_at[MAX_POLLED];          /* and in which step */
    int32_t  clock[MAX_FIBERS]; /* latest step of each fiber that happened before */
    _Alignas(16) char tls[TLS_BYTES];
} fiber;

typedef struct engine {
    fiber    fibers[MAX_FIBERS];
    int      fiber_count;
    fiber   *current;
    uint32_t faults;       /* those that may be chosen still */
    uint32_t had_faults;
    uint32_t odd_events;   /* spurious wake-ups and weak swaps that failed */
    bool     is_quiet;     /* operations are no decision points: a predicate is asked */
    bool     is_epilogue;  /* the race is over: nothing is chosen any more */
    bool     is_impure;    /* something happened that the reduction does not see */
    bool     is_forked;
    bool     is_tracing;
    bool     has_raced;    /* ThreadSanitizer has seen a race */
    bool     has_polled;   /* a thread has yielded: the search without a bound has its own rule when
                            * it goes on, which a replay does not follow */
    bool     is_redundant; /* the search has seen this interleaving in another order */
    uint32_t steps;
    uint32_t max_steps;
    int64_t  now_ns;
    uint32_t idle_rounds;  /* in a row in which only fibers that yield could run */
    uint64_t hash;         /* of all steps */
    uint32_t cpus;
    uint32_t spin_budget;
    bool     is_low;
    uint32_t checks;       /* MODEL_CHECKs so far */
    uint64_t goals;        /* reached in this execution */
    uint64_t outcome;      /* the hash of its outcome */
    model_failure failure;
    model_failure expected;
    model_failure tolerated;
    char     message[512];
    const model_scenario *scenario;
    char    *lib_tls;      /* where fibers exchange what they keep */
    size_t   lib_tls_bytes;
    uint32_t forks;        /* adoptions */
} engine;

extern engine model;

/* fiber.c */
void fiber_pool_init(void);
void fiber_prepare(fiber *f, void (*run)(void *arg), void *arg);
void fiber_switch(fiber *to);       /* from the current one */
void fiber_enter(fiber *first);     /* from the runner; returns when fiber_leave() is called */
_Noreturn void fiber_leave(void);   /* to the runner, never to come back */
void fibers_begin(void);            /* the race mode: executions come one after the other */
void fibers_between(void);
fiber *fiber_with(const volatile void *address); /* on whose stack it lies, or NULL */

/* sched.c */
void step_point(const op *next);    /* the current fiber is about to do this */
void step_touch(const volatile void *object, touch how); /* it does this besides */
void step_first(fiber *f);
bool op_is_enabled(const fiber *f);
_Noreturn void model_fail(model_failure failure, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool run_execution(const model_scenario *scenario); /* true = as it should be */
fiber *fiber_new(void (*run)(void *arg), void *arg, const char *name);
void fiber_end(void);

/* memory.c */
void memory_init(void);
void memory_reset(void);
void memory_check_live(const volatile void *address, const char *what);
void memory_check_end(void);
void memory_note_mutex(const void *mutex, bool is_live); /* or condition variable */
size_t memory_live(void);

/* system.c */
void system_choose(void);
void system_reset(void);
void system_check_end(void);
void thread_torn(void);

/* snapshot.c */
void snapshot_take(void);
void snapshot_restore(void);

/* The tester's own, which sanitizers do not see. */
void raw_copy(void *to, const void *from, size_t bytes);
void raw_fill(void *to, unsigned char value, size_t bytes);

/* calls.c */
void calls_check_held(const char *what);

/* history.c */
void history_reset(void);

/* strategy.c: all choices. */
typedef enum choice_kind { CHOICE_THREAD, CHOICE_DATA, CHOICE_FAULT } choice_kind;

typedef struct strategy {
    const char *name;
    void (*begin)(void);                                    /* of an execution */
    uint32_t (*pick)(choice_kind kind, uint32_t n, const uint8_t *ids, bool current_first);
    bool (*next)(void);                                     /* is there another execution? */
} strategy;

uint32_t strategy_pick(choice_kind kind, uint32_t n, const uint8_t *ids, bool current_first);
void     strategy_note(uint32_t chosen);
bool     strategy_fault(uint32_t fault);
void     strategy_begin(void);
bool     strategy_next(void);

extern const strategy *strategy_now;
extern uint64_t strategy_seed;
extern uint8_t  strategy_choices[MAX_STEPS]; /* of this execution */
extern uint32_t strategy_choice_count;
extern int      strategy_bound;
extern int      strategy_depth;              /* of pct */

extern const strategy strategy_bounded;
extern const strategy strategy_random;
extern const strategy strategy_pct;
extern const strategy strategy_starve;
extern const strategy strategy_replay;
extern const strategy strategy_all;          /* dpor.c */

void strategy_bounded_start(int bound);
void strategy_set_replay(const uint8_t *choices, uint32_t count);
int  strategy_preemptions(void);             /* of this execution */
void strategy_learn_steps(uint32_t steps);
uint64_t strategy_random_bits(void);

/* dpor.c */
void dpor_start(void);
uint32_t dpor_pick(uint32_t enabled_mask, int current);
void dpor_step_begin(const op *done);
void dpor_step_touch(const volatile void *object, touch how);
void dpor_inherit(fiber *made);
void dpor_settle(void);                      /* the last step is over */
bool dpor_give_up_polling(void);
bool dpor_has_changed(const fiber *f);       /* something that it looks at before it yields */

/* order.c: who has seen what; for the race mode and the store-history mode. */
void order_reset(void);
void order_refresh(void); /* the current thread has waited: it sees what is newest now */
bool order_has_newer(const fiber *f, const volatile void *object); /* than the store f has seen */
void order_before(const volatile void *object, size_t size); /* an atomic operation */
void order_join(fiber *to, const fiber *from); /* at the making, and at the join */
void order_vanish(fiber *f); /* in the child of a fork: what f has done is there */
void order_acquire(const volatile void *object);
void order_release(const volatile void *object);
void order_begin(fiber *f); /* its first step, and its last */
void order_end(fiber *f);

/* report.c */
void report_step(const fiber *f, const op *done);
void report_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
extern bool report_is_terse; /* the line that replays a failure, not its steps */
void report_failure(const model_scenario *scenario);

/* From now on a crash is a failure of the scenario. */
void report_crashes(void);
const char *model_failure_name(model_failure failure);

#endif
