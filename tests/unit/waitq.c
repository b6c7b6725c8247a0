/* waitq.c - unit tests of the queue of waiters, and of the list below it
 * SPDX-License-Identifier: MIT
 *
 * Risk      A link that still points into a queue after its node has left, an order or a count that
 *           drifts.
 * Method    A long random run of every operation, compared with an array after each step.
 * Catches   H6 H8 H15, T6; the order that rule all-13 rests on.
 */
#include "unit.h"

#include "core/waitq.h"

#include <string.h>

#define NODES 12

/* The nodes that ought to be queued, first to last. */
struct expected {
    wait_node *nodes[NODES];
    size_t     count;
};

static void expect_insert(struct expected *expected, size_t place, wait_node *node)
{
    memmove(&expected->nodes[place + 1], &expected->nodes[place],
            (expected->count - place) * sizeof(expected->nodes[0]));
    expected->nodes[place] = node;
    expected->count++;
}

static void expect_remove(struct expected *expected, const wait_node *node)
{
    size_t place = 0;
    while (expected->nodes[place] != node) {
        place++;
    }
    expected->count--;
    memmove(&expected->nodes[place], &expected->nodes[place + 1],
            (expected->count - place) * sizeof(expected->nodes[0]));
}

static void compare(const waitq *q, const struct expected *expected)
{
    const list_link *at = &q->list;
    assert_int_equal(q->count, expected->count);
    assert_ptr_equal(waitq_first(q), expected->count > 0 ? expected->nodes[0] : NULL);
    for (size_t i = 0; i < expected->count; i++) {
        assert_ptr_equal(at->next, &expected->nodes[i]->link);
        assert_ptr_equal(at->next->prev, at);
        assert_true(expected->nodes[i]->queued);
        at = at->next;
    }
    assert_ptr_equal(at->next, &q->list);
    assert_ptr_equal(q->list.prev, at);
}

static void waitq_new_is_empty(void **state)
{
    waitq q;
    (void)state;
    waitq_init(&q);
    assert_null(waitq_first(&q));
    assert_int_equal(q.count, 0);
    assert_true(list_is_empty(&q.list));
}

static void waitq_keeps_the_order_of_arrival(void **state)
{
    wait_node nodes[3];
    waitq q;
    (void)state;
    memset(nodes, 0, sizeof(nodes));
    waitq_init(&q);
    for (size_t i = 0; i < 3; i++) {
        waitq_push_back(&q, &nodes[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_ptr_equal(waitq_first(&q), &nodes[i]);
        waitq_remove(&q, &nodes[i]);
        assert_false(nodes[i].queued);
        assert_true(list_is_empty(&nodes[i].link));
    }
    assert_null(waitq_first(&q));
}

static void waitq_agrees_with_an_array_at_every_step(void **state)
{
    struct support_random random = support_random_make(20250102, 0);
    struct expected expected = {{NULL}, 0};
    wait_node nodes[NODES];
    waitq q;
    (void)state;
    memset(nodes, 0, sizeof(nodes));
    waitq_init(&q);
    for (int step = 0; step < 100000; step++) {
        wait_node *node = &nodes[support_random_below(&random, NODES)];
        if (node->queued) {
            waitq_remove(&q, node);
            assert_false(node->queued);
            expect_remove(&expected, node);
        } else if (support_random_below(&random, 2) == 0) {
            waitq_push_back(&q, node);
            expect_insert(&expected, expected.count, node);
        } else {
            waitq_push_front(&q, node);
            expect_insert(&expected, 0, node);
        }
        compare(&q, &expected);
    }
}

static void list_inserts_before_any_place(void **state)
{
    list_link list;
    list_link a;
    list_link b;
    list_link c;
    (void)state;
    list_init(&list);
    list_push_back(&list, &c);
    list_push_front(&list, &a);
    list_insert_before(&c, &b);
    assert_ptr_equal(list.next, &a);
    assert_ptr_equal(a.next, &b);
    assert_ptr_equal(b.next, &c);
    assert_ptr_equal(c.next, &list);
    list_remove(&b);
    assert_ptr_equal(a.next, &c);
    assert_ptr_equal(c.prev, &a);
    list_remove(&b); /* a link that is in no list points to itself */
    assert_ptr_equal(a.next, &c);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(waitq_new_is_empty),
        UNIT_TEST(waitq_keeps_the_order_of_arrival),
        UNIT_TEST(waitq_agrees_with_an_array_at_every_step),
        UNIT_TEST(list_inserts_before_any_place),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
