/* limiter.c - a bucket under a lock, and the word that stands for it while all is simple
 * SPDX-License-Identifier: MIT
 *
 * Idea        The bucket (bucket.c) lies under the lock. While the clock alone drives it, and no
 *             reservation is ahead of its time, all that can change is when it will be full: that
 *             lies in one word then, relative to a base, and allow is one compare-and-swap, a
 *             refusal one load. Whoever needs more freezes the word and has the bucket. What the
 *             lock leaves frozen says until when there is no token at all: a refusal is one load
 *             then, too.
 * Picture     word   full at, in units after base_ns (53 bits) | generation (10) | frozen (1)
 *             bucket ---thaw: when full, base_ns, pace---> word
 *                    <--freeze: when full----------------
 * Invariants  I1 While the word is not frozen the bucket's lack is the word's, counted at base_ns.
 *             I2 base_ns, period, shift and full change only while the word is frozen; the thaw
 *                that follows has a new generation. So whoever mixes old with new, and swaps, finds
 *                another word: unless it sleeps for exactly 1024 such changes, each of them a
 *                change of rate or burst, or a span of the word.
 *             I3 The word is frozen while a reservation may still be cancelled, so that the bucket
 *                counts what is taken later.
 * Locks       mu, rank LIMITER: bucket, queue, freezing. Sleepers are woken after it.
 * Ordering    lim.1  limiter_thaw_locked(): store rel -> cconc__limiter_quick(): load acq
 *                    the pace that I2 names, and that none_until is void: a freeze after it
 *                    continues the store's release sequence
 *             lim.2  limiter_pace_locked(): store rel -> cconc__limiter_quick(): load acq
 *                    the freeze before it: who read a new pace finds the word changed
 * Lifetime    Sleepers' nodes lie on their stacks.
 * Rejected    A lock for all: two threads in allow then take turns in the kernel. A word for all:
 *             a cancellation must know what was taken since, which is more than a word.
 *             A 64-bit word on small cores: they have no such compare-and-swap (0014). */
#include "prim/limiter.h"

#include "core/must.h"
#include "core/storage.h"
#include "plat/alloc.h"
#include "plat/clock.h"

#include <errno.h>

_Static_assert(STORAGE_FITS(cconc_limiter, cconc_limiter_storage), "a limiter fits its storage");

#define LIM_FROZEN ((size_t)1)
#define LIM_GENERATION ((size_t)2)
#define LIM_UNIT ((size_t)2048)
#define LIM_SPAN (SIZE_MAX / LIM_UNIT / 4) /* units: how far from base time and full may be */

/* A frozen word: some refusals need no more than the time. */
static lim_look limiter_quick_frozen(cconc_limiter *l, size_t n)
{
    size_t none_until = atom_load_rlx(&l->none_until); /* rlx: all that it says is in it */
    if (n == 0 || n > atom_load_rlx(&l->burst)) {      /* rlx: as a set_burst later or earlier */
        return LOOK_SLOW;
    }
    return none_until > 0 && (size_t)plat_clock_now() < none_until ? LOOK_TOO_FEW : LOOK_SLOW;
}

lim_look cconc__limiter_quick(cconc_limiter *l, size_t n)
{
    size_t now = (size_t)plat_clock_now();
    for (;;) {
        size_t word = atom_load_acq(&l->word);       /* [lim.1] acq: the pace it counts by */
        size_t base_ns = atom_load_acq(&l->base_ns); /* [lim.2] acq: and the word before it */
        size_t period = atom_load_acq(&l->period);   /* [lim.2] acq */
        size_t full = atom_load_acq(&l->full);       /* [lim.2] acq */
        uint32_t shift = atom_load_acq(&l->shift);   /* [lim.2] acq */
        size_t since;
        size_t next;
        if (word & LIM_FROZEN) {
            return limiter_quick_frozen(l, n);
        }
        since = now - base_ns;
        if (since > (LIM_SPAN >> shift) || n * period > full) {
            return LOOK_SLOW;
        }
        since <<= shift;
        next = (word / LIM_UNIT > since ? word / LIM_UNIT : since) + n * period;
        if (next - since > full) {
            if (atom_load_rlx(&l->word) == word) { /* rlx: after what [lim.2] acquired */
                return LOOK_TOO_FEW;
            }
        } else if (atom_cas_rlx_rlx(&l->word, &word, /* rlx: it carries nothing but itself */
                                    next * LIM_UNIT + word % LIM_UNIT)) {
            return LOOK_TAKEN;
        }
    }
}

