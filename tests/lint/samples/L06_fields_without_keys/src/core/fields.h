/* fields.h - fields without keys, locks without ranks
 * SPDX-License-Identifier: MIT
 *
 * Key  (s) a letter of this file
 */
#include "core/lock.h"

static lock table_mu;
static lock list_mu = LOCK_INIT(RANK_LIST);
static atom_u32 count;

typedef struct shared {
    lock     mu;    /* rank LIST; guards (m) */
    lock     other; /* guards the rest */
    uint32_t used;  /* (m) */
    uint32_t room;
    int      kind;  /* immutable */
    union {
        int   code; /* (i) */
        void *next;
    } u;
    void (*fn)(void *arg); /* (i) */
    atom_u32 state;        /* (a) */
    char     name[16];     /* (e list.1) */
    char     apart[ATOM_LINE - 4];
    int      owned;        /* (s) */
    int      stray;        /* (t) */
} shared;

typedef struct local {
    int a;
    int b;
} local;

static inline void shared_add_locked(shared *s)
{
    uint32_t room = s->room;
    cconc__lock_assert_held(&s->mu);
    s->used += room;
}

static inline void shared_drop_locked(shared *s)
{
    s->used--;
    cconc__lock_assert_held(&s->mu);
}
