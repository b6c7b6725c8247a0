/* chan.c - stresses the primitive
 * SPDX-License-Identifier: MIT
 *
 * Risk     Something.
 * Method   Calls it.
 * Catches  Its loss.
 */
