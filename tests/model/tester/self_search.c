/* self_search.c - the search without a bound finds what the plain one finds.
 * SPDX-License-Identifier: MIT
 *
 * Each of these small programs is explored twice: all interleavings one by one, and one of each
 * class. Both must see the same outcomes.
 */
#include "self_help.h"

#include "plat/cpu.h"

static void outcome(const shared *s)
{
    model_join_all();
    for (int i = 0; i < 4; i++) {
        model_outcome(s->seen[i]);
    }
    model_outcome(s->order);
}

static void x_then_y(void *arg)
{
    shared *s = arg;
    atom_store_sc(&s->x, 1);
    s->seen[0] = atom_load_sc(&s->y);
}

static void y_then_x(void *arg)
{
    shared *s = arg;
    atom_store_sc(&s->y, 1);
    s->seen[1] = atom_load_sc(&s->x);
}

MODEL_SCENARIO(same_store_buffer, .same_outcomes = true)
{
    shared *s = shared_new();
    model_spawn(x_then_y, s);
    model_spawn(y_then_x, s);
    outcome(s);
}

static void adds_twice(void *arg)
{
    shared *s = arg;
    uint32_t x = atom_load_rlx(&s->x);
    atom_store_rlx(&s->x, x + 1);
    x = atom_load_rlx(&s->x);
    atom_store_rlx(&s->x, x + 1);
}

MODEL_SCENARIO(same_lost_updates, .same_outcomes = true)
{
    shared *s = shared_new();
    model_spawn(adds_twice, s);
    model_spawn(adds_twice, s);
    model_join_all();
    model_outcome(atom_load_rlx(&s->x));
}

static void changes_three(void *arg)
{
    shared *s = arg;
    (void)atom_add_rlx(&s->x, 1);
    (void)atom_add_rlx(&s->y, atom_load_rlx(&s->x));
}

MODEL_SCENARIO(same_three_threads, .same_outcomes = true)
{
    shared *s = shared_new();
    model_spawn(changes_three, s);
    model_spawn(changes_three, s);
    (void)atom_add_rlx(&s->y, 7);
    s->seen[0] = atom_load_rlx(&s->x);
    model_join_all();
    s->seen[1] = atom_load_rlx(&s->y);
    outcome(s);
}

static void note_locked(shared *s, plat_mutex *mu, uint32_t who)
{
    plat_mutex_lock(mu);
    s->order = s->order * 4 + who;
    plat_mutex_unlock(mu);
}

static void locks_once(void *arg)
{
    note_locked(arg, &((shared *)arg)->a, 1);
}

static void locks_twice(void *arg)
{
    note_locked(arg, &((shared *)arg)->a, 2);
    note_locked(arg, &((shared *)arg)->a, 3);
}

MODEL_SCENARIO(same_locks, .same_outcomes = true)
{
    shared *s = shared_new();
    model_spawn(locks_once, s);
    model_spawn(locks_twice, s);
    outcome(s);
}

static void locks_other(void *arg)
{
    shared *s = arg;
    plat_mutex_lock(&s->b);
    s->seen[2] = atom_load_rlx(&s->x);
    plat_mutex_unlock(&s->b);
    note_locked(s, &s->a, 2);
}

MODEL_SCENARIO(same_two_locks, .same_outcomes = true)
{
    shared *s = shared_new();
    model_spawn(locks_once, s);
    model_spawn(locks_other, s);
    plat_mutex_lock(&s->b);
    atom_store_rlx(&s->x, 1);
    plat_mutex_unlock(&s->b);
    outcome(s);
}

static void unparks(void *arg)
{
    shared *s = arg;
    atom_store_rlx(&s->x, 1);
    s->seen[2] = cconc__parker_unpark(&s->parker);
}

MODEL_SCENARIO(same_park, .same_outcomes = true)
{
    shared *s = shared_new();
    model_spawn(unparks, s);
    s->seen[0] = cconc__parker_park(&s->parker, INT64_MAX);
    outcome(s);
}

MODEL_SCENARIO(same_park_with_deadline, .same_outcomes = true)
{
    shared *s = shared_new();
    model_spawn(unparks, s);
    s->seen[0] = cconc__parker_park(&s->parker, MODEL_START + 1000);
    s->seen[1] = atom_load_rlx(&s->x);
    s->seen[3] = (uint32_t)(model_now() - MODEL_START);
    outcome(s);
}

