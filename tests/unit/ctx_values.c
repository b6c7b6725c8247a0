/* ctx_values.c - values of contexts
 * SPDX-License-Identifier: MIT
 *
 * Risk      The wrong binding found, a value destroyed early, twice or never, a value node that
 *           keeps its parent's end or deadline from showing.
 * Method    Small chains; a destroy function that counts and calls back into the library.
 * Catches   C8, O4; I1, I20.
 */
#include "ctx_help.h"

#include "core/waiter.h"

#include <pthread.h>
#include <stdatomic.h>

static char key_a;
static char key_b;

struct destroyed {
    size_t count;
    cconc_ctx *probe; /* a context that the destroy function uses */
};

static void destroy_value(void *value)
{
    struct destroyed *d = value;
    d->count++;
    if (d->probe) {
        cconc_ctx *child = make_cancel(d->probe);
        cconc_ctx_cancel(d->probe);
        SUPPORT_CHECK(cconc_ctx_err(child) == ECANCELED);
        cconc_ctx_free(child);
    }
}

static void ctx_value_gives_the_nearest_binding(void **state)
{
    (void)state;
    int one = 1;
    int two = 2;
    int three = 3;
    cconc_ctx *a1 = make_value(NULL, &key_a, &one);
    cconc_ctx *b2 = make_value(a1, &key_b, &two);
    cconc_ctx *middle = make_cancel(b2);
    cconc_ctx *a3 = make_value(middle, &key_a, &three);
    assert_ptr_equal(cconc_ctx_value(a1, &key_a), &one);
    assert_null(cconc_ctx_value(a1, &key_b));
    assert_ptr_equal(cconc_ctx_value(middle, &key_a), &one);
    assert_ptr_equal(cconc_ctx_value(middle, &key_b), &two);
    assert_ptr_equal(cconc_ctx_value(a3, &key_a), &three);
    assert_ptr_equal(cconc_ctx_value(a3, &key_b), &two);
    assert_null(cconc_ctx_value(a3, &one));
    cconc_ctx_free(a1);
    cconc_ctx_free(b2);
    cconc_ctx_free(middle);
    assert_ptr_equal(cconc_ctx_value(a3, &key_b), &two);
    cconc_ctx_free(a3);
}

static void ctx_null_value_hides_an_outer_one(void **state)
{
    (void)state;
    cconc_ctx *outer = make_value(NULL, &key_a, &key_b);
    cconc_ctx *inner = make_value(outer, &key_a, NULL);
    cconc_ctx *child = make_cancel(inner);
    assert_null(cconc_ctx_value(inner, &key_a));
    assert_null(cconc_ctx_value(child, &key_a));
    assert_ptr_equal(cconc_ctx_value(outer, &key_a), &key_b);
    cconc_ctx_free(child);
    cconc_ctx_free(inner);
    cconc_ctx_free(outer);
}

static void ctx_keys_compare_by_address(void **state)
{
    (void)state;
    static const char first[2] = "k";
    static const char second[2] = "k";
    cconc_ctx *ctx = make_value(NULL, first, &key_a);
    assert_ptr_equal(cconc_ctx_value(ctx, first), &key_a);
    assert_null(cconc_ctx_value(ctx, second));
    assert_null(cconc_ctx_value(ctx, NULL));
    cconc_ctx_free(ctx);
}

static void ctx_without_cancel_keeps_values_only(void **state)
{
    (void)state;
    cconc_ctx *parent = make_timeout(NULL, FAR_NS);
    cconc_ctx *value = make_value(parent, &key_a, &key_b);
    cconc_ctx *shield = make_without_cancel(value);
    cconc_ctx *child = make_cancel(shield);
    cconc_ctx_cancel_cause(parent, EPERM, "gone");
    assert_ended(value, ECANCELED, EPERM, "gone");
    assert_ended(shield, 0, 0, NULL);
    assert_ended(child, 0, 0, NULL);
    assert_int_equal(cconc_ctx_deadline(child), CCONC_NEVER);
    cconc_ctx_free(value);
    cconc_ctx_free(parent);
    assert_ptr_equal(cconc_ctx_value(child, &key_a), &key_b);
    cconc_ctx *late = make_without_cancel(child);
    assert_ptr_equal(cconc_ctx_value(late, &key_a), &key_b);
    cconc_ctx_free(late);
    cconc_ctx_free(child);
    cconc_ctx_free(shield);
}

