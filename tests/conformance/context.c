/* context.c - the behaviours of Go's package context: the tree, Done, values
 * SPDX-License-Identifier: MIT
 *
 * Risk      A program carried over from Go that behaves differently without being told.
 * Method    One case a behaviour that Go documents, or that its users rely on. ctx.Done() is a
 *           wait, a select case or a descriptor here. The deliberate differences are cases too,
 *           and say so. Ends and times: context_cause.c; AfterFunc: context_after.c.
 * Catches   ported programs that change their meaning; rules ctx-1, ctx-2, ctx-6, ctx-11 to ctx-14.
 */
#include "context_help.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

/* ---- Background ------------------------------------------------------------------------------ */

static void background_is_never_done_and_has_no_deadline_and_no_values(void **state)
{
    cconc_ctx *roots[] = {cconc_ctx_background(), NULL};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_live(roots[i]);
        assert_int_equal(cconc_ctx_deadline(roots[i]), CCONC_NEVER);
        assert_null(cconc_ctx_value(roots[i], context_mark()));
        cconc_ctx_free(cconc_ctx_ref(roots[i])); /* needs neither */
    }
    assert_ptr_equal(cconc_ctx_background(), cconc_ctx_background());
}

/* Go panics without a parent, and has a second root for code that has none yet. NULL is both. */
static void no_parent_means_background_unlike_go(void **state)
{
    cconc_ctx *made[] = {
        with_cancel(NULL),
        with_deadline(NULL, cconc_clock_after(FAR_NS)),
        with_timeout(NULL, FAR_NS),
        with_timeout_cause(NULL, FAR_NS),
        with_value(NULL, context_mark(), NULL),
        without_cancel(NULL),
    };
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        assert_live(made[i]);
    }
    free_all(made, 6);
}

/* Go's nil Done channel blocks for ever; in company of another case it is merely never ready. */
static void done_of_background_alone_is_a_deadlock_unlike_go(void **state)
{
    cconc_chan *ch = NULL;
    size_t fired = 99;
    (void)state;
    SUPPORT_CHECK(cconc_chan_new(0, 1, &ch) == 0);
    cconc_select_case cases[] = {cconc_select_done(cconc_ctx_background()), cconc_select_done(NULL),
                                 cconc_select_send(ch, NULL)};
    assert_int_equal(cconc_select(cases, 2, 0, &fired), EDEADLK);
    assert_int_equal(cconc_ctx_wait(cconc_ctx_background(), NULL), EDEADLK);
    assert_int_equal(cconc_select(cases, 3, 0, &fired), 0);
    assert_int_equal(fired, 2);
    cconc_chan_free(ch);
}

/* ---- WithCancel ----------------------------------------------------------------------------- */

static void with_cancel_is_live_until_it_is_cancelled_and_then_done_for_good(void **state)
{
    cconc_ctx *ctx = with_cancel(cconc_ctx_background());
    (void)state;
    assert_live(ctx);
    assert_int_equal(cconc_ctx_deadline(ctx), CCONC_NEVER);
    cconc_ctx_cancel(ctx);
    for (int i = 0; i < 3; i++) {
        assert_cancelled(ctx);
        cconc_ctx_cancel(ctx); /* after the first call, the others do nothing */
    }
    pass(FAR_NS);
    assert_cancelled(ctx);
    cconc_ctx_free(ctx);
}

static void with_cancel_ends_with_its_parent_and_not_the_other_way(void **state)
{
    cconc_ctx *parent = with_cancel(NULL);
    cconc_ctx *first = with_cancel(parent);
    cconc_ctx *second = with_cancel(parent);
    (void)state;
    cconc_ctx_cancel(first);
    assert_cancelled(first);
    assert_live(parent);
    assert_live(second);
    cconc_ctx_cancel(parent);
    assert_cancelled(second);
    cconc_ctx_free(second);
    cconc_ctx_free(first);
    cconc_ctx_free(parent);
}

#define TREE_SIZE 40 /* the children of i are 3 * i + 1 to 3 * i + 3, one of each kind */

static void tree_make(cconc_ctx **tree)
{
    tree[0] = with_cancel(NULL);
    for (size_t i = 1; i < TREE_SIZE; i++) {
        cconc_ctx *parent = tree[(i - 1) / 3];
        tree[i] = i % 3 == 0   ? with_value(parent, context_mark(), NULL)
                  : i % 3 == 1 ? with_timeout(parent, FAR_NS)
                               : with_cancel(parent);
    }
}

static bool tree_is_below(size_t i, size_t top)
{
    while (i > top) {
        i = (i - 1) / 3;
    }
    return i == top;
}