/* Let the bucket b be what word says, which is not frozen. */
static void limiter_read_word_locked(cconc_limiter *l, size_t word, bucket *b)
{
    cconc__lock_assert_held(&l->mu);
    b->lack = b->is_inf ? 0 : word / LIM_UNIT;
    b->latest_ns = (int64_t)atom_load_rlx(&l->base_ns); /* rlx: stored under mu */
}

/* Bring the bucket up to the word. */
static void limiter_freeze_locked(cconc_limiter *l)
{
    size_t word = atom_load_rlx(&l->word); /* rlx: the swap below decides */
    cconc__lock_assert_held(&l->mu);
    if (word & LIM_FROZEN) {
        return;
    }
    while (!atom_cas_rlx_rlx(&l->word, &word, LIM_FROZEN)) { /* rlx: its pace was stored under mu */
    }
    limiter_read_word_locked(l, word, &l->bucket);
}

/* Let the word count from now_ns on, at the bucket's pace. */
static void limiter_pace_locked(cconc_limiter *l, int64_t now_ns)
{
    const bucket *b = &l->bucket;
    cconc__lock_assert_held(&l->mu);
    atom_store_rel(&l->base_ns, (size_t)now_ns);                   /* [lim.2] rel: frozen before */
    atom_store_rel(&l->period, b->is_inf ? 0 : (size_t)b->period); /* [lim.2] rel */
    atom_store_rel(&l->full, b->is_inf ? LIM_SPAN : (size_t)bucket_full(b)); /* [lim.2] rel */
    atom_store_rel(&l->shift, (uint32_t)b->shift);                           /* [lim.2] rel */
    l->generation++;
    l->has_pace = true;
}

/* Tell whether a word can stand for the bucket at now_ns; not before its first use. */
static bool limiter_is_simple_locked(cconc_limiter *l, int64_t now_ns)
{
    const bucket *b = &l->bucket;
    cconc__lock_assert_held(&l->mu);
    if (!ATOM_IS_WIDE) {
        return false;
    }
    if (l->is_explicit || b->is_stopped) {
        return false;
    }
    return b->shift >= 0 && now_ns > l->reserved_ns && now_ns >= b->latest_ns &&
           b->latest_ns != INT64_MIN &&
           (b->is_inf || bucket_full(b) <= LIM_SPAN) && b->lack <= LIM_SPAN;
}

/* Let the word stand for the bucket, if it can; else tell when there may be a token. */
static void limiter_thaw_locked(cconc_limiter *l)
{
    bucket *b = &l->bucket;
    int64_t now_ns = plat_clock_now();
    cconc__lock_assert_held(&l->mu);
    if (limiter_is_simple_locked(l, now_ns)) {
        size_t since = (size_t)now_ns - atom_load_rlx(&l->base_ns); /* rlx: stored under mu */
        cconc__bucket_settle(b, now_ns);
        if (!l->has_pace || since > (LIM_SPAN >> b->shift) / 2) {
            limiter_pace_locked(l, now_ns);
            since = 0;
        }
        atom_store_rlx(&l->none_until, 0); /* rlx: [lim.1] carries it to who finds it frozen */
        /* [lim.1] rel: the pace */
        atom_store_rel(&l->word, ((size_t)b->lack + (since << b->shift)) * LIM_UNIT +
                                     l->generation * LIM_GENERATION % LIM_UNIT);
    } else {
        int64_t next_ns = ATOM_IS_WIDE ? cconc__bucket_next(b) : 0;
        /* rlx: all that it says is in it */
        atom_store_rlx(&l->none_until, next_ns > b->latest_ns && next_ns > 0 ? (size_t)next_ns : 0);
    }
}

