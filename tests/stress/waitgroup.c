/* waitgroup.c - waitgroups under load: short-lived ones on the heap, and one used for many rounds
 * SPDX-License-Identifier: MIT
 *
 * Risk      A wait that is never ended or ends too early, memory used after the last wait
 *           returned, a write before done that is not seen.
 * Method    Owners hand tickets of their waitgroups to helpers, wait, check what the helpers wrote
 *           and free the memory at once. Every ticket is done once, every wait ends. In between a
 *           crowd meets at one waitgroup, round after round.
 * Catches   G1, G2, G3, G4; S3, S5, S6; I9.
 */
#include "support.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cconc/cconc.h>

#define OWNERS 4
#define HELPERS 4
#define CROWD 5
#define MOST_TICKETS 6
#define BOX 64

/* What an owner waits for; its memory goes as soon as the wait has returned. */
struct round {
    cconc_waitgroup wg;
    int marks[MOST_TICKETS]; /* each written by one helper before its done */
};

struct ticket {
    struct round *round;
    size_t index;
};

static pthread_mutex_t box_mu = PTHREAD_MUTEX_INITIALIZER;
static struct ticket box[BOX];
static size_t box_used;
static atomic_bool owners_gone;
static atomic_uint_fast64_t posted;
static atomic_uint_fast64_t done;
static atomic_uint_fast64_t timed_out;
static uint64_t seed;

static bool box_put(struct ticket ticket)
{
    pthread_mutex_lock(&box_mu);
    bool room = box_used < BOX;
    if (room) {
        box[box_used++] = ticket;
    }
    pthread_mutex_unlock(&box_mu);
    return room;
}

static bool box_get(struct support_random *random, struct ticket *out_ticket)
{
    pthread_mutex_lock(&box_mu);
    bool found = box_used > 0;
    if (found) {
        size_t pick = support_random_below(random, (uint32_t)box_used);
        *out_ticket = box[pick];
        box[pick] = box[--box_used];
    }
    pthread_mutex_unlock(&box_mu);
    return found;
}

static void serve(struct ticket ticket)
{
    struct round *round = ticket.round;
    round->marks[ticket.index] = (int)ticket.index + 1;
    atomic_fetch_add(&done, 1);
    cconc_waitgroup_done(&round->wg);
}

static void helper(void *arg, size_t index)
{
    struct support_random random = support_random_make(seed, 100 + index);
    struct ticket ticket;
    (void)arg;
    for (;;) {
        bool last_look = atomic_load(&owners_gone);
        if (box_get(&random, &ticket)) {
            serve(ticket);
        } else if (last_look) {
            return;
        } else {
            sched_yield();
        }
    }
}

static void serve_one(void *arg)
{
    struct ticket *ticket = arg;
    serve(*ticket);
}

/* Wait with short deadlines, some of which pass, then for good. */
static void wait_for_all(struct support_random *random, cconc_waitgroup *wg)
{
    cconc_ctx_mem mem;
    for (uint32_t tries = support_random_below(random, 3); tries > 0; tries--) {
        int64_t deadline_ns = cconc_clock_after(support_random_below(random, 50000));
        int err = cconc_waitgroup_wait(wg, cconc_ctx_until(&mem, NULL, deadline_ns));
        if (err == 0) {
            return;
        }
        SUPPORT_CHECK(err == ETIMEDOUT && support_now_ns() >= deadline_ns);
        atomic_fetch_add(&timed_out, 1);
    }
    SUPPORT_CHECK(cconc_waitgroup_wait(wg, NULL) == 0);
}

static void run_round(struct support_random *random)
{
    struct ticket on_executor[MOST_TICKETS];
    struct round *round = calloc(1, sizeof(*round));
    SUPPORT_CHECK(round);
    uint32_t count = support_random_below(random, MOST_TICKETS + 1);
    cconc_waitgroup_add(&round->wg, (int32_t)count);
    for (size_t i = 0; i < count; i++) {
        struct ticket ticket = {.round = round, .index = i};
        atomic_fetch_add(&posted, 1);
        if (support_random_below(random, 8) == 0) {
            /* The function's own end counts one more, which go adds by itself. */
            on_executor[i] = ticket;
            SUPPORT_CHECK(cconc_waitgroup_go(&round->wg, serve_one, &on_executor[i]) == 0);
        } else if (!box_put(ticket)) {
            serve(ticket);
        }
    }
    wait_for_all(random, &round->wg);
    for (size_t i = 0; i < count; i++) {
        SUPPORT_CHECK(round->marks[i] == (int)i + 1);
    }
    memset(round, 0xdd, sizeof(*round));
    free(round);
}

static void owner(void *arg, size_t index)
{
    struct support_random random = support_random_make(seed, index);
    (void)arg;
    while (support_stress_open()) {
        run_round(&random);
    }
}

/* One of three meeting places that a crowd uses in turn; what is plain is ordered by the gate. */
struct place {
    cconc_waitgroup gate;
    bool stop;
    uint64_t round[CROWD];
};

static struct place places[3];

static void meet(void *arg, size_t index)
{
    bool stop = false;
    (void)arg;
    for (uint64_t n = 0; !stop; n++) {
        struct place *here = &places[n % 3];
        if (index == 0) {
            /* Nobody is at the next place any more: all have left it to come to the last one. */
            cconc_waitgroup_add(&places[(n + 1) % 3].gate, CROWD);
            here->stop = !support_stress_open();
        }
        here->round[index] = n;
        cconc_waitgroup_done(&here->gate);
        SUPPORT_CHECK(cconc_waitgroup_wait(&here->gate, NULL) == 0);
        for (size_t i = 0; i < CROWD; i++) {
            SUPPORT_CHECK(here->round[i] == n);
        }
        stop = here->stop;
    }
}

int main(int argc, char **argv)
{
    support_start(argc, argv, NULL);
    seed = support_stress_begin("stress waitgroup");
    struct support_threads *helpers = support_threads_start(HELPERS, helper, NULL);
    cconc_waitgroup_add(&places[0].gate, CROWD);
    struct support_threads *crowd = support_threads_start(CROWD, meet, NULL);
    struct support_threads *owners = support_threads_start(OWNERS, owner, NULL);
    SUPPORT_CHECK(support_threads_join(owners) == 0);
    atomic_store(&owners_gone, true);
    SUPPORT_CHECK(support_threads_join(helpers) == 0);
    SUPPORT_CHECK(support_threads_join(crowd) == 0);
    printf("tickets %" PRIu64 ", waits that timed out %" PRIu64 "\n",
           (uint64_t)atomic_load(&posted), (uint64_t)atomic_load(&timed_out));
    SUPPORT_CHECK(atomic_load(&posted) == atomic_load(&done));
    SUPPORT_CHECK(box_used == 0);
    support_leak_check();
    return 0;
}
