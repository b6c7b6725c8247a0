/* ctx_scale.c - contexts by the million
 * SPDX-License-Identifier: MIT
 *
 * Risk      Recursion: a deep chain or a wide star that overflows a small stack when it is
 *           cancelled, read or freed. More memory a context than promised.
 * Method    10^6 contexts, a tenth of that under a sanitizer, as a chain, a star and a random tree,
 *           on a thread with 64 KiB of stack.
 * Catches   C6, C8; I22.
 */
#include "ctx_help.h"

#include <stdlib.h>

#define COUNT ((size_t)(support_is_sanitized() ? 100000 : 1000000))

/* Bytes a plain child may take (promise 13). */
#define BYTES_EACH 200

typedef size_t (*parent_of_fn)(size_t index);

static struct support_random shape_random;

static size_t parent_in_chain(size_t index)
{
    return index - 1;
}

static size_t parent_in_star(size_t index)
{
    (void)index;
    return 0;
}

static size_t parent_at_random(size_t index)
{
    return support_random_below(&shape_random, (uint32_t)index);
}

struct scale {
    parent_of_fn parent_of;
    bool free_first; /* end it by freeing the root's handle first, else by cancel */
    bool backwards;  /* free the last one first */
};

static void build_end_and_free(void *arg)
{
    struct scale *s = arg;
    cconc_ctx **all = malloc(COUNT * sizeof(cconc_ctx *));
    SUPPORT_CHECK(all);
    shape_random = support_random_make(5, 0);
    all[0] = make_value(NULL, &ctx_mark, &ctx_mark);
    all[1] = make_cancel(all[0]);
    for (size_t i = 2; i < COUNT; i++) {
        all[i] = make_cancel(all[1 + s->parent_of(i - 1)]);
    }
    SUPPORT_CHECK(support_live_bytes() / COUNT <= BYTES_EACH);
    SUPPORT_CHECK(cconc_ctx_value(all[COUNT - 1], &ctx_mark) == &ctx_mark);
    SUPPORT_CHECK(cconc_ctx_deadline(all[COUNT - 1]) == CCONC_NEVER);
    if (s->free_first) {
        cconc_ctx_free(all[1]);
    } else {
        cconc_ctx_cancel_cause(all[1], EPERM, "all");
        SUPPORT_CHECK(cconc_ctx_cause(all[COUNT - 1], NULL) == EPERM);
    }
    for (size_t i = 2; i < COUNT; i++) {
        SUPPORT_CHECK(cconc_ctx_err(all[i]) == ECANCELED);
    }
    if (!s->free_first) {
        cconc_ctx_free(all[1]);
    }
    cconc_ctx_free(all[0]);
    for (size_t i = 2; i < COUNT; i++) {
        cconc_ctx_free(all[s->backwards ? COUNT + 1 - i : i]);
    }
    free(all);
}

static void ctx_chain_of_a_million_is_cancelled_and_freed_on_a_small_stack(void **state)
{
    (void)state;
    struct scale s = {.parent_of = parent_in_chain, .free_first = false, .backwards = false};
    support_on_small_stack(build_end_and_free, &s);
}

static void ctx_chain_of_a_million_ends_with_the_handle_of_its_root(void **state)
{
    (void)state;
    struct scale s = {.parent_of = parent_in_chain, .free_first = true, .backwards = true};
    support_on_small_stack(build_end_and_free, &s);
}

static void ctx_star_of_a_million_is_cancelled_and_freed_on_a_small_stack(void **state)
{
    (void)state;
    struct scale s = {.parent_of = parent_in_star, .free_first = false, .backwards = true};
    support_on_small_stack(build_end_and_free, &s);
}

static void ctx_random_tree_of_a_million_ends_on_a_small_stack(void **state)
{
    (void)state;
    struct scale s = {.parent_of = parent_at_random, .free_first = true, .backwards = false};
    support_on_small_stack(build_end_and_free, &s);
}

/* Only the last of a chain keeps all the others: one free walks all the way up. */
static void chain_kept_by_its_end(void *arg)
{
    (void)arg;
    cconc_ctx *last = make_cancel(NULL);
    for (size_t i = 1; i < COUNT; i++) {
        cconc_ctx *next = make_value(last, &ctx_mark, NULL);
        cconc_ctx *other = last;
        last = i % 2 ? next : make_without_cancel(next);
        cconc_ctx_free(other);
        if (last != next) {
            cconc_ctx_free(next);
        }
    }
    cconc_ctx_free(last);
}

static void ctx_free_of_the_last_of_a_long_chain_needs_no_stack(void **state)
{
    (void)state;
    support_on_small_stack(chain_kept_by_its_end, NULL);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(ctx_chain_of_a_million_is_cancelled_and_freed_on_a_small_stack),
        UNIT_TEST(ctx_chain_of_a_million_ends_with_the_handle_of_its_root),
        UNIT_TEST(ctx_star_of_a_million_is_cancelled_and_freed_on_a_small_stack),
        UNIT_TEST(ctx_random_tree_of_a_million_ends_on_a_small_stack),
        UNIT_TEST(ctx_free_of_the_last_of_a_long_chain_needs_no_stack),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
