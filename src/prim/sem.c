/* sem.c - how a semaphore counts, and who comes next
 * SPDX-License-Identifier: MIT
 *
 * Idea        While nobody has to wait the permits lie in one word, and acquire and release are one
 *             compare-and-swap each. Whoever cannot go on with that freezes the word: takes what
 *             lies in it and leaves SEM_FROZEN, which sends everybody to the lock. When nobody is
 *             in the way any more, the permits go back into the word.
 * Picture     word = permits << 1   --freeze--> SEM_FROZEN, permits in available
 *                  ^                                |
 *                  +------- thaw: no one blocks, 0 <= available
 * Invariants  I1 permits in the word + available + held = capacity; available is 0 while the word
 *                is not frozen.
 *             I2 While somebody is queued whose n is not above the capacity, the word is frozen.
 *             I3 Of those, the first does not fit whenever the lock is free.
 * Locks       mu, rank SEM: the (m) fields, and freezing. Grants are claimed under it, woken after.
 * Ordering    sem.1  sem_quick_release(): cas rel, sem_settle_locked(): store rel ->
 *                    sem_quick_acquire(): cas acq, sem_freeze_locked(): swap acq
 *                    what came before release; to a waiter by mu and [park.1]
 * Lifetime    Queued nodes lie on their owners' stacks, who leave under mu.
 * Rejected    A lock and a queue alone, as Go has it: two calls of it for each pair.
 *             The permits in a 64-bit word: small cores have no such compare-and-swap. What does
 *             not fit into the word of a pointer's size stays frozen, and is correct, if slower. */
#include <cconc/sem.h>
#include <cconc/static.h>

#include "core/lock.h"
#include "core/must.h"
#include "core/storage.h"
#include "core/waiter.h"
#include "plat/alloc.h"
#include "plat/atomic.h"

#include <errno.h>

#define SEM_FROZEN ((size_t)1)
#define SEM_ONE ((size_t)2)
#define SEM_MOST ((ATOM_IS_WIDE ? SIZE_MAX : UINT32_MAX) / SEM_ONE) /* what fits into the word */

/* Key  (i) immutable after new  (a) atomic  (m) under mu */
struct cconc_sem {
    atom_size word;      /* (a) permits << 1, or SEM_FROZEN [sem.1] */
    atom_size most;      /* (a) of the capacity, what a word can hold */
    lock      mu;        /* rank SEM */
    int64_t   capacity;  /* (m) */
    int64_t   available; /* (m) not those in the word; negative after resize */
    bool      resized;   /* (m) ever */
    bool      in_storage; /* (i) the caller's */
    waitq     queue;     /* (m) elem of each node is its n, an int64_t */
};

_Static_assert(STORAGE_FITS(cconc_sem, cconc_sem_storage), "a semaphore fits its storage");

static int64_t sem_wish(const wait_node *node)
{
    return *(const int64_t *)node->elem;
}

static size_t sem_most(int64_t capacity)
{
    return (uint64_t)capacity < SEM_MOST ? (size_t)capacity : SEM_MOST;
}

/* Take n from the word. Returns false if it is frozen or holds fewer. */
static bool sem_quick_acquire(cconc_sem *sem, int64_t n)
{
    size_t word = atom_load_rlx(&sem->word); /* rlx: the swap below decides */
    while (!(word & SEM_FROZEN) && (uint64_t)n <= word / SEM_ONE) {
        /* [sem.1] acq: what came before the release of what we take */
        if (atom_cas_weak_acq_acq(&sem->word, &word, word - (size_t)n * SEM_ONE)) {
            return true;
        }
    }
    return false;
}

/* Put n into the word. Returns false if it is frozen, or n looks like more than is held. */
static bool sem_quick_release(cconc_sem *sem, int64_t n)
{
    size_t word = atom_load_rlx(&sem->word); /* rlx: the swap below decides */
    while (!(word & SEM_FROZEN)) {
        size_t most = atom_load_rlx(&sem->most); /* rlx: if not so, the lock decides */
        if ((uint64_t)n + word / SEM_ONE > most) { /* each below 2^63 */
            return false;
        }
        /* [sem.1] rel: for whoever takes these */
        if (atom_cas_weak_rel_rlx(&sem->word, &word, word + (size_t)n * SEM_ONE)) {
            return true;
        }
    }
    return false;
}

/* Bring all permits under the lock. */
static void sem_freeze_locked(cconc_sem *sem)
{
    size_t word = atom_swap_acq(&sem->word, SEM_FROZEN); /* [sem.1] acq: for those we serve */
    cconc__lock_assert_held(&sem->mu);
    if (!(word & SEM_FROZEN)) {
        sem->available = (int64_t)(word / SEM_ONE);
    }
}

