/* chan.c - its unit test
 * SPDX-License-Identifier: MIT
 *
 * Risk     Something.
 * Method   Calls it.
 * Catches  Its loss.
 */
#include <stddef.h>
