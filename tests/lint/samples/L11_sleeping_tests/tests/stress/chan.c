/* chan.c - may sleep
 * SPDX-License-Identifier: MIT
 *
 * Risk     Something.
 * Method   Calls it.
 * Catches  Its loss.
 */
#include <unistd.h>

static void pause_a_little(void)
{
    usleep(10);
}