static bool sem_fits_locked(cconc_sem *sem, int64_t n)
{
    cconc__lock_assert_held(&sem->mu);
    return n == 0 || n <= sem->available;
}

/* The first in line: one that asks for more than there ever is keeps its place, blocks nobody. */
static wait_node *sem_first_locked(cconc_sem *sem)
{
    const list_link *head = &sem->queue.list;
    cconc__lock_assert_held(&sem->mu);
    for (list_link *link = head->next; link != head; link = link->next) {
        wait_node *node = LIST_OF(link, wait_node, link);
        if (sem_wish(node) <= sem->capacity) {
            return node;
        }
    }
    return NULL;
}

/* Serve who fits from the head on, and thaw if nobody is left who blocks. */
static void sem_settle_locked(cconc_sem *sem, wake_batch *batch)
{
    wait_node *node = sem_first_locked(sem);
    cconc__lock_assert_held(&sem->mu);
    while (node && sem_fits_locked(sem, sem_wish(node))) {
        int64_t n = sem_wish(node);
        waitq_remove(&sem->queue, node);
        if (waiter_claim(node->w, CLAIM_GRANT, 0)) {
            sem->available -= n;
            batch_add(batch, node);
        }
        node = sem_first_locked(sem);
    }
    if (!node && sem->available >= 0 && (uint64_t)sem->available <= SEM_MOST) {
        size_t permits = (size_t)sem->available;
        sem->available = 0;
        atom_store_rel(&sem->word, permits * SEM_ONE); /* [sem.1] rel: as a release */
    }
}

/* The lock, with all permits under it; settled and woken when it is left. */
static void sem_take(cconc_sem *sem)
{
    lock_take(&sem->mu);
    sem_freeze_locked(sem);
}

static void sem_leave(cconc_sem *sem)
{
    wake_batch batch = WAKE_BATCH_INIT;
    sem_settle_locked(sem, &batch);
    lock_leave(&sem->mu);
    batch_wake(&batch);
}

/* In storage, or in memory of the library's if that is NULL. */
static int sem_make(cconc_sem_storage *storage, int64_t capacity, cconc_sem **out_sem)
{
    cconc_sem *sem;
    if (!out_sem || capacity < 0) {
        return EINVAL;
    }
    sem = storage ? storage_clear(storage, sizeof(*sem)) : cconc__alloc(sizeof(*sem));
    if (!sem) {
        return ENOMEM;
    }
    if (cconc__lock_init(&sem->mu, RANK_SEM) != 0) {
        cconc__storage_leave(sem, storage != NULL);
        return ENOMEM;
    }
    sem->in_storage = storage != NULL;
    waitq_init(&sem->queue);
    sem->capacity = capacity;
    sem->available = capacity;
    atom_init(&sem->word, SEM_FROZEN);
    atom_init(&sem->most, sem_most(capacity));
    lock_take(&sem->mu);
    sem_leave(sem);
    *out_sem = sem;
    return 0;
}

int cconc_sem_new(int64_t capacity, cconc_sem **out_sem)
{
    MUST_ALIGN(out_sem, cconc_sem *);
    return sem_make(NULL, capacity, out_sem);
}

int cconc_sem_init(cconc_sem_storage *storage, int64_t capacity, cconc_sem **out_sem)
{
    MUST_POINT(storage, cconc_sem_storage);
    MUST_ALIGN(out_sem, cconc_sem *);
    return sem_make(storage, capacity, out_sem);
}

size_t cconc_sem_sizeof(void)
{
    return sizeof(cconc_sem_storage);
}

/* Try under the lock; else queue node, unless that is NULL. Returns 0, EAGAIN, EINVAL. */
static int sem_acquire_slow(cconc_sem *sem, int64_t n, wait_node *node)
{
    int err = EAGAIN;
    sem_take(sem);
    if (n > sem->capacity && !sem->resized) {
        err = EINVAL;
    } else if (n <= sem->capacity && !sem_first_locked(sem) && sem_fits_locked(sem, n)) {
        sem->available -= n;
        err = 0;
    } else if (node) {
        waitq_push_back(&sem->queue, node);
    }
    sem_leave(sem);
    return err;
}

int cconc_sem_try_acquire(cconc_sem *sem, int64_t n)
{
    MUST_POINT(sem, cconc_sem);
    if (n < 0) {
        return EINVAL;
    }
    if (sem_quick_acquire(sem, n)) {
        return 0;
    }
    return sem_acquire_slow(sem, n, NULL);
}

