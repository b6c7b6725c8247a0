/* fork.c - telling a forked child from the process that it was forked from
 * SPDX-License-Identifier: MIT
 *
 * Idea        A page that the kernel clears in every child: a look at it is a load. Where the
 *             system has no such page the number of the process is compared, which is a call.
 * Invariants  I1 A mark that is shown was written; only a fork clears it.
 *             I2 Where there is a mark it alone decides: the number of a process may come again.
 * Locks       None.
 * Ordering    fork.1  fork_make_mark(): cas rel -> plat_fork_is_ours(), cconc__fork_adopt(): load
 *                     acq    the mark in the page
 *             owner and number are written by one thread alone: owner before anything is shared or
 *             by equal values, number in a child that has no other thread.
 * Lifetime    The page stays for good.
 * Rejected    pthread_atfork(): a handler in every program that links the library, called in
 *             children that only want to exec. asking the system for the process
 *             at every wait: 50 to 100 ns. */
#include "plat/fork.h"

#if !defined(CCONC_PLAT_HEADER)

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

atom_ptr cconc__fork_mark;

static atom_u32 owner;  /* (a) the process that has no mark; 0 = not asked yet */
static uint32_t number; /* of adoptions */

#if defined(MADV_WIPEONFORK)
/* Make the mark, once. Returns NULL if the system cannot. */
static atom_u32 *fork_make_mark(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *shown = NULL;
    atom_u32 *mark = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mark == MAP_FAILED) {
        return NULL;
    }
    if (madvise(mark, page, MADV_WIPEONFORK) != 0) {
        (void)munmap(mark, page);
        return NULL;
    }
    atom_init(mark, FORK_MARKED);
    if (!atom_cas_rel_rlx(&cconc__fork_mark, &shown, mark)) { /* [fork.1] rel: what is in it */
        (void)munmap(mark, page);
        return shown;
    }
    return mark;
}
#else
static atom_u32 *fork_make_mark(void)
{
    return NULL;
}
#endif

bool cconc__fork_look(void)
{
    int saved = errno;
    uint32_t known = atom_load_rlx(&owner); /* rlx: whoever is first stores what all would */
    bool is_ours = false;
    if (known != 0) {
        is_ours = known == (uint32_t)getpid();
    } else if (!atom_load_rlx(&cconc__fork_mark)) { /* rlx: else it was looked at, and is clear */
        is_ours = true;
        if (!fork_make_mark()) {
            atom_store_rlx(&owner, (uint32_t)getpid()); /* rlx: as above */
        }
    }
    errno = saved;
    return is_ours;
}

void cconc__fork_adopt(void)
{
    atom_u32 *mark = atom_load_acq(&cconc__fork_mark); /* [fork.1] acq: this thread made it, or */
    if (mark) {                                        /* it was there at the fork */
        atom_store_rlx(mark, FORK_MARKED);             /* rlx: there is no other thread */
    } else {
        atom_store_rlx(&owner, (uint32_t)getpid()); /* rlx: as above */
    }
    number++;
}

uint32_t cconc__fork_number(void)
{
    return number;
}

#endif
