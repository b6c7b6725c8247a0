/* waiter.h - looks up, and without a layer
 * SPDX-License-Identifier: MIT
 */
#include "plat/word.h"
#include "prim/chan.h"
#include "waiter.h"
