/* ctx_race.c - what racing callers see of a context that ends
 * SPDX-License-Identifier: MIT
 *
 * Risk      err or cause shown before all else is done, a cancel that returns too early, a child
 *           made meanwhile that stays live, cancels at several places that wait for each other.
 * Method    Many short rounds; the threads line up, then run freely, and every outcome is checked.
 * Catches   C1, C2, C4, C6, C9, C11, C13.
 */
#include "ctx_help.h"

#include <stdatomic.h>
#include <string.h>

#define ROUNDS 150

struct race {
    cconc_ctx *root;
    cconc_ctx *nodes[TREE_SIZE];
    atomic_size_t ready;
    atomic_bool go;
    atomic_bool stop;
    int plain; /* written before a cancel, read by whoever sees its effect */
};

static void line_up(struct race *r)
{
    atomic_fetch_add(&r->ready, 1);
    until(atomic_load(&r->go));
}

/* Start count threads and let them run once all have lined up. */
static struct support_threads *race_start(struct race *r, size_t count, support_thread_fn fn)
{
    struct support_threads *threads = support_threads_start(count, fn, r);
    until(atomic_load(&r->ready) == count);
    atomic_store(&r->go, true);
    return threads;
}

static void cancel_and_look_at_all(void *arg, size_t index)
{
    struct race *r = arg;
    line_up(r);
    cconc_ctx_cancel_cause(r->nodes[0], (int)index + 1, NULL);
    int code = cconc_ctx_cause(r->nodes[0], NULL);
    for (size_t i = 0; i < TREE_SIZE; i++) {
        SUPPORT_CHECK(cconc_ctx_err(r->nodes[i]) == ECANCELED);
        SUPPORT_CHECK(cconc_ctx_cause(r->nodes[i], NULL) == code);
    }
}

static void ctx_every_of_many_cancels_returns_when_the_subtree_is_done(void **state)
{
    (void)state;
    for (size_t round = 0; round < ROUNDS; round++) {
        struct race r = {0};
        tree_make(r.nodes);
        assert_int_equal(support_threads_join(race_start(&r, 3, cancel_and_look_at_all)), 0);
        tree_free(r.nodes);
    }
}

/* Places of the tree, some above others, that can be cancelled. */
static const size_t places[] = {0, 2, 12, 62};

static void cancel_somewhere(void *arg, size_t index)
{
    struct race *r = arg;
    size_t first = places[index];
    line_up(r);
    cconc_ctx_cancel(r->nodes[first]);
    for (size_t i = first; i < TREE_SIZE; i++) {
        size_t top = i;
        while (top > first) {
            top = (top - 1) / TREE_FAN;
        }
        SUPPORT_CHECK(top != first || cconc_ctx_err(r->nodes[i]) == ECANCELED);
    }
}

static void ctx_cancels_at_several_places_of_a_tree_all_end(void **state)
{
    (void)state;
    for (size_t round = 0; round < ROUNDS; round++) {
        struct race r = {0};
        tree_make(r.nodes);
        assert_int_equal(support_threads_join(race_start(&r, 4, cancel_somewhere)), 0);
        tree_free(r.nodes);
    }
}

static void derive_until_told(void *arg, size_t index)
{
    struct race *r = arg;
    (void)index;
    cconc_ctx *children[64] = {NULL};
    line_up(r);
    for (size_t i = 0; !atomic_load(&r->stop); i = (i + 1) % 64) {
        cconc_ctx_free(children[i]);
        children[i] = make_cancel(r->root);
    }
    for (size_t i = 0; i < 64; i++) {
        SUPPORT_CHECK(!children[i] || cconc_ctx_cause(children[i], NULL) == EPERM);
        cconc_ctx_free(children[i]);
    }
}

static void ctx_child_made_during_a_cancel_is_done_when_cancel_returns(void **state)
{
    (void)state;
    for (size_t round = 0; round < ROUNDS; round++) {
        struct race r = {0};
        r.root = make_cancel(NULL);
        struct support_threads *threads = race_start(&r, 2, derive_until_told);
        cconc_ctx_cancel_cause(r.root, EPERM, NULL);
        atomic_store(&r.stop, true);
        assert_int_equal(support_threads_join(threads), 0);
        cconc_ctx_free(r.root);
    }
}

