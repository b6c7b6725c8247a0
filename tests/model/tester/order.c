/* order.c - who has seen what: for the race mode and the store-history mode.
 * SPDX-License-Identifier: MIT
 *
 * Race mode (MODEL_TSAN): what the tester's mutexes and parkers order is told to ThreadSanitizer,
 * which sees the atomics themselves.
 * Store-history mode (MODEL_WEAK): each atomic keeps its last stores, each with what its thread had
 * seen. A load takes any of them that is neither older than one that the loader has seen, or that
 * happened before, nor, for two operations that are sequentially consistent, than the last such
 * store. A read that writes takes the newest. Load buffering is not among it.
 */
#include "engine.h"

#if defined(MODEL_TSAN)
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
void __tsan_acquire(void *address);
void __tsan_release(void *address);

/* ThreadSanitizer tells of a race here; its own words are on standard error. */
const char *__tsan_default_options(void);
void __tsan_on_report(void *report);

const char *__tsan_default_options(void)
{
    return "halt_on_error=0:exitcode=0:report_thread_leaks=0:report_signal_unsafe=0";
}

void __tsan_on_report(void *report)
{
    (void)report;
    model.has_raced = true;
}

void order_acquire(const volatile void *object)
{
    __tsan_acquire((void *)(uintptr_t)object);
}

void order_release(const volatile void *object)
{
    __tsan_release((void *)(uintptr_t)object);
}

void order_join(fiber *to, const fiber *from)
{
    if (to == model.current) {
        __tsan_acquire((void *)(uintptr_t)from);
    } else {
        __tsan_release(to);
    }
}

/* On behalf of f, which will not come to its end. */
void order_vanish(fiber *f)
{
    const unsigned no_sync = 1;
    __tsan_switch_to_fiber(f->tsan, no_sync);
    __tsan_release(f);
    __tsan_switch_to_fiber(model.current->tsan, no_sync);
    __tsan_acquire(f);
}

void order_begin(fiber *f)
{
    __tsan_acquire(f);
}

void order_end(fiber *f)
{
    __tsan_release(f);
}
#else
void order_begin(fiber *f)
{
    (void)f;
}

void order_end(fiber *f)
{
    (void)f;
}
#endif

#if !defined(MODEL_TSAN) && !defined(MODEL_WEAK)
void order_acquire(const volatile void *object)
{
    (void)object;
}

void order_release(const volatile void *object)
{
    (void)object;
}

void order_join(fiber *to, const fiber *from)
{
    (void)to;
    (void)from;
}

void order_vanish(fiber *f)
{
    (void)f;
}
#endif

#if !defined(MODEL_WEAK)
void order_reset(void)
{
}

void order_before(const volatile void *object, size_t size)
{
    (void)object;
    (void)size;
}

void order_refresh(void)
{
}

bool order_has_newer(const fiber *f, const volatile void *object)
{
    (void)f;
    (void)object;
    return false;
}
#else

enum { STORES = 8, PLACES = 4096 };

typedef uint32_t moment[MAX_FIBERS]; /* how far each thread had come */

typedef struct store {
    uint64_t value;
    uint32_t by;
    uint32_t at;       /* how far its thread had come */
    uint32_t number;   /* among all stores */
    moment   released; /* what it carries to who acquires */
} store;

typedef struct place {
    const volatile void *address;
    uint32_t execution;
    uint32_t count;               /* stores so far; the last STORES are kept */
    uint32_t last_sc;             /* count behind the last sequentially consistent one */
    uint32_t seen[MAX_FIBERS];    /* the newest that each thread has seen, counted from 1 */
    store    stores[STORES];
    moment   released;            /* of a mutex or parker */
} place;

static place places[PLACES];
static moment seen_by[MAX_FIBERS];
static uint32_t execution;
static uint32_t numbers;
static uint32_t fresh[MAX_FIBERS]; /* each thread has seen all stores up to this number */

void order_refresh(void)
{
    fresh[model.current->id] = numbers;
}

void order_reset(void)
{
    execution++;
    numbers = 0;
    memset(fresh, 0, sizeof(fresh));
    memset(seen_by, 0, sizeof(seen_by));
}

static void moment_join(uint32_t *to, const uint32_t *from)
{
    for (int i = 0; i < MAX_FIBERS; i++) {
        to[i] = from[i] > to[i] ? from[i] : to[i];
    }
}

static place *place_of(const volatile void *address)
{
    size_t slot = ((uintptr_t)address >> 2) * UINT64_C(0x9E3779B97F4A7C15) >> 52;
    for (size_t i = 0; i < PLACES; i++) {
        place *p = &places[(slot + i) % PLACES];
        if (p->execution != execution) {
            memset(p, 0, sizeof(*p));
            p->execution = execution;
            p->address = address;
            return p;
        }
        if (p->address == address) {
            return p;
        }
    }
    model_fail(MODEL_WRONG, "more objects than the store-history mode has room for");
}

