/* limiter_keyed.c - a keyed limiter under load: no key gets more than it may
 * SPDX-License-Identifier: MIT
 *
 * Risk      Tokens minted where threads bring one key at once; keys lost or kept twice where they
 *           are brought, dropped and forgotten at once; more of them than were allowed for.
 * Method    Eight threads. Half of the calls go to a few keys that all are always in use, on a
 *           limiter that has room for them: each gets its burst and rate, and no more. The others
 *           go to many keys on a small limiter, with waits and forgetting.
 * Catches   lim-2, lim-12 for keys; the bound.
 */
#include "support.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

#include <cconc/cconc.h>

enum { THREADS = 8, HOT = 4, ROOM = 50, COLD = 500, RATE = 1000, BURST = 20 };

static cconc_limiter_keyed *roomy;
static cconc_limiter_keyed *crowded;
static atomic_int_fast64_t admitted[HOT];
static uint64_t seed;

static void use_roomy(uint32_t key)
{
    int err = cconc_limiter_keyed_allow(roomy, &key, sizeof(key), 1);
    SUPPORT_CHECK(err == 0 || err == EAGAIN);
    if (!err) {
        atomic_fetch_add(&admitted[key], 1);
    }
}

static void use_crowded(uint32_t key, uint32_t chance)
{
    cconc_ctx_mem mem;
    int err = 0;
    if (chance == 0) {
        cconc_limiter_keyed_forget(crowded, &key, sizeof(key));
    } else if (chance == 1) {
        cconc_ctx *ctx = cconc_ctx_until(&mem, NULL, cconc_clock_after(CCONC_MS));
        err = cconc_limiter_keyed_wait(crowded, ctx, &key, sizeof(key), 2);
        SUPPORT_CHECK(err == 0 || err == ETIMEDOUT);
    } else {
        err = cconc_limiter_keyed_allow(crowded, &key, sizeof(key), 3);
        SUPPORT_CHECK(err == 0 || err == EAGAIN);
    }
    SUPPORT_CHECK(cconc_limiter_keyed_len(crowded) <= ROOM);
}

static void hammer(void *arg, size_t index)
{
    struct support_random random = support_random_make(seed, index);
    (void)arg;
    while (support_stress_open()) {
        use_roomy(support_random_below(&random, HOT));
        use_crowded(support_random_below(&random, COLD), support_random_below(&random, 16));
    }
}

int main(int argc, char **argv)
{
    int64_t start_ns = cconc_clock_now();
    support_start(argc, argv, NULL);
    seed = support_stress_begin("stress limiter_keyed");
    SUPPORT_CHECK(cconc_limiter_keyed_new(RATE, BURST, HOT, &roomy) == 0);
    SUPPORT_CHECK(cconc_limiter_keyed_new(RATE, BURST, ROOM, &crowded) == 0);
    struct support_threads *threads = support_threads_start(THREADS, hammer, NULL);
    SUPPORT_CHECK(support_threads_join(threads) == 0);
    const double rate = RATE;
    double most = (double)BURST + 1 + (double)(cconc_clock_now() - start_ns) * rate / 1e9;
    for (int key = 0; key < HOT; key++) {
        int64_t got = atomic_load(&admitted[key]);
        printf("limiter_keyed: key %d %" PRId64 " admitted of %.0f\n", key, got, most);
        SUPPORT_CHECK((double)got <= most && got >= BURST);
    }
    SUPPORT_CHECK(cconc_limiter_keyed_len(roomy) == HOT);
    cconc_limiter_keyed_free(roomy);
    cconc_limiter_keyed_free(crowded);
    support_leak_check();
    return 0;
}
