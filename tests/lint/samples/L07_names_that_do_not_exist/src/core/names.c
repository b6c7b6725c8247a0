/* names.c - names that nobody has
 * SPDX-License-Identifier: MIT
 *
 * Idea        names_real() and real() exist, names_gone() does not; pthread_join() and Wait() do.
 * Invariants  names.c exists, gone.c does not, <stdio.h> is no file of ours; re*() is a family.
 * Locks       None.
 * Ordering    None.
 * Lifetime    names_hook() is called by pointer, xyz*() is a family that nobody has.
 * Rejected    The first try (0001), the second (0002).
 */
typedef struct names {
    void (*names_hook)(void);
} names;

void names_real(void);

void names_real(void)
{
}
