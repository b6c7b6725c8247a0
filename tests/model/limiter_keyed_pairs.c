/* limiter_keyed_pairs.c - any call on a keyed limiter beside any other
 * SPDX-License-Identifier: MIT
 *
 * Risk     Two calls that nobody thought of together: one that drops a key while another has let go
 *          of the lock to bring it, one that gives back to a key that has come again.
 * Method   Each call meets each on another thread, with room for one key and for two, where the
 *          first is kept already or not. What waits ends by time, or is cancelled. Afterwards no
 *          key has had more than its tokens, no more keys are kept than may be, and the limiter
 *          still does what a new one does.
 * Catches  A key that is there twice, or whose entry is lost; tokens that come from nowhere.
 */
#include "limit.h"

#define TENTH (100 * CCONC_MS) /* in which one token comes, at ten a second */

/* A thread that makes one call. */
typedef struct caller {
    cconc_limiter_keyed *set;
    size_t         most;
    cconc_ctx     *own;   /* can be cancelled */
    cconc_ctx     *ctx;   /* the same, or one below it that ends by time */
    struct caller *next;  /* of all, in a circle */
    void         (*call)(struct caller *c);
    bool           is_timed;
    int32_t        taken[2]; /* tokens of a, of b */
} caller;

static const char *const keys[] = {"a", "b"};

static void takes(caller *c, uint32_t key)
{
    int err = cconc_limiter_keyed_allow(c->set, keys[key], 1, 1);
    MODEL_CHECK(err == 0 || err == EAGAIN);
    c->taken[key] += err == 0;
}

static void allows(caller *c)
{
    takes(c, 0);
}

static void allows_another(caller *c)
{
    takes(c, 1);
}

static void allows_at_a_time(caller *c)
{
    int err = cconc_limiter_keyed_allow_at(c->set, model_now(), "a", 1, 1);
    MODEL_CHECK(err == 0 || err == EAGAIN);
    c->taken[0] += err == 0;
}

static void waits(caller *c)
{
    int err = cconc_limiter_keyed_wait(c->set, c->ctx, "a", 1, 1);
    MODEL_CHECK(err == 0 || (err == ETIMEDOUT && c->is_timed) ||
                (err == ECANCELED && cconc_ctx_err(c->ctx) == ECANCELED));
    c->taken[0] += err == 0;
}

static void looks_at_delay(caller *c)
{
    int64_t delay_ns = cconc_limiter_keyed_delay(c->set, "a", 1, 1);
    MODEL_CHECK(delay_ns >= 0 && delay_ns <= 4 * TENTH);
}

static void looks_at_tokens(caller *c)
{
    double tokens = cconc_limiter_keyed_tokens(c->set, "a", 1);
    MODEL_CHECK(tokens >= -3 && tokens <= 1);
}

static void forgets(caller *c)
{
    cconc_limiter_keyed_forget(c->set, "a", 1);
}

static void counts_keys(caller *c)
{
    MODEL_CHECK(cconc_limiter_keyed_len(c->set) <= c->most);
}

/* No call on the limiter, but one that those who wait can meet. */
static void cancels_next(caller *c)
{
    cconc_ctx_cancel(c->next->own);
}

static void (*const calls[])(caller *c) = {
    allows,          allows_another, allows_at_a_time, waits,        looks_at_delay,
    looks_at_tokens, forgets,        counts_keys,      cancels_next,
};

enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static void makes_its_call(void *arg)
{
    caller *c = arg;
    c->call(c);
}

static uint32_t how_many_make(const caller *all, uint32_t count, void (*call)(caller *c))
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        sum += all[i].call == call;
    }
    return sum;
}