void cconc__limiter_take(cconc_limiter *l)
{
    lock_take(&l->mu);
    limiter_freeze_locked(l);
}

void cconc__limiter_leave(cconc_limiter *l)
{
    limiter_thaw_locked(l);
    lock_leave(&l->mu);
}

void cconc__limiter_keep_locked(cconc_limiter *l, const cconc_reservation *taken)
{
    cconc__lock_assert_held(&l->mu);
    if (taken->is_held && taken->act_ns > l->reserved_ns) {
        l->reserved_ns = taken->act_ns;
    }
}

/* Read the clock, or take *time_ns, which keeps the latest time from now on: the clock's own uses
 * count as of now. */
static int64_t limiter_time_locked(cconc_limiter *l, const int64_t *time_ns)
{
    cconc__lock_assert_held(&l->mu);
    if (!time_ns) {
        return plat_clock_now();
    }
    if (!l->is_explicit && l->bucket.latest_ns != INT64_MIN) {
        cconc__bucket_settle(&l->bucket, plat_clock_now());
    }
    l->is_explicit = true;
    return *time_ns;
}

/* In storage, or in memory of the library's if that is NULL. */
static int limiter_make(cconc_limiter_storage *storage, double rate, int32_t burst,
                        cconc_limiter **out_limiter)
{
    cconc_limiter *l;
    bucket b;
    if (!out_limiter || cconc__bucket_init(&b, rate, burst) != 0) {
        return EINVAL;
    }
    l = storage ? storage_clear(storage, sizeof(*l)) : cconc__alloc(sizeof(*l));
    if (!l) {
        return ENOMEM;
    }
    if (cconc__lock_init(&l->mu, RANK_LIMITER) != 0) {
        cconc__storage_leave(l, storage != NULL);
        return ENOMEM;
    }
    l->in_storage = storage != NULL;
    l->bucket = b;
    l->reserved_ns = INT64_MIN;
    waitq_init(&l->sleepers);
    atom_init(&l->word, LIM_FROZEN);
    atom_init(&l->burst, (uint32_t)burst);
    *out_limiter = l;
    return 0;
}

int cconc_limiter_new(double rate, int32_t burst, cconc_limiter **out_limiter)
{
    MUST_ALIGN(out_limiter, cconc_limiter *);
    return limiter_make(NULL, rate, burst, out_limiter);
}

int cconc_limiter_init(cconc_limiter_storage *storage, double rate, int32_t burst,
                       cconc_limiter **out_limiter)
{
    MUST_POINT(storage, cconc_limiter_storage);
    MUST_ALIGN(out_limiter, cconc_limiter *);
    return limiter_make(storage, rate, burst, out_limiter);
}

size_t cconc_limiter_sizeof(void)
{
    return sizeof(cconc_limiter_storage);
}

double cconc_limiter_every(int64_t interval_ns)
{
    return interval_ns > 0 ? 1e9 / (double)interval_ns : CCONC_RATE_INF;
}

static int limiter_allow(cconc_limiter *l, const int64_t *time_ns, int32_t n)
{
    cconc_reservation taken;
    int64_t now_ns;
    int err;
    cconc__limiter_take(l);
    now_ns = limiter_time_locked(l, time_ns);
    err = cconc__bucket_take(&l->bucket, now_ns, n, 0, &taken);
    cconc__limiter_leave(l);
    return err == ETIMEDOUT ? EAGAIN : err;
}

