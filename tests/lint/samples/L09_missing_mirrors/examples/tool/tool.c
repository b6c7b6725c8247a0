/* tool.c - a program that nothing runs
 * SPDX-License-Identifier: MIT
 */
#include <stddef.h>
