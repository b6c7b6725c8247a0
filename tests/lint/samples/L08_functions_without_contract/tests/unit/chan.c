/* chan.c - calls all but one
 * SPDX-License-Identifier: MIT
 *
 * Risk     Something.
 * Method   Calls it.
 * Catches  Its loss.
 */
#include <cconc/chan.h>

static int use(void)
{
    return cconc_chan_bare() + cconc_chan_len() + cconc_chan_cap();
}
