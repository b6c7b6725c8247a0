/* list.h - the edge that a key names
 * SPDX-License-Identifier: MIT
 *
 * Ordering    list.1  the name  (lock)
 */