/* A key has one token whenever it comes anew, and those that time brings. */
static void must_have_had_its_tokens(const caller *all, uint32_t count, bool is_used)
{
    int64_t came = (model_now() - MODEL_START) / TENTH;
    int64_t pushed = how_many_make(all, count, allows_another); /* out of room for one */
    int64_t fresh = 1 + how_many_make(all, count, forgets) + (all->most == 1 ? pushed : 0);
    int64_t taken[2] = {is_used, 0};
    for (uint32_t i = 0; i < count; i++) {
        taken[0] += all[i].taken[0];
        taken[1] += all[i].taken[1];
    }
    MODEL_CHECK(taken[0] <= fresh + came);
    MODEL_CHECK(all->most == 1 || taken[1] <= 1 + came);
    MODEL_CHECK(taken[1] <= pushed);
}

/* All keys can be dropped, and come again full. */
static void must_be_as_new(cconc_limiter_keyed *set, size_t most)
{
    MODEL_CHECK(cconc_limiter_keyed_len(set) <= most);
    cconc_limiter_keyed_forget(set, "a", 1);
    cconc_limiter_keyed_forget(set, "b", 1);
    MODEL_EQ(cconc_limiter_keyed_len(set), 0);
    for (size_t i = 0; i < most; i++) {
        MODEL_EQ(cconc_limiter_keyed_allow(set, keys[i], 1, 1), 0);
        MODEL_EQ(cconc_limiter_keyed_allow(set, keys[i], 1, 1), EAGAIN);
    }
    MODEL_EQ(cconc_limiter_keyed_len(set), most);
    MODEL_EQ(cconc_limiter_keyed_allow(set, "c", 1, 1), 0);
    MODEL_EQ(cconc_limiter_keyed_len(set), most);
    MODEL_EQ(cconc_limiter_keyed_wait(set, NULL, "c", 1, 1), 0);
}

static void meet(void (*call)(caller *c), uint32_t count)
{
    cconc_limiter_keyed *set = NULL;
    size_t most = 1 + model_choose(2);
    bool is_used = model_choose(2) == 1;
    caller *all = model_zalloc(count * sizeof(*all));
    bool is_timed;
    MODEL_EQ(cconc_limiter_keyed_new(10, 1, most, &set), 0);
    if (is_used) {
        MODEL_EQ(cconc_limiter_keyed_allow(set, "a", 1, 1), 0);
    }
    for (uint32_t i = 0; i < count; i++) {
        all[i].call = i == 0 ? call : calls[model_choose(CALLS)];
    }
    is_timed = how_many_make(all, count, waits) > 0 && model_choose(2) == 1;
    for (uint32_t i = 0; i < count; i++) {
        caller *c = &all[i];
        c->set = set;
        c->most = most;
        c->next = &all[(i + 1) % count];
        c->is_timed = is_timed;
        MODEL_EQ(cconc_ctx_with_cancel(NULL, &c->own), 0);
        c->ctx = is_timed ? limit(c->own, 3 * TENTH / 2) : c->own;
    }
    for (uint32_t i = 0; i < count; i++) {
        model_spawn(makes_its_call, &all[i]);
    }
    model_join_all();
    model_rest();
    must_have_had_its_tokens(all, count, is_used);
    must_be_as_new(set, most);
    for (uint32_t i = 0; i < count; i++) {
        cconc_ctx_free(all[i].own);
    }
    cconc_limiter_keyed_free(set);
}

#define KEYED_PAIR(call)                                                                           \
    MODEL_SCENARIO(limiter_keyed_pair_##call, .bound = 2, .covers = "L2 L8 O3 R5")                 \
    {                                                                                              \
        meet(call, 2);                                                                             \
    }

KEYED_PAIR(allows)
KEYED_PAIR(allows_another)
KEYED_PAIR(allows_at_a_time)
KEYED_PAIR(waits)
KEYED_PAIR(looks_at_delay)
KEYED_PAIR(looks_at_tokens)
KEYED_PAIR(forgets)
KEYED_PAIR(counts_keys)
KEYED_PAIR(cancels_next)

MODEL_SCENARIO(limiter_keyed_any_three, .bound = 1, .covers = "L2 L8 O3 R5")
{
    meet(calls[model_choose(CALLS)], 3);
}