/* Leave the queue, if still in it: those behind may fit now. */
static void sem_abandon(cconc_sem *sem, wait_node *node)
{
    sem_take(sem);
    if (node->queued) {
        waitq_remove(&sem->queue, node);
    }
    sem_leave(sem);
}

/* Wait in line. Returns 0 with n taken, or the code that ended it. */
static int sem_wait(cconc_sem *sem, cconc_ctx *ctx, int64_t n)
{
    waiter w;
    wait_node node;
    int err;
    cconc__waiter_arm(&w, ctx);
    wait_node_init(&node, &w, &n, 0);
    err = sem_acquire_slow(sem, n, &node);
    if (err == EAGAIN) {
        err = 0;
        cconc__waiter_park(&w, true);
        if (waiter_kind(&w) != CLAIM_GRANT) {
            sem_abandon(sem, &node);
            err = cconc__waiter_error(&w, ctx);
        }
    }
    waiter_disarm(&w);
    return err;
}

/* Tell whether n can never be had, whatever the context says. */
static bool sem_is_vain(cconc_sem *sem, int64_t n)
{
    bool vain;
    lock_take(&sem->mu);
    vain = n < 0 || (n > sem->capacity && !sem->resized);
    lock_leave(&sem->mu);
    return vain;
}

int cconc_sem_acquire(cconc_sem *sem, cconc_ctx *ctx, int64_t n)
{
    MUST_POINT(sem, cconc_sem);
    MUST_ALIGN(ctx, cconc_ctx);
    int err = cconc__node_err(ctx);
    if (n < 0 || err) {
        return sem_is_vain(sem, n) ? EINVAL : err;
    }
    if (!sem_quick_acquire(sem, n)) {
        err = sem_wait(sem, ctx, n);
        if (err) {
            return err;
        }
    }
    err = cconc__node_err(ctx);
    if (err) {
        cconc_sem_release(sem, n);
    }
    return err;
}

void cconc_sem_release(cconc_sem *sem, int64_t n)
{
    MUST_POINT(sem, cconc_sem);
    int64_t held;
    if (n >= 0 && sem_quick_release(sem, n)) {
        return;
    }
    sem_take(sem);
    held = sem->capacity - sem->available;
    if (n >= 0 && n <= held) {
        sem->available += n;
    }
    sem_leave(sem);
    MUST(n >= 0 && n <= held, "sem release of %lld permits where %lld are held", (long long)n,
         (long long)held);
}

int cconc_sem_resize(cconc_sem *sem, int64_t capacity)
{
    MUST_POINT(sem, cconc_sem);
    if (capacity < 0) {
        return EINVAL;
    }
    sem_take(sem);
    sem->available += capacity - sem->capacity;
    sem->capacity = capacity;
    sem->resized = true;
    atom_store_rlx(&sem->most, sem_most(capacity)); /* rlx: if not so, the lock decides */
    sem_leave(sem);
    return 0;
}

int64_t cconc_sem_available(const cconc_sem *sem)
{
    MUST_POINT(sem, cconc_sem);
    cconc_sem *counted = (cconc_sem *)(uintptr_t)sem;
    size_t word;
    int64_t available;
    lock_take(&counted->mu);
    word = atom_load_rlx(&counted->word); /* rlx: a hint */
    available = word & SEM_FROZEN ? counted->available : (int64_t)(word / SEM_ONE);
    lock_leave(&counted->mu);
    return available;
}

int64_t cconc_sem_capacity(const cconc_sem *sem)
{
    MUST_POINT(sem, cconc_sem);
    cconc_sem *counted = (cconc_sem *)(uintptr_t)sem;
    int64_t capacity;
    lock_take(&counted->mu);
    capacity = counted->capacity;
    lock_leave(&counted->mu);
    return capacity;
}

size_t cconc_sem_waiters(const cconc_sem *sem)
{
    MUST_POINT(sem, cconc_sem);
    cconc_sem *counted = (cconc_sem *)(uintptr_t)sem;
    size_t count;
    lock_take(&counted->mu);
    count = counted->queue.count;
    lock_leave(&counted->mu);
    return count;
}

void cconc_sem_free(cconc_sem *sem)
{
    MUST_ALIGN(sem, cconc_sem);
    if (sem) {
        size_t waiters = cconc_sem_waiters(sem);
        MUST(waiters == 0, "sem free with %zu waiters", waiters);
        cconc__lock_destroy(&sem->mu);
        cconc__storage_leave(sem, sem->in_storage);
    }
}
