/* objpool_help.h - what the unit tests of object pools share.
 * SPDX-License-Identifier: MIT
 */
#ifndef CCONC_TESTS_OBJPOOL_HELP_H
#define CCONC_TESTS_OBJPOOL_HELP_H

#include "unit.h"

#include <cconc/cconc.h>

#define OBJECTS 64

static inline void *get(cconc_objpool *pool)
{
    void *object = NULL;
    SUPPORT_CHECK(cconc_objpool_get(pool, &object) == 0);
    return object;
}

/* Have count objects lent at a time, then none. */
static inline void use(cconc_objpool *pool, size_t count)
{
    void *objects[OBJECTS];
    for (size_t i = 0; i < count; i++) {
        objects[i] = get(pool);
    }
    for (size_t i = 0; i < count; i++) {
        cconc_objpool_put(pool, objects[i]);
    }
}

static inline cconc_objpool_counts counts_of(cconc_objpool *pool)
{
    cconc_objpool_counts counts;
    cconc_objpool_read(pool, &counts);
    return counts;
}

#endif
