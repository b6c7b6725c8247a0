/* flight_table.c - where flights are found, and where their memory comes from
 * SPDX-License-Identifier: MIT
 *
 * Idea        Shards, chosen by a keyed hash of the key, each with a lock and lists of flights. A
 *             record that has been used is left in its shard's one-place box for the next flight,
 *             contexts and all; what does not fit there is freed. A record, as a result, may
 *             outlive the table: each shard counts what is out, and the last one home frees all.
 * Picture     hash: | shard ... | slot |       shard --> slots: [flight] -> [flight]
 *                                              spare: [record], or the shard itself: closed
 * Invariants  I1 A flight that is listed is in the list of its hash, once; one with callers is the
 *                only one of its key.
 *             I2 kept is in order of until_ns, and the timer is armed for its first. Whoever looks
 *                for one before the timer rings takes it out of its list, no more: no value is
 *                destroyed by a caller who has just boarded.
 *             I3 With used at 0 the slots are the shard's own: an empty table holds no memory but
 *                itself and the spare records.
 * Locks       mu of each shard, rank FLIGHT. No two are held together. Contexts are ended and
 *             searches made under it (ranks CTX and RING follow).
 * Ordering    spare.1  cconc__flight_give_back(): cas rel -> cconc__flight_take_spare(),
 *                      shard_close(): swap acq    all that the record's last flight wrote
 *             [ref.1] (node.c): every use of a shard before the table's memory goes.
 * Lifetime    users counts a shard's records, its armed timer and its being open; refs of the table
 *             counts shards in use. Values are destroyed last of all, under nothing.
 * Rejected    A free list under the lock: one more lock a flight. A count of records in the table:
 *             a word that every flight of every thread writes. */
#include "prim/flight.h"

#include "core/must.h"
#include "core/quiet.h"
#include "plat/alloc.h"
#include "plat/clock.h"
#include "plat/cpu.h"
#include "plat/thread.h"

#include <errno.h>
#include <string.h>

#define FLIGHT_SHARDS_A_CPU 16
#define FLIGHT_MOST_SHARDS 256
#define FLIGHT_CROWDED 2 /* flights a slot at which the lists get shorter */

flight_shard *cconc__flight_shard(cconc_flight *set, uint64_t hash)
{
    return &set->shards[(hash >> 32) & (set->shard_count - 1)];
}

flight_shard *cconc__flight_origin(cconc_flight *set)
{
    return &set->shards[self_get()->number & (set->shard_count - 1)];
}

static flight **shard_slot_locked(flight_shard *shard, uint64_t hash)
{
    cconc__lock_assert_held(&shard->mu);
    return &shard->slots[(size_t)hash & (shard->slot_count - 1)];
}

flight *cconc__flight_find_locked(flight_shard *shard, uint64_t hash, const void *key,
                                  size_t key_len)
{
    flight *abandoned = NULL;
    cconc__lock_assert_held(&shard->mu);
    for (flight *at = *shard_slot_locked(shard, hash); at; at = at->next) {
        if (at->hash == hash && at->key_len == key_len &&
            (key_len == 0 || memcmp(at->key, key, key_len) == 0)) {
            if (at->state != FLIGHT_ABANDONED) {
                return at;
            }
            abandoned = at;
        }
    }
    return abandoned;
}

void cconc__flight_list_locked(flight_shard *shard, flight *one)
{
    flight **slot = shard_slot_locked(shard, one->hash);
    cconc__lock_assert_held(&shard->mu);
    one->next = *slot;
    *slot = one;
    one->listed = true;
    shard->used++;
}

void cconc__flight_unlist_locked(flight_shard *shard, flight *one)
{
    flight **at = shard_slot_locked(shard, one->hash);
    cconc__lock_assert_held(&shard->mu);
    CHECK(one->listed);
    while (*at != one) {
        at = &(*at)->next;
    }
    *at = one->next;
    one->listed = false;
    shard->used--;
}

