/* limiter_keyed.c - interleavings of token buckets by key.
 * SPDX-License-Identifier: MIT
 *
 * Risk     A key that two threads bring at once and that is then there twice, or leaks; a key that
 *          is dropped while somebody uses it; tokens that are given back to another bucket.
 * Method   Scenarios of the deterministic tester, two to three threads each, in its virtual time;
 *          two compare with sequential buckets.
 * Catches  No second look after the allocation, a drop that leaves a link, a refund by key alone,
 *          an allocation under the lock.
 */
#include "model.h"

#define TENTH (100 * CCONC_MS) /* in which one token comes, at ten a second */

typedef struct env {
    cconc_limiter_keyed *set;
    cconc_ctx *ctx;
    cconc_ctx *until;   /* in mem */
    cconc_ctx_mem mem;
    const char *key;
    int err[3];
    int64_t acted_ns[3];
} env;

static env *env_new(double rate, int32_t burst, size_t most)
{
    env *e = model_zalloc(sizeof(*e));
    MODEL_EQ(cconc_limiter_keyed_new(rate, burst, most, &e->set), 0);
    e->key = "a";
    return e;
}

static void env_end(env *e, size_t keys)
{
    model_join_all();
    MODEL_EQ(cconc_limiter_keyed_len(e->set), keys);
    cconc_ctx_free(e->ctx);
    cconc_limiter_keyed_free(e->set);
}

static int allow(env *e, const char *key)
{
    return cconc_limiter_keyed_allow(e->set, key, strlen(key), 1);
}

static void takes_one(void *arg)
{
    env *e = arg;
    e->err[1] = allow(e, e->key);
}

/* Both bring the key: it is there once, with one bucket. */
MODEL_SCENARIO(limiter_keyed_both_bring_a_key, .exhaustive = true, .covers = "O3 R5",
               .goals = "main other")
{
    env *e = env_new(10, 1, 4);
    model_spawn(takes_one, e);
    e->err[0] = allow(e, "a");
    model_join_all();
    MODEL_EQ(e->err[0] | e->err[1], EAGAIN);
    MODEL_CHECK(e->err[0] == 0 || e->err[1] == 0);
    model_cover(e->err[0] == 0 ? "main" : "other");
    env_end(e, 1);
}

MODEL_SCENARIO(limiter_keyed_two_keys, .exhaustive = true)
{
    env *e = env_new(10, 1, 4);
    e->key = "b";
    model_spawn(takes_one, e);
    MODEL_EQ(allow(e, "a"), 0);
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    MODEL_EQ(allow(e, "a"), EAGAIN);
    MODEL_EQ(allow(e, "b"), EAGAIN);
    env_end(e, 2);
}

/* Room for one only: whoever comes second drops the other, which starts full again. */
MODEL_SCENARIO(limiter_keyed_keys_push_each_other_out, .exhaustive = true, .covers = "L2",
               .goals = "a b")
{
    env *e = env_new(10, 1, 1);
    e->key = "b";
    model_spawn(takes_one, e);
    MODEL_EQ(allow(e, "a"), 0);
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    MODEL_EQ(cconc_limiter_keyed_len(e->set), 1);
    if (allow(e, "a") == EAGAIN) {
        model_cover("a");
    } else {
        model_cover("b");
    }
    env_end(e, 1);
}

/* Both bring the same key where there is no room for it: the second look finds it, and drops
 * nothing more. */
MODEL_SCENARIO(limiter_keyed_new_key_without_room, .exhaustive = true, .covers = "L2 L8")
{
    env *e = env_new(10, 1, 2);
    MODEL_EQ(allow(e, "x"), 0);
    MODEL_EQ(allow(e, "y"), 0);
    model_spawn(takes_one, e);
    e->err[0] = allow(e, "a");
    model_join_all();
    MODEL_EQ(e->err[0] | e->err[1], EAGAIN);
    MODEL_EQ(allow(e, "y"), EAGAIN); /* still there */
    env_end(e, 2);
}

static void forgets(void *arg)
{
    env *e = arg;
    cconc_limiter_keyed_forget(e->set, "a", 1);
}

MODEL_SCENARIO(limiter_keyed_forget_meets_allow, .exhaustive = true, .covers = "F2",
               .goals = "before after")
{
    env *e = env_new(10, 1, 4);
    MODEL_EQ(allow(e, "a"), 0);
    model_spawn(forgets, e);
    e->err[0] = allow(e, "a");
    model_join_all();
    model_cover(e->err[0] ? "before" : "after");
    MODEL_EQ(cconc_limiter_keyed_tokens(e->set, "a", 1), e->err[0] ? 1 : 0);
    env_end(e, e->err[0] ? 0 : 1);
}