/* Go leaves open whether Done is closed when the cancel function returns; here all of it is. */
static void cancel_returns_when_the_whole_tree_is_done_unlike_go(void **state)
{
    cconc_ctx *tree[TREE_SIZE];
    (void)state;
    tree_make(tree);
    cconc_ctx_cancel(tree[2]);
    for (size_t i = 0; i < TREE_SIZE; i++) {
        assert_ended(tree[i], tree_is_below(i, 2) ? ECANCELED : 0,
                     tree_is_below(i, 2) ? ECANCELED : 0, NULL);
    }
    cconc_ctx_cancel_cause(tree[0], EPERM, "all");
    for (size_t i = 0; i < TREE_SIZE; i++) {
        int code = tree_is_below(i, 2) ? ECANCELED : EPERM;
        assert_ended(tree[i], ECANCELED, code, code == EPERM ? "all" : NULL);
    }
    free_all(tree, TREE_SIZE);
}

struct cancellers {
    cconc_ctx *tree[TREE_SIZE];
    atomic_size_t ready;
    atomic_bool stop;
};

static void cancel_somewhere(void *arg, size_t index)
{
    static const size_t places[] = {0, 2, 7, 0};
    struct cancellers *c = arg;
    atomic_fetch_add(&c->ready, 1);
    until(atomic_load(&c->ready) == 4);
    cconc_ctx_cancel(c->tree[places[index]]);
    for (size_t i = 0; i < TREE_SIZE; i++) {
        SUPPORT_CHECK(!tree_is_below(i, places[index]) || cconc_ctx_err(c->tree[i]) == ECANCELED);
    }
}

static void cancel_may_be_called_by_many_threads_and_at_many_places_at_once(void **state)
{
    (void)state;
    for (int round = 0; round < 100; round++) {
        struct cancellers c = {.ready = 0};
        tree_make(c.tree);
        support_threads_join(support_threads_start(4, cancel_somewhere, &c));
        free_all(c.tree, TREE_SIZE);
    }
}

static void derive_again_and_again(void *arg, size_t index)
{
    struct cancellers *c = arg;
    (void)index;
    atomic_fetch_add(&c->ready, 1);
    while (!atomic_load(&c->stop)) {
        bool was_done = cconc_ctx_err(c->tree[0]) != 0;
        cconc_ctx *child = with_cancel(c->tree[0]);
        SUPPORT_CHECK(!was_done || cconc_ctx_cause(child, NULL) == EPERM);
        cconc_ctx_free(child);
    }
}

static void child_made_while_its_parent_is_cancelled_does_not_stay_live(void **state)
{
    (void)state;
    for (int round = 0; round < 100; round++) {
        struct cancellers c = {.tree = {with_cancel(NULL)}};
        struct support_threads *threads = support_threads_start(2, derive_again_and_again, &c);
        until(atomic_load(&c.ready) == 2);
        cconc_ctx_cancel_cause(c.tree[0], EPERM, NULL);
        atomic_store(&c.stop, true);
        support_threads_join(threads);
        cconc_ctx_free(c.tree[0]);
    }
}

static void child_of_a_done_parent_is_born_done_with_its_cause(void **state)
{
    cconc_ctx *parents[] = {with_cancel(NULL), with_timeout_cause(NULL, 0)};
    (void)state;
    cconc_ctx_cancel_cause(parents[0], EPERM, "gone");
    for (size_t p = 0; p < 2; p++) {
        cconc_ctx *made[] = {
            with_cancel(parents[p]),
            with_timeout(parents[p], FAR_NS),
            with_timeout(parents[p], 0),
            with_timeout_cause(parents[p], FAR_NS),
            with_value(parents[p], context_mark(), NULL),
        };
        for (size_t i = 0; i < 5; i++) {
            assert_ended(made[i], p ? ETIMEDOUT : ECANCELED, p ? EDOM : EPERM,
                         p ? "too slow" : "gone");
        }
        free_all(made, 5);
    }
    free_all(parents, 2);
}

static void contexts_take_no_thread_and_leave_nothing_at_their_parent(void **state)
{
    cconc_ctx *parent = with_cancel(NULL);
    (void)state;
    cconc_ctx_free(with_timeout(parent, FAR_NS)); /* the timer service is there from now on */
    uint64_t threads = support_thread_count();
    size_t blocks = support_live_blocks();
    for (int i = 0; i < 5000; i++) {
        cconc_ctx *ctx = i % 2 ? with_cancel(parent) : with_timeout(parent, FAR_NS);
        cconc_ctx_cancel(ctx);
        cconc_ctx_free(ctx);
    }
    assert_int_equal(support_thread_count(), threads);
    assert_int_equal(support_live_blocks(), blocks);
    cconc_ctx_free(parent);
}

