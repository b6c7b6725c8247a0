/* node.c - unit tests of the cancellation tree under contexts
 * SPDX-License-Identifier: MIT
 *
 * Risk      A watcher told twice, or never, or after its memory has gone; a walk that misses a node
 *           or needs a stack; a passed deadline that ends the wrong node.
 * Method    Hooks that note what shows when they are called; deep and wide trees; the timer service
 *           held in a timer of the test's, so that nobody else marks a passed deadline.
 * Catches   C1 C5 C6 C11 C13, I12 I13 I22; invariants I1 to I3 of core/node.c.
 */
#include "ctx_help.h"

#include "core/waiter.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define DEEP ((size_t)20000)
#define WIDE ((size_t)2000)

/* A hook, and what showed when it was called. */
struct seen_hook {
    node_hook  hook; /* first: both calls get it back */
    cconc_ctx *ctx;
    int        calls_locked;
    int        calls;
    uint32_t   state_locked; /* before err shows */
    int        err;
    int        code;
};

static void hook_ended_locked(node_hook *hook)
{
    struct seen_hook *seen = (struct seen_hook *)(void *)hook;
    seen->calls_locked++;
    seen->state_locked = atom_load_rlx(&seen->ctx->head.state);
}

static void hook_ended(node_hook *hook)
{
    struct seen_hook *seen = (struct seen_hook *)(void *)hook;
    seen->calls++;
    seen->err = cconc__node_err(seen->ctx);
    seen->code = cconc_ctx_cause(seen->ctx, NULL);
}

static bool hook_watch(struct seen_hook *seen, cconc_ctx *ctx)
{
    *seen = (struct seen_hook){.ctx = ctx};
    wait_node_init(&seen->hook.node, NULL, NULL, 0);
    seen->hook.ended_locked = hook_ended_locked;
    seen->hook.ended = hook_ended;
    return cconc__node_watch(ctx, &seen->hook.node);
}

/* ---- smoke ---------------------------------------------------------------------------------- */

static void node_tells_each_watcher_of_its_end_once(void **state)
{
    struct seen_hook hooks[3];
    cconc_ctx *ctx = make_cancel(NULL);
    cconc_ctx *child = make_cancel(ctx);
    (void)state;
    assert_true(hook_watch(&hooks[0], ctx));
    assert_true(hook_watch(&hooks[1], ctx));
    assert_true(hook_watch(&hooks[2], child));
    assert_int_equal(cconc__node_watchers(ctx), 2);
    assert_int_equal(cconc__node_watchers(child), 1);
    cconc__node_end(ctx, ECANCELED, 71, NULL);
    cconc__node_end(ctx, ECANCELED, 72, NULL); /* it has ended: nothing happens */
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(hooks[i].calls_locked, 1);
        assert_int_equal(hooks[i].state_locked, 0);
        assert_int_equal(hooks[i].calls, 1);
        assert_int_equal(hooks[i].err, ECANCELED);
        assert_int_equal(hooks[i].code, 71);
        assert_false(cconc__node_unwatch(hooks[i].ctx, &hooks[i].hook.node));
    }
    assert_int_equal(cconc__node_watchers(ctx), 0);
    cconc_ctx_free(child);
    cconc_ctx_free(ctx);
}

static void node_tells_nobody_who_has_left(void **state)
{
    struct seen_hook hook;
    struct seen_hook late;
    cconc_ctx *ctx = make_cancel(NULL);
    (void)state;
    assert_true(hook_watch(&hook, ctx));
    assert_true(cconc__node_unwatch(ctx, &hook.hook.node));
    assert_int_equal(cconc__node_watchers(ctx), 0);
    cconc_ctx_cancel(ctx);
    assert_int_equal(hook.calls_locked + hook.calls, 0);
    assert_false(hook_watch(&late, ctx)); /* nothing was done: no reference, no unwatch */
    assert_int_equal(ref_count(&ctx->refs), 1);
    assert_int_equal(late.calls_locked + late.calls, 0);
    cconc_ctx_free(ctx);
}

