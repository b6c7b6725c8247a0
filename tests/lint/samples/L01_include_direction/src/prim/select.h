/* select.h - uses what is private to a channel
 * SPDX-License-Identifier: MIT
 */
#include <cconc/select.h>

#include "prim/chan.h"