/* Go has a collector, and a check for cancel functions that are lost. */
static void last_free_cancels_and_children_may_outlive_it_unlike_go(void **state)
{
    cconc_ctx *parent = with_cancel(NULL);
    cconc_ctx *child = with_cancel(parent);
    (void)state;
    (void)cconc_ctx_ref(parent);
    cconc_ctx_free(parent);
    assert_live(child);
    cconc_ctx_free(parent);
    assert_cancelled(child);
    cconc_ctx_free(child);
}

/* ---- Done ----------------------------------------------------------------------------------- */

struct everybody {
    cconc_ctx *ctx;
    cconc_chan *ch;
};

static void wait_in_one_of_five_ways(void *arg, size_t index)
{
    struct everybody *e = arg;
    cconc_select_case cases[] = {cconc_select_recv(e->ch, NULL), cconc_select_done(e->ctx)};
    size_t fired = 99;
    switch (index % 5) {
    case 0:
        SUPPORT_CHECK(cconc_ctx_wait(e->ctx, NULL) == 0);
        break;
    case 1:
        SUPPORT_CHECK(cconc_select(cases, 2, 0, &fired) == ECANCELED && fired == 1);
        break;
    case 2:
        SUPPORT_CHECK(cconc_chan_recv(e->ch, e->ctx, NULL) == ECANCELED);
        break;
    case 3:
        SUPPORT_CHECK(cconc_ctx_sleep(e->ctx, FAR_NS) == ECANCELED);
        break;
    default:
        SUPPORT_CHECK(cconc_ctx_wait(NULL, e->ctx) == ECANCELED);
    }
    SUPPORT_CHECK(cconc_ctx_err(e->ctx) == ECANCELED);
}

static void done_wakes_everybody_who_waits_for_it(void **state)
{
    cconc_ctx *parent = with_timeout(NULL, FAR_NS); /* so that the clock counts the waits */
    struct everybody e = {.ctx = with_cancel(parent)};
    (void)state;
    SUPPORT_CHECK(cconc_chan_new(sizeof(int), 0, &e.ch) == 0);
    struct support_threads *threads = support_threads_start(10, wait_in_one_of_five_ways, &e);
    until(cconc_clock_waiters() == 10);
    cconc_ctx_cancel(parent);
    support_threads_join(threads);
    cconc_chan_free(e.ch);
    cconc_ctx_free(e.ctx);
    cconc_ctx_free(parent);
}

static void done_is_also_a_descriptor_to_poll(void **state)
{
    cconc_ctx *ctx = with_cancel(NULL);
    int fd = fd_of(ctx);
    (void)state;
    assert_false(fd_is_readable(fd));
    assert_int_equal(fd_of(ctx), fd); /* successive calls give the same */
    cconc_ctx_cancel(ctx);
    assert_true(fd_is_readable(fd));
    assert_true(fd_is_readable(fd)); /* a closed channel stays ready */
    cconc_ctx_free(ctx);
}

static void done_has_no_precedence_in_a_select(void **state)
{
    size_t count[2] = {0, 0};
    cconc_chan *ch = NULL;
    cconc_ctx *ctx = with_timeout(NULL, 0);
    (void)state;
    SUPPORT_CHECK(cconc_chan_new(0, 0, &ch) == 0 && cconc_chan_close(ch) == 0);
    cconc_select_case cases[] = {cconc_select_done(ctx), cconc_select_recv(ch, NULL)};
    for (int i = 0; i < 400; i++) {
        size_t fired = 99;
        int err = cconc_select(cases, 2, 0, &fired);
        assert_int_equal(err, fired == 0 ? ETIMEDOUT : EPIPE);
        count[fired]++;
    }
    assert_in_range(count[0], 100, 300);
    cconc_chan_free(ch);
    cconc_ctx_free(ctx);
}

/* In Go such a send is a select with Done, which chooses at random. */
static void done_context_beats_a_ready_channel_in_a_plain_call_unlike_go(void **state)
{
    cconc_chan *ch = NULL;
    cconc_ctx *ctx = with_cancel(NULL);
    (void)state;
    SUPPORT_CHECK(cconc_chan_new(0, 1, &ch) == 0);
    cconc_ctx_cancel_cause(ctx, EPERM, "the code of the call is err, not the cause");
    for (int i = 0; i < 50; i++) {
        assert_int_equal(cconc_chan_send(ch, ctx, NULL), ECANCELED);
        assert_int_equal(cconc_chan_len(ch), 0);
    }
    cconc_chan_free(ch);
    cconc_ctx_free(ctx);
}