static void node_watched_keeps_its_memory_and_its_parents(void **state)
{
    struct seen_hook hook;
    size_t blocks = support_live_blocks();
    cconc_ctx *ctx = make_cancel(NULL);
    cconc_ctx *child = make_cancel(ctx);
    (void)state;
    assert_true(hook_watch(&hook, child));
    cconc_ctx_free(ctx); /* the last handle ends it, and the child below */
    cconc_ctx_free(child);
    assert_int_equal(hook.calls, 1);
    assert_int_equal(support_live_blocks(), blocks + 2);
    assert_int_equal(cconc__node_err(child), ECANCELED);
    assert_false(cconc__node_unwatch(child, &hook.hook.node));
    assert_int_equal(support_live_blocks(), blocks);
}

/* The end in two steps: the first one shows it, the second one tells. */
static void node_end_shows_at_its_begin_and_tells_at_its_finish(void **state)
{
    struct seen_hook hook;
    node_ending ending;
    cconc_ctx *ctx = make_cancel(NULL);
    cconc_ctx *child = make_cancel(ctx);
    (void)state;
    assert_true(hook_watch(&hook, child));
    cconc__node_end_begin(ctx, ECANCELED, 0, NULL, &ending);
    assert_int_equal(cconc__node_err(child), ECANCELED);
    assert_int_equal(hook.calls_locked, 1);
    assert_int_equal(hook.calls, 0);
    cconc__node_end_finish(&ending);
    assert_int_equal(hook.calls, 1);
    assert_false(cconc__node_unwatch(child, &hook.hook.node));
    cconc_ctx_free(child);
    cconc_ctx_free(ctx);
}

/* A descriptor that asks, while it is raised, how its context stands: as a signal handler may that
 * interrupts the thread which raises it, under the lock. */
struct asking_descriptor {
    node_descriptor node; /* first: the calls get it back */
    cconc_ctx *ctx;
    int raised;
    int released;
    int err;
};

static void asking_raise(node_descriptor *node)
{
    struct asking_descriptor *asking = (struct asking_descriptor *)(void *)node;
    asking->raised++;
    if (asking->raised == 1) {
        asking->err = cconc_ctx_err(asking->ctx);
    }
}

static void asking_release(node_descriptor *node)
{
    ((struct asking_descriptor *)(void *)node)->released++;
}

static void node_err_can_be_asked_while_the_descriptor_is_raised(void **state)
{
    cconc_ctx *parent = make_cancel(NULL);
    cconc_ctx *ctx = make_cancel(parent);
    struct asking_descriptor asking = {{asking_raise, asking_release}, ctx, 0, 0, 0};
    (void)state;
    ctx->descriptor = &asking.node;
    assert_int_equal(cconc_ctx_err(ctx), 0);
    assert_int_equal(asking.raised, 0);
    cconc_ctx_cancel(parent);
    assert_int_equal(asking.err, ECANCELED); /* and who saw that had it raised */
    assert_int_equal(asking.raised, 2);
    assert_int_equal(cconc_ctx_err(ctx), ECANCELED);
    assert_int_equal(asking.raised, 2);
    cconc_ctx_free(ctx);
    assert_int_equal(asking.released, 1);
    cconc_ctx_free(parent);
}

/* ---- limits --------------------------------------------------------------------------------- */

static void end_chain(void *arg)
{
    cconc_ctx **nodes = arg;
    cconc__node_end(nodes[0], ECANCELED, 0, NULL);
    for (size_t i = 0; i < DEEP - 1; i++) {
        cconc_ctx_free(nodes[i]);
    }
    SUPPORT_CHECK(cconc__node_err(nodes[DEEP - 1]) == ECANCELED);
    cconc_ctx_free(nodes[DEEP - 1]); /* releases the whole chain upwards */
}

