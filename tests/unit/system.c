/* system.c - what the system may refuse, and never does where we test
 * SPDX-License-Identifier: MIT
 *
 * Risk      A refusal that is taken for an answer, a descriptor or a page lost on the way out, an
 *           errno that is left behind; a machine of another size.
 * Method    The program's own functions stand before those of the system and refuse, or answer for
 *           another machine, when told to. What lasts for the process runs in a part of its own.
 * Catches   env-3, I16; the invariants of plat/cpu.c, fd.c, fork.c, mutex.c, seed.c, tls.c.
 */
#include "unit.h"

#include "core/local.h"
#include "core/spin.h"
#include "plat/cpu.h"
#include "plat/fd.h"
#include "plat/fork.h"
#include "plat/mutex.h"
#include "plat/parker.h"
#include "plat/seed.h"
#include "plat/signal.h"
#include "plat/tls.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cconc/cconc.h>

#define ERRNO_MARK 7777
#define USUAL      (-1)

/* What each function says of itself: USUAL asks the system, else it fails with that errno, or
 * gives that number. */
static atomic_int affinity = USUAL; /* errno; 0: an empty mask; negative below USUAL: -that many */
static atomic_int online = USUAL;   /* processors */
static atomic_int event = USUAL;
static atomic_int signals = USUAL;
static atomic_int interrupted = 0; /* writes */
static atomic_int called_off = 0;  /* polls */
static atomic_int bits = USUAL;
static atomic_int advice = USUAL;
static atomic_int keys = USUAL;
static atomic_int set_clock = USUAL;
static atomic_int get_clock = USUAL; /* errno; 0: another clock */
static atomic_int timed = USUAL;     /* errno; 0: it was woken */
static int64_t asked_ns;             /* the deadline of the last timed wait */
static atomic_int unmapped;          /* pages given back */
static atomic_bool intrudes;         /* another thread makes its mark first */

int __real_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *mask);
int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *mask);
long __real_sysconf(int name);
long __wrap_sysconf(int name);
int __real_eventfd(unsigned count, int flags);
int __wrap_eventfd(unsigned count, int flags);
int __real_signalfd(int fd, const sigset_t *mask, int flags);
int __wrap_signalfd(int fd, const sigset_t *mask, int flags);
ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
int __real_poll(struct pollfd *items, nfds_t count, int timeout);
int __wrap_poll(struct pollfd *items, nfds_t count, int timeout);
ssize_t __real_getrandom(void *bytes, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags);
int __real_madvise(void *address, size_t size, int what);
int __wrap_madvise(void *address, size_t size, int what);
int __real_munmap(void *address, size_t size);
int __wrap_munmap(void *address, size_t size);
int __real_pthread_key_create(pthread_key_t *key, void (*destroy)(void *));
int __wrap_pthread_key_create(pthread_key_t *key, void (*destroy)(void *));
int __real_pthread_condattr_setclock(pthread_condattr_t *attr, clockid_t clock);
int __wrap_pthread_condattr_setclock(pthread_condattr_t *attr, clockid_t clock);
int __real_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mu,
                                  const struct timespec *until_time);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mu,
                                  const struct timespec *until_time);
int __real_pthread_condattr_getclock(const pthread_condattr_t *attr, clockid_t *clock);
int __wrap_pthread_condattr_getclock(const pthread_condattr_t *attr, clockid_t *clock);

/* Does told say to fail? Then errno is set. */
static bool is_refused(atomic_int *told)
{
    int code = atomic_load(told);
    if (code > 0) {
        errno = code;
    }
    return code > 0;
}

int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *mask)
{
    int count = -atomic_load(&affinity);
    if (count == -USUAL) {
        return __real_sched_getaffinity(pid, size, mask);
    }
    if (is_refused(&affinity)) {
        return -1;
    }
    for (size_t cpu = 0; cpu < (size_t)count; cpu++) {
        CPU_SET(cpu, mask);
    }
    return 0;
}

long __wrap_sysconf(int name)
{
    int count = atomic_load(&online);
    return name == _SC_NPROCESSORS_ONLN && count != USUAL ? count : __real_sysconf(name);
}

int __wrap_eventfd(unsigned count, int flags)
{
    return is_refused(&event) ? -1 : __real_eventfd(count, flags);
}

