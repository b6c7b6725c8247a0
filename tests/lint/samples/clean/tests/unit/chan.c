/* chan.c - tests the primitive
 * SPDX-License-Identifier: MIT
 *
 * Risk     Something.
 * Method   Calls it.
 * Catches  Its loss.
 */
#include <cconc/chan.h>

int main(void)
{
    return cconc_chan_close(0) + cconc_chan_try_send(0);
}