static void generate(void *arg, size_t index)
{
    struct everybody *e = arg;
    int err = 0;
    (void)index;
    for (int n = 1; err == 0; n++) {
        err = cconc_chan_send(e->ch, e->ctx, &n);
    }
    SUPPORT_CHECK(err == ECANCELED);
}

static void cancel_ends_a_generator_that_nobody_reads_any_more(void **state)
{
    struct everybody e = {.ctx = with_cancel(NULL)};
    (void)state;
    SUPPORT_CHECK(cconc_chan_new(sizeof(int), 0, &e.ch) == 0);
    struct support_threads *threads = support_threads_start(1, generate, &e);
    for (int expected = 1; expected <= 5; expected++) {
        int n = 0;
        assert_int_equal(cconc_chan_recv(e.ch, NULL, &n), 0);
        assert_int_equal(n, expected);
    }
    cconc_ctx_cancel(e.ctx);
    support_threads_join(threads);
    cconc_chan_free(e.ch);
    cconc_ctx_free(e.ctx);
}

/* ---- WithoutCancel -------------------------------------------------------------------------- */

static void without_cancel_has_no_end_and_no_deadline_whatever_its_parent_has(void **state)
{
    cconc_ctx *parent = with_timeout(NULL, FAR_NS);
    cconc_ctx *before = without_cancel(parent);
    (void)state;
    cconc_ctx_cancel_cause(parent, EPERM, "gone");
    cconc_ctx *after = without_cancel(parent);
    cconc_ctx *both[] = {before, after};
    for (size_t i = 0; i < 2; i++) {
        int fd = -1;
        assert_live(both[i]);
        assert_int_equal(cconc_ctx_deadline(both[i]), CCONC_NEVER);
        assert_int_equal(cconc_ctx_wait(both[i], NULL), EDEADLK);
        assert_int_equal(cconc_ctx_fd(both[i], &fd), EINVAL); /* Go: Done gives nil */
        expect_misuse("ctx cancel of a context that cannot be cancelled",
                      cconc_ctx_cancel(both[i]));
    }
    free_all(both, 2);
    cconc_ctx_free(parent);
}

static void without_cancel_may_have_children_that_end(void **state)
{
    cconc_ctx *parent = with_cancel(NULL);
    cconc_ctx *without = without_cancel(parent);
    cconc_ctx *first = with_cancel(without);
    cconc_ctx *second = with_timeout(without, CCONC_MS);
    (void)state;
    cconc_ctx_cancel(parent);
    assert_live(first);
    assert_live(second);
    cconc_ctx_cancel(first);
    assert_cancelled(first);
    pass(CCONC_MS);
    assert_expired(second);
    assert_live(without);
    cconc_ctx *all[] = {first, second, without, parent};
    free_all(all, 4);
}

/* ---- WithValue ------------------------------------------------------------------------------ */

static void with_value_is_found_by_all_below_and_by_nobody_else(void **state)
{
    static char a;
    static char b;
    cconc_ctx_mem mem;
    cconc_ctx *root = with_cancel(NULL);
    cconc_ctx *first = with_value(root, &a, &mem);
    cconc_ctx *chain[] = {with_cancel(first), NULL, NULL, NULL, NULL};
    (void)state;
    chain[1] = with_timeout(chain[0], FAR_NS);
    chain[2] = with_value(chain[1], &b, &b);
    chain[3] = without_cancel(chain[2]);
    chain[4] = with_cancel(chain[3]);
    for (size_t i = 0; i < 5; i++) {
        assert_ptr_equal(cconc_ctx_value(chain[i], &a), &mem);
        assert_ptr_equal(cconc_ctx_value(chain[i], &b), i < 2 ? NULL : &b);
        assert_null(cconc_ctx_value(chain[i], &mem));
    }
    assert_ptr_equal(cconc_ctx_value(cconc_ctx_until(&mem, chain[4], 0), &a), &mem);
    assert_null(cconc_ctx_value(root, &a));
    free_all(chain, 5);
    cconc_ctx_free(first);
    cconc_ctx_free(root);
}

static void with_value_nearest_binding_wins_and_hides_the_outer_one(void **state)
{
    int one = 1;
    int two = 2;
    cconc_ctx *outer = with_value(NULL, context_mark(), &one);
    cconc_ctx *inner = with_value(outer, context_mark(), &two);
    cconc_ctx *none = with_value(inner, context_mark(), NULL);
    (void)state;
    assert_ptr_equal(cconc_ctx_value(outer, context_mark()), &one);
    assert_ptr_equal(cconc_ctx_value(inner, context_mark()), &two);
    assert_null(cconc_ctx_value(none, context_mark()));
    cconc_ctx *all[] = {none, inner, outer};
    free_all(all, 3);
}