int __wrap_signalfd(int fd, const sigset_t *mask, int flags)
{
    return is_refused(&signals) ? -1 : __real_signalfd(fd, mask, flags);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
    if (atomic_load(&interrupted) > 0) {
        atomic_fetch_sub(&interrupted, 1);
        errno = EINTR;
        return -1;
    }
    return __real_write(fd, bytes, size);
}

int __wrap_poll(struct pollfd *items, nfds_t count, int timeout)
{
    if (atomic_load(&called_off) > 0) {
        atomic_fetch_sub(&called_off, 1);
        errno = EINTR;
        return -1;
    }
    return __real_poll(items, count, timeout);
}

ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags)
{
    return is_refused(&bits) ? -1 : __real_getrandom(bytes, size, flags);
}

int __wrap_madvise(void *address, size_t size, int what)
{
    if (atomic_exchange(&intrudes, false)) {
        SUPPORT_CHECK(plat_fork_is_ours());
    }
    return is_refused(&advice) ? -1 : __real_madvise(address, size, what);
}

int __wrap_munmap(void *address, size_t size)
{
    atomic_fetch_add(&unmapped, 1);
    return __real_munmap(address, size);
}

int __wrap_pthread_key_create(pthread_key_t *key, void (*destroy)(void *))
{
    return is_refused(&keys) ? EAGAIN : __real_pthread_key_create(key, destroy);
}

int __wrap_pthread_condattr_setclock(pthread_condattr_t *attr, clockid_t clock)
{
    return is_refused(&set_clock) ? EINVAL : __real_pthread_condattr_setclock(attr, clock);
}

int __wrap_pthread_condattr_getclock(const pthread_condattr_t *attr, clockid_t *clock)
{
    if (atomic_load(&get_clock) == USUAL) {
        return __real_pthread_condattr_getclock(attr, clock);
    }
    *clock = CLOCK_PROCESS_CPUTIME_ID;
    return is_refused(&get_clock) ? EINVAL : 0;
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mu,
                                  const struct timespec *until_time)
{
    int code = atomic_load(&timed);
    asked_ns = (int64_t)until_time->tv_sec * CCONC_SECOND + until_time->tv_nsec;
    return code == USUAL ? __real_pthread_cond_timedwait(cond, mu, until_time) : code;
}

/* ---- processors ----------------------------------------------------------------------------- */

static void system_without_a_mask_of_processors_has_those_online_or_one(void **state)
{
    static const struct {
        int mask;
        int online;
        uint32_t count;
    } rows[] = {{ENOSYS, 6, 6}, {0, 5, 5}, {ENOSYS, 0, 1}, {ENOSYS, -2, 1}, {-3, 9, 3}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        atomic_store(&affinity, rows[i].mask);
        atomic_store(&online, rows[i].online);
        errno = ERRNO_MARK;
        assert_int_equal(cconc__cpu_count(), rows[i].count);
        assert_int_equal(errno, ERRNO_MARK);
    }
    atomic_store(&affinity, USUAL);
    atomic_store(&online, USUAL);
}

static void system_of_a_thousand_processors_has_bounded_counters_and_flights(void **state)
{
    cconc_counter *counter;
    cconc_flight *set;
    size_t bytes = support_live_bytes();
    (void)state;
    atomic_store(&affinity, -1000);
    assert_int_equal(cconc_counter_new(NULL, &counter), 0);
    assert_true(support_live_bytes() - bytes <= (size_t)132 * 64);
    cconc_counter_add(counter, 5);
    assert_int_equal(cconc_counter_get(counter), 5);
    cconc_counter_free(counter);
    bytes = support_live_bytes();
    assert_int_equal(cconc_flight_new(NULL, &set), 0);
    assert_true(support_live_bytes() - bytes <= (size_t)1 << 20);
    cconc_flight_free(set);
    atomic_store(&affinity, USUAL);
}

/* It is counted once, so in a process of its own. */
static int spin_on_one_processor(void)
{
    uint32_t rounds = 0;
    atomic_store(&affinity, ENOSYS);
    atomic_store(&online, 1);
    SUPPORT_CHECK(cconc__spin_cpus() == 1);
    for (uint32_t i = 1; i < 10; i++) {
        cconc__spin_moment(&rounds);
        SUPPORT_CHECK(rounds == i);
    }
    return 5;
}

