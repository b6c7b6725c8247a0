/* chan.h - a preface with a hole, and two words out of order
 * SPDX-License-Identifier: MIT
 *
 * Model     A queue.
 * Example   cconc_chan_close(ch);
 * Lifetime  none
 * Threads   Any.
 * Blocking  none
 * Progress  none
 * Limits    none
 * Errors    none
 */
#include <stddef.h>
