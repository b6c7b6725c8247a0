/* chan.c - the primitive
 * SPDX-License-Identifier: MIT
 *
 * Idea        One.
 * Invariants  None.
 * Locks       None.
 * Ordering    None.
 * Lifetime    Static.
 * Rejected    Nothing yet.
 */
#include <stddef.h>