static int status_of(const char *name)
{
    int status = support_run_child(name, NULL, 0);
    SUPPORT_CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void system_of_one_processor_yields_instead_of_a_pause(void **state)
{
    (void)state;
    assert_int_equal(status_of("one_processor"), 5);
}

/* ---- descriptors ---------------------------------------------------------------------------- */

static void system_out_of_descriptors_says_whose_limit_it_is_or_else_no_memory(void **state)
{
    static const struct {
        int refusal;
        int err;
    } rows[] = {{EMFILE, EMFILE}, {ENFILE, ENFILE}, {ENODEV, ENOMEM}};
    plat_fd fd = {.read_end = -1, .write_end = -1};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        errno = ERRNO_MARK;
        atomic_store(&event, rows[i].refusal);
        assert_int_equal(cconc__fd_open(&fd), rows[i].err);
        atomic_store(&event, USUAL);
        assert_int_equal(cconc__fd_open(&fd), 0);
        atomic_store(&signals, rows[i].refusal);
        assert_int_equal(cconc__signal_open(&fd), rows[i].err);
        atomic_store(&signals, USUAL);
        cconc__fd_close(&fd);
        assert_int_equal(errno, ERRNO_MARK);
    }
}

static void system_without_a_descriptor_for_signals_makes_no_context_of_them(void **state)
{
    const int numbers[] = {SIGUSR1};
    cconc_ctx *ctx = NULL;
    (void)state;
    atomic_store(&signals, EMFILE);
    assert_int_equal(cconc_ctx_with_signals(NULL, numbers, 1, 0, &ctx), EMFILE);
    assert_null(ctx);
    atomic_store(&signals, USUAL);
    assert_int_equal(cconc_ctx_with_signals(NULL, numbers, 1, 0, &ctx), 0);
    cconc_ctx_free(ctx);
}

static void system_that_interrupts_a_raise_has_it_raised_again(void **state)
{
    plat_fd fd;
    uint64_t count = 0;
    (void)state;
    assert_int_equal(cconc__fd_open(&fd), 0);
    atomic_store(&interrupted, 3);
    errno = ERRNO_MARK;
    cconc__fd_raise(fd.write_end);
    assert_int_equal(errno, ERRNO_MARK);
    assert_int_equal(atomic_load(&interrupted), 0);
    assert_int_equal(read(fd.read_end, &count, sizeof(count)), sizeof(count));
    assert_int_equal(count, 1);
    cconc__fd_close(&fd);
}

static void system_that_interrupts_a_wait_for_descriptors_is_asked_again(void **state)
{
    plat_fd fd;
    plat_fd other;
    (void)state;
    assert_int_equal(cconc__fd_open(&fd), 0);
    assert_int_equal(cconc__fd_open(&other), 0);
    cconc__fd_raise(other.write_end);
    atomic_store(&called_off, 2);
    errno = ERRNO_MARK;
    cconc__fd_await(&fd, other.read_end); /* twice for nothing, then for the other one */
    assert_int_equal(errno, ERRNO_MARK);
    assert_int_equal(atomic_load(&called_off), 0);
    cconc__fd_raise(fd.write_end);
    cconc__fd_await(&fd, -1);
    cconc__fd_close(&other);
    cconc__fd_close(&fd);
}

/* ---- random bits, clocks -------------------------------------------------------------------- */

static void system_without_random_bits_has_every_byte_filled_and_differently(void **state)
{
    unsigned char first[33];
    unsigned char second[33];
    unsigned char ones[32] = {0};
    (void)state;
    atomic_store(&bits, ENOSYS);
    errno = ERRNO_MARK;
    for (int i = 0; i < 100; i++) {
        memset(first, 0, sizeof(first));
        memset(second, 0, sizeof(second));
        cconc__seed_fill(first, 32);
        cconc__seed_fill(second, 32);
        assert_memory_not_equal(first, second, 32);
        assert_true(first[32] == 0 && second[32] == 0);
        for (size_t at = 0; at < 32; at++) {
            ones[at] |= first[at];
        }
    }
    for (size_t at = 0; at < 32; at++) {
        assert_int_equal(ones[at], 0xff);
    }
    assert_int_equal(errno, ERRNO_MARK);
    atomic_store(&bits, USUAL);
}