/* Go compares keys with ==, so that equal strings are one key: its reason to ask for own types. */
static void with_value_compares_keys_by_address_unlike_go(void **state)
{
    static const char first[] = "user";
    static const char second[] = "user";
    cconc_ctx *ctx = with_value(NULL, first, context_mark());
    (void)state;
    assert_ptr_equal(cconc_ctx_value(ctx, first), context_mark());
    assert_null(cconc_ctx_value(ctx, second));
    cconc_ctx_free(ctx);
}

static void with_value_ends_with_its_parent_and_keeps_its_value(void **state)
{
    cconc_ctx *parent = with_timeout(NULL, FAR_NS);
    cconc_ctx *value = with_value(parent, context_mark(), context_mark());
    (void)state;
    assert_int_equal(cconc_ctx_deadline(value), cconc_ctx_deadline(parent));
    expect_misuse("ctx cancel of a context that cannot be cancelled", cconc_ctx_cancel(value));
    cconc_ctx_cancel_cause(parent, EPERM, "gone");
    assert_ended(value, ECANCELED, EPERM, "gone");
    cconc_ctx_free(parent);
    assert_ptr_equal(cconc_ctx_value(value, context_mark()), context_mark());
    cconc_ctx_free(value);
}

static void with_value_of_no_key_is_refused_where_go_panics(void **state)
{
    cconc_ctx *ctx = NULL;
    (void)state;
    assert_int_equal(cconc_ctx_with_value(NULL, NULL, context_mark(), NULL, &ctx), EINVAL);
    assert_null(ctx);
    assert_null(cconc_ctx_value(cconc_ctx_background(), NULL));
}

static void count_destroy(void *value)
{
    (*(int *)value)++;
}

static void with_value_gives_its_value_back_once_unlike_go(void **state)
{
    int destroyed = 0;
    cconc_ctx *ctx = NULL;
    (void)state;
    assert_int_equal(cconc_ctx_with_value(NULL, context_mark(), &destroyed, count_destroy, &ctx),
                     0);
    cconc_ctx *child = with_cancel(ctx);
    cconc_ctx_free(ctx);
    assert_ptr_equal(cconc_ctx_value(child, context_mark()), &destroyed);
    assert_int_equal(destroyed, 0);
    cconc_ctx_free(child);
    assert_int_equal(destroyed, 1);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        TIME_TEST(background_is_never_done_and_has_no_deadline_and_no_values),
        TIME_TEST(no_parent_means_background_unlike_go),
        TIME_TEST(done_of_background_alone_is_a_deadlock_unlike_go),
        TIME_TEST(with_cancel_is_live_until_it_is_cancelled_and_then_done_for_good),
        TIME_TEST(with_cancel_ends_with_its_parent_and_not_the_other_way),
        TIME_TEST(cancel_returns_when_the_whole_tree_is_done_unlike_go),
        TIME_TEST(cancel_may_be_called_by_many_threads_and_at_many_places_at_once),
        TIME_TEST(child_made_while_its_parent_is_cancelled_does_not_stay_live),
        TIME_TEST(child_of_a_done_parent_is_born_done_with_its_cause),
        TIME_TEST(contexts_take_no_thread_and_leave_nothing_at_their_parent),
        TIME_TEST(last_free_cancels_and_children_may_outlive_it_unlike_go),
        TIME_TEST(done_wakes_everybody_who_waits_for_it),
        TIME_TEST(done_is_also_a_descriptor_to_poll),
        TIME_TEST(done_has_no_precedence_in_a_select),
        TIME_TEST(done_context_beats_a_ready_channel_in_a_plain_call_unlike_go),
        TIME_TEST(cancel_ends_a_generator_that_nobody_reads_any_more),
        TIME_TEST(without_cancel_has_no_end_and_no_deadline_whatever_its_parent_has),
        TIME_TEST(without_cancel_may_have_children_that_end),
        TIME_TEST(with_value_is_found_by_all_below_and_by_nobody_else),
        TIME_TEST(with_value_nearest_binding_wins_and_hides_the_outer_one),
        TIME_TEST(with_value_compares_keys_by_address_unlike_go),
        TIME_TEST(with_value_ends_with_its_parent_and_keeps_its_value),
        TIME_TEST(with_value_of_no_key_is_refused_where_go_panics),
        TIME_TEST(with_value_gives_its_value_back_once_unlike_go),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
