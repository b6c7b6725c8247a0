/* cpu.c - unit tests of how many processors there are for us
 * SPDX-License-Identifier: MIT
 *
 * Risk      A process that is pinned to one CPU and spins there, because the machine has more.
 * Method    A thread pins itself to one CPU after the other, and to all.
 * Catches   I23; invariant I1 of plat/cpu.c.
 */
#include "unit.h"

#include "plat/cpu.h"

#include <errno.h>
#include <sched.h>

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

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {UNIT_TEST(cpu_count_is_that_of_the_threads_mask)};
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