/* Give the number of slots that suits the number of flights. */
static uint32_t shard_fit_locked(flight_shard *shard)
{
    cconc__lock_assert_held(&shard->mu);
    if (shard->used == 0) {
        return FLIGHT_SLOTS;
    }
    if (shard->used / FLIGHT_CROWDED > shard->slot_count) {
        CHECK(shard->slot_count <= UINT32_MAX / 4); /* that many flights are terabytes */
        return shard->slot_count * 4;
    }
    return shard->slot_count;
}

/* Move all flights into slots, of which there are count, and give the memory of the old ones. */
static flight **shard_move_locked(flight_shard *shard, flight **slots, uint32_t count)
{
    flight **old = shard->slots;
    uint32_t old_count = shard->slot_count;
    cconc__lock_assert_held(&shard->mu);
    shard->slots = slots;
    shard->slot_count = count;
    for (uint32_t i = 0; i < old_count; i++) {
        while (old[i]) {
            flight *one = old[i];
            flight **slot = shard_slot_locked(shard, one->hash);
            old[i] = one->next;
            one->next = *slot;
            *slot = one;
        }
    }
    return old == shard->small ? NULL : old;
}

bool cconc__flight_is_unfit_locked(flight_shard *shard)
{
    cconc__lock_assert_held(&shard->mu);
    return shard_fit_locked(shard) != shard->slot_count;
}

/* Without memory the lists stay as long as they are. */
void cconc__flight_fit(flight_shard *shard)
{
    flight **fresh = NULL;
    flight **old = NULL;
    uint32_t count;
    lock_take(&shard->mu);
    count = shard_fit_locked(shard);
    lock_leave(&shard->mu);
    if (count != FLIGHT_SLOTS) {
        fresh = cconc__alloc(count * sizeof(flight *));
        if (!fresh) {
            return;
        }
    }
    lock_take(&shard->mu); /* looked at anew: how many there are */
    if (count == shard_fit_locked(shard) && count != shard->slot_count) {
        old = shard_move_locked(shard, fresh ? fresh : shard->small, count);
        fresh = NULL;
    }
    lock_leave(&shard->mu);
    cconc__alloc_free(fresh);
    cconc__alloc_free(old);
}

/* ---- memory --------------------------------------------------------------------------------- */

static void set_release(cconc_flight *set)
{
    for (uint32_t i = 0; i < set->shard_count; i++) {
        flight_shard *shard = &set->shards[i];
        cconc__lock_destroy(&shard->mu);
        if (set->opts.keep_ns > 0) {
            (void)cconc__timer_release(&shard->due); /* new has failed; else free has done it */
        }
        if (shard->slots != shard->small) {
            cconc__alloc_free(shard->slots);
        }
    }
    cconc__alloc_free(set);
}

/* One user less of the shard; the table may be gone afterwards. */
static void shard_leave(flight_shard *shard)
{
    if (ref_put(&shard->users) && ref_put(&shard->set->refs)) {
        set_release(shard->set);
    }
}

flight *cconc__flight_take_spare(flight_shard *origin)
{
    return atom_swap_acq(&origin->spare, NULL); /* [spare.1] acq: the record */
}

flight *cconc__flight_make(flight_shard *origin)
{
    flight *one = cconc__alloc(sizeof(*one));
    if (one) {
        ref_get(&origin->users);
        one->origin = origin;
        one->home = origin;
        one->key = one->small_key;
    }
    return one;
}

static void flight_free(flight *one)
{
    flight_shard *origin = one->origin;
    cconc__flight_retire(one, false);
    cconc__flight_vertex_unref(one->vertex);
    cconc__alloc_free(one);
    shard_leave(origin);
}