static void node_end_and_release_of_a_deep_chain_need_no_stack(void **state)
{
    size_t blocks = support_live_blocks();
    cconc_ctx **nodes = calloc(DEEP, sizeof(cconc_ctx *));
    (void)state;
    assert_non_null(nodes);
    for (size_t i = 0; i < DEEP; i++) {
        nodes[i] = make_cancel(i == 0 ? NULL : nodes[i - 1]);
    }
    support_on_small_stack(end_chain, nodes);
    assert_int_equal(support_live_blocks(), blocks);
    free(nodes);
}

/* Each child of a wide node has one child of its own; some have ended before. */
static void node_end_reaches_all_of_a_wide_tree(void **state)
{
    cconc_ctx **nodes = calloc(2 * WIDE, sizeof(cconc_ctx *));
    cconc_ctx *root = make_cancel(NULL);
    cconc_ctx *beside = make_cancel(root);
    cconc_ctx *top = make_cancel(root);
    (void)state;
    assert_non_null(nodes);
    for (size_t i = 0; i < WIDE; i++) {
        nodes[2 * i] = make_cancel(top);
        nodes[2 * i + 1] = make_cancel(nodes[2 * i]);
    }
    for (size_t i = 0; i < WIDE; i += 3) {
        cconc__node_end(nodes[2 * i], ECANCELED, 5, NULL);
        assert_int_equal(cconc__node_err(nodes[2 * i + 1]), ECANCELED);
    }
    cconc__node_end(top, ECANCELED, 6, NULL);
    for (size_t i = 0; i < 2 * WIDE; i++) {
        assert_int_equal(cconc__node_err(nodes[i]), ECANCELED);
        assert_int_equal(cconc_ctx_cause(nodes[i], NULL), (i / 2) % 3 == 0 ? 5 : 6);
    }
    assert_int_equal(cconc__node_err(root), 0);
    assert_int_equal(cconc__node_err(beside), 0);
    for (size_t i = 0; i < 2 * WIDE; i++) {
        cconc_ctx_free(nodes[i]);
    }
    cconc_ctx_free(top);
    cconc_ctx_free(beside);
    cconc_ctx_free(root);
    free(nodes);
}

static void node_cause_keeps_what_fits_of_its_message(void **state)
{
    char message[600];
    (void)state;
    memset(message, 'm', sizeof(message));
    message[sizeof(message) - 1] = '\0';
    node_cause *cause = cconc__cause_new(9, message);
    assert_non_null(cause);
    assert_int_equal(strlen(cause->message), CCONC_CTX_MAX_MESSAGE);
    assert_int_equal(cause->code, 9);
    cconc__cause_unref(cause);
    cconc__cause_unref(NULL);
    support_fail_alloc(1, false);
    assert_null(cconc__cause_new(9, "none"));
    assert_int_equal(support_fail_end(), 1);
}

static void node_source_is_what_really_ends(void **state)
{
    cconc_ctx_mem mems[2];
    cconc_ctx *ctx = make_cancel(NULL);
    cconc_ctx *detached = make_without_cancel(ctx);
    cconc_ctx *value = make_value(ctx, &ctx_mark, NULL);
    cconc_ctx *near = cconc_ctx_until(&mems[0], ctx, CCONC_NEVER);
    cconc_ctx *nearer = cconc_ctx_until(&mems[1], near, CCONC_NEVER);
    (void)state;
    assert_ptr_equal(cconc__node_source(nearer), ctx);
    assert_ptr_equal(cconc__node_source(value), value);
    assert_null(cconc__node_source(detached));
    assert_null(cconc__node_source(NULL));
    assert_null(cconc__node_source(cconc_ctx_background()));
    assert_true(cconc__node_can_end(nearer));
    assert_false(cconc__node_can_end(detached));
    assert_false(cconc__node_can_end(NULL));
    cconc_ctx_free(value);
    cconc_ctx_free(detached);
    cconc_ctx_free(ctx);
}