static void ctx_with_value_ends_with_its_parent(void **state)
{
    (void)state;
    cconc_ctx *parent = make_timeout(NULL, FAR_NS);
    cconc_ctx *value = make_value(parent, &key_a, &key_b);
    assert_int_equal(cconc_ctx_deadline(value), cconc_ctx_deadline(parent));
    assert_int_equal(cconc_ctx_err(value), 0);
    cconc_ctx_cancel_cause(parent, EPERM, "gone");
    assert_ended(value, ECANCELED, EPERM, "gone");
    assert_int_equal(cconc_ctx_wait(value, NULL), 0);
    assert_ptr_equal(cconc_ctx_value(value, &key_a), &key_b);
    cconc_ctx_free(parent);
    cconc_ctx_free(value);
}

static void ctx_value_is_destroyed_once_when_its_memory_goes(void **state)
{
    (void)state;
    struct destroyed d = {.count = 0, .probe = NULL};
    cconc_ctx *value;
    assert_int_equal(cconc_ctx_with_value(NULL, &key_a, &d, destroy_value, &value), 0);
    cconc_ctx *child = make_cancel(value);
    (void)cconc_ctx_ref(value);
    cconc_ctx_free(value);
    assert_int_equal(d.count, 0);
    cconc_ctx_free(value);
    assert_int_equal(d.count, 0);
    cconc_ctx_cancel(child);
    assert_int_equal(d.count, 0);
    cconc_ctx_free(child);
    assert_int_equal(d.count, 1);
}

static void ctx_destroy_may_call_the_library(void **state)
{
    (void)state;
    cconc_ctx *parent = make_cancel(NULL);
    cconc_ctx *value;
    struct destroyed d = {.count = 0, .probe = parent};
    assert_int_equal(cconc_ctx_with_value(parent, &key_a, &d, destroy_value, &value), 0);
    cconc_ctx_free(value);
    assert_int_equal(d.count, 1);
    assert_int_equal(cconc_ctx_err(parent), ECANCELED);
    cconc_ctx_free(parent);
}

static void ctx_value_without_a_destroy_function_is_left_alone(void **state)
{
    (void)state;
    cconc_ctx *value;
    struct destroyed d = {.count = 0, .probe = NULL};
    assert_int_equal(cconc_ctx_with_value(NULL, &key_a, &d, NULL, &value), 0);
    cconc_ctx_free(value);
    assert_int_equal(d.count, 0);
}

static void ctx_value_that_was_not_taken_stays_the_callers(void **state)
{
    (void)state;
    struct destroyed d = {.count = 0, .probe = NULL};
    cconc_ctx *out = CTX_MARK;
    support_fail_alloc(1, true);
    assert_int_equal(cconc_ctx_with_value(NULL, &key_a, &d, destroy_value, &out), ENOMEM);
    assert_int_equal(support_fail_end(), 1);
    assert_int_equal(cconc_ctx_with_value(NULL, NULL, &d, destroy_value, &out), EINVAL);
    assert_int_equal(cconc_ctx_with_value(NULL, &key_a, &d, destroy_value, NULL), EINVAL);
    assert_ptr_equal(out, CTX_MARK);
    assert_int_equal(d.count, 0);
}

struct last_hold {
    node_hook   hook; /* first: the calls get it back */
    cconc_ctx  *value;
    cconc_ctx  *ctx;
    atomic_int  destroyed;
    atomic_bool over;
};

static void hold_ended_locked(node_hook *hook)
{
    (void)hook;
}

/* On the timer service's thread: drop all but the reference that the service itself has. */
static void hold_ended(node_hook *hook)
{
    struct last_hold *hold = (struct last_hold *)(void *)hook;
    SUPPORT_CHECK(!cconc__node_unwatch(hold->ctx, &hook->node));
    cconc_ctx_free(hold->ctx);
    cconc_ctx_free(hold->value);
}

static void destroy_and_exit(void *arg)
{
    struct last_hold *hold = arg;
    atomic_fetch_add(&hold->destroyed, 1);
    atomic_store(&hold->over, true);
    pthread_exit(NULL);
}

