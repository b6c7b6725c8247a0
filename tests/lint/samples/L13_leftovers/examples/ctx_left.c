/* ctx_left.c - names a machine: @MACHINE_PATH@main
 * SPDX-License-Identifier: MIT
 */
#include <stddef.h>
