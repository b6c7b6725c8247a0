/* full.c - a test that does not say what it catches
 * SPDX-License-Identifier: MIT
 *
 * Risk     Something.
 * Method   Calls it.
 */
