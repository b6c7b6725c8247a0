/* limiter_keyed.c - a bucket for each key, and which keys are kept
 * SPDX-License-Identifier: MIT
 *
 * Idea        Parts, chosen by a keyed hash of the key, each with a lock, a table of lists, and a
 *             list of its keys by their last use. All buckets have one pace, so a key keeps only
 *             what differs. A bucket that is full is as good as none: who brings a new key drops
 *             such ones from the end, and the last one if there is no room.
 * Picture     part   slots: [key] -> [key]        recent: newest, ..., oldest --> goes first
 * Invariants  I1 A key is in the list of its hash and in recent, or in neither.
 *             I2 count <= most, in each part; count keys are in recent.
 * Locks       mu of each part, rank LIMITER; no two are held together. A new key is allocated
 *             before it is taken, what is dropped is freed after.
 * Ordering    None of its own: a limiter orders no memory.
 * Lifetime    A wait keeps no key: one that gives back looks for the key, and for the number that
 *             tells whether it is still the same.
 * Rejected    A thread that looks for expired keys: they cost nothing where they are but room. One
 *             list for all parts: each use would write it. */
#include <cconc/limiter_keyed.h>

#include "core/hash.h"
#include "core/list.h"
#include "core/lock.h"
#include "core/must.h"
#include "core/waiter.h"
#include "plat/alloc.h"
#include "plat/clock.h"
#include "prim/bucket.h"

#include <errno.h>
#include <string.h>

#define KEYED_PARTS 16
#define KEYED_PARTED 1024 /* keys from which on there are parts */
#define KEYED_EXPIRE 2    /* expired keys that one new key drops */

/* Key  (i) immutable  (m) under the part's lock */
typedef struct keyed_entry {
    struct keyed_entry *next; /* (m) of one hash; of those to be freed */
    list_link     recent;     /* (m) */
    uint64_t      hash;       /* (i) */
    uint64_t      number;     /* (i) of all keys the part has ever had */
    int64_t       latest_ns;  /* (m) this and the next three: see bucket.h */
    uint64_t      lack;       /* (m) */
    uint64_t      carry_ns;   /* (m) */
    uint64_t      net;        /* (m) */
    size_t        key_len;    /* (i) */
    unsigned char key[];      /* (i) */
} keyed_entry;

/* Key  (i) immutable after new  (m) under mu */
typedef struct keyed_part {
    lock          mu;         /* rank LIMITER */
    keyed_entry **slots;      /* (m) lists by hash */
    size_t        slot_count; /* (i) a power of two */
    size_t        most;       /* (i) */
    size_t        count;      /* (m) */
    uint64_t      made;       /* (m) keys ever */
    list_link     recent;     /* (m) the key used last comes first */
} keyed_part;

struct cconc_limiter_keyed {
    bucket     pace;       /* (i) a full bucket */
    hash_key   secret;     /* (i) */
    size_t     part_count; /* (i) a power of two */
    keyed_part parts[];    /* (i) by their own keys */
};

/* What is wanted of a key, and what came of it. */
typedef struct keyed_request {
    const int64_t *time_ns;  /* NULL = now */
    int32_t        n;
    bool           is_now;   /* at once or not at all */
    int64_t        until_ns; /* the latest time to act, if not */
    cconc_reservation taken; /* nothing was, if its time to act is never */
    uint64_t       number;   /* of the key */
} keyed_request;

/* A key as a caller gives it. */
typedef struct keyed_name {
    const void *bytes;
    size_t      len;
    uint64_t    hash;
    keyed_part *part;
} keyed_name;

static keyed_name keyed_name_of(cconc_limiter_keyed *set, const void *key, size_t key_len)
{
    uint64_t hash = cconc__hash_bytes(set->secret, key, key_len);
    return (keyed_name){key, key_len, hash, &set->parts[(hash >> 32) & (set->part_count - 1)]};
}

static bool keyed_is_key(const void *key, size_t key_len)
{
    return key_len <= CCONC_LIMITER_KEYED_MAX_KEY && (key || key_len == 0);
}

static bool keyed_is_vain(const cconc_limiter_keyed *set, const void *key, size_t key_len,
                          int32_t n)
{
    return n < 0 || (n > set->pace.burst && !set->pace.is_inf) || !keyed_is_key(key, key_len);
}

static bucket keyed_bucket(const cconc_limiter_keyed *set, const keyed_entry *entry)
{
    bucket b = set->pace;
    if (entry) {
        b.latest_ns = entry->latest_ns;
        b.lack = entry->lack;
        b.carry_ns = entry->carry_ns;
        b.net = entry->net;
    }
    return b;
}