static int cond_of_another_clock(void)
{
    plat_cond cond;
    (void)cconc__cond_init(&cond);
    return 9;
}

static int cond_without_setclock(void)
{
    atomic_store(&set_clock, EINVAL);
    return cond_of_another_clock();
}

static int cond_without_getclock(void)
{
    atomic_store(&get_clock, EINVAL);
    return cond_of_another_clock();
}

static int cond_that_was_not_set(void)
{
    atomic_store(&get_clock, 0); /* set, it says, but is not */
    return cond_of_another_clock();
}

static void system_that_cannot_wait_by_the_monotonic_clock_says_so_and_aborts(void **state)
{
    static const char *const parts[] = {"no_setclock", "no_getclock", "not_set"};
    char told[200];
    (void)state;
#if !defined(CCONC_WAIT_CONDATTR)
    skip(); /* it sets no clock */
#endif
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        int status = support_run_child(parts[i], told, sizeof(told));
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        assert_string_equal(told, "cconc: condition variables here do not go by the monotonic "
                                  "clock: build with another wait_strategy\n");
    }
}

/* One that rounds down to ticks would else be asked for less than one again and again. */
static void system_that_ends_waits_early_is_asked_for_more_until_it_does_not(void **state)
{
    static const struct {
        int code;
        int64_t more_ns; /* that is asked for */
    } rows[] = {{ETIMEDOUT, 0},        {ETIMEDOUT, CCONC_MS},     {ETIMEDOUT, 2 * CCONC_MS},
                {0, 4 * CCONC_MS},     {ETIMEDOUT, 0},            {EINVAL, CCONC_MS},
                {ETIMEDOUT, 0},        {ETIMEDOUT, CCONC_MS}};
    plat_mutex mu = PLAT_MUTEX_INIT;
    plat_cond cond;
    int64_t deadline_ns = cconc_clock_after(3600 * CCONC_SECOND);
    (void)state;
#if !defined(CCONC_WAIT_CONDATTR) || defined(CCONC_TESTS_QUIRK_H)
    skip(); /* another function waits, or goes by another clock */
#endif
    assert_int_equal(cconc__cond_init(&cond), 0);
    plat_mutex_lock(&mu);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        atomic_store(&timed, rows[i].code);
        assert_true(cconc__cond_wait(&cond, &mu, deadline_ns));
        assert_int_equal(asked_ns - deadline_ns, rows[i].more_ns);
    }
    for (int i = 0; i < 40; i++) { /* but not for ever more */
        atomic_store(&timed, ETIMEDOUT);
        assert_true(cconc__cond_wait(&cond, &mu, deadline_ns));
    }
    assert_in_range(asked_ns - deadline_ns, 100 * CCONC_MS, 200 * CCONC_MS);
    atomic_store(&timed, 0);
    assert_true(cconc__cond_wait(&cond, &mu, deadline_ns));
    atomic_store(&timed, USUAL);
    deadline_ns = cconc_clock_after(CCONC_MS);
    assert_true(cconc__cond_wait(&cond, &mu, deadline_ns));
    assert_true(cconc_clock_now() >= deadline_ns);
    plat_mutex_unlock(&mu);
    cconc__cond_destroy(&cond);
}

static void system_out_of_objects_has_no_parkers(void **state)
{
    parker p;
#if defined(CCONC_WAIT_CONDATTR)
    const uint64_t count = 3; /* a mutex, attributes, a condition variable */
#else
    const uint64_t count = 2; /* no attributes */
#endif
    (void)state;
    for (uint64_t n = 1; n <= count; n++) {
        support_fail_object(n, false);
        assert_int_equal(cconc__parker_init(&p), ENOMEM);
        assert_int_equal(support_fail_end(), 1);
    }
    assert_int_equal(cconc__parker_init(&p), 0);
    cconc__parker_destroy(&p);
}

/* ---- forks, keys ---------------------------------------------------------------------------- */

