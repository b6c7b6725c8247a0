/* sweep.c - every test with failing allocations and starts of threads
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include "internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plat/alloc.h"
#include "plat/thread.h"

#define MOST_TRIES 100 /* of one call, until it is let through */
#define MOST_PLACES 256
#define MOST_IN_A_ROW 20 /* failures at one place */
#define SPARSE_FROM 16 /* from here on not each n is tried */

enum mode { OFF, BY_CALL, BY_TEST };

enum kind { MEMORY, THREADS };

/* What the calls of one thread meet: SWEEP=call. A thread that leaves a call by a jump disarms. */
static _Thread_local struct support_fault_plan mine[2];
static _Thread_local uintptr_t place; /* where the library asks for memory, or for a thread */

/* What the whole process meets: SWEEP=test. */
static struct support_fault shared[2];

static enum mode mode;
static atomic_int paused; /* so many times */
static atomic_uint_fast64_t faults;
static const char *place_folder;
static _Atomic uint64_t places[2][2][MOST_PLACES]; /* by kind and stickiness */

/* Where the program begins in memory, by the linker. */
extern const char __executable_start;

void *__wrap_cconc__alloc(size_t size);
void *__real_cconc__alloc(size_t size);
int __wrap_cconc__thread_start(plat_thread *thread, size_t stack_size);
int __real_cconc__thread_start(plat_thread *thread, size_t stack_size);

void *__wrap_cconc__alloc(size_t size)
{
    place = (uintptr_t)__builtin_return_address(0);
    return __real_cconc__alloc(size);
}

int __wrap_cconc__thread_start(plat_thread *thread, size_t stack_size)
{
    place = (uintptr_t)__builtin_return_address(0);
    return __real_cconc__thread_start(thread, stack_size);
}

/* ---- places --------------------------------------------------------------------------------- */

static void note_place(enum kind kind, bool sticky)
{
    uint64_t offset = place - (uintptr_t)&__executable_start;
    for (size_t i = 0; i < MOST_PLACES; i++) {
        _Atomic uint64_t *at = &places[kind][sticky][i];
        uint64_t found = atomic_load(at);
        if (found == 0 && atomic_compare_exchange_strong(at, &found, offset)) {
            return;
        }
        if (found == offset) {
            return;
        }
    }
    support_abort(__FILE__, __LINE__, "more places than there is room for");
}

static void write_places(void)
{
    static const char *const kinds[] = {"memory", "thread"};
    static const char *const ways[] = {"once", "for-good"};
    char text[1024];
    ssize_t length = readlink("/proc/self/exe", text, sizeof(text) - 1);
    SUPPORT_CHECK(length > 0);
    text[length] = '\0';
    char path[1200];
    snprintf(path, sizeof(path), "%s/%s.%ld", place_folder, strrchr(text, '/') + 1, (long)getpid());
    FILE *file = fopen(path, "we");
    SUPPORT_CHECK(file);
    fprintf(file, "%s %" PRIu64 "\n", text, atomic_load(&faults));
    for (size_t i = 0; i < 4 * MOST_PLACES; i++) {
        size_t kind = i / (2 * MOST_PLACES);
        size_t way = i / MOST_PLACES % 2;
        uint64_t offset = atomic_load(&places[kind][way][i % MOST_PLACES]);
        if (offset != 0) {
            fprintf(file, "%s %s %" PRIx64 "\n", kinds[kind], ways[way], offset);
        }
    }
    SUPPORT_CHECK(fclose(file) == 0);
}

void support_sweep_start(void)
{
    const char *text = getenv("SWEEP");
    if (!text || !*text) {
        return;
    }
    mode = strcmp(text, "call") == 0 ? BY_CALL : BY_TEST;
    SUPPORT_CHECK(mode == BY_CALL || strcmp(text, "test") == 0);
    place_folder = getenv("SWEEP_DIR");
    if (place_folder) {
        SUPPORT_CHECK(atexit(write_places) == 0);
    }
}

/* ---- faults --------------------------------------------------------------------------------- */

static bool plan_now(struct support_fault_plan *plan)
{
    if (plan->at == 0) {
        return false;
    }
    plan->seen++;
    if (plan->seen < plan->at || (plan->seen > plan->at && !plan->sticky)) {
        return false;
    }
    plan->hits++;
    return true;
}

/* A thread's own record is waited for: who needs one asks again until there is memory. */
static bool insists(void)
{
    static _Thread_local uintptr_t last;
    static _Thread_local unsigned times;
    times = place == last ? times + 1 : 1;
    last = place;
    return times > MOST_IN_A_ROW;
}

static bool fails(enum kind kind)
{
    bool sticky = mode == BY_CALL ? mine[kind].sticky : atomic_load(&shared[kind].sticky);
    if (mode == OFF || atomic_load(&paused) > 0) {
        return false;
    }
    if (mode == BY_CALL ? !plan_now(&mine[kind]) : !support_fault_now(&shared[kind])) {
        return false;
    }
    if (kind == MEMORY && sticky && insists()) {
        return false;
    }
    atomic_fetch_add(&faults, 1);
    note_place(kind, sticky);
    return true;
}

bool support_sweep_fails_memory(void)
{
    return fails(MEMORY);
}

bool support_sweep_fails_thread(void)
{
    return fails(THREADS);
}