static uint64_t memory_value(const volatile void *object, size_t size)
{
    uint64_t value = 0;
    memcpy(&value, (const void *)(uintptr_t)object, size);
    return value;
}

/* What was written without an atomic is what all have seen. */
static void place_set(place *p, uint64_t value)
{
    memset(p->seen, 0, sizeof(p->seen));
    memset(p->stores, 0, sizeof(p->stores));
    p->count = 1;
    p->last_sc = 0;
    p->stores[0] = (store){.value = value};
}

static place *place_now(const volatile void *object, size_t size)
{
    place *p = place_of(object);
    uint64_t value = memory_value(object, size);
    if (p->count == 0 || p->stores[(p->count - 1) % STORES].value != value) {
        place_set(p, value);
    }
    return p;
}

void order_before(const volatile void *object, size_t size)
{
    (void)place_now(object, size);
}

static bool acquires(int order)
{
    return order == __ATOMIC_ACQUIRE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

static bool releases(int order)
{
    return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

/* How many of the newest stores may f see? At least one. */
static uint32_t visible(const place *p, const fiber *f, int order)
{
    uint32_t n = 1;
    uint32_t oldest = p->seen[f->id];
    if (order == __ATOMIC_SEQ_CST && p->last_sc > oldest) {
        oldest = p->last_sc;
    }
    while (n < STORES && n < p->count && p->count - n >= oldest && p->count - n > 0) {
        const store *newer = &p->stores[(p->count - n) % STORES];
        if (seen_by[f->id][newer->by] >= newer->at || newer->number <= fresh[f->id]) {
            break; /* this one, at least, has happened before */
        }
        n++;
    }
    return n;
}

void model_weak_load(const volatile void *object, size_t size, int order, void *inout_value)
{
    fiber *f = model.current;
    place *p;
    uint32_t n;
    uint32_t chosen = 0;
    const store *s;
    if (model.is_quiet || !f) {
        return;
    }
    p = place_now(object, size);
    n = visible(p, f, order);
    if (n > 1 && !model.is_epilogue) {
        chosen = strategy_pick(CHOICE_FAULT, n, NULL, false);
    }
    s = &p->stores[(p->count - 1 - chosen) % STORES];
    p->seen[f->id] = p->count - chosen;
    if (acquires(order)) {
        moment_join(seen_by[f->id], s->released);
    }
    memcpy(inout_value, &s->value, size);
}

void model_weak_left(const volatile void *object, size_t size, model_access access, int order)
{
    fiber *f = model.current;
    place *p;
    store *last;
    moment carried = {0};
    if (model.is_quiet || !f) {
        return;
    }
    p = place_of(object);
    if (access == MODEL_INIT || p->count == 0) {
        place_set(p, memory_value(object, size));
        return;
    }
    last = &p->stores[(p->count - 1) % STORES];
    if (access != MODEL_STORE && acquires(order)) {
        moment_join(seen_by[f->id], last->released);
    }
    p->seen[f->id] = p->count;
    if (access == MODEL_SEEN) {
        return;
    }
    if (access == MODEL_CHANGED) { /* it goes on with the release of what it read */
        memcpy(carried, last->released, sizeof(carried));
    }
    seen_by[f->id][f->id]++;
    if (releases(order)) {
        moment_join(carried, seen_by[f->id]);
    }
    last = &p->stores[p->count % STORES];
    *last = (store){.value = memory_value(object, size), .by = (uint32_t)f->id};
    last->at = seen_by[f->id][f->id];
    last->number = ++numbers;
    memcpy(last->released, carried, sizeof(carried));
    p->count++;
    p->seen[f->id] = p->count;
    if (order == __ATOMIC_SEQ_CST) {
        p->last_sc = p->count;
    }
}

bool order_has_newer(const fiber *f, const volatile void *object)
{
    const place *p = place_of(object);
    return p->count > p->seen[f->id];
}

void order_acquire(const volatile void *object)
{
    moment_join(seen_by[model.current->id], place_of(object)->released);
}

void order_release(const volatile void *object)
{
    fiber *f = model.current;
    seen_by[f->id][f->id]++;
    moment_join(place_of(object)->released, seen_by[f->id]);
}

void order_join(fiber *to, const fiber *from)
{
    moment_join(seen_by[to->id], seen_by[from->id]);
}

void order_vanish(fiber *f)
{
    order_join(model.current, f);
}
#endif