/* Nothing may have been made before. */
static int mark_without_advice(void)
{
    atom_init(&cconc__fork_mark, NULL);
    atomic_store(&advice, EINVAL);
    atomic_store(&unmapped, 0);
    SUPPORT_CHECK(plat_fork_is_ours() && !atom_load_rlx(&cconc__fork_mark));
    SUPPORT_CHECK(atomic_load(&unmapped) == 1);
    return 6;
}

static int mark_at_the_same_time(void)
{
    atom_init(&cconc__fork_mark, NULL);
    atomic_store(&intrudes, true);
    atomic_store(&unmapped, 0);
    SUPPORT_CHECK(plat_fork_is_ours() && plat_fork_is_ours());
    SUPPORT_CHECK(atom_load_rlx(&cconc__fork_mark) && atomic_load(&unmapped) == 1);
    return 7;
}

static void system_that_does_not_clear_pages_for_a_child_gets_them_back(void **state)
{
    (void)state;
    assert_int_equal(status_of("no_advice"), 6);
}

static void system_keeps_one_mark_when_two_threads_make_it(void **state)
{
    (void)state;
    assert_int_equal(status_of("two_marks"), 7);
}

/* Without a key nobody hears of a thread's end: nothing is kept for threads. The part makes its
 * first use of the library, but for what support_start did, with the key refused. */
static void lend_and_put(void *arg, size_t index)
{
    void *object;
    (void)index;
    SUPPORT_CHECK(!cconc__tls_will_tell());
    SUPPORT_CHECK(cconc_objpool_get(arg, &object) == 0);
    cconc_objpool_put(arg, object);
}

static int use_without_a_key(void)
{
    cconc_objpool *pool;
    cconc_objpool_opts opts = {.size = 100};
    plat_tls_slot slot = {0};
    SUPPORT_CHECK(cconc_objpool_new(&opts, &pool) == 0);
    SUPPORT_CHECK(support_threads_join(support_threads_start(1, lend_and_put, pool)) == 0);
    cconc_objpool_free(pool);
    cconc__tls_set(&slot);
    SUPPORT_CHECK(plat_tls_get() == &slot);
    cconc__tls_set(NULL);
    return 8;
}

static void system_without_a_key_keeps_nothing_for_threads(void **state)
{
    (void)state;
    assert_int_equal(setenv("SYSTEM_HAS_NO_KEY", "1", 1), 0);
    assert_int_equal(status_of("no_key"), 8);
    assert_int_equal(unsetenv("SYSTEM_HAS_NO_KEY"), 0);
}

int main(int argc, char **argv)
{
    static const struct support_child parts[] = {
        {"one_processor", spin_on_one_processor}, {"no_advice", mark_without_advice},
        {"two_marks", mark_at_the_same_time},     {"no_key", use_without_a_key},
        {"no_setclock", cond_without_setclock},   {"no_getclock", cond_without_getclock},
        {"not_set", cond_that_was_not_set},
        {NULL, NULL},
    };
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(system_without_a_mask_of_processors_has_those_online_or_one),
        UNIT_TEST(system_of_a_thousand_processors_has_bounded_counters_and_flights),
        UNIT_TEST(system_of_one_processor_yields_instead_of_a_pause),
        UNIT_TEST(system_out_of_descriptors_says_whose_limit_it_is_or_else_no_memory),
        UNIT_TEST(system_without_a_descriptor_for_signals_makes_no_context_of_them),
        UNIT_TEST(system_that_interrupts_a_raise_has_it_raised_again),
        UNIT_TEST(system_that_interrupts_a_wait_for_descriptors_is_asked_again),
        UNIT_TEST(system_without_random_bits_has_every_byte_filled_and_differently),
        UNIT_TEST(system_that_cannot_wait_by_the_monotonic_clock_says_so_and_aborts),
        UNIT_TEST(system_that_ends_waits_early_is_asked_for_more_until_it_does_not),
        UNIT_TEST(system_out_of_objects_has_no_parkers),
        UNIT_TEST(system_that_does_not_clear_pages_for_a_child_gets_them_back),
        UNIT_TEST(system_keeps_one_mark_when_two_threads_make_it),
        UNIT_TEST(system_without_a_key_keeps_nothing_for_threads),
    };
    atomic_store(&keys, getenv("SYSTEM_HAS_NO_KEY") ? EAGAIN : USUAL);
    support_start(argc, argv, parts);
    return UNIT_RUN(tests);
}
