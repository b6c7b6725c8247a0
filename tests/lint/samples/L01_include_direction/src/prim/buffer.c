/* buffer.c - part of a channel, by the header it uses
 * SPDX-License-Identifier: MIT
 *
 * Idea        One.
 * Invariants  None.
 * Locks       None.
 * Ordering    None.
 * Lifetime    Static.
 * Rejected    Nothing yet.
 */
#include "prim/chan.h"
