/* clock.h - looks up
 * SPDX-License-Identifier: MIT
 */
#include "core/waiter.h"
