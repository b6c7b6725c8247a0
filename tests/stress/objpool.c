/* objpool.c - an object pool whose users come and go while it is trimmed
 * SPDX-License-Identifier: MIT
 *
 * Risk      An object lent twice at a time, lost, or destroyed twice; writes before a put that the
 *           next borrower does not see.
 * Method    Crews of 64 threads borrow, mark, put or pass on objects, and end; one thread trims all
 *           the time. After each crew nothing is lent, and free leaves as many as were made.
 * Catches   opool-1 opool-2 opool-3 opool-4 opool-5; I9.
 */
#include "support.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cconc/cconc.h>

#define CREW 64
#define HAND 12
#define LIVES 0x11feu

struct thing {
    unsigned state;
    size_t   owner; /* plain: whoever has it lent */
};

static cconc_objpool *pool;
static atomic_uint_fast64_t made;
static atomic_uint_fast64_t destroyed;
static atomic_bool crew_gone;
static uint64_t seed;

static int make(void *user, void **out_object)
{
    struct thing *thing = calloc(1, sizeof(*thing));
    (void)user;
    SUPPORT_CHECK(thing);
    thing->state = LIVES;
    atomic_fetch_add(&made, 1);
    *out_object = thing;
    return 0;
}

static int make_ready(void *user, void *object)
{
    struct thing *thing = object;
    (void)user;
    SUPPORT_CHECK(thing->state == LIVES && thing->owner == 0);
    return (uintptr_t)thing % 4096 < 64; /* some are refused */
}

static void unmake(void *user, void *object)
{
    struct thing *thing = object;
    (void)user;
    SUPPORT_CHECK(thing->state == LIVES && thing->owner == 0);
    thing->state = 0;
    atomic_fetch_add(&destroyed, 1);
    free(thing);
}

static void borrow(void *arg, size_t index)
{
    struct support_random random = support_random_make(seed + atomic_load(&made), index);
    struct thing *hand[HAND];
    (void)arg;
    for (uint32_t rounds = support_random_below(&random, 50); rounds > 0; rounds--) {
        uint32_t count = support_random_below(&random, HAND + 1);
        for (uint32_t i = 0; i < count; i++) {
            void *object;
            SUPPORT_CHECK(cconc_objpool_get(pool, &object) == 0);
            hand[i] = object;
            SUPPORT_CHECK(hand[i]->state == LIVES && hand[i]->owner == 0);
            hand[i]->owner = index + 1;
        }
        for (uint32_t i = 0; i < count; i++) {
            SUPPORT_CHECK(hand[i]->owner == index + 1);
            hand[i]->owner = 0;
            cconc_objpool_put(pool, hand[i]);
        }
    }
}

static void trim(void *arg, size_t index)
{
    (void)arg;
    (void)index;
    while (!atomic_load(&crew_gone)) {
        cconc_objpool_trim(pool);
    }
}

int main(int argc, char **argv)
{
    cconc_objpool_opts opts = {.create = make, .reset = make_ready, .destroy = unmake};
    uint64_t crews = 0;
    support_start(argc, argv, NULL);
    seed = support_stress_begin("stress objpool");
    opts.max_count = 100;
    do {
        cconc_objpool_counts counts;
        SUPPORT_CHECK(cconc_objpool_new(&opts, &pool) == 0);
        atomic_store(&crew_gone, false);
        struct support_threads *trimmer = support_threads_start(1, trim, NULL);
        SUPPORT_CHECK(support_threads_join(support_threads_start(CREW, borrow, NULL)) == 0);
        atomic_store(&crew_gone, true);
        SUPPORT_CHECK(support_threads_join(trimmer) == 0);
        cconc_objpool_read(pool, &counts);
        SUPPORT_CHECK(counts.lent == 0 && counts.threads == 0 && counts.retained <= 100);
        SUPPORT_CHECK(counts.created - counts.destroyed == counts.retained);
        cconc_objpool_free(pool);
        SUPPORT_CHECK(atomic_load(&made) == atomic_load(&destroyed));
        crews++;
    } while (support_stress_open());
    printf("crews %" PRIu64 ", objects %" PRIu64 "\n", crews, (uint64_t)atomic_load(&made));
    support_leak_check();
    return 0;
}