void support_sweep_pause(bool on)
{
    atomic_fetch_add(&paused, on ? 1 : -1);
}

void support_sweep_leave(void)
{
    memset(mine, 0, sizeof(mine));
}

/* ---- calls ---------------------------------------------------------------------------------- */

static void arm_call(struct support_swept *call)
{
    bool let_through = ++call->tries > MOST_TRIES;
    call->before = atomic_load(&faults);
    mine[MEMORY] = (struct support_fault_plan){.at = call->memory_at, .sticky = call->sticky};
    mine[THREADS] = (struct support_fault_plan){.at = call->thread_at, .sticky = call->sticky};
    if (let_through) {
        support_sweep_leave();
    }
}

bool support_swept_begin(struct support_swept *call)
{
    static atomic_uint calls;
    if (mode == OFF || atomic_load(&paused) > 0) {
        return false;
    }
    if (call->out) {
        SUPPORT_CHECK(call->size <= sizeof(call->kept));
        memcpy(call->kept, call->out, call->size);
    }
    call->before = atomic_load(&faults);
    if (mode == BY_TEST) {
        return true;
    }
    call->outer_memory = mine[MEMORY];
    call->outer_threads = mine[THREADS];
    unsigned number = atomic_fetch_add(&calls, 1);
    call->thread_at = 1;
    call->memory_at = number % 3 == 2 ? 2 : 1; /* the first may be one that can be done without */
    call->sticky = number % 2 == 0;
    call->first = call->sticky;
    arm_call(call);
    return true;
}

static uint64_t after(uint64_t n)
{
    return n < SPARSE_FROM ? n + 1 : n + n / 4;
}

bool support_swept_failed(const struct support_swept *call)
{
    return atomic_load(&faults) != call->before;
}

void support_swept_end(struct support_swept *call)
{
    mine[MEMORY] = call->outer_memory;
    mine[THREADS] = call->outer_threads;
}

/* The same n in the other way, then the next. Returns false if the call is done. */
static bool next_call(struct support_swept *call, int err)
{
    bool memory_failed = mine[MEMORY].hits > 0;
    bool thread_failed = mine[THREADS].hits > 0;
    if (err != ENOMEM || !support_swept_failed(call)) {
        support_swept_end(call);
        return false;
    }
    call->sticky = memory_failed || thread_failed ? !call->sticky : call->sticky;
    if (call->sticky == call->first && (memory_failed || thread_failed)) {
        call->memory_at = memory_failed ? after(call->memory_at) : call->memory_at;
        call->thread_at = memory_failed ? call->thread_at : after(call->thread_at);
    }
    return true;
}

static bool next_of_test(struct support_swept *call, int err)
{
    if (err != ENOMEM || !support_swept_failed(call)) {
        return false;
    }
    call->before = atomic_load(&faults);
    if (call->tries++ > 0) { /* told twice: it is the same as before, so it may be done now */
        support_sweep_disarm();
    }
    return true;
}

bool support_swept_again(struct support_swept *call, int err)
{
    bool again = mode == BY_CALL ? next_call(call, err) : next_of_test(call, err);
    if (again && call->out && memcmp(call->kept, call->out, call->size) != 0) {
        fprintf(stderr, "%s failed and has written its output\n", call->name);
        support_abort(__FILE__, __LINE__, "output untouched");
    }
    if (again && mode == BY_CALL) {
        arm_call(call);
    }
    return again;
}

/* ---- tests ---------------------------------------------------------------------------------- */

/* What the next set-up arms. */
static struct {
    enum kind kind;
    uint64_t n;
    bool sticky;
} plan;

void support_sweep_arm(void)
{
    support_sweep_leave();
    if (mode == BY_TEST && plan.n > 0) {
        support_fault_arm(&shared[plan.kind], plan.n, plan.sticky);
    }
}

void support_sweep_disarm(void)
{
    (void)support_fault_disarm(&shared[MEMORY]);
    (void)support_fault_disarm(&shared[THREADS]);
    atomic_store(&paused, 0);
}

static int run(const char *name, const struct CMUnitTest *tests, size_t count)
{
    return _cmocka_run_group_tests(name, tests, count, NULL, NULL);
}

/* Run one test with the n-th occasion failing, for all n. Returns how often it failed. */
static int sweep_test(const struct CMUnitTest *test)
{
    for (int way = 0; way < 4; way++) {
        uint64_t before;
        plan.kind = way < 2 ? MEMORY : THREADS;
        plan.sticky = way % 2 != 0;
        plan.n = 0;
        do {
            plan.n = after(plan.n);
            before = atomic_load(&faults);
            if (run(test->name, test, 1) != 0) {
                print_error("%s: fails with %s %" PRIu64 " failing %s\n", test->name,
                            plan.kind == MEMORY ? "allocation" : "start of a thread", plan.n,
                            plan.sticky ? "for good" : "once");
                return 1;
            }
        } while (atomic_load(&faults) != before);
    }
    return 0;
}

int support_run_tests(const struct CMUnitTest *tests, size_t count)
{
    int failed = 0;
    if (mode != BY_TEST) {
        return run("tests", tests, count);
    }
    for (size_t i = 0; i < count && failed == 0; i++) { /* what a failed test leaves fails others */
        failed = sweep_test(&tests[i]);
    }
    return failed;
}