static void parks_later(void *arg)
{
    shared *s = arg;
    int64_t until_ns = MODEL_START + 2000;
    model_set(&s->z, 1);
    s->seen[1] = cconc__parker_park(&s->parker, until_ns);
    s->seen[2] = (uint32_t)(model_now() - MODEL_START);
}

MODEL_SCENARIO(same_two_deadlines, .same_outcomes = true)
{
    shared *s = shared_new();
    parker *mine = model_zalloc(sizeof(*mine));
    (void)cconc__parker_init(mine);
    model_spawn(parks_later, s);
    s->seen[0] = cconc__parker_park(mine, MODEL_START + 1000);
    s->seen[3] = cconc__parker_unpark(&s->parker);
    outcome(s);
}

static void signals_under_lock(void *arg)
{
    shared *s = arg;
    plat_mutex_lock(&s->a);
    s->order = 1;
    plat_mutex_unlock(&s->a);
    cconc__cond_signal(&s->cond);
}

MODEL_SCENARIO(same_condition, .same_outcomes = true, .low = true, .faults = MODEL_SPURIOUS)
{
    shared *s = shared_new();
    model_spawn(signals_under_lock, s);
    plat_mutex_lock(&s->a);
    while (s->order == 0) {
        (void)cconc__cond_wait(&s->cond, &s->a, INT64_MAX);
        s->seen[0]++;
    }
    plat_mutex_unlock(&s->a);
    outcome(s);
}

MODEL_SCENARIO(same_condition_with_deadline, .same_outcomes = true)
{
    shared *s = shared_new();
    model_spawn(signals_under_lock, s);
    plat_mutex_lock(&s->a);
    if (s->order == 0) {
        (void)cconc__cond_wait(&s->cond, &s->a, MODEL_START + 1000);
        s->seen[0] = 1 + s->order;
    }
    plat_mutex_unlock(&s->a);
    s->seen[1] = (uint32_t)(model_now() - MODEL_START);
    outcome(s);
}

static void sets_x(void *arg)
{
    atom_store_rlx(&((shared *)arg)->x, 1);
    atom_store_rlx(&((shared *)arg)->y, 1);
}

MODEL_SCENARIO(same_polling, .same_outcomes = true)
{
    shared *s = shared_new();
    model_spawn(sets_x, s);
    while (atom_load_rlx(&s->x) == 0) {
        plat_cpu_yield();
    }
    s->seen[0] = atom_load_rlx(&s->y);
    outcome(s);
}

static void chooses(void *arg)
{
    shared *s = arg;
    uint32_t x = model_choose(2);
    if (x == 1) {
        atom_store_rlx(&s->x, 1);
    }
    s->seen[0] = atom_load_rlx(&s->y) + 2 * x;
}

MODEL_SCENARIO(same_choices, .same_outcomes = true)
{
    shared *s = shared_new();
    model_spawn(chooses, s);
    s->seen[1] = atom_load_rlx(&s->x);
    atom_store_rlx(&s->y, 1);
    outcome(s);
}

static void swaps(void *arg)
{
    shared *s = arg;
    uint32_t found = 0;
    if (!atom_cas_weak_rlx_rlx(&s->x, &found, 1)) {
        s->seen[0] = 1 + found;
    }
}

MODEL_SCENARIO(same_weak_swaps, .same_outcomes = true, .faults = MODEL_CAS)
{
    shared *s = shared_new();
    uint32_t found = 0;
    model_spawn(swaps, s);
    s->seen[1] = atom_cas_weak_rlx_rlx(&s->x, &found, 2);
    s->seen[2] = found;
    outcome(s);
}

static void spawned_by_thread(void *arg)
{
    note_locked(arg, &((shared *)arg)->a, 3);
}

static void spawns(void *arg)
{
    note_locked(arg, &((shared *)arg)->a, 1);
    model_spawn(spawned_by_thread, arg);
}

MODEL_SCENARIO(same_threads_made, .same_outcomes = true)
{
    shared *s = shared_new();
    model_spawn(spawns, s);
    note_locked(s, &s->a, 2);
    outcome(s);
}

static void increments_z(void *arg)
{
    (void)model_add(&((shared *)arg)->z, 1);
}

static void awaits_then_adds(void *arg)
{
    shared *s = arg;
    model_await(&s->z, 1);
    (void)atom_add_rlx(&s->x, 2);
}

MODEL_SCENARIO(same_words, .same_outcomes = true)
{
    shared *s = shared_new();
    model_spawn(awaits_then_adds, s);
    model_spawn(increments_z, s);
    (void)atom_add_rlx(&s->x, 1);
    s->seen[0] = atom_load_rlx(&s->x);
    outcome(s);
}