MODEL_SCENARIO(limiter_keyed_two_forget, .exhaustive = true, .covers = "H1")
{
    env *e = env_new(10, 1, 4);
    MODEL_EQ(allow(e, "a"), 0);
    model_spawn(forgets, e);
    forgets(e);
    env_end(e, 0);
}

static void waits(void *arg)
{
    env *e = arg;
    e->err[1] = cconc_limiter_keyed_wait(e->set, e->ctx, "a", 1, 1);
    e->acted_ns[1] = model_now();
}

MODEL_SCENARIO(limiter_keyed_waits_take_turns, .exhaustive = true, .covers = "R5",
               .goals = "first second")
{
    env *e = env_new(10, 1, 4);
    model_spawn(waits, e);
    MODEL_EQ(cconc_limiter_keyed_wait(e->set, NULL, "a", 1, 1), 0);
    e->acted_ns[0] = model_now();
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    MODEL_CHECK(e->acted_ns[0] >= MODEL_START + TENTH || e->acted_ns[1] >= MODEL_START + TENTH);
    MODEL_EQ(model_now(), MODEL_START + TENTH);
    model_cover(e->acted_ns[0] < e->acted_ns[1] ? "first" : "second");
    env_end(e, 1);
}

MODEL_SCENARIO(limiter_keyed_wait_meets_cancel, .covers = "R7 H20", .goals = "acted cancelled")
{
    env *e = env_new(10, 1, 4);
    MODEL_EQ(allow(e, "a"), 0);
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(waits, e);
    cconc_ctx_cancel(e->ctx);
    model_join_all();
    if (e->err[1]) {
        MODEL_EQ(e->err[1], ECANCELED);
        MODEL_EQ(cconc_limiter_keyed_delay(e->set, "a", 1, 1), MODEL_START + TENTH - model_now());
    } else {
        MODEL_EQ(e->acted_ns[1], MODEL_START + TENTH);
        MODEL_EQ(cconc_limiter_keyed_delay(e->set, "a", 1, 1), TENTH);
    }
    model_cover(e->err[1] ? "cancelled" : "acted");
    env_end(e, 1);
}

static void forgets_and_takes(void *arg)
{
    env *e = arg;
    forgets(e);
    e->err[2] = allow(e, "a");
}

/* The key goes and comes again while a wait gives back: what it took was of the old bucket. */
MODEL_SCENARIO(limiter_keyed_gives_back_to_its_own, .bound = 2, .covers = "R7 H22 T2",
               .goals = "cancelled")
{
    env *e = env_new(10, 2, 4);
    MODEL_EQ(cconc_limiter_keyed_allow(e->set, "a", 1, 2), 0);
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(waits, e);
    model_spawn(forgets_and_takes, e);
    cconc_ctx_cancel(e->ctx);
    model_join_all();
    if (e->err[1] && model_now() == MODEL_START) {
        MODEL_EQ(e->err[1], ECANCELED);
        MODEL_EQ(e->err[2], 0);
        MODEL_EQ(cconc_limiter_keyed_tokens(e->set, "a", 1), 1);
        model_cover("cancelled");
    }
    env_end(e, 1);
}

MODEL_SCENARIO(limiter_keyed_deadline_meets_wait, .exhaustive = true, .covers = "R5 S12",
               .goals = "too_early in_time")
{
    env *e = env_new(10, 1, 4);
    MODEL_EQ(allow(e, "a"), 0);
    e->until = cconc_ctx_until(&e->mem, NULL, MODEL_START + TENTH);
    model_spawn(waits, e);
    e->err[0] = cconc_limiter_keyed_wait(e->set, e->until, "a", 1, 1);
    model_join_all();
    MODEL_EQ(e->err[1], 0);
    MODEL_CHECK(e->err[0] == 0 || e->err[0] == ETIMEDOUT);
    MODEL_EQ(model_now(), MODEL_START + (e->err[0] ? 1 : 2) * TENTH);
    model_cover(e->err[0] ? "too_early" : "in_time");
    env_end(e, 1);
}

/* At rate 0 the wait holds nothing, and only its context can end it. */
MODEL_SCENARIO(limiter_keyed_stopped_wait, .exhaustive = true, .covers = "R2")
{
    env *e = env_new(0, 1, 4);
    MODEL_EQ(allow(e, "a"), 0);
    MODEL_EQ(cconc_ctx_with_cancel(NULL, &e->ctx), 0);
    model_spawn(waits, e);
    MODEL_EQ(cconc_limiter_keyed_wait(e->set, NULL, "a", 1, 1), EDEADLK);
    cconc_ctx_cancel(e->ctx);
    model_join_all();
    MODEL_EQ(e->err[1], ECANCELED);
    MODEL_EQ(cconc_limiter_keyed_tokens(e->set, "a", 1), 0);
    env_end(e, 1);
}