static void keyed_keep(keyed_entry *entry, const bucket *b)
{
    entry->latest_ns = b->latest_ns;
    entry->lack = b->lack;
    entry->carry_ns = b->carry_ns;
    entry->net = b->net;
}

static keyed_entry **part_slot_locked(keyed_part *part, uint64_t hash)
{
    cconc__lock_assert_held(&part->mu);
    return &part->slots[(size_t)hash & (part->slot_count - 1)];
}

static keyed_entry *part_find_locked(keyed_part *part, const keyed_name *name)
{
    keyed_entry *at = *part_slot_locked(part, name->hash);
    cconc__lock_assert_held(&part->mu);
    while (at && !(at->hash == name->hash && at->key_len == name->len &&
                   (name->len == 0 || memcmp(at->key, name->bytes, name->len) == 0))) {
        at = at->next;
    }
    return at;
}

/* Take entry out, and put it before gone. Returns the list of those to be freed. */
static keyed_entry *part_drop_locked(keyed_part *part, keyed_entry *entry, keyed_entry *gone)
{
    keyed_entry **at = part_slot_locked(part, entry->hash);
    cconc__lock_assert_held(&part->mu);
    while (*at != entry) {
        at = &(*at)->next;
    }
    *at = entry->next;
    list_remove(&entry->recent);
    part->count--;
    entry->next = gone;
    return entry;
}

/* Make room for one key: drop what has expired at now_ns, and the oldest if that is not enough. */
static keyed_entry *part_make_room_locked(cconc_limiter_keyed *set, keyed_part *part,
                                          int64_t now_ns)
{
    keyed_entry *gone = NULL;
    cconc__lock_assert_held(&part->mu);
    for (int i = 0; i < KEYED_EXPIRE && part->count > 0; i++) {
        keyed_entry *oldest = LIST_OF(part->recent.prev, keyed_entry, recent);
        bucket b = keyed_bucket(set, oldest);
        cconc__bucket_settle(&b, now_ns);
        if (b.lack > 0 && part->count < part->most) {
            break;
        }
        gone = part_drop_locked(part, oldest, gone);
    }
    return gone;
}

static void part_insert_locked(keyed_part *part, const keyed_name *name, keyed_entry *entry)
{
    keyed_entry **slot = part_slot_locked(part, name->hash);
    cconc__lock_assert_held(&part->mu);
    entry->hash = name->hash;
    entry->number = part->made++;
    entry->key_len = name->len;
    if (name->len > 0) {
        memcpy(entry->key, name->bytes, name->len);
    }
    entry->next = *slot;
    *slot = entry;
    list_push_front(&part->recent, &entry->recent);
    part->count++;
    CHECK(part->count <= part->most);
}

static void keyed_free_list(keyed_entry *gone)
{
    while (gone) {
        keyed_entry *next = gone->next;
        cconc__alloc_free(gone);
        gone = next;
    }
}

static int64_t keyed_time(const keyed_request *take)
{
    return take->time_ns ? *take->time_ns : plat_clock_now();
}

/* Make sure that name has an entry. Returns NULL if there is no memory; the lock is held then, too.
 * *out_gone are those to be freed. */
static keyed_entry *part_bring_locked(cconc_limiter_keyed *set, const keyed_name *name,
                                      const keyed_request *take, keyed_entry **out_gone)
{
    keyed_part *part = name->part;
    keyed_entry *fresh;
    keyed_entry *entry;
    cconc__lock_assert_held(&part->mu);
    lock_leave(&part->mu); /* another may bring the key meanwhile */
    fresh = cconc__alloc(sizeof(*fresh) + name->len);
    lock_take(&part->mu);
    entry = part_find_locked(part, name);
    if (entry || !fresh) {
        if (fresh) {
            fresh->next = NULL;
            *out_gone = fresh;
        }
        return entry;
    }
    *out_gone = part_make_room_locked(set, part, keyed_time(take));
    part_insert_locked(part, name, fresh);
    keyed_keep(fresh, &set->pace);
    return fresh;
}

/* The longest wait that take allows at now_ns; below 0 if its deadline is before that. */
static int64_t keyed_max_wait(const keyed_request *take, const bucket *b, int64_t now_ns)
{
    if (take->is_now || take->until_ns == PLAT_NEVER) {
        return take->is_now ? 0 : PLAT_NEVER;
    }
    return take->until_ns - bucket_counted(b, now_ns);
}

