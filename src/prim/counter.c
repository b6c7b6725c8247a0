/* counter.c - how a counter is spread, and summed up
 * SPDX-License-Identifier: MIT
 *
 * Idea        Cells in cache lines of their own; a thread adds to one. All start at the first cell,
 *             and a thread whose swap there another one spoils moves on to the next, for good: so
 *             threads part exactly where they meet, as in Striped64 of java.util.concurrent.
 *             An add changes one word in one step, so whoever swaps that word out has it or not.
 *             Words of less than 64 bits hold small numbers only: one that has grown is carried
 *             over to far, under the lock that those take who sum up.
 * Picture     place 0 -> [ 17 ]   place 1 -> [ 4 ]   [ 0 ]   [ 0 ]      get: 21
 * Invariants  I1 The sum of all cells and far is what was added since new or the last take.
 *             I2 far is 0 where a word has 64 bits.
 *             I3 A cell of a narrow word passes COUNTER_HEAVY by at most a step of each thread that
 *                is about to carry.
 * Locks       mu, rank COUNTER: the (m) fields, for narrow words only.
 * Ordering    None: relaxed all over. The order in which one word changes is enough for each add to
 *             be in exactly one take, and for gets of one thread not to fall.
 * Lifetime    Cells and counter are one block.
 * Rejected    The CPU's number as the place: two calls more, and not to be had everywhere.
 *             A cell a thread: to be made on its first add, which may not fail.
 *             64-bit atomics on narrow cores: small ones have none, or hide a lock in each. */
#include <cconc/counter.h>
#include <cconc/static.h>

#include "core/lock.h"
#include "core/must.h"
#include "core/storage.h"
#include "plat/alloc.h"
#include "plat/atomic.h"
#include "plat/cpu.h"
#include "plat/tls.h"

#include <errno.h>

#define COUNTER_STEP 65536              /* narrow words: what is less goes to a cell */
#define COUNTER_HEAVY ((int64_t)1 << 30) /* narrow words: what a cell may come to before a carry */
#define COUNTER_MOST_CELLS 128u

typedef struct counter_cell {
    _Alignas(ATOM_LINE) atom_size count; /* (a) modulo its width */
} counter_cell;

/* Key  (i) immutable after new  (a) atomic  (m) under mu */
struct cconc_counter {
    counter_cell *cells;     /* (i) mask + 1 of them */
    uint32_t      mask;      /* (i) a power of two, less one */
    bool          keeps_high;/* (i) mask is 0 then */
    bool          in_storage;/* (i) the caller's; mask is 0 then */
    atom_size     peak;      /* (a) wide words: the highest value */
    lock          mu;        /* rank COUNTER */
    uint64_t      far;       /* (m) narrow words: carried from the cells, and large adds */
    int64_t       high;      /* (m) narrow words: the highest value */
};

/* A counter of one cell, which begins a cache line. */
typedef struct counter_compact {
    cconc_counter counter;
    unsigned char room[ATOM_LINE - 1 + sizeof(counter_cell)];
} counter_compact;

_Static_assert(STORAGE_FITS(counter_compact, cconc_counter_storage), "a counter fits its storage");

/* Which cell the calling thread adds to. Atomic in case that all threads share it. */
static PLAT_THREAD_LOCAL atom_u32 place;

/* What a cell holds, as a number with a sign. */
static int64_t counter_signed(size_t word)
{
    return (int64_t)(ptrdiff_t)word;
}

static uint32_t counter_mask(const cconc_counter_opts *opts)
{
    uint32_t cpus = cconc__cpu_count();
    uint32_t cells = 1;
    if (opts && (opts->compact || opts->keep_high)) {
        return 0;
    }
    while (cells < cpus && cells < COUNTER_MOST_CELLS) {
        cells *= 2;
    }
    return cells - 1;
}

/* In storage, or in memory of the library's if that is NULL. */
static int counter_make(cconc_counter_storage *storage, const cconc_counter_opts *opts,
                        cconc_counter **out_counter)
{
    uint32_t mask;
    size_t size;
    cconc_counter *counter;
    if (!out_counter || (opts && (opts->reserved[0] | opts->reserved[1]) != 0)) {
        return EINVAL;
    }
    mask = storage ? 0 : counter_mask(opts);
    size = sizeof(counter_compact) + mask * sizeof(counter_cell);
    counter = storage ? storage_clear(storage, size) : cconc__alloc(size);
    if (!counter) {
        return ENOMEM;
    }
    if (cconc__lock_init(&counter->mu, RANK_COUNTER) != 0) {
        cconc__storage_leave(counter, storage != NULL);
        return ENOMEM;
    }
    counter->in_storage = storage != NULL;
    counter->cells = alloc_first_line(counter + 1);
    counter->mask = mask;
    counter->keeps_high = opts && opts->keep_high;
    atom_init(&counter->peak, 0);
    for (uint32_t i = 0; i <= mask; i++) {
        atom_init(&counter->cells[i].count, 0);
    }
    *out_counter = counter;
    return 0;
}

int cconc_counter_new(const cconc_counter_opts *opts, cconc_counter **out_counter)
{
    MUST_ALIGN(opts, cconc_counter_opts);
    MUST_ALIGN(out_counter, cconc_counter *);
    return counter_make(NULL, opts, out_counter);
}