/* Whoever sees err finds all of it: cause, descriptor, waits, new children, what was written. */
static void see_the_end(void *arg, size_t index)
{
    struct race *r = arg;
    (void)index;
    int fd = fd_of(r->root);
    line_up(r);
    until(cconc_ctx_err(r->root) != 0);
    SUPPORT_CHECK(r->plain == 42);
    SUPPORT_CHECK(cconc_ctx_cause(r->root, NULL) == EPERM);
    SUPPORT_CHECK(fd_is_readable(fd));
    SUPPORT_CHECK(cconc_ctx_wait(r->root, NULL) == 0);
    cconc_ctx *child = make_cancel(r->root);
    SUPPORT_CHECK(cconc_ctx_cause(child, NULL) == EPERM);
    cconc_ctx_free(child);
}

static void ctx_err_is_never_seen_before_all_else_is_done(void **state)
{
    (void)state;
    for (size_t round = 0; round < ROUNDS; round++) {
        struct race r = {0};
        r.root = make_cancel(NULL);
        struct support_threads *threads = race_start(&r, 2, see_the_end);
        r.plain = 42;
        cconc_ctx_cancel_cause(r.root, EPERM, "done");
        assert_int_equal(support_threads_join(threads), 0);
        cconc_ctx_free(r.root);
    }
}

static void see_the_cause(void *arg, size_t index)
{
    struct race *r = arg;
    const char *message = NULL;
    (void)index;
    line_up(r);
    until(cconc_ctx_cause(r->nodes[0], &message) != 0);
    SUPPORT_CHECK(r->plain == 42);
    SUPPORT_CHECK(cconc_ctx_cause(r->nodes[0], NULL) == EPERM);
    SUPPORT_CHECK(strcmp(message, "rich") == 0);
    SUPPORT_CHECK(cconc_ctx_err(r->nodes[0]) == ECANCELED);
}

static void ctx_cause_goes_from_none_to_final_in_one_step(void **state)
{
    (void)state;
    for (size_t round = 0; round < ROUNDS; round++) {
        struct race r = {0};
        r.root = make_cancel(NULL);
        r.nodes[0] = make_cancel(r.root);
        struct support_threads *threads = race_start(&r, 2, see_the_cause);
        r.plain = 42;
        cconc_ctx_cancel_cause(r.root, EPERM, "rich");
        cconc_ctx_cancel_cause(r.nodes[0], ENXIO, "richer");
        assert_int_equal(support_threads_join(threads), 0);
        cconc_ctx_free(r.nodes[0]);
        cconc_ctx_free(r.root);
    }
}

/* All readers ask one context on the stack; only the first of them looks at the source. */
static void ctx_on_the_stack_passes_on_what_came_before_the_cancel(void **state)
{
    (void)state;
    for (size_t round = 0; round < ROUNDS; round++) {
        struct race r = {0};
        cconc_ctx_mem mem;
        r.root = make_cancel(NULL);
        r.nodes[0] = cconc_ctx_until(&mem, r.root, CCONC_NEVER);
        struct support_threads *threads = race_start(&r, 3, see_the_cause);
        r.plain = 42;
        cconc_ctx_cancel_cause(r.root, EPERM, "rich");
        assert_int_equal(support_threads_join(threads), 0);
        cconc_ctx_free(r.root);
    }
}

static void wait_for_the_end(void *arg, size_t index)
{
    struct race *r = arg;
    (void)index;
    line_up(r);
    SUPPORT_CHECK(cconc_ctx_wait(r->root, NULL) == 0);
    SUPPORT_CHECK(r->plain == 42);
    SUPPORT_CHECK(cconc_ctx_err(r->root) == ECANCELED);
}

static void ctx_cancel_never_misses_a_thread_about_to_wait(void **state)
{
    (void)state;
    for (size_t round = 0; round < ROUNDS; round++) {
        struct race r = {0};
        r.root = make_cancel(NULL);
        struct support_threads *threads = race_start(&r, 3, wait_for_the_end);
        r.plain = 42;
        cconc_ctx_cancel(r.root);
        assert_int_equal(support_threads_join(threads), 0);
        assert_int_equal(cconc__node_watchers(r.root), 0);
        cconc_ctx_free(r.root);
    }
}

