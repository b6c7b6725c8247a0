/* list.c - unit tests of intrusive lists
 * SPDX-License-Identifier: MIT
 *
 * Risk      A link lost or listed twice, a removed link that still points into the list.
 * Method    After each step the list is walked both ways and compared with what it should hold.
 * Catches   H8, C5.
 */
#include "unit.h"

#include "core/list.h"

struct item {
    int       before; /* the link is not the first member */
    list_link link;
    char      name;
};

/* Assert that list holds the items with the letters of names, read in both directions. */
static void assert_holds(list_link *list, const char *names)
{
    size_t count = 0;
    const list_link *previous = list;
    for (list_link *at = list->next; at != list; at = at->next) {
        assert_ptr_equal(at->prev, previous);
        assert_int_equal(LIST_OF(at, struct item, link)->name, names[count]);
        previous = at;
        count++;
    }
    assert_ptr_equal(list->prev, previous);
    assert_int_equal(names[count], '\0');
    assert_int_equal(list_is_empty(list), count == 0);
}

static void list_keeps_the_order_of_its_links(void **state)
{
    struct item items[5];
    list_link list;
    (void)state;
    list_init(&list);
    assert_holds(&list, "");
    for (size_t i = 0; i < 5; i++) {
        items[i].name = (char)('a' + (char)i);
    }
    list_push_back(&list, &items[1].link);
    assert_holds(&list, "b");
    list_push_back(&list, &items[2].link);
    assert_holds(&list, "bc");
    list_push_front(&list, &items[0].link);
    assert_holds(&list, "abc");
    list_insert_before(&items[1].link, &items[3].link);
    assert_holds(&list, "adbc");
    list_insert_before(&list, &items[4].link); /* before the list is at its end */
    assert_holds(&list, "adbce");
}

static void list_removed_link_points_to_itself_and_may_be_removed_again(void **state)
{
    struct item items[3];
    list_link list;
    (void)state;
    list_init(&list);
    for (size_t i = 0; i < 3; i++) {
        items[i].name = (char)('a' + (char)i);
        list_push_back(&list, &items[i].link);
    }
    list_remove(&items[1].link);
    assert_holds(&list, "ac");
    assert_true(list_is_empty(&items[1].link));
    assert_ptr_equal(items[1].link.prev, &items[1].link);
    list_remove(&items[1].link);
    assert_holds(&list, "ac");
    list_push_front(&list, &items[1].link);
    assert_holds(&list, "bac");
    for (size_t i = 0; i < 3; i++) {
        list_remove(&items[i].link);
    }
    assert_holds(&list, "");
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(list_keeps_the_order_of_its_links),
        UNIT_TEST(list_removed_link_points_to_itself_and_may_be_removed_again),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