int cconc_limiter_allow(cconc_limiter *limiter, int32_t n)
{
    MUST_POINT(limiter, cconc_limiter);
    lim_look look = n < 0 ? LOOK_SLOW : cconc__limiter_quick(limiter, (size_t)n);
    if (look == LOOK_SLOW) {
        return limiter_allow(limiter, NULL, n);
    }
    return look == LOOK_TAKEN ? 0 : EAGAIN;
}

int cconc_limiter_allow_at(cconc_limiter *limiter, int64_t time_ns, int32_t n)
{
    MUST_POINT(limiter, cconc_limiter);
    return limiter_allow(limiter, &time_ns, n);
}

static int limiter_reserve(cconc_limiter *l, const int64_t *time_ns, int32_t n,
                           int64_t max_wait_ns, cconc_reservation *out_reservation)
{
    int64_t now_ns;
    int err;
    if (!out_reservation) {
        return EINVAL;
    }
    cconc__limiter_take(l);
    now_ns = limiter_time_locked(l, time_ns);
    err = cconc__bucket_take(&l->bucket, now_ns, n, max_wait_ns > 0 ? max_wait_ns : 0,
                             out_reservation);
    if (!err) {
        cconc__limiter_keep_locked(l, out_reservation);
    }
    cconc__limiter_leave(l);
    return err;
}

int cconc_limiter_reserve(cconc_limiter *limiter, int32_t n, int64_t max_wait_ns,
                          cconc_reservation *out_reservation)
{
    MUST_POINT(limiter, cconc_limiter);
    MUST_ALIGN(out_reservation, cconc_reservation);
    return limiter_reserve(limiter, NULL, n, max_wait_ns, out_reservation);
}

int cconc_limiter_reserve_at(cconc_limiter *limiter, int64_t time_ns, int32_t n,
                             int64_t max_wait_ns, cconc_reservation *out_reservation)
{
    MUST_POINT(limiter, cconc_limiter);
    MUST_ALIGN(out_reservation, cconc_reservation);
    return limiter_reserve(limiter, &time_ns, n, max_wait_ns, out_reservation);
}

int64_t cconc_reservation_time(const cconc_reservation *reservation)
{
    MUST_POINT(reservation, cconc_reservation);
    return reservation->act_ns;
}

int64_t cconc_reservation_delay_from(const cconc_reservation *reservation, int64_t time_ns)
{
    MUST_POINT(reservation, cconc_reservation);
    int64_t act_ns = reservation->act_ns;
    if (act_ns == PLAT_NEVER) {
        return PLAT_NEVER;
    }
    if (act_ns <= time_ns) {
        return 0;
    }
    return time_ns < 0 && act_ns >= PLAT_NEVER + time_ns ? PLAT_NEVER - 1 : act_ns - time_ns;
}

int64_t cconc_reservation_delay(const cconc_reservation *reservation)
{
    MUST_POINT(reservation, cconc_reservation);
    return cconc_reservation_delay_from(reservation, plat_clock_now());
}

static void limiter_cancel(cconc_limiter *l, const int64_t *time_ns, cconc_reservation *taken)
{
    cconc__limiter_take(l);
    cconc__bucket_give_back(&l->bucket, limiter_time_locked(l, time_ns), taken);
    taken->is_held = 0;
    cconc__limiter_leave_changed(l);
}

void cconc_limiter_cancel(cconc_limiter *limiter, cconc_reservation *reservation)
{
    MUST_POINT(limiter, cconc_limiter);
    MUST_POINT(reservation, cconc_reservation);
    limiter_cancel(limiter, NULL, reservation);
}

void cconc_limiter_cancel_at(cconc_limiter *limiter, int64_t time_ns,
                             cconc_reservation *reservation)
{
    MUST_POINT(limiter, cconc_limiter);
    MUST_POINT(reservation, cconc_reservation);
    limiter_cancel(limiter, &time_ns, reservation);
}

