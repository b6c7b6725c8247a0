/* ctx.c - a model of something else
 * SPDX-License-Identifier: MIT
 *
 * Risk     Something.
 * Method   Calls it.
 * Catches  Its loss.
 */
#include <stddef.h>