/* ---- deadline ------------------------------------------------------------------------------- */

/* Holds the timer service's thread inside fire. */
struct holder {
    timer       due; /* first: fire gets it back */
    atomic_bool inside;
    atomic_bool let_go;
};

static void holder_fire(struct timer *due)
{
    struct holder *holder = (struct holder *)(void *)due;
    atomic_store(&holder->inside, true);
    until(atomic_load(&holder->let_go));
}

static void holder_start(struct holder *holder)
{
    static const timer_ops ops = {.fire = holder_fire};
    *holder = (struct holder){.due = {.ops = &ops}};
    SUPPORT_CHECK(cconc__timer_reserve(&holder->due) == 0);
    if (cconc__timer_arm(&holder->due, 0)) {
        cconc__timer_kick();
    }
    until(atomic_load(&holder->inside));
}

static void holder_end(struct holder *holder)
{
    atomic_store(&holder->let_go, true);
    until(cconc__timer_armed() == 0);
    assert_false(cconc__timer_release(&holder->due));
}

static void node_expire_ends_the_owner_of_the_deadline_and_no_other(void **state)
{
    struct holder holder;
    (void)state;
    holder_start(&holder);
    cconc_ctx *root = make_cancel(NULL);
    cconc_ctx *outer = make_deadline(root, cconc_clock_after(FAR_NS));
    int64_t deadline_ns = cconc_clock_after(50 * CCONC_MS); /* far enough to be made before it */
    cconc_ctx *owner = make_deadline(outer, deadline_ns);
    cconc_ctx *inner = make_cancel(owner);
    cconc_ctx *later = make_deadline(inner, cconc_clock_after(FAR_NS)); /* owner's is earlier */
    cconc_ctx *beside = make_cancel(outer);
    cconc__node_expire(outer); /* not due: nothing happens */
    cconc__node_expire(NULL);
    assert_int_equal(cconc__node_err(outer), 0);
    until(cconc_clock_now() >= deadline_ns);
    assert_int_equal(cconc__node_err(owner), 0); /* the service is held */
    cconc__node_expire(later);
    assert_int_equal(cconc__node_err(later), ETIMEDOUT);
    assert_int_equal(cconc__node_err(inner), ETIMEDOUT);
    assert_int_equal(cconc__node_err(owner), ETIMEDOUT);
    assert_int_equal(cconc__node_err(outer), 0);
    assert_int_equal(cconc__node_err(beside), 0);
    assert_int_equal(cconc__node_err(root), 0);
    cconc_ctx_free(beside);
    cconc_ctx_free(later);
    cconc_ctx_free(inner);
    cconc_ctx_free(owner);
    cconc_ctx_free(outer);
    cconc_ctx_free(root);
    holder_end(&holder);
}

static void node_on_the_stack_ends_by_its_own_clock_or_its_parent(void **state)
{
    cconc_ctx_mem mem;
    (void)state;
    cconc_ctx *past = cconc_ctx_until(&mem, NULL, cconc_clock_now());
    assert_int_equal(cconc__node_err(past), ETIMEDOUT);
    cconc_ctx *parent = make_cancel(NULL);
    cconc_ctx *ctx = cconc_ctx_until(&mem, parent, cconc_clock_after(FAR_NS));
    assert_int_equal(cconc__node_err(ctx), 0);
    cconc_ctx_cancel(parent);
    assert_int_equal(cconc__node_err(ctx), ECANCELED);
    cconc_ctx_free(parent);
}

/* ---- races ---------------------------------------------------------------------------------- */

struct race {
    cconc_ctx       *ctx;
    struct seen_hook hooks[2];
    bool             watched[2];
    bool             left[2];
};

static void watch_or_end(void *arg, size_t index)
{
    struct race *race = arg;
    if (index == 2) {
        cconc__node_end(race->ctx, ECANCELED, 3, NULL);
        return;
    }
    race->watched[index] = hook_watch(&race->hooks[index], race->ctx);
    if (race->watched[index]) {
        race->left[index] = cconc__node_unwatch(race->ctx, &race->hooks[index].hook.node);
    }
}

