/* chan.c - stress of channels: every kind of call at once, and nothing may be lost or doubled
 * SPDX-License-Identifier: MIT
 *
 * Risk      Interleavings of send, receive, batch, try, cancellation, time and close that lose or
 *           double a value, reorder one sender's values, or leave somebody asleep.
 * Method    Rounds of random capacity and numbers of threads until the time box ends. Each sender
 *           numbers its values; receivers check that the numbers of one sender rise. Sent is
 *           received plus left inside, each value once. A watchdog ends a round that hangs.
 * Catches   H1 H11 H12 H16 H19 H20 H22 H23 H24, S6 S8, I9; rules chan-1 to chan-6
 *           chan-11, all-4.
 */
#include "support.h"

#include <cconc/cconc.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_THREADS = 6, MOST_VALUES = 4000, MOST_BATCH = 9 };

struct element {
    uint32_t sender;
    uint32_t number;
    uint64_t check; /* made of both, to see a torn copy */
};

struct round {
    cconc_chan    *ch;
    uint64_t       seed;
    uint32_t       senders;
    uint32_t       receivers;
    uint32_t       each;                    /* values a sender means to send */
    bool           is_closing;              /* somebody closes in the middle */
    bool           with_deadlines;
    atomic_uint    sent[MOST_THREADS];      /* how many of a sender's values went */
    atomic_uchar   seen[MOST_THREADS][MOST_VALUES];
    atomic_uint    senders_left;
    atomic_ullong  received;
};

static uint64_t element_check(uint32_t sender, uint32_t number)
{
    return ((uint64_t)sender << 40) ^ ((uint64_t)number * UINT64_C(0x9e3779b97f4a7c15));
}

/* A context of one of the kinds that waits know; *out_made is to be freed. */
static cconc_ctx *some_ctx(struct round *round, struct support_random *random, cconc_ctx_mem *mem,
                           cconc_ctx **out_made)
{
    int64_t soon_ns = (int64_t)support_random_below(random, 60) * CCONC_US;
    *out_made = NULL;
    if (!round->with_deadlines) {
        return NULL;
    }
    switch (support_random_below(random, 8)) {
    case 0:
        return cconc_ctx_until(mem, NULL, cconc_clock_after(soon_ns));
    case 1:
        SUPPORT_CHECK(cconc_ctx_with_timeout(NULL, soon_ns, out_made) == 0);
        return *out_made;
    case 2:
        SUPPORT_CHECK(cconc_ctx_with_cancel(NULL, out_made) == 0);
        cconc_ctx_cancel(*out_made);
        return *out_made;
    default:
        return NULL;
    }
}

static bool is_expected(int err)
{
    return err == 0 || err == EAGAIN || err == EPIPE || err == ECANCELED || err == ETIMEDOUT;
}

static void sender_run(struct round *round, uint32_t sender)
{
    struct support_random random = support_random_make(round->seed, sender);
    uint32_t next = 0;
    int err = 0;
    while (next < round->each && err != EPIPE) {
        struct element batch[MOST_BATCH];
        cconc_ctx_mem mem;
        cconc_ctx *made;
        cconc_ctx *ctx = some_ctx(round, &random, &mem, &made);
        uint32_t most = round->each - next < MOST_BATCH ? round->each - next : MOST_BATCH;
        uint32_t count = 1 + support_random_below(&random, most);
        size_t went = 0;
        for (uint32_t i = 0; i < count; i++) {
            batch[i] = (struct element){sender, next + i, element_check(sender, next + i)};
        }
        switch (support_random_below(&random, 4)) {
        case 0:
            err = cconc_chan_send_n(round->ch, ctx, batch, count, &went);
            break;
        case 1:
            err = cconc_chan_try_send(round->ch, batch);
            went = err == 0;
            break;
        default:
            err = cconc_chan_send(round->ch, ctx, batch);
            went = err == 0;
        }
        SUPPORT_CHECK(is_expected(err) && (err == 0 || went < count));
        next += (uint32_t)went;
        cconc_ctx_free(made);
    }
    SUPPORT_CHECK(err != EPIPE || round->is_closing);
    atomic_store(&round->sent[sender], next);
    if (atomic_fetch_sub(&round->senders_left, 1) == 1) {
        (void)cconc_chan_close(round->ch);
    }
}

