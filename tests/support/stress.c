/* stress.c - seeds, random numbers and the time box of the stress tests
 * SPDX-License-Identifier: MIT
 */
#include "internal.h"
#include "support.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cconc/clock.h>

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

/* What is left for the last operations and for joining when the box has ended. */
#define GRACE_WATCHDOGS 2 /* how often what until gives may pass after the box */

static int64_t box_end_ns;

static void hung(int number)
{
    static const char text[] = "stress: no end in sight, giving up\n";
    (void)number;
    ssize_t written = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)written;
    abort();
}

uint64_t support_stress_begin(const char *name)
{
    int64_t box_ms = support_env_number("STRESS_MS", 1000);
    uint64_t seed = (uint64_t)support_env_number("SEED", support_now_ns());
    printf("%s: SEED=%" PRIu64 " STRESS_MS=%" PRId64 "\n", name, seed, box_ms);
    fflush(stdout);
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = hung;
    SUPPORT_CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    alarm((unsigned)((box_ms + GRACE_WATCHDOGS * support_env_number("WATCHDOG_MS", 30000)) / 1000));
    box_end_ns = support_now_ns() + box_ms * 1000000;
    return seed;
}

bool support_stress_open(void)
{
    return support_now_ns() < box_end_ns;
}

struct support_random support_random_make(uint64_t seed, uint64_t stream)
{
    struct support_random random = {.state = seed};
    random.state = support_random_next(&random) ^ (stream * GOLDEN);
    return random;
}

/* splitmix64: any state is a good one. */
uint64_t support_random_next(struct support_random *random)
{
    random->state += GOLDEN;
    uint64_t z = random->state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint32_t support_random_below(struct support_random *random, uint32_t limit)
{
    SUPPORT_CHECK(limit > 0);
    return (uint32_t)(((support_random_next(random) >> 32) * limit) >> 32);
}

cconc_ctx *support_random_deadline(struct support_random *random, cconc_ctx_mem *mem,
                                   uint32_t one_in, uint32_t below_ns)
{
    if (support_random_below(random, one_in) != 0) {
        return NULL;
    }
    return cconc_ctx_until(mem, NULL, cconc_clock_after(support_random_below(random, below_ns)));
}
