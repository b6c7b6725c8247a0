/* chan.c - the cells of the channel: one thread, streams, rendezvous, rings
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

static cconc_chan *chan_make(size_t cap)
{
    cconc_chan *ch;
    BENCH(cconc_chan_new(sizeof(uint64_t), cap, &ch));
    return ch;
}

static uint64_t one_thread(uint64_t ops)
{
    cconc_chan *ch = chan_make(1);
    for (uint64_t i = 0; i < ops; i++) {
        uint64_t value;
        BENCH(cconc_chan_send(ch, NULL, &i));
        BENCH(cconc_chan_recv(ch, NULL, &value));
        bench_sink += value;
    }
    cconc_chan_free(ch);
    return ops;
}

/* ---- many to many --------------------------------------------------------------------------- */

struct stream {
    cconc_chan *ch;
    uint64_t    each; /* elements of one sender */
};

static int stream_send(cconc_ctx *ctx, void *arg)
{
    const struct stream *s = arg;
    (void)ctx;
    for (uint64_t i = 0; i < s->each; i++) {
        BENCH(cconc_chan_send(s->ch, NULL, &i));
    }
    return 0;
}

static int stream_recv(cconc_ctx *ctx, void *arg)
{
    const struct stream *s = arg;
    uint64_t sum = 0;
    uint64_t value;
    (void)ctx;
    while (cconc_chan_recv(s->ch, NULL, &value) == 0) {
        sum += value;
    }
    __atomic_add_fetch(&bench_sink, sum, __ATOMIC_RELAXED);
    return 0;
}

static uint64_t stream(size_t senders, size_t receivers, size_t cap, uint64_t ops)
{
    struct stream s = {chan_make(cap), bench_share(ops, senders)};
    cconc_group *sending;
    cconc_group *receiving;
    BENCH(cconc_group_new(NULL, NULL, &sending));
    BENCH(cconc_group_new(NULL, NULL, &receiving));
    for (size_t i = 0; i < senders; i++) {
        BENCH(cconc_group_go(sending, NULL, stream_send, &s));
    }
    for (size_t i = 0; i < receivers; i++) {
        BENCH(cconc_group_go(receiving, NULL, stream_recv, &s));
    }
    BENCH(cconc_group_wait(sending, NULL, NULL));
    BENCH(cconc_chan_close(s.ch));
    BENCH(cconc_group_wait(receiving, NULL, NULL));
    cconc_group_free(sending);
    cconc_group_free(receiving);
    cconc_chan_free(s.ch);
    return s.each * senders;
}

static uint64_t spsc_cap1024(uint64_t ops)
{
    return stream(1, 1, 1024, ops);
}

static uint64_t spsc_cap64(uint64_t ops)
{
    return stream(1, 1, 64, ops);
}

static uint64_t spsc_cap1(uint64_t ops)
{
    return stream(1, 1, 1, ops);
}

static uint64_t spsc_cap0(uint64_t ops)
{
    return stream(1, 1, 0, ops);
}

static uint64_t mpsc4_cap64(uint64_t ops)
{
    return stream(4, 1, 64, ops);
}

static uint64_t spmc4_cap64(uint64_t ops)
{
    return stream(1, 4, 64, ops);
}

static uint64_t mpmc2x2_cap64(uint64_t ops)
{
    return stream(2, 2, 64, ops);
}

static uint64_t mpmc8x8_cap64(uint64_t ops)
{
    return stream(8, 8, 64, ops);
}

static uint64_t mpmc64x64_cap64(uint64_t ops)
{
    return stream(64, 64, 64, ops);
}

static uint64_t mpmc8x8_cap0(uint64_t ops)
{
    return stream(8, 8, 0, ops);
}

/* ---- there and back ------------------------------------------------------------------------- */

struct hop {
    cconc_chan *from;
    cconc_chan *to;
};

/* Pass on what comes until there is no more, then close. */
static int hop_run(cconc_ctx *ctx, void *arg)
{
    const struct hop *hop = arg;
    uint64_t value;
    (void)ctx;
    while (cconc_chan_recv(hop->from, NULL, &value) == 0) {
        BENCH(cconc_chan_send(hop->to, NULL, &value));
    }
    BENCH(cconc_chan_close(hop->to));
    return 0;
}

/* Send each element through hops tasks and take it back. */
static void there_and_back(size_t hops, size_t cap, uint64_t rounds)
{
    struct hop chain[100];
    cconc_chan *first = chan_make(cap);
    cconc_chan *last = first;
    cconc_group *group;
    BENCH(cconc_group_new(NULL, NULL, &group));
    for (size_t i = 0; i < hops; i++) {
        chain[i].from = last;
        chain[i].to = last = chan_make(cap);
        BENCH(cconc_group_go(group, NULL, hop_run, &chain[i]));
    }
    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t value;
        BENCH(cconc_chan_send(first, NULL, &i));
        BENCH(cconc_chan_recv(last, NULL, &value));
    }
    BENCH(cconc_chan_close(first));
    BENCH(cconc_group_wait(group, NULL, NULL));
    cconc_group_free(group);
    for (size_t i = 0; i < hops; i++) {
        cconc_chan_free(chain[i].to);
    }
    cconc_chan_free(first);
}

static uint64_t pingpong_cap1(uint64_t ops)
{
    there_and_back(1, 1, ops);
    return ops;
}

static uint64_t pingpong_cap0(uint64_t ops)
{
    there_and_back(1, 0, ops);
    return ops;
}

static uint64_t ring100_cap0(uint64_t ops)
{
    uint64_t rounds = bench_share(ops, 100);
    there_and_back(100, 0, rounds);
    return rounds * 100;
}

const struct bench_cell bench_chan[] = {
    {"chan_1t_cap1", 5000000, one_thread},
    {"chan_spsc_cap1024", 5000000, spsc_cap1024},
    {"chan_spsc_cap64", 5000000, spsc_cap64},
    {"chan_spsc_cap1", 2000000, spsc_cap1},
    {"chan_spsc_cap0", 2000000, spsc_cap0},
    {"chan_mpsc4_cap64", 5000000, mpsc4_cap64},
    {"chan_spmc4_cap64", 5000000, spmc4_cap64},
    {"chan_mpmc2x2_cap64", 5000000, mpmc2x2_cap64},
    {"chan_mpmc8x8_cap64", 2000000, mpmc8x8_cap64},
    {"chan_mpmc64x64_cap64", 1000000, mpmc64x64_cap64},
    {"chan_mpmc8x8_cap0", 1000000, mpmc8x8_cap0},
    {"chan_pingpong_cap1", 500000, pingpong_cap1},
    {"chan_pingpong_cap0", 500000, pingpong_cap0},
    {"chan_ring100_cap0", 100000, ring100_cap0},
    {NULL, 0, NULL},
};
