/* ctx_unrun.c - an example that nothing runs
 * SPDX-License-Identifier: MIT
 */
#include <stddef.h>
