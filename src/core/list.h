/* list.h - intrusive doubly linked lists
 * SPDX-License-Identifier: MIT
 *
 * A list is a link that closes the ring; an unlinked link points to itself.
 */
#ifndef CORE_LIST_H
#define CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct list_link {
    struct list_link *next;
    struct list_link *prev;
} list_link;

/* The struct of which link is the member. */
#define LIST_OF(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void list_init(list_link *link)
{
    link->next = link;
    link->prev = link;
}

static inline bool list_is_empty(const list_link *list)
{
    return list->next == list;
}

/* Put link before place; before the list itself is the end. */
static inline void list_insert_before(list_link *place, list_link *link)
{
    link->next = place;
    link->prev = place->prev;
    place->prev->next = link;
    place->prev = link;
}

static inline void list_push_back(list_link *list, list_link *link)
{
    list_insert_before(list, link);
}

static inline void list_push_front(list_link *list, list_link *link)
{
    list_insert_before(list->next, link);
}

static inline void list_remove(list_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

#endif