/* Note element as seen; the numbers of one sender must rise for each receiver. */
static void check_element(struct round *round, const struct element *element, int64_t *last)
{
    SUPPORT_CHECK(element->sender < round->senders && element->number < round->each);
    SUPPORT_CHECK(element->check == element_check(element->sender, element->number));
    SUPPORT_CHECK((int64_t)element->number > last[element->sender]);
    last[element->sender] = element->number;
    SUPPORT_CHECK(atomic_fetch_add(&round->seen[element->sender][element->number], 1) == 0);
    atomic_fetch_add(&round->received, 1);
}

static void receiver_run(struct round *round, uint32_t receiver)
{
    struct support_random random = support_random_make(round->seed, 100 + receiver);
    int64_t last[MOST_THREADS];
    int err = 0;
    memset(last, -1, sizeof(last));
    while (err != EPIPE) {
        struct element batch[MOST_BATCH];
        cconc_ctx_mem mem;
        cconc_ctx *made;
        cconc_ctx *ctx = some_ctx(round, &random, &mem, &made);
        size_t came = 0;
        switch (support_random_below(&random, 4)) {
        case 0:
            err = cconc_chan_recv_n(round->ch, ctx, batch,
                                    1 + support_random_below(&random, MOST_BATCH), &came);
            break;
        case 1:
            err = cconc_chan_try_recv(round->ch, batch);
            came = err == 0;
            break;
        default:
            err = cconc_chan_recv(round->ch, ctx, batch);
            came = err == 0;
        }
        SUPPORT_CHECK(is_expected(err) && (err == 0) == (came > 0));
        for (size_t i = 0; i < came; i++) {
            check_element(round, &batch[i], last);
        }
        cconc_ctx_free(made);
    }
}

static void thread_run(void *arg, size_t index)
{
    struct round *round = arg;
    if (index < round->senders) {
        sender_run(round, (uint32_t)index);
    } else if (index < round->senders + round->receivers) {
        receiver_run(round, (uint32_t)index - round->senders);
    } else { /* the one that closes in the middle */
        struct support_random random = support_random_make(round->seed, 200);
        SUPPORT_CHECK(cconc_ctx_sleep(NULL, support_random_below(&random, 2000) * CCONC_US) == 0);
        (void)cconc_chan_close(round->ch);
    }
}

static void run_round(struct round *round, struct support_random *random)
{
    static const size_t caps[] = {0, 0, 1, 2, 3, 8, 64, 1000};
    unsigned long long sent = 0;
    memset(round, 0, sizeof(*round));
    round->seed = support_random_next(random);
    round->senders = 1 + support_random_below(random, MOST_THREADS);
    round->receivers = 1 + support_random_below(random, MOST_THREADS);
    round->each = 1 + support_random_below(random, MOST_VALUES);
    round->is_closing = support_random_below(random, 3) == 0;
    round->with_deadlines = support_random_below(random, 2) == 0;
    atomic_store(&round->senders_left, round->senders);
    size_t cap = caps[support_random_below(random, sizeof(caps) / sizeof(caps[0]))];
    SUPPORT_CHECK(cconc_chan_new(sizeof(struct element), cap, &round->ch) == 0);
    size_t count = (size_t)round->senders + round->receivers + round->is_closing;
    support_threads_join(support_threads_start(count, thread_run, round));
    for (uint32_t s = 0; s < round->senders; s++) {
        uint32_t went = atomic_load(&round->sent[s]);
        SUPPORT_CHECK(round->is_closing || went == round->each);
        sent += went;
        for (uint32_t i = 0; i < round->each; i++) {
            SUPPORT_CHECK(atomic_load(&round->seen[s][i]) == (i < went ? 1 : 0));
        }
    }
    SUPPORT_CHECK(sent == atomic_load(&round->received));
    SUPPORT_CHECK(cconc_chan_len(round->ch) == 0);
    cconc_chan_free(round->ch);
}

int main(int argc, char **argv)
{
    support_start(argc, argv, NULL);
    struct support_random random = support_random_make(support_stress_begin("chan"), 0);
    struct round *round = malloc(sizeof(*round));
    unsigned long long moved = 0;
    int rounds = 0;
    SUPPORT_CHECK(round);
    do {
        run_round(round, &random);
        moved += atomic_load(&round->received);
        rounds++;
    } while (support_stress_open());
    free(round);
    support_leak_check();
    printf("chan: %d rounds, %llu values\n", rounds, moved);
    return 0;
}