static void free_one_handle(void *arg, size_t index)
{
    struct race *r = arg;
    line_up(r);
    cconc_ctx_free(index == 0 ? r->root : r->nodes[0]);
}

static void ctx_cancel_of_a_parent_may_race_the_last_free_of_its_child(void **state)
{
    (void)state;
    for (size_t round = 0; round < ROUNDS * 4; round++) {
        struct race r = {0};
        r.root = make_cancel(NULL);
        r.nodes[0] = round % 2 ? make_cancel(r.root) : make_timeout(r.root, FAR_NS);
        assert_int_equal(support_threads_join(race_start(&r, 2, free_one_handle)), 0);
    }
}

static void ref_and_free(void *arg, size_t index)
{
    struct race *r = arg;
    (void)index;
    line_up(r);
    for (size_t i = 0; i < 50; i++) {
        cconc_ctx_free(cconc_ctx_ref(r->root));
    }
    cconc_ctx_free(r->root);
}

static void ctx_handles_counted_by_many_threads_end_it_once(void **state)
{
    (void)state;
    for (size_t round = 0; round < ROUNDS; round++) {
        struct race r = {0};
        r.root = make_cancel(NULL);
        cconc_ctx *child = make_cancel(r.root);
        (void)cconc_ctx_ref(r.root);
        (void)cconc_ctx_ref(r.root);
        assert_int_equal(support_threads_join(race_start(&r, 3, ref_and_free)), 0);
        assert_int_equal(cconc_ctx_err(child), ECANCELED);
        cconc_ctx_free(child);
    }
}

struct holder {
    cconc_ctx  *ctx;
    cconc_chan *ch;
    int         err[5];
};

/* One kind of wait a thread, each bounded by a context of which it has no handle. */
static void wait_without_a_handle(void *arg, size_t index)
{
    struct holder *h = arg;
    cconc_select_case cases[] = {cconc_select_recv(h->ch, NULL), cconc_select_done(h->ctx)};
    size_t fired;
    switch (index) {
    case 0:
        h->err[index] = cconc_chan_recv(h->ch, h->ctx, NULL);
        break;
    case 1:
        h->err[index] = cconc_ctx_sleep(h->ctx, 3600 * CCONC_SECOND);
        break;
    case 2:
        h->err[index] = cconc_ctx_wait(h->ctx, NULL) == 0 ? ECANCELED : -1;
        break;
    case 3:
        h->err[index] = cconc_select(cases, 2, 0, &fired);
        break;
    default:
        h->err[index] = cconc_chan_recv(NULL, h->ctx, NULL);
    }
}

static void ctx_last_handle_may_go_while_others_wait_under_it(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        struct holder h = {.ctx = make_cancel(NULL)};
        struct support_threads *threads;
        assert_int_equal(cconc_chan_new(8, (size_t)(round % 2), &h.ch), 0);
        threads = support_threads_start(5, wait_without_a_handle, &h);
        until(cconc__node_watchers(h.ctx) == 5);
        cconc_ctx_free(h.ctx);
        support_threads_join(threads);
        for (int i = 0; i < 5; i++) {
            assert_int_equal(h.err[i], ECANCELED);
        }
        cconc_chan_free(h.ch);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(ctx_every_of_many_cancels_returns_when_the_subtree_is_done),
        UNIT_TEST(ctx_cancels_at_several_places_of_a_tree_all_end),
        UNIT_TEST(ctx_child_made_during_a_cancel_is_done_when_cancel_returns),
        UNIT_TEST(ctx_err_is_never_seen_before_all_else_is_done),
        UNIT_TEST(ctx_cause_goes_from_none_to_final_in_one_step),
        UNIT_TEST(ctx_on_the_stack_passes_on_what_came_before_the_cancel),
        UNIT_TEST(ctx_cancel_never_misses_a_thread_about_to_wait),
        UNIT_TEST(ctx_cancel_of_a_parent_may_race_the_last_free_of_its_child),
        UNIT_TEST(ctx_handles_counted_by_many_threads_end_it_once),
        UNIT_TEST(ctx_last_handle_may_go_while_others_wait_under_it),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