static void node_watcher_leaves_or_is_told(void **state)
{
    (void)state;
    for (int round = 0; round < (support_is_sanitized() ? 200 : 1500); round++) {
        struct race race = {.ctx = make_cancel(NULL)};
        support_threads_join(support_threads_start(3, watch_or_end, &race));
        for (size_t i = 0; i < 2; i++) {
            int told = race.hooks[i].calls_locked;
            assert_int_equal(told, race.watched[i] && !race.left[i] ? 1 : 0);
            assert_int_equal(race.hooks[i].calls, told);
        }
        assert_int_equal(ref_count(&race.ctx->refs), 1);
        cconc_ctx_free(race.ctx);
    }
}

/* Make one in mem that has been seen to end on time before its source, which has that deadline with
 * a cause; the service is held. */
static cconc_ctx *late_on_the_stack(cconc_ctx_mem *mem, cconc_ctx **out_source)
{
    SUPPORT_CHECK(cconc_ctx_with_timeout_cause(NULL, CCONC_MS, 77, "too slow", out_source) == 0);
    cconc_ctx *ctx = cconc_ctx_until(mem, *out_source, CCONC_NEVER);
    until(cconc_ctx_err(ctx) == ETIMEDOUT);
    return ctx;
}

static void node_on_the_stack_has_the_cause_of_the_deadline_that_it_shares(void **state)
{
    struct holder holder;
    cconc_ctx_mem mem;
    const char *message = NULL;
    cconc_ctx *ctx = NULL;
    (void)state;
    holder_start(&holder);
    cconc_ctx *near = late_on_the_stack(&mem, &ctx);
    assert_int_equal(cconc__node_err(ctx), 0); /* the service is held */
    assert_int_equal(cconc_ctx_cause(near, &message), 77);
    assert_string_equal(message, "too slow");
    assert_int_equal(cconc_ctx_err(near), ETIMEDOUT);
    cconc_ctx_free(ctx);
    holder_end(&holder);
}

static void node_on_the_stack_keeps_its_end_though_its_source_is_cancelled(void **state)
{
    struct holder holder;
    cconc_ctx_mem mem;
    cconc_ctx *ctx = NULL;
    (void)state;
    holder_start(&holder);
    cconc_ctx *near = late_on_the_stack(&mem, &ctx);
    cconc_ctx_cancel(ctx);
    assert_int_equal(cconc_ctx_err(near), ETIMEDOUT);
    assert_int_equal(cconc_ctx_cause(near, NULL), ETIMEDOUT);
    cconc_ctx_free(ctx);
    holder_end(&holder);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(node_tells_each_watcher_of_its_end_once),
        UNIT_TEST(node_tells_nobody_who_has_left),
        UNIT_TEST(node_watched_keeps_its_memory_and_its_parents),
        UNIT_TEST(node_end_shows_at_its_begin_and_tells_at_its_finish),
        UNIT_TEST(node_err_can_be_asked_while_the_descriptor_is_raised),
        UNIT_TEST(node_end_and_release_of_a_deep_chain_need_no_stack),
        UNIT_TEST(node_end_reaches_all_of_a_wide_tree),
        UNIT_TEST(node_cause_keeps_what_fits_of_its_message),
        UNIT_TEST(node_source_is_what_really_ends),
        UNIT_TEST(node_expire_ends_the_owner_of_the_deadline_and_no_other),
        UNIT_TEST(node_on_the_stack_has_the_cause_of_the_deadline_that_it_shares),
        UNIT_TEST(node_on_the_stack_keeps_its_end_though_its_source_is_cancelled),
        UNIT_TEST(node_on_the_stack_ends_by_its_own_clock_or_its_parent),
        UNIT_TEST(node_watcher_leaves_or_is_told),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
