/* chan_peek.c - uses what users do not have
 * SPDX-License-Identifier: MIT
 */
#include "prim/chan.h"