/* One of the two finds no memory for the key that both bring. */
MODEL_SCENARIO(limiter_keyed_without_memory, .exhaustive = true, .faults = MODEL_NO_MEMORY,
               .covers = "X4", .goals = "made failed new_failed")
{
    env *e = model_zalloc(sizeof(*e));
    e->key = "a";
    if (cconc_limiter_keyed_new(10, 2, 4, &e->set) != 0) {
        MODEL_CHECK(model_had_fault(MODEL_NO_MEMORY));
        model_cover("new_failed");
        return;
    }
    model_spawn(takes_one, e);
    e->err[0] = allow(e, "a");
    model_join_all();
    MODEL_CHECK(e->err[0] == 0 || e->err[0] == ENOMEM);
    MODEL_CHECK(e->err[1] == 0 || e->err[1] == ENOMEM);
    MODEL_CHECK((e->err[0] | e->err[1]) == 0 || model_had_fault(MODEL_NO_MEMORY));
    model_cover(e->err[0] | e->err[1] ? "failed" : "made");
    MODEL_EQ(cconc_limiter_keyed_tokens(e->set, "a", 1), (e->err[0] != 0) + (e->err[1] != 0));
    env_end(e, 1);
}

/* Enough keys for parts: the readers go through all of them meanwhile. */
MODEL_SCENARIO(limiter_keyed_parts, .exhaustive = true, .covers = "R4", .goals = "one two")
{
    env *e = env_new(10, 1, 1024);
    size_t keys;
    MODEL_EQ(allow(e, "a"), 0);
    e->key = "b";
    model_spawn(takes_one, e);
    keys = cconc_limiter_keyed_len(e->set);
    MODEL_CHECK(keys == 1 || keys == 2);
    model_cover(keys == 1 ? "one" : "two");
    env_end(e, 2);
}

/* Sequential buckets, each of two tokens; the argument is key and number. */
enum { OP_ALLOW, OP_FORGET };

static void buckets_init(void *state)
{
    int64_t *left = state;
    left[0] = 2;
    left[1] = 2;
}

static bool buckets_apply(void *state, int op, int64_t arg, int code, int64_t value)
{
    int64_t *left = (int64_t *)state + arg / 10;
    (void)value;
    if (op == OP_FORGET) {
        *left = 2;
        return true;
    }
    if (code != 0) {
        return code == EAGAIN && *left < arg % 10;
    }
    *left -= arg % 10;
    return *left >= 0;
}

static const model_spec buckets_spec = {2 * sizeof(int64_t), buckets_init, buckets_apply};

static void does(env *e, int op, int key, int32_t n)
{
    uint32_t id = model_begin(op, key * 10 + n);
    const char *name = key ? "b" : "a";
    int code = 0;
    if (op == OP_ALLOW) {
        code = cconc_limiter_keyed_allow(e->set, name, 1, n);
    } else {
        cconc_limiter_keyed_forget(e->set, name, 1);
    }
    model_end(id, code, 0);
}

static void takes_and_forgets(void *arg)
{
    does(arg, OP_ALLOW, 0, 2);
    does(arg, OP_FORGET, 0, 0);
}

MODEL_SCENARIO(limiter_keyed_history_of_one_key, .exhaustive = true)
{
    env *e = env_new(10, 2, 4);
    model_spawn(takes_and_forgets, e);
    does(e, OP_ALLOW, 0, 1);
    does(e, OP_ALLOW, 0, 1);
    model_join_all();
    does(e, OP_ALLOW, 0, 1);
    model_check_history(&buckets_spec);
    cconc_limiter_keyed_free(e->set);
}

static void takes_of_both(void *arg)
{
    does(arg, OP_ALLOW, 1, 1);
    does(arg, OP_ALLOW, 0, 2);
}

MODEL_SCENARIO(limiter_keyed_history_of_two_keys, .exhaustive = true)
{
    env *e = env_new(10, 2, 4);
    model_spawn(takes_of_both, e);
    does(e, OP_ALLOW, 0, 1);
    does(e, OP_ALLOW, 1, 2);
    model_join_all();
    does(e, OP_ALLOW, 0, 1);
    does(e, OP_ALLOW, 1, 1);
    model_check_history(&buckets_spec);
    cconc_limiter_keyed_free(e->set);
}
