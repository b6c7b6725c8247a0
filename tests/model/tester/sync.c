/* sync.c - what threads meet at: atomics, mutexes, condition variables, parkers.
 * SPDX-License-Identifier: MIT
 *
 * The parker is one operation here, or the real one on mutex and condition variable: .low.
 */
#include "engine.h"

#include "plat/clock.h"
#include "seam/lib.h"

#include <stdio.h>

void model_atomic(const volatile void *object, size_t size, model_access access, int order)
{
    op o;
    if (model.is_quiet || !model.current) {
        return;
    }
    o = OP_HERE(OP_ATOMIC, object, access != MODEL_LOAD);
    o.access = (uint8_t)access;
    o.order = (uint8_t)order;
    o.size = (uint8_t)size;
    step_point(&o);
    memory_check_live(object, "atomic access");
    order_before(object, size);
}

bool model_cas_fails(void)
{
    return model.current && strategy_fault(MODEL_CAS);
}

/* Mutexes. */
int cconc__mutex_init(plat_mutex *mu)
{
    *mu = (plat_mutex){NULL, MODEL_MUTEX_LIVE};
    memory_note_mutex(mu, true);
    return 0;
}

void cconc__mutex_destroy(plat_mutex *mu)
{
    memory_check_live(mu, "mutex destroy");
    if (mu->state != MODEL_MUTEX_LIVE) {
        model_fail(MODEL_USE_AFTER, "a mutex is destroyed that is none");
    }
    if (mu->owner) {
        model_fail(MODEL_RULE, "a mutex is destroyed while %s has it", ((fiber *)mu->owner)->name);
    }
    mu->state = MODEL_MUTEX_DEAD;
    memory_note_mutex(mu, false);
}

static void mutex_must_be_live(const plat_mutex *mu)
{
    memory_check_live(mu, "lock");
    if (mu->state != MODEL_MUTEX_LIVE) {
        model_fail(MODEL_USE_AFTER, "a mutex is used that is none, or was destroyed");
    }
}

void model_mutex_lock(plat_mutex *mu)
{
    fiber *f = model.current;
    op o;
    if (model.is_quiet) {
        return;
    }
    if (mu->owner == f) {
        model_fail(MODEL_RULE, "%s locks a mutex that it has", f->name);
    }
    o = OP_HERE(OP_LOCK, mu, true);
    o.mu = mu;
    mutex_must_be_live(mu);
    if (mu->owner && ((const fiber *)mu->owner)->is_over) {
        model_fail(MODEL_MISUSE, "lock that a thread of the parent process held at the fork");
    }
    step_point(&o);
    mutex_must_be_live(mu);
    if (f->held_count == MAX_HELD) {
        model_fail(MODEL_RULE, "%s holds more locks than it may", f->name);
    }
    mu->owner = f;
    f->held[f->held_count++] = mu;
    order_acquire(mu);
}

static void mutex_leave(plat_mutex *mu)
{
    fiber *f = model.current;
    int at = f->held_count - 1;
    if (mu->owner != f) {
        model_fail(MODEL_RULE, "%s unlocks a mutex that it does not have", f->name);
    }
    while (at >= 0 && f->held[at] != mu) {
        at--;
    }
    f->held_count--;
    f->held[at] = f->held[f->held_count];
    order_release(mu);
    mu->owner = NULL;
    step_touch(mu, TOUCH_RELEASE);
}

void model_mutex_unlock(plat_mutex *mu)
{
    if (!model.is_quiet) {
        mutex_must_be_live(mu);
        mutex_leave(mu);
    }
}

/* Condition variables. At most one thread waits on each, see src/plat/mutex.c. */
int cconc__cond_init(plat_cond *cond)
{
    *cond = (plat_cond){NULL, 0, MODEL_MUTEX_LIVE, false};
    memory_note_mutex(cond, true);
    return 0;
}

static void cond_must_be_live(const plat_cond *cond)
{
    memory_check_live(cond, "condition variable");
    if (cond->state != MODEL_MUTEX_LIVE) {
        model_fail(MODEL_USE_AFTER, "a condition variable is used that was destroyed");
    }
}

void cconc__cond_destroy(plat_cond *cond)
{
    cond_must_be_live(cond);
    if (cond->waiter || cond->signallers > 0) {
        model_fail(MODEL_RULE, "a condition variable is destroyed while in use");
    }
    cond->state = MODEL_MUTEX_DEAD;
    memory_note_mutex(cond, false);
}

void cconc__cond_signal(plat_cond *cond)
{
    op o = OP_HERE(OP_SIGNAL, cond, true);
    cond_must_be_live(cond);
    step_point(&o);
    cond_must_be_live(cond);
    cond->is_signalled = cond->waiter != NULL;
    cond->signallers++;
    step_point(&o); /* the signaller leaves it: the system's code has a last touch, too */
    cond_must_be_live(cond);
    cond->signallers--;
}

bool cconc__cond_wait(plat_cond *cond, plat_mutex *mu, int64_t deadline_ns)
{
    fiber *f = model.current;
    op o;
    cond_must_be_live(cond);
    if (f->held_count != 1 || f->held[0] != mu) {
        model_fail(MODEL_RULE, "%s waits and holds other locks, or not its own", f->name);
    }
    if (deadline_ns != PLAT_NEVER) {
        o = OP_HERE(OP_NOW, &model.now_ns, false);
        step_point(&o);
        if (model.now_ns >= deadline_ns) {
            return false;
        }
    }
    o = OP_HERE(OP_WAIT, cond, true);
    step_point(&o);
    if (cond->waiter) {
        model_fail(MODEL_RULE, "two threads wait on one condition variable");
    }
    cond->waiter = f;
    cond->is_signalled = false;
    mutex_leave(mu);
    if (deadline_ns != PLAT_NEVER) {
        step_touch(&model.now_ns, TOUCH_READ);
    }
    o.kind = OP_COND_WAKE;
    o.mu = mu;
    o.deadline_ns = deadline_ns;
    o.is_spurious = strategy_fault(MODEL_SPURIOUS);
    step_point(&o);
    cond_must_be_live(cond);
    cond->waiter = NULL;
    cond->is_signalled = false;
    mu->owner = f;
    f->held[f->held_count++] = mu;
    order_acquire(mu);
    return true;
}