static int limiter_set_rate(cconc_limiter *l, const int64_t *time_ns, double rate)
{
    int err;
    cconc__limiter_take(l);
    err = cconc__bucket_set_rate(&l->bucket, limiter_time_locked(l, time_ns), rate);
    l->has_pace = false;
    cconc__limiter_leave_changed(l);
    return err;
}

int cconc_limiter_set_rate(cconc_limiter *limiter, double rate)
{
    MUST_POINT(limiter, cconc_limiter);
    return limiter_set_rate(limiter, NULL, rate);
}

int cconc_limiter_set_rate_at(cconc_limiter *limiter, int64_t time_ns, double rate)
{
    MUST_POINT(limiter, cconc_limiter);
    return limiter_set_rate(limiter, &time_ns, rate);
}

static int limiter_set_burst(cconc_limiter *l, const int64_t *time_ns, int32_t burst)
{
    int err;
    cconc__limiter_take(l);
    err = cconc__bucket_set_burst(&l->bucket, limiter_time_locked(l, time_ns), burst);
    atom_store_rlx(&l->burst, (uint32_t)l->bucket.burst); /* rlx: see limiter_quick_frozen() */
    l->has_pace = false;
    cconc__limiter_leave_changed(l);
    return err;
}

int cconc_limiter_set_burst(cconc_limiter *limiter, int32_t burst)
{
    MUST_POINT(limiter, cconc_limiter);
    return limiter_set_burst(limiter, NULL, burst);
}

int cconc_limiter_set_burst_at(cconc_limiter *limiter, int64_t time_ns, int32_t burst)
{
    MUST_POINT(limiter, cconc_limiter);
    return limiter_set_burst(limiter, &time_ns, burst);
}

double cconc_limiter_rate(const cconc_limiter *limiter)
{
    MUST_POINT(limiter, cconc_limiter);
    cconc_limiter *l = (cconc_limiter *)(uintptr_t)limiter;
    double rate;
    lock_take(&l->mu);
    rate = l->bucket.rate;
    lock_leave(&l->mu);
    return rate;
}

int32_t cconc_limiter_burst(const cconc_limiter *limiter)
{
    MUST_POINT(limiter, cconc_limiter);
    return (int32_t)atom_load_rlx(&limiter->burst); /* rlx: a hint */
}

static double limiter_tokens(const cconc_limiter *limiter, const int64_t *time_ns)
{
    cconc_limiter *l = (cconc_limiter *)(uintptr_t)limiter;
    int64_t now_ns;
    bucket seen;
    size_t word;
    lock_take(&l->mu);
    seen = l->bucket;
    word = atom_load_rlx(&l->word); /* rlx: its pace was stored under mu */
    now_ns = plat_clock_now();
    if (!(word & LIM_FROZEN)) {
        limiter_read_word_locked(l, word, &seen);
        cconc__bucket_settle(&seen, now_ns); /* the latest time used may be any up to now */
    }
    lock_leave(&l->mu);
    return cconc__bucket_tokens(&seen, time_ns ? *time_ns : now_ns);
}

double cconc_limiter_tokens(const cconc_limiter *limiter)
{
    MUST_POINT(limiter, cconc_limiter);
    return limiter_tokens(limiter, NULL);
}

double cconc_limiter_tokens_at(const cconc_limiter *limiter, int64_t time_ns)
{
    MUST_POINT(limiter, cconc_limiter);
    return limiter_tokens(limiter, &time_ns);
}

void cconc_limiter_free(cconc_limiter *limiter)
{
    MUST_ALIGN(limiter, cconc_limiter);
    if (limiter) {
        size_t waiters = cconc_limiter_waiters(limiter);
        MUST(waiters == 0, "limiter free with %zu waiters", waiters);
        cconc__lock_destroy(&limiter->mu);
        cconc__storage_leave(limiter, limiter->in_storage);
    }
}
