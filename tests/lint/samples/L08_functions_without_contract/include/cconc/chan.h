/* chan.h - functions without contract or test
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
#include <cconc/base.h>

CCONC_API int cconc_chan_bare(void);

/* Give the length, and the capacity. */
CCONC_API int cconc_chan_len(void);
CCONC_API int cconc_chan_cap(void);

/* Do something that no test does. */
CCONC_API CCONC_NODISCARD int
cconc_chan_untested(void (*fn)(void *arg));