/* Parkers. */
int cconc__parker_init(parker *p)
{
    return low__parker_init(p);
}

void cconc__parker_destroy(parker *p)
{
    low__parker_destroy(p);
}

static void must_be_free_to_park(void)
{
    fiber *f = model.current;
    calls_check_held("parks");
    if (f->rules & MODEL_NEVER_WAITS) {
        model_fail(MODEL_RULE, "%s waits, which it must not", f->call);
    }
}

static bool parker_is_low(void)
{
    return model.is_low || model_lib_clock_is_virtual();
}

static bool park(parker *p, int64_t deadline_ns, const void *site)
{
    op o = OP_HERE(OP_PARK, &p->state, true);
    o.site = site;
    memory_check_live(p, "park");
    step_point(&o);
    if (*(uint32_t *)&p->state == PARKER_EMPTY) {
        *(uint32_t *)&p->state = PARKER_PARKED;
        if (deadline_ns != PLAT_NEVER) {
            step_touch(&model.now_ns, TOUCH_READ);
        }
        o.kind = OP_PARKED;
        o.value = PARKER_WOKEN;
        o.deadline_ns = deadline_ns;
        step_point(&o);
    }
    if (*(uint32_t *)&p->state == PARKER_WOKEN) {
        *(uint32_t *)&p->state = PARKER_EMPTY;
        order_acquire(&p->state);
        return true;
    }
    *(uint32_t *)&p->state = PARKER_EMPTY;
    return false;
}

bool cconc__parker_park(parker *p, int64_t deadline_ns)
{
    must_be_free_to_park();
    return parker_is_low() ? low__parker_park(p, deadline_ns)
                           : park(p, deadline_ns, __builtin_return_address(0));
}

bool cconc__parker_rest(parker *p, int64_t deadline_ns)
{
    must_be_free_to_park();
    return parker_is_low() ? low__parker_rest(p, deadline_ns)
                           : park(p, deadline_ns, __builtin_return_address(0));
}

bool cconc__parker_unpark(parker *p)
{
    op o;
    bool slept;
    calls_check_held("wakes");
    if (parker_is_low()) {
        return low__parker_unpark(p);
    }
    o = OP_HERE(OP_UNPARK, &p->state, true);
    memory_check_live(p, "unpark");
    step_point(&o);
    memory_check_live(p, "unpark");
    slept = *(uint32_t *)&p->state == PARKER_PARKED;
    order_release(&p->state);
    *(uint32_t *)&p->state = PARKER_WOKEN;
    return slept;
}

void cconc__parker_aim(parker *p, int64_t deadline_ns)
{
    low__parker_aim(p, deadline_ns);
}

int64_t cconc__parker_until(parker *p)
{
    return low__parker_until(p);
}

bool cconc__parker_call(parker *p, int64_t now_ns, bool is_due)
{
    return low__parker_call(p, now_ns, is_due);
}

void cconc__parker_ring(parker *p)
{
    low__parker_ring(p);
}

/* Words of scenarios. */
static void word_point(const model_word *word, op_kind kind, bool writes, uint32_t value)
{
    op o = OP_HERE(kind, word, writes);
    o.value = value;
    memory_check_live(word, "word");
    step_point(&o);
    memory_check_live(word, "word");
}

uint32_t model_get(model_word *word)
{
    word_point(word, OP_WORD, false, 0);
    order_acquire(word);
    return __atomic_load_n(&word->value, __ATOMIC_SEQ_CST);
}

void model_set(model_word *word, uint32_t value)
{
    word_point(word, OP_WORD, true, 0);
    order_release(word);
    __atomic_store_n(&word->value, value, __ATOMIC_SEQ_CST);
}

uint32_t model_add(model_word *word, uint32_t value)
{
    word_point(word, OP_WORD, true, 0);
    order_acquire(word);
    order_release(word);
    return __atomic_fetch_add(&word->value, value, __ATOMIC_SEQ_CST);
}

void model_await(model_word *word, uint32_t value)
{
    word_point(word, OP_AWAIT, false, value);
    order_acquire(word);
}

void model_until(bool (*is_true)(void *arg), void *arg)
{
    op o;
    model.is_impure = true;
    o = OP_HERE(OP_UNTIL, NULL, false);
    o.ready = is_true;
    o.arg = arg;
    step_point(&o);
    order_acquire(&model.fibers);
}

void model_settle(void)
{
    op o = OP_HERE(OP_SETTLE, NULL, false);
    step_point(&o);
    order_acquire(&model.fibers);
    step_touch(&model.now_ns, TOUCH_READ); /* time could have woken somebody before */
}

void model_rest(void)
{
    model_settle();
    model.is_epilogue = true;
}

static bool are_parked(void *arg)
{
    uint32_t parked = 0;
    for (int i = 0; i < model.fiber_count; i++) {
        const fiber *f = &model.fibers[i];
        parked += !f->is_over && (f->next.kind == OP_PARKED || f->next.kind == OP_COND_WAKE);
    }
    return parked >= (uint32_t)(uintptr_t)arg;
}

void model_until_parked(uint32_t threads)
{
    model_until(are_parked, (void *)(uintptr_t)threads);
}