int cconc_counter_init(cconc_counter_storage *storage, const cconc_counter_opts *opts,
                       cconc_counter **out_counter)
{
    MUST_POINT(storage, cconc_counter_storage);
    MUST_ALIGN(opts, cconc_counter_opts);
    MUST_ALIGN(out_counter, cconc_counter *);
    return counter_make(storage, opts, out_counter);
}

size_t cconc_counter_sizeof(void)
{
    return sizeof(cconc_counter_storage);
}

/* Take what is in all cells out of them. */
static uint64_t counter_empty_cells(cconc_counter *counter)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i <= counter->mask; i++) {
        /* rlx: orders nothing, takes each add once */
        sum += (uint64_t)counter_signed(atom_swap_rlx(&counter->cells[i].count, 0));
    }
    return sum;
}

static uint64_t counter_sum_cells(const cconc_counter *counter)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i <= counter->mask; i++) {
        /* rlx: orders nothing */
        sum += (uint64_t)counter_signed(atom_load_rlx(&counter->cells[i].count));
    }
    return sum;
}

/* Add delta to far, and what the cells hold. Narrow words only. */
static void counter_carry(cconc_counter *counter, int64_t delta)
{
    lock_take(&counter->mu);
    counter->far += (uint64_t)delta + counter_empty_cells(counter);
    if ((int64_t)counter->far > counter->high) {
        counter->high = (int64_t)counter->far;
    }
    lock_leave(&counter->mu);
}

/* Add delta to the only cell, and keep the value if it is the highest. Wide words only. */
static void counter_add_high(cconc_counter *counter, int64_t delta)
{
    size_t step = (size_t)delta;
    /* rlx: orders nothing */
    size_t value = atom_add_rlx(&counter->cells[0].count, step) + step;
    size_t peak = atom_load_rlx(&counter->peak); /* rlx: the swap below decides */
    while (counter_signed(value) > counter_signed(peak) &&
           !atom_cas_weak_rlx_rlx(&counter->peak, &peak, value)) { /* rlx: orders nothing */
    }
}

/* Add delta to the calling thread's cell. Gives what the cell then holds. */
static inline size_t counter_add_cell(cconc_counter *counter, size_t delta)
{
    uint32_t mine = atom_load_rlx(&place); /* rlx: own earlier store */
    atom_size *count = &counter->cells[mine & counter->mask].count;
    size_t word = atom_load_rlx(count); /* rlx: the swap below decides */
    if (atom_cas_weak_rlx_rlx(count, &word, word + delta)) { /* rlx: orders nothing */
        return word + delta;
    }
    mine++;
    atom_store_rlx(&place, mine); /* rlx: for this thread alone */
    count = &counter->cells[mine & counter->mask].count;
    return atom_add_rlx(count, delta) + delta; /* rlx: orders nothing */
}

static bool counter_is_small(int64_t number, int64_t bound)
{
    return -bound < number && number < bound;
}

void cconc_counter_add(cconc_counter *counter, int64_t delta)
{
    MUST_POINT(counter, cconc_counter);
    if (ATOM_IS_WIDE) {
        if (counter->keeps_high) {
            counter_add_high(counter, delta);
        } else {
            (void)counter_add_cell(counter, (size_t)delta);
        }
    } else if (counter->keeps_high || !counter_is_small(delta, COUNTER_STEP)) {
        counter_carry(counter, delta);
    } else if (!counter_is_small(counter_signed(counter_add_cell(counter, (size_t)delta)),
                                 COUNTER_HEAVY)) {
        counter_carry(counter, 0);
    }
}

int64_t cconc_counter_get(const cconc_counter *counter)
{
    MUST_POINT(counter, cconc_counter);
    cconc_counter *counted = (cconc_counter *)(uintptr_t)counter;
    uint64_t sum;
    if (ATOM_IS_WIDE) {
        return (int64_t)counter_sum_cells(counter);
    }
    lock_take(&counted->mu);
    sum = counted->far + counter_sum_cells(counted);
    lock_leave(&counted->mu);
    return (int64_t)sum;
}

int64_t cconc_counter_take(cconc_counter *counter)
{
    MUST_POINT(counter, cconc_counter);
    uint64_t sum;
    if (ATOM_IS_WIDE) {
        return (int64_t)counter_empty_cells(counter);
    }
    lock_take(&counter->mu);
    sum = counter->far + counter_empty_cells(counter);
    counter->far = 0;
    lock_leave(&counter->mu);
    return (int64_t)sum;
}

int64_t cconc_counter_high(const cconc_counter *counter)
{
    MUST_POINT(counter, cconc_counter);
    cconc_counter *counted = (cconc_counter *)(uintptr_t)counter;
    int64_t high;
    MUST(counter->keeps_high, "counter high of one of %u cells that does not keep it",
         (unsigned)counter->mask + 1);
    if (ATOM_IS_WIDE) {
        return counter_signed(atom_load_rlx(&counter->peak)); /* rlx: orders nothing */
    }
    lock_take(&counted->mu);
    high = counted->high;
    lock_leave(&counted->mu);
    return high;
}

void cconc_counter_free(cconc_counter *counter)
{
    MUST_ALIGN(counter, cconc_counter);
    if (counter) {
        cconc__lock_destroy(&counter->mu);
        cconc__storage_leave(counter, counter->in_storage);
    }
}
