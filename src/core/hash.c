/* hash.c - a keyed hash of bytes
 * SPDX-License-Identifier: MIT
 *
 * Idea        SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012, with
 *             one round a word and three at the end), under a secret that is drawn once a table.
 *             Keys come from requests, and so from strangers: with a hash that can be computed
 *             outside, a few thousand chosen keys make a table a list.
 * Invariants  I1 The result depends on the bytes, their number and the secret alone, not on the
 *                byte order of the machine.
 * Locks       None.
 * Ordering    None.
 * Lifetime    Nothing is kept.
 * Rejected    SipHash-2-4: twice the rounds against attacks on the output, which nobody sees here.
 *             A seeded multiply and xor: 5 ns less for a short key, and keys that collide under
 *             every seed are known for the common ones. */
#include "core/hash.h"

#include "plat/seed.h"

hash_key cconc__hash_key(void)
{
    hash_key key;
    cconc__seed_fill(&key, sizeof(key));
    return key;
}

typedef struct sip {
    uint64_t v0;
    uint64_t v1;
    uint64_t v2;
    uint64_t v3;
} sip;

static inline uint64_t sip_turn(uint64_t x, unsigned by)
{
    return (x << by) | (x >> (64 - by));
}

static inline void sip_round(sip *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = sip_turn(s->v1, 13) ^ s->v0;
    s->v3 = sip_turn(s->v3, 16) ^ s->v2;
    s->v0 = sip_turn(s->v0, 32) + s->v3;
    s->v2 += s->v1;
    s->v1 = sip_turn(s->v1, 17) ^ s->v2;
    s->v3 = sip_turn(s->v3, 21) ^ s->v0;
    s->v2 = sip_turn(s->v2, 32);
}

static inline void sip_word(sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

/* Up to 8 bytes as a little-endian number. */
static inline uint64_t sip_load(const unsigned char *at, size_t len)
{
    uint64_t word = 0;
    for (size_t i = 0; i < len; i++) {
        word |= (uint64_t)at[i] << (8 * i);
    }
    return word;
}

uint64_t cconc__hash_bytes(hash_key key, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    size_t left = len;
    sip s = {key.k0 ^ UINT64_C(0x736f6d6570736575), key.k1 ^ UINT64_C(0x646f72616e646f6d),
             key.k0 ^ UINT64_C(0x6c7967656e657261), key.k1 ^ UINT64_C(0x7465646279746573)};
    for (; left >= 8; left -= 8, at += 8) {
        sip_word(&s, sip_load(at, 8));
    }
    sip_word(&s, ((uint64_t)len << 56) | sip_load(at, left));
    s.v2 ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
