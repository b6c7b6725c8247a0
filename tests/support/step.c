/* step.c - two calls side by side, one of them stopped in the middle, at each place in turn
 * SPDX-License-Identifier: MIT
 *
 * The processor stops the first call after each instruction (the trap flag). Right before the n-th
 * one that is atomic, as every lock, unlock, claim and wake has, the other thread runs its call to
 * the end. Where it cannot come to its end, because it sleeps or because it spins for something
 * that the first has begun, the first goes on beside it.
 */
#include "internal.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/spin.h"

#define LOOKS_ASLEEP 3   /* in a row, until a thread is taken to be asleep */
#define LOOKS_MOST   500 /* until a thread is taken to spin */
#define LOOK_MS      1

/* Who runs what of a round. */
enum { AT_CALL, AT_BESIDE, AT_END, AT_STOP };

static struct {
    const struct support_step *step;
    void *arg;
    uint64_t place;        /* the atomic instruction to stop before */
    uint64_t seen;         /* of them so far */
    atomic_int at;
    atomic_bool is_traced; /* the call runs */
    atomic_bool is_paused; /* it makes a thread, with all signals blocked */
    int turn;              /* a descriptor that is told when at leaves AT_CALL */
    atomic_int first;      /* thread of the call */
    atomic_int second;     /* of what runs beside it */
} round_now;

/* Is the thread in a system call that has to wait? */
static bool is_asleep(int thread)
{
    char path[64];
    char text[128];
    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", thread);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t got = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    const char *name_end = strrchr(text, ')');
    return name_end && strncmp(name_end, ") S", 3) == 0;
}

static void tell_turn(void)
{
    const uint64_t one = 1;
    SUPPORT_CHECK(write(round_now.turn, &one, sizeof(one)) == sizeof(one));
}

/* Hand the round over to the second thread. Returns false if that has happened already. */
static bool hand_over(void)
{
    int at = AT_CALL;
    if (!atomic_compare_exchange_strong(&round_now.at, &at, AT_BESIDE)) {
        return false;
    }
    tell_turn();
    return true;
}

/* Wait for the turn; take it if the call sleeps. */
static void await_turn(void)
{
    int asleep = 0;
    for (;;) {
        struct pollfd turn = {.fd = round_now.turn, .events = POLLIN};
        uint64_t told;
        if (poll(&turn, 1, LOOK_MS) == 1) {
            SUPPORT_CHECK(read(round_now.turn, &told, sizeof(told)) == sizeof(told));
            return;
        }
        asleep = atomic_load(&round_now.is_traced) && is_asleep(atomic_load(&round_now.first))
                     ? asleep + 1
                     : 0;
        if (asleep >= LOOKS_ASLEEP) {
            (void)hand_over();
        }
    }
}

static void *beside_main(void *unused)
{
    (void)unused;
    atomic_store(&round_now.second, gettid());
    for (;;) {
        await_turn();
        if (atomic_load(&round_now.at) == AT_STOP) {
            return NULL;
        }
        round_now.step->beside(round_now.arg);
        atomic_store(&round_now.at, AT_END);
    }
}

#if defined(__x86_64__) && defined(__linux__)
#include <sys/ucontext.h>

#define TRAP_FLAG 0x100

/* Does clang count coverage here? By an increment, or an or of a byte, at a fixed place. */
static bool is_counter(const unsigned char *code)
{
    if ((*code & 0xf0) == 0x40) {
        code++;
    }
    return (*code == 0xff || *code == 0x08) && (code[1] & 0xc7) == 0x05;
}

/* With a lock prefix, or an exchange with memory, which needs none. */
static bool is_atomic(const unsigned char *code)
{
    static const unsigned char prefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64,
                                             0x65, 0x66, 0xf2, 0xf3};
    while (memchr(prefixes, *code, sizeof(prefixes))) {
        code++;
    }
    if (*code == 0xf0) {
        return !is_counter(code + 1);
    }
    if ((*code & 0xf0) == 0x40) {
        code++;
    }
    return (*code & 0xfe) == 0x86 && code[1] < 0xc0;
}

/* Wait until the call beside is over; not for ever, and not if it sleeps. */
static void await_beside(void)
{
    int asleep = 0;
    for (int i = 0; i < LOOKS_MOST && asleep < LOOKS_ASLEEP; i++) {
        if (atomic_load(&round_now.at) != AT_BESIDE) {
            return;
        }
        asleep = is_asleep(atomic_load(&round_now.second)) ? asleep + 1 : 0;
        sched_yield();
    }
}