/* Do what take says. Returns 0, ETIMEDOUT, ENOMEM. */
static int keyed_take(cconc_limiter_keyed *set, const keyed_name *name, keyed_request *take)
{
    keyed_part *part = name->part;
    keyed_entry *gone = NULL;
    keyed_entry *entry;
    int64_t now_ns;
    bucket b;
    int err;
    lock_take(&part->mu);
    entry = part_find_locked(part, name);
    if (!entry && take->n > 0 && !set->pace.is_inf) {
        entry = part_bring_locked(set, name, take, &gone);
        if (!entry) {
            lock_leave(&part->mu);
            return ENOMEM;
        }
    }
    b = keyed_bucket(set, entry);
    now_ns = keyed_time(take);
    err = cconc__bucket_take(&b, now_ns, take->n, keyed_max_wait(take, &b, now_ns), &take->taken);
    if (entry) {
        list_remove(&entry->recent);
        list_push_front(&part->recent, &entry->recent);
        take->number = entry->number;
        if (!err && (take->is_now || take->taken.act_ns != PLAT_NEVER)) {
            keyed_keep(entry, &b);
        }
    }
    lock_leave(&part->mu);
    keyed_free_list(gone);
    return err;
}

static int keyed_allow(cconc_limiter_keyed *set, const int64_t *time_ns, const void *key,
                       size_t key_len, int32_t n)
{
    keyed_request take = {.time_ns = time_ns, .n = n, .is_now = true};
    keyed_name name;
    int err;
    if (keyed_is_vain(set, key, key_len, n)) {
        return EINVAL;
    }
    name = keyed_name_of(set, key, key_len);
    err = keyed_take(set, &name, &take);
    return err == ETIMEDOUT ? EAGAIN : err;
}

/* The slots of one of set's parts, which keeps up to most keys. Returns 0 or ENOMEM. */
static int part_init(keyed_part *part, size_t most)
{
    int err;
    part->most = most;
    part->slot_count = 1;
    while (part->slot_count < most) {
        part->slot_count *= 2;
    }
    list_init(&part->recent);
    part->slots = cconc__alloc(part->slot_count * sizeof(keyed_entry *));
    if (!part->slots) {
        return ENOMEM;
    }
    err = cconc__lock_init(&part->mu, RANK_LIMITER);
    if (err) {
        cconc__alloc_free(part->slots);
    }
    return err;
}

/* Free the first count parts, and set. */
static void keyed_free(cconc_limiter_keyed *set, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        keyed_part *part = &set->parts[i];
        while (!list_is_empty(&part->recent)) {
            keyed_entry *entry = LIST_OF(part->recent.next, keyed_entry, recent);
            list_remove(&entry->recent);
            cconc__alloc_free(entry);
        }
        cconc__lock_destroy(&part->mu);
        cconc__alloc_free(part->slots);
    }
    cconc__alloc_free(set);
}

int cconc_limiter_keyed_new(double rate, int32_t burst, size_t max_keys,
                            cconc_limiter_keyed **out_limiter)
{
    MUST_ALIGN(out_limiter, cconc_limiter_keyed *);
    cconc_limiter_keyed *set;
    size_t part_count = max_keys < KEYED_PARTED ? 1 : KEYED_PARTS;
    bucket pace;
    if (!out_limiter || max_keys == 0 || cconc__bucket_init(&pace, rate, burst) != 0) {
        return EINVAL;
    }
    if (max_keys > SIZE_MAX / 4 / sizeof(keyed_entry *)) {
        return ENOMEM;
    }
    set = cconc__alloc(sizeof(*set) + part_count * sizeof(keyed_part));
    if (!set) {
        return ENOMEM;
    }
    set->pace = pace;
    set->secret = cconc__hash_key();
    set->part_count = part_count;
    for (size_t i = 0; i < part_count; i++) {
        if (part_init(&set->parts[i], max_keys / part_count) != 0) {
            keyed_free(set, i);
            return ENOMEM;
        }
    }
    *out_limiter = set;
    return 0;
}

int cconc_limiter_keyed_allow(cconc_limiter_keyed *limiter, const void *key, size_t key_len,
                              int32_t n)
{
    MUST_POINT(limiter, cconc_limiter_keyed);
    return keyed_allow(limiter, NULL, key, key_len, n);
}

int cconc_limiter_keyed_allow_at(cconc_limiter_keyed *limiter, int64_t time_ns, const void *key,
                                 size_t key_len, int32_t n)
{
    MUST_POINT(limiter, cconc_limiter_keyed);
    return keyed_allow(limiter, &time_ns, key, key_len, n);
}

