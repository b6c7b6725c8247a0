/* full.c - all words, one of them empty
 * SPDX-License-Identifier: MIT
 *
 * Idea        One.
 * Invariants  None.
 * Locks
 * Ordering    None.
 * Lifetime    Static.
 * Rejected    Nothing yet.
 */