static void trapped(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    mcontext_t *machine = &((ucontext_t *)context)->uc_mcontext;
    (void)number;
    (void)info;
    machine->gregs[REG_EFL] &= ~TRAP_FLAG;
    if (atomic_load(&round_now.is_traced) && !atomic_load(&round_now.is_paused) &&
        atomic_load(&round_now.at) == AT_CALL) {
        round_now.seen += is_atomic((const unsigned char *)machine->gregs[REG_RIP]);
        if (round_now.seen < round_now.place) {
            machine->gregs[REG_EFL] |= TRAP_FLAG;
        } else if (hand_over()) {
            await_beside();
        }
    }
    errno = saved;
}

static void trap_on(void)
{
    struct sigaction action;
    if (support_is_sanitized()) {
        return;
    }
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = trapped;
    action.sa_flags = SA_SIGINFO;
    SUPPORT_CHECK(sigaction(SIGTRAP, &action, NULL) == 0 && raise(SIGTRAP) == 0);
}
#else
static void trap_on(void)
{
}
#endif

void support_step_pause(bool on)
{
    if (atomic_load(&round_now.is_traced) && atomic_load(&round_now.first) == gettid()) {
        atomic_store(&round_now.is_paused, on);
        if (!on) {
            trap_on();
        }
    }
}

/* One round. Returns false if the call was over, or waited, before it came to its place. */
static bool run_round(uint64_t place)
{
    round_now.place = place;
    round_now.seen = 0;
    round_now.step->before(round_now.arg);
    atomic_store(&round_now.at, AT_CALL);
    atomic_store(&round_now.is_traced, true);
    trap_on();
    round_now.step->call(round_now.arg);
    atomic_store(&round_now.is_traced, false);
    (void)hand_over();
    until(atomic_load(&round_now.at) == AT_END);
    round_now.step->after(round_now.arg);
    return round_now.seen == place;
}

static pthread_t rounds_begin(const struct support_step *step, void *arg)
{
    pthread_t second;
    round_now.step = step;
    round_now.arg = arg;
    atomic_store(&round_now.is_traced, false);
    atomic_store(&round_now.at, AT_END);
    atomic_store(&round_now.first, gettid());
    round_now.turn = eventfd(0, EFD_CLOEXEC);
    SUPPORT_CHECK(round_now.turn >= 0);
    SUPPORT_CHECK(__real_pthread_create(&second, NULL, beside_main, NULL) == 0);
    return second;
}

static void rounds_end(pthread_t second)
{
    atomic_store(&round_now.at, AT_STOP);
    tell_turn();
    SUPPORT_CHECK(pthread_join(second, NULL) == 0 && close(round_now.turn) == 0);
}

bool support_step_at(const struct support_step *step, uint64_t place, void *arg)
{
    pthread_t second = rounds_begin(step, arg);
    bool was_there = run_round(place);
    rounds_end(second);
    return was_there;
}

uint64_t support_step_sweep(const struct support_step *step, void *arg)
{
    pthread_t second = rounds_begin(step, arg);
    uint64_t rounds = 0;
    while (run_round(rounds + 1)) {
        rounds++;
    }
    rounds_end(second);
    return rounds;
}

void support_step_start(void)
{
    cpu_set_t all;
    cpu_set_t one;
    CPU_ZERO(&one);
    SUPPORT_CHECK(sched_getaffinity(0, sizeof(all), &all) == 0);
    for (size_t cpu = 0; CPU_COUNT(&one) == 0; cpu++) {
        if (CPU_ISSET(cpu, &all)) {
            CPU_SET(cpu, &one);
        }
    }
    SUPPORT_CHECK(sched_setaffinity(0, sizeof(one), &one) == 0 && cconc__spin_cpus() == 1);
    SUPPORT_CHECK(sched_setaffinity(0, sizeof(all), &all) == 0);
}

static void add_one(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void do_nothing(void *arg)
{
    (void)arg;
}

bool support_can_step(void)
{
    static const struct support_step step = {do_nothing, add_one, do_nothing, do_nothing};
    atomic_int count = 0;
    return support_step_sweep(&step, &count) > 0;
}