/* The wait has ended early: give back what it took if the key is still the same. */
static void keyed_give_back(cconc_limiter_keyed *set, const keyed_name *name,
                            const keyed_request *take)
{
    keyed_entry *entry;
    lock_take(&name->part->mu);
    entry = part_find_locked(name->part, name);
    if (entry && entry->number == take->number) {
        bucket b = keyed_bucket(set, entry);
        cconc__bucket_give_back(&b, plat_clock_now(), &take->taken);
        keyed_keep(entry, &b);
    }
    lock_leave(&name->part->mu);
}

int cconc_limiter_keyed_wait(cconc_limiter_keyed *limiter, cconc_ctx *ctx, const void *key,
                             size_t key_len, int32_t n)
{
    MUST_POINT(limiter, cconc_limiter_keyed);
    MUST_ALIGN(ctx, cconc_ctx);
    keyed_request take = {.n = n, .until_ns = cconc__node_deadline(ctx)};
    keyed_name name;
    int err;
    if (keyed_is_vain(limiter, key, key_len, n)) {
        return EINVAL;
    }
    err = cconc__node_err(ctx);
    if (err) {
        return err;
    }
    name = keyed_name_of(limiter, key, key_len);
    err = keyed_take(limiter, &name, &take);
    if (err) {
        cconc__node_expire(ctx); /* if its deadline has passed already */
        return err;
    }
    if (take.taken.act_ns == PLAT_NEVER && !cconc__node_can_end(ctx)) {
        return EDEADLK;
    }
    err = cconc__waiter_sleep(ctx, take.taken.act_ns);
    if (err && take.taken.act_ns != PLAT_NEVER) {
        keyed_give_back(limiter, &name, &take);
    }
    return err;
}

/* The bucket of a key, as of now. */
static bucket keyed_look(cconc_limiter_keyed *set, const void *key, size_t key_len)
{
    keyed_name name = keyed_name_of(set, key, key_len);
    bucket b;
    lock_take(&name.part->mu);
    b = keyed_bucket(set, part_find_locked(name.part, &name));
    cconc__bucket_settle(&b, plat_clock_now());
    lock_leave(&name.part->mu);
    return b;
}

int64_t cconc_limiter_keyed_delay(cconc_limiter_keyed *limiter, const void *key, size_t key_len,
                                  int32_t n)
{
    MUST_POINT(limiter, cconc_limiter_keyed);
    cconc_reservation taken;
    bucket b;
    if (keyed_is_vain(limiter, key, key_len, n)) {
        return PLAT_NEVER;
    }
    b = keyed_look(limiter, key, key_len);
    (void)cconc__bucket_take(&b, b.latest_ns, n, PLAT_NEVER, &taken);
    return cconc_reservation_delay_from(&taken, b.latest_ns);
}

double cconc_limiter_keyed_tokens(cconc_limiter_keyed *limiter, const void *key, size_t key_len)
{
    MUST_POINT(limiter, cconc_limiter_keyed);
    bucket b;
    if (!keyed_is_key(key, key_len)) {
        return limiter->pace.is_inf ? CCONC_RATE_INF : limiter->pace.burst;
    }
    b = keyed_look(limiter, key, key_len);
    return cconc__bucket_tokens(&b, b.latest_ns);
}

void cconc_limiter_keyed_forget(cconc_limiter_keyed *limiter, const void *key, size_t key_len)
{
    MUST_POINT(limiter, cconc_limiter_keyed);
    keyed_entry *gone = NULL;
    keyed_entry *entry;
    keyed_name name;
    if (!keyed_is_key(key, key_len)) {
        return;
    }
    name = keyed_name_of(limiter, key, key_len);
    lock_take(&name.part->mu);
    entry = part_find_locked(name.part, &name);
    if (entry) {
        gone = part_drop_locked(name.part, entry, NULL);
    }
    lock_leave(&name.part->mu);
    keyed_free_list(gone);
}

size_t cconc_limiter_keyed_len(cconc_limiter_keyed *limiter)
{
    MUST_POINT(limiter, cconc_limiter_keyed);
    size_t count = 0;
    for (size_t i = 0; i < limiter->part_count; i++) {
        keyed_part *part = &limiter->parts[i];
        lock_take(&part->mu);
        count += part->count;
        lock_leave(&part->mu);
    }
    return count;
}

void cconc_limiter_keyed_free(cconc_limiter_keyed *limiter)
{
    MUST_ALIGN(limiter, cconc_limiter_keyed);
    if (limiter) {
        keyed_free(limiter, limiter->part_count);
    }
}
