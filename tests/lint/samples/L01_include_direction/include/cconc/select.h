/* select.h - a primitive that shows its inside
 * SPDX-License-Identifier: MIT
 *
 * Model     A queue.
 * Example   cconc_chan_close(ch);
 * Lifetime  none
 * Threads   Any.
 * Blocking  none
 * Orders    none
 * Progress  none
 * Errors    none
 * Limits    none
 */
#include "core/waiter.h"
