/* chan_use.c - uses the primitive
 * SPDX-License-Identifier: MIT
 */
#include <cconc/chan.h>