void cconc__flight_give_back(flight *one)
{
    void *found = NULL;
    if (one->key != one->small_key) {
        cconc__alloc_free(one->key);
        one->key = one->small_key;
    }
    cconc__flight_retire(one, true);
    /* [spare.1] rel: the record; what fails is freed, once in a while for nothing */
    if (!atom_cas_weak_rel_rlx(&one->origin->spare, &found, one)) {
        flight_free(one);
    }
}

void cconc__flight_unref(flight *one)
{
    cconc_flight_destroy_fn destroy;
    void *value;
    if (!ref_put(&one->refs)) {
        return;
    }
    destroy = one->home->set->opts.destroy;
    value = one->value;
    cconc__flight_give_back(one);
    if (value && destroy) {
        destroy(value);
    }
}

/* ---- kept results --------------------------------------------------------------------------- */

/* Arm the timer for the first one. Returns true if it must be kicked. */
static bool shard_arm_locked(flight_shard *shard)
{
    cconc__lock_assert_held(&shard->mu);
    if (shard->is_armed || list_is_empty(&shard->kept)) {
        return false;
    }
    shard->is_armed = true;
    ref_get(&shard->users);
    return cconc__timer_arm(&shard->due, LIST_OF(shard->kept.next, flight, kept)->until_ns);
}

bool cconc__flight_keep_locked(flight_shard *shard, flight *one)
{
    cconc__lock_assert_held(&shard->mu);
    ref_get(&one->refs);
    one->until_ns = plat_clock_add(plat_clock_now(), shard->set->opts.keep_ns);
    one->is_kept = true;
    list_push_back(&shard->kept, &one->kept);
    shard->kept_count++;
    return shard_arm_locked(shard);
}

void cconc__flight_unkeep_locked(flight_shard *shard, flight *one)
{
    cconc__lock_assert_held(&shard->mu);
    one->is_kept = false;
    shard->kept_count--;
    cconc__flight_unlist_locked(shard, one);
}

/* Move to out_gone what is kept and need not be any more at now_ns. */
static void shard_expire_locked(flight_shard *shard, int64_t now_ns, list_link *out_gone)
{
    cconc__lock_assert_held(&shard->mu);
    while (!list_is_empty(&shard->kept)) {
        flight *one = LIST_OF(shard->kept.next, flight, kept);
        if (one->until_ns > now_ns) {
            return;
        }
        if (one->is_kept) {
            cconc__flight_unkeep_locked(shard, one);
        }
        list_remove(&one->kept);
        list_push_back(out_gone, &one->kept);
    }
}

/* Comes again if the destruction of a value ends the thread. */
static void flights_unref_go(void *arg)
{
    list_link *gone = arg;
    while (!list_is_empty(gone)) {
        flight *one = LIST_OF(gone->next, flight, kept);
        list_remove(&one->kept);
        cconc__flight_unref(one);
    }
}

/* Drop the table's references on what was kept: the last thing that the caller does. */
static void flights_unref(list_link *gone)
{
    cconc__thread_insist(flights_unref_go, gone);
}

/* On the timer service's thread. Its place is reserved for the table's life: no kick, no memory. */
static void shard_due(timer *due)
{
    flight_shard *shard = LIST_OF(due, flight_shard, due);
    list_link gone;
    bool unfit;
    list_init(&gone);
    lock_take(&shard->mu);
    shard_expire_locked(shard, plat_clock_now(), &gone);
    shard->is_armed = false;
    (void)shard_arm_locked(shard);
    unfit = cconc__flight_is_unfit_locked(shard);
    lock_leave(&shard->mu);
    if (unfit) {
        cconc__flight_fit(shard);
    }
    shard_leave(shard);
    flights_unref(&gone);
}

static const timer_ops shard_due_ops = {.fire = shard_due};

/* ---- new and free --------------------------------------------------------------------------- */

