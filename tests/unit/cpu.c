/* cpu.c - unit tests of how many processors there are for us, and of leaving one for a moment
 * SPDX-License-Identifier: MIT
 *
 * Risk      A process that is pinned to one CPU and spins there, because the machine has more. A
 *           thread that keeps the one that it waits for from the CPU, by its higher priority.
 * Method    A thread pins itself to one CPU after the other, and to all. Two threads of strict
 *           priorities on one CPU, where the system allows it.
 * Catches   I23; invariant I1 of plat/cpu.c.
 */
#include "unit.h"

#include "plat/cpu.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>

#define ERRNO_MARK 7777

static void count_pinned(void *arg, size_t index)
{
    cpu_set_t all;
    cpu_set_t one;
    (void)arg;
    (void)index;
    SUPPORT_CHECK(sched_getaffinity(0, sizeof(all), &all) == 0);
    SUPPORT_CHECK(cconc__cpu_count() == (uint32_t)CPU_COUNT(&all));
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &all)) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            SUPPORT_CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
            errno = ERRNO_MARK;
            SUPPORT_CHECK(cconc__cpu_count() == 1);
            SUPPORT_CHECK(errno == ERRNO_MARK);
        }
    }
    SUPPORT_CHECK(sched_setaffinity(0, sizeof(all), &all) == 0);
    SUPPORT_CHECK(cconc__cpu_count() == (uint32_t)CPU_COUNT(&all));
}

static void cpu_count_is_that_of_the_threads_mask(void **state)
{
    (void)state;
    support_threads_join(support_threads_start(1, count_pinned, NULL));
}

/* Two threads of one CPU: the low one may go on when the high one says so, which then waits. */
struct priorities {
    sem_t       go;
    atomic_bool is_low; /* the low one has its priority */
    atomic_bool is_done;
    atomic_bool is_refused; /* the system has no strict priorities for us */
};

static void take_priority(struct priorities *p, int priority)
{
    struct sched_param param = {.sched_priority = priority};
    cpu_set_t all;
    cpu_set_t first;
    SUPPORT_CHECK(sched_getaffinity(0, sizeof(all), &all) == 0);
    CPU_ZERO(&first);
    for (size_t cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&first) == 0; cpu++) {
        if (CPU_ISSET(cpu, &all)) {
            CPU_SET(cpu, &first);
        }
    }
    SUPPORT_CHECK(sched_setaffinity(0, sizeof(first), &first) == 0);
    if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &param) != 0) {
        atomic_store(&p->is_refused, true);
    }
}

static void low_and_high(void *arg, size_t index)
{
    struct priorities *p = arg;
    if (index == 0) {
        take_priority(p, 1);
        atomic_store(&p->is_low, true);
        while (sem_wait(&p->go) != 0) {
        }
        atomic_store(&p->is_done, true);
    } else {
        uint32_t turn = 0;
        until(atomic_load(&p->is_low));
        take_priority(p, 2);
        SUPPORT_CHECK(sem_post(&p->go) == 0);
        errno = ERRNO_MARK;
        while (!atomic_load(&p->is_done)) {
            plat_cpu_await(turn++);
        }
        SUPPORT_CHECK(errno == ERRNO_MARK);
    }
}

static void cpu_await_lets_a_thread_of_lower_priority_go_on(void **state)
{
    struct priorities p = {.is_done = false};
    (void)state;
    SUPPORT_CHECK(sem_init(&p.go, 0, 0) == 0);
    support_threads_join(support_threads_start(2, low_and_high, &p));
    SUPPORT_CHECK(sem_destroy(&p.go) == 0);
    if (atomic_load(&p.is_refused)) {
        skip();
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(cpu_count_is_that_of_the_threads_mask),
        UNIT_TEST(cpu_await_lets_a_thread_of_lower_priority_go_on),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