static void ctx_value_whose_destroy_ends_the_timer_thread_leaves_it_working(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        struct last_hold hold = {.over = false};
        cconc_ctx *outer = make_cancel(NULL);
        hold.value = make_value(outer, &ctx_mark, NULL);
        cconc_ctx_free(hold.value);
        assert_int_equal(cconc_ctx_with_value(outer, &ctx_mark, &hold, destroy_and_exit,
                                              &hold.value), 0);
        hold.ctx = make_timeout(hold.value, 250 * CCONC_MS); /* time to watch it */
        wait_node_init(&hold.hook.node, NULL, NULL, 0);
        hold.hook.ended_locked = hold_ended_locked;
        hold.hook.ended = hold_ended;
        assert_true(cconc__node_watch(hold.ctx, &hold.hook.node));
        until(atomic_load(&hold.over));
        cconc_ctx *later = make_timeout(outer, CCONC_MS); /* the service goes on */
        until(cconc_ctx_err(later) == ETIMEDOUT);
        assert_int_equal(atomic_load(&hold.destroyed), 1);
        cconc_ctx_free(later);
        cconc_ctx_free(outer);
    }
}

static void count_and_exit(void *value)
{
    atomic_fetch_add((atomic_int *)value, 1);
    pthread_exit(NULL);
}

static void free_that_ends(void *arg, size_t index)
{
    (void)index;
    cconc_ctx_free(arg);
    support_abort(__FILE__, __LINE__, "free came back");
}

static void ctx_values_are_all_destroyed_though_each_ends_the_callers_thread(void **state)
{
    (void)state;
    atomic_int destroyed = 0;
    cconc_ctx *ctx = make_cancel(NULL);
    for (int i = 0; i < 5; i++) { /* one handle, which keeps all those above it */
        cconc_ctx *child = NULL;
        assert_int_equal(cconc_ctx_with_value(ctx, &key_a, &destroyed, count_and_exit, &child), 0);
        cconc_ctx_free(ctx);
        ctx = child;
    }
    assert_int_equal(support_threads_join(support_threads_start(1, free_that_ends, ctx)), 0);
    assert_int_equal(atomic_load(&destroyed), 5);
}

/* However many other contexts lie between: each knows the nearest node with a value. */
static void ctx_look_up_walks_value_nodes_only(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    cconc_ctx *chain[COUNT];
    cconc_ctx *outer = make_value(NULL, &key_a, &key_b);
    cconc_ctx *inner = make_value(outer, &key_b, &key_a);
    for (size_t i = 0; i < COUNT; i++) {
        cconc_ctx *parent = i > 0 ? chain[i - 1] : inner;
        chain[i] = i % 3 == 0   ? make_cancel(parent)
                   : i % 3 == 1 ? make_timeout(parent, FAR_NS)
                                : make_without_cancel(parent);
        assert_ptr_equal(chain[i]->values, inner);
    }
    assert_ptr_equal(cconc_ctx_value(chain[COUNT - 1], &key_a), &key_b);
    assert_ptr_equal(cconc_ctx_value(chain[COUNT - 1], &key_b), &key_a);
    for (size_t i = COUNT; i-- > 0;) {
        cconc_ctx_free(chain[i]);
    }
    cconc_ctx_free(inner);
    cconc_ctx_free(outer);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(ctx_value_whose_destroy_ends_the_timer_thread_leaves_it_working),
        UNIT_TEST(ctx_values_are_all_destroyed_though_each_ends_the_callers_thread),
        UNIT_TEST(ctx_value_gives_the_nearest_binding),
        UNIT_TEST(ctx_null_value_hides_an_outer_one),
        UNIT_TEST(ctx_keys_compare_by_address),
        UNIT_TEST(ctx_without_cancel_keeps_values_only),
        UNIT_TEST(ctx_with_value_ends_with_its_parent),
        UNIT_TEST(ctx_value_is_destroyed_once_when_its_memory_goes),
        UNIT_TEST(ctx_destroy_may_call_the_library),
        UNIT_TEST(ctx_value_without_a_destroy_function_is_left_alone),
        UNIT_TEST(ctx_value_that_was_not_taken_stays_the_callers),
        UNIT_TEST(ctx_look_up_walks_value_nodes_only),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
