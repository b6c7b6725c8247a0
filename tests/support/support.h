/* support.h - what the tests share: counted memory, injected faults, threads, polling, seeds.
 * SPDX-License-Identifier: MIT
 *
 * Every test program calls support_start first of all. A check that fails here prints where and
 * aborts, so that it works in any thread; cmocka's asserts are for the main thread (unit.h).
 * Programs are linked with -Wl,--wrap for what tests/meson.build lists.
 */
#ifndef CCONC_TESTS_SUPPORT_H
#define CCONC_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cconc/ctx.h>

/* Abort with place and text unless condition holds; for any thread. */
#define SUPPORT_CHECK(condition)                                                                   \
    ((condition) ? (void)0 : support_abort(__FILE__, __LINE__, #condition))

_Noreturn void support_abort(const char *file, int line, const char *text);

/* ---- start ---------------------------------------------------------------------------------- */

/* A part of a test that needs a process of its own; its return value is the exit status. */
struct support_child {
    const char *name;
    int (*fn)(void);
};

/* Install the counting allocator and the misuse hook. children (NULL, or ended by a NULL name) are
 * the parts that support_run_child can run: in such a process this runs the part and exits. */
void support_start(int argc, char **argv, const struct support_child *children);

/* Let signals have their usual disposition: a shell has its background programs ignore some. For
 * tests that rely on it; a part inherits what its test ignores, so not for parts. */
void support_signals_as_usual(void);

/* Run the part called name in a new process of this program and give its wait status. What it wrote
 * to standard error goes to out_text, cut at size (out_text may be NULL: not captured). */
int support_run_child(const char *name, char *out_text, size_t size);

/* Run fn(arg) in a forked child, which SIGALRM ends after 30 s (environment: WATCHDOG_MS), and give
 * its wait status as if it had left with what fn returned. */
int support_run_forked(int (*fn)(void *arg), void *arg);

/* ---- memory --------------------------------------------------------------------------------- */

/* Blocks and bytes that the library holds now, and allocations that it tried so far, in all threads
 * and in the calling one. */
size_t support_live_blocks(void);
size_t support_live_bytes(void);
uint64_t support_alloc_count(void);
uint64_t support_own_alloc_count(void);

/* Keep what the library releases readable, and as it was, until told to let go of it: for calls on
 * an object that has been freed. */
void support_keep_released(bool on);

/* Let the n-th allocation from now on fail (1 is the next one), and all later ones if sticky. */
void support_fail_alloc(uint64_t n, bool sticky);

/* Let the n-th creation of a thread from now on fail with EAGAIN, and all later ones if sticky. */
void support_fail_thread(uint64_t n, bool sticky);

/* Let every creation of a thread from now on fail, but not before condition() holds. */
void support_fail_thread_once(bool (*condition)(void));

/* Give the id of a thread that the library makes only when condition() holds, until told NULL. */
void support_late_thread(bool (*condition)(void));

/* Let the n-th object of the system from now on (a mutex, a condition variable, their attributes,
 * those of a thread) be refused with ENOMEM, and all later ones if sticky. */
void support_fail_object(uint64_t n, bool sticky);

/* End the injection of all faults and give how many were injected since it began. */
uint64_t support_fail_end(void);

/* Threads that the library created so far. */
uint64_t support_thread_count(void);

/* Shut the library down and abort unless it then holds no memory at all. Threads that ever blocked
 * in the library must have ended, except the caller. */
void support_leak_check(void);

/* Before and after each unit test (unit.h): no fault injected, and no memory held that was not. */
int support_unit_setup(void **state);
int support_unit_teardown(void **state);

/* ---- sweeps --------------------------------------------------------------------------------- */

/* One run of a body: it must accept ENOMEM from every call that can give it, and clean up. */
typedef void (*support_body_fn)(void *arg);

/* Run body with the n-th allocation failing, n = 1, 2, ... until a run has no failure: once each,
 * then for good from there on. The library is shut down and leak-checked after each run.
 * Returns the number of failures injected. */
uint64_t support_sweep_alloc(support_body_fn body, void *arg);

/* The same for the n-th creation of a thread. */
uint64_t support_sweep_thread(support_body_fn body, void *arg);

/* The same for the n-th object of the system. */
uint64_t support_sweep_object(support_body_fn body, void *arg);

/* ---- the sweep of all tests ------------------------------------------------------------------
 *
 * With SWEEP=call in the environment each call that may run out of memory is first made with its
 * first allocation failing, then with the second, and so on: once, and for good from there on;
 * starts of threads likewise. With SWEEP=test each test is run with the n-th allocation of the
 * whole process failing, n = 1, 2, ...; then with the n-th start of a thread. In both, a call that
 * is told ENOMEM because of that is made again, until it is done. So the test must pass: whatever
 * fails has changed nothing, and what does not fail has done without. SWEEP_DIR is a folder that
 * gets a file for each program, with the places that were failed (tests/sweep/sites.py). */

struct support_fault_plan {
    uint64_t at; /* the occasion that fails; 0 = none */
    uint64_t seen;
    uint64_t hits;
    bool sticky; /* so do all later ones */
};

/* One call that is made again and again; zero but for name, out and size. */
struct support_swept {
    const char *name;
    const void *out; /* NULL or where size bytes of output are */
    size_t size;
    unsigned char kept[16];
    uint64_t memory_at;
    uint64_t thread_at;
    uint64_t before; /* faults so far */
    unsigned tries;
    bool sticky;
    bool first; /* what sticky is at the first of both tries with one n */
    struct support_fault_plan outer_memory;
    struct support_fault_plan outer_threads;
};

/* Prepare the first try. Returns false if there is no sweep: call once. */
bool support_swept_begin(struct support_swept *call);

/* Judge a try that gave err. Returns true if the call is to be made again. */
bool support_swept_again(struct support_swept *call, int err);

/* Has something failed during the last try? */
bool support_swept_failed(const struct support_swept *call);

/* There is no other try, whatever the last one gave. */
void support_swept_end(struct support_swept *call);

/* No fault of the sweep from here to the end of the test, or of the same call with false: for what
 * is other without memory, as it may be, and for counts of what was tried. */
void support_sweep_pause(bool on);

struct CMUnitTest;

/* Run tests once, or for SWEEP=test again and again. Returns how many failed. */
int support_run_tests(const struct CMUnitTest *tests, size_t count);

/* ---- threads -------------------------------------------------------------------------------- */

/* index counts the threads of one start from 0. */
typedef void (*support_thread_fn)(void *arg, size_t index);

struct support_threads;

/* Start count plain threads; these never meet an injected fault. */
struct support_threads *support_threads_start(size_t count, support_thread_fn fn, void *arg);

/* Ask for thread-cancellation of thread index. */
void support_threads_cancel(struct support_threads *threads, size_t index);

/* Join all and release. Returns how many ended by thread-cancellation. */
size_t support_threads_join(struct support_threads *threads);

/* Run fn(arg) on a thread with a stack of 64 KiB; more under a sanitizer: its frames are larger. */
void support_on_small_stack(support_body_fn fn, void *arg);

/* Tell whether the address or thread sanitizer is built in, which make tests many times slower. */
bool support_is_sanitized(void);

/* ---- polling -------------------------------------------------------------------------------- */

struct support_watch {
    const char *file;
    const char *text;
    int line;
    int64_t give_up_ns;
};

/* Yield until condition holds; abort with its text after 30 s (environment: WATCHDOG_MS). */
#define until(condition)                                                                           \
    do {                                                                                           \
        struct support_watch until_watch = support_watch_begin(__FILE__, __LINE__, #condition);    \
        while (!(condition)) {                                                                     \
            support_watch_turn(&until_watch);                                                      \
        }                                                                                          \
    } while (0)

struct support_watch support_watch_begin(const char *file, int line, const char *text);
void support_watch_turn(const struct support_watch *watch);

/* The monotonic clock of the system, read without the library. */
int64_t support_now_ns(void);

/* Processor time that this process used so far. */
int64_t support_cpu_ns(void);

/* Let a signal without SA_RESTART hit the process 10,000 times a second, or end that. */
void support_signal_rain(bool on);

/* ---- stepping ------------------------------------------------------------------------------- */

/* Two calls on two threads, and what makes and judges what they work on. */
struct support_step {
    support_body_fn before; /* on the calling thread, as call and after */
    support_body_fn call;
    support_body_fn beside;
    support_body_fn after;
};

/* Have the library spin as on one processor, which is not at all: first of all, in programs that
 * step, where each instruction takes a microsecond. */
void support_step_start(void);

/* For n = 1, 2 ... run before(arg), then call(arg); right before its n-th atomic instruction
 * another thread runs beside(arg), to its end if it can come to it; when both are over after(arg).
 * The last round is that in which call is over, or sleeps, before its n-th.
 * Returns how many rounds there were before the last: 0 if a thread cannot be stopped here. */
uint64_t support_step_sweep(const struct support_step *step, void *arg);

/* The round of n = place alone, for what a process can do only once. Returns false if it was the
 * last. */
bool support_step_at(const struct support_step *step, uint64_t place, void *arg);

/* Tell whether a thread can be stopped: by x86-64 and Linux, not under a sanitizer or valgrind. */
bool support_can_step(void);

/* ---- misuse --------------------------------------------------------------------------------- */

/* Check that call is reported as misuse with exactly text (without "cconc: "), in this thread. */
#define expect_misuse(text, call)                                                                  \
    do {                                                                                           \
        if (setjmp(*support_misuse_arm()) == 0) {                                                  \
            call;                                                                                  \
            support_misuse_absent(__FILE__, __LINE__, text);                                       \
        }                                                                                          \
        support_misuse_compare(__FILE__, __LINE__, text);                                          \
    } while (0)

/* Install the misuse hook, again where a test has put another in its place. */
void support_misuse_start(void);

/* Jump to the result at the next misuse of this thread. heard ends that, and gives the message, or
 * "" if there was none. */
jmp_buf *support_misuse_arm(void);
const char *support_misuse_heard(void);
_Noreturn void support_misuse_absent(const char *file, int line, const char *text);
void support_misuse_compare(const char *file, int line, const char *text);

/* ---- stress --------------------------------------------------------------------------------- */

/* Begin a time box of STRESS_MS milliseconds (environment; 1000 if unset), print the seed (SEED of
 * the environment, else the time) under name, and abort 60 s after the box has ended (environment:
 * twice WATCHDOG_MS).
 * Returns the seed. */
uint64_t support_stress_begin(const char *name);

/* Tell whether the time box is still open. */
bool support_stress_open(void);

struct support_random {
    uint64_t state;
};

/* Make a generator for one stream of a seed; streams are independent. */
struct support_random support_random_make(uint64_t seed, uint64_t stream);
uint64_t support_random_next(struct support_random *random);

/* A number below limit, which must not be 0. */
uint32_t support_random_below(struct support_random *random, uint32_t limit);

/* For one wait in so many a context in mem that ends within below_ns, else NULL: no end. */
cconc_ctx *support_random_deadline(struct support_random *random, cconc_ctx_mem *mem,
                                   uint32_t one_in, uint32_t below_ns);

#endif
