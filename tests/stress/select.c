/* select.c - stress of select: selects against selects and plain calls over shared channels
 * SPDX-License-Identifier: MIT
 *
 * Risk      Two peers that win one select, a value that goes to a loser, a wake-up lost when a
 *           select leaves its other queues, selects that lock each other out, an instant that was
 *           none.
 * Method    Threads select in both directions over the same few channels, in orders of their own,
 *           with contexts and deadlines among the cases, beside plain and batch calls. Each value
 *           carries its sender's number: sent is received plus left inside, each once.
 * Catches   H5 H6 H8 H14 H15 H17 H20, I9; rules sel-1 sel-2 sel-5 sel-6 sel-7.
 */
#include "support.h"

#include <cconc/cconc.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHANS = 4, THREADS = 6, MOST_CASES = 12, EACH = 800 };

struct round {
    cconc_chan   *chans[CHANS];
    cconc_ctx    *stop;
    uint64_t      seed;
    bool          plain_calls; /* some threads use plain calls instead of selects */
    atomic_uchar  seen[THREADS][EACH];
    atomic_uchar  went[THREADS][EACH];
    atomic_uint   left; /* threads that still send */
    atomic_ullong moved;
};

struct value {
    uint32_t sender;
    uint32_t number;
};

static void note_received(struct round *round, struct value value)
{
    SUPPORT_CHECK(value.sender < THREADS && value.number < EACH);
    SUPPORT_CHECK(atomic_fetch_add(&round->seen[value.sender][value.number], 1) == 0);
    atomic_fetch_add(&round->moved, 1);
}

/* Deadlines from none at all to some milliseconds. */
static int64_t soon(struct support_random *random)
{
    static const uint32_t scales_us[] = {1, 50, 500, 3000};
    uint32_t scale_us = scales_us[support_random_below(random, 4)];
    return cconc_clock_after(support_random_below(random, scale_us) * CCONC_US);
}

/* Choose cases at random: sends of value while it may send, receives, the end, a deadline. */
static size_t choose_cases(struct round *round, struct support_random *random, bool may_send,
                           const struct value *value, struct value *targets,
                           cconc_select_case *cases)
{
    size_t count = 1 + support_random_below(random, MOST_CASES - 2);
    for (size_t i = 0; i < count; i++) {
        cconc_chan *ch = round->chans[support_random_below(random, CHANS)];
        if (may_send && support_random_below(random, 2) == 0) {
            cases[i] = cconc_select_send(ch, value);
        } else {
            cases[i] = cconc_select_recv(ch, &targets[i]);
        }
    }
    cases[count++] = cconc_select_done(round->stop);
    if (support_random_below(random, 8) != 0) { /* else all would soon wait for each other */
        cases[count++] = cconc_select_until(soon(random));
    }
    return count;
}

/* One select. Returns false once the round is over. */
static bool select_once(struct round *round, struct support_random *random, uint32_t *next,
                        uint32_t me)
{
    cconc_select_case cases[MOST_CASES];
    struct value targets[MOST_CASES];
    struct value value = {me, *next};
    size_t fired = 99;
    size_t count = choose_cases(round, random, *next < EACH, &value, targets, cases);
    uint32_t flags = support_random_below(random, 4); /* any mix of TRY and ORDERED */
    int err = cconc_select(cases, count, flags, &fired);
    if (err == EAGAIN) {
        SUPPORT_CHECK((flags & CCONC_SELECT_TRY) != 0 && fired == 99);
        return true;
    }
    SUPPORT_CHECK(fired < count);
    switch (cases[fired].kind) {
    case CCONC_SELECT_SEND:
        SUPPORT_CHECK(err == 0);
        atomic_store(&round->went[me][*next], 1);
        (*next)++;
        return true;
    case CCONC_SELECT_RECV:
        SUPPORT_CHECK(err == 0);
        note_received(round, targets[fired]);
        return true;
    case CCONC_SELECT_UNTIL:
        SUPPORT_CHECK(err == ETIMEDOUT);
        SUPPORT_CHECK(cconc_clock_now() >= cases[fired].deadline_ns);
        return true;
    default:
        SUPPORT_CHECK(err == ECANCELED || err == ETIMEDOUT);
        return false;
    }
}