static int shard_init(flight_shard *shard, cconc_flight *set)
{
    int err = cconc__lock_init(&shard->mu, RANK_FLIGHT);
    if (err) {
        return err;
    }
    if (set->opts.keep_ns > 0) {
        err = cconc__timer_reserve(&shard->due);
    }
    if (err) {
        cconc__lock_destroy(&shard->mu);
        return err;
    }
    shard->set = set;
    shard->slots = shard->small;
    shard->slot_count = FLIGHT_SLOTS;
    list_init(&shard->kept);
    shard->due.ops = &shard_due_ops;
    atom_init(&shard->spare, NULL);
    ref_init(&shard->users, 1);
    return 0;
}

static uint32_t set_shard_count(void)
{
    uint32_t cpus = cconc__cpu_count();
    uint32_t count = FLIGHT_SHARDS_A_CPU;
    while (count < cpus * FLIGHT_SHARDS_A_CPU && count < FLIGHT_MOST_SHARDS) {
        count *= 2;
    }
    return count;
}

int cconc_flight_new(const cconc_flight_opts *opts, cconc_flight **out_set)
{
    MUST_ALIGN(opts, cconc_flight_opts);
    MUST_ALIGN(out_set, cconc_flight *);
    static const cconc_flight_opts defaults;
    uint32_t count = set_shard_count();
    cconc_flight *set;
    int err;
    opts = opts ? opts : &defaults;
    if (!out_set || opts->timeout_ns < 0 || opts->keep_ns < 0 ||
        !reserved_are_zero(opts->reserved, 4) ||
        (opts->flags & ~CCONC_FLIGHT_NO_OVERLAP) != 0) {
        return EINVAL;
    }
    set = cconc__alloc(sizeof(*set) + count * sizeof(set->shards[0]));
    if (!set) {
        return ENOMEM;
    }
    set->opts = *opts;
    set->secret = cconc__hash_key();
    for (; set->shard_count < count; set->shard_count++) {
        err = shard_init(&set->shards[set->shard_count], set);
        if (err) {
            set_release(set);
            return err;
        }
    }
    ref_init(&set->refs, count);
    *out_set = set;
    return 0;
}

/* No call is running, and no flight has a caller. What was kept goes to out_gone. */
static void shard_close(flight_shard *shard, list_link *out_gone)
{
    flight *one;
    bool disarmed;
    lock_take(&shard->mu);
    shard_expire_locked(shard, PLAT_NEVER, out_gone);
    lock_leave(&shard->mu);
    /* one that rings now is waited for by shutdown */
    disarmed = shard->set->opts.keep_ns > 0 && cconc__timer_release(&shard->due);
    if (disarmed) {
        cconc__quiet_tell();
        shard_leave(shard);
    }
    one = atom_swap_acq(&shard->spare, shard); /* [spare.1] acq: the record */
    if (one) {
        flight_free(one);
    }
    shard_leave(shard);
}

void cconc_flight_read(cconc_flight *set, cconc_flight_counts *out_counts)
{
    MUST_POINT(set, cconc_flight);
    MUST_POINT(out_counts, cconc_flight_counts);
    *out_counts = (cconc_flight_counts){0};
    for (uint32_t i = 0; i < set->shard_count; i++) {
        flight_shard *shard = &set->shards[i];
        lock_take(&shard->mu);
        out_counts->flying += shard->flying;
        out_counts->abandoned += shard->abandoned;
        out_counts->kept += shard->kept_count;
        out_counts->callers += shard->callers;
        out_counts->started += shard->started;
        lock_leave(&shard->mu);
    }
}

void cconc_flight_free(cconc_flight *set)
{
    MUST_ALIGN(set, cconc_flight);
    cconc_flight_counts counts;
    list_link gone;
    uint32_t count;
    if (!set) {
        return;
    }
    cconc_flight_read(set, &counts);
    MUST(counts.flying == 0, "flight free with %llu flights in the air",
         (unsigned long long)counts.flying);
    count = set->shard_count;
    list_init(&gone);
    for (uint32_t i = 0; i < count; i++) {
        shard_close(&set->shards[i], &gone);
    }
    flights_unref(&gone);
}
