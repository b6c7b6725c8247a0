/* alloc.c - memory, through the allocator that the process has chosen
 * SPDX-License-Identifier: MIT
 *
 * Idea        One word says whether the choice is still open. The first allocation closes it, so a
 *             block always goes back to the allocator that gave it. With CCONC_NO_MALLOC the C
 *             library's is not even named: until one is chosen there is no memory.
 * Picture     OPEN --choose()--> CHOOSING --> CHOSEN      OPEN --first allocation--> CHOSEN
 *                                                         (not with CCONC_NO_MALLOC)
 * Invariants  I1 chosen is written only by the one thread that moved the word to CHOOSING.
 *             I2 The word never leaves CHOSEN.
 *             I3 errno is as it was: malloc may set it even when it succeeds.
 *             I4 Whoever has an object is told from its children.
 * Locks       None: the allocator is called under no lock of the library.
 * Ordering    alloc.1  cconc__alloc_choose(): store rel -> alloc_settled(),
 *                      alloc_take(): load acq    the hook
 * Lifetime    For ever.
 * Rejected    An allocator argument to every constructor: users asked for one hook. */
#include "plat/alloc.h"

#include <errno.h>
#include <string.h>

#include "plat/atomic.h"
#include "plat/cpu.h"
#include "plat/fork.h"
#include "plat/os.h"

#if !defined(CCONC_NO_MALLOC)
#include <stdlib.h>
#endif

/* Up to here malloc and memset cost less than calloc, which passes glibc's thread caches by. */
#define ALLOC_SMALL 512

enum { OPEN, CHOOSING, CHOSEN };

static atom_u32 choice; /* (a) [alloc.1] */
static struct {
    void *(*alloc_fn)(size_t size, void *user);
    void (*free_fn)(void *memory, void *user);
    void *user;
} chosen; /* (e alloc.1) NULL functions = the C library's */

static void *alloc_zeroed(void *memory, size_t size)
{
    if (memory) {
        memset(memory, 0, size);
    }
    return memory;
}

#if defined(CCONC_NO_MALLOC)
static void *alloc_take(size_t size)
{
    uint32_t found = atom_load_acq(&choice); /* [alloc.1] acq: the hook */
    uint32_t turn = 0;
    while (found == CHOOSING) {
        plat_cpu_await(turn++);
        found = atom_load_acq(&choice); /* [alloc.1] acq: as above */
    }
    return found == CHOSEN ? alloc_zeroed(chosen.alloc_fn(size, chosen.user), size) : NULL;
}

static void alloc_give(void *memory)
{
    chosen.free_fn(memory, chosen.user);
}
#else
static void alloc_settled(void)
{
    for (uint32_t turn = 0;; turn++) {
        uint32_t found = atom_load_acq(&choice); /* [alloc.1] acq: the hook */
        if (found == CHOSEN) {
            return;
        }
        if (found == OPEN) {
            (void)plat_fork_is_ours(); /* I4 */
            (void)atom_cas_rlx_rlx(&choice, &found, CHOSEN); /* rlx: looked at again above */
        } else {
            plat_cpu_await(turn);
        }
    }
}

static void *alloc_take(size_t size)
{
    alloc_settled();
    if (!chosen.alloc_fn && size > ALLOC_SMALL) {
        return calloc(1, size);
    }
    return alloc_zeroed(chosen.alloc_fn ? chosen.alloc_fn(size, chosen.user) : malloc(size), size);
}

static void alloc_give(void *memory)
{
    if (chosen.free_fn) {
        chosen.free_fn(memory, chosen.user);
    } else {
        free(memory);
    }
}
#endif

void *cconc__alloc(size_t size)
{
    int saved = os_errno();
    void *memory = alloc_take(size ? size : 1);
    os_errno_restore(saved);
    return memory;
}

void cconc__alloc_free(void *memory)
{
    int saved = os_errno();
    if (memory) {
        alloc_give(memory);
        os_errno_restore(saved);
    }
}

int cconc__alloc_choose(void *(*alloc_fn)(size_t size, void *user),
                        void (*free_fn)(void *memory, void *user), void *user)
{
    uint32_t found = OPEN;
    if (!atom_cas_rlx_rlx(&choice, &found, CHOOSING)) { /* rlx: only picks who may write the hook */
        return EBUSY;
    }
    (void)plat_fork_is_ours(); /* I4 */
    chosen.alloc_fn = alloc_fn;
    chosen.free_fn = free_fn;
    chosen.user = user;
    atom_store_rel(&choice, CHOSEN); /* [alloc.1] rel: the hook */
    return 0;
}