/* One plain call. Returns false once the round is over. */
static bool call_once(struct round *round, struct support_random *random, uint32_t *next,
                      uint32_t me)
{
    cconc_chan *ch = round->chans[support_random_below(random, CHANS)];
    struct value values[3];
    size_t count = 0;
    cconc_ctx_mem mem;
    cconc_ctx *ctx = cconc_ctx_until(&mem, round->stop, soon(random));
    int err;
    if (*next < EACH && support_random_below(random, 2) == 0) {
        values[0] = (struct value){me, *next};
        err = cconc_chan_send(ch, ctx, values);
        if (err == 0) {
            atomic_store(&round->went[me][*next], 1);
            (*next)++;
        }
    } else {
        err = cconc_chan_recv_n(ch, ctx, values, 3, &count);
        for (size_t i = 0; i < count; i++) {
            note_received(round, values[i]);
        }
    }
    SUPPORT_CHECK(err == 0 || cconc_ctx_err(ctx) == err);
    return cconc_ctx_err(round->stop) == 0;
}

static void thread_run(void *arg, size_t index)
{
    struct round *round = arg;
    struct support_random random = support_random_make(round->seed, index);
    uint32_t next = 0;
    bool go_on = true;
    bool is_plain = round->plain_calls && index % 2 == 0;
    bool has_said = false;
    while (go_on) {
        go_on = is_plain ? call_once(round, &random, &next, (uint32_t)index)
                         : select_once(round, &random, &next, (uint32_t)index);
        if (next == EACH && !has_said) {
            has_said = true;
            if (atomic_fetch_sub(&round->left, 1) == 1) {
                cconc_ctx_cancel(round->stop);
            }
        }
    }
}

static void run_round(struct round *round, struct support_random *random)
{
    size_t inside = 0;
    unsigned long long sent = 0;
    memset(round, 0, sizeof(*round));
    round->seed = support_random_next(random);
    round->plain_calls = support_random_below(random, 2) == 0;
    atomic_store(&round->left, THREADS);
    SUPPORT_CHECK(cconc_ctx_with_timeout(NULL, CCONC_SECOND / 5, &round->stop) == 0);
    for (int i = 0; i < CHANS; i++) {
        SUPPORT_CHECK(cconc_chan_new(sizeof(struct value), support_random_below(random, 4),
                                     &round->chans[i]) == 0);
    }
    support_threads_join(support_threads_start(THREADS, thread_run, round));
    for (int i = 0; i < CHANS; i++) {
        struct value value;
        size_t senders;
        size_t receivers;
        cconc_chan_waiters(round->chans[i], &senders, &receivers);
        SUPPORT_CHECK(senders == 0 && receivers == 0);
        while (cconc_chan_try_recv(round->chans[i], &value) == 0) {
            note_received(round, value);
            inside++;
        }
        cconc_chan_free(round->chans[i]);
    }
    for (int t = 0; t < THREADS; t++) {
        for (int i = 0; i < EACH; i++) {
            SUPPORT_CHECK(atomic_load(&round->seen[t][i]) == atomic_load(&round->went[t][i]));
            sent += atomic_load(&round->went[t][i]);
        }
    }
    SUPPORT_CHECK(sent == atomic_load(&round->moved) && inside <= 3 * CHANS);
    cconc_ctx_free(round->stop);
}

int main(int argc, char **argv)
{
    support_start(argc, argv, NULL);
    struct support_random random = support_random_make(support_stress_begin("select"), 0);
    struct round *round = malloc(sizeof(*round));
    unsigned long long moved = 0;
    int rounds = 0;
    SUPPORT_CHECK(round);
    do {
        run_round(round, &random);
        moved += atomic_load(&round->moved);
        rounds++;
    } while (support_stress_open());
    free(round);
    support_leak_check();
    printf("select: %d rounds, %llu values\n", rounds, moved);
    return 0;
}
